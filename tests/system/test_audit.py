"""The audit log: who did what, from what to what, over HTTPS and rosterctl; and whether it can be trusted."""

import hashlib
import json
import secrets
import subprocess
import urllib.parse

from harness import BUILD, GROUP, LIST, USER, Api, SystemTest, certificate, main

SCHEMA = "urn:rosterd:scim:schemas:core:1.0:AuditEvent"
TOOL = BUILD / "tests/store/journal_tool"


class AuditTest(SystemTest):
    def tool(self, *arguments):
        subprocess.run([TOOL, self.daemon.data, *map(str, arguments)], check=True, capture_output=True, text=True)

    def reader(self, org):
        """A client with an operator's token: connections may not read the audit log."""
        token = "rst_" + secrets.token_urlsafe(32)
        self.tool("operator", token)
        return Api(org.base, token, cafile=certificate()[0])

    def events(self, api, filter=None, **parameters):
        """All events, newest first, page by page."""
        found, cursor = [], ""
        while cursor is not None:
            page = self.ok(api.find("/AuditEvents", filter, cursor=cursor, **parameters))
            self.assertEqual(page["schemas"], [LIST])
            self.assertEqual(page["itemsPerPage"], len(page["Resources"]))
            found += page["Resources"]
            cursor = page.get("nextCursor")
        return found

    def export(self, api, **parameters):
        reply = api.find("/AuditEvents/.export", **parameters)
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.headers["content-type"], "application/x-ndjson")
        return [json.loads(line) for line in reply.raw.decode().splitlines()]

    @staticmethod
    def changes(event):
        """{path: (old, new)} of an event whose paths are all different."""
        return {c["path"]: (c.get("old"), c.get("new")) for c in event.get("changes", [])}


