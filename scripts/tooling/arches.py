# SPDX-License-Identifier: GPL-2.0-only
"""The table of machines: what a kernel is built for, and how QEMU runs it. `make
test-arch` runs one of the kinds; all other kernels are for X86 or user-mode Linux.
Compilers and user space of other architectures are Debian's packages, unpacked in the
build folder. Uses no other module of ours but sources."""

import glob
import os
from dataclasses import dataclass, replace

from . import sources

# BusyBox comes static from Debian; so it is the whole user space.
BUSYBOX = "/bin/busybox"
# The machine that compilers have to run on, as Debian calls it.
HOST = "amd64"
# Where a release that lacks an architecture finds user space for it.
LATER = ("trixie", "forky", "sid")


@dataclass(frozen=True)
class Machine:
    """What a kernel is for."""
    configs: tuple          # files of options, later ones over earlier ones
    arch: str = "x86"       # kbuild's ARCH=
    image: str = "vmlinux"  # what is booted; its last part is make's goal
    qemu: str = "qemu-system-x86_64"
    words: tuple = ()       # for QEMU, besides what all have
    # The second port, for what the program says; the first one is the kernel's log.
    output: tuple = ("-serial", "stdio")
    port: str = "/dev/ttyS1"
    append: tuple = ("console=ttyS0",)
    cpus: int = 2
    memory: str = "512M"
    packages: tuple = ("qemu-system-x86",)
    debian: str = HOST      # the architecture of its user space
    triplet: str = ""       # of its compiler, if that is not the host's
    tests: tuple = ()       # selftests to run; none: all of them
    lacks: str = ""         # why it does not run all
    slow: bool = False      # for the selftests: shorter loads


# All that QEMU can emulate, but under a name that does not make the kernel work
# around an old erratum by idling through the slow timer and giving up the TSC.
CPU = "max,la57=off,vendor=GenuineIntel,family=6,model=60,stepping=3"

X86 = Machine(configs=("guest.config", "arch/x86-64.config", "selftests.config"),
              words=("-cpu", CPU), append=("console=ttyS0", "tsc=reliable"))
I386 = replace(X86, configs=("guest.config", "arch/i386.config", "selftests.config"),
               arch="i386", image="arch/x86/boot/bzImage", qemu="qemu-system-i386",
               debian="i386", memory="1536M",
               tests=("sample.sh", "api.sh", "graphs.sh", "roots.sh"),
               lacks="the other selftests look at nothing that is different there")
# QEMU's boards for these have one serial port at most.
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
    """A machine with further options over its own."""
    return replace(machine, configs=(*machine.configs, *configs), **more)


# Two nodes with a CPU each.
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
    """The prefix of the machine's compiler, which is fetched if it is not there. It is
    not installed, as Debian's cross compilers and gcc-multilib exclude each other."""
    if not machine.triplet:
        return ""
    kept = folder(build, "gcc-" + machine.triplet)
    if not os.path.isdir(kept):
        wanted = rf"[\w+.-]+-{machine.triplet}(-base)?|libgcc-\d+-dev-{machine.debian}-cross"
        sources.fetch_packages(kept, f"a compiler for {machine.debian}", HOST,
                               [sources.codename()], f"gcc-{machine.triplet}", wanted)
    return machine.triplet + "-"


def busybox(build, machine):
    """Path of its BusyBox."""
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
    # Where /bin is part of /usr.
    return next(path for path in (kept + BUSYBOX, kept + "/usr" + BUSYBOX)
                if os.path.exists(path))


def environ(build, clean):
    """An environment with the compilers that were fetched."""
    found = glob.glob(folder(build, "gcc-*/usr"))
    if found:
        clean = {**clean, "LD_LIBRARY_PATH": os.pathsep.join(
            path for top in found for path in glob.glob(top + "/lib/*-linux-gnu"))}
        clean["PATH"] = os.pathsep.join([clean["PATH"], *(top + "/bin" for top in found)])
    return clean
