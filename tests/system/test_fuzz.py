"""Odd requests without end: whatever is sent, the answer is a SCIM error or a success, never a 500, and the daemon lives.

Valid requests are bent at random places (other types, huge numbers, foreign texts, missing and doubled members) and
bytes of them are changed. Best run on a build with sanitizers. ROSTER_SEED, ROSTER_SECONDS.
"""

import copy
import json
import os
import random
import time
import urllib.parse

from harness import BULK, ENTERPRISE, ERROR, GROUP, NOWHERE, PATCH, SEARCH, USER, SystemTest, main

ODD = [None, True, False, 0, -1, 1, 2 ** 31, 2 ** 63, -2 ** 63, 2 ** 64, 1.5, 1e308, -0.0, "", " ", "a", "\u0000", "\ud800", "\ufeff",
       "x" * 1025, "ü" * 600, "\U0001F600", "\u202e", "true", "True", "null", "[]", "{}", "%", "..", "/", "\\", "\"", "'", "bulkId:",
       "bulkId:b0", "bulkId:b9", "W/\"1\"", "2011-05-13T04:42:34Z", "0001-01-01T00:00:00Z", "9999-99-99T99:99:99Z", "AQID", "=", NOWHERE,
       NOWHERE.upper(), USER, ENTERPRISE, GROUP, PATCH, [], {}, [[]], [{}], [None], [1, "a"], {"value": None}, {"a": {"b": {"c": []}}},
       [{"value": NOWHERE}], [{"value": "x", "primary": True}] * 3, {"": ""}, {"$ref": "x"}, "emails[type eq \"work\"]", "members",
       "emails[type eq \"work\"].value", "members[value eq \"x\"]", "schemas", "id", "meta", "groups", "password", "name.", ".name",
       "urn:", USER + ":", USER + ":emails[", ENTERPRISE + ":manager.value", ENTERPRISE, "add", "Replace", "REMOVE", "move", "POST"]
WORDS = ["userName", "displayName", "emails", "emails.value", "emails.type", "active", "meta.created", "groups", "members.value", "id",
         "externalId", "schemas", "name.familyName", "password", USER + ":userName", ENTERPRISE + ":manager.value", "manager", "x509Certificates",
         "eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le", "pr", "and", "or", "not", "not(", "(", ")", "[", "]", "\"a\"", "\"", "true",
         "false", "null", "1", "-1e9", "1.5", ".value", "\"\\u0000\"", "\"\\ud800\"", "\"2011-05-13T04:42:34Z\"", "type eq \"work\"", ",", ":"]


