// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry points: what include/linux/kmemleak.h calls while tracking is on. They
 * gather who is calling, pass the call to the core, and tell the log of a
 * caller's mistake, once a kind. What a call means is core.c's.
 */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/export.h>
#include <linux/init.h>
#include <linux/instruction_pointer.h>
#include <linux/irq_work.h>
#include <linux/jiffies.h>
#include <linux/kfence.h>
#include <linux/kmemleak.h>
#include <linux/mm.h>
#include <linux/preempt.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "glue.h"

static const char *const mistake_names[] = {
	[KMEMLEAK_WRAPS] = "a block that wraps around the end of memory",
	[KMEMLEAK_NOT_FOUND] = "annotation of an unknown block",
	[KMEMLEAK_REPLACED] = "a block registered twice",
	[KMEMLEAK_OVERLAPS] = "a block that overlaps another one",
	[KMEMLEAK_OUTSIDE] = "a part that reaches out of its block",
};

/**
 * struct mistake - the first mistake of a kind
 * @state: how far it is. Who makes it MADE fills in the rest, and who sees it READY
 *	prints it.
 * @addr: what the caller said
 * @size: the same
 * @pid: who called
 * @comm: name of that task
 * @nr: entries of the trace
 * @entry: return addresses, innermost first
 */
struct mistake {
	enum { NONE, MADE, READY, TOLD } state;
	unsigned long addr;
	size_t size;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	unsigned int nr;
	unsigned long entry[16];
};

static struct mistake mistakes[ARRAY_SIZE(mistake_names)];

static void tell_mistakes(struct work_struct *work)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		struct mistake *mistake = &mistakes[i];

		/* Pairs with note_mistake(). */
		if (smp_load_acquire(&mistake->state) != READY)
			continue;
		WRITE_ONCE(mistake->state, TOLD);
		pr_warn("%s: 0x%lx, size %zu; told once, see kmemleak_stats\n", mistake_names[i],
			mistake->addr, mistake->size);
		pr_warn("Call Trace of %s, pid %d:\n", mistake->comm, mistake->pid);
		stack_trace_print(mistake->entry, mistake->nr, 1);
		/* It is static data, which a scan reads: the block may be lost later. */
		mistake->addr = 0;
	}
}

/* Queued by each hook that leaves after the error, so this may run more than once. */
static void failed_work(struct work_struct *work)
{
	static bool told;

	mutex_lock(&kmemleak_scan_mutex);
	if (!told) {
		told = true;
		pr_err("turned off by an error: %s\n", READ_ONCE(kmemleak_tracker.failed));
		kmemleak_turn_off();
	}
	mutex_unlock(&kmemleak_scan_mutex);
}

static DECLARE_WORK(fail_work, failed_work);
static DECLARE_WORK(mistake_work, tell_mistakes);

static void queue_fail_work(struct irq_work *work)
{
	queue_work(system_dfl_wq, &fail_work);
}

static void queue_mistake_work(struct irq_work *work)
{
	queue_work(system_dfl_wq, &mistake_work);
}

static DEFINE_IRQ_WORK(fail_irq, queue_fail_work);
static DEFINE_IRQ_WORK(mistake_irq, queue_mistake_work);

/*
 * A caller may hold any lock, those of the log and of workqueues among them. So an
 * interrupt queues the work, which comes when interrupts are on again.
 */
static void when_unlocked(struct irq_work *work)
{
	/* Before there are interrupts, it waits for after_boot(). */
	if (system_state > SYSTEM_BOOTING)
		irq_work_queue(work);
}

static int __init after_boot(void)
{
	irq_work_queue(&mistake_irq);
	if (READ_ONCE(kmemleak_tracker.failed))
		irq_work_queue(&fail_irq);
	return 0;
}
late_initcall(after_boot);

/*
 * RCU keeps the metadata: whoever turns tracking off waits for a grace period
 * before it goes. Return: false if there is nothing to do.
 */
static __always_inline bool enter(void)
{
	if (unlikely(in_nmi())) {
		kmemleak_count(&kmemleak_tracker, KMEMLEAK_CNT_NMI);
		return false;
	}
	rcu_read_lock();
	if (likely(READ_ONCE(kmemleak_tracker.enabled)))
		return true;
	rcu_read_unlock();
	return kmemleak_early_setup();
}

