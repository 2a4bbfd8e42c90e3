/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One mark, as mark.c and sweep.c share it.
 */
#ifndef _KMEMLEAK_MARK_H
#define _KMEMLEAK_MARK_H

#include "kmemleak.h"

/* Objects a sweep visits before it scans what it found. */
#define SWEEP_BATCH	64

#define GFP_MARK	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC)

struct chunk {
	struct chunk *below;
	unsigned long nr;
	struct kmemleak_ref ref[];
};

#define CHUNK_REFS	((PAGE_SIZE - sizeof(struct chunk)) / sizeof(struct kmemleak_ref))

struct bounds {
	unsigned long low;
	unsigned long size;
};

/**
 * struct kmemleak_marker - one mark
 * @t: tracker
 * @opt: its options
 * @epoch: its number
 * @now: when it began
 * @err: what ops->pause() wanted it to end with, or 0
 * @steps: since the last pause
 * @lost: the work list could not take an object since the last sweep
 * @top: top chunk of the work list, never NULL
 * @spare: one empty chunk, so that a list that breathes needs no allocation
 * @found: what a sweep found
 * @candidate: words that may be references to VIRT objects, not looked up yet
 * @nr_candidates: how many
 * @buffer: a page that contents are copied to
 * @virt: bounds of all VIRT objects that could be white when the mark began;
 *	who is born later is not white in it
 * @percpu: the same for PERCPU
 * @copies: where the CPUs' copies of these can lie
 */
struct kmemleak_marker {
	struct kmemleak_tracker *t;
	const struct kmemleak_options *opt;
	u8 epoch;
	u32 now;
	int err;
	unsigned int steps;
	bool lost;
	struct chunk *top;
	struct chunk *spare;
	struct kmemleak_ref found[SWEEP_BATCH];
	unsigned long candidate[KMEMLEAK_PEEKS];
	unsigned int nr_candidates;
	void *buffer;
	struct bounds virt;
	struct bounds percpu;
	struct bounds copies;
};

static_assert(sizeof(struct kmemleak_marker) <= PAGE_SIZE);

/* mark.c */
void kmemleak_mark_step(struct kmemleak_marker *m);
bool kmemleak_mark_make_room(struct kmemleak_marker *m);
void kmemleak_mark_push(struct kmemleak_marker *m, struct kmemleak_ref ref);
void kmemleak_mark_drain(struct kmemleak_marker *m);
bool kmemleak_mark_refer_locked(struct kmemleak_marker *m, struct kmemleak_object *obj);

#endif /* _KMEMLEAK_MARK_H */
