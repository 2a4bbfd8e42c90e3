// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stacks: which part of a task's stack holds live values, where its registers
 * are saved, and which parts of the per-cpu area are stacks without any.
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
#if defined(CONFIG_ARM64) && defined(CONFIG_VMAP_STACK)
#define HAVE_IRQ_STACK_BLOCKS	/* those for interrupts are from vmalloc() */
#include <asm/stacktrace.h>
#elif defined(CONFIG_RISCV) && defined(CONFIG_IRQ_STACKS) && defined(CONFIG_VMAP_STACK)
#define HAVE_IRQ_STACK_BLOCKS
#include <asm/irq_stack.h>
#endif

#include "glue.h"

/* -------------------------------------------------- interrupt stacks -- */

static bool is_in(const void *start, size_t size, unsigned long addr)
{
	return start && addr - (unsigned long)start < size;
}

/**
 * kmemleak_stacks_is_dead() - is there a stack on which no value is live?
 * @cpu: a CPU
 * @addr: an address in its per-cpu area, which has whole pages of the stacks for
 *	interrupts and exceptions; they run under other addresses
 */
bool kmemleak_stacks_is_dead(int cpu, unsigned long addr)
{
	size_t size = 0;
	const void *start = irq_stack_dead(cpu, &size);

	if (is_in(start, size, addr))
		return true;
	start = exception_stacks_dead(cpu, &size);
	return is_in(start, size, addr);
}

/**
 * kmemleak_stacks_skip_irq() - do not scan a CPU's stack for interrupts
 * @cpu: a CPU
 *
 * For architectures where it is a block: what it holds is left over. What only an
 * interrupt that runs now has on it is a suspect for the moment; in the standstill that
 * confirms suspects no interrupt runs.
 */
void kmemleak_stacks_skip_irq(int cpu)
{
#ifdef HAVE_IRQ_STACK_BLOCKS
	if (!kmemleak_still)
		kmemleak_block_annotate(&kmemleak_tracker, KMEMLEAK_VIRT,
					(unsigned long)per_cpu(irq_stack_ptr, cpu),
					KMEMLEAK_NOTE_NO_SCAN);
#endif
}

/* --------------------------------------------------------------- tasks -- */

/* Where the stack of a task that is not running ends; 0 if it cannot be told. */
static unsigned long saved_sp(struct task_struct *task)
{
#if defined(CONFIG_X86) && !defined(CONFIG_UML)
	return READ_ONCE(task->thread.sp);
#elif defined(CONFIG_UML)
	return KSTK_ESP(task);
#elif defined(CONFIG_ARM64)
	return thread_saved_sp(task);
#elif defined(CONFIG_RISCV)
	return READ_ONCE(task->thread.sp);
#elif defined(CONFIG_S390)
	return READ_ONCE(task->thread.ksp);
#else
	return 0;
#endif
}

static bool on_cpu(struct task_struct *task)
{
#ifdef CONFIG_SMP
	/* Pairs with finish_task(): what it wrote to its stack is there. */
	return smp_load_acquire(&task->on_cpu);
#else
	return task == current;
#endif
}

/*
 * Below the stack pointer of a sleeping task there are only dead values. If it
 * ran meanwhile, they may not have been dead, so that part is scanned as well, but
 * where a standstill follows, which knows. See KMEMLEAK_RULE_STACK.
 */
static void look_at_stack(struct kmemleak_marker *m, struct task_struct *task)
{
	const struct kmemleak_options *opt = kmemleak_mark_options(m);
	bool exact = opt->rules & BIT(KMEMLEAK_RULE_STACK);
	unsigned long own = task == kmemleak_scan_task ? kmemleak_scan_frame :
							 kmemleak_workers_frame(task);
	unsigned long stack = (unsigned long)try_get_task_stack(task), sp;
	unsigned long switches = READ_ONCE(task->nvcsw) + READ_ONCE(task->nivcsw);
	bool ran = on_cpu(task);

	if (!stack)
		return;
	/* Who runs in a standstill is there to mark, and nothing on its stack is live. */
	if (exact && ran && !own && (kmemleak_still || opt->draft)) {
		put_task_stack(task);
		return;
	}
	sp = ran || !exact ? stack : saved_sp(task);
	/* What the scan itself has on its stack is not in anybody's use. */
	if (own)
		sp = own;
	if (sp < stack || sp > stack + THREAD_SIZE)
		sp = stack;
	kmemleak_mark_look(m, sp, stack + THREAD_SIZE);
	ran |= on_cpu(task) || switches != READ_ONCE(task->nvcsw) + READ_ONCE(task->nivcsw);
	if (ran && !own && !(exact && opt->draft))
		kmemleak_mark_look(m, stack, sp);
	put_task_stack(task);
}

/* Objects that this leads to wait for kmemleak_mark_drain(). */
static void look_at_task(struct kmemleak_marker *m, struct task_struct *task)
{
	/* Last in the structure, of which not all is allocated on some machines. */
	unsigned long end = min((unsigned long)(&task->thread + 1),
				(unsigned long)task + arch_task_struct_size);

	kmemleak_mark_look(m, (unsigned long)&task->thread, end);
	look_at_stack(m, task);
}

