// SPDX-License-Identifier: GPL-2.0-only
/*
 * The text of reports and statistics. No other file formats them. Scripts that are older
 * than this file parse the reports, so the format of a leak is fixed. A new fact goes into
 * the statistics, or into a line of its own that no parser can take for a stack frame.
 * Nothing is printed under a spinlock.
 */
#define pr_fmt(fmt) "kmemleak: " fmt

#include <linux/bitops.h>
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

#include "access.h"
#include "core/block.h"
#include "core/rules.h"
#include "module_names.h"
#include "params.h"
#include "preexist.h"
#include "publish.h"
#include "report.h"
#include "roots.h"
#include "state.h"
#include "stop.h"

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
	{ KMEMLEAK_TRANSIENT_USED,	"passed" },
	{ KMEMLEAK_CONFIRMED,	"confirmed" },
};

/* Prints to @m, or to the log if @m is NULL. */
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
 * An object keeps only the low half of its time of birth. The result is right if the
 * object is younger than 2^32 jiffies, which are 49 days or more.
 */
static unsigned long born_jiffies(u32 born)
{
	unsigned long now = jiffies;

	return now - ((u32)now - born);
}

/* A task chooses its name. Escape unprintable bytes, or the name could forge a line. */
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

static void emit_dump(struct seq_file *m, const struct kmemleak_leak *leak, bool per_cpu)
{
	/* For each byte two digits and a blank; then a blank, the characters and a NUL. */
	char row[ROW_LEN * 3 + 1 + ROW_LEN + 1];
	size_t at, len = min_t(size_t, leak->dump_len, sizeof(leak->dump));

	if (!len)
		return;
	emit(m, "  hex dump (first %zu bytes%s):\n", len, per_cpu ? " on cpu 0" : "");
	for (at = 0; at < len; at += ROW_LEN) {
		hex_dump_to_buffer(leak->dump + at, len - at, ROW_LEN, 1, row, sizeof(row), true);
		emit(m, "    %s\n", row);
	}
}

/* The bytes that the caller requested. For a large block only an upper bound is known. */
static void emit_requested(struct seq_file *m, size_t size, size_t requested)
{
	if (requested != size)
		emit(m, "  requested %s%zu bytes\n",
		     size - requested < KMEMLEAK_UNREQUESTED_EXACT ? "" : "at most ", requested);
}

/* Only leaks that refer to other leaks, or that other leaks refer to, have this line. */
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

	if (!core_kernel_text(addr) && kmemleak_module_names_find(birth, addr, name, sizeof(name)))
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
 * @generation: the generation of modules that the text is right for; 0: all of them. A text
 *	of an unknown generation is not kept.
 * @len: bytes of @text
 * @text: the lines
 */
struct text {
	unsigned long generation;
	size_t len;
	char text[];
};

/*
 * At this size all texts are forgotten. That costs little: leaks are printed in order of
 * allocation, and blocks that were allocated together have similar traces.
 */
#define MAX_TEXTS	SZ_1M

/**
 * kmemleak_texts_init() - start to keep the text of printed traces
 * @texts: any memory
 *
 * Looking up function names takes most of the time of a read. Most leaks share a few
 * traces, so the text of a trace is kept and printed again.
 */
void kmemleak_texts_init(struct kmemleak_texts *texts)
{
	xa_init(&texts->by_trace);
	texts->bytes = 0;
}

/**
 * kmemleak_texts_free() - free the text of all traces
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

/* Return: true if the names in a trace depend on when the block was allocated. */
static bool trace_has_modules(u32 trace)
{
	unsigned long *entries;
	unsigned int i, nr;

	nr = stack_depot_fetch(trace, &entries);
	for (i = 0; i < nr; i++)
		if (!core_kernel_text(entries[i]))
			return true;
	return false;
}

/* Keeps the text of a trace: all that was printed to @m from byte @before on. */
static void keep_text(struct seq_file *m, struct kmemleak_texts *texts, u32 trace, size_t before,
		      unsigned long generation)
{
	size_t len = m->count - before;
	struct text *text, *old;

	if (seq_has_overflowed(m))
		return;
	if (texts->bytes + len > MAX_TEXTS)
		kmemleak_texts_free(texts);
	/* Zeroed to the last byte: while the file is open, scans read this memory. */
	text = kzalloc(sizeof(*text) + len, KMEMLEAK_GFP);
	if (!text)
		return;
	text->generation = generation;
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
	unsigned long generation = 0;
	bool modules;

	if (text && !text->generation) {
		seq_write(m, text->text, text->len);
		return;
	}
	modules = trace_has_modules(trace);
	if (modules)
		generation = kmemleak_module_names_generation(birth);
	if (text && generation && text->generation == generation) {
		seq_write(m, text->text, text->len);
		return;
	}
	emit_trace(m, birth, trace);
	if (trace && (!modules || generation))
		keep_text(m, texts, trace, before, generation);
}

