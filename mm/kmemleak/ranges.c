// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opaque memory: blocks that have no object, because no entry was to be had or
 * because they overlap another block. Each mark scans them as roots. That can hide
 * leaks behind them, but never makes a false report.
 *
 * Each such block has a note of its own, so nothing beside it is a root, and its
 * note ends when that block is freed and not before. The notes are a table that is
 * there before memory is short. A hash by start finds one; a free that finds none
 * takes no lock.
 *
 * A block that finds no room in the table is only counted, in @missed. Nobody can
 * tell any more what it points at, so the verdict reports nothing as long as that
 * is not 0; see kmemleak_opaque_settle().
 */
#include "kmemleak.h"

#define SPACE_BITS	2

static_assert(BIT(SPACE_BITS) >= KMEMLEAK_NR_SPACES);

/* Notes looked at in one go with interrupts off, a few microseconds. */
#define PIECE		512

/* More than a chain has, unless a look-up was led astray by a change. */
#define MAX_STEPS	64

static u32 *chain_of(const struct kmemleak_opaque *o, enum kmemleak_space space,
		     unsigned long start)
{
	return &o->note[hash_long(start ^ space, o->bits)].first;
}

static u32 next_of(u32 link)
{
	return link >> SPACE_BITS;
}

static bool is_for(const struct kmemleak_opaque_note *note, enum kmemleak_space space,
		   unsigned long start)
{
	return READ_ONCE(note->start) == start &&
	       (READ_ONCE(note->link) & (BIT(SPACE_BITS) - 1)) == space;
}

/* Pairs with the statistics. */
static void add_bytes(struct kmemleak_opaque *o, unsigned long bytes)
{
	WRITE_ONCE(o->bytes, o->bytes + bytes);
}

static void use(struct kmemleak_opaque *o, struct kmemleak_opaque_note *note, u32 nr)
{
	o->note = note;
	o->room = nr;
	o->bits = ilog2(nr);
	o->fresh = 1;
}

/**
 * kmemleak_opaque_setup() - make a table that has room for a few blocks
 * @t: tracker
 */
void kmemleak_opaque_setup(struct kmemleak_tracker *t)
{
	struct kmemleak_opaque *o = &t->opaque;

	raw_spin_lock_init(&t->opaque_lock);
	seqcount_init(&o->seq);
	use(o, o->boot, ARRAY_SIZE(o->boot));
}

/* ----------------------------------------------------- one block's note -- */

static void link_locked(struct kmemleak_opaque *o, u32 i, enum kmemleak_space space,
			unsigned long start, size_t size)
{
	struct kmemleak_opaque_note *note = &o->note[i];
	u32 *chain = chain_of(o, space, start);

	/* Pairs with surely_not(), which tries again or takes the lock. */
	raw_write_seqcount_begin(&o->seq);
	WRITE_ONCE(note->start, start);
	WRITE_ONCE(note->link, *chain << SPACE_BITS | space);
	WRITE_ONCE(note->size, size);
	WRITE_ONCE(*chain, i);
	raw_write_seqcount_end(&o->seq);
}

/* Return: whether there was room. */
static bool add_locked(struct kmemleak_opaque *o, enum kmemleak_space space,
		       unsigned long start, size_t size)
{
	u32 i = o->free;

	if (i) {
		o->free = next_of(o->note[i].link);
	} else if (o->fresh < o->room) {
		i = o->fresh;
		/* Pairs with kmemleak_opaque_next(). */
		WRITE_ONCE(o->fresh, i + 1);
	} else {
		return false;
	}
	link_locked(o, i, space, start, size);
	add_bytes(o, size);
	/* Pairs with the look in kmemleak_opaque_remove(). */
	WRITE_ONCE(o->nr, o->nr + 1);
	/* Pairs with mark_opaque(). */
	smp_store_release(&o->added, o->added + 1);
	return true;
}

static u32 find_locked(const struct kmemleak_opaque *o, enum kmemleak_space space,
		       unsigned long start)
{
	u32 i = *chain_of(o, space, start);

	while (i && !is_for(&o->note[i], space, start))
		i = next_of(o->note[i].link);
	return i;
}

static void unlink_locked(struct kmemleak_opaque *o, u32 i)
{
	struct kmemleak_opaque_note *note = &o->note[i];
	enum kmemleak_space space = note->link & (BIT(SPACE_BITS) - 1);
	u32 *chain = chain_of(o, space, note->start), at;

	raw_write_seqcount_begin(&o->seq);
	if (*chain == i) {
		WRITE_ONCE(*chain, next_of(note->link));
	} else {
		for (at = *chain; next_of(o->note[at].link) != i; at = next_of(o->note[at].link))
			;
		WRITE_ONCE(o->note[at].link, next_of(note->link) << SPACE_BITS |
			   (o->note[at].link & (BIT(SPACE_BITS) - 1)));
	}
	raw_write_seqcount_end(&o->seq);
}

