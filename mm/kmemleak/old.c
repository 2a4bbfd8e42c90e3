// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory from before: when tracking begins on a running system, nothing is known of
 * the blocks that are there already. So the memory that the kernel has in use at that
 * moment is remembered, word by word. It is scanned as a root for as long as it stays
 * in use. late.c finds it. Pages are known by their place in the direct map, also if
 * they are mapped elsewhere as well.
 *
 * A word is old no more when the block that holds it is freed, or when a tracked block
 * takes its place. A mark drops the words of pages that have another owner by now.
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

#include "glue.h"
#include "old.h"

#define WORDS_PER_PAGE	(PAGE_SIZE / sizeof(long))

struct old_page {
	DECLARE_BITMAP(word, WORDS_PER_PAGE);
};

#define CHUNK_HEAD	(sizeof(raw_spinlock_t) + sizeof(u64))
#define PAGES_PER_CHUNK	((PAGE_SIZE - CHUNK_HEAD) / sizeof(struct old_page))

/**
 * struct old_chunk - which words of so many page frames are old
 * @lock: guards the bits of @page, inside a shard's lock. Marks read them without it: a
 *	word that goes at that moment may count once more. clear_words() does, too, to
 *	see whether there is something to clear
 * @slab: bit mask of those that were slabs. Written while late.c notes, read by marks
 * @page: one for each frame
 */
struct old_chunk {
	raw_spinlock_t lock;
	u64 slab;
	struct old_page page[PAGES_PER_CHUNK];
};

static_assert(PAGES_PER_CHUNK <= 64);
static_assert(sizeof(struct old_chunk) <= PAGE_SIZE);

/*
 * By page frame number / PAGES_PER_CHUNK. Written with kmemleak_scan_mutex held; hooks
 * look chunks up under RCU.
 */
static DEFINE_XARRAY(chunks);
static unsigned long nr_chunks;
/* Hooks need look no further where nothing is old. Cleared a grace period before. */
static bool any_old;
/* Bytes of it that the last mark has scanned. */
static unsigned long old_bytes;

static struct old_chunk *chunk_of(unsigned long pfn)
{
	return xa_load(&chunks, pfn / PAGES_PER_CHUNK);
}

/* Rather than that anybody is killed for it, there is no tracking. */
#define GFP_OLD		(GFP_KERNEL | __GFP_RETRY_MAYFAIL | __GFP_NOMEMALLOC | __GFP_NOWARN)

unsigned int kmemleak_old_pages_per_chunk(void)
{
	return PAGES_PER_CHUNK;
}

/* Context: process, may sleep, kmemleak_scan_mutex held. */
static struct old_chunk *make_chunk(unsigned long pfn)
{
	struct old_chunk *chunk = chunk_of(pfn);

	if (chunk)
		return chunk;
	chunk = kmemleak_kernel_ops.page_alloc(&kmemleak_tracker, 0, GFP_OLD);
	if (!chunk)
		return NULL;
	raw_spin_lock_init(&chunk->lock);
	if (xa_err(xa_store(&chunks, pfn / PAGES_PER_CHUNK, chunk, GFP_OLD))) {
		kmemleak_kernel_ops.page_free(&kmemleak_tracker, chunk, 0);
		return NULL;
	}
	WRITE_ONCE(nr_chunks, nr_chunks + 1);
	return chunk;
}

/* ---------------------------------------------------------------- words -- */

/* Where an address lies in the direct map, as far as its page; 0: nowhere. */
static unsigned long direct_addr(unsigned long addr)
{
	struct page *page;

	if (!is_vmalloc_or_module_addr((void *)addr))
		return virt_addr_valid(addr) ? addr : 0;
	page = vmalloc_to_page((void *)addr);
	return page && !PageHighMem(page) ?
	       (unsigned long)page_address(page) + offset_in_page(addr) : 0;
}

static void set_words(struct old_chunk *chunk, unsigned long pfn, unsigned int first,
		      unsigned int nr)
{
	unsigned long irq;

	raw_spin_lock_irqsave(&chunk->lock, irq);
	bitmap_set(chunk->page[pfn % PAGES_PER_CHUNK].word, first, nr);
	raw_spin_unlock_irqrestore(&chunk->lock, irq);
}

static void clear_words(struct old_chunk *chunk, unsigned long pfn, unsigned int first,
			unsigned int nr)
{
	unsigned long *word = chunk->page[pfn % PAGES_PER_CHUNK].word, irq;

	if (find_next_bit(word, first + nr, first) >= first + nr)
		return;
	raw_spin_lock_irqsave(&chunk->lock, irq);
	bitmap_clear(word, first, nr);
	raw_spin_unlock_irqrestore(&chunk->lock, irq);
}

