// SPDX-License-Identifier: GPL-2.0-only
/*
 * Entry points: the hooks that include/linux/kmemleak.h calls while tracking is on. A hook
 * records the caller, passes the call to core/block.c or core/annotate.c, and logs the
 * caller's mistake, once for each kind of mistake.
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
#include <linux/stacktrace.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include "control.h"
#include "arch/arch.h"
#include "core/block.h"
#include "core/pool_fast.h"
#include "ops.h"
#include "preexist.h"
#include "state.h"
#include "trace.h"

static const char *const mistake_names[] = {
	[KMEMLEAK_WRAPS] = "a block that wraps around the end of memory",
	[KMEMLEAK_NOT_FOUND] = "annotation of an unknown block",
	[KMEMLEAK_REPLACED] = "a block registered twice",
	[KMEMLEAK_OVERLAPS] = "a block that overlaps another one",
	[KMEMLEAK_OUTSIDE] = "a part that reaches outside of its block",
};

/**
 * struct mistake - the first mistake of a kind
 * @state: how far its report is. The hook that sets MADE fills in the other members. The work
 *	item that finds READY prints them.
 * @addr: address that the caller gave
 * @size: size that the caller gave
 * @pid: pid of the calling task
 * @comm: name of the calling task
 * @nr: number of @entry
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

static void warn_mistakes(struct work_struct *work)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(mistakes); i++) {
		struct mistake *mistake = &mistakes[i];

		/* Pairs with record_mistake(). */
		if (smp_load_acquire(&mistake->state) != READY)
			continue;
		WRITE_ONCE(mistake->state, TOLD);
		pr_warn("%s: 0x%lx, size %zu (reported once, see kmemleak_stats)\n",
			mistake_names[i], mistake->addr, mistake->size);
		pr_warn("Call Trace of %s, pid %d:\n", mistake->comm, mistake->pid);
		stack_trace_print(mistake->entry, mistake->nr, 1);
		/* A scan reads static data, so @addr would hide the block if it is lost later. */
		mistake->addr = 0;
	}
}

/* Each hook that begins after the error queues this work, so it may run more than once. */
static void report_failure(struct work_struct *work)
{
	static bool told;

	mutex_lock(&kmemleak_scan_mutex);
	if (!told) {
		told = true;
		pr_err("Turned off by an error: %s\n", READ_ONCE(kmemleak_tracker.failed));
		kmemleak_turn_off();
	}
	mutex_unlock(&kmemleak_scan_mutex);
}

static DECLARE_WORK(fail_work, report_failure);
static DECLARE_WORK(mistake_work, warn_mistakes);

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
 * A hook's caller may hold any lock, a lock of the log or of a workqueue for example. So an
 * interrupt queues the work: it comes when interrupts are on again.
 */
static void queue_when_unlocked(struct irq_work *work)
{
	/* In early boot there are no interrupts. report_boot_mistakes() queues the work later. */
	if (system_state > SYSTEM_BOOTING)
		irq_work_queue(work);
}

static int __init report_boot_mistakes(void)
{
	irq_work_queue(&mistake_irq);
	if (READ_ONCE(kmemleak_tracker.failed))
		irq_work_queue(&fail_irq);
	return 0;
}
late_initcall(report_boot_mistakes);

/* The tracker is off, or not set up. Return: as enter_hook(). */
static noinline bool enter_hook_disabled(void)
{
	rcu_read_unlock();
	/* Whoever fails holds locks. The next hook queues the work. */
	if (READ_ONCE(kmemleak_tracker.failed))
		queue_when_unlocked(&fail_irq);
	return kmemleak_early_setup();
}

/*
 * The RCU section keeps the metadata: a task that turns tracking off waits for a grace period
 * before the metadata is released. Return: false if there is nothing to do.
 */
static __always_inline bool enter_hook(void)
{
	if (unlikely(in_nmi())) {
		kmemleak_count(&kmemleak_tracker, KMEMLEAK_CNT_NMI);
		return false;
	}
	rcu_read_lock();
	if (likely(READ_ONCE(kmemleak_tracker.enabled)))
		return true;
	return enter_hook_disabled();
}

