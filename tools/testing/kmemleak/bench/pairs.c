// SPDX-License-Identifier: GPL-2.0-only
/*
 * Kernel threads allocate and free blocks in a loop, on stacks of a known depth. The time of
 * a pair is measured: one allocation and its free. Eight call sites take turns, because a
 * detector may remember results by call site.
 *
 * The depth is the number of callers of a site: the two functions that every kernel thread
 * starts with, the thread's own function, the loop, and levels of recursion between them.
 * The recursion is entered once for all pairs, so it costs nothing. With "paths" it is
 * entered anew for each pair, and by paths that differ in functions but not in depth.
 *
 * With "hardirq" and "softirq" a portion runs in one interrupt or softirq of the thread's
 * CPU. Then the first three callers are those of an interrupt handler or a tasklet.
 */

#include <linux/cpumask.h>
#include <linux/completion.h>
#include <linux/err.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "bench.h"

#define SITES		8
#define MIN_DEPTH	4
#define MAX_DEPTH	32
#define MAX_THREADS	64
#define HANDED		256		/* blocks handed over at once */
#define BULK		64

enum mode { PLAIN, SHARED, PRIVATE, PATHS, REMOTE, HARDIRQ, SOFTIRQ };

static const char * const mode_names[] = {
	"plain", "shared", "private", "paths", "remote", "hardirq", "softirq"
};

struct job;

/**
 * struct worker - one thread of a job
 * @job: shared by all threads
 * @cache: where its blocks come from, or NULL for kmalloc()
 * @index: number of the thread, from 0
 * @gfp: flags of its allocations
 * @pairs: number of pairs in a portion
 * @portion: number of the portion that is measured
 * @ns: time that each portion took
 * @err: error, or 0
 * @runs: the thread was started
 * @done: the thread has ended
 * @hardirq: runs a portion in an interrupt
 * @softirq: runs a portion in a softirq
 * @portion_done: the portion in the interrupt or softirq has ended
 */
struct worker {
	struct job *job;
	struct kmem_cache *cache;
	unsigned int index;
	gfp_t gfp;
	unsigned long pairs;
	unsigned int portion;
	u64 ns[BENCH_PORTIONS];
	int err;
	bool runs;
	struct completion done;
	struct irq_work hardirq;
	struct tasklet_struct softirq;
	struct completion portion_done;
};

/**
 * struct job - one command
 * @mode: how pairs are made, see mode_names
 * @size: bytes of a block
 * @levels: levels of recursion
 * @threads: number of threads
 * @arrived: how often a thread was ready for a portion, over all portions
 * @body: called at the right depth: makes a portion, or one pair of it with "paths"
 * @full: for "remote": the array belongs to the thread that frees
 * @handed: for "remote": blocks on their way to the other thread
 */
struct job {
	enum mode mode;
	size_t size;
	unsigned int levels;
	unsigned int threads;
	atomic_t arrived;
	int (*body)(struct worker *worker);
	bool full[2];
	void *handed[2][HANDED];
};

/*
 * Keeps the compiler from turning a call into a jump, and from merging functions that
 * differ only in @n.
 */
static __always_inline void stay(const int n)
{
	asm volatile("" : : "i" (n) : "memory");
}

#define SITE(n)									\
static noinline void *site_##n(struct worker *worker)				\
{										\
	void *p = worker->cache ? kmem_cache_alloc(worker->cache, worker->gfp) : \
				  kmalloc(worker->job->size, worker->gfp);	\
										\
	stay(n);								\
	return p;								\
}

SITE(0)
SITE(1)
SITE(2)
SITE(3)
SITE(4)
SITE(5)
SITE(6)
SITE(7)

static __always_inline void *allocate(struct worker *worker, unsigned int site)
{
	switch (site % SITES) {
	case 0:
		return site_0(worker);
	case 1:
		return site_1(worker);
	case 2:
		return site_2(worker);
	case 3:
		return site_3(worker);
	case 4:
		return site_4(worker);
	case 5:
		return site_5(worker);
	case 6:
		return site_6(worker);
	default:
		return site_7(worker);
	}
}

static void release(struct worker *worker, void *p)
{
	if (worker->cache)
		kmem_cache_free(worker->cache, p);
	else
		kfree(p);
}

/* Two functions with the same stack frame. The bits of @path select one at each level. */
static int descend(struct worker *worker, unsigned int levels, unsigned int path);

#define DESCEND(name, n)							\
static noinline int descend_##name(struct worker *worker, unsigned int levels,	\
				   unsigned int path)				\
{										\
	int err = levels > 1 ? descend(worker, levels - 1, path >> 1) :		\
			       worker->job->body(worker);			\
										\
	stay(n);								\
	return err;								\
}

DESCEND(even, 0)
DESCEND(odd, 1)

static __always_inline int descend(struct worker *worker, unsigned int levels,
				   unsigned int path)
{
	return path & 1 ? descend_odd(worker, levels, path) :
			  descend_even(worker, levels, path);
}

