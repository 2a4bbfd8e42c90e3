// SPDX-License-Identifier: GPL-2.0-only
/* Module parameters, and the options of a scan that come from them. */
#include <linux/cpumask.h>
#include <linux/jiffies.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/nmi.h>
#include <linux/sched/prio.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include "cancel.h"
#include "core/command.h"
#include "core/leak_set.h"
#include "core/mark.h"
#include "params.h"
#include "state.h"

bool kmemleak_verbose = IS_ENABLED(CONFIG_DEBUG_KMEMLEAK_VERBOSE);
module_param_named(verbose, kmemleak_verbose, bool, 0600);
MODULE_PARM_DESC(verbose, "also print reports to the log");

/* -------------------------------------------------------------- numbers -- */

struct uint_param {
	unsigned int *value;
	unsigned int max;
};

static int set_uint(const char *val, const struct kernel_param *kp)
{
	const struct uint_param *param = kp->arg;
	unsigned int value;
	int ret = kstrtouint(val, 0, &value);

	if (ret)
		return ret;
	if (value > param->max)
		return -EINVAL;
	WRITE_ONCE(*param->value, value);
	return 0;
}

static int get_uint(char *buffer, const struct kernel_param *kp)
{
	const struct uint_param *param = kp->arg;

	return sysfs_emit(buffer, "%u\n", READ_ONCE(*param->value));
}

static const struct kernel_param_ops uint_ops = { .set = set_uint, .get = get_uint };

