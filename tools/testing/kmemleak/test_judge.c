// SPDX-License-Identifier: GPL-2.0-only
/*
 * The judge. For each rule but STACK, a scan without the rule reports a block in use (for
 * TRANSIENT and MIN_UNREF: a block that must wait), and a scan with the rule does not. The
 * rule must not hide a real leak either. Other cases check the contents of reports, and
 * scans that fail.
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
		.roots = KMEMLEAK_ALL_ROOTS,
		.min_unref_scans = 1,
		.confirm = KMEMLEAK_CONFIRM_RESCAN,
	};
}

/* Makes a scan. Return: bit i is set if block i is reported. */
static u32 reported(struct host *h, const struct kmemleak_options *opt)
{
	struct kmemleak_leak_set leaks;
	unsigned int i, nr = 0;
	u32 bits = 0;

	CHECK_EQ(host_scan_whole(h, opt, &leaks), 0);
	for (i = 0; i < 32; i++) {
		if (host_reported(&leaks, at(i))) {
			bits |= 1U << i;
			nr++;
		}
	}
	CHECK_EQ(leaks.nr, nr);
	CHECK(!h->t.marking);
	kmemleak_leak_set_free(&h->t, &leaks);
	return bits;
}

static u32 reported_with(struct host *h, unsigned long rules)
{
	struct kmemleak_options opt = options(rules);

	return reported(h, &opt);
}

/*
 * Few leaks, about as many as the last pass can collect for the judge, and more. Each must
 * be reported once.
 */
static void test_many(void)
{
	static const unsigned int many[] = { 300, 4000, 6000 };
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	unsigned int i, k;

	for (k = 0; k < ARRAY_SIZE(many); k++) {
		struct host *h = host_new(6);
		struct kmemleak_leak_set leaks;

		host_map(h, HOST_DIRECT, 0x80000);
		host_map(h, HOST_IMAGE, PAGE_SIZE);
		host_add_root(h, HOST_IMAGE, HOST_IMAGE + PAGE_SIZE);
		for (i = 0; i < many[k]; i++)
			host_block(h, at(i), 64);
		host_store(h, HOST_IMAGE, at(7));
		CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
		CHECK_EQ(leaks.nr, many[k] - 1);
		for (i = 0; i < many[k] && !host_failures; i++)
			CHECK_EQ(host_reported(&leaks, at(i)), i != 7);
		kmemleak_leak_set_free(&h->t, &leaks);
		host_free(h);
	}
}

/* ------------------------------------------------------------------- age -- */

/* AGE: a block younger than min_age must not be reported, nor a block that it points to. */
static void test_age(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_AGE));
	struct host *h = small_new(3);

	/* Block 0 is young and points to block 1, which is old. Block 2 is lost. */
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

/* Jiffies wrap. A block that is older than half of their range is still old enough. */
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
	/* No block can be as old as this min_age, so nothing is reported. */
	opt.min_age = ULONG_MAX;
	CHECK_EQ(reported(h, &opt), 0);
	host_free(h);
}

/* Allocates block 8 while a mark runs. */
static void young_in_roots(struct host *h, struct kmemleak_marker *m)
{
	host_now += 5;
	if (!host_tracked(h, KMEMLEAK_VIRT, at(8)))
		host_block(h, at(8), 64);
}

/* A block that was allocated during the mark is young, although the mark began before. */
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

/* Called when the roots were read: allocates block 8 and stores a pointer to it in a root. */
static void born_in_roots(struct host *h, struct kmemleak_marker *m)
{
	if (host_tracked(h, KMEMLEAK_VIRT, at(8)))
		return;
	host_block(h, at(8), 64);
	host_store(h, HOST_IMAGE, at(8));
	/* Move the only pointer to block 1 into block 8. */
	host_store(h, at(8), at(1));
	host_store(h, at(0), 0);
}

