// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sets of suspects and of leak records. A set has pages of its own. So it is not tracked
 * itself, and it outlives the objects that it was made from. A set can be large: work on all
 * records is done in pieces, with pauses between them.
 */
#include "index.h"
#include "leak_set.h"
#include "tracker.h"

/* Header of each page of a set. */
struct record_page {
	struct record_page *next;
};

static_assert(sizeof(struct record_page) + sizeof(struct kmemleak_leak) <= PAGE_SIZE);

/**
 * kmemleak_leak_set_init() - make an empty set
 * @leaks: memory for the set, with any contents
 */
void kmemleak_leak_set_init(struct kmemleak_leak_set *leaks)
{
	*leaks = (struct kmemleak_leak_set){ .list = LIST_HEAD_INIT(leaks->list) };
}

/**
 * kmemleak_leak_set_add() - add a record to a set
 * @t: tracker
 * @leaks: the set
 * @size: size of its records
 *
 * Return: a zeroed record at the end of the list, or NULL if there is no memory.
 */
void *kmemleak_leak_set_add(struct kmemleak_tracker *t, struct kmemleak_leak_set *leaks,
			    size_t size)
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
 * kmemleak_leak_set_drop() - remove a record from a set; the set keeps the memory
 * @leaks: the set
 * @record: a record in the set
 */
void kmemleak_leak_set_drop(struct kmemleak_leak_set *leaks, struct list_head *record)
{
	list_del(record);
	leaks->nr--;
}

/**
 * kmemleak_leak_set_free() - free the memory of a set
 * @t: tracker
 * @leaks: the set; empty afterwards
 */
void kmemleak_leak_set_free(struct kmemleak_tracker *t, struct kmemleak_leak_set *leaks)
{
	struct record_page *page = leaks->pages, *next;
	unsigned int nr = 0;

	for (; page; page = next) {
		next = page->next;
		t->ops->page_free(t, page, 0);
		/* Only gives up the CPU. Errors do not matter: all pages must be freed. */
		if (!(++nr % KMEMLEAK_RECORDS_PER_PAUSE))
			t->ops->pause(t);
	}
	kmemleak_leak_set_init(leaks);
}

/* ---------------------------------------------------------------- sort -- */

/* Memory has no room for more than 1 << SORT_LEVELS suspects. */
#define SORT_LEVELS	32

/**
 * struct sort - a merge sort that can end early, which list_sort() cannot
 * @t: tracker
 * @now: low half of jiffies
 * @steps: number of steps; there is a pause after each KMEMLEAK_RECORDS_PER_PAUSE
 * @err: error of ops->pause(), or 0
 * @level: sorted lists of about 1 << level suspects each, or empty. Suspects of a higher
 *	level stood before suspects of a lower level.
 */
struct sort {
	struct kmemleak_tracker *t;
	u32 now;
	unsigned int steps;
	int err;
	struct list_head level[SORT_LEVELS];
};

static void count_sort_step(struct sort *sort)
{
	if (!(++sort->steps % KMEMLEAK_RECORDS_PER_PAUSE))
		sort->err = sort->t->ops->pause(sort->t);
}

/* Compares ages instead of times, so that a wrap of jiffies does not matter. */
static bool is_older(const struct sort *sort, const struct list_head *a, const struct list_head *b)
{
	const struct kmemleak_suspect *sa = list_entry(a, struct kmemleak_suspect, list);
	const struct kmemleak_suspect *sb = list_entry(b, struct kmemleak_suspect, list);
	u32 age_a = sort->now - sa->born, age_b = sort->now - sb->born;

	if (age_a != age_b)
		return age_a > age_b;
	return (s32)(sa->stamp - sb->stamp) < 0;
}

/* Moves suspects at the front of @list that are in order to @run. Return: how many. */
static unsigned long cut_sorted_run(struct sort *sort, struct list_head *list,
				    struct list_head *run)
{
	struct list_head *last = list->next;
	unsigned long nr = 1;

	for (; last->next != list && !is_older(sort, last->next, last) && !sort->err; nr++) {
		last = last->next;
		count_sort_step(sort);
	}
	list_cut_position(run, list, last);
	return nr;
}

