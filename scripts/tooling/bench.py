# SPDX-License-Identifier: GPL-2.0-only
"""`make bench`: builds the base tree without and with the project, with the same
configuration. Boots both kernels in turn, with the same work. Prints the costs, and
does not judge them."""

import datetime
import io
import json
import os
import platform
import shutil
import tarfile
import time
from dataclasses import dataclass

from . import figures, guest, kernel
from .tree import Originals, choose_plan, write_node
from .work import Failed, ROOT, Step, say

MODULE = "tools/testing/kmemleak/bench"
KO = "kmemleak-bench.ko"
ROUNDS = 5
SHAPES = ("list", "random", "buffers", "integers")
SIZES = (16, 64, 512, 4096, 65536)
# Numbers of CPUs to measure with: those that the host has, and at least one and two. The
# greatest is CONFIG_NR_CPUS in bench-guest.config.
CPUS = [1, 2, *(n for n in (4, 8, 16, 32, 64) if n <= os.cpu_count())]
COUNTS = {"30k": 30000, "300k": 300000, "3M": 3000000}


@dataclass(frozen=True)
class Boot:
    """One guest: plan is [(label, command)], see figures.read_lines().

    once: run it only once. It counts instructions, so the result is always the same."""
    name: str
    flavor: str
    append: str
    plan: tuple
    memory: str = "2G"
    limit: int = 300
    once: bool = False
    extra: tuple = ()


def pairs(count):
    return [(f"pair {size} {depth}", f"pair {size} {depth} 1 {count}")
            for size in SIZES for depth in (4, 16)] + [
        ("pair 64 16, 8 paths", f"pair 64 16 1 {count} paths"),
        ("bulk of 64", f"bulk {count}"),
        ("vmalloc of a page", f"vmalloc {count // 10}"),
        ("percpu of 64", f"percpu {count // 2}")]


def scans(size, shapes=SHAPES):
    """Each shape once. The first scan after populate is not measured."""
    plan = []
    for shape in shapes:
        plan += [("", f"populate {COUNTS[size]} {shape}"), ("", "scan"),
                 (f"scan {shape} {size}", "scan"), ("", "drop")]
    return plan


def memory(size, more=()):
    """Must come first in a boot, before the pool is filled."""
    return [(f"memory {size}", f"populate {COUNTS[size]} list"), *more, ("", "drop")]


def latency():
    return [("", "probe 1"), ("scan with probe", "scan"), ("", "probe 0"),
            ("no scan", "quiet 200")]


def threads(count):
    plan = []
    for mode in ("", "shared", "private"):
        name = f"pair 64 4{' ' * bool(mode)}{mode}"
        plan += [(f"{name}, {cpus} threads" if cpus > 1 else name,
                  f"pair 64 4 {cpus} {count} {mode}".rstrip()) for cpus in CPUS]
    return plan + [("pair 64 4, freed on the other CPU",
                    f"pair 64 4 2 {count} remote")]


def workers():
    """Uses a graph, because only one worker at a time can mark a list."""
    plan = [("", "populate 100000 random"), ("", "scan"), ("scan random 100k", "scan"),
            *latency()]
    for count in CPUS:
        plan += [("", f"param workers {count}"), ("", "scan"),
                 (f"scan, {count} worker{'s' * (count > 1)}", "scan")]
    return plan


def stops(*sizes):
    """A scan with a suspect stops all CPUs. Must come last in a boot: results behind a
    parameter that the other tree lacks do not count."""
    plan = [("", "param stop_budget_ms 2000")]
    for size in sizes:
        plan += [("", f"populate {COUNTS[size]} list"), ("", "lose"),
                 (f"scan with a leak, {size}", "scan"),
                 (f"stop, {size}", "stat stop_us us"), ("", "drop")]
    return plan


def leaks(count):
    """The first scan finds all of them. Stock reports only blocks that are 5 s old."""
    return [("", f"lose {count}"), ("", "quiet 6000"), (figures.LEAKS_FIRST, "scan"),
            (figures.LEAKS_LATER, "scan"), (figures.LEAKS_READ, "read")]


SCAN_300K = [("", "scan"), ("scan list 300k", "scan"), *latency()]
OFF, ON = "kmemleak=off", "kmemleak=on"
SMP = ("-smp", str(CPUS[-1]))
# One instruction takes one nanosecond of the guest, and waiting takes no time.
ICOUNT = ("-smp", "1", "-icount", "shift=0,sleep=off")
COUNTED = (("pair 64 4", "pair 64 4 1 5120"), ("pair 64 16", "pair 64 16 1 5120"),
           ("pair 64 4 in hardirq", "pair 64 4 1 5120 hardirq"),
           ("pair 64 4 in softirq", "pair 64 4 1 5120 softirq"))
# What a system does beside kmalloc() in a loop. The first run of each fills caches.
WORK = (("", "unpack"), ("", "remove"), ("", "fork 20"),
        *zip(figures.WORKS, ("unpack", "remove", "fork 300")))
