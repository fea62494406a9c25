"""The Python client when things go wrong between it and the server: cuts, silence, slowness, full buffers."""

import threading
import time
import unittest
import uuid

import scripted
from scripted import ScriptedTest, codec, numbers, roster

YES = (("revision", 1), ("answer", 1), ("code", 1))


class TestCuts(ScriptedTest):
    def test_reads_are_asked_again(self):
        """Cut in the middle of an answer, a read is asked once more on a new connection."""
        def script(peer):
            peer.hello()
            request = peer.read("who-can")
            first = peer.bytes_of(request, [("item", [("id", uuid.UUID(int=1))])], last=False)
            second = peer.bytes_of(request, [("item", [("id", uuid.UUID(int=2))]), ("revision", 1)])
            if peer.index == 0:
                peer.raw(first + second[:10])
                peer.cut()
            peer.raw(first + second)
            peer.rest()
        client = self.client(script)
        self.assertEqual([it.id.int for it in client.who_can("p")], [1, 2])
        self.assertEqual(len(client.server.accepted), 2)

    def test_reads_are_asked_again_once(self):
        asked = []

        def script(peer):
            peer.hello()
            asked.append(peer.read("check"))
            peer.cut()
        client = self.client(script)
        with self.assertRaises(roster.Disconnected) as caught:
            client.check("a", "p")
        self.assertTrue(caught.exception.sent)
        self.assertEqual(len(asked), 2)

    def test_writes_are_not_asked_again(self):
        writes = []

        def script(peer):
            peer.hello()
            while True:
                request = peer.read()
                if request.name != "ping":
                    writes.append(request.name)
                    peer.cut()
                peer.answer(request)
        client = self.client(script)
        for write in (lambda: client.put("User", {}), lambda: client.delete("User", uuid.uuid4())):
            client.ping()
            with self.assertRaises(roster.Disconnected) as caught:
                write()
            self.assertTrue(caught.exception.sent)
        client.ping()
        self.assertEqual(writes, ["put", "delete"])

    def test_writes_on_a_connection_that_has_ended(self):
        """The server ends idle connections; a write that was not sent yet takes a new one."""
        def script(peer):
            peer.hello()
            if peer.index == 0:
                peer.answer(peer.read("ping"))
                peer.cut()
            peer.answer(peer.read("delete"), ("revision", 4))
            peer.rest()
        client = self.client(script)
        client.ping()
        self.until(lambda: client._connection.dead)
        self.assertEqual(client.delete("User", uuid.uuid4()), 4)

    def test_everyone_under_way_is_told(self):
        def script(peer):
            peer.hello()
            for _ in range(10):
                peer.read("put")
            peer.cut()
        client = self.client(script)
        results = self.together(*[lambda: client.put("User", {})] * 10)
        self.assertEqual({type(it) for it in results}, {roster.Disconnected})

    def test_the_last_answer_before_the_end(self):
        """What came before the end counts, though it comes with it."""
        def script(peer):
            peer.hello()
            request = peer.read("delete")
            peer.answer(request, ("revision", 6))
            peer.end()
        for _ in range(20):
            self.assertEqual(self.client(script).delete("User", uuid.uuid4()), 6)

    def test_lost_framing(self):
        """The server's last words are told; a stray answer, a bad head or a hello of nonsense end the connection, too."""
        last_words = codec.encode_frame(0, 0, codec.encode_fields(
            [("status", 400), ("error", "BAD_REQUEST"), ("message", "reserved bits")], numbers.ANSWER), 3)
        for data, said in ((last_words, "reserved bits"), (codec.encode_frame("check", 99, b""), "id 99"),
                           (codec.encode_frame("ping", 2, b""), "nobody asked"),
                           (b"\0\0\0\0\x10\x05\0\0\0\0\0\2", "reserved"), (b"\xff" * 12, "reserved"),
                           (b"\0\x40\0\1\x10\1\0\0\0\0\0\2", "4194305")):
            def script(peer, data=data):
                peer.hello()
                peer.read("delete")
                peer.raw(data)
                peer.rest()
            with self.assertRaisesRegex(roster.Disconnected, said):
                self.client(script).delete("User", uuid.uuid4())

    def test_a_malformed_answer(self):
        """Only who asked is told."""
        def script(peer):
            peer.hello()
            request = peer.read("check")
            peer.raw(codec.encode_frame(request.type, request.id, b"\xc1"))
            peer.answer(peer.read("check"), *YES)
            peer.rest()
        client = self.client(script)
        self.assertRaises(roster.Malformed, client.check, "a", "p")
        self.assertTrue(client.check("a", "p"))
        self.assertEqual(len(client.server.accepted), 1)

    def test_close(self):
        def script(peer):
            peer.hello()
            peer.read("check")
            asked.set()
            peer.rest()
        asked = threading.Event()
        client = self.client(script)

        def close():
            asked.wait(10)
            client.close()
        result, _ = self.together(lambda: client.check("a", "p"), close)
        self.assertIsInstance(result, roster.Disconnected)
        self.assertRaises(roster.Disconnected, client.ping)
        self.assertEqual(len(client.server.accepted), 1)


