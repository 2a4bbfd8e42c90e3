// SPDX-License-Identifier: GPL-2.0-only
/* A scan: records missed blocks, waits for RCU callbacks, judges, publishes the leak set. */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/lockdep.h>
#include <linux/printk.h>

#include "core/comm.h"
#include "core/judge.h"
#include "core/leak_set.h"
#include "params.h"
#include "preexist.h"
#include "publish.h"
#include "rcu.h"
#include "report.h"
#include "scan.h"
#include "selfstack.h"
#include "state.h"
#include "stop.h"

/* Hooks may run under any lock and cannot print. So the next scan reports losses, once. */
static void warn_losses(void)
{
	long lost = atomic_long_read(&kmemleak_tracker.counters[KMEMLEAK_CNT_NO_ENTRY]);
	static bool told;

	if (!lost || told)
		return;
	told = true;
	pr_warn("Not enough memory to record %ld blocks: until they are freed, they and all that they point to count as reachable (reported once, see kmemleak_stats)\n",
		lost);
}

/*
 * The opaque table was full, so some opaque blocks are not known. But the memory that is in
 * use and has no object can still be found. It becomes preexisting memory, as at "on": a
 * root until it is freed.
 */
static int handle_missed_blocks(void)
{
	unsigned long missed = READ_ONCE(kmemleak_tracker.opaque.missed);
	int ret;

	if (!missed)
		return 0;
	/* The check logs the reason. */
	if (kmemleak_preexist_check())
		return -ENOMEM;
	pr_warn("The table of opaque blocks is full, %lu are missing: all memory without a record counts as reachable\n",
		missed);
	kmemleak_preexist_clear();
	kmemleak_preexist_begin();
	ret = kmemleak_preexist_take();
	if (!ret)
		kmemleak_opaque_clear_missed(&kmemleak_tracker, missed);
	return ret;
}

static noinline int scan_once(void)
{
	struct kmemleak_options opt = kmemleak_read_options();
	struct kmemleak_published *set = kmemleak_publish_alloc();
	int ret;

	if (!set)
		return -ENOMEM;
	warn_losses();
	ret = handle_missed_blocks() ?:
	      kmemleak_comm_expire(&kmemleak_tracker) ?:
	      kmemleak_rcu_drain(READ_ONCE(kmemleak_rcu_wait_ms)) ?:
	      kmemleak_judge(&kmemleak_tracker, &opt, &set->leaks);
	if (ret) {
		kmemleak_published_put(set);
		return ret;
	}
	/* kmemleak_scan_mutex keeps the set published, so it can still be read below. */
	kmemleak_publish(set);
	if (set->leaks.nr_new) {
		pr_info("%lu new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n",
			set->leaks.nr_new);
		if (set->leaks.nr_left_out)
			pr_info("%lu more leaks are not listed, see max_leaks\n",
				set->leaks.nr_left_out);
		if (kmemleak_verbose)
			kmemleak_report_log(&set->leaks);
	}
	return 0;
}

/**
 * kmemleak_scan() - make a scan and publish its leaks
 *
 * Context: process, may sleep, kmemleak_scan_mutex held.
 * Return: 0; -EINTR if the scan ended early; -ENOMEM. After an error, the set that was
 * published before stays.
 */
noinline int kmemleak_scan(void)
{
	int ret;

	lockdep_assert_held(&kmemleak_scan_mutex);
	kmemleak_selfstack_enter(KMEMLEAK_SELFSTACK_SCAN,
				 (unsigned long)__builtin_frame_address(0));
	kmemleak_stop_prepare();
	ret = scan_once();
	kmemleak_selfstack_leave(KMEMLEAK_SELFSTACK_SCAN);
	kmemleak_selfstack_wipe(KMEMLEAK_WIPE_DEPTH);
	return ret;
}

/**
 * kmemleak_scan_clear() - acknowledge the published leaks
 *
 * The leaks become roots, and no set is published any more.
 *
 * Context: as kmemleak_scan().
 */
void kmemleak_scan_clear(void)
{
	struct kmemleak_published *set;

	lockdep_assert_held(&kmemleak_scan_mutex);
	set = kmemleak_published_get();
	if (!set)
		return;
	if (kmemleak_is_on())
		kmemleak_leak_set_acknowledge(&kmemleak_tracker, &set->leaks);
	kmemleak_publish(NULL);
	kmemleak_published_put(set);
}
