#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Turns the detector off and leaves it off. So this is the last script, and its name is the
# last one. While the detector is off, each write but clear and on must fail with EPERM.
# Reports must stay until clear, and clear must free the metadata.

# km_test calls the functions by name. Their arguments are not those of the script.
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

# Once a boot, perhaps when live.sh had the detector off, the log says how to turn it on.
told_once() {
	[ "$(dmesg | grep -c 'kmemleak: .*to turn it on, write on')" -eq 1 ]
}

reads_empty() {
	[ "$(wc -c < "$KM_FILE")" -eq 0 ]
}

given_back() {
	km_note "bytes: $memory, then $(km_stat memory_bytes)"
	# The static entries are part of the kernel and stay.
	[ "$(km_stat entries_in_use)" -eq 0 ] &&
		[ "$(km_stat memory_bytes)" -lt $((memory / 2)) ]
}

# Callers of the hooks must work as before.
kernel_goes_on() {
	km_load kmemleak_test recipes=all &&
		km_torture "graph 3 5000" && km_torture "pair vmalloc on" &&
		km_torture "pair free_part_middle on" && km_torture "storm 5 500" &&
		km_torture reset && reads_empty
}

no_new_entries() {
	[ "$(km_stat entries_in_use)" -eq 0 ]
}

# starve PAGES: writes on while it can get only so many pages. missing: the purpose for which
# there was not enough memory, as the log says
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
	missing=$(km_log | sed -n 's/.*kmemleak: Cannot turn on: not enough memory //p' | tail -n 1)
	return "$status"
}

# on_starved PURPOSE: on must fail for lack of memory for this purpose and change nothing. The
# number of pages depends on the kernel, so search for it.
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
		"to record"*) most=$pages ;;
		*) least=$pages ;;
		esac
	done
	km_note "on never failed for lack of memory $1"
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
km_test "off turns tracking off" off
km_test "off ends the thread" no_thread
km_test "reports stay readable" same_reports
for command; do
	km_test "$command fails with EPERM" km_refuses "$not_permitted" "$command\n"
done
km_test "an empty word fails with EPERM" km_refuses "$not_permitted" '\n'
km_test "the log says once how to turn tracking on" told_once
km_test "reports are still readable" same_reports
km_test "clear succeeds" km_write 'clear\n'
km_test "clear empties the reports" reads_empty
km_test "clear frees the metadata" given_back
km_test "clear succeeds again" km_write 'clear'
km_test "scan after clear fails with EPERM" km_refuses "$not_permitted" 'scan\n'
km_test "callers of the hooks work as before" kernel_goes_on
km_test "no block is tracked" no_new_entries
if [ -d "$KM_DEBUG/fail_page_alloc" ]; then
	km_test "on fails without memory for its tables" on_starved "for its tables"
	km_test "on fails without memory to record existing memory" \
		on_starved "to record existing memory"
else
	km_skip "on fails without memory for its tables" "kernel without fault injection"
	km_skip "on fails without memory to record existing memory" "kernel without fault injection"
fi
km_unload kmemleak_test
km_unload kmemleak_torture
km_test "the statistics still say that tracking is off" [ "$(km_stat enabled)" = 0 ]
km_test "the kernel log has no complaints" km_no_splat
km_finish
