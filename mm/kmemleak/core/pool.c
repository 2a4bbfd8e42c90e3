// SPDX-License-Identifier: GPL-2.0-only
/*
 * The pool: all metadata entries come from here. The pool cuts whole pages into entries.
 * Entries travel through per-CPU free lists. A freed entry may be reused at once.
 *
 * Each page knows which of its entries are free. The fullest pages hand out entries first,
 * so that other pages become empty. If the pool has far more free entries than the blocks
 * need, it returns pages to the page allocator between two marks: empty pages, and pages
 * that entry_move.c can empty. A hook may use a pointer to an entry until its RCU section
 * ends. So a grace period passes between kmemleak_pool_trim() and kmemleak_pool_release().
 *
 * The pool keeps a stock of free entries for allocations that cannot wait for a page. Hooks
 * that may sleep refill the stock, and so does ops->maintain_pool().
 */
#include "pool_fast.h"

#define BATCH	KMEMLEAK_POOL_BATCH

/*
 * For a page in an unknown context. The stock is used up by then, so the pool draws on the
 * same memory as an atomic slab allocation. This includes the memory that the page allocator
 * sets aside for atomic allocations of high orders. __GFP_NOMEMALLOC would rule that memory
 * out, so it is not set here; see ops->page_alloc(). The allocation does not wake kswapd,
 * because the caller may hold a lock that the wakeup takes. ops->maintain_pool() does the
 * rest.
 */
#define GFP_ANY_CONTEXT	((GFP_ATOMIC & ~__GFP_KSWAPD_RECLAIM) | __GFP_NOWARN)

#define ENTRIES_PER_PAGE	(PAGE_SIZE / sizeof(union kmemleak_entry) - 1)

/* ------------------------------------------------- pages by their free entries -- */

static union kmemleak_entry *page_entries(struct kmemleak_pool_page *page)
{
	return (union kmemleak_entry *)page + 1;
}

static struct kmemleak_pool_page *page_of_entry(struct kmemleak_pool *pool,
						struct kmemleak_object *obj)
{
	if ((unsigned long)obj - (unsigned long)pool->boot_entries <
	    pool->nr_boot_entries * sizeof(*pool->boot_entries))
		return &pool->boot_page;
	return (struct kmemleak_pool_page *)((unsigned long)obj & PAGE_MASK);
}

static __always_inline enum kmemleak_pool_fill fill_of(unsigned int nr_free)
{
	if (!nr_free)
		return KMEMLEAK_POOL_FULL;
	if (nr_free <= ENTRIES_PER_PAGE / 3)
		return KMEMLEAK_POOL_DENSE;
	return nr_free < ENTRIES_PER_PAGE ? KMEMLEAK_POOL_SPARSE : KMEMLEAK_POOL_EMPTY;
}

static void count_filled_locked(struct kmemleak_pool *pool, enum kmemleak_pool_fill fill, int nr)
{
	lockdep_assert_held(&pool->lock);
	WRITE_ONCE(pool->nr_filled[fill], pool->nr_filled[fill] + nr);
}

static noinline void move_page_locked(struct kmemleak_pool *pool, struct kmemleak_pool_page *page,
				      enum kmemleak_pool_fill before, enum kmemleak_pool_fill after)
{
	lockdep_assert_held(&pool->lock);
	if (page == &pool->boot_page || page->closed)
		return;
	list_move(&page->list, &pool->fill[after]);
	count_filled_locked(pool, before, -1);
	count_filled_locked(pool, after, 1);
}

/* Moves a page to the list for its fill. It had @was free entries before. */
static __always_inline void refile_page_locked(struct kmemleak_pool *pool,
					       struct kmemleak_pool_page *page, unsigned int was)
{
	enum kmemleak_pool_fill before = fill_of(was), after = fill_of(page->nr_free);

	if (unlikely(before != after))
		move_page_locked(pool, page, before, after);
}

static struct kmemleak_pool_page *page_to_take_from(struct kmemleak_pool *pool)
{
	enum kmemleak_pool_fill fill;

	/* Boot entries come first: they cost the same whether used or not. */
	if (pool->boot_page.nr_free)
		return &pool->boot_page;
	for (fill = KMEMLEAK_POOL_DENSE; fill < KMEMLEAK_NR_POOL_FILLS; fill++)
		if (!list_empty(&pool->fill[fill]))
			return list_first_entry(&pool->fill[fill], struct kmemleak_pool_page, list);
	return NULL;
}

