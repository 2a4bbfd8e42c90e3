# SPDX-License-Identifier: GPL-2.0-only
"""Tests the preparation of a guest, as far as possible without booting one."""

import os
import shutil
import stat
import subprocess
import sys
import tempfile
import types
import unittest
from unittest import mock

from tooling import arches, guest, kernel
from tooling.work import ROOT, SCRIPTS

COMPARE = os.path.join(SCRIPTS, "guest", "compare.awk")
AWKS = [[arches.BUSYBOX, "awk"]] if os.path.exists(arches.BUSYBOX) else []
ANNOUNCED = """\
recipe=kmalloc expect=leak addr=0xffff888003f17000 size=64
recipe=list expect=leak addr=0xffff888003f18000 size=128
recipe=list expect=leak addr=0xffff888003f18080 size=128
recipe=percpu expect=leak addr=0x0000607fd2014e10 size=64 percpu=1
recipe=ignored expect=none addr=0xffff888003f19000 size=64
"""
REPORTED = """\
unreferenced object 0xffff888003f17000 (size 64):
  comm "insmod", pid 88, jiffies 4294680594
  backtrace (crc 0):
    [<0>] f+0x1/0x2
unreferenced object 0xffff888003f18000 (size 128):
unreferenced object 0xFFFF888003F18080 (size 128):
unreferenced object (percpu) 0x607fd2014e10 (size 64):
"""


