# SPDX-License-Identifier: GPL-2.0-only
"""Boots a built kernel with a BusyBox initramfs, in QEMU or as user-mode Linux, and runs
one program in it. The kernel log and the program's output have separate ports. Judges
only whether the guest came to its end."""

import ctypes
import errno
import os
import re
import select
import shutil
import signal
import stat
import struct
import subprocess
import time
from dataclasses import dataclass, field

from . import arches, kernel, sources, stalls, tree
from .work import Failed, ROOT, SCRIPTS, clean_environ, full

BENCH_MEMORY = "2G"
# Seconds between two samples of how long the host lets the guest run.
SAMPLE = 0.5
# Lines of the kernel log that the message about a failed guest repeats.
CONSOLE_LINES = 12
# The first tree whose user-mode Linux takes extended registers of any size.
ANY_XSTATE = (6, 13)
# Needed with deny_xstate(): the C library must not use the extended registers. Otherwise
# the upper half of a register is lost now and then, and 16 bytes of a string with it. The
# kernel passes unknown words with '=' on to init.
PLAIN_LIBC = ("GLIBC_TUNABLES=glibc.cpu.hwcaps=-AVX,-AVX2,-AVX512F,-AVX512VL,-AVX512BW,"
              "-AVX_Fast_Unaligned_Load")
# For deny_xstate(), from the host's headers. Without SPEC_ALLOW some hosts would slow down
# all filtered processes.
NR_PTRACE, NR_SECCOMP = 101, 317
PTRACE_GETREGSET = 0x4204
PR_SET_NO_NEW_PRIVS = 38
SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_SPEC_ALLOW = 1, 4
SECCOMP_RET_ERRNO, SECCOMP_RET_ALLOW = 0x00050000, 0x7fff0000
SELFTESTS = "tools/testing/selftests/kmemleak"


@dataclass
class Result:
    lines: list = field(default_factory=list)   # the program's output
    console: list = field(default_factory=list)  # the kernel log
    forgiven: set = field(default_factory=set)  # numbers of its lines on stalls of the host
    status: int = -1            # the program's exit status, -1: none
    lockdep: str = ""           # "1": on, "0": turned itself off, "": not built in
    fault: str = ""             # why there is no exit status


class Archive:
    """A cpio archive (newc) in memory. Needs neither cpio nor root."""

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
    """Adds the modules, and a modules.dep for BusyBox's modprobe."""
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
    """The applets of the host's BusyBox. Those of another machine may differ a little."""
    got = subprocess.run([arches.BUSYBOX, "--list-full"], capture_output=True,
                         text=True, check=True)
    return got.stdout.split()


def busybox(setup, machine):
    try:
        return arches.busybox(setup.out, machine)
    except sources.Unavailable as err:
        raise Failed(str(err)) from err


def is_bench(flavor):
    """Is this a benchmark? It decides itself whether the detector is on, and needs more
    memory."""
    return flavor.startswith("bench")


def memory_of(flavor):
    return BENCH_MEMORY if is_bench(flavor) else kernel.FLAVORS[flavor].memory


