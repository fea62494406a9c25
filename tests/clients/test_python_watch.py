"""The Python client's sync, watch and mirror with a scripted server."""

import json
import os
import random
import select
import threading
import time
import unittest
import uuid

import scripted
from scripted import ScriptedTest, roster

SEED = int(os.environ.get("ROSTER_SEED", random.randrange(1 << 32)))
USER, GROUP = b"User", b"Group"


def number(value):
    return uuid.UUID(int=value)


class TestSync(ScriptedTest):
    def session(self, peer, **begin):
        peer.hello()
        request = peer.read("sync-begin")
        self.assertEqual(request.values, begin)
        self.org_named = begin.get("org")
        peer.answer(request, ("sync", 77))

    def records(self, peer, wanted):
        """Reads records until there are as many as wanted; answers as late as it may."""
        found, waiting, sizes = [], [], []
        while len(found) < wanted:
            request = peer.read("sync-records")
            self.assertEqual((request["sync"], request.get("org")), (77, self.org_named))
            self.assertTrue(request["data"].endswith(b"\n"))
            found += [json.loads(line) for line in request["data"].splitlines()]
            sizes.append(len(request["data"]))
            waiting.append((request, len(found)))
            if len(waiting) == 4 or len(found) == wanted:
                self.assertEqual((select.select([peer.connection], [], [], 0.05)[0], peer.input), ([], b""),
                                 "no more than four frames ahead")
                for request, count in reversed(waiting):
                    peer.answer(request, ("count", count))
                waiting.clear()
        self.assertLess(max(sizes), 1 << 20)
        return found, len(sizes)

    def test_from_begin_to_commit(self):
        users = [{"userName": f"user{n}", "title": "\u00fc" * 100} for n in range(10000)]

        def script(peer):
            self.session(peer, org=b"acme", connection=b"hr", match=b"userName", filter=b'title eq "x"', groups=1)
            found, frames = self.records(peer, len(users))
            self.assertEqual(found, users)
            self.assertGreater(frames, 5)
            self.assertEqual(self.records(peer, 2)[0], [{"a": 1}, {"b": 2}])
            request = peer.read("sync-plan")
            self.assertEqual(request.values, {"org": b"acme", "sync": 77, "limit": 2})
            peer.answer(request, ("item", [("action", 1), ("type", "User"), ("count", 9999)]),
                        ("item", [("action", 3), ("type", "User")]), last=False)
            peer.answer(request, ("item", [("action", 1), ("type", "User"), ("name", "user1"), ("data", "new")]),
                        ("item", [("action", 3), ("type", "User"), ("id", number(4)), ("name", "old")]), ("revision", 40))
            peer.fail(peer.read("sync-commit"), 409, "CONFLICT", "it has changed")
            peer.answer(peer.read("sync-plan"), ("revision", 41))
            peer.answer(peer.read("sync-commit"), ("item", [("action", 5), ("type", "Group"), ("count", 3)]),
                        ("revision", 42))
            self.assertRaises(scripted.Gone, peer.read)
        client = self.client(script, org="acme")
        with client.sync(connection="hr", match="userName", filter='title eq "x"', groups=True) as sync:
            self.assertEqual(sync.records(iter(users)), len(users))
            sync.records([{"a": 1}, '{"b":2}\n'])
            plan = sync.plan(limit=2)
            self.assertEqual(plan.revision, 40)
            self.assertEqual(plan.counts, {("create", "User"): 9999, ("remove", "User"): 0})
            self.assertEqual(plan.samples, [roster.Sample("create", "User", None, "user1", "new"),
                                            roster.Sample("remove", "User", number(4), "old", "")])
            with self.assertRaisesRegex(roster.RosterError, "CONFLICT"):
                sync.commit()
            sync.plan()
            self.assertEqual(sync.commit(), roster.Committed(42, {("member-add", "Group"): 3}))

    def test_abort_and_end(self):
        def script(peer):
            self.session(peer)
            if peer.index == 0:
                peer.answer(peer.read("sync-abort"))
            self.assertRaises(scripted.Gone, peer.read)
        client = self.client(script)
        with client.sync() as sync:
            sync.abort()
        with self.assertRaises(KeyError), client.sync() as sync:
            raise KeyError

    def test_errors(self):
        def script(peer):
            if peer.index == 0:
                peer.hello()
                peer.fail(peer.read("sync-begin"), 403, "FORBIDDEN", "org.sync is missing")
            if peer.index == 1:
                peer.fail(peer.read("hello"), 401, "UNAUTHORIZED")
            if peer.index == 2:
                self.session(peer)
                bad = peer.read("sync-records")
                peer.fail(bad, 400, "INVALID_VALUE", "line 1", ("field", "userName"))
                peer.answer(peer.read("sync-records"), ("count", 1))
                peer.read("sync-commit")
                peer.cut()
            peer.rest()
        client = self.client(script)
        self.assertRaisesRegex(roster.RosterError, "org.sync", client.sync)
        self.assertRaisesRegex(roster.RosterError, "UNAUTHORIZED", client.sync)
        with client.sync() as sync:
            self.assertRaisesRegex(roster.RosterError, "userName", sync.records, [{}])
            self.assertEqual(sync.records([{"userName": "a"}]), 1)
            self.assertRaises(roster.Disconnected, sync.commit)
        self.assertEqual(len(client.server.accepted), 3, "nothing of a sync is sent twice")