static void remove_locked(struct kmemleak_opaque *o, u32 i)
{
	struct kmemleak_opaque_note *note = &o->note[i];

	unlink_locked(o, i);
	add_bytes(o, -note->size);
	WRITE_ONCE(note->size, 0);
	WRITE_ONCE(note->link, o->free << SPACE_BITS);
	o->free = i;
	WRITE_ONCE(o->nr, o->nr - 1);
}

/* Without the lock: is there no such note? Also false if that is not clear. */
static bool surely_not(struct kmemleak_opaque *o, enum kmemleak_space space,
		       unsigned long start)
{
	unsigned int seq = raw_read_seqcount(&o->seq), steps = 0;
	u32 i = READ_ONCE(*chain_of(o, space, start));

	for (; i && steps < MAX_STEPS; steps++) {
		if (is_for(&o->note[i], space, start))
			return false;
		i = next_of(READ_ONCE(o->note[i].link));
	}
	return !i && !(seq & 1) && !read_seqcount_retry(&o->seq, seq);
}

/**
 * kmemleak_opaque_add() - a block has no object
 * @t: tracker
 * @space: of @start
 * @start: first byte
 * @size: bytes
 *
 * Context: any but NMI.
 */
void kmemleak_opaque_add(struct kmemleak_tracker *t, enum kmemleak_space space,
			 unsigned long start, size_t size)
{
	struct kmemleak_opaque *o = &t->opaque;
	unsigned long irq;
	bool fits;
	u32 i;

	raw_spin_lock_irqsave(&t->opaque_lock, irq);
	i = find_locked(o, space, start);
	/* Nobody told of the free of the block that was here before. */
	if (i)
		remove_locked(o, i);
	fits = add_locked(o, space, start, size);
	if (!fits)
		WRITE_ONCE(o->missed, o->missed + 1);
	raw_spin_unlock_irqrestore(&t->opaque_lock, irq);
	if (!fits)
		kmemleak_count(t, KMEMLEAK_CNT_NO_NOTE);
	kmemleak_set_due(t);
}

/**
 * kmemleak_opaque_remove() - a block without an object was freed
 * @t: tracker
 * @space: of @start
 * @start: first byte; any other address is none
 *
 * Context: any but NMI.
 * Return: whether there was a note of it.
 */
bool kmemleak_opaque_remove(struct kmemleak_tracker *t, enum kmemleak_space space,
			    unsigned long start)
{
	struct kmemleak_opaque *o = &t->opaque;
	unsigned long irq;
	u32 i;

	/* Its note was made before its allocation returned, so this sees it. */
	if (!READ_ONCE(o->nr) || surely_not(o, space, start))
		return false;
	raw_spin_lock_irqsave(&t->opaque_lock, irq);
	i = find_locked(o, space, start);
	if (i)
		remove_locked(o, i);
	raw_spin_unlock_irqrestore(&t->opaque_lock, irq);
	return i;
}

/* ---------------------------------------------------------------- parts -- */

/* Takes [start, last] out of a block that has some of it. */
static void cut_locked(struct kmemleak_opaque *o, u32 i, unsigned long start, unsigned long last)
{
	struct kmemleak_opaque_note *note = &o->note[i];
	enum kmemleak_space space = note->link & (BIT(SPACE_BITS) - 1);
	unsigned long block_start = note->start, block_last = block_start + (note->size - 1);

	if (start <= block_start && last >= block_last) {
		remove_locked(o, i);
		return;
	}
	if (start <= block_start) {
		unlink_locked(o, i);
		link_locked(o, i, space, last + 1, block_last - last);
		add_bytes(o, -(last + 1 - block_start));
		return;
	}
	/* Without a note for what is behind it, the hole stays opaque. */
	if (last < block_last && !add_locked(o, space, last + 1, block_last - last))
		return;
	add_bytes(o, -(block_last - start + 1));
	WRITE_ONCE(note->size, start - block_start);
}

static bool overlaps(const struct kmemleak_opaque_note *note, enum kmemleak_space space,
		     unsigned long start, unsigned long last)
{
	return note->size && (note->link & (BIT(SPACE_BITS) - 1)) == space &&
	       note->start <= last && start <= note->start + (note->size - 1);
}

