// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task names: each name is stored once per table, until the table is full.
 * kmemleak_comm_expire() removes the names that no object has.
 */
#include "host.h"

#define COMM(text)	((char[KMEMLEAK_COMM_LEN]) { text })

static u16 intern(struct host *h, const char *comm)
{
	return kmemleak_comm_intern(&h->t, comm, 0);
}

static void check_name_of(struct host *h, u16 id, u32 pid, const char *expected)
{
	char comm[KMEMLEAK_COMM_LEN];

	memset(comm, 'x', sizeof(comm));
	kmemleak_comm_get(&h->t, id, pid, comm);
	CHECK(memchr(comm, 0, sizeof(comm)));
	CHECK(!strncmp(comm, expected, sizeof(comm)));
}

static void check_name(struct host *h, u16 id, const char *expected)
{
	check_name_of(h, id, 0, expected);
}

static void test_basic(void)
{
	struct host *h = host_new(6);
	u16 a = intern(h, COMM("swapper/0"));
	u16 b = intern(h, COMM("swapper/1"));
	u16 c = intern(h, COMM("0123456789abcde"));
	u16 d = intern(h, COMM("a"));

	CHECK(a && b && c && d);
	CHECK(a != b && b != c && c != d && a != c && a != d && b != d);
	CHECK_EQ(intern(h, COMM("swapper/0")), a);
	CHECK_EQ(intern(h, COMM("0123456789abcde")), c);
	CHECK_EQ(kmemleak_comm_nr(&h->t), 4);
	check_name(h, a, "swapper/0");
	check_name(h, b, "swapper/1");
	check_name(h, c, "0123456789abcde");
	check_name(h, d, "a");
	/* The bytes after the NUL are not part of the name. */
	CHECK_EQ(intern(h, COMM("a\0junk")), d);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_NO_NAME), 0);
	host_free(h);
}

static void test_bad_input(void)
{
	char full[KMEMLEAK_COMM_LEN + 1] = "0123456789abcdefX";
	struct host *h = host_new(6);
	u16 id;

	CHECK_EQ(intern(h, NULL), 0);
	CHECK_EQ(intern(h, COMM("")), 0);
	check_name(h, 0, "unknown");
	check_name(h, U16_MAX, "unknown");
	check_name(h, KMEMLEAK_COMM_TABLE_SIZE, "unknown");
	CHECK_EQ(kmemleak_comm_nr(&h->t), 0);
	/* This name fills all bytes and has no NUL, so its last byte is cut off. */
	id = intern(h, full);
	CHECK(id);
	check_name(h, id, "0123456789abcde");
	host_free(h);
}

/* Before the tables are allocated, no name is known. */
static void test_early(void)
{
	struct host *h = host_new(0);

	CHECK_EQ(intern(h, COMM("init")), 0);
	check_name(h, 0, "unknown");
	check_name(h, 5, "unknown");
	host_free(h);
}

#define NR_FEW	100

static void number(char *comm, const char *what, unsigned int i)
{
	memset(comm, 0, KMEMLEAK_COMM_LEN);
	snprintf(comm, KMEMLEAK_COMM_LEN, "%s-%u", what, i);
}

/*
 * One task uses more names than a table has room for: @what and a number. Return: how many
 * were stored.
 */
static unsigned int fill(struct host *h, const char *what, u32 pid)
{
	char comm[KMEMLEAK_COMM_LEN];
	unsigned int i, stored = 0;

	for (i = 0; i < 2 * KMEMLEAK_COMM_TABLE_SIZE; i++) {
		number(comm, what, i);
		stored += !!kmemleak_comm_intern(&h->t, comm, pid);
	}
	return stored;
}

static void add_named(struct host *h, unsigned long start, const char *comm, u32 pid)
{
	const struct kmemleak_origin origin = { .pid = pid, .comm = comm };

	REQUIRE(kmemleak_block_add(&h->t, KMEMLEAK_VIRT, start, 64, 1, &origin) == KMEMLEAK_OK);
}

static void check_named(struct host *h, unsigned long start, const char *comm)
{
	struct kmemleak_object copy;

	REQUIRE(kmemleak_block_get(&h->t, KMEMLEAK_VIRT, start, &copy));
	check_name_of(h, copy.comm, copy.pid, comm);
}

/*
 * Adds twice as many names as a table has slots. Each name is either refused and counted,
 * or can be found again.
 */
