"""Create, read, replace, delete (RFC 7644 sections 3.3 to 3.6; RFC 7643 sections 2 to 4)."""

import re
import unittest

from harness import (ENTERPRISE, GROUP, NOWHERE, SCIM_JSON, USER, SystemTest, main)

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

# RFC 7643 section 8.2's kind of user: every core attribute that a client may write.
FULL = {
    "schemas": [USER, ENTERPRISE],
    "externalId": "701984",
    "userName": "bjensen@example.com",
    "name": {"formatted": "Ms. Barbara J Jensen, III", "familyName": "Jensen",
             "givenName": "Barbara", "middleName": "Jane", "honorificPrefix": "Ms.",
             "honorificSuffix": "III"},
    "displayName": "Babs Jensen",
    "nickName": "Babs",
    "profileUrl": "https://login.example.com/bjensen",
    "emails": [{"value": "bjensen@example.com", "type": "work", "primary": True},
               {"value": "babs@jensen.org", "type": "home"}],
    "addresses": [{"type": "work", "streetAddress": "100 Universal City Plaza",
                   "locality": "Hollywood", "region": "CA", "postalCode": "91608",
                   "country": "US", "formatted": "100 Universal City Plaza\nHollywood, CA 91608 USA",
                   "primary": True},
                  {"type": "home", "streetAddress": "456 Hollywood Blvd", "locality": "Hollywood",
                   "region": "CA", "postalCode": "91608", "country": "US"}],
    "phoneNumbers": [{"value": "tel:555-555-5555", "type": "work"},
                     {"value": "tel:555-555-4444", "type": "mobile"}],
    "ims": [{"value": "someaimhandle", "type": "aim"}],
    "photos": [{"value": "https://photos.example.com/profilephoto/72930000000Ccne/F", "type": "photo"},
               {"value": "https://photos.example.com/profilephoto/72930000000Ccne/T", "type": "thumbnail"}],
    "userType": "Employee",
    "title": "Tour Guide",
    "preferredLanguage": "en-US",
    "locale": "en-US",
    "timezone": "America/Los_Angeles",
    "active": True,
    "roles": [{"value": "guide", "display": "Guide", "type": "job", "primary": True}],
    "entitlements": [{"value": "badge"}],
    "x509Certificates": [{"value": "MIIDQzCCAqygAwIBAgICEAAwDQYJKoZIhvcNAQEFBQAwTjELMAkGA1UEBhMCVVMx"}],
    ENTERPRISE: {"employeeNumber": "701984", "costCenter": "4130", "organization": "Universal Studios",
                 "division": "Theme Park", "department": "Tour Operations"},
}


