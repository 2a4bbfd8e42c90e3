/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random object graphs in fake memory, and which of their objects are reached,
 * computed from that memory alone: a breadth-first search over an array, which
 * shares nothing with the detector but what the words mean.
 */
#ifndef _KMEMLEAK_GRAPH_H
#define _KMEMLEAK_GRAPH_H

#include "host.h"

#define GRAPH_MAX	4000
#define GRAPH_AREAS	4

/**
 * struct node - a block of the graph
 * @space: its space
 * @start: first byte
 * @size: bytes, 0: freed
 * @min_count: as given to the detector
 * @ignore: annotated
 * @no_scan: annotated
 * @area: scan areas, offsets
 * @nr_areas: how many; 0: all of it is scanned
 * @alias: address that surplus references stand for, or 0
 * @count: references found by the search
 * @queued: reached by the search
 * @newborn: came after the mark began
 */
struct node {
	enum kmemleak_space space;
	unsigned long start;
	size_t size;
	unsigned int min_count;
	bool ignore;
	bool no_scan;
	struct {
		size_t from;
		size_t to;
	} area[GRAPH_AREAS];
	unsigned int nr_areas;
	unsigned long alias;
	unsigned long count;
	bool queued;
	bool newborn;
};

struct graph {
	struct host *h;
	struct node node[GRAPH_MAX];
	unsigned int nr;
	unsigned long next[KMEMLEAK_NR_SPACES + 1];
};

/* What graph_build() puts in beside plain blocks; bits. */
enum graph_feature {
	GRAPH_WIDE = 1,		/* blocks of several regions, vmalloc addresses */
	GRAPH_PERCPU = 2,	/* per-cpu blocks, and pointers at their copies */
	GRAPH_ANNOTATED = 4,	/* areas, no_scan, ignore, min_count 0, 2, 3 */
	GRAPH_ALIAS = 8,	/* blocks that stand for others */
	GRAPH_OPAQUE = 16,	/* lost blocks that point at others */
	GRAPH_PHYS = 32,	/* physical blocks */
	GRAPH_ALL = 63,
};

/* @nr blocks with about @edges pointers each, in a tracker of its own. */
struct graph *graph_new(unsigned int nr, unsigned int edges, unsigned int features);
void graph_free(struct graph *g);
/* A new block, zeroed and tracked, that nothing points at. */
struct node *graph_add(struct graph *g, enum kmemleak_space space, size_t size, int min_count);
void graph_remove(struct graph *g, struct node *n);
/* A random block that is there, or NULL. */
struct node *graph_random(struct graph *g);
/* Stores a pointer into @n in a random word of @in, or of a root if NULL. */
void graph_point(struct graph *g, struct node *in, const struct node *n);

/* Searches anew; then node.count and graph_lost() are right. */
void graph_search(struct graph *g);
bool graph_lost(const struct node *n);
struct node *graph_find(struct graph *g, enum kmemleak_space space, unsigned long addr);

#endif /* _KMEMLEAK_GRAPH_H */
