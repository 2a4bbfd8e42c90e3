# SPDX-License-Identifier: GPL-2.0-only
"""Writes the steps of a Plan as patches for `git am`."""

import difflib
import email.utils
import math
import os

AUTHOR = "kmemleak maintainers <linux-mm@kvack.org>"
# git writes this line, with the commit's hash in place of the zeros.
SEPARATOR = "From " + "0" * 40 + " Mon Sep 17 00:00:00 2001\n"
CONTEXT = 3


def split_lines(data):
    """Lines as git sees them: only a line feed ends a line."""
    text = data.decode("utf-8", "surrogateescape")
    return [ln + "\n" for ln in text.split("\n")[:-1]] + (
        [text.split("\n")[-1]] if not text.endswith("\n") and text else [])


def hunks(old, new):
    """Unified hunks of two lists of lines. The time of the differ grows with the square of
    the length, so equal lines at both ends are left out."""
    if old == new:
        return
    head = 0
    while head < min(len(old), len(new)) and old[head] == new[head]:
        head += 1
    tail = 0
    while (tail < min(len(old), len(new)) - head
           and old[-1 - tail] == new[-1 - tail]):
        tail += 1
    end, new_end = len(old) - tail, len(new) - tail
    matcher = difflib.SequenceMatcher(None, old[head:end], new[head:new_end],
                                      autojunk=False)
    matcher.opcodes = [("equal", 0, head, 0, head),
                       *((tag, i1 + head, i2 + head, j1 + head, j2 + head)
                         for tag, i1, i2, j1, j2 in matcher.get_opcodes()),
                       ("equal", end, len(old), new_end, len(new))]
    for group in matcher.get_grouped_opcodes(CONTEXT):
        first, last = group[0], group[-1]
        yield "@@ -%s +%s @@\n" % (span(first[1], last[2]), span(first[3], last[4]))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from marked(" ", old[i1:i2])
                continue
            yield from marked("-", old[i1:i2])
            yield from marked("+", new[j1:j2])


def span(start, end):
    count = end - start
    return f"{start + (1 if count else 0)},{count}"


def marked(sign, lines):
    for line in lines:
        yield sign + line
        if not line.endswith("\n"):
            yield "\n\\ No newline at end of file\n"


def diff(path, old, new):
    """The part of a patch for one file, and its numbers of added and removed lines."""
    out = [f"diff --git a/{path} b/{path}\n"]
    if old.kind == "none":
        out.append(f"new file mode {git_mode(new)}\n")
    elif new.kind == "none":
        out.append(f"deleted file mode {git_mode(old)}\n")
    elif git_mode(old) != git_mode(new):
        out += [f"old mode {git_mode(old)}\n", f"new mode {git_mode(new)}\n"]
    body = list(hunks(split_lines(old.data), split_lines(new.data)))
    if body:
        out.append(f"--- a/{path}\n" if old.kind != "none" else "--- /dev/null\n")
        out.append(f"+++ b/{path}\n" if new.kind != "none" else "+++ /dev/null\n")
    plus = sum(ln.startswith("+") for ln in body)
    minus = sum(ln.startswith("-") for ln in body)
    return "".join(out + body), plus, minus


def git_mode(node):
    if node.kind == "link":
        return "120000"
    return "100755" if node.mode & 0o100 else "100644"


def stat_block(counts):
    """The table of files between the message of a patch and its diff."""
    width = max(len(path) for path, _, _ in counts)
    most = max(plus + minus for _, plus, minus in counts)
    scale = min(1, 40 / max(most, 1))
    out = []
    for path, plus, minus in counts:
        bar = "+" * math.ceil(plus * scale) + "-" * math.ceil(minus * scale)
        out.append(f" {path:<{width}} | {plus + minus:>5} {bar}".rstrip() + "\n")
    out.append(f" {len(counts)} files changed, "
               f"{sum(c[1] for c in counts)} insertions(+), "
               f"{sum(c[2] for c in counts)} deletions(-)\n")
    return "".join(out)


def write_patches(plan, folder):
    """Writes NNNN-*.patch to a folder and removes old ones. Returns the paths."""
    os.makedirs(folder, exist_ok=True)
    for name in os.listdir(folder):
        if name.endswith(".patch"):
            os.unlink(os.path.join(folder, name))
    steps = [(patch, changes) for patch, changes in plan.steps if changes]
    date = email.utils.formatdate(localtime=True)
    paths = []
    for number, (patch, changes) in enumerate(steps, 1):
        parts, counts = [], []
        for path, (old, new) in sorted(changes.items()):
            text, plus, minus = diff(path, old, new)
            parts.append(text)
            counts.append((path, plus, minus))
        slug = patch.name.split("-", 1)[-1]
        paths.append(os.path.join(folder, f"{number:04}-{slug}.patch"))
        with open(paths[-1], "w", encoding="utf-8",
                  errors="surrogateescape", newline="") as out:
            out.write(SEPARATOR)
            out.write(f"From: {AUTHOR}\nDate: {date}\n")
            out.write(f"Subject: [PATCH {number}/{len(steps)}] {patch.subject}\n")
            out.write("MIME-Version: 1.0\n"
                      "Content-Type: text/plain; charset=UTF-8\n"
                      "Content-Transfer-Encoding: 8bit\n\n")
            out.write("\n".join(patch.body) + "\n---\n")
            out.write(stat_block(counts) + "\n" + "".join(parts) + "-- \nkmemleak\n\n")
    return paths