class Events(AuditTest):
    def test_a_story(self):
        org = self.org()
        api = self.reader(org)
        ann = org.user("ann", title="Engineer", password="correct horse battery", externalId="x1",
                       name={"givenName": "Ann", "familyName": "Lee"},
                       emails=[{"value": "ann@example.com", "type": "work"}])
        self.patched(org, "/Users/" + ann["id"],
                     {"op": "replace", "path": "title", "value": "Director"},
                     {"op": "add", "path": "emails", "value": [{"value": "a@home.example", "type": "home"}]},
                     {"op": "replace", "path": "name.givenName", "value": "ANN"},
                     {"op": "replace", "path": "externalId", "value": "x2"},
                     {"op": "replace", "path": "password", "value": "another horse battery"})
        group = org.group("Team", [ann["id"]])
        bob = org.user("bob")
        self.patched(org, "/Groups/" + group["id"], {"op": "add", "path": "members", "value": [{"value": bob["id"]}]})
        self.patched(org, "/Groups/" + group["id"], {"op": "remove", "path": f'members[value eq "{ann["id"]}"]'})
        self.assertEqual(org.delete("/Users/" + bob["id"]).status, 204)
        self.assertEqual(org.delete("/Groups/" + group["id"]).status, 204)

        log = [e for e in self.export(api) if e["target"]["type"] in ("User", "Group")]
        self.assertEqual([e["action"] for e in log],
                         ["User.create", "User.replace", "Group.create", "Group.members.add", "User.create",
                          "Group.members.add", "Group.members.remove", "Group.members.remove", "User.delete", "Group.delete"])
        for event in log:
            self.assertEqual(event["schemas"], [SCHEMA])
            self.assertEqual(event["door"], "scim")
            self.assertEqual(event["peer"], "127.0.0.1")
            self.assertEqual(event["actor"]["type"], "connection")
            self.assertEqual(event["actor"]["display"], "main")
            self.assertEqual(event["actor"]["connection"], 1)
            self.assertIn("token", event["actor"])
            self.assertEqual(event["meta"]["resourceType"], "AuditEvent")
            self.assertEqual(event["meta"]["created"], event["time"])
            self.assertEqual(event["meta"]["location"], f"{org.base}/AuditEvents/{event['id']}")

        created, changed = self.changes(log[0]), log[1]
        self.assertEqual(created["userName"], (None, "ann"))
        self.assertEqual(created["name.familyName"], (None, "Lee"))
        self.assertEqual(created["externalId"], (None, "x1"))
        self.assertEqual(created["password"], (None, "set"))
        self.assertEqual(json.loads(created["emails"][1]), {"value": "ann@example.com", "type": "work"})
        self.assertEqual(log[0]["target"], {"type": "User", "value": ann["id"], "display": "ann"})
        self.assertEqual({**self.changes(changed), "emails": json.loads(self.changes(changed)["emails"][1])},
                         {"title": ("Engineer", "Director"), "name.givenName": ("Ann", "ANN"), "externalId": ("x1", "x2"),
                          "password": (None, "changed"), "emails": {"value": "a@home.example", "type": "home"}})
        self.assertEqual([c.get("secret") for c in changed["changes"] if c["path"] == "password"], [True])

        self.assertEqual(log[3]["target"], {"type": "Group", "value": group["id"], "display": "Team"})
        self.assertEqual(log[3]["changes"], [{"path": "members", "new": ann["id"], "display": "ann"}])
        self.assertEqual(log[5]["changes"], [{"path": "members", "new": bob["id"], "display": "bob"}])
        self.assertEqual(log[6]["changes"], [{"path": "members", "old": ann["id"], "display": "ann"}])
        self.assertEqual(log[7]["changes"], [{"path": "members", "old": bob["id"], "display": "bob"}])
        self.assertEqual(log[8]["target"]["value"], bob["id"])
        self.assertEqual(self.changes(log[8])["userName"], ("bob", None))
        self.assertEqual(self.changes(log[9])["displayName"], ("Team", None))
        # removal and delete are of one commit
        self.assertEqual(log[7]["id"].split("-")[0], log[8]["id"].split("-")[0])

        text = json.dumps(self.events(api))
        self.assertNotIn("argon2", text)
        self.assertNotIn("horse", text)

        # one by one, and the list: the same events
        for event in log:
            self.assertEqual(self.ok(api.get("/AuditEvents/" + event["id"])), event)
        listed = [e for e in self.events(api) if e["target"]["type"] in ("User", "Group")]
        self.assertEqual(sorted(listed, key=str), sorted(log, key=str))
        revisions = [int(e["id"].split("-")[0]) for e in listed]
        self.assertEqual(revisions, sorted(revisions, reverse=True))

    def test_a_touch_that_changes_nothing_is_no_event(self):
        org = self.org()
        api = self.reader(org)
        user = org.user("same", title="x")
        before = len(self.events(api))
        self.patched(org, "/Users/" + user["id"], {"op": "replace", "path": "title", "value": "x"})
        self.assertEqual(len(self.events(api)), before)

    def test_the_operator_at_the_control_door(self):
        org = self.org()
        lines = json.dumps({"schemas": [USER], "id": "a", "userName": "imported"}) + "\n"
        self.daemon.ctl("import", org.key, "--connection", "main", stdin=lines)
        event = self.events(self.reader(org), 'door eq "control" and action eq "User.create"')[0]
        self.assertEqual(event["actor"]["type"], "operator")
        self.assertNotIn("peer", event)
        self.assertEqual(event["target"]["display"], "imported")


