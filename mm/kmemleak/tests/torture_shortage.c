// SPDX-License-Identifier: GPL-2.0-only
/*
 * "shortage <blocks>" allocates blocks while the detector gets no page. The free pages that
 * are left are for tasks that free memory (PF_MEMALLOC), and this task claims to be one. The
 * detector does not use these pages, so it runs out of entries, and blocks become opaque. The
 * selftest shortage.sh checks that no block is reported because of that.
 */

#include <linux/gfp.h>
#include <linux/list.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>

#include "torture.h"

#define SIZE		64
#define MAX_BLOCKS	100000

/* Blocks between two searches for pages that were freed. */
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

/* shortage <blocks>: a list of blocks. Blocks without an object lead to blocks with one. */
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

		/* Without kswapd, which would free more pages. */
		if (i % STEP == 0)
			torture_hoard(&pages, GFP_ATOMIC & ~__GFP_KSWAPD_RECLAIM);
		block = add_to(last);
		if (!block) {
			ret = -ENOMEM;
			break;
		}
		torture_own(block, SIZE, TORTURE_KMALLOC);
		last = block;
		/* All blocks of the list are held at any moment. */
		WRITE_ONCE(*torture_slot(0), block);
	}
	torture_release(&pages);
	return ret;
}
