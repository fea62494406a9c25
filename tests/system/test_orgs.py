"""Organisations, people and tokens over real HTTPS: who gets in where, and for how long."""

import json
import time
import unittest

from harness import ROOT, USER, Api, CtlError, Daemon, SystemTest, certificate, main

CORE = "urn:rosterd:scim:schemas:core:1.0:"
MEMBER = "urn:rosterd:scim:schemas:extension:member:1.0:User"
ORGANIZATION, PERSON, TOKEN, CONNECTION, ASSIGNMENT = (
    CORE + n for n in ("Organization", "Person", "Token", "Connection", "Assignment"))


class OrgTest(SystemTest):
    serial = 0

    def platform(self, token=None):
        return Api(self.daemon.url + "/scim/v2", token, cafile=certificate()[0])

    def at(self, key, token):
        return Api(f"{self.daemon.url}/orgs/{key}/scim/v2", token, cafile=certificate()[0])

    def bare(self):
        return Api(self.daemon.url, None, cafile=certificate()[0])

    def name(self, stem):
        OrgTest.serial += 1
        return f"{stem}{OrgTest.serial}"

    def operator(self):
        if not hasattr(self, "_operator"):
            self._operator = self.platform(self.daemon.ctl("token", "create", "--operator")["token"])
        return self._operator

    def person(self, stem="ada", **attributes):
        """A Person with a personal token: (record, platform client)."""
        name = self.name(stem)
        proven = [{"value": name + "@example.com", "verified": True}]
        made = self.created(self.operator().post("/People", {
            "schemas": [PERSON], "userName": name, "emails": proven, **attributes}))
        token = self.created(self.operator().post("/Tokens", {
            "schemas": [TOKEN], "kind": "personal", "owner": {"value": made["id"]}}))
        return made, self.platform(token["token"])

    def created(self, reply):
        self.assertEqual(reply.status, 201, reply)
        return reply.json

    def is_status(self, reply, status, words=""):
        self.assertEqual(reply.status, status, reply)
        if words:
            self.assertIn(words, reply["detail"])
        return reply

    def found(self, client, key=None, **attributes):
        """An org that a person makes: (record, client in the org)."""
        made = self.created(client.post("/Organizations", {
            "schemas": [ORGANIZATION], "key": key or self.name("org"), **attributes}))
        return made, self.at(made["key"], client.token)

    def join(self, org, person):
        """Makes a person a member, by the operator; gives the User."""
        operator = self.at(org["key"], self.operator().token)
        user = self.created(operator.post("/Users", {"schemas": [USER], "userName": person["userName"], "emails": [
            {"value": person["emails"][0]["value"]}]}))
        reply = operator.post(f"/Users/{user['id']}/.link", {"person": person["id"]})
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def key_for(self, org, **attributes):
        return self.created(org.post("/Tokens", {"schemas": [TOKEN], **attributes}))


