# SPDX-License-Identifier: GPL-2.0-only
"""Tests the patches of `make patch`: git applies them, with the same result as apply."""

import glob
import os
import shutil
import subprocess
import unittest
import unittest.mock

from scratch import ScratchTest, snapshot
from tooling import mailbox, tree


@unittest.skipUnless(shutil.which("git"), "no git")
class GitAm(ScratchTest):
    def git(self, *args):
        got = subprocess.run(
            ["git", "-C", self.tree, "-c", "user.name=t",
             "-c", "user.email=t@t", *args], capture_output=True, text=True,
            check=False)
        self.assertEqual(got.returncode, 0, got.stdout + got.stderr)
        return got.stdout + got.stderr

    def patches(self):
        folder = os.path.join(self.dir, "patches")
        self.expect(0, ".patch", "patch", self.tree, folder)
        return sorted(glob.glob(folder + "/*.patch"))

    def test_same_as_apply(self):
        self.git("init", "-q")
        self.git("add", "-A")
        self.git("commit", "-qm", "base")
        paths = self.patches()
        self.assertGreater(len(paths), 3)
        self.git("am", "--whitespace=error-all", *paths)
        by_git = snapshot(self.tree)
        self.assertEqual(self.git("status", "--porcelain", "-uall"), "")
        subjects = self.git("log", "--format=%s|%an|%ae", "--reverse").split("\n")
        self.assertEqual(len(subjects) - 2, len(paths))
        for subject in subjects[1:-1]:
            self.assertTrue(subject.endswith(
                "|kmemleak maintainers|linux-mm@kvack.org"), subject)
        self.git("reset", "-q", "--hard", f"HEAD~{len(paths)}")
        self.expect(0, "applied", "apply", self.tree)
        self.assertEqual(snapshot(self.tree), by_git)

    def test_from_an_applied_tree(self):
        def contents():
            return [[line for line in open(path, encoding="utf-8",
                                           errors="surrogateescape")
                     if not line.startswith("Date: ")]
                    for path in self.patches()]
        before = snapshot(self.tree, times=True, state=True)
        plain = contents()
        self.assertEqual(snapshot(self.tree, times=True, state=True), before)
        self.expect(0, "applied", "apply", self.tree)
        self.assertEqual(contents(), plain)

    def test_odd_files(self):
        """Files without a line feed at the end, empty files, modes, carriage returns."""
        cases = [(b"a\nb", b"a\nc"), (b"a\n", b"a"), (b"a", b"a\n"),
                 (b"", b"x\n"), (b"x\n", b""), (b"a\r\nb\n", b"a\r\nc\n"),
                 (b"a\n" * 9 + b"b\n" + b"a\n" * 9, b"a\n" * 18),
                 (b"1\n2\n3\n4\n5\n6\n7\n8\n9\n", b"0\n1\n2\n3\n4\n5\n6\n7\n8\n"),
                 # An insertion whose end equals the lines before it.
                 (b"a\n1\n2\n3\nb\n", b"0\na\n1\n2\n3\nnew\n1\n2\n3\nb\n"),
                 (None, b""), (None, b"x"), (b"x\ny\n", None), (b"", None)]
        shutil.rmtree(self.tree)
        os.makedirs(self.tree)
        self.git("init", "-q")
        changes = {}
        for number, (old, new) in enumerate(cases):
            nodes = [tree.NOTHING if data is None
                     else tree.Node("file", mode, data)
                     for data, mode in ((old, 0o644), (new, 0o755))]
            changes[f"f{number:02}"] = tuple(nodes)
            if old is not None:
                self.put(f"f{number:02}", old)
        self.git("add", "-A")
        self.git("commit", "-qm", "base")
        patch = unittest.mock.Mock(subject="odd", body=["text"])
        patch.name = "01-odd"
        plan = tree.Plan({}, [(patch, changes)])
        paths = mailbox.write_patches(plan, os.path.join(self.dir, "p"))
        self.git("am", "--keep-cr", *paths)
        for path, (_, new) in changes.items():
            self.assertEqual(tree.read_node(os.path.join(self.tree, path)),
                             new, path)