static void test_full(void)
{
	static char name[2 * KMEMLEAK_COMM_TABLE_SIZE][KMEMLEAK_COMM_LEN];
	static u16 id[2 * KMEMLEAK_COMM_TABLE_SIZE];
	struct host *h = host_new(6);
	unsigned int i, lost = 0;

	for (i = 0; i < ARRAY_SIZE(name); i++) {
		snprintf(name[i], sizeof(name[i]), "%x-%x", i, (u32)host_rand() & 0xffff);
		id[i] = intern(h, name[i]);
		lost += !id[i];
	}
	CHECK(lost >= ARRAY_SIZE(name) / 2 + 1);
	/* More than three quarters of the table were filled. */
	CHECK(lost < ARRAY_SIZE(name) * 5 / 8);
	CHECK_EQ(host_counter(h, KMEMLEAK_CNT_NO_NAME), lost);
	CHECK_EQ(kmemleak_comm_nr(&h->t), ARRAY_SIZE(name) - lost);
	for (i = 0; i < ARRAY_SIZE(name); i++) {
		check_name(h, id[i], id[i] ? name[i] : "unknown");
		if (id[i])
			CHECK_EQ(intern(h, name[i]), id[i]);
	}
	host_free(h);
}

/* If the table is full, a call with a new name takes no lock. Known names are still found. */
static void test_full_takes_no_lock(void)
{
	struct host *h = host_new(6);
	unsigned int i, refused = 0;
	char comm[KMEMLEAK_COMM_LEN];
	unsigned long before;
	u16 id = intern(h, COMM("first"));

	fill(h, "n", 0);
	for (i = 0; i < 1000; i++) {
		u16 got;

		number(comm, "more", i);
		before = host_locks;
		got = intern(h, comm);
		refused += !got;
		/* A few names still find a vacant slot. Only these calls take the lock. */
		CHECK_EQ(host_locks - before, got ? 1 : 0);
	}
	CHECK(refused > 900);
	before = host_locks;
	CHECK_EQ(intern(h, COMM("first")), id);
	CHECK_EQ(host_locks, before);
	host_free(h);
}

/* Names that objects have must stay. All others are removed, so new names find room again. */
static void test_age(void)
{
	struct host *h = host_new(6);
	char comm[KMEMLEAK_COMM_LEN];
	unsigned int i, round, stored;

	for (i = 0; i < NR_FEW; i++) {
		number(comm, "held", i);
		add_named(h, HOST_DIRECT + i * 128, comm, i);
	}
	/* The tables have room, so the call does nothing. */
	CHECK_EQ(kmemleak_comm_expire(&h->t), 0);
	CHECK_EQ(h->waits, 0);
	/* Enough rounds that ages wrap. */
	for (round = 0; round < 260 && !host_failures; round++) {
		stored = fill(h, round % 2 ? "odd" : "even", 0);
		CHECK(stored > KMEMLEAK_COMM_TABLE_SIZE * 3 / 4);
		CHECK_EQ(kmemleak_comm_expire(&h->t), 0);
		CHECK_EQ(kmemleak_comm_nr(&h->t), NR_FEW);
		CHECK_EQ(h->waits, 2 * (round + 1));
	}
	for (i = 0; i < NR_FEW; i++) {
		number(comm, "held", i);
		check_named(h, HOST_DIRECT + i * 128, comm);
		CHECK(kmemleak_comm_intern(&h->t, comm, i));
	}
	CHECK_EQ(kmemleak_comm_nr(&h->t), NR_FEW);
	host_free(h);
}

static char late[KMEMLEAK_COMM_LEN];

/*
 * Simulates a hook that began before the new age. It adds an object while
 * kmemleak_comm_expire() waits for it.
 */
static void intern_late(struct host *h)
{
	if (h->waits == 1) {
		u8 age = h->t.comm_age;

		h->t.comm_age--;
		add_named(h, HOST_DIRECT, late, 0);
		h->t.comm_age = age;
	}
}

/* The object was added by a hook that saw the previous age. Its name must stay. */
static void test_age_late(void)
{
	struct host *h = host_new(6);

	number(late, "late", 1);
	intern(h, late);
	fill(h, "n", 0);
	h->on_wait_for_hooks = intern_late;
	CHECK_EQ(kmemleak_comm_expire(&h->t), 0);
	CHECK_EQ(kmemleak_comm_nr(&h->t), 1);
	check_named(h, HOST_DIRECT, late);
	host_free(h);
}

/*
 * Simulates two hooks that use the same name. The first sees the new age, and its object is
 * not added yet. The second still sees the previous age.
 */
static void intern_both(struct host *h)
{
	if (h->waits == 1) {
		u8 age = h->t.comm_age;

		intern(h, late);
		h->t.comm_age--;
		intern(h, late);
		h->t.comm_age = age;
	}
}