class History:
    """An organisation that changes at random: its state at every revision, and what a watch of the records tells."""

    def __init__(self, seed, revisions):
        self.random = random.Random(seed)
        self.resources, self.edges = {}, set()
        self.items = [[]]           # of each revision
        self.states = [self.state()]
        for revision in range(1, revisions + 1):
            self.items.append([self.change() for _ in range(self.random.choice((1, 1, 1, 2, 5, 30)))])
            self.states.append(self.state())

    def state(self):
        return dict(self.resources), set(self.edges)

    def change(self):
        users = [id for type, id in self.resources if type == USER]
        groups = [id for type, id in self.resources if type == GROUP]
        chance = self.random.random()
        if chance < 0.4 and len(groups) > 1 and users:
            group, member = self.random.choice(groups), self.random.choice(users + groups)
            edge = (group, member, 2 if member in groups else 0)
            if edge in self.edges:
                self.edges.remove(edge)
                return self.edge(4, edge)
            if member != group:
                self.edges.add(edge)
                return self.edge(3, edge)
        if chance < 0.5 and self.resources:
            gone = self.random.choice(list(self.resources))
            del self.resources[gone]
            self.edges = {edge for edge in self.edges if gone[1] not in edge}
            return [("event", 2), ("type", gone[0]), ("id", gone[1])]
        key = (self.random.choice((USER, GROUP)), number(self.random.randrange(1, 60) * 2 + 1))
        if chance < 0.95 or not self.resources:
            key = (key[0], number(key[1].int + (key[0] == GROUP)))
        else:
            key = self.random.choice(list(self.resources))
        self.resources[key] = {"n": self.random.random()}
        return self.put(key, self.resources[key])

    @staticmethod
    def put(key, resource):
        return [("event", 1), ("type", key[0]), ("id", key[1]), ("resource", json.dumps(resource))]

    @staticmethod
    def edge(event, edge):
        return [("event", event), ("group-id", edge[0]), ("id", edge[1]), ("kind", edge[2])]

    def snapshot(self, began):
        """Items, and the revision that they are settled at: what is read while the organisation changes."""
        at, items = began, []
        keys = sorted({key for state in self.states for key in state[0]})
        for key in keys:
            at = min(len(self.states) - 1, at + (self.random.random() < 0.1))
            resources, edges = self.states[at]
            if key in resources:
                items.append(self.put(key, resources[key]))
                items += [self.edge(3, edge) for edge in sorted(edges) if edge[0] == key[1]]
        return items, at


