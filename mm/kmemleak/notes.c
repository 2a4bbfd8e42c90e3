// SPDX-License-Identifier: GPL-2.0-only
/*
 * Annotations: what callers say of blocks that are known. Wrong arguments are
 * counted and told to the caller by result, and change nothing else.
 */
#include "kmemleak.h"

static struct kmemleak_object *find_known(struct kmemleak_tracker *t, enum kmemleak_space space,
					  unsigned long addr, struct kmemleak_lookup *at,
					  enum kmemleak_result *res)
{
	struct kmemleak_object *obj;

	*res = kmemleak_check_addr(t, space, addr);
	if (*res)
		return NULL;
	obj = kmemleak_index_find(t, space, addr, at);
	if (!obj) {
		kmemleak_count(t, KMEMLEAK_CNT_UNKNOWN);
		*res = KMEMLEAK_NOT_FOUND;
	}
	return obj;
}

/**
 * kmemleak_block_annotate() - say something of a block
 * @t: tracker
 * @space: of @addr
 * @addr: any address inside the block
 * @note: what
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK, KMEMLEAK_BAD_ADDR or KMEMLEAK_NOT_FOUND.
 */
enum kmemleak_result kmemleak_block_annotate(struct kmemleak_tracker *t, enum kmemleak_space space,
					     unsigned long addr, enum kmemleak_note note)
{
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;
	enum kmemleak_result res;

	obj = find_known(t, space, addr, &at, &res);
	if (!obj)
		return res;
	switch (note) {
	case KMEMLEAK_NOTE_NOT_LEAK:
		kmemleak_paint(obj, min_count, 0);
		kmemleak_set_due(t);
		break;
	case KMEMLEAK_NOTE_IGNORE:
		obj->flags |= KMEMLEAK_IGNORE;
		break;
	case KMEMLEAK_NOTE_NO_SCAN:
		obj->flags |= KMEMLEAK_NO_SCAN;
		break;
	case KMEMLEAK_NOTE_TRANSIENT:
		obj->flags &= ~KMEMLEAK_PASSED;
		obj->flags |= KMEMLEAK_TRANSIENT;
		kmemleak_set_due(t);
		break;
	}
	kmemleak_index_unlock(&at);
	return KMEMLEAK_OK;
}

/**
 * kmemleak_block_set_trace() - somebody else is responsible for a block now
 * @t: tracker
 * @addr: any address inside the block, in VIRT
 * @trace: handle of the new trace
 *
 * Context: as kmemleak_block_add().
 * Return: as kmemleak_block_annotate().
 */
enum kmemleak_result kmemleak_block_set_trace(struct kmemleak_tracker *t, unsigned long addr,
					      u32 trace)
{
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;
	enum kmemleak_result res;

	obj = find_known(t, KMEMLEAK_VIRT, addr, &at, &res);
	if (obj) {
		obj->trace = trace;
		kmemleak_index_unlock(&at);
	}
	return res;
}

/**
 * kmemleak_block_add_area() - only areas of this block hold references
 * @t: tracker
 * @start: first byte of an area, in VIRT
 * @size: bytes, or SIZE_MAX: to the end of the block
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK; KMEMLEAK_OUTSIDE: it ends behind its block, nothing
 * done; KMEMLEAK_NO_MEMORY: the block is scanned in full; or as
 * kmemleak_block_annotate(), KMEMLEAK_BAD_SIZE and KMEMLEAK_WRAPS.
 */
enum kmemleak_result kmemleak_block_add_area(struct kmemleak_tracker *t, unsigned long start,
					     size_t size)
{
	struct kmemleak_object *obj, *spare;
	struct kmemleak_lookup at;
	enum kmemleak_result res;
	size_t room;

	if (size != SIZE_MAX) {
		res = kmemleak_check_range(t, KMEMLEAK_VIRT, start, size);
		if (res)
			return res;
	}
	/* Before the lock: a page may have to be allocated. */
	spare = kmemleak_pool_get(t);
	obj = find_known(t, KMEMLEAK_VIRT, start, &at, &res);
	if (!obj)
		goto out;
	room = obj->size - (start - obj->start);
	if (size == SIZE_MAX)
		size = room;
	if (size > room) {
		kmemleak_count(t, KMEMLEAK_CNT_OUTSIDE);
		res = KMEMLEAK_OUTSIDE;
	} else if (!spare) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_EXTRA);
		obj->flags |= KMEMLEAK_FULL_SCAN;
		res = KMEMLEAK_NO_MEMORY;
	} else {
		spare = kmemleak_extra_add(t, spare, KMEMLEAK_EXTRA_AREA, obj->start, start, size);
		obj->flags |= KMEMLEAK_AREAS;
	}
	kmemleak_index_unlock(&at);
out:
	if (spare)
		kmemleak_pool_put(t, spare);
	return res;
}

/**
 * kmemleak_block_add_alias() - surplus references to a block mean another one
 * @t: tracker
 * @addr: any address inside the block that is referred to, in VIRT
 * @target: an address inside the block that is meant, in VIRT
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK; KMEMLEAK_NO_MEMORY: the meant block is a root now; or
 * as kmemleak_block_annotate().
 */
enum kmemleak_result kmemleak_block_add_alias(struct kmemleak_tracker *t, unsigned long addr,
					      unsigned long target)
{
	struct kmemleak_object *obj, *spare = kmemleak_pool_get(t);
	struct kmemleak_lookup at;
	enum kmemleak_result res;

	obj = find_known(t, KMEMLEAK_VIRT, addr, &at, &res);
	if (obj && spare) {
		spare = kmemleak_extra_add(t, spare, KMEMLEAK_EXTRA_ALIAS, obj->start, target, 0);
		obj->flags |= KMEMLEAK_ALIAS;
	} else if (obj) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_EXTRA);
		res = KMEMLEAK_NO_MEMORY;
	}
	if (obj)
		kmemleak_index_unlock(&at);
	if (spare)
		kmemleak_pool_put(t, spare);
	if (res == KMEMLEAK_NO_MEMORY)
		kmemleak_block_annotate(t, KMEMLEAK_VIRT, target, KMEMLEAK_NOTE_NOT_LEAK);
	return res;
}

/**
 * kmemleak_block_get() - look at the object of an address
 * @t: tracker
 * @space: of @addr
 * @addr: any address
 * @copy: filled in; its tree node means nothing; count is 0 if no reference
 *	was found in the last mark
 *
 * Context: as kmemleak_block_add().
 * Return: whether there is one.
 */
bool kmemleak_block_get(struct kmemleak_tracker *t, enum kmemleak_space space,
			unsigned long addr, struct kmemleak_object *copy)
{
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;

	obj = kmemleak_index_find(t, space, addr, &at);
	if (!obj)
		return false;
	*copy = *obj;
	if (copy->colour.epoch != t->epoch)
		copy->colour.count = 0;
	kmemleak_index_unlock(&at);
	return true;
}
