#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Leaks that the kernel had over the years, by the same mistakes: each happens ten
# times, and one scan right after that finds all blocks and leads to who allocated them.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

KM_PAST=$KM_DEBUG/kmemleak_past
TIMES=10

# A process of its own runs into it, and ends, as with most leaks.
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

# What is reported is what was lost.
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
	km_test "$name" leak "$name"
done
km_test "99 % of all" km_found_all
km_test "and nothing else" nothing_else
km_test "which are all given back" given_back
km_test "the kernel has nothing to complain of" km_no_splat
km_finish
