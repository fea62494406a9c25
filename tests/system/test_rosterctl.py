"""rosterctl and the control door, beyond the everyday: exit codes, offline use, lifetimes, revocation under load, exact round
trips, wrong imports, interrupted removals, bad peers on the socket."""

import base64
import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import socket
import struct
import subprocess
import threading
import time
import unittest

from harness import GROUP, ROOT, USER, Daemon, Org, SystemTest, main, program


def ctl(daemon, *arguments, json_output=True, stdin=None, env=None):
    return subprocess.run(
        [daemon.rosterctl, "--data", str(daemon.data), *(["--json"] if json_output else []), *map(str, arguments)],
        capture_output=True, text=True, input=stdin, timeout=300, env=env)


def user_line(name, **more):
    return json.dumps({"schemas": [USER], "userName": name, **more})


def group_line(name, members=(), **more):
    return json.dumps({"schemas": [GROUP], "displayName": name, "members": [{"value": m} for m in members], **more})


def number_id(n, kind=0):
    return f"{n:08x}-{kind:04x}-7000-8000-{n:012x}"


class Usage(unittest.TestCase):
    """No daemon, no store."""

    def run_ctl(self, *arguments):
        return subprocess.run([program("rosterctl"), *arguments], capture_output=True, text=True, timeout=60)

    def test_wrong_usage_is_exit_2(self):
        for arguments in ((), ("nonsense",), ("org",), ("org", "create"), ("org", "create", "a", "b"),
                          ("org", "list", "--nothing"), ("--nothing",), ("token", "add", "a", "b", "--expires"),
                          ("--data",), ("import", "a", "f"), ("org", "delete", "a")):
            done = self.run_ctl("--data", "/nonexistent/x", *arguments) if arguments[:1] != ("--data",) \
                else self.run_ctl(*arguments)
            self.assertEqual(done.returncode, 2, (arguments, done))
            self.assertTrue(done.stderr.startswith("rosterctl: "), done.stderr)

    def test_no_store_is_made_by_mistake(self):
        daemon = Daemon()
        try:
            for arguments in (("org", "list"), ("status",), ("verify",), ("token", "list", "acme")):
                done = ctl(daemon, *arguments)
                self.assertEqual(done.returncode, 1, done)
                self.assertIn("no store", done.stderr)
                self.assertIn("no store", json.loads(done.stdout)["detail"])
            self.assertFalse(daemon.data.exists())
        finally:
            daemon.remove()

    def test_a_wrong_configuration_is_exit_3(self):
        done = self.run_ctl("--config", "/nonexistent/rosterd.conf", "org", "list")
        self.assertEqual(done.returncode, 3, done)
        self.assertIn("/nonexistent/rosterd.conf", done.stderr)

    def test_documents_name_every_command(self):
        listed = [line.split("\t") for line in self.run_ctl("--list-commands").stdout.splitlines()]
        self.assertGreater(len(listed), 20)
        help_text = self.run_ctl("--help").stdout
        manual = (ROOT / "docs/man/rosterctl.1").read_text().replace("\\-", "-").replace('"', "")
        for words, options in listed:
            self.assertIn(words, help_text)
            self.assertIn(words, manual)
            for option in options.split():
                self.assertIn(option, help_text)
                self.assertIn(option, manual)

    def test_bash_completes(self):
        script = ROOT / "tools/rosterctl/completion/rosterctl.bash"

        def complete(*words):
            code = ('source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); compopt() { :; }; _rosterctl; '
                    'printf "%s\\n" "${COMPREPLY[@]}"')
            done = subprocess.run(["bash", "-c", code, "bash", script, program("rosterctl"), *words],
                                  capture_output=True, text=True, timeout=60)
            return set(done.stdout.split())

        self.assertLessEqual({"org", "connection", "token", "backup"}, complete(""))
        self.assertEqual(complete("connection", "re"), {"release"})
        self.assertEqual(complete("--data", "x", "token", ""), {"add", "create", "list", "rotate", "revoke"})
        self.assertEqual(complete("connection", "create", "a", "b", "--dialect", "s"), {"strict"})
        self.assertIn("--with-secrets", complete("export", "a", "--"))