/* BORN: a block allocated during the mark is gray, and so is a block that it points to. */
static void test_born(void)
{
	unsigned int on;

	for (on = 0; on < 2; on++) {
		struct host *h = small_new(3);

		/* Block 0 is a root in the index: a pass scans it after the other roots. */
		kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_ANNOTATE_NOT_LEAK);
		host_store(h, at(0), at(1));
		h->in_roots = born_in_roots;
		CHECK_EQ(reported_with(h, on ? BIT(KMEMLEAK_RULE_BORN) : 0),
			 on ? 1 << 2 : 1 << 1 | 1 << 2 | 1 << 8);
		/*
		 * No pointer moves during the next scan. It finds the same leak with and
		 * without the rule.
		 */
		CHECK_EQ(reported_with(h, on ? BIT(KMEMLEAK_RULE_BORN) : 0), 1 << 2);
		host_free(h);
	}
}

/* Allocates block 8 while a mark runs, and loses it. */
static void born_lost(struct host *h, struct kmemleak_marker *m)
{
	if (!host_tracked(h, KMEMLEAK_VIRT, at(8)))
		host_block(h, at(8), 64);
}

/* A leak made during a scan is reported by the next scan. */
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

/* CHANGED: a suspect whose contents change is alive, and so is a block that it points to. */
static void test_changed(void)
{
	struct host *h = small_new(4);

	/* Block 0 points to block 1, and is written to. Block 2 points to block 3, and is not. */
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

/*
 * The word that changes. A change counts anywhere in the block: in its first and last
 * bytes, in another page, and in any CPU's copy.
 */
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
	struct kmemleak_leak_set leaks;
	unsigned int i, cpu;

	for (i = 0; i < ARRAY_SIZE(offset); i++) {
		struct host *h = small_new(0);

		host_block(h, at(0) + 16, 0x2000);
		change_at = at(0) + 16 + offset[i] - (offset[i] == 0x2000 ? WORD : 0);
		change_at = ALIGN_DOWN(change_at, WORD);
		h->on_pause = write_there;
		CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
		CHECK_EQ(leaks.nr, 0);
		kmemleak_leak_set_free(&h->t, &leaks);
		host_free(h);
	}
	for (cpu = 0; cpu < HOST_NR_CPUS; cpu++) {
		struct host *h = small_new(0);

		for (i = 0; i < HOST_NR_CPUS; i++)
			host_map(h, HOST_COPIES + i * HOST_COPY_STRIDE, PAGE_SIZE);
		CHECK_EQ(host_add(h, KMEMLEAK_PERCPU, HOST_PERCPU + 64, 64, 1), KMEMLEAK_OK);
		change_at = HOST_COPIES + cpu * HOST_COPY_STRIDE + 64 + 56;
		h->on_pause = write_there;
		CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
		CHECK_EQ(leaks.nr, 0);
		kmemleak_leak_set_free(&h->t, &leaks);
		h->on_pause = NULL;
		CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
		CHECK_EQ(leaks.nr, 1);
		kmemleak_leak_set_free(&h->t, &leaks);
		host_free(h);
	}
}

/*
 * The changed block points to more blocks than a work list has room for, and the list
 * cannot grow. Passes must find all of them.
 */
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
	struct kmemleak_leak_set leaks;
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
	/* The judge pauses once for 64 suspects, and once for each batch of 64 objects. */
	fail_from = h->pauses + 2 * ((1 + 2 * NR_CHILDREN) / KMEMLEAK_RECORDS_PER_PAUSE);
	h->pauses = 0;
	h->on_pause = write_and_fail;
	CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
	CHECK(host_counter(h, KMEMLEAK_CNT_MARK_OVERFLOW) > 0);
	CHECK_EQ(leaks.nr, 0);
	kmemleak_leak_set_free(&h->t, &leaks);
	h->fail_after = -1;
	host_free(h);
}

/* ------------------------------------------------------------- transient -- */

/* TRANSIENT: an annotated block is a root in one scan, and can be reported by the next scan. */
static void test_transient(void)
{
	struct host *h = small_new(3);

	/* Block 0 is annotated, and points to block 1. */
	host_store(h, at(0), at(1));
	CHECK_EQ(kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0) + 5,
					 KMEMLEAK_ANNOTATE_TRANSIENT), KMEMLEAK_OK);
	CHECK_EQ(reported_with(h, BIT(KMEMLEAK_RULE_TRANSIENT)), 4);
	CHECK_EQ(reported_with(h, BIT(KMEMLEAK_RULE_TRANSIENT)), 7);
	CHECK_EQ(reported_with(h, BIT(KMEMLEAK_RULE_TRANSIENT)), 7);
	/* One scan uses the annotation up, also if the scan makes several marks. */
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_ANNOTATE_TRANSIENT);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 4);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 7);
	/* Without the rule the annotation means nothing. */
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_ANNOTATE_TRANSIENT);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES & ~BIT(KMEMLEAK_RULE_TRANSIENT)), 7);
	host_free(h);
}

