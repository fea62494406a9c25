"""The five organisations that shared what they need: every rule of each, as every role, over HTTPS; what is allowed and what is refused.

The rules are written out here from their descriptions. Nothing is taken from the role models: a model that says something else
than its organisation does fails."""

import time

from living import GROUP, LivingTest, OURS, PATCH, USER, replaced
from harness import in_threads, main


class Five(LivingTest):
    """An org of the class's model with an actor for each role, made once a class; tests that would spoil it make their own."""

    model = None
    roles = ()          # roles of the org; the first is the first member's
    assignments = ()    # held by somebody with the default role

    def setUp(self):
        super().setUp()
        cls = type(self)
        if "org_" not in cls.__dict__:
            cls.org_, cls.actors = self.company()
        self.o, self.a = cls.org_, cls.actors

    def company(self):
        org = self.living(self.model)
        actors = {self.roles[0]: org.owner}
        for role in self.roles[1:]:
            actors[role] = self.person()
            org.join(actors[role], f"org/{role}")
        for name in self.assignments:
            actors[name] = self.person()
            org.join(actors[name], None, [f"assignment/{name}"])
        return org, actors

    # ---- What can be tried: each gives (method, path, body) for the org's base ----

    def post(self, type_, **attributes):
        return "POST", f"/{type_}s", {"schemas": [OURS + type_], **attributes}

    def invite(self, **more):
        return self.post("Invitation", kind="email", address=self.name("guest") + "@guests.test", **more)

    def workspace(self):
        return self.post("Workspace", displayName=self.name("w"))

    def project(self, parent):
        return self.post("Project", displayName=self.name("p"), parent={"value": parent})

    def only(self, allowed, permission, attempt, actors=None, org=None, also=()):
        """Those roles may, every other is refused, and told what is missing. attempt: a request, made anew for each."""
        org, actors = org or self.o, actors or self.a
        for role, actor in actors.items():
            method, path, body = attempt()
            with self.subTest(role=role, request=f"{method} {path}", permission=permission):
                reply = org.send(actor, method, path, body)
                if role in allowed:
                    self.assertIn(reply.status, {200, 201, 204, *also}, f"{role} may {permission}: {reply}")
                else:
                    self.denied(reply, permission, f"{role} must not {permission}")

    def on_platform(self, allowed, permission, attempt, actors=None, org=None, also=()):
        actors = actors or self.a
        for role, actor in actors.items():
            method, path, body = attempt()
            with self.subTest(role=role, request=f"{method} {path}", permission=permission):
                reply = self.send(actor, method, f"/scim/v2/Organizations/{(org or self.o).id}" + path, body)
                if role in allowed:
                    self.assertIn(reply.status, {200, 201, 204, *also}, f"{role} may {permission}: {reply}")
                else:
                    self.denied(reply, permission, f"{role} must not {permission}")

    # ---- Checks ----

    def ask(self, org, actor, permission, owner=None, asker=None, kind="thing", id="x", **place):
        """A product asks about one of its things. Returns the answer."""
        me = org.member(actor)
        resource = {"type": kind, "id": id, "properties": dict(place)}
        if owner:
            resource["properties"]["owner"] = org.member(owner)
        reply = self.send(asker or org.owner, "POST", f"/orgs/{org.key}/access/v1/evaluation", {
            "subject": {"type": "user", "id": me}, "action": {"name": permission}, "resource": resource},
            headers={"Content-Type": "application/json", "Accept": "application/json"})
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def answered(self, wanted, org, actor, permission, what="", **more):
        answer = self.ask(org, actor, permission, **more)
        with self.subTest(role=what, permission=permission, **{k: str(v) for k, v in more.items()}):
            self.assertIs(answer["decision"], wanted, answer)
            if not wanted:
                self.assertEqual(answer["context"].get("missing"), permission, answer)
            else:
                self.assertIn("grant", answer["context"], answer)

    def table(self, rows, actors=None, org=None, **place):
        """permission -> the roles that have it; of all roles all cells are asked."""
        for permission, allowed in rows.items():
            for role, actor in (actors or self.a).items():
                self.answered(role in allowed, org or self.o, actor, permission, role, **place)

    # ---- What all five need ----

    def check_isolated(self):
        """Nothing of one org is visible from, or reachable through, another; one token works in each org of a person."""
        org, other = self.o, self.living(self.model)
        outsider = other.owner
        space = org.make("workspace")
        for path in ("/Users", f"/Workspaces/{space}", "/Roles", "/Settings", "/AuditEvents"):
            self.gone(org.send(outsider, "GET", path), path)
        self.gone(other.send(outsider, "GET", f"/Workspaces/{space}"), "by the id of another org")
        self.assertEqual(self.send(outsider, "POST", f"/orgs/{org.key}/access/v1/evaluation", {
            "subject": {"type": "user", "id": other.member(outsider)}, "action": {"name": "org.view"},
            "resource": {"type": "org", "id": org.key}}).status, 404)
        refused = other.send(outsider, "POST", "/Assignments", {
            "schemas": [OURS + "Assignment"], "principal": {"value": org.member(org.owner)}, "role": other.plain.first_role})
        self.assertIn(refused.status, (400, 404), refused)
        # a second membership needs no new sign-in, and ends with the next request
        member = org.join(outsider)
        self.allowed(org.send(outsider, "GET", f"/Users/{member}"))
        self.allowed(other.send(outsider, "GET", f"/Users/{other.member(outsider)}"))
        org.operate("DELETE", f"/Users/{member}")
        self.gone(org.send(outsider, "GET", f"/Users/{member}"), "after leaving")
        self.allowed(other.send(outsider, "GET", f"/Users/{other.member(outsider)}"))
        org.plain.forget(member)

    def check_keys(self):
        """A key may be a username; keys are told apart as taken, reserved, malformed and free."""
        self.person(self.o.key)
        for name, wanted in ((self.o.key, "taken"), (self.name("free-"), "free"), ("-bad-", "malformed"), ("admin", "reserved")):
            reply = self.send(None, "GET", f"/available/orgs/{name}")
            self.assertEqual(reply.status, 200, reply)
            self.assertIn(wanted, reply.json.values(), f"{name}: {reply}")

    def owner_of(self, org):
        return org.member(org.owner)

    def check_last_owner(self, role):
        """The last one can't be removed, demoted, deactivated, by anyone or any door; not by leaving either."""
        org = self.living(self.model)
        owner = self.owner_of(org)
        held = [item["id"] for item in org.listed("/Assignments") if item["principal"]["value"] == owner]
        lower = org.plain.default("org")
        connection = self.daemon.connect(org.key, self.name("idp"))
        for token in (org.owner, self.operator, connection):
            attempts = [("DELETE", f"/Users/{owner}", None), ("PATCH", f"/Users/{owner}", replaced("active", False))]
            if token != connection:
                attempts += [("DELETE", f"/Assignments/{held[0]}", None),
                             self.post("Assignment", principal={"value": owner}, role=lower)]
            for method, path, body in attempts:
                reply = org.send(token, method, path, body)
                self.assertIn(reply.status, (403, 409), f"{method} {path} {body}: {reply}")
                self.assertTrue(role in reply.json["detail"] or "guarded" in reply.json["detail"].lower()
                                or "connection" in reply.json["detail"].lower(), reply)
        self.assertEqual(org.found(), org.plain.picture())

    def check_no_self_promotion(self, weak, strong):
        """Nobody makes themselves more, directly, by invitation, through a team or a role of their own making."""
        org, actors = self.company()
        me = org.member(actors[weak])
        actor = actors[weak]
        tries = [self.post("Assignment", principal={"value": me}, role=f"org/{strong}"),
                 self.post("Invitation", kind="email", address="x@guests.test", role=f"org/{strong}"),
                 self.post("Role", name="org/mine", permissions=["*"]),
                 self.post("Token", kind="key", owner={"value": self.owner_of(org)}, permissions=["org.transfer"])]
        for method, path, body in tries:
            reply = org.send(actor, method, path, body)
            self.assertIn(reply.status, (400, 403), f"{weak}: {body}: {reply}")
        self.assertEqual(org.found(), org.plain.picture())

    def seats(self, org, count):
        self.operate("PATCH", f"/Organizations/{org.id}", replaced("limits", [{"value": "members", "max": count}]))


