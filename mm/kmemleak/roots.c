// SPDX-License-Identifier: GPL-2.0-only
/*
 * A table of the roots that are not in the index. A new root needs a line in enum
 * kmemleak_root, two here and a function. The parameter "roots" turns each on and off.
 *
 * The roots in the index are objects with a min_count of 0: sections of the kernel
 * (roots_sections.c) and of modules, and blocks that were annotated as roots. The core scans
 * the opaque blocks.
 */
#include <linux/cpumask.h>
#include <linux/kfence.h>
#include <linux/kmemleak_owners.h>
#include <linux/list.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/page-flags.h>
#include <linux/percpu.h>
#include <linux/prefetch.h>
#include <asm/sections.h>

#include "access.h"
#include "core/mark.h"
#include "preexist.h"
#include "roots.h"

/* ------------------------------------------------------ per-cpu variables -- */

#ifdef CONFIG_SMP
static void mark_static_cpu(struct kmemleak_marker *m, int cpu)
{
	unsigned long addr = (unsigned long)__per_cpu_start + per_cpu_offset(cpu), next;
	unsigned long end = (unsigned long)__per_cpu_end + per_cpu_offset(cpu);

	kmemleak_roots_stack_skip_irq(m, cpu);
	for (; addr < end; addr = next) {
		next = min(end, (addr & PAGE_MASK) + PAGE_SIZE);
		if (kmemleak_roots_stack_is_dead(cpu, addr))
			continue;
		if (kmemleak_mark_range(m, addr, next))
			return;
	}
}

static void mark_static_percpu(struct kmemleak_marker *m)
{
	int cpu;

	for_each_possible_cpu(cpu)
		mark_static_cpu(m, cpu);
}
#else
/* There is one copy. It lies in the data section. */
static void mark_static_percpu(struct kmemleak_marker *m) { }
#endif

/* ---------------------------------------------------------------- KFENCE -- */

#ifdef CONFIG_KFENCE
/*
 * KFENCE's records hold the address of each object in use, lost or not. So only the
 * rcu_head of a record is a root: it links the object into a queue of RCU callbacks.
 */
static void mark_kfence(struct kmemleak_marker *m)
{
	const struct rcu_head *head;
	unsigned int nr = 0;
	const void *addr;
	size_t size;

	do {
		head = kfence_next_object(&nr, &addr, &size);
	} while (head && !kmemleak_mark_range(m, (unsigned long)head, (unsigned long)(head + 1)));
}
#else
static void mark_kfence(struct kmemleak_marker *m) { }
#endif

/* ---------------------------------------------------------- struct pages -- */

/* The page was reserved at boot and never used: its list head is still empty. */
static bool page_untouched(struct page *page)
{
	return PageReserved(page) && list_empty(&page->lru) && !page->mapping &&
	       !page_private(page);
}

/* Prefetch the struct page this many pages later: each takes a cache line. */
#define PAGES_AHEAD	8

static bool page_in_use(struct zone *zone, unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	/* A prefetch of a bad address does no harm. */
	prefetch(page + PAGES_AHEAD);
	/* The struct page of a slab is no root: it points to a free slot and to other pages. */
	return page && page_zone(page) == zone && page_count(page) && !PageSlab(page) &&
	       !page_untouched(page);
}

/* Return: the next frame number that can be in use. The page at @pfn is not in use. */
static unsigned long skip_free(struct zone *zone, unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	int order = page && page_zone(page) == zone ? page_free_order(page) : -1;

	/* Outside of a stop, this skips pages in use if the block was allocated meanwhile. */
	return order > 0 && IS_ALIGNED(pfn, BIT(order)) ? pfn + BIT(order) : pfn + 1;
}

/*
 * Scans the struct pages of pages in use, neighbours together, up to the end of this part
 * of the page map. Between parts the map may have holes. Return: the frame number where the
 * next part begins, or ULONG_MAX if the mark must end.
 */
static unsigned long mark_page_run(struct kmemleak_marker *m, struct zone *zone,
				   unsigned long pfn)
{
	unsigned long end = min(zone_end_pfn(zone), ALIGN(pfn + 1, MAX_ORDER_NR_PAGES));

	while (pfn < end) {
		unsigned long first;

		while (pfn < end && !page_in_use(zone, pfn))
			pfn = skip_free(zone, pfn);
		for (first = pfn; pfn < end && page_in_use(zone, pfn); pfn++)
			;
		if (first < pfn &&
		    kmemleak_mark_range_no_drain(m, (unsigned long)pfn_to_page(first),
						 (unsigned long)(pfn_to_page(pfn - 1) + 1)))
			return ULONG_MAX;
	}
	return pfn;
}

/*
 * Holds the memory hotplug lock while one part of the page map is scanned, but not while the
 * objects that the part leads to are scanned.
 */
static void mark_zone_pages(struct kmemleak_marker *m, struct zone *zone)
{
	unsigned long pfn = 0;
	bool more;

	do {
		kmemleak_access_hold_memory(m);
		pfn = mark_page_run(m, zone, max(pfn, zone->zone_start_pfn));
		more = pfn < zone_end_pfn(zone);
		kmemleak_access_release_memory(m);
		kmemleak_mark_drain(m);
	} while (more && !kmemleak_mark_poll(m));
}

static void mark_pages(struct kmemleak_marker *m)
{
	struct zone *zone;

	for_each_populated_zone(zone)
		mark_zone_pages(m, zone);
}

/* ---------------------------------------------------- preexisting memory -- */

static void mark_preexisting(struct kmemleak_marker *m)
{
	if (!kmemleak_preexist_any())
		return;
	/*
	 * Ignore an error. Some unused memory still counts as preexisting then. That can only
	 * hide leaks, and the mark usually ends at its next pause.
	 */
	if (!kmemleak_mark_is_stopped(m))
		kmemleak_preexist_exclude_unused();
	kmemleak_preexist_mark(m);
}

/* ------------------------------------------------------------- the table -- */

static void (*const mark_root[KMEMLEAK_NR_ROOTS])(struct kmemleak_marker *m) = {
	[KMEMLEAK_ROOT_PERCPU] = mark_static_percpu,
	[KMEMLEAK_ROOT_KFENCE] = mark_kfence,
	[KMEMLEAK_ROOT_PAGES] = mark_pages,
	[KMEMLEAK_ROOT_PREEXISTING] = mark_preexisting,
	[KMEMLEAK_ROOT_STACKS] = kmemleak_roots_stack_mark,
	/* The core marks KMEMLEAK_ROOT_OPAQUE. */
};

const char *const kmemleak_root_names[KMEMLEAK_NR_ROOTS] = {
	[KMEMLEAK_ROOT_PERCPU] = "percpu",
	[KMEMLEAK_ROOT_KFENCE] = "kfence",
	[KMEMLEAK_ROOT_PAGES] = "pages",
	[KMEMLEAK_ROOT_PREEXISTING] = "preexisting",
	[KMEMLEAK_ROOT_STACKS] = "stacks",
	[KMEMLEAK_ROOT_OPAQUE] = "opaque",
};

void kmemleak_roots_mark(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	unsigned int root;

	for_each_set_bit(root, &kmemleak_mark_options(m)->roots, KMEMLEAK_NR_ROOTS)
		if (mark_root[root])
			mark_root[root](m);
}
