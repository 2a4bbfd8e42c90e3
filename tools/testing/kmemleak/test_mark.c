// SPDX-License-Identifier: GPL-2.0-only
/*
 * Marking. Random graphs are compared with an independent search, down to the number of
 * references. Other cases test alone which words are references, how marks end, and how
 * they pause.
 */
#include <unistd.h>

#include "graph.h"
#include "worklist.h"

#define WORD	sizeof(long)
/* Pages that a mark needs to begin: the mark, its marker, and three pages of the marker. */
#define MARK_PAGES	5

/* The colour and the count of each block must be as the search found them. */
static void check_graph(struct graph *g)
{
	unsigned int i;

	graph_search(g);
	for (i = 0; i < g->nr && !host_failures; i++) {
		struct node *n = &g->node[i];
		struct kmemleak_object copy;

		if (!n->size)
			continue;
		REQUIRE(kmemleak_block_get(&g->h->t, n->space, n->start, &copy));
		if (host_white(g->h, n->space, n->start) != graph_lost(n))
			host_check_failed(__FILE__, __LINE__,
					  "block %#lx size %#zx min %u: %s, %lu references",
					  n->start, n->size, n->min_count,
					  graph_lost(n) ? "not white" : "white", n->count);
		/* References to a block that cannot be white need not be counted. */
		if (n->min_count && !n->ignore)
			CHECK_EQ(copy.colour.count,
				 min_t(unsigned long, n->count, KMEMLEAK_COUNT_MAX));
	}
}

/*
 * The word filter. Few or many words of the memory can be references, and the memory has
 * any length.
 */
static void test_word_filter(void)
{
	const struct kmemleak_word_filter filter = {
		.virt = { HOST_DIRECT, 0x1000 },
		.percpu = { PAGE_SIZE, 0x100 },
		.percpu_copies = { HOST_IMAGE, 0x10 },
	};
	static const struct {
		unsigned long word;
		bool kept;
	} kind[] = {
		{ 0, false }, { 1, false }, { PAGE_SIZE - 1, false },
		{ PAGE_SIZE, true }, { PAGE_SIZE + 0xff, true }, { PAGE_SIZE + 0x100, false },
		{ HOST_DIRECT - 1, false }, { HOST_DIRECT, true },
		{ HOST_DIRECT + 0xfff, true }, { HOST_DIRECT + 0x1000, false },
		{ HOST_IMAGE - 1, false }, { HOST_IMAGE, true },
		{ HOST_IMAGE + 0xf, true }, { HOST_IMAGE + 0x10, false },
		{ ULONG_MAX, false },
	};
	unsigned long src[40], dst[40], want[40];
	unsigned int i, round;

	for (round = 0; round < 20000 && !host_failures; round++) {
		unsigned int nr = host_below(ARRAY_SIZE(src)), few = 1 + host_below(20);
		long nr_want = 0;

		for (i = 0; i < nr; i++) {
			unsigned int k = host_one_in(few) ? host_below(ARRAY_SIZE(kind)) : 0;

			src[i] = kind[k].word;
			if (kind[k].kept)
				want[nr_want++] = src[i];
		}
		/* Neither a partial word at the end nor a word behind it may be read. */
		if (nr < ARRAY_SIZE(src))
			src[nr] = HOST_DIRECT;
		CHECK_EQ(kmemleak_scan_words(&filter, dst, src, nr * WORD + host_below(WORD)),
			 nr_want);
		CHECK(!memcmp(dst, want, nr_want * WORD));
		/* The words may replace the memory that they came from. */
		CHECK_EQ(kmemleak_scan_words(&filter, src, src, nr * WORD), nr_want);
		CHECK(!memcmp(src, want, nr_want * WORD));
	}
}

static void random_graphs_by(const struct kmemleak_options *opt, unsigned int features,
			     unsigned int graphs, unsigned int nr)
{
	unsigned int i, j, lost = 0, reached = 0;

	for (i = 0; i < graphs && !host_failures; i++) {
		/* About as many pointers as it takes to reach half of the blocks. */
		struct graph *g = graph_new(nr, 1 + host_below(3), features);

		/* In a third of the graphs, no block can be read without a lock. */
		if (host_one_in(3))
			g->h->t.mapped_end = g->h->t.mapped;
		g->h->no_helpers = host_one_in(8);
		CHECK_EQ(host_mark(g->h, opt), 0);
		check_graph(g);
		/* A second mark must find the same. */
		CHECK_EQ(host_mark(g->h, opt), 0);
		check_graph(g);
		for (j = 0; j < g->nr; j++) {
			lost += graph_lost(&g->node[j]);
			reached += g->node[j].queued;
		}
		CHECK_EQ(host_counter(g->h, KMEMLEAK_CNT_UNREADABLE), 0);
		graph_free(g);
	}
	/* If nearly all blocks are lost, or nearly none, the graphs prove little. */
	CHECK(lost > i && reached > i);
}

static void random_graphs(unsigned int features, unsigned int graphs, unsigned int nr)
{
	random_graphs_by(&host_plain_options, features, graphs, nr);
}

static void test_plain(void)
{
	random_graphs(0, host_rounds(12), 800);
}

static void test_wide(void)
{
	random_graphs(GRAPH_WIDE, host_rounds(8), 800);
}

static void test_percpu(void)
{
	random_graphs(GRAPH_PERCPU, host_rounds(8), 800);
}

static void test_annotated(void)
{
	random_graphs(GRAPH_ANNOTATED, host_rounds(12), 800);
}

static void test_alias(void)
{
	random_graphs(GRAPH_ALIAS, host_rounds(8), 800);
}

static void test_opaque(void)
{
	random_graphs(GRAPH_OPAQUE | GRAPH_PHYS, host_rounds(8), 800);
}

static void test_all(void)
{
	random_graphs(GRAPH_ALL, host_rounds(12), 1500);
}

