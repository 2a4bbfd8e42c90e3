// SPDX-License-Identifier: GPL-2.0-only
/*
 * The files of the detector in debugfs: kmemleak shows the published leaks and takes
 * commands, kmemleak_stats shows counters. report.c formats reports, core/command.c parses
 * commands.
 */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/compiler.h>
#include <linux/debugfs.h>
#include <linux/errno.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/signal.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/uaccess.h>

#include "cancel.h"
#include "control.h"
#include "core/command.h"
#include "core/leak_set.h"
#include "debugfs.h"
#include "params.h"
#include "publish.h"
#include "rcu.h"
#include "report.h"
#include "scan.h"
#include "state.h"
#include "thread.h"

/*
 * Commands run one at a time. This lock is taken before thread_lock and kmemleak_scan_mutex. A
 * command takes kmemleak_scan_mutex only where it needs it: a command that stops the thread
 * must not wait for the thread's scan.
 */
static DEFINE_MUTEX(command_lock);

/* ------------------------------------------------------------- reading -- */

/* Room for any report of ordinary length, so that seq_read() need not replace the buffer. */
#define BUF_SIZE	SZ_16K

/**
 * struct reader - an open file
 * @set: the leaks that the file shows, or NULL; changes only when a read begins at position 0
 * @next: the leak to show next, or the list's head after the last leak
 * @index: number of @next
 * @texts: texts of the traces that were shown before
 *
 * Guarded by the lock of the seq_file.
 */
struct reader {
	struct kmemleak_published *set;
	struct list_head *next;
	loff_t index;
	struct kmemleak_texts texts;
};

static void put_reader_set(struct reader *reader)
{
	if (reader->set)
		kmemleak_published_put(reader->set);
	reader->set = NULL;
}

static void *current_leak(struct reader *reader)
{
	if (reader->next == &reader->set->leaks.list)
		return NULL;
	return list_entry(reader->next, struct kmemleak_leak, list);
}

static void advance_reader(struct reader *reader)
{
	reader->next = reader->next->next;
	reader->index++;
}

/* Position 0 begins anew. Any other position is nearly always where the last read ended. */
static void *leaks_start(struct seq_file *m, loff_t *pos)
{
	struct reader *reader = m->private;

	if (!*pos) {
		put_reader_set(reader);
		reader->set = kmemleak_published_get();
	}
	if (!reader->set)
		return NULL;
	if (!*pos || *pos < reader->index) {
		reader->next = reader->set->leaks.list.next;
		reader->index = 0;
	}
	while (reader->index < *pos && current_leak(reader)) {
		advance_reader(reader);
		cond_resched_tasks_rcu_qs();
	}
	return current_leak(reader);
}

static void *leaks_next(struct seq_file *m, void *v, loff_t *pos)
{
	struct reader *reader = m->private;

	/* seq_read() does not return to user space during a long run of skipped leaks. */
	cond_resched_tasks_rcu_qs();
	advance_reader(reader);
	*pos = reader->index;
	return current_leak(reader);
}

static void leaks_stop(struct seq_file *m, void *v)
{
}

/*
 * While blocks are tracked, objects tell which leaks were freed since the scan. The objects
 * are released a grace period after tracking ends, and tracking begins again after another
 * grace period. So a reader that sees tracking on sees the new generation as well.
 */
static bool was_freed(const struct reader *reader, const struct kmemleak_leak *leak)
{
	bool freed;

	rcu_read_lock();
	freed = kmemleak_is_on() && reader->set->generation == READ_ONCE(kmemleak_generation) &&
		!kmemleak_leak_set_is_alive(&kmemleak_tracker, leak);
	rcu_read_unlock();
	return freed;
}

static int leaks_show(struct seq_file *m, void *v)
{
	struct reader *reader = m->private;

	if (was_freed(reader, v))
		return SEQ_SKIP;
	kmemleak_report_leak(m, v, &reader->texts);
	return 0;
}

static const struct seq_operations leaks_seq_ops = {
	.start = leaks_start,
	.next = leaks_next,
	.stop = leaks_stop,
	.show = leaks_show,
};

