/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel memory leak detector: what allocators and the owners of unusual
 * memory tell it. See Documentation/dev-tools/kmemleak.rst.
 *
 * Every function here that takes a block may be called with any argument. A
 * wrong one is counted in /sys/kernel/debug/kmemleak_stats, told to the log at
 * most once a kind, and has no other effect. All but kmemleak_init() may be
 * called in any context but NMI, where they only count the call. With the
 * detector off they cost a patched-out branch, with CONFIG_DEBUG_KMEMLEAK=n
 * nothing.
 */
#ifndef _LINUX_KMEMLEAK_H
#define _LINUX_KMEMLEAK_H

#include <linux/slab.h>
#include <linux/vmalloc.h>

#ifdef CONFIG_DEBUG_KMEMLEAK

#include <linux/jump_label.h>

struct task_struct;

DECLARE_STATIC_KEY_TRUE(kmemleak_key);

/* True while blocks are tracked. */
#define kmemleak_tracking()	static_branch_unlikely(&kmemleak_key)

void *kmemleak_hook_alloc(const void *ptr, size_t size, int min_count, gfp_t gfp);
void *kmemleak_hook_alloc_slab(const void *ptr, size_t size, size_t requested, gfp_t gfp);
void kmemleak_hook_alloc_percpu(const void __percpu *ptr, size_t size, gfp_t gfp);
void kmemleak_hook_vmalloc(const struct vm_struct *area, size_t size, gfp_t gfp);
void kmemleak_hook_alloc_phys(phys_addr_t phys, size_t size, gfp_t gfp);
void kmemleak_hook_free(const void *ptr);
void kmemleak_hook_free_part(const void *ptr, size_t size);
void kmemleak_hook_free_part_phys(phys_addr_t phys, size_t size);
void kmemleak_hook_free_percpu(const void __percpu *ptr);
void kmemleak_hook_update_trace(const void *ptr);
void kmemleak_hook_not_leak(const void *ptr);
void kmemleak_hook_not_leak_phys(phys_addr_t phys);
void kmemleak_hook_transient_leak(const void *ptr);
void kmemleak_hook_ignore(const void *ptr);
void kmemleak_hook_ignore_phys(phys_addr_t phys);
void kmemleak_hook_ignore_percpu(const void __percpu *ptr);
void kmemleak_hook_no_scan(const void *ptr);
void kmemleak_hook_scan_area(const void *ptr, size_t size, gfp_t gfp);
void kmemleak_hook_task_reaped(struct task_struct *task);

/**
 * kmemleak_task_stack_gone() - a task's stack is about to be freed
 * @task: the task; it runs no more
 *
 * Context: any but NMI.
 */
void kmemleak_task_stack_gone(struct task_struct *task);

/**
 * kmemleak_queue_page() - a page holds addresses of blocks, and keeps none of them
 * @page: its first byte; it came from the page allocator
 *
 * The page is no root where tracking begins late. This ends when the page is freed. To
 * be called while nothing is tracked, too: tracking can begin later.
 *
 * Context: any.
 */
void kmemleak_queue_page(const void *page);

/**
 * kmemleak_init() - bring the detector up, or down if it is to be off
 *
 * Called once, when page and slab allocator work and interrupts are still off.
 * Blocks registered before are kept.
 */
void kmemleak_init(void);

/**
 * kmemleak_alloc() - a block was allocated
 * @ptr: its first byte
 * @size: bytes
 * @min_count: how many references it takes not to be a leak, usually 1. 0: the
 *	block is never a leak and its contents are scanned. -1: neither.
 * @gfp: flags of the allocation; tells whether the detector may sleep
 *
 * A block registered twice is the newer one. One that overlaps another is not
 * tracked; it counts as in use and its contents are scanned.
 *
 * Context: as @gfp says.
 */
static inline void kmemleak_alloc(const void *ptr, size_t size, int min_count, gfp_t gfp)
{
	if (kmemleak_tracking())
		kmemleak_hook_alloc(ptr, size, min_count, gfp);
}

