#!/usr/bin/env python3
"""docs/API.md: its tables are those of the daemon, and its examples do what they show.

An example is a console block: "$ " and a command, then what it prints, where "…" stands for anything. All of them run in one
shell, from the first to the last. After a change of the schemas or the operations, `python3 tests/system/test_api.py --write`
puts the daemon's tables into the page.
"""

import pathlib
import re
import subprocess
import sys

import harness
from harness import SystemTest, certificate, find_member, main

PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/API.md"
TABLE = re.compile(r"<!-- (\w+): made by rosterd --print-api -->\n.*?<!-- end -->\n", re.S)
MARK = "=====example====="


def tables(rosterd):
    made = subprocess.run([rosterd, "--print-api"], capture_output=True, text=True, check=True, timeout=60).stdout
    return {match.group(1): match.group(0) for match in TABLE.finditer(made)}


def examples(page):
    """Commands and what each prints."""
    for block in re.findall(r"^```console\n(.*?)^```", page, re.S | re.M):
        for part in re.split(r"^\$ ", block, flags=re.M)[1:]:
            lines = part.rstrip("\n").split("\n")
            count = 1
            while lines[count - 1].endswith("\\"):
                count += 1
            yield "\n".join(lines[:count]), "\n".join(lines[count:])


def pattern(printed):
    return re.compile("".join(".*?" if part == "…" else re.escape(part) for part in re.split("(…)", printed)), re.S)


class Page(SystemTest):
    def test_tables_are_the_daemons(self):
        page = PAGE.read_text(encoding="utf-8")
        there = {match.group(1): match.group(0) for match in TABLE.finditer(page)}
        made = tables(self.daemon.rosterd)
        self.assertEqual(set(there), set(made), "each resource type has its section")
        for name, table in made.items():
            self.assertEqual(there[name], table, f"{name} changed: run python3 tests/system/test_api.py --write")
            self.assertIn(f"\n## {name}\n", page)
            self.assertIn(f"(#{name.lower()})", page, "the list at the top leads to it")

    def test_each_type_has_an_example(self):
        """A working one, in its section, that asks for the type's own endpoint."""
        page = PAGE.read_text(encoding="utf-8")
        for name, table in tables(self.daemon.rosterd).items():
            section = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", page, re.S | re.M).group(1)
            endpoints = set(re.findall(r"`(/[A-Z]\w+)` on", table))
            self.assertTrue(endpoints, table)
            commands = [command for command, printed in examples(section) if printed]
            self.assertTrue([command for command in commands if any(endpoint in command for endpoint in endpoints)],
                            f"{name}: none of {commands} asks for {endpoints}")

    def environment(self):
        org = self.daemon.org(key="acme")
        root = org.base[:org.base.index("/orgs/")]
        return {"BASE": org.base, "PLATFORM": root + "/scim/v2", "ROOT": root, "TOKEN": org.token,
                "OPERATOR": find_member(self.daemon.ctl("token", "create", "--operator"), ("token", "secret")),
                "CA": str(certificate()[0])}

    def test_examples_do_what_they_show(self):
        told = list(examples(PAGE.read_text(encoding="utf-8")))
        self.assertGreater(len(told), 5)
        script = "".join(f"{command}\necho; echo {MARK}\n" for command, _ in told)
        run = subprocess.run(["bash"], input=script, text=True, capture_output=True, timeout=300,
                             env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", **self.environment()}, check=False)
        said = run.stdout.split(MARK)
        self.assertEqual(len(said), len(told) + 1, run.stderr)
        self.assertEqual(run.stderr, "")
        for (command, printed), output in zip(told, said):
            with self.subTest(command=command):
                self.assertRegex(output.strip(), re.compile(r"\A" + pattern(printed).pattern + r"\Z", re.S))


def write():
    made = tables(harness.Daemon({}).rosterd)
    page = PAGE.read_text(encoding="utf-8")
    PAGE.write_text(TABLE.sub(lambda match: made[match.group(1)], page), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        write()
    else:
        main()
