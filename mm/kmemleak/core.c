// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracker: what happens when a block comes, goes or is annotated. Every
 * call has an answer to every argument; wrong ones are counted and told to the
 * caller by result, and change nothing else. Also the only place that turns a
 * tracker off.
 */
#include "kmemleak.h"

/* Stale objects that one new block may push out; more is an overlap. */
#define MAX_REPLACED	2

const char *const kmemleak_counter_names[] = {
	[KMEMLEAK_CNT_BAD_ADDR] = "bad_addr",
	[KMEMLEAK_CNT_BAD_SIZE] = "bad_size",
	[KMEMLEAK_CNT_WRAP] = "wrap",
	[KMEMLEAK_CNT_UNKNOWN] = "unknown",
	[KMEMLEAK_CNT_UNKNOWN_FREE] = "unknown_free",
	[KMEMLEAK_CNT_DUPLICATE] = "duplicate",
	[KMEMLEAK_CNT_OVERLAP] = "overlap",
	[KMEMLEAK_CNT_OUTSIDE] = "outside",
	[KMEMLEAK_CNT_NMI] = "nmi",
	[KMEMLEAK_CNT_NO_ENTRY] = "no_entry",
	[KMEMLEAK_CNT_NO_EXTRA] = "no_extra",
	[KMEMLEAK_CNT_NO_NAME] = "no_name",
	[KMEMLEAK_CNT_UNREADABLE] = "unreadable",
	[KMEMLEAK_CNT_MARK_OVERFLOW] = "mark_overflow",
	[KMEMLEAK_CNT_LEAK_DROPPED] = "leak_dropped",
	[KMEMLEAK_CNT_SCANS] = "scans",
	[KMEMLEAK_CNT_SCANS_CUT] = "scans_cut",
};

static_assert(ARRAY_SIZE(kmemleak_counter_names) == KMEMLEAK_NR_COUNTERS);

static int names_order(void)
{
	unsigned long bytes = sizeof(struct kmemleak_names);

	return max_t(int, 0, ilog2(roundup_pow_of_two(bytes)) - PAGE_SHIFT);
}

/**
 * kmemleak_tracker_setup() - make a tracker that can already track
 * @t: zeroed memory
 * @ops: surroundings
 * @reserve: zeroed entries for the time before the page allocator is up
 * @reserve_nr: how many, may be 0 if ops->page_alloc() works already
 *
 * The caller may set t->index.split afterwards, before the first block.
 */
void kmemleak_tracker_setup(struct kmemleak_tracker *t, const struct kmemleak_ops *ops,
			    union kmemleak_entry *reserve, unsigned long reserve_nr)
{
	t->ops = ops;
	t->nr_cpus = 1;
	t->extras = RB_ROOT;
	raw_spin_lock_init(&t->extra_lock);
	raw_spin_lock_init(&t->opaque_lock);
	kmemleak_index_setup(&t->index);
	kmemleak_pool_setup(t, reserve, reserve_nr);
	t->options = (struct kmemleak_options){
		.rules = KMEMLEAK_ALL_RULES,
		.min_unref_scans = 1,
		.scan_stacks = true,
	};
	kmemleak_tracker_enable(t);
}

/**
 * kmemleak_tracker_start() - grow to full size, once pages can be had
 * @t: tracker
 * @shard_bits: log2 of the number of shards
 * @nr_cpus: CPU numbers in use, and per-cpu copies of a PERCPU object
 *
 * Context: nobody else uses the tracker.
 * Return: 0, or -ENOMEM: then it works on with what it could get.
 */
int kmemleak_tracker_start(struct kmemleak_tracker *t, unsigned int shard_bits,
			   unsigned int nr_cpus)
{
	int ret = kmemleak_index_grow(t, shard_bits);

	t->nr_cpus = nr_cpus;
	ret = kmemleak_pool_start(t, nr_cpus) ?: ret;
	if (!t->names) {
		struct kmemleak_names *names;

		names = t->ops->page_alloc(t, names_order(), GFP_NOWAIT | __GFP_NOWARN);
		if (names) {
			raw_spin_lock_init(&names->lock);
			/* Pairs with kmemleak_names_intern() on other CPUs. */
			smp_store_release(&t->names, names);
		}
	}
	return t->names ? ret : -ENOMEM;
}