/* With several markers, a mark must find the same. */
static void test_workers(void)
{
	struct kmemleak_options opt = host_plain_options;

	for (opt.workers = 2; opt.workers <= HOST_NR_CPUS; opt.workers++)
		random_graphs_by(&opt, GRAPH_ALL, host_rounds(4), 3000);
}

/*
 * Helpers must start when there is work for them, and share it. In the end all work must be
 * done.
 */
static void test_helpers(void)
{
	const unsigned int nr = 8000;
	struct kmemleak_options opt = host_plain_options;
	struct host *h = host_broad(nr);
	unsigned int i;

	CHECK_EQ(host_mark(h, &opt), 0);
	CHECK_EQ(h->spawned, 0);
	opt.workers = HOST_NR_CPUS;
	CHECK_EQ(host_mark(h, &opt), 0);
	CHECK(h->spawned > 0 && h->spawned < HOST_NR_CPUS);
	CHECK_EQ(h->nr_helpers, 0);
	for (i = 0; i < nr; i++)
		CHECK(!host_white(h, KMEMLEAK_VIRT, HOST_DIRECT + i * 128));
	/* No helper starts: the first marker must take back the work that it shared. */
	h->no_helpers = true;
	CHECK_EQ(host_mark(h, &opt), 0);
	for (i = 0; i < nr; i++)
		CHECK(!host_white(h, KMEMLEAK_VIRT, HOST_DIRECT + i * 128));
	host_free(h);
}

static int cut_short(struct host *h)
{
	return h->pauses > *(unsigned long *)h->arg ? -EINTR : 0;
}

/* Ends marks with several markers at random pauses. All markers must end and free their pages. */
static void test_helpers_cut(void)
{
	struct kmemleak_options opt = host_plain_options;
	struct host *h = host_broad(8000);
	unsigned long after, i;
	long pages = h->live_pages;

	opt.workers = HOST_NR_CPUS;
	h->arg = &after;
	h->on_pause = cut_short;
	for (i = 0; i < host_rounds(60); i++) {
		h->pauses = 0;
		after = host_below(100);
		CHECK_EQ(host_mark(h, &opt), -EINTR);
		CHECK_EQ(h->live_pages, pages);
	}
	host_free(h);
}

/* The work list cannot grow. Passes must find the objects that had no room. */
static void test_overflow(void)
{
	unsigned int i;

	for (i = 0; i < 6 && !host_failures; i++) {
		struct graph *g = graph_new(1500, 3, GRAPH_ALL);
		unsigned int j;

		/*
		 * One page of roots points to more objects than a chunk of the work list
		 * can hold.
		 */
		for (j = 0; j < PAGE_SIZE / WORD * 9 / 10; j++)
			host_store(g->h, HOST_IMAGE + j * WORD,
				   graph_add(g, KMEMLEAK_VIRT, 64, 1)->start);
		g->h->fail_after = MARK_PAGES;
		CHECK_EQ(host_mark(g->h, &host_plain_options), 0);
		CHECK(g->h->refused > 0);
		CHECK(host_counter(g->h, KMEMLEAK_CNT_MARK_OVERFLOW) > 0);
		g->h->fail_after = -1;
		check_graph(g);
		graph_free(g);
	}
}

/* There is no memory to begin a mark: it must fail, and leave all colours as they were. */
static void test_no_memory(void)
{
	struct graph *g = graph_new(300, 2, GRAPH_ALL);
	long pages = g->h->live_pages;
	unsigned int n;
	u8 epoch;

	CHECK_EQ(host_mark(g->h, &host_plain_options), 0);
	epoch = g->h->t.epoch;
	for (n = 0; n < MARK_PAGES; n++) {
		g->h->fail_after = n;
		CHECK_EQ(host_mark(g->h, &host_plain_options), -ENOMEM);
		CHECK_EQ(g->h->live_pages, pages);
		CHECK_EQ(g->h->t.epoch, epoch);
		CHECK(!g->h->t.marking);
		g->h->fail_after = -1;
		check_graph(g);
	}
	graph_free(g);
}

/* Epochs wrap twice. Each mark must still tell which blocks are reached. */
static void test_epoch_wrap(void)
{
	struct host *h = host_new(6);
	unsigned int i;

	host_map(h, HOST_DIRECT, 0x1000);
	host_map(h, HOST_IMAGE, 64);
	host_add_root(h, HOST_IMAGE, HOST_IMAGE + 64);
	/*
	 * Block 0 is reached in the first mark only, the next block in a few marks, the
	 * last block in all.
	 */
	host_block(h, HOST_DIRECT, 64);
	host_block(h, HOST_DIRECT + 64, 64);
	host_block(h, HOST_DIRECT + 192, 64);
	for (i = 0; i < 600 && !host_failures; i++) {
		bool now = host_one_in(100);

		if (i == 200)
			host_block(h, HOST_DIRECT + 128, 64);
		host_store(h, HOST_IMAGE, i ? 0 : HOST_DIRECT);
		host_store(h, HOST_IMAGE + 8, now ? HOST_DIRECT + 64 : 0);
		host_store(h, HOST_IMAGE + 16, HOST_DIRECT + 192);
		CHECK_EQ(host_mark(h, &host_plain_options), 0);
		CHECK(h->t.epoch != 0);
		CHECK_EQ(host_white(h, KMEMLEAK_VIRT, HOST_DIRECT), i != 0);
		CHECK_EQ(host_white(h, KMEMLEAK_VIRT, HOST_DIRECT + 64), !now);
		CHECK(!host_white(h, KMEMLEAK_VIRT, HOST_DIRECT + 192));
		if (i >= 200)
			CHECK(host_white(h, KMEMLEAK_VIRT, HOST_DIRECT + 128));
	}
	host_free(h);
}

static int walks_left;

