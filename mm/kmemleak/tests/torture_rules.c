// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live blocks that would be taken for lost if it were not for one rule of the verdict,
 * or for what a mark does about registers.
 */
#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/irqflags.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "torture.h"

#define SIZE		192
#define NR_BORN		1024
#define NR_WRITTEN	64
#define NR_REGISTERS	3
#define MAX_HOLD_MS	16000

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

static void *in_registers[NR_REGISTERS];
static unsigned int hold_ms;
static DECLARE_COMPLETION(holding);

/* No call in between, which could put them on the stack. */
static int hold_in_registers(void *unused)
{
	unsigned long end = jiffies + msecs_to_jiffies(hold_ms);
	void *a, *b, *c;

	complete(&holding);
	local_irq_disable();
	a = READ_ONCE(in_registers[0]);
	b = READ_ONCE(in_registers[1]);
	c = READ_ONCE(in_registers[2]);
	WRITE_ONCE(in_registers[0], NULL);
	WRITE_ONCE(in_registers[1], NULL);
	WRITE_ONCE(in_registers[2], NULL);
	while (time_before(jiffies, end)) {
		asm volatile("" : "+r"(a), "+r"(b), "+r"(c));
		cpu_relax();
	}
	/* Here the interrupt comes, if there is one: they are needed after it. */
	local_irq_enable();
	asm volatile("" : "+r"(a), "+r"(b), "+r"(c));
	WRITE_ONCE(in_registers[0], a);
	WRITE_ONCE(in_registers[1], b);
	WRITE_ONCE(in_registers[2], c);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
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

/* registers <ms>: only registers of a CPU have them, which takes no interrupt for so long */
int torture_registers(int argc, char **argv)
{
	unsigned int i;
	int ret;

	if (argc != 1 || kstrtouint(argv[0], 0, &hold_ms) || hold_ms > MAX_HOLD_MS)
		return -EINVAL;
	/* The only CPU could not scan meanwhile. */
	if (num_online_cpus() == 1)
		return -EOPNOTSUPP;
	ret = torture_decoys(SIZE, 64);
	for (i = 0; i < NR_REGISTERS && !ret; i++) {
		in_registers[i] = torture_kzalloc(SIZE);
		if (!in_registers[i])
			return -ENOMEM;
		torture_expect(in_registers[i], SIZE, TORTURE_LIVE);
	}
	/* The other CPU will not go on with this task for a while, nor with who waits for it. */
	ret = ret ?: set_cpus_allowed_ptr(current, cpumask_of(cpumask_first(cpu_online_mask)));
	reinit_completion(&holding);
	ret = ret ?: start(hold_in_registers);
	if (!ret)
		wait_for_completion(&holding);
	return ret;
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
	memset(in_registers, 0, sizeof(in_registers));
	for (i = 0; i < NR_BORN && pages[i]; i++) {
		kfree((void *)page_private(pages[i]));
		set_page_private(pages[i], 0);
		__free_page(pages[i]);
		pages[i] = NULL;
	}
}
