/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A tracker: one detector. The kernel has one, each test has its own.
 *
 * The order of calls:
 *
 *	kmemleak_tracker_setup()	before the first block; there are only boot entries
 *	kmemleak_tracker_start()	the page allocator is up
 *	loop:
 *		kmemleak_block_add(), _remove(), _annotate(), …	any context but NMI
 *		kmemleak_judge():				a scan, one at a time
 *			m = kmemleak_mark_begin()
 *			kmemleak_mark_run(m)
 *				ops->roots()
 *					kmemleak_mark_range(m, …)
 *			collect the suspects
 *			m = kmemleak_mark_begin()		a second mark confirms them
 *			ops->stop_and_mark()
 *				kmemleak_mark_run_stopped(m)
 *			kmemleak_mark_newborns_end()
 *			kmemleak_mark_end(m)
 *	kmemleak_tracker_disable()
 *	wait until no call is under way
 *	kmemleak_tracker_reset()	then _start() and _enable(), or never again
 */
#ifndef _KMEMLEAK_TRACKER_H
#define _KMEMLEAK_TRACKER_H

#include "comm.h"
#include "index.h"
#include "object.h"
#include "opaque.h"
#include "pool.h"

struct kmemleak_marker;
struct kmemleak_tracker;
struct kmemleak_word_filter;

/* ------------------------------------------------------------- counters -- */

/* Counters of events; names in kmemleak_counter_names[]. They only grow. */
enum kmemleak_counter {
	KMEMLEAK_CNT_BAD_ADDR,		/* NULL or an error pointer in place of a block */
	KMEMLEAK_CNT_BAD_SIZE,		/* size 0 */
	KMEMLEAK_CNT_WRAP,		/* start + size wraps */
	KMEMLEAK_CNT_UNKNOWN,		/* annotation of an unknown block */
	KMEMLEAK_CNT_UNKNOWN_FREE,	/* free of an unknown block */
	KMEMLEAK_CNT_DUPLICATE,		/* start registered twice: the newer block won */
	KMEMLEAK_CNT_OVERLAP,		/* block overlaps another one: it became opaque */
	KMEMLEAK_CNT_OUTSIDE,		/* part or scan area reaches outside of its block */
	KMEMLEAK_CNT_NMI,		/* called from NMI: nothing was done */
	KMEMLEAK_CNT_NO_ENTRY,		/* no entry for a block: it became opaque */
	KMEMLEAK_CNT_OPAQUE_MISSED,	/* opaque table full, block lost: no reports */
	KMEMLEAK_CNT_NO_ATTR,		/* no entry for an attribute */
	KMEMLEAK_CNT_NO_NAME,		/* comm table full */
	KMEMLEAK_CNT_STOCK_USED,	/* entry taken from the last half of the stock */
	KMEMLEAK_CNT_PAGES_RETURNED,	/* page of entries given back */
	KMEMLEAK_CNT_UNWOUND,		/* trace taken by unwinding the stack */
	KMEMLEAK_CNT_UNREADABLE,	/* memory that a scan could not read */
	KMEMLEAK_CNT_MARK_OVERFLOW,	/* work list full: another pass finds the object */
	KMEMLEAK_CNT_LEAK_DROPPED,	/* no memory for a suspect or a leak record */
	KMEMLEAK_CNT_STOPS,		/* stops of all CPUs that completed a mark */
	KMEMLEAK_CNT_STOPS_CUT,		/* stop refused or cut short: confirmed by more marks */
	KMEMLEAK_CNT_SCANS,		/* scans completed */
	KMEMLEAK_CNT_SCANS_CUT,		/* scans that ended early */
	KMEMLEAK_NR_COUNTERS,
};

extern const char *const kmemleak_counter_names[];

/* -------------------------------------------------------------- options -- */

/* Rules, explained in rules.c; bits of kmemleak_options::rules. */
enum kmemleak_rule {
	KMEMLEAK_RULE_AGE,
	KMEMLEAK_RULE_BORN,
	KMEMLEAK_RULE_CHANGED,
	KMEMLEAK_RULE_TRANSIENT,
	KMEMLEAK_RULE_CONFIRM,
	KMEMLEAK_RULE_MIN_UNREF,
	KMEMLEAK_RULE_STACK,
	KMEMLEAK_NR_RULES,
};

