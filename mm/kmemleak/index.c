// SPDX-License-Identifier: GPL-2.0-only
/*
 * The index: finds the object that holds an address.
 *
 * An object inside one region lives in the shard its region hashes to, so that
 * CPUs that work on different slabs take different locks and walk short trees.
 * The few objects that cross a region boundary are wide and live in one tree
 * per class of addresses. A shard counts the wide objects that touch its
 * regions; where none does, a miss in the shard is the final answer.
 *
 * This file knows objects by address only; what they mean is core.c's.
 */
#include "index.h"

/* The object of @root that shares a byte with [start, start + size), or NULL. */
static struct kmemleak_object *tree_overlap(const struct rb_root *root,
					    unsigned long start, size_t size)
{
	struct rb_node *node = root->rb_node;

	while (node) {
		struct kmemleak_object *obj = rb_entry(node, struct kmemleak_object, node);

		if (last_of(start, size) < obj->start)
			node = node->rb_left;
		else if (start > last_of(obj->start, obj->size))
			node = node->rb_right;
		else
			return obj;
	}
	return NULL;
}

static __always_inline void link_locked(struct kmemleak_shard *shard, struct kmemleak_object *obj,
					struct rb_node *parent, struct rb_node **link)
{
	/* Pairs with descent_ends(), as in every change of a tree. */
	raw_write_seqcount_begin(&shard->seq);
	rb_link_node(&obj->node, parent, link);
	rb_insert_color(&obj->node, &shard->root);
	obj->flags |= KMEMLEAK_LIVE;
	raw_write_seqcount_end(&shard->seq);
	shard->last = obj;
	shard->gap = NULL;
}

/* Where below @parent an object that begins at @start belongs. */
static struct rb_node **child_link(struct kmemleak_object *parent, unsigned long start)
{
	return start < parent->start ? &parent->node.rb_left : &parent->node.rb_right;
}

/*
 * Between two neighbours there is one place only to link an object: below one of
 * them, on the side of the other. So where a leaf was, there is room for it again
 * as long as nothing else was linked or erased and that place is empty.
 */
static __always_inline void erase_locked(struct kmemleak_shard *shard, struct kmemleak_object *obj)
{
	bool leaf = !obj->node.rb_left && !obj->node.rb_right;
	struct rb_node *parent = rb_parent(&obj->node);

	if (shard->last == obj)
		shard->last = NULL;
	rb_erase(&obj->node, &shard->root);
	shard->gap = NULL;
	if (!leaf || !parent || obj->size > U32_MAX)
		return;
	shard->gap = rb_entry(parent, struct kmemleak_object, node);
	shard->gap_start = obj->start;
	shard->gap_size = obj->size;
	/* Rebalancing leaves it empty; but that is for the tree to know. */
	if (unlikely(*child_link(shard->gap, obj->start)))
		shard->gap = NULL;
}

/*
 * What overlaps, if anything does, is among the two neighbours, so on the way down
 * only starts are compared.
 *
 * Return: the object that is in the way, or NULL and @obj is in the tree.
 */
static __always_inline struct kmemleak_object *insert_locked(struct kmemleak_shard *shard,
							     struct kmemleak_object *obj)
{
	struct rb_node **link = &shard->root.rb_node, *parent = NULL;
	struct kmemleak_object *before = NULL, *behind = NULL;
	unsigned long start = obj->start;

	if (shard->gap && shard->gap_start == start && obj->size <= shard->gap_size) {
		parent = &shard->gap->node;
		link_locked(shard, obj, parent, child_link(shard->gap, start));
		return NULL;
	}
	while (*link) {
		struct kmemleak_object *other = rb_entry(*link, struct kmemleak_object, node);

		parent = *link;
		if (start < other->start) {
			behind = other;
			link = &parent->rb_left;
		} else {
			before = other;
			link = &parent->rb_right;
		}
	}
	if (before && start - before->start < before->size)
		return before;
	if (behind && behind->start - start < obj->size)
		return behind;
	link_locked(shard, obj, parent, link);
	return NULL;
}

