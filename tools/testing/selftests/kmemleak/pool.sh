#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The metadata: more blocks than the boot pool has entries, what they cost, and
# that entries are used again.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

blocks=40000
[ "$KM_SLOW" = 1 ] && blocks=20000

# What else is allocated meanwhile: three blocks for each vmalloc(), the decoys
# beside a graph, and what the kernel does.
noise=$((blocks / 2))

in_use() {
	km_stat entries_in_use
}

grows() {
	before=$(in_use)
	lost=$(km_stat no_entry)
	km_torture "graph 1 $blocks" || return 1
	km_note "entries in use: $before, then $(in_use)"
	[ "$(in_use)" -ge $((before + blocks)) ] &&
		[ "$(in_use)" -le $((before + blocks + noise)) ] &&
		[ "$(km_stat no_entry)" = "$lost" ]
}

exact() {
	km_scan && km_verdicts 99.5
}

# The memory of all entries, the free ones as well, and the index.
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

used_again() {
	memory=$(km_stat memory_bytes)
	km_torture "graph 2 $blocks" || return 1
	km_note "bytes: $memory, then $(km_stat memory_bytes)"
	# One page of 4 KiB for every 64 entries of noise.
	[ "$(km_stat memory_bytes)" -le $((memory + noise * 64)) ] &&
		[ "$(in_use)" -ge "$blocks" ]
}

# A load that allocates and frees all the time needs no more entries in the end.
no_creep() {
	km_torture reset
	before=$(in_use)
	memory=$(km_stat memory_bytes)
	km_torture "storm 5 100" && km_torture "reset" || return 1
	km_note "entries in use: $before, then $(in_use)"
	[ "$(in_use)" -le $((before + noise)) ] &&
		[ "$(km_stat memory_bytes)" -le $((memory + 2 * noise * 64)) ]
}

km_begin
km_need_torture
km_plan 8
km_test "$blocks blocks more than before" grows
km_test "the answer is exact" exact
km_test "bytes an entry" cost
km_test "entries are given back" shrinks
km_test "entries are used again" used_again
km_test "the answer is exact again" exact
km_test "no entry is lost in a storm" no_creep
km_test "the detector is on" [ "$(km_stat enabled)" = 1 ]
km_finish
