// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opaque blocks. The table must have an entry for each block, with exactly its bytes, until
 * that block is freed. It is compared with a plain list of the same blocks.
 */
#include "host.h"

#define MAX_BLOCKS	400

static struct kmemleak_block block[MAX_BLOCKS];
static unsigned int nr;

static int cmp_block(const void *a, const void *b)
{
	const struct kmemleak_block *x = a, *y = b;

	if (x->space != y->space)
		return x->space < y->space ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

/* The table must have the blocks of the list, and no others. */
static void check_entries(struct host *h)
{
	static struct kmemleak_block note[MAX_BLOCKS];
	unsigned long bytes = 0;
	unsigned int i, n = 0;
	u32 cursor = 0;

	while (n < MAX_BLOCKS && kmemleak_opaque_next(&h->t, &cursor, &note[n]))
		n++;
	CHECK_EQ(n, nr);
	CHECK_EQ(h->t.opaque.nr, nr);
	qsort(note, n, sizeof(*note), cmp_block);
	qsort(block, nr, sizeof(*block), cmp_block);
	for (i = 0; i < min(n, nr); i++) {
		CHECK(!cmp_block(&note[i], &block[i]));
		CHECK_EQ(note[i].size, block[i].size);
		bytes += block[i].size;
	}
	CHECK_EQ(h->t.opaque.bytes, bytes);
}

static struct kmemleak_block *find(enum kmemleak_space space, unsigned long start)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (block[i].space == space && block[i].start == start)
			return &block[i];
	return NULL;
}

static unsigned long random_addr(unsigned long span)
{
	return HOST_DIRECT + 8 * host_below(span / 8);
}

static void add_random(struct host *h, unsigned long span)
{
	enum kmemleak_space space = host_below(KMEMLEAK_NR_SPACES);
	unsigned long start = random_addr(span);
	size_t size = 8 + 8 * host_below(16);
	struct kmemleak_block *old = find(space, start);

	if (!old && nr == MAX_BLOCKS)
		return;
	kmemleak_opaque_add(&h->t, space, start, size);
	/* If the block is in the table already, its free was missed. */
	*(old ?: &block[nr++]) = (struct kmemleak_block){ space, start, size };
}

/* Only the start of a block, in its own space, removes the block. */
static void remove_random(struct host *h, unsigned long span)
{
	enum kmemleak_space space = host_below(KMEMLEAK_NR_SPACES);
	unsigned long start = random_addr(span);
	struct kmemleak_block *b;

	if (nr && host_one_in(2)) {
		b = &block[host_below(nr)];
		space = b->space;
		start = b->start;
	}
	b = find(space, start);
	CHECK_EQ(kmemleak_opaque_remove(&h->t, space, start), !!b);
	if (b)
		*b = block[--nr];
}

static void cut_random(struct host *h, unsigned long span)
{
	enum kmemleak_space space = host_below(KMEMLEAK_NR_SPACES);
	unsigned long start = random_addr(span), end = start + 8 + 8 * host_below(24);
	unsigned int i, before = nr;
	bool any = false;

	if (nr > MAX_BLOCKS - 32)
		return;
	for (i = 0; i < before; i++) {
		struct kmemleak_block *b = &block[i];
		unsigned long last = b->start + b->size;

		if (b->space != space || b->start >= end || last <= start)
			continue;
		any = true;
		if (last > end) {
			/* If a block begins there already, its free was missed. */
			if (find(space, end))
				return;
			block[nr++] = (struct kmemleak_block){ space, end, last - end };
		}
		b->size = b->start < start ? start - b->start : 0;
	}
	CHECK_EQ(kmemleak_opaque_cut(&h->t, space, start, end - start), any);
	for (i = 0; i < nr; i++)
		if (!block[i].size)
			block[i--] = block[--nr];
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
			remove_random(h, span);
		if (rounds % 16 == 0)
			check_entries(h);
	}
}

/* Adds and removes blocks at random, first close together and then far apart. */
static void test_random(void)
{
	struct host *h = host_new(8);

	nr = 0;
	random_ops(h, 0x2000, host_rounds(6000));
	random_ops(h, 0x10000000, host_rounds(6000));
	while (nr) {
		CHECK(kmemleak_opaque_remove(&h->t, block[nr - 1].space, block[nr - 1].start));
		nr--;
	}
	check_entries(h);
	host_free(h);
}