/*
 * seq_read() would allocate a buffer that is not zeroed. While the file is open, words that an
 * earlier owner left in the buffer would count as references.
 */
static int leaks_open(struct inode *inode, struct file *file)
{
	struct reader *reader;
	struct seq_file *m;
	char *buf;
	int ret;

	buf = kvzalloc(BUF_SIZE, GFP_KERNEL);
	if (!buf)
		return -ENOMEM;
	ret = seq_open_private(file, &leaks_seq_ops, sizeof(*reader));
	if (ret) {
		kvfree(buf);
		return ret;
	}
	m = file->private_data;
	reader = m->private;
	kmemleak_texts_init(&reader->texts);
	m->buf = buf;
	m->size = BUF_SIZE;
	return 0;
}

static int leaks_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;
	struct reader *reader = m->private;

	put_reader_set(reader);
	kmemleak_texts_free(&reader->texts);
	return seq_release_private(inode, file);
}

/*
 * seq_read() returns at most the contents of one buffer per call. But some readers call once,
 * with a large buffer, and take the result for the whole file.
 */
static ssize_t leaks_read(struct file *file, char __user *buf, size_t size, loff_t *ppos)
{
	ssize_t ret, done = 0;

	do {
		ret = seq_read(file, buf + done, size - done, ppos);
		if (ret > 0)
			done += ret;
	} while (ret > 0 && done < size && !signal_pending(current));

	return done ?: ret;
}

/* ------------------------------------------------------------- writing -- */

static void explain_disabled(void)
{
	const char *why = READ_ONCE(kmemleak_tracker.failed);

	if (why)
		pr_notice_once("Turned off by an error (%s), writes fail; to turn it on, boot with kmemleak=on\n",
			       why);
	else
		pr_notice_once("Turned off, writes fail; to turn it on, write on\n");
}

static int check_enabled(void)
{
	if (kmemleak_is_on())
		return 0;
	explain_disabled();
	return -EPERM;
}

/*
 * A signal ends the wait. A suspend looks like a signal without a handler: the write is
 * restarted after the suspend.
 */
static int lock_interruptible(struct mutex *mutex)
{
	return mutex_lock_interruptible(mutex) ? -ERESTARTNOHAND : 0;
}

/*
 * If a suspend cut the work short, the write is restarted after the suspend. If "off" did, the
 * restarted write finds tracking off and fails.
 */
static int restart_after_suspend(int ret)
{
	return ret == -EINTR && !fatal_signal_pending(current) ? restart_syscall() : ret;
}

static int run_scan(void)
{
	int ret = lock_interruptible(&kmemleak_scan_mutex);

	if (ret)
		return ret;
	/* An error may have turned tracking off meanwhile. */
	ret = check_enabled() ?: kmemleak_scan();
	mutex_unlock(&kmemleak_scan_mutex);
	return restart_after_suspend(ret);
}

static int run_clear(void)
{
	int ret = lock_interruptible(&kmemleak_scan_mutex);

	if (ret)
		return ret;
	if (kmemleak_is_on())
		kmemleak_scan_clear();
	else
		kmemleak_release_metadata();
	mutex_unlock(&kmemleak_scan_mutex);
	return 0;
}

static int run_on(void)
{
	bool was_on;
	int ret = lock_interruptible(&kmemleak_scan_mutex);

	if (ret)
		return ret;
	was_on = kmemleak_is_on();
	ret = kmemleak_turn_on();
	mutex_unlock(&kmemleak_scan_mutex);
	if (ret || was_on || !IS_ENABLED(CONFIG_DEBUG_KMEMLEAK_AUTO_SCAN))
		return restart_after_suspend(ret);
	/* If the thread cannot start, tracking is on all the same. */
	kmemleak_thread_start();
	return 0;
}

/* Stop the thread first: that ends the thread's scan, so the mutex is soon free. */
static int run_off(void)
{
	kmemleak_thread_stop();
	if (mutex_lock_killable(&kmemleak_scan_mutex))
		return -EINTR;
	kmemleak_turn_off();
	mutex_unlock(&kmemleak_scan_mutex);
	return 0;
}

