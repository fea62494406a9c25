"""Settings of an org: what each can hold, what is refused with nothing changed, and what follows elsewhere."""

import json

from living import LivingTest, OURS, PATCH, replaced
from harness import main

MOST_POLICIES = 256 * 1024


class Settings(LivingTest):
    def setUp(self):
        super().setUp()
        self.org_ = self.living("standard")
        self.path = f"/Settings/{self.org_.listed('/Settings')[0]['id']}"

    def shown(self):
        return self.org_.operate("GET", self.path)

    def set(self, name, value, who=None):
        return self.org_.send(who or self.org_.owner, "PATCH", self.path, replaced(name, value))

    def kept(self, name, value):
        """Taken, and there afterwards."""
        self.assertEqual(self.allowed(self.set(name, value)).get(name), value)
        self.assertEqual(self.shown().get(name), value)

    def refuses(self, name, value, word, status=400):
        """Refused, the attribute named, and nothing changed."""
        before = self.shown()
        for method, body in (("PATCH", replaced(name, value)), ("PUT", {**before, name: value})):
            reply = self.org_.send(self.org_.owner, method, self.path, body)
            self.assertEqual(reply.status, status, f"{method} {name}: {str(value)[:80]}: {reply}")
            self.assertIn(name.split(".")[0], reply["detail"])
            self.assertIn(word, reply["detail"])
        self.assertEqual(self.shown(), before)

    # ---- Policies ----

    def sized(self, size):
        text = json.dumps({"fill": ""})
        return text[:-2] + "x" * (size - len(text)) + text[-2:]

    def test_policies_are_kept_as_they_are(self):
        for text in ("{}", '{"b": 1,\n "a": [null, 1e40, "\\u00e9", "é"]}', self.sized(MOST_POLICIES)):
            self.kept("policies", text)

    def test_policies_have_versions(self):
        self.assertNotIn("policies", self.shown())
        versions = []
        for text in ('{"n":1}', '{"n":2}', '{"n":2}', '{"n":1}', '{"n": 1}'):
            shown = self.allowed(self.set("policies", text))
            versions.append(shown["policiesVersion"])
        self.assertEqual(versions, [1, 2, 2, 3, 4])
        self.allowed(self.set("displayName", "Other"))
        self.assertEqual(self.shown()["policiesVersion"], 4)
        self.allowed(self.org_.send(self.org_.owner, "PATCH", self.path, {"schemas": [PATCH], "Operations": [
            {"op": "remove", "path": "policies"}]}))
        self.assertEqual(self.shown()["policiesVersion"], 5)
        # It is the daemon's to count.
        self.org_.send(self.org_.owner, "PUT", self.path, {**self.shown(), "policiesVersion": 70})
        self.assertEqual(self.shown()["policiesVersion"], 5)
        self.set("policiesVersion", 70)
        self.assertEqual(self.shown()["policiesVersion"], 5)

    def test_policies_that_are_refused(self):
        self.kept("policies", '{"kept": true}')
        for text in ("{", "[1]", "7", '{"a":}', "{} {}", '{"a": 1,}', '{"a":1,"a":2}', "nonsense"):
            self.refuses("policies", text, "JSON")
        self.refuses("policies", self.sized(MOST_POLICIES + 1), str(MOST_POLICIES))
        self.assertEqual((self.shown()["policies"], self.shown()["policiesVersion"]), ('{"kept": true}', 1))

    # ---- DNS, SSO ----

    def test_nameservers(self):
        self.kept("nameservers", ["192.0.2.1", "2001:db8::1", "::ffff:192.0.2.9"])
        for wrong in ("nope", "192.0.2.256", "192.0.2", "192.0.2.1:53", "[2001:db8::1]", "2001:db8::g", "192.0.2.1 "):
            self.refuses("nameservers", ["192.0.2.7", wrong], wrong.strip())
        self.kept("nameservers", [f"192.0.2.{n}" for n in range(16)])
        self.refuses("nameservers", [f"192.0.2.{n}" for n in range(17)], "16", 413)

    def test_search_domains(self):
        self.kept("searchDomains", ["corp.test", "a.b.corp.test"])
        for wrong in ("-a.test", "a..test", "a b.test", "x" * 64 + ".test", ".".join(["a" * 60] * 5)):
            self.refuses("searchDomains", ["corp.test", wrong], "")
        self.refuses("searchDomains", [f"d{n}.test" for n in range(101)], "100", 413)

    def test_sso(self):
        self.kept("sso", {"provider": "oidc", "issuer": "https://idp.test/", "clientId": "c-1",
                          "metadataUrl": "https://idp.test/.well-known/openid-configuration"})
        for wrong in ("http://idp.test/", "ftp://idp.test", "idp.test", "//idp.test", "javascript:alert(1)"):
            self.refuses("sso", {"provider": "oidc", "metadataUrl": wrong}, "metadataUrl")
        self.allowed(self.set("sso.provider", "saml"))
        self.allowed(self.org_.send(self.org_.owner, "PATCH", self.path, {"schemas": [PATCH], "Operations": [
            {"op": "remove", "path": "sso.metadataUrl"}]}))
        self.assertEqual(self.shown()["sso"], {"provider": "saml", "issuer": "https://idp.test/", "clientId": "c-1"})

    # ---- Domains ----

    def test_domains(self):
        shown = self.allowed(self.set("domains", [{"value": "One.Test", "verified": True, "challenge": "mine"},
                                                  {"value": "two.test"}]))["domains"]
        self.assertEqual([(item["value"], item.get("verified", False)) for item in shown], [("one.test", False), ("two.test", False)])
        self.assertNotIn("mine", [item["challenge"] for item in shown])
        self.assertNotEqual(shown[0]["challenge"], shown[1]["challenge"])
        again = self.allowed(self.set("domains", [{"value": "two.test", "challenge": "mine"}, {"value": "one.test"}]))["domains"]
        self.assertEqual({item["value"]: item["challenge"] for item in again}, {item["value"]: item["challenge"] for item in shown})
        for wrong in ("-a.test", "a..b", "a b", "x" * 64 + ".test"):
            self.refuses("domains", [{"value": "three.test"}, {"value": wrong}], "")
        self.refuses("domains", [{"value": f"d{n}.test"} for n in range(101)], "100", 413)

    # ---- What follows ----

    def test_a_display_name_follows(self):
        self.kept("displayName", "Ångström & Söhne")
        self.assertEqual(self.operate("GET", f"/Organizations/{self.org_.id}")["displayName"], "Ångström & Söhne")
        self.assertEqual(self.daemon.ctl("org", "show", self.org_.key)["name"], "Ångström & Söhne")

    def test_there_is_one_of_an_org_always(self):
        self.assertEqual(self.org_.send(self.operator, "POST", "/Settings", {"schemas": [OURS + "Settings"]}).status, 405)
        self.assertEqual(self.org_.send(self.operator, "DELETE", self.path).status, 405)
        self.assertEqual(len(self.org_.listed("/Settings")), 1)


if __name__ == "__main__":
    main()
