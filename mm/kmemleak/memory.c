// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's memory: where the roots are, how it is read, where the
 * detector's own pages come from. With late.c and old.c the only file that knows
 * the layout, and the only one that reads memory which others own.
 */
#include <linux/cc_platform.h>
#include <linux/cpumask.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/kasan.h>
#include <linux/kfence.h>
#include <linux/kmemleak.h>
#include <linux/kmemleak_owners.h>
#include <linux/lockdep.h>
#include <linux/memblock.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/page-flags.h>
#include <linux/preempt.h>
#include <linux/prefetch.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/set_memory.h>
#include <linux/sort.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/sections.h>
#if defined(CONFIG_X86) && !defined(CONFIG_UML)
#include <asm/pgtable_types.h>	/* lookup_address(), slow_virt_to_phys() */
#endif

#include "glue.h"
#include "old.h"

static void *page_alloc(struct kmemleak_tracker *t, unsigned int order, gfp_t gfp)
{
	struct page *page;
	unsigned int i;

	if (!kmemleak_pages_ready)
		return NULL;
	/* The very last pages are for the task that makes others free. */
	if (current->flags & PF_MEMALLOC)
		gfp |= __GFP_NOMEMALLOC;
	page = alloc_pages(gfp | __GFP_ZERO, order);
	for (i = 0; page && i < BIT(order); i++)
		set_page_private(page + i, KMEMLEAK_OWN_PAGE);
	return page ? page_address(page) : NULL;
}

/* Full of addresses of blocks: the next owner may not write all of it. */
static void page_free(struct kmemleak_tracker *t, void *page, unsigned int order)
{
	unsigned int i;

	memset(page, 0, PAGE_SIZE << order);
	for (i = 0; i < BIT(order); i++)
		set_page_private(virt_to_page(page) + i, 0);
	free_pages((unsigned long)page, order);
}

/* See there. The page allocator clears this when it hands the page out again. */
void kmemleak_queue_page(const void *page)
{
	set_page_private(virt_to_page(page), KMEMLEAK_OWN_PAGE);
}

/* ------------------------------------------------------- what can be read -- */

#if defined(CONFIG_X86) && !defined(CONFIG_UML)
/* kernel_page_present() wants to be asked of memory only, or finds no table and crashes. */
static bool is_present(struct page *page)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)page_address(page), &level);

	return pte && (pte_flags(*pte) & _PAGE_PRESENT);
}
#else
static bool is_present(struct page *page)
{
	return kernel_page_present(page);
}
#endif

/**
 * kmemleak_page_readable() - may a page be read through the direct map?
 * @page: the page
 *
 * Not what is not there: high memory, and what was taken out of the direct map by
 * DEBUG_PAGEALLOC, KFENCE, secretmem or for a guest. Nor what must not be touched: a
 * page with an error in it raises a machine check, and an offline one can be the
 * hypervisor's by now. What was never memory is not asked for here, see
 * kmemleak_is_memory().
 *
 * That can change at any time, so the look and the read are to be one step in which
 * the reader is not preempted.
 *
 * Context: any.
 */
bool kmemleak_page_readable(struct page *page)
{
	return !PageHighMem(page) && !PageHWPoison(page) && !PageOffline(page) &&
	       is_present(page);
}

/* The page of the direct map or of a vmalloc area, or NULL. Takes no lock. */
static struct page *page_of(unsigned long addr)
{
	if (is_vmalloc_or_module_addr((void *)addr))
		return vmalloc_to_page((void *)addr);
	return virt_addr_valid((void *)addr) ? virt_to_page((void *)addr) : NULL;
}

/*
 * Blocks and roots are memory that somebody uses, so errors are all that there is to
 * fear. Most machines have none, and then no struct page is looked at.
 */
static bool has_error(unsigned long addr)
{
#ifdef CONFIG_MEMORY_FAILURE
	struct page *page;

	if (likely(!atomic_long_read(&num_poisoned_pages)))
		return false;
	page = page_of(addr);
	return page && PageHWPoison(page);
#else
	return false;
#endif
}

/* Did a read fail because the page is one that cannot be read? */
static bool is_hole(unsigned long addr)
{
	struct page *page = virt_addr_valid((void *)addr) ? virt_to_page((void *)addr) : NULL;

	return page && !kmemleak_page_readable(page);
}

