// SPDX-License-Identifier: GPL-2.0-only
/*
 * A module that loses memory by named recipes. For each block it prints the result that the
 * detector should have:
 *
 *   kmemleak-test: recipe=<name> expect=<leak|none> addr=0x<hex> size=<bytes>
 *
 * A line of a per-cpu block ends with " percpu=1". The last line is
 * "kmemleak-test: done recipes=<n>". The module only loses blocks and announces them. The
 * reader compares the log with the reports.
 *
 * If a recipe left a copy of an address in memory that the detector scans, the block would
 * look reachable. So recipes run in a thread that wipes the unused part of its stack and
 * ends before the last line is printed. Addresses that the module needs later are stored
 * veiled. All sizes are sizes that the allocators hand out exactly, because a report shows
 * the size of the allocator's block.
 *
 * Unloading the module frees the blocks that are expected not to be reported. It also frees
 * the blocks of the slab cache, because the cache could not be destroyed otherwise. The
 * other leaks stay.
 */

#define pr_fmt(fmt) "kmemleak-test: " fmt

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kasan.h>
#include <linux/kernel.h>
#include <linux/kmemleak.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>

static char *recipes = "all";
module_param(recipes, charp, 0444);
MODULE_PARM_DESC(recipes, "comma separated names of recipes, or \"all\"");

/* ---------------------------------------------------- veiled addresses -- */

/* Turns each kernel address into a number that is no kernel address, and back. */
#define VEIL	(~0UL / 0xff * 0x5a)

static unsigned long veil(const void *ptr)
{
	return (unsigned long)ptr ^ VEIL;
}

static void *unveil(unsigned long veiled)
{
	return (void *)(veiled ^ VEIL);
}

enum how {
	HOW_KFREE,
	HOW_CACHE,
};

#define CACHE_SIZE	208	/* a multiple of 8, and no size of a kmalloc() cache */
#define NR_KEPT		64

/* Blocks that unloading frees, besides those in the held_* variables below. */
static struct {
	unsigned long veiled;
	enum how how;
} kept[NR_KEPT];

static unsigned int nr_kept;

static struct kmem_cache *cache;

/* A cache with a constructor is not merged with another cache of a similar size. */
static void init_object(void *ptr)
{
	memset(ptr, 0, CACHE_SIZE);
}

static void keep(const void *ptr, enum how how)
{
	if (WARN_ON(nr_kept == NR_KEPT))
		return;
	kept[nr_kept].veiled = veil(ptr);
	kept[nr_kept].how = how;
	nr_kept++;
}

/* ------------------------------------------------------- announcements -- */

enum verdict {
	LEAK,
	NONE,
};

static const char *recipe_name;

/* The address as reports show it: without the tag that KASAN may keep in the pointer. */
static unsigned long shown(const void *ptr)
{
	return (unsigned long)kasan_reset_tag(ptr);
}

static noinline void announce(const void *ptr, size_t size, enum verdict verdict)
{
	pr_info("recipe=%s expect=%s addr=0x%lx size=%zu\n", recipe_name,
		verdict == LEAK ? "leak" : "none", shown(ptr), size);
}

static noinline void announce_percpu(const void __percpu *ptr, size_t size)
{
	pr_info("recipe=%s expect=leak addr=0x%lx size=%zu percpu=1\n",
		recipe_name, shown((__force const void *)ptr), size);
}

/* -------------------------------------------------------- plain losses -- */

#define NR_BULK		5

static noinline int leak_cache_object(void)
{
	void *ptr = kmem_cache_alloc(cache, GFP_KERNEL);

	if (!ptr)
		return -ENOMEM;
	announce(ptr, CACHE_SIZE, LEAK);
	keep(ptr, HOW_CACHE);
	return 0;
}

