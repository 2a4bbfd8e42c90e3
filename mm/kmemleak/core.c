// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks: what happens when one comes or goes. Every call has an answer to every
 * argument; wrong ones are counted and told to the caller by result, and change
 * nothing else.
 */
#include "pool.h"

/* Stale objects that one new block may push out; more is an overlap. */
#define MAX_REPLACED	2

/* Can @addr be a block's at all? Counts it if not. */
enum kmemleak_result kmemleak_check_addr(struct kmemleak_tracker *t, enum kmemleak_space space,
					 unsigned long addr)
{
	/* Physical address 0 is as good as any other. */
	if (space != KMEMLEAK_PHYS && (!addr || addr >= (unsigned long)-MAX_ERRNO)) {
		kmemleak_count(t, KMEMLEAK_CNT_BAD_ADDR);
		return KMEMLEAK_BAD_ADDR;
	}
	return KMEMLEAK_OK;
}

/* The same for [start, start + size). */
enum kmemleak_result kmemleak_check_range(struct kmemleak_tracker *t, enum kmemleak_space space,
					  unsigned long start, size_t size)
{
	enum kmemleak_result res = kmemleak_check_addr(t, space, start);

	if (res)
		return res;
	if (!size) {
		kmemleak_count(t, KMEMLEAK_CNT_BAD_SIZE);
		return KMEMLEAK_BAD_SIZE;
	}
	if (start + size < start) {
		kmemleak_count(t, KMEMLEAK_CNT_WRAP);
		return KMEMLEAK_WRAPS;
	}
	return KMEMLEAK_OK;
}

static void fill_object(struct kmemleak_tracker *t, struct kmemleak_object *obj,
			enum kmemleak_space space, unsigned long start, size_t size,
			int min_count, const struct kmemleak_origin *origin, u16 comm)
{
	union kmemleak_colour colour = {
		.min_count = clamp(min_count, 0, KMEMLEAK_COUNT_MAX - 1),
	};

	/* Before the start, see kmemleak_index_recall(). */
	WRITE_ONCE(obj->size, size);
	obj->trace = origin->trace;
	obj->born = origin->born;
	obj->pid = origin->pid;
	obj->comm = comm;
	kmemleak_object_set_slack(obj, origin->slack);
	WRITE_ONCE(obj->flags, space | origin->context << KMEMLEAK_CTX_SHIFT |
			       (min_count < 0 ? KMEMLEAK_IGNORE : 0));
	/*
	 * Born during a mark: what points at it may have been scanned already,
	 * and what it points at may move into it, so it is gray. Pairs with
	 * kmemleak_mark_begin().
	 */
	if (smp_load_acquire(&t->marking)) {
		colour.epoch = READ_ONCE(t->epoch);
		colour.count = colour.min_count;
	}
	WRITE_ONCE(obj->colour.word, colour.word);
	/* Pairs with kmemleak_index_relock(). */
	smp_store_release(&obj->start, start);
}

/*
 * The new block overlaps an older object. Keep the older one as a root: either of the
 * two may be in use. When it is freed, so is that memory of the new one.
 */
static void keep_as_root(struct kmemleak_tracker *t, enum kmemleak_space space,
			 unsigned long start)
{
	struct kmemleak_lookup at;
	/* By address, as it may have moved to another entry. */
	struct kmemleak_object *obj = kmemleak_index_find_start(t, space, start, &at);

	if (obj) {
		kmemleak_paint(obj, min_count, 0);
		WRITE_ONCE(obj->flags, obj->flags | KMEMLEAK_OVERLAPPED);
		kmemleak_index_unlock(&at);
		kmemleak_set_due(t);
	}
}

static __always_inline void erase_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
					 struct kmemleak_lookup *at)
{
	u16 flags = obj->flags;
	unsigned long start = obj->start;
	size_t size = obj->size;

	kmemleak_index_erase_unlock(t, obj, at);
	kmemleak_pool_put_irqs_off(t, obj);
	local_irq_restore(at->irq);
	/* The block is not free yet, so nobody else has extras at its start. */
	if (unlikely(flags & (KMEMLEAK_AREAS | KMEMLEAK_ALIAS)))
		kmemleak_extra_drop(t, start);
	if (unlikely(flags & KMEMLEAK_WIDE))
		kmemleak_index_forget_wide(t, start, size);
}

