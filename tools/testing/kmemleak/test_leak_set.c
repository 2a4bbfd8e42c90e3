// SPDX-License-Identifier: GPL-2.0-only
/* Leak sets: records, their order, and their memory. */
#include "host.h"

static struct kmemleak_suspect *add(struct host *h, struct kmemleak_leak_set *suspects)
{
	struct kmemleak_suspect *suspect = kmemleak_leak_set_add(&h->t, suspects, sizeof(*suspect));

	REQUIRE(suspect);
	return suspect;
}

/*
 * Adds suspects, many of them of the same age. With @mixed they come in random order, else
 * nearly sorted. Their place is stored in @below.
 */
static void fill(struct host *h, struct kmemleak_leak_set *suspects, unsigned int nr, bool mixed)
{
	struct kmemleak_suspect *suspect;
	unsigned int i;

	kmemleak_leak_set_init(suspects);
	for (i = 0; i < nr; i++) {
		suspect = add(h, suspects);
		CHECK(!suspect->crc && !suspect->root && !suspect->below);
		suspect->born = host_now - (mixed || host_one_in(100) ? host_below(1000) :
					    (nr - i) * 1000 / nr);
		suspect->stamp = host_below(50);
		suspect->below = i;
	}
	CHECK_EQ(suspects->nr, nr);
}

/* A sort must put the oldest suspect first, and pause on the way. */
static void test_sort(void)
{
	struct host *h = host_new(6);
	struct kmemleak_suspect *suspect, *prev = NULL;
	struct kmemleak_leak_set suspects;
	long pages = h->live_pages;
	unsigned int i, round, nr = 20000;

	for (round = 0; round < 2; round++) {
		fill(h, &suspects, nr + round, !round);
		h->pauses = 0;
		CHECK_EQ(kmemleak_leak_set_sort(&h->t, &suspects), 0);
		CHECK(h->pauses > nr / KMEMLEAK_RECORDS_PER_PAUSE / 2);
		prev = NULL;
		i = 0;
		list_for_each_entry(suspect, &suspects.list, list) {
			if (prev && suspect->born == prev->born && suspect->stamp == prev->stamp)
				/* Suspects of the same age and stamp must stay in their order. */
				CHECK(suspect->below > prev->below);
			else if (prev && suspect->born == prev->born)
				CHECK((s32)(suspect->stamp - prev->stamp) >= 0);
			else if (prev)
				CHECK((s32)(suspect->born - prev->born) >= 0);
			prev = suspect;
			i++;
		}
		CHECK_EQ(i, nr + round);
		h->pauses = 0;
		kmemleak_leak_set_free(&h->t, &suspects);
		CHECK(h->pauses > 2);
		CHECK_EQ(h->live_pages, pages);
		CHECK_EQ(suspects.nr, 0);
		CHECK(list_empty(&suspects.list));
	}
	/* A set can be freed twice, and an empty set can be sorted. */
	kmemleak_leak_set_free(&h->t, &suspects);
	CHECK_EQ(kmemleak_leak_set_sort(&h->t, &suspects), 0);
	host_free(h);
}

/*
 * Suspects as the pool yields them: the oldest ones in front, then pages of 64 sorted
 * suspects, the youngest page first. The sort must take few steps.
 */
static void test_sort_pages(void)
{
	struct host *h = host_new(6);
	struct kmemleak_leak_set suspects;
	struct kmemleak_suspect *suspect;
	unsigned int i, nr = 16384, page = 64;
	u32 born = 0;

	kmemleak_leak_set_init(&suspects);
	for (i = 0; i < nr; i++)
		add(h, &suspects)->born = i < nr / 4 ? i : nr + nr / 4 - page - i / page * page +
							   i % page;
	h->pauses = 0;
	CHECK_EQ(kmemleak_leak_set_sort(&h->t, &suspects), 0);
	/* Each suspect is compared once, and the quarter in front is moved a few times. */
	CHECK(h->pauses < 2 * nr / KMEMLEAK_RECORDS_PER_PAUSE);
	list_for_each_entry(suspect, &suspects.list, list)
		CHECK_EQ(suspect->born, born++);
	CHECK_EQ(born, nr);
	kmemleak_leak_set_free(&h->t, &suspects);
	host_free(h);
}

static int end_sort(struct host *h)
{
	return h->pauses > *(unsigned long *)h->arg ? -EINTR : 0;
}

