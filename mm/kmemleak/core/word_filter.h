/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The word filter: which words of memory can be references? Marks read all of memory
 * through it, and it rejects most words.
 */
#ifndef _KMEMLEAK_WORD_FILTER_H
#define _KMEMLEAK_WORD_FILTER_H

#include "platform.h"

struct kmemleak_bounds {
	unsigned long low;
	unsigned long size;
};

static inline bool kmemleak_within(const struct kmemleak_bounds *b, unsigned long addr)
{
	return addr - b->low < b->size;
}

/**
 * struct kmemleak_word_filter - bounds of what references can point to
 * @virt: all virtual objects that can be white
 * @percpu: the same for per-cpu objects
 * @percpu_copies: where the CPUs' copies of per-cpu objects can lie
 *
 * No bounds contain the first page. Most words are numbers below PAGE_SIZE, and one
 * comparison rejects them.
 */
struct kmemleak_word_filter {
	struct kmemleak_bounds virt;
	struct kmemleak_bounds percpu;
	struct kmemleak_bounds percpu_copies;
};

static __always_inline bool kmemleak_word_filter_passes(const struct kmemleak_word_filter *filter,
							unsigned long word)
{
	return word >= PAGE_SIZE && (kmemleak_within(&filter->virt, word) ||
				     kmemleak_within(&filter->percpu, word) ||
				     kmemleak_within(&filter->percpu_copies, word));
}

/* Words tested together, because many small numbers often stand in a row. */
#define KMEMLEAK_SCAN_STEP	8
/* Prefetch this many words ahead. The processor prefetches by itself, but not across pages. */
#define KMEMLEAK_SCAN_PREFETCH	96

/**
 * kmemleak_scan_words() - collect the words of readable memory that can be references
 * @filter: which words to collect
 * @dst: gets the words, without tags; may be @src
 * @src: memory; others may write it meanwhile
 * @len: bytes. A partial word at the end is not read.
 *
 * Return: number of words in @dst.
 */
static inline long kmemleak_scan_words(const struct kmemleak_word_filter *filter,
				       unsigned long *dst, const unsigned long *src, size_t len)
{
	const struct kmemleak_word_filter by = *filter;
	const unsigned long *end = src + len / sizeof(*src), *stop;
	unsigned long *next = dst;

	for (; src < end; src = stop) {
		stop = end;
		if (end - src >= KMEMLEAK_SCAN_STEP) {
			stop = src + KMEMLEAK_SCAN_STEP;
			prefetch(src + KMEMLEAK_SCAN_PREFETCH);
			if ((READ_ONCE(src[0]) | READ_ONCE(src[1]) | READ_ONCE(src[2]) |
			     READ_ONCE(src[3]) | READ_ONCE(src[4]) | READ_ONCE(src[5]) |
			     READ_ONCE(src[6]) | READ_ONCE(src[7])) < PAGE_SIZE)
				continue;
		}
		for (; src < stop; src++) {
			unsigned long word = kmemleak_untag(READ_ONCE(*src));

			if (unlikely(kmemleak_word_filter_passes(&by, word)))
				*next++ = word;
		}
	}
	return next - dst;
}

#endif /* _KMEMLEAK_WORD_FILTER_H */
