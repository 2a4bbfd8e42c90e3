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

all_lost=0
all_missed=0

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

# A stray value may hide one of them, with what hangs on it, as everywhere.
found() {
	tail -n +$((known + 1)) "$KM_PAST/result" > "$KM_TMP/answers"
	known=$((known + $(wc -l < "$KM_TMP/answers")))
	[ "$(grep -c lost "$KM_TMP/answers")" -ge $((TIMES - 1)) ] || return 1
	km_compare 90 > "$KM_TMP/said"
	status=$?
	cat "$KM_TMP/said"
	all_lost=$((all_lost + $(km_said lost)))
	all_missed=$((all_missed + $(km_said missed)))
	return "$status"
}

leak() {
	happen "$1" && km_scan && found
}

together() {
	km_note "$all_missed of $all_lost missed"
	[ $((all_missed * 100)) -le "$all_lost" ]
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
known=0
km_mark
for name in $(cat "$KM_PAST/names") sequence; do
	km_test "$name" leak "$name"
done
km_test "99 % of all" together
km_test "and nothing else" nothing_else
km_test "which are all given back" given_back
km_test "the kernel has nothing to complain of" km_no_splat
km_finish
