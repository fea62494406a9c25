"""Which person a member is: by proof alone."""

import json
import urllib.parse

from living import GROUP, LivingTest, OURS, PATCH, replaced
from harness import USER, main
from nameserver import NameServer
from wire import Wire

MEMBER = "urn:rosterd:scim:schemas:extension:member:1.0:User"


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

    # ---- Who may write an address must not hand out by it what they can't give ----

    def vacant(self, *roles):
        """A member who is nobody yet, with roles."""
        member = self.provisioned(self.name("vacant") + "@people.test")
        for role in roles:
            self.org_.assign(member, role)
        return member

    def rename(self, who, member, address, **more):
        value = {"emails": [{"value": address}], **more}
        return self.org_.send(who, "PATCH", f"/Users/{member}", {"schemas": [PATCH], "Operations": [{"op": "replace", "value": value}]})

    def admin(self):
        admin = self.person()
        self.org_.join(admin, "org/admin")
        return admin

    def is_nobodys(self, member, status=409):
        reply = self.claim(self.ann)
        self.assertEqual(reply.status, status, reply)
        self.assertNotIn("person", self.org_.operate("GET", f"/Users/{member}").get(MEMBER, {}))
        self.gone(self.org_.send(self.ann, "GET", "/Users"))

    def test_an_admin_makes_nobody_the_owner_by_an_address(self):
        admin = self.admin()
        for change in ({}, {"userName": self.ann.address, "emails": [{"value": "x@people.test"}]}):
            member = self.vacant("org/owner")
            self.allowed(self.rename(admin, member, self.ann.address, **change))
            self.is_nobodys(member)
            link = ("POST", f"/Users/{member}/.link", {"person": self.ann.id})
            self.assertEqual(self.org_.send(admin, *link).status, 403)
            # Changing it again, or in two steps, makes it no better.
            self.allowed(self.rename(admin, member, "other@people.test"))
            self.allowed(self.rename(admin, member, self.ann.address, **change))
            self.is_nobodys(member)
            self.allowed(self.rename(admin, member, self.name("x") + "@people.test", userName=self.name("x")))

    def test_nor_by_an_invitation_to_the_address(self):
        admin, member = self.admin(), self.vacant("org/owner")
        self.allowed(self.rename(admin, member, self.ann.address))
        self.allowed(self.org_.send(admin, "POST", "/Invitations", {
            "schemas": [OURS + "Invitation"], "kind": "email", "address": self.ann.address}))
        [waiting] = self.allowed(self.send(self.ann, "GET", "/scim/v2/Invitations"))["Resources"]
        reply = self.send(self.ann, "POST", f"/scim/v2/Invitations/{waiting['id']}/.accept", {})
        self.assertEqual(reply.status, 409, reply)
        self.is_nobodys(member)

    def test_who_can_give_it_all_decides(self):
        admin, member = self.admin(), self.vacant("org/owner")
        self.allowed(self.rename(admin, member, self.ann.address))
        self.allowed(self.org_.send(self.org_.owner, "POST", f"/Users/{member}/.link", {"person": self.ann.id}))
        self.allowed(self.org_.send(self.ann, "GET", f"/Users/{member}"))
        # An address by the owner is as good as their word; so is one of a member that holds no more than the admin can give.
        for who, role in ((self.org_.owner, "org/owner"), (admin, "org/admin")):
            self.ann = self.person()
            member = self.vacant(role)
            self.allowed(self.rename(admin, member, "before@people.test"))
            self.allowed(self.rename(who, member, self.ann.address))
            self.allowed(self.claim(self.ann))
            self.allowed(self.org_.send(self.ann, "GET", f"/Users/{member}"))

    def test_what_a_team_holds_counts(self):
        admin, member, team = self.admin(), self.vacant(), self.org_.make("team")
        self.org_.assign(team, "assignment/billing")
        self.org_.enter(team, member)
        self.allowed(self.rename(admin, member, self.ann.address))
        self.is_nobodys(member)
        self.assertEqual(self.org_.send(admin, "POST", f"/Users/{member}/.link", {"person": self.ann.id}).status, 403)

    def test_a_connection_hands_out_what_its_groups_hold_and_no_more(self):
        idp = self.daemon.connect(self.org_.key, "idp")
        space = self.org_.make("workspace")
        group = self.allowed(self.org_.send(idp, "POST", "/Groups", {
            "schemas": [GROUP], "displayName": "G", "members": [{"value": self.vacant()}]}))
        self.org_.assign(group["id"], "workspace/editor", space)
        [member] = [entry["value"] for entry in group["members"]]
        self.allowed(self.rename(idp, member, self.ann.address))
        self.allowed(self.claim(self.ann))
        self.ann, member = self.person(), self.vacant()
        self.org_.assign(member, "workspace/editor", space)
        self.allowed(self.rename(idp, member, self.ann.address))
        self.is_nobodys(member)
        # When the role is gone, nothing is left to be handed out.
        [held] = [a for a in self.org_.listed("/Assignments") if a["principal"]["value"] == member]
        self.org_.operate("DELETE", f"/Assignments/{held['id']}")
        self.allowed(self.claim(self.ann))

    def test_the_last_owner_is_not_unlinked(self):
        owner = self.org_.member(self.org_.owner)
        reply = self.org_.send(self.operator, "POST", f"/Users/{owner}/.unlink", {})
        self.assertEqual(reply.status, 409, reply)


