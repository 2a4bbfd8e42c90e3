/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the files of the index: which tree an address belongs to.
 */
#ifndef _KMEMLEAK_INDEX_H
#define _KMEMLEAK_INDEX_H

#include "kmemleak.h"

static inline unsigned long last_of(unsigned long start, size_t size)
{
	return start + (size - 1);
}

static inline unsigned long region_of(unsigned long addr)
{
	return addr >> KMEMLEAK_REGION_SHIFT;
}

static inline struct kmemleak_shard *shard_of_region(struct kmemleak_index *idx,
						     unsigned long region)
{
	return &idx->shards[hash_long(region, idx->bits)];
}

/* Which class of VIRT an address belongs to. Return: 0 to KMEMLEAK_NR_CLASSES - 1. */
static inline unsigned int class_of(const struct kmemleak_index *idx, unsigned long addr)
{
	unsigned int class = 0;

	while (class < KMEMLEAK_NR_CLASSES - 1 && addr >= idx->split[class])
		class++;
	return class;
}

static inline struct kmemleak_shard *wide_of(struct kmemleak_index *idx,
					     enum kmemleak_space space, unsigned long addr)
{
	if (space != KMEMLEAK_VIRT)
		return &idx->other[space];
	return &idx->wide[class_of(idx, addr)];
}

/* bounds.c */
void kmemleak_bounds_setup(struct kmemleak_index *idx);
void kmemleak_bounds_widen(struct kmemleak_index *idx, enum kmemleak_space space,
			   unsigned long start, size_t size);

/* Is this block within the bounds already? */
static inline bool inside_bounds(const struct kmemleak_index *idx, enum kmemleak_space space,
				 unsigned long start, size_t size)
{
	unsigned int class = class_of(idx, start);

	/* Pairs with kmemleak_bounds_widen(). */
	return space == KMEMLEAK_VIRT && start >= READ_ONCE(idx->low[class]) &&
	       last_of(start, size) < READ_ONCE(idx->high[class]);
}

/* index.c */
void kmemleak_shard_link_locked(struct kmemleak_shard *shard, struct kmemleak_object *obj);
int kmemleak_index_cover(struct kmemleak_index *idx, unsigned long start, size_t size,
			 struct kmemleak_ref *clash);

/* Look at an object without a lock: inline, for mark.c. */

static inline bool kmemleak_index_look_at(struct kmemleak_shard *shard,
					  struct kmemleak_object *obj, unsigned long addr,
					  struct kmemleak_glimpse *seen)
{
	unsigned int seq = raw_read_seqcount(&shard->seq);
	/* Pairs with fill_object(): with this start comes its size. */
	unsigned long start = smp_load_acquire(&obj->start);

	seen->ref = (struct kmemleak_ref){ obj, start };
	seen->size = READ_ONCE(obj->size);
	seen->flags = READ_ONCE(obj->flags);
	/* A size that is not this start's leads to another shard at worst. */
	seen->found = addr - start < seen->size && region_of(addr) == region_of(start) &&
		      (seen->flags & (KMEMLEAK_LIVE | KMEMLEAK_WIDE | KMEMLEAK_SPACE_MASK)) ==
		      KMEMLEAK_LIVE;
	seen->sure = !(seq & 1) && !read_seqcount_retry(&shard->seq, seq);
	return seen->sure && seen->found;
}

/**
 * kmemleak_index_guess() - is an address in this object, of all?
 * @t: tracker
 * @obj: any entry of the pool
 * @addr: any address in VIRT
 * @seen: filled in, as by kmemleak_index_peek()
 *
 * Only for narrow objects. An object that is live while nobody changes the tree
 * where @addr would be, and holds @addr, is in that tree.
 *
 * Context: any; the caller keeps the pool from being trimmed.
 * Return: false if it is not, or if only kmemleak_index_peek() can tell.
 */
static inline bool kmemleak_index_guess(struct kmemleak_tracker *t, struct kmemleak_object *obj,
					unsigned long addr, struct kmemleak_glimpse *seen)
{
	/* Most guesses are wrong, and a wrong answer here is only a missed chance. */
	if (addr - READ_ONCE(obj->start) >= READ_ONCE(obj->size))
		return false;
	return kmemleak_index_look_at(shard_of_region(&t->index, region_of(addr)), obj, addr, seen);
}

/**
 * kmemleak_index_recall() - a look at a remembered object without its lock
 * @t: tracker
 * @ref: a remembered object; it may be gone, its entry in other use
 * @seen: filled in
 *
 * Only for narrow objects in VIRT.
 *
 * Context: any; the caller keeps the pool from being trimmed.
 * Return: false if it is gone, or if only kmemleak_index_relock() can tell.
 */
static inline bool kmemleak_index_recall(struct kmemleak_tracker *t, struct kmemleak_ref ref,
					 struct kmemleak_glimpse *seen)
{
	struct kmemleak_shard *shard = shard_of_region(&t->index, region_of(ref.start));

	return kmemleak_index_look_at(shard, ref.obj, ref.start, seen) &&
	       seen->ref.start == ref.start;
}

#endif /* _KMEMLEAK_INDEX_H */
