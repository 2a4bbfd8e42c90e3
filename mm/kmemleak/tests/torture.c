// SPDX-License-Identifier: GPL-2.0-only
/*
 * The torture module: sets up scenes in which it is known which blocks are live and which
 * are lost. A selftest writes a command, starts a scan, and compares the reports with the
 * answers of this module. This file has the table of answers, the list of blocks to free,
 * and the files in debugfs. The scenes are in other files.
 *
 *   kmemleak_torture/command   takes one command a write. Most commands first free all
 *				blocks of earlier ones.
 *	api <function> <input>	one call with wrong arguments, in all scenes
 *	born <us>		a thread allocates a block every so many microseconds
 *	churn			pointers that move on every CPU, until another command
 *				comes
 *	clock			a clock that does not advance while all CPUs are stopped
 *	decoys			allocates the memory that was freed last, so that lost
 *				blocks do not get it
 *	fence			blocks from KFENCE's pool, held and lost
 *	graph <seed> <objects>	a random graph, some roots cut
 *	halt			ends the thread of born, written or registers
 *	interrupts <pairs>	so many allocations and frees in each kind of interrupt
 *	lose <way> <blocks>	lost blocks; torture_leaks.c has the ways
 *	mistakes		wrong calls with a lock held; the log must report them later
 *	moves			tells how many moves churn has made; churn goes on
 *	named <name>		blocks that a task of this name loses
 *	old <step>		preexisting memory, see torture_old.c
 *	pair <name> <on|off> [scenes]	one annotation or reference, with and without
 *	peak <blocks> <size> <every>	many blocks, then frees all but one of <every>
 *	rcu <ms>		blocks in the queues of RCU, while no grace period ends
 *				for so long
 *	registers <ms>		blocks that only registers of a CPU point to; the CPU
 *				takes no interrupt for so long
 *	reset			frees everything
 *	scan			a scan by the writer, whose stack points to blocks
 *	shortage <blocks>	blocks, while the detector gets no page
 *	starve <blocks> <size>	atomic allocations, while others get no page
 *	starved on		writes "on" to the detector's file, with the faults that
 *				are set up under debugfs
 *	storm <seconds> <live> [faults]	load on every CPU; its tasks may get these faults
 *	traces			blocks of two callers, whose traces must not be mixed up
 *	written			blocks without a reference, to which a thread writes
 *   kmemleak_torture/result    the answers: "live 0x<addr> <size>" and
 *	"lost 0x<addr> <size>", preceded by "percpu " for per-cpu blocks and followed by
 *	" trace=<function>" if the report's trace must show a function. Other lines that a
 *	command prints begin with "# ".
 *   kmemleak_torture/pairs     "annotation <name>" and "root <name>"
 */

#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/io.h>
#include <linux/kasan.h>
#include <linux/kthread.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/percpu.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "torture.h"

#define MAX_WORDS	4
#define MAX_COMMAND	128
#define NR_MINIMUM	8192
#define HELD_SIZE	192

struct answer {
	unsigned long veiled;
	unsigned int size;
	bool percpu;
	enum torture_expected verdict;
	const char *function;
};

struct owned {
	unsigned long veiled;
	unsigned int size;
	enum torture_kind kind;
};

/* Serialises commands and readers of the result. */
static DEFINE_MUTEX(torture_mutex);

static struct answer *answers;
static struct owned *owned;
static unsigned int nr_answers, nr_owned, nr_max;
static char said[512];

unsigned int torture_scene;
void *torture_slots[TORTURE_NR_SCENES][TORTURE_NR_SLOTS];

/* -------------------------------------------------------------- answers -- */

/*
 * Makes room for @nr answers and as many blocks. Call it while there are none. The tables
 * are zeroed: pages that blocks were in before are full of old references.
 */
int torture_reserve(unsigned int nr)
{
	struct answer *new_answers;
	struct owned *new_owned;

	if (nr <= nr_max)
		return 0;
	new_answers = vzalloc(array_size(nr, sizeof(*new_answers)));
	new_owned = vzalloc(array_size(nr, sizeof(*new_owned)));
	if (!new_answers || !new_owned) {
		vfree(new_answers);
		vfree(new_owned);
		return -ENOMEM;
	}
	vfree(answers);
	vfree(owned);
	answers = new_answers;
	owned = new_owned;
	nr_max = nr;
	return 0;
}

/* For a command that adds @nr blocks to earlier ones. The first call makes room for @most. */
int torture_reserve_more(unsigned int nr, unsigned int most)
{
	if (!nr_answers && !nr_owned)
		return torture_reserve(most);
	return nr_owned + nr <= nr_max ? 0 : -ENOSPC;
}

