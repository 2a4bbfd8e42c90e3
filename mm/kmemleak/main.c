// SPDX-License-Identifier: GPL-2.0-only
/*
 * The kernel's own tracker: its boot, its parameters and its end.
 */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/cpumask.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/kmemleak.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/stackdepot.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "glue.h"

struct kmemleak_tracker kmemleak_tracker;
DEFINE_STATIC_KEY_TRUE(kmemleak_key);
EXPORT_SYMBOL(kmemleak_key);
/* Scans, clear, on and off: one at a time. Inside debugfs.c's and thread.c's own. */
DEFINE_MUTEX(kmemleak_scan_mutex);

/* Entries for the time before the page allocator is up. */
static union kmemleak_entry reserve[CONFIG_DEBUG_KMEMLEAK_MEM_POOL_SIZE];

/* Written once, in early boot. */
bool kmemleak_pages_ready;
/* Written with kmemleak_scan_mutex held, while tracking is off. */
unsigned int kmemleak_era;

/* A MiB has 32 regions of 32 KiB, so about four regions share a shard. */
#define SHARDS_PER_MIB	8
#define MIN_SHARD_BITS	6
#define MAX_SHARD_BITS	16

/* ---------------------------------------------------------- parameters -- */

bool kmemleak_verbose = IS_ENABLED(CONFIG_DEBUG_KMEMLEAK_VERBOSE);
module_param_named(verbose, kmemleak_verbose, bool, 0600);
MODULE_PARM_DESC(verbose, "also print reports to the log");

unsigned int kmemleak_first_scan_secs = 60;
unsigned int kmemleak_scan_secs = 600;
int kmemleak_thread_nice = 10;
unsigned int kmemleak_rcu_wait_ms = 1000;

static unsigned int min_age_ms;
static unsigned int min_unref_scans = IS_ENABLED(CONFIG_DEBUG_KMEMLEAK_VERBOSE) ? 2 : 1;
static unsigned int rules = KMEMLEAK_ALL_RULES;
static unsigned int workers;
static unsigned int max_leaks;
static enum kmemleak_confirm confirm = KMEMLEAK_CONFIRM_STOP;
/* Nobody asked the thread to stop the machine. */
static enum kmemleak_confirm thread_confirm = KMEMLEAK_CONFIRM_RESCAN;

/* More do not pay where memory is what a mark waits for. */
#define AUTO_WORKERS	4

/* What records of leaks may take of all memory, if max_leaks does not say. */
#define AUTO_RECORDS	32

#define MAX_AGE_MS	(KMEMLEAK_MAX_SECS * MSEC_PER_SEC)
/* A suspend waits for the thread, and not much longer than this. */
#define MAX_RCU_WAIT_MS	(10 * MSEC_PER_SEC)
#define MAX_STOP_MS	(10 * MSEC_PER_SEC)

static int set_secs(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, KMEMLEAK_MAX_SECS);
}

static int set_age(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, MAX_AGE_MS);
}

static int set_rcu_wait(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, MAX_RCU_WAIT_MS);
}

static int set_stop_budget(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, MAX_STOP_MS);
}

static const char * const confirm_names[] = {
	[KMEMLEAK_CONFIRM_STOP] = "stop",
	[KMEMLEAK_CONFIRM_RESCAN] = "rescan",
	[KMEMLEAK_CONFIRM_OFF] = "off",
};

static int set_confirm(const char *val, const struct kernel_param *kp)
{
	int mode = sysfs_match_string(confirm_names, val);

	if (mode < 0)
		return mode;
	WRITE_ONCE(*(enum kmemleak_confirm *)kp->arg, mode);
	return 0;
}

static int get_confirm(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%s\n",
			  confirm_names[READ_ONCE(*(enum kmemleak_confirm *)kp->arg)]);
}

static int set_workers(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, KMEMLEAK_MAX_WORKERS);
}

static int set_leaks(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, INT_MAX);
}

static int set_rules(const char *val, const struct kernel_param *kp)
{
	return param_set_uint_minmax(val, kp, 0, KMEMLEAK_ALL_RULES);
}

static int set_nice(const char *val, const struct kernel_param *kp)
{
	int nice, ret = kstrtoint(val, 0, &nice);

	if (ret)
		return ret;
	if (nice < MIN_NICE || nice > MAX_NICE)
		return -EINVAL;
	return param_set_int(val, kp);
}

static const struct kernel_param_ops secs_ops = { .set = set_secs, .get = param_get_uint };
static const struct kernel_param_ops age_ops = { .set = set_age, .get = param_get_uint };
static const struct kernel_param_ops rcu_ops = { .set = set_rcu_wait, .get = param_get_uint };
static const struct kernel_param_ops confirm_ops = { .set = set_confirm, .get = get_confirm };
static const struct kernel_param_ops stop_ops = { .set = set_stop_budget, .get = param_get_uint };
static const struct kernel_param_ops rules_ops = { .set = set_rules, .get = param_get_uint };
static const struct kernel_param_ops leaks_ops = { .set = set_leaks, .get = param_get_uint };
static const struct kernel_param_ops workers_ops = { .set = set_workers, .get = param_get_uint };
static const struct kernel_param_ops nice_ops = { .set = set_nice, .get = param_get_int };