/* With an entry, interrupts are off, and @irq is what to restore. */
static __always_inline struct kmemleak_object *get_entry(struct kmemleak_tracker *t, u32 clock,
							 unsigned long *irq)
{
	do {
		struct kmemleak_object *obj;

		local_irq_save(*irq);
		obj = kmemleak_pool_get_irqs_off(t, clock);
		if (likely(obj))
			return obj;
		local_irq_restore(*irq);
		/* Again if other CPUs are faster, as long as there are pages. */
	} while (kmemleak_pool_refill(t));
	return NULL;
}

/* What a new block does about the one in its way. Consumes @obj. */
static noinline enum kmemleak_result settle_clash(struct kmemleak_tracker *t,
						  struct kmemleak_object *obj,
						  struct kmemleak_ref clash)
{
	enum kmemleak_space space = kmemleak_object_space(obj);
	unsigned long start = obj->start;
	size_t size = obj->size;
	unsigned int replaced = 0;

	do {
		struct kmemleak_lookup at;
		struct kmemleak_object *old;

		if (clash.start == start && replaced++ < MAX_REPLACED) {
			old = kmemleak_index_relock(t, clash, &at);
			if (!old)
				continue;
			if (old->flags & KMEMLEAK_OVERLAPPED)
				WRITE_ONCE(obj->flags, obj->flags | KMEMLEAK_OVERLAPPED);
			erase_unlock(t, old, &at);
			continue;
		}
		kmemleak_count(t, KMEMLEAK_CNT_OVERLAP);
		keep_as_root(t, space, clash.start);
		kmemleak_pool_put(t, obj);
		kmemleak_opaque_add(t, space, start, size);
		return KMEMLEAK_OVERLAPS;
	} while (kmemleak_index_insert(t, obj, &clash));
	kmemleak_count(t, KMEMLEAK_CNT_DUPLICATE);
	return KMEMLEAK_REPLACED;
}

/**
 * kmemleak_block_add() - a block was allocated
 * @t: tracker
 * @space: of @start
 * @start: first byte
 * @size: bytes
 * @min_count: references needed to be reached; 0: a root; < 0: ignored
 * @origin: who allocated it
 *
 * Context: any but NMI; the caller prevents kmemleak_tracker_reset().
 * Return: KMEMLEAK_OK; KMEMLEAK_REPLACED: tracked, an object of the same start
 * was taken for freed; KMEMLEAK_OVERLAPS or KMEMLEAK_NO_MEMORY: not tracked,
 * its memory is opaque now; KMEMLEAK_BAD_ADDR, KMEMLEAK_BAD_SIZE or
 * KMEMLEAK_WRAPS: nothing done.
 */
enum kmemleak_result kmemleak_block_add(struct kmemleak_tracker *t, enum kmemleak_space space,
					unsigned long start, size_t size, int min_count,
					const struct kmemleak_origin *origin)
{
	enum kmemleak_result res = kmemleak_check_range(t, space, start, size);
	struct kmemleak_object *obj;
	struct kmemleak_ref clash;
	unsigned long irq;
	int clashes;
	u16 comm;

	if (unlikely(res))
		return res;
	comm = kmemleak_names_intern(t, origin->comm, origin->pid);
	obj = get_entry(t, origin->clock, &irq);
	if (unlikely(!obj)) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_ENTRY);
		kmemleak_opaque_add(t, space, start, size);
		return KMEMLEAK_NO_MEMORY;
	}
	fill_object(t, obj, space, start, size, min_count, origin, comm);
	if (likely(!kmemleak_index_is_wide(space, start, size))) {
		clashes = kmemleak_index_insert_irqs_off(t, obj, &clash);
		local_irq_restore(irq);
	} else {
		/* Too many regions, perhaps, to keep interrupts off. */
		local_irq_restore(irq);
		clashes = kmemleak_index_insert(t, obj, &clash);
	}
	if (unlikely(clashes))
		res = settle_clash(t, obj, clash);
	/* Newborn and gray: a sweep is to find it. */
	if (unlikely(READ_ONCE(t->marking)))
		kmemleak_set_due(t);
	return res;
}

