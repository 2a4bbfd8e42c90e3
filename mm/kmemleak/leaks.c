// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets of suspects and of leak records. A set lives in pages of its own, so that it
 * is not tracked itself, and outlives the objects it was made from. It can be large:
 * whatever is done to all of it is done in pieces, with pauses between them.
 */
#include "kmemleak.h"

/* Begins every page of a set. */
struct record_page {
	struct record_page *next;
};

static_assert(sizeof(struct record_page) + sizeof(struct kmemleak_leak) <= PAGE_SIZE);

/**
 * kmemleak_leaks_init() - make an empty set
 * @leaks: any memory
 */
void kmemleak_leaks_init(struct kmemleak_leaks *leaks)
{
	*leaks = (struct kmemleak_leaks){ .list = LIST_HEAD_INIT(leaks->list) };
}

/**
 * kmemleak_leaks_add() - one more record
 * @t: tracker
 * @leaks: the set
 * @size: of its records
 *
 * Return: a zeroed record, the last in the list; NULL if there is no memory.
 */
void *kmemleak_leaks_add(struct kmemleak_tracker *t, struct kmemleak_leaks *leaks, size_t size)
{
	struct list_head *record;

	if (!leaks->pages || leaks->used + size > PAGE_SIZE) {
		struct record_page *page = t->ops->page_alloc(t, 0, KMEMLEAK_GFP);

		if (!page) {
			kmemleak_count(t, KMEMLEAK_CNT_LEAK_DROPPED);
			return NULL;
		}
		page->next = leaks->pages;
		leaks->pages = page;
		leaks->used = sizeof(*page);
	}
	record = leaks->pages + leaks->used;
	leaks->used += size;
	list_add_tail(record, &leaks->list);
	leaks->nr++;
	return record;
}

/**
 * kmemleak_leaks_drop() - take a record out; its memory stays with the set
 * @leaks: the set
 * @record: in it
 */
void kmemleak_leaks_drop(struct kmemleak_leaks *leaks, struct list_head *record)
{
	list_del(record);
	leaks->nr--;
}

/**
 * kmemleak_leaks_free() - give a set's memory back
 * @t: tracker
 * @leaks: the set; empty afterwards
 */
void kmemleak_leaks_free(struct kmemleak_tracker *t, struct kmemleak_leaks *leaks)
{
	struct record_page *page = leaks->pages, *next;
	unsigned int nr = 0;

	for (; page; page = next) {
		next = page->next;
		t->ops->page_free(t, page, 0);
		/* Only for its rescheduling: the rest has to go as well. */
		if (!(++nr % KMEMLEAK_RECORDS_PER_PAUSE))
			t->ops->pause(t);
	}
	kmemleak_leaks_init(leaks);
}

/* ---------------------------------------------------------------- sort -- */

/* More suspects than 1 << this do not fit into memory. */
#define SORT_LEVELS	32

/**
 * struct sort - list_sort() cannot be ended, so this is another one
 * @t: tracker
 * @now: low half of jiffies
 * @steps: since the last pause
 * @err: what ops->pause() said, or 0
 * @level: sorted lists of about 1 << level suspects each, or empty ones; what is in a
 *	higher level stood before what is in a lower one
 */
struct sort {
	struct kmemleak_tracker *t;
	u32 now;
	unsigned int steps;
	int err;
	struct list_head level[SORT_LEVELS];
};

static void sort_step(struct sort *sort)
{
	if (!(++sort->steps % KMEMLEAK_RECORDS_PER_PAUSE))
		sort->err = sort->t->ops->pause(sort->t);
}

/* Ages, not times, so that a wrap of jiffies does not matter. */
static bool is_older(const struct sort *sort, const struct list_head *a, const struct list_head *b)
{
	const struct kmemleak_suspect *sa = list_entry(a, struct kmemleak_suspect, list);
	const struct kmemleak_suspect *sb = list_entry(b, struct kmemleak_suspect, list);
	u32 age_a = sort->now - sa->born, age_b = sort->now - sb->born;

	if (age_a != age_b)
		return age_a > age_b;
	return (s32)(sa->stamp - sb->stamp) < 0;
}

/* Takes those from the front of @list that are in order already. Return: how many. */
static unsigned long cut_run(struct sort *sort, struct list_head *list, struct list_head *run)
{
	struct list_head *last = list->next;
	unsigned long nr = 1;

	for (; last->next != list && !is_older(sort, last->next, last) && !sort->err; nr++) {
		last = last->next;
		sort_step(sort);
	}
	list_cut_position(run, list, last);
	return nr;
}

/* Two sorted lists become one, in @list; of equal ones that of @first goes first. */
static void merge(struct sort *sort, struct list_head *first, struct list_head *list)
{
	LIST_HEAD(merged);

	while (!list_empty(first) && !list_empty(list) && !sort->err) {
		/* Entries lie in pages in order, and pages the other way round. */
		if (is_older(sort, list->prev, first->next)) {
			list_splice_tail_init(list, &merged);
			break;
		}
		list_move_tail(is_older(sort, list->next, first->next) ? list->next : first->next,
			       &merged);
		sort_step(sort);
	}
	list_splice_tail_init(first, &merged);
	list_splice(&merged, list);
}

/**
 * kmemleak_suspects_sort() - into the order of allocation
 * @t: tracker
 * @suspects: a set of these
 *
 * Return: 0, or what ops->pause() said, then they are in any order.
 */
int kmemleak_suspects_sort(struct kmemleak_tracker *t, struct kmemleak_leaks *suspects)
{
	struct sort sort = { .t = t, .now = t->ops->now() };
	LIST_HEAD(run);
	unsigned int i;

	for (i = 0; i < SORT_LEVELS; i++)
		INIT_LIST_HEAD(&sort.level[i]);
	while (!list_empty(&suspects->list) && !sort.err) {
		unsigned int level = ilog2(cut_run(&sort, &suspects->list, &run));

		for (i = 0; i < SORT_LEVELS - 1 && (i < level || !list_empty(&sort.level[i])); i++)
			merge(&sort, &sort.level[i], &run);
		list_splice_init(&run, &sort.level[i]);
	}
	for (i = 0; i < SORT_LEVELS; i++)
		merge(&sort, &sort.level[i], &suspects->list);
	return sort.err;
}

/* -------------------------------------------------------------- blocks -- */

/*
 * The object that a record was made from, locked; NULL if it is gone. The record's
 * entry may be another block's by now, or no memory of the pool any more.
 */
static struct kmemleak_object *relock_leak(struct kmemleak_tracker *t,
					   const struct kmemleak_leak *leak,
					   struct kmemleak_lookup *at)
{
	enum kmemleak_space space = leak->flags & KMEMLEAK_SPACE_MASK;
	struct kmemleak_object *obj = kmemleak_index_find_start(t, space, leak->ref.start, at);

	/* There can be a younger block of the same address. */
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
	unsigned int nr = 0;

	list_for_each_entry(leak, &leaks->list, list) {
		struct kmemleak_lookup at;
		struct kmemleak_object *obj = relock_leak(t, leak, &at);

		if (obj) {
			kmemleak_paint(obj, min_count, 0);
			kmemleak_index_unlock(&at);
		}
		/* Only for its rescheduling: this is not to be left half done. */
		if (!(++nr % KMEMLEAK_RECORDS_PER_PAUSE))
			t->ops->pause(t);
	}
}
