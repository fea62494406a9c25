"""What every system test leans on: a daemon of its own, organisations in it, and an HTTPS client.

A test program is a unittest file whose classes derive from SystemTest. ROSTER_BUILD names the build to test
(default ./build); ROSTER_KEEP=1 keeps the temporary directory of a failed daemon. Nothing here knows how the
daemon works inside: it is started as an operator starts it, and asked as a client asks it.
"""

import atexit
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("ROSTER_BUILD", ROOT / "build")).resolve()

USER = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP = "urn:ietf:params:scim:schemas:core:2.0:Group"
ENTERPRISE = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"
MESSAGE = "urn:ietf:params:scim:api:messages:2.0:"
LIST, SEARCH, PATCH, BULK, ERROR = (MESSAGE + name for name in (
    "ListResponse", "SearchRequest", "PatchOp", "BulkRequest", "Error"))
SCIM_JSON = "application/scim+json"
NOWHERE = "01890a5d-ac96-774b-bcce-b302099a8057"  # a well-formed id that no resource has

SANITIZER = re.compile(r"ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:|"
                       r"Assertion .* failed|AddressSanitizer:DEADLYSIGNAL")


def program(name):
    for folder in ("", "daemon", "tools", "tools/rosterctl"):
        path = BUILD / folder / name
        if path.is_file():
            return str(path)
    raise FileNotFoundError(f"{name} is not in {BUILD}: build first, or set ROSTER_BUILD")


def sanitized():
    """Whether the build under test is slowed by sanitizers: for tests that wait or count."""
    with open(program("rosterd"), "rb") as binary:
        content = binary.read()
    return b"__asan_init" in content or b"__tsan_init" in content


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def nested(values):
    """{"tls.certificate": x} as {"tls": {"certificate": x}}; without what is None."""
    groups = {}
    for name, value in values.items():
        group, _, last = name.rpartition(".")
        if value is not None:
            (groups.setdefault(group, {}) if group else groups)[last] = value
    return groups


def to_config(values, indent=""):
    """A dictionary in libconfig's syntax."""
    lines = []
    for name, value in values.items():
        if isinstance(value, dict):
            lines.append(f"{indent}{name}: {{\n{to_config(value, indent + '  ')}{indent}}};")
        elif isinstance(value, (list, tuple)):
            lines.append(f"{indent}{name} = [ {', '.join(json.dumps(item) for item in value)} ];")
        else:
            lines.append(f"{indent}{name} = {json.dumps(value)};")
    return "\n".join(lines) + "\n"


_certificate = None


def certificate():
    """One self-signed certificate for 127.0.0.1 and localhost, made once a test program."""
    global _certificate
    if _certificate is None:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="roster-cert-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-keyout", folder / "key.pem", "-out", folder / "cert.pem", "-days", "2",
             "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
            check=True, capture_output=True)
        _certificate = (str(folder / "cert.pem"), str(folder / "key.pem"))
    return _certificate


class Reply:
    """One answer. Header names are in lower case."""

    def __init__(self, status, headers, raw):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.raw = raw

    @property
    def json(self):
        return json.loads(self.raw)

    def __getitem__(self, name):
        return self.json[name]

    @property
    def ids(self):
        """The ids of a list's resources, in order."""
        return [item["id"] for item in self.json.get("Resources", [])]

    @property
    def names(self):
        """userName or displayName of a list's resources, in order."""
        return [item.get("userName") or item.get("displayName")
                for item in self.json.get("Resources", [])]

    def __repr__(self):
        return f"{self.status} {self.raw[:600].decode('utf-8', 'replace')}"


