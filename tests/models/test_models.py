#!/usr/bin/env python3
"""Role models: what `rosterctl model` says of each file, against a plain reading of the same file and against what the
products behind the models ask for, written down by hand.

ROSTER_BUILD names the build to test (default ./build).
"""

import json
import os
import pathlib
import re
import subprocess
import tempfile
import unittest

from role_model import INSIDE, NAMES, PAGE, ROOT, RoleModel, daemon_permissions

BUILD = pathlib.Path(os.environ.get("ROSTER_BUILD", ROOT / "build")).resolve()
SCHOOL = ROOT / "tests/models/school.json"


def rosterctl(*arguments):
    # Nothing to reach: these commands need no daemon.
    return subprocess.run([str(BUILD / "rosterctl"), *map(str, arguments)], capture_output=True, text=True,
                          env={**os.environ, "ROSTER_DATA": "/nonexistent"}, timeout=60)


def matrix(name, *options):
    done = rosterctl("--json", "model", "matrix", name, *options)
    if done.returncode != 0:
        raise AssertionError(done.stderr)
    return json.loads(done.stdout)


class Reading(unittest.TestCase):
    """Every cell and every fact of every model."""

    def sources(self):
        for name in NAMES:
            yield name, RoleModel.named(name)
        yield str(SCHOOL), RoleModel(SCHOOL.read_text())

    def test_cells(self):
        cells = 0
        for name, model in self.sources():
            for kind in (None, *model.data["kinds"]):
                told = matrix(name, *(("--kind", kind) if kind else ()))
                self.assertEqual([row["permission"] for row in told["matrix"]], list(model.permissions), name)
                for row in told["matrix"]:
                    permission = row["permission"]
                    self.assertEqual((row["at"], row["description"]),
                                     (sorted(model.permissions[permission][0], key=list(INSIDE).index),
                                      model.permissions[permission][2]), (name, permission))
                    for role in model.roles:
                        expected = {at: model.answer(role, permission, at, kind) for at in INSIDE}
                        expected = {at: answer for at, answer in expected.items() if answer}
                        self.assertEqual(row["cells"].get(role, {}), expected, (name, kind, role, permission))
                        cells += len(expected)
        self.assertGreater(cells, 5000)

    def test_facts(self):
        for name, model in self.sources():
            told = matrix(name)
            data = model.data
            self.assertEqual(list(told["roles"]), list(model.roles), name)
            for role, source in model.roles.items():
                fact = told["roles"][role]
                of_org = role.startswith("org/")
                self.assertEqual(set(fact.get("gives", [])), model.manages(role, "give"), (name, role))
                self.assertEqual(set(fact.get("takes", [])), model.manages(role, "take"), (name, role))
                self.assertEqual(set(fact.get("implies", [])), set(model.implied(role)), (name, role))
                self.assertEqual(fact["title"], source["title"])
                for flag in ("default", "creator", "required", "guarded"):
                    self.assertEqual(fact.get(flag, False), source.get(flag, False), (name, role, flag))
                self.assertEqual(fact.get("teams", False), source.get("teams", not of_org), (name, role))
                self.assertEqual(fact.get("holdersMin", 0), source.get("holders", {}).get("min", 0))
                self.assertEqual(fact.get("holdersMax", 0), source.get("holders", {}).get("max", 0))
                if role.startswith("assignment/"):
                    self.assertEqual(fact["for"], model.fits(role), (name, role))
            self.assertEqual(set(told["kinds"]), set(data["kinds"]), name)
            for kind, source in data["kinds"].items():
                fact = told["kinds"][kind]
                self.assertEqual(fact["creator"], "org/" + source["creator"])
                self.assertEqual(fact.get("atSignup", False), source.get("atSignup", False))
                self.assertEqual(fact["deletable"], source.get("deletable", True))
                self.assertEqual(fact["quotaPer"], source.get("quotaPer", "org"))
                limits = {**data.get("limits", {}), **source.get("limits", {})}
                if kind == "personal":
                    limits["members"] = 1
                for limit, value in limits.items():
                    self.assertEqual(fact["limits"][limit], value, (name, kind, limit))
                for quota, rule in data.get("quotas", {}).items():
                    self.assertEqual(fact["quotas"][quota], source.get("quotas", {}).get(quota, rule["default"]))
            for sort in ("email", "link"):
                source = data.get("invitations", {}).get(sort)
                fact = told["invitations"].get(sort)
                self.assertEqual(fact is None, source is None, (name, sort))
                if source:
                    self.assertEqual(fact["role"], "org/" + source["role"])
                    self.assertEqual(set(fact["roles"]), {"org/" + role for role in source["roles"]})
                    self.assertEqual(set(fact.get("assignments", [])),
                                     set(model.refer("assignment", source.get("assignments", []))))
                    number, unit = int(source["expires"][:-1]), source["expires"][-1]
                    self.assertEqual(fact["expiresSeconds"], number * {"d": 86400, "h": 3600, "m": 60}[unit])
            self.assertEqual(told.get("transfer"), {key: "org/" + value for key, value in data["transfer"].items()})

    def test_nobody_gives_more_than_they_have(self):
        weight = {"no": 0, "own": 1, "yes": 2}
        for name, model in self.sources():
            for role in model.roles:
                for given in model.manages(role, "give"):
                    for permission in model.permissions:
                        for at in INSIDE[model.scope(given)]:
                            theirs = model.answer(given, permission, at)
                            if theirs:
                                self.assertGreaterEqual(weight[model.answer(role, permission, at)], weight[theirs],
                                                        (name, role, given, permission, at))


