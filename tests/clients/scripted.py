"""A server of roster/1 that plays what a test tells it: one function, called for every connection in a thread of its own."""

import faulthandler
import pathlib
import socket
import ssl
import struct
import sys
import threading
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tools/clients/python"), str(ROOT / "tests/system")]

import harness  # noqa: E402
import roster  # noqa: E402
from roster import codec, numbers  # noqa: E402

WELCOME = [("version", 1), ("server", "scripted/1"), ("max-payload", 4 << 20), ("max-requests", 256),
           ("max-items", 10000), ("heartbeat", 10000), ("actor", "service")]


class Request:
    def __init__(self, frame):
        self.frame, self.id, self.type, self.name = frame, frame.id, frame.type, frame.name
        self.fields = codec.decode_fields(frame.payload, numbers.REQUEST)
        self.values = dict(self.fields)

    def __getitem__(self, name):
        return self.values[name]

    def get(self, name, default=None):
        return self.values.get(name, default)

    def __repr__(self):
        return f"{self.name} {self.id} {self.fields}"


class Gone(Exception):
    """The client closed the connection."""


class Peer:
    """The server's end of one connection. index: the how-manieth it is, from 0."""

    def __init__(self, connection, index):
        self.connection, self.index = connection, index
        self.input = bytearray()

    def read(self, *names):
        """The next request. When names are given, it must be one of them."""
        while True:
            found = codec.decode_frame(self.input)
            if found:
                frame, used = found
                del self.input[:used]
                request = Request(frame)
                if names and request.name not in names:
                    raise AssertionError(f"{request} is none of {names}")
                return request
            try:
                data = self.connection.recv(65536)
            except (ConnectionError, ssl.SSLError) as why:
                raise Gone from why
            if not data:
                raise Gone
            self.input += data

    def raw(self, data):
        try:
            self.connection.sendall(data)
        except (ConnectionError, ssl.SSLError) as why:
            raise Gone from why

    @staticmethod
    def bytes_of(request, fields, last=True, error=False):
        flags = (codec.LAST if last else 0) | (codec.ERROR if error else 0)
        return codec.encode_frame(request.type, request.id, codec.encode_fields(fields, numbers.ANSWER), flags)

    def answer(self, request, *fields, last=True):
        self.raw(self.bytes_of(request, fields, last))

    def fail(self, request, status, error, message="no", *more):
        self.raw(self.bytes_of(request, [("status", status), ("error", error), ("message", message), *more], True, True))

    def hello(self, **other):
        """Reads the hello and answers it, with other limits when some are given."""
        request = self.read("hello")
        other = {name.replace("_", "-"): value for name, value in other.items()}
        self.answer(request, *[(name, other.get(name, value)) for name, value in WELCOME])
        return request

    def cut(self):
        """The end of the connection, without a word more."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        raise Gone

    def end(self):
        """The end of the connection, as TLS likes it."""
        try:
            self.connection.unwrap()
        except OSError:
            pass
        raise Gone

    def rest(self):
        """Until the client closes."""
        while True:
            self.read()


class Server:
    """Listens on a free port of 127.0.0.1. What a script asserts in vain is raised by close()."""

    def __init__(self, script, context=None, port=0):
        self.script = script
        self.context = context or server_context()
        self.listener = socket.create_server(("127.0.0.1", port))
        self.address = f"roster://127.0.0.1:{self.listener.getsockname()[1]}"
        self.accepted = []  # when, each
        self.failures = []
        self.open = set()
        self.threads = [threading.Thread(target=self._accept, daemon=True)]
        self.threads[0].start()

    def _accept(self):
        while True:
            try:
                plain, _ = self.listener.accept()
            except OSError:
                return
            self.open.add(plain)
            thread = threading.Thread(target=self._serve, args=(plain, len(self.accepted)), daemon=True)
            self.accepted.append(time.monotonic())
            self.threads.append(thread)
            thread.start()

    def _serve(self, plain, index):
        connection = None
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = self.context.wrap_socket(plain, server_side=True)
            self.open.add(connection)
            self.script(Peer(connection, index))
        except Gone:
            pass
        except OSError as why:  # of the handshake
            if connection is not None:
                self.failures.append(why)
        except BaseException as why:
            self.failures.append(why)
        finally:
            for it in (connection, plain):
                if it is not None:
                    it.close()

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for it in list(self.open):
            try:
                socket.socket.shutdown(it, socket.SHUT_RDWR)  # that of ssl would let its reader see bare bytes
            except OSError:
                pass
        for thread in self.threads:
            thread.join(10)
        if self.failures:
            raise self.failures[0]


def server_context(alpn=("roster/1",), version=ssl.TLSVersion.TLSv1_3):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = context.maximum_version = version
    context.load_cert_chain(*harness.certificate())
    if alpn:
        context.set_alpn_protocols(list(alpn))
    return context


class ScriptedTest(unittest.TestCase):
    maxDiff = 4000

    def run(self, result=None):
        faulthandler.dump_traceback_later(60, exit=True)  # a client that waits for ever shows where
        try:
            return super().run(result)
        finally:
            faulthandler.cancel_dump_traceback_later()

    def serve(self, script, context=None, port=0):
        server = Server(script, context, port)
        self.addCleanup(server.close)
        return server

    def client(self, script, context=None, **options):
        """A client of a server that plays the script; the server is client.server."""
        server = self.serve(script, context)
        client = self.client_of(server.address, **options)
        client.server = server
        return client

    def client_of(self, address, **options):
        options = {"token": "rst_test", "ca": harness.certificate()[0], "timeout": 10, "backoff": (0.02, 0.2), **options}
        client = roster.Client(address, **options)
        self.addCleanup(client.close)
        return client

    def until(self, condition):
        end = time.monotonic() + 10
        while not condition():
            self.assertLess(time.monotonic(), end, "it did not come to be")
            time.sleep(0.005)

    def together(self, *functions):
        """Each in a thread of its own; their results, in order."""
        results = [None] * len(functions)

        def run(index):
            try:
                results[index] = functions[index]()
            except BaseException as why:
                results[index] = why
        threads = [threading.Thread(target=run, args=(index,)) for index in range(len(functions))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
            self.assertFalse(thread.is_alive(), "a call that does not end")
        return results
