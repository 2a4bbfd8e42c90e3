// SPDX-License-Identifier: GPL-2.0-only
/*
 * "graph <seed> <objects>" makes a random graph of blocks and cuts some of its roots. The
 * module keeps the edges of the graph as pairs of numbers. A search through these numbers
 * tells which blocks are lost then. It shares no code with the detector. Many selftests use
 * such graphs; graphs.sh tests them.
 *
 * The blocks have all sizes that kmalloc() hands out exactly, and some come from vmalloc().
 * A reference goes to the start of a block or to any byte inside, and can be in any word of
 * a block. The targets are random, so there are cycles.
 */

#include <linux/list.h>
#include <linux/overflow.h>
#include <linux/percpu.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/vmalloc.h>

#include "torture.h"

#define NR_ROOTS	384	/* a third of each kind */
#define NR_OBJECTS_MAX	1000000
#define ONE_IN_VMALLOC	24

static const unsigned int sizes[] = {
	16, 32, 64, 96, 128, 192, 256, 512, SZ_1K, SZ_2K, SZ_4K, SZ_8K,
};

/* The roots: a static array of this module, a per-cpu variable, list heads. */
static void *array_roots[NR_ROOTS / 3];
static DEFINE_PER_CPU(void *, percpu_roots[NR_ROOTS / 3]);
static struct list_head list_roots[NR_ROOTS / 3];

struct vertex {
	unsigned long veiled;
	u32 size;
	u32 used;	/* words that hold references */
	bool seen;
};

/* Numbers only: no word here looks like an address. */
struct edge {
	u32 from;
	u32 to;
};

struct graph {
	struct rnd_state rnd;
	u32 nr, nr_edges, max_edges;
	struct vertex *vertex;
	struct edge *edge;
	u32 *first;	/* number of each block's first edge in @sorted */
	u32 *sorted;
	u32 *queue;
	u32 root[NR_ROOTS];
	bool cut[NR_ROOTS];
};

static u32 below(struct graph *g, u32 limit)
{
	return prandom_u32_state(&g->rnd) % limit;
}

static noinline int make_vertex(struct graph *g, struct vertex *v)
{
	void *ptr;

	if (!below(g, ONE_IN_VMALLOC)) {
		v->size = (1 + below(g, 3)) * PAGE_SIZE;
		ptr = torture_vzalloc(v->size);
	} else {
		v->size = sizes[below(g, ARRAY_SIZE(sizes))];
		ptr = torture_kzalloc(v->size);
	}
	if (!ptr)
		return -ENOMEM;
	v->veiled = torture_veil(ptr);
	return 0;
}

/* Return: number of words for references. The first two are for a list, see plant_root(). */
static u32 words(const struct vertex *v)
{
	return v->size / sizeof(void *) - 2;
}

/* Return: an address in the block: in half of the cases its start, else that of any byte. */
static noinline void *pick_address(struct graph *g, const struct vertex *v)
{
	return torture_unveil(v->veiled) + (below(g, 2) ? below(g, v->size) : 0);
}

/* Fills words from both ends, so that the last word of a block is used, too. */
static noinline void make_edge(struct graph *g, u32 from, u32 to)
{
	struct vertex *v = &g->vertex[from];
	void **word;

	if (v->used == words(v))
		return;
	word = (void **)torture_unveil(v->veiled) + 2;
	if (v->used & 1)
		word += v->used / 2;
	else
		word += words(v) - 1 - v->used / 2;
	*word = pick_address(g, &g->vertex[to]);
	v->used++;
	g->edge[g->nr_edges++] = (struct edge) { from, to };
}

/*
 * Makes mostly small trees, and edges across for cycles and for blocks with two owners.
 * There is about one edge for two blocks. So a block leads to one other block on average,
 * and hardly ever to fifty: a stray reference holds few blocks by chance.
 */
