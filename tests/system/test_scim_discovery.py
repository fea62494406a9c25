"""Discovery (RFC 7644 section 4; RFC 7643 sections 5 to 7): true in every detail of what is served."""

import json
import pathlib

from harness import ENTERPRISE, GROUP, LIST, SCIM_JSON, USER, Api, SystemTest, certificate, main

SPC = "urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"
RESOURCE_TYPE = "urn:ietf:params:scim:schemas:core:2.0:ResourceType"
SCHEMA = "urn:ietf:params:scim:schemas:core:2.0:Schema"
OURS = "urn:rosterd:scim:schemas:core:1.0:"
MEMBER = "urn:rosterd:scim:schemas:extension:member:1.0:User"
# Those of an org's base, besides the standard's.
OUR_TYPES = {"Workspace": "/Workspaces", "Project": "/Projects", "Role": "/Roles", "Assignment": "/Assignments",
             "Invitation": "/Invitations", "Connection": "/Connections", "Token": "/Tokens", "Settings": "/Settings",
             "Certificate": "/Certificates", "Quota": "/Quotas", "AuditEvent": "/AuditEvents"}
DOCUMENTS = ("/ServiceProviderConfig", "/ResourceTypes", "/ResourceTypes/User", "/ResourceTypes/Group", "/Schemas",
             "/Schemas/" + USER, "/Schemas/" + GROUP, "/Schemas/" + ENTERPRISE)

# RFC 7643 section 4 with the errata: name -> (type, multiValued), sub-attributes in brackets.
USER_ATTRIBUTES = {
    "userName": ("string", False), "name": ("complex", False), "displayName": ("string", False),
    "nickName": ("string", False), "profileUrl": ("reference", False), "title": ("string", False),
    "userType": ("string", False), "preferredLanguage": ("string", False), "locale": ("string", False),
    "timezone": ("string", False), "active": ("boolean", False), "password": ("string", False),
    "emails": ("complex", True), "phoneNumbers": ("complex", True), "ims": ("complex", True),
    "photos": ("complex", True), "addresses": ("complex", True), "groups": ("complex", True),
    "entitlements": ("complex", True), "roles": ("complex", True), "x509Certificates": ("complex", True)}
SUB_ATTRIBUTES = {
    "name": {"formatted", "familyName", "givenName", "middleName", "honorificPrefix", "honorificSuffix"},
    "emails": {"value", "display", "type", "primary"}, "phoneNumbers": {"value", "display", "type", "primary"},
    "ims": {"value", "display", "type", "primary"}, "photos": {"value", "display", "type", "primary"},
    "addresses": {"formatted", "streetAddress", "locality", "region", "postalCode", "country", "type", "primary"},
    "groups": {"value", "$ref", "display", "type"}, "entitlements": {"value", "display", "type", "primary"},
    "roles": {"value", "display", "type", "primary"}, "x509Certificates": {"value", "display", "type", "primary"}}
ENTERPRISE_ATTRIBUTES = {"employeeNumber", "costCenter", "organization", "division", "department", "manager"}
TYPES = {"string", "boolean", "decimal", "integer", "dateTime", "binary", "reference", "complex"}