#define KMEMLEAK_ALL_RULES	(BIT(KMEMLEAK_NR_RULES) - 1)

/*
 * Roots that are not in the index; bits of kmemleak_options::roots. The core scans OPAQUE,
 * and ops->roots() scans the others.
 */
enum kmemleak_root {
	KMEMLEAK_ROOT_PERCPU,
	KMEMLEAK_ROOT_KFENCE,
	KMEMLEAK_ROOT_PAGES,
	KMEMLEAK_ROOT_PREEXISTING,
	KMEMLEAK_ROOT_STACKS,
	KMEMLEAK_ROOT_OPAQUE,
	KMEMLEAK_NR_ROOTS,
};

#define KMEMLEAK_ALL_ROOTS	(BIT(KMEMLEAK_NR_ROOTS) - 1)

/* How KMEMLEAK_RULE_CONFIRM confirms suspects. */
enum kmemleak_confirm {
	KMEMLEAK_CONFIRM_STOP,		/* stop all CPUs if there is time, else as RESCAN */
	KMEMLEAK_CONFIRM_RESCAN,	/* mark again until no suspect is cleared any more */
	KMEMLEAK_CONFIRM_OFF,		/* not at all */
};

/**
 * struct kmemleak_options - what the user can set; a scan works on a copy
 * @rules: bit mask of enum kmemleak_rule
 * @roots: bit mask of enum kmemleak_root
 * @min_age: youngest age that is reported, jiffies
 * @min_unref_scans: number of scans that must find an object unreferenced, at least 1
 * @confirm: how suspects are confirmed
 * @workers: greatest number of markers, 0 stands for 1
 * @max_leaks: greatest number of records in a leak set, 0: no limit
 */
struct kmemleak_options {
	unsigned long rules;
	unsigned long roots;
	unsigned long min_age;
	unsigned int min_unref_scans;
	enum kmemleak_confirm confirm;
	unsigned int workers;
	unsigned long max_leaks;
};

/* ---------------------------------------------------------- environment -- */

/* What kind of memory ops->scan_words() reads, and what the caller holds. */
enum kmemleak_read {
	KMEMLEAK_READ_BLOCK,	/* tracked memory; the shard lock is held, interrupts off */
	KMEMLEAK_READ_MAPPED,	/* in the mapped range, looked up just now; not preemptible */
	KMEMLEAK_READ_ROOT,	/* any memory; process context, nothing held */
	KMEMLEAK_READ_OPAQUE,	/* as ROOT; read nothing if the kernel no longer owns the memory */
};

/**
 * struct kmemleak_ops - what a tracker needs of its environment
 * @page_alloc: returns 1 << order zeroed pages or NULL. Any context that @gfp allows
 * @page_free: frees these pages
 * @read: copies len bytes of tracked memory, at most a page. Returns false if they cannot
 *	be read; dst is undefined then. Must not sleep: the shard lock is held.
 * @scan_words: as kmemleak_scan_words() in word_filter.h, for any memory from addr on, at
 *	most a page. Returns a negative number if the memory cannot be read; dst is undefined
 *	then. Returns 0 if the memory must not be read. Must not sleep for BLOCK and MAPPED.
 * @block_addr: converts an address of a space to an address that @read accepts. A per-cpu
 *	pointer becomes the address in that CPU's copy. Returns 0 if there is no such address.
 * @roots: calls kmemleak_mark_range() for each enum kmemleak_root that the options have,
 *	but not for OPAQUE
 * @pause: called between bounded pieces of work. May sleep. Returns 0, or an error that
 *	the scan ends with.
 * @wait_for_hooks: returns when every call on the tracker that is under way now has
 *	ended. May sleep
 * @spawn: arranges a call of kmemleak_worklist_help() on another CPU; it may come late or
 *	never. NULL: there is only one marker
 * @wait: sleeps until kmemleak_worklist_is_ready(), or for a while
 * @wake: makes all tasks in @wait check again
 * @join: returns when nobody is in kmemleak_worklist_help() and nobody will be
 * @maintain_pool: arranges calls of kmemleak_pool_restock() and, if the pool is overfull,
 *	kmemleak_pool_trim(), in a context that may sleep. Any context but NMI; interrupts
 *	are off and raw locks may be held. NULL: nobody will
 * @each_cpu: calls a function on each CPU with interrupts off, and waits. May sleep
 * @stop_and_mark: stops all CPUs and calls kmemleak_mark_run_stopped(), if there is time for
 *	it. pieces tells how much work the mark before was. Returns 0, or an error if the mark
 *	did not run to its end. NULL: CPUs are never stopped
 * @now: low half of jiffies
 */