/* Takes up to @max entries as a list, in the order in which they lie. Return: how many. */
static unsigned int take_entries_locked(struct kmemleak_pool *pool, struct kmemleak_object **list,
					unsigned int max)
{
	struct kmemleak_pool_page *page;
	unsigned int n = 0;

	lockdep_assert_held(&pool->lock);
	while (n < max && (page = page_to_take_from(pool))) {
		unsigned int was = page->nr_free;

		for (; n < max && page->free; n++) {
			*list = kmemleak_pool_pop(&page->free);
			list = &(*list)->next_free;
			page->nr_free--;
		}
		refile_page_locked(pool, page, was);
	}
	*list = NULL;
	WRITE_ONCE(pool->nr_free, pool->nr_free - n);
	return n;
}

/* Puts the first @nr entries of a list back into their pages. */
static void put_entries_locked(struct kmemleak_pool *pool, struct kmemleak_object **list,
			       unsigned int nr)
{
	unsigned long nr_free = pool->nr_free;

	lockdep_assert_held(&pool->lock);
	while (nr--) {
		struct kmemleak_object *obj = kmemleak_pool_pop(list);
		struct kmemleak_pool_page *page = page_of_entry(pool, obj);

		kmemleak_pool_push(&page->free, obj);
		refile_page_locked(pool, page, page->nr_free++);
		nr_free += !page->closed;
	}
	WRITE_ONCE(pool->nr_free, nr_free);
}

/* Goes backwards, so that entries are handed out by ascending address. */
static void cut_into_entries(struct kmemleak_pool_page *page)
{
	union kmemleak_entry *entry = page_entries(page);
	unsigned long nr = ENTRIES_PER_PAGE;

	page->nr_free = nr;
	while (nr--)
		kmemleak_pool_push(&page->free, &entry[nr].object);
}

/* Works in pieces: there may be too many entries to add all with interrupts off. */
static void add_boot_entries(struct kmemleak_pool *pool)
{
	unsigned long nr = pool->nr_boot_entries, irq;

	while (nr) {
		unsigned long end = nr - min_t(unsigned long, nr, BATCH);

		raw_spin_lock_irqsave(&pool->lock, irq);
		while (nr > end) {
			struct kmemleak_object *obj = &pool->boot_entries[--nr].object;

			put_entries_locked(pool, &obj, 1);
		}
		raw_spin_unlock_irqrestore(&pool->lock, irq);
	}
}

/**
 * kmemleak_pool_setup() - make a pool that has only the boot entries
 * @t: tracker
 * @boot_entries: the boot entries: zeroed memory for the time before the page allocator is up
 * @nr: number of boot entries, may be 0
 */
void kmemleak_pool_setup(struct kmemleak_tracker *t, union kmemleak_entry *boot_entries,
			 unsigned long nr)
{
	struct kmemleak_pool *pool = &t->pool;
	unsigned int i;

	raw_spin_lock_init(&pool->lock);
	INIT_LIST_HEAD(&pool->pages);
	for (i = 0; i < KMEMLEAK_NR_POOL_FILLS; i++)
		INIT_LIST_HEAD(&pool->fill[i]);
	pool->boot_entries = boot_entries;
	pool->nr_boot_entries = nr;
	add_boot_entries(pool);
	kmemleak_pool_set_stock(t, 0);
}

/**
 * kmemleak_pool_set_stock() - set the size of the stock of free entries
 * @t: tracker
 * @nr: number of entries
 *
 * Context: any but NMI. add_pool_page() reads the stock and writes it back, so another CPU
 * must not add pages meanwhile: call this in early boot.
 */
void kmemleak_pool_set_stock(struct kmemleak_tracker *t, unsigned long nr)
{
	WRITE_ONCE(t->pool.stock, nr);
	WRITE_ONCE(t->pool.top_up, max_t(unsigned long, nr, BATCH));
}

/**
 * kmemleak_pool_start() - give each CPU a free list of its own
 * @t: tracker
 * @nr_cpus: kmemleak_cpu() returns numbers below this
 *
 * Context: nobody else uses the pool.
 * Return: 0, or -ENOMEM: all CPUs go on using the shared lists.
 */
