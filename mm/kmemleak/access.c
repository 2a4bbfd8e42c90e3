// SPDX-License-Identifier: GPL-2.0-only
/*
 * How the detector reads the kernel's memory, and where its own pages come from. Scans read
 * the contents of blocks and roots only by the functions of this file.
 */
#include <linux/highmem.h>
#include <linux/hugetlb.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kasan.h>
#include <linux/kmemleak.h>
#include <linux/kmemleak_owners.h>
#include <linux/memblock.h>
#include <linux/memory_hotplug.h>
#include <linux/mm.h>
#include <linux/page-flags.h>
#include <linux/pagemap.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched.h>
#include <linux/set_memory.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>
#include <asm/sections.h>

#include "access.h"
#include "arch/arch.h"
#include "core/mark.h"
#include "core/word_filter.h"
#include "state.h"

void *kmemleak_access_page_alloc(struct kmemleak_tracker *t, unsigned int order, gfp_t gfp)
{
	struct page *page;
	unsigned int i;

	if (!kmemleak_pages_ready)
		return NULL;
	/* The last reserves are for a task that frees memory, not for the detector. */
	if (current->flags & PF_MEMALLOC)
		gfp |= __GFP_NOMEMALLOC;
	page = alloc_pages(gfp | __GFP_ZERO, order);
	for (i = 0; page && i < BIT(order); i++)
		set_page_private(page + i, KMEMLEAK_OWN_PAGE);
	return page ? page_address(page) : NULL;
}

/* Clears the page. It is full of addresses of blocks, and the next owner may leave some. */
void kmemleak_access_page_free(struct kmemleak_tracker *t, void *page, unsigned int order)
{
	unsigned int i;

	memset(page, 0, PAGE_SIZE << order);
	for (i = 0; i < BIT(order); i++)
		set_page_private(virt_to_page(page) + i, 0);
	free_pages((unsigned long)page, order);
}

/* See linux/kmemleak.h. The page allocator clears the value when it hands the page out. */
void kmemleak_queue_page(const void *page)
{
	set_page_private(virt_to_page(page), KMEMLEAK_OWN_PAGE);
}

/* ------------------------------------------------------- readable memory -- */

/**
 * kmemleak_access_page_readable() - may a page be read through the direct map?
 * @page: the page
 *
 * Some pages are not in the direct map: high memory, and pages that were taken out of the
 * map for DEBUG_PAGEALLOC, KFENCE, secretmem or a guest. Other pages must not be touched: a
 * page with a memory error raises a machine check, and an offline page may belong to the
 * hypervisor by now. The caller makes sure that the page is memory at all, see
 * kmemleak_access_is_memory().
 *
 * The answer can change at any time. So check and read in one step, in which the reader is
 * not preempted.
 *
 * Context: any.
 */
bool kmemleak_access_page_readable(struct page *page)
{
	return !PageHighMem(page) && !PageHWPoison(page) && !PageOffline(page) &&
	       kmemleak_arch_page_present(page);
}

/**
 * kmemleak_access_is_kernel_page() - does the kernel use a page for itself?
 * @page: the page
 * @pfn: its frame number
 *
 * Page tables, pages of user space and of files, the detector's own pages and those of
 * kmemleak_queue_page() do not count. The page may change during this check.
 */
bool kmemleak_access_is_kernel_page(struct page *page, unsigned long pfn)
{
	struct page *head = compound_head(page);

	if (page_is_free(page) || !kmemleak_access_page_readable(page))
		return false;
	if (PageReserved(page) || PageSlab(head))
		return true;
	return !PageLRU(head) && !PageAnon(head) && !folio_mapping(page_folio(page)) &&
	       !PageHuge(head) && !PageTable(page) && page_private(page) != KMEMLEAK_OWN_PAGE;
}

/* The page at an address in the direct map or in a vmalloc area, or NULL. Takes no lock. */
static struct page *find_page(unsigned long addr)
{
	if (is_vmalloc_or_module_addr((void *)addr))
		return vmalloc_to_page((void *)addr);
	return virt_addr_valid((void *)addr) ? virt_to_page((void *)addr) : NULL;
}