/**
 * kmemleak_report_leak() - print one leak
 * @m: the file to print to, or NULL for the log
 * @leak: the leak
 * @texts: traces that were printed to @m before, or NULL
 *
 * Context: process, may sleep.
 */
void kmemleak_report_leak(struct seq_file *m, const struct kmemleak_leak *leak,
			  struct kmemleak_texts *texts)
{
	const struct kmemleak_birth birth = { leak->born, leak->stamp };
	enum kmemleak_space space = leak->flags & KMEMLEAK_SPACE_MASK;

	emit(m, "unreferenced object %s0x%08lx (size %zu):\n",
	     kmemleak_space_types[space].label, leak->ref.start, leak->size);
	emit_origin(m, leak->flags, leak->comm, leak->pid, leak->born);
	emit_dump(m, leak, kmemleak_space_is_per_cpu(space));
	emit_requested(m, leak->size, leak->requested);
	emit_place(m, leak);
	emit(m, "  backtrace (crc %x):\n", leak->crc);
	if (texts)
		emit_known_trace(m, texts, &birth, leak->trace);
	else
		emit_trace(m, &birth, leak->trace);
}

static bool is_new_leak(const struct kmemleak_leak *leak)
{
	return !(leak->flags & KMEMLEAK_REPORTED);
}

/* Gives other tasks CPU time. The reasons that end a scan also end printing its leaks. */
static bool should_end(void)
{
	return kmemleak_tracker.ops->pause(&kmemleak_tracker);
}

/*
 * Counts the new leaks of each trace. If there is no memory for the count of a trace, all
 * its leaks are printed. All leaks without a trace are printed, too: nothing says that
 * they have anything in common. The counts are values, not pointers, so a mark that reads
 * this memory finds no reference in it.
 */
static void count_traces(const struct kmemleak_leak_set *leaks, struct xarray *counts)
{
	const struct kmemleak_leak *leak;

	list_for_each_entry(leak, &leaks->list, list) {
		void *count;

		if (should_end())
			break;
		if (!is_new_leak(leak) || !leak->trace)
			continue;
		count = xa_load(counts, leak->trace);
		/* Replacing an entry needs no memory, so the count of a trace cannot get stuck. */
		xa_store(counts, leak->trace, xa_mk_value(count ? xa_to_value(count) + 1 : 1),
			 KMEMLEAK_GFP);
	}
}

/**
 * kmemleak_report_log() - print the new leaks of a set to the log
 * @leaks: the set; leaks with KMEMLEAK_REPORTED are not new
 *
 * Leaks are printed in the set's order. Of leaks with the same trace, the first is printed
 * and the others are counted. All leaks without a trace are printed.
 *
 * Context: process. Allocates memory. If there is none, more leaks are printed.
 */
