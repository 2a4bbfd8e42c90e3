// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tracking that begins late: notes the memory that the kernel has in use at that moment.
 * Of slabs these are their live objects, of all other pages of the kernel the whole
 * page: large blocks, vmalloc areas, per-cpu chunks, pages of drivers. old.c keeps the
 * notes.
 */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/cc_platform.h>
#include <linux/cpu.h>
#include <linux/gfp.h>
#include <linux/highmem.h>
#include <linux/ioport.h>
#include <linux/kasan.h>
#include <linux/kfence.h>
#include <linux/kmemleak_owners.h>
#include <linux/math64.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/page-flags.h>
#include <linux/percpu.h>
#include <linux/printk.h>
#include <linux/slab.h>
#include <linux/stop_machine.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>
#include <asm/sections.h>

#include "glue.h"
#include "old.h"

/* Return: 0, or -EINTR if the task is to end, or somebody turns tracking off. */
static int take_a_break(void)
{
	return kmemleak_tracker.ops->pause(&kmemleak_tracker);
}

/* ---------------------------------------------------------------- pages -- */

static int take_block(const void *block, size_t size)
{
	unsigned long pfn = PHYS_PFN(__pa(block)), last = PHYS_PFN(__pa(block + size - 1));

	for (; pfn <= last; pfn++)
		if (kmemleak_old_note_page(pfn_to_page(pfn), pfn))
			return -ENOMEM;
	kmemleak_old_note(block, size);
	return 0;
}

static int take(struct page *page, unsigned long pfn)
{
	int ret = 0;

	if (!kmemleak_old_is_kernels(page, pfn) || is_kfence_address(page_address(page)))
		return 0;
	/* Pages that were reserved at boot may be no memory at all. */
	if (PageReserved(page) && (kmemleak_is_image(pfn) || !kmemleak_is_memory(pfn)))
		return 0;
	/* All blocks of a slab; the free ones are taken out when nobody runs. */
	if (PageSlab(compound_head(page)))
		return PageTail(page) ? 0 : slab_visit_blocks(page, take_block);
	ret = kmemleak_old_note_page(page, pfn);
	if (!ret)
		kmemleak_old_note(page_address(page), PAGE_SIZE);
	return ret;
}

#ifdef CONFIG_KFENCE
/*
 * Of its pool, the objects in use. The other pages are guards, or free and protected. Of
 * its records, nothing: they have the address of each object, lost or not.
 */
static int take_kfence(void)
{
	const void *addr, *records;
	unsigned int nr = 0;
	size_t size;

	records = kfence_records(&size);
	if (records)
		kmemleak_old_drop((unsigned long)records, size);
	while (kfence_next_object(&nr, &addr, &size)) {
		if (kmemleak_old_note_page(virt_to_page(addr), page_to_pfn(virt_to_page(addr))))
			return -ENOMEM;
		kmemleak_old_note(addr, size);
	}
	return 0;
}
#else
static int take_kfence(void)
{
	return 0;
}
#endif

static int take_pages(struct zone *zone, unsigned long pfn, unsigned long end)
{
	int ret = 0;

	slab_lock_caches();
	for (; pfn < end && !ret; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		if (page && page_zone(page) == zone)
			ret = take(page, pfn);
	}
	slab_unlock_caches();
	return ret;
}

static void leave_out_page_of(const void *addr)
{
	phys_addr_t phys = kmemleak_phys_of(addr);

	if (phys)
		kmemleak_old_drop((unsigned long)__va(phys) & PAGE_MASK, PAGE_SIZE);
}

/* The map of struct pages, of which those in use are roots of their own. KASAN's map. */
static int leave_out_maps(struct zone *zone, unsigned long pfn, unsigned long end)
{
	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		if (!page)
			continue;
		/* Of a page of either map, once is enough. */
		if (offset_in_page(page) < sizeof(*page))
			leave_out_page_of(page);
#if defined(CONFIG_KASAN_GENERIC) && defined(CONFIG_X86_64) && !defined(CONFIG_UML)
		if (IS_ALIGNED(pfn, BIT(KASAN_SHADOW_SCALE_SHIFT)))
			leave_out_page_of(kasan_mem_to_shadow(page_address(page)));
#endif
	}
	return 0;
}

/* Pages that are looked at while others wait to plug memory, or for a slab cache. */
#define PIECE	1024

/*
 * Calls @visit for a zone, a piece at a time. Memory that is plugged in behind it
 * meanwhile holds new blocks. Return: 0, the first error of @visit, or -EINTR.
 */
static int visit_zone(struct zone *zone, int (*visit)(struct zone *zone, unsigned long pfn,
						      unsigned long end))
{
	unsigned long pfn = 0, end;
	int ret;

	do {
		get_online_mems();
		pfn = max(pfn, zone->zone_start_pfn);
		end = min(pfn + PIECE, zone_end_pfn(zone));
		ret = pfn < end ? visit(zone, pfn, end) : 0;
		pfn = end;
		end = zone_end_pfn(zone);
		put_online_mems();
		ret = ret ?: take_a_break();
	} while (!ret && pfn < end);
	return ret;
}

