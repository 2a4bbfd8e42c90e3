/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The inside of a mark: the data that markers share, and their work lists. Only for mark.c,
 * mark_pass.c and worklist.c.
 */
#ifndef _KMEMLEAK_WORKLIST_H
#define _KMEMLEAK_WORKLIST_H

#include "index_lockless.h"
#include "mark.h"
#include "percpu.h"
#include "word_filter.h"

/* Objects that a pass collects before they are scanned. */
#define PASS_BATCH	64

/* A page of a work list. */
struct work_chunk {
	struct work_chunk *below;
	unsigned long nr;
	struct kmemleak_ref ref[];
};

#define CHUNK_REFS	((PAGE_SIZE - sizeof(struct work_chunk)) / sizeof(struct kmemleak_ref))

static_assert(PASS_BATCH <= CHUNK_REFS);

/* How far a mark is, and which objects can still be white or gray then. */
enum kmemleak_mark_phase {
	/* Roots are being scanned. A white object may still be reached. */
	KMEMLEAK_MARK_ROOTS,
	/*
	 * All roots outside of the index were scanned. Each gray object is in a work list,
	 * or the running or the next pass finds it.
	 */
	KMEMLEAK_MARK_PASS,
	/*
	 * No gray object is left, unless MAX_PASSES ended the mark. An object that is white now
	 * was white when the last pass visited it.
	 */
	KMEMLEAK_MARK_DONE,
};

/**
 * struct kmemleak_mark - the data that the markers of one mark share
 * @ops: the tracker's, or those of a stop
 * @stopped: all CPUs are stopped
 * @flags: KMEMLEAK_MARK_FIRST, KMEMLEAK_MARK_DEFER_RUNNING
 * @phase: how far the mark is; only the first marker writes it
 * @lock: raw. Guards @shared, @nr, @idle and @done
 * @shared: chunks that any marker may take. Also read without the lock, as a hint
 * @nr: number of markers, at work or idle. Also read without the lock, as a hint
 * @idle: number of markers that wait for a chunk. Also read without the lock, as a hint
 * @done: helpers must leave
 * @err: error of ops->pause() that ends the mark, or 0. Any marker writes it, all check it
 *	now and then
 * @lost: since the last pass began, a work list had no room for some object
 * @scan_again: the running pass also scans objects that were scanned before. Only the
 *	first marker writes it.
 * @to_judge: objects that the judge must look at, as the last pass found them. Only the
 *	first marker writes it.
 * @nr_to_judge: number of pages in @to_judge
 * @to_judge_complete: there was room for all of them
 * @first: the marker of the task that scans
 * @helper: the other markers
 * @nr_helpers: number of @helper
 * @percpu_map: does not change while there are helpers
 */
struct kmemleak_mark {
	const struct kmemleak_ops *ops;
	bool stopped;
	unsigned int flags;
	enum kmemleak_mark_phase phase;
	raw_spinlock_t lock;
	struct work_chunk *shared;
	unsigned int nr;
	unsigned int idle;
	bool done;
	int err;
	bool lost;
	bool scan_again;
	struct work_chunk *to_judge;
	unsigned int nr_to_judge;
	bool to_judge_complete;
	struct kmemleak_marker *first;
	struct kmemleak_marker *helper[KMEMLEAK_MAX_WORKERS - 1];
	unsigned int nr_helpers;
	struct kmemleak_percpu_map percpu_map;
};

/*
 * The word cache has words that were followed and need not be followed again in this mark,
 * see mark_seen_object().
 */
#define WORD_CACHE_BITS	9

static_assert(sizeof(unsigned long) << WORD_CACHE_BITS <= PAGE_SIZE);

