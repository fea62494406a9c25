"""sync over the binary door: whole states of users and groups against a plain model, in one step, by all the rules."""

import json
import os
import random
import threading
import time
import unittest

from harness import GROUP, NOWHERE, USER, Api, Daemon, Org, SystemTest, certificate, main, sanitized
from wire import Failure, Wire

CREATE, CHANGE, REMOVE, SAME, JOIN, LEAVE = 1, 2, 3, 4, 5, 6


def user(name, external=None, /, **more):
    body = {"schemas": [USER], "userName": name, **more}
    if external is not None:
        body["externalId"] = external
    return body


def group(name, members=(), external=None, **more):
    body = {"schemas": [GROUP], "displayName": name, "members": [{"value": m} for m in members], **more}
    if external is not None:
        body["externalId"] = external
    return body


class Sync:
    """One sync on a connection of its own."""

    def __init__(self, org, token=None, wire=None, **begin):
        self.wire = wire or Wire(org.daemon, token or org.token, org.key)
        self.number = self.wire.call("sync-begin", **begin)["sync"]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.wire.close()

    def refused(self, test, status, *words, what="plan"):
        with test.assertRaises(Failure) as caught:
            getattr(self, what)()
        test.assertEqual(caught.exception.status, status, caught.exception)
        for word in words:
            test.assertIn(word, caught.exception.field + " " + caught.exception.message)

    def send(self, records, size=100):
        count = 0
        for at in range(0, len(records), size):
            lines = "".join(r if isinstance(r, str) else json.dumps(r) + "\n" for r in records[at:at + size])
            count = self.wire.call("sync-records", sync=self.number, data=lines)["count"]
        return count

    @staticmethod
    def counts(items):
        return {(i["type"], i["action"]): i["count"] for i in items if "count" in i}

    def plan(self, limit=None):
        parts = self.wire.answer(self.wire.ask("sync-plan", sync=self.number, limit=limit))
        items = [i for part in parts for i in part.get("item", [])]
        self.revision = parts[-1].get("revision", 0)
        self.samples = [i for i in items if "count" not in i]
        return self.counts(items)

    def commit(self):
        answer = self.wire.call("sync-commit", sync=self.number)
        return answer.get("revision", 0), self.counts(answer.get("item", []))

    def abort(self):
        return self.wire.call("sync-abort", sync=self.number)


def sync(org, records, token=None, **begin):
    """All of it; returns what was done."""
    with Sync(org, token, **begin) as s:
        s.send(records)
        planned = s.plan()
        revision, done = s.commit()
        assert planned == done, (planned, done)
        return done


def revision_of(org):
    with Wire(org.daemon, org.token, org.key) as wire:
        return wire.call("is-member", subject_id=NOWHERE, group_id=NOWHERE).get("revision", 0)


def picture(org):
    """Users and groups as SCIM shows them, by id."""
    found = {}
    for kind in ("Users", "Groups"):
        for r in org.everything("/" + kind):
            r.pop("groups", None)
            if kind == "Groups":
                r["members"] = sorted(m["value"] for m in org.get(f"/Groups/{r['id']}").json.get("members", []))
            found[r["id"]] = r
    return found


def without_meta(org):
    return {i: {k: v for k, v in r.items() if k != "meta"} for i, r in picture(org).items()}


# ---- A plain model: what an org is after a state was synced, by the document ----

class Plain:
    """Users and groups as dictionaries: {"id", "name", "external", "data", "members"}."""

    def __init__(self):
        self.users, self.groups, self.next = [], [], 0

    def fresh(self):
        self.next += 1
        return f"new{self.next}"

    @staticmethod
    def find(have, want, match, claimed):
        """Which resource each wanted record is."""
        ways = {"externalId": ["external"], "userName": ["name"], "id": ["id"], None: ["external", "name"]}[match]
        for way in ways:
            for record in want:
                if record.get("is") is not None or not record.get(way):
                    continue
                key = record[way].casefold() if way == "name" else record[way]
                for h in have:
                    value = h.get(way) or ""
                    if (value.casefold() if way == "name" else value) == key and id(h) not in claimed:
                        record["is"] = h
                        claimed.add(id(h))
                        break

    def sync(self, users, groups, match=None, part=None, with_groups=True):
        counts = {}

        def count(kind, action, n=1):
            if n:
                counts[kind, action] = counts.get((kind, action), 0) + n

        claimed = set()
        self.find(self.users, users, match, claimed)
        self.find(self.groups, groups, match, claimed)
        after = {"User": [], "Group": []}
        for kind, have, want in (("User", self.users, users), ("Group", self.groups, groups)):
            for h in have:
                if id(h) in claimed:
                    continue
                if (kind == "User" and (part is None or part(h))) or (kind == "Group" and with_groups):
                    count(kind, REMOVE)
                    h["gone"] = True
                else:
                    after[kind].append(h)
            for w in want:
                made = {k: w.get(k) for k in ("name", "external", "data")}
                if w.get("is") is None:
                    made["id"] = w["id"] if match == "id" else self.fresh()
                    count(kind, CREATE)
                    had = set()
                else:
                    made["id"] = w["is"]["id"]
                    same = all(made[k] == w["is"].get(k) for k in made)
                    count(kind, SAME if same else CHANGE)
                    had = w["is"].get("members", set())
                w["made"] = made
                made["had"] = had
                after[kind].append(made)
        gone = {h["id"] for h in self.users + self.groups if h.get("gone")}
        named = {}
        for w in users + groups:
            for way in ("external", "name", "line"):
                if w.get(way):
                    named.setdefault((way, w[way]), w["made"]["id"])
        ways = {"externalId": ["external"], "userName": ["name"], "id": ["line"], None: ["external", "name"]}[match]
        for w in groups:
            members = set()
            for m in w["members"]:
                members.add(next(named[way, m] for way in [*ways, "line"] if (way, m) in named))
            had = w["made"].pop("had") - gone
            w["made"]["members"] = members
            count("Group", JOIN, len(members - had))
            count("Group", LEAVE, len(had - members))
        for g in after["Group"]:
            g["members"] = g.get("members", set()) - gone
        for u in after["User"]:
            u.pop("had", None)
        self.users, self.groups = after["User"], after["Group"]
        return counts


