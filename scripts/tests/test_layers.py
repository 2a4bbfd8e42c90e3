# SPDX-License-Identifier: GPL-2.0-only
"""Tests the search for references to later objects, with small compiled objects."""

import os
import shutil
import subprocess
import tempfile
import unittest

from tooling import layers, work


class Layers(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def put(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as out:
            out.write(text)
        return path

    def objects(self, **texts):
        for name, text in texts.items():
            subprocess.run(["gcc", "-c", "-o", os.path.join(self.folder, name + ".o"),
                            self.put(name + ".c", text)], check=True)
        return [(name + ".o", os.path.join(self.folder, name + ".o")) for name in texts]

    def test_downward(self):
        listed = self.objects(low="int low(void) { return 1; }\n",
                              high="int low(void); int high(void) { return low(); }\n")
        self.assertEqual(layers.upward_calls(listed), [])

    def test_upward(self):
        listed = self.objects(low="int high(void); int low(void) { return high(); }\n",
                              high="int high(void) { return 1; }\n")
        self.assertEqual(layers.upward_calls(listed),
                         ["low.o refers to high of high.o, which is above it"])

    def test_data_is_a_reference(self):
        listed = self.objects(low="extern int high; int *low = &high;\n", high="int high;\n")
        self.assertEqual(len(layers.upward_calls(listed)), 1)

    def test_statics_of_one_name(self):
        text = "static int same(void) {{ return 1; }} int {}(void) {{ return same(); }}\n"
        self.assertEqual(layers.upward_calls(self.objects(
            low=text.format("low"), high=text.format("high"))), [])

    def test_one_layer(self):
        listed = self.objects(mark="int list(void); int mark(void) { return list(); }\n",
                              worklist="int mark(void); int list(void) { return mark(); }\n")
        self.assertEqual(layers.upward_calls(listed), [])

    def test_makefile(self):
        path = self.put("Makefile", "obj-y += core/\nobj-y += kmemleak.o\n"
                        "kmemleak-y := a.o b.o \\\n\tc.o\nkmemleak-$(CONFIG_X) += d.o\n"
                        "kmemleak-y += e.o\nKASAN_SANITIZE_a.o := n\n")
        self.assertEqual(layers.objects_of(path), ["a.o", "b.o", "c.o", "d.o", "e.o"])

    def test_missing_objects(self):
        with self.assertRaises(work.Failed):
            layers.check(self.folder)

    def test_all_files_are_listed(self):
        """A file that is not listed would be in no layer."""
        for folder in ("mm/kmemleak", "mm/kmemleak/core"):
            place = os.path.join(work.ROOT, folder)
            listed = layers.objects_of(os.path.join(place, "Makefile"))
            self.assertEqual(sorted(listed), sorted(
                name[:-2] + ".o" for name in os.listdir(place) if name.endswith(".c")))