/* From the second mark on, the annotated block 0 points to block 1. */
static void move_into_0(struct host *h, struct kmemleak_marker *m)
{
	if (h->t.epoch >= 2)
		host_store(h, at(0), at(1));
}

/* The block is a root in all marks of the scan, and in no mark of the next scan. */
static void test_transient_confirm(void)
{
	struct host *h = small_new(3);

	h->in_roots = move_into_0;
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_ANNOTATE_TRANSIENT);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 4);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 7);
	/*
	 * A new annotation is good for one more scan, also right after a scan that used the
	 * last one.
	 */
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_ANNOTATE_TRANSIENT);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 4);
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_ANNOTATE_TRANSIENT);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 4);
	CHECK_EQ(reported_with(h, KMEMLEAK_ALL_RULES), 7);
	host_free(h);
}

/* --------------------------------------------------------------- confirm -- */

/*
 * During the first mark, the only pointer to block 1 moves: from block 0, a root that was
 * not scanned yet, to memory that was.
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

/* CONFIRM: the first mark misses a pointer that moves. Another mark must find it. */
static void test_confirm(void)
{
	unsigned int on;

	for (on = 0; on < 2; on++) {
		struct host *h = small_new(4);

		kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_ANNOTATE_NOT_LEAK);
		host_store(h, at(0), at(1));
		host_store(h, at(1), at(2));
		moved = false;
		h->in_roots = move_pointer;
		/* Block 3 is lost. */
		CHECK_EQ(reported_with(h, on ? BIT(KMEMLEAK_RULE_CONFIRM) : 0), on ? 8 : 0xe);
		host_free(h);
	}
}

/*
 * Root FLIP_ROOT + p points to block 1 + p, and passes reach this root early. When a mark
 * has scanned the image, the pointer moves into the image. When the pass is behind the
 * root, the pointer moves back. So marks miss it, up to mark number until[p].
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

/* By the sixth pause the pass is behind these roots, but not behind all objects. */
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
		kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(i), KMEMLEAK_ANNOTATE_NOT_LEAK);
	/* Block 1 points to block 4, and block 5 is lost. The other blocks stay reachable. */
	host_store(h, at(1), at(4));
	host_store(h, HOST_IMAGE + 88, at(0));
	host_store(h, HOST_IMAGE + 64, at(6));
	host_store(h, HOST_IMAGE + 72, at(7));
	flip(h, false);
	h->in_roots = flip_away;
	h->on_pause = flip_back;
	return h;
}

/*
 * As long as marks clear suspects, there may be more to clear. Marks must be repeated until
 * several in a row clear none.
 */
static void test_rescan(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_CONFIRM));
	struct host *h = flipping_new(1, 2, 3);

	CHECK_EQ(reported(h, &opt), 1U << 5);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), 0);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS_CUT), 0);
	host_free(h);
	h = flipping_new(1, 2, 3);
	opt.confirm = KMEMLEAK_CONFIRM_OFF;
	CHECK_EQ(reported(h, &opt), 1U << 5 | 0x1e);
	host_free(h);
}

/* Frees a block and allocates another one at its address. The new block was never confirmed. */
static void renew(struct host *h, unsigned int i)
{
	CHECK_EQ(kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(i)), KMEMLEAK_OK);
	host_block(h, at(i), 64);
}

/*
 * Marks clear suspects up to the last mark. The suspects that are left wait for the next
 * scan. Leaks that were confirmed before do not wait.
 */
