// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pairs for the places where a reference counts. When on, a place holds the only reference
 * to a block, and the block is live. When off, there is no reference, and the block is lost.
 * The selftest roots.sh runs each pair on and off, and scans after each.
 */

#include <linux/completion.h>
#include <linux/cred.h>
#include <linux/delay.h>
#include <linux/kernel_stat.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/panic_notifier.h>
#include <linux/percpu.h>
#include <linux/pipe_fs_i.h>
#include <linux/reboot.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/user.h>
#include <linux/sizes.h>

#include "torture.h"

#define SIZE	192

/* Places for references, one for each scene. */
static void *in_data[1 + TORTURE_NR_SCENES] = { (void *)1UL };
static void *in_bss[TORTURE_NR_SCENES];
static unsigned long in_ro_after_init[TORTURE_NR_SCENES] __ro_after_init;
static DEFINE_PER_CPU(void *, in_percpu[TORTURE_NR_SCENES]);
static struct list_head in_list[TORTURE_NR_SCENES];

static struct page *in_page[TORTURE_NR_SCENES];
static unsigned long reboot_veiled[TORTURE_NR_SCENES], panic_veiled[TORTURE_NR_SCENES];
static struct task_struct *holder[TORTURE_NR_SCENES];

static enum torture_expected live_if(bool live)
{
	return live ? TORTURE_LIVE : TORTURE_LOST;
}

/* Allocates a block. With @on, its address goes to *@place. */
static noinline int place_block(bool on, void **place)
{
	void *ptr = torture_kzalloc(SIZE);

	if (!ptr)
		return -ENOMEM;
	if (on)
		*place = ptr;
	torture_expect(ptr, SIZE, live_if(on));
	return 0;
}

static int pair_data(bool on)
{
	return place_block(on, &in_data[1 + torture_scene]);
}

static int pair_bss(bool on)
{
	return place_block(on, &in_bss[torture_scene]);
}

static int pair_percpu(bool on)
{
	return place_block(on, per_cpu_ptr(&in_percpu[torture_scene],
					   cpumask_last(cpu_possible_mask)));
}

/*
 * Per-cpu variables of modules are blocks. This one lies in the kernel's own area: a
 * statistic that stays 0 where no guests run.
 */
static u64 *kernel_percpu_place(void)
{
	return &kcpustat_cpu(cpumask_last(cpu_possible_mask)).cpustat[CPUTIME_GUEST_NICE];
}

static noinline int pair_kernel_percpu(bool on)
{
	struct list_head *block = torture_kzalloc(SIZE);

	if (!block)
		return -ENOMEM;
	/* There is one place for all scenes: it points to a list of their blocks. */
	if (on) {
		block->next = (void *)(unsigned long)*kernel_percpu_place();
		*kernel_percpu_place() = (unsigned long)block;
	}
	torture_expect(block, SIZE, live_if(on));
	return 0;
}

/*
 * A __ro_after_init variable is written only while the module is loaded, so its block is the
 * same each time. When off, another block is lost in its place.
 */
static noinline int pair_ro_after_init(bool on)
{
	if (!on)
		return place_block(false, NULL);
	torture_expect((void *)in_ro_after_init[torture_scene], SIZE, TORTURE_LIVE);
	return 0;
}

/* ------------------------------------------------------ the kernel's data -- */

static int pass_by(struct notifier_block *nb, unsigned long action, void *data)
{
	return NOTIFY_DONE;
}

static noinline int chain_block(bool on, int (*chain)(struct notifier_block *nb),
				unsigned long *chained_veiled)
{
	struct notifier_block *nb = torture_kzalloc(SIZE);

	if (!nb)
		return -ENOMEM;
	nb->notifier_call = pass_by;
	/* First of the chain: the head points to it, or to a block that leads to it. */
	nb->priority = INT_MAX;
	torture_expect(nb, SIZE, live_if(on));
	if (!on)
		return 0;
	*chained_veiled = torture_veil(nb);
	return chain(nb);
}

/* The head of this chain has an initialised lock, so it is in .data. */
static int pair_kernel_data(bool on)
{
	return chain_block(on, register_reboot_notifier, &reboot_veiled[torture_scene]);
}

