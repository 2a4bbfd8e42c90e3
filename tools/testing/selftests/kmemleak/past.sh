#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Leaks that the kernel had over the years, by the same mistakes. Each leak happens ten times.
# One scan right after that must find all blocks, and their traces must show the allocator.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

KM_PAST=$KM_DEBUG/kmemleak_past
TIMES=10

# As with most leaks, a process runs into the mistake and ends.
happen() {
	times=$TIMES
	while [ "$times" -gt 0 ]; do
		if [ "$1" = sequence ]; then
			cat "$KM_PAST/sequence" > /dev/null || return 1
		else
			(echo "$1" > "$KM_PAST/leak") || return 1
		fi
		times=$((times - 1))
	done
}

leak() {
	happen "$1" && km_scan && km_found "$KM_PAST/result" $((TIMES - 1)) 90
}

# Only lost blocks may be reported.
nothing_else() {
	km_scan
	cat "$KM_PAST/result" > "$KM_TMP/answers"
	km_compare 99 1
}

given_back() {
	km_unload kmemleak_past && km_scan && [ "$(km_reports)" -eq 0 ]
}

km_begin
[ -d "$KM_PAST" ] || km_load kmemleak_past || km_skip_all "no module kmemleak-past"
km_plan $(($(grep -c . "$KM_PAST/names") + 5))
km_mark
for name in $(cat "$KM_PAST/names") sequence; do
	km_test "found: $name" leak "$name"
done
km_test "99 % of all lost blocks are found" km_found_all
km_test "only lost blocks are reported" nothing_else
km_test "unloading the module frees the lost blocks" given_back
km_test "the kernel log has no complaints" km_no_splat
km_finish
