"""What is asked for on the platform's base, by everybody who can ask: a person about their own, another person, a limited token, products
with the right and with all others, an operator, keys, connections, nobody. The table says who may, and is written by hand."""

import collections

from living import LivingTest, OURS, replaced
from harness import find_member, main

RIGHTS = ["people.view", "people.create", "people.edit", "people.delete", "people.tokens", "organizations.view", "organizations.create"]

# What is tried (of a Case: method, path, body), whether a person may with what is their own, whether another person may,
# the right of a product (None: none may), whether a limited token of the person may, whether operators may.
Row = collections.namedtuple("Row", "attempt own other right limited operator", defaults=(False, True))


class Case:
    """A person with all that there is to try things on, made anew for each attempt."""

    def __init__(self, test):
        self.test = test
        self.person = test.person()
        self.token = test.operate("POST", "/Tokens", test.of("Token", kind="personal", owner={"value": self.person.id}))["id"]

    def company(self):
        self.org = self.test.living("standard", owner=self.person)
        return f"/Organizations/{self.org.id}"

    def invited(self):
        """An invitation that waits for the person; its id."""
        org = self.test.living("standard")
        org.operate("POST", "/Invitations", self.test.of("Invitation", kind="email", address=self.person.address))
        return self.test.send(self.person, "GET", "/scim/v2/Invitations").json["Resources"][0]["id"]


def founding(case):
    return "POST", "/Organizations", case.test.of("Organization", key=case.test.name("k-"), creator={"value": case.person.id})


TABLE = {
    "Person.view": Row(lambda c: ("GET", f"/People/{c.person.id}", None), True, False, "people.view", True),
    "Person.create": Row(lambda c: ("POST", "/People", c.test.of("Person", userName=c.test.name("n"))), False, False, "people.create"),
    "Person.edit": Row(lambda c: ("PATCH", f"/People/{c.person.id}", replaced("displayName", c.test.name("N"))),
                       True, False, "people.edit"),
    "Person.delete": Row(lambda c: ("DELETE", f"/People/{c.person.id}", None), True, False, "people.delete"),
    "Token.view": Row(lambda c: ("GET", f"/Tokens/{c.token}", None), True, False, "people.tokens", True),
    "Token.create": Row(lambda c: ("POST", "/Tokens", c.test.of("Token", kind="personal", owner={"value": c.person.id})),
                        True, False, "people.tokens"),
    "Token.edit": Row(lambda c: ("PATCH", f"/Tokens/{c.token}", replaced("displayName", c.test.name("t"))), True, False, None),
    "Token.delete": Row(lambda c: ("DELETE", f"/Tokens/{c.token}", None), True, False, "people.tokens"),
    "Token.rotate": Row(lambda c: ("POST", f"/Tokens/{c.token}/.rotate", {}), True, False, "people.tokens"),
    "Organization.view": Row(lambda c: ("GET", c.company(), None), True, False, "organizations.view", True),
    "Organization.create": Row(founding, True, False, "organizations.create"),
    "Organization.edit": Row(lambda c: ("PATCH", c.company(), replaced("displayName", c.test.name("O"))), True, False, None),
    "Organization.rename": Row(lambda c: ("POST", c.company() + "/.rename", {"key": c.test.name("r-")}), True, False, None),
    "Organization.migrate": Row(lambda c: ("POST", c.company() + "/.migrate", {"model": "lab", "dryRun": True}), True, False, None),
    "Organization.delete": Row(lambda c: ("DELETE", c.company() + "?confirm=1", None), True, False, None),
    "Organization.suspend": Row(lambda c: ("POST", c.company() + "/.suspend", {}), False, False, None),
    "Invitation.view": Row(lambda c: ("GET", f"/Invitations/{c.invited()}", None), True, False, None, True),
    "Invitation.accept": Row(lambda c: ("POST", f"/Invitations/{c.invited()}/.accept", {}), True, False, None, False, False),
    "Invitation.decline": Row(lambda c: ("POST", f"/Invitations/{c.invited()}/.decline", {}), True, False, None),
}