/* The caller knows that nothing in @shard overlaps @obj. */
void kmemleak_shard_link_locked(struct kmemleak_shard *shard, struct kmemleak_object *obj)
{
	lockdep_assert_held(&shard->lock);
	insert_locked(shard, obj);
}

/* Interrupts are off. */
static __always_inline int tree_insert(struct kmemleak_shard *shard, struct kmemleak_object *obj,
				       struct kmemleak_ref *clash)
{
	struct kmemleak_object *other;

	raw_spin_lock(&shard->lock);
	other = insert_locked(shard, obj);
	if (unlikely(other))
		*clash = (struct kmemleak_ref){ other, other->start };
	raw_spin_unlock(&shard->lock);
	return other ? -EEXIST : 0;
}

static bool too_wide_to_cover(const struct kmemleak_index *idx, unsigned long start, size_t size)
{
	return region_of(last_of(start, size)) - region_of(start) >= 1UL << idx->bits;
}

/* Undoes kmemleak_index_cover() for regions [first, end). */
static void uncover_regions(struct kmemleak_index *idx, unsigned long first, unsigned long end)
{
	unsigned long region, irq;

	for (region = first; region != end; region++) {
		struct kmemleak_shard *shard = shard_of_region(idx, region);

		raw_spin_lock_irqsave(&shard->lock, irq);
		shard->cover--;
		raw_spin_unlock_irqrestore(&shard->lock, irq);
	}
}

static void uncover(struct kmemleak_index *idx, unsigned long start, size_t size)
{
	if (too_wide_to_cover(idx, start, size))
		atomic_dec(&idx->cover_all);
	else
		uncover_regions(idx, region_of(start), region_of(last_of(start, size)) + 1);
}

/*
 * Makes look-ups in every region of a wide object go on to the wide trees. With
 * @clash, looks on the way for narrow objects that overlap; then nothing is
 * covered and -EEXIST is returned.
 */
int kmemleak_index_cover(struct kmemleak_index *idx, unsigned long start, size_t size,
			 struct kmemleak_ref *clash)
{
	unsigned long first = region_of(start), end = region_of(last_of(start, size)) + 1;
	struct kmemleak_object *other = NULL;
	unsigned long region, irq;

	if (too_wide_to_cover(idx, start, size)) {
		atomic_inc(&idx->cover_all);
		return 0;
	}
	for (region = first; region != end && !other; region++) {
		struct kmemleak_shard *shard = shard_of_region(idx, region);

		raw_spin_lock_irqsave(&shard->lock, irq);
		if (clash)
			other = tree_overlap(&shard->root, start, size);
		if (other)
			*clash = (struct kmemleak_ref){ other, other->start };
		else
			shard->cover++;
		raw_spin_unlock_irqrestore(&shard->lock, irq);
	}
	if (!other)
		return 0;
	uncover_regions(idx, first, region - 1);
	return -EEXIST;
}

static bool covered(struct kmemleak_index *idx, struct kmemleak_shard *shard)
{
	/* A stale 0 is seen only by callers that race with the allocation itself. */
	return READ_ONCE(shard->cover) || atomic_read(&idx->cover_all);
}

/* Does a wide object overlap? For narrow objects about to be inserted. */
static bool wide_overlap(struct kmemleak_index *idx, const struct kmemleak_object *obj,
			 struct kmemleak_ref *clash)
{
	struct kmemleak_shard *wide = wide_of(idx, KMEMLEAK_VIRT, obj->start);
	struct kmemleak_object *other;

	raw_spin_lock(&wide->lock);
	other = tree_overlap(&wide->root, obj->start, obj->size);
	if (other)
		*clash = (struct kmemleak_ref){ other, other->start };
	raw_spin_unlock(&wide->lock);
	return other;
}

/* Before the insertion: the object must not be live outside of the bounds. */
static void widen_bounds(struct kmemleak_index *idx, enum kmemleak_space space,
			 const struct kmemleak_object *obj)
{
	if (kmemleak_colour(obj).min_count && !(obj->flags & KMEMLEAK_IGNORE) &&
	    unlikely(!inside_bounds(idx, space, obj->start, obj->size)))
		kmemleak_bounds_widen(idx, space, obj->start, obj->size);
}

