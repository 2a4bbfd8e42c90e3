// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which leaks hang on which. A lost structure is one mistake and many leaks: what
 * matters is its root, at which no other leak points.
 *
 * The mark that found the leaks is used once more. All live objects are reached in
 * it, so whatever a leak leads to that is still white is a leak.
 */
#include "mark.h"

/* Without the lock: who goes meanwhile is left out when leaks are written down. */
static bool is_white(struct kmemleak_tracker *t, const struct kmemleak_suspect *leak)
{
	return kmemleak_ref_lives(leak->ref) && kmemleak_object_white(t, leak->ref.obj);
}

static void whiten(struct kmemleak_marker *m, struct kmemleak_leaks *leaks)
{
	struct kmemleak_suspect *leak;

	list_for_each_entry(leak, &leaks->list, list) {
		kmemleak_mark_undo(m, leak->ref, leak->live_count);
		mark_step(m);
		if (mark_err(m))
			return;
	}
	kmemleak_mark_forget(m);
}

static void follow(struct kmemleak_marker *m, struct kmemleak_suspect *leak)
{
	unsigned long bytes, bytes_before, reached;

	reached = kmemleak_mark_reached(m, &bytes_before);
	kmemleak_mark_object(m, leak->ref);
	leak->root = true;
	leak->below = kmemleak_mark_reached(m, &bytes) - reached;
	leak->below_bytes = bytes - bytes_before;
}

/* Return: whether any leak leads to another one. If none does, each is a root alone. */
static bool find_roots(struct kmemleak_tracker *t, struct kmemleak_marker *m,
		       struct kmemleak_leaks *leaks)
{
	unsigned long bytes, reached = kmemleak_mark_reached(m, &bytes);
	struct kmemleak_suspect *leak;

	list_for_each_entry(leak, &leaks->list, list) {
		leak->root = true;
		if (kmemleak_mark_children(m, leak->ref))
			return false;
	}
	if (kmemleak_mark_reached(m, &bytes) == reached)
		return false;
	list_for_each_entry(leak, &leaks->list, list) {
		leak->root = is_white(t, leak);
		mark_step(m);
		if (mark_err(m))
			return false;
	}
	return true;
}

static void follow_roots(struct kmemleak_marker *m, struct kmemleak_leaks *leaks)
{
	struct kmemleak_suspect *leak;

	list_for_each_entry(leak, &leaks->list, list) {
		if (leak->root)
			follow(m, leak);
		mark_step(m);
		if (mark_err(m))
			return;
	}
}

/* Nothing leads to what is left but itself: cycles, and what hangs on them. */
static void follow_cycles(struct kmemleak_tracker *t, struct kmemleak_marker *m,
			  struct kmemleak_leaks *leaks)
{
	struct kmemleak_suspect *leak;

	list_for_each_entry(leak, &leaks->list, list) {
		if (!leak->root && is_white(t, leak))
			follow(m, leak);
		mark_step(m);
		if (mark_err(m))
			return;
	}
}

int kmemleak_group(struct kmemleak_tracker *t, struct kmemleak_marker *m,
		   struct kmemleak_leaks *leaks)
{
	if (find_roots(t, m, leaks)) {
		whiten(m, leaks);
		follow_roots(m, leaks);
		follow_cycles(t, m, leaks);
		whiten(m, leaks);
	}
	return mark_err(m);
}
