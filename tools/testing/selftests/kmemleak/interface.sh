#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The files as users' scripts know them: permissions, an empty report, the shape of each line,
# the order of reports, the ways to write and read, lines in the log, and the parameters.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# ---- the files -------------------------------------------------------------

has_mode() {
	[ "$(stat -c %a "$1")" = "$2" ]
}

size_zero() {
	[ "$(stat -c %s "$KM_FILE")" = 0 ]
}

empty_read() {
	[ "$(wc -c < "$KM_FILE")" -eq 0 ]
}

stats_lines() {
	grep -v -n -E '^[a-z_]+ -?[0-9]+$|^(rules|roots) [a-z_,]+$|^failed .+$' "$KM_STATS" && return 1
	for name in enabled entries_in_use scans bad_addr duplicate leaks; do
		[ -n "$(km_stat "$name")" ] || return 1
	done
}

# names rules|roots MASK NAMES: the statistics must show these names for this bit mask
names() {
	km_with "$1" "$2" km_stat "$1" > "$KM_TMP/names"
	[ "$(cat "$KM_TMP/names")" = "$3" ]
}

names_in_force() {
	names rules 5 age,changed && names rules 0 none &&
		names roots 21 percpu,pages,stacks &&
		names roots 0 none
}

# ---- the text --------------------------------------------------------------

all_kinds_present() {
	grep -q '^unreferenced object (percpu) 0x' "$KM_REPORT" &&
		grep -q 'bytes on cpu 0):$' "$KM_REPORT" &&
		grep -q "^  $(km_comm hardirq)," "$KM_REPORT" &&
		grep -q '^  comm "kmemleak-test", pid [1-9]' "$KM_REPORT" &&
		grep -q ' \[kmemleak_test\]$' "$KM_REPORT" &&
		grep -q 'first 8 bytes):$' "$KM_REPORT"
}

jiffies_ascend() {
	sed -n 's/^  comm .*, jiffies //p' "$KM_REPORT" > "$KM_TMP/jiffies"
	sort -n "$KM_TMP/jiffies" | cmp -s - "$KM_TMP/jiffies"
}

# The sample announces its blocks in the order of allocation. The reports must have it, too.
order_as_announced() {
	km_log | sed -n 's/.*kmemleak-test: recipe=[a-z]* .*addr=0x0*\([0-9a-f]*\).*/\1/p' \
		> "$KM_TMP/announced"
	sed -n 's/^unreferenced object 0x0*\([0-9a-f]*\) .*/\1/p' "$KM_REPORT" |
		grep -F -x -f "$KM_TMP/announced" > "$KM_TMP/reported"
	# Leave out blocks that were not reported: sample.sh tests for these.
	grep -F -x -f "$KM_TMP/reported" "$KM_TMP/announced" > "$KM_TMP/common"
	km_note "$(wc -l < "$KM_TMP/common") blocks compared"
	[ "$(wc -l < "$KM_TMP/common")" -ge 10 ] || return 1
	cmp -s "$KM_TMP/common" "$KM_TMP/reported" && return 0
	diff "$KM_TMP/common" "$KM_TMP/reported" | sed 's/^/# /'
	return 1
}

# Two call paths lead to the same function. Each must have its own trace.
own_traces() {
	echo clear > "$KM_FILE"
	km_torture traces && km_scan && km_check "$KM_MOST"
}

# The trace cache must recognise traces of interrupts, as of tasks: few stacks are unwound.
interrupts_remembered() {
	before=$(km_stat unwound)
	km_torture 'interrupts 2000' || return 1
	km_note "$(($(km_stat unwound) - before)) of 4000 allocations walked the stack"
	[ $(($(km_stat unwound) - before)) -lt 500 ]
}

