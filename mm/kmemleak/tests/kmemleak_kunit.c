// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the leak detector, built into the kernel. They run with
 * "tools/testing/kunit/kunit.py run --kunitconfig mm/kmemleak/tests/.kunitconfig".
 *
 * The suite kmemleak_tracker tests the core. Each case has a tracker of its own with fake
 * memory, but uses the kernel's rbtrees, locks and page allocator. Parts that need no kernel
 * have more tests in tools/testing/kmemleak. The suite kmemleak tests the running detector:
 * it loses and holds blocks of every allocator, and one scan must tell them apart.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kmemleak.h>
#include <linux/kmemleak_owners.h>
#include <linux/kthread.h>
#include <linux/moduleparam.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/random.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <asm/sections.h>

#include "../access.h"
#include "../cancel.h"
#include "../control.h"
#include "../core/block.h"
#include "../core/command.h"
#include "../core/index.h"
#include "../core/judge.h"
#include "../core/mark.h"
#include "../core/pool.h"
#include "../core/word_filter.h"
#include "../ops.h"
#include "../params.h"
#include "../preexist.h"
#include "../publish.h"
#include "../roots.h"
#include "../scan.h"
#include "../state.h"
#include "../stop.h"
#include "../thread.h"
#include "../trace.h"

/* Seed of the random cases; 0: a new one each time. Each case prints its seed. */
static unsigned long seed;
module_param(seed, ulong, 0444);

static struct rnd_state rng;

static void seed_rng(struct kunit *test)
{
	u64 value = seed ?: get_random_u32();

	prandom_seed_state(&rng, value);
	kunit_info(test, "seed %llu", value);
}

static u32 below(u32 ceil)
{
	return prandom_u32_state(&rng) % ceil;
}

/* ------------------------------------------------------- private trackers -- */

/* Addresses of the fake memory. Nothing is mapped there: the core must read through its ops. */
#define FAKE_BASE	(BIT(BITS_PER_LONG - 1) + 0x1000000UL)
#define FAKE_SIZE	0x40000UL
#define ROOT_SIZE	PAGE_SIZE

/**
 * struct world - a tracker and its environment
 * @t: the tracker
 * @mem: the fake memory at FAKE_BASE; the first ROOT_SIZE bytes are a root
 * @pages: number of pages allocated and not freed
 * @fail: the page allocator has no memory
 * @on_pause: called in each pause
 * @in_roots: called when the root was read for the first time
 * @calls: how often the root was read while @in_roots was set
 */
struct world {
	struct kmemleak_tracker t;
	u8 *mem;
	long pages;
	bool fail;
	void (*on_pause)(struct world *w);
	void (*in_roots)(struct world *w);
	unsigned int calls;
};

static u32 fake_now, fake_clock;

static const struct kmemleak_options all_options = {
	.rules = KMEMLEAK_ALL_RULES,
	.roots = KMEMLEAK_ALL_ROOTS,
	.min_unref_scans = 1,
};

static struct world *world_of(struct kmemleak_tracker *t)
{
	return container_of(t, struct world, t);
}

static void *world_page_alloc(struct kmemleak_tracker *t, unsigned int order, gfp_t gfp)
{
	struct world *w = world_of(t);
	void *page = w->fail ? NULL : (void *)__get_free_pages(gfp | __GFP_ZERO, order);

	if (page)
		w->pages += 1L << order;
	return page;
}

static void world_page_free(struct kmemleak_tracker *t, void *page, unsigned int order)
{
	world_of(t)->pages -= 1L << order;
	free_pages((unsigned long)page, order);
}

static bool world_read(struct kmemleak_tracker *t, void *dst, unsigned long addr, size_t len)
{
	if (addr < FAKE_BASE || addr - FAKE_BASE > FAKE_SIZE - len)
		return false;
	memcpy(dst, world_of(t)->mem + (addr - FAKE_BASE), len);
	return true;
}

static long world_pick(struct kmemleak_tracker *t, unsigned long *dst, unsigned long addr,
		       size_t len, enum kmemleak_read how,
		       const struct kmemleak_word_filter *filter)
{
	return world_read(t, dst, addr, len) ? kmemleak_scan_words(filter, dst, dst, len) :
					       -EFAULT;
}

static unsigned long world_block_addr(struct kmemleak_tracker *t, enum kmemleak_space space,
				      unsigned long addr, unsigned int cpu)
{
	return addr;
}

static void world_roots(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	struct world *w = world_of(t);

	if (kmemleak_mark_range(m, FAKE_BASE, FAKE_BASE + ROOT_SIZE))
		return;
	if (w->in_roots && !w->calls++)
		w->in_roots(w);
}

static int world_pause(struct kmemleak_tracker *t)
{
	struct world *w = world_of(t);

	might_sleep();
	if (w->on_pause)
		w->on_pause(w);
	return 0;
}

static u32 world_now(void)
{
	return fake_now;
}

static const struct kmemleak_ops world_ops = {
	.page_alloc = world_page_alloc,
	.page_free = world_page_free,
	.read = world_read,
	.scan_words = world_pick,
	.block_addr = world_block_addr,
	.roots = world_roots,
	.pause = world_pause,
	.now = world_now,
};

static int world_init(struct kunit *test)
{
	struct world *w = kunit_kzalloc(test, sizeof(*w), GFP_KERNEL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, w);
	w->mem = vzalloc(FAKE_SIZE);
	if (!w->mem)
		return -ENOMEM;
	fake_now = 0x10000000;
	kmemleak_tracker_setup(&w->t, &world_ops, NULL, 0);
	test->priv = w;
	return kmemleak_tracker_start(&w->t, 7, nr_cpu_ids);
}

static void world_exit(struct kunit *test)
{
	struct world *w = test->priv;

	if (!w)
		return;
	kmemleak_tracker_disable(&w->t);
	kmemleak_tracker_reset(&w->t);
	KUNIT_EXPECT_EQ(test, w->pages, 0L);
	vfree(w->mem);
}

static enum kmemleak_result add(struct world *w, unsigned long start, size_t size, int min_count)
{
	const struct kmemleak_origin origin = {
		.trace = 5,
		.born = fake_now,
		.clock = ++fake_clock,
		.pid = 7,
		.comm = "kunit\0\0\0\0\0\0\0\0\0\0",
	};

	return kmemleak_block_add(&w->t, KMEMLEAK_VIRT, start, size, min_count, &origin);
}

static enum kmemleak_result del(struct world *w, unsigned long start)
{
	return kmemleak_block_remove(&w->t, KMEMLEAK_VIRT, start);
}

static void store(struct world *w, unsigned long addr, unsigned long value)
{
	*(unsigned long *)(w->mem + (addr - FAKE_BASE)) = value;
}

/* Address of block @i. The blocks are 64 bytes each and lie after the root. */
static unsigned long at(unsigned int i)
{
	return FAKE_BASE + ROOT_SIZE + i * 64;
}

#define NR_AT	((FAKE_SIZE - ROOT_SIZE) / 64)

static long counter(struct world *w, enum kmemleak_counter c)
{
	return atomic_long_read(&w->t.counters[c]);
}

static void count_visit(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	++*(unsigned long *)arg;
}

static unsigned long nr_objects(struct world *w)
{
	struct kmemleak_cursor cursor = {};
	unsigned long nr = 0;

	while (kmemleak_index_walk(&w->t, &cursor, 100, count_visit, &nr))
		;
	return nr;
}

/*
 * Adds and removes random blocks of all sizes. An array tells for each 64 bytes of memory
 * which block holds them; the index must agree with it.
 */
