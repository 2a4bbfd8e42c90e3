# SPDX-License-Identifier: GPL-2.0-only
"""Mainline's own tests of its detector. They are files of newer trees, taken from there
when they are run: with the sample module that the tree has, and with ours."""

import os
import shutil

from . import kernel, tree

TESTS = "tools/testing/selftests/mm"
PREFIX = "ksft_kmemleak_"
HELPERS = "tools/testing/selftests/kselftest/ktap_helpers.sh"
SAMPLE = "samples/kmemleak"
KO = "kmemleak-test.ko"
# Whose sample module a test is run with.
WITH = ("tree", "ours")


def scripts(setup):
    """Paths of the tests in the tree; older ones have none."""
    return [path for path in tree.files_below(setup.linux, TESTS)
            if os.path.basename(path).startswith(PREFIX) and path.endswith(".sh")]


def names(setup):
    """What scripts/guest/run-mainline is to run."""
    return [f"{sample}/{os.path.basename(path)}" for sample in WITH
            for path in scripts(setup)]


def copy_sample(setup, folder):
    """The tree's sample, in place of which ours stands there, where it can be built."""
    def write(target):
        original = tree.Originals(target)
        for path in original.below(SAMPLE):
            name = os.path.join(folder, os.path.basename(path))
            tree.write_node(name, original(path), name + ".part")

    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    kernel.with_tree(setup.linux, write)


def files(setup, flavor):
    """{path in the guest: file} of what the tests need, after building it."""
    folder = setup.path(flavor, "tree-sample")
    copy_sample(setup, folder)
    kernel.build_module(setup, flavor, folder)
    found = [*scripts(setup), HELPERS]
    return {"root/tree.ko": os.path.join(folder, KO),
            "root/ours.ko": setup.path(flavor, SAMPLE, KO),
            **{path.replace("tools/testing/selftests", "kselftest"):
               os.path.join(setup.linux, path) for path in found}}
