// SPDX-License-Identifier: GPL-2.0-only
/*
 * Adds the kernel's sections to the index as roots, without the parts that must not be
 * roots. Also sets up the tracker for the kernel's address space.
 */
#include <linux/cc_platform.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kasan.h>
#include <linux/kfence.h>
#include <linux/kmemleak_owners.h>
#include <linux/lockdep.h>
#include <linux/memblock.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/percpu.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/sort.h>
#include <linux/vmalloc.h>
#include <asm/sections.h>

#include "access.h"
#include "arch/arch.h"
#include "core/block.h"
#include "roots.h"

static int compare_ulong(const void *a, const void *b)
{
	unsigned long x = *(unsigned long *)a, y = *(unsigned long *)b;

	return x < y ? -1 : x > y;
}

/**
 * kmemleak_roots_setup() - tell a tracker where classes of addresses begin
 * @t: tracker with no block in it
 */
void kmemleak_roots_setup(struct kmemleak_tracker *t)
{
	unsigned long split[] = {
		VMALLOC_START,
		VMALLOC_END,
#ifdef MODULES_VADDR
		MODULES_VADDR,
#endif
	};

	static_assert(ARRAY_SIZE(split) <= ARRAY_SIZE(t->index.split));
	sort(split, ARRAY_SIZE(split), sizeof(split[0]), compare_ulong, NULL);
	memcpy(t->index.split, split, sizeof(split));
}

static void remove_section(struct kmemleak_tracker *t, const void *start, size_t size)
{
	kmemleak_block_remove_part(t, KMEMLEAK_VIRT, (unsigned long)start, size);
}

static void add_section(struct kmemleak_tracker *t, const char *start, const char *end)
{
	const struct kmemleak_origin nobody = { .born = jiffies, .clock = kmemleak_arch_clock() };

	if (start < end)
		kmemleak_block_add(t, KMEMLEAK_VIRT, (unsigned long)start, end - start, 0,
				   &nobody);
}

/* ------------------------------------------------------ per-cpu variables -- */

#ifdef CONFIG_SMP
static unsigned long cpu_offsets[NR_CPUS];

static void setup_percpu(struct kmemleak_tracker *t)
{
	int cpu;

	t->nr_cpu_offsets = 0;
	for_each_possible_cpu(cpu)
		cpu_offsets[t->nr_cpu_offsets++] = per_cpu_offset(cpu);
	sort(cpu_offsets, t->nr_cpu_offsets, sizeof(cpu_offsets[0]), compare_ulong, NULL);
	t->cpu_offset = cpu_offsets;
}
#else
/*
 * Without SMP, the stacks for interrupts and NMIs are static data, too. They hold no live
 * values: a task calls this function and makes each mark, on the only CPU.
 */
static void setup_percpu(struct kmemleak_tracker *t)
{
	size_t size = 0;
	const void *start = irq_stack_dead(0, &size);

	if (start)
		remove_section(t, start, size);
	start = exception_stacks_dead(0, &size);
	if (start)
		remove_section(t, start, size);
}
#endif

/* ------------------------------------------------------------- excluded -- */

/* Ignores a block from memblock, if there is one at this address. */
static void ignore_block(struct kmemleak_tracker *t, phys_addr_t phys)
{
	struct kmemleak_object block;

	if (kmemleak_block_get(t, KMEMLEAK_PHYS, phys, &block))
		kmemleak_block_annotate(t, KMEMLEAK_PHYS, phys, KMEMLEAK_ANNOTATE_IGNORE);
}

/* The memory is part of the data section, or a block from memblock. */
static void exclude_memory(struct kmemleak_tracker *t, const void *start, size_t size)
{
	remove_section(t, start, size);
	ignore_block(t, __pa(start));
}

/*
 * Lockdep's search leaves pointers to stacks in its list entries. Those stacks may have
 * been reused since, so the entries are not roots.
 */
static void exclude_lockdep(struct kmemleak_tracker *t)
{
#ifdef CONFIG_LOCKDEP
	size_t size;
	const void *links = lockdep_links(&size);

	remove_section(t, links, size);
#endif
}

