// SPDX-License-Identifier: GPL-2.0-only
/*
 * Attributes: scan areas and aliases, which few objects have. They are in one tree beside
 * the index. An attribute refers to its owner by the owner's start address, and is removed
 * together with the owner.
 */
#include "attr.h"
#include "pool.h"
#include "tracker.h"

static int compare_attrs(const struct kmemleak_attr *e, unsigned long owner, u32 kind,
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

/* The first attribute at or after (owner, kind, start) in the order of the tree. */
static struct kmemleak_attr *first_attr_locked(struct kmemleak_tracker *t, unsigned long owner,
					       u32 kind, unsigned long start)
{
	struct rb_node *node = t->attrs.rb_node;
	struct kmemleak_attr *best = NULL;

	lockdep_assert_held(&t->attr_lock);
	while (node) {
		struct kmemleak_attr *e = rb_entry(node, struct kmemleak_attr, node);

		if (compare_attrs(e, owner, kind, start) < 0) {
			node = node->rb_right;
		} else {
			best = e;
			node = node->rb_left;
		}
	}
	return best;
}

static struct kmemleak_attr *next_attr(struct kmemleak_attr *e)
{
	struct rb_node *node = rb_next(&e->node);

	return node ? rb_entry(node, struct kmemleak_attr, node) : NULL;
}

/**
 * kmemleak_attr_add() - give an object an attribute
 * @t: tracker
 * @spare: an entry from the pool, as kmemleak_pool_get() returns it
 * @kind: scan area or alias
 * @owner: start of the object
 * @start: see struct kmemleak_attr
 * @size: see struct kmemleak_attr
 *
 * Two areas with the same start become one area, which gets the larger size.
 *
 * Return: @spare if it was not needed, else NULL.
 */
struct kmemleak_object *kmemleak_attr_add(struct kmemleak_tracker *t, struct kmemleak_object *spare,
					  enum kmemleak_attr_kind kind, unsigned long owner,
					  unsigned long start, size_t size)
{
	struct kmemleak_attr *attr = &((union kmemleak_entry *)spare)->attr;
	struct rb_node **link = &t->attrs.rb_node, *parent = NULL;
	unsigned long irq;

	raw_spin_lock_irqsave(&t->attr_lock, irq);
	while (*link) {
		struct kmemleak_attr *e = rb_entry(*link, struct kmemleak_attr, node);
		int order = compare_attrs(e, owner, kind, start);

		if (!order) {
			e->size = max(e->size, size);
			break;
		}
		parent = *link;
		link = order < 0 ? &parent->rb_right : &parent->rb_left;
	}
	if (!*link) {
		attr->kind = kind;
		/* Overlay the start and size of an object. Pairs with index_lockless.h. */
		WRITE_ONCE(attr->owner, owner);
		WRITE_ONCE(attr->start, start);
		attr->size = size;
		WRITE_ONCE(spare->flags, KMEMLEAK_ATTR);
		rb_link_node(&attr->node, parent, link);
		rb_insert_color(&attr->node, &t->attrs);
		spare = NULL;
	}
	raw_spin_unlock_irqrestore(&t->attr_lock, irq);
	return spare;
}

/**
 * kmemleak_attr_drop() - remove all attributes of an object
 * @t: tracker
 * @owner: start of the object
 */
void kmemleak_attr_drop(struct kmemleak_tracker *t, unsigned long owner)
{
	struct kmemleak_attr *e;
	unsigned long irq;

	do {
		raw_spin_lock_irqsave(&t->attr_lock, irq);
		e = first_attr_locked(t, owner, 0, 0);
		if (e && e->owner == owner) {
			rb_erase(&e->node, &t->attrs);
			WRITE_ONCE(((union kmemleak_entry *)e)->object.flags, 0);
		} else {
			e = NULL;
		}
		raw_spin_unlock_irqrestore(&t->attr_lock, irq);
		if (e)
			kmemleak_pool_put(t, &((union kmemleak_entry *)e)->object);
	} while (e);
}

/**
 * kmemleak_attr_move() - move an attribute to another entry
 * @t: tracker
 * @attr: an entry that was an attribute a moment ago
 * @to: an entry from the pool
 *
 * Return: true if the attribute was moved; false if @attr is no attribute any more. Then
 * @to was not needed.
 */
bool kmemleak_attr_move(struct kmemleak_tracker *t, struct kmemleak_attr *attr,
			union kmemleak_entry *to)
{
	union kmemleak_entry *entry = (union kmemleak_entry *)attr;
	unsigned long irq;
	bool moves;

	raw_spin_lock_irqsave(&t->attr_lock, irq);
	moves = kmemleak_entry_is_attr(entry);
	if (moves) {
		to->attr.kind = attr->kind;
		WRITE_ONCE(to->attr.owner, attr->owner);
		WRITE_ONCE(to->attr.start, attr->start);
		to->attr.size = attr->size;
		WRITE_ONCE(to->object.flags, KMEMLEAK_ATTR);
		rb_replace_node(&attr->node, &to->attr.node, &t->attrs);
		WRITE_ONCE(entry->object.flags, 0);
	}
	raw_spin_unlock_irqrestore(&t->attr_lock, irq);
	return moves;
}

/**
 * kmemleak_attr_next_area() - find the next scan area of an object
 * @t: tracker
 * @owner: start of the object
 * @from: ignore memory below this address
 * @start: set to the first byte to scan, at least @from
 * @end: set to the first byte after the area
 *
 * Return: true if there is an area; false if there are no more.
 */
bool kmemleak_attr_next_area(struct kmemleak_tracker *t, unsigned long owner, unsigned long from,
			     unsigned long *start, unsigned long *end)
{
	struct kmemleak_attr *e;
	unsigned long irq;
	bool found = false;

	raw_spin_lock_irqsave(&t->attr_lock, irq);
	/* Areas may overlap: an area that starts before @from can end after it. */
	e = first_attr_locked(t, owner, KMEMLEAK_ATTR_AREA, 0);
	for (; e && e->owner == owner && e->kind == KMEMLEAK_ATTR_AREA && !found;
	     e = next_attr(e)) {
		if (e->start + (e->size - 1) < from)
			continue;
		*start = max(e->start, from);
		*end = e->start + e->size;
		found = true;
	}
	raw_spin_unlock_irqrestore(&t->attr_lock, irq);
	return found;
}

/**
 * kmemleak_attr_next_alias() - find the next alias of an object
 * @t: tracker
 * @owner: start of the object
 * @after: only addresses above this
 *
 * Return: the address that surplus references count for, or 0 if there are no more.
 */
unsigned long kmemleak_attr_next_alias(struct kmemleak_tracker *t, unsigned long owner,
				       unsigned long after)
{
	struct kmemleak_attr *e;
	unsigned long irq, target = 0;

	raw_spin_lock_irqsave(&t->attr_lock, irq);
	e = first_attr_locked(t, owner, KMEMLEAK_ATTR_ALIAS, after + 1);
	if (e && e->owner == owner && e->kind == KMEMLEAK_ATTR_ALIAS)
		target = e->start;
	raw_spin_unlock_irqrestore(&t->attr_lock, irq);
	return target;
}
