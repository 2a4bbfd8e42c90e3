/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The ways of an entry between a CPU's free list and a block, which each
 * allocation and each free goes: inline, for core.c. And from one entry to its
 * neighbour, for mark.c. What is rare is in pool.c.
 */
#ifndef _KMEMLEAK_POOL_H
#define _KMEMLEAK_POOL_H

#include "kmemleak.h"

/* Allocations that fit between two ticks of a coarse clock; 1 ns is added each. */
#define KMEMLEAK_CLOCK_SLACK	BIT(20)

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

/* This CPU's list; interrupts are off. */
static inline struct kmemleak_pool_cache *kmemleak_pool_this_cache(struct kmemleak_pool *pool)
{
	return pool->caches ? &pool->caches[kmemleak_cpu()] : NULL;
}

/*
 * A number that orders allocations: nanoseconds, strictly ascending on one CPU as
 * long as nobody sleeps for a millisecond between reading @clock and this, as good as
 * @clock between CPUs. Interrupts are off.
 */
static inline u32 kmemleak_pool_stamp(struct kmemleak_pool_cache *cache, u32 clock)
{
	s32 ahead = clock - cache->stamp;

	/* A coarse clock stands still for a tick. */
	if (unlikely(ahead <= 0 && ahead > -(s32)KMEMLEAK_CLOCK_SLACK))
		clock = cache->stamp + 1;
	cache->stamp = clock;
	return clock;
}

/* pool.c */
struct kmemleak_object *kmemleak_pool_get_slowly(struct kmemleak_tracker *t, u32 clock);
void kmemleak_pool_put_slowly(struct kmemleak_tracker *t, struct kmemleak_object *obj);

/**
 * kmemleak_pool_get_irqs_off() - take an entry for a block, if there is one
 * @t: tracker, enabled
 * @clock: when the block was allocated
 *
 * Context: interrupts off, not NMI.
 * Return: an entry whose flags are 0 and whose stamp is set, or NULL; then
 * kmemleak_pool_refill() may help.
 */
static __always_inline struct kmemleak_object *
kmemleak_pool_get_irqs_off(struct kmemleak_tracker *t, u32 clock)
{
	struct kmemleak_pool_cache *cache = kmemleak_pool_this_cache(&t->pool);
	struct kmemleak_object *obj;

	if (unlikely(!cache || !cache->free))
		return kmemleak_pool_get_slowly(t, clock);
	obj = kmemleak_pool_pop(&cache->free);
	cache->nr_free--;
	WRITE_ONCE(cache->in_use, cache->in_use + 1);
	obj->stamp = kmemleak_pool_stamp(cache, clock);
	return obj;
}

/**
 * kmemleak_pool_put_irqs_off() - give an entry back
 * @t: tracker
 * @obj: from the pool, in no tree
 *
 * Context: interrupts off, not NMI.
 */
static __always_inline void kmemleak_pool_put_irqs_off(struct kmemleak_tracker *t,
						       struct kmemleak_object *obj)
{
	struct kmemleak_pool_cache *cache = kmemleak_pool_this_cache(&t->pool);

	/* Not live in any interpretation; read by kmemleak_index_relock(). */
	WRITE_ONCE(obj->flags, 0);
	if (unlikely(!cache || cache->nr_free >= 2 * KMEMLEAK_POOL_BATCH)) {
		kmemleak_pool_put_slowly(t, obj);
		return;
	}
	kmemleak_pool_push(&cache->free, obj);
	cache->nr_free++;
	WRITE_ONCE(cache->in_use, cache->in_use - 1);
}

/**
 * kmemleak_pool_next_to() - the entry that lies beside another one
 * @t: tracker
 * @obj: any entry of the pool
 * @step: how far, negative: before it
 *
 * Entries are handed out as they lie, so neighbours are often of blocks that were
 * allocated one after the other.
 *
 * Context: any.
 * Return: an entry, free or not, or NULL at the end of a page or of the reserve.
 */
static inline struct kmemleak_object *
kmemleak_pool_next_to(const struct kmemleak_tracker *t, struct kmemleak_object *obj, int step)
{
	union kmemleak_entry *entry = (union kmemleak_entry *)obj + step;
	unsigned long offset = (unsigned long)entry & ~PAGE_MASK;

	if ((union kmemleak_entry *)obj - t->pool.reserve < t->pool.reserve_nr)
		return entry - t->pool.reserve < t->pool.reserve_nr ? &entry->object : NULL;
	/* The first place of a page is not an entry. */
	if (((unsigned long)entry ^ (unsigned long)obj) & PAGE_MASK ||
	    offset < sizeof(*entry) || offset > PAGE_SIZE - sizeof(*entry))
		return NULL;
	return &entry->object;
}

#endif /* _KMEMLEAK_POOL_H */
