# SPDX-License-Identifier: GPL-2.0-only
"""Tests how results are counted as passed, failed or skipped, and what is a complaint."""

import os
import re
import unittest

from tooling import ktap, work


def detector_message(begin):
    """The message of the detector's log that begins so, as the code has it."""
    with open(os.path.join(work.ROOT, "mm/kmemleak/hooks.c"), encoding="utf-8") as src:
        return re.search(rf'pr_err\("({begin}[^"]*)\\n"', src.read())[1]


def read(text, status=0):
    counts = ktap.read_ktap("t", text.split("\n"), status)
    return counts.passed, counts.failed, counts.skipped


class Ktap(unittest.TestCase):
    def test_counts(self):
        cases = {
            "TAP version 13\n1..2\nok 1 a\nok 2 b": (2, 0, 0),
            "1..2\nok 1 a\nnot ok 2 b": (1, 1, 0),
            "1..2\n# talk\nok 1 a # SKIP no\nsome line\nok 2 - b": (1, 0, 1),
            "ok 1 a\nok 2 b\n1..2": (2, 0, 0),
            "1..0 # SKIP no detector": (0, 0, 1),
            # A missing result has failed.
            "1..4\nok 1 a\nok 2 b": (2, 2, 0),
            "ok 1 a": (1, 1, 0),
            "1..0": (0, 1, 0),
            "": (0, 1, 0),
            "1..2\nok 1 a\nBail out! no": (1, 2, 0),
            # A result that is not planned has failed, and so has a wrong number.
            "1..1\nok 1 a\nok 2 b": (2, 1, 0),
            "1..2\nok 1 a\nok 1 a": (1, 1, 0),
            "1..2\nok 1 a\nok 3 a": (1, 1, 0),
            "1..2\nok a\nok 2 b": (1, 1, 0),
            "1..1\n1..1\nok 1 a": (1, 1, 0),
            # A word that only starts like a result does not count, nor does the result
            # of a subtest.
            "1..1\nokay 1\n    ok 1 a\nok 1 a": (1, 0, 0),
        }
        for text, counts in cases.items():
            with self.subTest(text):
                self.assertEqual(read(text), counts)

    def test_status(self):
        self.assertEqual(read("1..1\nok 1 a", 1), (1, 1, 0))
        self.assertEqual(read("1..1\nok 1 a", 143), (1, 1, 0))
        self.assertEqual(read("1..1\nnot ok 1 a", 1), (0, 1, 0))
        self.assertEqual(read("1..0 # SKIP", 4), (0, 0, 1))
        self.assertEqual(read("1..1\nok 1 a", 4), (1, 1, 0))

    def test_tells_why(self):
        lines = ["1..2", "# of a", "ok 1 a"] + [f"# b {n}" for n in range(20)]
        notes = ktap.read_ktap("t", lines + ["not ok 2 b", "# later"], 1).notes
        self.assertEqual(notes, ["t: not ok 2 b"] + [f"t: # b {n}" for n in range(8, 20)])

    def test_selftests(self):
        lines = ["noise", "guest: begin a.sh", "1..1", "ok 1 x",
                 "guest: end a.sh 0", "guest: begin b.sh", "1..2", "ok 1 x"]
        counts = ktap.read_selftests(lines, ["a.sh", "b.sh", "c.sh"])
        # b has a missing result and did not end, c did not run
        self.assertEqual((counts.passed, counts.failed), (2, 3))
        self.assertIn("c.sh: did not run", counts.notes)
        counts = ktap.read_selftests(lines[:5], ["a.sh"])
        self.assertEqual((counts.passed, counts.failed), (1, 0))
        self.assertEqual(ktap.read_selftests([], ["a.sh"]).failed, 1)

    def test_count_line(self):
        def counts(text, status=0):
            got = ktap.read_count_line("t", text.split("\n"), status)
            return got.passed, got.failed, got.skipped
        self.assertEqual(counts("x\n3 passed, 0 failed, 1 skipped\n"), (3, 0, 1))
        self.assertEqual(counts("3 passed, 2 failed, 0 skipped", 1), (3, 2, 0))
        self.assertEqual(counts("3 passed, 0 failed, 0 skipped", 1), (3, 1, 0))
        self.assertEqual(counts("0 passed, 0 failed, 0 skipped"), (0, 1, 0))
        self.assertEqual(counts("nothing"), (0, 1, 0))

    def test_kunit(self):
        def counts(text, status=0):
            got = ktap.read_kunit(text.split("\n"), status)
            return got.passed, got.failed, got.skipped
        head = "\x1b[1;32m[12:00:00] Testing complete. Ran "
        self.assertEqual(counts(head + "5 tests: passed: 4, skipped: 1\x1b[0m"),
                         (4, 0, 1))
        self.assertEqual(counts(head + "5 tests: passed: 2, failed: 1, crashed: "
                                "1, skipped: 1, errors: 2", 1), (2, 4, 1))
        self.assertEqual(counts(head + "0 tests: errors: 1", 1), (0, 2, 0))
        self.assertEqual(counts(head + "2 tests: passed: 2", 1), (2, 1, 0))
        self.assertEqual(counts("make: error", 1), (0, 1, 0))