typedef void (*visit_words)(struct old_chunk *chunk, unsigned long pfn, unsigned int first,
			    unsigned int nr);

/* Of memory without a chunk nothing is old, and need not be made so. */
static void visit_range(unsigned long addr, size_t size, visit_words visit)
{
	unsigned long end = ALIGN(addr + size, sizeof(long)), next;

	for (addr = ALIGN_DOWN(addr, sizeof(long)); addr < end; addr = next) {
		unsigned long lies = direct_addr(addr);
		struct old_chunk *chunk = lies ? chunk_of(PHYS_PFN(__pa(lies))) : NULL;

		next = min(end, (addr & PAGE_MASK) + PAGE_SIZE);
		if (chunk)
			visit(chunk, PHYS_PFN(__pa(lies)), offset_in_page(addr) / sizeof(long),
			      (next - addr) / sizeof(long));
	}
}

static void drop(unsigned long addr, size_t size)
{
	/* Pairs with kmemleak_old_forget(). */
	rcu_read_lock();
	if (READ_ONCE(any_old))
		visit_range(addr, size, clear_words);
	rcu_read_unlock();
}

static bool may_drop(void)
{
	return unlikely(READ_ONCE(any_old)) && !in_nmi();
}

/**
 * kmemleak_old_begin() - there may be something old from now on
 *
 * Hooks that begin to work after this find blocks unknown that are older.
 *
 * Context: process, kmemleak_scan_mutex held.
 */
void kmemleak_old_begin(void)
{
	WRITE_ONCE(any_old, true);
}

/**
 * kmemleak_old_note_page() - a page can hold something old from now on
 * @page: the page
 * @pfn: its number
 *
 * Context: process, may sleep, kmemleak_scan_mutex held.
 * Return: 0 or -ENOMEM.
 */
int kmemleak_old_note_page(struct page *page, unsigned long pfn)
{
	struct old_chunk *chunk = make_chunk(pfn);

	if (!chunk)
		return -ENOMEM;
	if (PageSlab(compound_head(page)))
		chunk->slab |= BIT_ULL(pfn % PAGES_PER_CHUNK);
	return 0;
}

/**
 * kmemleak_old_note() - a part of a noted page is old
 * @addr: where it begins
 * @size: bytes
 *
 * Context: as kmemleak_old_note_page().
 */
void kmemleak_old_note(const void *addr, size_t size)
{
	visit_range((unsigned long)addr, size, set_words);
}

/**
 * kmemleak_old_drop() - this memory is old no more
 * @addr: where it begins
 * @size: bytes
 *
 * Context: any; in an NMI it does nothing.
 */
void kmemleak_old_drop(unsigned long addr, size_t size)
{
	if (may_drop())
		drop(addr, size);
}

/* The same for all copies of a per-cpu block. */
void kmemleak_old_drop_percpu(const void __percpu *ptr, size_t size)
{
	int cpu;

	if (!may_drop())
		return;
	for_each_possible_cpu(cpu)
		drop(kmemleak_untag((unsigned long)per_cpu_ptr(ptr, cpu)), size);
}

/**
 * kmemleak_old_freed() - a block that is not tracked is about to be freed
 * @addr: its first byte
 *
 * Blocks of vmalloc() are left to the next mark.
 *
 * Context: as kmemleak_old_drop().
 */
void kmemleak_old_freed(unsigned long addr)
{
	struct page *page;

	if (!may_drop() || is_vmalloc_or_module_addr((void *)addr) || !virt_addr_valid(addr))
		return;
	page = virt_to_head_page((void *)addr);
	if (!PageSlab(page)) {
		drop(addr, page_size(page));
		return;
	}
	if (is_kfence_address((void *)addr)) {
		drop(addr, kfence_ksize((void *)addr));
		return;
	}
	drop(addr, slab_block_size((void *)addr));
}

bool kmemleak_old_any(void)
{
	return READ_ONCE(any_old);
}

/* Memory that the last mark has read for being old. */
unsigned long kmemleak_old_bytes(void)
{
	return READ_ONCE(old_bytes);
}

/* Pages that the notes of it take. */
unsigned long kmemleak_old_pages(void)
{
	return READ_ONCE(nr_chunks);
}

/* ---------------------------------------------------------------- pages -- */

/**
 * kmemleak_old_is_kernels() - does a page hold what the kernel keeps for itself?
 * @page: the page
 * @pfn: its number
 *
 * Not page tables, nothing that belongs to user space or files, not the detector's
 * pages, nor those of kmemleak_queue_page(). Others may change the page meanwhile.
 */
