// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preexisting memory: if tracking is turned on late, on a running system, the detector knows
 * nothing of the blocks that exist already. So a map records the memory that the kernel has
 * in use at that moment, word by word. This memory is a root for as long as it stays in use.
 * preexist_take.c finds it. The map knows a page by its frame number, wherever the page is
 * mapped.
 *
 * A word leaves the map when its block is freed, or when a tracked block takes its place. A
 * mark removes the words of pages that have another owner by now.
 */
#include <linux/bitmap.h>
#include <linux/gfp.h>
#include <linux/hugetlb.h>
#include <linux/kfence.h>
#include <linux/kmemleak_owners.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "access.h"
#include "core/mark.h"
#include "preexist.h"
#include "state.h"

#define WORDS_PER_PAGE	(PAGE_SIZE / sizeof(long))

struct preexist_page {
	DECLARE_BITMAP(word, WORDS_PER_PAGE);
};

#define CHUNK_HEAD	(sizeof(raw_spinlock_t) + sizeof(u64))
#define PAGES_PER_CHUNK	((PAGE_SIZE - CHUNK_HEAD) / sizeof(struct preexist_page))

/**
 * struct preexist_chunk - which words of neighbouring page frames are preexisting
 * @lock: guards the bits of @page; taken inside a shard's lock. Marks read the bits without
 *	the lock: a word that is removed at that moment may count once more. clear_words()
 *	looks without the lock whether there is something to clear.
 * @slab: bit mask of the frames that were slabs. Written while preexist_take.c records
 *	memory, read by marks
 * @page: one for each frame
 */
struct preexist_chunk {
	raw_spinlock_t lock;
	u64 slab;
	struct preexist_page page[PAGES_PER_CHUNK];
};

static_assert(PAGES_PER_CHUNK <= 64);
static_assert(sizeof(struct preexist_chunk) <= PAGE_SIZE);

/*
 * Chunks by page frame number / PAGES_PER_CHUNK. Written with kmemleak_scan_mutex held.
 * Hooks look chunks up under RCU.
 */
static DEFINE_XARRAY(chunks);
static unsigned long nr_chunks;
/* If false, hooks do not use the chunks. Cleared a grace period before chunks are freed. */
static bool any_preexisting;
/* Bytes of preexisting memory that the last mark has scanned. */
static unsigned long preexisting_bytes;

static struct preexist_chunk *chunk_of(unsigned long pfn)
{
	return xa_load(&chunks, pfn / PAGES_PER_CHUNK);
}

/* The map is not worth the OOM killer. Without memory for the map, tracking stays off. */
#define GFP_PREEXIST		(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOMEMALLOC | __GFP_NOWARN)

unsigned int kmemleak_preexist_pages_per_chunk(void)
{
	return PAGES_PER_CHUNK;
}

/* Context: process, may sleep, kmemleak_scan_mutex held. */
static struct preexist_chunk *make_chunk(unsigned long pfn)
{
	struct preexist_chunk *chunk = chunk_of(pfn);

	if (chunk)
		return chunk;
	chunk = kmemleak_access_page_alloc(&kmemleak_tracker, 0, GFP_PREEXIST);
	if (!chunk)
		return NULL;
	raw_spin_lock_init(&chunk->lock);
	if (xa_err(xa_store(&chunks, pfn / PAGES_PER_CHUNK, chunk, GFP_PREEXIST))) {
		kmemleak_access_page_free(&kmemleak_tracker, chunk, 0);
		return NULL;
	}
	WRITE_ONCE(nr_chunks, nr_chunks + 1);
	return chunk;
}

/* ---------------------------------------------------------------- words -- */

/* An address in the direct map for @addr, valid up to the end of the page; 0: none. */
static unsigned long direct_addr(unsigned long addr)
{
	struct page *page;

	if (!is_vmalloc_or_module_addr((void *)addr))
		return virt_addr_valid(addr) ? addr : 0;
	page = vmalloc_to_page((void *)addr);
	return page && !PageHighMem(page) ?
	       (unsigned long)page_address(page) + offset_in_page(addr) : 0;
}

static void set_words(struct preexist_chunk *chunk, unsigned long pfn, unsigned int first,
		      unsigned int nr)
{
	unsigned long irq;

	raw_spin_lock_irqsave(&chunk->lock, irq);
	bitmap_set(chunk->page[pfn % PAGES_PER_CHUNK].word, first, nr);
	raw_spin_unlock_irqrestore(&chunk->lock, irq);
}

