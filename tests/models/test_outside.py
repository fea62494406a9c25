"""The table of operations, walked by who is not in the org: each role of each model in another org of the same model, and somebody of no
org. They get what an unknown org gives. And in the own org, nothing of another one can be reached by its ids."""

import json
import re

from living import LivingTest
from harness import Reply, main
from test_operations import DRIVERS, MODELS, Scene, scene, table

ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


class Outside(Scene):
    """Tries everything on things that are there, in an org that is not theirs."""

    def __init__(self, inside, actor, role):
        self.org, self.role, self.actor, self.test = inside.org, role, actor, inside.test
        self.where, self.things, self.insider = inside.where, inside.things, inside.actor

    @property
    def me(self):
        return self.org.plain.people[self.insider]

    def judge(self, reply, scope, own, also):
        if self.operation == "Organization.create":
            self.test.assertEqual(reply.status, 201, reply)  # an org of their own
        elif self.operation.startswith("Organization."):
            self.test.assertIn(reply.status, (403, 404), f"{self}: {reply}")
        else:
            self.test.assertEqual(reply.status, 404, f"{self} from outside: {reply}")

    def do(self, doing, method, url, body=None, spends=(), **what):
        reply = self.send(method, url, body)
        self.test.assertEqual(reply.status, 404, f"{self} from outside: {reply}")
        return reply


class Foreign(Scene):
    """The strongest of an org tries everything there on things of another: each request that names one by its id."""

    NOT_SENT = Reply(0, [], b"")

    def __init__(self, inside, own):
        super().__init__(inside.org, inside.role, own.owner)
        self.own = own
        self.things = inside.things
        self.tried = set()

    @property
    def me(self):
        return self.org.plain.people[self.org.owner]

    def refused(self, method, url, body):
        if not ID.search(url + json.dumps(body)):
            return self.NOT_SENT
        reply = self.own.send(self.actor, method, url, body)
        self.test.assertIn(reply.status, (400, 403, 404, 405, 409), f"{self}, with ids of another org: {method} {url}: {reply}")
        self.test.assertNotIn(f"orgs/{self.org.key}/", reply.raw.decode(), "tells of the other org")
        self.tried.add(self.operation)
        return reply

    def ask(self, method, path, body=None, scope=None, own=False, also=(), spends=(), base="org", headers=None):
        return self.refused(method, path, body) if base == "org" else self.NOT_SENT

    def do(self, doing, method, url, body=None, spends=(), **what):
        return self.refused(method, url, body)


class Walk(LivingTest):
    def from_outside(self, name):
        org, other = self.living(name), self.living(name)
        org.connection = self.daemon.connect(org.key, "idp")
        inside = Scene(org, org.plain.first_role, org.owner)
        strangers = {role: scene(self, other, role).actor for role in other.plain.model.roles}
        strangers["of no org"] = self.person()
        operations = table()
        for role, actor in strangers.items():
            s = Outside(inside, actor, role)
            for operation, permission in operations.items():
                if operation == "Organization.create" and role != "of no org":
                    continue
                s.operation, s.permission = operation, permission
                with self.subTest(who=role, operation=operation):
                    DRIVERS[operation](s)
        self.assertEqual(org.found(), org.plain.picture())

    def foreign_things(self, name):
        org, other = self.living(name), self.living(name)
        other.connection = self.daemon.connect(other.key, "idp")
        s = Foreign(Scene(other, other.plain.first_role, other.owner), org)
        before = org.found()
        for operation in table():
            if "." not in operation and operation != "check":
                continue  # of the binary door: one org a connection
            s.operation, s.permission = operation, None
            with self.subTest(operation=operation):
                DRIVERS[operation](s)
        self.assertGreater(len(s.tried), 50, sorted(set(table()) - s.tried))
        self.assertEqual(other.found(), other.plain.picture())
        self.assertEqual(org.found(), before)
        self.assertEqual(self.daemon.verify(), "")


def each(name, what, walk):
    def test(self):
        walk(self, name)
    test.__doc__ = f"{name}: {what}"
    return test


for _name in MODELS:
    setattr(Walk, f"test_{_name}_from_outside", each(_name, "every role of another org", Walk.from_outside))
    setattr(Walk, f"test_{_name}_foreign_things", each(_name, "things of another org in the own one", Walk.foreign_things))


if __name__ == "__main__":
    main()
