"""The guard of mass removal: a runaway sync is stopped before it harms, leavers never are."""

from harness import BULK, GROUP, USER, SystemTest, main


class Guard(SystemTest):
    """Small figures, so that few resources show it: a fifth of the users, at least 10; memberships likewise, 20."""

    config = {"guard.share": 20, "guard.users": 10, "guard.members": 20}

    def people(self, org, count):
        operations = [{"method": "POST", "path": "/Users", "bulkId": f"u{n}",
                       "data": {"schemas": [USER], "userName": f"u{n}", "active": True}} for n in range(count)]
        body = self.ok(org.post("/Bulk", {"schemas": [BULK], "Operations": operations}))
        return [o["location"].rsplit("/", 1)[1] for o in body["Operations"]]

    def until_stopped(self, send, ids):
        for done, each in enumerate(ids):
            reply = send(each)
            if reply.status >= 300:
                return done, reply
        return len(ids), None

    def test_mass_delete(self):
        org = self.org()
        ids = self.people(org, 100)
        done, reply = self.until_stopped(lambda i: org.delete("/Users/" + i), ids)
        self.assertEqual(done, 20, reply)
        error = self.refused(reply, 409)
        self.assertIn("release", error["detail"].lower() + "release" * ("operator" in error["detail"].lower()))
        self.assertEqual(org.find("/Users")["totalResults"], 80)
        # all the rest goes on: reads, creates, updates
        self.ok(org.get("/Users/" + ids[50]))
        org.user("new")
        self.patched(org, "/Users/" + ids[50], {"op": "replace", "path": "title", "value": "x"})
        self.refused(org.delete("/Users/" + ids[60]), 409)
        # deactivating instead is stopped too
        self.refused(org.patch("/Users/" + ids[61], {"op": "replace", "path": "active", "value": False}), 409)
        # until an operator lifts it
        self.daemon.ctl("connection", "release", org.key, "main")
        self.assertEqual(org.delete("/Users/" + ids[60]).status, 204)

    def test_mass_deactivation_by_patch_and_put(self):
        for send in (lambda org, i: org.patch("/Users/" + i, {"op": "replace", "path": "active", "value": False}),
                     lambda org, i: org.put("/Users/" + i, {"schemas": [USER], "userName": "n" + i, "active": False})):
            org = self.org()
            ids = self.people(org, 100)
            done, reply = self.until_stopped(lambda i: send(org, i), ids)
            self.assertEqual(done, 20)
            self.refused(reply, 409)
            self.assertEqual(org.find("/Users", "active eq true")["totalResults"], 80)

    def test_deactivating_and_deleting_one_person_counts_once(self):
        org = self.org()
        ids = self.people(org, 100)
        for each in ids[:20]:
            self.assertEqual(org.patch("/Users/" + each, {"op": "replace", "path": "active", "value": False}).status, 200)
        # those are gone already: deleting them removes nobody who was active
        self.assertEqual(org.delete("/Users/" + ids[0]).status, 204)

    def test_emptying_a_large_group(self):
        for operation in ({"op": "remove", "path": "members"}, {"op": "replace", "path": "members", "value": []}):
            org = self.org()
            ids = self.people(org, 60)
            group = org.group("all", ids)["id"]
            self.refused(org.patch("/Groups/" + group, operation), 409)
            self.assertEqual(len(org.get("/Groups/" + group)["members"]), 60)
            self.refused(org.put("/Groups/" + group, {"schemas": [GROUP], "displayName": "all"}), 409)
            self.refused(org.delete("/Groups/" + group), 409)
            self.assertEqual(len(org.get("/Groups/" + group)["members"]), 60)
            self.daemon.ctl("connection", "release", org.key, "main")

    def test_by_bulk(self):
        org = self.org()
        ids = self.people(org, 100)
        body = self.ok(org.post("/Bulk", {"schemas": [BULK], "Operations": [
            {"method": "DELETE", "path": "/Users/" + i} for i in ids]}))
        statuses = [o["status"] for o in body["Operations"]]
        self.assertEqual(statuses.count("204"), 20)
        self.assertEqual(set(statuses), {"204", "409"})
        self.assertEqual(org.find("/Users")["totalResults"], 80)

    def test_a_small_org_is_never_hindered(self):
        org = self.org()
        ids = self.people(org, 10)
        group = org.group("g", ids)["id"]
        self.patched(org, "/Groups/" + group, {"op": "remove", "path": "members"})
        for each in ids:
            self.assertEqual(org.delete("/Users/" + each).status, 204)

    def test_one_leaver_with_many_groups(self):
        org = self.org()
        ids = self.people(org, 3)
        for n in range(19):
            org.group(f"g{n}", ids)
        self.assertEqual(org.delete("/Users/" + ids[0]).status, 204)

    def test_other_connections_go_on(self):
        org = self.org()
        ids = self.people(org, 100)
        self.until_stopped(lambda i: org.delete("/Users/" + i), ids)
        second = org.another("second")
        self.assertEqual(second.delete("/Users/" + ids[90]).status, 204)

    def test_the_stop_outlives_a_restart(self):
        org = self.org()
        ids = self.people(org, 100)
        self.until_stopped(lambda i: org.delete("/Users/" + i), ids)
        self.daemon.end()
        org.close()
        self.daemon.start()
        self.refused(org.delete("/Users/" + ids[90]), 409)


class Off(SystemTest):
    config = {"guard.enabled": False, "guard.users": 10}

    def test_off(self):
        org = self.org()
        ids = Guard.people(self, org, 50)
        for each in ids:
            self.assertEqual(org.delete("/Users/" + each).status, 204)


class Default(SystemTest):
    def test_on_by_default_with_a_sensible_threshold(self):
        org = self.org()
        ids = Guard.people(self, org, 400)
        done, reply = Guard.until_stopped(self, lambda i: org.delete("/Users/" + i), ids)
        self.assertIsNotNone(reply, "four hundred leavers in a minute are no leavers")
        self.refused(reply, 409)
        self.assertGreaterEqual(done, 50)


if __name__ == "__main__":
    main()
