// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers of a mark are work items of an unbound workqueue. This file starts and ends them,
 * and lets them wait. worklist.c has their work.
 */
#include <linux/cpu.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "core/mark.h"
#include "params.h"
#include "selfstack.h"
#include "workers.h"

/* A helper's work and its marker. Both are written before the work is queued. */
static struct helper {
	struct work_struct work;
	struct kmemleak_marker *marker;
} helpers[KMEMLEAK_MAX_WORKERS - 1];

/* Number of helpers used since the last join. Guarded by kmemleak_scan_mutex. */
static unsigned int nr_used;

static struct workqueue_struct *wq;
static DECLARE_WAIT_QUEUE_HEAD(wait);

static void run_helper(struct work_struct *work)
{
	struct helper *helper = container_of(work, struct helper, work);
	unsigned int slot = KMEMLEAK_SELFSTACK_HELPER(helper - helpers);

	kmemleak_selfstack_enter(slot, (unsigned long)__builtin_frame_address(0));
	kmemleak_worklist_help(helper->marker);
	kmemleak_selfstack_wipe(KMEMLEAK_WIPE_DEPTH);
	kmemleak_selfstack_leave(slot);
}

/* The next four functions are described at struct kmemleak_ops. */
void kmemleak_workers_spawn(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	struct helper *helper = &helpers[nr_used];

	if (!wq || nr_used == ARRAY_SIZE(helpers))
		return;
	nr_used++;
	helper->marker = m;
	INIT_WORK(&helper->work, run_helper);
	queue_work(wq, &helper->work);
}

void kmemleak_workers_wait(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	/* Wait for a short time: the task that scans has to check whether the scan must end. */
	wait_event_idle_timeout(wait, kmemleak_worklist_is_ready(m), HZ / 10);
}

void kmemleak_workers_wake(struct kmemleak_tracker *t)
{
	/*
	 * wq_has_sleeper() is a full barrier. Pairs with the one in wait_event(): a marker
	 * that checks again sees the changes made before this call.
	 */
	if (wq_has_sleeper(&wait))
		wake_up_all(&wait);
}

/* A helper that has not begun yet, because there was no thread for it, never begins. */
void kmemleak_workers_join(struct kmemleak_tracker *t)
{
	while (nr_used) {
		struct helper *helper = &helpers[--nr_used];

		cancel_work_sync(&helper->work);
		/* The next scan treats this as a root. By then the page may have another owner. */
		helper->marker = NULL;
	}
}

/**
 * kmemleak_workers_start() - let marks have helpers from now on
 *
 * If there is no memory, marks have no helpers.
 *
 * Context: process, once.
 */
void __init kmemleak_workers_start(void)
{
	struct workqueue_attrs *attrs = alloc_workqueue_attrs();

	wq = alloc_workqueue("kmemleak", WQ_UNBOUND | WQ_SYSFS, ARRAY_SIZE(helpers));
	if (wq && attrs) {
		attrs->nice = clamp(kmemleak_thread_nice, MIN_NICE, MAX_NICE);
		cpus_read_lock();
		/* If this fails, helpers have the priority of any other work. */
		apply_workqueue_attrs(wq, attrs);
		cpus_read_unlock();
	}
	free_workqueue_attrs(attrs);
}
