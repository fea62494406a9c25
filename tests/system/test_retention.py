"""journal.keep_days and journal.keep_size: the beginning of a journal goes, and all that reads journals goes on."""

import json
import subprocess
import time

from harness import BUILD, Daemon, main
from watching import GONE, Follower, Mirror, Watching, World, settled
from wire import Failure, Wire


class Retention(Watching):
    """A journal whose beginning goes."""

    config = {"journal.keep_size": "32 KiB", "journal.keep_days": 30}

    def head(self, org):
        with Wire(self.daemon, self.operator, org.key) as wire:
            told = {item["name"]: item["count"] for item in wire.items("stats")}
        return told["revision"], told["oldest-revision"]

    def trimmed(self, org, at_least):
        """Waits until the journal begins there or later; the revision that it begins with."""
        until = time.monotonic() + 60
        while self.head(org)[1] < at_least:
            self.assertLess(time.monotonic(), until, "nothing was trimmed")
            time.sleep(0.2)
        return self.head(org)[1]

    def sound(self, org, *more):
        done = self.daemon.run_ctl("audit", "verify", "--org", org.key, *more)
        return done.returncode, json.loads(done.stdout)

    def test_by_size(self):
        org = self.fresh()
        users = [org.user(self.name("u"), title="x" * 300)["id"] for _ in range(10)]
        group = org.group("g", users[:3])["id"]
        anchor = self.daemon.ctl("audit", "head", "--org", org.key)["anchor"]
        self.assertEqual(self.sound(org, "--anchor", anchor)[0], 0)
        for i in range(120):
            org.patch(f"/Users/{users[i % 4]}", {"op": "replace", "path": "title", "value": f"{i}" * 100})
        self.ok(org.delete(f"/Users/{users[9]}"), 204)
        self.members(org, group, "remove", users[0])
        until = time.monotonic() + 60
        while journal_size(self.daemon, org) > 32 << 10:
            self.assertLess(time.monotonic(), until, "not enough was trimmed")
            time.sleep(0.3)
        # What is kept is enough, and not much more.
        self.assertGreater(journal_size(self.daemon, org), 24 << 10)
        head, oldest = self.head(org)
        self.assertLess(oldest, head)
        # All is sound; what can't be looked at is said.
        self.assertEqual(self.daemon.verify(), "")
        code, answer = self.sound(org)
        self.assertEqual((code, answer["trimmed"], answer["entries"]), (0, oldest - 1, head - oldest + 1))
        code, answer = self.sound(org, "--anchor", anchor)
        self.assertEqual(code, 4)
        self.assertIn("is not kept any more", answer["details"][0]["problem"])
        self.assertEqual(self.sound(org, "--anchor", self.daemon.ctl("audit", "head", "--org", org.key)["anchor"])[0], 0)
        self.audit(org, oldest, head, users[9])
        # A watch that was away for too long is told where it may begin.
        for late in (0, oldest - 2):
            with self.assertRaises(Failure) as caught:
                wire, id = self.following(org, late)
                wire.part(id)
            self.assertEqual((caught.exception.status, caught.exception.error), (410, "RESYNC"))
            self.assertEqual(caught.exception.fields["revision"], oldest - 1)
        wire, id = self.following(org, oldest - 1)
        self.assertEqual([wire.part(id)[3]["revision"] for _ in range(head - oldest + 1)], list(range(oldest, head + 1)))
        # Who was deleted is named, though what they were is not known any more.
        wire, id = self.following(org, head - 2)
        told = wire.part(id)[3]["item"]
        self.assertIn((GONE, users[9]), [(item["event"], item["id"]) for item in told])

    def audit(self, org, oldest, head, gone):
        events = self.ok(org.get("/AuditEvents?count=500"))["Resources"]
        revisions = [int(event["id"].split("-")[0]) for event in events]
        self.assertEqual((max(revisions), min(revisions)), (head, oldest))
        self.assertEqual(org.get(f"/AuditEvents/{oldest - 1}-0").status, 404)
        exported = [json.loads(line) for line in org.get("/AuditEvents/.export").raw.decode().splitlines()]
        self.assertEqual([event["id"] for event in exported if event["id"].endswith("-0")],
                         [f"{revision}-0" for revision in range(oldest, head + 1)])
        self.assertEqual(org.get("/AuditEvents/.export?after=1-0").status, 400)
        # A delete whose old state is not kept still says who it was.
        deleted = next(event for event in events if event["operation"] == "delete" and event["target"]["type"] == "User")
        self.assertEqual(deleted["target"]["value"], gone)
        self.assertNotIn("changes", deleted)
        # A replace whose old state is not kept tells what there is; one whose is, what changed.
        first = next(event for event in exported if event["action"] == "User.replace")
        self.assertIn("userName", [change["path"] for change in first["changes"]])
        self.assertFalse([change for change in first["changes"] if "old" in change])
        last = next(event for event in events if event["action"] == "User.replace")
        self.assertEqual([change["path"] for change in last["changes"]], ["title"])
        self.assertIn("old", last["changes"][0])

    def test_by_age(self):
        org = self.fresh()
        users = [org.user(self.name("u"))["id"] for _ in range(12)]
        head = self.revision(org)
        tool(self.daemon, "age", org.key, head - 5, 31)
        self.assertEqual(self.trimmed(org, head - 4), head - 4)
        self.assertEqual(self.daemon.verify(), "")
        # The newest entry stays, however old.
        tool(self.daemon, "age", org.key, head, 31)
        self.assertEqual(self.trimmed(org, head), head)
        time.sleep(4)
        self.assertEqual(self.head(org), (head, head))
        org.user(self.name("u"))
        self.assertEqual(self.trimmed(org, head + 1), head + 1)
        self.assertEqual(self.daemon.verify(), "")
        self.assertEqual(len(org.everything("/Users")), len(users) + 1)
        self.restored(org, head + 1)

    def restored(self, org, oldest):
        """A backup is as sound, and goes on."""
        copy = self.daemon.folder / "copy"
        self.daemon.ctl("backup", copy)
        other = Daemon()
        self.addCleanup(other.remove)
        other.ctl("restore", copy)
        other.start()
        self.assertEqual(other.verify(), "")
        with Wire(other, self.operator, org.key) as wire:
            self.assertEqual(wire.call("stats")["revision"], oldest)
            with self.assertRaises(Failure) as caught:
                wire.part(wire.ask("watch", **{"from": 0}))
        self.assertEqual(caught.exception.error, "RESYNC")

    def test_a_mirror_begins_anew(self):
        org = self.fresh()
        world = World(self, org, 3)
        world.begin()
        mirror = Mirror(0)
        follower = Follower(self, org, mirror, 1)
        follower.start()
        for _ in range(20):
            world.step()
        head = self.revision(org)
        follower.end(head)
        for _ in range(60):
            org.patch(f"/Users/{world.users[0]}", {"op": "replace", "path": "title", "value": self.name("y" * 600)})
        self.trimmed(org, head + 2)
        follower = Follower(self, org, mirror, 2)
        follower.start()
        head = self.revision(org)
        follower.end(head)
        self.assertEqual(mirror.resyncs, 1)
        self.assertEqual(settled(mirror.states[head]), world.records())


def tool(daemon, *arguments):
    return subprocess.run([BUILD / "tests/store/journal_tool", daemon.data, *map(str, arguments)], check=True,
                          capture_output=True, text=True).stdout


def journal_size(daemon, org):
    return int(tool(daemon, "size", org.key))


if __name__ == "__main__":
    main()
