// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verdict: for each rule a world in which leaving it out reports a block
 * that is in use (or, for TRANSIENT and MIN_UNREF, that should wait), and that
 * it does not keep a real leak back. Then what a report says.
 */
#include "graph.h"

#define WORD	sizeof(long)

static struct host *small_new(unsigned int nr)
{
	struct host *h = host_new(6);
	unsigned int i;

	host_map(h, HOST_DIRECT, 0x10000);
	host_map(h, HOST_IMAGE, 2 * PAGE_SIZE);
	host_add_root(h, HOST_IMAGE, HOST_IMAGE + 2 * PAGE_SIZE);
	for (i = 0; i < nr; i++)
		host_block(h, HOST_DIRECT + i * 64, 64);
	return h;
}

static unsigned long at(unsigned int i)
{
	return HOST_DIRECT + i * 64;
}

static struct kmemleak_options options(unsigned long rules)
{
	return (struct kmemleak_options){
		.rules = rules,
		.min_unref_scans = 1,
		.confirm = KMEMLEAK_CONFIRM_RESCAN,
	};
}

/* One episode: which of blocks 0 to 31 it reports, as bits. */
static u32 reported(struct host *h, const struct kmemleak_options *opt)
{
	struct kmemleak_leaks leaks;
	unsigned int i, nr = 0;
	u32 bits = 0;

	CHECK_EQ(host_episode(h, opt, &leaks), 0);
	for (i = 0; i < 32; i++) {
		if (host_reported(&leaks, at(i))) {
			bits |= 1U << i;
			nr++;
		}
	}
	CHECK_EQ(leaks.nr, nr);
	CHECK(!h->t.marking);
	kmemleak_leaks_free(&h->t, &leaks);
	return bits;
}

static u32 reported_with(struct host *h, unsigned long rules)
{
	struct kmemleak_options opt = options(rules);

	return reported(h, &opt);
}

/* As many as the last sweep can note, and more: none is forgotten, none told twice. */
static void test_many(void)
{
	static const unsigned int many[] = { 300, 4000, 6000 };
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	unsigned int i, k;

	for (k = 0; k < ARRAY_SIZE(many); k++) {
		struct host *h = host_new(6);
		struct kmemleak_leaks leaks;

		host_map(h, HOST_DIRECT, 0x80000);
		host_map(h, HOST_IMAGE, PAGE_SIZE);
		host_add_root(h, HOST_IMAGE, HOST_IMAGE + PAGE_SIZE);
		for (i = 0; i < many[k]; i++)
			host_block(h, at(i), 64);
		host_store(h, HOST_IMAGE, at(7));
		CHECK_EQ(host_episode(h, &opt, &leaks), 0);
		CHECK_EQ(leaks.nr, many[k] - 1);
		for (i = 0; i < many[k] && !host_failures; i++)
			CHECK_EQ(host_reported(&leaks, at(i)), i != 7);
		kmemleak_leaks_free(&h->t, &leaks);
		host_free(h);
	}
}

/* ------------------------------------------------------------------- age -- */

static void test_age(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_AGE));
	struct host *h = small_new(3);

	/* 0 is young and points at 1, which is old; 2 is lost. */
	host_now += 1000;
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(0));
	host_block(h, at(0), 64);
	host_store(h, at(0), at(1));
	opt.min_age = 100;
	CHECK_EQ(reported(h, &opt), 4);
	opt.rules = 0;
	CHECK_EQ(reported(h, &opt), 7);
	opt.rules = BIT(KMEMLEAK_RULE_AGE);
	opt.min_age = 0;
	CHECK_EQ(reported(h, &opt), 7);
	opt.min_age = 100;
	host_now += 99;
	CHECK_EQ(reported(h, &opt), 4);
	host_now += 1;
	CHECK_EQ(reported(h, &opt), 7);
	host_free(h);
}

/* Jiffies come round; what is older than half of them is still old enough. */
static void test_age_wrap(void)
{
	static const u32 older[] = { S32_MAX - 1, S32_MAX, S32_MAX + 1U, 3U << 30, U32_MAX };
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_AGE));
	struct host *h;
	unsigned int i;

	opt.min_age = 100;
	host_now = U32_MAX - 10;
	h = small_new(1);
	host_now += 50;
	CHECK(host_now < 100);
	CHECK_EQ(reported(h, &opt), 0);
	host_now += 50;
	CHECK_EQ(reported(h, &opt), 1);
	for (i = 0; i < ARRAY_SIZE(older); i++) {
		host_now = U32_MAX - 10 + older[i];
		CHECK_EQ(reported(h, &opt), 1);
	}
	opt.min_age = S32_MAX;
	CHECK_EQ(reported(h, &opt), 1);
	host_now -= 10;
	/* A minimum nobody can reach reports nothing, and breaks nothing. */
	opt.min_age = ULONG_MAX;
	CHECK_EQ(reported(h, &opt), 0);
	host_free(h);
}

/* Born after a mark began, it is younger than all, whatever the time of the mark. */
static void young_in_roots(struct host *h, struct kmemleak_marker *m)
{
	host_now += 5;
	if (!host_tracked(h, KMEMLEAK_VIRT, at(8)))
		host_block(h, at(8), 64);
}

static void test_age_born(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_AGE));
	struct host *h = small_new(1);

	host_now += 1000;
	h->in_roots = young_in_roots;
	opt.min_age = 100;
	CHECK_EQ(reported(h, &opt), 1);
	host_now += 100;
	CHECK_EQ(reported(h, &opt), 1 | 1 << 8);
	host_free(h);
}

/* ------------------------------------------------------------------ born -- */

