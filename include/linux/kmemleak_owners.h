/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel memory leak detector asks those who own memory: allocators, the kernel
 * log, lockdep, KFENCE, the architecture. They alone know how they keep it; each function
 * stands beside that. For mm/kmemleak/ only.
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

/* No cache is made or destroyed between these. Context: process, may sleep. */
void slab_lock_caches(void);
void slab_unlock_caches(void);

/**
 * slab_empty_quarantine() - free what KASAN keeps of freed blocks
 *
 * They become free slots, and slabs that had only such blocks are freed.
 *
 * Context: process, may sleep, cpus_read_lock() held.
 */
void slab_empty_quarantine(void);

/**
 * slab_block_size() - bytes of the slab block that lies at an address
 * @addr: an address in the direct map
 *
 * Context: any, while the block is in use.
 * Return: the same for all blocks of its cache; 0 if no slab is there.
 */
size_t slab_block_size(const void *addr);

/**
 * slab_visit_blocks() - all blocks of a slab, in use or free
 * @page: its first page
 * @visit: called for each. Only its address is known: nothing keeps the block, or the
 *	slab, and when that is gone, some addresses are of nothing
 *
 * Caches that are never tracked are left out.
 *
 * Context: process, between slab_lock_caches() and slab_unlock_caches().
 * Return: 0, or what @visit returned first that is not 0.
 */
int slab_visit_blocks(struct page *page, int (*visit)(const void *block, size_t size));

/**
 * slab_visit_free() - all free blocks of all slabs, and what lists them
 * @visit: called for each block, and for each array that holds addresses of blocks,
 *	free or given away; returns false to end this
 *
 * Context: no other CPU runs, and the caches are locked.
 * Return: false if @visit did, or if a preempted task holds a lock that it takes.
 */
bool slab_visit_free(bool (*visit)(const void *block, size_t size));

/* --------------------------------------------- pages (mm/page_alloc.c) -- */

/**
 * page_free_order() - is this the first page of a free block?
 * @page: a page
 *
 * Without the zone's lock: a block can be taken meanwhile.
 *
 * Context: any.
 * Return: the block's order, or -1.
 */
int page_free_order(struct page *page);

/**
 * page_is_free() - is this any page of a free block?
 * @page: a page
 *
 * Pages in the lists of CPUs do not look free. Memory that a guest has not accepted yet
 * does.
 *
 * Context: as page_free_order().
 */
bool page_is_free(struct page *page);

/* Pages that are free in the lists of CPUs become free ones. Context: process, may sleep. */
void page_drain_lists(void);

/* ----------------------------------------- per-cpu memory (mm/percpu.c) -- */

#define PCPU_FREE_RANGES	32

/**
 * struct pcpu_free_ranges - free ranges of per-cpu memory, and where to look for more
 * @base: first byte of the chunk to go on with, or any address before it, 0 to begin;
 *	chunks are visited by address, since they move between lists
 * @bit: first one of its map that was not looked at
 * @nr: how many ranges
 * @start: where each begins
 * @size: bytes of each, of one CPU's copy
 */
struct pcpu_free_ranges {
	unsigned long base;
	unsigned int bit;
	unsigned int nr;
	void __percpu *start[PCPU_FREE_RANGES];
	size_t size[PCPU_FREE_RANGES];
};

/**
 * pcpu_find_free() - the next free ranges of all chunks
 * @free: zeroed to begin with
 *
 * Context: process.
 * Return: whether there may be more.
 */
bool pcpu_find_free(struct pcpu_free_ranges *free);

/* ---------------------------------------------- areas (mm/vmalloc.c) -- */

/* Areas that wait for their next use become free ones. Context: process, may sleep. */
void vmap_area_settle(void);

/**
 * vmap_area_visit() - areas in use, or free ones
 * @free: which
 * @next: 0 to begin with; moves on
 * @budget: visit that many at most
 * @visit: called for each that ends behind *@next
 *
 * A free area can grow downwards from one call to the next, and then still ends there.
 * So areas that stay are visited in a walk from 0, at least once. Call
 * vmap_area_settle(), visit areas in use, call it again and visit free ones: areas go
 * that way.
 *
 * Context: process.
 * Return: whether there may be more.
 */