/* Ends the walk that resets all epochs in one of its pauses. */
static int end_walk(struct host *h)
{
	return h->t.epoch == 0 && walks_left-- == 0 ? -EINTR : 0;
}

/* If the walk that resets all epochs ends early, the next mark must begin it again. */
static void test_epoch_wrap_cut(void)
{
	const unsigned int nr = 1000;
	unsigned int n;
	bool cut = true;

	for (n = 0; cut && !host_failures; n++) {
		struct host *h = host_broad(nr);
		unsigned int i;

		/*
		 * All blocks have epoch 1, which is also the epoch of the first mark after
		 * the walk.
		 */
		CHECK_EQ(host_mark(h, &host_plain_options), 0);
		CHECK_EQ(h->t.epoch, 1);
		h->t.epoch = U8_MAX;
		for (i = 0; i < nr / 2; i++)
			host_store(h, HOST_IMAGE + i * WORD, 0);
		walks_left = n;
		h->on_pause = end_walk;
		cut = host_mark(h, &host_plain_options) == -EINTR;
		h->on_pause = NULL;
		if (cut) {
			CHECK_EQ(h->t.epoch, U8_MAX);
			CHECK(!h->t.marking);
			CHECK_EQ(host_mark(h, &host_plain_options), 0);
		}
		CHECK_EQ(h->t.epoch, 1);
		for (i = 0; i < nr; i++)
			CHECK(host_white(h, KMEMLEAK_VIRT, HOST_DIRECT + i * 128));
		host_free(h);
	}
	CHECK(n > 5);
}

/* Marks must pause often enough, whether they find few objects or many. */
static unsigned long reads_before, most_reads;

static int note_reads(struct host *h)
{
	most_reads = max(most_reads, h->reads - reads_before);
	reads_before = h->reads;
	return 0;
}

static void test_pauses(void)
{
	const unsigned int nr = 20000, pages = 64;
	struct host *h = host_new(10);
	unsigned long i;

	/* Nothing is reached, so a pass finds no object to scan. */
	host_map(h, HOST_DIRECT, nr * 64);
	for (i = 0; i < nr; i++)
		host_block(h, HOST_DIRECT + i * 64, 64);
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(h->pauses >= nr / 4096);
	host_free(h);

	/* Each word of the roots is a reference. */
	h = host_new(10);
	host_map(h, HOST_DIRECT, pages * PAGE_SIZE);
	host_map(h, HOST_IMAGE, pages * PAGE_SIZE);
	host_add_root(h, HOST_IMAGE, HOST_IMAGE + pages * PAGE_SIZE);
	for (i = 0; i < pages * PAGE_SIZE; i += WORD)
		host_store(h, HOST_IMAGE + i, HOST_DIRECT + i);
	host_block(h, HOST_DIRECT, 64);
	host_block(h, HOST_DIRECT + (pages - 1) * PAGE_SIZE, 64);
	reads_before = 0;
	most_reads = 0;
	h->on_pause = note_reads;
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(most_reads && most_reads <= 2);
	host_free(h);
}

/* Objects are judged after a mark has run, never before. */
static void test_too_early(void)
{
	struct host *h = host_new(10);
	struct kmemleak_pool_cursor cursor = { };
	struct kmemleak_marker *m;
	struct kmemleak_ref ref;

	host_map(h, HOST_DIRECT, PAGE_SIZE);
	host_block(h, HOST_DIRECT, 64);
	m = kmemleak_mark_begin(&h->t, &host_plain_options, 0);
	REQUIRE(m);
	CHECK_EQ(kmemleak_mark_run(m), 0);
	CHECK_EQ(kmemleak_mark_next_to_judge(m, &cursor, &ref, 1), 1);
	CHECK(!h->t.failed);
	kmemleak_mark_end(m);

	cursor = (struct kmemleak_pool_cursor){ };
	m = kmemleak_mark_begin(&h->t, &host_plain_options, 0);
	REQUIRE(m);
	kmemleak_mark_next_to_judge(m, &cursor, &ref, 1);
	CHECK(h->t.failed);
	kmemleak_mark_end(m);
	kmemleak_mark_newborns_end(&h->t);
	host_free(h);
}

/* The number of pieces must depend on the work alone, not on the time that it took. */
static void test_pieces(void)
{
	unsigned long pieces[3];
	unsigned int i;

	for (i = 0; i < 3; i++) {
		struct host *h = host_broad(i < 2 ? 5000 : 20000);
		struct kmemleak_marker *m = kmemleak_mark_begin(&h->t, &host_plain_options, 0);

		REQUIRE(m);
		host_now += 1000 * i;
		CHECK_EQ(kmemleak_mark_run(m), 0);
		pieces[i] = kmemleak_mark_pieces(m);
		CHECK_EQ(h->pauses, pieces[i]);
		kmemleak_mark_end(m);
		kmemleak_mark_newborns_end(&h->t);
		host_free(h);
	}
	CHECK(pieces[0] > 5000 / 64);
	CHECK_EQ(pieces[0], pieces[1]);
	CHECK(pieces[2] > 3 * pieces[0] && pieces[2] < 5 * pieces[0]);
}

/* A long chain of blocks: a mark needs no more memory than for a short one. */
static void test_long_chain(void)
{
	const unsigned int nr = 20000;
	struct host *h = host_new(10);
	unsigned int i;

	host_map(h, HOST_DIRECT, nr * 64);
	host_map(h, HOST_IMAGE, 64);
	host_add_root(h, HOST_IMAGE, HOST_IMAGE + 64);
	for (i = 0; i < nr; i++) {
		host_block(h, HOST_DIRECT + i * 64, 64);
		host_store(h, HOST_DIRECT + i * 64 + 8, HOST_DIRECT + (i + 1) * 64 + 63);
	}
	/* The pointer in the last block leads to no block. */
	host_store(h, HOST_IMAGE, HOST_DIRECT);
	h->fail_after = MARK_PAGES;
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	for (i = 0; i < nr; i++)
		CHECK(!host_white(h, KMEMLEAK_VIRT, HOST_DIRECT + i * 64));
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_MARK_OVERFLOW), 0);
	/* Cut the chain in the middle. */
	h->fail_after = -1;
	host_store(h, HOST_DIRECT + 9999 * 64 + 8, 0);
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	for (i = 0; i < nr; i++)
		CHECK_EQ(host_white(h, KMEMLEAK_VIRT, HOST_DIRECT + i * 64), i >= 10000);
	host_free(h);
}

