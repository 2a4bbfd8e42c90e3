// SPDX-License-Identifier: GPL-2.0-only
/*
 * The thread that scans by itself: when it runs and when it scans. scan.c makes the scan.
 * debugfs.c and boot.c start the thread.
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

#include "cancel.h"
#include "params.h"
#include "scan.h"
#include "state.h"
#include "thread.h"

/* While the period is 0, the thread checks the period this often. */
#define IDLE_SECS	60

/*
 * Guards @thread. kmemleak_thread_stop() waits for the end of the thread with this lock held,
 * and the thread may be waiting for kmemleak_scan_mutex. So this lock is never taken with
 * kmemleak_scan_mutex held.
 */
static DEFINE_MUTEX(thread_lock);
static struct task_struct *thread;
/* Nobody wakes this queue. Only kthread_stop() ends a wait early. */
static DECLARE_WAIT_QUEUE_HEAD(never);

/* Freezable: a suspend does not wait for the next scan. */
static void sleep_secs(unsigned int secs)
{
	long left = min_t(u64, (u64)secs * HZ, MAX_JIFFY_OFFSET);

	/* The timer wheel may cap a long wait: wait again for the rest. */
	while (left > 0 && !kthread_should_stop())
		left = wait_event_freezable_timeout(never, kthread_should_stop(), left);
}

/*
 * While another task scans, or turns tracking on or off, the thread sleeps as it does between
 * scans. So it is not reported as a hung task, it can be stopped, and it does not hold up a
 * suspend.
 */
static bool lock_scan_mutex(void)
{
	while (!mutex_trylock(&kmemleak_scan_mutex)) {
		sleep_secs(1);
		if (kthread_should_stop())
			return false;
	}
	return true;
}

static int make_scan(void)
{
	int ret = 0;

	if (!lock_scan_mutex())
		return 0;
	if (kmemleak_is_on())
		ret = kmemleak_scan();
	mutex_unlock(&kmemleak_scan_mutex);
	return ret;
}

static int run_thread(void *unused)
{
	unsigned int secs;

	kmemleak_cancel_set_thread(current);
	set_freezable();
	set_user_nice(current, clamp(READ_ONCE(kmemleak_thread_nice), MIN_NICE, MAX_NICE));

	/* If the period is shorter than the first wait, the user does not want to wait longer. */
	sleep_secs(min(READ_ONCE(kmemleak_first_scan_secs), READ_ONCE(kmemleak_scan_secs)));
	while (!kthread_should_stop()) {
		/* If a suspend cut the scan short, scan again after the suspend. */
		if (READ_ONCE(kmemleak_scan_secs) && make_scan() && try_to_freeze())
			continue;
		secs = READ_ONCE(kmemleak_scan_secs);
		sleep_secs(secs ?: IDLE_SECS);
	}
	kmemleak_cancel_set_thread(NULL);
	return 0;
}

/**
 * kmemleak_thread_start() - scan automatically from now on
 *
 * The first scan begins after kmemleak_first_scan_secs or one period, whichever is shorter.
 * Each further scan begins one period after the end of the scan before. A new value of
 * kmemleak_scan_secs takes effect at the end of the next scan. If the thread already runs,
 * nothing changes.
 *
 * Context: process, kmemleak_scan_mutex not held. Takes thread_lock.
 * Return: 0; -EINVAL if the period is 0; or the error of kthread_run().
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
	task = kthread_run(run_thread, NULL, "kmemleak");
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
 * kmemleak_thread_stop() - stop automatic scans
 *
 * If the thread is scanning, its scan ends at the next pause and publishes nothing. Returns
 * when the thread has ended.
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
