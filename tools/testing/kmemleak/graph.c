// SPDX-License-Identifier: GPL-2.0-only
/* Random object graphs, and the search that tells which objects are lost. */
#include "graph.h"

/* Sizes of the memory of each kind. Blocks fill it from the bottom. */
#define DIRECT_SIZE	0x1000000UL
#define VMALLOC_SIZE	0x800000UL
#define PERCPU_SIZE	0x40000UL
#define ROOT_SIZE	0x8000UL

/* The upper parts of the direct map, for opaque and physical blocks. */
#define OPAQUE_BASE	(HOST_DIRECT + DIRECT_SIZE - 0x80000)
#define OPAQUE_STEP	0x1000UL
#define PHYS_BASE	(DIRECT_SIZE - 0x40000)

#define WORD		sizeof(long)

static unsigned long cpu_offset[HOST_NR_CPUS];

static unsigned long layout(struct graph *g, enum kmemleak_space space, size_t size)
{
	unsigned int kind = space;
	unsigned long start, limit;

	/* Half of the large blocks are vmalloc blocks. */
	if (space == KMEMLEAK_VIRT && size >= PAGE_SIZE && host_one_in(2))
		kind = KMEMLEAK_NR_SPACES;
	start = g->next[kind];
	/* Some blocks are neighbours. A few are not aligned to a word. */
	if (host_one_in(2))
		start += 8 * host_below(16);
	if (kind == KMEMLEAK_VIRT && host_one_in(10))
		start += 4;
	else
		start = ALIGN(start, 8UL);
	if (kind == KMEMLEAK_NR_SPACES)
		start = ALIGN(start, PAGE_SIZE) + PAGE_SIZE;
	g->next[kind] = start + size;
	limit = kind == KMEMLEAK_VIRT ? OPAQUE_BASE :
		kind == KMEMLEAK_PERCPU ? HOST_PERCPU + PERCPU_SIZE :
		kind == KMEMLEAK_PHYS ? HOST_PHYS + DIRECT_SIZE : HOST_VMALLOC + VMALLOC_SIZE;
	REQUIRE(start + size <= limit);
	return start;
}

struct node *graph_add(struct graph *g, enum kmemleak_space space, size_t size, int min_count)
{
	struct node *n = &g->node[g->nr++];

	REQUIRE(g->nr <= GRAPH_MAX);
	*n = (struct node){
		.space = space,
		.start = layout(g, space, size),
		.size = size,
		.min_count = max(min_count, 0),
		.ignore = min_count < 0,
	};
	REQUIRE(host_add(g->h, space, n->start, size, min_count) == KMEMLEAK_OK);
	return n;
}

void graph_remove(struct graph *g, struct node *n)
{
	REQUIRE(kmemleak_block_remove(&g->h->t, n->space, n->start) == KMEMLEAK_OK);
	n->size = 0;
}

struct node *graph_random(struct graph *g)
{
	unsigned int tries;

	for (tries = 0; tries < 1000; tries++) {
		struct node *n = &g->node[host_below(g->nr)];

		if (n->size)
			return n;
	}
	return NULL;
}

/* A reference to @n, in most cases its start. */
static unsigned long pointer_to(struct graph *g, const struct node *n)
{
	unsigned long ptr = n->start + (host_one_in(3) ? host_below(n->size) : 0);

	if (n->space == KMEMLEAK_PERCPU && g->h->t.nr_cpu_offsets && host_one_in(4))
		ptr += cpu_offset[host_below(g->h->t.nr_cpu_offsets)];
	return ptr;
}

/* A random aligned word of a block, or 0 if it has none. */
static unsigned long random_word(struct graph *g, const struct node *n)
{
	unsigned long first = ALIGN(n->start, WORD), end = ALIGN_DOWN(n->start + n->size, WORD);
	unsigned long addr;

	if (first >= end)
		return 0;
	addr = first + WORD * host_below((end - first) / WORD);
	return g->h->t.ops->block_addr(&g->h->t, n->space, addr, host_below(HOST_NR_CPUS));
}

void graph_point(struct graph *g, struct node *in, const struct node *n)
{
	unsigned long addr = in ? random_word(g, in) :
			     HOST_IMAGE + WORD * host_below(ROOT_SIZE / WORD);

	if (addr)
		host_store(g->h, addr, pointer_to(g, n));
}

