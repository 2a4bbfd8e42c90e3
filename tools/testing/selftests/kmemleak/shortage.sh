#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# The detector runs out of memory for objects while blocks are allocated, and out of room for
# task names. It must report no held block and each lost block, also while blocks without an
# object live on. Blocks without an entry of the opaque table become preexisting memory in
# the end. So this script comes after the scripts that want no preexisting memory.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# shortage NR: allocates blocks until so many have no object
shortage() {
	unrecorded=$(km_stat no_entry)
	# More than a third of the kept pages is for tasks that free memory. The blocks use these.
	km_with_pages_kept km_torture "shortage $(($(km_stat entries_free) + $1))" || return 1
	unrecorded=$(($(km_stat no_entry) - unrecorded))
	km_note "$unrecorded blocks without an object, $(km_stat opaque_bytes) bytes in" \
		"$(km_stat opaque_blocks) opaque blocks, $(km_stat opaque_missed) missed"
	[ "$unrecorded" -ge 10000 ]
}

# Only these blocks may be opaque, and a few others.
exact() {
	[ "$(km_stat opaque_bytes)" -le $(($(km_stat opaque_blocks) * 64 * 3 / 2)) ]
}

# All blocks that the sample loses must be reported, and no block of the list. The scan must
# stop the CPUs, except with PREEMPT_RT. A stray value can hide a block, so try again.
sample() {
	for turn in 1 2 3; do
		stops=$(km_stat stops)
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
		km_compare 100 1 && { km_rt || [ "$(km_stat stops)" -gt "$stops" ]; } && return 0
		km_note "turn $turn: wrong reports, or no stop"
		echo clear > "$KM_FILE"
	done
	return 1
}

# times_told WORDS: prints how often the log has this message since this script began
times_told() {
	km_log | grep -c "kmemleak: .*$1"
}

# The message comes once a boot. If blocks had no object before this script, a scan has logged
# it by now, at the latest the scan of km_begin. Then it must not come again, and the log must
# have it, unless the log has lost its first lines since the boot.
told_once() {
	again=$(times_told "$1")
	km_note "logged $again times, $lost_before blocks without an object before"
	[ "$lost_before" -gt 0 ] || { [ "$again" -eq 1 ]; return; }
	[ "$again" -eq 0 ] && { dmesg | grep -q "kmemleak: .*$1" ||
		! dmesg | grep -q "Linux version "; }
}

# told_since NR WORDS: the log must have the message more than NR times
told_since() {
	km_note "logged $(times_told "$2") times, $1 before the shortage"
	[ "$(times_told "$2")" -gt "$1" ]
}

# Freed blocks must leave the opaque table.
forgotten() {
	km_torture reset
	km_note "$(km_stat opaque_blocks) opaque blocks left"
	[ "$(km_stat opaque_blocks)" -le 100 ]
}

# Two tasks rename themselves, because the pid chooses the table for a name.
rename() {
	nr=0
	while [ "$nr" -lt 5000 ]; do
		nr=$((nr + 1))
		echo "$1-$nr" > /proc/self/comm
	done
}

# The table of one pid must be full, or all tables if there are few.
names() {
	full=$(km_stat no_name)
	rename one &
	rename two &
	wait
	km_note "$(km_stat task_names) names, $(($(km_stat no_name) - full)) blocks without a name"
	[ "$(km_stat task_names)" -ge 3500 ]
}

# A scan must make room for new names.
named() {
	km_scan && km_torture "named km-new-$$" && km_scan || return 1
	km_note "$(km_stat task_names) names, $(grep -c "^  comm \"km-new-$$\"," "$KM_REPORT") blocks with it"
	[ "$(grep -c "^  comm \"km-new-$$\"," "$KM_REPORT")" -ge 6 ] &&
		[ "$(km_stat task_names)" -le 3500 ]
}

km_begin
km_need_torture
km_mark
lost_before=$(km_stat no_entry)
: > "$KM_TMP/past"
km_plan 11
km_test "task names fill a table" names
km_test "a new task name finds room after a scan" named
km_torture reset
km_test "10,000 blocks get no object" shortage 10600
km_test "only these blocks are opaque" exact
km_test "the sample's leaks are reported beside opaque blocks" sample
km_test "the log reports the blocks without an object once" told_once "Not enough memory to record"
km_test "freed blocks leave the opaque table" forgotten
no_room=$(times_told "The table of opaque blocks is full")
km_test "blocks without an object fill the opaque table" shortage 14000
km_test "the sample's leaks are reported beside a full table" sample
km_test "the log reports the full table" told_since "$no_room" "The table of opaque blocks is full"
km_test "the kernel log has no complaints" km_no_splat
km_finish
