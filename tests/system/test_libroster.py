#!/usr/bin/env python3
"""libroster against a server that behaves as the test says: order, parts, cuts, deadlines, limits, trust.

The driver (tests/libroster/driver.c) is a program with a poll() loop of its own; see roster_script.py.
"""

import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

import harness
from roster_script import ERROR, LAST, OUT, TYPES, Driver, Script

ADA, BOB = "01890a5d-ac96-774b-bcce-b302099a8057", "01890a5d-ac99-7abc-9def-0123456789ab"
CREW, FLEET, HARBOUR = (f"01890a5d-ac97-7000-8000-0000000000{n:02x}" for n in (10, 11, 12))
NOWHERE = "01890a5d-ac9a-7000-8000-000000000000"


def field(name):
    """The driver's name of a field."""
    return str(OUT[name][0])


class LibrosterTest(unittest.TestCase):
    def setUp(self):
        self.drivers, self.scripts = [], []

    def tearDown(self):
        try:
            for driver in self.drivers:
                driver.end()
        finally:
            for script in self.scripts:
                script.close()

    def script(self, **more):
        self.scripts.append(Script(**more))
        return self.scripts[-1]

    def driver(self, script, **options):
        self.drivers.append(Driver(getattr(script, "port", script), **options))
        self.assertEqual(self.drivers[-1].opened, {"ok": True})
        return self.drivers[-1]

    def pair(self, limits=None, **options):
        """A driver that is connected, its server, and the connection."""
        script = self.script()
        driver = self.driver(script, **options)
        driver.say(do="ping")
        session = script.accept(**(limits or {}))
        session.send(session.expect("ping"))
        self.assertEqual(driver.next(), {"ok": True})
        return driver, script, session

    def failed(self, said, name, status=None):
        self.assertIn("error", said)
        self.assertEqual(said["error"]["name"], name, said)
        if status is not None:
            self.assertEqual(said["error"]["status"], status)
        return said["error"]


