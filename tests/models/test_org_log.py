"""What happens to an org as a whole stands in the org's own audit log: who did what, from what to what."""

import urllib.parse

from living import LivingTest, replaced
from harness import main


class OwnLog(LivingTest):
    def setUp(self):
        super().setUp()
        self.org_ = self.living("network")
        self.org_.join(self.person(), "org/admin")
        self.row = f"/Organizations/{self.org_.id}"

    def told(self, action):
        """The newest event of that action, as an owner reads it: (type of the actor, {path: (old, new)})."""
        query = urllib.parse.quote(f'action eq "{action}" and target.type eq "Settings"')
        events = self.allowed(self.org_.send(self.org_.owner, "GET", f"/AuditEvents?count=1&filter={query}"))["Resources"]
        self.assertEqual(len(events), 1, action)
        changes = {}
        for change in events[0].get("changes", []):
            old, new = changes.get(change["path"], (None, None))
            changes[change["path"]] = (change.get("old", old), change.get("new", new))
        return events[0]["actor"]["type"], changes

    def settings(self):
        [settings] = self.org_.listed("/Settings")
        return settings

    def act(self, name, body=None, who=None):
        return self.allowed(self.send(who or self.operator, "POST", f"/scim/v2{self.row}/.{name}", body or {}))

    def test_renaming(self):
        old, new = self.org_.key, self.name("other-")
        self.act("rename", {"key": new}, self.org_.owner)
        self.org_.key, self.org_.base = new, f"/orgs/{new}/scim/v2"
        self.assertEqual(self.told("organization.rename"), ("person", {"key": (old, new)}))
        self.assertEqual(self.settings()["key"], new)

    def test_suspending_and_resuming(self):
        self.act("suspend", {"reason": "unpaid"})
        self.act("suspend", {"reason": "fraud"})
        self.assertEqual(self.settings()["stateReason"], "fraud")
        self.act("resume")
        self.assertEqual(self.told("organization.resume"),
                         ("operator", {"state": ("suspended", "active"), "stateReason": ("fraud", None)}))
        self.assertEqual(self.told("organization.suspend"), ("operator", {"stateReason": ("unpaid", "fraud")}))

    def test_deleting_and_restoring(self):
        self.operate("DELETE", f"{self.row}?confirm={len(self.org_.listed('/Users'))}")
        until = self.settings()["deleteAfter"]
        self.act("restore")
        self.assertEqual(self.told("organization.delete"),
                         ("operator", {"state": ("active", "deleted"), "deleteAfter": (None, until)}))
        self.assertEqual(self.told("organization.restore"),
                         ("operator", {"state": ("deleted", "active"), "deleteAfter": (until, None)}))

    def test_another_model(self):
        self.act("migrate", {"model": "standard"}, self.org_.owner)
        who, changes = self.told("org.migrate")
        self.assertEqual((who, changes["model"]), ("person", ("network", "standard")))
        self.assertEqual(self.settings()["model"], "standard")

    def test_limits(self):
        one, other = [{"value": "members", "max": 40}], [{"value": "members", "max": 7}, {"value": "teams", "max": 3}]
        self.operate("PATCH", self.row, replaced("limits", one))
        self.operate("PATCH", self.row, replaced("limits", other))
        query = urllib.parse.quote('changes.path eq "limits"')
        events = self.allowed(self.org_.send(self.org_.owner, "GET", f"/AuditEvents?filter={query}"))["Resources"]
        self.assertEqual([event["actor"]["type"] for event in events], ["operator"] * 2)
        told = [(change.get("old"), change.get("new")) for change in events[0]["changes"]]
        self.assertIn('{"value":"members","max":40}', [old for old, _ in told])
        self.assertIn('{"value":"teams","max":3}', [new for _, new in told])
        self.assertEqual(self.settings()["limits"], other)
        # What an operator says in the settings is not said by writing it there.
        path = f"/Settings/{self.settings()['id']}"
        self.allowed(self.org_.send(self.org_.owner, "PATCH", path, replaced("displayName", "Shown")))
        refused = self.org_.send(self.org_.owner, "PATCH", path, replaced("limits", [{"value": "members", "max": 9}]))
        self.assertEqual(refused.status, 400, refused)
        self.assertEqual(self.settings()["limits"], other)

    def test_settings_show_a_new_org_as_it_is(self):
        made = self.operate("GET", self.row)
        shown = self.settings()
        for name in ("key", "displayName", "state", "model", "modelVersion"):
            self.assertEqual(shown[name], made[name])


if __name__ == "__main__":
    main()
