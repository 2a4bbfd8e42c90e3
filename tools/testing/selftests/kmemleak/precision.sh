#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Pointers move on each CPU while scans look for them: between slots of large arrays and
# lists, in trees and hash tables that grow and shrink, and into the queues of RCU. Nothing
# is lost, so each block that is reported is a false alarm.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

scans=$(km_amount 100 10 3)

# moves: prints the number of moves since churn began
moves() {
	km_torture moves
	sed -n 's/^# churn moves //p' "$KM_TORTURE/result" | tail -n 1
}

# scan_all MODE MOST: scans with confirm=MODE. Together they may report at most MOST blocks.
scan_all() {
	km_set confirm "$1"
	before=$(km_stat stops)
	cut=$(km_stat stops_cut)
	km_scan_moving "$scans" "$shown" || return 1
	stops=$(($(km_stat stops) - before))
	cut=$(($(km_stat stops_cut) - cut))
	km_note "$1: $scans scans, $km_false false alarms, $stops stops, $cut given up," \
		"longest $(km_stat stop_max_us) us, $(moves) moves"
	[ "$km_false" -le "$2" ]
}

# The load of the host decides how often there is time for a stop. A debug kernel needs about
# as long as the largest budget, so there may be no stop at all. Then each scan counts that
# it gave up its stop, and goes on as with rescan.
stops_made() {
	if [ "$KM_SLOW" = 1 ] && [ "$stops" -eq 0 ]; then
		km_note "no time for a stop"
		[ "$cut" -gt 0 ] && [ "$cut" -le "$scans" ]
		return
	fi
	[ "$stops" -gt 0 ] && [ "$(km_stat stop_us)" -gt 0 ]
}

no_stop_made() {
	[ "$stops" -eq 0 ]
}

# Without the rule there must be false alarms. So the other tests can fail.
alarms_without() {
	shown=0
	scans=$(((scans + 4) / 5))
	scan_all "$1" 1000000 && [ "$km_false" -gt 0 ]
}

# Only registers of the last CPU hold these blocks. That CPU takes no interrupt meanwhile, so
# this shell must run on another CPU: else it would scan only afterwards.
in_registers() {
	taskset -p 1 $$ > /dev/null || return 1
	km_torture "registers 3000" && km_scan && km_check
	status=$?
	taskset -p ffffffff $$ > /dev/null
	return "$status"
}

nothing_lost() {
	km_torture reset
	km_scan
	sed 's/^/# /' "$KM_REPORT" | head -n 60
	[ "$(km_reports)" -eq 0 ]
}

km_begin
km_need_torture
[ "$(grep -c '^processor' /proc/cpuinfo)" -ge 2 ] || km_skip_all "takes two CPUs"
km_plan 8
shown=60
km_set rcu_wait_ms 0
km_mark
km_test "no false alarm with confirm=stop" scan_all stop 0
km_test_stops "scans stopped the CPUs, or counted that time was short" stops_made
km_test "at most one false alarm with confirm=rescan" scan_all rescan 1
km_test "no scan stops the CPUs with confirm=rescan" no_stop_made
km_test "blocks that only registers hold are not reported" in_registers
km_test "there are false alarms with confirm=off" alarms_without off
km_set confirm stop
km_set rcu_wait_ms 1000
km_test "nothing is reported in the end" nothing_lost
km_test "the kernel log has no complaints" km_no_splat
km_finish
