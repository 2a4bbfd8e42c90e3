# SPDX-License-Identifier: GPL-2.0-only
"""Tests kmemleak-tree on scratch trees: apply, update, remove, refuse, recover."""

import os
import subprocess
from dataclasses import replace
from unittest import mock

from scratch import BYSTANDER, Memory, ScratchTest, base_chain, patches, read_chains, snapshot
from tooling import chains, tree
from tooling.work import ROOT, full

STOCK = "mm/kmemleak.c"
HEADER = "include/linux/kmemleak.h"


class Apply(ScratchTest):
    def test_brings_everything(self):
        self.expect(0, "applied", "apply", self.tree)
        self.assertFalse(os.path.exists(os.path.join(self.tree, STOCK)))
        edited = {edit.path for patch in patches() for edit in patch.edits}
        for patch in patches():
            sources = [(path, self.project) for path in patch.add + patch.overwrite]
            for path, top in sources + list(patch.compat.items()):
                names = tree.files_below(top, path)
                self.assertTrue(names, path)
                for name in names:
                    if name not in edited:
                        self.assertEqual(self.get(name), self.get(name, top), name)
            for edit in patch.edits:
                text = self.get(edit.path).decode()
                for line in edit.text.get("insert", edit.text.get("with", [])):
                    self.assertIn(line + "\n", text)

    def test_folder_takes_over(self):
        self.put("samples/kmemleak/more.c", b"int more;\n")
        before = snapshot(self.tree, state=True)
        self.expect(0, "applied", "apply", self.tree)
        self.assertEqual(
            set(tree.files_below(self.tree, "samples/kmemleak")),
            set(tree.files_below(self.project, "samples/kmemleak")))
        self.expect(0, "removed", "remove", self.tree)
        self.assertEqual(snapshot(self.tree, state=True), before)

    def test_modes_without_umask(self):
        self.put("mm/kmemleak/a.sh", b"#\n", 0o700, root=self.project)
        self.put("mm/kmemleak/b.c", b"/**/\n", 0o600, root=self.project)
        self.expect(0, "applied", "apply", self.tree)
        for name, mode in (("a.sh", 0o100755), ("b.c", 0o100644)):
            path = os.path.join(self.tree, "mm/kmemleak", name)
            self.assertEqual(os.lstat(path).st_mode, mode)

    def test_removes_stock_options_and_objects(self):
        self.expect(0, "applied", "apply", self.tree)
        options = next(edit for patch in patches() for edit in patch.edits
                       if edit.id == "kconfig-remove")
        kconfig = self.get(options.path).decode().splitlines()
        self.assertNotIn("config DEBUG_KMEMLEAK", kconfig)
        self.assertIn("config HAVE_DEBUG_KMEMLEAK", kconfig)
        self.assertIn(options.text["cut-until"][0], kconfig)
        self.assertNotIn("kmemleak.o", self.get("mm/Makefile").decode())
        self.assertEqual(
            self.get("MAINTAINERS").decode().splitlines().count("KMEMLEAK"), 1)
        entry = self.get("MAINTAINERS", self.project).decode()
        entry = entry[entry.index("KMEMLEAK"):]
        self.assertNotIn("#", entry)
        self.assertIn("\n\n" + entry + "\n", self.get("MAINTAINERS").decode())

    def test_second_apply_changes_nothing(self):
        self.expect(0, "applied", "apply", self.tree)
        before = snapshot(self.tree, times=True, state=True)
        self.expect(0, "already applied", "apply", self.tree)
        self.expect(0, "already applied", "apply", "--update", self.tree)
        self.assertEqual(snapshot(self.tree, times=True, state=True), before)

    def test_leaves_other_files_alone(self):
        before = os.lstat(os.path.join(self.tree, BYSTANDER))
        self.expect(0, "applied", "apply", self.tree)
        self.expect(0, "removed", "remove", self.tree)
        after = os.lstat(os.path.join(self.tree, BYSTANDER))
        self.assertEqual((before.st_ino, before.st_mtime_ns),
                         (after.st_ino, after.st_mtime_ns))

    def test_hard_linked_twin_stays(self):
        twin = os.path.join(self.dir, "twin")
        subprocess.run(["cp", "-al", self.tree, twin], check=True)
        before = snapshot(twin, times=True)
        self.expect(0, "applied", "apply", self.tree)
        self.assertEqual(snapshot(twin, times=True), before)

    def test_include_only_if_missing(self):
        line = b"#include <linux/kmemleak.h>\n"
        text = self.get("kernel/fork.c").replace(
            b"#include <linux/stackleak.h>\n",
            line + b"#include <linux/stackleak.h>\n")
        self.put("kernel/fork.c", text)
        self.expect(0, "applied", "apply", self.tree)
        self.assertEqual(self.get("kernel/fork.c").count(line), 1)


