// SPDX-License-Identifier: GPL-2.0-only
/*
 * Helpers of a mark: work items of an unbound workqueue, and where they wait.
 * What they do is work.c's.
 */
#include <linux/cpu.h>
#include <linux/sched.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "glue.h"

/**
 * struct helper - one of them
 * @work: runs it
 * @marker: what it is given; written before @work is queued
 * @frame: the frame below which its stack is the detector's own
 * @task: the task that runs it; written after @frame, with release
 */
static struct helper {
	struct work_struct work;
	struct kmemleak_marker *marker;
	unsigned long frame;
	struct task_struct *task;
} helpers[KMEMLEAK_MAX_WORKERS - 1];

/* Used since the last join. Written by the task that scans, under scan_mutex. */
static unsigned int nr_used;

static struct workqueue_struct *wq;
static DECLARE_WAIT_QUEUE_HEAD(wait);

static void run_helper(struct work_struct *work)
{
	struct helper *helper = container_of(work, struct helper, work);

	WRITE_ONCE(helper->frame, (unsigned long)__builtin_frame_address(0));
	/* Pairs with kmemleak_workers_frame(). */
	smp_store_release(&helper->task, current);
	kmemleak_mark_help(helper->marker);
	kmemleak_wipe_stack(KMEMLEAK_WIPE);
	WRITE_ONCE(helper->task, NULL);
}

/**
 * kmemleak_workers_frame() - is this a helper, and what of its stack is its own?
 * @task: a task
 *
 * Context: in the task that scans; a helper may come or go meanwhile.
 * Return: a frame, or 0 if it is none.
 */
unsigned long kmemleak_workers_frame(const struct task_struct *task)
{
	unsigned int i;

	for (i = 0; i < nr_used; i++)
		/* Pairs with run_helper(). */
		if (smp_load_acquire(&helpers[i].task) == task)
			return READ_ONCE(helpers[i].frame);
	return 0;
}

/* For struct kmemleak_ops, see there. */
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
	/* For the scan's own task this is a pause as well, and those are short. */
	wait_event_idle_timeout(wait, kmemleak_mark_ready(m), HZ / 10);
}

void kmemleak_workers_wake(struct kmemleak_tracker *t)
{
	/* Full barrier inside: what was changed before is seen by who looks. */
	if (wq_has_sleeper(&wait))
		wake_up_all(&wait);
}

/* Who has not begun yet, for want of a thread to run in, never will. */
void kmemleak_workers_join(struct kmemleak_tracker *t)
{
	while (nr_used) {
		struct helper *helper = &helpers[--nr_used];

		cancel_work_sync(&helper->work);
		/* Others have that page and that stack by the next scan, perhaps. */
		helper->marker = NULL;
		helper->frame = 0;
	}
}

/**
 * kmemleak_workers_start() - from now on there can be helpers
 *
 * Without memory there are none.
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
		/* If it fails, helpers have the priority of any other work. */
		apply_workqueue_attrs(wq, attrs);
		cpus_read_unlock();
	}
	free_workqueue_attrs(attrs);
}
