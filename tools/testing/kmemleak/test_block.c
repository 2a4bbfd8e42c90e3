// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks. Each function is called with every kind of wrong argument: it must return the
 * right error, move one counter and change nothing else. Other cases compare random calls
 * with a plain model, and make calls while the page allocator fails.
 */
#include "host.h"

/* ------------------------------------------------------------ bad input -- */

enum entry {
	ADD,
	REMOVE,
	REMOVE_PART,
	NOT_LEAK,
	IGNORE,
	NO_SCAN,
	TRANSIENT,
	SET_TRACE,
	ADD_AREA,
	ADD_ALIAS,
	NR_ENTRIES,
};

#define NOTHING	KMEMLEAK_NR_COUNTERS

static enum kmemleak_result call(struct host *h, enum entry e, unsigned long addr, size_t size)
{
	switch (e) {
	case ADD:
		return host_add(h, KMEMLEAK_VIRT, addr, size, 1);
	case REMOVE:
		return kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, addr);
	case REMOVE_PART:
		return kmemleak_block_remove_part(&h->t, KMEMLEAK_VIRT, addr, size);
	case NOT_LEAK ... TRANSIENT:
		return kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, addr,
					       KMEMLEAK_ANNOTATE_NOT_LEAK + (e - NOT_LEAK));
	case SET_TRACE:
		return kmemleak_block_set_trace(&h->t, addr, 42);
	case ADD_AREA:
		return kmemleak_block_add_area(&h->t, addr, size);
	case ADD_ALIAS:
		return kmemleak_block_add_alias(&h->t, addr, HOST_VMALLOC);
	default:
		abort();
	}
}

/*
 * Makes one call with a wrong argument. It must return @expected and increment only
 * @counter. The objects must be the same as before.
 */
static void check_bad(struct host *h, enum entry e, unsigned long addr, size_t size,
		      enum kmemleak_result expected, enum kmemleak_counter counter)
{
	long before[KMEMLEAK_NR_COUNTERS];
	unsigned long objects = host_nr_objects(h);
	enum kmemleak_result res;
	unsigned int i;

	for (i = 0; i < KMEMLEAK_NR_COUNTERS; i++)
		before[i] = host_counter(h, i);
	res = call(h, e, addr, size);
	if (res != expected)
		host_check_failed(__FILE__, __LINE__, "entry %d, %#lx, %#zx: %d, not %d",
				  e, addr, size, res, expected);
	for (i = 0; i < KMEMLEAK_NR_COUNTERS; i++)
		if (host_counter(h, i) - before[i] != (i == counter ? 1 : 0))
			host_check_failed(__FILE__, __LINE__, "entry %d, %#lx, %#zx: %s +%ld",
					  e, addr, size, kmemleak_counter_names[i],
					  host_counter(h, i) - before[i]);
	CHECK_EQ(host_nr_objects(h), objects);
	CHECK(h->t.enabled);
	CHECK(!h->t.failed);
	CHECK_EQ(kmemleak_pool_in_use(&h->t), objects);
}

static const bool has_size[NR_ENTRIES] = {
	[ADD] = true, [REMOVE_PART] = true, [ADD_AREA] = true,
};

/* All functions must refuse NULL and error pointers. */
static void test_bad_addr(void)
{
	static const long bad[] = { 0, -1, -2, -12, -22, -4095 };
	struct host *h = host_new(6);
	unsigned int e, i;

	host_block(h, HOST_DIRECT, 64);
	for (e = 0; e < NR_ENTRIES; e++)
		for (i = 0; i < ARRAY_SIZE(bad); i++)
			check_bad(h, e, bad[i], 64, KMEMLEAK_BAD_ADDR, KMEMLEAK_CNT_BAD_ADDR);
	CHECK_EQ(h->t.opaque.nr, 0);
	/* An address just below the error pointers is valid, but there is no block. */
	check_bad(h, REMOVE, -4096UL, 0, KMEMLEAK_NOT_FOUND, KMEMLEAK_CNT_UNKNOWN_FREE);
	host_free(h);
}

/* All functions that take a size must refuse 0 and ranges that wrap. */
static void test_bad_size(void)
{
	struct host *h = host_new(6);
	unsigned int e;

	host_block(h, HOST_DIRECT, 64);
	for (e = 0; e < NR_ENTRIES; e++) {
		if (!has_size[e])
			continue;
		check_bad(h, e, HOST_DIRECT, 0, KMEMLEAK_BAD_SIZE, KMEMLEAK_CNT_BAD_SIZE);
		check_bad(h, e, HOST_DIRECT + 64, 0, KMEMLEAK_BAD_SIZE, KMEMLEAK_CNT_BAD_SIZE);
		check_bad(h, e, HOST_DIRECT, -HOST_DIRECT, KMEMLEAK_WRAPS, KMEMLEAK_CNT_WRAP);
		check_bad(h, e, HOST_DIRECT, -HOST_DIRECT + 1, KMEMLEAK_WRAPS, KMEMLEAK_CNT_WRAP);
		if (e != ADD_AREA)
			check_bad(h, e, HOST_DIRECT + 8, SIZE_MAX, KMEMLEAK_WRAPS,
				  KMEMLEAK_CNT_WRAP);
		check_bad(h, e, HOST_DIRECT, SIZE_MAX - 1, KMEMLEAK_WRAPS, KMEMLEAK_CNT_WRAP);
	}
	CHECK_EQ(h->t.opaque.nr, 0);
	host_free(h);
}

