"""An org's certificate authority, as the openssl command sees it: its certificate, those that it issues, its list of
revoked ones; and what it says to requests that openssl made."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

ID = "01890a5d-ac96-774b-bcce-b302099a8057"
URL = "https://roster.example.com/orgs/acme/crl"
PROGRAM = harness.BUILD / "tests/daemon/test_ca"


def openssl(*words, fails=False, **more):
    done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, timeout=120, **more)
    if (done.returncode != 0) != fails:
        raise AssertionError(f"openssl {words}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


class Authority(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="roster-ca-"))
        self.addCleanup(shutil.rmtree, self.folder)
        if not PROGRAM.is_file():
            subprocess.run(["make", "-s", "tests/daemon/test_ca"], cwd=harness.BUILD, check=True,
                           capture_output=True, timeout=300)
        self.run_ca("create", "acme", "Acme Inc., \u201cthe\u201d /CN=x")

    def file(self, name):
        return self.folder / name

    def run_ca(self, command, *words, fails=False):
        done = subprocess.run([PROGRAM, command, self.folder, *map(str, words)], capture_output=True, text=True,
                              timeout=60)
        self.assertEqual(done.returncode, 1 if fails else 0, done.stdout + done.stderr)
        return done.stdout.strip()

    def issue(self, *csr, kind="member", name="Ada", days=30, url=URL):
        return self.run_ca("issue", kind, ID, name, days, url, *csr)

    def verify(self, *words, fails=False):
        return openssl("verify", "-x509_strict", "-purpose", "sslclient", *words, self.file("cert.pem"), fails=fails)

    def crl(self, number, *entries):
        self.run_ca("crl", number, *entries)

    def key(self, *words):
        openssl("genpkey", *words, "-out", self.file("own.key"))
        return self.file("own.key")

    def request(self, *words, subject="/CN=someone"):
        openssl("req", "-new", "-key", self.key(*words), "-subj", subject, "-out", self.file("own.csr"))
        return self.file("own.csr")

    def test_the_authority(self):
        text = openssl("x509", "-in", self.file("ca.pem"), "-noout", "-text")
        for pattern in (r"Version: 3", r"Basic Constraints: critical\s+CA:TRUE, pathlen:0",
                        r"Key Usage: critical\s+Certificate Sign, CRL Sign\n", r"Name Constraints: critical\s+Excluded:",
                        r"IP:0\.0\.0\.0/0\.0\.0\.0", r"ASN1 OID: prime256v1", r"ecdsa-with-SHA256"):
            self.assertRegex(text, pattern)
        self.assertEqual(openssl("x509", "-in", self.file("ca.pem"), "-noout", "-subject", "-nameopt", "utf8,sep_multiline"),
                         "subject=\n    O=Acme Inc., \u201cthe\u201d /CN=x\n    OU=acme\n    CN=Certificate authority\n")
        openssl("verify", "-x509_strict", "-CAfile", self.file("ca.pem"), self.file("ca.pem"))
        openssl("x509", "-in", self.file("ca.pem"), "-noout", "-checkend", 9 * 365 * 86400)
        openssl("x509", "-in", self.file("ca.pem"), "-noout", "-checkend", 11 * 365 * 86400, fails=True)

    def test_the_key_lies_sealed(self):
        sealed = self.file("ca.key")
        for form in ("DER", "PEM"):
            openssl("pkey", "-inform", form, "-in", sealed, "-noout", fails=True)
        self.assertNotIn(bytes.fromhex("2a8648ce3d0301"), sealed.read_bytes())  # no P-256 in the clear
        self.assertEqual(os.stat(self.file("seal.key")).st_mode & 0o777, 0o600)

    def test_a_certificate(self):
        serial = self.issue()
        text = openssl("x509", "-in", self.file("cert.pem"), "-noout", "-text")
        for pattern in (r"Extended Key Usage:\s+TLS Web Client Authentication\n", r"Basic Constraints: critical\s+CA:FALSE",
                        r"Key Usage: critical\s+Digital Signature\n", f"URI:urn:rosterd:org:acme:member:{ID}\n",
                        f"URI:{URL}", "CN = member Ada"):
            self.assertRegex(text, pattern)
        self.assertEqual(openssl("x509", "-in", self.file("cert.pem"), "-noout", "-serial").strip().lower(),
                         "serial=" + serial)
        self.verify("-CAfile", self.file("ca.pem"))
        openssl("verify", "-purpose", "sslserver", "-CAfile", self.file("ca.pem"), self.file("cert.pem"), fails=True)
        made = openssl("pkey", "-in", self.file("cert.key"), "-pubout")
        self.assertEqual(openssl("x509", "-in", self.file("cert.pem"), "-noout", "-pubkey"), made)
        self.assertIn("BEGIN PRIVATE KEY", self.file("cert.key").read_text())

    def test_names_that_look_like_hosts(self):
        for name in ("www.example.com", "*.example.com", "a@example.com", "192.0.2.1", "\u00fc" * 60, "x\ty", ""):
            self.issue(name=name, kind="service")
            self.verify("-CAfile", self.file("ca.pem"))
            self.assertIn(f"urn:rosterd:org:acme:service:{ID}",
                          openssl("x509", "-in", self.file("cert.pem"), "-noout", "-text"))

    def test_requests(self):
        for words in (["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"], ["-algorithm", "ED25519"],
                      *(["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve]
                        for curve in ("P-256", "P-384", "P-521"))):
            self.issue(self.request(*words, subject="/O=Evil/CN=root"))
            self.verify("-CAfile", self.file("ca.pem"))
            self.assertEqual(self.file("cert.key").read_bytes(), b"")
            self.assertEqual(openssl("x509", "-in", self.file("cert.pem"), "-noout", "-pubkey"),
                             openssl("pkey", "-in", self.file("own.key"), "-pubout"))
            self.assertNotIn("Evil", openssl("x509", "-in", self.file("cert.pem"), "-noout", "-text"))

    def test_what_a_request_asks_for_is_not_given(self):
        openssl("req", "-new", "-key", self.key("-algorithm", "ED25519"), "-subj", "/CN=x", "-out", self.file("own.csr"),
                "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "subjectAltName=DNS:www.example.com",
                "-addext", "extendedKeyUsage=serverAuth")
        self.issue(self.file("own.csr"))
        text = openssl("x509", "-in", self.file("cert.pem"), "-noout", "-text")
        for word in ("CA:TRUE", "www.example.com", "Server"):
            self.assertNotIn(word, text)

    def refused(self, csr, *words):
        answer = self.run_ca("issue", "member", ID, "Ada", 30, URL, csr, fails=True)
        self.assertTrue(answer.startswith("INVALID_VALUE csr: "), answer)
        for word in words:
            self.assertIn(word, answer)

    def test_weak_keys(self):
        self.refused(self.request("-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"), "2048", "1024")
        self.refused(self.request("-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"), "RSA, EC")
        self.refused(self.request("-algorithm", "ED448"), "Ed25519")
        for curve in ("secp256k1", "secp224r1", "brainpoolP256r1"):
            self.refused(self.request("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:" + curve), "P-256", curve)
        self.refused(self.request("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256",
                                  "-pkeyopt", "ec_param_enc:explicit"), "by name")

    def test_broken_requests(self):
        csr = self.request("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        openssl("req", "-in", csr, "-outform", "DER", "-out", self.file("own.der"))
        der = bytearray(self.file("own.der").read_bytes())
        at = der.index(b"someone")
        der[at] ^= 1  # another subject, which nobody has signed
        self.file("own.der").write_bytes(der)
        openssl("req", "-inform", "DER", "-in", self.file("own.der"), "-out", self.file("bad.csr"))
        self.refused(self.file("bad.csr"), "not signed")
        for content in (b"x", b"-----BEGIN CERTIFICATE REQUEST-----\nMIIB\n-----END CERTIFICATE REQUEST-----\n",
                        self.file("ca.pem").read_bytes(), self.file("own.key").read_bytes(),
                        b"-----BEGIN CERTIFICATE REQUEST-----\nProc-Type: 4,ENCRYPTED\n"
                        b"DEK-Info: AES-128-CBC,00000000000000000000000000000000\n\n"
                        b"AAAAAAAAAAAAAAAAAAAAAA==\n-----END CERTIFICATE REQUEST-----\n"):
            self.file("bad.csr").write_bytes(content)
            self.refused(self.file("bad.csr"), "CERTIFICATE REQUEST")
        self.file("bad.csr").write_bytes(b"x" * 20000)
        self.refused(self.file("bad.csr"), "16384")

    def test_revocation(self):
        serial = self.issue()
        trusted = ["-CAfile", self.file("ca.pem"), "-crl_check"]
        self.crl(1)
        self.verify(*trusted, "-CRLfile", self.file("crl.pem"))
        self.crl(2, "0" * 31 + "1=unspecified", serial + "=keyCompromise", "7f" * 16 + "=superseded")
        self.assertIn("certificate revoked", self.verify(*trusted, "-CRLfile", self.file("crl.pem"), fails=True))
        text = openssl("crl", "-inform", "DER", "-in", self.file("crl.der"), "-noout", "-text", "-CAfile",
                       self.file("ca.pem"))
        self.assertIn("verify OK", text)
        self.assertRegex(text, r"X509v3 CRL Number:\s+2\n")
        self.assertRegex(text, r"Version 2")
        self.assertRegex(text, r"Authority Key Identifier")
        reasons = dict(re.findall(r"Serial Number: (\w+)\n\s+Revocation Date:[^\n]*\n"
                                  r"(?:\s+CRL entry extensions:\s+X509v3 CRL Reason Code:\s+([^\n]+)\n)?", text))
        self.assertEqual({number.lower(): reason for number, reason in reasons.items()},
                         {"01": "", serial: "Key Compromise", "7f" * 16: "Superseded"})
        self.issue()  # another one is not meant
        self.verify(*trusted, "-CRLfile", self.file("crl.pem"))

    def test_a_long_list(self):
        self.crl(3, *(f"{number:032x}=superseded" for number in range(1, 1500)))
        text = openssl("crl", "-in", self.file("crl.pem"), "-noout", "-text", "-CAfile", self.file("ca.pem"))
        self.assertEqual(text.count("Serial Number:"), 1499)

    def test_who_is_it(self):
        serial = self.issue(kind="service")
        openssl("x509", "-in", self.file("cert.pem"), "-outform", "DER", "-out", self.file("cert.der"))
        self.assertEqual(self.run_ca("verify", self.file("cert.der")), f"service {ID} {serial}")
        self.assertIn("revoked", self.run_ca("verify", self.file("cert.der"), serial, fails=True))

    def sign(self, *extensions):
        """A certificate that the authority would never make, with its own key: as a thief of that key could."""
        self.run_ca("open", "-")
        csr = self.request("-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        self.file("ext").write_text("basicConstraints=critical,CA:FALSE\nsubjectKeyIdentifier=hash\n"
                                    "authorityKeyIdentifier=keyid\n" + "\n".join(extensions))
        openssl("x509", "-req", "-in", csr, "-CA", self.file("ca.pem"), "-CAkey", self.file("plain.der"),
                "-CAkeyform", "DER", "-set_serial", "0x" + "5a" * 16, "-days", 5, "-extfile",
                self.file("ext"), "-out", self.file("cert.pem"))
        openssl("x509", "-in", self.file("cert.pem"), "-outform", "DER", "-out", self.file("cert.der"))

    def test_what_a_stolen_key_is_good_for(self):
        for name in ("DNS:www.example.com", "IP:192.0.2.1", "IP:2001:db8::1"):
            self.sign("subjectAltName=" + name)
            self.assertIn("excluded subtree violation", openssl("verify", "-CAfile", self.file("ca.pem"),
                                                                self.file("cert.pem"), fails=True))
            self.assertIn("excluded subtree", self.run_ca("verify", self.file("cert.der"), fails=True))
        self.sign("extendedKeyUsage=serverAuth")
        self.assertIn("purpose", self.run_ca("verify", self.file("cert.der"), fails=True))

    def test_names_that_mean_nobody(self):
        good = f"URI:urn:rosterd:org:acme:member:{ID}"
        for names in (None, "email:a@example.com", good + "0", good[:-1], good.replace("member", "owner"),
                      good.replace("rosterd", "roster"), good + ":x", "URI:https://example.com/", good + "," + good):
            self.sign(*([f"subjectAltName={names}"] if names else []))
            self.assertIn("neither a member nor a service", self.run_ca("verify", self.file("cert.der"), fails=True))
        self.sign("subjectAltName=" + good)
        self.assertTrue(self.run_ca("verify", self.file("cert.der")).startswith(f"member {ID} "))

    def test_others_that_look_alike(self):
        """The same names, another key: openssl plays the forger."""
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                self.file("evil.key"), "-out", self.file("evil.pem"), "-days", 30, "-subj",
                "/O=Acme/OU=acme/CN=Certificate authority", "-addext", f"subjectAltName=URI:urn:rosterd:org:acme:member:{ID}")
        openssl("x509", "-in", self.file("evil.pem"), "-outform", "DER", "-out", self.file("evil.der"))
        self.assertIn("UNAUTHORIZED", self.run_ca("verify", self.file("evil.der"), fails=True))


if __name__ == "__main__":
    harness.main()
