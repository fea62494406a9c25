"""The Python client's lists, records and sync with the daemon, compared with SCIM over HTTPS and a plain model."""

import contextlib
import io
import uuid

import known
from known import DaemonTest, SiteTest, harness, roster


class TestLists(SiteTest):
    permissions = ("org.check", "team.view", "member.view")

    def whole(self, ask, **more):
        """The list at once; the same must come page by page, each from a cursor, on connections of their own."""
        whole = list(ask(self.asker, **more))
        for size in (1, 3):
            pages, cursor = [], None
            while True:
                listing = ask(self.client(self.token, self.site.org), limit=size, cursor=cursor, **more)
                page = list(listing)
                self.assertLessEqual(len(page), size)
                pages += page
                cursor = listing.cursor
                if cursor is None:
                    break
            self.assertEqual(pages, whole)
        return whole

    def test_groups_of(self):
        names = {it["id"]: it["displayName"] for it in self.site.groups}
        for who in self.site.users + self.site.groups:
            subject = roster.Subject(id=uuid.UUID(who["id"]), kind=roster.TEAM if who["id"] in names else roster.MEMBER)
            for direct in (False, True):
                found = self.whole(lambda client, **more: client.groups_of(subject, direct=direct, names=True, **more))
                self.assertEqual({str(it.id): (it.kind, it.name, it.direct) for it in found}, {
                    group: (roster.GROUP, names[group], who["id"] in self.site.members[group])
                    for group in self.site.held(who["id"], nested=not direct)})
                self.assertEqual([it.direct for it in found], sorted((it.direct for it in found), reverse=True))

    def test_members_of(self):
        names = {it["id"]: it.get("userName") or it["displayName"] for it in self.site.users + self.site.groups}
        for group in self.site.groups:
            found = self.whole(lambda client, **more: client.members_of(uuid.UUID(group["id"]), direct=True, names=True, **more))
            self.assertEqual({(str(it.id), it.name) for it in found}, {(it, names[it]) for it in self.site.members[group["id"]]})
            self.assertEqual({str(it.id) for it in found if it.kind == roster.GROUP},
                             self.site.members[group["id"]] & set(self.site.members))
            found = self.whole(lambda client, **more: client.members_of(group["displayName"], **more))
            wanted = [it["id"] for it in self.site.users if group["id"] in self.site.held(it["id"])]
            self.assertEqual(sorted(str(it.id) for it in found), sorted(wanted))

    def test_permissions(self):
        """Who may what, from both sides, is what check says of each."""
        for scope in [None] + [uuid.UUID(it["id"]) for it in self.site.workspaces[:1] + self.site.projects[:2]]:
            may = {}
            for user in self.site.users:
                found = self.whole(lambda client, **more: client.permissions_of(uuid.UUID(user["id"]), scope, **more))
                may[user["id"]] = {it.permission for it in found if not it.own}
                self.assertEqual(len({(it.permission, it.own) for it in found}), len(found))
            for permission in ("content.edit", "member.edit", "workspace.view"):
                checked = self.asker.check_batch(
                    (roster.Check(uuid.UUID(user["id"])) for user in self.site.users), permission=permission, scope=scope)
                wanted = {user["id"] for user, yes in zip(self.site.users, checked) if yes}
                self.assertEqual({who for who, permissions in may.items() if permission in permissions}, wanted)
                found = self.whole(lambda client, **more: client.who_can(permission, scope, **more))
                self.assertEqual({str(it.id) for it in found} & set(may), wanted)

    def test_orgs_of(self):
        """A person's own, and somebody else's by an operator."""
        self.daemon.ctl("person", "create", "pat", "--name", "Pat", "--email", "pat@example.com", "--verified")
        person = self.daemon.ctl("person", "token", "pat")
        wanted = []
        for key in ("one", "two", "three"):
            self.daemon.ctl("org", "create", key, "--name", f"{key} & S\u00f6hne", "--owner", "pat")
            wanted.append((key, f"{key} & S\u00f6hne"))
        own = self.client(harness.find_member(person, ("token",)))
        self.assertEqual(own.connect().actor, "person")
        operator = self.client(self.operator())
        for ask in (lambda **more: own.orgs_of(**more), lambda **more: operator.orgs_of("pat", **more)):
            self.assertEqual([(it.org, it.name) for it in ask()], wanted)
            first = ask(limit=2)
            self.assertEqual(len(list(first)), 2)
            rest, = ask(cursor=first.cursor)
            self.assertEqual(rest.org, "three")
        for it in own.orgs_of():
            self.assertTrue(own.is_member(it.id, uuid.UUID(harness.NOWHERE), org=it.org).code)

    def test_not_there(self):
        for ask in (lambda: self.asker.members_of("Nowhere"), lambda: self.asker.groups_of("nobody"),
                    lambda: self.asker.who_can("content.edit", "Nowhere")):
            with self.assertRaises(roster.RosterError) as caught:
                next(ask())
            self.assertEqual(caught.exception.error, "NOT_FOUND")
        listing = self.asker.members_of(uuid.UUID(self.site.groups[0]["id"]), limit=1)
        list(listing)
        with self.assertRaises(roster.RosterError) as caught:
            next(self.asker.groups_of(self.site.users[0]["userName"], cursor=listing.cursor or b"x"))
        self.assertEqual(caught.exception.error, "INVALID_CURSOR")

    def test_while_it_changes(self):
        """A long list through cuts, while others come and go: who is in it all the time comes once."""
        crew = self.site.api.group("Crew")
        stay = [self.site.api.user(f"stay{n}")["id"] for n in range(60)]
        others = [self.site.api.user(f"other{n}")["id"] for n in range(20)]
        proxy = self.proxy()
        client = self.client(self.token, self.site.org, proxy.address)

        def change(who, op):
            path = "members" if op == "add" else f'members[value eq "{who}"]'
            more = {"value": [{"value": who}]} if op == "add" else {}
            self.assertIn(self.site.api.patch(f"/Groups/{crew['id']}", {"op": op, "path": path, **more}).status, (200, 204))
        for who in stay:
            change(who, "add")
        found, cursor = [], None
        for round in range(1000):
            who = self.random.choice(others)
            change(who, "add")
            if round % 5 == 0:
                proxy.cut()
            listing = client.members_of(uuid.UUID(crew["id"]), limit=4, cursor=cursor)
            found += [str(it.id) for it in listing]
            cursor = listing.cursor
            if cursor is None:
                break
            if self.random.random() < 0.5:
                change(self.random.choice(others), "remove")
        self.assertEqual([it for it in found if it in stay], stay)
        self.assertEqual(len(set(found)), len(found))
        self.site.api.delete("/Groups/" + crew["id"])

    def test_the_readme(self):
        """The example of the package's README, with the address and the names of here."""
        text = (known.ROOT / "tools/clients/python/README.md").read_text().split("```python\n")[1].split("```")[0]
        names = [it["displayName"] for it in self.site.groups if any(
            user["id"] in self.site.members[it["id"]] for user in self.site.users)]
        user = next(it for it in self.site.users if names[0] in [
            group["displayName"] for group in self.site.groups if it["id"] in self.site.members[group["id"]]])
        for old, new in (("127.0.0.1:8444", f"127.0.0.1:{self.daemon.roster_port}"), ("certificate.pem", harness.certificate()[0]),
                         ("rst_\u2026", self.operator()), ("acme", self.site.org.key), ("ada@example.com", user["userName"]),
                         ('"Works"', '"Works 0"'), ("Crew", names[0])):
            self.assertIn(old, text)
            text = text.replace(old, new)
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(text, {})
        lines = said.getvalue().splitlines()
        self.assertIn("direct", lines)
        self.assertTrue(any(user["userName"] in line and user["id"] in line for line in lines), lines)
        self.assertEqual(lines[-1].split()[1], str(len(self.site.api.everything("/Users"))))


