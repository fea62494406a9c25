"""PATCH (RFC 7644 section 3.5.2) and what clients really send (the rules of the providers)."""

from harness import (ENTERPRISE, GROUP, NOWHERE, PATCH, USER, SystemTest, main)


def op(verb, path=None, value=None, **more):
    operation = {"op": verb, **more}
    if path is not None:
        operation["path"] = path
    if value is not None:
        operation["value"] = value
    return operation


def add(path, value=None):
    return op("add", path, value)


def replace(path, value=None):
    return op("replace", path, value)


def remove(path, value=None):
    return op("remove", path, value)


def mails(user, **wanted):
    return [mail["value"] for mail in user.get("emails", [])
            if all(mail.get(k) == v for k, v in wanted.items())]


WORK = {"value": "work@example.com", "type": "work"}
HOME = {"value": "home@example.com", "type": "home"}


class Answers(SystemTest):
    def test_200_with_the_resource_and_etag(self):
        for org in self.dialects():
            user = org.user("ada")
            reply = org.patch("/Users/" + user["id"], replace("title", "Dr"))
            got = self.ok(reply)
            self.assertEqual(got["title"], "Dr")
            self.assertEqual(got, self.ok(org.get("/Users/" + user["id"])))
            self.assertEqual(reply.headers["etag"], got["meta"]["version"])
            self.assertNotEqual(got["meta"]["version"], user["meta"]["version"])

    def test_attributes_parameter_demands_200(self):
        for org in self.dialects():
            user = org.user("ada")
            got = self.ok(org.patch(f"/Users/{user['id']}?attributes=title", replace("title", "Dr")))
            self.assertEqual(got["title"], "Dr")
            self.assertNotIn("userName", got)
            self.assertEqual(got["id"], user["id"])

    def test_unknown_resource_is_404(self):
        for org in self.dialects():
            self.refused(org.patch("/Users/" + NOWHERE, replace("title", "x")), 404)

    def test_malformed_messages(self):
        for org in self.dialects():
            user = "/Users/" + org.user("ada")["id"]
            for body in ({"schemas": [PATCH]}, {"schemas": [PATCH], "Operations": {}},
                         {"schemas": [PATCH], "Operations": ["x"]},
                         {"schemas": [PATCH], "Operations": [{"path": "title", "value": "x"}]},
                         {"schemas": [PATCH], "Operations": [op("move", "title", "x")]},
                         {"schemas": [PATCH], "Operations": [{"op": 1, "path": "title", "value": "x"}]},
                         {"schemas": [PATCH], "Operations": [{"op": "add", "path": 7, "value": "x"}]}):
                with self.subTest(body=body):
                    self.refused(org.request("PATCH", user, body), 400)
            self.assertNotIn("title", org.get(user).json)

    def test_strict_wants_the_message_schema(self):
        org = self.shared("strict")
        user = "/Users/" + org.user("schema")["id"]
        for schemas in ([USER], []):
            self.refused(org.request("PATCH", user, {"schemas": schemas, "Operations": [replace("title", "x")]}), 400)

    def test_bad_paths(self):
        for org in self.dialects("strict"):
            user = "/Users/" + org.user("ada")["id"]
            for path in ("emails[", "emails[type eq]", "emails[type eq \"work\"", "a b", "nothing", "name.nothing",
                         "urn:ietf:params:scim:schemas:core:2.0:User:nothing", "emails[type xx \"work\"]",
                         "emails[[type eq \"work\"]]", "", ".", "name.", "emails]"):
                with self.subTest(path=path):
                    reply = org.patch(user, add(path, "x"))
                    self.assertEqual(reply.status, 400, reply)
                    self.assertIn(reply["scimType"], ("invalidPath", "invalidFilter", "noTarget"))

    def test_operator_in_any_case(self):
        for org in self.dialects("strict"):
            path = "/Users/" + org.user("ada")["id"]
            self.refused(org.patch(path, op("Add", "title", "Dr")), 400, "invalidSyntax")
        for org in self.dialects("tolerant"):
            path = "/Users/" + org.user("ada")["id"]
            user = self.patched(org, path, op("Add", "title", "Dr"), op("REPLACE", "nickName", "A"),
                                op("Add", "userType", "t"), op("Remove", "userType"))
            self.assert_has(user, {"title": "Dr", "nickName": "A"})
            self.assertNotIn("userType", user)

    def test_paths_and_attribute_names_in_any_case(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[WORK])["id"]
            user = self.patched(org, path, replace("NICKNAME", "x"), replace("Name.GIVENname", "Ada"),
                                replace('EMAILS[TYPE eq "work"].VALUE', "new@example.com"),
                                replace(USER.upper().replace("URN:IETF", "urn:ietf") + ":title", "T"))
            self.assert_has(user, {"nickName": "x", "name": {"givenName": "Ada"}, "title": "T"})
            self.assertEqual(mails(user), ["new@example.com"])


