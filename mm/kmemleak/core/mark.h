/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marking: what do the roots reach? One mark of a tracker at a time.
 *
 * A mark begins, scans the roots, and runs until all objects that they reach are black.
 * Objects that are white then stay white until the mark is continued or the next one begins.
 *
 * Context of all functions, unless they say otherwise: process, may sleep, no lock held.
 * Return of functions that return an error: 0, or the error of ops->pause() that the mark
 * ends with.
 */
#ifndef _KMEMLEAK_MARK_H
#define _KMEMLEAK_MARK_H

#include "tracker.h"

/* Greatest number of markers of one mark. */
#define KMEMLEAK_MAX_WORKERS	16

/* Flags of kmemleak_mark_begin(). */
#define KMEMLEAK_MARK_FIRST		BIT(0)	/* the first mark of a scan */
#define KMEMLEAK_MARK_DEFER_RUNNING	BIT(1)	/* leave stacks of running tasks to a stop */

/* mark_pass.c: a mark from begin to end. */
struct kmemleak_marker *kmemleak_mark_begin(struct kmemleak_tracker *t,
					    const struct kmemleak_options *opt,
					    unsigned int flags);
int kmemleak_mark_run(struct kmemleak_marker *m);
int kmemleak_mark_run_stopped(struct kmemleak_marker *m, const struct kmemleak_ops *ops);
int kmemleak_mark_continue(struct kmemleak_marker *m);
int kmemleak_mark_object(struct kmemleak_marker *m, struct kmemleak_ref ref);
unsigned int kmemleak_mark_next_to_judge(struct kmemleak_marker *m,
					 struct kmemleak_pool_cursor *cursor,
					 struct kmemleak_ref *refs, unsigned int max);
void kmemleak_mark_newborns_end(struct kmemleak_tracker *t);
void kmemleak_mark_end(struct kmemleak_marker *m);

/* mark.c: for ops->roots(). */
const struct kmemleak_options *kmemleak_mark_options(const struct kmemleak_marker *m);
bool kmemleak_mark_is_stopped(const struct kmemleak_marker *m);
bool kmemleak_mark_defers_running(const struct kmemleak_marker *m);
int kmemleak_mark_range(struct kmemleak_marker *m, unsigned long start, unsigned long end);
int kmemleak_mark_range_no_drain(struct kmemleak_marker *m, unsigned long start,
				 unsigned long end);
long kmemleak_mark_filter_words(struct kmemleak_marker *m, long nr, unsigned long start,
				size_t len);
int kmemleak_mark_words(struct kmemleak_marker *m, long nr);
void kmemleak_mark_drain(struct kmemleak_marker *m);
int kmemleak_mark_poll(struct kmemleak_marker *m);

/* mark.c: for the judge, and for leak_group.c. */
unsigned long kmemleak_mark_pieces(const struct kmemleak_marker *m);
unsigned long kmemleak_mark_reached(const struct kmemleak_marker *m, unsigned long *bytes);
int kmemleak_mark_children(struct kmemleak_marker *m, struct kmemleak_ref ref);
void kmemleak_mark_whiten(struct kmemleak_marker *m, struct kmemleak_ref ref, unsigned int count);
void kmemleak_mark_clear_word_cache(struct kmemleak_marker *m);

/* worklist.c: for ops->spawn() and ops->wait(). */
void kmemleak_worklist_help(struct kmemleak_marker *m);
bool kmemleak_worklist_is_ready(const struct kmemleak_marker *m);

#endif /* _KMEMLEAK_MARK_H */
