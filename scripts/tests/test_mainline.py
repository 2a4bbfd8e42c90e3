# SPDX-License-Identifier: GPL-2.0-only
"""Tests the list of mainline's own tests, and the sample that each of them gets."""

import os
import types

from scratch import ScratchTest
from tooling import mainline


class Mainline(ScratchTest):
    def setUp(self):
        super().setUp()
        self.setup = types.SimpleNamespace(linux=self.tree)

    def test_names(self):
        self.assertEqual(mainline.names(self.setup), [])
        for name in ("ksft_kmemleak_x.sh", "ksft_kmemleak_y.sh", "ksft_other.sh",
                     "ksft_kmemleak.c"):
            self.put(f"{mainline.TESTS}/{name}", b"")
        self.assertEqual(mainline.names(self.setup), [
            "tree/ksft_kmemleak_x.sh", "tree/ksft_kmemleak_y.sh",
            "ours/ksft_kmemleak_x.sh", "ours/ksft_kmemleak_y.sh"])

    def test_the_trees_sample(self):
        path = mainline.SAMPLE + "/kmemleak-test.c"
        stock = self.get(path)
        self.expect(0, "applied", "apply", self.tree)
        self.assertNotEqual(self.get(path), stock)
        folder = os.path.join(self.dir, "sample")
        for _ in range(2):
            mainline.copy_sample(self.setup, folder)
            self.assertEqual(self.get("kmemleak-test.c", folder), stock)
        self.assertIn("Makefile", os.listdir(folder))
