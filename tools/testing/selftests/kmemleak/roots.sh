#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Every place where a reference counts, with the reference there and without it:
# live with it, lost without it.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

pairs="data bss ro_after_init percpu kernel_percpu kernel_data kernel_bss
page_private stack reaped_stack
registers percpu_block percpu_reference interior interior_vmalloc block
vmalloc_block large_block list"

all_pairs_listed() {
	# shellcheck disable=SC2086
	printf '%s\n' $pairs | sort > "$KM_TMP/here"
	sed -n 's/^root //p' "$KM_TORTURE/pairs" | sort > "$KM_TMP/there"
	diff "$KM_TMP/here" "$KM_TMP/there" | sed 's/^/# /'
	cmp -s "$KM_TMP/here" "$KM_TMP/there"
}

pair() {
	km_scenes "$1" "$2" && km_scan && km_verdicts "$KM_MOST"
}

# stack=off: what only a stack holds is lost, and found again with stack=on.
without_stacks() {
	km_scenes "$1" on || return 1
	km_all lost
	echo stack=off > "$KM_FILE"
	km_scan
	echo stack=on > "$KM_FILE"
	km_compare "$KM_MOST"
}

back_with_stacks() {
	km_scan && km_verdicts
}

# The task that scans has a stack, too.
own_stack() {
	km_torture scan && km_read && km_verdicts
}

own_stack_left() {
	km_all lost
	km_scan && km_compare "$KM_MOST"
}

# Blocks of KFENCE's pool end where the request does. Its records are no references.
fenced() {
	unreadable=$(km_stat unreadable)
	km_fence 1 && km_torture fence
	status=$?
	km_fence 0 && [ "$status" -eq 0 ] && km_scan && km_verdicts "$KM_MOST"
}

fences_not_counted() {
	km_note "unreadable: $unreadable, then $(km_stat unreadable)"
	[ "$(km_stat unreadable)" -eq "$unreadable" ]
}

# The module goes and with it everything that held; the blocks are given back.
gone_with_module() {
	km_scenes list on
	km_all live
	km_unload kmemleak_torture || return 1
	km_scan && km_compare
}

km_begin
km_need_torture
# shellcheck disable=SC2086
set -- $pairs
km_plan $((2 * $# + 10))
km_test "the module has these pairs and no other" all_pairs_listed
for name; do
	km_test "$name with" pair "$name" on
	km_test "$name without" pair "$name" off
done
for name in stack registers; do
	km_test "$name with stack=off" without_stacks "$name"
	km_test "$name with stack=on again" back_with_stacks
done
km_test "stack of who scans with" own_stack
km_test "stack of who scans without" own_stack_left
if [ -e "$KM_FENCE" ]; then
	km_test "blocks of KFENCE's pool" fenced
	km_test "its guard pages are no fault" fences_not_counted
else
	km_skip "blocks of KFENCE's pool" "kernel without it"
	km_skip "its guard pages are no fault" "kernel without it"
fi
km_test "an unloaded module leaves nothing" gone_with_module
km_finish