/*
 * Blocks and roots are memory in use, so only memory errors can make a read dangerous. Most
 * machines have no such errors. Then no struct page is read.
 */
static bool has_error(unsigned long addr)
{
#ifdef CONFIG_MEMORY_FAILURE
	struct page *page;

	if (likely(!atomic_long_read(&num_poisoned_pages)))
		return false;
	page = find_page(addr);
	return page && PageHWPoison(page);
#else
	return false;
#endif
}

/* Did a read fail because its page is not readable? */
static bool is_hole(unsigned long addr)
{
	struct page *page = virt_addr_valid((void *)addr) ? virt_to_page((void *)addr) : NULL;

	return page && !kmemleak_access_page_readable(page);
}

/* For see_area(). Guarded by kmemleak_scan_mutex: only the first marker reads opaque blocks. */
static struct {
	unsigned long addr;
	bool io;
} searched_area;

static void see_area(const struct vmap_area *va)
{
	searched_area.io = va->va_start > searched_area.addr || !va->vm ||
			   (va->vm->flags & VM_IOREMAP);
}

/* As is_io_memory(), for an area that may be freed at any time. */
static bool is_io_area(unsigned long addr)
{
	unsigned long next = addr;

	if (!IS_ENABLED(CONFIG_MMU) || !is_vmalloc_addr((void *)addr))
		return false;
	searched_area.addr = addr;
	searched_area.io = true;
	vmap_area_visit(false, &next, 1, see_area);
	return searched_area.io;
}

/*
 * I/O memory must not be read: a read can have side effects. The caller makes sure that the
 * area stays.
 */
static bool is_io_memory(unsigned long addr)
{
	struct vm_struct *area;

	if (!is_vmalloc_addr((void *)addr))
		return false;
	area = find_vm_area((void *)addr);
	return !area || (area->flags & VM_IOREMAP);
}

/* A root in the direct map may have been freed without the detector's knowledge. */
static bool is_readable_root(unsigned long addr)
{
	struct page *page = is_vmalloc_or_module_addr((void *)addr) ? NULL : find_page(addr);

	return !page || kmemleak_access_page_readable(page);
}

/*
 * The entry of an opaque block stays in the table if nobody reports the free of the block.
 * Then the block's address may belong to user space by now, or be no memory at all.
 */
static bool is_kernels_own(unsigned long addr)
{
	struct page *page = find_page(addr);

	page = page ? pfn_to_online_page(page_to_pfn(page)) : NULL;
	return page && kmemleak_access_is_kernel_page(page, page_to_pfn(page));
}

/*
 * User-mode Linux has no fault handling for kernel addresses, and would ask the host about
 * every access. Its tracked blocks and roots are always mapped.
 */
bool kmemleak_access_read(struct kmemleak_tracker *t, void *dst, unsigned long addr, size_t len)
{
	if (IS_ENABLED(CONFIG_UML)) {
		/* Somebody else owns the memory, and may have poisoned it. */
		kasan_disable_current();
		memcpy(dst, (void *)addr, len);
		kasan_enable_current();
		return true;
	}
	return !has_error(addr) && !copy_from_kernel_nofault(dst, (void *)addr, len);
}

/* As kmemleak_scan_words(), for memory that may not be mapped. */
static long scan_words_nofault(const struct kmemleak_word_filter *filter, unsigned long *dst,
			       const unsigned long *src, size_t len)
{
	const struct kmemleak_word_filter by = *filter;
	const unsigned long *end = src + len / sizeof(*src);
	unsigned long *next = dst, word;

	if (!copy_from_kernel_nofault_allowed(src, len))
		return -ERANGE;
	pagefault_disable();
	for (; src < end; src++) {
		__get_kernel_nofault(&word, src, unsigned long, fault);
		word = kmemleak_untag(word);
		if (unlikely(kmemleak_word_filter_passes(&by, word)))
			*next++ = word;
	}
	pagefault_enable();
	return next - dst;
fault:
	pagefault_enable();
	return -EFAULT;
}