# requests on|off LEAST MOST: LEAST to MOST reports must have the requested size. A report has
# it if it is less than the size of the block.
requests() {
	echo clear > "$KM_FILE"
	km_scenes requested "$1" && km_scan && km_check "$KM_MOST" || return 1
	said=$(grep -c '^  requested 100 bytes$' "$KM_REPORT")
	km_note "$said of $(km_reports) reports have the requested size"
	[ "$said" -ge "$2" ] && [ "$said" -le "$3" ]
}

# For large blocks it is exact, or rounded up to a sixteenth of a page.
large_requests() {
	echo clear > "$KM_FILE"
	km_scenes grown on && km_scan && km_check "$KM_MOST" || return 1
	grep -A 8 '(size 16384):$' "$KM_REPORT" | grep -q '^  requested 8200 bytes$' &&
		grep -A 8 '(size 65536):$' "$KM_REPORT" |
			grep -q '^  requested at most 41216 bytes$'
}

# ---- reading and writing -----------------------------------------------------

large_read() {
	dd if="$KM_FILE" of="$KM_TMP/large" bs=131072 count=1 2>/dev/null
	km_note "one read gave $(grep -c '^unreferenced' "$KM_TMP/large") reports"
	[ "$(grep -c '^unreferenced' "$KM_TMP/large")" -gt 20 ] || return 1
	# The read must give the first reports.
	head -c "$(wc -c < "$KM_TMP/large")" "$KM_REPORT" | cmp -s - "$KM_TMP/large"
}

small_reads() {
	dd if="$KM_FILE" of="$KM_TMP/small" bs=61 2>/dev/null
	cmp -s "$KM_REPORT" "$KM_TMP/small"
}

# seek_back BYTES: dd seeks its input from the current place, by skip * bs. The product wraps
# to -BYTES. BusyBox has no other way to seek to an earlier place.
seek_back() {
	dd bs=2 skip=$((9223372036854775807 - $1 / 2 + 1)) 2>/dev/null
}

one_descriptor() {
	{
		echo scan >&3 || return 1
		dd bs=128 count=1 <&3 2>/dev/null > "$KM_TMP/first"
		km_read
		head -c 128 "$KM_REPORT" | cmp -s - "$KM_TMP/first" || return 1
		echo scan >&3 || return 1
		seek_back 128 <&3 > "$KM_TMP/second"
	} 3<> "$KM_FILE"
	[ "$(wc -c < "$KM_TMP/first")" -eq 128 ] || return 1
	# The second scan may give another set, so read it again.
	km_read
	cmp -s "$KM_TMP/second" "$KM_REPORT"
}

# A reader keeps the set of reports that it began to read, even if others scan and clear.
reader_keeps_its_set() {
	{
		dd bs=64 count=1 <&3 2>/dev/null > "$KM_TMP/kept"
		echo scan > "$KM_FILE"
		echo clear > "$KM_FILE"
		cat <&3 >> "$KM_TMP/kept"
	} 3< "$KM_FILE"
	cmp -s "$KM_REPORT" "$KM_TMP/kept" && empty_read
}

# ---- usual sequences of commands -----------------------------------------------

lose() {
	echo clear > "$KM_FILE"
	km_torture "graph 7 12000"
}

habit_scan_read() {
	lose
	echo scan > "$KM_FILE"
	km_read
	km_check 99.5
}

habit_sleep() {
	lose
	echo scan > "$KM_FILE"
	sleep 5
	echo scan > "$KM_FILE"
	km_read
	km_check 99.5
}

habit_twice_clear() {
	lose
	echo scan > "$KM_FILE"
	echo scan > "$KM_FILE"
	km_read
	km_check 99.5 || return 1
	km_reported_only
	echo clear > "$KM_FILE"
	empty_read || return 1
	km_scan
	km_compare
}

# ---- the log -----------------------------------------------------------------

boot_lines() {
	dmesg | grep -q 'kmemleak: Kernel memory leak detector initialized (mem pool available: [0-9]*)$'
}

