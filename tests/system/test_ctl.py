"""rosterctl: organisations, connections, tokens, backup, restore, export, import, verify."""

import json
import re
import subprocess
import time
import unittest

from harness import ENTERPRISE, USER, Api, CtlError, Daemon, Org, SystemTest, certificate, find_member, main


class Control(SystemTest):
    def token_of(self, answer):
        return find_member(answer, ("token", "secret"))

    def test_org_life(self):
        ctl = self.daemon.ctl
        ctl("org", "create", "life")
        self.assertIn("life", json.dumps(ctl("org", "list")))
        with self.assertRaises(CtlError):
            ctl("org", "create", "life")
        for bad in ("", "A", "-x", "x-", "a_b", "x" * 64, "ü", "a/b", "a b"):
            with self.assertRaises(CtlError, msg=bad):
                ctl("org", "create", bad)
        org = Org(self.daemon, "life", "c", self.daemon.connect("life", "c"))
        org.user("x")
        ctl("org", "suspend", "life")
        self.assertIn(org.get("/Users").status, (401, 403))
        ctl("org", "resume", "life")
        self.ok(org.get("/Users"))
        ctl("org", "delete", "life", "--now", "--yes")
        self.assertIn(org.get("/Users").status, (401, 404))
        self.assertEqual(self.daemon.verify(), "")
        again = self.daemon.org("tolerant", "life")
        self.assertEqual(again.find("/Users")["totalResults"], 0, "nothing of the old org is in the new one")

    def test_unknown_things(self):
        for arguments in (("org", "suspend", "nobody"), ("connection", "create", "nobody", "x"), ("nonsense",),
                          ("org", "nonsense"), ("connection", "release", "nobody", "x"), ()):
            done = self.daemon.run_ctl(*arguments)
            self.assertNotEqual(done.returncode, 0, arguments)
            self.assertTrue(done.stdout + done.stderr)

    def test_dialects(self):
        self.daemon.ctl("org", "create", "dialects")
        for dialect in ("tolerant", "strict", "interop"):
            self.daemon.ctl("connection", "create", "dialects", dialect, "--dialect", dialect)
        with self.assertRaises(CtlError):
            self.daemon.ctl("connection", "create", "dialects", "other", "--dialect", "loose")
        with self.assertRaises(CtlError):
            self.daemon.ctl("connection", "create", "dialects", "STRICT")
        listed = json.dumps(self.daemon.ctl("connection", "list", "dialects"))
        for dialect in ("tolerant", "strict", "interop"):
            self.assertIn(dialect, listed)

    def test_tokens(self):
        org = self.org()
        first = org.token
        second = self.token_of(self.daemon.ctl("token", "add", org.key, "main"))
        self.assertNotEqual(first, second)
        self.assertGreaterEqual(len(second), 26, "at least 128 random bits")
        self.ok(org.get("/Users"))
        self.ok(org.with_token(second).get("/Users"))  # several at once
        listed = self.daemon.ctl("token", "list", org.key)
        self.assertNotIn(first, json.dumps(listed), "shown once only")
        numbers = self._numbers(listed)
        self.assertEqual(len(numbers), 2)
        self.daemon.ctl("token", "revoke", org.key, numbers[0])
        self.assertEqual(sorted([org.get("/Users").status, org.with_token(second).get("/Users").status]), [200, 401])

    def _numbers(self, listed):
        found = []

        def walk(item):
            if isinstance(item, dict):
                for name in ("no", "number", "token", "id"):
                    if isinstance(item.get(name), int):
                        found.append(item[name])
                        return
                for value in item.values():
                    walk(value)
            elif isinstance(item, list):
                for value in item:
                    walk(value)
        walk(listed)
        return found

    def test_rotate(self):
        org = self.org()
        number = self._numbers(self.daemon.ctl("token", "list", org.key))[0]
        fresh = self.token_of(self.daemon.ctl("token", "rotate", org.key, number))
        self.assertNotEqual(fresh, org.token)
        self.ok(org.with_token(fresh).get("/Users"))

    def test_expiry(self):
        org = self.org()
        answer = None
        for flag, value in (("--expires", "1s"), ("--expires", "1"), ("--lifetime", "1s"), ("--expires-in", "1s")):
            done = self.daemon.run_ctl("token", "add", org.key, "main", flag, value)
            if done.returncode == 0:
                answer = json.loads(done.stdout)
                break
        if answer is None:
            self.skipTest("no lifetime in seconds on the command line")
        short = org.with_token(self.token_of(answer))
        self.ok(short.get("/Users")) if value == "1s" else None
        if value == "1s":
            time.sleep(2.2)
            self.refused(short.get("/Users"), 401)

    def test_status(self):
        self.org()
        status = self.daemon.ctl("status")
        self.assertTrue(status)

    def test_verify_finds_nothing_wrong(self):
        org = self.org()
        ada = org.user("ada")
        org.group("g", [ada["id"]])
        self.assertEqual(self.daemon.verify(), "")

    def test_verify_offline(self):
        org = self.org()
        org.user("ada")
        self.daemon.end()
        org.close()
        try:
            self.assertEqual(self.daemon.verify(), "")
        finally:
            self.daemon.start()

    def test_human_output_has_no_braces(self):
        done = subprocess.run([self.daemon.rosterctl, "--data", str(self.daemon.data), "org", "list"], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0)
        self.assertNotIn("{", done.stdout)