static void test_rescan_unsure(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_CONFIRM));
	struct host *h = flipping_new(3, 5, 7);

	CHECK_EQ(reported(h, &opt), 0);
	/* By now no mark misses a pointer any more. */
	CHECK_EQ(reported(h, &opt), 1U << 5);
	host_free(h);

	h = flipping_new(0, 0, 0);
	CHECK_EQ(reported(h, &opt), 1U << 5);
	/* Now block 0 is lost, too. */
	host_store(h, HOST_IMAGE + 88, 0);
	until[0] = h->t.epoch + 3;
	until[1] = h->t.epoch + 5;
	until[2] = h->t.epoch + 7;
	CHECK_EQ(reported(h, &opt), 1U << 5);
	CHECK_EQ(reported(h, &opt), 1U << 5 | 1);
	host_free(h);
}

/*
 * Called when the mark has scanned block 0: block 0 gets a pointer to block 1. The next
 * pause removes the pointer.
 */
static void put_in_front(struct host *h, struct kmemleak_marker *m)
{
	host_store(h, at(0), at(1));
}

static int take_from_front(struct host *h)
{
	host_store(h, at(0), 0);
	return 0;
}

/*
 * Each new mark misses the pointer. Only a mark that is continued scans block 0 again and
 * finds it.
 */
static void test_continued_mark(void)
{
	/* With CHANGED, there are pauses for checksums between the marks. */
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

/* Pointers move in each mark. Only a mark in a stop finds all blocks in use. */
static void test_stop(void)
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
		CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), workers + 1);
	}
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS_CUT), 0);
	/*
	 * There is no time for a stop, or too little. More marks confirm instead, and miss
	 * pointers.
	 */
	opt.workers = 0;
	h->can_stop = false;
	CHECK_EQ(reported(h, &opt), 1U << 5 | 0x1e);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS_CUT), 1);
	h->can_stop = true;
	h->stop_pauses = 3;
	renew(h, 5);
	CHECK_EQ(reported(h, &opt), 1U << 5 | 0x1e);
	CHECK_EQ(h->stop_pauses, 0);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS_CUT), 2);
	/* Without a suspect there is no stop. */
	host_store(h, HOST_IMAGE + 80, at(5));
	h->in_roots = NULL;
	h->on_pause = NULL;
	flip(h, false);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), HOST_NR_CPUS + 1);
	host_free(h);
}

/* A confirmed leak causes no further stop, as long as each scan finds it white. */
static void test_confirmed(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(4);

	opt.confirm = KMEMLEAK_CONFIRM_STOP;
	h->can_stop = true;
	/* Block 0 points to block 1. */
	host_store(h, at(0), at(1));
	host_store(h, HOST_IMAGE, at(3));
	CHECK_EQ(reported(h, &opt), 7);
	/*
	 * The stop was told how much work the mark before took. The mark in the stop took
	 * as much.
	 */
	CHECK(h->pieces);
	CHECK_EQ(h->pieces, h->stop_pieces);
	CHECK_EQ(reported(h, &opt), 7);
	CHECK_EQ(reported(h, &opt), 7);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), 1);
	/* Another block is lost. A known leak points to it. */
	host_store(h, HOST_IMAGE, 0);
	host_store(h, at(1), at(3));
	CHECK_EQ(reported(h, &opt), 0xf);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), 2);
	/* Block 0 is reached again, with all blocks below it. Then they are lost again. */
	host_store(h, HOST_IMAGE, at(0));
	CHECK_EQ(reported(h, &opt), 4);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), 2);
	host_store(h, HOST_IMAGE, 0);
	CHECK_EQ(reported(h, &opt), 0xf);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), 3);
	/* A new block at the address of a known leak must be confirmed. */
	renew(h, 2);
	CHECK_EQ(reported(h, &opt), 0xf);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), 4);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS_CUT), 0);
	host_free(h);
}

/* Repeated marks confirm a suspect, too. A report without confirmation does not. */
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
	/* There is no stop for a suspect that cannot be reported yet. */
	opt.min_unref_scans = 3;
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), 0);
	CHECK_EQ(reported(h, &opt), 1);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), 1);
	CHECK_EQ(reported(h, &opt), 1);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), 1);
	opt.min_unref_scans = 1;
	opt.confirm = KMEMLEAK_CONFIRM_RESCAN;
	renew(h, 0);
	CHECK_EQ(reported(h, &opt), 1);
	opt.confirm = KMEMLEAK_CONFIRM_STOP;
	CHECK_EQ(reported(h, &opt), 1);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_STOPS), 1);
	host_free(h);
}

