// SPDX-License-Identifier: GPL-2.0-only
/* Stacks of the tasks that mark, see selfstack.h. */
#include <linux/compiler.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "core/mark.h"
#include "selfstack.h"

/**
 * struct selfstack - the stack of one task that marks
 * @task: the task that marks. Written after @frame, with release
 * @frame: below this frame the task's stack is the mark's own
 *
 * Each task that marks writes its own. Markers that scan stacks read all, without a lock.
 */
static struct selfstack {
	struct task_struct *task;
	unsigned long frame;
} selfstacks[KMEMLEAK_MAX_WORKERS];

/**
 * kmemleak_selfstack_enter() - the current task marks from now on
 * @slot: KMEMLEAK_SELFSTACK_*
 * @frame: frame of the caller
 */
void kmemleak_selfstack_enter(unsigned int slot, unsigned long frame)
{
	WRITE_ONCE(selfstacks[slot].frame, frame);
	/* Pairs with kmemleak_selfstack_frame(). */
	smp_store_release(&selfstacks[slot].task, current);
}

/**
 * kmemleak_selfstack_leave() - the current task marks no more
 * @slot: as for kmemleak_selfstack_enter()
 *
 * Clears the frame, too: the next owner of the stack may have references below it.
 */
void kmemleak_selfstack_leave(unsigned int slot)
{
	WRITE_ONCE(selfstacks[slot].task, NULL);
	WRITE_ONCE(selfstacks[slot].frame, 0);
}

/**
 * kmemleak_selfstack_frame() - does a task mark, and which part of its stack is the mark's?
 * @task: a task
 *
 * Context: in a marker. Helpers may come and go meanwhile.
 * Return: a frame, or 0 if the task does not mark.
 */
unsigned long kmemleak_selfstack_frame(const struct task_struct *task)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(selfstacks); i++)
		/* Pairs with kmemleak_selfstack_enter(). */
		if (smp_load_acquire(&selfstacks[i].task) == task)
			return READ_ONCE(selfstacks[i].frame);
	return 0;
}

/**
 * kmemleak_selfstack_wipe() - clear what a mark has left below this frame
 * @depth: number of steps of half a KiB, less one
 *
 * The memory is full of addresses of blocks. The next owner of the stack need not write
 * all of it, and then these addresses would hide lost blocks.
 */
noinline void kmemleak_selfstack_wipe(unsigned int depth)
{
	unsigned long words[512 / sizeof(long)];

	memzero_explicit(words, sizeof(words));
	if (depth)
		kmemleak_selfstack_wipe(depth - 1);
	/* Keeps the call above from becoming a jump: then all steps would share one frame. */
	barrier_data(words);
}
