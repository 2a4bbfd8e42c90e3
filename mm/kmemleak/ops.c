// SPDX-License-Identifier: GPL-2.0-only
/* The environment of the kernel's tracker, and its set-up before the first block. */
#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/rcupdate.h>

#include "access.h"
#include "cancel.h"
#include "ops.h"
#include "pool_worker.h"
#include "roots.h"
#include "state.h"
#include "stop.h"
#include "workers.h"

/* Entries for the time before the page allocator is up. */
static union kmemleak_entry boot_entries[CONFIG_DEBUG_KMEMLEAK_MEM_POOL_SIZE];

static int pause_scan(struct kmemleak_tracker *t)
{
	cond_resched_tasks_rcu_qs();
	return kmemleak_cancel_requested() || !READ_ONCE(t->enabled) ? -EINTR : 0;
}

/* Pairs with enter_hook(). */
static void wait_for_hooks(struct kmemleak_tracker *t)
{
	synchronize_rcu();
}

static u32 now_jiffies(void)
{
	return jiffies;
}

const struct kmemleak_ops kmemleak_kernel_ops = {
	.page_alloc = kmemleak_access_page_alloc,
	.page_free = kmemleak_access_page_free,
	.read = kmemleak_access_read,
	.scan_words = kmemleak_access_scan_words,
	.block_addr = kmemleak_access_block_addr,
	.roots = kmemleak_roots_mark,
	.pause = pause_scan,
	.wait_for_hooks = wait_for_hooks,
	.spawn = kmemleak_workers_spawn,
	.wait = kmemleak_workers_wait,
	.wake = kmemleak_workers_wake,
	.join = kmemleak_workers_join,
	.maintain_pool = kmemleak_pool_worker_kick,
	.each_cpu = kmemleak_pool_worker_each_cpu,
	.stop_and_mark = kmemleak_stop_mark,
	.now = now_jiffies,
};

/**
 * kmemleak_early_setup() - set up the tracker when a hook is called first
 *
 * The first block is allocated long before any initcall, by the only CPU that runs.
 *
 * Return: true the first time, with rcu_read_lock() taken as enter_hook() does; false later.
 */
bool kmemleak_early_setup(void)
{
	if (likely(kmemleak_tracker.ops))
		return false;
	kmemleak_tracker_setup(&kmemleak_tracker, &kmemleak_kernel_ops, boot_entries,
			       ARRAY_SIZE(boot_entries));
	kmemleak_roots_setup(&kmemleak_tracker);
	rcu_read_lock();
	return true;
}
