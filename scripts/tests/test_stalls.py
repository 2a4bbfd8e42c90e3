# SPDX-License-Identifier: GPL-2.0-only
"""Tests telling stalls of a guest's kernel from stalls that the host made."""

import os
import shutil
import tempfile
import unittest
from unittest import mock

from tooling import ktap, stalls

SOFT = "[  90.1] watchdog: BUG: soft lockup - CPU#0 stuck for 25s! [swapper/0:0]"
LONGER = "[ 118.1] watchdog: BUG: soft lockup - CPU#0 stuck for 51s! [swapper/0:0]"
RCU = ["[ 40.0] rcu: INFO: rcu_preempt self-detected stall on CPU",
       "[ 40.0] rcu: \t0-....: (5249 ticks this GP) idle=1f4c/1/0x4000000000000000",
       "[ 40.0] \t(t=5250 jiffies g=1001 q=11 ncpus=2)",
       "[ 40.0] rcu: rcu_preempt kthread starved for 5100 jiffies! g1001 f0x0 ->cpu=0"]
OTHERS = ["[ 41.0] rcu: INFO: rcu_sched detected stalls on CPUs/tasks:",
          "[ 41.0] rcu: \t1-...!: (0 ticks this GP) idle=0000/1/0x4",
          "[ 41.0] \t(detected by 0, t=6002 jiffies, g=-1059, q=1 ncpus=2)"]
EXPEDITED = ("[ 42.0] rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: "
             "{ 1-...D } 5500 jiffies s: 221 root: 0x2/.")
HUNG = "[ 242.0] INFO: task kmemleak:40 blocked for more than 120 seconds."
POOL = ("[ 50.0] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck "
        "for 33s!")


class Recorded(stalls.Clock):
    """A host with recorded samples (second, bytes of the log, waits of threads, steal)."""

    def __init__(self, *rows):
        self.now = ()
        super().__init__(0)
        for second, size, waits, steal in rows:
            self.now = waits, steal
            self.sample(size, second)

    def thread_waits(self):
        return dict(enumerate(self.now[0]))

    def host_steal(self):
        return [self.now[1]]


def host(share, seconds, log):
    """A host that lets the guest run for a share of the time, sampled each half second. The
    guest writes its log at the end."""
    return Recorded(*((s / 2, 0 if s < 2 * seconds else log,
                       (s / 2 * (1 - share), 0), 0) for s in range(2 * seconds + 1)))