/* I/O memory must not be read: that can have side effects. */
static bool is_io_memory(unsigned long addr)
{
	struct vm_struct *area;

	if (!is_vmalloc_addr((void *)addr))
		return false;
	area = find_vm_area((void *)addr);
	return !area || (area->flags & VM_IOREMAP);
}

/* A root that is in the direct map can be memory that was lost sight of. */
static bool is_readable_root(unsigned long addr)
{
	struct page *page = is_vmalloc_or_module_addr((void *)addr) ? NULL : page_of(addr);

	return !page || kmemleak_page_readable(page);
}

/*
 * The note of an opaque block can outlive it where nobody told of its free. What came
 * to lie there then may be a user's, or no memory at all.
 */
static bool is_kernels_own(unsigned long addr)
{
	struct page *page = page_of(addr);

	page = page ? pfn_to_online_page(page_to_pfn(page)) : NULL;
	return page && kmemleak_old_is_kernels(page, page_to_pfn(page));
}

/*
 * User-mode Linux has no fault handling for kernel addresses and would ask the
 * host about every access; what is tracked or a root there is always mapped.
 */
static bool read_block(struct kmemleak_tracker *t, void *dst, unsigned long addr, size_t len)
{
	if (IS_ENABLED(CONFIG_UML)) {
		/* Others own it, and it may be poisoned. */
		kasan_disable_current();
		memcpy(dst, (void *)addr, len);
		kasan_enable_current();
		return true;
	}
	return !has_error(addr) && !copy_from_kernel_nofault(dst, (void *)addr, len);
}

/* As kmemleak_sieve_words(), for memory that may not be there. */
static long sieve_nofault(const struct kmemleak_sieve *sieve, unsigned long *dst,
			  const unsigned long *src, size_t len)
{
	const struct kmemleak_sieve by = *sieve;
	const unsigned long *end = src + len / sizeof(*src);
	unsigned long *next = dst, word;

	if (!copy_from_kernel_nofault_allowed(src, len))
		return -ERANGE;
	pagefault_disable();
	for (; src < end; src++) {
		__get_kernel_nofault(&word, src, unsigned long, fault);
		word = kmemleak_untag(word);
		if (unlikely(kmemleak_sieve_keeps(&by, word)))
			*next++ = word;
	}
	pagefault_enable();
	return next - dst;
fault:
	pagefault_enable();
	return -EFAULT;
}

static long pick_readable(unsigned long *dst, unsigned long addr, size_t len,
			  const struct kmemleak_sieve *sieve)
{
	long nr;

	if (IS_ENABLED(CONFIG_UML))
		return kmemleak_sieve_words(sieve, dst, (void *)addr, len);
	if (has_error(addr))
		return 0;
	nr = sieve_nofault(sieve, dst, (void *)addr, len);
	return nr < 0 && is_hole(addr) ? 0 : nr;
}

static long pick_words(struct kmemleak_tracker *t, unsigned long *dst, unsigned long addr,
		       size_t len, enum kmemleak_read how, const struct kmemleak_sieve *sieve)
{
	long nr = 0;

	if (how < KMEMLEAK_READ_ROOT)
		return pick_readable(dst, addr, len, sieve);
	if (is_io_memory(addr))
		return 0;
	preempt_disable();
	if (how == KMEMLEAK_READ_OPAQUE ? is_kernels_own(addr) : is_readable_root(addr))
		nr = pick_readable(dst, addr, len, sieve);
	preempt_enable();
	return nr;
}

static unsigned long block_addr(struct kmemleak_tracker *t, enum kmemleak_space space,
				unsigned long addr, unsigned int cpu)
{
	switch (space) {
	case KMEMLEAK_PHYS:
		/* What is not mapped for good holds no references to blocks. */
		if (IS_ENABLED(CONFIG_HIGHMEM) && PHYS_PFN(addr) >= max_low_pfn)
			return 0;
		return (unsigned long)__va((phys_addr_t)addr);
	case KMEMLEAK_PERCPU:
		if (!cpu_possible(cpu))
			return 0;
		/* KASAN's tag of a chunk comes back by way of the offset. */
		return kmemleak_untag((unsigned long)per_cpu_ptr((void __percpu *)addr, cpu));
	default:
		return addr;
	}
}

/* User-mode Linux keeps no list of its memory. It begins where its own program ends. */
bool kmemleak_is_memory(unsigned long pfn)
{
	if (IS_ENABLED(CONFIG_UML))
		return pfn >= min_low_pfn || kmemleak_is_image(pfn);
	return page_is_ram(pfn);
}

