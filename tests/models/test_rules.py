"""Rules that hold in every role model, and the ways around them that somebody would try."""

import time

from living import GROUP, LivingTest, OURS, PATCH, USER, replaced
from harness import main


def moment(seconds):
    """A time so many seconds from now, to the millisecond."""
    at = time.time() + seconds
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at % 1 * 1000):03}Z"


class Rules(LivingTest):
    def post(self, org, who, type_, **attributes):
        return org.send(who, "POST", f"/{type_}s", {"schemas": [OURS + type_], **attributes})

    def give(self, org, who, principal, role, scope=None, **more):
        if scope:
            more["scope"] = {"value": scope}
        return self.post(org, who, "Assignment", principal={"value": principal}, role=role, **more)

    def helper(self, org, *permissions):
        """A member who has these permissions, by a role of the org's own, and nothing else."""
        person = self.person()
        member = org.join(person)
        path = self.name("org/h")
        self.allowed(self.post(org, self.operator, "Role", name=path, permissions=list(permissions)))
        self.allowed(self.give(org, self.operator, member, path))
        return person

    def test_in_force_exactly_between_start_and_end(self):
        org = self.living("lab")
        person, space = self.person(), org.make("workspace")
        member = org.join(person)
        edit = ("PATCH", f"/Workspaces/{space}", replaced("displayName", "mine"))
        began = time.time()
        made = self.allowed(self.give(org, org.owner, member, "workspace/manager", space, start=moment(1.5), end=moment(3.5)))
        self.assertEqual(made["status"], "scheduled")
        seen = []
        while time.time() - began < 4.5:
            before = time.time() - began
            status = org.send(person, *edit).status
            seen.append((before, status, time.time() - began))
            time.sleep(0.05)
        for before, status, after in seen:
            if after < 1.49 or before > 3.51:
                self.assertEqual(status, 403, seen)
            elif before > 1.51 and after < 3.49:
                self.assertEqual(status, 200, seen)
        self.assertTrue({200, 403} == {status for _, status, _ in seen})
        shown = self.allowed(org.send(org.owner, "GET", f"/Assignments/{made['id']}"))
        self.assertEqual(shown["status"], "ended")

    def test_one_role_in_the_org_whatever_is_scheduled(self):
        org = self.living("network")
        person = self.person()
        member = org.join(person)
        later = self.allowed(self.give(org, org.owner, member, "org/admin", start=moment(1)))
        self.denied(self.post(org, person, "Invitation", kind="email", address="a@guests.test"), "member.invite", "not yet")
        now = self.allowed(self.give(org, org.owner, member, "org/member"))
        self.assertEqual(now["id"], later["id"], "another role takes the place of the first")
        time.sleep(1.3)
        self.denied(self.post(org, person, "Invitation", kind="email", address="a@guests.test"), "member.invite", "never")
        self.allowed(self.give(org, org.owner, member, "org/admin", start=moment(600)))
        self.allowed(self.send(org.owner, "POST", f"/scim/v2/Organizations/{org.id}/.transfer", {"to": member}))
        held = [item["role"] for item in org.listed("/Assignments") if item["principal"]["value"] == member]
        self.assertEqual(held, ["org/owner"])

    def test_an_edit_without_effect_is_an_edit(self):
        """Whoever may not change a thing does not see it by changing nothing."""
        org = self.living("sandbox")
        member = self.person()
        org.join(member)
        settings = self.allowed(org.send(org.owner, "GET", "/Settings"))["Resources"][0]
        name = settings.get("displayName", org.key)
        self.allowed(org.send(org.owner, "PATCH", f"/Settings/{settings['id']}", replaced("displayName", name)))
        self.denied(org.send(member, "PATCH", f"/Settings/{settings['id']}", replaced("displayName", name)), "settings.edit")
        team = org.make("team", name="quiet")
        self.denied(org.send(member, "PATCH", f"/Groups/{team}", replaced("displayName", "quiet")), "team.edit")
        self.denied(org.send(member, "PATCH", f"/Groups/{team}", {"schemas": [PATCH], "Operations": [
            {"op": "remove", "path": f'members[value eq "{org.member(member)}"]'}]}), "team.edit")

    def test_keys_of_others_give_nothing(self):
        """Who may make keys for all, but little else, gets at nothing through a key of somebody who may more."""
        org = self.living("lab")
        helper = self.helper(org, "token.create", "token.view", "workspace.view")
        owner = org.member(org.owner)
        key = self.allowed(self.post(org, org.owner, "Token", kind="key"))
        for reply in (
                self.post(org, helper, "Token", kind="key", owner={"value": owner}),
                self.post(org, helper, "Token", kind="key", owner={"value": owner}, permissions=["*"]),
                self.post(org, helper, "Token", kind="key", owner={"value": owner}, permissions=["workspace.delete"]),
                self.post(org, helper, "Token", kind="key", owner={"value": owner}, permissions=["own:member.remove"]),
                org.send(helper, "POST", f"/Tokens/{key['id']}/.rotate", {}),
                org.send(helper, "PATCH", f"/Tokens/{key['id']}", replaced("permissions", ["member.remove"]))):
            self.assertIn(reply.status, (400, 403, 409), reply)

    def test_activating_gives_the_role(self):
        org = self.living("lab")
        second = self.person()
        member = org.join(second, "org/owner")
        helper = self.helper(org, "member.suspend", "member.view")
        for value in (False, True):
            reply = org.send(helper, "PATCH", f"/Users/{member}", replaced("active", value))
            self.assertEqual(reply.status, 403, reply)
            self.assertIn('"org/owner"', reply.json["detail"])
            org.operate("PATCH", f"/Users/{member}", replaced("active", False))

    def test_deactivating_oneself_is_suspending(self):
        """It needs the right to suspend, not the one to edit; without it the profile alone is one's own."""
        org = self.living("lab")
        second = self.person()
        member = org.join(second, "org/owner")
        narrow = self.allowed(self.post(org, second, "Token", kind="key", permissions=["member.suspend", "own:member.edit"]))["token"]
        other = self.allowed(self.post(org, second, "Token", kind="key", permissions=["own:member.edit"]))["token"]
        off = replaced("active", False)
        self.denied(org.send(other, "PATCH", f"/Users/{member}", off), "member.suspend")
        self.denied(org.send(narrow, "PATCH", f"/Users/{member}", {"schemas": [PATCH], "Operations": [
            *off["Operations"], {"op": "replace", "path": "userName", "value": "another"}]}), "member.edit")
        self.allowed(org.send(narrow, "PATCH", f"/Users/{member}", off))

    def test_nobody_becomes_an_owner_by_a_link(self):
        """Who decides which person a member is can't make an unclaimed owner their second account."""
        org = self.living("lab")
        mine = self.person()
        vacant = self.allowed(org.send(self.operator, "POST", "/Users", {
            "schemas": [USER], "userName": "vacant", "emails": [{"value": "vacant@people.test"}]}))["id"]
        self.allowed(self.give(org, self.operator, vacant, "org/owner"))
        helper = self.helper(org, "member.link", "member.edit", "member.view")
        org.send(helper, "PATCH", f"/Users/{vacant}", replaced("emails", [{"value": mine.address}]))
        reply = org.send(helper, "POST", f"/Users/{vacant}/.link", {"person": mine.id})
        self.assertIn(reply.status, (400, 403), reply)
        self.gone(org.send(mine, "GET", f"/Users/{vacant}"))

    def test_teams_are_no_way_around(self):
        """Who decides who is in a team, but may not give what the team holds, can't add anyone to it, nor to a team in it."""
        org = self.living("lab")
        helper = self.helper(org, "team.members", "team.view")
        space, team, inner, user = org.make("workspace"), org.make("team"), org.make("team"), org.make("user")
        org.enter(team, inner)
        self.allowed(self.give(org, org.owner, team, "workspace/manager", space))
        for target in (team, inner):
            reply = org.send(helper, "PATCH", f"/Groups/{target}", {"schemas": [PATCH], "Operations": [
                {"op": "add", "path": "members", "value": [{"value": user}]}]})
            self.assertEqual(reply.status, 403, reply)

    def test_connections_and_owners(self):
        """A connection does not touch who has a guarded role, until the org says that it may; never the last one."""
        org = self.living("lab")
        second = org.join(self.person(), "org/owner")
        token = self.daemon.connect(org.key, "idp")
        for method, body in (("DELETE", None), ("PATCH", replaced("active", False)), ("PATCH", replaced("title", "none"))):
            reply = org.send(token, method, f"/Users/{second}", body)
            self.assertEqual(reply.status, 403, reply)
            self.assertIn("connectionsManageGuarded", reply.json["detail"])
        settings = org.listed("/Settings")[0]["id"]
        self.allowed(org.send(org.owner, "PATCH", f"/Settings/{settings}", replaced("connectionsManageGuarded", True)))
        self.allowed(org.send(token, "DELETE", f"/Users/{second}"))
        self.assertEqual(org.send(token, "DELETE", f"/Users/{org.member(org.owner)}").status, 409)

    def test_connections_give_no_roles(self):
        org = self.living("lab")
        token, user = self.daemon.connect(org.key, "idp"), org.make("user")
        for kind, body in (("Assignment", {"principal": {"value": user}, "role": "org/owner"}),
                           ("Role", {"name": "org/all", "permissions": ["*"]}),
                           ("Token", {"kind": "key", "owner": {"value": user}}),
                           ("Invitation", {"kind": "email", "address": "x@guests.test"})):
            self.assertIn(self.post(org, token, kind, **body).status, (403, 404, 405), kind)
        space, team = org.make("workspace"), org.make("team")
        self.allowed(self.give(org, org.owner, team, "workspace/manager", space))
        reply = org.send(token, "PATCH", f"/Groups/{team}", {"schemas": [PATCH], "Operations": [
            {"op": "add", "path": "members", "value": [{"value": user}]}]})
        self.assertEqual(reply.status, 403, f"a team that nobody mapped: {reply}")

    def test_a_role_of_ones_own_making_does_not_grow(self):
        """Editing a role of the org's own is bounded as making one is; giving one needs all that it permits."""
        org = self.living("lab")
        helper = self.helper(org, "role.create", "role.edit", "role.assign", "role.view", "member.view")
        made = self.allowed(self.post(org, helper, "Role", name="org/small", permissions=["member.view"]))
        for patterns in (["*"], ["org.delete"], ["member.*"]):
            reply = org.send(helper, "PATCH", f"/Roles/{made['id']}", replaced("permissions", patterns))
            self.assertEqual(reply.status, 403, reply)
        self.allowed(self.post(org, org.owner, "Role", name="org/large", permissions=["org.delete"]))
        reply = self.give(org, helper, org.member(helper), "org/large")
        self.denied(reply, "org.delete")
        self.allowed(self.give(org, helper, org.member(helper), "org/small"))


if __name__ == "__main__":
    main()