class Founding(OrgTest):
    def test_a_person_founds_an_org_and_is_its_first_member(self):
        ada, client = self.person()
        made, org = self.found(client, displayName="Ada & Co")
        self.assertEqual((made["state"], made["kind"], made["model"]), ("active", "company", "standard"))
        self.assertEqual(made["creator"]["value"], ada["id"])
        users = org.get("/Users").json["Resources"]
        self.assertEqual([u["userName"] for u in users], [ada["userName"]])
        self.assertEqual(users[0][MEMBER]["person"]["value"], ada["id"])
        assignments = org.get("/Assignments").json["Resources"]
        self.assertEqual([(a["role"], a["principal"]["value"]) for a in assignments], [("org/owner", users[0]["id"])])
        settings = org.get("/Settings").json
        self.assertEqual([s["displayName"] for s in settings["Resources"]], ["Ada & Co"])
        self.assertIn("org/owner", [r["name"] for r in org.everything("/Roles")])
        self.assertEqual(client.get("/Organizations").ids, [made["id"]])
        self.assertEqual(self.daemon.verify(), "")

    def test_others_see_nothing_of_it(self):
        _, client = self.person()
        made, _ = self.found(client)
        eve, stranger = self.person("eve")
        self.assertEqual(stranger.get("/Organizations").ids, [])
        self.assertIn(stranger.get("/Organizations/" + made["id"]).status, (403, 404))
        mine = self.at(made["key"], stranger.token).get("/Users")
        nobody = self.at("no-such-org", stranger.token).get("/Users")
        self.assertEqual((mine.status, mine.json), (404, nobody.json))
        self.assertEqual(stranger.get("/People").ids, [eve["id"]])

    def test_what_is_refused(self):
        _, client = self.person()
        made, _ = self.found(client)

        def make(**attributes):
            return client.post("/Organizations", {"schemas": [ORGANIZATION], **attributes})
        for key in ("", "-a", "a-", "A", "a b", "a_b", "ü", "x" * 64):
            self.assertEqual(make(key=key).status, 400, key)
        for key in ("www", "admin", "platform"):
            self.is_status(make(key=key), 400, "reserved")
        self.is_status(make(key=made["key"]), 409, "taken")
        self.is_status(make(key=self.name("x"), model="nonsense"), 400, "no role model")
        self.is_status(make(key=self.name("x"), kind="personal"), 403)
        self.is_status(make(key=self.name("x"), kind="else"), 400)
        self.is_status(make(key=self.name("x"), limits=[{"value": "members", "max": 7}]), 403)
        other, _ = self.person("bob")
        self.is_status(make(key=self.name("x"), creator={"value": other["id"]}), 403)
        self.assertEqual(make().status, 400)

    def test_operators_and_products_found_for_others(self):
        ada, client = self.person()
        made = self.created(self.operator().post("/Organizations", {
            "schemas": [ORGANIZATION], "key": self.name("made"), "creator": {"value": ada["id"]}}))
        self.assertEqual(self.at(made["key"], client.token).get("/Users").status, 200)
        service = self.platform(self.daemon.ctl("token", "create", "--service", "--orgs", "*",
                                                "--permissions", "organizations.create")["token"])
        self.is_status(service.post("/Organizations", {"schemas": [ORGANIZATION], "key": self.name("made")}), 400)
        again = self.created(service.post("/Organizations", {
            "schemas": [ORGANIZATION], "key": self.name("made"), "creator": {"value": ada["id"]}}))
        self.assertEqual(self.at(again["key"], client.token).get("/Users").status, 200)
        self.is_status(service.get("/Organizations"), 403)
        self.is_status(service.post("/People", {"schemas": [PERSON], "userName": self.name("x")}), 403, "people.create")

    def test_at_the_control_door(self):
        ctl = self.daemon.ctl
        who, key = self.name("carl"), self.name("ctl")
        ctl("person", "create", who, "--name", "Carl", "--email", who + "@example.com")
        made = ctl("org", "create", key, "--name", "N", "--model", "lab", "--owner", who)
        self.assertEqual((made["model"], made["kind"]), ("lab", "company"))
        self.assertEqual([o["key"] for o in ctl("person", "show", who)["orgs"]], [key])
        token = ctl("person", "token", who)["token"]
        self.assertEqual(self.at(key, token).get("/Users").json["totalResults"], 1)
        for wrong in (("org", "create", "www"), ("org", "create", self.name("x"), "--model", "x"),
                      ("org", "create", self.name("x"), "--owner", "nobody"), ("person", "create", "root"),
                      ("person", "create", who), ("person", "create", "a b"), ("token", "create"),
                      ("token", "create", "--service", "--permissions", "member.view"),
                      ("token", "create", "--service", "--orgs", "*"),
                      ("token", "create", "--service", "--orgs", "*", "--permissions", "no.such")):
            with self.assertRaises(CtlError, msg=wrong):
                ctl(*wrong)


    def test_moving_to_another_model_at_the_control_door(self):
        ctl = self.daemon.ctl
        ada, client = self.person()
        made, org = self.found(client)
        before = org.get("/Roles").json["totalResults"]
        plan = ctl("org", "migrate-model", made["key"], "lab", "--dry-run")
        self.assertFalse(plan["done"])
        self.assertEqual([(c["userNames"], c["before"]) for c in plan["classes"]], [([ada["userName"]], ["org/owner"])])
        self.assertTrue(plan["classes"][0]["loses"])
        self.assertEqual(org.get("/Roles").json["totalResults"], before)
        self.assertEqual(ctl("org", "show", made["key"])["model"], "standard")
        self.assertTrue(ctl("org", "migrate-model", made["key"], "lab", "--map", "org/owner=org/owner")["done"])
        self.assertEqual(ctl("org", "show", made["key"])["model"], "lab")
        self.assertEqual(self.ok(client.get("/Organizations/" + made["id"]))["model"], "lab")
        self.ok(org.get("/Users"))
        for wrong in (("nonsense",), ("standard", "--map", "x"), ("standard", "--map", "org/owner=org/nonsense")):
            with self.assertRaises(CtlError, msg=wrong):
                ctl("org", "migrate-model", made["key"], *wrong)
        self.assertEqual(self.daemon.verify(), "")


