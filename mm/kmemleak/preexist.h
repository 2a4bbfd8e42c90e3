/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Preexisting memory: memory that was in use when tracking began on a running system. It is a
 * root until it is freed. preexist.c has a map of this memory, preexist_take.c fills the map.
 */
#ifndef _KMEMLEAK_PREEXIST_H
#define _KMEMLEAK_PREEXIST_H

#include <linux/types.h>

struct kmemleak_marker;
struct page;

/* Context: process, kmemleak_scan_mutex held. */
void kmemleak_preexist_begin(void);
int kmemleak_preexist_take(void);
void kmemleak_preexist_clear(void);
int kmemleak_preexist_check(void);
int kmemleak_preexist_exclude_unused(void);
int kmemleak_preexist_add_page(struct page *page, unsigned long pfn);
void kmemleak_preexist_add(const void *addr, size_t size);
unsigned int kmemleak_preexist_pages_per_chunk(void);

/* Context: in ops->roots(). */
void kmemleak_preexist_mark(struct kmemleak_marker *m);

/* Context: any; in an NMI they do nothing. */
void kmemleak_preexist_remove(unsigned long addr, size_t size);
void kmemleak_preexist_remove_percpu(const void __percpu *ptr, size_t size);
void kmemleak_preexist_freed(unsigned long addr);

/* Context: any. */
bool kmemleak_preexist_any(void);
unsigned long kmemleak_preexist_bytes(void);
unsigned long kmemleak_preexist_map_pages(void);

#endif /* _KMEMLEAK_PREEXIST_H */
