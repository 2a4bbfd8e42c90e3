// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pairs for the functions of <linux/kmemleak.h>: each sets up the same scene with and
 * without one call, and the answers differ by the effect of that call only. The selftest
 * annotations.sh runs each pair on and off, and scans after each.
 */

#include <linux/io.h>
#include <linux/mm.h>
#include <linux/vmalloc.h>

#include "torture.h"

#define SIZE	128
/* Too large for the slab caches if pages have 4 KiB. It is rounded up to 16,384 bytes. */
#define LARGE	8200

static enum torture_expected lost_if(bool lost)
{
	return lost ? TORTURE_LOST : TORTURE_LIVE;
}

/* A block without a reference. With @on it is annotated, and must not be reported then. */
static noinline int lone_block(bool on, void (*annotate)(const void *ptr))
{
	void *ptr = torture_kzalloc(SIZE);

	if (!ptr)
		return -ENOMEM;
	if (on)
		annotate(ptr);
	torture_expect(ptr, SIZE, lost_if(!on));
	return 0;
}

/* Lost in both cases. When on, fewer bytes are requested, and the report must say so. */
static noinline int pair_requested(bool on)
{
	void *ptr = torture_kzalloc(on ? SIZE - 28 : SIZE);

	if (!ptr)
		return -ENOMEM;
	torture_expect(ptr, SIZE, TORTURE_LOST);
	return 0;
}

/* Not instrumented: KASAN learns only from krealloc() that a block is used to its end. */
static noinline __no_sanitize_address void set_last(void *ptr, size_t size, void *child)
{
	((void **)(ptr + size))[-1] = child;
}

/* With @on, the last word of the block, as ksize() tells it, is a reference. */
static noinline int hold_at_end(void *ptr, unsigned int slot, bool on)
{
	size_t size = ksize(ptr);
	void *child = torture_kzalloc(SIZE);

	if (!child)
		return -ENOMEM;
	*torture_slot(slot) = ptr;
	if (on)
		set_last(ptr, size, child);
	torture_expect(ptr, size, TORTURE_LIVE);
	torture_expect(child, SIZE, lost_if(!on));
	return 0;
}

/*
 * A large block has unrequested bytes. krealloc() lets its caller use them in place, so they
 * must be scanned.
 */
static noinline int pair_grown(bool on)
{
	void **parent = torture_kzalloc(LARGE), *lost = torture_kzalloc(LARGE);
	void *child = torture_kzalloc(SIZE), *rough = torture_kzalloc(5 * LARGE);
	void *ends = torture_kzalloc(LARGE);

	if (!parent || !lost || !child || !rough || !ends)
		return -ENOMEM;
	if (krealloc(parent, 16000, GFP_KERNEL) != parent)
		return -EINVAL;
	*torture_slot(0) = parent;
	if (on)
		parent[12000 / sizeof(*parent)] = child;
	torture_expect(parent, 16384, TORTURE_LIVE);
	torture_expect(child, SIZE, lost_if(!on));
	torture_expect(lost, 16384, TORTURE_LOST);
	torture_expect(rough, 65536, TORTURE_LOST);
	return hold_at_end(ends, 1, on);
}

static int pair_not_leak(bool on)
{
	return lone_block(on, kmemleak_not_leak);
}

static int pair_ignore(bool on)
{
	return lone_block(on, kmemleak_ignore);
}

/* The answer holds for the first scan only. */
static int pair_transient_leak(bool on)
{
	return lone_block(on, kmemleak_transient_leak);
}

/* kmemleak_not_leak() makes the block a root, kmemleak_ignore() does not. */
static noinline int child_of(bool on, void (*with)(const void *ptr),
			     void (*without)(const void *ptr), bool lost_with)
{
	void **parent = torture_kzalloc(SIZE);
	void *child = torture_kzalloc(SIZE);

	if (!parent || !child)
		return -ENOMEM;
	parent[5] = child;
	if (on)
		with(parent);
	else
		without(parent);
	torture_expect(parent, SIZE, TORTURE_LIVE);
	torture_expect(child, SIZE, lost_if(on == lost_with));
	return 0;
}

