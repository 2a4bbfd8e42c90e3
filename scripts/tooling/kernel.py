# SPDX-License-Identifier: GPL-2.0-only
"""Builds kernels from a tarball or from a tree of the user: unpacks or copies the
tree, applies the project, configures, builds. Each step leaves a stamp, which is a hash
of all its inputs, and is skipped while the hash stays the same."""

import os
import re
import shutil
import subprocess
from dataclasses import replace

from . import arches, chains, series, sources, tree
from .work import (Failed, ROOT, SCRIPTS, Step, clean_environ, digest, read_stamp,
                   run_logged, say, write_stamp)

KUNITCONFIG = "mm/kmemleak/tests/.kunitconfig"
GUEST = ("guest.config", "arch/x86-64.config")
UML_MACHINE = arches.Machine(configs=(), arch="um", image="linux", port="/dev/tty1")
# Each flavor is a machine, with the flavor's own configs. The kinds of machines are flavors
# as well.
FLAVORS = {
    "guest": arches.X86,
    # With KASAN, QEMU's entry into a plain vmlinux faults, because it runs before shadow
    # memory exists.
    "debug": arches.over(arches.X86, "debug.config", image="arch/x86/boot/bzImage",
                         slow=True),
    "lint": arches.over(arches.X86, "lint.config"),
    "off": replace(arches.X86, configs=(*GUEST, "off.config")),
    "uml-debug": arches.over(UML_MACHINE, KUNITCONFIG, "uml-debug.config"),
    "bench-uml": arches.over(UML_MACHINE, "bench-uml.config"),
    "bench-out": arches.over(UML_MACHINE, "bench-uml.config", "bench-out.config"),
    "bench-guest": replace(arches.X86, configs=(*GUEST, "bench-guest.config")),
    "bench-guest-out": replace(arches.X86, configs=(*GUEST, "bench-guest.config",
                                                    "bench-out.config")),
    **arches.KINDS,
}
UML = [name for name, machine in FLAVORS.items() if machine.arch == "um"]
# A change in these folders needs a new build, a change in the rest of the project does not.
KERNEL_PARTS = ("mm", "include", "lib", "samples", "kernel")
# Not copied from the user's tree: with files of an in-tree build, kbuild refuses to build in
# another folder.
BUILT = re.compile(r"(\.(o|a|ko|cmd|mod|mod\.c|order|symvers)|/vmlinux"
                   r"|^\.config(\.old)?|^\.version)$")
BUILT_DIRS = {".git", "include/config", "include/generated"}
BUILT_GENERATED = re.compile(r"^arch/[^/]+/include/generated$")
# Lines of kbuild's output for one compiled file.
ONE_FILE = re.compile(r"^  (CC|AS)( \[M\])? ")
ONE_FILE_DRY = re.compile(r"echo '  (?:CC|AS)(?: \[M\])? ")


def find_tarball(setup):
    if setup.base:
        return os.path.abspath(setup.base)
    if setup.tree:
        path = sources.tarball(setup.out, setup.tree)
        return path or fetch(setup)
    path = sources.installed()
    if not path:
        raise Failed(f"no linux-source-*.tar.* in {sources.USR_SRC}: install "
                     "linux-source, or name a tarball with BASE=")
    return path


def fetch(setup):
    try:
        with Step(f"fetch the tree {setup.tree}"):
            path = sources.fetch(setup.out, setup.tree)
    except sources.Unavailable as err:
        raise Failed(str(err)) from err
    return path


def drop_builds(setup):
    for name in FLAVORS:
        shutil.rmtree(setup.path(name), ignore_errors=True)