static void make_edges(struct graph *g)
{
	u32 i;

	for (i = 1; i < g->nr; i++) {
		u32 near = min(i, 16U);

		if (below(g, 5) < 2)
			make_edge(g, i - 1 - below(g, near), i);
		if (!below(g, 12))
			make_edge(g, i, i - 1 - below(g, near));
		if (!below(g, 200))
			make_edge(g, below(g, g->nr), i);
		if (!(i & 255))
			cond_resched();
	}
}

static noinline void plant_root(struct graph *g, unsigned int i)
{
	struct vertex *v = &g->vertex[g->root[i]];
	void *ptr = torture_unveil(v->veiled);
	int cpu;

	switch (i % 3) {
	case 0:
		array_roots[i / 3] = pick_address(g, v);
		break;
	case 1:
		cpu = below(g, 2) ? cpumask_first(cpu_possible_mask) :
				    cpumask_last(cpu_possible_mask);
		*per_cpu_ptr(&percpu_roots[i / 3], cpu) = pick_address(g, v);
		break;
	case 2:
		list_add(ptr, &list_roots[i / 3]);
		break;
	}
}

static noinline void cut_root(unsigned int i)
{
	void **root;
	int cpu;

	switch (i % 3) {
	case 0:
		array_roots[i / 3] = NULL;
		break;
	case 1:
		for_each_possible_cpu(cpu) {
			root = per_cpu_ptr(&percpu_roots[i / 3], cpu);
			*root = NULL;
		}
		break;
	case 2:
		list_del_init(list_roots[i / 3].next);
		break;
	}
}

/*
 * A list head points to one block. The block points back to the list head, which is in no
 * other block, so the search need not know of this pointer.
 */
static void make_roots(struct graph *g)
{
	unsigned int i, j;

	for (i = 0; i < NR_ROOTS; i++) {
again:
		g->root[i] = below(g, g->nr);
		for (j = 0; j < i; j++)
			if (g->root[j] == g->root[i])
				goto again;
		plant_root(g, i);
	}
	for (i = 0; i < NR_ROOTS; i++) {
		g->cut[i] = below(g, 3);
		if (g->cut[i])
			cut_root(i);
	}
}

/* Counting sort by source: edges of v are sorted[first[v] .. first[v + 1]). */
static void sort_edges(struct graph *g)
{
	u32 i;

	for (i = 0; i < g->nr_edges; i++)
		g->first[g->edge[i].from + 1]++;
	for (i = 0; i < g->nr; i++)
		g->first[i + 1] += g->first[i];
	for (i = 0; i < g->nr; i++)
		g->queue[i] = g->first[i];
	for (i = 0; i < g->nr_edges; i++)
		g->sorted[g->queue[g->edge[i].from]++] = g->edge[i].to;
}

static void search(struct graph *g)
{
	u32 head = 0, tail = 0;
	u32 i;

	for (i = 0; i < NR_ROOTS; i++) {
		if (g->cut[i] || g->vertex[g->root[i]].seen)
			continue;
		g->vertex[g->root[i]].seen = true;
		g->queue[tail++] = g->root[i];
	}
	while (head < tail) {
		u32 from = g->queue[head++];

		for (i = g->first[from]; i < g->first[from + 1]; i++) {
			struct vertex *v = &g->vertex[g->sorted[i]];

			if (v->seen)
				continue;
			v->seen = true;
			g->queue[tail++] = g->sorted[i];
		}
	}
}

static noinline void answer(const struct graph *g)
{
	u32 lost = 0;
	u32 i;

	for (i = 0; i < g->nr; i++) {
		const struct vertex *v = &g->vertex[i];

		lost += !v->seen;
		torture_expect(torture_unveil(v->veiled), v->size,
			       v->seen ? TORTURE_LIVE : TORTURE_LOST);
	}
	torture_say("# graph objects %u edges %u live %u lost %u\n", g->nr,
		    g->nr_edges, g->nr - lost, lost);
}

