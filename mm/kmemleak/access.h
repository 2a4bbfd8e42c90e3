/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * How the kernel's memory is read, and where the detector's own pages come from.
 */
#ifndef _KMEMLEAK_ACCESS_H
#define _KMEMLEAK_ACCESS_H

#include "core/tracker.h"

struct page;

/*
 * page_private() of the detector's own pages and of pages that were passed to
 * kmemleak_queue_page(). The value is no kernel address, except on 32 bits with VMSPLIT_1G.
 */
#define KMEMLEAK_OWN_PAGE	(~0UL / 0xff * 0x4b)

void *kmemleak_access_page_alloc(struct kmemleak_tracker *t, unsigned int order, gfp_t gfp);
void kmemleak_access_page_free(struct kmemleak_tracker *t, void *page, unsigned int order);

/* For struct kmemleak_ops. */
bool kmemleak_access_read(struct kmemleak_tracker *t, void *dst, unsigned long addr, size_t len);
long kmemleak_access_scan_words(struct kmemleak_tracker *t, unsigned long *dst,
				unsigned long addr, size_t len, enum kmemleak_read how,
				const struct kmemleak_word_filter *filter);
unsigned long kmemleak_access_block_addr(struct kmemleak_tracker *t, enum kmemleak_space space,
					 unsigned long addr, unsigned int cpu);

/* Context: any. */
bool kmemleak_access_page_readable(struct page *page);
bool kmemleak_access_is_kernel_page(struct page *page, unsigned long pfn);
bool kmemleak_access_is_memory(unsigned long pfn);
bool kmemleak_access_is_image(unsigned long pfn);
phys_addr_t kmemleak_access_phys_of(const void *addr);

/* Between these two calls, memory is not unplugged. Context: process, may sleep; or a stop. */
void kmemleak_access_hold_memory(const struct kmemleak_marker *m);
void kmemleak_access_release_memory(const struct kmemleak_marker *m);

#endif /* _KMEMLEAK_ACCESS_H */
