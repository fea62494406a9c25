"""watch of roster/1, memberships and permissions: mirrors that know no rule follow who gained and who lost, and are what checks and the
groups themselves say."""

import random
import socket
import time

from harness import main, sanitized
from watching import GAINED, LOST, OURS, STEPS, Follower, Mirror, Watching, World, stamp
from wire import Failure


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
    config = {"limits.write_timeout": 600}  # on a busy machine, too, who does not read stays for the test

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
        followers = [Follower(self, org, mirror, world.random.random(), calm=i == 0, fickle=i == 2, **asked)
                     for i, mirror in enumerate(mirrors)]
        for follower in followers:
            follower.start()
        expected, looked = {}, {}
        for _ in range(STEPS):
            began = time.time()
            world.step()
            revision = self.revision(org)
            expected[revision], looked[revision] = show(), (began, time.time())
        head = self.revision(org)
        for follower in followers:
            follower.end(head)
        compared = 0
        for mirror in mirrors:
            for revision in set(expected) & set(mirror.all_states):
                states = list(mirror.all_states[revision])
                # What the clock brought in that moment may have been told with the revision behind it.
                if any(looked[revision][0] - 1 < when < looked[revision][1] + 1 for when in world.times):
                    states += mirror.all_states.get(min((at for at in mirror.all_states if at > revision), default=0), [])
                self.assertIn(expected[revision], states, f"revision {revision}")
                compared += 1
            self.assertEqual(mirror.seen, sorted(set(mirror.seen)), "each revision once, in order")
            self.assertIn(head, mirror.states)
        self.assertGreater(compared, STEPS)
        self.assertGreater(len(set(expected.values())), STEPS / 20)
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
        until = time.monotonic() + 15
        while True:
            self.assertLess(time.monotonic(), until, "nothing is told")
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

    def test_times_that_change_again_and_again(self):
        """More of them than are kept: those that count come, and no other."""
        org = self.fresh()
        users = [org.user(self.name("u"))["id"] for _ in range(2)]
        place = self.place(org, "Workspace")
        wire, id = self.following(org, self.revision(org), view=2, permission="content.edit", scope_id=place)
        far = time.time() + 3600
        held = [self.assign(org, user, "workspace/editor", place, end=stamp(far)) for user in users]
        gained = set()
        while len(gained) < 2:
            gained |= self.items(wire, id)[1]
        for n in range(1500):
            reply = org.patch(f"/Assignments/{held[0]}", {"op": "replace", "path": "end", "value": stamp(far + n % 700)})
            self.assertEqual(reply.status, 200, reply)
        for i in (1, 0):
            ends = time.time() + 1.5
            org.patch(f"/Assignments/{held[i]}", {"op": "replace", "path": "end", "value": stamp(ends)})
            part, items = self.items(wire, id)
            self.assertEqual(items, {(LOST, None, users[i])})
            self.assertGreaterEqual(part["time"] / 1000, ends - 0.002)

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
            self.refuses(wire, error, field, **fields)

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

    def test_memory_is_bounded(self):
        """Of what is remembered, and of who does not read."""
        org = self.fresh()
        users = [org.user(self.name("m"))["id"] for _ in range(600)]
        inner = org.group("inner", users)["id"]
        outer = [org.group(self.name("o"))["id"] for _ in range(8)]
        began = self.revision(org)
        live, live_id = self.following(org, began, view=1)
        stuck = []
        for _ in range(15):
            wire = self.wire(org)
            wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            for _ in range(4):
                wire.ask("watch", view=1, **{"from": began})
                wire.ask("watch", view=1)
            stuck.append(wire)

        def turn(rounds):
            """4,800 gained and 4,800 lost, a round."""
            for _ in range(rounds):
                for op in ("add", "remove"):
                    for group in outer:
                        self.members(org, group, op, inner)
                    head = self.revision(org)  # who reads has all of it, before the next takes it back
                    while live.part(live_id)[3]["revision"] < head:
                        pass
            return self.daemon.rss()

        slow, slow_id = self.following(org, began, view=1)
        slow.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # else the kernel reads for it, by megabytes
        full = turn(30)  # 288,000 events: more than are remembered
        told, head = set(), self.revision(org)
        with self.assertRaises(Failure) as caught:  # who reads too late is told, and not more than happened
            while True:
                part = slow.part(slow_id)[3]
                if "item" not in part:
                    self.assertLess(part["revision"], head, "nothing was missed")
                    continue
                self.assertTrue("more" in told or part["revision"] not in told, part)
                told.add(part["revision"])
                (told.add if part.get("more") else told.discard)("more")
        self.assertEqual(caught.exception.error, "RESYNC")
        grown = turn(10) - full
        self.assertLess(grown, (8 << 20) * (6 if sanitized() else 1))
        with self.assertRaises(Failure) as caught:
            self.following(org, began, view=1)
        self.assertEqual(caught.exception.error, "RESYNC")
        least = caught.exception.fields["revision"]
        self.assertTrue(began < least < self.revision(org))
        self.following(org, least, view=1)

    def test_many_watchers(self):
        org = self.fresh()
        user, group = org.user("ann")["id"], org.group("g")["id"]
        head = self.revision(org)
        wires = [self.following(org, head, view=1) for _ in range(200)]
        self.members(org, group, "add", user)
        for wire, id in wires:
            self.assertEqual(self.items(wire, id)[1], {(GAINED, group, user)})

    def test_another_model(self):
        """An org that moves to another role model: who may do what is another thing at once."""
        org = self.fresh()
        users = [org.user(self.name("u"))["id"] for _ in range(4)]
        self.assign(org, users[0], "org/admin")
        self.assign(org, users[1], "org/owner")
        wire, id = self.following(org, self.revision(org), view=2, permission="member.invite")
        self.daemon.ctl("org", "migrate-model", org.key, "studio", "--map", "org/admin=org/member,org/guest=org/member")
        self.assertEqual(self.items(wire, id)[1], {(LOST, None, users[0])})

    def test_a_snapshot_while_others_write(self):
        org = self.fresh()
        world = World(self, org, 11)
        world.begin()
        mirrors = [Mirror(1) for _ in range(6)]
        head = self.while_others_write(org, world, mirrors, 0.2)
        shown = self.shown_members(org)
        for mirror in mirrors:
            self.assertEqual(mirror.states[head], shown)


if __name__ == "__main__":
    main()
