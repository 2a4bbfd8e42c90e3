// SPDX-License-Identifier: GPL-2.0-only
/*
 * The index: random operations that are compared with a plain array, and special cases that
 * random operations seldom reach.
 */
#include "host.h"
#include "index_lockless.h"

/* All that it takes to erase an object. The caller keeps the entry. */
static void erase(struct host *h, struct kmemleak_object *obj, struct kmemleak_index_lock *at)
{
	bool wide = obj->flags & KMEMLEAK_WIDE;

	kmemleak_index_erase_unlock(&h->t, obj, at);
	local_irq_restore(at->irq);
	if (wide)
		kmemleak_index_uncover(&h->t, obj->start, obj->size);
}

#define REGION		BIT(KMEMLEAK_REGION_SHIFT)

/* The expected contents of the index: one line per object, in no order. */
struct line {
	struct kmemleak_object *obj;
	enum kmemleak_space space;
	unsigned long start;
	size_t size;
	bool wide;
	bool visited;
};

#define MAX_LINES	4096

struct model {
	struct line line[MAX_LINES];
	unsigned int nr;
};

static struct model model;
/* The object that was erased last. */
static struct line gone;

static unsigned long last_byte(const struct line *l)
{
	return l->start + (l->size - 1);
}

static struct line *model_overlap(enum kmemleak_space space, unsigned long start, size_t size)
{
	unsigned int i;

	for (i = 0; i < model.nr; i++) {
		struct line *l = &model.line[i];

		if (l->space == space && start <= last_byte(l) && l->start <= start + (size - 1))
			return l;
	}
	return NULL;
}

static struct line *model_add(struct kmemleak_object *obj)
{
	struct line *l = &model.line[model.nr++];

	REQUIRE(model.nr <= MAX_LINES);
	*l = (struct line){
		.obj = obj,
		.space = kmemleak_object_space(obj),
		.start = obj->start,
		.size = obj->size,
		.wide = obj->flags & KMEMLEAK_WIDE,
	};
	return l;
}

static struct kmemleak_object *new_object(struct host *h, enum kmemleak_space space,
					  unsigned long start, size_t size)
{
	struct kmemleak_object *obj = kmemleak_pool_get(&h->t);

	REQUIRE(obj && !obj->flags);
	obj->flags = space;
	obj->size = size;
	obj->colour.min_count = 1;
	/* Pairs with kmemleak_index_relock(). */
	smp_store_release(&obj->start, start);
	return obj;
}

/* The addresses are so close together that blocks often overlap. */
static void random_range(enum kmemleak_space *space, unsigned long *start, size_t *size)
{
	static const unsigned long base[] = { HOST_DIRECT, HOST_VMALLOC, HOST_MODULES };

	*size = 1 + host_below(host_one_in(4) ? 4 * REGION : host_one_in(3) ? 4096 : 200);
	if (host_one_in(8)) {
		*space = host_one_in(2) ? KMEMLEAK_PHYS : KMEMLEAK_PERCPU;
		*start = 4096 + host_below(16 * REGION);
		return;
	}
	*space = KMEMLEAK_VIRT;
	*start = base[host_below(ARRAY_SIZE(base))] + host_below(32 * REGION);
	/* Many blocks begin or end at a region boundary. */
	if (host_one_in(4))
		*start &= -REGION;
	else if (host_one_in(4))
		*start = ALIGN(*start, REGION) - min_t(size_t, *size, REGION);
}

static void insert_random(struct host *h)
{
	struct kmemleak_ref clash = {};
	struct kmemleak_object *obj;
	enum kmemleak_space space;
	unsigned long start;
	struct line *l;
	size_t size;
	int ret;

	if (model.nr == MAX_LINES)
		return;
	if (gone.size && host_one_in(3)) {
		/*
		 * As an allocator does, use the place of the erased object, but not always
		 * with its size.
		 */
		space = gone.space;
		start = gone.start;
		size = gone.size + (host_one_in(3) ? host_below(100) : 0);
		if (host_one_in(3))
			size -= host_below(size);
	} else {
		random_range(&space, &start, &size);
	}
	obj = new_object(h, space, start, size);
	l = model_overlap(space, start, size);
	ret = kmemleak_index_insert(&h->t, obj, &clash);
	CHECK_EQ(ret, l ? -EEXIST : 0);
	if (!ret) {
		CHECK(obj->flags & KMEMLEAK_LIVE);
		CHECK_EQ(!!(obj->flags & KMEMLEAK_WIDE),
			 space == KMEMLEAK_VIRT && start / REGION != (start + size - 1) / REGION);
		model_add(obj);
		return;
	}
	CHECK(!(obj->flags & KMEMLEAK_LIVE));
	/* The clash can be any of the objects that overlap. */
	REQUIRE(clash.obj);
	CHECK_EQ(clash.obj->start, clash.start);
	CHECK(clash.start <= start + (size - 1) &&
	      start <= clash.start + (clash.obj->size - 1));
	kmemleak_pool_put(&h->t, obj);
}

