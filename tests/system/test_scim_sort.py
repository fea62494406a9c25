"""Sorting (RFC 7644 section 3.4.2.3)."""

import random

from harness import ENTERPRISE, SEARCH, USER, SystemTest, main


class Sort(SystemTest):
    def order(self, org, by, order=None, **more):
        parameters = {"sortBy": by, "count": 100, **more}
        if order:
            parameters["sortOrder"] = order
        reply = org.find("/Users", **parameters)
        self.ok(reply)
        return [u["userName"] for u in reply["Resources"]]

    def test_ascending_is_the_default(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            for name in ("carol", "Ada", "bob", "Dave"):
                org.user(name)
            expected = ["Ada", "bob", "carol", "Dave"]  # userName has no case
            self.assertEqual(self.order(org, "userName"), expected)
            self.assertEqual(self.order(org, "USERNAME", "Ascending"), expected)
            self.assertEqual(self.order(org, "userName", "descending"), expected[::-1])
            self.assertEqual(self.order(org, USER + ":userName"), expected)

    def test_absent_last_ascending_first_descending(self):
        for org in self.dialects():
            org.user("none")
            org.user("b", title="B")
            org.user("a", title="a")
            self.assertEqual(self.order(org, "title"), ["a", "b", "none"])
            self.assertEqual(self.order(org, "title", "descending"), ["none", "b", "a"])

    def test_indexed_and_other_attributes_alike(self):
        """displayName, names, emails and externalId are indexed, title and nickName are not: one rule for all."""
        org = self.org("strict")
        dice = random.Random(7)
        people = {}
        for n in range(60):
            key = "".join(dice.choice("abcXYZé ") for _ in range(3)).strip() or None
            name = f"user{n:02}"
            more = {} if key is None else {
                "displayName": key, "title": key, "externalId": key, "nickName": key,
                "name": {"familyName": key, "givenName": key}}
            org.user(name, **more)
            people[name] = key
        for by in ("displayName", "title", "nickName", "name.familyName", "name.givenName", "externalId"):
            exact = by == "externalId"

            def rank(name):
                key = people[name]
                return (key is None, "" if key is None else key if exact else key.casefold())

            for order in ("ascending", "descending"):
                with self.subTest(by=by, order=order):
                    got = self.order(org, by, order)
                    self.assertEqual(sorted(got), sorted(people))
                    ranks = [rank(name) for name in got]
                    self.assertEqual(ranks, sorted(ranks, reverse=order == "descending"))

    def test_multi_valued_by_primary_else_first(self):
        for org in self.dialects():
            org.user("p", emails=[{"value": "z@x.example"}, {"value": "a@x.example", "primary": True}])
            org.user("f", emails=[{"value": "m@x.example"}, {"value": "b@x.example"}])
            org.user("n")
            org.user("q", emails=[{"value": "c@x.example"}])
            for by in ("emails", "emails.value"):
                self.assertEqual(self.order(org, by), ["p", "q", "f", "n"], by)
                self.assertEqual(self.order(org, by, "descending"), ["n", "f", "q", "p"], by)

    def test_dates_booleans_and_extension(self):
        for org in self.dialects("strict"):
            made = [org.user(f"u{n}", active=n != 1, schemas=[USER, ENTERPRISE],
                             **{ENTERPRISE: {"department": "cab"[n]}})["userName"] for n in range(3)]
            self.assertEqual(self.order(org, "meta.created"), made)
            self.assertEqual(self.order(org, "meta.created", "descending"), made[::-1])
            self.assertEqual(self.order(org, ENTERPRISE + ":department"), ["u1", "u2", "u0"])
            self.assertEqual(self.order(org, "active")[0], "u1")
            org.patch("/Users/" + org.find("/Users", 'userName eq "u0"').ids[0],
                      {"op": "replace", "path": "title", "value": "x"})
            self.assertEqual(self.order(org, "meta.lastModified")[-1], "u0")

    def test_pages_of_a_sorted_list(self):
        org = self.org("strict")
        names = [f"u{n:02}" for n in range(23)]
        for name in random.Random(3).sample(names, len(names)):
            org.user(name, title="same")
        for by in ("userName", "title"):
            got = []
            for start in range(1, 24, 5):
                got += org.find("/Users", sortBy=by, startIndex=start, count=5).names
            self.assertEqual(sorted(got), names)
            if by == "userName":
                self.assertEqual(got, names)

    def test_with_a_filter(self):
        org = self.org("strict")
        for name in ("d", "b", "c", "a"):
            org.user(name, title="x" if name != "c" else "y")
        self.assertEqual(self.order(org, "userName", filter='title eq "x"'), ["a", "b", "d"])
        reply = org.post("/Users/.search", {"schemas": [SEARCH], "sortBy": "userName", "sortOrder": "descending"})
        self.assertEqual(reply.names, ["d", "c", "b", "a"])

    def test_wrong_parameters(self):
        org = self.shared("strict")
        org.user("x")
        for parameters in ({"sortBy": "userName", "sortOrder": "sideways"}, {"sortBy": "password"},
                           {"sortBy": "nothing"}, {"sortBy": "name"}):
            with self.subTest(parameters=parameters):
                self.refused(org.find("/Users", **parameters), 400)

    def test_published(self):
        self.assertIs(self.shared("strict").get("/ServiceProviderConfig")["sort"]["supported"], True)

    def test_groups(self):
        org = self.org()
        for name in ("b", "C", "a"):
            org.group(name)
        self.assertEqual(org.find("/Groups", sortBy="displayName").names, ["a", "b", "C"])


if __name__ == "__main__":
    main()
