// SPDX-License-Identifier: GPL-2.0-only
/* Must the work that a task does for the detector end early? */
#include <linux/atomic.h>
#include <linux/compiler.h>
#include <linux/freezer.h>
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>

#include "cancel.h"

/* Number of tasks that wait to turn tracking off. */
static atomic_t waiting_offs = ATOMIC_INIT(0);

/*
 * The thread that scans by itself, or NULL. The thread alone writes this. So comparing it
 * with current needs no lock: only the thread can find a match.
 */
static struct task_struct *scan_thread;

/**
 * kmemleak_cancel_set_thread() - tell which task is the thread that scans by itself
 * @task: the current task, or NULL when it ends
 */
void kmemleak_cancel_set_thread(struct task_struct *task)
{
	WRITE_ONCE(scan_thread, task);
}

/**
 * kmemleak_cancel_is_thread() - is the current task the thread that scans by itself?
 *
 * Context: any.
 */
bool kmemleak_cancel_is_thread(void)
{
	return READ_ONCE(scan_thread) == current;
}

/**
 * kmemleak_cancel_off_begin() - the current task waits until it can turn tracking off
 *
 * A scan ends at its next pause, and so does a task that turns tracking on. Calls nest.
 *
 * Context: process.
 */
void kmemleak_cancel_off_begin(void)
{
	atomic_inc(&waiting_offs);
}

/**
 * kmemleak_cancel_off_end() - the wait is over, or was given up
 *
 * Context: process.
 */
void kmemleak_cancel_off_end(void)
{
	atomic_dec(&waiting_offs);
}

/**
 * kmemleak_cancel_off_waits() - does a task wait to turn tracking off?
 *
 * Context: any. Takes no lock, so the answer may be outdated at once.
 */
bool kmemleak_cancel_off_waits(void)
{
	return atomic_read(&waiting_offs);
}

/**
 * kmemleak_cancel_requested() - must the work of the current task end?
 *
 * The work is a scan or turning tracking on. It ends for a suspend, which it must not hold
 * up: the task must not be frozen with the scan mutex held. It ends for a task that turns
 * tracking off. The thread also ends its scan if somebody stops the thread. Any other task
 * asked for the work itself, and ends it only if it is killed. A helper of a mark notices
 * only a task that turns tracking off. It learns of the rest by the error of the mark.
 *
 * Context: process, in a task that does the work.
 */
bool kmemleak_cancel_requested(void)
{
	if (freezing(current) || kmemleak_cancel_off_waits())
		return true;
	return kmemleak_cancel_is_thread() ? kthread_should_stop() :
					     fatal_signal_pending(current);
}
