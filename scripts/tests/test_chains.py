# SPDX-License-Identifier: GPL-2.0-only
"""Tests series and deltas, with a project and trees of a few lines: their format, the
chain that a tree gets, and the result."""

import glob
import json
import os

from scratch import Scratch, snapshot
from tooling import chains, series

HEAD = "subject: mm: a patch\nbody:\n|Why.\n\n"
FIRST = HEAD + """add: mm/new.c

edit: mm/a.c
id: declare
why: For the others.
after:
|int first;
insert:
|int ours;
"""
SECOND = HEAD + """edit: mm/a.c
id: second
why: Not needed any more.
replace:
|int second;

edit: mm/a.c
id: result
why: What this is about.
in:
|int f(void)
replace:
|	return newest;
with:
|	return ours;

edit: mm/b.c
id: kind
why: Of another kind.
replace:
|int newest;

edit: mm/a.c
id: last
why: In the end.
after:
|int end;
insert:
|int our_end;
"""
MIDDLE = """edit: mm/a.c
id: result
why: It had another name.
replace:
|	return middle;
with:
|	return ours + 1;
"""
MIDDLE_KIND = MIDDLE + """
edit: mm/b.c
id: kind
why: As well.
replace:
|int middle;
"""
OLDEST = """to: 01-first
compat: include/linux/lacking.h
remove: mm/old.c
drop: second

edit: mm/a.c
id: result
why: And yet another.
replace:
|	return oldest;
with:
|	return ours + 2;

edit: mm/b.c
id: kind
why: As well.
replace:
|int oldest;

edit: mm/b.c
id: extra
to: 02-second
why: Only there.
after:
|int b;
insert:
|int our_b;
"""
RESULTS = {"7.3": "newest", "6.12": "middle", "6.1": "oldest"}
CHAINS = {"7.3": "series", "6.12": "series + 6.12", "6.1": "series + 6.12 + 6.1"}


class ChainTest(Scratch):
    def setUp(self):
        super().setUp()
        self.copy_project("scripts/kmemleak-tree", "scripts/tooling")
        self.put("mm/new.c", b"int new;\n", root=self.project)
        self.series("01-first", FIRST)
        self.series("02-second", SECOND)
        self.series("6.12/all", MIDDLE_KIND)
        self.series("6.1/all", OLDEST)
        self.series("6.1/compat/include/linux/lacking", "/* lacking */\n", ".h")
        self.kernel("7.3")

    def series(self, name, text, end=".series"):
        self.put(f"scripts/series/{name}{end}", text.encode(), root=self.project)

    def kernel(self, version):
        """Makes a tree that one of the chains fits."""
        second = "int second;\n" if version != "6.1" else ""
        self.put("mm/a.c", f"int first;\n{second}int end;\nint f(void)\n{{\n"
                 f"\treturn {RESULTS[version]};\n}}\n".encode())
        self.put("mm/b.c", f"int b;\nint {RESULTS[version]};\n".encode())
        if version == "6.1":
            self.put("mm/old.c", b"int old;\n")

    def read(self):
        return chains.read_chains(os.path.join(self.project, "scripts/series"),
                                  self.project)

    def applied_chain(self):
        return json.loads(self.get(".kmemleak/manifest.json"))["chain"]

    def refused(self, text):
        before = snapshot(self.tree, times=True, state=True)
        said = self.expect(1, text, "apply", self.tree)
        self.assertIn("nothing was changed", said)
        self.assertEqual(snapshot(self.tree, times=True, state=True), before)
        return said

    def wrong(self, where, text):
        """Reads a wrong series, and checks where the error is reported."""
        with self.assertRaises(series.SeriesError) as caught:
            self.read()
        self.assertEqual(str(caught.exception)[:len(where)], where)
        self.assertIn(text, str(caught.exception))

    def wrong_delta(self, text, line, fault):
        self.series("6.12/all", text)
        self.wrong(f"6.12/all.series:{line}: ", fault)
        self.series("6.12/all", MIDDLE_KIND)


