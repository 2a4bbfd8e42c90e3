// SPDX-License-Identifier: GPL-2.0-only
/*
 * The snapshot: a mark of a machine that stands still. All CPUs are in here with
 * interrupts off, so no pointer moves, each task but the stoppers has saved its
 * stack pointer, and what lies below that is dead.
 *
 * Nothing else runs meanwhile, so the time is limited. A snapshot is made only if the
 * mark before it says that there is enough time. It ends by itself when the time is over,
 * which is counted from the call that stops the first CPU.
 *
 * It takes no lock that a stopped task can hold. So its memory comes from pages that were
 * set aside before. The locks that the roots need are spinlocks, and a task that holds one
 * is not preempted. With PREEMPT_RT it can be, so there is no snapshot.
 */
#include <linux/atomic.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/lockdep.h>
#include <linux/math64.h>
#include <linux/memory_hotplug.h>
#include <linux/nmi.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sched/cputime.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "glue.h"

/* Longest time that the machine may stand still, see main.c. */
unsigned int kmemleak_stop_budget_ms = 300;

/* True while it does. Written by the leading CPU, which alone looks at roots. */
bool kmemleak_still;

/**
 * struct snapshot - one of them; guarded by kmemleak_scan_mutex except the members that say so
 * @ops: of the tracker, while the machine stands still
 * @t: tracker
 * @marker: the leading CPU's
 * @leader: which CPU that is
 * @end: when it has to end
 * @most: pieces after which it has to, should the clock stand still as well
 * @left: when a CPU left it. All write it; the last one to do so has it about right
 * @ret: result of the mark
 * @over: the others may go. Released by the leader
 * @offer: markers for the others. An entry is written before @nr_offers counts it
 * @nr_offers: how many there are. Released by the leader
 * @taken: how many of them were taken; INT_MAX: no more are to be had
 * @back: how many of them came back. Released by the helper that brings one back
 */
static struct snapshot {
	struct kmemleak_ops ops;
	struct kmemleak_tracker *t;
	struct kmemleak_marker *marker;
	unsigned int leader;
	u64 end;
	unsigned long most;
	u64 left;
	int ret;
	bool over;
	struct kmemleak_marker *offer[KMEMLEAK_MAX_WORKERS - 1];
	int nr_offers;
	atomic_t taken;
	atomic_t back;
} snapshot;

/*
 * Microseconds of the last standstill, of the longest one, and of the last one that was
 * wanted, had there been time for all of it. Read at any time.
 */
static unsigned long last_us, max_us, needed_us;

/*
 * Nanoseconds of a standstill for a piece of the mark before it, see
 * kmemleak_mark_pieces(): the least that was seen lately. Whoever takes the CPU away from
 * a mark, a hypervisor too, makes pieces take longer, never shorter. The mark before has
 * more pieces, since it sweeps again for blocks born meanwhile. Guarded by
 * kmemleak_scan_mutex; 0: not known.
 */
static u64 pace;

/* -------------------------------------------------------------- memory -- */

/* Pages set aside, a chain through their first words. */
static struct stash_page {
	struct stash_page *next;
} *stash;
static DEFINE_RAW_SPINLOCK(stash_lock);	/* guards it; markers on all CPUs take pages */

/* For a work list of all objects, or what is left for the verdict; no more than 16 MiB. */
#define OBJECTS_PER_PAGE	128
#define MIN_STASH		32
#define MAX_STASH		4096

static void *stash_pop(void)
{
	struct stash_page *page;
	unsigned long irq;

	raw_spin_lock_irqsave(&stash_lock, irq);
	page = stash;
	if (page)
		stash = page->next;
	raw_spin_unlock_irqrestore(&stash_lock, irq);
	if (page)
		page->next = NULL;
	return page;
}

static void stash_push(struct stash_page *page)
{
	unsigned long irq;

	raw_spin_lock_irqsave(&stash_lock, irq);
	page->next = stash;
	stash = page;
	raw_spin_unlock_irqrestore(&stash_lock, irq);
}

/* With fewer pages the mark is slower, not wrong. */
static void stash_fill(struct kmemleak_tracker *t)
{
	unsigned long nr = kmemleak_pool_in_use(t) / OBJECTS_PER_PAGE + MIN_STASH;
	void *page;

	for (nr = min_t(unsigned long, nr, MAX_STASH); nr; nr--) {
		page = kmemleak_kernel_ops.page_alloc(t, 0, KMEMLEAK_GFP);
		if (!page)
			break;
		stash_push(page);
	}
}

static void stash_empty(struct kmemleak_tracker *t)
{
	void *page;

	while ((page = stash_pop()))
		kmemleak_kernel_ops.page_free(t, page, 0);
}

static void *page_alloc(struct kmemleak_tracker *t, unsigned int order, gfp_t gfp)
{
	void *page = order ? NULL : stash_pop();

	return page ? memset(page, 0, PAGE_SIZE) : NULL;
}

/* All that a mark had goes at its end, and is not cleared while everybody waits. */
static void page_free(struct kmemleak_tracker *t, void *page, unsigned int order)
{
	stash_push(page);
}

