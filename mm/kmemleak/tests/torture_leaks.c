// SPDX-License-Identifier: GPL-2.0-only
/*
 * "lose <way> <blocks>" loses many blocks at once. Some ways differ in the allocator or in
 * the context. Each of the others leaves addresses of the blocks in one place: in frames of
 * functions that have returned, or in memory of an allocator, of RCU or of lockdep. Nobody
 * uses the addresses there any more, so they must not hide the blocks. The selftest
 * recall.sh runs all ways: the first scan must find nearly all blocks. "named <name>" sets
 * the name of the task that loses blocks.
 */
#include <linux/completion.h>
#include <linux/cpu.h>
#include <linux/cpumask.h>
#include <linux/err.h>
#include <linux/interrupt.h>
#include <linux/irq_work.h>
#include <linux/kasan.h>
#include <linux/kernel.h>
#include <linux/kthread.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "torture.h"

#define SIZE		192
#define MAX_LEAKS	4096
#define NR_NAMED	8

static noinline int lose(gfp_t gfp)
{
	void *ptr = kzalloc(SIZE, gfp);

	if (!ptr)
		return -ENOMEM;
	torture_own(ptr, SIZE, TORTURE_KMALLOC);
	torture_expect(ptr, SIZE, TORTURE_LOST);
	return 0;
}

/* Return: a block that must be reported, or NULL. Callers may keep the address only veiled. */
static noinline void *lose_block(size_t size)
{
	void *ptr = torture_kzalloc(size);

	if (ptr)
		torture_expect(ptr, size, TORTURE_LOST);
	return ptr;
}

static int lose_one(size_t size)
{
	return lose_block(size) ? 0 : -ENOMEM;
}

/* ----------------------------------------------------------- interrupts -- */

/* Blocks for one interrupt: interrupts are off for no longer than these take. */
#define PER_INTERRUPT	16

/* The task writes these before it triggers an interrupt, and reads them after it. */
static unsigned int wanted;
static int failed;

static void lose_some(void)
{
	unsigned int i;

	for (i = 0; i < PER_INTERRUPT && wanted && !failed; i++, wanted--)
		failed = lose(GFP_ATOMIC);
}

static void in_hardirq_now(struct irq_work *work)
{
	lose_some();
}

static void in_softirq_now(struct tasklet_struct *unused)
{
	lose_some();
}

static int lose_in_hardirq(unsigned int nr)
{
	static struct irq_work work = IRQ_WORK_INIT(in_hardirq_now);

	for (wanted = nr, failed = 0; wanted && !failed; cond_resched()) {
		irq_work_queue(&work);
		irq_work_sync(&work);
	}
	return failed;
}

static int lose_in_softirq(unsigned int nr)
{
	static DECLARE_TASKLET(tasklet, in_softirq_now);

	for (wanted = nr, failed = 0; wanted && !failed; cond_resched()) {
		tasklet_schedule(&tasklet);
		tasklet_kill(&tasklet);
	}
	return failed;
}

/* ----------------------------------------------------------- allocators -- */

static int lose_in_task(unsigned int nr)
{
	int ret = 0;

	for (; nr && !ret; nr--)
		ret = lose(GFP_KERNEL);
	return ret;
}

static noinline int lose_vmalloc(unsigned int nr)
{
	for (; nr; nr--) {
		void *ptr = torture_vzalloc(PAGE_SIZE);

		if (!ptr)
			return -ENOMEM;
		torture_expect(ptr, PAGE_SIZE, TORTURE_LOST);
	}
	return 0;
}

static noinline int lose_percpu(unsigned int nr)
{
	for (; nr; nr--) {
		void __percpu *ptr = torture_percpu(SIZE);

		if (!ptr)
			return -ENOMEM;
		torture_expect_percpu(ptr, SIZE, TORTURE_LOST);
	}
	return 0;
}

