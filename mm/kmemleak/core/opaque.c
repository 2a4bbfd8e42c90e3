// SPDX-License-Identifier: GPL-2.0-only
/*
 * Opaque blocks: blocks that have no object, because the pool had no entry for them or
 * because they overlap another block. Each mark scans opaque blocks as roots. That can hide
 * leaks, but never causes a false report.
 *
 * A table has an entry for each opaque block, with its exact start and size, so no other
 * memory becomes a root. The entry stays until the block is freed. The table is allocated in
 * advance, before memory becomes short. Entries are found by a hash of the start. A free that
 * finds no entry takes no lock.
 *
 * If the table is full, a block is only counted, in @missed. The detector does not know that
 * block, so it cannot scan its references. The judge therefore reports nothing while @missed
 * is not 0; see kmemleak_opaque_clear_missed().
 */
#include "opaque.h"
#include "tracker.h"

#define SPACE_BITS	2

static_assert(BIT(SPACE_BITS) >= KMEMLEAK_NR_SPACES);

/* Entries checked under one hold of the lock: a few microseconds with interrupts off. */
#define PIECE		512

/* Chains are shorter. A longer look-up was led astray by a change: the caller takes the lock. */
#define MAX_STEPS	64

static u32 *chain_of(const struct kmemleak_opaque *o, enum kmemleak_space space,
		     unsigned long start)
{
	return &o->entry[hash_long(start ^ space, o->bits)].first;
}

static u32 next_entry(u32 link)
{
	return link >> SPACE_BITS;
}

static bool entry_matches(const struct kmemleak_opaque_entry *entry, enum kmemleak_space space,
			  unsigned long start)
{
	return READ_ONCE(entry->start) == start &&
	       (READ_ONCE(entry->link) & (BIT(SPACE_BITS) - 1)) == space;
}

/* Pairs with kmemleak_report_stats(). */
static void add_opaque_bytes(struct kmemleak_opaque *o, unsigned long bytes)
{
	WRITE_ONCE(o->bytes, o->bytes + bytes);
}

static void use_table(struct kmemleak_opaque *o, struct kmemleak_opaque_entry *entry, u32 nr)
{
	o->entry = entry;
	o->room = nr;
	o->bits = ilog2(nr);
	o->fresh = 1;
}

/**
 * kmemleak_opaque_setup() - set up a table that has room for a few blocks
 * @t: tracker
 */
void kmemleak_opaque_setup(struct kmemleak_tracker *t)
{
	struct kmemleak_opaque *o = &t->opaque;

	raw_spin_lock_init(&o->lock);
	seqcount_init(&o->seq);
	use_table(o, o->boot, ARRAY_SIZE(o->boot));
}

/* ------------------------------------------------------------ one entry -- */

static void link_entry_locked(struct kmemleak_opaque *o, u32 i, enum kmemleak_space space,
			      unsigned long start, size_t size)
{
	struct kmemleak_opaque_entry *entry = &o->entry[i];
	u32 *chain = chain_of(o, space, start);

	lockdep_assert_held(&o->lock);
	/* Pairs with surely_absent(). If it sees a change, its caller takes the lock. */
	raw_write_seqcount_begin(&o->seq);
	WRITE_ONCE(entry->start, start);
	WRITE_ONCE(entry->link, *chain << SPACE_BITS | space);
	WRITE_ONCE(entry->size, size);
	WRITE_ONCE(*chain, i);
	raw_write_seqcount_end(&o->seq);
}

/* Return: false if the table is full. */
static bool add_entry_locked(struct kmemleak_opaque *o, enum kmemleak_space space,
			     unsigned long start, size_t size)
{
	u32 i = o->free;

	lockdep_assert_held(&o->lock);
	if (i) {
		o->free = next_entry(o->entry[i].link);
	} else if (o->fresh < o->room) {
		i = o->fresh;
		/* Pairs with kmemleak_opaque_next(). */
		WRITE_ONCE(o->fresh, i + 1);
	} else {
		return false;
	}
	link_entry_locked(o, i, space, start, size);
	add_opaque_bytes(o, size);
	/* Pairs with kmemleak_opaque_remove(), _cut() and _next(): they check @nr first. */
	WRITE_ONCE(o->nr, o->nr + 1);
	/* Pairs with mark_opaque_blocks(). */
	smp_store_release(&o->added, o->added + 1);
	return true;
}

static u32 find_entry_locked(const struct kmemleak_opaque *o, enum kmemleak_space space,
			     unsigned long start)
{
	u32 i = *chain_of(o, space, start);

	lockdep_assert_held(&o->lock);
	while (i && !entry_matches(&o->entry[i], space, start))
		i = next_entry(o->entry[i].link);
	return i;
}

