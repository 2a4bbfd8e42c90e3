// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which per-cpu pointer an address in some CPU's copy belongs to, without a look at
 * each CPU: a machine can have thousands.
 *
 * A CPU's copies lie at a fixed offset from the pointers. The allocator has these
 * offsets in a few groups, one for each memory node, and within a group one unit
 * apart. Objects lie in a few areas, the allocator's chunks. So the copies of one
 * area in one group lie side by side, and away from those of other areas. For each
 * group, a search for the area is followed by one for the CPU. This finds every
 * answer that there is, whatever the layout; another layout only takes longer.
 *
 * Groups and areas are computed when a mark begins. Objects born later are gray.
 */
#include "index.h"
#include "mark.h"

/* For add_object(). */
struct filling {
	struct kmemleak_copies *copies;
	unsigned long gap;	/* objects no further apart share an area */
};

/* Smallest distance of two CPUs. */
static unsigned long unit_size(const struct kmemleak_tracker *t)
{
	unsigned long size = ULONG_MAX;
	unsigned int i;

	for (i = 1; i < t->nr_cpu_offsets; i++)
		size = min(size, t->cpu_offset[i] - t->cpu_offset[i - 1]);
	return max(size, 1UL);
}

static unsigned long twice(unsigned long gap)
{
	return gap > ULONG_MAX / 2 ? ULONG_MAX : 2 * gap;
}

/* Offsets no further apart than @gap share a group. Return: false if there are too many. */
static bool fill_groups(const struct kmemleak_tracker *t, struct kmemleak_copies *c,
			unsigned long gap)
{
	struct kmemleak_copies_group *group = NULL;
	unsigned int i;

	c->nr_groups = 0;
	for (i = 0; i < t->nr_cpu_offsets; i++) {
		if (!group || t->cpu_offset[i] - t->cpu_offset[i - 1] > gap) {
			if (c->nr_groups == ARRAY_SIZE(c->group))
				return false;
			group = &c->group[c->nr_groups++];
			group->offset = &t->cpu_offset[i];
			group->nr = 0;
		}
		group->nr++;
	}
	return true;
}

/* Joins areas that are no further apart than @gap. */
static void join_areas(struct kmemleak_copies *c, unsigned long gap)
{
	unsigned int i, nr = 0;

	for (i = 1; i < c->nr_areas; i++) {
		if (c->area[i].start - c->area[nr].end > gap)
			c->area[++nr] = c->area[i];
		else
			c->area[nr].end = c->area[i].end;
	}
	c->nr_areas = nr + 1;
}

/* Objects come in ascending order. */
static void add_object(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	struct filling *filling = arg;
	struct kmemleak_copies *c = filling->copies;
	struct kmemleak_copies_area *last = c->nr_areas ? &c->area[c->nr_areas - 1] : NULL;
	unsigned long end = obj->start + obj->size;

	if (kmemleak_object_space(obj) != KMEMLEAK_PERCPU)
		return;
	/* What was there before may be gone, so they can overlap. */
	if (last && (obj->start <= last->end || obj->start - last->end <= filling->gap)) {
		last->end = max(last->end, end);
		return;
	}
	while (c->nr_areas == ARRAY_SIZE(c->area)) {
		filling->gap = twice(filling->gap);
		join_areas(c, filling->gap);
	}
	c->area[c->nr_areas++] = (struct kmemleak_copies_area){ obj->start, end };
}

/**
 * kmemleak_copies_fill() - find out where copies can lie
 * @t: tracker
 * @c: filled in
 *
 * Context: process, nothing held.
 */
void kmemleak_copies_fill(struct kmemleak_tracker *t, struct kmemleak_copies *c)
{
	struct kmemleak_cursor cursor = kmemleak_index_begin(t, KMEMLEAK_PERCPU);
	struct filling filling = { .copies = c, .gap = unit_size(t) };
	unsigned long gap = filling.gap;

	while (!fill_groups(t, c, gap))
		gap = twice(gap);
	c->nr_areas = 0;
	while (c->nr_groups && kmemleak_index_walk(t, &cursor, SWEEP_BATCH, add_object, &filling))
		t->ops->pause(t);
}

/* The last element at or below @value, or the last of all: addresses wrap around. */
static unsigned int search_area(const struct kmemleak_copies *c, unsigned long value)
{
	unsigned int low = 0, high = c->nr_areas;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (c->area[middle].start <= value)
			low = middle + 1;
		else
			high = middle;
	}
	return (low ?: c->nr_areas) - 1;
}

/* The last CPU of a group that is at most @distance away from the first. */
static unsigned int search_cpu(const struct kmemleak_copies_group *group, unsigned long distance)
{
	unsigned int low = 1, high = group->nr;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (group->offset[middle] - group->offset[0] <= distance)
			low = middle + 1;
		else
			high = middle;
	}
	return low - 1;
}

/* For an address in one of the copies of an area, or between them. */
static void visit_area(struct kmemleak_marker *m, const struct kmemleak_copies_group *group,
		       const struct kmemleak_copies_area *area, unsigned long addr,
		       void (*visit)(struct kmemleak_marker *m, unsigned long ptr))
{
	unsigned int cpu = search_cpu(group, addr - group->offset[0] - area->start);

	for (;; cpu--) {
		unsigned long ptr = addr - group->offset[cpu];

		if (ptr - area->start >= area->end - area->start)
			return;
		visit(m, ptr);
		if (!cpu)
			return;
	}
}

/**
 * kmemleak_copies_visit() - find the per-cpu pointers that an address can stand for
 * @m: marker
 * @addr: any word
 * @visit: called with each pointer that some CPU's offset makes @addr of, if it lies
 *	in an area with objects
 */
void kmemleak_copies_visit(struct kmemleak_marker *m, unsigned long addr,
			   void (*visit)(struct kmemleak_marker *m, unsigned long ptr))
{
	const struct kmemleak_copies *c = &m->mark->copies;
	const struct kmemleak_copies_group *group;

	for (group = c->group; c->nr_areas && group < c->group + c->nr_groups; group++) {
		unsigned long span = group->offset[group->nr - 1] - group->offset[0];
		/* As a pointer, if it is an address in the first CPU's copy. */
		unsigned long first = addr - group->offset[0];
		unsigned int nr = search_area(c, first), left = c->nr_areas;

		/* Areas ascend, and so do the ends of their copies. */
		for (; left; left--, nr = (nr ?: c->nr_areas) - 1) {
			const struct kmemleak_copies_area *area = &c->area[nr];

			if (first - area->start >= area->end - area->start + span)
				break;
			visit_area(m, group, area, addr, visit);
		}
	}
}