/* Larger than the areas that wait in a pool when they are freed: up to 256 pages. */
#define LARGE		(257 * PAGE_SIZE)
/* Small enough for a flush of single pages: the TLB flushes up to 33 pages one by one. */
#define SMALL		(16 * PAGE_SIZE)
#define NR_SIZES	16
#define NR_BLOCKS	32

/* KASAN may keep a tag in a pointer to a block, another one for each block. */
static unsigned long start_of(const void *block)
{
	return (unsigned long)kasan_reset_tag(block);
}

/*
 * Looks for @nr blocks of @size without gaps between their areas. The third one must end at
 * or before @limit. Return: the last such row, or NULL.
 */
static void **find_row(void **block, size_t size, unsigned int nr, unsigned long limit)
{
	unsigned int i, row = 1;

	for (i = NR_BLOCKS - 1; i; i--) {
		if (start_of(block[i]) == start_of(block[i - 1]) + size + PAGE_SIZE)
			row++;
		else
			row = 1;
		if (row >= nr && start_of(block[i + 1]) + size <= limit)
			return &block[i - 1];
	}
	return NULL;
}

/* Uses up the struct vmap_area that this CPU keeps for splitting a free area. */
static int split_free_area(void)
{
	struct page *page = alloc_page(GFP_KERNEL);
	void *map = NULL;

	/* The first mapping takes a large aligned area from the middle of a free one. */
	if (page)
		map = vm_map_ram(&page, 1, NUMA_NO_NODE);
	if (map)
		vm_unmap_ram(map, 1);
	if (page)
		__free_page(page);
	return map ? 0 : -ENOMEM;
}

/*
 * If two freed areas are neighbours, they become one, and a struct vmap_area is freed. Here
 * it happens twice. vmalloc() then takes the second struct for its block and keeps the first
 * for later. The first struct still says where its area ended: at the address of row[2].
 */
static int free_row(void **row)
{
	static const u8 order[] = { 0, 1, 3, 4 };
	unsigned int i;
	int ret = split_free_area();

	for (i = 0; i < ARRAY_SIZE(order) && !ret; i++) {
		vfree(row[order[i]]);
		row[order[i]] = NULL;
		vm_unmap_aliases();
	}
	if (!ret)
		vfree(vmalloc(PAGE_SIZE));
	return ret;
}

/* A flush of a few pages leaves their end, the address of row[2], on this CPU until the next. */
static int flush_row(void **row)
{
	vfree(row[1]);
	row[1] = NULL;
	vm_unmap_aliases();
	return 0;
}

/*
 * Loses the third block of a row. The block is below the last one that was lost, so that no
 * two share a byte: a stray number hides one of them, not all. When there is no room below,
 * begin anew. The size is another one each time: a pool may have freed areas of earlier
 * sizes, in any order.
 */
static noinline int lose_from_row(size_t size, unsigned int nr, int (*prepare)(void **row))
{
	static unsigned long veiled;
	static unsigned int round;
	void *block[NR_BLOCKS], **row;
	unsigned int i;
	int ret;

	size += round++ % NR_SIZES * PAGE_SIZE;
	vm_unmap_aliases();
	for (i = 0; i < NR_BLOCKS; i++)
		block[i] = vmalloc(size);
	row = find_row(block, size, nr, start_of(torture_unveil(veiled)));
	if (!row)
		row = find_row(block, size, nr, ULONG_MAX);
	ret = row ? prepare(row) : -ENOMEM;
	if (!ret) {
		veiled = torture_veil(row[2]);
		memset(row[2], 0, size);
		torture_own(row[2], size, TORTURE_VMALLOC);
		torture_expect(row[2], size, TORTURE_LOST);
		row[2] = NULL;
	}
	for (i = 0; i < NR_BLOCKS; i++)
		vfree(block[i]);
	memzero_explicit(block, sizeof(block));
	return ret;
}

