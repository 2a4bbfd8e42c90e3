# SPDX-License-Identifier: GPL-2.0-only
"""Tests properties of the detector's source that no run can show."""

import glob
import os
import re
import unittest

from tooling.work import ROOT

# Allocations that keep the previous owner's data, unless they have __GFP_ZERO.
STALE = re.compile(r"\b(kv?m(?:alloc|emdup)\w*|kstrn?dup\w*|kv?realloc\w*|kmem_cache_alloc\w*)"
                   r"\s*\(((?:[^();]|\([^();]*\))*)\)")


def stale(text):
    return [got[1] for got in STALE.finditer(text) if "__GFP_ZERO" not in got[2]]


class OwnMemory(unittest.TestCase):
    """The detector's own memory from the slab allocator is scanned to the end of its slot. It
    has to be zeroed, because a stale address in it would hide a lost block."""

    def test_is_zeroed(self):
        files = [path for folder in ("mm/kmemleak", "mm/kmemleak/core")
                 for path in glob.glob(os.path.join(ROOT, folder, "*.c"))]
        self.assertGreater(len(files), 40)
        for path in files:
            with open(path, encoding="utf-8") as src:
                text = re.sub(r"/\*.*?\*/", "", src.read(), flags=re.DOTALL)
            with self.subTest(os.path.basename(path)):
                self.assertEqual(stale(text), [])

    def test_sees_what_is_not(self):
        self.assertEqual(stale("x = kmemdup(from, size(1), GFP_KERNEL);"), ["kmemdup"])
        self.assertEqual(stale("kvmalloc(8, GFP_KERNEL); kzalloc(8, GFP_KERNEL); "
                               "kmalloc_array(2, 8, gfp | __GFP_ZERO);"), ["kvmalloc"])


class Names(unittest.TestCase):
    """A static function is not named like one in another file, so a name in a trace leads
    to one place; and its name says what it does to what."""

    def test_static_functions(self):
        places = {}
        for folder in ("mm/kmemleak", "mm/kmemleak/core"):
            for path in glob.glob(os.path.join(ROOT, folder, "*.[ch]")):
                with open(path, encoding="utf-8") as src:
                    for name in re.findall(r"^static\b[^;={}()]*?\b([a-z]\w+)\(", src.read(), re.M):
                        places.setdefault(name, set()).add(os.path.relpath(path, ROOT))
        self.assertGreater(len(places), 300)
        self.assertEqual({name: sorted(files) for name, files in places.items()
                          if len(files) > 1}, {})
        self.assertEqual([name for name in places if "_" not in name], [])

    def test_suppressions(self):
        """A function that has another name now would be reported by TSan, or worse, a
        suppression would stay that nobody needs."""
        code = ""
        for path in glob.glob(os.path.join(ROOT, "mm/kmemleak/core/*.[ch]")):
            with open(path, encoding="utf-8") as src:
                code += src.read()
        with open(os.path.join(ROOT, "tools/testing/kmemleak/tsan.supp"),
                  encoding="utf-8") as src:
            names = re.findall(r"^race_top:(\w+)$", src.read(), re.M)
        self.assertGreater(len(names), 5)
        self.assertEqual([name for name in names
                          if not re.search(rf"^[a-z][^;={{}}()]*\b{name}\(", code, re.M)], [])