static noinline int leak_cache_bulk(void)
{
	void *ptrs[NR_BULK];
	int i;

	if (!kmem_cache_alloc_bulk(cache, GFP_KERNEL, NR_BULK, ptrs))
		return -ENOMEM;
	for (i = 0; i < NR_BULK; i++) {
		announce(ptrs[i], CACHE_SIZE, LEAK);
		keep(ptrs[i], HOW_CACHE);
	}
	memzero_explicit(ptrs, sizeof(ptrs));
	return 0;
}

/*
 * Writes the whole block, as its owner would. Pointers that a previous owner left there
 * would count as references as soon as the leak is cleared. They would hide other leaks for
 * as long as the kernel runs.
 */
static void fill(void *ptr, size_t size)
{
	memset(ptr, 0x5a, size);
}

static noinline int leak_kmalloc(void)
{
	static const size_t sizes[] = {
		8, 64, 96, 192, 1024, 8192, SZ_64K, SZ_256K,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		void *ptr = kmalloc(sizes[i], GFP_KERNEL);

		if (!ptr)
			return -ENOMEM;
		fill(ptr, sizes[i]);
		announce(ptr, sizes[i], LEAK);
	}
	return 0;
}

static noinline int leak_kzalloc(void)
{
	void *ptr = kzalloc(128, GFP_KERNEL);

	if (!ptr)
		return -ENOMEM;
	announce(ptr, 128, LEAK);
	return 0;
}

static noinline int leak_vmalloc(void)
{
	void *ptr = vmalloc(3 * PAGE_SIZE);

	if (!ptr)
		return -ENOMEM;
	fill(ptr, 3 * PAGE_SIZE);
	announce(ptr, 3 * PAGE_SIZE, LEAK);
	return 0;
}

static noinline int leak_percpu(void)
{
	void __percpu *ptr = __alloc_percpu(64, 64);

	if (!ptr)
		return -ENOMEM;
	announce_percpu(ptr, 64);
	return 0;
}

/* ------------------------------------------------- blocks that hold blocks -- */

struct node {
	struct list_head list;
	unsigned long payload[4];
};

static_assert(sizeof(struct node) <= CACHE_SIZE);

/*
 * The nodes come from a cache that nobody else uses. A single leftover reference to the
 * address of one node would make all nodes reachable.
 */
static noinline int leak_list(void)
{
	struct list_head *head = kmalloc(sizeof(*head), GFP_KERNEL);
	struct node *node;
	int i;

	if (!head)
		return -ENOMEM;
	INIT_LIST_HEAD(head);
	for (i = 0; i < 4; i++) {
		node = kmem_cache_alloc(cache, GFP_KERNEL);
		if (!node)
			return -ENOMEM;
		keep(node, HOW_CACHE);
		list_add_tail(&node->list, head);
		announce(node, CACHE_SIZE, LEAK);
	}
	/* The nodes still point to each other, but nothing else points to them. */
	list_del_init(head);
	kfree(head);
	return 0;
}

static noinline int leak_cycle(void)
{
	void **a = kzalloc(32, GFP_KERNEL);
	void **b = kzalloc(512, GFP_KERNEL);
	void **c = vzalloc(PAGE_SIZE);

	if (!a || !b || !c)
		return -ENOMEM;
	a[1] = b;
	b[7] = c + 5;
	c[100] = a;
	announce(a, 32, LEAK);
	announce(b, 512, LEAK);
	announce(c, PAGE_SIZE, LEAK);
	return 0;
}

/* --------------------------------------------------- interrupt context -- */

static unsigned long veiled_irq;
static DECLARE_COMPLETION(timer_done);

/*
 * Interrupt stacks are roots. Values that a handler leaves below its frame stay there until
 * another interrupt uses the stack as deep. Threads have the same problem.
 */
static noinline void wipe_stack(int depth)
{
	unsigned long pad[128];

	memzero_explicit(pad, sizeof(pad));
	if (depth)
		wipe_stack(depth - 1);
	/* Also prevents that the call above becomes a tail call. */
	memzero_explicit(pad, sizeof(pad));
}

