// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks that wait for a grace period hang in queues that move while a mark
 * looks at them, and keep what they point at in sight though nobody uses it any
 * more. So an episode begins with letting these queues run empty, for a limited
 * time.
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

#include "glue.h"

/*
 * How many barriers were asked for, written under kmemleak_scan_mutex, and up to
 * which one all callbacks have run, written by the work.
 */
static unsigned long asked, done;
static DECLARE_WAIT_QUEUE_HEAD(wait);

/* One for each CPU. Used by the barrier's work only, and that never runs twice at once. */
static DEFINE_PER_CPU(struct work_struct, last_work);

static void do_nothing(struct work_struct *work)
{
}

/*
 * Waits until the work that is queued on system_percpu_wq by now has begun: the workers of
 * a CPU begin one work after the other. The work need not have ended: when it sleeps, another
 * worker begins the next one. That is enough: most work is short, does not sleep, and has
 * ended by then. Work that sleeps is in no queue any more, and what it has yet to free is
 * in use by the task that runs it.
 */
static void flush_workers(void)
{
	int cpu;

	for_each_online_cpu(cpu)
		queue_work_on(cpu, system_percpu_wq, per_cpu_ptr(&last_work, cpu));
	for_each_possible_cpu(cpu)
		flush_work(per_cpu_ptr(&last_work, cpu));
}

/* So often a callback can lead to work, and that to a callback, and so on. */
#define TURNS	2

/*
 * A barrier cannot be given up, so somebody else runs it. Callbacks, and work that
 * they queue, often call kvfree_rcu() or call_rcu() in turn. Where there is nothing
 * left, a turn takes next to no time.
 */
static void run_barrier(struct work_struct *work)
{
	/* Queueing orders this after the callbacks of whoever asked. */
	unsigned long n = READ_ONCE(asked);
	int turn;

	for (turn = 0; turn < TURNS; turn++) {
		kvfree_rcu_barrier();
		rcu_barrier();
		flush_workers();
	}
	kvfree_rcu_barrier();
	/* Pairs with settled(): what the callbacks did is seen by the scan. */
	smp_store_release(&done, n);
	wake_up_all(&wait);
}

static DECLARE_WORK(barrier_work, run_barrier);

static bool settled(unsigned long mine)
{
	/* Pairs with run_barrier(). */
	return smp_load_acquire(&done) == mine;
}

/* A suspend does not wake who waits like this, so the wait looks whether one is near. */
#define LOOK	max(HZ / 10, 1)

/* 0 when settled or told to stop, 1 if that took too long, -EINTR if killed. */
static int wait_settled(unsigned long mine, long left)
{
	long ret;

	for (; left > 0; left -= LOOK) {
		ret = wait_event_killable_timeout(wait, settled(mine) ||
						  kmemleak_thread_should_stop(),
						  min_t(long, left, LOOK));
		if (ret)
			return ret < 0 ? -EINTR : 0;
	}
	return 1;
}

/**
 * kmemleak_rcu_settle() - let RCU callbacks run, and free what waits, by now
 * @limit_ms: longest wait, 0 for none at all
 *
 * With a grace period that does not end, or callbacks by the million, this says
 * so in the log after @limit_ms, and the caller goes on.
 *
 * Context: process, sleeps, kmemleak_scan_mutex held.
 * Return: 0; -EINTR if the task was killed. Whoever stops the thread, suspends the
 * system or calls kmemleak_rcu_wake() ends the wait, which the mark will notice.
 */
int kmemleak_rcu_settle(unsigned int limit_ms)
{
	unsigned long mine = asked + 1;
	int ret;

	lockdep_assert_held(&kmemleak_scan_mutex);
	if (!limit_ms)
		return 0;
	WRITE_ONCE(asked, mine);
	/* If it is running for an earlier scan, it will run once more. */
	queue_work(system_dfl_wq, &barrier_work);
	ret = wait_settled(mine, msecs_to_jiffies(limit_ms));
	if (ret < 0)
		return ret;
	if (ret)
		pr_notice("RCU callbacks still waiting after %u ms, scanning all the same\n",
			  limit_ms);
	return 0;
}

/**
 * kmemleak_rcu_wake() - end the wait of a scan that shall end
 *
 * Context: process. What kmemleak_thread_should_stop() looks at was changed before.
 */
void kmemleak_rcu_wake(void)
{
	wake_up_all(&wait);
}

/**
 * kmemleak_rcu_start() - before the first kmemleak_rcu_settle()
 */
void __init kmemleak_rcu_start(void)
{
	int cpu;

	for_each_possible_cpu(cpu)
		INIT_WORK(per_cpu_ptr(&last_work, cpu), do_nothing);
}