def unpack(setup):
    """Unpacks the base tree to build/linux, unless it is there from the same tarball."""
    tarball = find_tarball(setup)
    info = os.stat(tarball)
    stamp = setup.path("linux.stamp")
    value = digest(tarball, info.st_size, info.st_mtime_ns)
    if read_stamp(stamp) == value and os.path.isdir(setup.linux):
        return
    part = setup.linux + ".part"
    for old in (part, setup.linux):
        shutil.rmtree(old, ignore_errors=True)
    # Sources of the new version can be older than the objects of the old version.
    drop_builds(setup)
    os.makedirs(part)
    # The number of files is not known yet. This is about right.
    with Step(f"unpack {os.path.basename(tarball)}", 83000) as step:
        run_logged(["tar", "-C", part, "--strip-components=1", "-xvf", tarball],
                   setup.log("unpack"), step, counts=lambda line: True)
        step.total = step.done
    os.rename(part, setup.linux)
    write_stamp(stamp, value)


def list_tree(root):
    """[(path, size, mtime, mode)] of the sources in a user's tree."""
    found = []
    for folder, folders, names in os.walk(root):
        rel = os.path.relpath(folder, root)
        rel = "" if rel == "." else rel + "/"
        folders[:] = [d for d in folders if rel + d not in BUILT_DIRS
                      and not BUILT_GENERATED.match(rel + d)]
        for name in names:
            if BUILT.search(rel + name) and not name.endswith(".mod.c.in"):
                continue
            info = os.lstat(os.path.join(folder, name))
            found.append((rel + name, info.st_size, info.st_mtime_ns,
                          info.st_mode))
    return sorted(found)


def copy_kdir(setup):
    """Copies the user's tree, which itself is only read. The copy is built, and is updated
    when the user's tree has changed."""
    listing = list_tree(setup.kdir)
    if not any(path == "Kbuild" for path, *_ in listing):
        raise Failed(f"{setup.kdir}: not a kernel tree")
    stamp = setup.path("linux.stamp")
    value = digest(repr(listing))
    if read_stamp(stamp) == value:
        return
    os.makedirs(setup.linux, exist_ok=True)
    if os.path.exists(stamp):
        os.unlink(stamp)
    with_tree(setup.linux, tree.remove)
    shutil.rmtree(os.path.join(setup.linux, tree.STATE), ignore_errors=True)
    with Step(f"copy {setup.kdir}", len(listing)) as step:
        for done, (path, size, mtime, _mode) in enumerate(listing, 1):
            src = os.path.join(setup.kdir, path)
            dst = os.path.join(setup.linux, path)
            try:
                info = os.lstat(dst)
                same = (info.st_size, info.st_mtime_ns) == (size, mtime)
            except FileNotFoundError:
                same = False
                os.makedirs(os.path.dirname(dst), exist_ok=True)
            if not same:
                if os.path.lexists(dst):
                    os.unlink(dst)
                shutil.copy2(src, dst, follow_symlinks=False)
            step.tick(done)
        wanted = {path for path, *_ in listing}
        for path, *_ in list_tree(setup.linux):
            if path not in wanted:
                os.unlink(os.path.join(setup.linux, path))
    # Remove a version of the project that the user's tree has already.
    with_tree(setup.linux, tree.remove)
    write_stamp(stamp, value)


def with_tree(path, action, *args):
    target = tree.Tree(path)
    try:
        return action(target, *args)
    except tree.Refused as err:
        raise Failed("\n".join(f"{path}: {line}" for line in err.args)) from err
    finally:
        target.close()


def load_chains():
    try:
        return chains.read_chains(os.path.join(SCRIPTS, "series"), ROOT)
    except series.SeriesError as err:
        raise Failed(str(err)) from err


def prepare_tree(setup):
    """Prepares the tree to build from, and applies the project to it, unless the stock tree
    is wanted."""
    os.makedirs(setup.work, exist_ok=True)
    if setup.kdir:
        copy_kdir(setup)
    else:
        unpack(setup)
    if setup.stock:
        return
    done = with_tree(setup.linux, tree.apply, load_chains(), ROOT, True)
    if not done.startswith("already"):
        say(f"{setup.linux}: {done}")


def source_hash(setup, gcc="gcc"):
    """A hash of everything that a kernel built from the tree depends on."""
    parts = [read_stamp(setup.path("linux.stamp")), gcc_version(gcc)]
    if setup.stock:
        return digest(*parts)
    for top in (*KERNEL_PARTS, "scripts/series"):
        for path in tree.files_below(ROOT, top):
            with open(os.path.join(ROOT, path), "rb") as src:
                parts += [path, src.read()]
    return digest(*parts)