static int chain_panic(struct notifier_block *nb)
{
	return atomic_notifier_chain_register(&panic_notifier_list, nb);
}

/* The head of this chain is all zeroes, so in .bss, unless spinlocks have a magic number. */
static int pair_kernel_bss(bool on)
{
	return chain_block(on, chain_panic, &panic_veiled[torture_scene]);
}

static noinline int pair_page_private(bool on)
{
	void *ptr = torture_kzalloc(SIZE);
	struct page *page;

	if (!ptr)
		return -ENOMEM;
	page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!page)
		return -ENOMEM;
	in_page[torture_scene] = page;
	set_page_private(page, on ? (unsigned long)ptr : 0);
	torture_expect(ptr, SIZE, live_if(on));
	return 0;
}

/* ----------------------------------------------------------------- tasks -- */

enum place {
	ON_STACK,
	IN_REGISTER,
	NOWHERE,
};

struct holding {
	enum place place;
	bool reaped;		/* in a task without a pid */
	unsigned long veiled;	/* the block */
	int ret;
	struct completion done;
};

/*
 * Tells hold_in_task() to go on; then @holding is gone. The thread must not return before
 * kthread_stop() was called.
 */
static noinline void sleep_until_stopped(struct holding *holding)
{
	complete(&holding->done);
	while (!kthread_should_stop()) {
		set_current_state(TASK_INTERRUPTIBLE);
		if (!kthread_should_stop())
			schedule();
		__set_current_state(TASK_RUNNING);
	}
}

static noinline void hold_on_stack(struct holding *holding, unsigned long veiled)
{
	void *on_stack[2] = { NULL, torture_unveil(veiled) };

	/* The compiler must take the array for used: the pointer is in memory only. */
	barrier_data(on_stack);
	torture_wipe_stack(2);
	sleep_until_stopped(holding);
	barrier_data(on_stack);
}

/*
 * @ptr is used after the call and not stored before it. So it is in a register that a task
 * switch or a called function saves.
 */
static noinline void hold_in_register(struct holding *holding, unsigned long veiled)
{
	void *ptr = torture_unveil(veiled);

	OPTIMIZER_HIDE_VAR(ptr);
	sleep_until_stopped(holding);
	barrier_data(ptr);
}

static noinline unsigned long holder_block(struct holding *holding)
{
	void *ptr = torture_kzalloc(SIZE);

	if (!ptr) {
		holding->ret = -ENOMEM;
		return 0;
	}
	torture_expect(ptr, SIZE, live_if(holding->place != NOWHERE));
	return torture_veil(ptr);
}

static noinline void hold(struct holding *holding)
{
	if (holding->ret || holding->place == NOWHERE)
		sleep_until_stopped(holding);
	else if (holding->place == ON_STACK)
		hold_on_stack(holding, holding->veiled);
	else
		hold_in_register(holding, holding->veiled);
	torture_wipe_stack(6);
}

/* do_exit() releases the pipe of splice() at its end. The task has no pid by then. */
static void hold_when_reaped(struct pipe_inode_info *pipe, struct pipe_buffer *buf)
{
	struct holding *holding = (struct holding *)buf->private;

	if (pid_alive(current))
		holding->ret = -EEXIST;
	hold(holding);
}

static const struct pipe_buf_operations reaped_ops = { .release = hold_when_reaped };

static int hold_later(struct holding *holding)
{
	struct pipe_inode_info *pipe = kzalloc(sizeof(*pipe), GFP_KERNEL);
	struct pipe_buffer *buf = kzalloc(sizeof(*buf), GFP_KERNEL);

	if (!pipe || !buf) {
		kfree(pipe);
		kfree(buf);
		return -ENOMEM;
	}
	buf->ops = &reaped_ops;
	buf->private = (unsigned long)holding;
	pipe->bufs = buf;
	pipe->ring_size = 1;
	pipe->user = get_uid(current_user());
	current->splice_pipe = pipe;
	return 0;
}

