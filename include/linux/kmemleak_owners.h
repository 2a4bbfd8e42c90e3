/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel memory leak detector asks the owners of memory: allocators, the kernel log,
 * lockdep, KFENCE, the architecture. Only the owner knows how its memory is used, so each
 * function is defined in the owner's file. For mm/kmemleak/ only.
 */
#ifndef _LINUX_KMEMLEAK_OWNERS_H
#define _LINUX_KMEMLEAK_OWNERS_H

#include <linux/types.h>

#ifdef CONFIG_DEBUG_KMEMLEAK

struct module;
struct page;
struct rcu_head;
struct vmap_area;

/* ---------------------------------------------- slab blocks (mm/slub.c) -- */

/* Between these two, no cache is created or destroyed. Context: process, may sleep. */
void slab_lock_caches(void);
void slab_unlock_caches(void);

/**
 * slab_empty_quarantine() - free the blocks in KASAN's quarantine
 *
 * The blocks become free slots. Slabs that are empty then are freed.
 *
 * Context: process, may sleep, cpus_read_lock() held.
 */
void slab_empty_quarantine(void);

/**
 * slab_block_size() - get the size of the slab block at an address
 * @addr: an address in the direct map
 *
 * Context: any, while the block is in use.
 * Return: the size, which is the same for all blocks of a cache; 0 if @addr is in no slab.
 */
size_t slab_block_size(const void *addr);

/**
 * slab_visit_blocks() - visit all blocks of a slab, in use or free
 * @page: first page of the slab
 * @visit: called with the address and the size of each block. Nothing keeps the block or
 *	the slab from being freed meanwhile, and then some addresses are not those of blocks.
 *	If @visit returns a value other than 0, the visit ends.
 *
 * Caches that are never tracked are left out.
 *
 * Context: process, between slab_lock_caches() and slab_unlock_caches().
 * Return: 0, or the first value other than 0 that @visit returned.
 */
int slab_visit_blocks(struct page *page, int (*visit)(const void *block, size_t size));

/**
 * slab_visit_free() - visit all free blocks of all slabs, and the arrays that list them
 * @visit: called for each free block, and for each array that holds addresses of blocks,
 *	free or allocated since. If it returns false, the visit ends.
 *
 * Context: no other CPU runs, and the caller holds slab_lock_caches().
 * Return: true if all were visited; false if @visit returned false, or if a preempted task
 * holds the lock of a list.
 */
bool slab_visit_free(bool (*visit)(const void *block, size_t size));

/* --------------------------------------------- pages (mm/page_alloc.c) -- */

/**
 * page_free_order() - get the order of the free block that begins with a page
 * @page: the page
 *
 * Takes no lock, so the block may be allocated meanwhile.
 *
 * Context: any.
 * Return: the order, or -1 if no free block begins with the page.
 */
int page_free_order(struct page *page);

/**
 * page_is_free() - is this page part of a free block?
 * @page: the page
 *
 * Free pages in the per-cpu lists do not look free. Memory that a guest has not accepted
 * yet looks free. Takes no lock, so the answer may be outdated at once.
 *
 * Context: any.
 */
bool page_is_free(struct page *page);

/* Moves free pages from the per-cpu lists to the free blocks. Context: process, may sleep. */
void page_drain_lists(void);

/* ----------------------------------------- per-cpu memory (mm/percpu.c) -- */

#define PCPU_FREE_RANGES	32

/**
 * struct pcpu_free_ranges - free ranges of per-cpu memory, and where to look for more
 * @base: first byte of the next chunk, or any address before it; 0 at the beginning. Chunks
 *	are visited by address, because they move between lists.
 * @bit: first bit of that chunk's map that was not looked at
 * @nr: number of ranges
 * @start: first byte of each range
 * @size: size of each range in one CPU's copy, in bytes
 */
struct pcpu_free_ranges {
	unsigned long base;
	unsigned int bit;
	unsigned int nr;
	void __percpu *start[PCPU_FREE_RANGES];
	size_t size[PCPU_FREE_RANGES];
};

/**
 * pcpu_find_free() - find the next free ranges of per-cpu memory
 * @free: the position and the ranges found; zeroed before the first call
 *
 * Context: process.
 * Return: true if there may be more ranges, false if not.
 */
bool pcpu_find_free(struct pcpu_free_ranges *free);

/* ---------------------------------------------- areas (mm/vmalloc.c) -- */

/* Unmaps areas that were freed lazily, so that they are free. Context: process, may sleep. */
void vmap_area_purge(void);

/**
 * vmap_area_visit() - visit areas in use, or free areas
 * @free: true: free areas; false: areas in use
 * @next: position, 0 before the first call; the call advances it
 * @budget: greatest number of areas to visit
 * @visit: called for each area that ends after *@next
 *
 * A walk from 0 visits each area at least once that exists during the whole walk. A free
 * area can grow downwards between two calls, but its end stays. To visit all areas, call
 * vmap_area_purge(), visit the areas in use, call vmap_area_purge() again, and visit the
 * free areas: areas move in that direction.
 *
 * Context: process.
 * Return: true if there may be more areas, false if not.
 */
bool vmap_area_visit(bool free, unsigned long *next, unsigned int budget,
		     void (*visit)(const struct vmap_area *va));

/* ----------------------------- modules (kernel/module/debug_kmemleak.c) -- */

