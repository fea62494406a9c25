#!/usr/bin/env python3
"""Product quotas: what a model says can be had, reserved and released by products, never above the limit."""

import json
import pathlib
import shutil
import sys
import atexit
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "models"))

import living  # noqa: E402
from living import OURS, LivingTest, model_of, replaced  # noqa: E402
from harness import NOWHERE, PATCH, find_member, in_threads, main  # noqa: E402
from role_model import RoleModel  # noqa: E402

# The sandbox model where each member of a company has the quotas, and one where the org shares two of them.
_folder = pathlib.Path(tempfile.mkdtemp(prefix="roster-models-"))
atexit.register(shutil.rmtree, _folder, ignore_errors=True)


def variant(name, quotas=None, **company):
    data = json.loads(json.dumps(model_of("sandbox").data))
    data["name"] = name
    data["kinds"]["company"].update(company)
    if quotas is not None:
        data["quotas"] = quotas
        data["kinds"]["personal"].pop("quotas", None)
    (_folder / f"{name}.json").write_text(json.dumps(data))
    return str(_folder / f"{name}.json")


FILES = [variant("each", quotaPer="person"), variant("grown", {"sandboxes": {"title": "Sandboxes", "default": 4}}),
         variant("other", {"sandboxes": {"title": "Sandboxes", "default": 7}, "gates": {"title": "Gates", "default": 1}})]
living.model_of = lambda name: (RoleModel((_folder / f"{name}.json").read_text())
                                if (_folder / f"{name}.json").exists() else model_of(name))


