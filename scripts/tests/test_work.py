# SPDX-License-Identifier: GPL-2.0-only
"""Tests the build folder: its lock, failing commands, a copy of the user's tree."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import types
import unittest
from unittest import mock

from scratch import BASE, ScratchTest, snapshot
from tooling import chains, guest, kernel, ktap, sources, stalls, tiers, tree, work
from tooling.ktap import Counts
from tooling.work import SCRIPTS


class Lock(unittest.TestCase):
    def test_second_waits(self):
        with tempfile.TemporaryDirectory() as folder:
            code = ("import sys; sys.path.insert(0, sys.argv[1])\n"
                    "from tooling import work\n"
                    "work.Setup().take_lock(); print('mine', flush=True)\n"
                    "sys.stdin.read()\n")

            def start():
                return subprocess.Popen(
                    [sys.executable, "-B", "-c", code, work.SCRIPTS],
                    stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                    env={**os.environ, "O": folder})
            first = start()
            self.assertEqual(first.stdout.readline(), "mine\n")
            second = start()
            self.assertIn("waiting", second.stdout.readline())
            self.assertIsNone(second.poll())
            first.communicate()
            self.assertEqual(second.stdout.readline(), "mine\n")
            second.communicate()


class Commands(unittest.TestCase):
    def test_failure_shows_the_log(self):
        with tempfile.TemporaryDirectory() as folder:
            log = os.path.join(folder, "log")
            script = "echo x.c:1: error: odd; seq 100; echo last; exit 3"
            with self.assertRaises(work.Failed) as caught:
                work.run_logged(["sh", "-c", script], log)
            said = str(caught.exception)
            for text in (log, "x.c:1: error: odd", "| last", "(3)"):
                self.assertIn(text, said)
            self.assertNotIn("| 50\n", said)

    def test_our_variables_stay_here(self):
        with tempfile.TemporaryDirectory() as folder, mock.patch.dict(
                os.environ, {"O": folder, "KDIR": "x", "MAKEFLAGS": "k", "FULL": "1",
                             "HOME": "/home"}):
            clean = work.clean_environ()
        self.assertEqual(clean["HOME"], "/home")
        self.assertFalse({"O", "KDIR", "MAKEFLAGS", "FULL"} & set(clean))


FAKE_CCACHE = """#!/bin/sh
echo "$0" >> "${0%/*}/used"
exec "/usr/bin/${0##*/}" "$@"
"""


class Compilers(unittest.TestCase):
    """Nothing is rebuilt if ccache, and PATH with it, comes or goes."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kmemleak-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.setup = work.Setup({"O": self.dir})
        self.setup.linux = BASE
        self.ccache = os.path.join(self.dir, "bin", "ccache")
        os.makedirs(os.path.dirname(self.ccache))
        with open(self.ccache, "w", encoding="utf-8") as out:
            out.write(FAKE_CCACHE)
        os.chmod(self.ccache, 0o755)

    @contextlib.contextmanager
    def machine(self, ccache, path=os.environ["PATH"]):
        """A machine with this ccache, or without ccache. Yields the environment of commands."""
        real = shutil.which
        with mock.patch.dict(os.environ, {"O": self.dir, "PATH": path}), \
                mock.patch.object(shutil, "which", lambda name, **more:
                                  ccache if name == "ccache" else real(name, **more)):
            yield work.clean_environ()

    def built(self, ccache):
        """The number of files of its own tools that the kernel's make compiles there."""
        with self.machine(ccache) as environ:
            done = subprocess.run(
                kernel.make_command(self.setup, self.setup.path("x"), "allnoconfig"),
                capture_output=True, text=True, check=True, env=environ)
        return len(re.findall(r"^  HOSTCC ", done.stdout, re.M))

    def test_kbuild(self):
        self.assertGreater(self.built(None), 2)
        self.assertEqual(self.built(self.ccache), 0)
        os.unlink(os.path.join(self.setup.path("x"), "scripts/basic/fixdep"))
        self.assertEqual(self.built(self.ccache), 1)
        self.assertTrue(os.path.exists(os.path.join(self.dir, "ccache", "used")))
        self.assertEqual(self.built(None), 0)

    def test_stamp(self):
        stamps = set()
        for ccache, path in ((None, "/usr/bin:/bin"), (None, "/bin:/usr/bin"),
                             (self.ccache, "/usr/bin:/bin")):
            with self.machine(ccache, path):
                stamps.add(kernel.source_hash(self.setup))
        self.assertEqual(len(stamps), 1)

    def test_the_link_follows(self):
        for ccache in (self.ccache, shutil.which("true"), self.ccache):
            with self.machine(ccache) as environ:
                self.assertEqual(os.readlink(shutil.which("gcc", path=environ["PATH"])),
                                 ccache)
        with self.machine(None) as environ:
            self.assertEqual(environ["PATH"], os.environ["PATH"])


