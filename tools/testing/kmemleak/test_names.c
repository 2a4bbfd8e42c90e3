// SPDX-License-Identifier: GPL-2.0-only
/* Task names: what goes in comes out, once each, until the table is full. */
#include "host.h"

#define COMM(text)	((char[KMEMLEAK_COMM_LEN]) { text })

static void check_name(struct host *h, u16 id, const char *expected)
{
	char comm[KMEMLEAK_COMM_LEN];

	memset(comm, 'x', sizeof(comm));
	kmemleak_names_get(&h->t, id, comm);
	CHECK(memchr(comm, 0, sizeof(comm)));
	CHECK(!strncmp(comm, expected, sizeof(comm)));
}

static void test_basic(void)
{
	struct host *h = host_new(6);
	u16 a = kmemleak_names_intern(&h->t, COMM("swapper/0"));
	u16 b = kmemleak_names_intern(&h->t, COMM("swapper/1"));
	u16 c = kmemleak_names_intern(&h->t, COMM("0123456789abcde"));
	u16 d = kmemleak_names_intern(&h->t, COMM("a"));

	CHECK(a && b && c && d);
	CHECK(a != b && b != c && c != d && a != c && a != d && b != d);
	CHECK_EQ(kmemleak_names_intern(&h->t, COMM("swapper/0")), a);
	CHECK_EQ(kmemleak_names_intern(&h->t, COMM("0123456789abcde")), c);
	CHECK_EQ(h->t.names->nr, 4);
	check_name(h, a, "swapper/0");
	check_name(h, b, "swapper/1");
	check_name(h, c, "0123456789abcde");
	check_name(h, d, "a");
	/* What follows the NUL is not part of a name. */
	CHECK_EQ(kmemleak_names_intern(&h->t, COMM("a\0junk")), d);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_NO_NAME), 0);
	host_free(h);
}

static void test_bad_input(void)
{
	char full[KMEMLEAK_COMM_LEN + 1] = "0123456789abcdefX";
	struct host *h = host_new(6);
	u16 id;

	CHECK_EQ(kmemleak_names_intern(&h->t, NULL), 0);
	CHECK_EQ(kmemleak_names_intern(&h->t, COMM("")), 0);
	check_name(h, 0, "unknown");
	check_name(h, U16_MAX, "unknown");
	check_name(h, KMEMLEAK_NR_NAMES, "unknown");
	CHECK_EQ(h->t.names->nr, 0);
	/* A name that fills its bytes has no NUL; the last byte goes. */
	id = kmemleak_names_intern(&h->t, full);
	CHECK(id);
	check_name(h, id, "0123456789abcde");
	host_free(h);
}

/* Before there is a table. */
static void test_early(void)
{
	struct host *h = host_new(0);

	CHECK_EQ(kmemleak_names_intern(&h->t, COMM("init")), 0);
	check_name(h, 0, "unknown");
	check_name(h, 5, "unknown");
	host_free(h);
}

static void test_full(void)
{
	static char name[2 * KMEMLEAK_NR_NAMES][KMEMLEAK_COMM_LEN];
	static u16 id[2 * KMEMLEAK_NR_NAMES];
	struct host *h = host_new(6);
	unsigned int i, lost = 0;

	for (i = 0; i < ARRAY_SIZE(name); i++) {
		snprintf(name[i], sizeof(name[i]), "%x-%x", i, (u32)host_rand() & 0xffff);
		id[i] = kmemleak_names_intern(&h->t, name[i]);
		lost += !id[i];
	}
	CHECK(lost >= ARRAY_SIZE(name) / 2 + 1);
	/* It fills up well before it refuses often. */
	CHECK(lost < ARRAY_SIZE(name) * 5 / 8);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_NO_NAME), lost);
	CHECK_EQ(h->t.names->nr, ARRAY_SIZE(name) - lost);
	for (i = 0; i < ARRAY_SIZE(name); i++) {
		check_name(h, id[i], id[i] ? name[i] : "unknown");
		if (id[i])
			CHECK_EQ(kmemleak_names_intern(&h->t, name[i]), id[i]);
	}
	host_free(h);
}

const struct host_case names_cases[] = {
	{ "basic", test_basic },
	{ "bad_input", test_bad_input },
	{ "early", test_early },
	{ "full", test_full },
	{ }
};