static void index_random(struct kunit *test)
{
	struct world *w = test->priv;
	unsigned int *owner = kunit_kcalloc(test, NR_AT, sizeof(*owner), GFP_KERNEL);
	struct kmemleak_object copy;
	unsigned int round, i, j, len, last = 0;
	unsigned long nr = 0;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, owner);
	seed_rng(test);
	for (round = 0; round < 20000; round++) {
		i = below(NR_AT);
		if (owner[i]) {
			/* Any part of the block. Search for its start. */
			for (j = i; j && owner[j - 1] == owner[i]; j--)
				;
			KUNIT_EXPECT_EQ(test, del(w, at(i) + 1), KMEMLEAK_NOT_FOUND);
			KUNIT_ASSERT_TRUE(test, kmemleak_block_get(&w->t, KMEMLEAK_VIRT,
								   at(i) + 63, &copy));
			KUNIT_ASSERT_EQ(test, copy.start, at(j));
			KUNIT_ASSERT_EQ(test, del(w, at(j)), KMEMLEAK_OK);
			nr--;
			for (len = owner[i]; j < NR_AT && owner[j] == len; j++)
				owner[j] = 0;
			continue;
		}
		KUNIT_ASSERT_FALSE(test, kmemleak_block_get(&w->t, KMEMLEAK_VIRT, at(i), &copy));
		len = 1 + below(below(20) ? 8 : 1200);
		for (j = i; j < i + len && j < NR_AT && !owner[j]; j++)
			;
		if (j != i + len)
			continue;
		KUNIT_ASSERT_EQ(test, add(w, at(i), len * 64, 1), KMEMLEAK_OK);
		nr++;
		for (last++, j = i; j < i + len; j++)
			owner[j] = last;
	}
	KUNIT_EXPECT_GT(test, nr, 0UL);
	KUNIT_EXPECT_EQ(test, nr_objects(w), nr);
	KUNIT_EXPECT_EQ(test, kmemleak_pool_in_use(&w->t), (long)nr);
	KUNIT_EXPECT_EQ(test, counter(w, KMEMLEAK_CNT_OVERLAP), 0L);
}

static void bad_input(struct kunit *test)
{
	struct world *w = test->priv;
	struct kmemleak_tracker *t = &w->t;
	static const long bad[] = { 0, -1, -ENOMEM, -MAX_ERRNO };
	unsigned int i;

	KUNIT_ASSERT_EQ(test, add(w, at(0), 64, 1), KMEMLEAK_OK);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		unsigned long addr = bad[i];

		KUNIT_EXPECT_EQ(test, add(w, addr, 64, 1), KMEMLEAK_BAD_ADDR);
		KUNIT_EXPECT_EQ(test, del(w, addr), KMEMLEAK_BAD_ADDR);
		KUNIT_EXPECT_EQ(test, kmemleak_block_remove_part(t, KMEMLEAK_VIRT, addr, 8),
				KMEMLEAK_BAD_ADDR);
		KUNIT_EXPECT_EQ(test, kmemleak_block_annotate(t, KMEMLEAK_VIRT, addr,
							      KMEMLEAK_ANNOTATE_IGNORE),
				KMEMLEAK_BAD_ADDR);
		KUNIT_EXPECT_EQ(test, kmemleak_block_add_area(t, addr, 8), KMEMLEAK_BAD_ADDR);
		KUNIT_EXPECT_EQ(test, kmemleak_block_set_trace(t, addr, 8), KMEMLEAK_BAD_ADDR);
	}
	KUNIT_EXPECT_EQ(test, counter(w, KMEMLEAK_CNT_BAD_ADDR), 6L * ARRAY_SIZE(bad));
	KUNIT_EXPECT_EQ(test, add(w, at(1), 0, 1), KMEMLEAK_BAD_SIZE);
	KUNIT_EXPECT_EQ(test, add(w, at(1), -at(1), 1), KMEMLEAK_WRAPS);
	KUNIT_EXPECT_EQ(test, del(w, at(1)), KMEMLEAK_NOT_FOUND);
	KUNIT_EXPECT_EQ(test, del(w, at(0) + 8), KMEMLEAK_NOT_FOUND);
	KUNIT_EXPECT_EQ(test, kmemleak_block_add_area(t, at(0), 65), KMEMLEAK_OUTSIDE);
	KUNIT_EXPECT_EQ(test, add(w, at(0) + 8, 8, 1), KMEMLEAK_OVERLAPS);
	KUNIT_EXPECT_EQ(test, t->opaque.nr, 1U);
	KUNIT_EXPECT_EQ(test, add(w, at(0), 128, 1), KMEMLEAK_REPLACED);
	KUNIT_EXPECT_EQ(test, nr_objects(w), 1UL);
	KUNIT_EXPECT_EQ(test, del(w, at(0)), KMEMLEAK_OK);
	KUNIT_EXPECT_EQ(test, t->opaque.nr, 0U);
	KUNIT_EXPECT_EQ(test, del(w, at(0)), KMEMLEAK_NOT_FOUND);
	KUNIT_EXPECT_TRUE(test, t->enabled);
	KUNIT_EXPECT_EQ(test, kmemleak_pool_in_use(t), 0L);
}

/*
 * Without memory for entries, new blocks are opaque, and nothing is reported because of
 * them. When there is memory again, new blocks are tracked.
 */
static void no_memory(struct kunit *test)
{
	struct world *w = test->priv;
	struct kmemleak_block block;
	struct kmemleak_leak_set leaks;
	unsigned int i;
	u32 cursor = 0;

	w->fail = true;
	for (i = 0; add(w, at(i), 64, 1) == KMEMLEAK_OK; i++)
		store(w, at(i), at(i + 1));
	KUNIT_ASSERT_LT(test, (unsigned long)i, NR_AT - 2);
	KUNIT_EXPECT_EQ(test, counter(w, KMEMLEAK_CNT_NO_ENTRY), 1L);
	KUNIT_ASSERT_TRUE(test, kmemleak_opaque_next(&w->t, &cursor, &block));
	KUNIT_EXPECT_EQ(test, block.start, at(i));
	w->fail = false;
	/* The opaque block points to the next block, and that block to the one after it. */
	KUNIT_ASSERT_EQ(test, add(w, at(i + 1), 64, 1), KMEMLEAK_OK);
	KUNIT_ASSERT_EQ(test, add(w, at(i + 2), 64, 1), KMEMLEAK_OK);
	store(w, at(i), at(i + 1));
	store(w, at(i + 1), at(i + 2));
	store(w, FAKE_BASE, at(0));
	kmemleak_leak_set_init(&leaks);
	KUNIT_EXPECT_EQ(test, kmemleak_judge(&w->t, &all_options, &leaks), 0);
	KUNIT_EXPECT_EQ(test, leaks.nr, 0UL);
	kmemleak_leak_set_free(&w->t, &leaks);
	KUNIT_EXPECT_EQ(test, del(w, at(i)), KMEMLEAK_OK);
	KUNIT_EXPECT_EQ(test, w->t.opaque.nr, 0U);
	KUNIT_EXPECT_EQ(test, kmemleak_judge(&w->t, &all_options, &leaks), 0);
	KUNIT_EXPECT_EQ(test, leaks.nr, 2UL);
	kmemleak_leak_set_free(&w->t, &leaks);
}

/* Random graphs: a mark must reach the same blocks as a plain search of the memory. */
static void random_graphs(struct kunit *test)
{
	struct world *w = test->priv;
	const unsigned int nr = 600;
	unsigned int *todo = kunit_kcalloc(test, nr, sizeof(*todo), GFP_KERNEL);
	bool *seen = kunit_kcalloc(test, nr, sizeof(*seen), GFP_KERNEL);
	unsigned int round, i, j, n, k, lost_all = 0;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, todo);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, seen);
	seed_rng(test);
	for (i = 0; i < nr; i++)
		KUNIT_ASSERT_EQ(test, add(w, at(i), 64, 1), KMEMLEAK_OK);
	for (round = 0; round < 30; round++) {
		struct kmemleak_leak_set leaks;
		struct kmemleak_leak *leak;
		unsigned int lost = 0;

		memset(w->mem, 0, FAKE_SIZE);
		memset(seen, 0, nr * sizeof(*seen));
		for (i = 0; i < nr; i++)
			store(w, at(below(nr)) + sizeof(long) * below(64 / sizeof(long)),
			      at(below(nr)) + below(64));
		for (n = 0; n < 20; n++)
			store(w, FAKE_BASE + sizeof(long) * below(ROOT_SIZE / sizeof(long)),
			      at(below(nr)));

		n = 0;
		for (i = 0; i < ROOT_SIZE + nr * 64 || n;) {
			unsigned long from, word, target;

			if (i < ROOT_SIZE) {
				from = i;
				k = sizeof(long);
				i += sizeof(long);
			} else if (n) {
				from = ROOT_SIZE + todo[--n] * 64;
				k = 64;
			} else {
				break;
			}
			for (j = 0; j < k; j += sizeof(long)) {
				word = *(unsigned long *)(w->mem + from + j);
				target = (word - at(0)) / 64;
				if (word < at(0) || target >= nr || seen[target])
					continue;
				seen[target] = true;
				todo[n++] = target;
			}
		}

		kmemleak_leak_set_init(&leaks);
		KUNIT_ASSERT_EQ(test, kmemleak_judge(&w->t, &all_options, &leaks), 0);
		list_for_each_entry(leak, &leaks.list, list)
			KUNIT_EXPECT_FALSE(test, seen[(leak->ref.start - at(0)) / 64]);
		for (i = 0; i < nr; i++)
			lost += !seen[i];
		KUNIT_EXPECT_EQ(test, leaks.nr, (unsigned long)lost);
		lost_all += lost;
		kmemleak_leak_set_free(&w->t, &leaks);
	}
	/* Enough blocks are lost and enough are held, or the test would prove little. */
	KUNIT_EXPECT_GT(test, lost_all, 30U);
	KUNIT_EXPECT_LT(test, lost_all, 30 * nr - 30);
}