/* All rows on one CPU: the address that it keeps of one row hides one block at most. */
static int lose_from_rows(unsigned int rows, size_t size, unsigned int nr,
			  int (*prepare)(void **row))
{
	int ret = 0;

	migrate_disable();
	for (; rows && !ret; rows--)
		ret = lose_from_row(size, nr, prepare);
	migrate_enable();
	return ret;
}

static int lose_behind(unsigned int nr)
{
	return lose_from_rows(nr, LARGE, 6, free_row);
}

static int lose_flushed(unsigned int nr)
{
	return lose_from_rows(nr, SMALL, 3, flush_row);
}

/*
 * An rcu_head of this module is queued before each block. The head stays when both callbacks
 * have run, and must not hide the block by its link. Interrupts are off, so that no other
 * head comes between them.
 */
#define NR_CALLED	64

static struct rcu_head called_heads[NR_CALLED];

static void called(struct rcu_head *unused)
{
}

static int lose_called(unsigned int nr)
{
	unsigned int i;
	int ret = nr > NR_CALLED ? -EINVAL : 0;

	for (i = 0; i < nr && !ret; i++) {
		struct rcu_head *head = lose_block(SIZE);

		if (!head) {
			ret = -ENOMEM;
			break;
		}
		local_irq_disable();
		call_rcu(&called_heads[i], called);
		call_rcu(head, called);
		local_irq_enable();
	}
	rcu_barrier();
	return ret;
}

/* Usually more than there are free slots of one size. */
#define NR_DECOYS	4096
/* Pages, usually more than fit where stacks of dead tasks were. */
#define NR_STACK_DECOYS	512

/*
 * Keeps only addresses of vmalloc areas. With KASAN, the slot of a vm_struct stays in the
 * quarantine for a while, so the block may have leftovers of another owner.
 */
static void wipe_other_leftovers(unsigned long *word, size_t size)
{
	unsigned int i;

	for (i = 0; i < size / sizeof(*word); i++)
		if (!is_vmalloc_addr((void *)word[i]))
			word[i] = 0;
}

/*
 * The memory of a freed vm_struct is in use again, and was not written to, when a lost block
 * comes to the address that the vm_struct had.
 */
static noinline int lose_reused(unsigned int nr)
{
	void **kept = torture_kzalloc((nr + NR_STACK_DECOYS) * sizeof(*kept));
	unsigned int i;

	if (!kept)
		return -ENOMEM;
	*torture_slot(0) = kept;
	if (torture_decoys(sizeof(struct vm_struct), NR_DECOYS))
		return -ENOMEM;
	/* The frame of kthread() keeps an address on the stack of the task that made the thread. */
	for (i = 0; i < NR_STACK_DECOYS; i++)
		kept[nr + i] = torture_vzalloc(PAGE_SIZE);
	for (i = 0; i < nr; i++) {
		void *ptr = vmalloc(PAGE_SIZE);

		vfree(ptr);
		vm_unmap_aliases();
		kept[i] = torture_kmalloc(sizeof(struct vm_struct));
		ptr = torture_vzalloc(PAGE_SIZE);
		if (!kept[i] || !ptr)
			return -ENOMEM;
		wipe_other_leftovers(kept[i], sizeof(struct vm_struct));
		torture_expect(ptr, PAGE_SIZE, TORTURE_LOST);
	}
	return 0;
}

/* Loses pages on each CPU. Right after a scan, these are pages that the scan has used. */
static noinline int lose_pages(unsigned int nr)
{
	unsigned int i, cpu;
	int ret = 0;

	for_each_online_cpu(cpu) {
		ret = set_cpus_allowed_ptr(current, cpumask_of(cpu));
		for (i = 0; i < nr / num_online_cpus() && !ret; i++) {
			void *ptr = torture_pages(PAGE_SIZE);

			if (!ptr)
				return -ENOMEM;
			kmemleak_alloc(ptr, PAGE_SIZE, 1, GFP_KERNEL);
			torture_own(ptr, PAGE_SIZE, TORTURE_REGISTERED);
			torture_expect(ptr, PAGE_SIZE, TORTURE_LOST);
		}
	}
	return ret;
}

