// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which leaks hang on which. A lost structure is one mistake and many leaks: what
 * matters is its root, at which no other leak points.
 *
 * The mark that found the leaks is used once more. All live objects are reached in
 * it, so whatever a leak leads to that is still white is a leak.
 */
#include "kmemleak.h"

/*
 * References from what is live, fewer than it takes: a vmalloc block has one from its
 * vm_struct. They count for who is reached from a leak as well.
 */
static void note_count(struct kmemleak_tracker *t, struct kmemleak_leak *leak)
{
	struct kmemleak_lookup at;
	struct kmemleak_object *obj = kmemleak_index_relock(t, leak->ref, &at);

	if (!obj)
		return;
	if (kmemleak_colour(obj).epoch == t->epoch)
		leak->live_count = kmemleak_colour(obj).count;
	kmemleak_index_unlock(&at);
}

static bool is_white(struct kmemleak_tracker *t, const struct kmemleak_leak *leak)
{
	struct kmemleak_lookup at;
	struct kmemleak_object *obj = kmemleak_index_relock(t, leak->ref, &at);
	bool white;

	if (!obj)
		return false;
	white = kmemleak_object_white(t, obj);
	kmemleak_index_unlock(&at);
	return white;
}

static void whiten(struct kmemleak_marker *m, struct kmemleak_leaks *leaks)
{
	struct kmemleak_leak *leak;

	list_for_each_entry(leak, &leaks->list, list)
		kmemleak_mark_undo(m, leak->ref, leak->live_count);
	kmemleak_mark_forget(m);
}

static int follow(struct kmemleak_marker *m, struct kmemleak_leak *leak)
{
	unsigned long bytes, bytes_before, reached;
	int ret;

	reached = kmemleak_mark_reached(m, &bytes_before);
	ret = kmemleak_mark_object(m, leak->ref);
	leak->root = true;
	leak->below = kmemleak_mark_reached(m, &bytes) - reached;
	leak->below_bytes = bytes - bytes_before;
	return ret;
}

int kmemleak_group(struct kmemleak_tracker *t, struct kmemleak_marker *m,
		   struct kmemleak_leaks *leaks)
{
	struct kmemleak_leak *leak;
	int ret = 0;

	list_for_each_entry(leak, &leaks->list, list)
		note_count(t, leak);
	list_for_each_entry(leak, &leaks->list, list)
		ret = ret ?: kmemleak_mark_children(m, leak->ref);
	list_for_each_entry(leak, &leaks->list, list)
		leak->root = is_white(t, leak);
	whiten(m, leaks);
	list_for_each_entry(leak, &leaks->list, list)
		if (leak->root && !ret)
			ret = follow(m, leak);
	/* Nothing leads to what is left but itself: cycles, and what hangs on them. */
	list_for_each_entry(leak, &leaks->list, list)
		if (!leak->root && !ret && is_white(t, leak))
			ret = follow(m, leak);
	whiten(m, leaks);
	return ret;
}
