"""Living orgs of any role model, over HTTPS: people with tokens of their own, members with roles, and beside each org the
plain model of it (plain.py), kept the same."""

import itertools
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))

from harness import GROUP, PATCH, USER, Api, SystemTest, certificate, find_member  # noqa: E402
from plain_doors import Org  # noqa: E402
from role_model import ROOT, RoleModel  # noqa: E402

OURS = "urn:rosterd:scim:schemas:core:1.0:"
SCHOOL = ROOT / "tests/models/school.json"
NAMED = re.compile(r'"([a-zA-Z0-9./-]+)"')


def model_of(name):
    return RoleModel(SCHOOL.read_text()) if name == "school" else RoleModel.named(name)


def replaced(path, value):
    return {"schemas": [PATCH], "Operations": [{"op": "replace", "path": path, "value": value}]}


class Person:
    def __init__(self, name, id, token):
        self.name, self.id, self.token = name, id, token
        self.address = f"{name}@people.test"

    def __repr__(self):
        return self.name


class LivingOrg:
    """One org, its plain model, and the requests that reach it."""

    def __init__(self, test, model, kind, owner, key):
        self.test, self.key = test, key
        self.base = f"/orgs/{key}/scim/v2"
        self.plain = Org(model_of(model), kind)
        self.id = None
        self.owner = owner

    def send(self, token, method, path, body=None, **more):
        """As whoever has the token (a Person, or the token itself)."""
        return self.test.send(token, method, self.base + path, body, **more)

    def operate(self, method, path, body=None):
        """As the operator; must succeed."""
        reply = self.send(self.test.operator, method, path, body)
        if reply.status not in (200, 201, 204):
            raise AssertionError(f"{method} {path} {body}: {reply}")
        return reply.json if reply.raw else None

    def listed(self, endpoint, token=None):
        found = []
        while True:
            reply = self.send(token or self.test.operator, "GET", f"{endpoint}?startIndex={len(found) + 1}&count=200")
            if reply.status != 200:
                raise AssertionError(f"GET {endpoint}: {reply}")
            found += reply.json.get("Resources", [])
            if not reply.json.get("Resources") or len(found) >= reply.json["totalResults"]:
                return found

    def join(self, person, role=None, assignments=()):
        """Makes a person a member with that role (the default unless said). Returns the member's id."""
        address = person.address
        made = self.operate("POST", "/Users", {
            "schemas": [USER], "userName": address, "emails": [{"value": address, "primary": True}]})
        self.operate("POST", f"/Users/{made['id']}/.link", {"person": person.id})
        self.plain.add_member(made["id"], person)
        for path in ([role] if role and role != self.plain.default("org") else []) + list(assignments):
            self.assign(made["id"], path)
        return made["id"]

    def assign(self, principal, role, scope=None):
        body = {"schemas": [OURS + "Assignment"], "principal": {"value": principal}, "role": role}
        if scope:
            body["scope"] = {"value": scope}
        made = self.operate("POST", "/Assignments", body)
        self.plain.apply(None, "assignment_create", made["id"], principal=principal, role=role, scope=scope)
        return made["id"]

    def make(self, sort, parent=None, name=None):
        """A user, team, workspace or project, by the operator."""
        name = name or self.test.name(sort)
        if sort == "user":
            made = self.operate("POST", "/Users", {"schemas": [USER], "userName": name})
            self.plain.add_member(made["id"])
        elif sort == "team":
            made = self.operate("POST", "/Groups", {"schemas": [GROUP], "displayName": name})
            self.plain.teams[made["id"]], self.plain.sort[made["id"]] = set(), "team"
        else:
            body = {"schemas": [OURS + sort.capitalize()], "displayName": name}
            if parent:
                body["parent"] = {"value": parent}
            made = self.operate("POST", f"/{sort.capitalize()}s", body)
            self.plain.parent[made["id"]], self.plain.sort[made["id"]] = parent, sort
        return made["id"]

    def enter(self, team, *members):
        self.operate("PATCH", f"/Groups/{team}", {"schemas": [PATCH], "Operations": [
            {"op": "add", "path": "members", "value": [{"value": member} for member in members]}]})
        self.plain.teams[team] |= set(members)

    def member(self, person):
        return self.plain.people.get(person)

    def found(self):
        """The state as the daemon shows it, in the form of plain.Org.picture()."""
        org_role = {}
        held = []
        for item in self.listed("/Assignments"):
            principal, role = item["principal"]["value"], item["role"]
            if self.plain.is_org_role(role) and item["principal"].get("type") == "User":
                if item["status"] == "active":
                    org_role[principal] = role
            else:
                held.append((principal, role, item.get("scope", {}).get("value", "")))
        return {
            "members": {item["id"]: (item.get("active", True), org_role.get(item["id"], self.plain.default("org")))
                        for item in self.listed("/Users")},
            "teams": {item["id"]: sorted(member["value"] for member in item.get("members", []))
                      for item in self.listed("/Groups")},
            "tree": {item["id"]: (sort, item.get("parent", {}).get("value"))
                     for sort in ("workspace", "project") for item in self.listed(f"/{sort.capitalize()}s")},
            "held": sorted(held),
            "roles": {item["name"]: sorted(item.get("permissions", []))
                      for item in self.listed("/Roles") if item.get("kind") == "custom"},
        }


