"""rosterctl sync: JSON lines, CSV with and without a mapping, LDIF; what is shown, what is refused, what is left alone."""

import base64
import csv
import io
import json
import os
import pty
import random
import subprocess
import tempfile
import pathlib

from harness import ENTERPRISE, GROUP, USER, CtlError, Daemon, SystemTest, main

NOTHING = {"User": {"create": 0, "change": 0, "remove": 0, "unchanged": 0},
           "Group": {"create": 0, "change": 0, "remove": 0, "unchanged": 0, "addMembers": 0, "removeMembers": 0}}


def counts(**by_type):
    return {kind: {**NOTHING[kind], **by_type.get(kind, {})} for kind in NOTHING}


class Tool(SystemTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory(prefix="roster-sync-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.org_at_hand = self.org()

    def file(self, name, text):
        path = self.folder / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    def sync(self, name, text, *options, stdin=None):
        path = "-" if stdin is not None else self.file(name, text)
        return self.daemon.ctl("sync", "--org", self.org_at_hand.key, "--connection", "main", "--from", path,
                               *([] if "--dry-run" in options else ["--yes"]), *options, stdin=stdin)

    def wrong(self, name, text, *words, options=(), code=1):
        before = self.found()
        with self.assertRaises(CtlError) as caught:
            self.sync(name, text, *options)
        self.assertEqual(caught.exception.code, code, caught.exception)
        for word in words:
            self.assertIn(word, caught.exception.text)
        self.assertEqual(self.found(), before)

    def found(self):
        org = self.org_at_hand
        users = {u["userName"]: u for u in org.everything("/Users")}
        by_id = {u["id"]: name for name, u in users.items()}
        groups = {}
        for g in org.everything("/Groups"):
            by_id[g["id"]] = g["displayName"]
            groups[g["displayName"]] = g
        members = {name: sorted(by_id[m["value"]] for m in org.get("/Groups/" + g["id"]).json.get("members", []))
                   for name, g in groups.items()}
        return {n: {k: v for k, v in u.items() if k not in ("meta", "id", "schemas", "groups")}
                for n, u in users.items()}, members

    # ---- JSON lines ----

    def test_json_lines(self):
        text = "\n".join(json.dumps(line) for line in [
            {"schemas": [USER], "userName": "ada", "externalId": "1", "title": "Chief"},
            {"schemas": [USER], "userName": "bob", "externalId": "2"},
            {"schemas": [GROUP], "displayName": "crew", "members": [{"value": "1"}, {"value": "bob"}]}])
        done = self.sync("a.jsonl", text)
        expected = counts(User={"create": 2}, Group={"create": 1, "addMembers": 2})
        self.assertEqual(done["counts"], expected)
        self.assertEqual(self.found()[1], {"crew": ["ada", "bob"]})
        again = self.sync("a.jsonl", text)
        self.assertEqual(again, {"revision": done["revision"],
                                 "counts": counts(User={"unchanged": 2}, Group={"unchanged": 1})})
        # users alone
        self.assertEqual(self.sync("b.jsonl", text.split("\n")[0], "--users-only")["counts"],
                         counts(User={"unchanged": 1, "remove": 1}))
        self.assertEqual(self.found()[1], {"crew": ["ada"]})
        self.assertEqual(self.sync("", "", stdin=text)["counts"]["User"]["create"], 1)

    def test_dry_run(self):
        self.sync("a.jsonl", json.dumps({"schemas": [USER], "userName": "ada", "title": "x"}))
        before, revision = self.found(), self.sync("a.jsonl", "", "--dry-run")["revision"]
        plan = self.sync("b.jsonl", json.dumps({"schemas": [USER], "userName": "ada", "title": "y"}) + "\n" +
                         json.dumps({"schemas": [USER], "userName": "bob"}), "--dry-run")
        self.assertEqual(plan["counts"], counts(User={"change": 1, "create": 1}))
        self.assertEqual(plan["samples"], [
            {"action": "change", "type": "User", "name": "ada", "data": 'title: "x" -> "y"'},
            {"action": "create", "type": "User", "name": "bob", "data": ""}])
        self.assertEqual(self.found(), before)
        self.assertEqual(self.sync("a.jsonl", "", "--dry-run")["revision"], revision)

    def test_wrong_lines_and_options(self):
        good = json.dumps({"schemas": [USER], "userName": "ada"}) + "\n"
        self.wrong("a.jsonl", good + "{\n" + good, "line 2")
        self.wrong("a.jsonl", good + "\n\n" + good, "line 4", "the same as on line 1")
        self.wrong("a.jsonl", good, "match", options=("--match", "nothing"))
        self.wrong("a.jsonl", good, "no such attribute", options=("--filter", "x y z"))
        self.wrong("a.jsonl", good, "--format", options=("--format", "xml"), code=2)
        self.wrong("a.jsonl", good, "--map", options=("--map", "/dev/null"), code=2)
        for arguments, code, word in ((["--org", "nobody"], 1, "nobody"), ([], 2, "--org"),
                                      (["--org", self.org_at_hand.key, "--connection", "none"], 1, "none")):
            done = self.daemon.run_ctl("sync", "--from", self.file("a.jsonl", good), "--yes", *arguments)
            self.assertEqual((done.returncode, word in done.stderr), (code, True), done)
        done = self.daemon.run_ctl("sync", "--org", self.org_at_hand.key, "--from", "/nonexistent/x.csv", "--yes")
        self.assertEqual((done.returncode, "/nonexistent/x.csv" in done.stderr), (1, True), done)
        done = self.daemon.run_ctl("sync", "--org", self.org_at_hand.key, "--from", self.file("a.jsonl", good))
        self.assertEqual((done.returncode, "--yes" in done.stderr), (2, True), done)

    def test_the_guard_stands(self):
        people = [{"schemas": [USER], "userName": f"u{n}"} for n in range(200)]
        self.sync("a.jsonl", "\n".join(map(json.dumps, people)))
        self.wrong("b.jsonl", "\n".join(map(json.dumps, people[:100])), "guard")
        self.assertEqual(len(self.found()[0]), 200)

    def test_asked_on_a_terminal(self):
        path = self.file("a.csv", "userName\nada\n")
        for answer, status in ((b"n\n", 1), (b"y\n", 0)):
            here, there = pty.openpty()
            process = subprocess.Popen(
                [self.daemon.rosterctl, "--data", str(self.daemon.data), "sync", "--org", self.org_at_hand.key,
                 "--connection", "main", "--from", str(path)], stdin=there, stdout=there, stderr=there)
            os.close(there)
            os.write(here, answer)
            shown = b""
            while True:
                try:
                    more = os.read(here, 65536)
                except OSError:
                    break
                if not more:
                    break
                shown += more
            os.close(here)
            self.assertEqual(process.wait(30), status, shown)
            self.assertIn(b"1 to be made", shown)
            self.assertIn(b"Do it?", shown)
            self.assertEqual(list(self.found()[0]), ["ada"] if status == 0 else [])
        self.assertIn(b"[", shown)  # a bar

    def test_without_a_daemon(self):
        daemon = Daemon()
        self.addCleanup(daemon.remove)
        daemon.ctl("org", "create", "acme")
        path = self.file("a.csv", "userName,externalId\nada,1\n")
        done = daemon.ctl("sync", "--org", "acme", "--from", path, "--yes")
        self.assertEqual(done["counts"], counts(User={"create": 1}))

    # ---- CSV ----

    def test_csv_with_a_header_of_attributes(self):
        text = ('\ufeffuserName,externalId,displayName,emails[work],emails[home],active,name.givenName,department,groups\r\n'
                'ada,1,"Ada ""L"", Countess",ada@work,ada@home,true,Ada,Ops,crew\r\n'
                'bob,2,"two\r\nlines",,,0,Bob,,\r\n'
                '\r\n'
                'eve,3,,,,YES,,,crew\r\n')
        self.assertEqual(self.sync("a.csv", text)["counts"],
                         counts(User={"create": 3}, Group={"create": 1, "addMembers": 2}))
        users, members = self.found()
        self.assertEqual(users["ada"], {
            "userName": "ada", "externalId": "1", "displayName": 'Ada "L", Countess', "active": True,
            "emails": [{"value": "ada@work", "type": "work", "primary": True}, {"value": "ada@home", "type": "home"}],
            "name": {"givenName": "Ada"}, ENTERPRISE: {"department": "Ops"}})
        self.assertEqual(users["bob"], {"userName": "bob", "externalId": "2", "displayName": "two\r\nlines",
                                        "active": False, "name": {"givenName": "Bob"}})
        self.assertEqual(members, {"crew": ["ada", "eve"]})
        self.assertEqual(self.sync("a.csv", text)["counts"], counts(User={"unchanged": 3}, Group={"unchanged": 1}))

    def test_csv_with_a_mapping(self):
        mapping = self.file("hr.map", """
# how the HR system calls things
separator = ";"
userName = Login or Personal No
externalId = Personal No
displayName = Full Name
active = Status is "A"
userType = "Employee"
emails[work] = Mail split ","
groups = Teams split "|"
""")
        text = ('Personal No;Full Name;Login;Status;Mail;Teams;Salary\n'
                '17;Ada L;ada;A;a@x.org, b@x.org;one|two |;1\n'
                '18;"Semi;colon";;X;;two;2\n')
        self.sync("a.csv", text, "--map", mapping)
        users, members = self.found()
        self.assertEqual(users["ada"], {
            "userName": "ada", "externalId": "17", "displayName": "Ada L", "active": True, "userType": "Employee",
            "emails": [{"value": "a@x.org", "type": "work", "primary": True}, {"value": "b@x.org", "type": "work"}]})
        self.assertEqual(users["18"], {"userName": "18", "externalId": "18", "displayName": "Semi;colon",
                                       "active": False, "userType": "Employee"})
        self.assertEqual(members, {"one": ["ada"], "two": ["18", "ada"]})

    def test_csv_without_groups_leaves_groups_alone(self):
        self.org_at_hand.group("mine")
        self.sync("a.csv", "userName\nada\n")
        self.assertEqual(self.found()[1], {"mine": []})

    def test_wrong_csv(self):
        for text, *words in (
                ('userName\nada\n"b"x\n', "line 3", "closing quote"), ('userName\na"b\n', "line 2", "quote"),
                ('userName\n"ada\nbob\n', "line 4", "does not end"), ("userName,title\nada\n", "line 2", "1 fields", "2"),
                ("userName,nonsense\na,b\n", "column 2", "nonsense", "--map"), ("title\na\n", "userName"),
                ("userName,userName\na,b\n", "column 2", "twice"), ("userName,active\nada,maybe\n", "line 2", "maybe"),
                ("userName,password\na,b\n", "password"), ("userName,name\na,b\n", "name one of them"), ("", "header"),
                ("userName,title\nada,x\n\nada,y\n", "line 4", "line 2"), ("userName\nada\rbob\n", "line 2", "carriage"),
                (b"userName,title\nada,\xff\n", "line 2", "UTF-8"), ("userName\n" + "x" * 2000 + "\n", "line 2", "userName")):
            with self.subTest(text[:60]):
                self.wrong("a.csv", text, *words)

    def test_wrong_mappings(self):
        for mapping, *words in (
                ("userName", "line 1", "ATTRIBUTE = COLUMN"), ("userName = a\nnothing = b", "line 2", "nothing"),
                ("userName = a\nuserName = b", "line 2", "twice"), ("title = a", "userName"),
                ("userName = a\ntitle[work] = b", "line 2", "type"), ("userName = a\nseparator = ;", "line 2", "separator"),
                ('userName = a is "x"', "line 1", "true or false"), ("userName = zzz", "line 1", "zzz"),
                ("userName = a\nmeta.created = b", "line 2", "can't be set"), ("userName =", "line 1", "nothing stands"),
                ('userName = a\ngroups = b split "ab"', "line 2", "one character"),
                ("userName = a\ngroup.displayName = b", "line 2", "groups = COLUMN")):
            with self.subTest(mapping):
                self.wrong("a.csv", "a,b\nada,x\n", *words, options=("--map", self.file("m", mapping)))

    def test_csv_as_python_writes_it(self):
        """Any text in any field, quoted by another program."""
        r = random.Random(5)
        rows = [(f"u{n}", "".join(r.choice('ab,"\n\r;é ') for _ in range(r.randrange(12)))) for n in range(300)]
        out = io.StringIO(newline="")
        writer = csv.writer(out)
        writer.writerow(("userName", "title"))
        writer.writerows(rows)
        self.sync("a.csv", out.getvalue())
        users = self.found()[0]
        for name, title in rows:
            self.assertEqual(users[name].get("title", ""), title.strip(" "), (name, title))

    # ---- LDIF ----

    LDIF = """version: 1
# people
dn: dc=example,dc=org
objectClass: dcObject

dn: uid=ada, ou=People,dc=example,dc=org
objectClass: top
objectClass: inetOrgPerson
uid: ada
cn:: %s
sn: Lovelace
givenName: Ada
mail: ada@example.org
mail: countess@example.org
title: first part,
  second part
cn;lang-de: Gräfin
entryUUID: 5c1e7e5a-0001

#comment
# folded
 comment

dn: uid=bob,ou=People,dc=example,dc=org
objectClass: inetOrgPerson
uid: bob
cn: Bob
sn: B
entryUUID: 5c1e7e5a-0002
telephoneNumber: +1 2

dn: cn=Crew,ou=Groups,dc=example,dc=org
objectClass: groupOfNames
cn: Crew
member: UID=Ada,OU=people,DC=example,DC=org
member: uid=bob, ou=People, dc=example, dc=org

dn: cn=All,ou=Groups,dc=example,dc=org
objectClass: groupOfUniqueNames
cn: All
uniqueMember: cn=crew,ou=groups,dc=example,dc=org

dn: cn=posix,ou=Groups,dc=example,dc=org
objectClass: posixGroup
cn: posix
memberUid: bob
""" % base64.b64encode("Ada Gräfin".encode()).decode()

    def test_ldif(self):
        for ends in ("\n", "\r\n"):
            self.org_at_hand = self.org()
            text = self.LDIF.replace("\n", ends)
            self.assertEqual(self.sync("a.ldif", text)["counts"],
                             counts(User={"create": 2}, Group={"create": 3, "addMembers": 4}))
            users, members = self.found()
            self.assertEqual(users["ada"], {
                "userName": "ada", "externalId": "5c1e7e5a-0001", "displayName": "Ada Gräfin",
                "name": {"givenName": "Ada", "familyName": "Lovelace"}, "title": "first part, second part",
                "emails": [{"value": "ada@example.org", "type": "work", "primary": True},
                           {"value": "countess@example.org", "type": "work"}]})
            self.assertEqual(members, {"Crew": ["ada", "bob"], "All": ["Crew"], "posix": ["bob"]})
            self.assertEqual(self.sync("a.ldif", text)["counts"], counts(User={"unchanged": 2}, Group={"unchanged": 3}))

    def test_ldif_with_a_mapping(self):
        mapping = self.file("m", "userName = mail\nexternalId = entryUUID\ndisplayName = cn\ngroup.displayName = cn\n"
                                 "group.members = member\n")
        text = self.LDIF.replace("uid: bob\n", "uid: bob\nmail: bob@example.org\n")
        self.sync("a.ldif", text, "--map", mapping)
        users, members = self.found()
        self.assertEqual(sorted(users), ["ada@example.org", "bob@example.org"])
        self.assertEqual(members, {"Crew": ["ada@example.org", "bob@example.org"], "All": [], "posix": []})

    def test_wrong_ldif(self):
        entry = "dn: uid=a,dc=x\nobjectClass: inetOrgPerson\nuid: a\nsn: a\ncn: a\n"
        for text, *words in (
                (entry + "\ndn: uid=b,dc=x\nchangetype: add\nuid: b\n", "line 8", "changetype"),
                (entry + "\ndn: uid=b,dc=x\ncontrol: 1.2\n", "line 8", "control"),
                (entry + "jpegPhoto:< file:///etc/passwd\n", "line 6", "URL"), (entry + "title:: ###\n", "line 6", "base64"),
                (entry + "nonsense\n", "line 6", "LDIF"), ("uid: a\n", "line 1", "dn"),
                (entry + "\nuid: b\n", "line 7", "dn"),
                (entry + "\n# c\n\ndn: uid=b,dc=x\nobjectClass: person\nuid: A\nsn: b\n", "line 9", "the same as on line 1"),
                (entry + "title:: " + base64.b64encode(b"\xff").decode() + "\n", "line 1", "UTF-8"),
                (entry + "\ndn: cn=g\nobjectClass: groupOfNames\ncn: g\nmember: uid=z,dc=x\n", "line 7", "uid=z,dc=x")):
            with self.subTest(text[-60:]):
                self.wrong("a.ldif", text, *words)
        self.wrong("a.ldif", entry, "--match id", options=("--match", "id"), code=2)


if __name__ == "__main__":
    main()
