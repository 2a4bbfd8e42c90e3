#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Each command that leaves the detector on; z_off.sh tests off. Each write that is no command:
# it must fail with the right error and change nothing.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

scans_one_more() {
	before=$(km_stat scans)
	km_write "$@" || return 1
	[ "$(km_stat scans)" -eq $((before + 1)) ]
}

no_scan() {
	before=$(km_stat scans)
	km_write "$@" || return 1
	[ "$(km_stat scans)" -eq "$before" ]
}

reads_empty() {
	[ "$(wc -c < "$KM_FILE")" -eq 0 ]
}

clear_command() {
	km_scenes data off
	km_scan
	[ "$(km_reports)" -ge 1 ] && km_write 'clear\n' && reads_empty
}

clear_without_newline() {
	km_scenes data off
	km_scan
	[ "$(km_reports)" -ge 1 ] && km_write clear && reads_empty
}

# dump_of OFFSET: dump= takes any address inside a block; the log must have all of the dump
dump_of() {
	km_torture "pair data off"
	start=$(sed -n 's/^lost \(0x[0-9a-f]*\) .*/\1/p' "$KM_TORTURE/result")
	size=$(sed -n 's/^lost 0x[0-9a-f]* //p' "$KM_TORTURE/result")
	km_mark
	km_write "dump=0x%x\n" $((start + $1)) || return 1
	km_log > "$KM_TMP/log"
	grep -q "kmemleak: Object $start (size $size):\$" "$KM_TMP/log" &&
		grep -q 'kmemleak:   comm "kmemleak_tortur.*", pid [0-9]*, jiffies [0-9]*$' "$KM_TMP/log" &&
		grep -q 'kmemleak:   min_count = 1, count = ' "$KM_TMP/log" &&
		grep -q 'kmemleak:    .* place_block+0x' "$KM_TMP/log"
}

dump_percpu() {
	km_torture "pair percpu_reference on"
	start=$(sed -n 's/^percpu live \(0x[0-9a-f]*\) .*/\1/p' "$KM_TORTURE/result")
	km_mark
	km_write "dump=%s" "$start" && km_log | grep -q 'kmemleak: Object (percpu) 0x'
}

dump_behind() {
	km_torture "pair interior_vmalloc on"
	start=$(sed -n 's/^live \(0x[0-9a-f]*\) .*/\1/p' "$KM_TORTURE/result")
	size=$(sed -n 's/^live 0x[0-9a-f]* //p' "$KM_TORTURE/result")
	km_refuses "Invalid argument" "dump=0x%x" $((start + size))
}

# roots.sh tests the effect of stack=off. Here, a bad word must have no effect.
stack_stays() {
	km_scenes stack on
	km_refuses "Invalid argument" 'stack=offs\n' &&
		km_refuses "Invalid argument" 'stack=\n' &&
		km_scan && km_check
}

thread_on() {
	km_write 'scan=on\n' && [ -n "$(km_thread)" ]
}

thread_off() {
	km_write 'scan=off\n' && [ -z "$(km_thread)" ]
}

thread_secs() {
	km_write 'scan=600\n' && [ -n "$(km_thread)" ]
}

thread_secs_most() {
	km_write 'scan=4294967295\n' && [ "$(cat "$KM_PARAM/scan_secs")" -eq 2147483 ] &&
		[ -n "$(km_thread)" ] && km_write 'scan=600\n'
}

thread_secs_0() {
	km_write 'scan=0\n' && [ -z "$(km_thread)" ]
}

