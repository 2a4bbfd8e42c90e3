// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks that wait for a grace period are in queues. The queues change while a mark reads
 * them. The blocks also keep other blocks reachable that nobody uses any more. So a scan
 * first lets the queues run empty, for a limited time.
 */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/slab.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "cancel.h"
#include "rcu.h"
#include "state.h"

/*
 * @asked: number of barriers requested so far; written with kmemleak_scan_mutex held.
 * @done: number of the last barrier that has ended; written by run_barrier().
 */
static unsigned long asked, done;
static DECLARE_WAIT_QUEUE_HEAD(wait);

/* Only run_barrier() uses these work items, and it never runs twice at once. */
static DEFINE_PER_CPU(struct work_struct, last_work);

static void do_nothing(struct work_struct *work)
{
}

/*
 * Waits until all work items that are queued on system_percpu_wq now have begun: the workers
 * of a CPU begin one item after the other. An item need not have ended: if it sleeps,
 * another worker begins the next item. That is enough. Most items are short, do not sleep,
 * and have ended by then. An item that sleeps is in no queue any more, and the blocks that it
 * has yet to free are in use by its worker.
 */
static void flush_workers(void)
{
	int cpu;

	for_each_online_cpu(cpu)
		queue_work_on(cpu, system_percpu_wq, per_cpu_ptr(&last_work, cpu));
	for_each_possible_cpu(cpu)
		flush_work(per_cpu_ptr(&last_work, cpu));
}

/* A callback can queue work, and that work can queue a callback: follow it so many times. */
#define TURNS	2

/*
 * A task cannot give up waiting for a barrier, so a work item waits for it. Callbacks, and
 * work that they queue, often call kvfree_rcu() or call_rcu() themselves. If nothing is left,
 * a turn takes hardly any time.
 */
static void run_barrier(struct work_struct *work)
{
	/* queue_work() orders this after the callbacks that the scanning task has queued. */
	unsigned long n = READ_ONCE(asked);
	int turn;

	for (turn = 0; turn < TURNS; turn++) {
		kvfree_rcu_barrier();
		rcu_barrier();
		flush_workers();
	}
	kvfree_rcu_barrier();
	/* Pairs with barrier_is_done(): the scan sees all that the callbacks did. */
	smp_store_release(&done, n);
	wake_up_all(&wait);
}

static DECLARE_WORK(barrier_work, run_barrier);

static bool barrier_is_done(unsigned long mine)
{
	/* Pairs with run_barrier(). */
	return smp_load_acquire(&done) == mine;
}

/* A suspend does not wake a task from a killable wait, so the task checks this often. */
#define LOOK	max(HZ / 10, 1)

/* Return: 0 if the barrier is done or the scan must end; 1 if time is up; -EINTR if killed. */
static int wait_for_barrier(unsigned long mine, long left)
{
	long ret;

	for (; left > 0; left -= LOOK) {
		ret = wait_event_killable_timeout(wait, barrier_is_done(mine) ||
						  kmemleak_cancel_requested(),
						  min_t(long, left, LOOK));
		if (ret)
			return ret < 0 ? -EINTR : 0;
	}
	return 1;
}

/**
 * kmemleak_rcu_drain() - run the RCU callbacks and free the blocks that are queued now
 * @limit_ms: longest wait; 0: do not wait
 *
 * A grace period may never end, or there may be millions of callbacks. Then the log says
 * after @limit_ms that callbacks are left, and the caller goes on.
 *
 * Context: process, sleeps, kmemleak_scan_mutex held.
 * Return: 0; -EINTR if the task was killed. The wait also ends, with 0, if the thread is
 * stopped, the system is suspended or kmemleak_rcu_wake() is called. The mark that follows
 * then ends at once.
 */
int kmemleak_rcu_drain(unsigned int limit_ms)
{
	unsigned long mine = asked + 1;
	int ret;

	lockdep_assert_held(&kmemleak_scan_mutex);
	if (!limit_ms)
		return 0;
	WRITE_ONCE(asked, mine);
	/* If the work is running for an earlier scan, it runs once more. */
	queue_work(system_dfl_wq, &barrier_work);
	ret = wait_for_barrier(mine, msecs_to_jiffies(limit_ms));
	if (ret < 0)
		return ret;
	if (ret)
		pr_notice("RCU callbacks are still queued after %u ms, scanning anyway\n",
			  limit_ms);
	return 0;
}

/**
 * kmemleak_rcu_wake() - end the wait of a scan that must end
 *
 * Context: process. The caller has made kmemleak_cancel_requested() true for the scan.
 */
void kmemleak_rcu_wake(void)
{
	wake_up_all(&wait);
}

/**
 * kmemleak_rcu_start() - set up, before the first kmemleak_rcu_drain()
 */
void __init kmemleak_rcu_start(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		INIT_WORK(per_cpu_ptr(&last_work, cpu), do_nothing);
}
