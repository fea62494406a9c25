"""Records of the binary door: get, find, put and delete. The oracle is the same question over HTTPS.

ROSTER_SEED repeats a run."""

import json
import os
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))

from harness import ENTERPRISE, GROUP, NOWHERE, PATCH, USER, SystemTest, find_member, in_threads, main  # noqa: E402
from living import LivingTest, OURS  # noqa: E402
from wire import LAST, Failure, Wire  # noqa: E402

SEED = int(os.environ.get("ROSTER_SEED", random.SystemRandom().randrange(1 << 32)))
FAMILY = ["Lovelace", "Hopper", "Turing", "Noether", "Curie"]
MADE_UP = {"Quota", "AuditEvent"}


def number_id(kind, n):
    return f"{n:08x}-{kind:04x}-7000-8000-{n:012x}"


def parsed(items):
    return [json.loads(item["resource"]) for item in items]


class Records(SystemTest):
    config = {"guard.enabled": False, "access_log": False}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rng = random.Random(SEED)
        cls.operator = find_member(cls.daemon.ctl("token", "create", "--operator"), ("token", "secret"))
        cls.one = cls.daemon.org("tolerant", "records")
        cls.users = [number_id(1, n) for n in range(1500)]
        cls.groups = [number_id(2, n) for n in range(12)]
        lines = []
        for n, id in enumerate(cls.users):
            user = {"schemas": [USER, ENTERPRISE], "id": id, "userName": f"u{n:05}@example.com", "active": n % 5 != 0,
                    "name": {"familyName": FAMILY[n % 5], "givenName": f"G{n % 17}"}, "title": "x" * cls.rng.randint(0, 200),
                    "emails": [{"value": f"{kind}{n}@example.com", "type": kind} for kind in ("work", "home")[:n % 3]],
                    ENTERPRISE: {"department": f"d{n % 7}"}, "externalId": f"x{n}"}
            if n % 11 == 0:
                del user["name"]
            if n % 4:
                user["displayName"] = f"User {n % 700}"
            lines.append(user)
        for n, id in enumerate(cls.groups):
            members = cls.rng.sample(cls.users, cls.rng.choice([0, 3, 100])) + cls.groups[max(0, n - 2):n]
            lines.append({"schemas": [GROUP], "id": id, "displayName": f"Group {n}",
                          "members": [{"value": member} for member in members]})
        file = cls.daemon.folder / "records.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        cls.daemon.ctl("import", "records", file, "--connection", "main", timeout=300)

    def setUp(self):
        super().setUp()
        self.w = self.wire(self.one)

    def _formatMessage(self, msg, standardMsg):
        return f"{super()._formatMessage(msg, standardMsg)} [ROSTER_SEED={SEED}]"

    def wire(self, org, token=None):
        wire = Wire(self.daemon, token or org.token, org.key)
        self.addCleanup(wire.close)
        return wire

    def refused_with(self, status, error, field, type, wire=None, /, **fields):
        with self.assertRaises(Failure) as caught:
            (wire or self.w).call(type, **fields)
        failure = caught.exception
        self.assertEqual((failure.status, failure.error, failure.field), (status, error, field), failure)
        return failure

    def over_https(self, endpoint, **parameters):
        """All pages, by cursor."""
        found, cursor = [], ""
        while cursor is not None:
            page = self.ok(self.one.find(endpoint, cursor=cursor, count=997, **parameters))
            found += page.get("Resources", [])
            cursor = page.get("nextCursor")
        return found

    # ---- get ----

    def test_get_is_what_https_gives(self):
        for endpoint, type, ids in (("Users", "User", self.rng.sample(self.users, 40)), ("Groups", "Group", self.groups)):
            for id in ids:
                reply = self.one.get(f"/{endpoint}/{id}")
                answer = self.w.call("get", type=type, id=id)
                expected = reply.json
                expected.pop("members", None)
                self.assertEqual(json.loads(answer["resource"]), expected)
                self.assertEqual(answer["id"], id)
                self.assertEqual(f'W/"{answer["version"]}"', reply.headers["etag"])
                self.assertGreaterEqual(answer["revision"], answer["version"])

    def test_get_with_attributes(self):
        for type, endpoint, id in (("User", "Users", self.users[7]), ("Group", "Groups", self.groups[-1])):
            for attributes in ("userName", "emails.value,active", "members", "members.value", "displayName,groups", "meta",
                               ENTERPRISE, "nothing"):
                self.assertEqual(json.loads(self.w.call("get", type=type, id=id, attributes=attributes)["resource"]),
                                 self.ok(self.one.get(f"/{endpoint}/{id}?attributes={attributes}")), attributes)
            for excluded in ("emails", "name.givenName,meta", "members", "groups"):
                expected = self.ok(self.one.get(f"/{endpoint}/{id}?excludedAttributes={excluded}"))
                expected.pop("members", None)
                self.assertEqual(json.loads(self.w.call("get", type=type, id=id, excluded=excluded)["resource"]), expected)

    def test_get_of_a_long_one(self):
        """A group whose members take more than one piece, and one that no answer can hold."""
        one = self.org()
        ids = [number_id(3, n) for n in range(36000)]
        lines = [{"schemas": [USER], "id": id, "userName": f"m{id}@example.com"} for id in ids]
        lines += [{"schemas": [GROUP], "id": number_id(4, n), "displayName": f"g{n}",
                   "members": [{"value": member} for member in ids[:size]]} for n, size in enumerate((2000, 36000))]
        file = self.daemon.folder / "long.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.daemon.ctl("import", one.key, file, "--connection", "main", timeout=300)
        w = self.wire(one)
        answer = w.call("get", type="Group", id=number_id(4, 0), attributes="members")
        self.assertGreater(len(answer["resource"]), 200000)
        self.assertEqual(json.loads(answer["resource"]), self.ok(one.get(f"/Groups/{number_id(4, 0)}?attributes=members")))
        self.refused_with(413, "TOO_LARGE", "resource", "get", w, type="Group", id=number_id(4, 1), attributes="members")
        self.assertEqual(len(w.items("members-of", group_id=number_id(4, 1))), 36000)
        [small, _] = parsed(w.items("find", type="Group", attributes="displayName"))
        self.assertEqual(small["displayName"], "g0")
        self.refused_with(413, "TOO_LARGE", "resource", "find", w, type="Group", attributes="members",
                          filter='displayName eq "g1"')
        self.assertEqual(w.call("ping", data=b"x")["data"], "x")

    def test_what_can_not_be_got(self):
        user = self.users[0]
        self.refused_with(404, "NOT_FOUND", "", "get", type="User", id=NOWHERE)
        self.refused_with(404, "NOT_FOUND", "", "get", type="Group", id=user)
        self.refused_with(400, "INVALID_VALUE", "type", "get", id=user)
        self.refused_with(400, "INVALID_VALUE", "type", "get", type="Person", id=user)
        self.refused_with(400, "INVALID_VALUE", "type", "get", type="Users", id=user)
        self.refused_with(400, "INVALID_VALUE", "type", "get", type="AuditEvent", id=user)
        self.refused_with(400, "INVALID_VALUE", "id", "get", type="User")
        self.refused_with(400, "INVALID_VALUE", "excluded", "get", type="User", id=user, attributes="a", excluded="b")
        self.refused_with(412, "PRECONDITION_FAILED", "revision", "get", type="User", id=user, revision=1 << 50)

    # ---- find ----

    FILTERS = [
        'userName eq "u00017@example.com"', 'userName sw "u000"', 'userName co "99"', 'active eq true', 'active eq false',
        'name.familyName eq "Hopper"', 'name.familyName co "ing"', 'emails.value eq "home23@example.com"',
        'emails[type eq "home" and value co "1"]', 'displayName pr', 'not (displayName pr)', 'title co "xxxx"',
        f'{ENTERPRISE}:department eq "d3"', 'externalId eq "x99"', 'meta.lastModified gt "2011-05-13T04:42:34Z"',
        'active eq true and name.familyName eq "Curie"', 'userName sw "u0001" or userName sw "u0002"',
        'groups.value eq "%s"', 'name.givenName eq "G3" and not (active eq false)', 'userName eq "nobody"',
    ]

    def found(self, type="User", **fields):
        parts = self.w.answer(self.w.ask("find", type=type, **fields))
        self.assertTrue(all("cursor" not in part for part in parts))
        items = [item for part in parts for item in part.get("item", [])]
        resources = parsed(items)
        for item, resource in zip(items, resources):
            self.assertEqual(item["id"], resource["id"])
            if "meta" in resource:
                self.assertEqual(f'W/"{item["version"]}"', resource["meta"]["version"])
        return resources

    def test_find_is_what_https_finds(self):
        for filter in self.FILTERS:
            if "%s" in filter:
                filter %= self.rng.choice(self.groups)
            self.assertEqual(self.found(filter=filter), self.over_https("/Users", filter=filter), filter)
        for filter in (f'members.value eq "{self.users[3]}"', 'displayName sw "Group 1"', "members pr"):
            self.assertEqual([one["id"] for one in self.found("Group", filter=filter)],
                             [one["id"] for one in self.over_https("/Groups", filter=filter)], filter)

    def test_find_all_and_sorted(self):
        self.assertEqual(self.found(), self.over_https("/Users"))
        for sort in ("userName", "name.familyName", "displayName", "meta.lastModified", "emails.value", "title",
                     f"{ENTERPRISE}:department"):
            for descending in (0, 1):
                more = {"sort": sort, "descending": descending}
                theirs = {"sortBy": sort, "sortOrder": "descending" if descending else "ascending"}
                self.assertEqual([one["id"] for one in self.found(attributes="userName", **more)],
                                 [one["id"] for one in self.over_https("/Users", attributes="userName", **theirs)], more)
                filter = self.rng.choice(self.FILTERS[:5])
                self.assertEqual([one["id"] for one in self.found(filter=filter, **more)],
                                 [one["id"] for one in self.over_https("/Users", filter=filter, **theirs)], (filter, more))

    def test_find_groups_with_members_when_asked_for(self):
        self.assertTrue(all("members" not in group for group in self.found("Group")))
        self.assertEqual(self.found("Group", attributes="displayName,members"),
                         self.over_https("/Groups", attributes="displayName,members"))

    def test_pages(self):
        for fields in ({}, {"filter": "active eq true"}, {"filter": 'title co "xx"'}, {"sort": "displayName", "descending": 1},
                       {"filter": 'name.familyName eq "Curie"', "sort": "userName"}, {"sort": "title"}):
            expected = [one["id"] for one in self.found(attributes="id", **fields)]
            found, cursor = [], None
            while True:
                limit = self.rng.choice([1, 63, 64, 65, 200, 511, 512, 513])
                parts = self.w.answer(self.w.ask("find", type="User", attributes="id", limit=limit, cursor=cursor, **fields))
                page = [item["id"] for part in parts for item in part.get("item", [])]
                found += page
                self.assertTrue(all("cursor" not in part for part in parts[:-1]))
                cursor = parts[-1].get("cursor")
                if cursor is None:
                    break
                self.assertEqual(len(page), limit)
            self.assertEqual(found, expected, fields)

    def test_cursors_that_are_not_of_this_query(self):
        ask = {"type": "User", "filter": "active eq true", "sort": "userName", "attributes": "id", "limit": 3}
        cursor = self.w.call("find", **ask)["cursor"]
        self.assertEqual(len(self.w.items("find", cursor=cursor, **ask)), 3)
        for other in ({"type": "Group", "sort": "displayName", "filter": None}, {"filter": "active eq false"}, {"sort": None},
                      {"descending": 1}, {"attributes": "userName"}, {"filter": None}):
            self.refused_with(400, "INVALID_CURSOR", "cursor", "find", cursor=cursor, **{**ask, **other})
        for n in range(len(cursor)):
            wrong = bytearray(cursor)
            wrong[n] ^= 1 if chr(wrong[n] ^ 1).isalnum() else 2
            self.refused_with(400, "INVALID_CURSOR", "cursor", "find", cursor=bytes(wrong), **ask)
        for wrong in (b"", b"\0" * 60, cursor[:-4], b"A" * 9000):
            self.refused_with(400, "INVALID_CURSOR", "cursor", "find", cursor=wrong, **ask)
        one = self.org()
        one.user("a"), one.user("b")
        foreign = self.wire(one).call("find", type="User", attributes="id", limit=1)["cursor"]
        self.refused_with(400, "INVALID_CURSOR", "cursor", "find", cursor=foreign, type="User", attributes="id", limit=1)

    def test_what_can_not_be_found(self):
        self.refused_with(400, "INVALID_FILTER", "filter", "find", type="User", filter="userName is nice")
        self.refused_with(400, "INVALID_VALUE", "sort", "find", type="User", sort="nothing")
        self.refused_with(413, "TOO_LARGE", "filter", "find", type="User", filter="x" * 16385)
        self.refused_with(400, "INVALID_VALUE", "type", "find", type="Quota")
        self.refused_with(400, "INVALID_VALUE", "type", "find")

    def test_find_while_others_write(self):
        """Who is there all the time, and is taken by the filter, is told once; parts are true at their revisions."""
        one = self.org()
        ids = [number_id(5, n) for n in range(900)]
        file = self.daemon.folder / "while.jsonl"
        file.write_text("".join(json.dumps({"schemas": [USER], "id": id, "userName": f"w{n:04}", "title": "stays " * 30,
                                            "displayName": f"d{n * 7919 % 900:04}"}) + "\n" for n, id in enumerate(ids)))
        self.daemon.ctl("import", one.key, file, "--connection", "main")
        moving, stop, problems = ids[1::3], threading.Event(), []

        def write():
            mine = random.Random(SEED + 1)
            try:
                while not stop.is_set():
                    value = mine.choice(["stays " * 30, "gone " * 30])
                    one.patch(f"/Users/{mine.choice(moving)}?attributes=id", {"op": "replace", "path": "title", "value": value})
                    made = one.user(f"new{mine.random()}", title="stays " * 30)
                    one.delete(f"/Users/{made['id']}")
            except BaseException as problem:  # noqa: handed on
                problems.append(problem)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            w, end, rounds = self.wire(one), time.monotonic() + 6, 0
            steady = set(ids) - set(moving)
            while time.monotonic() < end or rounds < 4:
                fields = {**self.rng.choice([{}, {"sort": "displayName"}, {"sort": "userName", "descending": 1}]),
                          "filter": self.rng.choice(['title co "stays"', 'title sw "stays" and userName pr'])}
                parts = w.answer(w.ask("find", type="User", **fields))
                items = [item for part in parts for item in part.get("item", [])]
                found = [item["id"] for item in items]
                self.assertEqual(len(set(found)), len(found), "told twice")
                self.assertEqual(steady - set(found), set(), "left out")
                for part in parts:
                    for resource in parsed(part.get("item", [])):
                        self.assertTrue(resource["title"].startswith("stays"), "not what the filter takes")
                        self.assertLessEqual(int(resource["meta"]["version"].strip('W/"')), part["revision"])
                rounds += 1
        finally:
            stop.set()
            writer.join()
        self.assertEqual(problems, [])

    # ---- put and delete ----

    def put(self, wire=None, **fields):
        if isinstance(fields.get("resource"), dict):
            fields["resource"] = json.dumps(fields["resource"])
        return (wire or self.w).call("put", **fields)

    def test_create_replace_delete(self):
        body = {"schemas": [USER], "userName": "put@example.com", "emails": [{"value": "put@example.com"}], "title": "Countess"}
        made = self.put(type="User", resource=body)
        self.assertEqual((made["created"], made["version"]), (1, made["revision"]))
        reply = self.one.get(f"/Users/{made['id']}")
        self.assertEqual(reply.headers["etag"], f'W/"{made["version"]}"')
        self.assert_has(reply.json, {"userName": "put@example.com", "title": "Countess"})
        body = {"schemas": [USER], "userName": "put@example.com", "displayName": "P"}
        changed = self.put(type="User", id=made["id"], resource=body, if_revision=made["version"])
        self.assertGreater(changed["version"], made["version"])
        self.assertNotIn("created", changed)
        reply = self.one.get(f"/Users/{made['id']}").json
        self.assertEqual((reply["displayName"], reply.get("title")), ("P", None))
        same = self.put(type="User", id=made["id"], resource=body)
        self.assertEqual(same["version"], changed["version"])
        self.assertGreaterEqual(same["revision"], same["version"])
        failure = self.refused_with(412, "PRECONDITION_FAILED", "if-revision", "put", type="User", id=made["id"], resource=json.dumps(body),
                                    if_revision=made["version"])
        self.assertIn("version", failure.message + "version")
        self.refused_with(412, "PRECONDITION_FAILED", "if-revision", "delete", type="User", id=made["id"], if_revision=made["version"])
        gone = self.w.call("delete", type="User", id=made["id"], if_revision=changed["version"])
        self.assertGreater(gone["revision"], changed["version"])
        self.assertEqual(self.one.get(f"/Users/{made['id']}").status, 404)
        self.refused_with(404, "NOT_FOUND", "", "delete", type="User", id=made["id"])
        self.refused_with(404, "NOT_FOUND", "", "put", type="User", id=made["id"], resource=json.dumps(body))

    def test_one_reads_what_one_put(self):
        for n in range(40):
            made = self.put(type="User", resource={"schemas": [USER], "userName": f"ryw{n}"})
            answer = self.w.call("get", type="User", id=made["id"], revision=made["revision"])
            self.assertGreaterEqual(answer["revision"], made["revision"])
            self.assertEqual(json.loads(answer["resource"])["userName"], f"ryw{n}")
            gone = self.w.call("delete", type="User", id=made["id"])
            self.refused_with(404, "NOT_FOUND", "", "get", type="User", id=made["id"], revision=gone["revision"])

    def test_refusals_are_those_of_https(self):
        bodies = [{"schemas": [USER]}, {"schemas": [USER], "userName": "u00001@example.com"}, {"schemas": [GROUP], "userName": "q"},
                  {"schemas": [USER], "userName": "q", "active": "perhaps"}, {"schemas": [USER], "userName": "q", "emails": 7},
                  ["no"], {"schemas": [USER], "userName": 7}]
        for body in bodies:
            reply = self.one.post("/Users", body)
            with self.assertRaises(Failure) as caught:
                self.put(type="User", resource=json.dumps(body))
            self.assertEqual(caught.exception.status, reply.status, body)
            if reply.json.get("scimType"):
                self.assertEqual(caught.exception.error.replace("_", "").lower(), reply.json["scimType"].lower(), body)
            self.assertIn(caught.exception.message, reply.json["detail"], body)
        taken = json.dumps({"schemas": [USER], "userName": "U00001@example.com"})
        failure = self.refused_with(409, "UNIQUENESS", "userName", "put", type="User", resource=taken)
        self.assertEqual(self.one.post("/Users", json.loads(taken)).json["detail"], f"userName: {failure.message}")
        for raw in ("", "{", "{}x", '{"userName": "a", "userName": "b"}', "\xff", "[" * 5000):
            with self.assertRaises(Failure) as caught:
                self.put(type="User", resource=raw.encode("latin-1"))
            self.assertEqual(caught.exception.status, 400, raw[:10])
        self.refused_with(400, "INVALID_VALUE", "resource", "put", type="User")
        self.refused_with(400, "INVALID_VALUE", "if-revision", "put", type="User", resource="{}", if_revision=3)
        self.refused_with(400, "INVALID_VALUE", "type", "put", resource="{}")
        self.refused_with(400, "INVALID_VALUE", "id", "delete", type="User")
        with self.assertRaises(Failure) as caught:
            self.put(type="Quota", resource={"schemas": [OURS + "Quota"], "name": "x"})
        self.assertIn(caught.exception.status, (400, 403, 405))

    def test_passwords_are_hashed_and_never_told(self):
        made = self.put(type="User", resource={"schemas": [USER], "userName": "secret", "password": "correct horse battery"})
        self.assertNotIn("password", json.loads(self.w.call("get", type="User", id=made["id"])["resource"]))
        self.assertNotIn(b"correct horse", b"".join(file.read_bytes() for file in self.daemon.data.glob("*.mdb")))
        self.put(type="User", id=made["id"], resource={"schemas": [USER], "userName": "secret", "password": "another horse battery"})
        with self.assertRaises(Failure) as caught:
            self.put(type="User", resource={"schemas": [USER], "userName": "secret2", "password": 7})
        self.assertEqual(caught.exception.status, 400)

    def test_long_resources(self):
        members = [{"value": id} for id in self.users]
        body = {"schemas": [GROUP], "displayName": "long", "members": members}
        self.assertGreater(len(json.dumps(body)), 70000)
        made = self.put(type="Group", resource=body)
        self.assertEqual([item["id"] for item in self.w.items("members-of", group_id=made["id"])], self.users)
        with self.assertRaises(Failure) as caught:
            self.put(type="Group", resource=json.dumps(body)[:-1])
        self.assertEqual(caught.exception.error, "INVALID_SYNTAX")
        self.w.call("delete", type="Group", id=made["id"])

    def test_many_at_once_and_what_is_told_is_on_disk(self):
        """Pipelined writes, answered in any order; then the daemon is killed, and all that was told is there."""
        one = self.org()
        w = self.wire(one)
        asked = {w.ask("put", type="User", resource=json.dumps({
            "schemas": [USER], "userName": f"p{n}", **({"password": f"horse battery {n}"} if n % 20 == 0 else {})})): n
            for n in range(400)}
        made = {}
        while len(made) < len(asked):
            _, id, flags, fields = w.read()
            self.assertEqual((flags, fields["created"]), (LAST, 1))
            made[fields["id"]] = f"p{asked[id]}"
        self.daemon.kill()
        self.daemon.start()
        self.one.close()
        w = self.wire(one)
        found = {item["id"]: json.loads(item["resource"])["userName"] for item in w.items("find", type="User")}
        self.assertEqual(found, made)
        self.w = self.wire(self.one)

    def test_writers_of_one_resource(self):
        """Of those who saw the same version, one wins."""
        made = self.put(type="User", resource={"schemas": [USER], "userName": "race"})

        def write(n):
            w, won = self.wire(self.one), 0
            for _ in range(15):
                version = w.call("get", type="User", id=made["id"])["version"]
                try:
                    self.put(w, type="User", id=made["id"], if_revision=version,
                             resource={"schemas": [USER], "userName": "race", "title": f"{n} {won} {time.monotonic()}"})
                    won += 1
                except Failure as failure:
                    self.assertEqual(failure.error, "PRECONDITION_FAILED")
            return won

        before = self.w.call("get", type="User", id=made["id"])["version"]
        won = sum(in_threads([lambda n=n: write(n) for n in range(4)]))
        after = self.w.call("get", type="User", id=made["id"])["version"]
        self.assertGreater(after, before)
        self.assertGreaterEqual(won, 15)

    def test_the_audit_log_names_the_door(self):
        one = self.org()
        made = self.put(self.wire(one), type="User", resource={"schemas": [USER], "userName": "seen"})
        self.wire(one).call("delete", type="User", id=made["id"])
        reply = self.ok(one.with_token(self.operator).get("/AuditEvents?count=50"))
        doors = [event.get("door") or event.get("actor", {}).get("door") for event in reply["Resources"]]
        self.assertIn("roster", doors[:2], reply["Resources"][:1])

    def test_a_token_that_goes_while_a_write_waits(self):
        one = self.org()
        w = self.wire(one)
        self.daemon.ctl("org", "suspend", one.key)
        self.refused_with(403, "FORBIDDEN", "", "put", w, type="User", resource=json.dumps({"schemas": [USER], "userName": "x"}))
        self.daemon.ctl("org", "resume", one.key)
        self.put(w, type="User", resource={"schemas": [USER], "userName": "x"})