log_line() {
	lose
	km_mark
	km_scan
	nr=$(km_log | sed -n 's/.*kmemleak: \([0-9]*\) new suspected memory leaks (see \/sys\/kernel\/debug\/kmemleak)$/\1/p')
	[ "$nr" = $(($(km_reports) + $(km_born before "$KM_REPORT"))) ]
}

# A block that a stray reference held before is a new leak, which the log may count.
log_line_once() {
	old=$(km_reports)
	km_mark
	km_scan
	nr=$(km_log | sed -n 's/.*kmemleak: \([0-9]*\) new suspected memory leaks .*/\1/p')
	[ "${nr:-0}" -le $((old / 50)) ]
}

silent_log() {
	! km_log | grep -q 'unreferenced object'
}

# verbose=1 prints one leak of each trace, and the number of other leaks with it. Together
# these must be all new leaks.
verbose_log() {
	km_torture reset
	echo clear > "$KM_FILE"
	km_scan
	echo clear > "$KM_FILE"
	km_set verbose 1
	km_mark
	km_load kmemleak_test recipes=bulk || return 1
	km_scan
	km_set verbose 0
	more=$(km_log | sed -n 's/.*kmemleak:   \.\.\. and \([0-9]*\) more object(s) with the same backtrace$/\1/p')
	km_note "$more more leaks with the same backtrace"
	# A stray value may hide one of the five blocks.
	[ "$(km_log | grep -c 'kmemleak: unreferenced object 0x')" -eq 1 ] &&
		[ "$(km_reports)" -ge 4 ] && [ "$more" = $(($(km_reports) - 1)) ] &&
		km_log | grep -q 'kmemleak:    .* leak_cache_bulk+0x.*\[kmemleak_test\]$'
	status=$?
	km_unload kmemleak_test
	return "$status"
}

# ---- parameters ----------------------------------------------------------------

any_number() {
	lose
	km_set min_unref_scans 4294967295 && km_scan && [ "$(km_reports)" -eq 0 ] || return 1
	km_set min_unref_scans 0 && km_scan && km_set min_unref_scans 1 && km_check 99.5
}

min_unref() {
	lose
	km_set min_unref_scans 2
	km_scan
	first=$(km_reports)
	km_scan
	second=$(km_reports)
	km_scan
	km_set min_unref_scans 1
	[ "$first" -eq 0 ] || { km_note "$first reports after one scan"; return 1; }
	[ "$second" -eq 0 ] || { km_note "$second reports after two scans"; return 1; }
	km_check 99.5
}

min_age() {
	lose
	km_set min_age_ms 600000
	km_scan
	young=$(km_reports)
	km_set min_age_ms 0
	[ "$young" -eq 0 ] || { km_note "$young reports of young blocks"; return 1; }
	km_scan
	km_check 99.5
}

# Roots of lost structures are listed first. Leaks that are not listed are counted, and they
# are new leaks when there is room for them.
max_leaks() {
	lose
	km_set max_leaks 50
	km_mark
	km_scan
	km_set max_leaks 0
	left=$(km_stat leaks_left_out)
	new=$(km_log | sed -n 's/.*kmemleak: \([0-9]*\) new suspected memory leaks .*/\1/p')
	km_note "$(km_reports) leaks listed, $left left out, $new new"
	[ "$(wc -l < "$KM_REPORT")" -gt 0 ] && [ "$(grep -c '^unref' "$KM_REPORT")" -eq 50 ] &&
		[ "$new" -eq $((left + 50)) ] && [ "$left" -gt 10000 ] &&
		km_log | grep -q "kmemleak: $left more leaks are not listed, see max_leaks\$" &&
		! grep -q 'reached from other' "$KM_REPORT" || return 1
	km_scan
	km_check 99.5 && [ "$(km_stat leaks_left_out)" -eq 0 ] &&
		[ "$(km_stat leaks_new)" -ge $((left - left / 50)) ]
}

