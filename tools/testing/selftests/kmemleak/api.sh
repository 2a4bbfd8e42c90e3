#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Wrong calls: each entry point with each kind of bad input. The table below names the counter
# in kmemleak_stats that the call must raise. Afterwards, the detector must still tell held
# blocks from lost ones.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

inputs="null err_ptr size_0 wrap unknown freed twice overlap hardirq nmi"
counters="bad_addr|bad_size|wrap|unknown|unknown_free|duplicate|overlap|outside|nmi"

# The counter that grows. none: the call is valid. A dot: the function has no such argument,
# or this input is right for it. Any physical address is valid, also 0. Input overlap: the part
# reaches outside of its block, or the address is inside the block.
answers() {
	cat <<'END'
alloc          bad_addr bad_addr bad_size wrap .            .            duplicate    overlap      none nmi
alloc_percpu   bad_addr bad_addr bad_size wrap .            .            duplicate    overlap      none nmi
alloc_phys     .        .        bad_size wrap .            .            duplicate    overlap      none nmi
vmalloc        bad_addr bad_addr bad_size wrap .            .            duplicate    overlap      none nmi
free           bad_addr bad_addr .        .    unknown_free unknown_free unknown_free unknown_free none nmi
free_part      bad_addr bad_addr bad_size wrap unknown_free unknown_free unknown_free outside      none nmi
free_part_phys .        .        bad_size wrap unknown_free unknown_free unknown_free outside      none nmi
free_percpu    bad_addr bad_addr .        .    unknown_free unknown_free unknown_free unknown_free none nmi
update_trace   bad_addr bad_addr .        .    unknown      unknown      none         none         none nmi
not_leak       bad_addr bad_addr .        .    unknown      unknown      none         none         none nmi
not_leak_phys  .        .        .        .    unknown      unknown      none         none         none nmi
ignore         bad_addr bad_addr .        .    unknown      unknown      none         none         none nmi
ignore_phys    .        .        .        .    unknown      unknown      none         none         none nmi
ignore_percpu  bad_addr bad_addr .        .    unknown      unknown      none         none         none nmi
no_scan        bad_addr bad_addr .        .    unknown      unknown      none         none         none nmi
scan_area      bad_addr bad_addr bad_size wrap unknown      unknown      none         outside      none nmi
transient_leak bad_addr bad_addr .        .    unknown      unknown      none         none         none nmi
END
}

counted() {
	grep -E "^($counters) " "$KM_STATS"
}

# cell FUNCTION INPUT COUNTER: this counter must grow, and no other
cell() {
	counted > "$KM_TMP/before"
	km_torture "api $1 $2" 2> "$KM_TMP/error" || {
		sed 's/^/# /' "$KM_TMP/error"
		return 1
	}
	counted > "$KM_TMP/after"
	awk -v expected="$3" '
	NR == FNR {
		before[$1] = $2
		next
	}
	{
		grown = $2 - before[$1]
		if (grown && $1 != expected) {
			print "# " $1 " grew by " grown
			wrong++
		}
		if ($1 == expected && grown < 1) {
			print "# " $1 " did not grow"
			wrong++
		}
		if ($1 == expected)
			found++
	}
	END { exit wrong > 0 || (expected != "none" && !found) }
	' "$KM_TMP/before" "$KM_TMP/after"
}

# As km_test, but skips an input that is not possible: with PAE, no size reaches the end of
# the physical addresses.
test_cell() {
	cell "$@"
	status=$?
	if [ "$status" -ne 0 ] && grep -q 'not supported' "$KM_TMP/error"; then
		km_skip "$1 $2: counts $3" "not possible here"
	else
		km_result "$status" "$1 $2: counts $3"
	fi
}

still_works() {
	[ "$(km_stat enabled)" = 1 ] && [ "$(km_stat failed)" = no ] &&
		km_scan && km_check "$KM_MOST"
}

cells() {
	# shellcheck disable=SC2034
	while read -r function row; do
		# shellcheck disable=SC2086
		set -- $inputs
		for answer in $row; do
			case $answer in
			.) ;;
			*) echo "$function $1 $answer" ;;
			esac
			shift
		done
	done
}

# The log must report each kind of mistake once, with the caller's trace.
told_once() {
	dmesg | sed -n 's/.*kmemleak: \(.*\): 0x[0-9a-f]*, size [0-9]* (reported once.*/\1/p' \
		> "$KM_TMP/told"
	sed 's/^/# told: /' "$KM_TMP/told"
	sort "$KM_TMP/told" | uniq -d | grep . && return 1
	# The kinds: wrap, unknown, duplicate, overlap, outside.
	[ "$(wc -l < "$KM_TMP/told")" -eq 5 ]
}

# The caller may hold a lock, so the mistake must be reported later.
told_later() {
	km_torture mistakes || return 1
	sleep 1
	dmesg | sed -n '/kmemleak_torture: mistakes begin/,/kmemleak_torture: mistakes end/p' |
		grep -v kmemleak_torture: | sed 's/^/# /' | tee "$KM_TMP/early"
	[ ! -s "$KM_TMP/early" ] && dmesg | grep -q 'kmemleak_torture: mistakes end'
}

told_with_trace() {
	dmesg | grep -A 60 'kmemleak: annotation of an unknown block: ' |
		grep -q 'Call Trace of '
}

# Overlapping memory is a root until it is freed. A root that stays would hide leaks.
nothing_opaque() {
	km_note "$(km_stat opaque_blocks) opaque blocks"
	[ "$(km_stat opaque_blocks)" = 0 ]
}

km_begin
km_need_torture
answers | cells > "$KM_TMP/cells"
km_plan $(($(wc -l < "$KM_TMP/cells") + $(answers | wc -l) + 6))
km_mark
last=
km_torture reset
km_test "no mistake is reported while a lock is held" told_later
km_test "records of mistakes are not references" still_works
km_torture reset
while read -r function input answer; do
	if [ -n "$last" ] && [ "$function" != "$last" ]; then
		km_test "$last: the detector still works" still_works
		km_torture reset
	fi
	last=$function
	if [ "$input" = nmi ] && ! km_nmi; then
		km_skip "$function $input: counts $answer" "no way to cause an NMI here"
	else
		test_cell "$function" "$input" "$answer"
	fi
done < "$KM_TMP/cells"
km_test "$last: the detector still works" still_works
km_torture reset
km_test "no memory stays opaque" nothing_opaque
km_test "the log reports each kind of mistake once" told_once
km_test "the report of a mistake has a trace" told_with_trace
km_test "the kernel log has no complaints" km_no_splat
km_finish
