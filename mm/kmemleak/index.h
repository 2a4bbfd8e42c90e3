/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the files of the index share: how an address finds its tree.
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

#endif /* _KMEMLEAK_INDEX_H */