static int visit_zones(int (*visit)(struct zone *zone, unsigned long pfn, unsigned long end))
{
	struct zone *zone;
	int ret = 0;

	for_each_populated_zone(zone)
		ret = ret ?: visit_zone(zone, visit);
	return ret;
}

static void leave_out_static_percpu(void)
{
#ifdef CONFIG_SMP
	int cpu;

	for_each_possible_cpu(cpu)
		kmemleak_old_drop((unsigned long)__per_cpu_start + per_cpu_offset(cpu),
				  __per_cpu_end - __per_cpu_start);
#endif
}

/* Memory that its owner keeps in pieces, which have numbers. */
static void leave_out_pieces(const void *(*piece)(unsigned int nr, size_t *size))
{
	const void *start;
	unsigned int nr = 0;
	size_t size;

	while ((start = piece(nr++, &size)))
		kmemleak_old_drop((unsigned long)start, size);
}

/*
 * Memory that was free at any time since blocks are tracked is not old, also if it is in
 * use by now, or if the chunk is gone. So nothing has to be locked.
 */
static void drop_free_ranges(const struct pcpu_free_ranges *free)
{
	unsigned int i;

	for (i = 0; i < free->nr; i++)
		kmemleak_old_drop_percpu(free->start[i], free->size[i]);
}

/* Return: 0, or -EINTR: then some may be left in. */
static int leave_out_percpu(void)
{
	struct pcpu_free_ranges free = { };
	bool more;
	int ret;

	do {
		more = pcpu_find_free(&free);
		drop_free_ranges(&free);
		ret = take_a_break();
	} while (!ret && more);
	return ret;
}

/**
 * kmemleak_old_leave_out() - drop memory from the old that looks used, and is not
 *
 * The live parts of stacks are roots through their tasks. Free per-cpu memory is part of
 * pages in use. The allocators clear neither, so there can be more since the last time.
 *
 * Context: process, may sleep.
 * Return: 0, or -EINTR: then some of it is old still, which can hide leaks.
 */
int kmemleak_old_leave_out(void)
{
	/* Free pages in the lists of CPUs do not look free. */
	page_drain_lists();
	kmemleak_stacks_leave_out();
	return leave_out_percpu();
}

/* ----------------------------------------------------------- free slots -- */

/* When the standstill is to end. */
static u64 stop_end;
/* After how many slots it is to end, should the clock stand still as well. */
static u64 stop_slots;
/* Whether it had to end before all slots were known. */
static bool stop_cut;
/* How long it took. */
static unsigned long stop_us;

/* Looking at a slot takes longer than that. */
#define SLOT_NS		20

static bool drop_slot(const void *slot, size_t size)
{
	kmemleak_old_drop(kmemleak_untag((unsigned long)slot), size);
	stop_cut = !stop_slots-- || ktime_get_mono_fast_ns() >= stop_end;
	return !stop_cut;
}

/* Objects in one go. */
#define WALK_BUDGET	256

static void drop_block(enum kmemleak_space space, unsigned long start, size_t size)
{
	switch (space) {
	case KMEMLEAK_VIRT:
		kmemleak_old_drop(start, size);
		break;
	case KMEMLEAK_PERCPU:
		kmemleak_old_drop_percpu((void __percpu __force *)start, size);
		break;
	default:
		break;
	}
}

static void drop_tracked(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *unused)
{
	drop_block(kmemleak_object_space(obj), obj->start, obj->size);
}

/*
 * Blocks that were allocated while memory was noted may have been noted as old. Drop
 * them. The hooks drop those that are allocated later.
 */
static int drop_all_tracked(void)
{
	struct kmemleak_cursor cursor = { };
	struct kmemleak_block block;
	u32 opaque = 0;
	int ret = 0;

	/* A block without an object has a note, which ends with it. */
	while (kmemleak_opaque_next(&kmemleak_tracker, &opaque, &block))
		drop_block(block.space, block.start, block.size);
	while (!ret && kmemleak_index_walk(&kmemleak_tracker, &cursor, WALK_BUDGET,
					   drop_tracked, NULL))
		ret = take_a_break();
	return ret;
}

/* Slots are neither taken nor freed while the machine stands still. */
static int drop_free(void *unused)
{
	u64 began = ktime_get_mono_fast_ns();
	bool all;

	stop_end = began + kmemleak_snapshot_limit();
	stop_slots = div_u64(kmemleak_snapshot_limit(), SLOT_NS);
	stop_cut = false;
	all = slab_visit_free(drop_slot);
	stop_us += div_u64(ktime_get_mono_fast_ns() - began, NSEC_PER_USEC);
	if (all)
		return 0;
	return stop_cut ? -ETIME : -EAGAIN;
}

