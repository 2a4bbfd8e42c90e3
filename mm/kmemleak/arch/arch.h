/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The part of the detector that depends on the architecture. An architecture's header can
 * define these functions, each with a macro of the same name. generic.h has the fallbacks.
 * Only kmemleak_arch_unwind() has none: without it trace.c uses arch_stack_walk().
 *
 * kmemleak_arch_saved_sp() - a sleeping task's stack pointer; the stack below it is dead
 *	Return: an address, or 0 if it is not known; then all of the stack counts as live.
 * kmemleak_arch_irq_stack() - a CPU's stack for interrupts, if it is a vmalloc block
 *	Return: first byte of the stack, with @size set, or NULL.
 * kmemleak_arch_clock() - a clock that orders events within a jiffy, cheaper than
 *	local_clock(). It works from early boot on. Unit: about a nanosecond; wraps.
 * kmemleak_arch_unwind() - unwind the stack, and tell where each return address was found
 *	It must be inlined, because the caller skips a known number of frames. It calls @add
 *	for each address, until @add returns true or the stack ends. If it needs to know
 *	where the stack ends, the header defines KMEMLEAK_ARCH_UNWIND_IN_FRAME as 1.
 * kmemleak_arch_page_present() - can a page be read through the direct map?
 * kmemleak_arch_page_tables() - call a function for each page table that memblock allocated
 *	Needed only where an entry of a page table looks like a reference to the page.
 */
#ifndef _KMEMLEAK_ARCH_H
#define _KMEMLEAK_ARCH_H

#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/set_memory.h>

#include "../trace.h"

/* For kmemleak_arch_unwind(): @slot is where @entry was found, or NULL. */
typedef bool (*kmemleak_arch_add_t)(struct kmemleak_unwound *trace,
				    const struct kmemleak_frame *frame,
				    const unsigned long *slot, unsigned long entry);

#if defined(CONFIG_UML)
#include "um.h"
#elif defined(CONFIG_X86)
#include "x86.h"
#elif defined(CONFIG_ARM64)
#include "arm64.h"
#elif defined(CONFIG_RISCV)
#include "riscv.h"
#elif defined(CONFIG_S390)
#include "s390.h"
#endif
#include "generic.h"

#endif /* _KMEMLEAK_ARCH_H */