static noinline void leak_in_interrupt(void)
{
	WRITE_ONCE(veiled_irq, veil(kzalloc(256, GFP_ATOMIC)));
}

static void irq_handler(struct irq_work *work)
{
	leak_in_interrupt();
	wipe_stack(2);
}

static noinline int announce_interrupt(void)
{
	void *ptr = unveil(veiled_irq);

	if (!ptr)
		return -ENOMEM;
	announce(ptr, 256, LEAK);
	return 0;
}

static noinline int leak_hardirq(void)
{
	/* With PREEMPT_RT interrupts cannot allocate, so the work runs in a thread. */
	static struct irq_work work = IRQ_WORK_INIT(irq_handler);

	irq_work_queue(&work);
	irq_work_sync(&work);
	return announce_interrupt();
}

static void timer_handler(struct timer_list *timer)
{
	leak_in_interrupt();
	wipe_stack(2);
	complete(&timer_done);
}

static noinline int leak_softirq(void)
{
	static DEFINE_TIMER(timer, timer_handler);

	reinit_completion(&timer_done);
	mod_timer(&timer, jiffies + 1);
	wait_for_completion(&timer_done);
	timer_delete_sync(&timer);
	return announce_interrupt();
}

/* ---------------------------------------------------------------- parts -- */

/*
 * Registers four pages as one block, and frees the second page. The first page stays lost,
 * and the last two pages stay lost as a block of their own.
 */
static noinline int leak_free_part(void)
{
	char *ptr = alloc_pages_exact(4 * PAGE_SIZE, GFP_KERNEL | __GFP_ZERO);

	if (!ptr)
		return -ENOMEM;
	kmemleak_alloc(ptr, 4 * PAGE_SIZE, 1, GFP_KERNEL);
	kmemleak_free_part(ptr + PAGE_SIZE, PAGE_SIZE);
	free_pages_exact(ptr + PAGE_SIZE, PAGE_SIZE);
	announce(ptr, PAGE_SIZE, LEAK);
	announce(ptr + 2 * PAGE_SIZE, 2 * PAGE_SIZE, LEAK);
	return 0;
}

/* ------------------------------------------------------------ held blocks -- */

static void *held_data[2] = { (void *)1UL, NULL };
static void *held_bss;
static DEFINE_PER_CPU(void *, held_percpu);
static char *held_interior;
static void **held_no_scan;
static void **held_areas;

static noinline int hold_interior(void)
{
	char *ptr = kzalloc(2048, GFP_KERNEL);

	if (!ptr)
		return -ENOMEM;
	announce(ptr, 2048, NONE);
	held_interior = ptr + 1999;
	return 0;
}

static noinline int hold_data(void)
{
	held_data[1] = kzalloc(64, GFP_KERNEL);
	if (!held_data[1])
		return -ENOMEM;
	announce(held_data[1], 64, NONE);
	return 0;
}

static noinline int hold_bss(void)
{
	held_bss = kzalloc(64, GFP_KERNEL);
	if (!held_bss)
		return -ENOMEM;
	announce(held_bss, 64, NONE);
	return 0;
}

static noinline int hold_percpu(void)
{
	void *ptr = kzalloc(64, GFP_KERNEL);

	if (!ptr)
		return -ENOMEM;
	announce(ptr, 64, NONE);
	per_cpu(held_percpu, cpumask_last(cpu_possible_mask)) = ptr;
	return 0;
}

/* ------------------------------------------------------------ annotations -- */

static noinline int lose_annotated(void (*annotate)(const void *ptr))
{
	void *ptr = kzalloc(64, GFP_KERNEL);

	if (!ptr)
		return -ENOMEM;
	annotate(ptr);
	announce(ptr, 64, NONE);
	keep(ptr, HOW_KFREE);
	return 0;
}

static int lose_not_leak(void)
{
	return lose_annotated(kmemleak_not_leak);
}

static int lose_ignore(void)
{
	return lose_annotated(kmemleak_ignore);
}