/* A sort that must end does so at that pause, and loses no suspect. */
static void test_sort_ended(void)
{
	unsigned long after;

	for (after = 0; after < 3000; after += 1 + after / 2) {
		struct host *h = host_new(6);
		struct kmemleak_suspect *suspect;
		struct kmemleak_leak_set suspects;
		unsigned int i = 0;

		fill(h, &suspects, 20000, true);
		h->arg = &after;
		h->pauses = 0;
		h->on_pause = end_sort;
		CHECK_EQ(kmemleak_leak_set_sort(&h->t, &suspects), -EINTR);
		CHECK_EQ(h->pauses, after + 1);
		list_for_each_entry(suspect, &suspects.list, list)
			i++;
		CHECK_EQ(i, 20000);
		kmemleak_leak_set_free(&h->t, &suspects);
		h->on_pause = NULL;
		host_free(h);
	}
}

/* Jiffies wrap between the oldest and the youngest suspect. */
static void test_wrap(void)
{
	static const u32 born[] = { 5, U32_MAX - 5, 0, U32_MAX, 3, U32_MAX - 1000 };
	static const u32 sorted[] = { U32_MAX - 1000, U32_MAX - 5, U32_MAX, 0, 3, 5 };
	struct host *h = host_new(6);
	struct kmemleak_suspect *suspect;
	struct kmemleak_leak_set suspects;
	unsigned int i;

	host_now = 100;
	kmemleak_leak_set_init(&suspects);
	for (i = 0; i < ARRAY_SIZE(born); i++)
		add(h, &suspects)->born = born[i];
	CHECK_EQ(kmemleak_leak_set_sort(&h->t, &suspects), 0);
	i = 0;
	list_for_each_entry(suspect, &suspects.list, list)
		CHECK_EQ(suspect->born, sorted[i++]);
	/* Stamps wrap, too. */
	kmemleak_leak_set_free(&h->t, &suspects);
	for (i = 0; i < ARRAY_SIZE(born); i++)
		add(h, &suspects)->stamp = born[i];
	CHECK_EQ(kmemleak_leak_set_sort(&h->t, &suspects), 0);
	i = 0;
	list_for_each_entry(suspect, &suspects.list, list)
		CHECK_EQ(suspect->stamp, sorted[i++]);
	kmemleak_leak_set_free(&h->t, &suspects);
	host_free(h);
}

/* 12 lists of 5 lost blocks. The root of each list is its youngest block. */
#define LISTS	12
#define LENGTH	5

static const struct kmemleak_leak *first_of(const struct kmemleak_leak_set *leaks)
{
	return list_first_entry(&leaks->list, struct kmemleak_leak, list);
}

/*
 * Makes a scan that has room for @max leaks, and checks which leaks are in the set. @is_new
 * leaks must count as new.
 */
static void check_limit(struct host *h, unsigned long max, unsigned long is_new)
{
	struct kmemleak_options opt = host_all_options;
	unsigned long nr = min(max, (unsigned long)LISTS * LENGTH), roots = 0;
	const struct kmemleak_leak *leak;
	struct kmemleak_leak_set leaks;
	u32 born = 0;

	opt.max_leaks = max;
	CHECK_EQ(host_scan_whole(h, &opt, &leaks), 0);
	CHECK_EQ(leaks.nr, nr);
	CHECK_EQ(leaks.nr_left_out, LISTS * LENGTH - nr);
	CHECK_EQ(leaks.nr_new, is_new);
	list_for_each_entry(leak, &leaks.list, list) {
		CHECK(leak->born > born);
		born = leak->born;
		roots += leak->root;
		CHECK(!leak->root || leak->below == LENGTH - 1);
	}
	CHECK_EQ(roots, min(nr, (unsigned long)LISTS));
	/*
	 * The oldest leak of each kind must be in the set. Of the leaks that are not roots,
	 * that is the first block.
	 */
	if (nr < LISTS)
		CHECK_EQ(first_of(&leaks)->ref.start, HOST_DIRECT + (LENGTH - 1) * 64);
	else if (nr > LISTS)
		CHECK_EQ(first_of(&leaks)->ref.start, HOST_DIRECT);
	kmemleak_leak_set_free(&h->t, &leaks);
}

/*
 * The roots of lost structures must come first. A leak that was left out counts as new
 * until a set has room for it.
 */