/**
 * kmemleak_tracker_enable() - track from now on
 * @t: tracker
 */
void kmemleak_tracker_enable(struct kmemleak_tracker *t)
{
	WRITE_ONCE(t->enabled, true);
}

/**
 * kmemleak_tracker_disable() - track no more
 * @t: tracker
 *
 * Calls under way may still work on the metadata; the caller waits for them.
 */
void kmemleak_tracker_disable(struct kmemleak_tracker *t)
{
	WRITE_ONCE(t->enabled, false);
}

/**
 * kmemleak_tracker_fail() - an invariant is broken: stop, and say why
 * @t: tracker
 * @why: a string that stays; the first one is kept
 *
 * Context: any.
 */
void kmemleak_tracker_fail(struct kmemleak_tracker *t, const char *why)
{
	cmpxchg(&t->failed, NULL, why);
	kmemleak_tracker_disable(t);
}

/**
 * kmemleak_tracker_reset() - forget everything, give the memory back
 * @t: tracker, disabled
 *
 * Context: process; no call on the tracker is under way.
 */
void kmemleak_tracker_reset(struct kmemleak_tracker *t)
{
	struct kmemleak_names *names = t->names;

	kmemleak_index_clear(t);
	t->extras = RB_ROOT;
	kmemleak_pool_destroy(t);
	t->opaque.nr = 0;
	t->epoch = 0;
	t->names = NULL;
	if (names)
		t->ops->page_free(t, names, names_order());
}

static enum kmemleak_result check_addr(struct kmemleak_tracker *t, enum kmemleak_space space,
				       unsigned long addr)
{
	/* Physical address 0 is as good as any other. */
	if (space != KMEMLEAK_PHYS && (!addr || addr >= (unsigned long)-MAX_ERRNO)) {
		kmemleak_count(t, KMEMLEAK_CNT_BAD_ADDR);
		return KMEMLEAK_BAD_ADDR;
	}
	return KMEMLEAK_OK;
}

static enum kmemleak_result check_range(struct kmemleak_tracker *t, enum kmemleak_space space,
					unsigned long start, size_t size)
{
	enum kmemleak_result res = check_addr(t, space, start);

	if (res)
		return res;
	if (!size) {
		kmemleak_count(t, KMEMLEAK_CNT_BAD_SIZE);
		return KMEMLEAK_BAD_SIZE;
	}
	if (start + size < start) {
		kmemleak_count(t, KMEMLEAK_CNT_WRAP);
		return KMEMLEAK_WRAPS;
	}
	return KMEMLEAK_OK;
}

static void fill_object(struct kmemleak_tracker *t, struct kmemleak_object *obj,
			enum kmemleak_space space, unsigned long start, size_t size,
			int min_count, const struct kmemleak_origin *origin)
{
	obj->size = size;
	obj->trace = origin->trace;
	obj->born = t->ops->now();
	obj->stamp = kmemleak_pool_stamp(t);
	obj->pid = origin->pid;
	obj->comm = kmemleak_names_intern(t, origin->comm);
	obj->min_count = clamp(min_count, 0, KMEMLEAK_COUNT_MAX - 1);
	obj->count = 0;
	obj->epoch = 0;
	obj->unref = 0;
	WRITE_ONCE(obj->flags, space | origin->context << KMEMLEAK_CTX_SHIFT |
			       (min_count < 0 ? KMEMLEAK_IGNORE : 0));
	/*
	 * Born during a mark: what points at it may have been scanned already,
	 * and what it points at may move into it, so it is gray. Pairs with
	 * kmemleak_mark().
	 */
	if (smp_load_acquire(&t->marking)) {
		obj->epoch = READ_ONCE(t->epoch);
		obj->count = obj->min_count;
	}
	/* Pairs with kmemleak_index_relock(). */
	smp_store_release(&obj->start, start);
}

