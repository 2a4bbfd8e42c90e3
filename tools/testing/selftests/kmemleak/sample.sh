#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The sample module announces for each block of its recipes whether it must be reported. The
# reports must agree with that, for each recipe alone and for all at once.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# Each recipe with the function that reports of its leaks must show. Unloading the module frees
# the leaks of the first three, because it destroys their cache.
fleeting="cache:leak_cache_object bulk:leak_cache_bulk list:leak_list"
lasting="kmalloc:leak_kmalloc kzalloc:leak_kzalloc vmalloc:leak_vmalloc
percpu:leak_percpu cycle:leak_cycle hardirq:leak_in_interrupt
softirq:leak_in_interrupt free_part:leak_free_part interior: data: bss:
percpu_var: not_leak: ignore: transient: no_scan:leak_no_scan
scan_area:leak_scan_area"

# announced FUNCTION: prints the announcements of the last load as lines for the comparison,
# with this function in their traces. Blocks that earlier loads leaked are lost. Blocks that
# they held are freed.
announced() {
	km_log | sed -n 's/.*kmemleak-test: \(recipe=.*\|done .*\)/\1/p' |
		awk -v trace="$1" -v loads="$loads" '
	/^done/ {
		load++
		next
	}
	{
		for (i = 1; i <= NF; i++) {
			split($i, part, "=")
			word[part[1]] = part[2]
		}
		last = load == loads - 1
		if (word["expect"] != "leak" && !last)
			next
		print (/percpu=1/ ? "percpu " : "") \
			(word["expect"] == "leak" ? "lost " : "live ") \
			word["addr"], word["size"], (trace && last ? "trace=" trace : "")
	}'
}

# run RECIPES FUNCTION LOADS: loads the module so often, and sets up $KM_TMP/answers and the
# reports. Decoys take the addresses that stacks may still hold from the last recipe.
run() {
	loads=$3
	km_torture decoys || return 1
	km_mark
	load=0
	while [ "$load" -lt "$loads" ]; do
		km_unload kmemleak_test
		km_load kmemleak_test recipes="$1" || return 1
		load=$((load + 1))
	done
	cat "$KM_TMP/past" > "$KM_TMP/answers"
	announced "$2" > "$KM_TMP/new"
	cat "$KM_TMP/new" >> "$KM_TMP/answers"
	sed -n 's/\(^\| \)lost/\1past/p' "$KM_TMP/new" >> "$KM_TMP/past"
	km_scan
}

# compare PERCENT: so many of the announced leaks must be reported, and nothing else.
compare() {
	km_compare "$1" 1
}

# Reports of blocks from interrupts must name the context instead of a task.
context() {
	case $1 in
	hardirq | softirq)
		grep -q "^  $(km_comm "$1"), jiffies" "$KM_REPORT"
		;;
	esac
}

# In a lost structure one block is the root, and the others are reached from it.
structure() {
	case $1 in
	list) more=3 ;;
	cycle) more=2 ;;
	*) return 0 ;;
	esac
	roots=$(grep -c "^  root of a lost structure: $more more blocks, " "$KM_REPORT")
	others=$(grep -c '^  reached from other lost blocks$' "$KM_REPORT")
	km_note "$roots roots, $others others"
	# A stray reference hides a whole structure.
	[ "$roots" -ge $((loads - loads / 8)) ] && [ "$others" -eq $((roots * more)) ]
}

# Makes the detector forget the lost blocks before the next recipe.
forget() {
	echo clear > "$KM_FILE"
	km_unload kmemleak_test
}

# The number of loads is the number of scenes, see km_scenes.
alone() {
	run "$1" "$2" "$KM_SCENES" && compare "$KM_MOST" && context "$1" && structure "$1"
	status=$?
	forget
	return "$status"
}

# The same for a recipe whose leaks are freed before the next load.
one_by_one() {
	good=0
	for turn in 1 2 3 4; do
		run "$1" "$2" 1 && compare 100 && structure "$1" && good=$((good + 1))
		forget
		km_note "turn $turn: $good good"
	done
	[ "$good" -ge 3 ]
}

together() {
	run "$1" "" 1 && compare "$KM_MOST"
}

ran_all() {
	[ "$(km_log | grep -c "kmemleak-test: done recipes=$1\$")" = "$loads" ]
}

refuses_unknown() {
	! km_load kmemleak_test recipes=kmalloc,nonsense > /dev/null
}

km_begin
km_need_torture
# shellcheck disable=SC2086
set -- $fleeting $lasting
: > "$KM_TMP/past"
km_load kmemleak_test recipes=data || km_skip_all "no module kmemleak-test"
km_unload kmemleak_test
km_plan $(($# + 3))
for recipe in $fleeting; do
	km_test "right reports: recipe ${recipe%%:*}" one_by_one "${recipe%%:*}" "${recipe#*:}"
done
for recipe in $lasting; do
	km_test "right reports: recipe ${recipe%%:*}" alone "${recipe%%:*}" "${recipe#*:}"
done
all=$(printf '%s\n' "$@" | sed 's/:.*//' | grep -v transient | tr '\n' ',')
km_test "right reports: all recipes but transient together" together "${all%,}"
km_test "all recipes but transient ran" ran_all $(($# - 1))
km_unload kmemleak_test
km_test "an unknown recipe is refused" refuses_unknown
echo clear > "$KM_FILE"
km_finish