def parts_of(items, chance):
    """Cut into parts at random; at least one."""
    parts = [[]]
    for item in items:
        if parts[-1] and chance.random() < 0.3:
            parts.append([])
        parts[-1].append(item)
    return parts


class Telling:
    """Plays a watch of a history, with heartbeats between, and cuts the connection at random; the last connection ends at the
    last revision, and goes on with heartbeats."""

    def __init__(self, history, seed, cuts):
        self.history, self.random, self.cuts = history, random.Random(seed), cuts
        self.asked = []

    def __call__(self, peer):
        self.peer = peer
        peer.hello(heartbeat=200)
        self.request = peer.read("watch")
        self.asked.append(self.request.get("from", 0))
        revision = self.asked[-1]
        if revision == 0:
            revision = self.random.randrange(1, 5)
            items, settled = self.history.snapshot(revision)
            self.tell(items, ("revision", revision), ("snapshot", 1), last=[("settled", settled)])
        while revision < len(self.history.items) - 1:
            if self.random.random() < 0.2:
                self.part(("revision", revision), ("time", 1000 * revision))
            revision += 1
            self.tell(self.history.items[revision], ("revision", revision), ("time", 1000 * revision))
        while True:
            time.sleep(0.05)
            self.part(("revision", revision))

    def tell(self, items, *fields, last=()):
        parts = parts_of(items, self.random)
        for index, part in enumerate(parts):
            more = [("more", 1)] if index < len(parts) - 1 else last
            self.part(*fields, *[("item", item) for item in part], *more)

    def part(self, *fields):
        data = self.peer.bytes_of(self.request, fields, last=False)
        if self.cuts and self.random.random() < 0.1:
            self.cuts -= 1
            self.peer.raw(data[:self.random.randrange(len(data) + 1)])
            time.sleep(0.005)  # so that it arrives
            self.peer.cut()
        self.peer.raw(data)