module_param_cb(first_scan_secs, &secs_ops, &kmemleak_first_scan_secs, 0600);
MODULE_PARM_DESC(first_scan_secs, "delay of the thread's first scan");
module_param_cb(scan_secs, &secs_ops, &kmemleak_scan_secs, 0600);
MODULE_PARM_DESC(scan_secs, "period of the thread's scans, 0: none");
module_param_cb(nice, &nice_ops, &kmemleak_thread_nice, 0600);
MODULE_PARM_DESC(nice, "nice value of the thread, from its next start on");
module_param_cb(rcu_wait_ms, &rcu_ops, &kmemleak_rcu_wait_ms, 0600);
MODULE_PARM_DESC(rcu_wait_ms, "longest wait of a scan for queued RCU callbacks, 0: none");
module_param_cb(confirm, &confirm_ops, &confirm, 0600);
MODULE_PARM_DESC(confirm, "how a written scan confirms suspects: stop, rescan or off");
module_param_cb(thread_confirm, &confirm_ops, &thread_confirm, 0600);
MODULE_PARM_DESC(thread_confirm, "how the thread's scans do: stop, rescan or off");
module_param_cb(stop_budget_ms, &stop_ops, &kmemleak_stop_budget_ms, 0600);
MODULE_PARM_DESC(stop_budget_ms, "longest time that a scan may stop the machine for");
module_param_cb(min_age_ms, &age_ops, &min_age_ms, 0600);
MODULE_PARM_DESC(min_age_ms, "report nothing younger than this");
module_param(min_unref_scans, uint, 0600);
MODULE_PARM_DESC(min_unref_scans, "report what that many scans in a row found unreferenced");
module_param_cb(workers, &workers_ops, &workers, 0600);
MODULE_PARM_DESC(workers, "CPUs that a scan marks on, 0: all that are online, at most 4");
module_param_cb(max_leaks, &leaks_ops, &max_leaks, 0600);
MODULE_PARM_DESC(max_leaks, "reports kept of one scan, 0: as many as memory allows");
module_param_cb(rules, &rules_ops, &rules, 0600);
MODULE_PARM_DESC(rules, "bit mask of verdict rules in force");

static unsigned long auto_max_leaks(void)
{
	return totalram_pages() / AUTO_RECORDS * (PAGE_SIZE / sizeof(struct kmemleak_leak)) + 1;
}

/**
 * kmemleak_read_options() - the options of one episode
 *
 * Context: in the task that scans.
 * Return: a copy, so that a parameter written meanwhile changes the next one.
 */
struct kmemleak_options kmemleak_read_options(void)
{
	struct kmemleak_options opt = kmemleak_tracker.options;

	opt.scan_stacks = READ_ONCE(kmemleak_tracker.options.scan_stacks);
	opt.rules = READ_ONCE(rules);
	opt.min_age = msecs_to_jiffies(READ_ONCE(min_age_ms));
	opt.min_unref_scans = READ_ONCE(min_unref_scans);
	opt.confirm = kmemleak_thread_is_current() ? READ_ONCE(thread_confirm) :
						     READ_ONCE(confirm);
	opt.workers = READ_ONCE(workers) ?: min_t(unsigned int, num_online_cpus(), AUTO_WORKERS);
	opt.max_leaks = READ_ONCE(max_leaks) ?: auto_max_leaks();
	return opt;
}

/* ---------------------------------------------------------------- boot -- */

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
	/* The depot is set up early only for those who ask in time. */
	if (!want_off)
		stack_depot_request_early_init();
	return 0;
}
early_param("kmemleak", parse_boot_option);

/**
 * kmemleak_early_setup() - make the tracker on the first call of a hook
 *
 * The first block is allocated long before any initcall, on one CPU.
 *
 * Return: true the first time, under rcu_read_lock(); then false.
 */
bool kmemleak_early_setup(void)
{
	if (likely(kmemleak_tracker.ops))
		return false;
	kmemleak_memory_setup(&kmemleak_tracker);
	kmemleak_tracker_setup(&kmemleak_tracker, &kmemleak_kernel_ops, reserve,
			       ARRAY_SIZE(reserve));
	rcu_read_lock();
	return true;
}

static unsigned int shard_bits(void)
{
	unsigned long mib = totalram_pages() >> (20 - PAGE_SHIFT);
	unsigned int bits = ilog2(max(mib * SHARDS_PER_MIB, 1UL));

	return clamp_t(unsigned int, bits, MIN_SHARD_BITS, MAX_SHARD_BITS);
}

static const char *what_is_missing(const struct kmemleak_tracker *t)
{
	if (t->index.order < 0)
		return "the index";
	if (!t->pool.caches)
		return "lists of free records";
	return t->nr_names ? "notes of opaque blocks" : "the table of task names";
}