static int holder_fn(void *arg)
{
	struct holding *holding = arg;

	holding->veiled = holder_block(holding);
	torture_wipe_stack(6);
	if (holding->reaped && !holding->ret) {
		holding->ret = hold_later(holding);
		if (!holding->ret)
			return 0;
	}
	hold(holding);
	return 0;
}

static int hold_in_task(enum place place, bool reaped)
{
	struct holding holding = { .place = place, .reaped = reaped };
	struct task_struct *task;

	init_completion(&holding.done);
	task = kthread_create(holder_fn, &holding, "torture_holder");
	if (IS_ERR(task))
		return PTR_ERR(task);
	holder[torture_scene] = get_task_struct(task);
	wake_up_process(task);
	wait_for_completion(&holding.done);
	return holding.ret;
}

static int pair_stack(bool on)
{
	return hold_in_task(on ? ON_STACK : NOWHERE, false);
}

static int pair_reaped_stack(bool on)
{
	return hold_in_task(on ? ON_STACK : NOWHERE, true);
}

static int pair_registers(bool on)
{
	return hold_in_task(on ? IN_REGISTER : NOWHERE, false);
}

/* -------------------------------------------------------- tracked memory -- */

static int pair_percpu_block(bool on)
{
	void * __percpu *ptr = (void * __percpu *)torture_percpu(SIZE);

	if (!ptr)
		return -ENOMEM;
	*torture_slot(0) = (__force void *)ptr;
	torture_expect_percpu(ptr, SIZE, TORTURE_LIVE);
	return place_block(on, per_cpu_ptr(ptr, cpumask_last(cpu_possible_mask)) + 3);
}

static noinline int pair_percpu_reference(bool on)
{
	void __percpu *ptr = torture_percpu(SIZE);

	if (!ptr)
		return -ENOMEM;
	if (on)
		*torture_slot(0) = (__force void *)ptr;
	torture_expect_percpu(ptr, SIZE, live_if(on));
	return 0;
}

/*
 * The last byte is inside the block, and the byte after it is not. With kmalloc() that byte
 * would be inside another block.
 */
static noinline int pair_interior(bool on)
{
	char *ptr = torture_pages(PAGE_SIZE);

	if (!ptr)
		return -ENOMEM;
	kmemleak_alloc(ptr, 1024, 1, GFP_KERNEL);
	torture_own(ptr, 1024, TORTURE_REGISTERED);
	*torture_slot(0) = ptr + (on ? 1023 : 1024);
	torture_expect(ptr, 1024, live_if(on));
	return 0;
}

static noinline int pair_interior_vmalloc(bool on)
{
	char *ptr = torture_vzalloc(3 * PAGE_SIZE);

	if (!ptr)
		return -ENOMEM;
	*torture_slot(0) = ptr + (on ? 3 * PAGE_SIZE - 1 : 3 * PAGE_SIZE);
	torture_expect(ptr, 3 * PAGE_SIZE, live_if(on));
	return 0;
}

static noinline int pair_block(bool on)
{
	void **parent = torture_kzalloc(SIZE);
	void *child = torture_kzalloc(SIZE);

	if (!parent || !child)
		return -ENOMEM;
	parent[SIZE / sizeof(void *) - 1] = child;
	if (on)
		*torture_slot(0) = parent;
	torture_expect(parent, SIZE, live_if(on));
	torture_expect(child, SIZE, live_if(on));
	return 0;
}

static noinline int held_block(bool on, void **parent, size_t size)
{
	if (!parent)
		return -ENOMEM;
	*torture_slot(0) = parent;
	torture_expect(parent, size, TORTURE_LIVE);
	return place_block(on, &parent[size / sizeof(void *) - 1]);
}

static int pair_vmalloc_block(bool on)
{
	return held_block(on, torture_vzalloc(5 * PAGE_SIZE), 5 * PAGE_SIZE);
}

static int pair_large_block(bool on)
{
	return held_block(on, torture_kzalloc(SZ_256K), SZ_256K);
}

/*
 * Two blocks are registered that overlap. The part of the second one behind the first one is
 * opaque.
 */