/* After the roots were read: a new block, and where its pointer is. */
static void born_in_roots(struct host *h, struct kmemleak_marker *m)
{
	if (host_tracked(h, KMEMLEAK_VIRT, at(8)))
		return;
	host_block(h, at(8), 64);
	host_store(h, HOST_IMAGE, at(8));
	/* It takes over the only pointer at 1. */
	host_store(h, at(8), at(1));
	host_store(h, at(0), 0);
}

static void test_born(void)
{
	unsigned int on;

	for (on = 0; on < 2; on++) {
		struct host *h = small_new(3);

		/* 0 is a root that is read after the others. */
		kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_NOTE_NOT_LEAK);
		host_store(h, at(0), at(1));
		h->in_roots = born_in_roots;
		CHECK_EQ(reported_with(h, on ? BIT(KMEMLEAK_RULE_BORN) : 0),
			 on ? 1 << 2 : 1 << 1 | 1 << 2 | 1 << 8);
		/* Settled: the next scan knows, with the rule or without. */
		CHECK_EQ(reported_with(h, on ? BIT(KMEMLEAK_RULE_BORN) : 0), 1 << 2);
		host_free(h);
	}
}

/* A leak made during a scan is the next scan's. */
static void born_lost(struct host *h, struct kmemleak_marker *m)
{
	if (!host_tracked(h, KMEMLEAK_VIRT, at(8)))
		host_block(h, at(8), 64);
}

static void test_born_lost(void)
{
	struct host *h = small_new(0);

	h->in_roots = born_lost;
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 0);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 1 << 8);
	host_free(h);
}

/* --------------------------------------------------------------- changed -- */

static int write_to_0(struct host *h)
{
	++*host_word(h, at(0) + 8);
	return 0;
}

static void test_changed(void)
{
	struct host *h = small_new(4);

	/* Somebody writes to 0, which points at 1; so do 2 and 3, which lie still. */
	host_store(h, at(0), at(1));
	host_store(h, at(2), at(3));
	h->on_pause = write_to_0;
	CHECK_EQ(reported_with(h, 0), 0xf);
	CHECK_EQ(reported_with(h, BIT(KMEMLEAK_RULE_CHANGED)), 0xc);
	CHECK_EQ(reported_with(h, BIT(KMEMLEAK_RULE_CHANGED) | BIT(KMEMLEAK_RULE_CONFIRM)), 0xc);
	h->on_pause = NULL;
	CHECK_EQ(reported_with(h, BIT(KMEMLEAK_RULE_CHANGED)), 0xf);
	host_free(h);
}

/* A change in any place counts: last bytes, another page, another CPU's copy. */
static unsigned long change_at;

static int write_there(struct host *h)
{
	++*host_word(h, change_at);
	return 0;
}

static void test_changed_where(void)
{
	static const unsigned long offset[] = { 0, 4088, 4096, 0x2000 };
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_CHANGED));
	struct kmemleak_leaks leaks;
	unsigned int i, cpu;

	for (i = 0; i < ARRAY_SIZE(offset); i++) {
		struct host *h = small_new(0);

		host_block(h, at(0) + 16, 0x2000);
		change_at = at(0) + 16 + offset[i] - (offset[i] == 0x2000 ? WORD : 0);
		change_at = ALIGN_DOWN(change_at, WORD);
		h->on_pause = write_there;
		CHECK_EQ(host_episode(h, &opt, &leaks), 0);
		CHECK_EQ(leaks.nr, 0);
		kmemleak_leaks_free(&h->t, &leaks);
		host_free(h);
	}
	for (cpu = 0; cpu < HOST_NR_CPUS; cpu++) {
		struct host *h = small_new(0);

		for (i = 0; i < HOST_NR_CPUS; i++)
			host_map(h, HOST_COPIES + i * HOST_COPY_STRIDE, PAGE_SIZE);
		CHECK_EQ(host_add(h, KMEMLEAK_PERCPU, HOST_PERCPU + 64, 64, 1), KMEMLEAK_OK);
		change_at = HOST_COPIES + cpu * HOST_COPY_STRIDE + 64 + 56;
		h->on_pause = write_there;
		CHECK_EQ(host_episode(h, &opt, &leaks), 0);
		CHECK_EQ(leaks.nr, 0);
		kmemleak_leaks_free(&h->t, &leaks);
		h->on_pause = NULL;
		CHECK_EQ(host_episode(h, &opt, &leaks), 0);
		CHECK_EQ(leaks.nr, 1);
		kmemleak_leaks_free(&h->t, &leaks);
		host_free(h);
	}
}

/* The changed block leads to more than the work list can hold, and it cannot grow. */
#define NR_CHILDREN	(0x1000 / WORD - 1)

static unsigned long fail_from;

static int write_and_fail(struct host *h)
{
	++*host_word(h, HOST_DIRECT + 0x1000 - WORD);
	if (h->pauses >= fail_from)
		h->fail_after = 0;
	return 0;
}

static void test_changed_overflow(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_CHANGED));
	struct host *h = host_new(8);
	struct kmemleak_leaks leaks;
	unsigned int i;

	host_map(h, HOST_DIRECT, 0x1000 + NR_CHILDREN * 256);
	host_block(h, HOST_DIRECT, 0x1000);
	for (i = 0; i < NR_CHILDREN; i++) {
		unsigned long child = HOST_DIRECT + 0x1000 + i * 256;

		host_block(h, child, 64);
		host_block(h, child + 128, 64);
		host_store(h, child, child + 128);
		host_store(h, HOST_DIRECT + i * WORD, child);
	}
	CHECK_EQ(host_mark(h, &opt), 0);
	/* A pause for 64 suspects, and one for each batch of as many. */
	fail_from = h->pauses + 2 * ((1 + 2 * NR_CHILDREN) / KMEMLEAK_RECORDS_PER_PAUSE);
	h->pauses = 0;
	h->on_pause = write_and_fail;
	CHECK_EQ(host_episode(h, &opt, &leaks), 0);
	CHECK(host_counter(h, KMEMLEAK_CNT_MARK_OVERFLOW) > 0);
	CHECK_EQ(leaks.nr, 0);
	kmemleak_leaks_free(&h->t, &leaks);
	h->fail_after = -1;
	host_free(h);
}