/* A number from 0 to @limit. */
#define UINT_PARAM(name, var, limit, text)					\
	static struct uint_param name##_param = { &(var), limit };		\
	module_param_cb(name, &uint_ops, &name##_param, 0600);			\
	MODULE_PARM_DESC(name, text)

#define MAX_AGE_MS	(KMEMLEAK_MAX_SECS * MSEC_PER_SEC)
/* The scan holds kmemleak_scan_mutex meanwhile, and "clear" and "on" wait for it. */
#define MAX_RCU_WAIT_MS	(10 * MSEC_PER_SEC)
/* kmemleak_stop_limit_ns() keeps a stop below the timeouts of the watchdogs. */
#define MAX_STOP_MS	(10 * MSEC_PER_SEC)

unsigned int kmemleak_first_scan_secs = 60;
unsigned int kmemleak_scan_secs = 600;
unsigned int kmemleak_rcu_wait_ms = 1000;
unsigned int kmemleak_stop_budget_ms = 300;
static unsigned int min_age_ms;
static unsigned int min_unref_scans = IS_ENABLED(CONFIG_DEBUG_KMEMLEAK_VERBOSE) ? 2 : 1;
static unsigned int workers;
static unsigned int max_leaks;
static unsigned int rules = KMEMLEAK_ALL_RULES;
static unsigned int roots = KMEMLEAK_ALL_ROOTS;

UINT_PARAM(first_scan_secs, kmemleak_first_scan_secs, KMEMLEAK_MAX_SECS,
	   "delay of the thread's first scan");
UINT_PARAM(scan_secs, kmemleak_scan_secs, KMEMLEAK_MAX_SECS,
	   "period of the thread's scans, 0: none");
UINT_PARAM(rcu_wait_ms, kmemleak_rcu_wait_ms, MAX_RCU_WAIT_MS,
	   "longest wait of a scan for queued RCU callbacks, 0: none");
UINT_PARAM(stop_budget_ms, kmemleak_stop_budget_ms, MAX_STOP_MS,
	   "longest time that a scan may stop all CPUs");
UINT_PARAM(min_age_ms, min_age_ms, MAX_AGE_MS, "report nothing younger than this");
UINT_PARAM(min_unref_scans, min_unref_scans, UINT_MAX,
	   "report what that many scans in a row found unreferenced");
UINT_PARAM(workers, workers, KMEMLEAK_MAX_WORKERS,
	   "CPUs that a scan marks on, 0: all that are online, at most 4");
UINT_PARAM(max_leaks, max_leaks, INT_MAX,
	   "reports kept of one scan, 0: as many as memory allows");
UINT_PARAM(rules, rules, KMEMLEAK_ALL_RULES, "bit mask of rules in force");
UINT_PARAM(roots, roots, KMEMLEAK_ALL_ROOTS, "bit mask of roots in force");

/* --------------------------------------------------------- other kinds -- */

int kmemleak_thread_nice = 10;

static int set_nice(const char *val, const struct kernel_param *kp)
{
	int nice, ret = kstrtoint(val, 0, &nice);

	if (ret)
		return ret;
	if (nice < MIN_NICE || nice > MAX_NICE)
		return -EINVAL;
	WRITE_ONCE(kmemleak_thread_nice, nice);
	return 0;
}

static const struct kernel_param_ops nice_ops = { .set = set_nice, .get = param_get_int };

module_param_cb(nice, &nice_ops, &kmemleak_thread_nice, 0600);
MODULE_PARM_DESC(nice, "nice value of the thread, from its next start on");

static enum kmemleak_confirm confirm = KMEMLEAK_CONFIRM_STOP;
/* Nobody asked the thread to stop all CPUs. */
static enum kmemleak_confirm thread_confirm = KMEMLEAK_CONFIRM_RESCAN;

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

static const struct kernel_param_ops confirm_ops = { .set = set_confirm, .get = get_confirm };

module_param_cb(confirm, &confirm_ops, &confirm, 0600);
MODULE_PARM_DESC(confirm, "how a written scan confirms suspects: stop, rescan or off");
module_param_cb(thread_confirm, &confirm_ops, &thread_confirm, 0600);
MODULE_PARM_DESC(thread_confirm, "how the thread's scans do: stop, rescan or off");

/* -------------------------------------------------------------- options -- */

/* More workers do not help, because a mark mostly waits for memory. */
#define AUTO_WORKERS	4

/* If max_leaks is 0, leak records may take 1 / AUTO_RECORDS of all memory. */
#define AUTO_RECORDS	32

static unsigned long auto_max_leaks(void)
{
	return totalram_pages() / AUTO_RECORDS * (PAGE_SIZE / sizeof(struct kmemleak_leak)) + 1;
}

/**
 * kmemleak_set_root() - turn a root on or off, as the parameter "roots" does
 * @root: the root
 * @on: true: scans use it from the next one on
 *
 * Context: process.
 */
void kmemleak_set_root(enum kmemleak_root root, bool on)
{
	kernel_param_lock(THIS_MODULE);
	WRITE_ONCE(roots, on ? roots | BIT(root) : roots & ~BIT(root));
	kernel_param_unlock(THIS_MODULE);
}

/**
 * kmemleak_read_options() - the options of one scan
 *
 * Context: in the task that scans.
 * Return: a copy. A parameter that is written meanwhile changes the next scan.
 */
struct kmemleak_options kmemleak_read_options(void)
{
	struct kmemleak_options opt = { };

	opt.rules = READ_ONCE(rules);
	opt.roots = READ_ONCE(roots);
	opt.min_age = msecs_to_jiffies(READ_ONCE(min_age_ms));
	opt.min_unref_scans = READ_ONCE(min_unref_scans);
	opt.confirm = kmemleak_cancel_is_thread() ? READ_ONCE(thread_confirm) :
						    READ_ONCE(confirm);
	opt.workers = READ_ONCE(workers) ?: min_t(unsigned int, num_online_cpus(), AUTO_WORKERS);
	opt.max_leaks = READ_ONCE(max_leaks) ?: auto_max_leaks();
	return opt;
}

/**
 * kmemleak_stop_limit_ns() - longest time that all CPUs may be stopped
 *
 * Return: stop_budget_ms in nanoseconds, but at most half of watchdog_thresh and of the
 * timeouts for RCU stalls that the kernel was built with.
 */
u64 kmemleak_stop_limit_ns(void)
{
	unsigned int ms = READ_ONCE(kmemleak_stop_budget_ms);

#ifdef CONFIG_LOCKUP_DETECTOR
	if (watchdog_thresh > 0)
		ms = min_t(unsigned int, ms, watchdog_thresh * MSEC_PER_SEC / 2);
#endif
#ifdef CONFIG_RCU_CPU_STALL_TIMEOUT
	ms = min_t(unsigned int, ms, CONFIG_RCU_CPU_STALL_TIMEOUT * MSEC_PER_SEC / 2);
#endif
#if defined(CONFIG_RCU_EXP_CPU_STALL_TIMEOUT) && CONFIG_RCU_EXP_CPU_STALL_TIMEOUT > 0
	ms = min_t(unsigned int, ms, CONFIG_RCU_EXP_CPU_STALL_TIMEOUT / 2);
#endif
	return (u64)ms * NSEC_PER_MSEC;
}
