#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Leaks of an unloaded module: the frames in their traces must keep their names, even if
# another module was loaded to the same place.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# place_of MODULE: prints its address
place_of() {
	sed -n "s/^$1 .* \(0x[0-9a-f]*\).*/\1/p" /proc/modules
}

# The first module loses blocks and is unloaded. The second one is loaded to its place.
replace_module() {
	km_load kmemleak_first || return 1
	place=$(place_of kmemleak_first)
	km_unload kmemleak_first
	km_scan
	for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16; do
		km_load kmemleak_second || return 1
		[ "$(place_of kmemleak_second)" = "$place" ] && return 0
		km_unload kmemleak_second
	done
	return 1
}

# names first|second: reports must have the blocks of this module, with its names
names() {
	lost=$(grep -c " $1_lose+0x.*/0x.* \[kmemleak_$1\]\$" "$KM_REPORT")
	began=$(grep -c " $1_init+0x.*/0x.* \[kmemleak_$1\]\$" "$KM_REPORT")
	km_note "$lost blocks of $1_lose(), $began of $1_init()"
	[ "$lost" -ge 14 ] && [ "$began" -ge 14 ]
}

keeps_names() {
	km_read
	names first && ! grep -q second "$KM_REPORT"
}

# Some blocks of the second module are from earlier attempts, at other places.
both_names() {
	km_scan
	names first && names second && [ "$(grep -c first_lose "$KM_REPORT")" -le 16 ]
}

in_the_log() {
	addr=$(awk '/^unref/ { addr = $3 } / first_lose/ { print addr; exit }' "$KM_REPORT")
	km_mark
	echo "dump=$addr" > "$KM_FILE" && km_log | grep -q ' first_lose+0x.* \[kmemleak_first\]$'
}

km_begin
km_plan 6
km_mark
km_test "a module is loaded where another one was" replace_module
km_test "leaks of an unloaded module keep its names" keeps_names
km_test "reports of these leaks have the right shape" km_well_formed
km_test "leaks of the second module have its names" both_names
km_test "dump= shows the names of the unloaded module" in_the_log
km_unload kmemleak_second
km_test "the kernel log has no complaints" km_no_splat
km_finish