static int pair_not_leak_child(bool on)
{
	return child_of(on, kmemleak_not_leak, kmemleak_ignore, false);
}

static noinline int pair_no_scan(bool on)
{
	void **parent = torture_kzalloc(SIZE);
	void *child = torture_kzalloc(SIZE);

	if (!parent || !child)
		return -ENOMEM;
	*torture_slot(0) = parent;
	parent[1] = child;
	if (on)
		kmemleak_no_scan(parent);
	torture_expect(parent, SIZE, TORTURE_LIVE);
	torture_expect(child, SIZE, lost_if(on));
	return 0;
}

static noinline int pair_scan_area(bool on)
{
	void **parent = torture_kzalloc(SIZE);
	void *inside = torture_kzalloc(SIZE);
	void *before = torture_kzalloc(SIZE);
	void *after = torture_kzalloc(SIZE);

	if (!parent || !inside || !before || !after)
		return -ENOMEM;
	*torture_slot(0) = parent;
	parent[3] = before;
	parent[4] = inside;
	parent[6] = after;
	if (on)
		kmemleak_scan_area(&parent[4], 2 * sizeof(void *), GFP_KERNEL);
	torture_expect(parent, SIZE, TORTURE_LIVE);
	torture_expect(inside, SIZE, TORTURE_LIVE);
	torture_expect(before, SIZE, lost_if(on));
	torture_expect(after, SIZE, lost_if(on));
	return 0;
}

/* SIZE_MAX stands for the rest of the block. */
static noinline int pair_scan_area_rest(bool on)
{
	void **parent = torture_kzalloc(SIZE);
	void *inside = torture_kzalloc(SIZE);
	void *before = torture_kzalloc(SIZE);

	if (!parent || !inside || !before)
		return -ENOMEM;
	*torture_slot(0) = parent;
	parent[3] = before;
	parent[SIZE / sizeof(void *) - 1] = inside;
	if (on)
		kmemleak_scan_area(&parent[4], SIZE_MAX, GFP_KERNEL);
	torture_expect(inside, SIZE, TORTURE_LIVE);
	torture_expect(before, SIZE, lost_if(on));
	return 0;
}

static noinline int pair_erase(bool on)
{
	void *ptr = torture_kzalloc(SIZE);

	if (!ptr)
		return -ENOMEM;
	*torture_slot(0) = ptr;
	if (on)
		kmemleak_erase(torture_slot(0));
	torture_expect(ptr, SIZE, lost_if(on));
	return 0;
}

static noinline void *torture_first_owner(void)
{
	void *ptr = torture_kzalloc(SIZE);

	barrier();
	return ptr;
}

static noinline void torture_second_owner(const void *ptr)
{
	kmemleak_update_trace(ptr);
	barrier();
}

static noinline int pair_update_trace(bool on)
{
	void *ptr = torture_first_owner();

	if (!ptr)
		return -ENOMEM;
	if (on)
		torture_second_owner(ptr);
	torture_expect_trace(ptr, SIZE, on ? "torture_second_owner" :
			     "torture_first_owner");
	return 0;
}

/* ------------------------------------------- pages registered as blocks -- */

static void *told_pages(size_t size, int min_count)
{
	void *ptr = torture_pages(size);

	if (ptr) {
		kmemleak_alloc(ptr, size, min_count, GFP_KERNEL);
		torture_own(ptr, size, TORTURE_REGISTERED);
	}
	return ptr;
}

static noinline int pair_alloc(bool on)
{
	void *ptr = on ? told_pages(2 * PAGE_SIZE, 1) : torture_pages(2 * PAGE_SIZE);

	if (!ptr)
		return -ENOMEM;
	torture_expect(ptr, 2 * PAGE_SIZE, lost_if(on));
	return 0;
}

