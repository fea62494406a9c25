#!/usr/bin/env python3
"""What the binary door remembers is as good as the store.

Random writes of every kind that can change who may do what; after each, the same questions are asked twice over the binary
door (found, then remembered) and compared with a plain model of memberships, and with the AuthZEN endpoint, which remembers nothing.
"""

import os
import random
import time

from harness import Api, SystemTest, certificate, find_member, main
from wire import CODES, Wire

OURS = "urn:rosterd:scim:schemas:core:1.0:"
SEED = int(os.environ.get("ROSTER_SEED", random.randrange(1 << 32)))
ROUNDS = int(os.environ.get("ROSTER_ROUNDS", 250))
PERMISSIONS = ("workspace.view", "content.view", "content.edit", "member.view", "member.invite", "project.create", "no.such")


class Recall(SystemTest):
    config = {"workers": 1}

    def make(self):
        org = self.org()
        token = find_member(self.daemon.ctl("token", "create", "--operator"), ("token",))
        self.org_ = org
        self.op = org.with_token(token)
        self.wire = Wire(self.daemon, token, org.key)
        self.users, self.groups, self.workspaces, self.projects, self.assignments = [], [], [], [], []
        self.roles = ["workspace/viewer", "workspace/editor", "workspace/admin"]
        self.members = {}  # group -> set of ids
        self.last_edge = time.time()

    # ---- The plain model of memberships ----

    def holds(self, group, who):
        """direct, nested or not_member."""
        if who in self.members[group]:
            return "direct"
        seen, todo = set(), [group]
        while todo:
            at = todo.pop()
            if at in seen:
                continue
            seen.add(at)
            if who in self.members.get(at, ()):
                return "nested"
            todo += [child for child in self.members.get(at, ()) if child in self.members]
        return "not_member"

    # ---- Writes ----

    def post(self, endpoint, body, expect=201):
        reply = self.op.post(endpoint, body)
        self.assertIn(reply.status, (expect, 400, 403, 409), reply)
        return reply.json["id"] if reply.status == expect else None

    def patch(self, address, **change):
        return self.op.patch(address, change).status

    def add_user(self):
        self.users.append(self.op.user(f"u{len(self.users)}-{self.random.random()}")["id"])

    def add_group(self):
        made = self.op.group(f"g{self.random.random()}")["id"]
        self.groups.append(made)
        self.members[made] = set()

    def add_workspace(self):
        self.workspaces.append(self.post("/Workspaces", {"schemas": [OURS + "Workspace"], "displayName": f"w{self.random.random()}"}))

    def add_project(self):
        body = {"schemas": [OURS + "Project"], "displayName": f"p{self.random.random()}"}
        if self.workspaces and self.random.random() < .7:
            body["parent"] = {"value": self.random.choice(self.workspaces)}
        self.projects.append(self.post("/Projects", body))

    def move_project(self):
        if self.projects and self.workspaces:
            self.patch(f"/Projects/{self.random.choice(self.projects)}", op="replace", path="parent.value",
                       value=self.random.choice(self.workspaces))

    def enter(self):
        group, who = self.random.choice(self.groups), self.random.choice(self.users + self.groups)
        if self.patch(f"/Groups/{group}", op="add", path="members", value=[{"value": who}]) in (200, 204):
            self.members[group].add(who)

    def leave(self):
        group = self.random.choice(self.groups)
        if self.members[group]:
            who = self.random.choice(sorted(self.members[group]))
            self.assertIn(self.patch(f"/Groups/{group}", op="remove", path=f'members[value eq "{who}"]'), (200, 204))
            self.members[group].discard(who)

    def assign(self):
        scope = self.random.choice(self.workspaces + self.groups[:2] + [None])
        role = (self.random.choice(self.roles) if scope in self.workspaces else
                "team/maintainer" if scope else self.random.choice(["org/admin", "org/guest", "org/member"]))
        body = {"schemas": [OURS + "Assignment"], "principal": {"value": self.random.choice(self.users + self.groups)}, "role": role}
        if scope:
            body["scope"] = {"value": scope}
        if self.random.random() < .3:
            body[self.random.choice(["start", "end"])] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(
                time.time() + self.random.choice([1, 2, 3600, -3600])))
        made = self.post("/Assignments", body)
        if made:
            self.assignments.append(made)

    def unassign(self):
        if self.assignments:
            which = self.assignments.pop(self.random.randrange(len(self.assignments)))
            self.assertIn(self.op.delete(f"/Assignments/{which}").status, (204, 404, 409))

    def switch(self):
        self.patch(f"/Users/{self.random.choice(self.users)}", op="replace", path="active", value=self.random.random() < .6)

    def edit(self):
        self.patch(f"/Users/{self.random.choice(self.users)}", op="replace", path="title", value=str(self.random.random()))
        self.patch(f"/Groups/{self.random.choice(self.groups)}", op="replace", path="displayName", value=str(self.random.random()))

    def own_role(self):
        name = f"workspace/r{len(self.roles)}"
        if self.post("/Roles", {"schemas": [OURS + "Role"], "name": name, "permissions": ["workspace.view", "content.edit"]}):
            self.roles.append(name)
        for role in self.op.find("/Roles", 'kind eq "custom"').json["Resources"]:
            if self.random.random() < .3:
                self.patch(f"/Roles/{role['id']}", op="replace", path="permissions",
                           value=self.random.sample(["workspace.view", "content.edit", "content.view"], 2))

    def remove(self):
        kind, here = self.random.choice([("Users", self.users), ("Groups", self.groups), ("Workspaces", self.workspaces),
                                         ("Projects", self.projects)])
        if len(here) < 4:
            return
        which = self.random.choice(here)
        reply = self.op.delete(f"/{kind}/{which}")
        if reply.status == 409 and kind == "Workspaces":
            return
        self.assertIn(reply.status, (204, 409), reply)
        if reply.status == 204:
            self.gone.append(which)
            here.remove(which)
            self.members.pop(which, None)
            for members in self.members.values():
                members.discard(which)

    def many(self):
        """More changes than are looked at one by one."""
        group = self.groups[0]
        crowd = self.users[:]
        self.assertIn(self.patch(f"/Groups/{group}", op="add", path="members", value=[{"value": who} for who in crowd]), (200, 204))
        self.members[group] |= set(crowd)
        for _ in range(40):
            self.edit()

    # ---- Questions ----

    def compare(self):
        people = self.random.sample(self.users, min(8, len(self.users))) + self.gone[-2:]
        scopes = self.random.sample(self.workspaces + self.projects + self.groups[:2], 3) + [None] + self.gone[-1:]
        questions = [(who, permission, scope) for who in people for permission in self.random.sample(PERMISSIONS, 3) for scope in scopes]
        # Roles that begin or end by the clock may do so between two answers: such a difference goes away.
        for attempt in range(4):
            found = [self.wire.check(who, permission, scope_id=scope) for who, permission, scope in questions]
            expected = self.authzen(questions)
            if found == expected:
                break
            time.sleep(.3)
        self.assertEqual(dict(zip(questions, found)), dict(zip(questions, expected)))
        for who in people + self.random.sample(self.groups, 2):
            for group in self.random.sample(self.groups, 2):
                kind = 2 if who in self.members else None
                want = "unknown_subject" if who in self.gone else self.holds(group, who)
                for _ in range(2):
                    self.assertEqual(self.wire.is_member(who, group, subject_kind=kind), want, (who, group))
                if want != "nested":
                    self.assertEqual(self.wire.is_member(who, group, subject_kind=kind, direct=1), want)

    def evaluation(self, who, permission, scope):
        resource = {"type": "thing", "id": "1", "properties": {"scope": scope}} if scope else {"type": "thing", "id": "1"}
        return {"subject": {"type": "user", "id": who, "properties": {"id_type": "id"}}, "action": {"name": permission},
                "resource": resource}

    def authzen(self, questions):
        root = self.op.with_token(self.op.token)
        root.prefix = f"/orgs/{self.org_.key}/access/v1"
        reply = root.request("POST", "/evaluations", {"evaluations": [self.evaluation(*q) for q in questions]},
                             headers={"Content-Type": "application/json"})
        self.assertEqual(reply.status, 200, reply)
        return [answer["context"]["code"] for answer in reply.json["evaluations"]]

    def test_random_writes(self):
        self.random = random.Random(SEED)
        self.gone = []
        self.make()
        with self.subTest(seed=SEED):
            for _ in range(12):
                self.add_user()
            for _ in range(5):
                self.add_group()
            for _ in range(3):
                self.add_workspace()
                self.add_project()
            writes = [self.add_user, self.add_group, self.add_workspace, self.add_project, self.move_project, self.enter, self.enter,
                      self.enter, self.leave, self.assign, self.assign, self.unassign, self.switch, self.edit, self.own_role, self.remove]
            for turn in range(ROUNDS):
                (self.many if turn % 100 == 99 else self.random.choice(writes))()
                if turn % 3 == 0:
                    self.compare()

    def test_the_clock(self):
        """A role that begins and one that ends by the clock, with nothing written in between."""
        self.random, self.gone = random.Random(SEED), []
        self.make()
        self.add_workspace()
        place = self.workspaces[0]
        self.add_user(), self.add_user()
        now = time.time()
        for who, side in zip(self.users, ("start", "end")):
            self.post("/Assignments", {"schemas": [OURS + "Assignment"], "principal": {"value": who}, "role": "workspace/editor",
                                       "scope": {"value": place}, side: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now + 3))})
        begins, ends = self.users
        self.assertEqual(self.wire.check(begins, "content.edit", scope_id=place), "missing")
        self.assertEqual(self.wire.check(ends, "content.edit", scope_id=place), "granted")
        time.sleep(max(0, now + 3.2 - time.time()))
        self.assertEqual(self.wire.check(begins, "content.edit", scope_id=place), "granted")
        self.assertEqual(self.wire.check(ends, "content.edit", scope_id=place), "missing")

    def test_a_person_sleeps(self):
        """What is said of a member hangs on the person, too, whose record is the platform's."""
        self.random, self.gone = random.Random(SEED), []
        self.make()
        person = find_member(self.daemon.ctl("person", "create", "pat", "--email", "pat@example.com", "--verified"), ("id",))
        who = self.op.user("pat", emails=[{"value": "pat@example.com"}])["id"]
        self.ok(self.op.post(f"/Users/{who}/.link", {"person": person}))
        platform = Api(f"{self.daemon.url}/scim/v2", self.op.token, cafile=certificate()[0])
        for active, code in ((True, "granted"), (False, "inactive_subject"), (True, "granted")) * 2:
            reply = platform.patch(f"/People/{person}", {"op": "replace", "path": "active", "value": active})
            self.assertIn(reply.status, (200, 204), reply)
            for _ in range(2):
                self.assertEqual(self.wire.check(who, "member.view"), code)

    def test_a_revision_is_seen(self):
        """Read your writes: the answer's revision is at least that of the write."""
        org = self.org()
        with Wire(self.daemon, org.token) as wire:
            crew = org.group("Crew")
            for n in range(50):
                user = org.user(f"n{n}")
                org.patch(f"/Groups/{crew['id']}", {"op": "add", "path": "members", "value": [{"value": user["id"]}]})
                version = int(org.get(f"/Groups/{crew['id']}").headers["etag"].strip('W/"'))
                answer = wire.call("is-member", subject_id=user["id"], group_id=crew["id"], revision=version)
                self.assertEqual(CODES[answer["code"]], "direct")
                self.assertGreaterEqual(answer["revision"], version)


if __name__ == "__main__":
    main()