/* One page of roots, and @nr blocks of 64 bytes. */
static struct host *small_new(unsigned int nr)
{
	struct host *h = host_new(6);
	unsigned int i;

	host_map(h, HOST_DIRECT, 0x10000);
	host_map(h, HOST_IMAGE, PAGE_SIZE);
	host_add_root(h, HOST_IMAGE, HOST_IMAGE + PAGE_SIZE);
	for (i = 0; i < nr; i++)
		host_block(h, HOST_DIRECT + i * 64, 64);
	return h;
}

static unsigned long at(unsigned int i)
{
	return HOST_DIRECT + i * 64;
}

static bool white(struct host *h, unsigned int i)
{
	return host_white(h, KMEMLEAK_VIRT, at(i));
}

/* A reference is an aligned word that holds the address of any byte of a block. */
static void test_references(void)
{
	struct host *h = small_new(8);
	unsigned char *root = h->segments[1].mem;
	unsigned long word;

	/*
	 * These addresses are just behind block 0 and just before block 4. The blocks there
	 * are freed.
	 */
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(1));
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(3));
	host_store(h, HOST_IMAGE, at(1));
	host_store(h, HOST_IMAGE + WORD, at(4) - 1);
	host_store(h, HOST_IMAGE + 2 * WORD, at(2));
	host_store(h, HOST_IMAGE + 3 * WORD, at(5) + 63);
	/* This word is not aligned. */
	word = at(6);
	memcpy(root + 512 + WORD / 2, &word, WORD);
	/* The last word of the page counts, too. */
	host_store(h, HOST_IMAGE + PAGE_SIZE - WORD, at(7) + 32);
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(white(h, 0));
	CHECK(white(h, 4));
	CHECK(!white(h, 2));
	CHECK(!white(h, 5));
	CHECK(white(h, 6));
	CHECK(!white(h, 7));
	host_free(h);
}

#if BITS_PER_LONG == 64
/* A pointer with any tag is a reference. A pointer with another wrong bit is not. */
static void test_tags(void)
{
	struct host *h = small_new(2);

	host_store(h, HOST_IMAGE, at(0) & ~(0xf0UL << HOST_TAG_SHIFT));
	host_store(h, HOST_IMAGE + WORD, at(1) & ~(1UL << 50));
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(!white(h, 0));
	CHECK(white(h, 1));
	host_free(h);
}
#endif

/* A lost block does not keep alive the blocks that it points to. Nor does a lost cycle. */
static void test_lost_structures(void)
{
	struct host *h = small_new(5);

	host_store(h, at(0), at(1));
	host_store(h, at(1), at(0));
	host_store(h, at(1) + WORD, at(2));
	host_store(h, at(3) + 56, at(3));
	host_store(h, HOST_IMAGE, at(4));
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(white(h, 0) && white(h, 1) && white(h, 2) && white(h, 3));
	CHECK(!white(h, 4));
	host_store(h, HOST_IMAGE, at(1));
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(!white(h, 0) && !white(h, 1) && !white(h, 2) && white(h, 3) && white(h, 4));
	host_free(h);
}

/* Scan areas that do not begin or end at a word, that overlap, or that are smaller than a word. */
static void test_odd_areas(void)
{
	static const struct {
		unsigned int from;
		unsigned int size;
	} areas[][3] = {
		/* in quarters of a word */
		{ { 2, 1 }, { 8, 4 } },			/* the first holds no whole word */
		{ { 0, 1 }, { 1, 1 }, { 8, 4 } },
		{ { 0, 6 }, { 4, 8 } },			/* the first ends inside the second */
		{ { 1, 12 } },
		{ { 3, 6 }, { 4, 5 } },
		{ { 0, 4 }, { 4, 4 }, { 8, 4 } },
		{ { 4, 4 }, { 0, 16 } },
		{ { 7, 2 }, { 12, 3 }, { 16, 4 } },
	};
	const unsigned int q = WORD / 4;
	unsigned int i, j, w;

	for (i = 0; i < ARRAY_SIZE(areas); i++) {
		struct host *h = small_new(8);

		host_store(h, HOST_IMAGE, at(0));
		for (w = 0; w < 6; w++)
			host_store(h, at(0) + w * WORD, at(w + 1));
		for (j = 0; j < ARRAY_SIZE(areas[i]) && areas[i][j].size; j++)
			CHECK_EQ(kmemleak_block_add_area(&h->t, at(0) + areas[i][j].from * q,
							 areas[i][j].size * q), KMEMLEAK_OK);
		CHECK_EQ(host_mark(h, &host_plain_options), 0);
		for (w = 0; w < 6; w++) {
			bool whole = false, part = false;

			for (j = 0; j < ARRAY_SIZE(areas[i]); j++) {
				unsigned int from = areas[i][j].from, to = from + areas[i][j].size;

				whole |= from <= 4 * w && to >= 4 * w + 4;
				part |= from < 4 * w + 4 && to > 4 * w;
			}
			/* A word that lies in no area as a whole may be scanned or not. */
			if (white(h, w + 1) ? whole : !part)
				host_check_failed(__FILE__, __LINE__,
						  "areas %u: word %u is %sscanned", i, w,
						  whole ? "not " : "");
		}
		host_free(h);
	}
}

