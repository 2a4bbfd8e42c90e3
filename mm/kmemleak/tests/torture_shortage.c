// SPDX-License-Identifier: GPL-2.0-only
/*
 * No page is to be had for the detector, while blocks go on to be allocated: free
 * memory is where only GFP_ATOMIC gets any. The detector asks with __GFP_HIGH alone.
 */

#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/sched.h>

#include "torture.h"

#define SIZE		64
#define MAX_BLOCKS	100000

/* Blocks between two looks for pages that came free. */
#define STEP		16

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
			torture_hoard(&pages, __GFP_HIGH);
		block = kzalloc(SIZE, GFP_ATOMIC | __GFP_NOWARN);
		if (!block) {
			ret = -ENOMEM;
			break;
		}
		torture_own(block, SIZE, TORTURE_KMALLOC);
		*block = last;
		last = block;
		/* What is in the chain is held at any moment. */
		WRITE_ONCE(*torture_slot(0), block);
	}
	torture_release(&pages);
	return ret;
}