class Selftests(unittest.TestCase):
    def setUp(self):
        makefile = os.path.join(work.ROOT, guest.SELFTESTS, "Makefile")
        with open(makefile, encoding="utf-8") as src:
            self.names = re.findall(r"^TEST_PROGS \+?:?= (\S+)$", src.read(), re.M)

    def test_each_but_some_runs_in_a_debug_kernel(self):
        debug = [name for flavor in ("uml-debug", "debug")
                 for name in tiers.tests_of(flavor, self.names)]
        self.assertGreater(len(self.names), 10)
        self.assertEqual(sorted(debug), sorted(set(self.names) - set(tiers.GUEST_ONLY)))
        self.assertLessEqual(set(tiers.GUEST_ONLY), set(self.names))
        self.assertLessEqual(set(tiers.TEXT_TESTS), set(tiers.UML_TESTS))
        for environ, left in (({}, tiers.TEXT_TESTS), ({"FULL": "1"}, ())):
            with mock.patch.dict(os.environ, environ):
                self.assertEqual(tiers.tests_of("guest", self.names),
                                 [name for name in self.names if name not in left])
        self.assertLessEqual(set(tiers.UML_TESTS), set(self.names))
        self.assertLessEqual({"uml", "debug"}, set(tiers.TIERS))

    def order_of(self, jobs, pressure=1):
        """The order in which the two guests begin and end."""
        events, begun = [], threading.Event()

        def tier(name):
            def run(_setup):
                events.append(name)
                if name == "guest":
                    begun.set()
                else:
                    begun.wait(0.5)
                events.append(name + " ended")
                return Counts(passed=1)
            return run

        setup = mock.Mock(jobs=jobs)
        with mock.patch.dict(tiers.TIERS, {name: tier(name) for name in ("guest", "debug")}), \
                mock.patch.object(kernel, "build"), \
                mock.patch.object(stalls, "host_pressure", lambda _seconds: pressure), \
                contextlib.redirect_stdout(io.StringIO()):
            self.assertEqual(tiers.run(setup, ["guest", "debug"]), 0)
        return events

    def test_guests_share_the_cpus_of_a_quiet_host(self):
        self.assertEqual(self.order_of(2), ["debug", "debug ended", "guest", "guest ended"])
        for order in (self.order_of(4), self.order_of(2, 0.02)):
            self.assertLess(*map(order.index, ("guest", "debug ended")))

    def test_what_is_skipped_there_runs_here(self):
        names = ["sample.sh", "rcu.sh"]
        for script, failed in (("sample.sh", 1), ("rcu.sh", 0)):
            text = [f"guest: begin {script}", "1..2", "ok 1 a",
                    "ok 2 b # SKIP no way", f"guest: end {script} 0"]
            counts = ktap.read_selftests(text, [script])
            tiers.fail_lost_tests(counts, names)
            self.assertEqual((counts.failed, counts.skipped), (failed, 1))
        whole = ktap.read_ktap("sample.sh", ["1..0 # SKIP not here"], 4)
        tiers.fail_lost_tests(whole, names)
        self.assertEqual(whole.failed, 1)

    def test_each_script_is_listed(self):
        folder = os.path.join(work.ROOT, guest.SELFTESTS)
        scripts = {name for name in os.listdir(folder) if name.endswith(".sh")}
        self.assertEqual(scripts - {"kmemleak_lib.sh"}, set(self.names))

    def test_makefile_runs_all_tiers(self):
        with open(os.path.join(work.ROOT, "Makefile"), encoding="utf-8") as src:
            got = re.search(r"^TIERS := (.*)$", src.read(), re.M)
        self.assertEqual(got[1].split(), list(tiers.TIERS))


