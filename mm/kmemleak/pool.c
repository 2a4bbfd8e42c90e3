// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool: the only place that metadata entries come from. Whole pages are
 * cut into entries that travel through per-CPU free lists and are reused at
 * once.
 *
 * Each page knows which of its entries are free, and the fullest pages hand out
 * first, so that others become empty. If the pool has far more free entries than
 * the blocks need, pages go back to the page allocator between two marks: empty
 * pages, and pages that compact.c can empty. A hook may use a pointer to an entry
 * until its RCU section ends, so a grace period passes between
 * kmemleak_pool_trim() and kmemleak_pool_release().
 *
 * The pool keeps a stock of free entries for allocations that cannot wait for a
 * page. Hooks that may sleep and ops->tend() refill it.
 */
#include "pool.h"

#define BATCH	KMEMLEAK_POOL_BATCH

/*
 * How the pool asks for a page in a context it knows nothing about. The stock is used
 * up then, so the pool draws on the same memory as an atomic slab allocation. That
 * includes what the page allocator sets aside for atomic allocations of high orders,
 * which it does not give to who asks with __GFP_NOMEMALLOC; see ops->page_alloc(). But
 * it wakes nobody: the caller can hold a lock that this takes. ops->tend() sees to the
 * rest.
 */
#define GFP_ANY_CONTEXT	((GFP_ATOMIC & ~__GFP_KSWAPD_RECLAIM) | __GFP_NOWARN)

#define ENTRIES_PER_PAGE	(PAGE_SIZE / sizeof(union kmemleak_entry) - 1)

/* ------------------------------------------------- pages by their free entries -- */

static union kmemleak_entry *entries_of(struct kmemleak_pool_page *page)
{
	return (union kmemleak_entry *)page + 1;
}

static struct kmemleak_pool_page *page_of(struct kmemleak_pool *pool, struct kmemleak_object *obj)
{
	if ((unsigned long)obj - (unsigned long)pool->reserve <
	    pool->reserve_nr * sizeof(*pool->reserve))
		return &pool->home;
	return (struct kmemleak_pool_page *)((unsigned long)obj & PAGE_MASK);
}

static __always_inline enum kmemleak_fill fill_of(unsigned int nr_free)
{
	if (!nr_free)
		return KMEMLEAK_FULL;
	if (nr_free <= ENTRIES_PER_PAGE / 3)
		return KMEMLEAK_DENSE;
	return nr_free < ENTRIES_PER_PAGE ? KMEMLEAK_SPARSE : KMEMLEAK_EMPTY;
}

static void count_locked(struct kmemleak_pool *pool, enum kmemleak_fill fill, int nr)
{
	WRITE_ONCE(pool->nr_filled[fill], pool->nr_filled[fill] + nr);
}

static noinline void move_page_locked(struct kmemleak_pool *pool, struct kmemleak_pool_page *page,
				      enum kmemleak_fill before, enum kmemleak_fill after)
{
	lockdep_assert_held(&pool->lock);
	if (page == &pool->home || page->closed)
		return;
	list_move(&page->list, &pool->fill[after]);
	count_locked(pool, before, -1);
	count_locked(pool, after, 1);
}

/* A page had @was free entries. */
static __always_inline void refile_locked(struct kmemleak_pool *pool,
					  struct kmemleak_pool_page *page, unsigned int was)
{
	enum kmemleak_fill before = fill_of(was), after = fill_of(page->nr_free);

	if (unlikely(before != after))
		move_page_locked(pool, page, before, after);
}

static struct kmemleak_pool_page *page_to_take_from(struct kmemleak_pool *pool)
{
	enum kmemleak_fill fill;

	/* The reserve is there anyway. */
	if (pool->home.nr_free)
		return &pool->home;
	for (fill = KMEMLEAK_DENSE; fill < KMEMLEAK_NR_FILLS; fill++)
		if (!list_empty(&pool->fill[fill]))
			return list_first_entry(&pool->fill[fill], struct kmemleak_pool_page, list);
	return NULL;
}

