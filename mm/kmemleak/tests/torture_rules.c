// SPDX-License-Identifier: GPL-2.0-only
/*
 * Live blocks that a scan would report without one of the rules in core/rules.c: "born" for
 * BORN, "written" for CHANGED. With "registers", a mark must find live blocks in registers.
 * The selftests rules.sh and precision.sh scan while a thread runs; "halt" ends the thread.
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
/* Struct pages hold the blocks of "born": a mark scans struct pages early. */
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

/* The only pointers to these blocks are veiled, but a thread writes to the blocks. */
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

/* Makes no call while the pointers are in registers: it could store them on the stack. */
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
	/* A pending interrupt comes here. Registers hold the pointers, which are used later. */
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

	/* On the last CPU: another one must be left for the scan. */
	task = kthread_create_on_cpu(run, NULL, cpu, "kmemleak_rules/%u");
	if (IS_ERR(task))
		return PTR_ERR(task);
	helper = task;
	wake_up_process(task);
	return 0;
}

/* born <us>: from now on, a thread allocates a block every so many microseconds */
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

/* written: blocks without a reference, to which a thread writes all the time */
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

/* registers <ms>: only registers of a CPU that takes no interrupt for so long point to blocks */
int torture_registers(int argc, char **argv)
{
	unsigned int i;
	int ret;

	if (argc != 1 || kstrtouint(argv[0], 0, &hold_ms) || hold_ms > MAX_HOLD_MS)
		return -EINVAL;
	/* With one CPU, no scan could run meanwhile. */
	if (num_online_cpus() == 1)
		return -EOPNOTSUPP;
	ret = torture_decoys(SIZE, 64);
	for (i = 0; i < NR_REGISTERS && !ret; i++) {
		in_registers[i] = torture_kzalloc(SIZE);
		if (!in_registers[i])
			return -ENOMEM;
		torture_expect(in_registers[i], SIZE, TORTURE_LIVE);
	}
	/* Leave that CPU: for a while it will run neither this task nor its waiter. */
	ret = ret ?: set_cpus_allowed_ptr(current, cpumask_of(cpumask_first(cpu_online_mask)));
	reinit_completion(&holding);
	ret = ret ?: start(hold_in_registers);
	if (!ret)
		wait_for_completion(&holding);
	return ret;
}

/* halt: ends the thread that was started; its blocks stay */
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
