// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread that scans by itself: when it lives and when it scans. What a
 * scan is, is in scan.c; who may ask for the thread, in debugfs.c and main.c.
 */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/atomic.h>
#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/minmax.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/wait.h>

#include "glue.h"

/* While the period is 0, how often the thread looks whether it still is. */
#define IDLE_SECS	60

/*
 * Guards @thread. Whoever stops the thread waits under this lock for it to
 * end, and the thread may be waiting for kmemleak_scan_mutex: the latter is
 * never held when this one is taken.
 */
static DEFINE_MUTEX(thread_lock);
static struct task_struct *thread;
/*
 * The thread as it sees itself, while it runs. Written by the thread alone, so
 * that comparing with current needs no lock: only the thread can find a match.
 */
static struct task_struct *self;
/* Only kthread_stop() ends a wait early; nobody else has a reason to wake. */
static DECLARE_WAIT_QUEUE_HEAD(never);
/* How many tasks wait to turn the detector off. */
static atomic_t waiting_offs = ATOMIC_INIT(0);

/* Freezable: a suspend does not wait for the next scan. */
static void wait_secs(unsigned int secs)
{
	long left = min_t(u64, (u64)secs * HZ, MAX_JIFFY_OFFSET);

	/* The timer wheel may cap a long wait: go on with what is left. */
	while (left > 0 && !kthread_should_stop())
		left = wait_event_freezable_timeout(never, kthread_should_stop(), left);
}

/*
 * While somebody else scans, turns off or on, the thread sleeps like between scans:
 * it is not taken for a task that hangs, can be stopped, and does not hold up a suspend.
 */
static bool lock_scans(void)
{
	while (!mutex_trylock(&kmemleak_scan_mutex)) {
		wait_secs(1);
		if (kthread_should_stop())
			return false;
	}
	return true;
}

static int scan(void)
{
	int ret = 0;

	if (!lock_scans())
		return 0;
	if (kmemleak_is_on())
		ret = kmemleak_scan();
	mutex_unlock(&kmemleak_scan_mutex);
	return ret;
}

static int run(void *unused)
{
	unsigned int secs;

	WRITE_ONCE(self, current);
	set_freezable();
	set_user_nice(current, clamp(READ_ONCE(kmemleak_thread_nice), MIN_NICE, MAX_NICE));

	/* A period shorter than the first wait was chosen by somebody in a hurry. */
	wait_secs(min(READ_ONCE(kmemleak_first_scan_secs), READ_ONCE(kmemleak_scan_secs)));
	while (!kthread_should_stop()) {
		/* A scan that a suspend cut short is made up for after it. */
		if (READ_ONCE(kmemleak_scan_secs) && scan() && try_to_freeze())
			continue;
		secs = READ_ONCE(kmemleak_scan_secs);
		wait_secs(secs ?: IDLE_SECS);
	}
	WRITE_ONCE(self, NULL);
	return 0;
}

/**
 * kmemleak_thread_start() - scan automatically from now on
 *
 * The first scan comes after kmemleak_first_scan_secs or one period, whichever
 * is shorter, each further one a period after the end of the one before. A new
 * value of kmemleak_scan_secs counts from the end of the next scan. A thread
 * that runs already is left alone.
 *
 * Context: process, kmemleak_scan_mutex not held. Takes thread_lock.
 * Return: 0, -EINVAL if the period is 0, or what kthread_run() fails with.
 */
int kmemleak_thread_start(void)
{
	struct task_struct *task;
	int ret = 0;

	if (!READ_ONCE(kmemleak_scan_secs))
		return -EINVAL;

	mutex_lock(&thread_lock);
	if (thread)
		goto unlock;
	task = kthread_run(run, NULL, "kmemleak");
	if (IS_ERR(task)) {
		ret = PTR_ERR(task);
		pr_warn("No automatic scanning: cannot start the thread (error %d)\n", ret);
		goto unlock;
	}
	thread = task;
	pr_info("Automatic memory scanning thread started\n");
unlock:
	mutex_unlock(&thread_lock);
	return ret;
}

/**
 * kmemleak_thread_stop() - no automatic scan from now on
 *
 * A scan that the thread is making ends at its next pause and publishes
 * nothing. Returns when the thread is gone.
 *
 * Context: process, kmemleak_scan_mutex not held. Takes thread_lock.
 */
void kmemleak_thread_stop(void)
{
	mutex_lock(&thread_lock);
	if (thread) {
		kthread_stop(thread);
		thread = NULL;
		pr_info("Automatic memory scanning thread ended\n");
	}
	mutex_unlock(&thread_lock);
}

/**
 * kmemleak_thread_is_current() - is this task the thread?
 *
 * Context: any.
 */
bool kmemleak_thread_is_current(void)
{
	return READ_ONCE(self) == current;
}

/**
 * kmemleak_off_wait_begin() - a task is about to wait until it can turn tracking off
 *
 * Scans, and whoever turns tracking on, end at their next pause, since the wait is for
 * them. Calls nest.
 *
 * Context: process.
 */
void kmemleak_off_wait_begin(void)
{
	atomic_inc(&waiting_offs);
	/* A scan that sleeps looks again. */
	kmemleak_rcu_wake();
}

/**
 * kmemleak_off_wait_end() - the wait is over, or was given up
 *
 * Context: process.
 */
void kmemleak_off_wait_end(void)
{
	atomic_dec(&waiting_offs);
}

/**
 * kmemleak_off_waits() - does a task wait to turn tracking off?
 *
 * Context: any; without a lock, so the answer is of a moment.
 */
bool kmemleak_off_waits(void)
{
	return atomic_read(&waiting_offs);
}

/**
 * kmemleak_thread_should_stop() - whether the work of this task shall end
 *
 * A scan gives way to a suspend, which it must not hold up, nor be frozen with the
 * scan mutex held, and to whoever turns tracking off. The thread gives way to whoever
 * stops it as well. A task that asked for a scan itself gets it to the end otherwise,
 * unless it is killed. The same goes for a task that turns tracking on.
 *
 * Context: process, in the task that scans or turns tracking on.
 * Return: true if it shall.
 */
bool kmemleak_thread_should_stop(void)
{
	if (freezing(current) || kmemleak_off_waits())
		return true;
	return kmemleak_thread_is_current() ? kthread_should_stop() :
					      fatal_signal_pending(current);
}
