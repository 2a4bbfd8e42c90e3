// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool: the only place that metadata entries come from. Whole pages are
 * cut into entries that travel through per-CPU free lists and are reused at
 * once. Pages stay until the tracker is reset, so that an entry's memory never
 * becomes anything else while somebody may hold a stale pointer to it.
 */
#include "pool.h"

#define BATCH	KMEMLEAK_POOL_BATCH

/* How the pool asks for a page in a context it knows nothing about. */
#define GFP_ANY_CONTEXT	(GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC)

/* Takes the place of the first entry of a page. */
struct kmemleak_pool_page {
	struct kmemleak_pool_page *next;
};

#define ENTRIES_PER_PAGE	(PAGE_SIZE / sizeof(union kmemleak_entry) - 1)

static void add_entries_locked(struct kmemleak_pool *pool, union kmemleak_entry *entry,
			       unsigned long nr)
{
	lockdep_assert_held(&pool->lock);
	pool->nr_free += nr;
	/* Backwards, so that the list hands them out by ascending address. */
	while (nr--)
		kmemleak_pool_push(&pool->free, &entry[nr].object);
}

/* In pieces: a large reserve takes longer than interrupts may be off. */
static void add_reserve(struct kmemleak_pool *pool)
{
	unsigned long i, nr, irq;

	for (i = 0; i < pool->reserve_nr; i += nr) {
		nr = min_t(unsigned long, pool->reserve_nr - i, BATCH);
		raw_spin_lock_irqsave(&pool->lock, irq);
		add_entries_locked(pool, pool->reserve + i, nr);
		raw_spin_unlock_irqrestore(&pool->lock, irq);
	}
}

/**
 * kmemleak_pool_setup() - make a pool of the reserve alone
 * @t: tracker
 * @reserve: zeroed memory for the time before the page allocator is up
 * @nr: entries in it, may be 0
 */
void kmemleak_pool_setup(struct kmemleak_tracker *t, union kmemleak_entry *reserve,
			 unsigned long nr)
{
	struct kmemleak_pool *pool = &t->pool;

	raw_spin_lock_init(&pool->lock);
	pool->reserve = reserve;
	pool->reserve_nr = nr;
	add_reserve(pool);
}

static int caches_order(unsigned int nr_cpus)
{
	unsigned long bytes = nr_cpus * sizeof(struct kmemleak_pool_cache);

	return max_t(int, 0, ilog2(roundup_pow_of_two(bytes)) - PAGE_SHIFT);
}

/**
 * kmemleak_pool_start() - give each CPU a free list of its own
 * @t: tracker
 * @nr_cpus: numbers that kmemleak_cpu() may return
 *
 * Context: nobody else uses the pool.
 * Return: 0, or -ENOMEM; then all CPUs go on with the shared list.
 */
int kmemleak_pool_start(struct kmemleak_tracker *t, unsigned int nr_cpus)
{
	if (t->pool.caches)
		return 0;
	t->pool.caches = t->ops->page_alloc(t, caches_order(nr_cpus), GFP_ANY_CONTEXT);
	if (!t->pool.caches)
		return -ENOMEM;
	t->pool.nr_caches = nr_cpus;
	return 0;
}

/* One entry, and more for a CPU whose list is empty, in the order they have here. */
static struct kmemleak_object *get_shared(struct kmemleak_pool *pool,
					  struct kmemleak_pool_cache *cache)
{
	struct kmemleak_object **end = cache ? &cache->free : NULL;
	struct kmemleak_object *obj;

	raw_spin_lock(&pool->lock);
	obj = kmemleak_pool_pop(&pool->free);
	if (obj) {
		pool->nr_free--;
		if (!cache)
			pool->in_use++;
	}
	while (cache && cache->nr_free < BATCH && pool->free) {
		*end = kmemleak_pool_pop(&pool->free);
		end = &(*end)->next_free;
		cache->nr_free++;
		pool->nr_free--;
	}
	raw_spin_unlock(&pool->lock);
	if (cache)
		*end = NULL;
	return obj;
}

/* Interrupts are off. */
static struct kmemleak_object *get(struct kmemleak_pool *pool, struct kmemleak_pool_cache *cache)
{
	struct kmemleak_object *obj;

	if (cache && cache->free) {
		obj = kmemleak_pool_pop(&cache->free);
		cache->nr_free--;
	} else {
		obj = get_shared(pool, cache);
	}
	if (obj && cache)
		WRITE_ONCE(cache->in_use, cache->in_use + 1);
	return obj;
}

/* kmemleak_pool_get_irqs_off() without the CPU's list, or with an empty one. */
struct kmemleak_object *kmemleak_pool_get_slowly(struct kmemleak_tracker *t, u32 clock)
{
	struct kmemleak_pool_cache *cache = kmemleak_pool_this_cache(&t->pool);
	struct kmemleak_object *obj = get(&t->pool, cache);