static void answer(const void *ptr, size_t size, bool percpu,
		   enum torture_expected verdict, const char *function)
{
	if (WARN_ON(nr_answers == nr_max))
		return;
	answers[nr_answers++] = (struct answer) {
		.veiled = torture_veil(ptr),
		.size = size,
		.percpu = percpu,
		.verdict = verdict,
		.function = function,
	};
}

void torture_expect(const void *ptr, size_t size, enum torture_expected verdict)
{
	answer(ptr, size, false, verdict, NULL);
}

void torture_expect_percpu(const void __percpu *ptr, size_t size,
			   enum torture_expected verdict)
{
	answer((__force const void *)ptr, size, true, verdict, NULL);
}

/* A lost block. Its report must show @function in the trace. The string is not copied. */
void torture_expect_trace(const void *ptr, size_t size, const char *function)
{
	answer(ptr, size, false, TORTURE_LOST, function);
}

/* For commands after which other blocks are lost. The blocks stay. */
void torture_new_answers(void)
{
	nr_answers = 0;
	said[0] = '\0';
}

void torture_say(const char *fmt, ...)
{
	size_t len = strlen(said);
	va_list args;

	va_start(args, fmt);
	vscnprintf(said + len, sizeof(said) - len, fmt, args);
	va_end(args);
}

/* --------------------------------------------------------------- blocks -- */

void torture_own(const void *ptr, size_t size, enum torture_kind kind)
{
	if (WARN_ON(nr_owned == nr_max))
		return;
	owned[nr_owned++] = (struct owned) {
		.veiled = torture_veil(ptr),
		.size = size,
		.kind = kind,
	};
}

void *torture_kzalloc(size_t size)
{
	void *ptr = kzalloc(size, GFP_KERNEL);

	if (ptr)
		torture_own(ptr, size, TORTURE_KMALLOC);
	return ptr;
}

void *torture_kmalloc(size_t size)
{
	void *ptr = kmalloc(size, GFP_KERNEL);

	if (ptr)
		torture_own(ptr, size, TORTURE_KMALLOC);
	return ptr;
}

/* Makes the cache of this size free the memory that it keeps for later use. */
void torture_shrink(size_t size)
{
	kmem_cache_shrink(kmalloc_caches[KMALLOC_NORMAL][__kmalloc_index(size, false)]);
}

/* KASAN keeps freed blocks in a quarantine. Shrinking the cache moves them to the free lists. */
static void empty_quarantine(size_t size)
{
	if (IS_ENABLED(CONFIG_KASAN_GENERIC))
		torture_shrink(size);
}

/*
 * Memory that was allocated and not zeroed may hold addresses from an earlier owner. Stacks
 * may hold addresses of blocks that were freed just now. A lost block at such an address is
 * not found. So take @nr free blocks of this size out of the way, until the reset.
 */
int torture_decoys(size_t size, unsigned int nr)
{
	empty_quarantine(size);
	while (nr--) {
		void *ptr = torture_kzalloc(size);

		if (!ptr)
			return -ENOMEM;
		kmemleak_ignore(ptr);
		cond_resched();
	}
	return 0;
}

void *torture_vzalloc(size_t size)
{
	void *ptr = vzalloc(size);

	if (ptr)
		torture_own(ptr, size, TORTURE_VMALLOC);
	return ptr;
}

void *torture_pages(size_t size)
{
	void *ptr = alloc_pages_exact(size, GFP_KERNEL | __GFP_ZERO);

	if (ptr)
		torture_own(ptr, size, TORTURE_PAGES);
	return ptr;
}

void __percpu *torture_percpu(size_t size)
{
	void __percpu *ptr = __alloc_percpu(size, sizeof(long));

	if (ptr)
		torture_own((__force void *)ptr, size, TORTURE_PERCPU);
	return ptr;
}

/*
 * Zeroes the block first. The next owner of the memory may not write to all of it. Then old
 * pointers would count as references, also to blocks that come to those addresses later.
 */
