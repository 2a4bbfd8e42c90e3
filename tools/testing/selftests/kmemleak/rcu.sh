#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Blocks that wait for a grace period, of the torture module and of dead processes. A scan
# waits for them, but not for ever. It must not report blocks that still wait, nor blocks
# that these point to, until they are freed.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# still_wait NR: so many of the blocks must still wait. If a block was freed, another one may
# have its address, so compare the traces.
still_wait() {
	km_mark
	sed -n 's/^live \(0x[0-9a-f]*\) .*/\1/p' "$KM_TORTURE/result" | while read -r addr; do
		{ echo "dump=$addr" > "$KM_FILE"; } 2>/dev/null
	done
	now=$(km_log | grep -c ' queue_block+0x')
	km_note "$now blocks wait"
	[ "$now" -eq "$1" ]
}

# Processes with pipes, files and page tables end, and parts of them wait in the queues, too.
processes_end() {
	for _ in 1 2 3 4; do
		cat < /proc/self/stat | cat | cat > /dev/null
	done
}

# scan_before_rcu_ends MS: grace periods are held up for longer than the scan waits.
scan_before_rcu_ends() {
	km_mark
	km_set rcu_wait_ms "$1"
	km_torture reset && km_torture "rcu 1000000" && processes_end && km_scan
}

# Nothing is lost, neither blocks of the module nor other blocks.
none_reported() {
	sed -n '/^unreferenced/,$s/^/# /p' "$KM_REPORT" | head -n 60
	[ "$(km_reports)" -eq 0 ] && km_check
}

# A record of KFENCE's pool links the blocks behind it into RCU's queue.
lost_without_records() {
	km_all lost
	km_without_root kfence km_scan && km_compare 10
}

told() {
	km_log | grep -q "kmemleak: RCU callbacks are still queued after $1 ms, scanning anyway\$"
}

# A lost block must be confirmed, but the reader's CPU cannot be stopped for that. Without a
# stop, stray values on the stack of a running task can hide a few blocks.
lost_beside_reader() {
	km_set rcu_wait_ms 0
	km_torture reset && km_torture "lose task 200" && km_torture "rcu 600000" && km_scan
}

# Grace periods are held up for less long than the scan waits.
scan_after_rcu_ends() {
	km_torture reset
	km_mark
	km_set rcu_wait_ms 10000
	km_torture "rcu 1500" && km_scan
}

not_told() {
	! km_log | grep -q 'kmemleak: RCU callbacks'
}

# Only freed blocks of kvfree_rcu() pointed to these blocks. A stray value may hide some.
orphans() {
	reported=$(grep -c ' queue_parent[.+]' "$KM_REPORT")
	km_note "$reported of 32 reported"
	[ "$reported" -ge 30 ]
}

km_begin
km_need_torture
[ "$(grep -c '^processor' /proc/cpuinfo)" -ge 2 ] || km_skip_all "only one CPU"
km_plan 15
km_patient
# Now, because no CPU can go offline while grace periods are held up.
km_fence 1
km_test "a scan succeeds without waiting for RCU" scan_before_rcu_ends 0
km_test "a scan without waiting reports no waiting block" none_reported
km_test "a scan without waiting logs nothing" not_told
km_test "after a scan without waiting, all blocks still wait" still_wait 16
if [ -e "$KM_FENCE" ]; then
	km_test "blocks behind KFENCE's records are lost without them" lost_without_records
else
	km_skip "blocks behind KFENCE's records are lost without them" "kernel without KFENCE"
fi
km_test "a scan succeeds when RCU needs longer than its wait" scan_before_rcu_ends 300
km_test "when RCU needs longer, no waiting block is reported" none_reported
km_test "when RCU needs longer, the log says so" told 300
km_test "a scan succeeds beside a CPU that cannot be preempted" lost_beside_reader
km_test "beside that CPU, lost blocks are reported" km_check 95
km_test "the scan did not wait for that CPU" still_wait 16
km_test "a scan succeeds when RCU ends within its wait" scan_after_rcu_ends
km_test "when RCU ends in time, the log says nothing" not_told
km_test "blocks that freed blocks pointed to are reported" orphans
km_test "no block waits any more" still_wait 0
km_torture reset
km_fence 0
km_impatient
km_finish
