// SPDX-License-Identifier: GPL-2.0-only
/*
 * The text of reports: the only file that formats. What it prints of a leak is
 * read by scripts that are older than this file, so that format is fixed; a
 * further fact goes to the statistics or on a line of its own that no parser
 * can take for a frame. Nothing is printed with a lock held.
 */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/jiffies.h>
#include <linux/kallsyms.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/printk.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/stackdepot.h>
#include <linux/string.h>
#include <linux/xarray.h>

#include "glue.h"

#define ROW_LEN		16

/* Names of struct kmemleak_object::flags that are single bits. */
static const struct {
	u16 flag;
	const char *name;
} flag_names[] = {
	{ KMEMLEAK_LIVE,	"live" },
	{ KMEMLEAK_IGNORE,	"ignored" },
	{ KMEMLEAK_NO_SCAN,	"no_scan" },
	{ KMEMLEAK_AREAS,	"scan_areas" },
	{ KMEMLEAK_ALIAS,	"alias" },
	{ KMEMLEAK_FULL_SCAN,	"full_scan" },
	{ KMEMLEAK_WIDE,	"wide" },
	{ KMEMLEAK_REPORTED,	"reported" },
	{ KMEMLEAK_TRANSIENT,	"transient" },
	{ KMEMLEAK_OVERLAPPED,	"overlapped" },
	{ KMEMLEAK_PASSED,	"passed" },
	{ KMEMLEAK_CONFIRMED,	"confirmed" },
};

/* To @m, or to the log if it is NULL. */
static __printf(2, 3) void emit(struct seq_file *m, const char *fmt, ...)
{
	struct va_format vaf = { .fmt = fmt };
	va_list args;

	va_start(args, fmt);
	vaf.va = &args;
	if (m)
		seq_vprintf(m, fmt, args);
	else
		pr_warn("%pV", &vaf);
	va_end(args);
}

/*
 * Only the low half of the time of birth is kept: right for whatever is younger
 * than 2^32 jiffies, which is 49 days or more.
 */
static unsigned long born_jiffies(u32 born)
{
	unsigned long now = jiffies;

	return now - ((u32)now - born);
}

/* A task chooses its name: what is not printable could forge a line. */
static void emit_origin(struct seq_file *m, u16 flags, const char *comm, s32 pid, u32 born)
{
	switch ((flags & KMEMLEAK_CTX_MASK) >> KMEMLEAK_CTX_SHIFT) {
	case KMEMLEAK_HARDIRQ:
		comm = "hardirq";
		pid = 0;
		break;
	case KMEMLEAK_SOFTIRQ:
		comm = "softirq";
		pid = 0;
		break;
	}
	emit(m, "  comm \"%*pE\", pid %d, jiffies %lu\n",
	     (int)strnlen(comm, KMEMLEAK_COMM_LEN), comm, pid, born_jiffies(born));
}

static void emit_dump(struct seq_file *m, const struct kmemleak_leak *leak, bool percpu)
{
	/* Two digits and a blank each, a blank, the characters, NUL. */
	char row[ROW_LEN * 3 + 1 + ROW_LEN + 1];
	size_t at, len = min_t(size_t, leak->dump_len, sizeof(leak->dump));

	if (!len)
		return;
	emit(m, "  hex dump (first %zu bytes%s):\n", len, percpu ? " on cpu 0" : "");
	for (at = 0; at < len; at += ROW_LEN) {
		hex_dump_to_buffer(leak->dump + at, len - at, ROW_LEN, 1, row, sizeof(row), true);
		emit(m, "    %s\n", row);
	}
}

/* What the caller asked for; of a large block it is known roughly. */
static void emit_requested(struct seq_file *m, size_t size, size_t requested)
{
	if (requested != size)
		emit(m, "  requested %s%zu bytes\n",
		     size - requested < KMEMLEAK_SLACK_EXACT ? "" : "at most ", requested);
}

/* Only of leaks that have to do with others. */
static void emit_place(struct seq_file *m, const struct kmemleak_leak *leak)
{
	if (!leak->root)
		emit(m, "  reached from other lost blocks\n");
	else if (leak->below)
		emit(m, "  root of a lost structure: %lu more blocks, %lu bytes\n", leak->below,
		     leak->below_bytes);
}

static void emit_frame(struct seq_file *m, const struct kmemleak_birth *birth, unsigned long addr)
{
	char name[KSYM_SYMBOL_LEN];

	if (!core_kernel_text(addr) && kmemleak_modules_name(birth, addr, name, sizeof(name)))
		emit(m, "    %s\n", name);
	else
		emit(m, "    %pS\n", (void *)addr);
}

