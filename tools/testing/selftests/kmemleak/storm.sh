#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Everything at once: allocations in all contexts on all CPUs, loading and unloading of
# modules, and scan, read, clear, dump and parameter writes. No held block may be reported at
# any time, and nothing in the end. Afterwards the reports must be right.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

seconds=$(km_amount 60 20 20)

# Each job takes turns while this file exists, and writes down their number.
running=$KM_TMP/running

job() {
	name=$1
	turns=0
	while [ -e "$running" ]; do
		"do_$name" || echo "$name" >> "$KM_TMP/failures"
		turns=$((turns + 1))
	done
	echo "$turns" > "$KM_TMP/turns.$name"
}

do_scan() {
	echo scan > "$KM_FILE"
}

# Keeps all reports.
do_read() {
	cat "$KM_FILE" >> "$KM_TMP/reports" && sleep 0.2
}

do_clear() {
	echo clear > "$KM_FILE" && sleep 0.3
}

# There may be a block at this address or not: both answers are right.
do_dump() {
	address=$(awk '/^kmemleak_/ { print $6 }' /proc/modules | head -n 1)
	echo "dump=$address" 2>/dev/null > "$KM_FILE"
	sleep 0.5
}

do_parameters() {
	for value in 1 3 1; do
		km_set min_unref_scans "$value" || return 1
		km_set min_age_ms $((value * 10 - 10)) || return 1
		km_set rules $((value * 21)) || return 1
		km_set workers $((value * 5)) || return 1
		echo "stack=off" > "$KM_FILE" || return 1
		echo "stack=on" > "$KM_FILE" || return 1
		cat "$KM_STATS" > "$KM_TMP/stats" || return 1
		sleep 0.1
	done
	km_set rules "$all_rules"
	km_set workers 0
}

do_thread() {
	echo scan=1 > "$KM_FILE" || return 1
	sleep 1
	echo scan=off > "$KM_FILE"
}

# These recipes hold all their blocks, so unloading the module loses none.
do_modules() {
	km_load kmemleak_test recipes=data,bss,percpu_var,interior || return 1
	rmmod kmemleak_test
}

jobs="scan read clear dump parameters thread modules"

storm() {
	touch "$running"
	pids=
	for name in $jobs; do
		job "$name" &
		pids="$pids $!"
	done
	km_torture "storm $seconds 2000"
	status=$?
	rm "$running"
	# shellcheck disable=SC2086
	wait $pids
	return "$status"
}

none_failed() {
	[ -e "$KM_TMP/failures" ] || return 0
	sort "$KM_TMP/failures" | uniq -c | sed 's/^/# failed: /'
	return 1
}

all_had_turns() {
	for name in $jobs; do
		turns=$(cat "$KM_TMP/turns.$name")
		km_note "$name: $turns turns"
		[ "${turns:-0}" -ge 1 ] || return 1
	done
}

storm_was_one() {
	grep '^# storm' "$KM_TORTURE/result"
	allocated=$(sed -n 's/^# storm allocated \([0-9]*\) freed .*/\1/p' "$KM_TORTURE/result")
	freed=$(sed -n 's/^# storm allocated [0-9]* freed //p' "$KM_TORTURE/result")
	[ "${allocated:-0}" -ge 1000 ] && [ "$allocated" = "$freed" ]
}

# Checks all reports that were read meanwhile.
held_never_reported() {
	touch "$KM_TMP/reports"
	cp "$KM_TMP/reports" "$KM_REPORT"
	km_check
}

nothing_lost() {
	km_scan
	[ "$(km_reports)" -eq 0 ] && return 0
	head -n 40 "$KM_REPORT" | sed 's/^/# /'
	return 1
}

still_on() {
	[ "$(km_stat enabled)" = 1 ] && [ "$(km_stat failed)" = no ]
}

graph() {
	km_torture "graph $1 12000" && km_scan && km_check 99.5
}

km_begin
km_need_torture
all_rules=$(cat "$KM_PARAM/rules")
nr_cpus=$(grep -c '^processor' /proc/cpuinfo)
[ "$nr_cpus" -ge 2 ] || km_skip_all "takes two CPUs"
km_plan 11
km_mark
km_test "a storm of $seconds s on $nr_cpus CPUs succeeds" storm
km_set min_unref_scans 1
km_set min_age_ms 0
km_set rules "$all_rules"
km_test "no job failed" none_failed
km_test "each job had a turn" all_had_turns
km_test "the storm freed all its blocks" storm_was_one
km_test "no held block was reported" held_never_reported
km_test "nothing is reported after the storm" nothing_lost
km_test "the detector is on" still_on
seed=${KMEMLEAK_TEST_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
km_note "KMEMLEAK_TEST_SEED=$seed"
km_test "right reports: a graph, seed $seed" graph "$seed"
km_test "right reports: a graph, seed $((seed + 1))" graph $((seed + 1))
km_torture reset
km_test "nothing is reported in the end" nothing_lost
km_test "the kernel log has no complaints" km_no_splat
km_finish
