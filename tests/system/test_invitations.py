"""Invitations: made, mailed, answered; what they may carry, and who wins when many answer at once."""

import datetime
import email
import email.policy
import os
import re
import sys
import threading
import time

try:
    from aiosmtpd.controller import Controller
except ImportError:  # Debian's package serves Debian's python only
    if os.path.exists("/usr/lib/python3/dist-packages/aiosmtpd") and sys.executable != "/usr/bin/python3":
        os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
    raise

from harness import (Api, Org, SystemTest, USER, certificate, find_member, free_port, in_threads, main,
                     sanitized)
from nameserver import NameServer

CORE = "urn:rosterd:scim:schemas:core:1.0:"
MEMBER = "urn:rosterd:scim:schemas:extension:member:1.0:User"
JSON = {"Accept": "application/json", "Content-Type": None}
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8", "Content-Type": "application/x-www-form-urlencoded"}
SLOW = 4 if sanitized() else 1


def in_seconds(seconds):
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)).isoformat()


class Person:
    def __init__(self, test, name, address, token):
        self.name, self.address, self.token = name, address, token
        self.url = test.daemon.url
        self.platform = Api(self.url + "/scim/v2", token, cafile=certificate()[0])

    def at(self, key):
        return Api(f"{self.url}/orgs/{key}/scim/v2", self.token, cafile=certificate()[0])


class InvitationTest(SystemTest):
    numbers = 0

    @classmethod
    def number(cls):
        InvitationTest.numbers += 1
        return InvitationTest.numbers

    def person(self, name=None, verified=True, address=None):
        name = name or f"person{self.number()}"
        address = address or f"{name}@example.com"
        self.daemon.ctl("person", "create", name, "--name", name.title(), "--email", address,
                        *(["--verified"] if verified else []))
        return Person(self, name, address, find_member(self.daemon.ctl("person", "token", name), ("token",)))

    def company(self, owner, model="standard"):
        """A company org; returns its owner's door to it."""
        key = f"acme{self.number()}"
        self.daemon.ctl("org", "create", key, "--name", f"{key} & Söhne", "--model", model, "--owner", owner.name)
        door = owner.at(key)
        door.key = key
        return door

    @property
    def operator(self):
        if not hasattr(type(self), "_operator"):
            token = find_member(self.daemon.ctl("token", "create", "--operator"), ("token",))
            type(self)._operator = Api(self.daemon.url + "/scim/v2", token, cafile=certificate()[0])
        return self._operator

    @property
    def open_door(self):
        """Who has no token."""
        return Api(self.daemon.url, None, cafile=certificate()[0])

    def invite(self, door, address=None, **more):
        body = {"schemas": [CORE + "Invitation"], **more}
        if address is not None:
            body["address"] = address
        return door.post("/Invitations", body)

    def invited(self, door, address=None, **more):
        return self.ok(self.invite(door, address, **more), 201)

    def path(self, link):
        self.assertTrue(link.startswith(self.daemon.url + "/invitations/"), link)
        return link[len(self.daemon.url):]

    def accept(self, person, invitation):
        return person.platform.post(f"/Invitations/{invitation['id']}/.accept", {})

    def accept_link(self, person, link):
        return Api(self.daemon.url, person.token, cafile=certificate()[0]).post(self.path(link) + "/accept", {})

    def joined(self, door, person, **more):
        """A person who came by an invitation: their door to the org, and who they are there."""
        self.ok(self.accept(person, self.invited(door, person.address, **more)))
        there = person.at(door.key)
        there.key = door.key
        return there, self.member(door, person)

    def member(self, door, person):
        found = door.find("/Users", f'emails.value eq "{person.address}"').json.get("Resources", [])
        return found[0] if found else None

    def roles(self, door, member):
        found = door.find("/Assignments", f'principal.value eq "{member["id"]}"').json.get("Resources", [])
        return {(item["role"], item.get("scope", {}).get("value")): item for item in found}

    def limit(self, door, name, most):
        org = self.operator.find("/Organizations", f'key eq "{door.key}"')["Resources"][0]
        self.patched(self.operator, f"/Organizations/{org['id']}",
                     {"op": "replace", "path": "limits", "value": [{"value": name, "max": most}]})

    def conflict(self, reply, *words):
        detail = self.refused(reply, 409)["detail"]
        for word in words:
            self.assertIn(word, detail)

    def forbidden(self, reply, *words):
        detail = self.refused(reply, 403)["detail"]
        for word in words:
            self.assertIn(word, detail)

    def tearDown(self):
        super().tearDown()
        self.assertEqual(self.daemon.verify(), "")