/* Finds the object of a line, and returns with its lock held. */
static void find_line(struct host *h, const struct line *l, struct kmemleak_index_lock *at)
{
	unsigned long addr = l->start + host_below(l->size);
	struct kmemleak_object *obj = kmemleak_index_find(&h->t, l->space, addr, at);

	REQUIRE(obj == l->obj);
}

static void check_relock(struct host *h, struct kmemleak_ref ref,
			 const struct kmemleak_object *expected)
{
	struct kmemleak_index_lock at;
	struct kmemleak_object *obj = kmemleak_index_relock(&h->t, ref, &at);

	CHECK(obj == expected);
	if (obj)
		kmemleak_index_unlock(&at);
}

static void erase_random(struct host *h)
{
	struct kmemleak_index_lock at;
	struct kmemleak_ref ref;
	struct line *l;

	if (!model.nr)
		return;
	l = &model.line[host_below(model.nr)];
	ref = (struct kmemleak_ref){ l->obj, l->start };
	check_relock(h, ref, l->obj);
	check_relock(h, (struct kmemleak_ref){ l->obj, l->start + 1 }, NULL);
	find_line(h, l, &at);
	erase(h, l->obj, &at);
	CHECK(!(l->obj->flags & KMEMLEAK_LIVE));
	check_relock(h, ref, NULL);
	kmemleak_pool_put(&h->t, l->obj);
	check_relock(h, ref, NULL);
	gone = *l;
	*l = model.line[--model.nr];
}

static void trim_random(struct host *h)
{
	unsigned long from, to;
	struct kmemleak_object *tail = NULL;
	struct kmemleak_index_lock at;
	struct line *l;
	size_t size;

	if (!model.nr || model.nr == MAX_LINES)
		return;
	l = &model.line[host_below(model.nr)];
	if (l->size < 4)
		return;
	from = 1 + host_below(l->size - 2);
	to = from + 1 + host_below(l->size - from - 1);
	if (host_one_in(3))
		tail = new_object(h, l->space, l->start + to, l->size - to);
	find_line(h, l, &at);
	if (tail) {
		/* Cut out [from, to). */
		tail->flags = l->obj->flags & ~KMEMLEAK_LIVE;
		kmemleak_index_trim_unlock(&h->t, l->obj, l->start, from, tail, &at);
		l->size = from;
		CHECK(tail->flags & KMEMLEAK_LIVE);
		model_add(tail);
		return;
	}
	/* Keep only [from, to). In half of the cases it is at the start. */
	if (host_one_in(2)) {
		to -= from;
		from = 0;
	}
	size = to - from;
	kmemleak_index_trim_unlock(&h->t, l->obj, l->start + from, size, NULL, &at);
	if (from)
		check_relock(h, (struct kmemleak_ref){ l->obj, l->start }, NULL);
	l->start += from;
	l->size = size;
	check_relock(h, (struct kmemleak_ref){ l->obj, l->start }, l->obj);
}

static void check_start(struct host *h, enum kmemleak_space space, unsigned long start,
			const struct kmemleak_object *expected)
{
	struct kmemleak_index_lock at;
	struct kmemleak_object *obj = kmemleak_index_find_start(&h->t, space, start, &at);

	CHECK(obj == expected);
	if (obj)
		kmemleak_index_unlock(&at);
}