# A refused value must leave the parameter as it was.
refuses_value() {
	before=$(cat "$KM_PARAM/$1")
	echo "$2" 2>/dev/null > "$KM_PARAM/$1" && return 1
	[ "$(cat "$KM_PARAM/$1")" = "$before" ]
}

km_begin
km_need_torture
km_plan 45
km_test "kmemleak has mode 644" has_mode "$KM_FILE" 644
km_test "kmemleak has size 0" size_zero
km_test "without leaks, kmemleak reads as empty" empty_read
km_test "kmemleak_stats has mode 444" has_mode "$KM_STATS" 444
km_test "each line of kmemleak_stats is a name and a value" stats_lines

km_test "kmemleak_stats names the rules and roots in force" names_in_force

km_mark
# Three times, so that no kind of line depends on a single block.
for _ in 1 2 3; do
	km_load kmemleak_test recipes=kmalloc,percpu,hardirq,vmalloc
	km_unload kmemleak_test
done
km_load kmemleak_test recipes=kmalloc,percpu,hardirq,list,vmalloc,bulk
km_torture "graph 42 1000"
km_scan
km_test "each line of the reports has the right shape" km_well_formed
km_test "each kind of line was seen" all_kinds_present
km_test "the reports are in the order of jiffies" jiffies_ascend
km_test "the reports are in the order of allocation" order_as_announced
km_test "one large read gives many reports" large_read
km_test "many small reads give the same text" small_reads
if dd --version 2>/dev/null | grep -q coreutils; then
	km_skip "scan, read and seek work on one descriptor" "dd is not BusyBox's"
else
	km_test "scan, read and seek work on one descriptor" one_descriptor
fi
km_read
km_test "a reader keeps its set of reports" reader_keeps_its_set
km_unload kmemleak_test

km_test "scan; read: the leaks are found" habit_scan_read
km_test "scan; sleep 5; scan; read: the leaks are found" habit_sleep
km_test "scan; scan; read; clear: the leaks are found once" habit_twice_clear
km_test "the log says that the detector was initialized" boot_lines
km_test "the log has the number of new leaks" log_line
km_test "the log does not list the leaks" silent_log
km_test "the log does not count known leaks again" log_line_once
km_test "verbose=1 prints equal traces once" verbose_log
km_test "min_unref_scans=2 delays reports by two scans" min_unref
km_test "min_age_ms delays reports of young blocks" min_age
km_test "max_leaks limits the listed leaks" max_leaks
km_test "max_leaks refuses -1" refuses_value max_leaks -1
km_test "min_unref_scans refuses a word" refuses_value min_unref_scans abc
km_test "min_unref_scans refuses -1" refuses_value min_unref_scans -1
km_test "min_unref_scans takes any number" any_number
km_test "min_age_ms refuses a word" refuses_value min_age_ms soon
km_test "min_age_ms refuses -1" refuses_value min_age_ms -1
km_test "min_age_ms refuses 99999999999" refuses_value min_age_ms 99999999999
km_test "rcu_wait_ms refuses 10001" refuses_value rcu_wait_ms 10001
km_test "workers refuses 17" refuses_value workers 17
km_test "workers refuses -1" refuses_value workers -1
km_test "confirm refuses an unknown word" refuses_value confirm stops
km_test "thread_confirm refuses an unknown word" refuses_value thread_confirm stops
km_test "stop_budget_ms refuses 10001" refuses_value stop_budget_ms 10001
km_test "verbose refuses 2" refuses_value verbose 2
km_torture reset
km_test "each call path has its own trace" own_traces
km_test "the trace cache recognises traces of interrupts" interrupts_remembered
km_test "a report has the requested size if the block is larger" requests on $((KM_SCENES - KM_SCENES / 8)) "$KM_SCENES"
km_test "a report has no requested size if the block is not larger" requests off 0 0
km_test "reports of large blocks have the requested size" large_requests
km_torture reset
km_test "no report is left in the end" empty_read
km_finish