class Belonging(OrgTest):
    def test_in_at_once_and_out_at_once(self):
        _, owner = self.person()
        made, org = self.found(owner)
        bob, client = self.person("bob")
        inside = self.at(made["key"], client.token)
        self.assertEqual(inside.get("/Users").status, 404)
        user = self.join(made, bob)
        self.assertEqual(inside.get("/Users/" + user["id"]).status, 200)
        self.assertEqual(client.get("/Organizations").ids, [made["id"]])
        self.assertEqual(org.delete("/Users/" + user["id"]).status, 204)
        self.assertEqual(inside.get("/Users").status, 404)
        self.assertEqual(client.get("/Organizations").ids, [])
        self.assertEqual(client.get("/People").ids, [bob["id"]])
        self.assertEqual(self.daemon.verify(), "")

    def test_a_deactivated_member_is_out(self):
        _, owner = self.person()
        made, org = self.found(owner)
        bob, client = self.person("bob")
        user = self.join(made, bob)
        inside = self.at(made["key"], client.token)
        for active, status in ((False, 404), (True, 200)):
            self.ok(org.patch("/Users/" + user["id"], {"op": "replace", "path": "active", "value": active}))
            self.assertEqual(inside.get("/Users/" + user["id"]).status, status)

    def test_one_token_in_many_orgs(self):
        _, client = self.person()
        orgs = [self.found(client) for _ in range(3)]
        for _, org in orgs:
            self.assertEqual(org.get("/Users").json["totalResults"], 1)
        self.assertEqual(sorted(client.get("/Organizations").ids), sorted(made["id"] for made, _ in orgs))

    def test_a_deactivated_person_is_nobody(self):
        ada, client = self.person()
        made, org = self.found(client)
        path = "/People/" + ada["id"]
        self.is_status(client.patch(path, {"op": "replace", "path": "active", "value": False}), 403)
        self.second_owner(made)
        self.ok(self.operator().patch(path, {"op": "replace", "path": "active", "value": False}))
        self.assertEqual(client.get(path).status, 401)
        self.assertEqual(org.get("/Users").status, 404)
        self.ok(self.operator().patch(path, {"op": "replace", "path": "active", "value": True}))
        self.ok(org.get("/Users"))

    def second_owner(self, made):
        bob, client = self.person("bob")
        user = self.join(made, bob)
        self.created(self.at(made["key"], self.operator().token).post("/Assignments", {
            "schemas": [ASSIGNMENT], "principal": {"value": user["id"]}, "role": "org/owner"}))
        return bob, client, user

    def test_the_last_owner_is_not_deactivated_as_a_person(self):
        """By nobody: not through the org, nor around it."""
        ada, client = self.person()
        made, org = self.found(client)
        product = self.daemon.ctl("token", "create", "--service", "--orgs", "*", "--permissions", "people.edit")["token"]
        off = {"op": "replace", "path": "active", "value": False}
        for who in (self.operator(), self.platform(product)):
            self.is_status(who.patch("/People/" + ada["id"], off), 409, made["key"])
            self.is_status(who.put("/People/" + ada["id"], {"schemas": [PERSON], "userName": ada["userName"], "active": False}),
                           409, made["key"])
        self.ok(org.get("/Users"))
        bob, other, _ = self.second_owner(made)
        self.ok(self.platform(product).patch("/People/" + ada["id"], off))
        self.is_status(self.operator().patch("/People/" + bob["id"], off), 409, made["key"])
        # A deleted org, and an own one, hold nobody.
        self.ok(self.operator().patch("/People/" + ada["id"], {"op": "replace", "path": "active", "value": True}))
        self.ok(self.operator().patch("/People/" + bob["id"], off))
        members = len(org.get("/Users").ids)
        self.assertEqual(client.delete(f"/Organizations/{made['id']}?confirm={members}").status, 204)
        self.ok(self.operator().patch("/People/" + ada["id"], off))

    def test_a_record_that_nobody_is_is_no_owner_when_one_leaves(self):
        ada, client = self.person()
        made, org = self.found(client)
        operator = self.at(made["key"], self.operator().token)
        [mine] = org.get("/Users").ids
        vacant = self.created(org.post("/Users", {"schemas": [USER], "userName": "vacant"}))["id"]
        held = self.created(org.post("/Assignments", {"schemas": [ASSIGNMENT], "principal": {"value": vacant}, "role": "org/owner"}))
        off = {"op": "replace", "path": "active", "value": False}
        for who in (org, operator):
            self.is_status(who.delete("/Users/" + mine), 409, "org/owner")
            self.is_status(who.patch("/Users/" + mine, off), 409, "org/owner")
            self.is_status(who.post("/Assignments", {
                "schemas": [ASSIGNMENT], "principal": {"value": mine}, "role": "org/admin"}), 409, "org/owner")
            self.is_status(who.post(f"/Users/{mine}/.unlink", {}), 409, "org/owner")
        self.is_status(self.operator().delete("/People/" + ada["id"]), 409, made["key"])
        self.is_status(client.post(f"/Organizations/{made['id']}/.transfer", {"to": vacant}), 409)
        # The record itself can go, and where nobody is anybody, records count.
        self.assertEqual(operator.delete("/Assignments/" + held["id"]).status, 204)
        self.created(org.post("/Assignments", {"schemas": [ASSIGNMENT], "principal": {"value": vacant}, "role": "org/owner"}))
        bob, other, user = self.second_owner(made)
        self.ok(self.operator().patch("/People/" + bob["id"], off))
        self.is_status(org.delete("/Users/" + mine), 409, "org/owner")
        self.ok(self.operator().patch("/People/" + bob["id"], {"op": "replace", "path": "active", "value": True}))
        self.assertEqual(org.delete("/Users/" + mine).status, 204)

    def test_an_org_of_records_alone(self):
        made = self.created(self.operator().post("/Organizations", {"schemas": [ORGANIZATION], "key": self.name("records"),
                                                                    "kind": "company", "model": "standard"}))
        operator = self.at(made["key"], self.operator().token)
        users = [self.created(operator.post("/Users", {"schemas": [USER], "userName": name}))["id"] for name in ("a", "b")]
        for user in users:
            self.created(operator.post("/Assignments", {
                "schemas": [ASSIGNMENT], "principal": {"value": user}, "role": "org/owner"}))
        self.assertEqual(operator.delete("/Users/" + users[0]).status, 204)
        self.is_status(operator.delete("/Users/" + users[1]), 409, "org/owner")

    def test_verified_is_not_claimed(self):
        eve, client = self.person("eve", emails=[{"value": "eve@example.com"}])
        reply = client.patch("/People/" + eve["id"], {"op": "replace", "path": "emails", "value": [
            {"value": "eve@example.com", "verified": True}, {"value": "ceo@example.com", "verified": True}]})
        self.assertEqual(reply.status, 200, reply)
        self.assertFalse([e for e in reply["emails"] if e.get("verified")])
        proven = self.ok(self.operator().patch("/People/" + eve["id"], {
            "op": "replace", "path": 'emails[value eq "eve@example.com"].verified', "value": True}))
        self.assertEqual([e["value"] for e in proven["emails"] if e.get("verified")], ["eve@example.com"])
        kept = self.ok(client.patch("/People/" + eve["id"], {"op": "replace", "path": "displayName", "value": "Eve"}))
        self.assertEqual([e["value"] for e in kept["emails"] if e.get("verified")], ["eve@example.com"])

    def test_a_person_who_goes_takes_all_along(self):
        ada, client = self.person()
        made, org = self.found(client)
        self.is_status(self.operator().delete("/People/" + ada["id"]), 409, made["key"])
        bob, other = self.person("bob")
        user = self.join(made, bob)
        inside = self.at(made["key"], other.token)
        self.ok(inside.get("/Users/" + user["id"]))
        self.assertEqual(self.operator().delete("/People/" + bob["id"]).status, 204)
        self.assertEqual(inside.get("/Users").status, 401)
        self.assertEqual(org.get("/Users/" + user["id"]).status, 404)
        self.assertEqual(self.daemon.verify(), "")