/* ------------------------------------------------------------- markers -- */

static u64 now_ns(void)
{
	return ktime_get_mono_fast_ns();
}

/*
 * Interrupts are off on all CPUs: a clock that counts ticks stands still. Then the
 * leader's work tells when it has become too much.
 */
static int pause_still(struct kmemleak_tracker *t)
{
	struct snapshot *s = &snapshot;

	if (now_ns() >= s->end)
		return -ETIME;
	return raw_smp_processor_id() == s->leader &&
	       kmemleak_mark_pieces(s->marker) > s->most ? -ETIME : 0;
}

static void spawn(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	struct snapshot *s = &snapshot;

	if (s->nr_offers == ARRAY_SIZE(s->offer) || s->nr_offers + 1 >= num_online_cpus())
		return;
	s->offer[s->nr_offers] = m;
	/* Pairs with take_offer(). */
	smp_store_release(&s->nr_offers, s->nr_offers + 1);
}

static struct kmemleak_marker *take_offer(struct snapshot *s)
{
	int n = atomic_read(&s->taken);

	/* Pairs with spawn(). */
	if (n >= smp_load_acquire(&s->nr_offers) || atomic_cmpxchg(&s->taken, n, n + 1) != n)
		return NULL;
	return s->offer[n];
}

static void wait_still(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	while (!kmemleak_mark_ready(m))
		cpu_relax();
}

/* Markers that wait poll, so nobody has to be woken. */
static void wake(struct kmemleak_tracker *t)
{
	/* As a wake-up would be; pairs with wait_still(), which has to look again. */
	smp_mb();
}

static void join(struct kmemleak_tracker *t)
{
	struct snapshot *s = &snapshot;
	int taken = atomic_xchg(&s->taken, INT_MAX);

	/* Pairs with follow(). */
	while (atomic_read_acquire(&s->back) < taken)
		cpu_relax();
}

/* ---------------------------------------------------------------- stop -- */

/**
 * kmemleak_snapshot_limit() - how long the machine may stand still, nanoseconds
 *
 * At most half of the time after which a watchdog complains, whatever the budget is.
 */
u64 kmemleak_snapshot_limit(void)
{
	unsigned int ms = READ_ONCE(kmemleak_stop_budget_ms);

#ifdef CONFIG_LOCKUP_DETECTOR
	if (watchdog_thresh > 0)
		ms = min_t(unsigned int, ms, watchdog_thresh * MSEC_PER_SEC / 2);
#endif
#ifdef CONFIG_RCU_CPU_STALL_TIMEOUT
	ms = min_t(unsigned int, ms, CONFIG_RCU_CPU_STALL_TIMEOUT * MSEC_PER_SEC / 2);
#endif
#if defined(CONFIG_RCU_EXP_CPU_STALL_TIMEOUT) && CONFIG_RCU_EXP_CPU_STALL_TIMEOUT > 0
	ms = min_t(unsigned int, ms, CONFIG_RCU_EXP_CPU_STALL_TIMEOUT / 2);
#endif
	return (u64)ms * NSEC_PER_MSEC;
}

static void lead(struct snapshot *s)
{
	/* Hooks read it as well. One that was stopped on its way goes on afterwards. */
	s->t->ops = &s->ops;
	kmemleak_still = true;
	/* The time can be over before all CPUs are here. */
	s->ret = pause_still(s->t) ?: kmemleak_mark_run(s->marker);
	kmemleak_still = false;
	s->t->ops = &kmemleak_kernel_ops;
	/* Pairs with follow(). */
	smp_store_release(&s->over, true);
}

static void follow(struct snapshot *s)
{
	/* Pairs with lead(). */
	while (!smp_load_acquire(&s->over)) {
		struct kmemleak_marker *m = take_offer(s);

		if (m) {
			kmemleak_mark_help(m);
			/* Pairs with join(). */
			atomic_inc_return_release(&s->back);
		} else {
			cpu_relax();
		}
	}
}

/* On all CPUs at once, interrupts off. */
static int on_each_cpu_still(void *data)
{
	struct snapshot *s = data;

	if (raw_smp_processor_id() == s->leader)
		lead(s);
	else
		follow(s);
	kmemleak_wipe_stack(KMEMLEAK_WIPE);
	/* The standstill kept the watchdog from this CPU. */
	touch_nmi_watchdog();
	WRITE_ONCE(s->left, now_ns());
	return 0;
}

/* A share of the time that is left for ending. */
#define EXIT_SHARE	32

/*
 * A mark of a machine that stands still is about as much work as the one before, of which
 * helpers may have done most.
 */
#define MOST_PIECES(before)	(KMEMLEAK_MAX_WORKERS * (before) + 64)

/* A pace that was seen once counts for so many scans, more or less. */
#define PACE_FORGETS	16

/* CPU time of the scanning task when the episode began, nanoseconds. */
static u64 runtime;

/**
 * kmemleak_snapshot_prepare() - an episode begins
 *
 * Context: in the task that scans, kmemleak_scan_mutex held.
 */