class Lab(Five):
    model, roles = "lab", ("owner", "contributor", "reader")

    def test_isolated(self):
        self.check_isolated()

    def test_keys(self):
        self.check_keys()

    def test_last_owner(self):
        self.check_last_owner("owner")

    def test_no_self_promotion(self):
        for weak in ("contributor", "reader"):
            self.check_no_self_promotion(weak, "owner")

    def test_owner_everything(self):
        space = self.o.make("workspace")
        self.table({"billing.view": ["owner"], "billing.edit": ["owner"], "org.delete": ["owner"], "audit.view": ["owner"],
                    "token.create": ["owner"]})
        self.only(["owner"], "token.create", lambda: self.post("Token", kind="key", permissions=["org.view"]))
        self.only(["owner"], "member.create", lambda: ("POST", "/Users", {"schemas": [USER], "userName": self.name("u")}))
        self.only(["owner"], "audit.view", lambda: ("GET", "/AuditEvents?count=1", None))
        self.only(["owner", "contributor", "reader"], "workspace.view", lambda: ("GET", f"/Workspaces/{space}", None))

    def test_contributor_manages_workspaces_and_projects(self):
        space, target = self.o.make("workspace"), self.o.make("user")
        project = self.o.make("project", space)
        can = ["owner", "contributor"]
        self.only(can, "workspace.create", self.workspace)
        self.only(can, "project.create", lambda: self.project(space))
        self.only(can, "workspace.edit", lambda: ("PATCH", f"/Workspaces/{space}", replaced("displayName", self.name("w"))))
        self.only(can, "project.edit", lambda: ("PATCH", f"/Projects/{project}", replaced("displayName", self.name("p"))))
        self.only(can, "workspace.members", lambda: self.post(
            "Assignment", principal={"value": target}, role="workspace/contributor", scope={"value": space}))
        self.only(can, "project.delete", lambda: ("DELETE", f"/Projects/{self.o.make('project', space)}", None))
        self.only(can, "workspace.delete", lambda: ("DELETE", f"/Workspaces/{self.o.make('workspace')}", None))
        elsewhere = self.o.make("workspace")
        self.only(can, "project.assign", lambda: (
            "PATCH", f"/Projects/{self.o.make('project', space)}", replaced("parent", {"value": elsewhere})))

    def test_reader_views(self):
        space = self.o.make("workspace")
        project = self.o.make("project", space)
        everybody = list(self.roles)
        self.only(everybody, "project.view", lambda: ("GET", f"/Projects/{project}", None))
        self.table({"workspace.view": everybody}, workspace=space)
        self.table({"session.view": everybody, "trace.view": everybody,
                    "session.create": ["owner", "contributor"], "trace.delete": ["owner", "contributor"]},
                   workspace=space, project=project)

    def test_invitations_by_owners_only(self):
        self.only(["owner"], "member.invite", self.invite)
        self.only(["owner"], "member.invite", lambda: self.invite(role="org/owner"))

    def test_recipient_accepts_or_rejects(self):
        org, _ = self.company()
        yes, no = self.person(), self.person()
        for person in (yes, no):
            self.allowed(org.send(org.owner, *self.post("Invitation", kind="email", address=f"{person.name}@people.test",
                                                        role="org/contributor")))
        for person, action, status in ((yes, ".accept", "accepted"), (no, ".decline", "declined")):
            waiting = self.allowed(self.send(person, "GET", "/scim/v2/Invitations"))["Resources"]
            self.assertEqual([item["organization"]["key"] for item in waiting], [org.key])
            self.allowed(self.send(person, "POST", f"/scim/v2/Invitations/{waiting[0]['id']}/{action}", {}))
            shown = org.listed("/Invitations", org.owner)
            self.assertIn(status, [item["status"] for item in shown if item["address"].startswith(person.name + "@")])
        self.allowed(org.send(yes, *self.workspace()), "a contributor since the acceptance")
        self.gone(org.send(no, "GET", "/Workspaces"))

    def test_invitations_expire(self):
        org, _ = self.company()
        late = self.person()
        soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 2))
        made = self.allowed(org.send(org.owner, *self.post(
            "Invitation", kind="email", address=f"{late.name}@people.test", expires=soon)))
        waiting = self.allowed(self.send(late, "GET", "/scim/v2/Invitations"))["Resources"]
        time.sleep(2.5)
        reply = self.send(late, "POST", f"/scim/v2/Invitations/{waiting[0]['id']}/.accept", {})
        self.assertIn(reply.status, (400, 403, 404, 409, 410), reply)
        self.assertIn("expired", reply.json["detail"])
        self.assertEqual(self.allowed(org.send(org.owner, "GET", f"/Invitations/{made['id']}"))["status"], "expired")
        self.allowed(org.send(org.owner, "POST", f"/Invitations/{made['id']}/.resend", {}), "it can be sent again")
        again = self.allowed(self.send(late, "GET", "/scim/v2/Invitations"))["Resources"]
        self.allowed(self.send(late, "POST", f"/scim/v2/Invitations/{again[0]['id']}/.accept", {}))

    def test_external_invites_can_be_switched_off(self):
        org, actors = self.company()
        settings = org.listed("/Settings")[0]["id"]
        self.only([], "settings.invitations", lambda: ("PATCH", f"/Settings/{settings}", replaced("externalInvitations", False)),
                  {role: actor for role, actor in actors.items() if role != "owner"}, org)
        self.allowed(org.send(org.owner, "PATCH", f"/Settings/{settings}", replaced("externalInvitations", False)))
        reply = org.send(org.owner, *self.invite())
        self.assertIn(reply.status, (400, 403, 409), reply)
        self.allowed(org.send(org.owner, "PATCH", f"/Settings/{settings}", replaced("externalInvitations", True)))
        self.allowed(org.send(org.owner, *self.invite()))

    def test_the_limit_of_members(self):
        org, actors = self.company()
        for actor in actors.values():
            self.assertEqual(self.send(actor, "PATCH", f"/scim/v2/Organizations/{org.id}",
                                       replaced("limits", [{"value": "members", "max": 900}])).status, 403)
        self.seats(org, 4)
        self.allowed(org.send(org.owner, *self.invite()))
        for method, path, body in (self.invite(), ("POST", "/Users", {"schemas": [USER], "userName": self.name("u")})):
            reply = org.send(org.owner, method, path, body)
            self.assertEqual(reply.status, 409, reply)
            self.assertIn('"members"', reply.json["detail"])
        shown = self.allowed(self.send(org.owner, "GET", f"/scim/v2/Organizations/{org.id}"))
        self.assertIn({"value": "members", "max": 4}, shown["limits"])

    def test_settings_and_members_are_the_owners(self):
        settings = self.o.listed("/Settings")[0]["id"]
        self.only(["owner"], "settings.edit", lambda: (
            "PATCH", f"/Settings/{settings}", replaced("displayName", self.name("Lab "))))
        self.on_platform(["owner"], "settings.edit", lambda: ("PATCH", "", replaced("displayName", self.name("Lab "))))
        self.only(["owner"], "member.role", lambda: self.post(
            "Assignment", principal={"value": self.o.make("user")}, role="org/contributor"))
        self.only(["owner"], "member.remove", lambda: ("DELETE", f"/Users/{self.o.make('user')}", None))

    def test_teams_give_access(self):
        org, actors = self.company()
        self.only(["owner"], "team.create", lambda: ("POST", "/Groups", {"schemas": [GROUP], "displayName": self.name("t")}),
                  actors, org)
        reader = actors["reader"]
        space, other, team = org.make("workspace"), org.make("workspace"), org.make("team")
        org.enter(team, org.member(reader))
        self.denied(org.send(reader, *self.project(space)), "project.create")
        self.allowed(org.send(org.owner, *self.post("Assignment", principal={"value": team}, role="workspace/contributor",
                                                    scope={"value": space})))
        self.allowed(org.send(reader, *self.project(space)), "through the team")
        self.denied(org.send(reader, *self.project(other)), "project.create", "not in another workspace")
        outer = org.make("team")
        org.enter(outer, team)
        self.allowed(org.send(org.owner, *self.post("Assignment", principal={"value": outer}, role="workspace/manager",
                                                    scope={"value": other})))
        self.allowed(org.send(reader, *self.project(other)), "through a team in a team")
        org.operate("PATCH", f"/Groups/{team}", {"schemas": [PATCH], "Operations": [
            {"op": "remove", "path": f'members[value eq "{org.member(reader)}"]'}]})
        self.denied(org.send(reader, *self.project(space)), "project.create", "not in the team any more")

    def test_sessions_and_traces_lie_in_projects(self):
        """Who may create them in a workspace may in its projects, and in no other; by a role of theirs there, or of a team."""
        org, actors = self.company()
        reader = actors["reader"]
        space, other, third = (org.make("workspace") for _ in range(3))
        projects = {place: org.make("project", place) for place in (space, other, third)}
        team = org.make("team")
        org.enter(team, org.member(reader))
        org.assign(org.member(reader), "workspace/contributor", space)
        org.assign(team, "workspace/contributor", other)
        for permission in ("session.create", "session.delete", "trace.create", "trace.delete"):
            for place, project in projects.items():
                may = place in (space, other)
                self.answered(may, org, reader, permission, "reader", kind="session", project=project)
                self.answered(may, org, reader, permission, "reader", kind="session", workspace=place)
                for role in ("owner", "contributor"):
                    self.answered(True, org, actors[role], permission, role, kind="session", project=project)
        for permission in ("session.view", "trace.view"):
            for project in projects.values():
                self.answered(True, org, reader, permission, "reader", kind="trace", project=project)
        # A project that moves takes them along.
        self.allowed(org.send(org.owner, "PATCH", f"/Projects/{projects[space]}", replaced("parent", {"value": third})))
        self.answered(False, org, reader, "session.create", "reader", kind="session", project=projects[space])

    def test_org_scoped_packages(self):
        """Visible inside their org alone: nobody of another org is told anything of it."""
        everybody = list(self.roles)
        stranger = self.living("lab").owner
        for kind in ("environment", "capability", "dataset", "model"):
            reply = self.send(stranger, "POST", f"/orgs/{self.o.key}/access/v1/evaluation", {
                "subject": {"type": "user", "id": self.o.member(self.o.owner)}, "action": {"name": f"{kind}.view"},
                "resource": {"type": kind, "id": "x"}}, headers={"Content-Type": "application/json"})
            self.gone(reply, kind)
        for kind in ("environment", "capability", "dataset", "model"):
            self.table({f"{kind}.view": everybody, f"{kind}.edit": ["owner", "contributor"]})