class Products(unittest.TestCase):
    """What each product asks of its model, row by row."""

    def load(self, name, *options):
        self.told = matrix(name, *options)
        self.cells = {row["permission"]: row["cells"] for row in self.told["matrix"]}

    def expect(self, role, answer, permissions, at="org"):
        for permission in permissions.split():
            self.assertEqual(self.cells[permission].get(role, {}).get(at), answer,
                             (self.told["name"], role, permission, at))

    def gives(self, role, expected):
        told = self.told["roles"][role]
        self.assertEqual(set(told.get("gives", [])), set(expected.split()), role)
        self.assertEqual(set(told.get("takes", [])), set(expected.split()), role)

    def everyone(self, roles):
        """What all models have: one sees the org, keeps the own profile, leaves."""
        for role in roles.split():
            self.expect(role, "yes", "org.view")
            self.assertIn(self.cells["member.edit"][role]["org"], ("own", "yes"))
            self.assertIn(self.cells["member.remove"][role]["org"], ("own", "yes"))

    def test_all_have_limits_teams_and_workspaces(self):
        for name in NAMES:
            self.load(name)
            self.assertIn("org", self.told["tree"]["workspace"])
            self.assertIn("workspace", self.told["tree"]["project"])
            self.assertIn("team/member", self.told["roles"])
            self.assertTrue(self.told["roles"]["team/member"]["default"])
            creator = self.told["kinds"]["company"]["creator"]
            self.assertEqual(self.told["roles"][creator]["holdersMin"], 1, "never without who answers for it")
            self.assertTrue(self.told["roles"][creator]["guarded"])
            self.assertEqual(self.told["transfer"]["role"], creator)
            self.expect(creator, "yes", "org.delete org.transfer audit.view settings.edit token.create member.role")

    # ---- lab ----

    def test_lab(self):
        self.load("lab")
        self.everyone("org/owner org/contributor org/reader")
        self.assertEqual(list(self.told["kinds"]), ["company"])
        for permission, cells in self.cells.items():
            for answer in cells.get("org/owner", {}).values():
                self.assertEqual(answer, "yes", permission)
        manage = "workspace.create workspace.edit workspace.delete workspace.members project.create project.edit " \
                 "project.delete project.members"
        self.expect("org/contributor", "yes", manage)
        self.expect("org/contributor", "yes", "workspace.view project.view trace.view session.view")
        self.expect("org/reader", "yes", "workspace.view project.view trace.view session.view")
        self.expect("org/reader", "no", manage + " trace.create trace.delete session.create")
        for role in ("org/contributor", "org/reader"):
            self.expect(role, "no", "member.invite invite.link invite.view invite.revoke member.role settings.edit "
                                    "settings.invitations billing.view billing.edit token.create token.view "
                                    "org.delete org.transfer audit.view team.create team.members role.create")
            self.expect(role, "own", "member.remove member.edit")
            self.expect(role, "yes", "environment.view capability.view dataset.view model.view")
        self.expect("org/reader", "no", "environment.edit capability.edit dataset.edit model.edit")

    def test_lab_rules(self):
        self.load("lab")
        self.assertEqual(self.told["invitations"]["external"], True)
        self.assertEqual(set(self.told["invitations"]), {"external", "email"})
        self.assertEqual(set(self.told["invitations"]["email"]["roles"]), {"org/owner", "org/contributor", "org/reader"})
        self.assertEqual(self.told["kinds"]["company"]["limits"]["members"], 500)
        self.gives("org/owner", "org/owner org/contributor org/reader team/maintainer team/member workspace/manager "
                                "workspace/contributor workspace/reader")
        self.gives("org/reader", "")
        for role in self.told["roles"]:
            if role.startswith("workspace/"):
                self.assertTrue(self.told["roles"][role]["teams"], "a workspace carries team permissions")
        self.expect("workspace/reader", "yes", "workspace.view project.view trace.view", at="workspace")
        self.expect("workspace/reader", "no", "project.create workspace.members", at="workspace")
        self.expect("workspace/manager", "yes", "workspace.members project.create project.delete", at="workspace")

    # ---- sandbox ----

    def test_sandbox_kinds(self):
        self.load("sandbox")
        personal, company = self.told["kinds"]["personal"], self.told["kinds"]["company"]
        self.assertTrue(personal["atSignup"])
        self.assertFalse(personal["deletable"])
        self.assertEqual(personal["limits"]["members"], 1)
        self.assertEqual(personal["quotaPer"], "person")
        self.assertFalse(company.get("atSignup", False))
        self.assertTrue(company["deletable"])
        self.assertEqual(company["quotaPer"], "org")
        self.assertEqual(company["creator"], "org/owner")
        self.assertEqual(set(company["quotas"]), {"sandboxes", "snapshots", "registries", "volumes"})
        self.load("sandbox", "--kind", "personal")
        self.expect("org/owner", "no", "org.delete org.transfer member.invite invite.link invite.view invite.revoke "
                                       "invite.resend member.role member.create member.remove role.view role.create "
                                       "role.assign team.create")
        self.expect("org/owner", "yes", "sandbox.create sandbox.delete snapshot.create volume.create registry.create "
                                        "token.create settings.edit org.view")
        self.load("sandbox", "--kind", "company")
        self.expect("org/owner", "yes", "org.delete")

    def test_sandbox_roles(self):
        self.load("sandbox")
        self.everyone("org/owner org/member")
        self.expect("org/owner", "yes", "member.invite invite.view invite.resend invite.revoke member.role role.assign "
                                        "member.remove audit.view org.delete")
        administration = "member.invite invite.view invite.revoke member.role role.assign org.delete org.transfer " \
                         "settings.edit settings.view audit.view billing.view role.create team.create workspace.create"
        self.expect("org/member", "no", administration)
        self.expect("org/member", "own", "member.remove member.edit member.view")
        resources = ("sandbox", "snapshot", "registry", "volume")
        # Viewer is always there, so a Member reads all resources.
        for resource in resources:
            self.expect("org/member", "yes", f"{resource}.view")
            self.expect("org/member", "no", f"{resource}.create {resource}.edit {resource}.delete")
            self.expect("assignment/viewer", "yes", f"{resource}.view")
            self.expect("assignment/viewer", "no", f"{resource}.create {resource}.edit {resource}.delete")
            for verb in ("view", "create", "edit", "delete"):
                self.expect("assignment/super-admin", "yes", f"{resource}.{verb}")
        for admin, resource in (("sandboxes", "sandbox"), ("snapshots", "snapshot"), ("registries", "registry"),
                                ("volumes", "volume")):
            for other in resources:
                self.expect(f"assignment/{admin}-admin", "yes" if other == resource else "no",
                            f"{other}.view {other}.create {other}.edit {other}.delete")
        self.expect("assignment/developer", "yes", "sandbox.create")
        self.expect("assignment/developer", "own", "token.create token.view token.revoke sandbox.delete")
        self.expect("assignment/developer", "no", "snapshot.create registry.create volume.create audit.view")
        self.expect("assignment/auditor", "yes", "audit.view")
        for assignment in self.told["roles"]:
            if assignment.startswith("assignment/"):
                self.expect(assignment, "no", "member.invite member.role role.assign org.delete settings.edit "
                                              "billing.edit member.remove")
                if assignment != "assignment/auditor":
                    self.expect(assignment, "no", "audit.view")

    def test_sandbox_rules(self):
        self.load("sandbox")
        roles = self.told["roles"]
        assignments = {role for role in roles if role.startswith("assignment/")}
        self.assertEqual({role[11:] for role in assignments},
                         {"viewer", "developer", "sandboxes-admin", "snapshots-admin", "registries-admin",
                          "volumes-admin", "super-admin", "auditor"})
        self.assertEqual({role for role in assignments if roles[role].get("required")}, {"assignment/viewer"})
        for assignment in assignments:
            self.assertEqual(roles[assignment]["for"], ["org/member"])
        email = self.told["invitations"]["email"]
        self.assertEqual(set(email["roles"]), {"org/owner", "org/member"})
        self.assertEqual(set(email["assignments"]), assignments)
        self.assertNotIn("link", self.told["invitations"])
        self.assertTrue(assignments <= set(roles["org/owner"]["gives"]))
        self.gives("org/member", "")

    # ---- network ----

    def test_network(self):
        self.load("network")
        self.everyone("org/owner org/admin org/member")
        for permission, cells in self.cells.items():
            for answer in cells.get("org/owner", {}).values():
                self.assertEqual(answer, "yes", permission)
        self.expect("org/admin", "yes", "member.invite member.remove invite.link invite.revoke device.view device.edit "
                                        "device.delete device.connect group.create group.edit group.delete team.create "
                                        "team.members policy.create policy.edit recording.view session.view "
                                        "settings.sso settings.ca settings.dns settings.policies audit.view")
        self.expect("org/admin", "no", "org.delete org.transfer org.migrate billing.view billing.edit")
        self.expect("org/member", "own", "device.connect device.view tunnel.use session.view member.edit")
        self.expect("org/member", "no", "device.edit device.delete group.view group.create policy.view policy.create "
                                        "recording.view member.invite invite.link settings.view settings.sso audit.view "
                                        "billing.view team.create token.create org.delete org.transfer")

    def test_network_rules(self):
        self.load("network")
        roles = self.told["roles"]
        self.assertEqual((roles["org/owner"]["holdersMin"], roles["org/owner"]["holdersMax"]), (1, 1))
        self.assertEqual(self.told["transfer"], {"role": "org/owner", "previous": "org/admin"})
        for role in roles:
            self.assertNotIn("org/owner", roles[role].get("gives", []) + roles[role].get("takes", []), role)
        self.assertEqual({role for role in roles["org/admin"]["gives"] if role.startswith("org/")},
                         {"org/admin", "org/member"})
        invitations = self.told["invitations"]
        self.assertEqual(set(invitations["email"]["roles"]), {"org/admin", "org/member"})
        self.assertEqual((invitations["link"]["roles"], invitations["link"]["role"]), (["org/member"], "org/member"))
        self.assertEqual(invitations["link"]["expiresSeconds"], 7 * 86400)

    # ---- metal ----

    def test_metal(self):
        self.load("metal")
        self.everyone("org/owner org/admin org/collaborator org/billing")
        self.assertEqual(set(self.told["kinds"]), {"personal", "company"})
        for permission, cells in self.cells.items():
            for answer in cells.get("org/owner", {}).values():
                self.assertEqual(answer, "yes", permission)
            for answer in cells.get("org/admin", {}).values():
                self.assertEqual(answer, "no" if permission == "org.transfer" else "yes", permission)
        # The projects that they are assigned to, and nothing else.
        self.expect("org/collaborator", "own", "project.view workspace.view")
        for permission, cells in self.cells.items():
            if permission.split(".")[0] in ("server", "hardware", "licence", "billing", "invoice", "settings", "audit",
                                            "token", "role", "invite") or permission in ("project.create",
                                                                                        "project.edit", "member.role"):
                self.assertEqual(set(cells["org/collaborator"].values()), {"no"}, permission)
        self.expect("project/collaborator", "yes", "project.view server.view server.create server.edit server.delete",
                    at="project")
        self.expect("project/collaborator", "no", "project.edit project.delete project.members", at="project")
        self.expect("org/billing", "yes", "billing.view billing.edit invoice.view")
        for permission, cells in self.cells.items():
            if permission.split(".")[0] not in ("billing", "invoice") and permission != "org.view":
                self.assertNotIn("yes", cells["org/billing"].values() if "org/billing" in cells else (), permission)

    def test_metal_rules(self):
        self.load("metal")
        roles = self.told["roles"]
        self.assertEqual((roles["org/owner"]["holdersMin"], roles["org/owner"]["holdersMax"]), (1, 1))
        self.assertEqual(set(self.told["invitations"]), {"external", "email"})
        self.assertEqual(set(self.told["invitations"]["email"]["roles"]), {"org/admin", "org/collaborator", "org/billing"})
        for role, answer in (("owner", "yes"), ("admin", "yes"), ("collaborator", "no"), ("billing", "no")):
            self.expect(f"org/{role}", answer, "member.invite")
        self.assertEqual(self.told["kinds"]["personal"]["limits"]["members"], 1)
        self.load("metal", "--kind", "personal")
        self.expect("org/owner", "no", "member.invite invite.link member.role")
        self.expect("org/owner", "yes", "project.create server.create billing.edit licence.edit hardware.reserve")

    # ---- studio ----

    # permission, ORG Member, ORG Admin: the product's feature matrix.
    STUDIO = """
        discover.use        yes  yes
        workflow.define     yes  yes
        workflow.design     yes  yes
        build.use           yes  yes
        insights.view       yes  yes
        costs.view          yes  yes
        workspace.create    no   yes
        workspace.delete    no   yes
        dashboard.view      yes  yes
        dashboard.team      no   yes
        dashboard.billing   no   yes
        settings.view       no   yes
        settings.edit       no   yes
        token.view          no   yes
        token.create        no   yes
        token.revoke        no   yes
        worker-key.view     no   yes
        worker-key.edit     no   yes
        audit.view          no   yes
        member.invite       no   yes
        billing.view        yes  yes
        billing.view.full   no   yes
        billing.subscribe   no   yes
        billing.cancel      no   yes
        billing.edit        no   yes
        invoice.list        yes  yes
        invoice.view        yes  yes
    """

    def test_studio_matrix(self):
        self.load("studio")
        self.everyone("org/member org/admin")
        rows = [line.split() for line in self.STUDIO.strip().splitlines()]
        self.assertEqual(len(rows), 27)
        for permission, member, admin in rows:
            self.expect("org/member", member, permission)
            self.expect("org/admin", admin, permission)
        # Workspaces: a Member sees those where they have a role, an Admin all and without one.
        self.expect("org/member", "own", "workspace.view", at="workspace")
        self.expect("org/admin", "yes", "workspace.view workspace.members content.view product.assign", at="workspace")
        self.expect("org/member", "no", "workspace.members content.view product.assign", at="workspace")
        self.assertEqual(self.told["roles"]["org/admin"]["implies"], ["workspace/admin"])

    def test_studio_workspaces(self):
        self.load("studio")
        for role, view, assign, members in (("viewer", "yes", "no", "no"), ("collaborator", "yes", "yes", "no"),
                                            ("admin", "yes", "yes", "yes")):
            self.expect(f"workspace/{role}", view, "workspace.view content.view project.view", at="workspace")
            self.expect(f"workspace/{role}", assign, "product.assign project.assign", at="workspace")
            self.expect(f"workspace/{role}", members, "workspace.members", at="workspace")
            self.expect(f"workspace/{role}", "no", "workspace.delete workspace.create", at="workspace")
        self.gives("workspace/admin", "workspace/admin workspace/collaborator workspace/viewer")
        for role in ("viewer", "collaborator"):
            self.gives(f"workspace/{role}", "")

    def test_studio_rules(self):
        self.load("studio")
        roles = self.told["roles"]
        self.assertEqual(self.told["kinds"]["company"]["creator"], "org/admin")
        self.assertTrue(roles["org/member"]["default"])
        self.assertEqual(self.told["invitations"]["email"]["roles"], ["org/member"])
        self.assertNotIn("link", self.told["invitations"])
        self.assertEqual({role for role in roles if "org/admin" in roles[role].get("gives", [])}, {"org/admin"})
        self.expect("org/member", "no", "member.role role.assign role.create")


