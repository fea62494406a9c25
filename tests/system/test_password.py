"""Passwords: never returned, never readable at rest or in the log, never an oracle (RFC 7643 section 4.1.1)."""

from harness import BULK, SEARCH, USER, SystemTest, main

SECRET = "Tr0ub4dor-&-3-Plainly-Visible"
OTHER = "An0ther-Plainly-Visible-Secret"


class Password(SystemTest):
    def replies(self, org):
        """Every kind of answer that holds a user who has a password."""
        made = org.post("/Users", {"schemas": [USER], "userName": "ada", "password": SECRET})
        self.assertEqual(made.status, 201, made)
        path = "/Users/" + made["id"]
        yield made
        yield org.put(path, {"schemas": [USER], "userName": "ada", "password": OTHER})
        yield org.patch(path, {"op": "replace", "path": "password", "value": SECRET})
        yield org.patch(path, {"op": "replace", "path": USER + ":password", "value": OTHER}) 
        yield org.get(path)
        yield org.get(path + "?attributes=password")
        yield org.get(path + "?attributes=userName,password")
        yield org.find("/Users")
        yield org.find("/Users", attributes="password")
        yield org.post("/Users/.search", {"schemas": [SEARCH], "attributes": ["password"]})
        yield org.post("/Bulk", {"schemas": [BULK], "Operations": [
            {"method": "PATCH", "path": path, "data": {"Operations": [
                {"op": "replace", "path": "password", "value": SECRET}]}}]})
        yield org.post("/Users?attributes=password", {"schemas": [USER], "userName": "bob", "password": SECRET})
        yield org.post("/Users", {"schemas": [USER], "userName": "bob", "password": SECRET})  # 409
        yield org.post("/Users", {"schemas": [USER], "password": SECRET})  # 400
        yield org.patch(path, {"op": "replace", "path": "password", "value": {"x": SECRET}})  # 400
        yield org.patch(path, {"op": "replace", "path": f'emails[value eq "{OTHER}"', "value": SECRET})

    def test_never_returned_logged_or_stored(self):
        for dialect in ("tolerant", "strict"):
            org = self.org(dialect)
            for reply in self.replies(org):
                self.assertLess(reply.status, 500, reply)
                self.assertNotIn(SECRET.encode(), reply.raw)
                if reply.status < 300:
                    self.assertNotIn(b'"password"', reply.raw)
                    self.assertNotIn(b"argon2", reply.raw)
                    self.assertNotIn(b"$y$", reply.raw)
        log = self.daemon.log()
        data = (self.daemon.data / "data.mdb").read_bytes()
        for secret in (SECRET, OTHER):
            self.assertNotIn(secret, log)
            self.assertNotIn(secret.encode(), data)
        self.assertTrue(b"$argon2id$" in data or b"$y$" in data, "a memory-hard hash is what is kept")

    def test_export_has_no_plain_password(self):
        org = self.org()
        org.user("ada", password=SECRET)
        done = self.daemon.run_ctl("export", org.key)
        self.assertNotIn(SECRET, done.stdout + done.stderr)

    def test_two_users_with_one_password_have_different_hashes(self):
        org = self.org()
        org.user("a", password="one-and-the-same-Secret")
        org.user("b", password="one-and-the-same-Secret")
        data = (self.daemon.data / "data.mdb").read_bytes()
        start, hashes = 0, []
        while (start := data.find(b"$argon2id$", start)) >= 0:
            hashes.append(data[start:start + 90])
            start += 1
        self.assertGreater(len(set(hashes)), 1)

    def test_wrong_types_and_empty(self):
        for org in self.dialects("strict"):
            path = "/Users/" + org.user("ada")["id"]
            for value in (5, ["x"], {"value": "x"}, True):
                self.refused(org.patch(path, {"op": "replace", "path": "password", "value": value}), 400, "invalidValue")
            for bad in ("a\u0000b", "a\u0007b", "\u1100"):
                self.refused(org.patch(path, {"op": "replace", "path": "password", "value": bad}), 400)

    def test_put_without_one_keeps_it_and_changes_nothing(self):
        org = self.shared()
        user = org.user("keeper", password=SECRET)
        got = self.ok(org.put("/Users/" + user["id"], {"schemas": [USER], "userName": "keeper"}))
        self.assertEqual(got["meta"]["version"], user["meta"]["version"])

    def test_long_and_unicode(self):
        org = self.shared()
        for n, value in enumerate(("pass word with spaces", "Пароль🔑", "x" * 1000, "\u212b\u3000y")):
            self.assertEqual(org.post("/Users", {"schemas": [USER], "userName": f"long{n}",
                                                 "password": value}).status, 201, value)

    def test_not_sortable(self):
        self.refused(self.shared().find("/Users", sortBy="password"), 400)

    def test_rest_goes_on_while_hashes_are_made(self):
        """Hashing is slow on purpose and off the event loops."""
        import threading
        import time
        org = self.org()
        org.user("reader")
        stop = threading.Event()

        def hash_on():
            n = 0
            while not stop.is_set():
                n += 1
                org.post("/Users", {"schemas": [USER], "userName": f"h{threading.get_ident()}-{n}", "password": SECRET})

        threads = [threading.Thread(target=hash_on) for _ in range(4)]
        for thread in threads:
            thread.start()
        worst = 0.0
        try:
            for _ in range(100):
                began = time.monotonic()
                self.ok(org.find("/Users", 'userName eq "reader"'))
                worst = max(worst, time.monotonic() - began)
        finally:
            stop.set()
            for thread in threads:
                thread.join()
        self.assertLess(worst, 2.0)


if __name__ == "__main__":
    main()
