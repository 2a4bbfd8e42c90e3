// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stacks: which part of a task's stack holds live values, where the task's registers are
 * saved, and which parts of the per-cpu area are stacks without live values.
 */
#include <linux/cpu.h>
#include <linux/kmemleak.h>
#include <linux/kmemleak_owners.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>

#include "arch/arch.h"
#include "core/block.h"
#include "core/mark.h"
#include "core/rules.h"
#include "preexist.h"
#include "roots.h"
#include "selfstack.h"
#include "state.h"

/* -------------------------------------------------- interrupt stacks -- */

static bool lies_in(const void *start, size_t size, unsigned long addr)
{
	return start && addr - (unsigned long)start < size;
}

/**
 * kmemleak_roots_stack_is_dead() - is an address on a stack without live values?
 * @cpu: a CPU
 * @addr: an address in the CPU's per-cpu area. The area contains the stacks for interrupts
 *	and exceptions as whole pages. The CPU uses them through another mapping.
 */
bool kmemleak_roots_stack_is_dead(int cpu, unsigned long addr)
{
	size_t size = 0;
	const void *start = irq_stack_dead(cpu, &size);

	if (lies_in(start, size, addr))
		return true;
	start = exception_stacks_dead(cpu, &size);
	return lies_in(start, size, addr);
}

/**
 * kmemleak_roots_stack_skip_irq() - do not scan a CPU's stack for interrupts
 * @m: the mark
 * @cpu: a CPU
 *
 * Some architectures allocate this stack as a block. It holds leftovers, so its contents are
 * never scanned. If only an interrupt that runs now has the pointer to a block, the block
 * becomes a suspect. The stop that confirms suspects clears it: no interrupt runs then.
 */
void kmemleak_roots_stack_skip_irq(const struct kmemleak_marker *m, int cpu)
{
	size_t size;
	void *stack = kmemleak_arch_irq_stack(cpu, &size);
	struct kmemleak_object block;

	/* The stack is no block if it was allocated before tracking was turned on. */
	if (stack && !kmemleak_mark_is_stopped(m) &&
	    kmemleak_block_get(&kmemleak_tracker, KMEMLEAK_VIRT, (unsigned long)stack, &block))
		kmemleak_block_annotate(&kmemleak_tracker, KMEMLEAK_VIRT, (unsigned long)stack,
					KMEMLEAK_ANNOTATE_NO_SCAN);
}

/* --------------------------------------------------------------- tasks -- */

static bool is_on_cpu(struct task_struct *task)
{
#ifdef CONFIG_SMP
	/* Pairs with finish_task(): if false, the task's writes to its stack are visible. */
	return smp_load_acquire(&task->on_cpu);
#else
	return task == current;
#endif
}

/*
 * Below the stack pointer of a sleeping task there are only dead values. If the task ran
 * meanwhile, some of these values may have been live, so that part is scanned, too. If a stop
 * follows, that part is left to the stop, which knows the stack pointer. See
 * KMEMLEAK_RULE_STACK.
 */
static void mark_stack(struct kmemleak_marker *m, struct task_struct *task)
{
	bool exact = kmemleak_rules_stack_is_exact(kmemleak_mark_options(m));
	unsigned long own = kmemleak_selfstack_frame(task);
	unsigned long stack = (unsigned long)try_get_task_stack(task), sp;
	unsigned long switches = READ_ONCE(task->nvcsw) + READ_ONCE(task->nivcsw);
	bool ran = is_on_cpu(task);

	if (!stack)
		return;
	/*
	 * In a stop, only the stoppers run, and no value on their stacks is live. If a stop
	 * follows this mark, the stack of a running task is left to the stop.
	 */
	if (exact && ran && !own &&
	    (kmemleak_mark_is_stopped(m) || kmemleak_mark_defers_running(m))) {
		put_task_stack(task);
		return;
	}
	sp = ran || !exact ? stack : kmemleak_arch_saved_sp(task);
	/* The mark's own frames hold addresses of blocks, but no references. */
	if (own)
		sp = own;
	if (sp < stack || sp > stack + THREAD_SIZE)
		sp = stack;
	kmemleak_mark_range_no_drain(m, sp, stack + THREAD_SIZE);
	/*
	 * If the reads above saw what the task wrote to its stack, the reads below see that the
	 * task has run. Pairs with the barriers of a task switch.
	 */
	smp_rmb();
	ran |= is_on_cpu(task) || switches != READ_ONCE(task->nvcsw) + READ_ONCE(task->nivcsw);
	if (ran && !own && !(exact && kmemleak_mark_defers_running(m)))
		kmemleak_mark_range_no_drain(m, stack, sp);
	put_task_stack(task);
}

