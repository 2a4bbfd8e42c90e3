// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live blocks that would be taken for lost if it were not for one rule of the verdict.
 */
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "torture.h"

#define SIZE		192
#define NR_BORN		1024
#define NR_WRITTEN	64

static struct task_struct *helper;
/* Blocks are held by struct pages, which a mark comes to early. */
static struct page *pages[NR_BORN];
static unsigned int born_us;

static int bear(void *unused)
{
	unsigned int i;

	for (i = 0; i < NR_BORN && !kthread_should_stop(); i++) {
		void *ptr = kzalloc(SIZE, GFP_KERNEL);

		if (!ptr)
			break;
		set_page_private(pages[i], (unsigned long)ptr);
		torture_expect(ptr, SIZE, TORTURE_LIVE);
		udelay(born_us);
		cond_resched();
	}
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

/* The only pointers are encoded, but somebody writes. */
static unsigned long written_veiled[NR_WRITTEN];

static int write_on(void *unused)
{
	unsigned int i;

	while (!kthread_should_stop()) {
		for (i = 0; i < NR_WRITTEN; i++) {
			unsigned int *ptr = torture_unveil(written_veiled[i]);

			WRITE_ONCE(*ptr, *ptr + 1);
		}
		cond_resched();
	}
	return 0;
}

static int start(int (*run)(void *))
{
	unsigned int cpu = cpumask_last(cpu_online_mask);
	struct task_struct *task;

	/* The other one has to scan meanwhile. */
	task = kthread_create_on_cpu(run, NULL, cpu, "kmemleak_rules/%u");
	if (IS_ERR(task))
		return PTR_ERR(task);
	helper = task;
	wake_up_process(task);
	return 0;
}

/* born <us>: from now on, a block each so many microseconds */
int torture_born(int argc, char **argv)
{
	unsigned int i;
	int ret;

	if (argc != 1 || kstrtouint(argv[0], 0, &born_us) || born_us > 1000)
		return -EINVAL;
	for (i = 0; i < NR_BORN; i++) {
		pages[i] = alloc_page(GFP_KERNEL);
		if (!pages[i])
			return -ENOMEM;
		set_page_private(pages[i], 0);
	}
	ret = torture_reserve(2 * NR_BORN) ?: torture_decoys(SIZE, 64);
	return ret ?: start(bear);
}

/* written */
int torture_written(int argc, char **argv)
{
	unsigned int i;
	int ret;

	if (argc)
		return -EINVAL;
	ret = torture_decoys(SIZE, 64);
	for (i = 0; i < NR_WRITTEN && !ret; i++) {
		void *ptr = torture_kzalloc(SIZE);

		if (!ptr)
			return -ENOMEM;
		written_veiled[i] = torture_veil(ptr);
		torture_expect(ptr, SIZE, TORTURE_LIVE);
	}
	return ret ?: start(write_on);
}

/* halt: what was started goes no further, and what it has made stays */
int torture_halt(int argc, char **argv)
{
	if (argc)
		return -EINVAL;
	if (helper)
		kthread_stop(helper);
	helper = NULL;
	return 0;
}

void torture_rules_reset(void)
{
	unsigned int i;

	torture_halt(0, NULL);
	for (i = 0; i < NR_BORN && pages[i]; i++) {
		kfree((void *)page_private(pages[i]));
		set_page_private(pages[i], 0);
		__free_page(pages[i]);
		pages[i] = NULL;
	}
}
