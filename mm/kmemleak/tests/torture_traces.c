// SPDX-License-Identifier: GPL-2.0-only
/*
 * "traces" loses blocks that one function allocates, always at the same depth of the stack.
 * Two callers take turns, near that function or far away, in tasks and in interrupts. The
 * trace of each block must show its own caller: the trace cache must not mix them up.
 * "interrupts <pairs>" only allocates and frees blocks in interrupts. The selftest
 * interface.sh runs both.
 */

#include <linux/compiler.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kstrtox.h>
#include <linux/slab.h>

#include "torture.h"

#define SIZE		192
#define NR_TURNS	16
#define FAR		8	/* frames between the caller and the function */

static noinline void *descend(unsigned int depth, gfp_t gfp)
{
	void *ptr = depth ? descend(depth - 1, gfp) : kzalloc(SIZE, gfp);

	/* No tail call: each call must have a frame. */
	barrier();
	return ptr;
}

/* The two functions differ by a constant. Otherwise the compiler would merge them. */
static noinline void *first_path(unsigned int depth, gfp_t gfp)
{
	void *ptr = descend(depth, gfp);

	asm volatile("" : : "i" (1));
	return ptr;
}

static noinline void *other_path(unsigned int depth, gfp_t gfp)
{
	void *ptr = descend(depth, gfp);

	asm volatile("" : : "i" (2));
	return ptr;
}

static int lose(void *ptr, const char *path)
{
	if (!ptr)
		return -ENOMEM;
	torture_own(ptr, SIZE, TORTURE_KMALLOC);
	torture_expect_trace(ptr, SIZE, path);
	return 0;
}

static noinline int lose_both(unsigned int depth, gfp_t gfp)
{
	return lose(first_path(depth, gfp), "first_path") ?:
	       lose(other_path(depth, gfp), "other_path");
}

/*
 * Input and result of an interrupt. The task writes them before it triggers the interrupt
 * and reads them after it.
 */
static unsigned int pairs;
static int result;

static noinline void work_in_interrupt(void)
{
	unsigned int i;

	for (i = 0; i < pairs; i++)
		kfree(first_path(0, GFP_ATOMIC));
	if (!pairs)
		result = lose_both(0, GFP_ATOMIC) ?: lose_both(FAR, GFP_ATOMIC);
	torture_wipe_stack(2);
}

static void hardirq_work(struct irq_work *work)
{
	work_in_interrupt();
}

static void softirq_work(struct tasklet_struct *unused)
{
	work_in_interrupt();
}

static int interrupt(bool soft)
{
	static struct irq_work work = IRQ_WORK_INIT(hardirq_work);
	static DECLARE_TASKLET(tasklet, softirq_work);

	result = 0;
	if (soft) {
		/* The tasklet runs when softirqs are enabled, on top of this task. */
		local_bh_disable();
		tasklet_schedule(&tasklet);
		local_bh_enable();
		tasklet_kill(&tasklet);
	} else {
		irq_work_queue(&work);
		irq_work_sync(&work);
	}
	return result;
}

/* traces: lost blocks of two callers, in turns */
int torture_traces(int argc, char **argv)
{
	int ret = argc ? -EINVAL : torture_decoys(SIZE, 64);
	unsigned int i;

	pairs = 0;
	for (i = 0; !ret && i < NR_TURNS; i++)
		ret = lose_both(0, GFP_KERNEL) ?: lose_both(FAR, GFP_KERNEL) ?:
		      interrupt(false) ?: interrupt(true);
	return ret;
}

/* interrupts <pairs>: so many allocations and frees in each kind of interrupt */
int torture_interrupts(int argc, char **argv)
{
	if (argc != 1 || kstrtouint(argv[0], 0, &pairs) || !pairs)
		return -EINVAL;
	return interrupt(false) ?: interrupt(true);
}
