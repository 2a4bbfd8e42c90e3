/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Stacks of the tasks that mark. A task's values from before the mark lie above the mark's
 * frame, and are scanned. The part below the frame is full of addresses of blocks that are no
 * references, and is not scanned.
 */
#ifndef _KMEMLEAK_SELFSTACK_H
#define _KMEMLEAK_SELFSTACK_H

struct task_struct;

/* Slots: one for the task that scans, one for each helper. */
#define KMEMLEAK_SELFSTACK_SCAN		0
#define KMEMLEAK_SELFSTACK_HELPER(n)	(1 + (n))

void kmemleak_selfstack_enter(unsigned int slot, unsigned long frame);
void kmemleak_selfstack_leave(unsigned int slot);
unsigned long kmemleak_selfstack_frame(const struct task_struct *task);

/* For kmemleak_selfstack_wipe(): six steps of half a KiB. A mark uses less of a stack. */
#define KMEMLEAK_WIPE_DEPTH	5

void kmemleak_selfstack_wipe(unsigned int depth);

#endif /* _KMEMLEAK_SELFSTACK_H */
