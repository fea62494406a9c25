"""watch of roster/1: a mirror in plain Python follows random changes, is cut off again and again, reads slowly, and is at every
revision what the server was."""

import itertools
import json
import os
import random
import socket
import subprocess
import threading
import time

from harness import BUILD, PATCH, Api, Daemon, SystemTest, certificate, find_member, main, sanitized
from wire import ERROR, LAST, Closed, Failure, Wire

OURS = "urn:rosterd:scim:schemas:core:1.0:"
PUT, GONE, ADDED, REMOVED, GAINED, LOST = range(1, 7)
ENDPOINTS = ("Users", "Groups", "Workspaces", "Projects", "Roles", "Assignments", "Invitations", "Connections", "Tokens",
             "Settings", "Quotas")
STEPS = int(os.environ.get("ROSTER_STEPS", "80"))


class Watching(SystemTest):
    numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator = find_member(cls.daemon.ctl("token", "create", "--operator"), ("token", "secret"))

    def name(self, sort="x"):
        return f"{sort}{next(self.numbers)}"

    def fresh(self):
        """An org, as the operator sees it over HTTPS."""
        key = self.name("w")
        self.daemon.ctl("org", "create", key)
        org = Api(f"{self.daemon.url}/orgs/{key}/scim/v2", self.operator, cafile=certificate()[0])
        org.key = key
        self.addCleanup(org.close)
        return org

    def service(self, org, *permissions):
        return find_member(self.daemon.ctl("token", "create", "--service", "--orgs", org.key, "--permissions",
                                           ",".join(permissions)), ("token", "secret"))

    def wire(self, org, token=None, **more):
        wire = Wire(self.daemon, token or self.operator, org.key, **more)
        self.addCleanup(wire.close)
        return wire

    def revision(self, org):
        if not hasattr(org, "asking"):
            org.asking = self.wire(org)
        return org.asking.call("stats")["revision"]

    def assign(self, org, principal, role, scope=None, **more):
        body = {"schemas": [OURS + "Assignment"], "principal": {"value": principal}, "role": role, **more}
        if scope:
            body["scope"] = {"value": scope}
        return self.ok(org.post("/Assignments", body), 201)["id"]

    def place(self, org, sort, parent=None):
        body = {"schemas": [OURS + sort], "displayName": self.name(sort)}
        if parent:
            body["parent"] = {"value": parent}
        return self.ok(org.post(f"/{sort}s", body), 201)["id"]

    def members(self, org, group, op, *members):
        value = [{"value": member} for member in members]
        if op == "remove":
            operations = [{"op": "remove", "path": f'members[value eq "{member}"]'} for member in members]
        else:
            operations = [{"op": op, "path": "members", "value": value}]
        reply = org.request("PATCH", f"/Groups/{group}", {"schemas": [PATCH], "Operations": operations})
        self.assertIn(reply.status, (200, 204), reply)

    def following(self, org, from_, **more):
        """A watch that is under way: (wire, id)."""
        wire = self.wire(org, more.pop("token", None))
        id = wire.ask("watch", **{"from": from_}, **more)
        if more.get("view"):  # a heartbeat says that it has begun
            self.assertEqual(wire.part(id)[3]["revision"], from_)
        return wire, id


# ---- Mirrors: what a client makes of the parts ----

class Mirror:
    """Keeps parts until their revision is whole, and notes what it knows at each one."""

    def __init__(self, view):
        self.view = view
        self.at = None       # the revision to go on from; None: a snapshot is needed
        self.settled = 0     # below this, a copy that began as a snapshot is of no moment
        self.parts = []
        self.states = {}     # revision -> state, when it was acknowledged
        self.all_states = {}
        self.seen = []       # revisions that were told, in order
        self.beats = self.cut = self.resyncs = 0
        self.clear()

    def clear(self):
        self.records, self.edges, self.held = {}, set(), set()

    def apply(self, item):
        event = item["event"]
        if event == PUT:
            self.records[item["id"]] = (item["type"], json.loads(item["resource"]))
        elif event == GONE:
            self.records.pop(item["id"], None)
            if item["type"] == "Group":
                self.edges = {edge for edge in self.edges if edge[0] != item["id"]}
        elif event in (ADDED, REMOVED):
            edge = (item["group-id"], item["id"])
            (self.edges.add if event == ADDED else self.edges.discard)(edge)
        else:
            pair = (item.get("group-id"), item["id"])
            (self.held.add if event == GAINED else self.held.discard)(pair)

    def state(self):
        return (dict(self.records), frozenset(self.edges)) if self.view == 0 else frozenset(self.held)

    def take(self, part):
        """One part of the answer."""
        if part.get("snapshot"):
            for item in part.get("item", []):
                self.apply(item)
            if not part.get("more"):
                self.at, self.settled = part["revision"], part["settled"]
                self.note()
            return
        self.parts.append(part)
        if part.get("more"):
            assert part.get("item"), part
            return
        items = [item for one in self.parts for item in one.get("item", [])]
        assert len({one["revision"] for one in self.parts}) == 1, self.parts
        self.parts = []
        if part["revision"] == self.at and not items:
            self.beats += 1
        else:
            assert part["revision"] > self.at or self.view == 2, (part, self.at)
            if part["revision"] != self.at:
                self.seen.append(part["revision"])
        for item in items:
            self.apply(item)
        self.at = part["revision"]
        self.note()

    def note(self):
        if self.at >= self.settled:
            self.states[self.at] = self.state()
            # What the clock brings comes with the revision at hand: a revision may have several states.
            self.all_states.setdefault(self.at, []).append(self.states[self.at])


