/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A stack as trace.c finds it and as memo.c remembers it.
 */
#ifndef _KMEMLEAK_TRACE_H
#define _KMEMLEAK_TRACE_H

#include <linux/gfp_types.h>
#include <linux/types.h>

/* Frames kept: enough to tell call paths apart, and what parsers are used to. */
#define KMEMLEAK_TRACE_FRAMES	16

/**
 * struct kmemleak_frame - the innermost frame of a stack, that of the hook
 * @base: its first word
 * @nr_words: from there to the end of the stack
 * @site: the return address that belongs to it, the first entry of the trace
 */
struct kmemleak_frame {
	const unsigned long *base;
	unsigned long nr_words;
	unsigned long site;
};

/**
 * struct kmemleak_unwound - a trace
 * @nr: entries
 * @nr_slots: the first so many of them have a @slot
 * @exact: these places alone decide what the trace is
 * @entry: return addresses, innermost first
 * @slot: where each was found, in words from the frame's base
 */
struct kmemleak_unwound {
	unsigned int nr;
	unsigned int nr_slots;
	bool exact;
	unsigned long entry[KMEMLEAK_TRACE_FRAMES];
	u16 slot[KMEMLEAK_TRACE_FRAMES];
};

/*
 * Flags for the depot, which heeds only a few of them. An allocation that shall not
 * bring the OOM killer must not do so for its trace either: then the depot takes
 * what is free, or does without.
 */
static inline gfp_t kmemleak_depot_flags(gfp_t gfp)
{
	if (gfp & (__GFP_NORETRY | __GFP_RETRY_MAYFAIL | __GFP_THISNODE))
		gfp &= ~__GFP_DIRECT_RECLAIM;
	return gfp;
}

void kmemleak_memo_start(void);
void kmemleak_memo_learn(const struct kmemleak_frame *frame, const struct kmemleak_unwound *trace,
			 u32 handle);
u32 kmemleak_trace_take(const struct kmemleak_frame *frame, gfp_t gfp);

#endif /* _KMEMLEAK_TRACE_H */
