// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stacks: which part of a task's stack holds live values, where its registers
 * are saved, and which pages of the per-cpu area are stacks without any.
 */
#include <linux/cpu.h>
#include <linux/kmemleak.h>
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/pgtable.h>
#include <linux/pid.h>
#include <linux/pid_namespace.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/sched/task_stack.h>
#include <linux/smp.h>
#include <linux/spinlock.h>
#include <linux/vmalloc.h>
#if defined(CONFIG_X86_64) && !defined(CONFIG_UML)
#define HAVE_X86_STACKS		/* user-mode Linux on x86-64 has none of them */
#include <asm/cpu_entry_area.h>
#endif

#include "glue.h"

/* -------------------------------------------------- interrupt stacks -- */

#ifdef HAVE_X86_STACKS
/*
 * The per-cpu area has the pages behind the stacks for interrupts and
 * exceptions; they run under other addresses, which are looked up here.
 */
static void add_dead(struct kmemleak_dead_pages *dead, unsigned long start, unsigned long end)
{
	unsigned long addr;
	unsigned int level;

	for (addr = start; addr < end; addr += PAGE_SIZE) {
		pte_t *pte = lookup_address(addr, &level);

		/* There are guard pages between them. */
		if (!pte || !pte_present(*pte))
			continue;
		if (dead->nr < ARRAY_SIZE(dead->page))
			dead->page[dead->nr++] = slow_virt_to_phys((void *)addr) >> PAGE_SHIFT;
	}
}

/**
 * kmemleak_stacks_dead_pages() - per-cpu pages in which no live value is
 * @cpu: whose
 * @dead: filled in
 *
 * The interrupt stack is dead while no interrupt runs there: what it holds then
 * is left over. An interrupt that begins now has its pointers from elsewhere.
 * The stacks for exceptions and NMIs never own memory.
 */
void kmemleak_stacks_dead_pages(int cpu, struct kmemleak_dead_pages *dead)
{
	unsigned long top = (unsigned long)per_cpu(hardirq_stack_ptr, cpu);
	unsigned long estacks = (unsigned long)per_cpu(cea_exception_stacks, cpu);

	dead->nr = 0;
	if (top && !READ_ONCE(per_cpu(hardirq_stack_inuse, cpu)))
		add_dead(dead, round_down(top, IRQ_STACK_SIZE), round_up(top, IRQ_STACK_SIZE));
	if (estacks)
		add_dead(dead, estacks, estacks + sizeof(struct cea_exception_stacks));
}

/**
 * kmemleak_stacks_is_dead() - is this address in one of these pages?
 * @dead: from kmemleak_stacks_dead_pages()
 * @addr: an address in the per-cpu area
 */
bool kmemleak_stacks_is_dead(const struct kmemleak_dead_pages *dead, unsigned long addr)
{
	unsigned long pfn = slow_virt_to_phys((void *)addr) >> PAGE_SHIFT;
	unsigned int i;

	for (i = 0; i < dead->nr; i++)
		if (dead->page[i] == pfn)
			return true;
	return false;
}
#else
void kmemleak_stacks_dead_pages(int cpu, struct kmemleak_dead_pages *dead)
{
	dead->nr = 0;
}

bool kmemleak_stacks_is_dead(const struct kmemleak_dead_pages *dead, unsigned long addr)
{
	return false;
}
#endif

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
			cond_resched();
	}
	for (task = get_next_reaped(NULL); task; task = get_next_reaped(task)) {
		visit(m, task);
		if (!kmemleak_still)
			cond_resched();
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
	for_each_possible_cpu(cpu)
		if (idle_task(cpu))
			leave_out(NULL, idle_task(cpu));
}