class Sandbox(Five):
    model, roles = "sandbox", ("owner", "member")
    assignments = ("developer", "sandboxes-admin", "snapshots-admin", "registries-admin", "volumes-admin", "super-admin", "auditor")
    config = {**LivingTest.config, "org.personal_model": "sandbox"}
    kinds = {"sandbox": "sandboxes-admin", "snapshot": "snapshots-admin", "registry": "registries-admin",
             "volume": "volumes-admin"}

    def test_isolated(self):
        self.check_isolated()

    def test_keys(self):
        self.check_keys()

    def test_last_owner(self):
        self.check_last_owner("owner")

    def test_no_self_promotion(self):
        for weak in ("member", "super-admin", "auditor"):
            self.check_no_self_promotion(weak, "owner")

    def personal(self):
        person = self.person()
        mine = self.allowed(self.send(person, "GET", "/scim/v2/Organizations"))["Resources"]
        self.assertEqual([(item["kind"], item["model"]) for item in mine], [("personal", "sandbox")])
        return person, mine[0]

    def test_personal_org(self):
        """Made at sign-up; one member; no roles, permissions, invitations; can't be deleted."""
        person, org = self.personal()
        base = f"/orgs/{org['key']}/scim/v2"
        users = self.allowed(self.send(person, "GET", base + "/Users"))["Resources"]
        self.assertEqual(len(users), 1)
        me = users[0]["id"]
        for (method, path, body), permission in (
                (self.invite(), "member.invite"),
                (("POST", "/Users", {"schemas": [USER], "userName": "second"}), "member.create"),
                (("POST", "/Groups", {"schemas": [GROUP], "displayName": "team"}), "team.create"),
                (self.post("Role", name="org/own", permissions=["org.view"]), "role.create"),
                (self.post("Assignment", principal={"value": me}, role="org/member"), "member.role"),
                (("DELETE", f"/Users/{me}", None), "member.remove"),
                (("PATCH", f"/Users/{me}", replaced("active", False)), "member.suspend")):
            self.denied(self.send(person, method, base + path, body), permission)
        self.denied(self.send(person, "DELETE", f"/scim/v2/Organizations/{org['id']}?confirm=1"), "org.delete")
        second = self.send(self.operator, "POST", base + "/Users", {"schemas": [USER], "userName": "second"})
        self.assertEqual(second.status, 409, second)

    def test_collaborative_org(self):
        """Made by hand; an Owner deletes it, and it is gone for its members."""
        person = self.person()
        key = self.name("team-")
        made = self.allowed(self.send(person, "POST", "/scim/v2/Organizations", {
            "schemas": [OURS + "Organization"], "key": key, "model": "sandbox"}))
        users = self.allowed(self.send(person, "GET", f"/orgs/{key}/scim/v2/Users"))
        self.assertEqual(users["totalResults"], 1)
        where = f"/scim/v2/Organizations/{made['id']}"
        self.assertEqual(self.send(person, "DELETE", where).status, 409, "not confirmed")
        self.allowed(self.send(person, "DELETE", where + "?confirm=1"))
        self.gone(self.send(person, "GET", f"/orgs/{key}/scim/v2/Users"))
        self.assertIn(self.send(person, "POST", where + "/.restore", {}).status, (403, 404))

    def test_only_owners_delete_it(self):
        org, actors = self.company()
        self.on_platform([], "org.delete", lambda: ("DELETE", "", None),
                         {role: actor for role, actor in actors.items() if role != "owner"}, org)

    def test_member_has_no_administration(self):
        target, settings = self.o.make("user"), self.o.listed("/Settings")[0]["id"]
        self.only(["owner"], "member.invite", self.invite)
        self.only(["owner"], "member.role", lambda: self.post(
            "Assignment", principal={"value": self.o.make("user")}, role="org/owner"))
        self.only(["owner"], "role.assign", lambda: self.post(
            "Assignment", principal={"value": target}, role="assignment/auditor"))
        self.only(["owner"], "member.remove", lambda: ("DELETE", f"/Users/{self.o.make('user')}", None))
        self.only(["owner"], "settings.edit", lambda: (
            "PATCH", f"/Settings/{settings}", replaced("displayName", self.name("Box "))))
        self.only(["owner", "auditor"], "audit.view", lambda: ("GET", "/AuditEvents?count=1", None))

    def test_owner_manages_pending_invitations(self):
        def made():
            return self.allowed(self.o.send(self.o.owner, *self.invite()))["id"]
        self.only(["owner"], "invite.view", lambda: ("GET", f"/Invitations/{made()}", None))
        self.only(["owner"], "invite.resend", lambda: ("POST", f"/Invitations/{made()}/.resend", {}))
        self.only(["owner"], "invite.revoke", lambda: ("POST", f"/Invitations/{made()}/.revoke", {}))

    def test_assignments(self):
        """Every assignment, every kind of resource."""
        everybody = list(self.a)
        for kind, admin in self.kinds.items():
            full = ["owner", admin, "super-admin"]
            self.table({f"{kind}.view": everybody, f"{kind}.edit": full, f"{kind}.delete": full,
                        f"{kind}.create": full + (["developer"] if kind == "sandbox" else [])})
        self.table({"audit.view": ["owner", "auditor"], "billing.edit": ["owner"], "member.invite": ["owner"]})

    def test_viewer_is_always_there(self):
        org, actors = self.company()
        reply = org.send(org.owner, "GET", "/Assignments?count=200")
        viewers = [item for item in reply.json["Resources"] if item["role"] == "assignment/viewer"]
        for item in viewers:
            org.send(org.owner, "DELETE", f"/Assignments/{item['id']}")
        self.answered(True, org, actors["member"], "sandbox.view")

    def test_developer_creates_keys(self):
        self.only(["owner", "developer", "super-admin"], "token.create", lambda: self.post(
            "Token", kind="key", permissions=["org.view"]))

    def test_own_things_of_a_developer(self):
        developer = self.a["developer"]
        for permission in ("sandbox.edit", "sandbox.delete"):
            self.answered(True, self.o, developer, permission, owner=developer)
            self.answered(False, self.o, developer, permission, owner=self.a["member"])

    def test_owner_changes_role_and_assignments(self):
        org, actors = self.company()
        member = actors["member"]
        me = org.member(member)
        given = self.allowed(org.send(org.owner, *self.post("Assignment", principal={"value": me},
                                                            role="assignment/developer")))
        self.answered(True, org, member, "sandbox.create")
        self.allowed(org.send(org.owner, "DELETE", f"/Assignments/{given['id']}"))
        self.answered(False, org, member, "sandbox.create")
        made = self.allowed(org.send(org.owner, *self.post("Assignment", principal={"value": me}, role="org/owner")))
        self.allowed(org.send(member, *self.invite()), "an Owner now")
        self.allowed(org.send(org.owner, "DELETE", f"/Assignments/{made['id']}"))
        self.denied(org.send(member, *self.invite()), "member.invite")

    def test_invitation_with_role_and_assignments(self):
        org, _ = self.company()
        person = self.person()
        address = f"{person.name}@people.test"
        owner = org.send(org.owner, *self.post("Invitation", kind="email", address=address, role="org/owner",
                                               assignments=["assignment/developer"]))
        self.assertEqual(owner.status, 400, f"assignments go with the role Member: {owner}")
        self.allowed(org.send(org.owner, *self.post("Invitation", kind="email", address=address, role="org/member",
                                                    assignments=["assignment/developer", "assignment/auditor"])))
        waiting = [item for item in self.allowed(self.send(person, "GET", "/scim/v2/Invitations"))["Resources"]
                   if item["organization"]["key"] == org.key]
        self.assertEqual(len(waiting), 1)
        self.gone(org.send(person, "GET", "/Quotas"))
        self.allowed(self.send(person, "POST", f"/scim/v2/Invitations/{waiting[0]['id']}/.accept", {}))
        joined = org.listed("/Users", org.owner)
        [me] = [item["id"] for item in joined if address in [e["value"] for e in item.get("emails", [])]
                or item["userName"] in (address, person.name)]
        org.plain.add_member(me, person)
        self.answered(True, org, person, "sandbox.create")
        self.answered(True, org, person, "audit.view")
        self.answered(False, org, person, "volume.delete")
        self.allowed(org.send(person, "GET", "/Quotas"), "the org's quota, with the membership")

    def quota(self, org, actor, name="sandboxes"):
        listed = self.allowed(self.send(actor, "GET", f"/orgs/{org}/scim/v2/Quotas"))["Resources"]
        return [item for item in listed if item["name"] == name][0]

    def test_quota_is_shared_in_a_company(self):
        org, actors = self.company()
        before = self.quota(org.key, actors["member"])
        self.assertNotIn("member", before)
        path = f"/orgs/{org.key}/scim/v2/Quotas/{before['id']}"
        self.allowed(self.send(org.owner, "POST", path + "/.reserve", {"amount": 3}))
        self.assertEqual(self.quota(org.key, actors["developer"])["used"], before.get("used", 0) + 3)
        self.denied(self.send(actors["member"], "POST", path + "/.reserve", {"amount": 1}), "org.reserve")
        beyond = self.send(org.owner, "POST", path + "/.reserve", {"amount": 98})
        self.assertEqual(beyond.status, 409, beyond)
        self.allowed(self.send(org.owner, "POST", path + "/.release", {"amount": 3}))

    def test_quota_is_the_persons_in_a_personal_org(self):
        (one, first), (other, second) = self.personal(), self.personal()
        mine = self.quota(first["key"], one)
        self.assertEqual(mine["limit"], 10)
        self.allowed(self.send(one, "POST", f"/orgs/{first['key']}/scim/v2/Quotas/{mine['id']}/.reserve", {"amount": 10}))
        self.assertEqual(self.quota(second["key"], other).get("used", 0), 0)
        full = self.send(one, "POST", f"/orgs/{first['key']}/scim/v2/Quotas/{mine['id']}/.reserve", {"amount": 1})
        self.assertEqual(full.status, 409, full)


