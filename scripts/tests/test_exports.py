# SPDX-License-Identifier: GPL-2.0-only
"""Functions that modules of any license can call in the base tree stay available."""

import glob
import os
import re
import unittest

from tooling import tree
from tooling.work import ROOT

BASE = os.environ["KMEMLEAK_BASE_TREE"]


def exported(text):
    return set(re.findall(r"^EXPORT_SYMBOL\((\w+)\);", text, re.MULTILINE))


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as src:
        return src.read()


def behind(header, function):
    """The symbols that an inline function of the header needs."""
    body = re.search(rf"^static inline \w+ \*?{function}\(.*?^}}", header,
                     re.MULTILINE | re.DOTALL)
    return {"kmemleak_key", *re.findall(r"kmemleak_hook_\w+", body[0])} if body else set()


class Exports(unittest.TestCase):
    def test_for_all_modules(self):
        base = tree.Tree(BASE)
        before = exported(tree.Originals(base)("mm/kmemleak.c").data.decode())
        base.close()
        header = read("include", "linux", "kmemleak.h")
        after = set()
        for path in glob.glob(os.path.join(ROOT, "mm", "kmemleak", "*.c")):
            after |= exported(read(path))
        self.assertGreater(len(before), 5)
        for function in sorted(before):
            with self.subTest(function):
                needed = behind(header, function)
                self.assertGreater(len(needed), 1)
                self.assertLessEqual(needed, after)