/* Runs one scan. Return: bit i is set if block i, from 0 to 7, was reported. */
static unsigned int reported_with(struct kunit *test, unsigned long rules, unsigned long min_age,
				  unsigned int min_unref)
{
	struct world *w = test->priv;
	const struct kmemleak_options opt = {
		.rules = rules,
		.roots = KMEMLEAK_ALL_ROOTS,
		.min_age = min_age,
		.min_unref_scans = min_unref,
	};
	struct kmemleak_leak_set leaks;
	struct kmemleak_leak *leak;
	unsigned int bits = 0;

	kmemleak_leak_set_init(&leaks);
	KUNIT_EXPECT_EQ(test, kmemleak_judge(&w->t, &opt, &leaks), 0);
	list_for_each_entry(leak, &leaks.list, list)
		bits |= BIT((leak->ref.start - at(0)) / 64);
	kmemleak_leak_set_free(&w->t, &leaks);
	return bits;
}

static void rule_age(struct kunit *test)
{
	struct world *w = test->priv;
	const unsigned long rule = BIT(KMEMLEAK_RULE_AGE);

	add(w, at(0), 64, 1);
	fake_now += 10;
	KUNIT_EXPECT_EQ(test, reported_with(test, rule, 11, 1), 0U);
	KUNIT_EXPECT_EQ(test, reported_with(test, 0, 11, 1), 1U);
	KUNIT_EXPECT_EQ(test, reported_with(test, rule, 10, 1), 1U);
}

static void rule_min_unref(struct kunit *test)
{
	struct world *w = test->priv;
	const unsigned long rule = BIT(KMEMLEAK_RULE_MIN_UNREF);

	add(w, at(0), 64, 1);
	KUNIT_EXPECT_EQ(test, reported_with(test, rule, 0, 2), 0U);
	KUNIT_EXPECT_EQ(test, reported_with(test, rule, 0, 2), 0U);
	KUNIT_EXPECT_EQ(test, reported_with(test, rule, 0, 2), 1U);
	add(w, at(1), 64, 1);
	KUNIT_EXPECT_EQ(test, reported_with(test, 0, 0, 2), 3U);
}

static void rule_transient(struct kunit *test)
{
	struct world *w = test->priv;
	const unsigned long rule = BIT(KMEMLEAK_RULE_TRANSIENT);

	add(w, at(0), 64, 1);
	kmemleak_block_annotate(&w->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_ANNOTATE_TRANSIENT);
	KUNIT_EXPECT_EQ(test, reported_with(test, rule, 0, 1), 0U);
	KUNIT_EXPECT_EQ(test, reported_with(test, rule, 0, 1), 1U);
	kmemleak_block_annotate(&w->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_ANNOTATE_TRANSIENT);
	KUNIT_EXPECT_EQ(test, reported_with(test, 0, 0, 1), 1U);
}

static void change_block_0(struct world *w)
{
	w->mem[ROOT_SIZE + 16]++;
}

static void rule_changed(struct kunit *test)
{
	struct world *w = test->priv;

	add(w, at(0), 64, 1);
	add(w, at(1), 64, 1);
	store(w, at(0), at(1));
	w->on_pause = change_block_0;
	KUNIT_EXPECT_EQ(test, reported_with(test, BIT(KMEMLEAK_RULE_CHANGED), 0, 1), 0U);
	KUNIT_EXPECT_EQ(test, reported_with(test, 0, 0, 1), 3U);
}

/* The pointer to block 1 moves from block 0, not read yet, to the root, already read. */
static void move_pointer(struct world *w)
{
	store(w, FAKE_BASE, at(1));
	store(w, at(0), 0);
}

static void rule_confirm(struct kunit *test)
{
	struct world *w = test->priv;

	add(w, at(0), 64, 0);
	add(w, at(1), 64, 1);
	w->in_roots = move_pointer;
	store(w, at(0), at(1));
	KUNIT_EXPECT_EQ(test, reported_with(test, BIT(KMEMLEAK_RULE_CONFIRM), 0, 1), 0U);
	store(w, FAKE_BASE, 0);
	store(w, at(0), at(1));
	w->calls = 0;
	KUNIT_EXPECT_EQ(test, reported_with(test, 0, 0, 1), 2U);
}

static void bear_block_2(struct world *w)
{
	if (add(w, at(2), 64, 1) == KMEMLEAK_OK) {
		store(w, FAKE_BASE, at(2));
		store(w, at(2), at(1));
		store(w, at(0), 0);
	}
}

static void rule_born(struct kunit *test)
{
	struct world *w = test->priv;
	unsigned int on;

	for (on = 2; on--;) {
		add(w, at(0), 64, 0);
		add(w, at(1), 64, 1);
		store(w, at(0), at(1));
		store(w, FAKE_BASE, 0);
		w->in_roots = bear_block_2;
		w->calls = 0;
		KUNIT_EXPECT_EQ(test, reported_with(test, on ? BIT(KMEMLEAK_RULE_BORN) : 0, 0, 1),
				on ? 0U : 6U);
		del(w, at(0));
		del(w, at(1));
		del(w, at(2));
	}
}

/* Effects of annotations and scan areas, on a block and on the blocks that it points to. */
static void annotations(struct kunit *test)
{
	struct world *w = test->priv;
	struct kmemleak_tracker *t = &w->t;
	unsigned int i;

	/* Block 0 is held and points to 1 and 2. Block 3 is lost and points to 4. */
	for (i = 0; i < 5; i++)
		add(w, at(i), 64, 1);
	store(w, FAKE_BASE, at(0) + 63);
	store(w, at(0), at(1));
	store(w, at(0) + 32, at(2));
	store(w, at(3), at(4));
	KUNIT_EXPECT_EQ(test, reported_with(test, 0, 0, 1), 0x18U);
	KUNIT_EXPECT_EQ(test, kmemleak_block_add_area(t, at(0) + 32, 8), KMEMLEAK_OK);
	KUNIT_EXPECT_EQ(test, reported_with(test, 0, 0, 1), 0x1aU);
	KUNIT_EXPECT_EQ(test, kmemleak_block_annotate(t, KMEMLEAK_VIRT, at(0) + 5,
						      KMEMLEAK_ANNOTATE_NO_SCAN), KMEMLEAK_OK);
	KUNIT_EXPECT_EQ(test, reported_with(test, 0, 0, 1), 0x1eU);
	kmemleak_block_annotate(t, KMEMLEAK_VIRT, at(3), KMEMLEAK_ANNOTATE_IGNORE);
	KUNIT_EXPECT_EQ(test, reported_with(test, 0, 0, 1), 0x16U);
	del(w, at(3));
	add(w, at(3), 64, 1);
	kmemleak_block_annotate(t, KMEMLEAK_VIRT, at(3), KMEMLEAK_ANNOTATE_NOT_LEAK);
	KUNIT_EXPECT_EQ(test, reported_with(test, 0, 0, 1), 0x06U);
}