/**
 * kmemleak_index_insert_irqs_off() - add an object that is not wide
 * @t: tracker
 * @obj: as for kmemleak_index_insert()
 * @clash: as there
 *
 * Context: interrupts off, not NMI.
 * Return: as kmemleak_index_insert().
 */
int kmemleak_index_insert_irqs_off(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				   struct kmemleak_ref *clash)
{
	enum kmemleak_space space = kmemleak_object_space(obj);
	struct kmemleak_index *idx = &t->index;
	struct kmemleak_shard *shard;

	widen_bounds(idx, space, obj);
	if (unlikely(space != KMEMLEAK_VIRT))
		return tree_insert(&idx->other[space], obj, clash);
	shard = shard_of_region(idx, region_of(obj->start));
	if (covered(idx, shard) && wide_overlap(idx, obj, clash))
		return -EEXIST;
	return tree_insert(shard, obj, clash);
}

/**
 * kmemleak_index_insert() - add an object
 * @t: tracker
 * @obj: filled in, not live; its start was written with release
 * @clash: where to tell which object is in the way
 *
 * An object wider than all shards' regions together is not held against the
 * narrow ones.
 *
 * Context: any but NMI.
 * Return: 0, or -EEXIST with @clash set; that object may go at any time.
 */
int kmemleak_index_insert(struct kmemleak_tracker *t, struct kmemleak_object *obj,
			  struct kmemleak_ref *clash)
{
	enum kmemleak_space space = kmemleak_object_space(obj);
	struct kmemleak_index *idx = &t->index;
	unsigned long irq;
	int ret;

	if (!kmemleak_index_is_wide(space, obj->start, obj->size)) {
		local_irq_save(irq);
		ret = kmemleak_index_insert_irqs_off(t, obj, clash);
		local_irq_restore(irq);
		return ret;
	}

	widen_bounds(idx, space, obj);
	obj->flags |= KMEMLEAK_WIDE;
	ret = kmemleak_index_cover(idx, obj->start, obj->size, clash);
	if (ret)
		return ret;
	local_irq_save(irq);
	ret = tree_insert(wide_of(idx, space, obj->start), obj, clash);
	local_irq_restore(irq);
	if (ret)
		uncover(idx, obj->start, obj->size);
	return ret;
}

static struct kmemleak_object *find_and_lock(struct kmemleak_shard *shard, unsigned long addr,
					     struct kmemleak_lookup *at)
{
	struct kmemleak_object *obj;

	raw_spin_lock_irqsave(&shard->lock, at->irq);
	obj = tree_overlap(&shard->root, addr, 1);
	if (obj)
		at->shard = shard;
	else
		raw_spin_unlock_irqrestore(&shard->lock, at->irq);
	return obj;
}

/**
 * kmemleak_index_find() - the object that holds an address
 * @t: tracker
 * @space: space of @addr
 * @addr: any address inside the block
 * @at: for kmemleak_index_unlock()
 *
 * Context: any but NMI, no shard lock held.
 * Return: the object with its shard locked and interrupts off, or NULL.
 */
struct kmemleak_object *kmemleak_index_find(struct kmemleak_tracker *t, enum kmemleak_space space,
					    unsigned long addr, struct kmemleak_lookup *at)
{
	struct kmemleak_index *idx = &t->index;
	struct kmemleak_shard *shard;
	struct kmemleak_object *obj;

	if (space == KMEMLEAK_VIRT) {
		shard = shard_of_region(idx, region_of(addr));
		obj = find_and_lock(shard, addr, at);
		if (obj || !covered(idx, shard))
			return obj;
	}
	return find_and_lock(wide_of(idx, space, addr), addr, at);
}

/* The object of a tree that begins at @start, with the lock held, or NULL. */
static __always_inline struct kmemleak_object *start_and_lock(struct kmemleak_shard *shard,
							      unsigned long start,
							      struct kmemleak_lookup *at)
{
	struct kmemleak_object *obj;
	struct rb_node *node;

