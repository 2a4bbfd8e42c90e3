// SPDX-License-Identifier: GPL-2.0-only
/*
 * No page is to be had for the detector, while blocks go on to be allocated: what is
 * free is for a task that makes more memory free, and the detector leaves it to that.
 */

#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>

#include "torture.h"

#define SIZE		64
#define MAX_BLOCKS	100000

/* Blocks between two looks for pages that came free. */
#define STEP		16

static void *add_to(void **last)
{
	unsigned int memalloc = memalloc_noreclaim_save();
	void **block = kzalloc(SIZE, GFP_ATOMIC | __GFP_NOWARN);

	memalloc_noreclaim_restore(memalloc);
	if (block)
		*block = last;
	return block;
}

/* "shortage NR": a chain of blocks; those that were recorded hang on those that were not. */
int torture_shortage(int argc, char **argv)
{
	void **last = NULL;
	LIST_HEAD(pages);
	u32 nr, i;
	int ret;

	if (argc != 1 || kstrtou32(argv[0], 0, &nr) || !nr || nr > MAX_BLOCKS)
		return -EINVAL;
	ret = torture_reserve(nr);
	for (i = 0; !ret && i < nr; i++) {
		void **block;

		/* Nobody is woken to make more of them free. */
		if (i % STEP == 0)
			torture_hoard(&pages, GFP_ATOMIC & ~__GFP_KSWAPD_RECLAIM);
		block = add_to(last);
		if (!block) {
			ret = -ENOMEM;
			break;
		}
		torture_own(block, SIZE, TORTURE_KMALLOC);
		last = block;
		/* What is in the chain is held at any moment. */
		WRITE_ONCE(*torture_slot(0), block);
	}
	torture_release(&pages);
	return ret;
}