# Prints all state that a command could change.
state() {
	cat "$KM_FILE"
	km_stat enabled
	km_stat scans
	km_stat leaks
	km_thread
	cat "$KM_PARAM"/*
}

# refused ERROR BYTES...: the write must fail with this error and change nothing
refused() {
	km_refuses "$@" || return 1
	state > "$KM_TMP/after"
	cmp -s "$KM_TMP/before" "$KM_TMP/after" && return 0
	diff "$KM_TMP/before" "$KM_TMP/after" | sed 's/^/# /'
	return 1
}

# Prints one write a line: the kind of error (I: EINVAL, R: ERANGE), a tab, and the input for
# printf. BIG stands for so many zeroes that the write is longer than a page.
bad_writes() {
	sed 's/^\([IR]\) /\1	/' <<'END'
I \n
I \n\n
I  \n
I \000
I =\n
I scanner\n
I scans
I sca
I SCAN\n
I  scan\n
I scan\nclear\n
I \000scan\n
I scan =on\n
I scan=\n
I scan= 5\n
I scan=5s\n
I scan=-1\n
I scan=1.5\n
I scan=0x\n
I scan=one\n
I scan=onn\n
I scan=offf\n
R scan=4294967296\n
R scan=18446744073709551615\n
R scan=18446744073709551616\n
R scan=99999999999999999999999999\n
I stack\n
I stack=\n
I stack=1\n
I clear=\n
I clearing\n
I clear all\n
I cle\000ar\n
I offs\n
I of\n
I off=1\n
I on=1\n
I once\n
I dump\n
I dump=\n
I dump=0\n
I dump=1\n
I dump=x\n
I dump=0xg\n
I dump=-1\n
I dump=0xffffffffffffffff\n
R dump=0x1ffffffffffffffff\n
I dump=0x10 \n
I dump=dump=1\n
I \377\376\375\n
I %%s%%s%%n\n
I scan%%n\n
I scan=BIG1\n
I BIG\n
I scan\nBIG
END
}

run_bad_writes() {
	zeroes=$(head -c 5000 /dev/zero | tr '\0' 0)
	bad_writes > "$KM_TMP/table"
	while IFS='	' read -r kind bytes; do
		case $kind in
		I) error="Invalid argument" ;;
		R) error="out of range" ;;
		esac
		case $bytes in
		*BIG*)
			name="$bytes (BIG is 5000 digits)"
			bytes=${bytes%%BIG*}$zeroes${bytes#*BIG}
			;;
		*)
			name=$bytes
			;;
		esac
		# In KTAP, a # in a name has a meaning.
		name=$(printf '%s' "$name" | tr '#' _)
		km_test "refused: \"$name\"" refused "$error" "$bytes"
	done < "$KM_TMP/table"
}

megabyte() {
	head -c 1048576 /dev/zero | tr '\0' s > "$KM_TMP/huge"
	dd if="$KM_TMP/huge" of="$KM_FILE" bs=1M 2> "$KM_TMP/error" && return 1
	grep -q "Invalid argument" "$KM_TMP/error" || return 1
	state > "$KM_TMP/after"
	cmp -s "$KM_TMP/before" "$KM_TMP/after"
}

km_begin
km_need_torture
km_plan $((21 + $(bad_writes | wc -l) + 3))
km_test "scan with a newline scans once" scans_one_more 'scan\n'
km_test "scan without a newline scans once" scans_one_more 'scan'
km_test "scan with a blank, CR and NUL behind it scans once" scans_one_more 'scan \r\n\000'
km_test "clear does not scan" no_scan 'clear\n'
km_test "clear empties the reports" clear_command
km_test "clear without a newline empties the reports" clear_without_newline
km_test "dump= of the start of a block shows it" dump_of 0
km_test "dump= of an address inside a block shows it" dump_of 100
km_test "dump= of the last byte of a block shows it" dump_of 191
km_test "dump= of a per-cpu block shows it" dump_percpu
km_test "dump= of the address behind a block fails" dump_behind
km_test "a bad stack= changes nothing" stack_stays
km_test "scan=on starts the thread" thread_on
km_test "scan=on succeeds while the thread runs" thread_on
km_test "scan=off ends the thread" thread_off
km_test "scan=off succeeds without a thread" thread_off
km_test "scan=SECS starts the thread" thread_secs
km_test "a period above the maximum becomes the maximum" thread_secs_most
km_test "scan=0 ends the thread" thread_secs_0
state > "$KM_TMP/before"
km_test "on succeeds while the detector is on" km_write 'on\n'
state > "$KM_TMP/after"
km_test "on changes nothing while the detector is on" cmp -s "$KM_TMP/before" "$KM_TMP/after"

# Bad writes must keep the reported leaks and the running thread.
km_scenes data off
km_scan
first=$(cat "$KM_PARAM/first_scan_secs")
km_set first_scan_secs 1000000
echo scan=600 > "$KM_FILE"
state > "$KM_TMP/before"
run_bad_writes
km_test "refused: a megabyte" megabyte
km_test "the leaks are still reported" km_check "$KM_MOST"
echo scan=off > "$KM_FILE"
km_set first_scan_secs "$first"
km_test "a scan still works" scans_one_more scan
km_finish