def pack(setup, flavor, path, main, environ, tests=(), files=(), placed=()):
    """Writes the initramfs. Its /guest/main is the given text or file."""
    archive = Archive()
    archive.folders("dev")
    for name, kind, device in (("console", stat.S_IFCHR | 0o600, (5, 1)),
                               ("null", stat.S_IFCHR | 0o666, (1, 3))):
        archive.entry("dev/" + name, kind, device=device)
    for folder in ("proc", "sys", "tmp", "root", "bin", "sbin", "usr", "usr/bin",
                   "usr/sbin", "etc"):
        archive.folders(folder)
    machine = kernel.FLAVORS[flavor]
    archive.file("bin/busybox", busybox(setup, machine), 0o755)
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
    # KMEMLEAK_TEST_ONE_CPU has the same reason as maxcpus=1 in command().
    environ = {"KMEMLEAK_TEST_SLOW": "1" if machine.slow else "0",
               "KMEMLEAK_TEST_ONE_CPU": "1" if setup.accel == "tcg" else "0",
               "KMEMLEAK_TEST_FULL": full(), "KMEMLEAK_TEST_HOSTED": "1",
               **environ}
    archive.text("guest/env", "".join(
        f"export {k}='{v}'\n" for k, v in sorted(environ.items())))
    archive.text("guest/motd", "kmemleak is in /sys/kernel/debug/kmemleak, the "
                 "selftests in /kselftest/kmemleak;\n`modprobe kmemleak-test` "
                 "leaks, `exit` ends the guest.\n")
    archive.text("guest/tests", "".join(name + "\n" for name in tests))
    for name in tree.files_below(setup.linux, SELFTESTS):
        archive.file("kselftest/kmemleak/" + os.path.relpath(name, SELFTESTS),
                     os.path.join(setup.linux, name))
    for name in files:
        archive.file("root/" + os.path.basename(name), name)
    for name, source in dict(placed).items():
        archive.file(name, source)
    add_modules(archive, setup.path(flavor))
    archive.write(path)


def command(setup, flavor, initrd, append, serial):
    machine = kernel.FLAVORS[flavor]
    if not shutil.which(machine.qemu):
        raise Failed(f"no {machine.qemu}")
    # The other CPUs start later, see /init. QEMU before 8.1 can lose a change that one CPU
    # makes to code while another CPU runs this code for the first time. At the end of the
    # boot the kernel makes such a change to the path out of idle.
    words = [] if is_bench(flavor) or "kmemleak=" in append else ["kmemleak=on"]
    words += [*machine.append, "panic=-1", "maxcpus=1"]
    ports = (["-serial", "mon:stdio"] if serial == "shell"
             else ["-serial", "file:" + serial, *machine.output])
    # If an option is given twice, the last one counts.
    host = ["-cpu", "host"] if setup.accel == "kvm" else []
    return [machine.qemu, "-accel", setup.accel, *machine.words, *host,
            "-m", memory_of(flavor), "-smp", str(machine.cpus), "-nodefaults",
            "-no-user-config", "-no-reboot", "-display", "none", *ports,
            "-kernel", kernel.image(setup, flavor),
            "-initrd", initrd,
            "-append", " ".join(words + [append]).strip()]


def uml_command(setup, flavor, initrd, append, memory):
    """The kernel is a program: its log goes to stderr, /dev/tty1 to stdout."""
    return [kernel.image(setup, flavor), f"mem={memory}", f"initrd={initrd}",
            "con0=null,fd:2", "con1=null,fd:1", "con=null", "panic=-1",
            *([] if takes_xstate(setup) else [PLAIN_LIBC]), *append.split()]


def takes_xstate(setup):
    return kernel.release(setup) >= ANY_XSTATE


def deny_xstate():
    """Makes ptrace(PTRACE_GETREGSET) fail in this process and its children.

    User-mode Linux up to 6.12 has room for 2696 bytes of extended registers. If the host's
    CPU has another number of bytes, user-mode Linux cannot start any program. If the host
    refuses these registers, it uses the classic ones."""
    # struct sock_filter {code, jt, jf, k}. In struct seccomp_data, the number of the system
    # call is at offset 0, its first argument at 16.
    load, equal, give = 0x20, 0x15, 0x06
    program = b"".join(struct.pack("HBBI", *line) for line in (
        (load, 0, 0, 0), (equal, 0, 3, NR_PTRACE),
        (load, 0, 0, 16), (equal, 0, 1, PTRACE_GETREGSET),
        (give, 0, 0, SECCOMP_RET_ERRNO | errno.EIO),
        (give, 0, 0, SECCOMP_RET_ALLOW)))
    code = ctypes.create_string_buffer(program)
    head = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    if (libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
            or libc.syscall(NR_SECCOMP, SECCOMP_SET_MODE_FILTER,
                            SECCOMP_FILTER_FLAG_SPEC_ALLOW, head)):
        raise OSError(ctypes.get_errno(), "seccomp")


