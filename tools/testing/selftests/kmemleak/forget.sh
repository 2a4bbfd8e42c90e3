#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# Leaks in the kernel's own code: one of its functions does not free memory of its object.
# Such leaks have happened, in the same place or in a similar one. These were in the very
# same line:
#
#   kernel_read_file	"exec: Fix mem leak in kernel_read_file"
#   destroy_workqueue	"workqueue: Fix missing kfree(rescuer) in destroy_workqueue()"
#   clear_tracing_err_log	"tracing: Free error logs of tracing instances"
#
# Dozens of drivers did not call single_release. The other leaks are of a kind that has
# happened. An action of a user causes each leak. One scan right after it must find all
# blocks, and their traces must show the allocator.

# km_test calls the functions by name. Their arguments are not those of the script.
# shellcheck disable=SC2317,SC2119,SC2120
# shellcheck source=tools/testing/selftests/kmemleak/kmemleak_lib.sh
. "$(dirname "$0")/kmemleak_lib.sh"

KM_FORGET=$KM_DEBUG/kmemleak_forget
KM_TRACING=/sys/kernel/tracing
TIMES=$(km_amount 10 10 5)
# Longest wait for callbacks and work that cause the leaks, in tenths of a second.
PATIENCE=600

# The action, the kind of leak, the function that frees, its caller that forgets it, and the
# allocator of the block.
leaks() {
	cat <<-END
	read_version	nested		kfree		single_release		single_open,seq_read_iter
	read_timers	nested		kfree		seq_release_private	__seq_open_private,seq_read_iter
	read_sysctl	buffer		kvfree		proc_sys_call_handler	proc_sys_call_handler
	run_script	string		kfree		free_bprm		bprm_change_interp
	pipe		array		kfree		free_pipe_info		alloc_pipe_info
	bad_module	error_path	vfree		kernel_read_file	kernel_read_file
	open_tty	vmalloc		vfree		n_tty_close		n_tty_open
	mount_tmpfs	string		kfree		put_fs_context		vfs_parse_fs_string,vfs_parse_fs_qstr,shmem_init_fs_context
	mount_tmpfs	rcu_string	kfree		free_vfsmnt,delayed_free_vfsmnt	alloc_vfsmnt
	mount_tmpfs	rcu_percpu	free_percpu	free_vfsmnt,delayed_free_vfsmnt	alloc_vfsmnt
	mount_tmpfs	percpu		free_percpu	percpu_counter_destroy,percpu_counter_destroy_many	shmem_fill_super,mm_init
	mount_tmpfs	rcu_percpu	free_percpu	percpu_free_rwsem	alloc_super,sget_fc
	symbolic_link	rcu_string	kfree		shmem_free_in_core_inode	shmem_symlink
	long_name	rcu_string	kfree		__d_free_external	__d_alloc
	read_process	reference	put_pid		proc_evict_inode,proc_pid_evict_inode,proc_free_inode	alloc_pid
	mount_cgroup	kfree_rcu	kfree		cgroup_destroy_root,css_free_rwork_fn,kernfs_destroy_root	allocate_cgrp_cset_links,kernfs_create_root,percpu_ref_init
	mount_cgroup	kfree_rcu	free_percpu	cgroup_rstat_exit,css_rstat_exit	cgroup_rstat_init,css_rstat_init
	make_cgroup	cache_string	kfree		kernfs_put,kernfs_free_rcu	cgroup_mkdir
	cycle_module	teardown	kfree		destroy_workqueue	init_rescuer
	cycle_module	rcu_percpu	free_percpu	rcu_free_wq		alloc_workqueue,__alloc_workqueue
	cycle_module	cache_string	kfree		slab_kmem_cache_release	kmem_cache_create_usercopy,__kmem_cache_create_args
	bad_filter	nested		kfree		clear_tracing_err_log	tracing_log_err
	END
}

# ---- actions, each time in a process of its own --------------------------------

read_version() {
	cat /proc/version
}

read_timers() {
	cat /proc/timer_list
}

read_sysctl() {
	cat /proc/sys/kernel/ostype
}

run_script() {
	"$KM_TMP/script"
}

pipe() {
	: | :
}

# This file is shorter than its size.
bad_module() {
	insmod /sys/kernel/uevent_seqnum
	:
}

open_tty() {
	: < /dev/ptmx
}

mount_tmpfs() {
	mount -t tmpfs kmemleak-source "$KM_TMP/mount" && umount "$KM_TMP/mount"
}

symbolic_link() {
	ln -s a-name-of-no-file-that-is-not-kept-in-the-inode-itself "$KM_TMP/link" &&
		rm "$KM_TMP/link"
}

long_name() {
	: > "$KM_TMP/a-name-that-does-not-fit-into-a-directory-entry" &&
		rm "$KM_TMP/a-name-that-does-not-fit-into-a-directory-entry"
}

read_process() {
	exec cat /proc/self/stat
}

