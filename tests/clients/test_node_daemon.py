#!/usr/bin/env python3
"""The Node.js client against a daemon (tests/clients/node/daemon*.test.js), each file in an organisation of its own. Skipped where there is no Node.js 18."""

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

    def check(self, name):
        org = self.org()
        site = {"address": f"roster://127.0.0.1:{self.daemon.roster_port}", "url": self.daemon.url, "ca": certificate()[0],
                "org": org.key, "connection": org.token, "operator": self.token("--operator"),
                "service": self.token("--service", "--orgs", org.key, "--permissions", PERMISSIONS)}
        passed, output = run(FOLDER / name, {"ROSTER_TEST": json.dumps(site)})
        self.assertTrue(passed, output)

    def test_questions(self):
        self.check("daemon.test.js")

    def test_lists(self):
        self.check("daemon_lists.test.js")

    def test_records(self):
        self.check("daemon_records.test.js")

    def test_sync(self):
        self.check("daemon_sync.test.js")

    def test_watch(self):
        self.check("daemon_watch.test.js")

    def test_views(self):
        self.check("daemon_views.test.js")


if __name__ == "__main__":
    main()
