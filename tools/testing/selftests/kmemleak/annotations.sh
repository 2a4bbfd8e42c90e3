#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Every annotation, with and without: the torture module sets the same scene
# twice, and the verdicts differ by what the annotation is for.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

pairs="not_leak not_leak_child ignore transient_leak no_scan scan_area
scan_area_rest erase update_trace alloc free min_count_0 min_count_1 min_count_2
min_count_2_met vmalloc free_part_head free_part_middle free_part_tail
free_part_all alloc_percpu ignore_percpu alloc_phys ignore_phys free_part_phys
free_reserved page_index not_leak_phys requested grown"

all_pairs_listed() {
	# shellcheck disable=SC2086
	printf '%s\n' $pairs | sort > "$KM_TMP/here"
	sed -n 's/^annotation //p' "$KM_TORTURE/pairs" | sort > "$KM_TMP/there"
	diff "$KM_TMP/here" "$KM_TMP/there" | sed 's/^/# /'
	cmp -s "$KM_TMP/here" "$KM_TMP/there"
}

pair() {
	km_scenes "$1" "$2" && km_scan && km_verdicts "$KM_MOST"
}

# What transient_leak passed over once, the next scan reports.
transient_once() {
	km_scenes transient_leak on && km_scan && km_verdicts || return 1
	km_all lost
	km_scan && km_compare "$KM_MOST"
}

# Clearing turns what was reported into roots; it is not reported again.
cleared_stay_silent() {
	km_scenes not_leak off && km_scan && km_verdicts "$KM_MOST" || return 1
	km_reported_only
	echo clear > "$KM_FILE"
	km_scan && km_compare
}

km_begin
km_need_torture
# shellcheck disable=SC2086
set -- $pairs
km_plan $((2 * $# + 3))
km_test "the module has these pairs and no other" all_pairs_listed
for name; do
	km_test "$name with" pair "$name" on
	km_test "$name without" pair "$name" off
done
km_test "transient_leak holds for one scan" transient_once
km_test "cleared leaks stay silent" cleared_stay_silent
km_finish
