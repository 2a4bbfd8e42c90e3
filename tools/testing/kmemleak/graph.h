/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Random object graphs in fake memory, and a search that computes from this memory alone
 * which objects are reached. The search shares no code with the mark. Only the meaning of
 * the words in memory is the same.
 */
#ifndef _KMEMLEAK_GRAPH_H
#define _KMEMLEAK_GRAPH_H

#include "host.h"

#define GRAPH_MAX	4000
#define GRAPH_AREAS	4

/**
 * struct node - a block of the graph
 * @space: address space of the block
 * @start: first byte
 * @size: bytes, 0: freed
 * @min_count: as given to the detector
 * @ignore: ignored by its min_count or by an annotation
 * @no_scan: annotated so
 * @area: scan areas, as offsets from @start
 * @nr_areas: number of @area; 0: the whole block is scanned
 * @alias: address that surplus references count for, or 0
 * @count: number of references that the search found
 * @queued: the search has reached the block
 * @newborn: allocated after the mark began
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

/* Kinds of blocks that graph_new() adds to the plain blocks; bits. */
enum graph_feature {
	GRAPH_WIDE = 1,		/* blocks of several regions, vmalloc addresses */
	GRAPH_PERCPU = 2,	/* per-cpu blocks, and pointers to their copies */
	GRAPH_ANNOTATED = 4,	/* areas, no_scan, ignore, min_count 0, 2, 3 */
	GRAPH_ALIAS = 8,	/* blocks that are aliases of others */
	GRAPH_OPAQUE = 16,	/* opaque blocks that point to others */
	GRAPH_PHYS = 32,	/* physical blocks */
	GRAPH_ALL = 63,
};

/* A graph of @nr blocks with about @edges pointers each. It has its own tracker. */
struct graph *graph_new(unsigned int nr, unsigned int edges, unsigned int features);
void graph_free(struct graph *g);
/* Adds a block, which is zeroed and tracked. Nothing points to it. */
struct node *graph_add(struct graph *g, enum kmemleak_space space, size_t size, int min_count);
void graph_remove(struct graph *g, struct node *n);
/* A random block that was not freed, or NULL. */
struct node *graph_random(struct graph *g);
/* Stores a pointer to @n in a random word of @in, or of a root if @in is NULL. */
void graph_point(struct graph *g, struct node *in, const struct node *n);

/* Searches again. After that, node.count and graph_lost() are up to date. */
void graph_search(struct graph *g);
bool graph_lost(const struct node *n);
struct node *graph_find(struct graph *g, enum kmemleak_space space, unsigned long addr);

#endif /* _KMEMLEAK_GRAPH_H */
