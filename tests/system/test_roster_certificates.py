#!/usr/bin/env python3
"""Client certificates at the binary door: those of an organisation's own authority, and of a configured one."""

import pathlib
import subprocess
import tempfile
import time

from harness import NOWHERE, Api, SystemTest, certificate, find_member, main
from wire import CODES, Failure, Wire

OURS = "urn:rosterd:scim:schemas:core:1.0:"
_folder = tempfile.TemporaryDirectory(prefix="roster-clients-")
FOLDER = pathlib.Path(_folder.name)


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def authority(name):
    """A certificate authority that is nobody's of ours."""
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 5, "-keyout", FOLDER / f"{name}.key",
            "-out", FOLDER / f"{name}.pem", "-subj", f"/CN={name}", "-addext", "basicConstraints=critical,CA:TRUE",
            "-addext", "keyUsage=critical,keyCertSign")
    return FOLDER / f"{name}.pem"


def signed(by, common_name, *extensions, seconds=86400):
    """(certificate, key) for a common name; by None: an authority's own."""
    files = FOLDER / f"{'client' if by else common_name}.pem", FOLDER / f"{'client' if by else common_name}.key"
    openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", files[1],
            "-out", FOLDER / "client.csr", "-subj", f"/CN={common_name}")
    kind = ["basicConstraints=CA:FALSE", "extendedKeyUsage=clientAuth"] if by else ["basicConstraints=critical,CA:TRUE"]
    (FOLDER / "client.ext").write_text("\n".join([*kind, *extensions]))
    (FOLDER / "index.txt").write_text("")
    (FOLDER / "ca.conf").write_text(f"[ca]\ndefault_ca=d\n[d]\ndatabase={FOLDER}/index.txt\nnew_certs_dir={FOLDER}\nrand_serial=yes\n"
                                    "default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n")
    ends = time.strftime("%Y%m%d%H%M%SZ", time.gmtime(time.time() + seconds))
    issuer = ["-cert", FOLDER / f"{by}.pem", "-keyfile", FOLDER / f"{by}.key"] if by else ["-selfsign", "-keyfile", files[1]]
    openssl("ca", "-batch", "-notext", "-config", FOLDER / "ca.conf", "-in", FOLDER / "client.csr", *issuer,
            "-enddate", ends, "-extfile", FOLDER / "client.ext", "-out", files[0])
    return files


TRUSTED, STRANGE = authority("trusted"), authority("strange")


