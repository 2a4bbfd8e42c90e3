// SPDX-License-Identifier: GPL-2.0-only
/*
 * Moves objects and attributes to entries in another page, so that their page becomes empty
 * and can be freed. After a peak of use, nearly every page has an entry or two in use. These
 * few entries would keep all the pages.
 *
 * Two users rely on the entry of an object: the holder of the shard's lock, and marks. The
 * move holds this lock, and no mark is under way. A hook that has released the lock looks the
 * object up again, see resolve_clash() and make_root().
 */
#include "attr.h"
#include "entry_move.h"
#include "index.h"
#include "tracker.h"

static bool move_object(struct kmemleak_tracker *t, struct kmemleak_object *obj,
			struct kmemleak_object *to)
{
	struct kmemleak_ref ref = { obj, READ_ONCE(obj->start) };
	struct kmemleak_index_lock at;

	obj = kmemleak_index_relock(t, ref, &at);
	if (!obj)
		return false;
	WRITE_ONCE(to->size, obj->size);
	to->trace = obj->trace;
	to->born = obj->born;
	to->stamp = obj->stamp;
	to->pid = obj->pid;
	to->comm = obj->comm;
	kmemleak_object_set_unrequested(to, kmemleak_object_unrequested(obj));
	WRITE_ONCE(to->flags, obj->flags & ~KMEMLEAK_LIVE);
	WRITE_ONCE(to->colour.word, kmemleak_colour(obj).word);
	/* Last, as in fill_object(). Pairs with kmemleak_index_relock() and _check(). */
	smp_store_release(&to->start, obj->start);
	kmemleak_index_replace_unlock(t, obj, to, &at);
	return true;
}

/**
 * kmemleak_entry_move() - move an object or an attribute to another entry
 * @t: tracker
 * @entry: an entry in use
 * @to: an entry from the pool
 *
 * Context: process, no mark under way.
 * Return: true if @to replaces @entry; then the caller owns @entry. False if @entry is free or
 * used for something else by now; then @to was not needed.
 */
bool kmemleak_entry_move(struct kmemleak_tracker *t, union kmemleak_entry *entry,
			 union kmemleak_entry *to)
{
	if (kmemleak_entry_is_attr(entry))
		return kmemleak_attr_move(t, &entry->attr, to);
	return move_object(t, &entry->object, &to->object);
}
