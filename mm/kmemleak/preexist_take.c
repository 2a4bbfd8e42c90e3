// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records the memory that the kernel has in use when tracking is turned on late, on a
 * running system. In slabs this is each block in use. Other pages of the kernel are recorded as a
 * whole: large blocks, vmalloc areas, per-cpu chunks, pages of drivers. preexist.c keeps the
 * map.
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

#include "access.h"
#include "core/index.h"
#include "core/opaque.h"
#include "params.h"
#include "preexist.h"
#include "roots.h"
#include "state.h"

/* Return: 0, or -EINTR if the task must end, or if somebody turns tracking off. */
static int pause_taking(void)
{
	return kmemleak_tracker.ops->pause(&kmemleak_tracker);
}

/* ---------------------------------------------------------------- pages -- */

static int take_block(const void *block, size_t size)
{
	unsigned long pfn = PHYS_PFN(__pa(block)), last = PHYS_PFN(__pa(block + size - 1));

	for (; pfn <= last; pfn++)
		if (kmemleak_preexist_add_page(pfn_to_page(pfn), pfn))
			return -ENOMEM;
	kmemleak_preexist_add(block, size);
	return 0;
}

static int take_page(struct page *page, unsigned long pfn)
{
	int ret = 0;

	if (!kmemleak_access_is_kernel_page(page, pfn) || is_kfence_address(page_address(page)))
		return 0;
	/* A page that was reserved at boot may be no memory at all. */
	if (PageReserved(page) &&
	    (kmemleak_access_is_image(pfn) || !kmemleak_access_is_memory(pfn)))
		return 0;
	/* Record all blocks of a slab. remove_free_slots() removes the free ones. */
	if (PageSlab(compound_head(page)))
		return PageTail(page) ? 0 : slab_visit_blocks(page, take_block);
	ret = kmemleak_preexist_add_page(page, pfn);
	if (!ret)
		kmemleak_preexist_add(page_address(page), PAGE_SIZE);
	return ret;
}

#ifdef CONFIG_KFENCE
/*
 * Records the objects of KFENCE's pool that are in use. The other pages of the pool are
 * guards, or free and protected. Removes KFENCE's records: they hold the address of each
 * object, lost or not.
 */
static int take_kfence(void)
{
	const void *addr, *records;
	unsigned int nr = 0;
	size_t size;

	records = kfence_records(&size);
	if (records)
		kmemleak_preexist_remove((unsigned long)records, size);
	while (kfence_next_object(&nr, &addr, &size)) {
		if (kmemleak_preexist_add_page(virt_to_page(addr), page_to_pfn(virt_to_page(addr))))
			return -ENOMEM;
		kmemleak_preexist_add(addr, size);
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
			ret = take_page(page, pfn);
	}
	slab_unlock_caches();
	return ret;
}

static void exclude_page_of(const void *addr)
{
	phys_addr_t phys = kmemleak_access_phys_of(addr);

	if (phys)
		kmemleak_preexist_remove((unsigned long)__va(phys) & PAGE_MASK, PAGE_SIZE);
}

/* Removes struct pages, which are a root of their own, see mark_pages(), and KASAN's shadow. */
static int exclude_maps(struct zone *zone, unsigned long pfn, unsigned long end)
{
	for (; pfn < end; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		if (!page)
			continue;
		/* Once for each page of the map is enough. */
		if (offset_in_page(page) < sizeof(*page))
			exclude_page_of(page);
#if defined(CONFIG_KASAN_GENERIC) && defined(CONFIG_X86_64) && !defined(CONFIG_UML)
		if (IS_ALIGNED(pfn, BIT(KASAN_SHADOW_SCALE_SHIFT)))
			exclude_page_of(kasan_mem_to_shadow(page_address(page)));
#endif
	}
	return 0;
}

/* Pages visited in one go. Meanwhile tasks wait to plug memory or to make a slab cache. */
#define PIECE	1024

/*
 * Calls @visit for a zone, a piece at a time. Memory that is plugged into the part already
 * visited holds only new blocks. Return: 0, the first error of @visit, or -EINTR.
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
		ret = ret ?: pause_taking();
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

static void exclude_static_percpu(void)
{
#ifdef CONFIG_SMP
	int cpu;

	for_each_possible_cpu(cpu)
		kmemleak_preexist_remove((unsigned long)__per_cpu_start + per_cpu_offset(cpu),
					 __per_cpu_end - __per_cpu_start);
#endif
}

/* The owner keeps this memory in numbered pieces. */
static void remove_pieces(const void *(*piece)(unsigned int nr, size_t *size))
{
	const void *start;
	unsigned int nr = 0;
	size_t size;

	while ((start = piece(nr++, &size)))
		kmemleak_preexist_remove((unsigned long)start, size);
}

