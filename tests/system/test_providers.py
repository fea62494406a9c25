"""What identity providers and public test suites expect, as far as no other test says it: tests/idp plays whole
sessions, here each rule stands alone (tolerant dialect)."""

import json

from harness import ENTERPRISE, GROUP, NOWHERE, PATCH, SCIM_JSON, SEARCH, USER, SystemTest, main


class Rules(SystemTest):
    def test_rule_12_entra_group_create(self):
        org = self.shared()
        reply = org.post("/Groups?aadOptscim062020", {
            "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159", "displayName": "Entra",
            "meta": {"resourceType": "Group"}})
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(reply["schemas"], [GROUP])

    def test_rule_13_nulls_empty_lists_and_texts(self):
        org = self.shared()
        reply = org.post("/Users", {
            "schemas": [USER, ENTERPRISE], "userName": "nulls", "displayName": None, "title": "", "emails": None,
            "phoneNumbers": [], "addresses": [], "roles": [], "name": {"givenName": None, "familyName": ""},
            "department": None, "manager": None, ENTERPRISE: {"department": None, "manager": None}, "active": None,
            "externalId": None, "preferredLanguage": None, "groups": [], "password": None})
        self.assertEqual(reply.status, 201, reply)
        user = self.ok(org.get("/Users/" + reply["id"]))
        for name in ("displayName", "title", "emails", "phoneNumbers", "roles", "name", ENTERPRISE, "externalId"):
            self.assertFalse(user.get(name), name)
        self.assertEqual(user["schemas"], [USER])

    def test_rule_13_jumpcloud_put(self):
        org = self.shared()
        user = org.user("jumpcloud", emails=[{"value": "a@example.com"}])
        reply = org.put("/Users/" + user["id"], {"schemas": [ENTERPRISE, USER], "id": user["id"], "userName": "jumpcloud",
                                                 "emails": None, "addresses": [], ENTERPRISE: {},
                                                 "phoneNumbers": [{"type": "work", "value": "tel:+1-201-555-0123"}]})
        got = self.ok(reply)
        self.assertNotIn("emails", got)
        self.assertEqual(got["schemas"], [USER])

    def test_rule_18_probes_of_connection_tests(self):
        org = self.org()
        for path in (f"/Users?filter=userName+eq+%22{NOWHERE}%22", f"/Users?filter=externalId%20eq%20%22{NOWHERE}%22",
                     f"/Groups?excludedAttributes=members&filter=displayName+eq+%22{NOWHERE}%22",
                     "/Users?startIndex=1&count=2", "/Groups?startIndex=1&count=100", "/Users?count=1",
                     f"/Users?filter=id+eq+%22{NOWHERE}%22+and+manager+eq+%22{NOWHERE}%22&attributes=id",
                     f"/Groups?filter=id+eq+%22{NOWHERE}%22+and+members+eq+%22{NOWHERE}%22"):
            body = self.ok(org.get(path))
            self.assertEqual((body["totalResults"], body["Resources"]), (0, []), path)

    def test_rule_21_headers_that_clients_send_or_leave_out(self):
        org = self.shared()
        path = "/Users/" + org.user("headers")["id"]
        for headers in ({"Accept": None}, {"Accept": "*/*"}, {"Accept": "application/json"}, {"User-Agent": ""},
                        {"Accept-Charset": "utf-8"}, {"Accept": "application/scim+json, application/json;q=0.9"},
                        {"Content-Type": "application/scim+json; charset=utf-8"}, {"Content-Type": "application/json"}):
            self.ok(org.get(path, headers=headers))
            self.assertEqual(org.request("DELETE", "/Users/" + NOWHERE, headers=headers).status, 404)

    def test_rule_25_disabled_users_stay(self):
        org = self.org()
        user = org.user("leaver", active=True)
        path = "/Users/" + user["id"]
        group = org.group("g", [user["id"]])["id"]
        self.patched(org, path, {"op": "Replace", "path": "active", "value": "False"})
        self.assertIs(self.ok(org.get(path))["active"], False)
        self.assertEqual(org.find("/Users").ids, [user["id"]])
        self.assertEqual(org.find("/Users", 'userName eq "LEAVER"').ids, [user["id"]])
        self.assertEqual(org.find("/Groups", f'members eq "{user["id"]}"').ids, [group], "memberships are kept")
        self.refused(org.post("/Users", {"schemas": [USER], "userName": "Leaver"}), 409, "uniqueness")
        self.assertIs(self.patched(org, path, {"op": "replace", "value": {"active": True}})["active"], True)
        self.assertEqual(org.delete(path).status, 204)
        org.user("leaver")

    def test_rule_29_ids_and_base(self):
        org = self.shared()
        for n in range(50):
            self.assertNotIn("bulkid", org.user(f"ids{n}")["id"].lower())
        self.assertNotIn("_", org.base)

    def test_okta_sends_empty_groups(self):
        org = self.shared()
        reply = org.post("/Users", {"schemas": [USER], "userName": "okta@example.com", "name": {"givenName": "O", "familyName": "K"},
                                    "emails": [{"primary": True, "value": "okta@example.com", "type": "work"}],
                                    "displayName": "O K", "locale": "en-US", "externalId": "00u1", "groups": [],
                                    "password": "1mz050nq", "active": True})
        self.assertEqual(reply.status, 201, reply)
        body = reply.json
        body["groups"] = []
        self.ok(org.put("/Users/" + body["id"], body))

    def test_okta_renames_a_group_with_its_id(self):
        org = self.shared()
        user = org.user("grouped")["id"]
        group = org.group("before", [user])["id"]
        self.patched(org, "/Groups/" + group, {"op": "replace", "value": {"id": group, "displayName": "after"}})
        got = self.ok(org.get("/Groups/" + group))
        self.assertEqual((got["displayName"], [m["value"] for m in got["members"]]), ("after", [user]))

    def test_entra_dates_of_the_year_1(self):
        org = self.shared()
        reply = org.post("/Users", {"schemas": [USER], "userName": "dated", "meta": {
            "resourceType": "User", "created": "0001-01-01T00:00:00.0000000+00:00",
            "lastModified": "2026-11-22T10:11:12.1234567-08:00"}})
        self.assertEqual(reply.status, 201, reply)
        self.assertEqual(org.find("/Users", 'meta.created gt "0001-01-01T00:00:00.0000000+00:00" and userName eq "dated"')
                         ["totalResults"], 1)

    def test_names_in_odd_case(self):
        org = self.shared()
        boss = org.user("odd-boss")["id"]
        reply = org.post("/Users", {"schemas": [USER, ENTERPRISE], "userName": "odd",
                                    "Emails": [{"Value": "odd@example.com", "Type": "work", "Primary": "true"}],
                                    ENTERPRISE: {"Department": "D", "Manager": {"Value": boss}}})
        self.assertEqual(reply.status, 201, reply)
        self.assert_has(reply.json, {ENTERPRISE: {"department": "D", "manager": {"value": boss}}})
        self.assert_has(reply["emails"][0], {"value": "odd@example.com", "type": "work", "primary": True})

    def test_manager_of_somebody_unknown(self):
        """HR systems send managers after their reports, or never."""
        org = self.shared()
        reply = org.post("/Users", {"schemas": [USER, ENTERPRISE], "userName": "orphan",
                                    ENTERPRISE: {"manager": {"value": NOWHERE}}})
        self.assertIn(reply.status, (201, 400), reply)

    def test_roles_as_entra_sends_them(self):
        org = self.shared()
        path = "/Users/" + org.user("roles")["id"]
        text = json.dumps({"id": "r1", "value": "Admin", "displayName": "Admin"})
        user = self.patched(org, path, {"op": "Add", "path": "roles", "value": [{"value": text}]})
        self.assertEqual([r["value"] for r in user["roles"]], [text])
        user = self.patched(org, path, {"op": "replace", "path": "roles", "value": [{"value": "a"}, {"value": "b"}]})
        self.assertEqual([r["value"] for r in user["roles"]], ["a", "b"])
        user = self.patched(org, path, {"op": "Replace", "path": 'roles[primary eq "True"].value', "value": "c"})
        self.assertEqual([r["value"] for r in user["roles"] if r.get("primary")], ["c"])

    def test_emails_by_entra_and_the_validator(self):
        """All attributes of an element at once, one operation each, on an element that is not there yet."""
        org = self.shared()
        path = "/Users/" + org.user("validator")["id"]
        user = self.patched(org, path, *[{"op": "Add", "path": f'emails[type eq "home"].{name}', "value": value}
                                         for name, value in (("value", "h@example.com"), ("display", "H"), ("primary", "True"))])
        self.assertEqual(len(user["emails"]), 1)
        self.assert_has(user["emails"][0], {"type": "home", "value": "h@example.com", "display": "H", "primary": True})
        user = self.patched(org, path, *[{"op": "Remove", "path": f'emails[type eq "home"].{name}'}
                                         for name in ("display", "primary", "value")])
        self.assertFalse([m for m in user.get("emails", []) if m.get("value")])

    def test_authentik_group_update(self):
        """The whole resource in one replace without path, id and schemas included."""
        org = self.shared()
        user = org.user("authentik")["id"]
        group = org.group("ak", [user])["id"]
        self.patched(org, "/Groups/" + group, {"op": "replace", "path": None, "value": {
            "schemas": [GROUP], "id": group, "displayName": "ak renamed", "externalId": "x"}})
        got = self.ok(org.get("/Groups/" + group))
        self.assertEqual((got["displayName"], len(got["members"])), ("ak renamed", 1))

    def test_paths_are_case_exact(self):
        self.assertEqual(self.shared().get("/users").status, 404)

    def test_external_id_is_listed_or_common(self):
        """scimverify fails on attributes that are served but not listed; externalId is one of RFC 7643's common ones."""
        org = self.shared()
        user = org.user("listed", externalId="x")
        listed = {a["name"] for a in org.get("/Schemas/" + USER)["attributes"]}
        self.assertLessEqual(set(user) - {"id", "schemas", "meta"}, listed)


class ScanLimit(SystemTest):
    """A filter that no index serves is bounded, with a clear error at the bound."""

    config = {"scim.scan_limit": 1000}

    def test_too_many(self):
        from test_concurrent import people
        org = self.org("strict")
        ids = people(org, 1300)
        reply = org.find("/Users", 'nickName eq "nobody"')
        error = self.refused(reply, 400, "tooMany")
        self.assertIn("1000", error["detail"])
        self.ok(org.find("/Users", 'userName eq "p5"'))
        self.ok(org.find("/Users", 'nickName eq "nobody" and userName eq "p5"'))
        # page by page by cursor it goes all the same
        org.patch("/Users/" + ids[-1], {"op": "add", "path": "nickName", "value": "somebody"})
        found, cursor, pages = [], "", 0
        while cursor is not None and pages < 50:
            body = self.ok(org.find("/Users", 'nickName eq "somebody"', cursor=cursor))
            found += [u["id"] for u in body.get("Resources", [])]
            cursor = body.get("nextCursor")
            pages += 1
        self.assertEqual(found, [ids[-1]])


if __name__ == "__main__":
    main()