void kmemleak_report_log(const struct kmemleak_leak_set *leaks)
{
	const struct kmemleak_leak *leak;
	struct xarray counts;

	xa_init(&counts);
	count_traces(leaks, &counts);
	list_for_each_entry(leak, &leaks->list, list) {
		void *count;

		if (should_end())
			break;
		if (!is_new_leak(leak))
			continue;
		count = leak->trace ? xa_load(&counts, leak->trace) : NULL;
		/* 0: the leaks of this trace were printed or counted. */
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

static bool report_in_space(enum kmemleak_space space, unsigned long addr)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	struct kmemleak_object object;
	struct kmemleak_birth birth;
	char comm[KMEMLEAK_COMM_LEN];
	char words[128];
	bool found;

	if (space != KMEMLEAK_PHYS)
		addr = kmemleak_untag(addr);
	/* kmemleak_comm_expire() waits before it gives the number of a name to another name. */
	rcu_read_lock();
	found = kmemleak_block_get(t, space, addr, &object);
	if (found)
		kmemleak_comm_get(t, object.comm, object.pid, comm);
	rcu_read_unlock();
	if (!found)
		return false;
	birth = (struct kmemleak_birth){ object.born, object.stamp };
	flags_to_words(object.flags, words, sizeof(words));

	emit(NULL, "Object %s0x%08lx (size %zu):\n", kmemleak_space_types[space].label,
	     object.start, object.size);
	emit_origin(NULL, object.flags, comm, object.pid, object.born);
	emit_requested(NULL, object.size, object.size - kmemleak_object_unrequested(&object));
	emit(NULL, "  min_count = %u, count = %u, epoch = %u%s\n", object.colour.min_count,
	     object.colour.count, object.colour.epoch, object.colour.scanned ? ", scanned" : "");
	emit(NULL, "  unreferenced in the last %u scans\n", object.colour.unref);
	emit(NULL, "  flags = 0x%x%s\n", object.flags, words);
	emit(NULL, "  backtrace:\n");
	emit_trace(NULL, &birth, object.trace);
	return true;
}

/**
 * kmemleak_report_object() - print the objects of an address to the log
 * @addr: any address inside their blocks: kernel virtual, physical or per-cpu. It is looked
 *	up as each of the three.
 *
 * Context: process. The caller prevents kmemleak_tracker_reset(), by command_lock.
 * Return: 0, or -EINVAL if no tracked block holds @addr.
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

/* Numbers from the metadata, which must not be freed while they are read. */
struct pool_numbers {
	long in_use;
	long free;
	unsigned long memory;
	unsigned long shards;
	unsigned int names;
};

static unsigned long round_to_pages(size_t bytes)
{
	return bytes ? PAGE_SIZE << get_order(bytes) : 0;
}

static void read_numbers(struct kmemleak_tracker *t, struct pool_numbers *n)
{
	memset(n, 0, sizeof(*n));
	/* The tracker was not set up. */
	if (!t->ops)
		return;
	n->in_use = kmemleak_pool_in_use(t);
	n->free = kmemleak_pool_free_entries(t);
	n->shards = BIT(t->index.bits);
	n->names = kmemleak_comm_nr(t);
	n->memory = READ_ONCE(t->pool.nr_pages) * PAGE_SIZE +
		    t->pool.nr_boot_entries * sizeof(*t->pool.boot_entries) +
		    round_to_pages(t->pool.nr_caches * sizeof(*t->pool.caches)) +
		    t->nr_comm_tables * round_to_pages(sizeof(*t->comm_tables[0])) +
		    round_to_pages(t->opaque.entry == t->opaque.boot ? 0 :
			     t->opaque.room * sizeof(*t->opaque.entry)) +
		    (t->index.order < 0 ? 0 : PAGE_SIZE << t->index.order) +
		    kmemleak_preexist_map_pages() * PAGE_SIZE;
}

/*
 * While tracking is on, RCU keeps the metadata, so a reader need not wait for the end of a
 * scan. While tracking is off, the metadata can be freed at any moment. Then the mutex
 * keeps it, and no scan holds the mutex.
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

/* Prints a line with the names of the bits that are set, with commas between them. */
static void print_names(struct seq_file *m, const char *title, unsigned long bits,
			const char *const *names, unsigned int nr)
{
	const char *before = " ";
	unsigned int i;

	seq_puts(m, title);
	for_each_set_bit(i, &bits, nr) {
		seq_printf(m, "%s%s", before, names[i]);
		before = ",";
	}
	seq_puts(m, bits ? "\n" : " none\n");
}

/**
 * kmemleak_report_stats() - print the statistics file
 * @m: the file
 *
 * Each line is a name and a value. "failed" comes last, because its value may be several
 * words.
 *
 * Context: process. May take kmemleak_scan_mutex.
 * Return: 0, or -EINTR if the task was killed.
 */
int kmemleak_report_stats(struct seq_file *m)
{
	struct kmemleak_tracker *t = &kmemleak_tracker;
	struct kmemleak_published *set;
	struct pool_numbers n;
	struct kmemleak_options opt = kmemleak_read_options();
	unsigned long last_us, max_us, needed_us;
	unsigned int i;
	int ret;

	ret = get_numbers(t, &n);
	if (ret)
		return ret;
	kmemleak_stop_times(&last_us, &max_us, &needed_us);
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
	print_names(m, "rules", opt.rules, kmemleak_rule_names, KMEMLEAK_NR_RULES);
	print_names(m, "roots", opt.roots, kmemleak_root_names, KMEMLEAK_NR_ROOTS);
	seq_printf(m, "preexisting_bytes %lu\n", kmemleak_preexist_bytes());
	seq_printf(m, "stop_us %lu\n", last_us);
	seq_printf(m, "stop_max_us %lu\n", max_us);
	seq_printf(m, "stop_needed_us %lu\n", needed_us);

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