	raw_spin_lock_irqsave(&shard->lock, at->irq);
	at->shard = shard;
	obj = shard->last;
	if (obj && obj->start == start)
		return obj;
	node = shard->root.rb_node;
	while (node) {
		obj = rb_entry(node, struct kmemleak_object, node);
		if (obj->start == start)
			return obj;
		node = start < obj->start ? node->rb_left : node->rb_right;
	}
	raw_spin_unlock_irqrestore(&shard->lock, at->irq);
	return NULL;
}

/**
 * kmemleak_index_find_start() - the object that begins at an address
 * @t: tracker
 * @space: space of @start
 * @start: first byte of the block; any other address finds nothing
 * @at: for kmemleak_index_unlock()
 *
 * Context: any but NMI, no shard lock held.
 * Return: the object with its shard locked and interrupts off, or NULL.
 */
struct kmemleak_object *kmemleak_index_find_start(struct kmemleak_tracker *t,
						  enum kmemleak_space space, unsigned long start,
						  struct kmemleak_lookup *at)
{
	struct kmemleak_index *idx = &t->index;
	struct kmemleak_shard *shard;
	struct kmemleak_object *obj;

	if (likely(space == KMEMLEAK_VIRT)) {
		shard = shard_of_region(idx, region_of(start));
		obj = start_and_lock(shard, start, at);
		if (likely(obj) || !covered(idx, shard))
			return obj;
	}
	return start_and_lock(wide_of(idx, space, start), start, at);
}

/* No sound tree of entries that memory can hold is deeper. */
#define MAX_DEPTH	128

/**
 * struct descent - a way down a tree without its lock
 * @shard: shard of the tree
 * @seq: its sequence number at the beginning
 * @node: where the way has come to, NULL at its end
 *
 * Entries are never unmapped during a mark, so this reads memory that
 * is there. Whoever changes the tree meanwhile can lead it astray, at worst
 * through entries in other use; then the sequence number has changed.
 */
struct descent {
	struct kmemleak_shard *shard;
	unsigned int seq;
	struct rb_node *node;
};

static void descend_from(struct descent *d, struct kmemleak_shard *shard,
			 struct kmemleak_glimpse *seen)
{
	d->shard = shard;
	d->seq = raw_read_seqcount(&shard->seq);
	d->node = READ_ONCE(shard->root.rb_node);
	seen->found = false;
}

static void descend(struct descent *d, unsigned long addr, struct kmemleak_glimpse *seen)
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

static void descent_ends(const struct descent *d, struct kmemleak_glimpse *seen)
{
	/* Pairs with the raw_write_seqcount_begin()s under the shard's lock. */
	seen->sure = !d->node && !(d->seq & 1) && !read_seqcount_retry(&d->shard->seq, d->seq);
	seen->found &= seen->sure;
}

static void peek_tree(struct kmemleak_shard *shard, unsigned long addr,
		      struct kmemleak_glimpse *seen)
{
	struct descent d;
	unsigned int depth;

	descend_from(&d, shard, seen);
	for (depth = 0; d.node && depth < MAX_DEPTH; depth++)
		descend(&d, addr, seen);
	descent_ends(&d, seen);
}

/**
 * kmemleak_index_peek() - find the object of an address without a lock
 * @t: tracker
 * @space: space of @addr
 * @addr: any address
 * @seen: filled in; if it is not sure, look with kmemleak_index_find()
 *
 * Context: any; the caller keeps the pool from being trimmed.
 */
void kmemleak_index_peek(struct kmemleak_tracker *t, enum kmemleak_space space,
			 unsigned long addr, struct kmemleak_glimpse *seen)
{
	struct kmemleak_index *idx = &t->index;

	if (space == KMEMLEAK_VIRT) {
		struct kmemleak_shard *shard = shard_of_region(idx, region_of(addr));

		peek_tree(shard, addr, seen);
		if (!seen->sure || seen->found || !covered(idx, shard))
			return;
	}
	peek_tree(wide_of(idx, space, addr), addr, seen);
}

