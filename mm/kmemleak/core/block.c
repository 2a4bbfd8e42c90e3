// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocks come and go. Each call checks its arguments. A wrong argument is counted and
 * returned as an error. Then nothing else changes, unless the function says so.
 */
#include "attr.h"
#include "block.h"
#include "comm.h"
#include "index.h"
#include "opaque.h"
#include "pool_fast.h"
#include "tracker.h"

/* Attempts to replace an older object of the same start. After these, it is an overlap. */
#define MAX_TRIES	2

/* Can a block lie at @addr at all? A bad address is counted. */
enum kmemleak_result kmemleak_check_addr(struct kmemleak_tracker *t, enum kmemleak_space space,
					 unsigned long addr)
{
	if (!kmemleak_space_types[space].any_addr &&
	    (!addr || addr >= (unsigned long)-MAX_ERRNO)) {
		kmemleak_count(t, KMEMLEAK_CNT_BAD_ADDR);
		return KMEMLEAK_BAD_ADDR;
	}
	return KMEMLEAK_OK;
}

/* The same for all of [start, start + size). */
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
	/* Below the maximum: the mark must see a count above min_count, for an alias. */
	union kmemleak_colour colour = {
		.min_count = clamp(min_count, 0, KMEMLEAK_COUNT_MAX - 1),
	};

	/* Written before the start: kmemleak_index_check() reads the start first. */
	WRITE_ONCE(obj->size, size);
	obj->trace = origin->trace;
	obj->born = origin->born;
	obj->pid = origin->pid;
	obj->comm = comm;
	kmemleak_object_set_unrequested(obj, origin->unrequested);
	WRITE_ONCE(obj->flags, space | origin->context << KMEMLEAK_CTX_SHIFT |
			       (min_count < 0 ? KMEMLEAK_IGNORE : 0));
	WRITE_ONCE(obj->colour.word, colour.word);
	kmemleak_object_set_newborn(t, obj);
	/* Pairs with kmemleak_index_relock() and kmemleak_index_check(). */
	smp_store_release(&obj->start, start);
}

/*
 * The new block overlaps an older object. Keep the older object as a root: either of the
 * two blocks may be in use. When the older block is freed, its memory is cut out of the
 * opaque table, too.
 */
static void make_root(struct kmemleak_tracker *t, enum kmemleak_space space, unsigned long start)
{
	struct kmemleak_index_lock at;
	/* Looked up by address: the object may have moved to another entry. */
	struct kmemleak_object *obj = kmemleak_index_find_start(t, space, start, &at);

	if (obj) {
		kmemleak_colour_set(obj, min_count, 0);
		WRITE_ONCE(obj->flags, obj->flags | KMEMLEAK_OVERLAPPED);
		kmemleak_index_unlock(&at);
		kmemleak_request_pass(t);
	}
}

static __always_inline void erase_object_unlock(struct kmemleak_tracker *t,
						struct kmemleak_object *obj,
						struct kmemleak_index_lock *at)
{
	u16 flags = obj->flags;
	unsigned long start = obj->start;
	size_t size = obj->size;

	kmemleak_index_erase_unlock(t, obj, at);
	kmemleak_pool_put_irqs_off(t, obj);
	local_irq_restore(at->irq);
	/* The block is not free yet, so all attributes of this start belong to it. */
	if (unlikely(flags & (KMEMLEAK_AREAS | KMEMLEAK_ALIAS)))
		kmemleak_attr_drop(t, start);
	if (unlikely(flags & KMEMLEAK_WIDE))
		kmemleak_index_uncover(t, start, size);
}

/* If this returns an entry, interrupts are off, and the caller must restore @irq. */
static __always_inline struct kmemleak_object *get_entry_irqs_off(struct kmemleak_tracker *t,
								  u32 clock, unsigned long *irq)
{
	do {
		struct kmemleak_object *obj;

		local_irq_save(*irq);
		obj = kmemleak_pool_get_irqs_off(t, clock);
		if (likely(obj))
			return obj;
		local_irq_restore(*irq);
		/* Another CPU may take all new entries first: try again. */
	} while (kmemleak_pool_grow_atomic(t));
	return NULL;
}

/*
 * Another object is in the way of the new object @obj. An object of the same start is
 * replaced: the free of its block was not reported. Else the new block becomes opaque, and
 * @obj is freed.
 */