class Queries(AuditTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        self = cls("setUp")
        cls.where = cls.daemon.org()
        cls.other = cls.where.another("second")
        cls.api = AuditTest.reader(self, cls.where)
        cls.users = [cls.where.user(f"u{n}") for n in range(12)]
        cls.group = cls.other.group("g", [u["id"] for u in cls.users[:5]])
        for user in cls.users[:3]:
            cls.other.patch("/Users/" + user["id"], {"op": "replace", "path": "title", "value": "t"})
        cls.all = AuditTest.events(self, cls.api)

    def ids(self, filter):
        return [e["id"] for e in self.events(self.api, filter)]

    def expect(self, filter, test):
        wanted = [e["id"] for e in self.all if test(e)]
        self.assertGreater(len(wanted), 0, filter)
        self.assertEqual(self.ids(filter), wanted, filter)

    def test_filters(self):
        user, time = self.users[1]["id"], self.all[6]["time"]
        self.expect(f'target.value eq "{user}"', lambda e: e["target"]["value"] == user)
        self.expect('target.type eq "Group"', lambda e: e["target"]["type"] == "Group")
        self.expect('action eq "user.CREATE"', lambda e: e["action"] == "User.create")
        self.expect('action sw "Group."', lambda e: e["action"].startswith("Group."))
        self.expect('actor.connection eq 2', lambda e: e["actor"].get("connection") == 2)
        self.expect('actor.display eq "second"', lambda e: e["actor"].get("display") == "second")
        value = next(e["actor"]["value"] for e in self.all if e["actor"].get("display") == "second")
        self.expect(f'actor.value eq "{value}"', lambda e: e["actor"].get("value") == value)
        self.expect('actor.type eq "connection"', lambda e: e["actor"]["type"] == "connection")
        for op, test in (("gt", lambda t: t > time), ("ge", lambda t: t >= time), ("lt", lambda t: t < time),
                         ("le", lambda t: t <= time)):
            self.expect(f'time {op} "{time}"', lambda e: test(e["time"]))
        self.expect(f'time ge "{time}" and actor.connection eq 2 or target.value eq "{user}"',
                    lambda e: e["time"] >= time and e["actor"].get("connection") == 2 or e["target"]["value"] == user)
        self.expect('not (target.type eq "User")', lambda e: e["target"]["type"] != "User")
        self.expect('changes.path eq "title"', lambda e: any(c["path"] == "title" for c in e.get("changes", [])))
        self.expect('changes[path eq "members" and new pr]',
                    lambda e: any(c["path"] == "members" and "new" in c for c in e.get("changes", [])))
        self.expect('peer eq "127.0.0.1" and not (actor.connection eq 1)',
                    lambda e: e.get("peer") == "127.0.0.1" and e["actor"].get("connection") != 1)
        self.assertEqual(self.ids('peer eq "192.0.2.1"'), [])
        self.assertEqual(self.ids('door eq "control" and door eq "scim"'), [])
        self.refused(self.api.find("/AuditEvents", 'colour eq "red"'), 400, "invalidFilter")
        self.refused(self.api.find("/AuditEvents", 'time gt "yesterday"'), 400, "invalidFilter")

    def test_pages(self):
        everything = [e["id"] for e in self.all]
        self.assertEqual(len(set(everything)), len(everything))
        for count in (1, 2, 3, 7, 100):
            self.assertEqual([e["id"] for e in self.events(self.api, count=count)], everything)
            self.assertEqual([e["id"] for e in self.events(self.api, 'target.type eq "Group"', count=count)],
                             [e["id"] for e in self.all if e["target"]["type"] == "Group"])
        # by index, with a total
        found, start = [], 1
        while True:
            page = self.ok(self.api.find("/AuditEvents", startIndex=start, count=4))
            self.assertEqual(page["totalResults"], len(everything))
            self.assertEqual(page["startIndex"], start)
            if not page["Resources"]:
                break
            found += [e["id"] for e in page["Resources"]]
            start += len(page["Resources"])
        self.assertEqual(found, everything)
        self.assertEqual(self.ok(self.api.find("/AuditEvents", count=0))["totalResults"], len(everything))

    def test_a_cursor_is_of_its_query(self):
        cursor = self.ok(self.api.find("/AuditEvents", cursor="", count=2))["nextCursor"]
        self.refused(self.api.find("/AuditEvents", 'action eq "x"', cursor=cursor, count=2), 400, "invalidCursor")
        self.refused(self.api.find("/AuditEvents", cursor=cursor[:-2] + "AA", count=2), 400, "invalidCursor")
        self.refused(self.api.find("/AuditEvents", cursor=cursor, count=3), 400, "invalidCount")

    def test_search_and_projection(self):
        body = self.ok(self.api.post("/AuditEvents/.search", {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": 'target.type eq "Group"',
            "attributes": ["action", "actor.type"], "count": 3}))
        self.assertEqual(len(body["Resources"]), 3)
        for event in body["Resources"]:
            self.assertEqual(set(event), {"schemas", "id", "action", "actor"})
            self.assertEqual(set(event["actor"]), {"type"})
        one = self.ok(self.api.get(f"/AuditEvents/{self.all[0]['id']}?excludedAttributes=changes,meta"))
        self.assertEqual(set(one), set(self.all[0]) - {"changes", "meta"})
        self.refused(self.api.find("/AuditEvents", sortBy="action"), 400, "invalidValue")
        self.ok(self.api.find("/AuditEvents", sortBy="time", sortOrder="descending"))

    def test_export_goes_on(self):
        log = self.export(self.api)
        self.assertEqual(sorted(e["id"] for e in log), sorted(e["id"] for e in self.all))
        revisions = [tuple(map(int, e["id"].split("-"))) for e in log]
        self.assertEqual(revisions, sorted(revisions))
        for at in (0, 3, len(log) - 2, len(log) - 1):
            self.assertEqual(self.export(self.api, after=log[at]["id"]), log[at + 1:])
        self.assertEqual(self.export(self.api, filter='target.type eq "Group"'),
                         [e for e in log if e["target"]["type"] == "Group"])
        for wrong in ("x", "1", "1-", "-1", "01-0", "1-00", "999999-0", "1-99", "0-0"):
            self.refused(self.api.find("/AuditEvents/.export", after=wrong), 400, "invalidValue")
        self.assertEqual(self.api.request("HEAD", "/AuditEvents/.export").status, 200)
        reply = self.api.get("/AuditEvents/.export", headers={"Accept": "application/x-ndjson"})
        self.assertEqual(reply.status, 200)
        self.refused(self.api.get("/AuditEvents/.export", headers={"Accept": "text/csv"}), 406)

    def test_read_only(self):
        event = self.all[0]["id"]
        for method, path in (("POST", "/AuditEvents"), ("PUT", "/AuditEvents/" + event), ("PATCH", "/AuditEvents/" + event),
                             ("DELETE", "/AuditEvents/" + event), ("POST", "/AuditEvents/.export")):
            reply = self.api.request(method, path, {} if method != "DELETE" else None)
            self.refused(reply, 405)
            self.assertIn("allow", reply.headers)
        body = self.ok(self.api.post("/Bulk", {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
                {"method": "POST", "path": "/AuditEvents", "bulkId": "a", "data": {"schemas": [SCHEMA]}},
                {"method": "DELETE", "path": "/AuditEvents/" + event}]}))
        self.assertEqual([o["status"][0] for o in body["Operations"]], ["4", "4"])
        self.assertEqual(len(self.events(self.api)), len(self.all))

    def test_unknown_events(self):
        for wrong in ("0-0", "1-999", "99999-0", "x", "1", "1-0-0", "1-x", "01-0", "18446744073709551615-0", "1-4294967296"):
            self.refused(self.api.get("/AuditEvents/" + wrong), 404)

    def test_who_may(self):
        for path in ("/AuditEvents", "/AuditEvents/1-0", "/AuditEvents/.export"):
            error = self.refused(self.where.get(path), 403)
            self.assertIn("audit.", error["detail"])
            self.refused(Api(self.where.base, None, cafile=certificate()[0]).get(path), 401)

    def test_it_is_published(self):
        kind = self.ok(self.where.get("/ResourceTypes/AuditEvent"))
        self.assertEqual((kind["endpoint"], kind["schema"]), ("/AuditEvents", SCHEMA))
        schema = self.ok(self.where.get("/Schemas/" + SCHEMA))
        by_name = {a["name"]: a for a in schema["attributes"]}
        self.assertEqual({a["mutability"] for n, a in by_name.items() if n not in ("id", "externalId", "meta", "schemas")},
                         {"readOnly"})
        for event in self.all:
            self.assertLessEqual(set(event) - {"schemas", "id", "meta"}, set(by_name))

    def test_the_root_does_not_list_it(self):
        page = self.ok(self.api.find("", 'meta.resourceType eq "AuditEvent"')) \
            if self.api.find("", 'meta.resourceType eq "AuditEvent"').status == 200 else {"Resources": []}
        self.assertEqual(page.get("Resources", []), [])


