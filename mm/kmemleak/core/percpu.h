/* SPDX-License-Identifier: GPL-2.0-only */
/* From an address in a CPU's copy of a per-cpu object to the per-cpu pointer. See percpu.c. */
#ifndef _KMEMLEAK_PERCPU_H
#define _KMEMLEAK_PERCPU_H

#include "platform.h"

struct kmemleak_marker;
struct kmemleak_tracker;

/**
 * struct kmemleak_percpu_map - where the copies of per-cpu objects lie
 * @group: offsets of CPUs that are close together, ascending
 * @nr_groups: number of @group
 * @area: per-cpu pointers of objects that are close together, ascending
 * @nr_areas: number of @area
 *
 * If there are more groups or areas than fit, neighbours are joined. That only costs time.
 */
struct kmemleak_percpu_map {
	struct kmemleak_percpu_group {
		const unsigned long *offset;
		unsigned int nr;
	} group[16];
	unsigned int nr_groups;
	struct kmemleak_percpu_area {
		unsigned long start;
		unsigned long end;
	} area[128];
	unsigned int nr_areas;
};

void kmemleak_percpu_map_fill(struct kmemleak_tracker *t, struct kmemleak_percpu_map *map);
void kmemleak_percpu_map_visit(const struct kmemleak_percpu_map *map, struct kmemleak_marker *m,
			       unsigned long addr,
			       void (*visit)(struct kmemleak_marker *m, unsigned long ptr));

#endif /* _KMEMLEAK_PERCPU_H */