struct kmemleak_ops {
	void *(*page_alloc)(struct kmemleak_tracker *t, unsigned int order, gfp_t gfp);
	void (*page_free)(struct kmemleak_tracker *t, void *page, unsigned int order);
	bool (*read)(struct kmemleak_tracker *t, void *dst, unsigned long addr, size_t len);
	long (*scan_words)(struct kmemleak_tracker *t, unsigned long *dst, unsigned long addr,
			   size_t len, enum kmemleak_read how,
			   const struct kmemleak_word_filter *filter);
	unsigned long (*block_addr)(struct kmemleak_tracker *t, enum kmemleak_space space,
				    unsigned long addr, unsigned int cpu);
	void (*roots)(struct kmemleak_tracker *t, struct kmemleak_marker *m);
	int (*pause)(struct kmemleak_tracker *t);
	void (*wait_for_hooks)(struct kmemleak_tracker *t);
	void (*spawn)(struct kmemleak_tracker *t, struct kmemleak_marker *m);
	void (*wait)(struct kmemleak_tracker *t, struct kmemleak_marker *m);
	void (*wake)(struct kmemleak_tracker *t);
	void (*join)(struct kmemleak_tracker *t);
	void (*maintain_pool)(struct kmemleak_tracker *t);
	void (*each_cpu)(struct kmemleak_tracker *t, void (*call)(struct kmemleak_tracker *t));
	int (*stop_and_mark)(struct kmemleak_tracker *t, struct kmemleak_marker *m,
			     unsigned long pieces);
	u32 (*now)(void);
};

/* -------------------------------------------------------------- tracker -- */

/**
 * struct kmemleak_tracker - one detector
 * @ops: its environment; constant after kmemleak_tracker_setup()
 * @enabled: blocks are being tracked. kmemleak_tracker_enable(), _disable() and _fail()
 *	write it. Hooks read it without a lock: whoever disables the tracker waits until no
 *	hook is under way before the metadata is released.
 * @failed: why tracking ended by itself, or NULL; written once
 * @index: objects by address
 * @pool: memory for objects and attributes
 * @comm_tables: tables of task names, by pid
 * @nr_comm_tables: number of @comm_tables, a power of two, 0 before kmemleak_comm_start().
 *	Written with release after @comm_tables; pairs with table_of()
 * @comm_age: age of the names that are in use now, never 0 after kmemleak_comm_start().
 *	kmemleak_comm_expire() changes it, then waits for the hooks that may have read the
 *	previous age
 * @attr_lock: raw. Guards @attrs
 * @attrs: scan areas and aliases
 * @opaque: blocks that have no object
 * @epoch: number of the current or last mark, 0 before the first. kmemleak_mark_begin()
 *	writes it, and kmemleak_tracker_reset() clears it. Hooks read it without a lock.
 * @marking: new objects are gray: from kmemleak_mark_begin() to kmemleak_mark_newborns_end(), if
 *	the rule BORN is on. Written with release after @epoch; pairs with
 *	kmemleak_object_set_newborn()
 * @pass_needed: an object may have come to need a scan since this was cleared. Set after
 *	the change; a pass clears it before it visits any object.
 * @mapped: [mapped, mapped_end) is virtual memory that is never unmapped and never becomes
 *	I/O memory. Blocks there are read without a lock. Empty if there is no such range
 * @mapped_end: see @mapped
 * @nr_cpus: number of copies of a per-cpu object
 * @cpu_offset: offsets from a per-cpu pointer to the CPUs' copies, ascending. The address of
 *	a copy is a reference, too.
 * @nr_cpu_offsets: number of @cpu_offset; 0: addresses of copies are no references
 * @counters: enum kmemleak_counter
 * @last_stop_failed: the last stop was refused or cut short, so the first mark of the next
 *	scan must not rely on a stop
 * @private: for the environment
 */
