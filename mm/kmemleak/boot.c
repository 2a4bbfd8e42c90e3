// SPDX-License-Identifier: GPL-2.0-only
/* The detector at boot: the kernel parameter, early and late initialization. */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/init.h>
#include <linux/kmemleak.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/stackdepot.h>
#include <linux/string.h>

#include "control.h"
#include "debugfs.h"
#include "module_names.h"
#include "ops.h"
#include "pool_worker.h"
#include "rcu.h"
#include "roots.h"
#include "state.h"
#include "thread.h"
#include "trace.h"
#include "workers.h"

static bool want_off __initdata = IS_ENABLED(CONFIG_DEBUG_KMEMLEAK_DEFAULT_OFF);

static int __init parse_boot_option(char *arg)
{
	if (!arg)
		return -EINVAL;
	if (!strcmp(arg, "on"))
		want_off = false;
	else if (!strcmp(arg, "off"))
		want_off = true;
	else
		return -EINVAL;
	/* The depot is set up early only if that was requested in time. */
	if (!want_off)
		stack_depot_request_early_init();
	return 0;
}
early_param("kmemleak", parse_boot_option);

void __init kmemleak_init(void)
{
	kmemleak_pages_ready = true;
	/* A hook of memblock has set up the tracker already, if one was called. */
	if (kmemleak_early_setup())
		rcu_read_unlock();
	kmemleak_pool_worker_size_stock();
	if (want_off) {
		static_branch_disable(&kmemleak_key);
		kmemleak_tracker_disable(&kmemleak_tracker);
		kmemleak_tracker_reset(&kmemleak_tracker);
		return;
	}
	kmemleak_trace_cache_start();
	/* If memory is short, a smaller tracker is better than none. */
	kmemleak_start_tracker();
	kmemleak_roots_start(&kmemleak_tracker);
}

static int __init kmemleak_late_init(void)
{
	kmemleak_rcu_start();
	kmemleak_debugfs_init();
	kmemleak_workers_start();
	kmemleak_module_names_start();
	kmemleak_pool_worker_start();
	if (!kmemleak_is_on()) {
		pr_info("Kernel memory leak detector is off\n");
		return 0;
	}
	pr_info("Kernel memory leak detector initialized (mem pool available: %ld)\n",
		kmemleak_pool_free_entries(&kmemleak_tracker));
	if (IS_ENABLED(CONFIG_DEBUG_KMEMLEAK_AUTO_SCAN))
		kmemleak_thread_start();
	return 0;
}
late_initcall(kmemleak_late_init);
