/* SPDX-License-Identifier: GPL-2.0-only */
/* What is done where an architecture has nothing better, see arch.h. */
#ifndef _KMEMLEAK_ARCH_GENERIC_H
#define _KMEMLEAK_ARCH_GENERIC_H

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

/* kmemleak_arch_unwind() needs to know where the stack ends. */
#ifndef KMEMLEAK_ARCH_UNWIND_IN_FRAME
#define KMEMLEAK_ARCH_UNWIND_IN_FRAME	0
#endif

#endif /* _KMEMLEAK_ARCH_GENERIC_H */