static noinline void record_mistake(enum kmemleak_result res, unsigned long addr, size_t size)
{
	struct mistake *mistake;

	if (res >= ARRAY_SIZE(mistakes) || !mistake_names[res])
		return;
	mistake = &mistakes[res];
	if (READ_ONCE(mistake->state))
		return;
	/* An unknown block is most often preexisting or opaque, if there are such blocks. */
	if (res == KMEMLEAK_NOT_FOUND &&
	    (kmemleak_preexist_any() || READ_ONCE(kmemleak_tracker.opaque.nr)))
		return;
	if (cmpxchg(&mistake->state, NONE, MADE))
		return;
	mistake->addr = addr;
	mistake->size = size;
	mistake->pid = current->pid;
	strscpy(mistake->comm, current->comm, sizeof(mistake->comm));
	mistake->nr = stack_trace_save(mistake->entry, ARRAY_SIZE(mistake->entry), 1);
	/* Pairs with warn_mistakes(). */
	smp_store_release(&mistake->state, READY);
	queue_when_unlocked(&mistake_irq);
}

static __always_inline void leave_hook(enum kmemleak_result res, unsigned long addr, size_t size)
{
	rcu_read_unlock();
	if (unlikely(res))
		record_mistake(res, addr, size);
}

/* A free of an unknown block is no mistake: the block may be older than the tracker. */
static __always_inline void leave_free_hook(enum kmemleak_result res, unsigned long addr,
					    size_t size)
{
	leave_hook(res == KMEMLEAK_NOT_FOUND ? KMEMLEAK_OK : res, addr, size);
}

/* The trace begins at the hook's caller. To be inlined into a noinline hook. */
static __always_inline u32 save_trace(gfp_t gfp)
{
	return kmemleak_trace_save(__builtin_frame_address(0), _RET_IP_, gfp);
}

