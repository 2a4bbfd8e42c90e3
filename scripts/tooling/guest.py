# SPDX-License-Identifier: GPL-2.0-only
"""Boots a built kernel in QEMU with a BusyBox initramfs and runs one program
in it. The kernel log and the program's output have a serial port each. Judges
nothing but whether the guest came to its end."""

import os
import re
import select
import shutil
import stat
import subprocess
import time
from dataclasses import dataclass, field

from . import kernel, tree
from .work import Failed, ROOT, SCRIPTS, clean_environ

MEMORY = {"guest": "512M", "debug": "512M"}
# All that QEMU can emulate, but under a name that does not make the kernel work
# around an old erratum by idling through the slow timer and giving up the TSC.
CPU = "max,la57=off,vendor=GenuineIntel,family=6,model=60,stepping=3"
# BusyBox comes static from Debian; so it is the whole user space.
BUSYBOX = "/bin/busybox"
# How much of the kernel log a message about a guest that failed repeats.
CONSOLE_LINES = 12
SELFTESTS = "tools/testing/selftests/kmemleak"


@dataclass
class Result:
    lines: list = field(default_factory=list)   # the program's output
    console: list = field(default_factory=list)  # the kernel log
    status: int = -1            # the program's exit status, if it came to that
    lockdep: str = ""           # "1" still on, "0" gave up, "" not built in
    fault: str = ""             # why there is no exit status


class Archive:
    """A newc cpio archive in memory; needs neither cpio nor root."""

    def __init__(self):
        self.parts, self.inode, self.have = [], 0, {""}

    def entry(self, path, mode, data=b"", device=(0, 0)):
        self.folders(os.path.dirname(path))
        self.have.add(path)
        self.inode += 1
        name = path.encode() + b"\0"
        head = "070701" + "".join("%08x" % value for value in (
            self.inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0))
        self.pad(head.encode() + name)
        self.pad(data)

    def pad(self, data):
        self.parts.append(data + b"\0" * (-len(data) % 4))

    def folders(self, path):
        if path not in self.have:
            self.entry(path, stat.S_IFDIR | 0o755)

    def file(self, path, source, mode=None):
        with open(source, "rb") as src:
            data = src.read()
        bits = mode or (0o755 if os.access(source, os.X_OK) else 0o644)
        self.entry(path, stat.S_IFREG | bits, data)

    def text(self, path, text, mode=0o644):
        self.entry(path, stat.S_IFREG | mode, text.encode())

    def write(self, path):
        self.entry("TRAILER!!!", 0)
        with open(path + ".part", "wb") as out:
            out.write(b"".join(self.parts))
        os.replace(path + ".part", path)


def add_modules(archive, folder):
    """The modules and a modules.dep for BusyBox's modprobe."""
    with open(os.path.join(folder, "include/config/kernel.release"),
              encoding="utf-8") as src:
        home = "lib/modules/" + src.read().strip()
    found = {}
    with open(os.path.join(folder, "modules.order"), encoding="utf-8") as src:
        for line in src.read().split():
            path = os.path.splitext(line)[0].removeprefix("kernel/") + ".ko"
            with open(os.path.join(folder, path), "rb") as ko:
                got = re.search(rb"\0depends=([^\0]*)\0", ko.read())
            name = os.path.basename(path)[:-3].replace("-", "_")
            needs = got[1].decode().replace("-", "_").split(",") if got else []
            found[name] = (path, [n for n in needs if n])
            archive.file(f"{home}/kernel/{path}", os.path.join(folder, path))
    lines = []
    for path, needs in found.values():
        deps, queue = [], list(needs)
        while queue:
            name = queue.pop(0)
            if name in found and name not in deps:
                deps.append(name)
                queue += found[name][1]
        lines.append(f"kernel/{path}: "
                     + " ".join(f"kernel/{found[d][0]}" for d in deps))
    archive.text(f"{home}/modules.dep", "\n".join(lines) + "\n")


def applets():
    got = subprocess.run([BUSYBOX, "--list-full"], capture_output=True,
                         text=True, check=True)
    return got.stdout.split()


