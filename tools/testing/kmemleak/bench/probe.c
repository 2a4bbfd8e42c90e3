// SPDX-License-Identifier: GPL-2.0-only
/*
 * How much a scan disturbs the machine. A timer fires late if the scanning CPU has
 * interrupts off. A free on another CPU takes long if it waits for the scanner. Both delays
 * are measured.
 *
 * Other delays of the machine are measured, too: compare the results with those of `quiet`.
 */

#include <linux/completion.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/hrtimer.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/smp.h>

#include "bench.h"

#define PERIOD_NS	(100 * NSEC_PER_USEC)
#define LATE_NS		(100 * NSEC_PER_USEC)
#define HELD		64

static struct hrtimer timer;
static u64 timer_worst, timer_late, timer_fired;

static struct task_struct *freer;
static u64 free_worst, free_late, frees;

static enum hrtimer_restart fire(struct hrtimer *t)
{
	s64 late = ktime_to_ns(ktime_sub(ktime_get(), hrtimer_get_expires(t)));

	if (late > 0) {
		timer_worst = max_t(u64, timer_worst, late);
		timer_late += late > LATE_NS;
	}
	timer_fired++;
	hrtimer_forward_now(t, PERIOD_NS);
	return HRTIMER_RESTART;
}

/* Interrupts are off, because the time that they take must not be measured. */
static void timed_free(void *p)
{
	unsigned long flags;
	u64 took;

	local_irq_save(flags);
	took = ktime_get_ns();
	kfree(p);
	took = ktime_get_ns() - took;
	local_irq_restore(flags);
	free_worst = max(free_worst, took);
	free_late += took > LATE_NS;
	frees++;
}

/* Blocks live for a while, so that the scanner can be reading one of them. */
static int free_blocks(void *data)
{
	void **held = data;
	unsigned int i = 0;

	while (!kthread_should_stop()) {
		if (held[i])
			timed_free(held[i]);
		held[i] = kzalloc(i % 8 ? 128 : SZ_64K, GFP_KERNEL | __GFP_NOWARN);
		i = (i + 1) % HELD;
		if (!i)
			cond_resched();
	}
	for (i = 0; i < HELD; i++)
		kfree(held[i]);
	kfree(held);
	return 0;
}

static int start_freer(void)
{
	unsigned int cpu = cpumask_any_but(cpu_online_mask, raw_smp_processor_id());
	struct task_struct *task;
	void **held;

	if (cpu >= nr_cpu_ids)
		return 0;
	held = kcalloc(HELD, sizeof(*held), GFP_KERNEL);
	if (!held)
		return -ENOMEM;
	task = kthread_create(free_blocks, held, "kmemleak-bench-free");
	if (IS_ERR(task)) {
		kfree(held);
		return PTR_ERR(task);
	}
	kthread_bind(task, cpu);
	freer = task;
	wake_up_process(task);
	/* Let the thread start: if it is stopped before it has run, it does not free @held. */
	msleep(20);
	return 0;
}

/*
 * From here to bench_probe_stop() the caller stays on its CPU, because the timer watches
 * this CPU.
 */
int bench_probe_start(void)
{
	int err;

	timer_worst = 0;
	timer_late = 0;
	timer_fired = 0;
	free_worst = 0;
	free_late = 0;
	frees = 0;
	migrate_disable();
	err = start_freer();
	if (err) {
		migrate_enable();
		return err;
	}
	hrtimer_setup(&timer, fire, CLOCK_MONOTONIC, HRTIMER_MODE_REL_PINNED_HARD);
	hrtimer_start(&timer, PERIOD_NS, HRTIMER_MODE_REL_PINNED_HARD);
	return 0;
}

void bench_probe_stop(void)
{
	hrtimer_cancel(&timer);
	if (freer) {
		kthread_stop(freer);
		freer = NULL;
		bench_result("free_worst", "ns", "%llu", free_worst);
		bench_result("free_late", "times", "%llu", free_late);
		bench_result("frees", "times", "%llu", frees);
	}
	migrate_enable();
	bench_result("timer_worst", "ns", "%llu", timer_worst);
	bench_result("timer_late", "times", "%llu", timer_late);
	bench_result("timer_fired", "times", "%llu", timer_fired);
}

/* quiet <ms>: the CPU is busy as during a scan, but does nothing. */
int bench_quiet(unsigned int words, char **word)
{
	unsigned int ms;
	u64 end;
	int err;

	if (words != 1 || kstrtouint(word[0], 0, &ms) || ms > 60 * MSEC_PER_SEC)
		return -EINVAL;
	err = bench_probe_start();
	if (err)
		return err;
	end = ktime_get_ns() + (u64)ms * NSEC_PER_MSEC;
	while (ktime_get_ns() < end)
		cond_resched();
	bench_probe_stop();
	return 0;
}