/* All functions but add must refuse an address that lies in no block. */
static void test_unknown(void)
{
	struct host *h = host_new(6);
	unsigned int e;

	host_block(h, HOST_DIRECT + 256, 64);
	for (e = REMOVE; e < NR_ENTRIES; e++) {
		enum kmemleak_counter c = e == REMOVE || e == REMOVE_PART ?
			KMEMLEAK_CNT_UNKNOWN_FREE : KMEMLEAK_CNT_UNKNOWN;

		check_bad(h, e, HOST_DIRECT + 255, 1, KMEMLEAK_NOT_FOUND, c);
		check_bad(h, e, HOST_DIRECT + 320, 1, KMEMLEAK_NOT_FOUND, c);
		check_bad(h, e, HOST_VMALLOC, 8, KMEMLEAK_NOT_FOUND, c);
		check_bad(h, e, 1, 8, KMEMLEAK_NOT_FOUND, c);
	}
	/* A free must name the first byte of a block. Annotations accept any address inside it. */
	check_bad(h, REMOVE, HOST_DIRECT + 257, 0, KMEMLEAK_NOT_FOUND, KMEMLEAK_CNT_UNKNOWN_FREE);
	host_free(h);
}

/* A freed block is unknown. */
static void test_freed(void)
{
	struct host *h = host_new(6);
	unsigned int e;

	host_block(h, HOST_DIRECT, 64);
	CHECK_EQ(call(h, REMOVE, HOST_DIRECT, 0), KMEMLEAK_OK);
	CHECK(!host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT));
	for (e = REMOVE; e < NR_ENTRIES; e++)
		check_bad(h, e, HOST_DIRECT, 8, KMEMLEAK_NOT_FOUND,
			  e == REMOVE || e == REMOVE_PART ? KMEMLEAK_CNT_UNKNOWN_FREE :
			  KMEMLEAK_CNT_UNKNOWN);
	host_free(h);
}

/* Wrong arguments in the other spaces. The same address can be a block in each space. */
static void test_spaces(void)
{
	struct host *h = host_new(6);
	unsigned int i;

	host_map(h, HOST_DIRECT, 0x10000);
	/* Physical address 0 is valid: page 0 is a page like any other. */
	CHECK_EQ(host_add(h, KMEMLEAK_PHYS, 0, PAGE_SIZE, 1), KMEMLEAK_OK);
	CHECK(host_tracked(h, KMEMLEAK_PHYS, 1));
	CHECK_EQ(host_add(h, KMEMLEAK_PERCPU, 0, 8, 1), KMEMLEAK_BAD_ADDR);
	CHECK_EQ(host_add(h, KMEMLEAK_PERCPU, -12UL, 8, 1), KMEMLEAK_BAD_ADDR);
	CHECK_EQ(host_add(h, KMEMLEAK_PERCPU, HOST_PERCPU, 0, 1), KMEMLEAK_BAD_SIZE);
	CHECK_EQ(host_add(h, KMEMLEAK_PHYS, HOST_PHYS, 0, 1), KMEMLEAK_BAD_SIZE);
	CHECK_EQ(host_add(h, KMEMLEAK_PHYS, HOST_PHYS, -HOST_PHYS, 1), KMEMLEAK_WRAPS);
	CHECK_EQ(host_add(h, KMEMLEAK_PERCPU, HOST_PERCPU, 8, 1), KMEMLEAK_OK);
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_PERCPU, 8, 1), KMEMLEAK_OK);
	for (i = 0; i < KMEMLEAK_NR_SPACES; i++) {
		CHECK_EQ(kmemleak_block_annotate(&h->t, i, HOST_PERCPU, KMEMLEAK_ANNOTATE_IGNORE),
			 i == KMEMLEAK_PHYS ? KMEMLEAK_NOT_FOUND : KMEMLEAK_OK);
		CHECK_EQ(kmemleak_block_remove(&h->t, i, HOST_PERCPU),
			 i == KMEMLEAK_PHYS ? KMEMLEAK_NOT_FOUND : KMEMLEAK_OK);
	}
	CHECK_EQ(kmemleak_block_remove(&h->t, KMEMLEAK_PHYS, 0), KMEMLEAK_OK);
	CHECK_EQ(host_nr_objects(h), 0);
	host_free(h);
}

/*
 * Removes many ranges from a set of blocks. All bytes in the range must be untracked, and
 * all others must stay, also those of a per-cpu block at the same address. A range without
 * blocks is no error.
 */
static void test_remove_all(void)
{
	static const struct {
		unsigned int start, size;
	} blocks[] = {
		{ 16, 8 }, { 24, 40 }, { 100, 1 }, { 128, 64 },
	};
	unsigned int first, last, i;

	for (first = 0; first < 208; first += 4) {
		for (last = first; last < 208; last += 3) {
			struct host *h = host_new(6);
			unsigned int addr;

			for (i = 0; i < ARRAY_SIZE(blocks); i++)
				host_add(h, KMEMLEAK_PHYS, HOST_PHYS + blocks[i].start,
					 blocks[i].size, 0);
			host_add(h, KMEMLEAK_PERCPU, HOST_PHYS + first, 8, 0);
			kmemleak_block_remove_all(&h->t, KMEMLEAK_PHYS, HOST_PHYS + first,
						  last - first + 1);
			CHECK(host_tracked(h, KMEMLEAK_PERCPU, HOST_PHYS + first));
			for (addr = 0; addr < 208; addr++) {
				bool there = false;

				for (i = 0; i < ARRAY_SIZE(blocks); i++)
					there |= addr - blocks[i].start < blocks[i].size;
				there &= addr < first || addr > last;
				CHECK_EQ(host_tracked(h, KMEMLEAK_PHYS, HOST_PHYS + addr), there);
			}
			CHECK_EQ(host_counter(h, KMEMLEAK_CNT_UNKNOWN_FREE), 0);
			CHECK_EQ(host_counter(h, KMEMLEAK_CNT_OUTSIDE), 0);
			host_free(h);
		}
	}
}

/* The removed range holds two blocks that overlap, so one of them is opaque. Both must go. */
static void test_remove_all_opaque(void)
{
	struct host *h = host_new(6);

	host_add(h, KMEMLEAK_PHYS, HOST_PHYS, 64, 0);
	CHECK_EQ(host_add(h, KMEMLEAK_PHYS, HOST_PHYS + 32, 64, 0), KMEMLEAK_OVERLAPS);
	CHECK_EQ(h->t.opaque.nr, 1);
	kmemleak_block_remove_all(&h->t, KMEMLEAK_PHYS, HOST_PHYS, PAGE_SIZE);
	CHECK_EQ(h->t.opaque.nr, 0);
	CHECK_EQ(host_nr_objects(h), 0);
	host_free(h);
}

