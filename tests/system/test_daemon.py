"""The daemon as an operator meets it: configuration, reload, stop, log, command line."""

import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest

from harness import USER, Api, CtlError, Daemon, SystemTest, certificate, find_member, main


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon()

    def tearDown(self):
        self.daemon.remove()

    def run_it(self, *arguments):
        return subprocess.run([self.daemon.rosterd, *arguments], capture_output=True, text=True, timeout=30)

    def test_help_and_version(self):
        for flag in ("--help", "--version"):
            for program in (self.daemon.rosterd, self.daemon.rosterctl):
                done = subprocess.run([program, flag], capture_output=True, text=True, timeout=30)
                self.assertEqual(done.returncode, 0, (program, flag))
                self.assertIn("roster", done.stdout)

    def test_unknown_options(self):
        self.assertNotEqual(self.run_it("--nonsense").returncode, 0)

    def test_check_config(self):
        done = self.run_it("--check-config", "--config", str(self.daemon.config_path))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertFalse((self.daemon.data / "data.mdb").exists(), "checking makes nothing")

    def test_faults_in_the_file_are_named_with_their_line(self):
        good = self.daemon.config_path.read_text()
        for line in ('nonsense = 5;', 'listen = 7;', 'workers = 100000;', 'workers = "two";', 'gzip = 5;', 'tls = {',
                     'limits: { body = "x"; };', 'listen = [ "ftp://x" ];', 'log_level = "loud";',
                     'store: { map_size = 5; };'):
            with self.subTest(line=line):
                name = line.split()[0].rstrip(":=")
                kept = "" if name in good.split(" = ")[0] else good
                kept = "\n".join(row for row in good.splitlines() if not row.startswith(name + " ")
                                 and not row.startswith(name + ":")) if not line.startswith(("store", "tls")) else ""
                self.daemon.config_path.write_text(kept + "\n" + line + "\n")
                done = self.run_it("--check-config", "--config", str(self.daemon.config_path))
                self.assertNotEqual(done.returncode, 0, line)
                number = kept.count("\n") + 2
                self.assertRegex(done.stderr, re.escape(str(self.daemon.config_path)) + r":\d+", done.stderr)
        self.daemon.config_path.write_text(good)

    def test_missing_file(self):
        done = self.run_it("--config", "/nonexistent/rosterd.conf")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("/nonexistent/rosterd.conf", done.stderr)

    def test_missing_certificate(self):
        self.daemon.extra = {"tls.certificate": "/nonexistent.pem"}
        self.daemon.write_config()
        with self.assertRaises(AssertionError):
            self.daemon.start()
        self.assertIn("/nonexistent.pem", self.daemon.log())
        self.daemon.process = None

    def test_two_daemons_on_one_store(self):
        self.daemon.start()
        second = Daemon(directory=self.daemon.data)
        try:
            with self.assertRaises(AssertionError):
                second.start(wait=5)
            second.process = None
        finally:
            second.remove()
        self.daemon.org()