static void annotate(struct graph *g, struct node *n)
{
	struct kmemleak_tracker *t = &g->h->t;
	unsigned long addr = n->start + host_below(n->size);

	switch (host_below(6)) {
	case 0:
		kmemleak_block_annotate(t, n->space, addr, KMEMLEAK_ANNOTATE_IGNORE);
		n->ignore = true;
		break;
	case 1:
		kmemleak_block_annotate(t, n->space, addr, KMEMLEAK_ANNOTATE_NO_SCAN);
		n->no_scan = true;
		break;
	case 2:
		kmemleak_block_annotate(t, n->space, addr, KMEMLEAK_ANNOTATE_NOT_LEAK);
		n->min_count = 0;
		break;
	default:
		if (n->space != KMEMLEAK_VIRT || n->size < 2 * WORD)
			break;
		while (n->nr_areas < GRAPH_AREAS && !host_one_in(3)) {
			/* Whole words. test_mark.c has areas of other sizes. */
			size_t from = ALIGN(n->start + host_below(n->size - WORD), WORD) - n->start;
			size_t to = from + WORD * (1 + host_below(8));

			if (from + WORD > n->size)
				break;
			to = min(to, n->size);
			REQUIRE(kmemleak_block_add_area(t, n->start + from, to - from) ==
				KMEMLEAK_OK);
			n->area[n->nr_areas].from = from;
			n->area[n->nr_areas++].to = to;
		}
	}
}

static size_t random_size(unsigned int features)
{
	if (features & GRAPH_WIDE) {
		if (host_one_in(200))
			return 0x8000 + host_below(0x20000);
		if (host_one_in(30))
			return 4096 + host_below(8192);
	}
	return host_one_in(20) ? 1 + host_below(16) : 16 + host_below(240);
}

static void fill(struct graph *g, unsigned int features)
{
	struct kmemleak_tracker *t = &g->h->t;
	struct node *n;
	int min_count = 1;
	size_t size;

	if ((features & GRAPH_PHYS) && host_one_in(100)) {
		graph_add(g, KMEMLEAK_PHYS, 64 + host_below(256), 0);
		return;
	}
	if ((features & GRAPH_PERCPU) && host_one_in(15)) {
		n = graph_add(g, KMEMLEAK_PERCPU, 8 + host_below(64), 1);
	} else {
		size = random_size(features);
		if (features & GRAPH_ANNOTATED)
			min_count = host_one_in(30) ? 0 : host_one_in(30) ? -1 :
				    host_one_in(10) ? 2 + host_below(2) : 1;
		n = graph_add(g, KMEMLEAK_VIRT, size, min_count);
	}
	if ((features & GRAPH_ANNOTATED) && host_one_in(8))
		annotate(g, n);
	/* No alias for blocks that are never reported: nobody counts their references. */
	if ((features & GRAPH_ALIAS) && host_one_in(12) && n->space == KMEMLEAK_VIRT &&
	    min_count > 0) {
		struct node *target = graph_random(g);

		/* No chains of aliases: they would be a caller's mistake. */
		if (target && target != n && target->space == KMEMLEAK_VIRT && !target->alias) {
			unsigned int i;

			n->alias = target->start + host_below(target->size);
			for (i = 0; i < g->nr; i++)
				if (g->node[i].alias - n->start < n->size)
					n->alias = 0;
			if (n->alias)
				REQUIRE(kmemleak_block_add_alias(t, n->start, n->alias) ==
					KMEMLEAK_OK);
		}
	}
}

struct graph *graph_new(unsigned int nr, unsigned int edges, unsigned int features)
{
	struct graph *g = calloc(1, sizeof(*g));
	unsigned int i;

	if (!g)
		abort();
	g->h = host_new(5 + host_below(5));
	g->next[KMEMLEAK_VIRT] = HOST_DIRECT;
	g->next[KMEMLEAK_PERCPU] = HOST_PERCPU + PAGE_SIZE;
	g->next[KMEMLEAK_PHYS] = HOST_PHYS + PHYS_BASE;
	g->next[KMEMLEAK_NR_SPACES] = HOST_VMALLOC;
	host_map(g->h, HOST_DIRECT, DIRECT_SIZE);
	host_map(g->h, HOST_VMALLOC, VMALLOC_SIZE);
	host_map(g->h, HOST_IMAGE, ROOT_SIZE);
	for (i = 0; i < HOST_NR_CPUS; i++) {
		cpu_offset[i] = HOST_COPIES - HOST_PERCPU + i * HOST_COPY_STRIDE;
		host_map(g->h, HOST_COPIES + i * HOST_COPY_STRIDE, PERCPU_SIZE);
	}
	if (features & GRAPH_PERCPU) {
		g->h->t.cpu_offset = cpu_offset;
		g->h->t.nr_cpu_offsets = 1 + host_below(HOST_NR_CPUS);
	}
	/* The roots are in two pieces, and do not meet on a page boundary. */
	host_add_root(g->h, HOST_IMAGE, HOST_IMAGE + 0x1238);
	host_add_root(g->h, HOST_IMAGE + 0x1238, HOST_IMAGE + ROOT_SIZE);

	for (i = 0; i < nr; i++)
		fill(g, features);
	for (i = 0; i < nr * edges; i++) {
		struct node *in = host_one_in(20) ? NULL : graph_random(g);
		struct node *n = graph_random(g);

		if (n->space != KMEMLEAK_PHYS)
			graph_point(g, in, n);
	}
	for (i = 0; (features & GRAPH_OPAQUE) && i < 10; i++) {
		unsigned long addr = OPAQUE_BASE + i * OPAQUE_STEP + 8 * host_below(16);

		kmemleak_opaque_add(&g->h->t, KMEMLEAK_VIRT, addr, 64);
		host_store(g->h, addr + 8, pointer_to(g, graph_random(g)));
		/* The word behind the opaque block is not a root. */
		host_store(g->h, addr + 64, pointer_to(g, graph_random(g)));
	}
	return g;
}