def pack(setup, flavor, path, main, environ=None, tests=(), files=()):
    """Write the initramfs whose /guest/main is the given text or file."""
    archive = Archive()
    archive.folders("dev")
    for name, kind, device in (("console", stat.S_IFCHR | 0o600, (5, 1)),
                               ("null", stat.S_IFCHR | 0o666, (1, 3))):
        archive.entry("dev/" + name, kind, device=device)
    for folder in ("proc", "sys", "tmp", "root", "bin", "sbin", "usr", "usr/bin",
                   "usr/sbin", "etc"):
        archive.folders(folder)
    archive.file("bin/busybox", BUSYBOX, 0o755)
    for name in applets():
        if name != "bin/busybox":
            archive.entry(name, stat.S_IFLNK | 0o777, b"/bin/busybox")
    guest = os.path.join(SCRIPTS, "guest")
    for name in sorted(os.listdir(guest)):
        archive.file("init" if name == "init" else "guest/" + name,
                     os.path.join(guest, name))
    if main.startswith("#!"):
        archive.text("guest/main", main, 0o755)
    else:
        archive.entry("guest/main", stat.S_IFLNK | 0o777, main.encode())
    environ = {"KMEMLEAK_TEST_SLOW": "1" if flavor == "debug" else "0",
               **(environ or {})}
    archive.text("guest/env", "".join(
        f"export {k}='{v}'\n" for k, v in sorted(environ.items())))
    archive.text("guest/motd", "kmemleak is in /sys/kernel/debug/kmemleak, the "
                 "selftests in /kselftest/kmemleak;\n`modprobe kmemleak-test` "
                 "leaks, `exit` ends the guest.\n")
    archive.text("guest/tests", "".join(name + "\n" for name in tests))
    for name in tree.files_below(ROOT, SELFTESTS):
        archive.file("kselftest/kmemleak/" + os.path.relpath(name, SELFTESTS),
                     os.path.join(ROOT, name))
    for name in files:
        archive.file("root/" + os.path.basename(name), name)
    add_modules(archive, setup.path(flavor))
    archive.write(path)


def command(setup, flavor, initrd, append, serial):
    if not shutil.which("qemu-system-x86_64"):
        raise Failed("no qemu-system-x86_64")
    cpu = "host" if setup.accel == "kvm" else CPU
    # The other CPUs come later, see /init: QEMU before 8.1 can lose a change that
    # one CPU makes to code which another one runs for the first time, and at the
    # end of the boot the kernel makes such a change to the path out of idle.
    words = ["kmemleak=on", "console=ttyS0", "panic=-1", "tsc=reliable", "maxcpus=1"]
    ports = (["-serial", "mon:stdio"] if serial == "shell"
             else ["-serial", "file:" + serial, "-serial", "stdio"])
    return ["qemu-system-x86_64", "-accel", setup.accel, "-cpu", cpu,
            "-m", MEMORY[flavor], "-smp", "2", "-nodefaults", "-no-user-config",
            "-no-reboot", "-display", "none", *ports,
            "-kernel", kernel.image(setup, flavor),
            "-initrd", initrd,
            "-append", " ".join(words + [append]).strip()]


def boot(setup, flavor, main, *, name, limit, append="", show=None, environ=None,
         tests=(), files=()):
    """Run main in a guest until it ends, at most limit seconds.

    show(line) is called for each line of the program's output as it comes."""
    initrd = setup.path(flavor, "initramfs.cpio")
    pack(setup, flavor, initrd, main, {"GUEST_MODE": "run", **(environ or {})},
         tests, files)
    console = setup.log(name + "-console")
    if os.path.exists(console):
        os.unlink(console)
    result = Result()
    qemu = subprocess.Popen(command(setup, flavor, initrd, append, console),
                            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, env=clean_environ())
    ended = time.monotonic() + limit
    pending = b""
    with open(setup.log(name + "-output"), "wb") as log:
        while True:
            left = ended - time.monotonic()
            if left <= 0:
                result.fault = f"the guest did not finish in {limit} s"
                qemu.kill()
                break
            if not select.select([qemu.stdout], [], [], min(left, 5))[0]:
                continue
            data = os.read(qemu.stdout.fileno(), 65536)
            if not data:
                break
            log.write(data)
            log.flush()
            *lines, pending = (pending + data).split(b"\n")
            for raw in lines:
                take(result, raw.decode(errors="replace").rstrip("\r"), show)
    qemu.wait()
    if pending:
        take(result, pending.decode(errors="replace").rstrip("\r"), show)
    if os.path.exists(console):
        with open(console, "rb") as src:
            text = src.read().decode(errors="replace")
        result.console = [ln.rstrip("\r") for ln in text.split("\n")]
    if result.status < 0 and not result.fault:
        result.fault = "the guest ended before its program did"
        if qemu.returncode:
            result.fault += f" (QEMU: exit status {qemu.returncode})"
    if result.fault:
        result.fault = explain(result.fault, console, result.console)
    return result


def explain(fault, path, lines):
    """A fault with the place and the end of the kernel log."""
    last = [line for line in lines if line][-CONSOLE_LINES:]
    return f"{fault}, see {path}" + "".join("\n  | " + line for line in last)


def take(result, line, show):
    got = re.fullmatch(r"guest: (exit|lockdep)=(\d+)", line)
    if got and got[1] == "exit":
        result.status = int(got[2])
        return
    if got:
        result.lockdep = got[2]
        return
    result.lines.append(line)
    if show:
        show(line)


def shell(setup, flavor, append=""):
    """An interactive guest; returns when it is switched off."""
    initrd = setup.path(flavor, "initramfs.cpio")
    pack(setup, flavor, initrd, "#!/bin/sh\n", {"GUEST_MODE": "shell"})
    return subprocess.call(command(setup, flavor, initrd, append, "shell"))