/**
 * kmemleak_index_peek_many() - several looks at once
 * @t: tracker
 * @addr: @nr addresses in VIRT
 * @seen: filled in, one for each
 * @nr: at most KMEMLEAK_PEEKS
 *
 * All go down one level after the other, so that each waits for memory while the
 * others do.
 *
 * Context: any; the caller keeps the pool from being trimmed.
 */
void kmemleak_index_peek_many(struct kmemleak_tracker *t, const unsigned long *addr,
			      struct kmemleak_glimpse *seen, unsigned int nr)
{
	struct kmemleak_index *idx = &t->index;
	struct descent d[KMEMLEAK_PEEKS];
	unsigned int i, depth;
	bool more = true;

	for (i = 0; i < nr; i++)
		prefetch(shard_of_region(idx, region_of(addr[i])));
	for (i = 0; i < nr; i++) {
		descend_from(&d[i], shard_of_region(idx, region_of(addr[i])), &seen[i]);
		prefetch(d[i].node);
	}
	for (depth = 0; more && depth < MAX_DEPTH; depth++) {
		more = false;
		for (i = 0; i < nr; i++) {
			if (!d[i].node)
				continue;
			descend(&d[i], addr[i], &seen[i]);
			prefetch(d[i].node);
			more = true;
		}
	}
	for (i = 0; i < nr; i++) {
		descent_ends(&d[i], &seen[i]);
		if (seen[i].sure && !seen[i].found && covered(idx, d[i].shard))
			peek_tree(wide_of(idx, KMEMLEAK_VIRT, addr[i]), addr[i], &seen[i]);
	}
}

static bool live_as(const struct kmemleak_object *obj, u16 flags)
{
	const u16 kind = KMEMLEAK_WIDE | KMEMLEAK_SPACE_MASK;

	/* Acquire: later reads are not older than this one. */
	return (smp_load_acquire(&obj->flags) & (KMEMLEAK_LIVE | kind)) ==
	       (KMEMLEAK_LIVE | (flags & kind));
}

/**
 * kmemleak_index_relock() - is a remembered object still the same?
 * @t: tracker
 * @ref: a remembered object; it may be gone, its entry in other use
 * @at: for kmemleak_index_unlock()
 *
 * @ref.start tells which lock would guard the object if it were still there.
 * An entry is reused by clearing LIVE, writing start with release, and only
 * then inserting under the lock of the new start's shard. So whoever holds a
 * lock, reads ref.start there with acquire and then sees LIVE, holds the lock
 * of that object.
 *
 * Return: the object, locked as by kmemleak_index_find(), or NULL.
 */
struct kmemleak_object *kmemleak_index_relock(struct kmemleak_tracker *t, struct kmemleak_ref ref,
					      struct kmemleak_lookup *at)
{
	struct kmemleak_index *idx = &t->index;
	/* Lockless: only chooses a lock; looked at again once that is held. */
	u16 flags = READ_ONCE(ref.obj->flags);
	enum kmemleak_space space = flags & KMEMLEAK_SPACE_MASK;

	if (space == KMEMLEAK_VIRT && !(flags & KMEMLEAK_WIDE))
		at->shard = shard_of_region(idx, region_of(ref.start));
	else if (space < KMEMLEAK_NR_SPACES)
		at->shard = wide_of(idx, space, ref.start);
	else
		return NULL;

	raw_spin_lock_irqsave(&at->shard->lock, at->irq);
	/*
	 * Live before and after: between two looks the entry may have got an owner in
	 * another tree. Pairs with the release in fill_object() and in
	 * kmemleak_index_trim_unlock().
	 */
	if (live_as(ref.obj, flags) && smp_load_acquire(&ref.obj->start) == ref.start &&
	    live_as(ref.obj, flags))
		return ref.obj;
	kmemleak_index_unlock(at);
	return NULL;
}

/**
 * kmemleak_index_unlock() - end of what a find or relock began
 * @at: as filled in there
 */