class TestBackoff(ScriptedTest):
    def test_delays_grow_and_start_anew(self):
        """Connections that end at once are tried again, ever more slowly; when one was greeted, quickly again."""
        good = 7

        def script(peer):
            if peer.index < good:
                peer.cut()
            peer.hello()
            peer.answer(peer.read("ping"))
            if peer.index == good:
                peer.cut()
            peer.rest()
        client = self.client(script, backoff=(0.02, 0.4))
        while True:
            try:
                client.ping()
                break
            except roster.Disconnected:  # asked again once; each connection took one of both
                pass
        gaps = [after - before for before, after in zip(client.server.accepted, client.server.accepted[1:])]
        self.assertEqual(len(gaps), good)
        for number, gap in enumerate(gaps):
            self.assertGreaterEqual(gap, min(0.4, 0.02 * 2 ** number) / 2 - 0.005)
        self.assertLess(gaps[0], 0.15)
        ended = time.monotonic()
        self.assertTrue(client.ping())
        self.assertLess(time.monotonic() - ended, 0.15)

    def test_delays_differ(self):
        """Clients that lost the same server do not come back at the same moment."""
        delays = []
        for _ in range(200):
            backoff = roster.connection.Backoff(1, 8)
            for _ in range(10):
                backoff.failed()
            delays.append(backoff.not_before - time.monotonic())
        self.assertTrue(all(3.9 < delay <= 8 for delay in delays))
        self.assertGreater(max(delays) - min(delays), 3)

    def test_nobody_listens(self):
        """Tried until the time is over, and told why."""
        port = scripted.harness.free_port()
        client = self.client_of(f"roster://127.0.0.1:{port}", timeout=0.5)
        began = time.monotonic()
        for ask in (lambda: client.ping(), lambda: client.put("User", {})):
            with self.assertRaisesRegex(roster.Disconnected, "refused"):
                ask()
        self.assertLess(abs(time.monotonic() - began - 1), 0.4)

    def test_a_server_that_comes_back(self):
        """A request that waits for the server is answered when it is there; writes, too, for they were not sent."""
        port = scripted.harness.free_port()
        client = self.client_of(f"roster://127.0.0.1:{port}")

        def script(peer):
            peer.hello()
            peer.answer(peer.read("delete"), ("revision", 8))
            peer.rest()

        def start():
            time.sleep(0.3)
            self.serve(script, port=port)
        result, _ = self.together(lambda: client.delete("User", uuid.uuid4()), start)
        self.assertEqual(result, 8)


