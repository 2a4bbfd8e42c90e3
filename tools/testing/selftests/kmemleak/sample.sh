#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The sample module: every recipe's verdict as the module announces it, each
# recipe alone and all at once.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# Each recipe with the function that a report of its leaks has to show. Leaks of
# the first three are given back with the module, as their cache has to go.
fleeting="cache:leak_cache_object bulk:leak_cache_bulk list:leak_list"
lasting="kmalloc:leak_kmalloc kzalloc:leak_kzalloc vmalloc:leak_vmalloc
percpu:leak_percpu cycle:leak_cycle hardirq:leak_in_interrupt
softirq:leak_in_interrupt free_part:leak_free_part interior: data: bss:
percpu_var: not_leak: ignore: transient: no_scan:leak_no_scan
scan_area:leak_scan_area"

# Announcements of the last load as verdicts for the comparison; $1: function in
# their traces. What earlier loads have leaked is lost, what they held is freed.
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

# Sets up $KM_TMP/answers and the reports; $1: recipes, $2: function, $3: how often
# the module is loaded. Addresses are such that no stack remembers them from the
# recipe before.
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

# PERCENT of what was announced, and nothing else.
verdicts() {
	km_compare "$1" 1
}

# Blocks from interrupt context say so instead of naming a task.
context() {
	case $1 in
	hardirq | softirq)
		grep -q "^  $(km_comm "$1"), jiffies" "$KM_REPORT"
		;;
	esac
}

# Of a lost structure one block is the root, and the others hang on it.
structure() {
	case $1 in
	list) more=3 ;;
	cycle) more=2 ;;
	*) return 0 ;;
	esac
	roots=$(grep -c "^  root of a lost structure: $more more blocks, " "$KM_REPORT")
	others=$(grep -c '^  reached from other lost blocks$' "$KM_REPORT")
	km_note "$roots roots, $others others"
	# What a stray reference hides takes a whole structure with it.
	[ "$roots" -ge $((loads - loads / 8)) ] && [ "$others" -eq $((roots * more)) ]
}

# What stays lost is made to be forgotten, for the next recipe.
forget() {
	echo clear > "$KM_FILE"
	km_unload kmemleak_test
}

# As many loads as there are scenes, see km_scenes.
alone() {
	run "$1" "$2" "$KM_SCENES" && verdicts "$KM_MOST" && context "$1" && structure "$1"
	status=$?
	forget
	return "$status"
}

# The same where a load takes back what the one before has leaked.
one_by_one() {
	good=0
	for turn in 1 2 3 4; do
		run "$1" "$2" 1 && verdicts 100 && structure "$1" && good=$((good + 1))
		forget
		km_note "turn $turn: $good good"
	done
	[ "$good" -ge 3 ]
}

together() {
	run "$1" "" 1 && verdicts "$KM_MOST"
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
	km_test "recipe ${recipe%%:*}" one_by_one "${recipe%%:*}" "${recipe#*:}"
done
for recipe in $lasting; do
	km_test "recipe ${recipe%%:*}" alone "${recipe%%:*}" "${recipe#*:}"
done
all=$(printf '%s\n' "$@" | sed 's/:.*//' | grep -v transient | tr '\n' ',')
km_test "all recipes but transient together" together "${all%,}"
km_test "all of them ran" ran_all $(($# - 1))
km_unload kmemleak_test
km_test "an unknown recipe is refused" refuses_unknown
echo clear > "$KM_FILE"
km_finish
