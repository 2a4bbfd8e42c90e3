/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KMEMLEAK_ARCH_X86_H
#define _KMEMLEAK_ARCH_X86_H

#include <linux/sched/clock.h>
#include <asm/pgtable_types.h>
#include <asm/tsc.h>
#include <asm/unwind.h>

static inline unsigned long kmemleak_arch_saved_sp(struct task_struct *task)
{
	return READ_ONCE(task->thread.sp);
}

#define kmemleak_arch_saved_sp kmemleak_arch_saved_sp

/* The cycle counter, halved, so that the unit is about a nanosecond. */
static inline u32 kmemleak_arch_clock(void)
{
	return get_cycles() / 2 ?: local_clock();
}

#define kmemleak_arch_clock kmemleak_arch_clock

/*
 * kernel_page_present() crashes if no page table has an entry for the page. Pages that are
 * not memory need not have one.
 */
static inline bool kmemleak_arch_page_present(struct page *page)
{
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)page_address(page), &level);

	return pte && (pte_flags(*pte) & _PAGE_PRESENT);
}

#define kmemleak_arch_page_present kmemleak_arch_page_present

#if defined(CONFIG_UNWINDER_ORC) || defined(CONFIG_UNWINDER_FRAME_POINTER)
/* The same frames as stack_trace_save(), which does not say where they are. */
static __always_inline void kmemleak_arch_unwind(const struct kmemleak_frame *frame,
						 struct kmemleak_unwound *trace,
						 unsigned int skip, kmemleak_arch_add_t add)
{
	struct unwind_state state;

	for (unwind_start(&state, current, NULL, NULL); !unwind_done(&state);
	     unwind_next_frame(&state)) {
		unsigned long addr = unwind_get_return_address(&state);
		unsigned long *slot = unwind_get_return_address_ptr(&state);

		if (!addr)
			break;
		if (skip) {
			skip--;
			continue;
		}
		/*
		 * An exception can hit any instruction, also before a function has set up its
		 * frame. So equal slots need not mean equal traces.
		 */
		if (unwind_get_entry_regs(&state, NULL))
			trace->exact = false;
		if (add(trace, frame, slot, addr))
			break;
	}
}

#define kmemleak_arch_unwind kmemleak_arch_unwind
#endif

#endif /* _KMEMLEAK_ARCH_X86_H */
