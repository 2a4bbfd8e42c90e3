# SPDX-License-Identifier: GPL-2.0-only
"""The series for older trees: each folder of scripts/series/ with a version as its name
holds a delta to the next newer tree. A chain is the series with all deltas down to one
of them. tree.py takes the chain that fits."""

import copy
import os
import re
from dataclasses import dataclass

from . import series, tree
from .series import SeriesError

VERSION = re.compile(r"\d+(\.\d+)+")


@dataclass
class Chain:
    name: str
    patches: list


def versions(folder):
    """The folders of deltas, that of the newest tree first."""
    found = [name for name in os.listdir(folder) if VERSION.fullmatch(name)]
    return sorted(found, key=lambda name: [int(part) for part in name.split(".")],
                  reverse=True)


def read_chains(folder, root):
    patches = series.read_series(folder, root)
    chains = [Chain("series", patches)]
    for version in versions(folder):
        patches = copy.deepcopy(patches)
        change(patches, os.path.join(folder, version), folder, root)
        chains.append(Chain(f"{chains[-1].name} + {version}", patches))
    return chains


def change(patches, folder, top, root):
    """Applies the deltas of one folder to the patches."""
    named = {patch.name: patch for patch in patches}
    touched, brought = {}, set()
    for path in series.series_files(folder):
        delta = series.read_file(path, top, root, named)
        for what, origin in delta.drop.items():
            once(touched, what, origin)
            drop(patches, what, origin)
        for key in series.PATH_KEYS if delta.name else ():
            getattr(named[delta.name], key).extend(getattr(delta, key))
        for name, where in delta.compat.items():
            for patch in patches:
                patch.compat.pop(name, None)
            named[delta.name].compat[name] = where
            brought.update(tree.files_below(where, name))
        for edit in delta.edits:
            once(touched, edit.id, edit.origin)
            if edit.to:
                add(patches, named[edit.to], edit)
            else:
                replace(patches, edit)
    for name in tree.files_below(folder, "compat"):
        if os.path.relpath(name, "compat") not in brought:
            raise SeriesError(f"{os.path.relpath(folder, top)}/{name}: "
                              "no line `compat:` adds it")


def once(touched, what, origin):
    if what in touched:
        raise SeriesError(f"{origin}: {what} is changed in {touched[what]} already")
    touched[what] = origin


def find(patches, name):
    """(patch, position) of the edit with an id, or None."""
    for patch in patches:
        for position, edit in enumerate(patch.edits):
            if edit.id == name:
                return patch, position
    return None


def drop(patches, what, origin):
    """Drops an edit by its id, or a file or folder by its path."""
    place = find(patches, what)
    if place:
        del place[0].edits[place[1]]
        return
    lists = [getattr(patch, key) for patch in patches for key in series.PATH_KEYS]
    lists = [paths for paths in lists if what in paths]
    if not lists:
        raise SeriesError(f"{origin}: there is no {what} to drop")
    for paths in lists:
        paths.remove(what)


def add(patches, patch, edit):
    place = find(patches, edit.id)
    if place:
        raise SeriesError(f"{edit.origin}: the id {edit.id} is that of "
                          f"{place[0].edits[place[1]].origin}; without `to:` it is replaced")
    patch.edits.append(edit)


def replace(patches, edit):
    place = find(patches, edit.id)
    if not place:
        raise SeriesError(f"{edit.origin}: there is no edit {edit.id} to replace; "
                          "a new one says `to:`")
    patch, position = place
    old = patch.edits[position]
    if (edit.path, edit.text, edit.others, edit.needs) == (
            old.path, old.text, old.others, old.needs):
        raise SeriesError(f"{edit.origin}: the same as {old.origin}")
    patch.edits[position] = edit