/* Bit i: mark i left the stacks of running tasks to a stop. Marks in a stop do not count. */
static unsigned int deferred, nr_marks;

static void note_defer(struct host *h, struct kmemleak_marker *m)
{
	deferred |= kmemleak_mark_defers_running(m) << nr_marks++;
}

/* Makes a scan with a suspect that was not confirmed before. Return: the bits of its marks. */
static unsigned int deferred_of(struct host *h, const struct kmemleak_options *opt)
{
	deferred = 0;
	nr_marks = 0;
	renew(h, 0);
	CHECK_EQ(reported(h, opt), 0xf);
	return deferred;
}

/* The first mark may leave the stacks of running tasks to a stop only if a stop will follow. */
static void test_defer_running(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(4);

	h->in_roots = note_defer;
	opt.confirm = KMEMLEAK_CONFIRM_RESCAN;
	h->can_stop = true;
	CHECK_EQ(deferred_of(h, &opt), 0);
	opt.confirm = KMEMLEAK_CONFIRM_STOP;
	CHECK_EQ(deferred_of(h, &opt), 1);
	opt.rules = KMEMLEAK_ALL_RULES & ~BIT(KMEMLEAK_RULE_CONFIRM);
	CHECK_EQ(deferred_of(h, &opt), 0);
	opt.rules = KMEMLEAK_ALL_RULES;
	/*
	 * The stop fails. The next first mark does not rely on a stop, but a stop is tried
	 * again.
	 */
	h->can_stop = false;
	CHECK_EQ(deferred_of(h, &opt), 1);
	CHECK_EQ(deferred_of(h, &opt), 0);
	h->can_stop = true;
	CHECK_EQ(deferred_of(h, &opt), 0);
	CHECK_EQ(deferred_of(h, &opt), 1);
	host_free(h);
}

/* Pointers move during the first mark. With all rules, no block in use may be reported. */
static struct graph *moving;

static int move_pause(struct host *h)
{
	unsigned int i;

	/* Only in the first mark: if they moved in each mark, no mark would find them. */
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
		/*
		 * Without CONFIRM a false report comes by chance. One in twelve rounds is
		 * enough.
		 */
		for (i = 0; i < (on ? host_rounds(12) : 12) && (on || !bad[0]); i++) {
			struct graph *g = graph_new(1500, 2, GRAPH_WIDE | GRAPH_PERCPU);
			struct kmemleak_leak_set leaks;

			moving = g;
			g->h->on_pause = move_pause;
			CHECK_EQ(host_scan_whole(g->h, &opt, &leaks), 0);
			graph_search(g);
			for (j = 0; j < g->nr; j++)
				if (host_reported(&leaks, g->node[j].start) &&
				    !graph_lost(&g->node[j]))
					bad[on]++;
			kmemleak_leak_set_free(&g->h->t, &leaks);
			graph_free(g);
		}
	}
	CHECK_EQ(bad[1], 0);
	/* Without CONFIRM there must be a false report. Else the pointers did not move. */
	CHECK(bad[0] > 0);
}

/* ------------------------------------------------------------- min_unref -- */

/* MIN_UNREF: a block is reported after enough scans in a row that found it white. */
static void test_min_unref(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_MIN_UNREF));
	struct host *h = small_new(2);

	opt.min_unref_scans = 3;
	host_store(h, HOST_IMAGE, at(0));
	/* The scan that finds the block first does not count. */
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 0);
	CHECK_EQ(reported(h, &opt), 2);
	CHECK_EQ(reported(h, &opt), 2);
	/* A scan that reaches the block begins the count again. */
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
	/* With 1 the first scan reports the block, with 2 the third scan. */
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
	/* A number larger than any count stands for the largest count. */
	opt.min_unref_scans = 1000;
	{
		unsigned int i;

		for (i = 0; i < 300 && !reported(h, &opt); i++)
			;
		CHECK(i > 200 && i < 300);
	}
	/* With 0, or without the rule, the first scan reports the block. */
	opt.min_unref_scans = 0;
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(0));
	host_block(h, at(0), 64);
	CHECK_EQ(reported(h, &opt), 3);
	opt.min_unref_scans = 5;
	opt.rules = 0;
	CHECK_EQ(reported(h, &opt), 3);
	host_free(h);
}

