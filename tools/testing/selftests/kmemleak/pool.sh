#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The pool of entries: there are more blocks than static entries. Entries must not cost too
# much memory, and must be used again. The pool must free the memory of unused entries.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

blocks=$(km_amount 40000 20000 20000)
peak=$(km_amount 300000 300000 100000)

# Other allocations meanwhile: three blocks for each vmalloc(), the decoys of a graph, and
# allocations of the kernel.
noise=$((blocks / 2))

# waits SECONDS COMMAND...: waits at most so long until the command succeeds
waits() {
	left=$1
	shift
	until "$@"; do
		[ "$left" -gt 0 ] || return 1
		left=$((left - 1))
		sleep 1
	done
}

in_use() {
	km_stat entries_in_use
}

grows() {
	before=$(in_use)
	lost=$(km_stat no_entry)
	km_torture "graph 1 $blocks" || return 1
	km_note "entries in use: $before, then $(in_use)"
	memory=$(km_stat memory_bytes)
	[ "$(in_use)" -ge $((before + blocks)) ] &&
		[ "$(in_use)" -le $((before + blocks + noise)) ] &&
		[ "$(km_stat no_entry)" = "$lost" ]
}

exact() {
	km_scan && km_check 99.5
}

# The memory of all entries, used and free, and of the index.
cost() {
	per_entry=$(($(km_stat memory_bytes) / ($(in_use) + $(km_stat entries_free))))
	km_note "$per_entry bytes an entry"
	[ "$per_entry" -le 80 ]
}

shrinks() {
	with=$(in_use)
	km_torture reset
	km_note "entries in use: $with, then $(in_use)"
	[ "$(in_use)" -le $((with - blocks + noise)) ]
}

# The second graph must need no more memory than the first one, even if pages were freed in
# between.
used_again() {
	km_torture "graph 2 $blocks" || return 1
	km_note "bytes: $memory, then $(km_stat memory_bytes)"
	# The noise takes a page of 4 KiB for every 64 entries.
	[ "$(km_stat memory_bytes)" -le $((memory + noise * 64)) ] &&
		[ "$(in_use)" -ge "$blocks" ]
}

# A load that allocates and frees all the time must need no more entries in the end.
no_creep() {
	km_torture reset
	wait_for_trim || return 1
	before=$(in_use)
	memory=$(km_stat memory_bytes)
	km_torture "storm 5 100" && km_torture "reset" || return 1
	km_note "entries in use: $before, then $(in_use)"
	[ "$(in_use)" -le $((before + noise)) ] &&
		[ "$(km_stat memory_bytes)" -le $((memory + 2 * noise * 64)) ]
}

# There are no more free entries than used ones.
is_trimmed() {
	[ "$(km_stat entries_free)" -le "$(in_use)" ]
}

# Waits for the trim. It takes a moment, or as long as a running scan.
wait_for_trim() {
	waits 120 is_trimmed && return 0
	km_note "entries in use: $(in_use), free: $(km_stat entries_free)"
	return 1
}

# In each page, one or two entries stay in use, so they must move before the page is freed.
peak_goes() {
	returned=$(km_stat pages_returned)
	km_torture "peak $peak 8 50" || return 1
	km_note "bytes: $(km_stat memory_bytes) with $((peak / 50)) of $peak blocks left"
	wait_for_trim || return 1
	km_note "bytes: $(km_stat memory_bytes) a while later, $(in_use) entries in use"
	[ "$(km_stat pages_returned)" -ge $((returned + peak / 100)) ] &&
		[ "$(in_use)" -ge $((peak / 50)) ]
}

# The moved objects must still be known, and so must the blocks that they point to.
nothing_lost() {
	km_scan
	[ "$(km_reports)" -eq 0 ] || return 1
	km_torture reset
	km_note "entries in use: $(in_use)"
}

more_returned() {
	[ "$(km_stat pages_returned)" -gt "$returned" ]
}

# The entries of a small peak stay until memory is short.
shrinker() {
	km_torture "peak 6000 8 0" || return 1
	returned=$(km_stat pages_returned)
	echo 2 > /proc/sys/vm/drop_caches
	waits 60 more_returned
}

km_begin
km_need_torture
km_plan 11
km_test "$blocks more blocks get entries" grows
km_test "the reports are right" exact
km_test "an entry takes at most 80 bytes" cost
km_test "freed blocks release their entries" shrinks
km_test "released entries are used again" used_again
km_test "the reports are right again" exact
km_test "no entry is lost in a storm" no_creep
km_test "most entries of a peak of $peak blocks are freed" peak_goes
km_test "the rest of the peak is not reported" nothing_lost
km_test "more entries are freed when memory is short" shrinker
km_test "the detector is on" [ "$(km_stat enabled)" = 1 ]
km_finish
