/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KMEMLEAK_ARCH_RISCV_H
#define _KMEMLEAK_ARCH_RISCV_H

static inline unsigned long kmemleak_arch_saved_sp(struct task_struct *task)
{
	return READ_ONCE(task->thread.sp);
}

#define kmemleak_arch_saved_sp kmemleak_arch_saved_sp

#if defined(CONFIG_IRQ_STACKS) && defined(CONFIG_VMAP_STACK)
#include <asm/irq_stack.h>

static inline void *kmemleak_arch_irq_stack(int cpu, size_t *size)
{
	*size = IRQ_STACK_SIZE;
	return per_cpu(irq_stack_ptr, cpu);
}

#define kmemleak_arch_irq_stack kmemleak_arch_irq_stack
#endif

#endif /* _KMEMLEAK_ARCH_RISCV_H */
