"""The certificate authority of an organisation over HTTPS: made, used, revoked, replaced; openssl and curl are the judges."""

import base64
import datetime
import os
import pathlib
import re
import secrets
import shutil
import subprocess
import tempfile
import time

from harness import NOWHERE, Api, Daemon, SystemTest, certificate, find_member, in_threads, main

OURS = "urn:rosterd:scim:schemas:core:1.0:"
CERTIFICATE = OURS + "Certificate"


def openssl(*words, fails=False, **more):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=60, **more)
    if (done.returncode != 0) != fails:
        raise AssertionError(f"openssl {words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def a_time(**ahead):
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(**ahead)
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def operator_of(daemon):
    """A client with an operator's token, on the platform's base."""
    token = find_member(daemon.ctl("token", "create", "--operator"), ("token", "secret"))
    return Api(daemon.url + "/scim/v2", token, cafile=certificate()[0])


class Company:
    """An org of the model `standard`, its owner, and the operator in it."""

    def __init__(self, test, daemon, platform, key):
        self.test, self.daemon, self.key, self.platform = test, daemon, key, platform
        self.base = f"{daemon.url}/orgs/{key}/scim/v2"
        self.operator = platform.at(self.base)
        self.owner_person, owner_token = self.person(key + "-owner")
        made = platform.post("/Organizations", {"schemas": [OURS + "Organization"], "key": key, "displayName": "Acme Inc.",
                                                "creator": {"value": self.owner_person}})
        self.id = test.ok(made, 201)["id"]
        self.owner = self.api(owner_token)
        self.owner_id = self.operator.get("/Users").ids[0]
        self.settings = self.operator.get("/Settings").ids[0]

    def api(self, token):
        return Api(self.base, token, cafile=certificate()[0])

    def person(self, name):
        """(id, token)"""
        made = self.test.ok(self.platform.post("/People", {
            "schemas": [OURS + "Person"], "userName": name,
            "emails": [{"value": name + "@people.test", "primary": True, "verified": True}]}), 201)
        token = self.test.ok(self.platform.post("/Tokens", {
            "schemas": [OURS + "Token"], "kind": "personal", "owner": {"value": made["id"]}}), 201)
        return made["id"], token["token"]

    def member(self, name, role=None):
        """(id, client)"""
        person, token = self.person(f"{self.key}-{name}")
        user = self.operator.user(name, emails=[{"value": f"{self.key}-{name}@people.test", "primary": True}])
        self.test.ok(self.operator.post(f"/Users/{user['id']}/.link", {"person": person}))
        if role:
            self.test.ok(self.operator.post("/Assignments", {
                "schemas": [OURS + "Assignment"], "principal": {"value": user["id"]}, "role": role}), 201)
        return user["id"], self.api(token)

    def authority(self, status=201, **body):
        return self.test.ok(self.owner.post(f"/Settings/{self.settings}/.ca", body), status)

    def issue(self, subject=None, api=None, **more):
        return (api or self.owner).post("/Certificates", {
            "schemas": [CERTIFICATE], "subject": {"value": subject or self.owner_id}, **more})

    def issued(self, subject=None, **more):
        return self.test.ok(self.issue(subject, **more), 201)

    def revoke(self, id, **body):
        return self.owner.post(f"/Certificates/{id}/.revoke", body)

    def crl(self, key=None, method="GET", **headers):
        api = Api(self.daemon.url, None, cafile=certificate()[0])
        reply = api.request(method, f"/orgs/{self.key if key is None else key}/crl", headers=headers)
        api.close()
        return reply

    def close(self):
        self.operator.close()
        self.owner.close()


class Platform(Api):
    def at(self, base):
        return Api(base, self.token, cafile=certificate()[0])


class CertificateTest(SystemTest):
    config = {"rate.address": 0}
    orgs_made = 0

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.platform = Platform(cls.daemon.url + "/scim/v2", operator_of(cls.daemon).token, cafile=certificate()[0])

    def setUp(self):
        super().setUp()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="roster-certificates-"))
        self.addCleanup(shutil.rmtree, self.folder)

    def company(self, key=None):
        CertificateTest.orgs_made += 1
        made = Company(self, self.daemon, self.platform, key or f"company{self.orgs_made}")
        self.addCleanup(made.close)
        return made

    def file(self, name, content=None):
        path = self.folder / name
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def verify(self, company, authority, one, fails=False):
        """openssl's word on a certificate, with the list that the org serves now."""
        reply = company.crl()
        self.assertEqual(reply.status, 200, reply)
        openssl("crl", "-inform", "DER", "-in", self.file("crl.der", reply.raw), "-out", self.file("crl.pem"))
        return openssl("verify", "-x509_strict", "-purpose", "sslclient", "-crl_check", "-CRLfile", self.file("crl.pem"),
                       "-CAfile", self.file("ca.pem", authority["certificate"]),
                       self.file("cert.pem", one["certificate"]), fails=fails)

    def listed(self, company):
        """(number of the list, serial numbers in it)"""
        text = openssl("crl", "-inform", "DER", "-in", self.file("crl.der", company.crl().raw), "-noout", "-text")
        return (int(re.search(r"CRL Number:\s+(\d+)", text).group(1)),
                {serial.lower() for serial in re.findall(r"Serial Number: (\w+)", text)})

    def request(self, *words):
        openssl("genpkey", *words, "-out", self.file("own.key"))
        openssl("req", "-new", "-key", self.file("own.key"), "-subj", "/CN=x", "-out", self.file("own.csr"))
        return self.file("own.csr").read_text()