class Create(SystemTest):
    def test_answers_201_with_location_and_meta(self):
        for org in self.dialects():
            reply = org.post("/Users", {"schemas": [USER], "userName": "ada"})
            self.assertEqual(reply.status, 201, reply)
            self.assertTrue(reply.headers["content-type"].startswith(SCIM_JSON))
            user = reply.json
            self.assertRegex(user["id"], UUID)
            self.assertNotIn("bulkid", user["id"].lower())
            self.assertEqual(user["schemas"], [USER])
            self.assertEqual(user["userName"], "ada")
            meta = user["meta"]
            self.assertEqual(meta["resourceType"], "User")
            self.assertEqual(meta["location"], f"{org.base}/Users/{user['id']}")
            self.assertEqual(reply.headers["location"], meta["location"])
            self.assertEqual(reply.headers["etag"], meta["version"])
            self.assertRegex(meta["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$")
            self.assertEqual(meta["created"], meta["lastModified"])
            self.assertEqual(self.ok(org.get("/Users/" + user["id"])), user)

    def test_every_attribute_comes_back_as_sent(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            reply = org.post("/Users", FULL)
            self.assertEqual(reply.status, 201, reply)
            user = self.ok(org.get("/Users/" + reply["id"]))
            self.assertEqual(sorted(user["schemas"]), sorted(FULL["schemas"]))
            for name, value in FULL.items():
                if name == "schemas":
                    continue
                if isinstance(value, list):
                    self.assertEqual(len(user[name]), len(value), name)
                    for got, sent in zip(user[name], value):
                        self.assert_has(got, sent, name)
                else:
                    self.assert_has(user[name], value, name)

    def test_client_id_and_meta_are_ignored(self):
        for org in self.dialects():
            user = org.user("ada", id=NOWHERE, groups=[{"value": NOWHERE}],
                            meta={"resourceType": "Boat", "version": "W/\"1\"", "created": "2001-01-01T00:00:00Z",
                                  "location": "https://elsewhere.example"})
            self.assertNotEqual(user["id"], NOWHERE)
            self.assertEqual(user["meta"]["resourceType"], "User")
            self.assertTrue(user["meta"]["location"].startswith(org.base))
            self.assertFalse(user["meta"]["created"].startswith("2001"))
            self.assertNotIn("groups", user)
            self.assertEqual(org.get("/Users/" + NOWHERE).status, 404)

    def test_duplicate_user_name_is_409_uniqueness_without_case(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            org.user("Ada@Example.com")
            self.refused(org.post("/Users", {"schemas": [USER], "userName": "aDA@example.COM"}),
                         409, "uniqueness")
            self.assertEqual(org.find("/Users")["totalResults"], 1)

    def test_external_id_is_not_unique(self):
        for org in self.dialects():
            org.user("a", externalId="x1")
            org.user("b", externalId="x1")
            self.assertEqual(org.find("/Users", 'externalId eq "x1"')["totalResults"], 2)
            self.assertEqual(org.find("/Users", 'externalId eq "X1"')["totalResults"], 0)

    def test_missing_user_name(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            for body in ({"schemas": [USER]}, {"schemas": [USER], "userName": None},
                         {"schemas": [USER], "userName": ""}):
                error = self.refused(org.post("/Users", body), 400, "invalidValue")
                self.assertIn("username", error["detail"].lower())

    def test_missing_display_name_of_a_group(self):
        for org in self.dialects():
            error = self.refused(org.post("/Groups", {"schemas": [GROUP]}), 400, "invalidValue")
            self.assertIn("displayname", error["detail"].lower())

    def test_null_empty_and_absent_are_one(self):
        for org in self.dialects():
            user = org.user("ada", emails=[], nickName=None, name=None, phoneNumbers=None)
            for name in ("emails", "nickName", "name", "phoneNumbers"):
                self.assertIn(user.get(name), (None, []))
                self.assertEqual(org.find("/Users", f"{name} pr")["totalResults"], 0)

    def test_names_in_bodies_are_case_insensitive(self):
        for org in self.dialects():
            reply = org.post("/Users", {"SCHEMAS": [USER], "USERNAME": "ada",
                                        "Name": {"GIVENNAME": "Ada"},
                                        "emails": [{"VALUE": "a@example.com", "Primary": True}]})
            self.assertEqual(reply.status, 201, reply)
            user = reply.json
            self.assertEqual(user["userName"], "ada")
            self.assertEqual(user["name"]["givenName"], "Ada")
            self.assert_has(user["emails"][0], {"value": "a@example.com", "primary": True})

    def test_strict_refuses_wrong_types(self):
        org = self.shared("strict")
        cases = [("active", "true"), ("active", 1), ("userName", 5), ("userName", ["x"]),
                 ("emails", "a@example.com"), ("emails", {"value": "a@example.com"}), ("name", "Ada"),
                 ("displayName", True), ("emails", [{"value": "a@b.example", "primary": "true"}]),
                 ("emails", ["a@example.com"]), ("name", {"givenName": 4}), ("nickName", {})]
        for name, value in cases:
            with self.subTest(name=name, value=value):
                body = {"schemas": [USER], "userName": "typed", name: value}
                error = self.refused(org.post("/Users", body), 400, "invalidValue")
                self.assertIn(name.lower(), error["detail"].lower())
        self.assertEqual(org.find("/Users", 'userName eq "typed"')["totalResults"], 0)

    def test_two_primaries_are_refused(self):
        for org in self.dialects():
            self.refused(org.post("/Users", {"schemas": [USER], "userName": "p", "emails": [
                {"value": "a@example.com", "primary": True},
                {"value": "b@example.com", "primary": True}]}), 400, "invalidValue")

    def test_body_that_is_no_resource(self):
        for org in self.dialects("tolerant", "strict"):
            for raw in (b"", b"{", b"[]", b"42", b'"x"', b"null", b'{"a":1}x', b"\xff\xfe", b'{"userName":"\xff"}'):
                with self.subTest(raw=raw):
                    self.refused(org.request("POST", "/Users", raw=raw), 400, "invalidSyntax")

    def test_schemas_of_another_type(self):
        for org in self.dialects("strict"):
            for schemas in ([GROUP], ["urn:nothing"], []):
                reply = org.post("/Users", {"schemas": schemas, "userName": "wrong"})
                self.assertEqual(reply.status, 400, reply)
                self.assertIn(reply["scimType"], ("invalidSyntax", "invalidValue"))

    def test_unknown_schema_uri_is_ignored_when_tolerant(self):
        org = self.shared("tolerant")
        group = self._ok_created(org.post("/Groups", {
            "schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "displayName": "adscim"}))
        self.assertEqual(group["schemas"], [GROUP])

    def _ok_created(self, reply):
        self.assertEqual(reply.status, 201, reply)
        return reply.json

    def test_interop_refuses_what_no_schema_defines(self):
        """draft-zollner-scim-interop-profile: 400 invalidSyntax."""
        org = self.shared("interop")
        for body in ({"schemas": [USER], "userName": "u", "shoeSize": 43},
                     {"schemas": [USER, "urn:example:unknown"], "userName": "u"},
                     {"schemas": [USER], "userName": "u", "name": {"middle": "x"}}):
            self.refused(org.post("/Users", body), 400, "invalidSyntax")

    def test_unknown_attributes_are_ignored_elsewhere(self):
        for org in self.dialects("tolerant"):
            user = self._ok_created(org.post("/Users", {"schemas": [USER], "userName": "u", "shoeSize": 43}))
            self.assertNotIn("shoeSize", user)

    def test_text_that_is_no_text(self):
        """NUL and lone surrogates can be no value; a clear 400, not a 500 and no cut text."""
        for org in self.dialects("tolerant", "strict"):
            for raw in (rb'{"schemas":["%s"],"userName":"a\u0000b"}', rb'{"schemas":["%s"],"userName":"a\ud800"}',
                        rb'{"schemas":["%s"],"userName":"ok-%d","displayName":"x\u0000y"}'):
                raw = raw.replace(b"%s", USER.encode()).replace(b"%d", b"1")
                self.assertEqual(org.request("POST", "/Users", raw=raw).status, 400)
            self.assertEqual(org.find("/Users")["totalResults"], 0)

    def test_unicode_survives(self):
        for org in self.dialects():
            name = "Zoë Ångström 王小明 𝒳 \U0001F600"
            user = org.user("unicode", displayName=name, name={"familyName": "O\"Brien\\\n\t"})
            self.assertEqual(user["displayName"], name)
            self.assertEqual(org.get("/Users/" + user["id"])["name"]["familyName"], "O\"Brien\\\n\t")

    def test_deep_json_is_refused(self):
        org = self.shared("tolerant")
        for depth in (1000, 100000):
            raw = b'{"schemas":["%s"],"userName":"deep","x":' % USER.encode() + b"[" * depth + b"]" * depth + b"}"
            self.assertEqual(org.request("POST", "/Users", raw=raw).status, 400)

    def test_repeated_member_is_refused(self):
        org = self.shared("tolerant")
        raw = b'{"schemas":["%s"],"userName":"one","userName":"two"}' % USER.encode()
        self.refused(org.request("POST", "/Users", raw=raw), 400, "invalidSyntax")

    def test_group_with_members(self):
        for org in self.dialects():
            ada, bob = org.user("ada", displayName="Ada"), org.user("bob")
            reply = org.post("/Groups", {"schemas": [GROUP], "displayName": "team", "externalId": "g-1",
                                         "members": [{"value": ada["id"]}, {"value": bob["id"], "type": "User"}]})
            self.assertEqual(reply.status, 201, reply)
            group = self.ok(org.get("/Groups/" + reply["id"]))
            members = {item["value"]: item for item in group["members"]}
            self.assertEqual(set(members), {ada["id"], bob["id"]})
            self.assertEqual(members[ada["id"]]["$ref"], f"{org.base}/Users/{ada['id']}")
            self.assertEqual(members[ada["id"]]["type"], "User")
            self.assertEqual(members[ada["id"]]["display"], "Ada")
            self.assertEqual(group["meta"]["resourceType"], "Group")

    def test_unknown_member_is_refused_and_nothing_made(self):
        for org in self.dialects():
            for bad in (NOWHERE, "no-id-at-all"):
                self.refused(org.post("/Groups", {"schemas": [GROUP], "displayName": "team",
                                                  "members": [{"value": bad}]}), 400, "invalidValue")
            self.assertEqual(org.find("/Groups")["totalResults"], 0)

    def test_group_names_when_tolerant_are_unique_without_case(self):
        org = self.org("tolerant")
        org.group("Sales")
        self.refused(org.post("/Groups", {"schemas": [GROUP], "displayName": "sALES"}), 409, "uniqueness")
        org = self.org("strict")
        org.group("Sales")
        org.group("Sales")  # RFC 7643 section 4.2 knows no uniqueness there
        self.assertEqual(org.find("/Groups", 'displayName eq "sales"')["totalResults"], 2)

    def test_dates_and_binary(self):
        org = self.shared("strict")
        for value in ("not base64!", "===="):
            self.refused(org.post("/Users", {"schemas": [USER], "userName": "cert",
                                             "x509Certificates": [{"value": value}]}), 400, "invalidValue")
        user = org.user("cert", x509Certificates=[{"value": "AQIDBA"}])  # padding may be missing
        self.assertEqual(user["x509Certificates"][0]["value"].rstrip("="), "AQIDBA")


class Read(SystemTest):
    def test_unknown_id_is_404(self):
        for org in self.dialects():
            for path in ("/Users/" + NOWHERE, "/Groups/" + NOWHERE, "/Users/xyz", "/Users/" + "9" * 200,
                         "/Users/%00", "/Users/..%2f..%2fetc"):
                reply = org.get(path)
                self.refused(reply, 404)
                self.assertIn(reply.json.get("scimType"), (None,), "404 has no scimType")

    def test_an_id_of_the_other_type_is_404(self):
        org = self.org()
        user, group = org.user("ada"), org.group("g")
        self.refused(org.get("/Groups/" + user["id"]), 404)
        self.refused(org.get("/Users/" + group["id"]), 404)
        self.refused(org.delete("/Users/" + group["id"]), 404)
        self.ok(org.get("/Groups/" + group["id"]))

    def test_id_compares_exactly(self):
        org = self.org()
        user = org.user("ada")
        self.refused(org.get("/Users/" + user["id"].upper()), 404)

    def test_me_is_501(self):
        for org in self.dialects():
            for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
                body = None if method in ("GET", "DELETE") else {"schemas": [USER], "userName": "me"}
                self.refused(org.request(method, "/Me", body), 501)


class Replace(SystemTest):
    def test_clears_what_is_left_out(self):
        for org in self.dialects():
            user = org.user("ada", nickName="Ad", emails=[{"value": "a@example.com"}],
                            **{ENTERPRISE: {"department": "x"}, "schemas": [USER, ENTERPRISE]})
            reply = org.put("/Users/" + user["id"], {"schemas": [USER], "userName": "ada", "title": "Dr"})
            got = self.ok(reply)
            self.assertEqual(got["title"], "Dr")
            for gone in ("nickName", "emails", ENTERPRISE):
                self.assertNotIn(gone, got)
            self.assertEqual(got["schemas"], [USER])
            self.assertEqual(self.ok(org.get("/Users/" + user["id"])), got)
            self.assertEqual(reply.headers["etag"], got["meta"]["version"])
            self.assertNotEqual(got["meta"]["version"], user["meta"]["version"])
            self.assertEqual(got["meta"]["created"], user["meta"]["created"])

    def test_never_creates(self):
        for org in self.dialects():
            self.refused(org.put("/Users/" + NOWHERE, {"schemas": [USER], "userName": "ada"}), 404)
            self.assertEqual(org.find("/Users")["totalResults"], 0)

    def test_what_was_read_can_be_put_back(self):
        """Okta and others send what they read: id, meta, groups and $refs included."""
        for org in self.dialects():
            user = org.user("ada", displayName="Ada", emails=[{"value": "a@example.com", "type": "work"}])
            group = org.group("g", [user["id"]])
            body = org.get("/Users/" + user["id"]).json
            self.assertEqual([g["value"] for g in body["groups"]], [group["id"]])
            got = self.ok(org.put("/Users/" + user["id"], body))
            self.assertEqual(got, body, "nothing changed, version and lastModified included")
            body = org.get("/Groups/" + group["id"]).json
            self.assertEqual(self.ok(org.put("/Groups/" + group["id"], body)), body)

    def test_body_id_is_ignored(self):
        org = self.shared()
        user = org.user("ignored")
        got = self.ok(org.put("/Users/" + user["id"], {"schemas": [USER], "userName": "ignored", "id": NOWHERE,
                                                       "title": "x"}))
        self.assertEqual(got["id"], user["id"])

    def test_missing_required(self):
        for org in self.dialects():
            user = org.user("ada")
            self.refused(org.put("/Users/" + user["id"], {"schemas": [USER], "title": "x"}), 400, "invalidValue")
            self.assertNotIn("title", org.get("/Users/" + user["id"]).json)

    def test_rename_and_conflict(self):
        for org in self.dialects():
            ada = org.user("ada")
            org.user("bob")
            self.refused(org.put("/Users/" + ada["id"], {"schemas": [USER], "userName": "BOB"}), 409, "uniqueness")
            self.ok(org.put("/Users/" + ada["id"], {"schemas": [USER], "userName": "Ada"}))  # its own, other case
            self.ok(org.put("/Users/" + ada["id"], {"schemas": [USER], "userName": "carol"}))
            org.user("ada")  # the old name is free
            self.assertEqual(org.find("/Users", 'userName eq "carol"').ids, [ada["id"]])

    def test_group_members_are_replaced(self):
        for org in self.dialects():
            a, b, c = (org.user(name)["id"] for name in "abc")
            group = org.group("g", [a, b])
            got = self.ok(org.put("/Groups/" + group["id"], {
                "schemas": [GROUP], "displayName": "g2", "members": [{"value": b}, {"value": c}]}))
            self.assertEqual({m["value"] for m in got["members"]}, {b, c})
            self.assertNotIn("groups", org.get("/Users/" + a).json)
            got = self.ok(org.put("/Groups/" + group["id"], {"schemas": [GROUP], "displayName": "g2"}))
            self.assertFalse(got.get("members"), "a PUT without members clears them")

    def test_put_with_an_unknown_member_changes_nothing(self):
        for org in self.dialects():
            a = org.user("a")["id"]
            group = org.group("g", [a])
            self.refused(org.put("/Groups/" + group["id"], {
                "schemas": [GROUP], "displayName": "new", "members": [{"value": NOWHERE}]}), 400, "invalidValue")
            self.assertEqual(org.get("/Groups/" + group["id"]).json["displayName"], "g")
            self.assertEqual([m["value"] for m in org.get("/Groups/" + group["id"])["members"]], [a])


class Delete(SystemTest):
    def test_204_then_gone_everywhere(self):
        for org in self.dialects():
            user = org.user("ada", externalId="e")
            group = org.group("g", [user["id"]])
            reply = org.delete("/Users/" + user["id"])
            self.assertEqual((reply.status, reply.raw), (204, b""))
            path = "/Users/" + user["id"]
            self.refused(org.get(path), 404)
            self.refused(org.delete(path), 404)
            self.refused(org.put(path, {"schemas": [USER], "userName": "ada"}), 404)
            self.refused(org.patch(path, {"op": "replace", "path": "title", "value": "x"}), 404)
            for query in (None, 'userName eq "ada"', 'externalId eq "e"', f'id eq "{user["id"]}"', "userName pr"):
                self.assertEqual(org.find("/Users", query)["totalResults"], 0, query)
            self.assertFalse(org.get("/Groups/" + group["id"]).json.get("members"))
            self.assertEqual(org.find("/Groups", f'members eq "{user["id"]}"')["totalResults"], 0)
            again = org.user("ADA")
            self.assertNotEqual(again["id"], user["id"])
            self.assertNotIn("groups", again)

    def test_deleting_a_group_takes_its_edges(self):
        for org in self.dialects():
            user = org.user("ada")
            inner = org.group("inner", [user["id"]])
            outer = org.group("outer", [inner["id"]])
            self.assertEqual(org.delete("/Groups/" + inner["id"]).status, 204)
            self.assertFalse(org.get("/Users/" + user["id"]).json.get("groups"))
            self.assertFalse(org.get("/Groups/" + outer["id"]).json.get("members"))
            self.assertEqual(org.daemon.verify(), "")

    def test_a_user_that_managers_point_to(self):
        """The manager goes; reports stay readable and deletable."""
        org = self.shared()
        boss = org.user("boss")
        report = org.user("report", schemas=[USER, ENTERPRISE], **{ENTERPRISE: {"manager": {"value": boss["id"]}}})
        self.assertEqual(org.delete("/Users/" + boss["id"]).status, 204)
        self.ok(org.get("/Users/" + report["id"]))
        self.assertEqual(org.delete("/Users/" + report["id"]).status, 204)


if __name__ == "__main__":
    main()
