#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Turns tracking on and off, again and again, on a running system under load. Preexisting
# memory must not be reported, nor blocks that only it points to. The next scan must find
# blocks that were lost since. Turning off must free all memory. The kernel may have been
# booted with the detector on or off.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# Under load there are more stray values. One of them can hide a block and all blocks behind
# it, so only the sum over all turns counts. Measured: 0.4 % missed, 1 % with the debug
# kernel.
turns=$(km_amount 20 5 1)
# A test run boots with the detector on and off. With it off, fewer turns are enough.
! grep -qw kmemleak=off /proc/cmdline || turns=$(km_amount 3 1 1)
most=99
[ "$KM_SLOW" = 1 ] && most=95
running=$KM_TMP/running

# Creates and removes files, pipes, processes and directories.
load() {
	while [ -e "$running" ]; do
		mkdir "$KM_TMP/d.$1" && cp /bin/busybox "$KM_TMP/d.$1/" 2>/dev/null
		cat < /proc/self/maps | sort | cat > "$KM_TMP/d.$1/maps"
		rm -r "$KM_TMP/d.$1"
	done
}

# Turns tracking off and frees all memory but the static entries, which stay.
give_back() {
	km_switch off && echo clear > "$KM_FILE" || return 1
	left=$(km_stat memory_bytes)
	[ "$(km_stat enabled)" = 0 ] && [ "$(km_stat entries_in_use)" -eq 0 ] &&
		[ "$(km_stat preexisting_bytes)" -eq 0 ]
}

# Turns tracking on and ends the thread, which must not scan in between.
attach() {
	km_switch on && [ -n "$(km_thread)" ] && echo scan=off > "$KM_FILE" &&
		[ "$(km_stat enabled)" = 1 ] && [ "$(km_stat failed)" = no ]
}

# New blocks to which only preexisting memory points: slabs, KFENCE's pool, large blocks,
# vmalloc(), pages and per-cpu blocks.
preexisting_holders() {
	km_fence 1 && km_torture "old hold" && km_fence 0 && attach &&
		km_torture "old hang" && km_scan && km_check 100
}

lost_without_holders() {
	km_all lost
	km_without_root preexisting km_scan && km_compare 85
}

# Now the holders are freed. The new blocks stay, and nobody has written to the freed memory
# yet. This is among the first tests: after tracking was turned on once, KASAN has few blocks of
# other kinds left to release.
freed_holders() {
	km_torture "old drop" && km_scan && km_check 95
}

# Nothing is lost yet, so each report is a false alarm.
quiet_scan() {
	km_scan || return 1
	[ "$(km_reports)" -eq 0 ] && [ "$(km_stat preexisting_bytes)" -gt 1000000 ] && return 0
	sed 's/^/# /' "$KM_REPORT" | head -n 60
	return 1
}

# The roots of the graph are in preexisting memory: variables of the module.
fresh_leaks() {
	km_torture "graph $1 3000" && km_scan || return 1
	km_check 75 > "$KM_TMP/said"
	status=$?
	grep -v '^# lost block' "$KM_TMP/said"
	lost=$((lost + $(km_said lost)))
	missed=$((missed + $(km_said missed)))
	km_torture reset && return "$status"
}

turn() {
	give_back && attach && quiet_scan && fresh_leaks "$1"
}

turns() {
	lost=0
	missed=0
	touch "$running"
	load 1 &
	load 2 &
	good=0
	while [ "$good" -lt "$turns" ]; do
		turn "$good" || break
		good=$((good + 1))
	done
	rm "$running"
	wait
	km_note "$good of $turns turns, $missed of $lost lost blocks missed"
	[ "$good" -eq "$turns" ]
}

sum_found() {
	[ "$lost" -gt 0 ] && [ $((missed * 100)) -le $((lost * (100 - most))) ]
}

# The addresses of the lost blocks are in slots that were free before, and in pages of
# kvfree_rcu(). Nobody has used these since, so the addresses must not hide the blocks. Now
# and then other code gets the blocks: then try again.
free_memory() {
	for try in 1 2 3 4 5 6 7 8; do
		give_back && km_torture "old hold" && attach && km_torture "old revive" || return 1
		revived=$(grep -c '^lost' "$KM_TORTURE/result")
		km_note "try $try: $revived blocks revived"
		[ "$revived" -ge 8 ] && break
	done
	[ "$revived" -ge 8 ] && km_scan && km_check 85
}