	if (obj)
		obj->stamp = cache ? kmemleak_pool_stamp(cache, clock) : clock;
	return obj;
}

static struct kmemleak_object *get_irqs_on(struct kmemleak_pool *pool)
{
	struct kmemleak_object *obj;
	unsigned long irq;

	local_irq_save(irq);
	obj = get(pool, kmemleak_pool_this_cache(pool));
	local_irq_restore(irq);
	return obj;
}

/*
 * A tracker that is off takes no pages: kmemleak_pool_reset() could already
 * have passed. It takes the same lock after tracking went off.
 */
static bool add_page(struct kmemleak_tracker *t, gfp_t gfp)
{
	struct kmemleak_pool_page *page = t->ops->page_alloc(t, 0, gfp);
	struct kmemleak_pool *pool = &t->pool;
	unsigned long irq;
	bool taken;

	if (!page)
		return false;
	raw_spin_lock_irqsave(&pool->lock, irq);
	taken = READ_ONCE(t->enabled);
	if (taken) {
		page->next = pool->pages;
		pool->pages = page;
		pool->nr_pages++;
		add_entries_locked(pool, (union kmemleak_entry *)page + 1, ENTRIES_PER_PAGE);
	}
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	if (!taken)
		t->ops->page_free(t, page, 0);
	return taken;
}

/**
 * kmemleak_pool_refill() - more entries, after there were none
 * @t: tracker, enabled
 *
 * Context: any but NMI; never sleeps.
 * Return: whether there are any; another CPU may take them first.
 */
bool kmemleak_pool_refill(struct kmemleak_tracker *t)
{
	return add_page(t, GFP_ANY_CONTEXT);
}

/**
 * kmemleak_pool_get() - take an entry for anything but a new block
 * @t: tracker, enabled
 *
 * Context: any but NMI; never sleeps.
 * Return: an entry whose flags are 0 and whose stamp is of no use, or NULL if no
 * memory could be had.
 */
struct kmemleak_object *kmemleak_pool_get(struct kmemleak_tracker *t)
{
	struct kmemleak_object *obj;

	do {
		obj = get_irqs_on(&t->pool);
		/* Again if other CPUs are faster, as long as there are pages. */
	} while (unlikely(!obj) && kmemleak_pool_refill(t));
	return obj;
}

/* The page that kmemleak_pool_top_up() found to be missing. */
void kmemleak_pool_add(struct kmemleak_tracker *t, gfp_t gfp)
{
	add_page(t, (gfp & (__GFP_IO | __GFP_FS)) | __GFP_RECLAIM |
		 __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC);
}

/* kmemleak_pool_put_irqs_off() without the CPU's list, or with a full one. */
void kmemleak_pool_put_slowly(struct kmemleak_tracker *t, struct kmemleak_object *obj)
{
	struct kmemleak_pool *pool = &t->pool;
	struct kmemleak_pool_cache *cache = kmemleak_pool_this_cache(pool);

	if (cache) {
		kmemleak_pool_push(&cache->free, obj);
		cache->nr_free++;
		WRITE_ONCE(cache->in_use, cache->in_use - 1);
	}
	raw_spin_lock(&pool->lock);
	if (!cache) {
		kmemleak_pool_push(&pool->free, obj);
		pool->nr_free++;
		pool->in_use--;
	}
	while (cache && cache->nr_free > BATCH) {
		kmemleak_pool_push(&pool->free, kmemleak_pool_pop(&cache->free));
		pool->nr_free++;
		cache->nr_free--;
	}
	raw_spin_unlock(&pool->lock);
}

/**
 * kmemleak_pool_put() - the same with interrupts on or off
 * @t: tracker
 * @obj: from the pool, in no tree
 *
 * Context: any but NMI.
 */
void kmemleak_pool_put(struct kmemleak_tracker *t, struct kmemleak_object *obj)
{
	unsigned long irq;

	local_irq_save(irq);
	kmemleak_pool_put_irqs_off(t, obj);
	local_irq_restore(irq);
}

/* Entries looked at in one go, a few microseconds. */
#define PICK_ENTRIES	4096

/* Entries that are fetched before they are looked at. */
#define PICK_AHEAD	8

static bool next_page(struct kmemleak_pool *pool, struct kmemleak_pool_cursor *cursor)
{
	unsigned long irq;

	cursor->next = 0;
	if (cursor->page) {
		cursor->page = cursor->page->next;
	} else {
		raw_spin_lock_irqsave(&pool->lock, irq);
		cursor->page = pool->pages;
		raw_spin_unlock_irqrestore(&pool->lock, irq);
	}
	return cursor->page;
}

