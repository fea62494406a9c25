#!/usr/bin/env python3
"""The binary door and clients that mean harm: they go in the middle, ask for much at once, become somebody else under way."""

import json
import socket
import struct
import time
import uuid

from harness import GROUP, NOWHERE, USER, Api, certificate, find_member, main
from test_roster_door import Door, service
from wire import CODES, LAST, Wire, encode


class Hostile(Door):
    def lines(self, size):
        line = b'{"userName":"%s"}\n' % (b"u" * 200)
        return line * (size // len(line))

    def cut(self, wire):
        """The client is gone without a word."""
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()

    def test_a_client_goes_while_it_is_not_read_from(self):
        """More lines than are parsed at a time, then a reset: what the session would have gone on with is not touched any more."""
        org = self.org()
        for _ in range(3):
            busy, wire = self.wire(org), self.wire(org)
            numbers = [one.call("sync-begin")["sync"] for one in (busy, wire)]
            for _ in range(4):  # the threads that parse have something to do
                busy.ask("sync-records", sync=numbers[0], data=self.lines(2_000_000))
            for size in [20_000] * 40 + [4_000_000] * 2:
                wire.ask("sync-records", sync=numbers[1], data=self.lines(size))
            time.sleep(0.1)
            self.cut(wire)
            for _ in range(4):
                busy.read()
            busy.call("sync-abort", sync=numbers[0])
        self.assertEqual(self.wire(org).call("ping", data="x"), {"data": "x"})
        self.assertEqual(self.daemon.faults(), "")

    def test_what_is_under_way_is_bounded_in_bytes(self):
        """Requests that stay, each as long as one may be: the client is no longer read from."""
        org = self.org()
        wire = Wire(self.daemon, find_member(self.daemon.ctl("token", "create", "--operator"), ("token",)), org.key)
        self.addCleanup(wire.close)
        wire.socket.settimeout(3)
        padding, sent = encode({"org": org.key, "client": "x" * 4_000_000}), 0
        with self.assertRaises(TimeoutError):
            for id in range(1, 60):
                wire.send(wire.frame("watch", padding, id=id))
                sent += len(padding)
        self.assertLess(sent, 24 << 20)

    def test_long_resources_for_nobody(self):
        """A client that asks for long resources, and reads none of them, costs some of them, not all."""
        org = self.org()
        users = [str(uuid.UUID(int=(7 << 76) | (2 << 62) | n)) for n in range(1, 4001)]
        lines = [{"schemas": [USER], "id": id, "userName": id} for id in users]
        lines += [{"schemas": [GROUP], "id": NOWHERE, "displayName": "all", "members": [{"value": id} for id in users]}]
        file = self.daemon.folder / "long.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
        self.daemon.ctl("import", org.key, file, "--connection", "main")
        for type, fields in (("get", {"id": NOWHERE}), ("find", {"filter": 'displayName eq "all"'})):
            with self.subTest(type):
                wire, before = self.wire(org), self.daemon.rss()
                frame = encode({"org": org.key, "type": "Group", "attributes": "members", **fields})
                wire.send(b"".join(wire.frame(type, frame, id=n) for n in range(1, 251)))
                time.sleep(4)
                self.assertLess(self.daemon.rss() - before, 64 << 20)
                self.assertGreater(len(wire.read()[3].get("resource", "") or wire.read()[3]["item"][0]["resource"]), 500_000)

    def test_one_org_does_not_take_all_watches(self):
        org, other = self.org(), self.org()
        operator = find_member(self.daemon.ctl("token", "create", "--operator"), ("token",))
        api = org.with_token(operator)
        self.addCleanup(api.close)
        places = [api.post("/Workspaces", {"schemas": ["urn:rosterd:scim:schemas:core:1.0:Workspace"],
                                           "displayName": f"w{n}"}).json["id"] for n in range(101)]
        wire = Wire(self.daemon, operator)
        self.addCleanup(wire.close)
        for n, place in enumerate(places):
            wire.ask("watch", org=org.key, view=2, permission="workspace.view", scope_id=place, request=n + 1, **{"from": 1})
        wire.ask("watch", org=other.key, view=1, request=200, **{"from": 1})
        refused = {}
        while 200 not in refused:
            _, id, flags, fields = wire.read()
            if flags & LAST or id == 200:
                refused[id] = fields.get("error")
        self.assertEqual({id for id, error in refused.items() if error == "UNAVAILABLE"}, {101})
        groups = [uuid.UUID(NOWHERE)] * 10001
        wire = self.wire(org, operator)
        self.fails("TOO_MANY", lambda: wire.call("watch", view=1, group_id=groups), "group-id")

    def test_another_org_by_another_hello(self):
        """What was asked about the token's own org goes on about that one, or ends: never about the org of the next token."""
        org, other = self.org(), self.org()
        user, group = org.user("a"), org.group("g")
        group = org.group("all", [user["id"]])
        items = [{"subject_id": user["id"]}] * 10000
        ended = 0
        for _ in range(20):
            wire = Wire(self.daemon, org.token)
            self.addCleanup(wire.close)
            batch = wire.frame("is-member-batch", encode({"group_id": group["id"], "item": items}), id=7)
            hello = wire.frame("hello", encode({"version": 1, "token": other.token}), id=8)
            wire.send(batch + hello)
            codes, last = b"", False
            while not last:
                _, id, flags, fields = wire.read()
                if id == 7:
                    codes, last = codes + fields.get("answers", b""), flags & LAST
                    ended += fields.get("error") == "NOT_FOUND"
            self.assertEqual(set(codes), {40})
        self.assertGreater(ended, 0, "the hello never came in the middle")

    def test_a_hello_that_fails_ends_what_is_under_way(self):
        org = self.org()
        operator = find_member(self.daemon.ctl("token", "create", "--operator"), ("token",))
        for bad in ({"version": 0, "token": operator}, {"version": 1, "token": "rst_" + "x" * 43}, {"version": 1}):
            with self.subTest(bad):
                wire = self.wire(org, operator)
                watch = wire.ask("watch", **{"from": 1})
                wire.ask("hello", **bad)
                ended = {}
                while watch not in ended:
                    _, id, flags, fields = wire.read()
                    ended.update({id: fields.get("error")} if flags & LAST else {})
                self.assertEqual(ended[watch], "UNAUTHORIZED")

    def test_the_right_to_sync_goes_while_a_commit_waits(self):
        """Behind a plan of many lines: what the token may is looked at when it is its turn."""
        org = self.org()
        operator = find_member(self.daemon.ctl("token", "create", "--operator"), ("token",))
        platform = Api(f"{self.daemon.url}/scim/v2", operator, cafile=certificate()[0])
        self.addCleanup(platform.close)
        token = service(self.daemon, org.key, "org.sync,member.create")
        (record,) = platform.find("/Tokens", 'kind eq "service"').ids
        wire = self.wire(org, token)
        number = wire.call("sync-begin", filter='title eq "x"')["sync"]
        lines = b"".join(b'{"userName":"u%d","title":"x"}\n' % n for n in range(900))
        asked = [wire.ask(type, sync=number, **more) for type, more in
                 (("sync-records", {"data": lines}), ("sync-plan", {}), ("sync-commit", {}))]
        self.ok(platform.patch(f"/Tokens/{record}", {"op": "replace", "path": "permissions", "value": ["member.create"]}))
        ended = {}
        while len(ended) < 3:
            _, id, flags, fields = wire.read()
            ended.update({id: fields.get("error")} if flags & LAST else {})
        self.assertEqual([ended[id] for id in asked], [None, None, "FORBIDDEN"])

    def test_texts_are_utf_8(self):
        """What is no text is refused by name, also in an item, and not told to anybody."""
        org = self.org()
        wire = self.wire(org)
        for type, fields in (("check", {"subject": "a", "permission": b"org.view\xff", "explain": 1}), ("members-of", {"group": b"\xc3("}),
                             ("sync-begin", {"match": b"\x80"}), ("groups-of", {"subject": b"\xed\xa0\x80"})):
            (name,) = [name for name, value in fields.items() if isinstance(value, bytes)]
            self.fails("BAD_REQUEST", lambda: wire.call(type, **fields), name, "UTF-8")
        codes = wire.call("is-member-batch", group="g", item=[{"subject": b"\xff"}, {"subject": "ü"}])["answers"]
        self.assertEqual([CODES[code] for code in codes], ["malformed", "unknown_subject"])


if __name__ == "__main__":
    main()