class BackupAndRestore(SystemTest):
    def test_backup_while_writing_then_restore(self):
        import threading
        org = self.org()
        first = [org.user(f"u{n}", displayName=f"U {n}")["id"] for n in range(200)]
        group = org.group("g", first[:50])["id"]
        stop = threading.Event()

        def churn():
            n = 0
            while not stop.is_set():
                n += 1
                org.user(f"later{n}")

        thread = threading.Thread(target=churn)
        thread.start()
        file = self.daemon.folder / "backup"
        try:
            self.daemon.ctl("backup", file)
        finally:
            stop.set()
            thread.join()
        with self.assertRaises(CtlError):
            self.daemon.ctl("backup", "/nonexistent/folder/backup")
        other = Daemon()
        try:
            subprocess.run([other.rosterctl, "--data", str(other.data), "--json", "restore", str(file)], check=True,
                           capture_output=True, timeout=120)
            again = subprocess.run([other.rosterctl, "--data", str(other.data), "restore", str(file)],
                                   capture_output=True, timeout=120)
            self.assertNotEqual(again.returncode, 0, "a restore never writes over a store")
            other.start()
            self.assertEqual(other.verify(), "")
            copy = Org(other, org.key, "main", org.token)
            listed = {u["id"]: u for u in copy.everything("/Users")}
            self.assertLessEqual(set(first), set(listed))
            self.assertEqual(listed[first[7]]["displayName"], "U 7")
            self.assertEqual({m["value"] for m in copy.get("/Groups/" + group)["members"]}, set(first[:50]))
            copy.user("new-in-the-copy")
        finally:
            other.remove()

    def test_restore_of_garbage_is_refused(self):
        other = Daemon()
        try:
            bad = other.folder / "bad"
            bad.write_bytes(b"no backup at all" * 1000)
            done = subprocess.run([other.rosterctl, "--data", str(other.data), "restore", str(bad)], capture_output=True,
                                  timeout=60)
            self.assertNotEqual(done.returncode, 0)
        finally:
            other.remove()


class ExportAndImport(SystemTest):
    def test_round_trip(self):
        """An org exported and imported into an empty one is the same, but for ids, times and addresses."""
        org = self.org()
        boss = org.user("boss", displayName="Boss")
        people = [org.user(f"u{n}", displayName=f"Ü {n}", active=n % 3 > 0, externalId=f"e{n}",
                           emails=[{"value": f"u{n}@example.com", "type": "work", "primary": True}],
                           schemas=[USER, ENTERPRISE], **{ENTERPRISE: {"department": "d", "manager": {"value": boss["id"]}}})
                  for n in range(30)]
        inner = org.group("inner", [p["id"] for p in people[:10]])
        org.group("outer", [inner["id"], people[20]["id"]], externalId="g")
        done = self.daemon.run_ctl("export", org.key)
        self.assertEqual(done.returncode, 0, done.stderr)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(len([x for x in lines if "userName" in x]), 31)
        self.assertEqual(len([x for x in lines if "displayName" in x and "userName" not in x]), 2)
        file = self.daemon.folder / "export.jsonl"
        file.write_text(done.stdout)
        target = self.org()
        self.daemon.ctl("import", target.key, file, "--connection", "main")
        self.assertEqual(self.daemon.verify(), "")

        def shape(o):
            users, groups = o.everything("/Users"), o.everything("/Groups")
            names = {r["id"]: r.get("userName") or r["displayName"] for r in users + groups}
            for user in users:
                if ENTERPRISE in user:
                    manager = user[ENTERPRISE]["manager"]
                    user[ENTERPRISE]["manager"] = names[manager["value"]]
                user["groups"] = sorted((names[g["value"]], g["type"]) for g in user.get("groups", []))
            for group in groups:
                group["members"] = sorted(names[m["value"]] for m in group.get("members", []))
            for each in users + groups:
                for gone in ("id", "meta", "externalId"):
                    each.pop(gone, None)
            return sorted(users, key=lambda u: u["userName"]), sorted(groups, key=lambda g: g["displayName"])

        self.assertEqual(shape(target), shape(org))

    def test_import_names_the_bad_line(self):
        target = self.org()
        file = self.daemon.folder / "bad.jsonl"
        good = json.dumps({"schemas": [USER], "userName": "fine"})
        for bad in ("{", json.dumps({"schemas": [USER]}), json.dumps({"schemas": [USER], "userName": "a\u0007b"}), "[]"):
            file.write_text(good + "\n" + bad + "\n")
            done = self.daemon.run_ctl("import", target.key, file, "--connection", "main")
            self.assertNotEqual(done.returncode, 0, bad)
            self.assertIn("2", done.stdout + done.stderr)


if __name__ == "__main__":
    main()
