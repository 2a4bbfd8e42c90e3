// SPDX-License-Identifier: GPL-2.0-only
/*
 * A stop: a mark while all CPUs are stopped. All CPUs are in this file with interrupts
 * off, so no pointer moves. Each task but the stoppers has saved its stack pointer, and
 * the stack below it is dead. One CPU, the stop leader, marks. The others are stop helpers:
 * they wait for markers that the leader offers them.
 *
 * Nothing else runs during a stop, so its time is limited. A scan stops the CPUs only if
 * the mark before says that there is enough time. A stop ends by itself when the time is
 * up. The time counts from the call that stops the first CPU.
 *
 * A stop takes no lock that a stopped task can hold. So its memory comes from pages that
 * were set aside before. The locks that the roots need are spinlocks, and a task that holds
 * a spinlock is not preempted. With PREEMPT_RT the task can be preempted, so there are no
 * stops.
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
#include <linux/sizes.h>
#include <linux/spinlock.h>
#include <linux/stop_machine.h>
#include <linux/string.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "access.h"
#include "core/mark.h"
#include "params.h"
#include "selfstack.h"
#include "state.h"
#include "stop.h"

/**
 * struct stop_state - the state of a stop
 * @ops: the tracker's operations during the stop
 * @t: tracker
 * @marker: the stop leader's marker
 * @leader: number of the stop leader's CPU
 * @end: when the stop must end, by now_ns()
 * @most: number of pieces after which the stop must end, in case the clock does not advance
 * @left: when a CPU left the stop. All CPUs write it; the last value written is about right
 * @ret: result of the mark
 * @over: the stop helpers may leave. The stop leader writes it with release
 * @offer: markers for the stop helpers. A marker is written before @nr_offers counts it
 * @nr_offers: number of @offer. The stop leader writes it with release
 * @taken: number of markers that stop helpers have taken; INT_MAX: no more can be taken
 * @back: number of markers that stop helpers have finished with. They write it with release
 *
 * kmemleak_scan_mutex guards all members but those that the stopped CPUs write.
 */
static struct stop_state {
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
} stop_state;

/*
 * Microseconds that the last stop took, that the longest stop took, and that the last stop
 * needed for all of its mark, also if it was refused or cut short. Read at any time.
 */
static unsigned long last_us, max_us, needed_us;

/*
 * Nanoseconds that a stop takes for each piece of the mark before it, see
 * kmemleak_mark_pieces(). This is the smallest value seen lately: if another task or a
 * hypervisor takes the CPU away from a mark, a piece takes longer, never shorter. The mark
 * before has more pieces than the stop, because it makes more passes, to find blocks born
 * meanwhile. Guarded by kmemleak_scan_mutex; 0: not known.
 */
static u64 pace;

/* -------------------------------------------------------------- memory -- */

/* Pages set aside for a stop, a list linked through their first words. */
static struct stash_page {
	struct stash_page *next;
} *stash;
static DEFINE_RAW_SPINLOCK(stash_lock);	/* guards @stash: markers on all CPUs take pages */

/*
 * Enough for a work list of all objects, or for objects left for the judge. At most 16 MiB
 * with pages of 4 KiB.
 */
#define OBJECTS_PER_PAGE	(PAGE_SIZE / 32)
#define MIN_STASH		32
#define MAX_STASH		(SZ_16M / PAGE_SIZE)

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

/* With fewer pages the mark is slower, but its result is right. */
static void stash_fill(struct kmemleak_tracker *t)
{
	unsigned long nr = kmemleak_pool_in_use(t) / OBJECTS_PER_PAGE + MIN_STASH;
	void *page;

	for (nr = min_t(unsigned long, nr, MAX_STASH); nr; nr--) {
		page = kmemleak_access_page_alloc(t, 0, KMEMLEAK_GFP);
		if (!page)
			break;
		stash_push(page);
	}
}

static void stash_empty(struct kmemleak_tracker *t)
{
	void *page;

	while ((page = stash_pop()))
		kmemleak_access_page_free(t, page, 0);
}

static void *stash_alloc(struct kmemleak_tracker *t, unsigned int order, gfp_t gfp)
{
	void *page = order ? NULL : stash_pop();

	return page ? memset(page, 0, PAGE_SIZE) : NULL;
}

/* Frees the page after the stop: all CPUs would wait while it is cleared. */
static void stash_free(struct kmemleak_tracker *t, void *page, unsigned int order)
{
	stash_push(page);
}

/* ------------------------------------------------------------- markers -- */

static u64 now_ns(void)
{
	return ktime_get_mono_fast_ns();
}