class Page(unittest.TestCase):
    """docs/ROLE_MODELS.md is right."""

    def example(self):
        text = PAGE.read_text()
        return "".join(re.findall(r"```json\n(.*?)```",
                                  text[text.index("## A model in an afternoon"):text.index("## The language")], re.S))

    def test_the_daemons_permissions(self):
        told = matrix("standard")["matrix"][:len(daemon_permissions())]
        self.assertEqual({row["permission"]: row["at"] for row in told},
                         {name: at for name, (at, _, _) in daemon_permissions().items()})
        self.assertGreater(len(told), 50)

    def test_the_example(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "school.json"
            path.write_text(self.example())
            done = rosterctl("model", "check", path)
            self.assertEqual(done.returncode, 1)
            self.assertIn(done.stderr.strip().replace(f"{folder}/", ""), PAGE.read_text())
            path.write_text(self.example().replace('"report.view"],\n        "implies"',
                                                   '"report.view", "grade.view"],\n        "implies"'))
            self.assertEqual(path.read_text(), SCHOOL.read_text())
            self.assertEqual(rosterctl("model", "check", path).returncode, 0)

    def test_limits(self):
        normal = matrix(SCHOOL)["kinds"]["company"]["limits"]
        table = dict(re.findall(r"^\| `(\w+)` \| (\d+) \|", PAGE.read_text(), re.M))
        table["projects"] = "10000"
        for name in normal.keys() - {"members", "workspaces"}:  # that the school sets itself
            self.assertEqual(normal[name], int(table[name]), name)


class Command(unittest.TestCase):
    def test_list(self):
        done = rosterctl("--json", "model", "list")
        self.assertEqual(tuple(model["name"] for model in json.loads(done.stdout)), NAMES)
        self.assertIn("studio", rosterctl("model", "list").stdout)

    def test_show(self):
        for name in NAMES:
            self.assertEqual(rosterctl("--json", "model", "show", name).stdout,
                             (ROOT / f"schema/models/{name}.json").read_text())
            self.assertIn("org/", rosterctl("model", "show", name).stdout)

    def test_matrix_for_people(self):
        lines = rosterctl("model", "matrix", "studio").stdout.splitlines()
        columns = lines[0].split()
        self.assertEqual(columns[:3], ["PERMISSION", "org/admin", "org/member"])
        rows = {line.split()[0]: line.split()[1:] for line in lines[1:] if line.strip()}
        self.assertEqual(rows["workspace.view"][:2], ["yes*", "own"])
        self.assertEqual(rows["audit.view"], ["yes", "no"])

    def test_mistakes(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "bad.json"
            path.write_text('{\n  "format": 1,\n')
            self.assertRegex(rosterctl("model", "check", path).stderr, r"bad\.json:3: ")
            path.write_text(SCHOOL.read_text().replace('"creator": "head"', '"creator": "boss"'))
            done = rosterctl("--json", "model", "check", path)
            self.assertEqual(done.returncode, 1)
            told = json.loads(done.stdout)
            self.assertEqual((told["ok"], told["path"]), (False, "kinds.company.creator"))
            self.assertIn("line 9:", told["detail"])
            self.assertIn("boss", told["detail"])
            self.assertEqual(rosterctl("model", "matrix", path).returncode, 1)
            path.write_bytes(b"x" * ((1 << 20) + 1))
            self.assertIn("at most", rosterctl("model", "check", path).stderr)
        for arguments in (("check", "/nonexistent.json"), ("show", "nothing"), ("matrix", "lab", "--kind", "personal"),
                          ("matrix", "lab", "--kind", "other"), ("check", "/")):
            done = rosterctl("model", *arguments)
            self.assertEqual(done.returncode, 1, arguments)
            self.assertTrue(done.stderr, arguments)
        for arguments in ((), ("check",), ("show",), ("nonsense",)):
            self.assertEqual(rosterctl("model", *arguments).returncode, 2, arguments)

    def test_names_stand_in_no_code(self):
        """No C code names a model of the five or a role of them."""
        roles = {role.split("/")[1] for name in NAMES for role in RoleModel.named(name).roles}
        words = set(NAMES[1:]) | {role for role in roles
                                  # the words for things of the daemon itself
                                  if role not in ("member", "admin", "viewer", "manager", "owner")}
        words |= {"org/" + role for role in roles} | {"workspace/" + role for role in roles}
        found = []
        for room in ("base", "schema", "protocol", "daemon", "tools/rosterctl"):
            for path in (ROOT / room).rglob("*.[ch]"):
                text = re.sub(r"/\*.*?\*/", "", path.read_text(), flags=re.S)
                for literal in re.findall(r'"((?:[^"\\\n]|\\.)*)"', text):
                    if literal in words:
                        found.append((str(path.relative_to(ROOT)), literal))
        self.assertEqual(found, [])


if __name__ == "__main__":
    unittest.main()
