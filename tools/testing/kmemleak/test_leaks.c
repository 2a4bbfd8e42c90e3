// SPDX-License-Identifier: GPL-2.0-only
/* Leak sets: records, their order, and their memory. */
#include "host.h"

static struct kmemleak_suspect *add(struct host *h, struct kmemleak_leaks *suspects)
{
	struct kmemleak_suspect *suspect = kmemleak_leaks_add(&h->t, suspects, sizeof(*suspect));

	REQUIRE(suspect);
	return suspect;
}

/* Ascending ages with many ties, put in at random or nearly in order. */
static void fill(struct host *h, struct kmemleak_leaks *suspects, unsigned int nr, bool mixed)
{
	struct kmemleak_suspect *suspect;
	unsigned int i;

	kmemleak_leaks_init(suspects);
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

static void test_sort(void)
{
	struct host *h = host_new(6);
	struct kmemleak_suspect *suspect, *prev = NULL;
	struct kmemleak_leaks suspects;
	long pages = h->live_pages;
	unsigned int i, round, nr = 20000;

	for (round = 0; round < 2; round++) {
		fill(h, &suspects, nr + round, !round);
		h->pauses = 0;
		CHECK_EQ(kmemleak_suspects_sort(&h->t, &suspects), 0);
		CHECK(h->pauses > nr / KMEMLEAK_RECORDS_PER_PAUSE / 2);
		prev = NULL;
		i = 0;
		list_for_each_entry(suspect, &suspects.list, list) {
			if (prev && suspect->born == prev->born && suspect->stamp == prev->stamp)
				/* Equal ones stay as they were. */
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
		kmemleak_leaks_free(&h->t, &suspects);
		CHECK(h->pauses > 2);
		CHECK_EQ(h->live_pages, pages);
		CHECK_EQ(suspects.nr, 0);
		CHECK(list_empty(&suspects.list));
	}
	/* Twice is harmless, and so is none. */
	kmemleak_leaks_free(&h->t, &suspects);
	CHECK_EQ(kmemleak_suspects_sort(&h->t, &suspects), 0);
	host_free(h);
}

/* Pages of entries in order, the youngest first, behind the oldest of all: few moves. */
static void test_sort_pages(void)
{
	struct host *h = host_new(6);
	struct kmemleak_leaks suspects;
	struct kmemleak_suspect *suspect;
	unsigned int i, nr = 16384, page = 64;
	u32 born = 0;

	kmemleak_leaks_init(&suspects);
	for (i = 0; i < nr; i++)
		add(h, &suspects)->born = i < nr / 4 ? i : nr + nr / 4 - page - i / page * page +
							   i % page;
	h->pauses = 0;
	CHECK_EQ(kmemleak_suspects_sort(&h->t, &suspects), 0);
	/* Each is looked at once, and the quarter in front is moved a few times. */
	CHECK(h->pauses < 2 * nr / KMEMLEAK_RECORDS_PER_PAUSE);
	list_for_each_entry(suspect, &suspects.list, list)
		CHECK_EQ(suspect->born, born++);
	CHECK_EQ(born, nr);
	kmemleak_leaks_free(&h->t, &suspects);
	host_free(h);
}

static int end_sort(struct host *h)
{
	return h->pauses > *(unsigned long *)h->arg ? -EINTR : 0;
}

/* A sort that is ended does so at once and loses nobody. */
static void test_sort_ended(void)
{
	unsigned long after;

	for (after = 0; after < 3000; after += 1 + after / 2) {
		struct host *h = host_new(6);
		struct kmemleak_suspect *suspect;
		struct kmemleak_leaks suspects;
		unsigned int i = 0;

		fill(h, &suspects, 20000, true);
		h->arg = &after;
		h->pauses = 0;
		h->on_pause = end_sort;
		CHECK_EQ(kmemleak_suspects_sort(&h->t, &suspects), -EINTR);
		CHECK_EQ(h->pauses, after + 1);
		list_for_each_entry(suspect, &suspects.list, list)
			i++;
		CHECK_EQ(i, 20000);
		kmemleak_leaks_free(&h->t, &suspects);
		h->on_pause = NULL;
		host_free(h);
	}
}

/* Jiffies wrap between the oldest and the youngest. */
static void test_wrap(void)
{
	static const u32 born[] = { 5, U32_MAX - 5, 0, U32_MAX, 3, U32_MAX - 1000 };
	static const u32 sorted[] = { U32_MAX - 1000, U32_MAX - 5, U32_MAX, 0, 3, 5 };
	struct host *h = host_new(6);
	struct kmemleak_suspect *suspect;
	struct kmemleak_leaks suspects;
	unsigned int i;

	host_now = 100;
	kmemleak_leaks_init(&suspects);
	for (i = 0; i < ARRAY_SIZE(born); i++)
		add(h, &suspects)->born = born[i];
	CHECK_EQ(kmemleak_suspects_sort(&h->t, &suspects), 0);
	i = 0;
	list_for_each_entry(suspect, &suspects.list, list)
		CHECK_EQ(suspect->born, sorted[i++]);
	/* Stamps wrap, too. */
	kmemleak_leaks_free(&h->t, &suspects);
	for (i = 0; i < ARRAY_SIZE(born); i++)
		add(h, &suspects)->stamp = born[i];
	CHECK_EQ(kmemleak_suspects_sort(&h->t, &suspects), 0);
	i = 0;
	list_for_each_entry(suspect, &suspects.list, list)
		CHECK_EQ(suspect->stamp, sorted[i++]);
	kmemleak_leaks_free(&h->t, &suspects);
	host_free(h);
}

/* Of 12 lists of 5 blocks, one of which is newer than its list's others. */
#define LISTS	12
#define LENGTH	5

static const struct kmemleak_leak *first_of(const struct kmemleak_leaks *leaks)
{
	return list_first_entry(&leaks->list, struct kmemleak_leak, list);
}

/* The set has room for @max: who is in it, and who is counted? */
static void check_limit(struct host *h, unsigned long max, unsigned long is_new)
{
	const struct kmemleak_options opt = {
		.rules = KMEMLEAK_ALL_RULES, .min_unref_scans = 1, .max_leaks = max,
	};
	unsigned long nr = min(max, (unsigned long)LISTS * LENGTH), roots = 0;
	const struct kmemleak_leak *leak;
	struct kmemleak_leaks leaks;
	u32 born = 0;

	CHECK_EQ(host_episode(h, &opt, &leaks), 0);
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
	/* The oldest of each kind: of the others, the first blocks. */
	if (nr < LISTS)
		CHECK_EQ(first_of(&leaks)->ref.start, HOST_DIRECT + (LENGTH - 1) * 64);
	else if (nr > LISTS)
		CHECK_EQ(first_of(&leaks)->ref.start, HOST_DIRECT);
	kmemleak_leaks_free(&h->t, &leaks);
}

/* Roots go first, and who is left out is new until there is room. */
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

/* However many there are: between two pauses, a few of them are dealt with. */
static void test_many(void)
{
	struct kmemleak_options opt = { .rules = KMEMLEAK_ALL_RULES, .min_unref_scans = 1 };
	struct host *h = host_new(6);
	unsigned int i, nr = 12000;
	struct kmemleak_leaks leaks;

	host_map(h, HOST_DIRECT, nr * 64UL);
	for (i = 0; i < nr; i++)
		host_block(h, HOST_DIRECT + i * 64UL, 64);
	CHECK_EQ(host_mark(h, &opt), 0);
	h->most_locks = 0;
	CHECK_EQ(host_episode(h, &opt, &leaks), 0);
	CHECK_EQ(leaks.nr, nr);
	kmemleak_leaks_settle(&h->t, &leaks);
	kmemleak_leaks_free(&h->t, &leaks);
	CHECK_EQ(host_episode(h, &opt, &leaks), 0);
	CHECK_EQ(leaks.nr, 0);
	CHECK(h->most_locks < nr / 2);
	kmemleak_leaks_free(&h->t, &leaks);
	host_free(h);
}

/*
 * How often a leak is read: for two checksums, its dump, and the leaks that it leads to;
 * once more to follow it, if there are leaks that lead to others.
 */
static void test_reads(void)
{
	static const struct kmemleak_options opt = {
		.rules = KMEMLEAK_ALL_RULES, .min_unref_scans = 1,
	};
	const unsigned long nr = 1000;
	struct host *h = host_new(6);
	unsigned long pauses[2];
	struct kmemleak_leaks leaks;
	unsigned int i;

	host_map(h, HOST_DIRECT, nr * 64);
	for (i = 0; i < nr; i++)
		host_block(h, HOST_DIRECT + i * 64, 64);
	CHECK_EQ(host_episode(h, &opt, &leaks), 0);
	kmemleak_leaks_free(&h->t, &leaks);
	for (i = 0; i < 2; i++) {
		if (i)
			host_store(h, HOST_DIRECT, HOST_DIRECT + 64);
		h->reads = 0;
		h->pauses = 0;
		CHECK_EQ(host_episode(h, &opt, &leaks), 0);
		CHECK_EQ(leaks.nr, nr);
		CHECK_EQ(h->reads, (4 + i) * nr);
		pauses[i] = h->pauses;
		kmemleak_leaks_free(&h->t, &leaks);
	}
	/* Following them, and making them white before and after, takes pauses as well. */
	CHECK(pauses[1] - pauses[0] > 5 * nr / KMEMLEAK_RECORDS_PER_PAUSE);
	host_free(h);
}

static void test_no_memory(void)
{
	struct host *h = host_new(6);
	struct kmemleak_leaks leaks;
	struct kmemleak_leak *leak;
	unsigned int i, nr = 0, refused = 0;

	kmemleak_leaks_init(&leaks);
	h->fail_after = 0;
	CHECK(!kmemleak_leaks_add(&h->t, &leaks, sizeof(*leak)));
	CHECK_EQ(leaks.nr, 0);
	h->fail_after = -1;
	h->fail_one_in = 2;
	for (i = 0; i < 1000; i++) {
		leak = kmemleak_leaks_add(&h->t, &leaks, sizeof(*leak));
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
	kmemleak_leaks_free(&h->t, &leaks);
	host_free(h);
}

const struct host_case leaks_cases[] = {
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