static void check_address(struct host *h, enum kmemleak_space space, unsigned long addr)
{
	struct line *l = model_overlap(space, addr, 1);
	struct kmemleak_index_lock at;
	struct kmemleak_object *obj;
	struct kmemleak_lookup_result seen;

	check_start(h, space, addr, l && l->start == addr ? l->obj : NULL);
	if (l)
		check_start(h, space, l->start, l->obj);
	obj = kmemleak_index_find(&h->t, space, addr, &at);
	CHECK(obj == (l ? l->obj : NULL));
	kmemleak_index_lookup(&h->t, space, &addr, &seen, 1);
	CHECK(seen.stable && seen.found == !!l);
	if (obj) {
		CHECK(seen.flags == obj->flags);
		/*
		 * A CPU that holds the lock may be changing the tree. So look-ups are not
		 * stable.
		 */
		raw_write_seqcount_begin(&at.shard->seq);
		kmemleak_index_lookup(&h->t, space, &addr, &seen, 1);
		CHECK(!seen.stable && !seen.found);
		CHECK(!kmemleak_index_check(&h->t, obj, addr, &seen));
		/*
		 * kmemleak_index_check() reads only the shard of the region. So it is
		 * stable if the object is in another tree.
		 */
		CHECK(!seen.stable || at.shard != shard_of_region(&h->t.index, region_of(addr)));
		raw_write_seqcount_end(&at.shard->seq);
		kmemleak_index_lookup(&h->t, space, &addr, &seen, 1);
		CHECK(seen.stable);
		CHECK(host_lock_is_held(&at.shard->lock));
		kmemleak_index_unlock(&at);
	}
	CHECK(!host_irqs_disabled());
	if (l)
		CHECK(kmemleak_index_may_hold(&h->t.index, space, addr));
}

/* Looks up several addresses together. The results must be those of single look-ups. */
static void check_many(struct host *h)
{
	struct kmemleak_lookup_result seen[KMEMLEAK_LOOKUPS];
	unsigned long addr[KMEMLEAK_LOOKUPS];
	unsigned int i, nr = 1 + host_below(KMEMLEAK_LOOKUPS);

	for (i = 0; i < nr; i++) {
		enum kmemleak_space space = KMEMLEAK_VIRT;
		size_t size;

		do
			random_range(&space, &addr[i], &size);
		while (space != KMEMLEAK_VIRT);
		if (model.nr && host_one_in(2)) {
			struct line *l = &model.line[host_below(model.nr)];

			if (l->space == KMEMLEAK_VIRT)
				addr[i] = host_one_in(2) ? last_byte(l) : l->start - 1;
		}
	}
	kmemleak_index_lookup(&h->t, KMEMLEAK_VIRT, addr, seen, nr);
	for (i = 0; i < nr; i++) {
		struct line *l = model_overlap(KMEMLEAK_VIRT, addr[i], 1);

		CHECK(seen[i].stable && seen[i].found == !!l);
		if (l)
			CHECK(seen[i].ref.obj == l->obj && seen[i].ref.start == l->start &&
			      seen[i].flags == l->obj->flags);
	}
}

static void look_up_random(struct host *h)
{
	enum kmemleak_space space;
	unsigned long addr;
	size_t size;

	check_many(h);
	random_range(&space, &addr, &size);
	check_address(h, space, addr);
	if (model.nr) {
		struct line *l = &model.line[host_below(model.nr)];

		check_address(h, l->space, l->start - 1);
		check_address(h, l->space, l->start);
		check_address(h, l->space, last_byte(l));
		check_address(h, l->space, last_byte(l) + 1);
	}
}

struct walk {
	unsigned long visits;
	unsigned long last[KMEMLEAK_NR_SPACES];
};

static void visit(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	struct walk *w = arg;
	unsigned int i;

	w->visits++;
	CHECK(host_irqs_disabled());
	CHECK(obj->flags & KMEMLEAK_LIVE);
	for (i = 0; i < model.nr; i++) {
		if (model.line[i].obj != obj)
			continue;
		CHECK(!model.line[i].visited);
		model.line[i].visited = true;
		CHECK_EQ(obj->start, model.line[i].start);
		CHECK_EQ(obj->size, model.line[i].size);
		return;
	}
	host_check_failed(__FILE__, __LINE__, "visited an object that is not there");
}

/*
 * A walk must visit each object once. With @mutate, objects come and go during the walk,
 * and the objects that stay must be visited.
 */
