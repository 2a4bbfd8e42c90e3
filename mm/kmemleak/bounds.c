// SPDX-License-Identifier: GPL-2.0-only
/*
 * Bounds of the index: a cheap "no" for most words of memory. They only widen,
 * so that a look at them needs no lock.
 */
#include "index.h"

/* Which pair of bounds an address is held against. */
static unsigned int bounds_of(const struct kmemleak_index *idx,
			      enum kmemleak_space space, unsigned long addr)
{
	if (space != KMEMLEAK_VIRT)
		return KMEMLEAK_NR_CLASSES + space;
	return class_of(idx, addr);
}

static u8 *filter_of(const struct kmemleak_index *idx, unsigned long region)
{
	return (u8 *)&idx->filter[hash_long(region, KMEMLEAK_FILTER_BITS)];
}

/**
 * kmemleak_index_may_hold() - cheap test before a look-up
 * @idx: the index
 * @space: space of @addr
 * @addr: any word
 *
 * Context: any, no lock needed.
 * Return: false if no object that can be white lies at @addr.
 */
bool kmemleak_index_may_hold(const struct kmemleak_index *idx, enum kmemleak_space space,
			     unsigned long addr)
{
	unsigned int b = bounds_of(idx, space, addr);

	/* Pairs with kmemleak_bounds_widen(). */
	if (addr < READ_ONCE(idx->low[b]) || addr >= READ_ONCE(idx->high[b]))
		return false;
	return space != KMEMLEAK_PERCPU || READ_ONCE(*filter_of(idx, region_of(addr)));
}

void kmemleak_bounds_widen(struct kmemleak_index *idx, enum kmemleak_space space,
			   unsigned long start, size_t size)
{
	unsigned int b = bounds_of(idx, space, start);
	unsigned long end = last_of(start, size) + 1 ?: ULONG_MAX;
	unsigned long old, region;

	for (region = region_of(start);
	     space == KMEMLEAK_PERCPU && region <= region_of(end - 1); region++)
		WRITE_ONCE(*filter_of(idx, region), 1);
	old = READ_ONCE(idx->low[b]);
	while (start < old) {
		unsigned long seen = cmpxchg(&idx->low[b], old, start);

		if (seen == old)
			break;
		old = seen;
	}
	old = READ_ONCE(idx->high[b]);
	while (end > old) {
		unsigned long seen = cmpxchg(&idx->high[b], old, end);

		if (seen == old)
			break;
		old = seen;
	}
}

void kmemleak_bounds_setup(struct kmemleak_index *idx)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(idx->low); i++) {
		idx->low[i] = ULONG_MAX;
		idx->high[i] = 0;
	}
}