/*
 * Memory that was free at any moment since tracking began is not preexisting, even if it is
 * in use by now or its per-cpu chunk is gone. So no lock is needed.
 */
static void remove_free_ranges(const struct pcpu_free_ranges *free)
{
	unsigned int i;

	for (i = 0; i < free->nr; i++)
		kmemleak_preexist_remove_percpu(free->start[i], free->size[i]);
}

/* Return: 0, or -EINTR: then some free memory may stay in the map. */
static int exclude_free_percpu(void)
{
	struct pcpu_free_ranges free = { };
	bool more;
	int ret;

	do {
		more = pcpu_find_free(&free);
		remove_free_ranges(&free);
		ret = pause_taking();
	} while (!ret && more);
	return ret;
}

/**
 * kmemleak_preexist_exclude_unused() - remove memory from the map that only looks used
 *
 * Removes stacks and free per-cpu memory. The live parts of stacks are roots through their
 * tasks. Free per-cpu memory lies in pages that are in use. No hook removes per-cpu memory
 * that is freed, or a cached stack that a new task takes, so each mark calls this.
 *
 * Context: process, may sleep.
 * Return: 0, or -EINTR: then some of this memory still counts as preexisting and can hide
 * leaks.
 */
int kmemleak_preexist_exclude_unused(void)
{
	/* Free pages in the CPUs' lists do not look free. */
	page_drain_lists();
	kmemleak_roots_stack_exclude();
	return exclude_free_percpu();
}

/* ----------------------------------------------------------- free slots -- */

/* Time when the stop must end, nanoseconds. */
static u64 stop_end;
/* Number of slots after which the stop must end, in case the clock does not advance. */
static u64 stop_slots;
/* The stop ended before all free slots were found. */
static bool stop_cut;
/* How long all tries of the stop took, microseconds. */
static unsigned long stop_us;

/* A visit of a slot takes longer than this. */
#define SLOT_NS		20

static bool remove_slot(const void *slot, size_t size)
{
	kmemleak_preexist_remove(kmemleak_untag((unsigned long)slot), size);
	stop_cut = !stop_slots-- || ktime_get_mono_fast_ns() >= stop_end;
	return !stop_cut;
}

/* Objects visited in one go. */
#define WALK_BUDGET	256

static void remove_block(enum kmemleak_space space, unsigned long start, size_t size)
{
	switch (space) {
	case KMEMLEAK_VIRT:
		kmemleak_preexist_remove(start, size);
		break;
	case KMEMLEAK_PERCPU:
		kmemleak_preexist_remove_percpu((void __percpu __force *)start, size);
		break;
	default:
		break;
	}
}

static void remove_tracked(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *unused)
{
	remove_block(kmemleak_object_space(obj), obj->start, obj->size);
}

/*
 * Blocks allocated while the map was being made may have been recorded as preexisting.
 * Remove them from the map. Later allocations remove themselves.
 */
static int remove_all_tracked(void)
{
	struct kmemleak_cursor cursor = { };
	struct kmemleak_block block;
	u32 opaque = 0;
	int ret = 0;

	/* A block without an object has an entry in the opaque table. */
	while (kmemleak_opaque_next(&kmemleak_tracker, &opaque, &block))
		remove_block(block.space, block.start, block.size);
	while (!ret && kmemleak_index_walk(&kmemleak_tracker, &cursor, WALK_BUDGET,
					   remove_tracked, NULL))
		ret = pause_taking();
	return ret;
}

/*
 * Runs while all CPUs are stopped: no slot is allocated or freed. Return: 0; -ETIME if the
 * time is up; -EAGAIN if a preempted task holds the lock of a list.
 */
static int remove_free_slots(void *unused)
{
	u64 began = ktime_get_mono_fast_ns();
	bool all;

	stop_end = began + kmemleak_stop_limit_ns();
	stop_slots = div_u64(kmemleak_stop_limit_ns(), SLOT_NS);
	stop_cut = false;
	all = slab_visit_free(remove_slot);
	stop_us += div_u64(ktime_get_mono_fast_ns() - began, NSEC_PER_USEC);
	if (all)
		return 0;
	return stop_cut ? -ETIME : -EAGAIN;
}

/* Removes the bounds of an area from the map: the area can end where a new block begins. */
static void exclude_area(const struct vmap_area *va)
{
	kmemleak_preexist_remove((unsigned long)va, offsetof(struct vmap_area, rb_node));
}

/* Areas visited in one go. */
#define AREAS	64

