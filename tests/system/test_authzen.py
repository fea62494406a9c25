#!/usr/bin/env python3
"""Checks over HTTPS, as OpenID's Authorization API 1.0 (AuthZEN) has them.

What a request and an answer look like is taken from the API's text and from the working group's certification scenario;
what is allowed is compared with the plain model of an org (tests/models/plain.py), cell by cell.
"""

import atexit
import datetime
import itertools
import json
import pathlib
import shutil
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))

import living  # noqa: E402
from living import OURS, LivingTest, model_of, replaced  # noqa: E402
from harness import NOWHERE, USER, find_member, main  # noqa: E402
from role_model import RoleModel  # noqa: E402

JSON = {"Content-Type": "application/json"}
MODELS = ("standard", "lab", "sandbox", "network", "metal", "studio")


# The standard model, with workspaces in workspaces.
_folder = tempfile.mkdtemp(prefix="roster-models-")
atexit.register(shutil.rmtree, _folder, ignore_errors=True)
NESTED = pathlib.Path(_folder) / "nested.json"
NESTED.write_text(json.dumps({**model_of("standard").data, "name": "nested", "tree": {
    "workspace": ["org", "workspace"], "project": ["org", "workspace"]}}))
living.model_of = lambda name: RoleModel(NESTED.read_text()) if name == "nested" else model_of(name)


def subject(name, **properties):
    return {"type": "user", "id": name, **({"properties": properties} if properties else {})}


def question(who, permission, type="org", id=None, org=None, **properties):
    resource = {"type": type, "id": id or (org.key if org else "1")}
    if properties:
        resource["properties"] = properties
    return {"subject": who if isinstance(who, dict) else subject(who), "action": {"name": permission},
            "resource": resource}


class Asking(LivingTest):
    def post(self, org, path, body=None, token=None, headers=None, **more):
        return self.send(token or self.operator, "POST", f"/orgs/{org.key}/access/v1/{path}", body,
                         headers={**JSON, **(headers or {})}, **more)

    def ask(self, org, body, token=None):
        reply = self.post(org, "evaluation", body, token)
        self.assertEqual(reply.status, 200, f"{body}: {reply}")
        self.assertEqual(reply.headers["content-type"], "application/json")
        self.assertIs(type(reply["decision"]), bool)
        return reply.json

    def ask_all(self, org, questions, **more):
        """Many, in requests of as many as are taken; the answers in order."""
        found = []
        for start in range(0, len(questions), 1000):
            some = questions[start:start + 1000]
            reply = self.post(org, "evaluations", {"evaluations": some, **more})
            self.assertEqual(reply.status, 200, reply)
            self.assertEqual(len(reply["evaluations"]), len(some))
            found += reply["evaluations"]
        return found

    def yes(self, org, body, token=None):
        answer = self.ask(org, body, token)
        self.assertTrue(answer["decision"], f"{body}: {answer}")
        return answer["context"]

    def no(self, org, body, code=None, token=None):
        answer = self.ask(org, body, token)
        self.assertFalse(answer["decision"], f"{body}: {answer}")
        if code:
            self.assertEqual(answer["context"]["code"], code, answer)
        return answer["context"]

    def service(self, org, *permissions):
        made = self.daemon.ctl("token", "create", "--service", "--orgs", org.key, "--permissions", ",".join(permissions))
        return find_member(made, ("token", "secret"))