class Configs(unittest.TestCase):
    """Options of kernels, and their replacements in older trees."""

    def test_files(self):
        for version, folders in (((7, 3), []), ((6, 13), []), ((6, 12), ["6.12"]),
                                 ((6, 6), ["6.12"]), ((6, 1), ["6.12", "6.1"])):
            with self.subTest(version):
                names = [os.path.join(SCRIPTS, "configs", folder, "guest.config")
                         for folder in ["", *folders]]
                self.assertEqual(kernel.config_files("guest.config", version), names)

    def test_each_is_laid_over_one(self):
        top = os.path.join(SCRIPTS, "configs")
        for folder in chains.versions(top):
            for name in os.listdir(os.path.join(top, folder)):
                with self.subTest(folder + "/" + name):
                    self.assertTrue(os.path.exists(os.path.join(top, name)))

    def test_the_last_counts(self):
        name = "CONFIG_PREEMPT_VOLUNTARY"
        self.assertNotIn(name, kernel.fragment("guest", (7, 3)))
        self.assertEqual(kernel.fragment("guest", (6, 1))[name], name + "=y")
        self.assertEqual(kernel.fragment("debug", (6, 1))[name], f"# {name} is not set")

    def test_release(self):
        with tempfile.TemporaryDirectory() as folder:
            setup = types.SimpleNamespace(linux=folder)
            for text, want in (("# x\nVERSION = 7\nPATCHLEVEL = 13\nSUBLEVEL = 4\n", (7, 13)),
                               ("VERSION = 7\n", None)):
                with open(os.path.join(folder, "Makefile"), "w", encoding="utf-8") as out:
                    out.write(text)
                if want:
                    self.assertEqual(kernel.release(setup), want)
                else:
                    self.assertRaises(work.Failed, kernel.release, setup)


class Tiers(unittest.TestCase):
    def run_tiers(self, **results):
        def tier(value):
            def run(_setup):
                if isinstance(value, Exception):
                    raise value
                return value
            return run
        said = []
        with mock.patch.object(tiers, "TIERS",
                               {k: tier(v) for k, v in results.items()}), \
                mock.patch("builtins.print",
                           lambda *a, **k: said.extend(a)):
            status = tiers.run(None, list(results))
        return status, said[-1], said

    def test_sum_alone_in_the_end(self):
        status, last, said = self.run_tiers(a=Counts(2, 0, 1), b=Counts(3, 0, 0))
        self.assertEqual((status, last), (0, "5 passed, 0 failed, 1 skipped"))
        self.assertTrue(any(line.startswith("a: 2 passed") for line in said))

    def test_what_failed_is_told_again_in_the_end(self):
        bad = Counts(1, 1, 0, notes=["late.sh: not ok 3"])
        _, last, said = self.run_tiers(a=bad, b=Counts(3, 0, 0))
        self.assertEqual(said[-2:], ["  a: late.sh: not ok 3\n", last])
        self.assertLess(said.index("  a: late.sh: not ok 3"), len(said) - 3)

    def test_failures(self):
        for bad in (Counts(2, 1, 0), Counts(), work.Failed("no gcc"),
                    OSError("no file")):
            with self.subTest(bad):
                status, last, _ = self.run_tiers(a=Counts(2, 0, 0), b=bad)
                self.assertEqual(status, 1)
                self.assertIn(", 1 failed, ", last)