/* An old area can end where a new block begins. */
static void leave_out_area(const struct vmap_area *va)
{
	kmemleak_old_drop((unsigned long)va, offsetof(struct vmap_area, rb_node));
}

/* Areas that are looked at in one go. */
#define AREAS	64

static int leave_out_areas(bool free)
{
	unsigned long next = 0;
	int ret = 0;

	while (!ret && vmap_area_visit(free, &next, AREAS, leave_out_area))
		ret = take_a_break();
	return ret;
}

static int leave_out_all_areas(void)
{
	int ret;

	if (!IS_ENABLED(CONFIG_MMU))
		return 0;
	/* Areas that wait for their next use are neither in use nor free. */
	vmap_area_settle();
	ret = leave_out_areas(false);
	if (ret)
		return ret;
	vmap_area_settle();
	return leave_out_areas(true);
}

static int take_all(void)
{
	/* Pages that wait for their next owner do not look free. */
	page_drain_lists();
	/* A zone's maps can lie in another one. */
	return visit_zones(take_pages) ?: take_kfence() ?: visit_zones(leave_out_maps);
}

/* With PREEMPT_RT, a task that holds the lock of a list has to run before the next try. */
#define STOP_TRIES	8

/* Return: whether all free slots are known. */
static bool stop_and_drop_free(void)
{
	unsigned int tries = STOP_TRIES;
	int ret;

	if (!kmemleak_snapshot_limit())
		return false;
	slab_lock_caches();
	do
		ret = stop_machine_cpuslocked(drop_free, NULL, NULL);
	while (ret == -EAGAIN && --tries);
	slab_unlock_caches();
	return !ret;
}

/* Pages that can be found to be old: not free ones, nor those of users and files. */
static unsigned long pages_to_note(void)
{
	unsigned long others = global_zone_page_state(NR_FREE_PAGES) +
			       global_node_page_state(NR_FILE_PAGES) +
			       global_node_page_state(NR_ANON_MAPPED), all = 0;
	struct zone *zone;

	for_each_populated_zone(zone)
		all += zone->present_pages;
	return all > others ? all - others : 0;
}

/**
 * kmemleak_old_check() - can the memory in use be noted?
 *
 * High memory is not in the direct map, and some architectures do not say which
 * reserved pages are memory. In an encrypted guest, pages have to be held while they
 * are read, see kmemleak_memory_start(). The log says what is missing.
 *
 * Return: 0, -EOPNOTSUPP or -ENOMEM.
 */
int kmemleak_old_check(void)
{
	long need = pages_to_note() / kmemleak_old_pages_per_chunk() + 1;
	long have = si_mem_available();

	if (totalhigh_pages()) {
		pr_warn("cannot note memory in use: blocks in high memory cannot be told apart\n");
		return -EOPNOTSUPP;
	}
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		pr_warn("cannot note memory in use: in an encrypted guest pages can be shared while they are read\n");
		return -EOPNOTSUPP;
	}
	if (!kmemleak_is_memory(PHYS_PFN(__pa_symbol(_text)))) {
		pr_warn("cannot note memory in use: this architecture does not list its memory\n");
		return -EOPNOTSUPP;
	}
	if (have < need) {
		pr_warn("cannot note memory in use: it takes up to %ld pages, of %ld available\n",
			need, have);
		return -ENOMEM;
	}
	return 0;
}

/**
 * kmemleak_old_take() - note the memory in use now as old
 *
 * Blocks are tracked already, so memory that is allocated later is not noted.
 *
 * Context: process, may sleep, kmemleak_scan_mutex held.
 * Return: 0, -ENOMEM, or -EINTR if the task is to end, or somebody turns tracking off.
 * Then only part is noted.
 */
int kmemleak_old_take(void)
{
	int ret;

	lockdep_assert_held(&kmemleak_scan_mutex);
	stop_us = 0;
	/*
	 * A slab that is noted first and freed later can become one of another cache. Then
	 * words between the new blocks would count as old. So free what only KASAN keeps.
	 */
	cpus_read_lock();
	slab_empty_quarantine();
	cpus_read_unlock();
	ret = take_all() ?: drop_all_tracked();
	if (ret)
		return ret;
	/* What lists blocks that wait for a grace period is found when it is over. */
	kvfree_rcu_barrier();
	cpus_read_lock();
	/* For the blocks that were freed meanwhile. */
	slab_empty_quarantine();
	if (!stop_and_drop_free())
		pr_info("Could not record all free slab slots in time: some leaks may be hidden until they are reused\n");
	cpus_read_unlock();
	leave_out_static_percpu();
	leave_out_pieces(kasan_records);
	leave_out_pieces(printk_records);
	leave_out_pieces(stack_depot_pool);
	ret = leave_out_all_areas() ?: kmemleak_old_leave_out();
	if (ret)
		return ret;
	pr_info("Tracking started: all existing memory is treated as reachable (CPUs stopped for %lu us)\n",
		stop_us);
	return 0;
}