static void check_walk(struct host *h, bool mutate)
{
	struct kmemleak_cursor cursor = {};
	unsigned long steps = 0, before;
	struct walk w = {};
	unsigned int i, budget;
	bool more;

	for (i = 0; i < model.nr; i++)
		model.line[i].visited = false;
	do {
		budget = 1 + host_below(50);
		before = w.visits;
		more = kmemleak_index_walk(&h->t, &cursor, budget, visit, &w);
		CHECK(w.visits - before <= budget);
		/* Each call visits an object or finishes a tree, so there is a limit. */
		REQUIRE(++steps < 10 * (MAX_LINES + 2 * (1UL << h->t.index.bits)));
		if (mutate && host_one_in(4)) {
			/* The walk may visit a new object or not, so erase the object again. */
			unsigned int nr = model.nr;

			insert_random(h);
			if (model.nr > nr) {
				struct kmemleak_object *obj = model.line[nr].obj;
				struct kmemleak_index_lock at;

				find_line(h, &model.line[nr], &at);
				erase(h, obj, &at);
				kmemleak_pool_put(&h->t, obj);
				model.nr--;
			}
			erase_random(h);
		}
	} while (more);
	for (i = 0; i < model.nr; i++)
		CHECK(model.line[i].visited);
	if (!mutate)
		CHECK_EQ(w.visits, model.nr);
}

/*
 * The cover of each shard must be the number of times that wide objects touch its regions.
 * Objects with too many regions count in cover_all.
 */
static void check_cover(struct host *h)
{
	struct kmemleak_index *idx = &h->t.index;
	unsigned long region, nr = 1UL << idx->bits;
	unsigned int *cover = calloc(nr, sizeof(*cover));
	int all = 0;
	unsigned int i;

	for (i = 0; i < model.nr; i++) {
		struct line *l = &model.line[i];

		if (!l->wide)
			continue;
		if (last_byte(l) / REGION - l->start / REGION >= nr) {
			all++;
			continue;
		}
		for (region = l->start / REGION; region <= last_byte(l) / REGION; region++)
			cover[hash_long(region, idx->bits)]++;
	}
	for (i = 0; i < nr; i++)
		CHECK_EQ(idx->shards[i].cover, cover[i]);
	CHECK_EQ(atomic_read(&idx->cover_all), all);
	free(cover);
}

static void random_ops(struct host *h, unsigned long rounds)
{
	while (rounds--) {
		switch (host_below(8)) {
		case 0 ... 2:
			insert_random(h);
			break;
		case 3 ... 4:
			erase_random(h);
			break;
		case 5:
			trim_random(h);
			break;
		default:
			look_up_random(h);
		}
		if (host_failures)
			return;
	}
}

/* Random operations. After each round a walk must visit all objects. */
static void test_random(void)
{
	struct host *h = host_new(5 + host_below(6));
	unsigned int i;

	for (i = 0; i < 30 && !host_failures; i++) {
		random_ops(h, host_rounds(1500));
		check_walk(h, false);
		check_cover(h);
	}
	for (i = 0; i < 10 && !host_failures; i++)
		check_walk(h, true);
	while (model.nr && !host_failures)
		erase_random(h);
	check_cover(h);
	CHECK_EQ(kmemleak_pool_in_use(&h->t), 0);
	host_free(h);
}

/* Objects are inserted in the boot shards, then the index grows. All must still be found. */
static void test_grow(void)
{
	struct host *h = host_new(0);
	unsigned int i;

	random_ops(h, host_rounds(3000));
	check_cover(h);
	CHECK_EQ(kmemleak_index_grow(&h->t, 9), 0);
	CHECK_EQ(h->t.index.bits, 9);
	check_cover(h);
	check_walk(h, false);
	for (i = 0; i < model.nr; i++)
		check_address(h, model.line[i].space, model.line[i].start);
	random_ops(h, host_rounds(3000));
	check_cover(h);
	/* The index grows only once. A second call does nothing. */
	CHECK_EQ(kmemleak_index_grow(&h->t, 10), 0);
	check_walk(h, false);
	host_free(h);
}

/* There is no memory for more shards: the index goes on with the boot shards. */
static void test_grow_fails(void)
{
	struct host *h = host_new(0);

	random_ops(h, host_rounds(1000));
	h->fail_after = 0;
	CHECK_EQ(kmemleak_index_grow(&h->t, 9), -ENOMEM);
	h->fail_after = -1;
	CHECK_EQ(h->t.index.bits, KMEMLEAK_BOOT_SHARD_BITS);
	random_ops(h, host_rounds(1000));
	check_walk(h, false);
	check_cover(h);
	host_free(h);
}

