"""A full disk: writes are refused with 507, reads go on, and writes work again when there is room.

The data directory is on a small tmpfs. Mounting needs rights: as root it is mounted, else this program runs itself again
in a user namespace of its own; where neither is allowed, the test is skipped.
"""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

from harness import BULK, USER, Daemon, SystemTest, main

SIZE = 12 << 20


def mount(folder):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=0700", "tmpfs", str(folder)],
                          capture_output=True).returncode == 0


class DiskFull(unittest.TestCase):
    refused = SystemTest.refused

    def setUp(self):
        self.disk = pathlib.Path(tempfile.mkdtemp(prefix="roster-disk-"))
        if not mount(self.disk):
            self.disk.rmdir()
            self.skipTest("mounting a tmpfs is not permitted here")
        self.daemon = None

    def tearDown(self):
        try:
            if self.daemon is not None:
                self.daemon.remove()
        finally:
            subprocess.run(["umount", "-l", str(self.disk)], check=False)
            shutil.rmtree(self.disk, ignore_errors=True)

    def test_full_disk(self):
        ballast = self.disk / "ballast"
        ballast.write_bytes(b"x" * (3 << 20))
        self.daemon = Daemon({"store.map_size": "64 MiB", "guard.enabled": False, "access_log": False},
                             directory=self.disk / "data").start()
        org = self.daemon.org("tolerant")
        kept, refusal, n = [], None, 0
        while refusal is None:
            n += 1
            reply = org.post("/Users", {"schemas": [USER], "userName": f"user{n}", "displayName": "y" * 1000, "title": "y" * 1000})
            if reply.status == 201:
                kept.append(reply["id"])
            else:
                refusal = reply
            self.assertLess(n, 20000, "the disk does not fill up")
        self.refused(refusal, 507)
        self.assertGreater(len(kept), 100)
        # what fits into pages that are free may still be written; what needs room is refused, whole
        reply = org.post("/Bulk", {"schemas": [BULK], "Operations": [
            {"method": "POST", "path": "/Users", "bulkId": str(i),
             "data": {"schemas": [USER], "userName": f"bulk{i}", "displayName": "z" * 1000, "title": "z" * 1000}}
            for i in range(400)]})
        if reply.status == 200:
            self.assertIn("507", [o["status"] for o in reply["Operations"]])
        else:
            self.refused(reply, 507)
            self.assertEqual(org.find("/Users", 'userName sw "bulk"')["totalResults"], 0)
        for identifier in (kept[0], kept[-1]):
            self.assertEqual(org.get("/Users/" + identifier).status, 200)
        self.assertEqual(org.find("/Users", f'userName eq "user{n}"')["totalResults"], 0)
        total = org.find("/Users", count=0)["totalResults"]
        self.assertTrue(self.daemon.alive())
        # room again: no restart needed
        ballast.unlink()
        made = org.post("/Users", {"schemas": [USER], "userName": "afterwards"})
        self.assertEqual(made.status, 201, made)
        for identifier in kept[:20]:
            self.assertEqual(org.delete("/Users/" + identifier).status, 204)
        self.assertEqual(org.find("/Users", count=0)["totalResults"], total + 1 - 20)
        self.assertEqual(self.daemon.verify(), "")
        # nothing that was acknowledged is lost, after a kill either
        self.daemon.kill()
        org.close()
        self.daemon.start()
        listed = {user["id"] for user in org.everything("/Users", attributes="id")}
        self.assertLessEqual(set(kept[20:]) | {made["id"]}, listed)
        self.assertFalse(set(kept[:20]) & listed)
        self.assertEqual(self.daemon.verify(), "")

    def test_the_maps_own_limit(self):
        """store.map_limit is a full disk of its own."""
        self.daemon = Daemon({"store.map_size": "16 MiB", "store.map_limit": "16 MiB", "guard.enabled": False,
                              "access_log": False}).start()
        org = self.daemon.org("tolerant")
        for n in range(200):
            reply = org.post("/Bulk", {"schemas": [BULK], "Operations": [
                {"method": "POST", "path": "/Users", "bulkId": f"b{i}",
                 "data": {"schemas": [USER], "userName": f"u{n}-{i}", "displayName": "z" * 1000, "title": "z" * 1000}} for i in range(50)]})
            statuses = {reply.status} if reply.status != 200 else {int(o["status"]) for o in reply["Operations"]}
            if 507 in statuses:
                break
            self.assertEqual(statuses, {201})
        self.assertIn(507, statuses)
        self.assertEqual(org.find("/Users", count=1).status, 200)
        self.assertEqual(self.daemon.verify(), "")


if __name__ == "__main__":
    inside = os.environ.get("ROSTER_IN_NAMESPACE")
    probe = pathlib.Path(tempfile.mkdtemp())
    allowed = mount(probe)
    if allowed:
        subprocess.run(["umount", str(probe)], check=False)
    probe.rmdir()
    if not allowed and not inside and shutil.which("unshare") and \
            subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0:
        os.execvpe("unshare", ["unshare", "-rm", sys.executable, *sys.argv], {**os.environ, "ROSTER_IN_NAMESPACE": "1"})
    main()