class Protocol(Asking):
    """The certification scenario, with names of permissions as actions."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.site = cls.living(cls("run"), "sandbox")
        cls.alice, cls.bob = (cls.site.operate("POST", "/Users", {"schemas": [USER], "userName": name})["id"]
                              for name in ("alice", "bob"))
        cls.site.plain.add_member(cls.alice)
        cls.site.assign(cls.alice, "assignment/developer")
        cls.read = {"subject": subject("alice"), "action": {"name": "sandbox.view"},
                    "resource": {"type": "record", "id": "record-1"}}

    def test_decisions(self):
        for name, action, expected in (("alice", "sandbox.view", True), ("alice", "sandbox.create", True),
                                       ("bob", "sandbox.view", True), ("bob", "sandbox.create", False)):
            self.assertIs(self.ask(self.site, question(name, action, "record", "record-1"))["decision"], expected)

    def test_what_is_not_known_is_passed_over(self):
        for more in ({"context": {"time": "2025-06-27T18:03-07:00", "ip": "192.168.1.1"}},
                     {"foo": "bar", "futureField": {"nested": True}}, {"context": None}):
            self.assertTrue(self.ask(self.site, {**self.read, **more})["decision"])
        self.assertTrue(self.ask(self.site, {
            "subject": subject("alice", department="Sales", role="manager", ip_address="172.217.22.14"),
            "action": {"name": "sandbox.view", "properties": {"method": "GET"}},
            "resource": {"type": "record", "id": "record-1", "properties": {"status": "active", "owner": "bob"}},
        })["decision"])

    def test_malformed(self):
        read = self.read
        without = lambda name: {key: value for key, value in read.items() if key != name}  # noqa: E731
        for body, word in (
                (without("subject"), "subject"), (without("action"), "action"), (without("resource"), "resource"),
                ({**read, "subject": {"id": "alice"}}, "subject.type"),
                ({**read, "subject": {"type": "user"}}, "subject.id"),
                ({**read, "action": {}}, "action.name"),
                ({**read, "resource": {"id": "1"}}, "resource.type"),
                ({**read, "resource": {"type": "record"}}, "resource.id"),
                ({**read, "subject": "alice"}, "subject"), ({**read, "action": {"name": 123}}, "action.name"),
                ({**read, "resource": [1]}, "resource"), ({**read, "context": "now"}, "context"),
                ({**read, "subject": {**subject("alice"), "properties": 7}}, "subject.properties"),
                ({**read, "subject": subject("alice", id_type="shoe size")}, "subject.properties.id_type"),
                (question("alice", "sandbox.view", "x", workspace=7), "resource.properties.workspace"),
                (question("alice", "sandbox.view", "x", workspace=None), "resource.properties.workspace"),
                (question("alice", "sandbox.view", "x", owner=["alice"]), "resource.properties.owner")):
            for path in ("evaluation", "evaluations"):
                reply = self.post(self.site, path, body)
                self.assertEqual(reply.status, 400, f"{body}: {reply}")
                self.assertIn(word, reply.raw.decode(), body)
        for raw in (b"", b"{", b"[]", b'"x"', b'{"subject": {"type": "user", "type": "user"}}', b"\xff"):
            self.assertEqual(self.post(self.site, "evaluation", raw=raw).status, 400, raw)
        for media in ("text/plain", "application/scim+json", "application/xml", None):
            self.assertEqual(self.post(self.site, "evaluation", read, headers={"Content-Type": media}).status, 400, media)
        for media in ("application/json; charset=utf-8", "Application/JSON"):
            self.assertEqual(self.post(self.site, "evaluation", read, headers={"Content-Type": media}).status, 200, media)

    def test_request_ids(self):
        for name in ("bfe9eb29-ab87-4ca3-be83-a1d5d8305716", "pep:7/request?n=1#x", "x" * 128):
            for path, body in (("evaluation", self.read), ("evaluations", {"evaluations": [self.read]}), ("evaluation", {})):
                reply = self.post(self.site, path, body, headers={"X-Request-ID": name})
                self.assertEqual(reply.headers["x-request-id"], name)
        self.assertTrue(self.post(self.site, "evaluation", self.read).headers["x-request-id"])

    def test_idempotent(self):
        answers = [self.ask(self.site, self.read) for _ in range(5)]
        self.assertEqual(answers, [answers[0]] * 5)

    def test_batch(self):
        ask = lambda **body: self.post(self.site, "evaluations", body)  # noqa: E731
        record = lambda n: {"type": "record", "id": f"record-{n}"}  # noqa: E731
        view, create = {"name": "sandbox.view"}, {"name": "sandbox.create"}

        def decisions(reply):
            self.assertEqual(reply.status, 200, reply)
            self.assertNotIn("decision", reply.json)
            return [one["decision"] for one in reply["evaluations"]]

        self.assertEqual(decisions(ask(subject=subject("alice"), action=view, evaluations=[
            {"resource": record(1)}, {"resource": record(2)}])), [True, True])
        self.assertEqual(decisions(ask(subject=subject("bob"), resource=record(1), evaluations=[
            {"action": view}, {"action": create}])), [True, False])
        self.assertEqual(decisions(ask(evaluations=[
            question("alice", "sandbox.view"), question("bob", "sandbox.create"),
            question("bob", "sandbox.view", "record", "1")])), [False, False, True])  # org "1" is not this one
        self.assertEqual(decisions(ask(subject=subject("alice"), action=view, context={"time": "2025-06-27T18:03-07:00"},
                                       evaluations=[{"resource": record(1)},
                                                    {"resource": record(2), "context": {"source": "override"}}])),
                         [True, True])
        # An own action, and what an element lacks of an entity.
        self.assertEqual(decisions(ask(subject={"type": "user", "id": "bob"}, action=create, resource={"type": "record"},
                                       evaluations=[{"resource": {"id": "1"}}, {"resource": record(2), "action": view},
                                                    {"resource": {"id": "1"}, "subject": {"id": "alice"}}])),
                         [False, True, True])
        # Properties go with their entity: the default's workspace is not the element's.
        self.assertEqual(decisions(ask(subject=subject("alice"), action=view,
                                       resource={"type": "record", "id": "1", "properties": {"workspace": "none"}},
                                       evaluations=[{}, {"resource": {"id": "2"}}])), [False, True])

    def test_batch_errors(self):
        reply = self.post(self.site, "evaluations", {
            "subject": subject("alice"), "action": {"name": "sandbox.view"},
            "evaluations": [{"resource": {"type": "record", "id": "1"}}, {}, {"resource": {"type": "record", "id": 7}},
                            {"resource": {"type": "record", "id": "1"}}]})
        self.assertEqual([one["decision"] for one in reply["evaluations"]], [True, False, False, True])
        for one, word in zip(reply["evaluations"][1:3], ("resource", "resource.id")):
            self.assertEqual(one["context"]["error"]["status"], 400)
            self.assertIn(word, one["context"]["error"]["message"])
        for body in ({"evaluations": 7}, {"evaluations": [7]}, {"evaluations": [{}], "subject": "alice"},
                     {"evaluations": [self.read], "options": 7},
                     {"evaluations": [self.read], "options": {"evaluations_semantic": "some"}},
                     {"evaluations": [self.read], "options": {"evaluations_semantic": 1}},
                     {"evaluations": [self.read] * 1001}):
            self.assertEqual(self.post(self.site, "evaluations", body).status, 400, str(body)[:100])

    def test_one_at_the_address_of_several(self):
        for more in ({}, {"evaluations": []}):
            reply = self.post(self.site, "evaluations", {**self.read, **more})
            self.assertEqual((reply.status, reply["decision"]), (200, True))

    def test_semantics(self):
        body = {"subject": subject("bob"), "resource": {"type": "record", "id": "1"}}
        yes, no = ({"action": {"name": name}} for name in ("sandbox.view", "sandbox.create"))
        for semantic, list, expected in (
                (None, [yes, no, yes], [True, False, True]),
                ("execute_all", [yes, no, yes], [True, False, True]),
                ("deny_on_first_deny", [yes, no, yes], [True, False]),
                ("deny_on_first_deny", [yes, yes], [True, True]),
                ("deny_on_first_deny", [yes, {"action": {}}, yes], [True, False]),
                ("permit_on_first_permit", [no, yes, no], [False, True]),
                ("permit_on_first_permit", [yes, no], [True]),
                ("permit_on_first_permit", [{"action": 7}, no, no], [False, False, False])):
            options = {"options": {"evaluations_semantic": semantic, "another_option": "value"}} if semantic else {}
            reply = self.post(self.site, "evaluations", {**body, "evaluations": list, **options})
            self.assertEqual([one["decision"] for one in reply["evaluations"]], expected, semantic)

    def test_many(self):
        """A long answer comes in pieces, whole and in order."""
        names = ["alice", "bob", "nobody"]
        asked = [question(names[n % 3], "sandbox.create", "record", str(n)) for n in range(1000)]
        self.assertEqual([one["decision"] for one in self.ask_all(self.site, asked)], [n % 3 == 0 for n in range(1000)])

    def test_metadata(self):
        base = f"{self.daemon.url}/orgs/{self.site.key}"
        expected = {"policy_decision_point": base, "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
                    "access_evaluations_endpoint": f"{base}/access/v1/evaluations"}
        for path in (f"/.well-known/authzen-configuration/orgs/{self.site.key}",
                     f"/orgs/{self.site.key}/.well-known/authzen-configuration"):
            reply = self.send(None, "GET", path)
            self.assertEqual((reply.status, reply.headers["content-type"], reply.json), (200, "application/json", expected))
            self.assertEqual(self.send(None, "POST", path, {}).status, 405)
        # Nobody learns from it which orgs there are.
        self.assertEqual(self.send(None, "GET", "/.well-known/authzen-configuration/orgs/no-such-org").status, 200)
        for path in ("", "/", "/orgs/", "/orgs/x/y", "/orgs/%22", "x"):
            self.assertEqual(self.send(None, "GET", "/.well-known/authzen-configuration" + path).status, 404, path)

    def test_methods_and_paths(self):
        base = f"/orgs/{self.site.key}/access/v1"
        for method in ("GET", "PUT", "DELETE", "PATCH"):
            reply = self.send(self.operator, method, base + "/evaluation", self.read if method != "GET" else None)
            self.assertEqual((reply.status, reply.headers.get("allow")), (405, "POST"))
        for path in ("/search/subject", "", "/evaluation/", "/evaluationx"):
            self.assertEqual(self.send(self.operator, "POST", base + path, self.read, headers=JSON).status, 404, path)


class Callers(Asking):
    def test_who_may_ask(self):
        org, other = self.living("sandbox"), self.living("sandbox")
        person = self.person()
        member = org.join(person)
        about = lambda who: question(who, "sandbox.view", "x")  # noqa: E731
        owner = org.member(org.owner)
        self.assertEqual(self.yes(org, about(owner), org.owner.token)["code"], "granted")
        self.yes(org, about(member), org.owner.token)
        # A member may ask about themselves, by whatever name; about nobody else, there or not.
        for who in (member, f"{person.name}@people.test", {"type": "person", "id": person.id}):
            self.yes(org, about(who), person.token)
        for who in (owner, "nobody", NOWHERE, {"type": "team", "id": NOWHERE}, {"type": "robot", "id": member}):
            reply = self.post(org, "evaluation", about(who), person.token)
            self.assertEqual(reply.status, 403, f"{who}: {reply}")
            self.assertIn('"org.check"', reply.raw.decode())
        reply = self.post(org, "evaluations", {"evaluations": [about(member), about(owner), about(member)]}, person.token)
        self.assertEqual([one["decision"] for one in reply["evaluations"]], [True, False, True])
        self.assertEqual(reply["evaluations"][1]["context"]["error"]["status"], 403)
        # Products by what their token names, in the orgs that it names; connections never.
        service = self.service(org, "org.check")
        self.yes(org, about(member), service)
        self.assertEqual(self.post(other, "evaluation", about(member), service).status, 404)
        for token in (self.service(org, "member.view"), self.daemon.connect(org.key, "idp")):
            for path, body in (("evaluation", about(member)), ("evaluations", {"evaluations": [about(member)]})):
                reply = self.post(org, path, body, token)
                self.assertEqual(reply.status, 403, reply)
                self.assertIn('"org.check"', reply.raw.decode())
        self.assertEqual(self.post(other, "evaluation", about(member), person.token).status, 404)
        for token in ("rst_" + "A" * 43, ""):
            reply = self.wire.post(f"/orgs/{org.key}/access/v1/evaluation", about(member), headers={
                **JSON, **({"Authorization": f"Bearer {token}"} if token else {})})
            self.assertEqual(reply.status, 401, reply)
            self.assertIn("bearer", reply.headers["www-authenticate"].lower())
        # Members of other orgs are nobody here.
        self.no(org, about(other.member(other.owner)), "unknown_subject")
        self.no(org, about({"type": "person", "id": other.owner.id}), "unknown_subject")

    def test_changes_are_felt_at_once(self):
        org = self.living("studio")
        user = org.make("user")
        create = question(user, "workspace.create", org=org)
        self.no(org, create, "missing")
        held = org.assign(user, "org/admin")
        before = self.yes(org, create)["revision"]
        org.operate("DELETE", f"/Assignments/{held}")
        self.assertGreater(self.no(org, create, "missing")["revision"], before)
        org.operate("PATCH", f"/Users/{user}", replaced("active", False))
        self.no(org, create, "inactive_subject")
        org.operate("DELETE", f"/Users/{user}")
        self.no(org, create, "unknown_subject")


class Names(Asking):
    config = {"org.models": [str(NESTED)]}

    def test_subjects(self):
        org = self.living("sandbox")
        first, second = (self.daemon.connect(org.key, name) for name in ("first", "second"))
        made = {name: self.allowed(org.send(token, "POST", "/Users", {
            "schemas": [USER], "userName": name, "externalId": label}))["id"]
            for name, token, label in (("anna", first, "e-1"), ("ben", first, "e-2"), ("carl", second, "e-2"),
                                       ("dora", second, "anna"))}
        org.assign(made["anna"], "assignment/developer")
        org.assign(made["dora"], "assignment/auditor")
        create = lambda who: question(who, "sandbox.create", "x")  # noqa: E731
        for name, properties in ((made["anna"], {}), ("anna", {}), ("ANNA", {}), ("e-1", {}), (made["anna"], {"id_type": "id"}),
                                 ("Anna", {"id_type": "userName"}), ("e-1", {"id_type": "externalId"})):
            self.yes(org, create(subject(name, **properties)))
        for name, properties, code in (
                ("e-2", {}, "ambiguous_subject"), ("e-2", {"id_type": "externalId"}, "ambiguous_subject"),
                ("E-1", {}, "unknown_subject"), ("anna", {"id_type": "id"}, "unknown_subject"),
                (made["anna"], {"id_type": "userName"}, "unknown_subject"),
                ("anna", {"id_type": "externalId"}, "missing"),  # dora
                ("", {}, "unknown_subject"), (NOWHERE, {}, "unknown_subject"), ("x" * 5000, {}, "unknown_subject")):
            self.no(org, create(subject(name, **properties)), code)
        for type in ("spaceship", "User", ""):
            self.no(org, create({"type": type, "id": made["anna"]}), "unknown_subject")
        self.yes(org, create({"type": "person", "id": org.owner.id}))
        self.yes(org, create({"type": "person", "id": org.owner.name.upper()}))
        self.no(org, create({"type": "person", "id": made["anna"]}), "unknown_subject")

    def test_places(self):
        org = self.living("nested")
        outer = org.make("workspace", name="Outer Space")
        inner = org.make("workspace", outer, "Inner")
        other = org.make("workspace", name="Other")
        deep = org.make("project", inner, "Deep")
        org.make("project", outer, "Twin"), org.make("project", outer, "twin")
        org.make("workspace", other, "Inner")
        user = org.make("user")
        org.assign(user, "workspace/admin", outer)
        view = lambda type, id="1", **places: question(user, "project.edit", type, id, **places)  # noqa: E731
        for asked in (view("project", deep), view("project", "outer space/INNER/deep"),
                      view("project", "Deep", workspace=inner), view("project", "Inner/Deep", workspace="Outer Space"),
                      view("project", deep, workspace=outer),
                      view("thing", workspace=inner, project=deep), view("thing", project=deep),
                      view("thing", workspace="Outer Space/Inner", project="Deep"), view("thing", workspace="Outer Space"),
                      view("thing", scope=deep), view("thing", scope="Outer Space/Inner/Deep"), view("thing", scope=inner),
                      view("workspace", "Outer Space/Inner"), view("workspace", outer)):
            self.yes(org, asked)
        for asked, code in (
                (view("org", org.key), "elsewhere"), (view("org", org.id), "elsewhere"), (view("thing"), "elsewhere"),
                (view("workspace", other), "elsewhere"), (view("workspace", "Other/Inner"), "elsewhere"),
                (view("org", "other-org"), "unknown_scope"), (view("org", NOWHERE), "unknown_scope"),
                (view("workspace", "Inner"), "unknown_scope"), (view("project", "Deep"), "unknown_scope"),
                (view("project", deep, workspace=other), "unknown_scope"), (view("workspace", deep), "unknown_scope"),
                (view("thing", workspace=""), "unknown_scope"), (view("thing", scope="Outer Space//Deep"), "unknown_scope"),
                (view("thing", workspace="Outer Space", project="Twin"), "ambiguous_scope"),
                (view("thing", scope="Outer Space/Twin"), "ambiguous_scope"),
                (view("thing", scope=deep, workspace=outer), "ambiguous_scope"),
                (view("team", "none"), "unknown_scope")):
            self.no(org, asked, code)
        self.no(org, question(user, "no.such.thing", org=org), "unknown_permission")
        self.no(org, question(user, "member.view", "workspace", outer), "not_here")

    def test_explained(self):
        org = self.living("standard")
        place = org.make("workspace")
        user = org.make("user")
        teams = [org.make("team") for _ in range(4)]
        org.enter(teams[0], user)
        for inner, outer in zip(teams, teams[1:]):
            org.enter(outer, inner)
        org.enter(teams[2], teams[0])  # a shorter way
        held = org.assign(teams[3], "workspace/admin", place)
        grant = self.yes(org, question(user, "workspace.edit", "workspace", place))["grant"]
        self.assertEqual((grant["role"], grant["assignment"]), ("workspace/admin", held))
        self.assertEqual((grant["scope"]["type"], grant["scope"]["id"]), ("workspace", place))
        self.assertEqual([team["id"] for team in grant["teams"]], [teams[0], teams[2], teams[3]])
        self.assertEqual({team["type"] for team in grant["teams"]}, {"team"})
        for team, chain in ((teams[3], [teams[3]]), (teams[0], [teams[2], teams[3]])):
            told = self.yes(org, question({"type": "team", "id": team}, "workspace.edit", "workspace", place))
            self.assertEqual([one["id"] for one in told["grant"]["teams"]], chain)
        told = self.no(org, question(user, "workspace.edit", org=org), "elsewhere")
        self.assertEqual((told["missing"], told["grant"]["assignment"]), ("workspace.edit", held))
        self.assertIn('"workspace.edit"', told["reason"])
        told = self.no(org, question(user, "member.edit", org=org), "own_only")
        self.assertEqual(told["grant"]["role"], org.plain.default("org"))
        told = self.no(org, question(user, "org.delete", org=org), "missing")
        self.assertNotIn("grant", told)
        self.assertTrue(self.yes(org, question(user, "member.edit", "user", user))["grant"]["own"])
        self.no(org, question(user, "member.edit", "user", org.member(org.owner)), "own_only")
        self.no(org, question(user, "member.edit", "user", "nobody"), "unknown_resource")
        # A team has what it brings, not what is held by who is in it.
        self.no(org, question({"type": "team", "id": teams[0]}, "org.view", org=org))

    def test_implied(self):
        org = self.living("studio")
        place = org.make("workspace")
        told = self.yes(org, question(org.member(org.owner), "workspace.members", "workspace", place))
        self.assertEqual((told["grant"]["role"], told["grant"]["through"]), ("org/admin", "workspace/admin"))


class Matrix(Asking):
    """Every permission, at a scope of every kind, for own things and others', of who holds each role of each model."""

    def places(self, org):
        found = {"org": None}
        tree = org.plain.model.data.get("tree", {})
        teams = 0 < org.plain.limits["teams"]
        if teams:
            found["team"] = org.make("team")
        if "org" in tree.get("workspace", []):
            found["workspace"] = org.make("workspace")
        if "workspace" in tree.get("project", []) and "workspace" in found:
            found["project"] = org.make("project", found["workspace"])
        elif "org" in tree.get("project", []):
            found["project"] = org.make("project")
        return found

    def holders(self, org, places):
        """A member with each role that can be held by one."""
        plain = org.plain
        found = {plain.first_role: org.member(org.owner)}
        if plain.kind == "personal":
            return found
        for role in plain.model.roles:
            scope = plain.scope_of_role(role)
            if role in found or scope not in places or plain.model.roles[role].get("holders", {}).get("max") == 1:
                continue
            user = found[role] = org.make("user")
            if role.startswith("assignment/"):
                fits = plain.model.fits(role)
                if plain.default("org") not in fits:
                    org.assign(user, fits[0])
                if plain.model.roles[role].get("required"):
                    continue
            if role == plain.default("org"):
                continue
            if scope == "team":
                org.enter(places["team"], user)
            if role != plain.default("team"):
                org.assign(user, role, places[scope])
        return found

    def compare(self, org, members, places):
        """Both at a place itself (own is then for rosterd to know) and for a thing in it, of the subject's or another's."""
        plain = org.plain
        asked, expected = [], []
        stranger = next(iter(plain.members))
        for member, permission, (kind, place) in itertools.product(members, plain.model.permissions, places.items()):
            where = {kind: place} if place else {}
            for owner in (None, member, stranger):
                more = {**where, **({"owner": owner} if owner else {})}
                asked.append(question(member, permission, "thing", **more))
                expected.append(plain.check(member, permission, place, owner == member))
            if kind in ("workspace", "project", "team") and permission.startswith(kind + "."):
                asked.append(question(member, permission, kind, place))
                expected.append(plain.check(member, permission, place, plain.has_role_in(member, place)))
        for body, answer, right in zip(asked, self.ask_all(org, asked), expected):
            self.assertIs(answer["decision"], right, f"{org.key} {body}: {answer}")
        return len(asked)

    def test_roles(self):
        cells = 0
        for name in (*MODELS, "school"):
            for kind in model_of(name).data["kinds"]:
                with self.subTest(model=name, kind=kind):
                    org = self.living(name, kind)
                    places = self.places(org)
                    found = self.holders(org, places)
                    cells += self.compare(org, found.values(), places)
        self.assertGreater(cells, 20000)

    def test_studio(self):
        """The cells of its page, by hand."""
        org = self.living("studio")
        member, admin = org.make("user"), org.member(org.owner)
        space = org.make("workspace")
        for permission, allowed in (
                ("workspace.create", (False, True)), ("workspace.delete", (False, True)), ("settings.edit", (False, True)),
                ("token.create", (False, True)), ("audit.view", (False, True)), ("member.invite", (False, True)),
                ("billing.view", (True, True)), ("billing.edit", (False, True)), ("invoice.view", (True, True))):
            for who, right in zip((member, admin), allowed):
                self.assertIs(self.ask(org, question(who, permission, org=org))["decision"], right, permission)
        for permission in ("workspace.view", "workspace.members"):
            self.no(org, question(member, permission, "workspace", space))
            self.yes(org, question(admin, permission, "workspace", space))
        org.assign(member, "workspace/viewer", space)
        self.yes(org, question(member, "workspace.view", "workspace", space))
        self.no(org, question(member, "workspace.members", "workspace", space))

    def test_nested_teams(self):
        for name in ("standard", "lab", "studio"):
            org = self.living(name)
            places = self.places(org)
            user, other = org.make("user"), org.make("user")
            chain = [org.make("team") for _ in range(5)]
            org.enter(chain[0], user)
            for inner, outer in zip(chain, chain[1:]):
                org.enter(outer, inner)
            org.enter(chain[4], other)
            roles = [role for role in org.plain.model.roles if role.startswith("workspace/")]
            for team, role in zip((chain[4], chain[1]), roles):
                org.assign(team, role, places["workspace"])
            self.compare(org, (user, other), places)

    def test_custom_roles(self):
        for name in ("standard", "sandbox", "network"):
            model = model_of(name)
            scopes = [scope for scope in model.data.get("customRoles", []) if scope in ("org", "workspace")]
            org = self.living(name)
            places = self.places(org)
            for scope in scopes:
                if scope not in places:
                    continue
                names = [permission for permission, (at, ownable, _) in model.permissions.items()
                         if scope in at and permission.split(".")[0] in ("workspace", "project", "sandbox", "device")]
                ownable = [permission for permission in names if model.permissions[permission][1]]
                patterns = names[:2] + ["own:" + permission for permission in ownable[2:4]]
                path = f"{scope}/special"
                org.operate("POST", "/Roles", {"schemas": [OURS + "Role"], "name": path, "permissions": patterns})
                org.plain.apply(None, "role_create", "r-" + path, path=path, patterns=patterns)
                user, other = org.make("user"), org.make("user")
                org.assign(user, path, places[scope])
                team = org.make("team")
                org.enter(team, other)
                org.assign(team, path, places[scope])
                self.compare(org, (user, other), places)
                told = self.yes(org, question(user, names[0], "thing", **({scope: places[scope]} if places[scope] else {})))
                self.assertEqual(told["grant"]["role"], path)

    def test_bounded_in_time(self):
        org = self.living("standard")
        place = org.make("workspace")
        now = datetime.datetime.now(datetime.timezone.utc)
        at = lambda seconds: (now + datetime.timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")  # noqa: E731
        cases = {}
        for start, end, seen in ((-60, None, True), (60, None, False), (None, 60, True), (-60, 60, True),
                                 (60, 120, False), (None, 3, "ends"), (3, None, "begins")):
            user = cases[start, end] = org.make("user"), seen
            body = {"schemas": [OURS + "Assignment"], "principal": {"value": user[0]}, "role": "workspace/viewer",
                    "scope": {"value": place}}
            body.update({key: at(value) for key, value in (("start", start), ("end", end)) if value is not None})
            org.operate("POST", "/Assignments", body)
        ask = lambda user: self.ask(org, question(user, "workspace.view", "workspace", place))["decision"]  # noqa: E731
        for user, seen in cases.values():
            if isinstance(seen, bool):
                self.assertIs(ask(user), seen)
        if time.time() < now.timestamp() + 2.5:
            for user, seen in cases.values():
                if not isinstance(seen, bool):
                    self.assertIs(ask(user), seen == "ends")
        time.sleep(max(0, now.timestamp() + 3.05 - time.time()))
        for user, seen in cases.values():
            if not isinstance(seen, bool):
                self.assertIs(ask(user), seen == "begins")


if __name__ == "__main__":
    main()
