#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# How much of what is lost the first scan finds, right after it was lost: by a task,
# in interrupts, from vmalloc() and the per-cpu allocator, by a module, and in deep
# calls, whose frames keep the addresses.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

all_lost=0
all_missed=0

# Sums up what the comparison before has said.
add_up() {
	all_lost=$((all_lost + $(km_said lost)))
	all_missed=$((all_missed + $(km_said missed)))
}

found() {
	km_verdicts 99 > "$KM_TMP/said"
	status=$?
	cat "$KM_TMP/said"
	add_up
	return "$status"
}

# WAY BLOCKS
lose_scan() {
	km_torture "lose $1 $2" && km_scan
}

# WAY BLOCKS
lose() {
	lose_scan "$1" "$2" && found
}

# Pages that the scan before has used. If the detector's own notes referred to them, one
# more scan, which uses other pages, would find them. Other values that hide a page stay.
lose_pages() {
	tries=3
	while [ "$tries" -gt 0 ]; do
		km_torture "lose task 200" && km_scan &&
			km_torture "lose pages $1" && km_scan && found || return 1
		missed=$(km_said missed)
		km_scan && km_verdicts 99 > "$KM_TMP/said" || return 1
		[ "$(km_said missed)" -eq "$missed" ] && return 0
		km_note "of $missed missed the next scan found some"
		tries=$((tries - 1))
	done
	return 1
}

# Scans with a standstill, right after another: without one, stacks of tasks that run are
# read whole. Whether there is time for that, others on the host decide.
lose_still() {
	tries=10
	while [ "$tries" -gt 0 ]; do
		cut=$(km_stat snapshots_cut)
		km_torture "lose task 100" && km_scan && lose_scan "$1" "$2" || return 1
		{ km_rt || [ "$(km_stat snapshots_cut)" -eq "$cut" ]; } && break
		km_note "no time for a standstill"
		tries=$((tries - 1))
	done
	found
}

# The address where freed memory ended is that of the block behind it, and is kept for
# one area at a time.
lose_single() {
	good=0
	for turn in 1 2 3 4 5 6 7 8; do
		lose_still "$1" 1 && good=$((good + 1))
		km_note "turn $turn: $good good"
	done
	[ "$good" -ge 7 ]
}

# Of so few, one may be hidden by something else.
lose_called() {
	lose_scan called 64 && km_verdicts 98
}

# Blocks that nobody writes to hold other old addresses as well.
lose_listed() {
	lose_scan listed 500 && km_verdicts 95
}

# Of that many blocks in interrupts, reports say so.
in_context() {
	[ "$(grep -c "^  $(km_comm "$1"), " "$KM_REPORT")" -ge "$2" ]
}

# Each load leaks some, by its init function, and goes.
module() {
	km_torture reset
	km_mark
	loads=0
	while [ "$loads" -lt 40 ]; do
		km_load kmemleak_test recipes=kmalloc,kzalloc,vmalloc,percpu || return 1
		km_unload kmemleak_test
		loads=$((loads + 1))
	done
	km_log | sed -n 's/.*kmemleak-test: recipe=.* expect=leak.*/&/p' | awk '{
		percpu = ""
		for (i = 1; i <= NF; i++) {
			split($i, part, "=")
			word[part[1]] = part[2]
			if ($i == "percpu=1")
				percpu = "percpu "
		}
		print percpu "lost", word["addr"], word["size"]
	}' > "$KM_TMP/answers"
	[ "$(grep -c lost "$KM_TMP/answers")" -ge 400 ] || return 1
	km_scan
	km_compare 99 > "$KM_TMP/said"
	status=$?
	cat "$KM_TMP/said"
	add_up
	echo clear > "$KM_FILE"
	return "$status"
}

graph() {
	km_torture "graph $1 6000" && km_scan && found
}

# The debug kernel's frames of kthread() hide a few more, see the design chapter.
together() {
	most=1
	[ "$KM_SLOW" = 1 ] && most=5
	km_note "$all_missed of $all_lost missed"
	[ $((all_missed * 1000)) -le $((all_lost * most)) ]
}

# Without the rule the whole of each stack counts.
without_rule() {
	km_torture "lose $1 $2" && km_without_rule 64 km_scan || return 1
	km_verdicts 0 > "$KM_TMP/said" || return 1
	km_note "$(km_said missed) hidden"
	[ "$(km_said missed)" -ge $(($2 / 4)) ]
}

km_begin
km_need_torture
seed=${KMEMLEAK_TEST_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
km_note "KMEMLEAK_TEST_SEED=$seed"
km_plan 27
km_mark
km_test "a task" lose task 2000
km_test "hard interrupts" lose hardirq 2000
km_test "which reports say" in_context hardirq 1980
km_test "soft interrupts" lose softirq 2000
km_test "which reports say" in_context softirq 1980
km_test "vmalloc()" lose vmalloc 500
km_test "vmalloc() behind what was freed" lose_single behind
km_test "vmalloc() behind what was flushed" lose_single flushed
km_test "vmalloc() where a vm_struct was freed" lose reused 200
km_test "queued for RCU behind what stays" lose_called
km_test "per-cpu blocks" lose percpu 500
km_test "blocks that nobody wrote to" lose unwritten 1000
km_test "blocks in slots that were listed" lose_listed
km_test "pages that a scan has used" lose_pages 1024
km_test "deep calls of tasks that sleep" lose asleep 1000
km_test_still "deep calls of a task that runs" lose_still running 300
km_test "deep calls of a hard interrupt" lose deep_hardirq 300
if km_nmi; then
	km_test "deep calls of an NMI" lose deep_nmi 100
else
	km_skip "deep calls of an NMI" "no way to cause an NMI here"
fi
km_test "places of locks that a task has released" lose locked 160
km_test "a module that is gone" module
km_test "a graph, seed $seed" graph "$seed"
km_test "a graph, seed $((seed + 1))" graph $((seed + 1))
km_test "a graph, seed $((seed + 2))" graph $((seed + 2))
km_test "99.9 % of all" together
km_test "the rule for stacks matters where tasks sleep" without_rule asleep 1000
km_test_still "and where one runs" without_rule running 300
km_torture reset
km_test "the kernel has nothing to complain of" km_no_splat
km_finish