void graph_free(struct graph *g)
{
	host_free(g->h);
	free(g);
}

/* ------------------------------------------------------------- the search -- */

struct node *graph_find(struct graph *g, enum kmemleak_space space, unsigned long addr)
{
	unsigned int i;

	for (i = 0; i < g->nr; i++)
		if (g->node[i].space == space && addr - g->node[i].start < g->node[i].size)
			return &g->node[i];
	return NULL;
}

/* Blocks ordered by start, for a quick search. */
static struct node *by_start[GRAPH_MAX];
static unsigned int nr_by_start;
static struct node *todo[GRAPH_MAX];
static unsigned int nr_todo;

static int cmp_start(const void *a, const void *b)
{
	const struct node *x = *(void *const *)a, *y = *(void *const *)b;

	if (x->space != y->space)
		return x->space < y->space ? -1 : 1;
	return x->start < y->start ? -1 : x->start > y->start;
}

static struct node *find(enum kmemleak_space space, unsigned long addr)
{
	unsigned int lo = 0, hi = nr_by_start;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		struct node *n = by_start[mid];

		if (n->space == space && addr - n->start < n->size)
			return n;
		if (n->space < space || (n->space == space && n->start <= addr))
			lo = mid + 1;
		else
			hi = mid;
	}
	return NULL;
}

static void refer(struct node *n, bool by_alias)
{
	/* References count until the object is reached. With an alias, all of them count. */
	if (n->ignore || (n->queued && !n->alias))
		return;
	n->count++;
	if (!n->queued && n->count >= n->min_count) {
		n->queued = true;
		todo[nr_todo++] = n;
	}
	if (n->alias && !by_alias && n->count > n->min_count) {
		struct node *target = find(KMEMLEAK_VIRT, n->alias);

		if (target)
			refer(target, true);
	}
}

static void search_word(struct graph *g, unsigned long word)
{
	struct node *n = find(KMEMLEAK_VIRT, word);
	unsigned int i;

	if (n)
		refer(n, false);
	n = find(KMEMLEAK_PERCPU, word);
	if (n)
		refer(n, false);
	for (i = 0; i < g->h->t.nr_cpu_offsets; i++) {
		n = find(KMEMLEAK_PERCPU, word - cpu_offset[i]);
		if (n)
			refer(n, false);
	}
}

static void search_range(struct graph *g, unsigned long start, unsigned long end)
{
	unsigned long addr;

	for (addr = ALIGN(start, WORD); addr + WORD <= end; addr += WORD)
		search_word(g, *host_word(g->h, addr));
}

static bool in_area(const struct node *n, size_t offset)
{
	unsigned int i;

	for (i = 0; i < n->nr_areas; i++)
		if (offset >= n->area[i].from && offset + WORD <= n->area[i].to)
			return true;
	return !n->nr_areas;
}

static void search_block(struct graph *g, const struct node *n)
{
	struct kmemleak_tracker *t = &g->h->t;
	unsigned int cpu, nr = n->space == KMEMLEAK_PERCPU ? HOST_NR_CPUS : 1;
	unsigned long addr, at;

	if (n->no_scan || n->ignore)
		return;
	for (cpu = 0; cpu < nr; cpu++) {
		addr = ALIGN(n->start, WORD);
		for (; addr + WORD <= n->start + n->size; addr += WORD) {
			at = t->ops->block_addr(t, n->space, addr, cpu);
			if (in_area(n, addr - n->start))
				search_word(g, *host_word(g->h, at));
		}
	}
}

void graph_search(struct graph *g)
{
	struct kmemleak_block lost;
	u32 cursor = 0;
	unsigned int i;

	nr_by_start = 0;
	nr_todo = 0;
	for (i = 0; i < g->nr; i++) {
		struct node *n = &g->node[i];

		n->count = 0;
		n->queued = false;
		if (n->size)
			by_start[nr_by_start++] = n;
	}
	qsort(by_start, nr_by_start, sizeof(by_start[0]), cmp_start);

	for (i = 0; i < nr_by_start; i++) {
		struct node *n = by_start[i];

		if (!n->min_count && !n->ignore) {
			n->queued = true;
			todo[nr_todo++] = n;
		}
	}
	for (i = 0; i < g->h->nr_roots; i++)
		search_range(g, g->h->roots[i].start, g->h->roots[i].end);
	while (kmemleak_opaque_next(&g->h->t, &cursor, &lost))
		search_range(g, lost.start, lost.start + lost.size);
	while (nr_todo)
		search_block(g, todo[--nr_todo]);
}

bool graph_lost(const struct node *n)
{
	return n->size && !n->ignore && n->count < n->min_count;
}