/* ------------------------------------------------------------- transient -- */

static void test_transient(void)
{
	struct host *h = small_new(3);

	/* 0 and what it points at have one scan. */
	host_store(h, at(0), at(1));
	CHECK_EQ(kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0) + 5,
					 KMEMLEAK_NOTE_TRANSIENT), KMEMLEAK_OK);
	CHECK_EQ(reported_with(h, BIT(KMEMLEAK_RULE_TRANSIENT)), 4);
	CHECK_EQ(reported_with(h, BIT(KMEMLEAK_RULE_TRANSIENT)), 7);
	CHECK_EQ(reported_with(h, BIT(KMEMLEAK_RULE_TRANSIENT)), 7);
	/* With a second mark it is one scan, too. */
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_NOTE_TRANSIENT);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 4);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 7);
	/* Without the rule the annotation says nothing. */
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_NOTE_TRANSIENT);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES & ~BIT(KMEMLEAK_RULE_TRANSIENT)), 7);
	host_free(h);
}

/* What points at 1 moves: into 0, which is annotated, after the first mark. */
static void move_into_0(struct host *h, struct kmemleak_marker *m)
{
	if (h->t.epoch >= 2)
		host_store(h, at(0), at(1));
}

/* It is a root of every mark of the scan, and of none of the next. */
static void test_transient_confirm(void)
{
	struct host *h = small_new(3);

	h->in_roots = move_into_0;
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_NOTE_TRANSIENT);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 4);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 7);
	/* Annotated anew, it has one more scan, and so it has in the scan after a scan. */
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_NOTE_TRANSIENT);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 4);
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_NOTE_TRANSIENT);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 4);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 7);
	host_free(h);
}

/* --------------------------------------------------------------- confirm -- */

/*
 * The only pointer at 1 moves from memory not yet scanned (block 0, a root) to
 * memory already scanned, during the first mark.
 */
static bool moved;

static void move_pointer(struct host *h, struct kmemleak_marker *m)
{
	if (moved)
		return;
	moved = true;
	host_store(h, HOST_IMAGE + 64, at(1));
	host_store(h, at(0), 0);
}

static void test_confirm(void)
{
	unsigned int on;

	for (on = 0; on < 2; on++) {
		struct host *h = small_new(4);

		kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_NOTE_NOT_LEAK);
		host_store(h, at(0), at(1));
		host_store(h, at(1), at(2));
		moved = false;
		h->in_roots = move_pointer;
		/* 3 is lost. */
		CHECK_EQ(reported_with(h, on ? BIT(KMEMLEAK_RULE_CONFIRM) : 0), on ? 8 : 0xe);
		host_free(h);
	}
}

/*
 * Block 1 + p is pointed at by a root that sweeps come to early, or, between the
 * image's turn and that of this root, by the image: marks miss it up to number
 * until[p].
 */
#define NR_FLIPS	3
#define NR_ROOTS	640
#define FLIP_ROOT	(8 + NR_ROOTS - NR_FLIPS)

static unsigned int until[NR_FLIPS], pauses;

static void flip(struct host *h, bool to_image)
{
	unsigned int p;

	for (p = 0; p < NR_FLIPS; p++) {
		if (to_image && h->t.epoch > until[p])
			continue;
		host_store(h, HOST_IMAGE + p * WORD, to_image ? at(1 + p) : 0);
		host_store(h, at(FLIP_ROOT + p), to_image ? 0 : at(1 + p));
	}
}

static void flip_away(struct host *h, struct kmemleak_marker *m)
{
	pauses = 0;
	flip(h, true);
}

/* By then the sweep has those roots behind it, but not all. */
static int flip_back(struct host *h)
{
	if (++pauses == 6)
		flip(h, false);
	return 0;
}

static struct host *flipping_new(unsigned int marks0, unsigned int marks1, unsigned int marks2)
{
	struct host *h = small_new(8 + NR_ROOTS);
	unsigned int i;

	until[0] = marks0;
	until[1] = marks1;
	until[2] = marks2;
	for (i = 8; i < 8 + NR_ROOTS; i++)
		kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(i), KMEMLEAK_NOTE_NOT_LEAK);
	/* 4 hangs on 1, 5 is lost, the rest is of no interest. */
	host_store(h, at(1), at(4));
	host_store(h, HOST_IMAGE + 88, at(0));
	host_store(h, HOST_IMAGE + 64, at(6));
	host_store(h, HOST_IMAGE + 72, at(7));
	flip(h, false);
	h->in_roots = flip_away;
	h->on_pause = flip_back;
	return h;
}

/* A mark clears somebody, so there may be more: another one, until one clears nobody. */
static void test_rescan(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_CONFIRM));
	struct host *h = flipping_new(1, 2, 3);

	CHECK_EQ(reported(h, &opt), 1U << 5);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), 0);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS_CUT), 0);
	host_free(h);
	h = flipping_new(1, 2, 3);
	opt.confirm = KMEMLEAK_CONFIRM_OFF;
	CHECK_EQ(reported(h, &opt), 1U << 5 | 0x1e);
	host_free(h);
}