class RandomStates(SystemTest):
    def state_of(self, org):
        """The org as the plain model has it; new ones of the model get their ids by name."""
        plain = Plain()
        for r in picture(org).values():
            one = {"id": r["id"], "external": r.get("externalId"), "name": r.get("userName") or r["displayName"],
                   "data": r.get("title")}
            if "userName" in r:
                plain.users.append(one)
            else:
                one["members"] = set(r["members"])
                plain.groups.append(one)
        return plain

    @staticmethod
    def comparable(plain):
        ids = {x["id"]: ("user" if x in plain.users else "group", x["name"]) for x in plain.users + plain.groups}
        return sorted(
            [(ids[x["id"]], x.get("external"), x.get("data") or None,
              sorted(ids[m] for m in x["members"]) if "members" in x else None)
             for x in plain.users + plain.groups], key=repr)

    def wanted(self, r, plain, match, serial):
        """A random state: some stay, some are renamed, some go, some are new."""
        users, groups, taken = [], [], {"user": set(), "group": set()}

        def record(kind, old):
            name = old["name"] if old and r.random() < .8 else f"{kind}{next(serial)}"
            if name in taken[kind]:
                name = f"{kind}{next(serial)}"
            external = old.get("external") if old and (r.random() < .9 or match == "externalId") else None
            if external is None and (match == "externalId" or r.random() < .7):
                external = f"{kind[0]}x{next(serial)}"
            taken[kind].add(name)
            return {"name": name, "external": external, "id": old["id"] if old else fresh_id(r),
                    "data": r.choice([None, "chief", "clerk"]) if not old or r.random() < .3 else old.get("data")}

        for kind, have, out in (("user", plain.users, users), ("group", plain.groups, groups)):
            keep = [h for h in have if r.random() < .85]
            names = {h["name"] for h in keep}
            r.shuffle(keep)
            taken[kind] = set()
            out += [record(kind, h) for h in keep]
            out += [record(kind, None) for _ in range(r.randrange(4))]
            del names
        for g in groups:
            g["data"] = None
        for x in users + groups:
            x["line"] = x["id"]
        order = groups[:]
        for i, g in enumerate(order):
            pool = users + order[i + 1:i + 4]  # only onward: no cycles
            picked = r.sample(pool, min(len(pool), r.randrange(6)))
            g["members"] = []
            for m in picked:
                way = {"id": "line", "externalId": "external", "userName": "name"}.get(match)
                if way is None:
                    way = r.choice(["name", "line"] + (["external"] if m["external"] else []))
                g["members"].append(m[way])
        return users, groups

    @staticmethod
    def lines(users, groups):
        out = []
        for u in users:
            body = user(u["name"], u["external"], id=u["line"])
            if u["data"]:
                body["title"] = u["data"]
            out.append(body)
        out += [group(g["name"], g["members"], g["external"], id=g["line"]) for g in groups]
        return out

    def run_many(self, match, rounds):
        seed = int(os.environ.get("ROSTER_SEED", "0")) or random.randrange(1 << 30)
        r = random.Random(seed)
        org, serial = self.org(), iter(range(1, 1 << 30))
        plain = Plain()
        for at in range(rounds):
            with self.subTest(seed=seed, match=match, round=at):
                users, groups = self.wanted(r, plain, match, serial)
                lines = self.lines(users, groups)
                r.shuffle(lines)
                before, revision = picture(org), revision_of(org)
                expected = plain.sync(users, groups, match)
                done = sync(org, lines, groups=1, match=match)
                self.assertEqual(done, expected)
                found = self.state_of(org)
                self.assertEqual(self.comparable(found), self.comparable(plain))
                after = picture(org)
                kept = {x["id"] for x in plain.users + plain.groups} & set(before)
                self.assertLessEqual(kept, set(after))
                changed = sum(expected.get((k, a), 0) for k in ("User", "Group")
                              for a in (CREATE, CHANGE, REMOVE, JOIN, LEAVE))
                self.assertEqual(revision_of(org), revision + (1 if changed else 0))
                for i in kept:  # what is the same was not written
                    strip = [{k: v for k, v in x[i].items() if k != "meta"} for x in (before, after)]
                    if strip[0] == strip[1]:
                        self.assertEqual(before[i]["meta"]["version"], after[i]["meta"]["version"], before[i])
                plain = found
                self.assertEqual({k: v for k, v in sync(org, lines, groups=1, match=match).items()
                                  if k[1] != SAME}, {})
        self.assertEqual(self.daemon.verify(), "")

    def test_by_external_id(self):
        self.run_many("externalId", 12)

    def test_by_name(self):
        self.run_many("userName", 12)

    def test_by_id(self):
        self.run_many("id", 12)

    def test_by_external_id_or_name(self):
        self.run_many(None, 20)


def fresh_id(r):
    return f"{r.getrandbits(32):08x}-{r.getrandbits(16):04x}-7{r.getrandbits(12):03x}-8{r.getrandbits(12):03x}-" \
           f"{r.getrandbits(48):012x}"