static void records(struct kunit *test)
{
	struct world *w = test->priv;
	struct kmemleak_leak_set leaks;
	struct kmemleak_leak *leak;
	unsigned int i;

	/*
	 * The addresses fall in the order of allocation, with several blocks in a jiffy. The
	 * records must have this order.
	 */
	for (i = 100; i--;) {
		add(w, at(i), 64, 1);
		store(w, at(i), i);
		fake_now += !(i % 7);
	}
	kmemleak_leak_set_init(&leaks);
	KUNIT_ASSERT_EQ(test, kmemleak_judge(&w->t, &all_options, &leaks), 0);
	KUNIT_EXPECT_EQ(test, leaks.nr, 100UL);
	KUNIT_EXPECT_EQ(test, leaks.nr_new, 100UL);
	i = 100;
	list_for_each_entry(leak, &leaks.list, list) {
		i--;
		KUNIT_EXPECT_EQ(test, leak->ref.start, at(i));
		KUNIT_EXPECT_EQ(test, leak->size, (size_t)64);
		KUNIT_EXPECT_EQ(test, leak->trace, 5U);
		KUNIT_EXPECT_STREQ(test, leak->comm, "kunit");
		KUNIT_EXPECT_EQ(test, leak->dump_len, KMEMLEAK_DUMP_LEN);
		KUNIT_EXPECT_EQ(test, *(unsigned long *)leak->dump, (unsigned long)i);
		KUNIT_EXPECT_EQ(test, leak->crc, crc32_le(0, w->mem + ROOT_SIZE + i * 64, 64));
		KUNIT_EXPECT_TRUE(test, kmemleak_leak_set_is_alive(&w->t, leak));
		del(w, at(i));
		KUNIT_EXPECT_FALSE(test, kmemleak_leak_set_is_alive(&w->t, leak));
	}
	kmemleak_leak_set_free(&w->t, &leaks);
}

static void commands(struct kunit *test)
{
	static const struct {
		const char *text;
		int ret;
		enum kmemleak_command cmd;
		unsigned long arg;
	} t[] = {
		{ "scan", 0, KMEMLEAK_CMD_SCAN },
		{ "scan\n", 0, KMEMLEAK_CMD_SCAN },
		{ "scan=off", 0, KMEMLEAK_CMD_SCAN_OFF },
		{ "scan=600", 0, KMEMLEAK_CMD_SCAN_SECS, 600 },
		{ "dump=0x1234", 0, KMEMLEAK_CMD_DUMP, 0x1234 },
		{ "stack=on", 0, KMEMLEAK_CMD_STACK_ON },
		{ "clear", 0, KMEMLEAK_CMD_CLEAR },
		{ "off", 0, KMEMLEAK_CMD_OFF },
		{ "on", 0, KMEMLEAK_CMD_ON },
		{ "scan=1 ", 0, KMEMLEAK_CMD_SCAN_SECS, 1 },
		{ "scan\r\n", 0, KMEMLEAK_CMD_SCAN },
		{ "", -EINVAL }, { "scanner", -EINVAL }, { "scan=-1", -EINVAL },
		{ "dump=", -EINVAL }, { "scan\nclear\n", -EINVAL },
		{ "scan=99999999999999999999999", -ERANGE },
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		enum kmemleak_command cmd = 99;
		unsigned long arg = 99;
		int ret = kmemleak_command_parse(t[i].text, strlen(t[i].text), &cmd, &arg);

		KUNIT_EXPECT_EQ_MSG(test, ret, t[i].ret, "%s", t[i].text);
		KUNIT_EXPECT_EQ_MSG(test, cmd, ret ? 99 : t[i].cmd, "%s", t[i].text);
		KUNIT_EXPECT_EQ_MSG(test, arg, ret ? 99 : t[i].arg, "%s", t[i].text);
	}
}

/* If an allocation must not invoke the OOM killer, storing its trace must not do so either. */
static void depot_flags(struct kunit *test)
{
	static const gfp_t meek[] = { __GFP_NORETRY, __GFP_RETRY_MAYFAIL, __GFP_THISNODE };
	unsigned int i;

	KUNIT_EXPECT_EQ(test, (__force u32)kmemleak_depot_flags(GFP_KERNEL),
			(__force u32)GFP_KERNEL);
	KUNIT_EXPECT_EQ(test, (__force u32)kmemleak_depot_flags(GFP_ATOMIC),
			(__force u32)GFP_ATOMIC);
	for (i = 0; i < ARRAY_SIZE(meek); i++)
		KUNIT_EXPECT_FALSE(test, gfpflags_allow_blocking(kmemleak_depot_flags(GFP_KERNEL |
										      meek[i])));
}

static struct kunit_case tracker_cases[] = {
	KUNIT_CASE(index_random),
	KUNIT_CASE(bad_input),
	KUNIT_CASE(no_memory),
	KUNIT_CASE(random_graphs),
	KUNIT_CASE(rule_age),
	KUNIT_CASE(rule_min_unref),
	KUNIT_CASE(rule_transient),
	KUNIT_CASE(rule_changed),
	KUNIT_CASE(rule_confirm),
	KUNIT_CASE(rule_born),
	KUNIT_CASE(annotations),
	KUNIT_CASE(records),
	KUNIT_CASE(commands),
	KUNIT_CASE(depot_flags),
	{ }
};

static struct kunit_suite tracker_suite = {
	.name = "kmemleak_tracker",
	.init = world_init,
	.exit = world_exit,
	.test_cases = tracker_cases,
};

/* ---------------------------------------------------- the running detector -- */

#define NR_BLOCKS	200

/* Pointers to blocks that are held: this array is in a data section, which is a root. */
static void *held[NR_BLOCKS];
/* Complements of addresses, so these are not references. */
static unsigned long hidden[NR_BLOCKS];

static void hide(unsigned int i, const void *ptr)
{
	hidden[i] = ~(unsigned long)ptr;
}

static void *find(unsigned int i)
{
	return (void *)~hidden[i];
}

/*
 * A function that handles addresses of lost blocks runs in a thread of its own, which has
 * exited before the scan. On this task's stack, dead slots could hold the addresses, and
 * they would count as references.
 */
struct errand {
	int (*run)(void *arg);
	void *arg;
	int ret;
	struct completion done;
};

/* Another task may get these pages as its stack, and a mark may scan all of that stack. */
static noinline void clobber_stack(unsigned int depth)
{
	unsigned long words[64];

	memset(words, 0, sizeof(words));
	if (depth)
		clobber_stack(depth - 1);
	barrier_data(words);
}

static int errand_thread(void *data)
{
	struct errand *e = data;

	e->ret = e->run(e->arg);
	clobber_stack(8);
	kthread_complete_and_exit(&e->done, 0);
}

static int on_other_stack(int (*run)(void *arg), void *arg)
{
	struct errand e = { .run = run, .arg = arg };
	struct task_struct *task;

	init_completion(&e.done);
	task = kthread_create(errand_thread, &e, "kmemleak-kunit");
	if (IS_ERR(task))
		return PTR_ERR(task);
	get_task_struct(task);
	wake_up_process(task);
	wait_for_completion(&e.done);
	/* After this the thread has exited, and its stack is not scanned any more. */
	kthread_stop(task);
	put_task_struct(task);
	return e.ret;
}

static int scan(void)
{
	int ret;

	mutex_lock(&kmemleak_scan_mutex);
	ret = kmemleak_scan();
	mutex_unlock(&kmemleak_scan_mutex);
	return ret;
}

/* Return: the number of the hidden block that was leaked, or -1. */
static int hidden_number(const struct kmemleak_leak *leak, unsigned int nr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (leak->ref.start == ~hidden[i])
			return i;
	return -1;
}

/* The hidden blocks that the last scan reported, and the number of held ones it reported. */
static DECLARE_BITMAP(reported, NR_BLOCKS);
static unsigned int held_reported;

static int collect_reported(void *unused)
{
	struct kmemleak_published *set = kmemleak_published_get();
	struct kmemleak_leak *leak;
	unsigned int i;

	bitmap_zero(reported, NR_BLOCKS);
	held_reported = 0;
	if (!set)
		return 0;
	list_for_each_entry(leak, &set->leaks.list, list) {
		int n = hidden_number(leak, NR_BLOCKS);

		if (n >= 0)
			__set_bit(n, reported);
		for (i = 0; i < NR_BLOCKS; i++)
			held_reported += leak->ref.start == (unsigned long)held[i];
	}
	kmemleak_published_put(set);
	return 0;
}

static void scan_and_collect(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, scan(), 0);
	KUNIT_EXPECT_EQ(test, on_other_stack(collect_reported, NULL), 0);
}

static unsigned int nr_reported(void)
{
	return bitmap_weight(reported, NR_BLOCKS);
}

static bool is_reported(unsigned int i)
{
	return test_bit(i, reported);
}

/* The parameter's value before the test case. */
static unsigned int stop_budget_ms;

static void live_exit(struct kunit *test)
{
	kmemleak_stop_budget_ms = stop_budget_ms;
}