/* The same memory, but another block: nothing is known of it yet. */
static void renew(struct host *h, unsigned int i)
{
	CHECK_EQ(kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(i)), KMEMLEAK_OK);
	host_block(h, at(i), 64);
}

/* Marks clear somebody up to the last one: who is left waits, who was confirmed does not. */
static void test_rescan_unsure(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_CONFIRM));
	struct host *h = flipping_new(3, 5, 7);

	CHECK_EQ(reported(h, &opt), 0);
	/* By now each mark finds all of them. */
	CHECK_EQ(reported(h, &opt), 1U << 5);
	host_free(h);

	h = flipping_new(0, 0, 0);
	CHECK_EQ(reported(h, &opt), 1U << 5);
	/* 0 is lost now, too. */
	host_store(h, HOST_IMAGE + 88, 0);
	until[0] = h->t.epoch + 3;
	until[1] = h->t.epoch + 5;
	until[2] = h->t.epoch + 7;
	CHECK_EQ(reported(h, &opt), 1U << 5);
	CHECK_EQ(reported(h, &opt), 1U << 5 | 1);
	host_free(h);
}

/* 1 is behind 0 while a mark runs, but from when it has scanned 0. */
static void put_in_front(struct host *h, struct kmemleak_marker *m)
{
	host_store(h, at(0), at(1));
}

static int take_from_front(struct host *h)
{
	host_store(h, at(0), 0);
	return 0;
}

/* No mark by references alone sees it, however many there are. */
static void test_again(void)
{
	/* The checksums pause between the marks. */
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_CONFIRM) |
					      BIT(KMEMLEAK_RULE_CHANGED));
	struct host *h = small_new(4);

	host_store(h, HOST_IMAGE, at(0));
	host_store(h, at(1), at(2));
	h->in_roots = put_in_front;
	h->on_pause = take_from_front;
	for (opt.workers = 0; opt.workers <= HOST_NR_CPUS; opt.workers++) {
		take_from_front(h);
		CHECK_EQ(reported(h, &opt), 1U << 3);
	}
	take_from_front(h);
	opt.confirm = KMEMLEAK_CONFIRM_OFF;
	CHECK_EQ(reported(h, &opt), 1U << 3 | 0x6);
	host_free(h);
}

/* Pointers that move in each mark: only a standstill tells. */
static void test_standstill(void)
{
	const unsigned int always = U8_MAX;
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_CONFIRM));
	struct host *h = flipping_new(always, always, always);
	unsigned int workers;

	opt.confirm = KMEMLEAK_CONFIRM_STOP;
	h->can_stop = true;
	for (workers = 0; workers <= HOST_NR_CPUS; workers++) {
		opt.workers = workers;
		CHECK_EQ(reported(h, &opt), 1U << 5);
		CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), workers + 1);
	}
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS_CUT), 0);
	/* There is no time for it, or not enough. */
	opt.workers = 0;
	h->can_stop = false;
	CHECK_EQ(reported(h, &opt), 1U << 5 | 0x1e);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS_CUT), 1);
	h->can_stop = true;
	h->stop_pauses = 3;
	renew(h, 5);
	CHECK_EQ(reported(h, &opt), 1U << 5 | 0x1e);
	CHECK_EQ(h->stop_pauses, 0);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS_CUT), 2);
	/* Nobody is kept waiting where there is no suspect. */
	host_store(h, HOST_IMAGE + 80, at(5));
	h->in_roots = NULL;
	h->on_pause = NULL;
	flip(h, false);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), HOST_NR_CPUS + 1);
	host_free(h);
}

/* Nobody is stopped for what was confirmed before, as long as each scan finds it lost. */
static void test_confirmed(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(4);

	opt.confirm = KMEMLEAK_CONFIRM_STOP;
	h->can_stop = true;
	/* 0 leads to 1. */
	host_store(h, at(0), at(1));
	host_store(h, HOST_IMAGE, at(3));
	CHECK_EQ(reported(h, &opt), 7);
	/* It is told how much the mark before had to do, which is as much as it has. */
	CHECK(h->pieces);
	CHECK_EQ(h->pieces, h->still_pieces);
	CHECK_EQ(reported(h, &opt), 7);
	CHECK_EQ(reported(h, &opt), 7);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), 1);
	/* One more is lost, below one that is known. */
	host_store(h, HOST_IMAGE, 0);
	host_store(h, at(1), at(3));
	CHECK_EQ(reported(h, &opt), 0xf);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), 2);
	/* Reached again, with all below it, and lost again. */
	host_store(h, HOST_IMAGE, at(0));
	CHECK_EQ(reported(h, &opt), 4);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), 2);
	host_store(h, HOST_IMAGE, 0);
	CHECK_EQ(reported(h, &opt), 0xf);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), 3);
	/* The next block of that place is another one. */
	renew(h, 2);
	CHECK_EQ(reported(h, &opt), 0xf);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), 4);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS_CUT), 0);
	host_free(h);
}

/* Further marks confirm as well; nothing else does. */
static void test_confirmed_how(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(1);

	h->can_stop = true;
	opt.confirm = KMEMLEAK_CONFIRM_OFF;
	CHECK_EQ(reported(h, &opt), 1);
	opt.confirm = KMEMLEAK_CONFIRM_STOP;
	opt.rules &= ~BIT(KMEMLEAK_RULE_CONFIRM);
	CHECK_EQ(reported(h, &opt), 1);
	opt.rules = KMEMLEAK_ALL_RULES;
	/* As long as it cannot be reported, nothing is stopped for it. */
	opt.min_unref_scans = 3;
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), 0);
	CHECK_EQ(reported(h, &opt), 1);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), 1);
	CHECK_EQ(reported(h, &opt), 1);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), 1);
	opt.min_unref_scans = 1;
	opt.confirm = KMEMLEAK_CONFIRM_RESCAN;
	renew(h, 0);
	CHECK_EQ(reported(h, &opt), 1);
	opt.confirm = KMEMLEAK_CONFIRM_STOP;
	CHECK_EQ(reported(h, &opt), 1);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SNAPSHOTS), 1);
	host_free(h);
}