/* Return: 0, or -ENOMEM; then it tracks with what could be had, and the log says so. */
static int start_tracker(void)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	unsigned int bits = shard_bits();
	int ret = kmemleak_tracker_start(t, bits, nr_cpu_ids);

	if (ret)
		pr_warn("no memory for %s\n", what_is_missing(t));
	if (t->index.bits < bits)
		pr_warn("memory is in pieces: the index has %lu shards in place of %lu, which takes time\n",
			BIT(t->index.bits), BIT(bits));
	return ret;
}

void __init kmemleak_init(void)
{
	kmemleak_pages_ready = true;
	/* No block before this one, unless memblock has no hooks on this arch. */
	if (kmemleak_early_setup())
		rcu_read_unlock();
	kmemleak_tend_keep();
	if (want_off) {
		static_branch_disable(&kmemleak_key);
		kmemleak_tracker_disable(&kmemleak_tracker);
		kmemleak_tracker_reset(&kmemleak_tracker);
		return;
	}
	kmemleak_trace_start();
	/* Less of it is better than none. */
	start_tracker();
	kmemleak_memory_start(&kmemleak_tracker, reserve, sizeof(reserve));
}

static int __init kmemleak_late_init(void)
{
	kmemleak_rcu_start();
	kmemleak_debugfs_init();
	kmemleak_workers_start();
	kmemleak_modules_start();
	kmemleak_tend_start();
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

/* ----------------------------------------------------------------- end -- */

bool kmemleak_is_on(void)
{
	return READ_ONCE(kmemleak_tracker.enabled);
}

/**
 * kmemleak_turn_off() - track no more; metadata and published leaks stay
 *
 * When this returns, no hook works on the metadata any more.
 */
void kmemleak_turn_off(void)
{
	lockdep_assert_held(&kmemleak_scan_mutex);
	kmemleak_tracker_disable(&kmemleak_tracker);
	static_branch_disable(&kmemleak_key);
	/* Pairs with the read side of enter() in hooks.c. */
	synchronize_rcu();
	kmemleak_old_forget();
	pr_info("Kernel memory leak detector disabled\n");
}

/**
 * kmemleak_give_back() - after turning off: forget all, return the memory
 */
void kmemleak_give_back(void)
{
	lockdep_assert_held(&kmemleak_scan_mutex);
	if (WARN_ON_ONCE(kmemleak_is_on()) || !kmemleak_tracker.ops)
		return;
	/* Tracking may have failed a moment ago, without kmemleak_turn_off(). */
	static_branch_disable(&kmemleak_key);
	synchronize_rcu();
	kmemleak_scan_clear();
	WRITE_ONCE(kmemleak_era, kmemleak_era + 1);
	kmemleak_tracker_reset(&kmemleak_tracker);
	kmemleak_old_forget();
}

/**
 * kmemleak_turn_on() - track from now on
 *
 * What an earlier time of tracking has left is forgotten. All that was allocated
 * before is a root.
 *
 * Return: 0, also if it is on; -EBUSY if it was turned off by an error; -ENOMEM;
 * -EOPNOTSUPP if this kernel cannot tell what is there; -EINTR if the task is to end;
 * -ECANCELED if somebody turns tracking off. The log says what is missing.
 */
int kmemleak_turn_on(void)
{
	int ret;

	lockdep_assert_held(&kmemleak_scan_mutex);
	if (kmemleak_is_on())
		return 0;
	if (READ_ONCE(kmemleak_tracker.failed)) {
		pr_warn("cannot turn on: an error turned it off: %s\n",
			READ_ONCE(kmemleak_tracker.failed));
		return -EBUSY;
	}
	ret = kmemleak_old_check();
	if (ret)
		return ret;
	kmemleak_give_back();
	kmemleak_trace_start();
	ret = start_tracker();
	if (ret) {
		pr_warn("cannot turn on: no memory for what tracking takes\n");
		kmemleak_give_back();
		return ret;
	}
	kmemleak_old_begin();
	/* Sites are patched one by one, but what counts is that it is enabled. */
	static_branch_enable(&kmemleak_key);
	/* Pairs with enter() in hooks.c: who sees it enabled sees all of that. */
	synchronize_rcu();
	kmemleak_tracker_enable(&kmemleak_tracker);
	kmemleak_memory_start(&kmemleak_tracker, reserve, sizeof(reserve));
	/* Now that new blocks are tracked: who was faster has an old one. */
	ret = kmemleak_old_take();
	if (ret == -ENOMEM)
		pr_warn("cannot turn on: no memory to note what is there\n");
	else if (READ_ONCE(kmemleak_tracker.failed))
		ret = -EBUSY;
	/* Nobody shall try again by himself: it would be on after "off". */
	else if (ret == -EINTR && kmemleak_off_waits())
		ret = -ECANCELED;
	if (ret) {
		kmemleak_turn_off();
		kmemleak_give_back();
		return ret;
	}
	pr_info("Kernel memory leak detector enabled\n");
	return 0;
}
