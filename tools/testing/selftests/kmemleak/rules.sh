#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Each rule of the judge, on and off. Without the rule there must be the wrong reports that it
# prevents, with the rule there must be none. STACK is in recall.sh: without it, leaks are
# hidden.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

AGE=1 BORN=2 CHANGED=4 TRANSIENT=8 CONFIRM=16 MIN_UNREF=32

# reported_at_most MOST, reported_at_least LEAST: so many live blocks are reported.
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

# Here lost blocks stand in for live ones: the rule looks only at age or number of scans.
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

# Blocks are allocated during the mark, and memory that the mark has already scanned holds
# them. No other mark may find them, so scans do not confirm. The scan must not wait for RCU
# until all blocks are allocated.
born_meanwhile() {
	km_torture "born $interval" && km_scan
	status=$?
	km_torture halt
	km_note "$(grep -c '^live' "$KM_TORTURE/result") allocated, $(false_alarms) reported"
	return "$status"
}

births() {
	km_with confirm off km_with rcu_wait_ms 0 born_meanwhile
}

with_born() { births && reported_at_most 0; }

# On a busy host, all blocks can be allocated before the mark begins: then try again.
without_born() {
	tries=5
	while [ "$tries" -gt 0 ]; do
		km_without_rule "$BORN" births || return 1
		reported_at_least 5 && return
		tries=$((tries - 1))
	done
	return 1
}

# Nothing points to these blocks, but a thread writes to them all the time.
writes() {
	km_torture written && km_scan
	status=$?
	km_torture halt
	km_note "$(false_alarms) reported"
	return "$status"
}

with_changed() { writes && reported_at_most 0; }
without_changed() { km_without_rule "$CHANGED" writes && reported_at_least 60; }

# The annotation, in KM_SCENES scenes.
annotated() {
	km_scenes transient_leak on && km_scan
}

with_transient() { annotated && none_reported; }
without_transient() {
	km_without_rule "$TRANSIENT" annotated && lost_reported $((KM_SCENES - KM_SCENES / 8))
}

# Blocks move while scans run.
moves() {
	km_scan_moving "$scans" 0 && km_torture reset && km_note "$km_false reported"
}

with_confirm() { moves && [ "$km_false" -eq 0 ]; }
without_confirm() { km_without_rule "$CONFIRM" moves && [ "$km_false" -gt 0 ]; }

# count_stops: prints the number of stops that were made or tried
count_stops() {
	echo $(($(km_stat stops) + $(km_stat stops_cut)))
}

# makes_stops NR [COMMAND...]: after this command, two scans must make NR stops. The first mark
# of a scan leaves out the stacks of running tasks. If only such a stack points to a block, that
# causes one more stop. So try three times. Nothing can make the number of stops smaller.
makes_stops() {
	wanted=$1
	shift
	for turn in 1 2 3; do
		[ $# -eq 0 ] || km_torture "$@" || return 1
		stops=$(count_stops)
		km_scan && km_scan || return 1
		stops=$(($(count_stops) - stops))
		km_note "turn $turn: $(km_reports) reports, $stops stops, $wanted wanted"
		[ "$stops" -gt "$wanted" ] || break
	done
	[ "$stops" -eq "$wanted" ]
}

known() {
	makes_stops 1 lose task 200 && lost_reported 190 && makes_stops 0 && lost_reported 190
}

new_one() {
	makes_stops 1 lose task 10
}

# The last stop needed more time than its budget.
too_little() {
	km_torture "lose task 10" && km_with stop_budget_ms 1 km_scan || return 1
	km_note "$(km_stat stop_needed_us) us needed"
	[ "$(km_stat stop_needed_us)" -ge 1000 ] &&
		[ "$(km_stat stops_cut)" -gt "$cut" ]
}

km_begin
km_need_torture
[ "$(grep -c '^processor' /proc/cpuinfo)" -ge 2 ] || km_skip_all "takes two CPUs"
scans=$(km_amount 10 4 4)
interval=200
# Marks and allocations take longer.
[ "$KM_SLOW" = 1 ] && interval=1000
names="age born changed transient confirm min_unref"
# shellcheck disable=SC2086
set -- $names
km_plan $(($# * 2 + 4))
km_mark
for rule; do
	km_test "rule $rule prevents wrong reports" "with_$rule"
	km_test "without rule $rule there are wrong reports" "without_$rule"
	km_torture reset
	km_scan
	echo clear > "$KM_FILE"
done
km_test "a known leak needs no stop" known
km_test "a new leak needs one stop" new_one
cut=$(km_stat stops_cut)
km_test_stops "a stop that is cut short records the time that it needed" too_little
km_torture reset
km_test "the kernel log has no complaints" km_no_splat
km_finish