static int at_depth(struct worker *worker, unsigned int path)
{
	unsigned int levels = worker->job->levels;

	return levels ? descend(worker, levels, path) : worker->job->body(worker);
}

static __always_inline int pair(struct worker *worker, unsigned int site)
{
	void *p = allocate(worker, site);

	if (!p)
		return -ENOMEM;
	release(worker, p);
	return 0;
}

static int many_pairs(struct worker *worker)
{
	unsigned long i;
	int err = 0;

	for (i = 0; i < worker->pairs && !err; i++)
		err = pair(worker, i);
	return err;
}

static int one_pair(struct worker *worker)
{
	return pair(worker, 0);
}

/* The thread with index 0 allocates blocks, the other one frees them. */
static int hand_over(struct worker *worker)
{
	struct job *job = worker->job;
	unsigned long i, batches = worker->pairs / HANDED;
	bool frees = worker->index;
	unsigned int n;

	for (i = 0; i < batches; i++) {
		void **array = job->handed[i % 2];

		/* Pairs with the release below, in the other thread. */
		while (smp_load_acquire(&job->full[i % 2]) != frees) {
			cpu_relax();
			cond_resched();
		}
		for (n = 0; n < HANDED; n++) {
			if (frees) {
				kfree(array[n]);
				continue;
			}
			array[n] = allocate(worker, n);
			if (!array[n])
				worker->err = -ENOMEM;
		}
		/* Hands the array over to the other thread. Pairs with the acquire above. */
		smp_store_release(&job->full[i % 2], !frees);
	}
	return worker->err;
}

/* Waits until all threads have reached the same portion. */
static void line_up(struct job *job, unsigned int portion)
{
	int all = job->threads * (portion + 1);

	atomic_inc(&job->arrived);
	while (atomic_read(&job->arrived) < all) {
		cpu_relax();
		cond_resched();
	}
}

static void measure(struct worker *worker)
{
	u64 start = ktime_get_ns();
	unsigned long i;
	int err = 0;

	if (worker->job->mode == PATHS)
		for (i = 0; i < worker->pairs && !err; i++)
			err = at_depth(worker, i);
	else
		err = at_depth(worker, 0);
	worker->ns[worker->portion] = ktime_get_ns() - start;
	if (err)
		worker->err = err;
}

static void measure_in_hardirq(struct irq_work *work)
{
	struct worker *worker = container_of(work, struct worker, hardirq);

	measure(worker);
	complete(&worker->portion_done);
}

static void measure_in_softirq(struct tasklet_struct *tasklet)
{
	struct worker *worker = from_tasklet(worker, tasklet, softirq);

	measure(worker);
	complete(&worker->portion_done);
}

static void measure_in_context(struct worker *worker)
{
	switch (worker->job->mode) {
	case HARDIRQ:
		irq_work_queue(&worker->hardirq);
		break;
	case SOFTIRQ:
		/* The tasklet runs right here, in local_bh_enable(), and not in ksoftirqd. */
		local_bh_disable();
		tasklet_schedule(&worker->softirq);
		local_bh_enable();
		break;
	default:
		measure(worker);
		return;
	}
	wait_for_completion(&worker->portion_done);
}

static int work(void *data)
{
	struct worker *worker = data;

	for (worker->portion = 0; worker->portion < BENCH_PORTIONS; worker->portion++) {
		line_up(worker->job, worker->portion);
		measure_in_context(worker);
		cond_resched();
	}
	kthread_complete_and_exit(&worker->done, 0);
}

/* A cache with a constructor is not merged with another cache. */
static void construct(void *p)
{
}

static int start(struct worker *worker, unsigned int cpu)
{
	struct task_struct *task;

	init_completion(&worker->done);
	init_completion(&worker->portion_done);
	worker->hardirq = IRQ_WORK_INIT_HARD(measure_in_hardirq);
	tasklet_setup(&worker->softirq, measure_in_softirq);
	task = kthread_create(work, worker, "kmemleak-bench/%u", worker->index);
	if (IS_ERR(task))
		return PTR_ERR(task);
	kthread_bind(task, cpu);
	wake_up_process(task);
	return 0;
}

/* A thread that could not be started counts as arrived. Else the others would wait forever. */
static int run_threads(struct job *job, struct worker *worker)
{
	unsigned int i, cpu = cpumask_first(cpu_online_mask);
	unsigned int missing = 0;
	int err = 0;

	for (i = 0; i < job->threads; i++) {
		worker[i].err = start(&worker[i], cpu);
		worker[i].runs = !worker[i].err;
		missing += !worker[i].runs;
		cpu = cpumask_next(cpu, cpu_online_mask);
	}
	if (missing)
		atomic_add(missing * BENCH_PORTIONS, &job->arrived);
	for (i = 0; i < job->threads; i++) {
		if (worker[i].runs)
			wait_for_completion(&worker[i].done);
		if (worker[i].err)
			err = worker[i].err;
	}
	return err;
}