/*
 * Free slots are linked to each other. Here they are used again, and nobody writes to them.
 * They were zeroed before, so they hold nothing but the links. Blocks between them stay
 * allocated, so that no slab is freed.
 */
#define UNWRITTEN	1024
#define NR_REUSED	64

static noinline int take_slots(unsigned long *veiled, unsigned int nr)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < nr; i++) {
		void *slot = kzalloc(UNWRITTEN, GFP_KERNEL);
		void *neighbour = torture_kzalloc(UNWRITTEN);

		veiled[i] = torture_veil(slot);
		kmemleak_ignore(neighbour);
		if (!slot || !neighbour)
			ret = -ENOMEM;
	}
	return ret;
}

static noinline int leave_slots(const unsigned long *veiled, unsigned int nr)
{
	while (nr--)
		kfree(torture_unveil(veiled[nr]));
	/* Takes the slots out of KASAN's quarantine, if there is one. */
	return torture_decoys(UNWRITTEN, 0);
}

static int free_slots(unsigned long *veiled, unsigned int nr)
{
	int ret = take_slots(veiled, nr);

	return leave_slots(veiled, nr) ?: ret;
}

static noinline int lose_unwritten(unsigned int nr)
{
	unsigned long *veiled = torture_kzalloc(nr * sizeof(*veiled));
	void **kept = torture_kzalloc(nr * sizeof(*kept));
	unsigned int i;
	int ret;

	if (!veiled || !kept)
		return -ENOMEM;
	ret = free_slots(veiled, nr);
	for (i = 0; i < nr && !ret; i++) {
		void *ptr = torture_kmalloc(UNWRITTEN);

		if (!ptr)
			return -ENOMEM;
		torture_expect(ptr, UNWRITTEN, i % 2 ? TORTURE_LOST : TORTURE_LIVE);
		if (!(i % 2))
			kept[i] = ptr;
	}
	*torture_slot(0) = kept;
	return ret;
}

/* Allocates blocks and does not write to them. */
static int reuse(void **kept, unsigned int nr, size_t size)
{
	unsigned int i;

	for (i = 0; i < nr; i++) {
		kept[i] = torture_kmalloc(size);
		if (!kept[i])
			return -ENOMEM;
	}
	return 0;
}

/*
 * The allocator lists free slots in arrays. When lost blocks come to such slots, the memory
 * of the arrays is in use again, and was not written to. The size of an array depends on the
 * allocator, so try several.
 */
static noinline int lose_listed(unsigned int nr)
{
	static const unsigned int sizes[] = { 96, 128, 192, 256, 512 };
	unsigned long *veiled = torture_kzalloc(nr * sizeof(*veiled));
	void **kept = torture_kzalloc(NR_REUSED * ARRAY_SIZE(sizes) * sizeof(*kept));
	unsigned int i;
	int ret;

	if (!veiled || !kept)
		return -ENOMEM;
	*torture_slot(0) = kept;
	ret = free_slots(veiled, nr);
	if (!ret)
		torture_shrink(UNWRITTEN);
	for (i = 0; i < ARRAY_SIZE(sizes) && !ret; i++)
		ret = reuse(&kept[i * NR_REUSED], NR_REUSED, sizes[i]);
	for (i = 0; i < nr && !ret; i++)
		ret = lose_one(UNWRITTEN);
	return ret;
}

/* ----------------------------------------------------------- deep calls -- */

#define NR_DEEP		4
#define PER_FRAME	24
/* Frames for less than half of a stack. */
#define FRAMES		16

struct deep {
	int (*calls)(unsigned int nr);
	unsigned int nr;
	bool spin;
	int ret;
	struct completion lost;
};

static struct task_struct *deep_tasks[NR_DEEP];

