#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Each place where a reference counts. With a reference there the block must be live, without
# the reference it must be lost.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

pairs="data bss ro_after_init percpu kernel_percpu kernel_data kernel_bss
page_private stack reaped_stack
registers percpu_block percpu_reference interior interior_vmalloc block
vmalloc_block large_block opaque_block list"

all_pairs_listed() {
	# shellcheck disable=SC2086
	printf '%s\n' $pairs | sort > "$KM_TMP/here"
	sed -n 's/^root //p' "$KM_TORTURE/pairs" | sort > "$KM_TMP/there"
	diff "$KM_TMP/here" "$KM_TMP/there" | sed 's/^/# /'
	cmp -s "$KM_TMP/here" "$KM_TMP/there"
}

pair() {
	km_scenes "$1" "$2" && km_scan && km_check "$KM_MOST"
}

# without_root ROOT PAIR: with the root off, blocks that only this root holds are lost.
without_root() {
	km_scenes "$2" on || return 1
	km_all lost
	km_without_root "$1" km_scan && km_compare "$KM_MOST"
}

# With stack=off, blocks that only a stack holds are lost. With stack=on they are live again.
without_stacks() {
	km_scenes "$1" on || return 1
	km_all lost
	echo stack=off > "$KM_FILE"
	km_scan
	echo stack=on > "$KM_FILE"
	km_compare "$KM_MOST"
}

live_again() {
	km_scan && km_check
}

# The task that scans has a stack, too.
own_stack() {
	km_torture scan && km_read && km_check
}

own_stack_left() {
	km_all lost
	km_scan && km_compare "$KM_MOST"
}

# A block of KFENCE's pool ends where the request ends. KFENCE's records are not references.
fenced() {
	unreadable=$(km_stat unreadable)
	km_fence 1 && km_torture fence
	status=$?
	km_fence 0 && [ "$status" -eq 0 ] && km_scan && km_check "$KM_MOST"
}

fences_not_counted() {
	km_note "unreadable: $unreadable, then $(km_stat unreadable)"
	[ "$(km_stat unreadable)" -eq "$unreadable" ]
}

# The module is unloaded, and with it all references. It frees the blocks.
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
km_plan $((2 * $# + 18))
km_test "the module has exactly these places" all_pairs_listed
for name; do
	km_test "$name: live with a reference" pair "$name" on
	km_test "$name: lost without a reference" pair "$name" off
done
for name in stack registers; do
	km_test "$name: lost with stack=off" without_stacks "$name"
	km_test "$name: live again with stack=on" live_again
done
while read -r root name; do
	if [ "$root" = percpu ] && ! uname -v | grep -qw SMP; then
		km_skip "$name: lost without the root $root" "kernel without SMP"
		km_skip "$name: live again with the root $root" "kernel without SMP"
		continue
	fi
	km_test "$name: lost without the root $root" without_root "$root" "$name"
	km_test "$name: live again with the root $root" live_again
done << END
percpu kernel_percpu
pages page_private
stacks stack
opaque opaque_block
END
km_test "blocks on the stack of the scanning task are live" own_stack
km_test "these blocks are lost when the task returns" own_stack_left
if [ -e "$KM_FENCE" ]; then
	km_test "reports are right for blocks of KFENCE's pool" fenced
	km_test "KFENCE's guard pages do not count as unreadable" fences_not_counted
else
	km_skip "reports are right for blocks of KFENCE's pool" "kernel without it"
	km_skip "KFENCE's guard pages do not count as unreadable" "kernel without it"
fi
km_test "an unloaded module leaves no reports" gone_with_module
km_finish