static noinline void note_mistake(enum kmemleak_result res, unsigned long addr, size_t size)
{
	struct mistake *mistake;

	if (res >= ARRAY_SIZE(mistakes) || !mistake_names[res])
		return;
	mistake = &mistakes[res];
	if (READ_ONCE(mistake->state))
		return;
	/* What is unknown then is most often older than the detector, or opaque. */
	if (res == KMEMLEAK_NOT_FOUND &&
	    (kmemleak_old_any() || READ_ONCE(kmemleak_tracker.opaque.nr)))
		return;
	if (cmpxchg(&mistake->state, NONE, MADE))
		return;
	mistake->addr = addr;
	mistake->size = size;
	mistake->pid = current->pid;
	strscpy(mistake->comm, current->comm, sizeof(mistake->comm));
	mistake->nr = stack_trace_save(mistake->entry, ARRAY_SIZE(mistake->entry), 1);
	/* Pairs with tell_mistakes(). */
	smp_store_release(&mistake->state, READY);
	when_unlocked(&mistake_irq);
}

static __always_inline void leave(enum kmemleak_result res, unsigned long addr, size_t size)
{
	if (unlikely(READ_ONCE(kmemleak_tracker.failed)))
		when_unlocked(&fail_irq);
	rcu_read_unlock();
	if (unlikely(res))
		note_mistake(res, addr, size);
}

/* A free of an unknown block is no mistake: it may be older than the tracker. */
static __always_inline void leave_free(enum kmemleak_result res, unsigned long addr, size_t size)
{
	leave(res == KMEMLEAK_NOT_FOUND ? KMEMLEAK_OK : res, addr, size);
}

/* The trace from the hook's caller on; to be inlined into a noinline hook. */
static __always_inline u32 save_trace(gfp_t gfp)
{
	return kmemleak_trace_save(__builtin_frame_address(0), _RET_IP_, gfp);
}

static __always_inline void get_origin(struct kmemleak_origin *origin, u32 slack, gfp_t gfp)
{
	*origin = (struct kmemleak_origin){
		.slack = slack,
		.trace = save_trace(gfp),
		.born = jiffies,
		.clock = local_clock(),
	};
	if (in_hardirq()) {
		origin->context = KMEMLEAK_HARDIRQ;
	} else if (in_serving_softirq()) {
		origin->context = KMEMLEAK_SOFTIRQ;
	} else {
		origin->pid = current->pid;
		origin->comm = current->comm;
	}
}

/* Return: whether it is tracked. */
static __always_inline bool add_block(enum kmemleak_space space, unsigned long addr, size_t size,
				      u32 slack, int min_count, gfp_t gfp)
{
	struct kmemleak_origin origin;
	enum kmemleak_result res;

	/* An allocation that failed is reported by allocators as a NULL block. */
	if (space != KMEMLEAK_PHYS && !addr) {
		kmemleak_count(&kmemleak_tracker, KMEMLEAK_CNT_BAD_ADDR);
		return false;
	}
	if (likely(!in_nmi())) {
		/* These may sleep, so not under RCU. */
		get_origin(&origin, slack, gfp);
		kmemleak_pool_top_up(&kmemleak_tracker, gfp);
	}
	if (!enter())
		return false;
	res = kmemleak_block_add(&kmemleak_tracker, space, addr, size, min_count, &origin);
	leave(res, addr, size);
	return !res;
}

static void annotate(enum kmemleak_space space, unsigned long addr, enum kmemleak_note note)
{
	enum kmemleak_result res;

	if (!enter())
		return;
	res = kmemleak_block_annotate(&kmemleak_tracker, space, addr, note);
	/* kvfree_rcu() says so of any block, and kmalloc_nolock() tells nobody of its own. */
	if (res == KMEMLEAK_NOT_FOUND && note == KMEMLEAK_NOTE_NOT_LEAK)
		res = KMEMLEAK_OK;
	leave(res, addr, 0);
}

static unsigned long address(const void *ptr)
{
	return kmemleak_untag((unsigned long)ptr);
}

static unsigned long percpu_address(const void __percpu *ptr)
{
	return kmemleak_untag((unsigned long __force)ptr);
}

noinline void *kmemleak_hook_alloc(const void *ptr, size_t size, int min_count, gfp_t gfp)
{
	if (add_block(KMEMLEAK_VIRT, address(ptr), size, 0, min_count, gfp & gfp_allowed_mask))
		kmemleak_old_drop(address(ptr), size);
	return (void *)ptr;
}
EXPORT_SYMBOL_GPL(kmemleak_hook_alloc);