static void unlink_entry_locked(struct kmemleak_opaque *o, u32 i)
{
	struct kmemleak_opaque_entry *entry = &o->entry[i];
	enum kmemleak_space space = entry->link & (BIT(SPACE_BITS) - 1);
	u32 *chain = chain_of(o, space, entry->start), at;

	lockdep_assert_held(&o->lock);
	raw_write_seqcount_begin(&o->seq);
	if (*chain == i) {
		WRITE_ONCE(*chain, next_entry(entry->link));
	} else {
		for (at = *chain; next_entry(o->entry[at].link) != i;
		     at = next_entry(o->entry[at].link))
			;
		WRITE_ONCE(o->entry[at].link, next_entry(entry->link) << SPACE_BITS |
			   (o->entry[at].link & (BIT(SPACE_BITS) - 1)));
	}
	raw_write_seqcount_end(&o->seq);
}

static void remove_entry_locked(struct kmemleak_opaque *o, u32 i)
{
	struct kmemleak_opaque_entry *entry = &o->entry[i];

	lockdep_assert_held(&o->lock);
	unlink_entry_locked(o, i);
	add_opaque_bytes(o, -entry->size);
	WRITE_ONCE(entry->size, 0);
	WRITE_ONCE(entry->link, o->free << SPACE_BITS);
	o->free = i;
	WRITE_ONCE(o->nr, o->nr - 1);
}

/* Return: true if there is no such entry; false if there is, or may be. Takes no lock. */
static bool surely_absent(struct kmemleak_opaque *o, enum kmemleak_space space, unsigned long start)
{
	unsigned int seq = raw_read_seqcount(&o->seq), steps = 0;
	u32 i = READ_ONCE(*chain_of(o, space, start));

	for (; i && steps < MAX_STEPS; steps++) {
		if (entry_matches(&o->entry[i], space, start))
			return false;
		i = next_entry(READ_ONCE(o->entry[i].link));
	}
	return !i && !(seq & 1) && !read_seqcount_retry(&o->seq, seq);
}

/**
 * kmemleak_opaque_add() - record a block that has no object
 * @t: tracker
 * @space: space of @start
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

	raw_spin_lock_irqsave(&t->opaque.lock, irq);
	i = find_entry_locked(o, space, start);
	/* The free of an earlier block at this address was not reported. */
	if (i)
		remove_entry_locked(o, i);
	fits = add_entry_locked(o, space, start, size);
	if (!fits)
		WRITE_ONCE(o->missed, o->missed + 1);
	raw_spin_unlock_irqrestore(&t->opaque.lock, irq);
	if (!fits)
		kmemleak_count(t, KMEMLEAK_CNT_OPAQUE_MISSED);
	kmemleak_request_pass(t);
}

/**
 * kmemleak_opaque_remove() - a block without an object was freed
 * @t: tracker
 * @space: space of @start
 * @start: first byte of the block; any other address finds nothing
 *
 * Context: any but NMI.
 * Return: true if the block was in the table.
 */
bool kmemleak_opaque_remove(struct kmemleak_tracker *t, enum kmemleak_space space,
			    unsigned long start)
{
	struct kmemleak_opaque *o = &t->opaque;
	unsigned long irq;
	u32 i;

	/* An entry is added before the allocation of the block returns, so this sees it. */
	if (!READ_ONCE(o->nr) || surely_absent(o, space, start))
		return false;
	raw_spin_lock_irqsave(&t->opaque.lock, irq);
	i = find_entry_locked(o, space, start);
	if (i)
		remove_entry_locked(o, i);
	raw_spin_unlock_irqrestore(&t->opaque.lock, irq);
	return i;
}

/* ---------------------------------------------------------------- parts -- */

/* Removes [start, last] from a block that overlaps this range. */
static void cut_entry_locked(struct kmemleak_opaque *o, u32 i, unsigned long start,
			     unsigned long last)
{
	struct kmemleak_opaque_entry *entry = &o->entry[i];
	enum kmemleak_space space = entry->link & (BIT(SPACE_BITS) - 1);
	unsigned long block_start = entry->start, block_last = block_start + (entry->size - 1);

	lockdep_assert_held(&o->lock);
	if (start <= block_start && last >= block_last) {
		remove_entry_locked(o, i);
		return;
	}
	if (start <= block_start) {
		unlink_entry_locked(o, i);
		link_entry_locked(o, i, space, last + 1, block_last - last);
		add_opaque_bytes(o, -(last + 1 - block_start));
		return;
	}
	/* The memory after the hole needs an entry. Without one, the hole stays opaque. */
	if (last < block_last && !add_entry_locked(o, space, last + 1, block_last - last))
		return;
	add_opaque_bytes(o, -(block_last - start + 1));
	WRITE_ONCE(entry->size, start - block_start);
}

static bool entry_overlaps(const struct kmemleak_opaque_entry *entry, enum kmemleak_space space,
			   unsigned long start, unsigned long last)
{
	return entry->size && (entry->link & (BIT(SPACE_BITS) - 1)) == space &&
	       entry->start <= last && start <= entry->start + (entry->size - 1);
}

