# SPDX-License-Identifier: GPL-2.0-only
"""Lays the project over a kernel tree and takes it off again.

All decisions are made before the first write: a Plan holds the old and the new
content of each path. To apply, update, remove or recover from an interruption is
then the same operation with different targets, see Tree.move_to(). The originals
and a manifest are in a hidden folder of the tree until the project is removed.

Not here: how an edit changes a text (series.py), patches (mailbox.py)."""

import fcntl
import hashlib
import json
import os
import shutil
import stat
from dataclasses import dataclass, field

from .series import Mismatch, Text, apply_edit

STATE = ".kmemleak"
# Folders of files that the project brings. Each file in them must belong to a patch.
ROOTS = ("Documentation", "include", "kernel", "lib", "mm", "samples", "tools")
# Files of builds and editors, which are never part of the project.
LITTER = (".o", ".ko", ".mod", ".mod.c", ".cmd", ".pyc", ".a", "~", ".swp",
          ".order", ".symvers")


class Refused(Exception):
    """The tree stays as it is. args are the reasons, one line each."""


@dataclass(frozen=True)
class Node:
    """The content of a path: a file, a symbolic link, or nothing."""
    kind: str                     # "file", "link", "none"
    mode: int = 0
    data: bytes = b""

    def key(self):
        digest = hashlib.sha256(self.data).hexdigest()
        return f"{self.kind}:{self.mode:o}:{digest}"


NOTHING = Node("none")


def read_node(path):
    try:
        info = os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return NOTHING
    if stat.S_ISLNK(info.st_mode):
        return Node("link", 0, os.fsencode(os.readlink(path)))
    if not stat.S_ISREG(info.st_mode):
        raise Refused(f"{path}: neither a file nor a link")
    with open(path, "rb") as src:
        return Node("file", stat.S_IMODE(info.st_mode), src.read())


def write_node(path, node, part):
    """Puts a node in place in one step. It is prepared at part, on the same file system.
    A hard link to the old file keeps its content."""
    if node.kind == "none":
        if os.path.lexists(path):
            os.unlink(path)
        return
    if os.path.lexists(part):
        os.unlink(part)
    if node.kind == "link":
        os.symlink(os.fsdecode(node.data), part)
    else:
        with open(part, "wb") as out:
            out.write(node.data)
        os.chmod(part, node.mode)
    os.replace(part, path)


def files_below(root, path):
    """Relative paths of the files at or below a path, without LITTER."""
    full = os.path.join(root, path)
    if os.path.lexists(full) and not os.path.isdir(full):
        return [path]
    found = []
    for folder, folders, names in os.walk(full):
        folders[:] = sorted(d for d in folders if d != "__pycache__")
        found += [os.path.relpath(os.path.join(folder, name), root)
                  for name in sorted(names) if not name.endswith(LITTER)]
    return found


def project_node(root, path):
    """A project file as a tree gets it, with a mode that does not depend on the umask."""
    node = read_node(os.path.join(root, path))
    if node.kind == "file":
        node = Node("file", 0o755 if node.mode & 0o100 else 0o644, node.data)
    return node


@dataclass
class Plan:
    """target: path -> new content. steps has the same, patch by patch."""
    target: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)   # (Patch, {path: (old, new)})


def make_plan(series, root, original, explain=True):
    """The Plan of a series for a tree. original(path) returns the tree's node.

    Raises Refused with every place that does not fit. Without explain there is only one
    word for each place, which is much faster."""
    plan, problems, texts = Plan(), [], {}

    def now(path):
        return plan.target.get(path) or original(path)

    for patch in series:
        before = {}

        def put(path, node, before=before):
            before.setdefault(path, now(path))
            plan.target[path] = node

        for path in patch.remove:
            if original(path).kind == "none":
                problems.append(f"{path}: not in the tree")
            put(path, NOTHING)
        sources = [(path, root) for path in patch.add + patch.overwrite]
        for path, top in sources + list(patch.compat.items()):
            ours = files_below(top, path)
            if not ours:
                problems.append(f"{path}: the project lacks it")
                continue
            theirs = original.below(path)
            if path not in patch.overwrite:
                problems += [f"{old}: already in the tree" for old in theirs]
            elif not theirs:
                problems.append(f"{path}: not in the tree")
            for old in theirs:
                put(old, NOTHING)
            for new in ours:
                put(new, project_node(top, new))
        edit_files(patch, texts, now, put, problems, explain)
        plan.steps.append((patch, {path: (old, plan.target[path])
                                   for path, old in before.items()
                                   if old != plan.target[path]}))
    if problems:
        raise Refused(*dict.fromkeys(problems))
    return plan


