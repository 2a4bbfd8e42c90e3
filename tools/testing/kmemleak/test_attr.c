// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes: random scan areas and aliases are compared with a plain list, and every entry
 * must return to the pool.
 */
#include "host.h"

#define MAX_ATTRS	600

static struct {
	enum kmemleak_attr_kind kind;
	unsigned long owner;
	unsigned long start;
	size_t size;
} list[MAX_ATTRS];
static unsigned int nr;

#define NR_OWNERS	12

static unsigned long owner_of(unsigned long i)
{
	return HOST_DIRECT + i * 0x1000;
}

static void add(struct host *h, enum kmemleak_attr_kind kind, unsigned long owner,
		unsigned long start, size_t size)
{
	struct kmemleak_object *spare, *back;
	unsigned int i;

	if (nr == MAX_ATTRS)
		return;
	spare = kmemleak_pool_get(&h->t);
	REQUIRE(spare);
	back = kmemleak_attr_add(&h->t, spare, kind, owner, start, size);
	if (back)
		kmemleak_pool_put(&h->t, back);
	for (i = 0; i < nr; i++) {
		if (list[i].owner == owner && list[i].kind == kind && list[i].start == start) {
			list[i].size = max(list[i].size, size);
			CHECK(back == spare);
			return;
		}
	}
	CHECK(!back);
	list[nr].kind = kind;
	list[nr].owner = owner;
	list[nr].start = start;
	list[nr++].size = size;
}

static void drop(struct host *h, unsigned long owner)
{
	unsigned int i;

	kmemleak_attr_drop(&h->t, owner);
	for (i = 0; i < nr; i++)
		if (list[i].owner == owner)
			list[i--] = list[--nr];
}

static bool model_has(unsigned long owner, unsigned long addr)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		if (list[i].kind == KMEMLEAK_ATTR_AREA && list[i].owner == owner &&
		    addr - list[i].start < list[i].size)
			return true;
	return false;
}

/* Walks over an object's areas as a marker does, and compares each byte with the list. */
static void check_areas(struct host *h, unsigned long owner)
{
	unsigned long from = owner, start, end, addr;

	while (kmemleak_attr_next_area(&h->t, owner, from, &start, &end)) {
		REQUIRE(start >= from && end > start);
		for (addr = from; addr < start; addr++)
			CHECK(!model_has(owner, addr));
		for (addr = start; addr < end; addr++)
			CHECK(model_has(owner, addr));
		from = end;
	}
	for (addr = from; addr < owner + 0x1000; addr++)
		CHECK(!model_has(owner, addr));
}

static void check_aliases(struct host *h, unsigned long owner)
{
	unsigned long target = 0, last;
	unsigned int i, seen = 0, expected = 0;

	for (i = 0; i < nr; i++)
		expected += list[i].kind == KMEMLEAK_ATTR_ALIAS && list[i].owner == owner;
	for (;;) {
		last = target;
		target = kmemleak_attr_next_alias(&h->t, owner, last);
		if (!target)
			break;
		REQUIRE(target > last);
		for (i = 0; i < nr; i++)
			if (list[i].kind == KMEMLEAK_ATTR_ALIAS && list[i].owner == owner &&
			    list[i].start == target)
				seen++;
	}
	CHECK_EQ(seen, expected);
}

static void check_all(struct host *h)
{
	unsigned int i;

	for (i = 0; i < NR_OWNERS; i++) {
		check_areas(h, owner_of(i));
		check_aliases(h, owner_of(i));
	}
	CHECK_EQ(kmemleak_pool_in_use(&h->t), nr);
}

/* Adds and drops attributes at random. They must equal the list at all times. */
static void test_random(void)
{
	struct host *h = host_new(6);
	unsigned long i, owner;

	for (i = 0; i < host_rounds(4000) && !host_failures; i++) {
		owner = owner_of(host_below(NR_OWNERS));
		switch (host_below(8)) {
		case 0 ... 4:
			add(h, KMEMLEAK_ATTR_AREA, owner, owner + host_below(0xe00),
			    1 + host_below(0x100));
			break;
		case 5 ... 6:
			add(h, KMEMLEAK_ATTR_ALIAS, owner,
			    HOST_VMALLOC + host_below(40) * PAGE_SIZE, 0);
			break;
		default:
			if (host_one_in(3))
				drop(h, owner);
		}
		if (i % 64 == 0)
			check_all(h);
	}
	check_all(h);
	for (i = 0; i < NR_OWNERS; i++)
		drop(h, owner_of(i));
	CHECK_EQ(nr, 0);
	check_all(h);
	host_free(h);
}

/* Looks up one area and one alias. */
static void test_areas(void)
{
	unsigned long owner = owner_of(0), start, end;
	struct host *h = host_new(6);

	CHECK(!kmemleak_attr_next_area(&h->t, owner, 0, &start, &end));
	add(h, KMEMLEAK_ATTR_AREA, owner, owner + 0x100, 0x80);
	add(h, KMEMLEAK_ATTR_ALIAS, owner, HOST_VMALLOC, 0);
	/*
	 * Look from the start of the object, from inside the area, from its last byte, and
	 * from its end.
	 */
	CHECK(kmemleak_attr_next_area(&h->t, owner, owner, &start, &end));
	CHECK_EQ(start, owner + 0x100);
	CHECK_EQ(end, owner + 0x180);
	CHECK(kmemleak_attr_next_area(&h->t, owner, owner + 0x110, &start, &end));
	CHECK_EQ(start, owner + 0x110);
	CHECK_EQ(end, owner + 0x180);
	CHECK(kmemleak_attr_next_area(&h->t, owner, owner + 0x17f, &start, &end));
	CHECK_EQ(end - start, 1);
	CHECK(!kmemleak_attr_next_area(&h->t, owner, owner + 0x180, &start, &end));
	/* The objects beside it have no areas. */
	CHECK(!kmemleak_attr_next_area(&h->t, owner_of(1), owner_of(1), &start, &end));
	CHECK(!kmemleak_attr_next_area(&h->t, owner - 0x1000, 0, &start, &end));
	CHECK_EQ(kmemleak_attr_next_alias(&h->t, owner, 0), HOST_VMALLOC);
	CHECK_EQ(kmemleak_attr_next_alias(&h->t, owner, HOST_VMALLOC), 0);
	CHECK_EQ(kmemleak_attr_next_alias(&h->t, owner_of(1), 0), 0);
	/* An area with the same start and a larger size only enlarges the first area. */
	add(h, KMEMLEAK_ATTR_AREA, owner, owner + 0x100, 0x90);
	CHECK(kmemleak_attr_next_area(&h->t, owner, owner, &start, &end));
	CHECK_EQ(end, owner + 0x190);
	CHECK_EQ(kmemleak_pool_in_use(&h->t), 2);
	host_free(h);
}

/* Dropping the attributes of an object that has none changes nothing. */
static void test_drop_none(void)
{
	struct host *h = host_new(6);

	kmemleak_attr_drop(&h->t, owner_of(0));
	add(h, KMEMLEAK_ATTR_AREA, owner_of(1), owner_of(1), 8);
	kmemleak_attr_drop(&h->t, owner_of(0));
	kmemleak_attr_drop(&h->t, owner_of(2));
	kmemleak_attr_drop(&h->t, 0);
	check_all(h);
	host_free(h);
}

const struct host_case attr_cases[] = {
	{ "random", test_random },
	{ "areas", test_areas },
	{ "drop_none", test_drop_none },
	{ }
};