/*
 * Interrupts are off on all CPUs, so a clock that counts ticks does not advance. In that
 * case the stop leader's pieces limit the stop.
 */
static int check_stop_time(struct kmemleak_tracker *t)
{
	struct stop_state *s = &stop_state;

	if (now_ns() >= s->end)
		return -ETIME;
	return raw_smp_processor_id() == s->leader &&
	       kmemleak_mark_pieces(s->marker) > s->most ? -ETIME : 0;
}

static void offer_marker(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	struct stop_state *s = &stop_state;

	if (s->nr_offers == ARRAY_SIZE(s->offer) || s->nr_offers + 1 >= num_online_cpus())
		return;
	s->offer[s->nr_offers] = m;
	/* Pairs with take_offer(). */
	smp_store_release(&s->nr_offers, s->nr_offers + 1);
}

static struct kmemleak_marker *take_offer(struct stop_state *s)
{
	int n = atomic_read(&s->taken);

	/* Pairs with offer_marker(). */
	if (n >= smp_load_acquire(&s->nr_offers) || atomic_cmpxchg(&s->taken, n, n + 1) != n)
		return NULL;
	return s->offer[n];
}

static void wait_stopped(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	while (!kmemleak_worklist_is_ready(m))
		cpu_relax();
}

/* A marker that waits polls, so there is nobody to wake. */
static void wake_stop_helpers(struct kmemleak_tracker *t)
{
	/* A full barrier, as a wake-up would be. Pairs with wait_stopped(), which checks again. */
	smp_mb();
}

static void join_stop_helpers(struct kmemleak_tracker *t)
{
	struct stop_state *s = &stop_state;
	int taken = atomic_xchg(&s->taken, INT_MAX);

	/* Pairs with run_stop_helper(). */
	while (atomic_read_acquire(&s->back) < taken)
		cpu_relax();
}

/* ---------------------------------------------------------------- stop -- */

static void run_stop_leader(struct stop_state *s)
{
	/* The time can be up before all CPUs are stopped. */
	s->ret = check_stop_time(s->t) ?: kmemleak_mark_run_stopped(s->marker, &s->ops);
	/* Pairs with run_stop_helper(). */
	smp_store_release(&s->over, true);
}

static void run_stop_helper(struct stop_state *s)
{
	/* Pairs with run_stop_leader(). */
	while (!smp_load_acquire(&s->over)) {
		struct kmemleak_marker *m = take_offer(s);

		if (m) {
			kmemleak_worklist_help(m);
			/* Pairs with join_stop_helpers(). */
			atomic_inc_return_release(&s->back);
		} else {
			cpu_relax();
		}
	}
}

/* Runs on all CPUs at once, with interrupts off. */
static int run_on_stopped_cpu(void *data)
{
	struct stop_state *s = data;

	if (raw_smp_processor_id() == s->leader)
		run_stop_leader(s);
	else
		run_stop_helper(s);
	kmemleak_selfstack_wipe(KMEMLEAK_WIPE_DEPTH);
	/* The watchdog could not run on this CPU during the stop. */
	touch_nmi_watchdog();
	WRITE_ONCE(s->left, now_ns());
	return 0;
}

/* This part of the time, 1 / EXIT_SHARE, is kept for leaving the stop. */
#define EXIT_SHARE	32

/*
 * The mark of a stop is about as much work as the mark before. Helpers may have done most of
 * that work, and their pieces are not counted.
 */
#define MOST_PIECES(before)	(KMEMLEAK_MAX_WORKERS * (before) + 64)

/* The pace rises by at most 1 / PACE_FORGETS at a time, so a low value is forgotten slowly. */
#define PACE_FORGETS	16

/* CPU time of the scanning task when the scan began, nanoseconds. */
static u64 runtime;

/**
 * kmemleak_stop_prepare() - a scan begins
 *
 * Context: in the task that scans, kmemleak_scan_mutex held.
 */
void kmemleak_stop_prepare(void)
{
	lockdep_assert_held(&kmemleak_scan_mutex);
	runtime = task_sched_runtime(current);
}

/* @pieces took @ns. An older pace counts for less with time. */
static void update_pace(u64 ns, unsigned long pieces)
{
	ns = div64_ul(ns, max(pieces, 1UL));
	pace = pace ? min(pace + pace / PACE_FORGETS, ns) : ns;
}

static void record_times(u64 took, unsigned long pieces, int ret)
{
	unsigned long us = div_u64(took, NSEC_PER_USEC);

	WRITE_ONCE(last_us, us);
	WRITE_ONCE(max_us, max(max_us, us));
	/* A stop that was cut short needed time for all pieces of the mark before. */
	if (ret)
		us = max_t(u64, us, div_u64(pace * pieces, NSEC_PER_USEC));
	WRITE_ONCE(needed_us, us);
}