/**
 * kmemleak_alloc_recursive() - a slab object was allocated
 * @ptr: its first byte
 * @size: bytes
 * @min_count: as for kmemleak_alloc()
 * @cache_flags: flags of its cache; with SLAB_NOLEAKTRACE nothing is done
 * @gfp: as for kmemleak_alloc()
 *
 * Context: as @gfp says.
 * Return: @ptr, so that a caller has no need to keep it across the call.
 */
#define kmemleak_alloc_recursive(ptr, size, min_count, cache_flags, gfp)		\
({											\
	void *__block = (void *)(ptr);							\
											\
	/* A macro: with the detector off, no argument is computed. */			\
	if (kmemleak_tracking() && !((cache_flags) & SLAB_NOLEAKTRACE)) {		\
		__block = kmemleak_hook_alloc(__block, size, min_count, gfp);		\
		/* Not a jump: the caller is to be seen in the trace. */		\
		barrier();								\
	}										\
	__block;									\
})

/**
 * kmemleak_alloc_slab() - kmalloc() or the like gave a block for a request of some size
 * @ptr: its first byte
 * @size: bytes of the block
 * @requested: bytes that the caller asked for, at most @size; a report says both
 * @cache_flags: flags of its cache, 0 if it has none; with SLAB_NOLEAKTRACE nothing
 *	is done
 * @gfp: as for kmemleak_alloc()
 *
 * All of the block is scanned: callers may use what they did not ask for, see
 * ksize(). Otherwise as kmemleak_alloc_recursive() with a count of 1.
 *
 * Context: as @gfp says.
 * Return: @ptr, so that a caller has no need to keep it across the call.
 */
#define kmemleak_alloc_slab(ptr, size, requested, cache_flags, gfp)			\
({											\
	void *__block = (void *)(ptr);							\
											\
	/* A macro: with the detector off, no argument is computed. */			\
	if (kmemleak_tracking() && !((cache_flags) & SLAB_NOLEAKTRACE)) {		\
		__block = kmemleak_hook_alloc_slab(__block, size, requested, gfp);	\
		/* Not a jump: the caller is to be seen in the trace. */		\
		barrier();								\
	}										\
	__block;									\
})

/**
 * kmemleak_alloc_percpu() - a per-cpu block was allocated
 * @ptr: as alloc_percpu() returned it
 * @size: bytes, of one CPU's copy
 * @gfp: as for kmemleak_alloc()
 *
 * It is one block with a copy per CPU: a reference is @ptr itself or any
 * address inside any copy; all copies are scanned.
 *
 * Context: as @gfp says.
 */
static inline void kmemleak_alloc_percpu(const void __percpu *ptr, size_t size, gfp_t gfp)
{
	if (kmemleak_tracking())
		kmemleak_hook_alloc_percpu(ptr, size, gfp);
}

/**
 * kmemleak_vmalloc() - an area was allocated by vmalloc
 * @area: its vm_struct, which refers to the block and does not count as use;
 *	who refers to @area beyond the vmalloc code itself uses the block
 * @size: bytes
 * @gfp: as for kmemleak_alloc()
 *
 * Context: as @gfp says.
 */
static inline void kmemleak_vmalloc(const struct vm_struct *area, size_t size, gfp_t gfp)
{
	if (kmemleak_tracking())
		kmemleak_hook_vmalloc(area, size, gfp);
}

/**
 * kmemleak_alloc_phys() - physical memory was allocated
 * @phys: its first byte
 * @size: bytes
 * @gfp: as for kmemleak_alloc(); 0 in early boot
 *
 * It is never a leak. What of it the kernel has mapped is scanned.
 *
 * Context: as @gfp says.
 */
static inline void kmemleak_alloc_phys(phys_addr_t phys, size_t size, gfp_t gfp)
{
	if (kmemleak_tracking())
		kmemleak_hook_alloc_phys(phys, size, gfp);
}

/**
 * kmemleak_free() - a block is about to be freed
 * @ptr: its first byte
 *
 * When this returns, the detector no longer finds the block, and reads it no more
 * unless it is always mapped: then a scan may be reading it still, which does no
 * harm. Unknown blocks are silently counted: they may be older than the detector.
 */
