// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pairs for the places where a reference counts: with it there the block is
 * live, with it gone the same block is lost.
 */

#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/panic_notifier.h>
#include <linux/percpu.h>
#include <linux/reboot.h>
#include <linux/sizes.h>

#include "torture.h"

#define SIZE	192

static void *in_data[2] = { (void *)1UL, NULL };
static void *in_bss;
static unsigned long in_ro_after_init __ro_after_init;
static DEFINE_PER_CPU(void *, in_percpu);
static LIST_HEAD(in_list);

static struct page *in_page;
static unsigned long reboot_veiled, panic_veiled;
static struct task_struct *holder;

static enum torture_verdict live_if(bool live)
{
	return live ? TORTURE_LIVE : TORTURE_LOST;
}

/* A block whose address goes to *@place, or nowhere. */
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
	return place_block(on, &in_data[1]);
}

static int pair_bss(bool on)
{
	return place_block(on, &in_bss);
}

static int pair_percpu(bool on)
{
	return place_block(on, per_cpu_ptr(&in_percpu, cpumask_last(cpu_possible_mask)));
}

/*
 * Such a variable is written while the module loads and never again, so its
 * block is the same each time; it takes another one of that kind to be lost.
 */
static noinline int pair_ro_after_init(bool on)
{
	if (!on)
		return place_block(false, NULL);
	torture_expect((void *)in_ro_after_init, SIZE, TORTURE_LIVE);
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
	/* First of the chain, so that it is the head that points at it. */
	nb->priority = INT_MAX;
	torture_expect(nb, SIZE, live_if(on));
	if (!on)
		return 0;
	*chained_veiled = torture_veil(nb);
	return chain(nb);
}

/* Its head has an initialised lock: .data. */
static int pair_kernel_data(bool on)
{
	return chain_block(on, register_reboot_notifier, &reboot_veiled);
}

static int chain_panic(struct notifier_block *nb)
{
	return atomic_notifier_chain_register(&panic_notifier_list, nb);
}

/* Its head is all zeroes: .bss, unless spinlocks have a magic number. */
static int pair_kernel_bss(bool on)
{
	return chain_block(on, chain_panic, &panic_veiled);
}

static noinline int pair_page_private(bool on)
{
	void *ptr = torture_kzalloc(SIZE);

	if (!ptr)
		return -ENOMEM;
	in_page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	if (!in_page)
		return -ENOMEM;
	set_page_private(in_page, on ? (unsigned long)ptr : 0);
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
	int ret;
	struct completion done;
};

/*
 * Tells whoever waits first: from then on @holding is gone. A thread that is
 * to be stopped must not have returned before.
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

	/* The compiler has to take it for used: it is in memory, not elsewhere. */
	barrier_data(on_stack);
	torture_wipe_stack(2);
	sleep_until_stopped(holding);
	barrier_data(on_stack);
}

/*
 * @ptr is needed after the call and not stored before it, so it is in one of
 * the registers that a task switch saves, or that a callee saved.
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

static int holder_fn(void *arg)
{
	struct holding *holding = arg;
	unsigned long veiled = holder_block(holding);

	torture_wipe_stack(6);
	if (holding->ret || holding->place == NOWHERE)
		sleep_until_stopped(holding);
	else if (holding->place == ON_STACK)
		hold_on_stack(holding, veiled);
	else
		hold_in_register(holding, veiled);
	torture_wipe_stack(6);
	return 0;
}

static int hold_in_task(enum place place)
{
	struct holding holding = { .place = place };

	init_completion(&holding.done);
	holder = kthread_run(holder_fn, &holding, "torture_holder");
	if (IS_ERR(holder)) {
		int ret = PTR_ERR(holder);

		holder = NULL;
		return ret;
	}
	wait_for_completion(&holding.done);
	return holding.ret;
}

static int pair_stack(bool on)
{
	return hold_in_task(on ? ON_STACK : NOWHERE);
}

static int pair_registers(bool on)
{
	return hold_in_task(on ? IN_REGISTER : NOWHERE);
}

/* -------------------------------------------------------- tracked memory -- */