bool kmemleak_old_is_kernels(struct page *page, unsigned long pfn)
{
	struct page *head = compound_head(page);

	if (page_is_free(page) || !kmemleak_page_readable(page))
		return false;
	if (PageReserved(page) || PageSlab(head))
		return true;
	return !PageLRU(head) && !PageAnon(head) && !folio_mapping(page_folio(page)) &&
	       !PageHuge(head) && !PageTable(page) && page_private(page) != KMEMLEAK_OWN_PAGE;
}

/* Chunks that are freed between two pauses. */
#define CHUNKS_PER_PAUSE	64

/**
 * kmemleak_old_forget() - nothing is old any more
 *
 * Context: as kmemleak_old_note_page().
 */
void kmemleak_old_forget(void)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	struct old_chunk *chunk;
	unsigned long index;
	unsigned int nr = 0;

	lockdep_assert_held(&kmemleak_scan_mutex);
	if (!any_old)
		return;
	WRITE_ONCE(any_old, false);
	WRITE_ONCE(old_bytes, 0);
	/* Pairs with drop(). */
	synchronize_rcu();
	xa_for_each(&chunks, index, chunk) {
		xa_erase(&chunks, index);
		t->ops->page_free(t, chunk, 0);
		/* Only for its rescheduling: the rest has to go as well. */
		if (!(++nr % CHUNKS_PER_PAUSE))
			t->ops->pause(t);
	}
	WRITE_ONCE(nr_chunks, 0);
}

/* ---------------------------------------------------------------- roots -- */

static bool is_still_old(const struct old_chunk *chunk, struct page *page, unsigned long pfn)
{
	bool was_slab = chunk->slab & BIT_ULL(pfn % PAGES_PER_CHUNK);

	return page && kmemleak_old_is_kernels(page, pfn) &&
	       PageSlab(compound_head(page)) == was_slab;
}

/* Not preemptible: the page was in use a moment before all of this is read. */
static long pick_page(struct kmemleak_marker *m, struct old_chunk *chunk, unsigned long pfn,
		      unsigned long *bytes)
{
	unsigned long *word = chunk->page[pfn % PAGES_PER_CHUNK].word, addr;
	struct page *page = pfn_to_online_page(pfn);
	unsigned int first, end;
	long nr = 0;

	if (!is_still_old(chunk, page, pfn)) {
		/* Free, or it has another owner: its contents are new. */
		clear_words(chunk, pfn, 0, WORDS_PER_PAGE);
		return 0;
	}
	addr = (unsigned long)page_address(page);
	for_each_set_bitrange(first, end, word, WORDS_PER_PAGE) {
		nr = kmemleak_mark_pick(m, nr, addr + first * sizeof(long),
					(end - first) * sizeof(long));
		*bytes += (end - first) * sizeof(long);
	}
	return nr;
}

/* Adds to @bytes. Return: 0, or what the mark ends with. */
static int mark_page(struct kmemleak_marker *m, struct old_chunk *chunk, unsigned long pfn,
		     unsigned long *bytes)
{
	long nr;

	preempt_disable();
	nr = pick_page(m, chunk, pfn, bytes);
	preempt_enable();
	return kmemleak_mark_follow(m, nr);
}

/* Return: 0, or what the mark ends with. */
static int mark_chunk(struct kmemleak_marker *m, struct old_chunk *chunk, unsigned long index,
		      unsigned long *bytes)
{
	unsigned int i;
	int ret = 0;

	kmemleak_hold_pages();
	for (i = 0; i < PAGES_PER_CHUNK && !ret; i++)
		if (!bitmap_empty(chunk->page[i].word, WORDS_PER_PAGE))
			ret = mark_page(m, chunk, index * PAGES_PER_CHUNK + i, bytes);
	kmemleak_release_pages();
	kmemleak_mark_drain(m);
	return ret;
}

/**
 * kmemleak_old_mark() - memory from before tracking began is a root
 * @m: the mark
 *
 * Context: in ops->roots().
 */
void kmemleak_old_mark(struct kmemleak_marker *m)
{
	struct old_chunk *chunk;
	unsigned long index, bytes = 0;

	if (!READ_ONCE(any_old))
		return;
	/* Where that is cut short, more is old than need be; the mark ends or is right. */
	if (!kmemleak_still)
		kmemleak_old_leave_out();
	xa_for_each(&chunks, index, chunk) {
		if (mark_chunk(m, chunk, index, &bytes) || kmemleak_mark_poll(m))
			return;
	}
	WRITE_ONCE(old_bytes, bytes);
}
