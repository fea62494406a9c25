"""The table of operations, walked: each operation, by each role of each model, judged by the plain model. An operation that nothing
here performs fails the test. See also test_outside.py (in another org, in none) and test_personal.py (in personal orgs)."""

import datetime
import json
import subprocess
import tempfile

from living import GROUP, LivingTest, OURS, PATCH, USER, model_of, replaced
from harness import Reply, main, program
from wire import Failure, Wire

MODELS = ("standard", "lab", "sandbox", "network", "metal", "studio", "school")
LATER = "2040-01-01T00:00:00Z"
AN_HOUR = "2040-01-01T01:00:00Z"
SUCCESS = {200, 201, 204}
PLAIN_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


def table():
    """name -> permission in an org, as the daemon prints them."""
    text = subprocess.run([program("rosterd"), "--print-operations"], capture_output=True, text=True, check=True).stdout
    rows = (line.split(" ") for line in text.splitlines())
    return {name: permission for name, permission, _, _ in rows if permission != "-"}


class Scene:
    """Somebody with a role, and things to try it on. What a success has used up is made anew."""

    def __init__(self, org, role, actor):
        self.org, self.role, self.actor = org, role, actor
        self.where = org.plain.scope_of_role(role)
        self.things = {}
        self.test = org.test

    @property
    def me(self):
        return self.org.plain.people[self.actor]

    def thing(self, name):
        if name not in self.things:
            self.things[name] = getattr(self, "make_" + name)()
        return self.things[name]

    def spend(self, *names):
        for name in names:
            self.things.pop(name, None)

    def hold(self, sort, thing):
        """Who has a role in such a scope has it in each one here."""
        if self.where == sort:
            if sort == "team":
                self.org.enter(thing, self.me)
            self.org.assign(self.me, self.role, thing)
        return thing

    def make_user(self):
        return self.org.make("user")

    def make_team(self):
        return self.hold("team", self.org.make("team"))

    def make_workspace(self):
        return self.hold("workspace", self.org.make("workspace"))

    def make_place(self):
        """Another workspace, to move things into."""
        return self.hold("workspace", self.org.make("workspace"))

    def make_project(self):
        return self.hold("project", self.org.make("project", self.thing("workspace")))

    def make_teammate(self):
        user = self.org.make("user")
        self.org.enter(self.thing("team"), user)
        return user

    def make_custom(self):
        """A role of the org's own; None where the model has none."""
        if "org" not in self.org.plain.model.data.get("customRoles", []):
            return None
        name = self.test.name("org/r")
        made = self.org.operate("POST", "/Roles", {
            "schemas": [OURS + "Role"], "name": name, "permissions": ["org.view"]})
        self.org.plain.apply(None, "role_create", made["id"], path=name, patterns=["org.view"])
        return name

    def beside(self):
        """What is held beside the role in the org."""
        return self.thing("custom") or next(path for path, data in self.org.plain.model.roles.items()
                                            if path.startswith("assignment/") and not data.get("required"))

    def make_mapped(self):
        made = self.org.send(self.org.connection, "POST", "/Groups", {
            "schemas": [GROUP], "displayName": self.test.name("mapped"), "externalId": self.test.name("x")})
        self.test.allowed(made, "a group of a connection")
        self.org.plain.teams[made["id"]], self.org.plain.sort[made["id"]] = set(), "team"
        self.org.plain.mapped.add(made["id"])
        return made["id"]

    def low(self, scope):
        """A role that is given in such a scope; in the org another one than the default, and rather one that anyone can be without."""
        if scope != "org":
            return self.org.plain.default(scope) or f"{scope}/none"
        roles = [(bool(data.get("holders")), path) for path, data in self.org.plain.model.roles.items()
                 if path.startswith("org/") and "max" not in data.get("holders", {}) and not data.get("default")]
        return min(roles)[1]

    def held(self, kind):
        """An assignment of that kind which somebody else has; None when the model has none."""
        if kind == "org":
            return self.org.assign(self.org.make("user"), self.low("org"))
        if kind == "assignment":
            return self.org.assign(self.thing("user"), self.beside())
        if self.low(kind).endswith("/none"):
            return None
        if kind == "team":
            return self.org.assign(self.thing("teammate"), self.low(kind), self.thing("team"))
        return self.org.assign(self.thing("user"), self.low(kind), self.thing(kind))

    def make_held_org(self):
        return self.held("org")

    def make_held_assignment(self):
        return self.held("assignment")

    def make_held_team(self):
        return self.held("team")

    def make_held_workspace(self):
        return self.held("workspace")

    def make_held_project(self):
        return self.held("project")

    def make_invitation(self):
        address = self.test.name("guest") + "@guests.test"
        made = self.org.operate("POST", "/Invitations", {
            "schemas": [OURS + "Invitation"], "kind": "email", "address": address})
        self.org.plain.invited[made["id"]] = {"by": None, "address": address, "status": "pending"}
        return made["id"]

    def make_connection(self):
        return self.org.operate("POST", "/Connections", {
            "schemas": [OURS + "Connection"], "name": self.test.name("c"), "dialect": "tolerant"})["id"]

    def make_token(self):
        return self.org.operate("POST", "/Tokens", {
            "schemas": [OURS + "Token"], "kind": "key", "owner": {"value": self.thing("user")},
            "permissions": ["org.view"]})["id"]

    def make_certificate(self):
        self.org.send(self.test.operator, "POST", f"/Settings/{self.thing('settings')}/.ca", {})  # unless there is one
        return self.org.operate("POST", "/Certificates", {
            "schemas": [OURS + "Certificate"], "csr": csr(),
            "subject": {"value": self.thing("user"), "type": "User"}})["id"]

    def make_quota(self):
        found = self.org.listed("/Quotas")
        return found[0]["id"] if found else None

    def make_settings(self):
        return self.org.listed("/Settings")[0]["id"]

    def make_provisioned(self):
        """Somebody whom a provider entered under an address that a person has proven."""
        person = self.test.person()
        made = self.org.operate("POST", "/Users", {
            "schemas": [USER], "userName": person.name, "emails": [{"value": f"{person.name}@people.test"}]})
        self.org.plain.add_member(made["id"])
        return made["id"], person.id

    def make_linked(self):
        user, person = self.make_provisioned()
        self.org.operate("POST", f"/Users/{user}/.link", {"person": person})
        return user

    # ---- Trying ----

    def send(self, method, path, body=None):
        return self.org.send(self.actor, method, path, body)

    def ask(self, method, path, body=None, scope=None, own=False, also=(), spends=(), base="org",
            headers=None):
        """An operation whose permission alone decides, or nearly: also are answers to who may."""
        if base == "platform":
            reply = self.test.send(self.actor, method, "/scim/v2" + path, body)
        elif base == "url":
            reply = self.test.send(self.actor, method, path, body, headers=headers)
        else:
            reply = self.send(method, path, body)
        self.judge(reply, scope, own, also)
        if reply.status in SUCCESS:
            self.spend(*spends)
        return reply

    def judge(self, reply, scope, own, also):
        permission = self.permission
        if permission == "anyone":
            self.test.assertIn(reply.status, SUCCESS | set(also), f"{self}: {reply}")
        elif permission == "operator":
            self.test.assertEqual(reply.status, 403, f"{self}: operators alone: {reply}")
        elif self.org.plain.check(self.me, permission, scope, own):
            self.test.assertIn(reply.status, SUCCESS | set(also), f"{self}: may: {reply}")
        else:
            self.test.denied(reply, permission, str(self))

    def do(self, doing, method, url, body=None, spends=(), **what):
        """An operation that the plain model knows whole."""
        refusals = self.org.plain.refusals(self.me, doing, **what)
        reply = self.send(method, url, body)
        if self.test.judged(reply, refusals, str(self)):
            new = reply.json.get("id") if reply.status != 204 and reply.raw else None
            self.org.plain.apply(self.me, doing, new, **what)
            self.spend(*spends)
        return reply

    def __str__(self):
        return f"{self.operation} by {self.role} in {self.org.key}"