static void give_back(void *ptr, size_t size, enum torture_kind kind)
{
	int cpu;

	switch (kind) {
	case TORTURE_KMALLOC:
		memzero_explicit(ptr, size);
		kfree(ptr);
		break;
	case TORTURE_VMALLOC:
		memzero_explicit(ptr, size);
		vfree(ptr);
		break;
	case TORTURE_PERCPU:
		for_each_possible_cpu(cpu)
			memzero_explicit(per_cpu_ptr((__force void __percpu *)ptr, cpu), size);
		free_percpu((__force void __percpu *)ptr);
		break;
	case TORTURE_PAGES:
		memzero_explicit(ptr, size);
		free_pages_exact(ptr, size);
		break;
	case TORTURE_REGISTERED:
		kmemleak_free(ptr);
		break;
	case TORTURE_REGISTERED_PHYS:
		kmemleak_free_part_phys(virt_to_phys(ptr), size);
		break;
	case TORTURE_REGISTERED_PERCPU:
		kmemleak_free_percpu((__force void __percpu *)ptr);
		break;
	}
}

/* Frees the newest first: a block is unregistered before its memory is freed. */
void torture_reset(void)
{
	torture_roots_reset();
	torture_graph_reset();
	torture_rcu_reset();
	torture_churn_reset();
	torture_clock_reset();
	torture_peak_reset();
	torture_fence_reset();
	torture_leaks_reset();
	torture_old_reset();
	torture_rules_reset();
	memset(torture_slots, 0, sizeof(torture_slots));
	while (nr_owned) {
		const struct owned *block = &owned[--nr_owned];

		give_back(torture_unveil(block->veiled), block->size, block->kind);
		cond_resched();
	}
	nr_answers = 0;
	said[0] = '\0';
}

/*
 * Overwrites the part of the stack that deeper calls have used. The second
 * memzero_explicit() also keeps the recursion from becoming a loop.
 */
noinline void torture_wipe_stack(int depth)
{
	unsigned long pad[128];

	memzero_explicit(pad, sizeof(pad));
	if (depth)
		torture_wipe_stack(depth - 1);
	memzero_explicit(pad, sizeof(pad));
}

/* -------------------------------------------------------------- fillers -- */

/*
 * Stacks of sleeping tasks hold addresses of blocks that were freed long ago, in slots that
 * the present call has not written. If a block comes to such an address, no scan can find it
 * lost. So while this module is loaded, it fills the gaps that such blocks have left: in
 * caches, and at the low end of the per-cpu area, where an address is also a likely number.
 */
#define FILLER_MAX	256
#define FILLER_BYTES	SZ_256K		/* of each size */
#define NR_PERCPU_FILLERS 256

static const unsigned int filler_sizes[] = { 16, 32, 64, 96, 128, 192, FILLER_MAX };
static unsigned long fillers_veiled;	/* a list linked through the first words */
static unsigned long percpu_fillers_veiled[NR_PERCPU_FILLERS];

static void remove_fillers(void)
{
	unsigned int i;

	while (fillers_veiled) {
		unsigned long *filler = torture_unveil(fillers_veiled);

		fillers_veiled = *filler;
		*filler = 0;
		kfree(filler);
		cond_resched();
	}
	for (i = 0; i < NR_PERCPU_FILLERS && percpu_fillers_veiled[i]; i++)
		free_percpu((__force void __percpu *)torture_unveil(percpu_fillers_veiled[i]));
}

static noinline int add_filler(size_t size)
{
	unsigned long *filler = kzalloc(size, GFP_KERNEL);

	if (!filler)
		return -ENOMEM;
	kmemleak_ignore(filler);
	*filler = fillers_veiled;
	fillers_veiled = torture_veil(filler);
	return 0;
}

static noinline int add_percpu_filler(unsigned int i)
{
	void __percpu *filler = __alloc_percpu(FILLER_MAX, sizeof(long));

	if (!filler)
		return -ENOMEM;
	kmemleak_ignore_percpu(filler);
	percpu_fillers_veiled[i] = torture_veil((__force void *)filler);
	return 0;
}

static int add_fillers(void)
{
	unsigned int i, j;
	int ret = 0;

	for (i = 0; !ret && i < ARRAY_SIZE(filler_sizes); i++) {
		empty_quarantine(filler_sizes[i]);
		for (j = 0; !ret && j < FILLER_BYTES / filler_sizes[i]; j++) {
			ret = add_filler(filler_sizes[i]);
			cond_resched();
		}
	}
	for (i = 0; !ret && i < NR_PERCPU_FILLERS; i++)
		ret = add_percpu_filler(i);
	if (ret)
		remove_fillers();
	return ret;
}

/* ------------------------------------------------------------- commands -- */

static const struct torture_pair *find_pair(const struct torture_pair *pair, const char *name)
{
	while (pair->name && strcmp(pair->name, name))
		pair++;
	return pair->name ? pair : NULL;
}

