#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Judges the runs of the Makefile and prints KTAP: a subtest for each build, a case for each
# fuzz target, and the number of cases that passed. If a program died, or printed fewer
# results than it planned, the missing cases count as failed.
#
# usage: run.sh <out> "<variants>" "<fuzzers>"

out=$1
variants=$2
fuzzers=$3

passed=0
failed=0
skipped=0
number=0

# shellcheck disable=SC2086 # lists of words
set -- $variants $fuzzers
echo "KTAP version 1"
echo "1..$#"

report() {	# <name> <number of failed cases>
	number=$((number + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $number $1"
	else
		echo "not ok $number $1"
	fi
}

for name in $variants; do
	log=$out/$name/log
	status=$(cat "$out/$name/status")
	sed 's/^/    /' "$log"
	plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$log")
	skip=$(grep -c '^ok .*# SKIP' "$log")
	ok=$(($(grep -c '^ok ' "$log") - skip))
	bad=$((${plan:-1} - ok - skip))
	# No passed case, or an error status without a failed case: count one failure.
	if [ "$bad" -eq 0 ] && { [ "${status:-1}" -ne 0 ] || [ "$ok" -eq 0 ]; }; then
		bad=1
	fi
	passed=$((passed + ok))
	skipped=$((skipped + skip))
	failed=$((failed + bad))
	report "$name" "$bad"
done

for name in $fuzzers; do
	status=$(cat "$out/fuzz/$name.status")
	if [ "${status:-1}" -eq 0 ]; then
		passed=$((passed + 1))
		report "$name" 0
	else
		sed 's/^/    # /' "$out/fuzz/$name.log"
		failed=$((failed + 1))
		report "$name" 1
	fi
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