def drives(name):
    def keep(function):
        DRIVERS[name] = function
        return function
    return keep


DRIVERS = {}


# ---- Members ----

@drives("User.view")
def _(s):
    s.do("user_view", "GET", f"/Users/{s.thing('user')}", user=s.thing("user"))


@drives("User.create")
def _(s):
    s.do("user_create", "POST", "/Users", {"schemas": [USER], "userName": s.test.name("u")})


@drives("User.edit")
def _(s):
    user = s.thing("user")
    s.do("user_rename", "PATCH", f"/Users/{user}", replaced("displayName", s.test.name("n")), user=user, name="n")


@drives("User.edit.active")
def _(s):
    user = s.thing("user")
    active = not s.org.plain.members[user]
    s.do("user_active", "PATCH", f"/Users/{user}", replaced("active", active), user=user, active=active)


@drives("User.delete")
def _(s):
    user = s.thing("user")
    s.do("user_delete", "DELETE", f"/Users/{user}", user=user,
         spends=("user", "held_assignment", "held_workspace", "held_project", "token"))


@drives("User.link")
def _(s):
    user, person = s.thing("provisioned")
    s.ask("POST", f"/Users/{user}/.link", {"person": person}, spends=("provisioned",))


@drives("User.unlink")
def _(s):
    s.ask("POST", f"/Users/{s.thing('linked')}/.unlink", {}, spends=("linked",))


