/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pool: all metadata entries come from here. See pool.c for how it works, and
 * pool_fast.h for the part that each allocation and each free goes through.
 */
#ifndef _KMEMLEAK_POOL_H
#define _KMEMLEAK_POOL_H

#include "object.h"

struct kmemleak_tracker;

/*
 * Free entries of one CPU. Only that CPU uses them, with interrupts off. Other CPUs read only
 * @in_use: entries that this CPU took minus entries that it freed, so it may be negative.
 */
struct kmemleak_pool_cache {
	struct kmemleak_object *free;
	unsigned int nr_free;
	u32 stamp;
	long in_use;
} ____cacheline_aligned_in_smp;

/* Entries that move between a CPU's list and the pages under one hold of the lock. */
#define KMEMLEAK_POOL_BATCH	32

/* How many entries of a page are free. Entries are taken from the fullest pages first. */
enum kmemleak_pool_fill {
	KMEMLEAK_POOL_FULL,	/* none */
	KMEMLEAK_POOL_DENSE,	/* at most a third */
	KMEMLEAK_POOL_SPARSE,	/* more than a third */
	KMEMLEAK_POOL_EMPTY,	/* all */
	KMEMLEAK_NR_POOL_FILLS,
};

/**
 * struct kmemleak_pool_page - takes the place of the first entry of a page
 * @all: in pool.pages
 * @list: in pool.fill, in the list that @nr_free says; in the compacting task's list
 *	while @closed
 * @free: free entries that are in no CPU's list
 * @nr_free: number of entries in @free
 * @closed: hands out no entries, because it is being emptied
 */
struct kmemleak_pool_page {
	struct list_head all;
	struct list_head list;
	struct kmemleak_object *free;
	unsigned int nr_free;
	bool closed;
};

static_assert(sizeof(struct kmemleak_pool_page) <= sizeof(union kmemleak_entry));

/**
 * struct kmemleak_pool - entries of 64 bytes from whole pages
 * @lock: raw. Guards the heads of pages, and all members up to @boot_page except @top_up and
 *	@stock
 * @nr_free: entries that a CPU with an empty list could take now. Others read it
 *	without the lock, as an estimate.
 * @top_up: a hook that may sleep adds a page if @nr_free is below this. Read without
 *	the lock: a value from a moment ago is as good.
 * @stock: number of free entries to keep for allocations that cannot wait
 * @in_use: entries taken minus entries freed while the CPUs had no lists
 * @pages: every page that the pool owns
 * @nr_pages: number of @pages. Also read without the lock, for the statistics.
 * @fill: the pages by enum kmemleak_pool_fill
 * @nr_filled: number of pages in each list of @fill. Also read without the lock, as an
 *	estimate.
 * @asked: ops->maintain_pool() was called, and kmemleak_pool_restock() has not run since
 * @boot_page: head of @boot_entries, in none of the lists
 * @boot_entries: static memory for the time before the page allocator is up
 * @nr_boot_entries: number of @boot_entries
 * @caches: one per CPU, NULL before kmemleak_pool_start()
 * @nr_caches: number of @caches
 */
struct kmemleak_pool {
	raw_spinlock_t lock;
	unsigned long nr_free;
	unsigned long top_up;
	unsigned long stock;
	long in_use;
	struct list_head pages;
	unsigned long nr_pages;
	struct list_head fill[KMEMLEAK_NR_POOL_FILLS];
	unsigned long nr_filled[KMEMLEAK_NR_POOL_FILLS];
	bool asked;
	struct kmemleak_pool_page boot_page;
	union kmemleak_entry *boot_entries;
	unsigned long nr_boot_entries;
	struct kmemleak_pool_cache *caches;
	unsigned int nr_caches;
};

/**
 * struct kmemleak_pool_cursor - where a walk over all entries continues
 * @page: current page, NULL: the boot entries
 * @next: its next entry
 * @end: there are no more entries
 */
struct kmemleak_pool_cursor {
	struct kmemleak_pool_page *page;
	unsigned long next;
	bool end;
};

/* Moves what an entry holds to another entry; see kmemleak_pool_trim(). */
typedef bool (*kmemleak_pool_move_t)(struct kmemleak_tracker *t, union kmemleak_entry *entry,
				     union kmemleak_entry *to);

void kmemleak_pool_setup(struct kmemleak_tracker *t, union kmemleak_entry *boot_entries,
			 unsigned long nr);
int kmemleak_pool_start(struct kmemleak_tracker *t, unsigned int nr_cpus);
void kmemleak_pool_reset(struct kmemleak_tracker *t);
void kmemleak_pool_destroy(struct kmemleak_tracker *t);

struct kmemleak_object *kmemleak_pool_get(struct kmemleak_tracker *t);
void kmemleak_pool_put(struct kmemleak_tracker *t, struct kmemleak_object *obj);
struct kmemleak_object *kmemleak_pool_get_slow(struct kmemleak_tracker *t, u32 clock);
void kmemleak_pool_put_slow(struct kmemleak_tracker *t, struct kmemleak_object *obj);

union kmemleak_entry *kmemleak_pool_entries(struct kmemleak_tracker *t,
					    struct kmemleak_pool_cursor *cursor,
					    unsigned int max, unsigned int *nr);

bool kmemleak_pool_grow_atomic(struct kmemleak_tracker *t);
void kmemleak_pool_top_up_slow(struct kmemleak_tracker *t, gfp_t gfp);
bool kmemleak_pool_restock(struct kmemleak_tracker *t);
void kmemleak_pool_set_stock(struct kmemleak_tracker *t, unsigned long nr);
unsigned int kmemleak_pool_trim(struct kmemleak_tracker *t, struct list_head *pages, bool all,
				kmemleak_pool_move_t move);
void kmemleak_pool_release(struct kmemleak_tracker *t, struct list_head *pages);

bool kmemleak_pool_low(struct kmemleak_tracker *t);
bool kmemleak_pool_overfull(struct kmemleak_tracker *t);
unsigned long kmemleak_pool_surplus(struct kmemleak_tracker *t);
long kmemleak_pool_in_use(struct kmemleak_tracker *t);
long kmemleak_pool_free_entries(struct kmemleak_tracker *t);

#endif /* _KMEMLEAK_POOL_H */
