// SPDX-License-Identifier: GPL-2.0-only
/*
 * The tracker as a whole: set it up, grow it to full size, turn it on and off, empty it.
 * Only this file turns a tracker off.
 */
#include "tracker.h"

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
	[KMEMLEAK_CNT_OPAQUE_MISSED] = "opaque_missed",
	[KMEMLEAK_CNT_NO_ATTR] = "no_attr",
	[KMEMLEAK_CNT_NO_NAME] = "no_name",
	[KMEMLEAK_CNT_STOCK_USED] = "stock_used",
	[KMEMLEAK_CNT_PAGES_RETURNED] = "pages_returned",
	[KMEMLEAK_CNT_UNWOUND] = "unwound",
	[KMEMLEAK_CNT_UNREADABLE] = "unreadable",
	[KMEMLEAK_CNT_MARK_OVERFLOW] = "mark_overflow",
	[KMEMLEAK_CNT_LEAK_DROPPED] = "leak_dropped",
	[KMEMLEAK_CNT_STOPS] = "stops",
	[KMEMLEAK_CNT_STOPS_CUT] = "stops_cut",
	[KMEMLEAK_CNT_SCANS] = "scans",
	[KMEMLEAK_CNT_SCANS_CUT] = "scans_cut",
};

static_assert(ARRAY_SIZE(kmemleak_counter_names) == KMEMLEAK_NR_COUNTERS);

/* A table of 64 KiB for each 256 MiB of memory or so, see choose_shard_bits(). */
static unsigned int comm_tables_wanted(unsigned int shard_bits)
{
	return clamp(BIT(shard_bits) >> 10, 1UL, (unsigned long)KMEMLEAK_MAX_COMM_TABLES);
}

/*
 * About a two-thousandth of memory, at most 512 KiB: larger allocations of contiguous pages
 * often fail.
 */
static int opaque_order_wanted(unsigned int shard_bits)
{
	return clamp_t(int, shard_bits + 7 - PAGE_SHIFT, 0, 19 - PAGE_SHIFT);
}

/**
 * kmemleak_tracker_setup() - make a tracker that can already track
 * @t: zeroed memory
 * @ops: environment of the tracker
 * @boot_entries: the boot entries: zeroed memory for the time before the page allocator is up
 * @nr_boot_entries: number of boot entries, may be 0 if ops->page_alloc() works already
 *
 * The call clears t->index.split. A caller with classes of addresses sets it afterwards, before
 * it adds the first block.
 */
void kmemleak_tracker_setup(struct kmemleak_tracker *t, const struct kmemleak_ops *ops,
			    union kmemleak_entry *boot_entries, unsigned long nr_boot_entries)
{
	t->ops = ops;
	t->nr_cpus = 1;
	t->attrs = RB_ROOT;
	raw_spin_lock_init(&t->attr_lock);
	kmemleak_opaque_setup(t);
	kmemleak_index_setup(&t->index);
	kmemleak_pool_setup(t, boot_entries, nr_boot_entries);
	kmemleak_tracker_enable(t);
}

/**
 * kmemleak_tracker_start() - grow to full size, once the page allocator is up
 * @t: tracker
 * @shard_bits: log2 of the number of shards
 * @nr_cpus: kmemleak_cpu() returns numbers below this. A per-cpu object has this many copies.
 *
 * Context: nobody else uses the tracker.
 * Return: 0, or -ENOMEM: some part is missing, and the tracker works without it.
 */
int kmemleak_tracker_start(struct kmemleak_tracker *t, unsigned int shard_bits,
			   unsigned int nr_cpus)
{
	int ret = kmemleak_index_grow(t, shard_bits);

	t->nr_cpus = nr_cpus;
	ret = kmemleak_opaque_start(t, opaque_order_wanted(shard_bits)) ?: ret;
	ret = kmemleak_pool_start(t, nr_cpus) ?: ret;
	return kmemleak_comm_start(t, comm_tables_wanted(shard_bits)) ?: ret;
}

/**
 * kmemleak_tracker_enable() - turn tracking on
 * @t: tracker
 */
void kmemleak_tracker_enable(struct kmemleak_tracker *t)
{
	WRITE_ONCE(t->enabled, true);
}

/**
 * kmemleak_tracker_disable() - turn tracking off
 * @t: tracker
 *
 * Calls that are under way may still use the metadata; the caller must wait for them.
 */
void kmemleak_tracker_disable(struct kmemleak_tracker *t)
{
	WRITE_ONCE(t->enabled, false);
}

/**
 * kmemleak_tracker_fail() - an invariant is broken: turn tracking off and say why
 * @t: tracker
 * @why: a string that is never freed. If there are several calls, the first string is kept.
 *
 * Context: any.
 */
void kmemleak_tracker_fail(struct kmemleak_tracker *t, const char *why)
{
	cmpxchg(&t->failed, NULL, why);
	kmemleak_tracker_disable(t);
}

/**
 * kmemleak_tracker_reset() - forget all blocks, release the memory of the metadata
 * @t: tracker, disabled
 *
 * Context: process; no call on the tracker is under way.
 */
void kmemleak_tracker_reset(struct kmemleak_tracker *t)
{
	kmemleak_index_clear(t);
	t->attrs = RB_ROOT;
	kmemleak_pool_destroy(t);
	kmemleak_opaque_reset(t);
	t->epoch = 0;
	kmemleak_comm_reset(t);
}