class Quotas(LivingTest):
    config = {"org.models": FILES}

    def quotas(self, org, token=None):
        """name -> the org's record, and (name, member) -> a member's."""
        found = {}
        for item in org.listed("/Quotas", token):
            whose = item.get("member", {}).get("value")
            found[(item["name"], whose) if whose else item["name"]] = item
        return found

    def act(self, org, quota, action, amount=1, token=None, **more):
        body = {"amount": amount, **more}
        return org.send(token or self.operator, "POST", f"/Quotas/{quota['id']}/.{action}", body)

    def service(self, org, *permissions):
        made = self.daemon.ctl("token", "create", "--service", "--orgs", org.key, "--permissions", ",".join(permissions))
        return find_member(made, ("token", "secret"))

    def give(self, org, **quotas):
        """As the operator does it."""
        return self.operate("PATCH", f"/Organizations/{org.id}", {"schemas": [PATCH], "Operations": [
            {"op": "replace", "path": "quotas", "value": [{"value": name, "max": most} for name, most in quotas.items()]}]})

    def test_all_of_the_model_are_listed(self):
        for name in ("sandbox", "network", "each", "other"):
            for kind in living.model_of(name).data["kinds"]:
                org = self.living(name, kind)
                data = org.plain.model.data
                expected = {quota: (data["kinds"][kind].get("quotas", {}).get(quota, rule["default"]), 0, rule["title"])
                            for quota, rule in data.get("quotas", {}).items()}
                found = {quota: (item["limit"], item["used"], item["displayName"])
                         for quota, item in self.quotas(org).items()}
                self.assertEqual(found, expected, (name, kind))
                for item in self.quotas(org).values():
                    reply = org.send(self.operator, "GET", f"/Quotas/{item['id']}")
                    self.assertEqual(reply.json, item)

    def test_found(self):
        org = self.living("sandbox")
        reply = org.send(self.operator, "GET", '/Quotas?filter=name%20eq%20"volumes"')
        self.assertEqual([item["name"] for item in reply["Resources"]], ["volumes"])
        reply = org.send(self.operator, "POST", "/Quotas/.search", {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:SearchRequest"], "filter": "limit ge 100"})
        self.assertEqual({item["name"] for item in reply["Resources"]}, {"sandboxes", "snapshots", "volumes"})

    def test_of_a_model_that_grew(self):
        """An org from before its model had a quota has it as soon as somebody looks who may."""
        org = self.living("grown")
        person = self.person()
        org.join(person)
        first = self.quotas(org)
        self.allowed(self.act(org, first["sandboxes"], "reserve", 2))
        self.assertEqual(set(first), {"sandboxes"})
        variant("grown", {"sandboxes": {"title": "Boxes", "default": 5}, "gates": {"title": "Gates", "default": 3}})
        self.daemon.end()
        self.daemon.start()
        self.wire.close()
        self.denied(org.send(self.service(org, "org.reserve"), "GET", "/Quotas"), "org.usage")
        revision = org.send(self.operator, "GET", f"/Users/{org.member(org.owner)}").headers["etag"]
        answers = in_threads([lambda: self.quotas(org, person)] * 8)
        for found in answers:
            self.assertEqual({name: (item["limit"], item["used"], item["displayName"]) for name, item in found.items()},
                             {"sandboxes": (5, 2, "Boxes"), "gates": (3, 0, "Gates")})
            self.assertEqual(found["sandboxes"]["id"], first["sandboxes"]["id"])
            self.assertEqual(found, answers[0])
        self.assertEqual(revision, org.send(self.operator, "GET", f"/Users/{org.member(org.owner)}").headers["etag"])
        self.allowed(self.act(org, answers[0]["gates"], "reserve", 3))

    def test_rights(self):
        org = self.living("sandbox")
        person = self.person()
        org.join(person)
        quota = self.quotas(org)["sandboxes"]
        # The required assignment lets every member look.
        self.assertEqual(set(self.quotas(org, person)), {"sandboxes", "snapshots", "registries", "volumes"})
        for action in ("reserve", "release"):
            self.denied(self.act(org, quota, action, token=person), "org.reserve")
        product, viewer = self.service(org, "org.reserve"), self.service(org, "org.usage")
        self.allowed(self.act(org, quota, "reserve", token=product))
        self.denied(self.act(org, quota, "reserve", token=viewer), "org.reserve")
        self.denied(org.send(product, "GET", "/Quotas"), "org.usage")
        self.denied(org.send(product, "GET", f"/Quotas/{quota['id']}"), "org.usage")
        self.assertEqual(self.quotas(org, viewer)["sandboxes"]["used"], 1)
        self.allowed(self.act(org, quota, "release", token=org.owner))
        connection = self.daemon.connect(org.key, "idp")
        self.denied(self.act(org, quota, "reserve", token=connection), "org.reserve")
        self.assertEqual(org.send(connection, "GET", "/Quotas").status, 403)
        other = self.living("sandbox")
        self.gone(self.act(org, quota, "reserve", token=self.service(other, "org.reserve")))
        self.gone(other.send(self.operator, "POST", f"/Quotas/{quota['id']}/.reserve", {"amount": 1}))

    def test_only_by_acts(self):
        org = self.living("sandbox")
        quota = self.quotas(org)["sandboxes"]
        body = {"schemas": [OURS + "Quota"], "name": "sandboxes", "limit": 9, "used": 1}
        for method, path in (("POST", ""), ("PUT", "/" + quota["id"]), ("PATCH", "/" + quota["id"]), ("DELETE", "/" + quota["id"])):
            reply = org.send(self.operator, method, "/Quotas" + path,
                             replaced("used", 3) if method == "PATCH" else None if method == "DELETE" else body)
            self.assertEqual(reply.status, 405, f"{method}: {reply}")
        reply = org.send(self.operator, "POST", "/Bulk", {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"],
            "Operations": [{"method": "POST", "path": "/Quotas", "bulkId": "q", "data": body},
                           {"method": "DELETE", "path": f"/Quotas/{quota['id']}"}]})
        for one in reply["Operations"]:
            self.assertNotIn(one["status"][0], "2", one)
        self.assertEqual(self.quotas(org)["sandboxes"], quota)

    def test_counting(self):
        org = self.living("other")
        quota = self.quotas(org)["sandboxes"]
        shown = self.allowed(self.act(org, quota, "reserve", 5))
        self.assertEqual((shown["id"], shown["limit"], shown["used"]), (quota["id"], 7, 5))
        reply = self.act(org, quota, "reserve", 3)
        self.assertEqual(reply.status, 409)
        self.assertIn('"sandboxes"', reply["detail"])
        self.assertEqual(self.allowed(self.act(org, quota, "reserve", 2))["used"], 7)
        self.assertEqual(self.act(org, quota, "reserve").status, 409)
        self.assertEqual(self.act(org, quota, "release", 8).status, 409)
        self.assertEqual(self.allowed(self.act(org, quota, "release", 7))["used"], 0)
        self.assertEqual(self.act(org, quota, "release").status, 409)
        for amount in (0, -1, 1.5, "1", None, True, 10 ** 10, 10 ** 30):
            self.assertEqual(self.act(org, quota, "reserve", amount).status, 400, amount)
        for body in ({}, {"amount": 1, "member": 7}, {"amount": 1, "member": NOWHERE}, {"amount": 1, "member": "x"}):
            self.assertEqual(org.send(self.operator, "POST", f"/Quotas/{quota['id']}/.reserve", body).status, 400, body)
        self.assertEqual(org.send(self.operator, "POST", f"/Quotas/{quota['id']}/.reserve").status, 400)
        for name in (NOWHERE, "sandboxes"):
            self.assertEqual(org.send(self.operator, "POST", f"/Quotas/{name}/.reserve", {"amount": 1}).status, 404)
        self.assertEqual(self.quotas(org)["sandboxes"]["used"], 0)
        self.assertEqual(self.quotas(org)["gates"]["used"], 0)

    def test_operators_change_limits(self):
        org = self.living("other")
        quota = self.quotas(org)["sandboxes"]
        self.allowed(self.act(org, quota, "reserve", 7))
        self.give(org, sandboxes=9)
        self.assertEqual(self.quotas(org)["sandboxes"]["limit"], 9)
        self.assertEqual(self.allowed(self.act(org, quota, "reserve", 2))["used"], 9)
        self.assertEqual(self.act(org, quota, "reserve").status, 409)
        # Below what is used: what is there stays, nothing more goes.
        self.give(org, sandboxes=0)
        self.assertEqual(self.act(org, quota, "reserve").status, 409)
        self.allowed(self.act(org, quota, "release", 8))
        self.assertEqual(self.act(org, quota, "reserve").status, 409)
        self.operate("PATCH", f"/Organizations/{org.id}", {"schemas": [PATCH], "Operations": [
            {"op": "remove", "path": "quotas"}]})
        self.assertEqual(self.quotas(org)["sandboxes"]["limit"], 7)
        # Nobody else does.
        self.assertEqual(self.send(org.owner, "PATCH", f"/scim/v2/Organizations/{org.id}", replaced(
            "quotas", [{"value": "sandboxes", "max": 100}])).status, 403)
        self.assertEqual(self.quotas(org)["sandboxes"]["limit"], 7)
        self.assertEqual(self.send(self.operator, "PATCH", f"/scim/v2/Organizations/{org.id}", replaced(
            "quotas", [{"value": "sandboxes", "max": -1}])).status, 400)

    def test_personal(self):
        """The quota is the person's; who it is need not be said."""
        org = self.living("sandbox", "personal")
        quota = self.quotas(org)["sandboxes"]
        member = org.member(org.owner)
        shown = self.allowed(self.act(org, quota, "reserve", 4, self.service(org, "org.reserve")))
        self.assertEqual((shown["member"]["value"], shown["used"], shown["limit"]), (member, 4, 10))
        self.assertTrue(shown["member"]["$ref"].endswith("/Users/" + member))
        found = self.quotas(org)
        self.assertEqual((found["sandboxes"]["used"], found["sandboxes", member]["used"]), (4, 4))
        self.assertEqual(self.act(org, quota, "reserve", 7).status, 409)
        self.allowed(self.act(org, found["sandboxes", member], "reserve", 6))
        self.assertEqual(self.act(org, quota, "reserve", member=member).status, 409)
        self.allowed(self.act(org, quota, "release", 10, org.owner))
        self.assertEqual(self.quotas(org)["sandboxes"]["used"], 0)

    def test_each_member(self):
        org = self.living("each")
        quota = self.quotas(org)["registries"]  # 20
        first, second = org.make("user"), org.make("user")
        self.assertEqual(self.act(org, quota, "reserve").status, 400)
        for member in (first, second):
            self.assertEqual(self.allowed(self.act(org, quota, "reserve", 20, member=member))["used"], 20)
            self.assertEqual(self.act(org, quota, "reserve", member=member).status, 409)
        found = self.quotas(org)
        self.assertEqual((found["registries"]["used"], found["registries", first]["used"]), (40, 20))
        self.assertEqual(self.act(org, found["registries", first], "release", member=second).status, 400)
        self.allowed(self.act(org, found["registries", first], "release", 5))
        # An owner without saying whose: their own.
        mine = self.allowed(self.act(org, quota, "reserve", 2, org.owner))
        self.assertEqual(mine["member"]["value"], org.member(org.owner))
        # What a member has goes with them.
        org.operate("DELETE", f"/Users/{first}")
        found = self.quotas(org)
        self.assertNotIn(("registries", first), found)
        self.assertEqual(found["registries"]["used"], 22)
        self.assertEqual(self.act(org, quota, "reserve", member=first).status, 400)
        org.operate("DELETE", f"/Users/{second}")
        self.assertEqual(self.quotas(org)["registries"]["used"], 2)
        self.assertEqual(self.daemon.verify(), "")

    def test_in_a_shared_one_whoever_is_named(self):
        org = self.living("other")
        quota, user = self.quotas(org)["sandboxes"], org.make("user")
        self.assertEqual(self.allowed(self.act(org, quota, "reserve", 3, member=user))["used"], 3)
        self.assertEqual(set(self.quotas(org)), {"sandboxes", "gates"})
        org.operate("DELETE", f"/Users/{user}")
        self.assertEqual(self.quotas(org)["sandboxes"]["used"], 3)

    def test_another_model(self):
        org = self.living("each")
        quota, user = self.quotas(org)["sandboxes"], org.make("user")
        self.allowed(self.act(org, quota, "reserve", 5, member=user))
        self.operate("POST", f"/Organizations/{org.id}/.migrate", {"model": "other"})
        found = self.quotas(org)
        self.assertEqual({name: (item["limit"], item["used"]) for name, item in found.items()},
                         {"sandboxes": (7, 5), "gates": (1, 0)})
        self.assertEqual(self.act(org, quota, "reserve", 3).status, 409)
        self.assertEqual(self.allowed(self.act(org, quota, "reserve", 2))["used"], 7)
        self.operate("POST", f"/Organizations/{org.id}/.migrate", {"model": "each"})
        self.assertEqual(self.quotas(org)["sandboxes"]["used"], 0)
        self.assertEqual(self.daemon.verify(), "")

    def test_64_at_once(self):
        """Not one more than the limit, not one fewer, whoever asks at the same moment."""
        for name, kind, limit in (("sandbox", "company", 100), ("sandbox", "personal", 10)):
            org = self.living(name, kind)
            quota, token = self.quotas(org)["sandboxes"], self.service(org, "org.reserve")
            wires = threading.local()

            def reserve():
                wires.got = 0
                for _ in range(4):
                    reply = self.act(org, quota, "reserve", 1, token)
                    self.assertIn(reply.status, (200, 409), reply)
                    if reply.status == 200:
                        self.assertLessEqual(reply["used"], limit)
                        wires.got += 1
                return wires.got

            self.assertEqual(sum(in_threads([reserve] * 64)), limit)
            self.assertEqual(self.quotas(org)["sandboxes"]["used"], limit)

            def release():
                return self.act(org, quota, "release", 3, token).status

            released = in_threads([release] * 64).count(200)
            self.assertEqual(released, limit // 3)
            self.assertEqual(self.quotas(org)["sandboxes"]["used"], limit % 3)
        self.assertEqual(self.daemon.verify(), "")


if __name__ == "__main__":
    main()
