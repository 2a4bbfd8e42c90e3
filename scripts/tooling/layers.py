# SPDX-License-Identifier: GPL-2.0-only
"""Checks the layers of the detector's files: the Makefiles list the files from the bottom
up, and a file may call only files before it, and the core. The calls are read from the
symbol tables of the objects."""

import os
import re
import subprocess

from .work import Failed, ROOT

FOLDER = "mm/kmemleak"
# Two files that are one layer: the mark calls the work list, and the work list the mark.
MUTUAL = {frozenset(("mark.o", "worklist.o"))}


def objects_of(makefile):
    """Names of the objects that a Makefile lists, in its order."""
    with open(makefile, encoding="utf-8") as src:
        text = src.read().replace("\\\n", " ")
    names = [name for line in re.findall(r"^(?:obj-y|kmemleak-\S+)\s*[:+]?=\s*(.*)$", text, re.M)
             for name in line.split() if name.endswith(".o")]
    return [name for name in names if name != "kmemleak.o"]


def symbols(path):
    """Symbols that an object defines for others, and symbols that it needs from others."""
    got = subprocess.run(["nm", path], capture_output=True, text=True, check=False)
    if got.returncode:
        raise Failed(f"nm {path}: {got.stderr.strip()}")
    lines = [line.split() for line in got.stdout.splitlines()]
    return ({line[2] for line in lines if len(line) == 3 and line[1].isupper()},
            {line[1] for line in lines if len(line) == 2 and line[0] == "U"})


def upward_calls(listed):
    """One line for each reference to a later object. @listed: (name, path) of each object,
    from the bottom up."""
    found, owner = [], {}
    tables = [(name, symbols(path)) for name, path in listed]
    for place, (name, (defined, _)) in enumerate(tables):
        owner.update({symbol: (place, name) for symbol in defined})
    for place, (name, (_, wanted)) in enumerate(tables):
        for symbol in sorted(wanted & set(owner)):
            above, other = owner[symbol]
            if above > place and frozenset((name, other)) not in MUTUAL:
                found.append(f"{name} refers to {symbol} of {other}, which is above it")
    return found


def check(build):
    """Finds upward calls in the detector of a kernel that was built in a folder."""
    core = os.path.join(FOLDER, "core")
    listed = [(name, os.path.join(build, folder, name)) for folder in (core, FOLDER)
              for name in objects_of(os.path.join(ROOT, folder, "Makefile"))]
    there = [(name, path) for name, path in listed if os.path.exists(path)]
    # An option can leave out one file, but not a whole layer.
    if len(there) < len(listed) - 1:
        raise Failed(f"objects are missing below {os.path.join(build, FOLDER)}")
    return upward_calls(there)