/* The first scan does not report the block. The second scan does. */
static int lose_transient(void)
{
	return lose_annotated(kmemleak_transient_leak);
}

static noinline int leak_no_scan(void)
{
	void **parent = kzalloc(128, GFP_KERNEL);
	void *child = kzalloc(64, GFP_KERNEL);

	if (!parent || !child)
		return -ENOMEM;
	parent[3] = child;
	kmemleak_no_scan(parent);
	held_no_scan = parent;
	announce(parent, 128, NONE);
	announce(child, 64, LEAK);
	return 0;
}

static noinline int leak_scan_area(void)
{
	void **parent = kzalloc(256, GFP_KERNEL);
	void *inside = kzalloc(64, GFP_KERNEL);
	void *outside = kzalloc(64, GFP_KERNEL);

	if (!parent || !inside || !outside)
		return -ENOMEM;
	parent[4] = inside;
	parent[20] = outside;
	kmemleak_scan_area(&parent[2], 8 * sizeof(void *), GFP_KERNEL);
	held_areas = parent;
	announce(parent, 256, NONE);
	announce(inside, 64, NONE);
	announce(outside, 64, LEAK);
	return 0;
}

/* ---------------------------------------------------------------- module -- */

static const struct recipe {
	const char *name;
	int (*run)(void);
} all_recipes[] = {
	{ "cache",	leak_cache_object },
	{ "bulk",	leak_cache_bulk },
	{ "kmalloc",	leak_kmalloc },
	{ "kzalloc",	leak_kzalloc },
	{ "vmalloc",	leak_vmalloc },
	{ "percpu",	leak_percpu },
	{ "list",	leak_list },
	{ "cycle",	leak_cycle },
	{ "hardirq",	leak_hardirq },
	{ "softirq",	leak_softirq },
	{ "free_part",	leak_free_part },
	{ "interior",	hold_interior },
	{ "data",	hold_data },
	{ "bss",	hold_bss },
	{ "percpu_var",	hold_percpu },
	{ "not_leak",	lose_not_leak },
	{ "ignore",	lose_ignore },
	{ "transient",	lose_transient },
	{ "no_scan",	leak_no_scan },
	{ "scan_area",	leak_scan_area },
};

static const struct recipe *find_recipe(const char *name, size_t len)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all_recipes); i++)
		if (strlen(all_recipes[i].name) == len &&
		    !strncmp(all_recipes[i].name, name, len))
			return &all_recipes[i];
	return NULL;
}

static int run_recipe(const struct recipe *recipe)
{
	int ret;

	recipe_name = recipe->name;
	ret = recipe->run();
	if (ret)
		pr_err("recipe=%s failed: %d\n", recipe->name, ret);
	return ret;
}

static int run_listed(const char *list)
{
	int n = 0;
	int ret;

	while (*list) {
		size_t len = strcspn(list, ",\n");
		const struct recipe *recipe = find_recipe(list, len);

		if (!recipe) {
			pr_err("no recipe \"%.*s\"\n", (int)len, list);
			return -EINVAL;
		}
		ret = run_recipe(recipe);
		if (ret)
			return ret;
		n++;
		list += len;
		if (*list)
			list++;
	}
	return n;
}

static int run_all(void)
{
	unsigned int i;
	int ret;

	for (i = 0; i < ARRAY_SIZE(all_recipes); i++) {
		ret = run_recipe(&all_recipes[i]);
		if (ret)
			return ret;
	}
	return ARRAY_SIZE(all_recipes);
}

#define NR_DECOYS	32	/* of each size */
#define NR_VMALLOC	64	/* of one page */

/*
 * A block that was allocated long ago and not zeroed may still hold the address of the free
 * slot that was next on the free list. The block that is there now would look reachable.
 * Addresses where a task's stack was have the same problem. So decoys, linked by their
 * first word, take up these places while recipes run.
 */