static void mark_task(struct kmemleak_marker *m, struct task_struct *task)
{
	look_at_task(m, task);
	kmemleak_mark_drain(m);
}

/*
 * The idle tasks have no pid of their own. A CPU that is coming up runs its idle task
 * before it is online: wait until it is. A standstill has the lock already. Others who
 * want it do not wait for the objects that the stack leads to.
 */
static void mark_idle_task(struct kmemleak_marker *m, int cpu)
{
	if (!kmemleak_still)
		cpus_read_lock();
	if (cpu_online(cpu))
		look_at_task(m, idle_task(cpu));
	if (!kmemleak_still)
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
 * Tasks that have given up their pid and not yet their stack. Such a task still runs
 * the end of do_exit(), and can sleep there. A task leaves the list when its stack
 * goes, or with its structure on architectures where that frees the stack.
 */
static HLIST_HEAD(reaped);
/* Guards @reaped. Taken inside tasklist_lock. */
static DEFINE_RAW_SPINLOCK(reaped_lock);

/* Called by release_task(), before the pid goes: the task is always on one list. */
void kmemleak_hook_task_reaped(struct task_struct *task)
{
	unsigned long irq;

	/* It was dead long before its parent reaped it. */
	if (!try_get_task_stack(task))
		return;
	raw_spin_lock_irqsave(&reaped_lock, irq);
	hlist_add_head(&task->kmemleak_reaped, &reaped);
	raw_spin_unlock_irqrestore(&reaped_lock, irq);
	put_task_stack(task);
}

/* Also called while nothing is tracked: the task may be on the list from before. */
void kmemleak_task_stack_gone(struct task_struct *task)
{
	unsigned long irq;

	/* Whoever put the task on the list held a reference to this stack. */
	if (hlist_unhashed(&task->kmemleak_reaped))
		return;
	raw_spin_lock_irqsave(&reaped_lock, irq);
	hlist_del_init(&task->kmemleak_reaped);
	raw_spin_unlock_irqrestore(&reaped_lock, irq);
}

/*
 * The reaped task behind @task, or the first if that is NULL. Gives @task back. The
 * reference to its stack keeps the returned task on the list.
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
		/* One of them at its end waits for this lock. */
		if (!refcount_inc_not_zero(&next->usage)) {
			next = NULL;
		} else if (!try_get_task_stack(next)) {
			/* Not the last reference: that goes an RCU grace period later. */
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

/* Every task but the idle ones. @m is for @visit. */
static void visit_tasks(struct kmemleak_marker *m,
			void (*visit)(struct kmemleak_marker *m, struct task_struct *task))
{
	struct task_struct *task;
	int nr = 1;

	while ((task = get_next_task(&nr))) {
		visit(m, task);
		put_task_struct(task);
		if (!kmemleak_still)
			cond_resched_tasks_rcu_qs();
	}
	for (task = get_next_reaped(NULL); task; task = get_next_reaped(task)) {
		visit(m, task);
		if (!kmemleak_still)
			cond_resched_tasks_rcu_qs();
	}
}

static void interrupted(void *unused)
{
}

/*
 * A pointer can be in a register of a CPU and nowhere else, for long where interrupts
 * are off, or where a hypervisor lets the CPU wait. The interrupt saves it on the
 * stack, of which all is scanned where its task goes on to run.
 */
static void save_registers(void)
{
	on_each_cpu(interrupted, NULL, true);
}

/**
 * kmemleak_stacks_mark() - every task's live stack and saved registers
 * @m: the mark
 *
 * Context: process, may sleep unless the machine stands still.
 */
void kmemleak_stacks_mark(struct kmemleak_marker *m)
{
	int cpu;

	/* A draft leaves those stacks out. */
	if (!kmemleak_still && !kmemleak_mark_options(m)->draft)
		save_registers();
	visit_tasks(m, mark_task);
	for_each_possible_cpu(cpu)
		mark_idle_task(m, cpu);
}

static void leave_out(struct kmemleak_marker *unused, struct task_struct *task)
{
	void *stack = try_get_task_stack(task);

	if (!stack)
		return;
	kmemleak_old_drop((unsigned long)stack, THREAD_SIZE);
	put_task_stack(task);
}

/**
 * kmemleak_stacks_leave_out() - no stack is a root for being old
 *
 * Live parts are roots through their tasks, and the rest holds leftovers.
 *
 * Context: process, may sleep.
 */
void kmemleak_stacks_leave_out(void)
{
	int cpu;

	visit_tasks(NULL, leave_out);
	/* Of CPUs that were never there too, perhaps. */
	for_each_possible_cpu(cpu) {
		if (idle_task(cpu))
			leave_out(NULL, idle_task(cpu));
#ifdef HAVE_IRQ_STACK_BLOCKS
		kmemleak_old_drop((unsigned long)per_cpu(irq_stack_ptr, cpu), IRQ_STACK_SIZE);
#endif
	}
}
