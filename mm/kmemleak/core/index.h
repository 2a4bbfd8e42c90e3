/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The index: finds the object that holds an address. Implemented in index.c (insert,
 * find, erase), index_walk.c (set up, walk, grow, clear) and index_lockless.c (bounds, and
 * look-ups without a lock, see index_lockless.h).
 *
 * If a function returns an object, the shard's lock is held and interrupts are off.
 * kmemleak_index_unlock() releases the lock; so do the functions that are named _unlock.
 * If a function returns NULL, no lock is held.
 */
#ifndef _KMEMLEAK_INDEX_H
#define _KMEMLEAK_INDEX_H

#include "object.h"

struct kmemleak_tracker;

/**
 * struct kmemleak_shard - one tree of objects
 * @lock: raw. Guards the other members and the objects in @root. Two shard locks are
 *	never held at once.
 * @cover: number of regions of wide objects that hash to this shard. While it is 0, a
 *	look-up that misses here need not search the wide tree.
 * @seq: odd while the tree, or the address or size of an object in it, is being
 *	changed. Look-ups without the lock check it.
 * @root: objects by address
 * @last: the object that was linked last, while it is in the tree. Most blocks live for
 *	a short time, so this object is often the next one to be erased.
 */
struct kmemleak_shard {
	raw_spinlock_t lock;
	unsigned int cover;
	seqcount_t seq;
	struct rb_root root;
	struct kmemleak_object *last;
};

#define KMEMLEAK_NR_CLASSES		4
#define KMEMLEAK_BOOT_SHARD_BITS	4

/**
 * struct kmemleak_index - all objects by address
 * @shards: objects that lie inside one region, by hash of the region
 * @bits: log2 of the number of @shards
 * @order: page order of @shards, -1 while they are @boot
 * @boot: the first @shards, until kmemleak_index_grow()
 * @wide: objects that cross a region boundary, by class
 * @by_space: physical and per-cpu objects, by space; that of VIRT stays empty
 * @cover_all: number of wide objects that have more regions than there are shards
 * @split: ascending starts of class 1, 2, …; ULONG_MAX: unused
 * @low: [low, high) contains every object of a class that can be white. The bounds of the
 *	classes come first, then those of the spaces.
 * @high: see @low. Both only widen, by cmpxchg. A marker that reads a stale value misses
 *	an object born during its mark. Such an object is not white in that mark.
 */
struct kmemleak_index {
	struct kmemleak_shard *shards;
	unsigned int bits;
	int order;
	struct kmemleak_shard boot[1 << KMEMLEAK_BOOT_SHARD_BITS];
	struct kmemleak_shard wide[KMEMLEAK_NR_CLASSES];
	struct kmemleak_shard by_space[KMEMLEAK_NR_SPACES];
	atomic_t cover_all;
	unsigned long split[KMEMLEAK_NR_CLASSES - 1];
	unsigned long low[KMEMLEAK_NR_CLASSES + KMEMLEAK_NR_SPACES];
	unsigned long high[KMEMLEAK_NR_CLASSES + KMEMLEAK_NR_SPACES];
};

/* The shard that a look-up locked, and the interrupt state before that. */
struct kmemleak_index_lock {
	struct kmemleak_shard *shard;
	unsigned long irq;
};

/**
 * struct kmemleak_cursor - where a walk over all objects continues
 * @tree: number of the tree, 0 to begin
 * @next: first start address that was not visited yet
 */
struct kmemleak_cursor {
	unsigned long tree;
	unsigned long next;
};

/* index.c */
int kmemleak_index_insert(struct kmemleak_tracker *t, struct kmemleak_object *obj,
			  struct kmemleak_ref *clash);
int kmemleak_index_insert_irqs_off(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				   struct kmemleak_ref *clash);
struct kmemleak_object *kmemleak_index_find(struct kmemleak_tracker *t, enum kmemleak_space space,
					    unsigned long addr, struct kmemleak_index_lock *at);
struct kmemleak_object *kmemleak_index_find_start(struct kmemleak_tracker *t,
						  enum kmemleak_space space, unsigned long start,
						  struct kmemleak_index_lock *at);
struct kmemleak_object *kmemleak_index_relock(struct kmemleak_tracker *t,
					      struct kmemleak_ref ref,
					      struct kmemleak_index_lock *at);
void kmemleak_index_unlock(struct kmemleak_index_lock *at);
void kmemleak_index_erase_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				 struct kmemleak_index_lock *at);
void kmemleak_index_replace_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				   struct kmemleak_object *to, struct kmemleak_index_lock *at);
void kmemleak_index_trim_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				unsigned long start, size_t size, struct kmemleak_object *tail,
				struct kmemleak_index_lock *at);
void kmemleak_index_uncover(struct kmemleak_tracker *t, unsigned long start, size_t size);
int kmemleak_index_cover(struct kmemleak_index *idx, unsigned long start, size_t size,
			 struct kmemleak_ref *clash);
void kmemleak_index_link_locked(struct kmemleak_shard *shard, struct kmemleak_object *obj);

static inline bool kmemleak_index_is_wide(enum kmemleak_space space, unsigned long start,
					  size_t size)
{
	return space == KMEMLEAK_VIRT &&
	       (start ^ (start + (size - 1))) >> KMEMLEAK_REGION_SHIFT;
}

/* index_walk.c */
void kmemleak_index_setup(struct kmemleak_index *idx);
int kmemleak_index_grow(struct kmemleak_tracker *t, unsigned int bits);
void kmemleak_index_clear(struct kmemleak_tracker *t);
struct kmemleak_cursor kmemleak_index_begin(struct kmemleak_tracker *t, enum kmemleak_space space);
bool kmemleak_index_walk(struct kmemleak_tracker *t, struct kmemleak_cursor *cursor,
			 unsigned int budget,
			 void (*visit)(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				       void *arg),
			 void *arg);

/* index_lockless.c */
void kmemleak_index_bounds_setup(struct kmemleak_index *idx);
void kmemleak_index_bounds_widen(struct kmemleak_index *idx, enum kmemleak_space space,
				 unsigned long start, size_t size);
bool kmemleak_index_may_hold(const struct kmemleak_index *idx, enum kmemleak_space space,
			     unsigned long addr);

/* --------------------------------------- which tree holds an address -- */

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

/* The class of a virtual address. Return: 0 to KMEMLEAK_NR_CLASSES - 1. */
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
		return &idx->by_space[space];
	return &idx->wide[class_of(idx, addr)];
}

/*
 * May a wide object touch a region of @shard? A caller sees a stale 0 only if it races with
 * the allocation of the wide object. Pairs with kmemleak_index_cover().
 */
static inline bool kmemleak_index_is_covered(struct kmemleak_index *idx,
					     struct kmemleak_shard *shard)
{
	return READ_ONCE(shard->cover) || atomic_read(&idx->cover_all);
}

#endif /* _KMEMLEAK_INDEX_H */
