# SPDX-License-Identifier: GPL-2.0-only
"""The table of machines: the machine that a kernel is built for, and how QEMU runs it.
`make test-arch` runs one of the kinds. All other kernels are for X86 or user-mode Linux.
Compilers and user space of other architectures are Debian packages, unpacked in the
build folder. Of our modules, it imports only sources."""

import glob
import os
from dataclasses import dataclass, replace

from . import sources

# Debian's BusyBox is static, so it is the whole user space.
BUSYBOX = "/bin/busybox"
# Debian's name of the machine that compilers run on.
HOST = "amd64"
# If the release lacks an architecture, its user space comes from these releases.
LATER = ("trixie", "forky", "sid")


@dataclass(frozen=True)
class Machine:
    """A machine that a kernel is built for."""
    configs: tuple          # files of options, later files override earlier ones
    arch: str = "x86"       # kbuild's ARCH=
    image: str = "vmlinux"  # the file to boot; its last part is make's goal
    qemu: str = "qemu-system-x86_64"
    words: tuple = ()       # QEMU's arguments besides those of all machines
    # The second port has the program's output. The first one has the kernel log.
    output: tuple = ("-serial", "stdio")
    port: str = "/dev/ttyS1"
    append: tuple = ("console=ttyS0",)
    cpus: int = 2
    memory: str = "512M"
    packages: tuple = ("qemu-system-x86",)
    debian: str = HOST      # the architecture of its user space
    triplet: str = ""       # of its compiler, empty for the host's compiler
    tests: tuple = ()       # selftests to run; empty: all of them
    lacks: str = ""         # reason why it does not run all
    slow: bool = False      # shorter loads in the selftests


# All features that QEMU can emulate, with the name of a newer model. For an old model the
# kernel works around an erratum: it idles with the slow timer and does not use the TSC.
CPU = "max,la57=off,vendor=GenuineIntel,family=6,model=60,stepping=3"

X86 = Machine(configs=("guest.config", "arch/x86-64.config", "selftests.config"),
              words=("-cpu", CPU), append=("console=ttyS0", "tsc=reliable"))
I386 = replace(X86, configs=("guest.config", "arch/i386.config", "selftests.config"),
               arch="i386", image="arch/x86/boot/bzImage", qemu="qemu-system-i386",
               debian="i386", memory="1536M",
               tests=("sample.sh", "api.sh", "graphs.sh", "roots.sh"),
               lacks="the other selftests look at nothing that is different there")
# QEMU's boards for the other architectures have at most one serial port.
VIRTIO = ("-chardev", "stdio,id=output", "-device", "virtconsole,chardev=output")
ARM64 = Machine(configs=("guest.config", "arch/arm64.config"), arch="arm64",
                image="arch/arm64/boot/Image", qemu="qemu-system-aarch64",
                words=("-machine", "virt,gic-version=3", "-cpu", "cortex-a72"),
                output=("-device", "virtio-serial-device", *VIRTIO), port="/dev/hvc0",
                append=("console=ttyAMA0",), packages=("qemu-system-arm",),
                debian="arm64", triplet="aarch64-linux-gnu",
                tests=("sample.sh", "graphs.sh", "recall.sh", "roots.sh"),
                lacks="the other selftests look at nothing that is different there")
RISCV64 = replace(ARM64, configs=("guest.config", "arch/riscv64.config"), arch="riscv",
                  image="arch/riscv/boot/Image", qemu="qemu-system-riscv64",
                  words=("-machine", "virt"), append=("console=ttyS0",),
                  packages=("qemu-system-misc", "opensbi"), debian="riscv64",
                  triplet="riscv64-linux-gnu")
S390X = replace(ARM64, configs=("guest.config", "arch/s390x.config"), arch="s390",
                image="arch/s390/boot/bzImage", qemu="qemu-system-s390x",
                words=("-machine", "s390-ccw-virtio", "-cpu", "max"),
                output=("-device", "virtio-serial-ccw", *VIRTIO), append=(),
                packages=("qemu-system-misc",), debian="s390x",
                triplet="s390x-linux-gnu")


def over(machine, *configs, **more):
    """The machine, with further files of options."""
    return replace(machine, configs=(*machine.configs, *configs), **more)


# Two nodes with one CPU each.
NODES = ("-object", "memory-backend-ram,id=m0,size=256M",
         "-object", "memory-backend-ram,id=m1,size=256M",
         "-numa", "node,nodeid=0,cpus=0,memdev=m0",
         "-numa", "node,nodeid=1,cpus=1,memdev=m1")
KINDS = {
    "i386": I386,
    "i386-pae": over(I386, "arch/i386-pae.config"),
    "arm64": ARM64,
    "arm64-64k": over(ARM64, "arch/arm64-64k.config", memory="4G"),
    "arm64-kasan-tags": over(ARM64, "arch/arm64-kasan-tags.config", memory="1G",
                             slow=True),
    "riscv64": RISCV64,
    "s390x": S390X,
    "x86-64-rt": over(X86, "arch/x86-64-rt.config"),
    "x86-64-lazy": over(X86, "arch/x86-64-lazy.config"),
    "x86-64-numa": over(X86, "arch/x86-64-numa.config", words=(*X86.words, *NODES)),
    "x86-64-1cpu": replace(X86, cpus=1),
    "x86-64-up": over(X86, "arch/x86-64-up.config", cpus=1),
}
COMPILERS = sorted({kind.triplet + "-gcc" for kind in KINDS.values() if kind.triplet})


def folder(build, name):
    return os.path.join(build, "sources", name)


def compiler(build, machine):
    """The prefix of the machine's compiler. The compiler is fetched if it is missing. It is
    not installed, because Debian's cross compilers conflict with gcc-multilib."""
    if not machine.triplet:
        return ""
    kept = folder(build, "gcc-" + machine.triplet)
    if not os.path.isdir(kept):
        wanted = rf"[\w+.-]+-{machine.triplet}(-base)?|libgcc-\d+-dev-{machine.debian}-cross"
        sources.fetch_packages(kept, f"a compiler for {machine.debian}", HOST,
                               [sources.codename()], f"gcc-{machine.triplet}", wanted)
    return machine.triplet + "-"


def busybox(build, machine):
    """The path of the machine's BusyBox."""
    if machine.debian == HOST:
        return BUSYBOX
    kept = folder(build, "busybox-" + machine.debian)
    if not os.path.isdir(kept):
        wanted = f"BusyBox for {machine.debian}", machine.debian
        name = "busybox-static"
        try:
            sources.fetch_packages(kept, *wanted, [sources.codename()], name, name)
        except sources.Unavailable:
            sources.fetch_packages(kept, *wanted, LATER, name, name)
    # In some releases /bin is part of /usr.
    return next(path for path in (kept + BUSYBOX, kept + "/usr" + BUSYBOX)
                if os.path.exists(path))


def environ(build, clean):
    """The environment clean, with the fetched compilers added."""
    found = glob.glob(folder(build, "gcc-*/usr"))
    if found:
        clean = {**clean, "LD_LIBRARY_PATH": os.pathsep.join(
            path for top in found for path in glob.glob(top + "/lib/*-linux-gnu"))}
        clean["PATH"] = os.pathsep.join([clean["PATH"], *(top + "/bin" for top in found)])
    return clean
