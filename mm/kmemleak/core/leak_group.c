// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which leaks are reached from which? A lost structure is one mistake but many leaks. Its
 * root matters most: the leak that no other leak points to.
 *
 * Grouping continues the mark that found the leaks. That mark has reached all live objects.
 * So a white object that a leak leads to is a leak, too. If there was no memory to put it into
 * the set, it is not followed.
 */
#include "leak_group.h"
#include "leak_set.h"
#include "mark.h"

/* Takes no lock. record_leak() leaves out objects that are freed meanwhile. */
static bool is_white_leak(struct kmemleak_tracker *t, const struct kmemleak_suspect *leak)
{
	return kmemleak_ref_is_live(leak->ref) && kmemleak_object_white(t, leak->ref.obj);
}

static void whiten_leaks(struct kmemleak_marker *m, struct kmemleak_leak_set *leaks)
{
	struct kmemleak_suspect *leak;

	list_for_each_entry(leak, &leaks->list, list) {
		kmemleak_mark_whiten(m, leak->ref, leak->live_count);
		if (kmemleak_mark_poll(m))
			return;
	}
	kmemleak_mark_clear_word_cache(m);
}

static void follow_leak(struct kmemleak_marker *m, struct kmemleak_suspect *leak)
{
	unsigned long bytes, bytes_before, reached;

	reached = kmemleak_mark_reached(m, &bytes_before);
	kmemleak_mark_object(m, leak->ref);
	leak->root = true;
	leak->below = kmemleak_mark_reached(m, &bytes) - reached;
	leak->below_bytes = bytes - bytes_before;
}

/*
 * Finds the leaks that no other leak points to.
 * Return: true if some leak leads to another one. Else each leak counts as a root, or the
 * mark must end.
 */
static bool find_leak_roots(struct kmemleak_tracker *t, struct kmemleak_marker *m,
			    struct kmemleak_leak_set *leaks)
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
		leak->root = is_white_leak(t, leak);
		if (kmemleak_mark_poll(m))
			return false;
	}
	return true;
}

static void follow_roots(struct kmemleak_marker *m, struct kmemleak_leak_set *leaks)
{
	struct kmemleak_suspect *leak;

	list_for_each_entry(leak, &leaks->list, list) {
		if (leak->root)
			follow_leak(m, leak);
		if (kmemleak_mark_poll(m))
			return;
	}
}

/* The leaks that are still white are cycles without a root, and leaks reached from cycles. */
static void follow_cycles(struct kmemleak_tracker *t, struct kmemleak_marker *m,
			  struct kmemleak_leak_set *leaks)
{
	struct kmemleak_suspect *leak;

	list_for_each_entry(leak, &leaks->list, list) {
		if (!leak->root && is_white_leak(t, leak))
			follow_leak(m, leak);
		if (kmemleak_mark_poll(m))
			return;
	}
}

/**
 * kmemleak_leak_group() - find the roots among leaks, and count the leaks below each root
 * @t: tracker
 * @m: first marker of the mark that found the leaks
 * @leaks: the suspects that will be reported, oldest first. Sets their @root, @below and
 *	@below_bytes.
 *
 * Context: process, may sleep.
 * Return: 0, or the error of ops->pause() that the mark ends with.
 */
int kmemleak_leak_group(struct kmemleak_tracker *t, struct kmemleak_marker *m,
			struct kmemleak_leak_set *leaks)
{
	if (find_leak_roots(t, m, leaks)) {
		whiten_leaks(m, leaks);
		follow_roots(m, leaks);
		follow_cycles(t, m, leaks);
		/* "dump=" shows the count that the mark found. */
		whiten_leaks(m, leaks);
	}
	return kmemleak_mark_poll(m);
}