def gcc_version(gcc):
    got = subprocess.run([gcc, "-dumpfullversion"], capture_output=True,
                         text=True, check=False, env=clean_environ())
    return got.stdout.strip()


def release(setup):
    """(7, 3) for a tree 7.3.4."""
    with open(os.path.join(setup.linux, "Makefile"), encoding="utf-8") as src:
        got = re.search(r"^VERSION = (\d+)\nPATCHLEVEL = (\d+)$", src.read(), re.M)
    if not got:
        raise Failed(f"{setup.linux}/Makefile: does not say which version it is")
    return int(got[1]), int(got[2])


def config_files(name, version):
    """The files with the options of a file in scripts/configs/: that file, and files of the
    same name in folders like 6.12/, which have the differences of trees up to that version.
    The newest tree's file comes first. Later files override earlier ones."""
    if name == KUNITCONFIG:
        return [os.path.join(ROOT, name)]
    top = os.path.join(SCRIPTS, "configs")
    older = [os.path.join(top, folder, name) for folder in chains.versions(top)
             if version <= sources.number(folder)]
    return [os.path.join(top, name), *filter(os.path.exists, older)]


def fragment(flavor, version):
    """The flavor's options as {name: line}. Later files override earlier ones."""
    lines = {}
    for path in [path for name in FLAVORS[flavor].configs
                 for path in config_files(name, version)]:
        with open(path, encoding="utf-8") as src:
            for line in src:
                got = re.match(r"(?:# )?(CONFIG_\w+)[ =]", line)
                if got:
                    lines[got[1]] = line.strip()
    return lines


def config(setup, flavor):
    """The text of a built kernel's .config."""
    with open(setup.path(flavor, ".config"), encoding="utf-8") as src:
        return src.read()


def ticks(setup, flavor):
    """CONFIG_HZ of a built kernel."""
    return int(re.search(r"^CONFIG_HZ=(\d+)$", config(setup, flavor), re.M)[1])


def prefix(setup, flavor):
    """The prefix of the names of the flavor's compiler and its tools."""
    try:
        return arches.compiler(setup.out, FLAVORS[flavor])
    except sources.Unavailable as err:
        raise Failed(str(err)) from err


def link_options(setup, flavor):
    """Options for make that set the address of user-mode Linux.

    The default address is 0x60000000. There many 32-bit hashes, the time since boot in
    nanoseconds and any four small letters look like addresses in its memory, and hide lost
    blocks. The address here is at 448 GiB of the 512 GiB that its page tables cover."""
    if flavor not in UML:
        return []
    folder = setup.path("start-files")
    return ["START=0x7000000000", f"NM={folder}/nm",
            f"LINK-y=-m64 -no-pie -Wl,--no-relax -B{folder}/"]


# From 7.3 on, kallsyms needs all symbols within 2 GiB. Thread-local symbols are only offsets.
NM = """#!/bin/sh
nm "$@" | sed '/^0\\{8\\}[0-9a-f]\\{8\\} [bBdD] /d'
"""


def make_start_files(setup):
    """Makes a folder with the compiler's start code of programs, under the name that the
    linker looks for, but in the variant that works above 2 GiB; and with an nm that omits
    thread-local variables."""
    path = setup.path("start-files", "crtbegin.o")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    got = subprocess.run(["gcc", "-print-file-name=crtbeginS.o"], capture_output=True,
                         text=True, check=True, env=clean_environ())
    shutil.copyfile(got.stdout.strip(), path)
    with open(setup.path("start-files", "nm"), "w", encoding="utf-8") as out:
        out.write(NM)
    os.chmod(out.name, 0o755)


def make_command(setup, folder, *goals, flavor="guest"):
    tools = prefix(setup, flavor)
    return ["make", "-C", setup.linux, f"O={folder}", f"ARCH={FLAVORS[flavor].arch}",
            *([f"CROSS_COMPILE={tools}"] if tools else []), f"CC={tools}gcc",
            "HOSTCC=gcc", *link_options(setup, flavor), f"-j{setup.jobs}", *goals]