@drives("User.claim")
def _(s):
    """Nobody waits under an address of theirs."""
    s.ask("POST", "/Organizations/.claim", {"key": s.org.key}, base="platform", also={404, 409})


# ---- Teams ----

@drives("Group.view")
def _(s):
    s.do("group_view", "GET", f"/Groups/{s.thing('team')}", team=s.thing("team"))


@drives("Group.create")
def _(s):
    s.do("group_create", "POST", "/Groups", {"schemas": [GROUP], "displayName": s.test.name("t")})


@drives("Group.edit")
def _(s):
    team = s.thing("team")
    s.do("group_rename", "PATCH", f"/Groups/{team}", replaced("displayName", s.test.name("t")), team=team, name="t")


@drives("Group.edit.members")
def _(s):
    team, user = s.thing("team"), s.org.make("user")
    s.do("group_members", "PATCH", f"/Groups/{team}", {"schemas": [PATCH], "Operations": [
        {"op": "add", "path": "members", "value": [{"value": user}]}]}, team=team, add=[user])


@drives("Group.delete")
def _(s):
    team = s.thing("team")
    s.do("group_delete", "DELETE", f"/Groups/{team}", team=team, spends=("team", "teammate", "held_team"))


# ---- The tree ----

def tree(sort):
    plural = f"/{sort.capitalize()}s"
    name = sort.capitalize()
    gone = ("workspace", "project", "held_workspace", "held_project") if sort == "workspace" else ("project", "held_project")

    @drives(f"{name}.view")
    def _(s):
        s.do("scope_view", "GET", f"{plural}/{s.thing(sort)}", scope=s.thing(sort))

    @drives(f"{name}.create")
    def _(s):
        parents = [None] if sort == "workspace" else [s.thing("workspace"), None]
        for parent in parents:
            body = {"schemas": [OURS + name], "displayName": s.test.name(sort)}
            if parent:
                body["parent"] = {"value": parent}
            s.do("scope_create", "POST", plural, body, sort=sort, parent=parent)

    @drives(f"{name}.edit")
    def _(s):
        thing = s.thing(sort)
        s.do("scope_rename", "PATCH", f"{plural}/{thing}", replaced("displayName", s.test.name(sort)), scope=thing, name="x")

    @drives(f"{name}.edit.parent")
    def _(s):
        thing, place = s.thing(sort), s.thing("place")
        if s.org.plain.parent[thing] == place:
            place = s.thing("workspace")
        s.do("scope_move", "PATCH", f"{plural}/{thing}", replaced("parent", {"value": place}), scope=thing, parent=place)

    @drives(f"{name}.delete")
    def _(s):
        thing = s.thing(sort)
        below = len(s.org.plain.below(thing))
        s.do("scope_delete", "DELETE", f"{plural}/{thing}" + (f"?confirm={below}" if below else ""), scope=thing,
             confirm=below or None, spends=gone)


