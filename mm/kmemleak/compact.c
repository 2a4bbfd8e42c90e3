// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entries in use move into another page, so that theirs becomes empty. After a peak
 * nearly every page has an entry or two that stay, and would stay with them.
 *
 * An object is its entry to those who hold its shard's lock, and to marks, which are
 * not under way. A hook that let go of the lock looks again, see settle_clash().
 */
#include "kmemleak.h"

static bool move_object(struct kmemleak_tracker *t, struct kmemleak_object *obj,
			struct kmemleak_object *to)
{
	struct kmemleak_ref ref = { obj, READ_ONCE(obj->start) };
	struct kmemleak_lookup at;

	obj = kmemleak_index_relock(t, ref, &at);
	if (!obj)
		return false;
	WRITE_ONCE(to->size, obj->size);
	to->trace = obj->trace;
	to->born = obj->born;
	to->stamp = obj->stamp;
	to->pid = obj->pid;
	to->comm = obj->comm;
	kmemleak_object_set_slack(to, kmemleak_object_slack(obj));
	WRITE_ONCE(to->flags, obj->flags & ~KMEMLEAK_LIVE);
	WRITE_ONCE(to->colour.word, kmemleak_colour(obj).word);
	/* As in fill_object(). */
	smp_store_release(&to->start, obj->start);
	kmemleak_index_replace_unlock(t, obj, to, &at);
	return true;
}

/* Is it in use, and by something that can move? Asked again under its lock. */
bool kmemleak_entry_moves(const union kmemleak_entry *entry)
{
	return kmemleak_entry_is_extra(entry) ||
	       (READ_ONCE(entry->object.flags) & KMEMLEAK_LIVE);
}

/**
 * kmemleak_entry_move() - move an object or an extra to another entry
 * @t: tracker
 * @entry: an entry that kmemleak_entry_moves() was true of
 * @to: an entry from the pool
 *
 * Context: process, no mark under way.
 * Return: false if @entry is used for something else by now; then @to was not needed,
 * else @entry is free, and the caller's.
 */
bool kmemleak_entry_move(struct kmemleak_tracker *t, union kmemleak_entry *entry,
			 union kmemleak_entry *to)
{
	if (kmemleak_entry_is_extra(entry))
		return kmemleak_extra_move(t, &entry->extra, to);
	return move_object(t, &entry->object, &to->object);
}