class Large(AuditTest):
    """One entry of many changes, read in small pages; and memory that does not grow with it."""

    USERS = 20000
    config = {"scim.scan_limit": 1000}

    def test_a_large_entry(self):
        org = self.org()
        api = self.reader(org)
        lines = "".join(json.dumps({"schemas": [USER], "id": str(n), "userName": f"user{n}", "title": "t" * 60}) + "\n"
                        for n in range(self.USERS))
        self.daemon.ctl("import", org.key, "--connection", "main", stdin=lines)
        self.ok(api.find("/AuditEvents", cursor="", count=1))
        rss = self.daemon.rss()
        log = [e for e in self.export(api) if e["action"] == "User.create"]
        self.assertEqual(len(log), self.USERS)
        self.assertEqual(len({e["target"]["value"] for e in log}), self.USERS)
        self.assertLess(len({e["id"].split("-")[0] for e in log}), self.USERS / 100)
        self.assertLess(self.daemon.rss() - rss, 64 << 20)
        # in the middle of an entry
        at = self.USERS // 2
        tail = [e for e in self.export(api, after=log[at]["id"]) if e["action"] == "User.create"]
        self.assertEqual(tail, log[at + 1:])
        # what a user was before is found in the large entry
        user = self.ok(org.find("/Users", 'userName eq "user19000"'))["Resources"][0]
        self.patched(org, "/Users/" + user["id"], {"op": "replace", "path": "title", "value": "new"})
        event = self.events(api, f'target.value eq "{user["id"]}" and action eq "User.replace"', count=10)[0]
        self.assertEqual(self.changes(event), {"title": ("t" * 60, "new")})
        # a filter that finds little gives short pages, and goes on
        self.assertEqual(len(self.events(api, 'target.display eq "user7"', count=100)), 1)
        page = self.ok(api.find("/AuditEvents", 'target.display eq "user7"', cursor="", count=100))
        self.assertEqual(page["Resources"], [])
        self.assertIn("nextCursor", page)
        self.assertNotIn("totalResults", page)
        self.refused(api.find("/AuditEvents", 'target.display eq "user7"'), 400, "tooMany")


