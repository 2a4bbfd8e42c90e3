// SPDX-License-Identifier: GPL-2.0-only
/* Turns tracking on and off, and releases its metadata. */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/cpumask.h>
#include <linux/kmemleak.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>

#include "cancel.h"
#include "control.h"
#include "preexist.h"
#include "roots.h"
#include "scan.h"
#include "state.h"
#include "trace.h"

/* A MiB has 32 regions of 32 KiB, so about four regions share a shard. */
#define SHARDS_PER_MIB	8
#define MIN_SHARD_BITS	6
#define MAX_SHARD_BITS	16

static unsigned int choose_shard_bits(void)
{
	unsigned long mib = totalram_pages() >> (20 - PAGE_SHIFT);
	unsigned int bits = ilog2(max(mib * SHARDS_PER_MIB, 1UL));

	return clamp_t(unsigned int, bits, MIN_SHARD_BITS, MAX_SHARD_BITS);
}

static const char *name_missing_part(const struct kmemleak_tracker *t)
{
	if (t->index.order < 0)
		return "the index";
	if (!t->pool.caches)
		return "the CPUs' lists of free entries";
	return t->nr_comm_tables ? "the table of opaque blocks" : "the table of task names";
}

/**
 * kmemleak_start_tracker() - grow the tracker to its full size
 *
 * Context: early boot, or process with kmemleak_scan_mutex held while tracking is off.
 * Return: 0, or -ENOMEM. After -ENOMEM the tracker works with the memory it has, and the log
 * names the missing part.
 */
int kmemleak_start_tracker(void)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	unsigned int bits = choose_shard_bits();
	int ret = kmemleak_tracker_start(t, bits, nr_cpu_ids);

	if (ret)
		pr_warn("Not enough memory for %s\n", name_missing_part(t));
	if (t->index.bits < bits)
		pr_warn("Memory is fragmented: the index has %lu shards instead of %lu, so look-ups take longer\n",
			BIT(t->index.bits), BIT(bits));
	return ret;
}

/**
 * kmemleak_turn_off() - stop tracking; metadata and published leaks stay
 *
 * When this returns, no hook works on the metadata any more.
 */
void kmemleak_turn_off(void)
{
	lockdep_assert_held(&kmemleak_scan_mutex);
	kmemleak_tracker_disable(&kmemleak_tracker);
	static_branch_disable(&kmemleak_key);
	/* Pairs with enter_hook(): no hook is under way afterwards. */
	synchronize_rcu();
	kmemleak_preexist_clear();
	pr_info("Kernel memory leak detector disabled\n");
}

/**
 * kmemleak_release_metadata() - free all metadata, after tracking was turned off
 */
void kmemleak_release_metadata(void)
{
	lockdep_assert_held(&kmemleak_scan_mutex);
	if (WARN_ON_ONCE(kmemleak_is_on()) || !kmemleak_tracker.ops)
		return;
	/* An error may have turned tracking off a moment ago, without kmemleak_turn_off(). */
	static_branch_disable(&kmemleak_key);
	synchronize_rcu();
	kmemleak_scan_clear();
	WRITE_ONCE(kmemleak_generation, kmemleak_generation + 1);
	kmemleak_tracker_reset(&kmemleak_tracker);
	kmemleak_preexist_clear();
}

/**
 * kmemleak_turn_on() - start tracking
 *
 * Metadata of earlier tracking is released. Memory that was allocated before is a root.
 *
 * Return: 0, also if tracking is on already; -EBUSY if an error has turned tracking off;
 * -ENOMEM; -EOPNOTSUPP if this kernel cannot tell which memory is in use; -EINTR if the task
 * must end; -ECANCELED if another task turns tracking off. The log has the reason of the
 * first three errors.
 */
int kmemleak_turn_on(void)
{
	int ret;

	lockdep_assert_held(&kmemleak_scan_mutex);
	if (kmemleak_is_on())
		return 0;
	if (READ_ONCE(kmemleak_tracker.failed)) {
		pr_warn("Cannot turn on: turned off by an error: %s\n",
			READ_ONCE(kmemleak_tracker.failed));
		return -EBUSY;
	}
	ret = kmemleak_preexist_check();
	if (ret)
		return ret;
	kmemleak_release_metadata();
	kmemleak_trace_cache_start();
	ret = kmemleak_start_tracker();
	if (ret) {
		pr_warn("Cannot turn on: not enough memory for its tables\n");
		kmemleak_release_metadata();
		return ret;
	}
	kmemleak_preexist_begin();
	/* Sites are patched one by one. No hook tracks a block before the tracker is enabled. */
	static_branch_enable(&kmemleak_key);
	/* Pairs with enter_hook(): a hook that sees the tracker enabled sees all of the above. */
	synchronize_rcu();
	kmemleak_tracker_enable(&kmemleak_tracker);
	kmemleak_roots_start(&kmemleak_tracker);
	/* New blocks are tracked now. Blocks that were allocated before are preexisting. */
	ret = kmemleak_preexist_take();
	if (ret == -ENOMEM)
		pr_warn("Cannot turn on: not enough memory to record existing memory\n");
	else if (READ_ONCE(kmemleak_tracker.failed))
		ret = -EBUSY;
	/* -EINTR restarts the write, and tracking would be on again after "off". */
	else if (ret == -EINTR && kmemleak_cancel_off_waits())
		ret = -ECANCELED;
	if (ret) {
		kmemleak_turn_off();
		kmemleak_release_metadata();
		return ret;
	}
	pr_info("Kernel memory leak detector enabled\n");
	return 0;
}
