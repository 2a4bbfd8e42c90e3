// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool: no entry may be handed out twice or be lost, each page must be freed, and a
 * page allocator that fails must do no harm.
 */
#include "host.h"
#include "entry_move.h"

#define MAX_OUT	20000

/*
 * The entries in use, in no order. Each holds its number, which shows if two users share an
 * entry.
 */
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
	/* The user may write all bytes of the entry. */
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
		/*
		 * The number of entries in use goes up and down, so that lists become full
		 * and empty.
		 */
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

/* Takes and frees entries at random. */
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

/* Boot entries are used before the CPUs have lists. Then the CPUs get lists. */
static void test_early(void)
{
	struct host *h = host_new_boot(100);
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

	/* Entries that were taken before are freed into the lists. */
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

/* There is no memory for the CPUs' lists: all CPUs use the shared lists. */
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

/* The page allocator fails now and then, later always. */
static void test_failing(void)
{
	struct host *h = host_new(6);
	unsigned int i;

	h->fail_one_in = 3;
	random_ops(h, host_rounds(20000));
	/* So many entries that the page allocator fails at least once. */
	for (i = 0; i < 10000; i++)
		get_one(h);
	check_counts(h);
	CHECK(h->refused > 0);

	/* No page can be allocated. All free entries must still be handed out. */
	h->fail_after = 0;
	host_set_cpu(0);
	while (get_one(h))
		;
	check_counts(h);
	put_one(h);
	CHECK(get_one(h));
	host_free(h);
}

/* Nearly all entries that one CPU has freed must be free for another CPU. */
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

/* A reset also takes back the entries in use. The pool works on. */
static void test_reset(void)
{
	struct host *h = host_new_boot(10);
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

	/* While tracking is off, the pool takes no page: nobody would free it. */
	while (get_one(h))
		;
	CHECK_EQ(nr_out, 10);
	CHECK_EQ(h->live_pages, pages);
	kmemleak_tracker_enable(&h->t);
	random_ops(h, host_rounds(5000));
	check_counts(h);
	host_free(h);
}

static unsigned int pages_for(unsigned long entries)
{
	const unsigned int per_page = PAGE_SIZE / sizeof(union kmemleak_entry) - 1;

	return DIV_ROUND_UP(entries, per_page);
}

/*
 * The stock. When half of it is used, ops->maintain_pool() must be called once. All of the
 * stock must be handed out.
 */
static void test_stock(void)
{
	struct host *h = host_new(0);
	const unsigned int kept = 1000;

	kmemleak_pool_set_stock(&h->t, kept);
	CHECK(kmemleak_pool_low(&h->t));
	CHECK(kmemleak_pool_restock(&h->t));
	CHECK(!kmemleak_pool_low(&h->t));
	CHECK(h->t.pool.nr_free >= kept);
	CHECK_EQ(h->live_pages, pages_for(kept));
	CHECK_EQ(h->pool_calls, 0);

	/* No page can be allocated, as for an atomic allocation. */
	h->fail_after = 0;
	while (h->t.pool.nr_free > kept / 2)
		REQUIRE(get_one(h));
	CHECK_EQ(h->pool_calls, 0);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOCK_USED), 0);
	while (h->t.pool.nr_free)
		REQUIRE(get_one(h));
	CHECK(!get_one(h));
	CHECK_EQ(h->pool_calls, 1);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOCK_USED), kept / 2);

	/*
	 * kmemleak_pool_restock() finds no page either. After that, ops->maintain_pool() is
	 * called again.
	 */
	CHECK(!kmemleak_pool_restock(&h->t));
	CHECK(!get_one(h));
	CHECK_EQ(h->pool_calls, 2);
	/* A hook that finds no page keeps the next hooks from trying. */
	kmemleak_pool_top_up(&h->t, GFP_KERNEL);
	h->fail_after = -1;
	CHECK(kmemleak_pool_restock(&h->t));
	CHECK(h->t.pool.nr_free >= kept);
	CHECK_EQ(h->t.pool.top_up, kept);

	/* A hook that may sleep adds the missing page itself. */
	while (h->t.pool.nr_free >= kept)
		REQUIRE(get_one(h));
	kmemleak_pool_top_up(&h->t, GFP_KERNEL);
	CHECK(h->t.pool.nr_free >= kept);
	h->fail_after = 0;
	while (h->t.pool.nr_free >= kept)
		REQUIRE(get_one(h));
	h->refused = 0;
	kmemleak_pool_top_up(&h->t, GFP_KERNEL);
	kmemleak_pool_top_up(&h->t, GFP_KERNEL);
	CHECK_EQ(h->refused, 1);
	/* While tracking is off, no page is added. */
	kmemleak_tracker_disable(&h->t);
	CHECK(kmemleak_pool_restock(&h->t));
	CHECK_EQ(h->refused, 1);
	check_counts(h);
	while (nr_out)
		put_one(h);
	host_free(h);
}