/**
 * kmemleak_opaque_cut() - memory that may be in blocks without an object was freed
 * @t: tracker
 * @space: of @start
 * @start: first byte
 * @size: bytes
 *
 * Looks at every note: for parts of blocks, and for blocks that overlap others.
 *
 * Context: any but NMI.
 * Return: whether any of it was opaque.
 */
bool kmemleak_opaque_cut(struct kmemleak_tracker *t, enum kmemleak_space space,
			 unsigned long start, size_t size)
{
	struct kmemleak_opaque *o = &t->opaque;
	unsigned long irq, last = start + (size - 1);
	bool found = false;
	u32 i = 1, end;

	if (!READ_ONCE(o->nr))
		return false;
	do {
		raw_spin_lock_irqsave(&t->opaque_lock, irq);
		for (end = min(i + PIECE, o->fresh); i < end; i++) {
			if (!overlaps(&o->note[i], space, start, last))
				continue;
			cut_locked(o, i, start, last);
			found = true;
		}
		end = o->fresh;
		raw_spin_unlock_irqrestore(&t->opaque_lock, irq);
	} while (i < end);
	/* What was behind a hole has another note now, where a mark may have passed. */
	if (found)
		kmemleak_set_due(t);
	return found;
}

/* ---------------------------------------------------------------- table -- */

/**
 * kmemleak_opaque_next() - one note after the other
 * @t: tracker
 * @cursor: 0 to begin
 * @block: filled in
 *
 * In no order. A note that stays from the first call to the last is told.
 *
 * Context: any but NMI.
 * Return: false if there are no more.
 */
bool kmemleak_opaque_next(struct kmemleak_tracker *t, u32 *cursor, struct kmemleak_block *block)
{
	struct kmemleak_opaque *o = &t->opaque;
	unsigned long irq;

	/* Pairs with add_locked(). */
	while (READ_ONCE(o->nr) && ++*cursor < READ_ONCE(o->fresh)) {
		struct kmemleak_opaque_note *note = &o->note[*cursor];

		if (!READ_ONCE(note->size))
			continue;
		raw_spin_lock_irqsave(&t->opaque_lock, irq);
		block->space = note->link & (BIT(SPACE_BITS) - 1);
		block->start = note->start;
		block->size = note->size;
		raw_spin_unlock_irqrestore(&t->opaque_lock, irq);
		if (block->size)
			return true;
	}
	return false;
}

/**
 * kmemleak_opaque_start() - room for as many blocks as there can be
 * @t: tracker
 * @order: of the table's pages; less if they cannot be had
 *
 * Context: nobody else uses the tracker.
 * Return: 0, or -ENOMEM; then there is room for a few.
 */
int kmemleak_opaque_start(struct kmemleak_tracker *t, int order)
{
	struct kmemleak_opaque *o = &t->opaque;
	struct kmemleak_opaque_note *table = NULL;
	u32 i, nr = o->fresh;

	if (o->note != o->boot)
		return 0;
	for (; order >= 0 && !table; order--) {
		table = t->ops->page_alloc(t, order, KMEMLEAK_GFP);
		o->order = order;
	}
	if (!table)
		return -ENOMEM;
	use(o, table, (PAGE_SIZE << o->order) / sizeof(*table));
	o->nr = 0;
	o->bytes = 0;
	o->free = 0;
	for (i = 1; i < nr; i++) {
		struct kmemleak_opaque_note *note = &o->boot[i];

		if (note->size)
			add_locked(o, note->link & (BIT(SPACE_BITS) - 1), note->start, note->size);
	}
	return 0;
}

/**
 * kmemleak_opaque_settle() - blocks without a note are roots in another way
 * @t: tracker
 * @nr: how many of them, as o->missed was before that was seen to
 */
void kmemleak_opaque_settle(struct kmemleak_tracker *t, unsigned long nr)
{
	unsigned long irq;

	raw_spin_lock_irqsave(&t->opaque_lock, irq);
	WRITE_ONCE(t->opaque.missed, t->opaque.missed - nr);
	raw_spin_unlock_irqrestore(&t->opaque_lock, irq);
}

/**
 * kmemleak_opaque_reset() - forget all notes, give the table back
 * @t: tracker
 *
 * Context: process; tracking is off and no hook is under way.
 */
void kmemleak_opaque_reset(struct kmemleak_tracker *t)
{
	struct kmemleak_opaque *o = &t->opaque;

	if (o->note != o->boot)
		t->ops->page_free(t, o->note, o->order);
	memset(o->boot, 0, sizeof(o->boot));
	use(o, o->boot, ARRAY_SIZE(o->boot));
	o->nr = 0;
	o->free = 0;
	o->bytes = 0;
	o->missed = 0;
}