class Trust(AuditTest):
    def setUp(self):
        super().setUp()
        self.where = self.org()
        self.users = [self.where.user(f"u{n}") for n in range(8)]
        self.head = self.daemon.ctl("audit", "head", "--org", self.where.key)
        self.revision = self.head["revision"]

    def check(self, *more):
        done = self.daemon.run_ctl("audit", "verify", "--org", self.where.key, *more)
        return done.returncode, json.loads(done.stdout)

    def assert_sound(self, *more):
        code, answer = self.check(*more)
        self.assertEqual((code, answer["problems"]), (0, 0), answer)
        return answer

    def assert_found(self, revision, *more):
        code, answer = self.check(*more)
        self.assertEqual((code, answer["problems"]), (4, 1), answer)
        self.assertEqual(answer["details"][0]["revision"], revision, answer)
        self.assertNotIn("anchor", answer)

    def test_sound(self):
        self.assertRegex(self.head["anchor"], rf"^{self.revision}:[0-9a-f]{{64}}$")
        self.assertEqual(self.assert_sound()["anchor"], self.head["anchor"])
        self.assert_sound("--anchor", self.head["anchor"])
        self.where.user("later")
        answer = self.assert_sound("--anchor", self.head["anchor"])
        self.assertEqual(answer["entries"], self.revision + 1)
        self.assertNotIn(f"org {self.where.key}:", self.daemon.verify())

    def test_altered(self):
        for byte in (3, 33, 40, 50, 70):
            self.tool("alter", self.where.key, 4, byte)
            self.assert_found(4)
            self.assert_found(4, "--anchor", self.head["anchor"])
            self.assertIn(f"org {self.where.key}: journal entry", self.daemon.verify())
            self.tool("alter", self.where.key, 4, byte)
        self.assert_sound("--anchor", self.head["anchor"])

    def test_newest_altered(self):
        self.tool("alter", self.where.key, self.revision, 60)
        self.assert_found(self.revision)
        self.tool("alter", self.where.key, self.revision, 60)

    def test_taken_out(self):
        self.tool("drop", self.where.key, 5)
        self.assert_found(5)
        self.assert_found(5, "--anchor", self.head["anchor"])

    def test_end_taken_out(self):
        self.tool("drop", self.where.key, self.revision)
        self.assert_found(self.revision)

    def test_neatly_cut(self):
        self.tool("cut", self.where.key, self.revision - 1)
        self.assert_found(self.revision - 1, "--anchor", self.head["anchor"])

    def test_rewritten(self):
        self.tool("rewrite", self.where.key, 3, 60)
        self.assert_sound()
        self.assert_found(self.revision, "--anchor", self.head["anchor"])

    def test_wrong_anchors(self):
        for wrong in ("x", "1", "1:", "0:" + "0" * 64, "1:" + "0" * 63, "1:" + "g" * 64):
            done = self.daemon.run_ctl("audit", "verify", "--org", self.where.key, "--anchor", wrong)
            self.assertEqual(done.returncode, 1, wrong)
        self.assert_found(2, "--anchor", "2:" + hashlib.sha256(b"x").hexdigest())

    def test_while_it_is_written(self):
        anchor = self.head["anchor"]
        for n in range(20):
            self.where.user(f"more{n}")
            self.assertEqual(self.assert_sound("--anchor", anchor)["entries"], self.revision + n + 1)
            anchor = self.daemon.ctl("audit", "head", "--org", self.where.key)["anchor"]