tree("workspace")
tree("project")


# ---- Roles, assignments ----

@drives("Role.view")
def _(s):
    custom = s.thing("custom")
    s.do("role_view", "GET", f"/Roles/{s.org.plain.role_ids[custom] if custom else s.org.listed('/Roles')[0]['id']}")


@drives("Role.create")
def _(s):
    path = s.test.name("org/n")
    s.do("role_create", "POST", "/Roles", {"schemas": [OURS + "Role"], "name": path, "permissions": ["org.view"]},
         path=path, patterns=["org.view"])


@drives("Role.edit")
def _(s):
    path = s.thing("custom")
    if not path:
        return
    patterns = ["org.view", "own:member.view"]
    s.do("role_edit", "PATCH", f"/Roles/{s.org.plain.role_ids[path]}", replaced("permissions", patterns),
         path=path, patterns=patterns)
    s.spend("custom", "held_assignment")


@drives("Role.delete")
def _(s):
    path = s.make_custom()
    if not path:
        return
    s.do("role_delete", "DELETE", f"/Roles/{s.org.plain.role_ids[path]}", path=path)


def assigned(kind):
    @drives(f"Assignment.view.{kind}")
    def _(s):
        held = s.thing("held_" + kind)
        if held:
            s.do("assignment_view", "GET", f"/Assignments/{held}", assignment=held)

    @drives(f"Assignment.edit.{kind}")
    def _(s):
        held = s.thing("held_" + kind)
        if held:
            s.do("assignment_edit", "PATCH", f"/Assignments/{held}", replaced("end", LATER), assignment=held,
                 end=datetime.datetime(2040, 1, 1, tzinfo=datetime.UTC).timestamp(), spends=("held_" + kind,))

    @drives(f"Assignment.delete.{kind}")
    def _(s):
        held = s.thing("held_" + kind)
        if held:
            s.do("assignment_delete", "DELETE", f"/Assignments/{held}", assignment=held, spends=("held_" + kind,))

    @drives(f"Assignment.create.{kind}")
    def _(s):
        principal, scope = s.thing("user"), None if kind in ("org", "assignment") else s.thing(kind)
        if kind == "org":
            principal = s.org.make("user")
        if kind == "team":
            principal = s.thing("teammate")
        role = s.beside() if kind == "assignment" else s.low(kind)
        assign(s, principal, role, scope)
        if kind == "team":
            s.spend("teammate")


for _kind in ("org", "assignment", "team", "workspace", "project"):
    assigned(_kind)


def assign(s, principal, role, scope=None):
    body = {"schemas": [OURS + "Assignment"], "principal": {"value": principal}, "role": role}
    if scope:
        body["scope"] = {"value": scope}
    return s.do("assignment_create", "POST", "/Assignments", body, principal=principal, role=role, scope=scope)


@drives("Assignment.withdraw")
def _(s):
    """Of the only origin, which ends the assignment: who may end it, and nobody else."""
    held = s.thing("held_workspace")
    if held:
        s.do("assignment_delete", "POST", f"/Assignments/{held}/.withdraw", {"type": "operator"}, assignment=held,
             spends=("held_workspace",))