static int live_init(struct kunit *test)
{
	unsigned int i;

	stop_budget_ms = kmemleak_stop_budget_ms;
	for (i = 0; i < NR_BLOCKS; i++) {
		held[i] = NULL;
		hide(i, NULL);
	}
	if (!kmemleak_is_on())
		kunit_skip(test, "the detector is off");
	/* Leave enough time for a stop: other users can make the machine slow for a moment. */
	kmemleak_stop_budget_ms = 10000;
	/*
	 * On user-mode Linux, addresses of blocks are below 4 GiB. In the first seconds, a
	 * clock that counts nanoseconds has such values: 0x756d5000 was a time and a block.
	 */
	while (IS_ENABLED(CONFIG_UML) && ktime_get_ns() < BIT_ULL(32))
		msleep(100);
	return 0;
}

/**
 * struct kind - an allocator to test
 * @alloc: allocates block number i
 * @release: frees a block, or does nothing for NULL
 * @nr: number of lost blocks, and of held blocks
 * @spare: number of lost blocks that may stay hidden behind stray values. Pages that were
 *	in use before have left their addresses in more places than small blocks.
 */
struct kind {
	void *(*alloc)(unsigned int i);
	void (*release)(void *ptr);
	unsigned int nr;
	unsigned int spare;
};

/*
 * Blocks allocated before those of the test. They are held, and no test looks at them. They
 * fill the places next to the test's blocks, where leftovers may point to those blocks.
 */
static void *neighbours[8];

static int alloc_all(void *arg)
{
	struct kind *kind = arg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(neighbours); i++)
		neighbours[i] = kind->alloc(i);
	for (i = 0; i < kind->nr; i++) {
		void *ptr = kind->alloc(i);

		if (!ptr)
			return -ENOMEM;
		hide(i, ptr);
		held[i] = kind->alloc(i);
		if (!held[i])
			return -ENOMEM;
	}
	return 0;
}

static int release_all(void *arg)
{
	struct kind *kind = arg;
	unsigned int i;

	for (i = 0; i < kind->nr; i++) {
		kind->release(find(i));
		kind->release(held[i]);
		held[i] = NULL;
	}
	for (i = 0; i < ARRAY_SIZE(neighbours); i++) {
		kind->release(neighbours[i]);
		neighbours[i] = NULL;
	}
	return 0;
}

/* The first scan must report the lost blocks and none of the held ones. */
static void lose_and_hold(struct kunit *test, struct kind *kind)
{
	atomic_long_t *stops = &kmemleak_tracker.counters[KMEMLEAK_CNT_STOPS];
	int ret = on_other_stack(alloc_all, kind);
	long before = atomic_long_read(stops);
	unsigned int i;

	KUNIT_EXPECT_EQ(test, ret, 0);
	if (!ret) {
		scan_and_collect(test);
		/* There were suspects, and enough time to confirm them in a stop. */
		KUNIT_EXPECT_EQ(test, atomic_long_read(stops), before + 1);
		for_each_clear_bit(i, reported, kind->nr)
			kunit_info(test, "block %u of %u was not found lost", i, kind->nr);
		KUNIT_EXPECT_GE(test, nr_reported(), kind->nr - kind->spare);
		KUNIT_EXPECT_EQ(test, held_reported, 0U);
	}
	on_other_stack(release_all, kind);
	/* Blocks that were freed are not leaks. */
	scan_and_collect(test);
	KUNIT_EXPECT_EQ(test, nr_reported(), 0U);
}

static void *alloc_kmalloc(unsigned int i)
{
	static const size_t sizes[] = { 8, 32, 64, 100, 200, 512, 1024, 2048, 4096 };

	return kzalloc(sizes[i % ARRAY_SIZE(sizes)], GFP_KERNEL);
}

static void release_kmalloc(void *ptr)
{
	kfree(ptr);
}

static void live_kmalloc(struct kunit *test)
{
	lose_and_hold(test, &(struct kind){ alloc_kmalloc, release_kmalloc, NR_BLOCKS, 1 });
}

static void live_requested(struct kunit *test)
{
	void *odd = kmalloc(100, GFP_KERNEL), *even = kmalloc(128, GFP_KERNEL);
	struct kmemleak_object copy;

	KUNIT_ASSERT_TRUE(test, odd && even);
	KUNIT_ASSERT_TRUE(test, kmemleak_block_get(&kmemleak_tracker, KMEMLEAK_VIRT,
						   (unsigned long)odd, &copy));
	KUNIT_EXPECT_EQ(test, copy.size - kmemleak_object_unrequested(&copy), 100UL);
	KUNIT_ASSERT_TRUE(test, kmemleak_block_get(&kmemleak_tracker, KMEMLEAK_VIRT,
						   (unsigned long)even, &copy));
	KUNIT_EXPECT_EQ(test, copy.size - kmemleak_object_unrequested(&copy), 128UL);
	kfree(odd);
	kfree(even);
}

static void *alloc_large(unsigned int i)
{
	return kzalloc(PAGE_SIZE * (3 + i % 4), GFP_KERNEL);
}

static void live_large(struct kunit *test)
{
	lose_and_hold(test, &(struct kind){ alloc_large, release_kmalloc, NR_BLOCKS, 3 });
}

static void *alloc_vmalloc(unsigned int i)
{
	return vzalloc(PAGE_SIZE * (1 + i % 3));
}

static void release_vmalloc(void *ptr)
{
	vfree(ptr);
}

static void live_vmalloc(struct kunit *test)
{
	lose_and_hold(test, &(struct kind){ alloc_vmalloc, release_vmalloc, NR_BLOCKS, 10 });
}

static void *alloc_pcpu(unsigned int i)
{
	return (void __force *)__alloc_percpu(8 + 8 * (i % 4), 8);
}

static void release_pcpu(void *ptr)
{
	free_percpu((void __percpu __force *)ptr);
}

static void live_percpu(struct kunit *test)
{
	lose_and_hold(test, &(struct kind){ alloc_pcpu, release_pcpu, NR_BLOCKS, 1 });
}

static struct kmem_cache *cache;

/*
 * A cache with a constructor is not merged with others, and its free pointers lie behind the
 * objects. So no object holds a leftover pointer to the next one.
 */
static void clear_block(void *ptr)
{
	memset(ptr, 0, 64);
}

static int create_cache(void)
{
	cache = kmem_cache_create("kmemleak_kunit", 64, 0, 0, clear_block);
	return cache ? 0 : -ENOMEM;
}

static void *alloc_cache(unsigned int i)
{
	void *ptr = kmem_cache_alloc(cache, GFP_KERNEL);

	if (ptr)
		clear_block(ptr);
	return ptr;
}

static void release_cache(void *ptr)
{
	if (ptr)
		kmem_cache_free(cache, ptr);
}

static void live_cache(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, create_cache(), 0);
	lose_and_hold(test, &(struct kind){ alloc_cache, release_cache, NR_BLOCKS, 1 });
	kmem_cache_destroy(cache);
}

struct link {
	struct link *next;
	char filler[40];
};

#define NR_RINGS	20
#define RING_SIZE	(NR_BLOCKS / NR_RINGS)

static bool interior;

/*
 * Rings of blocks. A root points to one block of each ring. All pointers go to the start of
 * a block, or all go inside.
 */
static int build_rings(void *unused)
{
	struct link *link, *next = NULL;
	unsigned int i;

	for (i = NR_BLOCKS; i--;) {
		link = alloc_cache(i);
		if (!link)
			return -ENOMEM;
		hide(i, link);
		if ((i + 1) % RING_SIZE)
			link->next = interior ? (void *)&next->filler[24] : next;
		next = link;
		if (i % RING_SIZE)
			continue;
		((struct link *)find(i + RING_SIZE - 1))->next = link;
		held[i / RING_SIZE] = interior ? (void *)&link->filler[8] : link;
	}
	return 0;
}

static int release_hidden(void *unused)
{
	unsigned int i;

	for (i = 0; i < NR_BLOCKS; i++) {
		release_cache(find(i));
		hide(i, NULL);
	}
	return 0;
}

static void live_ring(struct kunit *test)
{
	unsigned int n;

	KUNIT_ASSERT_EQ(test, create_cache(), 0);
	for (n = 0; n < 2; n++) {
		interior = n;
		KUNIT_EXPECT_EQ(test, on_other_stack(build_rings, NULL), 0);
		scan_and_collect(test);
		KUNIT_EXPECT_EQ(test, nr_reported(), 0U);
		/* Without the roots' pointers all rings are lost. Stray values may hide two. */
		memset(held, 0, sizeof(held));
		scan_and_collect(test);
		KUNIT_EXPECT_GE(test, nr_reported(), NR_BLOCKS - 2U * RING_SIZE);
		KUNIT_EXPECT_EQ(test, nr_reported() % RING_SIZE, 0U);
		on_other_stack(release_hidden, NULL);
	}
	kmem_cache_destroy(cache);
}