class Api:
    """A client of one SCIM base address with one token; keeps one connection a thread."""

    def __init__(self, base, token=None, cafile=None, timeout=60):
        parts = urllib.parse.urlsplit(base)
        self.base = base.rstrip("/")
        self.host, self.port, self.prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self.token = token
        self.timeout = timeout
        self.context = ssl.create_default_context(cafile=cafile)
        self.local = threading.local()

    def with_token(self, token):
        other = Api(self.base, token, timeout=self.timeout)
        other.context = self.context
        return other

    def close(self):
        connection = getattr(self.local, "connection", None)
        if connection is not None:
            connection.close()
            self.local.connection = None

    def request(self, method, path, body=None, headers=None, raw=None):
        """body is sent as JSON, raw as it is. A header of None drops a default. A kept connection that
        went stale is opened anew once, unless something of an answer had come."""
        payload = raw if raw is not None else None if body is None else json.dumps(body).encode()
        send = {"Accept": SCIM_JSON}
        if self.token:
            send["Authorization"] = "Bearer " + self.token
        if payload is not None:
            send["Content-Type"] = SCIM_JSON
        for name, value in (headers or {}).items():
            send = {key: old for key, old in send.items() if key.lower() != name.lower()}
            if value is not None:
                send[name] = value
        while True:
            connection = getattr(self.local, "connection", None)
            fresh = connection is None
            if fresh:
                connection = http.client.HTTPSConnection(
                    self.host, self.port, timeout=self.timeout, context=self.context)
                self.local.connection = connection
            try:
                connection.request(method, self.prefix + path, body=payload, headers=send)
                response = connection.getresponse()
                reply = Reply(response.status, response.getheaders(), response.read())
                if response.will_close:
                    self.close()
                return reply
            except (http.client.RemoteDisconnected, ConnectionError, ssl.SSLEOFError):
                self.close()
                if fresh or method not in ("GET", "HEAD"):
                    raise
            except Exception:
                self.close()
                raise

    def get(self, path, **more):
        return self.request("GET", path, **more)

    def post(self, path, body, **more):
        return self.request("POST", path, body, **more)

    def put(self, path, body, **more):
        return self.request("PUT", path, body, **more)

    def delete(self, path, **more):
        return self.request("DELETE", path, **more)

    def patch(self, path, *operations, **more):
        return self.request("PATCH", path, {"schemas": [PATCH], "Operations": list(operations)}, **more)

    def find(self, endpoint, filter=None, **parameters):
        """A list by query; parameters as keywords."""
        if filter is not None:
            parameters["filter"] = filter
        query = urllib.parse.urlencode(parameters, quote_via=urllib.parse.quote)
        return self.get(endpoint + ("?" + query if query else ""))

    def everything(self, endpoint, **parameters):
        """All resources of a type, page by page."""
        found = []
        while True:
            page = self.find(endpoint, startIndex=len(found) + 1, count=200, **parameters).json
            found += page.get("Resources", [])
            if not page.get("Resources") or len(found) >= page["totalResults"]:
                return found

    def _created(self, reply):
        if reply.status != 201:
            raise AssertionError(f"create failed: {reply}")
        return reply.json

    def user(self, name, /, **attributes):
        """Creates a user and returns it as answered."""
        return self._created(self.post("/Users", {"schemas": [USER], "userName": name, **attributes}))

    def group(self, name, /, members=(), **attributes):
        body = {"schemas": [GROUP], "displayName": name, **attributes}
        if members:
            body["members"] = [{"value": member} for member in members]
        return self._created(self.post("/Groups", body))

    def raw_socket(self):
        """A TLS connection for bytes that http.client would never send."""
        plain = socket.create_connection((self.host, self.port), timeout=self.timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.context.wrap_socket(plain, server_hostname="localhost")

    def exchange(self, data, answers=1, methods=None):
        """Sends bytes on a connection of its own and reads that many answers. Fewer come back when the server
        closes; the last element tells whether it did: (replies, closed)."""
        with self.raw_socket() as connection:
            try:
                connection.sendall(data)
            except (ConnectionError, ssl.SSLError):
                pass
            return read_answers(connection, answers, methods)


class _Unclosed:
    """Lets several HTTPResponses read from one buffered stream."""

    def __init__(self, stream):
        self.stream = stream

    def makefile(self, *_args):
        return self

    def close(self):
        pass

    def __getattr__(self, name):
        return getattr(self.stream, name)


def read_answers(connection, answers=1, methods=None):
    stream = connection.makefile("rb")
    replies, closed = [], False
    try:
        while len(replies) < answers:
            method = methods[len(replies)] if methods else "GET"
            response = http.client.HTTPResponse(_Unclosed(stream), method=method)
            response.begin()
            replies.append(Reply(response.status, response.getheaders(), response.read()))
        connection.settimeout(0.3)
        closed = stream.read(1) == b""
    except (TimeoutError, ssl.SSLWantReadError):
        closed = False
    except (http.client.BadStatusLine, http.client.IncompleteRead, ConnectionError, ssl.SSLError):
        closed = True
    return replies, closed


class Org(Api):
    """An organisation with one connection and its token."""

    def __init__(self, daemon, key, connection, token):
        super().__init__(f"{daemon.url}/orgs/{key}/scim/v2", token, cafile=certificate()[0])
        self.daemon = daemon
        self.key = key
        self.connection = connection

    def another(self, name, dialect="tolerant"):
        """A second connection of the same org."""
        return Org(self.daemon, self.key, name, self.daemon.connect(self.key, name, dialect))


def find_member(document, names):
    """The first text under one of these names, anywhere in a JSON document."""
    if isinstance(document, dict):
        for name in names:
            if isinstance(document.get(name), str):
                return document[name]
        document = list(document.values())
    if isinstance(document, list):
        for item in document:
            found = find_member(item, names)
            if found is not None:
                return found
    return None


class CtlError(Exception):
    def __init__(self, arguments, done):
        self.code = done.returncode
        self.text = done.stdout + done.stderr
        super().__init__(f"rosterctl {' '.join(arguments)}: exit {done.returncode}: {self.text}")


class Daemon:
    """One rosterd with a directory, a port and a log of its own."""

    made = 0

    def __init__(self, config=None, build=None, directory=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="roster-test-"))
        self.data = pathlib.Path(directory) if directory else self.folder / "data"
        self.log_path = self.folder / "log"
        self.config_path = self.folder / "rosterd.conf"
        self.port = free_port()
        self.roster_port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.extra = config or {}
        self.rosterd = str(pathlib.Path(build) / "rosterd") if build else program("rosterd")
        self.rosterctl = str(pathlib.Path(build) / "rosterctl") if build else program("rosterctl")
        self.process = None
        self.orgs = 0
        self.write_config()

    def write_config(self):
        cert, key = certificate()
        values = {
            "data_directory": str(self.data),
            "listen": [f"https://127.0.0.1:{self.port}", f"roster://127.0.0.1:{self.roster_port}"],
            "public_url": self.url,
            "tls.certificate": cert,
            "tls.private_key": key,
            # Tests of rates set their own; all others are not to meet them.
            "rate.token": 0,
            "rate.org": 0,
            # As cheap as it is allowed: what is tested is not how long a hash takes.
            "password.memory": 8192,
            "password.time": 1,
            "store.map_size": "64 MiB",
        }
        values.update(self.extra)
        self.config_path.write_text(to_config(nested(values)))

    def start(self, wait=30):
        environment = dict(os.environ)
        environment.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=0:exitcode=99")
        environment.setdefault("UBSAN_OPTIONS", "print_stacktrace=1:halt_on_error=1")
        environment.setdefault("TSAN_OPTIONS", "exitcode=99:halt_on_error=0:suppressions="
                               + str(ROOT / "tests/system/tsan.supp"))
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [self.rosterd, "--config", str(self.config_path)], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, env=environment, cwd=self.folder)
        began = time.monotonic()
        while True:
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended at start ({self.process.returncode}):\n"
                                     + self.log()[-4000:])
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1).close()
                with socket.socket(socket.AF_UNIX) as control:
                    control.connect(str(self.data / "control.sock"))
                return self
            except OSError:
                if time.monotonic() - began > wait:
                    raise AssertionError("the daemon does not listen:\n" + self.log()[-4000:])
                time.sleep(0.01)

    def log(self):
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def faults(self):
        """What sanitizers and assertions had to say, if anything."""
        log = self.log()
        hit = SANITIZER.search(log)
        return log[max(0, hit.start() - 200):hit.start() + 6000] if hit else ""

    def end(self):
        """A clean stop. Raises when the daemon died before, ended badly, or a sanitizer spoke."""
        if self.process is None:
            return
        died = self.process.poll()
        if died is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                self.process = None
                raise AssertionError("the daemon did not stop on SIGTERM:\n" + self.log()[-3000:])
        code = self.process.returncode
        self.process = None
        if self.faults():
            raise AssertionError("sanitizer report:\n" + self.faults())
        if died is not None:
            raise AssertionError(f"the daemon died during the test ({died}):\n" + self.log()[-4000:])
        if code != 0:
            raise AssertionError(f"the daemon ended with {code}:\n" + self.log()[-4000:])

    def kill(self):
        """kill -9."""
        self.process.kill()
        self.process.wait()
        self.process = None

    def alive(self):
        return self.process is not None and self.process.poll() is None

    def rss(self):
        """Private resident memory in bytes: the map of the store (a file) is not counted."""
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) * 1024
        return 0

    def remove(self):
        try:
            self.end()
        finally:
            if self.process is not None and self.process.poll() is None:
                self.process.kill()
                self.process.wait()
            if not os.environ.get("ROSTER_KEEP"):
                shutil.rmtree(self.folder, ignore_errors=True)

    def run_ctl(self, *arguments, timeout=600, stdin=None):
        return subprocess.run(
            [self.rosterctl, "--data", str(self.data), "--json", *map(str, arguments)],
            capture_output=True, text=True, timeout=timeout, input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None)

    def ctl(self, *arguments, timeout=600, stdin=None):
        """rosterctl's JSON answer (None when it printed nothing)."""
        done = self.run_ctl(*arguments, timeout=timeout, stdin=stdin)
        if done.returncode != 0:
            raise CtlError([str(argument) for argument in arguments], done)
        text = done.stdout.strip()
        if not text:
            return None
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return [json.loads(line) for line in text.splitlines()]

    def connect(self, key, name, dialect="tolerant"):
        """Creates a connection and returns its token's secret."""
        answer = self.ctl("connection", "create", key, name, "--dialect", dialect)
        token = find_member(answer, ("token", "secret"))
        if token is None:
            answer = self.ctl("token", "add", key, name)
            token = find_member(answer, ("token", "secret"))
        if not token:
            raise AssertionError(f"no token in {answer}")
        return token

    def org(self, dialect="tolerant", key=None, options=()):
        """A fresh organisation with one connection. options: more for `rosterctl org create`."""
        self.orgs += 1
        key = key or f"org{self.orgs}"
        self.ctl("org", "create", key, *options)
        return Org(self, key, "main", self.connect(key, "main", dialect))

    def verify(self):
        """What `rosterctl verify` finds wrong: an empty text when nothing."""
        done = self.run_ctl("verify")
        return "" if done.returncode == 0 else done.stdout + done.stderr