class Network(Five):
    model, roles = "network", ("owner", "admin", "member")

    def test_isolated(self):
        self.check_isolated()

    def test_keys(self):
        self.check_keys()

    def test_last_owner(self):
        self.check_last_owner("owner")

    def test_no_self_promotion(self):
        for weak in ("admin", "member"):
            self.check_no_self_promotion(weak, "owner")
        self.check_no_self_promotion("member", "admin")

    def test_owner_alone(self):
        self.table({"billing.view": ["owner"], "billing.edit": ["owner"], "org.delete": ["owner"], "org.transfer": ["owner"]})
        self.on_platform(["owner"], "org.delete", lambda: ("DELETE", "", None), also=[409])
        others = {role: self.a[role] for role in ("admin", "member")}
        target = self.o.make("user")
        self.on_platform([], "org.transfer", lambda: ("POST", "/.transfer", {"to": target}), others)

    def test_admins_run_it(self):
        can = ["owner", "admin"]
        settings = self.o.listed("/Settings")[0]["id"]
        self.only(can, "member.invite", self.invite)
        self.only(can, "member.remove", lambda: ("DELETE", f"/Users/{self.o.make('user')}", None))
        self.table({"device.edit": can, "device.delete": can, "group.create": can, "group.edit": can, "group.delete": can,
                    "policy.create": can, "policy.edit": can, "policy.delete": can, "recording.view": can,
                    "tunnel.create": can})
        for name, permission, value in (
                ("sso", "settings.sso", lambda: {"provider": self.name("idp")}),
                ("nameservers", "settings.dns", lambda: [f"192.0.2.{1 + int(self.name('')) % 250}"]),
                ("policies", "settings.policies", lambda: '{"n": "%s"}' % self.name(""))):
            self.only(can, permission, lambda name=name, value=value: (
                "PATCH", f"/Settings/{settings}", replaced(name, value())))
        self.only(can, "settings.ca", lambda: ("POST", f"/Settings/{settings}/.ca", {}), also=[409, 503])

    def test_admin_does_not_touch_the_owner(self):
        org, actors = self.company()
        admin, owner = actors["admin"], self.owner_of(org)
        key = self.allowed(org.send(org.owner, *self.post("Token", kind="key")))
        for method, path, body in (
                ("DELETE", f"/Users/{owner}", None),
                ("PATCH", f"/Users/{owner}", replaced("active", False)),
                ("POST", f"/Users/{owner}/.unlink", {}),
                self.post("Assignment", principal={"value": owner}, role="org/member"),
                ("POST", f"/Tokens/{key['id']}/.rotate", {}),
                self.post("Token", kind="key", owner={"value": owner}),
                self.post("Token", kind="key", owner={"value": owner}, permissions=["*"]),
                self.post("Token", kind="key", owner={"value": owner}, permissions=["org.transfer"]),
                ("PATCH", f"/Tokens/{key['id']}", replaced("permissions", ["org.transfer"]))):
            reply = org.send(admin, method, path, body)
            self.assertIn(reply.status, (400, 403, 409), f"{method} {path} {body}: {reply}")
        self.assertEqual(org.found(), org.plain.picture())

    def test_member_own_things(self):
        member, admin = self.a["member"], self.a["admin"]
        for permission in ("device.connect", "device.view", "tunnel.use", "session.view"):
            self.answered(True, self.o, member, permission, owner=member)
            self.answered(False, self.o, member, permission, owner=admin)
            self.answered(False, self.o, member, permission)
        for permission in ("device.edit", "policy.view", "recording.view", "group.view"):
            self.answered(False, self.o, member, permission, owner=admin)
        me = self.o.member(member)
        self.allowed(self.o.send(member, "PATCH", f"/Users/{me}", replaced("displayName", self.name("Me "))), "own profile")
        self.denied(self.o.send(member, "PATCH", f"/Users/{self.o.member(admin)}", replaced("displayName", "You")), "member.edit")
        for name, value in (("userName", "else"), ("emails", [{"value": "else@people.test"}])):
            self.denied(self.o.send(member, "PATCH", f"/Users/{me}", replaced(name, value)), "member.edit", "not the profile")

    def one_owner(self, org):
        """Exactly one, seen by every way there is to count."""
        found = org.found()["members"]
        owners = [member for member, (active, role) in found.items() if role == "org/owner" and active]
        self.assertEqual(len(owners), 1, found)
        return owners[0]

    def test_exactly_one_owner(self):
        org, actors = self.company()
        for token in (org.owner, self.operator, actors["admin"]):
            reply = org.send(token, *self.post("Assignment", principal={"value": org.member(actors["admin"])}, role="org/owner"))
            self.assertIn(reply.status, (403, 409), reply)
        invited = org.send(org.owner, *self.invite(role="org/owner"))
        self.assertIn(invited.status, (400, 403), invited)
        self.assertEqual(self.one_owner(org), self.owner_of(org))

    def test_transfer(self):
        org, actors = self.company()
        before, admin = org.owner, actors["admin"]
        where = f"/scim/v2/Organizations/{org.id}/.transfer"
        gone = org.make("user")
        org.operate("PATCH", f"/Users/{gone}", replaced("active", False))
        for to, statuses in ((org.member(before), (409,)), (gone, (400, 409)), (self.o.member(self.o.owner), (400, 404))):
            self.assertIn(self.send(before, "POST", where, {"to": to}).status, statuses)
        self.allowed(self.send(before, "POST", where, {"to": org.member(admin)}))
        self.assertEqual(self.one_owner(org), org.member(admin))
        self.assertEqual(org.found()["members"][org.member(before)], (True, "org/admin"))
        self.answered(True, org, admin, "org.delete")
        self.answered(False, org, before, "org.delete", asker=admin)
        self.denied(self.send(before, "POST", where, {"to": org.member(before)}), "org.transfer")

    def test_certificates_are_the_orgs_own(self):
        """Two orgs, two authorities: what one issues, sees and revokes is nothing to the other."""
        (org, _), (other, _) = self.company(), self.company()
        made = {}
        for one in (org, other):
            settings = one.listed("/Settings")[0]["id"]
            self.allowed(one.send(one.owner, "POST", f"/Settings/{settings}/.ca", {}))
            made[one] = self.allowed(one.send(one.owner, *self.post("Certificate", subject={"value": one.member(one.owner)})))
        for one, stranger in ((org, other), (other, org)):
            self.gone(one.send(stranger.owner, "GET", f"/Certificates/{made[one]['id']}"), "in the org, by who is not in it")
            self.gone(stranger.send(stranger.owner, "GET", f"/Certificates/{made[one]['id']}"), "by its id, elsewhere")
            self.gone(stranger.send(stranger.owner, "POST", f"/Certificates/{made[one]['id']}/.revoke", {}))
            seen = {item["id"] for item in one.listed("/Certificates", one.owner)}
            self.assertEqual((made[one]["id"] in seen, made[stranger]["id"] in seen), (True, False))
            refused = one.send(one.owner, *self.post("Certificate", subject={"value": stranger.member(stranger.owner)}))
            self.assertIn(refused.status, (400, 404), refused)
        crl = {one: self.send(None, "GET", f"/orgs/{one.key}/crl").raw for one in (org, other)}
        self.assertNotEqual(crl[org], crl[other])
        self.allowed(org.send(org.owner, "POST", f"/Certificates/{made[org]['id']}/.revoke", {}))
        self.assertNotEqual(self.send(None, "GET", f"/orgs/{org.key}/crl").raw, crl[org])
        self.assertEqual(self.send(None, "GET", f"/orgs/{other.key}/crl").raw, crl[other], "nothing to the other")
        # Policies and groups are kept apart in the same way.
        team = org.make("team")
        self.gone(other.send(other.owner, "GET", f"/Groups/{team}"))
        settings = org.listed("/Settings")[0]["id"]
        self.allowed(org.send(org.owner, "PATCH", f"/Settings/{settings}", replaced("policies", '{"only": "here"}')))
        self.gone(other.send(other.owner, "GET", f"/Settings/{settings}"))
        self.assertNotIn("policies", other.listed("/Settings", other.owner)[0])
        self.gone(org.send(other.owner, "GET", "/AuditEvents"))
        self.assertNotIn(team, str(self.allowed(other.send(other.owner, "GET", "/AuditEvents?count=200"))))

    def test_two_transfers_at_once(self):
        for _ in range(5):
            org, actors = self.company()
            where = f"/scim/v2/Organizations/{org.id}/.transfer"
            targets = [org.member(actors["admin"]), org.member(actors["member"])]
            replies = in_threads([lambda to=to: self.send(org.owner, "POST", where, {"to": to}) for to in targets])
            self.assertEqual(sorted(reply.status in (200, 204) for reply in replies), [False, True], replies)
            won = [to for to, reply in zip(targets, replies) if reply.status in (200, 204)]
            self.assertEqual(self.one_owner(org), won[0])

    def test_email_invitation(self):
        org, _ = self.company()
        person = self.person()
        self.allowed(org.send(org.owner, *self.post("Invitation", kind="email", address=f"{person.name}@people.test",
                                                    role="org/admin")))
        waiting = self.allowed(self.send(person, "GET", "/scim/v2/Invitations"))["Resources"]
        self.allowed(self.send(person, "POST", f"/scim/v2/Invitations/{waiting[0]['id']}/.accept", {}))
        self.allowed(org.send(person, *self.invite()), "joined as Admin")

    def test_link_invitation(self):
        can = ["owner", "admin"]
        self.only(can, "invite.link", lambda: self.post("Invitation", kind="link"))
        org, _ = self.company()
        self.assertIn(org.send(org.owner, *self.post("Invitation", kind="link", role="org/admin")).status, (400, 403))
        made = self.allowed(org.send(org.owner, *self.post("Invitation", kind="link")))
        left = (time.mktime(time.strptime(made["expires"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone - time.time()) / 86400
        self.assertAlmostEqual(left, 7, delta=0.1)
        path = made["link"].removeprefix(self.daemon.url)
        people = [self.person(), self.person(), self.person()]
        for person in people[:2]:
            self.allowed(self.send(person, "POST", path + "/accept", {}))
            self.denied(org.send(person, *self.invite()), "member.invite", "joined as Member")
        self.allowed(org.send(org.owner, "POST", f"/Invitations/{made['id']}/.revoke", {}))
        refused = self.send(people[2], "POST", path + "/accept", {})
        self.assertIn(refused.status, (403, 404, 409, 410), refused)
        self.gone(org.send(people[2], "GET", "/Users"))


class Metal(Five):
    model, roles = "metal", ("owner", "admin", "collaborator", "billing")

    def test_isolated(self):
        self.check_isolated()

    def test_keys(self):
        self.check_keys()

    def test_last_owner(self):
        self.check_last_owner("owner")

    def test_no_self_promotion(self):
        for weak, strong in (("admin", "owner"), ("collaborator", "admin"), ("billing", "admin")):
            self.check_no_self_promotion(weak, strong)

    def test_kinds(self):
        """Personal for one; company for several; a person may create and belong to many."""
        person = self.person()
        mine = self.living("metal", "personal", person)
        for key in (self.name("co-"), self.name("co-")):
            self.allowed(self.send(person, "POST", "/scim/v2/Organizations", {
                "schemas": [OURS + "Organization"], "key": key, "model": "metal", "kind": "company"}))
        self.assertEqual(self.allowed(self.send(person, "GET", "/scim/v2/Organizations"))["totalResults"], 3)
        self.denied(mine.send(person, *self.invite()), "member.invite")
        second = mine.send(self.operator, "POST", "/Users", {"schemas": [USER], "userName": "second"})
        self.assertEqual(second.status, 409, second)
        self.allowed(mine.send(person, *self.post("Project", displayName="alone")))

    def test_admin_full_control(self):
        can = ["owner", "admin"]
        settings = self.o.listed("/Settings")[0]["id"]
        self.only(can, "settings.edit", lambda: (
            "PATCH", f"/Settings/{settings}", replaced("displayName", self.name("Metal "))))
        self.only(can, "project.create", lambda: self.post("Project", displayName=self.name("p")))
        self.only(can, "member.role", lambda: self.post(
            "Assignment", principal={"value": self.o.make("user")}, role="org/billing"))
        self.table({"licence.edit": can, "hardware.reserve": can, "server.create": can, "org.delete": can})
        self.table({"org.transfer": ["owner"]})

    def test_collaborator_reaches_assigned_projects_only(self):
        org, actors = self.company()
        actor = actors["collaborator"]
        mine, other = org.make("project"), org.make("project")
        org.assign(org.member(actor), "project/collaborator", mine)
        self.allowed(org.send(actor, "GET", f"/Projects/{mine}"))
        self.denied(org.send(actor, "GET", f"/Projects/{other}"), "project.view")
        self.assertEqual(org.send(actor, "GET", "/Projects").ids, [mine])
        for permission in ("server.view", "server.create", "server.delete"):
            self.answered(True, org, actor, permission, project=mine)
            self.answered(False, org, actor, permission, project=other)
        self.denied(org.send(actor, "PATCH", f"/Projects/{mine}", replaced("displayName", "x")), "project.edit")
        self.table({"hardware.view": [], "licence.view": [], "billing.view": []}, {"collaborator": actor}, org)

    def test_billing_part_only(self):
        self.table({"billing.view": ["owner", "admin", "billing"], "billing.edit": ["owner", "admin", "billing"],
                    "invoice.view": ["owner", "admin", "billing"], "hardware.view": ["owner", "admin"],
                    "server.view": ["owner", "admin"]})
        project = self.o.make("project")
        self.only(["owner", "admin"], "project.view", lambda: ("GET", f"/Projects/{project}", None))

    def test_invitations(self):
        self.only(["owner", "admin"], "member.invite", self.invite)
        owner = self.o.send(self.o.owner, *self.invite(role="org/owner"))
        self.assertIn(owner.status, (400, 403), owner)

    def test_several_addresses_at_once(self):
        """By owner or admin; each address has its own result, and its person accepts or denies."""
        org, actors = self.company()
        people = [self.person() for _ in range(4)]
        for role, addressed in (("owner", people[:2]), ("admin", people[2:])):
            results = self.allowed(org.send(actors[role], "POST", "/Invitations/.invite", {
                "addresses": [person.address for person in addressed] + ["nonsense", org.owner.address], "role": "org/collaborator"}))
            self.assertEqual([item["status"] for item in results["results"]], ["201", "201", "400", "409"])
        for role in ("collaborator", "billing"):
            results = self.allowed(org.send(actors[role], "POST", "/Invitations/.invite", {"addresses": ["x@guests.test"]}))["results"]
            self.assertEqual([item["status"] for item in results], ["403"])
            self.assertIn('"member.invite"', results[0]["detail"])
        for person, answer in zip(people, (".accept", ".decline") * 2):
            [waiting] = self.allowed(self.send(person, "GET", "/scim/v2/Invitations"))["Resources"]
            self.allowed(self.send(person, "POST", f"/scim/v2/Invitations/{waiting['id']}/{answer}", {}))
        joined = {user["userName"] for user in org.listed("/Users")}
        self.assertEqual([person.name in joined for person in people], [True, False, True, False])

    def test_several_at_once(self):
        """Each address has its own result."""
        org, _ = self.company()
        people = [self.person() for _ in range(3)]
        operations = [{"method": "POST", "path": "/Invitations", "bulkId": person.name,
                       "data": {"schemas": [OURS + "Invitation"], "kind": "email", "address": f"{person.name}@people.test"}}
                      for person in people]
        operations.append({"method": "POST", "path": "/Invitations", "bulkId": "bad",
                           "data": {"schemas": [OURS + "Invitation"], "kind": "email", "address": "nonsense"}})
        reply = self.allowed(org.send(org.owner, "POST", "/Bulk", {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations}))
        self.assertEqual([item["status"] for item in reply["Operations"]], ["201", "201", "201", "400"])
        for person in people:
            waiting = self.allowed(self.send(person, "GET", "/scim/v2/Invitations"))["Resources"]
            self.assertEqual(len(waiting), 1)
        accepted = self.allowed(self.send(people[0], "GET", "/scim/v2/Invitations"))["Resources"][0]["id"]
        self.allowed(self.send(people[0], "POST", f"/scim/v2/Invitations/{accepted}/.accept", {}))
        denied = self.allowed(self.send(people[1], "GET", "/scim/v2/Invitations"))["Resources"][0]["id"]
        self.allowed(self.send(people[1], "POST", f"/scim/v2/Invitations/{denied}/.decline", {}))
        self.assertEqual(len(org.listed("/Users")), 5)

    def test_a_project_lies_in_an_org(self):
        """There is no way to name another place, and none outside."""
        other = self.living("metal")
        foreign = other.make("workspace")
        for parent in (foreign, "01890a5d-ac96-774b-bcce-b302099a8057"):
            reply = self.o.send(self.o.owner, *self.project(parent))
            self.assertEqual(reply.status, 400, reply)
        self.assertEqual(self.send(self.operator, "POST", "/scim/v2/Projects", {"displayName": "x"}).status, 404)


class Studio(Five):
    model, roles = "studio", ("admin", "member")

    def setUp(self):
        super().setUp()
        cls = type(self)
        if "space" not in cls.__dict__:
            cls.space = self.o.make("workspace")
            cls.project_in = self.o.make("project", cls.space)
            cls.elsewhere = self.o.make("workspace")
            cls.inside = {}
            for role in ("viewer", "collaborator", "admin"):
                person = self.person()
                self.o.join(person)
                self.o.assign(self.o.member(person), f"workspace/{role}", cls.space)
                cls.inside[role] = person

    def everybody(self):
        return {"ORG Admin": self.a["admin"], "ORG Member": self.a["member"],
                **{f"Workspace {role}": person for role, person in self.inside.items()}}

    def test_isolated(self):
        self.check_isolated()

    def test_keys(self):
        self.check_keys()

    def test_last_admin(self):
        self.check_last_owner("admin")

    def test_no_self_promotion(self):
        self.check_no_self_promotion("member", "admin")
        for person in self.inside.values():
            reply = self.o.send(person, *self.post("Assignment", principal={"value": self.o.member(person)}, role="org/admin"))
            self.denied(reply, "member.role")

    def test_first_admin_then_members(self):
        person, late = self.person(), self.person()
        key = self.name("studio-")
        made = self.allowed(self.send(person, "POST", "/scim/v2/Organizations", {
            "schemas": [OURS + "Organization"], "key": key, "model": "studio"}))
        self.assertEqual(made["model"], "studio")
        base = f"/orgs/{key}/scim/v2"
        self.allowed(self.send(person, "POST", base + "/Workspaces", {"schemas": [OURS + "Workspace"], "displayName": "w"}))
        as_admin = self.send(person, "POST", base + "/Invitations", {
            "schemas": [OURS + "Invitation"], "kind": "email", "address": f"{late.name}@people.test", "role": "org/admin"})
        self.assertIn(as_admin.status, (400, 403), as_admin)
        self.allowed(self.send(person, "POST", base + "/Invitations", {
            "schemas": [OURS + "Invitation"], "kind": "email", "address": f"{late.name}@people.test"}))
        waiting = self.allowed(self.send(late, "GET", "/scim/v2/Invitations"))["Resources"][0]["id"]
        self.allowed(self.send(late, "POST", f"/scim/v2/Invitations/{waiting}/.accept", {}))
        self.denied(self.send(late, "POST", base + "/Workspaces", {"schemas": [OURS + "Workspace"], "displayName": "w"}),
                    "workspace.create", "a Member")
        users = {item["userName"]: item["id"] for item in self.allowed(self.send(person, "GET", base + "/Users"))["Resources"]}
        [me] = [id for name, id in users.items() if name.startswith(late.name)]
        self.allowed(self.send(person, "POST", base + "/Assignments", {
            "schemas": [OURS + "Assignment"], "principal": {"value": me}, "role": "org/admin"}))
        self.allowed(self.send(late, "POST", base + "/Workspaces", {"schemas": [OURS + "Workspace"], "displayName": "w"}))

    def test_matrix_by_checks(self):
        """The feature matrix, cell by cell."""
        everybody = self.everybody()
        both, admins = list(everybody), ["ORG Admin"]
        rows = {feature: both for feature in (
            "discover.use", "workflow.define", "workflow.design", "build.use", "insights.view", "costs.view",
            "dashboard.view", "billing.view", "invoice.list", "invoice.view")}
        rows |= {feature: admins for feature in (
            "workspace.create", "workspace.delete", "dashboard.team", "dashboard.billing", "settings.view", "settings.edit",
            "token.create", "worker-key.view", "worker-key.edit", "audit.view", "member.invite", "billing.view.full",
            "billing.subscribe", "billing.cancel", "billing.edit")}
        self.table(rows, everybody)
        inside = ["ORG Admin", "Workspace viewer", "Workspace collaborator", "Workspace admin"]
        collaborators = [name for name in inside if name != "Workspace viewer"]
        self.table({"content.view": inside, "product.assign": collaborators,
                    "workspace.members": ["ORG Admin", "Workspace admin"]}, everybody, workspace=self.space)
        self.table({"content.view": admins, "product.assign": admins, "workspace.members": admins}, everybody,
                   workspace=self.elsewhere)

    def test_admin_only(self):
        settings = self.o.listed("/Settings")[0]["id"]
        everybody, admins = self.everybody(), ["ORG Admin"]
        self.only(admins, "settings.view", lambda: ("GET", f"/Settings/{settings}", None), everybody)
        self.only(admins, "settings.edit", lambda: (
            "PATCH", f"/Settings/{settings}", replaced("displayName", self.name("Studio "))), everybody)
        self.only(admins, "token.create", lambda: self.post("Token", kind="key", permissions=["org.view"]), everybody)
        self.only(admins, "audit.view", lambda: ("GET", "/AuditEvents?count=1", None), everybody)
        self.only(admins, "workspace.create", self.workspace, everybody)
        self.only(admins, "workspace.delete", lambda: ("DELETE", f"/Workspaces/{self.o.make('workspace')}", None), everybody)
        self.only(admins, "member.invite", self.invite, everybody)

    def test_workspaces_seen(self):
        """Members see their own memberships, Admins all; implicitly, with no entry."""
        shown = {name: set(self.o.send(actor, "GET", "/Workspaces?count=500").ids)
                 for name, actor in self.everybody().items() if name != "ORG Member"}
        self.assertLessEqual({self.space, self.elsewhere}, shown.pop("ORG Admin"))
        for name, ids in shown.items():
            self.assertEqual(ids, {self.space}, name)
        none = self.o.send(self.a["member"], "GET", "/Workspaces")
        self.assertIn(none.status, (200, 403), none)
        self.assertEqual(none.ids if none.status == 200 else [], [])
        self.denied(self.o.send(self.a["member"], "GET", f"/Workspaces/{self.space}"), "workspace.view")
        mine = [item for item in self.o.listed("/Assignments") if item.get("scope", {}).get("value") == self.space]
        self.assertNotIn(self.o.member(self.a["admin"]), [item["principal"]["value"] for item in mine])

    def test_workspace_roles(self):
        everybody = self.everybody()
        inside = ["ORG Admin", "Workspace viewer", "Workspace collaborator", "Workspace admin"]
        assign = ["ORG Admin", "Workspace collaborator", "Workspace admin"]
        manage = ["ORG Admin", "Workspace admin"]
        self.only(inside, "workspace.view", lambda: ("GET", f"/Workspaces/{self.space}", None), everybody)
        self.only(inside, "project.view", lambda: ("GET", f"/Projects/{self.project_in}", None), everybody)
        self.only(assign, "project.create", lambda: self.project(self.space), everybody)
        self.only(manage, "workspace.members", lambda: self.post(
            "Assignment", principal={"value": self.o.make("user")}, role="workspace/viewer", scope={"value": self.space}), everybody)
        self.only(["ORG Admin"], "workspace.members", lambda: self.post(
            "Assignment", principal={"value": self.o.make("user")}, role="workspace/viewer", scope={"value": self.elsewhere}),
            everybody)


class Races(Five):
    """What two do at once."""

    def test_the_last_two_owners_remove_each_other(self):
        for model in ("lab", "sandbox", "studio"):
            for turn in range(4):
                org = self.living(model)
                second = self.person()
                org.join(second, org.plain.first_role)
                one, other = org.member(org.owner), org.member(second)
                jobs = {
                    0: [("DELETE", f"/Users/{other}", None), ("DELETE", f"/Users/{one}", None)],
                    1: [("DELETE", f"/Users/{one}", None), ("DELETE", f"/Users/{other}", None)],  # both leave
                    2: [("PATCH", f"/Users/{other}", replaced("active", False)), ("PATCH", f"/Users/{one}", replaced("active", False))],
                    3: [self.post("Assignment", principal={"value": member}, role=org.plain.default("org"))
                        for member in (one, other)],
                }[turn]
                replies = in_threads([lambda person=person, job=job: org.send(person, *job)
                                      for person, job in zip((org.owner, second), jobs)])
                good = [reply.status in (200, 201, 204) for reply in replies]
                self.assertEqual(sum(good), 1, f"{model} {turn}: {replies}")
                members = org.found()["members"]
                self.assertEqual([member for member, (active, role) in members.items()
                                  if active and role == org.plain.first_role].__len__(), 1, f"{model} {turn}: {members}")

    def setUp(self):
        LivingTest.setUp(self)



if __name__ == "__main__":
    main()
