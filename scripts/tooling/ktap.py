# SPDX-License-Identifier: GPL-2.0-only
"""Reads the output of tests: KTAP of the selftests, the count line of the host tests,
the summary of kunit.py. Also looks for complaints in a kernel log. A missing result
counts as failed: a test without output has not passed."""

import re
from dataclasses import dataclass, field

RESULT = re.compile(r"(ok|not ok)\b(?: (\d+))?(.*)")
PLAN = re.compile(r"1\.\.(\d+)(.*)")
SKIP = re.compile(r"# *SKIP\b", re.I)
COUNT_LINE = re.compile(r"(\d+) passed, (\d+) failed, (\d+) skipped")
KUNIT = re.compile(r"Testing complete\. Ran (\d+) tests?:(.*)")
ESCAPES = re.compile(r"\x1b\[[0-9;]*m")
SHOWN = 40      # lines of the kernel log to show, from a complaint on
TOLD = 12       # diagnostics of a failed test to show, the last ones

# Messages of a kernel in which something is wrong. There is no list of exceptions: a test
# that causes one of them has to be written in another way.
SPLATS = re.compile("|".join((
    # any report at all: oops, KASAN, slab, lockdep, RCU, watchdogs
    r"\bBUG\b", r"\bWARNING: ", r"\bOops\b", r"\bKASAN\b",
    r"UBSAN: ", r"general protection fault", r"[Uu]nable to handle",
    r"Kernel panic", r"cut here \]-", r"double fault", r"corrupted stack end",
    r"INFO: task .* blocked", r"INFO: rcu", r"rcu: INFO", r"rcu.*kthread starved",
    r"self-detected stall", r"detected stalls", r"soft lockup", r"hard LOCKUP",
    # lockdep
    r"INFO: trying to register", r"INFO: lockdep is turned off", r"INFO: possible",
    r"possible circular", r"possible recursive", r"possible irq lock inversion",
    r"inconsistent lock state", r"[Ii]nvalid wait context", r"bad unlock balance",
    r"suspicious RCU usage", r"held lock freed", r"lock held when returning",
    r"locks? still held", r"DEBUG_LOCKS_WARN_ON", r"locking correctness validator",
    # data structures
    r"list_(add|del) corruption", r"refcount_t: ", r"page dumped because",
    r"Bad page (state|map)", r"sleeping function called", r"scheduling while atomic",
    # a process of the guest that dies because of the kernel, and the detector itself
    r"\bsegfault at\b", r"traps: ", r"kmemleak: Turned off by an error",
)))


@dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0
    notes: list = field(default_factory=list)   # messages for the user on what failed
    skips: list = field(default_factory=list)   # (program, test) of each skipped test

    def fail(self, note, times=1):
        self.failed += times
        self.notes.append(note)

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped
        self.notes += other.notes
        self.skips += other.skips

    def total(self):
        return self.passed + self.failed + self.skipped

    def line(self):
        return (f"{self.passed} passed, {self.failed} failed, "
                f"{self.skipped} skipped")


def read_ktap(name, lines, status):
    """Reads the KTAP and the exit status of one program into Counts."""
    counts, plan, seen, said = Counts(), None, 0, []
    for line in lines:
        if line.startswith("#"):
            said.append(line)
        got = PLAN.fullmatch(line)
        if got:
            if plan is not None:
                counts.fail(f"{name}: a second plan: {line}")
            plan = int(got[1])
            if plan == 0 and SKIP.search(got[2]):
                counts.skipped += 1
                counts.skips.append((name, "all"))
            continue
        if line.startswith("Bail out!"):
            counts.fail(f"{name}: {line}")
            continue
        got = RESULT.fullmatch(line)
        if not got:
            continue
        seen += 1
        if got[2] is None or int(got[2]) != seen:
            counts.fail(f"{name}: out of order, number {seen} expected: {line}")
        elif got[1] == "not ok":
            counts.fail(f"{name}: {line}")
            counts.notes += [f"{name}: {told}" for told in said[-TOLD:]]
        elif SKIP.search(got[3]):
            counts.skipped += 1
            counts.skips.append((name, got[3].strip()))
        else:
            counts.passed += 1
        said = []
    if plan is None:
        counts.fail(f"{name}: no plan")
    elif seen < plan:
        counts.fail(f"{name}: {plan - seen} of {plan} tests did not report",
                    plan - seen)
    elif seen > plan:
        counts.fail(f"{name}: {seen} tests reported, {plan} planned")
    if counts.total() == 0:
        counts.fail(f"{name}: no test ran")
    if status != 0 and counts.failed == 0 and not (status == 4 and plan == 0):
        counts.fail(f"{name}: exit status {status}")
    return counts


