/* SPDX-License-Identifier: GPL-2.0-only */
/* Moves objects and attributes to another page of the pool. See entry_move.c. */
#ifndef _KMEMLEAK_ENTRY_MOVE_H
#define _KMEMLEAK_ENTRY_MOVE_H

#include "object.h"

struct kmemleak_tracker;

bool kmemleak_entry_move(struct kmemleak_tracker *t, union kmemleak_entry *entry,
			 union kmemleak_entry *to);

#endif /* _KMEMLEAK_ENTRY_MOVE_H */
