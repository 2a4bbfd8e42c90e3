// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extras: scan areas and aliases, which few objects have, in one tree beside
 * the index. An extra names its owner by start address; it goes with it.
 */
#include "kmemleak.h"

static int compare(const struct kmemleak_extra *e, unsigned long owner, u32 kind,
		   unsigned long start)
{
	if (e->owner != owner)
		return e->owner < owner ? -1 : 1;
	if (e->kind != kind)
		return e->kind < kind ? -1 : 1;
	if (e->start != start)
		return e->start < start ? -1 : 1;
	return 0;
}

/* The first extra at (owner, kind, start) or behind it in the tree's order. */
static struct kmemleak_extra *first_from_locked(struct kmemleak_tracker *t, unsigned long owner,
						u32 kind, unsigned long start)
{
	struct rb_node *node = t->extras.rb_node;
	struct kmemleak_extra *best = NULL;

	lockdep_assert_held(&t->extra_lock);
	while (node) {
		struct kmemleak_extra *e = rb_entry(node, struct kmemleak_extra, node);

		if (compare(e, owner, kind, start) < 0) {
			node = node->rb_right;
		} else {
			best = e;
			node = node->rb_left;
		}
	}
	return best;
}

static struct kmemleak_extra *extra_after(struct kmemleak_extra *e)
{
	struct rb_node *node = rb_next(&e->node);

	return node ? rb_entry(node, struct kmemleak_extra, node) : NULL;
}

/**
 * kmemleak_extra_add() - give an object an extra
 * @t: tracker
 * @spare: an entry from the pool
 * @kind: scan area or alias
 * @owner: start of the object
 * @start: see struct kmemleak_extra
 * @size: see there
 *
 * The same area twice is one area, as large as the larger.
 *
 * Return: @spare if it was not needed, else NULL.
 */
struct kmemleak_object *kmemleak_extra_add(struct kmemleak_tracker *t,
					   struct kmemleak_object *spare,
					   enum kmemleak_extra_kind kind, unsigned long owner,
					   unsigned long start, size_t size)
{
	struct kmemleak_extra *extra = &((union kmemleak_entry *)spare)->extra;
	struct rb_node **link = &t->extras.rb_node, *parent = NULL;
	unsigned long irq;

	raw_spin_lock_irqsave(&t->extra_lock, irq);
	while (*link) {
		struct kmemleak_extra *e = rb_entry(*link, struct kmemleak_extra, node);
		int order = compare(e, owner, kind, start);

		if (!order) {
			e->size = max(e->size, size);
			break;
		}
		parent = *link;
		link = order < 0 ? &parent->rb_right : &parent->rb_left;
	}
	if (!*link) {
		extra->kind = kind;
		/* A marker that is late takes them for the start and size of an object. */
		WRITE_ONCE(extra->owner, owner);
		WRITE_ONCE(extra->start, start);
		extra->size = size;
		WRITE_ONCE(spare->flags, KMEMLEAK_EXTRA);
		rb_link_node(&extra->node, parent, link);
		rb_insert_color(&extra->node, &t->extras);
		spare = NULL;
	}
	raw_spin_unlock_irqrestore(&t->extra_lock, irq);
	return spare;
}

/**
 * kmemleak_extra_drop() - an object goes, its extras with it
 * @t: tracker
 * @owner: start of the object
 */
void kmemleak_extra_drop(struct kmemleak_tracker *t, unsigned long owner)
{
	struct kmemleak_extra *e;
	unsigned long irq;

	do {
		raw_spin_lock_irqsave(&t->extra_lock, irq);
		e = first_from_locked(t, owner, 0, 0);
		if (e && e->owner == owner) {
			rb_erase(&e->node, &t->extras);
			WRITE_ONCE(((union kmemleak_entry *)e)->object.flags, 0);
		} else {
			e = NULL;
		}
		raw_spin_unlock_irqrestore(&t->extra_lock, irq);
		if (e)
			kmemleak_pool_put(t, &((union kmemleak_entry *)e)->object);
	} while (e);
}

/**
 * kmemleak_extra_move() - another entry stands for an extra
 * @t: tracker
 * @extra: an entry that was an extra a moment ago
 * @to: an entry from the pool
 *
 * Return: false if it is none any more; then @to was not needed.
 */
bool kmemleak_extra_move(struct kmemleak_tracker *t, struct kmemleak_extra *extra,
			 union kmemleak_entry *to)
{
	union kmemleak_entry *entry = (union kmemleak_entry *)extra;
	unsigned long irq;
	bool moves;

	raw_spin_lock_irqsave(&t->extra_lock, irq);
	moves = kmemleak_entry_is_extra(entry);
	if (moves) {
		to->extra.kind = extra->kind;
		WRITE_ONCE(to->extra.owner, extra->owner);
		WRITE_ONCE(to->extra.start, extra->start);
		to->extra.size = extra->size;
		WRITE_ONCE(to->object.flags, KMEMLEAK_EXTRA);
		rb_replace_node(&extra->node, &to->extra.node, &t->extras);
		WRITE_ONCE(entry->object.flags, 0);
	}
	raw_spin_unlock_irqrestore(&t->extra_lock, irq);
	return moves;
}

/**
 * kmemleak_extra_area() - the next scan area of an object
 * @t: tracker
 * @owner: start of the object
 * @from: only memory from here on
 * @start: set to the first byte to scan, at least @from
 * @end: set to the first byte behind it
 *
 * Return: false if there is none.
 */
bool kmemleak_extra_area(struct kmemleak_tracker *t, unsigned long owner, unsigned long from,
			 unsigned long *start, unsigned long *end)
{
	struct kmemleak_extra *e;
	unsigned long irq;
	bool found = false;

	raw_spin_lock_irqsave(&t->extra_lock, irq);
	/* Areas may overlap, so one that starts before @from can reach behind it. */
	e = first_from_locked(t, owner, KMEMLEAK_EXTRA_AREA, 0);
	for (; e && e->owner == owner && e->kind == KMEMLEAK_EXTRA_AREA && !found;
	     e = extra_after(e)) {
		if (e->start + (e->size - 1) < from)
			continue;
		*start = max(e->start, from);
		*end = e->start + e->size;
		found = true;
	}
	raw_spin_unlock_irqrestore(&t->extra_lock, irq);
	return found;
}

/**
 * kmemleak_extra_alias() - the next address that an object stands for
 * @t: tracker
 * @owner: start of the object
 * @after: only addresses above this
 *
 * Return: the address, 0 if there is none.
 */
unsigned long kmemleak_extra_alias(struct kmemleak_tracker *t, unsigned long owner,
				   unsigned long after)
{
	struct kmemleak_extra *e;
	unsigned long irq, target = 0;

	raw_spin_lock_irqsave(&t->extra_lock, irq);
	e = first_from_locked(t, owner, KMEMLEAK_EXTRA_ALIAS, after + 1);
	if (e && e->owner == owner && e->kind == KMEMLEAK_EXTRA_ALIAS)
		target = e->start;
	raw_spin_unlock_irqrestore(&t->extra_lock, irq);
	return target;
}