noinline void *kmemleak_hook_alloc_slab(const void *ptr, size_t size, size_t requested, gfp_t gfp)
{
	u32 slack = 0;

	/* KFENCE gives what was asked for; the rest can be its guard page. */
	if (is_kfence_address(ptr))
		size = min(size, requested);
	/* What is more than the block has is no request that is known. */
	if (requested < size)
		slack = min_t(size_t, size - requested, U32_MAX);
	if (add_block(KMEMLEAK_VIRT, address(ptr), size, slack, 1, gfp & gfp_allowed_mask))
		kmemleak_old_drop(address(ptr), size);
	return (void *)ptr;
}
EXPORT_SYMBOL_GPL(kmemleak_hook_alloc_slab);

noinline void kmemleak_hook_alloc_percpu(const void __percpu *ptr, size_t size, gfp_t gfp)
{
	if (add_block(KMEMLEAK_PERCPU, percpu_address(ptr), size, 0, 1, gfp))
		kmemleak_old_drop_percpu(ptr, size);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_alloc_percpu);

/*
 * The vm_struct always points at the block, so the block needs one reference
 * more. The vmap_area points at the vm_struct; every further reference to that
 * stands for one to the block.
 */
noinline void kmemleak_hook_vmalloc(const struct vm_struct *area, size_t size, gfp_t gfp)
{
	unsigned long block;

	if (IS_ERR_OR_NULL(area)) {
		kmemleak_count(&kmemleak_tracker, KMEMLEAK_CNT_BAD_ADDR);
		return;
	}
	block = address(area->addr);
	if (add_block(KMEMLEAK_VIRT, block, size, 0, 2, gfp))
		kmemleak_old_drop(block, size);
	if (!enter())
		return;
	leave(kmemleak_block_add_alias(&kmemleak_tracker, address(area), block),
	      address(area), size);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_vmalloc);

/*
 * Physical addresses can be wider than a long. What lies there is high memory, which
 * holds no references; cut off, its address would be another block's. Of a range, @size
 * becomes what is below that.
 */
static bool fits_long(phys_addr_t phys, size_t *size)
{
	if (phys > ULONG_MAX)
		return false;
	if (sizeof(phys) > sizeof(long) && *size && phys + (*size - 1) > ULONG_MAX)
		*size = ULONG_MAX - phys;
	return true;
}

noinline void kmemleak_hook_alloc_phys(phys_addr_t phys, size_t size, gfp_t gfp)
{
	if (fits_long(phys, &size))
		add_block(KMEMLEAK_PHYS, phys, size, 0, 0, gfp);
}
EXPORT_SYMBOL(kmemleak_hook_alloc_phys);

void kmemleak_hook_free(const void *ptr)
{
	unsigned long addr = address(ptr);
	enum kmemleak_result res;

	if (!enter())
		return;
	res = kmemleak_block_remove(&kmemleak_tracker, KMEMLEAK_VIRT, addr);
	if (unlikely(res == KMEMLEAK_NOT_FOUND))
		kmemleak_old_freed(addr);
	leave_free(res, addr, 0);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_free);

void kmemleak_hook_free_percpu(const void __percpu *ptr)
{
	unsigned long addr = percpu_address(ptr);

	if (enter())
		leave_free(kmemleak_block_remove(&kmemleak_tracker, KMEMLEAK_PERCPU, addr),
			   addr, 0);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_free_percpu);

static void free_part(enum kmemleak_space space, unsigned long addr, size_t size)
{
	enum kmemleak_result res;

	if (!enter())
		return;
	res = kmemleak_block_remove_part(&kmemleak_tracker, space, addr, size);
	if (res == KMEMLEAK_NOT_FOUND && space == KMEMLEAK_VIRT)
		kmemleak_old_drop(addr, size);
	leave_free(res, addr, size);
}

void kmemleak_hook_free_part(const void *ptr, size_t size)
{
	free_part(KMEMLEAK_VIRT, address(ptr), size);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_free_part);

void kmemleak_hook_free_part_phys(phys_addr_t phys, size_t size)
{
	if (fits_long(phys, &size))
		free_part(KMEMLEAK_PHYS, phys, size);
}
EXPORT_SYMBOL(kmemleak_hook_free_part_phys);