@drives("Assignment.create.mapping")
def _(s):
    assign(s, s.thing("mapped"), s.low("workspace"), s.thing("workspace"))


# ---- Invitations ----

@drives("Invitation.view")
def _(s):
    s.ask("GET", f"/Invitations/{s.thing('invitation')}")


@drives("Invitation.create.email")
def _(s):
    address = s.test.name("guest") + "@guests.test"
    s.do("invite", "POST", "/Invitations", {"schemas": [OURS + "Invitation"], "kind": "email", "address": address},
         address=address)


@drives("Invitation.create.link")
def _(s):
    model = s.org.plain.model.data
    s.ask("POST", "/Invitations", {"schemas": [OURS + "Invitation"], "kind": "link"},
          also=() if "link" in model.get("invitations", {}) else {400})


@drives("Invitation.edit")
def _(s):
    s.ask("PATCH", f"/Invitations/{s.thing('invitation')}", replaced("message", s.test.name("come ")))


@drives("Invitation.resend")
def _(s):
    s.ask("POST", f"/Invitations/{s.thing('invitation')}/.resend", {}, also={429})


@drives("Invitation.revoke")
def _(s):
    s.ask("POST", f"/Invitations/{s.thing('invitation')}/.revoke", {}, spends=("invitation",))


@drives("Invitation.delete")
def _(s):
    s.ask("DELETE", f"/Invitations/{s.thing('invitation')}", spends=("invitation",))


# ---- Connections, tokens ----

@drives("Connection.view")
def _(s):
    s.ask("GET", f"/Connections/{s.thing('connection')}")


@drives("Connection.create")
def _(s):
    s.ask("POST", "/Connections", {"schemas": [OURS + "Connection"], "name": s.test.name("c"), "dialect": "strict"})


@drives("Connection.edit")
def _(s):
    s.ask("PATCH", f"/Connections/{s.thing('connection')}", replaced("name", s.test.name("c")))


@drives("Connection.delete")
def _(s):
    s.ask("DELETE", f"/Connections/{s.thing('connection')}", spends=("connection",))


@drives("Connection.release")
def _(s):
    s.ask("POST", f"/Connections/{s.thing('connection')}/.release", {}, also={409})


@drives("Token.view")
def _(s):
    s.ask("GET", f"/Tokens/{s.thing('token')}")


