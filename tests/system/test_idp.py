"""The transcripts of identity providers (tests/idp), each against the same fresh tolerant org, twice in a row; and in orgs of each role model."""

import subprocess
import sys
import unittest

from harness import ROOT, SystemTest, certificate, main

TRANSCRIPTS = sorted((ROOT / "tests/idp/transcripts").glob("*.json"))
MODELS = sorted(path.stem for path in (ROOT / "schema/models").glob("*.json"))


class Transcripts(SystemTest):
    def play(self, org, files, standing=0):
        return subprocess.run(
            [sys.executable, ROOT / "tests/idp/replay.py", "--base", org.base, "--token", org.token, "--insecure",
             "--standing", str(standing), *map(str, files)], capture_output=True, text=True, timeout=600)

    def judged(self, org, files, standing=0):
        done = self.play(org, files, standing)
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

    def in_model(self, model):
        """In an org that has nobody; then in one with an owner, who stands there and is not changed."""
        org = self.daemon.org("tolerant", model, ["--model", model])
        self.judged(org, TRANSCRIPTS)
        self.assertEqual(self.left(org), [])
        self.daemon.ctl("person", "create", f"owner-of-{model}")
        org = self.daemon.org("tolerant", model + "-owned", ["--model", model, "--owner", f"owner-of-{model}"])
        before = org.everything("/Users")
        self.assertEqual(len(before), 1)
        self.judged(org, TRANSCRIPTS, standing=1)
        self.assertEqual(org.everything("/Users"), before)
        self.assertEqual(org.everything("/Groups"), [])
        self.assertEqual(self.daemon.verify(), "")

    def test_who_stands_there_is_counted(self):
        """The owner is left out where the transcripts count, and nobody else is."""
        self.daemon.ctl("person", "create", "standing")
        org = self.daemon.org("tolerant", "standing", ["--owner", "standing"])
        self.assertEqual(self.play(org, TRANSCRIPTS).returncode, 1)
        org.user("second")
        self.assertEqual(self.play(org, TRANSCRIPTS, 1).returncode, 1)

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


def in_each(model):
    def test(self):
        self.in_model(model)
    test.__doc__ = f"all of them in an org of the model {model}"
    return test


for model in MODELS:
    setattr(Transcripts, "test_in_model_" + model, in_each(model))

for transcript in TRANSCRIPTS:
    setattr(Transcripts, "test_" + transcript.stem.replace("-", "_"), each(transcript))


if __name__ == "__main__":
    main()
