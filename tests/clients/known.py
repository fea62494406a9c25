"""A daemon with an organisation in it whose state is known, clients of it, and a way to it that can be cut."""

import faulthandler
import os
import pathlib
import random
import socket
import sys
import threading

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/clients/python"), str(ROOT / "tests/system")]

import harness  # noqa: E402
import roster  # noqa: E402

SEED = int(os.environ.get("ROSTER_SEED", random.randrange(1 << 32)))
OURS = "urn:rosterd:scim:schemas:core:1.0:"


class Proxy:
    """A way to the daemon that can be cut."""

    def __init__(self, port):
        self.port = port
        self.open = set()
        self.made = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"roster://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.port))
            self.made += 1
            self.open |= {near, far}
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    @staticmethod
    def _carry(source, to):
        try:
            while True:
                data = source.recv(1 << 14)
                if not data:
                    break
                to.sendall(data)
        except OSError:
            pass
        for it in (source, to):
            try:
                it.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            it.close()

    def cut(self):
        for it in list(self.open):
            self.open.discard(it)
            try:
                it.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


class DaemonTest(harness.SystemTest):
    def run(self, result=None):
        faulthandler.dump_traceback_later(400, exit=True)
        try:
            return super().run(result)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def setUp(self):
        super().setUp()
        self.random = random.Random(SEED)

    def operator(self):
        return harness.find_member(self.daemon.ctl("token", "create", "--operator"), ("token",))

    def service(self, org, *permissions):
        made = self.daemon.ctl("token", "create", "--service", "--orgs", org.key, "--permissions", ",".join(permissions))
        return harness.find_member(made, ("token", "secret"))

    def client(self, token, org=None, address=None, **options):
        options = {"ca": harness.certificate()[0], "timeout": 30, "backoff": (0.01, 0.3), **options}
        made = roster.Client(address or f"roster://127.0.0.1:{self.daemon.roster_port}", token=token,
                             org=org and org.key, **options)
        self.addCleanup(made.close)
        return made

    def proxy(self):
        made = Proxy(self.daemon.roster_port)
        self.addCleanup(made.close)
        return made


class Site:
    """An organisation with nested teams, places and roles, by the operator over HTTPS. members: of each group."""

    def __init__(self, test):
        self.random = test.random
        self.org = test.org()
        self.api = self.org.with_token(test.operator())
        self.users = [self.org.user(f"user{n}@example.com", externalId=f"e{n}") for n in range(12)]
        self.groups = [self.api.group(f"Group {n}") for n in range(8)]
        self.members = {group["id"]: set() for group in self.groups}
        for _ in range(30):
            self.enter()
        self.workspaces = [self.make("Workspace", displayName=f"Works {n}") for n in range(3)]
        self.projects = [self.make("Project", displayName="Tower", parent={"value": it["id"]}) for it in self.workspaces]
        for _ in range(12):
            scope = self.random.choice(self.workspaces + [None])
            role = self.random.choice(("workspace/editor", "workspace/viewer")) if scope else "org/admin"
            holder = self.random.choice(self.users + (self.groups if scope else []))
            body = {"schemas": [OURS + "Assignment"], "role": role, "principal": {"value": holder["id"]}}
            if scope:
                body["scope"] = {"value": scope["id"]}
            reply = self.api.post("/Assignments", body)
            if reply.status not in (201, 409):
                raise AssertionError(reply)

    def make(self, type, **attributes):
        return self.api._created(self.api.post(f"/{type}s", {"schemas": [OURS + type], **attributes}))

    def enter(self):
        group, who = self.random.choice(self.groups)["id"], self.random.choice(self.users + self.groups)["id"]
        done = self.api.patch(f"/Groups/{group}", {"op": "add", "path": "members", "value": [{"value": who}]})
        if done.status in (200, 204):  # not a ring
            self.members[group].add(who)

    def held(self, who, nested=True):
        """The groups that hold someone."""
        found, waiting = set(), [who]
        while waiting:
            at = waiting.pop()
            more = {group for group, members in self.members.items() if at in members} - found
            found |= more
            waiting += more if nested else []
        return found

    def authzen(self, questions):
        """[(code, decision)] of (user, permission, scope id)"""
        body = {"evaluations": [{
            "subject": {"type": "user", "id": who, "properties": {"id_type": "id"}}, "action": {"name": permission},
            "resource": {"type": "thing", "id": "1", "properties": {"scope": scope} if scope else {}}}
            for who, permission, scope in questions]}
        root = self.api.with_token(self.api.token)
        root.prefix = f"/orgs/{self.org.key}/access/v1"
        reply = root.request("POST", "/evaluations", body, headers={"Content-Type": "application/json"})
        return [(it["context"]["code"], it["decision"]) for it in reply.json["evaluations"]]


class SiteTest(DaemonTest):
    """One such organisation a class, and a client that may ask what the class says."""

    permissions = ()

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        maker = cls()
        maker.random = random.Random(SEED)
        try:
            cls.site = Site(maker)
        except BaseException:
            cls.tearDownClass()
            raise

    def setUp(self):
        super().setUp()
        self.token = self.service(self.site.org, *self.permissions)
        self.asker = self.client(self.token, self.site.org)
