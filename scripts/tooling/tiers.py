# SPDX-License-Identifier: GPL-2.0-only
"""The tiers of `make test`. Each tier runs to its end and returns Counts. A tier that
cannot run, or runs no test, is a failure."""

import os
import re
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor

from . import arches, guest, kernel, ktap, layers, mainline, sources, stalls
from .work import Failed, ROOT, SCRIPTS, Setup, clean_environ, full

# Seconds until a guest is killed; LIMIT= overrides them. They are far above the time that is
# needed, because no test judges the time. All of them together end within CI's limit.
LIMITS = {"run": 600, "guest": 2400, "debug": 3000, "uml-debug": 1800, "kunit": 600,
          "arch": 3000}
LONG = 4        # factor of the limits with FULL=1
HOST_TESTS = "tools/testing/kmemleak"


def limit(name):
    return int(os.environ.get("LIMIT")
               or LIMITS["arch" if name in arches.KINDS else name]
               * (LONG if full() == "1" else 1))


def clock(seconds):
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"


def run_program(command, log, show=False, **kwargs):
    """Runs a program. Returns its output lines and status. The output also goes to a log."""
    lines = []
    with open(log, "w", encoding="utf-8") as out:
        child = subprocess.Popen(command, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True,
                                 stdin=subprocess.DEVNULL, errors="replace",
                                 env=clean_environ(), **kwargs)
        for line in child.stdout:
            out.write(line)
            lines.append(line.rstrip("\n"))
            if show:
                print(line, end="", flush=True)
        return lines, child.wait()


def failing(lines):
    return [line.strip() for line in lines
            if re.match(r"\s*(not ok\b|FAIL|ERROR)", line)]


def host(setup):
    """Tests of the parts that need no kernel, on the host, under sanitizers."""
    kernel.prepare_tree(setup)
    folder = os.path.join(ROOT, HOST_TESTS)
    if not os.path.exists(os.path.join(folder, "Makefile")):
        raise Failed(f"{HOST_TESTS}/Makefile is not there")
    os.makedirs(setup.path("host"), exist_ok=True)
    lines, status = run_program(
        ["make", "-C", folder, f"O={setup.path('host')}", f"KSRC={setup.linux}",
         f"FULL={full()}", f"-j{setup.jobs}", "check"], setup.log("host"))
    counts = ktap.read_count_line("host tests", lines, status)
    if counts.failed:
        counts.notes += failing(lines) or lines[-15:]
        counts.notes.append(f"see {setup.log('host')}")
    return counts


def tools(setup, *names):
    """The tooling's own tests on the setup's tree: all, or those with the given names."""
    kernel.prepare_tree(setup)
    lines, status = run_program(
        [os.path.join(SCRIPTS, "tests", "run"), setup.linux, *names], setup.log("tools"))
    counts = ktap.read_count_line("tools", lines, status)
    if counts.failed:
        counts.notes += lines[-40:]
    return counts


def kunit(setup):
    """KUnit tests in the kernel of the uml tier, run by the base tree's kunit.py. Also checks
    the layers of the detector in that kernel."""
    kernel.build(setup, "uml-debug")
    folder = setup.path("uml-debug")
    tool = os.path.join(setup.linux, "tools/testing/kunit/kunit.py")
    lines, status = run_program(
        ["python3", tool, "exec", "--build_dir", folder,
         "--kunitconfig", os.path.join(ROOT, kernel.KUNITCONFIG),
         "--timeout", str(limit("kunit"))], setup.log("kunit"))
    counts = ktap.read_kunit(lines, status)
    if counts.failed:
        bad = [ktap.ESCAPES.sub("", ln) for ln in lines]
        counts.notes += [ln for ln in bad if "FAILED" in ln or "ERROR" in ln
                         or "CRASHED" in ln]
        counts.notes.append(f"see {setup.log('kunit')} and {folder}/test.log")
    add_splats(counts, read_lines(os.path.join(folder, "test.log")))
    upward = layers.check(folder)
    if upward:
        counts.fail("files of the detector call files above them")
        counts.notes += upward
    else:
        counts.passed += 1
    return counts


def read_lines(path):
    if not os.path.exists(path):
        return []
    with open(path, errors="replace", encoding="utf-8") as src:
        return src.read().splitlines()