/* An object that has more regions than there are shards. */
static void test_cover_all(void)
{
	const size_t size = 40 * REGION;
	struct host *h = host_new(0);
	struct kmemleak_object *obj;
	struct kmemleak_index_lock at;
	struct kmemleak_ref clash;

	obj = new_object(h, KMEMLEAK_VIRT, HOST_DIRECT + 100, size);
	REQUIRE(kmemleak_index_insert(&h->t, obj, &clash) == 0);
	model_add(obj);
	check_cover(h);
	check_address(h, KMEMLEAK_VIRT, HOST_DIRECT + 20 * REGION);
	check_address(h, KMEMLEAK_VIRT, HOST_DIRECT + 99);
	check_address(h, KMEMLEAK_VIRT, HOST_DIRECT + 100 + size);

	/* A narrow object inside the wide one is refused. */
	obj = new_object(h, KMEMLEAK_VIRT, HOST_DIRECT + 7 * REGION, 64);
	CHECK_EQ(kmemleak_index_insert(&h->t, obj, &clash), -EEXIST);
	kmemleak_pool_put(&h->t, obj);

	/* The index grows. Now the object counts in the shard of each of its regions. */
	CHECK_EQ(kmemleak_index_grow(&h->t, 8), 0);
	check_cover(h);
	check_address(h, KMEMLEAK_VIRT, HOST_DIRECT + 20 * REGION);

	/*
	 * The object shrinks to less than a region. It must still be found, and no shard
	 * stays covered.
	 */
	find_line(h, &model.line[0], &at);
	kmemleak_index_trim_unlock(&h->t, model.line[0].obj, HOST_DIRECT + 100, 50, NULL, &at);
	model.line[0].size = 50;
	check_cover(h);
	check_address(h, KMEMLEAK_VIRT, HOST_DIRECT + 149);
	check_address(h, KMEMLEAK_VIRT, HOST_DIRECT + 150);
	erase_random(h);
	check_cover(h);
	host_free(h);
}

/*
 * Objects at both ends of the address space: just below the error pointers, and at the
 * lowest addresses.
 */
static void test_edges(void)
{
	const unsigned long top = -(unsigned long)MAX_ERRNO - 1;
	struct host *h = host_new(6);
	struct kmemleak_object *obj;
	struct kmemleak_ref clash;

	obj = new_object(h, KMEMLEAK_VIRT, top, 1);
	CHECK_EQ(kmemleak_index_insert(&h->t, obj, &clash), 0);
	model_add(obj);
	obj = new_object(h, KMEMLEAK_VIRT, 1, 10);
	CHECK_EQ(kmemleak_index_insert(&h->t, obj, &clash), 0);
	model_add(obj);
	obj = new_object(h, KMEMLEAK_PHYS, 0, PAGE_SIZE);
	CHECK_EQ(kmemleak_index_insert(&h->t, obj, &clash), 0);
	model_add(obj);
	check_address(h, KMEMLEAK_VIRT, top);
	check_address(h, KMEMLEAK_VIRT, top + 1);
	check_address(h, KMEMLEAK_VIRT, 0);
	check_address(h, KMEMLEAK_VIRT, 10);
	check_address(h, KMEMLEAK_VIRT, ULONG_MAX);
	check_address(h, KMEMLEAK_PHYS, 0);
	check_address(h, KMEMLEAK_PERCPU, 1);
	check_walk(h, false);
	host_free(h);
}

/* The same address in each space: three objects that do not overlap. */
static void test_spaces(void)
{
	struct host *h = host_new(6);
	struct kmemleak_ref clash;
	unsigned int space;

	for (space = 0; space < KMEMLEAK_NR_SPACES; space++) {
		struct kmemleak_object *obj = new_object(h, space, HOST_DIRECT, 100);

		CHECK_EQ(kmemleak_index_insert(&h->t, obj, &clash), 0);
		model_add(obj);
	}
	for (space = 0; space < KMEMLEAK_NR_SPACES; space++)
		check_address(h, space, HOST_DIRECT + 50);
	check_walk(h, false);
	host_free(h);
}

/* A class ends where the next one begins. */
static void test_classes(void)
{
	struct host *h = host_new(0);
	struct kmemleak_index *idx = &h->t.index;
	unsigned int i;

	CHECK_EQ(class_of(idx, 0), 0);
	CHECK_EQ(class_of(idx, HOST_DIRECT), 0);
	for (i = 0; i < ARRAY_SIZE(idx->split); i++) {
		CHECK_EQ(class_of(idx, idx->split[i] - 1), i);
		CHECK_EQ(class_of(idx, idx->split[i]), i + 1);
	}
	CHECK_EQ(class_of(idx, ULONG_MAX), KMEMLEAK_NR_CLASSES - 1);
	host_free(h);
}

