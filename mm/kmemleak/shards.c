// SPDX-License-Identifier: GPL-2.0-only
/*
 * All trees of the index together: set up, walked, made more, emptied.
 */
#include "index.h"

/* Objects visited under one hold of a shard's lock: about 10 us at worst. */
#define WALK_BATCH	32

static void shard_setup(struct kmemleak_shard *shard)
{
	raw_spin_lock_init(&shard->lock);
	shard->cover = 0;
	seqcount_init(&shard->seq);
	shard->root = RB_ROOT;
	shard->last = NULL;
	shard->gap = NULL;
}

/**
 * kmemleak_index_setup() - make an empty index on its boot shards
 * @idx: zeroed memory; the caller sets @idx->split afterwards if it has classes
 */
void kmemleak_index_setup(struct kmemleak_index *idx)
{
	unsigned int i;

	idx->shards = idx->boot;
	idx->bits = KMEMLEAK_BOOT_SHARD_BITS;
	idx->order = -1;
	atomic_set(&idx->cover_all, 0);
	for (i = 0; i < ARRAY_SIZE(idx->boot); i++)
		shard_setup(&idx->boot[i]);
	for (i = 0; i < ARRAY_SIZE(idx->wide); i++)
		shard_setup(&idx->wide[i]);
	for (i = 0; i < ARRAY_SIZE(idx->other); i++)
		shard_setup(&idx->other[i]);
	for (i = 0; i < ARRAY_SIZE(idx->split); i++)
		idx->split[i] = ULONG_MAX;
	kmemleak_bounds_setup(idx);
	memset(idx->filter, 0, sizeof(idx->filter));
}

static struct kmemleak_shard *nth_tree(struct kmemleak_index *idx, unsigned long n)
{
	unsigned long nr = 1UL << idx->bits;

	if (n < nr)
		return &idx->shards[n];
	n -= nr;
	if (n < ARRAY_SIZE(idx->wide))
		return &idx->wide[n];
	n -= ARRAY_SIZE(idx->wide);
	if (n < ARRAY_SIZE(idx->other))
		return &idx->other[n];
	return NULL;
}

/* A cursor for kmemleak_index_walk() at the first object of @space, which is not VIRT. */
struct kmemleak_cursor kmemleak_index_begin(struct kmemleak_tracker *t, enum kmemleak_space space)
{
	return (struct kmemleak_cursor){
		.tree = (1UL << t->index.bits) + KMEMLEAK_NR_CLASSES + space,
	};
}

/* The first object of a tree that starts at @addr or later. */
static struct kmemleak_object *tree_first_from(struct rb_root *root, unsigned long addr)
{
	struct kmemleak_object *best = NULL;
	struct rb_node *node = root->rb_node;

	while (node) {
		struct kmemleak_object *obj = rb_entry(node, struct kmemleak_object, node);

		if (obj->start < addr) {
			node = node->rb_right;
		} else {
			best = obj;
			node = node->rb_left;
		}
	}
	return best;
}

bool kmemleak_index_walk(struct kmemleak_tracker *t, struct kmemleak_cursor *cursor,
			 unsigned int budget,
			 void (*visit)(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				       void *arg),
			 void *arg)
{
	struct kmemleak_shard *tree = NULL;

	while (budget && (tree = nth_tree(&t->index, cursor->tree))) {
		struct kmemleak_object *obj;
		struct rb_node *node;
		unsigned int batch = min_t(unsigned int, budget, WALK_BATCH);
		unsigned long irq;

		raw_spin_lock_irqsave(&tree->lock, irq);
		obj = tree_first_from(&tree->root, cursor->next);
		node = obj ? &obj->node : NULL;
		/* An empty tree costs a step too, or a walk would have no bound. */
		budget -= 1;
		for (; node && batch; batch--, node = rb_next(node)) {
			obj = rb_entry(node, struct kmemleak_object, node);
			cursor->next = obj->start + 1;
			visit(t, obj, arg);
			budget -= !!budget;
		}
		raw_spin_unlock_irqrestore(&tree->lock, irq);
		if (!node) {
			cursor->tree++;
			cursor->next = 0;
		}
	}
	return nth_tree(&t->index, cursor->tree);
}

/* Moves every object of a tree to where it belongs now. */
static void tree_rehome(struct kmemleak_index *idx, struct kmemleak_shard *from)
{
	struct rb_node *node;

	while ((node = rb_first(&from->root))) {
		struct kmemleak_object *obj = rb_entry(node, struct kmemleak_object, node);
		struct kmemleak_shard *to = shard_of_region(idx, region_of(obj->start));
		unsigned long irq;

		rb_erase(node, &from->root);
		from->last = NULL;
		from->gap = NULL;
		raw_spin_lock_irqsave(&to->lock, irq);
		kmemleak_shard_link_locked(to, obj);
		raw_spin_unlock_irqrestore(&to->lock, irq);
	}
}

/**
 * kmemleak_index_grow() - more shards
 * @t: tracker
 * @bits: log2 of their number; where memory is in pieces, there are fewer, and the
 *	caller has to ask how many
 *
 * Context: nobody else uses the index: early boot, or not yet enabled and may sleep.
 * Return: 0, or -ENOMEM; then the index works on with the shards it has.
 */
int kmemleak_index_grow(struct kmemleak_tracker *t, unsigned int bits)
{
	struct kmemleak_index *idx = &t->index;
	struct kmemleak_shard *shards;
	unsigned long i;
	int order;

	if (idx->order >= 0 || bits <= idx->bits)
		return 0;
	do {
		unsigned long bytes = sizeof(*shards) << bits;

		order = max_t(int, 0, ilog2(roundup_pow_of_two(bytes)) - PAGE_SHIFT);
		shards = t->ops->page_alloc(t, order, KMEMLEAK_GFP);
	} while (!shards && --bits > idx->bits);
	if (!shards)
		return -ENOMEM;
	for (i = 0; i < 1UL << bits; i++)
		shard_setup(&shards[i]);

	idx->shards = shards;
	idx->bits = bits;
	idx->order = order;
	for (i = 0; i < ARRAY_SIZE(idx->boot); i++)
		tree_rehome(idx, &idx->boot[i]);
	atomic_set(&idx->cover_all, 0);
	for (i = 0; i < ARRAY_SIZE(idx->wide); i++) {
		struct rb_node *node;

		for (node = rb_first(&idx->wide[i].root); node; node = rb_next(node)) {
			struct kmemleak_object *obj = rb_entry(node, struct kmemleak_object, node);

			kmemleak_index_cover(idx, obj->start, obj->size, NULL);
		}
	}
	return 0;
}

/**
 * kmemleak_index_clear() - forget every object, give grown shards back
 * @t: tracker
 *
 * The entries themselves are the pool's to take back.
 *
 * Context: process; tracking is off and no hook is under way.
 */
void kmemleak_index_clear(struct kmemleak_tracker *t)
{
	struct kmemleak_index *idx = &t->index;
	unsigned long split[ARRAY_SIZE(idx->split)];

	if (idx->order >= 0)
		t->ops->page_free(t, idx->shards, idx->order);
	memcpy(split, idx->split, sizeof(split));
	kmemleak_index_setup(idx);
	memcpy(idx->split, split, sizeof(split));
}