static noinline enum kmemleak_result
resolve_clash(struct kmemleak_tracker *t, struct kmemleak_object *obj, struct kmemleak_ref clash)
{
	enum kmemleak_space space = kmemleak_object_space(obj);
	unsigned long start = obj->start;
	size_t size = obj->size;
	unsigned int tries = 0;

	do {
		struct kmemleak_index_lock at;
		struct kmemleak_object *old;

		if (clash.start == start && tries++ < MAX_TRIES) {
			old = kmemleak_index_relock(t, clash, &at);
			if (!old)
				continue;
			if (old->flags & KMEMLEAK_OVERLAPPED)
				WRITE_ONCE(obj->flags, obj->flags | KMEMLEAK_OVERLAPPED);
			erase_object_unlock(t, old, &at);
			continue;
		}
		kmemleak_count(t, KMEMLEAK_CNT_OVERLAP);
		make_root(t, space, clash.start);
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
 * @space: space of @start
 * @start: first byte
 * @size: bytes
 * @min_count: number of references that make the block gray; 0: a root; < 0: ignored
 * @origin: who allocated the block and when
 *
 * Context: any but NMI; the caller prevents kmemleak_tracker_reset().
 * Return: KMEMLEAK_OK; KMEMLEAK_REPLACED: the block is tracked, and an older object of the
 * same start counts as freed; KMEMLEAK_OVERLAPS or KMEMLEAK_NO_MEMORY: the block is not
 * tracked but opaque; KMEMLEAK_BAD_ADDR, KMEMLEAK_BAD_SIZE or KMEMLEAK_WRAPS: nothing was
 * done.
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
	comm = kmemleak_comm_intern(t, origin->comm, origin->pid);
	obj = get_entry_irqs_off(t, origin->clock, &irq);
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
		/* The object may touch too many regions to keep interrupts off. */
		local_irq_restore(irq);
		clashes = kmemleak_index_insert(t, obj, &clash);
	}
	if (unlikely(clashes))
		res = resolve_clash(t, obj, clash);
	/* The new object is gray: another pass must find it. */
	if (unlikely(READ_ONCE(t->marking)))
		kmemleak_request_pass(t);
	return res;
}

/* There is no object. Frees all of an opaque block if @size is 0, else part of one. */
static enum kmemleak_result free_unknown_block(struct kmemleak_tracker *t,
					       enum kmemleak_space space, unsigned long start,
					       size_t size)
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
 * @space: space of @start
 * @start: first byte of the block; any other address counts as unknown
 *
 * On return no marker finds the block any more. But a marker may still be reading it, if
 * the block lies in the tracker's mapped range.
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK, KMEMLEAK_BAD_ADDR or KMEMLEAK_NOT_FOUND.
 */
enum kmemleak_result kmemleak_block_remove(struct kmemleak_tracker *t, enum kmemleak_space space,
					   unsigned long start)
{
	enum kmemleak_result res = kmemleak_check_addr(t, space, start);
	struct kmemleak_object *obj;
	struct kmemleak_index_lock at;
	size_t size;
	u16 flags;

	if (res)
		return res;
	obj = kmemleak_index_find_start(t, space, start, &at);
	if (unlikely(!obj))
		return free_unknown_block(t, space, start, 0);
	if (unlikely(!(obj->flags & KMEMLEAK_LIVE))) {
		kmemleak_index_unlock(&at);
		kmemleak_tracker_fail(t, "an object in the index is not live");
		return KMEMLEAK_OK;
	}
	size = obj->size;
	flags = obj->flags;
	erase_object_unlock(t, obj, &at);
	/* An opaque block overlaps this block. Freed memory must not stay a root. */
	if (unlikely(flags & KMEMLEAK_OVERLAPPED))
		kmemleak_opaque_cut(t, space, start, size);
	return KMEMLEAK_OK;
}

/* Fills in an object for the memory after a hole. As in fill_object(), start comes last. */
static void fill_tail(struct kmemleak_object *tail, const struct kmemleak_object *obj,
		      unsigned long start, size_t size)
{
	union kmemleak_colour colour = kmemleak_colour(obj);

	/* A marker may have queued the whole block, but not the tail: let a pass find the tail. */
	colour.scanned = 0;
	WRITE_ONCE(tail->size, size);
	tail->trace = obj->trace;
	tail->born = obj->born;
	tail->stamp = obj->stamp;
	tail->pid = obj->pid;
	tail->comm = obj->comm;
	kmemleak_object_set_unrequested(tail, 0);
	WRITE_ONCE(tail->flags, obj->flags & ~KMEMLEAK_LIVE);
	WRITE_ONCE(tail->colour.word, colour.word);
	/* Pairs with kmemleak_index_relock() and kmemleak_index_check(). */
	smp_store_release(&tail->start, start);
}

/*
 * Cuts [start, last] out of a found object that is larger. @tail is a spare entry for the
 * memory after the hole, or NULL: then this memory becomes opaque.
 * Return: @tail if it was not needed, else NULL.
 */
static struct kmemleak_object *cut_part_unlock(struct kmemleak_tracker *t,
					       struct kmemleak_object *obj, unsigned long start,
					       unsigned long last, struct kmemleak_object *tail,
					       struct kmemleak_index_lock *at)
{
	unsigned long obj_start = obj->start, obj_last = obj->start + (obj->size - 1);
	enum kmemleak_space space = kmemleak_object_space(obj);
	unsigned long lost = 0;