/*
 * The first mark leaves a block white, and a later mark of the scan reaches it: the count
 * must begin again.
 */
static void test_min_unref_confirm(void)
{
	struct kmemleak_options opt = options(BIT(KMEMLEAK_RULE_MIN_UNREF) |
					      BIT(KMEMLEAK_RULE_CONFIRM));
	struct host *h = small_new(2);

	opt.min_unref_scans = 2;
	moved = true;
	h->in_roots = move_pointer;
	kmemleak_block_annotate(&h->t, KMEMLEAK_VIRT, at(0), KMEMLEAK_ANNOTATE_NOT_LEAK);
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

/* All fields of a leak record must describe the block. */
static void test_record(void)
{
	const struct kmemleak_origin origin = {
		.trace = 77,
		.born = host_read_now(), .clock = host_read_clock(),
		.pid = 4711, .context = KMEMLEAK_HARDIRQ, .unrequested = 7,
		.comm = "irq/9-acpi\0\0\0\0\0",
	};
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(0);
	struct kmemleak_leak_set leaks;
	struct kmemleak_leak *leak;
	u32 born = host_now, crc;

	CHECK_EQ(kmemleak_block_add(&h->t, KMEMLEAK_VIRT, at(0), 100, 1, &origin), KMEMLEAK_OK);
	memcpy(h->segments[0].mem, "0123456789abcdefghijklmnopqrstuvwxyz", 36);
	crc = crc32_le(0, h->segments[0].mem, 100);
	host_now += 500;
	CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
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
	CHECK(kmemleak_leak_set_is_alive(&h->t, leak));
	{
		struct kmemleak_leak_set again;

		CHECK_EQ(host_scan_whole(h, &opt, &again), 0);
		CHECK_EQ(again.nr, 1);
		CHECK_EQ(again.nr_new, 0);
		kmemleak_leak_set_free(&h->t, &again);
	}
	/* The record outlives the block, and tells that the block is freed. */
	CHECK_EQ(kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(0)), KMEMLEAK_OK);
	CHECK(!kmemleak_leak_set_is_alive(&h->t, leak));
	CHECK(!strcmp(leak->comm, "irq/9-acpi"));
	/* A younger block at the same address is another block. */
	host_block(h, at(0), 100);
	CHECK(!kmemleak_leak_set_is_alive(&h->t, leak));
	kmemleak_leak_set_free(&h->t, &leaks);
	host_free(h);
}

/*
 * Acknowledged leaks must never be reported again. A new block at the address of such a
 * leak must.
 */
static void test_acknowledge(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(5);
	struct kmemleak_leak_set leaks;

	/* Block 0 points to block 1. */
	host_store(h, at(0), at(1));
	host_store(h, HOST_IMAGE, at(4));
	CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
	CHECK_EQ(leaks.nr, 4);
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(2));
	kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(3));
	host_block(h, at(3), 64);
	kmemleak_leak_set_acknowledge(&h->t, &leaks);
	kmemleak_leak_set_free(&h->t, &leaks);
	CHECK_EQ(reported(h, &opt), 1 << 3);
	/*
	 * Block 5 is not reported: an acknowledged leak points to it. Block 4 was no leak,
	 * and becomes one.
	 */
	host_block(h, at(5), 64);
	host_store(h, at(1) + 8, at(5));
	host_store(h, HOST_IMAGE, 0);
	CHECK_EQ(reported(h, &opt), 1 << 3 | 1 << 4);
	host_free(h);
}