class Trees(unittest.TestCase):
    """The tier that tests Debian's other trees."""

    def run_tier(self, tarball=None, built=None, environ=None):
        done = []

        def step(what):
            def run(setup, name, *more):
                done.append((what, setup.tree, name, *more[:1]))
                if what == built:
                    raise work.Failed("does not compile")
                return Counts(2, 0, 0)
            return run

        with mock.patch.object(sources, "is_default", lambda name: name == "6.1"), \
                mock.patch.object(kernel, "find_tarball",
                                  side_effect=tarball, return_value="/x/y.tar.xz"), \
                mock.patch.object(kernel, "build", step("build")), \
                mock.patch.object(kernel, "compile_changed", step("compile")), \
                mock.patch.object(tiers, "tools", step("tools")), \
                mock.patch.object(tiers, "boot_selftests", step("boot")), \
                mock.patch("builtins.print"):
            counts = tiers.trees(work.Setup({"O": "/o", **(environ or {})}))
        return counts, done

    def test_each_other_tree(self):
        counts, done = self.run_tier()
        anchors = "test_tree.Refuse.test_every_anchor"
        self.assertEqual(done, [("build", "7.3", "guest"), ("tools", "7.3", anchors),
                                ("boot", "7.3", "guest", ["sample.sh", "graphs.sh"]),
                                ("compile", "6.12", "guest"), ("tools", "6.12", anchors)])
        self.assertEqual((counts.passed, counts.failed, counts.skipped), (8, 0, 0))

    def test_one_that_does_not_compile(self):
        for built, passed in (("build", 3), ("compile", 5)):
            counts, _ = self.run_tier(built=built)
            self.assertEqual((counts.passed, counts.failed, counts.skipped), (passed, 1, 0))

    def test_one_that_cannot_be_had(self):
        counts, done = self.run_tier(tarball=work.Failed("TREE=x: no package"))
        self.assertEqual((counts.passed, counts.failed, counts.skipped, done), (0, 0, 2, []))
        self.assertEqual(counts.notes, ["SKIPPED: TREE=x: no package"] * 2)

    def test_not_beside_another(self):
        for name, value in (("TREE", "7.3"), ("KDIR", "/k"), ("BASE", "/b.tar")):
            counts, done = self.run_tier(environ={name: value})
            self.assertEqual((counts.skipped, counts.total(), done), (1, 1, []))

    def test_what_is_compiled(self):
        self.assertEqual(kernel.changed_folders([
            "mm/slub.c", "mm/kmemleak/core.c", "mm/Makefile", "include/linux/mm.h",
            "arch/x86/entry/entry_64.S", "arch/um/kernel/um_arch.c", "tools/x/y.c",
            "kernel/exit.c", "kernel/rcu/tree.c"]),
            ["arch/x86/entry/", "kernel/", "mm/"])


class CopyOfKdir(ScratchTest):
    def copy(self):
        with mock.patch.dict(os.environ, {"KDIR": self.tree,
                                          "O": os.path.join(self.dir, "out")}):
            setup = work.Setup()
            with mock.patch("builtins.print"):
                kernel.prepare_tree(setup)
        return setup

    def test_users_tree_stays(self):
        before = snapshot(self.tree, times=True, state=True)
        setup = self.copy()
        self.assertEqual(snapshot(self.tree, times=True, state=True), before)
        self.assertFalse(os.path.exists(os.path.join(setup.linux, "mm/kmemleak.c")))
        again = snapshot(setup.linux, times=True)
        self.copy()
        self.assertEqual(snapshot(setup.linux, times=True), again)

    def test_follows_the_users_tree(self):
        setup = self.copy()
        applied = snapshot(setup.linux)
        self.put("mm/new.c", b"int new;\n")
        self.put("mm/Makefile", self.get("mm/Makefile") + b"# more\n")
        os.unlink(os.path.join(self.tree, "mm/bystander.c"))
        self.copy()
        now = snapshot(setup.linux)
        self.assertEqual({path for path in now.keys() | applied.keys()
                          if now.get(path) != applied.get(path)},
                         {"mm/new.c", "mm/Makefile", "mm/bystander.c"})
        self.assertTrue(self.get("mm/Makefile", setup.linux).endswith(b"# more\n"))
        self.assertIn(b"kmemleak/\n", self.get("mm/Makefile", setup.linux))

    def test_applied_tree(self):
        plain = snapshot(self.copy().linux)
        self.expect(0, "applied", "apply", self.tree)
        before = snapshot(self.tree, times=True, state=True)
        setup = self.copy()
        self.assertEqual(snapshot(setup.linux), plain)
        self.assertEqual(snapshot(self.tree, times=True, state=True), before)

    def test_no_kernel_tree(self):
        os.unlink(os.path.join(self.tree, "Kbuild"))
        self.assertRaisesRegex(work.Failed, "not a kernel tree", self.copy)

    def test_build_products_stay_behind(self):
        for path in (".config", "mm/x.o", "mm/.x.o.cmd", "include/config/A",
                     "arch/x86/include/generated/asm/a.h", "mm/a.mod.c"):
            self.put(path, b"x")
        self.put("mm/x.c", b"x")
        setup = self.copy()
        found = set(tree.files_below(setup.linux, "."))
        copied = set(snapshot(setup.linux))
        self.assertIn("mm/x.c", copied)
        self.assertFalse({p for p in copied | found if "generated" in p
                          or p.endswith((".o", ".cmd", ".mod.c", ".config"))})
        self.assertNotIn("include/config/A", copied)