class Choice(ChainTest):
    def test_each_tree_gets_its_chain(self):
        for version, name in CHAINS.items():
            with self.subTest(version):
                self.kernel(version)
                before = snapshot(self.tree, state=True)
                self.expect(0, f"files (chain: {name})\n", "apply", self.tree)
                self.assertEqual(self.applied_chain(), name)
                self.expect(0, f"nothing to do (chain: {name})\n", "apply", self.tree)
                self.check_text(version)
                self.expect(0, "removed", "remove", self.tree)
                self.assertEqual(snapshot(self.tree, state=True), before)

    def check_text(self, version):
        plus = {"7.3": "", "6.12": " + 1", "6.1": " + 2"}[version]
        self.assertEqual(self.get("mm/a.c").decode(),
                         "int first;\nint ours;\nint end;\nint our_end;\n"
                         f"int f(void)\n{{\n\treturn ours{plus};\n}}\n")
        old = version == "6.1"
        self.assertEqual(self.get("mm/b.c"), b"int b;\n" + b"int our_b;\n" * old)
        self.assertEqual(os.path.exists(os.path.join(self.tree, "include")), old)
        self.assertFalse(os.path.exists(os.path.join(self.tree, "mm/old.c")))
        if old:
            self.assertEqual(self.get("include/linux/lacking.h"), b"/* lacking */\n")

    def test_one_changed_line(self):
        for version, name in CHAINS.items():
            self.kernel(version)
            kept = self.get("mm/a.c")
            lines = kept.decode().split("\n")
            for number, line in enumerate(lines, 1):
                # The delta's edit has no in:, so the function's name may change.
                if line in ("{", "}", "") or (line == "int f(void)" and version != "7.3"):
                    continue
                with self.subTest(version, line=line):
                    changed = [*lines[:number - 1], line + " ", *lines[number:]]
                    self.put("mm/a.c", "\n".join(changed).encode())
                    said = self.refused(f"mm/a.c:{number}: expected {line!r}, found ")
                    self.assertEqual(said.count("expected"), 1, said)
                    self.assertIn("no chain fits; tried: series, series + 6.12, "
                                  f"series + 6.12 + 6.1; closest: {name}\n", said)
            self.put("mm/a.c", kept)

    def test_two_that_are_as_close(self):
        self.put("mm/b.c", b"int b;\nint middle;\n")
        said = self.refused("mm/b.c: expected 'int newest;', found ")
        self.assertIn("mm/a.c: expected '\\treturn middle;', found ", said)
        self.assertIn("; closest: series, series + 6.12\n", said)
        self.assertEqual(said.count("expected"), 2, said)

    def test_the_newest_that_fits(self):
        self.series("6.12/all", "drop: last\n")
        self.expect(0, "(chain: series)", "apply", self.tree)

    def test_update_to_another_chain(self):
        self.kernel("6.12")
        before = snapshot(self.tree, state=True)
        self.expect(0, "applied", "apply", self.tree)
        self.series("6.12/all", MIDDLE_KIND.replace("middle", "other"))
        self.series("6.1/all", MIDDLE_KIND + "\nedit: mm/b.c\nid: extra\nto: 02-second\n"
                    "why: x\nafter:\n|int b;\ninsert:\n|int more;\n")
        os.unlink(os.path.join(self.project,
                               "scripts/series/6.1/compat/include/linux/lacking.h"))
        self.expect(1, "chain series + 6.12, (1 files differ", "apply", self.tree)
        self.expect(0, "updated, 1 files (chain: series + 6.12 + 6.1)", "apply",
                    "--update", self.tree)
        self.assertEqual(self.applied_chain(), "series + 6.12 + 6.1")
        self.assertEqual(self.get("mm/b.c"), b"int b;\nint more;\n")
        self.assertIn(b"ours + 1", self.get("mm/a.c"))
        self.expect(0, "removed", "remove", self.tree)
        self.assertEqual(snapshot(self.tree, state=True), before)

    def test_patches_of_the_trees_chain(self):
        folder = os.path.join(self.dir, "patches")
        for version in CHAINS:
            self.kernel(version)
            self.expect(0, ".patch", "patch", self.tree, folder)
            first, second = (self.get(path, folder).decode()
                             for path in sorted(glob.glob(folder + "/*.patch")))
            old = version == "6.1"
            self.assertEqual("+/* lacking */\n" in first, old)
            self.assertEqual("-int old;\n" in first, old)
            self.assertEqual("+int our_b;\n" in second, old)
            self.assertEqual("-int second;\n" in second, not old)
            self.assertIn(f"-\treturn {RESULTS[version]};\n+\treturn ours", second)

    def test_replaced_in_its_place(self):
        for chain in self.read():
            self.assertEqual(
                [edit.id for patch in chain.patches for edit in patch.edits],
                ["declare", *(["second"] if "6.1" not in chain.name.split()
                              else []), "result", "kind", "last",
                 *(["extra"] if "6.1" in chain.name.split() else [])])

    def test_order(self):
        for name in ("6.9", "10.0"):
            self.series(name + "/all", "drop: last\n" if name == "6.9" else MIDDLE)
        self.series("6.12/all", MIDDLE.replace("ours", "theirs"))
        self.assertEqual([chain.name for chain in self.read()],
                         ["series", "series + 10.0", "series + 10.0 + 6.12",
                          "series + 10.0 + 6.12 + 6.9", "series + 10.0 + 6.12 + 6.9 + 6.1"])


