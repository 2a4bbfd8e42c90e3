// SPDX-License-Identifier: GPL-2.0-only
/*
 * The trace cache remembers traces by the slots on the stack where their return addresses
 * were found. While all slots of a cache entry hold the same values, an unwind would give the
 * same trace. So the handle of the trace is used again.
 *
 * The innermost return addresses choose a set of cache entries. The slots of these addresses
 * are remembered as well, one step at a time. A step leads from one return address to the
 * slot of the next: a function usually takes the same space on the stack. A wrong step only
 * leads to a set in which no entry fits.
 *
 * Each CPU has a table that only this CPU reads and writes. An interrupt may come during a
 * look-up. It may look up its own trace, but it adds none: the entry that the look-up compares
 * stays as it is.
 */
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/kmemleak_owners.h>
#include <linux/percpu.h>
#include <linux/preempt.h>
#include <linux/sched/task_stack.h>

#include "access.h"
#include "state.h"
#include "trace.h"

#define NR_STEPS	2	/* return addresses that, with the site, choose the set */
#define STEP_BITS	10	/* the steps fill up the pages that the entries take */
#define SET_BITS	6
#define NR_SETS		BIT(SET_BITS)
#define NR_WAYS		4
#define SLOT_BITS	16	/* low bits of a step; the others are its key */
/* Return addresses that are compared in one step. */
#define PLACES_STEP	4
/* The first return address of a trace is the site, which needs no slot. */
#define MAX_PLACES	ALIGN(KMEMLEAK_TRACE_FRAMES - 1, PLACES_STEP)

/**
 * struct cached_trace - a cache entry: a trace, and how to recognise it
 * @handle: handle of the trace
 * @nr: number of return addresses after @site, a multiple of PLACES_STEP: the last one is
 *	repeated
 * @max_slot: the greatest @slot
 * @site: return address of the hook
 * @slot: where each return address is, in words from the frame
 * @value: the return addresses
 */
struct cached_trace {
	u32 handle;
	u16 nr;
	u16 max_slot;
	unsigned long site;
	u16 slot[MAX_PLACES];
	unsigned long value[MAX_PLACES];
} ____cacheline_aligned;

/**
 * struct trace_cache - the table of one CPU
 * @nr_lookups: number of look-ups under way. An interrupt that comes meanwhile adds no trace
 * @step: pairs of steps, by hash of the return addresses before the step
 * @next_way: number of the entry that is overwritten next, for each set
 * @cached: the sets of cache entries
 */
struct trace_cache {
	unsigned int nr_lookups;
	u64 step[1 << STEP_BITS];
	u8 next_way[NR_SETS];
	struct cached_trace cached[NR_SETS][NR_WAYS];
};

/* NULL before traces can be taken, or if there was no memory. Written once. */
static DEFINE_PER_CPU(struct trace_cache *, tables);

/**
 * kmemleak_trace_cache_start() - make the tables, as far as there is memory
 *
 * Further calls do nothing.
 *
 * Context: as kmemleak_trace_start().
 */
void kmemleak_trace_cache_start(void)
{
	unsigned int order = get_order(sizeof(struct trace_cache));
	int cpu;

	if (!kmemleak_trace_start())
		return;
	for_each_possible_cpu(cpu)
		per_cpu(tables, cpu) =
			kmemleak_access_page_alloc(&kmemleak_tracker, order, KMEMLEAK_GFP);
}

static u64 mix_hash(u64 hash, unsigned long value)
{
	return (hash ^ value) * GOLDEN_RATIO_64;
}

/* The first place to look for a step. It may be in the other place of its pair. */
static unsigned int step_number(u64 hash)
{
	return hash >> (64 - STEP_BITS);
}

static bool is_step(u64 step, u64 hash)
{
	return !((step ^ hash) >> SLOT_BITS);
}

static __always_inline u64 find_step(struct trace_cache *table, u64 hash)
{
	u64 step = table->step[step_number(hash)];

	return likely(is_step(step, hash)) ? step : table->step[step_number(hash) ^ 1];
}

/*
 * The newer step of a pair is in the first place. The other step is kept: two steps of one
 * trace can share a pair, whichever place each is looked up in first.
 */
static void set_step(struct trace_cache *table, u64 hash, u16 slot)
{
	u64 *pair = &table->step[step_number(hash) & ~1U];
	u64 *step = is_step(pair[1], hash) ? &pair[1] : &pair[0];

	if (!is_step(*step, hash))
		pair[1] = pair[0];
	*step = (hash & ~GENMASK_ULL(SLOT_BITS - 1, 0)) | slot;
}

/* Return: the set, or NULL if a step is not known. */
static __always_inline struct cached_trace *find_set(struct trace_cache *table,
						     const struct kmemleak_frame *frame)
{
	u64 hash = mix_hash(0, frame->site);
	unsigned int i;

	for (i = 0; i < NR_STEPS; i++) {
		u64 step = find_step(table, hash);
		unsigned int slot = step & GENMASK(SLOT_BITS - 1, 0);

		if (!is_step(step, hash) || slot >= frame->nr_words)
			return NULL;
		hash = mix_hash(hash, frame->base[slot]);
	}
	return table->cached[hash >> (64 - SET_BITS)];
}

