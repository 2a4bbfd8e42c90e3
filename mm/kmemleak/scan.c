// SPDX-License-Identifier: GPL-2.0-only
/*
 * The episode: from "scan" to a published set of leaks.
 */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/jiffies.h>
#include <linux/printk.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "glue.h"

/* The set that readers get. Guards the pointer only; sets never change. */
static DEFINE_SPINLOCK(published_lock);
static struct kmemleak_published *published;

/*
 * See look_at_stack(). Written by the task that scans, under scan_mutex, and read by
 * whoever marks for it.
 */
struct task_struct *kmemleak_scan_task;
unsigned long kmemleak_scan_frame;

static void free_set(struct kref *ref)
{
	struct kmemleak_published *set = container_of(ref, struct kmemleak_published, ref);

	kmemleak_leaks_free(&kmemleak_tracker, &set->leaks);
	kmemleak_kernel_ops.page_free(&kmemleak_tracker, set, 0);
}

struct kmemleak_published *kmemleak_published_get(void)
{
	struct kmemleak_published *set;

	spin_lock(&published_lock);
	set = published;
	if (set)
		kref_get(&set->ref);
	spin_unlock(&published_lock);
	return set;
}

void kmemleak_published_put(struct kmemleak_published *set)
{
	kref_put(&set->ref, free_set);
}

static void publish(struct kmemleak_published *set)
{
	struct kmemleak_published *old;

	spin_lock(&published_lock);
	old = published;
	published = set;
	spin_unlock(&published_lock);
	if (old)
		kmemleak_published_put(old);
}

static struct kmemleak_published *new_set(void)
{
	struct kmemleak_published *set;

	static_assert(sizeof(*set) <= PAGE_SIZE);
	set = kmemleak_kernel_ops.page_alloc(&kmemleak_tracker, 0, KMEMLEAK_GFP);
	if (!set)
		return NULL;
	kref_init(&set->ref);
	set->era = kmemleak_era;
	kmemleak_leaks_init(&set->leaks);
	return set;
}

/* Hooks run under any lock and cannot print, so the next scan tells it, once. */
static void tell_losses(void)
{
	long lost = atomic_long_read(&kmemleak_tracker.counters[KMEMLEAK_CNT_NO_ENTRY]);
	static bool told;

	if (!lost || told)
		return;
	told = true;
	pr_warn("%ld blocks could not be recorded for want of memory: until freed, they and what they point at count as reachable; told once, see kmemleak_stats\n",
		lost);
}

/*
 * The table of opaque blocks was full, so some of them are not known. Which memory is
 * in use and has no record can still be found out: it becomes old memory, as at "on",
 * which is a root until it is freed.
 */
static int settle_losses(void)
{
	unsigned long missed = READ_ONCE(kmemleak_tracker.opaque.missed);
	int ret;

	if (!missed)
		return 0;
	/* Says what is missing. */
	if (kmemleak_old_check())
		return -ENOMEM;
	pr_warn("no room to note %lu blocks without a record: all memory in use that has none counts as reachable\n",
		missed);
	kmemleak_old_forget();
	kmemleak_old_begin();
	ret = kmemleak_old_take();
	if (!ret)
		kmemleak_opaque_settle(&kmemleak_tracker, missed);
	return ret;
}

static noinline int run_episode(void)
{
	struct kmemleak_options opt = kmemleak_read_options();
	struct kmemleak_published *set = new_set();
	int ret;

	if (!set)
		return -ENOMEM;
	tell_losses();
	ret = settle_losses() ?:
	      kmemleak_names_age(&kmemleak_tracker) ?:
	      kmemleak_rcu_settle(READ_ONCE(kmemleak_rcu_wait_ms)) ?:
	      kmemleak_verdict(&kmemleak_tracker, &opt, &set->leaks);
	if (ret) {
		kmemleak_published_put(set);
		return ret;
	}
	publish(set);
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
 * kmemleak_wipe_stack() - clear what a mark has left below this frame
 * @depth: so many times half a KiB
 *
 * It is full of addresses of blocks. Who gets these pages next need not write all
 * of them, and then lost blocks would look reachable.
 */
noinline void kmemleak_wipe_stack(unsigned int depth)
{
	unsigned long words[512 / sizeof(long)];

	memzero_explicit(words, sizeof(words));
	if (depth)
		kmemleak_wipe_stack(depth - 1);
	/* Not a jump, or all would be one frame. */
	barrier_data(words);
}

noinline int kmemleak_scan(void)
{
	int ret;

	lockdep_assert_held(&kmemleak_scan_mutex);
	kmemleak_scan_frame = (unsigned long)__builtin_frame_address(0);
	kmemleak_scan_task = current;
	kmemleak_snapshot_prepare();
	ret = run_episode();
	kmemleak_scan_task = NULL;
	kmemleak_scan_frame = 0;
	kmemleak_wipe_stack(KMEMLEAK_WIPE);
	return ret;
}

void kmemleak_scan_clear(void)
{
	lockdep_assert_held(&kmemleak_scan_mutex);
	if (published && kmemleak_is_on())
		kmemleak_leaks_settle(&kmemleak_tracker, &published->leaks);
	publish(NULL);
}
