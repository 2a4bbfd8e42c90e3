# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=sh disable=SC2034
#
# Shared by the selftests: KTAP output, loading of modules, the detector's files, and the
# comparison of reports with expected results. Scripts source this file. It has no tests.
#
# KMEMLEAK_MODULES: folder with the modules; if it is unset, modprobe must find them
# KMEMLEAK_TEST_SLOW=1: the machine or the kernel is slow, use shorter loads
# KMEMLEAK_TEST_FULL=1: use longer loads, and repeat everything more often
# KMEMLEAK_TEST_HOSTED=1: the program that started the guest judges reports of stalls
# KMEMLEAK_TEST_ONE_CPU=1: other CPUs must not run while the kernel changes its code
# KMEMLEAK_TEST_SEED: seed for random graphs

KM_DEBUG=/sys/kernel/debug
KM_FILE=$KM_DEBUG/kmemleak
KM_STATS=$KM_DEBUG/kmemleak_stats
KM_TORTURE=$KM_DEBUG/kmemleak_torture
KM_PARAM=/sys/module/kmemleak/parameters
KM_FENCE=/sys/module/kfence/parameters/sample_interval
KM_SLOW=${KMEMLEAK_TEST_SLOW:-0}
KM_FULL=${KMEMLEAK_TEST_FULL:-0}
KM_DIR=$(cd "$(dirname "$0")" && pwd)
KM_TMP=$(mktemp -d /tmp/kmemleak.XXXXXX) || exit 1
KM_REPORT=$KM_TMP/report

km_done=0
km_failed=0
km_planned=0
km_budget=

# ---- KTAP ----------------------------------------------------------------

km_plan() {
	km_planned=$1
	echo "KTAP version 1"
	echo "1..$1"
}

# Every script calls this when it ends.
km_leave() {
	[ -z "$km_budget" ] || km_set stop_budget_ms "$km_budget"
	rm -rf "$KM_TMP"
}

km_skip_all() {
	echo "KTAP version 1"
	echo "1..0 # SKIP $1"
	km_leave
	exit 4
}

# km_result STATUS NAME: the result of a test; it passed if STATUS is 0
km_result() {
	km_done=$((km_done + 1))
	if [ "$1" -eq 0 ]; then
		printf 'ok %s %s\n' "$km_done" "$2"
	else
		printf 'not ok %s %s\n' "$km_done" "$2"
		km_failed=$((km_failed + 1))
	fi
}

km_skip() {
	km_done=$((km_done + 1))
	echo "ok $km_done $1 # SKIP $2"
}

# km_test NAME COMMAND...: passes if the command succeeds
km_test() {
	km_name=$1
	shift
	"$@"
	km_result $? "$km_name"
}

# km_fails NAME COMMAND...: passes if the command does not succeed
km_fails() {
	km_name=$1
	shift
	! "$@"
	km_result $? "$km_name"
}

km_note() {
	printf '# %s\n' "$*"
}

km_finish() {
	km_unload kmemleak_torture
	km_unload kmemleak_test
	[ -w "$KM_FILE" ] && echo clear > "$KM_FILE"
	km_leave
	if [ "$km_done" -ne "$km_planned" ]; then
		km_note "$km_done tests ran, $km_planned were planned"
		exit 1
	fi
	[ "$km_failed" -eq 0 ]
	exit $?
}

# km_amount LONG SHORT SHORTEST: prints LONG with FULL, SHORTEST with SLOW, SHORT with both or
# none of them
km_amount() {
	[ "$KM_FULL" = 1 ] || shift
	[ "$KM_SLOW" = 0 ] || shift
	echo "$1"
}

# ---- the detector ---------------------------------------------------------

# km_with_pages_kept COMMAND...: runs the command while the page allocator keeps a quarter
# of memory free for allocations that cannot wait
km_with_pages_kept() {
	km_min_free=/proc/sys/vm/min_free_kbytes
	km_kept=$(cat "$km_min_free")
	awk '/^MemTotal:/ { print int($2 / 4) }' /proc/meminfo > "$km_min_free" || return 1
	"$@"
	km_status=$?
	echo "$km_kept" > "$km_min_free"
	return "$km_status"
}

