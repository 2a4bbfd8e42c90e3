#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Random graphs of blocks. The torture module computes which blocks are lost, without the
# detector's code. One scan must report no live block and at least 99.5 % of the lost ones,
# or 98.5 % where words have 32 bits.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# A graph without lost blocks or without live blocks would prove little.
both_kinds() {
	for kind in live lost; do
		number=$(grep -c "^$kind " "$KM_TORTURE/result")
		[ "$number" -ge 50 ] && continue
		km_note "only $number blocks are $kind"
		return 1
	done
}

graph() {
	km_torture "graph $1 $2" && both_kinds && km_scan && km_check "$most"
}

# The same, marked on one CPU, or with a limit above the number of CPUs.
graph_by() {
	km_set workers "$1" && graph "$2" "$3"
	set -- $?
	km_set workers 0
	return "$1"
}

# Another scan must give the same reports.
again() {
	km_scan && km_check "$most"
}

freed_go() {
	km_all live
	km_torture reset
	km_read
	km_compare
}

km_begin
km_need_torture
seed=${KMEMLEAK_TEST_SEED:-$(od -An -N3 -tu4 /dev/urandom | tr -d ' ')}
km_note "KMEMLEAK_TEST_SEED=$seed"
# A fifth of all 32-bit words are addresses. So hashes of names and other numbers looked like
# references to 54 of 11,739 blocks, and these held 54 more.
most=99.5
case $(uname -m) in i?86) most=98.5 ;; esac
# Half a percent of so many blocks is more than a few stray references hold.
sizes=$(km_amount "12000 12000 20000 40000" "12000 20000" 12000)
# shellcheck disable=SC2086
set -- $sizes
km_plan $(($# + 4))
nr=0
for size; do
	km_test "right reports: $size blocks, seed $((seed + nr))" graph $((seed + nr)) "$size"
	nr=$((nr + 1))
done
km_test "right reports: one CPU marks" graph_by 1 $((seed + nr)) 12000
km_test "right reports: up to 16 CPUs mark" graph_by 16 $((seed + nr + 1)) 20000
km_test "right reports: another scan" again
km_test "freed blocks leave the reports without a scan" freed_go
km_finish
