// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pointers that move. "churn" starts a thread on each CPU. The threads move blocks between
 * slots, lists, trees and hash tables, and give blocks to RCU, until another command comes.
 * No block is lost, so each block that a scan reports meanwhile is a false alarm. "moves"
 * tells how many moves there were. The selftests precision.sh and rules.sh scan meanwhile.
 */

#include <linux/cpumask.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/maple_tree.h>
#include <linux/prandom.h>
#include <linux/rcupdate.h>
#include <linux/rculist.h>
#include <linux/rhashtable.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>
#include <linux/xarray.h>

#include "torture.h"

#define NR_THREADS_MAX	16
#define NR_SLOTS	4096
#define NR_IN_SLOTS	1024
#define NR_LISTS	8
#define NR_IN_LISTS	1024
#define NR_IN_TREES	512
#define NR_KEYS		4096

/**
 * struct block - a block that moves
 * @list: link in a list, or unused
 * @hnode: link in a hash list, or unused
 * @hash: link in a hash table, or unused
 * @rcu: for RCU, once the block was given to it
 * @key: key of the block in a tree or a hash table
 * @child: a block that only this one points to, or NULL
 */
struct block {
	struct list_head list;
	struct hlist_node hnode;
	struct rhash_head hash;
	struct rcu_head rcu;
	unsigned long key;
	void *child;
};

/**
 * struct churn - a thread, and the places between which it moves blocks
 * @rnd: chooses the moves
 * @slots: a large array; few of its slots are used
 * @lists: doubly linked lists
 * @hlists: lists whose head is a single pointer
 * @replaced: a list in which copies replace blocks
 * @xa: blocks by index
 * @maple: blocks by index
 * @table: blocks by key; it grows and shrinks
 * @out: blocks that are not in @table
 * @in_table: number of blocks in @table
 * @filling: blocks go into @table, not out of it
 * @moves: number of moves so far
 */
struct churn {
	struct rnd_state rnd;
	struct block **slots;
	struct list_head lists[NR_LISTS];
	struct hlist_head hlists[NR_LISTS];
	struct list_head replaced;
	struct xarray xa;
	struct maple_tree maple;
	struct rhashtable table;
	struct block *out[NR_IN_TREES];
	unsigned int in_table;
	bool filling;
	unsigned long moves;
};

static struct churn *churns[NR_THREADS_MAX];
static struct task_struct *threads[NR_THREADS_MAX];
static unsigned int nr_churns;

/* All threads move these, each to a slot that another thread may be looking at. */
static struct block *shared[NR_SLOTS];

static const struct rhashtable_params table_params = {
	.key_len = sizeof(unsigned long),
	.key_offset = offsetof(struct block, key),
	.head_offset = offsetof(struct block, hash),
	.automatic_shrinking = true,
};

static u32 below(struct churn *c, u32 n)
{
	return prandom_u32_state(&c->rnd) % n;
}

static struct block *new_block(void)
{
	return kzalloc(sizeof(struct block), GFP_KERNEL | __GFP_NOWARN);
}

static void free_block(struct block *block)
{
	if (block)
		kfree(block->child);
	kfree(block);
}

static void free_block_rcu(struct rcu_head *rcu)
{
	free_block(container_of(rcu, struct block, rcu));
}

/* --------------------------------------------------------------- moves -- */

/* Between the two writes, only a register holds the pointer. */
static noinline void move_slot(struct churn *c)
{
	u32 from = below(c, NR_SLOTS), to = below(c, NR_SLOTS);
	struct block *block = c->slots[from];

	if (!block || c->slots[to])
		return;
	WRITE_ONCE(c->slots[from], NULL);
	barrier();
	WRITE_ONCE(c->slots[to], block);
}

static noinline void move_shared(struct churn *c)
{
	struct block *block = xchg(&shared[below(c, NR_SLOTS)], NULL);

	while (block)
		block = xchg(&shared[below(c, NR_SLOTS)], block);
}

static noinline void move_lists(struct churn *c)
{
	struct list_head *from = &c->lists[below(c, NR_LISTS)], *to = &c->lists[below(c, NR_LISTS)];
	struct hlist_head *hfrom = &c->hlists[below(c, NR_LISTS)];
	struct hlist_head *hto = &c->hlists[below(c, NR_LISTS)];

	if (from != to && below(c, 2))
		list_splice_tail_init(from, to);
	else if (!list_empty(from))
		list_move(from->prev, to);
	if (hlist_empty(hfrom))
		return;
	if (hlist_empty(hto)) {
		hlist_move_list(hfrom, hto);
	} else {
		struct hlist_node *node = hfrom->first;

		hlist_del(node);
		hlist_add_head(node, hto);
	}
}