/* Blocks are added at the start of a known block. */
static void test_duplicate(void)
{
	struct host *h = host_new(6);
	struct kmemleak_object copy;

	host_block(h, HOST_DIRECT, 64);
	kmemleak_block_add_area(&h->t, HOST_DIRECT, 8);
	/* The free of the first block was missed. The second block replaces it. */
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_DIRECT, 128, 1), KMEMLEAK_REPLACED);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_DUPLICATE), 1);
	CHECK_EQ(host_nr_objects(h), 1);
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 127, &copy));
	CHECK_EQ(copy.size, 128);
	/* The new object has none of the attributes of the first one. */
	CHECK(!(copy.flags & KMEMLEAK_AREAS));
	CHECK_EQ(kmemleak_pool_in_use(&h->t), 1);
	/* A wide block replaces a narrow one, and the reverse. */
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_DIRECT, 0x20000, 1), KMEMLEAK_REPLACED);
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_DIRECT, 32, 1), KMEMLEAK_REPLACED);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_DUPLICATE), 3);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_OVERLAP), 0);
	CHECK_EQ(host_nr_objects(h), 1);
	CHECK(!host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT + 32));
	host_free(h);
}

static void check_opaque(struct host *h, unsigned long start, unsigned long end)
{
	if (!host_opaque(h, KMEMLEAK_VIRT, start, end))
		host_check_failed(__FILE__, __LINE__, "[%#lx, %#lx) is not opaque", start, end);
}

/* A new block overlaps a known one: it must become opaque, and the known block a root. */
static void test_overlap(void)
{
	static const struct {
		long offset;
		size_t size;
	} t[] = {
		{ -32, 33 }, { -32, 1024 }, { 1, 1 }, { 1, 63 }, { 1, 64 }, { 63, 1 },
		{ 63, 0x20000 }, { -0x20000, 0x20001 },
	};
	unsigned long start = HOST_DIRECT + 0x100000;
	struct kmemleak_object copy;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		struct host *h = host_new(6);

		host_block(h, start, 64);
		CHECK_EQ(host_add(h, KMEMLEAK_VIRT, start + t[i].offset, t[i].size, 1),
			 KMEMLEAK_OVERLAPS);
		CHECK_EQ(host_counter(h, KMEMLEAK_CNT_OVERLAP), 1);
		CHECK_EQ(host_nr_objects(h), 1);
		REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, start, &copy));
		CHECK_EQ(copy.size, 64);
		/*
		 * Both blocks are roots. So neither is reported, nor any block that they
		 * point to.
		 */
		CHECK_EQ(copy.colour.min_count, 0);
		check_opaque(h, start + t[i].offset, start + t[i].offset + t[i].size);
		/* The free of the opaque block is known. */
		CHECK_EQ(call(h, REMOVE, start + t[i].offset, 0), KMEMLEAK_OK);
		CHECK_EQ(h->t.opaque.nr, 0);
		CHECK_EQ(host_counter(h, KMEMLEAK_CNT_UNKNOWN_FREE), 0);
		host_free(h);
	}
	/* Blocks that only touch do not overlap. */
	{
		struct host *h = host_new(6);

		host_block(h, start, 64);
		host_block(h, start - 64, 64);
		host_block(h, start + 64, 64);
		CHECK_EQ(host_counter(h, KMEMLEAK_CNT_OVERLAP), 0);
		host_free(h);
	}
}

/* The new block has the start of one object, and overlaps another object as well. */
static void test_replace_and_overlap(void)
{
	struct host *h = host_new(6);

	host_block(h, HOST_DIRECT, 64);
	host_block(h, HOST_DIRECT + 64, 64);
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_DIRECT, 100, 1), KMEMLEAK_OVERLAPS);
	check_opaque(h, HOST_DIRECT, HOST_DIRECT + 100);
	CHECK(host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT + 64));
	CHECK_EQ(kmemleak_pool_in_use(&h->t), host_nr_objects(h));
	host_free(h);
}

/*
 * A block is overlapped, and its free is missed. The block that replaces it counts as
 * overlapped, too: its free must also end the opaque block.
 */
static void test_overlap_and_replace(void)
{
	struct host *h = host_new(6);

	host_block(h, HOST_DIRECT, 64);
	CHECK_EQ(call(h, ADD, HOST_DIRECT + 8, 8), KMEMLEAK_OVERLAPS);
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_DIRECT, 128, 1), KMEMLEAK_REPLACED);
	CHECK_EQ(h->t.opaque.nr, 1);
	CHECK_EQ(call(h, REMOVE, HOST_DIRECT, 0), KMEMLEAK_OK);
	CHECK_EQ(h->t.opaque.nr, 0);
	host_free(h);
}

/*
 * An area that reaches outside of its block is refused. Of a part that does, only the bytes
 * inside the block are removed.
 */