/* One bit for each mark but standstills, from the first one on: was it a draft? */
static unsigned int drafts, nr_marks;

static void note_draft(struct host *h, struct kmemleak_marker *m)
{
	drafts |= kmemleak_mark_options(m)->draft << nr_marks++;
}

static unsigned int drafts_of(struct host *h, const struct kmemleak_options *opt)
{
	drafts = 0;
	nr_marks = 0;
	renew(h, 0);
	CHECK_EQ(reported(h, opt), 0xf);
	return drafts;
}

/* A mark may leave running stacks out only where a standstill will come to them. */
static void test_draft(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(4);

	h->in_roots = note_draft;
	opt.confirm = KMEMLEAK_CONFIRM_RESCAN;
	h->can_stop = true;
	CHECK_EQ(drafts_of(h, &opt), 0);
	opt.confirm = KMEMLEAK_CONFIRM_STOP;
	CHECK_EQ(drafts_of(h, &opt), 1);
	opt.rules = KMEMLEAK_ALL_RULES & ~BIT(KMEMLEAK_RULE_CONFIRM);
	CHECK_EQ(drafts_of(h, &opt), 0);
	opt.rules = KMEMLEAK_ALL_RULES;
	/* It did not come to that: the next time nobody counts on it, but it is tried. */
	h->can_stop = false;
	CHECK_EQ(drafts_of(h, &opt), 1);
	CHECK_EQ(drafts_of(h, &opt), 0);
	h->can_stop = true;
	CHECK_EQ(drafts_of(h, &opt), 0);
	CHECK_EQ(drafts_of(h, &opt), 1);
	host_free(h);
}

/* Live objects whose pointers move all the time, under all rules. */
static struct graph *moving;

static int move_pause(struct host *h)
{
	unsigned int i;

	/* Only in the first mark: in both, no second mark would tell. */
	for (i = 0; i < 50 && h->t.epoch == 1; i++) {
		unsigned long from = HOST_IMAGE + WORD * host_below(0x8000 / WORD);
		unsigned long to = HOST_IMAGE + WORD * host_below(0x8000 / WORD);
		unsigned long word = *host_word(h, from);

		if (*host_word(h, to))
			continue;
		host_store(h, to, word);
		host_store(h, from, 0);
	}
	return 0;
}

static void test_moving_pointers(void)
{
	unsigned int i, j, bad[2] = {}, on;

	for (on = 0; on < 2; on++) {
		struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);

		if (!on)
			opt.rules &= ~BIT(KMEMLEAK_RULE_CONFIRM);
		/* Without the rule, a false report comes by chance: in any of twelve rounds. */
		for (i = 0; i < (on ? host_rounds(12) : 12) && (on || !bad[0]); i++) {
			struct graph *g = graph_new(1500, 2, GRAPH_WIDE | GRAPH_PERCPU);
			struct kmemleak_leaks leaks;

			moving = g;
			g->h->on_pause = move_pause;
			CHECK_EQ(host_episode(g->h, &opt, &leaks), 0);
			graph_search(g);
			for (j = 0; j < g->nr; j++)
				if (host_reported(&leaks, g->node[j].start) &&
				    !graph_lost(&g->node[j]))
					bad[on]++;
			kmemleak_leaks_free(&g->h->t, &leaks);
			graph_free(g);
		}
	}
	CHECK_EQ(bad[1], 0);
	/* Or nothing moved. */
	CHECK(bad[0] > 0);
}

/* ------------------------------------------------------------- min_unref -- */

static void test_min_unref(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_MIN_UNREF));
	struct host *h = small_new(2);

	opt.min_unref_scans = 3;
	host_store(h, HOST_IMAGE, at(0));
	/* The first does not count. */
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 2);
	CHECK_EQ(reported(h, &opt), 2);
	/* In a row, that is: a reference in between starts it anew. */
	host_store(h, HOST_IMAGE, 0);
	CHECK_EQ(reported(h, &opt), 2);
	CHECK_EQ(reported(h, &opt), 2);
	CHECK_EQ(reported(h, &opt), 2);
	host_store(h, HOST_IMAGE, at(0));
	host_store(h, HOST_IMAGE + WORD, at(1));
	CHECK_EQ(reported(h, &opt), 0);
	host_store(h, HOST_IMAGE, 0);
	host_store(h, HOST_IMAGE + WORD, 0);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 3);
	/* With 1 there is nothing to wait for, with 2 there are two more scans. */
	opt.min_unref_scans = 1;
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(0));
	host_block(h, at(0), 64);
	CHECK_EQ(reported(h, &opt), 3);
	opt.min_unref_scans = 2;
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(0));
	host_block(h, at(0), 64);
	CHECK_EQ(reported(h, &opt), 2);
	CHECK_EQ(reported(h, &opt), 2);
	CHECK_EQ(reported(h, &opt), 3);
	/* More than can be counted is still a number. */
	opt.min_unref_scans = 1000;
	{
		unsigned int i;

		for (i = 0; i < 300 && !reported(h, &opt); i++)
			;
		CHECK(i > 200 && i < 300);
	}
	/* Off, or 0, it reports at once. */
	opt.min_unref_scans = 0;
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(0));
	host_block(h, at(0), 64);
	CHECK_EQ(reported(h, &opt), 3);
	opt.min_unref_scans = 5;
	opt.rules = 0;
	CHECK_EQ(reported(h, &opt), 3);
	host_free(h);
}