/* An address range that the detector cannot record must not hide references. */
static void lose_block(struct kmemleak_tracker *t, enum kmemleak_space space,
		       unsigned long start, size_t size)
{
	unsigned int cpu;

	for (cpu = 0; cpu < (space == KMEMLEAK_PERCPU ? t->nr_cpus : 1); cpu++) {
		unsigned long addr = t->ops->block_addr(t, space, start, cpu);

		if (addr)
			kmemleak_opaque_add(t, addr, addr + size);
	}
}

/* The memory of an older object may be all that the new block overlaps. */
static void keep_as_root(struct kmemleak_tracker *t, struct kmemleak_ref ref)
{
	struct kmemleak_lookup at;
	struct kmemleak_object *obj = kmemleak_index_relock(t, ref, &at);

	if (obj) {
		obj->min_count = 0;
		kmemleak_index_unlock(&at);
	}
}

static void erase_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
			 struct kmemleak_lookup *at)
{
	bool extras = obj->flags & (KMEMLEAK_AREAS | KMEMLEAK_ALIAS);

	kmemleak_index_erase_unlock(t, obj, at);
	if (extras)
		kmemleak_extra_drop(t, obj->start);
	kmemleak_pool_put(t, obj);
}

/**
 * kmemleak_block_add() - a block was allocated
 * @t: tracker
 * @space: of @start
 * @start: first byte
 * @size: bytes
 * @min_count: references needed to be reached; 0: a root; < 0: ignored
 * @origin: who allocated it
 *
 * Context: any but NMI; the caller prevents kmemleak_tracker_reset().
 * Return: KMEMLEAK_OK; KMEMLEAK_REPLACED: tracked, an object of the same start
 * was taken for freed; KMEMLEAK_OVERLAPS or KMEMLEAK_NO_MEMORY: not tracked,
 * its memory is opaque now; KMEMLEAK_BAD_ADDR, KMEMLEAK_BAD_SIZE or
 * KMEMLEAK_WRAPS: nothing done.
 */
enum kmemleak_result kmemleak_block_add(struct kmemleak_tracker *t, enum kmemleak_space space,
					unsigned long start, size_t size, int min_count,
					const struct kmemleak_origin *origin)
{
	enum kmemleak_result res = check_range(t, space, start, size);
	struct kmemleak_object *obj;
	struct kmemleak_ref clash;
	unsigned int replaced = 0;

	if (res)
		return res;
	obj = kmemleak_pool_get(t);
	if (!obj) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_ENTRY);
		lose_block(t, space, start, size);
		return KMEMLEAK_NO_MEMORY;
	}
	fill_object(t, obj, space, start, size, min_count, origin);

	while (kmemleak_index_insert(t, obj, &clash)) {
		struct kmemleak_lookup at;
		struct kmemleak_object *old;

		if (clash.start == start && replaced++ < MAX_REPLACED) {
			old = kmemleak_index_relock(t, clash, &at);
			if (old)
				erase_unlock(t, old, &at);
			continue;
		}
		kmemleak_count(t, KMEMLEAK_CNT_OVERLAP);
		keep_as_root(t, clash);
		kmemleak_pool_put(t, obj);
		lose_block(t, space, start, size);
		return KMEMLEAK_OVERLAPS;
	}
	if (!replaced)
		return KMEMLEAK_OK;
	kmemleak_count(t, KMEMLEAK_CNT_DUPLICATE);
	return KMEMLEAK_REPLACED;
}

/*
 * Freed memory is nobody's root any more: of blocks that overlapped, one is
 * tracked and the other opaque.
 */
static void cut_opaque(struct kmemleak_tracker *t, enum kmemleak_space space,
		       unsigned long start, size_t size)
{
	unsigned int cpu;

	/* Pairs with kmemleak_opaque_add(); who overlaps a free is a mistake. */
	if (likely(!READ_ONCE(t->opaque.nr)))
		return;
	for (cpu = 0; cpu < (space == KMEMLEAK_PERCPU ? t->nr_cpus : 1); cpu++) {
		unsigned long addr = t->ops->block_addr(t, space, start, cpu);

		if (addr)
			kmemleak_opaque_cut(t, addr, addr + size);
	}
}