class Certificates(SystemTest):
    config = {"tls.client_authority": str(TRUSTED)}

    def setUp(self):
        super().setUp()
        self.operator = find_member(self.daemon.ctl("token", "create", "--operator"), ("token",))
        self.home = self.org()
        self.op = self.home.with_token(self.operator)
        settings = self.op.get("/Settings").json["Resources"][0]["id"]
        self.ca = lambda **body: self.op.post(f"/Settings/{settings}/.ca", body)
        self.assertIn(self.ca().status, (200, 201))
        self.ada = self.op.user("ada")["id"]
        self.crew = self.op.group("crew", [self.ada])["id"]

    def issue(self, subject):
        """(files, id) of a certificate that the organisation issued."""
        made = self.ok(self.op.post("/Certificates", {"schemas": [OURS + "Certificate"], "subject": {"value": subject}}), 201)
        files = FOLDER / f"{made['id']}.pem", FOLDER / f"{made['id']}.key"
        files[0].write_text(made["certificate"])
        files[1].write_text(made["privateKey"])
        return files, made["id"]

    def wire(self, chain, **hello):
        wire = Wire(self.daemon, chain=chain, hello=False)
        self.addCleanup(wire.close)
        wire.greeting = wire.call("hello", version=1, **hello)
        return wire

    def refused(self, has, call, error="UNAUTHORIZED"):
        with self.assertRaises(Failure) as caught:
            call()
        self.assertEqual(caught.exception.error, error, caught.exception)
        self.assertIn(has, caught.exception.message)

    def test_a_member(self):
        chain, id = self.issue(self.ada)
        wire = self.wire(chain)
        self.assertEqual((wire.greeting["actor"], wire.greeting["org"]), ("key", self.home.key))
        self.assertEqual(wire.is_member(self.ada, self.crew), "direct")
        self.assertEqual(wire.check(self.ada, "member.view"), "granted")  # about herself
        bob = self.op.user("bob")["id"]
        self.refused("org.check", lambda: wire.check(bob, "member.view"), "FORBIDDEN")
        other = self.org()
        self.refused("", lambda: wire.is_member(self.ada, self.crew, org=other.key), "NOT_FOUND")
        # Inactive, she is nobody; active again, somebody.
        for active in (False, True):
            self.assertIn(self.op.patch(f"/Users/{self.ada}", {"op": "replace", "path": "active", "value": active}).status, (200, 204))
            if active:
                self.assertEqual(wire.is_member(self.ada, self.crew), "direct")
            else:
                self.refused("", lambda: wire.is_member(self.ada, self.crew))
        self.ok(self.op.post(f"/Certificates/{id}/.revoke", {"reason": "keyCompromise"}))
        self.refused("revoked", lambda: wire.is_member(self.ada, self.crew))
        self.refused("revoked", lambda: self.wire(chain))

    def test_a_token_counts_more(self):
        chain, _ = self.issue(self.ada)
        wire = self.wire(chain, token=self.home.token)
        self.assertEqual(wire.greeting["actor"], "connection")

    def test_a_connection_and_a_key(self):
        connection = self.op.get("/Connections").json["Resources"][0]["id"]
        wire = self.wire(self.issue(connection)[0])
        self.assertEqual(wire.greeting["actor"], "connection")
        self.assertEqual(wire.is_member(self.ada, self.crew), "direct")
        self.refused("org.check", lambda: wire.check(self.ada, "member.view"), "FORBIDDEN")
        key = self.ok(self.op.post("/Tokens", {"schemas": [OURS + "Token"], "kind": "key", "owner": {"value": self.ada},
                                               "permissions": ["team.view"]}), 201)["id"]
        wire = self.wire(self.issue(key)[0])
        self.assertEqual(wire.is_member(self.ada, self.crew), "direct")
        self.refused("org.check", lambda: wire.check(self.ada, "member.view"), "FORBIDDEN")  # the key is limited
        self.assertEqual(self.op.delete(f"/Tokens/{key}").status, 204)
        self.refused("", lambda: wire.is_member(self.ada, self.crew))

    def test_another_authority_ends_them(self):
        chain, _ = self.issue(self.ada)
        wire = self.wire(chain)
        self.assertIn(self.ca(replace=True).status, (200, 201))
        self.refused("revoked", lambda: wire.is_member(self.ada, self.crew))
        self.wire(self.issue(self.ada)[0])

    def test_a_renamed_organisation(self):
        chain, _ = self.issue(self.ada)
        key = self.home.key + "-new"
        self.daemon.ctl("org", "rename", self.home.key, key)
        self.assertEqual(self.wire(chain).is_member(self.ada, self.crew, org=key), "direct")
        self.assertEqual(self.wire(chain, org=key).is_member(self.ada, self.crew), "direct")
        self.refused("none like it", lambda: self.wire(chain, org=self.org().key))
        self.refused("not known", lambda: self.wire(chain, org="nowhere"))

    def test_strangers(self):
        self.refused("no client certificate", lambda: self.wire(None))
        self.refused("", lambda: self.wire(signed("strange", "shop")))
        forged = signed("strange", "member ada", f"subjectAltName=URI:urn:rosterd:org:{self.home.key}:member:{self.ada}")
        self.refused("none like it", lambda: self.wire(forged))
        forged = signed("trusted", "member ada", f"subjectAltName=URI:urn:rosterd:org:{self.home.key}:member:{self.ada}")
        self.refused("none like it", lambda: self.wire(forged))
        self.refused("common name", lambda: self.wire(signed("trusted", "nobody")))

    def test_a_product_by_the_configured_authority(self):
        make = lambda: self.daemon.ctl("token", "create", "--service", "--orgs", self.home.key, "--permissions", "team.view", "--label", "shop")
        make()
        chain = signed("trusted", "shop")
        wire = self.wire(chain)
        self.assertEqual((wire.greeting["actor"], "org" in wire.greeting), ("service", False))
        wire.org = self.home.key
        self.assertEqual(wire.is_member(self.ada, self.crew), "direct")
        self.refused("org.check", lambda: wire.check(self.ada, "member.view"), "FORBIDDEN")
        platform = Api(f"{self.daemon.url}/scim/v2", self.operator, cafile=certificate()[0])
        for token in platform.find("/Tokens", 'kind eq "service"').ids:
            self.assertEqual(platform.delete(f"/Tokens/{token}").status, 204)
        self.refused("revoked", lambda: wire.is_member(self.ada, self.crew))
        self.refused("common name", lambda: self.wire(chain))
        make(), make()
        self.refused("common name", lambda: self.wire(chain))  # whose it is can't be told

    def test_the_end_of_a_certificate_ends_what_it_opened(self):
        self.daemon.ctl("token", "create", "--service", "--orgs", self.home.key, "--permissions", "team.view", "--label", "brief")
        wire = self.wire(signed("trusted", "brief", seconds=4))
        wire.org = self.home.key
        self.assertEqual(wire.is_member(self.ada, self.crew), "direct")
        time.sleep(5.5)
        self.refused("not valid any more", lambda: wire.is_member(self.ada, self.crew))
        self.refused("expired", lambda: self.wire(signed("trusted", "brief", seconds=-1)))


class AuthorityThatEnds(SystemTest):
    @classmethod
    def setUpClass(cls):
        cls.ends = time.time() + 8
        cls.config = {"tls.client_authority": str(signed(None, "brief-authority", seconds=8)[0])}
        super().setUpClass()

    def test_its_end_ends_what_it_opened(self):
        """However long the client's own certificate would be good."""
        org = self.org()
        user, group = org.user("u")["id"], org.group("g")["id"]
        self.daemon.ctl("token", "create", "--service", "--orgs", org.key, "--permissions", "team.view", "--label", "lasting")
        chain = signed("brief-authority", "lasting")
        wire = Wire(self.daemon, org=org.key, chain=chain)
        self.addCleanup(wire.close)
        self.assertEqual(wire.is_member(user, group), "not_member")
        time.sleep(max(0, self.ends + 1.5 - time.time()))
        for call in (lambda: Wire(self.daemon, chain=chain), lambda: wire.is_member(user, group)):
            with self.assertRaises(Failure) as caught:
                call()
            self.assertEqual(caught.exception.error, "UNAUTHORIZED")


if __name__ == "__main__":
    main()