static int run_pair(int argc, char **argv)
{
	const struct torture_pair *pair;
	u32 scenes = 1;
	bool on;
	int ret;

	if (argc < 2 || argc > 3)
		return -EINVAL;
	pair = find_pair(torture_annotations, argv[0]) ?: find_pair(torture_roots, argv[0]);
	if (!pair || (argc == 3 && kstrtou32(argv[2], 0, &scenes)))
		return -EINVAL;
	if (!scenes || scenes > TORTURE_NR_SCENES)
		return -EINVAL;
	if (!strcmp(argv[1], "on"))
		on = true;
	else if (!strcmp(argv[1], "off"))
		on = false;
	else
		return -EINVAL;
	/* The sizes that most pairs use. */
	ret = torture_decoys(128, 64) ?: torture_decoys(192, 64);
	for (torture_scene = 0; !ret && torture_scene < scenes; torture_scene++)
		ret = pair->run(on);
	torture_scene = 0;
	return ret;
}

static int run_reset(int argc, char **argv)
{
	return argc ? -EINVAL : 0;
}

static const struct command {
	const char *name;
	bool adds;	/* keeps the blocks of earlier commands */
	int (*run)(int argc, char **argv);
} commands[] = {
	{ "pair", false, run_pair },
	{ "graph", false, torture_graph },
	{ "api", true, torture_api },
	{ "born", false, torture_born },
	{ "churn", false, torture_churn },
	{ "clock", true, torture_clock },
	{ "fence", false, torture_fence },
	{ "halt", true, torture_halt },
	{ "interrupts", false, torture_interrupts },
	{ "lose", false, torture_lose },
	{ "mistakes", true, torture_mistakes },
	{ "moves", true, torture_moves },
	{ "named", false, torture_named },
	{ "old", true, torture_old },
	{ "peak", false, torture_peak },
	{ "rcu", true, torture_rcu },
	{ "registers", false, torture_registers },
	{ "shortage", false, torture_shortage },
	{ "starve", false, torture_starve },
	{ "storm", false, torture_storm },
	{ "traces", false, torture_traces },
	{ "written", false, torture_written },
	{ "decoys", true, torture_more_decoys },
	{ "reset", false, run_reset },
};

/* Lets fault injection fail this task's allocations, or no longer. */
static void let_faults_come(bool on)
{
#ifdef CONFIG_FAULT_INJECTION
	current->make_it_fail = on;
#endif
}

static ssize_t hand_on(const char __user *user, size_t len, bool with_faults)
{
	struct file *file = filp_open("/sys/kernel/debug/kmemleak", O_WRONLY, 0);
	ssize_t ret;
	loff_t pos = 0;

	if (IS_ERR(file))
		return PTR_ERR(file);
	let_faults_come(with_faults);
	ret = file->f_op->write(file, user, len, &pos);
	let_faults_come(false);
	fput(file);
	return ret;
}

static ssize_t run_starved(const char __user *user, size_t len)
{
	const size_t skip = strlen("starved ");

	/* Return 0 for success: after a smaller count the writer would write the rest. */
	return len > skip ? min_t(ssize_t, hand_on(user + skip, len - skip, true), 0) : -EINVAL;
}

/*
 * Passes the write on to the detector while this task's stack points to blocks. They are
 * lost when it returns.
 */
static noinline ssize_t scan_with_blocks(const char __user *user, size_t len)
{
	void *held[TORTURE_NR_SCENES] = { };
	unsigned int i;
	ssize_t ret;

	for (i = 0; i < ARRAY_SIZE(held); i++) {
		held[i] = torture_kzalloc(HELD_SIZE);
		if (!held[i])
			return -ENOMEM;
		torture_expect(held[i], HELD_SIZE, TORTURE_LIVE);
	}
	/* The array must be in memory, and its pointers nowhere else. */
	barrier_data(held);
	ret = hand_on(user, len, false);
	barrier_data(held);
	memzero_explicit(held, sizeof(held));
	return ret;
}

static ssize_t run_scan(const char __user *user, size_t len)
{
	ssize_t ret;

	torture_reset();
	ret = torture_decoys(HELD_SIZE, 64) ?: scan_with_blocks(user, len);
	torture_wipe_stack(6);
	return ret;
}

struct job {
	const struct command *command;
	int argc;
	char **argv;
	int ret;
	struct completion done;
};