	/* A marker may have queued the object with its old start: let a pass find it again. */
	kmemleak_colour_set(obj, scanned, 0);
	kmemleak_object_set_unrequested(obj, 0);
	if (obj->flags & (KMEMLEAK_AREAS | KMEMLEAK_ALIAS)) {
		/* The areas described the whole block. Scan all that remains of it. */
		kmemleak_attr_drop(t, obj_start);
		obj->flags &= ~(KMEMLEAK_AREAS | KMEMLEAK_ALIAS | KMEMLEAK_FULL_SCAN);
	}
	if (start == obj_start) {
		kmemleak_index_trim_unlock(t, obj, last + 1, obj_last - last, NULL, at);
		return tail;
	}
	if (last != obj_last && tail) {
		kmemleak_comm_touch(t, obj);
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
 * @space: space of @start
 * @start: first byte of the part
 * @size: bytes
 *
 * The rest of the block stays tracked, as one or two objects. If only unrequested bytes would
 * remain after the part, they are removed, too.
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK; KMEMLEAK_OUTSIDE: the part ends outside the block of @start; of
 * tracked memory, only the bytes inside that block were removed; KMEMLEAK_NOT_FOUND: @start
 * is in no block; KMEMLEAK_BAD_ADDR, KMEMLEAK_BAD_SIZE or KMEMLEAK_WRAPS: nothing was done.
 */
enum kmemleak_result kmemleak_block_remove_part(struct kmemleak_tracker *t,
						enum kmemleak_space space, unsigned long start,
						size_t size)
{
	enum kmemleak_result res = kmemleak_check_range(t, space, start, size);
	struct kmemleak_object *obj, *tail;
	struct kmemleak_index_lock at;
	unsigned long last, obj_last;
	u16 flags;

	if (res)
		return res;
	tail = kmemleak_pool_get(t);
	obj = kmemleak_index_find(t, space, start, &at);
	if (!obj) {
		if (tail)
			kmemleak_pool_put(t, tail);
		return free_unknown_block(t, space, start, size);
	}
	flags = obj->flags;
	last = start + (size - 1);
	obj_last = obj->start + (obj->size - 1);
	if (last > obj_last) {
		kmemleak_count(t, KMEMLEAK_CNT_OUTSIDE);
		res = KMEMLEAK_OUTSIDE;
		last = obj_last;
	}
	if (obj_last - last <= kmemleak_object_max_unrequested(obj))
		last = obj_last;
	if (start == obj->start && last == obj_last)
		erase_object_unlock(t, obj, &at);
	else
		tail = cut_part_unlock(t, obj, start, last, tail, &at);
	kmemleak_request_pass(t);
	/* Cut all of the part: outside of the block, it may lie in an opaque block. */
	if (unlikely(flags & KMEMLEAK_OVERLAPPED))
		kmemleak_opaque_cut(t, space, start, size);
	if (tail)
		kmemleak_pool_put(t, tail);
	return res;
}

/**
 * kmemleak_block_get() - get a copy of the object at an address
 * @t: tracker
 * @space: space of @addr
 * @addr: any address
 * @copy: filled in. The tree node is meaningless. The count is 0 if the last mark found no
 *	reference.
 *
 * Context: as kmemleak_block_add().
 * Return: false if no object holds @addr.
 */
bool kmemleak_block_get(struct kmemleak_tracker *t, enum kmemleak_space space,
			unsigned long addr, struct kmemleak_object *copy)
{
	struct kmemleak_object *obj;
	struct kmemleak_index_lock at;

	obj = kmemleak_index_find(t, space, addr, &at);
	if (!obj)
		return false;
	*copy = *obj;
	if (copy->colour.epoch != t->epoch)
		copy->colour.count = 0;
	kmemleak_index_unlock(&at);
	return true;
}

static void copy_object(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	*(struct kmemleak_object *)arg = *obj;
}

/* Gets the object that holds @addr, else the first object after it. Not for VIRT. */
static bool get_block_from(struct kmemleak_tracker *t, enum kmemleak_space space,
			   unsigned long addr, struct kmemleak_object *copy)
{
	struct kmemleak_cursor cursor = kmemleak_index_begin(t, space);

	if (kmemleak_block_get(t, space, addr, copy))
		return true;
	cursor.next = addr;
	copy->size = 0;
	kmemleak_index_walk(t, &cursor, 1, copy_object, copy);
	return copy->size;
}

/**
 * kmemleak_block_remove_all() - all memory in a range is about to be freed
 * @t: tracker
 * @space: space of @start, not KMEMLEAK_VIRT
 * @start: first byte of the range
 * @size: bytes. The range may hold any number of blocks and parts of blocks.
 *
 * Context: as kmemleak_block_add(); nobody adds blocks in the range meanwhile.
 */
void kmemleak_block_remove_all(struct kmemleak_tracker *t, enum kmemleak_space space,
			       unsigned long start, size_t size)
{
	unsigned long last = start + (size - 1);
	struct kmemleak_object block;

	kmemleak_opaque_cut(t, space, start, size);
	while (get_block_from(t, space, start, &block) && block.start <= last) {
		unsigned long from = max(start, block.start);
		unsigned long to = min(last, block.start + (block.size - 1));

		kmemleak_block_remove_part(t, space, from, to - from + 1);
		if (to == last)
			break;
		start = to + 1;
	}
}
