/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * All that the detector's core needs from the platform: types, rbtrees, raw spinlocks,
 * ordered accesses. This is the kernel's version. The host tests have their own version
 * with the same include guard. So a core file that uses more than this does not build on
 * the host.
 */
#ifndef _KMEMLEAK_PLATFORM_H
#define _KMEMLEAK_PLATFORM_H

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/crc32.h>
#include <linux/err.h>
#include <linux/errno.h>
#include <linux/gfp_types.h>
#include <linux/hash.h>
#include <linux/kasan.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/prefetch.h>
#include <linux/rbtree.h>
#include <linux/seqlock.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/unaligned.h>

/*
 * Size of one index region. SLUB prefers slabs of at most PAGE_ALLOC_COSTLY_ORDER, and
 * slabs are naturally aligned. So no ordinary slab object crosses a region boundary.
 */
#define KMEMLEAK_REGION_SHIFT	(PAGE_SHIFT + PAGE_ALLOC_COSTLY_ORDER)

/* Interrupts are off, so the number stays valid until the caller turns them on. */
static inline unsigned int kmemleak_cpu(void)
{
	return raw_smp_processor_id();
}

/* The index stores addresses without the tag that KASAN may keep in a pointer. */
static inline unsigned long kmemleak_untag(unsigned long addr)
{
	return (unsigned long)kasan_reset_tag((void *)addr);
}

#endif /* _KMEMLEAK_PLATFORM_H */
