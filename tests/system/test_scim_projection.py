"""attributes and excludedAttributes (RFC 7644 section 3.9), `returned` (RFC 7643 section 7)."""

from harness import BULK, ENTERPRISE, GROUP, SEARCH, USER, SystemTest, main

ALWAYS = {"id", "schemas"}


class Projection(SystemTest):
    def person(self, org):
        return org.user("ada", schemas=[USER, ENTERPRISE], displayName="Ada", title="Dr", password="Secret-Pass-1",
                        name={"givenName": "Ada", "familyName": "L"}, externalId="e",
                        emails=[{"value": "a@example.com", "type": "work", "display": "d"}],
                        **{ENTERPRISE: {"department": "x", "costCenter": "c"}})

    def test_attributes(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            path = "/Users/" + self.person(org)["id"]
            for text, expected in (
                    ("userName", {"userName": "ada"}),
                    ("USERNAME,DisplayName", {"userName": "ada", "displayName": "Ada"}),
                    ("userName, title", {"userName": "ada", "title": "Dr"}),
                    ("name.givenName", {"name": {"givenName": "Ada"}}),
                    ("name", {"name": {"givenName": "Ada", "familyName": "L"}}),
                    ("emails.value", {"emails": [{"value": "a@example.com"}]}),
                    (USER + ":userName", {"userName": "ada"}),
                    (ENTERPRISE + ":department", {ENTERPRISE: {"department": "x"}}),
                    (ENTERPRISE, {ENTERPRISE: {"department": "x", "costCenter": "c"}}),
                    ("externalId", {"externalId": "e"}), ("id", {}), ("schemas", {}), ("nothing", {}), ("password", {})):
                with self.subTest(attributes=text):
                    body = self.ok(org.get(f"{path}?attributes={text.replace(' ', '%20')}"))
                    self.assertEqual({k: v for k, v in body.items() if k not in ALWAYS}, expected)
                    self.assertLessEqual(ALWAYS, set(body))

    def test_meta_is_default(self):
        for org in self.dialects():
            path = "/Users/" + self.person(org)["id"]
            self.assertIn("meta", org.get(path).json)
            self.assertNotIn("meta", org.get(path + "?attributes=userName").json)
            self.assertEqual(set(org.get(path + "?attributes=meta.version")["meta"]), {"version"})
            self.assertNotIn("meta", org.get(path + "?excludedAttributes=meta").json)

    def test_excluded(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            path = "/Users/" + self.person(org)["id"]
            whole = org.get(path).json
            for text, gone in (("userName", {"userName"}), ("emails,NAME", {"emails", "name"}),
                               (ENTERPRISE, {ENTERPRISE}), ("id,schemas", set()), ("nothing", set())):
                with self.subTest(excluded=text):
                    body = self.ok(org.get(f"{path}?excludedAttributes={text}"))
                    self.assertEqual(set(body), set(whole) - gone)
            body = org.get(path + "?excludedAttributes=name.givenName,emails.display").json
            self.assertEqual(body["name"], {"familyName": "L"})
            self.assertNotIn("display", body["emails"][0])

    def test_both_are_refused(self):
        for org in self.dialects():
            path = "/Users/" + self.person(org)["id"]
            self.refused(org.get(path + "?attributes=userName&excludedAttributes=emails"), 400)

    def test_on_writes(self):
        for org in self.dialects():
            body = {"schemas": [USER], "userName": "bob", "title": "x"}
            made = org.post("/Users?attributes=title", body)
            self.assertEqual(made.status, 201)
            self.assertEqual(set(made.json), ALWAYS | {"title"})
            path = "/Users/" + made["id"]
            self.assertEqual(set(self.ok(org.put(path + "?attributes=userName", body))), ALWAYS | {"userName"})
            got = self.ok(org.patch(path + "?excludedAttributes=userName,meta",
                                    {"op": "replace", "path": "title", "value": "y"}))
            self.assertEqual(set(got), {"id", "schemas", "title", *(k for k in got if k == "active")})

    def test_on_lists_and_search(self):
        for org in self.dialects():
            self.person(org)
            for reply in (org.find("/Users", attributes="userName"),
                          org.post("/Users/.search", {"schemas": [SEARCH], "attributes": ["userName"]})):
                self.assertEqual(set(self.ok(reply)["Resources"][0]), ALWAYS | {"userName"})
            for reply in (org.find("/Users", excludedAttributes="emails"),
                          org.post("/Users/.search", {"schemas": [SEARCH], "excludedAttributes": ["emails"]})):
                self.assertNotIn("emails", self.ok(reply)["Resources"][0])

    def test_groups_without_members(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            ada = org.user("ada")["id"]
            group = org.group("g", [ada])
            path = "/Groups/" + group["id"]
            self.assertIn("members", org.get(path).json)
            self.assertNotIn("members", self.ok(org.get(path + "?excludedAttributes=members")))
            self.assertEqual(set(self.ok(org.get(path + "?attributes=id"))), ALWAYS)
            self.assertEqual(set(self.ok(org.get(path + "?attributes=displayName"))), ALWAYS | {"displayName"})
            self.assertEqual(self.ok(org.get(path + "?attributes=members.value"))["members"], [{"value": ada}])
            listed = org.find("/Groups", 'displayName eq "g"', excludedAttributes="members")["Resources"][0]
            self.assertNotIn("members", listed)
            self.assertIn("members", org.find("/Groups")["Resources"][0])

    def test_version_is_the_same_in_all_projections(self):
        org = self.shared()
        path = "/Users/" + self.person(org)["id"]
        tags = {org.get(path + query).headers["etag"] for query in ("", "?attributes=userName", "?excludedAttributes=meta")}
        self.assertEqual(len(tags), 1)
        self.assertTrue(tags.pop().startswith('W/"'), "one version over several representations is a weak tag")

    def test_a_filter_behind_a_name(self):
        """Microsoft's collection: attributes=emails[type eq "work"]."""
        org = self.org("tolerant")
        path = "/Users/" + self.person(org)["id"]
        body = self.ok(org.get(path + "?attributes=emails%5Btype%20eq%20%22work%22%5D"))
        self.assertEqual(set(body), ALWAYS | {"emails"})

    def test_schemas_name_what_the_resource_has(self):
        org = self.shared("strict")
        body = org.get("/Users/" + self.person(org)["id"] + "?attributes=userName").json
        self.assertEqual(set(body["schemas"]), {USER, ENTERPRISE})


if __name__ == "__main__":
    main()