class TestSync(DaemonTest):
    def setUp(self):
        super().setUp()
        self.directory = self.org()
        self.hr = self.client(self.directory.token)
        self.users = {f"e{n}": {"schemas": [harness.USER], "externalId": f"e{n}", "userName": f"user{n}", "title": "x"}
                      for n in range(40)}

    def run_sync(self, **begin):
        with self.hr.sync(**begin) as sync:
            self.assertEqual(sync.records(self.users.values()), len(self.users))
            plan = sync.plan()
            done = sync.commit()
            self.assertEqual(done.counts, plan.counts)
            return done

    def compare(self):
        """What the API shows is what was sent."""
        found = {it["externalId"]: (it["userName"], it["title"]) for it in self.directory.everything("/Users")}
        self.assertEqual(found, {key: (it["userName"], it["title"]) for key, it in self.users.items()})

    def test_whole_states(self):
        self.assertEqual(self.run_sync().counts, {("create", "User"): 40})
        self.compare()
        before = {it["id"] for it in self.directory.everything("/Users")}
        self.assertEqual(self.run_sync().counts, {("unchanged", "User"): 40})
        for key in ("e1", "e2", "e3"):
            self.users[key]["title"] = "y"
        del self.users["e4"]
        self.users["e99"] = {**self.users["e5"], "externalId": "e99", "userName": "new"}
        with self.hr.sync() as sync:
            sync.records(self.users.values())
            plan = sync.plan(limit=2)
            self.compare_samples(plan)
            done = sync.commit()
        self.assertEqual(done.counts, {("create", "User"): 1, ("change", "User"): 3, ("remove", "User"): 1, ("unchanged", "User"): 36})
        self.compare()
        self.assertEqual(len(before & {it["id"] for it in self.directory.everything("/Users")}), 39)
        self.assertGreater(done.revision, plan.revision)
        nobody = uuid.UUID(harness.NOWHERE)
        self.assertEqual(self.hr.is_member(nobody, nobody, revision=done.revision).revision, done.revision)

    def compare_samples(self, plan):
        by = {}
        for sample in plan.samples:
            by.setdefault(sample.action, []).append(sample)
            self.assertEqual(sample.type, "User")
        self.assertEqual({action: len(samples) for action, samples in by.items() if action != "unchanged"},
                         {"create": 1, "change": 2, "remove": 1})
        self.assertEqual([it.name for it in by["create"] + by["remove"]], ["new", "user4"])
        gone, = self.directory.find("/Users", 'userName eq "user4"').ids
        self.assertEqual(str(by["remove"][0].id), gone)

    def test_groups(self):
        groups = [{"schemas": [harness.GROUP], "externalId": "g1", "displayName": "All", "members": [{"value": "g2"}, {"value": "e0"}]},
                  {"schemas": [harness.GROUP], "externalId": "g2", "displayName": "Some", "members": [{"value": "e1"}, {"value": "e2"}]}]
        with self.hr.sync(match="externalId", groups=True) as sync:
            sync.records(list(self.users.values()) + groups)
            sync.plan()
            done = sync.commit()
        self.assertEqual((done.counts["create", "User"], done.counts["create", "Group"]), (40, 2))
        self.assertEqual(sum(count for (action, _), count in done.counts.items() if action == "member-add"), 4)
        asker = self.client(self.service(self.directory, "team.view"), self.directory)
        self.assertEqual([it.name for it in asker.members_of("All", names=True)], ["user0", "user1", "user2"])

    def test_what_was_not_committed(self):
        """Aborted, left, cut: nothing has changed."""
        self.run_sync()
        for end in ("abort", "leave", "break"):
            with self.hr.sync() as sync:
                sync.records(list(self.users.values())[:39])
                self.assertEqual(sync.plan().counts["remove", "User"], 1)
                if end == "abort":
                    sync.abort()
                if end == "break":
                    sync._channel.close()
                    self.assertRaises(roster.Disconnected, sync.commit)
        self.compare()

    def test_refused(self):
        self.run_sync()
        with self.hr.sync() as sync:
            with self.assertRaises(roster.RosterError) as caught:
                sync.records(['{"schemas": ["' + harness.USER + '"], "userName": 7}'])
            self.assertEqual(caught.exception.status, 400)
            self.assertRaises(roster.RosterError, sync.plan)
        with self.hr.sync() as sync:  # changed meanwhile
            sync.records(list(self.users.values())[:39])
            sync.plan()
            self.directory.user("another", externalId="e0x", title="x")
            with self.assertRaises(roster.RosterError) as caught:
                sync.commit()
            self.assertEqual(caught.exception.error, "CONFLICT")
            self.assertEqual(sync.plan().counts["remove", "User"], 2)  # plan again, and it may
            sync.commit()
        self.assertRaisesRegex(roster.RosterError, "403", self.client(
            self.service(self.directory, "org.view"), self.directory).sync)

    def test_many(self):
        """Several frames, with names that need more than a byte a letter."""
        self.users = {f"e{n}": {"schemas": [harness.USER], "externalId": f"e{n}", "userName": f"user{n}", "title": "\u00fc" * 150}
                      for n in range(3000)}
        self.assertEqual(self.run_sync().counts, {("create", "User"): 3000})
        self.compare()


if __name__ == "__main__":
    harness.main()
