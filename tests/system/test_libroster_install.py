#!/usr/bin/env python3
"""libroster as others get it: installed, found by pkg-config, linked shared and static, from C and C++; and no name in it that is
not roster_."""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import unittest

from harness import BUILD, ROOT, certificate
from roster_script import Script

PROGRAM = r"""
#include <roster.h>
#include <stdio.h>

static void
told(void *arg, const struct roster_answer *answer, const struct roster_error *error)
{
	*(int *)arg = error == NULL && roster_is_last(answer) && roster_number(answer, ROSTER_F_ANSWER) == 1;
}

int
main(int argc, char **argv)
{
	struct roster_options options = { sizeof(options) };
	struct roster_request request = { sizeof(request) };
	struct roster_error error;
	struct roster *r;
	int async = 0, sync;

	options.server = argv[1];
	options.ca_file = argv[2];
	options.token = "t";
	request.subject = argc > 3 ? argv[3] : "ada";
	request.permission = "p";
	if ((r = roster_new(&options, &error)) == NULL || roster_start(r, ROSTER_CHECK, &request, told, &async, &error) == 0) {
		printf("%s %s\n", error.name, error.message);
		return 1;
	}
	while (!async)
		roster_run(r, 1000);
	sync = roster_check(r, &request, NULL, &error);
	printf("%s %d %d\n", roster_version(), async, sync);
	roster_free(r);
	return 0;
}
"""


def run(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(str(part) for part in command)}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.scratch = tempfile.TemporaryDirectory(prefix="roster-install-")
        cls.root = pathlib.Path(cls.scratch.name)
        run("make", "-s", "-C", BUILD, "install", f"DESTDIR={cls.root}", timeout=600)
        prefix = re.search(r"^prefix = (.*)$", (BUILD / "Makefile").read_text(), re.M).group(1)
        cls.prefix = cls.root / prefix.lstrip("/")
        cls.library = cls.prefix / "lib"

    @classmethod
    def tearDownClass(cls):
        cls.scratch.cleanup()

    def flags(self, *what):
        return run("pkg-config", f"--define-variable=prefix={self.prefix}", *what, "libroster",
                   env={**os.environ, "PKG_CONFIG_PATH": str(self.library / "pkgconfig")}).split()

    def declared(self):
        text = re.sub(r"/\*.*?\*/", "", (self.prefix / "include/roster.h").read_text(), flags=re.S)
        text = re.sub(r"static inline.*?\n}\n", "", text, flags=re.S)
        text = re.sub(r"typedef[^;]*;|\{[^{}]*\}", "", text)
        return set(re.findall(r"\b(roster_[a-z_]+)\([^()]*(?:\([^()]*\)[^()]*)*\);", text))

    def ask(self, program, environment=None):
        script = Script()

        def serve():
            session = script.accept()
            for _ in range(2):
                session.send(session.expect("check"), [("revision", 1), ("answer", 1), ("code", 1)])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            said = run(program, f"roster://127.0.0.1:{script.port}", certificate()[0], timeout=20,
                       env={**os.environ, **(environment or {})})
            thread.join(5)
        finally:
            script.close()
        self.assertEqual(said.split(), [self.flags("--modversion")[0], "1", "1"])

    def source(self, name):
        path = self.root / name
        path.write_text(PROGRAM)
        return path

    def test_shared(self):
        run("gcc", "-std=c11", "-Wall", "-Wextra", "-Wpedantic", "-Wno-missing-field-initializers", "-Werror",
            self.source("shared.c"), "-o", self.root / "shared", *self.flags("--cflags", "--libs"))
        self.assertIn("libroster.so.0", run("readelf", "-d", self.root / "shared"))
        self.ask(self.root / "shared", {"LD_LIBRARY_PATH": str(self.library)})

    def test_static(self):
        flags = [flag.replace("-lroster", "-l:libroster.a") for flag in self.flags("--static", "--cflags", "--libs")]
        run("gcc", self.source("static.c"), "-o", self.root / "static", *flags)
        self.assertNotIn("libroster", run("readelf", "-d", self.root / "static"))
        self.ask(self.root / "static")

    def test_cplusplus(self):
        run("clang", "-x", "c++", "-std=c++11", "-Wall", "-Wextra", "-Wpedantic", "-Wno-missing-field-initializers", "-Werror",
            self.source("plus.cc"), "-o", self.root / "plus", *self.flags("--cflags", "--libs"))
        self.ask(self.root / "plus", {"LD_LIBRARY_PATH": str(self.library)})

    def test_names(self):
        declared = self.declared()
        self.assertGreater(len(declared), 50)
        shared = run("nm", "-D", "--defined-only", self.library / "libroster.so")
        names = [line.split() for line in shared.splitlines()]
        self.assertEqual({name.partition("@@")[0] for _, kind, name in names if kind != "A"}, declared)
        self.assertEqual({name.partition("@@")[2] for _, kind, name in names if kind != "A"}, {"ROSTER_0.1"})
        static = run("nm", "-g", "--defined-only", self.library / "libroster.a")
        self.assertEqual({line.split()[2] for line in static.splitlines() if len(line.split()) == 3}, declared)

    def test_manual(self):
        pages = "".join(path.read_text() for path in (self.prefix / "share/man/man3").iterdir())
        heads = " ".join(re.findall(r"\.SH NAME\n(.*?)\n\.SH", pages, re.S))
        self.assertEqual(self.declared() - set(re.findall(r"roster_[a-z_]+", heads)), set())


if __name__ == "__main__":
    sys.exit(unittest.main(verbosity=1))