class TestWatch(ScriptedTest):
    def test_each_revision_once(self):
        """After any number of cuts, in the middle of parts and of revisions, every revision has come once, whole and in order."""
        history = History(SEED, 150)
        telling = Telling(history, SEED + 1, cuts=40)
        client = self.client(telling, backoff=(0.001, 0.01), org="acme")
        seen = []
        with client.watch(from_revision=3) as watch:
            for change in watch:
                self.assertEqual(watch.revision, change.revision)
                if change.events:
                    self.assertEqual(change.time, change.revision)
                    seen.append((change.revision, [self.fields(event) for event in change.events]))
                if change.revision == 150:
                    break
        self.assertEqual(seen, [(revision, history.items[revision]) for revision in range(4, 151)], f"seed {SEED}")
        self.assertGreater(len(telling.asked), 5)
        self.assertEqual(telling.asked, sorted(telling.asked))

    def fields(self, event):
        fields = [("event", event.event)]
        if event.type:
            fields += [("type", event.type.encode()), ("id", event.id)]
            return fields + ([("resource", json.dumps(event.resource))] if event.event == roster.PUT else [])
        return fields + [("group-id", event.group_id), ("id", event.id), ("kind", event.member_kind)]

    def test_the_request(self):
        def script(peer):
            hello, request = peer.read("hello"), peer.read("watch")  # at once
            peer.answer(hello, *scripted.WELCOME)
            self.assertEqual(request.fields, [
                ("org", b"acme"), ("view", 2), ("heartbeat", 1500), ("permission", b"p"), ("team", b"T"), ("from", 9)])
            gained = [("event", 5), ("id", number(1))]
            for _ in range(2):  # what the clock brings comes with the revision at hand
                peer.answer(request, ("revision", 9), ("time", 2500), ("item", gained), last=False)
            peer.rest()
        watch = self.client(script, org="acme").watch(9, view=roster.PERMISSION, permission="p",
                                                      scope=roster.Scope(team="T"), heartbeat=1.5)
        wanted = roster.Change(9, 2.5, [roster.Event(roster.GAINED, number(1))])
        self.assertEqual([next(watch), next(watch)], [wanted, wanted])
        watch.close()
        self.assertEqual(list(watch), [])

    def test_groups(self):
        def script(peer):
            peer.hello()
            request = peer.read("watch")
            self.assertEqual(request.fields, [("view", 1), ("group-id", number(1)), ("group-id", number(2))])
            peer.answer(request, ("revision", 4), ("snapshot", 1), last=False)
            peer.rest()
        with self.client(script).watch(view=roster.MEMBERSHIP, groups=[number(1), number(2)]) as watch:
            self.assertEqual(next(watch), roster.Change(4, 0.0, [], True, True, True, 4))

    def test_resync(self):
        """The journal is too short: an exception of its own, and then a snapshot."""
        asked = []

        def script(peer):
            peer.hello()
            request = peer.read("watch")
            asked.append(request.get("from"))
            if "from" in request.values:
                peer.fail(request, 410, "RESYNC", "too old", ("revision", 50))
                peer.rest()
            peer.answer(request, ("revision", 60), ("snapshot", 1), last=False)
            peer.rest()
        watch = self.client(script).watch(7)
        with self.assertRaises(roster.Resync) as caught:
            next(watch)
        self.assertEqual((caught.exception.revision, caught.exception.status), (50, 410))
        self.assertTrue(next(watch).snapshot)
        self.assertEqual((watch.revision, asked), (60, [7, None]))
        watch.close()

    def test_a_snapshot_begins_again(self):
        """A connection that breaks in a snapshot brings a new one, which says that it is the first of it."""
        def script(peer):
            peer.hello()
            request = peer.read("watch")
            if peer.index < 2:
                self.assertNotIn("from", request.values)
                for part in range(3 - peer.index):
                    more = [("more", 1)] if peer.index == 0 or part == 0 else [("settled", 8)]
                    peer.answer(request, ("revision", 5 + peer.index), ("snapshot", 1), *more, last=False)
                peer.end()
            self.assertEqual(request["from"], 6)
            peer.answer(request, ("revision", 8), last=False)
            peer.rest()
        with self.client(script).watch() as watch:
            changes = [next(watch) for _ in range(6)]
        self.assertEqual([(it.revision, it.snapshot, it.first, it.last, it.settled) for it in changes], [
            (5, True, True, False, 5), (5, True, False, False, 5), (5, True, False, False, 5),
            (6, True, True, False, 6), (6, True, False, True, 8), (8, False, True, True, 0)])

    def test_silence(self):
        """A server that says nothing for three heartbeats is given up; one that is only quiet is not."""
        def script(peer):
            peer.hello(heartbeat=100)
            request = peer.read("watch")
            peer.answer(request, ("revision", 5 + peer.index), last=False)
            peer.rest()
        with self.client(script).watch(5) as watch:
            next(watch)
            began = time.monotonic()
            self.assertEqual(next(watch).revision, 6)
            self.assertTrue(1.2 < time.monotonic() - began < 3)

    def test_errors(self):
        """A refusal is raised; what passes is waited for."""
        def script(peer):
            peer.hello()
            request = peer.read("watch")
            if peer.index == 0:
                peer.fail(request, 503, "UNAVAILABLE", "it stops", ("retry-after", 300))
            elif peer.index == 1:
                peer.answer(request, ("revision", 5), last=False)
                peer.fail(request, 403, "FORBIDDEN", "org.watch is missing")
            peer.rest()
        client = self.client(script)
        with client.watch(5) as watch:
            began = time.monotonic()
            next(watch)
            self.assertGreater(time.monotonic() - began, 0.29)
            self.assertRaisesRegex(roster.RosterError, "org.watch", next, watch)

    def test_a_server_that_tells_wrong(self):
        for view, parts in ((0, [[("revision", 4)]]), (0, [[("revision", 5), ("item", self.gained)]]),
                            (1, [[("revision", 4), ("item", self.gained)]]),
                            (0, [[("revision", 6), ("snapshot", 1)]]), (0, [[("revision", 6), ("item", [("event", 5)])]])):
            def script(peer, parts=parts):
                peer.hello()
                request = peer.read("watch")
                for part in parts:
                    peer.answer(request, *part, last=False)
                peer.rest()
            with self.client(script).watch(5, view=view) as watch:
                self.assertRaises(roster.Malformed, next, watch)

    gained = [("event", 5), ("group-id", number(1)), ("id", number(2))]

    def test_close_from_another_thread(self):
        def script(peer):
            peer.hello()
            peer.answer(peer.read("watch"), ("revision", 5), last=False)
            peer.rest()
        watch = self.client(script).watch(5)
        next(watch)
        timer = threading.Timer(0.2, watch.close)
        timer.start()
        self.assertEqual(list(watch), [])
        timer.join()


