// SPDX-License-Identifier: GPL-2.0-only
/*
 * Care of the pool of entries, by a work item. It refills the stock of free entries.
 * It gives pages back that the blocks do not need: a second after the pool asked for
 * that, or at once when memory is short.
 *
 * A hook can be called under any lock, among them those of the workqueues. So it queues
 * an irq_work, which runs when interrupts are on again, or in a thread of its own, and
 * that one queues the work.
 */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/shrinker.h>
#include <linux/smp.h>
#include <linux/workqueue.h>

#include "glue.h"

/* Peaks that follow each other soon are one. */
#define TRIM_DELAY	HZ
/* Until there is memory again, or no scan any more. */
#define RETRY_DELAY	(HZ / 4)

/* An entry for so many pages of memory, and a few for each CPU. */
#define PAGES_PER_KEPT	64
#define KEPT_PER_CPU	(2 * KMEMLEAK_POOL_BATCH)
#define MAX_KEPT	BIT(16)
/* Fewer pages are not worth a grace period. */
#define MIN_PAGES	16

/* Written once, in late boot. It has a rescuer, as memory may be short. */
static struct workqueue_struct *wq;
/* Memory is short: leave only the stock. */
static bool squeeze;

static void tend(struct work_struct *work);
static DECLARE_DELAYED_WORK(tend_work, tend);

/* Pages are taken out between two scans. Return: false if there is one. */
static bool trim(bool all)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	LIST_HEAD(pages);
	unsigned int nr;

	do {
		nr = 0;
		/* The end of a scan is far away; the stock cannot wait for it. */
		if (!mutex_trylock(&kmemleak_scan_mutex))
			return false;
		if (kmemleak_is_on())
			nr = kmemleak_pool_trim(t, &pages, all);
		mutex_unlock(&kmemleak_scan_mutex);
		if (!nr)
			break;
		/* Pairs with enter() in hooks.c: no hook has a pointer to them afterwards. */
		synchronize_rcu();
		kmemleak_pool_release(t, &pages);
	} while (nr);
	/* Objects that moved have left their addresses there. */
	kmemleak_wipe_stack(KMEMLEAK_WIPE);
	return true;
}

static void tend(struct work_struct *work)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	bool again = false;

	if (!kmemleak_is_on())
		return;
	if (READ_ONCE(squeeze) || kmemleak_pool_overfull(t)) {
		again = !trim(READ_ONCE(squeeze));
		if (!again)
			WRITE_ONCE(squeeze, false);
	}
	if (!kmemleak_pool_restock(t) || again)
		queue_delayed_work(wq, &tend_work, RETRY_DELAY);
}

static void kick(struct irq_work *work)
{
	if (kmemleak_pool_low(&kmemleak_tracker))
		mod_delayed_work(wq, &tend_work, 0);
	else
		queue_delayed_work(wq, &tend_work, TRIM_DELAY);
}

static struct irq_work kick_work = IRQ_WORK_INIT(kick);

/* For struct kmemleak_ops, see there; also each_cpu. */
void kmemleak_tend(struct kmemleak_tracker *t)
{
	if (READ_ONCE(wq))
		irq_work_queue(&kick_work);
}

struct call {
	struct kmemleak_tracker *t;
	void (*call)(struct kmemleak_tracker *t);
};

static void run_call(void *info)
{
	struct call *call = info;

	call->call(call->t);
}

void kmemleak_each_cpu(struct kmemleak_tracker *t, void (*call)(struct kmemleak_tracker *t))
{
	struct call info = { .t = t, .call = call };

	on_each_cpu(run_call, &info, 1);
}

/* ------------------------------------------------------------- shrinker -- */

static unsigned long count_pages(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long nr = kmemleak_is_on() ? kmemleak_pool_surplus(&kmemleak_tracker) : 0;

	return nr < MIN_PAGES ? 0 : nr;
}

/*
 * The pages are free a grace period later. The caller cannot wait for it, as it may hold
 * a lock that a hook waits for. During a scan there are none: marks remember entries.
 */
static unsigned long shrink_pages(struct shrinker *shrinker, struct shrink_control *sc)
{
	if (mutex_is_locked(&kmemleak_scan_mutex))
		return SHRINK_STOP;
	WRITE_ONCE(squeeze, true);
	mod_delayed_work(wq, &tend_work, 0);
	return min(sc->nr_to_scan, kmemleak_pool_surplus(&kmemleak_tracker));
}

static void __init start_shrinker(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "mm-kmemleak");

	if (!shrinker) {
		pr_warn("little memory, no shrinker\n");
		return;
	}
	shrinker->count_objects = count_pages;
	shrinker->scan_objects = shrink_pages;
	shrinker_register(shrinker);
}

/**
 * kmemleak_tend_keep() - how many entries the pool is to keep for bad times
 *
 * Context: early boot, the size of memory is known.
 */
void __init kmemleak_tend_keep(void)
{
	unsigned long nr = totalram_pages() / PAGES_PER_KEPT + nr_cpu_ids * KEPT_PER_CPU;

	kmemleak_pool_keep(&kmemleak_tracker, min(nr, MAX_KEPT));
}

/**
 * kmemleak_tend_start() - from now on the pool is seen to
 *
 * Without memory it is not: then hooks help themselves, and its pages stay.
 *
 * Context: process, once.
 */
void __init kmemleak_tend_start(void)
{
	struct workqueue_struct *new = alloc_workqueue("kmemleak_pool",
						       WQ_UNBOUND | WQ_MEM_RECLAIM, 1);

	if (!new) {
		pr_warn("little memory, entries of blocks are not given back\n");
		return;
	}
	WRITE_ONCE(wq, new);
	/* The pool may have asked already. */
	queue_delayed_work(wq, &tend_work, 0);
	start_shrinker();
}