static inline void kmemleak_free(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_free(ptr);
}

/**
 * kmemleak_free_recursive() - a slab object is about to be freed
 * @ptr: its first byte
 * @cache_flags: flags of its cache; with SLAB_NOLEAKTRACE nothing is done
 */
#define kmemleak_free_recursive(ptr, cache_flags)					\
do {											\
	/* A macro for the same reason. */						\
	if (kmemleak_tracking() && !((cache_flags) & SLAB_NOLEAKTRACE))			\
		kmemleak_hook_free(ptr);						\
} while (0)

/**
 * kmemleak_free_part() - part of a block is about to be freed
 * @ptr: first byte of the part
 * @size: bytes
 *
 * What is left stays tracked, as one or two blocks of the same origin. Nothing is
 * left behind what the caller asked for.
 */
static inline void kmemleak_free_part(const void *ptr, size_t size)
{
	if (kmemleak_tracking())
		kmemleak_hook_free_part(ptr, size);
}

/**
 * kmemleak_free_part_phys() - part of a physical block is about to be freed
 * @phys: first byte of the part
 * @size: bytes
 */
static inline void kmemleak_free_part_phys(phys_addr_t phys, size_t size)
{
	if (kmemleak_tracking())
		kmemleak_hook_free_part_phys(phys, size);
}

/**
 * kmemleak_free_percpu() - a per-cpu block is about to be freed
 * @ptr: as for kmemleak_alloc_percpu()
 */
static inline void kmemleak_free_percpu(const void __percpu *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_free_percpu(ptr);
}

/**
 * kmemleak_update_trace() - the caller is the one to blame from now on
 * @ptr: any address inside the block
 */
static inline void kmemleak_update_trace(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_update_trace(ptr);
}

/**
 * kmemleak_not_leak() - this block is in use though nothing points at it
 * @ptr: any address inside the block
 *
 * It is not reported; its contents are scanned, so what it points at is in use.
 */
static inline void kmemleak_not_leak(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_not_leak(ptr);
}

/**
 * kmemleak_not_leak_phys() - kmemleak_not_leak() by physical address
 * @phys: any address inside the block, of kmemleak_alloc_phys() or, if mapped,
 *	of any other allocator
 */
static inline void kmemleak_not_leak_phys(phys_addr_t phys)
{
	if (kmemleak_tracking())
		kmemleak_hook_not_leak_phys(phys);
}

/**
 * kmemleak_transient_leak() - for a moment nothing will point at this block
 * @ptr: any address inside the block
 *
 * The next scan treats it like kmemleak_not_leak(), later ones like any block.
 */
static inline void kmemleak_transient_leak(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_transient_leak(ptr);
}

/**
 * kmemleak_ignore() - neither report nor scan this block
 * @ptr: any address inside the block
 */
static inline void kmemleak_ignore(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_ignore(ptr);
}

/**
 * kmemleak_ignore_phys() - kmemleak_ignore() by physical address
 * @phys: any address inside the block, of kmemleak_alloc_phys() or, if mapped,
 *	of any other allocator
 */
static inline void kmemleak_ignore_phys(phys_addr_t phys)
{
	if (kmemleak_tracking())
		kmemleak_hook_ignore_phys(phys);
}

/**
 * kmemleak_ignore_percpu() - neither report nor scan this per-cpu block
 * @ptr: as for kmemleak_alloc_percpu(), or any pointer inside
 */
static inline void kmemleak_ignore_percpu(const void __percpu *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_ignore_percpu(ptr);
}

/**
 * kmemleak_erase() - clear a pointer that must not count as a reference
 * @ptr: where it is stored
 */
static inline void kmemleak_erase(void **ptr)
{
	*ptr = NULL;
}

/**
 * kmemleak_no_scan() - this block holds no pointers
 * @ptr: any address inside the block
 */
static inline void kmemleak_no_scan(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_no_scan(ptr);
}

/**
 * kmemleak_scan_area() - of this block, only such areas hold pointers
 * @ptr: first byte of the area
 * @size: bytes; SIZE_MAX: to the end of the block; 0: no area, nothing is done
 * @gfp: as for kmemleak_alloc()
 *
 * An area that reaches out of its block changes nothing.
 *
 * Context: as @gfp says.
 */
