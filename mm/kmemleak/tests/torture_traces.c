// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks that are allocated by the same function at the same depth of the stack,
 * in turn by one caller and by another, near and far: each has a trace of its
 * own.
 */

#include <linux/compiler.h>

#include "torture.h"

#define SIZE		192
#define NR_TURNS	16
#define FAR		8	/* frames between the caller and the function */

static noinline void *descend(unsigned int depth)
{
	void *ptr = depth ? descend(depth - 1) : torture_kzalloc(SIZE);

	/* No jump instead of a call. */
	barrier();
	return ptr;
}

/* They differ by a constant, or the compiler would make one of them. */
static noinline void *first_path(unsigned int depth)
{
	void *ptr = descend(depth);

	asm volatile("" : : "i" (1));
	return ptr;
}

static noinline void *other_path(unsigned int depth)
{
	void *ptr = descend(depth);

	asm volatile("" : : "i" (2));
	return ptr;
}

static noinline int lose_both(unsigned int depth)
{
	void *ptr = first_path(depth);

	if (!ptr)
		return -ENOMEM;
	torture_expect_trace(ptr, SIZE, "first_path");
	ptr = other_path(depth);
	if (!ptr)
		return -ENOMEM;
	torture_expect_trace(ptr, SIZE, "other_path");
	return 0;
}

/* traces */
int torture_traces(int argc, char **argv)
{
	int ret = argc ? -EINVAL : torture_decoys(SIZE, 64);
	unsigned int i;

	for (i = 0; !ret && i < NR_TURNS; i++)
		ret = lose_both(0) ?: lose_both(FAR);
	return ret;
}