static void count(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	++*(unsigned int *)arg;
}

/* The bounds must contain the objects that can be white, and no other memory. */
static void test_bounds(void)
{
	struct host *h = host_new(6);
	struct kmemleak_index *idx = &h->t.index;
	struct kmemleak_object *obj;
	struct kmemleak_ref clash;
	struct kmemleak_cursor cursor = {};
	unsigned int n = 0;

	CHECK(!kmemleak_index_may_hold(idx, KMEMLEAK_VIRT, HOST_DIRECT));
	/* A root cannot be white, nor can an ignored object. So they do not widen the bounds. */
	obj = new_object(h, KMEMLEAK_VIRT, HOST_DIRECT, 64);
	obj->colour.min_count = 0;
	CHECK_EQ(kmemleak_index_insert(&h->t, obj, &clash), 0);
	obj = new_object(h, KMEMLEAK_VIRT, HOST_DIRECT + 64, 64);
	obj->flags |= KMEMLEAK_IGNORE;
	CHECK_EQ(kmemleak_index_insert(&h->t, obj, &clash), 0);
	CHECK(!kmemleak_index_may_hold(idx, KMEMLEAK_VIRT, HOST_DIRECT));
	obj = new_object(h, KMEMLEAK_VIRT, HOST_DIRECT + 4096, 64);
	CHECK_EQ(kmemleak_index_insert(&h->t, obj, &clash), 0);
	CHECK(kmemleak_index_may_hold(idx, KMEMLEAK_VIRT, HOST_DIRECT + 4096));
	CHECK(kmemleak_index_may_hold(idx, KMEMLEAK_VIRT, HOST_DIRECT + 4159));
	CHECK(!kmemleak_index_may_hold(idx, KMEMLEAK_VIRT, HOST_DIRECT + 4160));
	CHECK(!kmemleak_index_may_hold(idx, KMEMLEAK_VIRT, HOST_DIRECT + 4095));
	/* Each class and each space has bounds of its own. */
	CHECK(!kmemleak_index_may_hold(idx, KMEMLEAK_VIRT, HOST_VMALLOC));
	CHECK(!kmemleak_index_may_hold(idx, KMEMLEAK_PERCPU, HOST_DIRECT + 4096));
	while (kmemleak_index_walk(&h->t, &cursor, 7, count, &n))
		;
	CHECK_EQ(n, 3);

	/* A cleared index has empty bounds. The classes stay. */
	kmemleak_tracker_disable(&h->t);
	kmemleak_index_clear(&h->t);
	CHECK_EQ(host_nr_objects(h), 0);
	CHECK(!kmemleak_index_may_hold(idx, KMEMLEAK_VIRT, HOST_DIRECT + 4096));
	CHECK_EQ(class_of(idx, HOST_MODULES), 3);
	host_free(h);
}

static struct kmemleak_object *insert(struct host *h, unsigned long start, size_t size)
{
	struct kmemleak_object *obj = new_object(h, KMEMLEAK_VIRT, start, size);
	struct kmemleak_ref clash;

	if (!kmemleak_index_insert(&h->t, obj, &clash))
		return obj;
	kmemleak_pool_put(&h->t, obj);
	return NULL;
}

static void erase_start(struct host *h, unsigned long start)
{
	struct kmemleak_index_lock at;
	struct kmemleak_object *obj = kmemleak_index_find_start(&h->t, KMEMLEAK_VIRT, start, &at);

	REQUIRE(obj);
	erase(h, obj, &at);
	kmemleak_pool_put(&h->t, obj);
}