# A reader has begun to read. Its reports must stay, although their objects are gone.
reader() {
	km_torture "graph 1 3000" && km_scan || return 1
	exec 3< "$KM_FILE"
	head -c 10000 <&3 > /dev/null
	give_back && attach || return 1
	cat <&3 > "$KM_TMP/rest"
	exec 3<&-
	km_note "$(grep -c '^unreferenced' "$KM_TMP/rest") more reports"
	[ "$(grep -c '^unreferenced' "$KM_TMP/rest")" -gt 2000 ] && [ ! -s "$KM_FILE" ] || return 1
	km_torture reset
}

# wait_for COMMAND...: waits until the command succeeds
wait_for() {
	tries=0
	while [ "$tries" -lt 60 ]; do
		"$@" && return 0
		tries=$((tries + 1))
		sleep 0.5
	done
	return 1
}

scan_waits() {
	grep -q kmemleak_rcu_drain "/proc/$scanner/stack"
}

is_cut() {
	[ "$(km_stat scans_cut)" -gt "$cut" ]
}

# A scan waits at most 10 s for a grace period that takes 14 s. Then it would go on: off must
# end it before.
off_ends_scan() {
	cut=$(km_stat scans_cut)
	km_set rcu_wait_ms 10000
	km_torture reset && km_torture "rcu 14000" || return 1
	dd if="$KM_TMP/scan" of="$KM_FILE" 2> "$KM_TMP/said" &
	scanner=$!
	wait_for scan_waits || km_note "the scan does not wait"
	echo off > "$KM_FILE" &
	turner=$!
	wait_for is_cut || km_note "off does not end the scan"
	km_torture reset
	wait "$turner" && ! wait "$scanner" || return 1
	km_set rcu_wait_ms 1000
	is_cut && grep -q "Operation not permitted" "$KM_TMP/said" &&
		[ "$(km_stat enabled)" = 0 ] && attach
}

on_twice() {
	before=$(km_stat entries_in_use)
	echo on > "$KM_FILE" && [ "$(km_stat entries_in_use)" -ge $((before / 2)) ]
}

memory_back() {
	give_back || return 1
	km_note "$left bytes left, $memory before"
	[ "$left" -le "$memory" ]
}

silent_frees() {
	! km_log | grep 'kmemleak: .*\(unknown block\|reported once\)'
}

# stop_took US: the log must have this length of the stop. The clock stands still during it.
stop_took() {
	km_log | grep -q "kmemleak: Tracking started: .*CPUs stopped for $1 us"
}

# clock_stands_still BUDGET MESSAGES: a budget of 1 ms is not enough for more than 100,000 free
# slots. The clock does not show that.
clock_stands_still() {
	budget=$(cat "$KM_PARAM/stop_budget_ms")
	km_torture "peak 120000 64 64" && km_torture clock && km_set stop_budget_ms "$1" || return 1
	since=$km_mark_text
	km_mark
	km_switch on && stop_took 0
	status=$?
	[ "$2" = "$(km_log | grep -c 'kmemleak: Could not record all free slab slots in time')" ] || status=1
	km_mark_text=$since
	km_switch off && echo clear > "$KM_FILE"
	km_set stop_budget_ms "$budget"
	km_torture reset && return "$status"
}

if [ "$(km_stat enabled)" = 0 ]; then
	km_note "the detector was off"
	attach
fi
km_begin
km_need_torture
km_plan 15
km_mark
give_back
memory=$left
km_test "blocks that preexisting memory holds are not reported" preexisting_holders
km_test "these blocks are lost while that memory is no root" lost_without_holders
km_test "blocks are reported once their holders are freed" freed_holders
km_test "tracking goes off and on $turns times under load" turns
km_test "$most % of the lost blocks were found" sum_found
km_test "free slots and pages of kvfree_rcu() hold nothing" free_memory
km_torture reset
km_test "a reader keeps its reports after off and on" reader
if [ "$(grep -c '^processor' /proc/cpuinfo)" -ge 2 ]; then
	echo scan > "$KM_TMP/scan"
	km_test "off ends a running scan" off_ends_scan
else
	km_skip "off ends a running scan" "only one CPU"
fi
km_test "on changes nothing while tracking is on" on_twice
km_test "the log has no message about preexisting blocks" silent_frees
km_test "off and clear free the memory" memory_back
if grep -q '^migration/' /proc/[0-9]*/comm; then
	km_test_stops "a stop ends although the clock stands still" clock_stands_still 1 1
	km_test_stops "a stop has enough time with a larger budget" clock_stands_still 2000 0
else
	km_skip "a stop ends although the clock stands still" "one CPU, no stopper threads"
	km_skip "a stop has enough time with a larger budget" "one CPU, no stopper threads"
fi
km_test "on works once more" attach
km_test "the kernel log has no complaints" km_no_splat
km_finish