bool vmap_area_visit(bool free, unsigned long *next, unsigned int budget,
		     void (*visit)(const struct vmap_area *va));

/* ----------------------------- modules (kernel/module/debug_kmemleak.c) -- */

/**
 * module_text() - where the code of a module is
 * @mod: the module
 * @init: the part that goes when its init function is done, or the part that stays
 * @size: set to its size, 0 if there is none
 *
 * Context: in a notifier of modules.
 */
const void *module_text(const struct module *mod, bool init, size_t *size);

/* ------------------------------- links (kernel/locking/lockdep.c) -- */

/**
 * lockdep_links() - static memory that refers to stacks of searches that are over
 * @size: set to its size
 */
const void *lockdep_links(size_t *size);

/* ---------------------------------------------- KASAN (mm/kasan/tags.c) -- */

/**
 * kasan_records() - where each block was allocated and freed, with its address
 * @nr: which piece, from 0; there is one
 * @size: set to its size
 *
 * Return: where it begins, or NULL if there is none of that number.
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
 * kfence_records() - all that is known of objects; the pool itself is elsewhere
 * @size: set to its size
 *
 * Return: where it begins, or NULL.
 */
const void *kfence_records(size_t *size);

/**
 * kfence_next_object() - an object that is in use, or waits to be freed
 * @nr: where to begin, 0 for the first; moves on
 * @addr: set to its address
 * @size: set to its size
 *
 * Context: any.
 * Return: its link in a queue of RCU callbacks, or NULL if there is none left.
 */
const struct rcu_head *kfence_next_object(unsigned int *nr, const void **addr, size_t *size);

/* ------- other stacks (arch/x86/kernel/irq_64.c, arch/x86/mm/cpu_entry_area.c) -- */

#if defined(CONFIG_X86_64) && !defined(CONFIG_UML)
/**
 * irq_stack_dead() - a CPU's stack for interrupts, while none runs there
 * @cpu: a CPU
 * @size: set to its bytes, if no interrupt runs there
 *
 * What it holds then is left over. An interrupt can begin meanwhile, with pointers that
 * are elsewhere too.
 *
 * Context: any.
 * Return: whole pages of the CPU's per-cpu area, or NULL.
 */
const void *irq_stack_dead(int cpu, size_t *size);

/**
 * irq_stack_left() - from an address to the end of this CPU's stack for interrupts
 * @addr: where the caller's stack is
 *
 * Interrupts and softirqs run on one stack per CPU, which nobody leaves half way.
 *
 * Context: any.
 * Return: bytes, 0 if the address is not on that stack.
 */
size_t irq_stack_left(unsigned long addr);

/**
 * exception_stacks_dead() - a CPU's stacks for exceptions and NMIs
 * @cpu: a CPU
 * @size: set to their bytes
 *
 * These never own memory.
 *
 * Context: any.
 * Return: whole pages of the CPU's per-cpu area.
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
 * printk_records() - the memory of the kernel log
 * @nr: which piece of it, from 0 on
 * @size: set to its bytes, if there is such a piece
 *
 * Text, and the numbers that say where in it each message is. There are pieces that
 * boot began with, and if others took their place, these as well.
 *
 * Context: any, once the per-cpu areas are there.
 * Return: the piece, or NULL.
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
 * stack_depot_pool() - memory for stack traces
 * @nr: which piece of it, from 0 on
 * @size: set to its bytes
 *
 * What no trace has filled yet is as a former owner left it.
 *
 * Context: any but NMI.
 * Return: the piece, whole pages, or NULL behind the last one.
 */
const void *stack_depot_pool(unsigned int nr, size_t *size);

#endif /* CONFIG_DEBUG_KMEMLEAK */

#endif /* _LINUX_KMEMLEAK_OWNERS_H */