/* Frees what lose_block() kept: all of a block if @size is 0, else a part. */
static enum kmemleak_result unknown_free(struct kmemleak_tracker *t, enum kmemleak_space space,
					 unsigned long start, size_t size)
{
	unsigned int cpu;
	bool found = false;

	for (cpu = 0; cpu < (space == KMEMLEAK_PERCPU ? t->nr_cpus : 1); cpu++) {
		unsigned long addr = t->ops->block_addr(t, space, start, cpu);

		if (addr && size)
			found |= kmemleak_opaque_cut(t, addr, addr + size);
		else if (addr)
			found |= kmemleak_opaque_remove(t, addr);
	}
	if (found)
		return KMEMLEAK_OK;
	kmemleak_count(t, KMEMLEAK_CNT_UNKNOWN_FREE);
	return KMEMLEAK_NOT_FOUND;
}

/**
 * kmemleak_block_remove() - a block is about to be freed
 * @t: tracker
 * @space: of @start
 * @start: its first byte; any other address is unknown
 *
 * Context: as kmemleak_block_add(). On return nothing reads the block any more.
 * Return: KMEMLEAK_OK, KMEMLEAK_BAD_ADDR or KMEMLEAK_NOT_FOUND.
 */
enum kmemleak_result kmemleak_block_remove(struct kmemleak_tracker *t, enum kmemleak_space space,
					   unsigned long start)
{
	enum kmemleak_result res = check_addr(t, space, start);
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;
	size_t size;

	if (res)
		return res;
	obj = kmemleak_index_find(t, space, start, &at);
	if (obj && obj->start != start) {
		kmemleak_index_unlock(&at);
		obj = NULL;
	}
	if (!obj)
		return unknown_free(t, space, start, 0);
	if (unlikely(!(obj->flags & KMEMLEAK_LIVE))) {
		kmemleak_index_unlock(&at);
		kmemleak_tracker_fail(t, "an object in the index is not live");
		return KMEMLEAK_OK;
	}
	size = obj->size;
	erase_unlock(t, obj, &at);
	cut_opaque(t, space, start, size);
	return KMEMLEAK_OK;
}

/*
 * Cuts [start, last] out of a found object that reaches further; @tail is a
 * spare entry. Returns the spare if it was not needed.
 */
static struct kmemleak_object *cut_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
					  unsigned long start, unsigned long last,
					  struct kmemleak_object *tail,
					  struct kmemleak_lookup *at)
{
	unsigned long obj_start = obj->start, obj_last = obj->start + (obj->size - 1);
	enum kmemleak_space space = kmemleak_object_space(obj);
	unsigned long lost = 0;

	/* A running mark may have queued it by its old start: to be found again. */
	obj->flags &= ~KMEMLEAK_SCANNED;
	if (obj->flags & (KMEMLEAK_AREAS | KMEMLEAK_ALIAS)) {
		/* Areas of a block that no longer exists as such: scan what is left. */
		kmemleak_extra_drop(t, obj_start);
		obj->flags &= ~(KMEMLEAK_AREAS | KMEMLEAK_ALIAS | KMEMLEAK_FULL_SCAN);
	}
	if (start == obj_start) {
		kmemleak_index_trim_unlock(t, obj, last + 1, obj_last - last, NULL, at);
		return tail;
	}
	if (last != obj_last && tail) {
		struct rb_node node = tail->node;

		*tail = *obj;
		tail->node = node;
		tail->flags &= ~KMEMLEAK_LIVE;
		tail->size = obj_last - last;
		/* Pairs with kmemleak_index_relock(). */
		smp_store_release(&tail->start, last + 1);
		kmemleak_index_trim_unlock(t, obj, obj_start, start - obj_start, tail, at);
		return NULL;
	}
	if (last != obj_last)
		lost = obj_last - last;
	kmemleak_index_trim_unlock(t, obj, obj_start, start - obj_start, NULL, at);
	if (lost) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_ENTRY);
		lose_block(t, space, last + 1, lost);
	}
	return tail;
}