/* No object is there: all of an opaque block if @size is 0, else a part, or unknown. */
static enum kmemleak_result unknown_free(struct kmemleak_tracker *t, enum kmemleak_space space,
					 unsigned long start, size_t size)
{
	if (size ? kmemleak_opaque_cut(t, space, start, size) :
		   kmemleak_opaque_remove(t, space, start))
		return KMEMLEAK_OK;
	kmemleak_count(t, KMEMLEAK_CNT_UNKNOWN_FREE);
	return KMEMLEAK_NOT_FOUND;
}

/**
 * kmemleak_block_remove() - a block is about to be freed
 * @t: tracker
 * @space: of @start
 * @start: its first byte; any other address is unknown
 *
 * Context: as kmemleak_block_add(). On return no marker finds the block any more;
 * one may still be reading it if it lies in the tracker's mapped range.
 * Return: KMEMLEAK_OK, KMEMLEAK_BAD_ADDR or KMEMLEAK_NOT_FOUND.
 */
enum kmemleak_result kmemleak_block_remove(struct kmemleak_tracker *t, enum kmemleak_space space,
					   unsigned long start)
{
	enum kmemleak_result res = kmemleak_check_addr(t, space, start);
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;
	size_t size;
	u16 flags;

	if (res)
		return res;
	obj = kmemleak_index_find_start(t, space, start, &at);
	if (unlikely(!obj))
		return unknown_free(t, space, start, 0);
	if (unlikely(!(obj->flags & KMEMLEAK_LIVE))) {
		kmemleak_index_unlock(&at);
		kmemleak_tracker_fail(t, "an object in the index is not live");
		return KMEMLEAK_OK;
	}
	size = obj->size;
	flags = obj->flags;
	erase_unlock(t, obj, &at);
	/* Freed memory is nobody's root any more. */
	if (unlikely(flags & KMEMLEAK_OVERLAPPED))
		kmemleak_opaque_cut(t, space, start, size);
	return KMEMLEAK_OK;
}

/* The spare entry for what is behind a hole; as in fill_object(), start comes last. */
static void fill_tail(struct kmemleak_object *tail, const struct kmemleak_object *obj,
		      unsigned long start, size_t size)
{
	union kmemleak_colour colour = kmemleak_colour(obj);

	/* A marker may take the whole block for queued meanwhile. */
	colour.scanned = 0;
	WRITE_ONCE(tail->size, size);
	tail->trace = obj->trace;
	tail->born = obj->born;
	tail->stamp = obj->stamp;
	tail->pid = obj->pid;
	tail->comm = obj->comm;
	kmemleak_object_set_slack(tail, 0);
	WRITE_ONCE(tail->flags, obj->flags & ~KMEMLEAK_LIVE);
	WRITE_ONCE(tail->colour.word, colour.word);
	/* Pairs with kmemleak_index_relock() and kmemleak_index_guess(). */
	smp_store_release(&tail->start, start);
}

/*
 * Cuts [start, last] out of a found object that reaches further; @tail is a
 * spare entry. Returns the spare if it was not needed.
 */
static struct kmemleak_object *cut_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
					  unsigned long start, unsigned long last,
					  struct kmemleak_object *tail,
					  struct kmemleak_lookup *at)
{
	unsigned long obj_start = obj->start, obj_last = obj->start + (obj->size - 1);
	enum kmemleak_space space = kmemleak_object_space(obj);
	unsigned long lost = 0;

	/* A running mark may have queued it by its old start: to be found again. */
	kmemleak_paint(obj, scanned, 0);
	kmemleak_object_set_slack(obj, 0);
	if (obj->flags & (KMEMLEAK_AREAS | KMEMLEAK_ALIAS)) {
		/* Areas of a block that no longer exists as such: scan what is left. */
		kmemleak_extra_drop(t, obj_start);
		obj->flags &= ~(KMEMLEAK_AREAS | KMEMLEAK_ALIAS | KMEMLEAK_FULL_SCAN);
	}
	if (start == obj_start) {
		kmemleak_index_trim_unlock(t, obj, last + 1, obj_last - last, NULL, at);
		return tail;
	}
	if (last != obj_last && tail) {
		kmemleak_names_keep(t, obj);
		fill_tail(tail, obj, last + 1, obj_last - last);
		kmemleak_index_trim_unlock(t, obj, obj_start, start - obj_start, tail, at);
		return NULL;
	}
	if (last != obj_last)
		lost = obj_last - last;
	kmemleak_index_trim_unlock(t, obj, obj_start, start - obj_start, NULL, at);
	if (lost) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_ENTRY);
		kmemleak_opaque_add(t, space, last + 1, lost);
	}
	return tail;
}