static void test_limit(void)
{
	struct host *h = host_new(6);
	unsigned int i, n;

	host_map(h, HOST_DIRECT, LISTS * LENGTH * 64);
	for (i = 0; i < LISTS; i++)
		for (n = 0; n < LENGTH; n++) {
			unsigned long start = HOST_DIRECT + (i * LENGTH + n) * 64;

			host_now++;
			host_block(h, start, 64);
			if (n)
				host_store(h, start, start - 64);
		}
	check_limit(h, 3, LISTS * LENGTH);
	check_limit(h, LISTS, LISTS * LENGTH - 3);
	check_limit(h, LISTS + 7, LISTS * LENGTH - LISTS);
	check_limit(h, LISTS * LENGTH, LISTS * LENGTH - LISTS - 7);
	check_limit(h, 1000, 0);
	check_limit(h, 1, 0);
	host_free(h);
}

/* Many leaks: only a small part of them may be worked on between two pauses. */
static void test_many(void)
{
	struct host *h = host_new(6);
	unsigned int i, nr = 12000;
	struct kmemleak_leak_set leaks;

	host_map(h, HOST_DIRECT, nr * 64UL);
	for (i = 0; i < nr; i++)
		host_block(h, HOST_DIRECT + i * 64UL, 64);
	CHECK_EQ(host_mark(h, &host_all_options), 0);
	h->most_locks = 0;
	CHECK_EQ(host_scan_whole(h, &host_all_options, &leaks), 0);
	CHECK_EQ(leaks.nr, nr);
	kmemleak_leak_set_acknowledge(&h->t, &leaks);
	kmemleak_leak_set_free(&h->t, &leaks);
	CHECK_EQ(host_scan_whole(h, &host_all_options, &leaks), 0);
	CHECK_EQ(leaks.nr, 0);
	CHECK(h->most_locks < nr / 2);
	kmemleak_leak_set_free(&h->t, &leaks);
	host_free(h);
}

/*
 * How often a scan reads a leak: twice for checksums, once for the dump, and once to find
 * the leaks that it points to. If some leak points to another one, once more to follow it.
 */
static void test_reads(void)
{
	const unsigned long nr = 1000;
	struct host *h = host_new(6);
	unsigned long pauses[2];
	struct kmemleak_leak_set leaks;
	unsigned int i;

	host_map(h, HOST_DIRECT, nr * 64);
	for (i = 0; i < nr; i++)
		host_block(h, HOST_DIRECT + i * 64, 64);
	CHECK_EQ(host_scan_whole(h, &host_all_options, &leaks), 0);
	kmemleak_leak_set_free(&h->t, &leaks);
	for (i = 0; i < 2; i++) {
		if (i)
			host_store(h, HOST_DIRECT, HOST_DIRECT + 64);
		h->reads = 0;
		h->pauses = 0;
		CHECK_EQ(host_scan_whole(h, &host_all_options, &leaks), 0);
		CHECK_EQ(leaks.nr, nr);
		CHECK_EQ(h->reads, (4 + i) * nr);
		pauses[i] = h->pauses;
		kmemleak_leak_set_free(&h->t, &leaks);
	}
	/* To follow leaks, and to make them white before and after, takes pauses, too. */
	CHECK(pauses[1] - pauses[0] > 5 * nr / KMEMLEAK_RECORDS_PER_PAUSE);
	host_free(h);
}

/* Records for which there is no memory are counted. The others must stay in order. */
static void test_no_memory(void)
{
	struct host *h = host_new(6);
	struct kmemleak_leak_set leaks;
	struct kmemleak_leak *leak;
	unsigned int i, nr = 0, refused = 0;

	kmemleak_leak_set_init(&leaks);
	h->fail_after = 0;
	CHECK(!kmemleak_leak_set_add(&h->t, &leaks, sizeof(*leak)));
	CHECK_EQ(leaks.nr, 0);
	h->fail_after = -1;
	h->fail_one_in = 2;
	for (i = 0; i < 1000; i++) {
		leak = kmemleak_leak_set_add(&h->t, &leaks, sizeof(*leak));
		if (leak)
			leak->size = ++nr;
		else
			refused++;
	}
	CHECK(refused > 0 && nr > 0);
	CHECK_EQ(leaks.nr, nr);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_LEAK_DROPPED), refused + 1);
	i = 0;
	list_for_each_entry(leak, &leaks.list, list)
		CHECK_EQ(leak->size, ++i);
	kmemleak_leak_set_free(&h->t, &leaks);
	host_free(h);
}

const struct host_case leak_set_cases[] = {
	{ "sort", test_sort },
	{ "sort_pages", test_sort_pages },
	{ "sort_ended", test_sort_ended },
	{ "wrap", test_wrap },
	{ "limit", test_limit },
	{ "many", test_many },
	{ "reads", test_reads },
	{ "no_memory", test_no_memory },
	{ }
};