/* The kernel's image, which has roots of its own. */
bool kmemleak_is_image(unsigned long pfn)
{
	return pfn >= PHYS_PFN(__pa_symbol(_text)) && pfn <= PHYS_PFN(__pa_symbol(_end - 1));
}

/* --------------------------------------------------------------- roots -- */

static int compare_ulong(const void *a, const void *b)
{
	unsigned long x = *(unsigned long *)a, y = *(unsigned long *)b;

	return x < y ? -1 : x > y;
}

static void remove_section(struct kmemleak_tracker *t, const void *start, size_t size)
{
	kmemleak_block_remove_part(t, KMEMLEAK_VIRT, (unsigned long)start, size);
}

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

static void mark_cpu(struct kmemleak_marker *m, int cpu)
{
	unsigned long addr = (unsigned long)__per_cpu_start + per_cpu_offset(cpu), next;
	unsigned long end = (unsigned long)__per_cpu_end + per_cpu_offset(cpu);

	kmemleak_stacks_skip_irq(cpu);
	for (; addr < end; addr = next) {
		next = min(end, (addr & PAGE_MASK) + PAGE_SIZE);
		if (kmemleak_stacks_is_dead(cpu, addr))
			continue;
		if (kmemleak_mark_range(m, addr, next))
			return;
	}
}

static void mark_percpu(struct kmemleak_marker *m)
{
	int cpu;

	for_each_possible_cpu(cpu)
		mark_cpu(m, cpu);
}
#else /* One copy, at the pointer itself; static ones are in the data section. */
/*
 * The stacks for interrupts and NMIs are static, too. A task calls this, and makes each
 * mark on the only CPU: nothing runs on these stacks then.
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

static void mark_percpu(struct kmemleak_marker *m) { }
#endif

/* A part of data, or a block from memblock. */
static void leave_out(struct kmemleak_tracker *t, const void *start, size_t size)
{
	struct kmemleak_object block;
	phys_addr_t phys = __pa(start);

	remove_section(t, start, size);
	if (kmemleak_block_get(t, KMEMLEAK_PHYS, phys, &block))
		kmemleak_block_annotate(t, KMEMLEAK_PHYS, phys, KMEMLEAK_NOTE_IGNORE);
}

#ifdef CONFIG_KFENCE
/*
 * Its records have the address of each object in use, lost or not. What is left of
 * them as a root is their place in a queue of RCU callbacks.
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

static void leave_out_kfence(struct kmemleak_tracker *t)
{
	size_t size;
	const void *records = kfence_records(&size);

	if (records)
		leave_out(t, records, size);
}
#else
static void mark_kfence(struct kmemleak_marker *m) { }
static void leave_out_kfence(struct kmemleak_tracker *t) { }
#endif

/* The page was reserved at boot and never used: its list head is still empty. */
static bool page_untouched(struct page *page)
{
	return PageReserved(page) && list_empty(&page->lru) && !page->mapping &&
	       !page_private(page);
}

/* Struct pages are a line each, and looked at one after the other. */
#define PAGES_AHEAD	8

static bool page_in_use(struct zone *zone, unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);

	/* No harm if there is nothing. */
	prefetch(page + PAGES_AHEAD);
	/* A slab's page points at its first free slot and at other pages. */
	return page && page_zone(page) == zone && page_count(page) && !PageSlab(page) &&
	       !page_untouched(page);
}

/* From a page that is not in use to the next that can be. */
static unsigned long skip_free(struct zone *zone, unsigned long pfn)
{
	struct page *page = pfn_to_online_page(pfn);
	int order = page && page_zone(page) == zone ? page_free_order(page) : -1;

	/* If it is free no more, that is what it skips. */
	return order > 0 && IS_ALIGNED(pfn, BIT(order)) ? pfn + BIT(order) : pfn + 1;
}

/*
 * Struct pages of pages in use, neighbours together, up to a frame number that is
 * within the same part of the map: between parts it may have holes. Return: where the
 * next part begins.
 */
static unsigned long look_at_pages(struct kmemleak_marker *m, struct zone *zone,
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
		    kmemleak_mark_look(m, (unsigned long)pfn_to_page(first),
				       (unsigned long)(pfn_to_page(pfn - 1) + 1)))
			return ULONG_MAX;
	}
	return pfn;
}

