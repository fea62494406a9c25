"""kill -9 at random moments under load: what was acknowledged is there, nothing is there by half.

What the daemon acknowledged is kept in this process, which is not the one that dies. ROSTER_KILLS sets the number
of kills (20). With ROSTER_BROKEN naming a build made with --enable-broken-commit, which answers before the commit,
the same test must find losses: that shows that it can.
"""

import http.client
import os
import pathlib
import random
import threading
import time
import unittest

from harness import BULK, GROUP, USER, Daemon, SystemTest, main

KILLS = int(os.environ.get("ROSTER_KILLS", "20"))


class Client(threading.Thread):
    """One client with users and a group of its own, and the record of what it was told."""

    def __init__(self, org, number, seed):
        super().__init__()
        self.org, self.number = org, number
        self.dice = random.Random(f"{seed}/{number}")
        self.users = {}     # name -> {"id", "titles": what may be there}
        self.members = {}   # id -> the memberships that may be there: {True}, {False} or both
        self.unsure = set() # names that may or may not be there
        self.groups = {}    # name -> the set of members it was made with; None: unsure
        self.group = None
        self.acknowledged = 0
        self.made = 0
        self.problem = None
        self.stop = threading.Event()

    def send(self, method, path, body=None):
        reply = self.org.request(method, path, body)
        if reply.status >= 300:
            raise AssertionError(f"{method} {path} {body}: {reply}")
        self.acknowledged += 1
        return reply

    def create(self):
        self.made += 1
        name = f"c{self.number}-{self.made}"
        self.unsure.add(name)
        reply = self.send("POST", "/Users", {"schemas": [USER], "userName": name, "title": "0", "displayName": name,
                                             "emails": [{"value": name + "@example.com", "type": "work"}]})
        self.unsure.discard(name)
        self.users[name] = {"id": reply["id"], "titles": {"0"}}

    def bulk(self):
        names = []
        for _ in range(self.dice.randrange(2, 12)):
            self.made += 1
            names.append(f"c{self.number}-{self.made}")
        self.unsure.update(names)
        reply = self.send("POST", "/Bulk", {"schemas": [BULK], "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": name,
             "data": {"schemas": [USER], "userName": name, "title": "0", "displayName": name,
                      "emails": [{"value": name + "@example.com", "type": "work"}]}} for name in names]})
        for name, result in zip(names, reply["Operations"]):
            assert result["status"] == "201", result
            self.unsure.discard(name)
            self.users[name] = {"id": result["location"].rsplit("/", 1)[1], "titles": {"0"}}

    def update(self):
        name = self.dice.choice(list(self.users))
        user = self.users[name]
        title = str(self.dice.randrange(10 ** 9))
        user["titles"].add(title)
        self.send("PATCH", "/Users/" + user["id"], {"Operations": [{"op": "replace", "path": "title", "value": title}],
                                                    "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]})
        user["titles"] = {title}

    def edge(self):
        user = self.users[self.dice.choice(list(self.users))]["id"]
        join = self.dice.random() < 0.7
        self.members.setdefault(user, {False}).add(join)
        operation = {"op": "add", "path": "members", "value": [{"value": user}]} if join else \
            {"op": "remove", "path": f'members[value eq "{user}"]'}
        self.send("PATCH", "/Groups/" + self.group, {"Operations": [operation],
                                                     "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"]})
        self.members[user] = {join}

    def new_group(self):
        self.made += 1
        name = f"g{self.number}-{self.made}"
        chosen = {self.users[n]["id"] for n in self.dice.sample(list(self.users), min(5, len(self.users)))}
        self.groups[name] = (chosen, False)
        self.send("POST", "/Groups", {"schemas": [GROUP], "displayName": name,
                                      "members": [{"value": m} for m in chosen]})
        self.groups[name] = (chosen, True)

    def delete(self):
        name = self.dice.choice(list(self.users))
        user = self.users.pop(name)
        self.unsure.add(name)
        if user["id"] in self.members:
            self.members[user["id"]].add(False)
        for group, (chosen, sure) in list(self.groups.items()):
            if user["id"] in chosen:  # such a group may have lost that member: not looked at any more
                del self.groups[group]
        self.send("DELETE", "/Users/" + user["id"])
        self.unsure.discard(name)
        self.members[user["id"]] = {False}

    def run(self):
        try:
            if self.group is None:
                self.made += 1
                self.group = self.send("POST", "/Groups", {"schemas": [GROUP],
                                                           "displayName": f"own{self.number}-{self.made}"})["id"]
            while not self.stop.is_set():
                if len(self.users) < 5:
                    self.create()
                    continue
                self.dice.choices([self.create, self.bulk, self.update, self.edge, self.new_group, self.delete],
                                  [30, 5, 30, 30, 5, 4])[0]()
        except (OSError, http.client.HTTPException):
            pass  # the daemon was killed under us: the last request is neither here nor there
        except BaseException as problem:  # noqa: looked at by the test
            self.problem = problem
        self.org.close()

    def again(self):
        """A fresh thread with the same record: the last, unanswered request stays unsure."""
        fresh = Client(self.org, self.number, self.dice.random())
        for name in ("users", "members", "unsure", "groups", "group", "acknowledged", "made"):
            setattr(fresh, name, getattr(self, name))
        return fresh

    def losses(self, users, groups):
        """What disagrees with the record. Certain again afterwards."""
        wrong = []
        by_name = {u["userName"]: u for u in users if u["userName"].startswith(f"c{self.number}-")}
        for name, mine in self.users.items():
            shown = by_name.get(name)
            if shown is None or shown["id"] != mine["id"]:
                wrong.append(f"user {name} is lost")
                continue
            if shown.get("title") not in mine["titles"]:
                wrong.append(f"user {name} has title {shown.get('title')}, not one of {mine['titles']}")
            mine["titles"] = {shown.get("title")}
        for name, shown in by_name.items():
            if name not in self.users and name not in self.unsure:
                wrong.append(f"user {name} is there though it was deleted")
            if shown.get("displayName") != name or len(shown.get("emails", [])) != 1 or "title" not in shown:
                wrong.append(f"user {name} is there by half: {shown}")
            if name in self.unsure:
                self.unsure.discard(name)
                self.users[name] = {"id": shown["id"], "titles": {shown.get("title")}}
        self.unsure.clear()
        own = next((g for g in groups if g["id"] == self.group), None)
        if own is None:
            if self.group is not None:
                wrong.append(f"the group of client {self.number} is lost")
        else:
            there = {m["value"] for m in own.get("members", [])}
            for user, may in self.members.items():
                if (user in there) not in may:
                    wrong.append(f"member {user} of own{self.number} is {'there' if user in there else 'lost'}")
                self.members[user] = {user in there}
        for name, (chosen, sure) in list(self.groups.items()):
            shown = next((g for g in groups if g["displayName"] == name), None)
            if shown is None:
                if sure:
                    wrong.append(f"group {name} is lost")
                del self.groups[name]
            elif {m["value"] for m in shown.get("members", [])} != chosen:
                wrong.append(f"group {name} has lost members")
            else:
                self.groups[name] = (chosen, True)
        return wrong


def torture(daemon, kills, seed, until_loss=False):
    """Kills the daemon again and again; returns (losses found, writes acknowledged)."""
    dice = random.Random(seed)
    org = daemon.org("tolerant")
    clients = [Client(org, n, seed) for n in range(8)]
    wrong = []
    for number in range(kills):
        for client in clients:
            client.start()
        time.sleep(dice.uniform(0.05, 0.6))
        daemon.kill()
        for client in clients:
            client.join(60)
            if client.problem and not until_loss:  # the broken build answers strangely before it loses anything
                raise client.problem
        org.close()
        daemon.start()
        users, groups = org.everything("/Users"), org.everything("/Groups")
        for client in clients:
            wrong += [f"kill {number}: {text}" for text in client.losses(users, groups)]
        fault = daemon.verify()
        if fault:
            wrong.append(f"kill {number}: verify: {fault}")
        if wrong and until_loss:
            break
        clients = [client.again() for client in clients]
    return wrong, sum(client.acknowledged for client in clients)


class Crash(unittest.TestCase):
    def run_on(self, build, until_loss):
        seed = os.environ.get("ROSTER_SEED") or str(random.randrange(10 ** 9))
        print(f"seed {seed}", flush=True)
        daemon = Daemon({"guard.enabled": False, "access_log": False}, build=build).start()
        try:
            kills = 5 * KILLS if until_loss else KILLS  # the control ends with the first loss
            wrong, acknowledged = torture(daemon, kills, seed, until_loss)
        finally:
            daemon.remove()
        print(f"{kills} kills at most, {acknowledged} writes acknowledged, {len(wrong)} losses", flush=True)
        return wrong, acknowledged

    def test_nothing_acknowledged_is_lost(self):
        wrong, acknowledged = self.run_on(None, False)
        self.assertEqual(wrong[:10], [])
        self.assertGreater(acknowledged, 20 * KILLS, "there was no load to speak of")

    @unittest.skipUnless(os.environ.get("ROSTER_BROKEN"), "ROSTER_BROKEN names no build with --enable-broken-commit")
    def test_the_control_is_caught(self):
        """A daemon that answers before its data is on disk must not pass."""
        wrong, _ = self.run_on(os.environ["ROSTER_BROKEN"], True)
        self.assertNotEqual(wrong, [], "the broken commit order was not noticed: this test shows nothing")


if __name__ == "__main__":
    main()
