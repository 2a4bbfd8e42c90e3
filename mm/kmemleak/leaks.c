// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets of leak records. A set lives in pages of its own, so that it is not
 * tracked itself, and outlives the objects it was made from.
 */
#include "kmemleak.h"

#define GFP_LEAKS	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC)

/* Begins every page of a set. */
struct leak_page {
	struct leak_page *next;
};

static_assert(sizeof(struct leak_page) + sizeof(struct kmemleak_leak) <= PAGE_SIZE);

/**
 * kmemleak_leaks_init() - make an empty set
 * @leaks: any memory
 */
void kmemleak_leaks_init(struct kmemleak_leaks *leaks)
{
	INIT_LIST_HEAD(&leaks->list);
	leaks->nr = 0;
	leaks->nr_new = 0;
	leaks->pages = NULL;
	leaks->used = PAGE_SIZE;
}

/**
 * kmemleak_leaks_add() - one more record
 * @t: tracker
 * @leaks: the set
 *
 * To take a record out again, list_del() it and count leaks->nr down; its
 * memory stays with the set.
 *
 * Context: process, may sleep.
 * Return: a zeroed record, already in the list; NULL if there is no memory.
 */
struct kmemleak_leak *kmemleak_leaks_add(struct kmemleak_tracker *t, struct kmemleak_leaks *leaks)
{
	struct kmemleak_leak *leak;

	if (leaks->used + sizeof(*leak) > PAGE_SIZE) {
		struct leak_page *page = t->ops->page_alloc(t, 0, GFP_LEAKS);

		if (!page) {
			kmemleak_count(t, KMEMLEAK_CNT_LEAK_DROPPED);
			return NULL;
		}
		page->next = leaks->pages;
		leaks->pages = page;
		leaks->used = sizeof(*page);
	}
	leak = leaks->pages + leaks->used;
	leaks->used += sizeof(*leak);
	list_add_tail(&leak->list, &leaks->list);
	leaks->nr++;
	return leak;
}

/* @priv: now. Ages, not times, so that a wrap of jiffies does not matter. */
static int older_first(void *priv, const struct list_head *a, const struct list_head *b)
{
	const struct kmemleak_leak *la = list_entry(a, struct kmemleak_leak, list);
	const struct kmemleak_leak *lb = list_entry(b, struct kmemleak_leak, list);
	u32 now = *(u32 *)priv, age_a = now - la->born, age_b = now - lb->born;

	if (age_a != age_b)
		return age_a < age_b ? 1 : -1;
	return (s32)(la->stamp - lb->stamp) > 0 ? 1 : -1;
}

/**
 * kmemleak_leaks_sort() - into the order of allocation
 * @t: tracker
 * @leaks: the set
 */
void kmemleak_leaks_sort(struct kmemleak_tracker *t, struct kmemleak_leaks *leaks)
{
	u32 now = t->ops->now();

	list_sort(&now, &leaks->list, older_first);
}

/**
 * kmemleak_leaks_free() - give a set's memory back
 * @t: tracker
 * @leaks: the set; empty afterwards
 */
void kmemleak_leaks_free(struct kmemleak_tracker *t, struct kmemleak_leaks *leaks)
{
	struct leak_page *page = leaks->pages, *next;

	for (; page; page = next) {
		next = page->next;
		t->ops->page_free(t, page, 0);
	}
	kmemleak_leaks_init(leaks);
}

/* The object that a record was made from, locked; NULL if it is gone. */
static struct kmemleak_object *relock_leak(struct kmemleak_tracker *t,
					   const struct kmemleak_leak *leak,
					   struct kmemleak_lookup *at)
{
	struct kmemleak_object *obj = kmemleak_index_relock(t, leak->ref, at);

	/* The same entry can hold a younger block of the same address. */
	if (obj && (obj->born != leak->born || obj->stamp != leak->stamp)) {
		kmemleak_index_unlock(at);
		obj = NULL;
	}
	return obj;
}

/**
 * kmemleak_leak_lives() - is the block of a record still allocated?
 * @t: tracker, enabled
 * @leak: the record
 *
 * Context: process; the caller prevents kmemleak_tracker_reset().
 */
bool kmemleak_leak_lives(struct kmemleak_tracker *t, const struct kmemleak_leak *leak)
{
	struct kmemleak_lookup at;

	if (!relock_leak(t, leak, &at))
		return false;
	kmemleak_index_unlock(&at);
	return true;
}

/**
 * kmemleak_leaks_settle() - the user knows these leaks: never report them again
 * @t: tracker, enabled
 * @leaks: the set
 *
 * They become roots, so what only they point at is not reported either.
 *
 * Context: as kmemleak_leak_lives().
 */
void kmemleak_leaks_settle(struct kmemleak_tracker *t, const struct kmemleak_leaks *leaks)
{
	struct kmemleak_leak *leak;

	list_for_each_entry(leak, &leaks->list, list) {
		struct kmemleak_lookup at;
		struct kmemleak_object *obj = relock_leak(t, leak, &at);

		if (obj) {
			kmemleak_paint(obj, min_count, 0);
			kmemleak_index_unlock(&at);
		}
		/* Only for its rescheduling: this is not to be left half done. */
		t->ops->pause(t);
	}
}