/* A page can be trimmed when its last entry is free, in any order, and not before. */
static void test_empties(void)
{
	struct host *h = host_new(6);
	const unsigned int nr = 2000;
	long base = h->live_pages;
	unsigned long allocs = h->allocs;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		host_set_cpu(host_below(HOST_NR_CPUS));
		REQUIRE(get_one(h));
		/* To the pool, these entries hold no object. */
		out[nr_out - 1]->flags = 0;
	}
	host_set_cpu(0);
	while (nr_out) {
		put_one(h);
		if (nr_out % 100)
			continue;
		host_trim(h, true);
		/* An entry that holds no object cannot be moved. */
		CHECK(h->live_pages - base >= pages_for(nr_out));
		for (i = 0; i < nr_out; i++)
			CHECK_EQ(out[i]->trace, 0x5a5a5a5a);
		check_counts(h);
	}
	CHECK_EQ(h->live_pages, base);
	CHECK_EQ(h->t.pool.nr_free, 0);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_PAGES_RETURNED), h->allocs - allocs);
	random_ops(h, host_rounds(5000));
	check_counts(h);
	while (nr_out)
		put_one(h);
	host_free(h);
}

#define PEAK_BLOCKS	20000
#define PEAK_AT(i)	(HOST_DIRECT + (i) * 64UL)

/* The blocks that are left after a peak must be found, with all their fields. */
static void check_peak(struct host *h, const bool *held, unsigned int nr_held)
{
	unsigned int i, found = 0;

	for (i = 0; i < PEAK_BLOCKS; i++) {
		struct kmemleak_object copy;
		bool there = kmemleak_block_get(&h->t, KMEMLEAK_VIRT, PEAK_AT(i) + 1, &copy);

		CHECK_EQ(there, held[i]);
		if (!there)
			continue;
		found++;
		CHECK_EQ(copy.start, PEAK_AT(i));
		CHECK_EQ(copy.size, 48);
		CHECK_EQ(copy.trace, i);
		CHECK_EQ(copy.pid, i % 1000);
		CHECK_EQ(kmemleak_object_unrequested(&copy), i % 48);
		CHECK_EQ(copy.colour.min_count, 1);
		CHECK_EQ(!!(copy.flags & KMEMLEAK_NO_SCAN), i % 7 == 0);
	}
	CHECK_EQ(found, nr_held);
}

static void peak_add(struct host *h, unsigned int i)
{
	struct kmemleak_origin origin = {
		.trace = i,
		.born = host_now,
		.clock = host_read_clock(),
		.pid = i % 1000,
		.unrequested = i % 48,
	};

	host_set_cpu(host_below(HOST_NR_CPUS));
	REQUIRE(kmemleak_block_add(&h->t, KMEMLEAK_VIRT, PEAK_AT(i), 48, 1, &origin) ==
		KMEMLEAK_OK);
	if (i % 7 == 0)
		kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, PEAK_AT(i),
					KMEMLEAK_ANNOTATE_NO_SCAN);
	/* An area uses an entry, too. */
	if (i % 11 == 0)
		REQUIRE(kmemleak_block_add_area(&h->t, PEAK_AT(i) + 8, 8) == KMEMLEAK_OK);
}

/* A wide block, and a block in each other space. */
static void peak_others(struct host *h)
{
	REQUIRE(host_add(h, KMEMLEAK_VIRT, HOST_VMALLOC + 0x7000, 0x9000, 2) == KMEMLEAK_OK);
	REQUIRE(host_add(h, KMEMLEAK_PHYS, HOST_PHYS, 64, 0) == KMEMLEAK_OK);
	REQUIRE(host_add(h, KMEMLEAK_PERCPU, HOST_PERCPU + 64, 64, 1) == KMEMLEAK_OK);
}