int kmemleak_pool_start(struct kmemleak_tracker *t, unsigned int nr_cpus)
{
	if (t->pool.caches)
		return 0;
	t->pool.caches = t->ops->page_alloc(t, get_order(nr_cpus * sizeof(*t->pool.caches)),
					    KMEMLEAK_GFP);
	if (!t->pool.caches)
		return -ENOMEM;
	t->pool.nr_caches = nr_cpus;
	return 0;
}

/* --------------------------------------------------------- free entries -- */

/* The limit is half of the stock. Above that, hooks that may sleep refill the stock. */
static bool stock_is_low(const struct kmemleak_pool *pool)
{
	return READ_ONCE(pool->nr_free) < READ_ONCE(pool->stock) / 2;
}

/* Free entries in pages. Boot entries do not count: they cost the same, free or not. */
static long free_in_pages(const struct kmemleak_pool *pool)
{
	return READ_ONCE(pool->nr_free) - READ_ONCE(pool->boot_page.nr_free);
}

/* Entries in use, and free entries in the lists of CPUs and in closed pages. */
static long entries_not_free(const struct kmemleak_pool *pool)
{
	return READ_ONCE(pool->nr_pages) * ENTRIES_PER_PAGE + pool->nr_boot_entries -
	       READ_ONCE(pool->nr_free);
}

/*
 * A trim leaves free entries for the stock, and one for eight entries in use. It begins only
 * when more are free than twice the stock plus half of the entries in use. So a load that
 * comes and goes does not make the pool trim again and again. Dense pages alone never have
 * that many free entries.
 */
static bool pool_is_overfull(const struct kmemleak_pool *pool)
{
	return free_in_pages(pool) > entries_not_free(pool) / 2 + 2 * (long)READ_ONCE(pool->stock);
}

/* Number of free entries that a trim would release. */
static long surplus_entries(const struct kmemleak_pool *pool, bool all)
{
	long leave = READ_ONCE(pool->stock) + (all ? 0 : entries_not_free(pool) / 8);

	return min_t(long, free_in_pages(pool), READ_ONCE(pool->nr_free) - leave);
}

/* Is the stock not full? Takes no lock. */
bool kmemleak_pool_low(struct kmemleak_tracker *t)
{
	return READ_ONCE(t->pool.nr_free) < READ_ONCE(t->pool.stock);
}

/* Are there so many free entries that a trim is worth it? Takes no lock. */
bool kmemleak_pool_overfull(struct kmemleak_tracker *t)
{
	return pool_is_overfull(&t->pool);
}

/**
 * kmemleak_pool_surplus() - how many pages could be released?
 * @t: tracker
 *
 * Context: any.
 * Return: an estimate, because other CPUs go on meanwhile.
 */
unsigned long kmemleak_pool_surplus(struct kmemleak_tracker *t)
{
	const struct kmemleak_pool *pool = &t->pool;
	unsigned long nr = READ_ONCE(pool->nr_filled[KMEMLEAK_POOL_EMPTY]) +
			   READ_ONCE(pool->nr_filled[KMEMLEAK_POOL_SPARSE]);

	return min_t(unsigned long, nr,
		     max_t(long, 0, surplus_entries(pool, true)) / ENTRIES_PER_PAGE);
}

/* Must the caller call request_maintenance()? Only once until kmemleak_pool_restock() runs. */
static bool needs_maintenance_locked(struct kmemleak_pool *pool)
{
	lockdep_assert_held(&pool->lock);
	if (pool->asked || (!stock_is_low(pool) && !pool_is_overfull(pool)))
		return false;
	pool->asked = true;
	return true;
}

static void request_maintenance(struct kmemleak_tracker *t)
{
	if (t->ops->maintain_pool)
		t->ops->maintain_pool(t);
}

/* ---------------------------------------------------------------- entries -- */

/* Takes one entry from the pages, and a batch for the CPU's list, which is empty. */
static struct kmemleak_object *get_shared_entry(struct kmemleak_tracker *t,
						struct kmemleak_pool_cache *cache)
{
	struct kmemleak_pool *pool = &t->pool;
	struct kmemleak_object *obj, **list = cache ? &cache->free : &obj;
	unsigned int nr;
	bool few, wants;

