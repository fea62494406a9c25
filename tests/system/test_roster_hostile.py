#!/usr/bin/env python3
"""The binary door and clients that mean harm: they go in the middle, ask for much at once, become somebody else under way."""

import socket
import struct
import time

from harness import main
from test_roster_door import Door
from wire import encode


class Hostile(Door):
    def lines(self, size):
        line = b'{"userName":"%s"}\n' % (b"u" * 200)
        return line * (size // len(line))

    def cut(self, wire):
        """The client is gone without a word."""
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        wire.close()

    def test_a_client_goes_while_it_is_not_read_from(self):
        """More lines than are parsed at a time, then a reset: what the session would have gone on with is not touched any more."""
        org = self.org()
        for _ in range(3):
            busy, wire = self.wire(org), self.wire(org)
            numbers = [one.call("sync-begin")["sync"] for one in (busy, wire)]
            for _ in range(4):  # the threads that parse have something to do
                busy.ask("sync-records", sync=numbers[0], data=self.lines(2_000_000))
            for size in [20_000] * 40 + [4_000_000] * 2:
                wire.ask("sync-records", sync=numbers[1], data=self.lines(size))
            time.sleep(0.1)
            self.cut(wire)
            for _ in range(4):
                busy.read()
            busy.call("sync-abort", sync=numbers[0])
        self.assertEqual(self.wire(org).call("ping", data="x"), {"data": "x"})
        self.assertEqual(self.daemon.faults(), "")


if __name__ == "__main__":
    main()
