#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Memory that cannot be had, because all but the last pages are taken, or by fault
# injection into the tasks of a storm: the detector stays on, reports nothing that is
# held, and is exact again afterwards.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

seconds=$(km_amount 20 10 5)
size=64
slab=$(awk -v cache="kmalloc-$size" '$1 == cache { print $5 }' /proc/slabinfo)

# inject FOLDER PERCENT: into the tasks of a storm; 0 for no more
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

# A scan may fail for want of memory, then it says so.
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

# Each fault takes one from the number that is left.
faults_came() {
	faults=$(($2 - $(cat "$KM_DEBUG/$1/times")))
	km_note "$faults faults"
	[ "$faults" -ge 100 ]
}

held_never_reported() {
	cp "$KM_TMP/reports" "$KM_REPORT"
	km_verdicts
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

# The page allocator has some pages for nobody but atomic allocations: an eighth of what it
# keeps free. That has to be more than a CPU takes for its list in one go, thousands on
# newer kernels. The blocks are more than there are entries, so that pages are needed for
# these as well. If there are too few pages, the last one can become a slab, of which there
# are entries for a part only.
starve() {
	before=$(km_stat no_entry)
	drawn=$(km_stat reserve_used)
	entries=$(km_stat entries_free)
	wanted=$((entries + 4000))
	km_torture "starve $wanted $size" || return 1
	blocks=$(sed -n 's/^# \([0-9]*\) blocks$/\1/p' "$KM_TORTURE/result")
	lost=$(($(km_stat no_entry) - before))
	km_note "$blocks blocks, $entries free entries, $lost blocks without one," \
		"$(($(km_stat reserve_used) - drawn)) with one of the last"
	km_scan
	most=0
	[ "$blocks" -eq "$wanted" ] || most=$((slab - 1))
	[ "$lost" -le "$most" ] && [ "$(km_reports)" -eq 0 ] && km_torture reset
}

# Somebody else can make the page allocator give up what it had set aside: there are too
# few blocks then, and it has to be done again.
no_entry_lost() {
	for attempt in 1 2 3 4 5; do
		km_with_pages_kept starve || return 1
		[ "$blocks" -gt "$entries" ] && return 0
	done
	km_note "$attempt times too few blocks"
	return 1
}

# A stray value hides a block of the graph and all that hangs on it, but only one of the
# blocks that hold nothing.
afterwards() {
	km_torture "graph 4711 12000" && km_scan && km_verdicts 99.5 || return 1
	km_torture reset
	km_torture "lose task 4096" && km_scan && km_verdicts 99.5
}

# A budget that does not run out, so that its use can be seen.
budget=1000000000

one_kind() {
	if ! [ -d "$KM_DEBUG/$1" ]; then
		for name in storm "faults came" held on nothing; do
			km_skip "$1: $name" "kernel without it"
		done
		return
	fi
	inject "$1" 20
	echo "$budget" > "$KM_DEBUG/$1/times"
	rm -f "$KM_TMP/reports"
	km_test "$1: a storm with faults" storm
	km_test "$1: there were faults" faults_came "$1" "$budget"
	inject "$1" 0
	km_test "$1: what was held was never reported" held_never_reported
	km_test "$1: the detector is on" still_on
	km_test "$1: nothing is lost in the end" nothing_lost
}

km_begin
km_need_torture
km_plan 13
km_mark
km_test "blocks while there are no pages" no_entry_lost
one_kind failslab
one_kind fail_page_alloc
km_test "a graph and lost blocks afterwards" afterwards
km_test "the kernel has nothing to complain of" km_no_splat
km_finish
