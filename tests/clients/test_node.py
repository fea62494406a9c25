#!/usr/bin/env python3
"""The tests of the Node.js client (tests/clients/node), each file as one test. Skipped where there is no Node.js 18."""

import os
import pathlib
import re
import shutil
import subprocess
import unittest

FOLDER = pathlib.Path(__file__).resolve().parent / "node"
NODE = shutil.which("node") or shutil.which("nodejs")
LIMIT = 120  # seconds a file


def why_not():
    """Why nothing can be run here, or None."""
    if NODE is None:
        return "there is no node"
    version = subprocess.run([NODE, "--version"], capture_output=True, text=True, check=True).stdout
    return None if int(re.match(r"v(\d+)", version).group(1)) >= 18 else f"node is {version.strip()}, older than 18"


def run(path, environment=None):
    """Runs one file of tests, in a process that ends with us: (whether all of them passed, what was said)."""
    try:
        done = subprocess.run([NODE, path], env={**os.environ, **(environment or {})}, timeout=LIMIT,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    except subprocess.TimeoutExpired as late:
        return False, f"{(late.stdout or b'').decode(errors='replace')}\nended after {LIMIT} s"
    ran = re.search(r"^\W*pass (\d+)", done.stdout, re.M)
    return done.returncode == 0 and ran is not None and int(ran.group(1)) > 0, done.stdout


@unittest.skipIf(why_not(), why_not())
class NodeTest(unittest.TestCase):
    maxDiff = None

    def check(self, name):
        passed, output = run(FOLDER / name)
        self.assertTrue(passed, output)

    def test_document(self):
        self.check("document.test.js")

    def test_declarations(self):
        self.check("declarations.test.js")

    def test_codec(self):
        self.check("codec.test.js")

    def test_client(self):
        self.check("client.test.js")

    def test_watch(self):
        self.check("watch.test.js")


if __name__ == "__main__":
    unittest.main()