static inline void kmemleak_scan_area(const void *ptr, size_t size, gfp_t gfp)
{
	if (kmemleak_tracking())
		kmemleak_hook_scan_area(ptr, size, gfp);
}

/**
 * kmemleak_task_reaped() - a task is about to give up its pid
 * @task: the task, which may still run and sleep
 *
 * Its stack is scanned until kmemleak_task_stack_gone(), though no pid leads to it.
 *
 * Context: any but NMI; once a task.
 */
static inline void kmemleak_task_reaped(struct task_struct *task)
{
	if (kmemleak_tracking())
		kmemleak_hook_task_reaped(task);
}

/**
 * kmemleak_forget_registers() - leave no dead value in a register
 *
 * For who is about to sleep for long. Registers that a called function has to preserve
 * are saved on the stack, where a dead value looks like any other. What is in use, the
 * compiler keeps elsewhere. Where it needs a frame pointer this does nothing.
 */
static __always_inline void kmemleak_forget_registers(void)
{
#if defined(CONFIG_X86_64) && !defined(CONFIG_FRAME_POINTER)
	asm volatile("xorl %%ebx, %%ebx\n\txorl %%ebp, %%ebp\n\t"
		     "xorl %%r12d, %%r12d\n\txorl %%r13d, %%r13d\n\t"
		     "xorl %%r14d, %%r14d\n\txorl %%r15d, %%r15d"
		     : : : "rbx", "rbp", "r12", "r13", "r14", "r15", "cc");
#endif
}

#else /* !CONFIG_DEBUG_KMEMLEAK */

struct task_struct;

#define kmemleak_tracking()	false

static inline void kmemleak_init(void) { }
static inline void kmemleak_alloc(const void *ptr, size_t size, int min_count, gfp_t gfp) { }
static inline void *kmemleak_alloc_recursive(const void *ptr, size_t size, int min_count,
					     slab_flags_t cache_flags, gfp_t gfp)
{
	return (void *)ptr;
}

static inline void *kmemleak_alloc_slab(const void *ptr, size_t size, size_t requested,
					slab_flags_t cache_flags, gfp_t gfp)
{
	return (void *)ptr;
}

static inline void kmemleak_alloc_percpu(const void __percpu *ptr, size_t size, gfp_t gfp) { }
static inline void kmemleak_vmalloc(const struct vm_struct *area, size_t size, gfp_t gfp) { }
static inline void kmemleak_alloc_phys(phys_addr_t phys, size_t size, gfp_t gfp) { }
static inline void kmemleak_free(const void *ptr) { }
static inline void kmemleak_free_recursive(const void *ptr, slab_flags_t cache_flags) { }
static inline void kmemleak_free_part(const void *ptr, size_t size) { }
static inline void kmemleak_free_part_phys(phys_addr_t phys, size_t size) { }
static inline void kmemleak_free_percpu(const void __percpu *ptr) { }
static inline void kmemleak_update_trace(const void *ptr) { }
static inline void kmemleak_not_leak(const void *ptr) { }
static inline void kmemleak_not_leak_phys(phys_addr_t phys) { }
static inline void kmemleak_transient_leak(const void *ptr) { }
static inline void kmemleak_ignore(const void *ptr) { }
static inline void kmemleak_ignore_phys(phys_addr_t phys) { }
static inline void kmemleak_ignore_percpu(const void __percpu *ptr) { }
static inline void kmemleak_no_scan(const void *ptr) { }
static inline void kmemleak_scan_area(const void *ptr, size_t size, gfp_t gfp) { }
static inline void kmemleak_erase(void **ptr) { }
static inline void kmemleak_task_reaped(struct task_struct *task) { }
static inline void kmemleak_task_stack_gone(struct task_struct *task) { }
static inline void kmemleak_queue_page(const void *page) { }
static inline void kmemleak_forget_registers(void) { }

#endif /* CONFIG_DEBUG_KMEMLEAK */

#endif /* _LINUX_KMEMLEAK_H */