class Keys(OrgTest):
    def test_a_key_acts_as_its_member_in_its_org(self):
        _, client = self.person()
        made, org = self.found(client)
        other, _ = self.found(client)
        key = self.key_for(org, displayName="ci")
        self.assertEqual((key["kind"], key["displayName"]), ("key", "ci"))
        use = self.at(made["key"], key["token"])
        self.ok(use.get("/Users"))
        self.assertEqual(self.at(other["key"], key["token"]).get("/Users").status, 404)
        self.assertEqual(self.platform(key["token"]).get("/Organizations").status, 404)
        shown = self.ok(org.get("/Tokens/" + key["id"]))
        self.assertNotIn(key["token"], json.dumps(shown))
        self.assertNotIn("token", shown)
        self.assertNotIn(key["token"], self.daemon.log())
        self.assertEqual(org.delete("/Tokens/" + key["id"]).status, 204)
        self.assertEqual(use.get("/Users").status, 401)

    def test_a_key_may_what_it_names(self):
        _, client = self.person()
        made, org = self.found(client)
        use = self.at(made["key"], self.key_for(org, permissions=["member.view"])["token"])
        self.ok(use.get("/Users"))
        self.is_status(use.post("/Users", {"schemas": [USER], "userName": "x"}), 403, "member.create")
        self.is_status(use.post("/Tokens", {"schemas": [TOKEN]}), 403)
        self.is_status(org.post("/Tokens", {"schemas": [TOKEN], "permissions": ["no.such"]}), 400)

    def test_no_key_beyond_its_maker(self):
        _, owner = self.person()
        made, org = self.found(owner)
        bob, client = self.person("bob")
        user = self.join(made, bob)  # a plain member
        inside = self.at(made["key"], client.token)
        self.is_status(inside.post("/Tokens", {"schemas": [TOKEN], "permissions": ["member.create"]}), 403,
                       "member.create")
        self.is_status(inside.post("/Tokens", {"schemas": [TOKEN], "permissions": ["*"]}), 403)
        owners = org.get("/Users", ).json["Resources"][0]["id"]
        self.is_status(inside.post("/Tokens", {
            "schemas": [TOKEN], "owner": {"value": owners}, "permissions": ["member.view"]}), 403)
        mine = self.key_for(inside)
        self.assertEqual(mine["owner"]["value"], user["id"])
        use = self.at(made["key"], mine["token"])
        self.is_status(use.post("/Users", {"schemas": [USER], "userName": "x"}), 403)
        # Narrow keys make no wide ones.
        narrow = self.at(made["key"], self.key_for(org, permissions=["token.create", "member.view"])["token"])
        self.is_status(narrow.post("/Tokens", {"schemas": [TOKEN]}), 400, "permissions")
        self.is_status(narrow.post("/Tokens", {"schemas": [TOKEN], "permissions": ["member.create"]}), 403)
        self.created(narrow.post("/Tokens", {"schemas": [TOKEN], "permissions": ["member.view"]}))
        # Nor can one be widened.
        limited = self.key_for(org, permissions=["token.create", "member.view"])
        wide = self.at(made["key"], limited["token"]).patch(
            "/Tokens/" + limited["id"], {"op": "remove", "path": "permissions"})
        self.assertIn(wide.status, (400, 403), wide)

    def test_keys_for_others_are_no_way_to_their_roles(self):
        _, owner = self.person()
        made, org = self.found(owner)
        bob, client = self.person("bob")
        user = self.join(made, bob)
        carl, _ = self.person("carl")
        plain = self.join(made, carl)
        self.created(org.post("/Assignments", {"schemas": [CORE + "Assignment"], "principal": {"value": user["id"]},
                                               "role": "org/admin"}))
        admin = self.at(made["key"], client.token)
        first = org.find("/Users", "userName sw \"ada\"").ids[0]
        self.is_status(admin.post("/Tokens", {"schemas": [TOKEN], "owner": {"value": first},
                                              "permissions": ["member.role", "member.view"]}), 403, "org/owner")
        mine = self.key_for(org)
        self.is_status(admin.post(f"/Tokens/{mine['id']}/.rotate", {}), 403, "org/owner")
        self.is_status(admin.post("/Tokens", {"schemas": [TOKEN], "owner": {"value": plain["id"]}}), 400, "permissions")
        theirs = self.key_for(admin, owner={"value": plain["id"]}, permissions=["member.view"])
        self.ok(self.at(made["key"], theirs["token"]).get("/Users"))

    def test_a_limited_personal_token_makes_none(self):
        ada, client = self.person()
        limited = self.created(client.post("/Tokens", {"schemas": [TOKEN], "permissions": ["member.view"]}))
        use = self.platform(limited["token"])
        self.is_status(use.post("/Tokens", {"schemas": [TOKEN]}), 403)
        self.is_status(use.patch("/Tokens/" + limited["id"], {"op": "remove", "path": "permissions"}), 403)
        self.is_status(use.patch("/People/" + ada["id"], {"op": "replace", "path": "displayName", "value": "x"}),
                       403, "people.edit")
        self.is_status(use.delete("/People/" + ada["id"]), 403, "people.delete")
        self.is_status(use.post("/Organizations", {"schemas": [ORGANIZATION], "key": self.name("x")}), 403,
                       "organizations.create")
        self.assertEqual(use.get("/People").ids, [ada["id"]])
        for kind in ("operator", "service"):
            self.assertIn(client.post("/Tokens", {"schemas": [TOKEN], "kind": kind}).status, (400, 403))
        other, _ = self.person("bob")
        self.is_status(client.post("/Tokens", {"schemas": [TOKEN], "owner": {"value": other["id"]}}), 403)
        made, org = self.found(client)
        inside = self.at(made["key"], limited["token"])
        self.ok(inside.get("/Users"))
        self.is_status(inside.post("/Users", {"schemas": [USER], "userName": "x"}), 403)
        self.is_status(use.post(f"/Organizations/{made['id']}/.rename", {"key": self.name("x")}), 403, "org.rename")
        self.is_status(use.delete(f"/Organizations/{made['id']}?confirm=1"), 403, "org.delete")

    def test_keys_die_with_the_membership(self):
        _, owner = self.person()
        made, org = self.found(owner)
        bob, client = self.person("bob")
        user = self.join(made, bob)
        key = self.key_for(self.at(made["key"], client.token))
        use = self.at(made["key"], key["token"])
        self.ok(use.get("/Users/" + user["id"]))
        self.ok(org.patch("/Users/" + user["id"], {"op": "replace", "path": "active", "value": False}))
        self.assertEqual(use.get("/Users").status, 401)
        self.ok(org.patch("/Users/" + user["id"], {"op": "replace", "path": "active", "value": True}))
        self.ok(use.get("/Users/" + user["id"]))
        self.assertEqual(org.delete("/Users/" + user["id"]).status, 204)
        self.assertEqual(use.get("/Users").status, 401)
        self.assertEqual(org.get("/Tokens/" + key["id"]).status, 404)
        self.assertEqual(self.daemon.verify(), "")

    def decides(self, made, user):
        """What a check says of the member: (decision, reason)."""
        reply = self.ok(self.bare().request(
            "POST", f"/orgs/{made['key']}/access/v1/evaluation", {
                "subject": {"type": "user", "id": user}, "action": {"name": "member.view"},
                "resource": {"type": "org", "id": made["key"]}},
            headers={"Authorization": f"Bearer {self.operator().token}", "Content-Type": "application/json"}))
        return reply["decision"], reply["context"].get("code")

    def test_keys_die_with_the_link(self):
        _, owner = self.person()
        made, org = self.found(owner)
        bob, client = self.person("bob")
        user = self.join(made, bob)
        key = self.key_for(self.at(made["key"], client.token))
        others = self.key_for(org)
        use = self.at(made["key"], key["token"])
        self.ok(use.get("/Users/" + user["id"]))
        self.ok(org.post(f"/Users/{user['id']}/.unlink", {}))
        self.assertEqual(use.get("/Users").status, 401)
        self.assertEqual(org.get("/Tokens/" + key["id"]).status, 404)
        self.ok(self.at(made["key"], others["token"]).get("/Users"))
        # Nor is it back with the link; a key made for a record that nobody is lives on.
        kept = self.key_for(self.at(made["key"], self.operator().token), owner={"value": user["id"]})
        self.ok(org.post(f"/Users/{user['id']}/.link", {"person": bob["id"]}))
        self.assertEqual(use.get("/Users").status, 401)
        self.ok(self.at(made["key"], kept["token"]).get("/Users/" + user["id"]))
        self.assertEqual(self.daemon.verify(), "")

    def test_keys_sleep_with_the_person(self):
        _, owner = self.person()
        made, org = self.found(owner)
        bob, client = self.person("bob")
        user = self.join(made, bob)
        use = self.at(made["key"], self.key_for(self.at(made["key"], client.token))["token"])
        before = self.decides(made, user["id"])
        self.assertTrue(before[0])
        for active in (False, True):
            self.ok(self.operator().patch("/People/" + bob["id"], {"op": "replace", "path": "active", "value": active}))
            self.assertEqual(use.get("/Users/" + user["id"]).status, 200 if active else 401)
            self.assertEqual(self.decides(made, user["id"]), before if active else (False, "inactive_subject"))
        self.assertEqual(self.operator().delete("/People/" + bob["id"]).status, 204)
        self.assertEqual(use.get("/Users").status, 401)

    def test_rotation_expiry_and_last_use(self):
        _, client = self.person()
        made, org = self.found(client)
        key = self.key_for(org, permissions=["member.view"])
        old = self.at(made["key"], key["token"])
        fresh = self.created(org.post(f"/Tokens/{key['id']}/.rotate", {"overlap": 60}))
        self.assertNotEqual(fresh["token"], key["token"])
        self.assertEqual(fresh["permissions"], ["member.view"])
        new = self.at(made["key"], fresh["token"])
        self.ok(old.get("/Users"))
        self.ok(new.get("/Users"))
        last = self.created(org.post(f"/Tokens/{fresh['id']}/.rotate", {}))
        self.assertEqual(new.get("/Users").status, 401)
        self.ok(self.at(made["key"], last["token"]).get("/Users"))
        self.is_status(org.post("/Tokens", {"schemas": [TOKEN], "expires": "2001-01-01T00:00:00Z"}), 400, "expired")
        self.assertIn("expires", last)

    def test_connections_by_the_org_itself(self):
        _, client = self.person()
        made, org = self.found(client)
        okta = self.created(org.post("/Connections", {"schemas": [CONNECTION], "name": "okta", "dialect": "strict"}))
        token = self.key_for(org, kind="connection", owner={"value": okta["id"]})
        use = self.at(made["key"], token["token"])
        self.created(use.post("/Users", {"schemas": [USER], "userName": "x", "externalId": "1"}))
        self.is_status(use.get("/Connections"), 403)
        self.is_status(org.post("/Connections", {"schemas": [CONNECTION], "name": "OKTA"}), 409)
        self.is_status(org.post("/Connections", {"schemas": [CONNECTION], "name": "#1"}), 400)
        self.is_status(org.post("/Connections", {"schemas": [CONNECTION], "name": "x", "dialect": "loose"}), 400)
        self.ok(org.patch("/Connections/" + okta["id"], {"op": "replace", "path": "dialect", "value": "tolerant"}))
        listed = self.daemon.ctl("connection", "list", made["key"])
        self.assertEqual([(c["name"], c["dialect"]) for c in listed], [("okta", "tolerant")])
        self.assertEqual(org.delete("/Connections/" + okta["id"]).status, 204)
        self.assertEqual(use.get("/Users").status, 401)
        self.assertEqual(org.get("/Tokens/" + token["id"]).status, 404)
        self.assertEqual(self.daemon.verify(), "")


