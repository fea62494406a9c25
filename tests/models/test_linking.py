"""Which person a member is: by proof alone; and moving an org to another model, as planned."""

from living import LivingTest, OURS
from harness import USER, main


class Linking(LivingTest):
    def setUp(self):
        super().setUp()
        self.org_ = self.living("standard")
        self.ann = self.person()

    def provisioned(self, address):
        """A member as a connection makes it: the address is claimed."""
        return self.org_.operate("POST", "/Users", {"schemas": [USER], "userName": address, "emails": [{"value": address}]})["id"]

    def claim(self, person):
        return self.send(person, "POST", "/scim/v2/Organizations/.claim", {"key": self.org_.key})

    def test_a_claimed_address_links_nobody_until_the_person_says_so(self):
        member = self.provisioned(self.ann.name + "@people.test")
        self.gone(self.org_.send(self.ann, "GET", f"/Users/{member}"))
        self.allowed(self.claim(self.ann))
        self.allowed(self.org_.send(self.ann, "GET", f"/Users/{member}"))
        self.assertEqual(self.claim(self.ann).status, 404)

    def test_nobody_claims_what_is_another_address(self):
        self.provisioned("someone@people.test")
        self.gone(self.claim(self.ann))

    def test_unlinked_is_out_at_once(self):
        member = self.provisioned(self.ann.name + "@people.test")
        self.allowed(self.claim(self.ann))
        self.allowed(self.org_.send(self.org_.owner, "POST", f"/Users/{member}/.unlink", {}))
        self.gone(self.org_.send(self.ann, "GET", "/Users"))

    def test_a_person_is_one_member(self):
        first = self.provisioned(self.ann.name + "@people.test")
        self.allowed(self.claim(self.ann))
        other = self.org_.make("user")
        reply = self.org_.send(self.org_.owner, "POST", f"/Users/{other}/.link", {"person": self.ann.id})
        self.assertEqual(reply.status, 400, reply)  # the address of this member is not theirs
        self.allowed(self.org_.send(self.ann, "GET", f"/Users/{first}"))

    def test_the_last_owner_is_not_unlinked(self):
        owner = self.org_.member(self.org_.owner)
        reply = self.org_.send(self.operator, "POST", f"/Users/{owner}/.unlink", {})
        self.assertEqual(reply.status, 409, reply)


class Migration(LivingTest):
    def test_what_is_planned_is_what_happens(self):
        org = self.living("network")
        admin, plain = self.person(), self.person()
        org.join(admin, "org/admin")
        org.join(plain)
        path = f"/scim/v2/Organizations/{org.id}/.migrate"
        self.denied(self.send(admin, "POST", path, {"model": "standard"}), "org.migrate")
        plan = self.allowed(self.send(org.owner, "POST", path, {"model": "standard", "dryRun": True}))
        self.assertFalse(plan["done"])
        by_after = {tuple(c["after"]): c for c in plan["classes"]}
        self.assertEqual({k[0] for k in by_after}, {"org/owner", "org/admin", "org/member"})
        before = {who: self.rights(org, who) for who in (org.owner, admin, plain)}
        self.allowed(self.send(org.owner, "POST", path, {"model": "standard"}))
        for who, role in ((org.owner, "org/owner"), (admin, "org/admin"), (plain, "org/member")):
            after = self.rights(org, who)
            told = by_after[(role,)]
            gains = {p[4:] for p in told["gains"] if p.startswith("org:") and "own:" not in p}
            loses = {p[4:] for p in told["loses"] if p.startswith("org:") and "own:" not in p}
            self.assertEqual({p for p in gains if p in self.ASKED}, (after - before[who]) & self.ASKED, role)
            self.assertEqual({p for p in loses if p in self.ASKED}, (before[who] - after) & self.ASKED, role)

    ASKED = {"member.view", "team.view", "workspace.create", "org.usage", "role.view", "org.delete", "billing.view", "billing.edit",
             "content.view", "device.connect", "policy.edit", "audit.view", "settings.edit", "member.invite"}

    def rights(self, org, who):
        reply = self.send(who if who is org.owner else self.operator, "POST", f"/orgs/{org.key}/access/v1/evaluations", {
            "subject": {"type": "user", "id": org.member(who)}, "resource": {"type": "org", "id": org.key},
            "evaluations": [{"action": {"name": p}} for p in sorted(self.ASKED)]},
            headers={"Content-Type": "application/json"})
        return {p for p, e in zip(sorted(self.ASKED), reply.json["evaluations"]) if e["decision"]}


if __name__ == "__main__":
    main()
