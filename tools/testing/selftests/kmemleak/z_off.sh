#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Turning the detector off, and leaving it so: hence the name, which makes this the
# last script. Every write but clear and on fails with EPERM then,
# reports stay until clear, and clear gives the metadata back.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

not_permitted="Operation not permitted"

off() {
	km_switch off && [ "$(km_stat enabled)" = 0 ] && [ "$(km_stat failed)" = no ]
}

same_reports() {
	cp "$KM_REPORT" "$KM_TMP/old"
	km_read
	[ -s "$KM_REPORT" ] && cmp -s "$KM_TMP/old" "$KM_REPORT"
}

no_thread() {
	[ -z "$(km_thread)" ]
}

# Once since boot, maybe when live.sh had it off, and how to turn it on.
told_once() {
	[ "$(dmesg | grep -c 'kmemleak: .*to turn it on, write on')" -eq 1 ]
}

reads_empty() {
	[ "$(wc -c < "$KM_FILE")" -eq 0 ]
}

given_back() {
	km_note "bytes: $memory, then $(km_stat memory_bytes)"
	# The pool for early boot is part of the kernel and stays.
	[ "$(km_stat entries_in_use)" -eq 0 ] &&
		[ "$(km_stat memory_bytes)" -lt $((memory / 2)) ]
}

# Callers go on as if nothing had happened.
kernel_goes_on() {
	km_load kmemleak_test recipes=all &&
		km_torture "graph 3 5000" && km_torture "pair vmalloc on" &&
		km_torture "pair free_part_middle on" && km_torture "storm 5 500" &&
		km_torture reset && reads_empty
}

no_new_entries() {
	[ "$(km_stat entries_in_use)" -eq 0 ]
}

# starve PAGES: on, when the system has no more than these for it. missing: what the log
# says is missing
starve() {
	faults=$KM_DEBUG/fail_page_alloc
	km_mark
	for setting in task-filter=Y verbose=0 interval=1 times=-1 ignore-gfp-wait=N min-order=0 \
		       "space=$1" probability=100; do
		echo "${setting#*=}" > "$faults/${setting%=*}" || return 1
	done
	km_alone km_put "$KM_TORTURE/command" "starved on" 2> "$KM_TMP/error"
	status=$?
	echo 0 > "$faults/probability"
	missing=$(km_log | sed -n 's/.*kmemleak: cannot turn on: no memory //p' | tail -n 1)
	return "$status"
}

# on_starved WHAT: on fails for want of memory for that, and changes nothing. How much it
# takes depends on the kernel, so it is searched for.
on_starved() {
	least=0
	most=16384
	while [ $((most - least)) -gt 1 ]; do
		pages=$(((least + most) / 2))
		if starve "$pages"; then
			most=$pages
			km_switch off && echo clear > "$KM_FILE" || return 1
			continue
		fi
		if [ "$(km_stat enabled)" != 0 ] || [ "$(km_stat entries_in_use)" -ne 0 ] ||
		   [ -z "$missing" ]; then
			km_note "enabled $(km_stat enabled), missing: $missing"
			return 1
		fi
		case $missing in
		"$1"*) return 0 ;;
		"to note"*) most=$pages ;;
		*) least=$pages ;;
		esac
	done
	km_note "never: $1"
	return 1
}

km_begin
km_need_torture
commands="scan scan=on scan=off scan=5 stack=on stack=off dump=0 off nonsense"
# shellcheck disable=SC2086
set -- $commands
km_plan $(($# + 18))
km_torture "graph 5 20000"
echo scan=600 > "$KM_FILE"
km_scan
km_test "there are reports" [ -s "$KM_REPORT" ]
memory=$(km_stat memory_bytes)
km_mark
km_test "off" off
km_test "the thread is gone" no_thread
km_test "reports stay readable" same_reports
for command; do
	km_test "$command: EPERM" km_refuses "$not_permitted" "$command\n"
done
km_test "an empty word: EPERM" km_refuses "$not_permitted" '\n'
km_test "the log tells once how to turn it on" told_once
km_test "reports are still readable" same_reports
km_test "clear" km_write 'clear\n'
km_test "clear empties the reports" reads_empty
km_test "clear gives the metadata back" given_back
km_test "clear again" km_write 'clear'
km_test "scan after clear: EPERM" km_refuses "$not_permitted" 'scan\n'
km_test "callers go on" kernel_goes_on
km_test "and nothing is tracked" no_new_entries
if [ -d "$KM_DEBUG/fail_page_alloc" ]; then
	km_test "on without memory for the tracker" on_starved "for what tracking takes"
	km_test "on without memory for what is there" on_starved "to note what is there"
else
	km_skip "on without memory for the tracker" "kernel without fault injection"
	km_skip "on without memory for what is there" "kernel without fault injection"
fi
km_unload kmemleak_test
km_unload kmemleak_torture
km_test "statistics still say so" [ "$(km_stat enabled)" = 0 ]
km_test "the kernel has nothing to complain of" km_no_splat
km_finish
