# SPDX-License-Identifier: GPL-2.0-only
"""Tests where trees come from: apt's configuration, versions, folders, and the errors for
an unavailable tree. Fetches nothing; a script replaces apt."""

import contextlib
import os
import subprocess
import tempfile
import unittest
from unittest import mock

from scratch import AptTest
from tooling import kernel, sources, work

LIST = """# deb http://commented/out main main
deb http://mirror/debian bookworm main contrib
  deb	[arch=amd64 signed-by=/Keys/A.gpg]  http://mirror/debian bookworm-updates main # x
deb [ trusted=yes ] https://other/debian/ bookworm main
deb-src http://source/debian bookworm main
deb http://flat/ ./
deb cdrom:[Debian]/ bookworm main
deb http://cloud/apt cloud-sdk-bookworm main
debian http://no/entry bookworm main
"""
SOURCES = """# A comment
Types: deb deb-src
URIs: http://one/debian
# In a field
 http://two/debian
Suites: bookworm bookworm-updates
Components: main non-free-firmware
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 aB=
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: http://off/debian
Suites: bookworm
Components: main
Enabled: no

Types: deb-src
URIs: http://source/debian
Suites: bookworm
Components: main


types: deb
uris: http://security/debian-security
suites: bookworm-security
components: main
"""


class Configuration(unittest.TestCase):
    def test_list(self):
        found = sources.parse_list(LIST)
        self.assertEqual([source.uris for source in found][:3],
                         [["http://mirror/debian"], ["http://mirror/debian"],
                          ["https://other/debian/"]])
        self.assertEqual(found[0].suites, ["bookworm"])
        self.assertEqual(found[0].components, ["main", "contrib"])
        self.assertEqual(found[1].options, {"arch": "amd64", "signed-by": "/Keys/A.gpg"})
        self.assertEqual(found[1].components, ["main"])
        self.assertEqual(sources.mirrors(found, "bookworm"), {
            "http://mirror/debian": {}, "https://other/debian/": {"trusted": "yes"}})

    def test_sources(self):
        found = sources.parse_sources(SOURCES)
        self.assertEqual(len(found), 2)
        self.assertEqual(found[0].uris, ["http://one/debian", "http://two/debian"])
        self.assertEqual(found[0].suites, ["bookworm", "bookworm-updates"])
        mirrors = sources.mirrors(found, "bookworm")
        self.assertEqual(list(mirrors), ["http://one/debian", "http://two/debian"])
        key = mirrors["http://two/debian"]["signed-by"]
        self.assertTrue(key.startswith("\n -----BEGIN"), key)
        self.assertIn("\n .\n aB=\n", key)
        # Our own file can be read in the same way.
        ours = sources.parse_sources(sources.stanzas(mirrors, ("trixie", "sid")))
        self.assertEqual([source.uris for source in ours],
                         [["http://one/debian"], ["http://two/debian"]])
        for source in ours:
            self.assertEqual(source.suites, ["trixie", "sid"])
            self.assertEqual(source.components, ["main"])
            self.assertEqual(source.options["signed-by"], key)

    def test_release(self):
        def mirrors(suite, release, components=("main",)):
            return sources.mirrors([sources.Source(["u"], [suite], list(components))],
                                   release)
        for suite, release in (("trixie", "trixie"), ("stable", "trixie"), ("sid", "forky")):
            self.assertTrue(mirrors(suite, release))
        for suite, release in (("bookworm", "trixie"), ("trixie-security", "trixie"),
                               ("nodistro", "trixie"), ("trixie", "")):
            self.assertFalse(mirrors(suite, release))
        self.assertFalse(mirrors("trixie", "trixie", ["stable"]))

    def test_files(self):
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(os.path.join(folder, "sources.list.d"))
            for name, text in (("sources.list", LIST), ("sources.list.d/a.list", LIST),
                               ("sources.list.d/b.sources", SOURCES),
                               ("sources.list.d/c.list.save", LIST)):
                with open(os.path.join(folder, name), "w", encoding="utf-8") as out:
                    out.write(text)
            with mock.patch.object(sources, "ETC_APT", folder):
                self.assertEqual(len(sources.configured()),
                                 2 * len(sources.parse_list(LIST)) + 2)
            with mock.patch.object(sources, "ETC_APT", folder + "/none"):
                self.assertEqual(sources.configured(), [])


class Versions(unittest.TestCase):
    def test_newest(self):
        names = [f"linux-source-{end}" for end in
                 ("6.1", "6.12", "7.2", "7.3", "7.10", "7.9", "8.0", "x")]
        self.assertEqual(sources.newest(names, "7.3"), "linux-source-7.10")
        self.assertEqual(sources.newest(names, "6.12"), "linux-source-6.12")
        self.assertEqual(sources.newest(names, "6.1"), "linux-source-6.1")
        self.assertIsNone(sources.newest(["linux-source-7.2"], "7.3"))
        self.assertIsNone(sources.newest([], "6.1"))
        files = [f"/o/linux-source-7.3_7.3.{end}.tar.xz" for end in ("4-1", "10-1", "9-2")]
        self.assertEqual(sources.newest(files, "7.3"), files[1])


