"""A role model read as docs/ROLE_MODELS.md says, for tests: a second opinion, with nothing from the C side.

The daemon's own permissions come from the table in that page, everything else from the model's file.
"""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/ROLE_MODELS.md"
INSIDE = {"org": {"org", "team", "workspace", "project"}, "team": {"team"},
          "workspace": {"workspace", "project"}, "project": {"project"}}
NAMES = ("standard", "lab", "sandbox", "network", "metal", "studio")


def daemon_permissions():
    """name -> (scopes, can be own, what it lets do), in the page's order."""
    text = PAGE.read_text()
    table = text[text.index("### The daemon's own"):text.index("## How a check is decided")]
    rows = re.findall(r"^\| `([a-z.-]+)` \| ([a-z, ]+) \| (.*?) ?\| (.*) \|$", table, re.M)
    return {name: (scopes.split(", "), own.strip() != "", about) for name, scopes, own, about in rows}


class RoleModel:
    def __init__(self, source):
        self.data = json.loads(source) if isinstance(source, str) else source
        self.permissions = dict(daemon_permissions())
        for name, value in self.data.get("permissions", {}).items():
            at = ["org", "workspace", "project"]
            if isinstance(value, dict):
                value, at = value["description"], value.get("at", at)
            self.permissions[name] = (at, True, value)
        self.roles = {}
        for scope in ("org", "team", "workspace", "project"):
            for name, role in self.data["roles"].get(scope, {}).items():
                self.roles[f"{scope}/{name}"] = role
        for name, role in self.data.get("assignments", {}).items():
            self.roles[f"assignment/{name}"] = role

    @classmethod
    def named(cls, name):
        return cls((ROOT / f"schema/models/{name}.json").read_text())

    def scope(self, role):
        return role.split("/")[0].replace("assignment", "org")

    def refer(self, group, names):
        """The roles that a list of names means, written in a role of that group."""
        found = []
        for name in names:
            where, _, what = name.rpartition("/")
            where = where or group
            for role, data in self.roles.items():
                if what == "*":
                    if role.startswith(where + "/") and "max" not in data.get("holders", {}):
                        found.append(role)
                elif role == f"{where}/{what}":
                    found.append(role)
        return found

    def family(self, role):
        """The role and all that it includes."""
        out = [role]
        for other in self.refer(role.split("/")[0], self.roles[role].get("includes", [])):
            out += self.family(other)
        return out

    def implied(self, role):
        out = [other for one in self.family(role)
               for other in self.refer(one.split("/")[0], self.roles[one].get("implies", []))]
        if role.startswith("org/"):
            out += [other for other, data in self.roles.items()
                    if data.get("required") and role in self.fits(other)]
        return out

    def fits(self, assignment):
        names = self.roles[assignment].get("for")
        return [role for role in self.roles if role.startswith("org/")
                and (names is None or role[4:] in names)]

    def answer(self, role, permission, at, kind=None):
        """"yes", "own" or "no"; None where it is not asked for."""
        scopes, ownable, _ = self.permissions[permission]
        if at not in scopes or at not in INSIDE[self.scope(role)]:
            return None
        if kind is not None:
            rules = self.data["kinds"][kind]
            off = rules.get("off", []) + ([] if rules.get("deletable", True) else ["org.delete"])
            if any(matches(pattern, permission) for pattern in off):
                return "no"
        patterns = [pattern for one in self.family(role) for pattern in self.roles[one].get("permissions", [])]
        if role.startswith("org/"):
            patterns += self.data.get("everyone", [])
        answers = {"yes" for pattern in patterns if matches(pattern, permission)}
        answers |= {"own" for pattern in patterns
                    if ownable and pattern.startswith("own:") and matches(pattern[4:], permission)}
        answers |= {self.answer(other, permission, at) for other in self.implied(role)}
        return "yes" if "yes" in answers else "own" if "own" in answers else "no"

    def manages(self, role, verb):
        out = set()
        for one in self.family(role):
            named = self.roles[one].get("manages", [])
            named = named[verb] if isinstance(named, dict) else named
            out |= set(self.refer(one.split("/")[0], named))
        for other in self.implied(role):
            out |= self.manages(other, verb)
        return out


def matches(pattern, permission):
    return pattern == "*" or pattern == permission or (pattern.endswith(".*") and permission.startswith(pattern[:-1]))
