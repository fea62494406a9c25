#!/usr/bin/env python3
"""The README's first five minutes, word for word: every sh block runs in one shell, as a newcomer would run it."""

import json
import os
import re
import shutil
import subprocess
import tempfile
import unittest

import harness

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
MARK = "=====block====="


def blocks():
    with open(os.path.join(ROOT, "README.md"), encoding="utf-8") as source:
        return re.findall(r"```sh\n(.*?)```", source.read(), re.S)


class Readme(unittest.TestCase):
    def setUp(self):
        self.data = tempfile.mkdtemp(prefix="rosterd-readme-")
        self.env = dict(os.environ, ROSTER_DATA=self.data, ROSTER_PORT=str(harness.free_port()))

    def tearDown(self):
        subprocess.run(["./start", "--stop"], cwd=ROOT, env=self.env, stdout=subprocess.DEVNULL, check=False)
        shutil.rmtree(self.data, ignore_errors=True)

    def test_first_five_minutes(self):
        script = ["shopt -s expand_aliases"]
        for block in blocks():
            script.append(block.replace("./roster-data", self.data))
            script.append(f"echo; echo {MARK}")
        run = subprocess.run(["bash", "-e"], input="\n".join(script), text=True, cwd=ROOT, env=self.env,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, check=False)
        self.assertEqual(run.returncode, 0, run.stdout)
        started, created, found, grouped, asked, product, left, made = [part.strip() for part in run.stdout.split(MARK)][:8]

        self.assertIn("SCIM base URL", started)
        self.assertRegex(started, r"https://127\.0\.0\.1:\d+/orgs/demo/scim/v2")
        ada = json.loads(created)
        self.assertEqual(ada["userName"], "ada@example.com")
        listed = json.loads(found)
        self.assertEqual([one["id"] for one in listed["Resources"]], [ada["id"]])
        group, with_groups = [json.loads(text) for text in re.split(r"(?<=\})(?=\{)", grouped.replace("\n", ""))]
        self.assertEqual([one["value"] for one in group["members"]], [ada["id"]])
        self.assertEqual([one["value"] for one in with_groups["groups"]], [group["id"]])
        self.assertIn('"decision":false', asked)
        self.assertIn('"missing":"member.invite"', asked)
        self.assertIn('"status":"pending"', asked)
        check, member = product.splitlines()
        self.assertIn("answer=False, code='missing'", check)
        self.assertIn("answer=True, code='direct'", member)
        self.assertIn('"active":false', left)
        self.assertTrue(left.endswith("204"), left)
        self.assertRegex(made, r"rst_[A-Za-z0-9_-]{43}")


if __name__ == "__main__":
    unittest.main()
