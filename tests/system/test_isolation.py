"""Organisations do not see each other: not by id, not by token, not by cursor, not by reference."""

import re
import time

from harness import ENTERPRISE, GROUP, NOWHERE, USER, Api, SystemTest, certificate, main


def same(reply):
    """What two refusals must share: all but the id that was asked for and the request's own id."""
    return (reply.status, re.sub(rb"[0-9a-f-]{36}", b"ID", reply.raw), reply.headers.get("content-type"),
            reply.headers.get("www-authenticate"))


class Isolation(SystemTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.a, cls.b = cls.daemon.org("tolerant", "alpha"), cls.daemon.org("tolerant", "beta")
        cls.theirs = cls.b.user("ada", externalId="x", displayName="Theirs")
        cls.their_group = cls.b.group("team", [cls.theirs["id"]])

    def test_their_ids_answer_as_unknown_ones(self):
        for kind, theirs in (("Users", self.theirs["id"]), ("Groups", self.their_group["id"])):
            body = {"schemas": [USER if kind == "Users" else GROUP], "userName": "x", "displayName": "x"}
            for send in (lambda i: self.a.get(f"/{kind}/{i}"), lambda i: self.a.delete(f"/{kind}/{i}"),
                         lambda i: self.a.put(f"/{kind}/{i}", body),
                         lambda i: self.a.patch(f"/{kind}/{i}", {"op": "replace", "path": "displayName", "value": "x"}),
                         lambda i: self.a.find(f"/{kind}", f'id eq "{i}"')):
                self.assertEqual(same(send(theirs)), same(send(NOWHERE)))
        self.assertEqual(self.b.get("/Users/" + self.theirs["id"])["displayName"], "Theirs")

    def test_their_ids_cannot_be_referred_to(self):
        mine = self.a.group("mine")
        for member in (self.theirs["id"], self.their_group["id"]):
            reply = self.a.patch("/Groups/" + mine["id"], {"op": "add", "path": "members", "value": [{"value": member}]})
            unknown = self.a.patch("/Groups/" + mine["id"], {"op": "add", "path": "members", "value": [{"value": NOWHERE}]})
            self.refused(reply, 400, "invalidValue")
            self.assertEqual(same(reply), same(unknown))
        self.assertFalse(self.a.get("/Groups/" + mine["id"]).json.get("members"))
        self.assertFalse(self.b.get("/Users/" + self.theirs["id"]).json["groups"][1:])

    def test_names_do_not_collide(self):
        mine = self.a.user("ADA", externalId="x")
        self.assertEqual(self.a.find("/Users", 'userName eq "ada"').ids, [mine["id"]])
        self.assertEqual(self.b.find("/Users", 'userName eq "ada"').ids, [self.theirs["id"]])
        self.assertEqual(self.a.find("/Users", 'externalId eq "x"').ids, [mine["id"]])
        self.a.group("TEAM")
        self.assertEqual(self.b.find("/Groups").ids, [self.their_group["id"]])

    def test_a_token_opens_its_own_org_only(self):
        cert = certificate()[0]
        here = Api(self.b.base, self.a.token, cafile=cert)
        nowhere = Api(f"{self.daemon.url}/orgs/no-such-org/scim/v2", self.a.token, cafile=cert)
        for path in ("/Users", "/Users/" + self.theirs["id"], "/ServiceProviderConfig", "/Groups", "/nothing"):
            mine, other = here.get(path), nowhere.get(path)
            self.assertIn(mine.status, (401, 404))
            self.assertEqual(same(mine), same(other), "whether an org exists is nobody's business")
        self.assertIn(here.post("/Users", {"schemas": [USER], "userName": "intruder"}).status, (401, 404))
        self.assertEqual(self.b.find("/Users", 'userName eq "intruder"')["totalResults"], 0)

    def test_wrong_tokens(self):
        for header in (None, "Bearer", "Bearer ", "Bearer x", "Bearer " + self.a.token[:-1], "Bearer " + self.a.token + "x",
                       "Bearer " + self.a.token.swapcase(), "Basic " + self.a.token, self.a.token, "Bearer " + "A" * 5000,
                       f"Bearer {self.a.token} {self.a.token}"):
            with self.subTest(header=header):
                reply = self.a.get("/Users", headers={"Authorization": header})
                self.refused(reply, 401)
                self.assertIn("Bearer", reply.headers["www-authenticate"])
        reply = self.a.get("/Users", headers={"Authorization": None})
        self.assertNotIn("error=", reply.headers["www-authenticate"], "RFC 6750 section 3: none was sent")
        reply = self.a.get("/Users", headers={"Authorization": "Bearer wrong"})
        self.assertIn("invalid_token", reply.headers["www-authenticate"])

    def test_the_scheme_has_no_case(self):
        for scheme in ("bearer", "BEARER"):
            self.ok(self.a.get("/Users", headers={"Authorization": f"{scheme} {self.a.token}"}))

    def test_a_token_in_the_query_is_none(self):
        reply = self.a.get(f"/Users?access_token={self.a.token}", headers={"Authorization": None})
        self.refused(reply, 401)

    def test_token_is_not_in_the_log(self):
        self.a.get("/Users")
        self.a.get("/Users", headers={"Authorization": "Bearer wrong-token-text"})
        log = self.daemon.log()
        self.assertNotIn(self.a.token, log)
        self.assertNotIn("wrong-token-text", log)

    def test_token_is_not_in_the_store(self):
        data = (self.daemon.data / "data.mdb").read_bytes()
        self.assertNotIn(self.a.token.encode(), data)
        self.assertIn(b"Theirs", data, "the check itself sees what is stored")

    def test_connections_have_their_own_external_ids(self):
        """externalId is a label in the space of one connection (RFC 7643 section 3.1: set by the client)."""
        second = self.a.another("second")
        user = self.a.user("spaces", externalId="first-label")
        path = "/Users/" + user["id"]
        self.assertNotIn("externalId", second.get(path).json)
        self.assertEqual(second.find("/Users", 'externalId eq "first-label"')["totalResults"], 0)
        self.patched(second, path, {"op": "add", "path": "externalId", "value": "second-label"})
        self.assertEqual(second.get(path)["externalId"], "second-label")
        self.assertEqual(self.a.get(path)["externalId"], "first-label")
        self.assertEqual(self.a.find("/Users", 'externalId eq "first-label"').ids, [user["id"]])
        # a PUT by one leaves the other's label
        self.ok(second.put(path, {"schemas": [USER], "userName": "spaces"}))
        self.assertEqual(self.a.get(path)["externalId"], "first-label")

    def test_revoked_and_suspended(self):
        org = self.daemon.org("tolerant", "gamma")
        org.user("x")
        self.ok(org.get("/Users"))
        self.daemon.ctl("org", "suspend", "gamma")
        self.assertIn(org.get("/Users").status, (401, 403))
        self.ok(self.a.get("/Users"))

    def test_unknown_and_foreign_ids_take_the_same_time(self):
        # Taken in turn, so that what else the machine does touches both alike; the fastest tenth, so that it hardly counts.
        spans = {NOWHERE: [], self.theirs["id"]: []}
        for _ in range(500):
            for identifier, mine in spans.items():
                began = time.perf_counter()
                self.a.get("/Users/" + identifier)
                mine.append(time.perf_counter() - began)
        unknown, foreign = (sorted(mine)[50] for mine in spans.values())
        self.assertLess(abs(unknown - foreign), 0.2 * unknown, (unknown, foreign))


if __name__ == "__main__":
    main()