/*
 * Cuts random ranges out of blocks that do not overlap. So the parts that are left have
 * starts of their own.
 */
static void test_cut(void)
{
	unsigned long rounds = host_rounds(4000), i;
	struct host *h = host_new(8);

	nr = 0;
	while (rounds-- && !host_failures) {
		unsigned long start = HOST_DIRECT + 256 * host_below(256);
		size_t size = 8 + 8 * host_below(31);

		for (i = 0; i < nr; i++)
			if (block[i].start < start + size && start < block[i].start + block[i].size)
				break;
		if (i == nr && nr < MAX_BLOCKS / 2) {
			kmemleak_opaque_add(&h->t, KMEMLEAK_VIRT, start, size);
			block[nr++] = (struct kmemleak_block){ KMEMLEAK_VIRT, start, size };
		}
		cut_random(h, 256 * 256);
		if (rounds % 16 == 0)
			check_entries(h);
	}
	check_entries(h);
	host_free(h);
}

/* Cuts off the start and the end of a block, and then cuts out the middle. */
static void test_parts(void)
{
	struct host *h = host_new(6);
	unsigned long a = HOST_DIRECT;
	unsigned int added;

	nr = 0;
	kmemleak_opaque_add(&h->t, KMEMLEAK_VIRT, a, 0x4000);
	CHECK(!kmemleak_opaque_cut(&h->t, KMEMLEAK_VIRT, a + 0x4000, 1));
	CHECK(!kmemleak_opaque_cut(&h->t, KMEMLEAK_VIRT, a - 1, 1));
	CHECK(!kmemleak_opaque_cut(&h->t, KMEMLEAK_PHYS, a, 0x4000));
	CHECK(kmemleak_opaque_cut(&h->t, KMEMLEAK_VIRT, a, 0x1000));
	CHECK(kmemleak_opaque_cut(&h->t, KMEMLEAK_VIRT, a + 0x3ff0, 0x1000));
	/*
	 * A mark that has read the table must notice the new entry for the memory behind
	 * the hole.
	 */
	h->t.pass_needed = false;
	added = h->t.opaque.added;
	CHECK(kmemleak_opaque_cut(&h->t, KMEMLEAK_VIRT, a + 0x2000, 0x10));
	CHECK_EQ(h->t.opaque.added, added + 1);
	CHECK(h->t.pass_needed);
	block[nr++] = (struct kmemleak_block){ KMEMLEAK_VIRT, a + 0x1000, 0x1000 };
	block[nr++] = (struct kmemleak_block){ KMEMLEAK_VIRT, a + 0x2010, 0x1fe0 };
	check_entries(h);
	/* Each of the two parts is a block now. The old start is the start of no block. */
	CHECK(!kmemleak_opaque_remove(&h->t, KMEMLEAK_VIRT, a));
	CHECK(!kmemleak_opaque_remove(&h->t, KMEMLEAK_VIRT, a + 0x1800));
	CHECK(kmemleak_opaque_remove(&h->t, KMEMLEAK_VIRT, a + 0x1000));
	CHECK(kmemleak_opaque_remove(&h->t, KMEMLEAK_VIRT, a + 0x2010));
	CHECK_EQ(h->t.opaque.bytes, 0);
	host_free(h);
}

/*
 * The table is full: further blocks are only counted. A hole that needs a further entry
 * stays opaque.
 */
static void test_full(void)
{
	struct host *h = host_new(6);
	struct kmemleak_opaque *o = &h->t.opaque;
	unsigned long i, room = o->room - 1;

	for (i = 0; i < room + 3; i++)
		kmemleak_opaque_add(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + i * 0x100000, 64);
	CHECK_EQ(o->nr, room);
	CHECK_EQ(o->missed, 3);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_OPAQUE_MISSED), 3);
	CHECK(kmemleak_opaque_cut(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 16, 16));
	CHECK_EQ(o->bytes, room * 64);
	/* A free makes room, so now the hole can be cut. */
	CHECK(kmemleak_opaque_remove(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 0x100000));
	CHECK(kmemleak_opaque_cut(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 16, 16));
	CHECK_EQ(o->bytes, room * 64 - 64 - 16);
	kmemleak_opaque_clear_missed(&h->t, 2);
	CHECK_EQ(o->missed, 1);
	host_free(h);
}

