/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel memory leak detector: the functions by which allocators report blocks, and by which
 * other code tells of blocks to treat specially. See Documentation/dev-tools/kmemleak.rst.
 *
 * A function that takes a block may be called with any argument. A wrong argument is
 * counted in /sys/kernel/debug/kmemleak_stats. Each kind of mistake is reported in the log
 * at most once. The call has no other effect, unless its description names one.
 *
 * All functions but kmemleak_init() may be called in any context but NMI. In NMI the call
 * is only counted. While the detector is off, almost all calls cost only a patched-out
 * branch. With CONFIG_DEBUG_KMEMLEAK=n they cost nothing.
 */
#ifndef _LINUX_KMEMLEAK_H
#define _LINUX_KMEMLEAK_H

#include <linux/slab.h>
#include <linux/vmalloc.h>

#ifdef CONFIG_DEBUG_KMEMLEAK

#include <linux/jump_label.h>

struct task_struct;

DECLARE_STATIC_KEY_TRUE(kmemleak_key);

/* Are blocks being tracked? */
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
 * @task: the task, which no longer runs
 *
 * Call it while nothing is tracked, too: the task may be on the list of reaped tasks.
 *
 * Context: any but NMI.
 */
void kmemleak_task_stack_gone(struct task_struct *task);

/**
 * kmemleak_queue_page() - addresses in this page are not references
 * @page: first byte of the page, which came from the page allocator
 *
 * If tracking is turned on late, on a running system, the page is not taken for preexisting
 * memory, so it is not a root. This holds until the page is freed. Call it while nothing is
 * tracked, too: tracking may be turned on later.
 *
 * Context: any.
 */
void kmemleak_queue_page(const void *page);

/**
 * kmemleak_init() - start the detector, or turn it off if the user wants it off
 *
 * Blocks that were registered before the call stay tracked.
 *
 * Context: early boot, once, when the page and slab allocators work and interrupts are
 * still off.
 */
void kmemleak_init(void);

/**
 * kmemleak_alloc() - a block was allocated
 * @ptr: first byte of the block
 * @size: bytes
 * @min_count: number of references that the block needs not to be a leak, usually 1.
 *	0: the block is never a leak, and its contents are scanned. -1: the block is never a
 *	leak, and its contents are not scanned.
 * @gfp: flags of the allocation. They tell whether the detector may sleep.
 *
 * If a block with the same first byte is tracked already, the new block replaces it. If the
 * new block overlaps another block in any other way, the new block is not tracked. Both
 * blocks count as in use then, and the contents of the new block are scanned.
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
 * @ptr: first byte of the object
 * @size: bytes
 * @min_count: as for kmemleak_alloc()
 * @cache_flags: flags of the object's cache. With SLAB_NOLEAKTRACE nothing is done.
 * @gfp: as for kmemleak_alloc()
 *
 * Otherwise as kmemleak_alloc().
 *
 * Context: as @gfp says.
 * Return: @ptr, so that the caller need not keep it across the call.
 */
#define kmemleak_alloc_recursive(ptr, size, min_count, cache_flags, gfp)		\
({											\
	void *__block = (void *)(ptr);							\
											\
	/* A macro: with the detector off, no argument is evaluated. */			\
	if (kmemleak_tracking() && !((cache_flags) & SLAB_NOLEAKTRACE)) {		\
		__block = kmemleak_hook_alloc(__block, size, min_count, gfp);		\
		/* No tail call: the trace must show the caller. */			\
		barrier();								\
	}										\
	__block;									\
})

/**
 * kmemleak_alloc_slab() - kmalloc() or a similar function allocated a block
 * @ptr: first byte of the block
 * @size: bytes of the block
 * @requested: bytes that the caller requested, at most @size. A report shows both numbers.
 * @cache_flags: flags of the block's cache, 0 if it has none. With SLAB_NOLEAKTRACE nothing
 *	is done.
 * @gfp: as for kmemleak_alloc()
 *
 * The whole block is scanned, because callers may use the unrequested bytes, see ksize().
 * Otherwise as kmemleak_alloc_recursive() with a @min_count of 1.
 *
 * Context: as @gfp says.
 * Return: @ptr, so that the caller need not keep it across the call.
 */
#define kmemleak_alloc_slab(ptr, size, requested, cache_flags, gfp)			\
({											\
	void *__block = (void *)(ptr);							\
											\
	/* A macro: with the detector off, no argument is evaluated. */			\
	if (kmemleak_tracking() && !((cache_flags) & SLAB_NOLEAKTRACE)) {		\
		__block = kmemleak_hook_alloc_slab(__block, size, requested, gfp);	\
		/* No tail call: the trace must show the caller. */			\
		barrier();								\
	}										\
	__block;									\
})

/**
 * kmemleak_alloc_percpu() - a per-cpu block was allocated
 * @ptr: the per-cpu pointer that alloc_percpu() returns
 * @size: bytes of one CPU's copy
 * @gfp: as for kmemleak_alloc()
 *
 * The copies of all CPUs are one block. A reference is a per-cpu pointer into the block, or
 * an address inside any CPU's copy. All copies are scanned.
 *
 * Context: as @gfp says.
 */
static inline void kmemleak_alloc_percpu(const void __percpu *ptr, size_t size, gfp_t gfp)
{
	if (kmemleak_tracking())
		kmemleak_hook_alloc_percpu(ptr, size, gfp);
}

