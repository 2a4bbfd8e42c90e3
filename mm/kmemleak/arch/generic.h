/* SPDX-License-Identifier: GPL-2.0-only */
/* Fallbacks for functions that the architecture's header does not define, see arch.h. */
#ifndef _KMEMLEAK_ARCH_GENERIC_H
#define _KMEMLEAK_ARCH_GENERIC_H

#include <linux/sched/clock.h>

#ifndef kmemleak_arch_saved_sp
static inline unsigned long kmemleak_arch_saved_sp(struct task_struct *task)
{
	return 0;
}
#endif

#ifndef kmemleak_arch_irq_stack
static inline void *kmemleak_arch_irq_stack(int cpu, size_t *size)
{
	return NULL;
}
#endif

#ifndef kmemleak_arch_clock
static inline u32 kmemleak_arch_clock(void)
{
	return local_clock();
}
#endif

#ifndef kmemleak_arch_page_present
static inline bool kmemleak_arch_page_present(struct page *page)
{
	return kernel_page_present(page);
}
#endif

#ifndef kmemleak_arch_page_tables
static inline void kmemleak_arch_page_tables(void (*visit)(unsigned long table, void *arg),
					     void *arg)
{
}
#endif

/* 1: kmemleak_arch_unwind() can be used only if the end of the stack is known. */
#ifndef KMEMLEAK_ARCH_UNWIND_IN_FRAME
#define KMEMLEAK_ARCH_UNWIND_IN_FRAME	0
#endif

#endif /* _KMEMLEAK_ARCH_GENERIC_H */