static void clear_words(struct preexist_chunk *chunk, unsigned long pfn, unsigned int first,
			unsigned int nr)
{
	unsigned long *word = chunk->page[pfn % PAGES_PER_CHUNK].word, irq;

	if (find_next_bit(word, first + nr, first) >= first + nr)
		return;
	raw_spin_lock_irqsave(&chunk->lock, irq);
	bitmap_clear(word, first, nr);
	raw_spin_unlock_irqrestore(&chunk->lock, irq);
}

typedef void (*visit_words)(struct preexist_chunk *chunk, unsigned long pfn, unsigned int first,
			    unsigned int nr);

/* Memory without a chunk is skipped: it is not preexisting, and is not to be recorded. */
static void visit_range(unsigned long addr, size_t size, visit_words visit)
{
	unsigned long end = ALIGN(addr + size, sizeof(long)), next;

	for (addr = ALIGN_DOWN(addr, sizeof(long)); addr < end; addr = next) {
		unsigned long lies = direct_addr(addr);
		struct preexist_chunk *chunk = lies ? chunk_of(PHYS_PFN(__pa(lies))) : NULL;

		next = min(end, (addr & PAGE_MASK) + PAGE_SIZE);
		if (chunk)
			visit(chunk, PHYS_PFN(__pa(lies)), offset_in_page(addr) / sizeof(long),
			      (next - addr) / sizeof(long));
	}
}

static void remove_words(unsigned long addr, size_t size)
{
	/* Pairs with kmemleak_preexist_clear(). */
	rcu_read_lock();
	if (READ_ONCE(any_preexisting))
		visit_range(addr, size, clear_words);
	rcu_read_unlock();
}

static bool may_remove(void)
{
	return unlikely(READ_ONCE(any_preexisting)) && !in_nmi();
}

/**
 * kmemleak_preexist_begin() - there may be preexisting memory from now on
 *
 * Afterwards hooks remove the blocks that come and go from the map, and do not report the
 * annotation of an unknown block as a mistake.
 *
 * Context: process, kmemleak_scan_mutex held.
 */
void kmemleak_preexist_begin(void)
{
	WRITE_ONCE(any_preexisting, true);
}

/**
 * kmemleak_preexist_add_page() - make room in the map for the words of a page
 * @page: the page
 * @pfn: its frame number
 *
 * Context: process, may sleep, kmemleak_scan_mutex held.
 * Return: 0 or -ENOMEM.
 */
int kmemleak_preexist_add_page(struct page *page, unsigned long pfn)
{
	struct preexist_chunk *chunk = make_chunk(pfn);

	if (!chunk)
		return -ENOMEM;
	if (PageSlab(compound_head(page)))
		chunk->slab |= BIT_ULL(pfn % PAGES_PER_CHUNK);
	return 0;
}

/**
 * kmemleak_preexist_add() - record memory as preexisting
 * @addr: first byte, in pages that were given to kmemleak_preexist_add_page()
 * @size: bytes
 *
 * Context: as kmemleak_preexist_add_page().
 */
void kmemleak_preexist_add(const void *addr, size_t size)
{
	visit_range((unsigned long)addr, size, set_words);
}

/**
 * kmemleak_preexist_remove() - memory is not preexisting any more
 * @addr: first byte
 * @size: bytes
 *
 * Context: any; in an NMI it does nothing.
 */
void kmemleak_preexist_remove(unsigned long addr, size_t size)
{
	if (may_remove())
		remove_words(addr, size);
}

/* As kmemleak_preexist_remove(), for the CPUs' copies of a per-cpu block. */
void kmemleak_preexist_remove_percpu(const void __percpu *ptr, size_t size)
{
	int cpu;

	if (!may_remove())
		return;
	for_each_possible_cpu(cpu)
		remove_words(kmemleak_untag((unsigned long)per_cpu_ptr(ptr, cpu)), size);
}

/**
 * kmemleak_preexist_freed() - a block that is not tracked is about to be freed
 * @addr: its first byte
 *
 * Blocks of vmalloc() stay in the map until the next mark finds their pages free or reused.
 *
 * Context: as kmemleak_preexist_remove().
 */
void kmemleak_preexist_freed(unsigned long addr)
{
	struct page *page;

	if (!may_remove() || is_vmalloc_or_module_addr((void *)addr) || !virt_addr_valid(addr))
		return;
	page = virt_to_head_page((void *)addr);
	if (!PageSlab(page)) {
		remove_words(addr, page_size(page));
		return;
	}
	if (is_kfence_address((void *)addr)) {
		remove_words(addr, kfence_ksize((void *)addr));
		return;
	}
	remove_words(addr, slab_block_size((void *)addr));
}