static void test_outside(void)
{
	struct host *h = host_new(6);
	struct kmemleak_object copy;

	host_block(h, HOST_DIRECT, 64);
	check_bad(h, ADD_AREA, HOST_DIRECT, 65, KMEMLEAK_OUTSIDE, KMEMLEAK_CNT_OUTSIDE);
	check_bad(h, ADD_AREA, HOST_DIRECT + 63, 2, KMEMLEAK_OUTSIDE, KMEMLEAK_CNT_OUTSIDE);
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT, &copy));
	CHECK(!(copy.flags & KMEMLEAK_AREAS));
	CHECK_EQ(call(h, ADD_AREA, HOST_DIRECT + 8, 56), KMEMLEAK_OK);
	/* SIZE_MAX stands for the rest of the block. */
	CHECK_EQ(call(h, ADD_AREA, HOST_DIRECT + 60, SIZE_MAX), KMEMLEAK_OK);
	{
		unsigned long start, end;

		CHECK(kmemleak_attr_next_area(&h->t, HOST_DIRECT, HOST_DIRECT, &start, &end));
		CHECK_EQ(start, HOST_DIRECT + 8);
		CHECK_EQ(end, HOST_DIRECT + 64);
	}
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT, &copy));
	CHECK(copy.flags & KMEMLEAK_AREAS);
	/* The part begins in the block and ends behind it. */
	CHECK_EQ(call(h, REMOVE_PART, HOST_DIRECT + 32, 64), KMEMLEAK_OUTSIDE);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_OUTSIDE), 3);
	CHECK(host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT + 31));
	CHECK(!host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT + 32));
	CHECK_EQ(kmemleak_pool_in_use(&h->t), host_nr_objects(h));
	/*
	 * The rest of the part lies in an opaque block that overlaps this one. It is freed,
	 * too.
	 */
	host_block(h, HOST_DIRECT + 128, 64);
	CHECK_EQ(call(h, ADD, HOST_DIRECT + 160, 64), KMEMLEAK_OVERLAPS);
	CHECK_EQ(h->t.opaque.nr, 1);
	CHECK_EQ(call(h, REMOVE_PART, HOST_DIRECT + 160, 64), KMEMLEAK_OUTSIDE);
	CHECK_EQ(h->t.opaque.nr, 0);
	host_free(h);
}

/* ------------------------------------------------ what an object stores -- */

/* A copy of the object must have all that the caller passed. */
static void test_fields(void)
{
	const struct kmemleak_origin origin = {
		.trace = 0xabcd,
		.born = host_read_now(), .clock = host_read_clock(),
		.pid = BIT(KMEMLEAK_PID_BITS) - 1, .context = KMEMLEAK_SOFTIRQ, .unrequested = 1234,
		.comm = "insmod\0\0\0\0\0\0\0\0\0",
	};
	struct host *h = host_new(6);
	struct kmemleak_object a, b;
	char comm[KMEMLEAK_COMM_LEN];

	CHECK_EQ(kmemleak_block_add(&h->t, KMEMLEAK_VIRT, HOST_DIRECT, 100, 2, &origin),
		 KMEMLEAK_OK);
	host_block(h, HOST_DIRECT + 128, 64);
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 99, &a));
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 128, &b));
	CHECK_EQ(a.start, HOST_DIRECT);
	CHECK_EQ(a.size, 100);
	CHECK_EQ(a.colour.min_count, 2);
	CHECK_EQ(a.colour.count, 0);
	CHECK_EQ(a.trace, 0xabcd);
	CHECK_EQ(a.pid, BIT(KMEMLEAK_PID_BITS) - 1);
	CHECK_EQ(kmemleak_object_unrequested(&a), 1234);
	CHECK_EQ(kmemleak_object_unrequested(&b), 0);
	CHECK_EQ(a.born, host_now);
	CHECK_EQ((a.flags & KMEMLEAK_CTX_MASK) >> KMEMLEAK_CTX_SHIFT, KMEMLEAK_SOFTIRQ);
	CHECK((s32)(b.stamp - a.stamp) > 0);
	kmemleak_comm_get(&h->t, a.comm, a.pid, comm);
	CHECK(!strcmp(comm, "insmod"));
	CHECK(!kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 100, &a));
	CHECK_EQ(call(h, SET_TRACE, HOST_DIRECT + 150, 0), KMEMLEAK_OK);
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 128, &b));
	CHECK_EQ(b.trace, 42);
	host_free(h);
}

static struct kmemleak_object add_with_unrequested(struct host *h, size_t size,
						   const struct kmemleak_origin *origin)
{
	struct kmemleak_object copy;

	CHECK_EQ(kmemleak_block_add(&h->t, KMEMLEAK_VIRT, HOST_DIRECT, size, 1, origin),
		 KMEMLEAK_OK);
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT, &copy));
	return copy;
}

/*
 * The largest block of the page allocator, of which the caller requested more than half.
 * The number of unrequested bytes must lie between the two bounds that the object gives.
 */
static void test_unrequested_large(void)
{
	struct kmemleak_origin origin = { .born = host_read_now() };
	struct host *h = host_new(6);
	const u32 most = 512 * PAGE_SIZE;
	unsigned int i;

	for (i = 0; i < 3000; i++) {
		size_t requested;
		struct kmemleak_object copy;

		origin.unrequested = i ? host_below(most) : most - 1;
		copy = add_with_unrequested(h, 2 * most, &origin);
		requested = 2 * most - origin.unrequested;
		CHECK(kmemleak_object_unrequested(&copy) <= origin.unrequested);
		CHECK(kmemleak_object_max_unrequested(&copy) >= origin.unrequested);
		CHECK(kmemleak_object_max_unrequested(&copy) - kmemleak_object_unrequested(&copy) <
		      KMEMLEAK_UNREQUESTED_UNIT);
		/* A free of the requested bytes frees the whole block. */
		if (i % 2) {
			CHECK_EQ(call(h, REMOVE_PART, HOST_DIRECT, requested), KMEMLEAK_OK);
			CHECK_EQ(host_nr_objects(h), 0);
			continue;
		}
		CHECK_EQ(call(h, REMOVE_PART, HOST_DIRECT + 4096, requested - 4096),
			 KMEMLEAK_OK);
		CHECK_EQ(host_nr_objects(h), 1);
		CHECK(!host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT + 4096));
		CHECK(!host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT + requested));
		CHECK_EQ(call(h, REMOVE, HOST_DIRECT, 0), KMEMLEAK_OK);
	}
	host_free(h);
}

/*
 * Small numbers of unrequested bytes are exact, larger ones are rounded down to a unit.
 * When a part is cut out, the two objects that are left have none.
 */