/**
 * kmemleak_reserved_pages_gone() - pages that boot had reserved become free
 * @page: the first
 * @nr: how many
 *
 * What memblock was asked for is a root. If the page allocator gets these pages, what
 * lies there later is not. Declared in linux/mm.h, which cannot include linux/kmemleak.h.
 *
 * Context: any.
 */
void kmemleak_reserved_pages_gone(struct page *page, unsigned long nr)
{
	phys_addr_t phys = PFN_PHYS(page_to_pfn(page));
	size_t size = nr << PAGE_SHIFT;

	if (!kmemleak_tracking() || !fits_long(phys, &size) || !enter())
		return;
	kmemleak_block_remove_all(&kmemleak_tracker, KMEMLEAK_PHYS, phys, size);
	leave(KMEMLEAK_OK, phys, size);
}
EXPORT_SYMBOL(kmemleak_reserved_pages_gone);

noinline void kmemleak_hook_update_trace(const void *ptr)
{
	unsigned long addr = address(ptr);
	u32 trace = in_nmi() ? 0 : save_trace(GFP_NOWAIT | __GFP_NOWARN);

	if (enter())
		leave(kmemleak_block_set_trace(&kmemleak_tracker, addr, trace), addr, 0);
}
EXPORT_SYMBOL(kmemleak_hook_update_trace);

void kmemleak_hook_not_leak(const void *ptr)
{
	annotate(KMEMLEAK_VIRT, address(ptr), KMEMLEAK_NOTE_NOT_LEAK);
}
EXPORT_SYMBOL(kmemleak_hook_not_leak);

void kmemleak_hook_transient_leak(const void *ptr)
{
	annotate(KMEMLEAK_VIRT, address(ptr), KMEMLEAK_NOTE_TRANSIENT);
}
EXPORT_SYMBOL(kmemleak_hook_transient_leak);

void kmemleak_hook_ignore(const void *ptr)
{
	annotate(KMEMLEAK_VIRT, address(ptr), KMEMLEAK_NOTE_IGNORE);
}
EXPORT_SYMBOL(kmemleak_hook_ignore);

void kmemleak_hook_ignore_percpu(const void __percpu *ptr)
{
	annotate(KMEMLEAK_PERCPU, percpu_address(ptr), KMEMLEAK_NOTE_IGNORE);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_ignore_percpu);

void kmemleak_hook_no_scan(const void *ptr)
{
	annotate(KMEMLEAK_VIRT, address(ptr), KMEMLEAK_NOTE_NO_SCAN);
}
EXPORT_SYMBOL(kmemleak_hook_no_scan);

/* Memory known by its physical address may have come from any allocator. */
static void annotate_phys(phys_addr_t phys, enum kmemleak_note note)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	struct kmemleak_object copy;
	unsigned long virt;

	if (phys > ULONG_MAX || !enter())
		return;
	virt = t->ops->block_addr(t, KMEMLEAK_PHYS, phys, 0);
	if (virt && !kmemleak_block_get(t, KMEMLEAK_PHYS, phys, &copy) &&
	    kmemleak_block_get(t, KMEMLEAK_VIRT, virt, &copy))
		leave(kmemleak_block_annotate(t, KMEMLEAK_VIRT, virt, note), virt, 0);
	else
		leave(kmemleak_block_annotate(t, KMEMLEAK_PHYS, phys, note), phys, 0);
}

void kmemleak_hook_not_leak_phys(phys_addr_t phys)
{
	annotate_phys(phys, KMEMLEAK_NOTE_NOT_LEAK);
}
EXPORT_SYMBOL(kmemleak_hook_not_leak_phys);

void kmemleak_hook_ignore_phys(phys_addr_t phys)
{
	annotate_phys(phys, KMEMLEAK_NOTE_IGNORE);
}
EXPORT_SYMBOL(kmemleak_hook_ignore_phys);

void kmemleak_hook_scan_area(const void *ptr, size_t size, gfp_t gfp)
{
	unsigned long addr = address(ptr);

	if (likely(!in_nmi()))
		kmemleak_pool_top_up(&kmemleak_tracker, gfp);
	if (enter())
		leave(kmemleak_block_add_area(&kmemleak_tracker, addr, size), addr, size);
}
EXPORT_SYMBOL(kmemleak_hook_scan_area);