class Offline(unittest.TestCase):
    def setUp(self):
        self.daemon = Daemon()
        self.addCleanup(self.daemon.remove)

    def ok(self, *arguments, **more):
        done = ctl(self.daemon, *arguments, **more)
        self.assertEqual(done.returncode, 0, done)
        return json.loads(done.stdout) if done.stdout.strip() else None

    def test_everything_works_without_a_daemon(self):
        self.ok("org", "create", "acme", "--name", "Acme Ünited")
        created = self.ok("connection", "create", "acme", "okta", "--dialect", "strict")
        token = created["firstToken"]["token"]
        self.assertEqual(created["dialect"], "strict")
        self.ok("connection", "set-dialect", "acme", "okta", "tolerant")
        second = self.ok("token", "add", "acme", "okta", "--label", "two")
        self.ok("token", "rotate", "acme", "1", "--overlap", "1h")
        self.ok("token", "revoke", "acme", second["number"])
        self.assertEqual([t["number"] for t in self.ok("token", "list", "acme")], [1, 3])
        self.ok("import", "acme", "-", "--connection", "okta", stdin=user_line("ada") + "\n")
        self.assertEqual(self.ok("org", "show", "acme")["users"], 1)
        self.assertEqual(self.ok("status")["running"], False)
        self.assertEqual(self.ok("verify")["problems"], 0)
        backup = self.daemon.folder / "backup"
        self.ok("backup", backup)
        self.assertEqual(backup.stat().st_mode & 0o077, 0, "a backup is for its owner alone")
        self.ok("org", "suspend", "acme")
        self.assertEqual(self.ok("org", "list")[0]["state"], "suspended")
        self.ok("org", "resume", "acme")
        self.assertEqual(ctl(self.daemon, "reload").returncode, 1)
        # What was made offline is there for the daemon.
        self.daemon.start()
        org = Org(self.daemon, "acme", "okta", token)
        self.assertEqual(org.find("/Users").names, ["ada"])
        # Now a daemon holds the store: the same commands go through it, a restore is refused.
        self.assertEqual(self.ok("status")["running"], True)
        done = ctl(self.daemon, "restore", backup)
        self.assertEqual(done.returncode, 1)
        self.assertIn("stop it first", done.stderr)

    def test_a_daemon_without_its_socket_is_not_run_over(self):
        self.ok("org", "create", "acme")
        self.daemon.start()
        os.unlink(self.daemon.data / "control.sock")
        done = ctl(self.daemon, "org", "list")
        self.assertEqual(done.returncode, 1)
        self.assertIn("in use", done.stderr)
        self.assertIn(str(self.daemon.process.pid), done.stderr)

    def test_where_comes_from_option_or_environment(self):
        self.ok("org", "create", "acme")
        environment = {**os.environ, "ROSTER_DATA": str(self.daemon.data)}
        done = subprocess.run([self.daemon.rosterctl, "org", "list"], capture_output=True, text=True, env=environment)
        self.assertIn("acme", done.stdout)
        done = subprocess.run([self.daemon.rosterctl, "org", "list", "--config", str(self.daemon.config_path)],
                              capture_output=True, text=True)
        self.assertIn("acme", done.stdout)

    def test_an_interrupted_removal_goes_on(self):
        self.daemon.start()
        self.ok("org", "create", "doomed")
        self.ok("org", "create", "other")
        lines = "".join(user_line(f"u{n}", emails=[{"value": f"u{n}@example.com"}]) + "\n" for n in range(30000))
        self.ok("import", "doomed", "--connection", "c", stdin=lines)
        remover = subprocess.Popen([self.daemon.rosterctl, "--data", str(self.daemon.data), "org", "delete", "doomed",
                                    "--now", "--yes"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        began = time.monotonic()
        while self.ok("org", "list")[0]["state"] == "active" and time.monotonic() - began < 30:
            pass
        self.daemon.kill()
        remover.wait()
        self.daemon.start()
        began = time.monotonic()
        while len(self.ok("org", "list")) > 1:
            self.assertLess(time.monotonic() - began, 60, "the removal does not go on after a restart")
            time.sleep(0.05)
        self.assertEqual(self.ok("verify")["problems"], 0)
        self.ok("org", "create", "doomed")
        self.assertEqual(self.ok("org", "show", "doomed")["users"], 0)


class Tokens(SystemTest):
    config = {"token": {"lifetime": 30}}

    def lifetime(self, answer):
        def parse(text):
            return datetime.datetime.fromisoformat(text[:19] + "+00:00")
        return (parse(answer["expires"]) - parse(answer["created"])).total_seconds()

    def test_lifetimes(self):
        org, day = self.org(), 86400

        def add(*arguments):
            return self.daemon.ctl("token", "add", org.key, "main", *arguments)
        self.assertAlmostEqual(self.lifetime(add()), 30 * day, delta=2)
        for text, seconds in (("90d", 90 * day), ("12h", day / 2), ("2w", 14 * day), ("1y", 365 * day)):
            self.assertAlmostEqual(self.lifetime(add("--expires", text)), seconds, delta=2)
        self.assertIsNone(add("--expires", "never")["expires"])
        self.assertEqual(add("--expires", "2090-02-28")["expires"][:19], "2090-03-01T00:00:00")
        self.assertEqual(add("--expires", "2090-02-28T12:30:00Z")["expires"][:19], "2090-02-28T12:30:00")
        for wrong in ("soon", "5", "-1d", "2020-01-01", "2090-02-30", "0s", "1000y", ""):
            done = self.daemon.run_ctl("token", "add", org.key, "main", "--expires=" + wrong)
            if wrong != "":
                self.assertEqual(done.returncode, 1, wrong)
                self.assertIn("expire", done.stderr)

    def test_the_secret_has_256_bits_and_is_kept_as_a_hash(self):
        org = self.org()
        raw = base64.urlsafe_b64decode(org.token[4:] + "=")
        self.assertEqual((org.token[:4], len(raw)), ("rst_", 32))
        store = (self.daemon.data / "data.mdb").read_bytes()
        self.assertNotIn(org.token.encode(), store)
        self.assertNotIn(raw, store)
        self.assertIn(hashlib.sha256(org.token.encode()).digest(), store)
        self.assertNotIn(org.token, self.daemon.log())

    def test_rotation(self):
        org = self.org()
        both = self.daemon.ctl("token", "rotate", org.key, "1", "--overlap", "1h")
        self.ok(org.get("/Users"))
        self.ok(org.with_token(both["token"]).get("/Users"))
        at_once = self.daemon.ctl("token", "rotate", org.key, both["number"], "--overlap", "0s")
        self.refused(org.with_token(both["token"]).get("/Users"), 401)
        self.ok(org.with_token(at_once["token"]).get("/Users"))
        listed = {t["number"]: t for t in self.daemon.ctl("token", "list", org.key)}
        self.assertEqual((listed[1]["expired"], listed[2]["expired"], listed[3]["expired"]), (False, True, False))

    def test_a_revoked_token_is_dead_when_the_command_returns(self):
        for command in (("token", "revoke", "1"), ("connection", "delete", "main"), ("org", "suspend")):
            org = self.org()
            stop, late, served = threading.Event(), [], [0]
            revoked = threading.Event()

            def hammer():
                api = org.with_token(org.token)
                while not stop.is_set():
                    after = revoked.is_set()
                    if api.get("/Users?count=0").status == 200:
                        served[0] += 1
                        if after:
                            late.append(1)
            threads = [threading.Thread(target=hammer) for _ in range(4)]
            for thread in threads:
                thread.start()
            while served[0] < 50:
                time.sleep(0.001)
            self.daemon.ctl(*command[:2], org.key, *command[2:])
            revoked.set()
            time.sleep(0.2)
            stop.set()
            for thread in threads:
                thread.join()
            self.assertEqual(late, [], command)

    def test_last_use_is_listed(self):
        org = self.org()
        self.assertIsNone(self.daemon.ctl("token", "list", org.key)[0]["lastUsed"])
        self.ok(org.get("/Users"))
        used = self.daemon.ctl("token", "list", org.key)[0]["lastUsed"]
        self.assertEqual(used[17:19], "00", "to the minute")
        self.assertLess(abs(datetime.datetime.fromisoformat(used[:19] + "+00:00").timestamp() - time.time()), 120)

    def test_at_most_so_many(self):
        org = self.org()
        codes = [self.daemon.run_ctl("token", "add", org.key, "main").returncode for _ in range(50)]
        self.assertEqual(codes, [0] * 49 + [1])


class LifetimeMax(SystemTest):
    config = {"token": {"lifetime": 10, "lifetime_max": 20}}

    def test_longer_ones_are_refused(self):
        org = self.org()
        for text, code in (("19d", 0), ("21d", 1), ("never", 1), ("2090-01-01", 1)):
            done = self.daemon.run_ctl("token", "add", org.key, "main", "--expires", text)
            self.assertEqual(done.returncode, code, text)
            if code:
                self.assertIn("token.lifetime_max", done.stderr)


class Reload(SystemTest):
    def test_rates_are_reloaded_and_the_rest_is_named(self):
        org = self.org()
        self.daemon.extra = {"rate": {"token": 1, "token_burst": 3}, "workers": 7}
        self.daemon.write_config()
        self.daemon.ctl("reload")
        began = time.monotonic()
        while "event=reloaded" not in self.daemon.log() and time.monotonic() - began < 10:
            time.sleep(0.01)
        self.assertIn("settings=workers", self.daemon.log())
        statuses = [org.get("/Users").status for _ in range(6)]
        self.assertIn(429, statuses)
        reply = org.get("/Users")
        if reply.status == 429:
            self.assertGreaterEqual(int(reply.headers["retry-after"]), 1)
        # A wrong file changes nothing.
        self.daemon.config_path.write_text("workers = \"many\";\n")
        self.daemon.ctl("reload")
        time.sleep(0.3)
        self.assertIn("reload-failed", self.daemon.log())
        self.assertTrue(self.daemon.alive())


class Transfer(SystemTest):
    def export(self, key, *options):
        done = self.daemon.run_ctl("export", key, *options)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def load(self, key, text, *options, connection="main"):
        return self.daemon.run_ctl("import", key, "--connection", connection, *options, stdin=text)

    def test_the_round_trip_is_exact(self):
        """What is exported, imported into an empty org and exported again is the same, byte for byte."""
        org = self.org()
        second = org.another("hr")
        ada = org.user("ada", externalId="okta-1", password="correct horse battery",
                       displayName="Ada \u2028 \U0001F469\u200d\U0001F4BB \"quoted\" \\ line\nbreak",
                       roles=[{"value": "admin"}], x509Certificates=[{"value": base64.b64encode(bytes(range(256))).decode()}])
        second.patch("/Users/" + ada["id"], {"op": "add", "path": "externalId", "value": "hr-1"})
        bob = org.user("bob", active=False)
        inner = org.group("inner", [ada["id"]], externalId="g-1")
        org.group("outer", [inner["id"], bob["id"]])
        org.group("empty")
        exported = self.export(org.key, "--with-secrets")
        first = json.loads(exported.split("\n")[0])
        beside = first["urn:rosterd:scim:schemas:export:1.0:Resource"]
        self.assertEqual(beside["externalIds"], {"main": "okta-1", "hr": "hr-1"})
        self.assertTrue(beside["passwordHash"].startswith("$argon2id$"))
        self.assertNotIn("passwordHash", self.export(org.key))
        target = self.org()
        done = self.load(target.key, exported)
        self.assertEqual(done.returncode, 0, done)
        self.assertEqual(json.loads(done.stdout), {"lines": 5, "users": 2, "groups": 3, "memberships": 3, "skipped": 0})
        self.assertEqual(self.export(target.key, "--with-secrets"), exported)
        self.assertEqual(target.get("/Users/" + ada["id"])["externalId"], "okta-1")
        self.assertEqual(self.daemon.verify(), "")

    def test_a_large_group_takes_several_lines(self):
        source, target = self.org(), self.org()
        n = 25000
        lines = [user_line(f"u{i}", id=number_id(i)) for i in range(n)]
        lines.append(group_line("all", [number_id(i) for i in range(n)], id=number_id(1, 1)))
        done = self.load(source.key, "\n".join(lines))
        self.assertEqual(done.returncode, 0, done.stderr)
        exported = self.export(source.key)
        groups = [line for line in exported.splitlines() if '"displayName":"all"' in line]
        self.assertGreater(len(groups), 1)
        self.assertLess(max(map(len, groups)), 2 << 20)
        done = self.load(target.key, exported)
        self.assertEqual(json.loads(done.stdout)["memberships"], n)
        self.assertEqual(json.loads(done.stdout)["groups"], 1)
        self.assertEqual(self.export(target.key), exported)
        self.assertEqual(self.daemon.verify(), "")

    def test_members_may_come_before_their_line_and_nest(self):
        org = self.org()
        text = "\n".join([group_line("top", [number_id(2, 1), number_id(7)], id=number_id(1, 1)),
                          group_line("below", [number_id(7)], id=number_id(2, 1)),
                          user_line("late", id=number_id(7))])
        done = self.load(org.key, text)
        self.assertEqual(json.loads(done.stdout)["memberships"], 3, done)
        user = org.get("/Users/" + number_id(7)).json
        self.assertEqual({g["display"] for g in user["groups"]}, {"top", "below"})

    def test_cycles_are_refused(self):
        org = self.org()
        text = "\n".join([group_line("a", [number_id(2, 1)], id=number_id(1, 1)),
                          group_line("b", [number_id(1, 1)], id=number_id(2, 1))])
        done = self.load(org.key, text, "--continue")
        self.assertEqual(done.returncode, 4, done)
        self.assertEqual(json.loads(done.stdout)["memberships"], 1)
        self.assertEqual(self.daemon.verify(), "")

    def test_ids_that_are_taken_are_given_anew(self):
        org = self.org()
        first = org.user("first")
        text = "\n".join([user_line("second", id=first["id"]), user_line("third", id="not-a-uuid"),
                          group_line("g", [first["id"], "not-a-uuid"], id="also-none")])
        done = self.load(org.key, text)
        self.assertEqual(done.returncode, 0, done)
        second, third = (org.find("/Users", f'userName eq "{name}"').json["Resources"][0] for name in ("second", "third"))
        self.assertNotEqual(second["id"], first["id"])
        group = org.find("/Groups").json["Resources"][0]
        self.assertEqual({m["value"] for m in group["members"]}, {second["id"], third["id"]})

    def test_nothing_of_a_wrong_batch_is_written(self):
        org = self.org()
        org.user("taken")
        for wrong in (user_line("TAKEN"), user_line("a"), "{", user_line(""), "[]", '{"userName":"x","schemas":["urn:x"]}',
                      user_line("y", emails=5), user_line("z", active="perhaps")):
            done = self.load(org.key, "\n".join([user_line("a"), user_line("b"), "", wrong, user_line("c")]))
            self.assertEqual(done.returncode, 1, wrong)
            self.assertIn("line 4", done.stderr, wrong)
            self.assertEqual(org.find("/Users").names, ["taken"], wrong)

    def test_continue_passes_over_wrong_lines_and_tells(self):
        org = self.org()
        org.user("taken")
        text = "\n".join([user_line("a"), "{", user_line("taken"), user_line("b"), user_line("A"),
                          group_line("g", [number_id(99)])]) + "\n"
        done = self.load(org.key, text, "--continue")
        self.assertEqual(done.returncode, 4, done)
        answer = json.loads(done.stdout)
        self.assertEqual((answer["users"], answer["groups"], answer["skipped"]), (2, 1, 4))
        self.assertEqual(sorted(d["line"] for d in answer["details"]), [2, 3, 5, 6])
        self.assertEqual(sorted(org.find("/Users").names), ["a", "b", "taken"])
        self.assertEqual(self.daemon.verify(), "")

    def test_passwords_are_hashed(self):
        org = self.org()
        done = self.load(org.key, user_line("ada", password="correct horse battery staple"))
        self.assertEqual(done.returncode, 0, done)
        exported = self.export(org.key, "--with-secrets")
        self.assertRegex(exported, r"\$argon2id\$v=19\$m=\d+,t=\d+,p=\d+\$")
        self.assertNotIn("correct horse", exported)
        self.assertNotIn(b"correct horse", (self.daemon.data / "data.mdb").read_bytes())

    def test_the_export_goes_to_a_private_file(self):
        org = self.org()
        org.user("ada")
        file = self.daemon.folder / "out.jsonl"
        done = self.daemon.run_ctl("export", org.key, file)
        self.assertEqual((done.returncode, json.loads(done.stdout)["users"]), (0, 1))
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        done = self.daemon.run_ctl("export", org.key, "/nonexistent/out")
        self.assertEqual(done.returncode, 1)
        done = subprocess.run(f"{self.daemon.rosterctl} --data {self.daemon.data} export {org.key} > /dev/full",
                              shell=True, capture_output=True, text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("not complete", done.stderr)

    def test_writes_go_on_beside_an_import(self):
        org, other = self.org(), self.org()
        text = "".join(user_line(f"u{n}", externalId=f"e{n}") + "\n" for n in range(40000))
        slowest, stop = [0.0], threading.Event()

        def write():
            n = 0
            while not stop.is_set():
                n += 1
                began = time.monotonic()
                other.user(f"w{n}")
                slowest[0] = max(slowest[0], time.monotonic() - began)
        thread = threading.Thread(target=write)
        thread.start()
        done = self.load(org.key, text)
        stop.set()
        thread.join()
        self.assertEqual(json.loads(done.stdout)["users"], 40000, done)
        self.assertLess(slowest[0], 20)
        self.assertGreater(other.find("/Users")["totalResults"], 3)
        self.assertEqual(self.daemon.verify(), "")


@unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
class Privileges(unittest.TestCase):
    def test_root_is_given_up(self):
        daemon = Daemon({"user": "nobody"})
        self.addCleanup(daemon.remove)
        daemon.folder.chmod(0o755)
        daemon.start()
        status = pathlib.Path(f"/proc/{daemon.process.pid}/status").read_text()
        uid = daemon.data.stat().st_uid
        self.assertNotEqual(uid, 0)
        self.assertRegex(status, rf"Uid:\s+{uid}\s+{uid}\s+{uid}\s+{uid}\n")
        self.assertNotRegex(status, r"Gid:.*\b0\b")
        self.assertRegex(pathlib.Path(f"/proc/{daemon.process.pid}/limits").read_text(), r"Max core file size +0 +0")
        self.assertEqual(ctl(daemon, "org", "create", "acme").returncode, 0)
        daemon.end()
        # An offline command of root's leaves no file that the daemon can't write.
        self.assertEqual(ctl(daemon, "org", "create", "more").returncode, 0)
        self.assertEqual({each.stat().st_uid for each in daemon.data.iterdir()}, {uid})
        daemon.start()
        self.assertEqual(ctl(daemon, "org", "create", "again").returncode, 0)

    def test_only_root_becomes_another(self):
        daemon = Daemon({"user": "nosuchuser"})
        self.addCleanup(daemon.remove)
        with self.assertRaises(AssertionError) as caught:
            daemon.start()
        self.assertIn("nosuchuser", str(caught.exception))
        daemon.process = None


class Door(SystemTest):
    """The control socket against peers that are not rosterctl."""

    def dial(self):
        peer = socket.socket(socket.AF_UNIX)
        peer.settimeout(20)
        peer.connect(str(self.daemon.data / "control.sock"))
        self.addCleanup(peer.close)
        return peer

    def frame(self, kind, flags, payload, request=1):
        return struct.pack(">IBBHI", len(payload), kind, flags, 0, request) + payload

    def answer(self, peer):
        """The payloads up to the last frame, and its flags."""
        stream, parts = peer.makefile("rb"), []
        while True:
            head = stream.read(12)
            if len(head) < 12:
                return parts, None
            length, _kind, flags, _reserved, _request = struct.unpack(">IBBHI", head)
            parts.append(json.loads(stream.read(length)))
            if flags & 1:
                return parts, flags

    def test_the_socket_is_private(self):
        self.assertEqual((self.daemon.data / "control.sock").stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.daemon.data.stat().st_mode & 0o777, 0o700)

    def test_a_stranger_can_speak_it(self):
        peer = self.dial()
        for request in (7, 8):  # several on one connection
            peer.sendall(self.frame(1, 1, b'{"command":"status"}', request))
            parts, flags = self.answer(peer)
            self.assertEqual(flags, 1)
            self.assertTrue(parts[-1]["running"])

    def test_wrong_requests_are_answered(self):
        for payload in (b"", b"{", b"[]", b"{}", b'{"command":5}', b'{"command":"org"}', b'{"command":"org create"}',
                        b'{"command":"org create","org":5}', b'{"command":"backup","file":"relative"}',
                        b'{"command":"token revoke","org":"x","token":"-1"}', b"\xff\xff"):
            peer = self.dial()
            peer.sendall(self.frame(1, 1, payload))
            parts, flags = self.answer(peer)
            self.assertEqual(flags, 3, payload)
            self.assertTrue(parts[-1]["detail"], payload)

    def test_nonsense_ends_the_connection(self):
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, self.frame(9, 0, b""), self.frame(1, 128, b"{}"),
                     self.frame(2, 1, b"x"), struct.pack(">IBBHI", 1 << 31, 1, 1, 0, 1)):
            peer = self.dial()
            peer.sendall(data)
            self.assertEqual(peer.recv(10), b"", data)
        self.assertTrue(self.daemon.ctl("status")["running"])

    def test_so_many_connections_and_no_more(self):
        peers = [self.dial() for _ in range(16)]
        for peer in peers:
            peer.sendall(self.frame(1, 1, b'{"command":"status"}'))
            self.answer(peer)
        extra = self.dial()
        with contextlib.suppress(ConnectionError):
            self.assertEqual(extra.recv(1), b"")
        for peer in peers:
            peer.close()
        began = time.monotonic()
        while self.daemon.run_ctl("status").returncode != 0:
            self.assertLess(time.monotonic() - began, 10)

    def test_an_import_that_breaks_off_is_not_an_import(self):
        org = self.org()
        peer = self.dial()
        peer.sendall(self.frame(1, 0, json.dumps({"command": "import", "org": org.key, "connection": "main"}).encode()))
        peer.sendall(self.frame(2, 0, (user_line("half") + "\n" + user_line("other"))[:-5].encode()))
        peer.close()
        time.sleep(0.5)
        self.assertEqual(org.find("/Users")["totalResults"], 0)

    def test_a_stop_ends_idle_peers(self):
        daemon = Daemon()
        try:
            daemon.start()
            peer = socket.socket(socket.AF_UNIX)
            peer.connect(str(daemon.data / "control.sock"))
            began = time.monotonic()
            daemon.end()
            self.assertLess(time.monotonic() - began, 8)
            self.assertFalse((daemon.data / "control.sock").exists())
            peer.close()
        finally:
            daemon.remove()


if __name__ == "__main__":
    main()
