# SPDX-License-Identifier: GPL-2.0-only
"""Where the trees come from: Debian's linux-source packages. An installed package is
used as it is. Others are fetched by apt into the build folder, from the mirror that the
machine is configured with. apt gets its own list of sources and its own state, so the
machine's are not changed. Uses no other module of ours."""

import glob
import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field

USR_SRC = "/usr/src"
ETC_APT = "/etc/apt"
OS_RELEASE = "/etc/os-release"
# The trees that TREE= names, and the suites that have them. The first name stands for the
# newest package of its major version, because the minor version changes often.
TREES = {
    "7.3": ("trixie-backports", "forky", "sid"),
    "6.12": ("bookworm-backports", "trixie"),
    "6.1": ("bookworm",),
}
PACKAGE = re.compile(r"linux-source-(\d+)\.(\d+)")
# Other names of suites that stand for a release, besides its code name.
SUITES = {"stable", "oldstable", "testing", "unstable", "sid"}
# Options of a mirror that our configuration copies from the machine's.
OPTIONS = ("signed-by", "trusted", "check-valid-until")


class Unavailable(Exception):
    """A tree is not available. The message says why."""


@dataclass
class Source:
    """An entry of apt's configuration."""
    uris: list
    suites: list
    components: list
    options: dict = field(default_factory=dict)


def parse_list(text):
    """The entries of a *.list file: deb [options] URI suite component..."""
    found = []
    for line in text.splitlines():
        got = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+(\S+)\s+(\S.*)",
                       line.partition("#")[0])
        if got:
            options = [word.partition("=") for word in (got[1] or "").split()]
            found.append(Source([got[2]], [got[3]], got[4].split(),
                                {key.lower(): value for key, _, value in options}))
    return found


def parse_sources(text):
    """The entries of a *.sources file: stanzas of fields."""
    found = []
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for stanza in re.split(r"\n\s*\n", "\n".join(lines)):
        # A field can hold a whole key, in lines that begin with a blank.
        fields = {name.lower(): value.rstrip() for name, value in re.findall(
            r"^([\w-]+):[ \t]*(.*(?:\n[ \t].*)*)", stanza, re.M)}
        if "deb" not in fields.get("types", "").split() \
                or fields.get("enabled", "yes").lower() in ("no", "false", "0"):
            continue
        found.append(Source(*(fields.get(name, "").split()
                              for name in ("uris", "suites", "components")), fields))
    return found


def configured():
    found = []
    for path in [os.path.join(ETC_APT, "sources.list"),
                 *sorted(glob.glob(os.path.join(ETC_APT, "sources.list.d", "*")))]:
        parse = parse_sources if path.endswith(".sources") else parse_list
        if path.endswith((".list", ".sources")) and os.path.isfile(path):
            with open(path, encoding="utf-8", errors="replace") as src:
                found += parse(src.read())
    return found


def codename():
    """Code name of the machine's release, or an empty string."""
    try:
        with open(OS_RELEASE, encoding="utf-8") as src:
            got = re.search(r'^VERSION_CODENAME="?([\w-]+)', src.read(), re.M)
    except FileNotFoundError:
        return ""
    return got[1] if got else ""


def mirrors(sources, release):
    """{URI: options} of the mirrors of the release itself."""
    found = {}
    for source in sources:
        if "main" in source.components and (SUITES | {release}) & set(source.suites):
            for uri in source.uris:
                if not uri.startswith("cdrom:"):
                    found.setdefault(uri, {key: source.options[key] for key in OPTIONS
                                           if key in source.options})
    return found


def stanzas(found, suites):
    """A *.sources file for some suites of the mirrors."""
    out = []
    for uri, options in found.items():
        fields = {"types": "deb", "uris": uri, "suites": " ".join(suites),
                  "components": "main", **options}
        out.append("".join(f"{name}: {value}\n" for name, value in fields.items()))
    return "\n".join(out)


def version(name):
    """(7, 3) of any name with linux-source-7.3 in it, or None."""
    got = PACKAGE.search(name)
    return (int(got[1]), int(got[2])) if got else None


def number(tree):
    return tuple(int(part) for part in tree.split("."))


def fits(found, tree):
    """Does a name in TREES stand for this version?"""
    want = number(tree)
    if want == max(map(number, TREES)):
        return found[0] == want[0] and found >= want
    return found == want


def newest(names, tree):
    """The package or file to take for a tree, or None."""
    names = [name for name in names if version(name) and fits(version(name), tree)]
    # Compare numbers as numbers, also in Debian's part of a file name.
    return max(names, default=None, key=lambda name: [
        int(part) for part in re.findall(r"\d+", os.path.basename(name))])


def own():
    """The version of the package that the release's linux-source stands for, or None."""
    try:
        got = subprocess.run(["apt-cache", "depends", "linux-source"], text=True,
                             capture_output=True, check=False)
    except FileNotFoundError:
        return None
    return next(filter(None, map(version, got.stdout.splitlines())), None)


def installed(tree=""):
    """The tarball of an installed package: that of the tree; else that of the release; else
    the oldest for which the series can have a chain."""
    found = glob.glob(os.path.join(USR_SRC, "linux-source-*.tar.*"))
    if tree:
        return newest(found, tree)
    oldest = min(map(number, TREES))
    found = sorted((version(path), path) for path in found
                   if version(path) and version(path) >= oldest)
    if len(found) > 1:
        release = own()
        found = [pair for pair in found if pair[0] == release] or found
    return found[0][1] if found else None


