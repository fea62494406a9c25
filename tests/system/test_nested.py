"""Groups in groups: cycles are refused, a user's `groups` are direct and indirect (RFC 7643 sections 4.1.2, 4.2)."""

import random

from harness import GROUP, NOWHERE, USER, SystemTest, in_threads, main


def groups_of(org, user):
    return {g["value"]: g["type"] for g in org.get("/Users/" + user).json.get("groups", [])}


class Nested(SystemTest):
    def test_direct_and_indirect(self):
        for org in self.dialects():
            ada = org.user("ada")["id"]
            inner = org.group("inner", [ada])["id"]
            middle = org.group("middle", [inner])["id"]
            outer = org.group("outer", [middle])["id"]
            self.assertEqual(groups_of(org, ada), {inner: "direct", middle: "indirect", outer: "indirect"})
            shown = {g["value"]: g for g in org.get("/Users/" + ada)["groups"]}
            self.assertEqual(shown[outer]["$ref"], f"{org.base}/Groups/{outer}")
            self.assertEqual(shown[outer]["display"], "outer")
            self.assertEqual(org.get("/Groups/" + middle)["members"][0]["type"], "Group")
            self.assertEqual(org.get("/Groups/" + middle)["members"][0]["$ref"], f"{org.base}/Groups/{inner}")
            org.patch("/Groups/" + middle, {"op": "remove", "path": "members"})
            self.assertEqual(groups_of(org, ada), {inner: "direct"})

    def test_two_ways_count_once_and_direct_wins(self):
        for org in self.dialects():
            ada = org.user("ada")["id"]
            left, right = org.group("left", [ada])["id"], org.group("right", [ada])["id"]
            top = org.group("top", [left, right, ada])["id"]
            shown = org.get("/Users/" + ada)["groups"]
            self.assertEqual(len(shown), 3)
            self.assertEqual(groups_of(org, ada), {left: "direct", right: "direct", top: "direct"})

    def test_cycles_are_refused(self):
        for org in self.dialects("tolerant", "strict", "interop"):
            a = org.group("a")["id"]
            b = org.group("b", [a])["id"]
            c = org.group("c", [b])["id"]
            for group, member in ((a, a), (a, b), (a, c), (b, c)):
                for send in (lambda: org.patch("/Groups/" + group, {"op": "add", "path": "members",
                                                                    "value": [{"value": member}]}),
                             lambda: org.put("/Groups/" + group, {
                                 "schemas": [GROUP], "displayName": {a: "a", b: "b"}[group],
                                 "members": [{"value": member}]})):
                    reply = send()
                    self.assertIn(reply.status, (400, 409), reply)
                    self.assertTrue(reply["detail"])
            self.assertFalse(org.get("/Groups/" + a).json.get("members"))
            self.assertEqual(org.get("/Groups/" + b)["members"][0]["value"], a)
            # what was a cycle is none once the edge is gone
            org.patch("/Groups/" + b, {"op": "remove", "path": "members"})
            self.assertIn(org.patch("/Groups/" + a, {"op": "add", "path": "members",
                                                     "value": [{"value": c}]}).status, (200, 204))

    def test_a_cycle_made_by_two_at_once_is_refused(self):
        org = self.org()
        for round_ in range(15):
            a, b = org.group(f"a{round_}")["id"], org.group(f"b{round_}")["id"]
            replies = in_threads([
                lambda g=g, m=m: org.patch("/Groups/" + g, {"op": "add", "path": "members", "value": [{"value": m}]})
                for g, m in ((a, b), (b, a))])
            self.assertEqual(sum(r.status in (200, 204) for r in replies), 1, replies)

    def test_a_patch_that_moves_an_edge_is_no_cycle(self):
        """Operations apply in order: the edge that would close the cycle is removed first."""
        org = self.shared()
        a = org.group("mover-a")["id"]
        b = org.group("mover-b", [a])["id"]
        got = self.patched(org, "/Groups/" + b, {"op": "remove", "path": "members"},
                           {"op": "replace", "path": "displayName", "value": "mover-c"})
        self.assertFalse(got.get("members"))

    def test_deep_chain(self):
        org = self.org()
        ada = org.user("ada")["id"]
        chain, last = [], ada
        for n in range(60):
            last = org.group(f"g{n}", [last])["id"]
            chain.append(last)
        found = groups_of(org, ada)
        self.assertEqual(set(found), set(chain))
        self.assertEqual(found[chain[0]], "direct")
        self.assertEqual({found[g] for g in chain[1:]}, {"indirect"})
        self.assertIn(org.patch("/Groups/" + chain[0], {"op": "add", "path": "members",
                                                        "value": [{"value": chain[-1]}]}).status, (400, 409))

    def test_random_graph(self):
        """A random acyclic graph against a closure computed here."""
        dice = random.Random(11)
        org = self.org()
        users = [org.user(f"u{n}")["id"] for n in range(10)]
        groups, members = [], {}
        for n in range(25):
            pick = dice.sample(users, dice.randrange(3)) + dice.sample(groups, min(len(groups), dice.randrange(4)))
            groups.append(org.group(f"g{n}", pick)["id"])
            members[groups[-1]] = set(pick)
        for user in users:
            direct = {g for g in groups if user in members[g]}
            every, grown = set(direct), True
            while grown:
                more = {g for g in groups if members[g] & every} | every
                grown, every = more != every, more
            self.assertEqual(groups_of(org, user), {g: "direct" if g in direct else "indirect" for g in every})
        self.assertEqual(org.daemon.verify(), "")

    def test_groups_is_read_only(self):
        for org in self.dialects():
            group = org.group("g")["id"]
            user = org.user("ada", groups=[{"value": group}])
            self.assertEqual(groups_of(org, user["id"]), {})
            self.ok(org.put("/Users/" + user["id"], {"schemas": [USER], "userName": "ada",
                                                     "groups": [{"value": group}]}))
            self.assertEqual(groups_of(org, user["id"]), {})
            self.refused(org.patch("/Users/" + user["id"], {"op": "add", "path": "groups",
                                                            "value": [{"value": group}]}), 400, "mutability")


if __name__ == "__main__":
    main()