static int run_job(struct job *job, unsigned long pairs, const char *name)
{
	bool in_task = job->mode != HARDIRQ && job->mode != SOFTIRQ;
	struct worker *worker;
	unsigned int i, portion;
	char cache_name[32];
	int err = 0;

	worker = kcalloc(MAX_THREADS, sizeof(*worker), GFP_KERNEL);
	if (!worker)
		return -ENOMEM;
	for (i = 0; i < job->threads; i++) {
		worker[i].job = job;
		worker[i].index = i;
		worker[i].gfp = in_task ? GFP_KERNEL : GFP_ATOMIC;
		worker[i].pairs = pairs;
		if (job->mode != SHARED && job->mode != PRIVATE)
			continue;
		if (job->mode == SHARED && i) {
			worker[i].cache = worker[0].cache;
			continue;
		}
		snprintf(cache_name, sizeof(cache_name), "kmemleak_bench_%u", i);
		worker[i].cache = kmem_cache_create(cache_name, job->size, 0, 0, construct);
		if (!worker[i].cache)
			err = -ENOMEM;
	}
	if (!err)
		err = run_threads(job, worker);
	if (!err) {
		/* A portion takes as long as its slowest thread. */
		for (i = 1; i < job->threads; i++)
			for (portion = 0; portion < BENCH_PORTIONS; portion++)
				worker[0].ns[portion] = max(worker[0].ns[portion],
							    worker[i].ns[portion]);
		bench_portions(name, worker[0].ns, BENCH_PORTIONS, pairs);
	}
	for (i = 0; i < job->threads; i++)
		if (job->mode == PRIVATE || (job->mode == SHARED && !i))
			kmem_cache_destroy(worker[i].cache);
	kfree(worker);
	return err;
}

/* pair <size> <depth> <threads> <pairs> [mode] */
int bench_pair(unsigned int words, char **word)
{
	unsigned int size, depth, threads, pairs;
	int mode = PLAIN, err;
	struct job *job;

	if (words < 4 || words > 5 || kstrtouint(word[0], 0, &size) ||
	    kstrtouint(word[1], 0, &depth) || kstrtouint(word[2], 0, &threads) ||
	    kstrtouint(word[3], 0, &pairs))
		return -EINVAL;
	if (words == 5)
		mode = match_string(mode_names, ARRAY_SIZE(mode_names), word[4]);
	if (mode < 0 || !size || size > SZ_1M || depth < MIN_DEPTH || depth > MAX_DEPTH ||
	    !threads || threads > MAX_THREADS || pairs < HANDED ||
	    (mode == REMOTE && threads != 2))
		return -EINVAL;
	if (threads > num_online_cpus())
		return -ENODEV;
	job = kzalloc(sizeof(*job), GFP_KERNEL);
	if (!job)
		return -ENOMEM;
	job->mode = mode;
	job->size = size;
	job->levels = depth - MIN_DEPTH;
	job->threads = threads;
	job->body = mode == PATHS ? one_pair : mode == REMOTE ? hand_over : many_pairs;
	err = run_job(job, round_down(pairs, HANDED), "pair");
	kfree(job);
	return err;
}

static int vmalloc_pairs(struct worker *worker)
{
	unsigned long i;

	for (i = 0; i < worker->pairs; i++) {
		void *p = vmalloc(PAGE_SIZE);

		if (!p)
			return -ENOMEM;
		vfree(p);
	}
	return 0;
}

static int percpu_pairs(struct worker *worker)
{
	unsigned long i;

	for (i = 0; i < worker->pairs; i++) {
		void __percpu *p = __alloc_percpu(64, 8);

		if (!p)
			return -ENOMEM;
		free_percpu(p);
	}
	return 0;
}

static int bulk_pairs(struct worker *worker)
{
	unsigned long i;
	void *p[BULK];

	for (i = 0; i < worker->pairs / BULK; i++) {
		if (!kmem_cache_alloc_bulk(worker->cache, GFP_KERNEL, BULK, p))
			return -ENOMEM;
		kmem_cache_free_bulk(worker->cache, BULK, p);
	}
	return 0;
}

static int run_simple(unsigned int words, char **word, const char *name, enum mode mode,
		      int (*body)(struct worker *worker))
{
	unsigned int pairs;
	struct job *job;
	int err;

	if (words != 1 || kstrtouint(word[0], 0, &pairs) || pairs < BULK)
		return -EINVAL;
	job = kzalloc(sizeof(*job), GFP_KERNEL);
	if (!job)
		return -ENOMEM;
	job->mode = mode;
	job->size = 64;
	job->threads = 1;
	job->body = body;
	err = run_job(job, round_down(pairs, BULK), name);
	kfree(job);
	return err;
}

int bench_bulk(unsigned int words, char **word)
{
	return run_simple(words, word, "bulk", SHARED, bulk_pairs);
}

int bench_vmalloc(unsigned int words, char **word)
{
	return run_simple(words, word, "vmalloc", PLAIN, vmalloc_pairs);
}

int bench_percpu(unsigned int words, char **word)
{
	return run_simple(words, word, "percpu", PLAIN, percpu_pairs);
}
