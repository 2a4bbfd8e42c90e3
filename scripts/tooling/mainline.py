# SPDX-License-Identifier: GPL-2.0-only
"""Mainline's own tests of its detector. Newer trees have them. They are copied from the
tree and run twice: with the tree's sample module and with ours."""

import os
import shutil

from . import kernel, tree

TESTS = "tools/testing/selftests/mm"
PREFIX = "ksft_kmemleak_"
HELPERS = "tools/testing/selftests/kselftest/ktap_helpers.sh"
SAMPLE = "samples/kmemleak"
KO = "kmemleak-test.ko"
# The sample modules that each test is run with.
WITH = ("tree", "ours")


def scripts(setup):
    """Paths of the tests in the tree. Older trees have none."""
    return [path for path in tree.files_below(setup.linux, TESTS)
            if os.path.basename(path).startswith(PREFIX) and path.endswith(".sh")]


def names(setup):
    """Names of the tests for scripts/guest/run-mainline."""
    return [f"{sample}/{os.path.basename(path)}" for sample in WITH
            for path in scripts(setup)]


def copy_sample(setup, folder):
    """Copies the tree's original sample, which ours replaces there, to a folder where it can
    be built."""
    def write(target):
        original = tree.Originals(target)
        for path in original.below(SAMPLE):
            name = os.path.join(folder, os.path.basename(path))
            tree.write_node(name, original(path), name + ".part")

    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    kernel.with_tree(setup.linux, write)


def files(setup, flavor):
    """Builds the files that the tests need. Returns {path in the guest: file}."""
    folder = setup.path(flavor, "tree-sample")
    copy_sample(setup, folder)
    kernel.build_module(setup, flavor, folder)
    found = [*scripts(setup), HELPERS]
    return {"root/tree.ko": os.path.join(folder, KO),
            "root/ours.ko": setup.path(flavor, SAMPLE, KO),
            **{path.replace("tools/testing/selftests", "kselftest"):
               os.path.join(setup.linux, path) for path in found}}