def read_selftests(lines, tests):
    """Reads the output of scripts/guest/run-selftests into Counts. tests: names of the
    tests that had to run."""
    counts, ran, name, part = Counts(), set(), None, []
    for line in lines:
        begin = re.fullmatch(r"guest: begin (.+)", line)
        end = re.fullmatch(r"guest: end (.+) (\d+)", line)
        if begin:
            name, part = begin[1], []
        elif end and end[1] == name:
            counts.add(read_ktap(name, part, int(end[2])))
            ran.add(name)
            name = None
        elif name:
            part.append(line)
    if name:
        counts.add(read_ktap(name, part, 0))
        counts.fail(f"{name}: did not end")
        ran.add(name)
    for test in tests:
        if test not in ran:
            counts.fail(f"{test}: did not run")
    return counts


def read_count_line(name, lines, status):
    """Reads the output of a program that ends with `N passed, N failed, N skipped`."""
    counts = Counts()
    found = [COUNT_LINE.fullmatch(line.strip()) for line in lines]
    found = [got for got in found if got]
    if not found:
        counts.fail(f"{name}: no count line")
        return counts
    counts.passed, failed, counts.skipped = map(int, found[-1].groups())
    if failed:
        counts.fail(f"{name}: {failed} failed", failed)
    if counts.total() == 0:
        counts.fail(f"{name}: no test ran")
    if status != 0 and not counts.failed:
        counts.fail(f"{name}: exit status {status}")
    return counts


def read_kunit(lines, status):
    """Reads the summary that kunit.py prints at the end."""
    counts, found = Counts(), None
    for line in lines:
        got = KUNIT.search(ESCAPES.sub("", line))
        found = got or found
    if not found:
        counts.fail("kunit.py: no summary")
        return counts
    values = {key: int(value) for key, value
              in re.findall(r"(\w+): (\d+)", found[2])}
    counts.passed = values.get("passed", 0)
    counts.skipped = values.get("skipped", 0)
    for word in ("failed", "crashed", "errors"):
        if values.get(word):
            counts.fail(f"kunit.py: {word}: {values[word]}", values[word])
    if int(found[1]) == 0 or counts.total() == 0:
        counts.fail("kunit.py: no test ran")
    if status != 0 and not counts.failed:
        counts.fail(f"kunit.py: exit status {status}")
    return counts


def without_uml_flaw(lines):
    """A kernel log of user-mode Linux without one report of PROVE_RCU: the base tree's fork
    for user-mode Linux walks the areas of a process without a lock."""
    kept = []
    for number, line in enumerate(lines):
        report = lines[number:number + SHOWN]
        if "suspicious RCU usage" in line and any(
                "maple_tree.c:" in more for more in report[:5]) and any(
                "] force_flush_all+" in more for more in report):
            line = "(user-mode Linux's own)"
        kept.append(line)
    return kept


def complaints(lines):
    return [line for line in lines if SPLATS.search(line)]


def splats(lines, forgiven=()):
    """The first complaint of a kernel log and the lines behind it, or nothing. forgiven:
    numbers of lines that do not count."""
    bad = [number for number, line in enumerate(lines)
           if number not in forgiven and SPLATS.search(line)]
    if not bad:
        return []
    # The line before can be the ruler above the report.
    start = max(0, bad[0] - 1)
    head = f"{len(bad)} line(s) of complaint in the kernel log, the first:"
    return [head] + lines[start:start + SHOWN]
