# SPDX-License-Identifier: GPL-2.0-only
"""`make lint`: checkpatch, a W=1 build with sparse, a build without the option,
kernel-doc, shellcheck. Prints only findings, each with its tool. A tool that does not
work is a finding, too."""

import ast
import os
import re
import subprocess

from . import bench, kernel, tree
from .work import ROOT, Failed, Talk, clean_environ, run_logged

BUILT = ("mm/kmemleak/", "samples/kmemleak/")
SHEBANG = re.compile(rb"#! ?/bin/(ba)?sh|#! ?/usr/bin/env (ba)?sh")
PYTHON = re.compile(rb"#! ?/usr/bin/env python3")
# checkpatch and kernel-doc check only files that go into a kernel tree.
KERNEL = kernel.KERNEL_PARTS + ("Documentation", "tools")
# Checks that do not apply to a file, and the reasons.
EXEMPT = {
    # Defines for user space the very macros that these checks ask for.
    "tools/testing/kmemleak/platform.h": (
        "BIT_MACRO", "CAMELCASE", "COMPLEX_MACRO", "CONSTANT_COMPARISON",
        "DATA_RACE", "MACRO_ARG_PRECEDENCE", "MACRO_ARG_REUSE",
        "MEMORY_BARRIER", "NEW_TYPEDEFS", "PREFER_DEFINED_ATTRIBUTE_MACRO",
        "SPACING"),
    # The host has no macro for this attribute.
    "tools/testing/kmemleak/host.h": ("PREFER_DEFINED_ATTRIBUTE_MACRO",),
    # The name of a parameter makes the names of its variables.
    "mm/kmemleak/params.c": ("MACRO_ARG_REUSE",),
    # linux/nmi.h does not declare NMI handlers.
    "mm/kmemleak/tests/torture_api.c": ("INCLUDE_LINUX",),
    # The header that this check asks for cannot include itself.
    "scripts/series/6.1/compat/include/linux/unaligned.h": ("INCLUDE_LINUX",),
    # libFuzzer prescribes the name of a function.
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
        # Regular expressions and tables in shell scripts cannot be wrapped.
        exempt = ("LONG_LINE", "LONG_LINE_COMMENT") if path.endswith(".sh") else ()
        # Files for older trees are only in our own folder, not in every tree.
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
    """Runs W=1 and sparse on some goals. Ignores findings in the tree's own headers."""
    log = setup.log(name)
    try:
        # Some functions return with a lock held or not held. Sparse cannot express this,
        # but lockdep checks it.
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
        failed = "sparse checked no file"
    return "\n".join(found) or failed


def warnings(setup):
    kernel.configure(setup, "lint")
    run_logged(kernel.make_command(setup, setup.path("lint"), "prepare",
                                   "modules_prepare"),
               setup.log("lint-prepare"), env=clean_environ())
    # Sparse would not check objects that are left from the last run.
    for folder in BUILT:
        subprocess.run(["rm", "-rf", setup.path("lint", folder)], check=True)
    return run_sparse(setup, "lint-build", *BUILT)


def bench_module(setup):
    """Checks the benchmark module, which is outside of the tree. It is not linked, because
    there is no kernel image."""
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
    # Run it in the top folder, because `source=` comments are relative to it.
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
    """Checks for a license in the first line, or in the second line after a #! line."""
    findings = []
    for name in project_files(*KERNEL, "scripts"):
        with open(os.path.join(ROOT, name), "rb") as src:
            head = src.readline() + src.readline()
        if b"SPDX-License-Identifier: GPL-2.0-only" not in head:
            findings.append(f"{name}: no SPDX-License-Identifier: GPL-2.0-only")
    return "\n".join(findings)


def build_off(setup):
    """Builds the tree without the option: all callers get the header's stubs."""
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
