// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracker as a whole: set up, grown to full size, turned off, emptied. The
 * only place that turns a tracker off.
 */
#include "kmemleak.h"

const char *const kmemleak_counter_names[] = {
	[KMEMLEAK_CNT_BAD_ADDR] = "bad_addr",
	[KMEMLEAK_CNT_BAD_SIZE] = "bad_size",
	[KMEMLEAK_CNT_WRAP] = "wrap",
	[KMEMLEAK_CNT_UNKNOWN] = "unknown",
	[KMEMLEAK_CNT_UNKNOWN_FREE] = "unknown_free",
	[KMEMLEAK_CNT_DUPLICATE] = "duplicate",
	[KMEMLEAK_CNT_OVERLAP] = "overlap",
	[KMEMLEAK_CNT_OUTSIDE] = "outside",
	[KMEMLEAK_CNT_NMI] = "nmi",
	[KMEMLEAK_CNT_NO_ENTRY] = "no_entry",
	[KMEMLEAK_CNT_NO_NOTE] = "no_note",
	[KMEMLEAK_CNT_NO_EXTRA] = "no_extra",
	[KMEMLEAK_CNT_NO_NAME] = "no_name",
	[KMEMLEAK_CNT_RESERVE_USED] = "reserve_used",
	[KMEMLEAK_CNT_PAGES_RETURNED] = "pages_returned",
	[KMEMLEAK_CNT_UNWOUND] = "unwound",
	[KMEMLEAK_CNT_UNREADABLE] = "unreadable",
	[KMEMLEAK_CNT_MARK_OVERFLOW] = "mark_overflow",
	[KMEMLEAK_CNT_LEAK_DROPPED] = "leak_dropped",
	[KMEMLEAK_CNT_SNAPSHOTS] = "snapshots",
	[KMEMLEAK_CNT_SNAPSHOTS_CUT] = "snapshots_cut",
	[KMEMLEAK_CNT_SCANS] = "scans",
	[KMEMLEAK_CNT_SCANS_CUT] = "scans_cut",
};

static_assert(ARRAY_SIZE(kmemleak_counter_names) == KMEMLEAK_NR_COUNTERS);

/* 64 KiB for each 256 MiB of memory or so, see main.c. */
static unsigned int name_tables(unsigned int shard_bits)
{
	return clamp(BIT(shard_bits) >> 10, 1UL, (unsigned long)KMEMLEAK_MAX_NAMES);
}

/* About a two thousandth of memory, at most 512 KiB: larger blocks often cannot be had. */
static int opaque_order(unsigned int shard_bits)
{
	return clamp_t(int, shard_bits + 7 - PAGE_SHIFT, 0, 19 - PAGE_SHIFT);
}

/**
 * kmemleak_tracker_setup() - make a tracker that can already track
 * @t: zeroed memory
 * @ops: surroundings
 * @reserve: zeroed entries for the time before the page allocator is up
 * @reserve_nr: how many, may be 0 if ops->page_alloc() works already
 *
 * The caller may set t->index.split afterwards, before the first block.
 */
void kmemleak_tracker_setup(struct kmemleak_tracker *t, const struct kmemleak_ops *ops,
			    union kmemleak_entry *reserve, unsigned long reserve_nr)
{
	t->ops = ops;
	t->nr_cpus = 1;
	t->extras = RB_ROOT;
	raw_spin_lock_init(&t->extra_lock);
	kmemleak_opaque_setup(t);
	kmemleak_index_setup(&t->index);
	kmemleak_pool_setup(t, reserve, reserve_nr);
	t->options = (struct kmemleak_options){
		.rules = KMEMLEAK_ALL_RULES,
		.min_unref_scans = 1,
		.scan_stacks = true,
	};
	kmemleak_tracker_enable(t);
}

/**
 * kmemleak_tracker_start() - grow to full size, once pages can be had
 * @t: tracker
 * @shard_bits: log2 of the number of shards
 * @nr_cpus: CPU numbers in use, and per-cpu copies of a PERCPU object
 *
 * Context: nobody else uses the tracker.
 * Return: 0, or -ENOMEM: then it works on without the rest.
 */
int kmemleak_tracker_start(struct kmemleak_tracker *t, unsigned int shard_bits,
			   unsigned int nr_cpus)
{
	int ret = kmemleak_index_grow(t, shard_bits);

	t->nr_cpus = nr_cpus;
	ret = kmemleak_opaque_start(t, opaque_order(shard_bits)) ?: ret;
	ret = kmemleak_pool_start(t, nr_cpus) ?: ret;
	return kmemleak_names_start(t, name_tables(shard_bits)) ?: ret;
}

/**
 * kmemleak_tracker_enable() - track from now on
 * @t: tracker
 */
void kmemleak_tracker_enable(struct kmemleak_tracker *t)
{
	WRITE_ONCE(t->enabled, true);
}

/**
 * kmemleak_tracker_disable() - track no more
 * @t: tracker
 *
 * Calls under way may still work on the metadata; the caller waits for them.
 */
void kmemleak_tracker_disable(struct kmemleak_tracker *t)
{
	WRITE_ONCE(t->enabled, false);
}

/**
 * kmemleak_tracker_fail() - an invariant is broken: stop, and say why
 * @t: tracker
 * @why: a string that stays; the first one is kept
 *
 * Context: any.
 */
void kmemleak_tracker_fail(struct kmemleak_tracker *t, const char *why)
{
	cmpxchg(&t->failed, NULL, why);
	kmemleak_tracker_disable(t);
}

/**
 * kmemleak_tracker_reset() - forget everything, give the memory back
 * @t: tracker, disabled
 *
 * Context: process; no call on the tracker is under way.
 */
void kmemleak_tracker_reset(struct kmemleak_tracker *t)
{
	kmemleak_index_clear(t);
	t->extras = RB_ROOT;
	kmemleak_pool_destroy(t);
	kmemleak_opaque_reset(t);
	t->epoch = 0;
	kmemleak_names_reset(t);
}
