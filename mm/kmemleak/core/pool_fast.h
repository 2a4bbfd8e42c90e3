/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The fast paths of the pool, inline: block.c takes and frees an entry through a CPU's free
 * list, hooks top up the stock, and mark.c goes from an entry to its neighbour. The rest of
 * the pool is in pool.c.
 */
#ifndef _KMEMLEAK_POOL_FAST_H
#define _KMEMLEAK_POOL_FAST_H

#include "tracker.h"

/*
 * While a coarse clock stands still, each allocation adds 1 ns to the last stamp. Stamps may
 * run ahead of the clock by this many nanoseconds. A tick has fewer allocations.
 */
#define KMEMLEAK_MAX_STAMP_LEAD	BIT(20)

static inline void kmemleak_pool_push(struct kmemleak_object **list, struct kmemleak_object *obj)
{
	obj->next_free = *list;
	*list = obj;
}

static inline struct kmemleak_object *kmemleak_pool_pop(struct kmemleak_object **list)
{
	struct kmemleak_object *obj = *list;

	if (obj)
		*list = obj->next_free;
	return obj;
}

/* The current CPU's list. Interrupts are off. */
static inline struct kmemleak_pool_cache *kmemleak_pool_this_cache(struct kmemleak_pool *pool)
{
	return pool->caches ? &pool->caches[kmemleak_cpu()] : NULL;
}

/*
 * A number that orders allocations, in nanoseconds. Numbers of one CPU ascend strictly if
 * each caller gets here within a millisecond of reading @clock. Numbers of two CPUs compare
 * as well as their clocks do. Interrupts are off.
 */
static inline u32 kmemleak_pool_stamp(struct kmemleak_pool_cache *cache, u32 clock)
{
	s32 ahead = clock - cache->stamp;

	/* A coarse clock stands still between two ticks. */
	if (unlikely(ahead <= 0 && ahead > -(s32)KMEMLEAK_MAX_STAMP_LEAD))
		clock = cache->stamp + 1;
	cache->stamp = clock;
	return clock;
}

/**
 * kmemleak_pool_get_irqs_off() - take an entry for a block, if there is one
 * @t: tracker, enabled
 * @clock: when the block was allocated, in nanoseconds
 *
 * Context: interrupts off, not NMI.
 * Return: an entry with flags 0 and its stamp set, or NULL if the pool has no free entry:
 * try again after kmemleak_pool_grow_atomic().
 */
static __always_inline struct kmemleak_object *
kmemleak_pool_get_irqs_off(struct kmemleak_tracker *t, u32 clock)
{
	struct kmemleak_pool_cache *cache = kmemleak_pool_this_cache(&t->pool);
	struct kmemleak_object *obj;

	if (unlikely(!cache || !cache->free))
		return kmemleak_pool_get_slow(t, clock);
	obj = kmemleak_pool_pop(&cache->free);
	cache->nr_free--;
	WRITE_ONCE(cache->in_use, cache->in_use + 1);
	obj->stamp = kmemleak_pool_stamp(cache, clock);
	return obj;
}

/**
 * kmemleak_pool_put_irqs_off() - free an entry
 * @t: tracker
 * @obj: an entry from the pool, in no tree
 *
 * Context: interrupts off, not NMI.
 */
static __always_inline void kmemleak_pool_put_irqs_off(struct kmemleak_tracker *t,
						       struct kmemleak_object *obj)
{
	struct kmemleak_pool_cache *cache = kmemleak_pool_this_cache(&t->pool);

	/* Neither a live object nor an attribute. kmemleak_index_relock() reads this. */
	WRITE_ONCE(obj->flags, 0);
	if (unlikely(!cache || cache->nr_free >= 2 * KMEMLEAK_POOL_BATCH)) {
		kmemleak_pool_put_slow(t, obj);
		return;
	}
	kmemleak_pool_push(&cache->free, obj);
	cache->nr_free++;
	WRITE_ONCE(cache->in_use, cache->in_use - 1);
}

/**
 * kmemleak_pool_next_to() - find a neighbour of an entry
 * @t: tracker
 * @obj: any entry of the pool
 * @step: distance in entries; negative: the neighbour lies before @obj
 *
 * The pool hands out entries in the order in which they lie. So neighbours often belong to
 * blocks that were allocated one after the other.
 *
 * Context: any.
 * Return: an entry, free or not, or NULL beyond the end of a page or of the boot entries.
 */
static inline struct kmemleak_object *
kmemleak_pool_next_to(const struct kmemleak_tracker *t, struct kmemleak_object *obj, int step)
{
	union kmemleak_entry *entry = (union kmemleak_entry *)obj + step;
	unsigned long offset = (unsigned long)entry & ~PAGE_MASK;
	unsigned long boot = (unsigned long)t->pool.boot_entries;
	unsigned long boot_size = t->pool.nr_boot_entries * sizeof(*entry);

	if ((unsigned long)obj - boot < boot_size)
		return (unsigned long)entry - boot < boot_size ? &entry->object : NULL;
	/* A page begins with its struct kmemleak_pool_page. */
	if (((unsigned long)entry ^ (unsigned long)obj) & PAGE_MASK ||
	    offset < sizeof(*entry) || offset > PAGE_SIZE - sizeof(*entry))
		return NULL;
	return &entry->object;
}

/**
 * kmemleak_pool_top_up() - make it likely that the next entry needs no new page
 * @t: tracker
 * @gfp: flags of the caller's allocation. If the caller must not sleep, this does nothing:
 *	kmemleak_pool_grow_atomic() can do as much when the entry is taken.
 *
 * Touches no memory that kmemleak_pool_reset() frees: reset does not wait for sleeping callers.
 *
 * Context: any that @gfp allows.
 */
static inline void kmemleak_pool_top_up(struct kmemleak_tracker *t, gfp_t gfp)
{
	/* A stale value costs one page too many, or an atomic attempt later. */
	if (unlikely(READ_ONCE(t->pool.nr_free) < READ_ONCE(t->pool.top_up)) &&
	    (gfp & __GFP_DIRECT_RECLAIM))
		kmemleak_pool_top_up_slow(t, gfp);
}

#endif /* _KMEMLEAK_POOL_FAST_H */