void kmemleak_index_unlock(struct kmemleak_lookup *at)
{
	raw_spin_unlock_irqrestore(&at->shard->lock, at->irq);
}

/**
 * kmemleak_index_erase_unlock() - take a found object out, release its lock
 * @t: tracker
 * @obj: as returned by find or relock
 * @at: as filled in there
 *
 * Afterwards no marker finds the object, nor reads the block unless that is always
 * mapped; the caller owns the entry. Interrupts stay off until the caller restores
 * @at->irq, so that it can give the entry back first.
 */
void kmemleak_index_erase_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				 struct kmemleak_lookup *at)
{
	lockdep_assert_held(&at->shard->lock);
	raw_write_seqcount_begin(&at->shard->seq);
	erase_locked(at->shard, obj);
	WRITE_ONCE(obj->flags, obj->flags & ~KMEMLEAK_LIVE);
	raw_write_seqcount_end(&at->shard->seq);
	raw_spin_unlock(&at->shard->lock);
}

/**
 * kmemleak_index_replace_unlock() - another entry stands for a found object, release
 *	its lock
 * @t: tracker
 * @obj: as returned by find or relock; the caller owns the entry afterwards
 * @to: filled in like @obj, not live; its start was written with release
 * @at: as filled in by the look-up
 */
void kmemleak_index_replace_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				   struct kmemleak_object *to, struct kmemleak_lookup *at)
{
	struct kmemleak_shard *shard = at->shard;

	lockdep_assert_held(&shard->lock);
	raw_write_seqcount_begin(&shard->seq);
	rb_replace_node(&obj->node, &to->node, &shard->root);
	WRITE_ONCE(obj->flags, obj->flags & ~KMEMLEAK_LIVE);
	WRITE_ONCE(to->flags, to->flags | KMEMLEAK_LIVE);
	raw_write_seqcount_end(&shard->seq);
	if (shard->last == obj)
		shard->last = to;
	if (shard->gap == obj)
		shard->gap = to;
	kmemleak_index_unlock(at);
}

/**
 * kmemleak_index_forget_wide() - look-ups need not go on to an erased wide object
 * @t: tracker
 * @start: its first byte
 * @size: its size
 *
 * Context: any but NMI. Takes a lock for each region, so not with interrupts off.
 */
void kmemleak_index_forget_wide(struct kmemleak_tracker *t, unsigned long start, size_t size)
{
	uncover(&t->index, start, size);
}

/**
 * kmemleak_index_trim_unlock() - shrink a found object, release its lock
 * @t: tracker
 * @obj: as returned by find or relock
 * @start: its new first byte, inside the old block
 * @size: its new size; the new block lies inside the old one
 * @tail: another object for a later part of the old block, or NULL; filled in
 *	with the same flags, not live
 * @at: as filled in by the look-up
 *
 * A wide object stays in its tree even if it no longer crosses a region, so
 * that no look-up misses it on the way from one tree to another.
 */
void kmemleak_index_trim_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				unsigned long start, size_t size, struct kmemleak_object *tail,
				struct kmemleak_lookup *at)
{
	unsigned long old_start = obj->start, tail_start = tail ? tail->start : 0;
	size_t old_size = obj->size, tail_size = tail ? tail->size : 0;
	bool wide = obj->flags & KMEMLEAK_WIDE;

	lockdep_assert_held(&at->shard->lock);
	raw_write_seqcount_begin(&at->shard->seq);
	/* Pairs with kmemleak_index_relock(). */
	smp_store_release(&obj->start, start);
	WRITE_ONCE(obj->size, size);
	raw_write_seqcount_end(&at->shard->seq);
	if (tail)
		kmemleak_shard_link_locked(at->shard, tail);
	kmemleak_index_unlock(at);

	if (!wide)
		return;
	/* First more, then less, so that no region is ever uncovered too early. */
	kmemleak_index_cover(&t->index, start, size, NULL);
	if (tail_size)
		kmemleak_index_cover(&t->index, tail_start, tail_size, NULL);
	uncover(&t->index, old_start, old_size);
}
