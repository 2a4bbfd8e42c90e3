// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several markers: how work gets from one marker to another, and when all are done.
 *
 * Each marker has its own work list. A marker that has much work, while another marker has
 * none, puts a chunk on the mark's shared list. Helpers start when there is work for them.
 * Only the first marker scans roots and makes passes. The helpers stay until the first
 * marker tells them that no more work will come.
 */
#include "worklist.h"

/* A list with fewer entries is not split: the move to another CPU would cost more. */
#define SHARE_REFS	32

/* ----------------------------------------------------------- work list -- */

/* Puts a new chunk on top of the list. Return: false if there is no memory for it. */
bool kmemleak_worklist_make_room(struct kmemleak_marker *m)
{
	struct work_chunk *c = m->spare;

	if (!c)
		c = m->mark->ops->page_alloc(m->t, 0, KMEMLEAK_GFP);
	if (!c)
		return false;
	m->spare = NULL;
	c->nr = 0;
	c->below = m->top;
	m->top = c;
	return true;
}

/* Clears the scanned bit of the object that is in this entry now, so that a pass finds it. */
void kmemleak_worklist_request_rescan(struct kmemleak_tracker *t, struct kmemleak_object *obj)
{
	kmemleak_colour_set(obj, scanned, 0);
	kmemleak_request_pass(t);
}

/* kmemleak_worklist_push() if the top chunk is full. */
void kmemleak_worklist_push_slow(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	if (kmemleak_worklist_make_room(m)) {
		m->top->ref[m->top->nr++] = ref;
		return;
	}
	kmemleak_count(m->t, KMEMLEAK_CNT_MARK_OVERFLOW);
	kmemleak_worklist_request_rescan(m->t, ref.obj);
	WRITE_ONCE(m->mark->lost, true);
}

bool kmemleak_worklist_pop(struct kmemleak_marker *m, struct kmemleak_ref *ref)
{
	while (!m->top->nr) {
		struct work_chunk *empty = m->top;

		if (!empty->below)
			return false;
		m->top = empty->below;
		if (m->spare)
			m->mark->ops->page_free(m->t, empty, 0);
		else
			m->spare = empty;
	}
	*ref = m->top->ref[--m->top->nr];
	return true;
}

/* ------------------------------------------------------------- markers -- */

void kmemleak_worklist_free_marker(struct kmemleak_marker *m)
{
	const struct kmemleak_ops *ops = m->mark->ops;
	struct kmemleak_tracker *t = m->t;
	struct work_chunk *c = m->top, *below;

	for (; c; c = below) {
		below = c->below;
		ops->page_free(t, c, 0);
	}
	if (m->spare)
		ops->page_free(t, m->spare, 0);
	if (m->words)
		ops->page_free(t, m->words, 0);
	if (m->word_cache)
		ops->page_free(t, m->word_cache, 0);
	ops->page_free(t, m, 0);
}

struct kmemleak_marker *kmemleak_worklist_new_marker(struct kmemleak_tracker *t,
						     struct kmemleak_mark *mark)
{
	struct kmemleak_marker *m = mark->ops->page_alloc(t, 0, KMEMLEAK_GFP);

	if (!m)
		return NULL;
	m->t = t;
	m->mark = mark;
	m->stride = 1;
	m->words = mark->ops->page_alloc(t, 0, KMEMLEAK_GFP);
	m->word_cache = mark->ops->page_alloc(t, 0, KMEMLEAK_GFP);
	if (m->words && m->word_cache && kmemleak_worklist_make_room(m))
		return m;
	kmemleak_worklist_free_marker(m);
	return NULL;
}

/* Starts one more marker, if the options allow it and there is memory for it. */
static void start_helper(struct kmemleak_marker *first)
{
	struct kmemleak_mark *mark = first->mark;
	struct kmemleak_tracker *t = first->t;
	struct kmemleak_marker *m;

	if (mark->nr_helpers + 1 >= min_t(unsigned int, first->opt->workers, KMEMLEAK_MAX_WORKERS))
		return;
	m = kmemleak_worklist_new_marker(t, mark);
	if (!m)
		return;
	m->opt = first->opt;
	m->epoch = first->epoch;
	m->filter = first->filter;
	m->mapped = first->mapped;
	mark->helper[mark->nr_helpers++] = m;
	mark->ops->spawn(t, m);
}

/* ------------------------------------------------------------- sharing -- */

/*
 * Takes a chunk of work from a marker's list: the chunk below the top, else the older half of
 * the top chunk. Older entries usually lead to more work. Return: NULL if the list is too
 * short, or if there is no memory.
 */
static struct work_chunk *split_worklist(struct kmemleak_marker *m)
{
	struct work_chunk *c = m->top->below, *top = m->top;
	unsigned long half = top->nr / 2;

	if (c) {
		top->below = c->below;
		return c;
	}
	if (top->nr < SHARE_REFS)
		return NULL;
	c = m->spare ?: m->mark->ops->page_alloc(m->t, 0, KMEMLEAK_GFP);
	m->spare = NULL;
	if (!c)
		return NULL;
	c->nr = half;
	memcpy(c->ref, top->ref, half * sizeof(c->ref[0]));
	top->nr -= half;
	memmove(top->ref, top->ref + half, top->nr * sizeof(top->ref[0]));
	return c;
}

/**
 * kmemleak_worklist_share() - give work to other markers, if they have none
 * @m: a marker that works
 *
 * Context: process, no lock held.
 */