class Services(OrgTest):
    def test_in_the_orgs_that_it_names(self):
        _, client = self.person()
        one, _ = self.found(client)
        two, _ = self.found(client)
        token = self.daemon.ctl("token", "create", "--service", "--orgs", one["key"],
                                "--permissions", "member.view,member.create", "--label", "shop")["token"]
        use = self.at(one["key"], token)
        self.ok(use.get("/Users"))
        self.created(use.post("/Users", {"schemas": [USER], "userName": "x"}))
        self.is_status(use.get("/Settings"), 403, "settings.view")
        self.assertEqual(self.at(two["key"], token).get("/Users").status, 404)
        self.assertEqual(self.at("no-such-org", token).get("/Users").status, 404)
        # The name follows the org.
        moved = self.name("moved")
        self.ok(client.post(f"/Organizations/{one['id']}/.rename", {"key": moved}))
        self.ok(self.at(moved, token).get("/Users"))
        self.assertEqual(self.at(one["key"], token).get("/Users").status, 308)
        listed = {t["label"]: t for t in self.daemon.ctl("token", "list", "platform")}
        self.daemon.ctl("token", "revoke", "platform", str(listed["shop"]["number"]))
        self.assertEqual(self.at(moved, token).get("/Users").status, 401)

    def test_a_product_that_signs_people_in(self):
        service = self.platform(self.daemon.ctl("token", "create", "--service", "--orgs", "*", "--permissions",
                                                "people.create,people.view,people.tokens")["token"])
        made = self.created(service.post("/People", {"schemas": [PERSON], "userName": self.name("signed")}))
        token = self.created(service.post("/Tokens", {"schemas": [TOKEN], "owner": {"value": made["id"]}}))
        self.ok(self.platform(token["token"]).get("/People/" + made["id"]))
        for kind in ("operator", "service"):
            self.is_status(service.post("/Tokens", {"schemas": [TOKEN], "kind": kind, "organizations": ["*"],
                                                    "permissions": ["*"]}), 403)
        operators = self.operator().find("/Tokens", 'kind eq "operator"').ids
        self.is_status(service.delete("/Tokens/" + operators[0]), 403)
        self.assertEqual(service.delete("/Tokens/" + token["id"]).status, 204)
        self.assertEqual(self.platform(token["token"]).get("/People").status, 401)
        self.is_status(service.patch("/People/" + made["id"], {"op": "replace", "path": "active", "value": False}),
                       403, "people.edit")

    def test_operators_everywhere(self):
        _, client = self.person()
        made, _ = self.found(client)
        self.ok(self.at(made["key"], self.operator().token).get("/Settings"))
        self.assertEqual(self.at("no-such-org", self.operator().token).get("/Users").status, 404)
        self.assertEqual(self.platform("rst_" + "x" * 43).get("/People").status, 401)
        self.assertEqual(self.platform(None).get("/People").status, 401)

    def test_connections_have_no_platform(self):
        org = self.org()
        self.assertEqual(self.platform(org.token).get("/Organizations").status, 404)