/* An area gets no entry, so the whole block must be scanned. */
static void test_full_scan(void)
{
	struct host *h = small_new(3);

	host_store(h, HOST_IMAGE, at(0));
	host_store(h, at(0), at(1));
	host_store(h, at(0) + 32, at(2));
	CHECK_EQ(kmemleak_block_add_area(&h->t, at(0), WORD), KMEMLEAK_OK);
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(!white(h, 1) && white(h, 2));
	h->fail_after = 0;
	while (host_add(h, KMEMLEAK_VIRT, HOST_VMALLOC + 64 * host_nr_objects(h), 64, -1) ==
	       KMEMLEAK_OK)
		;
	CHECK_EQ(kmemleak_block_add_area(&h->t, at(0) + 32, WORD), KMEMLEAK_NO_MEMORY);
	h->fail_after = -1;
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(!white(h, 1) && !white(h, 2));
	host_free(h);
}

/* A block is white until it has min_count references. */
static void test_min_count(void)
{
	struct host *h = small_new(1);
	struct kmemleak_object copy;
	unsigned int need, refs;

	for (need = 0; need < 5; need++) {
		kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(0));
		CHECK_EQ(host_add(h, KMEMLEAK_VIRT, at(0), 64, need), KMEMLEAK_OK);
		for (refs = 0; refs < 7; refs++) {
			unsigned int i;

			for (i = 0; i < 8; i++)
				host_store(h, HOST_IMAGE + 64 * i, i < refs ? at(0) + i : 0);
			CHECK_EQ(host_mark(h, &host_plain_options), 0);
			CHECK_EQ(white(h, 0), refs < need);
		}
	}
	/* More references than a colour can count. */
	for (refs = 0; refs < PAGE_SIZE / WORD; refs++)
		host_store(h, HOST_IMAGE + refs * WORD, at(0));
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(!white(h, 0));
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(0));
	CHECK_EQ(host_add(h, KMEMLEAK_VIRT, at(0), 64, 126), KMEMLEAK_OK);
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(!white(h, 0));
	/* With an alias, all references are counted, up to the greatest count. */
	CHECK_EQ(kmemleak_block_add_alias(&h->t, at(0), HOST_VMALLOC), KMEMLEAK_OK);
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, at(0), &copy));
	CHECK_EQ(copy.colour.count, KMEMLEAK_COUNT_MAX);
	host_free(h);
}

/*
 * A vmalloc block needs two references. Its vm_struct (block 0) has the first one, and is
 * an alias of the vmalloc block. So each reference to the vm_struct after the first one
 * counts for the vmalloc block, too.
 */
static void test_vmalloc_alias(void)
{
	unsigned int refs;

	for (refs = 0; refs < 4; refs++) {
		struct host *h = small_new(1);
		unsigned int i;

		host_map(h, HOST_VMALLOC, PAGE_SIZE);
		kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(0));
		CHECK_EQ(host_add(h, KMEMLEAK_VIRT, at(0), 64, 1), KMEMLEAK_OK);
		CHECK_EQ(host_add(h, KMEMLEAK_VIRT, HOST_VMALLOC, PAGE_SIZE, 2), KMEMLEAK_OK);
		CHECK_EQ(kmemleak_block_add_alias(&h->t, at(0), HOST_VMALLOC), KMEMLEAK_OK);
		host_store(h, at(0), HOST_VMALLOC);
		for (i = 0; i < refs; i++)
			host_store(h, HOST_IMAGE + i * WORD, at(0));
		CHECK_EQ(host_mark(h, &host_plain_options), 0);
		CHECK_EQ(host_white(h, KMEMLEAK_VIRT, HOST_VMALLOC), refs < 2);
		CHECK_EQ(white(h, 0), refs < 1);
		host_free(h);
	}
}

/* Two blocks are aliases of each other, and one is an alias of itself. The mark must end. */
static void test_alias_loop(void)
{
	struct host *h = small_new(3);

	kmemleak_block_add_alias(&h->t, at(0), at(1));
	kmemleak_block_add_alias(&h->t, at(1), at(0));
	kmemleak_block_add_alias(&h->t, at(2), at(2));
	kmemleak_block_add_alias(&h->t, at(2), HOST_VMALLOC);
	host_store(h, HOST_IMAGE, at(0));
	host_store(h, HOST_IMAGE + WORD, at(0));
	host_store(h, HOST_IMAGE + 2 * WORD, at(2));
	host_store(h, HOST_IMAGE + 3 * WORD, at(2));
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(!white(h, 0) && !white(h, 1) && !white(h, 2));
	host_free(h);
}

/* A page that cannot be read is counted and skipped. All other pages must be read. */
static void test_unreadable(void)
{
	struct host *h = small_new(4);

	host_map(h, HOST_VMALLOC, PAGE_SIZE);
	host_map(h, HOST_VMALLOC + PAGE_SIZE, PAGE_SIZE)->unreadable = true;
	host_map(h, HOST_VMALLOC + 2 * PAGE_SIZE, PAGE_SIZE);
	host_block(h, HOST_VMALLOC, 3 * PAGE_SIZE);
	host_store(h, HOST_IMAGE, HOST_VMALLOC + 5);
	host_store(h, HOST_VMALLOC + PAGE_SIZE - WORD, at(0));
	host_store(h, HOST_VMALLOC + PAGE_SIZE, at(1));
	host_store(h, HOST_VMALLOC + 2 * PAGE_SIZE, at(2));
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(!white(h, 0) && white(h, 1) && !white(h, 2));
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_UNREADABLE), 1);
	/*
	 * The same for roots that begin and end in the middle of a page, and for unmapped
	 * roots.
	 */
	host_add_root(h, HOST_VMALLOC + PAGE_SIZE + 8, HOST_VMALLOC + 2 * PAGE_SIZE + 8);
	host_add_root(h, HOST_MODULES, HOST_MODULES + 8);
	host_store(h, HOST_IMAGE, 0);
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(white(h, 0) && white(h, 1) && !white(h, 2));
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_UNREADABLE), 3);
	host_free(h);
}