/**
 * module_text() - get the code of a module
 * @mod: the module
 * @init: true: the part that is freed when the init function has returned; false: the part
 *	that stays
 * @size: set to the size of the code, 0 if there is none
 *
 * Context: in a notifier of modules.
 * Return: first byte of the code.
 */
const void *module_text(const struct module *mod, bool init, size_t *size);

/* ------------------------------- links (kernel/locking/lockdep.c) -- */

/**
 * lockdep_links() - get lockdep's list entries
 * @size: set to their size in bytes
 *
 * They are static memory. Lockdep's search leaves pointers to its stack in them.
 *
 * Return: first byte of the list entries.
 */
const void *lockdep_links(size_t *size);

/* ---------------------------------------------- KASAN (mm/kasan/tags.c) -- */

/**
 * kasan_records() - get KASAN's records of allocations and frees
 * @nr: number of the piece of memory, from 0 on; there is one piece
 * @size: set to the size of the piece in bytes
 *
 * The records hold the addresses of blocks.
 *
 * Return: first byte of the piece, or NULL if there is no piece with this number.
 */
#if defined(CONFIG_KASAN_SW_TAGS) || defined(CONFIG_KASAN_HW_TAGS)
const void *kasan_records(unsigned int nr, size_t *size);
#else
static inline const void *kasan_records(unsigned int nr, size_t *size)
{
	return NULL;
}
#endif

/* ------------------------------------------- KFENCE (mm/kfence/core.c) -- */

/**
 * kfence_records() - get KFENCE's records of its objects
 * @size: set to their size in bytes
 *
 * The records hold the addresses of the objects. KFENCE's pool is not part of them.
 *
 * Return: first byte of the records, or NULL if there are none.
 */
const void *kfence_records(size_t *size);

/**
 * kfence_next_object() - get the next object that is in use or waits to be freed
 * @nr: position, 0 before the first call; the call advances it
 * @addr: set to the address of the object
 * @size: set to the size of the object
 *
 * Context: any.
 * Return: the RCU head by which KFENCE queues the object to be freed, or NULL if no object
 * is left.
 */
const struct rcu_head *kfence_next_object(unsigned int *nr, const void **addr, size_t *size);

/* ------- other stacks (arch/x86/kernel/irq_64.c, arch/x86/mm/cpu_entry_area.c) -- */

#if defined(CONFIG_X86_64) && !defined(CONFIG_UML)
/**
 * irq_stack_dead() - get a CPU's interrupt stack if no interrupt runs on it
 * @cpu: the CPU
 * @size: set to the size of the stack in bytes, if no interrupt runs on it
 *
 * All values on the stack are dead then. An interrupt can begin meanwhile, but its pointers
 * are in other places as well.
 *
 * Context: any.
 * Return: first byte of the stack, which is whole pages of the CPU's per-cpu area; NULL if
 * an interrupt runs on it.
 */
const void *irq_stack_dead(int cpu, size_t *size);

/**
 * irq_stack_left() - count the bytes from an address to the end of this CPU's interrupt stack
 * @addr: an address on the caller's stack
 *
 * Interrupts and softirqs run on one stack per CPU. They leave it only when they end.
 *
 * Context: any.
 * Return: the number of bytes, or 0 if the address is not on the interrupt stack.
 */
size_t irq_stack_left(unsigned long addr);

/**
 * exception_stacks_dead() - get a CPU's stacks for exceptions and NMIs
 * @cpu: the CPU
 * @size: set to the size of the stacks in bytes
 *
 * Exceptions and NMIs own no memory, so all values on the stacks count as dead.
 *
 * Context: any.
 * Return: first byte of the stacks, which are whole pages of the CPU's per-cpu area.
 */
const void *exception_stacks_dead(int cpu, size_t *size);
#else
static inline const void *irq_stack_dead(int cpu, size_t *size)
{
	return NULL;
}

static inline size_t irq_stack_left(unsigned long addr)
{
	return 0;
}

static inline const void *exception_stacks_dead(int cpu, size_t *size)
{
	return NULL;
}
#endif

/* ------------------------------------ the kernel log (kernel/printk/printk.c) -- */

/**
 * printk_records() - get the memory of the kernel log
 * @nr: number of the piece of memory, from 0 on
 * @size: set to the size of the piece in bytes, if there is one
 *
 * The pieces hold the text of the log, and numbers that say where each message begins. The
 * static pieces come first. If the log has moved to other pieces since, those follow.
 *
 * Context: any, once the per-cpu areas exist.
 * Return: first byte of the piece, or NULL after the last one.
 */
#ifdef CONFIG_PRINTK
const void *printk_records(unsigned int nr, size_t *size);
#else
static inline const void *printk_records(unsigned int nr, size_t *size)
{
	return NULL;
}
#endif

/* ---------------------------------- the stack depot (lib/stackdepot.c) -- */

/**
 * stack_depot_pool() - get the memory of stack traces
 * @nr: number of the piece of memory, from 0 on
 * @size: set to the size of the piece in bytes
 *
 * The part that no trace has filled yet is as a previous owner left it.
 *
 * Context: any but NMI.
 * Return: first byte of the piece, which is whole pages; NULL after the last piece.
 */
const void *stack_depot_pool(unsigned int nr, size_t *size);

#endif /* CONFIG_DEBUG_KMEMLEAK */

#endif /* _LINUX_KMEMLEAK_OWNERS_H */