/**
 * struct kmemleak_marker - a task that marks
 * @t: tracker
 * @opt: options of the scan
 * @mark: the data that all markers share
 * @epoch: number of the mark
 * @steps: steps since the last pause
 * @pieces: pieces of work since the mark began; a piece lasts from one pause to the next
 * @top: top chunk of the work list, never NULL
 * @spare: an empty chunk or NULL. A list that grows and shrinks around a chunk boundary
 *	needs no allocations.
 * @found: objects that a pass found
 * @candidate: words that can be references to virtual objects, not looked up yet
 * @nr_candidates: number of @candidate
 * @seen: results of their look-ups. Not on the stack: the addresses in them would stay there
 *	after the function returns, and a later scan would take them for references.
 * @words: a page for filtered words
 * @current_object: the object that is being scanned; NULL: none, or not in one piece
 * @last: the object that was found last, NULL: none
 * @stride: 1 or -1: guess_beside() tries the entry on this side of @current_object and @last
 *	first, because its last guess was right there
 * @word_cache: a page, see WORD_CACHE_BITS
 * @filter: from the bounds when the mark began. Objects born later are not white.
 * @mapped: the tracker's mapped range
 * @self: an object whose references to itself do not count, or NULL
 * @reached: number of objects that references have reached
 * @reached_bytes: size of these objects
 */
struct kmemleak_marker {
	struct kmemleak_tracker *t;
	const struct kmemleak_options *opt;
	struct kmemleak_mark *mark;
	u8 epoch;
	unsigned int steps;
	unsigned long pieces;
	struct work_chunk *top;
	struct work_chunk *spare;
	struct kmemleak_ref found[PASS_BATCH];
	unsigned long candidate[KMEMLEAK_LOOKUPS];
	unsigned int nr_candidates;
	struct kmemleak_lookup_result seen[KMEMLEAK_LOOKUPS];
	unsigned long *words;
	struct kmemleak_object *current_object;
	struct kmemleak_object *last;
	int stride;
	unsigned long *word_cache;
	struct kmemleak_word_filter filter;
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

/* Objects or pages scanned between two pauses, if they contain no references. */
#define STEPS_PER_PAUSE	64

/* To follow this many words takes about as long as to filter a page without references. */
#define WORDS_PER_STEP	8

/* mark.c */
int kmemleak_mark_opaque(struct kmemleak_marker *m, const struct kmemleak_block *block);
void kmemleak_mark_pause(struct kmemleak_marker *m);
void kmemleak_mark_check(struct kmemleak_marker *m);

/* Called after each object or page. Now and then other tasks get CPU time, other markers work. */
static inline void mark_step(struct kmemleak_marker *m)
{
	if (++m->steps >= STEPS_PER_PAUSE)
		kmemleak_mark_pause(m);
}

/* worklist.c */
struct kmemleak_marker *kmemleak_worklist_new_marker(struct kmemleak_tracker *t,
						     struct kmemleak_mark *mark);
void kmemleak_worklist_free_marker(struct kmemleak_marker *m);
bool kmemleak_worklist_make_room(struct kmemleak_marker *m);
void kmemleak_worklist_push_slow(struct kmemleak_marker *m, struct kmemleak_ref ref);
bool kmemleak_worklist_pop(struct kmemleak_marker *m, struct kmemleak_ref *ref);
void kmemleak_worklist_request_rescan(struct kmemleak_tracker *t, struct kmemleak_object *obj);
void kmemleak_worklist_share(struct kmemleak_marker *m);
void kmemleak_worklist_finish(struct kmemleak_marker *m);
void kmemleak_worklist_end(struct kmemleak_mark *mark);

/* Queues an object whose scanned bit is set. Without room, a pass will find it. */
static __always_inline void kmemleak_worklist_push(struct kmemleak_marker *m,
						   struct kmemleak_ref ref)
{
	struct work_chunk *top = m->top;

	if (likely(top->nr < CHUNK_REFS))
		top->ref[top->nr++] = ref;
	else
		kmemleak_worklist_push_slow(m, ref);
	/* The object may be scanned soon. A prefetch of a bad address does no harm. */
	prefetch((const void *)ref.start);
}

#endif /* _KMEMLEAK_WORKLIST_H */