class Case(SystemTest):
    """One state after another, each with what is to be seen after it."""

    def names(self, org):
        return sorted(u["userName"] for u in org.everything("/Users"))

    def nothing_changes(self, org, records, status, *words, **begin):
        before = picture(org)
        with Sync(org, **begin) as s:
            with self.assertRaises(Failure) as caught:
                s.send(records)
                s.plan()
            self.assertEqual(caught.exception.status, status, caught.exception)
            for word in words:
                self.assertIn(word, caught.exception.field + " " + caught.exception.message)
            s.refused(self, 409, what="commit")
        self.assertEqual(picture(org), before)


class States(Case):
    def test_parts_by_filter(self):
        org = self.org()
        sync(org, [user("s1", "s1", title="Sales"), user("s2", "s2", title="Sales"), user("d1", "d1", title="Design")])
        done = sync(org, [user("s1", "s1", title="Sales"), user("s3", "s3", title="Sales")],
                    filter='title eq "Sales"')
        self.assertEqual(done, {("User", SAME): 1, ("User", CREATE): 1, ("User", REMOVE): 1})
        self.assertEqual(self.names(org), ["d1", "s1", "s3"])
        # one who comes into the part is changed, not made again
        done = sync(org, [user(n, n, title="Sales") for n in ("s1", "s3", "d1")], filter='title eq "Sales"')
        self.assertEqual(done, {("User", SAME): 2, ("User", CHANGE): 1})
        for wrong in ('title xx "a"', 'nothing eq "a"', 'groups eq "x"'):
            with self.assertRaises(Failure) as caught:
                Sync(org, filter=wrong)
            self.assertEqual(caught.exception.error, "INVALID_FILTER")

    def test_without_groups_groups_stay(self):
        org = self.org()
        sync(org, [user("a", "a"), group("g", ["a"], "g")], groups=1)
        self.assertEqual(sync(org, [user("a", "a"), user("b", "b")]), {("User", SAME): 1, ("User", CREATE): 1})
        [g] = org.everything("/Groups")
        self.assertEqual(len(org.get("/Groups/" + g["id"])["members"]), 1)
        self.nothing_changes(org, [group("h")], 400, "line 1", "no part of this sync")
        # who goes is no member any more
        sync(org, [user("b", "b")])
        self.assertEqual(org.get("/Groups/" + g["id"]).json.get("members", []), [])

    def test_groups_of_others_stay(self):
        org = self.org()
        other = org.another("other")
        mine, theirs = org.group("mine")["id"], other.group("theirs")["id"]
        self.assertEqual(sync(org, [], groups=1), {("Group", REMOVE): 1})
        self.assertEqual([g["id"] for g in org.everything("/Groups")], [theirs])
        self.assertEqual(org.get("/Groups/" + mine).status, 404)

    def test_names_change_places(self):
        org = self.org()
        sync(org, [user("a", "1"), user("b", "2"), user("c", "3")])
        ids = {u["externalId"]: u["id"] for u in org.everything("/Users")}
        self.assertEqual(sync(org, [user("b", "1"), user("c", "2"), user("a", "3"), user("d", "4")]),
                         {("User", CHANGE): 3, ("User", CREATE): 1})
        self.assertEqual({u["externalId"]: (u["id"], u["userName"]) for u in org.everything("/Users")
                          if u["externalId"] != "4"},
                         {"1": (ids["1"], "b"), "2": (ids["2"], "c"), "3": (ids["3"], "a")})
        # the name of one who goes is free at once
        self.assertEqual(sync(org, [user("b", "1"), user("c", "2"), user("a", "9")], match="externalId"),
                         {("User", SAME): 2, ("User", CREATE): 1, ("User", REMOVE): 2})
        self.assertEqual(self.daemon.verify(), "")

    def test_nesting_turns_around(self):
        org = self.org()
        sync(org, [group("a", ["b"], "a"), group("b", ["c"], "b"), group("c", [], "c")], groups=1)
        self.assertEqual(sync(org, [group("a", [], "a"), group("b", ["a"], "b"), group("c", ["b"], "c")], groups=1),
                         {("Group", SAME): 3, ("Group", JOIN): 2, ("Group", LEAVE): 2})
        self.nothing_changes(org, [group("a", ["c"], "a"), group("b", ["a"], "b"), group("c", ["b"], "c")],
                             400, "line", "a member of itself", groups=1)
        self.nothing_changes(org, [group("x", ["y"]), group("y", ["x"])], 400, "a member of itself", groups=1)
        self.nothing_changes(org, [group("x", ["x"])], 400, "a member of itself", groups=1)

    def test_a_group_on_several_lines(self):
        org = self.org()
        people = [user(f"u{n}", f"u{n}") for n in range(30)]
        lines = people + [group("g", [f"u{n}" for n in range(at, at + 10)], id="line-g") for at in (0, 10, 20)]
        self.assertEqual(sync(org, lines, groups=1),
                         {("User", CREATE): 30, ("Group", CREATE): 1, ("Group", JOIN): 30})
        self.assertEqual(sync(org, lines, groups=1), {("User", SAME): 30, ("Group", SAME): 1})

    def test_the_export_of_another_org(self):
        org, copy = self.org(), self.org()
        sync(org, [user("a", "a", title="x"), user("b"), group("g", ["a", "b"], "g"), group("h", ["g"])], groups=1)
        lines = [line + "\n" for line in self.daemon.run_ctl("export", org.key).stdout.splitlines()]
        self.assertEqual(sync(copy, lines, groups=1),
                         {("User", CREATE): 2, ("Group", CREATE): 2, ("Group", JOIN): 3})
        self.assertEqual(sync(copy, lines, groups=1), {("User", SAME): 2, ("Group", SAME): 2})
        self.assertEqual(sync(org, lines, groups=1, match="id"), {("User", SAME): 2, ("Group", SAME): 2})

    def test_what_the_server_keeps_stays(self):
        """Labels of other connections, passwords, connection of a group: no line has them, none is lost."""
        org = self.org()
        other = org.another("other")
        made = org.user("a", externalId="mine", password="Correct Horse 7", title="old")["id"]
        self.ok(other.patch("/Users/" + made, {"op": "add", "path": "externalId", "value": "theirs"}))
        self.assertEqual(sync(org, [user("a", "mine", title="old")]), {("User", SAME): 1})
        self.assertEqual(sync(org, [user("a", "mine", title="new")]), {("User", CHANGE): 1})
        self.assertEqual((org.get("/Users/" + made)["externalId"], other.get("/Users/" + made)["externalId"]),
                         ("mine", "theirs"))
        export = [json.loads(line) for line in
                  self.daemon.run_ctl("export", org.key, "--with-secrets").stdout.splitlines()]
        self.assertTrue(any("passwordHash" in value for line in export for value in line.values()
                            if isinstance(value, dict)), export)

    def test_an_empty_state(self):
        org = self.org()
        self.assertEqual(sync(org, []), {})
        sync(org, [user("a")])
        self.assertEqual(sync(org, []), {("User", REMOVE): 1})

    def test_samples(self):
        org = self.org()
        sync(org, [user(f"u{n}", f"u{n}", title="x") for n in range(10)])
        with Sync(org, groups=1) as s:
            s.send([user(f"u{n}", f"u{n}", title="y") for n in range(5)] + [user("new"), group("g", ["new"])])
            counts = s.plan(limit=3)
            self.assertEqual(counts, {("User", CHANGE): 5, ("User", REMOVE): 5, ("User", CREATE): 1,
                                      ("Group", CREATE): 1, ("Group", JOIN): 1})
            shown = [(x["type"], x["action"], x["name"]) for x in s.samples]
            self.assertEqual(len([x for x in shown if x[1] == CHANGE]), 3)
            self.assertEqual(len([x for x in shown if x[1] == REMOVE]), 3)
            self.assertIn(("User", CREATE, "new"), shown)
            [change] = [x for x in s.samples if x["name"] == "u0"]
            self.assertEqual(change["data"], 'title: "x" -> "y"')
            self.assertTrue(change["id"])
            s.plan()
            self.assertEqual(s.samples, [])
        self.assertEqual(len(self.names(org)), 10)  # a plan changes nothing


