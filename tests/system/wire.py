"""The binary door, spoken by hand: frames are made and read with the tables of docs/PROTOCOL.md.

This is no client for products (tools/clients/ has those): it sends what a test wants to send, right or wrong, and shows each frame
that comes back.
"""

import re
import socket
import ssl
import struct
import uuid

from harness import ROOT, certificate

_page = (ROOT / "docs/PROTOCOL.md").read_text().split("<!-- numbers")[1]
_types, _fields = _page.split("Fields of requests")
_requests, _answers = _fields.split("Fields of answers")
_answers, _codes = _answers.split("Codes.")
TYPES = {name: int(number) for number, name in re.findall(r"\| (\d+) \| `([a-z-]+)` (?=\|)", _types)}
NAMES = {number: name for name, number in TYPES.items()}
CODES = {int(number): name for number, name in re.findall(r"\| (\d+) \| `([a-z_]+)` (?=\|)", _codes)}


def _table(text):
    return {name: (int(number), kind, star == "*")
            for number, name, kind, star in re.findall(r"\| (\d+) \| `([a-z-]+)` \| ([nbi])(\*?)", text)}


REQUEST, ANSWER = _table(_requests), _table(_answers)
LAST, ERROR = 1, 2


def number(value):
    out = b""
    while True:
        low, value = value & 127, value >> 7
        out += bytes([low | (128 if value else 0)])
        if not value:
            return out


def encode(fields, table=REQUEST):
    """{"org": "acme", "item": [{...}, {...}]} as a payload; ids are texts or UUIDs."""
    out = b""
    for name, value in fields.items():
        at, kind, many = table[name.replace("_", "-")]
        for one in value if many and isinstance(value, (list, tuple)) else [value]:
            if kind == "n":
                out += bytes([at]) + number(int(one))
            elif kind == "i":
                out += bytes([128 + at]) + (one if isinstance(one, uuid.UUID) else uuid.UUID(one)).bytes
            else:
                data = encode(one, table) if isinstance(one, dict) else one.encode() if isinstance(one, str) else one
                out += bytes([64 + at]) + number(len(data)) + data
    return out


_by_number = {at: (name, kind, many) for name, (at, kind, many) in ANSWER.items()}
_binary = {"answers", "cursor"}


def decode(payload):
    """A payload of an answer as a dictionary; what may be a list is one; texts are str."""
    found, at = {}, 0

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = payload[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(payload):
        kind, field = payload[at] >> 6, payload[at] & 63
        at += 1
        if kind == 0:
            value = varint()
        else:
            size = 16 if kind == 2 else varint()
            value = payload[at:at + size]
            assert len(value) == size
            at += size
        name, expected, many = _by_number.get(field, (str(field), None, False))
        assert expected is None or "nbi"[kind] == expected, name
        if kind == 2:
            value = str(uuid.UUID(bytes=value))
        elif name == "item":
            value = decode(value)
        elif kind == 1 and name not in _binary:
            value = value.decode()
        if many:
            found.setdefault(name, []).append(value)
        else:
            assert name not in found, name
            found[name] = value
    return found


class Failure(Exception):
    """An answer with the flag "error"."""

    def __init__(self, fields):
        self.status, self.error = fields["status"], fields["error"]
        self.field, self.message = fields.get("field", ""), fields["message"]
        self.fields = fields
        super().__init__(f"{self.status} {self.error} {self.field} {self.message}")


class Closed(Exception):
    pass


class Wire:
    """One connection. With a token it says hello."""

    def __init__(self, daemon, token=None, org=None, alpn=("roster/1",), chain=None, timeout=30, hello=True):
        context = ssl.create_default_context(cafile=certificate()[0])
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if alpn:
            context.set_alpn_protocols(list(alpn))
        if chain:
            context.load_cert_chain(*chain)
        plain = socket.create_connection(("127.0.0.1", daemon.roster_port), timeout=timeout)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = context.wrap_socket(plain, server_hostname="localhost")
        self.org, self.next, self.seen = org, 1, b""
        if hello and (token or chain):
            self.greeting = self.call("hello", version=1, **({"token": token} if token else {}))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def frame(self, type, payload=b"", flags=LAST, id=None):
        if id is None:
            id, self.next = self.next, self.next + 1
        return struct.pack(">IBBHI", len(payload), TYPES.get(type, type), flags, 0, id) + payload

    def ask(self, type, /, *, request=None, **fields):
        """Sends a request and returns its id: `request`, or the next one."""
        id = request
        if self.org and "org" not in fields and type not in ("hello", "ping", "cancel"):
            fields = {"org": self.org, **fields}
        if id is None:
            id, self.next = self.next, self.next + 1
        self.send(self.frame(type, encode({k: v for k, v in fields.items() if v is not None}), id=id))
        return id

    def ask_raw(self, type, payload):
        id, self.next = self.next, self.next + 1
        self.send(self.frame(type, payload, id=id))
        return id

    def _bytes(self, count):
        while len(self.seen) < count:
            try:
                more = self.socket.recv(1 << 16)
            except (ConnectionError, ssl.SSLEOFError):
                more = b""
            if not more:
                raise Closed(f"after {len(self.seen)} bytes of {count}")
            self.seen += more
        head, self.seen = self.seen[:count], self.seen[count:]
        return head

    def read(self):
        """The next frame: (type, id, flags, fields)."""
        size, type, flags, reserved, id = struct.unpack(">IBBHI", self._bytes(12))
        assert reserved == 0
        return NAMES.get(type, type), id, flags, decode(self._bytes(size))

    def answer(self, id):
        """All parts of the answer with that id; others must not come between."""
        parts = []
        while True:
            _, got, flags, fields = self.read()
            assert got == id, (got, id, fields)
            if flags & ERROR:
                assert flags & LAST
                raise Failure(fields)
            parts.append(fields)
            if flags & LAST:
                return parts

    def call(self, type, /, **fields):
        """A request and its one-part answer."""
        parts = self.answer(self.ask(type, **fields))
        assert len(parts) == 1, parts
        return parts[0]

    def first_part(self, type, **fields):
        """A request and the first part of its answer."""
        _, _, _, found = self.part(self.ask(type, **fields))
        return found

    def part(self, id):
        """The next frame, which must belong to that request."""
        frame = self.read()
        assert frame[1] == id, frame
        if frame[2] & ERROR:
            raise Failure(frame[3])
        return frame

    def items(self, type, /, **fields):
        """A request and the items of all parts of its answer."""
        return [item for part in self.answer(self.ask(type, **fields)) for item in part.get("item", [])]

    def is_member(self, subject_id, group_id, **more):
        return CODES[self.call("is-member", subject_id=subject_id, group_id=group_id, **more)["code"]]

    def check(self, subject_id, permission, **more):
        return CODES[self.call("check", subject_id=subject_id, permission=permission, **more)["code"]]