static void test_unrequested(void)
{
	struct kmemleak_origin origin = { .born = host_read_now() };
	struct host *h = host_new(6);
	struct kmemleak_object copy;

	for (origin.unrequested = 0; origin.unrequested <= KMEMLEAK_UNREQUESTED_EXACT + 2000;
	     origin.unrequested++) {
		u32 unit = origin.unrequested < KMEMLEAK_UNREQUESTED_EXACT ?
				   1 :
				   KMEMLEAK_UNREQUESTED_UNIT;

		copy = add_with_unrequested(h, 0x8000, &origin);
		CHECK_EQ(kmemleak_object_unrequested(&copy), origin.unrequested / unit * unit);
		CHECK_EQ(kmemleak_object_max_unrequested(&copy),
			 origin.unrequested / unit * unit + unit - 1);
		CHECK_EQ(copy.pid, 0);
		CHECK_EQ(copy.comm, 0);
		CHECK_EQ(call(h, REMOVE, HOST_DIRECT, 0), KMEMLEAK_OK);
	}
	origin.unrequested = 28;
	add_with_unrequested(h, 128, &origin);
	CHECK_EQ(call(h, REMOVE_PART, HOST_DIRECT + 32, 32), KMEMLEAK_OK);
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT, &copy));
	CHECK_EQ(kmemleak_object_unrequested(&copy), 0);
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 64, &copy));
	CHECK_EQ(kmemleak_object_unrequested(&copy), 0);
	host_free(h);
}

/* min_count is stored up to 126. A negative min_count means that the block is ignored. */
static void test_min_count(void)
{
	static const struct {
		int given;
		unsigned int kept;
		bool ignored;
	} t[] = {
		{ 0, 0 }, { 1, 1 }, { 2, 2 }, { 126, 126 }, { 127, 126 }, { INT_MAX, 126 },
		{ -1, 0, true }, { INT_MIN, 0, true },
	};
	struct host *h = host_new(6);
	struct kmemleak_object copy;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_DIRECT + 64 * i, 64, t[i].given),
			 KMEMLEAK_OK);
		REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 64 * i, &copy));
		CHECK_EQ(copy.colour.min_count, t[i].kept);
		CHECK_EQ(!!(copy.flags & KMEMLEAK_IGNORE), t[i].ignored);
	}
	host_free(h);
}

/* Frees parts of a block. The rest must stay tracked, with the right bounds. */
static void test_parts(void)
{
	struct host *h = host_new(6);
	struct kmemleak_object copy;
	unsigned int i;

	/* First a narrow block, then a wide one. */
	for (i = 0; i < 2; i++) {
		unsigned long start = HOST_DIRECT + 0x8000 - (i ? 0x1000 : 0x4000);
		unsigned long unit = 0x400;

		host_block(h, start, 8 * unit);
		/* Cut out the middle: two objects are left. */
		CHECK_EQ(call(h, REMOVE_PART, start + 3 * unit, unit), KMEMLEAK_OK);
		CHECK_EQ(host_nr_objects(h), 2);
		CHECK(host_tracked(h, KMEMLEAK_VIRT, start + 3 * unit - 1));
		CHECK(!host_tracked(h, KMEMLEAK_VIRT, start + 3 * unit));
		CHECK(!host_tracked(h, KMEMLEAK_VIRT, start + 4 * unit - 1));
		REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, start + 4 * unit, &copy));
		CHECK_EQ(copy.start, start + 4 * unit);
		CHECK_EQ(copy.size, 4 * unit);
		CHECK_EQ(copy.trace, 1 + (u32)(start >> 4));
		/* Cut off a head and a tail. */
		CHECK_EQ(call(h, REMOVE_PART, start, unit), KMEMLEAK_OK);
		REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, start + unit, &copy));
		CHECK_EQ(copy.start, start + unit);
		CHECK_EQ(copy.size, 2 * unit);
		CHECK_EQ(call(h, REMOVE_PART, start + 7 * unit, unit), KMEMLEAK_OK);
		REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, start + 4 * unit, &copy));
		CHECK_EQ(copy.size, 3 * unit);
		/* Free one object as a whole. */
		CHECK_EQ(call(h, REMOVE_PART, start + unit, 2 * unit), KMEMLEAK_OK);
		CHECK_EQ(host_nr_objects(h), 1);
		CHECK_EQ(call(h, REMOVE, start + 4 * unit, 0), KMEMLEAK_OK);
		CHECK_EQ(host_nr_objects(h), 0);
		CHECK_EQ(kmemleak_pool_in_use(&h->t), 0);
	}
	host_free(h);
}

/* ----------------------------------------------------------- no memory -- */

/* Uses up all free entries. The page allocator fails from now on. */
static void exhaust(struct host *h)
{
	unsigned long i;

	h->fail_after = 0;
	for (i = 0; host_add(h, KMEMLEAK_VIRT, HOST_VMALLOC + i * 16, 16, 0) == KMEMLEAK_OK; i++)
		;
}

/* A block that gets no entry is opaque until it is freed. */
static void test_no_entry(void)
{
	struct host *h = host_new(6);
	long lost;

	exhaust(h);
	lost = host_counter(h, KMEMLEAK_CNT_NO_ENTRY);
	CHECK(lost > 0);
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_DIRECT, 64, 1), KMEMLEAK_NO_MEMORY);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_NO_ENTRY), lost + 1);
	check_opaque(h, HOST_DIRECT, HOST_DIRECT + 64);
	CHECK(h->t.enabled);
	/* After its free the block is no longer opaque, and the free counts no error. */
	CHECK_EQ(call(h, REMOVE, HOST_DIRECT, 0), KMEMLEAK_OK);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_UNKNOWN_FREE), 0);
	CHECK(!host_opaque(h, KMEMLEAK_VIRT, HOST_DIRECT, HOST_DIRECT + 1));
	/* With memory again, blocks get entries again. */
	h->fail_after = -1;
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_DIRECT, 64, 1), KMEMLEAK_OK);
	host_free(h);
}

