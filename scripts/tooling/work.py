# SPDX-License-Identifier: GPL-2.0-only
"""Common parts of all long steps: paths, the lock of the build folder, progress on the
terminal, commands whose output goes to a log."""

import copy
import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

from . import arches, sources

SCRIPTS = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
ROOT = os.path.dirname(SCRIPTS)
QUIET_EVERY = 20        # seconds between lines of progress without a terminal
COMPILERS = ("gcc", "clang", *arches.COMPILERS)
TAIL = 25               # lines of a failed step's log to show


class Failed(Exception):
    """A step failed. The message is for the user."""


class Talk:
    """Is progress shown at all? `make lint` is silent if it finds nothing."""
    quiet = False


def say(line):
    if not Talk.quiet:
        print(line, flush=True)


class Setup:
    """The user's options, from the environment that make passes on."""

    def __init__(self, environ=os.environ):
        self.out = os.path.abspath(environ.get("O") or os.path.join(ROOT, "build"))
        self.kdir = environ.get("KDIR") or ""
        self.jobs = int(environ.get("JOBS") or len(os.sched_getaffinity(0)))
        self.accel = environ.get("ACCEL") or "tcg"
        self.base = environ.get("BASE") or ""
        self.tree = environ.get("TREE") or ""
        self.work = self.out
        if self.tree:
            self.choose_tree()
        if self.kdir:
            self.kdir = os.path.abspath(self.kdir)
            tag = hashlib.sha256(os.path.realpath(self.kdir).encode()).hexdigest()
            self.work = os.path.join(self.out, "kdir-" + tag[:8])
        self.linux = os.path.join(self.work, "linux")
        self.logs = os.path.join(self.work, "logs")
        self.stock = False

    def choose_tree(self):
        """Gives a tree that is not the default its own folder."""
        if self.kdir or self.base:
            raise Failed("TREE= names the tree, and so does KDIR= or BASE=: one of them")
        if self.tree not in sources.TREES:
            raise Failed(f"TREE={self.tree}: one of {', '.join(sources.TREES)}")
        if not sources.is_default(self.tree):
            self.work = os.path.join(self.out, "tree-" + self.tree)

    def stock_twin(self):
        """A copy of the setup for the base tree without the project."""
        twin = copy.copy(self)
        twin.stock = True
        twin.work = os.path.join(self.work, "stock")
        twin.linux = os.path.join(twin.work, "linux")
        twin.logs = os.path.join(twin.work, "logs")
        return twin

    def path(self, *names):
        return os.path.join(self.work, *names)

    def log(self, name):
        os.makedirs(self.logs, exist_ok=True)
        return os.path.join(self.logs, name + ".log")

    def take_lock(self):
        """Takes the lock until the process ends: one run at a time in a build folder."""
        os.makedirs(self.out, exist_ok=True)
        self.lock = os.open(os.path.join(self.out, ".lock"),
                            os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"waiting for another run in {self.out}", flush=True)
            fcntl.flock(self.lock, fcntl.LOCK_EX)


def full():
    """"1" for the long forms of the tests, else "0"."""
    return "0" if os.environ.get("FULL", "") in ("", "0") else "1"


def clean_environ():
    """The environment for makes of other projects, without the variables of our Makefile:
    O= and KDIR= have other meanings there."""
    gone = {"MAKEFLAGS", "MFLAGS", "MAKEOVERRIDES", "MAKELEVEL", "MAKEFILES",
            "O", "KDIR", "JOBS", "ACCEL", "CMD", "FLAVOR", "BASE", "APPEND",
            "ROUNDS", "QUICK", "FULL", "LIMIT", "FILES", "TREE", "ARCH"}
    clean = {k: v for k, v in os.environ.items() if k not in gone}
    # ccache then recognizes a file in the build folder of another clone.
    out = os.path.abspath(os.environ.get("O") or os.path.join(ROOT, "build"))
    clean.setdefault("CCACHE_BASEDIR", out)
    clean.setdefault("CCACHE_NOHASHDIR", "1")
    clean["PATH"] = cached_compilers(os.path.join(out, "ccache"),
                                     clean.get("PATH") or os.defpath)
    return arches.environ(out, clean)


