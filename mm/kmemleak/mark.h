/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One mark, as mark.c, work.c and sweep.c share it.
 */
#ifndef _KMEMLEAK_MARK_H
#define _KMEMLEAK_MARK_H

#include "kmemleak.h"

/* Objects a sweep collects before it scans them. */
#define SWEEP_BATCH	64

struct chunk {
	struct chunk *below;
	unsigned long nr;
	struct kmemleak_ref ref[];
};

#define CHUNK_REFS	((PAGE_SIZE - sizeof(struct chunk)) / sizeof(struct kmemleak_ref))

/**
 * struct kmemleak_copies - where the copies of per-cpu objects lie, see copies.c
 * @group: offsets of CPUs that are close together, ascending
 * @nr_groups: how many there are
 * @area: per-cpu pointers of objects that are close together, ascending
 * @nr_areas: how many there are
 */
struct kmemleak_copies {
	struct kmemleak_copies_group {
		const unsigned long *offset;
		unsigned int nr;
	} group[16];
	unsigned int nr_groups;
	struct kmemleak_copies_area {
		unsigned long start;
		unsigned long end;
	} area[128];
	unsigned int nr_areas;
};

/**
 * struct kmemleak_mark - what the markers of one mark share
 * @lock: guards @pile, @nr, @idle and @done
 * @pile: chunks that any marker may take; also read without the lock, as a hint
 * @nr: markers at work or idle; also read without the lock, as a hint
 * @idle: markers that wait for a chunk; also read without the lock, as a hint
 * @done: helpers are to leave
 * @err: error from ops->pause(), which ends the mark, or 0. Any marker writes it,
 *	all look at it now and then
 * @lost: some work list could not take an object since the last sweep
 * @again: this sweep is to scan what has been scanned as well; written by the first
 *	marker alone
 * @left: what the verdict has to look at, as the last sweep saw it; written by the
 *	first marker alone
 * @nr_left: pages that it takes
 * @left_all: there was room for all of it
 * @first: the scan's own marker
 * @helper: the others
 * @nr_helpers: how many were asked for
 * @copies: does not change while there are helpers
 */
struct kmemleak_mark {
	raw_spinlock_t lock;
	struct chunk *pile;
	unsigned int nr;
	unsigned int idle;
	bool done;
	int err;
	bool lost;
	bool again;
	struct chunk *left;
	unsigned int nr_left;
	bool left_all;
	struct kmemleak_marker *first;
	struct kmemleak_marker *helper[KMEMLEAK_MAX_WORKERS - 1];
	unsigned int nr_helpers;
	struct kmemleak_copies copies;
};

/* Words that need not be looked up again, see mark.c. */
#define SETTLED_BITS	9

static_assert(sizeof(unsigned long) << SETTLED_BITS <= PAGE_SIZE);

/**
 * struct kmemleak_marker - who marks
 * @t: tracker
 * @opt: its options
 * @mark: state shared with other markers
 * @epoch: number of the mark
 * @steps: since the last pause
 * @pieces: pieces of work since the mark began, each from one pause to the next
 * @top: top chunk of the work list, never NULL
 * @spare: one empty chunk, so that a list that breathes needs no allocation
 * @found: objects that a sweep found
 * @candidate: words that may be references to VIRT objects, not looked up yet
 * @nr_candidates: how many
 * @seen: where they lead to; not on the stack, where it would stay behind
 * @words: a page for the words of some memory that may be references
 * @here: the object that is being scanned, NULL: none, or not as it lies
 * @last: the object that was found last, NULL: none
 * @step: 1 or -1: where beside these the next one was found
 * @settled: a page of words whose objects a further reference does not change
 * @sieve: by the bounds when the mark began; who is born later is not white in it
 * @mapped: the tracker's
 * @self: an object whose references to itself do not count, or NULL
 * @reached: objects that references have reached
 * @reached_bytes: their size
 */
struct kmemleak_marker {
	struct kmemleak_tracker *t;
	const struct kmemleak_options *opt;
	struct kmemleak_mark *mark;
	u8 epoch;
	unsigned int steps;
	unsigned long pieces;
	struct chunk *top;
	struct chunk *spare;
	struct kmemleak_ref found[SWEEP_BATCH];
	unsigned long candidate[KMEMLEAK_PEEKS];
	unsigned int nr_candidates;
	struct kmemleak_glimpse seen[KMEMLEAK_PEEKS];
	unsigned long *words;
	struct kmemleak_object *here;
	struct kmemleak_object *last;
	int step;
	unsigned long *settled;
	struct kmemleak_sieve sieve;
	struct kmemleak_bounds mapped;
	const struct kmemleak_object *self;
	unsigned long reached;
	unsigned long reached_bytes;
};

static_assert(sizeof(struct kmemleak_marker) <= PAGE_SIZE);
static_assert(sizeof(struct kmemleak_mark) <= PAGE_SIZE);

static inline int mark_err(const struct kmemleak_marker *m)
{
	return READ_ONCE(m->mark->err);
}

/* Objects or pages scanned between two calls of ops->pause(), if they lead nowhere. */
#define STEPS_PER_PAUSE	64

/* So many words that may be references take as long as a page without any. */
#define WORDS_PER_STEP	8

void kmemleak_mark_pause(struct kmemleak_marker *m);
void kmemleak_mark_check(struct kmemleak_marker *m);

/* After each object or page: now and then, others get their turn, and work. */
static inline void mark_step(struct kmemleak_marker *m)
{
	if (++m->steps >= STEPS_PER_PAUSE)
		kmemleak_mark_pause(m);
}

/* mark.c */
void kmemleak_mark_push_slowly(struct kmemleak_marker *m, struct kmemleak_ref ref);
bool kmemleak_mark_make_room(struct kmemleak_marker *m);

/* Queues an object whose scanned is set; without room, a sweep will find it. */
static __always_inline void kmemleak_mark_push(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	struct chunk *top = m->top;

	if (likely(top->nr < CHUNK_REFS))
		top->ref[top->nr++] = ref;
	else
		kmemleak_mark_push_slowly(m, ref);
	/* It may be scanned soon; no harm if there is nothing. */
	prefetch((const void *)ref.start);
}

/* copies.c */
void kmemleak_copies_fill(struct kmemleak_tracker *t, struct kmemleak_copies *c);
void kmemleak_copies_visit(struct kmemleak_marker *m, unsigned long addr,
			   void (*visit)(struct kmemleak_marker *m, unsigned long ptr));

/* work.c */
struct kmemleak_marker *kmemleak_marker_new(struct kmemleak_tracker *t, struct kmemleak_mark *mark);
void kmemleak_marker_free(struct kmemleak_marker *m);
void kmemleak_work_share(struct kmemleak_marker *m);
void kmemleak_work_finish(struct kmemleak_marker *m);
void kmemleak_work_end(struct kmemleak_mark *mark);

#endif /* _KMEMLEAK_MARK_H */