class Follower(threading.Thread):
    """Keeps a mirror, over connections that break at random."""

    def __init__(self, test, org, mirror, seed, calm=False, token=None, **asked):
        super().__init__(daemon=True)
        self.test, self.org, self.mirror, self.asked = test, org, mirror, asked
        self.random, self.calm, self.token = random.Random(seed), calm, token or test.operator
        self.goal, self.problem, self.deadline = None, None, time.monotonic() + 300

    def run(self):
        try:
            while not self.done():
                assert time.monotonic() < self.deadline, ("not there", self.mirror.at, self.goal)
                self.connect()
        except BaseException as problem:  # noqa: told by whoever joins
            self.problem = problem

    def done(self):
        return self.goal is not None and self.mirror.at is not None and self.mirror.at >= max(
            self.goal, self.mirror.settled)

    def connect(self):
        mirror, pace = self.mirror, self.random.choice((0, 0, 0, 0.02))
        parts = self.random.choice((0, 1, 2, 5, 20))
        if mirror.at is None:
            mirror.clear()
        mirror.parts = []
        try:
            with Wire(self.test.daemon, self.token, self.org.key, timeout=30) as wire:
                id = wire.ask("watch", **({} if mirror.at is None else {"from": mirror.at}), view=mirror.view,
                              heartbeat=1000, **self.asked)
                while not self.done() and (self.calm or parts > 0 or mirror.at is None):
                    mirror.take(wire.part(id)[3])
                    parts -= mirror.at is not None
                    if pace:
                        time.sleep(pace)
                mirror.cut += 1
        except Failure as failure:
            if failure.error != "RESYNC":
                raise
            mirror.at = None
            mirror.resyncs += 1

    def end(self, goal):
        self.goal = goal
        self.join(120)
        if self.problem:
            raise self.problem
        assert not self.is_alive(), (self.mirror.at, goal)


# ---- The world that changes ----

class World:
    """Random changes of an org, one revision each; and what the server shows after each."""

    def __init__(self, test, org, seed):
        self.test, self.org, self.random = test, org, random.Random(seed)
        self.users, self.groups, self.held, self.places, self.edges = [], [], [], [], set()
        self.roles = []
        self.scope = None  # one that is not removed

    def pick(self, some):
        return self.random.choice(some) if some else None

    def add_user(self):
        self.users.append(self.org.user(self.test.name("u"))["id"])

    def add_group(self):
        inside = self.random.sample(self.users, min(len(self.users), self.random.randrange(4)))
        self.groups.append(self.org.group(self.test.name("g"), inside)["id"])
        self.edges |= {(self.groups[-1], user) for user in inside}

    def change_user(self):
        user = self.pick(self.users)
        if user:
            what = self.random.choice((("title", self.test.name()), ("active", self.random.random() < 0.5)))
            self.org.patch(f"/Users/{user}", {"op": "replace", "path": what[0], "value": what[1]})

    def drop_user(self):
        user = self.pick(self.users)
        if user and len(self.users) > 4:
            self.users.remove(user)
            self.test.ok(self.org.delete(f"/Users/{user}"), 204)
            self.edges = {edge for edge in self.edges if edge[1] != user}

    def drop_group(self):
        group = self.pick(self.groups)
        if group and len(self.groups) > 3:
            self.groups.remove(group)
            self.test.ok(self.org.delete(f"/Groups/{group}"), 204)
            self.edges = {edge for edge in self.edges if group not in edge}

    def reaches(self, group, other):
        return group == other or any(self.reaches(inner, other) for outer, inner in self.edges
                                     if outer == group and inner in self.groups)

    def enter(self):
        group = self.pick(self.groups)
        some = [member for member in self.users + self.groups * 2 if (group, member) not in self.edges
                and not (member in self.groups and self.reaches(member, group))]
        chosen = set(self.random.sample(some, min(len(some), self.random.randrange(1, 4))))
        # Two groups at once may close a ring together with each other: one will do.
        for extra in sorted(chosen & set(self.groups))[1:]:
            chosen.discard(extra)
        if chosen:
            self.test.members(self.org, group, "add", *chosen)
            self.edges |= {(group, member) for member in chosen}

    def leave(self):
        edge = self.pick(sorted(self.edges))
        if edge:
            self.test.members(self.org, edge[0], "remove", edge[1])
            self.edges.discard(edge)

    def refill(self):
        """All members at once."""
        group = self.pick(self.groups)
        if group:
            inside = self.random.sample(self.users, self.random.randrange(len(self.users) + 1))
            self.test.members(self.org, group, "replace", *inside)
            self.edges = {edge for edge in self.edges if edge[0] != group} | {(group, user) for user in inside}

    def assign(self):
        principal = self.pick(self.users + self.groups)
        scope = self.pick([place for place in self.places if place[0] == self.scope] if self.random.random() < 0.6 and self.scope
                          else self.places)
        more = {}
        if self.random.random() < 0.3:
            more["start"] = stamp(time.time() + self.random.choice((-1, 0.5, 2, 1000)))
        if self.random.random() < 0.3:
            more["end"] = stamp(time.time() + self.random.choice((2.5, 4, 2000)))
        if principal and scope:
            sort = scope[1].lower()
            body = {"schemas": [OURS + "Assignment"], "principal": {"value": principal}, "scope": {"value": scope[0]},
                    "role": self.random.choice([f"{sort}/{name}" for name in ("viewer", "editor", "admin")]
                                               + [path for _, path in self.roles if path.startswith(sort)]), **more}
            reply = self.org.post("/Assignments", body)
            if reply.status == 201:
                self.held.append(reply.json["id"])

    def role(self):
        """One of the org's own, or another content of it."""
        permissions = self.random.choice((["content.view"], ["content.view", "content.edit"], ["project.view"]))
        if self.roles and self.random.random() < 0.7:
            id, _ = self.pick(self.roles)
            self.org.patch(f"/Roles/{id}", {"op": "replace", "path": "permissions", "value": permissions})
            return
        path = f"{self.random.choice(('workspace', 'project'))}/{self.test.name('r')}"
        made = self.org.post("/Roles", {"schemas": [OURS + "Role"], "name": path, "permissions": permissions})
        self.test.ok(made, 201)
        self.roles.append((made.json["id"], path))

    def assign_in_org(self):
        user = self.pick(self.users)
        role = self.random.choice(("org/admin", "org/guest", "org/member", "assignment/auditor"))
        if user:
            reply = self.org.post("/Assignments", {"schemas": [OURS + "Assignment"], "principal": {"value": user}, "role": role})
            if reply.status == 201:
                self.held.append(reply.json["id"])

    def withdraw(self):
        held = self.pick(self.held)
        if held:
            self.held.remove(held)
            self.org.delete(f"/Assignments/{held}")

    def build(self):
        parent = self.pick([place[0] for place in self.places if place[1] == "Workspace"] + [None])
        sort = "Project" if self.random.random() < 0.4 else "Workspace"
        self.places.append((self.test.place(self.org, sort, parent if sort == "Project" else None), sort))

    def move(self):
        project = self.pick([place[0] for place in self.places if place[1] == "Project"])
        parent = self.pick([place[0] for place in self.places if place[1] == "Workspace"])
        if project and parent:
            self.org.patch(f"/Projects/{project}", {"op": "replace", "path": "parent", "value": {"value": parent}})

    def raze(self):
        place = self.pick([place for place in self.places if place[0] != self.scope])
        if place and place[1] == "Project":
            if self.org.delete(f"/Projects/{place[0]}").status == 204:
                self.places.remove(place)

    def step(self):
        if self.scope and self.random.random() < 0.4:  # so that something comes of it
            self.random.choice((self.assign, self.assign, self.withdraw))()
            return
        self.random.choice((
            self.add_user, self.add_user, self.add_group, self.change_user, self.change_user, self.drop_user, self.drop_group,
            self.enter, self.enter, self.enter, self.enter, self.leave, self.leave, self.refill, self.assign, self.assign,
            self.assign, self.assign_in_org, self.withdraw, self.build, self.move, self.raze, self.role))()

    def begin(self):
        for _ in range(6):
            self.add_user()
        for _ in range(4):
            self.add_group()
        self.places.append((self.test.place(self.org, "Workspace"), "Workspace"))

    # ---- What the server shows ----

    def records(self):
        """The state of the records view, read over SCIM."""
        records, edges = {}, set()
        for endpoint in ENDPOINTS:
            for item in self.org.everything(f"/{endpoint}"):
                for member in item.pop("members", []):
                    edges.add((item["id"], member["value"]))
                item.pop("groups", None)
                records[item["id"]] = (item["meta"]["resourceType"], without_clock(item))
        return records, frozenset(edges)


