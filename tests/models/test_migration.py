"""Moving a living org to another role model: between any two of them, what the plan tells is what happens, and both are what the plain
model says; roles of the org's own, teams, roles in workspaces and projects, maps, limits and invitations included."""

import copy
import itertools
import re

from living import LivingTest, OURS, model_of
from harness import main
from plain import LIMITS, Held
from role_model import INSIDE

MODELS = ("standard", "lab", "sandbox", "network", "metal", "studio", "school")
PLAIN_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


class Move:
    """What becomes of an org in another model, as docs/ROLE_MODELS.md says."""

    def __init__(self, org, name, map=()):
        self.before, self.map = org, dict(map)
        self.after = after = copy.copy(org)
        after.model = model_of(name)
        after._answers, after._manages = {}, {}
        after.custom = {path: frozenset((permission, own) for permission, own in permits if permission in after.model.permissions)
                        for path, permits in org.custom.items() if self.becomes(path) == path}
        after.role_ids = {path: id for path, id in org.role_ids.items() if path in after.custom}
        after.held = {}
        for id, held in org.held.items():
            path = self.fate(held)
            same = [other for other in after.held.values() if other[:3] == (held.principal, path, held.scope)]
            if path and not same:  # what two grants become alike is one
                after.held[id] = Held(held.principal, path, held.scope, held.start, held.end)

    def becomes(self, path):
        old, new = self.before.model, self.after.model
        if path in self.map:
            return self.map[path]
        if path in new.roles:
            return path
        if path not in old.roles:
            return path if path.split("/")[0] in new.data.get("customRoles", []) else ""
        kind = self.before.kind
        return "org/" + new.data["kinds"][kind]["creator"] if path == "org/" + old.data["kinds"][kind]["creator"] else ""

    def fate(self, held):
        path = self.becomes(held.role)
        role = self.after.model.roles.get(path, {})
        if path and self.before.sort[held.principal] == "team" and not role.get("teams", not path.startswith("org/")):
            return ""
        return "" if path == self.after.default("org") else path

    def refused(self):
        """A role that would have too few holders, or too many."""
        return [path for path in self.after.model.roles if path.startswith("org/") and path != self.after.default("org")
                and self.after.counts(path, len(self.after.holders(path)))]

    @staticmethod
    def rights(org, member):
        """All that somebody may: in the org, and in scopes of each kind where they have a role. "KIND:PERMISSION"."""
        found, grants = set(), org.grants(member)
        for kind in ("org", "team", "workspace", "project"):
            for permission, (at, _, _) in org.model.permissions.items():
                if kind not in at:
                    continue
                said = {org.says(grant, permission, kind) for grant in grants
                        if (grant.scope is None or kind != "org") and kind in INSIDE[org.scope_of_role(grant.role)]}
                if "yes" in said:
                    found.add(f"{kind}:{permission}")
                elif "own" in said:
                    found.add(f"{kind}:own:{permission}")
        return found

    def gains(self, member):
        before, after = self.rights(self.before, member), self.rights(self.after, member)
        return sorted(after - before), sorted(before - after)