/* The owner keeps this memory in numbered pieces. */
static void exclude_pieces(struct kmemleak_tracker *t,
			   const void *(*piece)(unsigned int nr, size_t *size))
{
	const void *start;
	unsigned int nr = 0;
	size_t size;

	while ((start = piece(nr++, &size)))
		exclude_memory(t, start, size);
}

#ifdef CONFIG_KFENCE
static void exclude_kfence(struct kmemleak_tracker *t)
{
	size_t size;
	const void *records = kfence_records(&size);

	if (records)
		exclude_memory(t, records, size);
}
#else
static void exclude_kfence(struct kmemleak_tracker *t) { }
#endif

/* Look-ups in the page map between two pauses. A TiB of memory needs 262,144 of them. */
#define MAPS_PER_PAUSE	256

/*
 * The map of struct pages is a block from memblock, and such blocks are roots. Ignore it: the
 * struct pages of free pages hold stale pointers. mark_pages() scans the struct pages of pages
 * in use.
 */
static void ignore_page_map(struct kmemleak_tracker *t)
{
	unsigned int nr = 0;
	struct zone *zone;

	/* Keep the map itself: no memory is plugged or unplugged meanwhile. */
	get_online_mems();
	for_each_populated_zone(zone) {
		unsigned long pfn = zone->zone_start_pfn;

		for (; pfn < zone_end_pfn(zone); pfn += MAX_ORDER_NR_PAGES) {
			struct page *page = pfn_to_online_page(pfn);
			phys_addr_t phys = page ? kmemleak_access_phys_of(page) : 0;

			if (phys)
				ignore_block(t, phys);
			/* Only to reschedule. Go on in any case: ignore all of the map. */
			if (!(++nr % MAPS_PER_PAUSE))
				t->ops->pause(t);
		}
	}
	put_online_mems();
}

static void ignore_table(unsigned long table, void *arg)
{
	ignore_block(arg, __pa(table));
}

static bool is_data(const char *p)
{
	return p >= _sdata && p < _edata;
}

/*
 * On User-mode Linux the data section contains the constants and the init data. Remove both.
 * Addresses are so small there that the last letters of a string look like an address. The
 * init data is never freed there, and refers to memory that is long gone.
 */
static void add_data(struct kmemleak_tracker *t)
{
	bool constants = is_data(__start_rodata);

	add_section(t, _sdata, _edata);
	if (constants)
		remove_section(t, __start_rodata, __end_rodata - __start_rodata);
	if (is_data(__init_begin))
		remove_section(t, __init_begin, __init_end - __init_begin);
	if (constants || !is_data(__start_ro_after_init))
		add_section(t, __start_ro_after_init, __end_ro_after_init);
	add_section(t, __bss_start, __bss_stop);
}

/**
 * kmemleak_roots_start() - make the kernel's data roots
 * @t: tracker, enabled
 *
 * Context: early boot with the per-cpu areas in place, or any time later with
 * kmemleak_scan_mutex held.
 */
void kmemleak_roots_start(struct kmemleak_tracker *t)
{
	/*
	 * In an encrypted guest, a freed page can become shared with the hypervisor. A read
	 * during that change kills the guest. So such a guest has no mapped range: blocks are
	 * read under the shard's lock, and the free of a block waits for the lock.
	 */
	if (!cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		t->mapped = PAGE_OFFSET;
		t->mapped_end = (unsigned long)high_memory;
	}
	add_data(t);
	/* The detector's own data is full of addresses of blocks. */
	remove_section(t, t->pool.boot_entries,
		       t->pool.nr_boot_entries * sizeof(*t->pool.boot_entries));
	remove_section(t, t, sizeof(*t));
	exclude_lockdep(t);
	/*
	 * The log stores where the text of each message begins, counted from boot on. These
	 * numbers look like per-cpu pointers into the first chunk. Once enough was printed,
	 * all blocks of that chunk would look reachable.
	 */
	exclude_pieces(t, printk_records);
	/* The records of KASAN and KFENCE hold the address of each object, lost or not. */
	exclude_pieces(t, kasan_records);
	exclude_kfence(t);
	ignore_page_map(t);
	kmemleak_arch_page_tables(ignore_table, t);
	/* The boot task's stack is scanned like any other stack: only its live part. */
	remove_section(t, task_stack_page(&init_task), THREAD_SIZE);
	setup_percpu(t);
}
