// SPDX-License-Identifier: GPL-2.0-only
/*
 * Load on the detector's pool of entries. "peak" allocates many small blocks and frees most
 * of them: then the detector must free pages of entries. "starve" makes atomic allocations
 * while others get no page: the detector must have entries for these blocks. The selftests
 * pool.sh and pressure.sh look at the statistics.
 */

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "torture.h"

#define NR_MAX	20000000

/* The blocks, a list linked through their first words, newest first. */
static void **newest;

static noinline int add_block(size_t size, gfp_t gfp)
{
	void **block = kmalloc(size, gfp | __GFP_ZERO);

	if (!block)
		return -ENOMEM;
	*block = newest;
	newest = block;
	return 0;
}

/* Frees all blocks but one of @every, which stays in the list; 0: all. */
static void free_blocks(unsigned int every)
{
	void ***link = (void ***)&newest, **block;
	unsigned int n = 0;

	while ((block = *link)) {
		if (every && !(n++ % every)) {
			link = (void ***)block;
		} else {
			*link = *block;
			*block = NULL;
			kfree(block);
		}
		if (!(n % 256))
			cond_resched();
	}
}

/* peak <blocks> <size> <every>: allocates blocks, and frees all but one of <every>; 0: all */
int torture_peak(int argc, char **argv)
{
	unsigned int nr, size, every, i;
	int ret = 0;

	if (argc != 3 || kstrtouint(argv[0], 0, &nr) || kstrtouint(argv[1], 0, &size) ||
	    kstrtouint(argv[2], 0, &every) || nr > NR_MAX || size < sizeof(void *))
		return -EINVAL;
	for (i = 0; i < nr && !ret; i++) {
		ret = add_block(size, GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN);
		cond_resched();
	}
	torture_say("# %u blocks\n", i - !!ret);
	free_blocks(every);
	/* Fewer blocks are no error if there was no memory for more. */
	return ret == -ENOMEM ? 0 : ret;
}

/* Takes pages until an allocation with these flags gets none. */
void torture_hoard(struct list_head *pages, gfp_t gfp)
{
	struct page *page;

	while ((page = alloc_page(gfp | __GFP_NOWARN)))
		list_add(&page->lru, pages);
}

/* Frees the pages that torture_hoard() took. */
void torture_release(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

/* Makes the page allocator set pages aside for atomic allocations, also of single pages. */
static void have_some_set_aside(void)
{
	struct page *pages = alloc_pages(GFP_ATOMIC | __GFP_NOWARN, 1);

	if (pages)
		__free_pages(pages, 1);
}

/* starve <blocks> <size>: atomic allocations while others get no page. The blocks stay. */
int torture_starve(int argc, char **argv)
{
	unsigned int nr, size, i;
	LIST_HEAD(pages);

	if (argc != 2 || kstrtouint(argv[0], 0, &nr) || kstrtouint(argv[1], 0, &size) ||
	    nr > NR_MAX || size < sizeof(void *))
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		/*
		 * In between, the detector's worker and others get memory. Then take the
		 * rest, except for pages that only GFP_ATOMIC without __GFP_NOMEMALLOC can
		 * get.
		 */
		if (!(i % 64))
			torture_hoard(&pages, GFP_NOWAIT | __GFP_HIGH | __GFP_NOMEMALLOC);
		if (!i)
			have_some_set_aside();
		if (add_block(size, GFP_ATOMIC | __GFP_NOWARN))
			break;
	}
	torture_release(&pages);
	torture_say("# %u blocks\n", i);
	return 0;
}

void torture_peak_reset(void)
{
	free_blocks(0);
}
