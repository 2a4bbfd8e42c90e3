// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opaque ranges: as long as a lost block lives, all of it is in a range. What
 * else is in one costs recall only, but without overflow there is nothing else.
 */
#include "host.h"

#define MAX_BLOCKS	2000

static struct block {
	unsigned long start;
	unsigned long end;
} block[MAX_BLOCKS];
static unsigned int nr;

static bool opaque(struct host *h, unsigned long start, unsigned long end)
{
	struct kmemleak_range r;

	return kmemleak_opaque_next(&h->t, start, &r) && r.start == start && r.end >= end;
}

/* Sorted, disjoint, as many blocks as there are, each inside one. */
static void check_ranges(struct host *h)
{
	unsigned long from = 0, blocks = 0;
	struct kmemleak_range r;
	unsigned int i, ranges = 0;

	while (kmemleak_opaque_next(&h->t, from, &r)) {
		REQUIRE(r.start >= from && r.end > r.start);
		REQUIRE(r.blocks > 0);
		if (ranges)
			CHECK(r.start > from);
		from = r.end;
		blocks += r.blocks;
		ranges++;
	}
	CHECK_EQ(ranges, h->t.opaque.nr);
	CHECK(ranges <= KMEMLEAK_NR_OPAQUE);
	CHECK_EQ(blocks, nr);
	for (i = 0; i < nr; i++)
		CHECK(opaque(h, block[i].start, block[i].end));
}

static bool model_overlap(unsigned long start, unsigned long end)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (start < block[i].end && block[i].start < end)
			return true;
	return false;
}

static void add_random(struct host *h, unsigned long span)
{
	static const unsigned long base[] = { HOST_DIRECT, HOST_VMALLOC, HOST_IMAGE };
	unsigned long start = base[host_below(3)] + 8 * host_below(span / 8);
	unsigned long end = start + 8 + 8 * host_below(16);

	if (nr == MAX_BLOCKS || model_overlap(start, end))
		return;
	kmemleak_opaque_add(&h->t, start, end);
	block[nr].start = start;
	block[nr++].end = end;
}

static void remove_random(struct host *h)
{
	unsigned int i;

	if (!nr)
		return;
	i = host_below(nr);
	CHECK(kmemleak_opaque_remove(&h->t, block[i].start));
	block[i] = block[--nr];
}

static void random_ops(struct host *h, unsigned long span, unsigned long rounds)
{
	unsigned int bias = 2;

	while (rounds-- && !host_failures) {
		if (host_one_in(300))
			bias = 1 + host_below(3);
		if (host_below(4) < bias)
			add_random(h, span);
		else
			remove_random(h);
		if (rounds % 16 == 0)
			check_ranges(h);
	}
}

/* Few blocks: never full. */
static void test_random(void)
{
	struct host *h = host_new(6);

	random_ops(h, 0x2000, host_rounds(6000));
	while (nr)
		remove_random(h);
	CHECK_EQ(h->t.opaque.nr, 0);
	host_free(h);
}

/* So many blocks so far apart that the table is full most of the time. */
static void test_full(void)
{
	struct host *h = host_new(6);
	unsigned int i;

	for (i = 0; i < 2 * KMEMLEAK_NR_OPAQUE; i++)
		add_random(h, 0x1000000);
	CHECK(h->t.opaque.nr >= KMEMLEAK_NR_OPAQUE - 1);
	check_ranges(h);
	random_ops(h, 0x1000000, host_rounds(3000));
	while (nr && !host_failures)
		remove_random(h);
	CHECK_EQ(h->t.opaque.nr, 0);
	host_free(h);
}

/* The two that lie closest are the ones that become one. */
static void test_merge_closest(void)
{
	struct host *h = host_new(6);
	unsigned long addr = HOST_DIRECT;
	struct kmemleak_range r;
	unsigned int i;

	for (i = 0; i < KMEMLEAK_NR_OPAQUE; i++) {
		kmemleak_opaque_add(&h->t, addr, addr + 16);
		addr += i == 100 ? 0x100 : 0x1000;
	}
	CHECK_EQ(h->t.opaque.nr, KMEMLEAK_NR_OPAQUE);
	kmemleak_opaque_add(&h->t, addr, addr + 16);
	CHECK_EQ(h->t.opaque.nr, KMEMLEAK_NR_OPAQUE);
	REQUIRE(kmemleak_opaque_next(&h->t, HOST_DIRECT + 100 * 0x1000, &r));
	CHECK_EQ(r.start, HOST_DIRECT + 100 * 0x1000);
	CHECK_EQ(r.end, HOST_DIRECT + 100 * 0x1000 + 0x110);
	CHECK_EQ(r.blocks, 2);
	REQUIRE(kmemleak_opaque_next(&h->t, r.end, &r));
	CHECK_EQ(r.blocks, 1);
	host_free(h);
}

static void test_joins(void)
{
	struct host *h = host_new(6);
	unsigned long a = HOST_DIRECT;
	struct kmemleak_range r;

	CHECK(!kmemleak_opaque_next(&h->t, 0, &r));
	CHECK(!kmemleak_opaque_remove(&h->t, a));
	kmemleak_opaque_add(&h->t, a, a + 16);
	kmemleak_opaque_add(&h->t, a + 32, a + 48);
	CHECK_EQ(h->t.opaque.nr, 2);
	CHECK(!kmemleak_opaque_remove(&h->t, a + 16));
	CHECK(!kmemleak_opaque_remove(&h->t, a - 1));
	/* What closes the gap makes them one. */
	kmemleak_opaque_add(&h->t, a + 16, a + 32);
	CHECK_EQ(h->t.opaque.nr, 1);
	REQUIRE(kmemleak_opaque_next(&h->t, 0, &r));
	CHECK_EQ(r.start, a);
	CHECK_EQ(r.end, a + 48);
	CHECK_EQ(r.blocks, 3);
	/* From inside: the rest. */
	REQUIRE(kmemleak_opaque_next(&h->t, a + 20, &r));
	CHECK_EQ(r.start, a + 20);
	CHECK_EQ(r.end, a + 48);
	CHECK(!kmemleak_opaque_next(&h->t, a + 48, &r));
	/* One over many. */
	kmemleak_opaque_add(&h->t, a + 100, a + 108);
	kmemleak_opaque_add(&h->t, a + 200, a + 208);
	CHECK_EQ(h->t.opaque.nr, 3);
	kmemleak_opaque_add(&h->t, a + 40, a + 204);
	CHECK_EQ(h->t.opaque.nr, 1);
	REQUIRE(kmemleak_opaque_next(&h->t, 0, &r));
	CHECK_EQ(r.end, a + 208);
	CHECK_EQ(r.blocks, 6);
	host_free(h);
}

const struct host_case ranges_cases[] = {
	{ "random", test_random },
	{ "full", test_full },
	{ "merge_closest", test_merge_closest },
	{ "joins", test_joins },
	{ }
};