/* Leaks of many sizes around that of the dump. Then the same leaks, but unreadable. */
static void test_dump(void)
{
	static const size_t size[] = { 1, 31, 32, 33, 4096, 0x5000 };
	struct kmemleak_options opt = options(0);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(size); i++) {
		struct host *h = small_new(0);
		struct kmemleak_leak_set leaks;
		struct kmemleak_leak *leak;

		/* The memory ends where the block ends, so that ASan finds reads behind it. */
		host_map(h, HOST_VMALLOC, size[i]);
		memset(h->segments[2].mem, 0xa5, size[i]);
		host_block(h, HOST_VMALLOC, size[i]);
		CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
		REQUIRE(leaks.nr == 1);
		leak = list_first_entry(&leaks.list, struct kmemleak_leak, list);
		CHECK_EQ(leak->dump_len, min_t(size_t, size[i], KMEMLEAK_DUMP_LEN));
		CHECK_EQ(leak->dump[leak->dump_len - 1], 0xa5);
		CHECK_EQ(leak->crc, crc32_le(0, h->segments[2].mem, size[i]));
		CHECK_EQ(h->unreadable, 0);
		kmemleak_leak_set_free(&h->t, &leaks);

		h->segments[2].unreadable = true;
		CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
		REQUIRE(leaks.nr == 1);
		leak = list_first_entry(&leaks.list, struct kmemleak_leak, list);
		CHECK_EQ(leak->dump_len, 0);
		kmemleak_leak_set_free(&h->t, &leaks);
		host_free(h);
	}
}

/* The dump of a per-cpu block comes from CPU 0's copy. */
static void test_dump_percpu(void)
{
	struct kmemleak_options opt = options(0);
	struct host *h = small_new(0);
	struct kmemleak_leak_set leaks;
	struct kmemleak_leak *leak;
	unsigned int cpu;

	for (cpu = 0; cpu < HOST_NR_CPUS; cpu++)
		memset(host_map(h, HOST_COPIES + cpu * HOST_COPY_STRIDE, PAGE_SIZE)->mem,
		       0x10 + cpu, PAGE_SIZE);
	CHECK_EQ(host_add(h, KMEMLEAK_PERCPU, HOST_PERCPU + 16, 24, 1), KMEMLEAK_OK);
	CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
	REQUIRE(leaks.nr == 1);
	leak = list_first_entry(&leaks.list, struct kmemleak_leak, list);
	CHECK_EQ(leak->dump_len, 24);
	CHECK_EQ(leak->dump[0], 0x10);
	CHECK_EQ(leak->dump[23], 0x10);
	CHECK_EQ(leak->flags & KMEMLEAK_SPACE_MASK, KMEMLEAK_PERCPU);
	kmemleak_leak_set_free(&h->t, &leaks);
	host_free(h);
}

/* Leaks must come in the order of allocation, also if jiffies wrap between them. */
static void test_order(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h;
	struct kmemleak_leak_set leaks;
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
		/* Many blocks are allocated in the same jiffy. */
		host_now += host_one_in(3);
	}
	CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
	CHECK_EQ(leaks.nr, 200);
	i = 0;
	list_for_each_entry(leak, &leaks.list, list) {
		if (i < 200)
			CHECK_EQ(leak->ref.start, at(order[i]));
		i++;
	}
	CHECK_EQ(i, 200);
	kmemleak_leak_set_free(&h->t, &leaks);
	host_free(h);
}

/* Random graphs with all rules: the scan must report exactly the lost blocks. */
static void test_random(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	unsigned int i, j, nr = 0;

	for (i = 0; i < host_rounds(12) && !host_failures; i++) {
		struct graph *g = graph_new(1200, 1 + host_below(3), GRAPH_ALL);
		struct kmemleak_leak_set leaks;
		unsigned int lost = 0;

		CHECK_EQ(host_scan_whole(g->h, &opt, &leaks), 0);
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
		kmemleak_leak_set_free(&g->h->t, &leaks);
		graph_free(g);
	}
	CHECK(nr > 100);
}

/* ------------------------------------ changes and failures during a scan -- */

/* In the pauses of mark number @arg, frees blocks 0 to 63. */
static int free_pause(struct host *h)
{
	unsigned int i;

	for (i = 0; i < 64 && h->t.epoch == *(u8 *)h->arg; i++)
		if (host_tracked(h, KMEMLEAK_VIRT, at(i)))
			kmemleak_block_remove(&h->t, KMEMLEAK_VIRT, at(i));
	return 0;
}

/* Blocks that are freed during the first or the second mark must not be reported. */
static void test_freed_meanwhile(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	u8 epoch;

	for (epoch = 1; epoch <= 2; epoch++) {
		struct host *h = small_new(100);
		struct kmemleak_leak_set leaks;

		h->arg = &epoch;
		h->on_pause = free_pause;
		CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
		CHECK_EQ(leaks.nr, 36);
		CHECK(!host_reported(&leaks, at(0)));
		CHECK(host_reported(&leaks, at(64)));
		kmemleak_leak_set_free(&h->t, &leaks);
		host_free(h);
	}
}

