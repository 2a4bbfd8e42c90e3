#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The sample module: every recipe's verdict as the module announces it, each
# recipe alone and all at once.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# The function that a report of the recipe's leaks has to show.
recipes="cache:leak_cache_object bulk:leak_cache_bulk kmalloc:leak_kmalloc
kzalloc:leak_kzalloc vmalloc:leak_vmalloc percpu:leak_percpu list:leak_list
cycle:leak_cycle hardirq:leak_in_interrupt softirq:leak_in_interrupt
free_part:leak_free_part interior: data: bss: percpu_var: not_leak: ignore:
transient: no_scan:leak_no_scan scan_area:leak_scan_area"

# Announcements as verdicts for the comparison; $1: function in their traces
announced() {
	km_log | sed -n 's/.*kmemleak-test: recipe=/recipe=/p' | awk -v trace="$1" '{
		for (i = 1; i <= NF; i++) {
			split($i, part, "=")
			word[part[1]] = part[2]
		}
		print (/percpu=1/ ? "percpu " : "") \
			(word["expect"] == "leak" ? "lost " : "live ") \
			word["addr"], word["size"], (trace ? "trace=" trace : "")
	}'
}

# Sets up $KM_TMP/answers and the reports; $1: recipes, $2: function. Each run
# gets addresses that no stack remembers from the run before.
run() {
	km_torture decoys || return 1
	km_mark
	km_load kmemleak_test recipes="$1" || return 1
	announced "$2" > "$KM_TMP/answers"
	# One scan passes over a transient leak, and only one.
	if [ "$1" = transient ]; then km_scan; else km_scan_exact "$KM_TMP/answers"; fi
}

verdicts() {
	km_compare
}

# Nothing but what the module announced.
nothing_else() {
	sort -o "$KM_TMP/known" "$KM_TMP/answers"
	lost=$(km_count_lost "$KM_TMP/answers")
	[ "$(km_reports)" -eq "$lost" ] && return 0
	km_note "$(km_reports) reports of $lost lost blocks"
	return 1
}

# Blocks from interrupt context say so instead of naming a task.
context() {
	case $1 in
	hardirq | softirq)
		grep -q "^  comm \"$1\", pid 0, jiffies" "$KM_REPORT"
		;;
	esac
}

alone() {
	run "$1" "$2" && verdicts && nothing_else && context "$1"
	status=$?
	# What stays lost is made to be forgotten, for the next recipe.
	echo clear > "$KM_FILE"
	km_unload kmemleak_test
	return "$status"
}

together() {
	run "$1" "" && verdicts && nothing_else
}

ran_all() {
	[ "$(km_log | sed -n 's/.*kmemleak-test: done recipes=//p')" = "$1" ]
}

refuses_unknown() {
	! km_load kmemleak_test recipes=kmalloc,nonsense > /dev/null
}

km_begin
km_need_torture
# shellcheck disable=SC2086
set -- $recipes
km_load kmemleak_test recipes=data || km_skip_all "no module kmemleak-test"
km_unload kmemleak_test
km_plan $(($# + 3))
for recipe; do
	km_test "recipe ${recipe%%:*}" alone "${recipe%%:*}" "${recipe#*:}"
done
all=$(printf '%s\n' "$@" | sed 's/:.*//' | grep -v transient | tr '\n' ',')
km_test "all recipes but transient together" together "${all%,}"
km_test "all of them ran" ran_all $(($# - 1))
km_unload kmemleak_test
km_test "an unknown recipe is refused" refuses_unknown
echo clear > "$KM_FILE"
km_finish
