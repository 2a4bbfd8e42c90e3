#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Runs what the Makefile built and prints KTAP: one subtest a build, one case a
# fuzz target, and at the end how many cases passed. A program that dies or
# prints less than it planned has failed cases, never fewer cases.
#
# usage: run.sh <out> "<variants>" "<fuzzers>" <fuzz runs> <fuzz seed> [<seed>]

here=$(dirname "$0")
out=$1
variants=$2
fuzzers=$3
fuzz_runs=$4
fuzz_seed=$5
seed=${6:-${KMEMLEAK_SEED:-$(date +%s)}}

passed=0
failed=0
skipped=0
number=0

# The tests count their pages themselves.
ASAN_OPTIONS=detect_leaks=0:${ASAN_OPTIONS:-}
UBSAN_OPTIONS=print_stacktrace=1:${UBSAN_OPTIONS:-}
TSAN_OPTIONS=exitcode=66:suppressions=$here/tsan.supp:${TSAN_OPTIONS:-}
export ASAN_OPTIONS UBSAN_OPTIONS TSAN_OPTIONS

# shellcheck disable=SC2086 # lists of words
set -- $variants $fuzzers
echo "KTAP version 1"
echo "1..$#"

report() {	# <name> <cases that failed>
	number=$((number + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $number $1"
	else
		echo "not ok $number $1"
	fi
}

for name in $variants; do
	log=$out/$name/log
	"$out/$name/kmemleak-host" "--seed=$seed" >"$log" 2>&1
	status=$?
	sed 's/^/    /' "$log"
	plan=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$log")
	skip=$(grep -c '^ok .*# SKIP' "$log")
	ok=$(($(grep -c '^ok ' "$log") - skip))
	bad=$((${plan:-1} - ok - skip))
	# No plan, no cases, or a bad end without a bad case: that is one, too.
	if [ "$bad" -eq 0 ] && { [ $status -ne 0 ] || [ "$ok" -eq 0 ]; }; then
		bad=1
	fi
	passed=$((passed + ok))
	skipped=$((skipped + skip))
	failed=$((failed + bad))
	report "$name" "$bad"
done

for name in $fuzzers; do
	log=$out/fuzz/$name.log
	# Crashing inputs stay beside the log.
	# An input of calls is a good deal more work than a line of text.
	case $name in
	fuzz_core) runs=$((fuzz_runs / 5)) ;;
	*) runs=$fuzz_runs ;;
	esac
	if "$out/fuzz/$name" "-runs=$runs" "-seed=$fuzz_seed" -max_len=256 \
		-verbosity=0 -timeout=60 \
		"-artifact_prefix=$out/fuzz/$name." >"$log" 2>&1; then
		passed=$((passed + 1))
		report "$name" 0
	else
		sed 's/^/    # /' "$log"
		failed=$((failed + 1))
		report "$name" 1
	fi
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
