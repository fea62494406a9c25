"""What a hostile or careless tenant may try on the others: each test is a hole that was found and closed."""

import json
import signal
import socket
import threading
import time

from harness import (GROUP, NOWHERE, USER, Api, Daemon, SystemTest, certificate, in_threads, main)

BULK = "urn:ietf:params:scim:api:messages:2.0:BulkRequest"


def many_users(prefix, count, **more):
    return {"schemas": [BULK], "Operations": [
        {"method": "POST", "path": "/Users", "bulkId": f"{prefix}{i}",
         "data": {"schemas": [USER], "userName": f"{prefix}{i}", **more}} for i in range(count)]}


class Stop(SystemTest):
    config = {"limits.stop_timeout": 0}

    def test_writes_under_way_when_it_stops_at_once(self):
        """The committer finishes what it has, though the clients and the workers are gone."""
        org = self.org()
        # Short enough to be read by the worker itself: all of them wait for the committer.
        bodies = [json.dumps(many_users(f"s{n}-", 250)).encode() for n in range(40)]
        for body in bodies:
            s = org.raw_socket()
            s.sendall(b"POST /orgs/%s/scim/v2/Bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                      b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                      % (org.key.encode(), org.token.encode(), len(body)) + body)
            self.addCleanup(s.close)
        self.daemon.process.send_signal(signal.SIGTERM)
        self.daemon.process.wait(60)
        self.assertEqual(self.daemon.faults(), "")
        self.assertEqual(self.daemon.process.returncode, 0, self.daemon.log()[-2000:])
        self.daemon.start()
        self.assertEqual(self.daemon.verify(), "")


if __name__ == "__main__":
    main()