static noinline int descend(unsigned int nr, unsigned int frames)
{
	void *held[PER_FRAME];
	unsigned int i;
	int ret = 0;

	for (i = 0; i < PER_FRAME && nr; i++, nr--) {
		held[i] = kzalloc(SIZE, GFP_KERNEL);
		if (!held[i])
			return -ENOMEM;
		torture_own(held[i], SIZE, TORTURE_KMALLOC);
		torture_expect(held[i], SIZE, TORTURE_LOST);
	}
	/* The array must be in memory. It stays there until this stack is used again. */
	barrier_data(held);
	if (frames && nr)
		ret = descend(nr, frames - 1);
	barrier_data(held);
	return ret;
}

static int descend_all(unsigned int nr)
{
	return descend(nr, FRAMES);
}

/* Makes deep calls. Then the task sleeps, or runs on without going as deep again. */
static int lose_deep(void *data)
{
	struct deep *deep = data;
	bool spin = deep->spin;

	deep->ret = deep->calls(deep->nr);
	complete(&deep->lost);
	while (!kthread_should_stop()) {
		if (spin) {
			cond_resched();
			continue;
		}
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
	return 0;
}

static int start_deep(unsigned int i, int (*calls)(unsigned int nr), unsigned int nr, bool spin)
{
	struct deep deep = { .calls = calls, .nr = nr, .spin = spin };
	struct task_struct *task;

	init_completion(&deep.lost);
	task = kthread_run(lose_deep, &deep, "kmemleak_deep/%u", i);
	if (IS_ERR(task))
		return PTR_ERR(task);
	deep_tasks[i] = task;
	wait_for_completion(&deep.lost);
	return deep.ret;
}

static int lose_asleep_after(int (*calls)(unsigned int nr), unsigned int nr)
{
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NR_DEEP && !ret; i++)
		ret = start_deep(i, calls, nr / NR_DEEP, false);
	return ret;
}

static int lose_asleep(unsigned int nr)
{
	return nr > NR_DEEP * PER_FRAME * FRAMES ? -EINVAL : lose_asleep_after(descend_all, nr);
}

/* Only one task runs: another CPU must be left for the scan. */
static int lose_running(unsigned int nr)
{
	return nr > PER_FRAME * FRAMES ? -EINVAL : start_deep(0, descend_all, nr, true);
}

/* A stack for NMIs can be as small as a page. */
#define NMI_FRAMES	6

static unsigned long left[PER_FRAME * FRAMES];	/* veiled */

static noinline void leave_addresses(unsigned int frames)
{
	void *held[PER_FRAME];
	unsigned int i;

	for (i = 0; i < PER_FRAME; i++)
		held[i] = torture_unveil(left[frames * PER_FRAME + i]);
	barrier_data(held);
	if (frames)
		leave_addresses(frames - 1);
	barrier_data(held);
}

static void leave_in_hardirq(struct irq_work *unused)
{
	leave_addresses(FRAMES - 1);
}

static void leave_in_nmi(void)
{
	leave_addresses(NMI_FRAMES - 1);
}

/*
 * Loses blocks. An interrupt then leaves their addresses on its stack. The first ones lie
 * deepest, where later interrupts hardly come.
 */
static int lose_to_leave(unsigned int nr, unsigned int frames)
{
	unsigned int i;

	if (nr > PER_FRAME * frames)
		return -EINVAL;
	memset(left, 0, sizeof(left));
	for (i = 0; i < nr; i++) {
		void *ptr = lose_block(SIZE);

		if (!ptr)
			return -ENOMEM;
		left[i] = torture_veil(ptr);
	}
	return 0;
}

static struct irq_work leave_work = IRQ_WORK_INIT_HARD(leave_in_hardirq);

static int lose_deep_in_hardirq(unsigned int nr)
{
	int ret = lose_to_leave(nr, FRAMES);

	if (!ret) {
		irq_work_queue(&leave_work);
		irq_work_sync(&leave_work);
	}
	return ret;
}

static void queue_leave_work(void *unused)
{
	irq_work_queue(&leave_work);
}