class Calls(LibrosterTest):
    def test_answers_in_any_order_find_their_calls(self):
        driver, _, session = self.pair()
        for name in "abcd":
            driver.start(name, "check", subject=name, permission="p")
        frames = [session.expect("check") for _ in "abcd"]
        self.assertEqual([frame["subject"] for frame in frames], [b"a", b"b", b"c", b"d"])
        self.assertEqual(len({frame.id for frame in frames}), 4)
        self.assertTrue(all(frame["org"] == b"acme" for frame in frames))
        for frame in reversed(frames):
            session.send(frame, [("revision", 7), ("answer", 1), ("reason", frame["subject"])])
        said = [driver.next() for _ in "abcd"]
        self.assertEqual([line["as"] for line in said], ["d", "c", "b", "a"])
        self.assertTrue(all(line["answer"][field("reason")] == line["as"] and line["last"] for line in said))

    def test_parts_of_answers_come_between_others(self):
        driver, _, session = self.pair()
        driver.start("one", "members-of", group="one")
        driver.start("two", "members-of", group="two")
        one, two = session.expect("members-of"), session.expect("members-of")
        session.send(one, [("item", [("name", "1")])], 0)
        session.send(two, [("item", [("name", "2")])], 0)
        session.send(one, [("item", [("name", "3")]), ("item", [("name", "4")])], 0)
        session.send(two, [("revision", 9), ("cursor", b"\xff")])
        session.send(one, [("revision", 8)])
        said = [driver.next() for _ in range(5)]
        self.assertEqual([(line["as"], line["last"], len(line["answer"]["items"])) for line in said],
                         [("one", False, 1), ("two", False, 1), ("one", False, 2), ("two", True, 0), ("one", True, 0)])
        self.assertEqual(said[3]["answer"][field("cursor")], 1)

    def test_requests_of_one_turn_go_out_together(self):
        """A thousand calls of one turn: few records, not a thousand."""
        driver, _, session = self.pair()
        driver.start("x", "check", times=1000, subject="a", permission="p")
        records, got = 0, 0
        while got < 1000 * 24:
            got += len(session.stream.recv(1 << 20))
            records += 1
        self.assertLess(records, 10)
        session.cut()

    def test_frames_byte_by_byte(self):
        driver, _, session = self.pair()
        driver.start("a", "check", subject="a", permission="p")
        frame = session.expect("check")
        data = bytes([0, 0, 0, 4, TYPES["check"], LAST, 0, 0]) + frame.id.to_bytes(4, "big") + bytes([1, 5, 2, 1])
        for byte in data:
            session.stream.sendall(bytes([byte]))
            time.sleep(0.002)
        self.assertEqual(driver.next()["answer"], {field("revision"): 5, field("answer"): 1, "items": []})

    def test_an_answer_of_four_mebibytes(self):
        driver, _, session = self.pair()
        driver.start("a", "get", type="Group", id=ADA)
        frame = session.expect("get")
        big = "x" * ((4 << 20) - 16)
        session.send(frame, [("resource", big)])
        self.assertEqual(len(driver.next()["answer"][field("resource")]), len(big))

    def test_errors_are_typed(self):
        driver, _, session = self.pair()
        driver.call("check", subject="a")
        session.refuse(session.expect("check"), 429, "RATE_LIMITED", "slowly", field="token", retry_after=1500)
        error = self.failed(driver.next(), "RATE_LIMITED", 429)
        self.assertEqual((error["field"], error["message"], error["retry_after_ms"]), ("token", "slowly", 1500))

    def test_an_error_behind_parts(self):
        driver, _, session = self.pair()
        driver.call("members_of", group="g")
        frame = session.expect("members-of")
        session.send(frame, [("item", [("id", ADA)])], 0)
        session.refuse(frame, 404, "NOT_FOUND")
        self.failed(driver.next(), "NOT_FOUND", 404)

    def test_waiting_calls(self):
        driver, _, session = self.pair()
        driver.call("is_member", subject_id=ADA, group_id=CREW, revision=3, direct=1)
        frame = session.expect("is-member")
        self.assertEqual((frame["subject-id"], frame["group-id"], frame["revision"], frame["direct"]), (ADA, CREW, 3, 1))
        session.send(frame, [("revision", 3), ("code", 42)])
        said = driver.next()
        self.assertEqual((said["result"], said["answer"][field("code")]), (0, 42))
        driver.call("put", type="User", resource="{}")
        session.send(session.expect("put"), [("id", BOB), ("revision", 4), ("created", 1)])
        self.assertEqual(driver.next()["answer"][field("id")], BOB)

    def test_a_list_is_told_item_by_item_and_can_be_enough(self):
        driver, _, session = self.pair()
        driver.call("who_can", permission="p")
        frame = session.expect("who-can")
        for _ in range(2):
            session.send(frame, [("item", [("id", ADA)])] * 60, 0)
        said = driver.next()  # the driver has enough at 100
        self.assertEqual((said["result"], len(said["told"])), (0, 100))
        self.assertNotIn("answer", said)
        cancel = session.expect("cancel")
        self.assertEqual(cancel["target"], frame.id)
        session.send(frame, [("item", [("id", ADA)])], 0)  # was on its way
        session.refuse(frame, 499, "CANCELLED")
        session.send(cancel, [("answer", 1)])
        driver.quiet()
        self.assertEqual(driver.ask(do="pending")["pending"], 0)

    def test_cancel(self):
        driver, _, session = self.pair()
        driver.start("a", "watch", **{"from": 5})
        frame = session.expect("watch")
        self.assertEqual(frame["from"], 5)
        self.assertEqual(driver.ask(do="cancel", **{"as": "a"}), {"cancelled": True})
        self.assertEqual(driver.ask(do="cancel", **{"as": "a"}), {"cancelled": False})
        session.send(session.expect("cancel"), [("answer", 1)])
        # The id is taken until its last frame: another call has another.
        driver.start("b", "check", subject="a")
        other = session.expect("check")
        self.assertNotEqual(other.id, frame.id)
        session.refuse(frame, 499, "CANCELLED")
        session.send(other, [("answer", 1)])
        self.assertEqual(driver.next()["as"], "b")

    def test_batches_of_any_length(self):
        driver, _, session = self.pair({"max_items": 100})
        driver.call("check_batch", permission="p", items=[{"subject": str(n)} for n in range(250)])
        frames = [session.expect("check-batch") for _ in range(3)]
        self.assertEqual([len(frame.fields["item"]) for frame in frames], [100, 100, 50])
        for frame in reversed(frames):
            codes = bytes(1 if int(item["subject"][0]) % 2 else 2 for item in frame.fields["item"])
            session.send(frame, [("revision", 10 + len(codes)), ("answers", codes[:30])], 0)
            session.send(frame, [("revision", 90), ("answers", codes[30:])])
        said = driver.next()
        self.assertEqual(said["codes"], [1 if n % 2 else 2 for n in range(250)])
        self.assertEqual(said["revision"], 60)

    def test_a_batch_that_is_answered_short_is_an_error(self):
        for codes in (b"\x01", b"\x01\x01\x01"):
            driver, _, session = self.pair()
            driver.call("is_member_batch", items=[{"subject": "a"}, {"subject": "b"}])
            session.send(session.expect("is-member-batch"), [("answers", codes)])
            self.failed(driver.next(), "PROTOCOL", 0)

    def test_a_long_batch_is_cut_by_bytes_too(self):
        driver, _, session = self.pair({"max_payload": 2000})
        driver.call("check_batch", items=[{"subject": "s" * 100, "permission": "p"} for _ in range(40)])
        got = 0
        while got < 40:
            frame = session.expect("check-batch")
            got += len(frame.fields["item"])
            session.send(frame, [("revision", 1), ("answers", b"\x01" * len(frame.fields["item"]))])
        self.assertEqual(driver.next()["codes"], [1] * 40)

    def test_limits_of_the_handle(self):
        driver, _, session = self.pair(max_calls=3, max_bytes=4096)
        driver.start("x", "check", times=4, subject="a")
        self.failed(driver.next(), "FULL", 0)
        for _ in range(3):
            session.send(session.expect("check"), [("answer", 1)])
            driver.next()
        driver.start("y", "put", times=2, type="User", resource="r" * 3000)
        error = self.failed(driver.next(), "FULL", 0)
        self.assertEqual(error["field"], "max_bytes")
        session.send(session.expect("put"), [("revision", 1)])
        self.assertEqual(driver.next()["as"], "y")

    def test_a_request_that_is_too_long(self):
        driver, _, _ = self.pair({"max_payload": 1000})
        driver.call("put", type="User", resource="r" * 2000)
        self.failed(driver.next(), "TOO_LARGE", 0)

    def test_watches_leave_room(self):
        driver, _, session = self.pair({"max_requests": 8})
        driver.start("w", "watch", times=5)
        self.failed(driver.next(), "FULL", 0)
        self.assertEqual([session.expect("watch").type for _ in range(4)], ["watch"] * 4)

    def test_long_answers_leave_room_for_cancels(self):
        driver, _, session = self.pair({"max_requests": 8})
        driver.start("l", "members-of", times=10, group="g")
        driver.start("c", "check", subject="a")
        frames = [session.expect("members-of", "check") for _ in range(5)]
        self.assertEqual(sorted(frame.type for frame in frames), ["check"] + ["members-of"] * 4)
        self.assertEqual(driver.ask(do="cancel", **{"as": "c"}), {"cancelled": True})
        session.send(session.expect("cancel"), [("answer", 0)])
        slow = [frame for frame in frames if frame.type == "members-of"]
        for _ in range(6):
            session.send(slow.pop(), [("revision", 1)])
            slow.append(session.expect("members-of"))
        for frame in slow:
            session.send(frame, [("revision", 1)])
        self.assertEqual([driver.next()["as"] for _ in range(10)], ["l"] * 10)

    def test_wrong_use_is_told(self):
        driver, _, session = self.pair()
        driver.start("h", "hello")
        self.failed(driver.next(), "BAD_REQUEST", 0)
        self.drivers.append(Driver())
        for options, name in (({"server": "roster://here"}, "server"), ({"server": "roster://here:0"}, "server"),
                              ({"server": "roster://:1"}, "server"), ({"server": "roster://[::1:1"}, "server"),
                              ({"server": "a:1", "ca_file": "/nowhere"}, "ca_file"),
                              ({"server": "a:1", "certificate": "/nowhere"}, "certificate"),
                              ({"server": "a:1", "token": "t" * 2000}, "token"),
                              ({"server": "a:1", "connect_ms": -1}, "connect_ms"), ({}, "server")):
            said = self.drivers[-1].ask(do="open", options=options)
            self.assertEqual((self.failed(said, "BAD_REQUEST", 0)["field"]), name, options)

    def test_another_token(self):
        driver, script, session = self.pair()
        self.assertEqual(driver.ask(do="token", token="new"), {"ok": True})
        frame = session.expect("hello")
        self.assertEqual(frame["token"], b"new")
        session.send(frame, [("version", 1)])
        session.cut()
        driver.start("a", "check", subject="a")
        session = script.accept(hello=False)
        self.assertEqual(session.hello()["token"], b"new")
        session.send(session.expect("check"), [("answer", 1)])
        self.assertEqual(driver.next()["as"], "a")