class Life(OrgTest):
    config = {"org.delete_grace": 2, "org.rename_grace": 3}

    def test_renaming(self):
        ada, client = self.person()
        made, org = self.found(client)
        _, stranger = self.person("eve")
        fresh = self.name("fresh")
        path = f"/Organizations/{made['id']}/.rename"
        self.is_status(client.post(path, {"key": "www"}), 400, "reserved")
        self.is_status(client.post(path, {"key": "A"}), 400)
        self.is_status(client.post(path, {}), 400, "new key")
        self.is_status(client.patch("/Organizations/" + made["id"], {"op": "replace", "path": "key", "value": fresh}),
                       400)
        self.assertIn(stranger.post(path, {"key": fresh}).status, (403, 404))
        renamed = self.ok(client.post(path, {"key": fresh}))
        self.assertEqual((renamed["key"], renamed["formerKeys"][0]["value"]), (fresh, made["key"]))
        self.ok(self.at(fresh, client.token).get("/Users"))
        moved = org.get("/Users?count=1&x=%20")
        self.assertEqual((moved.status, moved.headers["location"]),
                         (308, f"{self.daemon.url}/orgs/{fresh}/scim/v2/Users?count=1&x=%20"))
        self.assertEqual(org.post("/Users", {"schemas": [USER], "userName": "x"}).status, 308)
        self.assertEqual(self.at(made["key"], stranger.token).get("/Users").status, 404)
        self.is_status(stranger.post("/Organizations", {"schemas": [ORGANIZATION], "key": made["key"]}), 409, "taken")
        self.assertEqual(self.bare().get("/available/orgs/" + made["key"])["status"], "taken")
        time.sleep(3.1)
        self.assertEqual(org.get("/Users").status, 404)
        self.assertEqual(self.bare().get("/available/orgs/" + made["key"])["status"], "free")
        self.created(stranger.post("/Organizations", {"schemas": [ORGANIZATION], "key": made["key"]}))
        self.assertEqual(self.at(made["key"], client.token).get("/Users").status, 404)
        self.assertEqual(self.daemon.verify(), "")

    def test_back_to_the_former_key(self):
        _, client = self.person()
        made, org = self.found(client)
        path = f"/Organizations/{made['id']}/.rename"
        other = self.name("other")
        self.ok(client.post(path, {"key": other}))
        back = self.ok(client.post(path, {"key": made["key"]}))
        self.assertEqual([k["value"] for k in back["formerKeys"]], [other])
        self.ok(org.get("/Users"))
        self.assertEqual(self.at(other, client.token).get("/Users").status, 308)
        self.assertEqual(self.daemon.verify(), "")

    def test_suspending(self):
        _, client = self.person()
        made, org = self.found(client)
        path = "/Organizations/" + made["id"]
        self.is_status(client.post(path + "/.suspend", {}), 403)
        for wrong in (7, "x" * 501):
            self.is_status(self.operator().post(path + "/.suspend", {"reason": wrong}), 400, "reason")
        stopped = self.ok(self.operator().post(path + "/.suspend", {"reason": "unpaid"}))
        self.assertEqual((stopped["state"], stopped["stateReason"]), ("suspended", "unpaid"))
        self.is_status(org.get("/Users"), 403, "suspended")
        self.is_status(client.post(path + "/.rename", {"key": self.name("x")}), 403, "suspended")
        self.is_status(client.delete(path + "?confirm=1"), 403)
        self.ok(self.at(made["key"], self.operator().token).get("/Users"))
        going = self.ok(self.operator().post(path + "/.resume", {}))
        self.assertEqual((going["state"], going.get("stateReason")), ("active", None))
        self.ok(org.get("/Users"))

    def test_deleting_restoring_and_the_end(self):
        ada, client = self.person()
        made, org = self.found(client)
        bob, other = self.person("bob")
        self.join(made, bob)
        path = "/Organizations/" + made["id"]
        self.is_status(other.delete(path + "?confirm=2"), 403)
        self.is_status(client.delete(path), 409, "confirm=2")
        self.is_status(client.delete(path + "?confirm=1"), 409, "confirm=2")
        self.is_status(client.delete(path + "?confirm=x"), 400)
        self.assertEqual(client.delete(path + "?confirm=2").status, 204)
        self.assertEqual(org.get("/Users").status, 404)
        shown = self.ok(client.get(path))
        self.assertEqual(shown["state"], "deleted")
        self.assertIn("deleteAfter", shown)
        self.is_status(client.post(path + "/.restore", {}), 403)
        self.assertEqual(self.ok(self.operator().post(path + "/.restore", {}))["state"], "active")
        self.ok(org.get("/Users"))
        self.is_status(self.operator().post(path + "/.restore", {}), 409)
        self.assertEqual(client.delete(path + "?confirm=2").status, 204)
        began = time.monotonic()
        while any(o["key"] == made["key"] for o in self.daemon.ctl("org", "list")):
            self.assertLess(time.monotonic() - began, 20, "the grace is over, and the org still there")
            time.sleep(0.2)
        self.assertGreater(time.monotonic() - began, 1)
        self.assertEqual(client.get(path).status, 404)
        self.assertEqual(client.get("/Organizations").ids, [])
        self.assertEqual(self.bare().get("/available/orgs/" + made["key"])["status"], "free")
        self.assertEqual(self.daemon.verify(), "")
        again, new = self.found(client, made["key"])
        self.assertEqual(new.get("/Users").json["totalResults"], 1)
        self.assertNotEqual(again["number"], made["number"])

    def test_the_display_name_is_one(self):
        _, client = self.person()
        made, org = self.found(client)
        self.ok(client.patch("/Organizations/" + made["id"], {"op": "replace", "path": "displayName", "value": "New"}))
        self.assertEqual(org.get("/Settings").json["Resources"][0]["displayName"], "New")
        self.assertEqual(self.daemon.ctl("org", "show", made["key"])["name"], "New")


