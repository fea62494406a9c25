"""Bulk (RFC 7644 section 3.7)."""

import json

from harness import BULK, ENTERPRISE, ERROR, GROUP, MESSAGE, NOWHERE, PATCH, USER, SystemTest, main

RESPONSE = MESSAGE + "BulkResponse"


def post(path, bulk_id, **data):
    return {"method": "POST", "path": path, "bulkId": bulk_id,
            "data": {"schemas": [USER if path == "/Users" else GROUP], **data}}


def user(bulk_id, name=None, **data):
    return post("/Users", bulk_id, userName=name or bulk_id, **data)


def group(bulk_id, members=(), name=None):
    return post("/Groups", bulk_id, displayName=name or bulk_id,
                members=[{"value": member} for member in members])


class Bulk(SystemTest):
    def bulk(self, org, *operations, **more):
        reply = org.post("/Bulk", {"schemas": [BULK], "Operations": list(operations), **more})
        body = self.ok(reply)
        self.assertEqual(body["schemas"], [RESPONSE])
        for operation in body["Operations"]:
            self.assertIsInstance(operation["status"], str)
            self.assertIn(operation["method"], ("POST", "PUT", "PATCH", "DELETE"))
            if operation["status"][0] == "2":
                self.assertTrue(operation["location"].startswith(org.base + "/"), operation)
            else:
                self.assertEqual(operation["response"]["schemas"], [ERROR])
                self.assertEqual(operation["response"]["status"], operation["status"])
                self.assertTrue(operation["response"]["detail"])
                if operation["method"] == "POST":
                    self.assertNotIn("location", operation)
                else:
                    self.assertTrue(operation["location"].startswith(org.base + "/"), operation)
        return body["Operations"]

    def statuses(self, org, *operations, **more):
        return [operation["status"] for operation in self.bulk(org, *operations, **more)]

    def test_create_replace_patch_delete(self):
        for org in self.dialects():
            a, b, c = (org.user(name)["id"] for name in "abc")
            answer = self.bulk(
                org, user("new", "d", title="x"),
                {"method": "PUT", "path": f"/Users/{a}", "data": {"schemas": [USER], "userName": "a", "title": "y"}},
                {"method": "PATCH", "path": f"/Users/{b}",
                 "data": {"schemas": [PATCH], "Operations": [{"op": "add", "path": "title", "value": "z"}]}},
                {"method": "DELETE", "path": f"/Users/{c}"})
            self.assertEqual([o["status"] for o in answer], ["201", "200", "200", "204"])
            self.assertEqual(answer[0]["bulkId"], "new")
            made = self.ok(org.request("GET", answer[0]["location"][len(org.base):]))
            self.assertEqual((made["userName"], made["title"]), ("d", "x"))
            self.assertEqual(answer[0]["version"], made["meta"]["version"])
            self.assertEqual(org.get("/Users/" + a)["title"], "y")
            self.assertEqual(org.get("/Users/" + b)["title"], "z")
            self.assertEqual(org.get("/Users/" + c).status, 404)

    def test_methods_in_any_case_are_the_rfcs_upper_case(self):
        org = self.shared()
        self.assertEqual(self.statuses(org, {**user("upper"), "method": "POST"}), ["201"])

    def test_bulk_id_backward_and_forward(self):
        for org in self.dialects():
            for number, operations in enumerate((
                    [user("u1", "back"), group("g1", ["bulkId:u1"], "back")],
                    [group("g2", ["bulkId:u2"], "forth"), user("u2", "forth")])):
                answer = self.bulk(org, *operations)
                self.assertEqual([o["status"] for o in answer], ["201", "201"])
                ids = {o["bulkId"][0]: o["location"].rsplit("/", 1)[1] for o in answer}
                self.assertEqual([m["value"] for m in org.get("/Groups/" + ids["g"])["members"]], [ids["u"]])

    def test_bulk_id_anywhere(self):
        """In extensions, in PATCH values and paths, and in the path of an operation."""
        for org in self.dialects():
            existing = org.group("existing")["id"]
            answer = self.bulk(
                org,
                post("/Users", "report", userName="report", schemas=[USER, ENTERPRISE],
                     **{ENTERPRISE: {"manager": {"value": "bulkId:boss"}}}),
                user("boss"),
                {"method": "PATCH", "path": f"/Groups/{existing}",
                 "data": {"schemas": [MESSAGE + "PatchOp"], "Operations": [
                     {"op": "add", "path": "members", "value": [{"value": "bulkId:boss"}, {"value": "bulkId:report"}]}]}},
            )
            self.assertEqual([o["status"] for o in answer], ["201", "201", "200"], answer)
            by = {o.get("bulkId"): o["location"].rsplit("/", 1)[1] for o in answer}
            report = org.get("/Users/" + by["report"]).json
            self.assertEqual(report[ENTERPRISE]["manager"]["value"], by["boss"])
            self.assertEqual({m["value"] for m in org.get("/Groups/" + existing)["members"]},
                             {by["boss"], by["report"]})

    def test_bulk_id_in_an_operations_path(self):
        for org in self.dialects("tolerant"):
            answer = self.bulk(org, user("u", "pathed"), {
                "method": "PATCH", "path": "/Users/bulkId:u",
                "data": {"schemas": [MESSAGE + "PatchOp"], "Operations": [{"op": "add", "path": "title", "value": "x"}]}})
            self.assertEqual([o["status"] for o in answer], ["201", "200"])
            self.assertEqual(org.find("/Users", 'userName eq "pathed"')["Resources"][0]["title"], "x")

    def test_circular_groups_are_a_conflict(self):
        """RFC 7644 section 3.7.1: circular references must be tried, 409 where they cannot be. Groups that hold each
        other are a cycle, which this server refuses: neither may stay half made."""
        for org in self.dialects():
            answer = self.bulk(org, group("a", ["bulkId:b"]), group("b", ["bulkId:a"]))
            self.assertIn("409", [o["status"] for o in answer])
            made = {o["location"].rsplit("/", 1)[1] for o in answer if o["status"] == "201"}
            self.assertEqual(set(org.find("/Groups").ids), made)
            self.assertEqual(org.daemon.verify(), "")

    def test_circular_managers_work(self):
        for org in self.dialects():
            answer = self.bulk(org, *(
                post("/Users", me, userName=me, schemas=[USER, ENTERPRISE],
                     **{ENTERPRISE: {"manager": {"value": "bulkId:" + other}}})
                for me, other in (("x", "y"), ("y", "x"))))
            self.assertEqual([o["status"] for o in answer], ["201", "201"], answer)
            ids = {o["bulkId"]: o["location"].rsplit("/", 1)[1] for o in answer}
            for me, other in (("x", "y"), ("y", "x")):
                self.assertEqual(org.get("/Users/" + ids[me])[ENTERPRISE]["manager"]["value"], ids[other])

    def test_circular_managers_fail_together(self):
        """One of the circle can't be made: nobody may be left who names a manager that does not exist."""
        for org in self.dialects():
            org.user("taken")
            answer = self.bulk(org, *(
                post("/Users", me, userName=name, schemas=[USER, ENTERPRISE],
                     **{ENTERPRISE: {"manager": {"value": "bulkId:" + other}}})
                for me, name, other in (("p", "taken", "q"), ("q", "free", "r"), ("r", "free too", "p"))))
            self.assertEqual([o["status"] for o in answer], ["409", "409", "409"], answer)
            self.assertEqual([u["userName"] for u in org.find("/Users")["Resources"]], ["taken"])
            self.assertEqual(org.daemon.verify(), "")

    def test_long_chain_in_reverse_order(self):
        org = self.org()
        chain = [group(f"g{n}", [f"bulkId:g{n + 1}"] if n < 49 else []) for n in range(50)]
        answer = self.bulk(org, *chain)
        self.assertEqual({o["status"] for o in answer}, {"201"})
        ids = {o["bulkId"]: o["location"].rsplit("/", 1)[1] for o in answer}
        for n in range(49):
            self.assertEqual([m["value"] for m in org.get("/Groups/" + ids[f"g{n}"])["members"]], [ids[f"g{n + 1}"]])

    def test_unknown_bulk_id(self):
        for org in self.dialects():
            answer = self.bulk(org, group("g", ["bulkId:nobody"]), user("fine"))
            self.assertIn(answer[0]["status"], ("400", "409"))
            self.assertEqual(answer[1]["status"], "201")
            self.assertEqual(org.find("/Groups")["totalResults"], 0)

    def test_reference_to_a_failed_operation(self):
        for org in self.dialects():
            org.user("taken")
            answer = self.bulk(org, user("u", "taken"), group("g", ["bulkId:u"]))
            self.assertEqual(answer[0]["status"], "409")
            self.assertEqual(answer[0]["response"]["scimType"], "uniqueness")
            self.assertIn(answer[1]["status"], ("400", "409"))
            self.assertEqual(org.find("/Groups")["totalResults"], 0)

    def test_post_needs_a_bulk_id(self):
        for org in self.dialects("strict"):
            operation = user("x")
            del operation["bulkId"]
            reply = org.post("/Bulk", {"schemas": [BULK], "Operations": [operation]})
            if reply.status == 200:
                self.assertEqual(reply["Operations"][0]["status"], "400")
            else:
                self.refused(reply, 400)
            self.assertEqual(org.find("/Users")["totalResults"], 0)

    def test_one_bulk_id_twice(self):
        for org in self.dialects():
            reply = org.post("/Bulk", {"schemas": [BULK], "Operations": [user("same", "one"), user("same", "two"),
                                                                        group("g", ["bulkId:same"])]})
            if reply.status == 200:
                self.assertIn("400", [o["status"] for o in reply["Operations"]])
            else:
                self.refused(reply, 400)

    def test_failures_do_not_stop_the_rest(self):
        for org in self.dialects():
            got = self.statuses(org, user("a"), user("b", "A"), {"method": "DELETE", "path": "/Users/" + NOWHERE},
                                post("/Users", "c"), user("d"))
            self.assertEqual(got, ["201", "409", "404", "400", "201"])
            self.assertEqual(sorted(org.find("/Users").names), ["a", "d"])

    def test_fail_on_errors(self):
        for org in self.dialects():
            bad = {"method": "DELETE", "path": "/Users/" + NOWHERE}
            got = self.statuses(org, user("a"), bad, user("b"), bad, user("c"), bad, user("d"), failOnErrors=2)
            self.assertEqual(got, ["201", "404", "201", "404"])
            self.assertEqual(sorted(org.find("/Users").names), ["a", "b"])
            self.assertEqual(self.statuses(org, bad, user("x"), failOnErrors=1), ["404"])
            self.assertEqual(len(self.statuses(org, bad, bad, bad)), 3)

    def test_one_entry_for_each_operation_in_order(self):
        org = self.shared()
        answer = self.bulk(org, *(user(f"entry{n}") for n in range(100)))
        self.assertEqual([o["bulkId"] for o in answer], [f"entry{n}" for n in range(100)])

    def test_too_many_operations_is_413(self):
        for org in self.dialects():
            most = org.get("/ServiceProviderConfig")["bulk"]["maxOperations"]
            error = self.refused(org.post("/Bulk", {"schemas": [BULK], "Operations": [
                user(f"u{n}") for n in range(most + 1)]}), 413)
            self.assertIn(str(most), error["detail"])
            self.assertEqual(org.find("/Users")["totalResults"], 0)
        org = self.shared()
        self.assertEqual(len(self.statuses(org, *(user(f"most{n}") for n in range(most)))), most)

    def test_too_large_is_413(self):
        org = self.shared()
        most = org.get("/ServiceProviderConfig")["bulk"]["maxPayloadSize"]
        body = json.dumps({"schemas": [BULK], "Operations": [user("large", title="x" * most)]}).encode()
        error = self.refused(org.request("POST", "/Bulk", raw=body), 413)
        self.assertIn(str(most), error["detail"])

    def test_malformed(self):
        for org in self.dialects():
            for body in ({"schemas": [BULK]}, {"schemas": [BULK], "Operations": "x"},
                         {"schemas": [BULK], "Operations": [], "failOnErrors": "x"},
                         {"schemas": [BULK], "Operations": [5]}):
                with self.subTest(body=body):
                    reply = org.post("/Bulk", body)
                    if reply.status == 200:
                        self.assertEqual([o["status"] for o in reply["Operations"]], ["400"])
                    else:
                        self.refused(reply, 400)

    def test_bad_operations(self):
        for org in self.dialects():
            for operation, status in (
                    ({"method": "GET", "path": "/Users"}, ("400", "405")),
                    ({"method": "POST", "bulkId": "x", "data": {}}, ("400",)),
                    ({"method": "POST", "path": "/Boats", "bulkId": "x", "data": {}}, ("400", "404")),
                    ({"method": "PUT", "path": "/Users", "data": {}}, ("400", "404", "405")),
                    ({"method": "DELETE", "path": "/Users"}, ("400", "404", "405")),
                    ({"method": "POST", "path": "/Users", "bulkId": "x"}, ("400",)),
                    ({"method": "POST", "path": "/Users/" + NOWHERE, "bulkId": "x", "data": {}}, ("400", "404", "405")),
                    ({"method": "POST", "path": "/Bulk", "bulkId": "x", "data": {}}, ("400", "403", "404")),
                    ({"method": "PATCH", "path": "/Users/" + NOWHERE, "data": {"schemas": [PATCH], "Operations": [
                        {"op": "add", "path": "title", "value": "x"}]}}, ("404",)),
                    ({"method": "PUT", "path": "/ServiceProviderConfig", "data": {}}, ("400", "404", "405"))):
                with self.subTest(operation=operation):
                    answer = org.post("/Bulk", {"schemas": [BULK], "Operations": [operation]})
                    self.assertEqual(answer.status, 200, answer)
                    self.assertIn(answer["Operations"][0]["status"], status)

    def test_operations_of_one_request_see_each_other(self):
        for org in self.dialects():
            got = self.statuses(org, user("a", "name"), user("b", "NAME"))
            self.assertEqual(got, ["201", "409"])

    def test_published(self):
        bulk = self.shared().get("/ServiceProviderConfig")["bulk"]
        self.assertIs(bulk["supported"], True)
        self.assertGreaterEqual(bulk["maxOperations"], 50)
        self.assertGreaterEqual(bulk["maxPayloadSize"], 1 << 20)

    def test_get_is_405(self):
        self.refused(self.shared().get("/Bulk"), 405)


class Limits(SystemTest):
    config = {"scim.bulk_operations": 7, "scim.bulk_payload": "16 KiB"}

    def test_limits_are_published_and_enforced(self):
        org = self.org()
        bulk = org.get("/ServiceProviderConfig")["bulk"]
        self.assertEqual((bulk["maxOperations"], bulk["maxPayloadSize"]), (7, 16384))
        self.refused(org.post("/Bulk", {"schemas": [BULK], "Operations": [user(f"u{n}") for n in range(8)]}), 413)
        self.ok(org.post("/Bulk", {"schemas": [BULK], "Operations": [user(f"u{n}") for n in range(7)]}))
        self.refused(org.post("/Bulk", {"schemas": [BULK], "Operations": [user("v", title="x" * 17000)]}), 413)


if __name__ == "__main__":
    main()
