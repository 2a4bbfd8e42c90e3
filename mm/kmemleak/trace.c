// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stack traces of allocations, as handles of the stack depot. The only file
 * that unwinds.
 */
#include <linux/kernel.h>
#include <linux/stackdepot.h>
#include <linux/stacktrace.h>

#include <asm/sections.h>

#include "glue.h"
#include "trace.h"

/* kmemleak_trace_take(), kmemleak_trace_save() and the hook say nothing about the caller. */
#define OWN_FRAMES	3

/* Set once, when the depot has its table; traces before that are empty. */
static bool started;

/**
 * kmemleak_trace_start() - from now on the depot can be used
 *
 * Further calls do nothing; what is there stays until the machine goes down.
 *
 * Context: early boot, or process with kmemleak_scan_mutex held.
 */
void kmemleak_trace_start(void)
{
	if (started || stack_depot_init())
		return;
	kmemleak_memo_start();
	/* Pairs with kmemleak_trace_take(): the tables are there first. */
	smp_store_release(&started, true);
}

/* Code that runs first in an interrupt, or the softirq that follows it. */
static bool is_irq_entry(unsigned long addr)
{
	return (addr >= (unsigned long)__irqentry_text_start &&
		addr < (unsigned long)__irqentry_text_end) ||
	       (addr >= (unsigned long)__softirqentry_text_start &&
		addr < (unsigned long)__softirqentry_text_end);
}

/*
 * Adds an entry, and where it was found if the memo can use that: on this stack and
 * as it is, not replaced by a tracer. Return: whether it is the last.
 *
 * A trace ends with its stack or with the interrupt: chance decided what was
 * interrupted. The entry code may have its return address on the stack that was
 * interrupted. It needs no slot, for the function that switched stacks has no other
 * caller.
 */
static bool __maybe_unused
add_entry(struct kmemleak_unwound *trace, const struct kmemleak_frame *frame,
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

static bool take_entry(void *cookie, unsigned long addr)
{
	struct walk *walk = cookie;

	if (!walk->trace->nr && addr != walk->frame->site)
		return true;
	return !add_entry(walk->trace, walk->frame, NULL, addr);
}

/* From the hook's caller on: the compiler decides how many frames are before it. */
static void walk_from_site(const struct kmemleak_frame *frame, struct kmemleak_unwound *trace)
{
	struct walk walk = { .frame = frame, .trace = trace };

	arch_stack_walk(take_entry, &walk, current, NULL);
}

#else

static void walk_from_site(const struct kmemleak_frame *frame, struct kmemleak_unwound *trace)
{
}

#endif

static noinline void __maybe_unused
unwind_plainly(const struct kmemleak_frame *frame, struct kmemleak_unwound *trace)
{
	walk_from_site(frame, trace);
	trace->exact = false;
	/* A tracer has replaced the address. Two more are this function and its caller. */
	if (!trace->nr)
		trace->nr = stack_trace_save(trace->entry, KMEMLEAK_TRACE_FRAMES, OWN_FRAMES + 2);
}

#if defined(CONFIG_X86) && (defined(CONFIG_UNWINDER_ORC) || defined(CONFIG_UNWINDER_FRAME_POINTER))

#include <asm/unwind.h>

/*
 * As far as it goes, the same frames as stack_trace_save(), which does not say where
 * they are.
 */
static noinline void unwind(const struct kmemleak_frame *frame, struct kmemleak_unwound *trace)
{
	struct unwind_state state;
	unsigned int skip = OWN_FRAMES;

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
		/* Where an exception hit, frames lie as chance has it. */
		if (unwind_get_entry_regs(&state, NULL))
			trace->exact = false;
		if (add_entry(trace, frame, slot, addr))
			break;
	}
}

#elif defined(CONFIG_UML) && defined(CONFIG_X86_64) && defined(CONFIG_FRAME_POINTER)

/* Each frame begins with the address of the next and a return address. */
static noinline void unwind(const struct kmemleak_frame *frame, struct kmemleak_unwound *trace)
{
	const unsigned long *end = frame->base + frame->nr_words;
	const unsigned long *next = __builtin_frame_address(0);
	const unsigned long *last = NULL;
	unsigned int skip = OWN_FRAMES;

	if (!frame->nr_words) {
		unwind_plainly(frame, trace);
		return;
	}
	while (next > last && next + 1 < end && IS_ALIGNED((unsigned long)next, sizeof(*next)) &&
	       __kernel_text_address(next[1])) {
		if (skip)
			skip--;
		else if (add_entry(trace, frame, next + 1, next[1]))
			break;
		last = next;
		next = (const unsigned long *)*next;
	}
}

#else

static noinline void unwind(const struct kmemleak_frame *frame, struct kmemleak_unwound *trace)
{
	unwind_plainly(frame, trace);
}

#endif

/**
 * kmemleak_trace_take() - unwind, and remember what was found
 * @frame: of the hook
 * @gfp: flags of the allocation, for the depot's own memory
 *
 * Context: any but NMI.
 * Return: a handle, 0 if there is no trace or no memory for it.
 */
noinline u32 kmemleak_trace_take(const struct kmemleak_frame *frame, gfp_t gfp)
{
	struct kmemleak_unwound trace = { .exact = frame->nr_words };
	u32 handle;

	/* Pairs with kmemleak_trace_start(). */
	if (!smp_load_acquire(&started))
		return 0;
	kmemleak_count(&kmemleak_tracker, KMEMLEAK_CNT_UNWOUND);
	unwind(frame, &trace);
	handle = stack_depot_save(trace.entry, trace.nr, kmemleak_depot_flags(gfp));
	if (handle && trace.exact)
		kmemleak_memo_learn(frame, &trace, handle);
	return handle;
}