class Limits(OrgTest):
    config = {"org.per_person": 2, "rate.org": 5000, "rate.org_burst": 5000, "rate.address": 2, "rate.address_burst": 6}

    def test_limits_are_the_operators(self):
        _, client = self.person()
        made, org = self.found(client)
        path = "/Organizations/" + made["id"]
        tight = {"op": "replace", "path": "limits", "value": [{"value": "members", "max": 2},
                                                              {"value": "tokens", "max": 1}]}
        self.is_status(client.patch(path, tight), 403)
        self.ok(self.operator().patch(path, tight))
        self.created(org.post("/Users", {"schemas": [USER], "userName": "two"}))
        self.is_status(org.post("/Users", {"schemas": [USER], "userName": "three"}), 409, "members")
        self.key_for(org)
        self.is_status(org.post("/Tokens", {"schemas": [TOKEN]}), 409, "tokens")
        for wrong in ([{"value": "nonsense", "max": 1}], [{"value": "members", "max": 0}], [{"value": "members"}]):
            self.is_status(self.operator().patch(path, {"op": "replace", "path": "limits", "value": wrong}), 400)
        self.ok(self.operator().patch(path, {"op": "remove", "path": "limits"}))
        self.created(org.post("/Users", {"schemas": [USER], "userName": "three"}))

    def test_a_person_founds_so_many_orgs(self):
        ada, client = self.person()
        self.found(client)
        self.found(client)
        self.is_status(client.post("/Organizations", {"schemas": [ORGANIZATION], "key": self.name("x")}), 409,
                       "org.per_person")
        self.created(self.operator().post("/Organizations", {
            "schemas": [ORGANIZATION], "key": self.name("made"), "creator": {"value": ada["id"]}}))

    def test_the_orgs_own_request_rate(self):
        _, client = self.person()
        made, org = self.found(client)
        self.ok(self.operator().patch("/Organizations/" + made["id"], {
            "op": "replace", "path": "limits", "value": [{"value": "requestsPerSecond", "max": 5}]}))
        statuses = [org.get("/Users?count=0").status for _ in range(40)]
        self.assertIn(429, statuses)
        self.assertEqual(statuses[:3], [200] * 3)
        other, fast = self.found(client)
        self.assertEqual({fast.get("/Users?count=0").status for _ in range(40)}, {200})

    def test_availability(self):
        ada, client = self.person()
        made, _ = self.found(client)
        expected = {f"/available/orgs/{made['key']}": "taken", "/available/orgs/www": "reserved",
                    "/available/orgs/no_good": "malformed", "/available/usernames/" + ada["userName"].upper(): "taken",
                    "/available/usernames/a%20b": "malformed", "/available/usernames/root": "reserved"}
        for path, status in expected.items():
            time.sleep(0.5)
            reply = self.bare().get(path)
            self.assertEqual((reply.status, reply["status"]), (200, status), path)
            self.assertEqual(sorted(reply.json), ["name", "reason", "status"])
        time.sleep(0.5)
        self.assertEqual(self.bare().get("/available/orgs/nobody-has-it").json,
                         {"name": "nobody-has-it", "status": "free"})
        time.sleep(3)
        bare = self.bare()
        statuses = [bare.get("/available/usernames/zoe").status for _ in range(12)]
        self.assertEqual((statuses[0], statuses[-1]), (200, 429))
        time.sleep(1)
        self.assertEqual(bare.post("/available/usernames/zoe", {}).status, 405)


