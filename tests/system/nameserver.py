"""A DNS server on loopback for tests: UDP and TCP on one port, with records and faults as a table says.

    server = NameServer({"a.example": ["text one", ("two ", "strings")], "b.example": "SERVFAIL"})
    server.address         "127.0.0.1:PORT"

A name's value is a list of TXT records (a text, or a tuple of character-strings; [] for a name without any), or a
word: "NXDOMAIN", "SERVFAIL", "REFUSED", "SILENT" (no answer), "LOST" (the first question gets none), "FORGED" (a wrong id
first, then a wrong question, then the truth), "HANGS" (cut by UDP, accepted and never answered by TCP), "GARBLED" (bytes behind the question are wrong), "CNAME name".
What is not in the table is NXDOMAIN. An answer above 512 bytes is cut by UDP, as a real server does it.
"""

import os
import random
import socket
import struct
import threading

CODES = {"NXDOMAIN": 3, "SERVFAIL": 2, "REFUSED": 5}
TXT, CNAME = 16, 5


def encode_name(name):
    return b"".join(bytes([len(label)]) + label.encode() for label in name.split(".")) + b"\0"


def record(owner, kind, data):
    return encode_name(owner) + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


def text_data(value):
    parts = [value[i:i + 255] for i in range(0, len(value), 255)] if isinstance(value, str) else value
    return b"".join(bytes([len(part)]) + part.encode() for part in parts or [""])


class NameServer:
    def __init__(self, table):
        self.table = table
        self.asked = []  # (protocol, name)
        self.random = random.Random(os.environ.get("ROSTER_SEED", "1"))
        self.held = []
        for _ in range(20):  # one port for both
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.udp.bind(("127.0.0.1", 0))
            self.tcp = socket.socket()
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                self.tcp.bind(self.udp.getsockname())
                break
            except OSError:
                self.udp.close()
                self.tcp.close()
        self.tcp.listen()
        self.address = "127.0.0.1:%d" % self.udp.getsockname()[1]
        for target in (self.serve_udp, self.serve_tcp):
            threading.Thread(target=target, daemon=True).start()

    def close(self):
        self.udp.close()
        self.tcp.close()

    @staticmethod
    def question(data):
        """(id, the question's bytes, name)"""
        labels, at = [], 12
        while data[at]:
            labels.append(data[at + 1:at + 1 + data[at]].decode())
            at += 1 + data[at]
        return data[:2], data[12:at + 5], ".".join(labels)

    def records(self, name, hops=0):
        """(code, answer records)"""
        value = self.table.get(name.lower(), "NXDOMAIN")
        if isinstance(value, str):
            if value in CODES:
                return CODES[value], []
            if value.startswith("CNAME "):
                target = value[6:]
                code, rest = self.records(target, hops + 1) if hops < 20 else (0, [])
                return code, [record(name, CNAME, encode_name(target)), *rest]
            value = ["the truth"]
        return 0, [record(name, TXT, text_data(item)) for item in value]

    def answer(self, data, limit=65535):
        ident, question, name = self.question(data)
        code, records = self.records(name)
        body = b"".join(records)
        cut = 12 + len(question) + len(body) > limit or (self.table.get(name) == "HANGS" and limit == 512)
        head = struct.pack(">HHHHH", 0x8180 | code | (0x0200 if cut else 0), 1, 0 if cut else len(records), 0, 0)
        return ident + head + question + (b"" if cut else body)

    def serve_udp(self):
        while True:
            try:
                data, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            name = self.question(data)[2]
            value = self.table.get(name)
            seen = ("udp", name) in self.asked
            self.asked.append(("udp", name))
            if value == "SILENT" or (value == "LOST" and not seen):
                continue
            good = self.answer(data, 512)
            if value == "FORGED":
                self.udp.sendto(bytes([good[0] ^ 1]) + good[1:].replace(b"the truth", b"the lies!"), peer)
                self.udp.sendto(good.replace(b"\x06forged", b"\x06farged").replace(b"the truth", b"the lies!"), peer)
                self.udp.sendto(b"\0" * 5, peer)
            if value == "GARBLED":
                good = bytearray(good)
                for _ in range(self.random.randint(1, 4)):
                    good[self.random.randrange(12 + len(self.question(data)[1]), len(good))] = self.random.randrange(256)
                good = good[:self.random.choice([len(good)] * 3 + [self.random.randint(12, len(good))])]
            self.udp.sendto(good, peer)

    def serve_tcp(self):
        while True:
            try:
                connection, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self.serve_connection, args=(connection,), daemon=True).start()

    def serve_connection(self, connection):
        size = connection.recv(2, socket.MSG_WAITALL)
        data = connection.recv(struct.unpack(">H", size)[0], socket.MSG_WAITALL)
        name = self.question(data)[2]
        self.asked.append(("tcp", name))
        if self.table.get(name) == "HANGS":
            self.held.append(connection)
            return
        good = self.answer(data)
        for piece in (struct.pack(">H", len(good))[:1], struct.pack(">H", len(good))[1:] + good[:20], good[20:]):
            connection.sendall(piece)
        connection.close()