# Every script calls this first. Afterwards the detector is on, its thread is off, and
# there are no reports.
km_begin() {
	if ! [ -d "$KM_DEBUG/kmemleak" ] && ! [ -e "$KM_FILE" ]; then
		mount -t debugfs none "$KM_DEBUG" 2>/dev/null
	fi
	[ "$(id -u)" -eq 0 ] || km_skip_all "not root"
	[ -e "$KM_FILE" ] || km_skip_all "no $KM_FILE"
	echo scan=off 2>/dev/null > "$KM_FILE" || km_skip_all "the detector is off"
	KM_BEGAN=$(sed -n '/^jiffies: /{s///p;q}' /proc/timer_list)
	km_set min_age_ms 0
	km_set min_unref_scans 1
	km_set max_leaks 0
	km_set rcu_wait_ms 1000
	km_set workers 0
	km_set rules 127
	km_set roots 63
	km_set confirm stop
	# The length of a stop depends on the kernel under test and on the load of the host. So
	# set the largest budget.
	km_budget=$(cat "$KM_PARAM/stop_budget_ms")
	km_set stop_budget_ms 10000
	km_set verbose 0
	echo stack=on > "$KM_FILE"
	echo scan > "$KM_FILE"
	echo clear > "$KM_FILE"
}

# km_alone COMMAND...: runs the command; with KMEMLEAK_TEST_ONE_CPU=1, while the other CPUs
# are offline
km_alone() {
	km_cpus=
	[ "${KMEMLEAK_TEST_ONE_CPU:-0}" = 0 ] ||
		km_cpus=$(grep -l 1 /sys/devices/system/cpu/cpu[1-9]*/online 2> /dev/null)
	for km_cpu in $km_cpus; do
		echo 0 > "$km_cpu" || return 1
	done
	km_status=0
	"$@" || km_status=1
	for km_cpu in $km_cpus; do
		echo 1 > "$km_cpu" || return 1
	done
	return "$km_status"
}

km_put() {
	echo "$2" > "$1"
}

# km_switch on|off: turns tracking on or off; the kernel patches its hooks for that
km_switch() {
	km_alone km_put "$KM_FILE" "$1"
}

# km_fence MS: lets KFENCE serve one allocation every MS milliseconds; 0: none. A kernel may
# have no KFENCE.
km_fence() {
	[ ! -e "$KM_FENCE" ] || km_alone km_put "$KM_FENCE" "$1"
}

# km_set PARAMETER VALUE
km_set() {
	echo "$2" > "$KM_PARAM/$1"
}

# km_without_root ROOT COMMAND...: runs the command while this root is off, and all others on
km_without_root() {
	km_bit=1
	for km_root in $(km_stat roots | tr , ' '); do
		[ "$km_root" != "$1" ] || break
		km_bit=$((km_bit * 2))
	done
	shift
	km_with roots $(($(cat "$KM_PARAM/roots") & ~km_bit)) "$@"
}

# km_with PARAMETER VALUE COMMAND...: runs the command with this value, then restores it
km_with() {
	set -- "$(cat "$KM_PARAM/$1")" "$@"
	km_set "$2" "$3" || return 1
	km_from_fourth "$@"
	set -- "$1" "$2" $?
	km_set "$2" "$1"
	return "$3"
}

km_from_fourth() {
	shift 3
	"$@"
}

# Can the torture module trigger an NMI? It uses the local APIC of x86.
km_nmi() {
	grep -q '^flags.* apic' /proc/cpuinfo
}

# Is this PREEMPT_RT? Then a thread does the work of hard interrupts, and no scan stops the
# CPUs.
km_rt() {
	uname -v | grep -qw PREEMPT_RT
}

# km_test_stops NAME COMMAND...: as km_test, but skips where scans never stop the CPUs
km_test_stops() {
	if km_rt; then
		km_skip "$1" "no stop with PREEMPT_RT"
	else
		km_test "$@"
	fi
}

# km_comm hardirq|softirq: prints a pattern for the comm line of blocks from this context
km_comm() {
	if [ "$1" = hardirq ] && km_rt; then
		echo 'comm "irq_work/[0-9]*", pid [1-9][0-9]*'
	else
		echo "comm \"$1\", pid 0"
	fi
}

# km_without_rule BIT COMMAND...: runs the command with this rule off
km_without_rule() {
	set -- $(($(cat "$KM_PARAM/rules") & ~$1)) "$@"
	km_with rules "$1" km_from_third "$@"
}

km_from_third() {
	shift 2
	"$@"
}

# km_write BYTES...: writes the output of printf in one go. KM_ERROR: the error
km_write() {
	# shellcheck disable=SC2059
	printf "$@" > "$KM_TMP/write"
	dd if="$KM_TMP/write" of="$KM_FILE" bs=1M 2> "$KM_TMP/error"
	km_status=$?
	KM_ERROR=
	[ "$km_status" -eq 0 ] || KM_ERROR=$(head -n 1 "$KM_TMP/error")
	return "$km_status"
}

