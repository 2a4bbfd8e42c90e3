// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several markers: how work gets from one to another, and when all are done.
 *
 * Each marker has a list of its own. Who has much of it, while another has none,
 * puts a chunk on the mark's pile. Helpers come when there is something for them
 * and stay until the first marker, which alone knows of roots and sweeps, says
 * that nothing more will come.
 */
#include "mark.h"

/* Half of a list of so many is worth the way to another CPU. */
#define SHARE_REFS	32

/* ------------------------------------------------------------- markers -- */

void kmemleak_marker_free(struct kmemleak_marker *m)
{
	struct kmemleak_tracker *t = m->t;
	struct chunk *c = m->top, *below;

	for (; c; c = below) {
		below = c->below;
		t->ops->page_free(t, c, 0);
	}
	if (m->spare)
		t->ops->page_free(t, m->spare, 0);
	if (m->words)
		t->ops->page_free(t, m->words, 0);
	if (m->settled)
		t->ops->page_free(t, m->settled, 0);
	t->ops->page_free(t, m, 0);
}

struct kmemleak_marker *kmemleak_marker_new(struct kmemleak_tracker *t, struct kmemleak_mark *mark)
{
	struct kmemleak_marker *m = t->ops->page_alloc(t, 0, KMEMLEAK_GFP);

	if (!m)
		return NULL;
	m->t = t;
	m->mark = mark;
	m->step = 1;
	m->words = t->ops->page_alloc(t, 0, KMEMLEAK_GFP);
	m->settled = t->ops->page_alloc(t, 0, KMEMLEAK_GFP);
	if (m->words && m->settled && kmemleak_mark_make_room(m))
		return m;
	kmemleak_marker_free(m);
	return NULL;
}

/* One more marker, if that is wanted and there is memory for it. */
static void call_helper(struct kmemleak_marker *first)
{
	struct kmemleak_mark *mark = first->mark;
	struct kmemleak_tracker *t = first->t;
	struct kmemleak_marker *m;

	if (mark->nr_helpers + 1 >= min_t(unsigned int, first->opt->workers, KMEMLEAK_MAX_WORKERS))
		return;
	m = kmemleak_marker_new(t, mark);
	if (!m)
		return;
	m->opt = first->opt;
	m->epoch = first->epoch;
	m->sieve = first->sieve;
	m->mapped = first->mapped;
	mark->helper[mark->nr_helpers++] = m;
	t->ops->spawn(t, m);
}

/* ------------------------------------------------------------- sharing -- */

/* Gives away the older half of a marker's list: older entries usually lead to more work. */
static struct chunk *split_list(struct kmemleak_marker *m)
{
	struct chunk *c = m->top->below, *top = m->top;
	unsigned long half = top->nr / 2;

	if (c) {
		top->below = c->below;
		return c;
	}
	if (top->nr < SHARE_REFS)
		return NULL;
	c = m->spare ?: m->t->ops->page_alloc(m->t, 0, KMEMLEAK_GFP);
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
 * kmemleak_work_share() - leave something to others, if they have nothing
 * @m: a marker at work
 *
 * Context: process, nothing held.
 */
void kmemleak_work_share(struct kmemleak_marker *m)
{
	struct kmemleak_mark *mark = m->mark;
	unsigned long irq;
	struct chunk *c;

	if (m->opt->workers < 2 || !m->t->ops->spawn || READ_ONCE(mark->done))
		return;
	/* Stale answers cost a piece of work given too early or too late. */
	if (READ_ONCE(mark->pile))
		return;
	if (!READ_ONCE(mark->idle)) {
		if (m != mark->first || !m->top->below)
			return;
		call_helper(m);
	}
	c = split_list(m);
	if (!c)
		return;
	raw_spin_lock_irqsave(&mark->lock, irq);
	c->below = mark->pile;
	WRITE_ONCE(mark->pile, c);
	raw_spin_unlock_irqrestore(&mark->lock, irq);
	m->t->ops->wake(m->t);
}

/* A marker whose own list is empty goes on with this one. */
static void adopt(struct kmemleak_marker *m, struct chunk *c)
{
	struct chunk *old = m->top;

	c->below = NULL;
	m->top = c;
	if (m->spare)
		m->t->ops->page_free(m->t, old, 0);
	else
		m->spare = old;
}

/**
 * kmemleak_mark_ready() - is there a reason to wait no longer?
 * @m: a marker that waits
 *
 * Context: any; a hint, looked at again under the lock.
 */
bool kmemleak_mark_ready(const struct kmemleak_marker *m)
{
	const struct kmemleak_mark *mark = m->mark;

	if (READ_ONCE(mark->pile) || mark_err(m))
		return true;
	return m == mark->first ? READ_ONCE(mark->idle) == READ_ONCE(mark->nr) :
				  READ_ONCE(mark->done);
}

/*
 * More work for a marker whose list is empty, as soon as there is some. Return:
 * false if there will be none: for the first marker, when nobody has any; for a
 * helper, when the mark is over; for all, when it is cut short.
 */
static bool await(struct kmemleak_marker *m)
{
	struct kmemleak_mark *mark = m->mark;
	bool idle = false, first = m == mark->first;

	for (;;) {
		bool over, quiet;
		unsigned long irq;
		struct chunk *c;

		raw_spin_lock_irqsave(&mark->lock, irq);
		c = mark_err(m) ? NULL : mark->pile;
		if (c)
			WRITE_ONCE(mark->pile, c->below);
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
			adopt(m, c);
		if (c || over)
			return c;
		if (quiet)
			m->t->ops->wake(m->t);
		m->t->ops->wait(m->t, m);
		/* Only the scan's own task is told to stop. */
		if (first)
			kmemleak_mark_check(m);
	}
}

/**
 * kmemleak_work_finish() - scan all that any marker has queued
 * @m: the first marker
 *
 * Context: process, nothing held.
 */
void kmemleak_work_finish(struct kmemleak_marker *m)
{
	do {
		kmemleak_mark_drain(m);
	} while (!mark_err(m) && await(m));
}

/**
 * kmemleak_mark_help() - be a marker
 * @m: as given to ops->spawn()
 *
 * Context: process, may sleep. Returns when the mark is over.
 */
void kmemleak_mark_help(struct kmemleak_marker *m)
{
	struct kmemleak_mark *mark = m->mark;
	unsigned long irq;
	bool late;

	raw_spin_lock_irqsave(&mark->lock, irq);
	late = mark->done;
	if (!late)
		WRITE_ONCE(mark->nr, mark->nr + 1);
	raw_spin_unlock_irqrestore(&mark->lock, irq);
	while (!late && await(m))
		kmemleak_mark_drain(m);
}

/**
 * kmemleak_work_end() - send the helpers away
 * @mark: the mark
 *
 * Context: process, nothing held. Afterwards only the first marker is left.
 */
void kmemleak_work_end(struct kmemleak_mark *mark)
{
	struct kmemleak_tracker *t = mark->first->t;
	unsigned long irq;
	struct chunk *c;

	raw_spin_lock_irqsave(&mark->lock, irq);
	WRITE_ONCE(mark->done, true);
	raw_spin_unlock_irqrestore(&mark->lock, irq);
	if (mark->nr_helpers) {
		t->ops->wake(t);
		t->ops->join(t);
	}
	while (mark->nr_helpers)
		kmemleak_marker_free(mark->helper[--mark->nr_helpers]);
	/* A mark that was cut short leaves chunks on the pile. */
	while ((c = mark->pile)) {
		mark->pile = c->below;
		t->ops->page_free(t, c, 0);
	}
}
