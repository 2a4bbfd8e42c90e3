#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Blocks that wait for a grace period, this module's and those of dead processes:
# a scan waits for them, but not for ever, and reports none that still waits. Nor does
# it report what these point at, until they are freed.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# How many of the blocks are still there; others may have come to their places.
still() {
	km_mark
	sed -n 's/^live \(0x[0-9a-f]*\) .*/\1/p' "$KM_TORTURE/result" | while read -r addr; do
		{ echo "dump=$addr" > "$KM_FILE"; } 2>/dev/null
	done
	now=$(km_log | grep -c ' queue_block+0x')
	km_note "$now waiting"
	[ "$now" -eq "$1" ]
}

# Processes with pipes, files and page tables, dead and in the queues as well.
processes_end() {
	for _ in 1 2 3 4; do
		cat < /proc/self/stat | cat | cat > /dev/null
	done
}

# Grace periods are held up for longer than a scan waits.
scan_unsettled() {
	km_mark
	km_set rcu_wait_ms "$1"
	km_torture reset && km_torture "rcu 1000000" && processes_end && km_scan
}

# Nothing is lost, neither the module's blocks nor anybody else's.
none_reported() {
	sed -n '/^unreferenced/,$s/^/# /p' "$KM_REPORT" | head -n 60
	[ "$(km_reports)" -eq 0 ] && km_verdicts
}

told() {
	km_log | grep -q "kmemleak: RCU callbacks still waiting after $1 ms, scanning all the same\$"
}

# A lost block has to be confirmed. The reader's CPU could not be stopped for that. Without
# a standstill, what is left over on the stack of a task that runs can hide a few.
lost_beside_reader() {
	km_set rcu_wait_ms 0
	km_torture reset && km_torture "lose task 200" && km_torture "rcu 600000" && km_scan
}

# And for much less long.
scan_settled() {
	km_torture reset
	km_mark
	km_set rcu_wait_ms 10000
	km_torture "rcu 1500" && km_scan
}

not_told() {
	! km_log | grep -q 'kmemleak: RCU callbacks'
}

# What the blocks of kvfree_rcu() pointed at. A stray value may hide some.
orphans() {
	reported=$(grep -c ' queue_parent[.+]' "$KM_REPORT")
	km_note "$reported of 32 reported"
	[ "$reported" -ge 30 ]
}

km_begin
km_need_torture
[ "$(grep -c '^processor' /proc/cpuinfo)" -ge 2 ] || km_skip_all "only one CPU"
km_plan 14
km_patient
# No CPU goes while grace periods are held up.
km_fence 1
km_test "a scan that does not wait" scan_unsettled 0
km_test "reports no block that waits" none_reported
km_test "says nothing" not_told
km_test "and leaves all of them waiting" still 16
km_test "a scan that waits for a while" scan_unsettled 300
km_test "reports no block that waits for longer" none_reported
km_test "says so" told 300
km_test "a scan with lost blocks, beside a CPU that cannot be preempted" lost_beside_reader
km_test "reports these" km_verdicts 95
km_test "and did not wait for that CPU" still 16
km_test "a scan that waits for long enough" scan_settled
km_test "says nothing" not_told
km_test "reports what freed blocks pointed at" orphans
km_test "leaves no block waiting" still 0
km_torture reset
km_fence 0
km_impatient
km_finish