/* A new period takes effect at once. 0 keeps the last period for a later scan=on. */
static int set_scan_period(unsigned int secs)
{
	kmemleak_thread_stop();
	if (!secs)
		return 0;
	WRITE_ONCE(kmemleak_scan_secs, secs);
	return kmemleak_thread_start();
}

static int run_command(enum kmemleak_command cmd, unsigned long arg)
{
	switch (cmd) {
	case KMEMLEAK_CMD_SCAN:
		return run_scan();
	case KMEMLEAK_CMD_CLEAR:
		return run_clear();
	case KMEMLEAK_CMD_OFF:
		return run_off();
	case KMEMLEAK_CMD_ON:
		return run_on();
	case KMEMLEAK_CMD_DUMP:
		return kmemleak_report_object(arg);
	case KMEMLEAK_CMD_STACK_ON:
		kmemleak_set_root(KMEMLEAK_ROOT_STACKS, true);
		return 0;
	case KMEMLEAK_CMD_STACK_OFF:
		kmemleak_set_root(KMEMLEAK_ROOT_STACKS, false);
		return 0;
	case KMEMLEAK_CMD_SCAN_ON:
		return kmemleak_thread_start();
	case KMEMLEAK_CMD_SCAN_OFF:
		kmemleak_thread_stop();
		return 0;
	case KMEMLEAK_CMD_SCAN_SECS:
		return set_scan_period(min_t(unsigned long, arg, KMEMLEAK_MAX_SECS));
	}
	return -EINVAL;
}

/* "off" does not wait until a scan or "on" has finished: it makes them end early. */
static int wait_for_turn(enum kmemleak_command cmd)
{
	int ret;

	if (cmd != KMEMLEAK_CMD_OFF)
		return lock_interruptible(&command_lock);
	kmemleak_cancel_off_begin();
	/* A scan that waits for RCU callbacks checks again. */
	kmemleak_rcu_wake();
	ret = lock_interruptible(&command_lock);
	kmemleak_cancel_off_end();
	return ret;
}

/*
 * A write is exactly one command, never a part of a command, never two. It does not move the
 * position, which belongs to the reports: the next read from the same open file continues
 * where the last read ended, or at the beginning after a seek.
 *
 * Return: @size; -EFAULT; -EPERM if the detector is off, for all writes but clear and on;
 * -EINVAL or -ERANGE from the parser, -EINVAL also if the write is empty or too long; -EINTR
 * if a signal came while the command waited for another command or a scan; or the error of
 * the command.
 */
static ssize_t leaks_write(struct file *file, const char __user *buf, size_t size, loff_t *ppos)
{
	enum kmemleak_command cmd = KMEMLEAK_CMD_SCAN;
	char text[KMEMLEAK_CMD_MAX];
	unsigned long arg = 0;
	int ret = -EINVAL;

	if (size < sizeof(text)) {
		if (copy_from_user(text, buf, size))
			return -EFAULT;
		ret = kmemleak_command_parse(text, size, &cmd, &arg);
	}
	/* There is no command to run, so do not wait. */
	if (ret)
		return check_enabled() ?: ret;

	ret = wait_for_turn(cmd);
	if (ret)
		return ret;
	if (cmd != KMEMLEAK_CMD_CLEAR && cmd != KMEMLEAK_CMD_ON)
		ret = check_enabled();
	if (!ret)
		ret = run_command(cmd, arg);
	mutex_unlock(&command_lock);
	return ret ?: size;
}

static const struct file_operations leaks_fops = {
	.owner = THIS_MODULE,
	.open = leaks_open,
	.read = leaks_read,
	.write = leaks_write,
	.llseek = seq_lseek,
	.release = leaks_release,
};

static int kmemleak_stats_show(struct seq_file *m, void *v)
{
	return kmemleak_report_stats(m);
}
DEFINE_SHOW_ATTRIBUTE(kmemleak_stats);

/**
 * kmemleak_debugfs_init() - create the files
 *
 * Context: process, once, when the tracker is set up.
 */
void kmemleak_debugfs_init(void)
{
	debugfs_create_file("kmemleak", 0644, NULL, NULL, &leaks_fops);
	debugfs_create_file("kmemleak_stats", 0444, NULL, NULL, &kmemleak_stats_fops);
}
