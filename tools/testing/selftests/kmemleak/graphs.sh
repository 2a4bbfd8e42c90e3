#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Random object graphs whose answer the torture module computes on its own: no
# live block is reported, and at least 99.5 % of the lost ones are, by one scan, or
# 98.5 % where words have 32 bits.

# Functions are called by km_test; few take all arguments of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

# A graph that has nothing lost or nothing live would prove little.
both_kinds() {
	for kind in live lost; do
		number=$(grep -c "^$kind " "$KM_TORTURE/result")
		[ "$number" -ge 50 ] && continue
		km_note "only $number are $kind"
		return 1
	done
}

graph() {
	km_torture "graph $1 $2" && both_kinds && km_scan && km_verdicts "$most"
}

# The same by one CPU alone, and by more than there are.
graph_by() {
	km_set workers "$1" && graph "$2" "$3"
	set -- $?
	km_set workers 0
	return "$1"
}

# What was found stays found, and what is freed goes from the reports.
again() {
	km_scan && km_verdicts "$most"
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
# Of all words of 32 bits a fifth are addresses, so hashes of names and other numbers
# hold some blocks: 54 of 11,739, which held 54 more.
most=99.5
case $(uname -m) in i?86) most=98.5 ;; esac
# Large enough that half a percent is more than a few stray references hold.
sizes=$(km_amount "12000 12000 20000 40000" "12000 20000" 12000)
# shellcheck disable=SC2086
set -- $sizes
km_plan $(($# + 4))
nr=0
for size; do
	km_test "graph of $size blocks, seed $((seed + nr))" graph $((seed + nr)) "$size"
	nr=$((nr + 1))
done
km_test "marked by one CPU" graph_by 1 $((seed + nr)) 12000
km_test "marked by 16 helpers at most" graph_by 16 $((seed + nr + 1)) 20000
km_test "the same answer from another scan" again
km_test "freed blocks go from the reports without a scan" freed_go
km_finish
