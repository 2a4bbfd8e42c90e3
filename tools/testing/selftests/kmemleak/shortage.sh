#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# What runs out: memory for the detector while blocks go on to be allocated, and room for
# the names of tasks. It reports nothing that is held, and all that is lost, also while
# what it could not record lives on. What it had no room to note becomes old memory in the end, so this comes
# after the scripts that want none.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# shortage NR: so many blocks that are not recorded, and whatever is before that
shortage() {
	unrecorded=$(km_stat no_entry)
	# An eighth of it is for atomic allocations alone: where these blocks come from.
	least=$(cat /proc/sys/vm/min_free_kbytes)
	echo 32768 > /proc/sys/vm/min_free_kbytes || return 1
	km_torture "shortage $(($(km_stat entries_free) + $1))"
	status=$?
	echo "$least" > /proc/sys/vm/min_free_kbytes
	[ "$status" -eq 0 ] || return 1
	unrecorded=$(($(km_stat no_entry) - unrecorded))
	km_note "$unrecorded not recorded, $(km_stat opaque_bytes) bytes in" \
		"$(km_stat opaque_blocks) notes, $(km_stat no_note) without one"
	[ "$unrecorded" -ge 10000 ]
}

# Their own bytes and no others; a few blocks are somebody else's.
exact() {
	[ "$(km_stat opaque_bytes)" -le $(($(km_stat opaque_blocks) * 64 * 3 / 2)) ]
}

# Of the sample what it loses, of the chain nothing, and a standstill in each scan. A
# stray value can hide a block once.
sample() {
	for turn in 1 2 3; do
		stood=$(km_stat snapshots)
		km_unload kmemleak_test
		km_load kmemleak_test && km_scan || return 1
		km_log | awk '/kmemleak-test: recipe=.* expect=leak/ {
			for (i = 1; i <= NF; i++) {
				split($i, part, "=")
				word[part[1]] = part[2]
			}
			print (/percpu=1/ ? "percpu " : "") "lost " word["addr"], word["size"]
		}' | tail -n 30 > "$KM_TMP/lost"
		[ "$(wc -l < "$KM_TMP/lost")" -eq 30 ] || return 1
		cat "$KM_TMP/past" "$KM_TMP/lost" > "$KM_TMP/answers"
		sed 's/lost/past/' "$KM_TMP/lost" >> "$KM_TMP/past"
		km_compare 100 1 && [ "$(km_stat snapshots)" -gt "$stood" ] && return 0
		km_note "turn $turn: not all"
		echo clear > "$KM_FILE"
	done
	return 1
}

told() {
	dmesg | grep -q "kmemleak: .*$1"
}

# With the blocks go their notes.
forgotten() {
	km_torture reset
	km_note "$(km_stat opaque_blocks) opaque blocks left"
	[ "$(km_stat opaque_blocks)" -le 100 ]
}

# Two tasks, since which table a name is in depends on the pid.
rename() {
	nr=0
	while [ "$nr" -lt 5000 ]; do
		nr=$((nr + 1))
		echo "$1-$nr" > /proc/self/comm
	done
}

# The tables of one pid are full, or of all where there are few.
names() {
	full=$(km_stat no_name)
	rename one &
	rename two &
	wait
	km_note "$(km_stat task_names) names, $(($(km_stat no_name) - full)) blocks without"
	[ "$(km_stat task_names)" -ge 3500 ]
}

# After a scan there is room again.
named() {
	km_scan && km_torture "named km-new-$$" && km_scan || return 1
	km_note "$(km_stat task_names) names, $(grep -c "^  comm \"km-new-$$\"," "$KM_REPORT") named"
	[ "$(grep -c "^  comm \"km-new-$$\"," "$KM_REPORT")" -ge 6 ] &&
		[ "$(km_stat task_names)" -le 3500 ]
}

km_begin
km_need_torture
km_mark
: > "$KM_TMP/past"
km_plan 11
km_test "names that fill a table" names
km_test "afterwards a new one finds room" named
km_torture reset
km_test "10,000 blocks that are not recorded" shortage 10600
km_test "only they are opaque" exact
km_test "the sample beside them" sample
km_test "the log tells of them" told "blocks could not be recorded for want of memory"
km_test "they are forgotten when they are freed" forgotten
km_test "more than there is room for" shortage 14000
km_test "the sample beside these" sample
km_test "the log tells of these, too" told "no room to note"
km_test "the kernel has nothing to complain of" km_no_splat
km_finish