void kmemleak_worklist_share(struct kmemleak_marker *m)
{
	struct kmemleak_mark *mark = m->mark;
	unsigned long irq;
	struct work_chunk *c;

	if (m->opt->workers < 2 || !mark->ops->spawn || READ_ONCE(mark->done))
		return;
	/* Hints. If one is stale, work is shared a piece too early or too late. */
	if (READ_ONCE(mark->shared))
		return;
	if (!READ_ONCE(mark->idle)) {
		if (m != mark->first || !m->top->below)
			return;
		start_helper(m);
	}
	c = split_worklist(m);
	if (!c)
		return;
	raw_spin_lock_irqsave(&mark->lock, irq);
	c->below = mark->shared;
	WRITE_ONCE(mark->shared, c);
	raw_spin_unlock_irqrestore(&mark->lock, irq);
	m->mark->ops->wake(m->t);
}

/* Makes a shared chunk the work list of a marker. The marker's own list is empty. */
static void adopt_chunk(struct kmemleak_marker *m, struct work_chunk *c)
{
	struct work_chunk *old = m->top;

	c->below = NULL;
	m->top = c;
	if (m->spare)
		m->mark->ops->page_free(m->t, old, 0);
	else
		m->spare = old;
}

/**
 * kmemleak_worklist_is_ready() - must a marker check for work again?
 * @m: a marker that waits
 *
 * Context: any. The answer is a hint: await_work() checks again under the lock.
 * Return: true if there is work, or if there will be none.
 */
bool kmemleak_worklist_is_ready(const struct kmemleak_marker *m)
{
	const struct kmemleak_mark *mark = m->mark;

	if (READ_ONCE(mark->shared) || mark_err(m))
		return true;
	return m == mark->first ? READ_ONCE(mark->idle) == READ_ONCE(mark->nr) :
				  READ_ONCE(mark->done);
}

/*
 * Waits for work: the marker's list is empty. Return: true when the marker has work;
 * false if there will be none. For the first marker that is when no marker has any work,
 * for a helper when the mark is over, for both when the mark ends early.
 */
static bool await_work(struct kmemleak_marker *m)
{
	struct kmemleak_mark *mark = m->mark;
	bool idle = false, first = m == mark->first;

	for (;;) {
		bool over, quiet;
		unsigned long irq;
		struct work_chunk *c;

		raw_spin_lock_irqsave(&mark->lock, irq);
		c = mark_err(m) ? NULL : mark->shared;
		if (c)
			WRITE_ONCE(mark->shared, c->below);
		if (idle != !c) {
			idle = !c;
			WRITE_ONCE(mark->idle, idle ? mark->idle + 1 : mark->idle - 1);
		}
		quiet = mark->idle == mark->nr;
		over = !c && (mark_err(m) || (first ? quiet : mark->done));
		if (over) {
			WRITE_ONCE(mark->idle, mark->idle - 1);
			if (!first)
				WRITE_ONCE(mark->nr, mark->nr - 1);
		}
		raw_spin_unlock_irqrestore(&mark->lock, irq);

		if (c)
			adopt_chunk(m, c);
		if (c || over)
			return c;
		if (quiet)
			m->mark->ops->wake(m->t);
		m->mark->ops->wait(m->t, m);
		/* Only the task that scans is told to end, so it also checks here. */
		if (first)
			kmemleak_mark_check(m);
	}
}

/**
 * kmemleak_worklist_finish() - scan all objects that any marker has queued
 * @m: the first marker
 *
 * Context: process, no lock held.
 */
void kmemleak_worklist_finish(struct kmemleak_marker *m)
{
	do {
		kmemleak_mark_drain(m);
	} while (!mark_err(m) && await_work(m));
}

/**
 * kmemleak_worklist_help() - mark as a helper
 * @m: the marker that ops->spawn() got
 *
 * Context: process, may sleep. Returns when the mark is over.
 */
void kmemleak_worklist_help(struct kmemleak_marker *m)
{
	struct kmemleak_mark *mark = m->mark;
	unsigned long irq;
	bool late;

	raw_spin_lock_irqsave(&mark->lock, irq);
	late = mark->done;
	if (!late)
		WRITE_ONCE(mark->nr, mark->nr + 1);
	raw_spin_unlock_irqrestore(&mark->lock, irq);
	while (!late && await_work(m))
		kmemleak_mark_drain(m);
}

/**
 * kmemleak_worklist_end() - make the helpers leave, and wait for them
 * @mark: the mark
 *
 * Afterwards only the first marker is left.
 *
 * Context: process, no lock held.
 */
void kmemleak_worklist_end(struct kmemleak_mark *mark)
{
	struct kmemleak_tracker *t = mark->first->t;
	unsigned long irq;
	struct work_chunk *c;

	raw_spin_lock_irqsave(&mark->lock, irq);
	WRITE_ONCE(mark->done, true);
	raw_spin_unlock_irqrestore(&mark->lock, irq);
	if (mark->nr_helpers) {
		mark->ops->wake(t);
		mark->ops->join(t);
	}
	while (mark->nr_helpers)
		kmemleak_worklist_free_marker(mark->helper[--mark->nr_helpers]);
	/* A mark that ended early leaves chunks on the shared list. */
	while ((c = mark->shared)) {
		mark->shared = c->below;
		mark->ops->page_free(t, c, 0);
	}
}