class Platform(LivingTest):
    @staticmethod
    def of(type_, **attributes):
        return {"schemas": [OURS + type_], **attributes}

    def product(self, *rights):
        return find_member(self.daemon.ctl("token", "create", "--service", "--orgs", "*", "--permissions", ",".join(rights)),
                           ("token", "secret"))

    def setUp(self):
        super().setUp()
        self.with_ = {right: self.product(right) for right in RIGHTS}
        self.without = {right: self.product(*[other for other in RIGHTS if other != right]) for right in RIGHTS}
        self.all_rights = self.product("people.*", "organizations.*")
        org = self.living("lab")
        key = self.allowed(org.send(org.owner, "POST", "/Tokens", self.of("Token", kind="key")))["token"]
        self.strangers = {"a key": key, "a connection": self.daemon.connect(org.key, "idp")}

    def attempt(self, row, token, case=None):
        case = case or Case(self)
        method, path, body = row.attempt(case)
        return self.send(token(case) if callable(token) else token, method, "/scim/v2" + path, body)

    def is_refused(self, reply, *statuses):
        self.assertIn(reply.status, statuses or (403, 404), reply)

    def judge(self, may, reply):
        return self.allowed(reply) if may else self.is_refused(reply)

    def limited(self, case):
        """A token of the person that may something else."""
        return self.operate("POST", "/Tokens", self.of(
            "Token", kind="personal", owner={"value": case.person.id}, permissions=["member.view"]))["token"]

    def each(self, check):
        for name, row in TABLE.items():
            with self.subTest(operation=name):
                check(row)

    def test_people(self):
        stranger = self.person()

        def check(row):
            self.judge(row.own, self.attempt(row, lambda case: case.person))
            self.judge(row.other, self.attempt(row, stranger))
        self.each(check)

    def test_limited_tokens(self):
        """They see what is the person's own, and do what they name."""
        self.each(lambda row: self.judge(row.limited, self.attempt(row, self.limited)))

    def test_products(self):
        def check(row):
            if row.right is None:
                return self.is_refused(self.attempt(row, self.all_rights))
            self.allowed(self.attempt(row, self.with_[row.right]))
            refused = self.attempt(row, self.without[row.right])
            if refused.status != 404:  # what may not be seen is not there
                self.denied(refused, row.right)
        self.each(check)

    def test_operators(self):
        self.each(lambda row: self.judge(row.operator, self.attempt(row, self.operator)))

    def test_who_has_no_platform(self):
        def check(row):
            for token in self.strangers.values():
                self.is_refused(self.attempt(row, token), 404)
            self.is_refused(self.attempt(row, None), 401)
            self.is_refused(self.attempt(row, "rst_" + "x" * 43), 401)
        self.each(check)

    def test_a_deactivated_person_is_out(self):
        person = self.person()
        self.operate("PATCH", f"/People/{person.id}", replaced("active", False))
        self.each(lambda row: self.is_refused(self.attempt(row, person), 401))

    def test_lists_show_what_may_be_seen(self):
        case = Case(self)
        case.company()
        for endpoint, mine in (("/People", {case.person.id}), ("/Organizations", {case.org.id})):
            self.assertEqual(set(self.send(case.person, "GET", "/scim/v2" + endpoint).ids), mine)
            for token in self.strangers.values():
                self.is_refused(self.send(token, "GET", "/scim/v2" + endpoint), 404)
        tokens = self.allowed(self.send(case.person, "GET", "/scim/v2/Tokens"))["Resources"]
        self.assertEqual({item["owner"]["value"] for item in tokens}, {case.person.id})
        self.is_refused(self.send(self.without["people.view"], "GET", "/scim/v2/People"), 403)
        self.assertGreater(self.allowed(self.send(self.with_["people.view"], "GET", "/scim/v2/People"))["totalResults"], 1)


if __name__ == "__main__":
    main()