/* A copy replaces the first block of a list. The block is freed after a grace period. */
static noinline void replace_rcu(struct churn *c)
{
	struct block *old = list_first_entry(&c->replaced, struct block, list);
	struct block *new = new_block();

	if (!new)
		return;
	new->child = old->child;
	list_replace_rcu(&old->list, &new->list);
	list_move_tail(&new->list, &c->replaced);
	kfree_rcu(old, rcu);
}

/* Until the callback runs, only RCU's queue points to the block, and only that to its child. */
static noinline void queue_with_child(struct churn *c)
{
	struct block *block = new_block();

	if (!block)
		return;
	block->child = kmalloc(72, GFP_KERNEL | __GFP_NOWARN);
	call_rcu(&block->rcu, free_block_rcu);
}

static noinline void queue_headless(struct churn *c)
{
	kvfree_rcu_mightsleep(new_block());
}

static noinline void move_xarray(struct churn *c)
{
	unsigned long to = (unsigned long)below(c, NR_KEYS) << below(c, 20);
	unsigned long key = below(c, NR_KEYS);
	struct block *block = xa_find(&c->xa, &key, ULONG_MAX, XA_PRESENT);

	if (!block || xa_insert(&c->xa, to, block, GFP_KERNEL | __GFP_NOWARN))
		return;
	xa_erase(&c->xa, key);
}

static noinline void move_maple(struct churn *c)
{
	unsigned long to = below(c, NR_KEYS), key = below(c, NR_KEYS);
	struct block *block = mt_find(&c->maple, &key, ULONG_MAX);

	if (!block || mtree_insert(&c->maple, to, block, GFP_KERNEL | __GFP_NOWARN))
		return;
	mtree_erase(&c->maple, block->key);
	block->key = to;
}

/* Fills and empties the table in turns, so that it grows and shrinks. */
static noinline void move_table(struct churn *c)
{
	unsigned long key = below(c, NR_IN_TREES);
	struct block *block = c->out[key];

	if (c->filling && block) {
		if (rhashtable_insert_fast(&c->table, &block->hash, table_params))
			return;
		c->out[key] = NULL;
		if (++c->in_table > NR_IN_TREES - 16)
			c->filling = false;
	} else if (!c->filling && !block) {
		block = rhashtable_lookup_fast(&c->table, &key, table_params);
		if (!block || rhashtable_remove_fast(&c->table, &block->hash, table_params))
			return;
		c->out[key] = block;
		if (--c->in_table < 16)
			c->filling = true;
	}
}

static void (* const moves[])(struct churn *c) = {
	move_slot, move_slot, move_shared, move_shared, move_lists, move_lists,
	replace_rcu, queue_with_child, queue_headless, move_xarray, move_maple, move_table,
};

static int run(void *arg)
{
	struct churn *c = arg;
	unsigned int n = 0;

	while (!kthread_should_stop()) {
		moves[below(c, ARRAY_SIZE(moves))](c);
		WRITE_ONCE(c->moves, c->moves + 1);
		if (++n % 64)
			continue;
		cond_resched();
		/* Give RCU time to free the queued blocks. */
		if (!(n % 4096))
			schedule_timeout_interruptible(1);
	}
	torture_wipe_stack(6);
	return 0;
}

/* ------------------------------------------------------ begin and end -- */

static int fill(struct churn *c)
{
	unsigned int i;

	for (i = 0; i < NR_IN_SLOTS; i++) {
		c->slots[i] = new_block();
		if (!c->slots[i])
			return -ENOMEM;
	}
	for (i = 0; i < NR_IN_LISTS; i++) {
		struct block *block = new_block(), *hblock = new_block(), *replaced = new_block();

		if (block)
			list_add(&block->list, &c->lists[i % NR_LISTS]);
		if (hblock)
			hlist_add_head(&hblock->hnode, &c->hlists[i % NR_LISTS]);
		if (replaced) {
			list_add(&replaced->list, &c->replaced);
			replaced->child = kmalloc(40, GFP_KERNEL);
		}
		if (!block || !hblock || !replaced)
			return -ENOMEM;
	}
	for (i = 0; i < NR_IN_TREES; i++) {
		struct block *block = new_block();

		if (!block || xa_insert(&c->xa, i, block, GFP_KERNEL))
			goto unplaced;
		block = new_block();
		if (!block)
			return -ENOMEM;
		block->key = i;
		if (mtree_insert(&c->maple, i, block, GFP_KERNEL))
			goto unplaced;
		block = new_block();
		if (!block)
			return -ENOMEM;
		block->key = i;
		c->out[i] = block;
		continue;
unplaced:
		kfree(block);
		return -ENOMEM;
	}
	return 0;
}

