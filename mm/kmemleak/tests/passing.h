/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The code of kmemleak-first and kmemleak-second. Loading such a module loses blocks. Their
 * traces show a function that stays and the init function, whose code is freed after it has
 * run. The two modules differ only in names, so the second can be loaded to the address of
 * the first after the first was unloaded. The selftest modules.sh checks that reports still
 * show the names of the unloaded module.
 */
#include <linux/module.h>
#include <linux/slab.h>

#define LOST		16
#define LOST_SIZE	104

static noinline int passing_lose(void)
{
	void *block = kzalloc(LOST_SIZE, GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(block);
	return block ? 0 : -ENOMEM;
}

static int __init passing_init(void)
{
	unsigned int i;
	int err = 0;

	for (i = 0; i < LOST && !err; i++)
		err = passing_lose();
	return err;
}

MODULE_LICENSE("GPL");
