/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stack traces: trace.c takes them, trace_cache.c remembers them.
 */
#ifndef _KMEMLEAK_TRACE_H
#define _KMEMLEAK_TRACE_H

#include <linux/gfp_types.h>
#include <linux/types.h>

/* Enough frames to tell call paths apart, and as many as parsers of reports are used to. */
#define KMEMLEAK_TRACE_FRAMES	16

/**
 * struct kmemleak_frame - the frame of the hook, the innermost frame of a trace
 * @base: first word of the frame
 * @nr_words: words from @base to the end of the stack; 0: not known
 * @site: return address of the hook, the first entry of the trace
 */
struct kmemleak_frame {
	const unsigned long *base;
	unsigned long nr_words;
	unsigned long site;
};

/**
 * struct kmemleak_unwound - a trace
 * @nr: number of @entry
 * @nr_slots: number of @slot, those of the first entries
 * @exact: the return addresses in these slots determine the trace
 * @entry: return addresses, innermost first
 * @slot: where each return address was found, in words from the frame's base
 */
struct kmemleak_unwound {
	unsigned int nr;
	unsigned int nr_slots;
	bool exact;
	unsigned long entry[KMEMLEAK_TRACE_FRAMES];
	u16 slot[KMEMLEAK_TRACE_FRAMES];
};

/*
 * Flags for the depot's own memory; the depot uses only a few of them. If an allocation must
 * not bring the OOM killer, its trace must not do so either. Then the depot uses free memory,
 * or stores no trace.
 */
static inline gfp_t kmemleak_depot_flags(gfp_t gfp)
{
	if (gfp & (__GFP_NORETRY | __GFP_RETRY_MAYFAIL | __GFP_THISNODE))
		gfp &= ~__GFP_DIRECT_RECLAIM;
	return gfp;
}

/* trace.c. Context: any but NMI. */
bool kmemleak_trace_start(void);
u32 kmemleak_trace_take(const struct kmemleak_frame *frame, gfp_t gfp,
			struct kmemleak_unwound *trace);

/* trace_cache.c */
void kmemleak_trace_cache_start(void);
void kmemleak_trace_cache_add(const struct kmemleak_frame *frame,
			      const struct kmemleak_unwound *trace, u32 handle);
u32 kmemleak_trace_save(const unsigned long *base, unsigned long site, gfp_t gfp);

#endif /* _KMEMLEAK_TRACE_H */