def configure(setup, flavor):
    """Makes the flavor's .config from allnoconfig and the fragment. Checks every line of the
    fragment against the result."""
    folder = setup.path(flavor)
    want = fragment(flavor, release(setup))
    allconfig = os.path.join(folder, "fragment.config")
    os.makedirs(folder, exist_ok=True)
    with open(allconfig, "w", encoding="utf-8") as out:
        out.write("\n".join(want.values()) + "\n")
    run_logged(make_command(setup, folder, "allnoconfig", flavor=flavor),
               setup.log(flavor + "-config"),
               env={**clean_environ(), "KCONFIG_ALLCONFIG": allconfig})
    with open(os.path.join(folder, ".config"), encoding="utf-8") as src:
        have = set(src.read().splitlines())
    lost = [line for name, line in want.items() if line not in have
            and not (line.endswith("is not set")
                     and not any(h.startswith(name + "=") for h in have))]
    if lost:
        raise Failed(f"{folder}/.config: options that did not take:\n  "
                     + "\n  ".join(lost))


def image(setup, flavor):
    return os.path.join(setup.path(flavor), FLAVORS[flavor].image)


def count_files(command):
    """The number of files that make will compile, from a dry run."""
    got = subprocess.run(command + ["-k", "-n"], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL, text=True, errors="replace",
                         stdin=subprocess.DEVNULL, env=clean_environ(),
                         check=False)
    return len(ONE_FILE_DRY.findall(got.stdout))


def run_make(setup, title, name, command, goals):
    """Runs one long make and shows its progress. The number of files is counted first."""
    prepare = [part for part in command if part not in goals]
    with Step(title) as step:
        run_logged(prepare + ["prepare"], setup.log(name + "-prepare"), step,
                   env=clean_environ())
        step.total = count_files(command)
        run_logged(command, setup.log(name + "-build"), step,
                   counts=ONE_FILE.match, env=clean_environ())
        step.total = step.done


def build(setup, flavor):
    """Builds the flavor's image and modules in build/<flavor>/."""
    prepare_tree(setup)
    folder = setup.path(flavor)
    stamp = os.path.join(folder, "build.stamp")
    value = digest(source_hash(setup, prefix(setup, flavor) + "gcc"),
                   repr(fragment(flavor, release(setup))),
                   repr(link_options(setup, flavor)))
    if read_stamp(stamp) == value and os.path.exists(image(setup, flavor)):
        return
    if os.path.exists(stamp):
        os.unlink(stamp)
    if flavor in UML:
        make_start_files(setup)
    configure(setup, flavor)
    title = f"build the {'stock ' * setup.stock}{flavor} kernel"
    goals = (os.path.basename(FLAVORS[flavor].image), "modules")
    run_make(setup, title, flavor, make_command(setup, folder, *goals, flavor=flavor),
             goals)
    write_stamp(stamp, value)


def build_module(setup, flavor, folder):
    """Builds a module from a folder outside of the tree, for a built kernel."""
    run_logged(make_command(setup, setup.path(flavor), f"M={folder}", "modules",
                            flavor=flavor),
               setup.log(flavor + "-module"), env=clean_environ())


def changed_folders(paths):
    """The folders of these paths that have sources of a kernel for x86 hardware. A folder
    below another one of them is left out."""
    found = {os.path.dirname(path) for path in paths if path.endswith((".c", ".S"))
             and not path.startswith("tools/")
             and (not path.startswith("arch/") or path.startswith("arch/x86/"))}
    return sorted(folder + "/" for folder in found
                  if not any(folder.startswith(other + "/") for other in found))


def compile_changed(setup, flavor):
    """Compiles the folders that the project adds or changes in the tree. Links nothing."""
    prepare_tree(setup)
    configure(setup, flavor)
    goals = changed_folders(with_tree(setup.linux, lambda target: list(target.files)))
    run_make(setup, f"compile {' '.join(goals)}", flavor,
             make_command(setup, setup.path(flavor), *goals, flavor=flavor), goals)