class Remove(ScratchTest):
    def test_byte_for_byte(self):
        os.chmod(os.path.join(self.tree, "mm/Makefile"), 0o600)
        os.chmod(os.path.join(self.tree, STOCK), 0o755)
        os.chmod(os.path.join(self.tree, "MAINTAINERS"), 0o444)
        # No line feed at the end, bytes that are not UTF-8, a link.
        self.put("kernel/fork.c", self.get("kernel/fork.c") + b"/* \xff */")
        os.rename(os.path.join(self.tree, STOCK),
                  os.path.join(self.tree, "mm/elsewhere.c"))
        os.symlink("elsewhere.c", os.path.join(self.tree, STOCK))
        before = snapshot(self.tree, state=True)
        self.expect(0, "applied", "apply", self.tree)
        self.assertNotEqual(snapshot(self.tree), before)
        self.expect(0, "as it was", "remove", self.tree)
        self.assertEqual(snapshot(self.tree, state=True), before)

    def test_not_applied(self):
        before = snapshot(self.tree, times=True, state=True)
        self.expect(0, "not applied", "remove", self.tree)
        self.assertEqual(snapshot(self.tree, times=True, state=True), before)

    def test_refuses_changed_files(self):
        for path in (HEADER, "mm/Makefile", "lib/Kconfig.kmemleak"):
            with self.subTest(path):
                self.expect(0, "appl", "apply", "--update", self.tree)
                kept = self.get(path)
                self.put(path, kept + b"# mine\n")
                before = snapshot(self.tree, times=True, state=True)
                self.expect(1, f"{path}: changed since", "remove", self.tree)
                self.expect(1, f"{path}: changed since", "apply", self.tree)
                self.expect(1, f"{path}: changed since", "apply", "--update",
                            self.tree)
                self.assertEqual(snapshot(self.tree, times=True, state=True),
                                 before)
                self.put(path, kept)

    def test_keeps_what_a_build_left(self):
        self.expect(0, "applied", "apply", self.tree)
        self.put("mm/kmemleak/core.o", b"object")
        self.expect(0, "mm/kmemleak", "remove", self.tree)
        self.assertEqual(self.get("mm/kmemleak/core.o"), b"object")

    def test_git_sees_nothing(self):
        def git(*args):
            return subprocess.run(["git", "-C", self.tree, *args], check=True,
                                  capture_output=True, text=True).stdout
        git("init", "-q")
        git("add", "-A")
        git("-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "t")
        self.expect(0, "applied", "apply", self.tree)
        status = git("status", "--porcelain", "-uall")
        self.assertIn(HEADER, status)
        self.assertNotIn(tree.STATE + "/", status)
        self.expect(0, "removed", "remove", self.tree)
        self.assertEqual(git("status", "--porcelain", "-uall"), "")


def edit_of(name):
    """The edit with this id, in the version for the base tree."""
    return next(found for patch in patches() for found in patch.edits if found.id == name)


class Refuse(ScratchTest):
    def refused(self, text, *args):
        before = snapshot(self.tree, times=True, state=True)
        said = self.expect(1, text, "apply", *args, self.tree)
        self.assertIn("nothing was changed", said)
        self.assertEqual(snapshot(self.tree, times=True, state=True), before)
        return said

    def test_every_anchor(self):
        chain = base_chain()
        for patch in chain.patches:
            for edit in patch.edits:
                for key in ("after", "before", "replace", "cut-from"):
                    for line in self.standing(edit, key):
                        with self.subTest(edit.origin, line=line):
                            self.one_anchor(chain, edit.path, line,
                                            self.standing(edit, "in"))

    def standing(self, edit, key):
        """The lines of an anchor that the tree has: the first of several alternatives. Nothing
        for a file of the project, which a delta may edit."""
        if not os.path.exists(os.path.join(self.tree, edit.path)):
            return []
        for lines in [edit.text.get(key, []), *edit.others.get(key, [])]:
            if ("\n".join(lines) + "\n").encode() in self.get(edit.path):
                return lines
        return []

    def one_anchor(self, chain, path, line, inside):
        node = self.nodes[path]
        lines = node.data.decode().split("\n")
        first, end = 0, len(lines)
        if inside:
            first = lines.index(inside[0])
            end = lines.index("}", first)
        self.assertEqual(lines[first:end].count(line), 1, line)
        number = lines.index(line, first)
        # For a difference in blanks, the message has the exact line. Another change can
        # resemble a different line more, but the message has the file and the missing line.
        for other, where in ((line + " ", f":{number + 1}"), (line[:-1], "")):
            lines[number] = other
            changed = replace(node, data="\n".join(lines).encode())
            with self.assertRaises(tree.Refused) as caught:
                tree.choose_plan([chain], ROOT, Memory({**self.nodes, path: changed}))
            said = "\n".join(caught.exception.args)
            self.assertIn(f"{path}{where}", said)
            self.assertIn(f": expected {line!r}, found ", said)

    def test_anchor_gone(self):
        text = self.get("mm/Makefile").decode()
        self.put("mm/Makefile", b"# nothing of it\n")
        self.refused("mm/Makefile: expected ")
        self.put("mm/Makefile", text.encode())

    def test_anchor_twice(self):
        line = edit_of("stack-scan-area").text["before"][0] + "\n"
        text = self.get("kernel/fork.c").decode()
        first = text[:text.index(line)].count("\n") + 1
        self.put("kernel/fork.c", text.replace(line, line * 2).encode())
        self.refused(f"kernel/fork.c:{first + 1}: expected "
                     f"{line.rstrip()!r} once, found it in lines "
                     f"{first}, {first + 1}")

    def test_file_missing(self):
        for path in (STOCK, HEADER, "MAINTAINERS", edit_of("kconfig-remove").path):
            with self.subTest(path):
                kept = self.get(path)
                os.unlink(os.path.join(self.tree, path))
                self.refused(f"{path}: not in the tree")
                self.put(path, kept)

    def test_partly_present(self):
        self.put("mm/kmemleak/index.c", b"/* of another version */\n")
        self.refused("mm/kmemleak/index.c: already in the tree")

    def test_link_out_of_the_tree(self):
        outside = os.path.join(self.dir, "outside")
        os.rename(os.path.join(self.tree, "samples"), outside)
        os.symlink(outside, os.path.join(self.tree, "samples"))
        before = snapshot(outside, times=True)
        self.refused("a link leads out of the tree")
        self.assertEqual(snapshot(outside, times=True), before)

    def test_no_such_folder(self):
        self.expect(1, "not a folder", "apply", self.tree + "-none")

    def test_file_that_no_patch_brings(self):
        self.put("mm/stray.c", b"int stray;\n", root=self.project)
        self.refused("mm/stray.c: no patch of the series brings it")

    def test_project_lacks_a_part(self):
        os.unlink(os.path.join(self.project, "lib/Kconfig.kmemleak"))
        self.refused("lib/Kconfig.kmemleak: the project lacks it")

    def test_bad_series(self):
        name = os.path.join(self.project, "scripts/series/06-subsystem.series")
        edit = "edit: mm/Makefile\nid: odd\nwhy: x\n"
        for text, fault in (
                ("edit: mm/Makefile\nid: odd\nafter:\n|x\ninsert:\n|y\n", "has a why"),
                (edit + "after:\n|x\nbefore:\n|x\ninsert:\n|y\n", "one operation"),
                (edit + "cut-from:\n|x\nwith:\n|y\n", "one operation"),
                (edit + "replace:\nwith:\n|y\n", "a key without text"),
                ("nonsense\n", "neither"), ("\n|text\n", "text without a key"),
                ("odd: x\n", "has no place here")):
            with self.subTest(text):
                with open(name, "a", encoding="utf-8") as out:
                    out.write("\n" + text)
                before = snapshot(self.tree, times=True, state=True)
                said = self.expect(1, fault, "apply", self.tree)
                self.assertIn("06-subsystem.series:", said)
                self.assertEqual(snapshot(self.tree, times=True, state=True),
                                 before)
                with open(name, "r+", encoding="utf-8") as out:
                    kept = out.read()[:-len(text) - 1]
                    out.seek(0)
                    out.truncate()
                    out.write(kept)


class Update(ScratchTest):
    def setUp(self):
        super().setUp()
        self.before = snapshot(self.tree, state=True)
        self.expect(0, "applied", "apply", self.tree)

    def change_project(self):
        """Changes a file, adds a file, removes a file, and changes an edit."""
        self.put("mm/kmemleak/fresh.c", b"int fresh;\n", root=self.project)
        gone = tree.files_below(self.project, "tools/testing/kmemleak")[0]
        os.unlink(os.path.join(self.project, gone))
        self.put(HEADER, self.get(HEADER, self.project) + b"/* new */\n",
                 root=self.project)
        with open(os.path.join(self.project, "MAINTAINERS"), "a",
                  encoding="utf-8") as out:
            out.write("F:	mm/kmemleak/fresh.c\n")
        return {"mm/kmemleak/fresh.c", gone, HEADER, "MAINTAINERS"}

    def test_asks_first(self):
        self.change_project()
        before = snapshot(self.tree, times=True, state=True)
        self.expect(1, "a different version", "apply", self.tree)
        self.assertEqual(snapshot(self.tree, times=True, state=True), before)

    def test_changes_only_what_differs(self):
        changed = self.change_project()
        before = snapshot(self.tree, times=True)
        self.expect(0, "updated, 4 files", "apply", "--update", self.tree)
        after = snapshot(self.tree, times=True)
        self.assertEqual({path for path in before.keys() | after.keys()
                          if before.get(path) != after.get(path)}, changed)
        self.expect(0, "already applied", "apply", self.tree)

    def test_then_remove(self):
        self.change_project()
        self.expect(0, "updated", "apply", "--update", self.tree)
        self.expect(0, "removed", "remove", self.tree)
        self.assertEqual(snapshot(self.tree, state=True), self.before)

    def test_refused_update_keeps_the_old(self):
        with open(os.path.join(self.project, "scripts/series/07-hooks.series"),
                  "a", encoding="utf-8") as out:
            out.write("\nedit: kernel/fork.c\nid: odd\nwhy: x\nafter:\n|no such line\n"
                      "insert:\n|x\n")
        before = snapshot(self.tree, times=True, state=True)
        self.expect(1, "kernel/fork.c: expected 'no such line'", "apply",
                    "--update", self.tree)
        self.assertEqual(snapshot(self.tree, times=True, state=True), before)


# Number of steps from one interruption to the next, if there are many steps.
MANY = 13 if full() == "1" else 41


class Interrupt(ScratchTest):
    """Stops after the nth step of each kind, for every n, then goes on."""

    def interrupted(self, action, steps):
        """Runs action, which dies at the nth call of a step. Returns whether it died."""
        name, count = steps
        real = getattr(tree.Tree, name, None) or getattr(tree, name)
        owner = tree.Tree if hasattr(tree.Tree, name) else tree
        calls = [0]

        def dying(*args, **kwargs):
            calls[0] += 1
            if calls[0] > count:
                raise KeyboardInterrupt
            return real(*args, **kwargs)

        target = tree.Tree(self.tree)
        try:
            with mock.patch.object(owner, name, dying):
                action(target)
            return False
        except KeyboardInterrupt:
            return True
        finally:
            target.close()

    def apply(self, target):
        tree.apply(target, self.chains, self.project, True)

    def settled(self, action):
        target = tree.Tree(self.tree)
        try:
            return action(target)
        finally:
            target.close()

    def everywhere(self, prepare, action):
        original = snapshot(self.tree, state=True)
        self.settled(self.apply)
        applied = snapshot(self.tree)
        self.settled(tree.remove)
        for name in ("save", "store", "write_node", "drop_folders", "forget"):
            count, died = 0, True
            while died:
                for goal in ("apply", "remove"):
                    prepare()
                    died = self.interrupted(action, (name, count))
                    if goal == "apply":
                        self.settled(self.apply)
                        self.assertEqual(snapshot(self.tree), applied)
                    self.settled(tree.remove)
                    self.assertEqual(snapshot(self.tree, state=True), original,
                                     (name, count, goal))
                self.reached[name] = count
                # Every step at first, then only some of them.
                count += 1 if count < 4 else MANY

    def setUp(self):
        super().setUp()
        self.reached = {}
        self.chains = [base_chain(self.project)]

    def test_apply(self):
        self.everywhere(lambda: None, self.apply)
        self.assertGreater(self.reached["save"], 10)
        self.assertGreater(self.reached["write_node"], 10)
        self.assertEqual(self.reached["store"], 2)

    def test_remove(self):
        self.everywhere(lambda: self.settled(self.apply), tree.remove)
        self.assertGreater(self.reached["write_node"], 10)
        self.assertEqual(self.reached["forget"], 1)

    def test_update(self):
        old = [chains.Chain("old", patches()[:2])]

        def older(target):
            tree.apply(target, old, self.project, True)

        with mock.patch.object(tree, "ROOTS", ()):
            self.everywhere(lambda: self.settled(older), self.apply)
        self.assertGreater(self.reached["write_node"], 10)

    def test_half_written_file(self):
        """Killed while a file is being prepared: the tree shows nothing of the file."""
        original = snapshot(self.tree, state=True)
        real = os.replace

        def dying(src, dst):
            if dst.endswith("Makefile"):
                raise KeyboardInterrupt
            real(src, dst)

        target = tree.Tree(self.tree)
        with mock.patch.object(os, "replace", dying):
            self.assertRaises(KeyboardInterrupt, self.apply, target)
        target.close()
        self.expect(0, "interrupted run was completed", "apply", self.tree)
        self.expect(0, "removed", "remove", self.tree)
        self.assertEqual(snapshot(self.tree, state=True), original)