# km_refuses ERROR BYTES...: the write must fail with this text of strerror()
km_refuses() {
	km_expected=$1
	shift
	if km_write "$@"; then
		km_note "accepted, expected: $km_expected"
		return 1
	fi
	case $KM_ERROR in
	*"$km_expected"*)
		return 0
		;;
	esac
	km_note "expected: $km_expected; got: $KM_ERROR"
	return 1
}

km_read() {
	cat "$KM_FILE" > "$KM_REPORT"
}

km_scan() {
	echo scan > "$KM_FILE" && km_read
}

# km_born before|since FILE: prints the number of reports of blocks that were allocated
# before this script began, or since. A stray value may have hidden a block that an earlier
# script lost. The block is reported when the value is gone.
km_born() {
	awk -v when="$1" -v began="$KM_BEGAN" '
	/^  comm / {
		sub(/.*, jiffies /, "")
		nr += when == ($0 + 0 < began ? "before" : "since")
	}
	END { print nr + 0 }' "$2"
}

# km_reports: prints the number of reports of this script's blocks in the last read
km_reports() {
	km_born since "$KM_REPORT"
}

km_stat() {
	sed -n "s/^$1 //p" "$KM_STATS"
}

# Prints the pid of the detector's thread, if there is one. A thread that was stopped exits
# a moment later. Leave it out: it has flag 4, PF_EXITING.
km_thread() {
	cat /proc/[0-9]*/stat 2> /dev/null |
		awk '$2 == "(kmemleak)" && int($9 / 4) % 2 == 0 { print $1 }'
}

# ---- kernel log -----------------------------------------------------------

km_mark_nr=0

# Marks a place in the log. km_log prints the lines after it. The kernel accepts ten lines
# in five seconds from /dev/kmsg, unless it is told to accept all.
km_mark() {
	{ echo on > /proc/sys/kernel/printk_devkmsg; } 2>/dev/null
	km_mark_nr=$((km_mark_nr + 1))
	km_mark_text="kmemleak-selftest: $$ mark $km_mark_nr."
	echo "$km_mark_text" > /dev/kmsg
}

km_log() {
	dmesg | awk -v mark="$km_mark_text" 'on; index($0, mark) { on = 1 }'
}

# Drops reports of stalls if the host judges them: an emulated clock runs on while the
# host does not run the guest.
km_but_stalls() {
	[ "${KMEMLEAK_TEST_HOSTED:-0}" = 1 ] || { cat; return; }
	grep -v -E 'BUG: (soft|workqueue) lockup|detected (expedited )?stall|blocked for more than'
}

# Fails if the log has complaints of the kernel since km_mark, and prints them.
km_no_splat() {
	km_log | km_but_stalls |
		grep -E 'BUG|WARNING:|Oops|INFO: |general protection|soft lockup|detected stall|unable to handle|corruption' \
		> "$KM_TMP/splat" || return 0
	sed 's/^/# /' "$KM_TMP/splat"
	return 1
}

# ---- long grace periods ----------------------------------------------------

# Settings that turn off the detectors of stalls and lockups; a kernel may lack some. A test
# holds up grace periods until it is done, which can take a minute on a busy machine.
KM_PATIENCE="/sys/module/rcupdate/parameters/rcu_cpu_stall_suppress=1
/proc/sys/kernel/watchdog=0
/proc/sys/kernel/hung_task_timeout_secs=0
/sys/module/workqueue/parameters/watchdog_thresh=0"

# km_patient: turns these detectors off, and saves the old settings for km_impatient
km_patient() {
	: > "$KM_TMP/patience"
	for km_setting in $KM_PATIENCE; do
		km_file=${km_setting%=*}
		[ -e "$km_file" ] || continue
		echo "$km_file=$(cat "$km_file")" >> "$KM_TMP/patience"
		echo "${km_setting#*=}" > "$km_file"
	done
}

km_impatient() {
	while IFS='=' read -r km_file km_value; do
		echo "$km_value" > "$km_file"
	done < "$KM_TMP/patience"
}

# ---- modules --------------------------------------------------------------

# km_load NAME [PARAMETER=VALUE...]; NAME as in lsmod
km_load() {
	km_module=$1
	shift
	if [ -z "$KMEMLEAK_MODULES" ]; then
		modprobe "$km_module" "$@" 2>"$KM_TMP/error" && return
	else
		for km_path in "$KMEMLEAK_MODULES/$km_module.ko" \
			       "$KMEMLEAK_MODULES/$(echo "$km_module" | tr _ -).ko"; do
			[ -e "$km_path" ] || continue
			insmod "$km_path" "$@" 2>"$KM_TMP/error" && return
		done
	fi
	sed 's/^/# /' "$KM_TMP/error"
	return 1
}

km_unload() {
	[ -d "/sys/module/$1" ] || return 0
	rmmod "$1"
}

