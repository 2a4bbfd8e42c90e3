// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which per-cpu pointer does an address in a CPU's copy stand for? The search does not visit
 * each CPU, because a machine can have thousands.
 *
 * The copies of one CPU lie at a fixed offset from the per-cpu pointers. The per-cpu
 * allocator arranges these offsets in a few groups, one for each memory node. Within a group
 * they are one unit apart. Objects lie in a few areas, the allocator's chunks. So the copies
 * of one area in one group lie side by side, away from the copies of other areas. For each
 * group, search for the area, then for the CPU. This finds all pointers in any layout. In a
 * layout that differs from this description it only takes longer.
 *
 * Groups and areas are computed when a mark begins. Objects born later are gray.
 */
#include "index.h"
#include "percpu.h"
#include "tracker.h"

/* Objects to visit between two pauses. */
#define WALK_BUDGET	64

/* Argument of add_percpu_object(). */
struct filling {
	struct kmemleak_percpu_map *map;
	unsigned long gap;	/* objects at most this far apart share an area */
};

/* Smallest distance between the offsets of two CPUs. */
static unsigned long unit_size(const struct kmemleak_tracker *t)
{
	unsigned long size = ULONG_MAX;
	unsigned int i;

	for (i = 1; i < t->nr_cpu_offsets; i++)
		size = min(size, t->cpu_offset[i] - t->cpu_offset[i - 1]);
	return max(size, 1UL);
}

static unsigned long double_gap(unsigned long gap)
{
	return gap > ULONG_MAX / 2 ? ULONG_MAX : 2 * gap;
}

/* Offsets at most @gap apart share a group. Return: false if there are too many groups. */
static bool fill_groups(const struct kmemleak_tracker *t, struct kmemleak_percpu_map *map,
			unsigned long gap)
{
	struct kmemleak_percpu_group *group = NULL;
	unsigned int i;

	map->nr_groups = 0;
	for (i = 0; i < t->nr_cpu_offsets; i++) {
		if (!group || t->cpu_offset[i] - t->cpu_offset[i - 1] > gap) {
			if (map->nr_groups == ARRAY_SIZE(map->group))
				return false;
			group = &map->group[map->nr_groups++];
			group->offset = &t->cpu_offset[i];
			group->nr = 0;
		}
		group->nr++;
	}
	return true;
}

/* Joins areas that are at most @gap apart. */
static void join_areas(struct kmemleak_percpu_map *map, unsigned long gap)
{
	unsigned int i, nr = 0;

	for (i = 1; i < map->nr_areas; i++) {
		if (map->area[i].start - map->area[nr].end > gap)
			map->area[++nr] = map->area[i];
		else
			map->area[nr].end = map->area[i].end;
	}
	map->nr_areas = nr + 1;
}

/* Called for objects in ascending order. */
static void add_percpu_object(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	struct filling *filling = arg;
	struct kmemleak_percpu_map *map = filling->map;
	struct kmemleak_percpu_area *last = map->nr_areas ? &map->area[map->nr_areas - 1] : NULL;
	unsigned long end = obj->start + obj->size;

	if (!kmemleak_space_is_per_cpu(kmemleak_object_space(obj)))
		return;
	/* The last object may have been freed during the walk, so this one may overlap it. */
	if (last && (obj->start <= last->end || obj->start - last->end <= filling->gap)) {
		last->end = max(last->end, end);
		return;
	}
	while (map->nr_areas == ARRAY_SIZE(map->area)) {
		filling->gap = double_gap(filling->gap);
		join_areas(map, filling->gap);
	}
	map->area[map->nr_areas++] = (struct kmemleak_percpu_area){ obj->start, end };
}

/**
 * kmemleak_percpu_map_fill() - find out where CPUs' copies of per-cpu objects lie
 * @t: tracker
 * @map: the map, filled in
 *
 * Context: process, no lock held.
 */
void kmemleak_percpu_map_fill(struct kmemleak_tracker *t, struct kmemleak_percpu_map *map)
{
	struct kmemleak_cursor cursor = kmemleak_index_begin(t, KMEMLEAK_PERCPU);
	struct filling filling = { .map = map, .gap = unit_size(t) };
	unsigned long gap = filling.gap;

	while (!fill_groups(t, map, gap))
		gap = double_gap(gap);
	map->nr_areas = 0;
	while (map->nr_groups &&
	       kmemleak_index_walk(t, &cursor, WALK_BUDGET, add_percpu_object, &filling))
		/* If the scan must end, the next pause of the mark returns the error again. */
		t->ops->pause(t);
}

/*
 * Return: the last area that starts at or below @value. If there is none, the last area of
 * all, because addresses wrap around.
 */
static unsigned int search_area(const struct kmemleak_percpu_map *map, unsigned long value)
{
	unsigned int low = 0, high = map->nr_areas;

	while (low < high) {
		unsigned int middle = (low + high) / 2;

		if (map->area[middle].start <= value)
			low = middle + 1;
		else
			high = middle;
	}
	return (low ?: map->nr_areas) - 1;
}

/* Return: the last CPU of a group with an offset at most @distance above the first CPU's. */
static unsigned int search_cpu(const struct kmemleak_percpu_group *group, unsigned long distance)
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

/* Visits the pointers of one area that @addr can stand for. @addr may lie between two copies. */
static void visit_area(struct kmemleak_marker *m, const struct kmemleak_percpu_group *group,
		       const struct kmemleak_percpu_area *area, unsigned long addr,
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
 * kmemleak_percpu_map_visit() - visit the per-cpu pointers that an address can stand for
 * @map: the map
 * @m: passed to @visit
 * @addr: any word
 * @visit: called with each pointer that lies in an area and is @addr less a CPU's offset
 */
void kmemleak_percpu_map_visit(const struct kmemleak_percpu_map *map, struct kmemleak_marker *m,
			       unsigned long addr,
			       void (*visit)(struct kmemleak_marker *m, unsigned long ptr))
{
	const struct kmemleak_percpu_group *group;

	for (group = map->group; map->nr_areas && group < map->group + map->nr_groups; group++) {
		unsigned long span = group->offset[group->nr - 1] - group->offset[0];
		/* The pointer, if @addr lies in the copy of the group's first CPU. */
		unsigned long first = addr - group->offset[0];
		unsigned int nr = search_area(map, first), left = map->nr_areas;

		/* Areas ascend, and so do the ends of their copies: stop at the first miss. */
		for (; left; left--, nr = (nr ?: map->nr_areas) - 1) {
			const struct kmemleak_percpu_area *area = &map->area[nr];

			if (first - area->start >= area->end - area->start + span)
				break;
			visit_area(m, group, area, addr, visit);
		}
	}
}
