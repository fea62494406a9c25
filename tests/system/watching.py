"""What the tests of watch lean on: a mirror that a client of roster/1 would keep, one that follows over connections that break, and a world
that changes at random."""

import itertools
import json
import os
import random
import threading
import time

from harness import PATCH, Api, SystemTest, certificate, find_member
from wire import Failure, Wire

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

    def refuses(self, wire, error, field, **fields):
        """A watch that does not begin."""
        with self.assertRaises(Failure) as caught:
            wire.answer(wire.ask("watch", **fields))
        self.assertEqual((caught.exception.error, caught.exception.field), (error, field))

    def while_others_write(self, org, world, mirrors, apart):
        """Mirrors that begin, so many seconds apart, while the world changes. Returns the revision at which it stopped, and
        all of them are."""
        stop = threading.Event()

        def write():
            while not stop.is_set():
                world.step()

        writer = threading.Thread(target=write)
        writer.start()
        followers = [Follower(self, org, mirror, i) for i, mirror in enumerate(mirrors)]
        try:
            for follower in followers:
                follower.start()
                time.sleep(apart)
        finally:
            stop.set()
            writer.join()
        head = self.revision(org)
        for follower in followers:
            follower.end(head)
        return head


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

    def __init__(self, test, org, mirror, seed, calm=False, fickle=False, token=None, **asked):
        super().__init__(daemon=True)
        self.test, self.org, self.mirror, self.asked = test, org, mirror, asked
        self.fickle = fickle
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
        if self.fickle and self.random.random() < 0.2:
            mirror.at = None  # begins anew though it need not
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
        self.times = []  # of assignments
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
        for name, share in (("start", (-1, 0.5, 2, 1000)), ("end", (2.5, 4, 2000))):
            if self.random.random() < 0.3:
                self.times.append(time.time() + self.random.choice(share))
                more[name] = stamp(self.times[-1])
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