class Proven(LivingTest):
    """Links by an address in a domain that the org has verified by DNS; what contradicts waits for an admin."""

    @classmethod
    def setUpClass(cls):
        cls.names = NameServer({})
        cls.addClassCleanup(cls.names.close)
        cls.config = {**LivingTest.config, "dns.server": cls.names.address}
        super().setUpClass()

    def setUp(self):
        super().setUp()
        self.org_ = self.living("standard")
        self.idp = self.daemon.connect(self.org_.key, "idp")
        self.ann = self.person()

    def provision(self, *addresses, name=None, org=None, token=None):
        """A User as a connection makes it; its id."""
        made = (org or self.org_).send(token or self.idp, "POST", "/Users", {
            "schemas": [USER], "userName": name or self.name("idp"), "emails": [{"value": address} for address in addresses]})
        return self.allowed(made)["id"]

    def settings(self, org):
        return f"/Settings/{org.listed('/Settings')[0]['id']}"

    def claim_domain(self, domain, org=None):
        """Names the domain as the org's; the text that proves it."""
        org = org or self.org_
        shown = self.allowed(org.send(org.owner, "PATCH", self.settings(org), {"schemas": [PATCH], "Operations": [
            {"op": "add", "path": "domains", "value": [{"value": domain}]}]}))
        [entry] = [entry for entry in shown["domains"] if entry["value"] == domain]
        self.assertFalse(entry.get("verified", False), entry)
        return "rosterd-domain-verification=" + entry["challenge"]

    def verify(self, domain="people.test", org=None):
        org = org or self.org_
        self.names.table["_rosterd-challenge." + domain] = [self.claim_domain(domain, org)]
        self.allowed(org.send(org.owner, "POST", self.settings(org) + "/.verify", {"domain": domain}))

    def state(self, member, org=None):
        """(linkState, person, candidates) of a member."""
        link = (org or self.org_).operate("GET", f"/Users/{member}").get(MEMBER, {})
        return link.get("linkState"), link.get("person", {}).get("value"), sorted(link.get("candidates", []))

    def linked(self, member, person, org=None):
        self.assertEqual(self.state(member, org), ("linked", person.id, []))
        self.allowed((org or self.org_).send(person, "GET", f"/Users/{member}"))

    def nobodys(self, member, person=None, org=None):
        self.assertEqual(self.state(member, org), (None, None, []))
        self.gone((org or self.org_).send(person or self.ann, "GET", f"/Users/{member}"))

    def conflicts(self):
        """What an admin finds in the list."""
        query = urllib.parse.quote(f'{MEMBER}:linkState eq "conflict"')
        found = self.allowed(self.org_.send(self.org_.owner, "GET", f"/Users?filter={query}"))
        return {item["id"]: sorted(item[MEMBER]["candidates"]) for item in found.get("Resources", [])}

    def test_links_come_with_the_proof_of_the_domain(self):
        member = self.provision(self.ann.address)
        self.nobodys(member)
        text = self.claim_domain("people.test")
        bob = self.person()
        meanwhile = self.provision(bob.address)
        self.nobodys(member)
        self.nobodys(meanwhile, bob)
        refused = self.org_.send(self.org_.owner, "POST", self.settings(self.org_) + "/.verify", {"domain": "people.test"})
        self.assertGreaterEqual(refused.status, 400, refused)
        self.nobodys(member)
        for wrong in (text + "x", text[:-1], "rosterd-domain-verification="):
            self.names.table["_rosterd-challenge.people.test"] = [wrong]
            self.assertGreaterEqual(self.org_.send(self.org_.owner, "POST", self.settings(self.org_) + "/.verify",
                                                   {"domain": "people.test"}).status, 400, wrong)
            self.nobodys(member)
        self.names.table["_rosterd-challenge.people.test"] = ["v=spf1 -all", text]
        self.allowed(self.org_.send(self.org_.owner, "POST", self.settings(self.org_) + "/.verify", {"domain": "people.test"}))
        self.linked(member, self.ann)
        self.linked(meanwhile, bob)

    def test_links_come_with_the_member_and_with_its_address(self):
        self.verify()
        self.linked(self.provision(self.ann.address.upper()), self.ann)
        bob, carl = self.person(), self.person()
        self.linked(self.provision(name=bob.address), bob)
        member = self.provision("carl@elsewhere.test")
        self.nobodys(member, carl)
        self.allowed(self.org_.send(self.idp, "PATCH", f"/Users/{member}", {"schemas": [PATCH], "Operations": [
            {"op": "replace", "path": "emails", "value": [{"value": carl.address}]}]}))
        self.linked(member, carl)

    def test_a_link_comes_with_the_proof_of_the_address(self):
        self.verify()
        late = self.operate("POST", "/People", {"schemas": [OURS + "Person"], "userName": self.name("late"),
                                                "emails": [{"value": "late@people.test"}]})
        member = self.provision("late@people.test")
        self.nobodys(member)
        self.operate("PATCH", f"/People/{late['id']}", replaced('emails[value eq "late@people.test"].verified', True))
        self.assertEqual(self.state(member), ("linked", late["id"], []))

    def test_another_domain_and_another_org_prove_nothing(self):
        other = self.living("standard")
        token = self.daemon.connect(other.key, "idp")
        self.verify("sub.people.test")
        self.verify("people.test", other)
        member = self.provision(self.ann.address)
        self.nobodys(member)
        theirs = self.provision(self.ann.address, org=other, token=token)
        self.linked(theirs, self.ann, other)
        self.nobodys(member)
        # What an org's provider does to its member changes nothing of the person, nor of the member elsewhere.
        self.allowed(other.send(token, "PATCH", f"/Users/{theirs}", replaced("userName", self.name("taken"))))
        self.allowed(other.send(token, "PATCH", f"/Users/{theirs}", replaced("active", False)))
        self.gone(other.send(self.ann, "GET", "/Users"))
        shown = self.allowed(self.send(self.ann, "GET", f"/scim/v2/People/{self.ann.id}"))
        self.assertEqual((shown["userName"], shown.get("active", True)), (self.ann.name, True))

    def test_a_second_member_of_a_person_is_a_conflict(self):
        self.verify()
        first, second = self.provision(self.ann.address), self.provision(self.ann.address)
        self.linked(first, self.ann)
        self.assertEqual(self.state(second), ("conflict", None, [self.ann.id]))
        self.assertEqual(self.conflicts(), {second: [self.ann.id]})
        self.gone(self.org_.send(self.person(), "GET", f"/Users/{second}"))
        # The admin decides that the second one it is.
        link = ("POST", f"/Users/{second}/.link", {"person": self.ann.id})
        self.assertEqual(self.org_.send(self.org_.owner, *link).status, 409)
        self.assertEqual(self.conflicts(), {second: [self.ann.id]})
        self.allowed(self.org_.send(self.org_.owner, "POST", f"/Users/{first}/.unlink", {}))
        self.allowed(self.org_.send(self.org_.owner, *link))
        self.linked(second, self.ann)
        self.assertEqual(self.conflicts(), {})
        self.assertEqual(self.state(first), (None, None, []))
        self.assertEqual(self.daemon.verify(), "")

    def test_a_proof_of_an_address_that_a_stranger_to_the_role_wrote_is_a_conflict(self):
        admin = self.person()
        self.org_.join(admin, "org/admin")
        self.verify()
        member = self.provision("vacant@elsewhere.test")
        self.org_.assign(member, "org/owner")
        self.allowed(self.org_.send(admin, "PATCH", f"/Users/{member}", {"schemas": [PATCH], "Operations": [
            {"op": "replace", "path": "emails", "value": [{"value": self.ann.address}]}]}))
        self.assertEqual(self.conflicts(), {member: [self.ann.id]})
        link = ("POST", f"/Users/{member}/.link", {"person": self.ann.id})
        self.assertEqual(self.org_.send(admin, *link).status, 403)
        self.allowed(self.org_.send(self.org_.owner, *link))
        self.linked(member, self.ann)

    def test_an_admin_dismisses_a_conflict(self):
        self.verify()
        first, second = self.provision(self.ann.address), self.provision(self.ann.address)
        self.allowed(self.org_.send(self.org_.owner, "POST", f"/Users/{second}/.unlink", {}))
        self.assertEqual(self.conflicts(), {})
        self.linked(first, self.ann)

    def test_two_people_by_two_addresses(self):
        self.verify()
        bob = self.person()
        both = self.provision(self.ann.address, bob.address)
        self.assertEqual(self.conflicts(), {both: sorted([self.ann.id, bob.id])})
        for person in (self.ann, bob):
            self.gone(self.org_.send(person, "GET", f"/Users/{both}"))
        self.allowed(self.org_.send(self.idp, "PATCH", f"/Users/{both}", {"schemas": [PATCH], "Operations": [
            {"op": "remove", "path": f'emails[value eq "{bob.address}"]'}]}))
        self.linked(both, self.ann)

    def test_a_conflict_ends_with_what_contradicts(self):
        self.verify()
        self.provision(self.ann.address)
        second = self.provision(self.ann.address)
        self.assertEqual(list(self.conflicts()), [second])
        self.allowed(self.org_.send(self.idp, "PATCH", f"/Users/{second}", {"schemas": [PATCH], "Operations": [
            {"op": "replace", "path": "emails", "value": [{"value": "another@people.test"}]}]}))
        self.assertEqual(self.conflicts(), {})

    def test_who_may_not_decide_does_not(self):
        self.verify()
        self.provision(self.ann.address)
        second = self.provision(self.ann.address)
        for path, body in ((".link", {"person": self.ann.id}), (".unlink", {})):
            self.denied(self.org_.send(self.ann, "POST", f"/Users/{second}/{path}", body), "member.link")
        self.assertEqual(self.conflicts(), {second: [self.ann.id]})

    # ---- By a sync ----

    def sync(self, *people):
        """A state of these users, (name, address, title), beside the owner, who is no part of it."""
        lines = "".join(json.dumps({"schemas": [USER], "userName": name, "externalId": name, "title": title,
                                    "emails": [{"value": address}]}) + "\n" for name, address, title in people)
        with Wire(self.daemon, self.idp, self.org_.key) as wire:
            number = wire.call("sync-begin", filter="title pr")["sync"]
            wire.call("sync-records", sync=number, data=lines)
            wire.call("sync-plan", sync=number)
            wire.call("sync-commit", sync=number)
        return {u["userName"]: u["id"] for u in self.org_.listed("/Users")}

    def test_a_sync_links_as_single_writes_do(self):
        self.verify()
        bob = self.person()
        ids = self.sync(("a", self.ann.address, "x"), ("a2", self.ann.address, "x"), ("b", "bob@elsewhere.test", "x"))
        # two of one state that are the same person: the first one is
        self.linked(ids["a"], self.ann)
        self.assertEqual(self.state(ids["a2"]), ("conflict", None, [self.ann.id]))
        self.nobodys(ids["b"], bob)
        # the person knows where they are, and an address that comes by a change links, too
        self.assertIn(self.org_.key, [o["key"] for o in self.allowed(
            self.send(self.ann, "GET", "/scim/v2/Organizations"))["Resources"]])
        ids = self.sync(("a", self.ann.address, "y"), ("a2", "another@people.test", "x"), ("b", bob.address, "x"))
        self.linked(ids["a"], self.ann)
        self.linked(ids["b"], bob)
        self.assertEqual(self.state(ids["a2"]), (None, None, []))
        # the same again changes nothing, and who goes is out
        self.sync(("a", self.ann.address, "y"), ("a2", "another@people.test", "x"), ("b", bob.address, "x"))
        self.linked(ids["a"], self.ann)
        self.sync(("b", bob.address, "x"))
        self.gone(self.org_.send(self.ann, "GET", "/Users"))
        self.linked(ids["b"], bob)
        self.assertEqual(self.daemon.verify(), "")


if __name__ == "__main__":
    main()
