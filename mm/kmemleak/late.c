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
#include <linux/stop_machine.h>
#include <linux/timekeeping.h>
#include <linux/vmalloc.h>
#include <asm/sections.h>

#include "../percpu-internal.h"
#include "../slab.h"
#include "glue.h"
#include "old.h"

/* Return: 0, or -EINTR if the task is to end, or somebody turns tracking off. */
static int take_a_break(void)
{
	return kmemleak_tracker.ops->pause(&kmemleak_tracker);
}

/* ---------------------------------------------------------------- pages -- */

#ifndef CONFIG_SLOB
/* Read from a page that may be becoming a slab at this moment. */
static bool is_cache(const struct kmem_cache *s)
{
	const struct kmem_cache *other;

	lockdep_assert_held(&slab_mutex);
	list_for_each_entry(other, &slab_caches, list)
		if (s == other)
			return true;
	return false;
}

static void *first_slot(struct slab *slab)
{
#ifdef CONFIG_SLAB
	return slab->s_mem;
#else
	return slab_address(slab);
#endif
}

static bool has_slots(struct page *page)
{
	return PageSlab(compound_head(page));
}

/* All slots; the free ones are taken out when nobody runs. */
static int take_slab(struct page *page, unsigned long pfn)
{
	struct slab *slab = page_slab(page);
	struct kmem_cache *s = READ_ONCE(slab->slab_cache);
	unsigned long i, nr;

	if (!is_cache(s) || (s->flags & SLAB_NOLEAKTRACE))
		return 0;
	for (i = 0; i < compound_nr(page); i++)
		if (kmemleak_old_note_page(page + i, pfn + i))
			return -ENOMEM;
	nr = min_t(unsigned long, objs_per_slab(s, slab), page_size(page) / s->size);
	for (i = 0; i < nr; i++)
		kmemleak_old_note(nearest_obj(s, slab, first_slot(slab) + i * s->size),
				  kmemleak_old_object_size(s));
	return 0;
}
#else /* Its pages hold blocks of all sizes, and the free ones are not known. */
static bool has_slots(struct page *page)
{
	return false;
}

static int take_slab(struct page *page, unsigned long pfn)
{
	return 0;
}
#endif

static int take(struct page *page, unsigned long pfn)
{
	int ret = 0;

	if (!kmemleak_old_is_kernels(page, pfn) || is_kfence_address(page_address(page)))
		return 0;
	/* Pages that were reserved at boot may be no memory at all. */
	if (PageReserved(page) && (kmemleak_is_image(pfn) || !kmemleak_is_memory(pfn)))
		return 0;
	if (!has_slots(page)) {
		ret = kmemleak_old_note_page(page, pfn);
		if (!ret)
			kmemleak_old_note(page_address(page), PAGE_SIZE);
		return ret;
	}
	/* As a slab, it must not go before all is read. */
	if (PageTail(page) || !get_page_unless_zero(page))
		return 0;
	if (PageSlab(page) && !PageTail(page))
		ret = take_slab(page, pfn);
	put_page(page);
	return ret;
}