/* Struct pages stay while memory cannot be unplugged. In a standstill the caller sees to it. */
void kmemleak_hold_pages(void)
{
	if (!kmemleak_still)
		get_online_mems();
}

void kmemleak_release_pages(void)
{
	if (!kmemleak_still)
		put_online_mems();
}

/* Whoever wants to plug or unplug memory waits for one piece, not for what it leads to. */
static void mark_zone_pages(struct kmemleak_marker *m, struct zone *zone)
{
	unsigned long pfn = 0;
	bool more;

	do {
		kmemleak_hold_pages();
		pfn = look_at_pages(m, zone, max(pfn, zone->zone_start_pfn));
		more = pfn < zone_end_pfn(zone);
		kmemleak_release_pages();
		kmemleak_mark_drain(m);
	} while (more && !kmemleak_mark_poll(m));
}

static void mark_pages(struct kmemleak_marker *m)
{
	struct zone *zone;

	for_each_populated_zone(zone)
		mark_zone_pages(m, zone);
	kmemleak_old_mark(m);
}

static void mark_roots(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	mark_percpu(m);
	mark_kfence(m);
	mark_pages(m);
	if (kmemleak_mark_options(m)->scan_stacks)
		kmemleak_stacks_mark(m);
}

static int pause_scan(struct kmemleak_tracker *t)
{
	cond_resched_tasks_rcu_qs();
	return kmemleak_thread_should_stop() || !READ_ONCE(t->enabled) ? -EINTR : 0;
}

/* Pairs with enter() in hooks.c. */
static void settle(struct kmemleak_tracker *t)
{
	synchronize_rcu();
}

static u32 now(void)
{
	return jiffies;
}

const struct kmemleak_ops kmemleak_kernel_ops = {
	.page_alloc = page_alloc,
	.page_free = page_free,
	.read = read_block,
	.pick = pick_words,
	.block_addr = block_addr,
	.roots = mark_roots,
	.pause = pause_scan,
	.settle = settle,
	.spawn = kmemleak_workers_spawn,
	.wait = kmemleak_workers_wait,
	.wake = kmemleak_workers_wake,
	.join = kmemleak_workers_join,
	.tend = kmemleak_tend,
	.each_cpu = kmemleak_each_cpu,
	.standstill = kmemleak_snapshot_mark,
	.now = now,
};

/**
 * kmemleak_memory_setup() - tell a tracker where classes of addresses begin
 * @t: tracker with no block in it
 */
void kmemleak_memory_setup(struct kmemleak_tracker *t)
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

static void add_section(struct kmemleak_tracker *t, const char *start, const char *end)
{
	const struct kmemleak_origin nobody = { .born = jiffies, .clock = local_clock() };

	if (start < end)
		kmemleak_block_add(t, KMEMLEAK_VIRT, (unsigned long)start, end - start, 0,
				   &nobody);
}

/*
 * Lockdep's search leaves pointers to stacks in its list entries. Those stacks may have
 * been reused since, so the entries are no roots.
 */
static void leave_out_lockdep(struct kmemleak_tracker *t)
{
#ifdef CONFIG_LOCKDEP
	size_t size;
	const void *links = lockdep_links(&size);

	remove_section(t, links, size);
#endif
}

/* Memory that its owner keeps in pieces, which have numbers. */
static void leave_out_pieces(struct kmemleak_tracker *t,
			     const void *(*piece)(unsigned int nr, size_t *size))
{
	const void *start;
	unsigned int nr = 0;
	size_t size;

	while ((start = piece(nr++, &size)))
		leave_out(t, start, size);
}

/* Where a struct page lies in memory, or 0 if that is not known here. */
phys_addr_t kmemleak_phys_of(const void *addr)
{
#if defined(CONFIG_X86_64) && !defined(CONFIG_UML)
	return slow_virt_to_phys((void *)addr);
#else
	struct page *page;

	if (!IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP))
		return virt_to_phys((void *)addr);
	/* It reads the kernel's page table for any address, unless its checks are on. */
	page = IS_ENABLED(CONFIG_DEBUG_VIRTUAL) ? NULL : vmalloc_to_page(addr);
	return page ? page_to_phys(page) + offset_in_page(addr) : 0;
#endif
}

/* Looks at the map between two pauses. For a TiB there are 262,144. */
#define MAPS_PER_PAUSE	256

/*
 * The map of struct pages is memory from memblock and would be a root as a
 * whole, with what free pages have left in theirs. mark_pages() has those that
 * are in use.
 */