class Time(LibrosterTest):
    def test_a_deadline_cancels(self):
        driver, _, session = self.pair()
        began = time.monotonic()
        driver.start("a", "check", subject="a", timeout_ms=150)
        frame = session.expect("check")
        self.failed(driver.next(), "TIMEOUT", 0)
        self.assertGreater(time.monotonic() - began, 0.14)
        self.assertEqual(session.expect("cancel")["target"], frame.id)
        session.send(frame, [("answer", 1)])  # too late: nobody hears it
        driver.quiet()

    def test_deadlines_of_many(self):
        driver, _, session = self.pair()
        for ms in (300, 100, 200):
            driver.start(str(ms), "check", subject="a", timeout_ms=ms)
        self.assertEqual([driver.next()["as"] for _ in range(3)], ["100", "200", "300"])

    def test_an_answer_that_waited_in_the_socket_is_in_time(self):
        """The program slept past the deadline; the answer was there before."""
        driver, _, session = self.pair()
        driver.start("a", "check", subject="a", timeout_ms=300)
        frame = session.expect("check")
        driver.process.send_signal(19)  # SIGSTOP
        session.send(frame, [("answer", 1)])
        time.sleep(0.5)
        driver.process.send_signal(18)
        self.assertIn("answer", driver.next())

    def test_what_stands_in_the_way_is_told(self):
        port = harness.free_port()
        driver = self.driver(port, timeout_ms=300)
        driver.call("check", subject="a")
        error = self.failed(driver.next(), "TIMEOUT", 0)
        self.assertIn("Connection refused", error["message"])

    def test_a_server_that_comes_later_is_found(self):
        port = harness.free_port()
        driver = self.driver(port, timeout_ms=10000)
        driver.start("a", "put", type="User", resource="{}")
        time.sleep(0.3)
        script = self.script_on(port)
        session = script.accept()
        session.send(session.expect("put"), [("revision", 1)])
        self.assertEqual(driver.next()["as"], "a")

    def script_on(self, port):
        script = self.script()
        script.listener.close()
        script.listener = socket.create_server(("127.0.0.1", port))
        script.listener.settimeout(20)
        return script

    def test_back_off_doubles(self):
        script = self.script()
        self.driver(script, backoff_ms=100, backoff_max_ms=800, timeout_ms=20000).start("a", "check", subject="a")
        times = []
        for _ in range(6):
            raw, _ = script.listener.accept()
            times.append(time.monotonic())
            raw.close()
        pauses = [later - earlier for earlier, later in zip(times, times[1:])]
        for pause, most in zip(pauses, (0.1, 0.2, 0.4, 0.8, 0.8)):
            self.assertTrue(most / 2 - 0.01 <= pause < most + 0.3, pauses)

    def test_a_server_that_only_listens(self):
        """Neither TLS nor a hello: given up, and tried again."""
        script = self.script()
        driver = self.driver(script, connect_ms=200, timeout_ms=900)
        driver.call("check", subject="a")
        error = self.failed(driver.next(), "TIMEOUT", 0)
        self.assertIn("it takes too long", error["message"])

    def test_silence_is_found_out(self):
        driver, script, session = self.pair(ping_ms=200)
        driver.start("w", "watch", **{"from": 9})
        session.expect("watch")
        session.send(session.expect("ping"))
        session.expect("ping")  # and no answer
        session = script.accept()
        self.assertEqual(session.expect("watch")["from"], 9)