#ifdef CONFIG_KFENCE
/* Of its pool, the objects in use. The other pages are guards, or free and protected. */
static int take_kfence(void)
{
	unsigned int nr = 0;
	const void *addr;
	size_t size;

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

	/* For the caches of slabs. */
	mutex_lock(&slab_mutex);
	for (; pfn < end && !ret; pfn++) {
		struct page *page = pfn_to_online_page(pfn);

		if (page && page_zone(page) == zone)
			ret = take(page, pfn);
	}
	mutex_unlock(&slab_mutex);
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

static void leave_out_log(void)
{
	const void *records;
	unsigned int nr = 0;
	size_t size;

	while ((records = printk_records(nr++, &size)))
		kmemleak_old_drop((unsigned long)records, size);
}

/* As many free ranges, and chunks, as are looked for with interrupts off. */
#define FREE_RANGES	32
#define FREE_CHUNKS	32

/**
 * struct free_ranges - free ranges of per-cpu memory, and where to look for more
 * @base: first byte of the chunk to go on with, or any address before it, 0 to begin;
 *	chunks are visited by address, since they move between lists
 * @bit: first one of its map that was not looked at; a bit stands for so many bytes of
 *	each CPU's copy
 * @nr: how many ranges
 * @start: where each begins in the chunk, without the offset of a CPU's copy
 * @size: bytes of each
 */
struct free_ranges {
	unsigned long base;
	unsigned int bit;
	unsigned int nr;
	unsigned long start[FREE_RANGES];
	size_t size[FREE_RANGES];
};

static unsigned long base_of(const struct pcpu_chunk *chunk)
{
	return (unsigned long)chunk->base_addr;
}

/* To those by address, of which the last gives way. Return: how many there are. */
static unsigned int insert_chunk(const struct pcpu_chunk **chunks, unsigned int nr,
				 const struct pcpu_chunk *chunk)
{
	unsigned int i;

	if (nr < FREE_CHUNKS)
		nr++;
	else if (base_of(chunks[nr - 1]) < base_of(chunk))
		return nr;
	for (i = nr - 1; i && base_of(chunks[i - 1]) > base_of(chunk); i--)
		chunks[i] = chunks[i - 1];
	chunks[i] = chunk;
	return nr;
}

/*
 * The next chunks by address, from @base on. All are looked at for it, as pcpu_alloc()
 * may under the same lock, so one look gives several. Return: how many.
 */
static unsigned int next_chunks(const struct pcpu_chunk **chunks, unsigned long base)
{
	const struct pcpu_chunk *chunk;
	unsigned int nr = 0;
	int i;

	lockdep_assert_held(&pcpu_lock);
	for (i = 0; i < pcpu_nr_slots; i++)
		list_for_each_entry(chunk, &pcpu_chunk_lists[i], list)
			if (base_of(chunk) >= base)
				nr = insert_chunk(chunks, nr, chunk);
	return nr;
}

/* Return: whether there was room for all of the chunk. */
static bool add_free(struct free_ranges *free, const struct pcpu_chunk *chunk)
{
	unsigned int bits = pcpu_nr_pages_to_map_bits(chunk->nr_pages), first;

	if (base_of(chunk) != free->base)
		free->bit = 0;
	free->base = base_of(chunk);
	for (;;) {
		first = find_next_zero_bit(chunk->alloc_map, bits, free->bit);
		if (first >= bits)
			return true;
		if (free->nr == FREE_RANGES)
			return false;
		free->bit = find_next_bit(chunk->alloc_map, bits, first);
		free->start[free->nr] = free->base + first * PCPU_MIN_ALLOC_SIZE;
		free->size[free->nr++] = (free->bit - first) * PCPU_MIN_ALLOC_SIZE;
	}
}

/* Return: whether there may be more. */
static bool find_free(struct free_ranges *free)
{
	const struct pcpu_chunk *chunks[FREE_CHUNKS];
	unsigned int nr = next_chunks(chunks, free->base), i;

	free->nr = 0;
	for (i = 0; i < nr; i++) {
		if (!add_free(free, chunks[i]))
			return true;
		free->base++;
	}
	return nr == FREE_CHUNKS;
}

/*
 * Memory that was free at any time since blocks are tracked is not old, also if it is in
 * use by now, or if the chunk is gone. So the lock need not be held.
 */
static void drop_free_ranges(const struct free_ranges *free)
{
	unsigned int i;
	int cpu;

	for_each_possible_cpu(cpu) {
		for (i = 0; i < free->nr; i++)
			kmemleak_old_drop(free->start[i] + pcpu_unit_offsets[cpu], free->size[i]);
		cond_resched();
	}
}

/* Return: 0, or -EINTR: then some may be left in. */
static int leave_out_percpu(void)
{
	struct free_ranges free = { };
	bool more;
	int ret;

	do {
		spin_lock_irq(&pcpu_lock);
		more = find_free(&free);
		spin_unlock_irq(&pcpu_lock);
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
	drain_all_pages(NULL);
	kmemleak_stacks_leave_out();
	return leave_out_percpu();
}

/* ----------------------------------------------------------- free slots -- */

/* When the standstill is to end. */
static u64 stop_end;
/* After how many slots it is to end, should the clock stand still as well. */
static u64 stop_slots;
/* How long it took. */
static unsigned long stop_us;

/* Looking at a slot takes longer than that. */
#define SLOT_NS		20

#if defined(CONFIG_SLUB) && !defined(CONFIG_PREEMPT_RT)
static bool drop_slot(struct kmem_cache *s, void *slot)
{
	kmemleak_old_drop(kmemleak_untag((unsigned long)slot), kmemleak_old_object_size(s));
	return stop_slots-- && ktime_get_mono_fast_ns() < stop_end;
}

static int drop_free_slots(void)
{
	struct kmem_cache *s;

	list_for_each_entry(s, &slab_caches, list)
		if (!kmem_cache_for_each_free(s, drop_slot))
			return -ETIME;
	return 0;
}
#else /* Unknown, or under locks that a preempted task can hold. */
static int drop_free_slots(void)
{
	return 0;
}
#endif

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

/*
 * KASAN keeps freed blocks for a while. Make them free slots, and free the slabs that
 * have only such blocks: a slab that is noted first and freed later can become one of
 * another cache. Then words between the new blocks would count as old.
 */
static void empty_quarantine(void)
{
	struct kmem_cache *s;

	lockdep_assert_cpus_held();
	mutex_lock(&slab_mutex);
	list_for_each_entry(s, &slab_caches, list)
		kasan_cache_shrink(s);
	mutex_unlock(&slab_mutex);
}

/* Slots are neither taken nor freed while the machine stands still. */
static int drop_free(void *unused)
{
	u64 began = ktime_get_mono_fast_ns();
	int ret;

	stop_end = began + kmemleak_snapshot_limit();
	stop_slots = div_u64(kmemleak_snapshot_limit(), SLOT_NS);
	ret = drop_free_slots();
	stop_us = div_u64(ktime_get_mono_fast_ns() - began, NSEC_PER_USEC);
	return ret;
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
	ret = leave_out_areas(false);
	if (ret)
		return ret;
	/* Areas that wait for their next use are in neither tree. */
	vm_unmap_aliases();
	return leave_out_areas(true);
}

static int take_all(void)
{
	/* Pages that wait for their next owner do not look free. */
	drain_all_pages(NULL);
	/* A zone's maps can lie in another one. */
	return visit_zones(take_pages) ?: take_kfence() ?: visit_zones(leave_out_maps);
}

/* Return: whether all free slots are known. */
static bool stop_and_drop_free(void)
{
	int ret;

	if (!kmemleak_snapshot_limit())
		return false;
	mutex_lock(&slab_mutex);
	ret = stop_machine_cpuslocked(drop_free, NULL, NULL);
	mutex_unlock(&slab_mutex);
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
	cpus_read_lock();
	empty_quarantine();
	cpus_read_unlock();
	ret = take_all() ?: drop_all_tracked();
	if (ret)
		return ret;
	cpus_read_lock();
	/* For the blocks that were freed meanwhile. */
	empty_quarantine();
	if (!stop_and_drop_free())
		pr_info("Could not record all free slab slots in time: some leaks may be hidden until they are reused\n");
	cpus_read_unlock();
	leave_out_static_percpu();
	leave_out_log();
	ret = leave_out_all_areas() ?: kmemleak_old_leave_out();
	if (ret)
		return ret;
	pr_info("Tracking started: all existing memory is treated as reachable (CPUs stopped for %lu us)\n",
		stop_us);
	return 0;
}
