#!/usr/bin/env python3
"""The Node.js client against a daemon (tests/clients/node/daemon.test.js). Skipped where there is no Node.js 18."""

import json
import pathlib
import sys
import unittest

sys.path[:0] = [str(pathlib.Path(__file__).resolve().parents[1] / "system")]

from harness import SystemTest, certificate, find_member, main  # noqa: E402
from test_node import FOLDER, run, why_not  # noqa: E402

PERMISSIONS = "org.check,org.usage,org.sync,org.watch,team.view,member.view,member.create,member.edit,member.remove"


@unittest.skipIf(why_not(), why_not())
class NodeDaemonTest(SystemTest):
    def token(self, *arguments):
        return find_member(self.daemon.ctl("token", "create", *arguments), ("token", "secret"))

    def test_daemon(self):
        org = self.org()
        site = {"address": f"roster://127.0.0.1:{self.daemon.roster_port}", "url": self.daemon.url, "ca": certificate()[0],
                "org": org.key, "connection": org.token, "operator": self.token("--operator"),
                "service": self.token("--service", "--orgs", org.key, "--permissions", PERMISSIONS)}
        passed, output = run(FOLDER / "daemon.test.js", {"ROSTER_TEST": json.dumps(site)})
        self.assertTrue(passed, output)


if __name__ == "__main__":
    main()
