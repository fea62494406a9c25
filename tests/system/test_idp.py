"""The transcripts of identity providers (tests/idp), each against the same fresh tolerant org, twice in a row."""

import subprocess
import sys
import unittest

from harness import ROOT, SystemTest, certificate, main

TRANSCRIPTS = sorted((ROOT / "tests/idp/transcripts").glob("*.json"))


class Transcripts(SystemTest):
    def play(self, org, files):
        return subprocess.run(
            [sys.executable, ROOT / "tests/idp/replay.py", "--base", org.base, "--token", org.token, "--insecure",
             *map(str, files)], capture_output=True, text=True, timeout=600)

    def judged(self, org, files):
        done = self.play(org, files)
        failures = [line for line in done.stdout.splitlines() if line.startswith("FAIL")]
        self.assertEqual((done.returncode, failures), (0, []), done.stdout[-3000:] + done.stderr)

    def left(self, org):
        return [user["userName"] for user in org.everything("/Users")] + \
            [group["displayName"] for group in org.everything("/Groups")]

    def test_all_twice_in_a_row_leave_the_org_clean(self):
        org = self.org("tolerant")
        for turn in (1, 2):
            self.judged(org, TRANSCRIPTS)
            self.assertEqual(self.left(org), [], f"left behind by turn {turn}")
        self.assertEqual(self.daemon.verify(), "")

    def test_the_runner_can_fail(self):
        """With a wrong token everything fails."""
        org = self.org("tolerant")
        org.token = "rst_wrong"
        self.assertEqual(self.play(org, TRANSCRIPTS[:1]).returncode, 1)


def each(path):
    def test(self):
        org = self.org("tolerant")
        self.judged(org, [path])
        self.assertEqual(self.left(org), [])
    test.__doc__ = f"{path.name} alone"
    return test


for transcript in TRANSCRIPTS:
    setattr(Transcripts, "test_" + transcript.stem.replace("-", "_"), each(transcript))


if __name__ == "__main__":
    main()