/**
 * kmemleak_opaque_cut() - memory was freed that may lie in opaque blocks
 * @t: tracker
 * @space: space of @start
 * @start: first byte
 * @size: bytes
 *
 * For parts of blocks, and for blocks that overlap others. Checks every entry, in pieces.
 *
 * Context: any but NMI.
 * Return: true if any part of the memory was opaque.
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
		raw_spin_lock_irqsave(&t->opaque.lock, irq);
		for (end = min(i + PIECE, o->fresh); i < end; i++) {
			if (!entry_overlaps(&o->entry[i], space, start, last))
				continue;
			cut_entry_locked(o, i, start, last);
			found = true;
		}
		end = o->fresh;
		raw_spin_unlock_irqrestore(&t->opaque.lock, irq);
	} while (i < end);
	/* Memory after a hole may have a new entry now, and a mark may be past that entry. */
	if (found)
		kmemleak_request_pass(t);
	return found;
}

/* ---------------------------------------------------------------- table -- */

/**
 * kmemleak_opaque_next() - get the next opaque block
 * @t: tracker
 * @cursor: 0 to begin
 * @block: filled in
 *
 * The blocks come in no particular order. An entry that stays in the table from the first
 * call to the last is returned.
 *
 * Context: any but NMI.
 * Return: true if @block was filled in; false if there are no more blocks.
 */
bool kmemleak_opaque_next(struct kmemleak_tracker *t, u32 *cursor, struct kmemleak_block *block)
{
	struct kmemleak_opaque *o = &t->opaque;
	unsigned long irq;

	/* Pairs with add_entry_locked(). */
	while (READ_ONCE(o->nr) && ++*cursor < READ_ONCE(o->fresh)) {
		struct kmemleak_opaque_entry *entry = &o->entry[*cursor];

		if (!READ_ONCE(entry->size))
			continue;
		raw_spin_lock_irqsave(&t->opaque.lock, irq);
		block->space = entry->link & (BIT(SPACE_BITS) - 1);
		block->start = entry->start;
		block->size = entry->size;
		raw_spin_unlock_irqrestore(&t->opaque.lock, irq);
		if (block->size)
			return true;
	}
	return false;
}

/**
 * kmemleak_opaque_start() - allocate the full table
 * @t: tracker
 * @order: page order of the table; a lower order is tried if memory is short
 *
 * Context: nobody else uses the tracker.
 * Return: 0, or -ENOMEM; then there is only room for a few blocks.
 */
int kmemleak_opaque_start(struct kmemleak_tracker *t, int order)
{
	struct kmemleak_opaque *o = &t->opaque;
	struct kmemleak_opaque_entry *table = NULL;
	u32 i, nr = o->fresh;
	unsigned long irq;

	if (o->entry != o->boot)
		return 0;
	for (; order >= 0 && !table; order--) {
		table = t->ops->page_alloc(t, order, KMEMLEAK_GFP);
		o->order = order;
	}
	if (!table)
		return -ENOMEM;
	raw_spin_lock_irqsave(&o->lock, irq);
	use_table(o, table, (PAGE_SIZE << o->order) / sizeof(*table));
	o->nr = 0;
	o->bytes = 0;
	o->free = 0;
	for (i = 1; i < nr; i++) {
		struct kmemleak_opaque_entry *entry = &o->boot[i];

		if (entry->size && !add_entry_locked(o, entry->link & (BIT(SPACE_BITS) - 1),
						     entry->start, entry->size)) {
			o->missed++;
			kmemleak_count(t, KMEMLEAK_CNT_OPAQUE_MISSED);
		}
	}
	raw_spin_unlock_irqrestore(&o->lock, irq);
	return 0;
}

/**
 * kmemleak_opaque_clear_missed() - the caller has made the missed blocks roots
 * @t: tracker
 * @nr: number of these blocks: the value of opaque.missed before the caller made them roots
 *
 * Context: any but NMI.
 */
void kmemleak_opaque_clear_missed(struct kmemleak_tracker *t, unsigned long nr)
{
	unsigned long irq;

	raw_spin_lock_irqsave(&t->opaque.lock, irq);
	WRITE_ONCE(t->opaque.missed, t->opaque.missed - nr);
	raw_spin_unlock_irqrestore(&t->opaque.lock, irq);
}

/**
 * kmemleak_opaque_reset() - forget all blocks, free the table
 * @t: tracker
 *
 * Context: process; tracking is off and no hook is under way.
 */
void kmemleak_opaque_reset(struct kmemleak_tracker *t)
{
	struct kmemleak_opaque *o = &t->opaque;

	if (o->entry != o->boot)
		t->ops->page_free(t, o->entry, o->order);
	memset(o->boot, 0, sizeof(o->boot));
	use_table(o, o->boot, ARRAY_SIZE(o->boot));
	o->nr = 0;
	o->free = 0;
	o->bytes = 0;
	o->missed = 0;
}