/* The objects that this reaches wait for kmemleak_mark_drain(). */
static void mark_task_no_drain(struct kmemleak_marker *m, struct task_struct *task)
{
	/* The last member of the structure. Some machines do not allocate all of it. */
	unsigned long end = min((unsigned long)(&task->thread + 1),
				(unsigned long)task + arch_task_struct_size);

	kmemleak_mark_range_no_drain(m, (unsigned long)&task->thread, end);
	mark_stack(m, task);
}

static void mark_task(struct kmemleak_marker *m, struct task_struct *task)
{
	mark_task_no_drain(m, task);
	kmemleak_mark_drain(m);
}

/*
 * Idle tasks have no pid of their own. A CPU that comes up runs its idle task before it is
 * online: wait until the CPU is online. In a stop, the lock is already held. Drain without
 * the lock, so that other tasks do not wait for the objects that the stack leads to.
 */
static void mark_idle_task(struct kmemleak_marker *m, int cpu)
{
	if (!kmemleak_mark_is_stopped(m))
		cpus_read_lock();
	if (cpu_online(cpu))
		mark_task_no_drain(m, idle_task(cpu));
	if (!kmemleak_mark_is_stopped(m))
		cpus_read_unlock();
	kmemleak_mark_drain(m);
}

static struct task_struct *get_next_task(int *nr)
{
	struct task_struct *task = NULL;
	struct pid *pid;

	rcu_read_lock();
	while (!task && (pid = find_ge_pid(*nr, &init_pid_ns))) {
		*nr = pid_nr(pid) + 1;
		task = pid_task(pid, PIDTYPE_PID);
	}
	if (task)
		get_task_struct(task);
	rcu_read_unlock();
	return task;
}

/*
 * Tasks that have no pid any more, but still a stack. Such a task runs the end of do_exit()
 * and can sleep there. A task leaves the list when its stack is freed. On some architectures
 * that happens when its task_struct is freed.
 */
static HLIST_HEAD(reaped);
/* Guards @reaped. Taken inside tasklist_lock. */
static DEFINE_RAW_SPINLOCK(reaped_lock);

/* release_task() calls this before the pid goes. So the task has a pid or is on the list. */
void kmemleak_hook_task_reaped(struct task_struct *task)
{
	unsigned long irq;

	/* The stack is gone: the task was dead long before its parent reaped it. */
	if (!try_get_task_stack(task))
		return;
	raw_spin_lock_irqsave(&reaped_lock, irq);
	hlist_add_head(&task->kmemleak_reaped, &reaped);
	raw_spin_unlock_irqrestore(&reaped_lock, irq);
	put_task_stack(task);
}

/* Also called while tracking is off: the task may have been added before. */
void kmemleak_task_stack_gone(struct task_struct *task)
{
	unsigned long irq;

	/* No lock is needed: kmemleak_hook_task_reaped() held a reference to this stack. */
	if (hlist_unhashed(&task->kmemleak_reaped))
		return;
	raw_spin_lock_irqsave(&reaped_lock, irq);
	hlist_del_init(&task->kmemleak_reaped);
	raw_spin_unlock_irqrestore(&reaped_lock, irq);
}

