#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Suspend while scans run. All tasks must freeze in the time that the kernel allows. Each scan
# that ended for the suspend must run again afterwards. The machine does not sleep: the
# suspend is a test of the freezer.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

POWER=/sys/power
DELAY=/sys/module/suspend/parameters/pm_test_delay

suspends() {
	echo freeze > "$POWER/state"
}

# Two tasks scan all the time. The thread scans when they let it, and sleeps in between.
suspends_often() {
	: > "$KM_TMP/go"
	for _ in 1 2; do
		while [ -e "$KM_TMP/go" ]; do
			echo scan > "$KM_FILE" || : > "$KM_TMP/failed"
		done &
	done
	echo scan=1 > "$KM_FILE"
	status=0
	for _ in 1 2 3 4; do
		sleep 0.3
		suspends || status=1
	done
	rm "$KM_TMP/go"
	wait
	echo scan=off > "$KM_FILE"
	return "$status"
}

none_failed() {
	[ ! -e "$KM_TMP/failed" ] && km_read && km_check 99
}

# Waits until the scan waits for a grace period. No grace period ends until the test is done.
waits() {
	tries=0
	until grep -q kmemleak_rcu_drain "/proc/$scanner/stack"; do
		tries=$((tries + 1))
		[ "$tries" -lt 100 ] || return 1
		sleep 0.1
	done
}

# The scan would wait for longer than tasks have time to freeze. If the clock runs on while the
# guest does not, the time can be too short by itself: then try again.
suspends_waiting() {
	km_set rcu_wait_ms 10000
	echo 5000 > "$POWER/pm_freeze_timeout"
	for _ in 1 2 3; do
		km_torture reset && km_torture "rcu 1000000" || return 1
		echo scan > "$KM_FILE" &
		scanner=$!
		waits && suspends && return
		km_torture reset
		wait "$scanner"
	done
	return 1
}

# The scan must end with the grace period.
scans_after() {
	waits || return 1
	km_torture reset
	wait "$scanner" || return 1
	km_read && [ "$(grep -c 'leak_cache_bulk+0x' "$KM_REPORT")" -ge 4 ]
}

km_begin
grep -qs freezer "$POWER/pm_test" || km_skip_all "no test of the freezer"
[ "$(grep -c '^processor' /proc/cpuinfo)" -ge 2 ] || km_skip_all "only one CPU"
km_need_torture
km_plan 5
delay=$(cat "$DELAY")
limit=$(cat "$POWER/pm_freeze_timeout")
echo 0 > "$DELAY"
echo freezer > "$POWER/pm_test"
km_mark
km_torture "graph 1 40000"
km_test "suspend succeeds while tasks and the thread scan" suspends_often
km_test "no scan failed" none_failed
km_torture reset
km_load kmemleak_test recipes=bulk
km_patient
km_test "suspend succeeds while a scan waits for RCU" suspends_waiting
km_test "that scan runs again afterwards" scans_after
km_torture reset
km_impatient
km_test "the kernel log has no complaints" km_no_splat
echo none > "$POWER/pm_test"
echo "$delay" > "$DELAY"
echo "$limit" > "$POWER/pm_freeze_timeout"
km_finish
