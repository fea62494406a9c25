#!/usr/bin/env python3
"""libroster against rosterd: the same answers as over HTTPS, and a mirror that is the server's equal after random changes, cuts and
restarts."""

import json
import os
import pathlib
import queue
import random
import signal
import subprocess
import tempfile
import threading

from harness import PATCH, SANITIZER, Api, SystemTest, certificate, find_member, main
from roster_script import OUT, Driver

OURS = "urn:rosterd:scim:schemas:core:1.0:"
STEPS = int(os.environ.get("ROSTER_STEPS", "60"))
NOBODY = "01890a5d-ac96-774b-bcce-b302099a8057"


def field(name):
    return str(OUT[name][0])


class WithDaemon(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator = find_member(cls.daemon.ctl("token", "create", "--operator"), ("token", "secret"))
        cls.made = 0

    def fresh(self):
        type(self).made += 1
        key = f"lib{self.made}"
        self.daemon.ctl("org", "create", key)
        org = Api(f"{self.daemon.url}/orgs/{key}/scim/v2", self.operator, cafile=certificate()[0])
        org.key = key
        self.addCleanup(org.close)
        return org

    def driver(self, org, token=None, **options):
        driver = Driver(self.daemon.roster_port, token=token or self.operator, org=org.key, **options)
        self.addCleanup(driver.end)
        self.assertEqual(driver.opened, {"ok": True})
        return driver

    def asked(self, driver, function, **request):
        driver.call(function, **request)
        said = driver.next()
        self.assertNotIn("error", said)
        return said


class Questions(WithDaemon):
    def test_checks_and_memberships(self):
        org = self.fresh()
        users = [org.user(f"u{n}")["id"] for n in range(4)]
        crew = org.group("Crew", members=users[:2])["id"]
        fleet = org.group("Fleet", members=[crew, users[2]])["id"]
        driver = self.driver(org)
        wanted = {(0, crew): 40, (0, fleet): 41, (2, fleet): 40, (2, crew): 42, (3, fleet): 42}
        for (user, group), code in wanted.items():
            said = self.asked(driver, "is_member", subject_id=users[user], group_id=group)
            self.assertEqual((said["result"], said["answer"][field("code")]), (code < 42, code))
        said = self.asked(driver, "is_member_batch", group_id=fleet,
                          items=[{"subject_id": users[n % 4]} for n in range(25000)])
        self.assertTrue(said["codes"] == [(41, 41, 40, 42)[n % 4] for n in range(25000)])
        said = self.asked(driver, "check", subject_id=users[0], permission="member.view", explain=1)
        self.assertIn(field("reason"), said["answer"])
        self.assertEqual(self.asked(driver, "check", subject_id=NOBODY, permission="member.view")["answer"][field("code")], 16)
        driver.call("check", subject_id=users[0])
        error = driver.next()["error"]
        self.assertEqual((error["status"], error["name"], error["field"]), (400, "INVALID_VALUE", "permission"))
        self.assertEqual(driver.ask(do="ping"), {"ok": True})
        driver.call("stats")
        counts = {item[field("name")]: item.get(field("count"), 0) for item in driver.next()["told"]}
        self.assertEqual((counts["users"], counts["groups"], counts["memberships"]), (4, 2, 4))

    def test_a_thousand_at_once(self):
        org = self.fresh()
        ada = org.user("ada")["id"]
        crew = org.group("Crew", members=[ada])["id"]
        driver = self.driver(org)
        driver.start("x", "is-member", times=2000, subject_id=ada, group_id=crew)
        said = [driver.next() for _ in range(2000)]
        self.assertTrue(all(line["answer"][field("code")] == 40 for line in said))

    def test_a_token_that_is_none(self):
        driver = self.driver(self.fresh(), token="rst_" + "A" * 43)
        driver.call("check", subject="a", permission="member.view")
        self.assertEqual(driver.next()["error"]["name"], "UNAUTHORIZED")


class MirrorTest(WithDaemon):
    def head(self, driver):
        driver.call("stats")
        return {item[field("name")]: item.get(field("count"), 0) for item in driver.next()["told"]}["revision"]

    def drained(self, driver):
        """Without the lines in which the mirror tells its revisions."""
        while True:
            line = driver.next()
            if "mirror" not in line:
                return line

    def change(self, org, rng, users, groups):
        kind = rng.randrange(12)
        if kind == 0:
            users.append(org.user(f"n{rng.random()}")["id"])
        elif kind == 1 and len(users) > 6:
            self.assertEqual(org.delete(f"/Users/{users.pop(rng.randrange(len(users)))}").status, 204)
        elif kind == 2:
            groups.append(org.group(f"n{rng.random()}")["id"])
        elif kind == 3 and len(groups) > 4:
            self.assertEqual(org.delete(f"/Groups/{groups.pop(rng.randrange(len(groups)))}").status, 204)
        else:
            group, member = rng.choice(groups), rng.choice(users + groups)
            if kind < 9:
                operation = {"op": "add", "path": "members", "value": [{"value": member}]}
            else:
                operation = {"op": "remove", "path": f'members[value eq "{member}"]'}
            reply = org.request("PATCH", f"/Groups/{group}", {"schemas": [PATCH], "Operations": [operation]})
            self.assertIn(reply.status, (200, 204, 400, 409), reply)  # cycles are refused, and what is not there


class Mirrors(MirrorTest):
    def test_random_changes(self):
        org = self.fresh()
        users = [org.user(f"u{n}")["id"] for n in range(12)]
        groups = [org.group(f"g{n}")["id"] for n in range(6)]
        org.patch(f"/Groups/{groups[0]}", {"op": "add", "path": "members", "value": [{"value": users[0]}]})
        rng = random.Random(int(os.environ.get("ROSTER_SEED", "7")))
        driver, asking = self.driver(org), self.driver(org)
        driver.say(do="mirror", options={"memberships": True, "heartbeat": 1000})
        self.assertEqual(self.drained(driver), {"ok": True})
        for step in range(STEPS):
            self.change(org, rng, users, groups)
            if step % 20 == 19:
                org.close()
                self.daemon.end()
                self.daemon.start()
            if step % 5 == 4 or step == STEPS - 1:
                self.compare(driver, asking, users, groups)

    def compare(self, driver, asking, users, groups):
        revision = self.head(asking)
        driver.say(do="mirror_state", revision=revision, timeout_ms=8000)
        state = self.drained(driver)
        self.assertTrue(state["there"], state)
        self.assertEqual(state["revision"], revision)
        pairs = [(member, group) for member in users + groups for group in groups]
        for direct in (False, True):
            driver.say(do="mirror_ask", pairs=pairs, direct=direct)
            mirrored = self.drained(driver)["are"]
            asking.call("is_member_batch", items=[
                {"subject_id": member, "group_id": group, "direct": int(direct), "subject_kind": 2 if member in groups else 0}
                for member, group in pairs])
            self.assertEqual(mirrored, [int(code in (40, 41)) for code in asking.next()["codes"]])
        asking.call("stats")
        counts = {item[field("name")]: item.get(field("count"), 0) for item in asking.next()["told"]}
        self.assertEqual([counts[name] for name in ("users", "groups", "memberships")],
                         [state[name] for name in ("users", "groups", "memberships")])


class PermissionMirrors(MirrorTest):
    """Who may do what, by roles of people and of teams, nesting and deactivation, as check tells it."""

    ROLES = ("org/admin", "workspace/editor", "workspace/viewer")

    def assign(self, org, principal, role, scope):
        body = {"schemas": [OURS + "Assignment"], "principal": {"value": principal}, "role": role}
        if not role.startswith("org/"):
            body["scope"] = {"value": scope}
        reply = org.post("/Assignments", body)
        self.assertIn(reply.status, (201, 400, 409), reply)  # teams hold no roles of the org
        return [reply.json["id"]] if reply.status == 201 else []

    def test_random_changes(self):
        org = self.fresh()
        users = [org.user(f"u{n}")["id"] for n in range(8)]
        groups = [org.group(f"g{n}")["id"] for n in range(4)]
        works = self.ok(org.post("/Workspaces", {"schemas": [OURS + "Workspace"], "displayName": "Works"}), 201)["id"]
        rng = random.Random(int(os.environ.get("ROSTER_SEED", "11")))
        driver, asking = self.driver(org), self.driver(org)
        views = [{"permission": "org.rename"}, {"permission": "content.edit", "scope_id": works},
                 {"permission": "content.view", "scope": "Works"}]
        driver.say(do="mirror", options={"permissions": views, "heartbeat": 1000})
        self.assertEqual(self.drained(driver), {"ok": True})
        assignments, seen = [], set()
        for step in range(STEPS):
            kind = rng.randrange(8)
            if kind < 3:
                assignments += self.assign(org, rng.choice(users + groups), rng.choice(self.ROLES), works)
            elif kind == 3 and assignments:
                org.delete(f"/Assignments/{assignments.pop(rng.randrange(len(assignments)))}")
            elif kind == 4:
                self.ok(org.patch(f"/Users/{rng.choice(users)}",
                                  {"op": "replace", "path": "active", "value": rng.random() < 0.6}))
            else:
                self.change(org, rng, users, groups)
            if step % 5 == 4:
                self.agree(driver, asking, views, users, seen)
        self.assertEqual(seen, {0, 1})

    def agree(self, driver, asking, views, users, seen):
        driver.say(do="mirror_state", revision=self.head(asking), timeout_ms=8000)
        state = self.drained(driver)
        self.assertTrue(state["there"], state)
        for number, view in enumerate(views):
            driver.say(do="mirror_ask", number=number, pairs=[[user] for user in users])
            mirrored = self.drained(driver)["are"]
            asking.call("check_batch", items=[{"subject_id": user, **view} for user in users])
            self.assertEqual(mirrored, [int(code == 1) for code in asking.next()["codes"]])
            seen |= set(mirrored)


class Syncs(WithDaemon):
    def step(self, driver, step, **more):
        driver.say(do="sync", step=step, **more)
        return driver.next()

    def counts(self, said):
        return {(item[field("action")], item[field("type")]): item[field("count")] for item in said["told"]
                if field("name") not in item and item.get(field("count"))}

    def test_a_directory_sends_its_state(self):
        org = self.fresh()
        self.daemon.ctl("connection", "create", org.key, "hr")
        driver = self.driver(org)
        state = "".join(json.dumps({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": f"u{n}",
                                    "externalId": str(n)}) + "\n" for n in range(2000))
        for created in (2000, 0):
            sync = self.step(driver, "begin", request={"connection": "hr"})["sync"]
            self.assertEqual(self.step(driver, "records", sync=sync, data=state)["count"], 2000)
            plan = self.counts(self.step(driver, "plan", sync=sync))
            self.assertEqual(plan, {(1 if created else 4, "User"): 2000})
            self.assertNotIn("error", self.step(driver, "commit", sync=sync))
        self.assertEqual(org.get("/Users?count=0")["totalResults"], 2000)
        sync = self.step(driver, "begin", request={"connection": "hr"})["sync"]
        self.assertNotIn("error", self.step(driver, "abort", sync=sync))
        self.assertEqual(self.step(driver, "plan", sync=sync)["error"]["status"], 404)


class Certificates(WithDaemon):
    """The certificate says who the client is: no token."""

    def with_authority(self):
        org = self.fresh()
        settings = org.get("/Settings").json["Resources"][0]["id"]
        self.assertIn(org.post(f"/Settings/{settings}/.ca", {}).status, (200, 201))
        return org, org.user("ada")["id"]

    def issued(self, org, subject):
        """Options for a certificate that the organisation issued, and its id."""
        made = self.ok(org.post("/Certificates", {"schemas": [OURS + "Certificate"], "subject": {"value": subject}}), 201)
        folder = tempfile.TemporaryDirectory(prefix="roster-client-")
        self.addCleanup(folder.cleanup)
        files = {"certificate": "certificate", "private_key": "privateKey"}
        for option, member in files.items():
            pathlib.Path(folder.name, option).write_text(made[member])
        return {option: f"{folder.name}/{option}" for option in files}, made["id"]

    def with_certificate(self, org, options):
        driver = Driver(self.daemon.roster_port, **{"token": None, "org": org.key, **options})
        self.addCleanup(driver.end)
        return driver

    def refused(self, error, driver, function, **request):
        driver.call(function, **request)
        said = driver.next()["error"]
        self.assertEqual(said["name"], error, said)
        return said["message"]

    def test_of_the_organisation(self):
        org, ada = self.with_authority()
        bob, crew = org.user("bob")["id"], org.group("Crew", members=[ada])["id"]
        options, id = self.issued(org, ada)
        driver = self.with_certificate(org, options)
        self.assertEqual(driver.opened, {"ok": True})
        self.assertEqual(self.asked(driver, "is_member", subject_id=ada, group_id=crew)["answer"][field("code")], 40)
        self.assertIn("org.check", self.refused("FORBIDDEN", driver, "check", subject_id=bob, permission="member.view"))
        # It is asked anew with each connection: revoked, it opens none.
        self.ok(org.post(f"/Certificates/{id}/.revoke", {"reason": "keyCompromise"}))
        for again in (driver, self.with_certificate(org, options)):
            self.assertIn("revoked", self.refused("UNAUTHORIZED", again, "is_member", subject_id=ada, group_id=crew))

    def test_of_nobody(self):
        org, ada = self.with_authority()
        crew = org.group("Crew", members=[ada])["id"]
        strange = dict(zip(("certificate", "private_key"), certificate()))
        other, eve = self.with_authority()
        foreign, _ = self.issued(other, eve)
        for options, error in ((strange, "UNAUTHORIZED"), (foreign, "NOT_FOUND"), ({}, "UNAUTHORIZED")):
            with self.subTest(options):
                self.refused(error, self.with_certificate(org, options), "is_member", subject_id=ada, group_id=crew)

    def test_files_that_do_not_fit(self):
        org, ada = self.with_authority()
        (one, _), (two, _) = self.issued(org, ada), self.issued(org, ada)
        driver = self.with_certificate(org, {**one, "private_key": two["private_key"]})
        self.assertEqual((driver.opened["error"]["name"], driver.opened["error"]["field"]), ("BAD_REQUEST", "private_key"))


class Verbs(WithDaemon):
    """rosterctl check, members, groups, who-can, watch."""

    def way(self, **more):
        return {**os.environ, "ROSTER_SERVER": f"roster://127.0.0.1:{self.daemon.roster_port}", "ROSTER_CA": certificate()[0],
                "ROSTER_TOKEN": self.operator, **more}

    def ask(self, *arguments, code=0, **more):
        done = subprocess.run([self.daemon.rosterctl, *arguments], capture_output=True, text=True, timeout=60,
                              env=self.way(**more))
        self.assertEqual(done.returncode, code, done)
        self.assertFalse(SANITIZER.search(done.stderr), done.stderr)
        return done

    def json(self, *arguments, **more):
        return json.loads(self.ask("--json", *arguments, **more).stdout)

    def org_of_three(self):
        org = self.fresh()
        ada, bob = org.user("ada")["id"], org.user("bob")["id"]
        crew = org.group("Crew", members=[ada])["id"]
        org.group("Fleet", members=[crew, bob])
        return org, ada, bob, crew

    def test_lists(self):
        org, ada, bob, crew = self.org_of_three()
        self.assertEqual({row["name"] for row in self.json("members", org.key, "Fleet")}, {"ada", "bob"})
        self.assertEqual([(row["name"], row["kind"]) for row in self.json("members", org.key, "Fleet", "--direct")
                          if row["id"] == crew], [("Crew", "group")])
        self.assertEqual({row["name"]: row.get("how") for row in self.json("groups", org.key, "ada")},
                         {"Crew": "direct", "Fleet": "nested"})
        self.assertEqual([row["name"] for row in self.json("groups", org.key, "Crew", "--team")], ["Fleet"])
        text = self.ask("members", org.key, "Fleet").stdout
        self.assertIn("NAME", text)
        self.assertIn(ada, text)
        self.assertIn(bob, text)
        self.assertEqual(self.json("who-can", org.key, "org.rename"), [])

    def test_check(self):
        org, ada, _, _ = self.org_of_three()
        said = self.json("check", org.key, "ada", "org.rename", code=4)
        self.assertEqual((said["allowed"], said["code"]), (False, "missing"))
        self.ok(org.post("/Assignments", {"schemas": [OURS + "Assignment"],
                                          "principal": {"value": ada}, "role": "org/admin"}), 201)
        said = self.json("check", org.key, "ada", "org.rename")
        self.assertTrue(said["allowed"] and said["role"] and said["reason"])
        self.assertEqual([row["name"] for row in self.json("who-can", org.key, "org.rename")], ["ada"])
        self.assertIn(said["reason"], self.ask("check", org.key, ada, "org.rename").stdout)

    def test_what_goes_wrong_is_said(self):
        org = self.fresh()
        self.assertIn("NOT_FOUND", self.ask("--json", "members", "no-such-org", "x", code=1).stdout)
        self.assertIn("ROSTER_TOKEN", self.ask("members", org.key, "x", ROSTER_TOKEN="", code=2).stderr)
        self.assertIn("/nowhere", self.ask("members", org.key, "x", "--token-file", "/nowhere", code=2).stderr)
        self.ask("members", org.key, "x", ROSTER_TOKEN="rst_" + "A" * 43, code=1)
        self.assertIn("refused", self.ask("members", org.key, "x", "--server", "roster://127.0.0.1:1", code=3).stderr)
        self.ask("watch", org.key, "--from", "yesterday", code=2)
        self.ask("watch", org.key, "--scope", "x", code=2)
        self.ask("watch", org.key, "--memberships", "--permission", "org.rename", code=2)
        self.ask("check", org.key, "ada", code=2)

    def test_what_is_wrong_is_named(self):
        """The field at fault comes before the sentence about it, which would not be whole without."""
        org = self.fresh()
        org.user("ada")
        state = self.daemon.folder / "state.jsonl"
        state.write_text(json.dumps({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": "ada",
                                     "emails": 7}) + "\n")
        for arguments, sentence in (
                (("check", org.key, "ada", "x" * 1025), "permission: is longer than 1024 bytes"),
                (("members", org.key, "nobody"), "group: there is none of this name or id in the org"),
                (("groups", org.key, "nobody"), "subject: there is none of this name or id in the org"),
                (("who-can", org.key, "no.such"), "permission: the org's role model has none of this name"),
                (("who-can", org.key, "org.rename", "--scope", "x"), "scope: there is none of this name or id in the org"),
                (("watch", org.key, "--permission", "org.rename", "--scope", "x"),
                 "scope: is not one workspace, project or team of this org"),
                (("watch", org.key, "--from", "1000000"), "from: the org is at revision "),
                (("sync", "--org", org.key, "--from", str(state), "--yes", "--data", str(self.daemon.data)),
                 "emails.value: line 1: must be a text")):
            with self.subTest(sentence):
                self.assertTrue(self.ask(*arguments, code=1).stderr.startswith(f"rosterctl: {sentence}"))

    def test_watch(self):
        org, _, _, crew = self.org_of_three()
        cleo = org.user("cleo")["id"]
        process = subprocess.Popen([self.daemon.rosterctl, "--json", "watch", org.key], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.way())
        try:
            seen = []
            while not (seen and seen[-1].get("id") == cleo and seen[-1]["event"] == "member added"):
                if len(seen) == 1:
                    org.patch(f"/Groups/{crew}", {"op": "add", "path": "members", "value": [{"value": cleo}]})
                seen.append(json.loads(process.stdout.readline()))
            self.assertEqual(seen[-1]["group"], crew)
            self.assertEqual({event["resource"]["userName"] for event in seen if event.get("type") == "User"},
                             {"ada", "bob", "cleo"})
        finally:
            process.kill()
            process.communicate()

    def watching(self, org, *options, **more):
        """A watch on the command line, and a function that waits for so many more lines of it: (what, who, where) each."""
        process = subprocess.Popen([self.daemon.rosterctl, "--json", "watch", org.key, *options], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env=self.way(**more))
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        lines = queue.Queue()
        threading.Thread(target=lambda: [lines.put(json.loads(line)) for line in process.stdout], daemon=True).start()

        def seen(count):
            events = [lines.get(timeout=30) for _ in range(count)]
            for event in events:
                self.assertTrue(event["revision"] > 0 and event["time"] > 0, event)
            return {(event["event"], event["id"], event.get("group")) for event in events}

        def ends(code, error=None):
            """With that exit code, and when something went wrong a line about it, for programs and for people."""
            self.assertEqual(process.wait(30), code)
            said = process.stderr.read()
            self.assertFalse(SANITIZER.search(said), said)
            last = lines.get(timeout=30) if error else {}
            self.assertEqual(last.get("error"), error)
            self.assertEqual(said, f"rosterctl: {last['detail']}\n" if error else "")
            self.assertTrue(lines.empty())
        return process, seen, ends

    def test_watch_memberships(self):
        org, ada, bob, crew = self.org_of_three()
        fleet = org.find("/Groups", 'displayName eq "Fleet"').ids[0]
        token = find_member(self.daemon.ctl("token", "create", "--service", "--label", org.key, "--orgs", org.key,
                                            "--permissions", "org.watch"), ("token",))
        _, seen, ends = self.watching(org, "--memberships", ROSTER_TOKEN=token)
        self.assertEqual(seen(3), {("gained", ada, crew), ("gained", ada, fleet), ("gained", bob, fleet)})
        self.ok(org.patch(f"/Groups/{crew}", {"op": "add", "path": "members", "value": [{"value": bob}]}))
        self.assertEqual(seen(1), {("gained", bob, crew)})
        self.ok(org.patch(f"/Groups/{crew}", {"op": "remove", "path": f'members[value eq "{ada}"]'}))
        self.assertEqual(seen(2), {("lost", ada, crew), ("lost", ada, fleet)})
        # From a revision on, only what came after it.
        revision = self.json("check", org.key, "ada", "org.rename", code=4)["revision"]
        later, seen_later, ends_later = self.watching(org, "--memberships", "--from", str(revision))
        self.ok(org.delete(f"/Groups/{fleet}"), 204)
        self.assertEqual(seen(1), {("lost", bob, fleet)})
        self.assertEqual(seen_later(1), {("lost", bob, fleet)})
        later.send_signal(signal.SIGTERM)
        ends_later(-signal.SIGTERM)
        # It ends with the right to it, and says why.
        (number,) = [item["number"] for item in self.daemon.ctl("token", "list", "platform") if item["label"] == org.key]
        self.daemon.ctl("token", "revoke", "platform", str(number))
        ends(1, "UNAUTHORIZED")

    def test_watch_a_permission(self):
        org, ada, bob, crew = self.org_of_three()
        works = self.ok(org.post("/Workspaces", {"schemas": [OURS + "Workspace"], "displayName": "Works"}), 201)["id"]

        def assign(principal):
            return self.ok(org.post("/Assignments", {"schemas": [OURS + "Assignment"], "principal": {"value": principal},
                                                     "role": "workspace/editor", "scope": {"value": works}}), 201)["id"]
        assign(bob)
        _, seen, _ = self.watching(org, "--permission", "content.edit", "--scope", "Works")
        whole, seen_whole, ends_whole = self.watching(org, "--permission", "org.rename")
        self.assertEqual(seen(1), {("gained", bob, None)})
        team = assign(crew)
        self.assertEqual(seen(1), {("gained", ada, None)})
        self.ok(org.delete(f"/Assignments/{team}"), 204)
        self.assertEqual(seen(1), {("lost", ada, None)})
        self.ok(org.post("/Assignments", {"schemas": [OURS + "Assignment"], "principal": {"value": ada}, "role": "org/admin"}), 201)
        self.assertEqual((seen(1), seen_whole(1)), ({("gained", ada, None)},) * 2)
        whole.send_signal(signal.SIGINT)
        ends_whole(-signal.SIGINT)
        self.ok(org.delete(f"/Workspaces/{works}"), 204)
        self.assertEqual(seen(2), {("lost", ada, None), ("lost", bob, None)})  # nobody has it where there is nothing


if __name__ == "__main__":
    main()
