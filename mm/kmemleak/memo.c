// SPDX-License-Identifier: GPL-2.0-only
/*
 * Remembers traces by the places on the stack where their return addresses were
 * found. While every place has the same value, an unwind would come to the same
 * trace, so its handle is used again.
 *
 * A set of candidates is chosen by the innermost return addresses. Where these
 * are is remembered as well, one step at a time, as what one function adds to
 * the stack. A step that is wrong only leads to a set where nothing fits.
 *
 * Each CPU has a table that only it writes to. A reader may be interrupted by a
 * writer or move to another CPU half way: each memo has a sequence number.
 */
#include <linux/gfp.h>
#include <linux/hash.h>
#include <linux/irqflags.h>
#include <linux/kernel.h>
#include <linux/kmemleak_owners.h>
#include <linux/percpu.h>
#include <linux/sched/task_stack.h>

#include "glue.h"
#include "trace.h"

#define NR_STEPS	2	/* return addresses that, with the site, choose the set */
#define STEP_BITS	10	/* fills up the pages that the memos take */
#define SET_BITS	6
#define NR_WAYS		4
#define SLOT_BITS	16	/* of a step, the rest is its key */
/* The first entry of a trace is the site. */
#define MAX_PLACES	(KMEMLEAK_TRACE_FRAMES - 1)

/**
 * struct memo - a trace and how to recognise it
 * @seq: odd while the CPU writes
 * @handle: the trace
 * @site: where the hook returns to
 * @nr: return addresses after that
 * @slot: where each is, in words from the frame
 * @value: the return addresses
 */
struct memo {
	unsigned int seq;
	u32 handle;
	unsigned long site;
	u16 nr;
	u16 slot[MAX_PLACES];
	unsigned long value[MAX_PLACES];
} ____cacheline_aligned;

struct memo_table {
	u64 step[1 << STEP_BITS];
	u8 next_way[1 << SET_BITS];
	struct memo memo[1 << SET_BITS][NR_WAYS];
};

/* NULL before traces can be taken, or without memory for it. Written once. */
static DEFINE_PER_CPU(struct memo_table *, tables);

/**
 * kmemleak_memo_start() - make the tables, as far as there is memory
 *
 * Context: early boot or process, once.
 */
void kmemleak_memo_start(void)
{
	unsigned int order = get_order(sizeof(struct memo_table));
	int cpu;

	for_each_possible_cpu(cpu)
		per_cpu(tables, cpu) = kmemleak_kernel_ops.page_alloc(&kmemleak_tracker, order,
								      KMEMLEAK_GFP);
}

static u64 mix(u64 hash, unsigned long value)
{
	return (hash ^ value) * GOLDEN_RATIO_64;
}

/* A step lies there or in the other place of a pair: their numbers differ in the last bit. */
static unsigned int place_of(u64 hash)
{
	return hash >> (64 - STEP_BITS);
}

static bool is_step(u64 step, u64 hash)
{
	return !((step ^ hash) >> SLOT_BITS);
}

static __always_inline u64 find_step(struct memo_table *table, u64 hash)
{
	u64 step = READ_ONCE(table->step[place_of(hash)]);

	return likely(is_step(step, hash)) ? step : READ_ONCE(table->step[place_of(hash) ^ 1]);
}

/*
 * The newest of a pair is the first. Steps of one trace can have a pair in common, whichever
 * of its places each is looked for first.
 */
static void set_step(struct memo_table *table, u64 hash, u16 slot)
{
	u64 *pair = &table->step[place_of(hash) & ~1U];
	u64 *step = is_step(pair[1], hash) ? &pair[1] : &pair[0];

	if (!is_step(*step, hash))
		WRITE_ONCE(pair[1], pair[0]);
	WRITE_ONCE(*step, (hash & ~GENMASK_ULL(SLOT_BITS - 1, 0)) | slot);
}

/* Return: the set, or NULL if the first return addresses are nowhere known. */
static __always_inline struct memo *find_set(struct memo_table *table,
					     const struct kmemleak_frame *frame)
{
	u64 hash = mix(0, frame->site);
	unsigned int i;

	for (i = 0; i < NR_STEPS; i++) {
		u64 step = find_step(table, hash);
		unsigned int slot = step & GENMASK(SLOT_BITS - 1, 0);

		if (!is_step(step, hash) || slot >= frame->nr_words)
			return NULL;
		hash = mix(hash, frame->base[slot]);
	}
	return table->memo[hash >> (64 - SET_BITS)];
}