# ---- expected results -------------------------------------------------------

km_need_torture() {
	[ -d "$KM_TORTURE" ] || km_load kmemleak_torture ||
		km_skip_all "no module kmemleak-torture"
}

# km_torture COMMAND...
km_torture() {
	echo "$*" > "$KM_TORTURE/command"
}

# A stray value, on the stack of a task or in the padding of a structure, can look like a
# reference. It hides one lost block in a few thousand. So a scene is set up 16 times, and
# two lost blocks may be missed; or 8 times, and one may be missed. No live block may be
# reported.
KM_SCENES=$(km_amount 16 8 8)
KM_MOST=87

# km_scenes PAIR on|off: sets up this scene KM_SCENES times
km_scenes() {
	km_torture "pair $1 $2 $KM_SCENES"
}

# km_scan_moving SCANS SHOWN: makes so many scans while blocks move, and leaves them moving.
# Shows at most SHOWN lines of reports for each scan. km_false: number of blocks reported
km_scan_moving() {
	km_torture churn || return 1
	km_false=0
	km_left=$1
	while [ "$km_left" -gt 0 ]; do
		echo scan > "$KM_FILE" || return 1
		# The file leaves out blocks that were freed since. This number has them.
		km_now=$(($(km_stat leaks) - $(km_born before "$KM_FILE")))
		[ "$km_now" -eq 0 ] || sed 's/^/# /' "$KM_FILE" | head -n "$2"
		km_false=$((km_false + km_now))
		[ "$km_now" -eq 0 ] || echo clear > "$KM_FILE"
		km_left=$((km_left - 1))
	done
}

# km_compare [PERCENT [ONLY]]: compares $KM_TMP/answers, the expected results, with the last
# read, see verdicts.awk
km_compare() {
	# Most lines are traces. Few comparisons need them.
	km_lines='^unreferenced\|^  requested '
	grep -q ' trace=' "$KM_TMP/answers" && km_lines="$km_lines"'\|^    .*+0x'
	grep "$km_lines" "$KM_REPORT" > "$KM_TMP/lines"
	awk -v percent="$1" -v only="${2:-0}" -f "$KM_DIR/verdicts.awk" \
		"$KM_TMP/answers" "$KM_TMP/lines"
}

# km_check [PERCENT]: compares the torture module's answers with the last read: no live block
# and PERCENT of the lost blocks must be reported
km_check() {
	cat "$KM_TORTURE/result" > "$KM_TMP/answers"
	grep '^#' "$KM_TMP/answers"
	km_compare "$1"
}

# km_said live|lost|missed: prints this number from the output of a comparison, $KM_TMP/said
km_said() {
	sed -n "s/^# live .*$1 \([0-9]*\).*/\1/p; s/^# $1 \([0-9]*\), lost .*/\1/p" "$KM_TMP/said" |
		head -n 1
}

# km_well_formed: the last read must have reports, and each line must have the right shape
km_well_formed() {
	awk -f "$KM_DIR/format.awk" "$KM_REPORT"
}

# ---- one leak after the other ----------------------------------------------

km_known=0
km_all_lost=0
km_all_missed=0

# km_found FILE BLOCKS PERCENT: FILE must have at least so many more lost blocks than the last
# time. The last read must have PERCENT of the new ones: a stray value may hide one.
km_found() {
	tail -n +$((km_known + 1)) "$1" > "$KM_TMP/answers"
	km_known=$((km_known + $(wc -l < "$KM_TMP/answers")))
	[ "$(grep -c lost "$KM_TMP/answers")" -ge "$2" ] || return 1
	km_compare "$3" > "$KM_TMP/said"
	km_status=$?
	cat "$KM_TMP/said"
	km_all_lost=$((km_all_lost + $(km_said lost)))
	km_all_missed=$((km_all_missed + $(km_said missed)))
	return "$km_status"
}

# Of all lost blocks, at most one in a hundred may be missed.
km_found_all() {
	km_note "$km_all_missed of $km_all_lost lost blocks missed"
	[ $((km_all_missed * 100)) -le "$km_all_lost" ]
}

# Sets up a comparison: the blocks of the last read must not be reported again. Other blocks
# are not compared.
km_reported_only() {
	sed -n 's/^unreferenced object \(0x[0-9a-f]*\) (size \([0-9]*\)):/live \1 \2/p' \
		"$KM_REPORT" > "$KM_TMP/answers"
}

# km_all live|lost: sets up a comparison in which this is expected of all blocks of the torture
# module
km_all() {
	sed "s/^\(percpu \)\{0,1\}l[a-z]* 0x/\1$1 0x/" "$KM_TORTURE/result" \
		> "$KM_TMP/answers"
}