class Fuzz(SystemTest):
    config = {"guard.enabled": False, "access_log": False, "limits.body": "256 KiB", "scim.bulk_payload": "256 KiB"}

    def bodies(self):
        user = {"schemas": [USER, ENTERPRISE], "userName": "fuzz", "active": True, "password": "pw", "externalId": "e",
                "name": {"givenName": "a", "familyName": "b"}, "emails": [{"value": "a@b.example", "type": "work", "primary": True}],
                "x509Certificates": [{"value": "AQID"}], "profileUrl": "https://a.example/", "roles": [{"value": "r"}],
                "addresses": [{"type": "work", "country": "DE"}],
                ENTERPRISE: {"department": "d", "manager": {"value": self.dice.choice(self.ids)}}}
        group = {"schemas": [GROUP], "displayName": "fuzz", "members": [{"value": self.dice.choice(self.ids), "type": "User"}]}
        patch = {"schemas": [PATCH], "Operations": [
            {"op": "add", "path": "emails", "value": [{"value": "x@y.example", "type": "home"}]},
            {"op": "replace", "path": 'emails[type eq "work"].value', "value": "n@y.example"},
            {"op": "replace", "value": {"title": "t", "name": {"givenName": "g"}}}, {"op": "remove", "path": "nickName"},
            {"op": "add", "path": "members", "value": [{"value": self.dice.choice(self.ids)}]},
            {"op": "remove", "path": f'members[value eq "{self.dice.choice(self.ids)}"]'}]}
        patch["Operations"] = self.dice.sample(patch["Operations"], self.dice.randrange(1, 4))
        bulk = {"schemas": [BULK], "failOnErrors": 3, "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": "b0", "data": user},
            {"method": "POST", "path": "/Groups", "bulkId": "b1", "data": {**group, "members": [{"value": "bulkId:b0"}]}},
            {"method": "PATCH", "path": "/Users/bulkId:b0", "data": patch},
            {"method": "PUT", "path": "/Groups/" + self.dice.choice(self.ids), "version": "W/\"1\"", "data": group},
            {"method": "DELETE", "path": "/Users/" + NOWHERE}]}
        search = {"schemas": [SEARCH], "filter": self.filter(), "startIndex": 1, "count": 5, "sortBy": "userName",
                  "attributes": ["userName"], "cursor": ""}
        one = self.dice.choice(self.ids)
        return self.dice.choice([("POST", "/Users", user), ("PUT", "/Users/" + one, user), ("PATCH", "/Users/" + one, patch),
                                 ("POST", "/Groups", group), ("PUT", "/Groups/" + one, group), ("PATCH", "/Groups/" + one, patch),
                                 ("POST", "/Bulk", bulk), ("POST", "/Users/.search", search), ("POST", "/.search", search)])

    def filter(self):
        return " ".join(self.dice.choice(WORDS) for _ in range(self.dice.randrange(1, 9)))

    def bend(self, document):
        """A copy with a few things changed."""
        document = copy.deepcopy(document)
        places = []

        def collect(item):
            if isinstance(item, (dict, list)):
                for key in list(item.keys() if isinstance(item, dict) else range(len(item))):
                    places.append((item, key))
                    collect(item[key])
        collect(document)
        for _ in range(self.dice.choice([0, 1, 1, 1, 2, 4])):
            holder, key = self.dice.choice(places)
            roll = self.dice.random()
            try:
                if roll < 0.7:
                    holder[key] = copy.deepcopy(self.dice.choice(ODD))
                elif roll < 0.8:
                    del holder[key]
                elif isinstance(holder, dict):
                    holder[str(self.dice.choice(ODD))[:50]] = holder[key]
                else:
                    holder.extend([copy.deepcopy(holder[key])] * self.dice.choice([1, 3, 200]))
            except (KeyError, IndexError):
                pass
        return document

    def test_odd_requests(self):
        seed = os.environ.get("ROSTER_SEED") or str(random.randrange(10 ** 9))
        print(f"seed {seed}", flush=True)
        self.dice = dice = random.Random(seed)
        orgs = [self.org(dialect) for dialect in ("tolerant", "strict", "interop")]
        per_org = []
        for org in orgs:
            users = [org.user(f"base{n}")["id"] for n in range(3)]
            per_org.append(users + [org.group("base", users)["id"], NOWHERE])
        end = time.monotonic() + float(os.environ.get("ROSTER_SECONDS", "30"))
        sent, seen = 0, {}
        while time.monotonic() < end:
            which = dice.randrange(3)
            org, self.ids = orgs[which], per_org[which]
            sent += 1
            if dice.random() < 0.2:
                names = ["filter", "sortBy", "sortOrder", "startIndex", "count", "cursor", "attributes", "excludedAttributes"]
                query = {name: self.filter() if name == "filter" else str(dice.choice(ODD + WORDS))
                         for name in dice.sample(names, dice.randrange(1, 4))}
                text = urllib.parse.urlencode(query, errors="surrogatepass") if dice.random() < 0.9 else "filter=%zz&count=%"
                method, path, raw = "GET", dice.choice(["/Users", "/Groups", "/", "/Users/" + self.ids[0], "/Schemas"]) + "?" + text, None
            else:
                method, path, body = self.bodies()
                raw = json.dumps(self.bend(body)).encode()
                if dice.random() < 0.15:
                    raw = bytearray(raw)
                    for _ in range(dice.randrange(1, 4)):
                        raw[dice.randrange(len(raw))] = dice.randrange(256)
                    raw = bytes(raw)
            context = f"seed {seed}, request {sent}: {method} {path} {raw}"
            try:
                reply = org.request(method, path, raw=raw, headers=dice.choice([None, {"If-Match": "W/\"1\""}, {"If-None-Match": "*"}])
                                    if dice.random() < 0.1 else None)
            except OSError as problem:
                self.fail(f"{problem}: {context}\n{self.daemon.faults() or self.daemon.log()[-2000:]}")
            seen[reply.status] = seen.get(reply.status, 0) + 1
            self.assertTrue(reply.status < 500 or reply.status == 501, f"{context}\n-> {reply}")
            if reply.status >= 400:
                self.assertEqual(reply["schemas"], [ERROR], f"{context}\n-> {reply}")
                self.assertTrue(reply["detail"], context)
            elif reply.raw:
                reply.json
        print(f"{sent} requests: {dict(sorted(seen.items()))}", flush=True)
        for org in orgs:  # whatever was stored can be read and put back
            for kind in ("/Users", "/Groups"):
                for shown in org.everything(kind):
                    again = org.put(f"{kind}/{shown['id']}", shown)
                    self.assertEqual(again.status, 200, f"seed {seed}: what was read is refused: {shown}\n-> {again}")
                    self.assertEqual(again["meta"]["version"], shown["meta"]["version"], f"seed {seed}: {shown}\n-> {again}")
        self.assertEqual(self.daemon.verify(), "")
        self.assertGreater(seen.get(201, 0), 5)


if __name__ == "__main__":
    main()
