// SPDX-License-Identifier: GPL-2.0-only
/*
 * "rcu <ms>" makes blocks wait for a grace period, and a thread that lets none end for so
 * long. A scan must not report the waiting blocks, nor the blocks that they point to. The
 * selftest rcu.sh tests this, and how long a scan waits for RCU.
 */

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>

#include "torture.h"

#define NR_QUEUED	16
#define SIZE		192
/* For more than 15 s, first turn off the detectors of stalls and lockups. */
#define MAX_HOLD_MS	1000000

struct queued {
	void *child;
	unsigned long payload[3];
	struct rcu_head rcu;
};

static_assert(sizeof(struct queued) <= SIZE);

static struct task_struct *reader;
/*
 * Memory of this cache is freed after a grace period. If a block of it lies in KFENCE's
 * pool, KFENCE queues its record of the block.
 */
static struct kmem_cache *delayed;
static unsigned long fenced[NR_QUEUED];	/* veiled; 0: KFENCE serves none */
static DECLARE_COMPLETION(reading);

/* A long read-side section: no grace period ends meanwhile. */
static int read_on(void *hold_ms)
{
	unsigned long end = jiffies + msecs_to_jiffies((unsigned long)hold_ms);

	preempt_disable();
	rcu_read_lock();
	complete(&reading);
	while (!kthread_should_stop() && time_before(jiffies, end))
		cpu_relax();
	rcu_read_unlock();
	preempt_enable();
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static int start_reader(unsigned int cpu, unsigned long hold_ms)
{
	struct task_struct *task = kthread_create(read_on, (void *)hold_ms, "torture_reader");

	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, cpu);
	reader = task;
	wake_up_process(task);
	wait_for_completion(&reading);
	return 0;
}

static void free_queued(struct rcu_head *rcu)
{
	kfree(container_of(rcu, struct queued, rcu));
}

/* Only RCU's queue points to the block, to an address in its middle. */
static noinline int queue_block(void)
{
	struct queued *queued = kzalloc(SIZE, GFP_KERNEL);

	if (!queued)
		return -ENOMEM;
	torture_expect(queued, SIZE, TORTURE_LIVE);
	call_rcu(&queued->rcu, free_queued);
	return 0;
}

/* Call this before the reader starts: KFENCE's work may have to wait for the reader's CPU. */
static noinline int get_fenced(void)
{
	unsigned int i;

	memset(fenced, 0, sizeof(fenced));
	if (!torture_has_fences())
		return 0;
	delayed = kmem_cache_create("torture_delayed", SIZE, 0, SLAB_TYPESAFE_BY_RCU, NULL);
	if (!delayed)
		return -ENOMEM;
	for (i = 0; i < NR_QUEUED; i++) {
		void *ptr = torture_fenced(SIZE, delayed);

		if (!ptr)
			return -ENOMEM;
		fenced[i] = torture_veil(ptr);
	}
	return 0;
}

static noinline void queue_fenced(unsigned int i)
{
	if (fenced[i])
		kmem_cache_free(delayed, torture_unveil(fenced[i]));
	fenced[i] = 0;
}

/*
 * The queue of kvfree_rcu() consists of pages that are not tracked. Only the queued block
 * points to its child, which the reset frees.
 */
static noinline int queue_parent(bool with_head)
{
	struct queued *queued = kzalloc(SIZE, GFP_KERNEL);
	void *child = torture_kzalloc(SIZE);

	if (!queued || !child) {
		kfree(queued);
		return -ENOMEM;
	}
	queued->child = child;
	torture_expect(queued, SIZE, TORTURE_LIVE);
	torture_expect(child, SIZE, TORTURE_LIVE);
	if (with_head)
		kfree_rcu(queued, rcu);
	else
		kvfree_rcu_mightsleep(queued);
	return 0;
}

/* rcu <ms>: no grace period ends for so long, or until the reset */
int torture_rcu(int argc, char **argv)
{
	unsigned int cpu = cpumask_last(cpu_online_mask);
	unsigned int i, hold_ms;
	int ret;

	if (argc != 1 || kstrtouint(argv[0], 0, &hold_ms) || hold_ms > MAX_HOLD_MS)
		return -EINVAL;
	if (reader)
		return -EBUSY;
	/* With one CPU, no scan could run meanwhile. */
	if (num_online_cpus() == 1)
		return -EOPNOTSUPP;
	ret = torture_decoys(SIZE, 64) ?: get_fenced() ?: start_reader(cpu, hold_ms);
	for (i = 0; !ret && i < NR_QUEUED; i++) {
		queue_fenced(i);
		ret = queue_block() ?: queue_parent(true) ?: queue_parent(false);
	}
	return ret;
}

void torture_rcu_reset(void)
{
	unsigned int i;

	if (!reader && !delayed)
		return;
	if (reader)
		kthread_stop(reader);
	reader = NULL;
	for (i = 0; i < NR_QUEUED; i++)
		queue_fenced(i);
	/* Wait for the RCU callbacks: they run code of this module. */
	rcu_barrier();
	kmem_cache_destroy(delayed);
	delayed = NULL;
}
