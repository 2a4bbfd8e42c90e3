// SPDX-License-Identifier: GPL-2.0-only
/* Leak sets: records, their order, and their memory. */
#include "host.h"

static void test_big(void)
{
	struct host *h = host_new(6);
	struct kmemleak_leaks leaks;
	struct kmemleak_leak *leak, *prev = NULL;
	long pages = h->live_pages;
	unsigned int i, nr = 20000;

	kmemleak_leaks_init(&leaks);
	CHECK(list_empty(&leaks.list));
	for (i = 0; i < nr; i++) {
		leak = kmemleak_leaks_add(&h->t, &leaks);
		REQUIRE(leak);
		CHECK(!leak->size && !leak->dump_len && !leak->flags);
		/* Ascending ages with many ties, put in at random. */
		leak->born = host_now - host_below(1000);
		leak->stamp = host_below(50);
		leak->size = i;
	}
	CHECK_EQ(leaks.nr, nr);
	kmemleak_leaks_sort(&h->t, &leaks);
	i = 0;
	list_for_each_entry(leak, &leaks.list, list) {
		if (prev) {
			CHECK((s32)(leak->born - prev->born) >= 0);
			if (leak->born == prev->born)
				CHECK((s32)(leak->stamp - prev->stamp) >= 0);
			/* Equal ones stay as they were. */
			if (leak->born == prev->born && leak->stamp == prev->stamp)
				CHECK(leak->size > prev->size);
		}
		prev = leak;
		i++;
	}
	CHECK_EQ(i, nr);
	kmemleak_leaks_free(&h->t, &leaks);
	CHECK_EQ(h->live_pages, pages);
	CHECK_EQ(leaks.nr, 0);
	CHECK(list_empty(&leaks.list));
	/* Twice is harmless, and so is none. */
	kmemleak_leaks_free(&h->t, &leaks);
	kmemleak_leaks_sort(&h->t, &leaks);
	host_free(h);
}

/* Jiffies wrap between the oldest and the youngest. */
static void test_wrap(void)
{
	static const u32 born[] = { 5, U32_MAX - 5, 0, U32_MAX, 3, U32_MAX - 1000 };
	static const u32 sorted[] = { U32_MAX - 1000, U32_MAX - 5, U32_MAX, 0, 3, 5 };
	struct host *h = host_new(6);
	struct kmemleak_leaks leaks;
	struct kmemleak_leak *leak;
	unsigned int i;

	host_now = 100;
	kmemleak_leaks_init(&leaks);
	for (i = 0; i < ARRAY_SIZE(born); i++)
		kmemleak_leaks_add(&h->t, &leaks)->born = born[i];
	kmemleak_leaks_sort(&h->t, &leaks);
	i = 0;
	list_for_each_entry(leak, &leaks.list, list)
		CHECK_EQ(leak->born, sorted[i++]);
	/* Stamps wrap, too. */
	kmemleak_leaks_free(&h->t, &leaks);
	for (i = 0; i < ARRAY_SIZE(born); i++)
		kmemleak_leaks_add(&h->t, &leaks)->stamp = born[i];
	kmemleak_leaks_sort(&h->t, &leaks);
	i = 0;
	list_for_each_entry(leak, &leaks.list, list)
		CHECK_EQ(leak->stamp, sorted[i++]);
	kmemleak_leaks_free(&h->t, &leaks);
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
	CHECK(!kmemleak_leaks_add(&h->t, &leaks));
	CHECK_EQ(leaks.nr, 0);
	h->fail_after = -1;
	h->fail_one_in = 2;
	for (i = 0; i < 1000; i++) {
		leak = kmemleak_leaks_add(&h->t, &leaks);
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
	{ "big", test_big },
	{ "wrap", test_wrap },
	{ "no_memory", test_no_memory },
	{ }
};
