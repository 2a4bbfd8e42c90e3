#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# How many lost blocks the first scan finds, right after they were lost. A task loses blocks,
# interrupts do, and a module does; some come from vmalloc() or the per-cpu allocator. Dead
# frames of deep calls keep the addresses of some.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

all_lost=0
all_missed=0

# Adds the numbers of the last comparison to the sums.
add_up() {
	all_lost=$((all_lost + $(km_said lost)))
	all_missed=$((all_missed + $(km_said missed)))
}

found() {
	km_check 99 > "$KM_TMP/said"
	status=$?
	cat "$KM_TMP/said"
	add_up
	return "$status"
}

# lose_scan WAY BLOCKS
lose_scan() {
	km_torture "lose $1 $2" && km_scan
}

# lose WAY BLOCKS
lose() {
	lose_scan "$1" "$2" && found
}

# Loses pages that the last scan has used. If records of the detector hide them, one more scan
# finds them, because it uses other pages. Other values that hide a page stay.
lose_pages() {
	tries=3
	while [ "$tries" -gt 0 ]; do
		km_torture "lose task 200" && km_scan &&
			km_torture "lose pages $1" && km_scan && found || return 1
		missed=$(km_said missed)
		km_scan && km_check 99 > "$KM_TMP/said" || return 1
		[ "$(km_said missed)" -eq "$missed" ] && return 0
		km_note "the next scan found some of the $missed missed pages"
		tries=$((tries - 1))
	done
	return 1
}

# Scans with a stop, right after another scan. Without a stop, the whole stack of a running
# task is a root. The load of the host decides whether there is time for a stop.
lose_with_stop() {
	tries=10
	while [ "$tries" -gt 0 ]; do
		cut=$(km_stat stops_cut)
		km_torture "lose task 100" && km_scan && lose_scan "$1" "$2" || return 1
		{ km_rt || [ "$(km_stat stops_cut)" -eq "$cut" ]; } && break
		km_note "no time for a stop"
		tries=$((tries - 1))
	done
	found
}

# The address where freed memory ended is the address of the block behind it. The kernel keeps
# the address for one area at a time, so lose one block at a time.
lose_single() {
	good=0
	for turn in 1 2 3 4 5 6 7 8; do
		lose_with_stop "$1" 1 && good=$((good + 1))
		km_note "turn $turn: $good good"
	done
	[ "$good" -ge 7 ]
}

# There are few blocks, and another stray value may hide one of them.
lose_called() {
	lose_scan called 64 && km_check 98
}

# Blocks that nobody writes to hold other old addresses, too.
lose_listed() {
	lose_scan listed 500 && km_check 95
}

# in_context CONTEXT LEAST: so many reports must name the context.
in_context() {
	[ "$(grep -c "^  $(km_comm "$1"), " "$KM_REPORT")" -ge "$2" ]
}

# The module leaks blocks in its init function each time it is loaded, and is unloaded.
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

# On the debug kernel, frames of kthread() hide a few more.
together() {
	most=1
	[ "$KM_SLOW" = 1 ] && most=5
	km_note "$all_missed of $all_lost lost blocks missed"
	[ $((all_missed * 1000)) -le $((all_lost * most)) ]
}

# Without the rule, the whole of each stack is a root.
without_rule() {
	km_torture "lose $1 $2" && km_without_rule 64 km_scan || return 1
	km_check 0 > "$KM_TMP/said" || return 1
	km_note "$(km_said missed) blocks hidden"
	[ "$(km_said missed)" -ge $(($2 / 4)) ]
}

km_begin
km_need_torture
seed=${KMEMLEAK_TEST_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
km_note "KMEMLEAK_TEST_SEED=$seed"
km_plan 27
km_mark
km_test "blocks that a task loses are found" lose task 2000
km_test "blocks that hard interrupts lose are found" lose hardirq 2000
km_test "reports of these name the hard interrupt" in_context hardirq 1980
km_test "blocks that soft interrupts lose are found" lose softirq 2000
km_test "reports of these name the soft interrupt" in_context softirq 1980
km_test "blocks of vmalloc() are found" lose vmalloc 500
km_test "blocks of vmalloc() behind freed areas are found" lose_single behind
km_test "blocks of vmalloc() behind flushed areas are found" lose_single flushed
km_test "blocks whose address a freed vm_struct holds are found" lose reused 200
km_test "blocks queued for RCU behind a head that stays are found" lose_called
km_test "per-cpu blocks are found" lose percpu 500
km_test "blocks that nobody wrote to are found" lose unwritten 1000
km_test "blocks in slots that the allocator listed are found" lose_listed
km_test "pages that a scan has used are found" lose_pages 1024
km_test "dead frames of sleeping tasks hide no blocks" lose asleep 1000
km_test_stops "dead frames of a running task hide no blocks" lose_with_stop running 300
km_test "dead frames of a hard interrupt hide no blocks" lose deep_hardirq 300
if km_nmi; then
	km_test "dead frames of an NMI hide no blocks" lose deep_nmi 100
else
	km_skip "dead frames of an NMI hide no blocks" "no way to cause an NMI here"
fi
km_test "blocks where a task has released locks are found" lose locked 160
km_test "blocks of an unloaded module are found" module
km_test "blocks of a graph are found, seed $seed" graph "$seed"
km_test "blocks of a graph are found, seed $((seed + 1))" graph $((seed + 1))
km_test "blocks of a graph are found, seed $((seed + 2))" graph $((seed + 2))
km_test "99.9 % of all lost blocks are found, 99.5 % if slow" together
km_test "stacks of sleeping tasks hide blocks without the rule" without_rule asleep 1000
km_test_stops "the stack of a running task hides blocks without it" without_rule running 300
km_torture reset
km_test "the kernel log has no complaints" km_no_splat
km_finish
