/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the detector has to know about an architecture. A header per architecture defines
 * what it can do better than generic.h, and says so by a macro of the function's name:
 *
 * kmemleak_arch_saved_sp() - where the live part of a sleeping task's stack ends
 *	Return: an address, or 0 if it is not known; then all of the stack counts as live.
 * kmemleak_arch_irq_stack() - a CPU's stack for interrupts, if it is a vmalloc block
 *	Return: its first byte with @size filled in, or NULL.
 * kmemleak_arch_unwind() - a stack trace, with the place of each return address
 *	It must be inlined, since the caller skips a known number of frames. It calls @add
 *	for each address, up to the end or until @add returns true.
 * kmemleak_arch_page_present() - can a page be read through the direct map?
 * kmemleak_arch_page_tables() - call a function for each page table that memblock allocated
 *	Only where an entry of a page table looks like a reference to the page.
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
