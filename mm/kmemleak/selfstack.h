/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stacks of the tasks that mark. What lies above the mark's own frame is theirs; what lies
 * below is full of addresses of blocks and refers to none.
 */
#ifndef _KMEMLEAK_SELFSTACK_H
#define _KMEMLEAK_SELFSTACK_H

struct task_struct;

/* The task that scans, and a helper each. */
#define KMEMLEAK_SELFSTACK_SCAN		0
#define KMEMLEAK_SELFSTACK_HELPER(n)	(1 + (n))

void kmemleak_selfstack_enter(unsigned int slot, unsigned long frame);
void kmemleak_selfstack_leave(unsigned int slot);
unsigned long kmemleak_selfstack_frame(const struct task_struct *task);

/* More than a mark uses of a stack, in steps of half a KiB. */
#define KMEMLEAK_WIPE_DEPTH	5

void kmemleak_selfstack_wipe(unsigned int depth);

#endif /* _KMEMLEAK_SELFSTACK_H */