/* Return: number of blocks of a size that may be on the free lists of the graph's blocks. */
static u32 nr_decoys(unsigned int size)
{
	return clamp(SZ_128K / size, 32U, 512U);
}

static noinline int make_decoys(void)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_SIZE(sizes); i++)
		ret = torture_decoys(sizes[i], nr_decoys(sizes[i]));
	return ret;
}

#define NR_PAGE_DECOYS		8	/* of each order */
#define MAX_DECOY_ORDER		5
#define NR_DECOYS_MAX		200000

static u32 sum_decoys(void)
{
	u32 sum = 0;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(sizes); i++)
		sum += nr_decoys(sizes[i]);
	return sum;
}

/*
 * decoys: takes free memory away before another module allocates blocks. Decoys of earlier
 * calls stay: if they were freed, their memory would be used next.
 */
int torture_more_decoys(int argc, char **argv)
{
	unsigned int order, i;
	int ret;

	if (argc)
		return -EINVAL;
	ret = torture_reserve_more(sum_decoys() + NR_PAGE_DECOYS * (MAX_DECOY_ORDER + 1),
				   NR_DECOYS_MAX);
	if (!ret)
		ret = make_decoys();
	for (order = 0; !ret && order <= MAX_DECOY_ORDER; order++) {
		for (i = 0; !ret && i < NR_PAGE_DECOYS; i++)
			ret = torture_pages(PAGE_SIZE << order) ? 0 : -ENOMEM;
	}
	return ret;
}

static int build(struct graph *g)
{
	int ret = make_decoys();
	u32 i;

	if (ret)
		return ret;
	for (i = 0; i < g->nr; i++) {
		ret = make_vertex(g, &g->vertex[i]);
		if (ret)
			return ret;
		if (!(i & 63))
			cond_resched();
	}
	make_edges(g);
	make_roots(g);
	sort_edges(g);
	search(g);
	answer(g);
	return 0;
}

static void free_graph(struct graph *g)
{
	vfree(g->vertex);
	vfree(g->edge);
	vfree(g->first);
	vfree(g->sorted);
	vfree(g->queue);
	kfree(g);
}

static struct graph *alloc_graph(u32 seed, u32 nr)
{
	struct graph *g = kzalloc(sizeof(*g), GFP_KERNEL);

	if (!g)
		return NULL;
	prandom_seed_state(&g->rnd, seed);
	g->nr = nr;
	g->max_edges = 3 * nr;
	g->vertex = vzalloc(array_size(nr, sizeof(*g->vertex)));
	g->edge = vzalloc(array_size(g->max_edges, sizeof(*g->edge)));
	g->first = vzalloc(array_size(nr + 1, sizeof(*g->first)));
	g->sorted = vzalloc(array_size(g->max_edges, sizeof(*g->sorted)));
	g->queue = vzalloc(array_size(nr, sizeof(*g->queue)));
	if (g->vertex && g->edge && g->first && g->sorted && g->queue)
		return g;
	free_graph(g);
	return NULL;
}

/* graph <seed> <objects> */
int torture_graph(int argc, char **argv)
{
	struct graph *g;
	u32 seed, nr;
	int ret;

	if (argc != 2 || kstrtou32(argv[0], 0, &seed) || kstrtou32(argv[1], 0, &nr))
		return -EINVAL;
	if (nr < 2 * NR_ROOTS || nr > NR_OBJECTS_MAX)
		return -EINVAL;
	ret = torture_reserve(nr + sum_decoys());
	if (ret)
		return ret;
	g = alloc_graph(seed, nr);
	if (!g)
		return -ENOMEM;
	ret = build(g);
	free_graph(g);
	return ret;
}

void torture_graph_reset(void)
{
	unsigned int i;
	int cpu;

	memset(array_roots, 0, sizeof(array_roots));
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(&percpu_roots[0], cpu), 0, sizeof(percpu_roots));
	for (i = 0; i < ARRAY_SIZE(list_roots); i++)
		INIT_LIST_HEAD(&list_roots[i]);
}
