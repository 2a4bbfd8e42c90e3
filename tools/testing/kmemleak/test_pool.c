// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pool tests: no entry is handed out twice, none is lost, every page comes
 * back, and a page allocator that fails is survived.
 */
#include "host.h"
#include "pool.h"

#define MAX_OUT	20000

/* Entries that are out, in no order, and a mark in each to see two owners. */
static struct kmemleak_object *out[MAX_OUT];
static unsigned int nr_out;

static bool get_one(struct host *h)
{
	struct kmemleak_object *obj;

	if (nr_out == MAX_OUT)
		return false;
	obj = kmemleak_pool_get(&h->t);
	if (!obj)
		return false;
	CHECK_EQ(obj->flags, 0);
	CHECK_EQ((unsigned long)obj % sizeof(long), 0);
	/* All its bytes are the owner's. */
	memset(obj, 0x5a, sizeof(*obj));
	obj->start = nr_out;
	out[nr_out++] = obj;
	return true;
}

static void put_one(struct host *h)
{
	unsigned int i;
	struct kmemleak_object *obj;

	if (!nr_out)
		return;
	i = host_below(nr_out);
	obj = out[i];
	CHECK_EQ(obj->start, i);
	CHECK_EQ(obj->trace, 0x5a5a5a5a);
	CHECK_EQ(obj->colour.unref, 0x5a);
	out[i] = out[--nr_out];
	out[i]->start = i;
	kmemleak_pool_put(&h->t, obj);
	CHECK_EQ(obj->flags, 0);
}

static int by_address(const void *a, const void *b)
{
	const struct kmemleak_object *x = *(void *const *)a, *y = *(void *const *)b;

	return x < y ? -1 : x > y;
}

/* No two entries share a byte. */
static void check_disjoint(void)
{
	static struct kmemleak_object *sorted[MAX_OUT];
	unsigned int i;

	memcpy(sorted, out, nr_out * sizeof(out[0]));
	qsort(sorted, nr_out, sizeof(sorted[0]), by_address);
	for (i = 1; i < nr_out; i++)
		CHECK((char *)sorted[i] - (char *)sorted[i - 1] >=
		      (long)sizeof(union kmemleak_entry));
}

static void random_ops(struct host *h, unsigned long rounds)
{
	unsigned int bias = 2;

	while (rounds--) {
		/* Drifts up and down, so that lists fill and run dry. */
		if (host_one_in(500))
			bias = 1 + host_below(3);
		host_set_cpu(host_below(h->t.pool.nr_caches ?: 1));
		if (host_below(4) < bias)
			get_one(h);
		else
			put_one(h);
		if (host_failures)
			return;
	}
}

static void check_counts(struct host *h)
{
	CHECK_EQ(kmemleak_pool_in_use(&h->t), nr_out);
	CHECK(kmemleak_pool_free_entries(&h->t) >= 0);
	check_disjoint();
}

static void test_random(void)
{
	struct host *h = host_new(6);
	unsigned int i;

	for (i = 0; i < 20 && !host_failures; i++) {
		random_ops(h, host_rounds(5000));
		check_counts(h);
	}
	while (nr_out)
		put_one(h);
	CHECK_EQ(kmemleak_pool_in_use(&h->t), 0);
	host_free(h);
}

/* Before there are caches, with a reserve, and on from there. */
static void test_early(void)
{
	struct host *h = host_new_reserve(100);
	unsigned int i;

	h->fail_after = 0;
	for (i = 0; i < 100; i++)
		CHECK(get_one(h));
	CHECK(!get_one(h));
	CHECK_EQ(kmemleak_pool_free_entries(&h->t), 0);
	check_counts(h);
	for (i = 0; i < 50; i++)
		put_one(h);
	CHECK_EQ(kmemleak_pool_free_entries(&h->t), 50);

	/* Entries from before the caches come back into them. */
	h->fail_after = -1;
	CHECK_EQ(kmemleak_pool_start(&h->t, HOST_NR_CPUS), 0);
	check_counts(h);
	random_ops(h, host_rounds(5000));
	check_counts(h);
	while (nr_out)
		put_one(h);
	CHECK_EQ(kmemleak_pool_in_use(&h->t), 0);
	host_free(h);
}

/* Without memory for caches the shared list serves all CPUs. */
static void test_no_caches(void)
{
	struct host *h = host_new(0);

	h->fail_after = 0;
	CHECK_EQ(kmemleak_pool_start(&h->t, HOST_NR_CPUS), -ENOMEM);
	CHECK(!get_one(h));
	h->fail_after = -1;
	random_ops(h, host_rounds(5000));
	check_counts(h);
	host_free(h);
}