/* White in the first mark, reached in the second, it starts anew as well. */
static void test_min_unref_confirm(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_MIN_UNREF) |
					      BIT(KMEMLEAK_RULE_CONFIRM));
	struct host *h = small_new(2);

	opt.min_unref_scans = 2;
	moved = true;
	h->in_roots = move_pointer;
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_NOTE_NOT_LEAK);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 0);
	host_store(h, at(0), at(1));
	moved = false;
	CHECK_EQ(reported(h, &opt), 0);
	CHECK(moved);
	host_store(h, HOST_IMAGE + 64, 0);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 2);
	host_free(h);
}

/* --------------------------------------------------------------- reports -- */

static void test_record(void)
{
	const struct kmemleak_origin origin = {
		.trace = 77,
		.born = host_read_now(), .clock = host_read_clock(),
		.pid = 4711, .context = KMEMLEAK_HARDIRQ, .slack = 7,
		.comm = "irq/9-acpi\0\0\0\0\0",
	};
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(0);
	struct kmemleak_leaks leaks;
	struct kmemleak_leak *leak;
	u32 born = host_now, crc;

	CHECK_EQ(kmemleak_block_add(&h->t, KMEMLEAK_VIRT, at(0), 100, 1, &origin), KMEMLEAK_OK);
	memcpy(h->segments[0].mem, "0123456789abcdefghijklmnopqrstuvwxyz", 36);
	crc = crc32_le(0, h->segments[0].mem, 100);
	host_now += 500;
	CHECK_EQ(host_episode(h, &opt, &leaks), 0);
	REQUIRE(leaks.nr == 1);
	CHECK_EQ(leaks.nr_new, 1);
	leak = list_first_entry(&leaks.list, struct kmemleak_leak, list);
	CHECK_EQ(leak->ref.start, at(0));
	CHECK_EQ(leak->size, 100);
	CHECK_EQ(leak->trace, 77);
	CHECK_EQ(leak->born, born);
	CHECK_EQ(leak->pid, 4711);
	CHECK_EQ(leak->requested, leak->size - 7);
	CHECK_EQ((leak->flags & KMEMLEAK_CTX_MASK) >> KMEMLEAK_CTX_SHIFT, KMEMLEAK_HARDIRQ);
	CHECK(!strcmp(leak->comm, "irq/9-acpi"));
	CHECK_EQ(leak->dump_len, KMEMLEAK_DUMP_LEN);
	CHECK(!memcmp(leak->dump, "0123456789abcdefghijklmnopqrstuv", 32));
	CHECK_EQ(leak->crc, crc);
	CHECK(kmemleak_leak_lives(&h->t, leak));
	{
		struct kmemleak_leaks again;

		CHECK_EQ(host_episode(h, &opt, &again), 0);
		CHECK_EQ(again.nr, 1);
		CHECK_EQ(again.nr_new, 0);
		kmemleak_leaks_free(&h->t, &again);
	}
	/* The record outlives its block, and knows. */
	CHECK_EQ(kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(0)), KMEMLEAK_OK);
	CHECK(!kmemleak_leak_lives(&h->t, leak));
	CHECK(!strcmp(leak->comm, "irq/9-acpi"));
	/* A younger block of the same place is another. */
	host_block(h, at(0), 100);
	CHECK(!kmemleak_leak_lives(&h->t, leak));
	kmemleak_leaks_free(&h->t, &leaks);
	host_free(h);
}

/* Settled leaks are never reported again; what took their places meanwhile is. */
static void test_settle(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(5);
	struct kmemleak_leaks leaks;

	/* 0 holds 1. */
	host_store(h, at(0), at(1));
	host_store(h, HOST_IMAGE, at(4));
	CHECK_EQ(host_episode(h, &opt, &leaks), 0);
	CHECK_EQ(leaks.nr, 4);
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(2));
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(3));
	host_block(h, at(3), 64);
	kmemleak_leaks_settle(&h->t, &leaks);
	kmemleak_leaks_free(&h->t, &leaks);
	CHECK_EQ(reported(h, &opt), 1 << 3);
	/* What they hold is held; what was no leak can become one. */
	host_block(h, at(5), 64);
	host_store(h, at(1) + 8, at(5));
	host_store(h, HOST_IMAGE, 0);
	CHECK_EQ(reported(h, &opt), 1 << 3 | 1 << 4);
	host_free(h);
}

/* Blocks of all sizes around the dump's, and one that cannot be read. */
static void test_dump(void)
{
	static const size_t size[] = { 1, 31, 32, 33, 4096, 0x5000 };
	struct kmemleak_options opt = options(0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(size); i++) {
		struct host *h = small_new(0);
		struct kmemleak_leaks leaks;
		struct kmemleak_leak *leak;

		/* Mapped byte by byte, so that a look behind it is seen. */
		host_map(h, HOST_VMALLOC, size[i]);
		memset(h->segments[2].mem, 0xa5, size[i]);
		host_block(h, HOST_VMALLOC, size[i]);
		CHECK_EQ(host_episode(h, &opt, &leaks), 0);
		REQUIRE(leaks.nr == 1);
		leak = list_first_entry(&leaks.list, struct kmemleak_leak, list);
		CHECK_EQ(leak->dump_len, min_t(size_t, size[i], KMEMLEAK_DUMP_LEN));
		CHECK_EQ(leak->dump[leak->dump_len - 1], 0xa5);
		CHECK_EQ(leak->crc, crc32_le(0, h->segments[2].mem, size[i]));
		CHECK_EQ(h->unreadable, 0);
		kmemleak_leaks_free(&h->t, &leaks);

		h->segments[2].unreadable = true;
		CHECK_EQ(host_episode(h, &opt, &leaks), 0);
		REQUIRE(leaks.nr == 1);
		leak = list_first_entry(&leaks.list, struct kmemleak_leak, list);
		CHECK_EQ(leak->dump_len, 0);
		kmemleak_leaks_free(&h->t, &leaks);
		host_free(h);
	}
}