static int run_job(void *arg)
{
	struct job *job = arg;

	if (!job->command->adds)
		torture_reset();
	job->ret = job->command->run(job->argc, job->argv);
	torture_wipe_stack(6);
	complete(&job->done);
	/* The stack is wiped and must stay so: it may be kept for another task. */
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static int run_command(const struct command *command, int argc, char **argv)
{
	struct job job = {
		.command = command,
		.argc = argc,
		.argv = argv,
	};
	struct task_struct *task;

	init_completion(&job.done);
	task = kthread_run(run_job, &job, "kmemleak_torture");
	if (IS_ERR(task))
		return PTR_ERR(task);
	wait_for_completion(&job.done);
	kthread_stop(task);
	return job.ret;
}

static ssize_t command_write(struct file *file, const char __user *user,
			     size_t len, loff_t *pos)
{
	char text[MAX_COMMAND];
	char *argv[MAX_WORDS + 1];
	char *rest, *word;
	unsigned int i;
	int argc = 0;
	ssize_t ret = -EINVAL;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, user, len))
		return -EFAULT;
	text[len] = '\0';
	rest = strim(text);
	while ((word = strsep(&rest, " ")) && argc < ARRAY_SIZE(argv))
		argv[argc++] = word;
	if (word || !argc)
		return -EINVAL;

	ret = mutex_lock_interruptible(&torture_mutex);
	if (ret)
		return ret;
	ret = -EINVAL;
	if (!strcmp(argv[0], "scan"))
		ret = run_scan(user, len);
	if (!strcmp(argv[0], "starved"))
		ret = run_starved(user, len);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, argv[0]))
			ret = run_command(&commands[i], argc - 1, argv + 1);
	mutex_unlock(&torture_mutex);
	return ret ? ret : len;
}

static const struct file_operations command_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = command_write,
};

/* --------------------------------------------------------------- result -- */

/* Position 0 is the text of torture_say(). The answers follow. */
static void *result_start(struct seq_file *m, loff_t *pos)
{
	mutex_lock(&torture_mutex);
	return *pos <= nr_answers ? pos : NULL;
}

static void *result_next(struct seq_file *m, void *v, loff_t *pos)
{
	++*pos;
	return *pos <= nr_answers ? pos : NULL;
}

static void result_stop(struct seq_file *m, void *v)
{
	mutex_unlock(&torture_mutex);
}

static int result_show(struct seq_file *m, void *v)
{
	loff_t pos = *(loff_t *)v;
	const struct answer *a;

	if (!pos) {
		seq_puts(m, said);
		return 0;
	}
	a = &answers[pos - 1];
	seq_printf(m, "%s%s 0x%lx %u", a->percpu ? "percpu " : "",
		   a->verdict == TORTURE_LOST ? "lost" : "live",
		   (unsigned long)kasan_reset_tag((void *)(a->veiled ^ TORTURE_VEIL)), a->size);
	if (a->function)
		seq_printf(m, " trace=%s", a->function);
	seq_putc(m, '\n');
	return 0;
}

static const struct seq_operations result_sops = {
	.start = result_start,
	.next = result_next,
	.stop = result_stop,
	.show = result_show,
};

DEFINE_SEQ_ATTRIBUTE(result);

static int pairs_show(struct seq_file *m, void *v)
{
	const struct torture_pair *pair;

	for (pair = torture_annotations; pair->name; pair++)
		seq_printf(m, "annotation %s\n", pair->name);
	for (pair = torture_roots; pair->name; pair++)
		seq_printf(m, "root %s\n", pair->name);
	return 0;
}

DEFINE_SHOW_ATTRIBUTE(pairs);

/* --------------------------------------------------------------- module -- */

static struct dentry *torture_dir;

static int __init kmemleak_torture_init(void)
{
	int ret = torture_reserve(NR_MINIMUM);

	if (ret)
		return ret;
	ret = add_fillers();
	if (ret)
		goto no_fillers;
	ret = torture_roots_init();
	if (ret)
		goto no_roots;
	torture_dir = debugfs_create_dir("kmemleak_torture", NULL);
	debugfs_create_file("command", 0200, torture_dir, NULL, &command_fops);
	debugfs_create_file("result", 0400, torture_dir, NULL, &result_fops);
	debugfs_create_file("pairs", 0400, torture_dir, NULL, &pairs_fops);
	return 0;

no_roots:
	remove_fillers();
no_fillers:
	vfree(answers);
	vfree(owned);
	return ret;
}

static void __exit kmemleak_torture_exit(void)
{
	debugfs_remove(torture_dir);
	torture_reset();
	torture_roots_exit();
	remove_fillers();
	vfree(answers);
	vfree(owned);
}

module_init(kmemleak_torture_init);
module_exit(kmemleak_torture_exit);

MODULE_DESCRIPTION("Scenes with a known answer, for the memory leak detector");
MODULE_LICENSE("GPL");
