// SPDX-License-Identifier: GPL-2.0-only
/*
 * The benchmark module: makes a leak detector work, and reports how long that took. This
 * file has the commands and their results. The other files do the work.
 *
 *   kmemleak_bench/run      takes one command per write. The write returns when the
 *			     command is done.
 *	pair <size> <depth> <threads> <pairs>
 *	     [shared|private|paths|remote|hardirq|softirq]
 *				allocates and frees blocks, see pairs.c
 *	bulk <objects>, vmalloc <pairs>, percpu <pairs>
 *	populate <objects> <list|random|buffers|integers>
 *				allocates blocks and keeps them, see populate.c
 *	drop			frees the blocks of populate
 *	lose [<objects>]	allocates one block or more and loses them
 *	probe <0|1>		whether a scan also measures latencies, see probe.c
 *	quiet <ms>		measures the same latencies without a scan
 *	scan			makes one scan of the detector
 *   kmemleak_bench/result   results of the last command: `name value unit`
 */

#include <linux/ctype.h>
#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/seq_file.h>
#include <linux/sort.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "bench.h"

#define DETECTOR	"/sys/kernel/debug/kmemleak"
#define MAX_WORDS	8
#define MAX_COMMAND	96
#define MAX_RESULT	1024

/* Only one command runs at a time. The mutex also guards the result. */
static DEFINE_MUTEX(lock);
static char result[MAX_RESULT];
static size_t result_len;
static bool probing;
static struct dentry *folder;

/* Adds a line to the result of the running command. */
void bench_result(const char *name, const char *unit, const char *fmt, ...)
{
	char value[32];
	va_list args;

	va_start(args, fmt);
	vscnprintf(value, sizeof(value), fmt, args);
	va_end(args);
	result_len += scnprintf(result + result_len, sizeof(result) - result_len,
				"%s %s %s\n", name, value, unit);
}

static int compare(const void *left, const void *right)
{
	u64 a = *(const u64 *)left, b = *(const u64 *)right;

	return a < b ? -1 : a > b;
}

static void result_portion(const char *name, const char *suffix, u64 ns, u64 each)
{
	char full[32];
	u64 cents = div64_u64(ns * 100, each);

	scnprintf(full, sizeof(full), "%s%s", name, suffix);
	bench_result(full, "ns", "%llu.%02u", cents / 100, (unsigned int)(cents % 100));
}

/*
 * Reports the median and the best time of the portions after the first, for one of the
 * @per_portion things that a portion did.
 */
void bench_portions(const char *name, u64 *ns, unsigned int count, u64 per_portion)
{
	sort(ns + 1, count - 1, sizeof(*ns), compare, NULL);
	result_portion(name, "", ns[1 + (count - 1) / 2], per_portion);
	result_portion(name, "_best", ns[1], per_portion);
}

static int probe(unsigned int words, char **word)
{
	return words == 1 ? kstrtobool(word[0], &probing) : -EINVAL;
}

static const struct {
	const char *name;
	int (*run)(unsigned int words, char **word);
} commands[] = {
	{ "pair",	bench_pair },
	{ "bulk",	bench_bulk },
	{ "vmalloc",	bench_vmalloc },
	{ "percpu",	bench_percpu },
	{ "populate",	bench_populate },
	{ "drop",	bench_drop },
	{ "lose",	bench_lose },
	{ "probe",	probe },
	{ "quiet",	bench_quiet },
};

static int run_words(char *text)
{
	char *word[MAX_WORDS];
	unsigned int i, words = 0;

	text = strim(text);
	while (text && words < MAX_WORDS) {
		word[words] = strsep(&text, " ");
		if (*word[words])
			words++;
	}
	for (i = 0; words && i < ARRAY_SIZE(commands); i++)
		if (!strcmp(word[0], commands[i].name))
			return commands[i].run(words - 1, word + 1);
	return -EINVAL;
}

/*
 * A file of debugfs cannot be written from inside the kernel. So pass on the writer's own
 * buffer: the detector also has a command "scan".
 */
static int scan(const char __user *buf, size_t len)
{
	struct file *file = filp_open(DETECTOR, O_RDWR, 0);
	loff_t pos = 0;
	ssize_t done;
	u64 start;
	int err;

	if (IS_ERR(file))
		return PTR_ERR(file);
	err = probing ? bench_probe_start() : 0;
	if (!err) {
		start = ktime_get_ns();
		done = file->f_op->write(file, buf, len, &pos);
		start = ktime_get_ns() - start;
		bench_result("scan", "ns", "%llu", start);
		if (done < 0)
			err = done;
		if (probing)
			bench_probe_stop();
	}
	filp_close(file, NULL);
	return err;
}

static ssize_t run_write(struct file *file, const char __user *buf, size_t len, loff_t *pos)
{
	char text[MAX_COMMAND];
	int err;

	if (len >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, len))
		return -EFAULT;
	text[len] = '\0';
	if (mutex_lock_interruptible(&lock))
		return -EINTR;
	result_len = 0;
	result[0] = '\0';
	err = sysfs_streq(text, "scan") ? scan(buf, len) : run_words(text);
	mutex_unlock(&lock);
	return err ? err : len;
}

static const struct file_operations run_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = run_write,
	.llseek = noop_llseek,
};

static int result_show(struct seq_file *seq, void *v)
{
	mutex_lock(&lock);
	seq_puts(seq, result);
	mutex_unlock(&lock);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(result);

static int __init bench_init(void)
{
	folder = debugfs_create_dir("kmemleak_bench", NULL);
	if (IS_ERR(folder))
		return PTR_ERR(folder);
	debugfs_create_file("run", 0200, folder, NULL, &run_fops);
	debugfs_create_file("result", 0400, folder, NULL, &result_fops);
	return 0;
}
module_init(bench_init);

static void __exit bench_exit(void)
{
	debugfs_remove_recursive(folder);
	bench_drop(0, NULL);
}
module_exit(bench_exit);

MODULE_DESCRIPTION("Work whose cost a leak detector decides");
MODULE_LICENSE("GPL");