class MigrationTest(LivingTest):
    def migrate(self, org, model, who=None, dry=False, map=()):
        body = {"model": model, **({"dryRun": True} if dry else {}),
                **({"map": {old: new or None for old, new in dict(map).items()}} if map else {})}
        return self.send(who or org.owner, "POST", f"/scim/v2/Organizations/{org.id}/.migrate", body)

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.crowd = []  # people are in many orgs

    def newcomer(self):
        person = self.person()
        self.crowd.append(person)
        return person

    def peopled(self, name):
        """An org with a member for each role that can be given, and everything else that can be there."""
        crowd = itertools.chain(self.crowd, iter(self.newcomer, None))
        org = self.living(name, owner=next(crowd))
        model = org.plain.model
        for role, data in model.roles.items():
            if role.startswith("org/") and role != org.plain.first_role and "max" not in data.get("holders", {}):
                org.join(next(crowd), role)
        for role, data in model.roles.items():
            if role.startswith("assignment/") and not data.get("required"):
                fits = model.fits(role)
                org.join(next(crowd), org.plain.default("org") if org.plain.default("org") in fits else fits[0], [role])
        team, inner = org.make("team"), org.make("team")
        crew = [org.join(next(crowd)) for _ in range(2)]
        org.enter(team, crew[0], inner)
        org.enter(inner, crew[1])
        space = org.make("workspace")
        project = org.make("project", space)
        for role, data in model.roles.items():
            scope = {"team": team, "workspace": space, "project": project}.get(role.split("/")[0])
            if scope and role != "team/" + str(org.plain.default("team")).rpartition("/")[2]:
                member = crew[0] if scope == team else org.join(next(crowd))
                org.assign(member, role, scope)
                if data.get("teams", True) and scope != team:
                    org.assign(inner, role, scope)
        for scope in model.data.get("customRoles", []):
            path = self.name(f"{scope}/own")
            patterns = {"org": ["org.usage", "own:token.create", "audit.view"], "team": ["team.edit"],
                        "workspace": ["workspace.edit", "project.*"], "project": ["project.edit"]}[scope]
            patterns += [name for name, (at, _, _) in model.permissions.items()
                         if name in model.data.get("permissions", {}) and scope in at][:2]
            made = org.operate("POST", "/Roles", {"schemas": [OURS + "Role"], "name": path, "permissions": patterns})
            org.plain.apply(None, "role_create", made["id"], path=path, patterns=patterns)
            where = {"org": None, "team": team, "workspace": space, "project": project}[scope]
            org.assign(crew[0], path, where)
        return org

    def names(self, org):
        return {item["userName"]: item["id"] for item in org.listed("/Users")}

    def check_plan(self, org, plan, move):
        """Each member is in one class, which tells what they gain and lose; the numbers are those of the grants."""
        names = self.names(org)
        seen = []
        for one in plan["classes"]:
            self.assertEqual(one["members"], len(one["userNames"]))
            for name in one["userNames"]:
                seen.append(name)
                gains, loses = move.gains(names[name])
                self.assertEqual((sorted(one["gains"]), sorted(one["loses"])), (gains, loses), f"{name}: {one['before']}: {one['after']}")
                if move.after.role_of(names[name]) in move.after.model.roles:
                    self.assertIn(move.after.role_of(names[name]), one["after"])
        self.assertEqual(sorted(seen), sorted(names))
        held = org.plain.held.values()
        self.assertEqual(plan["assignments"], len(held))
        self.assertEqual(plan["ended"], sum(1 for one in held if not move.fate(one)))
        self.assertEqual(plan["changed"], sum(1 for one in held if move.fate(one) not in ("", one.role)))
        self.assertEqual(plan["rolesEnded"], len(org.plain.custom) - len(move.after.custom))

    def check_rights(self, org):
        """What the daemon answers to checks is what the plain model says: each permission, each member, each scope, own and not."""
        plain = org.plain
        scopes = [None, *plain.parent]
        for member in plain.members:
            for scope, own in itertools.product(scopes, (False, True)):
                permissions = [name for name, (at, _, _) in plain.model.permissions.items() if plain.scope_kind(scope) in at]
                properties = {"owner": member} if own else {}
                if scope:
                    properties[plain.sort[scope]] = scope
                reply = self.send(self.operator, "POST", f"/orgs/{org.key}/access/v1/evaluations", {
                    "subject": {"type": "user", "id": member}, "resource": {"type": "thing", "id": "x", "properties": properties},
                    "evaluations": [{"action": {"name": permission}} for permission in permissions]}, headers=PLAIN_JSON)
                said = {name for name, answer in zip(permissions, self.allowed(reply)["evaluations"]) if answer["decision"]}
                self.assertEqual(said, {name for name in permissions if plain.check(member, name, scope, own)},
                                 f"{member} at {scope}, own: {own}")

    def move(self, org, model, map=()):
        """Plans, does, and compares; None when it is refused, as it must be."""
        move = Move(org.plain, model, map)
        refused = move.refused()
        before = org.found()
        plan = self.migrate(org, model, self.operator, True, map)
        if refused:
            for reply in (plan, self.migrate(org, model, self.operator, map=map)):
                self.assertEqual(reply.status, 409, reply)
                self.assertTrue(set(refused) & set(re.findall(r'"([a-z/-]+)"', reply["detail"])), f"{refused}: {reply}")
            self.assertEqual(org.found(), before)
            return None
        plan = self.allowed(plan)
        self.assertEqual((plan["done"], plan["from"], plan["to"]), (False, org.plain.model.data["name"], model))
        self.check_plan(org, plan, move)
        self.assertEqual(org.found(), before, "planned, not done")
        done = self.allowed(self.migrate(org, model, self.operator, map=map))
        self.assertEqual({**plan, "done": True, "classes": None}, {**done, "classes": None})
        org.plain = move.after
        self.assertEqual(org.found(), org.plain.picture())
        self.assertEqual(self.operate("GET", f"/Organizations/{org.id}")["model"], model)
        self.assertEqual({item["name"] for item in org.listed("/Roles") if item.get("kind") != "custom"}, set(move.after.model.roles))
        return plan