/* The second hook must not overwrite the new age: the name must stay. */
static void test_age_both(void)
{
	struct host *h = host_new(6);
	u16 id;

	number(late, "late", 1);
	id = intern(h, late);
	fill(h, "n", 0);
	h->on_wait_for_hooks = intern_both;
	CHECK_EQ(kmemleak_comm_expire(&h->t), 0);
	check_name(h, id, late);
	CHECK_EQ(intern(h, late), id);
	host_free(h);
}

/* While kmemleak_comm_expire() walks over the objects, adds an object with an unused name. */
static int intern_new(struct host *h)
{
	if (!host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT))
		add_named(h, HOST_DIRECT, late, 0);
	return 0;
}

/* The walk may have passed the place of the new object. Its name must stay all the same. */
static void test_age_new(void)
{
	struct host *h = host_new(6);

	number(late, "late", 1);
	intern(h, late);
	fill(h, "n", 0);
	/* The walk visits this object. The new object will lie before it. */
	add_named(h, HOST_DIRECT + 128, COMM("other"), 1);
	h->on_pause = intern_new;
	CHECK_EQ(kmemleak_comm_expire(&h->t), 0);
	h->on_pause = NULL;
	if (host_tracked(h, KMEMLEAK_VIRT, HOST_DIRECT))
		check_named(h, HOST_DIRECT, late);
	host_free(h);
}

static int stop(struct host *h)
{
	return -EINTR;
}

/* If kmemleak_comm_expire() ends early, it must remove no name. */
static void test_age_cut(void)
{
	struct host *h = host_new(6);
	unsigned int nr, i;

	for (i = 0; i < 1000; i++)
		add_named(h, HOST_DIRECT + i * 64, COMM("task"), 0);
	fill(h, "n", 0);
	nr = kmemleak_comm_nr(&h->t);
	h->on_pause = stop;
	CHECK_EQ(kmemleak_comm_expire(&h->t), -EINTR);
	CHECK_EQ(kmemleak_comm_nr(&h->t), nr);
	h->on_pause = NULL;
	CHECK_EQ(kmemleak_comm_expire(&h->t), 0);
	CHECK_EQ(kmemleak_comm_nr(&h->t), 1);
	check_named(h, HOST_DIRECT, "task");
	host_free(h);
}

/*
 * All names of a large pool of threads have room. A task that fills the table of its pid
 * leaves the other tables alone.
 */
static void test_many_pids(void)
{
	const unsigned int nr = 3 * KMEMLEAK_COMM_TABLE_SIZE;
	struct host *h = host_new(14);
	char comm[KMEMLEAK_COMM_LEN];
	static u16 id[3 * KMEMLEAK_COMM_TABLE_SIZE];
	unsigned int i;

	CHECK_EQ(h->t.nr_comm_tables, KMEMLEAK_MAX_COMM_TABLES);
	fill(h, "n", 5);
	for (i = 0; i < nr; i++) {
		number(comm, "worker", i);
		id[i] = kmemleak_comm_intern(&h->t, comm, 16 * i + i % 5);
		CHECK(id[i]);
	}
	for (i = 0; i < nr; i++) {
		number(comm, "worker", i);
		check_name_of(h, id[i], 16 * i + i % 5, comm);
	}
	host_free(h);
}

/*
 * There is memory for three tables only: two are used, as the number is a power of two.
 * With no memory there is no table.
 */
static void test_few_tables(void)
{
	struct host *h = host_new(0);

	h->fail_after = 3;
	CHECK_EQ(kmemleak_comm_start(&h->t, 8), 0);
	CHECK_EQ(h->t.nr_comm_tables, 2);
	CHECK_EQ(h->live_pages, 2 * 16);
	kmemleak_comm_reset(&h->t);
	h->fail_after = 0;
	CHECK_EQ(kmemleak_comm_start(&h->t, 8), -ENOMEM);
	CHECK_EQ(intern(h, COMM("init")), 0);
	host_free(h);
}

const struct host_case comm_cases[] = {
	{ "basic", test_basic },
	{ "bad_input", test_bad_input },
	{ "early", test_early },
	{ "full", test_full },
	{ "full_takes_no_lock", test_full_takes_no_lock },
	{ "age", test_age },
	{ "age_late", test_age_late },
	{ "age_both", test_age_both },
	{ "age_new", test_age_new },
	{ "age_cut", test_age_cut },
	{ "many_pids", test_many_pids },
	{ "few_tables", test_few_tables },
	{ }
};
