#!/usr/bin/env python3
"""The part of ./check behind the packages: builds, tests, counts.

Quiet where all is well: one line a build and one a test program. Of what fails, everything is shown.
"""

import concurrent.futures
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
OUT = ROOT / "build-check"
SYSTEM = ROOT / "tests/system"
MODELS = ROOT / "tests/models"
CLIENTS = ROOT / "tests/clients"
JOBS = os.cpu_count() or 2

# directory, configure's arguments, what to make, whether its unit tests run. The plain build is the one that
# ./start uses, so that it is made once.
BUILDS = {
    "gcc": (ROOT / "build", [], ["all"], True),
    "sanitizers": (OUT / "sanitizers", ["--enable-sanitizers", "CFLAGS=-O1 -g"], ["all"], True),
    "threads": (OUT / "threads", ["--enable-sanitizers=thread", "CFLAGS=-O1 -g"],
                ["rosterd", "rosterctl", "tests/libroster/driver", "tests/libroster/test_graph"], False),
    "clang": (OUT / "clang", ["CC=clang", "CFLAGS=-O1"], ["all"], False),
    "broken": (OUT / "broken", ["--enable-broken-commit", "CFLAGS=-O1"], ["rosterd", "rosterctl"], False),
}

# Which build a system test runs on ("sanitizers" where nothing is said), and what it is told. Those that measure time run alone.
PLAIN = {"test_large", "test_crash", "test_disk_full", "test_readme", "test_bench", "test_libroster_install"}
ALONE = {"test_large", "test_isolation", "test_readme", "test_bench"}
SETTINGS = {
    "test_crash": {"ROSTER_BROKEN": str(BUILDS["broken"][0])},
    "test_model": {"ROSTER_SECONDS": "60"},
    "test_precis": {},
}
# A second time under ThreadSanitizer, with less to do.
THREADS = {"test_concurrent": {"ROSTER_MEMBERS": "1500"}, "test_scim_etag": {}, "test_scim_bulk": {},
           "test_password": {}, "test_roster_records": {}, "test_certificates": {}, "test_providers": {}, "test_scim_paging": {},
           "test_roster_watch": {"ROSTER_STEPS": "30"}, "test_roster_effects": {"ROSTER_STEPS": "30"}, "test_fuzz": {"ROSTER_SECONDS": "15"},
           "test_libroster": {}, "test_roster_door": {}, "test_roster_hostile": {}, "test_roster_sync": {}}

running = set()
lock = threading.Lock()


def stop_all():
    with lock:
        for process in running:
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def run(command, cwd=ROOT, environment=None, limit=900):
    """Runs a command in a process group of its own, so that nothing of it outlives us. Returns (code, output)."""
    process = subprocess.Popen([str(part) for part in command], cwd=cwd, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
                               env={**os.environ, **(environment or {})}, text=True, errors="replace")
    with lock:
        running.add(process)
    try:
        output, _ = process.communicate(timeout=limit)
        code = process.returncode
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        code, output = 124, output + f"\nended after {limit} s\n"
    finally:
        with lock:
            running.discard(process)
        try:
            os.killpg(process.pid, signal.SIGKILL)  # what it left behind
        except (ProcessLookupError, PermissionError):
            pass
    return code, output


class Count:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0

    def add(self, name, began, passed, failed, skipped, output):
        with lock:
            self.passed += passed
            self.failed += failed
            self.skipped += skipped
            text = f"{'FAIL' if failed else 'ok  '} {name:<44} {passed:4} passed"
            text += f", {failed} failed" if failed else ""
            text += f", {skipped} skipped" if skipped else ""
            print(f"{text}  {time.monotonic() - began:.1f} s", flush=True)
            if failed:
                print("\n".join("    " + line for line in output.rstrip().splitlines()), flush=True)


count = Count()


# ---- Builds ----

def configure():
    began = time.monotonic()
    if not (ROOT / "configure").exists() or any(
            path.stat().st_mtime > (ROOT / "configure").stat().st_mtime
            for path in [ROOT / "configure.ac", ROOT / "Makefile.am", *ROOT.glob("**/local.mk")]):
        code, output = run(["autoreconf", "-fi"])
        if code != 0:
            count.add("autoreconf", began, 0, 1, 0, output)
            return False
    return True


def build(name):
    folder, arguments, targets, _ = BUILDS[name]
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    code, output = 0, ""
    if not (folder / "Makefile").exists():
        code, output = run([ROOT / "configure", "-q", *arguments], folder)
    if code == 0:
        code, output = run(["make", f"-j{JOBS}", *targets], folder)
    if code == 0 and name == "clang":  # the tests compile there, too
        code, output = run(["make", f"-j{JOBS}", "check", "TESTS="], folder)
    count.add(f"build {name}", began, int(code == 0), int(code != 0), 0, output[-6000:])
    return code == 0


# ---- Unit tests ----

def cmocka(log, result):
    """(passed, failed, skipped) of one program's log; a program that is no cmocka test counts as one."""
    def total(word):
        return sum(int(number) for number in re.findall(rf"^\[ *{word} *\] (\d+) test\(s\)", log, re.M))

    ran = sum(int(number) for number in re.findall(r"^\[==========\] (\d+) test\(s\) run", log, re.M))
    failed, skipped = total("FAILED"), total("SKIPPED")
    if not ran:
        return (1, 0, 0) if result == "PASS" else (0, 0, 1) if result == "SKIP" else (0, 1, 0)
    if result not in ("PASS", "SKIP") and failed == 0:
        failed = 1  # it died, or a sanitizer spoke
    return max(0, ran - failed - skipped), failed, skipped


