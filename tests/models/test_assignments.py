"""Assignments as records: origins, times, mapped groups, and that one member has one role in the org."""

import datetime
import json
import time

from living import GROUP, LivingTest, OURS, replaced
from harness import Org as HarnessOrg, main


def instant(seconds):
    """So many seconds from now, as a SCIM dateTime."""
    at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Assignments(LivingTest):
    def setUp(self):
        super().setUp()
        self.org_ = self.living("lab")
        self.owner = self.org_.owner
        self.reader = self.person()
        self.member = self.org_.join(self.reader)
        self.space = self.org_.make("workspace")

    def give(self, who, principal, role, scope=None, **more):
        body = {"schemas": [OURS + "Assignment"], "principal": {"value": principal}, "role": role, **more}
        if scope:
            body["scope"] = {"value": scope}
        return self.org_.send(who, "POST", "/Assignments", body)

    def sees(self, who, path):
        return self.org_.send(who, "GET", path).status == 200

    def may_edit(self, who):
        return self.org_.send(who, "PATCH", f"/Workspaces/{self.space}",
                              replaced("description", self.name("text"))).status == 200

    def origins(self, id):
        return sorted(o["type"] for o in self.org_.operate("GET", f"/Assignments/{id}")["origins"])

    def idp(self):
        """A connection of an identity provider."""
        idp = HarnessOrg(self.daemon, self.org_.key, "idp", self.daemon.connect(self.org_.key, "idp"))
        self.addCleanup(idp.close)
        return idp

    # ---- Origins ----

    def test_the_same_grant_twice_is_one_with_two_origins(self):
        first = self.allowed(self.give(self.owner, self.member, "workspace/manager", self.space))
        second = self.allowed(self.give(self.operator, self.member, "workspace/manager", self.space))
        again = self.allowed(self.give(self.owner, self.member, "workspace/manager", self.space))
        self.assertEqual({first["id"]}, {second["id"], again["id"]})
        self.assertEqual(self.origins(first["id"]), ["operator", "person"])

    def test_it_ends_with_the_last_origin(self):
        id = self.allowed(self.give(self.owner, self.member, "workspace/manager", self.space))["id"]
        self.give(self.operator, self.member, "workspace/manager", self.space)
        reply = self.org_.send(self.owner, "POST", f"/Assignments/{id}/.withdraw", {"type": "operator"})
        self.assertEqual(self.allowed(reply)["origins"][0]["type"], "person")
        self.assertTrue(self.may_edit(self.reader))
        self.assertEqual(self.org_.send(self.owner, "POST", f"/Assignments/{id}/.withdraw", {"type": "operator"}).status, 404)
        reply = self.org_.send(self.owner, "POST", f"/Assignments/{id}/.withdraw", {"type": "person"})
        self.assertEqual(reply.status, 204, reply)
        self.assertFalse(self.may_edit(self.reader))
        self.gone(self.org_.send(self.operator, "GET", f"/Assignments/{id}"))

    def test_who_may_not_take_may_not_withdraw(self):
        id = self.allowed(self.give(self.owner, self.member, "workspace/manager", self.space))["id"]
        other = self.person()
        self.org_.join(other)
        reply = self.org_.send(other, "POST", f"/Assignments/{id}/.withdraw", {"type": "person"})
        self.denied(reply, "workspace.members")
        self.assertEqual(self.origins(id), ["person"])

    def test_the_last_owner_is_not_withdrawn(self):
        [held] = self.org_.listed('/Assignments')
        reply = self.org_.send(self.owner, "POST", f"/Assignments/{held['id']}/.withdraw", {"type": "creator"})
        self.assertEqual(reply.status, 409, reply)
        self.assertIn("org/owner", reply.json["detail"])

    # ---- One role in the org ----

    def test_another_role_takes_the_place_of_the_first(self):
        first = self.allowed(self.give(self.owner, self.member, "org/contributor"))
        second = self.allowed(self.give(self.operator, self.member, "org/owner"))
        self.assertEqual(first["id"], second["id"])
        self.assertEqual(self.origins(first["id"]), ["operator"])
        roles = [a["role"] for a in self.org_.listed("/Assignments") if a["principal"]["value"] == self.member]
        self.assertEqual(roles, ["org/owner"])

    def test_the_role_ends_and_the_default_is_back(self):
        id = self.allowed(self.give(self.owner, self.member, "org/contributor"))["id"]
        self.assertTrue(self.org_.send(self.reader, "POST", "/Workspaces", {
            "schemas": [OURS + "Workspace"], "displayName": "mine"}).status == 201)
        self.assertEqual(self.org_.send(self.owner, "DELETE", f"/Assignments/{id}").status, 204)
        self.denied(self.org_.send(self.reader, "POST", "/Workspaces", {
            "schemas": [OURS + "Workspace"], "displayName": "more"}), "workspace.create")

    # ---- Times ----

    def test_in_force_exactly_between_start_and_end(self):
        id = self.allowed(self.give(self.owner, self.member, "workspace/manager", self.space,
                                    start=instant(1.2), end=instant(2.4)))["id"]
        begun = time.monotonic()
        seen = []
        while time.monotonic() - begun < 3:
            before = time.monotonic() - begun
            seen.append((before, self.may_edit(self.reader), time.monotonic() - begun))
            time.sleep(0.05)
        for before, edited, after in seen:
            if after < 1.1 or before > 2.5:
                self.assertFalse(edited, f"{before:.2f} s")
            if before > 1.3 and after < 2.3:
                self.assertTrue(edited, f"{before:.2f} s")
        self.assertTrue(any(edited for _, edited, _ in seen))
        self.assertEqual(self.org_.operate("GET", f"/Assignments/{id}")["status"], "ended")

    def test_status_can_be_filtered(self):
        later = self.allowed(self.give(self.owner, self.member, "workspace/manager", self.space, start=instant(3600)))
        reply = self.org_.send(self.owner, "GET", '/Assignments?filter=status%20eq%20%22scheduled%22')
        self.assertEqual([a["id"] for a in self.allowed(reply)["Resources"]], [later["id"]])

    def test_wrong_times(self):
        reply = self.give(self.owner, self.member, "workspace/manager", self.space, start=instant(9), end=instant(3))
        self.assertEqual(reply.status, 400, reply)
        self.assertIn("end", reply.json["detail"])
        reply = self.give(self.owner, self.member, "org/owner", end=instant(3600))
        self.assertEqual(reply.status, 400, reply)

    # ---- Groups of a connection ----

    def test_a_mapped_group_gives_its_members_the_role(self):
        idp = self.idp()
        group = idp.post("/Groups", {"schemas": [GROUP], "displayName": "Builders", "externalId": "g-1"}).json
        mapped = self.allowed(self.give(self.owner, group["id"], "workspace/manager", self.space))
        self.assertEqual([o["type"] for o in mapped["origins"]], ["mapping"])
        self.assertFalse(self.may_edit(self.reader))
        self.assertEqual(idp.patch(f"/Groups/{group['id']}", {
            "op": "add", "path": "members", "value": [{"value": self.member}]}).status, 200)
        self.assertTrue(self.may_edit(self.reader))
        self.assertEqual(idp.delete(f"/Groups/{group['id']}").status, 204)
        self.assertFalse(self.may_edit(self.reader))
        self.gone(self.org_.send(self.operator, "GET", f"/Assignments/{mapped['id']}"))

    def mapped(self, idp, name, *members):
        """A group of a connection, with who is in it."""
        group = idp.post("/Groups", {"schemas": [GROUP], "displayName": name, "externalId": self.name("g")}).json["id"]
        if members:
            self.put_in(idp, group, *members)
        return group

    def put_in(self, idp, group, *members):
        self.assertEqual(idp.patch(f"/Groups/{group}", {
            "op": "add", "path": "members", "value": [{"value": member} for member in members]}).status, 200)

    def take_out(self, idp, group, member):
        self.assertEqual(idp.patch(f"/Groups/{group}", {"op": "remove", "path": f'members[value eq "{member}"]'}).status, 200)

    def may(self, who, *spaces):
        """Who may edit which of the workspaces."""
        return [self.org_.send(who, "PATCH", f"/Workspaces/{space}", replaced("description", self.name("d"))).status == 200
                for space in spaces]

    def test_groups_and_roles_are_mapped_many_to_many(self):
        """One group to roles in two workspaces, two groups to the same role: what is had ends with the last group that gives it."""
        idp = self.idp()
        other, third = self.org_.make("workspace"), self.org_.make("workspace")
        spaces = (self.space, other, third)
        second = self.person()
        colleague = self.org_.join(second)
        builders = self.mapped(idp, "Builders", self.member)
        testers = self.mapped(idp, "Testers", self.member, colleague)
        given = {}
        for group, scopes in ((builders, (self.space, other)), (testers, (other, third))):
            for scope in scopes:
                given[group, scope] = self.allowed(self.give(self.owner, group, "workspace/manager", scope))["id"]
        self.assertEqual(len(set(given.values())), 4)
        self.assertEqual({tuple(self.origins(id)) for id in given.values()}, {("mapping",)})
        self.assertEqual(self.may(self.reader, *spaces), [True, True, True])
        self.assertEqual(self.may(second, *spaces), [False, True, True])
        self.take_out(idp, builders, self.member)
        self.assertEqual(self.may(self.reader, *spaces), [False, True, True], "by the other group")
        self.take_out(idp, testers, self.member)
        self.assertEqual(self.may(self.reader, *spaces), [False, False, False])
        self.assertEqual(self.may(second, *spaces), [False, True, True])
        self.put_in(idp, builders, self.member)
        self.assertEqual(self.may(self.reader, *spaces), [True, True, False])
        # One mapping of a group ends, the other goes on.
        self.assertEqual(self.org_.send(self.owner, "DELETE", f"/Assignments/{given[builders, self.space]}").status, 204)
        self.assertEqual(self.may(self.reader, *spaces), [False, True, False])
        self.assertEqual(idp.delete(f"/Groups/{builders}").status, 204)
        self.assertEqual(self.may(self.reader, *spaces), [False, False, False])
        self.assertEqual(self.may(second, *spaces), [False, True, True])
        left = {item["id"] for item in self.org_.listed("/Assignments") if item["principal"].get("type") == "Group"}
        self.assertEqual(left, {given[testers, other], given[testers, third]})
        self.assertEqual(self.daemon.verify(), "")

    def test_a_mapping_has_its_scope(self):
        """The same role by a mapping at a workspace and at a project: there and inside, and nowhere else."""
        org = self.living("standard")
        idp = HarnessOrg(self.daemon, org.key, "idp", self.daemon.connect(org.key, "idp"))
        self.addCleanup(idp.close)
        outside, place = org.make("workspace"), org.make("workspace")
        inner, beside = org.make("project", place), org.make("project", place)
        people = [self.person(), self.person()]
        for person, role, scope in zip(people, ("workspace/admin", "project/editor"), (place, inner)):
            group = self.mapped(idp, role, org.join(person, "org/guest"))
            self.allowed(org.send(org.owner, "POST", "/Assignments", {
                "schemas": [OURS + "Assignment"], "principal": {"value": group}, "role": role, "scope": {"value": scope}}))
        edited = [[org.send(person, "PATCH", path, replaced("description", self.name("d"))).status == 200
                   for path in (f"/Workspaces/{outside}", f"/Workspaces/{place}", f"/Projects/{inner}", f"/Projects/{beside}")]
                  for person in people]
        self.assertEqual(edited, [[False, True, True, True], [False, False, True, False]])

    def test_what_is_mapped_and_given_has_both_origins(self):
        """Somebody who has a role by hand keeps it when the mapping ends, and the other way round."""
        idp = self.idp()
        group = self.mapped(idp, "Builders", self.member)
        mapping = self.allowed(self.give(self.owner, group, "workspace/manager", self.space))["id"]
        hand = self.allowed(self.give(self.owner, self.member, "workspace/manager", self.space))["id"]
        self.take_out(idp, group, self.member)
        self.assertTrue(self.may_edit(self.reader), "by hand")
        self.put_in(idp, group, self.member)
        self.assertEqual(self.org_.send(self.owner, "DELETE", f"/Assignments/{hand}").status, 204)
        self.assertTrue(self.may_edit(self.reader), "by the mapping")
        self.assertEqual(self.org_.send(self.owner, "DELETE", f"/Assignments/{mapping}").status, 204)
        self.assertFalse(self.may_edit(self.reader))

    def test_a_connection_changes_no_team_that_holds_roles(self):
        team = self.org_.make("team")
        self.allowed(self.give(self.owner, team, "workspace/manager", self.space))
        idp = self.idp()
        reply = idp.patch(f"/Groups/{team}", {"op": "add", "path": "members", "value": [{"value": self.member}]})
        self.assertEqual(reply.status, 403, reply)
        self.assertFalse(self.may_edit(self.reader))

    def add(self, who, team, member, *before):
        return who.patch(f"/Groups/{team}", *before, {"op": "add", "path": "members", "value": [{"value": member}]})

    def test_a_label_makes_no_team_a_connections(self):
        """Whatever externalId it claims, before or in the same request: it fills no team that it did not make."""
        idp = self.idp()
        label = {"op": "replace", "path": "externalId", "value": "mine"}
        for before in ((), (label,)):
            team = self.org_.make("team")
            self.allowed(self.give(self.owner, team, "workspace/manager", self.space))
            if not before:
                self.assertEqual(idp.patch(f"/Groups/{team}", label).status, 200)
            self.assertEqual(self.add(idp, team, self.member, *before).status, 403)
        team = self.org_.make("team")
        self.allowed(self.give(self.owner, team, "workspace/manager", self.space))
        inner = idp.post("/Groups", {"schemas": [GROUP], "displayName": "Inner", "externalId": "i"}).json["id"]
        self.assertEqual(self.add(idp, team, inner).status, 403)
        put = idp.put(f"/Groups/{team}", {"schemas": [GROUP], "displayName": self.name("t"), "externalId": "o",
                                          "members": [{"value": self.member}]})
        self.assertEqual(put.status, 403, put)
        self.assertFalse(self.may_edit(self.reader))

    def test_a_group_without_a_label_is_its_connections(self):
        idp, other = self.idp(), HarnessOrg(self.daemon, self.org_.key, "hr", self.daemon.connect(self.org_.key, "hr"))
        self.addCleanup(other.close)
        group = idp.post("/Groups", {"schemas": [GROUP], "displayName": "Plain"}).json["id"]
        manager = self.person()
        self.org_.join(manager, "org/contributor")
        self.org_.assign(self.org_.member(manager), "workspace/manager", self.space)
        self.denied(self.give(manager, group, "workspace/contributor", self.space), "role.map")
        mapped = self.allowed(self.give(self.owner, group, "workspace/manager", self.space))
        self.assertEqual([o["type"] for o in mapped["origins"]], ["mapping"])
        self.assertEqual(self.add(other, group, self.member).status, 403)
        self.assertEqual(self.add(other, group, self.member, {"op": "replace", "path": "externalId", "value": "x"}).status, 403)
        self.assertFalse(self.may_edit(self.reader))
        self.assertEqual(self.add(idp, group, self.member).status, 200)
        self.assertTrue(self.may_edit(self.reader))
        again = idp.put(f"/Groups/{group}", {"schemas": [GROUP], "displayName": "Plain", "members": []})
        self.assertEqual(again.status, 200, again)
        self.assertFalse(self.may_edit(self.reader))

    def test_mappings_end_with_their_connection(self):
        """In the same commit, however they came to be; what the group's members hold themselves stays."""
        for by_hand in (False, True):
            self.setUp()
            idp = self.idp()
            other = HarnessOrg(self.daemon, self.org_.key, "hr", self.daemon.connect(self.org_.key, "hr"))
            self.addCleanup(other.close)
            groups = [who.post("/Groups", {"schemas": [GROUP], "displayName": name, "members": [{"value": self.member}]}).json["id"]
                      for who, name in ((idp, "a"), (idp, "b"), (other, "c"))]
            held = [self.allowed(self.give(self.owner, group, "workspace/manager", self.space))["id"] for group in groups]
            mine = self.allowed(self.give(self.owner, self.member, "workspace/reader", self.space))["id"]
            [connection] = [c["id"] for c in self.org_.listed("/Connections") if c["name"] == "idp"]
            if by_hand:
                self.daemon.ctl("connection", "delete", self.org_.key, "idp")
            else:
                self.assertEqual(self.org_.send(self.owner, "DELETE", f"/Connections/{connection}").status, 204)
            for id in held[:2]:
                self.gone(self.org_.send(self.operator, "GET", f"/Assignments/{id}"))
            self.assertTrue(self.may_edit(self.reader))
            self.assertEqual(other.delete(f"/Groups/{groups[2]}").status, 204)
            self.assertFalse(self.may_edit(self.reader))
            self.allowed(self.org_.send(self.reader, "GET", f"/Workspaces/{self.space}"))
            self.allowed(self.org_.send(self.operator, "GET", f"/Assignments/{mine}"))
            # They are teams now like those made by hand.
            team = self.org_.operate("GET", f"/Groups/{groups[0]}")
            self.assertEqual([m["value"] for m in team["members"]], [self.member])
            again = self.allowed(self.give(self.owner, groups[0], "workspace/manager", self.space))
            self.assertEqual([o["type"] for o in again["origins"]], ["person"])
            new = HarnessOrg(self.daemon, self.org_.key, "new", self.daemon.connect(self.org_.key, "new"))
            self.addCleanup(new.close)
            self.assertEqual(new.patch(f"/Groups/{groups[0]}", {"op": "remove", "path": "members"}).status, 403)
            self.assertEqual(self.daemon.verify(), "")

    def test_who_may_not_take_ends_no_connection_by_which_it_is_held(self):
        org = self.living("standard")
        idp = HarnessOrg(self.daemon, org.key, "idp", self.daemon.connect(org.key, "idp"))
        self.addCleanup(idp.close)
        group = idp.post("/Groups", {"schemas": [GROUP], "displayName": "Billing"}).json["id"]
        org.assign(group, "assignment/billing")
        admin = self.person()
        org.join(admin, "org/admin")
        [connection] = [c["id"] for c in org.listed("/Connections")]
        reply = org.send(admin, "DELETE", f"/Connections/{connection}")
        self.assertEqual(reply.status, 403, reply)
        self.assertIn("assignment/billing", reply.json["detail"])
        self.assertEqual(org.send(org.owner, "DELETE", f"/Connections/{connection}").status, 204)

    def test_what_an_import_makes_is_its_connections_or_as_it_was(self):
        idp = self.idp()
        line = {"schemas": [GROUP], "displayName": "Loaded"}
        done = self.daemon.run_ctl("import", self.org_.key, "--connection", "idp", stdin=json.dumps(line))
        self.assertEqual(done.returncode, 0, done)
        self.org_.make("team")
        target = self.living("lab")
        exported = self.daemon.run_ctl("export", self.org_.key).stdout
        groups = [json.loads(text) for text in exported.splitlines() if GROUP in text]
        beside = "urn:rosterd:scim:schemas:export:1.0:Resource"
        made = {group["displayName"]: group[beside]["connection"] for group in groups}
        self.assertEqual(made.pop("Loaded"), "idp")
        self.assertEqual(set(made.values()), {None})
        done = self.daemon.run_ctl("import", target.key, "--connection", "idp", "--continue", stdin=exported)
        self.assertEqual(done.returncode, 0, done)
        after = [json.loads(text) for text in self.daemon.run_ctl("export", target.key).stdout.splitlines() if GROUP in text]
        self.assertEqual({g["displayName"]: g[beside]["connection"] for g in after}, {"Loaded": "idp", **made})

    def test_a_connection_gives_no_roles(self):
        idp = self.idp()
        reply = idp.post("/Assignments", {"schemas": [OURS + "Assignment"], "principal": {"value": self.member},
                                          "role": "org/owner"})
        self.assertEqual(reply.status, 403, reply)

    # ---- What hangs on what ----

    def test_assignments_go_with_their_scope_and_their_holder(self):
        inner = self.org_.make("project", self.space)
        kept = self.allowed(self.give(self.owner, self.member, "workspace/manager", self.space))["id"]
        reply = self.org_.send(self.owner, "DELETE", f"/Workspaces/{self.space}")
        self.assertEqual(reply.status, 409, reply)
        self.assertIn("confirm=1", reply.json["detail"])
        self.assertEqual(self.org_.send(self.owner, "DELETE", f"/Workspaces/{self.space}?confirm=2").status, 409)
        self.assertEqual(self.org_.send(self.owner, "DELETE", f"/Workspaces/{self.space}?confirm=1").status, 204)
        self.gone(self.org_.send(self.operator, "GET", f"/Assignments/{kept}"))
        self.gone(self.org_.send(self.operator, "GET", f"/Projects/{inner}"))
        self.assertEqual(self.daemon.verify(), "")


if __name__ == "__main__":
    main()
