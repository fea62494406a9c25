"""A server of roster/1 that does what a test tells it, and the driver of libroster (tests/libroster/driver.c).

The codec is the test's own, from docs/PROTOCOL.md, so that it does not share mistakes with ours.
"""

import json
import os
import queue
import re
import socket
import ssl
import struct
import subprocess
import threading
import uuid

from harness import BUILD, ROOT, SANITIZER, certificate

LAST, ERROR = 1, 2


def numbers(heading):
    """The numbers of a table of docs/PROTOCOL.md: {name: (number, kind)}."""
    text = (ROOT / "docs/PROTOCOL.md").read_text()
    part = text[text.index(heading):]
    part = part[:part.index("\n\n", part.index("| --- |"))]
    return {name: (int(number), kind) for number, name, kind in
            re.findall(r"\| (\d+) \| `([a-z-]+)` (?=\| ?(\w)?)", part)}


ASK, OUT = numbers("Fields of requests"), numbers("Fields of answers")
TYPES = {name: number for name, (number, _) in numbers("## Numbers").items()}
NAMES = {number: name for name, number in TYPES.items()}


def varint(value):
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7f | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def encode(fields, table=OUT):
    """[(name, value)] as a payload; a list as a value is an item."""
    out = bytearray()
    for name, value in fields:
        number, kind = table[name]
        if kind == "n":
            out += bytes([number]) + varint(value)
        elif kind == "i":
            out += bytes([128 | number]) + uuid.UUID(value).bytes
        else:
            data = encode(value, table) if isinstance(value, list) else value.encode() if isinstance(value, str) else value
            out += bytes([64 | number]) + varint(len(data)) + data
    return bytes(out)


def decode(payload, table=ASK):
    """A payload as {name: [values]}."""
    names = {(number, kind): name for name, (number, kind) in table.items()}
    out, at = {}, 0

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = payload[at]
            at += 1
            value |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return value

    while at < len(payload):
        head = payload[at]
        at += 1
        kind = "nbi"[head >> 6]
        if kind == "n":
            value = number()
        else:
            size = 16 if kind == "i" else number()
            value = payload[at:at + size]
            assert len(value) == size
            at += size
        name = names[head & 63, kind]
        value = str(uuid.UUID(bytes=value)) if kind == "i" else decode(value, table) if name == "item" else value
        out.setdefault(name, []).append(value)
    return out


class Frame:
    def __init__(self, number, flags, ident, payload):
        self.type, self.flags, self.id, self.fields = NAMES[number], flags, ident, decode(payload)

    def __getitem__(self, name):
        return self.fields[name][0]

    def get(self, name, default=None):
        return self.fields.get(name, [default])[0]


class Session:
    """One connection, from the server's side."""

    def __init__(self, stream):
        self.stream = stream
        self.stream.settimeout(20)
        self.reads = 0

    def read_exactly(self, size):
        data = b""
        while len(data) < size:
            more = self.stream.recv(size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def read(self):
        length, number, flags, reserved, ident = struct.unpack(">IBBHI", self.read_exactly(12))
        assert flags == LAST and reserved == 0
        return Frame(number, flags, ident, self.read_exactly(length))

    def expect(self, *types):
        frame = self.read()
        assert frame.type in types, f"{frame.type} came, not {types}"
        return frame

    def send(self, frame, fields=(), flags=LAST):
        payload = encode(list(fields))
        self.stream.sendall(struct.pack(">IBBHI", len(payload), TYPES[frame.type], flags, 0, frame.id) + payload)

    def refuse(self, frame, status, name, message="no", **more):
        self.send(frame, [("status", status), ("error", name), ("message", message),
                          *((key.replace("_", "-"), value) for key, value in more.items())], LAST | ERROR)

    def hello(self, **more):
        frame = self.expect("hello")
        limits = {"max_payload": 4 << 20, "max_requests": 256, "max_items": 10000, "heartbeat": 10000, **more}
        self.send(frame, [("version", 1), ("server", "script"),
                          *((key.replace("_", "-"), value) for key, value in limits.items())])
        return frame

    def cut(self):
        """The connection breaks, without a word of TLS."""
        raw = self.stream
        try:
            raw.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        raw.close()


class Script:
    """Listens; accept() gives the next connection."""

    def __init__(self, alpn="roster/1", files=None, version=ssl.TLSVersion.TLSv1_3):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(20)
        self.port = self.listener.getsockname()[1]
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.context.maximum_version = version
        self.context.load_cert_chain(*(files or certificate()))
        self.sessions = []
        if alpn:
            self.context.set_alpn_protocols([alpn])

    def accept(self, hello=True, **limits):
        raw, _ = self.listener.accept()
        raw.settimeout(20)
        session = Session(self.context.wrap_socket(raw, server_side=True))
        self.sessions.append(session)
        if hello:
            session.hello(**limits)
        return session

    def close(self):
        for session in self.sessions:
            session.stream.close()
        self.listener.close()


class Driver:
    """The program under test; what it says comes as dictionaries."""

    def __init__(self, port=None, **options):
        self.errors = []
        self.process = subprocess.Popen([BUILD / "tests/libroster/driver"], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                        env={**os.environ, "ASAN_OPTIONS": "detect_leaks=1"})
        self.lines = queue.Queue()
        self.threads = [threading.Thread(target=self._read, daemon=True),
                        threading.Thread(target=self._read_errors, daemon=True)]
        for thread in self.threads:
            thread.start()
        if port is not None:
            self.opened = self.ask(do="open", options={"server": f"roster://127.0.0.1:{port}", "ca_file": certificate()[0],
                                                       "token": "t", "org": "acme", "backoff_ms": 10, **options})

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def _read_errors(self):
        for line in self.process.stderr:
            self.errors.append(line)

    def say(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()

    def next(self, timeout=20):
        return self.lines.get(timeout=timeout)

    def ask(self, **command):
        self.say(**command)
        return self.next()

    def start(self, name, verb, times=1, **request):
        self.say(do="start", verb=TYPES[verb], times=times, request=request, **{"as": name})

    def call(self, function, **request):
        self.say(do="call", fn=function, request=request)

    def quiet(self, seconds=0.2):
        """Nothing is said for a while."""
        try:
            said = self.lines.get(timeout=seconds)
        except queue.Empty:
            return
        raise AssertionError(f"it said {said}")

    def end(self):
        """Exit status 0, and no word of a sanitizer."""
        self.process.stdin.close()
        try:
            code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            code = self.process.wait()
        for thread in self.threads:
            thread.join(5)
        self.process.stdout.close()
        self.process.stderr.close()
        text = "".join(self.errors)
        assert code == 0 and not SANITIZER.search(text), f"the driver ended with {code}:\n{text[-4000:]}"
