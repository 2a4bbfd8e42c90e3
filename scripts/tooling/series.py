# SPDX-License-Identifier: GPL-2.0-only
"""The series of changes to a kernel tree: reads *.series files (scripts/series/README
describes the format) and applies an edit to a text. Not here: how the series differs
for older trees (chains.py), trees on disk (tree.py)."""

import difflib
import glob
import os
import re
from dataclasses import dataclass, field

# The keys that each operation needs, and the keys that it may have.
OPERATIONS = {
    "after": ({"after"}, {"insert"}),
    "before": ({"before"}, {"insert"}),
    "replace": ({"replace"}, {"with"}),
    "cut-from": ({"cut-from", "cut-to"}, {"with"}),
}
TEXT_KEYS = {"after", "before", "insert", "replace", "with", "cut-from",
             "cut-to", "cut-until", "in", "unless", "body"}
FILE_KEYS = {"insert-file": "insert", "with-file": "with"}
# Keys of lines that an edit looks for. Each may have alternatives (`or:`).
ANCHORS = {"after", "before", "replace", "cut-from", "cut-to", "cut-until", "in"}
PATH_KEYS = {"remove", "add", "overwrite"}
ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class SeriesError(Exception):
    """A series file is wrong: an error of the project."""


class Mismatch(Exception):
    """A file of the tree differs from what an edit expects."""

    def __init__(self, path, line, text):
        where = f"{path}:{line}" if line else path
        super().__init__(f"{where}: {text}")


class Missing(Mismatch):
    """The file has none of the texts of an anchor. The search for the most similar line
    takes a while, so only the message makes it."""

    def __init__(self, text, path, choices, low, high):
        Exception.__init__(self)
        self.path, self.choices, self.where = path, choices, (text, low, high)

    def __str__(self):
        text, low, high = self.where
        line, expected, found = max(
            (nearest(text, want, low, high) for want in self.choices),
            key=lambda got: difflib.SequenceMatcher(None, got[1], got[2]).ratio())
        more = len(self.choices) - 1
        return str(Mismatch(self.path, line, f"expected {expected!r}, found {found}"
                            + f" ({more} other text(s) tried)" * bool(more)))


@dataclass
class Edit:
    path: str
    origin: str                   # file:line of the series, for messages
    id: str = ""
    to: str = ""                  # the patch to which a delta adds the edit
    why: list = field(default_factory=list)
    text: dict = field(default_factory=dict)    # key -> list of lines
    others: dict = field(default_factory=dict)  # key -> alternative lines
    needs: list = field(default_factory=list)   # lists of lines


@dataclass
class Patch:
    name: str
    subject: str = ""
    body: list = field(default_factory=list)
    remove: list = field(default_factory=list)
    add: list = field(default_factory=list)
    overwrite: list = field(default_factory=list)
    compat: dict = field(default_factory=dict)  # path -> folder that has it
    drop: dict = field(default_factory=dict)    # id or path that a delta drops -> file:line
    edits: list = field(default_factory=list)


def file_text(path):
    """The lines of a project file that an edit inserts as a whole, without comments."""
    with open(path, encoding="utf-8") as src:
        return [ln for ln in src.read().splitlines() if not ln.startswith("#")]


def read_file(path, top, root, names=None):
    """Reads one *.series file of the folder top into a Patch. For a delta, names holds the
    names of the series' patches, and the result is a set of changes to one of them."""
    patch, edit, lines, last = Patch(""), None, None, None
    shown = os.path.relpath(path, top)
    delta = names is not None

    def bad(number, text):
        return SeriesError(f"{shown}:{number}: {text}")

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
            if delta and key == "to" and value not in names:
                raise bad(number, f"the series has no patch {value!r}")
            if key == "edit":
                edit = Edit(value, f"{shown}:{number}")
                patch.edits.append(edit)
            elif key == "id" and edit and not edit.id:
                if not ID.fullmatch(value):
                    raise bad(number, f"an id is like-this, not {value!r}")
                edit.id = value
            elif key == "to" and delta and edit:
                edit.to = value
            elif key == "to" and delta:
                patch.name = value
            elif key == "drop" and delta and not edit:
                patch.drop[value] = f"{shown}:{number}"
            elif (key in PATH_KEYS or key == "compat" and delta) and not edit:
                if delta and not patch.name:
                    raise bad(number, f"`{key}:` for which patch? `to:` comes first")
                if key == "compat":
                    add_compat(patch, os.path.dirname(path), value, bad, number)
                else:
                    getattr(patch, key).append(value)
            elif key == "why" and edit:
                edit.why.append(value)
            elif key == "body" and not edit and not delta:
                lines = patch.body
            elif key == "subject" and not edit and not delta:
                patch.subject = value
            elif key in FILE_KEYS and edit:
                edit.text[FILE_KEYS[key]] = file_text(os.path.join(root, value))
            elif key == "needs" and edit:
                lines = []
                edit.needs.append(lines)
            elif key == "or" and edit and last in ANCHORS:
                lines = []
                edit.others.setdefault(last, []).append(lines)
                continue
            elif key in TEXT_KEYS and edit:
                lines = edit.text.setdefault(key, [])
            else:
                raise bad(number, f"`{key}:` has no place here")
            last = key
    check_edits(patch)
    return patch