/* Overwrites the addresses: a mark scans all of an interrupt stack while an interrupt runs. */
static void wipe_deep_frames(void)
{
	int cpu;

	if (!left[0])
		return;
	memset(left, 0, sizeof(left));
	cpus_read_lock();
	for_each_online_cpu(cpu) {
		smp_call_function_single(cpu, queue_leave_work, NULL, 1);
		irq_work_sync(&leave_work);
	}
	cpus_read_unlock();
}

static int lose_deep_in_nmi(unsigned int nr)
{
	return lose_to_leave(nr, NMI_FRAMES) ?: torture_in_nmi(leave_in_nmi);
}

/* Lockdep allows a task a few more. */
#define NR_LOCKS	40

static struct lock_class_key lock_keys[NR_LOCKS];

/*
 * A task holds many locks at once, and releases and frees them. Then lost blocks come to
 * their places. Lockdep's records of the locks must not hide them.
 */
static int lose_locks(unsigned int nr)
{
	unsigned long veiled[NR_LOCKS];
	unsigned int i, locked;
	int ret = take_slots(veiled, nr);

	for (locked = 0; locked < nr && !ret; locked++) {
		struct mutex *lock = torture_unveil(veiled[locked]);

		mutex_init(lock);
		lockdep_set_class(lock, &lock_keys[locked]);
		mutex_lock(lock);
	}
	while (locked--)
		mutex_unlock(torture_unveil(veiled[locked]));
	ret = leave_slots(veiled, nr) ?: ret;
	for (i = 0; i < nr && !ret; i++)
		ret = lose_one(UNWRITTEN);
	return ret;
}

static int lose_locked(unsigned int nr)
{
	return nr > NR_DEEP * NR_LOCKS ? -EINVAL : lose_asleep_after(lose_locks, nr);
}

/* ------------------------------------------------------------- commands -- */

static const struct way {
	const char *name;
	int (*lose)(unsigned int nr);
} ways[] = {
	{ "task", lose_in_task },
	{ "hardirq", lose_in_hardirq },
	{ "softirq", lose_in_softirq },
	{ "vmalloc", lose_vmalloc },
	{ "behind", lose_behind },
	{ "flushed", lose_flushed },
	{ "reused", lose_reused },
	{ "called", lose_called },
	{ "percpu", lose_percpu },
	{ "pages", lose_pages },
	{ "unwritten", lose_unwritten },
	{ "listed", lose_listed },
	{ "asleep", lose_asleep },
	{ "running", lose_running },
	{ "deep_hardirq", lose_deep_in_hardirq },
	{ "deep_nmi", lose_deep_in_nmi },
	{ "locked", lose_locked },
};

/* named <name>: blocks that a task of this name loses */
int torture_named(int argc, char **argv)
{
	unsigned int i;
	int ret;

	if (argc != 1)
		return -EINVAL;
	ret = torture_decoys(SIZE, 64);
	strscpy_pad(current->comm, argv[0], sizeof(current->comm));
	for (i = 0; i < NR_NAMED && !ret; i++)
		ret = lose(GFP_KERNEL);
	return ret;
}

/* lose <way> <blocks> */
int torture_lose(int argc, char **argv)
{
	unsigned int i, nr;
	int ret;

	if (argc != 2 || kstrtouint(argv[1], 0, &nr) || !nr || nr > MAX_LEAKS)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(ways) && strcmp(ways[i].name, argv[0]); i++)
		;
	if (i == ARRAY_SIZE(ways))
		return -EINVAL;
	ret = torture_reserve(3 * MAX_LEAKS) ?: torture_decoys(SIZE, 64);
	return ret ?: ways[i].lose(nr);
}

void torture_leaks_reset(void)
{
	unsigned int i;

	for (i = 0; i < NR_DEEP; i++) {
		if (deep_tasks[i])
			kthread_stop(deep_tasks[i]);
		deep_tasks[i] = NULL;
	}
	wipe_deep_frames();
}
