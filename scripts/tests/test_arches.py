# SPDX-License-Identifier: GPL-2.0-only
"""Tests the table of machines, and the packages that are fetched for them. Builds and
boots nothing; a script replaces apt."""

import functools
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from unittest import mock

from scratch import AptTest
from tooling import arches, guest, kernel, tiers, work

CROSS = [kind for kind in arches.KINDS.values() if kind.triplet]


class Kinds(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kmemleak-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.setup = work.Setup({"O": self.dir})

    def test_files(self):
        used = set()
        for name, machine in kernel.FLAVORS.items():
            for version in ((7, 3), (6, 12), (6, 1)):
                with self.subTest(name):
                    self.assertTrue(kernel.fragment(name, version))
            used |= set(machine.configs)
        top = os.path.join(work.SCRIPTS, "configs")
        self.assertLessEqual({"arch/" + name for name in os.listdir(top + "/arch")}, used)
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.relpath(os.path.join(folder, name), top)
                path = re.sub(r"^[\d.]+/", "", path)
                self.assertTrue(os.path.exists(os.path.join(top, path)), path)

    def test_older_trees(self):
        for version, lines in (((7, 3), (None, "CONFIG_HIGHMEM4G=y")),
                               ((6, 1), ("CONFIG_HIGHMEM64G=y",
                                         "# CONFIG_HIGHMEM4G is not set"))):
            got = kernel.fragment("i386-pae", version)
            self.assertEqual((got.get("CONFIG_HIGHMEM64G"), got["CONFIG_HIGHMEM4G"]), lines)

    def test_selftests(self):
        path = os.path.join(work.ROOT, guest.SELFTESTS, "Makefile")
        with open(path, encoding="utf-8") as src:
            names = re.findall(r"^TEST_PROGS \+?:?= (\S+)$", src.read(), re.M)
        for name, kind in arches.KINDS.items():
            with self.subTest(name):
                self.assertLessEqual(set(kind.tests), set(names))
                self.assertEqual(set(tiers.tests_of(name, names)), set(kind.tests or names))
                # A kind that leaves out tests has a reason.
                self.assertEqual(bool(kind.tests), bool(kind.lacks))
                self.assertEqual(tiers.limit(name), tiers.limit("arch"))

    def command(self, name, **machine):
        with mock.patch.object(shutil, "which", lambda name: name), \
                mock.patch.dict(machine):
            return guest.command(self.setup, name, "initrd", "", "log")

    def test_qemu(self):
        for name, kind in arches.KINDS.items():
            with self.subTest(name):
                line = self.command(name)
                self.assertEqual(line[0], kind.qemu)
                self.assertEqual(line[line.index("-smp") + 1], str(kind.cpus))
                # The kernel log and the program each have one output.
                self.assertIn("file:log", line)
                self.assertEqual(sum("stdio" in word for word in line), 1)
                self.assertIn("kmemleak=on", line[-1])
                self.assertEqual(line[line.index("-kernel") + 1],
                                 os.path.join(self.dir, name, kind.image))
        self.assertEqual(sum("node,nodeid" in word
                             for word in self.command("x86-64-numa")), 2)

    def test_make(self):
        with mock.patch.object(arches, "compiler", lambda build, kind:
                               kind.triplet and kind.triplet + "-"):
            line = kernel.make_command(self.setup, "out", "Image", flavor="arm64")
            self.assertLessEqual({"ARCH=arm64", "CC=aarch64-linux-gnu-gcc", "HOSTCC=gcc",
                                  "CROSS_COMPILE=aarch64-linux-gnu-", "Image"}, set(line))
            line = kernel.make_command(self.setup, "out", flavor="i386")
            self.assertLessEqual({"ARCH=i386", "CC=gcc"}, set(line))
            self.assertFalse([word for word in line if word.startswith("CROSS")])
            for flavor, want in (("guest", "ARCH=x86"), ("uml-debug", "ARCH=um")):
                self.assertIn(want, kernel.make_command(self.setup, "out", flavor=flavor))

    def test_user_mode_above_numbers(self):
        """A program linked with the options of user-mode Linux lies above 4 GiB."""
        path = functools.partial(os.path.join, self.dir)
        for flavor in kernel.FLAVORS:
            words = kernel.make_command(self.setup, "out", flavor=flavor)
            options = dict(word.split("=", 1) for word in words if "=" in word)
            self.assertEqual("START" in options, flavor in kernel.UML)
            if flavor not in kernel.UML:
                continue
            kernel.make_start_files(self.setup)
            with open(path("main.c"), "w", encoding="utf-8") as out:
                out.write("int main(void) { return (unsigned long)main >> 38 != 1; }\n")
            subprocess.run(["gcc", "-mcmodel=large", *options["LINK-y"].split(),
                            f"-Wl,-Ttext-segment={options['START']}", path("main.c"),
                            "-o", path("main")], check=True)
            subprocess.run([path("main")], check=True)

    def test_options_that_a_tree_lacks(self):
        """The error names them, and nothing is built."""
        def allnoconfig(*_args, **_more):
            with open(self.setup.path("x86-64-rt", ".config"), "w", encoding="utf-8") as out:
                out.write("CONFIG_SMP=y\n")
        with mock.patch.object(kernel, "release", lambda setup: (6, 1)), \
                mock.patch.object(kernel, "run_logged", allnoconfig), \
                self.assertRaisesRegex(work.Failed, "did not take:(.|\n)*"
                                       "CONFIG_PREEMPT_RT=y"):
            kernel.configure(self.setup, "x86-64-rt")

    def test_command(self):
        """Without a kind, the command prints the list and fails."""
        def run(*args):
            return subprocess.run(
                [os.path.join(work.SCRIPTS, "kmemleak-dev"), *args], text=True,
                capture_output=True, check=False, env={**os.environ, "O": self.dir})
        for args in (("test-arch",), ("test-arch", "vax"), ("packages",)):
            got = run(*args)
            self.assertEqual(got.returncode, 1)
            for name in arches.KINDS:
                self.assertIn(name, got.stderr.split())
        for name, kind in arches.KINDS.items():
            self.assertEqual(run("packages", name).stdout.split(), list(kind.packages))


# Replaces apt-get, apt-cache and dpkg-deb. Records how it was called.
FAKE = """#!/bin/sh
echo "${0##*/} $*" >> "$CALLS"
while :; do case $1 in -o*) shift ;; *) break ;; esac; done
case "$*" in
*depends*)	[ ! -e "$CALLS.empty" ] || ! rm "$CALLS.empty" || exit 0
		printf '%s\\n' $KNOWN | sed 's/^-/  Depends: /; s/^+/ |Depends: /' ;;
*download*)	shift 2; for name; do echo > "${name}_1_all.deb"; done ;;
"-x "*)		mkdir -p unpacked/usr/bin unpacked/usr/lib/x86_64-linux-gnu
		echo > "unpacked/usr/bin/$(basename "$2" | cut -d_ -f1 | sed s/-static//)" ;;
esac
"""


class Fetch(AptTest):
    FAKE = FAKE

    def machine(self, known):
        return self.debian(KNOWN=known)

    def test_compiler(self):
        kind = arches.KINDS["arm64"]
        with self.machine("gcc-aarch64-linux-gnu -gcc-12-aarch64-linux-gnu -libc6 "
                          "+libgcc-12-dev-arm64-cross -libc6-arm64-cross -<virtual> "
                          "-gcc-12-aarch64-linux-gnu-base -cpp-12-riscv64-linux-gnu"):
            self.assertEqual(arches.compiler(self.out, kind), "aarch64-linux-gnu-")
            calls = self.called()
            os.unlink(self.calls)
            # The second call fetches nothing.
            arches.compiler(self.out, kind)
            self.assertFalse(os.path.exists(self.calls))
        got = next(call for call in calls if " download " in call).partition(" download ")[2]
        self.assertEqual(got.split(), [
            "gcc-12-aarch64-linux-gnu", "gcc-12-aarch64-linux-gnu-base",
            "gcc-aarch64-linux-gnu", "libgcc-12-dev-arm64-cross"])
        top = self.out + "/sources/gcc-aarch64-linux-gnu/usr"
        self.assertEqual(os.listdir(self.out + "/sources"), ["gcc-aarch64-linux-gnu"])
        clean = arches.environ(self.out, {"PATH": "/bin"})
        self.assertEqual(clean, {"PATH": "/bin:" + top + "/bin",
                                 "LD_LIBRARY_PATH": top + "/lib/x86_64-linux-gnu"})
        self.assertEqual(arches.environ("/none", {"PATH": "/bin"}), {"PATH": "/bin"})

    def test_the_hosts_own(self):
        self.assertEqual(arches.compiler(self.out, arches.I386), "")
        self.assertEqual(arches.busybox(self.out, arches.X86), arches.BUSYBOX)
        self.assertFalse(os.path.exists(self.out))

    def test_busybox(self):
        with self.machine("busybox-static -libc6"):
            path = arches.busybox(self.out, arches.RISCV64)
        self.assertEqual(path, self.out + "/sources/busybox-riscv64/usr/bin/busybox")
        self.check_calls(3)

    def test_busybox_of_a_later_release(self):
        """The machine's own release has no BusyBox for this architecture."""
        with open(self.calls + ".empty", "w", encoding="utf-8"), \
                self.machine("busybox-static"):
            arches.busybox(self.out, arches.RISCV64)
        self.check_calls(5)

    def check_calls(self, number):
        calls = [call for call in self.called() if call.startswith("apt-")]
        self.assertEqual(len(calls), number)
        for call in calls:
            self.assertIn(" -oAPT::Architecture=riscv64 -oAPT::Architectures=riscv64 ", call)
            self.assertIn(" -oDir::State::Status=/dev/null ", call)

    def test_what_cannot_be_had(self):
        with self.machine("libc6"), self.assertRaisesRegex(
                work.Failed, "a compiler for s390x: no package gcc-s390x-linux-gnu in "
                "bookworm of http://here/debian, see "):
            kernel.prefix(work.Setup({"O": self.out}), "s390x")

    def test_ccache_knows_each_compiler(self):
        for kind in CROSS:
            self.assertIn(kind.triplet + "-gcc", work.COMPILERS)