class ByAddress(InvitationTest):
    def test_from_invitation_to_member(self):
        owner, guest, other = self.person(), self.person(), self.person()
        door = self.company(owner)
        made = self.invited(door, guest.address.upper(), role="org/admin", message="Come in")
        self.assertEqual((made["kind"], made["address"], made["role"], made["status"]),
                         ("email", guest.address, "org/admin", "pending"))
        self.assertEqual(made["inviter"]["display"], owner.name.title())
        self.assertNotIn("tokenHash", str(made))
        self.assertNotIn("link", self.ok(door.get(f"/Invitations/{made['id']}")), "shown once")
        self.assertEqual(guest.at(door.key).get("/Users").status, 404)

        # The person finds it on the platform, nobody else does.
        listed = guest.platform.get("/Invitations")["Resources"]
        self.assertEqual([(item["id"], item["organization"]["key"]) for item in listed], [(made["id"], door.key)])
        self.assertNotIn("value", listed[0]["inviter"], "ids of the org stay in the org")
        self.assertEqual(other.platform.get("/Invitations")["totalResults"], 0)
        self.refused(other.platform.get(f"/Invitations/{made['id']}"), 404)
        self.refused(self.accept(other, made), 404)
        self.refused(other.platform.post(f"/Invitations/{made['id']}/.decline", {}), 404)
        self.assertIn(guest.platform.delete(f"/Invitations/{made['id']}").status, (403, 404, 405))

        done = self.ok(self.accept(guest, made))
        self.assertEqual(done["status"], "accepted")
        member = self.member(door, guest)
        self.assertEqual((member["userName"], member["displayName"], member["active"]), (guest.name, guest.name.title(), True))
        self.assertEqual(member[MEMBER]["linkState"], "linked")
        self.assertEqual(self.roles(door, member)["org/admin", None]["origins"][0]["type"], "invitation")
        self.assertEqual(self.roles(door, member)["org/admin", None]["origins"][0]["value"], made["id"])
        after = self.ok(door.get(f"/Invitations/{made['id']}"))
        self.assertEqual((after["status"], after["member"]["value"]), ("accepted", member["id"]))
        self.assertEqual(self.ok(guest.at(door.key).get("/Users"))["totalResults"], 2, "at once, with the same token")
        orgs = guest.platform.get("/Organizations")["Resources"]
        self.assertIn(door.key, [org["key"] for org in orgs])

        self.conflict(self.accept(guest, made), "accepted")
        self.conflict(self.invite(door, guest.address), "member already", guest.address)
        self.conflict(door.post(f"/Invitations/{made['id']}/.resend", {}), "accepted")
        self.conflict(door.post(f"/Invitations/{made['id']}/.revoke", {}), "accepted")
        events = door.find("/AuditEvents", 'action eq "invitation.accept"')["Resources"]
        self.assertIn(member["id"], [event["target"]["value"] for event in events])

    def test_a_username_that_is_taken_in_the_org(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        self.ok(door.post("/Users", {"schemas": [USER], "userName": guest.name}), 201)
        self.joined(door, guest)
        self.assertEqual(self.member(door, guest)["userName"], guest.address)

    def test_addresses(self):
        door = self.company(self.person())
        for address in ("", "nobody", "a@", "@b", "a b@c.example", "a@b\r\nBcc: c@d.example", "a@-b-"):
            self.refused(self.invite(door, address), 400, "invalidValue")
        self.refused(self.invite(door), 400, "invalidValue")
        made = self.invited(door, "First.Last+tag@Example.COM")
        self.conflict(self.invite(door, "FIRST.last+tag@example.com"), made["id"], "invited already")
        self.refused(self.invite(door, "x@example.com", expires=in_seconds(-5)), 400, "invalidValue")
        self.refused(self.invite(door, "x@example.com", maxUses=2), 400, "invalidValue")
        self.refused(self.invite(door, "x@example.com", message="x" * 2001), 400, "invalidValue")

    def test_many_at_once_each_with_its_own_result(self):
        owner, there = self.person(), self.person()
        door = self.company(owner)
        self.joined(door, there)
        reply = self.ok(door.post("/Invitations/.invite", {
            "addresses": ["one@example.com", "not an address", there.address, "two@example.com", "ONE@example.com", 7],
            "role": "org/guest", "message": "all of you"}))
        results = reply["results"]
        self.assertEqual([item["status"] for item in results], ["201", "400", "409", "201", "409", "400"])
        for item in (results[0], results[3]):
            made = self.ok(door.get(f"/Invitations/{item['id']}"))
            self.assertEqual((made["role"], made["message"], made["status"]), ("org/guest", "all of you", "pending"))
            self.assertTrue(item["link"].startswith(self.daemon.url))
        self.assertIn(results[0]["id"], results[4]["detail"])
        self.assertIn("member already", results[2]["detail"])
        self.assertEqual(door.find("/Invitations", 'status eq "pending"')["totalResults"], 2)
        self.refused(door.post("/Invitations/.invite", {"addresses": []}), 400)
        self.refused(door.post("/Invitations/.invite", {"addresses": ["a@b.example"] * 5000}), 400)

    def test_expiry_is_a_time(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        made = self.invited(door, guest.address, expires=in_seconds(1.2 * SLOW))
        later = self.invited(door, "later@example.com")
        count = lambda status: door.find("/Invitations", f'status eq "{status}"')["totalResults"]
        self.assertEqual((count("pending"), count("expired")), (2, 0))
        time.sleep(1.4 * SLOW)
        self.assertEqual((count("pending"), count("expired")), (1, 1), "by the clock, not by what was stored")
        self.assertEqual(self.ok(door.get(f"/Invitations/{made['id']}"))["status"], "expired")
        sorted_ids = door.find("/Invitations", sortBy="status").ids
        self.assertEqual(sorted_ids, [made["id"], later["id"]])
        self.assertEqual(guest.platform.find("/Invitations", 'status eq "pending"')["totalResults"], 0)
        self.assertEqual(self.ok(self.open_door.get(self.path(made["link"]), headers=JSON))["status"], "expired")
        self.conflict(self.accept(guest, made), "expired")
        self.conflict(self.accept_link(guest, made["link"]), "expired")
        self.conflict(door.patch(f"/Invitations/{made['id']}", {"op": "replace", "path": "message", "value": "x"}), "expired")
        again = self.ok(door.post(f"/Invitations/{made['id']}/.resend", {}))
        self.assertEqual(again["status"], "pending")
        self.assertNotEqual(again["link"], made["link"])
        self.refused(self.open_door.get(self.path(made["link"]), headers={"Accept": None}), 404)
        self.assertEqual((count("pending"), count("expired")), (2, 0))
        self.ok(self.accept_link(guest, again["link"]))

    def test_revoked_and_sent_again(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        made = self.invited(door, guest.address)
        self.assertEqual(self.ok(door.post(f"/Invitations/{made['id']}/.revoke", {}))["status"], "revoked")
        self.assertEqual(self.ok(self.open_door.get(self.path(made["link"]), headers=JSON))["status"], "revoked")
        self.conflict(self.accept(guest, made), "revoked", "sent again")
        self.conflict(self.accept_link(guest, made["link"]), "revoked")
        self.assertEqual(guest.platform.get(f"/Invitations/{made['id']}")["status"], "revoked")
        self.ok(door.post(f"/Invitations/{made['id']}/.resend", {}))
        self.assertEqual(guest.platform.get(f"/Invitations/{made['id']}")["status"], "pending")
        self.assertEqual(door.delete(f"/Invitations/{made['id']}").status, 204)
        self.refused(self.accept(guest, made), 404)
        self.assertEqual(guest.platform.get("/Invitations")["totalResults"], 0)
        self.invited(door, guest.address)

    def test_declined(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        made = self.invited(door, guest.address)
        path = self.path(made["link"])
        for end in ("", "/accept", "/decline"):  # what scanners of mail do
            self.assertEqual(self.ok(self.open_door.get(path + end, headers=JSON))["status"], "pending")
            self.open_door.request("HEAD", path + end)
        self.assertEqual(self.ok(door.get(f"/Invitations/{made['id']}"))["status"], "pending")
        page = self.open_door.get(path, headers=HTML)
        self.assertIn("text/html", page.headers["content-type"])
        text = page.raw.decode()
        self.assertIn("&amp; Söhne", text)
        self.assertEqual(page.headers["cache-control"], "no-store")
        action = re.search(r'<form method="post" action="([^"]+)"', text).group(1)
        done = self.open_door.request("POST", action, raw=b"", headers=HTML)
        self.assertEqual(done.status, 200, done)
        self.assertIn("declined", done.raw.decode())
        self.assertEqual(self.ok(door.get(f"/Invitations/{made['id']}"))["status"], "declined")
        self.assertEqual(guest.platform.get(f"/Invitations/{made['id']}")["status"], "declined")
        self.conflict(self.accept(guest, made), "declined")
        self.assertNotIn("<form", self.open_door.get(path, headers=HTML).raw.decode())
        self.assertEqual(self.open_door.post(path + "/decline", {}).status, 200, "twice does no harm")
        second = self.ok(door.post(f"/Invitations/{made['id']}/.resend", {}))
        self.assertEqual(self.ok(guest.platform.post(f"/Invitations/{second['id']}/.decline", {}))["status"], "declined")
        self.assertEqual(self.open_door.get("/invitations/" + "x" * 43, headers=HTML).status, 404)
        self.assertEqual(self.open_door.get("/invitations/", headers=JSON).status, 404)
        self.assertEqual(self.open_door.request("DELETE", path).status, 405)
        self.assertEqual(self.open_door.post(path + "/accept", {}).status, 401)

    def test_no_secret_in_the_log(self):
        door = self.company(self.person())
        made = self.invited(door, "quiet@example.com")
        self.open_door.get(self.path(made["link"]), headers=JSON)
        secret = made["link"].rsplit("/", 1)[1]
        self.assertNotIn(secret, self.daemon.log())
        self.assertEqual(door.find("/Invitations", f'tokenHash sw "a"').status, 400)

    def test_a_member_of_a_connection_is_linked(self):
        owner, guest, unproven = self.person(), self.person(), self.person(verified=False)
        door = self.company(owner)
        idp = Org(self.daemon, door.key, "main", self.daemon.connect(door.key, "main"))
        known = idp.user("g.uest", externalId="idp-7", emails=[{"value": guest.address, "type": "work"}])
        idp.user("u.nproven", emails=[{"value": unproven.address}])
        self.assertNotIn(MEMBER, known)
        self.ok(self.accept(guest, self.invited(door, guest.address, role="org/admin")))
        linked = self.ok(idp.get(f"/Users/{known['id']}"))
        self.assertEqual(linked[MEMBER]["linkState"], "linked")
        self.assertEqual((linked["userName"], linked["externalId"]), ("g.uest", "idp-7"))
        self.assertIn(("org/admin", None), self.roles(door, known))
        self.assertEqual(door.get("/Users")["totalResults"], 3, "no second one")
        self.assertEqual(guest.at(door.key).get("/Users").status, 200)
        # Whoever was handed the link has proven nothing: they are nobody's member.
        made = self.invited(door, unproven.address)
        self.ok(self.accept_link(unproven, made["link"]))
        found = door.find("/Users", f'emails.value eq "{unproven.address}"')["Resources"]
        self.assertEqual({item["userName"]: MEMBER in item for item in found}, {"u.nproven": False, unproven.name: True})
        self.assertNotIn("verified", str(unproven.platform.get("/People")["Resources"][0]["emails"]))

    def test_an_address_that_another_has_proven(self):
        owner, holder, thief = self.person(), self.person(), self.person()
        door = self.company(owner)
        made = self.invited(door, holder.address)
        self.conflict(self.accept_link(thief, made["link"]), "another person")
        self.ok(self.accept_link(holder, made["link"]))


class Rights(InvitationTest):
    def test_who_may_invite(self):
        owner, admin, member = self.person(), self.person(), self.person()
        door = self.company(owner)
        admins, _ = self.joined(door, admin, role="org/admin")
        members, _ = self.joined(door, member)
        self.forbidden(self.invite(members, "x@example.com"), "member.invite")
        self.forbidden(self.invite(members, kind="link"), "invite.link")
        results = self.ok(members.post("/Invitations/.invite", {"addresses": ["x@example.com"]}))["results"]
        self.assertEqual(results[0]["status"], "403")
        self.assertIn("member.invite", results[0]["detail"])
        made = self.invited(admins, "x@example.com")
        self.forbidden(members.get(f"/Invitations/{made['id']}"), "invite.view")
        self.forbidden(members.post(f"/Invitations/{made['id']}/.resend", {}), "invite.resend")
        self.forbidden(members.post(f"/Invitations/{made['id']}/.revoke", {}), "invite.revoke")
        self.forbidden(members.delete(f"/Invitations/{made['id']}"), "invite.revoke")
        self.forbidden(members.patch(f"/Invitations/{made['id']}", {"op": "add", "path": "message", "value": "x"}),
                       "invite.resend")
        idp = Org(self.daemon, door.key, "main", self.daemon.connect(door.key, "main"))
        self.forbidden(self.invite(idp, "y@example.com"), "member.invite")

    def test_not_beyond_the_inviter(self):
        owner, admin = self.person(), self.person()
        door = self.company(owner)
        admins, _ = self.joined(door, admin, role="org/admin")
        self.forbidden(self.invite(admins, "x@example.com", role="org/owner"), "org/owner")
        self.forbidden(self.invite(admins, "x@example.com", assignments=["assignment/billing"]), "assignment/billing")
        team = door.group("Payers")
        self.ok(door.post("/Assignments", {"schemas": [CORE + "Assignment"], "principal": {"value": team["id"]},
                                           "role": "assignment/billing"}), 201)
        self.forbidden(self.invite(admins, "x@example.com", teams=[{"value": team["id"]}]), "assignment/billing")
        inner = door.group("Inner")
        self.patched(door, f"/Groups/{team['id']}", {"op": "add", "path": "members", "value": [{"value": inner["id"]}]})
        self.forbidden(self.invite(admins, "x@example.com", teams=[{"value": inner["id"]}]), "assignment/billing")
        self.forbidden(self.invite(admins, "x@example.com", access=[{"role": "team/member", "value": inner["id"]}]),
                       "assignment/billing")
        made = self.invited(admins, "x@example.com", assignments=["assignment/auditor"])
        self.forbidden(admins.patch(f"/Invitations/{made['id']}", {"op": "replace", "path": "role", "value": "org/owner"}),
                       "org/owner")
        raised = self.patched(door, f"/Invitations/{made['id']}", {"op": "replace", "path": "role", "value": "org/owner"})
        self.assertEqual(raised["inviter"]["display"], owner.name.title(), "who changes it answers for it")
        self.forbidden(admins.post(f"/Invitations/{made['id']}/.resend", {}), "org/owner")
        for wrong in ({"role": "org/king"}, {"role": "assignment/auditor"}, {"assignments": ["org/admin"]},
                      {"teams": [{"value": "no"}]}, {"access": [{"role": "workspace/viewer", "value": team["id"]}]}):
            self.refused(self.invite(door, "z@example.com", **wrong), 400, "invalidValue")

    def test_presets_are_given(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        team = door.group("Crew")
        other = door.group("Crew of its own")
        place = self.ok(door.post("/Workspaces", {"schemas": [CORE + "Workspace"], "displayName": "Yard"}), 201)
        before = door.get(f"/Groups/{team['id']}").headers["etag"]
        made = self.invited(door, guest.address, assignments=["assignment/auditor"], teams=[{"value": team["id"]}],
                            access=[{"role": "workspace/editor", "value": place["id"]},
                                    {"role": "team/maintainer", "value": other["id"]}])
        self.assertEqual([item["type"] for item in made["access"]], ["Workspace", "Group"])
        self.ok(self.accept(guest, made))
        member = self.member(door, guest)
        self.assertEqual(set(self.roles(door, member)), {("assignment/auditor", None), ("workspace/editor", place["id"]),
                                                         ("team/maintainer", other["id"])})
        self.assertEqual({group["value"] for group in member["groups"]}, {team["id"], other["id"]})
        self.assertNotEqual(door.get(f"/Groups/{team['id']}").headers["etag"], before, "another version")
        self.ok(guest.at(door.key).get(f"/Workspaces/{place['id']}"))
        self.ok(guest.at(door.key).get("/AuditEvents"))

    def test_the_inviters_rights_are_asked_again(self):
        owner, admin, first, second, third = (self.person() for _ in range(5))
        door = self.company(owner)
        admins, as_member = self.joined(door, admin, role="org/admin")
        one, two = self.invited(admins, first.address, role="org/admin"), self.invited(admins, second.address)
        link = self.invited(admins, kind="link")
        self.ok(door.post("/Assignments", {"schemas": [CORE + "Assignment"], "role": "org/member",
                                           "principal": {"value": as_member["id"]}}), 201)
        self.conflict(self.accept(first, one), "who invited you")
        self.conflict(self.accept(second, two), "member.invite")
        self.conflict(self.accept_link(third, link["link"]), "invite.link")
        self.assertIsNone(self.member(door, first))
        self.ok(door.post(f"/Invitations/{one['id']}/.resend", {}))  # the owner answers for it now
        self.ok(self.accept(first, one))
        self.assertEqual(door.delete(f"/Users/{as_member['id']}").status, 204)
        self.conflict(self.accept(second, two), "no active member")

    def test_what_was_to_be_given_is_gone(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        team = door.group("Short lived")
        made = self.invited(door, guest.address, teams=[{"value": team["id"]}])
        self.assertEqual(door.delete(f"/Groups/{team['id']}").status, 204)
        self.conflict(self.accept(guest, made), team["id"])

    def test_personal_orgs_have_none(self):
        owner = self.person()
        key = f"own{self.number()}"
        self.daemon.ctl("org", "create", key, "--kind", "personal", "--model", "standard", "--owner", owner.name)
        self.forbidden(self.invite(owner.at(key), "x@example.com"), "member.invite")
        self.conflict(self.invite(Api(f"{self.daemon.url}/orgs/{key}/scim/v2", self.operator.token,
                                      cafile=certificate()[0]), "x@example.com"), "personal")

    def test_one_org_is_nothing_to_another(self):
        one, two, guest = self.person(), self.person(), self.person()
        first, second = self.company(one), self.company(two)
        made = self.invited(first, guest.address)
        self.refused(second.get(f"/Invitations/{made['id']}"), 404)
        self.refused(second.post(f"/Invitations/{made['id']}/.revoke", {}), 404)
        self.assertEqual(second.get("/Invitations")["totalResults"], 0)
        also = self.invited(second, guest.address)
        self.assertEqual({item["organization"]["key"] for item in guest.platform.get("/Invitations")["Resources"]},
                         {first.key, second.key})
        self.ok(self.accept(guest, also))
        self.refused(guest.at(first.key).get("/Users"), 404)


class Lives(InvitationTest):
    """What becomes of invitations when something becomes of the org."""

    def mine(self, guest):
        return [(item["organization"]["key"], item["organization"]["display"])
                for item in guest.platform.get("/Invitations").json.get("Resources", [])]

    def test_renamed_suspended_deleted(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        made = self.invited(door, guest.address)
        org = self.operator.find("/Organizations", f'key eq "{door.key}"')["Resources"][0]
        renamed = f"{door.key}-now"
        self.ok(self.operator.post(f"/Organizations/{org['id']}/.rename", {"key": renamed}))
        self.patched(self.operator, f"/Organizations/{org['id']}",
                     {"op": "replace", "path": "displayName", "value": "Another name"})
        self.assertEqual(self.mine(guest), [(renamed, "Another name")])
        self.ok(self.operator.post(f"/Organizations/{org['id']}/.suspend", {}))
        self.assertEqual(self.mine(guest), [])
        self.assertIn(self.accept_link(guest, made["link"]).status, (404, 409))
        self.ok(self.operator.post(f"/Organizations/{org['id']}/.resume", {}))
        self.assertEqual(self.mine(guest), [(renamed, "Another name")])
        self.daemon.ctl("org", "delete", renamed, "--yes")
        self.assertEqual(self.mine(guest), [])
        self.refused(self.open_door.get(self.path(made["link"]), headers={"Accept": None}), 404)
        self.refused(self.accept_link(guest, made["link"]), 404)

    def test_nothing_is_left_of_an_org_that_is_removed(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        made = [self.invited(door, guest.address), self.invited(door, kind="link")]
        for one in made:
            self.ok(self.operator.get(f"/Invitations/{one['id']}"))
        self.daemon.ctl("org", "delete", door.key, "--now", "--yes")
        for one in made:
            self.refused(self.operator.get(f"/Invitations/{one['id']}"), 404)


class Links(InvitationTest):
    def test_shared(self):
        owner, one, two, three = (self.person() for _ in range(4))
        door = self.company(owner)
        self.refused(self.invite(door, kind="link", role="org/admin"), 400, "invalidValue")
        self.refused(self.invite(door, "x@example.com", kind="link"), 400, "invalidValue")
        made = self.invited(door, kind="link", maxUses=2)
        self.assertNotIn("address", made)
        self.assertEqual(one.platform.get("/Invitations")["totalResults"], 0)
        told = self.ok(self.accept_link(one, made["link"]))
        self.assertEqual(told["organization"]["key"], door.key)
        self.assertEqual(told["member"]["value"], self.member(door, one)["id"])
        self.conflict(self.accept_link(one, made["link"]), "member of this org already")
        self.conflict(self.open_door.post(self.path(made["link"]) + "/decline", {}), "not declined")
        self.assertEqual(self.ok(door.get(f"/Invitations/{made['id']}"))["uses"], 1)
        self.ok(self.accept_link(two, made["link"]))
        self.conflict(self.accept_link(three, made["link"]), "as often as it may be")
        again = self.ok(door.post(f"/Invitations/{made['id']}/.resend", {}))
        self.assertEqual(again["status"], "pending")
        self.refused(self.accept_link(three, made["link"]), 404)
        self.ok(self.accept_link(three, again["link"]))
        self.ok(door.post(f"/Invitations/{made['id']}/.revoke", {}))
        self.conflict(self.accept_link(self.person(), again["link"]), "revoked")

    def test_a_model_without_links(self):
        door = self.company(self.person(), model="lab")
        self.refused(self.invite(door, kind="link"), 400, "invalidValue")

    def test_only_people_accept(self):
        door = self.company(self.person())
        made = self.invited(door, kind="link")
        reply = Api(self.daemon.url, self.operator.token, cafile=certificate()[0]).post(self.path(made["link"]) + "/accept", {})
        self.assertEqual(reply.status, 403, reply)

    def test_a_limited_token_does_not_join(self):
        guest = self.person()
        limited = find_member(self.daemon.ctl("person", "token", guest.name, "--permissions", "member.view"), ("token",))
        made = self.invited(self.company(self.person()), guest.address)
        narrow = Person(self, guest.name, guest.address, limited)
        self.forbidden(self.accept_link(narrow, made["link"]), "missing in this token")
        self.refused(self.accept(narrow, made), 403)
        self.ok(self.accept(guest, made))


class Seats(InvitationTest):
    def test_seats_are_counted_when_inviting(self):
        owner = self.person()
        door = self.company(owner)
        self.limit(door, "members", 3)
        one = self.invited(door, "one@example.com")
        self.invited(door, "two@example.com", expires=in_seconds(1.2 * SLOW))
        self.conflict(self.invite(door, "three@example.com"), "members", "3")
        self.conflict(door.post("/Users", {"schemas": [USER], "userName": "four"}), "members")
        self.invited(door, kind="link")  # keeps no seat
        time.sleep(1.4 * SLOW)
        three = self.invited(door, "three@example.com")
        self.ok(door.post(f"/Invitations/{one['id']}/.revoke", {}))
        self.invited(door, "four@example.com")
        self.conflict(door.post(f"/Invitations/{one['id']}/.resend", {}), "members")
        self.ok(door.post(f"/Invitations/{three['id']}/.resend", {}))

    def test_pending_ones_have_a_limit(self):
        door = self.company(self.person())
        self.limit(door, "invitations", 2)
        self.invited(door, "one@example.com")
        self.invited(door, kind="link")
        self.conflict(self.invite(door, "two@example.com"), "invitations")
        self.conflict(self.invite(door, kind="link"), "invitations")

    def test_a_link_leaves_the_seats_of_those_invited(self):
        owner, stranger, guest = self.person(), self.person(), self.person()
        door = self.company(owner)
        made = self.invited(door, guest.address)
        link = self.invited(door, kind="link")
        self.limit(door, "members", 2)
        self.conflict(self.accept_link(stranger, link["link"]), "members")
        self.ok(self.accept(guest, made))

    def test_fifty_for_the_last_seat(self):
        owner = self.person()
        people = [self.person() for _ in range(50)]
        door = self.company(owner)
        made = [self.invited(door, person.address) for person in people]
        self.limit(door, "members", 2)
        replies = in_threads([lambda p=p, m=m: self.accept(p, m) for p, m in zip(people, made)])
        self.assertEqual(sorted(reply.status for reply in replies), [200] + [409] * 49)
        self.assertEqual(door.get("/Users")["totalResults"], 2)
        self.assertEqual(door.find("/Invitations", 'status eq "accepted"')["totalResults"], 1)
        winner = next(n for n, reply in enumerate(replies) if reply.status == 200)
        for number, person in enumerate(people):
            self.assertEqual(person.at(door.key).get("/Users").status, 200 if number == winner else 404)

    def test_fifty_for_the_last_use_of_a_link(self):
        owner = self.person()
        people = [self.person() for _ in range(50)]
        door = self.company(owner)
        made = self.invited(door, kind="link", maxUses=7)
        replies = in_threads([lambda p=p: self.accept_link(p, made["link"]) for p in people])
        self.assertEqual(sorted(reply.status for reply in replies), [200] * 7 + [409] * 43)
        self.assertEqual(door.get("/Users")["totalResults"], 8)

    def test_accept_against_revoke(self):
        owner = self.person()
        door = self.company(owner)
        for _ in range(12):
            guest = self.person()
            made = self.invited(door, guest.address)
            accepted, revoked = in_threads([lambda: self.accept(guest, made),
                                            lambda: door.post(f"/Invitations/{made['id']}/.revoke", {})])
            self.assertEqual(sorted((accepted.status, revoked.status)), [200, 409])
            status = self.ok(door.get(f"/Invitations/{made['id']}"))["status"]
            self.assertEqual(status, "accepted" if accepted.status == 200 else "revoked")
            self.assertEqual(guest.platform.get(f"/Invitations/{made['id']}")["status"], status)
            self.assertEqual(self.member(door, guest) is not None, accepted.status == 200)

    def test_the_same_person_twice_at_once(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        made = self.invited(door, guest.address)
        replies = in_threads([lambda: self.accept(guest, made) for _ in range(10)])
        self.assertEqual(sorted(reply.status for reply in replies), [200] + [409] * 9)
        self.assertEqual(door.get("/Users")["totalResults"], 2)


class Outside(InvitationTest):
    @classmethod
    def setUpClass(cls):
        cls.names = NameServer({})
        cls.addClassCleanup(cls.names.close)
        cls.config = {"dns.server": cls.names.address}
        super().setUpClass()

    def test_external_invitations_off(self):
        owner, inside, outside = self.person(), self.person(address="in@inside.example"), self.person()
        door = self.company(owner)
        settings = door.get("/Settings")["Resources"][0]
        link = self.invited(door, kind="link")
        handed = self.invited(door, "unproven@example.com")
        self.patched(door, f"/Settings/{settings['id']}", {"op": "replace", "path": "externalInvitations", "value": False})
        self.conflict(self.invite(door, outside.address), "externalInvitations")
        self.conflict(self.invite(door, inside.address), "externalInvitations")
        challenge = self.patched(door, f"/Settings/{settings['id']}",
                                 {"op": "add", "path": "domains", "value": [{"value": "inside.example"}]})
        text = challenge["domains"][0]["challenge"]
        self.conflict(self.invite(door, inside.address), "externalInvitations")
        self.names.table["_rosterd-challenge.inside.example"] = ["rosterd-domain-verification=" + text]
        self.ok(door.post(f"/Settings/{settings['id']}/.verify", {"domain": "inside.example"}))
        self.conflict(self.accept_link(outside, link["link"]), "externalInvitations")
        self.conflict(self.accept_link(self.person(verified=False), handed["link"]), "confirm the address")
        made = self.invited(door, inside.address)
        self.conflict(self.invite(door, "x@sub.inside.example"), "externalInvitations")
        self.ok(self.accept(inside, made))


class Rate(InvitationTest):
    config = {"rate.address": 1, "rate.address_burst": 5}

    def test_guessing_is_slow(self):
        replies = [self.open_door.get("/invitations/" + "A" * 43, headers=JSON) for _ in range(12)]
        self.assertEqual({reply.status for reply in replies[:5]}, {404})
        self.assertEqual(replies[-1].status, 429)
        self.assertGreaterEqual(int(replies[-1].headers["retry-after"]), 1)
        self.assertEqual(self.open_door.get("/invitations/" + "A" * 43, headers=HTML).status, 429)


class Box:
    def __init__(self):
        self.mails, self.lock = [], threading.Lock()

    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        with self.lock:
            self.mails.append((envelope.rcpt_tos[0], message))
        return "250 taken"

    def to(self, address, count=1):
        end = time.monotonic() + 15 * SLOW
        while time.monotonic() < end:
            with self.lock:
                found = [message for recipient, message in self.mails if recipient == address]
            if len(found) >= count:
                return found
            time.sleep(0.05)
        raise AssertionError(f"no mail to {address}")


class Mailed(InvitationTest):
    @classmethod
    def setUpClass(cls):
        cls.box = Box()
        port = free_port()
        cls.server = Controller(cls.box, hostname="127.0.0.1", port=port, ready_timeout=20)
        cls.server.start()
        cls.addClassCleanup(cls.server.stop)
        cls.config = {"mail.server": f"smtp://127.0.0.1:{port}", "mail.from": "noreply@roster.example",
                      "mail.starttls": "off", "mail.retry_first": 1}
        super().setUpClass()

    def links(self, message):
        plain, html = message.iter_parts()
        found = re.findall(r"https://\S+/invitations/\S+", plain.get_content())
        for link in found:
            self.assertIn(link, html.get_content())
        return found

    def test_the_mail_and_its_links(self):
        owner = self.person()
        guest = self.person(verified=False)
        door = self.company(owner)
        made = self.invited(door, guest.address, role="org/admin", message="Hello\nthere")
        self.assertNotIn("link", made, "only the mail has it")
        self.assertIn("sent", made)
        message = self.box.to(guest.address)[0]
        self.assertIn(door.key, message["Subject"])
        plain = message.get_body(("plain",)).get_content()
        for word in (owner.name.title(), "Admin", "Hello there", f"{door.key} & Söhne"):
            self.assertIn(word, plain)
        accept, decline = self.links(message)
        self.assertEqual(decline, accept + "/decline")
        told = self.ok(self.open_door.get(self.path(accept), headers=JSON))
        self.assertEqual((told["status"], told["role"], told["organization"]["key"]), ("pending", "Admin", door.key))
        # Having the mail proves that the address is theirs.
        self.assertEqual(guest.platform.get("/Invitations")["totalResults"], 0)
        self.ok(self.accept_link(guest, accept))
        person = guest.platform.get("/People")["Resources"][0]
        self.assertEqual([(item["value"], item["verified"]) for item in person["emails"]], [(guest.address, True)])
        self.assertEqual(guest.platform.get("/Invitations")["totalResults"], 1)
        # ... unless it is another's.
        other = self.person()
        second = self.company(owner)
        self.invited(second, guest.address)
        link = self.links(self.box.to(guest.address, 2)[1])[0]
        self.conflict(self.accept_link(other, link), "another person")

    def test_metal_one_or_several_each_with_a_mail_to_accept_or_deny(self):
        """By owner or admin, one address or several at once; each gets a mail with a link, by which it accepts or denies."""
        owner, admin, helper, keeper = (self.person() for _ in range(4))
        door = self.company(owner, "metal")
        admins, _ = self.joined(door, admin, role="org/admin")
        others = [self.joined(door, person, role=role)[0]
                  for person, role in ((helper, "org/collaborator"), (keeper, "org/billing"))]
        guests = [self.person(verified=False) for _ in range(4)]
        for inviter, addresses, role in ((admins, [guests[0].address], "org/billing"),
                                         (door, [guest.address for guest in guests[1:]], "org/collaborator")):
            results = self.ok(inviter.post("/Invitations/.invite", {"addresses": addresses, "role": role}))["results"]
            self.assertEqual([item["status"] for item in results], ["201"] * len(addresses))
        for other in others:
            results = self.ok(other.post("/Invitations/.invite", {"addresses": ["none@example.com", "nil@example.com"]}))["results"]
            self.assertEqual({item["status"] for item in results}, {"403"})
            self.assertIn("member.invite", results[0]["detail"])
        links = [self.links(self.box.to(guest.address)[0]) for guest in guests]
        self.assertEqual(len({link for pair in links for link in pair}), 8, "each has links of its own")
        for number in (0, 1):
            self.ok(self.accept_link(guests[number], links[number][0]))
        self.ok(self.open_door.post(self.path(links[2][1]), {}))
        states = {item["address"]: item["status"] for item in door.get("/Invitations?count=50")["Resources"]}
        self.assertEqual([states[guest.address] for guest in guests], ["accepted", "accepted", "declined", "pending"])
        for guest, role in zip(guests, ({("org/billing", None)}, set())):  # collaborators by default
            self.assertEqual(set(self.roles(door, self.member(door, guest))), role)
        self.assertEqual([self.member(door, guest) is not None for guest in guests], [True, True, False, False])
        self.conflict(self.accept_link(guests[2], links[2][0]), "declined")
        self.ok(self.accept_link(guests[3], links[3][0]))

    def test_a_mailed_address_is_added(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        address = f"second-{guest.address}"
        self.invited(door, address)
        self.ok(self.accept_link(guest, self.links(self.box.to(address)[0])[0]))
        person = guest.platform.get("/People")["Resources"][0]
        self.assertEqual({item["value"]: item["verified"] for item in person["emails"]},
                         {guest.address: True, address: True})

    def test_decline_from_the_mail(self):
        door = self.company(self.person())
        address = f"no{self.number()}@example.com"
        made = self.invited(door, address)
        decline = self.path(self.links(self.box.to(address)[0])[1])
        self.assertIn("<form", self.open_door.get(decline, headers=HTML).raw.decode())
        self.assertEqual(self.ok(door.get(f"/Invitations/{made['id']}"))["status"], "pending")
        self.ok(self.open_door.post(decline, {}))
        self.assertEqual(self.ok(door.get(f"/Invitations/{made['id']}"))["status"], "declined")

    def test_resent_is_a_new_link(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        made = self.invited(door, guest.address)
        old = self.links(self.box.to(guest.address)[0])[0]
        self.assertNotIn("link", self.ok(door.post(f"/Invitations/{made['id']}/.resend", {})))
        new = self.links(self.box.to(guest.address, 2)[1])[0]
        self.assertNotEqual(old, new)
        self.refused(self.accept_link(guest, old), 404)
        self.ok(self.accept_link(guest, new))

    def test_a_link_for_many_is_shown(self):
        self.assertIn("link", self.invited(self.company(self.person()), kind="link"))


class Unsent(InvitationTest):
    config = {"mail.server": "smtp://127.0.0.1:1", "mail.from": "noreply@roster.example", "mail.starttls": "off"}

    def test_what_is_not_open_any_more_is_not_sent(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        waiting = lambda: [item["to"] for item in self.daemon.ctl("outbox", "list") or []]
        revoked, deleted, kept = (self.invited(door, f"{name}@example.com") for name in ("revoked", "deleted", "kept"))
        accepted = self.invited(door, guest.address)
        self.assertEqual(len(waiting()), 4)
        self.ok(door.post(f"/Invitations/{revoked['id']}/.revoke", {}))
        self.assertEqual(door.delete(f"/Invitations/{deleted['id']}").status, 204)
        self.ok(self.accept(guest, accepted))
        self.ok(door.post(f"/Invitations/{kept['id']}/.resend", {}))
        self.assertEqual(waiting(), ["kept@example.com"], "one, with the new link")


class Sealed(InvitationTest):
    """Who has the files of the store, the key apart, has no link."""

    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.config = {"mail.server": f"smtp://127.0.0.1:{cls.port}", "mail.from": "noreply@roster.example",
                      "mail.starttls": "off", "mail.retry_first": 1}
        super().setUpClass()

    def restart(self, **settings):
        self.daemon.end()
        self.daemon.extra = {**self.config, **settings}
        self.daemon.write_config()
        self.daemon.start()

    def unread(self):
        for path in [*self.daemon.data.iterdir(), self.daemon.log_path]:
            if path.is_file():
                content = path.read_bytes()
                self.assertNotIn(b"/invitations/", content, path)
                self.assertNotIn(b"<html", content.lower(), path)

    def test_links_lie_sealed_and_come_out_whole(self):
        owner, guest = self.person(), self.person()
        door = self.company(owner)
        self.invited(door, guest.address)
        number = [item["number"] for item in self.daemon.ctl("outbox", "list") if item["to"] == guest.address][0]
        self.assertIn(guest.address.encode(), (self.daemon.data / "data.mdb").read_bytes(), "it is there")
        self.unread()
        # Under another key it can't be opened; with the former one at hand it can, and is sealed anew.
        first, second = self.daemon.data / "seal.key", self.daemon.folder / "second.key"
        second.write_text(os.urandom(32).hex())
        second.chmod(0o600)
        self.restart(**{"seal.key_file": str(second)})
        end = time.monotonic() + 15 * SLOW
        while not self.daemon.ctl("outbox", "list", "--dead") and time.monotonic() < end:
            time.sleep(0.05)
        [dead] = self.daemon.ctl("outbox", "list", "--dead")
        self.assertEqual(dead["number"], number)
        self.assertIn("seal.old_key_files", dead["error"])
        self.restart(**{"seal.key_file": str(second), "seal.old_key_files": [str(first)]})
        self.assertIn("event=sealed-anew secrets=1", self.daemon.log())
        self.restart(**{"seal.key_file": str(second)})
        self.unread()
        box = Box()
        server = Controller(box, hostname="127.0.0.1", port=self.port, ready_timeout=20)
        server.start()
        self.addCleanup(server.stop)
        self.daemon.ctl("outbox", "retry", "--dead")
        plain = box.to(guest.address)[0].get_body(("plain",)).get_content()
        link = re.findall(r"https://\S+/invitations/\S+", plain)[0]
        self.ok(self.accept_link(Person(self, guest.name, guest.address, guest.token), link))


if __name__ == "__main__":
    main()