static void peak_check_others(struct host *h)
{
	CHECK(host_tracked(h, KMEMLEAK_VIRT, HOST_VMALLOC + 0x7000));
	CHECK(host_tracked(h, KMEMLEAK_VIRT, HOST_VMALLOC + 0xffff));
	CHECK(host_tracked(h, KMEMLEAK_PHYS, HOST_PHYS));
	CHECK(host_tracked(h, KMEMLEAK_PERCPU, HOST_PERCPU + 127));
	CHECK_EQ(kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, HOST_VMALLOC + 0x7000), KMEMLEAK_OK);
	CHECK_EQ(kmemleak_block_remove(&h->t, KMEMLEAK_PHYS, HOST_PHYS), KMEMLEAK_OK);
	CHECK_EQ(kmemleak_block_remove(&h->t, KMEMLEAK_PERCPU, HOST_PERCPU + 64), KMEMLEAK_OK);
}

/*
 * Allocates many blocks and frees nearly all. A trim must release the pages that are not
 * needed. The remaining blocks and areas must be found as before.
 */
static void test_peak(void)
{
	static bool held[PEAK_BLOCKS];
	unsigned long start, end, areas = 0;
	struct host *h = host_new(6);
	unsigned int i, nr_held = 0, one_in = 20 + host_below(100), round;
	long base = h->live_pages, need;

	for (i = 0; i < PEAK_BLOCKS; i++) {
		peak_add(h, i);
		if (i == PEAK_BLOCKS / 2)
			peak_others(h);
	}
	for (i = 0; i < PEAK_BLOCKS; i++) {
		held[i] = host_one_in(one_in);
		nr_held += held[i];
		areas += held[i] && i % 11 == 0;
		host_set_cpu(host_below(HOST_NR_CPUS));
		if (!held[i])
			REQUIRE(kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, PEAK_AT(i)) ==
				KMEMLEAK_OK);
	}
	host_set_cpu(0);
	/* The frees noticed that there are too many free entries. */
	CHECK(h->pool_calls > 0);
	CHECK(kmemleak_pool_overfull(&h->t));
	CHECK(kmemleak_pool_surplus(&h->t) > 0);
	for (round = 0; round < 2; round++) {
		host_trim(h, round);
		CHECK(!kmemleak_pool_overfull(&h->t));
		CHECK_EQ(kmemleak_pool_in_use(&h->t), nr_held + areas + 3);
		need = pages_for(nr_held + areas + 3);
		/*
		 * The first trim leaves about a third more pages than needed, the second
		 * hardly any.
		 */
		CHECK(h->live_pages - base <= need + (round ? 2 : need / 3 + 2));
		check_peak(h, held, nr_held);
		CHECK_EQ(host_nr_objects(h), nr_held + 3);
	}
	for (i = 0; i < PEAK_BLOCKS; i++) {
		bool area = kmemleak_attr_next_area(&h->t, PEAK_AT(i), 0, &start, &end);

		CHECK_EQ(area, held[i] && i % 11 == 0);
		if (area)
			CHECK(start == PEAK_AT(i) + 8 && end == PEAK_AT(i) + 16);
	}
	peak_check_others(h);
	for (i = 0; i < PEAK_BLOCKS; i++)
		if (held[i])
			CHECK_EQ(kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, PEAK_AT(i)),
				 KMEMLEAK_OK);
	host_trim(h, true);
	CHECK_EQ(h->live_pages, base);
	CHECK_EQ(kmemleak_pool_in_use(&h->t), 0);
	host_free(h);
}

/*
 * Peaks of random size. After each trim the pool may have at most about twice the pages it
 * needs.
 */
static void test_peaks(void)
{
	static bool held[PEAK_BLOCKS];
	struct host *h = host_new(6);
	unsigned int i, round, nr_held = 0;
	long base = h->live_pages;

	memset(held, 0, sizeof(held));
	kmemleak_pool_set_stock(&h->t, 200);
	for (round = 0; round < host_rounds(12) && !host_failures; round++) {
		unsigned int grow = host_below(20), shrink = host_below(20);

		for (i = 0; i < PEAK_BLOCKS; i++) {
			if (!held[i] && host_below(20) < grow) {
				peak_add(h, i);
				held[i] = true;
				nr_held++;
			}
		}
		for (i = 0; i < PEAK_BLOCKS; i++) {
			if (held[i] && host_below(20) < shrink) {
				host_set_cpu(host_below(HOST_NR_CPUS));
				kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, PEAK_AT(i));
				held[i] = false;
				nr_held--;
			}
		}
		host_set_cpu(0);
		CHECK(kmemleak_pool_restock(&h->t));
		host_trim(h, false);
		CHECK(h->t.pool.nr_free >= 200);
		CHECK(h->live_pages - base <=
		      2 * (long)pages_for(kmemleak_pool_in_use(&h->t)) + (long)pages_for(400));
		check_peak(h, held, nr_held);
	}
	host_free(h);
}

