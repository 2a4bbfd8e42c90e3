// SPDX-License-Identifier: GPL-2.0-only
/*
 * Many small blocks at once, of which few stay, and blocks for which no page can be
 * had: what the detector's entries take meanwhile, and what it gives back.
 */

#include <linux/gfp.h>
#include <linux/mm.h>
#include <linux/sched.h>

#include "torture.h"

#define NR_MAX	20000000

/* A chain through the first words. Newest first. */
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

/* All but each so manieth, which goes on in the chain; 0: all. */
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

/* peak BLOCKS SIZE EVERY: so many of that size, all freed but each so manieth */
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
	/* As many as fit. */
	return ret == -ENOMEM ? 0 : ret;
}

/* Takes pages until there are none for allocations with these flags. */
void torture_hoard(struct list_head *pages, gfp_t gfp)
{
	struct page *page;

	while ((page = alloc_page(gfp | __GFP_NOWARN)))
		list_add(&page->lru, pages);
}

/* Frees them. */
void torture_release(struct list_head *pages)
{
	struct page *page, *next;

	list_for_each_entry_safe(page, next, pages, lru) {
		list_del(&page->lru);
		__free_page(page);
	}
}

/* The page allocator sets pages aside for more of the kind, which atomic blocks get as well. */
static void have_some_set_aside(void)
{
	struct page *pages = alloc_pages(GFP_ATOMIC | __GFP_NOWARN, 1);

	if (pages)
		__free_pages(pages, 1);
}

/* starve BLOCKS SIZE: atomic allocations while others get no page; they stay */
int torture_starve(int argc, char **argv)
{
	unsigned int nr, size, i;
	LIST_HEAD(pages);

	if (argc != 2 || kstrtouint(argv[0], 0, &nr) || kstrtouint(argv[1], 0, &size) ||
	    nr > NR_MAX || size < sizeof(void *))
		return -EINVAL;
	for (i = 0; i < nr; i++) {
		/*
		 * The detector's own work, and others', get memory between. What is left
		 * then is for GFP_ATOMIC without __GFP_NOMEMALLOC.
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
