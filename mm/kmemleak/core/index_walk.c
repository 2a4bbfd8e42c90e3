// SPDX-License-Identifier: GPL-2.0-only
/* Work on all trees of the index: set up, walk, grow, clear. */
#include "index.h"
#include "tracker.h"

/* Objects visited under one hold of a shard's lock: about 10 us at worst. */
#define WALK_BATCH	32

static void setup_shard(struct kmemleak_shard *shard)
{
	raw_spin_lock_init(&shard->lock);
	shard->cover = 0;
	seqcount_init(&shard->seq);
	shard->root = RB_ROOT;
	shard->last = NULL;
}

/**
 * kmemleak_index_setup() - make an empty index on its boot shards
 * @idx: the index. This clears @idx->split; a caller that has classes sets it afterwards.
 */
void kmemleak_index_setup(struct kmemleak_index *idx)
{
	unsigned int i;

	idx->shards = idx->boot;
	idx->bits = KMEMLEAK_BOOT_SHARD_BITS;
	idx->order = -1;
	atomic_set(&idx->cover_all, 0);
	for (i = 0; i < ARRAY_SIZE(idx->boot); i++)
		setup_shard(&idx->boot[i]);
	for (i = 0; i < ARRAY_SIZE(idx->wide); i++)
		setup_shard(&idx->wide[i]);
	for (i = 0; i < ARRAY_SIZE(idx->by_space); i++)
		setup_shard(&idx->by_space[i]);
	for (i = 0; i < ARRAY_SIZE(idx->split); i++)
		idx->split[i] = ULONG_MAX;
	kmemleak_index_bounds_setup(idx);
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
	if (n < ARRAY_SIZE(idx->by_space))
		return &idx->by_space[n];
	return NULL;
}

/* A cursor for kmemleak_index_walk(), at the first object of @space. Not for VIRT. */
struct kmemleak_cursor kmemleak_index_begin(struct kmemleak_tracker *t, enum kmemleak_space space)
{
	return (struct kmemleak_cursor){
		.tree = (1UL << t->index.bits) + KMEMLEAK_NR_CLASSES + space,
	};
}

/* The first object of a tree that starts at or after @addr. */
static struct kmemleak_object *first_object_from(struct rb_root *root, unsigned long addr)
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

/**
 * kmemleak_index_walk() - visit some objects, in the order of the trees
 * @t: tracker
 * @cursor: zeroed to begin, or from kmemleak_index_begin(); the next call continues here
 * @budget: greatest number of objects to visit; each tree counts as one, too
 * @visit: called for each object, with the shard's lock held and interrupts off
 * @arg: passed to @visit
 *
 * Every object that stays in its tree from the first call to the last is visited.
 *
 * Context: any but NMI, no shard lock held.
 * Return: true if there are trees left: call again.
 */
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
		obj = first_object_from(&tree->root, cursor->next);
		node = obj ? &obj->node : NULL;
		/* An empty tree counts, too: else a call could visit all trees. */
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

/* Moves every object of a tree to the shard that its region hashes to now. */
static void rehome_objects(struct kmemleak_index *idx, struct kmemleak_shard *from)
{
	struct rb_node *node;

	while ((node = rb_first(&from->root))) {
		struct kmemleak_object *obj = rb_entry(node, struct kmemleak_object, node);
		struct kmemleak_shard *to = shard_of_region(idx, region_of(obj->start));
		unsigned long irq;

		rb_erase(node, &from->root);
		from->last = NULL;
		raw_spin_lock_irqsave(&to->lock, irq);
		kmemleak_index_link_locked(to, obj);
		raw_spin_unlock_irqrestore(&to->lock, irq);
	}
}

/**
 * kmemleak_index_grow() - allocate more shards
 * @t: tracker
 * @bits: log2 of the wanted number of shards. If memory is fragmented, there are fewer;
 *	index.bits tells how many.
 *
 * Context: early boot, or process before the tracker is enabled; nobody else uses the index.
 * Return: 0, or -ENOMEM; then the index goes on with the shards that it has.
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
		order = get_order(sizeof(*shards) << bits);
		shards = t->ops->page_alloc(t, order, KMEMLEAK_GFP);
	} while (!shards && --bits > idx->bits);
	if (!shards)
		return -ENOMEM;
	for (i = 0; i < 1UL << bits; i++)
		setup_shard(&shards[i]);

	idx->shards = shards;
	idx->bits = bits;
	idx->order = order;
	for (i = 0; i < ARRAY_SIZE(idx->boot); i++)
		rehome_objects(idx, &idx->boot[i]);
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
 * kmemleak_index_clear() - forget every object, free the grown shards
 * @t: tracker
 *
 * The entries are left to kmemleak_pool_reset().
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
