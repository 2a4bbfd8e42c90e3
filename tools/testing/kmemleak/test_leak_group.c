// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which leaks are reached from which: structures with a known answer, and random graphs
 * that are checked against the definition.
 */
#include "graph.h"

#define WORD	sizeof(long)
#define NR	16

static unsigned long at(unsigned int i)
{
	return HOST_DIRECT + i * 256;
}

/* Makes blocks of 64 bytes that nothing points to. Each is a jiffy younger than the one before. */
static struct host *lost_new(unsigned int nr)
{
	struct host *h = host_new(6);
	unsigned int i;

	host_map(h, HOST_DIRECT, NR * 256);
	host_map(h, HOST_IMAGE, 64);
	host_add_root(h, HOST_IMAGE, HOST_IMAGE + 64);
	for (i = 0; i < nr; i++) {
		host_now++;
		host_block(h, at(i), 64);
	}
	return h;
}

static void point(struct host *h, unsigned int from, unsigned int slot, unsigned int to)
{
	host_store(h, at(from) + slot * WORD, at(to) + 5);
}

static const struct kmemleak_leak *leak_of(const struct kmemleak_leak_set *leaks,
					   unsigned long start)
{
	const struct kmemleak_leak *leak;

	list_for_each_entry(leak, &leaks->list, list)
		if (leak->ref.start == start)
			return leak;
	return NULL;
}

struct expected {
	bool root;
	unsigned long below;
};

/* Makes a scan. The leaks must be blocks 0 to @nr - 1, with the expected roots and numbers. */
static void check_all(struct host *h, const struct expected *want, unsigned int nr)
{
	struct kmemleak_leak_set leaks;
	unsigned int i, scan;

	/* The second scan must find the same, because grouping leaves no trace. */
	for (scan = 0; scan < 2; scan++) {
		CHECK_EQ(host_scan_whole(h, &host_all_options, &leaks), 0);
		CHECK_EQ(leaks.nr, nr);
		CHECK_EQ(leaks.nr_new, scan ? 0 : nr);
		for (i = 0; i < nr; i++) {
			const struct kmemleak_leak *leak = leak_of(&leaks, at(i));

			REQUIRE(leak);
			CHECK_EQ(leak->root, want[i].root);
			CHECK_EQ(leak->below, want[i].below);
			CHECK_EQ(leak->below_bytes, want[i].below * 64);
			CHECK(host_white(h, KMEMLEAK_VIRT, at(i)));
		}
		kmemleak_leak_set_free(&h->t, &leaks);
	}
	host_free(h);
}

/* If no leak points to another leak, each leak is a root. */
static void test_alone(void)
{
	struct host *h = lost_new(3);

	/* Block 1 points to itself, as an empty list head does. */
	point(h, 1, 0, 1);
	check_all(h, (struct expected[]){ { true }, { true }, { true } }, 3);
}

/* A tree has one root. */
static void test_tree(void)
{
	struct host *h = lost_new(6);

	/* The root is the youngest block. Two blocks point to the same block. */
	point(h, 5, 0, 0);
	point(h, 5, 1, 1);
	point(h, 5, 7, 2);
	point(h, 0, 3, 3);
	point(h, 1, 4, 3);
	check_all(h, (struct expected[]){
		{ false }, { false }, { false }, { false }, { true }, { true, 4 } }, 6);
}

/*
 * Block 1 needs two references, as a vmalloc block does. Live memory has one, block 0 the
 * other.
 */
static void test_half_known(void)
{
	struct host *h = lost_new(3);

	host_now++;
	CHECK_EQ(kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(1)), KMEMLEAK_OK);
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, at(1), 64, 2), KMEMLEAK_OK);
	host_store(h, HOST_IMAGE, at(1));
	point(h, 0, 0, 1);
	point(h, 1, 0, 2);
	point(h, 2, 0, 0);
	check_all(h, (struct expected[]){ { true, 2 }, { false }, { false } }, 3);
}

/* Two roots point to the same leak. */
static void test_two_roots(void)
{
	struct host *h = lost_new(3);

	/* The older root gets the leak. */
	point(h, 0, 0, 2);
	point(h, 1, 0, 2);
	check_all(h, (struct expected[]){ { true, 1 }, { true }, { false } }, 3);
}

/* A cycle has no root, so its oldest leak is chosen. */
static void test_cycle(void)
{
	struct host *h = lost_new(5);

	/* Blocks 1, 2 and 3 are a ring, and block 2 points to block 4. */
	point(h, 1, 0, 2);
	point(h, 2, 0, 3);
	point(h, 3, 0, 1);
	point(h, 2, 1, 4);
	check_all(h, (struct expected[]){
		{ true }, { true, 3 }, { false }, { false }, { false } }, 5);
}

/* Block 2 points to itself and to a ring of older blocks. It is the root of all. */
static void test_own_reference(void)
{
	struct host *h = lost_new(3);

	point(h, 0, 0, 1);
	point(h, 1, 0, 0);
	point(h, 2, 0, 2);
	point(h, 2, 1, 0);
	check_all(h, (struct expected[]){ { false }, { false }, { true, 2 } }, 3);
}

