# SPDX-License-Identifier: GPL-2.0-only
"""Scratch folders for tests: a kernel tree with only the files that the series touches,
and a copy of the project that a test may change. Also a machine on which a script
replaces apt."""

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
import unittest
from unittest import mock

from tooling import chains, sources, tree
from tooling.work import ROOT, SCRIPTS

BASE = os.environ["KMEMLEAK_BASE_TREE"]
# The series does not touch this file, so it must never change.
BYSTANDER = "mm/bystander.c"


def read_chains(root=ROOT):
    return chains.read_chains(os.path.join(root, "scripts", "series"), root)


def base_chain(root=ROOT):
    """The chain that fits the base tree."""
    source = tree.Tree(BASE)
    chain, _ = tree.choose_plan(read_chains(root), root, tree.Originals(source))
    source.close()
    return chain


def patches():
    return base_chain().patches


def base_files():
    """{path: Node} of the base tree, for every path that a chain names."""
    source = tree.Tree(BASE)
    original = tree.Originals(source)
    paths = set()
    for patch in (patch for chain in read_chains() for patch in chain.patches):
        paths.update(patch.remove)
        paths.update(edit.path for edit in patch.edits)
        for path in patch.add + patch.overwrite + list(patch.compat):
            paths.update(original.below(path))
    nodes = {path: original(path) for path in paths}
    source.close()
    return {path: node for path, node in nodes.items() if node.kind != "none"}


class Memory:
    """Works like tree.Originals() of a tree with only these nodes."""

    def __init__(self, nodes):
        self.nodes = nodes

    def __call__(self, path):
        return self.nodes.get(path, tree.NOTHING)

    def below(self, path):
        return sorted(name for name in self.nodes
                      if name == path or name.startswith(path + "/"))


def snapshot(root, times=False, state=False):
    """Everything below a folder: kind, mode, content, and if times is set, times."""
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


class Scratch(unittest.TestCase):
    """self.tree and self.project: folders for a kernel tree and for a project."""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kmemleak-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.tree = os.path.join(self.dir, "tree")
        self.project = os.path.join(self.dir, "project")

    def copy_project(self, *tops):
        for path in (path for top in tops for path in tree.files_below(ROOT, top)):
            target = os.path.join(self.project, path)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(os.path.join(ROOT, path), target)

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
        """Runs kmemleak-tree of the project's copy. Returns (status, all output)."""
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


class AptTest(unittest.TestCase):
    """A Debian machine on which the script FAKE replaces apt-get, apt-cache and dpkg-deb. The
    script writes to the file $CALLS how it was called."""
    FAKE = ""

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="kmemleak-test-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.out = os.path.join(self.dir, "out")
        self.etc = os.path.join(self.dir, "etc")
        self.calls = os.path.join(self.dir, "calls")
        for path, text in (("etc/sources.list", "deb http://here/debian bookworm main\n"),
                           ("os-release", 'VERSION_CODENAME="bookworm"\n'),
                           *((f"bin/{name}", self.FAKE)
                             for name in ("apt-get", "apt-cache", "dpkg-deb"))):
            path = os.path.join(self.dir, path)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as out:
                out.write(text)
            os.chmod(path, 0o755)

    @contextlib.contextmanager
    def debian(self, **environ):
        with mock.patch.object(sources, "ETC_APT", self.etc), \
                mock.patch.object(sources, "OS_RELEASE", self.dir + "/os-release"), \
                mock.patch.dict(os.environ, {
                    "PATH": f"{self.dir}/bin:{os.environ['PATH']}",
                    "CALLS": self.calls, **environ}):
            yield

    def called(self):
        with open(self.calls, encoding="utf-8") as src:
            return src.read().splitlines()


class ScratchTest(Scratch):
    """A scratch kernel tree, and a copy of the project."""

    @classmethod
    def setUpClass(cls):
        cls.nodes = base_files()

    def setUp(self):
        super().setUp()
        for path, node in self.nodes.items():
            self.put(path, node.data, node.mode)
        self.put(BYSTANDER, b"int bystander;\n")
        self.put("Kbuild", b"# a kernel tree has one\n")
        self.copy_project(*tree.ROOTS, "scripts", "MAINTAINERS")