/* Leak records outlive the entries of their objects. */
static void test_records(void)
{
	struct host *h = host_new(6);
	struct kmemleak_leak_set leaks;
	struct kmemleak_leak *leak;
	unsigned int i, nr = 1000, lives = 0;

	host_map(h, HOST_DIRECT, nr * 64);
	for (i = 0; i < nr; i++)
		host_block(h, PEAK_AT(i), 48);
	CHECK_EQ(host_scan_whole(h, &host_plain_options, &leaks), 0);
	CHECK_EQ(leaks.nr, nr);
	for (i = 0; i < nr; i++)
		if (i % 50)
			kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, PEAK_AT(i));
	/* A younger block at the address of a freed leak. */
	host_block(h, PEAK_AT(1), 48);
	host_trim(h, true);
	CHECK(host_counter(h, KMEMLEAK_CNT_PAGES_RETURNED) > 0);
	list_for_each_entry(leak, &leaks.list, list) {
		bool there = kmemleak_leak_set_is_alive(&h->t, leak);

		CHECK_EQ(there, (leak->ref.start - HOST_DIRECT) / 64 % 50 == 0);
		lives += there;
	}
	CHECK_EQ(lives, nr / 50);
	kmemleak_leak_set_acknowledge(&h->t, &leaks);
	kmemleak_leak_set_free(&h->t, &leaks);
	CHECK_EQ(host_scan_whole(h, &host_plain_options, &leaks), 0);
	CHECK_EQ(leaks.nr, 1);
	CHECK(host_reported(&leaks, PEAK_AT(1)));
	kmemleak_leak_set_free(&h->t, &leaks);
	host_free(h);
}

/* A hook that may sleep adds a page if the pool is empty. A hook that may not sleep adds none. */
static void test_top_up(void)
{
	struct host *h = host_new(6);
	unsigned long allocs = h->allocs;

	kmemleak_pool_top_up(&h->t, GFP_ATOMIC);
	CHECK_EQ(h->allocs, allocs);
	kmemleak_pool_top_up(&h->t, GFP_KERNEL);
	CHECK_EQ(h->allocs, allocs + 1);
	/* Now there are free entries. */
	kmemleak_pool_top_up(&h->t, GFP_KERNEL);
	CHECK_EQ(h->allocs, allocs + 1);
	h->fail_after = 0;
	CHECK(get_one(h));
	while (get_one(h))
		;
	/* If no page can be added, nothing else happens. */
	kmemleak_pool_top_up(&h->t, GFP_KERNEL);
	CHECK(!get_one(h));
	check_counts(h);
	host_free(h);
}

/* Takes an entry as for a block, and frees it. Return: its stamp. */
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

/* The stamps of one CPU must ascend, even if the clock stands still or goes back a little. */
static void test_stamp(void)
{
	struct host *h = host_new(6);
	u32 last, stamp;
	unsigned int i;

	REQUIRE(kmemleak_pool_grow_atomic(&h->t));
	last = next_stamp(h);
	for (i = 0; i < 1000; i++) {
		if (host_one_in(5))
			host_clock -= host_below(100);
		if (host_one_in(5))
			host_clock += host_below(1000);
		/* Entries that are not for blocks do not change the order. */
		if (host_one_in(5))
			kmemleak_pool_put(&h->t, kmemleak_pool_get(&h->t));
		stamp = next_stamp(h);
		CHECK((s32)(stamp - last) > 0);
		last = stamp;
	}
	/* Stamps ascend across the wrap, too. */
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
	{ "stock", test_stock },
	{ "empties", test_empties },
	{ "peak", test_peak },
	{ "peaks", test_peaks },
	{ "records", test_records },
	{ "top_up", test_top_up },
	{ "stamp", test_stamp },
	{ }
};