/*
 * Pairs of blocks: the first points to the second. In each pair but one, the first has an
 * annotation of another kind.
 */
static int build_pairs(void *unused)
{
	unsigned int i;

	/* The first block of a page has the page's own address: do not use it in a pair. */
	for (i = 0; i < ARRAY_SIZE(neighbours); i++)
		neighbours[i] = alloc_cache(i);
	for (i = 0; i < 12; i += 2) {
		void **first = alloc_cache(i), *second = alloc_cache(i + 1);

		if (!first || !second) {
			release_cache(first);
			release_cache(second);
			return -ENOMEM;
		}
		*first = second;
		hide(i, first);
		hide(i + 1, second);
	}
	kmemleak_not_leak(find(2));
	kmemleak_ignore(find(4));
	kmemleak_transient_leak(find(6));
	/* The first block is held, but its pointer to the second is not scanned. */
	held[0] = find(8);
	kmemleak_no_scan(find(8));
	held[1] = find(10);
	kmemleak_scan_area((u8 *)find(10) + 32, 8, GFP_KERNEL);
	return 0;
}

static void live_annotations(struct kunit *test)
{
	unsigned int i;

	KUNIT_ASSERT_EQ(test, create_cache(), 0);
	KUNIT_EXPECT_EQ(test, on_other_stack(build_pairs, NULL), 0);
	scan_and_collect(test);
	KUNIT_EXPECT_TRUE(test, is_reported(0));
	KUNIT_EXPECT_TRUE(test, is_reported(1));
	KUNIT_EXPECT_FALSE(test, is_reported(2));
	KUNIT_EXPECT_FALSE(test, is_reported(3));
	KUNIT_EXPECT_FALSE(test, is_reported(4));
	KUNIT_EXPECT_TRUE(test, is_reported(5));
	KUNIT_EXPECT_FALSE(test, is_reported(6));
	KUNIT_EXPECT_FALSE(test, is_reported(7));
	KUNIT_EXPECT_FALSE(test, is_reported(8));
	KUNIT_EXPECT_TRUE(test, is_reported(9));
	KUNIT_EXPECT_FALSE(test, is_reported(10));
	KUNIT_EXPECT_TRUE(test, is_reported(11));
	/* kmemleak_transient_leak() holds for one scan. */
	scan_and_collect(test);
	KUNIT_EXPECT_TRUE(test, is_reported(6));
	KUNIT_EXPECT_TRUE(test, is_reported(7));
	held[0] = NULL;
	held[1] = NULL;
	on_other_stack(release_hidden, NULL);
	for (i = 0; i < ARRAY_SIZE(neighbours); i++) {
		release_cache(neighbours[i]);
		neighbours[i] = NULL;
	}
	kmem_cache_destroy(cache);
}

static int in_data = 1;
static int in_bss;
static int after_init __ro_after_init;
static const int constant = 1;

static bool is_root(const int *variable)
{
	struct kmemleak_object copy;

	OPTIMIZER_HIDE_VAR(variable);
	return kmemleak_block_get(&kmemleak_tracker, KMEMLEAK_VIRT, (unsigned long)variable,
				  &copy);
}

/*
 * Data is a root, constants are not: in user-mode Linux, the last letters of a constant
 * string look like an address.
 */
static void live_data(struct kunit *test)
{
	KUNIT_EXPECT_TRUE(test, is_root(&in_data));
	KUNIT_EXPECT_TRUE(test, is_root(&in_bss));
	KUNIT_EXPECT_TRUE(test, is_root(&after_init));
	KUNIT_EXPECT_FALSE(test, is_root(&constant));
	/* The init sections are freed after boot, so they are not roots. */
	KUNIT_EXPECT_FALSE(test, is_root((const int *)__init_begin));
}

/* Wide objects of the direct map and of vmalloc() must be in different trees. */
static void live_classes(struct kunit *test)
{
	const struct kmemleak_index *idx = &kmemleak_tracker.index;

	KUNIT_EXPECT_NE(test, class_of(idx, VMALLOC_START - 1), class_of(idx, VMALLOC_START));
	KUNIT_EXPECT_NE(test, class_of(idx, VMALLOC_END - 1), class_of(idx, VMALLOC_END));
}

/* The kernel log is not a root. It holds positions of messages, which look like addresses. */
static void live_log(struct kunit *test)
{
	const void *records;
	unsigned int nr = 0;
	size_t size;

	while ((records = printk_records(nr, &size))) {
		KUNIT_EXPECT_FALSE(test, is_root(records));
		KUNIT_EXPECT_FALSE(test, is_root(records + size - sizeof(int)));
		nr++;
	}
	KUNIT_EXPECT_GE(test, nr, 3);
}

#define CACHED_SITES	20000
#define CACHED_HANDLE	0x5a5a5a

/* A trace that was added to the trace cache is found, whatever its return addresses hash to. */
static void live_trace_cache(struct kunit *test)
{
	unsigned long stack[] = { 0, 0x111, 0x222, 0x333 };
	struct kmemleak_frame frame = { .base = stack, .nr_words = ARRAY_SIZE(stack) };
	struct kmemleak_unwound trace = {
		.nr = ARRAY_SIZE(stack), .nr_slots = ARRAY_SIZE(stack), .exact = true,
		.entry = { 0, 0x111, 0x222, 0x333 }, .slot = { 0, 1, 2, 3 },
	};
	unsigned int missed = 0;

	OPTIMIZER_HIDE_VAR(frame.base);
	for (frame.site = 1; frame.site <= CACHED_SITES; frame.site++) {
		trace.entry[0] = frame.site;
		/* Stay on this CPU, because each CPU has a table of its own. */
		preempt_disable();
		kmemleak_trace_cache_add(&frame, &trace, CACHED_HANDLE);
		if (kmemleak_trace_save(frame.base, frame.site, GFP_NOWAIT) != CACHED_HANDLE)
			missed++;
		preempt_enable();
	}
	KUNIT_EXPECT_EQ(test, missed, 0);
}

/* Wrong arguments are counted, and the detector stays on. */
static void live_bad_input(struct kunit *test)
{
	atomic_long_t *c = kmemleak_tracker.counters;
	long bad = atomic_long_read(&c[KMEMLEAK_CNT_BAD_ADDR]);
	long unknown = atomic_long_read(&c[KMEMLEAK_CNT_UNKNOWN]);
	void *page = (void *)__get_free_page(GFP_KERNEL);

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, page);
	kmemleak_alloc(ERR_PTR(-ENOMEM), 64, 1, GFP_KERNEL);
	kmemleak_free(ERR_PTR(-ENOMEM));
	kmemleak_not_leak(ERR_PTR(-EINVAL));
	KUNIT_EXPECT_GE(test, atomic_long_read(&c[KMEMLEAK_CNT_BAD_ADDR]), bad + 1);
	kmemleak_not_leak(page);
	kmemleak_ignore(page);
	KUNIT_EXPECT_GE(test, atomic_long_read(&c[KMEMLEAK_CNT_UNKNOWN]), unknown + 2);
	kmemleak_free(page);
	kmemleak_free_part(page, 8);
	kmemleak_free(NULL);
	kmemleak_alloc(NULL, 0, 1, GFP_KERNEL);
	KUNIT_EXPECT_TRUE(test, kmemleak_is_on());
	KUNIT_EXPECT_TRUE(test, !kmemleak_tracker.failed);
	free_page((unsigned long)page);
}

/* SLUB and KASAN do not write to this word of a free slot. */
#define LAST_WORD	(64 / sizeof(long) - 1)

/* Block 1 points to block 0. It has an entry of the opaque table in place of an object. */
static int lose_behind_opaque(void *unused)
{
	void **opaque = alloc_cache(1), *child = alloc_cache(0);

	hide(0, child);
	hide(1, opaque);
	if (!opaque || !child)
		return -ENOMEM;
	opaque[LAST_WORD] = child;
	kmemleak_free(opaque);
	kmemleak_opaque_add(&kmemleak_tracker, KMEMLEAK_VIRT, (unsigned long)opaque, 64);
	return 0;
}

static int free_opaque(void *unused)
{
	release_cache(find(1));
	hide(1, NULL);
	return 0;
}

/* Records preexisting memory as "on" does. */
static int record_preexisting(void)
{
	int ret;

	mutex_lock(&kmemleak_scan_mutex);
	kmemleak_preexist_begin();
	ret = kmemleak_preexist_take();
	mutex_unlock(&kmemleak_scan_mutex);
	return ret;
}