/* A per-cpu block gets no entry: each CPU's copy is a root until the block is freed. */
static void test_no_entry_percpu(void)
{
	const unsigned long ptr = HOST_PERCPU + 64, block = HOST_DIRECT + 0x100000;
	struct host *h = host_new(6);
	unsigned int cpu;

	for (cpu = 0; cpu < HOST_NR_CPUS; cpu++) {
		host_block(h, block + cpu * 64, 64);
		host_map(h, HOST_COPIES + cpu * HOST_COPY_STRIDE, PAGE_SIZE);
		host_store(h, HOST_COPIES + cpu * HOST_COPY_STRIDE + 72, block + cpu * 64);
	}
	exhaust(h);
	CHECK_EQ(host_add(h, KMEMLEAK_PERCPU, ptr, 64, 1), KMEMLEAK_NO_MEMORY);
	CHECK(host_opaque(h, KMEMLEAK_PERCPU, ptr, ptr + 64));
	h->fail_after = -1;
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	for (cpu = 0; cpu < HOST_NR_CPUS; cpu++)
		CHECK(!host_white(h, KMEMLEAK_VIRT, block + cpu * 64));
	CHECK_EQ(kmemleak_block_remove(&h->t, KMEMLEAK_PERCPU, ptr), KMEMLEAK_OK);
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	for (cpu = 0; cpu < HOST_NR_CPUS; cpu++)
		CHECK(host_white(h, KMEMLEAK_VIRT, block + cpu * 64));
	host_free(h);
}

/*
 * Three blocks are opaque, and one of them has the only pointer to a tracked block. Frees
 * of unknown addresses, inside the opaque blocks and between them, must end none of them.
 * So the tracked block is not reported until the right opaque block is freed.
 */
static void test_unknown_free_ends_nothing(void)
{
	struct host *h = host_new(6);
	struct kmemleak_options opt = host_plain_options;
	unsigned long lost = HOST_DIRECT + 0x1000;
	struct kmemleak_leak_set leaks;
	unsigned int i;

	host_map(h, HOST_DIRECT, 0x10000);
	host_block(h, HOST_DIRECT, 64);
	exhaust(h);
	for (i = 0; i < 3; i++)
		CHECK_EQ(host_add(h, KMEMLEAK_VIRT, lost + i * 128, 64, 1), KMEMLEAK_NO_MEMORY);
	h->fail_after = -1;
	host_store(h, lost + 128 + 8, HOST_DIRECT);
	for (i = 0; i < 3 * 128; i++)
		if (i % 128)
			CHECK_EQ(call(h, REMOVE, lost + i, 0), KMEMLEAK_NOT_FOUND);
	CHECK_EQ(call(h, REMOVE, lost, 0), KMEMLEAK_OK);
	CHECK_EQ(call(h, REMOVE, lost, 0), KMEMLEAK_NOT_FOUND);
	CHECK_EQ(call(h, REMOVE, lost + 256, 0), KMEMLEAK_OK);
	CHECK_EQ(host_scan_whole(h, &host_plain_options, &leaks), 0);
	CHECK(!host_reported(&leaks, HOST_DIRECT));
	kmemleak_leak_set_free(&h->t, &leaks);
	opt.roots &= ~BIT(KMEMLEAK_ROOT_OPAQUE);
	CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
	CHECK(host_reported(&leaks, HOST_DIRECT));
	kmemleak_leak_set_free(&h->t, &leaks);
	CHECK_EQ(call(h, REMOVE, lost + 128, 0), KMEMLEAK_OK);
	CHECK_EQ(host_scan_whole(h, &host_plain_options, &leaks), 0);
	CHECK(host_reported(&leaks, HOST_DIRECT));
	kmemleak_leak_set_free(&h->t, &leaks);
	host_free(h);
}

/*
 * More opaque blocks than the table has room for. A missed block may point to anything, so
 * the scan must fail until the missed blocks are cleared.
 */
static void test_opaque_missed(void)
{
	struct host *h = host_new(6);
	struct kmemleak_leak_set leaks;
	unsigned long i;

	host_block(h, HOST_DIRECT, 64);
	exhaust(h);
	for (i = 1; !h->t.opaque.missed; i++)
		host_add(h, KMEMLEAK_VIRT, HOST_DIRECT + i * 4096, 64, 1);
	h->fail_after = -1;
	CHECK_EQ(host_scan_whole(h, &host_plain_options, &leaks), -ENOMEM);
	kmemleak_leak_set_free(&h->t, &leaks);
	kmemleak_opaque_clear_missed(&h->t, h->t.opaque.missed);
	CHECK_EQ(host_scan_whole(h, &host_plain_options, &leaks), 0);
	CHECK(host_reported(&leaks, HOST_DIRECT));
	kmemleak_leak_set_free(&h->t, &leaks);
	host_free(h);
}

/* The kernel no longer owns the memory of an opaque block: a mark must not read it. */
static void test_foreign(void)
{
	struct host *h = host_new(6);

	host_map(h, HOST_DIRECT, 0x1000);
	host_map(h, HOST_VMALLOC, 0x1000);
	host_block(h, HOST_VMALLOC, 64);
	kmemleak_opaque_add(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 64, 64);
	host_store(h, HOST_DIRECT + 64, HOST_VMALLOC);
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(!host_white(h, KMEMLEAK_VIRT, HOST_VMALLOC));
	h->segments[0].foreign = true;
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(host_white(h, KMEMLEAK_VIRT, HOST_VMALLOC));
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_UNREADABLE), 0);
	host_free(h);
}

/*
 * In the first pause of a mark, makes a block opaque that has the only pointer to another
 * block.
 */
static int lose_one(struct host *h)
{
	if (!h->t.opaque.nr)
		kmemleak_opaque_add(&h->t, KMEMLEAK_VIRT, HOST_DIRECT + 64, 64);
	return 0;
}

/* A block becomes opaque while a mark runs. The mark must still scan it. */
static void test_opaque_during_mark(void)
{
	struct host *h = host_new(6);
	unsigned int i;

	host_map(h, HOST_DIRECT, 0x1000);
	host_map(h, HOST_IMAGE, 0x1000);
	host_block(h, HOST_VMALLOC, 64);
	host_store(h, HOST_DIRECT + 64, HOST_VMALLOC);
	/* Enough roots without references that the mark pauses. */
	for (i = 0; i < 100; i++)
		host_add(h, KMEMLEAK_VIRT, HOST_IMAGE + i * 32, 32, 0);
	h->on_pause = lose_one;
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK_EQ(h->t.opaque.nr, 1);
	CHECK(!host_white(h, KMEMLEAK_VIRT, HOST_VMALLOC));
	host_free(h);
}