struct kmemleak_tracker {
	const struct kmemleak_ops *ops;
	bool enabled;
	const char *failed;
	struct kmemleak_index index;
	struct kmemleak_pool pool;
	struct kmemleak_comm_table *comm_tables[KMEMLEAK_MAX_COMM_TABLES];
	unsigned int nr_comm_tables;
	u8 comm_age;
	raw_spinlock_t attr_lock;
	struct rb_root attrs;
	struct kmemleak_opaque opaque;
	u8 epoch;
	bool marking;
	u32 pass_needed;
	unsigned long mapped;
	unsigned long mapped_end;
	unsigned int nr_cpus;
	unsigned long *cpu_offset;
	unsigned int nr_cpu_offsets;
	atomic_long_t counters[KMEMLEAK_NR_COUNTERS];
	bool last_stop_failed;
	void *private;
};

/*
 * How the detector allocates its own tables and pages where it may sleep. They are worth
 * some reclaim and compaction, but not the OOM killer, and not the last reserves. In
 * early boot it does not sleep.
 */
#define KMEMLEAK_GFP	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC)

void kmemleak_tracker_setup(struct kmemleak_tracker *t, const struct kmemleak_ops *ops,
			    union kmemleak_entry *boot_entries, unsigned long nr_boot_entries);
int kmemleak_tracker_start(struct kmemleak_tracker *t, unsigned int shard_bits,
			   unsigned int nr_cpus);
void kmemleak_tracker_enable(struct kmemleak_tracker *t);
void kmemleak_tracker_disable(struct kmemleak_tracker *t);
void kmemleak_tracker_fail(struct kmemleak_tracker *t, const char *why);
void kmemleak_tracker_reset(struct kmemleak_tracker *t);

/**
 * kmemleak_object_white() - did the last mark fail to reach an object?
 * @t: tracker
 * @obj: the object. Without its shard's lock the answer may be outdated at once.
 */
static inline bool kmemleak_object_white(const struct kmemleak_tracker *t,
					 const struct kmemleak_object *obj)
{
	union kmemleak_colour colour = kmemleak_colour(obj);

	if (!colour.min_count || (READ_ONCE(obj->flags) & KMEMLEAK_IGNORE))
		return false;
	return colour.epoch != t->epoch || colour.count < colour.min_count;
}

/*
 * An object born during a mark is gray. The mark may already have scanned the memory that
 * points to it, and pointers may move into it. @obj is not linked yet.
 */
static inline void kmemleak_object_set_newborn(const struct kmemleak_tracker *t,
					       struct kmemleak_object *obj)
{
	union kmemleak_colour colour = kmemleak_colour(obj);

	/* Pairs with kmemleak_mark_begin(). */
	if (smp_load_acquire(&t->marking)) {
		colour.epoch = READ_ONCE(t->epoch);
		colour.count = colour.min_count;
		WRITE_ONCE(obj->colour.word, colour.word);
	}
}

/* Number of copies of a block of this space: per-cpu blocks have one for each CPU. */
static inline unsigned int kmemleak_nr_copies(const struct kmemleak_tracker *t,
					      enum kmemleak_space space)
{
	return kmemleak_space_is_per_cpu(space) ? t->nr_cpus : 1;
}

/* Requests another pass. Call it after the change that the pass is to find. */
static inline void kmemleak_request_pass(struct kmemleak_tracker *t)
{
	/* Pairs with run_pass(). Not a store: it would hide the requests before it. */
	xchg(&t->pass_needed, 1);
}

static inline void kmemleak_count_many(struct kmemleak_tracker *t,
				       enum kmemleak_counter counter, long nr)
{
	atomic_long_add(nr, &t->counters[counter]);
}

static inline void kmemleak_count(struct kmemleak_tracker *t, enum kmemleak_counter counter)
{
	atomic_long_inc(&t->counters[counter]);
}

#endif /* _KMEMLEAK_TRACKER_H */