/*
 * Finds the set of a trace, and writes the steps that lead to the set. Return: the entry to
 * overwrite.
 */
static struct cached_trace *make_set(struct trace_cache *table, const struct kmemleak_frame *frame,
				     const struct kmemleak_unwound *trace)
{
	u64 hash = mix_hash(0, frame->site);
	struct cached_trace *set;
	unsigned int i;
	u8 *way;

	for (i = 0; i < NR_STEPS; i++) {
		set_step(table, hash, trace->slot[i + 1]);
		hash = mix_hash(hash, trace->entry[i + 1]);
	}
	set = table->cached[hash >> (64 - SET_BITS)];
	way = &table->next_way[hash >> (64 - SET_BITS)];
	set += *way;
	*way = (*way + 1) % NR_WAYS;
	return set;
}

static __always_inline bool place_fits(const struct cached_trace *cached,
				       const struct kmemleak_frame *frame, unsigned int i)
{
	return frame->base[cached->slot[i]] == cached->value[i];
}

static __always_inline bool entry_fits(const struct cached_trace *cached,
				       const struct kmemleak_frame *frame)
{
	unsigned int i;

	if (cached->site != frame->site || cached->max_slot >= frame->nr_words)
		return false;
	for (i = 0; i < cached->nr; i += PLACES_STEP)
		if (!place_fits(cached, frame, i) || !place_fits(cached, frame, i + 1) ||
		    !place_fits(cached, frame, i + 2) || !place_fits(cached, frame, i + 3))
			return false;
	return true;
}

/* Return: the handle of the entry that fits, or 0. */
static __always_inline u32 lookup_trace(struct trace_cache *table,
					const struct kmemleak_frame *frame)
{
	const struct cached_trace *set = find_set(table, frame), *cached;

	for (cached = set; likely(set) && cached < set + NR_WAYS; cached++)
		if (entry_fits(cached, frame))
			return cached->handle;
	return 0;
}

/* Words from a frame to the end of its stack. 0: not known, so the trace is not remembered. */
static __always_inline unsigned long stack_words_left(unsigned long base)
{
	unsigned long used = base - (unsigned long)task_stack_page(current);
	unsigned long left = likely(used < THREAD_SIZE) ? THREAD_SIZE - used :
							  irq_stack_left(base);

	return left / sizeof(long);
}

/**
 * kmemleak_trace_cache_add() - remember a trace that was just taken
 * @frame: frame of the hook
 * @trace: the trace, with all of its slots
 * @handle: handle of the trace, not 0
 *
 * Does nothing if the slots do not determine the trace.
 *
 * Context: any but NMI.
 */
void kmemleak_trace_cache_add(const struct kmemleak_frame *frame,
			      const struct kmemleak_unwound *trace, u32 handle)
{
	struct trace_cache *table;
	struct cached_trace *cached;
	unsigned long flags;
	unsigned int i;

	if (!trace->exact || trace->nr_slots <= NR_STEPS || trace->entry[0] != frame->site)
		return;
	local_irq_save(flags);
	table = this_cpu_read(tables);
	/* If an interrupt finds a look-up under way, it must not change an entry. */
	if (!table || table->nr_lookups)
		goto out;
	cached = make_set(table, frame, trace);
	cached->handle = handle;
	cached->site = frame->site;
	cached->nr = ALIGN(trace->nr_slots - 1, PLACES_STEP);
	cached->max_slot = 0;
	for (i = 0; i < cached->nr; i++) {
		unsigned int from = min(i + 1, trace->nr_slots - 1);

		cached->max_slot = max(cached->max_slot, trace->slot[from]);
		cached->slot[i] = trace->slot[from];
		cached->value[i] = trace->entry[from];
	}
out:
	local_irq_restore(flags);
}

/* A function of its own: @trace needs stack space only while a trace is taken. */
static noinline u32 take_and_add(const struct kmemleak_frame *frame, gfp_t gfp)
{
	struct kmemleak_unwound trace;
	u32 handle = kmemleak_trace_take(frame, gfp, &trace);

	if (handle)
		kmemleak_trace_cache_add(frame, &trace, handle);
	return handle;
}

/**
 * kmemleak_trace_save() - find or take the trace that begins at the hook's caller
 * @base: frame of the hook
 * @site: return address of the hook
 * @gfp: flags of the allocation, for the depot's own memory
 *
 * Call it from a noinline hook only: the frame of the hook is skipped.
 *
 * Context: any but NMI.
 * Return: a handle, 0 if there is no trace or no memory for it.
 */
noinline u32 kmemleak_trace_save(const unsigned long *base, unsigned long site, gfp_t gfp)
{
	struct trace_cache *table;
	struct kmemleak_frame frame = {
		.base = base,
		.nr_words = stack_words_left((unsigned long)base),
		.site = site,
	};
	u32 handle = 0;

	preempt_disable();
	table = this_cpu_read(tables);
	if (likely(table)) {
		table->nr_lookups++;
		/* Pairs with kmemleak_trace_cache_add() in an interrupt on this CPU. */
		barrier();
		handle = lookup_trace(table, &frame);
		barrier();
		table->nr_lookups--;
	}
	preempt_enable();
	return handle ?: take_and_add(&frame, gfp);
}