class Pairs(MigrationTest):
    """From each model to each other one."""

    def from_model(self, name):
        done = 0
        for other in MODELS:
            if other != name:
                with self.subTest(to=other):
                    org = self.peopled(name)
                    if self.move(org, other) is not None:
                        done += 1
                        if done == 1:
                            self.check_rights(org)
        self.assertGreater(done, 0)
        self.assertEqual(self.daemon.verify(), "")


def each(name):
    def test(self):
        self.from_model(name)
    test.__doc__ = f"from {name} to each other model"
    return test


for _name in MODELS:
    setattr(Pairs, f"test_{_name}", each(_name))


class Maps(MigrationTest):
    """What becomes of roles, as who moves the org says."""

    def test_as_said(self):
        org = self.peopled("standard")
        map = {"org/admin": "org/contributor", "workspace/admin": "workspace/manager", "workspace/editor": "workspace/contributor",
               "workspace/viewer": "workspace/contributor", "org/guest": ""}
        self.assertLessEqual({new for new in map.values() if new}, set(model_of("lab").roles))
        plan = self.move(org, "lab", map)
        self.assertIn(["org/contributor"], [[role for role in one["after"] if role.startswith("org/")] for one in plan["classes"]])
        self.check_rights(org)

    def test_a_role_of_the_orgs_own_becomes_one_of_the_model(self):
        org = self.peopled("standard")
        [own] = [path for path in org.plain.custom if path.startswith("workspace/")]
        self.move(org, "lab", {own: "workspace/manager"})
        self.assertNotIn(own, org.plain.custom)
        self.check_rights(org)

    def test_two_that_become_one(self):
        """Somebody with two roles that become the same holds it once."""
        org = self.living("standard")
        member, space = org.join(self.person()), org.make("workspace")
        for role in ("workspace/editor", "workspace/viewer"):
            org.assign(member, role, space)
        map = {"workspace/editor": "workspace/contributor", "workspace/viewer": "workspace/contributor"}
        self.allowed(self.migrate(org, "lab", map=map))
        held = [item for item in org.listed("/Assignments") if item.get("scope")]
        self.assertEqual([(item["role"], item["scope"]["value"]) for item in held], [("workspace/contributor", space)])
        self.assertEqual([origin["type"] for origin in held[0]["origins"]], ["operator"])

    def test_two_roles_change_places(self):
        org = self.living("standard")
        space = org.make("workspace")
        orders = (["workspace/editor"], ["workspace/viewer"], ["workspace/editor", "workspace/viewer"],
                  ["workspace/viewer", "workspace/editor"])
        map = {"workspace/editor": "workspace/viewer", "workspace/viewer": "workspace/collaborator"}
        wanted = set()
        for roles in orders:
            member = org.join(self.person())
            for role in roles:
                org.assign(member, role, space)
                wanted.add((member, map[role]))
        self.allowed(self.migrate(org, "studio", map=map))
        self.assertEqual({(item["principal"]["value"], item["role"]) for item in org.listed("/Assignments") if item.get("scope")}, wanted)

    def test_grants_for_other_times_stay_apart(self):
        org = self.living("standard")
        member, space = org.join(self.person()), org.make("workspace")
        for role, more in (("workspace/editor", {"end": "2040-01-01T00:00:00Z"}), ("workspace/viewer", {})):
            org.operate("POST", "/Assignments", {"schemas": [OURS + "Assignment"], "principal": {"value": member},
                                                 "role": role, "scope": {"value": space}, **more})
        map = {"workspace/editor": "workspace/contributor", "workspace/viewer": "workspace/contributor"}
        self.allowed(self.migrate(org, "lab", map=map))
        held = sorted(item.get("end", "always") for item in org.listed("/Assignments") if item.get("scope"))
        self.assertEqual([end[:4] for end in held], ["2040", "alwa"])

    def test_what_can_not_be_said(self):
        org = self.peopled("standard")
        before = org.found()
        for map, word in (({"org/nonsense": "org/owner"}, "org/nonsense"), ({"org/admin": "org/nonsense"}, "org/nonsense"),
                          ({"org/admin": "workspace/manager"}, "workspace/manager"), ({"workspace/admin": "org/owner"}, "org/owner"),
                          ({"assignment/auditor": "org/contributor"}, "org/contributor"),
                          ({"org/member": "org/contributor"}, "org/member")):
            for dry in (True, False):
                reply = self.migrate(org, "lab", dry=dry, map=map)
                self.assertIn(reply.status, (400, 404), f"{map}: {reply}")
                self.assertIn(word, reply["detail"])
        for body in ({"model": "lab", "map": [1]}, {"model": "lab", "map": {"org/admin": 7}}, {"model": "none"}, {"model": 7}, {}):
            reply = self.send(org.owner, "POST", f"/scim/v2/Organizations/{org.id}/.migrate", body)
            self.assertEqual(reply.status, 400, f"{body}: {reply}")
        self.assertEqual(self.migrate(org, "standard").status, 409)
        self.assertEqual(org.found(), before)
        self.assertEqual(self.operate("GET", f"/Organizations/{org.id}")["model"], "standard")

    def test_no_record_that_nobody_is_becomes_the_owner_of_an_org_with_people(self):
        org = self.living("standard")
        vacant = org.make("user")
        org.assign(vacant, "org/admin")
        map = {"org/owner": "org/contributor", "org/admin": "org/owner"}
        for dry in (True, False):
            reply = self.migrate(org, "lab", self.operator, dry, map)
            self.assertEqual(reply.status, 409, reply)
            self.assertIn("org/owner", reply["detail"])
        heir = org.join(self.person())
        org.assign(heir, "org/admin")
        self.allowed(self.migrate(org, "lab", self.operator, False, map))

    def test_never_without_an_owner(self):
        org = self.peopled("standard")
        for map in ({"org/owner": ""}, {"org/owner": "org/contributor"}):
            reply = self.migrate(org, "lab", map=map)
            self.assertEqual(reply.status, 409, reply)
            self.assertIn('"org/owner"', reply["detail"])

    def test_who_may(self):
        org = self.living("standard")
        admin, member, outsider = self.person(), self.person(), self.person()
        org.join(admin, "org/admin")
        org.join(member)
        for dry in (True, False):
            for who in (admin, member):
                self.assertIs(org.plain.check(org.member(who), "org.migrate"), False)
                self.denied(self.migrate(org, "lab", who, dry), "org.migrate")
            self.assertIn(self.migrate(org, "lab", outsider, dry).status, (403, 404))
        self.allowed(self.migrate(org, "lab", org.owner, True))


