"""Limits of an org, each met on every way to it; API keys: when they end, when they were used."""

import atexit
import datetime
import json
import pathlib
import shutil
import tempfile
import time

import living
from living import GROUP, LivingTest, OURS, PATCH, SCHOOL, USER, model_of, replaced
from harness import BULK, main, sanitized
from role_model import ROOT, RoleModel

# The school, where classes lie in classes and nothing is said of how many members there can be.
_folder = pathlib.Path(tempfile.mkdtemp(prefix="roster-models-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
SPARSE = _folder / "school-500.json"
_model = json.loads(SCHOOL.read_text())
_model["name"] = "school-500"
_model["tree"]["workspace"].append("workspace")
del _model["limits"]["members"]
SPARSE.write_text(json.dumps(_model))
living.model_of = lambda name: RoleModel(SPARSE.read_text()) if name == "school-500" else model_of(name)

SLOW = 4 if sanitized() else 1
DEFAULT_MEMBERS = 500  # as docs/ROLE_MODELS.md has it


class LimitTest(LivingTest):
    config = {"org.models": [str(SPARSE)]}

    def limit(self, org, **limits):
        self.operate("PATCH", f"/Organizations/{org.id}", replaced(
            "limits", [{"value": name, "max": most} for name, most in limits.items()]))

    def full(self, reply, name, most):
        """409, and the limit is named with its number."""
        self.assertEqual(reply.status, 409, reply)
        self.assertIn(f'"{name}"', reply.json["detail"])
        self.assertIn(str(most), reply.json["detail"])

    def post(self, org, who, type_, **attributes):
        return org.send(who, "POST", f"/{type_}s", {"schemas": [OURS + type_], **attributes})

    def user(self, org, who, **more):
        return org.send(who, "POST", "/Users", {"schemas": [USER], "userName": self.name("u"), **more})

    def team(self, org, who):
        return org.send(who, "POST", "/Groups", {"schemas": [GROUP], "displayName": self.name("t")})


class Limits(LimitTest):
    def test_members_by_every_door(self):
        org = self.living("lab")
        idp = self.daemon.connect(org.key, "idp")
        guests = [self.person() for _ in range(3)]
        first = self.allowed(self.post(org, org.owner, "Invitation", kind="email", address=guests[0].address))
        self.limit(org, members=3)
        self.allowed(self.user(org, idp))
        for who in (idp, org.owner, self.operator):
            self.full(self.user(org, who), "members", 3)
        self.full(self.post(org, org.owner, "Invitation", kind="email", address=guests[1].address), "members", 3)
        bulk = self.allowed(org.send(idp, "POST", "/Bulk", {"schemas": [BULK], "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "x", "data": {"schemas": [USER], "userName": self.name("u")}}]}))
        self.assertEqual(bulk["Operations"][0]["status"], "409")
        self.assertIn('"members"', str(bulk["Operations"][0]["response"]))
        # The seat that the invitation kept is its guest's; deactivated members keep theirs.
        self.allowed(self.send(guests[0], "POST", f"/scim/v2/Invitations/{first['id']}/.accept", {}))
        [theirs] = [item["id"] for item in org.listed("/Users") if item.get("userName") == guests[0].name]
        self.allowed(org.send(org.owner, "PATCH", f"/Users/{theirs}", replaced("active", False)))
        self.full(self.user(org, idp), "members", 3)
        self.allowed(org.send(org.owner, "DELETE", f"/Users/{theirs}"))
        self.allowed(self.user(org, idp))
        self.full(self.user(org, idp), "members", 3)
        self.assertEqual(len(org.listed("/Users")), 3)

    def test_members_unless_an_operator_says_otherwise(self):
        """500 of them, and not one more."""
        org = self.living("school-500")
        self.assertNotIn("members", org.plain.model.data["limits"])
        idp = self.daemon.connect(org.key, "idp")
        names = [self.name("many") for _ in range(DEFAULT_MEMBERS - 1)]
        for start in range(0, len(names), 100):
            done = self.allowed(org.send(idp, "POST", "/Bulk", {"schemas": [BULK], "Operations": [
                {"method": "POST", "path": "/Users", "bulkId": name, "data": {"schemas": [USER], "userName": name}}
                for name in names[start:start + 100]]}))
            self.assertEqual({operation["status"] for operation in done["Operations"]}, {"201"})
        self.full(self.user(org, idp), "members", DEFAULT_MEMBERS)
        self.full(self.post(org, org.owner, "Invitation", kind="email", address="one-more@guests.test"), "members", DEFAULT_MEMBERS)
        self.assertEqual(self.allowed(org.send(idp, "GET", "/Users?count=0"))["totalResults"], DEFAULT_MEMBERS)
        self.limit(org, members=DEFAULT_MEMBERS + 1)
        self.allowed(self.user(org, idp))
        self.full(self.user(org, idp), "members", DEFAULT_MEMBERS + 1)

    def test_all_others(self):
        org = self.living("standard")
        self.limit(org, teams=2, workspaces=2, projects=2, roles=2, invitations=2, tokens=2)
        space = org.make("workspace")
        ways = {
            "teams": lambda: self.team(org, org.owner),
            "workspaces": lambda: self.post(org, org.owner, "Workspace", displayName=self.name("w")),
            "projects": lambda: self.post(org, org.owner, "Project", displayName=self.name("p"), parent={"value": space}),
            "roles": lambda: self.post(org, org.owner, "Role", name=self.name("org/r"), permissions=["org.view"]),
            "invitations": lambda: self.post(org, org.owner, "Invitation", kind="email", address=self.name("g") + "@guests.test"),
            "tokens": lambda: self.post(org, org.owner, "Token", kind="key"),
        }
        for name, make in ways.items():
            with self.subTest(limit=name):
                made = []
                for _ in range(1 if name == "workspaces" else 2):
                    made.append(self.allowed(make())["id"])
                self.full(make(), name, 2)
                endpoint = {"teams": "/Groups"}.get(name, "/" + name.capitalize())
                self.allowed(org.send(org.owner, "DELETE", f"{endpoint}/{made[0]}"))
                self.allowed(make())
                self.full(make(), name, 2)

    def add(self, org, team, inner):
        return org.send(org.owner, "PATCH", f"/Groups/{team}", {"schemas": [PATCH], "Operations": [
            {"op": "add", "path": "members", "value": [{"value": inner}]}]})

    def test_nesting_of_teams(self):
        org = self.living("lab")
        self.limit(org, nesting=3)
        outer, middle, inner, more = [org.make("team") for _ in range(4)]
        self.allowed(self.add(org, middle, inner))
        self.allowed(self.add(org, outer, middle))
        self.full(self.add(org, inner, more), "nesting", 3)   # below
        self.full(self.add(org, more, outer), "nesting", 3)   # above
        self.allowed(self.add(org, outer, more))              # beside
        reply = org.send(org.owner, "POST", "/Groups", {"schemas": [GROUP], "displayName": self.name("t"), "members": [{"value": outer}]})
        self.full(reply, "nesting", 3)

    def test_nesting_unless_said(self):
        org = self.living("lab")
        teams = [org.make("team") for _ in range(11)]
        for outer, inner in zip(teams[1:10], teams):
            self.allowed(self.add(org, outer, inner))
        self.full(self.add(org, teams[10], teams[9]), "nesting", 10)

    def test_nesting_of_workspaces(self):
        org = self.living("school-500")
        self.limit(org, nesting=2)
        outer = org.make("workspace")
        inner = org.make("workspace", outer)
        self.full(self.post(org, org.owner, "Workspace", displayName="deep", parent={"value": inner}), "nesting", 2)
        beside = org.make("workspace")
        below = org.make("workspace", beside)
        self.full(org.send(org.owner, "PATCH", f"/Workspaces/{beside}", replaced("parent", {"value": outer})), "nesting", 2)
        self.allowed(org.send(org.owner, "PATCH", f"/Workspaces/{below}", replaced("parent", {"value": outer})))

    def test_a_limit_below_what_is_there(self):
        """Nothing goes, nothing is added."""
        org = self.living("lab")
        for _ in range(3):
            org.make("user")
        self.limit(org, members=2)
        self.assertEqual(len(org.listed("/Users")), 4)
        self.full(self.user(org, org.owner), "members", 2)

    def test_names_are_the_documented_ones(self):
        page = (ROOT / "docs/ROLE_MODELS.md").read_text()
        org = self.living("lab")
        for name in ("members", "teams", "workspaces", "projects", "invitations", "roles", "tokens", "nesting", "requestsPerSecond"):
            self.assertIn(f"`{name}`", page)
            self.limit(org, **{name: 20})
        shown = {item["value"]: item["max"] for item in self.operate("GET", f"/Organizations/{org.id}")["limits"]}
        self.assertEqual(shown, {"requestsPerSecond": 20})


class Keys(LimitTest):
    def setUp(self):
        super().setUp()
        self.org_ = self.living("lab")

    def key(self, **more):
        return self.allowed(self.post(self.org_, self.org_.owner, "Token", kind="key", **more))

    def in_seconds(self, seconds):
        at = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
        return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")

    def test_a_key_ends_at_its_time(self):
        lasting = 1.2 * SLOW
        began = time.monotonic()
        key = self.key(expires=self.in_seconds(lasting))
        statuses = set()
        while time.monotonic() - began < lasting - 0.3:
            before = self.org_.send(key["token"], "GET", "/Users").status
            statuses.add(before)
            time.sleep(0.05)
        self.assertEqual(statuses, {200})
        time.sleep(max(0, began + lasting + 0.2 - time.monotonic()))
        self.assertEqual(self.org_.send(key["token"], "GET", "/Users").status, 401)
        self.assertEqual(self.send(key["token"], "POST", f"/orgs/{self.org_.key}/access/v1/evaluation", {}).status, 401)

    def test_the_time_can_be_changed_while_it_lasts(self):
        key = self.key(expires="2040-01-01T00:00:00Z")
        self.assertEqual(self.org_.send(key["token"], "GET", "/Users").status, 200)
        self.allowed(self.org_.send(self.org_.owner, "PATCH", f"/Tokens/{key['id']}", replaced("expires", self.in_seconds(0.3))))
        time.sleep(0.4)
        self.assertEqual(self.org_.send(key["token"], "GET", "/Users").status, 401)

    def test_last_used(self):
        key, idle = self.key(), self.key()
        shown = lambda id: self.org_.operate("GET", f"/Tokens/{id}")
        self.assertNotIn("lastUsed", shown(key["id"]))
        self.assertEqual(self.org_.send(key["token"], "GET", "/Users").status, 200)
        self.daemon.ctl("token", "list", self.org_.key)  # what is known of it is put down, at the latest after a minute
        used = datetime.datetime.fromisoformat(shown(key["id"])["lastUsed"])
        self.assertLess(abs((datetime.datetime.now(datetime.timezone.utc) - used).total_seconds()), 90)
        self.assertNotIn("lastUsed", shown(idle["id"]))

    def test_several_are_live_at_once(self):
        keys = [self.key(permissions=[permission]) for permission in ("member.view", "settings.view", "org.view")]
        answers = [[self.org_.send(key["token"], "GET", path).status for path in ("/Users", "/Settings")] for key in keys]
        self.assertEqual(answers, [[200, 403], [403, 200], [403, 403]])
        self.allowed(self.org_.send(self.org_.owner, "DELETE", f"/Tokens/{keys[0]['id']}"))
        self.assertEqual(self.org_.send(keys[0]["token"], "GET", "/Users").status, 401)
        self.assertEqual(self.org_.send(keys[1]["token"], "GET", "/Settings").status, 200)


if __name__ == "__main__":
    main()