/* The dump of a per-cpu block is CPU 0's copy. */
static void test_dump_percpu(void)
{
	struct kmemleak_options opt = options(0);
	struct host *h = small_new(0);
	struct kmemleak_leaks leaks;
	struct kmemleak_leak *leak;
	unsigned int cpu;

	for (cpu = 0; cpu < HOST_NR_CPUS; cpu++)
		memset(host_map(h, HOST_COPIES + cpu * HOST_COPY_STRIDE, PAGE_SIZE)->mem,
		       0x10 + cpu, PAGE_SIZE);
	CHECK_EQ(host_add(h, KMEMLEAK_PERCPU, HOST_PERCPU + 16, 24, 1), KMEMLEAK_OK);
	CHECK_EQ(host_episode(h, &opt, &leaks), 0);
	REQUIRE(leaks.nr == 1);
	leak = list_first_entry(&leaks.list, struct kmemleak_leak, list);
	CHECK_EQ(leak->dump_len, 24);
	CHECK_EQ(leak->dump[0], 0x10);
	CHECK_EQ(leak->dump[23], 0x10);
	CHECK_EQ(leak->flags & KMEMLEAK_SPACE_MASK, KMEMLEAK_PERCPU);
	kmemleak_leaks_free(&h->t, &leaks);
	host_free(h);
}

/* Reports come in the order of allocation, across a wrap of jiffies. */
static void test_order(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h;
	struct kmemleak_leaks leaks;
	struct kmemleak_leak *leak;
	unsigned int i, j, order[200];

	host_now = U32_MAX - 40;
	h = small_new(0);
	for (i = 0; i < 200; i++)
		order[i] = i;
	for (i = 199; i; i--) {
		j = host_below(i + 1);
		swap(order[i], order[j]);
	}
	for (i = 0; i < 200; i++) {
		host_block(h, at(order[i]), 64);
		/* Many within one jiffy. */
		host_now += host_one_in(3);
	}
	CHECK_EQ(host_episode(h, &opt, &leaks), 0);
	CHECK_EQ(leaks.nr, 200);
	i = 0;
	list_for_each_entry(leak, &leaks.list, list) {
		if (i < 200)
			CHECK_EQ(leak->ref.start, at(order[i]));
		i++;
	}
	CHECK_EQ(i, 200);
	kmemleak_leaks_free(&h->t, &leaks);
	host_free(h);
}

/* All rules on: what is reported is what is lost, no more and no less. */
static void test_random(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	unsigned int i, j, nr = 0;

	for (i = 0; i < host_rounds(12) && !host_failures; i++) {
		struct graph *g = graph_new(1200, 1 + host_below(3), GRAPH_ALL);
		struct kmemleak_leaks leaks;
		unsigned int lost = 0;

		CHECK_EQ(host_episode(g->h, &opt, &leaks), 0);
		graph_search(g);
		for (j = 0; j < g->nr; j++) {
			struct node *n = &g->node[j];

			lost += graph_lost(n);
			CHECK_EQ(host_reported(&leaks, n->start), graph_lost(n));
		}
		CHECK_EQ(leaks.nr, lost);
		CHECK_EQ(leaks.nr_new, lost);
		CHECK_EQ(host_counter(g->h, KMEMLEAK_CNT_SCANS), 1);
		nr += lost;
		kmemleak_leaks_free(&g->h->t, &leaks);
		graph_free(g);
	}
	CHECK(nr > 100);
}

/* --------------------------------------------------------------- failing -- */

/* Blocks that go between the marks are not reported. */
static int free_pause(struct host *h)
{
	unsigned int i;

	for (i = 0; i < 64 && h->t.epoch == *(u8 *)h->arg; i++)
		if (host_tracked(h, KMEMLEAK_VIRT, at(i)))
			kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(i));
	return 0;
}

static void test_freed_meanwhile(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	u8 epoch;

	for (epoch = 1; epoch <= 2; epoch++) {
		struct host *h = small_new(100);
		struct kmemleak_leaks leaks;

		h->arg = &epoch;
		h->on_pause = free_pause;
		CHECK_EQ(host_episode(h, &opt, &leaks), 0);
		CHECK_EQ(leaks.nr, 36);
		CHECK(!host_reported(&leaks, at(0)));
		CHECK(host_reported(&leaks, at(64)));
		kmemleak_leaks_free(&h->t, &leaks);
		host_free(h);
	}
}

/* A block freed and its address given out again between the marks. */
static int reuse_pause(struct host *h)
{
	unsigned int i;

	if (h->t.epoch == 2 && !h->arg) {
		h->arg = h;
		for (i = 0; i < 8; i++) {
			kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(i));
			host_block(h, at(i), 64);
		}
	}
	return 0;
}

static void test_reused_meanwhile(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(400);
	struct kmemleak_leaks leaks;

	h->on_pause = reuse_pause;
	CHECK_EQ(host_episode(h, &opt, &leaks), 0);
	CHECK(h->arg);
	CHECK_EQ(leaks.nr, 392);
	kmemleak_leaks_free(&h->t, &leaks);
	host_free(h);
}

