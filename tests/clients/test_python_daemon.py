"""The Python client asks the daemon. What it is told is compared with AuthZEN and SCIM over HTTPS, and with a plain model."""

import random
import threading
import time
import uuid

from known import OURS, SEED, DaemonTest, Site, SiteTest, harness, roster

PERMISSIONS = ("content.view", "content.edit", "workspace.view", "member.view", "member.edit", "org.delete", "no.such")


class TestChecks(SiteTest):
    permissions = ("org.check", "team.view", "org.usage")

    def questions(self):
        scopes = [None] + [it["id"] for it in self.site.workspaces + self.site.projects + self.site.groups[:2]] + [harness.NOWHERE]
        return [(user["id"], permission, scope) for user in self.site.users + [{"id": harness.NOWHERE}]
                for permission in PERMISSIONS for scope in scopes]

    def test_hello(self):
        who = self.asker.connect()
        self.assertEqual((who.version, who.actor), (1, "service"))
        self.assertEqual((who.max_payload, who.max_requests, who.max_items), (4 << 20, 256, 10000))
        self.assertTrue(who.server.startswith("rosterd/"))
        who = self.client(self.operator()).connect()
        self.assertEqual((who.actor, who.org), ("operator", None))
        own = self.client(self.site.org.token)  # opens one organisation, which need not be named
        self.assertEqual((own.connect().actor, own.connect().org), ("connection", self.site.org.key))
        self.assertTrue(own.is_member(uuid.UUID(self.site.users[0]["id"]), "Group 0").code)
        self.assertLess(self.asker.ping(b"x" * 1024), 5)

    def test_refused(self):
        with self.assertRaises(roster.RosterError) as caught:
            self.client("rst_wrong", self.site.org).ping()
        self.assertEqual((caught.exception.status, caught.exception.error), (401, "UNAUTHORIZED"))
        for ask, status in ((lambda: self.asker.check("a", "b", org="nowhere"), 404),
                            (lambda: self.asker.check("a", "b", revision=1 << 60), 412),
                            (lambda: self.asker.check("a", "p" * (5 << 20)), 413),
                            (lambda: self.asker.ping(b"x" * 1025), 413),
                            (lambda: self.asker.check("a" * 2000, "b"), 413),
                            (lambda: self.asker.check(roster.Subject(any="a", name="b"), "c"), 400),
                            (lambda: self.client(self.service(self.site.org, "team.view"), self.site.org).check("a", "b"), 403)):
            with self.assertRaises(roster.RosterError) as caught:
                ask()
            self.assertEqual(caught.exception.status, status, caught.exception)
            self.assertTrue(caught.exception.message)
        self.asker.ping()

    def test_client_certificate(self):
        """Without a token, a certificate that the organisation's own authority issued says who one is."""
        self.daemon.ctl("person", "create", "pat", "--name", "Pat", "--email", "pat@example.com", "--verified")
        self.daemon.ctl("org", "create", "pats", "--owner", "pat")
        token = harness.find_member(self.daemon.ctl("person", "token", "pat"), ("token",))
        owner = harness.Api(f"{self.daemon.url}/orgs/pats/scim/v2", token, cafile=harness.certificate()[0])
        self.addCleanup(owner.close)
        self.assertEqual(owner.post(f"/Settings/{owner.get('/Settings').ids[0]}/.ca", {}).status, 201)
        pat = owner.get("/Users").ids[0]
        one = owner.post("/Certificates", {"schemas": [OURS + "Certificate"], "subject": {"value": pat}})
        self.assertEqual(one.status, 201, one)
        files = [self.daemon.folder / name for name in ("pat.pem", "pat.key")]
        files[0].write_text(one["certificate"])
        files[1].write_text(one["privateKey"])
        client = self.client(None, certificate=tuple(map(str, files)))
        self.assertEqual(client.connect().org, "pats")
        self.assertEqual(client.check(uuid.UUID(pat), "org.view").code, "granted")
        self.daemon.ctl("org", "rename", "pats", "pats-new")
        renamed = self.client(None, certificate=tuple(map(str, files)), issuer="pats-new")
        self.assertEqual(renamed.check(uuid.UUID(pat), "org.view", org="pats-new").code, "granted")
        with self.assertRaises(roster.RosterError) as caught:
            self.client(None).ping()
        self.assertEqual((caught.exception.status, caught.exception.field), (401, "token"))

    def test_stats(self):
        users, groups = self.site.api.everything("/Users"), self.site.api.everything("/Groups")
        self.site.api.patch(f"/Users/{users[0]['id']}", {"op": "replace", "path": "active", "value": False})
        found = self.asker.stats()
        self.site.api.patch(f"/Users/{users[0]['id']}", {"op": "replace", "path": "active", "value": True})
        self.assertTrue(1 <= found.pop("oldest-revision") <= found["revision"])
        self.assertEqual(found.pop("revision"), self.asker.is_member("x", "y").revision - 1)
        held = sum(len(self.site.api.get(f"/Groups/{it['id']}").json.get("members", [])) for it in groups)
        self.assertEqual(found, {"users": len(users), "active-users": len(users) - 1, "groups": len(groups), "memberships": held})
        whole = self.client(self.operator()).stats()
        self.assertEqual(set(whole), {"connections", "requests", "commits", "waiting-writes"})
        self.assertGreaterEqual(whole["connections"], 2)

    def test_check_as_authzen(self):
        questions = self.questions()
        wanted = self.site.authzen(questions)
        self.assertGreater(sum(decision for _, decision in wanted), 10)
        found = self.asker.check_batch(roster.Check(uuid.UUID(who), permission, scope and uuid.UUID(scope))
                                       for who, permission, scope in questions)
        self.assertEqual([(found.code(n), found[n]) for n in range(len(found))], wanted)
        for (who, permission, scope), want in self.random.sample(list(zip(questions, wanted)), 100):
            one = self.asker.check(roster.Subject(id=uuid.UUID(who)), permission, scope and uuid.UUID(scope), explain=True)
            self.assertEqual((one.code, one.answer), want)
            self.assertTrue(one.reason)
            self.assertEqual(one.role is not None, one.answer or one.code in ("own_only", "elsewhere"), one)
            self.assertGreaterEqual(one.revision, 1)

    def test_names(self):
        """By userName, externalId, or any name; places by their names."""
        for number, user in enumerate(self.site.users):
            want = self.asker.check(uuid.UUID(user["id"]), "content.edit", uuid.UUID(self.site.projects[0]["id"]))
            for subject in (user["userName"], roster.Subject(name=user["userName"]), roster.Subject(external_id=f"e{number}")):
                for scope in ("Works 0/Tower", roster.Scope(workspace="Works 0", project="Tower")):
                    one = self.asker.check(subject, "content.edit", scope)
                    self.assertEqual((one.answer, one.code), (want.answer, want.code), (subject, scope))
        self.assertEqual(self.asker.check("nobody", "content.edit").code, "unknown_subject")

    def test_membership_as_the_plain_model(self):
        everyone = self.site.users + self.site.groups
        pairs = [(who["id"], group["id"]) for who in everyone for group in self.site.groups]
        teams = set(self.site.members)

        def question(who, group):
            return roster.Subject(id=uuid.UUID(who), kind=roster.TEAM if who in teams else roster.MEMBER)
        found = self.asker.is_member_batch(roster.IsMember(question(*pair), uuid.UUID(pair[1])) for pair in pairs)
        kinds = set()
        for number, (who, group) in enumerate(pairs):
            want = ("direct" if who in self.site.members[group] else
                    "nested" if group in self.site.held(who) else "not_member")
            kinds.add(want)
            self.assertEqual((found.code(number), found[number]), (want, want != "not_member"), (who, group))
        self.assertEqual(len(kinds), 3)
        for who, group in self.random.sample(pairs, 40):
            for direct in (False, True):
                one = self.asker.is_member(question(who, group), uuid.UUID(group), direct=direct)
                self.assertEqual(one.answer, group in self.site.held(who, nested=not direct))
        self.assertTrue(self.asker.is_member_batch(
            [roster.IsMember(roster.Subject(name=user["userName"]), "Group 0") for user in self.site.users]).codes)

    def test_read_your_writes(self):
        crew = self.site.api.group("Crew")
        for number in range(20):
            user = self.site.api.user(f"new{number}")
            done = self.site.api.patch(f"/Groups/{crew['id']}", {"op": "add", "path": "members", "value": [{"value": user["id"]}]})
            self.assertIn(done.status, (200, 204))
            revision = int(self.site.api.get(f"/Groups/{crew['id']}").headers["etag"].strip('W/"'))
            one = self.asker.is_member(uuid.UUID(user["id"]), uuid.UUID(crew["id"]), revision=revision)
            self.assertTrue(one)
            self.assertGreaterEqual(one.revision, revision)

    def test_many_threads_through_cuts(self):
        """Eight threads ask all the time, while the way to the daemon is cut; each answer is right."""
        proxy = self.proxy()
        client = self.client(self.token, self.site.org, proxy.address)
        pairs = [(who["id"], group["id"]) for who in self.site.users for group in self.site.groups]
        end = time.monotonic() + 4
        wrong, done, lost = [], [], []

        def ask(seed):
            chance = random.Random(seed)
            while time.monotonic() < end:
                who, group = chance.choice(pairs)
                try:
                    if client.is_member(uuid.UUID(who), uuid.UUID(group)).answer != (group in self.site.held(who)):
                        wrong.append((who, group))
                    done.append(1)
                except roster.Disconnected:  # cut twice
                    lost.append(1)
                except BaseException as why:
                    wrong.append(why)
                    return
        threads = [threading.Thread(target=ask, args=(SEED + n,)) for n in range(8)]
        for thread in threads:
            thread.start()
        while time.monotonic() < end:
            time.sleep(self.random.random() * 0.4)
            proxy.cut()
        for thread in threads:
            thread.join(40)
        self.assertEqual(wrong[:3], [])
        self.assertGreater(len(done), 200)
        self.assertGreater(len(done), len(lost))
        self.assertGreater(proxy.made, 3)


