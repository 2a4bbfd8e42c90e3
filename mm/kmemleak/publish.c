// SPDX-License-Identifier: GPL-2.0-only
/* The published leak set: the result of the last complete scan, for readers of the file. */
#include <linux/mm.h>
#include <linux/spinlock.h>

#include "access.h"
#include "publish.h"
#include "state.h"

/* Guards the pointer only; sets never change. Process context only. */
static DEFINE_SPINLOCK(published_lock);
static struct kmemleak_published *published;

/**
 * kmemleak_publish_alloc() - make an empty set
 *
 * Return: a set with one reference, or NULL if there is no memory.
 */
struct kmemleak_published *kmemleak_publish_alloc(void)
{
	struct kmemleak_published *set;

	static_assert(sizeof(*set) <= PAGE_SIZE);
	set = kmemleak_access_page_alloc(&kmemleak_tracker, 0, KMEMLEAK_GFP);
	if (!set)
		return NULL;
	kref_init(&set->ref);
	set->generation = kmemleak_generation;
	kmemleak_leak_set_init(&set->leaks);
	return set;
}

static void free_published(struct kref *ref)
{
	struct kmemleak_published *set = container_of(ref, struct kmemleak_published, ref);

	kmemleak_leak_set_free(&kmemleak_tracker, &set->leaks);
	kmemleak_access_page_free(&kmemleak_tracker, set, 0);
}

/**
 * kmemleak_publish() - show another set from now on
 * @set: the set, whose reference is handed over, or NULL
 *
 * Context: process, kmemleak_scan_mutex held.
 */
void kmemleak_publish(struct kmemleak_published *set)
{
	struct kmemleak_published *old;

	spin_lock(&published_lock);
	old = published;
	published = set;
	spin_unlock(&published_lock);
	if (old)
		kmemleak_published_put(old);
}

/**
 * kmemleak_published_get() - the set that is shown
 *
 * Return: the set, with a reference for the caller, or NULL.
 */
struct kmemleak_published *kmemleak_published_get(void)
{
	struct kmemleak_published *set;

	spin_lock(&published_lock);
	set = published;
	if (set)
		kref_get(&set->ref);
	spin_unlock(&published_lock);
	return set;
}

/**
 * kmemleak_published_put() - drop a reference
 * @set: the set
 */
void kmemleak_published_put(struct kmemleak_published *set)
{
	kref_put(&set->ref, free_published);
}
