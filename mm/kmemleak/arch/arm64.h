/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KMEMLEAK_ARCH_ARM64_H
#define _KMEMLEAK_ARCH_ARM64_H

#include <asm/stacktrace.h>

static inline unsigned long kmemleak_arch_saved_sp(struct task_struct *task)
{
	return thread_saved_sp(task);
}

#define kmemleak_arch_saved_sp kmemleak_arch_saved_sp

#ifdef CONFIG_VMAP_STACK
static inline void *kmemleak_arch_irq_stack(int cpu, size_t *size)
{
	*size = IRQ_STACK_SIZE;
	return per_cpu(irq_stack_ptr, cpu);
}

#define kmemleak_arch_irq_stack kmemleak_arch_irq_stack
#endif

#endif /* _KMEMLEAK_ARCH_ARM64_H */
