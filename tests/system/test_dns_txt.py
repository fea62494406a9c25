"""Looking up TXT records, against a DNS server on loopback: what is found, what is not, and what goes wrong."""

import socket
import subprocess
import time
import unittest

import harness
from nameserver import NameServer

LONG = ["x" * 200 + str(number) for number in range(20)]
TABLE = {
    "one.example": ["hello"],
    "many.example": ["a", ("two ", "strings"), "y" * 600, ""],
    "none.example": [],
    "long.example": LONG,
    "fails.example": "SERVFAIL",
    "no.example": "REFUSED",
    "silent.example": "SILENT",
    "lost.example": "LOST",
    "forged.example": "FORGED",
    "hangs.example": "HANGS",
    "garbled.example": "GARBLED",
    "alias.example": "CNAME alias2.example",
    "alias2.example": "CNAME One.example",
    "round.example": "CNAME round.example",
    "dead.example": "CNAME gone.example",
    "_rosterd-challenge.good.example": ["v=spf1 -all", "rosterd-domain-verification=abc123"],
    "_rosterd-challenge.other.example": ["rosterd-domain-verification=abc1234", "xrosterd-domain-verification=abc123"],
    "_rosterd-challenge.empty.example": [],
    "_rosterd-challenge.fails.example": "SERVFAIL",
    "_rosterd-challenge.silent.example": "SILENT",
}


class DnsText(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = NameServer(TABLE)
        cls.program = harness.BUILD / "tests/daemon/test_dns_txt"
        if not cls.program.is_file():  # a unit test: no other test of this build has made it
            subprocess.run(["make", "-s", "tests/daemon/test_dns_txt"], cwd=harness.BUILD, check=True,
                           capture_output=True, timeout=300)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def run_client(self, *words, server=None, milliseconds=4000):
        done = subprocess.run([self.program, server or self.server.address, str(milliseconds), *words],
                              capture_output=True, text=True, errors="replace", timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.splitlines()

    def text(self, name, **more):
        status, *texts = self.run_client("text", name, **more)
        return status, texts

    def test_what_is_there(self):
        self.assertEqual(self.text("one.example"), ("FOUND", ["hello"]))
        self.assertEqual(self.text("ONE.example"), ("FOUND", ["hello"]))
        self.assertEqual(self.text("many.example"), ("FOUND", ["a", "two strings", "y" * 600, ""]))

    def test_what_is_not_there(self):
        self.assertEqual(self.text("missing.example"), ("NO_NAME", []))
        self.assertEqual(self.text("none.example"), ("NO_TEXT", []))
        self.assertEqual(self.text("a" * 64 + ".example"), ("NO_NAME", []))
        self.assertEqual(self.text("a..example"), ("NO_NAME", []))

    def test_aliases(self):
        self.assertEqual(self.text("alias.example"), ("FOUND", ["hello"]))
        self.assertEqual(self.text("round.example"), ("NO_TEXT", []))
        self.assertEqual(self.text("dead.example"), ("NO_NAME", []))

    def test_servers_that_fail(self):
        self.assertEqual(self.text("fails.example")[0], "FAILED")
        self.assertEqual(self.text("no.example")[0], "FAILED")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.assertEqual(self.text("one.example", server=f"127.0.0.1:{port}")[0], "FAILED")

    def test_time_is_bounded(self):
        for name in ("silent.example", "hangs.example"):
            began = time.monotonic()
            self.assertEqual(self.text(name, milliseconds=600)[0], "TIMEOUT", name)
            self.assertTrue(0.5 < time.monotonic() - began < 5, name)

    def test_a_lost_datagram_is_sent_again(self):
        self.assertEqual(self.text("lost.example"), ("FOUND", ["the truth"]))

    def test_a_long_answer_comes_by_tcp(self):
        self.assertEqual(self.text("long.example"), ("FOUND", LONG))
        self.assertIn(("tcp", "long.example"), self.server.asked)

    def test_answers_to_other_questions_are_not_taken(self):
        self.assertEqual(self.text("forged.example"), ("FOUND", ["the truth"]))

    def test_garbled_answers_do_no_harm(self):
        for _ in range(60):
            self.assertIn(self.text("garbled.example", milliseconds=100)[0],
                          {"FOUND", "NO_NAME", "NO_TEXT", "FAILED", "TIMEOUT"})

    def test_proof(self):
        cases = {"good": ("OK", ""), "other": ("CONFLICT", "none of the 2"), "empty": ("CONFLICT", "no TXT record"),
                 "gone": ("CONFLICT", "no name"), "fails": ("UNAVAILABLE", "can't answer"),
                 "silent": ("UNAVAILABLE", "in time")}
        for name, (code, words) in cases.items():
            lines = self.run_client("proof", name + ".example", "abc123", milliseconds=600)
            self.assertEqual(lines[0], code, lines)
            self.assertIn(words, lines[1], name)
            if code != "OK":
                self.assertIn(f"_rosterd-challenge.{name}.example", lines[1])
                self.assertNotIn("abc123", lines[1])


if __name__ == "__main__":
    harness.main()