class Life(CertificateTest):
    def test_from_the_authority_to_revocation(self):
        acme = self.company()
        self.refused(acme.issue(), 409)
        self.assertEqual(acme.crl().status, 404)
        authority = acme.authority()
        self.assertEqual((authority["kind"], authority["status"]), ("authority", "valid"))
        self.assertNotIn("privateKey", authority)
        self.assertEqual(acme.authority(200)["id"], authority["id"], "asked again it is the same one")
        one = acme.issued(displayName="laptop")
        self.assert_has(one, {"kind": "client", "status": "valid", "displayName": "laptop",
                              "subject": {"value": acme.owner_id, "type": "User"},
                              "createdBy": {"value": acme.owner_id, "type": "User"}})
        self.verify(acme, authority, one)
        text = openssl("x509", "-in", self.file("cert.pem"), "-noout", "-text")
        self.assertIn(f"URI:urn:rosterd:org:{acme.key}:member:{acme.owner_id}\n", text)
        self.assertIn(f"URI:{self.daemon.url}/orgs/{acme.key}/crl\n", text)
        self.assertIn("CN = member laptop", text)
        said = openssl("x509", "-in", self.file("cert.pem"), "-noout", "-serial", "-fingerprint", "-sha256", "-enddate")
        self.assertIn("serial=" + one["serial"].upper(), said)
        self.assertIn("=" + ":".join(one["fingerprint"].upper()[i:i + 2] for i in range(0, 64, 2)), said)
        self.assertIn(datetime.datetime.fromisoformat(one["notAfter"].replace("Z", "+00:00")).strftime("%b %e %H:%M:%S %Y"),
                      said)
        self.file("cert.key", one["privateKey"])
        self.assertEqual(openssl("pkey", "-in", self.file("cert.key"), "-pubout"),
                         openssl("x509", "-in", self.file("cert.pem"), "-noout", "-pubkey"))
        number, serials = self.listed(acme)
        self.assertEqual(serials, set())
        two = acme.issued()
        revoked = self.ok(acme.revoke(one["id"], reason="keyCompromise"))
        self.assertEqual((revoked["status"], revoked["reason"]), ("revoked", "keyCompromise"))
        self.assertEqual(self.ok(acme.revoke(one["id"], reason="superseded")), revoked, "once is for ever")
        self.assertIn("certificate revoked", self.verify(acme, authority, one, fails=True))
        self.verify(acme, authority, two)
        later, serials = self.listed(acme)
        self.assertEqual(serials, {one["serial"]})
        self.assertGreater(later, number)
        self.assertEqual({item["status"] for item in acme.owner.find("/Certificates", 'kind eq "client"').json["Resources"]},
                         {"valid", "revoked"})
        found = acme.owner.find("/Certificates", f'fingerprint eq "{two["fingerprint"]}"').json
        self.assertEqual([item["id"] for item in found["Resources"]], [two["id"]])
        self.assertEqual(self.daemon.verify(), "")

    def test_a_key_of_the_clients_own(self):
        acme = self.company()
        authority = acme.authority()
        csr = self.request("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        one = acme.issued(csr=csr, notAfter=a_time(days=3))
        self.assertNotIn("privateKey", one)
        self.assertNotIn("csr", one)
        self.verify(acme, authority, one)
        self.assertEqual(openssl("x509", "-in", self.file("cert.pem"), "-noout", "-pubkey"),
                         openssl("pkey", "-in", self.file("own.key"), "-pubout"))
        for bad, word in ((self.request("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"), "2048"),
                          (self.request("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"), "P-256"),
                          ("nothing", "PEM"), (csr.replace("MI", "MJ", 1), "")):
            self.assertIn(word, self.refused(acme.issue(csr=bad), 400, "invalidValue")["detail"])
        for end, word in ((a_time(days=-1), "future"), (a_time(days=900), "825")):
            self.assertIn(word, self.refused(acme.issue(notAfter=end), 400, "invalidValue")["detail"])

    def test_it_ends_by_itself(self):
        acme = self.company()
        authority = acme.authority()
        one = acme.issued(notAfter=a_time(seconds=2))
        self.assertEqual(one["status"], "valid")
        time.sleep(2.2)
        self.assertEqual(self.ok(acme.owner.get("/Certificates/" + one["id"]))["status"], "expired")
        self.assertEqual(acme.owner.find("/Certificates", 'status eq "expired"').ids, [one["id"]])
        self.assertIn("expired", self.verify(acme, authority, one, fails=True))
        self.assertIn("7 days", self.refused(acme.owner.delete("/Certificates/" + one["id"]), 409)["detail"])

    def test_what_can_be_changed(self):
        acme = self.company()
        acme.authority()
        one = acme.issued()
        path = "/Certificates/" + one["id"]
        changed = self.ok(acme.owner.patch(path, {"op": "replace", "path": "displayName", "value": "phone"},
                                           {"op": "replace", "path": "csr", "value": "x"}))
        self.assertEqual(changed["displayName"], "phone")
        for name, value in (("status", "revoked"), ("certificate", "x"), ("serial", "1"), ("privateKey", "x"),
                            ("subject", {"value": NOWHERE})):
            reply = acme.owner.patch(path, {"op": "replace", "path": name, "value": value})
            self.assertEqual(reply.status, 400, (name, reply))
        for hidden in ("sealedKey", "revoked"):
            self.assertEqual(acme.owner.patch(path, {"op": "replace", "path": hidden, "value": "x"}).status, 400)
            self.assertEqual(acme.owner.find("/Certificates", f"{hidden} pr").status, 400)
        self.assertEqual(self.ok(acme.owner.get(path))["certificate"], one["certificate"])

    def test_a_new_authority_ends_the_old_one(self):
        acme = self.company()
        old = acme.authority()
        one = acme.issued()
        self.refused(acme.revoke(old["id"]), 409)
        self.refused(acme.owner.post(f"/Settings/{acme.settings}/.ca", {"replace": "yes"}), 400, "invalidValue")
        new = acme.authority(replace=True)
        self.assertNotEqual(new["id"], old["id"])
        for id in (old["id"], one["id"]):
            self.assert_has(self.ok(acme.owner.get("/Certificates/" + id)), {"status": "revoked", "reason": "superseded"})
        two = acme.issued()
        self.verify(acme, new, two)
        self.verify(acme, new, one, fails=True)
        self.assertEqual(self.listed(acme)[1], set(), "the old one's are not of this authority")

    def test_certificates_go_with_who_shows_them(self):
        acme = self.company()
        acme.authority()
        member, _ = acme.member("mia")
        key = self.ok(acme.owner.post("/Tokens", {"schemas": [OURS + "Token"], "kind": "key",
                                                  "owner": {"value": acme.owner_id}}), 201)
        connection = self.ok(acme.owner.post("/Connections", {"schemas": [OURS + "Connection"], "name": "hr"}), 201)
        ends = []
        for kind, endpoint, id in (("member", "/Users", member), ("service", "/Tokens", key["id"]),
                                   ("service", "/Connections", connection["id"])):
            one = acme.issued(id)
            self.assertIn(f"URI:urn:rosterd:org:{acme.key}:{kind}:{id}\n", openssl(
                "x509", "-noout", "-text", "-in", self.file("cert.pem", one["certificate"])))
            self.assertEqual(acme.operator.delete(f"{endpoint}/{id}").status, 204)
            self.assert_has(self.ok(acme.owner.get("/Certificates/" + one["id"])),
                            {"status": "revoked", "reason": "cessationOfOperation"})
            ends.append(one["serial"])
        self.assertEqual(self.listed(acme)[1], set(ends))
        for id in (member, NOWHERE, acme.settings, "x"):
            self.assertIn("member, API key or connection",
                          self.refused(acme.issue(id), 400, "invalidValue")["detail"])
        self.refused(acme.owner.post("/Certificates", {"schemas": [CERTIFICATE]}), 400, "invalidValue")


class Rights(CertificateTest):
    def test_who_may(self):
        acme, other = self.company(), self.company()
        authority = acme.authority()
        one = acme.issued()
        member, plain = acme.member("mia")
        admin_id, admin = acme.member("alan", "org/admin")
        for reply in (plain.post(f"/Settings/{acme.settings}/.ca", {"replace": True}), plain.get("/Certificates"),
                      plain.get("/Certificates/" + one["id"]), acme.issue(member, plain),
                      plain.post(f"/Certificates/{one['id']}/.revoke", {}),
                      plain.delete("/Certificates/" + one["id"])):
            self.assertIn('"settings.ca"', self.refused(reply, 403)["detail"])
        for reply in (other.owner.post(f"/Certificates/{one['id']}/.revoke", {}),
                      other.owner.post(f"/Settings/{acme.settings}/.ca", {}),
                      other.owner.get("/Certificates/" + one["id"]),
                      acme.api(other.owner.token).get("/Certificates"),
                      acme.owner.post("/Certificates/x/.revoke", {})):
            self.refused(reply, 404)
        self.assertEqual(acme.issue(member, admin).status, 201)
        self.assertEqual(acme.issue(admin_id, admin).status, 201)
        # An admin with a certificate of the owner would be the owner.
        self.refused(acme.issue(acme.owner_id, admin), 403)
        key = self.ok(acme.owner.post("/Tokens", {"schemas": [OURS + "Token"], "kind": "key",
                                                  "owner": {"value": acme.owner_id}}), 201)
        self.refused(acme.issue(key["id"], admin), 403)
        self.assertEqual(acme.issue(acme.owner_id, acme.operator).status, 201)
        self.patched(acme.operator, "/Users/" + member, {"op": "replace", "path": "active", "value": False})
        self.assertIn("active", self.refused(acme.issue(member), 400, "invalidValue")["detail"])
        self.assertEqual(self.ok(acme.owner.get("/Certificates/" + authority["id"]))["status"], "valid")

    def test_orgs_are_strangers_to_each_other(self):
        acme, other = self.company(), self.company()
        mine, theirs = acme.authority(), other.authority()
        one = acme.issued()
        self.verify(acme, mine, one)
        self.verify(other, theirs, one, fails=True)
        self.ok(acme.revoke(one["id"]))
        self.assertEqual(self.listed(other)[1], set())

    def test_no_secret_stays(self):
        acme = self.company()
        acme.authority()
        one = acme.issued(csr="")
        csr = self.request("-algorithm", "ED25519")
        acme.issued(csr=csr)
        for reply in (acme.owner.get("/Certificates"), acme.owner.get("/Certificates/" + one["id"]),
                      acme.owner.get("/AuditEvents?count=200"), acme.operator.get("/AuditEvents?count=200")):
            self.assertEqual(reply.status, 200)
            for word in (b"PRIVATE KEY", b"privateKey", b"CERTIFICATE REQUEST", b"sealedKey\":\""):
                self.assertNotIn(word, reply.raw)
        openssl("pkey", "-in", self.file("key.pem", one["privateKey"]), "-outform", "DER", "-out", self.file("key.der"))
        der = self.file("key.der").read_bytes()
        scalar = der[der.index(b"\x04\x20") + 2:][:32]
        self.assertEqual(len(scalar), 32)
        for path in [*self.daemon.data.iterdir(), self.daemon.log_path]:
            if path.is_file():
                content = path.read_bytes()
                self.assertNotIn(scalar, content, path)
                self.assertNotIn(base64.b64encode(der[:30]), content, path)
                self.assertNotIn("".join(csr.split("\n")[1:2]).encode(), content, path)


class List(CertificateTest):
    def test_as_http_has_it(self):
        acme = self.company()
        acme.authority()
        first = acme.crl()
        self.assertEqual(first.headers["content-type"], "application/pkix-crl")
        self.assertEqual(first.headers["cache-control"], "public, max-age=300")
        again = acme.crl()
        self.assertEqual((again.raw, again.headers["etag"]), (first.raw, first.headers["etag"]), "it is kept")
        same = acme.crl(**{"If-None-Match": first.headers["etag"]})
        self.assertEqual((same.status, same.raw), (304, b""))
        head = acme.crl(method="HEAD")
        self.assertEqual((head.status, head.raw, head.headers["content-length"]), (200, b"", str(len(first.raw))))
        acme.operator.user("someone")  # a change of the org that is none of the list's
        self.assertEqual(acme.crl().raw, first.raw)
        for method in ("POST", "PUT", "DELETE"):
            reply = acme.crl(method=method)
            self.assertEqual((reply.status, reply.headers["allow"]), (405, "GET, HEAD"))
        for key in ("nobody", "x/y", "", "%00", "a" * 300):
            self.assertEqual(acme.crl(key).status, 404, key)

    def test_curl_reads_it(self):
        acme = self.company()
        authority = acme.authority()
        subprocess.run(["curl", "-sf", "--cacert", certificate()[0], "-o", self.file("crl.der"),
                        f"{self.daemon.url}/orgs/{acme.key}/crl"], check=True, timeout=30)
        self.assertIn("verify OK", openssl("crl", "-inform", "DER", "-in", self.file("crl.der"), "-noout", "-CAfile",
                                           self.file("ca.pem", authority["certificate"])))

    def test_after_a_rename_both_keys_lead_to_it(self):
        acme = self.company()
        authority = acme.authority()
        one = acme.issued()
        self.daemon.ctl("org", "rename", acme.key, acme.key + "-new")
        former = acme.crl()
        self.assertEqual(former.raw, acme.crl(acme.key + "-new").raw)
        self.verify(acme, authority, one)

    def test_many_ask_while_it_changes(self):
        acme = self.company()
        authority = acme.authority()
        self.file("ca.pem", authority["certificate"])
        ids = [acme.issued()["id"] for _ in range(10)]
        lists = []

        def ask():
            lists.extend(acme.crl() for _ in range(20))

        def revoke():
            for id in ids:
                self.ok(acme.revoke(id))

        in_threads([ask] * 6 + [revoke])
        self.assertEqual({reply.status for reply in lists}, {200})
        for raw in {reply.raw for reply in lists}:
            self.assertIn("verify OK", openssl("crl", "-inform", "DER", "-in", self.file("crl.der", raw), "-noout",
                                               "-CAfile", self.file("ca.pem")))
        self.assertEqual(len(self.listed(acme)[1]), 10)

    def test_a_long_list(self):
        acme = self.company()
        authority = acme.authority()
        serials = set()
        for _ in range(70):
            one = acme.issued()
            serials.add(one["serial"])
            self.ok(acme.revoke(one["id"]))
        self.assertEqual(self.listed(acme)[1], serials)
        self.verify(acme, authority, one, fails=True)


class Address(SystemTest):
    config = {"rate.address": 1, "rate.address_burst": 5}

    def test_it_has_a_rate(self):
        api = Api(self.daemon.url, None, cafile=certificate()[0])
        statuses = [api.get("/orgs/nobody/crl").status for _ in range(8)]
        self.assertEqual(statuses[:5], [404] * 5)
        self.assertIn(429, statuses)
        self.assertGreaterEqual(int(api.get("/orgs/nobody/crl").headers["retry-after"]), 1)


class Keys(CertificateTest):
    """Another key for what is sealed, from one start to the next."""

    def restart(self, company, **settings):
        company.close()
        self.platform.close()
        self.daemon.end()
        self.daemon.extra = {**self.config, **settings}
        self.daemon.write_config()
        self.daemon.start()

    def test_the_key_changes(self):
        acme = self.company()
        authority = acme.authority()
        first = self.daemon.data / "seal.key"
        self.assertEqual(os.stat(first).st_mode & 0o777, 0o600)
        second = self.file("second.key", base64.b64encode(secrets.token_bytes(32)))
        os.chmod(second, 0o600)
        self.restart(acme, **{"seal.key_file": str(second)})
        reply = acme.issue()
        self.assertEqual(reply.status, 500, "the old key is not there")
        self.assertIn("seal.old_key_files", reply.json["detail"])
        self.restart(acme, **{"seal.key_file": str(second), "seal.old_key_files": [str(first)]})
        self.assertIn("event=sealed-anew secrets=1", self.daemon.log())
        acme.issued()
        self.restart(acme, **{"seal.key_file": str(second)})  # the old one can go
        self.verify(acme, authority, acme.issued())

    def test_a_key_that_others_can_read_is_refused(self):
        key = self.file("open.key", secrets.token_bytes(32).hex())
        os.chmod(key, 0o644)
        daemon = Daemon({"seal.key_file": str(key)})
        self.addCleanup(daemon.remove)
        with self.assertRaises(AssertionError) as failure:
            daemon.start()
        self.assertIn("600", str(failure.exception))
        daemon.process = None


if __name__ == "__main__":
    main()