def boot(setup, flavor, main, *, name, limit, append="", show=None, tests=(),
         files=(), placed=(), memory=None, extra=(), stall_limits=None):
    """Runs main in a guest until the guest ends, for at most limit seconds.

    show(line) is called at once for each line of the program's output. placed: more files,
    by their path in the guest. memory: for user-mode Linux. extra: more arguments for QEMU.
    stall_limits: for a guest that reports stalls after other times than usual."""
    uml = flavor in kernel.UML
    environ = {"GUEST_MODE": "run", "GUEST_PORT": kernel.FLAVORS[flavor].port}
    if uml:
        environ["GUEST_END"] = "poweroff"
    initrd = setup.path(flavor, "initramfs.cpio")
    pack(setup, flavor, initrd, main, environ, tests, files, placed)
    console, output = setup.log(name + "-console"), setup.log(name + "-output")
    if uml:
        line = uml_command(setup, flavor, initrd, append, memory or memory_of(flavor))
    else:
        line = [*command(setup, flavor, initrd, append, console), *extra]
    prepare = deny_xstate if uml and not takes_xstate(setup) else None
    with open(console, "wb") as errors:
        guest = start(line, errors if uml else subprocess.STDOUT, prepare)
    result = Result()
    clock = follow(guest, result, console, output, limit, show)
    with open(console, "rb") as src:
        text = src.read().decode(errors="replace")
    limits = stalls.limits_of(kernel.config(setup, flavor)) | (stall_limits or {})
    result.forgiven = stalls.forgiven(text.split("\n"), clock,
                                      kernel.ticks(setup, flavor), limits)
    result.console = [ln.rstrip("\r") for ln in text.split("\n")]
    if result.status < 0 and not result.fault:
        result.fault = "the guest ended before its program did"
        if guest.returncode:
            result.fault += f" (exit status {guest.returncode})"
    if result.fault:
        result.fault = explain(result.fault, console, result.console)
    return result


def follow(guest, result, console, output, limit, show):
    """Reads the output of a guest until it ends, for at most limit seconds. Returns a
    stalls.Clock."""
    ended = time.monotonic() + limit
    clock, looked = stalls.Clock(guest.pid), 0
    pending = b""
    with open(output, "wb") as log:
        while True:
            left = ended - time.monotonic()
            if left <= 0:
                result.fault = f"the guest did not finish in {limit} s"
                kill(guest)
                break
            ready = select.select([guest.stdout], [], [], min(left, SAMPLE))[0]
            if time.monotonic() - looked >= SAMPLE:
                looked = time.monotonic()
                clock.sample(os.path.getsize(console))
            if not ready:
                continue
            data = os.read(guest.stdout.fileno(), 65536)
            if not data:
                break
            log.write(data)
            log.flush()
            *lines, pending = (pending + data).split(b"\n")
            for raw in lines:
                take(result, raw.decode(errors="replace").rstrip("\r"), show)
    guest.wait()
    guest.stdout.close()
    if pending:
        take(result, pending.decode(errors="replace").rstrip("\r"), show)
    return clock


def kill(guest):
    """Kills the whole group: user-mode Linux has a process for each address space."""
    os.killpg(guest.pid, signal.SIGKILL)


def start(line, errors, prepare=None):
    return subprocess.Popen(line, stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=errors,
                            env=clean_environ(), start_new_session=True,
                            preexec_fn=prepare)


def explain(fault, path, lines):
    """A fault, with the path and the last lines of the kernel log."""
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
    """Runs an interactive guest. Returns when it is switched off."""
    if flavor in kernel.UML:
        raise Failed(f"no shell for FLAVOR={flavor}")
    initrd = setup.path(flavor, "initramfs.cpio")
    pack(setup, flavor, initrd, "#!/bin/sh\n", {"GUEST_MODE": "shell"})
    return subprocess.call(command(setup, flavor, initrd, append, "shell"))