class Cuts(LibrosterTest):
    def test_reads_are_sent_again_and_writes_are_not(self):
        driver, script, session = self.pair()
        driver.start("read", "check", subject="a")
        driver.start("write", "put", type="User", resource="{}")
        driver.start("told", "members-of", group="g")
        session.expect("check")
        session.expect("put")
        session.send(session.expect("members-of"), [("item", [("id", ADA)])], 0)
        self.assertEqual(driver.next()["as"], "told")
        session.cut()
        lost = {said["as"]: said for said in (driver.next(), driver.next())}
        self.failed(lost["write"], "LOST", 0)
        self.failed(lost["told"], "LOST", 0)
        session = script.accept()
        session.send(session.expect("check"), [("answer", 1)])
        self.assertEqual(driver.next()["as"], "read")

    def test_a_write_that_was_not_sent_waits(self):
        driver, script, session = self.pair(backoff_ms=300)
        session.cut()
        time.sleep(0.1)
        driver.start("write", "put", type="User", resource="{}")
        session = script.accept()
        session.send(session.expect("put"), [("revision", 1)])
        self.assertEqual(driver.next()["as"], "write")

    def test_a_read_is_sent_again_within_its_deadline_only(self):
        driver, script, session = self.pair()
        driver.start("a", "check", subject="a", timeout_ms=400)
        for _ in range(3):
            session.expect("check")
            session.cut()
            session = script.accept()
        session.expect("check")
        self.failed(driver.next(), "TIMEOUT", 0)

    def test_a_waiting_call_outlives_a_cut(self):
        driver, script, session = self.pair()
        driver.call("check", subject="a")
        session.expect("check")
        session.cut()
        session = script.accept()
        session.send(session.expect("check"), [("answer", 1)])
        self.assertEqual(driver.next()["result"], 1)

    def test_a_watch_goes_on_behind_what_was_whole(self):
        driver, script, session = self.pair()
        driver.start("w", "watch", **{"from": 5}, view=1, heartbeat=500)
        frame = session.expect("watch")
        gained = ("item", [("event", 5), ("group-id", CREW), ("id", ADA)])
        session.send(frame, [("revision", 6), ("time", 1), gained], 0)
        session.send(frame, [("revision", 7), ("time", 2), ("more", 1), gained], 0)
        self.assertEqual([driver.next()["answer"][field("revision")] for _ in range(2)], [6, 7])
        session.cut()
        session = script.accept()
        frame = session.expect("watch")
        self.assertEqual((frame["from"], frame["view"], frame["heartbeat"]), (6, 1, 500))
        session.send(frame, [("revision", 7), ("time", 2), gained, gained], 0)
        said = driver.next()
        self.assertTrue(said["resumed"])
        session.send(frame, [("revision", 9), ("time", 3)], 0)
        self.assertFalse(driver.next()["resumed"])
        session.cut()
        session = script.accept()
        frame = session.expect("watch")
        self.assertEqual(frame["from"], 9)
        session.refuse(frame, 410, "RESYNC", revision=20)
        error = self.failed(driver.next(), "RESYNC", 410)
        self.assertEqual(error["revision"], 20)

    def test_nothing_is_forgotten_over_many_cuts(self):
        driver, script, session = self.pair(timeout_ms=20000)
        driver.start("x", "check", times=300, subject="a")
        answered, seen = 0, 0
        while answered < 300:
            try:
                for _ in range(70):
                    session.send(session.expect("check"), [("answer", 1), ("revision", answered + 1)])
                    answered += 1
                    if answered == 300:
                        break
            finally:
                while seen < answered:  # what was sent has arrived, before the cut
                    driver.next()
                    seen += 1
            if answered < 300:
                session.cut()
                session = script.accept()
        driver.quiet()
        self.assertEqual(driver.ask(do="pending")["pending"], 0)

    def test_close_ends_calls(self):
        driver, _, session = self.pair()
        driver.start("a", "check", subject="a")
        session.expect("check")
        driver.say(do="close")
        self.failed(driver.next(), "CLOSED", 0)
        self.assertEqual(driver.next(), {"ok": True})

    def test_a_sync_session_ends_with_its_connection(self):
        driver, script, session = self.pair()
        for step in range(2):
            driver.say(do="sync", step="begin", request={"groups": 1})
            frame = session.expect("sync-begin")
            session.send(frame, [("sync", 1)])
            sync = driver.next()["sync"]
            driver.say(do="sync", step="records", sync=sync, data="{}\n{}\n")
            frame = session.expect("sync-records")
            self.assertEqual((frame["sync"], frame["data"]), (1, b"{}\n{}\n"))
            session.send(frame, [("count", 2)])
            self.assertEqual(driver.next()["count"], 2)
            driver.say(do="sync", step="plan", sync=sync)
            session.send(session.expect("sync-plan"), [("item", [("action", 1), ("count", 2)]), ("revision", 4)])
            self.assertEqual(driver.next()["told"][0][field("count")], 2)
            if step == 1:
                break
            session.cut()
            driver.say(do="ping")
            session = script.accept()
            session.send(session.expect("ping"))
            self.assertEqual(driver.next(), {"ok": True})
            # The next session has the same number on the wire; the former one is not it.
            self.failed(driver.ask(do="sync", step="commit", sync=sync), "LOST", 0)
            old = sync
        self.failed(driver.ask(do="sync", step="records", sync=old, data="{}\n"), "LOST", 0)
        driver.say(do="sync", step="commit", sync=sync)
        session.expect("sync-commit")
        session.cut()
        self.failed(driver.next(), "LOST", 0)

    def test_long_records_are_sent_in_whole_lines(self):
        driver, _, session = self.pair({"max_payload": 4000})
        driver.say(do="sync", step="begin", request={})
        session.send(session.expect("sync-begin"), [("sync", 3)])
        sync = driver.next()["sync"]
        data = "".join(f"{{\"n\":{n}}}\n" for n in range(1000))
        driver.say(do="sync", step="records", sync=sync, data=data)
        got = b""
        while len(got) < len(data):
            frame = session.expect("sync-records")
            self.assertTrue(frame["data"].endswith(b"\n"))
            got += frame["data"]
            session.send(frame, [("count", got.count(b"\n"))])
        self.assertEqual(got.decode(), data)
        self.assertEqual(driver.next()["count"], 1000)
        self.failed(driver.ask(do="sync", step="records", sync=sync, data="x" * 5000), "TOO_LARGE", 0)