def cached_compilers(folder, path):
    """A PATH in which the compilers are links to ccache, if there is ccache.

    Commands name the plain compiler with and without ccache, because kbuild rebuilds each
    file whose command has changed. For the same reason, our stamps ignore ccache."""
    ccache = shutil.which("ccache", path=path)
    if not ccache:
        return path
    os.makedirs(folder, exist_ok=True)
    for name in COMPILERS:
        link = os.path.join(folder, name)
        if not os.path.islink(link) or os.readlink(link) != ccache:
            part = f"{link}.{os.getpid()}"
            os.symlink(ccache, part)
            os.replace(part, link)
    return folder + os.pathsep + path


class Step:
    """Shows the progress of one step: on a terminal in one line that is rewritten, elsewhere
    in a new line now and then. Use it as a context manager."""

    def __init__(self, title, total=0):
        self.title, self.total, self.done = title, total, 0
        self.tty = sys.stdout.isatty()
        self.start = self.shown = time.monotonic()

    def __enter__(self):
        self.show(end=False)
        return self

    def __exit__(self, kind, *_):
        self.show(end=True, word="failed" if kind else "done")

    def text(self, word=""):
        took = int(time.monotonic() - self.start)
        count = ""
        if self.total:
            count = f" {min(self.done, self.total)}/{self.total} files"
        clock = f" {took // 60}:{took % 60:02}" if took or word else ""
        return f"{self.title}:{count}{clock} {word}".rstrip()

    def show(self, end, word=""):
        if Talk.quiet:
            return
        if self.tty:
            width = shutil.get_terminal_size().columns - 1
            sys.stdout.write("\r" + self.text(word)[:width].ljust(width))
            if end:
                sys.stdout.write("\n")
        else:
            print(self.text(word or "..."))
        sys.stdout.flush()
        self.shown = time.monotonic()

    def tick(self, done=None):
        if done is not None:
            self.done = done
        if time.monotonic() - self.shown >= (0.2 if self.tty else QUIET_EVERY):
            self.show(end=False)


def tail(path):
    """The last lines of a log, below the errors from earlier lines."""
    with open(path, errors="replace", encoding="utf-8") as src:
        lines = src.read().splitlines()
    errors = [line for line in lines[:-TAIL]
              if re.search(r"\berror\b:|undefined reference|\*\*\* ", line)]
    return "\n".join("  | " + line for line in errors[:TAIL] + lines[-TAIL:])


def run_logged(command, log, step=None, counts=None, **kwargs):
    """Runs a command with its output in a log. Failed shows the end of the log.

    counts(line) tells whether a line of output is one more file for step."""
    done = step.done if step else 0
    with open(log, "w", encoding="utf-8", errors="replace") as out:
        out.write("$ " + " ".join(command) + "\n")
        out.flush()
        child = subprocess.Popen(command, stdout=subprocess.PIPE,
                                 stderr=subprocess.STDOUT, text=True,
                                 stdin=subprocess.DEVNULL, errors="replace",
                                 **kwargs)
        for line in child.stdout:
            out.write(line)
            if counts and counts(line):
                done += 1
            if step:
                step.tick(done)
        status = child.wait()
    if status:
        raise Failed(f"{command[0]} failed ({status}), the end of {log}:\n"
                     + tail(log))


def digest(*parts):
    """One hash of all parts, which are strings or bytes."""
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else str(part).encode()
        total.update(len(data).to_bytes(8, "little") + data)
    return total.hexdigest()


def read_stamp(path):
    try:
        with open(path, encoding="utf-8") as src:
            return src.read().strip()
    except FileNotFoundError:
        return ""


def write_stamp(path, value):
    with open(path + ".part", "w", encoding="utf-8") as out:
        out.write(value + "\n")
    os.replace(path + ".part", path)