static void emit_trace(struct seq_file *m, const struct kmemleak_birth *birth, u32 trace)
{
	unsigned long *entries;
	unsigned int i, nr;

	nr = stack_depot_fetch(trace, &entries);
	for (i = 0; i < nr; i++)
		emit_frame(m, birth, entries[i]);
}

/**
 * struct text - a trace as it was printed
 * @era: of modules, for which it is right; 0: for all
 * @len: bytes
 * @text: the lines
 */
struct text {
	unsigned long era;
	size_t len;
	char text[];
};

/* Then all are forgotten; traces of blocks that were allocated together are alike. */
#define MAX_TEXTS	SZ_1M

/**
 * kmemleak_texts_init() - no trace has been printed yet
 * @texts: any memory
 *
 * Looking up names takes most of the time of a read, and most traces of many leaks are
 * the same few.
 */
void kmemleak_texts_init(struct kmemleak_texts *texts)
{
	xa_init(&texts->by_trace);
	texts->bytes = 0;
}

/**
 * kmemleak_texts_free() - forget what was printed
 * @texts: empty afterwards
 *
 * Context: process, may sleep.
 */
void kmemleak_texts_free(struct kmemleak_texts *texts)
{
	unsigned long trace;
	struct text *text;

	xa_for_each(&texts->by_trace, trace, text) {
		kfree(text);
		cond_resched_tasks_rcu_qs();
	}
	xa_destroy(&texts->by_trace);
	texts->bytes = 0;
}

/* Return: whether what a trace is called depends on when the block was allocated. */
static bool has_modules(u32 trace)
{
	unsigned long *entries;
	unsigned int i, nr;

	nr = stack_depot_fetch(trace, &entries);
	for (i = 0; i < nr; i++)
		if (!core_kernel_text(entries[i]))
			return true;
	return false;
}

/* Remembers what was printed to @m since there were @before bytes. */
static void learn_text(struct seq_file *m, struct kmemleak_texts *texts, u32 trace, size_t before,
		       unsigned long era)
{
	size_t len = m->count - before;
	struct text *text, *old;

	if (seq_has_overflowed(m))
		return;
	if (texts->bytes + len > MAX_TEXTS)
		kmemleak_texts_free(texts);
	/* All zeroed, for an open file's memory is scanned to the last byte. */
	text = kzalloc(sizeof(*text) + len, KMEMLEAK_GFP);
	if (!text)
		return;
	text->era = era;
	text->len = len;
	memcpy(text->text, m->buf + before, len);
	old = xa_store(&texts->by_trace, trace, text, KMEMLEAK_GFP);
	if (xa_is_err(old)) {
		kfree(text);
		return;
	}
	texts->bytes += len;
	if (old)
		texts->bytes -= old->len;
	kfree(old);
}

static void emit_known_trace(struct seq_file *m, struct kmemleak_texts *texts,
			     const struct kmemleak_birth *birth, u32 trace)
{
	struct text *text = xa_load(&texts->by_trace, trace);
	size_t before = m->count;
	unsigned long era = 0;
	bool modules;

	if (text && !text->era) {
		seq_write(m, text->text, text->len);
		return;
	}
	modules = has_modules(trace);
	if (modules)
		era = kmemleak_modules_era(birth);
	if (text && era && text->era == era) {
		seq_write(m, text->text, text->len);
		return;
	}
	emit_trace(m, birth, trace);
	if (trace && (!modules || era))
		learn_text(m, texts, trace, before, era);
}

/**
 * kmemleak_report_leak() - print one leak
 * @m: where to, or NULL for the log
 * @leak: what
 * @texts: traces that were printed to @m before, or NULL
 *
 * Context: process, may sleep.
 */
void kmemleak_report_leak(struct seq_file *m, const struct kmemleak_leak *leak,
			  struct kmemleak_texts *texts)
{
	const struct kmemleak_birth birth = { leak->born, leak->stamp };
	bool percpu = (leak->flags & KMEMLEAK_SPACE_MASK) == KMEMLEAK_PERCPU;

	emit(m, "unreferenced object %s0x%08lx (size %zu):\n", percpu ? "(percpu) " : "",
	     leak->ref.start, leak->size);
	emit_origin(m, leak->flags, leak->comm, leak->pid, leak->born);
	emit_dump(m, leak, percpu);
	emit_requested(m, leak->size, leak->requested);
	emit_place(m, leak);
	emit(m, "  backtrace (crc %x):\n", leak->crc);
	if (texts)
		emit_known_trace(m, texts, &birth, leak->trace);
	else
		emit_trace(m, &birth, leak->trace);
}

static bool is_new(const struct kmemleak_leak *leak)
{
	return !(leak->flags & KMEMLEAK_REPORTED);
}

