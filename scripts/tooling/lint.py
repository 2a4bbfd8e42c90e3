# SPDX-License-Identifier: GPL-2.0-only
"""`make lint`: checkpatch, a W=1 build under sparse, a build without the option,
kernel-doc, shellcheck. Prints findings only, each with its tool; a tool that
does not work is one."""

import ast
import os
import re
import subprocess

from . import bench, kernel, tree
from .work import ROOT, Failed, Talk, clean_environ, run_logged

BUILT = ("mm/kmemleak/", "samples/kmemleak/")
SHEBANG = re.compile(rb"#! ?/bin/(ba)?sh|#! ?/usr/bin/env (ba)?sh")
PYTHON = re.compile(rb"#! ?/usr/bin/env python3")
# Fit for a kernel tree only: files that never go there are not its business.
KERNEL = kernel.KERNEL_PARTS + ("Documentation", "tools")
# Checks that do not apply to a file, and why.
EXEMPT = {
    # Defines for user space what these checks ask to use in its place.
    "tools/testing/kmemleak/platform.h": (
        "BIT_MACRO", "CAMELCASE", "COMPLEX_MACRO", "CONSTANT_COMPARISON",
        "DATA_RACE", "MACRO_ARG_PRECEDENCE", "MACRO_ARG_REUSE",
        "MEMORY_BARRIER", "NEW_TYPEDEFS", "PREFER_DEFINED_ATTRIBUTE_MACRO",
        "SPACING"),
    # The host has no macro for it.
    "tools/testing/kmemleak/host.h": ("PREFER_DEFINED_ATTRIBUTE_MACRO",),
    # linux/nmi.h has no handlers.
    "mm/kmemleak/tests/torture_api.c": ("INCLUDE_LINUX",),
    # The header that this check asks for cannot include itself.
    "scripts/series/6.1/compat/include/linux/unaligned.h": ("INCLUDE_LINUX",),
    # The name is libFuzzer's.
    "tools/testing/kmemleak/fuzz_command.c": ("CAMELCASE",),
    "tools/testing/kmemleak/fuzz_core.c": ("CAMELCASE",),
    "tools/testing/kmemleak/fuzz_driver.c": ("CAMELCASE",),
}


def project_files(*tops):
    return [path for top in tops for path in tree.files_below(ROOT, top)]


def output(command, cwd):
    got = subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE,
                         stderr=subprocess.STDOUT, text=True, errors="replace",
                         stdin=subprocess.DEVNULL, env=clean_environ(),
                         check=False)
    return got.returncode, got.stdout.strip()


def checkpatch(setup):
    files = [path for path in project_files(*KERNEL, "scripts/series")
             if path.endswith((".c", ".h", ".sh", ".rst"))
             or os.path.basename(path).startswith(("Kconfig", "Makefile"))]
    groups = {}
    for path in files:
        # Regular expressions and tables of shell scripts are what they are.
        exempt = ("LONG_LINE", "LONG_LINE_COMMENT") if path.endswith(".sh") else ()
        # What older trees need is below a folder of ours, and only in some trees.
        groups.setdefault(exempt + EXEMPT.get(path, ()), []).append(
            os.path.join(ROOT, path) if path.startswith("scripts/") else path)
    findings = []
    for exempt, names in groups.items():
        ignore = ["--ignore", ",".join(exempt)] if exempt else []
        status, text = output(["perl", "scripts/checkpatch.pl", "--strict",
                               "--quiet", "--show-types", *ignore, "-f", *names],
                              setup.linux)
        if status or text:
            findings.append(text or f"exit status {status}")
    return "\n".join(findings)


def kernel_doc(setup):
    files = [path for path in project_files(*KERNEL) if path.endswith((".c", ".h"))]
    status, text = output(["perl", "scripts/kernel-doc", "-none", *files],
                          setup.linux)
    return text or ("" if status == 0 else f"exit status {status}")