/**
 * kmemleak_vmalloc() - vmalloc allocated a block
 * @area: the vm_struct of the block. Its own pointer to the block does not count as a
 *	reference. A reference to @area from outside the vmalloc code counts as a reference
 *	to the block.
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
 * @phys: first byte of the memory
 * @size: bytes
 * @gfp: as for kmemleak_alloc(); 0 in early boot
 *
 * The memory is never a leak. The part that the kernel has mapped is scanned.
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
 * @ptr: first byte of the block
 *
 * When the function returns, the detector no longer finds the block and no longer reads it.
 * There is one exception: if the block's memory is always mapped, a scan may still be
 * reading it, which does no harm. Unknown blocks are counted but not reported in the log,
 * because they may have been allocated before tracking started.
 */
static inline void kmemleak_free(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_free(ptr);
}

/**
 * kmemleak_free_recursive() - a slab object is about to be freed
 * @ptr: first byte of the object
 * @cache_flags: flags of the object's cache. With SLAB_NOLEAKTRACE nothing is done.
 *
 * Otherwise as kmemleak_free().
 */
#define kmemleak_free_recursive(ptr, cache_flags)					\
do {											\
	/* A macro: with the detector off, no argument is evaluated. */			\
	if (kmemleak_tracking() && !((cache_flags) & SLAB_NOLEAKTRACE))			\
		kmemleak_hook_free(ptr);						\
} while (0)

/**
 * kmemleak_free_part() - part of a block is about to be freed
 * @ptr: first byte of the part
 * @size: bytes of the part
 *
 * The rest of the block stays tracked, as one or two blocks of the same origin. If the part
 * reaches the end of the requested bytes, the unrequested bytes after it are removed, too.
 */
static inline void kmemleak_free_part(const void *ptr, size_t size)
{
	if (kmemleak_tracking())
		kmemleak_hook_free_part(ptr, size);
}

/**
 * kmemleak_free_part_phys() - part of a physical block is about to be freed
 * @phys: first byte of the part
 * @size: bytes of the part
 *
 * Otherwise as kmemleak_free_part().
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
 * kmemleak_update_trace() - reports of this block show the caller's trace from now on
 * @ptr: any address inside the block
 */
static inline void kmemleak_update_trace(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_update_trace(ptr);
}

/**
 * kmemleak_not_leak() - this block is in use though no reference leads to it
 * @ptr: any address inside the block
 *
 * The block is not reported. Its contents are scanned, so the blocks that it points to are
 * in use as well.
 */
static inline void kmemleak_not_leak(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_not_leak(ptr);
}

/**
 * kmemleak_not_leak_phys() - kmemleak_not_leak() by physical address
 * @phys: any address inside the block. The block may be from kmemleak_alloc_phys() or, if
 *	it is mapped, from any other allocator.
 */
static inline void kmemleak_not_leak_phys(phys_addr_t phys)
{
	if (kmemleak_tracking())
		kmemleak_hook_not_leak_phys(phys);
}

/**
 * kmemleak_transient_leak() - for a short time no reference will lead to this block
 * @ptr: any address inside the block
 *
 * The next scan treats the block as after kmemleak_not_leak(). Later scans treat it like
 * any other block.
 */
static inline void kmemleak_transient_leak(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_transient_leak(ptr);
}

/**
 * kmemleak_ignore() - neither report nor scan this block
 * @ptr: any address inside the block
 *
 * Blocks that only this block points to can be reported.
 */
static inline void kmemleak_ignore(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_ignore(ptr);
}

/**
 * kmemleak_ignore_phys() - kmemleak_ignore() by physical address
 * @phys: as for kmemleak_not_leak_phys()
 */
static inline void kmemleak_ignore_phys(phys_addr_t phys)
{
	if (kmemleak_tracking())
		kmemleak_hook_ignore_phys(phys);
}

/**
 * kmemleak_ignore_percpu() - neither report nor scan this per-cpu block
 * @ptr: as for kmemleak_alloc_percpu(), or any per-cpu pointer inside the block
 */
static inline void kmemleak_ignore_percpu(const void __percpu *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_ignore_percpu(ptr);
}

/**
 * kmemleak_erase() - clear a pointer that must not count as a reference
 * @ptr: address of the pointer
 */
static inline void kmemleak_erase(void **ptr)
{
	*ptr = NULL;
}

/**
 * kmemleak_no_scan() - this block holds no references
 * @ptr: any address inside the block
 *
 * Its contents are not scanned. The block itself can still be reported.
 */
static inline void kmemleak_no_scan(const void *ptr)
{
	if (kmemleak_tracking())
		kmemleak_hook_no_scan(ptr);
}

/**
 * kmemleak_scan_area() - only the scan areas of this block hold references
 * @ptr: first byte of an area
 * @size: bytes of the area. SIZE_MAX: up to the end of the block. 0: nothing is done.
 * @gfp: as for kmemleak_alloc()
 *
 * A block can have several areas. An area that reaches beyond its block changes nothing. If
 * there is no memory to record the area, the whole block is scanned.
 *
 * Context: as @gfp says.
 */
static inline void kmemleak_scan_area(const void *ptr, size_t size, gfp_t gfp)
{
	if (kmemleak_tracking())
		kmemleak_hook_scan_area(ptr, size, gfp);
}

/**
 * kmemleak_task_reaped() - a task is about to release its pid
 * @task: the task, which may still run and sleep
 *
 * The task's stack is scanned until kmemleak_task_stack_gone(), though no pid leads to it.
 *
 * Context: any but NMI; once for each task.
 */
static inline void kmemleak_task_reaped(struct task_struct *task)
{
	if (kmemleak_tracking())
		kmemleak_hook_task_reaped(task);
}

/**
 * kmemleak_forget_registers() - clear dead values from the callee-saved registers
 *
 * Call it before a long sleep. Called functions save these registers on the stack, where a
 * dead value looks like a live one. The compiler keeps its live values elsewhere. If the
 * compiler needs a frame pointer, and on all architectures but x86-64, nothing is done.
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