/* Others get their turn; whatever ends a scan ends the printing of what it found. */
static bool shall_end(void)
{
	return kmemleak_kernel_ops.pause(&kmemleak_tracker);
}

/*
 * How many new leaks each trace has. A trace that there is no memory to count
 * is left out, and its leaks are all printed; so are leaks without a trace, as
 * nothing says that they have anything in common. The counts are values, not
 * pointers: if a mark sees this memory, it finds no reference in it.
 */
static void count_traces(const struct kmemleak_leaks *leaks, struct xarray *counts)
{
	const struct kmemleak_leak *leak;

	list_for_each_entry(leak, &leaks->list, list) {
		void *count;

		if (shall_end())
			break;
		if (!is_new(leak) || !leak->trace)
			continue;
		count = xa_load(counts, leak->trace);
		/* What is there already can be replaced without memory. */
		xa_store(counts, leak->trace, xa_mk_value(count ? xa_to_value(count) + 1 : 1),
			 KMEMLEAK_GFP);
	}
}

/**
 * kmemleak_report_log() - print the new leaks of a set to the log
 * @leaks: the set; leaks with KMEMLEAK_REPORTED are not new
 *
 * In the set's order. Of leaks with the same trace the first is printed and the
 * others are counted; leaks without a trace are all printed.
 *
 * Context: process. May allocate memory and does without if there is none.
 */
void kmemleak_report_log(const struct kmemleak_leaks *leaks)
{
	const struct kmemleak_leak *leak;
	struct xarray counts;

	xa_init(&counts);
	count_traces(leaks, &counts);
	list_for_each_entry(leak, &leaks->list, list) {
		void *count;

		if (shall_end())
			break;
		if (!is_new(leak))
			continue;
		count = leak->trace ? xa_load(&counts, leak->trace) : NULL;
		/* 0 stands for "done". */
		if (count && !xa_to_value(count))
			continue;
		kmemleak_report_leak(NULL, leak, NULL);
		if (count) {
			if (xa_to_value(count) > 1)
				pr_warn("  ... and %lu more object(s) with the same backtrace\n",
					xa_to_value(count) - 1);
			xa_store(&counts, leak->trace, xa_mk_value(0), KMEMLEAK_GFP);
		}
	}
	xa_destroy(&counts);
}

static void flags_to_words(u16 flags, char *text, size_t size)
{
	size_t i, len = 0;

	text[0] = '\0';
	for (i = 0; i < ARRAY_SIZE(flag_names); i++)
		if (flags & flag_names[i].flag)
			len += scnprintf(text + len, size - len, " %s", flag_names[i].name);
}

/* What stands before the address of a block in a report. */
static const char *const space_names[] = {
	[KMEMLEAK_VIRT] = "",
	[KMEMLEAK_PHYS] = "(phys) ",
	[KMEMLEAK_PERCPU] = "(percpu) ",
};

static_assert(ARRAY_SIZE(space_names) == KMEMLEAK_NR_SPACES);

static bool report_in_space(enum kmemleak_space space, unsigned long addr)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	struct kmemleak_object object;
	struct kmemleak_birth birth;
	char comm[KMEMLEAK_COMM_LEN];
	char words[128];

	if (space != KMEMLEAK_PHYS)
		addr = kmemleak_untag(addr);
	if (!kmemleak_block_get(t, space, addr, &object))
		return false;
	birth = (struct kmemleak_birth){ object.born, object.stamp };
	kmemleak_names_get(t, object.comm, object.pid, comm);
	flags_to_words(object.flags, words, sizeof(words));

	emit(NULL, "Object %s0x%08lx (size %zu):\n", space_names[space], object.start,
	     object.size);
	emit_origin(NULL, object.flags, comm, object.pid, object.born);
	emit_requested(NULL, object.size, object.size - kmemleak_object_slack(&object));
	emit(NULL, "  min_count = %u, count = %u, epoch = %u%s\n", object.colour.min_count,
	     object.colour.count, object.colour.epoch, object.colour.scanned ? ", scanned" : "");
	emit(NULL, "  unreferenced in the last %u scans\n", object.colour.unref);
	emit(NULL, "  flags = 0x%x%s\n", object.flags, words);
	emit(NULL, "  backtrace:\n");
	emit_trace(NULL, &birth, object.trace);
	return true;
}

/**
 * kmemleak_report_object() - print all that is known of blocks at an address to the log
 * @addr: any address inside them: a kernel virtual, a physical, or a per-cpu one
 *
 * Context: process.
 * Return: 0, or -EINVAL if no block that is known holds @addr.
 */