	raw_spin_lock(&pool->lock);
	nr = take_entries_locked(pool, list, cache ? BATCH + 1 : 1);
	if (!cache)
		pool->in_use += nr;
	few = stock_is_low(pool);
	wants = needs_maintenance_locked(pool);
	raw_spin_unlock(&pool->lock);
	if (unlikely(few))
		kmemleak_count_many(t, KMEMLEAK_CNT_STOCK_USED, nr);
	if (unlikely(wants))
		request_maintenance(t);
	if (cache) {
		obj = kmemleak_pool_pop(&cache->free);
		cache->nr_free = nr - !!nr;
	}
	return obj;
}

/* Interrupts are off. */
static struct kmemleak_object *get_entry(struct kmemleak_tracker *t,
					 struct kmemleak_pool_cache *cache)
{
	struct kmemleak_object *obj;

	if (cache && cache->free) {
		obj = kmemleak_pool_pop(&cache->free);
		cache->nr_free--;
	} else {
		obj = get_shared_entry(t, cache);
	}
	if (obj && cache)
		WRITE_ONCE(cache->in_use, cache->in_use + 1);
	return obj;
}

/* kmemleak_pool_get_irqs_off() if the CPU has no list or an empty list. */
struct kmemleak_object *kmemleak_pool_get_slow(struct kmemleak_tracker *t, u32 clock)
{
	struct kmemleak_pool_cache *cache = kmemleak_pool_this_cache(&t->pool);
	struct kmemleak_object *obj = get_entry(t, cache);

	if (obj)
		obj->stamp = cache ? kmemleak_pool_stamp(cache, clock) : clock;
	return obj;
}

static struct kmemleak_object *get_entry_irqs_on(struct kmemleak_tracker *t)
{
	struct kmemleak_object *obj;
	unsigned long irq;

	local_irq_save(irq);
	obj = get_entry(t, kmemleak_pool_this_cache(&t->pool));
	local_irq_restore(irq);
	return obj;
}

/*
 * A disabled tracker takes no pages, because kmemleak_pool_reset() may have run already.
 * kmemleak_pool_reset() takes the same lock after tracking was turned off.
 */
static bool add_pool_page(struct kmemleak_tracker *t, gfp_t gfp)
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
		/* At the front: a walk of kmemleak_pool_entries() is past it already. */
		list_add(&page->all, &pool->pages);
		list_add(&page->list, &pool->fill[KMEMLEAK_POOL_EMPTY]);
		WRITE_ONCE(pool->nr_pages, pool->nr_pages + 1);
		count_filled_locked(pool, KMEMLEAK_POOL_EMPTY, 1);
		WRITE_ONCE(pool->nr_free, pool->nr_free + ENTRIES_PER_PAGE);
		kmemleak_pool_set_stock(t, pool->stock);
	}
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	if (!taken)
		t->ops->page_free(t, page, 0);
	return taken;
}

/**
 * kmemleak_pool_grow_atomic() - add a page after the pool ran out of entries
 * @t: tracker, enabled
 *
 * Context: any but NMI; never sleeps.
 * Return: true if a page was added. Another CPU may still take all its entries first.
 */
bool kmemleak_pool_grow_atomic(struct kmemleak_tracker *t)
{
	return add_pool_page(t, GFP_ANY_CONTEXT);
}

/**
 * kmemleak_pool_get() - take an entry for anything but a new block
 * @t: tracker, enabled
 *
 * Context: any but NMI; never sleeps.
 * Return: an entry with flags 0 and a meaningless stamp, or NULL if there is no memory.
 */
struct kmemleak_object *kmemleak_pool_get(struct kmemleak_tracker *t)
{
	struct kmemleak_object *obj;

	do {
		obj = get_entry_irqs_on(t);
		/* Another CPU may take all new entries first: try again. */
	} while (unlikely(!obj) && kmemleak_pool_grow_atomic(t));
	return obj;
}

/*
 * Adds the page that kmemleak_pool_top_up() found missing. If there is no memory for it, the
 * limit is lowered until a page is added again, so that the next hooks do not try in vain.
 */
void kmemleak_pool_top_up_slow(struct kmemleak_tracker *t, gfp_t gfp)
{
	if (!add_pool_page(t, (gfp & (__GFP_IO | __GFP_FS)) | __GFP_RECLAIM |
		      __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC))
		WRITE_ONCE(t->pool.top_up, BATCH);
}