def unit_tests(name, words):
    folder = BUILDS[name][0]
    for old in [*folder.glob("tests/**/*.trs"), *folder.glob("tests/**/*.log")]:
        old.unlink()
    began = time.monotonic()
    environment = {"ASAN_OPTIONS": "detect_leaks=1", "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1"}
    code, output = run(["make", f"-j{JOBS}", "-k", "check"], folder, environment)
    results = sorted(folder.glob("tests/**/*.trs"))
    spent = time.monotonic() - began
    bad = 0
    passed = skipped = 0
    for trs in results:
        label = str(trs.relative_to(folder / "tests"))[:-4]
        result = re.search(r":global-test-result: (\w+)", trs.read_text()).group(1)
        log = trs.with_suffix(".log").read_text(errors="replace")
        p, f, s = cmocka(log, result)
        passed, skipped = passed + p, skipped + s
        if f:
            bad += f
            count.add(f"{name} {label}", began, 0, f, 0, log)
    if code != 0 and not bad:
        count.add(f"{name} make check", began, 0, 1, 0, output[-6000:])
    count.add(f"unit tests, {name} ({len(results)} programs)", began, passed, 0, skipped, "")
    return spent


# ---- System tests ----

def virtual_environment():
    """The python with scim2-tester, or ours where there is no package index."""
    wanted = (SYSTEM / "requirements.txt").read_bytes()
    folder = OUT / ("venv-" + hashlib.sha256(wanted + sys.version.encode()).hexdigest()[:12])
    python = folder / "bin/python"
    if not (folder / "complete").exists():
        shutil.rmtree(folder, ignore_errors=True)
        code, output = run([sys.executable, "-m", "venv", folder])
        if code == 0:
            code, output = run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", "-r",
                                SYSTEM / "requirements.txt"], limit=300)
        if code != 0:
            print("no scim2-tester: " + (output.strip().splitlines() or ["?"])[-1], flush=True)
            return sys.executable
        (folder / "complete").touch()
    return str(python)


def system_test(path, build_name, settings, label=None):
    name = path.stem
    began = time.monotonic()
    python = virtual_environment() if name == "test_scim2_tester" else sys.executable
    environment = {"ROSTER_BUILD": str(BUILDS[build_name][0]), "PYTHONWARNINGS": "ignore", **settings}
    code, output = run([python, path], environment=environment, limit=600)
    ran = re.search(r"^Ran (\d+) tests? in", output, re.M)
    tail = re.search(r"^(OK|FAILED)(?: \((.*)\))?\s*$", output, re.M)
    counts = dict(re.findall(r"(\w+)=(\d+)", tail.group(2) or "")) if tail else {}
    failed = int(counts.get("failures", 0)) + int(counts.get("errors", 0)) + int(counts.get("successes", 0))
    skipped = int(counts.get("skipped", 0))
    total = int(ran.group(1)) if ran else 0
    if (code != 0 or not ran or not tail) and failed == 0:
        failed = 1
    count.add(label or f"{name} ({build_name})", began, max(0, total - failed - skipped), failed, skipped, output)


def system_tests(words):
    paths = [path for folder in (SYSTEM, MODELS, CLIENTS) for path in sorted(folder.glob("test_*.py"))
             if wanted(path.stem, words)]
    jobs = []
    for path in paths:
        name = path.stem
        jobs.append((path, "gcc" if name in PLAIN else "sanitizers", SETTINGS.get(name, {})))
        if name in THREADS:
            jobs.append((path, "threads", THREADS[name]))
    # the longest first, so that none is left over at the end
    weight = {"test_model": 0, "test_http": 1, "test_crash": 2, "test_concurrent": 3, "test_idp": 4, "test_random": 5}
    together = sorted((job for job in jobs if job[0].stem not in ALONE), key=lambda job: weight.get(job[0].stem, 9))
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        for future in [pool.submit(system_test, *job) for job in together]:
            future.result()
    for job in jobs:
        if job[0].stem in ALONE:
            system_test(*job)


def wanted(name, words):
    return not words or any(word in name for word in words)


def main():
    words = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    OUT.mkdir(exist_ok=True)
    scratch = tempfile.mkdtemp(prefix="roster-check-")
    os.chmod(scratch, 0o755)  # for the tests that give up root
    os.environ["TMPDIR"] = scratch
    began = time.monotonic()
    try:
        if configure() and all([build(name) for name in BUILDS]):
            if not words:
                for name, (_, _, _, units) in BUILDS.items():
                    if units:
                        unit_tests(name, words)
            system_tests(words)
        elif not count.failed:
            count.failed += 1
    except KeyboardInterrupt:
        count.failed += 1
    finally:
        stop_all()
        shutil.rmtree(scratch, ignore_errors=True)
    print(f"{time.monotonic() - began:.0f} s")
    print(f"{count.passed} passed, {count.failed} failed, {count.skipped} skipped", flush=True)
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