def add_splats(counts, lines, forgiven=()):
    found = ktap.splats(lines, forgiven)
    if found:
        counts.fail(found[0])
        counts.notes += ["  | " + line for line in found[1:]]


def selftest_names(setup):
    """TEST_PROGS of the selftests' Makefile, as make evaluates it."""
    folder = os.path.join(setup.linux, guest.SELFTESTS)
    if not os.path.exists(os.path.join(folder, "Makefile")):
        raise Failed(f"{guest.SELFTESTS}/Makefile is not there")
    got = subprocess.run(
        ["make", "-s", "-C", folder, "--eval",
         "print-tests: ; @echo tests: $(TEST_PROGS)", "print-tests"],
        capture_output=True, text=True, env=clean_environ(), check=False)
    names = [line.split()[1:] for line in got.stdout.splitlines()
             if line.startswith("tests:")]
    if got.returncode or not names or not names[0]:
        raise Failed(f"{guest.SELFTESTS}/Makefile names no tests: "
                     + got.stderr.strip())
    return names[0]


# Selftests that need no second CPU, no preemption, no NMI and no unwinder that knows where a
# stack ends. With KASAN and lockdep, they run in user-mode Linux, at native speed. All others
# but GUEST_ONLY run in the debug guest.
UML_TESTS = ("sample.sh", "annotations.sh", "commands.sh", "graphs.sh", "interface.sh",
             "pool.sh", "pressure.sh", "shortage.sh", "thread.sh", "z_off.sh")
# Selftests of texts, which are the same on every machine. Emulated, they take two minutes, so
# only the long form runs them in the guest.
TEXT_TESTS = ("commands.sh", "interface.sh")
# In the debug kernel, many numbers equal small per-cpu addresses, and probes take long.
GUEST_ONLY = ("forget.sh",)
# Selftests of a kernel that was booted with the detector off. Emulated, they take one or two
# minutes, so only the long form runs them there.
OFF_AT_BOOT = ["live.sh"]


def tests_of(flavor, names):
    """The selftests that a flavor runs. All but GUEST_ONLY run in some debug kernel."""
    if flavor == "uml-debug":
        return [name for name in names if name in UML_TESTS]
    if flavor == "debug":
        return [name for name in names if name not in UML_TESTS + GUEST_ONLY]
    if flavor == "guest" and full() == "0":
        return [name for name in names if name not in TEXT_TESTS]
    return [name for name in names
            if not kernel.FLAVORS[flavor].tests or name in kernel.FLAVORS[flavor].tests]


def judge_log(counts, result):
    """Counts complaints in the kernel log, except stalls that the host made."""
    add_splats(counts, result.console, result.forgiven)
    if result.forgiven:
        counts.notes.append(f"{len(result.forgiven)} complaint(s) about stalls in which "
                            "the host did not let the guest run")


def boot_selftests(setup, flavor, names, name, append="", program="run-selftests",
                   placed=()):
    began = time.monotonic()

    def show(line):
        if line.startswith("guest: begin "):
            print(f"  {name}: {clock(time.monotonic() - began)} {line.split()[-1]}",
                  flush=True)

    result = guest.boot(setup, flavor, program, name=name, append=append,
                        limit=limit(flavor), tests=names, placed=placed, show=show)
    counts = ktap.read_selftests(result.lines, names)
    if result.fault:
        counts.fail(result.fault)
    elif result.status != 0:
        counts.fail(f"{program}: exit status {result.status}")
    if "debug" in flavor and result.lockdep != "1" and not result.fault:
        counts.fail("lockdep was not on in the end")
    if not result.console:
        counts.fail("no kernel log")
    if flavor in kernel.UML:
        result.console = ktap.without_uml_flaw(result.console)
    judge_log(counts, result)
    if counts.failed:
        counts.notes.append(f"see {setup.log(name + '-output')} and "
                            f"{setup.log(name + '-console')}")
    return counts


