"""The HTTPS door alone (tests/daemon/echo_server.c), over raw sockets: framing, limits, time limits, TLS, stopping."""

import gzip
import json
import pathlib
import re
import signal
import socket
import ssl
import subprocess
import threading
import time
import unittest
import warnings

from harness import BUILD, certificate, main

ECHO = BUILD / "tests" / "daemon" / "echo_server"
HOST = b"Host: localhost\r\n"
MEGABYTE = 1 << 20
SANITIZED = any(mark in ECHO.read_bytes() for mark in (b"__asan_init", b"__tsan_init")) if ECHO.exists() else False


def get(path, *lines, version="1.1", method="GET"):
    head = f"{method} {path} HTTP/{version}\r\nHost: localhost\r\n" + "".join(line + "\r\n" for line in lines)
    return head.encode("latin-1") + b"\r\n"


def post(path, body, *lines):
    return get(path, f"Content-Length: {len(body)}", *lines, method="POST") + body


def chunks(*parts):
    return b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.body[:300]}"


class Cut(OSError):
    """TLS ended without close_notify."""


class Peer:
    """One connection; reads answers as RFC 9112 section 6 frames them, with no library to forgive anything."""

    def __init__(self, sock):
        self.sock, self.buffer = sock, b""

    def send(self, data):
        self.sock.sendall(data)
        return self

    def fill(self):
        try:
            data = self.sock.recv(65536)
        except ssl.SSLEOFError:
            raise Cut from None
        if not data:
            raise EOFError
        self.buffer += data

    def line(self):
        while b"\r\n" not in self.buffer:
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def take(self, n):
        parts, have = [self.buffer], len(self.buffer)
        while have < n:
            self.buffer = b""
            self.fill()
            parts.append(self.buffer)
            have += len(self.buffer)
        data = b"".join(parts)
        self.buffer = data[n:]
        return data[:n]

    def rest(self):
        parts = []
        try:
            while True:
                parts.append(self.buffer)
                self.buffer = b""
                self.fill()
        except EOFError:
            return b"".join(parts)

    def closed(self):
        return self.rest() == b""

    def read(self, method="GET"):
        version, status, _ = self.line().split(" ", 2)
        assert version == "HTTP/1.1", version
        headers = {}
        while line := self.line():
            name, value = line.split(": ", 1)
            assert name.lower() not in headers, f"{name} twice"
            headers[name.lower()] = value
        status = int(status)
        if method == "HEAD" or status in (100, 204, 304):
            body = b""
        elif headers.get("transfer-encoding") == "chunked":
            assert "content-length" not in headers
            parts = []
            while size := int(self.line(), 16):
                parts.append(self.take(size))
                assert self.take(2) == b"\r\n"
            assert self.line() == ""
            body = b"".join(parts)
        elif "content-length" in headers:
            body = self.take(int(headers["content-length"]))
        else:
            body = self.rest()
        return Answer(status, headers, body)

    def close(self):
        self.sock.close()