class Trust(LibrosterTest):
    def refused(self, script, name, **options):
        def serve():
            try:
                script.accept().cut()
            except (OSError, EOFError, AssertionError):
                pass
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        driver = self.driver(script, timeout_ms=5000, **options)
        began = time.monotonic()
        driver.call("check", subject="a")
        error = self.failed(driver.next(), name, 0)
        self.assertLess(time.monotonic() - began, 3)  # at once, not at the deadline
        thread.join(5)
        return error["message"]

    def test_a_certificate_of_another_authority(self):
        with tempfile.TemporaryDirectory() as folder:
            files = (f"{folder}/cert.pem", f"{folder}/key.pem")
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                            "-keyout", files[1], "-out", files[0], "-days", "2", "-subj", "/CN=localhost", "-addext",
                            "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
            self.assertIn("certificate", self.refused(self.script(files=files), "UNTRUSTED"))

    def test_a_certificate_of_another_name(self):
        self.assertIn("mismatch", self.refused(self.script(), "UNTRUSTED", server_name="elsewhere.example"))
        self.assertIn("mismatch", self.refused(self.script(), "UNTRUSTED", server_name="127.0.0.2"))

    def test_names_that_it_has(self):
        script = self.script()
        for name in ("localhost", "127.0.0.1"):
            driver = self.driver(script, server_name=name)
            driver.call("check", subject="a")
            session = script.accept()
            session.send(session.expect("check"), [("answer", 1)])
            self.assertEqual(driver.next()["result"], 1)

    def test_a_host_by_name(self):
        script = self.script()
        driver = self.driver(script, server=f"roster://localhost:{script.port}")
        driver.call("check", subject="a")
        session = script.accept()
        session.send(session.expect("check"), [("answer", 1)])
        self.assertEqual(driver.next()["result"], 1)

    def test_a_host_that_there_is_not(self):
        driver = self.driver(1, server="roster://no.such.host.invalid:1", timeout_ms=800)
        driver.call("check", subject="a")
        self.failed(driver.next(), "TIMEOUT", 0)

    def test_no_roster_spoken(self):
        self.assertIn("roster/1", self.refused(self.script(alpn=None), "UNTRUSTED"))

    def test_nothing_older_than_tls_1_3(self):
        self.refused(self.script(version=ssl.TLSVersion.TLSv1_2), "UNTRUSTED")

    def test_a_token_that_is_refused_fails_calls_at_once(self):
        script = self.script()
        driver = self.driver(script, timeout_ms=20000)
        driver.start("w", "watch")
        driver.start("a", "put", type="User", resource="{}")
        session = script.accept(hello=False)
        session.refuse(session.expect("hello"), 401, "UNAUTHORIZED", "unknown token")
        for _ in range(2):
            self.assertEqual(self.failed(driver.next(), "UNAUTHORIZED", 401)["message"], "unknown token")

    def test_a_hello_that_is_refused_for_now_is_tried_again(self):
        script = self.script()
        driver = self.driver(script)
        driver.call("check", subject="a")
        session = script.accept(hello=False)
        session.refuse(session.expect("hello"), 503, "UNAVAILABLE")
        session = script.accept()
        session.send(session.expect("check"), [("answer", 1)])
        self.assertEqual(driver.next()["result"], 1)

    def test_a_server_that_talks_nonsense_is_left(self):
        bad = {
            "another id": lambda s, f: s.stream.sendall(bytes([0, 0, 0, 0, f_type(f), LAST, 0, 0, 0, 0, 99, 99])),
            "another type": lambda s, f: s.stream.sendall(bytes([0, 0, 0, 0, 2, LAST, 0, 0]) + f.id.to_bytes(4, "big")),
            "reserved bits": lambda s, f: s.stream.sendall(bytes([0, 0, 0, 0, 16, LAST, 0, 1]) + f.id.to_bytes(4, "big")),
            "a flag": lambda s, f: s.stream.sendall(bytes([0, 0, 0, 0, 16, 5, 0, 0]) + f.id.to_bytes(4, "big")),
            "too long": lambda s, f: s.stream.sendall(bytes([0, 64, 0, 1, 16, LAST, 0, 0]) + f.id.to_bytes(4, "big")),
            "a payload": lambda s, f: s.stream.sendall(bytes([0, 0, 0, 1, 16, LAST, 0, 0]) + f.id.to_bytes(4, "big") + b"\xff"),
            "an item": lambda s, f: s.stream.sendall(bytes([0, 0, 0, 3, 16, LAST, 0, 0]) + f.id.to_bytes(4, "big") +
                                                     b"\x4d\x01\xff"),
            "an error that is not last": lambda s, f: s.refuse_open(f),
            "a farewell": lambda s, f: s.stream.sendall(bytes([0, 0, 0, 2, 0, LAST | ERROR, 0, 0, 0, 0, 0, 0, 0x20, 1])),
        }

        def f_type(frame):
            return TYPES[frame.type]

        for name, send in bad.items():
            with self.subTest(name):
                driver, script, session = self.pair()
                session.refuse_open = lambda f, s=session: s.send(f, [("status", 500)], ERROR)
                driver.start("a", "check", subject="a")
                driver.start("b", "delete", type="User", id=NOWHERE)
                frame = session.expect("check")
                session.expect("delete")
                send(session, frame)
                said = driver.next()
                self.assertEqual(said["as"], "b", said)
                self.failed(said, "PROTOCOL", 0)
                again = script.accept()
                again.send(again.expect("check"), [("answer", 1)])
                self.assertEqual(driver.next()["as"], "a")

    def test_fields_of_later_versions_are_passed_over(self):
        driver, _, session = self.pair()
        driver.call("check", subject="a")
        frame = session.expect("check")
        session.stream.sendall(bytes([0, 0, 0, 7, 16, LAST, 0, 0]) + frame.id.to_bytes(4, "big") +
                               bytes([2, 1, 0x3f, 9, 0x7f, 1, 65]))
        self.assertEqual(driver.next()["result"], 1)