class SystemTest(unittest.TestCase):
    """One daemon a class; organisations as needed."""

    config = {}
    maxDiff = 4000
    dialect = None

    @classmethod
    def setUpClass(cls):
        cls.daemon = Daemon(cls.config)
        cls._orgs = {}
        try:
            cls.daemon.start()
        except BaseException:
            cls.daemon.remove()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.daemon.remove()

    def setUp(self):
        if not self.daemon.alive():
            self.fail("the daemon died in an earlier test:\n" + self.daemon.log()[-3000:])

    def tearDown(self):
        faults = self.daemon.faults()
        if faults:
            self.fail("sanitizer report:\n" + faults)

    def org(self, dialect="tolerant"):
        """A fresh org."""
        return self.daemon.org(dialect)

    def shared(self, dialect="tolerant"):
        """One org for the tests of this class that do not mind each other's resources."""
        if dialect not in self._orgs:
            self._orgs[dialect] = self.daemon.org(dialect)
        return self._orgs[dialect]

    def dialects(self, *names):
        """Fresh orgs of several dialects, one after the other; a failure names the one it is in."""
        for name in names or ("tolerant", "strict"):
            self.dialect = name
            yield self.org(name)

    def _formatMessage(self, msg, standardMsg):
        text = super()._formatMessage(msg, standardMsg)
        return f"{text} [dialect {self.dialect}]" if self.dialect else text

    def ok(self, reply, status=200):
        self.assertEqual(reply.status, status, reply)
        return reply.json if reply.raw else None

    def patched(self, org, path, *operations, **more):
        """A PATCH that must succeed; returns the resource as it is afterwards."""
        reply = org.patch(path, *operations, **more)
        self.assertIn(reply.status, (200, 204), reply)
        return self.ok(org.get(path))

    def refused(self, reply, status, scim_type=None):
        """Asserts a whole SCIM error (RFC 7644 section 3.12)."""
        self.assertEqual(reply.status, status, reply)
        self.assertTrue(reply.headers.get("content-type", "").startswith(SCIM_JSON), reply.headers)
        body = reply.json
        self.assertEqual(body["schemas"], [ERROR])
        self.assertEqual(body["status"], str(status))
        self.assertIsInstance(body.get("detail"), str)
        self.assertGreater(len(body["detail"]), 5, body)
        if scim_type is not None:
            self.assertEqual(body.get("scimType"), scim_type, body)
        return body

    def assert_has(self, whole, part, path=""):
        """part is contained: objects by member, everything else equal."""
        if isinstance(part, dict):
            self.assertIsInstance(whole, dict, path)
            for name, value in part.items():
                self.assertIn(name, whole, f"{path}: {whole}")
                self.assert_has(whole[name], value, f"{path}/{name}")
        else:
            self.assertEqual(whole, part, path)


def in_threads(jobs):
    """Runs callables at once, each in a thread; returns their results in order, raises the first failure."""
    results, failures = [None] * len(jobs), []
    barrier = threading.Barrier(len(jobs))

    def work(number, job):
        try:
            barrier.wait()
            results[number] = job()
        except BaseException as problem:  # noqa: handed to the caller
            failures.append(problem)

    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    return results


def main():
    unittest.main(module="__main__", verbosity=2, argv=[sys.argv[0], *sys.argv[1:]])
