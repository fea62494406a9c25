"""Resource types of our own are SCIM resources like Users and Groups: for each of them versions, PUT, PATCH, pages, cursors, filters,
sorting, projection and search, by one table."""

import collections
import urllib.parse

from living import LivingTest, OURS, PATCH, replaced
from harness import NOWHERE, SEARCH, main

COUNT = 7


def texts(test):
    stem = test.name("v")
    return [f"{stem} {letter}" for letter in "abcdefgh"]


def policies(test):
    return ['{"name": "%s"}' % text for text in texts(test)]


def times(_):
    return [f"20{year}-01-01T00:00:00Z" for year in range(40, 48)]


# Where the type lives; how a resource is made (number -> body), None where there is exactly one; an attribute that can be left out,
# by which all the rest is tried; what makes its values, in rising order.
Type = collections.namedtuple("Type", "base make attribute values", defaults=("description", texts))

TYPES = {
    "Workspace": Type("org", lambda t, n: {"displayName": t.name("w")}),
    "Project": Type("org", lambda t, n: {"displayName": t.name("p"), "parent": {"value": t.space}}),
    "Role": Type("org", lambda t, n: {"name": t.name("org/r"), "permissions": ["org.view"]}),
    "Assignment": Type("org", lambda t, n: {"principal": {"value": t.org_.make("user")}, "role": "workspace/viewer",
                                            "scope": {"value": t.space}}, "end", times),
    "Invitation": Type("org", lambda t, n: {"kind": "email", "address": t.name("g") + "@guests.test"}, "message"),
    "Connection": Type("org", lambda t, n: {"name": t.name("c")}),
    "Token": Type("org", lambda t, n: {"kind": "key", "permissions": ["org.view"], "owner": {"value": t.org_.make("user")}},
                  "displayName"),
    "Settings": Type("org", None, "policies", policies),
    "Person": Type("platform", lambda t, n: {"userName": t.name("person")}, "displayName"),
    "Organization": Type("platform", lambda t, n: {"key": t.name("made-"), "creator": {"value": t.org_.owner.id}}, "externalId"),
    "platform Token": Type("platform", lambda t, n: {"kind": "personal", "owner": {"value": t.org_.owner.id}}, "displayName"),
}