class Threads(unittest.TestCase):
    def test_readers_beside_the_writer(self):
        """The unit test of the mirror's copies; here for the sake of ThreadSanitizer, whose build runs no unit tests."""
        program = harness.BUILD / "tests/libroster/test_graph"
        if not program.exists():
            self.skipTest("make check builds it")
        done = subprocess.run([program], capture_output=True, text=True, timeout=200)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Mirror(LibrosterTest):
    def put(self, kind, ident):
        return "item", [("event", 1), ("type", kind), ("id", ident), ("resource", "{}")]

    def member(self, event, group, ident, kind=0):
        return "item", [("event", event), ("group-id", group), ("id", ident), ("kind", kind)]

    def mirrored(self, **options):
        driver, script, session = self.pair()
        self.assertEqual(driver.ask(do="mirror", options={"memberships": True, **options}), {"ok": True})
        frame = session.expect("watch")
        self.assertIsNone(frame.get("from"))
        return driver, script, session, frame

    def snapshot(self, session, frame, *items, revision=10, settled=0):
        session.send(frame, [("revision", revision), ("snapshot", 1), ("more", 1), *items[:2]], 0)
        session.send(frame, [("revision", revision), ("snapshot", 1), ("settled", settled), *items[2:]], 0)

    def are(self, driver, *pairs, **more):
        return driver.ask(do="mirror_ask", pairs=pairs, **more)["are"]

    USUAL = property(lambda self: [self.put("User", ADA), self.put("Group", CREW), self.put("Group", FLEET),
                                   self.put("User", BOB), self.member(3, CREW, ADA), self.member(3, FLEET, CREW, 2)])

    def test_members_directly_and_nested(self):
        driver, _, session, frame = self.mirrored()
        self.assertEqual(self.are(driver, (ADA, CREW)), [-1])
        self.snapshot(session, frame, *self.USUAL)
        self.assertEqual(driver.next(), {"mirror": 10})
        pairs = [(ADA, CREW), (ADA, FLEET), (BOB, CREW), (CREW, FLEET), (NOWHERE, CREW), (ADA, NOWHERE), (CREW, ADA)]
        self.assertEqual(self.are(driver, *pairs), [1, 1, 0, 1, 0, 0, 0])
        self.assertEqual(self.are(driver, *pairs, direct=True), [1, 0, 0, 1, 0, 0, 0])
        state = driver.ask(do="mirror_state")
        self.assertEqual((state["ready"], state["revision"], state["users"], state["groups"], state["memberships"]),
                         (True, 10, 2, 2, 2))

    def test_a_revision_is_seen_when_it_is_whole(self):
        driver, _, session, frame = self.mirrored()
        self.snapshot(session, frame, *self.USUAL)
        driver.next()
        session.send(frame, [("revision", 11), ("more", 1), self.member(4, CREW, ADA)], 0)
        driver.quiet(0.1)
        self.assertEqual(self.are(driver, (ADA, CREW)), [1])
        session.send(frame, [("revision", 11), self.member(3, FLEET, ADA)], 0)
        self.assertEqual(driver.next(), {"mirror": 11})
        self.assertEqual(self.are(driver, (ADA, CREW), (ADA, FLEET)), [0, 1])

    def test_half_a_revision_is_forgotten_at_a_cut(self):
        driver, script, session, frame = self.mirrored()
        self.snapshot(session, frame, *self.USUAL)
        driver.next()
        session.send(frame, [("revision", 11), ("more", 1), self.member(4, CREW, ADA)], 0)
        driver.quiet(0.1)
        session.cut()
        session = script.accept()
        frame = session.expect("watch")
        self.assertEqual(frame["from"], 10)
        session.send(frame, [("revision", 11), self.member(3, CREW, BOB)], 0)
        driver.next()
        self.assertEqual(self.are(driver, (ADA, CREW), (BOB, CREW)), [1, 1])

    def test_a_snapshot_that_is_cut_begins_anew(self):
        driver, script, session, frame = self.mirrored()
        session.send(frame, [("revision", 10), ("snapshot", 1), ("more", 1), self.member(3, CREW, BOB)], 0)
        driver.quiet(0.1)
        session.cut()
        session = script.accept()
        frame = session.expect("watch")
        self.assertIsNone(frame.get("from"))
        self.snapshot(session, frame, *self.USUAL, revision=12)
        self.assertEqual(driver.next(), {"mirror": 12})
        self.assertEqual(self.are(driver, (BOB, CREW), (ADA, CREW)), [0, 1])

    def test_a_snapshot_is_shown_when_it_is_exact(self):
        driver, _, session, frame = self.mirrored()
        self.snapshot(session, frame, *self.USUAL, revision=10, settled=12)
        session.send(frame, [("revision", 11), self.member(4, CREW, ADA)], 0)
        driver.quiet(0.1)
        self.assertEqual(self.are(driver, (ADA, CREW)), [-1])
        session.send(frame, [("revision", 12)], 0)
        self.assertEqual(driver.next(), {"mirror": 12})
        self.assertEqual(self.are(driver, (ADA, CREW)), [0])

    def test_resync_takes_a_snapshot_and_serves_the_old_one_meanwhile(self):
        driver, script, session, frame = self.mirrored()
        self.snapshot(session, frame, *self.USUAL)
        driver.next()
        session.cut()
        session = script.accept()
        session.refuse(session.expect("watch"), 410, "RESYNC", revision=50)
        self.assertEqual(driver.next()["mirror"]["name"], "RESYNC")
        frame = session.expect("watch")
        self.assertIsNone(frame.get("from"))
        self.assertEqual(self.are(driver, (ADA, CREW)), [1])
        self.snapshot(session, frame, self.put("User", ADA), self.put("Group", CREW), revision=60)
        self.assertEqual(driver.next(), {"mirror": 60})
        self.assertEqual(self.are(driver, (ADA, CREW)), [0])

    def test_groups_that_go_take_their_memberships(self):
        for told in ([], [(4, CREW, ADA), (4, FLEET, CREW)]):
            driver, _, session, frame = self.mirrored()
            self.snapshot(session, frame, *self.USUAL)
            driver.next()
            session.send(frame, [("revision", 11), ("item", [("event", 2), ("type", "Group"), ("id", CREW)]),
                                 *(self.member(*change) for change in told)], 0)
            driver.next()
            self.assertEqual(self.are(driver, (ADA, CREW), (ADA, FLEET), (CREW, FLEET)), [0, 0, 0])
            state = driver.ask(do="mirror_state")
            self.assertEqual((state["groups"], state["memberships"]), (1, 0))

    def test_permissions(self):
        driver, _, session = self.pair()
        driver.say(do="mirror", options={"permissions": [
            {"permission": "content.edit", "scope": "Works"}, {"permission": "content.view", "scope_id": HARBOUR}]})
        self.assertEqual(driver.next(), {"ok": True})
        edit, view = session.expect("watch"), session.expect("watch")
        self.assertEqual((edit["view"], edit["permission"], edit["scope"]), (2, b"content.edit", b"Works"))
        self.assertEqual(view["scope-id"], HARBOUR)
        session.send(edit, [("revision", 5), ("snapshot", 1), ("item", [("event", 5), ("id", ADA)])], 0)
        session.send(view, [("revision", 6), ("snapshot", 1)], 0)
        self.assertEqual(driver.next(), {"mirror": 5})
        self.assertEqual(self.are(driver, (ADA,), (BOB,), number=0), [1, 0])
        self.assertEqual(self.are(driver, (ADA,), number=1), [0])
        self.assertEqual(self.are(driver, (ADA,), number=2), [-1])
        session.send(edit, [("revision", 7), ("item", [("event", 6), ("id", ADA)]), ("item", [("event", 5), ("id", BOB)])], 0)
        driver.next()
        self.assertEqual(self.are(driver, (ADA,), (BOB,), number=0), [0, 1])

    def test_it_says_how_stale_it_is(self):
        driver, _, session, frame = self.mirrored(max_stale_ms=400)
        self.snapshot(session, frame, *self.USUAL)
        driver.next()
        time.sleep(0.25)
        self.assertTrue(200 <= driver.ask(do="mirror_state")["stale_ms"] < 400)
        session.send(frame, [("revision", 11)], 0)
        state = driver.ask(do="mirror_state", revision=11, timeout_ms=5000)
        self.assertTrue(state["there"])
        self.assertLess(state["stale_ms"], 200)
        self.assertEqual(self.are(driver, (ADA, CREW)), [1])
        time.sleep(0.6)
        self.assertEqual(self.are(driver, (ADA, CREW)), [-1])
        self.assertFalse(driver.ask(do="mirror_state", revision=12, timeout_ms=100)["there"])

    def test_a_watch_that_the_clock_starts_again_connects(self):
        driver, script, session = self.pair()
        driver.ask(do="mirror", options={"memberships": True})
        session.refuse(session.expect("watch"), 503, "UNAVAILABLE")
        session.cut()
        self.assertEqual(driver.next()["mirror"]["name"], "UNAVAILABLE")
        session = script.accept()
        self.snapshot(session, session.expect("watch"), *self.USUAL)
        self.assertEqual(driver.next(), {"mirror": 10})

    def test_refusals_are_told_and_tried_again(self):
        driver, _, session = self.pair()
        driver.ask(do="mirror", options={"memberships": True})
        for _ in range(2):
            session.refuse(session.expect("watch"), 403, "FORBIDDEN")
            self.assertEqual(driver.next()["mirror"]["name"], "FORBIDDEN")
        self.snapshot(session, session.expect("watch"), *self.USUAL)
        self.assertEqual(driver.next(), {"mirror": 10})


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
