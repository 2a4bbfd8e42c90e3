// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks from KFENCE's pool, for "fence" and for other commands. KFENCE serves an allocation
 * only now and then, so allocate until a block comes from the pool. There are none if the
 * kernel has no KFENCE, or while its sample interval is 0. The selftest roots.sh runs
 * "fence": KFENCE's records of its objects must not count as references.
 */
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/kfence.h>

#include "torture.h"

#define NR_EACH		12
/* Smaller than the objects of its cache. A block from KFENCE ends where the request ends. */
#define SIZE		72
/* Longest wait for one block. */
#define PATIENCE	(5 * HZ)

static void *held[NR_EACH];

#ifdef CONFIG_KFENCE
bool torture_has_fences(void)
{
	return READ_ONCE(kfence_sample_interval);
}
#else
bool torture_has_fences(void)
{
	return false;
}
#endif

/* Return: a zeroed block, or NULL if none came in time. */
void *torture_fenced(size_t size, struct kmem_cache *cache)
{
	unsigned long end = jiffies + PATIENCE;

	while (torture_has_fences() && time_before(jiffies, end)) {
		void *ptr = cache ? kmem_cache_zalloc(cache, GFP_KERNEL) :
				    kzalloc(size, GFP_KERNEL);

		if (!ptr || is_kfence_address(ptr))
			return ptr;
		if (cache)
			kmem_cache_free(cache, ptr);
		else
			kfree(ptr);
		usleep_range(100, 200);
	}
	return NULL;
}

static noinline int place_fenced(void **place)
{
	void *ptr = torture_fenced(SIZE, NULL);

	if (!ptr)
		return -ENOMEM;
	torture_own(ptr, SIZE, TORTURE_KMALLOC);
	torture_expect(ptr, SIZE, place ? TORTURE_LIVE : TORTURE_LOST);
	if (place)
		*place = ptr;
	return 0;
}

/* fence: NR_EACH held blocks and as many lost blocks */
int torture_fence(int argc, char **argv)
{
	unsigned int i;
	int ret = argc ? -EINVAL : torture_decoys(SIZE, 64);

	for (i = 0; !ret && i < NR_EACH; i++)
		ret = place_fenced(&held[i]) ?: place_fenced(NULL);
	return ret;
}

void torture_fence_reset(void)
{
	memset(held, 0, sizeof(held));
}