class TestWatch(DaemonTest):
    def write(self, site):
        """One change at random, by the API; the plain model changes alike."""
        chance = self.random.random()
        if chance < 0.3:
            site.enter()
        elif chance < 0.5:
            group = self.random.choice([it for it in site.members if site.members[it]])
            who = self.random.choice(sorted(site.members[group]))
            done = site.api.patch(f"/Groups/{group}", {"op": "remove", "path": f'members[value eq "{who}"]'})
            self.assertIn(done.status, (200, 204))
            site.members[group].discard(who)
        elif chance < 0.65:
            site.users.append(site.api.user(f"more{self.random.random()}@example.com"))
        elif chance < 0.72:
            site.groups.append(site.api.group(f"More {self.random.random()}"))
            site.members[site.groups[-1]["id"]] = set()
        elif chance < 0.8:
            here = self.random.choice((site.users, site.groups))
            gone = here.pop(self.random.randrange(len(here)))["id"]
            self.assertEqual(site.api.delete(f"/{'Users' if here is site.users else 'Groups'}/{gone}").status, 204)
            site.members.pop(gone, None)
            for members in site.members.values():
                members.discard(gone)
        else:
            user = self.random.choice(site.users)
            self.assertEqual(site.api.patch(f"/Users/{user['id']}", {
                "op": "replace", "path": "title", "value": str(self.random.random())}).status // 100, 2)

    def revision(self, client):
        return client.is_member(uuid.UUID(harness.NOWHERE), uuid.UUID(harness.NOWHERE)).revision

    def test_a_mirror_through_cuts(self):
        """After random writes and at random cuts, what the mirror holds at a revision is what the organisation was then: by the
        plain model, and at last by the API."""
        site = Site(self)
        proxy = self.proxy()
        asker = self.client(self.service(site.org, "org.watch", "team.view"), site.org)
        follower = self.client(asker._options.token, site.org, proxy.address)
        with roster.Mirror(follower, heartbeat=1) as mirror:
            for turn in range(120):
                self.write(site)
                if self.random.random() < 0.2:
                    proxy.cut()
                if turn % 4 == 0:
                    revision = self.revision(asker)
                    self.assertEqual(mirror.wait(revision, timeout=30), revision, f"seed {SEED}")
                    self.compare(mirror, site)
            mirror.wait(self.revision(asker), timeout=30)
            self.compare(mirror, site)
            for type in ("User", "Group"):
                wanted = {it["id"]: it for it in site.api.everything(f"/{type}s", excludedAttributes="members,groups")}
                self.assertEqual({it["id"]: it for it in mirror.resources(type)}, wanted)
        self.assertGreater(proxy.made, 5)

    def compare(self, mirror, site):
        held = {who["id"]: site.held(who["id"]) for who in site.users + site.groups}
        for group in site.members:
            self.assertEqual({str(it) for it in mirror.members_of(uuid.UUID(group))}, site.members[group], f"seed {SEED}")
            for who, groups in held.items():
                self.assertEqual(mirror.is_member(uuid.UUID(who), uuid.UUID(group)), group in groups)
        self.assertEqual({it["id"] for it in mirror.resources("User")}, {it["id"] for it in site.users})

    def test_each_revision_once(self):
        """From a revision on, through cuts: each has come once, in order; a second watch that was never cut tells the same."""
        site = Site(self)
        proxy = self.proxy()
        asker = self.client(self.service(site.org, "org.watch", "team.view"), site.org)
        start = self.revision(asker)
        told, stop = [], threading.Event()

        def follow():
            with self.client(asker._options.token, site.org, proxy.address).watch(start, heartbeat=1) as watch:
                for change in watch:
                    told.append(change)
                    if stop.is_set() and change.revision >= end:
                        return
        thread = threading.Thread(target=follow)
        thread.start()
        for _ in range(80):
            self.write(site)
            if self.random.random() < 0.3:
                proxy.cut()
        end = self.revision(asker)
        stop.set()
        thread.join(30)
        self.assertFalse(thread.is_alive())
        with asker.watch(start) as watch:
            whole = []
            while not whole or whole[-1].revision < end:
                whole.append(next(watch))
        self.assertEqual([(it.revision, it.events) for it in told if it.events],
                         [(it.revision, it.events) for it in whole if it.events])
        revisions = [it.revision for it in told if it.events]
        self.assertEqual(revisions, sorted(set(revisions)))
        self.assertGreater(len(revisions), 50)

    def follow(self, watch, held, until):
        """Applies what a watch of a view tells, until it is at a revision; a resync begins anew."""
        while (watch.revision or 0) < until:
            try:
                change = next(watch)
            except roster.Resync:
                continue
            if change.snapshot and change.first:
                held.clear()
            for event in change.events:
                key = (str(event.group_id), str(event.id))
                (held.add if event.event == roster.GAINED else held.discard)(key)

    def test_views_through_cuts(self):
        """Who gained and lost memberships and a permission, applied as told: what the organisation has at each revision reached."""
        site = Site(self)
        proxy = self.proxy()
        asker = self.client(self.service(site.org, "org.watch", "team.view", "org.check"), site.org)
        follower = self.client(asker._options.token, site.org, proxy.address)
        place = uuid.UUID(site.workspaces[0]["id"])
        members, able = set(), set()
        with follower.watch(view=roster.MEMBERSHIP) as one, \
                follower.watch(view=roster.PERMISSION, permission="content.edit", scope=place) as other:
            for turn in range(60):
                self.write(site)
                if self.random.random() < 0.2:
                    proxy.cut()
                if turn % 4 == 0:
                    revision = self.revision(asker)
                    self.follow(one, members, revision)
                    self.follow(other, able, revision)
                    self.assertEqual(members, {(group, who["id"]) for who in site.users for group in site.held(who["id"])},
                                     f"seed {SEED}, turn {turn}")
                    self.assertEqual({who for _, who in able}, {str(it.id) for it in asker.who_can("content.edit", place)})
        self.assertGreater(proxy.made, 4)

    def test_watch_refused(self):
        org = self.org()
        with self.client(self.service(org, "team.view"), org).watch() as watch:
            with self.assertRaises(roster.RosterError) as caught:
                next(watch)
            self.assertEqual(caught.exception.status, 403)
            self.assertIn("org.watch", caught.exception.message)


class TestRestart(DaemonTest):
    def test_the_daemon_comes_back(self):
        """Killed and started again: reads that wait meanwhile are answered, the watch goes on behind where it was."""
        org = self.org()
        crew = org.group("Crew")
        client = self.client(self.operator(), org)
        with roster.Mirror(client, heartbeat=1) as mirror:
            mirror.wait(timeout=30)
            self.daemon.kill()
            results = []
            thread = threading.Thread(target=lambda: results.append(client.is_member("nobody", uuid.UUID(crew["id"])).code))
            thread.start()
            time.sleep(0.5)
            self.assertIsNone(mirror.error)
            self.daemon.start()
            org.close()
            thread.join(30)
            self.assertEqual(results, ["unknown_subject"])
            user = org.user("ada", externalId="e1")
            done = org.patch(f"/Groups/{crew['id']}", {"op": "add", "path": "members", "value": [{"value": user["id"]}]})
            self.assertIn(done.status, (200, 204))
            one = client.is_member(uuid.UUID(user["id"]), uuid.UUID(crew["id"]))
            self.assertTrue(one)
            mirror.wait(one.revision, timeout=30)
            self.assertTrue(mirror.is_member(uuid.UUID(user["id"]), uuid.UUID(crew["id"])))


if __name__ == "__main__":
    harness.main()