/*
 * Turning tracking on must not take an opaque block for preexisting memory: the block is a
 * root until it is freed, and no longer.
 */
static void live_opaque_not_preexisting(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, create_cache(), 0);
	KUNIT_EXPECT_EQ(test, on_other_stack(lose_behind_opaque, NULL), 0);
	KUNIT_EXPECT_EQ(test, record_preexisting(), 0);
	scan_and_collect(test);
	KUNIT_EXPECT_FALSE(test, is_reported(0));
	on_other_stack(free_opaque, NULL);
	scan_and_collect(test);
	KUNIT_EXPECT_TRUE(test, is_reported(0));
	on_other_stack(release_hidden, NULL);
	kmem_cache_destroy(cache);
}

/* Return: the last word of the depot's last pool, which traces fill last; NULL: no pool. */
static void **find_end_of_depot(void)
{
	const void *pool, *last = NULL;
	unsigned int nr = 0;
	size_t size = 0;

	while ((pool = stack_depot_pool(nr++, &size)))
		last = pool;
	return last ? (void **)(last + size) - 1 : NULL;
}

static int lose_behind(void *word)
{
	void *ptr = alloc_cache(0);

	hide(0, ptr);
	*(void **)word = ptr;
	return ptr ? 0 : -ENOMEM;
}

/*
 * The stack depot's pages are not preexisting memory: addresses that earlier owners of the
 * pages left there are not references.
 */
static void live_depot_not_preexisting(struct kunit *test)
{
	void **end = find_end_of_depot(), *before;

	KUNIT_ASSERT_NOT_NULL(test, end);
	KUNIT_ASSERT_EQ(test, create_cache(), 0);
	before = *end;
	KUNIT_EXPECT_EQ(test, on_other_stack(lose_behind, end), 0);
	KUNIT_EXPECT_EQ(test, record_preexisting(), 0);
	scan_and_collect(test);
	*end = before;
	KUNIT_EXPECT_TRUE(test, is_reported(0));
	on_other_stack(release_hidden, NULL);
	kmem_cache_destroy(cache);
}

/* Freeing these leaves more free ranges than one call of pcpu_find_free() finds. */
#define NR_PCPU		400
#define PCPU_SIZE	(8UL * 1024)

static void __percpu *pcpu_blocks[NR_PCPU];

/* Turns tracking off and on, and scans. Return: bytes of preexisting memory. */
static unsigned long turn_on_and_look(struct kunit *test)
{
	int ret;

	mutex_lock(&kmemleak_scan_mutex);
	kmemleak_turn_off();
	ret = kmemleak_turn_on() ?: kmemleak_scan();
	mutex_unlock(&kmemleak_scan_mutex);
	KUNIT_EXPECT_EQ(test, ret, 0);
	return kmemleak_preexist_bytes();
}

/* Of each @of blocks, frees the first @nr, but never the last of four. Return: bytes freed. */
static unsigned long free_some_percpu(unsigned int of, unsigned int nr)
{
	unsigned long freed = 0;
	unsigned int i;

	for (i = 0; i < NR_PCPU; i++) {
		if (i % of >= nr || i % 4 == 3 || !pcpu_blocks[i])
			continue;
		free_percpu(pcpu_blocks[i]);
		pcpu_blocks[i] = NULL;
		freed += PCPU_SIZE * num_possible_cpus();
	}
	return freed;
}

/*
 * Free per-cpu memory is not preexisting. First a few chunks have free memory, then all
 * have. Each chunk keeps a block, so no chunk is freed.
 */
static void live_free_percpu(struct kunit *test)
{
	unsigned long full, few, most;
	unsigned int i;

	for (i = 0; i < NR_PCPU; i++)
		pcpu_blocks[i] = __alloc_percpu(PCPU_SIZE, PAGE_SIZE);
	full = turn_on_and_look(test);
	few = free_some_percpu(16, 4);
	KUNIT_EXPECT_GE(test, few, NR_PCPU / 8 * PCPU_SIZE);
	KUNIT_EXPECT_LE(test, turn_on_and_look(test), full - few / 4 * 3);
	most = few + free_some_percpu(16, 16);
	KUNIT_EXPECT_GE(test, most, NR_PCPU / 2 * PCPU_SIZE);
	KUNIT_EXPECT_LE(test, turn_on_and_look(test), full - most / 4 * 3);
	for (i = 0; i < NR_PCPU; i++)
		free_percpu(pcpu_blocks[i]);
}

static unsigned int nr_pauses;
/* Number of the pause from which on the work must end; 0: it need not. */
static unsigned int end_at;

static int count_pause(struct kmemleak_tracker *t)
{
	int ret = kmemleak_kernel_ops.pause(t);

	nr_pauses++;
	return end_at && nr_pauses >= end_at ? -EINTR : ret;
}

/* Counts the detector's pauses from now on. Returns with kmemleak_scan_mutex held. */
static void watch_pauses(void)
{
	static struct kmemleak_ops watched;

	mutex_lock(&kmemleak_scan_mutex);
	watched = kmemleak_kernel_ops;
	watched.pause = count_pause;
	/* Hooks may use either table. */
	WRITE_ONCE(kmemleak_tracker.ops, &watched);
	nr_pauses = 0;
}

static void watch_no_more(void)
{
	WRITE_ONCE(kmemleak_tracker.ops, &kmemleak_kernel_ops);
	mutex_unlock(&kmemleak_scan_mutex);
}

/* The map of preexisting memory is freed in pieces, with a pause after each piece. */
static void live_map_freed_in_pieces(struct kunit *test)
{
	unsigned long pages;

	watch_pauses();
	kmemleak_turn_off();
	KUNIT_EXPECT_EQ(test, kmemleak_turn_on(), 0);
	pages = kmemleak_preexist_map_pages();
	nr_pauses = 0;
	kmemleak_turn_off();
	KUNIT_EXPECT_GT(test, pages, 64UL);
	KUNIT_EXPECT_GE(test, nr_pauses, pages / 64);
	KUNIT_EXPECT_EQ(test, kmemleak_preexist_map_pages(), 0UL);
	KUNIT_EXPECT_EQ(test, kmemleak_turn_on(), 0);
	watch_no_more();
}

/* Tracking is on. Turns it off and on again, and ends that at pause @end; 0: never. */
static int turn_on_again(unsigned int end)
{
	int ret;

	kmemleak_turn_off();
	kmemleak_release_metadata();
	nr_pauses = 0;
	end_at = end;
	ret = kmemleak_turn_on();
	end_at = 0;
	return ret;
}

/* At any pause, turning on may end. Then nothing is left of it, and another try succeeds. */
static void live_on_ends_anywhere(struct kunit *test)
{
	unsigned int all, i;

	watch_pauses();
	KUNIT_EXPECT_EQ(test, turn_on_again(0), 0);
	all = nr_pauses;
	KUNIT_EXPECT_GT(test, all, 20U);
	for (i = 1; i < 10; i += 2) {
		KUNIT_EXPECT_EQ(test, turn_on_again(all * i / 10), -EINTR);
		KUNIT_EXPECT_FALSE(test, kmemleak_is_on());
		KUNIT_EXPECT_EQ(test, kmemleak_preexist_map_pages(), 0UL);
		KUNIT_EXPECT_EQ(test, kmemleak_pool_in_use(&kmemleak_tracker), 0L);
		KUNIT_EXPECT_EQ(test, kmemleak_turn_on(), 0);
	}
	watch_no_more();
}

/* Turning on ends if another task waits to turn tracking off. */
static void live_off_ends_on(struct kunit *test)
{
	mutex_lock(&kmemleak_scan_mutex);
	kmemleak_turn_off();
	kmemleak_cancel_off_begin();
	KUNIT_EXPECT_EQ(test, kmemleak_turn_on(), -ECANCELED);
	kmemleak_cancel_off_end();
	KUNIT_EXPECT_FALSE(test, kmemleak_is_on());
	KUNIT_EXPECT_EQ(test, kmemleak_turn_on(), 0);
	mutex_unlock(&kmemleak_scan_mutex);
}

/*
 * A scan can read all preexisting memory. User-mode Linux has pages of its own that are not
 * mapped, and does not survive reading them.
 */