class Personal(OrgTest):
    config = {"org.personal_model": "sandbox", "org.reserved_names": ["teapot"]}

    def test_signing_up_makes_an_org_of_ones_own(self):
        ada, client = self.person("Ada.L", displayName="Ada L.")
        orgs = client.get("/Organizations").json["Resources"]
        self.assertEqual([(o["kind"], o["model"], o["displayName"]) for o in orgs],
                         [("personal", "sandbox", "Ada L.")])
        self.assertRegex(orgs[0]["key"], r"^ada-l\d+$")
        org = self.at(orgs[0]["key"], client.token)
        self.assertEqual(org.get("/Users").json["totalResults"], 1)
        self.is_status(client.delete(f"/Organizations/{orgs[0]['id']}?confirm=1"), 403, "personal org")
        self.assertIn(org.post("/Users", {"schemas": [USER], "userName": "x"}).status, (403, 409))
        operator = self.at(orgs[0]["key"], self.operator().token)
        self.is_status(operator.post("/Users", {"schemas": [USER], "userName": "x"}), 409)
        user = org.get("/Users").ids[0]
        self.assertIn(org.delete("/Users/" + user).status, (403, 409))
        self.assertEqual(self.daemon.verify(), "")

    def test_usernames(self):
        def sign_up(name):
            return self.operator().post("/People", {"schemas": [PERSON], "userName": name})
        name = self.name("Zoë")
        self.created(sign_up(name))
        self.is_status(sign_up(name.upper()), 409, "taken")
        self.is_status(sign_up("Teapot"), 400, "reserved")
        for bad in ("", "a b", "x" * 129, "a\u200bb"):
            self.assertEqual(sign_up(bad).status, 400, bad)
        _, client = self.person()
        self.is_status(client.post("/People", {"schemas": [PERSON], "userName": self.name("x")}), 403)

    def test_keys_of_like_names_differ(self):
        stem = self.name("twin")
        keys = []
        for name in (stem + ".x", stem + "-x", stem + "_x"):
            made = self.created(self.operator().post("/People", {"schemas": [PERSON], "userName": name}))
            keys += [o["key"] for o in self.daemon.ctl("person", "show", made["userName"])["orgs"]]
        self.assertEqual(keys, [stem + "-x", stem + "-x-2", stem + "-x-3"])

    def test_the_org_goes_with_its_person(self):
        ada, client = self.person()
        key = client.get("/Organizations").json["Resources"][0]["key"]
        self.assertEqual(client.delete("/People/" + ada["id"]).status, 204)
        self.assertEqual(client.get("/People").status, 401)
        self.assertEqual(self.daemon.ctl("org", "show", key)["state"], "deleted")
        self.assertEqual(self.daemon.verify(), "")


class Start(unittest.TestCase):
    def test_a_new_version_of_a_model_is_followed(self):
        model = json.loads((ROOT / "tests/models/school.json").read_text())
        daemon = Daemon()
        path = daemon.folder / "school.json"
        daemon.extra = {"org.models": [str(path)]}
        daemon.write_config()

        def roles():
            operator = daemon.ctl("token", "create", "--operator")["token"]
            org = Api(f"{daemon.url}/orgs/hill/scim/v2", operator, cafile=certificate()[0])
            return {r["name"]: r["displayName"] for r in org.everything("/Roles")}
        try:
            path.write_text(json.dumps(model))
            daemon.start()
            daemon.ctl("org", "create", "hill", "--model", "school")
            before = roles()
            daemon.end()
            model["version"] += 1
            model["assignments"]["janitor"] = {"title": "Janitor", "description": "Has the keys.",
                                               "permissions": ["workspace.view"]}
            model["roles"]["org"]["guardian"]["title"] = "Parent"
            path.write_text(json.dumps(model))
            daemon.start()
            began = time.monotonic()
            while daemon.ctl("org", "show", "hill")["modelVersion"] != model["version"]:
                self.assertLess(time.monotonic() - began, 20)
                time.sleep(0.1)
            self.assertEqual(roles(), {**before, "assignment/janitor": "Janitor", "org/guardian": "Parent"})
            self.assertEqual(daemon.verify(), "")
            daemon.end()
            path.write_text("{}")
            with self.assertRaises(AssertionError) as refused:
                daemon.start()
            self.assertIn("school.json", str(refused.exception))
            daemon.process = None
        finally:
            daemon.remove()

    def test_a_personal_model_that_is_none_is_refused(self):
        for name in ("nonsense", "lab"):
            daemon = Daemon({"org.personal_model": name})
            with self.assertRaises(AssertionError) as refused:
                daemon.start()
            self.assertIn("org.personal_model", str(refused.exception))
            daemon.process = None
            daemon.remove()


if __name__ == "__main__":
    main()