/* No stop if a CPU runs with preemption off for longer than this. */
#define ANSWER_MS	1000

/*
 * A CPU that does not answer would hold up stop_machine(), and with it all CPUs, without
 * limit. So first ask each CPU while the others go on. A request stays queued until its CPU
 * answers.
 */
static DEFINE_PER_CPU(struct cpu_stop_work, request);
static atomic_t unanswered;
static DECLARE_WAIT_QUEUE_HEAD(answers);

static int answer_request(void *unused)
{
	if (atomic_dec_and_test(&unanswered))
		wake_up(&answers);
	return 0;
}

static bool all_cpus_answer(void)
{
	unsigned int cpu;

	if (num_online_cpus() == 1)
		return true;
	/* A CPU has not answered the request of an earlier scan yet. */
	if (atomic_read(&unanswered))
		return false;
	atomic_set(&unanswered, num_online_cpus());
	for_each_online_cpu(cpu)
		stop_one_cpu_nowait(cpu, answer_request, NULL, per_cpu_ptr(&request, cpu));
	return wait_event_timeout(answers, !atomic_read(&unanswered),
				  msecs_to_jiffies(ANSWER_MS));
}

/* Stops all CPUs, runs the mark, and lets the CPUs go on. */
static int stop_cpus(struct stop_state *s, unsigned long pieces, u64 limit)
{
	u64 began;
	int ret;

	stash_fill(s->t);
	cpus_read_lock();
	if (!all_cpus_answer()) {
		cpus_read_unlock();
		stash_empty(s->t);
		return -EBUSY;
	}
	/* The roots need this lock, and cannot wait for it during the stop. */
	get_online_mems();
	s->leader = cpumask_first(cpu_online_mask);
	s->most = MOST_PIECES(pieces);
	began = now_ns();
	s->end = began + limit - limit / EXIT_SHARE;
	ret = stop_machine_cpuslocked(run_on_stopped_cpu, s, cpu_online_mask) ?: s->ret;
	put_online_mems();
	cpus_read_unlock();
	stash_empty(s->t);
	/* A stop that was cut short has done only a part of the pieces. */
	update_pace(s->left - began, ret ? kmemleak_mark_pieces(s->marker) : pieces);
	record_times(s->left - began, pieces, ret);
	return ret;
}

/**
 * kmemleak_stop_mark() - run a mark while all CPUs are stopped
 * @t: the kernel's tracker
 * @m: a mark that has begun
 * @pieces: number of pieces of the mark before
 *
 * Context: process, may sleep, kmemleak_scan_mutex held.
 * Return: 0; -EBUSY if the stop would take too long or a CPU does not answer; -ETIME if the
 * stop took too long and was cut short; -EOPNOTSUPP if this kernel cannot stop the CPUs.
 */
int kmemleak_stop_mark(struct kmemleak_tracker *t, struct kmemleak_marker *m, unsigned long pieces)
{
	u64 limit = kmemleak_stop_limit_ns();
	struct stop_state *s = &stop_state;
	int ret;

	lockdep_assert_held(&kmemleak_scan_mutex);
	if (IS_ENABLED(CONFIG_PREEMPT_RT))
		return -EOPNOTSUPP;
	update_pace(task_sched_runtime(current) - runtime, pieces);
	if (pace * pieces >= limit) {
		WRITE_ONCE(needed_us, (unsigned long)div_u64(pace * pieces, NSEC_PER_USEC));
		return -EBUSY;
	}
	memset(s, 0, sizeof(*s));
	s->t = t;
	s->marker = m;
	s->ops = *t->ops;
	s->ops.page_alloc = stash_alloc;
	s->ops.page_free = stash_free;
	s->ops.pause = check_stop_time;
	s->ops.spawn = offer_marker;
	s->ops.wait = wait_stopped;
	s->ops.wake = wake_stop_helpers;
	s->ops.join = join_stop_helpers;
	ret = stop_cpus(s, pieces, limit);
	/* The next scan treats this as a root. By then the pages have other owners. */
	memset(s, 0, sizeof(*s));
	return ret;
}

/**
 * kmemleak_stop_times() - how long were the CPUs stopped?
 * @last: set to the time of the last stop, microseconds
 * @max: set to the time of the longest stop since boot
 * @needed: set to the time that the last stop needed, also if it was refused or cut short
 */
void kmemleak_stop_times(unsigned long *last, unsigned long *max, unsigned long *needed)
{
	*last = READ_ONCE(last_us);
	*max = READ_ONCE(max_us);
	*needed = READ_ONCE(needed_us);
}