static noinline int pair_free(bool on)
{
	void *ptr = torture_pages(PAGE_SIZE);

	if (!ptr)
		return -ENOMEM;
	kmemleak_alloc(ptr, PAGE_SIZE, 1, GFP_KERNEL);
	if (on)
		kmemleak_free(ptr);
	else
		torture_own(ptr, PAGE_SIZE, TORTURE_REGISTERED);
	torture_expect(ptr, PAGE_SIZE, lost_if(!on));
	return 0;
}

static noinline int pair_min_count_0(bool on)
{
	void **root = told_pages(PAGE_SIZE, on ? 0 : 1);
	void *child = torture_kzalloc(SIZE);

	if (!root || !child)
		return -ENOMEM;
	root[17] = child;
	torture_expect(root, PAGE_SIZE, lost_if(!on));
	torture_expect(child, SIZE, lost_if(!on));
	return 0;
}

static noinline int pair_min_count_1(bool on)
{
	void *ptr = told_pages(PAGE_SIZE, 1);

	if (!ptr)
		return -ENOMEM;
	if (on)
		*torture_slot(0) = ptr;
	torture_expect(ptr, PAGE_SIZE, lost_if(!on));
	return 0;
}

/* One reference is enough for a min_count of 1, but not for 2. */
static noinline int pair_min_count_2(bool on)
{
	void *ptr = told_pages(PAGE_SIZE, on ? 2 : 1);

	if (!ptr)
		return -ENOMEM;
	*torture_slot(0) = ptr;
	torture_expect(ptr, PAGE_SIZE, lost_if(on));
	return 0;
}

static noinline int pair_min_count_2_met(bool on)
{
	void *ptr = told_pages(PAGE_SIZE, 2);

	if (!ptr)
		return -ENOMEM;
	*torture_slot(0) = ptr;
	if (on)
		*torture_slot(7) = ptr;
	torture_expect(ptr, PAGE_SIZE, lost_if(!on));
	return 0;
}

/*
 * A block and its vm_struct, registered as vmalloc() does it. The pointer in the vm_struct
 * does not count as a reference to the block. Nor does the first reference to the vm_struct,
 * which is the vmalloc code's own. A second one does.
 */
static noinline int pair_vmalloc(bool on)
{
	struct vm_struct *area = torture_kzalloc(SIZE);
	void *ptr = torture_pages(PAGE_SIZE);

	if (!area || !ptr)
		return -ENOMEM;
	static_assert(sizeof(*area) <= SIZE);
	area->addr = ptr;
	area->size = PAGE_SIZE;
	kmemleak_vmalloc(area, PAGE_SIZE, GFP_KERNEL);
	torture_own(ptr, PAGE_SIZE, TORTURE_REGISTERED);
	*torture_slot(0) = area;
	if (on)
		*torture_slot(9) = area;
	torture_expect(area, SIZE, TORTURE_LIVE);
	torture_expect(ptr, PAGE_SIZE, lost_if(!on));
	return 0;
}

/* --------------------------------------------------------------- parts -- */

#define NR_PAGES	6

/* With @on, frees the pages [@first, @last) of a block of NR_PAGES. The rest stays lost. */
static noinline int free_part(bool on, unsigned int first, unsigned int last)
{
	char *ptr = torture_pages(NR_PAGES * PAGE_SIZE);
	char *tail;

	if (!ptr)
		return -ENOMEM;
	tail = ptr + last * PAGE_SIZE;
	kmemleak_alloc(ptr, NR_PAGES * PAGE_SIZE, 1, GFP_KERNEL);
	if (!on) {
		torture_own(ptr, NR_PAGES * PAGE_SIZE, TORTURE_REGISTERED);
		torture_expect(ptr, NR_PAGES * PAGE_SIZE, TORTURE_LOST);
		return 0;
	}
	kmemleak_free_part(ptr + first * PAGE_SIZE, (last - first) * PAGE_SIZE);
	if (first) {
		torture_own(ptr, first * PAGE_SIZE, TORTURE_REGISTERED);
		torture_expect(ptr, first * PAGE_SIZE, TORTURE_LOST);
	} else {
		torture_expect(ptr, PAGE_SIZE, TORTURE_LIVE);
	}
	if (last < NR_PAGES) {
		torture_own(tail, (NR_PAGES - last) * PAGE_SIZE, TORTURE_REGISTERED);
		torture_expect(tail, (NR_PAGES - last) * PAGE_SIZE, TORTURE_LOST);
	}
	return 0;
}