class Types(LivingTest):
    def setUp(self):
        super().setUp()
        self.org_ = self.living("standard")
        self.space = self.org_.make("workspace")

    # ---- One type ----

    def enter(self, name):
        """Makes what the tests of a type need."""
        self.type, self.word = TYPES[name], name.split()[-1]
        self.values = self.type.values(self)
        self.attribute = self.type.attribute
        prefix = self.org_.base if self.type.base == "org" else "/scim/v2"
        [self.endpoint] = [item["endpoint"] for item in self.allowed(
            self.send(self.operator, "GET", prefix + "/ResourceTypes"))["Resources"] if item["name"] == self.word]
        self.path = prefix + self.endpoint
        if self.type.make is None:
            self.ids = [self.get("")["Resources"][0]["id"]]
        else:
            self.ids = [self.made(number) for number in range(COUNT)]

    def made(self, number):
        return self.allowed(self.send(self.operator, "POST", self.path, {
            "schemas": [OURS + self.word], **self.type.make(self, number)}))["id"]

    def ask(self, method, rest, body=None, **headers):
        return self.send(self.operator, method, self.path + rest, body,
                         headers={name.replace("_", "-"): value for name, value in headers.items()})

    def get(self, rest, **parameters):
        query = urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)
        return self.allowed(self.ask("GET", rest + ("?" + query if query else "")))

    def set(self, id, value):
        self.allowed(self.ask("PATCH", f"/{id}", replaced(self.attribute, value)))

    def mine(self, found):
        """The ids of a list that are of this test's making, in the list's order."""
        return [item["id"] for item in found.get("Resources", []) if item["id"] in self.ids]

    def each(self, check):
        for name in TYPES:
            with self.subTest(type=name):
                self.enter(name)
                check()

    def several(self, check):
        for name, row in TYPES.items():
            if row.make is not None:
                with self.subTest(type=name):
                    self.enter(name)
                    for id, value in zip(self.ids, self.values):
                        self.set(id, value)
                    check()

    # ---- Versions ----

    def test_versions(self):
        self.each(self.check_versions)

    def check_versions(self):
        path = "/" + self.ids[0]
        first = self.ask("GET", path)
        tag = first.headers["etag"]
        self.assertEqual(first.json["meta"]["version"], tag)
        self.assertEqual(first.json["meta"]["resourceType"], self.word)
        self.assertEqual(first.json["meta"]["location"], self.daemon.url + self.path + path)
        same = self.ask("GET", path, If_None_Match=tag)
        self.assertEqual((same.status, same.raw, same.headers["etag"]), (304, b"", tag))
        changed = self.ask("PATCH", path, replaced(self.attribute, self.values[0]), If_Match=tag)
        self.assertEqual(changed.status, 200, changed)
        fresh = changed.headers["etag"]
        self.assertNotEqual(fresh, tag)
        self.assertEqual(self.ask("GET", path, If_None_Match=tag).status, 200)
        for method, body in (("PATCH", replaced(self.attribute, self.values[1])),
                             ("PUT", {**changed.json, self.attribute: self.values[1]}), ("DELETE", None)):
            reply = self.ask(method, path, body, If_Match=tag)
            self.assertIn(reply.status, (412, 405) if method == "DELETE" and self.type.make is None else (412,), f"{method}: {reply}")
        self.assertEqual(self.ask("GET", path).headers["etag"], fresh, "refused, and changed nothing")
        self.assertEqual(self.get(path)[self.attribute], self.values[0])
        put = self.ask("PUT", path, {**changed.json, self.attribute: self.values[1]}, If_Match=fresh)
        self.assertEqual((put.status, put.json.get(self.attribute)), (200, self.values[1]), put)
        self.assertNotIn(put.headers["etag"], (tag, fresh))

    # ---- PUT and PATCH ----

    def test_put(self):
        self.each(self.check_put)

    def check_put(self):
        path = "/" + self.ids[0]
        self.set(self.ids[0], self.values[0])
        whole = self.get(path)
        put = self.ask("PUT", path, whole)
        self.assertEqual((put.status, put.json), (200, whole), "what was read can be written back, and changes nothing")
        self.assertEqual(self.get(path), whole)
        less = {name: value for name, value in whole.items() if name != self.attribute}
        self.assertEqual(self.allowed(self.ask("PUT", path, less)).get(self.attribute), None)
        self.assertNotIn(self.attribute, self.get(path))
        self.assertEqual(self.allowed(self.ask("PUT", path, whole))[self.attribute], self.values[0])
        for body in ([], {**whole, self.attribute: {"value": 7}}):
            self.assertEqual(self.ask("PUT", path, body).status, 400, body)
        self.assertEqual(self.ask("PUT", "/" + NOWHERE, whole).status, 404)
        self.assertEqual(self.get(path)[self.attribute], self.values[0])

    def test_patch(self):
        self.each(self.check_patch)

    def check_patch(self):
        path = "/" + self.ids[0]

        def patch(*operations):
            return self.ask("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)})
        self.allowed(patch({"op": "add", "path": self.attribute, "value": self.values[0]}))
        self.assertEqual(self.get(path)[self.attribute], self.values[0])
        self.allowed(patch({"op": "replace", "value": {self.attribute: self.values[1]}}))
        self.assertEqual(self.get(path)[self.attribute], self.values[1])
        before = self.get(path)
        for wrong in ({"op": "replace", "path": "nonsense", "value": "x"}, {"op": "replace", "path": "id", "value": NOWHERE},
                      {"op": "shuffle", "path": self.attribute, "value": "x"}, {"op": "remove"}):
            reply = patch({"op": "replace", "path": self.attribute, "value": self.values[2]}, wrong)
            self.assertEqual(reply.status, 400, f"{wrong}: {reply}")
        self.assertEqual(self.get(path), before, "all of it or nothing")
        self.allowed(patch({"op": "remove", "path": self.attribute}))
        self.assertNotIn(self.attribute, self.get(path))

    # ---- Lists ----

    def test_pages(self):
        self.several(self.check_pages)

    def check_pages(self):
        total = self.get("")["totalResults"]
        self.assertGreaterEqual(total, COUNT)
        self.assertEqual(self.get("", count=0).get("Resources", []), [])
        seen = []
        for start in range(1, total + 1, 3):
            page = self.get("", startIndex=start, count=3)
            self.assertEqual((page["totalResults"], page["startIndex"], page["itemsPerPage"]),
                             (total, start, min(3, total - start + 1)))
            seen += [item["id"] for item in page["Resources"]]
        self.assertEqual((len(seen), len(set(seen))), (total, total), "each once")
        self.assertEqual(sorted(id for id in seen if id in self.ids), sorted(self.ids))
        self.assertEqual(self.get("", startIndex=total + 1).get("Resources", []), [])
        by_cursor, cursor = [], ""
        while cursor is not None:
            page = self.get("", cursor=cursor, count=3)
            self.assertLessEqual(len(page["Resources"]), 3)
            by_cursor += [item["id"] for item in page["Resources"]]
            cursor = page.get("nextCursor")
        self.assertEqual(by_cursor, seen)
        self.assertEqual(self.ask("GET", "?cursor=nonsense").status, 400)

    def test_filters(self):
        self.several(self.check_filters)

    def check_filters(self):
        attribute, values = self.attribute, self.values[:COUNT]
        by_value = dict(zip(values, self.ids))
        one = values[2]
        meant = {
            f'{attribute} eq "{one}"': [one],
            f'{attribute} gt "{one}" and {attribute} le "{values[5]}"': values[3:6],
            f'{attribute} eq "{values[0]}" or {attribute} eq "{values[6]}"': [values[0], values[6]],
            f'{attribute} pr and not ({attribute} ge "{one}")': values[:2],
            f'id eq "{by_value[one]}"': [one],
            f'id eq "{by_value[one]}" and {attribute} eq "{values[0]}"': [],
            f'meta.created gt "2001-01-01T00:00:00Z" and {attribute} lt "{one}"': values[:2],
            'meta.created lt "2001-01-01T00:00:00Z"': [],
        }
        for filter, wanted in meant.items():
            found = self.get("", filter=filter)
            self.assertEqual(sorted(self.mine(found)), sorted(by_value[value] for value in wanted), filter)
            if "pr" not in filter.split() and "gt" not in filter.split():
                self.assertEqual(found["totalResults"], len(wanted), filter)
            search = self.allowed(self.ask("POST", "/.search", {"schemas": [SEARCH], "filter": filter}))
            self.assertEqual(self.mine(search), self.mine(found), filter)
        for wrong in (f'{attribute} eq', f'{attribute} is "x"', "((", f'{attribute} eq "{one}'):
            reply = self.ask("GET", "?filter=" + urllib.parse.quote(wrong))
            self.assertEqual((reply.status, reply.json.get("scimType")), (400, "invalidFilter"), wrong)

    def test_sorting(self):
        self.several(self.check_sorting)

    def check_sorting(self):
        shuffled = [self.values[number * 3 % COUNT] for number in range(COUNT)]
        for id, value in zip(self.ids, shuffled):
            self.set(id, value)
        rising = [id for _, id in sorted(zip(shuffled, self.ids))]
        with_value = f"{self.attribute} pr"
        self.assertEqual(self.mine(self.get("", sortBy=self.attribute, filter=with_value)), rising)
        falling = self.get("", sortBy=self.attribute, sortOrder="descending", filter=with_value)
        self.assertEqual(self.mine(falling), rising[::-1])
        paged = [id for start in range(1, falling["totalResults"] + 1, 2) for id in self.mine(self.get(
            "", sortBy=self.attribute, filter=with_value, startIndex=start, count=2))]
        self.assertEqual(paged, rising)

    def test_projection(self):
        self.each(self.check_projection)

    def check_projection(self):
        path = "/" + self.ids[0]
        self.set(self.ids[0], self.values[0])
        self.assertEqual(set(self.get(path, attributes=self.attribute)), {"schemas", "id", self.attribute})
        without = self.get(path, excludedAttributes=self.attribute)
        self.assertEqual({**without, self.attribute: self.values[0]}, self.get(path))
        self.assertNotIn(self.attribute, without)
        for item in self.get("", attributes="meta.version")["Resources"]:
            self.assertEqual(set(item), {"schemas", "id", "meta"})

    # ---- Ends ----

    def test_deleted(self):
        self.several(self.check_deleted)

    def check_deleted(self):
        path = "/" + self.ids[0]
        confirm = "?confirm=1" if self.word == "Organization" else ""
        reply = self.ask("DELETE", path + confirm)
        self.assertEqual(reply.status, 204, reply)
        if self.word == "Organization":  # it has its time of grace
            self.assertEqual(self.get(path)["state"], "deleted")
        else:
            self.assertEqual(self.ask("GET", path).status, 404)
            self.assertEqual(self.ask("DELETE", path).status, 404)
            self.assertEqual(self.ask("PATCH", path, replaced(self.attribute, self.values[0])).status, 404)
            self.assertEqual(sorted(self.mine(self.get("", count=200))), sorted(self.ids[1:]))

    def test_schemas(self):
        """Each is described where it is found; what a resource shows is in its schema."""
        for name in TYPES:
            with self.subTest(type=name):
                self.enter(name)
                prefix = self.path.removesuffix(self.endpoint)
                schema = self.allowed(self.send(self.operator, "GET", f"{prefix}/Schemas/{OURS}{self.word}"))
                told = {attribute["name"] for attribute in schema["attributes"]} | {"schemas", "id", "externalId", "meta"}
                self.set(self.ids[0], self.values[0])
                self.assertLessEqual(set(self.get("/" + self.ids[0])), told)
                self.assertIn(self.attribute, told)


if __name__ == "__main__":
    main()