static int exclude_areas(bool free)
{
	unsigned long next = 0;
	int ret = 0;

	while (!ret && vmap_area_visit(free, &next, AREAS, exclude_area))
		ret = pause_taking();
	return ret;
}

static int exclude_all_areas(void)
{
	int ret;

	if (!IS_ENABLED(CONFIG_MMU))
		return 0;
	/* Lazily freed areas are neither in use nor free until they are purged. */
	vmap_area_purge();
	ret = exclude_areas(false);
	if (ret)
		return ret;
	vmap_area_purge();
	return exclude_areas(true);
}

static int take_all_pages(void)
{
	/* Free pages in the CPUs' lists do not look free. */
	page_drain_lists();
	/* The maps of a zone can lie in another zone. */
	return visit_zones(take_pages) ?: take_kfence() ?: visit_zones(exclude_maps);
}

/* With PREEMPT_RT, a preempted task may hold the lock of a list. Let it run, then retry. */
#define STOP_TRIES	8

/* Return: true if all free slots were removed. */
static bool stop_and_remove_free(void)
{
	unsigned int tries = STOP_TRIES;
	int ret;

	if (!kmemleak_stop_limit_ns())
		return false;
	slab_lock_caches();
	do
		ret = stop_machine_cpuslocked(remove_free_slots, NULL, NULL);
	while (ret == -EAGAIN && --tries);
	slab_unlock_caches();
	return !ret;
}

/* Number of pages that may be preexisting: not free, nor of user space or files. */
static unsigned long count_pages_to_record(void)
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
 * kmemleak_preexist_check() - can the memory in use be recorded?
 *
 * High memory is not in the direct map, and some architectures do not say which reserved
 * pages are memory. In an encrypted guest, a page must not be freed while it is read, see
 * kmemleak_roots_start(). The log says what is missing.
 *
 * Return: 0; -EOPNOTSUPP if this kernel or this machine cannot; -ENOMEM if there is too
 * little memory for the map.
 */
int kmemleak_preexist_check(void)
{
	long need = count_pages_to_record() / kmemleak_preexist_pages_per_chunk() + 1;
	long have = si_mem_available();

	if (totalhigh_pages()) {
		pr_warn("Cannot record existing memory: blocks in high memory cannot be told apart\n");
		return -EOPNOTSUPP;
	}
	if (cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		pr_warn("Cannot record existing memory: in an encrypted guest pages can be shared while they are read\n");
		return -EOPNOTSUPP;
	}
	if (!kmemleak_access_is_memory(PHYS_PFN(__pa_symbol(_text)))) {
		pr_warn("Cannot record existing memory: this architecture does not list its memory\n");
		return -EOPNOTSUPP;
	}
	if (have < need) {
		pr_warn("Cannot record existing memory: it takes up to %ld pages, %ld are available\n",
			need, have);
		return -ENOMEM;
	}
	return 0;
}

/**
 * kmemleak_preexist_take() - record the memory in use now as preexisting
 *
 * Blocks are tracked already, so memory that is allocated later does not stay in the map.
 *
 * Context: process, may sleep, kmemleak_scan_mutex held.
 * Return: 0; -ENOMEM; or -EINTR if the task must end, or if somebody turns tracking off.
 * After an error only a part is recorded.
 */
int kmemleak_preexist_take(void)
{
	int ret;

	lockdep_assert_held(&kmemleak_scan_mutex);
	stop_us = 0;
	/*
	 * A slab that is freed after it was recorded can go to another cache. Then the words
	 * between the new blocks would count as preexisting. So first free the blocks that
	 * only KASAN keeps.
	 */
	cpus_read_lock();
	slab_empty_quarantine();
	cpus_read_unlock();
	ret = take_all_pages() ?: remove_all_tracked();
	if (ret)
		return ret;
	/* Arrays of blocks that wait for a grace period can be found only after it. */
	kvfree_rcu_barrier();
	cpus_read_lock();
	/* Free the blocks that KASAN has kept meanwhile. */
	slab_empty_quarantine();
	if (!stop_and_remove_free())
		pr_info("Could not record all free slab slots in time: some leaks may be hidden until they are reused\n");
	cpus_read_unlock();
	exclude_static_percpu();
	remove_pieces(kasan_records);
	remove_pieces(printk_records);
	remove_pieces(stack_depot_pool);
	ret = exclude_all_areas() ?: kmemleak_preexist_exclude_unused();
	if (ret)
		return ret;
	pr_info("Tracking started: all existing memory is treated as reachable (CPUs stopped for %lu us)\n",
		stop_us);
	return 0;
}