@drives("Token.create.key")
def _(s):
    s.ask("POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "key", "permissions": ["org.view"]}, own=True)


@drives("Token.create.connection")
def _(s):
    s.ask("POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "connection", "owner": {"value": s.thing("connection")}})


@drives("Token.edit")
def _(s):
    s.ask("PATCH", f"/Tokens/{s.thing('token')}", replaced("displayName", s.test.name("k")))


@drives("Token.rotate")
def _(s):
    s.ask("POST", f"/Tokens/{s.thing('token')}/.rotate", {}, spends=("token",))


@drives("Token.delete")
def _(s):
    s.ask("DELETE", f"/Tokens/{s.thing('token')}", spends=("token",))


# ---- Settings ----

@drives("Settings.view")
def _(s):
    s.ask("GET", f"/Settings/{s.thing('settings')}")


def setting(name, value):
    @drives(f"Settings.edit.{name}" if name != "displayName" else "Settings.edit")
    def _(s):
        s.ask("PATCH", f"/Settings/{s.thing('settings')}", replaced(name, value(s)))


setting("displayName", lambda s: s.test.name("Name "))
setting("domains", lambda s: [{"value": s.test.name("d") + ".test"}])
setting("sso", lambda s: {"provider": s.test.name("idp"), "issuer": "https://idp.test/"})
setting("nameservers", lambda s: [f"192.0.2.{1 + int(s.test.name('')) % 250}"])
setting("searchDomains", lambda s: [s.test.name("s") + ".test"])
setting("policies", lambda s: '{"rule": "%s"}' % s.test.name("r"))


def toggled(name):
    @drives(f"Settings.edit.{name}")
    def _(s):
        """Something has to change, and nothing is to stay changed."""
        path = f"/Settings/{s.thing('settings')}"
        now = bool(s.org.operate("GET", path).get(name, name == "externalInvitations"))
        if s.ask("PATCH", path, replaced(name, not now)).status in SUCCESS:
            s.org.operate("PATCH", path, replaced(name, now))


toggled("externalInvitations")
toggled("connectionsManageGuarded")


@drives("Settings.verify")
def _(s):
    s.ask("POST", f"/Settings/{s.thing('settings')}/.verify", {"domain": "never-claimed.test"}, also={400, 404, 409})


@drives("Settings.ca")
def _(s):
    s.ask("POST", f"/Settings/{s.thing('settings')}/.ca", {}, also={400, 409, 503})


# ---- The org itself ----

@drives("Organization.view")
def _(s):
    s.ask("GET", f"/Organizations/{s.org.id}", base="platform")


@drives("Organization.create")
def _(s):
    s.ask("POST", "/Organizations", {"schemas": [OURS + "Organization"], "key": s.test.name("made-"), "model": "lab"},
          base="platform")


@drives("Organization.edit")
def _(s):
    s.ask("PATCH", f"/Organizations/{s.org.id}", replaced("displayName", s.test.name("Org ")), base="platform")


@drives("Organization.edit.limits")
def _(s):
    s.ask("PATCH", f"/Organizations/{s.org.id}", replaced("limits", [{"value": "members", "max": 100000}]), base="platform")


@drives("Organization.edit.quotas")
def _(s):
    quotas = list(s.org.plain.model.data.get("quotas", {})) or ["seats"]
    s.ask("PATCH", f"/Organizations/{s.org.id}", replaced("quotas", [{"value": quotas[0], "max": 7}]), base="platform")


@drives("Organization.delete")
def _(s):
    """Not confirmed: who may is told how many members would go."""
    s.ask("DELETE", f"/Organizations/{s.org.id}", also={409}, base="platform")


@drives("Organization.rename")
def _(s):
    key = s.test.name("renamed-")
    if s.ask("POST", f"/Organizations/{s.org.id}/.rename", {"key": key}, base="platform").status in SUCCESS:
        s.org.key, s.org.base = key, f"/orgs/{key}/scim/v2"


@drives("Organization.transfer")
def _(s):
    """To oneself: who may is told that they have it, or that it is not theirs."""
    s.ask("POST", f"/Organizations/{s.org.id}/.transfer", {"to": s.me}, also={400, 409}, base="platform")


@drives("Organization.migrate")
def _(s):
    s.ask("POST", f"/Organizations/{s.org.id}/.migrate", {"model": "standard", "dryRun": True}, also={409},
          base="platform")


for _action in ("suspend", "resume", "restore"):
    @drives(f"Organization.{_action}")
    def _(s, action=_action):
        s.ask("POST", f"/Organizations/{s.org.id}/.{action}", {}, base="platform")


# ---- Certificates, quotas, the audit log ----

def csr():
    """A request for a certificate, as openssl makes it."""
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                               "-keyout", f"{folder}/key.pem", "-subj", "/CN=tests"],
                              check=True, capture_output=True, text=True).stdout


@drives("Certificate.view")
def _(s):
    s.ask("GET", f"/Certificates/{s.thing('certificate')}")


@drives("Certificate.create")
def _(s):
    s.ask("POST", "/Certificates", {"schemas": [OURS + "Certificate"], "csr": csr(),
                                    "subject": {"value": s.thing("user"), "type": "User"}})


@drives("Certificate.edit")
def _(s):
    s.ask("PATCH", f"/Certificates/{s.thing('certificate')}", replaced("displayName", s.test.name("c")), also={400})


@drives("Certificate.revoke")
def _(s):
    s.ask("POST", f"/Certificates/{s.thing('certificate')}/.revoke", {}, spends=("certificate",))