static void live_turned_on(struct kunit *test)
{
	int ret;

	mutex_lock(&kmemleak_scan_mutex);
	kmemleak_turn_off();
	ret = kmemleak_turn_on();
	KUNIT_EXPECT_EQ(test, ret, 0);
	KUNIT_EXPECT_EQ(test, ret ?: kmemleak_scan(), 0);
	KUNIT_EXPECT_GT(test, kmemleak_preexist_bytes(), 0UL);
	mutex_unlock(&kmemleak_scan_mutex);
}

/* If the task that turns tracking on is killed, it does not go through all of memory first. */
static void live_kill_ends_on(struct kunit *test)
{
	mutex_lock(&kmemleak_scan_mutex);
	kmemleak_turn_off();
	sigaddset(&current->pending.signal, SIGKILL);
	set_tsk_thread_flag(current, TIF_SIGPENDING);
	KUNIT_EXPECT_EQ(test, kmemleak_turn_on(), -EINTR);
	KUNIT_EXPECT_FALSE(test, kmemleak_is_on());
	flush_signals(current);
	KUNIT_EXPECT_EQ(test, kmemleak_turn_on(), 0);
	mutex_unlock(&kmemleak_scan_mutex);
}

/*
 * A stop ends if it takes many more pieces than the mark before, whatever the clock says.
 * Here the mark before took none, and the time is enough for the whole stop.
 */
static void live_stop_ends(struct kunit *test)
{
	struct kmemleak_options opt = kmemleak_read_options();
	unsigned int budget_ms = kmemleak_stop_budget_ms;
	struct kmemleak_marker *m;

	mutex_lock(&kmemleak_scan_mutex);
	kmemleak_stop_budget_ms = 2000;
	kmemleak_stop_prepare();
	m = kmemleak_mark_begin(&kmemleak_tracker, &opt, 0);
	if (m) {
		KUNIT_EXPECT_EQ(test, kmemleak_stop_mark(&kmemleak_tracker, m, 0), -ETIME);
		kmemleak_mark_end(m);
	}
	kmemleak_stop_budget_ms = budget_ms;
	mutex_unlock(&kmemleak_scan_mutex);
	KUNIT_EXPECT_TRUE(test, m);
}

#ifdef CONFIG_MMU
#define NR_AREAS	2000
#define AREA_BUDGET	8

static struct vm_struct *areas[NR_AREAS];
/* The areas that a walk has visited. */
static bool area_seen[NR_AREAS];
static unsigned int nr_visits;

/* Free areas, in the order in which they were visited. */
struct free_areas {
	unsigned int nr;
	const struct vmap_area *va[2 * NR_AREAS];
};

static struct free_areas before, walked, afterwards, *visiting;

static void see_used(const struct vmap_area *va)
{
	unsigned int i;

	nr_visits++;
	for (i = 0; i < NR_AREAS; i++)
		if (areas[i] && va->va_start == (unsigned long)areas[i]->addr)
			area_seen[i] = true;
}

static void see_free(const struct vmap_area *va)
{
	nr_visits++;
	if (visiting->nr < ARRAY_SIZE(visiting->va))
		visiting->va[visiting->nr++] = va;
}

static void drop_area(unsigned int i)
{
	if (areas[i])
		free_vm_area(areas[i]);
	areas[i] = NULL;
}

static bool walk_some(struct kunit *test, bool free, unsigned long *next)
{
	bool more;

	nr_visits = 0;
	more = vmap_area_visit(free, next, AREA_BUDGET, free ? see_free : see_used);
	KUNIT_EXPECT_LE(test, nr_visits, (unsigned int)AREA_BUDGET);
	return more;
}

/* Between two calls of a walk, areas come and go. All areas that stay must be visited. */
static void live_areas_in_use(struct kunit *test)
{
	unsigned int i, gone = 0, missed = 0;
	struct vm_struct *born;
	unsigned long next = 0;

	memset(area_seen, 0, sizeof(area_seen));
	for (i = 0; i < NR_AREAS; i++)
		areas[i] = get_vm_area(PAGE_SIZE, VM_MAP);
	while (walk_some(test, false, &next)) {
		/* Free the area that was visited last, too. */
		for (i = 0; i < NR_AREAS; i++)
			if (areas[i] && (unsigned long)areas[i]->addr + 2 * PAGE_SIZE == next)
				drop_area(i);
		drop_area(gone++ * 7 % NR_AREAS);
		born = get_vm_area(3 * PAGE_SIZE, VM_MAP);
		if (born)
			free_vm_area(born);
	}
	for (i = 0; i < NR_AREAS; i++)
		missed += areas[i] && !area_seen[i];
	KUNIT_EXPECT_GT(test, gone, NR_AREAS / AREA_BUDGET / 2U);
	KUNIT_EXPECT_EQ(test, missed, 0U);
	for (i = 0; i < NR_AREAS; i++)
		drop_area(i);
	vmap_area_purge();
}

static bool is_among(const struct free_areas *list, const struct vmap_area *va)
{
	unsigned int i;

	for (i = 0; i < list->nr; i++)
		if (list->va[i] == va)
			return true;
	return false;
}

static void see_all_free(struct free_areas *list)
{
	unsigned long next = 0;

	list->nr = 0;
	visiting = list;
	vmap_area_visit(true, &next, UINT_MAX, see_free);
}

/*
 * @next is the position of the walk, where an area in use begins. Makes the free area after
 * it grow down: first to @next, then to the start of the free area that was visited last,
 * which becomes part of it.
 */
static void join_free(unsigned long next)
{
	struct vm_struct *last = __get_vm_area_caller(PAGE_SIZE, VM_MAP, next - 2 * PAGE_SIZE,
						      next, NULL);
	unsigned int i;

	for (i = 0; i < NR_AREAS; i++)
		if (areas[i] && (unsigned long)areas[i]->addr == next)
			drop_area(i);
	vmap_area_purge();
	if (last)
		free_vm_area(last);
	vmap_area_purge();
}

/* A free area can grow downwards, over the position of the walk. It must still be visited. */
static void live_areas_free(struct kunit *test)
{
	unsigned int i, stayed = 0, missed = 0;
	unsigned long next = 0;

	for (i = 0; i < NR_AREAS; i++)
		areas[i] = get_vm_area(PAGE_SIZE, VM_MAP);
	for (i = 0; i < NR_AREAS; i += 2)
		drop_area(i);
	vmap_area_purge();
	see_all_free(&before);
	walked.nr = 0;
	visiting = &walked;
	while (walk_some(test, true, &next))
		join_free(next);
	see_all_free(&afterwards);
	for (i = 0; i < afterwards.nr; i++) {
		if (!is_among(&before, afterwards.va[i]))
			continue;
		stayed++;
		missed += !is_among(&walked, afterwards.va[i]);
	}
	KUNIT_EXPECT_GT(test, before.nr, NR_AREAS / 4U);
	KUNIT_EXPECT_GT(test, stayed, NR_AREAS / 8U);
	KUNIT_EXPECT_EQ(test, missed, 0U);
	for (i = 0; i < NR_AREAS; i++)
		drop_area(i);
	vmap_area_purge();
}
#endif

static struct kunit_case live_cases[] = {
	KUNIT_CASE(live_kmalloc),
	KUNIT_CASE(live_requested),
	KUNIT_CASE(live_large),
	KUNIT_CASE(live_vmalloc),
	KUNIT_CASE(live_percpu),
	KUNIT_CASE(live_cache),
	KUNIT_CASE(live_ring),
	KUNIT_CASE(live_annotations),
	KUNIT_CASE(live_data),
	KUNIT_CASE(live_classes),
	KUNIT_CASE(live_log),
	KUNIT_CASE(live_trace_cache),
	KUNIT_CASE(live_bad_input),
	KUNIT_CASE(live_opaque_not_preexisting),
	KUNIT_CASE(live_depot_not_preexisting),
	KUNIT_CASE(live_free_percpu),
	KUNIT_CASE(live_map_freed_in_pieces),
	KUNIT_CASE(live_on_ends_anywhere),
	KUNIT_CASE(live_off_ends_on),
	KUNIT_CASE(live_turned_on),
	KUNIT_CASE(live_kill_ends_on),
	KUNIT_CASE(live_stop_ends),
#ifdef CONFIG_MMU
	KUNIT_CASE(live_areas_in_use),
	KUNIT_CASE(live_areas_free),
#endif
	{ }
};

static struct kunit_suite live_suite = {
	.name = "kmemleak",
	.init = live_init,
	.exit = live_exit,
	.test_cases = live_cases,
};

kunit_test_suites(&tracker_suite, &live_suite);

MODULE_LICENSE("GPL");