static long scan_readable(unsigned long *dst, unsigned long addr, size_t len,
			  const struct kmemleak_word_filter *filter)
{
	long nr;

	if (IS_ENABLED(CONFIG_UML))
		return kmemleak_scan_words(filter, dst, (void *)addr, len);
	if (has_error(addr))
		return 0;
	nr = scan_words_nofault(filter, dst, (void *)addr, len);
	return nr < 0 && is_hole(addr) ? 0 : nr;
}

long kmemleak_access_scan_words(struct kmemleak_tracker *t, unsigned long *dst, unsigned long addr,
				size_t len, enum kmemleak_read how,
				const struct kmemleak_word_filter *filter)
{
	long nr = 0;

	/* BLOCK and MAPPED: the caller has just looked up the block or page. */
	if (how < KMEMLEAK_READ_ROOT)
		return scan_readable(dst, addr, len, filter);
	if (how == KMEMLEAK_READ_OPAQUE ? is_io_area(addr) : is_io_memory(addr))
		return 0;
	preempt_disable();
	if (how == KMEMLEAK_READ_OPAQUE ? is_kernels_own(addr) : is_readable_root(addr))
		nr = scan_readable(dst, addr, len, filter);
	preempt_enable();
	return nr;
}

unsigned long kmemleak_access_block_addr(struct kmemleak_tracker *t, enum kmemleak_space space,
					 unsigned long addr, unsigned int cpu)
{
	switch (space) {
	case KMEMLEAK_PHYS:
		/* High memory is not always mapped, so it is not scanned. */
		if (IS_ENABLED(CONFIG_HIGHMEM) && PHYS_PFN(addr) >= max_low_pfn)
			return 0;
		return (unsigned long)__va((phys_addr_t)addr);
	case KMEMLEAK_PERCPU:
		if (!cpu_possible(cpu))
			return 0;
		/* The CPU's offset can bring back KASAN's tag of the chunk. */
		return kmemleak_untag((unsigned long)per_cpu_ptr((void __percpu *)addr, cpu));
	default:
		return addr;
	}
}

/* User-mode Linux has no list of its memory. The memory begins where its program ends. */
bool kmemleak_access_is_memory(unsigned long pfn)
{
	if (IS_ENABLED(CONFIG_UML))
		return pfn >= min_low_pfn || kmemleak_access_is_image(pfn);
	return page_is_ram(pfn);
}

/* The kernel's image has its own roots. */
bool kmemleak_access_is_image(unsigned long pfn)
{
	return pfn >= PHYS_PFN(__pa_symbol(_text)) && pfn <= PHYS_PFN(__pa_symbol(_end - 1));
}

/**
 * kmemleak_access_phys_of() - physical address of mapped memory
 * @addr: its virtual address, of a struct page for example
 *
 * Return: the physical address, or 0 if it is not known.
 */
phys_addr_t kmemleak_access_phys_of(const void *addr)
{
#if defined(CONFIG_X86_64) && !defined(CONFIG_UML)
	return slow_virt_to_phys((void *)addr);
#else
	struct page *page;

	if (!IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP))
		return virt_to_phys((void *)addr);
	/* vmalloc_to_page() accepts any mapped address, unless its checks are on. */
	page = IS_ENABLED(CONFIG_DEBUG_VIRTUAL) ? NULL : vmalloc_to_page(addr);
	return page ? page_to_phys(page) + offset_in_page(addr) : 0;
#endif
}

/*
 * Struct pages exist while memory cannot be unplugged. In a stop, the task that stops the
 * CPUs holds the lock.
 */
void kmemleak_access_hold_memory(const struct kmemleak_marker *m)
{
	if (!kmemleak_mark_is_stopped(m))
		get_online_mems();
}

void kmemleak_access_release_memory(const struct kmemleak_marker *m)
{
	if (!kmemleak_mark_is_stopped(m))
		put_online_mems();
}