static int stop_at;

static int stop_pause(struct host *h)
{
	return --stop_at < 0 ? -EINTR : 0;
}

/*
 * Stopped at any point: says so, or is complete. Never a part of the leaks for
 * all of them, and what was not published counts as new later.
 */
static void test_cut(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(200);
	long pages = h->live_pages;
	struct kmemleak_leaks leaks;
	unsigned int n, cut = 0;
	int ret;

	h->on_pause = stop_pause;
	for (n = 0; n < 3000; n++) {
		stop_at = n;
		ret = host_episode(h, &opt, &leaks);
		/* Once all is written down, it is only noted in the objects. */
		if (ret ? ret != -EINTR || stop_at >= 0 :
		    stop_at < -200 / KMEMLEAK_RECORDS_PER_PAUSE - 1)
			host_check_failed(__FILE__, __LINE__, "stopped at %u: %d", n, ret);
		if (!ret) {
			CHECK_EQ(leaks.nr, 200);
			CHECK_EQ(leaks.nr_new, 200);
		}
		kmemleak_leaks_free(&h->t, &leaks);
		CHECK_EQ(h->live_pages, pages);
		CHECK(!h->t.marking);
		cut++;
		if (!ret || host_failures)
			break;
	}
	CHECK(cut > 10);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SCANS_CUT), cut - 1);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_SCANS), 1);
	host_free(h);
}

/* Memory fails at any point: an error, or fewer reports and a count of them. */
static void test_no_memory(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct graph *g = graph_new(1500, 1, GRAPH_ALL);
	long pages = g->h->live_pages;
	struct kmemleak_leaks leaks;
	unsigned int n, j, lost = 0, errors = 0, fewer = 0;

	graph_search(g);
	for (j = 0; j < g->nr; j++)
		lost += graph_lost(&g->node[j]);
	for (n = 0; n < 60; n++) {
		long dropped = host_counter(g->h, KMEMLEAK_CNT_LEAK_DROPPED);
		struct kmemleak_leak *leak;
		int ret;

		g->h->fail_after = n;
		ret = host_episode(g->h, &opt, &leaks);
		CHECK(ret == 0 || ret == -ENOMEM);
		errors += !!ret;
		if (!ret) {
			dropped = host_counter(g->h, KMEMLEAK_CNT_LEAK_DROPPED) - dropped;
			fewer += leaks.nr < lost;
			CHECK_EQ(leaks.nr + dropped, lost);
			list_for_each_entry(leak, &leaks.list, list) {
				struct node *node = graph_find(g, leak->flags & KMEMLEAK_SPACE_MASK,
							       leak->ref.start);

				REQUIRE(node);
				CHECK(graph_lost(node));
			}
		}
		kmemleak_leaks_free(&g->h->t, &leaks);
		CHECK_EQ(g->h->live_pages, pages);
		CHECK(!g->h->t.marking);
	}
	CHECK(errors > 3);
	CHECK(fewer > 0);
	graph_free(g);
}

/* Blocks that were lost by the detector make no false report. */
static void test_failing_entries(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(0);
	struct kmemleak_leaks leaks;
	unsigned int i, lost = 0;

	/* A chain whose links are recorded or not; the root holds its head. */
	host_store(h, HOST_IMAGE, at(0));
	for (i = 0; i < 1000; i++) {
		/* What is free goes to somebody who never gives it back. */
		h->fail_after = 0;
		while (kmemleak_pool_get(&h->t))
			;
		h->fail_after = host_one_in(4) ? 0 : -1;
		lost += host_add(h, KMEMLEAK_VIRT, at(i), 64, 1) == KMEMLEAK_NO_MEMORY;
		host_store(h, at(i) + 16, i < 999 ? at(i + 1) : 0);
	}
	h->fail_after = -1;
	CHECK(lost > 100 && lost < 900);
	CHECK_EQ(h->t.opaque.nr, lost);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_NO_ENTRY), lost);
	CHECK_EQ(host_episode(h, &opt, &leaks), 0);
	CHECK_EQ(leaks.nr, 0);
	kmemleak_leaks_free(&h->t, &leaks);
	host_free(h);
}

const struct host_case verdict_cases[] = {
	{ "many", test_many },
	{ "age", test_age },
	{ "age_wrap", test_age_wrap },
	{ "age_born", test_age_born },
	{ "born", test_born },
	{ "born_lost", test_born_lost },
	{ "changed", test_changed },
	{ "changed_where", test_changed_where },
	{ "changed_overflow", test_changed_overflow },
	{ "transient", test_transient },
	{ "transient_confirm", test_transient_confirm },
	{ "confirm", test_confirm },
	{ "rescan", test_rescan },
	{ "rescan_unsure", test_rescan_unsure },
	{ "again", test_again },
	{ "standstill", test_standstill },
	{ "confirmed", test_confirmed },
	{ "confirmed_how", test_confirmed_how },
	{ "draft", test_draft },
	{ "moving_pointers", test_moving_pointers },
	{ "min_unref", test_min_unref },
	{ "min_unref_confirm", test_min_unref_confirm },
	{ "record", test_record },
	{ "settle", test_settle },
	{ "dump", test_dump },
	{ "dump_percpu", test_dump_percpu },
	{ "order", test_order },
	{ "random", test_random },
	{ "freed_meanwhile", test_freed_meanwhile },
	{ "reused_meanwhile", test_reused_meanwhile },
	{ "cut", test_cut },
	{ "no_memory", test_no_memory },
	{ "failing_entries", test_failing_entries },
	{ }
};
