// SPDX-License-Identifier: GPL-2.0-only
/*
 * "storm <seconds> <live> [faults]" puts load on every CPU. Two threads per CPU, a timer and
 * an irq_work allocate and annotate blocks, and free them, also if another CPU allocated
 * them. In the end all of these blocks are freed. A list of <live> blocks is held all the
 * time. So no scan may report a new leak. The selftests storm.sh, pressure.sh and pool.sh
 * run a storm.
 */

#include <linux/delay.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

#include "torture.h"

#define NR_SHELVES	128
#define NR_LIVE_MAX	20000
#define LIVE_SIZE	96
#define MAX_SECONDS	600

/* Places for blocks. The next user of a place frees the block that is there. */
static void *shelf[NR_SHELVES];
static LIST_HEAD(live);

static atomic_long_t nr_alloc, nr_free;

/* Puts a block on the shelf and frees the block that was there; NULL: only frees. */
static void put_on_shelf(u32 where, void *ptr)
{
	if (ptr)
		atomic_long_inc(&nr_alloc);
	ptr = xchg(&shelf[where % NR_SHELVES], ptr);
	if (ptr)
		atomic_long_inc(&nr_free);
	kfree(ptr);
}

/* ---------------------------------------------------- interrupt contexts -- */

static void irq_handler(struct irq_work *work)
{
	put_on_shelf(jiffies, kmalloc(72, GFP_ATOMIC | __GFP_NOWARN));
}

static struct irq_work irq_work = IRQ_WORK_INIT(irq_handler);

static bool timer_stop;

static void timer_handler(struct timer_list *timer)
{
	put_on_shelf(jiffies + 31, kmalloc(40, GFP_ATOMIC | __GFP_NOWARN));
	if (!READ_ONCE(timer_stop))
		mod_timer(timer, jiffies + 1);
}

static DEFINE_TIMER(timer, timer_handler);

/* ---------------------------------------------------------- operations -- */

#define GFP_STORM	(GFP_KERNEL | __GFP_NOWARN | __GFP_NORETRY)

static noinline void do_slab(struct rnd_state *rnd)
{
	size_t size = 1 + prandom_u32_state(rnd) % SZ_8K;

	put_on_shelf(prandom_u32_state(rnd), kmalloc(size >> (size & 7), GFP_STORM));
}

static noinline void do_large(struct rnd_state *rnd)
{
	kfree(kmalloc(SZ_16K << (prandom_u32_state(rnd) & 3), GFP_STORM));
}

static noinline void do_vmalloc(struct rnd_state *rnd)
{
	vfree(vmalloc((1 + prandom_u32_state(rnd) % 8) * PAGE_SIZE));
}

static noinline void do_percpu(struct rnd_state *rnd)
{
	free_percpu(__alloc_percpu(8 << (prandom_u32_state(rnd) & 7), 8));
}

#define NR_BULK	16

static noinline void do_cache(struct rnd_state *rnd)
{
	static atomic_t serial;
	void *ptrs[NR_BULK];
	struct kmem_cache *cache;
	char name[32];

	scnprintf(name, sizeof(name), "kmemleak_storm_%u", atomic_inc_return(&serial));
	cache = kmem_cache_create(name, 8 + prandom_u32_state(rnd) % 500, 0, 0, NULL);
	if (!cache)
		return;
	if (kmem_cache_alloc_bulk(cache, GFP_STORM, NR_BULK, ptrs))
		kmem_cache_free_bulk(cache, NR_BULK, ptrs);
	kmem_cache_destroy(cache);
}

static noinline void do_annotate(struct rnd_state *rnd)
{
	char *ptr = kmalloc(SZ_1K, GFP_STORM);

	if (!ptr)
		return;
	switch (prandom_u32_state(rnd) % 7) {
	case 0:
		kmemleak_not_leak(ptr);
		break;
	case 1:
		kmemleak_ignore(ptr);
		break;
	case 2:
		kmemleak_no_scan(ptr);
		break;
	case 3:
		kmemleak_scan_area(ptr + 64, 128, GFP_STORM);
		kmemleak_scan_area(ptr + 512, SIZE_MAX, GFP_STORM);
		break;
	case 4:
		kmemleak_transient_leak(ptr);
		break;
	case 5:
		kmemleak_update_trace(ptr);
		break;
	case 6:
		/* From the end, so that the rest keeps its start. */
		kmemleak_free_part(ptr + 768, 256);
		kmemleak_free_part(ptr + 256, 256);
		kmemleak_free_part(ptr + 512, 256);
		break;
	}
	kfree(ptr);
}

