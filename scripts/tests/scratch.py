# SPDX-License-Identifier: GPL-2.0-only
"""Scratch trees for tests: a kernel tree that has just the files that the
series touches, and a copy of the project that a test may change."""

import os
import shutil
import stat
import subprocess
import tempfile
import unittest

from tooling import series, tree
from tooling.work import ROOT, SCRIPTS

BASE = os.environ["KMEMLEAK_BASE_TREE"]
# Not touched by the series; must never change.
BYSTANDER = "mm/bystander.c"


def patches(root=ROOT):
    return series.read_series(os.path.join(root, "scripts", "series"), root)


def base_files():
    """path -> Node of the base tree, for every path that the series names."""
    source = tree.Tree(BASE)
    original = tree.Originals(source)
    paths = set()
    for patch in patches():
        paths.update(patch.remove)
        paths.update(edit.path for edit in patch.edits)
        for path in patch.add + patch.overwrite:
            paths.update(original.below(path))
    nodes = {path: original(path) for path in paths}
    source.close()
    return nodes


def snapshot(root, times=False, state=False):
    """Everything below a folder: kind, mode, content, and times if asked."""
    found = {}
    for folder, folders, names in os.walk(root):
        if not state and tree.STATE in folders:
            folders.remove(tree.STATE)
        if ".git" in folders:
            folders.remove(".git")
        for name in folders + names:
            full = os.path.join(folder, name)
            info = os.lstat(full)
            data = b""
            if stat.S_ISLNK(info.st_mode):
                data = os.readlink(full)
            elif stat.S_ISREG(info.st_mode):
                with open(full, "rb") as src:
                    data = src.read()
            found[os.path.relpath(full, root)] = (
                info.st_mode, data,
                info.st_mtime_ns if times and not stat.S_ISDIR(info.st_mode)
                else 0)
    return found


class ScratchTest(unittest.TestCase):
    """self.tree: a scratch kernel tree, self.project: a copy of the project."""

    @classmethod
    def setUpClass(cls):
        cls.nodes = base_files()

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kmemleak-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.tree = os.path.join(self.dir, "tree")
        self.project = os.path.join(self.dir, "project")
        for path, node in self.nodes.items():
            self.put(path, node.data, node.mode)
        self.put(BYSTANDER, b"int bystander;\n")
        self.put("Kbuild", b"# a kernel tree has one\n")
        for top in (*tree.ROOTS, "scripts"):
            for path in tree.files_below(ROOT, top):
                target = os.path.join(self.project, path)
                os.makedirs(os.path.dirname(target), exist_ok=True)
                shutil.copy2(os.path.join(ROOT, path), target)
        shutil.copy2(os.path.join(ROOT, "MAINTAINERS"), self.project)

    def put(self, path, data, mode=0o644, root=None):
        full = os.path.join(root or self.tree, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        with open(full, "wb") as out:
            out.write(data)
        os.chmod(full, mode)

    def get(self, path, root=None):
        with open(os.path.join(root or self.tree, path), "rb") as src:
            return src.read()

    def run_tool(self, *args):
        """(status, everything it said) of the project copy's kmemleak-tree."""
        tool = os.path.join(self.project, os.path.relpath(SCRIPTS, ROOT),
                            "kmemleak-tree")
        got = subprocess.run([tool, *args], capture_output=True, text=True,
                             check=False)
        return got.returncode, got.stdout + got.stderr

    def expect(self, status, text, *args):
        got, said = self.run_tool(*args)
        self.assertEqual(got, status, said)
        self.assertIn(text, said)
        return said