static void free_hashed(void *ptr, void *arg)
{
	free_block(ptr);
}

static void empty(struct churn *c)
{
	struct block *block, *next;
	struct hlist_node *hnext;
	unsigned long key = 0;
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++)
		free_block(c->slots[i]);
	for (i = 0; i < NR_LISTS; i++) {
		list_for_each_entry_safe(block, next, &c->lists[i], list)
			free_block(block);
		hlist_for_each_entry_safe(block, hnext, &c->hlists[i], hnode)
			free_block(block);
	}
	list_for_each_entry_safe(block, next, &c->replaced, list)
		free_block(block);
	xa_for_each(&c->xa, key, block)
		free_block(block);
	xa_destroy(&c->xa);
	key = 0;
	mt_for_each(&c->maple, block, key, ULONG_MAX)
		free_block(block);
	mtree_destroy(&c->maple);
	for (i = 0; i < NR_IN_TREES; i++)
		free_block(c->out[i]);
	rhashtable_free_and_destroy(&c->table, free_hashed, NULL);
	vfree(c->slots);
	kfree(c);
}

static int add_churn(void)
{
	struct churn *c = kzalloc(sizeof(*c), GFP_KERNEL);
	unsigned int i;

	if (!c)
		return -ENOMEM;
	c->slots = vzalloc(array_size(NR_SLOTS, sizeof(c->slots[0])));
	if (!c->slots || rhashtable_init(&c->table, &table_params)) {
		vfree(c->slots);
		kfree(c);
		return -ENOMEM;
	}
	c->filling = true;
	prandom_seed_state(&c->rnd, nr_churns + 1);
	for (i = 0; i < NR_LISTS; i++)
		INIT_LIST_HEAD(&c->lists[i]);
	INIT_LIST_HEAD(&c->replaced);
	xa_init(&c->xa);
	mt_init(&c->maple);
	churns[nr_churns++] = c;
	return fill(c);
}

/* churn: moves blocks on each CPU until another command comes; "moves" lets it go on */
int torture_churn(int argc, char **argv)
{
	unsigned int cpu, i;
	int ret = 0;

	if (argc)
		return -EINVAL;
	for (i = 0; i < NR_IN_SLOTS; i++)
		shared[i] = new_block();
	for_each_online_cpu(cpu) {
		if (nr_churns == NR_THREADS_MAX)
			break;
		ret = add_churn();
		if (ret)
			return ret;
		i = nr_churns - 1;
		threads[i] = kthread_create_on_cpu(run, churns[i], cpu, "kmemleak_churn/%u");
		if (IS_ERR(threads[i])) {
			ret = PTR_ERR(threads[i]);
			threads[i] = NULL;
			return ret;
		}
		wake_up_process(threads[i]);
	}
	return 0;
}

/* moves: tells the number of moves since "churn" */
int torture_moves(int argc, char **argv)
{
	unsigned long sum = 0;
	unsigned int i;

	if (argc)
		return -EINVAL;
	for (i = 0; i < nr_churns; i++)
		sum += READ_ONCE(churns[i]->moves);
	torture_say("# churn moves %lu\n", sum);
	return 0;
}

void torture_churn_reset(void)
{
	unsigned int i;

	for (i = 0; i < nr_churns; i++) {
		if (threads[i])
			kthread_stop(threads[i]);
		threads[i] = NULL;
	}
	while (nr_churns) {
		empty(churns[--nr_churns]);
		churns[nr_churns] = NULL;
	}
	for (i = 0; i < NR_SLOTS; i++) {
		free_block(shared[i]);
		shared[i] = NULL;
	}
	/* Wait for the RCU callbacks: they run code of this module. */
	rcu_barrier();
}
