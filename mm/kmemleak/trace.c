// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stack traces of allocations, as handles of the stack depot. Only this file unwinds stacks.
 */
#include <linux/kernel.h>
#include <linux/stackdepot.h>
#include <linux/stacktrace.h>

#include <asm/sections.h>

#include "arch/arch.h"
#include "state.h"
#include "trace.h"

/*
 * Frames to skip: those of kmemleak_trace_take(), take_and_add(), kmemleak_trace_save() and
 * the hook.
 */
#define OWN_FRAMES	4

/* Set once, when the depot has its table. Traces taken before that are empty. */
static bool started;

/**
 * kmemleak_trace_start() - use the depot from now on
 *
 * Further calls do nothing: traces in the depot stay until the machine goes down.
 *
 * Context: early boot, or process with kmemleak_scan_mutex held.
 * Return: true the first time; false later, or if there is no memory for the depot.
 */
bool kmemleak_trace_start(void)
{
	if (started || stack_depot_init())
		return false;
	/* Pairs with kmemleak_trace_take(). */
	smp_store_release(&started, true);
	return true;
}

/* Is this address in the code that runs first in an interrupt or a softirq? */
static bool is_irq_entry(unsigned long addr)
{
	return (addr >= (unsigned long)__irqentry_text_start &&
		addr < (unsigned long)__irqentry_text_end) ||
	       (addr >= (unsigned long)__softirqentry_text_start &&
		addr < (unsigned long)__softirqentry_text_end);
}

/*
 * Adds an entry to a trace, and its slot if the trace cache can use the slot. The slot must be
 * on this stack, and a tracer must not have replaced the return address in it. Return: true
 * if the entry is the last one.
 *
 * A trace ends with its stack, or with the interrupt: the code that was interrupted is a
 * matter of chance. The return address into the entry code may lie on the stack that was
 * interrupted. That entry needs no slot, because the function that switched stacks has no
 * other caller.
 */
static bool __maybe_unused add_trace_entry(struct kmemleak_unwound *trace,
					   const struct kmemleak_frame *frame,
					   const unsigned long *slot, unsigned long entry)
{
	unsigned long at = slot - frame->base;
	bool last = is_irq_entry(entry);

	if (frame->nr_words && slot && (slot < frame->base || at >= frame->nr_words)) {
		if (last)
			trace->entry[trace->nr++] = entry;
		return true;
	}
	if (trace->exact && slot && at <= U16_MAX && *slot == entry) {
		trace->slot[trace->nr] = at;
		trace->nr_slots++;
	} else {
		trace->exact = false;
	}
	trace->entry[trace->nr++] = entry;
	return last || trace->nr == KMEMLEAK_TRACE_FRAMES;
}

#ifdef CONFIG_ARCH_STACKWALK

struct walk {
	const struct kmemleak_frame *frame;
	struct kmemleak_unwound *trace;
};

static bool take_walk_entry(void *cookie, unsigned long addr)
{
	struct walk *walk = cookie;

	if (!walk->trace->nr && addr != walk->frame->site)
		return true;
	return !add_trace_entry(walk->trace, walk->frame, NULL, addr);
}

/* Begins at the hook's caller: the compiler decides how many frames come before it. */
static void walk_from_site(const struct kmemleak_frame *frame, struct kmemleak_unwound *trace)
{
	struct walk walk = { .frame = frame, .trace = trace };

	arch_stack_walk(take_walk_entry, &walk, current, NULL);
}

#else

static void walk_from_site(const struct kmemleak_frame *frame, struct kmemleak_unwound *trace)
{
}

#endif

static noinline void __maybe_unused
unwind_without_slots(const struct kmemleak_frame *frame, struct kmemleak_unwound *trace)
{
	walk_from_site(frame, trace);
	trace->exact = false;
	/* No entry if a tracer replaced the site. Skip two more: this function and its caller. */
	if (!trace->nr)
		trace->nr = stack_trace_save(trace->entry, KMEMLEAK_TRACE_FRAMES, OWN_FRAMES + 2);
}

static noinline void unwind_stack(const struct kmemleak_frame *frame,
				  struct kmemleak_unwound *trace)
{
#ifdef kmemleak_arch_unwind
	if (frame->nr_words || !KMEMLEAK_ARCH_UNWIND_IN_FRAME) {
		kmemleak_arch_unwind(frame, trace, OWN_FRAMES, add_trace_entry);
		return;
	}
#endif
	unwind_without_slots(frame, trace);
}

/**
 * kmemleak_trace_take() - unwind the stack and store the trace in the depot
 * @frame: frame of the hook
 * @gfp: flags of the allocation, for the depot's own memory
 * @trace: filled in
 *
 * Context: any but NMI.
 * Return: a handle, 0 if there is no trace or no memory for it.
 */
noinline u32 kmemleak_trace_take(const struct kmemleak_frame *frame, gfp_t gfp,
				 struct kmemleak_unwound *trace)
{
	*trace = (struct kmemleak_unwound){ .exact = frame->nr_words };
	/* Pairs with kmemleak_trace_start(). */
	if (!smp_load_acquire(&started))
		return 0;
	kmemleak_count(&kmemleak_tracker, KMEMLEAK_CNT_UNWOUND);
	unwind_stack(frame, trace);
	return stack_depot_save(trace->entry, trace->nr, kmemleak_depot_flags(gfp));
}