static int pair_percpu_block(bool on)
{
	void * __percpu *ptr = (void * __percpu *)torture_percpu(SIZE);

	if (!ptr)
		return -ENOMEM;
	torture_slots[0] = (__force void *)ptr;
	torture_expect_percpu(ptr, SIZE, TORTURE_LIVE);
	return place_block(on, per_cpu_ptr(ptr, cpumask_last(cpu_possible_mask)) + 3);
}

static noinline int pair_percpu_reference(bool on)
{
	void __percpu *ptr = torture_percpu(SIZE);

	if (!ptr)
		return -ENOMEM;
	if (on)
		torture_slots[0] = (__force void *)ptr;
	torture_expect_percpu(ptr, SIZE, live_if(on));
	return 0;
}

/* The last byte is inside, the one behind it is not. */
static noinline int pair_interior(bool on)
{
	char *ptr = torture_kzalloc(1024);

	if (!ptr)
		return -ENOMEM;
	torture_slots[0] = ptr + (on ? 1023 : 1024);
	torture_expect(ptr, 1024, live_if(on));
	return 0;
}

static noinline int pair_interior_vmalloc(bool on)
{
	char *ptr = torture_vzalloc(3 * PAGE_SIZE);

	if (!ptr)
		return -ENOMEM;
	torture_slots[0] = ptr + (on ? 3 * PAGE_SIZE - 1 : 3 * PAGE_SIZE);
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
		torture_slots[0] = parent;
	torture_expect(parent, SIZE, live_if(on));
	torture_expect(child, SIZE, live_if(on));
	return 0;
}

static noinline int held_block(bool on, void **parent, size_t size)
{
	if (!parent)
		return -ENOMEM;
	torture_slots[0] = parent;
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

#define NR_NODES	20

static noinline int pair_list(bool on)
{
	int i;

	for (i = 0; i < NR_NODES; i++) {
		struct list_head *node = torture_kzalloc(SIZE);

		if (!node)
			return -ENOMEM;
		/* The link is inside: neighbours point at it, not at the start. */
		list_add_tail(node + 2, &in_list);
		torture_expect(node, SIZE, live_if(on));
	}
	if (!on)
		list_del_init(&in_list);
	return 0;
}

const struct torture_pair torture_roots[] = {
	{ "data", pair_data },
	{ "bss", pair_bss },
	{ "ro_after_init", pair_ro_after_init },
	{ "percpu", pair_percpu },
	{ "kernel_data", pair_kernel_data },
	{ "kernel_bss", pair_kernel_bss },
	{ "page_private", pair_page_private },
	{ "stack", pair_stack },
	{ "registers", pair_registers },
	{ "percpu_block", pair_percpu_block },
	{ "percpu_reference", pair_percpu_reference },
	{ "interior", pair_interior },
	{ "interior_vmalloc", pair_interior_vmalloc },
	{ "block", pair_block },
	{ "vmalloc_block", pair_vmalloc_block },
	{ "large_block", pair_large_block },
	{ "list", pair_list },
	{ }
};

/* Takes every reference out of the places above; the blocks still exist. */
void torture_roots_reset(void)
{
	if (holder)
		kthread_stop(holder);
	holder = NULL;
	if (reboot_veiled)
		unregister_reboot_notifier(torture_unveil(reboot_veiled));
	reboot_veiled = 0;
	if (panic_veiled)
		atomic_notifier_chain_unregister(&panic_notifier_list,
						 torture_unveil(panic_veiled));
	panic_veiled = 0;
	if (in_page) {
		set_page_private(in_page, 0);
		__free_page(in_page);
	}
	in_page = NULL;
	in_data[1] = NULL;
	in_bss = NULL;
	per_cpu(in_percpu, cpumask_last(cpu_possible_mask)) = NULL;
	INIT_LIST_HEAD(&in_list);
}

int __init torture_roots_init(void)
{
	in_ro_after_init = (unsigned long)kzalloc(SIZE, GFP_KERNEL);
	return in_ro_after_init ? 0 : -ENOMEM;
}

void torture_roots_exit(void)
{
	kfree((void *)in_ro_after_init);
}