def refuse_strays(chains, root):
    """Raises Refused if no patch brings some file of the project."""
    tops = {path for chain in chains for patch in chain.patches
            for path in patch.add + patch.overwrite}
    brought = {name for path in tops for name in files_below(root, path)}
    strays = [name for top in ROOTS for name in files_below(root, top)
              if name not in brought]
    if strays:
        raise Refused(*(f"{name}: no patch of the series brings it" for name in strays))


def choose_plan(chains, root, original):
    """(chain, plan) of the first chain that fits the tree completely. Raises Refused with
    every place that does not fit the closest chain, or the closest chains."""
    refuse_strays(chains, root)
    left = {}
    for chain in chains:
        try:
            return chain, make_plan(chain.patches, root, original, explain=False)
        except Refused as err:
            left.setdefault(len(err.args), []).append(chain)
    closest, problems = left[min(left)], []
    for chain in closest:
        try:
            return chain, make_plan(chain.patches, root, original)
        except Refused as err:
            problems += err.args
    said = "no chain fits; tried: " + ", ".join(chain.name for chain in chains)
    if len(chains) > 1:
        said += "; closest: " + ", ".join(chain.name for chain in closest)
    raise Refused(*dict.fromkeys(problems), said)


def edit_files(patch, texts, now, put, problems, explain):
    """Makes the edits of one patch. All patches share texts, which has the tree's line
    numbers."""
    for edit in patch.edits:
        node = now(edit.path)
        if node.kind != "file":
            problems.append(f"{edit.path}: not in the tree"
                            if node.kind == "none"
                            else f"{edit.path}: a symbolic link")
            continue
        text = texts.setdefault(edit.path, Text(node.data))
        try:
            apply_edit(text, edit)
        except Mismatch as err:
            problems.append(f"{err} ({edit.origin})" if explain else edit.origin)
        put(edit.path, Node("file", node.mode, text.data()))


class Originals:
    """The tree as it was before the project was applied: the saved original of a path if
    there is one, else the tree's file."""

    def __init__(self, tree):
        self.tree = tree

    def __call__(self, path):
        if path in self.tree.files:
            return self.tree.saved(path)
        return read_node(os.path.join(self.tree.root, path))

    def below(self, path):
        found = set(files_below(self.tree.root, path))
        prefix = path + "/"
        for name in self.tree.files:
            if name == path or name.startswith(prefix):
                found.add(name)
        return sorted(p for p in found if self(p).kind != "none")