class Running(SystemTest):
    def test_stop_finishes_what_was_accepted(self):
        """Writes under way at SIGTERM are answered, and what was answered is there."""
        org = self.org()
        answered, stop = [], threading.Event()

        def write(number):
            n = 0
            while not stop.is_set():
                n += 1
                try:
                    reply = org.post("/Users", {"schemas": [USER], "userName": f"w{number}-{n}"})
                except OSError:
                    return
                except Exception:
                    return
                if reply.status == 201:
                    answered.append(reply["id"])

        threads = [threading.Thread(target=write, args=(n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        time.sleep(0.5)
        self.daemon.end()
        stop.set()
        for thread in threads:
            thread.join()
        org.close()
        self.daemon.start()
        there = {user["id"] for user in org.everything("/Users", attributes="id")}
        self.assertGreater(len(answered), 10)
        self.assertLessEqual(set(answered), there)

    def test_reload(self):
        org = self.org()
        for _ in range(30):
            self.ok(org.get("/ServiceProviderConfig"))
        self.daemon.extra = {"rate.token": 1, "rate.token_burst": 1}
        self.daemon.write_config()
        self.daemon.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while org.get("/ServiceProviderConfig").status != 429:
            self.assertLess(time.monotonic(), deadline, "the new rate is not in force")
            time.sleep(0.05)
        # a file that is wrong changes nothing and stops nothing
        self.daemon.config_path.write_text("nonsense = ;\n")
        self.daemon.process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        self.assertTrue(self.daemon.alive())
        self.daemon.extra = {}
        self.daemon.write_config()
        self.daemon.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 10
        while org.get("/ServiceProviderConfig").status != 200 or org.get("/ServiceProviderConfig").status != 200:
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_log_is_one_line_an_event(self):
        org = self.org()
        org.get("/Users?filter=userName%20eq%20%22a%0Ab%22", headers={"X-Request-Id": "line-test-1"})
        time.sleep(0.2)
        lines = [line for line in self.daemon.log().splitlines() if "line-test-1" in line]
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("GET", lines[0])
        self.assertIn("400" if "400" in lines[0] else "200", lines[0])

    def test_data_directory_is_private(self):
        self.assertEqual(self.daemon.data.stat().st_mode & 0o777, 0o700)
        sock = next(self.daemon.data.glob("*.sock"))
        self.assertEqual(sock.stat().st_mode & 0o777, 0o600)

    def test_restart_keeps_everything(self):
        org = self.org()
        user = org.user("ada", displayName="Ada")
        group = org.group("g", [user["id"]])
        before = [org.get("/Users/" + user["id"]).json, org.get("/Groups/" + group["id"]).json]
        self.daemon.end()
        org.close()
        self.daemon.start()
        self.assertEqual([org.get("/Users/" + user["id"]).json, org.get("/Groups/" + group["id"]).json], before)

    def test_location_follows_public_url(self):
        org = self.org()
        self.assertTrue(org.user("x")["meta"]["location"].startswith(self.daemon.url))


class Certificate(SystemTest):
    """Reload reads the same files again: that is how certificates are renewed."""

    def test_reload_takes_a_new_certificate(self):
        folder = self.daemon.folder
        old = certificate()[0]
        for source, name in zip(certificate(), ("live.pem", "live.key")):
            shutil.copy(source, folder / name)
        self.daemon.end()
        self.daemon.extra = {"tls.certificate": str(folder / "live.pem"), "tls.private_key": str(folder / "live.key")}
        self.daemon.write_config()
        self.daemon.start()
        org = self.org()
        self.ok(org.get("/ServiceProviderConfig"))
        (folder / "live.pem").write_text("no certificate")
        self.daemon.process.send_signal(signal.SIGHUP)  # a mistake keeps the old one
        time.sleep(0.3)
        self.ok(Api(org.base, org.token, cafile=old).get("/ServiceProviderConfig"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-keyout", folder / "live.key", "-out", folder / "live.pem", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"], check=True, capture_output=True)
        self.daemon.process.send_signal(signal.SIGHUP)
        fresh = Api(org.base, org.token, cafile=str(folder / "live.pem"))
        deadline = time.monotonic() + 10
        while True:
            try:
                self.ok(fresh.get("/ServiceProviderConfig"))
                break
            except ssl.SSLError:
                self.assertLess(time.monotonic(), deadline, "the old certificate is still shown")
                time.sleep(0.05)
        self.ok(org.get("/ServiceProviderConfig"))  # what is open stays open


class NoPublicUrl(SystemTest):
    config = {"public_url": None}

    def test_location_follows_the_host(self):
        org = self.org()
        user = org.user("x")
        self.assertEqual(user["meta"]["location"], f"{org.base}/Users/{user['id']}")


class PublicUrl(SystemTest):
    config = {"public_url": "https://scim.example.com/base"}

    def test_everything_points_there(self):
        org = self.org()
        base = f"https://scim.example.com/base/orgs/{org.key}/scim/v2"
        user = org.user("x")
        self.assertEqual(user["meta"]["location"], f"{base}/Users/{user['id']}")
        group = org.post("/Groups", {"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "g",
                                     "members": [{"value": user["id"]}]})
        self.assertEqual(group.headers["location"], f"{base}/Groups/{group['id']}")
        self.assertEqual(org.get("/Groups/" + group["id"])["members"][0]["$ref"], f"{base}/Users/{user['id']}")
        self.assertEqual(org.get("/ServiceProviderConfig")["meta"]["location"], base + "/ServiceProviderConfig")


if __name__ == "__main__":
    main()