/**
 * kmemleak_pool_pick() - find live objects by the order of their entries
 * @t: tracker
 * @cursor: zeroed to begin
 * @want: whether an object is wanted; of its copy only flags, born and colour
 *	are set, and may be of different moments
 * @arg: for @want
 * @picked: filled in, to be looked at again with kmemleak_index_relock()
 * @max: how many fit
 *
 * Memory is read as it lies, without a lock, so this is faster by far than a
 * walk over the trees where few objects are wanted. Every object that is live
 * from the first call to the last is seen; who comes in between need not be.
 *
 * Context: process; the caller keeps the pool from giving pages back.
 * Return: how many were picked.
 */
unsigned int kmemleak_pool_pick(struct kmemleak_tracker *t, struct kmemleak_pool_cursor *cursor,
				bool (*want)(const struct kmemleak_object *obj, const void *arg),
				const void *arg, struct kmemleak_ref *picked, unsigned int max)
{
	struct kmemleak_pool *pool = &t->pool;
	unsigned int budget = PICK_ENTRIES, n = 0;
	struct kmemleak_object seen = { };

	while (budget && n < max && !cursor->end) {
		union kmemleak_entry *entry, *end;

		entry = cursor->page ? (union kmemleak_entry *)cursor->page + 1 : pool->reserve;
		end = entry + (cursor->page ? ENTRIES_PER_PAGE : pool->reserve_nr);
		entry += cursor->next;
		if (end - entry > budget)
			end = entry + budget;
		cursor->next += end - entry;
		budget -= end - entry;
		if (entry == end) {
			cursor->end = !next_page(pool, cursor);
			continue;
		}
		for (; entry < end; entry++) {
			struct kmemleak_object *obj = &entry->object;

			prefetch(&entry[PICK_AHEAD].object.flags);
			seen.flags = READ_ONCE(obj->flags);
			if (!(seen.flags & KMEMLEAK_LIVE))
				continue;
			seen.colour = kmemleak_colour(obj);
			if (cursor->epoch && seen.colour.epoch == cursor->epoch &&
			    seen.colour.scanned && !seen.colour.unref &&
			    !(seen.flags & KMEMLEAK_TRANSIENT))
				continue;
			seen.born = READ_ONCE(obj->born);
			if (!want(&seen, arg))
				continue;
			picked[n++] = (struct kmemleak_ref){ obj, READ_ONCE(obj->start) };
			if (n == max) {
				cursor->next -= end - entry - 1;
				break;
			}
		}
	}
	return n;
}

/**
 * kmemleak_pool_in_use() - entries handed out
 * @t: tracker
 *
 * Return: a sum over CPUs that go on meanwhile: exact only when they do not.
 */
long kmemleak_pool_in_use(struct kmemleak_tracker *t)
{
	long sum = READ_ONCE(t->pool.in_use);
	unsigned int i;

	for (i = 0; i < t->pool.nr_caches; i++)
		sum += READ_ONCE(t->pool.caches[i].in_use);
	return sum;
}

/**
 * kmemleak_pool_free_entries() - entries that could be handed out at once
 * @t: tracker
 *
 * Return: as exact as kmemleak_pool_in_use().
 */
long kmemleak_pool_free_entries(struct kmemleak_tracker *t)
{
	return t->pool.nr_pages * ENTRIES_PER_PAGE + t->pool.reserve_nr -
	       kmemleak_pool_in_use(t);
}

/**
 * kmemleak_pool_reset() - take every entry back, return every page
 * @t: tracker
 *
 * Context: process; tracking is off and no hook is under way.
 */
void kmemleak_pool_reset(struct kmemleak_tracker *t)
{
	struct kmemleak_pool *pool = &t->pool;
	struct kmemleak_pool_page *page, *next;
	unsigned long i, irq;

	/* Against add_page(), which may be called without anybody waiting for it. */
	raw_spin_lock_irqsave(&pool->lock, irq);
	page = pool->pages;
	pool->pages = NULL;
	pool->nr_pages = 0;
	pool->free = NULL;
	pool->nr_free = 0;
	pool->in_use = 0;
	raw_spin_unlock_irqrestore(&pool->lock, irq);

	for (i = 0; i < pool->nr_caches; i++)
		memset(&pool->caches[i], 0, sizeof(pool->caches[i]));
	memset(pool->reserve, 0, pool->reserve_nr * sizeof(*pool->reserve));
	add_reserve(pool);

	for (; page; page = next) {
		next = page->next;
		t->ops->page_free(t, page, 0);
	}
}

/**
 * kmemleak_pool_destroy() - reset, and give the CPUs' lists back too
 * @t: tracker
 */
void kmemleak_pool_destroy(struct kmemleak_tracker *t)
{
	struct kmemleak_pool_cache *caches = t->pool.caches;
	unsigned int nr = t->pool.nr_caches;

	kmemleak_pool_reset(t);
	t->pool.caches = NULL;
	t->pool.nr_caches = 0;
	if (caches)
		t->ops->page_free(t, caches, caches_order(nr));
}