/**
 * kmemleak_pool_restock() - refill the stock of free entries
 * @t: tracker
 *
 * From now on, the pool calls ops->maintain_pool() again if it needs help.
 *
 * Context: process, may sleep.
 * Return: false if there was no memory; true if the stock is full or tracking is off.
 */
bool kmemleak_pool_restock(struct kmemleak_tracker *t)
{
	struct kmemleak_pool *pool = &t->pool;
	unsigned long irq;

	raw_spin_lock_irqsave(&pool->lock, irq);
	pool->asked = false;
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	while (READ_ONCE(t->enabled) && kmemleak_pool_low(t))
		if (!add_pool_page(t, KMEMLEAK_GFP))
			return !READ_ONCE(t->enabled);
	return true;
}

/* kmemleak_pool_put_irqs_off() if the CPU has no list or a full list. */
void kmemleak_pool_put_slow(struct kmemleak_tracker *t, struct kmemleak_object *obj)
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
		put_entries_locked(pool, &cache->free, cache->nr_free - BATCH);
		cache->nr_free = BATCH;
	} else {
		put_entries_locked(pool, &obj, 1);
		pool->in_use--;
	}
	wants = needs_maintenance_locked(pool);
	raw_spin_unlock(&pool->lock);
	if (unlikely(wants))
		request_maintenance(t);
}

/**
 * kmemleak_pool_put() - free an entry, with interrupts on or off
 * @t: tracker
 * @obj: an entry from the pool, in no tree
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

/* Pages are added at the front, and removed only while nobody walks over the entries. */
static bool next_pool_page(struct kmemleak_pool *pool, struct kmemleak_pool_cursor *cursor)
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
 * kmemleak_pool_entries() - the entries that a walk visits next
 * @t: tracker
 * @cursor: zeroed to begin; the caller adds the number of entries that it visited to
 *	@cursor->next
 * @max: greatest number of entries
 * @nr: set to the number of entries, 0 at the end
 *
 * The walk visits every entry of the pool, free or not, except in pages that are added
 * meanwhile.
 *
 * Context: process; the caller prevents kmemleak_pool_trim().
 * Return: the first of these entries; the others follow it in memory.
 */
union kmemleak_entry *kmemleak_pool_entries(struct kmemleak_tracker *t,
					    struct kmemleak_pool_cursor *cursor,
					    unsigned int max, unsigned int *nr)
{
	struct kmemleak_pool *pool = &t->pool;
	unsigned long left;

	*nr = 0;
	while (!cursor->end) {
		left = (cursor->page ? ENTRIES_PER_PAGE : pool->nr_boot_entries) - cursor->next;
		if (left) {
			*nr = min_t(unsigned long, left, max);
			break;
		}
		cursor->end = !next_pool_page(pool, cursor);
	}
	return (cursor->page ? page_entries(cursor->page) : pool->boot_entries) + cursor->next;
}

/**
 * kmemleak_pool_in_use() - how many entries are in use?
 * @t: tracker
 *
 * Return: a sum over all CPUs. It is exact only if no CPU takes or frees entries meanwhile.
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
 * kmemleak_pool_free_entries() - how many entries can be handed out without a new page?
 * @t: tracker
 *
 * Return: as exact as kmemleak_pool_in_use().
 */
long kmemleak_pool_free_entries(struct kmemleak_tracker *t)
{
	return t->pool.nr_pages * ENTRIES_PER_PAGE + t->pool.nr_boot_entries -
	       kmemleak_pool_in_use(t);
}

/* ------------------------------------------------------------------ trim -- */

/* Pages that are emptied together. Each round interrupts all CPUs twice. */
#define CLOSE_PAGES	256
/* Greatest number of pages for one call, so that a scan need not wait for long. */
#define TRIM_PAGES	4096

/* Puts the current CPU's free entries back into their pages. Interrupts are off. */
static void flush_cpu_list(struct kmemleak_tracker *t)
{
	struct kmemleak_pool_cache *cache = kmemleak_pool_this_cache(&t->pool);

	raw_spin_lock(&t->pool.lock);
	put_entries_locked(&t->pool, &cache->free, cache->nr_free);
	cache->nr_free = 0;
	raw_spin_unlock(&t->pool.lock);
}

static void flush_cpu_lists(struct kmemleak_tracker *t)
{
	if (t->pool.caches && t->ops->each_cpu)
		t->ops->each_cpu(t, flush_cpu_list);
}

