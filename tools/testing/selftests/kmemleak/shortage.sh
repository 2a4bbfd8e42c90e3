#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The detector runs out of memory for its records while blocks go on to be allocated, and
# out of room for the names of tasks. It reports no block that is held, and each that is
# lost, also while blocks without a record live on. Blocks without a note become old memory
# in the end, so this comes after the scripts that want no old memory.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# shortage NR: allocate until that many blocks are not recorded
shortage() {
	unrecorded=$(km_stat no_entry)
	# More than a third of it is for tasks that make memory free: where these blocks come from.
	km_with_pages_kept km_torture "shortage $(($(km_stat entries_free) + $1))" || return 1
	unrecorded=$(($(km_stat no_entry) - unrecorded))
	km_note "$unrecorded not recorded, $(km_stat opaque_bytes) bytes in" \
		"$(km_stat opaque_blocks) notes, $(km_stat no_note) without one"
	[ "$unrecorded" -ge 10000 ]
}

# Their own bytes and no others; a few blocks are somebody else's.
exact() {
	[ "$(km_stat opaque_bytes)" -le $(($(km_stat opaque_blocks) * 64 * 3 / 2)) ]
}

# All blocks that the sample loses are reported, none of the chain, and each scan has a
# standstill, but for PREEMPT_RT. A stray value can hide a block once.
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
		km_compare 100 1 && { km_rt || [ "$(km_stat snapshots)" -gt "$stood" ]; } && return 0
		km_note "turn $turn: not all"
		echo clear > "$KM_FILE"
	done
	return 1
}

# times_told WORDS: how often the log has that message since this script began
times_told() {
	km_log | grep -c "kmemleak: .*$1"
}

# The message comes once a boot. If blocks were lost before this script, a scan has told it by
# now, at the latest the one of km_begin, and it must not be told again. Then its line
# is there, unless the log has gone round since the boot.
told_once() {
	again=$(times_told "$1")
	km_note "told $again times, blocks lost before: $lost_before"
	[ "$lost_before" -gt 0 ] || { [ "$again" -eq 1 ]; return; }
	[ "$again" -eq 0 ] && { dmesg | grep -q "kmemleak: .*$1" ||
		! dmesg | grep -q "Linux version "; }
}

# told_since NR WORDS: it was told more often than that
told_since() {
	km_note "told $(times_told "$2") times, $1 before the shortage"
	[ "$(times_told "$2")" -gt "$1" ]
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
lost_before=$(km_stat no_entry)
: > "$KM_TMP/past"
km_plan 11
km_test "names that fill a table" names
km_test "afterwards a new one finds room" named
km_torture reset
km_test "10,000 blocks that are not recorded" shortage 10600
km_test "only they are opaque" exact
km_test "the sample beside them" sample
km_test "the log tells of them once" told_once "blocks could not be recorded for want of memory"
km_test "they are forgotten when they are freed" forgotten
no_room=$(times_told "no room to note")
km_test "more than there is room for" shortage 14000
km_test "the sample beside these" sample
km_test "the log tells of these, too" told_since "$no_room" "no room to note"
km_test "the kernel has nothing to complain of" km_no_splat
km_finish