/* kmemleak_index_find_start() accepts only the first byte of an object, narrow or wide. */
static void test_start(void)
{
	struct host *h = host_new(6);
	struct kmemleak_object *narrow = insert(h, HOST_DIRECT + 64, 64);
	struct kmemleak_object *wide = insert(h, HOST_DIRECT + REGION - 64, 2 * REGION);
	struct kmemleak_index_lock at;

	REQUIRE(narrow && wide);
	check_start(h, KMEMLEAK_VIRT, HOST_DIRECT + 64, narrow);
	check_start(h, KMEMLEAK_VIRT, HOST_DIRECT + 63, NULL);
	check_start(h, KMEMLEAK_VIRT, HOST_DIRECT + 65, NULL);
	check_start(h, KMEMLEAK_VIRT, HOST_DIRECT + 127, NULL);
	check_start(h, KMEMLEAK_PHYS, HOST_DIRECT + 64, NULL);
	check_start(h, KMEMLEAK_VIRT, HOST_DIRECT + REGION - 64, wide);
	check_start(h, KMEMLEAK_VIRT, HOST_DIRECT + REGION, NULL);
	/* After a trim the object begins elsewhere. */
	REQUIRE(kmemleak_index_find_start(&h->t, KMEMLEAK_VIRT, narrow->start, &at) == narrow);
	kmemleak_index_trim_unlock(&h->t, narrow, HOST_DIRECT + 80, 48, NULL, &at);
	check_start(h, KMEMLEAK_VIRT, HOST_DIRECT + 64, NULL);
	check_start(h, KMEMLEAK_VIRT, HOST_DIRECT + 80, narrow);
	host_free(h);
}

/*
 * Erases objects and inserts others in their places. They must be refused if they overlap
 * their neighbours.
 */
static void test_reuse(void)
{
	struct host *h = host_new(6);
	unsigned int i;

	for (i = 0; i < 8; i++)
		REQUIRE(insert(h, HOST_DIRECT + 64 * i, 64));
	for (i = 0; i < 8; i++) {
		unsigned long start = HOST_DIRECT + 64 * i;

		erase_start(h, start);
		check_start(h, KMEMLEAK_VIRT, start, NULL);
		if (i < 7)
			CHECK(!insert(h, start, 65));
		CHECK(insert(h, start, 32));
		CHECK(!insert(h, start, 32));
		CHECK(insert(h, start + 32, 32));
		erase_start(h, start + 32);
		erase_start(h, start);
		CHECK(insert(h, start, 64));
	}
	CHECK_EQ(host_nr_objects(h), 8);
	erase_start(h, HOST_DIRECT + 64);
	kmemleak_tracker_disable(&h->t);
	kmemleak_index_clear(&h->t);
	CHECK(insert(h, HOST_DIRECT + 64, 64));
	CHECK_EQ(host_nr_objects(h), 1);
	host_free(h);
}

/* An entry is reused. A reference from before must not find the new object. */
static void test_stale_ref(void)
{
	struct host *h = host_new(6);
	struct kmemleak_object *obj = new_object(h, KMEMLEAK_VIRT, HOST_DIRECT, 64), *next;
	struct kmemleak_ref clash, ref = { obj, HOST_DIRECT };
	struct kmemleak_index_lock at;

	REQUIRE(kmemleak_index_insert(&h->t, obj, &clash) == 0);
	REQUIRE(kmemleak_index_find(&h->t, KMEMLEAK_VIRT, HOST_DIRECT, &at) == obj);
	erase(h, obj, &at);
	kmemleak_pool_put(&h->t, obj);

	/* The entry gets another address. First the new object is not live, then it is. */
	next = new_object(h, KMEMLEAK_VIRT, HOST_DIRECT + 10 * REGION, 64);
	REQUIRE(next == obj);
	check_relock(h, ref, NULL);
	check_relock(h, (struct kmemleak_ref){ next, next->start }, NULL);
	REQUIRE(kmemleak_index_insert(&h->t, next, &clash) == 0);
	check_relock(h, ref, NULL);
	check_relock(h, (struct kmemleak_ref){ next, next->start }, next);

	/* The entry is reused in another space. */
	REQUIRE(kmemleak_index_find(&h->t, KMEMLEAK_VIRT, next->start, &at) == next);
	erase(h, next, &at);
	kmemleak_pool_put(&h->t, next);
	obj = new_object(h, KMEMLEAK_PERCPU, HOST_PERCPU, 64);
	REQUIRE(kmemleak_index_insert(&h->t, obj, &clash) == 0);
	check_relock(h, (struct kmemleak_ref){ obj, HOST_PERCPU }, obj);
	host_free(h);
}

const struct host_case index_cases[] = {
	{ "random", test_random },
	{ "grow", test_grow },
	{ "grow_fails", test_grow_fails },
	{ "cover_all", test_cover_all },
	{ "edges", test_edges },
	{ "spaces", test_spaces },
	{ "classes", test_classes },
	{ "bounds", test_bounds },
	{ "start", test_start },
	{ "reuse", test_reuse },
	{ "stale_ref", test_stale_ref },
	{ }
};