class Splats(unittest.TestCase):
    def test_found(self):
        for line in (
                "BUG: sleeping function called from invalid context at x.c:1",
                "BUG: unable to handle page fault for address: 0",
                "BUG: KASAN: slab-out-of-bounds in f+0x1/0x2",
                "BUG kmalloc-64 (Not tainted): Redzone overwritten",
                "kernel BUG at mm/x.c:1!", "Oops: 0000 [#1] PREEMPT SMP",
                "WARNING: CPU: 0 PID: 1 at mm/x.c:1 f+0x1/0x2",
                "WARNING: possible circular locking dependency detected",
                "WARNING: possible recursive locking detected",
                "WARNING: inconsistent lock state",
                "WARNING: suspicious RCU usage",
                "[ BUG: Invalid wait context ]",
                "WARNING: bad unlock balance detected!",
                "INFO: task kmemleak:40 blocked for more than 120 seconds.",
                "rcu: INFO: rcu_sched self-detected stall on CPU",
                "rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
                "watchdog: BUG: soft lockup - CPU#0 stuck for 22s!",
                "INFO: trying to register non-static key.",
                "general protection fault, probably for non-canonical address",
                "UBSAN: shift-out-of-bounds in x.c:1:1",
                "Kernel panic - not syncing: Fatal exception",
                "list_del corruption. prev->next should be",
                "page dumped because: kmemleak",
                "kmemleak: " + detector_message("Turned off"),
                "sh[80]: segfault at 0 ip 0 sp 0 error 4",
                "------------[ cut here ]------------"):
            with self.subTest(line):
                found = ktap.splats(["a", "b", "[   1.0] " + line, "c"])
                self.assertEqual(found[1:], ["b", "[   1.0] " + line, "c"])

    def test_flaw_of_user_mode_linux(self):
        head = ["[ 0.4] WARNING: suspicious RCU usage", "[ 0.4] 6.1.192 #1 Not tainted",
                "[ 0.4] -----------------------------",
                "[ 0.4] ../linux/lib/maple_tree.c:860 suspicious rcu_dereference()"]
        own, ours = (head + [f"[ 0.4]  [<60039ff2>] {name}+0x132/0x290"]
                     for name in ("force_flush_all", "kmemleak_scan"))
        self.assertEqual(ktap.splats(ktap.without_uml_flaw(own)), [])
        self.assertEqual(ktap.splats(ktap.without_uml_flaw(own + ours))[2:], ours)
        other = [head[0], "x", own[-1]]
        self.assertEqual(ktap.splats(ktap.without_uml_flaw(other))[1:], other)

    def test_not_found(self):
        self.assertEqual(ktap.splats([
            "PCI: Using host bridge windows from ACPI; if necessary, use "
            '"pci=nocrs" and report a bug',
            "kasan: KernelAddressSanitizer initialized",
            "rcu: Preemptible hierarchical RCU implementation.",
            "rcu: \tRCU debug extended QS entry/exit.",
            "Running RCU self tests", "Lock dependency validator: Copyright",
            "kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
            "FAULT_INJECTION: forcing a failure.", "Call Trace:",
            "mce: CPU0: Machine check events", "debug_locks: 1"]), [])