/* An opaque block is freed in parts: the rest must stay opaque. */
static void test_opaque_in_parts(void)
{
	struct host *h = host_new(6);

	exhaust(h);
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_DIRECT, 0x4000, 1), KMEMLEAK_NO_MEMORY);
	call(h, REMOVE_PART, HOST_DIRECT, 0x1000);
	check_opaque(h, HOST_DIRECT + 0x1000, HOST_DIRECT + 0x4000);
	call(h, REMOVE_PART, HOST_DIRECT + 0x3000, 0x1000);
	check_opaque(h, HOST_DIRECT + 0x1000, HOST_DIRECT + 0x3000);
	host_free(h);
}

/* A hole is cut into a block, but the second half gets no entry: that half becomes opaque. */
static void test_cut_without_entry(void)
{
	struct host *h = host_new(6);
	long lost;

	host_block(h, HOST_DIRECT, 0x4000);
	exhaust(h);
	lost = host_counter(h, KMEMLEAK_CNT_NO_ENTRY);
	CHECK_EQ(call(h, REMOVE_PART, HOST_DIRECT + 0x1000, 0x1000), KMEMLEAK_OK);
	CHECK(host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT + 0xfff));
	CHECK(!host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT + 0x1000));
	check_opaque(h, HOST_DIRECT + 0x2000, HOST_DIRECT + 0x4000);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_NO_ENTRY), lost + 1);
	/* A cut that needs no second entry works without memory. */
	CHECK_EQ(call(h, REMOVE_PART, HOST_DIRECT, 0x800), KMEMLEAK_OK);
	CHECK(host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT + 0x800));
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_NO_ENTRY), lost + 1);
	host_free(h);
}

/* A block whose scan area gets no entry is scanned as a whole. */
static void test_no_attr(void)
{
	struct host *h = host_new(6);
	struct kmemleak_object copy;

	host_block(h, HOST_DIRECT, 64);
	host_block(h, HOST_VMALLOC + 0x100000, 64);
	exhaust(h);
	CHECK_EQ(call(h, ADD_AREA, HOST_DIRECT, 8), KMEMLEAK_NO_MEMORY);
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_DIRECT, &copy));
	CHECK(copy.flags & KMEMLEAK_FULL_SCAN);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_NO_ATTR), 1);
	/* If an alias gets no entry, the block that it counts for becomes a root. */
	CHECK_EQ(kmemleak_block_add_alias(&h->t, HOST_DIRECT, HOST_VMALLOC + 0x100000),
		 KMEMLEAK_NO_MEMORY);
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, HOST_VMALLOC + 0x100000, &copy));
	CHECK_EQ(copy.colour.min_count, 0);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_NO_ATTR), 2);
	host_free(h);
}

/* ----------------------------------------- random calls, and the tracker -- */

#define MAX_BLOCKS	1500

struct block {
	enum kmemleak_space space;
	unsigned long start;
	size_t size;
	unsigned int attrs;
	int min_count;
	unsigned int flags;
};

static struct block block[MAX_BLOCKS];
static unsigned int nr_blocks;

static struct block *model_at(enum kmemleak_space space, unsigned long start, size_t size)
{
	unsigned int i;

	for (i = 0; i < nr_blocks; i++)
		if (block[i].space == space && start <= block[i].start + (block[i].size - 1) &&
		    block[i].start <= start + (size - 1))
			return &block[i];
	return NULL;
}

/* The tracker must hold exactly the blocks of the model. */
static void check_model(struct host *h)
{
	struct kmemleak_object copy;
	unsigned int i, attrs = 0;

	CHECK_EQ(host_nr_objects(h), nr_blocks);
	for (i = 0; i < nr_blocks; i++) {
		struct block *b = &block[i];

		attrs += b->attrs;
		if (!kmemleak_block_get(&h->t, b->space, b->start + host_below(b->size), &copy)) {
			host_check_failed(__FILE__, __LINE__, "block %#lx is gone", b->start);
			continue;
		}
		CHECK_EQ(copy.start, b->start);
		CHECK_EQ(copy.size, b->size);
		CHECK_EQ(copy.colour.min_count, b->min_count);
		CHECK_EQ(copy.flags & (KMEMLEAK_IGNORE | KMEMLEAK_NO_SCAN | KMEMLEAK_TRANSIENT),
			 b->flags);
	}
	CHECK_EQ(kmemleak_pool_in_use(&h->t), nr_blocks + attrs);
}

/* Makes a random call without a mistake, and changes the model in the same way. */
static void random_call(struct host *h)
{
	struct block *b = nr_blocks ? &block[host_below(nr_blocks)] : NULL;
	unsigned long addr, first, last;
	size_t size;

	switch (b ? host_below(12) : 0) {
	case 0 ... 4:
		addr = HOST_DIRECT + 16 * host_below(0x8000);
		size = 1 + host_below(host_one_in(6) ? 0x18000 : 256);
		if (nr_blocks == MAX_BLOCKS || model_at(KMEMLEAK_VIRT, addr, size))
			return;
		CHECK_EQ(host_add(h, KMEMLEAK_VIRT, addr, size, 1), KMEMLEAK_OK);
		block[nr_blocks++] = (struct block){ KMEMLEAK_VIRT, addr, size, 0, 1, 0 };
		return;
	case 5 ... 7:
		CHECK_EQ(kmemleak_block_remove(&h->t, b->space, b->start), KMEMLEAK_OK);
		*b = block[--nr_blocks];
		return;
	case 8:
		first = host_below(b->size);
		size = 1 + host_below(b->size - first);
		last = first + size - 1;
		if (nr_blocks == MAX_BLOCKS)
			return;
		CHECK_EQ(kmemleak_block_remove_part(&h->t, b->space, b->start + first, size),
			 KMEMLEAK_OK);
		if (!first && last == b->size - 1) {
			*b = block[--nr_blocks];
			return;
		}
		b->attrs = 0;
		if (!first) {
			b->start += size;
			b->size -= size;
			return;
		}
		if (last != b->size - 1) {
			block[nr_blocks] = *b;
			block[nr_blocks].start = b->start + last + 1;
			block[nr_blocks++].size = b->size - last - 1;
		}
		b->size = first;
		return;
	case 9:
		/* Each block gets at most one area here. test_attr.c tests several. */
		if (b->attrs)
			return;
		CHECK_EQ(kmemleak_block_add_area(&h->t, b->start, 1 + host_below(b->size)),
			 KMEMLEAK_OK);
		b->attrs++;
		return;
	default:
		switch (host_below(4)) {
		case 0:
			call(h, NOT_LEAK, b->start + host_below(b->size), 0);
			b->min_count = 0;
			return;
		case 1:
			call(h, IGNORE, b->start + host_below(b->size), 0);
			b->flags |= KMEMLEAK_IGNORE;
			return;
		case 2:
			call(h, NO_SCAN, b->start + host_below(b->size), 0);
			b->flags |= KMEMLEAK_NO_SCAN;
			return;
		default:
			call(h, TRANSIENT, b->start + host_below(b->size), 0);
			b->flags |= KMEMLEAK_TRANSIENT;
			return;
		}
	}
}