class Server:
    def __init__(self, **options):
        cert, key = certificate()
        command = [str(ECHO), "listen=https://127.0.0.1:0", "listen=http://127.0.0.1:0", "cert=" + options.pop("cert", cert),
                   "key=" + options.pop("key", key)]
        command += [f"{name}={value}" for name, value in options.items()]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.ports = [int(self.process.stdout.readline().split()[1]) for _ in range(2)]
        assert self.process.stdout.readline() == "ready\n"
        self.errors = ""
        self.reader = threading.Thread(target=self._read_errors, daemon=True)
        self.reader.start()

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors += line

    def context(self):
        context = ssl.create_default_context(cafile=certificate()[0])
        return context

    def plain(self):
        return Peer(socket.create_connection(("127.0.0.1", self.ports[1]), timeout=20))

    def tls(self, context=None, session=None):
        sock = socket.create_connection(("127.0.0.1", self.ports[0]), timeout=20)
        context = context or self.context()
        return Peer(context.wrap_socket(sock, server_hostname="localhost", session=session, suppress_ragged_eofs=False))

    def stop(self):
        """Ends it; returns the counters it printed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        out = self.process.stdout.read()
        code = self.process.wait(30)
        self.reader.join(10)
        self.process.stdout.close()
        self.process.stderr.close()
        assert code == 0, (code, self.errors)
        return {name: int(n) for name, n in re.findall(r"(\w+)=(\d+)", out)}


class DoorTest(unittest.TestCase):
    options = {}
    cuts = False  # whether time limits cut connections

    @classmethod
    def setUpClass(cls):
        cls.server = Server(**cls.options)

    @classmethod
    def tearDownClass(cls):
        counters = cls.server.stop()
        assert counters["connections"] == 0, counters
        if not cls.cuts:
            assert "connection_cut" not in cls.server.errors, cls.server.errors

    def open(self, kind):
        peer = getattr(self.server, kind)()
        self.addCleanup(peer.close)
        return peer

    def both(self):
        for kind in ("plain", "tls"):
            with self.subTest(kind=kind):
                yield self.open(kind)

    def refused(self, peer, status, *words, close=True):
        answer = peer.read()
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["content-type"], "application/scim+json")
        self.assertEqual(answer.json["schemas"], ["urn:ietf:params:scim:api:messages:2.0:Error"])
        self.assertEqual(answer.json["status"], str(status))
        for word in words:
            self.assertIn(word, answer.json["detail"])
        if close:
            self.assertEqual(answer.headers["connection"], "close")
            self.assertTrue(peer.closed())
        return answer


class Framing(DoorTest):
    options = {"head_timeout": 20, "write_timeout": 60, "grace": 1}

    def test_keep_alive(self):
        for peer in self.both():
            for n in range(5):
                answer = peer.send(get(f"/echo?n={n}")).read()
                self.assertEqual((answer.status, answer.json["path"], answer.json["query"]), (200, "/echo", f"n={n}"))
                self.assertNotIn("connection", answer.headers)

    def test_headers_of_an_answer(self):
        answer = self.open("tls").send(get("/fixed")).read()
        self.assertEqual(answer.body, b"x" * 700)
        self.assertEqual(answer.headers["content-length"], "700")
        self.assertEqual(answer.headers["cache-control"], "no-store")
        self.assertEqual(answer.headers["x-content-type-options"], "nosniff")
        self.assertIn("max-age=", answer.headers["strict-transport-security"])
        date = time.strptime(answer.headers["date"], "%a, %d %b %Y %H:%M:%S GMT")
        self.assertLess(abs(time.mktime(date) - time.mktime(time.gmtime())), 5)
        self.assertNotIn("strict-transport-security", self.open("plain").send(get("/fixed")).read().headers)

    def test_request_ids(self):
        peer = self.open("tls")
        for given in ("my.id_1-A", "urn:x/y?z=1", "x" * 131):
            answer = peer.send(get("/echo", "X-Request-Id: " + given)).read()
            self.assertEqual(answer.headers["x-request-id"], given)
        seen = set()
        for given in ("", "a b", "x" * 132, "a\"b", "a\\b"):
            answer = peer.send(get("/echo", "X-Request-Id: " + given)).read()
            self.assertNotEqual(answer.headers["x-request-id"], given)
            self.assertEqual(answer.headers["x-request-id"], answer.json["id"])
            seen.add(answer.json["id"])
        self.assertEqual(len(seen), 5)

    def test_pipelining(self):
        """Answers come in order, also when one in the middle is late, streamed or refused."""
        for peer in self.both():
            peer.send(b"".join(get(f"/echo?n={n}") for n in range(200)))
            for n in range(200):
                self.assertEqual(peer.read().json["query"], f"n={n}")
            peer.send(get("/echo?1") + get("/late/300") + post("/echo", b"body") + get("/stream/300000") +
                      get("/fixed", method="HEAD") + get("/echo?2") + b"nonsense\r\n\r\n" + get("/echo?3"))
            self.assertEqual(peer.read().json["query"], "1")
            self.assertEqual(peer.read().body, b"/late/300")
            self.assertEqual(peer.read().json["body"], "body")
            self.assertEqual(len(peer.read().body), 300000)
            self.assertEqual(peer.read("HEAD").headers["content-length"], "700")
            self.assertEqual(peer.read().json["query"], "2")
            self.refused(peer, 400)

    def test_pipelined_bodies_beyond_all_buffers(self):
        for peer in self.both():
            sender = threading.Thread(target=peer.send, args=(get("/size/100000") * 300 + get("/echo?end"),))
            sender.start()
            time.sleep(0.5)
            for _ in range(300):
                self.assertEqual(len(peer.read().body), 100000)
            self.assertEqual(peer.read().json["query"], "end")
            sender.join()

    def test_byte_by_byte(self):
        request = post("/echo?q", b"hello") + get("/echo", "Transfer-Encoding: chunked", method="PUT") + chunks(b"ab", b"cde")
        for peer in self.both():
            peer.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in request:
                peer.send(bytes([byte]))
            answer = peer.read()
            self.assertEqual((answer.json["method"], answer.json["body"]), ("POST", "hello"))
            answer = peer.read()
            self.assertEqual((answer.json["method"], answer.json["body"]), ("PUT", "abcde"))

    def test_every_split(self):
        request = post("/echo", b"{}", "X-A: b") + get("/echo", "Transfer-Encoding: chunked", method="POST") + chunks(b"xy")
        peer = self.open("tls")
        for at in range(1, len(request)):
            peer.send(request[:at])
            time.sleep(0.001)
            peer.send(request[at:])
            self.assertEqual(peer.read().json["body"], "{}")
            self.assertEqual(peer.read().json["body"], "xy")

    def test_bodies(self):
        for size in (0, 1, 1000, 16384, 31000, 32768, 40000, 200000, MEGABYTE):
            body = bytes(97 + n % 26 for n in range(size))
            for peer in self.both():
                self.assertEqual(peer.send(post("/echo", body)).read().json["body"], body.decode())
                peer.send(get("/echo", "Transfer-Encoding: chunked", method="POST") +
                          chunks(*(body[n:n + 7777] for n in range(0, size, 7777))))
                self.assertEqual(peer.read().json["body"], body.decode())
                self.assertEqual(peer.send(get("/echo?next")).read().json["query"], "next")

    def test_chunk_extensions_and_trailers(self):
        peer = self.open("plain")
        peer.send(get("/echo", "Transfer-Encoding: chunked", method="POST") + b"2;a=\"b\"\r\nhi\r\n0;x\r\nTrailer: y\r\n\r\n")
        self.assertEqual(peer.read().json["body"], "hi")
        self.assertEqual(peer.send(get("/echo?next")).read().json["query"], "next")

    def test_expect_continue(self):
        for peer in self.both():
            peer.send(get("/echo", "Content-Length: 5", "Expect: 100-continue", method="POST"))
            self.assertEqual(peer.read().status, 100)
            self.assertEqual(peer.send(b"hello").read().json["body"], "hello")
            peer.send(get("/echo", "Transfer-Encoding: chunked", "Expect: 100-Continue", method="POST"))
            self.assertEqual(peer.read().status, 100)
            self.assertEqual(peer.send(chunks(b"hello")).read().json["body"], "hello")
            # A body that is there already needs no leave.
            self.assertEqual(peer.send(post("/echo", b"x", "Expect: 100-continue")).read().json["body"], "x")
            peer.send(get("/echo", "Content-Length: 5", "Expect: 200-maybe", method="POST"))
            self.refused(peer, 417)
        peer = self.open("plain")
        peer.send(get("/echo", "Content-Length: 9999999", "Expect: 100-continue", method="POST"))
        self.refused(peer, 413, "1048576")

    def test_expect_is_ignored_in_1_0(self):
        peer = self.open("plain")
        peer.send(get("/echo", "Content-Length: 5", "Expect: 100-continue", method="POST", version="1.0"))
        time.sleep(0.1)
        self.assertEqual(peer.send(b"hello").read().json["body"], "hello")

    def test_head(self):
        for peer in self.both():
            answer = peer.send(get("/fixed", method="HEAD")).read("HEAD")
            self.assertEqual((answer.status, answer.headers["content-length"]), (200, "700"))
            answer = peer.send(get("/stream/1000000", method="HEAD")).read("HEAD")
            self.assertEqual(answer.status, 200)
            answer = peer.send(get("/size/5000", "Accept-Encoding: gzip", method="HEAD")).read("HEAD")
            self.assertEqual(answer.headers["vary"], "Accept-Encoding")
            self.assertEqual(peer.send(get("/echo")).read().json["method"], "GET")

    def test_statuses_without_body(self):
        peer = self.open("plain")
        for status in (204, 304):
            answer = peer.send(get(f"/status/{status}")).read()
            self.assertEqual(answer.status, status)
            self.assertNotIn("content-length", answer.headers)
            self.assertNotIn("content-type", answer.headers)
        self.assertEqual(peer.send(get("/status/418")).read().status, 418)

    def test_http_1_0(self):
        for peer in self.both():
            answer = peer.send(get("/fixed", "Connection: keep-alive", version="1.0")).read()
            self.assertEqual(answer.headers["connection"], "keep-alive")
            answer = peer.send(b"GET /stream/200000 HTTP/1.0\r\n\r\n").read()  # no Host needed; ended by closing
            self.assertEqual(len(answer.body), 200000)
            self.assertNotIn("transfer-encoding", answer.headers)
            self.assertEqual(answer.headers["connection"], "close")

    def test_connection_close(self):
        for peer in self.both():
            peer.send(get("/echo?1", "Connection: close") + get("/echo?2"))
            answer = peer.read()
            self.assertEqual((answer.json["query"], answer.headers["connection"]), ("1", "close"))
            self.assertTrue(peer.closed())

    def test_half_close(self):
        """A client may say that it is done before it was answered."""
        for path in ("/echo", "/late/200", "/stream/3000000"):
            peer = self.open("plain")
            peer.send(get("/echo?1") + get(path))
            peer.sock.shutdown(socket.SHUT_WR)
            self.assertEqual(peer.read().json["query"], "1")
            self.assertEqual(peer.read().status, 200)
            self.assertTrue(peer.closed())

    def test_half_a_request_and_gone(self):
        for data in (b"G", get("/echo")[:-1], post("/echo", b"12345")[:-1],
                     get("/echo", "Transfer-Encoding: chunked", method="POST") + b"5\r\nab"):
            peer = self.open("plain")
            peer.send(data)
            peer.sock.shutdown(socket.SHUT_WR)
            self.assertTrue(peer.closed())

    def test_targets(self):
        peer = self.open("plain")
        answer = peer.send(b"GET http://other:1/echo?x HTTP/1.1\r\nHost: a\r\n\r\n").read()
        self.assertEqual((answer.json["path"], answer.json["query"], answer.json["host"]), ("/echo", "x", "other:1"))
        self.assertEqual(peer.send(b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").read().status, 404)

    def test_smuggling_shapes(self):
        shapes = (
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nhello",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nhello",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\nhello",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
            b"POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"GET /echo HTTP/1.1\nHost: a\n\n",
            b"GET /echo HTTP/1.1\r\nHost: a\nX: b\r\n\r\n",
            b"GET /echo HTTP/1.1\r\nHost: a\r\n folded\r\n\r\n",
            b"GET /echo HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
            b"GET /echo HTTP/1.1\r\n\r\n",
            b"GET /echo HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
            b"GET /echo\r\n\r\n",
            b"GET  /echo HTTP/1.1\r\nHost: a\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\nhello\r\n0\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhelloXX0\r\n\r\n",
            b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n",
        )
        for shape in shapes:
            for kind in ("plain", "tls"):
                with self.subTest(shape=shape, kind=kind):
                    peer = self.open(kind)
                    peer.send(shape + get("/echo?smuggled"))
                    self.refused(peer, 400)

    def test_versions(self):
        peer = self.open("plain")
        peer.send(b"GET / HTTP/2.0\r\nHost: a\r\n\r\n")
        self.refused(peer, 505)

    def test_content_encoding(self):
        peer = self.open("plain")
        self.assertEqual(peer.send(post("/echo", b"x", "Content-Encoding: identity")).read().status, 200)
        self.assertEqual(peer.send(get("/echo", "Content-Encoding: gzip")).read().status, 200)  # no body, nothing coded
        peer.send(post("/echo", gzip.compress(b"x"), "Content-Encoding: gzip"))
        self.refused(peer, 415, "gzip")

    def test_gzip(self):
        for peer in self.both():
            answer = peer.send(get("/size/100000", "Accept-Encoding: br, gzip;q=0.8")).read()
            self.assertEqual((answer.headers["content-encoding"], answer.headers["vary"]), ("gzip", "Accept-Encoding"))
            self.assertLess(len(answer.body), 2000)
            self.assertEqual(gzip.decompress(answer.body), b"x" * 100000)
            answer = peer.send(get("/stream/3000000", "Accept-Encoding: gzip")).read()
            self.assertEqual(answer.headers["content-encoding"], "gzip")
            self.assertEqual(len(gzip.decompress(answer.body)), 3000000)
            for coding in ("identity", "gzip;q=0", "deflate"):
                answer = peer.send(get("/size/100000", "Accept-Encoding: " + coding)).read()
                self.assertNotIn("content-encoding", answer.headers)
                self.assertEqual(answer.headers["vary"], "Accept-Encoding")
                self.assertEqual(answer.body, b"x" * 100000)
            answer = peer.send(get("/fixed", "Accept-Encoding: gzip")).read()  # too small to be worth it
            self.assertNotIn("content-encoding", answer.headers)

    def test_streams(self):
        for peer in self.both():
            for size in (1, 65535, 65536, 65537, 5000000):
                answer = peer.send(get(f"/stream/{size}")).read()
                self.assertEqual(answer.body, bytes(97 + n % 26 for n in range(size, 0, -1)))
                self.assertEqual("content-length" in answer.headers, size <= 65536)
            self.assertEqual(peer.send(get("/unmade")).read().status, 500)  # failed before anything was sent
            self.assertEqual(peer.send(get("/echo")).read().status, 200)

    def test_a_handler_answers_other_connections(self):
        for kind in ("plain", "tls"):
            for gone in (False, True):
                first, second = self.open(kind), self.open(kind)
                first.send(get("/meet") + get("/echo?1"))
                time.sleep(0.1)
                if gone:
                    first.close()
                second.send(get("/echo?2") + get("/meet") + get("/echo?3"))
                self.assertEqual(second.read().json["query"], "2")
                self.assertEqual(second.read().body, b"second")
                self.assertEqual(second.read().json["query"], "3")
                if not gone:
                    self.assertEqual(first.read().body, b"first")
                    self.assertEqual(first.read().json["query"], "1")
        peer = self.open("plain")
        peer.send(get("/meet"))
        time.sleep(0.1)
        other = self.open("plain").send(get("/meet") * 2)  # one on each side: the second of these waits again
        self.assertEqual(peer.read().body, b"first")
        self.assertEqual(other.read().body, b"second")
        self.assertEqual(self.open("tls").send(get("/meet")).read().body, b"second")
        self.assertEqual(other.read().body, b"first")

    def test_a_broken_stream_looks_broken(self):
        for kind in ("plain", "tls"):
            for coding in ("identity", "gzip"):
                peer = self.open(kind)
                peer.send(get("/broken", "Accept-Encoding: " + coding))
                with self.assertRaises((EOFError, OSError)):
                    peer.read()
        peer = self.open("tls")
        peer.send(get("/broken", version="1.0"))
        with self.assertRaises(EOFError, msg="a truncation must not look like the end"):
            while True:
                try:
                    data = peer.sock.recv(65536)
                except ssl.SSLEOFError:
                    raise EOFError from None
                self.assertNotEqual(data, b"", "close_notify after a broken answer")

    def test_clients_that_go_away(self):
        for _ in range(20):
            for path in ("/late/100", "/stream/50000000"):
                for kind in ("plain", "tls"):
                    peer = getattr(self.server, kind)()
                    peer.send(get(path))
                    if path.startswith("/stream"):
                        peer.fill()
                    peer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                    peer.close()
        time.sleep(0.3)
        self.assertEqual(self.open("tls").send(get("/echo")).read().status, 200)


    def test_nothing_spins(self):
        """Whoever stops sending, wherever, costs no CPU: each of these would be announced as readable for ever."""
        def cpu():
            fields = pathlib.Path(f"/proc/{self.server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
            return (int(fields[11]) + int(fields[12])) / 100

        peers = []
        for kind, data in (("plain", b""), ("plain", b"GET"), ("plain", get("/late/3000")), ("plain", get("/forget")),
                           ("plain", get("/late/3000") * 3), ("plain", get("/size/50000000")),
                           ("tls", get("/late/3000") * 3), ("tls", post("/echo", b"12345")[:-1])):
            peer = self.open(kind)
            peers.append(peer.send(data))
            if kind == "plain":
                peer.sock.shutdown(socket.SHUT_WR)
        for data in (b"", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"):
            sock = socket.create_connection(("127.0.0.1", self.server.ports[0]))
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            peers.append(Peer(sock))
            self.addCleanup(sock.close)
        time.sleep(0.5)
        before = cpu()
        time.sleep(1.5)
        self.assertLess(cpu() - before, 0.3)


class Limits(DoorTest):
    options = {"max_body": 100000, "target": 1000, "head": 4000, "admit": 1}

    def test_body(self):
        for peer in self.both():
            self.assertEqual(peer.send(post("/echo", b"a" * 100000)).read().status, 200)
            peer.send(post("/echo", b"a" * 100001))
            self.refused(peer, 413, "100000")
        for peer in self.both():  # told before the body is sent
            peer.send(get("/echo", "Content-Length: 99999999999999999999", method="POST"))
            self.refused(peer, 413)
        for peer in self.both():
            peer.send(get("/echo", "Transfer-Encoding: chunked", method="POST") + b"1869f\r\n" + b"a" * 99999 + b"\r\n")
            peer.send(b"2\r\nab\r\n")
            self.refused(peer, 413, "100000")

    def test_an_answer_is_read_although_the_client_still_sends(self):
        for peer in self.both():
            peer.send(get("/echo", "Content-Length: 50000000", method="POST"))
            try:
                for _ in range(200):
                    peer.send(b"a" * 10000)
                    time.sleep(0.001)
            except OSError:
                pass
            self.assertEqual(peer.read().status, 413)

    def test_target(self):
        for peer in self.both():
            self.assertEqual(peer.send(get("/echo?" + "a" * 994)).read().status, 200)
            peer.send(b"GET /echo?" + b"a" * 995)
            self.refused(peer, 414, "1000")

    def test_head(self):
        fine = get("/echo", "X: " + "a" * (4000 - len(get("/echo", "X: "))))
        self.assertEqual(len(fine), 4000)
        for peer in self.both():
            self.assertEqual(peer.send(fine).read().status, 200)
            peer.send(get("/echo", "X: " + "a" * 4000))
            self.refused(peer, 431, "4000")
        for peer in self.both():
            peer.send(get("/echo", *("a: b" for _ in range(100))))
            self.refused(peer, 431, "64")

    def test_admission(self):
        """Who may not, need not send the body."""
        for lines in (("Content-Length: 90000",), ("Transfer-Encoding: chunked",), ("Content-Length: 5", "Expect: 100-continue")):
            peer = self.open("tls")
            peer.send(get("/denied", *lines, method="POST"))
            answer = peer.read()
            self.assertEqual((answer.status, answer.headers["connection"]), (401, "close"))
            self.assertTrue(peer.closed())
        peer = self.open("tls")  # a body that came along is the handler's to see
        self.assertEqual(peer.send(post("/denied", b"x")).read().status, 404)
        self.assertEqual(peer.send(post("/echo", b"x" * 90000)).read().status, 200)
        self.assertNotIn("connection", peer.send(get("/echo")).read().headers)


class TimeLimits(DoorTest):
    cuts = True
    options = {"head_timeout": 1, "body_timeout": 1, "write_timeout": 1, "idle_timeout": 3}

    def took(self, start, seconds):
        self.assertGreater(time.monotonic() - start, seconds - 0.2)
        self.assertLess(time.monotonic() - start, seconds + 3)

    def test_slow_head(self):
        """A byte now and then does not help."""
        for peer in self.both():
            start = time.monotonic()
            peer.sock.settimeout(0.2)
            for byte in get("/echo", "X: " + "a" * 200):
                peer.send(bytes([byte]))
                try:
                    peer.fill()
                    break
                except TimeoutError:
                    pass
            peer.sock.settimeout(20)
            self.refused(peer, 408, "head", "1 s")
            self.took(start, 1)

    def test_slow_body(self):
        start = time.monotonic()
        peers = [(self.open(kind), lines) for kind in ("plain", "tls") for lines in (
            ("Content-Length: 100",), ("Content-Length: 100000",), ("Transfer-Encoding: chunked",))]
        for peer, lines in peers:
            peer.send(get("/echo", *lines, method="POST") + b"5\r\nab")
        time.sleep(0.4)
        for peer, _ in peers:
            peer.send(b"c")
        for peer, _ in peers:
            self.refused(peer, 408, "body")
        self.took(start, 1)

    def test_a_large_body_may_take_longer(self):
        peer = self.open("tls")
        peer.send(get("/echo", "Content-Length: 800000", method="POST"))
        for _ in range(8):
            peer.send(b"a" * 100000)
            time.sleep(0.3)
        self.assertEqual(len(peer.read().json["body"]), 800000)

    def test_slow_requests_in_a_row_each_have_their_time(self):
        peer = self.open("tls")
        for _ in range(4):
            data = get("/echo")
            peer.send(data[:10])
            time.sleep(0.6)
            self.assertEqual(peer.send(data[10:] + data[:10]).read().status, 200)
            time.sleep(0.6)
            self.assertEqual(peer.send(data[10:]).read().status, 200)

    def test_idle(self):
        peers = [self.open(kind) for kind in ("plain", "tls")]
        for peer in peers:
            self.assertEqual(peer.send(get("/echo")).read().status, 200)
        start = time.monotonic()
        for peer in peers:
            self.assertTrue(peer.closed())  # over TLS: with close_notify, or the read fails
        self.took(start, 3)

    def test_silent_connections(self):
        sock = socket.create_connection(("127.0.0.1", self.server.ports[0]), timeout=20)
        start = time.monotonic()
        self.assertEqual(sock.recv(1), b"")
        self.took(start, 1)
        sock.close()

    def test_slow_stream_is_waited_for(self):
        for peer in self.both():
            self.assertEqual(len(peer.send(get("/drops/2500")).read().body), 2500)

    def test_slow_handler_is_waited_for(self):
        for peer in self.both():
            self.assertEqual(peer.send(get("/late/2500")).read().status, 200)

    def test_slow_reader_is_cut(self):
        def start(kind, path):
            sock = socket.socket()
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.settimeout(20)
            sock.connect(("127.0.0.1", self.server.ports[0 if kind == "tls" else 1]))
            if kind == "tls":
                sock = self.server.context().wrap_socket(sock, server_hostname="localhost")
            sock.sendall(get(path))
            self.addCleanup(sock.close)
            return sock

        cases = [(path, kind) for path in ("/stream/500000000", "/size/50000000") for kind in ("plain", "tls")]
        peers = [start(kind, path) for path, kind in cases]
        time.sleep(10 if SANITIZED else 4)
        for case, sock in zip(cases, peers):
            got, cut = 0, False
            try:
                while data := sock.recv(1 << 20):
                    got += len(data)
            except OSError:
                cut = True
            self.assertTrue(cut or got < 50000000, (case, got))


class Tls(DoorTest):
    options = {"workers": 2}

    def versions(self, low, high):
        context = self.server.context()
        context.minimum_version, context.maximum_version = low, high
        return context

    def test_1_2_and_1_3(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            peer = self.server.tls(self.versions(version, version))
            self.assertEqual(peer.send(get("/echo")).read().status, 200)
            cipher = peer.sock.cipher()[0]
            self.assertIn("GCM", cipher)
            if version == ssl.TLSVersion.TLSv1_2:
                self.assertTrue(cipher.startswith("ECDHE"), cipher)
            peer.close()

    def test_older_is_refused(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            context = self.versions(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1)
        context.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.server.tls(context)

    def test_weak_ciphers_are_refused(self):
        for cipher in ("AES128-GCM-SHA256", "ECDHE+AES+SHA", "ECDHE-ECDSA-AES128-SHA256"):
            context = self.versions(ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2)
            context.set_ciphers(cipher + ":@SECLEVEL=0")
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.server.tls(context)

    def test_alpn(self):
        context = self.server.context()
        context.set_alpn_protocols(["h2", "http/1.1"])
        peer = self.server.tls(context)
        self.assertEqual(peer.sock.selected_alpn_protocol(), "http/1.1")
        peer.close()
        context.set_alpn_protocols(["h2"])
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.server.tls(context)

    def test_resumption(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = self.versions(version, version)
            resumed = 0
            for _ in range(8):  # over both workers
                first = self.server.tls(context)
                first.send(get("/echo")).read()
                session = first.sock.session
                first.close()
                second = self.server.tls(context, session)
                self.assertEqual(second.send(get("/echo")).read().status, 200)
                resumed += second.sock.session_reused
                second.close()
            self.assertEqual(resumed, 8, version)

    def test_renegotiation_is_refused(self):
        cafile = certificate()[0]
        process = subprocess.Popen(["openssl", "s_client", "-connect", f"127.0.0.1:{self.server.ports[0]}", "-tls1_2", "-CAfile",
                                    cafile], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        process.stdin.write(b"R\n")
        process.stdin.flush()
        try:
            out = process.communicate(timeout=3)[0]
        except subprocess.TimeoutExpired:
            process.kill()
            out = process.communicate()[0]
        self.assertIn(b"no renegotiation", out)

    def test_plain_http_to_the_tls_port(self):
        peer = Peer(socket.create_connection(("127.0.0.1", self.server.ports[0]), timeout=20))
        peer.send(get("/echo"))
        try:
            self.assertNotIn(b"HTTP", peer.rest())
        except OSError:
            pass
        peer.close()

    def test_reload(self):
        server = Server()
        before = server.tls()
        server.process.send_signal(signal.SIGHUP)
        self.assertEqual(server.process.stdout.readline(), "reload ok\n")
        self.assertEqual(before.send(get("/echo")).read().status, 200)
        after = server.tls()
        self.assertEqual(after.send(get("/echo")).read().status, 200)
        before.close()
        after.close()
        server.stop()

    def test_both_workers_serve(self):
        workers = set()
        for _ in range(60):
            peer = self.server.tls()
            workers.add(peer.send(get("/echo")).read().json["worker"])
            peer.close()
        self.assertEqual(workers, {"0", "1"})

    def test_500_connections(self):
        context = self.server.context()
        peers = [self.server.tls(context) for _ in range(500)]
        for turn in range(3):
            for n, peer in enumerate(peers):
                peer.send(get(f"/echo?{turn}-{n}"))
            for n, peer in enumerate(peers):
                self.assertEqual(peer.read().json["query"], f"{turn}-{n}")
            time.sleep(1.5 if turn == 0 else 0)  # long enough for them to rest
        for peer in peers:
            peer.close()


class Life(unittest.TestCase):
    def test_max_connections(self):
        server = Server(max_connections=10)
        peers = [server.plain() for _ in range(10)]
        for peer in peers:
            self.assertEqual(peer.send(get("/echo")).read().status, 200)
        extra = server.plain()
        try:
            self.assertEqual(extra.rest(), b"")
        except OSError:
            pass
        peers.pop().close()
        time.sleep(0.2)
        again = server.plain()
        self.assertEqual(again.send(get("/echo")).read().status, 200)
        for peer in peers + [extra, again]:
            peer.close()
        self.assertGreaterEqual(server.stop()["refused"], 1)

    def test_stop_finishes_what_was_begun(self):
        server = Server(grace=10, workers=2)
        idle, late, half, stream = server.tls(), server.tls(), server.tls(), server.tls()
        self.assertEqual(idle.send(get("/echo")).read().status, 200)
        late.send(get("/late/1000") + get("/echo"))
        half.send(post("/echo", b"hello")[:-3])
        stream.send(get("/stream/30000000"))
        stream.fill()
        time.sleep(0.3)
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        self.assertTrue(idle.closed())
        answer = late.read()
        self.assertEqual((answer.status, answer.headers["connection"], answer.body), (200, "close", b"/late/1000"))
        self.assertTrue(late.closed())
        answer = half.send(b"llo").read()
        self.assertEqual((answer.json["body"], answer.headers["connection"]), ("hello", "close"))
        self.assertEqual(len(stream.read().body), 30000000)
        self.assertTrue(stream.closed())
        server.stop()
        self.assertLess(time.monotonic() - start, 8)
        with self.assertRaises(OSError):
            server.plain()
        for peer in (idle, late, half, stream):
            peer.close()

    def test_slow_but_steady_reader_is_served(self):
        """The kernels' buffers make steps of some 400 KB of its progress."""
        server = Server(write_timeout=3)
        peer = server.tls()
        peer.send(get("/stream/30000000"))
        total, start = 0, time.monotonic()
        while total < 30000000:
            total += len(peer.sock.recv(1 << 20))
            if time.monotonic() - start < 5:
                time.sleep(0.02)
        peer.close()
        server.stop()

    def test_grace_ends(self):
        server = Server(grace=1)
        half, late, forgotten = server.tls(), server.tls(), server.tls()
        half.send(b"GET ")
        late.send(get("/late/1600"))
        forgotten.send(get("/forget"))
        time.sleep(0.2)
        start = time.monotonic()
        server.stop()
        self.assertLess(time.monotonic() - start, 3)
        for peer in (half, late, forgotten):
            with self.assertRaises((EOFError, OSError)):
                peer.read()
            peer.close()

    def test_a_port_in_use_is_not_shared(self):
        server = Server()
        other = subprocess.run([str(ECHO), f"listen=http://127.0.0.1:{server.ports[1]}"], capture_output=True, text=True)
        self.assertEqual(other.returncode, 1)
        self.assertIn("in use", other.stderr)
        server.stop()

    def test_bad_settings_are_named(self):
        cert, key = certificate()
        for options, words in ((["listen=ftp://127.0.0.1:1"], ("listen", "https://")),
                               (["listen=https://127.0.0.1"], ("listen",)),
                               (["listen=https://127.0.0.1:70000"], ("listen",)),
                               (["listen=https://127.0.0.1:0"], ("tls_certificate",)),
                               (["listen=https://127.0.0.1:0", "cert=/nowhere", "key=" + key], ("tls_certificate", "/nowhere")),
                               (["listen=https://127.0.0.1:0", "cert=" + cert, "key=/nowhere"], ("tls_private_key", "/nowhere")),
                               (["listen=https://127.0.0.1:0", "cert=" + cert, "key=" + cert], ("tls_private_key",))):
            done = subprocess.run([str(ECHO), *options], capture_output=True, text=True, timeout=20)
            self.assertEqual(done.returncode, 1, options)
            for word in words:
                self.assertIn(word, done.stderr)

    def test_log(self):
        server = Server(log=1)
        peer = server.tls()
        peer.send(get("/echo?secret=1", "X-Request-Id: r-1", "Authorization: Bearer hidden")).read()
        peer.send(get("/" + "p" * 5000)).read()
        peer.send(b"BAD\r\n\r\n").read()
        peer.close()
        server.stop()
        lines = [line for line in server.errors.splitlines() if "event=request" in line]
        self.assertEqual(len(lines), 3, server.errors)
        self.assertRegex(lines[0], r"^ts=\S+Z level=info event=request method=GET path=/echo status=200 bytes=\d+ us=\d+ "
                                   r"peer=127\.0\.0\.1:\d+ request_id=r-1 org=0 token=0$")
        self.assertLess(len(lines[1]), 500)
        self.assertIn("status=400", lines[2])
        self.assertNotIn("secret", server.errors)
        self.assertNotIn("hidden", server.errors)

    def test_memory_of_idle_connections(self):
        def resident():
            return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{server.process.pid}/status").read_text())[1])

        if SANITIZED:
            self.skipTest("sanitizers take memory of their own")
        server, context = Server(idle_timeout=100), None
        context = server.context()
        peers = [server.tls(context) for _ in range(50)]
        for peer in peers:
            peer.send(get("/echo")).read()
        before = resident()
        more = [server.tls(context) for _ in range(400)]
        for peer in more:
            peer.send(get("/echo")).read()
        time.sleep(3)
        each = (resident() - before) / len(more)
        for peer in peers + more:
            peer.close()
        server.stop()
        print(f"an idle TLS connection: {each:.1f} KiB")
        self.assertLess(each, 20)


if __name__ == "__main__":
    main()