static void ignore_page_map(struct kmemleak_tracker *t)
{
	unsigned int nr = 0;
	struct zone *zone;

	for_each_populated_zone(zone) {
		unsigned long pfn = zone->zone_start_pfn;

		for (; pfn < zone_end_pfn(zone); pfn += MAX_ORDER_NR_PAGES) {
			struct page *page = pfn_to_online_page(pfn);
			phys_addr_t phys = page ? kmemleak_phys_of(page) : 0;
			struct kmemleak_object map;

			if (phys && kmemleak_block_get(t, KMEMLEAK_PHYS, phys, &map))
				kmemleak_block_annotate(t, KMEMLEAK_PHYS, phys,
							KMEMLEAK_NOTE_IGNORE);
			/* Only for its rescheduling: half of this would be of no use. */
			if (!(++nr % MAPS_PER_PAUSE))
				t->ops->pause(t);
		}
	}
}

#ifdef CONFIG_S390
static void ignore_table(struct kmemleak_tracker *t, unsigned long table)
{
	struct kmemleak_object block;

	if (kmemleak_block_get(t, KMEMLEAK_PHYS, __pa(table), &block))
		kmemleak_block_annotate(t, KMEMLEAK_PHYS, __pa(table), KMEMLEAK_NOTE_IGNORE);
}

/*
 * The kernel's addresses are the physical ones here, so an entry of a page table looks
 * like a reference to the page. Those for all memory are from memblock.
 */
static void ignore_page_tables(struct kmemleak_tracker *t)
{
	unsigned long addr;

	for (addr = PAGE_OFFSET; addr < (unsigned long)high_memory; addr += PMD_SIZE) {
		pgd_t *pgd = pgd_offset_k(addr);
		p4d_t *p4d = pgd_none(*pgd) ? NULL : p4d_offset(pgd, addr);
		pud_t *pud = !p4d || p4d_none(*p4d) ? NULL : pud_offset(p4d, addr);
		pmd_t *pmd;

		if (!pud)
			continue;
		ignore_table(t, (unsigned long)pud);
		if (pud_none(*pud) || pud_leaf(*pud))
			continue;
		pmd = pmd_offset(pud, addr);
		ignore_table(t, (unsigned long)pmd);
		if (!pmd_none(*pmd) && !pmd_leaf(*pmd))
			ignore_table(t, pmd_deref(*pmd));
	}
}
#else
static void ignore_page_tables(struct kmemleak_tracker *t) { }
#endif

static bool is_data(const char *p)
{
	return p >= _sdata && p < _edata;
}

/*
 * User-mode Linux has its constants in the middle of its data. Its addresses are so
 * small that the last letters of a string look like one, so they are left out there, too.
 * Nobody frees the data of the boot there, which refers to memory that is long gone.
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
 * kmemleak_memory_start() - the kernel's data becomes roots
 * @t: tracker, enabled
 * @own: the pool's reserve, full of addresses of blocks and no root
 * @size: bytes
 *
 * Context: early boot with the per-cpu areas in place, or any time later with
 * kmemleak_scan_mutex held.
 */
void kmemleak_memory_start(struct kmemleak_tracker *t, const void *own, size_t size)
{
	/*
	 * In an encrypted guest, a page that is freed can be made shared with the
	 * hypervisor; who reads it meanwhile in the wrong way kills the guest. So there
	 * blocks are read with the lock held that their free waits for.
	 */
	if (!cc_platform_has(CC_ATTR_GUEST_MEM_ENCRYPT)) {
		t->mapped = PAGE_OFFSET;
		t->mapped_end = (unsigned long)high_memory;
	}
	add_data(t);
	remove_section(t, own, size);
	remove_section(t, t, sizeof(*t));
	leave_out_lockdep(t);
	/*
	 * The log knows each message by where its text begins, counted from boot on. These
	 * numbers are like per-cpu addresses of the first chunk: when so much was printed,
	 * all blocks there would look reachable.
	 */
	leave_out_pieces(t, printk_records);
	/* They have the address of each object in use, lost or not, as KFENCE's. */
	leave_out_pieces(t, kasan_records);
	leave_out_kfence(t);
	ignore_page_map(t);
	ignore_page_tables(t);
	/* The boot task's stack is scanned like any other, live part only. */
	remove_section(t, task_stack_page(&init_task), THREAD_SIZE);
	setup_percpu(t);
}