/* A list of up to @max entries, in the order they have here. Returns how many. */
static unsigned int take_locked(struct kmemleak_pool *pool, struct kmemleak_object **list,
				unsigned int max)
{
	struct kmemleak_pool_page *page;
	unsigned int n = 0;

	while (n < max && (page = page_to_take_from(pool))) {
		unsigned int was = page->nr_free;

		for (; n < max && page->free; n++) {
			*list = kmemleak_pool_pop(&page->free);
			list = &(*list)->next_free;
			page->nr_free--;
		}
		refile_locked(pool, page, was);
	}
	*list = NULL;
	WRITE_ONCE(pool->nr_free, pool->nr_free - n);
	return n;
}

/* Returns the first @nr entries of a list to their pages. */
static void put_locked(struct kmemleak_pool *pool, struct kmemleak_object **list, unsigned int nr)
{
	unsigned long nr_free = pool->nr_free;

	while (nr--) {
		struct kmemleak_object *obj = kmemleak_pool_pop(list);
		struct kmemleak_pool_page *page = page_of(pool, obj);

		kmemleak_pool_push(&page->free, obj);
		refile_locked(pool, page, page->nr_free++);
		nr_free += !page->closed;
	}
	WRITE_ONCE(pool->nr_free, nr_free);
}

/* Backwards, so that the list hands them out by ascending address. */
static void cut_into_entries(struct kmemleak_pool_page *page)
{
	union kmemleak_entry *entry = entries_of(page);
	unsigned long nr = ENTRIES_PER_PAGE;

	page->nr_free = nr;
	while (nr--)
		kmemleak_pool_push(&page->free, &entry[nr].object);
}

/* In pieces: a large reserve takes longer than interrupts may be off. */
static void add_reserve(struct kmemleak_pool *pool)
{
	unsigned long nr = pool->reserve_nr, irq;

	while (nr) {
		unsigned long end = nr - min_t(unsigned long, nr, BATCH);

		raw_spin_lock_irqsave(&pool->lock, irq);
		while (nr > end) {
			struct kmemleak_object *obj = &pool->reserve[--nr].object;

			put_locked(pool, &obj, 1);
		}
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
	unsigned int i;

	raw_spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->pages);
	for (i = 0; i < KMEMLEAK_NR_FILLS; i++)
		INIT_LIST_HEAD(&pool->fill[i]);
	pool->reserve = reserve;
	pool->reserve_nr = nr;
	add_reserve(pool);
	kmemleak_pool_keep(t, 0);
}

/**
 * kmemleak_pool_keep() - set the size of the stock of free entries
 * @t: tracker
 * @nr: number of entries
 *
 * Context: any but NMI.
 */
