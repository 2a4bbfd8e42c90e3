// SPDX-License-Identifier: GPL-2.0-only
/*
 * Annotations: callers say something about a known block. A wrong argument is counted and
 * returned as an error. Then nothing else changes.
 */
#include "attr.h"
#include "block.h"
#include "index.h"
#include "pool.h"
#include "tracker.h"

/* Return: the object of @addr with its shard locked, or NULL with *@res set to the error. */
static struct kmemleak_object *lock_known_object(struct kmemleak_tracker *t,
						 enum kmemleak_space space, unsigned long addr,
						 struct kmemleak_index_lock *at,
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
 * kmemleak_block_annotate() - annotate a block
 * @t: tracker
 * @space: space of @addr
 * @addr: any address inside the block
 * @annotation: see enum kmemleak_annotation
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK, KMEMLEAK_BAD_ADDR or KMEMLEAK_NOT_FOUND.
 */
enum kmemleak_result kmemleak_block_annotate(struct kmemleak_tracker *t, enum kmemleak_space space,
					     unsigned long addr,
					     enum kmemleak_annotation annotation)
{
	struct kmemleak_object *obj;
	struct kmemleak_index_lock at;
	enum kmemleak_result res;

	obj = lock_known_object(t, space, addr, &at, &res);
	if (!obj)
		return res;
	switch (annotation) {
	case KMEMLEAK_ANNOTATE_NOT_LEAK:
		kmemleak_colour_set(obj, min_count, 0);
		kmemleak_request_pass(t);
		break;
	case KMEMLEAK_ANNOTATE_IGNORE:
		obj->flags |= KMEMLEAK_IGNORE;
		break;
	case KMEMLEAK_ANNOTATE_NO_SCAN:
		obj->flags |= KMEMLEAK_NO_SCAN;
		break;
	case KMEMLEAK_ANNOTATE_TRANSIENT:
		obj->flags &= ~KMEMLEAK_TRANSIENT_USED;
		obj->flags |= KMEMLEAK_TRANSIENT;
		kmemleak_request_pass(t);
		break;
	}
	kmemleak_index_unlock(&at);
	return KMEMLEAK_OK;
}

/**
 * kmemleak_block_set_trace() - another caller is responsible for a block now
 * @t: tracker
 * @addr: any address inside the block, in VIRT
 * @trace: handle of the new stack trace
 *
 * Context: as kmemleak_block_add().
 * Return: as kmemleak_block_annotate().
 */
enum kmemleak_result kmemleak_block_set_trace(struct kmemleak_tracker *t, unsigned long addr,
					      u32 trace)
{
	struct kmemleak_object *obj;
	struct kmemleak_index_lock at;
	enum kmemleak_result res;

	obj = lock_known_object(t, KMEMLEAK_VIRT, addr, &at, &res);
	if (obj) {
		obj->trace = trace;
		kmemleak_index_unlock(&at);
	}
	return res;
}

/**
 * kmemleak_block_add_area() - scan only this area of a block, and its other areas
 * @t: tracker
 * @start: first byte of the area, in VIRT
 * @size: bytes, or SIZE_MAX: to the end of the block
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK; KMEMLEAK_OUTSIDE: the area ends outside its block, nothing was done;
 * KMEMLEAK_NO_MEMORY: the whole block is scanned from now on; KMEMLEAK_BAD_ADDR,
 * KMEMLEAK_NOT_FOUND, KMEMLEAK_BAD_SIZE or KMEMLEAK_WRAPS: nothing was done.
 */
enum kmemleak_result kmemleak_block_add_area(struct kmemleak_tracker *t, unsigned long start,
					     size_t size)
{
	struct kmemleak_object *obj, *spare;
	struct kmemleak_index_lock at;
	enum kmemleak_result res;
	size_t room;

	if (size != SIZE_MAX) {
		res = kmemleak_check_range(t, KMEMLEAK_VIRT, start, size);
		if (res)
			return res;
	}
	/* Taken before the lock, because this may allocate a page. */
	spare = kmemleak_pool_get(t);
	obj = lock_known_object(t, KMEMLEAK_VIRT, start, &at, &res);
	if (!obj)
		goto out;
	room = obj->size - (start - obj->start);
	if (size == SIZE_MAX)
		size = room;
	if (size > room) {
		kmemleak_count(t, KMEMLEAK_CNT_OUTSIDE);
		res = KMEMLEAK_OUTSIDE;
	} else if (!spare) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_ATTR);
		obj->flags |= KMEMLEAK_FULL_SCAN;
		res = KMEMLEAK_NO_MEMORY;
	} else {
		spare = kmemleak_attr_add(t, spare, KMEMLEAK_ATTR_AREA, obj->start, start, size);
		obj->flags |= KMEMLEAK_AREAS;
	}
	kmemleak_index_unlock(&at);
out:
	if (spare)
		kmemleak_pool_put(t, spare);
	return res;
}

/**
 * kmemleak_block_add_alias() - count surplus references to a block for another block
 * @t: tracker
 * @addr: any address inside the block that the references point to, in VIRT
 * @target: any address inside the block that gets the surplus, in VIRT
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK; KMEMLEAK_NO_MEMORY: the block of @target is a root now; or as
 * kmemleak_block_annotate().
 */
enum kmemleak_result kmemleak_block_add_alias(struct kmemleak_tracker *t, unsigned long addr,
					      unsigned long target)
{
	struct kmemleak_object *obj, *spare = kmemleak_pool_get(t);
	struct kmemleak_index_lock at;
	enum kmemleak_result res;

	obj = lock_known_object(t, KMEMLEAK_VIRT, addr, &at, &res);
	if (obj && spare) {
		spare = kmemleak_attr_add(t, spare, KMEMLEAK_ATTR_ALIAS, obj->start, target, 0);
		obj->flags |= KMEMLEAK_ALIAS;
	} else if (obj) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_ATTR);
		res = KMEMLEAK_NO_MEMORY;
	}
	if (obj)
		kmemleak_index_unlock(&at);
	if (spare)
		kmemleak_pool_put(t, spare);
	if (res == KMEMLEAK_NO_MEMORY)
		kmemleak_block_annotate(t, KMEMLEAK_VIRT, target, KMEMLEAK_ANNOTATE_NOT_LEAK);
	return res;
}
