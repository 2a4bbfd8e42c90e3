#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Pointers that move on every CPU while scans look for them: between slots of large
# arrays and lists, in trees and hash tables that grow and shrink, into the queues of
# RCU. Nothing is lost, so every block that is reported is a false alarm.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

scans=$(km_amount 100 10 3)

# moves: so many since churn began
moves() {
	km_torture moves
	sed -n 's/^# churn moves //p' "$KM_TORTURE/result" | tail -n 1
}

# scan_all MODE MOST: so many scans, all of which report at most so many blocks
scan_all() {
	km_set confirm "$1"
	before=$(km_stat snapshots)
	cut=$(km_stat snapshots_cut)
	km_scan_moving "$scans" "$shown" || return 1
	snapshots=$(($(km_stat snapshots) - before))
	cut=$(($(km_stat snapshots_cut) - cut))
	km_note "$1: $scans scans, $km_false false, $snapshots standstills, $cut given up," \
		"longest $(km_stat standstill_max_us) us, $(moves) moves"
	[ "$km_false" -le "$2" ]
}

# How often there is time for it, others on the host decide. A debug kernel takes about
# as long as the budget can be, so there may be none at all; then each scan says that it
# gave it up, and went on as with rescan.
stood_still() {
	if [ "$KM_SLOW" = 1 ] && [ "$snapshots" -eq 0 ]; then
		km_note "no time for a standstill"
		[ "$cut" -gt 0 ] && [ "$cut" -le "$scans" ]
		return
	fi
	[ "$snapshots" -gt 0 ] && [ "$(km_stat standstill_us)" -gt 0 ]
}

did_not() {
	[ "$snapshots" -eq 0 ]
}

# Without the rule there are false alarms: the others can fail.
alarms_without() {
	shown=0
	scans=$(((scans + 4) / 5))
	scan_all "$1" 1000000 && [ "$km_false" -gt 0 ]
}

# Blocks that only registers have, in the last CPU, which takes no interrupt meanwhile.
# On that CPU, this shell would come to scan only after it.
in_registers() {
	taskset -p 1 $$ > /dev/null || return 1
	km_torture "registers 3000" && km_scan && km_verdicts
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
km_test "no false alarm while the machine stands still" scan_all stop 0
km_test_still "which it did, or said that there was no time" stood_still
km_test "one at most with further marks" scan_all rescan 1
km_test "while it did not stand still" did_not
km_test "none of what registers hold" in_registers
km_test "many when suspects are not confirmed" alarms_without off
km_set confirm stop
km_set rcu_wait_ms 1000
km_test "and nothing was lost" nothing_lost
km_test "the kernel has nothing to complain of" km_no_splat
km_finish
