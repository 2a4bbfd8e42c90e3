/* SPDX-License-Identifier: GPL-2.0-only */
/* What late.c notes in old.c. */
#ifndef _KMEMLEAK_OLD_H
#define _KMEMLEAK_OLD_H

#include <linux/types.h>

struct page;

int kmemleak_old_note_page(struct page *page, unsigned long pfn);
void kmemleak_old_note(const void *addr, size_t size);
bool kmemleak_old_is_kernels(struct page *page, unsigned long pfn);
int kmemleak_old_leave_out(void);
unsigned int kmemleak_old_pages_per_chunk(void);

#endif /* _KMEMLEAK_OLD_H */
