// SPDX-License-Identifier: GPL-2.0-only
/*
 * Look-ups without a lock, for marks. Most words are no addresses of objects, and the bounds
 * of the index tell that without a search. Bounds only widen, so reading them needs no lock
 * either.
 */
#include "index_lockless.h"

/* --------------------------------------------------------------- bounds -- */

/* Which of the index's bounds applies to an address? */
static unsigned int bounds_number(const struct kmemleak_index *idx, enum kmemleak_space space,
				  unsigned long addr)
{
	if (space != KMEMLEAK_VIRT)
		return KMEMLEAK_NR_CLASSES + space;
	return class_of(idx, addr);
}

/**
 * kmemleak_index_may_hold() - cheap test before a look-up: can an address be in a block?
 * @idx: the index
 * @space: space of @addr
 * @addr: any word
 *
 * Context: any, no lock needed.
 * Return: false if no object that can be white lies at @addr.
 */
bool kmemleak_index_may_hold(const struct kmemleak_index *idx, enum kmemleak_space space,
			     unsigned long addr)
{
	unsigned int b = bounds_number(idx, space, addr);

	/* Pairs with kmemleak_index_bounds_widen(). */
	return addr >= READ_ONCE(idx->low[b]) && addr < READ_ONCE(idx->high[b]);
}

/*
 * Makes the bounds contain a block. Pairs with kmemleak_index_may_hold(), inside_bounds() and
 * join_bounds().
 */
void kmemleak_index_bounds_widen(struct kmemleak_index *idx, enum kmemleak_space space,
				 unsigned long start, size_t size)
{
	unsigned int b = bounds_number(idx, space, start);
	unsigned long end = last_of(start, size) + 1 ?: ULONG_MAX;
	unsigned long old;

	old = READ_ONCE(idx->low[b]);
	while (start < old) {
		unsigned long seen = cmpxchg(&idx->low[b], old, start);

		if (seen == old)
			break;
		old = seen;
	}
	old = READ_ONCE(idx->high[b]);
	while (end > old) {
		unsigned long seen = cmpxchg(&idx->high[b], old, end);

		if (seen == old)
			break;
		old = seen;
	}
}

void kmemleak_index_bounds_setup(struct kmemleak_index *idx)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(idx->low); i++) {
		idx->low[i] = ULONG_MAX;
		idx->high[i] = 0;
	}
}

/* -------------------------------------------------------------- look-up -- */

/* An intact tree is never deeper, even if all memory is full of entries. */
#define MAX_DEPTH	128

/**
 * struct descent - a search down a tree without its lock
 * @shard: shard of the tree
 * @seq: sequence number of the shard when the search began
 * @node: node that the search visits next, NULL at the end
 *
 * Entries stay mapped during a mark, so reading them is safe. If a CPU changes the tree
 * meanwhile, the search may take a wrong turn, at worst through entries in other use. Then
 * the sequence number has changed.
 */
struct descent {
	struct kmemleak_shard *shard;
	unsigned int seq;
	struct rb_node *node;
};

static void start_descent(struct descent *d, struct kmemleak_shard *shard,
			  struct kmemleak_lookup_result *seen)
{
	d->shard = shard;
	d->seq = raw_read_seqcount(&shard->seq);
	d->node = READ_ONCE(shard->root.rb_node);
	seen->found = false;
}

static void step_down(struct descent *d, unsigned long addr, struct kmemleak_lookup_result *seen)
{
	struct kmemleak_object *obj = rb_entry(d->node, struct kmemleak_object, node);
	unsigned long start = READ_ONCE(obj->start);

	if (addr < start) {
		d->node = READ_ONCE(d->node->rb_left);
	} else if (addr - start >= READ_ONCE(obj->size)) {
		d->node = READ_ONCE(d->node->rb_right);
	} else {
		d->node = NULL;
		seen->found = true;
		seen->ref = (struct kmemleak_ref){ obj, start };
		seen->flags = READ_ONCE(obj->flags);
	}
}

static void finish_descent(const struct descent *d, struct kmemleak_lookup_result *seen)
{
	/* Pairs with each raw_write_seqcount_begin() under the shard's lock. */
	seen->stable = !d->node && !(d->seq & 1) && !read_seqcount_retry(&d->shard->seq, d->seq);
	seen->found &= seen->stable;
}

static void descend_tree(struct kmemleak_shard *shard, unsigned long addr,
			 struct kmemleak_lookup_result *seen)
{
	struct descent d;
	unsigned int depth;

	start_descent(&d, shard, seen);
	for (depth = 0; d.node && depth < MAX_DEPTH; depth++)
		step_down(&d, addr, seen);
	finish_descent(&d, seen);
}

/* Fewer look-ups than this are faster one by one. A struct list_head needs only two. */
#define FEW_LOOKUPS	3

static void lookup_one(struct kmemleak_tracker *t, enum kmemleak_space space, unsigned long addr,
		       struct kmemleak_lookup_result *seen)
{
	struct kmemleak_index *idx = &t->index;

	if (space == KMEMLEAK_VIRT) {
		struct kmemleak_shard *shard = shard_of_region(idx, region_of(addr));

		descend_tree(shard, addr, seen);
		if (!seen->stable || seen->found || !kmemleak_index_is_covered(idx, shard))
			return;
	}
	descend_tree(wide_of(idx, space, addr), addr, seen);
}

/* All searches go down together, level by level, so that their cache misses overlap. */
static void lookup_many(struct kmemleak_tracker *t, const unsigned long *addr,
			struct kmemleak_lookup_result *seen, unsigned int nr)
{
	struct kmemleak_index *idx = &t->index;
	struct descent d[KMEMLEAK_LOOKUPS];
	unsigned int i, depth;
	bool more = true;

	for (i = 0; i < nr; i++)
		prefetch(shard_of_region(idx, region_of(addr[i])));
	for (i = 0; i < nr; i++) {
		start_descent(&d[i], shard_of_region(idx, region_of(addr[i])), &seen[i]);
		prefetch(d[i].node);
	}
	for (depth = 0; more && depth < MAX_DEPTH; depth++) {
		more = false;
		for (i = 0; i < nr; i++) {
			if (!d[i].node)
				continue;
			step_down(&d[i], addr[i], &seen[i]);
			prefetch(d[i].node);
			more = true;
		}
	}
	for (i = 0; i < nr; i++) {
		finish_descent(&d[i], &seen[i]);
		if (seen[i].stable && !seen[i].found && kmemleak_index_is_covered(idx, d[i].shard))
			descend_tree(wide_of(idx, KMEMLEAK_VIRT, addr[i]), addr[i], &seen[i]);
	}
}

/**
 * kmemleak_index_lookup() - find the objects of addresses without a lock
 * @t: tracker
 * @space: space of the addresses
 * @addr: @nr addresses
 * @seen: filled in, one for each address; check @stable of each
 * @nr: number of addresses, at most KMEMLEAK_LOOKUPS
 *
 * Context: any; the caller prevents kmemleak_pool_trim().
 */
void kmemleak_index_lookup(struct kmemleak_tracker *t, enum kmemleak_space space,
			   const unsigned long *addr, struct kmemleak_lookup_result *seen,
			   unsigned int nr)
{
	unsigned int i;

	if (nr >= FEW_LOOKUPS && space == KMEMLEAK_VIRT) {
		lookup_many(t, addr, seen, nr);
		return;
	}
	for (i = 0; i < nr; i++)
		lookup_one(t, space, addr[i], &seen[i]);
}