class Warnings(MigrationTest):
    """What the plan tells beside roles."""

    def warned(self, org, model, **more):
        """The plan's warnings, which are the move's as well."""
        plan = self.allowed(self.migrate(org, model, dry=True, **more))
        self.assertEqual(self.allowed(self.migrate(org, model, **more))["warnings"], plan["warnings"])
        return plan["warnings"]

    def of(self, warnings, word):
        return [text for text in warnings if word in text]

    def test_nothing_to_tell(self):
        org = self.living("standard")
        org.join(self.person())
        org.make("workspace")
        self.assertEqual(self.warned(org, "lab"), [])

    def test_roles_of_the_orgs_own(self):
        """A role of the org's own loses what the new model has not."""
        org = self.living("standard")
        made = org.operate("POST", "/Roles", {"schemas": [OURS + "Role"], "name": "org/desk",
                                              "permissions": ["org.usage", "billing.view", "content.view", "own:content.edit"]})
        lost = [name for name in ("content.view", "content.edit") if name not in model_of("lab").permissions]
        self.assertEqual(len(lost), 2, "the models have changed")
        warnings = self.warned(org, "lab")
        for name in ("content.view", "own:content.edit"):
            self.assertEqual(len(self.of(warnings, f'"{name}"')), 1, warnings)
        self.assertEqual(len(self.of(warnings, "org/desk")), 2, warnings)
        self.assertEqual(org.operate("GET", f"/Roles/{made['id']}")["permissions"], ["org.usage", "billing.view"])

    def test_limits_that_are_passed(self):
        org = self.living("standard")
        space = org.make("workspace")
        for _ in range(3):
            org.make("user"), org.make("team"), org.make("workspace"), org.make("project", space)
        for number in range(3):
            org.operate("POST", "/Roles", {"schemas": [OURS + "Role"], "name": f"workspace/own{number}",
                                           "permissions": ["workspace.view"]})
            org.operate("POST", "/Invitations", {"schemas": [OURS + "Invitation"], "kind": "email", "address": f"g{number}@guests.test"})
            self.allowed(org.send(org.owner, "POST", "/Tokens", {"schemas": [OURS + "Token"], "kind": "key"}))
        most = {"members": 6, "teams": 2, "workspaces": 3, "projects": 2, "roles": 2, "invitations": 2, "tokens": 2}
        has = {"members": 7, "teams": 3, "workspaces": 4, "projects": 3, "roles": 3, "invitations": 3, "tokens": 3}
        self.assertEqual(set(most) | {"nesting"}, set(LIMITS))
        change = [{"value": name, "max": number} for name, number in most.items()]
        self.operate("PATCH", f"/Organizations/{org.id}", {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [
                {"op": "replace", "path": "limits", "value": change}]})
        self.assertIn("workspace", model_of("lab").data["customRoles"])
        warnings = self.warned(org, "lab")
        for name in most:
            [text] = self.of(warnings, f'"{name}"')
            self.assertIn(f" {most[name]} ", text)
            self.assertIn(f" {has[name]}:", text)
        self.assertEqual(len(self.of(warnings, "the limit")), len(most), warnings)

    def test_pending_invitations(self):
        """Those whose roles the new model has not, or does not let invitations carry, are told; and can't be accepted."""
        org = self.living("standard")
        space = org.make("workspace")
        guests = {name: self.person() for name in ("admin", "guest", "member", "auditor", "editor", "viewer", "revoked")}
        made = {}
        for name, more in (("admin", {"role": "org/admin"}), ("guest", {"role": "org/guest"}), ("member", {"role": "org/member"}),
                           ("auditor", {"assignments": ["assignment/auditor"]}),
                           ("editor", {"access": [{"role": "workspace/editor", "value": space}]}),
                           ("viewer", {"role": "org/admin", "access": [{"role": "workspace/viewer", "value": space}]}),
                           ("revoked", {"role": "org/guest"})):
            made[name] = org.operate("POST", "/Invitations", {
                "schemas": [OURS + "Invitation"], "kind": "email", "address": guests[name].address, **more})["id"]
        org.operate("POST", f"/Invitations/{made['revoked']}/.revoke", {})
        link = org.operate("POST", "/Invitations", {"schemas": [OURS + "Invitation"], "kind": "link"})["id"]
        network = model_of("network")
        carried = network.data["invitations"]
        self.assertEqual((carried["email"]["roles"], carried["link"]["roles"]), (["admin", "member"], ["member"]))
        self.assertNotIn("workspace/editor", network.roles)
        self.assertIn("workspace/viewer", network.roles)
        fits = {"admin", "member", "viewer"}
        warnings = self.warned(org, "network")
        self.assertEqual({name for name, id in made.items() if self.of(warnings, id)}, set(made) - fits - {"revoked"}, warnings)
        self.assertEqual(self.of(warnings, link), [])
        for name, id in made.items():
            for text in self.of(warnings, id):
                self.assertIn(guests[name].address, text)
                self.assertIn({"guest": "org/guest", "auditor": "assignment/auditor", "editor": "workspace/editor"}[name], text)
        for name in set(made) - {"revoked"}:
            [waiting] = [item for item in self.allowed(self.send(guests[name], "GET", "/scim/v2/Invitations"))["Resources"]
                         if item["organization"]["key"] == org.key]
            reply = self.send(guests[name], "POST", f"/scim/v2/Invitations/{waiting['id']}/.accept", {})
            self.assertEqual(reply.status, 200 if name in fits else 409, f"{name}: {reply}")


if __name__ == "__main__":
    main()