class Tree:
    """A kernel tree on disk, and its manifest.

    files: path -> {"orig": key of the original, "known": [keys of what we put there]}
    chain: the name of the chain that was applied
    """

    def __init__(self, root):
        self.root = os.path.abspath(root)
        if not os.path.isdir(self.root):
            raise Refused(f"{root}: not a folder")
        self.state = os.path.join(self.root, STATE)
        self.files, self.folders, self.status, self.chain = {}, [], "none", ""
        self.lock = os.open(self.root, os.O_RDONLY)
        fcntl.flock(self.lock, fcntl.LOCK_EX)
        self.load()

    def close(self):
        os.close(self.lock)

    # The manifest

    def load(self):
        try:
            with open(os.path.join(self.state, "manifest.json"),
                      encoding="utf-8") as src:
                manifest = json.load(src)
        except FileNotFoundError:
            return
        self.files = manifest["files"]
        self.folders = manifest["folders"]
        self.status = manifest["status"]
        self.chain = manifest.get("chain", "")

    def store(self, status):
        """Writes the manifest in one step. A folder without a manifest counts as absent."""
        self.status = status
        part = os.path.join(self.state, "manifest.part")
        with open(part, "w", encoding="utf-8") as out:
            json.dump({"status": status, "chain": self.chain,
                       "folders": self.folders, "files": self.files},
                      out, indent=1, sort_keys=True)
        os.replace(part, os.path.join(self.state, "manifest.json"))

    def saved(self, path):
        kind, mode, _ = self.files[path]["orig"].split(":")
        if kind == "none":
            return NOTHING
        with open(os.path.join(self.state, "orig", path), "rb") as src:
            return Node(kind, int(mode, 8), src.read())

    def save(self, path):
        """Keeps the original of a path before its first change."""
        node = read_node(os.path.join(self.root, path))
        self.files[path] = {"orig": node.key(), "known": []}
        if node.kind != "none":
            keep = os.path.join(self.state, "orig", path)
            os.makedirs(os.path.dirname(keep), exist_ok=True)
            with open(keep, "wb") as out:
                out.write(node.data)

    # Questions

    def key(self, path):
        return read_node(os.path.join(self.root, path)).key()

    def foreign(self):
        """Messages for paths that hold neither their original nor anything that we put there."""
        found = []
        for path, entry in sorted(self.files.items()):
            if self.key(path) not in [entry["orig"], *entry["known"]]:
                found.append(f"{path}: changed since the project was applied")
        return found

    def differs(self, target):
        """Paths at which the tree differs from a plan's target."""
        want = {path: entry["orig"] for path, entry in self.files.items()}
        want.update((path, node.key()) for path, node in target.items())
        return sorted(p for p, key in want.items() if self.key(p) != key)

    # Changes

    def move_to(self, target, status):
        """Brings the tree to a target. A path that the target lacks gets its original.

        The manifest lists everything that may be on disk before the first file is
        written. So after an interruption at any point, the same function can bring the
        tree to any target."""
        problems = self.foreign()
        for path in target:
            parent = os.path.dirname(os.path.join(self.root, path))
            top = os.path.realpath(self.root)
            if os.path.commonpath([os.path.realpath(parent), top]) != top:
                problems.append(f"{path}: a link leads out of the tree")
        if problems:
            raise Refused(*problems)
        self.begin(target)
        for path in self.differs(target):
            full = os.path.join(self.root, path)
            node = target.get(path) or self.saved(path)
            if node.kind != "none":
                os.makedirs(os.path.dirname(full), exist_ok=True)
            write_node(full, node, os.path.join(self.state, "part"))
        kept = self.drop_folders(target)
        if status == "none":
            self.forget()
            return kept
        for path in list(self.files):
            if path in target:
                self.files[path]["known"] = [target[path].key()]
            else:
                del self.files[path]
        self.store(status)
        return kept

    def begin(self, target):
        os.makedirs(self.state, exist_ok=True)
        with open(os.path.join(self.state, ".gitignore"), "w",
                  encoding="utf-8") as out:
            out.write("*\n")
        for path, node in target.items():
            if path not in self.files:
                self.save(path)
            known = self.files[path]["known"]
            if node.key() not in known:
                known.append(node.key())
            folder = os.path.dirname(path)
            while folder and not os.path.isdir(os.path.join(self.root, folder)):
                if folder not in self.folders:
                    self.folders.append(folder)
                folder = os.path.dirname(folder)
        self.store("unfinished")

    def drop_folders(self, target):
        """Removes folders that we made and no longer need. Returns those that are not empty."""
        kept = []
        for folder in sorted(self.folders, key=len, reverse=True):
            if any(p.startswith(folder + "/") and n.kind != "none"
                   for p, n in target.items()):
                continue
            try:
                os.rmdir(os.path.join(self.root, folder))
            except FileNotFoundError:
                pass
            except OSError:
                kept.append(folder)
                continue
            self.folders.remove(folder)
        return kept

    def forget(self):
        # Without a manifest the folder counts as absent, see load().
        os.unlink(os.path.join(self.state, "manifest.json"))
        shutil.rmtree(self.state)
        self.files, self.folders, self.status, self.chain = {}, [], "none", ""


def apply(tree, chains, root, update):
    """Returns what was done, in words. After Refused the tree is unchanged."""
    chain, plan = choose_plan(chains, root, Originals(tree))
    if tree.status == "applied":
        problems = tree.foreign()
        if problems:
            raise Refused(*problems)
        stale = tree.differs(plan.target)
        if not stale:
            return f"already applied, nothing to do (chain: {chain.name})"
        if not update:
            raise Refused("applied from a different version of the project, "
                          f"chain {tree.chain or 'unknown'}, "
                          f"({len(stale)} files differ, the first is "
                          f"{stale[0]}): update it or remove it first")
        tree.chain = chain.name
        tree.move_to(plan.target, "applied")
        return f"updated, {len(stale)} files (chain: {chain.name})"
    again = tree.status == "unfinished"
    tree.chain = chain.name
    tree.move_to(plan.target, "applied")
    done = f"applied, {len(plan.target)} files (chain: {chain.name})"
    return done + (" (an interrupted run was completed)" if again else "")


def remove(tree):
    """Returns what was done, in words."""
    if tree.status == "none":
        if os.path.isdir(tree.state):
            shutil.rmtree(tree.state)       # interrupted before it began
        return "not applied, nothing to do"
    kept = tree.move_to({}, "none")
    left = "".join(f"\n  left, not empty: {folder}" for folder in kept)
    return "removed, the tree is as it was" + left
