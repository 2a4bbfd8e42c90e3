// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opaque memory: blocks that could not be recorded, because no entry was to be
 * had or because they overlap another block. They are scanned as roots, which
 * can hide leaks behind them but never makes a false report. The table has a
 * fixed size; when it is full, the two ranges with the least memory between
 * them become one.
 */
#include "kmemleak.h"

static void remove_at(struct kmemleak_opaque *o, unsigned int i)
{
	o->nr--;
	memmove(&o->range[i], &o->range[i + 1], (o->nr - i) * sizeof(o->range[0]));
}

/* Joins range i with the one behind it. */
static void join_next(struct kmemleak_opaque *o, unsigned int i)
{
	o->range[i].end = max(o->range[i].end, o->range[i + 1].end);
	o->range[i].blocks += o->range[i + 1].blocks;
	remove_at(o, i + 1);
}

static void make_room(struct kmemleak_tracker *t)
{
	struct kmemleak_opaque *o = &t->opaque;
	unsigned long best_gap = ULONG_MAX;
	unsigned int i, best = 0;

	for (i = 0; i + 1 < o->nr; i++) {
		unsigned long gap = o->range[i + 1].start - o->range[i].end;

		/* What lies between two classes is no memory. */
		if (kmemleak_index_class(&t->index, o->range[i].start) !=
		    kmemleak_index_class(&t->index, o->range[i + 1].start))
			continue;
		if (gap < best_gap) {
			best_gap = gap;
			best = i;
		}
	}
	join_next(o, best);
}

/**
 * kmemleak_opaque_add() - a block was lost
 * @t: tracker
 * @start: first byte
 * @end: first byte behind it
 *
 * Context: any but NMI.
 */
void kmemleak_opaque_add(struct kmemleak_tracker *t, unsigned long start, unsigned long end)
{
	struct kmemleak_opaque *o = &t->opaque;
	unsigned long irq;
	unsigned int i;

	raw_spin_lock_irqsave(&t->opaque_lock, irq);
	if (o->nr == ARRAY_SIZE(o->range))
		make_room(t);
	for (i = 0; i < o->nr && o->range[i].end < start; i++)
		;
	if (i == o->nr || end < o->range[i].start) {
		memmove(&o->range[i + 1], &o->range[i], (o->nr - i) * sizeof(o->range[0]));
		o->range[i] = (struct kmemleak_range){ start, end, 1 };
		/* Pairs with the free hook, which only wants to know "any at all?". */
		WRITE_ONCE(o->nr, o->nr + 1);
	} else {
		o->range[i].start = min(o->range[i].start, start);
		o->range[i].end = max(o->range[i].end, end);
		o->range[i].blocks++;
		while (i + 1 < o->nr && o->range[i + 1].start <= o->range[i].end)
			join_next(o, i);
	}
	raw_spin_unlock_irqrestore(&t->opaque_lock, irq);
}

/**
 * kmemleak_opaque_remove() - an unrecorded block was freed
 * @t: tracker
 * @addr: its start
 *
 * The range goes with its last block.
 *
 * Context: any but NMI.
 * Return: whether @addr is opaque.
 */
bool kmemleak_opaque_remove(struct kmemleak_tracker *t, unsigned long addr)
{
	struct kmemleak_opaque *o = &t->opaque;
	unsigned long irq;
	bool found = false;
	unsigned int i;

	if (!READ_ONCE(o->nr))
		return false;
	raw_spin_lock_irqsave(&t->opaque_lock, irq);
	for (i = 0; i < o->nr; i++) {
		if (addr < o->range[i].start || addr >= o->range[i].end)
			continue;
		found = true;
		if (!--o->range[i].blocks)
			remove_at(o, i);
		break;
	}
	raw_spin_unlock_irqrestore(&t->opaque_lock, irq);
	return found;
}

/**
 * kmemleak_opaque_cut() - part of an unrecorded block was freed
 * @t: tracker
 * @start: first byte
 * @end: first byte behind it
 *
 * Ranges shrink from their ends and go when nothing is left; a hole in the
 * middle of one stays opaque.
 *
 * Context: any but NMI.
 * Return: whether any of it is opaque.
 */
bool kmemleak_opaque_cut(struct kmemleak_tracker *t, unsigned long start, unsigned long end)
{
	struct kmemleak_opaque *o = &t->opaque;
	unsigned long irq;
	bool found = false;
	unsigned int i = 0;

	if (!READ_ONCE(o->nr))
		return false;
	raw_spin_lock_irqsave(&t->opaque_lock, irq);
	while (i < o->nr) {
		struct kmemleak_range *r = &o->range[i];

		if (end <= r->start || start >= r->end) {
			i++;
			continue;
		}
		found = true;
		if (start <= r->start)
			r->start = min(end, r->end);
		else if (end >= r->end)
			r->end = start;
		if (r->start == r->end)
			remove_at(o, i);
		else
			i++;
	}
	raw_spin_unlock_irqrestore(&t->opaque_lock, irq);
	return found;
}

/**
 * kmemleak_opaque_next() - opaque ranges in ascending order
 * @t: tracker
 * @from: only ranges that end behind this
 * @range: filled in; start is at least @from
 *
 * Context: any but NMI.
 * Return: false if there is none.
 */
bool kmemleak_opaque_next(struct kmemleak_tracker *t, unsigned long from,
			  struct kmemleak_range *range)
{
	struct kmemleak_opaque *o = &t->opaque;
	unsigned long irq;
	bool found = false;
	unsigned int i;

	if (!READ_ONCE(o->nr))
		return false;
	raw_spin_lock_irqsave(&t->opaque_lock, irq);
	for (i = 0; i < o->nr && !found; i++) {
		if (o->range[i].end <= from)
			continue;
		*range = o->range[i];
		range->start = max(range->start, from);
		found = true;
	}
	raw_spin_unlock_irqrestore(&t->opaque_lock, irq);
	return found;
}
