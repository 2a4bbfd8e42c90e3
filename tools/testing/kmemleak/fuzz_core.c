// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: blocks and the index. The input is a list of calls with any arguments, and a
 * page allocator that fails now and then. The model is a list of blocks. At the end a scan
 * runs over the blocks that are left.
 */
#include "host.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

#define MAX_BLOCKS	256

static struct block {
	unsigned long start;
	size_t size;
} block[MAX_BLOCKS];
static unsigned int nr;

static const u8 *input;
static size_t left;

static u8 byte(void)
{
	if (!left)
		return 0;
	left--;
	return *input++;
}

/* Most addresses are in three neighbouring regions, a few are anywhere. */
static unsigned long address(void)
{
	unsigned int kind = byte(), low = byte() | byte() << 8;

	switch (kind >> 5) {
	case 0:
		return (unsigned long)(s16)low;
	case 1:
		return ((unsigned long)kind << (BITS_PER_LONG - 8)) + low;
	default:
		return HOST_DIRECT + 8 * (low & 0x2fff);
	}
}

static size_t size(void)
{
	unsigned int kind = byte(), low = byte();

	switch (kind >> 5) {
	case 0:
		return (size_t)(s8)low;
	case 1:
		return low << 8;
	default:
		return 1 + low;
	}
}

static struct block *overlapping(unsigned long start, size_t len, const struct block *but)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (&block[i] != but && start <= block[i].start + (block[i].size - 1) &&
		    block[i].start <= start + (len - 1))
			return &block[i];
	return NULL;
}

static struct block *starting(unsigned long start)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (block[i].start == start)
			return &block[i];
	return NULL;
}

static bool bad_addr(unsigned long addr)
{
	return !addr || IS_ERR_VALUE(addr);
}

static enum kmemleak_result bad_range(unsigned long start, size_t len)
{
	if (bad_addr(start))
		return KMEMLEAK_BAD_ADDR;
	if (!len)
		return KMEMLEAK_BAD_SIZE;
	return start + len < start ? KMEMLEAK_WRAPS : KMEMLEAK_OK;
}

static void add(struct host *h)
{
	unsigned long start = address();
	size_t len = size();
	enum kmemleak_result res, bad = bad_range(start, len);
	struct block *same;

	/* The index does not check whether a larger block overlaps narrow blocks inside it. */
	if (nr == MAX_BLOCKS || len > 16UL << KMEMLEAK_REGION_SHIFT)
		return;
	res = host_add(h, KMEMLEAK_VIRT, start, len, (s8)byte());
	if (bad) {
		REQUIRE(res == bad);
		return;
	}
	if (res == KMEMLEAK_NO_MEMORY) {
		REQUIRE(h->refused);
		return;
	}
	same = starting(start);
	if (overlapping(start, len, same)) {
		REQUIRE(res == KMEMLEAK_OVERLAPS);
		/*
		 * The tracker may have replaced the block with this start before it
		 * found the overlap, or not.
		 */
		if (same && !host_tracked(h, KMEMLEAK_VIRT, start))
			*same = block[--nr];
		return;
	}
	REQUIRE(res == (same ? KMEMLEAK_REPLACED : KMEMLEAK_OK));
	if (same)
		same->size = len;
	else
		block[nr++] = (struct block){ start, len };
}

static void free_block(struct host *h)
{
	struct block *b = nr && byte() & 3 ? &block[byte() % nr] : NULL;
	unsigned long start = b ? b->start : address();
	enum kmemleak_result res = kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, start);

	b = starting(start);
	if (b) {
		REQUIRE(res == KMEMLEAK_OK);
		*b = block[--nr];
	} else if (bad_addr(start)) {
		REQUIRE(res == KMEMLEAK_BAD_ADDR);
	} else {
		/* The result is KMEMLEAK_OK if the block is opaque. */
		REQUIRE(res == KMEMLEAK_NOT_FOUND || res == KMEMLEAK_OK);
	}
}

