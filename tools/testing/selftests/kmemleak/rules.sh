#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Each rule of the verdict, turned off and on: without it there is the false result
# that it prevents, with it there is none. STACK is in recall.sh, for it hides leaks
# in place of reporting what is none.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

AGE=1 BORN=2 CHANGED=4 TRANSIENT=8 CONFIRM=16 MIN_UNREF=32

# Reported are so many of the blocks that must not be: MOST, or at least LEAST.
reported_at_most() {
	[ "$(false_alarms)" -le "$1" ]
}

reported_at_least() {
	[ "$(false_alarms)" -ge "$1" ]
}

false_alarms() {
	cat "$KM_TORTURE/result" > "$KM_TMP/answers"
	awk '
	NR == FNR && $1 == "live" { live[$2] = 1 }
	/^unreferenced object / && $3 in live { nr++ }
	END { print nr + 0 }' "$KM_TMP/answers" "$KM_REPORT"
}

# Lost blocks stand for live ones here: the rule looks only at age or number of scans.
none_reported() {
	[ "$(km_reports)" -eq 0 ]
}

lost_reported() {
	km_note "$(km_reports) reports"
	[ "$(km_reports)" -ge "$1" ]
}

young() {
	km_torture "lose task 200" && km_with min_age_ms 1000000 km_scan
}

with_age() { young && none_reported; }
without_age() { km_without_rule "$AGE" young && lost_reported 190; }

first_scan() {
	km_torture "lose task 200" && km_with min_unref_scans 2 km_scan
}

with_min_unref() { first_scan && none_reported; }
without_min_unref() { km_without_rule "$MIN_UNREF" first_scan && lost_reported 190; }

# Blocks that are allocated during the mark, and held by memory that it has behind it.
# No other mark shall make up for it, and the scan not wait until all are born.
born_meanwhile() {
	km_torture "born $interval" && km_scan
	status=$?
	km_torture halt
	km_note "$(grep -c '^live' "$KM_TORTURE/result") born, $(false_alarms) reported"
	return "$status"
}

births() {
	km_with confirm off km_with rcu_wait_ms 0 born_meanwhile
}

with_born() { births && reported_at_most 0; }

# Where the host does other things, all can be born before the mark begins.
without_born() {
	tries=5
	while [ "$tries" -gt 0 ]; do
		km_without_rule "$BORN" births || return 1
		reported_at_least 5 && return
		tries=$((tries - 1))
	done
	return 1
}

# Nobody points at them, but somebody writes to them all the time.
writes() {
	km_torture written && km_scan
	status=$?
	km_torture halt
	km_note "$(false_alarms) reported"
	return "$status"
}

with_changed() { writes && reported_at_most 0; }
without_changed() { km_without_rule "$CHANGED" writes && reported_at_least 60; }

# The annotation, in as many scenes as there are.
annotated() {
	km_scenes transient_leak on && km_scan
}

with_transient() { annotated && none_reported; }
without_transient() {
	km_without_rule "$TRANSIENT" annotated && lost_reported $((KM_SCENES - KM_SCENES / 8))
}

# Blocks that move.
moves() {
	km_scan_moving "$scans" 0 && km_torture reset && km_note "$km_false reported"
}

with_confirm() { moves && [ "$km_false" -eq 0 ]; }
without_confirm() { km_without_rule "$CONFIRM" moves && [ "$km_false" -gt 0 ]; }

# standstills: so many were made or tried
standstills() {
	echo $(($(km_stat snapshots) + $(km_stat snapshots_cut)))
}

# stood_for NR [COMMAND...]: so many standstills in two scans, after that command. A first
# mark leaves out the stacks of running tasks, so a block that only such a stack holds
# costs one more; hence three tries. Chance never saves one.
stood_for() {
	wanted=$1
	shift
	for turn in 1 2 3; do
		[ $# -eq 0 ] || km_torture "$@" || return 1
		stood=$(standstills)
		km_scan && km_scan || return 1
		stood=$(($(standstills) - stood))
		km_note "turn $turn: $(km_reports) reports, $stood standstills, $wanted wanted"
		[ "$stood" -gt "$wanted" ] || break
	done
	[ "$stood" -eq "$wanted" ]
}

known() {
	stood_for 1 lose task 200 && lost_reported 190 && stood_for 0 && lost_reported 190
}

new_one() {
	stood_for 1 lose task 10
}

# The last standstill would have needed more time than it was given.
too_little() {
	km_torture "lose task 10" && km_with stop_budget_ms 1 km_scan || return 1
	km_note "$(km_stat standstill_needed_us) us needed"
	[ "$(km_stat standstill_needed_us)" -ge 1000 ] &&
		[ "$(km_stat snapshots_cut)" -gt "$cut" ]
}

km_begin
km_need_torture
[ "$(grep -c '^processor' /proc/cpuinfo)" -ge 2 ] || km_skip_all "takes two CPUs"
scans=$(km_amount 10 4 4)
interval=200
# A mark takes longer, and so does an allocation.
[ "$KM_SLOW" = 1 ] && interval=1000
names="age born changed transient confirm min_unref"
# shellcheck disable=SC2086
set -- $names
km_plan $(($# * 2 + 4))
km_mark
for rule; do
	km_test "$rule: prevents" "with_$rule"
	km_test "$rule: nothing else does" "without_$rule"
	km_torture reset
	km_scan
	echo clear > "$KM_FILE"
done
km_test "a known leak stops nobody again" known
km_test "a new one does" new_one
cut=$(km_stat snapshots_cut)
km_test_still "a standstill says what it needs" too_little
km_torture reset
km_test "the kernel has nothing to complain of" km_no_splat
km_finish