@contextlib.contextmanager
def installed(*names, own=None):
    """A machine with these files in /usr/src. Yields that folder. own: the release's version."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names:
            with open(os.path.join(folder, name), "w", encoding="utf-8"):
                pass
        with mock.patch.object(sources, "USR_SRC", folder), \
                mock.patch.object(sources, "own", lambda: own):
            yield folder


def setup(**environ):
    return work.Setup({"O": "/o", **environ})


class Folders(unittest.TestCase):
    def test_default_is_the_releases_own(self):
        for names, own, want in (
                (("6.1.tar.xz", "6.12.tar.xz"), (6, 1), "6.1.tar.xz"),
                (("6.1.tar.xz", "6.12.tar.xz"), (6, 12), "6.12.tar.xz"),
                (("6.1.tar.xz", "6.12.tar.xz"), None, "6.1.tar.xz"),
                (("6.1.tar.xz", "6.12.tar.xz"), (7, 3), "6.1.tar.xz"),
                (("5.10.tar.xz", "6.12.tar.xz", "7.3.tar.xz"), (5, 10), "6.12.tar.xz"),
                (("6.8.0.tar.bz2",), (6, 8), "6.8.0.tar.bz2")):
            with installed(*("linux-source-" + name for name in names), own=own) as folder:
                self.assertEqual(kernel.find_tarball(setup()),
                                 f"{folder}/linux-source-{want}")
        with installed("linux-source-5.10.tar.xz", "linux-patch-6.1.tar.xz"):
            with self.assertRaisesRegex(work.Failed, "install linux-source"):
                kernel.find_tarball(setup())
        self.assertEqual(kernel.find_tarball(setup(BASE="/b.tar")), "/b.tar")

    def test_each_tree_has_its_own(self):
        with installed("linux-source-6.1.tar.xz", "linux-source-6.12.tar.xz") as folder:
            self.assertEqual(setup().work, "/o")
            self.assertEqual(setup(TREE="6.1").work, "/o")
            self.assertEqual(setup(TREE="6.12").work, "/o/tree-6.12")
            self.assertEqual(setup(TREE="6.12").linux, "/o/tree-6.12/linux")
            self.assertEqual(setup(TREE="7.3").logs, "/o/tree-7.3/logs")
            self.assertEqual(kernel.find_tarball(setup(TREE="6.12")),
                             folder + "/linux-source-6.12.tar.xz")
        with installed("linux-source-7.4.tar.xz"):
            self.assertEqual(setup(TREE="7.3").work, "/o")
            self.assertEqual(setup(TREE="6.1").work, "/o/tree-6.1")
        # The release's own tree may be installed later. The other tree keeps its folder.
        for names in ((), ("linux-source-6.12.tar.xz",)):
            with installed(*names, own=(6, 1)):
                self.assertEqual(setup(TREE="6.1").work, "/o")
                self.assertEqual(setup(TREE="6.12").work, "/o/tree-6.12")
        with installed():
            self.assertEqual(setup(TREE="6.1").work, "/o/tree-6.1")

    def test_what_the_release_has(self):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "apt-cache")
            with mock.patch.dict(os.environ, {"PATH": folder}):
                self.assertIsNone(sources.own())
                for text, want in (("linux-source\\n  Depends: linux-source-6.12", (6, 12)),
                                   ("linux-source\\n  Depends: linux-source-6.8.0", (6, 8)),
                                   ("", None)):
                    with open(path, "w", encoding="utf-8") as out:
                        out.write(f"#!/bin/sh\nprintf '{text}\\n'\n")
                    os.chmod(path, 0o755)
                    self.assertEqual(sources.own(), want)

    def test_what_makes_no_sense(self):
        for environ, text in (({"TREE": "6.13"}, "TREE=6.13: one of 7.3, 6.12, 6.1"),
                              ({"TREE": "6.1", "KDIR": "/k"}, "one of them"),
                              ({"TREE": "6.1", "BASE": "/b"}, "one of them")):
            with self.assertRaisesRegex(work.Failed, text):
                setup(**environ)


# Replaces apt-get, apt-cache and dpkg-deb. Records how it was called.
FAKE = """#!/bin/sh
echo "${0##*/} $*" >> "$CALLS"
case " $* " in
*" update "*)	exit 100 ;;
*" search "*)	printf '%s - Linux source\\n' $KNOWN ;;
*" download "*)	for name; do :; done; echo > "${name}_${DEB}_all.deb" ;;
*" -x "*)	mkdir -p unpacked/usr/src
		echo source > "unpacked/usr/src/$(basename "$2" | cut -d_ -f1).tar.xz" ;;