static void free_part(struct host *h)
{
	unsigned long start = address(), end, last;
	size_t len = size();
	unsigned long refused = h->refused;
	enum kmemleak_result res, bad = bad_range(start, len);
	struct block *b;

	if (nr == MAX_BLOCKS)
		return;
	res = kmemleak_block_remove_part(&h->t, KMEMLEAK_VIRT, start, len);
	if (bad) {
		REQUIRE(res == bad);
		return;
	}
	b = overlapping(start, 1, NULL);
	if (!b) {
		REQUIRE(res == KMEMLEAK_NOT_FOUND || res == KMEMLEAK_OK);
		return;
	}
	last = b->start + (b->size - 1);
	REQUIRE(res == (start + (len - 1) > last ? KMEMLEAK_OUTSIDE : KMEMLEAK_OK));
	end = min(start + (len - 1), last) + 1;
	if (end <= last) {
		/* If there is no entry for the rest, the rest is opaque. */
		if (start == b->start || host_tracked(h, KMEMLEAK_VIRT, end))
			block[nr++] = (struct block){ end, last - end + 1 };
		else
			REQUIRE(h->refused > refused);
	}
	if (start > b->start)
		b->size = start - b->start;
	else
		*b = block[--nr];
}

static void annotate(struct host *h)
{
	unsigned int what = byte();
	unsigned long addr = address();
	size_t len = size();
	enum kmemleak_result res;
	struct block *b = bad_addr(addr) ? NULL : overlapping(addr, 1, NULL);

	switch (what % 4) {
	case 0:
		res = kmemleak_block_add_area(&h->t, addr, len);
		if (b && len && addr + len > addr && len > b->start + b->size - addr)
			REQUIRE(res == KMEMLEAK_OUTSIDE);
		break;
	case 1:
		res = kmemleak_block_add_alias(&h->t, addr, address());
		break;
	case 2:
		res = kmemleak_block_set_trace(&h->t, addr, len);
		break;
	default:
		res = kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, addr, (what >> 2) % 4);
		REQUIRE(res == (b ? KMEMLEAK_OK : bad_addr(addr) ? KMEMLEAK_BAD_ADDR :
				KMEMLEAK_NOT_FOUND));
	}
	REQUIRE(res != KMEMLEAK_OK || b);
}

static void check(struct host *h)
{
	struct kmemleak_object copy;
	unsigned int i;

	REQUIRE(host_nr_objects(h) == nr);
	for (i = 0; i < nr; i++) {
		REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT,
					   block[i].start + (block[i].size - 1), &copy));
		REQUIRE(copy.start == block[i].start && copy.size == block[i].size);
	}
	REQUIRE(!h->t.failed);
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	struct kmemleak_options opt = {
		.rules = KMEMLEAK_ALL_RULES,
		.roots = KMEMLEAK_ALL_ROOTS,
		.min_unref_scans = 1,
	};
	struct kmemleak_leak_set leaks;
	struct kmemleak_leak *leak;
	struct host *h;

	if (len < 4)
		return 0;
	input = data;
	left = len;
	nr = 0;
	host_rng = 1;
	h = host_new_boot(byte() % 8);
	host_map(h, HOST_DIRECT, 0x18000);
	while (left) {
		u8 op = byte();

		/* The page allocator fails from now on, or works again. */
		if ((op & 0x70) == 0x70)
			h->fail_after = op & 0x80 ? 0 : -1;
		switch (op & 7) {
		case 0 ... 2:
			add(h);
			break;
		case 3 ... 4:
			free_block(h);
			break;
		case 5:
			free_part(h);
			break;
		case 6:
			annotate(h);
			break;
		default:
			if (op == 7)
				kmemleak_tracker_start(&h->t, 5 + byte() % 4, 1);
			else if (op & 8)
				check(h);
		}
	}
	check(h);
	h->fail_after = -1;
	REQUIRE(host_scan_whole(h, &opt, &leaks) == 0);
	list_for_each_entry(leak, &leaks.list, list)
		REQUIRE(starting(leak->ref.start));
	kmemleak_leak_set_free(&h->t, &leaks);
	check(h);
	while (nr)
		REQUIRE(kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, block[--nr].start) ==
			KMEMLEAK_OK);
	/* The attributes were removed with their blocks. */
	REQUIRE(kmemleak_pool_in_use(&h->t) == 0);
	host_free(h);
	if (host_failures)
		abort();
	return 0;
}