class TestTime(ScriptedTest):
    def test_deadline(self):
        """Who waits too long says so to the server, and what still comes is dropped."""
        told = []

        def script(peer):
            peer.hello()
            late = peer.read("who-can")
            peer.answer(late, ("item", [("id", uuid.uuid4())]), last=False)
            cancel = peer.read("cancel")
            told.append((cancel["target"], late.id))
            peer.answer(late, ("item", [("id", uuid.uuid4())]), last=False)
            check = peer.read("check")
            peer.fail(late, 499, "CANCELLED")
            peer.answer(cancel, ("answer", 1))
            peer.answer(check, *YES)
            peer.rest()
        client = self.client(script)
        began = time.monotonic()
        with self.assertRaises(roster.DeadlineExceeded) as caught:
            next(client.who_can("p", timeout=0.3))
        self.assertLess(abs(time.monotonic() - began - 0.3), 0.2)
        self.assertIsInstance(caught.exception, TimeoutError)
        self.assertTrue(client.check("a", "p"))
        self.assertEqual(told[0][0], told[0][1])
        self.assertEqual(len(client.server.accepted), 1)

    def test_each_has_its_own_deadline(self):
        def script(peer):
            peer.hello()
            requests = {request["subject"]: request for request in (peer.read("check"), peer.read("check"))}
            time.sleep(0.6)
            peer.answer(requests[b"patient"], *YES)
            peer.rest()
        client = self.client(script)
        result, late = self.together(lambda: client.check("patient", "p", timeout=5),
                                     lambda: client.check("hasty", "p", timeout=0.2))
        self.assertIs(bool(result), True)
        self.assertIsInstance(late, roster.DeadlineExceeded)

    def test_bytes_that_dribble(self):
        def script(peer):
            peer.hello()
            request = peer.read("check")
            for byte in peer.bytes_of(request, YES + (("reason", "x" * 200),)):
                peer.raw(bytes((byte,)))
            peer.rest()
        self.assertTrue(self.client(script).check("a", "p", explain=True))

    def test_a_server_that_does_not_read(self):
        """Writing ends in time; when the server reads on, the stream is whole."""
        go_on = threading.Event()

        def script(peer):
            peer.hello()
            peer.answer(peer.read("ping"))
            go_on.wait(20)
            for _ in range(8):
                self.assertEqual(len(peer.read("put")["resource"]), 3 << 20)
            while True:
                peer.answer(peer.read("cancel", "ping"))
        client = self.client(script)
        client.ping()
        body = b" " * (3 << 20)
        began = time.monotonic()
        results = self.together(*[lambda: client.put("User", body, timeout=0.5)] * 8)
        self.assertEqual({type(it) for it in results}, {roster.DeadlineExceeded})
        self.assertLess(time.monotonic() - began, 5)
        go_on.set()
        client.ping()
        self.assertEqual(len(client.server.accepted), 1)

    def test_signs_of_life(self):
        """Silence is met with a ping; when nothing comes back, the connection is over."""
        pings = []

        def script(peer):
            peer.hello()
            peer.answer(peer.read("ping"))
            while True:
                request = peer.read("ping")
                pings.append(peer.index)
                if len(pings) < 3:
                    peer.answer(request)
        client = self.client(script, keepalive=0.15)
        client.ping()
        first = client._connection
        self.until(lambda: first.dead)
        self.assertIn("sign of life", str(first.dead))
        self.assertEqual(pings, [0, 0, 0])
        client.ping()
        self.assertEqual(len(client.server.accepted), 2)

    def test_no_more_long_requests_than_the_server_takes(self):
        """Of max-requests 4 three are used: one is left, so that the server reads on."""
        def script(peer):
            peer.hello(max_requests=4)
            peer.answer(peer.read("ping"))
            lists = [peer.read("who-can") for _ in range(3)]
            peer.answer(peer.read("check"), *YES)  # does not count
            while lists:
                done = lists.pop(0)
                peer.answer(done, ("revision", 1))
                if self.left > 0:
                    self.left -= 1
                    lists.append(peer.read("who-can"))
            peer.rest()
        self.left = 5
        client = self.client(script)
        client.ping()

        def check():
            time.sleep(0.3)  # the lists are under way
            return client.check("a", "p")
        results = self.together(check, *[lambda: list(client.who_can("p"))] * 8)
        self.assertTrue(results[0])
        self.assertEqual(results[1:], [[]] * 8)


if __name__ == "__main__":
    unittest.main()