static noinline void do_pages(struct rnd_state *rnd)
{
	void *ptr = alloc_pages_exact(2 * PAGE_SIZE, GFP_STORM);

	if (!ptr)
		return;
	kmemleak_alloc(ptr, 2 * PAGE_SIZE, prandom_u32_state(rnd) % 3, GFP_STORM);
	kmemleak_free_part(ptr + PAGE_SIZE, PAGE_SIZE);
	kmemleak_free(ptr);
	free_pages_exact(ptr, 2 * PAGE_SIZE);
}

/*
 * User-mode Linux unmaps a module for a moment if vmalloc areas around it are purged. Code
 * that faults then is resumed, but in a hard interrupt lockdep complains.
 */
static noinline void do_irq(void)
{
	if (!IS_ENABLED(CONFIG_UML))
		irq_work_queue(&irq_work);
}

static bool with_faults;

/*
 * With faults, no caches are created: kmem_cache_create() of the base tree then leaks the
 * name of a kobject now and then, and the detector reports it.
 */
static void do_something(struct rnd_state *rnd)
{
	u32 what = prandom_u32_state(rnd) % 256;

	if (what < 150)
		do_slab(rnd);
	else if (what < 170)
		do_large(rnd);
	else if (what < 190)
		do_vmalloc(rnd);
	else if (what < 205)
		do_percpu(rnd);
	else if (what < 206 && !with_faults)
		do_cache(rnd);
	else if (what < 236)
		do_annotate(rnd);
	else if (what < 246)
		do_pages(rnd);
	else
		do_irq();
}

/* -------------------------------------------------------------- workers -- */

#define NR_WORKERS_MAX	64

static struct task_struct *workers[NR_WORKERS_MAX];
static unsigned int nr_workers;

static int work(void *arg)
{
	struct rnd_state rnd;
	unsigned long turns = 0;

#ifdef CONFIG_FAULT_INJECTION
	current->make_it_fail = with_faults;
#endif
	prandom_seed_state(&rnd, (unsigned long)arg);
	while (!kthread_should_stop()) {
		do_something(&rnd);
		if (!(++turns & 15))
			cond_resched();
	}
	torture_wipe_stack(6);
	return 0;
}

static void start_workers(void)
{
	unsigned int cpu, i;

	for_each_online_cpu(cpu) {
		for (i = 0; i < 2 && nr_workers < NR_WORKERS_MAX; i++) {
			struct task_struct *task;

			task = kthread_create_on_cpu(work, (void *)(nr_workers + 1UL),
						     cpu, "torture_storm/%u");
			if (IS_ERR(task))
				continue;
			workers[nr_workers++] = task;
			wake_up_process(task);
		}
	}
}

static void stop_workers(void)
{
	while (nr_workers)
		kthread_stop(workers[--nr_workers]);
}

static noinline int hold_live(u32 nr)
{
	u32 i;

	INIT_LIST_HEAD(&live);
	for (i = 0; i < nr; i++) {
		struct list_head *block = torture_kzalloc(LIVE_SIZE);

		if (!block)
			return -ENOMEM;
		list_add(block, &live);
		torture_expect(block, LIVE_SIZE, TORTURE_LIVE);
	}
	return 0;
}

/* storm <seconds> <live> [faults] */
int torture_storm(int argc, char **argv)
{
	u32 seconds, nr_live;
	unsigned int i;
	int ret;

	if (argc < 2 || kstrtou32(argv[0], 0, &seconds) || kstrtou32(argv[1], 0, &nr_live))
		return -EINVAL;
	if (!seconds || seconds > MAX_SECONDS || nr_live > NR_LIVE_MAX)
		return -EINVAL;
	if (argc > 3 || (argc == 3 && strcmp(argv[2], "faults")))
		return -EINVAL;
	with_faults = argc == 3;
	if (with_faults && !IS_ENABLED(CONFIG_FAULT_INJECTION))
		return -EOPNOTSUPP;
	ret = torture_reserve(nr_live);
	if (!ret)
		ret = hold_live(nr_live);
	if (ret)
		return ret;

	atomic_long_set(&nr_alloc, 0);
	atomic_long_set(&nr_free, 0);
	WRITE_ONCE(timer_stop, false);
	mod_timer(&timer, jiffies + 1);
	start_workers();
	msleep(seconds * MSEC_PER_SEC);
	stop_workers();
	WRITE_ONCE(timer_stop, true);
	timer_delete_sync(&timer);
	irq_work_sync(&irq_work);
	for (i = 0; i < NR_SHELVES; i++)
		put_on_shelf(i, NULL);
	torture_say("# storm allocated %ld freed %ld\n", atomic_long_read(&nr_alloc),
		    atomic_long_read(&nr_free));
	return 0;
}