mount_cgroup() {
	mount -t cgroup -o none,name=kmemleak kmemleak "$KM_TMP/mount" && umount "$KM_TMP/mount"
}

make_cgroup() {
	mkdir "$KM_TMP/group/kmemleak" && rmdir "$KM_TMP/group/kmemleak"
}

# The module has a workqueue and a cache.
cycle_module() {
	km_load kmemleak_past && km_unload kmemleak_past
}

bad_filter() {
	mkdir "$KM_TRACING/instances/kmemleak" || return 1
	{ echo 'no == 1' > "$KM_TRACING/instances/kmemleak/events/sched/sched_switch/filter"; } 2>&1
	rmdir "$KM_TRACING/instances/kmemleak"
}

# ---- checks --------------------------------------------------------------------

# A block is listed again if another reference to it was lost. Keep one line for a block.
lost() {
	awk '!lost[$0]++' "$KM_FORGET/result" > "$KM_TMP/lost"
}

# Some leaks happen later, in callbacks and work.
happened() {
	looks=0
	until lost && [ "$(wc -l < "$KM_TMP/lost")" -ge $((km_known + TIMES)) ]; do
		looks=$((looks + 1))
		[ "$looks" -lt "$PATIENCE" ] || return 1
		sleep 0.1
	done
}

happen() {
	left=$TIMES
	while [ "$left" -gt 0 ]; do
		("$1" > "$KM_TMP/output" 2>&1) || { sed 's/^/# /' "$KM_TMP/output"; return 1; }
		left=$((left - 1))
	done
	happened || { km_note "the leak did not happen"; return 1; }
}

leak() {
	happen "$1"
	status=$?
	echo off > "$KM_FORGET/command"
	[ "$status" -eq 0 ] && km_scan && lost && km_found "$KM_TMP/lost" "$TIMES" 80
}

# forgets KIND FREE CALLER ALLOCATOR: fails if this kernel lacks the functions
forgets() {
	echo "$2 $3 $4" 2> /dev/null > "$KM_FORGET/command" || return 1
	echo "$1" >> "$KM_TMP/kinds"
}

# frees FREE CALLER: does the caller free anything? Without SMP, the mount has its counts inside.
frees() {
	[ "$1 ${2%%,*}" != "free_percpu free_vfsmnt" ] || uname -v | grep -qw SMP
}

enough() {
	km_note "$(grep -c . "$KM_TMP/kinds") leaks of $(sort -u "$KM_TMP/kinds" | grep -c .) kinds"
	[ "$(grep -c . "$KM_TMP/kinds")" -ge 10 ] &&
		[ "$(sort -u "$KM_TMP/kinds" | grep -c .)" -ge 5 ]
}

# While this shell waits for a child, its stack must hold no dead address.
waiter() {
	(
		until grep -q do_wait "/proc/$$/stack"; do
			sleep 0.1
		done
		echo "waits $$" > "$KM_FORGET/command"
	) 2> "$KM_TMP/error" || grep -q 'not supported' "$KM_TMP/error"
}

# Only lost blocks may be reported. Stray copies of their addresses have appeared meanwhile,
# and hide more blocks than they hid from the scan right after the leak.
nothing_else() {
	km_scan
	lost
	cp "$KM_TMP/lost" "$KM_TMP/answers"
	km_compare 90 1
}

given_back() {
	km_unload kmemleak_forget && km_scan && [ "$(km_reports)" -eq 0 ]
}

km_begin
[ -d "$KM_FORGET" ] || km_load kmemleak_forget || km_skip_all "no module kmemleak-forget"
printf '#!/bin/true\n' > "$KM_TMP/script"
chmod +x "$KM_TMP/script"
mkdir "$KM_TMP/mount" "$KM_TMP/group"
mount -t cgroup -o none,name=kmemleak_forget none "$KM_TMP/group"
[ -d "$KM_TRACING/instances" ] || mount -t tracefs none "$KM_TRACING"
: > "$KM_TMP/kinds"
leaks > "$KM_TMP/leaks"
km_plan $(($(grep -c . "$KM_TMP/leaks") + 6))
km_mark
while read -r action kind free caller allocator; do
	if ! frees "$free" "$caller"; then
		km_skip "found: $action, no $free in ${caller%%,*}" "not without SMP"
	elif forgets "$kind" "$free" "$caller" "$allocator"; then
		km_test "found: $action, no $free in ${caller%%,*}" leak "$action"
	else
		km_skip "found: $action, no $free in ${caller%%,*}" "no such function"
	fi
done < "$KM_TMP/leaks"
km_test "there were at least ten leaks of five kinds" enough
km_test "a task that waits for a child holds no dead address" waiter
km_test "99 % of all lost blocks are found" km_found_all
km_test "only lost blocks are reported" nothing_else
km_test "unloading the module frees the lost blocks" given_back
km_test "the kernel log has no complaints" km_no_splat
umount "$KM_TMP/group"
km_finish
