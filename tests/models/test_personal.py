"""The table of operations, walked in the personal orgs of each model that has them: by the one member, and from outside. Sign-ups by
operators and products make them."""

from living import GROUP, OURS, LivingTest, model_of, replaced
from harness import NOWHERE, find_member, main
from test_operations import DRIVERS, MODELS, SUCCESS, Scene, table
from test_outside import Outside

PERSONAL = [name for name in MODELS if "personal" in model_of(name).data["kinds"]]
LIMITS = {"teams": 50, "invitations": 50, "roles": 50}  # those that the models set to nothing: rights decide, not they


class Alone(Scene):
    """The one member of a personal org, who is every user that there is."""

    def make_user(self):
        return self.me

    def make_provisioned(self):
        return self.me, self.actor.id

    def make_linked(self):
        return self.me

    def make_invitation(self):
        """There can be none."""
        return NOWHERE

    def make_mapped(self):
        """A connection makes no team here either."""
        self.test.denied(self.org.send(self.org.connection, "POST", "/Groups", {"schemas": [GROUP], "displayName": "t"}), "team.create")
        return self.thing("team")

    def held(self, kind):
        """Roles in scopes, and beside the one in the org where they fit to it; no other role in the org."""
        plain, beside = self.org.plain, self.beside()
        if kind == "org" or (kind == "assignment" and beside in plain.model.roles and plain.first_role not in plain.model.fits(beside)):
            return None
        return super().held(kind)

    def ask(self, method, path, body=None, scope=None, own=False, also=(), spends=(), base="org", headers=None):
        """Who may is told that there is one member, and that they stay."""
        return super().ask(method, path, body, scope, own, {*also, 404, 409}, (), base, headers)

    def judge(self, reply, scope, own, also):
        if self.operation.startswith("Invitation.") and ".create" not in self.operation:
            return self.test.assertEqual(reply.status, 404, f"{self}: {reply}")
        super().judge(reply, scope, own, also)
        if self.operation in NEVER:
            self.test.assertNotIn(reply.status, SUCCESS, f"{self}: {reply}")


NEVER = {"Invitation.create.email", "Invitation.create.link", "User.link", "User.unlink", "User.create", "User.delete",
         "User.edit.active"}


class Personal(LivingTest):
    def personal(self, name):
        org = self.living(name, "personal")
        self.operate("PATCH", f"/Organizations/{org.id}", replaced(
            "limits", [{"value": limit, "max": most} for limit, most in LIMITS.items()]))
        org.plain.limits.update(LIMITS)
        org.connection = self.daemon.connect(org.key, "idp")
        made = org.make
        org.make = lambda sort, *more, **named: org.member(org.owner) if sort == "user" else made(sort, *more, **named)
        return org

    def walk(self, name):
        org = self.personal(name)
        s = Alone(org, org.plain.first_role, org.owner)
        for operation, permission in table().items():
            s.operation, s.permission = operation, permission
            with self.subTest(operation=operation):
                DRIVERS[operation](s)
        self.assertEqual(org.found(), org.plain.picture())
        self.assertEqual(len(org.listed("/Users")), 1)
        for who in (self.living(name).owner, self.person()):
            stranger = Outside(s, who, "stranger")
            for operation, permission in table().items():
                if operation != "Organization.create":
                    stranger.operation, stranger.permission = operation, permission
                    with self.subTest(operation=operation, who="outside"):
                        DRIVERS[operation](stranger)
        self.assertEqual(org.found(), org.plain.picture())


class SignUp(LivingTest):
    """Who signs up has a personal org where the configuration says so, whoever signs them up."""

    config = {**LivingTest.config, "org.personal_model": "sandbox"}

    def check(self, made, token):
        mine = self.allowed(self.send(token, "GET", "/scim/v2/Organizations"))["Resources"]
        self.assertEqual([(item["kind"], item["model"], item["state"]) for item in mine], [("personal", "sandbox", "active")])
        users = self.allowed(self.send(token, "GET", f"/orgs/{mine[0]['key']}/scim/v2/Users"))["Resources"]
        self.assertEqual([user["userName"] for user in users], [made["userName"]])
        return mine[0]

    def signed_up(self, door):
        made = self.allowed(self.send(door, "POST", "/scim/v2/People", {"schemas": [OURS + "Person"], "userName": self.name("new")}))
        token = self.allowed(self.send(door, "POST", "/scim/v2/Tokens", {
            "schemas": [OURS + "Token"], "kind": "personal", "owner": {"value": made["id"]}}))["token"]
        return made, token

    def test_by_an_operator_and_by_a_product(self):
        product = find_member(self.daemon.ctl("token", "create", "--service", "--orgs", "*",
                                              "--permissions", "people.create,people.tokens"), ("token", "secret"))
        keys = {self.check(*self.signed_up(door))["key"] for door in (self.operator, product)}
        self.assertEqual(len(keys), 2)

    def test_nobody_enters_anothers(self):
        (ann, hers), (_, bobs) = self.signed_up(self.operator), self.signed_up(self.operator)
        org = self.check(ann, hers)
        base = f"/orgs/{org['key']}/scim/v2"
        self.gone(self.send(bobs, "GET", base + "/Users"))
        for method, path, body in (("DELETE", "?confirm=1", None), ("POST", "/.rename", {"key": self.name("k")}),
                                   ("POST", "/.transfer", {"to": ann["id"]}), ("POST", "/.migrate", {"model": "lab"})):
            reply = self.send(bobs, method, f"/scim/v2/Organizations/{org['id']}{path}", body)
            self.assertIn(reply.status, (403, 404), reply)
        self.denied(self.send(hers, "DELETE", f"/scim/v2/Organizations/{org['id']}?confirm=1"), "org.delete")
        self.assertEqual(len(self.allowed(self.send(hers, "GET", "/scim/v2/Organizations"))["Resources"]), 1)


def each(name):
    def test(self):
        self.walk(name)
    test.__doc__ = f"{name}: every operation in a personal org"
    return test


for _name in PERSONAL:
    setattr(Personal, f"test_{_name}", each(_name))


if __name__ == "__main__":
    main()