class Refusals(Case):
    def test_wrong_lines(self):
        org = self.org()
        for line, *words in (("{", "line 2"), ("[]", "line 2"), ('{"schemas": ["x"]}', "line 2", "schemas"),
                             (json.dumps({"schemas": [USER]}), "line 2", "userName"),
                             (json.dumps(user("b", password="Correct Horse 7")), "line 2", "password"),
                             (json.dumps(user("b", "x" * 2000)), "line 2", "externalId"),
                             (json.dumps(user("b", emails=5)), "line 2", "emails")):
            with Sync(org, groups=1) as s:
                with self.assertRaises(Failure) as caught:
                    s.send([user("a"), line + "\n"])
                self.assertEqual(caught.exception.status, 400)
                for word in words:
                    self.assertIn(word, caught.exception.field + caught.exception.message)
                s.send([user("c")])
                s.refused(self, 400, "line 2")
                s.refused(self, 409, what="commit")
        self.assertEqual(self.names(org), [])

    def test_the_same_twice(self):
        org = self.org()
        for records, word in (([user("a", "1"), user("b", "1")], "externalId"), ([user("a"), user("A")], "userName"),
                              ([group("g"), group("g")], "displayName")):
            self.nothing_changes(org, records, 409, "line 2", "the same as on line 1", word, groups=1)
        sync(org, [user("a", "1")])
        self.nothing_changes(org, [user("a", "2"), user("b", "1"), user("a2", "3"), user("B")], 409, "line 4")
        self.nothing_changes(org, [user("x")], 400, "externalId", match="externalId")
        self.nothing_changes(org, [user("x")], 400, "id", match="id")

    def test_names_that_are_taken(self):
        org = self.org()
        org.user("taken", title="Design")
        self.nothing_changes(org, [user("Taken", "7")], 409, "line 1", "userName", "taken by another",
                             match="externalId", filter='title eq "Sales"')

    def test_unknown_members(self):
        org = self.org()
        sync(org, [user("goes"), user("stays")])
        for name in ("nobody", "goes", NOWHERE):
            self.nothing_changes(org, [user("stays"), group("g", ["stays", name])], 400, "line 2", "members", name,
                                 groups=1)

    def test_order_of_calls(self):
        org = self.org()
        with Sync(org) as s:
            s.refused(self, 409, "no plan", what="commit")
            with self.assertRaises(Failure) as caught:
                Sync(org, wire=s.wire)
            self.assertEqual(caught.exception.error, "CONFLICT")
            with self.assertRaises(Failure) as caught:
                s.wire.call("sync-records", sync=s.number + 1, data="")
            self.assertEqual((caught.exception.status, caught.exception.field), (404, "sync"))
            s.send([user("a")])
            s.plan()
            s.send([user("b")])
            s.refused(self, 409, "no plan", what="commit")
            self.assertEqual(s.plan(), {("User", CREATE): 2})
            s.abort()
            for what in ("plan", "commit", "abort"):
                s.refused(self, 404, what=what)
            again = Sync(org, wire=s.wire)
            again.send([user("c")])
            again.plan()
            again.commit()
            again.refused(self, 404, what="commit")
        self.assertEqual(self.names(org), ["c"])

    def test_all_at_once(self):
        """Pipelined: records, plan and commit without waiting for an answer."""
        org = self.org()
        with Sync(org) as s:
            w = s.wire
            asked = [w.ask("sync-records", sync=s.number, data=json.dumps(user(f"u{n}")) + "\n") for n in range(200)]
            asked += [w.ask("sync-plan", sync=s.number), w.ask("sync-commit", sync=s.number)]
            answers = {}
            while len(answers) < len(asked):
                _, id, flags, fields = w.read()
                self.assertFalse(flags & 2, fields)
                answers[id] = fields
            self.assertEqual(answers[asked[-1]]["item"], [{"action": CREATE, "type": "User", "count": 200}])
        self.assertEqual(len(self.names(org)), 200)

    def test_conflict_after_the_plan(self):
        org = self.org()
        with Sync(org) as s:
            s.send([user("a")])
            s.plan()
            org.user("between")
            s.refused(self, 409, "plan again", what="commit")
            self.assertEqual(s.plan(), {("User", CREATE): 1, ("User", REMOVE): 1})
            s.commit()
        self.assertEqual(self.names(org), ["a"])

    def test_gone_connections_leave_nothing(self):
        org = self.org()
        for at in range(12):  # more than may be open at once
            s = Sync(org)
            s.send([user(f"x{n}") for n in range(50)])
            if at % 2:
                s.wire.ask("sync-plan", sync=s.number)
            s.wire.close()
            time.sleep(.05)
        self.assertEqual(self.names(org), [])
        self.assertEqual(sync(org, [user("a")]), {("User", CREATE): 1})
        self.assertEqual([n for n in os.listdir(self.daemon.data) if ".sync-" in n or n.endswith("XXXXXX")], [])