/* Filters two parts of a page together, but not the word between them. */
static void pick_pieces(struct host *h, struct kmemleak_marker *m)
{
	long nr;

	preempt_disable();
	nr = kmemleak_mark_filter_words(m, 0, HOST_DIRECT + PAGE_SIZE, 2 * WORD);
	CHECK_EQ(nr, 1);
	nr = kmemleak_mark_filter_words(m, nr, HOST_DIRECT + PAGE_SIZE + 3 * WORD, WORD);
	CHECK_EQ(nr, 2);
	preempt_enable();
	CHECK_EQ(kmemleak_mark_words(m, nr), 0);
	/* The object that one of them points to is not scanned yet. */
	CHECK(white(h, 3));
	kmemleak_mark_drain(m);
	CHECK(!white(h, 3));
}

/* Both parts of the page must be followed, and the word between them must not. */
static void test_filter_parts(void)
{
	struct host *h = small_new(4);

	h->in_roots = pick_pieces;
	host_store(h, HOST_DIRECT + PAGE_SIZE, at(0));
	host_store(h, HOST_DIRECT + PAGE_SIZE + 2 * WORD, at(1));
	host_store(h, HOST_DIRECT + PAGE_SIZE + 3 * WORD, at(2));
	host_store(h, at(2), at(3));
	CHECK_EQ(host_mark(h, &host_plain_options), 0);
	CHECK(!white(h, 0) && white(h, 1) && !white(h, 2));
	host_free(h);
}

/*
 * A block that ends in the last page of the address space, with an object or opaque. The
 * mark must read it and end.
 */
static void test_last_page(void)
{
	const unsigned long last = -PAGE_SIZE, start = last - 64;
	unsigned int opaque;

	for (opaque = 0; opaque < 2; opaque++) {
		struct host *h = small_new(2);
		struct kmemleak_leak_set leaks;

		host_map(h, -3 * PAGE_SIZE, 3 * PAGE_SIZE - 256);
		if (opaque)
			kmemleak_opaque_add(&h->t, KMEMLEAK_VIRT, start, -512UL - start);
		else
			CHECK_EQ(host_add(h, KMEMLEAK_VIRT, start, -512UL - start, 1), KMEMLEAK_OK);
		host_store(h, HOST_IMAGE, start);
		host_store(h, start, at(0));
		host_store(h, -512UL - WORD, at(1));
		alarm(20);
		CHECK_EQ(host_mark(h, &host_plain_options), 0);
		CHECK(!white(h, 0) && !white(h, 1));
		/* If the block is lost, it is reported like any other. */
		host_store(h, HOST_IMAGE, 0);
		CHECK_EQ(host_scan_whole(h, &host_plain_options, &leaks), 0);
		CHECK_EQ(leaks.nr, opaque ? 0 : 3);
		kmemleak_leak_set_free(&h->t, &leaks);
		host_free(h);
	}
}

static int stop_at;

static int stop_pause(struct host *h)
{
	return --stop_at < 0 ? -EINTR : 0;
}

/* Ends a mark at each of its pauses. It must return the error, and the next mark must be right. */
static void test_stop(void)
{
	struct graph *g = graph_new(800, 3, GRAPH_ALL);
	long pages = g->h->live_pages;
	unsigned int n, stopped = 0;
	int ret;

	g->h->on_pause = stop_pause;
	for (n = 0; n < 200; n++) {
		stop_at = n;
		ret = host_mark(g->h, &host_plain_options);
		CHECK_EQ(ret, stop_at < 0 ? -EINTR : 0);
		CHECK_EQ(g->h->live_pages, pages);
		stopped += !!ret;
		if (!ret)
			break;
	}
	CHECK(stopped > 3 && !ret);
	check_graph(g);
	graph_free(g);
}

/* The amount of memory read between two pauses has a limit in any graph. */
static unsigned long reads_at_pause, worst;

static int measure_pause(struct host *h)
{
	worst = max(worst, h->reads - reads_at_pause);
	reads_at_pause = h->reads;
	return 0;
}

static void test_bounded(void)
{
	struct graph *g = graph_new(3000, 3, GRAPH_ALL);

	g->h->on_pause = measure_pause;
	reads_at_pause = g->h->reads;
	CHECK_EQ(host_mark(g->h, &host_plain_options), 0);
	CHECK(g->h->pauses > 10);
	CHECK(worst > 0 && worst <= 256);
	graph_free(g);
}

/* ------------------------------------------------- blocks come and go -- */

static struct graph *mutating;
static unsigned int mutations;

/* Frees a part of a block, and clears the pointers in that part. */
static void trim(struct graph *g, struct node *n)
{
	size_t from, size;
	unsigned long addr;

	if (n->space != KMEMLEAK_VIRT || n->size < 64 || n->alias)
		return;
	size = WORD * (1 + host_below(n->size / WORD / 2));
	from = host_one_in(3) ? 0 : host_one_in(2) ? n->size - size :
		ALIGN(host_below(n->size - size), WORD);
	if (from + size > n->size || g->nr == GRAPH_MAX)
		return;
	REQUIRE(kmemleak_block_remove_part(&g->h->t, n->space, n->start + from, size) ==
		KMEMLEAK_OK);
	for (addr = ALIGN(n->start + from, WORD); addr + WORD <= n->start + from + size;
	     addr += WORD)
		host_store(g->h, addr, 0);
	/* The block has lost its scan areas. */
	n->nr_areas = 0;
	if (from && from + size < n->size) {
		struct node *tail = &g->node[g->nr++];

		*tail = *n;
		tail->start = n->start + from + size;
		tail->size = n->size - from - size;
		n->size = from;
	} else if (from) {
		n->size = from;
	} else {
		n->start += size;
		n->size -= size;
	}
}