def stamp(when):
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(when)) + f".{int(when * 1000) % 1000:03d}Z"


def without_clock(item):
    """Without what changes though nothing is written."""
    if item["meta"]["resourceType"] in ("Assignment", "Invitation"):
        item.pop("status", None)
    item.pop("lastUsed", None)
    return item


def settled(state):
    records, edges = state
    return {id: (type, without_clock(json.loads(json.dumps(item)))) for id, (type, item) in records.items()}, edges


class Records(Watching):
    def test_a_mirror_is_the_server_at_every_revision(self):
        seed = random.randrange(1 << 30)
        org, other = self.fresh(), self.fresh()
        world = World(self, org, seed)
        world.begin()
        mirrors = [Mirror(0) for _ in range(4)]
        followers = [Follower(self, org, mirror, seed + i, calm=i == 0) for i, mirror in enumerate(mirrors)]
        for follower in followers:
            follower.start()
        expected = {}
        for _ in range(STEPS):
            world.step()
            other.user(self.name("stranger"))
            expected[self.revision(org)] = world.records()
        head = self.revision(org)
        for follower in followers:
            follower.end(head)
        for mirror in mirrors:
            both = [revision for revision in expected if revision in mirror.states]
            self.assertIn(head, both, f"seed {seed}")
            for revision in both:
                self.assertEqual(settled(mirror.states[revision]), expected[revision], f"revision {revision}, seed {seed}")
            # Every revision, once, in order, though the connections broke.
            self.assertEqual(mirror.seen, list(range(mirror.seen[0], head + 1)), f"seed {seed}")
        self.assertGreater(sum(mirror.cut for mirror in mirrors), 10)
        self.assertGreater(len(both), STEPS / 2)
        self.assertFalse([text for mirror in mirrors for text in map(repr, mirror.states[head][0].values()) if "stranger" in text])

    def test_snapshot_while_others_write(self):
        org = self.fresh()
        world = World(self, org, 7)
        world.begin()
        for _ in range(150 if sanitized() else 400):
            world.add_user()
        stop = threading.Event()

        def write():
            while not stop.is_set():
                world.step()

        writer = threading.Thread(target=write)
        writer.start()
        mirrors = [Mirror(0) for _ in range(3)]
        followers = [Follower(self, org, mirror, i) for i, mirror in enumerate(mirrors)]
        try:
            for follower in followers:
                follower.start()
            time.sleep(1.5)
        finally:
            stop.set()
            writer.join()
        head, shown = self.revision(org), world.records()
        for follower, mirror in zip(followers, mirrors):
            follower.end(head)
            self.assertEqual(settled(mirror.states[head]), shown)

    def test_a_large_revision_comes_in_parts(self):
        org = self.fresh()
        users = [org.user(self.name("u"))["id"] for _ in range(1200)]
        group = org.group("large")["id"]
        began = self.revision(org)
        self.members(org, group, "add", *users)
        wire, id = self.following(org, began)
        parts = []
        while not parts or parts[-1].get("more"):
            parts.append(wire.part(id)[3])
        self.assertGreater(len(parts), 1)
        self.assertEqual({part["revision"] for part in parts}, {began + 1})
        self.assertEqual({item["id"] for part in parts for item in part["item"] if item["event"] == ADDED}, set(users))
        # Cut in the middle, the whole revision comes again.
        wire, id = self.following(org, began)
        self.assertEqual(wire.part(id)[3], parts[0])
        # Gone with the group, its edges are not told one by one.
        self.ok(org.delete(f"/Groups/{group}"), 204)
        wire, id = self.following(org, began + 1)
        self.assertEqual([(item["event"], item["id"]) for item in wire.part(id)[3]["item"]], [(GONE, group)])

    def test_secrets_stay(self):
        org = self.fresh()
        began = self.revision(org)
        user = org.user("ada", password="correct horse battery", externalId="label")["id"]
        self.ok(org.post("/Invitations", {"schemas": [OURS + "Invitation"], "kind": "email", "address": "x@guests.test"}), 201)
        key = self.ok(org.post("/Tokens", {"schemas": [OURS + "Token"], "kind": "key", "owner": {"value": user},
                                           "permissions": ["org.view"]}), 201)
        wire, id = self.following(org, began)
        told = ""
        while self.revision(org) > began:
            part = wire.part(id)[3]
            told, began = told + repr(part), part["revision"]
        for secret in ("argon2", "correct horse", "tokenHash", "password", key["token"]):
            self.assertNotIn(secret, told)
        self.assertIn(key["id"], told)
        # externalId is a label of one connection's space: others do not see it.
        self.assertNotIn('"label"', told if "label" not in org.get(f"/Users/{user}").raw.decode() else "")

    def test_from(self):
        org = self.fresh()
        head = self.revision(org)
        wire = self.wire(org)
        for fields, error, field in (({"from": head + 1}, "PRECONDITION_FAILED", "from"), ({"view": 9}, "INVALID_VALUE", "view"),
                                     ({"from": head, "heartbeat": 1}, "INVALID_VALUE", "heartbeat"),
                                     ({"from": head, "revision": head + 1}, "PRECONDITION_FAILED", "revision")):
            with self.assertRaises(Failure) as caught:
                wire.answer(wire.ask("watch", **fields))
            self.assertEqual((caught.exception.error, caught.exception.field), (error, field))
        wire.ask("watch", **{"from": 0})  # all of it
        self.assertEqual([wire.read()[3]["revision"] for _ in range(head)], list(range(1, head + 1)))

    def test_heartbeats_and_cancel(self):
        org = self.fresh()
        head = self.revision(org)
        wire, id = self.following(org, head, heartbeat=1000)
        began = time.monotonic()
        for _ in range(2):
            part = wire.part(id)[3]
            self.assertEqual(part["revision"], head)
            self.assertNotIn("item", part)
            self.assertAlmostEqual(part["time"] / 1000, time.time(), delta=5)
        self.assertGreater(time.monotonic() - began, 1.5)
        self.assertLess(time.monotonic() - began, 5)
        cancel = wire.ask("cancel", target=id)
        answers = {got: (flags, fields) for _, got, flags, fields in (wire.read(), wire.read())}
        self.assertEqual(answers[cancel][1]["answer"], 1)
        self.assertEqual((answers[id][0], answers[id][1]["error"]), (LAST | ERROR, "CANCELLED"))
        wire.ask("watch", request=id, **{"from": head})  # the id is free again
        org.user(self.name("u"))
        self.assertEqual(wire.part(id)[3]["revision"], head + 1)

    def test_rights(self):
        org = self.fresh()
        head = self.revision(org)
        for token in (self.service(org, "org.check", "member.view"), self.daemon.connect(org.key, "idp")):
            with self.assertRaises(Failure) as caught:
                wire, id = self.following(org, head, token=token)
                wire.part(id)
            self.assertEqual(caught.exception.status, 403)
            self.assertIn("org.watch", caught.exception.message)

    def ended(self, wire, id, within=1.6):
        began = time.monotonic()
        with self.assertRaises(Failure) as caught:
            while True:
                wire.part(id)
        self.assertLess(time.monotonic() - began, within * (3 if sanitized() else 1))
        return caught.exception.error

    def test_a_token_revoked_ends_the_watch(self):
        org = self.fresh()
        made = self.daemon.ctl("token", "create", "--service", "--orgs", org.key, "--permissions", "org.watch")
        wire, id = self.following(org, self.revision(org), token=find_member(made, ("token", "secret")))
        org.user(self.name("u"))
        wire.part(id)
        platform = Api(f"{self.daemon.url}/scim/v2", self.operator, cafile=certificate()[0])
        token = platform.get(f"/Tokens?filter=kind+eq+%22service%22").json["Resources"][-1]
        self.ok(platform.delete(f"/Tokens/{token['id']}"), 204)
        self.assertEqual(self.ended(wire, id), "UNAUTHORIZED")

    def test_a_role_lost_ends_the_watch(self):
        org = self.fresh()
        user = org.user("admin")["id"]
        held = self.assign(org, user, "org/admin")
        key = self.ok(org.post("/Tokens", {"schemas": [OURS + "Token"], "kind": "key", "owner": {"value": user},
                                           "permissions": ["org.watch"]}), 201)["token"]
        wire, id = self.following(org, self.revision(org), token=key)
        self.members(org, org.group("g")["id"], "add", user)
        while wire.part(id)[3]["revision"] < self.revision(org):
            pass
        self.ok(org.delete(f"/Assignments/{held}"), 204)
        self.assertEqual(self.ended(wire, id), "FORBIDDEN")

    def test_an_org_suspended_ends_the_watch(self):
        org = self.fresh()
        token = self.service(org, "org.watch")
        wire, id = self.following(org, self.revision(org), token=token)
        self.daemon.ctl("org", "suspend", org.key)
        self.assertEqual(self.ended(wire, id), "FORBIDDEN")

    def test_many_watchers_hear_soon(self):
        org, count = self.fresh(), 200
        head = self.revision(org)
        wires = [Wire(self.daemon, self.operator, org.key) for _ in range(count)]
        ids = [wire.ask("watch", **{"from": head}) for wire in wires]
        for i in range(5):
            user = org.user(self.name("u"))["id"]
            for wire, id in zip(wires, ids):
                part = wire.part(id)[3]
                self.assertEqual((part["revision"], user in [item["id"] for item in part["item"]]), (head + 1 + i, True))
        for wire in wires:
            wire.close()

    def test_two_orgs_on_one_connection(self):
        orgs = [self.fresh() for _ in range(2)]
        wire = Wire(self.daemon, self.operator)
        self.addCleanup(wire.close)
        heads = [self.revision(org) for org in orgs]
        ids = [wire.ask("watch", org=org.key, **{"from": head}) for org, head in zip(orgs, heads)]
        made = [org.user(self.name("u"))["id"] for org in orgs]
        told = {}
        while len(told) < 2:
            _, id, _, part = wire.read()
            if "item" in part:
                told[id] = part
        for id, head, user in zip(ids, heads, made):
            self.assertEqual(told[id]["revision"], head + 1)
            self.assertIn(user, [item["id"] for item in told[id]["item"]])

    def test_who_does_not_read_costs_little(self):
        org = self.fresh()
        users = [org.user(self.name("u"), title="x" * 400)["id"] for _ in range(200)]
        began = self.revision(org)
        stuck = []
        for _ in range(20):
            wire = Wire(self.daemon, self.operator, org.key)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            for _ in range(8):
                wire.ask("watch", **{"from": began})
                wire.ask("watch")
            stuck.append(wire)
        time.sleep(0.5)
        before = self.daemon.rss()
        group = org.group("g")["id"]
        for i in range(20):
            self.members(org, group, "add" if i % 2 == 0 else "remove", *users)
        time.sleep(0.5)
        grown = self.daemon.rss() - before
        self.assertLess(grown, 20 * (512 << 10) * (8 if sanitized() else 1), "bytes for 20 stuck readers")
        for wire in stuck:
            wire.close()

    def test_a_stop_ends_watches_cleanly(self):
        org = self.fresh()
        wire, id = self.following(org, self.revision(org))
        self.daemon.end()
        self.daemon.start()
        with self.assertRaises((Failure, Closed)) as caught:
            wire.part(id)
        if isinstance(caught.exception, Failure):
            self.assertEqual(caught.exception.error, "UNAVAILABLE")