class Limits(Case):
    config = {"sync.records": 50, "sync.bytes": "1 MiB", "sync.sessions": 3,
              "guard.share": 20, "guard.users": 10, "guard.members": 20}

    def test_records_and_bytes(self):
        org = self.org()
        self.nothing_changes_at_send(org, [user(f"u{n}") for n in range(51)], "sync.records")
        self.nothing_changes_at_send(org, [user(f"u{n}", title="x" * 60000) for n in range(30)], "sync.bytes")
        sync(org, [user(f"u{n}") for n in range(50)])

    def nothing_changes_at_send(self, org, records, field):
        with Sync(org) as s:
            with self.assertRaises(Failure) as caught:
                s.send(records, 10)
            self.assertEqual(caught.exception.field, field)

    def test_sessions(self):
        org = self.org()
        with Sync(org), Sync(org), Sync(org):
            with self.assertRaises(Failure) as caught:
                Sync(org)
            self.assertEqual((caught.exception.status, caught.exception.field), (503, "sync.sessions"))
        deadline = time.monotonic() + 10
        while True:
            try:
                Sync(org).wire.close()
                return
            except Failure:
                self.assertLess(time.monotonic(), deadline)
                time.sleep(.02)

    def test_the_guard(self):
        org = self.org()
        people = [user(f"u{n}", f"u{n}") for n in range(50)]
        sync(org, people)
        # what was made within the hour is free: what the guard saw before its first look is not
        with Sync(org) as s:
            s.send(people[:39])
            self.assertEqual(s.plan(), {("User", SAME): 39, ("User", REMOVE): 11})
            s.refused(self, 409, "mass-removal guard", what="commit")
        self.assertEqual(len(self.names(org)), 50)
        with Sync(org) as s:
            s.send(people[:49])
            s.plan()
            s.refused(self, 409, "guard", what="commit")  # it stays shut
        self.daemon.ctl("connection", "release", org.key, "main")
        sync(org, people[:40])
        self.assertEqual(len(self.names(org)), 40)
        self.daemon.ctl("connection", "release", org.key, "main")
        with Sync(org) as s:
            s.send([user(f"u{n}", f"u{n}", active=n > 11) for n in range(40)])
            s.plan()
            s.refused(self, 409, "guard", what="commit")

    def test_the_guard_of_memberships(self):
        org = self.org()
        people = [user(f"u{n}") for n in range(40)]
        everyone = [f"u{n}" for n in range(40)]
        sync(org, people + [group("g", everyone)], groups=1)
        with Sync(org, groups=1) as s:
            s.send(people + [group("g", everyone[:19])])
            s.plan()
            s.refused(self, 409, "guard", what="commit")
        self.daemon.ctl("connection", "release", org.key, "main")
        sync(org, people + [group("g", everyone[:20])], groups=1)