/* Allocates (0), frees (1) or shrinks (2) a block. */
static void mutate(struct graph *g, unsigned int what)
{
	struct node *n = graph_random(g), *newborn;

	if (!n || g->nr >= GRAPH_MAX - 8)
		return;
	switch (what) {
	case 0:
		/* A root points to the new block, and the new block points to others. */
		newborn = graph_add(g, KMEMLEAK_VIRT, 64, 1);
		newborn->newborn = true;
		graph_point(g, newborn, n);
		graph_point(g, newborn, graph_random(g));
		host_store(g->h, HOST_IMAGE + WORD * host_below(64), newborn->start);
		break;
	case 1:
		if (n->space == KMEMLEAK_VIRT)
			graph_remove(g, n);
		break;
	case 2:
		trim(g, n);
		break;
	}
}

static unsigned int mutate_what;

/*
 * There are changes in a few pauses only. A mark does not make passes forever if blocks
 * keep coming: then only the next mark is right (CONFIRM).
 */
static int mutate_pause(struct host *h)
{
	unsigned int i;

	for (i = 0; mutations && i < 50; i++, mutations--)
		mutate(mutating, mutate_what < 3 ? mutate_what : host_below(3));
	return 0;
}

/* Blocks come, go and shrink while a mark runs. It must reach all live blocks. */
static void mutate_during_mark(unsigned int what, unsigned int features)
{
	static const struct kmemleak_options opt = {
		.rules = BIT(KMEMLEAK_RULE_BORN),
		.roots = KMEMLEAK_ALL_ROOTS,
		.min_unref_scans = 1,
	};
	unsigned int i, j, live = 0, mutated = 0;

	mutate_what = what;
	for (i = 0; i < host_rounds(12) && !host_failures; i++) {
		struct graph *g = graph_new(1000, 2, features);

		mutating = g;
		mutations = 100 + host_below(200);
		mutated += mutations;
		g->h->on_pause = mutate_pause;
		CHECK_EQ(host_mark(g->h, &opt), 0);
		g->h->on_pause = NULL;
		mutated -= mutations;
		graph_search(g);
		for (j = 0; j < g->nr; j++) {
			struct node *n = &g->node[j];

			if (!n->size || graph_lost(n))
				continue;
			live++;
			if (host_white(g->h, n->space, n->start))
				host_check_failed(__FILE__, __LINE__, "live block %#lx%s is white",
						  n->start, n->newborn ? " (newborn)" : "");
		}
		graph_free(g);
	}
	CHECK(live > 100);
	CHECK(mutated > 100);
}

static void test_blocks_come(void)
{
	mutate_during_mark(0, GRAPH_WIDE);
}

static void test_blocks_go(void)
{
	mutate_during_mark(1, GRAPH_WIDE | GRAPH_ANNOTATED);
}

static void test_blocks_shrink(void)
{
	mutate_during_mark(2, GRAPH_WIDE);
}

static void test_blocks_change(void)
{
	mutate_during_mark(3, GRAPH_ALL);
}

/* ---------------------------------------- CPUs' copies of per-cpu objects -- */

#define MAX_CPUS	1024
#define MAX_VISITS	(64 * 1024)

static unsigned long visited[MAX_VISITS];
static unsigned int nr_visited;

static void note_visit(struct kmemleak_marker *m, unsigned long ptr)
{
	REQUIRE(nr_visited < MAX_VISITS);
	visited[nr_visited++] = ptr;
}

static bool was_visited(unsigned long ptr)
{
	unsigned int i, times = 0;

	for (i = 0; i < nr_visited; i++)
		times += visited[i] == ptr;
	/* Each visit counts a reference, so a pointer must not be visited twice. */
	CHECK(times <= 1);
	return times;
}

/* Each per-cpu object that @word points into must be visited. Return: how many there are. */
static unsigned int check_copies(struct kmemleak_marker *m, unsigned long word)
{
	struct kmemleak_tracker *t = m->t;
	unsigned int cpu, found = 0;

	nr_visited = 0;
	kmemleak_percpu_map_visit(&m->mark->percpu_map, m, word, note_visit);
	for (cpu = 0; cpu < t->nr_cpu_offsets; cpu++) {
		unsigned long ptr = word - t->cpu_offset[cpu];
		struct kmemleak_object copy;
		bool visit = was_visited(ptr);

		if (!kmemleak_block_get(t, KMEMLEAK_PERCPU, ptr, &copy))
			continue;
		found++;
		if (!visit)
			host_check_failed(__FILE__, __LINE__, "%#lx of CPU %u was not visited",
					  ptr, cpu);
	}
	return found;
}

/* Offsets as the allocator arranges them: nodes far apart, the units of a node side by side. */
static unsigned int fill_offsets(unsigned long *offset, unsigned int nodes, unsigned int cpus,
				 unsigned long base, unsigned long unit, unsigned long apart)
{
	unsigned int i, k, nr = 0;

	for (i = 0; i < nodes; i++)
		for (k = 0; k < cpus; k++)
			offset[nr++] = base + i * apart + k * unit;
	return nr;
}

