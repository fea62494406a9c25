"""Versions and conditional requests (RFC 7644 section 3.14; RFC 9110 section 13)."""

from harness import BULK, NOWHERE, USER, SystemTest, in_threads, main


class Etag(SystemTest):
    def test_header_equals_meta_version(self):
        for org in self.dialects():
            made = org.post("/Users", {"schemas": [USER], "userName": "ada"})
            path = "/Users/" + made["id"]
            for reply in (made, org.get(path), org.patch(path, {"op": "add", "path": "title", "value": "x"})):
                self.assertEqual(reply.headers["etag"], reply["meta"]["version"])
                self.assertRegex(reply.headers["etag"], r'^W/"[^"]+"$')

    def test_every_change_changes_it_and_nothing_else_does(self):
        org = self.shared("strict")
        user = org.user("versions")
        path = "/Users/" + user["id"]
        seen = [user["meta"]["version"]]
        for step in range(5):
            org.patch(path, {"op": "replace", "path": "title", "value": str(step)})
            seen.append(org.get(path)["meta"]["version"])
        self.assertEqual(len(set(seen)), 6)
        org.patch(path, {"op": "replace", "path": "title", "value": "4"})
        org.user("somebody-else")
        self.assertEqual(org.get(path)["meta"]["version"], seen[-1])

    def test_if_match(self):
        for org in self.dialects():
            user = org.user("ada")
            path, old = "/Users/" + user["id"], user["meta"]["version"]
            body = {"schemas": [USER], "userName": "ada", "title": "1"}
            stale = {"If-Match": 'W/"no-such-version"'}
            for send in (lambda h: org.put(path, body, headers=h), lambda h: org.delete(path, headers=h),
                         lambda h: org.patch(path, {"op": "add", "path": "title", "value": "x"}, headers=h)):
                self.refused(send(stale), 412)
            self.assertEqual(org.get(path)["meta"]["version"], old)
            self.ok(org.put(path, body, headers={"If-Match": old}))
            self.refused(org.put(path, body, headers={"If-Match": old}), 412)
            now = org.get(path)["meta"]["version"]
            # strong and weak spelling, lists and the asterisk
            for value in (now, now[2:], f'"x", {now}, W/"y"', "*"):
                reply = org.patch(path, {"op": "replace", "path": "title", "value": "1"}, headers={"If-Match": value})
                self.assertEqual(reply.status, 200, value)
            self.assertEqual(org.delete(path, headers={"If-Match": now}).status, 204)

    def test_404_comes_before_412(self):
        for org in self.dialects():
            for value in ('W/"1"', "*"):
                self.refused(org.put("/Users/" + NOWHERE, {"schemas": [USER], "userName": "x"},
                                     headers={"If-Match": value}), 404)
                self.refused(org.delete("/Users/" + NOWHERE, headers={"If-Match": value}), 404)

    def test_if_none_match(self):
        for org in self.dialects():
            user = org.user("ada")
            path, tag = "/Users/" + user["id"], user["meta"]["version"]
            for value in (tag, tag[2:], "*", f'W/"a", {tag}'):
                for method in ("GET", "HEAD"):
                    reply = org.request(method, path, headers={"If-None-Match": value})
                    self.assertEqual((reply.status, reply.raw), (304, b""), value)
                    self.assertEqual(reply.headers["etag"], tag)
            self.ok(org.get(path, headers={"If-None-Match": 'W/"other"'}))
            org.patch(path, {"op": "add", "path": "title", "value": "x"})
            self.ok(org.get(path, headers={"If-None-Match": tag}))

    def test_of_groups_with_members(self):
        org = self.shared()
        ada = org.user("member")["id"]
        group = org.group("tagged")
        path, tag = "/Groups/" + group["id"], group["meta"]["version"]
        self.ok(org.patch(path, {"op": "add", "path": "members", "value": [{"value": ada}]}, headers={"If-Match": tag}))
        self.refused(org.patch(path, {"op": "remove", "path": "members"}, headers={"If-Match": tag}), 412)
        self.assertEqual(len(org.get(path)["members"]), 1)
        self.assertEqual(org.get(path, headers={"If-None-Match": tag}).status, 200)

    def test_exactly_one_of_many_puts_wins(self):
        """If-Match is decided inside the write."""
        org = self.org("strict")
        for round_ in range(10):
            user = org.user(f"race{round_}")
            path, tag = "/Users/" + user["id"], user["meta"]["version"]
            replies = in_threads([
                lambda n=n: org.put(path, {"schemas": [USER], "userName": f"race{round_}", "title": f"t{n}"},
                                    headers={"If-Match": tag}) for n in range(16)])
            won = [n for n, reply in enumerate(replies) if reply.status == 200]
            self.assertEqual(len(won), 1, [reply.status for reply in replies])
            self.assertEqual(sorted(r.status for r in replies), [200] + [412] * 15)
            self.assertEqual(org.get(path)["title"], f"t{won[0]}")

    def test_malformed(self):
        org = self.shared()
        path = "/Users/" + org.user("malformed")["id"]
        for value in ("", "x", '"', 'W/', 'W/"x', ",,,"):
            reply = org.put(path, {"schemas": [USER], "userName": "malformed"}, headers={"If-Match": value})
            self.assertIn(reply.status, (400, 412) if value else (200, 400, 412), value)

    def test_in_bulk(self):
        org = self.shared()
        user = org.user("in-bulk")
        path = "/Users/" + user["id"]
        operation = {"method": "PUT", "path": path, "version": 'W/"stale"',
                     "data": {"schemas": [USER], "userName": "in-bulk", "title": "x"}}
        answer = self.ok(org.post("/Bulk", {"schemas": [BULK], "Operations": [operation]}))
        self.assertEqual(answer["Operations"][0]["status"], "412")
        operation["version"] = user["meta"]["version"]
        answer = self.ok(org.post("/Bulk", {"schemas": [BULK], "Operations": [operation]}))
        self.assertEqual(answer["Operations"][0]["status"], "200")
        self.assertEqual(answer["Operations"][0]["version"], org.get(path)["meta"]["version"])

    def test_published(self):
        self.assertIs(self.shared().get("/ServiceProviderConfig")["etag"]["supported"], True)


if __name__ == "__main__":
    main()
