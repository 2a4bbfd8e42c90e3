/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KMEMLEAK_ARCH_UM_H
#define _KMEMLEAK_ARCH_UM_H

#include <linux/align.h>
#include <linux/kernel.h>

static inline unsigned long kmemleak_arch_saved_sp(struct task_struct *task)
{
	return KSTK_ESP(task);
}

#define kmemleak_arch_saved_sp kmemleak_arch_saved_sp

#if defined(CONFIG_X86_64) && defined(CONFIG_FRAME_POINTER)
/* Each frame begins with the address of the next frame and a return address. */
static __always_inline void kmemleak_arch_unwind(const struct kmemleak_frame *frame,
						 struct kmemleak_unwound *trace,
						 unsigned int skip, kmemleak_arch_add_t add)
{
	const unsigned long *end = frame->base + frame->nr_words;
	const unsigned long *next = __builtin_frame_address(0);
	const unsigned long *last = NULL;

	while (next > last && next + 1 < end && IS_ALIGNED((unsigned long)next, sizeof(*next)) &&
	       __kernel_text_address(next[1])) {
		if (skip)
			skip--;
		else if (add(trace, frame, next + 1, next[1]))
			break;
		last = next;
		next = (const unsigned long *)*next;
	}
}

#define kmemleak_arch_unwind kmemleak_arch_unwind
/* The function above needs @end, the end of the stack. */
#define KMEMLEAK_ARCH_UNWIND_IN_FRAME	1
#endif

#endif /* _KMEMLEAK_ARCH_UM_H */
