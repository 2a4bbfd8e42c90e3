// SPDX-License-Identifier: GPL-2.0-only
/*
 * The index: finds the object that holds an address.
 *
 * An object that lies inside one region is in the shard that the region hashes to. So
 * CPUs that work on different slabs take different locks and search short trees. The few
 * objects that cross a region boundary are wide. They are in one tree per class of
 * addresses. Each shard counts the wide objects that touch its regions. If there are none,
 * a look-up that misses in the shard is finished.
 *
 * Only addresses and sizes matter here. block.c handles entries, attributes and opaque blocks.
 */
#include "index.h"
#include "tracker.h"

/* Return: an object of @root that overlaps [start, start + size), or NULL. */
static struct kmemleak_object *find_overlap(const struct rb_root *root,
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

static __always_inline void link_node_locked(struct kmemleak_shard *shard,
					     struct kmemleak_object *obj, struct rb_node *parent,
					     struct rb_node **link)
{
	lockdep_assert_held(&shard->lock);
	/* Pairs with finish_descent() and kmemleak_index_check(), as do all changes of a tree. */
	raw_write_seqcount_begin(&shard->seq);
	rb_link_node(&obj->node, parent, link);
	rb_insert_color(&obj->node, &shard->root);
	obj->flags |= KMEMLEAK_LIVE;
	raw_write_seqcount_end(&shard->seq);
	shard->last = obj;
}

static __always_inline void erase_node_locked(struct kmemleak_shard *shard,
					      struct kmemleak_object *obj)
{
	lockdep_assert_held(&shard->lock);
	if (shard->last == obj)
		shard->last = NULL;
	rb_erase(&obj->node, &shard->root);
}

/*
 * Only the two neighbours can overlap a new object, so the way down compares only starts.
 *
 * Return: NULL if @obj was inserted, else the object that overlaps it.
 */
static __always_inline struct kmemleak_object *insert_node_locked(struct kmemleak_shard *shard,
								  struct kmemleak_object *obj)
{
	struct rb_node **link = &shard->root.rb_node, *parent = NULL;
	struct kmemleak_object *before = NULL, *behind = NULL;
	unsigned long start = obj->start;

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
	link_node_locked(shard, obj, parent, link);
	return NULL;
}

/* Inserts an object. The caller knows that no object in @shard overlaps it. */
void kmemleak_index_link_locked(struct kmemleak_shard *shard, struct kmemleak_object *obj)
{
	lockdep_assert_held(&shard->lock);
	insert_node_locked(shard, obj);
}

/* Interrupts are off. */
static __always_inline int insert_into_shard(struct kmemleak_shard *shard,
					     struct kmemleak_object *obj,
					     struct kmemleak_ref *clash)
{
	struct kmemleak_object *other;

	raw_spin_lock(&shard->lock);
	other = insert_node_locked(shard, obj);
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

static void uncover_object(struct kmemleak_index *idx, unsigned long start, size_t size)
{
	if (too_wide_to_cover(idx, start, size))
		atomic_dec(&idx->cover_all);
	else
		uncover_regions(idx, region_of(start), region_of(last_of(start, size)) + 1);
}

/*
 * Makes look-ups in every region of a wide object go on to the wide trees. If @clash is not
 * NULL, this also checks whether a narrow object overlaps the wide object.
 * Return: 0; -EEXIST with @clash set if a narrow object overlaps; then no region is covered.
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
			other = find_overlap(&shard->root, start, size);
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

/* Does a wide object overlap @obj? @obj is narrow and about to be inserted. */
static bool find_wide_overlap(struct kmemleak_index *idx, const struct kmemleak_object *obj,
			      struct kmemleak_ref *clash)
{
	struct kmemleak_shard *wide = wide_of(idx, KMEMLEAK_VIRT, obj->start);
	struct kmemleak_object *other;

	raw_spin_lock(&wide->lock);
	other = find_overlap(&wide->root, obj->start, obj->size);
	if (other)
		*clash = (struct kmemleak_ref){ other, other->start };
	raw_spin_unlock(&wide->lock);
	return other;
}

/* Does this VIRT block lie within the bounds already? False for other spaces: they are rare. */
static bool inside_bounds(const struct kmemleak_index *idx, enum kmemleak_space space,
			  unsigned long start, size_t size)
{
	unsigned int class = class_of(idx, start);

	/* Pairs with kmemleak_index_bounds_widen(). */
	return space == KMEMLEAK_VIRT && start >= READ_ONCE(idx->low[class]) &&
	       last_of(start, size) < READ_ONCE(idx->high[class]);
}

/* Called before the insertion: a live object that can be white must lie within the bounds. */
static void widen_bounds(struct kmemleak_tracker *t, enum kmemleak_space space,
			 struct kmemleak_object *obj)
{
	if (!kmemleak_colour(obj).min_count || (obj->flags & KMEMLEAK_IGNORE) ||
	    likely(inside_bounds(&t->index, space, obj->start, obj->size)))
		return;
	kmemleak_index_bounds_widen(&t->index, space, obj->start, obj->size);
	/*
	 * A mark that began meanwhile may have read the bounds before. Pairs with
	 * kmemleak_mark_begin(); the cmpxchg() that widened the bounds is the barrier here.
	 */
	kmemleak_object_set_newborn(t, obj);
}

/**
 * kmemleak_index_insert_irqs_off() - add an object that is not wide
 * @t: tracker
 * @obj: as for kmemleak_index_insert()
 * @clash: as for kmemleak_index_insert()
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

	widen_bounds(t, space, obj);
	if (unlikely(space != KMEMLEAK_VIRT))
		return insert_into_shard(&idx->by_space[space], obj, clash);
	shard = shard_of_region(idx, region_of(obj->start));
	if (kmemleak_index_is_covered(idx, shard) && find_wide_overlap(idx, obj, clash))
		return -EEXIST;
	return insert_into_shard(shard, obj, clash);
}

/**
 * kmemleak_index_insert() - add an object
 * @t: tracker
 * @obj: filled in, not live; its start was written with release
 * @clash: set to the object that overlaps @obj
 *
 * If an object has more regions than there are shards, this does not check whether it
 * overlaps narrow objects.
 *
 * Context: any but NMI.
 * Return: 0, or -EEXIST with @clash set. The object in @clash may be erased at any time.
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

	widen_bounds(t, space, obj);
	obj->flags |= KMEMLEAK_WIDE;
	ret = kmemleak_index_cover(idx, obj->start, obj->size, clash);
	if (ret)
		return ret;
	local_irq_save(irq);
	ret = insert_into_shard(wide_of(idx, space, obj->start), obj, clash);
	local_irq_restore(irq);
	if (ret)
		uncover_object(idx, obj->start, obj->size);
	return ret;
}

static struct kmemleak_object *lock_object_at(struct kmemleak_shard *shard, unsigned long addr,
					      struct kmemleak_index_lock *at)
{
	struct kmemleak_object *obj;

	raw_spin_lock_irqsave(&shard->lock, at->irq);
	obj = find_overlap(&shard->root, addr, 1);
	if (obj)
		at->shard = shard;
	else
		raw_spin_unlock_irqrestore(&shard->lock, at->irq);
	return obj;
}

/**
 * kmemleak_index_find() - find the object that holds an address
 * @t: tracker
 * @space: space of @addr
 * @addr: any address inside the block
 * @at: for kmemleak_index_unlock()
 *
 * Context: any but NMI, no shard lock held.
 * Return: the object with its shard locked and interrupts off, or NULL.
 */
struct kmemleak_object *kmemleak_index_find(struct kmemleak_tracker *t, enum kmemleak_space space,
					    unsigned long addr, struct kmemleak_index_lock *at)
{
	struct kmemleak_index *idx = &t->index;
	struct kmemleak_shard *shard;
	struct kmemleak_object *obj;

	if (space == KMEMLEAK_VIRT) {
		shard = shard_of_region(idx, region_of(addr));
		obj = lock_object_at(shard, addr, at);
		if (obj || !kmemleak_index_is_covered(idx, shard))
			return obj;
	}
	return lock_object_at(wide_of(idx, space, addr), addr, at);
}

/* Return: the object of a tree that begins at @start, with the lock held, or NULL. */
static __always_inline struct kmemleak_object *lock_object_starting(struct kmemleak_shard *shard,
								    unsigned long start,
								    struct kmemleak_index_lock *at)
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
 * kmemleak_index_find_start() - find the object that begins at an address
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
						  struct kmemleak_index_lock *at)
{
	struct kmemleak_index *idx = &t->index;
	struct kmemleak_shard *shard;
	struct kmemleak_object *obj;

	if (likely(space == KMEMLEAK_VIRT)) {
		shard = shard_of_region(idx, region_of(start));
		obj = lock_object_starting(shard, start, at);
		if (likely(obj) || !kmemleak_index_is_covered(idx, shard))
			return obj;
	}
	return lock_object_starting(wide_of(idx, space, start), start, at);
}

static bool is_live_kind(const struct kmemleak_object *obj, u16 flags)
{
	const u16 kind = KMEMLEAK_WIDE | KMEMLEAK_SPACE_MASK;

	/* The reads of kmemleak_index_relock() must stay in order. */
	return (smp_load_acquire(&obj->flags) & (KMEMLEAK_LIVE | kind)) ==
	       (KMEMLEAK_LIVE | (flags & kind));
}

/**
 * kmemleak_index_relock() - is a remembered object still the same?
 * @t: tracker
 * @ref: a remembered object. It may be gone, and its entry in other use.
 * @at: for kmemleak_index_unlock()
 *
 * @ref.start tells which lock guards the object if the object is still there. An entry is
 * reused in three steps: clear LIVE, write the new start with release, and only then insert
 * the object under the lock of the new start's shard. So a CPU holds the lock of the object
 * if it holds a shard's lock, reads @ref.start in the entry with acquire, and then sees LIVE.
 *
 * Return: the object, locked as by kmemleak_index_find(), or NULL.
 */
struct kmemleak_object *kmemleak_index_relock(struct kmemleak_tracker *t, struct kmemleak_ref ref,
					      struct kmemleak_index_lock *at)
{
	struct kmemleak_index *idx = &t->index;
	/* Read without the lock, to choose a lock. Checked again under that lock. */
	u16 flags = READ_ONCE(ref.obj->flags);
	enum kmemleak_space space = flags & KMEMLEAK_SPACE_MASK;

	if (space == KMEMLEAK_VIRT && !(flags & KMEMLEAK_WIDE))
		at->shard = shard_of_region(idx, region_of(ref.start));
	else
		at->shard = wide_of(idx, space, ref.start);

	raw_spin_lock_irqsave(&at->shard->lock, at->irq);
	/*
	 * Check before and after the start is read that the object is live: meanwhile the
	 * entry may have become an object of another tree. Pairs with the release in
	 * fill_object(), fill_tail(), move_object() and kmemleak_index_trim_unlock().
	 */
	if (is_live_kind(ref.obj, flags) && smp_load_acquire(&ref.obj->start) == ref.start &&
	    is_live_kind(ref.obj, flags))
		return ref.obj;
	kmemleak_index_unlock(at);
	return NULL;
}

/**
 * kmemleak_index_unlock() - release the lock of a found object
 * @at: as filled in by find or relock
 */
void kmemleak_index_unlock(struct kmemleak_index_lock *at)
{
	raw_spin_unlock_irqrestore(&at->shard->lock, at->irq);
}

/**
 * kmemleak_index_erase_unlock() - erase a found object, release its lock
 * @t: tracker
 * @obj: as returned by find or relock
 * @at: as filled in by find or relock
 *
 * Afterwards no marker finds the object, and the caller owns the entry. No marker reads the
 * block either, unless it lies in the tracker's mapped range. Interrupts stay off until the
 * caller restores @at->irq, so that the caller can free the entry first.
 */
void kmemleak_index_erase_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				 struct kmemleak_index_lock *at)
{
	lockdep_assert_held(&at->shard->lock);
	raw_write_seqcount_begin(&at->shard->seq);
	erase_node_locked(at->shard, obj);
	WRITE_ONCE(obj->flags, obj->flags & ~KMEMLEAK_LIVE);
	raw_write_seqcount_end(&at->shard->seq);
	raw_spin_unlock(&at->shard->lock);
}

