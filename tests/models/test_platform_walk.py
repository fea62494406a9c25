"""The platform's part of the table of operations, walked: people with what is theirs and what is not, tokens that are limited, products
with the right that the table names and with all the others. Each refusal names what is missing."""

import subprocess

from living import LivingTest, OURS, USER, replaced
from harness import main, program

SUCCESS = {200, 201, 204}


def table():
    """name -> (permission in an org, what a person may, the right of a product); None where there is none."""
    text = subprocess.run([program("rosterd"), "--print-operations"], capture_output=True, text=True, check=True).stdout
    rows = ([None if word == "-" else word for word in line.split(" ")] for line in text.splitlines())
    return {name: tuple(rest) for name, *rest in rows}


def on_platform():
    """Those of the table that the platform's base serves."""
    return {name: row for name, row in table().items()
            if row[1] or row[2] or name.startswith(("Organization.", "Person."))}


DRIVERS = {}


def drives(name):
    def keep(function):
        DRIVERS[name] = function
        return function
    return keep


class Platform(LivingTest):
    """Each driver makes a thing of self.ann's and gives the request that the operation is, as `who` would send it."""

    def setUp(self):
        super().setUp()
        self.ann = self.person()

    # ---- Who ----

    def service(self, rights):
        return self.daemon.ctl("token", "create", "--service", "--orgs", "*", "--permissions", ",".join(rights))["token"]

    def limited(self, person, permissions):
        return self.operate("POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "personal",
                                                "owner": {"value": person.id}, "permissions": permissions})["token"]

    def rights(self):
        return {right for _, _, right in table().values() if right}

    def owned(self):
        org = self.living("standard", owner=self.ann)
        return org, f"/Organizations/{org.id}"

    # ---- Judging ----

    def attempt(self, name, token, person=None):
        method, path, body = DRIVERS[name](self, person)
        return self.send(token, method, "/scim/v2" + path, body)

    def passes(self, name, token, person=None):
        reply = self.attempt(name, token, person)
        self.assertIn(reply.status, SUCCESS, f"{name}: {reply}")

    def stopped(self, name, token, needs, person=None):
        """needs: what is named as missing; of limits, who lacks the right to the rest too may hear of that."""
        reply = self.attempt(name, token, person)
        self.assertIn(reply.status, {403, 404}, f"{name}: {reply}")
        if reply.status == 403:
            words = {needs, "settings.edit"} if name.startswith("Organization.edit.") else {needs}
            self.assertTrue(any(f'"{word}"' in reply.json["detail"] for word in words), f"{name}: {reply}")

    def walk(self, judge):
        for name, row in on_platform().items():
            with self.subTest(operation=name):
                self.ann = self.person()
                judge(name, *row)

    # ---- The walk ----

    def test_each_has_a_driver(self):
        self.assertEqual(sorted(on_platform()), sorted(DRIVERS))

    def test_operators(self):
        as_people = ("Invitation.accept", "Invitation.decline", "User.claim")  # what only a person can do
        self.walk(lambda name, perm, person, right: name in as_people or self.passes(name, self.operator))

    def test_people_with_their_own(self):
        def judge(name, perm, person, right):
            if person:
                self.passes(name, self.ann, self.ann)
            else:
                self.stopped(name, self.ann, right or "operator", self.ann)
        self.walk(judge)

    def test_people_with_what_is_another_s(self):
        def judge(name, perm, person, right):
            other = self.person()
            if name == "User.claim":
                self.gone(self.attempt(name, other))  # by whoever has the address
            elif person == "any":
                self.passes(name, other, other)
            else:
                self.stopped(name, other, right or (perm if perm not in (None, "anyone") else "operator"))
        self.walk(judge)

    def test_people_with_a_token_for_something_else(self):
        def judge(name, perm, person, right):
            token = self.limited(self.ann, ["workspace.create"])
            if name.endswith(".view"):
                return self.passes(name, token, self.ann)
            if name.startswith("Organization.") and name != "Organization.create":
                return self.stopped(name, token, perm, self.ann)  # by the org, within the same limits
            self.stopped(name, token, right or ("*" if person else "operator"), self.ann)
        self.walk(judge)

    def test_people_with_a_token_for_just_this(self):
        def judge(name, perm, person, right):
            needs = perm if name.startswith("Organization.") and name != "Organization.create" else right
            if person and needs and name not in ("Token.create.personal", "Token.rotate"):  # a limited token makes none
                self.passes(name, self.limited(self.ann, [needs]), self.ann)
        self.walk(judge)

    def test_products(self):
        def judge(name, perm, person, right):
            if right:
                self.passes(name, self.service([right]))
                self.ann = self.person()
                self.passes(name, self.service([right.split(".")[0] + ".*"]))
            self.ann, others = self.person(), self.rights() - {right}
            self.stopped(name, self.service(sorted(others)),
                         right or (perm if perm not in (None, "anyone") else "operator"))
        self.walk(judge)

    def test_who_belongs_to_an_org_has_no_platform(self):
        org, _ = self.owned()
        key = org.send(self.ann, "POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "key"})["token"]
        for token in (key, self.daemon.connect(org.key, "idp")):
            for name in DRIVERS:
                self.gone(self.attempt(name, token), name)

    def test_a_product_reaches_no_org_that_it_does_not_name(self):
        org, path = self.owned()
        heir = org.join(self.person(), "org/admin")
        token = self.daemon.ctl("token", "create", "--service", "--orgs", self.living("lab").key, "--permissions", "*")["token"]
        for action, body in (("transfer", {"to": heir, "from": org.member(self.ann)}), ("migrate", {"model": "lab"}),
                             ("rename", {"key": self.name("stolen-")})):
            reply = self.send(token, "POST", f"/scim/v2{path}/.{action}", body)
            self.denied(reply, f"org.{action}")
        self.assertEqual(org.found(), org.plain.picture())


# ---- Organizations ----

@drives("Organization.view")
def _(t, who):
    return "GET", t.owned()[1], None


@drives("Organization.create")
def _(t, who):
    return "POST", "/Organizations", {"schemas": [OURS + "Organization"], "key": t.name("made-"),
                                      **({} if who else {"creator": {"value": t.ann.id}})}


@drives("Organization.edit")
def _(t, who):
    return "PATCH", t.owned()[1], replaced("displayName", t.name("Shown "))


@drives("Organization.edit.limits")
def _(t, who):
    return "PATCH", t.owned()[1], replaced("limits", [{"value": "members", "max": 9}])


@drives("Organization.edit.quotas")
def _(t, who):
    org = t.living("sandbox", owner=t.ann)
    return "PATCH", f"/Organizations/{org.id}", replaced("quotas", [{"value": "sandboxes", "max": 9}])


@drives("Organization.delete")
def _(t, who):
    return "DELETE", t.owned()[1] + "?confirm=1", None


@drives("Organization.rename")
def _(t, who):
    return "POST", t.owned()[1] + "/.rename", {"key": t.name("renamed-")}


@drives("Organization.transfer")
def _(t, who):
    org = t.living("network", owner=t.ann)
    heir = org.join(t.person(), "org/admin")
    return "POST", f"/Organizations/{org.id}/.transfer", {"to": heir, **({} if who else {"from": org.member(t.ann)})}


@drives("Organization.migrate")
def _(t, who):
    return "POST", t.owned()[1] + "/.migrate", {"model": "lab"}


@drives("Organization.suspend")
def _(t, who):
    return "POST", t.owned()[1] + "/.suspend", {}


@drives("Organization.resume")
def _(t, who):
    return "POST", t.owned()[1] + "/.resume", {}


@drives("Organization.restore")
def _(t, who):
    path = t.owned()[1]
    t.operate("DELETE", path + "?confirm=1")
    return "POST", path + "/.restore", {}


# ---- People ----

@drives("Person.view")
def _(t, who):
    return "GET", f"/People/{t.ann.id}", None


@drives("Person.create")
def _(t, who):
    return "POST", "/People", {"schemas": [OURS + "Person"], "userName": t.name("new")}


@drives("Person.edit")
def _(t, who):
    return "PATCH", f"/People/{t.ann.id}", replaced("displayName", t.name("Ann "))


@drives("Person.delete")
def _(t, who):
    return "DELETE", f"/People/{t.ann.id}", None


# ---- Their tokens ----

def token_of(t):
    made = t.operate("POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "personal", "owner": {"value": t.ann.id}})
    return f"/Tokens/{made['id']}"


@drives("Token.view")
def _(t, who):
    return "GET", token_of(t), None


@drives("Token.create.personal")
def _(t, who):
    return "POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "personal",
                               **({} if who else {"owner": {"value": t.ann.id}})}


@drives("Token.edit")
def _(t, who):
    return "PATCH", token_of(t), replaced("displayName", "ci")


@drives("Token.rotate")
def _(t, who):
    return "POST", token_of(t) + "/.rotate", {}


@drives("Token.delete")
def _(t, who):
    return "DELETE", token_of(t), None


# ---- What waits for them ----

def waiting(t):
    org = t.living("standard")
    made = org.operate("POST", "/Invitations", {"schemas": [OURS + "Invitation"], "kind": "email", "address": t.ann.address})
    return f"/Invitations/{made['id']}"


@drives("Invitation.view")
def _(t, who):
    return "GET", waiting(t), None


@drives("Invitation.accept")
def _(t, who):
    return "POST", waiting(t) + "/.accept", {}


@drives("Invitation.decline")
def _(t, who):
    return "POST", waiting(t) + "/.decline", {}


@drives("User.claim")
def _(t, who):
    org = t.living("standard")
    org.operate("POST", "/Users", {"schemas": [USER], "userName": t.ann.address, "emails": [{"value": t.ann.address}]})
    return "POST", "/Organizations/.claim", {"key": org.key}


if __name__ == "__main__":
    main()