def closure(edges, groups):
    """(group, user) for every user in a group, directly or through other groups."""
    inside = {}
    for group, member in edges:
        inside.setdefault(group, set()).add(member)

    def users(group, seen):
        found = set()
        for member in inside.get(group, ()):
            if member not in groups:
                found.add(member)
            elif member not in seen:
                found |= users(member, seen | {member})
        return found

    return frozenset((group, user) for group in groups for user in users(group, {group}))


class Effects(Watching):
    def shown_members(self, org):
        groups = {item["id"]: [member["value"] for member in item.get("members", [])] for item in org.everything("/Groups")}
        return closure({(group, member) for group, members in groups.items() for member in members}, set(groups))

    def shown_rights(self, org, permission, scope):
        users = [item["id"] for item in org.everything("/Users")]
        self.revision(org)
        parts = org.asking.answer(org.asking.ask("check-batch", permission=permission, scope_id=scope,
                                                 item=[{"subject_id": user} for user in users]))
        codes = b"".join(part["answers"] for part in parts)
        return frozenset((None, user) for user, code in zip(users, codes) if code == 1)

    def follow(self, org, world, view, show, **asked):
        """Lets a world change, followed by mirrors; compares at every revision that both saw."""
        mirrors = [Mirror(view) for _ in range(3)]
        followers = [Follower(self, org, mirror, world.random.random(), calm=i == 0, **asked)
                     for i, mirror in enumerate(mirrors)]
        for follower in followers:
            follower.start()
        expected = {}
        for _ in range(STEPS):
            world.step()
            expected[self.revision(org)] = show()
        head = self.revision(org)
        for follower in followers:
            follower.end(head)
        compared = 0
        for mirror in mirrors:
            for revision in set(expected) & set(mirror.all_states):
                self.assertIn(expected[revision], mirror.all_states[revision], f"revision {revision}")
                compared += 1
            self.assertEqual(mirror.seen, sorted(set(mirror.seen)), "each revision once, in order")
            self.assertIn(head, mirror.states)
        self.assertGreater(compared, STEPS)
        self.assertGreater(len(set(expected.values())), 4)
        self.assertGreater(sum(mirror.cut for mirror in mirrors), 5)
        return mirrors, head

    def test_memberships(self):
        org = self.fresh()
        world = World(self, org, random.randrange(1 << 30))
        world.begin()
        self.follow(org, world, 1, lambda: self.shown_members(org))

    def test_a_permission_at_a_workspace(self):
        org = self.fresh()
        world = World(self, org, random.randrange(1 << 30))
        world.begin()
        world.scope = world.places[0][0]
        self.follow(org, world, 2, lambda: self.shown_rights(org, "content.edit", world.scope), permission="content.edit",
                    scope_id=world.scope)

    def test_a_permission_at_a_project_that_moves(self):
        org = self.fresh()
        world = World(self, org, random.randrange(1 << 30))
        world.begin()
        world.scope = self.place(org, "Project", world.places[0][0])
        world.places += [(world.scope, "Project"), (self.place(org, "Workspace"), "Workspace")]
        for role in ("workspace/editor", "workspace/viewer"):
            self.assign(org, world.groups[0], role, world.places[0][0])
        mirrors, head = self.follow(org, world, 2, lambda: self.shown_rights(org, "content.view", world.scope),
                                    permission="content.view", scope_id=world.scope)
        # When the times of all assignments of the near future are over, it is still so.
        mirror = mirrors[0]
        time.sleep(5)
        follower = Follower(self, org, mirror, 1, calm=True, permission="content.view", scope_id=world.scope)
        follower.start()
        time.sleep(1.5)
        follower.end(head)
        self.assertEqual(mirror.states[head], self.shown_rights(org, "content.view", world.scope))

    def items(self, wire, id):
        """The next items that are told."""
        while True:
            part = wire.part(id)[3]
            if "item" in part:
                return part, {(item["event"], item.get("group-id"), item["id"]) for item in part["item"]}

    def test_a_diamond(self):
        org = self.fresh()
        user = org.user("ann")["id"]
        low = org.group("low", [user])["id"]
        left, right = (org.group(name, [low])["id"] for name in ("left", "right"))
        top = org.group("top")["id"]
        wire, id = self.following(org, self.revision(org), view=1)
        self.members(org, top, "add", left)
        self.assertEqual(self.items(wire, id)[1], {(GAINED, top, user)})
        self.members(org, top, "add", right)
        self.members(org, top, "remove", left)  # still in it through the other
        bob = org.user("bob")["id"]
        self.members(org, low, "add", bob)
        self.assertEqual(self.items(wire, id)[1], {(GAINED, group, bob) for group in (low, left, right, top)})
        self.ok(org.delete(f"/Groups/{right}"), 204)
        self.assertEqual(self.items(wire, id)[1],
                         {(LOST, group, one) for group in (right, top) for one in (user, bob)})
        org.patch(f"/Users/{bob}", {"op": "replace", "path": "active", "value": False})  # is a member all the same
        self.ok(org.delete(f"/Users/{bob}"), 204)
        self.assertEqual(self.items(wire, id)[1], {(LOST, group, bob) for group in (low, left)})
        # The same again for who was away.
        for _ in range(2):
            mirror = Mirror(1)
            follower = Follower(self, org, mirror, 5, calm=True)
            follower.start()
            follower.end(self.revision(org))
            self.assertEqual(mirror.state(), {(low, user), (left, user)})

    def test_named_groups_alone(self):
        org = self.fresh()
        users = [org.user(self.name("u"))["id"] for _ in range(3)]
        groups = [org.group(self.name("g"), users[:1])["id"] for _ in range(3)]
        wire, id = self.following(org, self.revision(org), view=1, group_id=groups[:2])
        self.members(org, groups[2], "add", users[1])
        self.members(org, groups[1], "add", users[2])
        self.assertEqual(self.items(wire, id)[1], {(GAINED, groups[1], users[2])})
        whole = self.wire(org)
        part = whole.part(whole.ask("watch", view=1, group_id=groups[1]))[3]
        self.assertEqual({(item["group-id"], item["id"]) for item in part["item"]},
                         {(groups[1], users[0]), (groups[1], users[2])})

    def test_the_clock(self):
        org = self.fresh()
        user, place = org.user("ann")["id"], self.place(org, "Workspace")
        group = org.group("g", [user])["id"]
        head = self.revision(org)
        asked = {"view": 2, "permission": "content.edit", "scope_id": place}
        wire, id = self.following(org, head, **asked)
        began = time.time()
        starts, ends = began + 1.5, began + 3.5
        self.assign(org, group, "workspace/editor", place, start=stamp(starts), end=stamp(ends))
        head = self.revision(org)
        for event, when in ((GAINED, starts), (LOST, ends)):
            part, items = self.items(wire, id)
            self.assertEqual(items, {(event, None, user)})
            self.assertEqual(part["revision"], head)
            self.assertGreaterEqual(part["time"] / 1000, when - 0.002)
            self.assertLess(time.time(), when + 1)
        # Who was away meanwhile is told.
        wire, id = self.following(org, head, **asked)
        self.assertEqual([self.items(wire, id)[1] for _ in range(2)], [{(GAINED, None, user)}, {(LOST, None, user)}])

    def test_all_that_can_take_it(self):
        org = self.fresh()
        user = org.user("ann")["id"]
        outer = self.place(org, "Workspace")
        inner = self.place(org, "Project", outer)
        other = self.place(org, "Workspace")
        wire, id = self.following(org, self.revision(org), view=2, permission="content.edit", scope_id=inner)
        gained, lost = {(GAINED, None, user)}, {(LOST, None, user)}
        held = self.assign(org, user, "workspace/editor", outer)
        self.assertEqual(self.items(wire, id)[1], gained)
        org.patch(f"/Users/{user}", {"op": "replace", "path": "active", "value": False})
        self.assertEqual(self.items(wire, id)[1], lost)
        org.patch(f"/Users/{user}", {"op": "replace", "path": "active", "value": True})
        self.assertEqual(self.items(wire, id)[1], gained)
        org.patch(f"/Projects/{inner}", {"op": "replace", "path": "parent", "value": {"value": other}})
        self.assertEqual(self.items(wire, id)[1], lost)
        org.patch(f"/Projects/{inner}", {"op": "replace", "path": "parent", "value": {"value": outer}})
        self.assertEqual(self.items(wire, id)[1], gained)
        self.ok(org.delete(f"/Assignments/{held}"), 204)
        self.assertEqual(self.items(wire, id)[1], lost)
        role = self.ok(org.post("/Roles", {"schemas": [OURS + "Role"], "name": "project/own", "permissions": ["content.edit"]}),
                       201)["id"]
        self.assign(org, user, "project/own", inner)
        self.assertEqual(self.items(wire, id)[1], gained)
        org.patch(f"/Roles/{role}", {"op": "replace", "path": "permissions", "value": ["content.view"]})
        self.assertEqual(self.items(wire, id)[1], lost)
        org.patch(f"/Roles/{role}", {"op": "replace", "path": "permissions", "value": ["content.edit"]})
        self.assertEqual(self.items(wire, id)[1], gained)
        self.ok(org.delete(f"/Projects/{inner}?confirm=1"), 204)
        self.assertEqual(self.items(wire, id)[1], lost)

    def test_what_is_not_remembered(self):
        org = self.fresh()
        place = self.place(org, "Workspace")
        users = [org.user(self.name("u"))["id"] for _ in range(3)]
        org.group("g", users)
        head = self.revision(org)
        views = ({"view": 1}, {"view": 2, "permission": "content.view", "scope_id": place})
        for asked in views:  # nobody has watched yet: what was before is not known, what comes is
            with self.assertRaises(Failure) as caught:
                wire, id = self.following(org, head - 1, **asked)
                wire.part(id)
            self.assertEqual(caught.exception.error, "RESYNC")
            self.assertGreaterEqual(caught.exception.fields["revision"], head)
            self.following(org, head, **asked)
        self.daemon.end()
        self.daemon.start()
        org.close()
        del org.asking
        for asked in views:
            wire, id = self.following(org, head, **asked)
            org.user(self.name("u"))
            while wire.part(id)[3]["revision"] <= head:
                pass
            head = self.revision(org)

    def test_mistakes(self):
        org = self.fresh()
        head, wire = self.revision(org), self.wire(org)
        nowhere = "01890a5d-ac96-774b-bcce-b302099a8057"
        for fields, error, field in (
                ({"view": 1, "group_id": nowhere}, "NOT_FOUND", "group-id"),
                ({"view": 2}, "INVALID_VALUE", "permission"),
                ({"view": 2, "permission": "no.such"}, "INVALID_VALUE", "permission"),
                ({"view": 2, "permission": "content.view", "scope_id": nowhere}, "NOT_FOUND", "scope"),
                ({"view": 1, "from": head + 1}, "PRECONDITION_FAILED", "from")):
            with self.assertRaises(Failure) as caught:
                wire.answer(wire.ask("watch", **fields))
            self.assertEqual((caught.exception.error, caught.exception.field), (error, field))

    def test_a_large_group_comes_and_goes(self):
        org = self.fresh()
        count = 1500
        users = []
        for start in range(0, count, 500):
            done = self.ok(org.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
                {"method": "POST", "path": "/Users", "bulkId": f"b{i}",
                 "data": {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": f"big{i}"}}
                for i in range(start, start + 500)]}))
            users += [one["location"].rsplit("/", 1)[1] for one in done["Operations"]]
        inner, outer = org.group("inner")["id"], org.group("outer")["id"]
        self.members(org, inner, "add", *users)
        wire, id = self.following(org, self.revision(org), view=1)

        def told():
            events = set()
            while True:
                part = wire.part(id)[3]
                events |= {(item["event"], item["group-id"], item["id"]) for item in part.get("item", [])}
                if events and not part.get("more"):
                    return events

        self.members(org, outer, "add", inner)
        self.assertEqual(told(), {(GAINED, outer, user) for user in users})
        self.ok(org.delete(f"/Groups/{inner}"), 204)
        self.assertEqual(told(), {(LOST, group, user) for group in (inner, outer) for user in users})

    def test_a_snapshot_while_others_write(self):
        org = self.fresh()
        world = World(self, org, 11)
        world.begin()
        stop = threading.Event()

        def write():
            while not stop.is_set():
                world.step()

        writer = threading.Thread(target=write)
        writer.start()
        mirrors = [Mirror(1) for _ in range(6)]
        followers = [Follower(self, org, mirror, i) for i, mirror in enumerate(mirrors)]
        try:
            for follower in followers:
                follower.start()
                time.sleep(0.2)
        finally:
            stop.set()
            writer.join()
        head, shown = self.revision(org), self.shown_members(org)
        for follower, mirror in zip(followers, mirrors):
            follower.end(head)
            self.assertEqual(mirror.states[head], shown)