/**
 * kmemleak_block_remove_part() - part of a block is about to be freed
 * @t: tracker
 * @space: of @start
 * @start: first byte of the part
 * @size: bytes
 *
 * What is left of the block stays tracked, as one or two objects.
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK; KMEMLEAK_OUTSIDE: of tracked memory, only what lies
 * inside the block of @start went;
 * KMEMLEAK_NOT_FOUND: @start is in no block; or as kmemleak_block_add().
 */
enum kmemleak_result kmemleak_block_remove_part(struct kmemleak_tracker *t,
						enum kmemleak_space space, unsigned long start,
						size_t size)
{
	enum kmemleak_result res = check_range(t, space, start, size);
	struct kmemleak_object *obj, *tail;
	struct kmemleak_lookup at;
	unsigned long last, obj_last;

	if (res)
		return res;
	tail = kmemleak_pool_get(t);
	obj = kmemleak_index_find(t, space, start, &at);
	if (!obj) {
		if (tail)
			kmemleak_pool_put(t, tail);
		return unknown_free(t, space, start, size);
	}
	last = start + (size - 1);
	obj_last = obj->start + (obj->size - 1);
	if (last > obj_last) {
		kmemleak_count(t, KMEMLEAK_CNT_OUTSIDE);
		res = KMEMLEAK_OUTSIDE;
		last = obj_last;
	}
	if (start == obj->start && last == obj_last)
		erase_unlock(t, obj, &at);
	else
		tail = cut_unlock(t, obj, start, last, tail, &at);
	/* All of it, the part that lies outside may be another block's. */
	cut_opaque(t, space, start, size);
	if (tail)
		kmemleak_pool_put(t, tail);
	return res;
}

static struct kmemleak_object *find_known(struct kmemleak_tracker *t, enum kmemleak_space space,
					  unsigned long addr, struct kmemleak_lookup *at,
					  enum kmemleak_result *res)
{
	struct kmemleak_object *obj;

	*res = check_addr(t, space, addr);
	if (*res)
		return NULL;
	obj = kmemleak_index_find(t, space, addr, at);
	if (!obj) {
		kmemleak_count(t, KMEMLEAK_CNT_UNKNOWN);
		*res = KMEMLEAK_NOT_FOUND;
	}
	return obj;
}

/**
 * kmemleak_block_annotate() - say something of a block
 * @t: tracker
 * @space: of @addr
 * @addr: any address inside the block
 * @note: what
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK, KMEMLEAK_BAD_ADDR or KMEMLEAK_NOT_FOUND.
 */
enum kmemleak_result kmemleak_block_annotate(struct kmemleak_tracker *t, enum kmemleak_space space,
					     unsigned long addr, enum kmemleak_note note)
{
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;
	enum kmemleak_result res;

	obj = find_known(t, space, addr, &at, &res);
	if (!obj)
		return res;
	switch (note) {
	case KMEMLEAK_NOTE_NOT_LEAK:
		obj->min_count = 0;
		break;
	case KMEMLEAK_NOTE_IGNORE:
		obj->flags |= KMEMLEAK_IGNORE;
		break;
	case KMEMLEAK_NOTE_NO_SCAN:
		obj->flags |= KMEMLEAK_NO_SCAN;
		break;
	case KMEMLEAK_NOTE_TRANSIENT:
		obj->flags |= KMEMLEAK_TRANSIENT;
		break;
	}
	kmemleak_index_unlock(&at);
	return KMEMLEAK_OK;
}

/**
 * kmemleak_block_set_trace() - somebody else is responsible for a block now
 * @t: tracker
 * @addr: any address inside the block, in VIRT
 * @trace: handle of the new trace
 *
 * Context: as kmemleak_block_add().
 * Return: as kmemleak_block_annotate().
 */
enum kmemleak_result kmemleak_block_set_trace(struct kmemleak_tracker *t, unsigned long addr,
					      u32 trace)
{
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;
	enum kmemleak_result res;

	obj = find_known(t, KMEMLEAK_VIRT, addr, &at, &res);
	if (obj) {
		obj->trace = trace;
		kmemleak_index_unlock(&at);
	}
	return res;
}