class LivingTest(SystemTest):
    """A daemon, an operator, people."""

    config = {"org.models": [str(SCHOOL)]}
    numbers = itertools.count(1)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        try:
            cls.operator = find_member(cls.daemon.ctl("token", "create", "--operator"), ("token", "secret"))
            cls.wire = Api(cls.daemon.url, None, cafile=certificate()[0])
        except BaseException:
            cls.daemon.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.wire.close()
        super().tearDownClass()

    @classmethod
    def name(cls, prefix):
        return f"{prefix}{next(cls.numbers)}"

    @classmethod
    def send(cls, token, method, path, body=None, headers=None, **more):
        """One kept connection for all, whoever asks."""
        token = token.token if isinstance(token, Person) else token
        return cls.wire.request(method, path, body, headers={**({"Authorization": f"Bearer {token}"} if token else {}),
                                                             **(headers or {})}, **more)

    @classmethod
    def operate(cls, method, path, body=None):
        reply = cls.send(cls.operator, method, "/scim/v2" + path, body)
        if reply.status not in (200, 201, 204):
            raise AssertionError(f"{method} {path} {body}: {reply}")
        return reply.json if reply.raw else None

    @classmethod
    def person(cls, name=None):
        name = name or cls.name("p")
        made = cls.operate("POST", "/People", {
            "schemas": [OURS + "Person"], "userName": name, "displayName": name.capitalize(),
            "emails": [{"value": f"{name}@people.test", "primary": True, "verified": True}]})
        token = cls.operate("POST", "/Tokens", {
            "schemas": [OURS + "Token"], "kind": "personal", "owner": {"value": made["id"]}})
        return Person(name, made["id"], token["token"])

    def living(self, model, kind="company", owner=None):
        """An org whose first member is a person; made by the operator for them."""
        owner = owner or self.person()
        org = LivingOrg(self, model, kind, owner, self.name(f"{model}-"))
        made = self.operate("POST", "/Organizations", {
            "schemas": [OURS + "Organization"], "key": org.key, "displayName": org.key, "kind": kind, "model": model,
            "creator": {"value": owner.id}})
        org.id = made["id"]
        self.adopt(org, owner)
        return org

    def adopt(self, org, owner):
        """Takes the first member into the plain model."""
        [user] = org.listed("/Users")
        records = {item["principal"]["value"]: item for item in org.listed("/Assignments")}
        record = records.get(user["id"], {})
        self.assertEqual(record.get("role", org.plain.default("org")), org.plain.first_role)
        org.plain.add_member(user["id"], owner, org.plain.first_role, record.get("id"))

    # ---- Judging ----

    def judged(self, reply, refusals, what=""):
        """The answer is what the plain model says: allowed, or one of the refusals, with the word named."""
        if not refusals:
            self.assertIn(reply.status, (200, 201, 204), f"{what}: the plain model allows it: {reply}")
            return True
        self.assertIn(reply.status, {refusal.status for refusal in refusals},
                      f"{what}: the plain model refuses: {refusals}, answered: {reply}")
        words = {refusal.word for refusal in refusals if refusal.status == reply.status}
        if None not in words:
            named = set(NAMED.findall(reply.json.get("detail", "")))
            self.assertTrue(words & named, f"{what}: to be named: {words}, answered: {reply}")
        return False

    def denied(self, reply, permission, what=""):
        """403, and the permission is named as missing."""
        self.assertEqual(reply.status, 403, f"{what}: {reply}")
        self.assertIn(f'"{permission}"', reply.raw.decode().replace('\\"', '"'), f"{what}: {reply}")

    def gone(self, reply, what=""):
        self.assertEqual(reply.status, 404, f"{what}: {reply}")

    def allowed(self, reply, what=""):
        self.assertIn(reply.status, (200, 201, 204), f"{what}: {reply}")
        return reply.json if reply.raw else None