class Deltas(ChainTest):
    def test_ids_of_the_series(self):
        self.series("01-first", FIRST.replace("id: declare\n", ""))
        self.wrong("01-first.series:7: ", "an edit has an id")
        self.series("01-first", FIRST.replace("id: declare", "id: last"))
        self.wrong("02-second.series:27: ", "is that of 01-first.series:7")
        for name in ("Upper", "a_b", "a b", "mm/a.c", "-a", ""):
            self.series("01-first", FIRST.replace("id: declare", "id: " + name))
            self.wrong("01-first.series:8: ", "an id is like-this")

    def test_of_what_is_not_there(self):
        self.wrong_delta(MIDDLE.replace("id: result", "id: resolt"), 1,
                         "no edit resolt to replace")
        self.wrong_delta("drop: second\n# x\ndrop: nope\n", 3, "no nope to drop")
        self.wrong_delta("to: 03-third\n", 1, "no patch '03-third'")
        self.wrong_delta(MIDDLE + "to: 03-third\n", 8, "no patch '03-third'")
        self.series("6.1/all", OLDEST + MIDDLE.replace("result", "second"))
        self.wrong("6.1/all.series:", "second is changed in 6.1/all.series:4 already")
        self.series("6.12/all", "drop: second\n")
        self.series("6.1/all", OLDEST)
        self.wrong("6.1/all.series:4: ", "no second to drop")

    def test_that_change_nothing(self):
        same = SECOND[SECOND.index("edit: mm/a.c\nid: result"):
                      SECOND.index("\nedit: mm/b.c")]
        self.wrong_delta(same.replace("What", "Another reason; what"), 1,
                         "the same as 02-second.series:11")
        self.wrong_delta(MIDDLE + "\n" + MIDDLE, 9,
                         "result is changed in 6.12/all.series:1 already")
        self.wrong_delta(MIDDLE + "to: 02-second\n", 1,
                         "the id result is that of 02-second.series:11")

    def test_keys_out_of_place(self):
        self.wrong_delta("subject: x\n", 1, "has no place here")
        self.wrong_delta("add: mm/new.c\n", 1, "for which patch?")
        self.wrong_delta(MIDDLE + "drop: last\n", 8, "has no place here")
        self.wrong_delta(MIDDLE + "or:\n|x\n", 8, "has no place here")
        self.series("02-second", SECOND + "to: 01-first\n")
        self.wrong("02-second.series:34: ", "has no place here")
        for line in ("drop: declare", "compat: x.h"):
            self.series("02-second", line + "\n" + SECOND)
            self.wrong("02-second.series:1: ", "has no place here")

    def test_compat_files(self):
        self.series("6.1/compat/include/linux/stray", "/* */\n", ".h")
        self.wrong("6.1/compat/include/linux/stray.h: ", "no line")
        self.series("6.1/all", OLDEST.replace("compat: include/linux/lacking.h",
                                              "compat: include/linux"))
        self.assertEqual(len(self.read()), 3)
        self.wrong_delta("to: 01-first\ncompat: a.h\n", 2, "no compat/a.h here")

    def test_compat_file_is_there(self):
        self.kernel("6.1")
        self.series("6.1/all", OLDEST)
        self.put("include/linux/lacking.h", b"/* it has it */\n")
        self.refused("include/linux/lacking.h: already in the tree")

    def test_compat_file_of_two_deltas(self):
        self.series("6.12/all", "to: 02-second\ncompat: include/linux/lacking.h\n"
                    + MIDDLE_KIND)
        self.series("6.12/compat/include/linux/lacking", "/* newer */\n", ".h")
        for version, text in (("6.12", b"/* newer */\n"), ("6.1", b"/* lacking */\n")):
            self.kernel(version)
            self.expect(0, "applied", "apply", self.tree)
            self.assertEqual(self.get("include/linux/lacking.h"), text)
            self.expect(0, "removed", "remove", self.tree)

    def test_drop_a_file(self):
        self.series("01-first", "remove: mm/gone.c\n" + FIRST)
        self.series("6.12/all", "drop: mm/gone.c\n" + MIDDLE_KIND)
        self.put("mm/gone.c", b"int gone;\n")
        self.expect(0, "(chain: series)", "apply", self.tree)
        self.expect(0, "removed", "remove", self.tree)
        os.unlink(os.path.join(self.tree, "mm/gone.c"))
        self.refused("mm/gone.c: not in the tree")
        self.kernel("6.12")
        self.expect(0, "(chain: series + 6.12)", "apply", self.tree)

    def test_file_for_one_tree(self):
        self.put("mm/kernel.c", b"int kernel;\n", root=self.project)
        self.refused("mm/kernel.c: no patch of the series brings it")
        self.series("6.12/all", "to: 01-first\nadd: mm/kernel.c\n" + MIDDLE_KIND)
        self.series("6.1/all", "drop: mm/kernel.c\n" + OLDEST)
        for version in CHAINS:
            self.kernel(version)
            self.expect(0, "applied", "apply", self.tree)
            self.assertEqual(os.path.exists(os.path.join(self.tree, "mm/kernel.c")),
                             version == "6.12")
            self.expect(0, "removed", "remove", self.tree)

    def test_an_empty_folder(self):
        os.makedirs(os.path.join(self.project, "scripts/series/5.15"))
        self.wrong(os.path.join(self.project, "scripts/series/5.15"), "no *.series here")


