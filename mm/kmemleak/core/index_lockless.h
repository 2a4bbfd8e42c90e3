/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Look-ups without a lock, for marks: what does an address refer to at this moment?
 *
 * A result is stable if no CPU changed the tree during the look-up. If a result is not
 * stable, look up the address again with kmemleak_index_find(). The caller prevents
 * kmemleak_pool_trim(), so entries stay mapped. Context: any.
 */
#ifndef _KMEMLEAK_INDEX_LOCKLESS_H
#define _KMEMLEAK_INDEX_LOCKLESS_H

#include "tracker.h"

/**
 * struct kmemleak_lookup_result - result of a look-up without a lock
 * @ref: the object if @found, else undefined
 * @stable: no CPU changed the tree during the look-up
 * @found: an object holds the address
 * @flags: flags of the object
 * @size: size of the object; only kmemleak_index_check() fills it in
 */
struct kmemleak_lookup_result {
	struct kmemleak_ref ref;
	bool stable;
	bool found;
	u16 flags;
	size_t size;
};

/* Greatest number of addresses that kmemleak_index_lookup() looks up together. */
#define KMEMLEAK_LOOKUPS	16

void kmemleak_index_lookup(struct kmemleak_tracker *t, enum kmemleak_space space,
			   const unsigned long *addr, struct kmemleak_lookup_result *seen,
			   unsigned int nr);

/**
 * kmemleak_index_check() - does this entry hold the object of an address?
 * @t: tracker
 * @obj: any entry of the pool
 * @addr: any virtual address
 * @seen: filled in
 *
 * Finds only objects that are not wide. The entry may be free, hold an attribute, or get
 * another object meanwhile. But if the entry holds a live object with @addr, and no CPU
 * changes the tree that @addr belongs to, then the object is in that tree.
 *
 * Return: true if the object of @addr is in this entry; false if it is not, or if the
 * result is not stable.
 */
static __always_inline bool kmemleak_index_check(struct kmemleak_tracker *t,
						 struct kmemleak_object *obj, unsigned long addr,
						 struct kmemleak_lookup_result *seen)
{
	struct kmemleak_shard *shard = shard_of_region(&t->index, region_of(addr));
	unsigned int seq = raw_read_seqcount(&shard->seq);
	/* Pairs with fill_object(): the size read below is not older than this start. */
	unsigned long start = smp_load_acquire(&obj->start);

	seen->ref = (struct kmemleak_ref){ obj, start };
	seen->size = READ_ONCE(obj->size);
	/* Acquire: if these are the flags of the entry's next object, the start has changed. */
	seen->flags = smp_load_acquire(&obj->flags);
	/* A size that does not belong to this start leads to another shard at worst. */
	seen->found = addr - start < seen->size && region_of(addr) == region_of(start) &&
		      READ_ONCE(obj->start) == start &&
		      (seen->flags & (KMEMLEAK_LIVE | KMEMLEAK_WIDE | KMEMLEAK_SPACE_MASK)) ==
		      KMEMLEAK_LIVE;
	seen->stable = !(seq & 1) && !read_seqcount_retry(&shard->seq, seq);
	return seen->stable && seen->found;
}

#endif /* _KMEMLEAK_INDEX_LOCKLESS_H */
