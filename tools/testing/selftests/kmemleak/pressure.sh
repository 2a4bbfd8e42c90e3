#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Allocations fail, because all but the last pages are taken, or by fault injection into the
# tasks of a storm. The detector must stay on and report no held block. Afterwards its
# reports must be right.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

seconds=$(km_amount 20 10 5)
size=64
slab=$(awk -v cache="kmalloc-$size" '$1 == cache { print $5 }' /proc/slabinfo)

# inject FOLDER PERCENT: injects faults into the tasks of a storm; 0: no more
inject() {
	echo Y > "$KM_DEBUG/$1/task-filter" &&
		echo 0 > "$KM_DEBUG/$1/verbose" &&
		echo 1 > "$KM_DEBUG/$1/interval" &&
		echo -1 > "$KM_DEBUG/$1/times" &&
		echo N > "$KM_DEBUG/$1/ignore-gfp-wait" || return 1
	if [ -e "$KM_DEBUG/$1/min-order" ]; then
		echo 0 > "$KM_DEBUG/$1/min-order"
	fi
	echo "$2" > "$KM_DEBUG/$1/probability"
}

# A scan may fail for lack of memory. Then its write fails.
scan_on() {
	while [ -e "$KM_TMP/running" ]; do
		echo scan 2>/dev/null > "$KM_FILE"
		cat "$KM_FILE" >> "$KM_TMP/reports" 2>/dev/null
	done
}

storm() {
	touch "$KM_TMP/running" "$KM_TMP/reports"
	scan_on &
	scanner=$!
	km_torture "storm $seconds 2000 faults"
	status=$?
	rm "$KM_TMP/running"
	wait "$scanner"
	return "$status"
}

# faults_came FOLDER TIMES: each fault lowers the number in the file by one.
faults_came() {
	faults=$(($2 - $(cat "$KM_DEBUG/$1/times")))
	km_note "$faults faults"
	[ "$faults" -ge 100 ]
}

held_never_reported() {
	cp "$KM_TMP/reports" "$KM_REPORT"
	km_check
}

still_on() {
	[ "$(km_stat enabled)" = 1 ] && [ "$(km_stat failed)" = no ]
}

nothing_lost() {
	km_scan
	[ "$(km_reports)" -eq 0 ] && return 0
	head -n 40 "$KM_REPORT" | sed 's/^/# /'
	return 1
}

# The page allocator has some pages for atomic allocations only: an eighth of the pages that
# it keeps free. These must be more than a CPU takes for its list in one go, which is
# thousands on newer kernels. There are more blocks than free entries, so entries need pages
# as well. If there are too few pages, the last page can become a slab, with entries for only
# a part of its blocks.
starve() {
	before=$(km_stat no_entry)
	drawn=$(km_stat stock_used)
	entries=$(km_stat entries_free)
	wanted=$((entries + 4000))
	km_torture "starve $wanted $size" || return 1
	blocks=$(sed -n 's/^# \([0-9]*\) blocks$/\1/p' "$KM_TORTURE/result")
	lost=$(($(km_stat no_entry) - before))
	km_note "$blocks blocks, $entries free entries, $lost blocks without an entry," \
		"$(($(km_stat stock_used) - drawn)) with an entry of the stock"
	km_scan
	most=0
	[ "$blocks" -eq "$wanted" ] || most=$((slab - 1))
	[ "$lost" -le "$most" ] && [ "$(km_reports)" -eq 0 ] && km_torture reset
}

# Other code can make the page allocator release the pages that it had set aside. Then there
# are too few blocks: try again.
no_entry_lost() {
	for attempt in 1 2 3 4 5; do
		km_with_pages_kept starve || return 1
		[ "$blocks" -gt "$entries" ] && return 0
	done
	km_note "too few blocks in $attempt attempts"
	return 1
}

# A stray value hides a block of the graph and all blocks behind it, but only one of the
# blocks that point to nothing.
afterwards() {
	km_torture "graph 4711 12000" && km_scan && km_check 99.5 || return 1
	km_torture reset
	km_torture "lose task 4096" && km_scan && km_check 99.5
}

# Number of faults. It does not run out, so the rest tells how many there were.
budget=1000000000

one_kind() {
	if ! [ -d "$KM_DEBUG/$1" ]; then
		for name in "a storm with faults succeeds" "there were faults" \
			    "no held block was reported" "the detector is on" \
			    "nothing is reported in the end"; do
			km_skip "$1: $name" "kernel without it"
		done
		return
	fi
	inject "$1" 20
	echo "$budget" > "$KM_DEBUG/$1/times"
	rm -f "$KM_TMP/reports"
	km_test "$1: a storm with faults succeeds" storm
	km_test "$1: there were faults" faults_came "$1" "$budget"
	inject "$1" 0
	km_test "$1: no held block was reported" held_never_reported
	km_test "$1: the detector is on" still_on
	km_test "$1: nothing is reported in the end" nothing_lost
}

km_begin
km_need_torture
km_plan 13
km_mark
km_test "atomic allocations get entries without free pages" no_entry_lost
one_kind failslab
one_kind fail_page_alloc
km_test "the reports are right afterwards" afterwards
km_test "the kernel log has no complaints" km_no_splat
km_finish