static noinline int pair_opaque_block(bool on)
{
	void *ptr = torture_pages(PAGE_SIZE);

	if (!ptr)
		return -ENOMEM;
	kmemleak_alloc(ptr, 1024, 1, GFP_KERNEL);
	torture_own(ptr, 1024, TORTURE_REGISTERED);
	kmemleak_alloc(ptr + 512, 1024, 1, GFP_KERNEL);
	torture_own(ptr + 512, 1024, TORTURE_REGISTERED);
	return place_block(on, ptr + 1024 + 256);
}

#define NR_NODES	20

static noinline int pair_list(bool on)
{
	struct list_head *list = &in_list[torture_scene];
	int i;

	INIT_LIST_HEAD(list);
	for (i = 0; i < NR_NODES; i++) {
		struct list_head *node = torture_kzalloc(SIZE);

		if (!node)
			return -ENOMEM;
		/* The link is inside the block, so its neighbours do not point to its start. */
		list_add_tail(node + 2, list);
		torture_expect(node, SIZE, live_if(on));
	}
	if (!on)
		list_del_init(list);
	return 0;
}

const struct torture_pair torture_roots[] = {
	{ "data", pair_data },
	{ "bss", pair_bss },
	{ "ro_after_init", pair_ro_after_init },
	{ "percpu", pair_percpu },
	{ "kernel_percpu", pair_kernel_percpu },
	{ "kernel_data", pair_kernel_data },
	{ "kernel_bss", pair_kernel_bss },
	{ "page_private", pair_page_private },
	{ "stack", pair_stack },
	{ "reaped_stack", pair_reaped_stack },
	{ "registers", pair_registers },
	{ "percpu_block", pair_percpu_block },
	{ "percpu_reference", pair_percpu_reference },
	{ "interior", pair_interior },
	{ "interior_vmalloc", pair_interior_vmalloc },
	{ "block", pair_block },
	{ "vmalloc_block", pair_vmalloc_block },
	{ "large_block", pair_large_block },
	{ "opaque_block", pair_opaque_block },
	{ "list", pair_list },
	{ }
};

static void reset_chains(unsigned int i)
{
	if (reboot_veiled[i])
		unregister_reboot_notifier(torture_unveil(reboot_veiled[i]));
	reboot_veiled[i] = 0;
	if (panic_veiled[i])
		atomic_notifier_chain_unregister(&panic_notifier_list,
						 torture_unveil(panic_veiled[i]));
	panic_veiled[i] = 0;
}

/* A reaped task is past the point that kthread_stop() waits for. */
static void stop_holder(struct task_struct *task)
{
	kthread_stop(task);
	/* The task must not return to code of a module that was unloaded. */
	while (READ_ONCE(task->__state) != TASK_DEAD)
		msleep(20);
	put_task_struct(task);
}

/* Clears all places above. The blocks still exist. */
void torture_roots_reset(void)
{
	unsigned int i;
	int cpu;

	for (i = 0; i < TORTURE_NR_SCENES; i++) {
		if (holder[i])
			stop_holder(holder[i]);
		holder[i] = NULL;
		reset_chains(i);
		if (in_page[i]) {
			set_page_private(in_page[i], 0);
			__free_page(in_page[i]);
		}
		in_page[i] = NULL;
		in_data[1 + i] = NULL;
		in_bss[i] = NULL;
		INIT_LIST_HEAD(&in_list[i]);
	}
	for_each_possible_cpu(cpu)
		memset(per_cpu_ptr(&in_percpu[0], cpu), 0, sizeof(in_percpu));
	*kernel_percpu_place() = 0;
}

void torture_roots_exit(void)
{
	unsigned int i;

	for (i = 0; i < TORTURE_NR_SCENES; i++)
		kfree((void *)in_ro_after_init[i]);
}

int __init torture_roots_init(void)
{
	unsigned int i;

	for (i = 0; i < TORTURE_NR_SCENES; i++) {
		in_ro_after_init[i] = (unsigned long)kzalloc(SIZE, GFP_KERNEL);
		if (!in_ro_after_init[i]) {
			torture_roots_exit();
			return -ENOMEM;
		}
	}
	return 0;
}