/* Merges two sorted lists into @list. Of equal suspects, the one in @first goes first. */
static void merge_lists(struct sort *sort, struct list_head *first, struct list_head *list)
{
	LIST_HEAD(merged);

	while (!list_empty(first) && !list_empty(list) && !sort->err) {
		/*
		 * A page of the pool has its entries in order, but newer pages come first. So all
		 * of @list is often older than the rest of @first.
		 */
		if (is_older(sort, list->prev, first->next)) {
			list_splice_tail_init(list, &merged);
			break;
		}
		list_move_tail(is_older(sort, list->next, first->next) ? list->next : first->next,
			       &merged);
		count_sort_step(sort);
	}
	list_splice_tail_init(first, &merged);
	list_splice(&merged, list);
}

/**
 * kmemleak_leak_set_sort() - sort suspects by the time of allocation, oldest first
 * @t: tracker
 * @suspects: a set of suspects
 *
 * Return: 0, or the error of ops->pause(): the suspects are in any order.
 */
int kmemleak_leak_set_sort(struct kmemleak_tracker *t, struct kmemleak_leak_set *suspects)
{
	struct sort sort = { .t = t, .now = t->ops->now() };
	LIST_HEAD(run);
	unsigned int i;

	for (i = 0; i < SORT_LEVELS; i++)
		INIT_LIST_HEAD(&sort.level[i]);
	while (!list_empty(&suspects->list) && !sort.err) {
		unsigned int level = ilog2(cut_sorted_run(&sort, &suspects->list, &run));

		for (i = 0; i < SORT_LEVELS - 1 && (i < level || !list_empty(&sort.level[i])); i++)
			merge_lists(&sort, &sort.level[i], &run);
		list_splice_init(&run, &sort.level[i]);
	}
	for (i = 0; i < SORT_LEVELS; i++)
		merge_lists(&sort, &sort.level[i], &suspects->list);
	return sort.err;
}

/* -------------------------------------------------------------- blocks -- */

/*
 * Finds the object that a record was made from. Looks it up by address, because the entry
 * may hold another object by now, or its page may have been released.
 * Return: the object, locked, or NULL if it is gone.
 */
static struct kmemleak_object *lock_leaked_object(struct kmemleak_tracker *t,
						  const struct kmemleak_leak *leak,
						  struct kmemleak_index_lock *at)
{
	enum kmemleak_space space = leak->flags & KMEMLEAK_SPACE_MASK;
	struct kmemleak_object *obj = kmemleak_index_find_start(t, space, leak->ref.start, at);

	/* A younger block may have the same address. */
	if (obj && (obj->born != leak->born || obj->stamp != leak->stamp)) {
		kmemleak_index_unlock(at);
		obj = NULL;
	}
	return obj;
}

/**
 * kmemleak_leak_set_is_alive() - is the block of a record still allocated?
 * @t: tracker, enabled
 * @leak: the record
 *
 * Context: process; the caller prevents kmemleak_tracker_reset().
 */
bool kmemleak_leak_set_is_alive(struct kmemleak_tracker *t, const struct kmemleak_leak *leak)
{
	struct kmemleak_index_lock at;

	if (!lock_leaked_object(t, leak, &at))
		return false;
	kmemleak_index_unlock(&at);
	return true;
}

/**
 * kmemleak_leak_set_acknowledge() - the user knows these leaks: never report them again
 * @t: tracker, enabled
 * @leaks: the set
 *
 * The leaks become roots. So blocks that only they point to are not reported either.
 *
 * Context: as kmemleak_leak_set_is_alive().
 */
void kmemleak_leak_set_acknowledge(struct kmemleak_tracker *t,
				   const struct kmemleak_leak_set *leaks)
{
	struct kmemleak_leak *leak;
	unsigned int nr = 0;

	list_for_each_entry(leak, &leaks->list, list) {
		struct kmemleak_index_lock at;
		struct kmemleak_object *obj = lock_leaked_object(t, leak, &at);

		if (obj) {
			kmemleak_colour_set(obj, min_count, 0);
			kmemleak_index_unlock(&at);
		}
		/* Only gives up the CPU. Errors do not matter: all leaks must become roots. */
		if (!(++nr % KMEMLEAK_RECORDS_PER_PAUSE))
			t->ops->pause(t);
	}
}