/**
 * kmemleak_index_replace_unlock() - move a found object to another entry, release its lock
 * @t: tracker
 * @obj: as returned by find or relock; the caller owns the entry afterwards
 * @to: filled in like @obj, not live; its start was written with release
 * @at: as filled in by find or relock
 */
void kmemleak_index_replace_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				   struct kmemleak_object *to, struct kmemleak_index_lock *at)
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
	kmemleak_index_unlock(at);
}

/**
 * kmemleak_index_uncover() - undo kmemleak_index_cover() for an erased wide object
 * @t: tracker
 * @start: first byte of the object
 * @size: size of the object
 *
 * Context: any but NMI. Takes a lock for each region, so do not turn interrupts off for it.
 */
void kmemleak_index_uncover(struct kmemleak_tracker *t, unsigned long start, size_t size)
{
	uncover_object(&t->index, start, size);
}

/**
 * kmemleak_index_trim_unlock() - shrink a found object, release its lock
 * @t: tracker
 * @obj: as returned by find or relock
 * @start: new first byte of @obj, inside the old block
 * @size: new size of @obj; the new block lies inside the old one
 * @tail: new object for a later part of the old block, or NULL; filled in with the flags of
 *	@obj, but not live
 * @at: as filled in by find or relock
 *
 * A wide object stays in its tree even if it no longer crosses a region boundary. If it
 * moved to another tree, a look-up meanwhile could find it in neither.
 */
void kmemleak_index_trim_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				unsigned long start, size_t size, struct kmemleak_object *tail,
				struct kmemleak_index_lock *at)
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
		kmemleak_index_link_locked(at->shard, tail);
	kmemleak_index_unlock(at);

	if (!wide)
		return;
	/* Cover the new blocks first, so that no region is uncovered in between. */
	kmemleak_index_cover(&t->index, start, size, NULL);
	if (tail_size)
		kmemleak_index_cover(&t->index, tail_start, tail_size, NULL);
	uncover_object(&t->index, old_start, old_size);
}