# A CPU takes no interrupt for a number of seconds, and the kernel complains after two. The
# CPU is made busy first: the kernel does not count time that began while a CPU was idle.
STALL = """#!/bin/sh
echo 1 > /proc/sys/kernel/watchdog_thresh
modprobe kmemleak-torture || exit 1
taskset 2 sh -c 'while :; do :; done' &
sleep 2
echo 'registers %d000' > /sys/kernel/debug/kmemleak_torture/command
sleep %d
"""
# The second try is for a host that is so busy that it made a good part of the first stall.
STALL_SECONDS = (4, 16)


def real_stall(setup, flavor):
    """Tests that a stall of the kernel itself is found, even if the host is busy."""
    counts = ktap.Counts()
    for seconds in STALL_SECONDS:
        result = guest.boot(setup, flavor, STALL % (seconds, seconds + 2),
                            name=flavor + "-stall", limit=limit("run"),
                            stall_limits={"soft lockup": 2})
        seen = [line for number, line in enumerate(result.console)
                if number not in result.forgiven]
        if result.fault or result.status:
            counts.fail(result.fault or f"a real stall: exit status {result.status}")
            return counts
        if any("soft lockup" in line for line in ktap.complaints(seen)):
            counts.passed += 1
            return counts
    counts.fail("a real stall was not seen, see " + setup.log(flavor + "-stall-console"))
    return counts


def selftests(setup, flavor):
    kernel.build(setup, flavor)
    names = selftest_names(setup)
    counts = boot_selftests(setup, flavor, tests_of(flavor, names), flavor)
    if flavor in kernel.UML or full() == "1":
        counts.add(boot_selftests(setup, flavor, OFF_AT_BOOT, flavor + "-off",
                                  "kmemleak=off"))
    if flavor == "guest":
        counts.add(real_stall(setup, flavor))
        if mainline.scripts(setup):
            counts.add(boot_selftests(setup, flavor, mainline.names(setup),
                                      flavor + "-mainline", program="run-mainline",
                                      placed=mainline.files(setup, flavor)))
    if flavor == "uml-debug":
        fail_lost_tests(counts, names)
    return counts


def fail_lost_tests(counts, names):
    """A test that user-mode Linux skips must run in the debug guest."""
    there = tests_of("debug", names)
    for script, test in counts.skips:
        if script not in there:
            counts.fail(f"{script}: runs in no debug kernel: {test}")


def kind(setup, name):
    """`make test-arch`: the leaks of the sample, and the selftests of the kind."""
    machine = arches.KINDS[name]
    kernel.build(setup, name)
    counts = ktap.Counts()
    result = boot_sample(setup, name, show=lambda line: None)
    counts.notes += [line for line in result.lines if line.startswith("run: ")]
    if result.fault or result.status:
        counts.fail(result.fault or f"the sample: exit status {result.status}, see "
                    + setup.log(name + "-run-output"))
    else:
        counts.passed += 1
    judge_log(counts, result)
    names = tests_of(name, selftest_names(setup))
    if machine.tests:
        counts.notes.append(f"runs {', '.join(names)} only: {machine.lacks}")
    counts.add(boot_selftests(setup, name, names, name))
    if not machine.tests:
        counts.add(boot_selftests(setup, name, OFF_AT_BOOT, name + "-off", "kmemleak=off"))
    return counts


# Selftests with the newest tree's kernel. The other trees are only compiled.
NEWEST, *_ = sources.TREES
NEWEST_TESTS = ["sample.sh", "graphs.sh"]
CHANGED_LINES = "test_tree.Refuse.test_every_anchor"


def other_tree(name):
    """Tests a tree that is built only with TREE=: a chain of the series fits the tree, and no
    longer fits if a line changes. All that the chain adds and changes compiles."""
    counts, setup = ktap.Counts(), Setup({**os.environ, "TREE": name})
    try:
        print(f"  TREE={name}: {os.path.basename(kernel.find_tarball(setup))}", flush=True)
    except Failed as err:
        counts.skipped += 1
        counts.notes.append(f"SKIPPED: {err}")
        return counts
    try:
        if name == NEWEST:
            kernel.build(setup, "guest")
        else:
            kernel.compile_changed(setup, "guest")
    except Failed as err:
        counts.fail(f"TREE={name}: {err}")
        return counts
    counts.passed += 1
    counts.add(tools(setup, CHANGED_LINES))
    if name == NEWEST:
        counts.add(boot_selftests(setup, "guest", NEWEST_TESTS, "guest-newest"))
    return counts