static void *take_decoys(void)
{
	static const unsigned int sizes[] = {
		8, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 8192,
	};
	void **decoys = NULL;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes) * NR_DECOYS + NR_VMALLOC; i++) {
		unsigned int size = i / NR_DECOYS;
		void **decoy = size < ARRAY_SIZE(sizes) ? kmalloc(sizes[size], GFP_KERNEL) :
							  vmalloc(PAGE_SIZE);

		if (!decoy)
			break;
		*decoy = decoys;
		decoys = decoy;
	}
	return decoys;
}

static void free_decoys(void **decoys)
{
	while (decoys) {
		void **next = *decoys;

		kvfree(decoys);
		decoys = next;
	}
}

#define NR_PERCPU	512	/* of 64 bytes; more than the first chunk has room for */

struct percpu_decoy {
	struct percpu_decoy __percpu *next;
};

/* Per-cpu addresses in the first chunk are so low that many plain numbers equal one. */
static struct percpu_decoy __percpu *take_percpu_decoys(void)
{
	struct percpu_decoy __percpu *decoys = NULL;
	unsigned int i;

	for (i = 0; i < NR_PERCPU; i++) {
		struct percpu_decoy __percpu *decoy = __alloc_percpu(64, 64);

		if (!decoy)
			break;
		per_cpu_ptr(decoy, 0)->next = decoys;
		decoys = decoy;
	}
	return decoys;
}

static void free_percpu_decoys(struct percpu_decoy __percpu *decoys)
{
	while (decoys) {
		struct percpu_decoy __percpu *next = per_cpu_ptr(decoys, 0)->next;

		free_percpu(decoys);
		decoys = next;
	}
}

static DECLARE_COMPLETION(cooked);

static int cook(void *unused)
{
	struct percpu_decoy __percpu *percpu_decoys = take_percpu_decoys();
	void *decoys = take_decoys();
	int ret;

	if (!strcmp(recipes, "all"))
		ret = run_all();
	else
		ret = run_listed(recipes);
	free_decoys(decoys);
	free_percpu_decoys(percpu_decoys);
	wipe_stack(6);
	complete(&cooked);
	/* kthread_stop() fetches the result. The task must exist until then. */
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return ret;
}

static void free_kept(void)
{
	while (nr_kept) {
		void *ptr = unveil(kept[--nr_kept].veiled);

		if (kept[nr_kept].how == HOW_CACHE)
			kmem_cache_free(cache, ptr);
		else
			kfree(ptr);
	}
}

/* Frees all blocks that a variable of this module still leads to. */
static void free_all(void)
{
	free_kept();
	kmem_cache_destroy(cache);
	if (held_interior)
		kfree(held_interior - 1999);
	kfree(held_data[1]);
	kfree(held_bss);
	kfree(per_cpu(held_percpu, cpumask_last(cpu_possible_mask)));
	kfree(held_no_scan);
	if (held_areas)
		kfree(held_areas[4]);
	kfree(held_areas);
}

static void __exit kmemleak_test_exit(void)
{
	free_all();
}

static int __init kmemleak_test_init(void)
{
	struct task_struct *task;
	int ret;

	cache = kmem_cache_create("kmemleak_test", CACHE_SIZE, 0, 0, init_object);
	if (!cache)
		return -ENOMEM;
	task = kthread_run(cook, NULL, "kmemleak-test");
	if (IS_ERR(task)) {
		kmem_cache_destroy(cache);
		return PTR_ERR(task);
	}
	/* A thread that is stopped before it ran would never run. */
	wait_for_completion(&cooked);
	ret = kthread_stop(task);
	if (ret < 0) {
		free_all();
		return ret;
	}
	pr_info("done recipes=%d\n", ret);
	return 0;
}

module_init(kmemleak_test_init);
module_exit(kmemleak_test_exit);

MODULE_DESCRIPTION("Loses memory on purpose, for the memory leak detector");
MODULE_LICENSE("GPL");