@drives("Certificate.delete")
def _(s):
    s.ask("DELETE", f"/Certificates/{s.thing('certificate')}", spends=("certificate",), also={409})


@drives("Quota.view")
def _(s):
    if s.thing("quota"):
        s.ask("GET", f"/Quotas/{s.thing('quota')}")


for _action in ("reserve", "release"):
    @drives(f"Quota.{_action}")
    def _(s, action=_action):
        if s.thing("quota"):
            if action == "release":
                s.org.operate("POST", f"/Quotas/{s.thing('quota')}/.reserve", {"amount": 1})
            s.ask("POST", f"/Quotas/{s.thing('quota')}/.{action}", {"amount": 1})


@drives("AuditEvent.view")
def _(s):
    s.ask("GET", "/AuditEvents?count=1")


@drives("AuditEvent.export")
def _(s):
    s.ask("GET", "/AuditEvents/.export")


# ---- Checks ----

@drives("check")
def _(s):
    s.ask("POST", f"/orgs/{s.org.key}/access/v1/evaluation", {
        "subject": {"type": "user", "id": s.thing("user")}, "action": {"name": "org.view"},
        "resource": {"type": "org", "id": s.org.key}}, base="url", headers=PLAIN_JSON)


# ---- The binary door ----

def over_the_wire(s, type, part=False, **fields):
    """What a request of roster/1 comes to, as a reply. part: its answer does not end, its first part is enough."""
    token = s.actor.token if hasattr(s.actor, "token") else s.actor
    try:
        with Wire(s.test.daemon, token, s.org.key) as wire:
            answer = wire.first_part(type, **fields) if part else wire.call(type, **fields)
        reply = Reply(200, [], json.dumps(answer, default=repr).encode())
    except Failure as failure:
        reply = Reply(failure.status, [], json.dumps({"detail": failure.message}).encode())
    s.judge(reply, None, False, ())


@drives("members")
def _(s):
    over_the_wire(s, "is-member", subject_id=s.thing("user"), group_id=s.thing("team"))


@drives("stats")
def _(s):
    over_the_wire(s, "stats")


@drives("watch")
def _(s):
    over_the_wire(s, "watch", part=True)


@drives("sync")
def _(s):
    over_the_wire(s, "sync-begin")


# ---- The walk ----

def scene(test, org, role):
    """Somebody who has that role, in the org or in each thing of the scope where it is held."""
    plain = org.plain
    if role == plain.first_role:
        return Scene(org, role, org.owner)
    actor = test.person()
    if role.startswith("org/"):
        org.join(actor, role)
    elif role.startswith("assignment/"):
        fits = plain.model.fits(role)
        base = plain.default("org") if plain.default("org") in fits else fits[0]
        org.join(actor, base, [] if plain.model.roles[role].get("required") else [role])
    else:
        org.join(actor)
    return Scene(org, role, actor)


class Operations(LivingTest):
    def roles(self, name):
        return list(model_of(name).roles)

    def walk(self, name):
        operations = table()
        org = self.living(name)
        org.connection = self.daemon.connect(org.key, "idp")
        for role in self.roles(name):
            s = scene(self, org, role)
            for operation, permission in operations.items():
                s.operation, s.permission = operation, permission
                with self.subTest(model=name, role=role, operation=operation):
                    DRIVERS[operation](s)
        self.assertEqual(org.found(), org.plain.picture())

    def test_every_operation_has_a_driver(self):
        self.assertEqual(sorted(set(table()) - set(DRIVERS)), [])
        self.assertEqual(sorted(set(DRIVERS) - set(table())), [])


def each(name):
    def test(self):
        self.walk(name)
    test.__doc__ = f"{name}: every operation as every role"
    return test


for _name in MODELS:
    setattr(Operations, f"test_{_name}", each(_name))


if __name__ == "__main__":
    main()