static int pair_free_part_head(bool on)
{
	return free_part(on, 0, 2);
}

static int pair_free_part_middle(bool on)
{
	return free_part(on, 1, 3);
}

static int pair_free_part_tail(bool on)
{
	return free_part(on, 5, NR_PAGES);
}

static int pair_free_part_all(bool on)
{
	return free_part(on, 0, NR_PAGES);
}

/* -------------------------------------------------------------- per-cpu -- */

static noinline int pair_ignore_percpu(bool on)
{
	void __percpu *ptr = torture_percpu(SIZE);

	if (!ptr)
		return -ENOMEM;
	if (on)
		kmemleak_ignore_percpu(ptr);
	torture_expect_percpu(ptr, SIZE, lost_if(!on));
	return 0;
}

static noinline int pair_alloc_percpu(bool on)
{
	void __percpu *ptr = torture_percpu(SIZE);

	if (!ptr)
		return -ENOMEM;
	kmemleak_free_percpu(ptr);
	if (on)
		kmemleak_alloc_percpu(ptr, SIZE, GFP_KERNEL);
	torture_expect_percpu(ptr, SIZE, lost_if(on));
	return 0;
}

/* ------------------------------------------------------ physical addresses -- */

/* A block that is registered by physical address is a root. Only it points to the child. */
static noinline int phys_block(bool told, bool lost,
			       void (*annotate)(phys_addr_t phys))
{
	void **root = torture_pages(2 * PAGE_SIZE);
	void *child = torture_kzalloc(SIZE);

	if (!root || !child)
		return -ENOMEM;
	root[2] = child;
	if (told) {
		kmemleak_alloc_phys(virt_to_phys(root), 2 * PAGE_SIZE, GFP_KERNEL);
		/* In parts, because the pair may free the first page. */
		torture_own(root, PAGE_SIZE, TORTURE_REGISTERED_PHYS);
		torture_own((void *)root + PAGE_SIZE, PAGE_SIZE, TORTURE_REGISTERED_PHYS);
	}
	if (annotate)
		annotate(virt_to_phys(root));
	torture_expect(root, 2 * PAGE_SIZE, TORTURE_LIVE);
	torture_expect(child, SIZE, lost_if(lost));
	return 0;
}

static int pair_alloc_phys(bool on)
{
	return phys_block(on, !on, NULL);
}

static int pair_ignore_phys(bool on)
{
	return phys_block(true, on, on ? kmemleak_ignore_phys : NULL);
}

static void free_first_page(phys_addr_t phys)
{
	kmemleak_free_part_phys(phys, PAGE_SIZE);
}

static int pair_free_part_phys(bool on)
{
	return phys_block(true, on, on ? free_first_page : NULL);
}

/* Frees the page as the kernel frees memory that was reserved at boot. */
static void free_reserved(struct page *page)
{
	mark_page_reserved(page);
	free_reserved_page(page);
}

static void free_usual(struct page *page)
{
	__free_page(page);
}

/* Frees a page and gets it back: the allocator hands out the page first that was freed last. */
static bool free_and_get(struct page *page, void (*free)(struct page *page))
{
	struct page *got;

	preempt_disable();
	free(page);
	got = alloc_page(GFP_ATOMIC | __GFP_ZERO);
	preempt_enable();
	if (got && got != page)
		__free_page(got);
	return got == page;
}