static __always_inline void get_origin(struct kmemleak_origin *origin, u32 unrequested, gfp_t gfp)
{
	*origin = (struct kmemleak_origin){
		.unrequested = unrequested,
		.trace = save_trace(gfp),
		.born = jiffies,
		.clock = kmemleak_arch_clock(),
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

/* Return: true if the block is tracked. */
static __always_inline bool track_block(enum kmemleak_space space, unsigned long addr, size_t size,
					u32 unrequested, int min_count, gfp_t gfp)
{
	struct kmemleak_origin origin;
	enum kmemleak_result res;

	/* Allocators report a failed allocation as a NULL block. */
	if (space != KMEMLEAK_PHYS && !addr) {
		kmemleak_count(&kmemleak_tracker, KMEMLEAK_CNT_BAD_ADDR);
		return false;
	}
	if (likely(!in_nmi())) {
		/* Both calls may sleep, so they come before the RCU section. */
		get_origin(&origin, unrequested, gfp);
		kmemleak_pool_top_up(&kmemleak_tracker, gfp);
	}
	if (!enter_hook())
		return false;
	res = kmemleak_block_add(&kmemleak_tracker, space, addr, size, min_count, &origin);
	leave_hook(res, addr, size);
	return !res;
}

static void annotate_block(enum kmemleak_space space, unsigned long addr,
			   enum kmemleak_annotation annotation)
{
	enum kmemleak_result res;

	if (!enter_hook())
		return;
	res = kmemleak_block_annotate(&kmemleak_tracker, space, addr, annotation);
	/*
	 * No mistake: kvfree_rcu() annotates blocks from any allocator, and kmalloc_nolock()
	 * does not report its blocks.
	 */
	if (res == KMEMLEAK_NOT_FOUND && annotation == KMEMLEAK_ANNOTATE_NOT_LEAK)
		res = KMEMLEAK_OK;
	leave_hook(res, addr, 0);
}

static unsigned long untag_pointer(const void *ptr)
{
	return kmemleak_untag((unsigned long)ptr);
}

static unsigned long untag_percpu_pointer(const void __percpu *ptr)
{
	return kmemleak_untag((unsigned long __force)ptr);
}

noinline void *kmemleak_hook_alloc(const void *ptr, size_t size, int min_count, gfp_t gfp)
{
	if (track_block(KMEMLEAK_VIRT, untag_pointer(ptr), size, 0, min_count,
			gfp & gfp_allowed_mask))
		kmemleak_preexist_remove(untag_pointer(ptr), size);
	return (void *)ptr;
}
EXPORT_SYMBOL_GPL(kmemleak_hook_alloc);

noinline void *kmemleak_hook_alloc_slab(const void *ptr, size_t size, size_t requested, gfp_t gfp)
{
	u32 unrequested = 0;

	/* A KFENCE block has the requested size. The memory after it can be a guard page. */
	if (is_kfence_address(ptr))
		size = min(size, requested);
	/* If @requested is larger than the block, the request is not known. */
	if (requested < size)
		unrequested = min_t(size_t, size - requested, U32_MAX);
	if (track_block(KMEMLEAK_VIRT, untag_pointer(ptr), size, unrequested, 1,
			gfp & gfp_allowed_mask))
		kmemleak_preexist_remove(untag_pointer(ptr), size);
	return (void *)ptr;
}
EXPORT_SYMBOL_GPL(kmemleak_hook_alloc_slab);

noinline void kmemleak_hook_alloc_percpu(const void __percpu *ptr, size_t size, gfp_t gfp)
{
	if (track_block(KMEMLEAK_PERCPU, untag_percpu_pointer(ptr), size, 0, 1, gfp))
		kmemleak_preexist_remove_percpu(ptr, size);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_alloc_percpu);

/*
 * The vm_struct always points to the block, so the block needs one more reference. The
 * vmap_area points to the vm_struct. Every further reference to the vm_struct counts as a
 * reference to the block.
 */
noinline void kmemleak_hook_vmalloc(const struct vm_struct *area, size_t size, gfp_t gfp)
{
	unsigned long block;

	if (IS_ERR_OR_NULL(area)) {
		kmemleak_count(&kmemleak_tracker, KMEMLEAK_CNT_BAD_ADDR);
		return;
	}
	block = untag_pointer(area->addr);
	if (track_block(KMEMLEAK_VIRT, block, size, 0, 2, gfp))
		kmemleak_preexist_remove(block, size);
	if (!enter_hook())
		return;
	leave_hook(kmemleak_block_add_alias(&kmemleak_tracker, untag_pointer(area), block),
		   untag_pointer(area), size);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_vmalloc);

/*
 * Physical addresses can be wider than a long. Memory beyond a long is high memory, which
 * holds no references. A truncated address would be the address of another block. If only
 * the start of a range fits, @size is reduced to the part that fits.
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
		track_block(KMEMLEAK_PHYS, phys, size, 0, 0, gfp);
}
EXPORT_SYMBOL(kmemleak_hook_alloc_phys);

void kmemleak_hook_free(const void *ptr)
{
	unsigned long addr = untag_pointer(ptr);
	enum kmemleak_result res;

	if (!enter_hook())
		return;
	res = kmemleak_block_remove(&kmemleak_tracker, KMEMLEAK_VIRT, addr);
	if (unlikely(res == KMEMLEAK_NOT_FOUND))
		kmemleak_preexist_freed(addr);
	leave_free_hook(res, addr, 0);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_free);

void kmemleak_hook_free_percpu(const void __percpu *ptr)
{
	unsigned long addr = untag_percpu_pointer(ptr);

	if (enter_hook())
		leave_free_hook(kmemleak_block_remove(&kmemleak_tracker, KMEMLEAK_PERCPU, addr),
				addr, 0);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_free_percpu);

static void untrack_part(enum kmemleak_space space, unsigned long addr, size_t size)
{
	enum kmemleak_result res;

	if (!enter_hook())
		return;
	res = kmemleak_block_remove_part(&kmemleak_tracker, space, addr, size);
	if (res == KMEMLEAK_NOT_FOUND && space == KMEMLEAK_VIRT)
		kmemleak_preexist_remove(addr, size);
	leave_free_hook(res, addr, size);
}

void kmemleak_hook_free_part(const void *ptr, size_t size)
{
	untrack_part(KMEMLEAK_VIRT, untag_pointer(ptr), size);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_free_part);

void kmemleak_hook_free_part_phys(phys_addr_t phys, size_t size)
{
	if (fits_long(phys, &size))
		untrack_part(KMEMLEAK_PHYS, phys, size);
}
EXPORT_SYMBOL(kmemleak_hook_free_part_phys);

/**
 * kmemleak_reserved_pages_gone() - pages that were reserved at boot become free
 * @page: the first page
 * @nr: number of pages
 *
 * Blocks of memblock are roots. When the page allocator gets their pages, forget the blocks:
 * later blocks in these pages are no roots. Declared in linux/mm.h, which cannot include
 * linux/kmemleak.h.
 *
 * Context: any.
 */
void kmemleak_reserved_pages_gone(struct page *page, unsigned long nr)
{
	phys_addr_t phys = PFN_PHYS(page_to_pfn(page));
	size_t size = nr << PAGE_SHIFT;

	if (!kmemleak_tracking() || !fits_long(phys, &size) || !enter_hook())
		return;
	kmemleak_block_remove_all(&kmemleak_tracker, KMEMLEAK_PHYS, phys, size);
	leave_hook(KMEMLEAK_OK, phys, size);
}
EXPORT_SYMBOL(kmemleak_reserved_pages_gone);

noinline void kmemleak_hook_update_trace(const void *ptr)
{
	unsigned long addr = untag_pointer(ptr);
	u32 trace = in_nmi() ? 0 : save_trace(GFP_NOWAIT | __GFP_NOWARN);

	if (enter_hook())
		leave_hook(kmemleak_block_set_trace(&kmemleak_tracker, addr, trace), addr, 0);
}
EXPORT_SYMBOL(kmemleak_hook_update_trace);

void kmemleak_hook_not_leak(const void *ptr)
{
	annotate_block(KMEMLEAK_VIRT, untag_pointer(ptr), KMEMLEAK_ANNOTATE_NOT_LEAK);
}
EXPORT_SYMBOL(kmemleak_hook_not_leak);

void kmemleak_hook_transient_leak(const void *ptr)
{
	annotate_block(KMEMLEAK_VIRT, untag_pointer(ptr), KMEMLEAK_ANNOTATE_TRANSIENT);
}
EXPORT_SYMBOL(kmemleak_hook_transient_leak);

void kmemleak_hook_ignore(const void *ptr)
{
	annotate_block(KMEMLEAK_VIRT, untag_pointer(ptr), KMEMLEAK_ANNOTATE_IGNORE);
}
EXPORT_SYMBOL(kmemleak_hook_ignore);

void kmemleak_hook_ignore_percpu(const void __percpu *ptr)
{
	annotate_block(KMEMLEAK_PERCPU, untag_percpu_pointer(ptr), KMEMLEAK_ANNOTATE_IGNORE);
}
EXPORT_SYMBOL_GPL(kmemleak_hook_ignore_percpu);

void kmemleak_hook_no_scan(const void *ptr)
{
	annotate_block(KMEMLEAK_VIRT, untag_pointer(ptr), KMEMLEAK_ANNOTATE_NO_SCAN);
}
EXPORT_SYMBOL(kmemleak_hook_no_scan);

/* A block given by its physical address may have come from any allocator. */
static void annotate_phys(phys_addr_t phys, enum kmemleak_annotation annotation)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	struct kmemleak_object copy;
	unsigned long virt;

	if (phys > ULONG_MAX || !enter_hook())
		return;
	virt = t->ops->block_addr(t, KMEMLEAK_PHYS, phys, 0);
	if (virt && !kmemleak_block_get(t, KMEMLEAK_PHYS, phys, &copy) &&
	    kmemleak_block_get(t, KMEMLEAK_VIRT, virt, &copy))
		leave_hook(kmemleak_block_annotate(t, KMEMLEAK_VIRT, virt, annotation), virt, 0);
	else
		leave_hook(kmemleak_block_annotate(t, KMEMLEAK_PHYS, phys, annotation), phys, 0);
}

void kmemleak_hook_not_leak_phys(phys_addr_t phys)
{
	annotate_phys(phys, KMEMLEAK_ANNOTATE_NOT_LEAK);
}
EXPORT_SYMBOL(kmemleak_hook_not_leak_phys);

void kmemleak_hook_ignore_phys(phys_addr_t phys)
{
	annotate_phys(phys, KMEMLEAK_ANNOTATE_IGNORE);
}
EXPORT_SYMBOL(kmemleak_hook_ignore_phys);

void kmemleak_hook_scan_area(const void *ptr, size_t size, gfp_t gfp)
{
	unsigned long addr = untag_pointer(ptr);

	if (likely(!in_nmi()))
		kmemleak_pool_top_up(&kmemleak_tracker, gfp);
	if (enter_hook())
		leave_hook(kmemleak_block_add_area(&kmemleak_tracker, addr, size), addr, size);
}
EXPORT_SYMBOL(kmemleak_hook_scan_area);