class TestMirror(ScriptedTest):
    def test_follows_through_cuts(self):
        """At every revision that it acknowledges, the mirror is what the organisation was."""
        for seed in range(SEED, SEED + 4):
            history = History(seed, 120)
            telling = Telling(history, seed + 1, cuts=25)
            client = self.client(telling, backoff=(0.001, 0.01))
            self.compared = 0
            mirror = self.watched(client, history)
            with mirror:
                mirror.wait(120, timeout=30)
                self.compare(mirror, history.states[120])
            self.assertGreater(self.compared, 60, f"seed {seed}")

    def watched(self, client, history):
        """A mirror that is compared after each change."""
        test = self

        class Compared(roster.Mirror):
            def _apply(self, change):
                super()._apply(change)
                if self._copy is not None and self._next is None:
                    test.compared += 1
                    test.equal(self._copy, history.states[self.revision])
        return Compared(client)

    def equal(self, copy, state):
        resources, edges = state
        try:
            self.assertEqual(copy.resources, {(type.decode(), id): value for (type, id), value in resources.items()})
            self.assertEqual({(group, member) for group, members in copy.members.items() for member in members},
                             {(group, member) for group, member, _ in edges})
        except AssertionError as why:
            self.failures.append(why)

    def setUp(self):
        self.failures = []
        self.addCleanup(lambda: self.assertEqual(self.failures[:1], [], f"seed {SEED}"))

    def compare(self, mirror, state):
        """is_member, directly and nested, against a closure made another way."""
        resources, edges = state
        holds = {(group, member) for group, member, _ in edges}
        closure = set(holds)
        while True:
            more = {(outer, member) for outer, group in holds for inner, member in closure if group == inner} - closure
            if not more:
                break
            closure |= more
        ids = [id for _, id in resources]
        self.assertGreater(len(closure), len(holds))
        for group in ids:
            for member in ids:
                self.assertEqual(mirror.is_member(member, group), (group, member) in closure)
                self.assertEqual(mirror.is_member(member, group, direct=True), (group, member) in holds)
            self.assertEqual(mirror.members_of(group), {member for outer, member in holds if outer == group})
        for (type, id), resource in resources.items():
            self.assertEqual(mirror.resource(type.decode(), id), resource)
        self.assertEqual(len(mirror.resources("User")), sum(type == USER for type, _ in resources))

    def test_not_before_it_is_exact(self):
        """A snapshot that is not settled answers nothing; a resync goes on with the old copy meanwhile."""
        go_on = threading.Semaphore(0)

        def wait():
            self.assertTrue(go_on.acquire(timeout=20))

        def script(peer):
            peer.hello()
            request = peer.read("watch")
            if peer.index == 1:
                self.assertEqual(request["from"], 8)
                wait()
                peer.fail(request, 410, "RESYNC", "too old", ("revision", 90))
                peer.rest()
            edge = History.edge(3, (number(10), number(peer.index + 1), 0))
            base = 100 * peer.index
            peer.answer(request, ("revision", base + 5), ("snapshot", 1), ("item", edge), ("settled", base + 8), last=False)
            peer.answer(request, ("revision", base + 7), last=False)
            wait()
            peer.answer(request, ("revision", base + 8), last=False)
            if peer.index == 0:
                wait()
                peer.cut()
            peer.rest()
        with roster.Mirror(self.client(script)) as mirror:
            with self.assertRaises(roster.DeadlineExceeded):
                mirror.wait(timeout=0.3)
            self.assertRaises(roster.Stale, mirror.is_member, number(1), number(10))
            self.assertEqual(mirror.age, float("inf"))
            go_on.release()
            self.assertEqual(mirror.wait(timeout=10), 8)
            self.assertTrue(mirror.is_member(number(1), number(10)))
            go_on.release(2)
            time.sleep(0.3)  # a new snapshot is under way
            self.assertEqual(mirror.revision, 8)
            self.assertTrue(mirror.is_member(number(1), number(10)))
            go_on.release()
            self.assertEqual(mirror.wait(200, timeout=10), 208)
            self.assertFalse(mirror.is_member(number(1), number(10)))
            self.assertTrue(mirror.is_member(number(3), number(10)))

    def test_stale(self):
        """It says how long it has heard nothing, and at some time answers no more."""
        def script(peer):
            if peer.index > 0:
                peer.cut()
            peer.hello()
            request = peer.read("watch")
            peer.answer(request, ("revision", 5), ("snapshot", 1), last=False)
            peer.connection.recv(1)
        with roster.Mirror(self.client(script), max_age=0.5) as mirror:
            mirror.wait(timeout=10)
            self.assertFalse(mirror.is_member(number(1), number(2)))
            self.assertLess(mirror.age, 0.4)
            time.sleep(0.6)
            self.assertTrue(0.6 <= mirror.age < 2)
            self.assertRaises(roster.Stale, mirror.is_member, number(1), number(2))

    def test_a_permission_withdrawn(self):
        """It says what is against it, answers what it knows meanwhile, and goes on when it may; with a new token, if there is one."""
        tokens = []

        def script(peer):
            tokens.append(peer.hello().get("token"))
            request = peer.read("watch")
            if peer.index == 0:
                peer.answer(request, ("revision", 5), ("snapshot", 1), last=False)
            if tokens[-1] != b"rst_new":
                peer.fail(request, 403, "FORBIDDEN", "org.watch is missing")
                peer.rest()
            self.assertEqual(request["from"], 5)
            peer.answer(request, ("revision", 6), last=False)
            peer.rest()
        client = self.client(script)
        with roster.Mirror(client) as mirror:
            self.assertRaisesRegex(roster.RosterError, "org.watch", mirror.wait, 6, 10)
            self.assertEqual(mirror.error.status, 403)
            self.assertFalse(mirror.is_member(number(1), number(2)))
            client._options = client._options._replace(token="rst_new")
            self.until(lambda: mirror.revision == 6)
            self.assertIsNone(mirror.error)
        self.assertEqual(set(tokens), {b"rst_test", b"rst_new"})

    def test_a_server_that_was_set_back(self):
        """From a copy of the day before: the revision is not there any more, and a snapshot is taken."""
        def script(peer):
            peer.hello()
            request = peer.read("watch")
            if peer.index == 1:
                self.assertEqual(request["from"], 50)
                peer.fail(request, 412, "PRECONDITION_FAILED", "not there yet", ("field", "from"))
                peer.rest()
            edge = History.edge(3, (number(10), number(peer.index), 0))
            huge = [("event", 1), ("type", "User"), ("id", number(9))]  # too long to be told
            peer.answer(request, ("revision", 50 - 20 * peer.index), ("snapshot", 1), ("item", edge), ("item", huge), last=False)
            if peer.index == 0:
                peer.cut()
            peer.rest()
        with roster.Mirror(self.client(script)) as mirror:
            self.until(lambda: mirror.revision == 10)
            self.assertTrue(mirror.is_member(number(2), number(10)))
            self.assertFalse(mirror.is_member(number(0), number(10)))
            self.assertEqual(mirror.resource("User", number(9)), {})


if __name__ == "__main__":
    unittest.main()