/* The same way, noting where the steps lead to. */
static struct memo *make_set(struct memo_table *table, const struct kmemleak_frame *frame,
			     const struct kmemleak_unwound *trace)
{
	u64 hash = mix(0, frame->site);
	struct memo *set;
	unsigned int i;
	u8 *way;

	for (i = 0; i < NR_STEPS; i++) {
		set_step(table, hash, trace->slot[i + 1]);
		hash = mix(hash, trace->entry[i + 1]);
	}
	set = table->memo[hash >> (64 - SET_BITS)];
	way = &table->next_way[hash >> (64 - SET_BITS)];
	set += *way;
	*way = (*way + 1) % NR_WAYS;
	return set;
}

static __always_inline bool fits(const struct memo *memo, const struct kmemleak_frame *frame)
{
	unsigned int nr = READ_ONCE(memo->nr);
	unsigned int i;

	if (READ_ONCE(memo->site) != frame->site || nr > MAX_PLACES)
		return false;
	for (i = 0; i < nr; i++) {
		unsigned int slot = READ_ONCE(memo->slot[i]);

		/* Checked one by one, as another writer may be at work. */
		if (slot >= frame->nr_words || frame->base[slot] != READ_ONCE(memo->value[i]))
			return false;
	}
	return true;
}

/* Return: the handle of the memo in this set that fits, or 0. */
static __always_inline u32 recall(const struct memo *set, const struct kmemleak_frame *frame)
{
	const struct memo *memo;

	for (memo = set; memo < set + NR_WAYS; memo++) {
		/* Pairs with kmemleak_memo_learn(). */
		unsigned int seq = smp_load_acquire(&memo->seq);
		u32 handle;

		if ((seq & 1) || !fits(memo, frame))
			continue;
		handle = READ_ONCE(memo->handle);
		/* Pairs with kmemleak_memo_learn(): all of it was read from one memo. */
		smp_rmb();
		if (likely(READ_ONCE(memo->seq) == seq))
			return handle;
	}
	return 0;
}

/* Words from a frame to the end of its stack. 0: unknown, so nothing is remembered. */
static __always_inline unsigned long words_left(unsigned long base)
{
	unsigned long used = base - (unsigned long)task_stack_page(current);
	unsigned long left = likely(used < THREAD_SIZE) ? THREAD_SIZE - used :
							  irq_stack_left(base);

	return left / sizeof(long);
}

/**
 * kmemleak_trace_save() - the trace of the hook's caller
 * @base: frame of the hook
 * @site: where the hook returns to
 * @gfp: flags of the allocation, for the depot's own memory
 *
 * Call from a noinline hook only: its frame is left out.
 *
 * Context: any but NMI.
 * Return: a handle, 0 if there is no trace or no memory for it.
 */
noinline u32 kmemleak_trace_save(const unsigned long *base, unsigned long site, gfp_t gfp)
{
	struct memo_table *table = raw_cpu_read(tables);
	struct kmemleak_frame frame = {
		.base = base,
		.nr_words = words_left((unsigned long)base),
		.site = site,
	};
	u32 handle = 0;

	if (likely(table)) {
		const struct memo *set = find_set(table, &frame);

		if (likely(set))
			handle = recall(set, &frame);
	}
	return handle ?: kmemleak_trace_take(&frame, gfp);
}

/**
 * kmemleak_memo_learn() - remember a trace that was just taken
 * @frame: where the stack is
 * @trace: the trace, with all of its slots
 * @handle: its handle, not 0
 *
 * Context: any but NMI.
 */
void kmemleak_memo_learn(const struct kmemleak_frame *frame, const struct kmemleak_unwound *trace,
			 u32 handle)
{
	struct memo_table *table;
	struct memo *memo;
	unsigned long flags;
	unsigned int i;

	if (trace->nr_slots <= NR_STEPS || trace->entry[0] != frame->site)
		return;
	local_irq_save(flags);
	table = raw_cpu_read(tables);
	if (!table)
		goto out;
	memo = make_set(table, frame, trace);
	WRITE_ONCE(memo->seq, memo->seq + 1);
	/* Pairs with smp_rmb(): no new value before the odd number. */
	smp_wmb();
	WRITE_ONCE(memo->handle, handle);
	WRITE_ONCE(memo->site, frame->site);
	WRITE_ONCE(memo->nr, trace->nr_slots - 1);
	for (i = 1; i < trace->nr_slots; i++) {
		WRITE_ONCE(memo->slot[i - 1], trace->slot[i]);
		WRITE_ONCE(memo->value[i - 1], trace->entry[i]);
	}
	/* Pairs with smp_load_acquire(). */
	smp_store_release(&memo->seq, memo->seq + 1);
out:
	local_irq_restore(flags);
}