/**
 * kmemleak_block_remove_part() - part of a block is about to be freed
 * @t: tracker
 * @space: of @start
 * @start: first byte of the part
 * @size: bytes
 *
 * What is left of the block stays tracked, as one or two objects. A part that
 * reaches to the end of what the caller asked for reaches to the end of the block.
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK; KMEMLEAK_OUTSIDE: of tracked memory, only what lies
 * inside the block of @start went;
 * KMEMLEAK_NOT_FOUND: @start is in no block; or as kmemleak_block_add().
 */
enum kmemleak_result kmemleak_block_remove_part(struct kmemleak_tracker *t,
						enum kmemleak_space space, unsigned long start,
						size_t size)
{
	enum kmemleak_result res = kmemleak_check_range(t, space, start, size);
	struct kmemleak_object *obj, *tail;
	struct kmemleak_lookup at;
	unsigned long last, obj_last;
	u16 flags;

	if (res)
		return res;
	tail = kmemleak_pool_get(t);
	obj = kmemleak_index_find(t, space, start, &at);
	if (!obj) {
		if (tail)
			kmemleak_pool_put(t, tail);
		return unknown_free(t, space, start, size);
	}
	flags = obj->flags;
	last = start + (size - 1);
	obj_last = obj->start + (obj->size - 1);
	if (last > obj_last) {
		kmemleak_count(t, KMEMLEAK_CNT_OUTSIDE);
		res = KMEMLEAK_OUTSIDE;
		last = obj_last;
	}
	/* Behind what the caller asked for there is nothing to keep. */
	if (obj_last - last <= kmemleak_object_slack_most(obj))
		last = obj_last;
	if (start == obj->start && last == obj_last)
		erase_unlock(t, obj, &at);
	else
		tail = cut_unlock(t, obj, start, last, tail, &at);
	kmemleak_set_due(t);
	/* All of it, the part that lies outside may be another block's. */
	if (unlikely(flags & KMEMLEAK_OVERLAPPED))
		kmemleak_opaque_cut(t, space, start, size);
	if (tail)
		kmemleak_pool_put(t, tail);
	return res;
}

static void copy_visit(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	*(struct kmemleak_object *)arg = *obj;
}

/* The block that has @addr, or else the first one behind it. Not for VIRT. */
static bool get_from(struct kmemleak_tracker *t, enum kmemleak_space space, unsigned long addr,
		     struct kmemleak_object *copy)
{
	struct kmemleak_cursor cursor = kmemleak_index_begin(t, space);

	if (kmemleak_block_get(t, space, addr, copy))
		return true;
	cursor.next = addr;
	copy->size = 0;
	kmemleak_index_walk(t, &cursor, 1, copy_visit, copy);
	return copy->size;
}

/**
 * kmemleak_block_remove_all() - a range is about to be freed, whatever lies in it
 * @t: tracker
 * @space: of @start, not KMEMLEAK_VIRT
 * @start: first byte of the range
 * @size: bytes; there can be any number of blocks, and parts of blocks
 *
 * Context: as kmemleak_block_add(); nobody adds blocks there meanwhile.
 */
void kmemleak_block_remove_all(struct kmemleak_tracker *t, enum kmemleak_space space,
			       unsigned long start, size_t size)
{
	unsigned long last = start + (size - 1);
	struct kmemleak_object block;

	kmemleak_opaque_cut(t, space, start, size);
	while (get_from(t, space, start, &block) && block.start <= last) {
		unsigned long from = max(start, block.start);
		unsigned long to = min(last, block.start + (block.size - 1));

		kmemleak_block_remove_part(t, space, from, to - from + 1);
		if (to == last)
			break;
		start = to + 1;
	}
}