static void unlink_page_locked(struct kmemleak_pool *pool, struct kmemleak_pool_page *page,
			       struct list_head *pages)
{
	lockdep_assert_held(&pool->lock);
	list_del(&page->all);
	list_move(&page->list, pages);
	WRITE_ONCE(pool->nr_pages, pool->nr_pages - 1);
}

/* Takes one empty page out of the pool. Return: false if no such page can be spared. */
static bool unlink_empty_page(struct kmemleak_pool *pool, struct list_head *pages, bool all)
{
	struct kmemleak_pool_page *page;
	unsigned long irq;
	bool found;

	raw_spin_lock_irqsave(&pool->lock, irq);
	found = pool->nr_filled[KMEMLEAK_POOL_EMPTY] &&
		surplus_entries(pool, all) >= (long)ENTRIES_PER_PAGE;
	if (found) {
		page = list_last_entry(&pool->fill[KMEMLEAK_POOL_EMPTY], struct kmemleak_pool_page,
				       list);
		unlink_page_locked(pool, page, pages);
		count_filled_locked(pool, KMEMLEAK_POOL_EMPTY, -1);
		WRITE_ONCE(pool->nr_free, pool->nr_free - ENTRIES_PER_PAGE);
	}
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	return found;
}

/*
 * Closes one sparse page: nobody gets an entry from it any more. @moving is the number of
 * entries in use in pages that were closed before. They must find room in other pages, too.
 * Return: @moving plus the entries in use in this page, or @moving if no page can be spared.
 */
static long close_sparse_page(struct kmemleak_pool *pool, struct list_head *closed, bool all,
			      long moving)
{
	struct list_head *sparse = &pool->fill[KMEMLEAK_POOL_SPARSE];
	struct kmemleak_pool_page *page;
	unsigned long irq;

	raw_spin_lock_irqsave(&pool->lock, irq);
	if (!list_empty(sparse) && surplus_entries(pool, all) >= moving + (long)ENTRIES_PER_PAGE) {
		page = list_last_entry(sparse, struct kmemleak_pool_page, list);
		page->closed = true;
		list_move(&page->list, closed);
		count_filled_locked(pool, KMEMLEAK_POOL_SPARSE, -1);
		WRITE_ONCE(pool->nr_free, pool->nr_free - page->nr_free);
		moving += ENTRIES_PER_PAGE - page->nr_free;
	}
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	return moving;
}

/* Bypasses the CPU's list, which would hand out again the entries that were just vacated. */
static struct kmemleak_object *take_page_entry(struct kmemleak_pool *pool)
{
	struct kmemleak_object *obj;
	unsigned long irq;

	raw_spin_lock_irqsave(&pool->lock, irq);
	take_entries_locked(pool, &obj, 1);
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	return obj;
}

static void put_page_entry(struct kmemleak_pool *pool, struct kmemleak_object *obj)
{
	unsigned long irq;

	WRITE_ONCE(obj->flags, 0);
	raw_spin_lock_irqsave(&pool->lock, irq);
	put_entries_locked(pool, &obj, 1);
	raw_spin_unlock_irqrestore(&pool->lock, irq);
}

/* Does the entry hold an object or an attribute? @move checks this again under a lock. */
static bool is_in_use(const union kmemleak_entry *entry)
{
	return kmemleak_entry_is_attr(entry) ||
	       (READ_ONCE(entry->object.flags) & KMEMLEAK_LIVE);
}

/* An entry stays where it is if its object or attribute is in no tree yet. */
static void move_entries_out(struct kmemleak_tracker *t, struct kmemleak_pool_page *page,
			     kmemleak_pool_move_t move)
{
	union kmemleak_entry *entry = page_entries(page);
	unsigned int i;

	for (i = 0; i < ENTRIES_PER_PAGE; i++, entry++) {
		struct kmemleak_object *to;

		if (!is_in_use(entry))
			continue;
		to = take_page_entry(&t->pool);
		if (!to)
			return;
		if (move(t, entry, (union kmemleak_entry *)to))
			to = &entry->object;
		put_page_entry(&t->pool, to);
	}
}

/* Return: true if the page is empty: it was moved to @pages. Else it is in use again. */
static bool reopen_page(struct kmemleak_pool *pool, struct kmemleak_pool_page *page,
			struct list_head *pages)
{
	unsigned long irq;
	bool empty;