def add_compat(patch, folder, path, bad, number):
    patch.compat[path] = os.path.join(folder, "compat")
    if not os.path.lexists(os.path.join(folder, "compat", path)):
        raise bad(number, f"no compat/{path} here")


def check_edits(patch):
    for edit in patch.edits:
        keys = set(edit.text) - {"in", "unless"}
        if "cut-until" in keys:
            keys = keys - {"cut-until"} | {"cut-to"}
        fits = [op for op, (need, may) in OPERATIONS.items()
                if need <= keys <= need | may]
        if not edit.id:
            raise SeriesError(f"{edit.origin}: an edit has an id")
        if not edit.why or len(fits) != 1:
            raise SeriesError(f"{edit.origin}: an edit has a why and the keys "
                              f"of one operation, not {sorted(keys)}")
        if not all([*edit.text.values(), *sum(edit.others.values(), []), *edit.needs]):
            raise SeriesError(f"{edit.origin}: a key without text")


def series_files(folder):
    found = sorted(glob.glob(os.path.join(folder, "*.series")))
    if not found:
        raise SeriesError(f"{folder}: no *.series here")
    return found


def read_series(folder, root):
    """All patches for the newest tree, in order."""
    patches, seen = [], {}
    for path in series_files(folder):
        patch = read_file(path, folder, root)
        patch.name = os.path.basename(path).removesuffix(".series")
        if not patch.subject or not patch.body:
            raise SeriesError(f"{path}: no subject or no body")
        for edit in patch.edits:
            if edit.id in seen:
                raise SeriesError(f"{edit.origin}: the id {edit.id} is that of "
                                  f"{seen[edit.id]}")
            seen[edit.id] = edit.origin
        patches.append(patch)
    return patches


class Text:
    """The lines of a file, each with its number before all edits."""

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
    """(line number, expected, found) of the place that is most similar to the anchor."""
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


def places(text, want, low, high):
    """The positions at which these lines begin. index() is much faster than a loop."""
    found, end = [], max(low, high - len(want) + 1)
    try:
        while True:
            low = text.lines.index(want[0], low, end) + 1
            if text.lines[low - 1:low - 1 + len(want)] == want:
                found.append(low - 1)
    except ValueError:
        return found


def find(text, edit, key, low, high, unique=True):
    """(start, end) of the only place where an anchor matches, or of the first one. An
    alternative counts only if the lines before it match nowhere."""
    choices = [edit.text[key], *edit.others.get(key, [])]
    for want in choices:
        hits = places(text, want, low, high)
        if len(hits) == 1 or (hits and not unique):
            return hits[0], hits[0] + len(want)
        if hits:
            lines = ", ".join(str(text.numbers[pos]) for pos in hits)
            raise Mismatch(edit.path, text.numbers[hits[1]],
                           f"expected {want[0]!r} once, found it in lines {lines}")
    raise Missing(text, edit.path, choices, low, high)


def apply_edit(text, edit):
    """Applies one edit to a Text. Raises Mismatch if the edit does not fit."""
    keys, path = edit.text, edit.path
    low, high = 0, len(text.lines)
    for want in edit.needs:
        if not places(text, want, low, high):
            raise Missing(text, path, [want], low, high)
    if "unless" in keys and places(text, keys["unless"], low, high):
        return
    if "in" in keys:
        low, _ = find(text, edit, "in", low, high)
        ends = places(text, ["}"], low, high)
        if not ends:
            raise Mismatch(path, text.numbers[low], "expected '}' behind it")
        high = ends[0] + 1
    if "after" in keys:
        _, pos = find(text, edit, "after", low, high)
        text.splice(pos, pos, keys["insert"])
    elif "before" in keys:
        pos, _ = find(text, edit, "before", low, high)
        text.splice(pos, pos, keys["insert"])
    elif "replace" in keys:
        pos, end = find(text, edit, "replace", low, high)
        text.splice(pos, end, keys.get("with", []))
    else:
        pos, first = find(text, edit, "cut-from", low, high)
        last = "cut-to" if "cut-to" in keys else "cut-until"
        until, end = find(text, edit, last, first, high, unique=False)
        text.splice(pos, end if last == "cut-to" else until, keys.get("with", []))