class Stalls(unittest.TestCase):
    def left(self, lines, clock, limits=None):
        """The complaints that still count."""
        forgiven = stalls.forgiven(lines, clock, 250, limits)
        return ktap.splats(lines, forgiven)[1:]

    def test_kinds(self):
        for lines in ([SOFT], RCU, OTHERS, [EXPEDITED], [HUNG], [POOL]):
            with self.subTest(lines[0]):
                self.assertTrue(self.left(lines, host(1, 300, 9999)))
                self.assertFalse(self.left(lines, host(0.5, 300, 9999)))

    def test_a_stall_that_goes_on_is_seen_on_a_busy_host(self):
        self.assertEqual(self.left([SOFT, LONGER], host(0.5, 300, 9999)),
                         [SOFT, LONGER])
        self.assertFalse(self.left([SOFT, SOFT], host(0.5, 300, 9999)))

    def test_only_what_the_host_did_meanwhile_counts(self):
        busy_before = Recorded((0, 0, (0, 0), 0), (100, 0, (90, 0), 0),
                               (130, 0, (90, 0), 0), (131, 500, (90, 0), 0))
        self.assertTrue(self.left([SOFT], busy_before))
        busy_then = Recorded((0, 0, (0, 0), 0), (100, 0, (0, 0), 0),
                             (130, 0, (15, 0), 0), (131, 500, (15, 0), 0))
        self.assertFalse(self.left([SOFT], busy_then))

    def test_threads_are_not_added_up(self):
        both = Recorded((0, 0, (0, 0), 0), (26, 500, (4, 4), 0))
        self.assertTrue(self.left([SOFT], both))
        steal = Recorded((0, 0, (0, 0), 0), (26, 500, (4, 0), 4))
        self.assertFalse(self.left([SOFT], steal))

    def test_a_host_that_tells_nothing_is_not_to_blame(self):
        with tempfile.TemporaryDirectory() as proc:
            clock = stalls.Clock(1, proc)
            for second in range(100):
                clock.sample(second, second)
            self.assertTrue(self.left([SOFT], clock))

    def test_other_complaints_stay(self):
        lines = ["BUG: KASAN: use-after-free in f", SOFT,
                 "BUG: unable to handle page fault for address: 0"]
        self.assertEqual(stalls.forgiven(lines, host(0, 300, 9999), 250), {1})
        self.assertEqual(self.left(lines, host(0, 300, 9999))[0], lines[0])

    def test_a_length_that_is_missing(self):
        self.assertTrue(self.left(RCU[:2], host(0, 300, 9999)))

    def test_a_moment_of_the_host_excuses_nothing(self):
        """A kernel complains about RCU and hung tasks as soon as the limit is reached."""
        almost = host(0.95, 300, 9999)
        for lines in (RCU, OTHERS, [EXPEDITED], [HUNG]):
            with self.subTest(lines[0]):
                self.assertLessEqual(set(ktap.complaints(lines)),
                                     set(self.left(lines, almost)))

    def test_a_shorter_limit_than_is_known(self):
        """For example with rcupdate.rcu_cpu_stall_timeout=5, which no .config shows."""
        short = [RCU[0], "[ 40.0] \t(t=1250 jiffies g=1001 q=11 ncpus=2)"]
        soft = [SOFT.replace("25s", "9s")]
        for lines in (short, soft):
            with self.subTest(lines[0]):
                self.assertTrue(self.left(lines, host(0.95, 300, 9999)))
                self.assertFalse(self.left(lines, host(0.5, 300, 9999)))

    def test_limits_of_a_config(self):
        self.assertEqual(stalls.limits_of("# CONFIG_PROVE_RCU is not set\n"), {})
        text = "CONFIG_RCU_CPU_STALL_TIMEOUT=21\nCONFIG_RCU_EXP_CPU_STALL_TIMEOUT=0\n" \
               "CONFIG_DEFAULT_HUNG_TASK_TIMEOUT=90\n"
        self.assertEqual(stalls.limits_of(text),
                         {"rcu": 21, "expedited rcu": 21, "hung task": 90})
        self.assertEqual(stalls.limits_of(text + "CONFIG_PROVE_RCU=y\n"),
                         {"rcu": 26, "expedited rcu": 26.25, "hung task": 90})
        text = text.replace("PU_STALL_TIMEOUT=0", "PU_STALL_TIMEOUT=2000")
        self.assertEqual(stalls.limits_of(text)["expedited rcu"], 2)
        # The host took a third of the time. Of 21 s, 14 s remain.
        clock = host(2 / 3, 300, 9999)
        self.assertFalse(self.left(RCU, clock, stalls.limits_of(text)))
        text = text.replace("RCU_CPU_STALL_TIMEOUT=21", "RCU_CPU_STALL_TIMEOUT=10")
        self.assertTrue(self.left(RCU, clock, stalls.limits_of(text)))

    def test_limits(self):
        clock = host(0.5, 300, 9999)
        self.assertFalse(self.left([SOFT], clock))
        self.assertTrue(self.left([SOFT], clock, {"soft lockup": 2}))

    def test_reads_proc(self):
        with tempfile.TemporaryDirectory() as proc:
            os.makedirs(os.path.join(proc, "7/task/8"))

            def put(path, text):
                with open(os.path.join(proc, path), "w", encoding="ascii") as out:
                    out.write(text)
            clock = stalls.Clock(7, proc)
            for second in range(31):
                put("7/task/8/schedstat", f"1 {second * 500000000} 3\n")
                put("stat", "cpu  1 0 0 0 0 0 0 0 0 0\ncpu0 1 0 0 0 0 0 0 0 0 0\n")
                clock.sample(100 * (second == 30), second)
            self.assertAlmostEqual(clock.lost(0, 20), 10)

    def test_reads_this_machine(self):
        clock = stalls.Clock(os.getpid())
        self.assertEqual(list(clock.thread_waits()), [str(os.getpid())])
        self.assertTrue(clock.host_steal())


class Pressure(unittest.TestCase):
    """The part of the time in which some task waits for a CPU of the host."""

    def setUp(self):
        self.proc = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.proc)
        os.mkdir(os.path.join(self.proc, "pressure"))
        self.now = 100

    def write(self, waits, *steal):
        with open(os.path.join(self.proc, "pressure", "cpu"), "w", encoding="ascii") as dst:
            dst.write(f"some avg10=2.97 avg60=1.99 avg300=3.10 total={round(waits * 1e6)}\n"
                      "full avg10=0.00 avg60=0.00 avg300=0.00 total=77000000\n")
        ticks = os.sysconf("SC_CLK_TCK")
        with open(os.path.join(self.proc, "stat"), "w", encoding="ascii") as dst:
            dst.write("cpu  9 9 9 9 9 9 9 99999 0 0\n")
            for nr, seconds in enumerate(steal):
                dst.write(f"cpu{nr} 1 2 3 4 5 6 7 {round(seconds * ticks)} 0 0\n")

    def look(self, *after):
        def sleep(seconds):
            self.now += seconds
            if after:
                self.write(*after)
        with mock.patch("time.sleep", sleep), mock.patch("time.monotonic", lambda: self.now):
            return stalls.host_pressure(10, self.proc)

    def test_waits_and_steal(self):
        self.write(50, 7, 3)
        self.assertAlmostEqual(self.look(50, 7, 3), 0)
        self.assertAlmostEqual(self.look(52, 7, 3), 0.2)
        self.assertAlmostEqual(self.look(52, 8, 3), 0.1)

    def test_unknown_is_busy(self):
        self.assertEqual(self.look(), 1)
        self.write(1, 1)
        os.unlink(os.path.join(self.proc, "stat"))
        self.assertEqual(self.look(), 1)
        self.assertEqual(self.now, 120)
