"""Pages by index (RFC 7644 section 3.4.2.4) and by cursor (RFC 9865)."""

import base64
import random
import threading
import time
import urllib.parse

from harness import ENTERPRISE, LIST, NOWHERE, SEARCH, USER, SystemTest, main

UNRESERVED = set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


def walk(org, endpoint="/Users", check=None, **parameters):
    """All pages by cursor, as bodies."""
    pages, cursor = [], ""
    while True:
        reply = org.find(endpoint, cursor=cursor, **parameters)
        if reply.status != 200:
            raise AssertionError(reply)
        pages.append(reply.json)
        if check:
            check(reply.json)
        cursor = reply.json.get("nextCursor")
        if cursor is None:
            return pages
        if len(pages) > 10000:
            raise AssertionError("the pages do not end")


def ids(pages):
    return [item["id"] for page in pages for item in page.get("Resources", [])]


class Index(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls.daemon.org("strict")
        cls.order = [cls.people.user(f"user{n:02}", title="odd" if n % 2 else "even")["id"] for n in range(25)]

    def test_pages_hold_everything_once_in_one_order(self):
        whole = self.people.find("/Users", count=100).ids
        self.assertEqual(set(whole), set(self.order))
        for size in (1, 7, 10, 25, 26):
            got = []
            while True:
                body = self.ok(self.people.find("/Users", startIndex=len(got) + 1, count=size))
                self.assertEqual(body["schemas"], [LIST])
                self.assertEqual(body["totalResults"], 25)
                page = body.get("Resources", [])
                if not page:
                    break
                self.assertEqual(body["itemsPerPage"], len(page))
                self.assertEqual(body["startIndex"], len(got) + 1)
                self.assertLessEqual(len(page), size)
                got += [item["id"] for item in page]
            self.assertEqual(got, whole)

    def test_filtered_pages(self):
        first = self.people.find("/Users", 'title eq "odd"', count=5)
        second = self.people.find("/Users", 'title eq "odd"', count=5, startIndex=6)
        third = self.people.find("/Users", 'title eq "odd"', count=5, startIndex=11)
        self.assertEqual([r["totalResults"] for r in (first, second, third)], [12, 12, 12])
        self.assertEqual(len(set(first.ids + second.ids + third.ids)), 12)

    def test_odd_numbers(self):
        for parameters, size in (({"startIndex": 0}, 25), ({"startIndex": -5}, 25), ({"count": 0}, 0),
                                 ({"count": -1}, 0), ({"count": 3, "startIndex": 24}, 2),
                                 ({"startIndex": 26}, 0), ({"startIndex": 10 ** 9}, 0),
                                 ({"startindex": 24}, 2), ({"STARTINDEX": 24, "Count": 1}, 1)):
            with self.subTest(parameters=parameters):
                body = self.ok(self.people.find("/Users", **parameters))
                self.assertEqual(body["totalResults"], 25)
                self.assertEqual(len(body.get("Resources", [])), size)
                self.assertEqual(body["itemsPerPage"], size)
                self.assertGreaterEqual(body["startIndex"], 1)

    def test_numbers_that_are_none(self):
        for text in ("x", "1.5", "1e3", "99999999999999999999999999", "0x10", " 1", "--1", "18446744073709551616"):
            for name in ("startIndex", "count"):
                with self.subTest(name=name, text=text):
                    reply = self.people.find("/Users", **{name: text})
                    if reply.status == 200:  # a huge number may be read as "very many"
                        self.assertTrue(text.isdigit(), f"{name}={text} was taken")
                        self.assertEqual(reply["totalResults"], 25)
                    else:
                        self.refused(reply, 400)

    def test_never_more_than_the_published_maximum(self):
        most = self.people.get("/ServiceProviderConfig")["filter"]["maxResults"]
        self.assertGreaterEqual(most, 100)
        body = self.ok(self.people.find("/Users", count=10 ** 9))
        self.assertLessEqual(len(body["Resources"]), most)

    def test_unknown_parameters_are_ignored(self):
        self.assertEqual(self.ok(self.people.find("/Users", foo="bar", aadOptscim062020=""))["totalResults"], 25)

    def test_integers_are_integers(self):
        body = self.people.find("/Users", count=2).json
        for name in ("totalResults", "startIndex", "itemsPerPage"):
            self.assertIs(type(body[name]), int)

    def test_search_by_post(self):
        reply = self.people.post("/Users/.search", {"schemas": [SEARCH], "count": 4, "startIndex": 3,
                                                    "filter": "userName pr", "attributes": ["userName"]})
        body = self.ok(reply)
        self.assertEqual((body["totalResults"], body["startIndex"], len(body["Resources"])), (25, 3, 4))
        self.assertEqual(set(body["Resources"][0]), {"id", "schemas", "userName"})

    def test_search_at_the_root_covers_all_types(self):
        org = self.org()
        made = {org.user("u")["id"], org.group("g")["id"]}
        body = self.ok(org.post("/.search", {"schemas": [SEARCH]}))
        self.assertEqual({r["id"] for r in body["Resources"]}, made)

    def test_search_message_is_checked(self):
        for body in ({"schemas": [SEARCH], "count": "x"}, {"schemas": [SEARCH], "filter": 5},
                     {"schemas": [SEARCH], "filter": "userName eq"}, {"schemas": [SEARCH], "attributes": "userName",
                                                                     "excludedAttributes": "id"}):
            self.refused(self.people.post("/Users/.search", body), 400)

    def test_default_page_is_large_enough(self):
        org = self.org()
        for n in range(101):
            org.user(f"u{n}")
        self.assertGreaterEqual(len(self.ok(org.get("/Users"))["Resources"]), 100)


class Cursor(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.people = cls.daemon.org("strict")
        cls.order = [cls.people.user(f"user{n:03}", title="odd" if n % 2 else "even",
                                     displayName=f"D{(n * 37) % 60:02}")["id"] for n in range(60)]

    def test_walk_holds_everything_once(self):
        for size in (1, 7, 30, 60, 61):
            pages = walk(self.people, count=size)
            self.assertEqual(sorted(ids(pages)), sorted(self.order))
            self.assertNotIn("previousCursor", pages[0])
            self.assertNotIn("nextCursor", pages[-1])
            for page in pages:
                self.assertEqual(page["schemas"], [LIST])
                self.assertLessEqual(len(page["Resources"]), size)
                self.assertEqual(page.get("totalResults", 60), 60)
                if "nextCursor" in page:
                    self.assertLessEqual(set(page["nextCursor"]), UNRESERVED)

    def test_with_filter_sort_and_projection(self):
        pages = walk(self.people, count=7, filter='title eq "odd"', attributes="userName")
        self.assertEqual(len(ids(pages)), 30)
        self.assertNotIn("title", pages[0]["Resources"][0])
        for order in ("ascending", "descending"):
            pages = walk(self.people, count=7, sortBy="displayName", sortOrder=order)
            shown = [item["displayName"] for page in pages for item in page["Resources"]]
            self.assertEqual(shown, sorted(shown, reverse=order == "descending"))
            self.assertEqual(len(set(ids(pages))), 60)

    def test_a_page_can_be_read_again(self):
        first = self.people.find("/Users", cursor="", count=10).json
        second = self.people.find("/Users", cursor=first["nextCursor"], count=10)
        again = self.people.find("/Users", cursor=first["nextCursor"], count=10)
        self.assertEqual(second.ids, again.ids)

    def test_previous_cursor(self):
        pages = walk(self.people, count=20)
        for before, page in zip(pages, pages[1:]):
            if "previousCursor" in page:
                back = self.ok(self.people.find("/Users", cursor=page["previousCursor"], count=20))
                self.assertEqual([r["id"] for r in back["Resources"]], [r["id"] for r in before["Resources"]])

    def test_by_search(self):
        got, cursor = [], ""
        while cursor is not None:
            body = self.ok(self.people.post("/Users/.search", {"schemas": [SEARCH], "cursor": cursor, "count": 25}))
            got += [r["id"] for r in body["Resources"]]
            cursor = body.get("nextCursor")
        self.assertEqual(sorted(got), sorted(self.order))

    def test_groups_too(self):
        org = self.org("strict")
        made = [org.group(f"g{n}")["id"] for n in range(12)]
        self.assertEqual(sorted(ids(walk(org, "/Groups", count=5))), sorted(made))

    def test_no_match(self):
        body = self.ok(self.people.find("/Users", 'userName eq "nobody"', cursor=""))
        self.assertFalse(body.get("Resources"))
        self.assertNotIn("nextCursor", body)

    def test_count_0_and_negative(self):
        for count in (0, -1):
            body = self.ok(self.people.find("/Users", cursor="", count=count))
            self.assertFalse(body.get("Resources"))
            self.assertEqual(body.get("totalResults"), 60)

    def test_published(self):
        paging = self.people.get("/ServiceProviderConfig")["pagination"]
        self.assertIs(paging["cursor"], True)
        self.assertIs(paging["index"], True)
        self.assertEqual(paging.get("defaultPaginationMethod"), "index")
        self.assertIn("startIndex", self.people.get("/Users").json)

    def test_tampered(self):
        cursor = self.people.find("/Users", cursor="", count=10)["nextCursor"]
        dice = random.Random(4)
        for n in range(200):
            at = dice.randrange(len(cursor))
            other = dice.choice(sorted(UNRESERVED - {cursor[at]}))
            forged = cursor[:at] + other + cursor[at + 1:]
            if _same_bytes(forged, cursor):
                continue
            self.refused(self.people.find("/Users", cursor=forged, count=10), 400, "invalidCursor")
        for forged in ("x", cursor[:-1], cursor + "A", cursor * 2, "A" * len(cursor), cursor[:20], "0", "%", "ü",
                       cursor.swapcase(), "A" * 5000, NOWHERE):
            reply = self.people.find("/Users", cursor=forged, count=10)
            self.assertIn(reply.status, (400, 414))
            if reply.status == 400:
                self.refused(reply, 400, "invalidCursor")

    def test_bound_to_the_org_and_caller(self):
        cursor = self.people.find("/Users", cursor="", count=10)["nextCursor"]
        other = self.daemon.org("strict")
        other.user("x")
        self.refused(other.find("/Users", cursor=cursor, count=10), 400, "invalidCursor")
        second = self.people.another("second", "strict")
        self.refused(second.find("/Users", cursor=cursor, count=10), 400, "invalidCursor")
        self.ok(self.people.find("/Users", cursor=cursor, count=10))

    def test_bound_to_the_query(self):
        cursor = self.people.find("/Users", 'title eq "odd"', cursor="", count=10)["nextCursor"]
        for changed in ({"filter": 'title eq "even"'}, {"filter": "title pr"}, {},
                        {"filter": 'title eq "odd"', "sortBy": "userName"}):
            self.refused(self.people.find("/Users", cursor=cursor, count=10, **changed), 400, "invalidCursor")
        self.refused(self.people.find("/Groups", 'displayName eq "odd"', cursor=cursor, count=10), 400, "invalidCursor")
        self.ok(self.people.find("/Users", 'title eq "odd"', cursor=cursor, count=10))

    def test_needs_a_valid_token(self):
        cursor = self.people.find("/Users", cursor="", count=10)["nextCursor"]
        self.refused(self.people.with_token("rst_wrong").find("/Users", cursor=cursor, count=10), 401)

    def test_survives_a_restart(self):
        """Stateless: the server keeps nothing about a cursor."""
        first = self.people.find("/Users", cursor="", count=30)
        self.daemon.end()
        self.daemon.start()
        second = self.people.find("/Users", cursor=first["nextCursor"], count=30)
        self.assertEqual(sorted(first.ids + second.ids), sorted(self.order))

    def test_index_and_cursor_together(self):
        reply = self.people.find("/Users", cursor="", startIndex=2, count=5)
        self.assertIn(reply.status, (200, 400))

    def test_where_it_stood_may_go(self):
        """The resource at which a page ended is deleted; the next page goes on all the same."""
        org = self.org("strict")
        made = [org.user(f"u{n}")["id"] for n in range(30)]
        for parameters in ({}, {"sortBy": "userName"}):
            first = org.find("/Users", cursor="", count=10, **parameters)
            gone = first.ids[-1]
            org.delete("/Users/" + gone)
            got, cursor = [], first["nextCursor"]
            while cursor is not None:
                body = self.ok(org.find("/Users", cursor=cursor, count=10, **parameters))
                got += [r["id"] for r in body["Resources"]]
                cursor = body.get("nextCursor")
            self.assertEqual(sorted(first.ids + got), sorted(made))
            made.remove(gone)

    def test_nothing_that_stays_is_missed_or_seen_twice_while_others_write(self):
        org = self.org("strict")
        stay = {org.user(f"stay{n:03}", displayName=f"S{n % 50:02}")["id"] for n in range(200)}
        stop = threading.Event()

        def churn(number):
            made, n = [], 0
            while not stop.is_set():
                n += 1
                made.append(org.user(f"x{number}-{n}", displayName=f"S{n % 50:02}")["id"])
                if len(made) > 5:
                    org.delete("/Users/" + made.pop(random.randrange(len(made))))

        threads = [threading.Thread(target=churn, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        try:
            for parameters in ({}, {"sortBy": "displayName"}, {"sortBy": "userName", "sortOrder": "descending"},
                               {"filter": "userName pr"}, {"filter": 'userName sw "stay"'},
                               {"filter": 'displayName ge "S"', "sortBy": "displayName", "sortOrder": "descending"}):
                for _ in range(3):
                    seen = [i for i in ids(walk(org, count=17, **parameters)) if i in stay]
                    self.assertEqual(len(seen), len(set(seen)), f"twice: {parameters}")
                    self.assertEqual(set(seen), stay, f"missed: {parameters}")
        finally:
            stop.set()
            for thread in threads:
                thread.join()


def _same_bytes(a, b):
    """Whether two texts are one in base64 (the last character has spare bits)."""
    def decoded(text):
        try:
            return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        except ValueError:
            return text
    return decoded(a) == decoded(b)


class Expiry(SystemTest):
    config = {"scim.cursor_timeout": 1}

    def test_expired(self):
        org = self.org("strict")
        for n in range(5):
            org.user(f"u{n}")
        first = org.find("/Users", cursor="", count=2)
        self.ok(org.find("/Users", cursor=first["nextCursor"], count=2))
        time.sleep(2.2)
        self.refused(org.find("/Users", cursor=first["nextCursor"], count=2), 400, "expiredCursor")
        self.assertEqual(org.get("/ServiceProviderConfig")["pagination"].get("cursorTimeout"), 1)


if __name__ == "__main__":
    main()
