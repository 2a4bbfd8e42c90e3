// SPDX-License-Identifier: GPL-2.0-only
/*
 * A work item maintains the pool of entries. It refills the stock of free entries. It frees
 * pages of surplus entries: a second after the pool asked for that, or at once if memory is
 * short.
 *
 * A hook can be called with any lock held, a workqueue's lock for example. So the hook queues
 * an irq_work, which runs when interrupts are on again, or in a thread of its own. The
 * irq_work queues the work.
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

#include "core/entry_move.h"
#include "core/pool.h"
#include "pool_worker.h"
#include "selfstack.h"
#include "state.h"

/* The time before a trim: peaks of use often follow each other. */
#define TRIM_DELAY	HZ
/* The time before the next try, if there was no memory or a scan was running. */
#define RETRY_DELAY	(HZ / 4)

/* The stock is one entry for so many pages of memory, and some entries for each CPU. */
#define PAGES_PER_KEPT	64
#define KEPT_PER_CPU	(2 * KMEMLEAK_POOL_BATCH)
#define MAX_KEPT	BIT(16)
/* Fewer pages are not worth a grace period. */
#define MIN_PAGES	16

/* Written once, in late boot. The workqueue has a rescuer, because memory may be short. */
static struct workqueue_struct *wq;
/* Memory is short: keep only the stock. */
static bool shrink_requested;

static void maintain_pool(struct work_struct *work);
static DECLARE_DELAYED_WORK(maintain_work, maintain_pool);

/* Pages can be taken out between two scans only. Return: false if a scan may be running. */
static bool trim_pool(bool all)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	LIST_HEAD(pages);
	bool free;

	/* A scan may take long, and the stock cannot wait for its end. */
	while ((free = mutex_trylock(&kmemleak_scan_mutex))) {
		unsigned int nr = 0;

		if (kmemleak_is_on())
			nr = kmemleak_pool_trim(t, &pages, all, kmemleak_entry_move);
		mutex_unlock(&kmemleak_scan_mutex);
		if (!nr)
			break;
		/* Pairs with enter_hook(): afterwards no hook has a pointer into these pages. */
		synchronize_rcu();
		kmemleak_pool_release(t, &pages);
	}
	/* The moves have left addresses of objects on this stack. */
	kmemleak_selfstack_wipe(KMEMLEAK_WIPE_DEPTH);
	return free;
}

static void maintain_pool(struct work_struct *work)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	bool again = false;

	if (!kmemleak_is_on())
		return;
	if (READ_ONCE(shrink_requested) || kmemleak_pool_overfull(t)) {
		again = !trim_pool(READ_ONCE(shrink_requested));
		if (!again)
			WRITE_ONCE(shrink_requested, false);
	}
	if (!kmemleak_pool_restock(t) || again)
		queue_delayed_work(wq, &maintain_work, RETRY_DELAY);
}

static void queue_maintenance(struct irq_work *work)
{
	if (kmemleak_pool_low(&kmemleak_tracker))
		mod_delayed_work(wq, &maintain_work, 0);
	else
		queue_delayed_work(wq, &maintain_work, TRIM_DELAY);
}

static struct irq_work kick_work = IRQ_WORK_INIT(queue_maintenance);

/* See struct kmemleak_ops, also for kmemleak_pool_worker_each_cpu(). */
void kmemleak_pool_worker_kick(struct kmemleak_tracker *t)
{
	if (READ_ONCE(wq))
		irq_work_queue(&kick_work);
}

struct call {
	struct kmemleak_tracker *t;
	void (*call)(struct kmemleak_tracker *t);
};

static void call_on_cpu(void *info)
{
	struct call *call = info;

	call->call(call->t);
}

void kmemleak_pool_worker_each_cpu(struct kmemleak_tracker *t,
				   void (*call)(struct kmemleak_tracker *t))
{
	struct call info = { .t = t, .call = call };

	on_each_cpu(call_on_cpu, &info, 1);
}

/* ------------------------------------------------------------- shrinker -- */

static unsigned long count_surplus_pages(struct shrinker *shrinker, struct shrink_control *sc)
{
	unsigned long nr = kmemleak_is_on() ? kmemleak_pool_surplus(&kmemleak_tracker) : 0;

	return nr < MIN_PAGES ? 0 : nr;
}

/*
 * Leaves the work to maintain_pool(), which waits for a grace period before it frees pages.
 * The caller may hold any lock and should not wait so long. During a scan no page is freed,
 * because marks remember entries.
 */
static unsigned long shrink_pages(struct shrinker *shrinker, struct shrink_control *sc)
{
	if (mutex_is_locked(&kmemleak_scan_mutex))
		return SHRINK_STOP;
	WRITE_ONCE(shrink_requested, true);
	mod_delayed_work(wq, &maintain_work, 0);
	return min(sc->nr_to_scan, kmemleak_pool_surplus(&kmemleak_tracker));
}

static void __init start_shrinker(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "mm-kmemleak");

	if (!shrinker) {
		pr_warn("Not enough memory for a shrinker\n");
		return;
	}
	shrinker->count_objects = count_surplus_pages;
	shrinker->scan_objects = shrink_pages;
	shrinker_register(shrinker);
}

/**
 * kmemleak_pool_worker_size_stock() - set how many free entries the pool keeps in stock
 *
 * Context: early boot, the size of memory is known.
 */
void __init kmemleak_pool_worker_size_stock(void)
{
	unsigned long nr = totalram_pages() / PAGES_PER_KEPT + nr_cpu_ids * KEPT_PER_CPU;

	kmemleak_pool_set_stock(&kmemleak_tracker, min(nr, MAX_KEPT));
}

/**
 * kmemleak_pool_worker_start() - maintain the pool from now on
 *
 * If there is no memory, nobody maintains the pool: hooks add pages, and no page is freed.
 *
 * Context: process, once.
 */
void __init kmemleak_pool_worker_start(void)
{
	struct workqueue_struct *new = alloc_workqueue("kmemleak_pool",
						       WQ_UNBOUND | WQ_MEM_RECLAIM, 1);

	if (!new) {
		pr_warn("Not enough memory for the worker of the pool: free entries are not returned\n");
		return;
	}
	WRITE_ONCE(wq, new);
	/* The pool may have asked for maintenance already. */
	queue_delayed_work(wq, &maintain_work, 0);
	start_shrinker();
}