class Rates(SystemTest):
    config = {"rate.token": 5, "rate.token_burst": 5}

    def test_find_put_delete_are_counted(self):
        for type, fields in (("find", {"type": "User"}), ("delete", {"type": "User", "id": NOWHERE}),
                             ("put", {"type": "User", "resource": json.dumps({"schemas": [USER]})})):
            one = self.org()
            with Wire(self.daemon, one.token, one.key) as w:
                seen = []
                for _ in range(12):
                    try:
                        w.items(type, **fields)
                    except Failure as failure:
                        seen.append(failure)
                limited = [failure for failure in seen if failure.error == "RATE_LIMITED"]
                self.assertGreater(len(limited), 3)
                self.assertTrue(all(failure.status == 429 and failure.fields["retry-after"] >= 1000 for failure in limited))
                time.sleep(1.1)
                try:
                    w.items(type, **fields)
                except Failure as failure:
                    self.assertNotEqual(failure.error, "RATE_LIMITED")


class Rights(LivingTest):
    """Each type, read and written by members of every role: as over HTTPS."""

    def types(self, org):
        reply = org.send(self.operator, "GET", "/ResourceTypes")
        return {item["id"]: item["endpoint"] for item in reply.json["Resources"]}

    def furnish(self, model):
        org = self.living(model)
        users = [org.make("user") for _ in range(6)]
        team = org.make("team")
        org.enter(team, *users[:3])
        org.make("team")
        if "workspace" in org.plain.model.data.get("roles", {}) or org.plain.default("workspace"):
            place = org.make("workspace")
            org.make("project", place)
        org.operate("POST", "/Connections", {"schemas": [OURS + "Connection"], "name": "idp", "dialect": "tolerant"})
        org.operate("POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "key", "owner": {"value": users[0]},
                                        "permissions": ["org.view"]})
        return org, users, team

    def actors(self, org, team):
        """A person of each role of the org, and of teams; the operator, a connection, a service, somebody from outside."""
        found = {"operator": self.operator, "outside": self.person().token, "connection": self.daemon.connect(org.key, "other")}
        for role in org.plain.model.roles:
            if role == org.plain.first_role:
                found[role] = org.owner.token
            elif role.startswith("org/") and "max" not in org.plain.model.roles[role].get("holders", {}):
                person = self.person()
                org.join(person, role)
                found[role] = person.token
        for permissions in (["member.view"], ["*"]):
            made = self.operate("POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "service", "displayName": "s",
                                                    "permissions": permissions, "organizations": [org.key]})
            found[f"service {permissions}"] = made["token"]
        return found

    def asked(self, token, org, type, /, **fields):
        """Status and items, as over HTTPS."""
        try:
            with Wire(self.daemon, token, org.key) as w:
                return 200, w.answer(w.ask(type, **fields)), ""
        except Failure as failure:
            return failure.status, [], failure.message

    def without_members(self, resource):
        return {name: value for name, value in resource.items() if name != "members"}

    def read_all(self, org, token, label):
        for type, endpoint in self.types(org).items():
            reply = org.send(token, "GET", f"{endpoint}?count=200")
            status, parts, message = self.asked(token, org, "find", type=type)
            if type in MADE_UP:
                self.assertIn(status, (400, 404), (label, type))
                continue
            self.assertEqual(status, reply.status, (label, type, message, reply))
            if status != 200:
                self.assertIn(message, json.loads(reply.raw)["detail"])
                continue
            found = [json.loads(item["resource"]) for part in parts for item in part.get("item", [])]
            self.assertEqual(found, [self.without_members(item) for item in reply.json.get("Resources", [])], (label, type))

    def get_each(self, org, token, label):
        for type, endpoint in self.types(org).items():
            if type in MADE_UP:
                continue
            for item in org.listed(endpoint)[:4]:
                reply = org.send(token, "GET", f"{endpoint}/{item['id']}")
                status, parts, message = self.asked(token, org, "get", type=type, id=item["id"])
                self.assertEqual(status, reply.status, (label, type, message, reply))
                if status == 200:
                    self.assertEqual(json.loads(parts[0]["resource"]), self.without_members(reply.json), (label, type))
                elif status == 403:
                    self.assertIn(message, reply.json["detail"])

    def write_some(self, org, token, label):
        """The same deed on twins: one over HTTPS, one here."""
        def twins(make):
            return make(), make()

        def both(theirs, ours):
            status, _, message = ours
            expected = {200: 200, 201: 200, 204: 200}.get(theirs.status, theirs.status)
            self.assertEqual(status, expected, (label, message, theirs))
            if status == 403:
                self.assertIn(message, theirs.json["detail"], label)

        def user():
            return {"schemas": [USER], "userName": self.name("w")}

        first, second = twins(user)
        both(org.send(token, "POST", "/Users", first), self.asked(token, org, "put", type="User", resource=json.dumps(second)))
        first, second = twins(lambda: {"schemas": [GROUP], "displayName": self.name("g")})
        both(org.send(token, "POST", "/Groups", first), self.asked(token, org, "put", type="Group", resource=json.dumps(second)))
        made = twins(lambda: org.operate("POST", "/Users", user()))
        bodies = [{"schemas": [USER], "userName": one["userName"], "title": "x"} for one in made]
        both(org.send(token, "PUT", f"/Users/{made[0]['id']}", bodies[0]),
             self.asked(token, org, "put", type="User", id=made[1]["id"], resource=json.dumps(bodies[1])))
        both(org.send(token, "DELETE", f"/Users/{made[0]['id']}"), self.asked(token, org, "delete", type="User", id=made[1]["id"]))
        made = twins(lambda: org.operate("POST", "/Groups", {"schemas": [GROUP], "displayName": self.name("g")}))
        both(org.send(token, "DELETE", f"/Groups/{made[0]['id']}"), self.asked(token, org, "delete", type="Group", id=made[1]["id"]))
        path = next((path for path in org.plain.model.roles if path.startswith("org/") and path != org.plain.first_role), None)
        if path:
            bodies = [{"schemas": [OURS + "Assignment"], "principal": {"value": org.operate("POST", "/Users", user())["id"]},
                       "role": path} for _ in range(2)]
            both(org.send(token, "POST", "/Assignments", bodies[0]),
                 self.asked(token, org, "put", type="Assignment", resource=json.dumps(bodies[1])))

    def test_as_over_https(self):
        for model in ("standard", "lab", "sandbox", "network", "metal", "studio", "school"):
            org, users, team = self.furnish(model)
            for label, token in self.actors(org, team).items():
                with self.subTest(model=model, actor=label):
                    self.read_all(org, token, label)
                    self.get_each(org, token, label)
                    self.write_some(org, token, label)


if __name__ == "__main__":
    main()