static void test_random(void)
{
	struct host *h = host_new(4 + host_below(6));
	unsigned long i;
	unsigned int c;

	for (i = 0; i < host_rounds(20000) && !host_failures; i++) {
		random_call(h);
		if (i % 512 == 0)
			check_model(h);
	}
	check_model(h);
	while (nr_blocks && !host_failures) {
		nr_blocks--;
		CHECK_EQ(kmemleak_block_remove(&h->t, block[nr_blocks].space,
					       block[nr_blocks].start), KMEMLEAK_OK);
	}
	CHECK_EQ(host_nr_objects(h), 0);
	CHECK_EQ(kmemleak_pool_in_use(&h->t), 0);
	/* No call was a mistake, so no counter has moved. */
	for (c = 0; c < KMEMLEAK_NR_COUNTERS; c++)
		CHECK_EQ(host_counter(h, c), 0);
	host_free(h);
}

/* Blocks are tracked before the start, after it, and again after a reset. */
static void test_life(void)
{
	struct host *h = host_new_boot(64);
	unsigned int i;

	h->fail_after = 0;
	for (i = 0; i < 64; i++)
		host_block(h, HOST_DIRECT + 0x4000 * i, 0x2000);
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_VMALLOC, 64, 1), KMEMLEAK_NO_MEMORY);
	/* Without memory the start fails. It can be repeated. */
	CHECK_EQ(kmemleak_tracker_start(&h->t, 8, HOST_NR_CPUS), -ENOMEM);
	h->fail_after = -1;
	CHECK_EQ(kmemleak_tracker_start(&h->t, 8, HOST_NR_CPUS), 0);
	CHECK_EQ(host_nr_objects(h), 64);
	for (i = 0; i < 64; i++)
		CHECK(host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT + 0x4000 * i + 0x1fff));
	CHECK_EQ(call(h, REMOVE, HOST_DIRECT, 0), KMEMLEAK_OK);

	kmemleak_tracker_disable(&h->t);
	CHECK(!h->t.enabled);
	kmemleak_tracker_reset(&h->t);
	CHECK_EQ(h->live_pages, 0);
	CHECK_EQ(host_nr_objects(h), 0);
	kmemleak_tracker_enable(&h->t);
	CHECK_EQ(kmemleak_tracker_start(&h->t, 7, HOST_NR_CPUS), 0);
	host_block(h, HOST_DIRECT, 64);
	CHECK_EQ(host_nr_objects(h), 1);
	host_free(h);
}

/* Only the first reason of a failure is kept. */
static void test_fail(void)
{
	struct host *h = host_new(6);

	kmemleak_tracker_fail(&h->t, "first");
	kmemleak_tracker_fail(&h->t, "second");
	CHECK(!h->t.enabled);
	CHECK(h->t.failed && !strcmp(h->t.failed, "first"));
	host_free(h);
}

/* Each counter has a name of its own. */
static void test_counter_names(void)
{
	unsigned int i, j;

	for (i = 0; i < KMEMLEAK_NR_COUNTERS; i++) {
		REQUIRE(kmemleak_counter_names[i] && *kmemleak_counter_names[i]);
		for (j = 0; j < i; j++)
			CHECK(strcmp(kmemleak_counter_names[i], kmemleak_counter_names[j]));
	}
}

const struct host_case block_cases[] = {
	{ "bad_addr", test_bad_addr },
	{ "bad_size", test_bad_size },
	{ "unknown", test_unknown },
	{ "freed", test_freed },
	{ "spaces", test_spaces },
	{ "remove_all", test_remove_all },
	{ "remove_all_opaque", test_remove_all_opaque },
	{ "duplicate", test_duplicate },
	{ "overlap", test_overlap },
	{ "replace_and_overlap", test_replace_and_overlap },
	{ "overlap_and_replace", test_overlap_and_replace },
	{ "outside", test_outside },
	{ "fields", test_fields },
	{ "unrequested", test_unrequested },
	{ "unrequested_large", test_unrequested_large },
	{ "min_count", test_min_count },
	{ "parts", test_parts },
	{ "no_entry", test_no_entry },
	{ "no_entry_percpu", test_no_entry_percpu },
	{ "unknown_free_ends_nothing", test_unknown_free_ends_nothing },
	{ "opaque_missed", test_opaque_missed },
	{ "foreign", test_foreign },
	{ "opaque_during_mark", test_opaque_during_mark },
	{ "opaque_in_parts", test_opaque_in_parts },
	{ "cut_without_entry", test_cut_without_entry },
	{ "no_attr", test_no_attr },
	{ "random", test_random },
	{ "life", test_life },
	{ "fail", test_fail },
	{ "counter_names", test_counter_names },
	{ }
};