void kmemleak_pool_keep(struct kmemleak_tracker *t, unsigned long nr)
{
	WRITE_ONCE(t->pool.kept, nr);
	WRITE_ONCE(t->pool.top_up, max_t(unsigned long, nr, BATCH));
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
 * Return: 0, or -ENOMEM; then all CPUs go on with the shared lists.
 */
int kmemleak_pool_start(struct kmemleak_tracker *t, unsigned int nr_cpus)
{
	if (t->pool.caches)
		return 0;
	t->pool.caches = t->ops->page_alloc(t, caches_order(nr_cpus), KMEMLEAK_GFP);
	if (!t->pool.caches)
		return -ENOMEM;
	t->pool.nr_caches = nr_cpus;
	return 0;
}

/* ------------------------------------------------------- how much there is -- */

/* The pool asks for help at half of its stock: hooks that sleep refill it sooner. */
static bool is_low(const struct kmemleak_pool *pool)
{
	return READ_ONCE(pool->nr_free) < READ_ONCE(pool->kept) / 2;
}

/* Free entries of pages; the reserve costs the same, free or not. */
static long spare_in_pages(const struct kmemleak_pool *pool)
{
	return READ_ONCE(pool->nr_free) - READ_ONCE(pool->home.nr_free);
}

/* Entries in use, and the free ones that CPUs have in their lists. */
static long not_free(const struct kmemleak_pool *pool)
{
	return READ_ONCE(pool->nr_pages) * ENTRIES_PER_PAGE + pool->reserve_nr -
	       READ_ONCE(pool->nr_free);
}

/*
 * Trimming leaves the stock, and an eighth of the entries in use. It begins only at
 * twice the stock and half of the entries in use, so that a load that comes and goes
 * does not make the pool trim again and again. Dense pages alone never are so many.
 */
static bool is_overfull(const struct kmemleak_pool *pool)
{
	return spare_in_pages(pool) > not_free(pool) / 2 + 2 * (long)READ_ONCE(pool->kept);
}

/* Free entries that trimming would give back. */
static long surplus(const struct kmemleak_pool *pool, bool all)
{
	long leave = READ_ONCE(pool->kept) + (all ? 0 : not_free(pool) / 8);

	return min_t(long, spare_in_pages(pool), READ_ONCE(pool->nr_free) - leave);
}

bool kmemleak_pool_low(struct kmemleak_tracker *t)
{
	return READ_ONCE(t->pool.nr_free) < READ_ONCE(t->pool.kept);
}

bool kmemleak_pool_overfull(struct kmemleak_tracker *t)
{
	return is_overfull(&t->pool);
}

/**
 * kmemleak_pool_surplus() - pages that could be given back
 * @t: tracker
 *
 * Context: any. Return: a guess, as others go on meanwhile.
 */
unsigned long kmemleak_pool_surplus(struct kmemleak_tracker *t)
{
	const struct kmemleak_pool *pool = &t->pool;
	unsigned long nr = READ_ONCE(pool->nr_filled[KMEMLEAK_EMPTY]) +
			   READ_ONCE(pool->nr_filled[KMEMLEAK_SPARSE]);

	return min_t(unsigned long, nr, max_t(long, 0, surplus(pool, true)) / ENTRIES_PER_PAGE);
}

/* Should ops->tend() be called? */
static bool wants_locked(struct kmemleak_pool *pool)
{
	if (pool->asked || (!is_low(pool) && !is_overfull(pool)))
		return false;
	pool->asked = true;
	return true;
}

static void ask(struct kmemleak_tracker *t)
{
	if (t->ops->tend)
		t->ops->tend(t);
}

/* ---------------------------------------------------------------- entries -- */

/* Takes one entry, and more entries for a CPU whose list is empty. */
static struct kmemleak_object *get_shared(struct kmemleak_tracker *t,
					  struct kmemleak_pool_cache *cache)
{
	struct kmemleak_pool *pool = &t->pool;
	struct kmemleak_object *obj, **list = cache ? &cache->free : &obj;
	unsigned int nr;
	bool few, wants;

	raw_spin_lock(&pool->lock);
	nr = take_locked(pool, list, cache ? BATCH + 1 : 1);
	if (!cache)
		pool->in_use += nr;
	few = is_low(pool);
	wants = wants_locked(pool);
	raw_spin_unlock(&pool->lock);
	if (unlikely(few))
		kmemleak_count_many(t, KMEMLEAK_CNT_RESERVE_USED, nr);
	if (unlikely(wants))
		ask(t);
	if (cache) {
		obj = kmemleak_pool_pop(&cache->free);
		cache->nr_free = nr - !!nr;
	}
	return obj;
}

/* Interrupts are off. */
static struct kmemleak_object *get(struct kmemleak_tracker *t, struct kmemleak_pool_cache *cache)
{
	struct kmemleak_object *obj;

	if (cache && cache->free) {
		obj = kmemleak_pool_pop(&cache->free);
		cache->nr_free--;
	} else {
		obj = get_shared(t, cache);
	}
	if (obj && cache)
		WRITE_ONCE(cache->in_use, cache->in_use + 1);
	return obj;
}

/* kmemleak_pool_get_irqs_off() without the CPU's list, or with an empty one. */
struct kmemleak_object *kmemleak_pool_get_slowly(struct kmemleak_tracker *t, u32 clock)
{
	struct kmemleak_pool_cache *cache = kmemleak_pool_this_cache(&t->pool);
	struct kmemleak_object *obj = get(t, cache);

	if (obj)
		obj->stamp = cache ? kmemleak_pool_stamp(cache, clock) : clock;
	return obj;
}

static struct kmemleak_object *get_irqs_on(struct kmemleak_tracker *t)
{
	struct kmemleak_object *obj;
	unsigned long irq;

	local_irq_save(irq);
	obj = get(t, kmemleak_pool_this_cache(&t->pool));
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
	cut_into_entries(page);
	raw_spin_lock_irqsave(&pool->lock, irq);
	taken = READ_ONCE(t->enabled);
	if (taken) {
		/* In front, so that kmemleak_pool_pick() goes on undisturbed. */
		list_add(&page->all, &pool->pages);
		list_add(&page->list, &pool->fill[KMEMLEAK_EMPTY]);
		WRITE_ONCE(pool->nr_pages, pool->nr_pages + 1);
		count_locked(pool, KMEMLEAK_EMPTY, 1);
		WRITE_ONCE(pool->nr_free, pool->nr_free + ENTRIES_PER_PAGE);
		kmemleak_pool_keep(t, pool->kept);
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
		obj = get_irqs_on(t);
		/* Again if other CPUs are faster, as long as there are pages. */
	} while (unlikely(!obj) && kmemleak_pool_refill(t));
	return obj;
}

/*
 * The page that kmemleak_pool_top_up() found to be missing. If there is none, the
 * next hooks need not try as well, until there is again.
 */
void kmemleak_pool_add(struct kmemleak_tracker *t, gfp_t gfp)
{
	if (!add_page(t, (gfp & (__GFP_IO | __GFP_FS)) | __GFP_RECLAIM |
		      __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC))
		WRITE_ONCE(t->pool.top_up, BATCH);
}

/**
 * kmemleak_pool_restock() - refill the stock of free entries
 * @t: tracker
 *
 * Context: process, may sleep. From here on ops->tend() is called again.
 * Return: false if there was no memory for it.
 */
bool kmemleak_pool_restock(struct kmemleak_tracker *t)
{
	struct kmemleak_pool *pool = &t->pool;
	unsigned long irq;

	raw_spin_lock_irqsave(&pool->lock, irq);
	pool->asked = false;
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	while (READ_ONCE(t->enabled) && kmemleak_pool_low(t))
		if (!add_page(t, KMEMLEAK_GFP))
			return !READ_ONCE(t->enabled);
	return true;
}

/* kmemleak_pool_put_irqs_off() without the CPU's list, or with a full one. */
void kmemleak_pool_put_slowly(struct kmemleak_tracker *t, struct kmemleak_object *obj)
{
	struct kmemleak_pool *pool = &t->pool;
	struct kmemleak_pool_cache *cache = kmemleak_pool_this_cache(pool);
	bool wants;

	if (cache) {
		kmemleak_pool_push(&cache->free, obj);
		cache->nr_free++;
		WRITE_ONCE(cache->in_use, cache->in_use - 1);
	}
	raw_spin_lock(&pool->lock);
	if (cache) {
		put_locked(pool, &cache->free, cache->nr_free - BATCH);
		cache->nr_free = BATCH;
	} else {
		put_locked(pool, &obj, 1);
		pool->in_use--;
	}
	wants = wants_locked(pool);
	raw_spin_unlock(&pool->lock);
	if (unlikely(wants))
		ask(t);
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

/* Pages come in front of all others, and go only while nobody picks. */
static bool next_page(struct kmemleak_pool *pool, struct kmemleak_pool_cursor *cursor)
{
	struct list_head *next;
	unsigned long irq;

	cursor->next = 0;
	if (cursor->page) {
		next = cursor->page->all.next;
	} else {
		raw_spin_lock_irqsave(&pool->lock, irq);
		next = pool->pages.next;
		raw_spin_unlock_irqrestore(&pool->lock, irq);
	}
	if (next == &pool->pages)
		return false;
	cursor->page = list_entry(next, struct kmemleak_pool_page, all);
	return true;
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
 * Context: process; the caller keeps the pool from being trimmed.
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

		entry = cursor->page ? entries_of(cursor->page) : pool->reserve;
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

/* ------------------------------------------------------------------ trim -- */

/* Pages that are closed together, so that few calls of all CPUs serve them. */
#define CLOSE_PAGES	256
/* Most pages that one call takes out, so that a scan need not wait for long. */
#define TRIM_PAGES	4096

/* Returns this CPU's free entries to their pages. Interrupts are off. */
static void flush(struct kmemleak_tracker *t)
{
	struct kmemleak_pool_cache *cache = kmemleak_pool_this_cache(&t->pool);

	raw_spin_lock(&t->pool.lock);
	put_locked(&t->pool, &cache->free, cache->nr_free);
	cache->nr_free = 0;
	raw_spin_unlock(&t->pool.lock);
}

static void flush_all(struct kmemleak_tracker *t)
{
	if (t->pool.caches && t->ops->each_cpu)
		t->ops->each_cpu(t, flush);
}

static void unlink_locked(struct kmemleak_pool *pool, struct kmemleak_pool_page *page,
			  struct list_head *pages)
{
	list_del(&page->all);
	list_move(&page->list, pages);
	WRITE_ONCE(pool->nr_pages, pool->nr_pages - 1);
}

/* Return: whether there was an empty page too many. */
static bool unlink_empty(struct kmemleak_pool *pool, struct list_head *pages, bool all)
{
	struct kmemleak_pool_page *page;
	unsigned long irq;
	bool found;

	raw_spin_lock_irqsave(&pool->lock, irq);
	found = pool->nr_filled[KMEMLEAK_EMPTY] && surplus(pool, all) >= (long)ENTRIES_PER_PAGE;
	if (found) {
		page = list_last_entry(&pool->fill[KMEMLEAK_EMPTY], struct kmemleak_pool_page,
				       list);
		unlink_locked(pool, page, pages);
		count_locked(pool, KMEMLEAK_EMPTY, -1);
		WRITE_ONCE(pool->nr_free, pool->nr_free - ENTRIES_PER_PAGE);
	}
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	return found;
}

/*
 * Nobody gets a free entry of this page any more. @moving entries of pages that were
 * closed before are still to find room elsewhere. Return: how many there are then, or
 * @moving if there is no page that can be spared.
 */
static long close_sparse(struct kmemleak_pool *pool, struct list_head *closed, bool all,
			 long moving)
{
	struct list_head *sparse = &pool->fill[KMEMLEAK_SPARSE];
	struct kmemleak_pool_page *page;
	unsigned long irq;

	raw_spin_lock_irqsave(&pool->lock, irq);
	if (!list_empty(sparse) && surplus(pool, all) >= moving + (long)ENTRIES_PER_PAGE) {
		page = list_last_entry(sparse, struct kmemleak_pool_page, list);
		page->closed = true;
		list_move(&page->list, closed);
		count_locked(pool, KMEMLEAK_SPARSE, -1);
		WRITE_ONCE(pool->nr_free, pool->nr_free - page->nr_free);
		moving += ENTRIES_PER_PAGE - page->nr_free;
	}
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	return moving;
}

/* Not by a CPU's list: that would hand out the entry next that has just moved out. */
static struct kmemleak_object *take_home(struct kmemleak_pool *pool)
{
	struct kmemleak_object *obj;
	unsigned long irq;

	raw_spin_lock_irqsave(&pool->lock, irq);
	take_locked(pool, &obj, 1);
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	return obj;
}

static void put_home(struct kmemleak_pool *pool, struct kmemleak_object *obj)
{
	unsigned long irq;

	WRITE_ONCE(obj->flags, 0);
	raw_spin_lock_irqsave(&pool->lock, irq);
	put_locked(pool, &obj, 1);
	raw_spin_unlock_irqrestore(&pool->lock, irq);
}

/* Entries that are taken for something that is not finished yet stay where they are. */
static void move_out(struct kmemleak_tracker *t, struct kmemleak_pool_page *page)
{
	union kmemleak_entry *entry = entries_of(page);
	unsigned int i;

	for (i = 0; i < ENTRIES_PER_PAGE; i++, entry++) {
		struct kmemleak_object *to;

		if (!kmemleak_entry_moves(entry))
			continue;
		to = take_home(&t->pool);
		if (!to)
			return;
		if (kmemleak_entry_move(t, entry, (union kmemleak_entry *)to))
			to = &entry->object;
		put_home(&t->pool, to);
	}
}

/* Return: whether it has become empty; then it is in @pages. */
static bool reopen(struct kmemleak_pool *pool, struct kmemleak_pool_page *page,
		   struct list_head *pages)
{
	unsigned long irq;
	bool empty;

	raw_spin_lock_irqsave(&pool->lock, irq);
	empty = page->nr_free == ENTRIES_PER_PAGE;
	if (empty) {
		unlink_locked(pool, page, pages);
	} else {
		page->closed = false;
		list_move(&page->list, &pool->fill[fill_of(page->nr_free)]);
		count_locked(pool, fill_of(page->nr_free), 1);
		WRITE_ONCE(pool->nr_free, pool->nr_free + page->nr_free);
	}
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	return empty;
}

/* Makes sparse pages empty. Return: how many. */
static unsigned int compact(struct kmemleak_tracker *t, struct list_head *pages, bool all)
{
	struct kmemleak_pool_page *page, *next;
	unsigned int nr, nr_empty = 0;
	long moving = 0, before;
	LIST_HEAD(closed);

	for (nr = 0; nr < CLOSE_PAGES; nr++) {
		before = moving;
		moving = close_sparse(&t->pool, &closed, all, before);
		if (moving == before)
			break;
	}
	if (!nr)
		return 0;
	flush_all(t);
	list_for_each_entry(page, &closed, list) {
		move_out(t, page);
		t->ops->pause(t);
	}
	flush_all(t);
	list_for_each_entry_safe(page, next, &closed, list)
		nr_empty += reopen(&t->pool, page, pages);
	return nr_empty;
}

/**
 * kmemleak_pool_trim() - take pages out that the blocks do not need
 * @t: tracker, enabled
 * @pages: gets the pages, for kmemleak_pool_release() after a grace period
 * @all: leave only the stock
 *
 * Context: process, may sleep, at most a few thousand pages at once. No mark is under
 * way nor begins, as marks remember entries, and no other trim.
 * Return: how many pages there are in @pages; 0: there is nothing left to do.
 */
unsigned int kmemleak_pool_trim(struct kmemleak_tracker *t, struct list_head *pages, bool all)
{
	struct kmemleak_pool *pool = &t->pool;
	unsigned int nr = 0, got;

	flush_all(t);
	do {
		while (nr < TRIM_PAGES && unlink_empty(pool, pages, all))
			nr++;
		got = nr < TRIM_PAGES ? compact(t, pages, all) : 0;
		nr += got;
	} while (got);
	return nr;
}

/**
 * kmemleak_pool_release() - give pages back that were taken out
 * @t: tracker
 * @pages: from kmemleak_pool_trim(), a grace period ago
 *
 * Context: process, may sleep.
 */
void kmemleak_pool_release(struct kmemleak_tracker *t, struct list_head *pages)
{
	struct kmemleak_pool_page *page, *next;

	list_for_each_entry_safe(page, next, pages, list) {
		t->ops->page_free(t, page, 0);
		kmemleak_count(t, KMEMLEAK_CNT_PAGES_RETURNED);
		t->ops->pause(t);
	}
	INIT_LIST_HEAD(pages);
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
	LIST_HEAD(pages);

	/* Against add_page(), which may be called without anybody waiting for it. */
	raw_spin_lock_irqsave(&pool->lock, irq);
	list_splice_init(&pool->pages, &pages);
	for (i = 0; i < KMEMLEAK_NR_FILLS; i++)
		INIT_LIST_HEAD(&pool->fill[i]);
	memset(pool->nr_filled, 0, sizeof(pool->nr_filled));
	pool->nr_pages = 0;
	pool->nr_free = 0;
	pool->in_use = 0;
	pool->asked = false;
	pool->home.free = NULL;
	pool->home.nr_free = 0;
	raw_spin_unlock_irqrestore(&pool->lock, irq);

	for (i = 0; i < pool->nr_caches; i++)
		memset(&pool->caches[i], 0, sizeof(pool->caches[i]));
	memset(pool->reserve, 0, pool->reserve_nr * sizeof(*pool->reserve));
	add_reserve(pool);

	list_for_each_entry_safe(page, next, &pages, all) {
		t->ops->page_free(t, page, 0);
		t->ops->pause(t);
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