/**
 * kmemleak_block_add_area() - only areas of this block hold references
 * @t: tracker
 * @start: first byte of an area, in VIRT
 * @size: bytes, or SIZE_MAX: to the end of the block
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK; KMEMLEAK_OUTSIDE: it ends behind its block, nothing
 * done; KMEMLEAK_NO_MEMORY: the block is scanned in full; or as
 * kmemleak_block_annotate(), KMEMLEAK_BAD_SIZE and KMEMLEAK_WRAPS.
 */
enum kmemleak_result kmemleak_block_add_area(struct kmemleak_tracker *t, unsigned long start,
					     size_t size)
{
	struct kmemleak_object *obj, *spare;
	struct kmemleak_lookup at;
	enum kmemleak_result res;
	size_t room;

	if (size != SIZE_MAX) {
		res = check_range(t, KMEMLEAK_VIRT, start, size);
		if (res)
			return res;
	}
	/* Before the lock: a page may have to be allocated. */
	spare = kmemleak_pool_get(t);
	obj = find_known(t, KMEMLEAK_VIRT, start, &at, &res);
	if (!obj)
		goto out;
	room = obj->size - (start - obj->start);
	if (size == SIZE_MAX)
		size = room;
	if (size > room) {
		kmemleak_count(t, KMEMLEAK_CNT_OUTSIDE);
		res = KMEMLEAK_OUTSIDE;
	} else if (!spare) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_EXTRA);
		obj->flags |= KMEMLEAK_FULL_SCAN;
		res = KMEMLEAK_NO_MEMORY;
	} else {
		spare = kmemleak_extra_add(t, spare, KMEMLEAK_EXTRA_AREA, obj->start, start, size);
		obj->flags |= KMEMLEAK_AREAS;
	}
	kmemleak_index_unlock(&at);
out:
	if (spare)
		kmemleak_pool_put(t, spare);
	return res;
}

/**
 * kmemleak_block_add_alias() - surplus references to a block mean another one
 * @t: tracker
 * @addr: any address inside the block that is referred to, in VIRT
 * @target: an address inside the block that is meant, in VIRT
 *
 * Context: as kmemleak_block_add().
 * Return: KMEMLEAK_OK; KMEMLEAK_NO_MEMORY: the meant block is a root now; or
 * as kmemleak_block_annotate().
 */
enum kmemleak_result kmemleak_block_add_alias(struct kmemleak_tracker *t, unsigned long addr,
					      unsigned long target)
{
	struct kmemleak_object *obj, *spare = kmemleak_pool_get(t);
	struct kmemleak_lookup at;
	enum kmemleak_result res;

	obj = find_known(t, KMEMLEAK_VIRT, addr, &at, &res);
	if (obj && spare) {
		spare = kmemleak_extra_add(t, spare, KMEMLEAK_EXTRA_ALIAS, obj->start, target, 0);
		obj->flags |= KMEMLEAK_ALIAS;
	} else if (obj) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_EXTRA);
		res = KMEMLEAK_NO_MEMORY;
	}
	if (obj)
		kmemleak_index_unlock(&at);
	if (spare)
		kmemleak_pool_put(t, spare);
	if (res == KMEMLEAK_NO_MEMORY)
		kmemleak_block_annotate(t, KMEMLEAK_VIRT, target, KMEMLEAK_NOTE_NOT_LEAK);
	return res;
}

/**
 * kmemleak_block_get() - look at the object of an address
 * @t: tracker
 * @space: of @addr
 * @addr: any address
 * @copy: filled in; its tree node means nothing; count is 0 if no reference
 *	was found in the last mark
 *
 * Context: as kmemleak_block_add().
 * Return: whether there is one.
 */
bool kmemleak_block_get(struct kmemleak_tracker *t, enum kmemleak_space space,
			unsigned long addr, struct kmemleak_object *copy)
{
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;

	obj = kmemleak_index_find(t, space, addr, &at);
	if (!obj)
		return false;
	*copy = *obj;
	if (copy->epoch != t->epoch)
		copy->count = 0;
	kmemleak_index_unlock(&at);
	return true;
}
