/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Attributes: scan areas and aliases, which few objects have. See attr.c.
 *
 * Context of all functions: any but NMI. They take attr_lock. Callers of kmemleak_attr_add()
 * and kmemleak_attr_drop() hold the shard lock of the owner, or nobody else can find the
 * owner.
 */
#ifndef _KMEMLEAK_ATTR_H
#define _KMEMLEAK_ATTR_H

#include "object.h"

struct kmemleak_tracker;

struct kmemleak_object *kmemleak_attr_add(struct kmemleak_tracker *t,
					  struct kmemleak_object *spare,
					  enum kmemleak_attr_kind kind, unsigned long owner,
					  unsigned long start, size_t size);
void kmemleak_attr_drop(struct kmemleak_tracker *t, unsigned long owner);
bool kmemleak_attr_move(struct kmemleak_tracker *t, struct kmemleak_attr *attr,
			union kmemleak_entry *to);
bool kmemleak_attr_next_area(struct kmemleak_tracker *t, unsigned long owner,
			     unsigned long from, unsigned long *start, unsigned long *end);
unsigned long kmemleak_attr_next_alias(struct kmemleak_tracker *t, unsigned long owner,
				       unsigned long after);

#endif /* _KMEMLEAK_ATTR_H */