/* Random layouts, also with more groups and areas than the map has room for. */
static void test_copies_odd(void)
{
	static unsigned long offset[MAX_CPUS];
	unsigned int round, i, hits = 0;

	for (round = 0; round < host_rounds(60) && !host_failures; round++) {
		struct host *h = host_new(5);
		unsigned long unit = 8UL << host_below(14), base = host_rand() & PAGE_MASK;
		unsigned long apart = unit * (40 + host_below(1000));
		unsigned int nodes = 1 + host_below(host_one_in(3) ? 40 : 4);
		unsigned int cpus = 1 + host_below(8), chunks = 1 + host_below(300);
		unsigned long chunk = unit * (1 + host_below(4 * cpus));
		struct kmemleak_marker *m;
		unsigned int nr = 0;

		h->t.nr_cpu_offsets = fill_offsets(offset, nodes, cpus, base, unit, apart);
		h->t.cpu_offset = offset;
		for (i = 0; i < chunks; i++) {
			unsigned long ptr = HOST_PERCPU + i * chunk + host_below(unit);

			nr += !host_add(h, KMEMLEAK_PERCPU, ptr, 1 + host_below(unit / 8), 1);
		}
		m = kmemleak_mark_begin(&h->t, &host_plain_options, 0);
		REQUIRE(m);
		for (i = 0; i < 200 && !host_failures; i++) {
			unsigned long ptr = HOST_PERCPU + host_below(chunks * chunk);

			hits += check_copies(m, ptr + offset[host_below(nodes * cpus)]);
		}
		check_copies(m, host_rand());
		CHECK(nr);
		kmemleak_mark_end(m);
		kmemleak_mark_newborns_end(&h->t);
		host_free(h);
	}
	CHECK(hits);
}

#define LATE	(HOST_DIRECT + 0x100000)

static int bear_late(struct host *h)
{
	h->on_pause = NULL;
	host_block(h, LATE, 64);
	return 0;
}

/*
 * A block is born while a mark begins: the bounds of the word filter are older than the block.
 * A second block is referenced by the first one alone.
 */
static void test_born_at_begin(void)
{
	static unsigned long offset[] = { HOST_COPIES - HOST_PERCPU };
	struct host *h = host_new(6);
	unsigned int i;

	h->t.nr_cpu_offsets = 1;
	h->t.cpu_offset = offset;
	host_map(h, HOST_DIRECT, 64);
	host_map(h, LATE, 64);
	host_block(h, HOST_DIRECT, 64);
	host_store(h, LATE, HOST_DIRECT);
	/* So many that the begin of the mark makes a pause. */
	for (i = 0; i < 200; i++)
		host_add(h, KMEMLEAK_PERCPU, HOST_PERCPU + i * 64, 64, 1);
	h->on_pause = bear_late;
	CHECK_EQ(host_mark(h, &host_all_options), 0);
	CHECK(!host_white(h, KMEMLEAK_VIRT, LATE));
	CHECK(!host_white(h, KMEMLEAK_VIRT, HOST_DIRECT));
	host_free(h);
}

/* A usual layout with many CPUs: at most one pointer may be visited for each address. */
static void test_copies_many_cpus(void)
{
	static unsigned long offset[MAX_CPUS];
	const unsigned long unit = 0x8000, node = 1UL << 28;
	const unsigned int nodes = 4, cpus = 256, chunks = 24;
	struct host *h = host_new(5);
	struct kmemleak_marker *m;
	unsigned int i, hits = 0;

	h->t.nr_cpu_offsets = fill_offsets(offset, nodes, cpus, HOST_COPIES - HOST_PERCPU, unit,
					   node);
	h->t.cpu_offset = offset;
	/* The chunks lie side by side, as the units of one node do. */
	for (i = 0; i < chunks * 16; i++)
		REQUIRE(!host_add(h, KMEMLEAK_PERCPU,
				  HOST_PERCPU + i / 16 * cpus * unit + i % 16 * (unit / 16),
				  unit / 32, 1));
	m = kmemleak_mark_begin(&h->t, &host_plain_options, 0);
	REQUIRE(m);
	for (i = 0; i < 4000 && !host_failures; i++) {
		unsigned long ptr = HOST_PERCPU + host_below(chunks) * cpus * unit +
				    host_below(unit);

		hits += check_copies(m, ptr + offset[host_below(MAX_CPUS)]);
		CHECK(nr_visited <= 1);
	}
	/* Half of each chunk is in use. */
	CHECK(hits > 1000 && hits < 3000);
	kmemleak_mark_end(m);
	kmemleak_mark_newborns_end(&h->t);
	host_free(h);
}

const struct host_case mark_cases[] = {
	{ "word_filter", test_word_filter },
	{ "plain", test_plain },
	{ "wide", test_wide },
	{ "percpu", test_percpu },
	{ "copies_odd", test_copies_odd },
	{ "copies_many_cpus", test_copies_many_cpus },
	{ "annotated", test_annotated },
	{ "alias", test_alias },
	{ "opaque", test_opaque },
	{ "all", test_all },
	{ "workers", test_workers },
	{ "helpers", test_helpers },
	{ "helpers_cut", test_helpers_cut },
	{ "overflow", test_overflow },
	{ "no_memory", test_no_memory },
	{ "epoch_wrap", test_epoch_wrap },
	{ "epoch_wrap_cut", test_epoch_wrap_cut },
	{ "pauses", test_pauses },
	{ "too_early", test_too_early },
	{ "born_at_begin", test_born_at_begin },
	{ "pieces", test_pieces },
	{ "long_chain", test_long_chain },
	{ "references", test_references },
#if BITS_PER_LONG == 64
	{ "tags", test_tags },
#endif
	{ "lost_structures", test_lost_structures },
	{ "odd_areas", test_odd_areas },
	{ "full_scan", test_full_scan },
	{ "min_count", test_min_count },
	{ "vmalloc_alias", test_vmalloc_alias },
	{ "alias_loop", test_alias_loop },
	{ "unreadable", test_unreadable },
	{ "filter_parts", test_filter_parts },
	{ "last_page", test_last_page },
	{ "stop", test_stop },
	{ "bounded", test_bounded },
	{ "blocks_come", test_blocks_come },
	{ "blocks_go", test_blocks_go },
	{ "blocks_shrink", test_blocks_shrink },
	{ "blocks_change", test_blocks_change },
	{ }
};