/* Blocks from the time before the full table must be in the full table. */
static void test_start(void)
{
	struct host *h = host_new(0);
	unsigned int i;

	nr = 0;
	for (i = 0; i < KMEMLEAK_BOOT_OPAQUE - 1; i++) {
		block[nr++] = (struct kmemleak_block){ KMEMLEAK_VIRT, HOST_DIRECT + i * 4096, 64 };
		kmemleak_opaque_add(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + i * 4096, 64);
	}
	CHECK_EQ(h->t.opaque.missed, 0);
	check_entries(h);
	/* There is no memory for a table of full size: a smaller one is used. */
	h->fail_order = 1;
	kmemleak_tracker_start(&h->t, 9, HOST_NR_CPUS);
	CHECK(h->t.opaque.room > KMEMLEAK_BOOT_OPAQUE);
	CHECK(h->t.opaque.room <= 2 * PAGE_SIZE / sizeof(struct kmemleak_opaque_entry));
	check_entries(h);
	for (i = 0; i < nr; i++)
		CHECK(kmemleak_opaque_remove(&h->t, block[i].space, block[i].start));
	CHECK_EQ(h->t.opaque.nr, 0);
	host_free(h);
}

/* The table is so small that not all blocks from before fit: the rest must not be lost. */
static void test_start_small(void)
{
	struct host *h = host_new(0);
	struct kmemleak_opaque *o = &h->t.opaque;
	unsigned int i;

	for (i = 0; i < KMEMLEAK_BOOT_OPAQUE - 1; i++)
		kmemleak_opaque_add(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + i * 4096, 64);
	h->fail_order = 0;
	kmemleak_tracker_start(&h->t, 9, HOST_NR_CPUS);
	CHECK_EQ(o->room, PAGE_SIZE / sizeof(struct kmemleak_opaque_entry));
	CHECK_EQ(o->nr, min_t(u32, o->room, KMEMLEAK_BOOT_OPAQUE) - 1);
	CHECK_EQ(o->missed, KMEMLEAK_BOOT_OPAQUE - 1 - o->nr);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_OPAQUE_MISSED), o->missed);
	host_free(h);
}

/* Opaque blocks all over memory: only their own bytes are opaque. */
static void test_scattered(void)
{
	const unsigned long lost = 4096;
	struct host *h = host_new(12);
	unsigned long i;

	for (i = 0; i < lost; i++)
		kmemleak_opaque_add(&h->t, KMEMLEAK_VIRT,
				    HOST_DIRECT + (i << (BITS_PER_LONG == 64 ? 24 : 16)), 192);
	CHECK_EQ(h->t.opaque.nr, lost);
	CHECK_EQ(h->t.opaque.bytes, lost * 192);
	host_free(h);
}

/*
 * While there are opaque blocks, allocations and frees of other blocks take no more locks
 * than before.
 */
static void test_no_lock(void)
{
	struct host *h = host_new(6);
	unsigned long without, i;

	host_block(h, HOST_DIRECT, 64);
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, HOST_DIRECT);
	without = host_locks;
	host_block(h, HOST_DIRECT, 64);
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, HOST_DIRECT);
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, HOST_DIRECT);
	without = host_locks - without;
	for (i = 1; i < 300; i++)
		kmemleak_opaque_add(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + i * 4096, 64);
	for (i = 300; i < 600; i++) {
		unsigned long before = host_locks;

		host_block(h, HOST_DIRECT + i * 4096, 64);
		kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + i * 4096);
		/* The free of an unknown block takes no more locks either. */
		kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + i * 4096);
		CHECK_EQ(host_locks - before, without);
	}
	CHECK_EQ(h->t.opaque.nr, 299);
	host_free(h);
}

const struct host_case opaque_cases[] = {
	{ "random", test_random },
	{ "cut", test_cut },
	{ "parts", test_parts },
	{ "full", test_full },
	{ "start", test_start },
	{ "start_small", test_start_small },
	{ "scattered", test_scattered },
	{ "no_lock", test_no_lock },
	{ }
};