class Retention(Watching):
    """A journal whose beginning goes."""

    config = {"journal.keep_size": "32 KiB", "journal.keep_days": 30}

    def head(self, org):
        with Wire(self.daemon, self.operator, org.key) as wire:
            told = {item["name"]: item["count"] for item in wire.items("stats")}
        return told["revision"], told["oldest-revision"]

    def trimmed(self, org, at_least):
        """Waits until the journal begins there or later; the revision that it begins with."""
        until = time.monotonic() + 60
        while self.head(org)[1] < at_least:
            self.assertLess(time.monotonic(), until, "nothing was trimmed")
            time.sleep(0.2)
        return self.head(org)[1]

    def sound(self, org, *more):
        done = self.daemon.run_ctl("audit", "verify", "--org", org.key, *more)
        return done.returncode, json.loads(done.stdout)

    def test_by_size(self):
        org = self.fresh()
        users = [org.user(self.name("u"), title="x" * 300)["id"] for _ in range(10)]
        group = org.group("g", users[:3])["id"]
        anchor = self.daemon.ctl("audit", "head", "--org", org.key)["anchor"]
        self.assertEqual(self.sound(org, "--anchor", anchor)[0], 0)
        for i in range(120):
            org.patch(f"/Users/{users[i % 4]}", {"op": "replace", "path": "title", "value": f"{i}" * 100})
        self.ok(org.delete(f"/Users/{users[9]}"), 204)
        self.members(org, group, "remove", users[0])
        until = time.monotonic() + 60
        while journal_size(self.daemon, org) > 32 << 10:
            self.assertLess(time.monotonic(), until, "not enough was trimmed")
            time.sleep(0.3)
        # What is kept is enough, and not much more.
        self.assertGreater(journal_size(self.daemon, org), 24 << 10)
        head, oldest = self.head(org)
        self.assertLess(oldest, head)
        # All is sound; what can't be looked at is said.
        self.assertEqual(self.daemon.verify(), "")
        code, answer = self.sound(org)
        self.assertEqual((code, answer["trimmed"], answer["entries"]), (0, oldest - 1, head - oldest + 1))
        code, answer = self.sound(org, "--anchor", anchor)
        self.assertEqual(code, 4)
        self.assertIn("is not kept any more", answer["details"][0]["problem"])
        self.assertEqual(self.sound(org, "--anchor", self.daemon.ctl("audit", "head", "--org", org.key)["anchor"])[0], 0)
        self.audit(org, oldest, head, users[9])
        # A watch that was away for too long is told where it may begin.
        for late in (0, oldest - 2):
            with self.assertRaises(Failure) as caught:
                wire, id = self.following(org, late)
                wire.part(id)
            self.assertEqual((caught.exception.status, caught.exception.error), (410, "RESYNC"))
            self.assertEqual(caught.exception.fields["revision"], oldest - 1)
        wire, id = self.following(org, oldest - 1)
        self.assertEqual([wire.part(id)[3]["revision"] for _ in range(head - oldest + 1)], list(range(oldest, head + 1)))
        # Who was deleted is named, though what they were is not known any more.
        wire, id = self.following(org, head - 2)
        told = wire.part(id)[3]["item"]
        self.assertIn((GONE, users[9]), [(item["event"], item["id"]) for item in told])

    def audit(self, org, oldest, head, gone):
        events = self.ok(org.get("/AuditEvents?count=500"))["Resources"]
        revisions = [int(event["id"].split("-")[0]) for event in events]
        self.assertEqual((max(revisions), min(revisions)), (head, oldest))
        self.assertEqual(org.get(f"/AuditEvents/{oldest - 1}-0").status, 404)
        exported = [json.loads(line) for line in org.get("/AuditEvents/.export").raw.decode().splitlines()]
        self.assertEqual([event["id"] for event in exported if event["id"].endswith("-0")],
                         [f"{revision}-0" for revision in range(oldest, head + 1)])
        self.assertEqual(org.get("/AuditEvents/.export?after=1-0").status, 400)
        # A delete whose old state is not kept still says who it was.
        deleted = next(event for event in events if event["operation"] == "delete" and event["target"]["type"] == "User")
        self.assertEqual(deleted["target"]["value"], gone)
        self.assertNotIn("changes", deleted)
        # A replace whose old state is not kept tells what there is; one whose is, what changed.
        first = next(event for event in exported if event["action"] == "User.replace")
        self.assertIn("userName", [change["path"] for change in first["changes"]])
        self.assertFalse([change for change in first["changes"] if "old" in change])
        last = next(event for event in events if event["action"] == "User.replace")
        self.assertEqual([change["path"] for change in last["changes"]], ["title"])
        self.assertIn("old", last["changes"][0])

    def test_by_age(self):
        org = self.fresh()
        users = [org.user(self.name("u"))["id"] for _ in range(12)]
        head = self.revision(org)
        tool(self.daemon, "age", org.key, head - 5, 31)
        self.assertEqual(self.trimmed(org, head - 4), head - 4)
        self.assertEqual(self.daemon.verify(), "")
        # The newest entry stays, however old.
        tool(self.daemon, "age", org.key, head, 31)
        self.assertEqual(self.trimmed(org, head), head)
        time.sleep(4)
        self.assertEqual(self.head(org), (head, head))
        org.user(self.name("u"))
        self.assertEqual(self.trimmed(org, head + 1), head + 1)
        self.assertEqual(self.daemon.verify(), "")
        self.assertEqual(len(org.everything("/Users")), len(users) + 1)
        self.restored(org, head + 1)

    def restored(self, org, oldest):
        """A backup is as sound, and goes on."""
        copy = self.daemon.folder / "copy"
        self.daemon.ctl("backup", copy)
        other = Daemon()
        self.addCleanup(other.remove)
        other.ctl("restore", copy)
        other.start()
        self.assertEqual(other.verify(), "")
        with Wire(other, self.operator, org.key) as wire:
            self.assertEqual(wire.call("stats")["revision"], oldest)
            with self.assertRaises(Failure) as caught:
                wire.part(wire.ask("watch", **{"from": 0}))
        self.assertEqual(caught.exception.error, "RESYNC")

    def test_a_mirror_begins_anew(self):
        org = self.fresh()
        world = World(self, org, 3)
        world.begin()
        mirror = Mirror(0)
        follower = Follower(self, org, mirror, 1)
        follower.start()
        for _ in range(20):
            world.step()
        head = self.revision(org)
        follower.end(head)
        for _ in range(60):
            org.patch(f"/Users/{world.users[0]}", {"op": "replace", "path": "title", "value": self.name("y" * 600)})
        self.trimmed(org, head + 2)
        follower = Follower(self, org, mirror, 2)
        follower.start()
        head = self.revision(org)
        follower.end(head)
        self.assertEqual(mirror.resyncs, 1)
        self.assertEqual(settled(mirror.states[head]), world.records())


def tool(daemon, *arguments):
    return subprocess.run([BUILD / "tests/store/journal_tool", daemon.data, *map(str, arguments)], check=True,
                          capture_output=True, text=True).stdout


def journal_size(daemon, org):
    return int(tool(daemon, "size", org.key))


if __name__ == "__main__":
    main()