int kmemleak_report_object(unsigned long addr)
{
	enum kmemleak_space space;
	bool found = false;

	for (space = 0; space < KMEMLEAK_NR_SPACES; space++)
		found |= report_in_space(space, addr);
	if (found)
		return 0;
	pr_warn("No known block holds 0x%08lx\n", addr);
	return -EINVAL;
}

/* Numbers that need the metadata to stay where it is while they are read. */
struct pool_numbers {
	long in_use;
	long free;
	unsigned long memory;
	unsigned long shards;
	unsigned int names;
};

static unsigned long in_pages(size_t bytes)
{
	return bytes ? PAGE_SIZE << get_order(bytes) : 0;
}

static void read_numbers(struct kmemleak_tracker *t, struct pool_numbers *n)
{
	memset(n, 0, sizeof(*n));
	/* Off since boot, before the first block. */
	if (!t->ops)
		return;
	n->in_use = kmemleak_pool_in_use(t);
	n->free = kmemleak_pool_free_entries(t);
	n->shards = BIT(t->index.bits);
	n->names = kmemleak_names_nr(t);
	n->memory = READ_ONCE(t->pool.nr_pages) * PAGE_SIZE +
		    t->pool.reserve_nr * sizeof(*t->pool.reserve) +
		    in_pages(t->pool.nr_caches * sizeof(*t->pool.caches)) +
		    t->nr_names * in_pages(sizeof(*t->names[0])) +
		    in_pages(t->opaque.note == t->opaque.boot ? 0 :
			     t->opaque.room * sizeof(*t->opaque.note)) +
		    (t->index.order < 0 ? 0 : PAGE_SIZE << t->index.order) +
		    kmemleak_old_pages() * PAGE_SIZE;
}

/*
 * A tracker that is on stays whole for a grace period; that way a reader does
 * not wait for a scan. One that is off can lose its metadata at any moment, but
 * then there is no scan to wait for.
 */
static int get_numbers(struct kmemleak_tracker *t, struct pool_numbers *n)
{
	rcu_read_lock();
	if (kmemleak_is_on()) {
		read_numbers(t, n);
		rcu_read_unlock();
		return 0;
	}
	rcu_read_unlock();

	if (mutex_lock_killable(&kmemleak_scan_mutex))
		return -EINTR;
	read_numbers(t, n);
	mutex_unlock(&kmemleak_scan_mutex);
	return 0;
}

/**
 * kmemleak_report_stats() - the text of the statistics file
 * @m: where to
 *
 * One line each, a name and a value. "failed" stands last, as its value may be
 * several words.
 *
 * Context: process. May take kmemleak_scan_mutex.
 * Return: 0, or -EINTR if the task was killed.
 */
int kmemleak_report_stats(struct seq_file *m)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	struct kmemleak_published *set;
	struct pool_numbers n;
	unsigned long last_us, max_us, needed_us;
	unsigned int i;
	int ret;

	ret = get_numbers(t, &n);
	if (ret)
		return ret;
	kmemleak_snapshot_times(&last_us, &max_us, &needed_us);
	seq_printf(m, "enabled %d\n", kmemleak_is_on());
	seq_printf(m, "entries_in_use %ld\n", n.in_use);
	seq_printf(m, "entries_free %ld\n", n.free);
	seq_printf(m, "memory_bytes %lu\n", n.memory);
	seq_printf(m, "shards %lu\n", n.shards);
	seq_printf(m, "task_names %u\n", n.names);
	seq_printf(m, "opaque_blocks %u\n", READ_ONCE(t->opaque.nr));
	seq_printf(m, "opaque_bytes %lu\n", READ_ONCE(t->opaque.bytes));
	seq_printf(m, "epoch %u\n", READ_ONCE(t->epoch));
	seq_printf(m, "marking %d\n", READ_ONCE(t->marking));
	seq_printf(m, "older_bytes %lu\n", kmemleak_old_bytes());
	seq_printf(m, "standstill_us %lu\n", last_us);
	seq_printf(m, "standstill_max_us %lu\n", max_us);
	seq_printf(m, "standstill_needed_us %lu\n", needed_us);

	set = kmemleak_published_get();
	seq_printf(m, "leaks %lu\n", set ? set->leaks.nr : 0);
	seq_printf(m, "leaks_new %lu\n", set ? set->leaks.nr_new : 0);
	seq_printf(m, "leaks_left_out %lu\n", set ? set->leaks.nr_left_out : 0);
	if (set)
		kmemleak_published_put(set);

	for (i = 0; i < KMEMLEAK_NR_COUNTERS; i++)
		seq_printf(m, "%s %ld\n", kmemleak_counter_names[i],
			   atomic_long_read(&t->counters[i]));
	seq_printf(m, "failed %s\n", READ_ONCE(t->failed) ?: "no");
	return 0;
}