BOOTS = (
    Boot("on", "bench-uml", ON, (*memory("300k", SCAN_300K), *pairs(100000),
                                 *scans("30k"), *scans("300k", SHAPES[1:]),
                                 *stops("30k", "300k"))),
    Boot("off", "bench-uml", OFF, (*memory("300k"), *pairs(1000000))),
    Boot("out", "bench-out", "", tuple(pairs(1000000))),
    Boot("large", "bench-uml", ON,
         (*memory("3M", [("", "scan"), ("scan list 3M", "scan")]),
          *scans("3M", SHAPES[1:]), *stops("3M")), "4G", 900),
    Boot("large-off", "bench-uml", OFF, tuple(memory("3M")), "4G"),
    Boot("leaks", "bench-uml", ON, tuple(leaks(200000))),
    Boot("smp", "bench-guest", ON, (*threads(50000), *workers()), extra=SMP),
    Boot("smp-off", "bench-guest", OFF, tuple(threads(200000)), extra=SMP),
    Boot("count", "bench-guest", ON,
         (*COUNTED,
          ("", "populate 30000 list"), ("", "scan"), ("scan list 30k", "scan")),
         once=True, extra=ICOUNT),
    Boot("count-off", "bench-guest", OFF, COUNTED,
         once=True, extra=ICOUNT),
    Boot("count-out", "bench-guest-out", "", COUNTED,
         once=True, extra=ICOUNT),
    Boot("work", "bench-guest", ON, WORK, once=True, extra=ICOUNT),
    Boot("work-off", "bench-guest", OFF, WORK, once=True, extra=ICOUNT),
)


def write_archive(path):
    """Writes a tar archive of 4,000 small files in 50 folders. It is the same each time."""
    with tarfile.open(path + ".part", "w", format=tarfile.USTAR_FORMAT) as archive:
        for number in range(4000):
            info = tarfile.TarInfo(f"{number % 50}/file-{number}")
            info.size = number * 37 % 6000
            archive.addfile(info, io.BytesIO(b"x" * info.size))
    os.replace(path + ".part", path)


def copy_module(setup, flavor):
    """Copies the module's source, in the version for the tree, to a folder where it can be
    built. Returns the folder."""
    def plan(target):
        return choose_plan(kernel.load_chains(), ROOT, Originals(target))[1]

    folder = setup.path(flavor, "kmemleak-bench")
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for path, node in kernel.with_tree(setup.linux, plan).target.items():
        if os.path.dirname(path) == MODULE:
            name = os.path.join(folder, os.path.basename(path))
            write_node(name, node, name + ".part")
    return folder


def build_module(setup, flavor):
    """Builds the module for one kernel. Returns its path."""
    folder = copy_module(setup, flavor)
    kernel.build_module(setup, flavor, folder)
    return os.path.join(folder, KO)


def build(setups):
    """Builds everything. Returns {(tree, flavor): path of the module}."""
    modules = {}
    for flavor in dict.fromkeys(boot.flavor for boot in BOOTS):
        for name, setup in setups.items():
            kernel.build(setup, flavor)
            modules[name, flavor] = build_module(setup, flavor)
    return modules


def run_boot(setup, tree, boot, turn, module):
    """Boots one guest. Returns its Sample."""
    sample = figures.Sample(tree, boot.name, turn)
    start = time.monotonic()
    up = []
    files = [module]
    if "unpack" in (command for _, command in boot.plan):
        files.append(setup.path("bench-files.tar"))
        write_archive(files[1])

    def watch(line):
        if line == "bench: up":
            up.append(time.monotonic() - start)

    result = guest.boot(setup, boot.flavor, "run-bench", name="bench-" + boot.name,
                        limit=int(os.environ.get("LIMIT") or boot.limit),
                        append=boot.append, show=watch, memory=boot.memory,
                        tests=[command for _, command in boot.plan],
                        files=files, extra=boot.extra)
    figures.read_lines(sample, boot.plan, result.lines)
    if up and not boot.once:
        sample.values["boot", "boot"] = up[0] * 1e9
        sample.units["boot"] = "ns"
    if result.fault:
        sample.missing.append(result.fault)
    return sample


def cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as src:
        for line in src:
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()


def kernel_release(setup):
    path = setup.path("bench-uml", "include/config/kernel.release")
    with open(path, encoding="utf-8") as src:
        return src.read().strip()


def measure(setups, modules, rounds, warm_up):
    """Samples of all rounds, without the warm-up. In each round the trees take turns boot
    by boot, so that both find the machine in the same state."""
    samples = []
    for turn in range(0 if warm_up else 1, rounds + 1):
        for boot in BOOTS:
            if boot.once and (turn != 1 or next(iter(setups.values())).accel != "tcg"):
                continue
            for tree, setup in setups.items():
                word = f"round {turn} of {rounds}" if turn else "warm-up"
                with Step(f"{word}: {boot.name}, {tree}"):
                    sample = run_boot(setup, tree, boot, turn,
                                      modules[tree, boot.flavor])
                for label in sample.missing:
                    say(f"  {tree}, {boot.name}: no figure: {label}")
                if turn:
                    samples.append(sample)
    return samples


def run(setup):
    quick = os.environ.get("QUICK", "") not in ("", "0")
    rounds = int(os.environ.get("ROUNDS") or (1 if quick else ROUNDS))
    if rounds < 1:
        raise Failed(f"ROUNDS={rounds}: at least 1")
    setups = {"stock": setup.stock_twin(), "ours": setup}
    modules = build(setups)
    started = datetime.datetime.now(datetime.timezone.utc)
    samples = measure(setups, modules, rounds, not quick)
    facts = {"kernel": kernel_release(setup), "cpu": cpu_model(),
             "cpus": os.cpu_count(), "rounds": rounds, "accel": setup.accel,
             "date": started.strftime("%Y-%m-%d %H:%M UTC")}
    with open(setup.path("bench.json"), "w", encoding="utf-8") as out:
        json.dump({**facts, "samples": figures.plain_data(samples)}, out, indent=1)
        out.write("\n")
    print()
    print("\n".join(figures.work_table(samples)))
    print()
    print("\n".join(figures.aim_table(samples)))
    print(f"\n{facts['kernel']}, {facts['cpu']}, {facts['cpus']} CPUs, "
          f"{facts['date']}, {rounds} round(s): median (least-most)")
    print(f"all values: {setup.path('bench.json')}")
    return 1 if any(sample.missing for sample in samples) else 0