/*
 * Allocates a page, which its first owner marks. With @again, the page is freed and
 * allocated once more. Return: the page, or NULL if there is none.
 */
static struct page *marked_page(bool again, void *child,
				void (*mark)(struct page *page, void *child),
				void (*free)(struct page *page))
{
	unsigned int tries = 0;
	struct page *page;

	do {
		page = child && tries++ < 16 ? alloc_page(GFP_KERNEL | __GFP_ZERO) : NULL;
		if (!page)
			return NULL;
		mark(page, child);
	} while (again && !free_and_get(page, free));
	return page;
}

static void mark_as_boot(struct page *page, void *child)
{
	kmemleak_alloc_phys(page_to_phys(page), PAGE_SIZE, GFP_KERNEL);
}

/* A page that was reserved at boot is a root, but not after it was freed and has a new owner. */
static int pair_free_reserved(bool on)
{
	void *child = torture_kzalloc(SIZE);
	struct page *page = marked_page(on, child, mark_as_boot, free_reserved);
	void **root;

	if (!page)
		return -ENOMEM;
	root = page_address(page);
	root[2] = child;
	torture_own(root, PAGE_SIZE, TORTURE_PAGES);
	if (!on)
		torture_own(root, PAGE_SIZE, TORTURE_REGISTERED_PHYS);
	torture_expect(child, SIZE, lost_if(on));
	return 0;
}

static void mark_index(struct page *page, void *child)
{
	page_folio(page)->index = (unsigned long)child;
}

/*
 * The first owner of a page stores a reference in the page's index. When on, the page has
 * been freed and has a new owner. The old reference must not count any more.
 */
static int pair_page_index(bool on)
{
	void *child = torture_kzalloc(SIZE);
	struct page *page = marked_page(on, child, mark_index, free_usual);

	if (!page)
		return -ENOMEM;
	torture_own(page_address(page), PAGE_SIZE, TORTURE_PAGES);
	torture_expect(child, SIZE, lost_if(on));
	return 0;
}

/* The block is a root anyway, so compare with a block that is ignored. */
static int pair_not_leak_phys(bool on)
{
	return phys_block(true, !on, on ? kmemleak_not_leak_phys :
			  kmemleak_ignore_phys);
}

const struct torture_pair torture_annotations[] = {
	{ "not_leak", pair_not_leak },
	{ "not_leak_child", pair_not_leak_child },
	{ "ignore", pair_ignore },
	{ "transient_leak", pair_transient_leak },
	{ "no_scan", pair_no_scan },
	{ "requested", pair_requested },
	{ "grown", pair_grown },
	{ "scan_area", pair_scan_area },
	{ "scan_area_rest", pair_scan_area_rest },
	{ "erase", pair_erase },
	{ "update_trace", pair_update_trace },
	{ "alloc", pair_alloc },
	{ "free", pair_free },
	{ "min_count_0", pair_min_count_0 },
	{ "min_count_1", pair_min_count_1 },
	{ "min_count_2", pair_min_count_2 },
	{ "min_count_2_met", pair_min_count_2_met },
	{ "vmalloc", pair_vmalloc },
	{ "free_part_head", pair_free_part_head },
	{ "free_part_middle", pair_free_part_middle },
	{ "free_part_tail", pair_free_part_tail },
	{ "free_part_all", pair_free_part_all },
	{ "alloc_percpu", pair_alloc_percpu },
	{ "ignore_percpu", pair_ignore_percpu },
	{ "alloc_phys", pair_alloc_phys },
	{ "ignore_phys", pair_ignore_phys },
	{ "free_part_phys", pair_free_part_phys },
	{ "free_reserved", pair_free_reserved },
	{ "page_index", pair_page_index },
	{ "not_leak_phys", pair_not_leak_phys },
	{ }
};