class Owners(Case):
    """An org with a person as its owner."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator = cls.daemon.ctl("token", "create", "--operator")["token"]
        for name in ("ada", "bob"):
            cls.daemon.ctl("person", "create", name, "--name", name.capitalize())

    def owned(self, limits=None):
        type(self).made = getattr(self, "made", 0) + 1
        key = f"owned{self.made}"
        self.daemon.ctl("org", "create", key, "--owner", "ada")
        org = Org(self.daemon, key, "main", self.daemon.connect(key, "main"))
        if limits:
            platform = Api(self.daemon.url + "/scim/v2", self.operator, cafile=certificate()[0])
            [record] = platform.find("/Organizations", f'key eq "{key}"').json["Resources"]
            self.ok(platform.patch("/Organizations/" + record["id"], {
                "op": "replace", "path": "limits", "value": [{"value": k, "max": v} for k, v in limits.items()]}))
            platform.close()
        return org

    def test_owners_stay(self):
        org = self.owned()
        [ada] = org.everything("/Users")
        self.nothing_changes(org, [user("a")], 403, 'User "ada"', "connectionsManageGuarded")
        # one who may touch owners still can't remove the last one
        with Sync(org, self.operator) as s:
            s.send([user("a")])
            s.refused(self, 409, 'User "ada"')
        self.assertEqual([u["id"] for u in org.everything("/Users")], [ada["id"]])
        self.assertEqual(sync(org, [user("a")], filter='title eq "x"'), {("User", CREATE): 1})

    def test_two_owners_can_not_both_go(self):
        org = self.owned()
        [ada] = org.everything("/Users")
        bob = org.user("bob")["id"]
        ours = "urn:rosterd:scim:schemas:core:1.0:Assignment"
        self.assertEqual(org.with_token(self.operator).post("/Assignments", {
            "schemas": [ours], "principal": {"value": bob}, "role": "org/owner"}).status, 201)
        with Sync(org, self.operator) as s:
            s.send([user("a"), ada])
            self.assertEqual(s.plan(), {("User", CREATE): 1, ("User", SAME): 1, ("User", REMOVE): 1})
            s.abort()
            again = Sync(org, wire=s.wire)
            again.send([user("a")])
            again.refused(self, 409, "owner")
        self.assertEqual(len(self.names(org)), 2)

    def test_seats(self):
        org = self.owned({"members": 5})
        part = {"filter": 'title eq "x"'}
        sync(org, [user(f"u{n}", title="x") for n in range(4)], **part)
        self.nothing_changes(org, [user(f"u{n}", title="x") for n in range(5)], 409, "members", "5", **part)
        # seats of those who go are free
        sync(org, [user(f"v{n}", title="x") for n in range(4)], **part)
        self.assertEqual(len(self.names(org)), 5)

    def test_teams_and_nesting(self):
        org = self.owned({"teams": 4, "nesting": 3})
        part = {"groups": 1, "filter": 'title eq "x"'}
        chain = [group("a", ["b"]), group("b", ["c"]), group("c")]
        sync(org, chain, **part)
        self.nothing_changes(org, chain[:2] + [group("c", ["d"]), group("d")], 409, "nesting", **part)
        self.nothing_changes(org, [group(f"t{n}") for n in range(5)], 409, "teams", **part)
        # the chain is let go of at one end and goes on at the other
        sync(org, [group("z", ["a"]), group("a", ["b"]), group("b"), group("c")], **part)

    def test_rights(self):
        org = self.owned()
        for permissions, status, what in (("org.check", 403, None), ("org.sync", 403, "member.create"),
                                          ("org.sync,member.create", 200, None)):
            token = self.daemon.ctl("token", "create", "--service", "--orgs", org.key, "--permissions",
                                    permissions)["token"]
            with self.subTest(permissions):
                if what is None and status != 200:
                    with self.assertRaises(Failure) as caught:
                        Sync(org, token)
                    self.assertIn("org.sync", caught.exception.message)
                    continue
                with Sync(org, token, filter='title eq "x"') as s:
                    s.send([user("new")])
                    if what:
                        s.refused(self, status, what)
                    else:
                        s.plan()
                        s.commit()
        # a connection speaks for itself alone
        org.another("other")
        with self.assertRaises(Failure) as caught:
            Sync(org, connection="other")
        self.assertEqual((caught.exception.status, caught.exception.field), (403, "connection"))
        with self.assertRaises(Failure) as caught:
            Sync(org, self.operator, connection="nobody")
        self.assertEqual((caught.exception.status, caught.exception.field), (404, "connection"))

    def test_roles_of_a_team_that_is_anothers(self):
        """A connection does not bring people into a team that holds roles and that it did not make."""
        org = self.owned()
        wire = org.with_token(self.daemon.ctl("person", "token", "ada")["token"])
        team = wire.group("admins")["id"]
        ours = "urn:rosterd:scim:schemas:core:1.0:Assignment"
        place = wire.post("/Workspaces", {"schemas": [ours.replace("Assignment", "Workspace")],
                                          "displayName": "Works"})["id"]
        made = wire.post("/Assignments", {"schemas": [ours], "principal": {"value": team}, "role": "workspace/editor",
                                          "scope": {"value": place}})
        self.assertEqual(made.status, 201, made)
        [ada] = org.everything("/Users")
        part = {"groups": 1, "filter": 'title eq "x"'}
        self.nothing_changes(org, [user("mallory"), group("admins", ["mallory", ada["id"]])], 403, "line 2",
                             "was not made by this connection", **part)

    def test_the_journal_tells_who(self):
        org = self.owned()
        sync(org, [user("new")], filter='title eq "x"')
        wire = org.with_token(self.daemon.ctl("person", "token", "ada")["token"])
        events = wire.find("/AuditEvents", count=1000).json["Resources"]
        self.assertIn("roster", {e.get("door") for e in events})


class Known(Case):
    """Lines that came the last time are not parsed again: nothing may be seen of that but the speed."""

    config = {"guard.users": 100000, "guard.members": 100000}

    def file_of(self, org):
        """The file of the org's last sync; orgs are numbered as they are made."""
        found = [n for n in os.listdir(self.daemon.data) if n.startswith("sync-") and n.endswith(".known")]
        return max((self.daemon.data / n for n in found), key=lambda p: p.stat().st_mtime_ns)

    def people(self, count=20):
        return [user(f"u{n}", f"x{n}", title="one", id=f"line{n}") for n in range(count)]

    def test_what_others_change_is_set_right(self):
        for match in (None, "externalId", "userName"):
            with self.subTest(match):
                org = self.org()
                begin = {"groups": 1, "match": match}
                lines = self.people() + [group("g", ["line1", "line2"], "g")]
                sync(org, lines, **begin)
                ids = {u["userName"]: u["id"] for u in org.everything("/Users")}
                same = {("User", SAME): 20, ("Group", SAME): 1}
                self.assertEqual(sync(org, lines, **begin), same)
                self.ok(org.patch("/Users/" + ids["u1"], {"op": "replace", "path": "title", "value": "two"}))
                self.assertEqual(sync(org, lines, **begin), {**same, ("User", SAME): 19, ("User", CHANGE): 1})
                self.assertEqual(org.get("/Users/" + ids["u1"])["title"], "one")
                # changed and changed back: written, but the same
                for title in ("two", "one"):
                    self.ok(org.patch("/Users/" + ids["u1"], {"op": "replace", "path": "title", "value": title}))
                self.assertEqual(sync(org, lines, **begin), same)
                # gone: made again
                self.assertEqual(org.delete("/Users/" + ids["u2"]).status, 204)
                self.assertEqual(sync(org, lines, **begin),
                                 {**same, ("User", SAME): 19, ("User", CREATE): 1, ("Group", JOIN): 1})
                # somebody else has the name meanwhile
                if match != "userName":
                    self.ok(org.patch("/Users/" + ids["u3"], {"op": "replace", "path": "userName", "value": "moved"}))
                    org.user("u3")
                    self.assertEqual(sync(org, lines, **begin),
                                     {**same, ("User", SAME): 19, ("User", CHANGE): 1, ("User", REMOVE): 1})
                    self.assertEqual(org.get("/Users/" + ids["u3"])["userName"], "u3")
                # other lines among known ones, and members by the ids of lines that are not parsed
                self.assertEqual(sync(org, lines[5:20] + [user("new", "new"), group("g", ["line6", "new"], "g")], **begin),
                                 {("User", SAME): 15, ("User", CREATE): 1, ("User", REMOVE): 5, ("Group", SAME): 1,
                                  ("Group", JOIN): 2})
                self.assertEqual(self.daemon.verify(), "")

    def test_changes_between_sending_and_planning(self):
        org = self.org()
        lines = self.people()
        sync(org, lines)
        ids = {u["userName"]: u["id"] for u in org.everything("/Users")}
        with Sync(org) as s:
            s.send(lines)
            self.assertEqual(s.plan(), {("User", SAME): 20})
            self.ok(org.patch("/Users/" + ids["u4"], {"op": "replace", "path": "title", "value": "two"},
                              {"op": "add", "path": "displayName", "value": "Four"}))
            self.assertEqual(org.delete("/Users/" + ids["u5"]).status, 204)
            s.refused(self, 409, "plan again", what="commit")
            self.assertEqual(s.plan(limit=9), {("User", SAME): 18, ("User", CHANGE): 1, ("User", CREATE): 1})
            self.assertEqual([x["data"] for x in s.samples if x["action"] == CHANGE],
                             ['displayName: "Four" -> nothing, title: "two" -> "one"'])
            s.commit()
        self.assertEqual(without_meta(org).keys(), {u["id"] for u in org.everything("/Users")})
        self.assertEqual({u["title"] for u in org.everything("/Users")}, {"one"})
        self.assertEqual(len(self.names(org)), 20)

    def test_known_and_new_can_not_be_the_same(self):
        org = self.org()
        lines = self.people()
        sync(org, lines)
        self.nothing_changes(org, lines + [lines[3]], 409, "line 21", "line 4")
        self.nothing_changes(org, lines + [user("other", "x3")], 409, "line 21", "line 4")
        self.nothing_changes(org, lines + [user("U3", "new")], 409, "line 21", "userName")

    def test_another_way_to_read_makes_it_useless(self):
        org = self.org()
        other = org.another("other", "strict")
        lines = self.people()
        sync(org, lines)
        self.assertEqual(sync(org, lines, match="userName"), {("User", SAME): 20})
        self.assertEqual(sync(other, lines, match="userName"), {("User", CHANGE): 20})  # labels of its own
        self.assertEqual(sync(org, lines), {("User", SAME): 20})

    def test_a_damaged_file_is_no_harm(self):
        org = self.org()
        lines = self.people()
        sync(org, lines)
        whole = self.file_of(org).read_bytes()
        dice = random.Random(3)
        org.patch("/Users/" + org.everything("/Users")[0]["id"], {"op": "replace", "path": "title", "value": "two"})
        for at in range(30):
            broken = bytearray(whole)
            if at % 3:
                broken[dice.randrange(len(broken))] ^= 1 << dice.randrange(8)
            else:
                broken = broken[:dice.randrange(len(broken))]
            self.file_of(org).write_bytes(broken)
            with Sync(org) as s:
                s.send(lines)
                self.assertEqual(s.plan(), {("User", SAME): 19, ("User", CHANGE): 1})
        sync(org, lines)
        self.assertEqual(sync(org, lines), {("User", SAME): 20})

    def test_an_org_that_goes_takes_its_file_along(self):
        org = self.org()
        sync(org, self.people())
        name = self.file_of(org)
        org.close()
        self.daemon.ctl("org", "delete", org.key, "--now", "--yes")
        self.assertFalse(name.exists())

    def test_another_history(self):
        """A store restored from a backup has other revisions under the same numbers."""
        daemon = Daemon()
        self.addCleanup(daemon.remove)
        daemon.start()
        org = daemon.org()
        lines = self.people()
        sync(org, lines)
        backup = daemon.folder / "backup"
        daemon.ctl("backup", backup)
        [one] = [u for u in org.everything("/Users") if u["userName"] == "u1"]
        sync(org, [*lines[:1], {**lines[1], "title": "other"}, *lines[2:]])
        org.close()
        daemon.end()
        for name in ("data.mdb", "lock.mdb"):
            (daemon.data / name).unlink()
        daemon.ctl("restore", backup)
        daemon.start()
        self.assertTrue(any(n.endswith(".known") for n in os.listdir(daemon.data)))
        org.patch("/Users/" + one["id"], {"op": "replace", "path": "nickName", "value": "third"})
        self.assertEqual(sync(org, [*lines[:1], {**lines[1], "title": "other"}, *lines[2:]]),
                         {("User", SAME): 19, ("User", CHANGE): 1})
        self.assertEqual(org.get("/Users/" + one["id"])["title"], "other")
        org.close()