@unittest.skipUnless(AWKS, "no busybox")
class Compare(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kmemleak-test-")
        self.addCleanup(shutil.rmtree, self.dir)

    def check(self, status, text="", announced=ANNOUNCED, before="",
              after=REPORTED, recipes=4):
        names = []
        for name, data in (("a", announced), ("b", before), ("c", after)):
            names.append(os.path.join(self.dir, name))
            with open(names[-1], "w", encoding="utf-8") as out:
                out.write(data)
        got = subprocess.run([*AWKS[0], "-f", COMPARE, "-v",
                              f"recipes={recipes}", *names], text=True,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             check=False)
        self.assertEqual(got.returncode, status, got.stdout)
        self.assertIn(text, got.stdout)

    def test_all_and_nothing_else(self):
        self.check(0, "4 of 4 announced leaks reported, 0 fault(s)")

    def test_missing(self):
        for line in REPORTED.splitlines():
            if line.startswith("unref"):
                with self.subTest(line):
                    self.check(1, "not reported",
                               after=REPORTED.replace(line + "\n", ""))

    def test_unexpected(self):
        more = "unreferenced object 0xffff88800aaaaaa0 (size 8):\n"
        self.check(1, "announced by no recipe", after=REPORTED + more)
        self.check(1, "before the sample", before=more, after=more + REPORTED)
        wrong = "unreferenced object 0xffff888003f19000 (size 64):\n"
        self.check(1, "must not be reported", after=REPORTED + wrong)

    def test_percpu_is_an_address_of_its_own(self):
        self.check(1, "at percpu 0x", after=REPORTED.replace("(percpu) ", ""))

    def test_nothing_announced(self):
        self.check(1, "announced no leak", announced="", after="", recipes="")
        self.check(1, "announced no leak", after="", recipes=1,
                   announced=ANNOUNCED.splitlines()[-1] + "\n")

    def test_lost_or_unreadable_announcement(self):
        self.check(1, "ran 5 recipes and announced 4", recipes=5)
        self.check(1, "cannot read", announced=ANNOUNCED.replace("=leak", "=?", 1))


@unittest.skipUnless(AWKS, "no busybox")
class Verdicts(unittest.TestCase):
    """The selftests compare the size, or the requested size."""

    def test_size(self):
        script = os.path.join(ROOT, guest.SELFTESTS, "verdicts.awk")
        for more, status in (("(size 8):", 0), ("(size 128):\n  requested 8 bytes", 0),
                             ("(size 128):\n  requested 9 bytes", 1), ("(size 128):", 1),
                             ("(size 128):\n  requested at most 8 bytes", 1)):
            with self.subTest(more), tempfile.TemporaryDirectory() as folder:
                names = []
                for name, text in (("a", "lost 0xff10 8\n"),
                                   ("b", "unreferenced object 0xff10 " + more + "\n")):
                    names.append(os.path.join(folder, name))
                    with open(names[-1], "w", encoding="utf-8") as out:
                        out.write(text)
                got = subprocess.run([*AWKS[0], "-f", script, *names], check=False,
                                     capture_output=True, text=True)
                self.assertEqual(got.returncode, status, got.stdout)


class Initramfs(unittest.TestCase):
    @unittest.skipUnless(AWKS, "no busybox")
    def test_unpacks(self):
        archive = guest.Archive()
        archive.text("a/b/run", "#!/bin/sh\n", 0o755)
        archive.text("a/odd", "xyz")
        archive.entry("a/link", stat.S_IFLNK | 0o777, b"odd")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "cpio")
            archive.write(path)
            with open(path, "rb") as src:
                subprocess.run([arches.BUSYBOX, "cpio", "-i"], stdin=src, check=True,
                               cwd=folder, stderr=subprocess.DEVNULL)
            self.assertEqual(os.readlink(os.path.join(folder, "a/link")), "odd")
            with open(os.path.join(folder, "a/link"), encoding="utf-8") as src:
                self.assertEqual(src.read(), "xyz")
            self.assertTrue(os.access(os.path.join(folder, "a/b/run"), os.X_OK))
            self.assertFalse(os.access(os.path.join(folder, "a/odd"), os.X_OK))

    def test_result_lines(self):
        result = guest.Result()
        shown = []
        for line in ("a", "guest: lockdep=1", "guest: exit=7", "guest: exit=x"):
            guest.take(result, line, shown.append)
        self.assertEqual((result.status, result.lockdep), (7, "1"))
        self.assertEqual(result.lines, ["a", "guest: exit=x"])
        self.assertEqual(shown, result.lines)

    @unittest.skipUnless(os.uname().machine == "x86_64", "x86-64 only")
    def test_registers_denied(self):
        code = ("import ctypes, errno\n"
                "libc = ctypes.CDLL(None, use_errno=True)\n"
                "for request in (0x4204, 0x4200):\n"
                "    libc.ptrace(request, 0, 0, 0)\n"
                "    print(errno.errorcode[ctypes.get_errno()])\n")
        for prepare, said in ((None, ["ESRCH", "ESRCH"]),
                              (guest.deny_xstate, ["EIO", "ESRCH"])):
            child = guest.start([sys.executable, "-c", code], None, prepare)
            self.assertEqual(child.communicate()[0].decode().split(), said)

    def test_registers_are_denied_to_older_trees(self):
        for version, denied in (((6, 1), True), ((6, 12), True), ((6, 13), False),
                                ((7, 3), False)):
            with self.subTest(version), \
                    mock.patch.object(kernel, "release", lambda _setup, now=version: now):
                setup = types.SimpleNamespace(path=os.path.join)
                line = guest.uml_command(setup, "uml-debug", "initrd", "quiet", "1G")
                self.assertEqual(guest.PLAIN_LIBC in line, denied)
                self.assertEqual(guest.takes_xstate(setup), not denied)

    def test_fault_shows_the_end_of_the_kernel_log(self):
        lines = [f"line {i}" for i in range(1, 41)] + [""]
        text = guest.explain("the guest ended", "some/log", lines)
        self.assertTrue(text.startswith("the guest ended, see some/log\n"))
        self.assertTrue(text.endswith("line 39\n  | line 40"))
        self.assertEqual(text.count("\n"), guest.CONSOLE_LINES)
        self.assertEqual(guest.explain("x", "some/log", []), "x, see some/log")