def is_default(tree):
    """Is this the tree that is built without TREE=?"""
    there = own() or version(installed() or "")
    return bool(there) and fits(there, tree)


def tarball(build, tree):
    """The tarball of a tree if it is installed or was fetched before."""
    return installed(tree) or newest(glob.glob(
        os.path.join(build, "sources", "*.tar.*")), tree)


class Apt:
    """apt with its own lists and its own state in a folder. wanted names the thing to get,
    for messages. The architecture is the machine's, unless another one is given."""

    def __init__(self, folder, wanted, suites, architecture=""):
        self.folder, self.wanted, self.suites = folder, wanted, suites
        self.mirrors = mirrors(configured(), codename())
        if not self.mirrors:
            raise Unavailable(f"{wanted}: {ETC_APT} names no mirror of this release "
                              "to fetch it from")
        dirs = {"Etc::SourceList": folder + "/ours.sources",
                "Etc::SourceParts": "/dev/null", "Etc::Preferences": "/dev/null",
                "Etc::PreferencesParts": "/dev/null", "State": folder + "/state",
                "State::Lists": folder + "/state/lists", "State::Status": "/dev/null",
                "Cache": folder + "/cache"}
        self.options = [f"-oDir::{name}={value}" for name, value in dirs.items()]
        self.options.append("-oAcquire::Languages=none")
        if architecture:
            self.options += [f"-oAPT::Architecture={architecture}",
                             f"-oAPT::Architectures={architecture}"]
        shutil.rmtree(folder, ignore_errors=True)
        for name in ("state/lists/partial", "cache/archives/partial", "package"):
            os.makedirs(os.path.join(folder, name), exist_ok=True)
        with open(os.path.join(folder, "ours.sources"), "w", encoding="utf-8") as out:
            out.write(stanzas(self.mirrors, suites))
        # The update fails if a suite does not exist yet or no longer exists, but it gets
        # the lists of the other suites. These may have the package.
        self.run("apt-get", "-q", "update", check=False)

    def run(self, program, *args, check=True):
        """Runs a program in the folder package/ and returns its output."""
        options = self.options if program.startswith("apt") else []
        with open(os.path.join(self.folder, "log"), "a", encoding="utf-8") as log:
            log.write(f"$ {program} {' '.join(args)}\n")
            log.flush()
            try:
                got = subprocess.run([program, *options, *args], stdin=subprocess.DEVNULL,
                                     stdout=subprocess.PIPE, stderr=log, text=True,
                                     cwd=os.path.join(self.folder, "package"),
                                     check=False)
            except FileNotFoundError as err:
                raise Unavailable(f"no {program} here, this is no Debian") from err
            log.write(got.stdout)
        if check and got.returncode:
            raise Unavailable(f"{program} failed ({got.returncode}), "
                              f"see {self.folder}/log")
        return got.stdout

    def missing(self, what):
        return Unavailable(f"{self.wanted}: no {what} in {', '.join(self.suites)} of "
                           f"{', '.join(self.mirrors)}, see {self.folder}/log")

    def unpack(self, *packages):
        """Downloads packages and unpacks them. Returns the folder with their files."""
        self.run("apt-get", "-q", "download", *packages)
        for deb in glob.glob(os.path.join(self.folder, "package", "*.deb")):
            self.run("dpkg-deb", "-x", deb, "unpacked")
        return os.path.join(self.folder, "package", "unpacked")


def fetch(build, tree):
    """Downloads and unpacks the package of a tree. Returns its tarball, in the folder
    sources/ of the build folder."""
    top = os.path.join(build, "sources")
    apt = Apt(os.path.join(top, "apt-" + tree), f"TREE={tree}", TREES[tree])
    known = apt.run("apt-cache", "search", "--names-only", "^linux-source-")
    names = [line.split()[0] for line in known.splitlines() if line]
    package = newest([name for name in names if PACKAGE.fullmatch(name)], tree)
    if not package:
        raise apt.missing("linux-source package of it")
    path, = glob.glob(os.path.join(apt.unpack(package), "usr", "src",
                                   "linux-source-*.tar.*"))
    deb, = glob.glob(os.path.join(apt.folder, "package", "*.deb"))
    kept = os.path.join(top, os.path.basename(deb).removesuffix("_all.deb") + ".tar."
                        + path.rpartition(".tar.")[2])
    os.replace(path, kept)
    shutil.rmtree(apt.folder)
    return kept


def fetch_packages(kept, wanted, architecture, suites, package, names):
    """Unpacks a package into a folder, together with the packages that it depends on and
    whose names match the pattern names."""
    apt = Apt(kept + ".apt", wanted, suites, architecture)
    known = apt.run("apt-cache", "depends", "--recurse", "--important", package,
                    check=False)
    found = {name for name in re.findall(r"^[ |]*(?:\w+: )?([^\s<>]+)$", known, re.M)
             if re.fullmatch(names, name)}
    if package not in found:
        raise apt.missing(f"package {package}")
    os.rename(apt.unpack(*sorted(found)), kept)
    shutil.rmtree(apt.folder)