class Add(SystemTest):
    def test_single_value_is_set_and_replaced(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada")["id"]
            self.assertEqual(self.patched(org, path, add("title", "Dr"))["title"], "Dr")
            self.assertEqual(self.patched(org, path, add("title", "Prof"))["title"], "Prof")

    def test_multi_valued_is_appended(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[WORK])["id"]
            user = self.patched(org, path, add("emails", [HOME]))
            self.assertEqual(sorted(mails(user)), ["home@example.com", "work@example.com"])

    def test_complex_is_merged(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", name={"givenName": "Ada", "familyName": "L"})["id"]
            user = self.patched(org, path, add("name", {"middleName": "K", "familyName": "Lovelace"}))
            self.assertEqual(user["name"], {"givenName": "Ada", "familyName": "Lovelace", "middleName": "K"})

    def test_absent_attribute_is_created(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada")["id"]
            user = self.patched(org, path, add("emails", [WORK]), add("name.givenName", "Ada"),
                                add("nickName", "A"))
            self.assertEqual(mails(user), ["work@example.com"])
            self.assertEqual(user["name"], {"givenName": "Ada"})

    def test_without_path(self):
        """RFC 7644 section 3.5.2.1's example."""
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[WORK])["id"]
            user = self.patched(org, path, {"op": "add", "value": {"emails": [HOME], "nickname": "Babs"}})
            self.assertEqual(sorted(mails(user)), ["home@example.com", "work@example.com"])
            self.assertEqual(user["nickName"], "Babs")

    def test_of_what_is_there_already_changes_nothing(self):
        for org in self.dialects():
            before = org.user("ada", title="Dr", active=True, emails=[WORK, HOME],
                              name={"givenName": "Ada", "familyName": "L"})
            path = "/Users/" + before["id"]
            for operation in (add("title", "Dr"), add("emails", [WORK]), add("name", {"givenName": "Ada"}),
                              add("active", True), replace("title", "Dr"), replace("name.givenName", "Ada"),
                              {"op": "add", "value": {"title": "Dr", "emails": [HOME]}},
                              remove("nickName"), replace("emails", [WORK, HOME])):
                with self.subTest(operation=operation):
                    reply = org.patch(path, operation)
                    self.assertIn(reply.status, (200, 204), reply)
                    self.assertEqual(org.get(path).json, before)

    def test_to_a_value_path_sub_attribute(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[WORK, HOME])["id"]
            user = self.patched(org, path, add('emails[type eq "work"].display', "Desk"))
            self.assertEqual([m.get("display") for m in user["emails"] if m["type"] == "work"], ["Desk"])
            self.assertEqual([m.get("display") for m in user["emails"] if m["type"] == "home"], [None])

    def test_a_filter_that_matches_nothing_when_strict(self):
        org = self.shared("strict")
        path = "/Users/" + org.user("nomatch", emails=[WORK])["id"]
        self.refused(org.patch(path, add('emails[type eq "other"].value', "x@example.com")), 400, "noTarget")

    def test_primary_moves(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[{**WORK, "primary": True}, HOME])["id"]
            user = self.patched(org, path, add("emails", [{"value": "n@example.com", "primary": True}]))
            self.assertEqual(mails(user, primary=True), ["n@example.com"])
            user = self.patched(org, path, replace('emails[type eq "home"].primary', True))
            self.assertEqual(mails(user, primary=True), ["home@example.com"])

    def test_two_primaries_in_one_request(self):
        for org in self.dialects():
            before = org.user("ada", emails=[WORK, HOME])
            path = "/Users/" + before["id"]
            self.refused(org.patch(path, replace('emails[type eq "work"].primary', True),
                                   replace('emails[type eq "home"].primary', True)), 400, "invalidValue")
            self.assertEqual(org.get(path).json, before)

    def test_two_primaries_in_one_operation(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada")["id"]
            self.refused(org.patch(path, add("emails", [{**WORK, "primary": True}, {**HOME, "primary": True}])),
                         400, "invalidValue")
            self.assertNotIn("emails", org.get(path).json)


class Replace(SystemTest):
    def test_absent_target_is_added(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada")["id"]
            user = self.patched(org, path, replace("title", "Dr"), replace("name.familyName", "L"),
                                replace("emails", [WORK]))
            self.assert_has(user, {"title": "Dr", "name": {"familyName": "L"}})
            self.assertEqual(mails(user), ["work@example.com"])

    def test_complex_merges(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", name={"givenName": "Ada", "familyName": "L"})["id"]
            user = self.patched(org, path, replace("name", {"familyName": "Lovelace"}))
            self.assertEqual(user["name"], {"givenName": "Ada", "familyName": "Lovelace"})

    def test_interop_replaces_complex_whole(self):
        org = self.shared("interop")
        path = "/Users/" + org.user("whole", name={"givenName": "Ada", "familyName": "L"})["id"]
        user = self.patched(org, path, replace("name", {"familyName": "Lovelace"}))
        self.assertEqual(user["name"], {"familyName": "Lovelace"})

    def test_interop_wants_a_path(self):
        org = self.shared("interop")
        path = "/Users/" + org.user("pathless")["id"]
        self.refused(org.patch(path, {"op": "replace", "value": {"title": "x"}}), 400, "invalidSyntax")

    def test_interop_value_path_wants_a_sub_attribute(self):
        org = self.shared("interop")
        path = "/Users/" + org.user("subattr", emails=[WORK])["id"]
        self.refused(org.patch(path, replace('emails[type eq "work"]', {"value": "x@example.com"})), 400, "invalidPath")

    def test_multi_valued_without_filter_replaces_all(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[WORK, HOME])["id"]
            user = self.patched(org, path, replace("emails", [{"value": "n@example.com", "type": "other"}]))
            self.assertEqual(mails(user), ["n@example.com"])

    def test_filter_replaces_every_match(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[
                WORK, {"value": "work2@example.com", "type": "work"}, HOME])["id"]
            user = self.patched(org, path, replace('emails[type eq "work"].display', "W"))
            self.assertEqual(sorted(mails(user, display="W")), ["work2@example.com", "work@example.com"])
            self.assertEqual(mails(user, type="home", display=None), ["home@example.com"])

    def test_filter_replaces_the_element(self):
        """RFC 7644 section 3.5.2.3: 'addresses[type eq "work"]' with a complex value."""
        for org in self.dialects():
            path = "/Users/" + org.user("ada", addresses=[
                {"type": "work", "locality": "Here", "country": "US"}, {"type": "home", "locality": "There"}])["id"]
            user = self.patched(org, path, replace('addresses[type eq "work"]', {
                "type": "work", "streetAddress": "911 Universal City Plaza", "locality": "Hollywood"}))
            work = [a for a in user["addresses"] if a["type"] == "work"]
            self.assertEqual(len(work), 1)
            self.assert_has(work[0], {"streetAddress": "911 Universal City Plaza", "locality": "Hollywood"})
            self.assertEqual([a["locality"] for a in user["addresses"] if a["type"] == "home"], ["There"])

    def test_filter_without_match_when_strict(self):
        org = self.shared("strict")
        path = "/Users/" + org.user("nomatch", emails=[HOME])["id"]
        self.refused(org.patch(path, replace('emails[type eq "work"].value', "x@example.com")), 400, "noTarget")
        self.refused(org.patch(path, replace('emails[type eq "work"]', WORK)), 400, "noTarget")
        self.assertEqual(mails(org.get(path).json), ["home@example.com"])

    def test_sub_attribute_of_all_elements(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[WORK, HOME])["id"]
            user = self.patched(org, path, replace("emails.display", "D"))
            self.assertEqual([m["display"] for m in user["emails"]], ["D", "D"])

    def test_without_path(self):
        """RFC 7644 section 3.5.2.3's example."""
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[WORK], nickName="x")["id"]
            user = self.patched(org, path, {"op": "replace", "value": {"emails": [HOME], "nickname": "Babs"}})
            self.assertEqual(mails(user), ["home@example.com"])
            self.assertEqual(user["nickName"], "Babs")


class Remove(SystemTest):
    def test_without_path_is_no_target(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", title="x")["id"]
            self.refused(org.patch(path, {"op": "remove"}), 400, "noTarget")

    def test_simple_complex_and_sub_attribute(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", title="x", name={"givenName": "A", "familyName": "B"},
                                        emails=[WORK, HOME])["id"]
            user = self.patched(org, path, remove("title"), remove("name.givenName"),
                                remove('emails[type eq "work"]'))
            self.assertNotIn("title", user)
            self.assertEqual(user["name"], {"familyName": "B"})
            self.assertEqual(mails(user), ["home@example.com"])
            user = self.patched(org, path, remove("name"), remove("emails"))
            self.assertNotIn("name", user)
            self.assertFalse(user.get("emails"))

    def test_last_sub_attribute_takes_the_attribute(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", name={"givenName": "A"})["id"]
            self.assertNotIn("name", self.patched(org, path, remove("name.givenName")))
            self.assertEqual(org.find("/Users", "name pr")["totalResults"], 0)

    def test_required_is_mutability(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            path = "/Users/" + org.user("ada")["id"]
            self.refused(org.patch(path, remove("userName")), 400, "mutability")
            group = "/Groups/" + org.group("g")["id"]
            self.refused(org.patch(group, remove("displayName")), 400, "mutability")

    def test_of_an_absent_value_succeeds(self):
        for org in self.dialects():
            before = org.user("ada", emails=[WORK])
            path = "/Users/" + before["id"]
            self.assertIn(org.patch(path, remove("title")).status, (200, 204))
            self.assertEqual(org.get(path).json, before)

    def test_sub_attribute_by_filter(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[{**WORK, "display": "W"}, {**HOME, "display": "H"}])["id"]
            user = self.patched(org, path, remove('emails[type eq "work"].display'))
            self.assertEqual([m.get("display") for m in user["emails"]], [None, "H"])


class Rules(SystemTest):
    def test_atomic(self):
        for org in self.dialects():
            before = org.user("ada", emails=[WORK], title="old")
            path = "/Users/" + before["id"]
            for last in (remove("userName"), replace("id", NOWHERE), add("nothingLikeThis.x", "y"),
                         replace("active", "maybe"), op("jump", "title", "x")):
                with self.subTest(last=last):
                    self.assertEqual(org.patch(path, replace("title", "new"), remove("emails"),
                                               add("nickName", "n"), last).status, 400)
                    self.assertEqual(org.get(path).json, before)

    def test_operations_see_the_result_of_the_last(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada")["id"]
            user = self.patched(org, path, add("emails", [WORK]), replace('emails[type eq "work"].value', "1@e.example"),
                                add("emails", [HOME]), remove('emails[value eq "1@e.example"]'),
                                replace("title", "a"), replace("title", "b"))
            self.assertEqual(mails(user), ["home@example.com"])
            self.assertEqual(user["title"], "b")

    def test_read_only_is_mutability(self):
        """In strict; the tolerant dialect passes read-only members over in a value without path only."""
        for org in self.dialects():
            before = org.user("ada")
            path = "/Users/" + before["id"]
            for operation in (replace("id", NOWHERE), replace("meta.created", "2001-01-01T00:00:00Z"),
                              add("groups", [{"value": NOWHERE}]), remove("groups"), remove("id"),
                              replace("meta", {"version": "x"})):
                with self.subTest(operation=operation):
                    self.refused(org.patch(path, operation), 400, "mutability")
            self.assertEqual(org.get(path).json, before)

    def test_uniqueness(self):
        for org in self.dialects():
            org.user("bob")
            path = "/Users/" + org.user("ada")["id"]
            self.refused(org.patch(path, replace("userName", "BoB")), 409, "uniqueness")
            self.assertEqual(self.patched(org, path, replace("userName", "ADA"))["userName"], "ADA")

    def test_wrong_types(self):
        for org in self.dialects("strict"):
            path = "/Users/" + org.user("ada", emails=[WORK])["id"]
            for operation in (replace("active", "False"), replace("active", "true"), replace("title", 5),
                              replace("emails", "x"), replace("name", "x"), add("emails[type eq \"work\"].primary", "yes"),
                              replace("title", ["a"]), replace("name.givenName", {"x": 1})):
                with self.subTest(operation=operation):
                    self.refused(org.patch(path, operation), 400, "invalidValue")

    def test_missing_value(self):
        for org in self.dialects("strict"):
            path = "/Users/" + org.user("ada")["id"]
            for verb in ("add", "replace"):
                reply = org.patch(path, op(verb, None))
                self.assertEqual(reply.status, 400, reply)

    def test_extension_by_urn(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            path = "/Users/" + org.user("ada")["id"]
            user = self.patched(org, path, add(ENTERPRISE + ":department", "Sales"))
            self.assertEqual(user[ENTERPRISE], {"department": "Sales"})
            self.assertIn(ENTERPRISE, user["schemas"])
            user = self.patched(org, path, remove(ENTERPRISE + ":department"))
            self.assertNotIn(ENTERPRISE, user)
            self.assertEqual(user["schemas"], [USER])

    def test_extension_whole(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada")["id"]
            user = self.patched(org, path, add(ENTERPRISE, {"department": "Sales", "costCenter": "1"}))
            self.assertEqual(user[ENTERPRISE], {"department": "Sales", "costCenter": "1"})
            user = self.patched(org, path, {"op": "replace", "value": {ENTERPRISE: {"division": "d"}}})
            self.assertEqual(user[ENTERPRISE]["division"], "d")
            user = self.patched(org, path, remove(ENTERPRISE))
            self.assertNotIn(ENTERPRISE, user)
            self.assertEqual(user["schemas"], [USER])

    def test_extension_value_may_name_its_schema(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            path = "/Users/" + org.user("ada")["id"]
            user = self.patched(org, path, add(ENTERPRISE, {"schemas": [ENTERPRISE], "department": "Sales"}))
            self.assertEqual(user[ENTERPRISE], {"department": "Sales"})

    def test_core_urn_prefix(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[WORK])["id"]
            user = self.patched(org, path, replace(USER + ":name.givenName", "Ada"),
                                replace(USER + ':emails[type eq "work"].value', "n@example.com"))
            self.assertEqual(user["name"]["givenName"], "Ada")
            self.assertEqual(mails(user), ["n@example.com"])

    def test_manager(self):
        for org in self.dialects():
            boss = org.user("boss", displayName="The Boss")
            path = "/Users/" + org.user("ada")["id"]
            user = self.patched(org, path, add(ENTERPRISE + ":manager", {"value": boss["id"]}))
            self.assertEqual(user[ENTERPRISE]["manager"]["value"], boss["id"])
            self.assertEqual(org.find("/Users", f'{ENTERPRISE}:manager.value eq "{boss["id"]}"')["totalResults"], 1)
            user = self.patched(org, path, remove(ENTERPRISE + ":manager"))
            self.assertNotIn(ENTERPRISE, user)

    def test_value_path_with_and_or_not(self):
        for org in self.dialects():
            path = "/Users/" + org.user("ada", emails=[
                {**WORK, "primary": True}, HOME, {"value": "o@example.com", "type": "other"}])["id"]
            user = self.patched(org, path, replace('emails[type eq "work" and primary eq true].display', "1"),
                                replace('emails[type eq "home" or value co "o@"].display', "2"),
                                replace('emails[not (type eq "work") and value sw "home"].display', "3"))
            self.assertEqual({m["value"]: m["display"] for m in user["emails"]},
                             {"work@example.com": "1", "home@example.com": "3", "o@example.com": "2"})

    def test_many_operations(self):
        for org in self.dialects("tolerant"):
            path = "/Users/" + org.user("ada")["id"]
            user = self.patched(org, path, *[replace("title", str(n)) for n in range(1000)])
            self.assertEqual(user["title"], "999")


class Members(SystemTest):
    def team(self, org, names="abc"):
        users = {name: org.user(f"{name}-{org.daemon.orgs}")["id"] for name in names}
        return users, "/Groups/" + org.group("team", list(users.values()))["id"]

    def members(self, org, path):
        return {m["value"] for m in org.get(path).json.get("members", [])}

    def test_add_and_remove(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            u, path = self.team(org)
            new = org.user("new")["id"]
            self.patched(org, path, add("members", [{"value": new}]))
            self.assertEqual(self.members(org, path), {*u.values(), new})
            self.patched(org, path, remove(f'members[value eq "{u["a"]}"]'))
            self.assertEqual(self.members(org, path), {u["b"], u["c"], new})
            self.patched(org, path, remove("members"))
            self.assertEqual(self.members(org, path), set())

    def test_add_present_and_remove_absent_change_nothing(self):
        for org in self.dialects():
            u, path = self.team(org, "ab")
            other = org.user("other")["id"]
            before = org.get(path).json
            for operation in (add("members", [{"value": u["a"]}]), remove(f'members[value eq "{other}"]'),
                              remove(f'members[value eq "{NOWHERE}"]'),
                              add("members", [{"value": u["b"]}, {"value": u["b"]}])):
                with self.subTest(operation=operation):
                    self.assertIn(org.patch(path, operation).status, (200, 204))
                    self.assertEqual(org.get(path).json, before)

    def test_unknown_member_is_refused_before_any_change(self):
        for org in self.dialects():
            u, path = self.team(org)
            new = org.user("new")["id"]
            self.refused(org.patch(path, add("members", [{"value": new}, {"value": NOWHERE}])), 400, "invalidValue")
            self.assertEqual(self.members(org, path), set(u.values()))
            self.refused(org.patch(path, replace("members", [{"value": NOWHERE}])), 400, "invalidValue")
            self.assertEqual(self.members(org, path), set(u.values()))

    def test_replace_swaps_the_list(self):
        for org in self.dialects():
            u, path = self.team(org)
            new = org.user("new")["id"]
            self.patched(org, path, replace("members", [{"value": new}, {"value": u["b"]}]))
            self.assertEqual(self.members(org, path), {new, u["b"]})

    def test_replace_with_an_empty_list_empties(self):
        for org in self.dialects("tolerant"):
            _, path = self.team(org)
            self.patched(org, path, replace("members", []))
            self.assertEqual(self.members(org, path), set())

    def test_order_of_operations_counts(self):
        for org in self.dialects():
            u, path = self.team(org, "ab")
            c = org.user("c")["id"]
            self.patched(org, path, remove("members"), add("members", [{"value": c}]))
            self.assertEqual(self.members(org, path), {c})
            self.patched(org, path, add("members", [{"value": u["a"]}]), remove(f'members[value eq "{u["a"]}"]'))
            self.assertEqual(self.members(org, path), {c})
            self.patched(org, path, remove(f'members[value eq "{c}"]'), add("members", [{"value": c}]))
            self.assertEqual(self.members(org, path), {c})

    def test_failing_later_operation_restores_members(self):
        for org in self.dialects():
            u, path = self.team(org)
            self.refused(org.patch(path, remove("members"), remove("displayName")), 400, "mutability")
            self.assertEqual(self.members(org, path), set(u.values()))

    def test_sub_attributes_are_immutable(self):
        for org in self.dialects("strict"):
            u, path = self.team(org)
            other = org.user("other")["id"]
            self.refused(org.patch(path, replace(f'members[value eq "{u["a"]}"].value', other)), 400, "mutability")
            self.assertEqual(self.members(org, path), set(u.values()))

    def test_rename_leaves_members(self):
        for org in self.dialects():
            u, path = self.team(org)
            self.patched(org, path, replace("displayName", "renamed"))
            self.patched(org, path, {"op": "replace", "value": {"displayName": "again"}})
            self.assertEqual(self.members(org, path), set(u.values()))
            self.assertEqual(org.get(path)["displayName"], "again")

    def test_users_groups_follow(self):
        for org in self.dialects():
            u, path = self.team(org, "a")
            self.assertEqual(len(org.get("/Users/" + u["a"])["groups"]), 1)
            self.patched(org, path, remove("members"))
            self.assertFalse(org.get("/Users/" + u["a"]).json.get("groups"))

    def test_groups_last_modified_moves_with_members(self):
        for org in self.dialects():
            u, path = self.team(org, "a")
            before = org.get(path).json["meta"]
            self.patched(org, path, remove("members"))
            self.assertNotEqual(org.get(path).json["meta"]["version"], before["version"])


class Providers(SystemTest):
    """Section 1 of the clients' rules, as far as they are about PATCH: the tolerant dialect."""

    def test_rule_2_texts_for_booleans(self):
        org = self.org()
        path = "/Users/" + org.user("ada", active=True, emails=[WORK])["id"]
        for text, truth in (("False", False), ("True", True), ("false", False), ("true", True)):
            self.assertIs(self.patched(org, path, replace("active", text))["active"], truth)
            self.assertIs(self.patched(org, path, {"op": "replace", "value": {"active": text}})["active"], truth)
        user = org.user("posted", active="False", emails=[{**WORK, "primary": "True"}])
        self.assertIs(user["active"], False)
        self.assertIs(user["emails"][0]["primary"], True)
        for wrong in ("yes", "0", "", "TRUE!", 1):
            reply = org.patch(path, replace("active", wrong))
            if wrong == "":
                continue  # an empty text is no value
            self.refused(reply, 400, "invalidValue")

    def test_rule_3_keys_dotted_and_qualified(self):
        org = self.org()
        path = "/Users/" + org.user("ada", name={"familyName": "L"})["id"]
        user = self.patched(org, path, {"op": "Replace", "value": {
            "displayName": "A", "name.givenName": "Ada", ENTERPRISE + ":department": "Sales",
            USER + ":title": "Dr"}})
        self.assert_has(user, {"displayName": "A", "name": {"givenName": "Ada", "familyName": "L"}, "title": "Dr",
                               ENTERPRISE: {"department": "Sales"}})

    def test_rule_3_keys_with_value_paths(self):
        org = self.org()
        path = "/Users/" + org.user("ada", emails=[WORK])["id"]
        user = self.patched(org, path, {"op": "replace", "value": {
            'emails[type eq "work"].value': "n@example.com"}})
        self.assertEqual(mails(user, type="work"), ["n@example.com"])

    def test_rule_4_read_only_members_are_passed_over(self):
        org = self.org()
        before = org.user("ada")
        path = "/Users/" + before["id"]
        user = self.patched(org, path, {"op": "replace", "value": {
            "id": NOWHERE, "schemas": [USER], "meta": {"resourceType": "x"}, "groups": [], "displayName": "A"}})
        self.assertEqual((user["id"], user["displayName"]), (before["id"], "A"))
        group = org.group("g")
        got = self.patched(org, "/Groups/" + group["id"], {"op": "replace", "value": {
            "id": group["id"], "schemas": [GROUP], "displayName": "g2"}})
        self.assertEqual(got["displayName"], "g2")

    def test_rule_5_element_made_from_the_filter(self):
        org = self.org()
        for verb in ("add", "Replace"):
            path = "/Users/" + org.user(verb, emails=[HOME])["id"]
            user = self.patched(org, path, op(verb, 'emails[type eq "work"].value', "w@example.com"),
                                op(verb, 'addresses[type eq "work"].country', "DE"),
                                op(verb, 'addresses[type eq "work"].locality', "Bonn"),
                                op(verb, 'phoneNumbers[type eq "mobile"].value', "+49 1"))
            self.assertEqual(mails(user, type="work"), ["w@example.com"])
            self.assertEqual(mails(user, type="home"), ["home@example.com"])
            self.assertEqual(user["addresses"], [{"type": "work", "country": "DE", "locality": "Bonn"}])
            self.assert_has(user["phoneNumbers"][0], {"type": "mobile", "value": "+49 1"})

    def test_rule_5_roles_with_a_text_for_primary(self):
        org = self.org()
        path = "/Users/" + org.user("ada")["id"]
        user = self.patched(org, path, add('roles[primary eq "True"].value', "admin"),
                            add('roles[primary eq "True"].display', "Admin"))
        self.assertEqual(len(user["roles"]), 1)
        self.assert_has(user["roles"][0], {"value": "admin", "display": "Admin", "primary": True})

    def test_rule_6_members_removed_by_value_list(self):
        org = self.org()
        a, b, c = (org.user(name)["id"] for name in "abc")
        path = "/Groups/" + org.group("g", [a, b, c])["id"]
        self.patched(org, path, op("Remove", "members", [{"value": a}, {"value": NOWHERE}]))
        self.assertEqual({m["value"] for m in org.get(path)["members"]}, {b, c})
        self.patched(org, path, op("remove", f'members[value eq "{b}"]'))
        self.assertEqual({m["value"] for m in org.get(path)["members"]}, {c})
        self.patched(org, path, op("remove", "members"))
        self.assertFalse(org.get(path).json.get("members"))

    def test_rule_6_an_empty_value_list_removes_nobody(self):
        org = self.org()
        a = org.user("a")["id"]
        path = "/Groups/" + org.group("g", [a])["id"]
        self.patched(org, path, {"op": "remove", "path": "members", "value": []})
        self.assertEqual({m["value"] for m in org.get(path)["members"]}, {a})

    def test_rule_10_shapes_of_members(self):
        org = self.org()
        ids = [org.user(f"u{n}")["id"] for n in range(6)]
        path = "/Groups/" + org.group("g")["id"]
        self.patched(org, path, add("members", [{"value": ids[0], "$ref": None}]))
        self.patched(org, path, add("members", [{"value": ids[1], "$ref": "../Users/" + ids[1], "type": "User"}]))
        self.patched(org, path, add("members", {"value": ids[2], "display": "x"}))
        self.patched(org, path, add("members", [{"value": ids[3], "display": None, "type": None}]))
        self.patched(org, path, {"op": "add", "value": {"members": [{"value": ids[4]}]}})
        self.patched(org, path, {"op": "add", "value": {"members": {"value": ids[5]}}})
        self.assertEqual({m["value"] for m in org.get(path)["members"]}, set(ids))

    def test_rule_11_shapes_of_manager(self):
        org = self.org()
        boss = org.user("boss")["id"]
        path = "/Users/" + org.user("ada")["id"]
        for name in (ENTERPRISE + ":manager", "manager", ENTERPRISE + ".manager"):
            for value in (boss, {"value": boss}, [{"value": boss}], {"Value": boss}):
                with self.subTest(path=name, value=value):
                    user = self.patched(org, path, add(name, value))
                    self.assertEqual(user[ENTERPRISE]["manager"]["value"], boss)
                    user = self.patched(org, path, op("replace", name, ""))
                    self.assertNotIn(ENTERPRISE, user)
                    self.patched(org, path, op("Replace", name, value))
                    user = self.patched(org, path, remove(name))
                    self.assertNotIn(ENTERPRISE, user)

    def test_remove_that_names_the_old_value(self):
        """Entra: Remove may carry the old value beside the path."""
        org = self.org()
        path = "/Users/" + org.user("ada", title="old", emails=[WORK])["id"]
        user = self.patched(org, path, remove("title", "old"))
        self.assertNotIn("title", user)
        user = self.patched(org, path, remove('emails[type eq "work"].value', "work@example.com"))
        self.assertEqual(mails(user), [])

    def test_null_values(self):
        org = self.org()
        path = "/Users/" + org.user("ada", title="t", nickName="n", emails=[WORK])["id"]
        user = self.patched(org, path, {"op": "replace", "path": "title", "value": None},
                            {"op": "replace", "value": {"nickName": None, "emails": []}})
        for name in ("title", "nickName", "emails"):
            self.assertFalse(user.get(name), name)

    def test_empty_texts(self):
        org = self.org()
        user = org.user("ada", name={"givenName": "A", "middleName": ""}, title="", displayName="")
        self.assertIn(user.get("title", ""), ("",))
        self.patched(org, "/Users/" + user["id"], {"op": "replace", "path": "nickName", "value": ""})

    def test_emails_as_one_object(self):
        org = self.org()
        path = "/Users/" + org.user("ada")["id"]
        user = self.patched(org, path, replace("emails", WORK))
        self.assertEqual(mails(user), ["work@example.com"])


if __name__ == "__main__":
    main()