class Discovery(SystemTest):
    def config_of(self, dialect):
        return self.shared(dialect).get("/ServiceProviderConfig")

    def test_every_document_has_its_form(self):
        for dialect in ("tolerant", "strict", "interop"):
            org = self.shared(dialect)
            for path in DOCUMENTS:
                with self.subTest(dialect=dialect, path=path):
                    reply = org.get(path)
                    body = self.ok(reply)
                    self.assertTrue(reply.headers["content-type"].startswith(SCIM_JSON))
                    if path in ("/ResourceTypes", "/Schemas"):
                        self.assertEqual(body["schemas"], [LIST])
                        self.assertEqual(body["totalResults"], len(body["Resources"]))
                    else:
                        self.assertNotIn("Resources", body)
                        self.assertEqual(body["meta"]["location"], org.base + path)
                    self.assertNotIn(None, _all_values(body), "no nulls")

    def test_service_provider_config(self):
        body = self.ok(self.config_of("strict"))
        self.assertEqual(body["schemas"], [SPC])
        self.assertEqual(body["meta"]["resourceType"], "ServiceProviderConfig")
        for name in ("patch", "bulk", "filter", "changePassword", "sort", "etag"):
            self.assertIsInstance(body[name]["supported"], bool, name)
        for name, number in (("bulk", "maxOperations"), ("bulk", "maxPayloadSize"), ("filter", "maxResults")):
            self.assertIs(type(body[name][number]), int)
        schemes = body["authenticationSchemes"]
        self.assertIn("oauthbearertoken", [scheme["type"] for scheme in schemes])
        for scheme in schemes:
            self.assertTrue(scheme["name"] and scheme["description"])

    def test_interop_says_so_only_there(self):
        self.assertIs(self.config_of("interop").json.get("interopProfileConformant"), True)
        for dialect in ("tolerant", "strict"):
            self.assertIn(self.config_of(dialect).json.get("interopProfileConformant"), (None, False))

    def test_change_password_is_true(self):
        """The claim changePassword is checked by changing one."""
        for org in self.dialects():
            path = "/Users/" + org.user("ada", password="Old-Secret-1")["id"]
            reply = org.patch(path, {"op": "replace", "path": "password", "value": "New-Secret-2"})
            self.assertEqual(reply.status in (200, 204),
                             org.get("/ServiceProviderConfig")["changePassword"]["supported"])

    def test_resource_types(self):
        org = self.shared("strict")
        types = {item["id"]: item for item in org.get("/ResourceTypes")["Resources"]}
        self.assertEqual([item["endpoint"] for item in org.get("/ResourceTypes")["Resources"]][:2], ["/Users", "/Groups"])
        self.assertEqual(set(types), {"User", "Group", *OUR_TYPES})
        for name, endpoint in OUR_TYPES.items():
            self.assertEqual((types[name]["endpoint"], types[name]["schema"]), (endpoint, OURS + name))
        for name, endpoint, schema in (("User", "/Users", USER), ("Group", "/Groups", GROUP)):
            body = types[name]
            self.assertEqual((body["name"], body["endpoint"], body["schema"]), (name, endpoint, schema))
            self.assertEqual(body["schemas"], [RESOURCE_TYPE])
            self.assertEqual(body["meta"]["resourceType"], "ResourceType")
            self.assertEqual(self.ok(org.get("/ResourceTypes/" + name)), body)
        self.assertEqual(types["User"]["schemaExtensions"], [{"schema": ENTERPRISE, "required": False},
                                                             {"schema": MEMBER, "required": False}])
        self.assertEqual(types["Group"].get("schemaExtensions", []), [])

    def schemas(self):
        return {item["id"]: item for item in self.shared("strict").get("/Schemas")["Resources"]}

    def test_schemas_are_those_of_the_resource_types(self):
        schemas = self.schemas()
        self.assertLessEqual({USER, GROUP, ENTERPRISE, MEMBER}, set(schemas))
        self.assertLessEqual({OURS + name for name in OUR_TYPES}, set(schemas))
        self.assertFalse({OURS + "Person", OURS + "Organization"} & set(schemas), "those are the platform's")
        for urn, body in schemas.items():
            self.assertEqual(self.ok(self.shared("strict").get("/Schemas/" + urn)), body)
            self.assertEqual(body["schemas"], [SCHEMA])
            self.assertEqual(body["meta"]["resourceType"], "Schema")
            self.assertTrue(body["name"])
            self.assertTrue(body["attributes"])
        self.assertIn("User Account", json.dumps(schemas[USER]))

    def test_attribute_definitions_are_whole(self):
        def check(attribute, path):
            self.assertIn(attribute["type"], TYPES, path)
            self.assertIs(type(attribute["multiValued"]), bool, path)
            self.assertIs(type(attribute["required"]), bool, path)
            self.assertTrue(attribute.get("description"), path)
            self.assertIn(attribute["mutability"], ("readOnly", "readWrite", "immutable", "writeOnly"), path)
            self.assertIn(attribute["returned"], ("always", "never", "default", "request"), path)
            if attribute["type"] == "complex":
                self.assertTrue(attribute["subAttributes"], path)
                self.assertNotIn("caseExact", attribute, path)
            if attribute["type"] == "string":
                self.assertIs(type(attribute["caseExact"]), bool, path)
                self.assertIn(attribute["uniqueness"], ("none", "server", "global"), path)
            if attribute["type"] == "reference":
                self.assertTrue(attribute["referenceTypes"], path)
                self.assertIs(attribute["caseExact"], True, path)
            for sub in attribute.get("subAttributes", []):
                check(sub, path + "." + sub["name"])

        for urn, body in self.schemas().items():
            for attribute in body["attributes"]:
                check(attribute, urn + ":" + attribute["name"])

    def test_user_schema_is_the_rfcs(self):
        listed = {a["name"]: a for a in self.schemas()[USER]["attributes"]}
        for name, (kind, multi) in USER_ATTRIBUTES.items():
            self.assertEqual((listed[name]["type"], listed[name]["multiValued"]), (kind, multi), name)
        for name, subs in SUB_ATTRIBUTES.items():
            self.assertEqual({s["name"] for s in listed[name]["subAttributes"]}, subs, name)
        self.assertEqual((listed["userName"]["required"], listed["userName"]["uniqueness"],
                          listed["userName"]["caseExact"]), (True, "server", False))
        self.assertEqual((listed["password"]["mutability"], listed["password"]["returned"]), ("writeOnly", "never"))
        self.assertEqual(listed["groups"]["mutability"], "readOnly")
        self.assertEqual([n for n, a in listed.items() if a["required"] and n in USER_ATTRIBUTES], ["userName"])

    def test_group_and_enterprise_schemas(self):
        group = {a["name"]: a for a in self.schemas()[GROUP]["attributes"]}
        self.assertIs(group["displayName"]["required"], True)
        self.assertEqual(group["members"]["multiValued"], True)
        subs = {s["name"]: s for s in group["members"]["subAttributes"]}
        self.assertLessEqual({"value", "$ref", "type"}, set(subs))
        for name in ("value", "$ref", "type"):
            self.assertEqual(subs[name]["mutability"], "immutable")
        self.assertEqual(set(subs["$ref"]["referenceTypes"]), {"User", "Group"})
        enterprise = {a["name"]: a for a in self.schemas()[ENTERPRISE]["attributes"]}
        self.assertLessEqual(ENTERPRISE_ATTRIBUTES, set(enterprise))
        manager = {s["name"]: s for s in enterprise["manager"]["subAttributes"]}
        self.assertEqual(set(manager), {"value", "$ref", "displayName"})
        self.assertEqual(manager["displayName"]["mutability"], "readOnly")

    def test_what_is_served_is_listed(self):
        """No attribute comes back that no schema lists (common ones aside, of which externalId may be listed)."""
        org = self.org("strict")
        user = org.user("ada", schemas=[USER, ENTERPRISE], externalId="e", displayName="x",
                        emails=[{"value": "a@example.com", "type": "work", "primary": True, "display": "x"}],
                        **{ENTERPRISE: {"manager": {"value": org.user("boss", displayName="B")["id"]}}})
        group = org.group("g", [user["id"]])
        schemas = self.schemas()

        def listed(attributes, value, path):
            names = {a["name"]: a for a in attributes}
            for name, item in value.items():
                self.assertIn(name, names, path)
                for element in item if isinstance(item, list) else [item]:
                    if isinstance(element, dict):
                        listed(names[name]["subAttributes"], element, path + "." + name)

        for body, urn in ((org.get("/Users/" + user["id"]).json, USER), (org.get("/Groups/" + group["id"]).json, GROUP)):
            if ENTERPRISE in body:
                listed(schemas[ENTERPRISE]["attributes"], body.pop(ENTERPRISE), ENTERPRISE)
            for common in ("id", "schemas", "meta"):
                body.pop(common)
            body.pop("externalId", None)
            listed(schemas[urn]["attributes"], body, urn)

    def test_filter_is_403_and_other_parameters_are_ignored(self):
        for dialect in ("tolerant", "strict"):
            org = self.shared(dialect)
            for path in ("/ServiceProviderConfig", "/ResourceTypes", "/Schemas"):
                self.refused(org.find(path, 'id eq "x"'), 403)
                whole = org.get(path).json
                self.assertEqual(self.ok(org.find(path, count=1, startIndex=2, attributes="id", sortBy="id")), whole)

    def test_405_with_allow(self):
        org = self.shared("strict")
        for path in DOCUMENTS:
            for method in ("POST", "PUT", "PATCH", "DELETE"):
                with self.subTest(path=path, method=method):
                    reply = org.request(method, path, None if method == "DELETE" else {"schemas": []})
                    self.refused(reply, 405)
                    self.assertIn("GET", reply.headers["allow"])

    def test_unknown_ones_are_404(self):
        org = self.shared("strict")
        for path in ("/Schemas/urn:nothing", "/ResourceTypes/Boat", "/Schemas/", "/ServiceProviderConfigs", "/Boats"):
            reply = org.get(path)
            if path == "/Schemas/" and reply.status == 200:
                continue
            self.refused(reply, 404)

    def test_what_is_the_platforms_is_not_the_orgs(self):
        for org in self.dialects():
            for path in ("/People", "/Organizations", "/ResourceTypes/Person", "/Schemas/" + OURS + "Person"):
                self.refused(org.get(path), 404)
            reply = org.post("/Bulk", {"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": [
                {"method": "POST", "path": "/People", "bulkId": "p", "data": {"userName": "p"}}]})
            self.assertEqual(reply["Operations"][0]["status"], "404")

    def test_the_platforms_base_is_not_for_a_connection(self):
        """To it that base is as any address that is not its own."""
        org = self.shared("strict")
        root = org.base[:org.base.index("/orgs/")]
        platform = Api(root + "/scim/v2", org.token, cafile=certificate()[0])
        nowhere = Api(root + "/orgs/nowhere/scim/v2", org.token, cafile=certificate()[0])
        for path in ("", "/People", "/Users", "/ResourceTypes", "/Nothing"):
            self.assertEqual(self.refused(platform.get(path), 404), self.refused(nowhere.get(path), 404))
            self.refused(platform.with_token(None).get(path), 401)

    def test_hidden_attributes_are_nowhere(self):
        for org in self.dialects():
            self.assertNotIn("tokenHash", json.dumps(org.get("/Schemas").json))
            self.refused(org.find("/Invitations", 'tokenHash pr'), 400, "invalidFilter")
            self.refused(org.find("/Invitations", sortBy="tokenHash"), 400)

    def test_unknown_actions_are_404(self):
        org = self.shared("strict")
        user = org.user("acted")["id"]
        for path in ("/Users/.nothing", f"/Users/{user}/.nothing", f"/Users/{user}/nothing", f"/Users/{user}/.",
                     f"/Users/{user}/.nothing/x", "/Users/.search/x"):
            for method in ("GET", "POST"):
                self.refused(org.request(method, path, None if method == "GET" else {}), 404)

    def test_urns_compare_without_case(self):
        self.ok(self.shared("strict").get("/Schemas/" + USER.upper().replace("URN:IETF", "urn:ietf")))

    def test_schema_says_what_is_enforced(self):
        """Each string attribute's caseExact is checked with a filter in the other case."""
        org = self.org("strict")
        texts = [a for a in self.schemas()[USER]["attributes"] if a["type"] == "string" and a["mutability"] == "readWrite"
                 and not a["multiValued"]]
        org.user("casetest", **{a["name"]: "CaseTest" for a in texts if a["name"] != "userName"})
        for attribute in texts:
            name = attribute["name"]
            with self.subTest(name=name):
                found = org.find("/Users", f'{name} eq "cASEtEST"')["totalResults"]
                self.assertEqual(found, 0 if attribute["caseExact"] else 1)

    def test_max_results_is_what_a_page_holds(self):
        self.assertEqual(self.config_of("strict")["filter"]["maxResults"],
                         self.config_of("strict")["pagination"].get("maxPageSize",
                                                                    self.config_of("strict")["filter"]["maxResults"]))


def _all_values(document):
    if isinstance(document, dict):
        document = list(document.values())
    if isinstance(document, list):
        return [value for item in document for value in _all_values(item)]
    return [document]


if __name__ == "__main__":
    main()
