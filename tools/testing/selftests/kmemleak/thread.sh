#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The thread that scans by itself: when it exists, its priority, and that it scans without a
# command until it is turned off.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# Longest wait for something that must happen, in seconds.
patience=120

one_thread() {
	[ "$(km_thread | wc -l)" -eq 1 ]
}

no_thread() {
	[ -z "$(km_thread)" ]
}

# The nice value is field 19 of the stat file. The thread's name has no blanks.
nice_is() {
	pid=$(km_thread)
	tries=0
	# The thread lowers its priority itself, once it runs.
	while [ "$tries" -lt "$patience" ]; do
		# shellcheck disable=SC2046
		set -- "$1" $(cat "/proc/$pid/stat")
		[ "${20}" = "$1" ] && return 0
		tries=$((tries + 1))
		sleep 1
	done
	km_note "nice ${20}, expected $1"
	return 1
}

# There must be scans while this script only waits.
scans_by_itself() {
	before=$(km_stat scans)
	tries=0
	while [ "$tries" -lt "$patience" ]; do
		[ "$(km_stat scans)" -ge $((before + 2)) ] && return 0
		tries=$((tries + 1))
		sleep 1
	done
	km_note "$(($(km_stat scans) - before)) scans"
	return 1
}

finds_leaks() {
	km_mark
	km_load kmemleak_test recipes=bulk || return 1
	scans_by_itself && km_read || return 1
	# A stray value may hide one of the five blocks.
	[ "$(grep -c 'leak_cache_bulk+0x' "$KM_REPORT")" -ge 4 ]
}

# count_stops: prints the number of stops that were made or tried
count_stops() {
	echo $(($(km_stat stops) + $(km_stat stops_cut)))
}

# The thread was not told to stop the CPUs.
makes_no_stop() {
	[ "$(count_stops)" -eq "$stops_before" ]
}

makes_stop_if_told() {
	km_with thread_confirm stop loses_one
}

# First wait for scans: a scan that began before the parameter was set makes no stop.
loses_one() {
	km_unload kmemleak_test
	scans_by_itself && km_load kmemleak_test recipes=kmalloc || return 1
	scans_by_itself && [ "$(count_stops)" -gt "$stops_before" ]
}

# Writes scan again and again, until $KM_TMP/go is removed.
scan_all_the_time() {
	: > "$KM_TMP/go"
	while [ -e "$KM_TMP/go" ]; do
		echo scan > "$KM_FILE" || echo failed >> "$KM_TMP/failed"
	done &
	scanner=$!
}

scan_no_more() {
	rm "$KM_TMP/go"
	wait "$scanner"
	[ ! -e "$KM_TMP/failed" ]
}

# While others scan, the thread must sleep as it does between its own scans. If a task waits
# for a mutex longer than hung_task_timeout_secs, the kernel reports that it hangs.
waits_asleep() {
	thread=$(km_thread)
	scan_all_the_time
	looks=0
	waits=0
	while [ "$looks" -lt 100 ]; do
		grep -q mutex_lock "/proc/$thread/stack" && waits=$((waits + 1))
		looks=$((looks + 1))
		sleep 0.05
	done
	km_note "waits for a mutex in $waits of $looks looks"
	scan_no_more && [ "$waits" -eq 0 ]
}

tells_log() {
	told=$(km_log | sed -n 's/.*kmemleak: \([0-9]*\) new suspected memory leaks (see .*)$/\1/p' |
		awk '{ sum += $1 } END { print sum + 0 }')
	[ "$told" -ge 4 ]
}

scans_no_more() {
	before=$(km_stat scans)
	sleep 5
	[ "$(km_stat scans)" -eq "$before" ]
}

start_line() {
	km_log | grep -q 'kmemleak: Automatic memory scanning thread started$'
}

commands_while_it_runs() {
	for command in scan clear scan stack=on; do
		echo "$command" > "$KM_FILE" || return 1
	done
}

nice_parameter() {
	old=$(cat "$KM_PARAM/nice")
	km_set nice 5
	echo scan=600 > "$KM_FILE"
	nice_is 5
	status=$?
	echo scan=off > "$KM_FILE"
	km_set nice "$old"
	return "$status"
}

km_begin
period=$(cat "$KM_PARAM/scan_secs")
km_plan 16
km_test "scan=off: there is no thread" no_thread
km_test "scan=off: there is no scan" scans_no_more
km_mark
stops_before=$(count_stops)
echo scan=1 > "$KM_FILE"
km_test "scan=1 starts one thread" one_thread
km_test "the log says that the thread started" start_line
km_test "the thread runs at nice 10" nice_is 10
km_test "the thread scans by itself" scans_by_itself
km_test "the thread finds lost blocks" finds_leaks
km_test "the log has the number of these leaks" tells_log
km_test "the thread does not stop the CPUs" makes_no_stop
km_test "the thread stops the CPUs with thread_confirm=stop" makes_stop_if_told
km_test "the thread sleeps while others scan" waits_asleep
km_test "commands work while the thread runs" commands_while_it_runs
echo scan=off > "$KM_FILE"
km_test "scan=off ends the thread" no_thread
km_test "there is no scan after scan=off" scans_no_more
km_test "the parameter nice sets the thread's priority" nice_parameter
km_set scan_secs "$period"
km_unload kmemleak_test
km_test "no thread is left in the end" no_thread
km_finish