esac
"""


class Fetch(AptTest):
    FAKE = FAKE

    @contextlib.contextmanager
    def machine(self, known, version="7.3.4-1~bpo13+1"):
        with installed(), self.debian(KNOWN=known, DEB=version), \
                mock.patch("builtins.print"):
            yield setup(O=self.out, TREE="7.3")

    def test_the_newest(self):
        with self.machine("linux-source-6.12 linux-source-7.3 linux-source-7.2"
                          " linux-source-8.0 linux-source linux-source-7.9-rt") as asked:
            path = kernel.find_tarball(asked)
            self.assertEqual(path, self.out + "/sources/linux-source-7.3_"
                             "7.3.4-1~bpo13+1.tar.xz")
            self.assertEqual(os.listdir(self.out + "/sources"), [os.path.basename(path)])
            calls = self.called()
            # The second call fetches nothing.
            os.unlink(self.calls)
            self.assertEqual(kernel.find_tarball(asked), path)
            self.assertFalse(os.path.exists(self.calls))
        self.assertEqual([call.split()[0] for call in calls],
                         ["apt-get", "apt-cache", "apt-get", "dpkg-deb"])
        self.assertTrue(calls[2].endswith(" download linux-source-7.3"))
        for call in calls[:3]:
            for name in ("Etc::SourceList", "State::Lists", "State", "Cache"):
                self.assertIn(f" -oDir::{name}={self.out}/sources/", call)
            self.assertIn(" -oDir::Etc::SourceParts=/dev/null", call)

    def refused(self, asked, text):
        with self.assertRaisesRegex(work.Failed, text):
            kernel.find_tarball(asked)

    def test_no_such_package(self):
        with self.machine("linux-source-6.12") as asked:
            self.refused(asked, "TREE=7.3: no linux-source package of it in "
                         "trixie-backports, forky, sid of http://here/debian, see ")
            log = self.out + "/sources/apt-7.3/log"
            with open(log, encoding="utf-8") as src:
                self.assertIn("apt-get -q update", src.read())

    def test_no_mirror(self):
        os.unlink(self.etc + "/sources.list")
        with self.machine("linux-source-7.3") as asked:
            self.refused(asked, "TREE=7.3: .* names no mirror of this release")
        self.assertFalse(os.path.exists(self.calls))

    def test_no_debian(self):
        with self.machine("linux-source-7.3") as asked, \
                mock.patch.dict(os.environ, {"PATH": self.dir}):
            self.refused(asked, "no apt-get here, this is no Debian")

    def test_download_fails(self):
        with open(self.dir + "/bin/apt-get", "w", encoding="utf-8") as out:
            out.write(FAKE.replace('for name; do :; done;', "exit 1;"))
        with self.machine("linux-source-7.3") as asked:
            self.refused(asked, "apt-get failed .1., see ")
            self.assertIsNone(sources.tarball(self.out, "7.3"))

    def test_packages(self):
        """The packages that setup.sh asks for on a machine without any package."""
        for name, text in (("id", "echo 1000"), ("sudo", "exit 1"), ("ls", "exit $LS"),
                           ("dpkg-query", ":"),
                           ("apt-cache", 'case $1 in depends) echo "  Depends: $OWN" ;; '
                            'show) [ $2 = linux-source-6.12 ] ;; esac')):
            path = os.path.join(self.dir, "bin", name)
            with open(path, "w", encoding="utf-8") as out:
                out.write("#!/bin/sh\n" + text + "\n")
            os.chmod(path, 0o755)
        for want, environ in (("linux-source", {"LS": "1"}), ("", {"LS": "0"}),
                              ("linux-source-6.1", {"LS": "0", "OWN": "linux-source-6.1"}),
                              ("linux-source-6.12", {"LS": "0", "TREE": "6.12"}),
                              ("", {"LS": "1", "TREE": "7.3"}),
                              ("", {"LS": "1", "KDIR": "/k"}), ("", {"LS": "1", "BASE": "/b"})):
            for target in ("run", "test", "lint", "tree"):
                got = subprocess.run(
                    [os.path.join(work.SCRIPTS, "setup.sh"), target], check=False,
                    env={"PATH": f"{self.dir}/bin:{os.environ['PATH']}", **environ},
                    capture_output=True, text=True, stdin=subprocess.DEVNULL)
                said = got.stderr.split()
                self.assertIn("python3", said)
                self.assertEqual([name for name in said if name.startswith("linux-source")],
                                 [want] * bool(want and target != "tree"), environ)

    def test_command_fails(self):
        """The command prints the name of the tree and fails."""
        got = subprocess.run([os.path.join(work.SCRIPTS, "kmemleak-dev"), "run"],
                             env={**os.environ, "TREE": "nope", "O": self.out},
                             capture_output=True, text=True, check=False)
        self.assertEqual(got.returncode, 1)
        self.assertIn("TREE=nope: one of 7.3, 6.12, 6.1", got.stderr)