/* A block that points into a cycle is the root, although the cycle is older. */
static void test_cycle_below(void)
{
	struct host *h = lost_new(4);

	/* Blocks 0, 1 and 2 are a doubly linked list. Block 3 points into it. */
	point(h, 0, 0, 1);
	point(h, 1, 0, 0);
	point(h, 1, 1, 2);
	point(h, 2, 0, 1);
	point(h, 3, 0, 1);
	check_all(h, (struct expected[]){ { false }, { false }, { false }, { true, 3 } }, 4);
}

/* Live blocks belong to no leak. Memory that is not scanned points to no leak. */
static void test_live(void)
{
	struct host *h = lost_new(5);

	host_store(h, HOST_IMAGE, at(4));
	point(h, 0, 0, 4);
	point(h, 1, 0, 2);
	CHECK_EQ(kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(1), KMEMLEAK_ANNOTATE_NO_SCAN),
		 KMEMLEAK_OK);
	/* In block 3 only one area is scanned. */
	point(h, 3, 0, 0);
	point(h, 3, 2, 1);
	CHECK_EQ(kmemleak_block_add_area(&h->t, at(3) + 2 * WORD, WORD), KMEMLEAK_OK);
	check_all(h, (struct expected[]){
		{ true }, { false }, { true }, { true, 1 } }, 4);
}

/* Ends the scan at a pause. */
static int cut(struct host *h)
{
	return h->pauses > *(unsigned long *)h->arg ? -EINTR : 0;
}

/* Ends scans at many pauses. If a scan ends early, no leak may count as reported. */
static void test_cut(void)
{
	unsigned long after, was_cut = 0;

	for (after = 1; after < 20000; after += 1 + after / 16) {
		struct graph *g = graph_new(2000, 1, 0);
		struct kmemleak_leak_set leaks;
		int ret;

		g->h->arg = &after;
		g->h->on_pause = cut;
		ret = host_scan_whole(g->h, &host_all_options, &leaks);
		kmemleak_leak_set_free(&g->h->t, &leaks);
		g->h->on_pause = NULL;
		CHECK_EQ(host_scan_whole(g->h, &host_all_options, &leaks), 0);
		CHECK_EQ(leaks.nr_new, ret ? leaks.nr : 0);
		kmemleak_leak_set_free(&g->h->t, &leaks);
		graph_free(g);
		if (!ret)
			break;
		was_cut++;
	}
	CHECK(was_cut > 3 && after < 20000);
}

#define NR_LONG	5000

struct colours {
	long white;
	long most;
};

/* Measures by how much the number of white leaks changes between two pauses. */
static int watch_colours(struct host *h)
{
	struct colours *seen = h->arg;
	unsigned int i;
	long white = 0;

	for (i = 0; i < NR_LONG; i++)
		white += host_white(h, KMEMLEAK_VIRT, HOST_DIRECT + i * 64UL);
	if (seen->white)
		seen->most = max(seen->most, labs(white - seen->white));
	seen->white = white;
	return 0;
}

/* A long list of leaks becomes gray and white again. There must be pauses on the way. */
static void test_long(void)
{
	struct host *h = host_new(6);
	struct colours seen = { };
	struct kmemleak_leak_set leaks;
	unsigned int i;

	host_map(h, HOST_DIRECT, NR_LONG * 64UL);
	for (i = 0; i < NR_LONG; i++) {
		host_block(h, HOST_DIRECT + i * 64UL, 64);
		if (i)
			host_store(h, HOST_DIRECT + (i - 1) * 64UL, HOST_DIRECT + i * 64UL);
	}
	CHECK_EQ(host_mark(h, &host_all_options), 0);
	h->arg = &seen;
	h->on_pause = watch_colours;
	CHECK_EQ(host_scan_whole(h, &host_all_options, &leaks), 0);
	h->on_pause = NULL;
	CHECK_EQ(leaks.nr, NR_LONG);
	CHECK(seen.most && seen.most < NR_LONG / 4);
	kmemleak_leak_set_free(&h->t, &leaks);
	host_free(h);
}

/* In random graphs, each leak is a root or is counted below exactly one root. */
static void test_random(void)
{
	unsigned int i, roots = 0, below = 0;

	for (i = 0; i < host_rounds(8); i++) {
		struct graph *g = graph_new(1200, 1 + host_below(2), GRAPH_ALL);
		unsigned long sum = 0, nr_roots = 0;
		struct kmemleak_leak_set leaks;
		struct kmemleak_leak *leak;

		CHECK_EQ(host_scan_whole(g->h, &host_all_options, &leaks), 0);
		list_for_each_entry(leak, &leaks.list, list) {
			CHECK(leak->root || !leak->below);
			CHECK(!leak->below == !leak->below_bytes);
			sum += leak->below;
			nr_roots += leak->root;
		}
		CHECK_EQ(sum + nr_roots, leaks.nr);
		roots += nr_roots;
		below += sum;
		kmemleak_leak_set_free(&g->h->t, &leaks);
		graph_free(g);
	}
	CHECK(roots > i && below > i);
}

const struct host_case leak_group_cases[] = {
	{ "alone", test_alone },
	{ "tree", test_tree },
	{ "half_known", test_half_known },
	{ "two_roots", test_two_roots },
	{ "cycle", test_cycle },
	{ "cycle_below", test_cycle_below },
	{ "own_reference", test_own_reference },
	{ "long", test_long },
	{ "live", test_live },
	{ "cut", test_cut },
	{ "random", test_random },
	{ }
};
