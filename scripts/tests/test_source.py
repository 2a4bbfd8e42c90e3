# SPDX-License-Identifier: GPL-2.0-only
"""What no run shows, but the text of the detector does."""

import glob
import os
import re
import unittest

from tooling.work import ROOT

# Allocations that leave what the owner before has written; with __GFP_ZERO they do not.
STALE = re.compile(r"\b(kv?m(?:alloc|emdup)\w*|kstrn?dup\w*|kv?realloc\w*|kmem_cache_alloc\w*)"
                   r"\s*\(((?:[^();]|\([^();]*\))*)\)")


def stale(text):
    return [got[1] for got in STALE.finditer(text) if "__GFP_ZERO" not in got[2]]


class OwnMemory(unittest.TestCase):
    """The detector's own memory from the slab allocator is scanned to the end of its
    slot. It is zeroed, or an address that is left there hides a lost block."""

    def test_is_zeroed(self):
        files = glob.glob(os.path.join(ROOT, "mm", "kmemleak", "*.c"))
        self.assertGreater(len(files), 30)
        for path in files:
            with open(path, encoding="utf-8") as src:
                text = re.sub(r"/\*.*?\*/", "", src.read(), flags=re.DOTALL)
            with self.subTest(os.path.basename(path)):
                self.assertEqual(stale(text), [])

    def test_sees_what_is_not(self):
        self.assertEqual(stale("x = kmemdup(from, size(1), GFP_KERNEL);"), ["kmemdup"])
        self.assertEqual(stale("kvmalloc(8, GFP_KERNEL); kzalloc(8, GFP_KERNEL); "
                               "kmalloc_array(2, 8, gfp | __GFP_ZERO);"), ["kvmalloc"])