def trees(setup):
    """Tests Debian's other trees. Runs only if the current tree is the machine's default."""
    counts = ktap.Counts()
    if setup.tree or setup.kdir or setup.base:
        counts.skipped += 1
        counts.notes.append("SKIPPED: runs only with the default tree")
        return counts
    for name in sources.TREES:
        if not sources.is_default(name):
            counts.add(other_tree(name))
    return counts


TIERS = {
    "host": host,
    "tools": tools,
    "kunit": kunit,
    "uml": lambda setup: selftests(setup, "uml-debug"),
    "guest": lambda setup: selftests(setup, "guest"),
    "debug": lambda setup: selftests(setup, "debug"),
    "trees": trees,
}


def run_one(setup, name):
    """Runs a tier. Returns (Counts, seconds), also after an error."""
    start = time.monotonic()
    try:
        counts = kind(setup, name) if name in arches.KINDS else TIERS[name](setup)
    except (Failed, OSError, subprocess.SubprocessError) as err:
        counts = ktap.Counts()
        counts.fail(f"the tier did not run: {err}")
    if counts.passed + counts.skipped + counts.failed == 0:
        counts.fail("the tier ran no test")
    return counts, time.monotonic() - start


def start_beside(setup, pool, names, beside):
    """Starts the debug guest beside the other tiers and their builds, because it takes
    longest and often waits."""
    if beside not in names or len(names) == 1 or setup.jobs < 2:
        return None
    try:
        kernel.build(setup, beside)
    except Failed:
        return None     # the tier itself reports it
    return pool.submit(run_one, setup, beside)


# Seconds for which the host is observed, and the greatest part of them in which tasks may
# wait for a CPU. With one guest that has two CPUs for itself, the part is 0.02.
LOOK_SECONDS = 10
QUIET = 0.1


def await_cpus(setup, side, flavor):
    """Builds the second guest, and waits until the host is quiet or the first guest ends.

    Two guests on the CPUs for one take little more time than one guest. But if others use
    these CPUs as well, the guests slow each other down, and take longer together than one
    after the other."""
    if setup.jobs >= 2 * kernel.FLAVORS["guest"].cpus:
        return
    try:
        kernel.build(setup, flavor)
    except Failed:
        pass            # the tier itself reports it
    while not side.done() and stalls.host_pressure(LOOK_SECONDS) > QUIET:
        pass


# Number of notes of a failed tier that are repeated at the end, because often only the last
# lines of the output are kept.
RETOLD = 16


def run(setup, names):
    """Runs tiers. Prints a line for each tier, and at the end the failures and the sum."""
    total, failed = ktap.Counts(), []
    with ThreadPoolExecutor(1) as pool:
        side = start_beside(setup, pool, names, "debug")
        for name in names:
            if side and name == "guest":
                await_cpus(setup, side, name)
            if side and name == "debug":
                counts, took = side.result()
            else:
                counts, took = run_one(setup, name)
            for note in counts.notes:
                print(f"  {name}: {note}")
            print(f"{name}: {counts.line()} ({clock(took)})", flush=True)
            total.add(counts)
            if counts.failed:
                failed += [f"  {name}: {note}" for note in counts.notes[:RETOLD]]
    if len(names) > 1:
        print("".join(line + "\n" for line in failed), end="")
    print(total.line(), flush=True)
    return 1 if total.failed else 0


def boot_sample(setup, flavor, show):
    # Zeroed memory holds no stale addresses that could hide a lost block. The manual
    # recommends this for exact results.
    return guest.boot(setup, flavor, "run-sample", limit=limit("run"), show=show,
                      name="run" if flavor == "guest" else flavor + "-run",
                      append="init_on_alloc=1")


def sample(setup):
    """`make run`: reports must show all leaks of the sample, and nothing else."""
    kernel.build(setup, "guest")
    result = boot_sample(setup, "guest", print)
    if result.fault:
        raise Failed(result.fault)
    found = ktap.splats(result.console, result.forgiven)
    if found:
        print("\n".join("  | " + line for line in found))
        return 1
    return 1 if result.status else 0