class Together(Case):
    config = {"guard.users": 100000}

    def test_others_see_all_or_nothing(self):
        org = self.org()
        even = [user(f"u{n}", f"u{n}", title="even") for n in range(400)]
        odd = [user(f"u{n}", f"u{n}", title="odd") for n in range(200, 600)]
        sync(org, even)
        stop, halves, looks = threading.Event(), [], [0]

        def look():
            mine = org.with_token(org.token)
            while not stop.is_set():
                counts = mine.post("/Users/.search", {
                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "count": 1000,
                    "attributes": ["title"]}).json
                titles = [u["title"] for u in counts["Resources"]]
                looks[0] += 1
                if len(titles) != 400 or len(set(titles)) != 1:
                    halves.append((len(titles), set(titles)))
            mine.close()

        threads = [threading.Thread(target=look) for _ in range(2)]
        for t in threads:
            t.start()
        for _ in range(4):
            sync(org, odd)
            sync(org, even)
        stop.set()
        for t in threads:
            t.join()
        self.assertEqual(halves, [])
        self.assertGreater(looks[0], 3)

    def test_writers_beside_it(self):
        """Plans that others' writes run into are made again, or refused: nothing is lost."""
        org = self.org()
        stop, made = threading.Event(), []

        def write():
            mine = org.with_token(org.token)
            while not stop.is_set():
                made.append(mine.user(f"w{len(made)}", title="writer")["id"])
            mine.close()

        people = [user(f"u{n}", f"u{n}", title="state") for n in range(300)]
        writer = threading.Thread(target=write)
        writer.start()
        try:
            done = 0
            for at in range(20):
                with Sync(org, filter='title eq "state"') as s:
                    s.send(people[:300 - at])
                    for _ in range(30):
                        try:
                            s.plan()
                            s.commit()
                            done += 1
                            break
                        except Failure as failure:
                            self.assertEqual(failure.status, 409, failure)
        finally:
            stop.set()
            writer.join()
        self.assertGreater(done, 0)
        names = self.names(org)
        self.assertEqual(len([n for n in names if n.startswith("w")]), len(made))
        self.assertEqual(self.daemon.verify(), "")


