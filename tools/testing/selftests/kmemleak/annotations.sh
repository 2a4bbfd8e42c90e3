#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Each annotation, with and without it. The torture module sets up the same scene both times.
# The reports must differ only by the effect of the annotation.

# km_test calls the functions by name. Their arguments are not those of the script.
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
	km_scenes "$1" "$2" && km_scan && km_check "$KM_MOST"
}

# transient_leak hides a block from one scan. The next scan must report the block.
transient_once() {
	km_scenes transient_leak on && km_scan && km_check || return 1
	km_all lost
	km_scan && km_compare "$KM_MOST"
}

# Clear turns the reported blocks into roots. They must not be reported again.
cleared_stay_silent() {
	km_scenes not_leak off && km_scan && km_check "$KM_MOST" || return 1
	km_reported_only
	echo clear > "$KM_FILE"
	km_scan && km_compare
}

km_begin
km_need_torture
# shellcheck disable=SC2086
set -- $pairs
km_plan $((2 * $# + 3))
km_test "the module has exactly these annotations" all_pairs_listed
for name; do
	km_test "$name: right reports with it" pair "$name" on
	km_test "$name: right reports without it" pair "$name" off
done
km_test "transient_leak holds for one scan" transient_once
km_test "cleared leaks are not reported again" cleared_stay_silent
km_finish
