"""Lists of the binary door: who is in a group, which groups hold someone, who may do what, in which organisations a person is.

The oracles are plain sets of this program's own (memberships) and the plain model of tests/models/plain.py (permissions).
ROSTER_SEED repeats a run."""

import json
import os
import pathlib
import random
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))

from harness import GROUP, NOWHERE, PATCH, USER, SystemTest, find_member, main  # noqa: E402
from living import LivingTest, OURS, replaced  # noqa: E402
from wire import LAST, Failure, Wire  # noqa: E402

SEED = int(os.environ.get("ROSTER_SEED", random.SystemRandom().randrange(1 << 32)))
USERS, GROUPS, LEVELS = 3000, 60, 8
MODELS = ("standard", "lab", "sandbox", "network", "metal", "studio", "school")


def number_id(kind, n):
    return f"{n:08x}-{kind:04x}-7000-8000-{n:012x}"


class Graph:
    """Users and groups as sets; ids are in the order in which they were made."""

    def __init__(self, rng):
        self.rng = rng
        self.users = [number_id(1, n) for n in range(USERS)]
        self.groups = [number_id(2, n) for n in range(GROUPS)]
        self.inside = {group: set() for group in self.groups}
        self.name = {id: f"user{n}@example.com" for n, id in enumerate(self.users)}
        self.name |= {id: f"Group {n} ä" for n, id in enumerate(self.groups)}
        # The group of a number lies in those of higher levels: that makes diamonds, and no circles.
        for n, group in enumerate(self.groups):
            lower = [other for m, other in enumerate(self.groups[:n]) if m % LEVELS < n % LEVELS]
            self.inside[group] |= set(rng.sample(lower, min(len(lower), rng.choice([0, 1, 2, 5]))))
            self.inside[group] |= set(rng.sample(self.users, rng.choice([0, 0, 1, 7, 64, 65, 300, 1500])))

    def lines(self):
        for id in self.users:
            yield {"schemas": [USER], "id": id, "userName": self.name[id]}
        for id in self.groups:
            yield {"schemas": [GROUP], "id": id, "displayName": self.name[id],
                   "members": [{"value": member} for member in self.inside[id]]}

    def direct(self, group):
        return [id for id in self.users + self.groups if id in self.inside[group]]

    def below(self, group):
        found, fresh = set(), {group}
        while fresh:
            found |= fresh
            fresh = {member for one in fresh for member in self.inside[one] if member in self.inside} - found
        return found

    def all_of(self, group):
        members = set().union(*(self.inside[one] for one in self.below(group)))
        return [id for id in self.users if id in members]

    def holding(self, member):
        """(directly, through others), each in order."""
        direct = {group for group in self.groups if member in self.inside[group]}
        found, fresh = set(), set(direct)
        while fresh:
            found |= fresh
            fresh = {group for group in self.groups if self.inside[group] & fresh} - found
        return [[group for group in self.groups if group in some] for some in (direct, found - direct)]


class RosterTest(SystemTest):
    config = {"guard.enabled": False, "access_log": False}

    def wire(self, org, token=None):
        wire = Wire(self.daemon, token or org.token, org.key)
        self.addCleanup(wire.close)
        return wire

    def refused_with(self, status, error, field, function, *arguments, **fields):
        with self.assertRaises(Failure) as caught:
            function(*arguments, **fields)
        failure = caught.exception
        self.assertEqual((failure.status, failure.error, failure.field), (status, error, field), failure)
        return failure

    def paged(self, wire, type, limits, **fields):
        """All items, page by page; each page as long as its limit but the last."""
        found, cursor = [], None
        while True:
            limit = next(limits)
            parts = wire.answer(wire.ask(type, limit=limit, cursor=cursor, **fields))
            items = [item for part in parts for item in part.get("item", [])]
            self.assertTrue(all("cursor" not in part for part in parts[:-1]))
            found += items
            cursor = parts[-1].get("cursor")
            if cursor is None:
                self.assertLessEqual(len(items), limit)
                return found
            self.assertEqual(len(items), limit)


def limits_of(rng, most=400):
    while True:
        yield rng.choice([1, 2, 63, 64, 65, rng.randint(1, most)])