class Memory(Case):
    def test_many_records(self):
        """The client sends as fast as it can; the daemon reads no faster than it parses."""
        count = 20000 if sanitized() else 100000
        org = self.org()
        lines = [json.dumps(user(f"user{n}@example.com", f"ext{n}", displayName=f"User Number {n}",
                                 name={"givenName": "User", "familyName": f"Number{n}"}, title=f"{n} " * 100,
                                 emails=[{"value": f"user{n}@example.com", "type": "work"}])) + "\n"
                 for n in range(count)]
        with Sync(org) as s:
            before = self.daemon.rss()
            self.send_all(s, lines)
            if not sanitized():
                self.assertGreater(sum(map(len, lines)), 70 << 20)
                self.assertLess(self.daemon.rss() - before, 50 << 20)
            self.assertEqual(s.plan(), {("User", CREATE): count})
            if not sanitized():
                self.assertLess(self.daemon.rss() - before, 70 << 20)
            s.commit()
        with Sync(org) as s:
            self.send_all(s, lines)
            self.assertEqual(s.plan(), {("User", SAME): count})
        self.assertEqual(self.daemon.verify(), "")

    def send_all(self, s, lines):
        """Many pieces ahead of the answers: more than the daemon takes at once."""
        data, at, unanswered = "".join(lines).encode(), 0, 0
        while at < len(data) or unanswered:
            if at < len(data) and unanswered < 200:
                end = data.rfind(b"\n", at, at + (1 << 20)) + 1
                s.wire.ask("sync-records", sync=s.number, data=data[at:end])
                at, unanswered = end, unanswered + 1
                continue
            _, _, flags, fields = s.wire.read()
            self.assertFalse(flags & 2, fields)
            unanswered -= 1


class Killed(unittest.TestCase):
    def test_kill_during_the_commit(self):
        """After kill -9 at any moment of a commit all of it is there, or nothing."""
        seen = set()
        daemon = Daemon()
        self.addCleanup(daemon.remove)
        daemon.start()
        org = daemon.org()
        count = 1500 if sanitized() else 6000
        sync(org, [user(f"u{n}", f"u{n}", title="0") for n in range(count)])
        dice = random.Random()
        for at in range(1, 13):
            s = Sync(org)
            s.send([user(f"u{n}", f"u{n}", title=str(at)) for n in range(count)], 2000)
            s.plan()
            s.wire.ask("sync-commit", sync=s.number)
            time.sleep(dice.random() * (.2 if not sanitized() else .6))
            daemon.kill()
            s.wire.close()
            org.close()
            daemon.start()
            found = {}
            for title in range(at + 1):
                n = org.find("/Users", f'title eq "{title}"', count=0)["totalResults"]
                if n:
                    found[title] = n
            self.assertEqual(list(found.values()), [count], found)
            seen.add(found.get(at) == count)
        self.assertEqual(daemon.verify(), "")


if __name__ == "__main__":
    main()