class Command(AuditTest):
    def test_list_and_export(self):
        org = self.org()
        user = org.user("ann", title="a")
        self.patched(org, "/Users/" + user["id"], {"op": "replace", "path": "title", "value": "b"})
        here = ("--org", org.key)
        log = self.daemon.ctl("audit", "list", *here)
        self.assertEqual(log[0]["action"], "User.replace")
        self.assertEqual(self.changes(log[0]), {"title": ("a", "b")})
        self.assertEqual(len(self.daemon.ctl("audit", "list", *here, "--limit", 1)), 1)
        self.assertEqual([e["action"] for e in self.daemon.ctl("audit", "list", *here, "--target", user["id"])],
                         ["User.replace", "User.create"])
        self.assertEqual(len(self.daemon.ctl("audit", "list", *here, "--action", "User.create")), 1)
        self.assertEqual(self.daemon.ctl("audit", "list", *here, "--until", "2020-01-01"), [])
        self.assertEqual(len(self.daemon.ctl("audit", "list", *here, "--since", "2020-01-01")), len(log))
        self.assertEqual(len(self.daemon.ctl("audit", "list", *here, "--filter", 'changes.path eq "title"', "--action", "user.replace")), 1)
        done = self.daemon.run_ctl("audit", "list", *here, "--filter", "colour eq 1")
        self.assertEqual(done.returncode, 1)
        self.assertEqual(self.daemon.run_ctl("audit", "list", "--org", "nobody").returncode, 1)
        done = self.daemon.run_ctl("audit", "export", *here)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual([e["id"] for e in lines], [e["id"] for e in sorted(log, key=lambda e: [int(n) for n in e["id"].split("-")])])
        done = self.daemon.run_ctl("audit", "export", *here, "--after", lines[0]["id"])
        self.assertEqual([json.loads(line) for line in done.stdout.splitlines()], lines[1:])
        # the same as over HTTPS, but for addresses
        for one in (over := self.export(self.reader(org))):
            del one["meta"]["location"]
        self.assertEqual(over, lines)

    def test_the_platform_has_a_journal_too(self):
        self.org()
        self.assertEqual(self.daemon.ctl("audit", "verify")["problems"], 0)
        head = self.daemon.ctl("audit", "head")
        self.assertEqual(head["anchor"].split(":")[0], str(head["revision"]))
        self.daemon.ctl("audit", "list")


if __name__ == "__main__":
    main()
