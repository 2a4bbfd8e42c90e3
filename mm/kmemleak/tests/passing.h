/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A module that loses blocks when it is loaded, from a function that stays and from one
 * that goes with the init section. Two of them differ in nothing but names, so that one
 * can come to lie where the other one was.
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