static void test_failing(void)
{
	struct host *h = host_new(6);
	unsigned int i;

	h->fail_one_in = 3;
	random_ops(h, host_rounds(20000));
	/* So many entries that some page or other is refused for certain. */
	for (i = 0; i < 10000; i++)
		get_one(h);
	check_counts(h);
	CHECK(h->refused > 0);

	/* None to be had at all: what is free serves to the last entry. */
	h->fail_after = 0;
	host_set_cpu(0);
	while (get_one(h))
		;
	check_counts(h);
	put_one(h);
	CHECK(get_one(h));
	host_free(h);
}

/* What one CPU gave back, another one can have, but for a handful. */
static void test_no_hoarding(void)
{
	struct host *h = host_new(6);
	unsigned int i, nr = 2000;

	host_set_cpu(0);
	for (i = 0; i < nr; i++)
		REQUIRE(get_one(h));
	while (nr_out)
		put_one(h);
	h->fail_after = 0;
	host_set_cpu(1);
	while (get_one(h))
		;
	CHECK(nr_out > nr - 100);
	check_counts(h);
	host_free(h);
}

/* Reset takes back entries that are out, too, and the pool works on. */
static void test_reset(void)
{
	struct host *h = host_new_reserve(10);
	long pages;

	REQUIRE(kmemleak_pool_start(&h->t, HOST_NR_CPUS) == 0);
	pages = h->live_pages;
	random_ops(h, host_rounds(5000));
	CHECK(h->live_pages > pages);
	kmemleak_tracker_disable(&h->t);
	kmemleak_pool_reset(&h->t);
	nr_out = 0;
	CHECK_EQ(h->live_pages, pages);
	CHECK_EQ(kmemleak_pool_in_use(&h->t), 0);
	CHECK_EQ(kmemleak_pool_free_entries(&h->t), 10);

	/* Off, it takes no page: nobody would give it back. */
	while (get_one(h))
		;
	CHECK_EQ(nr_out, 10);
	CHECK_EQ(h->live_pages, pages);
	kmemleak_tracker_enable(&h->t);
	random_ops(h, host_rounds(5000));
	check_counts(h);
	host_free(h);
}

/* A top-up that may sleep fills an empty pool; one that may not does nothing. */
static void test_top_up(void)
{
	struct host *h = host_new(6);
	unsigned long allocs = h->allocs;

	kmemleak_pool_top_up(&h->t, GFP_ATOMIC);
	CHECK_EQ(h->allocs, allocs);
	kmemleak_pool_top_up(&h->t, GFP_KERNEL);
	CHECK_EQ(h->allocs, allocs + 1);
	/* There is something now. */
	kmemleak_pool_top_up(&h->t, GFP_KERNEL);
	CHECK_EQ(h->allocs, allocs + 1);
	h->fail_after = 0;
	CHECK(get_one(h));
	while (get_one(h))
		;
	/* A failure is no more than that. */
	kmemleak_pool_top_up(&h->t, GFP_KERNEL);
	CHECK(!get_one(h));
	check_counts(h);
	host_free(h);
}

static u32 next_stamp(struct host *h)
{
	struct kmemleak_object *obj;
	unsigned long irq;
	u32 stamp;

	local_irq_save(irq);
	obj = kmemleak_pool_get_irqs_off(&h->t, host_read_clock());
	local_irq_restore(irq);
	REQUIRE(obj);
	stamp = obj->stamp;
	kmemleak_pool_put(&h->t, obj);
	return stamp;
}

/* Stamps rise on one CPU even if the clock stands or goes back a little. */
static void test_stamp(void)
{
	struct host *h = host_new(6);
	u32 last, stamp;
	unsigned int i;

	REQUIRE(kmemleak_pool_refill(&h->t));
	last = next_stamp(h);
	for (i = 0; i < 1000; i++) {
		if (host_one_in(5))
			host_clock -= host_below(100);
		if (host_one_in(5))
			host_clock += host_below(1000);
		/* What is no block does not change the order. */
		if (host_one_in(5))
			kmemleak_pool_put(&h->t, kmemleak_pool_get(&h->t));
		stamp = next_stamp(h);
		CHECK((s32)(stamp - last) > 0);
		last = stamp;
	}
	/* And across the wrap. */
	host_clock = U32_MAX - 5;
	next_stamp(h);
	last = next_stamp(h);
	for (i = 0; i < 10; i++) {
		stamp = next_stamp(h);
		CHECK((s32)(stamp - last) > 0);
		last = stamp;
	}
	host_free(h);
}

const struct host_case pool_cases[] = {
	{ "random", test_random },
	{ "early", test_early },
	{ "no_caches", test_no_caches },
	{ "failing", test_failing },
	{ "no_hoarding", test_no_hoarding },
	{ "reset", test_reset },
	{ "top_up", test_top_up },
	{ "stamp", test_stamp },
	{ }
};