bool kmemleak_preexist_any(void)
{
	return READ_ONCE(any_preexisting);
}

/* Bytes of preexisting memory that the last mark has scanned. */
unsigned long kmemleak_preexist_bytes(void)
{
	return READ_ONCE(preexisting_bytes);
}

/* Pages that the map of preexisting memory takes. */
unsigned long kmemleak_preexist_map_pages(void)
{
	return READ_ONCE(nr_chunks);
}

/* ---------------------------------------------------------------- pages -- */

/* Chunks freed between two pauses. */
#define CHUNKS_PER_PAUSE	64

/**
 * kmemleak_preexist_clear() - forget all preexisting memory
 *
 * Context: as kmemleak_preexist_add_page().
 */
void kmemleak_preexist_clear(void)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	struct preexist_chunk *chunk;
	unsigned long index;
	unsigned int nr = 0;

	lockdep_assert_held(&kmemleak_scan_mutex);
	if (!any_preexisting)
		return;
	WRITE_ONCE(any_preexisting, false);
	WRITE_ONCE(preexisting_bytes, 0);
	/* Pairs with remove_words(). */
	synchronize_rcu();
	xa_for_each(&chunks, index, chunk) {
		xa_erase(&chunks, index);
		t->ops->page_free(t, chunk, 0);
		/* Only to reschedule. Go on in any case: all chunks must be freed. */
		if (!(++nr % CHUNKS_PER_PAUSE))
			t->ops->pause(t);
	}
	WRITE_ONCE(nr_chunks, 0);
}

/* ---------------------------------------------------------------- roots -- */

static bool is_still_preexisting(const struct preexist_chunk *chunk, struct page *page,
				 unsigned long pfn)
{
	bool was_slab = chunk->slab & BIT_ULL(pfn % PAGES_PER_CHUNK);

	return page && kmemleak_access_is_kernel_page(page, pfn) &&
	       PageSlab(compound_head(page)) == was_slab;
}

/* Preemption is off, so the page was in use a moment before its words are read. */
static long filter_page(struct kmemleak_marker *m, struct preexist_chunk *chunk, unsigned long pfn,
			unsigned long *bytes)
{
	unsigned long *word = chunk->page[pfn % PAGES_PER_CHUNK].word, addr;
	struct page *page = pfn_to_online_page(pfn);
	unsigned int first, end;
	long nr = 0;

	if (!is_still_preexisting(chunk, page, pfn)) {
		/* The page is free or has another owner: its contents are new. */
		clear_words(chunk, pfn, 0, WORDS_PER_PAGE);
		return 0;
	}
	addr = (unsigned long)page_address(page);
	for_each_set_bitrange(first, end, word, WORDS_PER_PAGE) {
		nr = kmemleak_mark_filter_words(m, nr, addr + first * sizeof(long),
						(end - first) * sizeof(long));
		*bytes += (end - first) * sizeof(long);
	}
	return nr;
}

/* Adds the scanned bytes to @bytes. Return: 0, or the error that the mark ends with. */
static int mark_preexist_page(struct kmemleak_marker *m, struct preexist_chunk *chunk,
			      unsigned long pfn, unsigned long *bytes)
{
	long nr;

	preempt_disable();
	nr = filter_page(m, chunk, pfn, bytes);
	preempt_enable();
	return kmemleak_mark_words(m, nr);
}

/* Return: 0, or the error that the mark ends with. */
static int mark_preexist_chunk(struct kmemleak_marker *m, struct preexist_chunk *chunk,
			       unsigned long index, unsigned long *bytes)
{
	unsigned int i;
	int ret = 0;

	kmemleak_access_hold_memory(m);
	for (i = 0; i < PAGES_PER_CHUNK && !ret; i++)
		if (!bitmap_empty(chunk->page[i].word, WORDS_PER_PAGE))
			ret = mark_preexist_page(m, chunk, index * PAGES_PER_CHUNK + i, bytes);
	kmemleak_access_release_memory(m);
	kmemleak_mark_drain(m);
	return ret;
}

/**
 * kmemleak_preexist_mark() - scan preexisting memory as a root
 * @m: the mark
 *
 * Context: in ops->roots().
 */
void kmemleak_preexist_mark(struct kmemleak_marker *m)
{
	struct preexist_chunk *chunk;
	unsigned long index, bytes = 0;

	xa_for_each(&chunks, index, chunk) {
		if (mark_preexist_chunk(m, chunk, index, &bytes) || kmemleak_mark_poll(m))
			return;
	}
	WRITE_ONCE(preexisting_bytes, bytes);
}
