# SPDX-License-Identifier: GPL-2.0-only
"""The series of changes to a kernel tree: reads scripts/series/*.series (the
format is described in the README there) and applies an edit to a text. Knows
nothing of trees on disk; that is tree.py."""

import difflib
import glob
import os
from dataclasses import dataclass, field

# An operation's keys, and which of them may be left out.
OPERATIONS = {
    "after": ({"after"}, {"insert"}),
    "before": ({"before"}, {"insert"}),
    "replace": ({"replace"}, {"with"}),
    "cut-from": ({"cut-from", "cut-to"}, {"with"}),
}
TEXT_KEYS = {"after", "before", "insert", "replace", "with", "cut-from",
             "cut-to", "cut-until", "in", "unless", "body"}
FILE_KEYS = {"insert-file": "insert", "with-file": "with"}


class SeriesError(Exception):
    """A series file that cannot be read: the project's fault."""


class Mismatch(Exception):
    """A file of the tree is not what an edit expects."""

    def __init__(self, path, line, text):
        where = f"{path}:{line}" if line else path
        super().__init__(f"{where}: {text}")


@dataclass
class Edit:
    path: str
    origin: str                   # file:line of the series, for messages
    why: list = field(default_factory=list)
    text: dict = field(default_factory=dict)    # key -> list of lines


@dataclass
class Patch:
    name: str
    subject: str = ""
    body: list = field(default_factory=list)
    remove: list = field(default_factory=list)
    add: list = field(default_factory=list)
    overwrite: list = field(default_factory=list)
    edits: list = field(default_factory=list)


def file_text(path):
    """The lines of a project file that an edit takes whole: no comments."""
    with open(path, encoding="utf-8") as src:
        return [ln for ln in src.read().splitlines() if not ln.startswith("#")]


def read_patch(path, root):
    """One *.series file as a Patch."""
    name = os.path.basename(path).removesuffix(".series")
    patch, edit, lines = Patch(name), None, None

    def bad(number, text):
        return SeriesError(f"{path}:{number}: {text}")

    with open(path, encoding="utf-8") as src:
        for number, line in enumerate(src.read().splitlines(), 1):
            if line.startswith("|"):
                if lines is None:
                    raise bad(number, "text without a key")
                lines.append(line[1:])
                continue
            lines = None
            if not line.strip() or line.startswith("#"):
                continue
            key, colon, value = line.partition(":")
            value = value.strip()
            if not colon:
                raise bad(number, "neither `key: value` nor `|text`")
            if key == "edit":
                edit = Edit(value, f"{os.path.basename(path)}:{number}")
                patch.edits.append(edit)
            elif key == "why" and edit:
                edit.why.append(value)
            elif key == "body" and not edit:
                lines = patch.body
            elif key == "subject" and not edit:
                patch.subject = value
            elif key in ("remove", "add", "overwrite") and not edit:
                getattr(patch, key).append(value)
            elif key in FILE_KEYS and edit:
                edit.text[FILE_KEYS[key]] = file_text(os.path.join(root, value))
            elif key in TEXT_KEYS and edit:
                lines = edit.text.setdefault(key, [])
            else:
                raise bad(number, f"`{key}:` has no place here")
    check_patch(patch, path)
    return patch


def check_patch(patch, path):
    if not patch.subject or not patch.body:
        raise SeriesError(f"{path}: no subject or no body")
    for edit in patch.edits:
        keys = set(edit.text) - {"in", "unless"}
        if "cut-until" in keys:
            keys = keys - {"cut-until"} | {"cut-to"}
        fits = [op for op, (need, may) in OPERATIONS.items()
                if need <= keys <= need | may]
        if not edit.why or len(fits) != 1:
            raise SeriesError(f"{edit.origin}: an edit has a why and the keys "
                              f"of one operation, not {sorted(keys)}")
        if any(not edit.text[key] for key in edit.text):
            raise SeriesError(f"{edit.origin}: a key without text")


def read_series(folder, root):
    """All patches in their order."""
    found = sorted(glob.glob(os.path.join(folder, "*.series")))
    if not found:
        raise SeriesError(f"{folder}: no *.series here")
    return [read_patch(path, root) for path in found]


class Text:
    """A file's lines, each with the number it had before any edit."""

    def __init__(self, data):
        self.end = data.endswith(b"\n")
        text = data.decode("utf-8", "surrogateescape")
        lines = text.split("\n")
        if self.end:
            lines.pop()
        self.lines = lines
        self.numbers = list(range(1, len(lines) + 1))

    def data(self):
        text = "\n".join(self.lines) + ("\n" if self.end else "")
        return text.encode("utf-8", "surrogateescape")

    def splice(self, start, end, new):
        near = self.numbers[min(start, len(self.numbers) - 1)]
        self.lines[start:end] = new
        self.numbers[start:end] = [near] * len(new)


def nearest(text, want, low, high):
    """(line number, expected, found) of the place most like the anchor."""
    best, where = 0, None
    for pos in range(low, high):
        have = text.lines[pos:pos + len(want)]
        same = sum(a == b for a, b in zip(have, want))
        if same > best:
            best, where = same, pos
    if where is not None:
        for step, expected in enumerate(want):
            at = where + step
            if at >= len(text.lines):
                return text.numbers[-1], expected, "the end of the file"
            if text.lines[at] != expected:
                return text.numbers[at], expected, repr(text.lines[at])
    lines = text.lines[low:high]
    blanks = [line for line in lines if line.split() == want[0].split()]
    close = blanks or difflib.get_close_matches(want[0], set(lines), 1, 0.7)
    if close:
        at = text.lines.index(close[0], low)
        return text.numbers[at], want[0], repr(close[0])
    return None, want[0], "nothing like it"


def find(text, want, path, low, high, unique=True):
    """The only (or the first) place where the lines of an anchor stand."""
    hits = [pos for pos in range(low, high - len(want) + 1)
            if text.lines[pos:pos + len(want)] == want]
    if len(hits) == 1 or (hits and not unique):
        return hits[0]
    if hits:
        lines = ", ".join(str(text.numbers[pos]) for pos in hits)
        raise Mismatch(path, text.numbers[hits[1]],
                       f"expected {want[0]!r} once, found it in lines {lines}")
    line, expected, found = nearest(text, want, low, high)
    raise Mismatch(path, line, f"expected {expected!r}, found {found}")


def apply_edit(text, edit):
    """Carry out one edit on a Text; Mismatch if it does not fit."""
    keys, path = edit.text, edit.path
    if "unless" in keys and any(
            text.lines[pos:pos + len(keys["unless"])] == keys["unless"]
            for pos in range(len(text.lines))):
        return
    low, high = 0, len(text.lines)
    if "in" in keys:
        low = find(text, keys["in"], path, low, high)
        high = find(text, ["}"], path, low, high, unique=False) + 1
    if "after" in keys:
        pos = find(text, keys["after"], path, low, high) + len(keys["after"])
        text.splice(pos, pos, keys["insert"])
    elif "before" in keys:
        pos = find(text, keys["before"], path, low, high)
        text.splice(pos, pos, keys["insert"])
    elif "replace" in keys:
        pos = find(text, keys["replace"], path, low, high)
        text.splice(pos, pos + len(keys["replace"]), keys.get("with", []))
    else:
        pos = find(text, keys["cut-from"], path, low, high)
        last = keys.get("cut-to") or keys["cut-until"]
        end = find(text, last, path, pos + len(keys["cut-from"]), high,
                   unique=False)
        if "cut-to" in keys:
            end += len(last)
        text.splice(pos, end, keys.get("with", []))
