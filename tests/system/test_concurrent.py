"""Many clients at once: no update is lost, no rule is broken by a race."""

import os

from harness import BULK, USER, SystemTest, in_threads, main

MEMBERS = int(os.environ.get("ROSTER_MEMBERS", "10000"))
CLIENTS = 64


def people(org, count, prefix="p"):
    ids = []
    for start in range(0, count, 500):
        reply = org.post("/Bulk", {"schemas": [BULK], "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": f"b{n}", "data": {"schemas": [USER], "userName": f"{prefix}{n}"}}
            for n in range(start, min(start + 500, count))]})
        assert reply.status == 200, reply
        ids += [operation["location"].rsplit("/", 1)[1] for operation in reply["Operations"]]
    return ids


class Concurrent(SystemTest):
    config = {"guard.enabled": False, "access_log": False}

    def test_64_clients_patch_one_group(self):
        """10,000 different members, one to a request for half of the clients, several for the others."""
        org = self.org()
        ids = people(org, MEMBERS)
        group = org.group("everybody")["id"]
        path = f"/Groups/{group}?attributes=id"

        def client(number):
            mine, statuses = ids[number::CLIENTS], set()
            size = 1 if number % 2 else 7
            for start in range(0, len(mine), size):
                statuses.add(org.patch(path, {"op": "add", "path": "members", "value": [
                    {"value": member} for member in mine[start:start + size]]}).status)
            org.close()
            return statuses

        self.assertEqual(set().union(*in_threads([lambda n=n: client(n) for n in range(CLIENTS)])), {200})
        listed = [member["value"] for member in org.get("/Groups/" + group)["members"]]
        self.assertEqual(len(listed), len(set(listed)), "somebody is there twice")
        self.assertEqual(set(listed), set(ids), "somebody was lost")

        def leave(number):
            for member in ids[number:MEMBERS // 5:CLIENTS]:
                self.assertEqual(org.patch(path, {"op": "remove", "path": f'members[value eq "{member}"]'}).status, 200)
            org.close()

        in_threads([lambda n=n: leave(n) for n in range(CLIENTS)])
        self.assertEqual({member["value"] for member in org.get("/Groups/" + group)["members"]}, set(ids[MEMBERS // 5:]))
        self.assertEqual(self.daemon.verify(), "")

    def test_one_user_name_is_given_once(self):
        org = self.org()
        for round_ in range(10):
            name = f"Contested{round_}"
            spellings = [name, name.lower(), name.upper(), name.swapcase()]
            replies = in_threads([lambda n=n: org.post("/Users", {"schemas": [USER], "userName": spellings[n % 4]})
                                  for n in range(16)])
            self.assertEqual(sorted(reply.status for reply in replies), [201] + [409] * 15)
        self.assertEqual(org.find("/Users")["totalResults"], 10)

    def test_renames_to_one_name(self):
        org = self.org()
        ids = people(org, 16)
        replies = in_threads([lambda i=i: org.patch("/Users/" + i, {"op": "replace", "path": "userName", "value": "WINNER"})
                              for i in ids])
        self.assertEqual(sorted(reply.status for reply in replies), [200] + [409] * 15)

    def test_one_group_name_is_given_once_when_tolerant(self):
        org = self.org()
        replies = in_threads([lambda n=n: org.post("/Groups", {
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": ("Team", "TEAM")[n % 2]})
            for n in range(16)])
        self.assertEqual(sorted(reply.status for reply in replies), [201] + [409] * 15)

    def test_delete_and_add_leave_no_dangling_edge(self):
        org = self.org()
        group = "/Groups/" + org.group("g")["id"]
        for round_ in range(20):
            user = org.user(f"u{round_}")["id"]
            replies = in_threads([
                lambda: org.delete("/Users/" + user),
                lambda: org.patch(group, {"op": "add", "path": "members", "value": [{"value": user}]})])
            self.assertEqual(replies[0].status, 204)
            self.assertIn(replies[1].status, (200, 400))
        self.assertFalse(org.get(group).json.get("members"))
        self.assertEqual(self.daemon.verify(), "")

    def test_patches_of_one_user_by_many(self):
        """Each appends its own address: all are there."""
        org = self.org()
        path = "/Users/" + org.user("ada")["id"]
        replies = in_threads([lambda n=n: org.patch(path, {"op": "add", "path": "emails",
                                                           "value": [{"value": f"{n}@example.com"}]}) for n in range(50)])
        self.assertEqual({reply.status for reply in replies}, {200})
        self.assertEqual({mail["value"] for mail in org.get(path)["emails"]}, {f"{n}@example.com" for n in range(50)})

    def test_readers_see_whole_states(self):
        """A PATCH that swaps two attributes is never seen by half."""
        org = self.org()
        path = "/Users/" + org.user("swap", title="a", nickName="a")["id"]

        def write():
            for n in range(150):
                value = "ab"[n % 2] * (1 + n)
                org.patch(path, {"op": "replace", "value": {"title": value, "nickName": value}})

        def read():
            for _ in range(300):
                body = org.get(path).json
                self.assertEqual(body["title"], body["nickName"])

        in_threads([write, read, read])


if __name__ == "__main__":
    main()