class Memberships(RosterTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.rng = random.Random(SEED)
        cls.operator = find_member(cls.daemon.ctl("token", "create", "--operator"), ("token", "secret"))
        cls.graph = Graph(cls.rng)
        cls.one = cls.daemon.org("tolerant", "graph")
        file = cls.daemon.folder / "graph.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in cls.graph.lines()))
        cls.daemon.ctl("import", "graph", file, "--connection", "main", timeout=300)

    def setUp(self):
        super().setUp()
        self.w = self.wire(self.one)

    def _formatMessage(self, msg, standardMsg):
        return f"{super()._formatMessage(msg, standardMsg)} [ROSTER_SEED={SEED}]"

    def test_members_directly(self):
        for group in self.graph.groups:
            items = self.w.items("members-of", group_id=group, direct=1, names=1)
            self.assertEqual([item["id"] for item in items], self.graph.direct(group))
            for item in items:
                self.assertEqual(item.get("kind", 0), 2 if item["id"] in self.graph.inside else 0)
                self.assertEqual(item["name"], self.graph.name[item["id"]])

    def test_members_with_all_that_is_below(self):
        sizes = set()
        for group in self.graph.groups:
            items = self.w.items("members-of", group_id=group)
            self.assertEqual([item["id"] for item in items], self.graph.all_of(group))
            self.assertEqual({tuple(item) for item in items} - {("id",)}, set())
            sizes.add(len(items))
        self.assertGreater(max(sizes), 1700, "nothing came in several parts")

    def test_members_by_name_of_the_group(self):
        group = self.rng.choice(self.graph.groups)
        items = self.w.items("members-of", group=self.graph.name[group], names=1)
        self.assertEqual([(item["id"], item["name"]) for item in items],
                         [(id, self.graph.name[id]) for id in self.graph.all_of(group)])

    def test_parts_say_their_revision_and_the_last_one_is_marked(self):
        group = max(self.graph.groups, key=lambda one: len(self.graph.all_of(one)))
        parts = self.w.answer(self.w.ask("members-of", group_id=group, names=1))
        self.assertGreater(len(parts), 2)
        revision = self.wire(self.one, self.operator).call("stats")["revision"]
        self.assertEqual({part["revision"] for part in parts}, {revision})
        self.assertTrue(all("cursor" not in part for part in parts))

    def test_the_groups_of_a_member(self):
        graph = self.graph
        some = self.rng.sample(graph.users, 60) + graph.groups
        for member in some:
            kind = {"subject_kind": 2} if member in graph.inside else {}
            direct, nested = graph.holding(member)
            items = self.w.items("groups-of", subject_id=member, names=1, **kind)
            self.assertEqual([(item["id"], item.get("direct", 0)) for item in items],
                             [(id, 1) for id in direct] + [(id, 0) for id in nested])
            self.assertEqual({item["kind"] for item in items} - {2}, set())
            self.assertEqual([item["name"] for item in items], [graph.name[item["id"]] for item in items])
            items = self.w.items("groups-of", subject_id=member, direct=1, **kind)
            self.assertEqual([item["id"] for item in items], direct)

    def test_pages(self):
        limits = limits_of(self.rng)
        for group in self.rng.sample(self.graph.groups, 12):
            self.assertEqual([item["id"] for item in self.paged(self.w, "members-of", limits, group_id=group)],
                             self.graph.all_of(group))
            self.assertEqual([item["id"] for item in self.paged(self.w, "members-of", limits, group_id=group, direct=1)],
                             self.graph.direct(group))
        limits = limits_of(self.rng, 5)
        for member in self.rng.sample(self.graph.users, 12):
            self.assertEqual([item["id"] for item in self.paged(self.w, "groups-of", limits, subject_id=member)],
                             sum(self.graph.holding(member), []))

    def test_a_limit_that_cuts_nothing_gives_no_cursor(self):
        group = next(one for one in self.graph.groups if len(self.graph.all_of(one)) > 10)
        count = len(self.graph.all_of(group))
        for limit, cut in ((count - 1, True), (count, False), (count + 1, False)):
            parts = self.w.answer(self.w.ask("members-of", group_id=group, limit=limit))
            self.assertEqual("cursor" in parts[-1], cut, limit)

    def test_cursors_that_are_not_of_this_list(self):
        graph, w = self.graph, self.wire(self.one, self.operator)
        big = sorted(graph.groups, key=lambda one: -len(graph.all_of(one)))[:2]
        cursor = w.call("members-of", group_id=big[0], limit=3)["cursor"]
        user = max(graph.users, key=lambda one: len(graph.holding(one)[0]))
        others = [("members-of", {"group_id": big[1]}), ("members-of", {"group_id": big[0], "direct": 1}),
                  ("groups-of", {"subject_id": user}), ("groups-of", {"subject_id": big[0], "subject_kind": 2}),
                  ("permissions-of", {"subject_id": user}), ("who-can", {"permission": "org.view"})]
        for type, fields in others:
            self.refused_with(400, "INVALID_CURSOR", "cursor", w.call, type, cursor=cursor, limit=3, **fields)
        for wrong in (b"", cursor[:-1], cursor + b"\0", bytes(24), cursor[:8], b"\xff" * 24, b"x" * 5000):
            self.refused_with(400, "INVALID_CURSOR", "cursor", w.call, "members-of", group_id=big[0], cursor=wrong, limit=3)
        for bit in range(8 * len(cursor)):
            wrong = bytearray(cursor)
            wrong[bit // 8] ^= 1 << bit % 8
            self.refused_with(400, "INVALID_CURSOR", "cursor", w.call, "members-of", group_id=big[0], limit=3,
                              cursor=bytes(wrong))
        # The same list, with another limit and with names: it goes on.
        items = w.items("members-of", group_id=big[0], limit=10000, cursor=cursor, names=1)
        self.assertEqual([item["id"] for item in items], graph.all_of(big[0])[3:])
        # Another organisation's list.
        other = self.org()
        group = other.group("g", [other.user(f"u{n}")["id"] for n in range(5)])["id"]
        foreign = self.wire(other).call("members-of", group_id=group, limit=3)["cursor"]
        self.refused_with(400, "INVALID_CURSOR", "cursor", w.call, "members-of", group_id=big[0], cursor=foreign, limit=3)

    def test_cursors_outlive_other_connections_and_other_tokens_do_not_profit(self):
        group = max(self.graph.groups, key=lambda one: len(self.graph.all_of(one)))
        cursor = self.w.call("members-of", group_id=group, limit=3)["cursor"]
        self.w.close()
        again = self.wire(self.one)
        self.assertEqual([item["id"] for item in again.items("members-of", group_id=group, limit=2, cursor=cursor)],
                         self.graph.all_of(group)[3:5])

    def test_many_lists_at_once_and_a_cancel(self):
        group = max(self.graph.groups, key=lambda one: len(self.graph.all_of(one)))
        expected = self.graph.all_of(group)
        ids = [self.w.ask("members-of", group_id=group) for _ in range(20)]
        found, ended = {id: [] for id in ids}, 0
        while ended < len(ids):
            _, id, flags, fields = self.w.read()
            found[id] += [item["id"] for item in fields.get("item", [])]
            ended += flags & LAST
        for id in ids:
            self.assertEqual(found[id], expected)
        ids = [self.w.ask("members-of", group_id=group, names=1) for _ in range(40)]
        cancel = self.w.ask("cancel", target=ids[-1])
        ended, cancelled, answer = set(), False, None
        while len(ended) < len(ids) or answer is None:
            _, id, flags, fields = self.w.read()
            if id == cancel:
                answer = fields.get("answer", 0)
                continue
            if flags & LAST:
                ended.add(id)
            if id == ids[-1] and fields.get("error") == "CANCELLED":
                cancelled = True
        self.assertEqual(cancelled, answer == 1)

    def test_what_is_not_there(self):
        w, group = self.w, self.graph.groups[0]
        for name, fields in (("group", {"group_id": NOWHERE}), ("group", {"group": "nobody's"}),
                             ("group", {"group_id": self.graph.users[0]})):
            self.refused_with(404, "NOT_FOUND", name, w.call, "members-of", **fields)
        for fields in ({"subject_id": NOWHERE}, {"subject": "nobody"}, {"subject_id": group},
                       {"subject_id": self.graph.users[0], "subject_kind": 2}, {"subject_id": NOWHERE, "subject_kind": 1}):
            self.refused_with(404, "NOT_FOUND", "subject", w.call, "groups-of", **fields)
        self.refused_with(400, "INVALID_VALUE", "group", w.call, "members-of")
        self.refused_with(400, "INVALID_VALUE", "group", w.call, "members-of", group_id=group, group="x")
        self.refused_with(400, "INVALID_VALUE", "subject", w.call, "groups-of")
        self.refused_with(400, "INVALID_VALUE", "subject-kind", w.call, "groups-of", subject_id=group, subject_kind=3)
        self.refused_with(413, "TOO_LARGE", "group", w.call, "members-of", group="x" * 1025)
        self.refused_with(412, "PRECONDITION_FAILED", "revision", w.call, "members-of", group_id=group, revision=1 << 40)

    def test_limits_of_the_numbers(self):
        group = next(one for one in self.graph.groups if len(self.graph.all_of(one)) > 10)
        expected = self.graph.all_of(group)
        for limit in (0, (1 << 64) - 1, (1 << 64) - 2):
            self.assertEqual([item["id"] for item in self.w.items("members-of", group_id=group, limit=limit)], expected)


class WhileOthersWrite(RosterTest):
    """Lists are made while members come and go: who was there all the time is told once, who never was is not."""

    def test_lists_and_writes(self):
        rng = random.Random(SEED)
        one = self.org()
        names = [f"w{n}" for n in range(400)]
        file = self.daemon.folder / "w.jsonl"
        ids = {name: number_id(3, n) for n, name in enumerate(names)}
        file.write_text("".join(json.dumps({"schemas": [USER], "id": ids[name], "userName": name}) + "\n" for name in names))
        self.daemon.ctl("import", one.key, file, "--connection", "main")
        users = [ids[name] for name in names]
        stable, moving, never = set(users[::3]), users[1::3], set(users[2::3])
        inner = [one.group(f"inner{n}", sorted(stable)[n::4])["id"] for n in range(4)]
        outer = one.group("outer", inner)["id"]
        stop, problems = threading.Event(), []

        def write():
            mine = random.Random(SEED + 1)
            try:
                while not stop.is_set():
                    group, member = mine.choice([*inner, outer]), mine.choice(moving)
                    operation = {"op": "add", "path": "members", "value": [{"value": member}]} if mine.random() < 0.6 else \
                        {"op": "remove", "path": f'members[value eq "{member}"]'}
                    reply = one.patch(f"/Groups/{group}?attributes=id", operation)
                    if reply.status not in (200, 204, 400, 404):
                        raise AssertionError(reply)
            except BaseException as problem:  # noqa: handed on
                problems.append(problem)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            w, end = self.wire(one), time.monotonic() + 6
            revisions, limits = set(), limits_of(rng, 60)
            while time.monotonic() < end:
                if rng.random() < 0.5:
                    items = self.paged(w, "members-of", limits, group_id=outer)
                else:
                    parts = w.answer(w.ask("members-of", group_id=outer))
                    revisions |= {part["revision"] for part in parts}
                    items = [item for part in parts for item in part.get("item", [])]
                found = [item["id"] for item in items]
                self.assertEqual(found, sorted(set(found), key=users.index), "each once, in order")
                self.assertEqual(stable - set(found), set(), "left out")
                self.assertEqual(never & set(found), set(), "told, and never there")
            self.assertGreater(len(revisions), 10, "nothing changed meanwhile")
        finally:
            stop.set()
            writer.join()
        self.assertEqual(problems, [])
        # In the end it is what HTTPS has.
        members = set()
        for group in [*inner, outer]:
            members |= {member["value"] for member in one.get(f"/Groups/{group}").json.get("members", [])}
        self.assertEqual([item["id"] for item in w.items("members-of", group_id=outer)],
                         [user for user in users if user in members])

    def test_one_reads_what_one_wrote(self):
        one = self.org()
        w, group = self.wire(one), one.group("g")["id"]
        for n in range(30):
            user = one.user(f"u{n}")["id"]
            reply = one.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": user}]})
            revision = int(reply.headers["etag"].strip('W/"'))
            [part] = w.answer(w.ask("members-of", group_id=group, revision=revision, names=1))
            self.assertGreaterEqual(part["revision"], revision)
            self.assertEqual(part["item"][-1]["name"], f"u{n}")
            self.assertEqual([item["id"] for item in w.items("groups-of", subject_id=user, revision=revision)], [group])
            self.refused_with(412, "PRECONDITION_FAILED", "revision", w.call, "groups-of", subject_id=user,
                              revision=revision + 1)

    def test_what_ends_a_list_before_its_time(self):
        """The client does not read; meanwhile the group goes, or the token. What comes then says so, and is not taken for the end."""
        for what in ("group", "token"):
            with self.subTest(what=what):
                one = self.org()
                file = self.daemon.folder / "e.jsonl"
                ids = [number_id(4, n) for n in range(2000)]
                file.write_text("".join(json.dumps({"schemas": [USER], "id": id, "userName": "long" * 40 + id}) + "\n"
                                        for id in ids) +
                                json.dumps({"schemas": [GROUP], "id": number_id(5, 1), "displayName": "g",
                                            "members": [{"value": id} for id in ids]}) + "\n")
                self.daemon.ctl("import", one.key, file, "--connection", "main")
                w = self.wire(one)
                asked = [w.ask("members-of", group_id=number_id(5, 1), names=1) for _ in range(60)]
                time.sleep(0.3)
                if what == "group":
                    self.assertEqual(one.delete(f"/Groups/{number_id(5, 1)}").status, 204)
                else:
                    for token in self.daemon.ctl("token", "list", one.key):
                        self.daemon.ctl("token", "revoke", one.key, token.get("number") or token["no"])
                found, errors = {id: [] for id in asked}, {}
                while asked:
                    _, id, flags, fields = w.read()
                    if "error" in fields:
                        errors[id] = (fields["status"], fields["error"], fields.get("field"))
                    found[id] += [item["id"] for item in fields.get("item", [])]
                    if flags & LAST:
                        asked.remove(id)
                self.assertGreater(len(errors), 0, "all of it had been told before")
                self.assertEqual(set(errors.values()), {(404, "NOT_FOUND", "group") if what == "group" else
                                                        (401, "UNAUTHORIZED", None)})
                for id, members in found.items():
                    self.assertEqual(members, ids[:len(members)])
                    self.assertTrue(id in errors or len(members) == len(ids))


class Permissions(LivingTest):
    """permissions-of and who-can, on random orgs of every model."""

    def furnish(self, model, rng):
        """A random org: a tree, nested teams, roles for members and teams everywhere, some over and some to come."""
        org = self.living(model)
        plain = org.plain
        users = [org.make("user") for _ in range(24)]
        teams = [org.make("team") for _ in range(6)]
        for n, team in enumerate(teams):
            org.enter(team, *rng.sample(users, rng.randint(0, 6)), *[other for other in teams[:n] if rng.random() < 0.4])
        places = []
        for sort in ("workspace", "workspace", "workspace", "project", "project", "project"):
            parents = [None] + [place for place in places if plain.sort[place] == "workspace"]
            parent = rng.choice(parents)
            body = {"schemas": [OURS + sort.capitalize()], "displayName": self.name(sort)}
            if parent:
                body["parent"] = {"value": parent}
            reply = org.send(self.operator, "POST", f"/{sort.capitalize()}s", body)
            if reply.status == 201:
                plain.parent[reply["id"]], plain.sort[reply["id"]] = parent, sort
                places.append(reply["id"])
        for scope in plain.model.data.get("customRoles", []):
            for _ in range(2):
                self.custom_role(org, scope, rng)
        for _ in range(60):
            self.random_assignment(org, rng, users, teams, places)
        for user in rng.sample(users, 3):
            reply = org.send(self.operator, "PATCH", f"/Users/{user}", replaced("active", False))
            if reply.status == 200:
                plain.members[user] = False
        return org, users, teams, places

    def custom_role(self, org, scope, rng):
        patterns = rng.sample(["org.*", "member.*", "own:member.edit", "team.view", "own:team.edit", "workspace.view",
                               "project.*", "org.check", *list(org.plain.model.data.get("permissions", {}))[:4]], 3)
        path = self.name(f"{scope}/r")
        permits = org.plain.expand(scope, patterns)
        reply = org.send(self.operator, "POST", "/Roles", {"schemas": [OURS + "Role"], "name": path, "permissions": patterns})
        self.assertEqual(reply.status == 201, permits is not None, reply)
        if permits is not None:
            org.plain.apply(None, "role_create", reply["id"], path=path, patterns=patterns)

    def random_assignment(self, org, rng, users, teams, places):
        plain = org.plain
        role = rng.choice([*plain.model.roles, *plain.custom])
        kind = plain.scope_of_role(role)
        scopes = {"org": [None], "team": teams}.get(kind, [place for place in places if plain.sort[place] == kind])
        if kind == "assignment":
            scopes = [None]
        if not scopes:
            return
        scope, principal = rng.choice(scopes), rng.choice(users if rng.random() < 0.7 else teams)
        body = {"schemas": [OURS + "Assignment"], "principal": {"value": principal}, "role": role}
        what = {}
        if scope:
            body["scope"] = {"value": scope}
        if rng.random() < 0.25:
            over = rng.random() < 0.5
            body["end" if over else "start"] = "2002-02-02T00:00:00Z" if over else "2041-01-01T00:00:00Z"
            what["end" if over else "start"] = 1012608000 if over else 2240611200
        reply = org.send(self.operator, "POST", "/Assignments", body)
        if reply.status == 201:
            plain.apply(None, "assignment_create", reply["id"], principal=principal, role=role, scope=scope, **what)

    def expected_permissions(self, plain, subject, scope):
        found = []
        for permission in plain.model.permissions:
            if plain.check(subject, permission, scope):
                found.append((permission, 0))
            elif plain.check(subject, permission, scope, own=True):
                found.append((permission, 1))
        return found

    def judge(self, model, rng):
        org, users, teams, places = self.furnish(model, rng)
        plain, members = org.plain, list(org.plain.members)
        ids = [item["id"] for item in org.listed("/Users")]
        self.assertEqual(set(ids), set(members))
        scopes = [None, *teams[:3], *places]
        with Wire(self.daemon, self.operator, org.key) as w:
            told = 0
            for scope in scopes:
                where = {"scope_id": scope} if scope else {}
                for subject in rng.sample(members, 8):
                    items = w.items("permissions-of", subject_id=subject, **where)
                    found = [(item["permission"], item.get("own", 0)) for item in items]
                    self.assertEqual(sorted(found), sorted(self.expected_permissions(plain, subject, scope)),
                                     f"{model} {subject} at {scope}")
                    told += len(found)
                    if found:
                        self.assertEqual(w.items("permissions-of", subject_id=subject, limit=1, **where), items[:1])
                permissions = list(plain.model.permissions)
                for permission in rng.sample(permissions, min(14, len(permissions))):
                    items = w.items("who-can", permission=permission, names=1, **where)
                    self.assertEqual([item["id"] for item in items],
                                     [id for id in ids if plain.check(id, permission, scope)],
                                     f"{model} {permission} at {scope}")
                    for item in items[:3]:
                        self.assertEqual(w.check(item["id"], permission, **where), "granted")
            self.assertGreater(told, 50)
            # A team as the subject: what being in it brings.
            for team in teams[:3]:
                items = w.items("permissions-of", subject_id=team, subject_kind=2, team=team)
                for item in items:
                    answer = w.call("check", subject_id=team, subject_kind=2, team=team, permission=item["permission"])
                    self.assertEqual(answer.get("answer", 0), 1 - item.get("own", 0))
            self.paged_who_can(w, plain, ids, rng)
        return org

    def paged_who_can(self, w, plain, ids, rng):
        for permission in ("member.view", "org.view", "team.edit"):
            expected = [id for id in ids if plain.check(id, permission)]
            found, cursor = [], None
            while True:
                limit = rng.randint(1, 4)
                parts = w.answer(w.ask("who-can", permission=permission, limit=limit, cursor=cursor))
                found += [item["id"] for part in parts for item in part.get("item", [])]
                cursor = parts[-1].get("cursor")
                if cursor is None:
                    break
            self.assertEqual(found, expected)

    def test_all_models(self):
        rng = random.Random(SEED)
        for model in MODELS:
            with self.subTest(model=model, seed=SEED):
                self.judge(model, rng)

    def test_order_of_permissions_is_that_of_the_model(self):
        org = self.living("standard")
        owner = org.plain.people[org.owner]
        with Wire(self.daemon, self.operator, org.key) as w:
            items = [item["permission"] for item in w.items("permissions-of", subject_id=owner)]
            self.assertGreater(len(items), 20)
            for limit in (1, 3, 7, 1000):
                found, cursor = [], None
                while cursor is not None or not found:
                    parts = w.answer(w.ask("permissions-of", subject_id=owner, limit=limit, cursor=cursor))
                    found += [item["permission"] for part in parts for item in part.get("item", [])]
                    cursor = parts[-1].get("cursor")
                    if cursor is None:
                        break
                self.assertEqual(found, items)
        order = list(org.plain.model.permissions)
        self.assertEqual(items, sorted(items, key=order.index))

    def test_a_role_held_by_more_than_are_looked_at_one_by_one(self):
        """Beyond a number of assignments everybody is asked; the answer is the same."""
        org = self.living("standard")
        self.send(self.operator, "PATCH", f"/scim/v2/Organizations/{org.id}", {
            "schemas": [PATCH], "Operations": [{"op": "add", "path": "limits", "value": [{"value": "members", "max": 5000}]}]})
        users = [number_id(6, n) for n in range(1600)]
        file = self.daemon.folder / "many.jsonl"
        file.write_text("".join(json.dumps({"schemas": [USER], "id": id, "userName": id}) + "\n" for id in users))
        self.daemon.connect(org.key, "idp")
        self.daemon.ctl("import", org.key, file, "--connection", "idp")
        for user in users:
            org.plain.add_member(user)
        place = org.make("workspace")
        role = next(path for path in org.plain.model.roles if path.startswith("workspace/"))
        many = set(users) - set(users[::4])
        self.assertGreater(len(many), 1024)
        for user in sorted(many - {users[1]}) + [users[1]]:
            org.assign(user, role, place)
        permission = next(name for name in org.plain.model.permissions
                          if org.plain.check(users[1], name, place) and not org.plain.check(users[0], name, place))
        with Wire(self.daemon, self.operator, org.key) as w:
            found = [item["id"] for item in w.items("who-can", permission=permission, scope_id=place)]
        owner = org.plain.people[org.owner]
        expected = [owner] if org.plain.check(owner, permission, place) else []
        self.assertEqual(found, expected + [user for user in users if user in many])

    def test_each_part_is_true_at_its_revision(self):
        """The client does not read for a while; meanwhile one comes and one goes, at the far end of the lists."""
        org = self.living("standard")
        self.send(self.operator, "PATCH", f"/scim/v2/Organizations/{org.id}", {
            "schemas": [PATCH], "Operations": [{"op": "add", "path": "limits", "value": [{"value": "members", "max": 5000}]}]})
        users = [number_id(7, n) for n in range(1500)]
        goes, comes = users[-2:]
        teams = [number_id(8, n) for n in range(3)]
        lines = [{"schemas": [USER], "id": id, "userName": "long" * 40 + id} for id in users]
        for team, inside in zip(teams, (users[:-1], users[:-1], teams[:2])):
            lines.append({"schemas": [GROUP], "id": team, "displayName": team, "members": [{"value": id} for id in inside]})
        file = self.daemon.folder / "parts.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.daemon.connect(org.key, "idp")
        self.daemon.ctl("import", org.key, file, "--connection", "idp")
        place = org.make("workspace")
        org.plain.sort[teams[2]], org.plain.teams[teams[2]] = "team", set()
        for user in users:
            org.plain.add_member(user)
        role = next(path for path in org.plain.model.roles if path.startswith("workspace/"))
        org.assign(teams[2], role, place)
        permission = next(name for name in org.plain.model.permissions if "yes" == org.plain.model.answer(
            role, name, "workspace", "company") and not org.plain.check(comes, name, place))
        with Wire(self.daemon, self.operator, org.key) as w:
            asked = {}
            for _ in range(40):
                asked[w.ask("members-of", group_id=teams[2], names=1)] = goes
                asked[w.ask("who-can", permission=permission, scope_id=place, names=1)] = comes
            time.sleep(0.3)
            gone = 0
            for team in teams[:2]:
                reply = org.send(self.operator, "PATCH", f"/Groups/{team}?attributes=id", {
                    "schemas": [PATCH], "Operations": [{"op": "remove", "path": f'members[value eq "{goes}"]'}]})
                self.assertIn(reply.status, (200, 204), reply)
                gone = int(reply.headers["etag"].strip('W/"'))
            made = org.send(self.operator, "POST", "/Assignments", {
                "schemas": [OURS + "Assignment"], "principal": {"value": comes}, "role": role, "scope": {"value": place}})
            there = int(made.headers["etag"].strip('W/"'))
            told, last = {id: None for id in asked}, {}
            while len(last) < len(asked):
                _, id, flags, fields = w.read()
                self.assertNotIn("error", fields)
                if any(item["id"] == asked[id] for item in fields.get("item", [])):
                    told[id] = fields["revision"]
                if flags & LAST:
                    last[id] = fields["revision"]
        lacking = 0
        for id, who in asked.items():
            if who == goes and told[id] is None:
                self.assertGreaterEqual(last[id], gone, "left out before it went")
                lacking += 1
            elif who == goes:
                self.assertLess(told[id], gone, "told when it had gone")
            elif told[id] is None:
                self.assertLess(last[id], there, "left out when it was there")
            else:
                self.assertGreaterEqual(told[id], there, "told before it was there")
                lacking += 1
        self.assertGreater(lacking, 2, "all had been told before")

    def test_what_can_not_be_asked(self):
        org = self.living("standard")
        user = org.make("user")
        with Wire(self.daemon, self.operator, org.key) as w:
            def refused(status, error, field, type, **fields):
                with self.assertRaises(Failure) as caught:
                    w.call(type, **fields)
                failure = caught.exception
                self.assertEqual((failure.status, failure.error, failure.field), (status, error, field), failure)

            refused(400, "INVALID_VALUE", "permission", "who-can")
            refused(400, "INVALID_VALUE", "permission", "who-can", permission="member.fly")
            refused(413, "TOO_LARGE", "permission", "who-can", permission="x" * 1025)
            refused(404, "NOT_FOUND", "scope", "who-can", permission="org.view", scope_id=NOWHERE)
            refused(404, "NOT_FOUND", "scope", "permissions-of", subject_id=user, workspace="nowhere")
            refused(400, "INVALID_VALUE", "scope", "permissions-of", subject_id=user, workspace="a", team="b")
            for _ in range(2):
                reply = org.send(self.operator, "POST", "/Workspaces", {"schemas": [OURS + "Workspace"], "displayName": "Twice"})
                self.assertEqual(reply.status, 201, reply)
            refused(400, "INVALID_VALUE", "scope", "who-can", permission="workspace.view", scope="Twice")
            refused(404, "NOT_FOUND", "subject", "permissions-of", subject_id=NOWHERE)
            refused(400, "INVALID_VALUE", "subject", "permissions-of")
            org.operate("PATCH", f"/Users/{user}", replaced("active", False))
            self.assertEqual(w.items("permissions-of", subject_id=user), [])

    def test_rights(self):
        """About others only with the permission, about oneself with the own: one."""
        org = self.living("standard")
        for path, permits in (("org/none", []), ("org/own", ["own:org.check", "own:team.view"]),
                              ("org/asks", ["org.check"]), ("org/sees", ["team.view"])):
            reply = org.send(self.operator, "POST", "/Roles", {
                "schemas": [OURS + "Role"], "name": path, "permissions": permits or ["org.view"]})
            self.assertEqual(reply.status, 201, reply)
        team = org.make("team")
        other = org.make("user")

        def token(permissions):
            made = org.operate("POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "key",
                                                   "owner": {"value": org.plain.people[org.owner]}, "permissions": permissions})
            return made["token"]

        me = org.plain.people[org.owner]
        asks = {"groups-of": ({"subject_id": other}, {"subject_id": me}, "team.view"),
                "permissions-of": ({"subject_id": other}, {"subject_id": me}, "org.check"),
                "who-can": ({"permission": "org.view"}, None, "org.check"),
                "members-of": ({"group_id": team}, None, "team.view")}
        for permissions in (["org.view"], ["org.check"], ["team.view"], ["own:org.check"], ["own:team.view"]):
            with Wire(self.daemon, token(permissions), org.key) as w:
                for type, (about_other, about_me, needed) in asks.items():
                    for fields, own in ((about_other, False), (about_me, True)):
                        if fields is None:
                            continue
                        with self.subTest(token=permissions, type=type, own=own):
                            if needed in permissions or (own and f"own:{needed}" in permissions):
                                w.items(type, **fields)
                                continue
                            with self.assertRaises(Failure) as caught:
                                w.items(type, **fields)
                            self.assertEqual(caught.exception.error, "FORBIDDEN")
                            self.assertIn(f'"{needed}"', caught.exception.message)
                # Whether somebody is there is not told to who may not ask.
                if "team.view" not in permissions:
                    with self.assertRaises(Failure) as caught:
                        w.items("groups-of", subject_id=NOWHERE)
                    self.assertEqual(caught.exception.error, "FORBIDDEN")


class Orgs(LivingTest):
    """In which organisations a person is, as different tokens see it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ada, cls.bob, cls.eve = (cls.person() for _ in range(3))

    def setUp(self):
        super().setUp()
        self.orgs = [self.living("standard", owner=self.bob) for _ in range(4)]
        self.members = {org.key: org.join(self.ada) for org in self.orgs[:3]}

    def told(self, token, **fields):
        with Wire(self.daemon, token) as w:
            return {item["org"]: (item["id"], item["name"]) for item in w.items("orgs-of", **fields)
                    if item["org"] in {org.key for org in self.orgs}}

    def of_ada(self, *orgs):
        return {org.key: (self.members[org.key], org.key) for org in orgs}

    def service(self, permissions, orgs):
        made = self.operate("POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "service", "displayName": "shop",
                                                "permissions": permissions, "organizations": orgs})
        return made["token"]

    def test_oneself(self):
        self.assertEqual(self.told(self.ada.token), self.of_ada(*self.orgs[:3]))
        self.assertEqual(self.told(self.ada.token, subject_id=self.ada.id), self.of_ada(*self.orgs[:3]))
        self.assertEqual(self.told(self.ada.token, subject_name=self.ada.name), self.of_ada(*self.orgs[:3]))
        self.assertEqual(self.told(self.eve.token), {})

    def test_operators_and_services(self):
        self.assertEqual(self.told(self.operator, subject_id=self.ada.id), self.of_ada(*self.orgs[:3]))
        keys = [org.key for org in self.orgs]
        self.assertEqual(self.told(self.service(["member.view"], ["*"]), subject_name=self.ada.name), self.of_ada(*self.orgs[:3]))
        self.assertEqual(self.told(self.service(["member.view"], keys[1:2]), subject_id=self.ada.id), self.of_ada(self.orgs[1]))
        self.assertEqual(self.told(self.service(["team.view"], ["*"]), subject_id=self.ada.id), {})
        for token in (self.operator, self.service(["member.view"], ["*"])):
            with self.assertRaises(Failure) as caught:
                self.told(token)
            self.assertEqual((caught.exception.error, caught.exception.field), ("INVALID_VALUE", "subject"))

    def test_other_people(self):
        """Bob sees Ada where he is himself, Eve where she is nobody sees none; a person who is not there is told as one with none."""
        self.assertEqual(self.told(self.bob.token, subject_id=self.ada.id), self.of_ada(*self.orgs[:3]))
        self.assertEqual(self.told(self.eve.token, subject_id=self.ada.id), {})
        self.assertEqual(self.told(self.eve.token, subject_id=NOWHERE), {})
        self.assertEqual(self.told(self.eve.token, subject_name="nobody-at-all"), {})

    def test_tokens_of_one_org(self):
        org = self.orgs[0]
        connection = self.daemon.connect(org.key, "idp")
        self.assertEqual(self.told(connection, subject_id=self.ada.id), self.of_ada(org))
        key = org.operate("POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "key",
                                              "owner": {"value": self.members[org.key]}})["token"]
        self.assertEqual(self.told(key), self.of_ada(org))

    def test_those_that_are_suspended_or_left(self):
        self.operate("POST", f"/Organizations/{self.orgs[0].id}/.suspend", {})
        self.orgs[1].operate("DELETE", f"/Users/{self.members[self.orgs[1].key]}")
        self.assertEqual(self.told(self.ada.token), self.of_ada(self.orgs[2]))
        self.assertEqual(self.told(self.operator, subject_id=self.ada.id), self.of_ada(self.orgs[0], self.orgs[2]))

    def test_pages_in_order_and_cursors(self):
        keys = {org.key for org in self.orgs}
        with Wire(self.daemon, self.ada.token) as w:
            everything = [item["org"] for item in w.items("orgs-of")]
            found, cursor = [], None
            while True:
                part = w.call("orgs-of", limit=2, cursor=cursor)
                found += [item["org"] for item in part.get("item", [])]
                self.assertNotIn("revision", part)
                cursor = part.get("cursor")
                if cursor is None:
                    break
                last = cursor
        self.assertEqual(found, everything)
        self.assertEqual([key for key in found if key in keys], [org.key for org in self.orgs[:3]])
        with Wire(self.daemon, self.bob.token) as w, self.assertRaises(Failure) as caught:
            w.call("orgs-of", limit=2, cursor=last)
        self.assertEqual(caught.exception.error, "INVALID_CURSOR")

    def test_what_can_not_be_asked(self):
        for fields, field in (({"subject": "x"}, "subject"), ({"subject_external_id": "x"}, "subject"),
                              ({"subject_id": self.ada.id, "subject_name": self.ada.name}, "subject"),
                              ({"subject_kind": 2}, "subject-kind"), ({"revision": 1}, "revision")):
            with Wire(self.daemon, self.ada.token) as w, self.assertRaises(Failure) as caught:
                w.call("orgs-of", **fields)
            self.assertEqual((caught.exception.error, caught.exception.field), ("INVALID_VALUE", field))


if __name__ == "__main__":
    main()