def run_sparse(setup, name, *goals):
    """W=1 and sparse on some goals; the headers of the tree are not ours."""
    log = setup.log(name)
    try:
        # A look-up returns with a lock or without, which sparse cannot express;
        # lockdep watches that.
        run_logged(kernel.make_command(setup, setup.path("lint"), "C=2", "W=1",
                                       "CF=-Wsparse-error -Wno-context", *goals),
                   log, env=clean_environ())
        failed = ""
    except Failed as err:
        failed = str(err)
    with open(log, encoding="utf-8", errors="replace") as src:
        text = src.read()
    found = [line for line in text.splitlines()
             if re.search(r"(warning|error):", line) and "kmemleak" in line]
    if not re.search(r"^  CHECK ", text, re.M) and not failed:
        failed = "sparse looked at nothing"
    return "\n".join(found) or failed


def warnings(setup):
    kernel.configure(setup, "lint")
    run_logged(kernel.make_command(setup, setup.path("lint"), "prepare",
                                   "modules_prepare"),
               setup.log("lint-prepare"), env=clean_environ())
    # Objects left from the last time would not be looked at again.
    for folder in BUILT:
        subprocess.run(["rm", "-rf", setup.path("lint", folder)], check=True)
    return run_sparse(setup, "lint-build", *BUILT)


def bench_module(setup):
    """Outside of the tree; here is no kernel that it could be linked to."""
    return run_sparse(setup, "lint-bench", "KBUILD_MODPOST_WARN=1", "modules",
                      "M=" + bench.copy_module(setup, "lint"))


def scripts_of_ours():
    """(shell scripts, Python files) by their first line."""
    shell, python = [], []
    names = project_files("tools", "mm", "samples", "scripts")
    names += [name for name in (".ci/run",)
              if os.path.exists(os.path.join(ROOT, name))]
    for name in names:
        with open(os.path.join(ROOT, name), "rb") as src:
            first = src.readline()
        if SHEBANG.match(first) or name.endswith(".sh"):
            shell.append(name)
        elif PYTHON.match(first) or name.endswith(".py"):
            python.append(name)
    return shell, python


def shellcheck(_setup):
    # From the top, as their `source=` comments have it.
    status, text = output(["shellcheck", "-x", *scripts_of_ours()[0]], ROOT)
    return text or ("" if status == 0 else f"exit status {status}")


def python_syntax(_setup):
    findings = []
    for name in scripts_of_ours()[1]:
        with open(os.path.join(ROOT, name), encoding="utf-8") as src:
            try:
                ast.parse(src.read(), name)
            except SyntaxError as err:
                findings.append(f"{name}:{err.lineno}: {err.msg}")
    return "\n".join(findings)


def spdx(_setup):
    """A licence in the first line, or the second after a #! line."""
    findings = []
    for name in project_files(*KERNEL, "scripts"):
        with open(os.path.join(ROOT, name), "rb") as src:
            head = src.readline() + src.readline()
        if b"SPDX-License-Identifier: GPL-2.0-only" not in head:
            findings.append(f"{name}: no SPDX-License-Identifier: GPL-2.0-only")
    return "\n".join(findings)


def build_off(setup):
    """The tree without the option: every caller gets the header's stubs."""
    try:
        kernel.build(setup, "off")
    except Failed as err:
        return str(err)
    with open(setup.log("off-build"), encoding="utf-8", errors="replace") as src:
        return "\n".join(re.findall(r".*warning:.*kmemleak.*", src.read()))


CHECKS = (("spdx", spdx), ("python", python_syntax), ("shellcheck", shellcheck),
          ("checkpatch", checkpatch), ("kernel-doc", kernel_doc),
          ("sparse and W=1", warnings), ("bench module", bench_module),
          ("DEBUG_KMEMLEAK=n", build_off))


def run(setup):
    Talk.quiet = True
    kernel.prepare_tree(setup)
    bad = 0
    for name, check in CHECKS:
        text = check(setup)
        if text:
            bad = 1
            print(f"== {name}\n{text}", flush=True)
    return bad