	raw_spin_lock_irqsave(&pool->lock, irq);
	empty = page->nr_free == ENTRIES_PER_PAGE;
	if (empty) {
		unlink_page_locked(pool, page, pages);
	} else {
		page->closed = false;
		list_move(&page->list, &pool->fill[fill_of(page->nr_free)]);
		count_filled_locked(pool, fill_of(page->nr_free), 1);
		WRITE_ONCE(pool->nr_free, pool->nr_free + page->nr_free);
	}
	raw_spin_unlock_irqrestore(&pool->lock, irq);
	return empty;
}

/* Empties sparse pages and moves them to @pages. Return: how many. */
static unsigned int compact_pages(struct kmemleak_tracker *t, struct list_head *pages, bool all,
				  kmemleak_pool_move_t move)
{
	struct kmemleak_pool_page *page, *next;
	unsigned int nr, nr_empty = 0;
	long moving = 0, before;
	LIST_HEAD(closed);

	for (nr = 0; nr < CLOSE_PAGES; nr++) {
		before = moving;
		moving = close_sparse_page(&t->pool, &closed, all, before);
		if (moving == before)
			break;
	}
	if (!nr)
		return 0;
	flush_cpu_lists(t);
	list_for_each_entry(page, &closed, list) {
		move_entries_out(t, page, move);
		t->ops->pause(t);
	}
	flush_cpu_lists(t);
	list_for_each_entry_safe(page, next, &closed, list)
		nr_empty += reopen_page(&t->pool, page, pages);
	return nr_empty;
}

/**
 * kmemleak_pool_trim() - take pages out of the pool that the blocks do not need
 * @t: tracker, enabled
 * @pages: gets the pages, for kmemleak_pool_release() after a grace period
 * @all: leave only the stock
 * @move: moves an object or an attribute to another entry; returns false if it is gone
 *
 * A call takes at most a few thousand pages.
 *
 * Context: process, may sleep. The caller prevents marks, because marks remember entries,
 * and other trims.
 * Return: number of pages in @pages; 0: there is nothing left to do.
 */
unsigned int kmemleak_pool_trim(struct kmemleak_tracker *t, struct list_head *pages, bool all,
				kmemleak_pool_move_t move)
{
	struct kmemleak_pool *pool = &t->pool;
	unsigned int nr = 0, got;

	flush_cpu_lists(t);
	do {
		while (nr < TRIM_PAGES && unlink_empty_page(pool, pages, all))
			nr++;
		got = nr < TRIM_PAGES ? compact_pages(t, pages, all, move) : 0;
		nr += got;
	} while (got);
	return nr;
}

/**
 * kmemleak_pool_release() - release pages that were taken out of the pool
 * @t: tracker
 * @pages: from kmemleak_pool_trim(), at least a grace period ago
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
 * kmemleak_pool_reset() - free all entries and release all pages
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

	/* Excludes add_pool_page(): nobody waits for hooks in kmemleak_pool_top_up(). */
	raw_spin_lock_irqsave(&pool->lock, irq);
	list_splice_init(&pool->pages, &pages);
	for (i = 0; i < KMEMLEAK_NR_POOL_FILLS; i++)
		INIT_LIST_HEAD(&pool->fill[i]);
	memset(pool->nr_filled, 0, sizeof(pool->nr_filled));
	pool->nr_pages = 0;
	pool->nr_free = 0;
	pool->in_use = 0;
	pool->asked = false;
	pool->boot_page.free = NULL;
	pool->boot_page.nr_free = 0;
	raw_spin_unlock_irqrestore(&pool->lock, irq);

	for (i = 0; i < pool->nr_caches; i++)
		memset(&pool->caches[i], 0, sizeof(pool->caches[i]));
	memset(pool->boot_entries, 0, pool->nr_boot_entries * sizeof(*pool->boot_entries));
	add_boot_entries(pool);

	list_for_each_entry_safe(page, next, &pages, all) {
		t->ops->page_free(t, page, 0);
		t->ops->pause(t);
	}
}

/**
 * kmemleak_pool_destroy() - reset the pool, and release the CPUs' lists, too
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
		t->ops->page_free(t, caches, get_order(nr * sizeof(*caches)));
}