void kmemleak_snapshot_prepare(void)
{
	lockdep_assert_held(&kmemleak_scan_mutex);
	runtime = task_sched_runtime(current);
}

/* So many pieces took so long. An older pace counts for less with time. */
static void learn_pace(u64 ns, unsigned long pieces)
{
	ns = div64_ul(ns, max(pieces, 1UL));
	pace = pace ? min(pace + pace / PACE_FORGETS, ns) : ns;
}

static void note_times(u64 took, unsigned long pieces, int ret)
{
	unsigned long us = div_u64(took, NSEC_PER_USEC);

	WRITE_ONCE(last_us, us);
	WRITE_ONCE(max_us, max(max_us, us));
	/* Where it was cut short it had so many pieces before it as the mark before. */
	if (ret)
		us = max_t(u64, us, div_u64(pace * pieces, NSEC_PER_USEC));
	WRITE_ONCE(needed_us, us);
}

/* No standstill if a CPU runs with preemption off for longer. */
#define ANSWER_MS	1000

/*
 * A CPU that does not answer would hold up stop_machine(), and with it all CPUs, for as
 * long as it likes. So each is asked before, while the others go on. A request stays
 * queued until it is answered.
 */
static DEFINE_PER_CPU(struct cpu_stop_work, request);
static atomic_t unanswered;
static DECLARE_WAIT_QUEUE_HEAD(answers);

static int answer(void *unused)
{
	if (atomic_dec_and_test(&unanswered))
		wake_up(&answers);
	return 0;
}

static bool cpus_answer(void)
{
	unsigned int cpu;

	if (num_online_cpus() == 1)
		return true;
	/* Of a scan before. */
	if (atomic_read(&unanswered))
		return false;
	atomic_set(&unanswered, num_online_cpus());
	for_each_online_cpu(cpu)
		stop_one_cpu_nowait(cpu, answer, NULL, per_cpu_ptr(&request, cpu));
	return wait_event_timeout(answers, !atomic_read(&unanswered),
				  msecs_to_jiffies(ANSWER_MS));
}

/* Everybody stops, and goes on. */
static int stop(struct snapshot *s, unsigned long pieces, u64 limit)
{
	u64 began;
	int ret;

	stash_fill(s->t);
	cpus_read_lock();
	if (!cpus_answer()) {
		cpus_read_unlock();
		stash_empty(s->t);
		return -EBUSY;
	}
	/* The roots cannot wait for it when nobody runs. */
	get_online_mems();
	s->leader = cpumask_first(cpu_online_mask);
	s->most = MOST_PIECES(pieces);
	began = now_ns();
	s->end = began + limit - limit / EXIT_SHARE;
	ret = stop_machine_cpuslocked(on_each_cpu_still, s, cpu_online_mask) ?: s->ret;
	put_online_mems();
	cpus_read_unlock();
	stash_empty(s->t);
	/* A standstill that was cut short has done only a part of the pieces. */
	learn_pace(s->left - began, ret ? kmemleak_mark_pieces(s->marker) : pieces);
	note_times(s->left - began, pieces, ret);
	return ret;
}

/**
 * kmemleak_snapshot_mark() - run a mark while nothing else runs
 * @t: the kernel's tracker
 * @m: a mark that has begun
 * @pieces: how much work the mark before was
 *
 * Context: process, may sleep, kmemleak_scan_mutex held.
 * Return: 0; -EBUSY if that would take too long or a CPU does not answer; -ETIME if it
 * did; -EOPNOTSUPP if this kernel cannot.
 */
int kmemleak_snapshot_mark(struct kmemleak_tracker *t, struct kmemleak_marker *m,
			   unsigned long pieces)
{
	u64 limit = kmemleak_snapshot_limit();
	struct snapshot *s = &snapshot;
	int ret;

	lockdep_assert_held(&kmemleak_scan_mutex);
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return -EOPNOTSUPP;
	learn_pace(task_sched_runtime(current) - runtime, pieces);
	if (pace * pieces >= limit) {
		WRITE_ONCE(needed_us, (unsigned long)div_u64(pace * pieces, NSEC_PER_USEC));
		return -EBUSY;
	}
	memset(s, 0, sizeof(*s));
	s->t = t;
	s->marker = m;
	s->ops = kmemleak_kernel_ops;
	s->ops.page_alloc = page_alloc;
	s->ops.page_free = page_free;
	s->ops.pause = pause_still;
	s->ops.spawn = spawn;
	s->ops.wait = wait_still;
	s->ops.wake = wake;
	s->ops.join = join;
	ret = stop(s, pieces, limit);
	/* These pages are others' by the next scan, for which this here is a root. */
	memset(s, 0, sizeof(*s));
	return ret;
}

/**
 * kmemleak_snapshot_times() - for how long the machine has stood still
 * @last: filled in, for the last time it did, microseconds
 * @max: the longest since boot
 * @needed: for how long the last scan that wanted it would have had to
 */
void kmemleak_snapshot_times(unsigned long *last, unsigned long *max, unsigned long *needed)
{
	*last = READ_ONCE(last_us);
	*max = READ_ONCE(max_us);
	*needed = READ_ONCE(needed_us);
}