/* In the second mark, frees blocks 0 to 7 and allocates others at their addresses. */
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

/* The new blocks must not be reported in place of the suspects. */
static void test_reused_meanwhile(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(400);
	struct kmemleak_leak_set leaks;

	h->on_pause = reuse_pause;
	CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
	CHECK(h->arg);
	CHECK_EQ(leaks.nr, 392);
	kmemleak_leak_set_free(&h->t, &leaks);
	host_free(h);
}

static int stop_at;

static int stop_pause(struct host *h)
{
	return --stop_at < 0 ? -EINTR : 0;
}

/*
 * Ends the scan at each of its pauses. Either the scan fails or the set is complete. It
 * must never report only a part of the leaks. Leaks that were not published count as new
 * later.
 */
static void test_cut(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(200);
	long pages = h->live_pages;
	struct kmemleak_leak_set leaks;
	unsigned int n, cut = 0;
	int ret;

	h->on_pause = stop_pause;
	for (n = 0; n < 3000; n++) {
		stop_at = n;
		ret = host_scan_whole(h, &opt, &leaks);
		/*
		 * When all records are made, the scan cannot fail: it only sets flags in
		 * the objects.
		 */
		if (ret ? ret != -EINTR || stop_at >= 0 :
		    stop_at < -200 / KMEMLEAK_RECORDS_PER_PAUSE - 1)
			host_check_failed(__FILE__, __LINE__, "stopped at %u: %d", n, ret);
		if (!ret) {
			CHECK_EQ(leaks.nr, 200);
			CHECK_EQ(leaks.nr_new, 200);
		}
		kmemleak_leak_set_free(&h->t, &leaks);
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

/*
 * Memory fails at each point of the scan. Either the scan fails, or it reports fewer leaks
 * and counts the others.
 */
static void test_no_memory(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct graph *g = graph_new(1500, 1, GRAPH_ALL);
	long pages = g->h->live_pages;
	struct kmemleak_leak_set leaks;
	unsigned int n, j, lost = 0, errors = 0, fewer = 0;

	graph_search(g);
	for (j = 0; j < g->nr; j++)
		lost += graph_lost(&g->node[j]);
	for (n = 0; n < 60; n++) {
		long dropped = host_counter(g->h, KMEMLEAK_CNT_LEAK_DROPPED);
		struct kmemleak_leak *leak;
		int ret;

		g->h->fail_after = n;
		ret = host_scan_whole(g->h, &opt, &leaks);
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
		kmemleak_leak_set_free(&g->h->t, &leaks);
		CHECK_EQ(g->h->live_pages, pages);
		CHECK(!g->h->t.marking);
	}
	CHECK(errors > 3);
	CHECK(fewer > 0);
	graph_free(g);
}

/* Blocks that get no entry are opaque, and must cause no false report. */
static void test_failing_entries(void)
{
	struct kmemleak_options opt = options(KMEMLEAK_ALL_RULES);
	struct host *h = small_new(0);
	struct kmemleak_leak_set leaks;
	unsigned int i, lost = 0;

	/* A chain of blocks, with and without an entry. A root points to the first one. */
	host_store(h, HOST_IMAGE, at(0));
	for (i = 0; i < 1000; i++) {
		/* Take all free entries, and never return them. */
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
	CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
	CHECK_EQ(leaks.nr, 0);
	kmemleak_leak_set_free(&h->t, &leaks);
	host_free(h);
}

const struct host_case judge_cases[] = {
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
	{ "continued_mark", test_continued_mark },
	{ "stop", test_stop },
	{ "confirmed", test_confirmed },
	{ "confirmed_how", test_confirmed_how },
	{ "defer_running", test_defer_running },
	{ "moving_pointers", test_moving_pointers },
	{ "min_unref", test_min_unref },
	{ "min_unref_confirm", test_min_unref_confirm },
	{ "record", test_record },
	{ "acknowledge", test_acknowledge },
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