/*
 * Returns the reaped task after @task, or the first one if @task is NULL. Releases @task.
 * The reference to its stack keeps the returned task on the list.
 */
static struct task_struct *get_next_reaped(struct task_struct *task)
{
	struct task_struct *next = NULL;
	struct hlist_node *node;
	unsigned long irq;

	raw_spin_lock_irqsave(&reaped_lock, irq);
	for (node = task ? task->kmemleak_reaped.next : reaped.first; node && !next;
	     node = node->next) {
		next = hlist_entry(node, struct task_struct, kmemleak_reaped);
		/* No references: it is being freed, and kmemleak_task_stack_gone() waits. */
		if (!refcount_inc_not_zero(&next->usage)) {
			next = NULL;
		} else if (!try_get_task_stack(next)) {
			/* Not the last reference: whoever frees the stack has one, and waits. */
			put_task_struct(next);
			next = NULL;
		}
	}
	raw_spin_unlock_irqrestore(&reaped_lock, irq);
	if (task) {
		put_task_stack(task);
		put_task_struct(task);
	}
	return next;
}

/* In a stop no other task can run. If @m is NULL, this is no mark, and so no stop. */
static void let_others_run(const struct kmemleak_marker *m)
{
	if (!m || !kmemleak_mark_is_stopped(m))
		cond_resched_tasks_rcu_qs();
}

/* Calls @visit with @m for every task but the idle tasks. */
static void visit_tasks(struct kmemleak_marker *m,
			void (*visit)(struct kmemleak_marker *m, struct task_struct *task))
{
	struct task_struct *task;
	int nr = 1;

	while ((task = get_next_task(&nr))) {
		visit(m, task);
		put_task_struct(task);
		let_others_run(m);
	}
	for (task = get_next_reaped(NULL); task; task = get_next_reaped(task)) {
		visit(m, task);
		let_others_run(m);
	}
}

static void ignore_interrupt(void *unused)
{
}

/*
 * A pointer can be in a register of a CPU and nowhere else. It can stay there for long if
 * interrupts are off or if a hypervisor lets the CPU wait. The interrupt saves the register
 * on the stack. If the task goes on to run, all of its stack is scanned.
 */
static void save_registers(void)
{
	on_each_cpu(ignore_interrupt, NULL, true);
}

/**
 * kmemleak_roots_stack_mark() - scan every task's live stack and saved registers
 * @m: the mark
 *
 * Context: process, may sleep unless all CPUs are stopped.
 */
void kmemleak_roots_stack_mark(struct kmemleak_marker *m)
{
	int cpu;

	/* If a stop follows, the stacks of running tasks are left to it. */
	if (!kmemleak_mark_is_stopped(m) && !kmemleak_mark_defers_running(m))
		save_registers();
	visit_tasks(m, mark_task);
	for_each_possible_cpu(cpu)
		mark_idle_task(m, cpu);
}

static void exclude_task_stack(struct kmemleak_marker *unused, struct task_struct *task)
{
	void *stack = try_get_task_stack(task);

	if (!stack)
		return;
	kmemleak_preexist_remove((unsigned long)stack, THREAD_SIZE);
	put_task_stack(task);
}

/**
 * kmemleak_roots_stack_exclude() - remove all stacks from preexisting memory
 *
 * The live parts of stacks are roots through their tasks. The rest holds leftovers.
 *
 * Context: process, may sleep.
 */
void kmemleak_roots_stack_exclude(void)
{
	size_t size;
	void *stack;
	int cpu;

	visit_tasks(NULL, exclude_task_stack);
	/* A CPU that was never online may have these stacks, too. */
	for_each_possible_cpu(cpu) {
		if (idle_task(cpu))
			exclude_task_stack(NULL, idle_task(cpu));
		stack = kmemleak_arch_irq_stack(cpu, &size);
		if (stack)
			kmemleak_preexist_remove((unsigned long)stack, size);
	}
}
