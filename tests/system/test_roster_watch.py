"""watch of roster/1, records: a mirror in plain Python follows random changes, is cut off again and again, reads slowly, and is at every
revision what the server was."""

import os
import random
import socket
import time

from harness import Api, certificate, find_member, main, sanitized
from watching import ADDED, GONE, OURS, STEPS, Follower, Mirror, Watching, World, settled
from wire import ERROR, LAST, Closed, Failure, Wire


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
        mirrors = [Mirror(0) for _ in range(3)]
        head = self.while_others_write(org, world, mirrors, 0.5)
        shown = world.records()
        for mirror in mirrors:
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
            self.refuses(wire, error, field, **fields)
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

    def test_a_commit_is_told_at_once(self):
        """And not only when the second is over in which rights are looked at again."""
        org = self.fresh()
        user = org.user("ann")["id"]
        wire, id = self.following(org, self.revision(org))
        late = []
        for i in range(21):
            org.patch(f"/Users/{user}", {"op": "replace", "path": "title", "value": f"t{i}"})
            began = time.monotonic()
            self.assertIn("item", wire.part(id)[3])
            late.append(time.monotonic() - began)
        self.assertLess(sorted(late)[10], 0.1)

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

    def test_a_client_that_says_that_it_ends(self):
        """And is gone then: what is written to it fails, which is the end, and no reason to try for ever."""
        org = self.fresh()
        wire, _ = self.following(org, self.revision(org), heartbeat=1000)
        wire.socket.settimeout(.2)
        with self.assertRaises(TimeoutError):
            wire.socket.unwrap()  # says so; the answer to it does not come
        wire.close()

        def spent():
            fields = open(f"/proc/{self.daemon.process.pid}/stat").read().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

        time.sleep(3.5)
        before = spent()
        time.sleep(1)
        self.assertLess(spent() - before, .5)


if __name__ == "__main__":
    main()
