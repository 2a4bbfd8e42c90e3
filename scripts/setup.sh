#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Installs the missing Debian packages that a make target needs:
#   setup.sh run|test|lint|tree
#   setup.sh arch PACKAGE...	(the packages that emulate the machine)
# It installs them as root or with sudo. Otherwise it prints their names and fails.
# If no package is missing, it prints nothing.

set -u

# The kernel's source. The user's own tree or tarball replaces a package. With TREE=, it is
# a package of this release's suites; if they lack it, it is fetched into the build folder
# later. Otherwise it is the package that the release's linux-source depends on. Without
# package lists that is unknown, so any installed tarball will do.
source=linux-source
if [ -n "${KDIR-}${BASE-}" ]; then
	source=
elif [ -n "${TREE-}" ]; then
	source=
	if apt-cache show "linux-source-$TREE" >/dev/null 2>&1; then
		source=linux-source-$TREE
	fi
else
	known=$(apt-cache depends linux-source 2>/dev/null |
		sed -n 's/.* \(linux-source-[0-9][0-9.]*\)$/\1/p' | head -n 1)
	if [ -n "$known" ]; then
		source=$known
	elif ls /usr/src/linux-source-[6-9].*.tar.* >/dev/null 2>&1; then
		source=
	fi
fi

# Packages for the kernel build (libelf-dev for objtool; ccache because the kernels have
# most objects in common), for the guest, for tests (32-bit and clang builds on the host,
# git am of the patches) and for lint.
build="make gcc libc6-dev flex bison bc libelf-dev xz-utils python3 ccache $source"
case "${1-}" in
run)	want="$build qemu-system-x86 busybox-static" ;;
test)	want="$build qemu-system-x86 busybox-static
	      gcc-multilib clang libclang-rt-dev git" ;;
lint)	want="$build perl sparse shellcheck" ;;
tree)	want="python3" ;;
arch)	shift
	want="$build busybox-static $*"
	set -- arch "$@" ;;
*)	echo "usage: setup.sh run|test|lint|tree|arch PACKAGE..." >&2; exit 2 ;;
esac

missing=
for package in $want; do
	state=$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)
	[ "$state" = "install ok installed" ] || missing="$missing $package"
done
[ -n "$missing" ] || exit 0
missing=${missing# }

if ! command -v apt-get >/dev/null; then
	echo "this is not Debian, install by hand: $missing" >&2
	exit 1
fi
if [ "$(id -u)" -eq 0 ]; then
	sudo=
elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
	sudo=sudo
else
	echo "missing packages, install them first: apt-get install $missing" >&2
	exit 1
fi

echo "installing: $missing"
# shellcheck disable=SC2086 # a list of words
install() {
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -y -q \
		--no-install-recommends $missing
}
log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
# The package lists may be missing or stale. Fetch them only then.
if ! install >"$log" 2>&1; then
	echo "fetching the package lists"
	if ! $sudo apt-get update -q >"$log" 2>&1 || ! install >"$log" 2>&1; then
		tail -n 20 "$log" >&2
		echo "could not install: $missing" >&2
		exit 1
	fi
	# The new lists may have the tree's package.
	[ -z "${TREE-}" ] || { rm -f "$log"; exec "$0" "$@"; }
fi