class Anchors(ChainTest):
    OTHERS = "or:\n|int secondary;\nor:\n|int two;\n|int three;\n"

    def setUp(self):
        super().setUp()
        self.series("02-second", SECOND.replace("|int second;\n",
                                                "|int second;\n" + self.OTHERS))

    def replace(self, new):
        self.kernel("7.3")
        self.put("mm/a.c", self.get("mm/a.c").replace(b"int second;\n", new))

    def test_in_order(self):
        for text in (b"int second;\n", b"int secondary;\n", b"int two;\nint three;\n"):
            with self.subTest(text):
                self.replace(text)
                self.expect(0, "(chain: series)", "apply", self.tree)
                self.check_gone(text)
        self.replace(b"int secondary;\nint second;\n")
        self.expect(0, "(chain: series)", "apply", self.tree)
        self.assertIn(b"int secondary;\n", self.get("mm/a.c"))

    def check_gone(self, text):
        self.assertNotIn(text, self.get("mm/a.c"))
        self.assertIn(b"int ours;\nint end;\n", self.get("mm/a.c"))
        self.expect(0, "removed", "remove", self.tree)

    def test_in_one_place(self):
        for text in (b"int second;\n", b"int secondary;\n"):
            self.replace(text * 2)
            self.refused(f"mm/a.c:3: expected {text.decode()[:-1]!r} once, "
                         "found it in lines 2, 3")

    def test_none(self):
        self.replace(b"int two;\nint  three;\n")
        self.refused("mm/a.c:3: expected 'int three;', found 'int  three;' "
                     "(2 other text(s) tried)")

    def test_needs(self):
        needs = "needs:\n|int end;\n|int f(void)\nneeds:\n|{\n"
        self.series("02-second", SECOND.replace("in:\n", needs + "in:\n"))
        self.expect(0, "(chain: series)", "apply", self.tree)
        self.expect(0, "removed", "remove", self.tree)
        self.put("mm/a.c", self.get("mm/a.c").replace(b"int f(void)", b"/* x */\nint f(void)"))
        said = self.refused("mm/a.c:4: expected 'int f(void)', found '/* x */'")
        self.assertIn("; closest: series\n", said)
        self.series("02-second", SECOND.replace("in:\n", "needs:\nin:\n"))
        self.wrong("02-second.series:11: ", "a key without text")

    def test_needs_where_there_is_nothing_to_do(self):
        self.series("02-second", SECOND.replace("in:\n", "unless:\n|int end;\n"
                                                "needs:\n|int nowhere;\nin:\n"))
        self.refused("expected 'int nowhere;'")
