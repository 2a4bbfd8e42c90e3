/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The detector's internal interface: glossary, structures, lock order, and the
 * functions that cross files. Core files include this header and nothing else.
 *
 * Glossary
 *   block     memory that an allocator handed out
 *   object    the detector's record of a block
 *   entry     64 bytes of metadata from the pool: one extra or one object
 *   extra     a thing that few objects have: an alias or a scan area
 *   alias     says "surplus references to this object count as references to that
 *             address": a vm_struct stands for its vmalloc block
 *   space     kind of an address: VIRT, PHYS or PERCPU
 *   region    naturally aligned 1 << KMEMLEAK_REGION_SHIFT bytes of VIRT
 *   shard     one rbtree and its lock
 *   wide      of an object: it crosses a region boundary
 *   class     one of few ranges of VIRT (direct map, vmalloc, modules, …)
 *   reference a word in scanned memory that lies inside a block
 *   epoch     the number of a mark; white means "not reached in this epoch"
 *   white     fewer references than min_count: not reached (yet)
 *   gray      reached, contents to be scanned
 *   black     reached and scanned; or ignored: never reported, never scanned
 *   root      memory that is scanned without being reached from anywhere
 *   opaque    of a block: the detector has no object for it; a root
 *   old       memory that was in use when tracking began on a running system: a root
 *   marker    a task that marks: the one that scans, and helpers on other CPUs
 *   suspect   an object that a mark left white and no rule cleared
 *   leak      a suspect that was confirmed; a record, not an object
 *   set       leak records that were found together; at most max_leaks
 *   episode   all of the work of one "scan"
 *
 * Lock order (outer to inner). The first five belong to the kernel's side:
 *   command_lock         one command at a time                  (debugfs.c)
 *   thread_lock          start and stop of the thread           (thread.c)
 *   kmemleak_scan_mutex  episodes, clear, on, off, trim: in turn (main.c)
 *   modules_lock         modules that are gone, and where they were (modules.c)
 *   published_lock       pointer to the published leak set      (scan.c)
 * and these to a tracker, raw and taken with interrupts off:
 *   shard.lock           one shard; two are never held at once
 *   tracker.extra_lock   the tree of extras
 *   tracker.opaque_lock  notes of opaque blocks
 *   mark.lock            work that any marker may take
 *   names.lock           writers of a table of task names
 *   pool.lock            the pages, and what is free in them
 *   old_chunk.lock       which memory is older than tracking    (old.c)
 *   reaped_lock          tasks without a pid                    (stacks.c)
 *   stash_lock           pages for a standstill                 (snapshot.c)
 *
 * Invariants of an object in the index, all under its shard's lock:
 *   - objects of one shard tree do not overlap;
 *   - KMEMLEAK_LIVE is set exactly while the object is in a tree.
 * And of its colour, which needs no lock:
 *   - epoch != tracker epoch  =>  count and scanned are stale and stand for 0.
 */
#ifndef _KMEMLEAK_INTERNAL_H
#define _KMEMLEAK_INTERNAL_H

#include "platform.h"

struct kmemleak_tracker;
struct kmemleak_marker;
struct seq_file;

/* ------------------------------------------------------------- objects -- */

enum kmemleak_space {
	KMEMLEAK_VIRT,		/* kernel virtual addresses */
	KMEMLEAK_PHYS,		/* physical addresses (memblock) */
	KMEMLEAK_PERCPU,	/* per-cpu pointers as alloc_percpu() gives them */
	KMEMLEAK_NR_SPACES,
};

enum kmemleak_context {
	KMEMLEAK_TASK,
	KMEMLEAK_SOFTIRQ,
	KMEMLEAK_HARDIRQ,
};

/* struct kmemleak_object::flags */
#define KMEMLEAK_SPACE_MASK	0x0003	/* enum kmemleak_space */
#define KMEMLEAK_EXTRA		0x0003	/* no space: a struct kmemleak_extra in its tree */
#define KMEMLEAK_CTX_SHIFT	2
#define KMEMLEAK_CTX_MASK	0x000c	/* enum kmemleak_context */
#define KMEMLEAK_LIVE		0x0010	/* in a tree */
#define KMEMLEAK_IGNORE		0x0020	/* black for good */
#define KMEMLEAK_NO_SCAN	0x0040	/* contents hold no references */
#define KMEMLEAK_AREAS		0x0080	/* only its scan areas are scanned */
#define KMEMLEAK_ALIAS		0x0100	/* has an alias extra */
#define KMEMLEAK_FULL_SCAN	0x0200	/* an area was lost: scan everything */
#define KMEMLEAK_WIDE		0x0400	/* lives in a wide tree */
#define KMEMLEAK_REPORTED	0x0800	/* was in a published leak set */
#define KMEMLEAK_TRANSIENT	0x1000	/* the next episode passes over it */
#define KMEMLEAK_OVERLAPPED	0x2000	/* a block without an object overlaps it */
#define KMEMLEAK_PASSED		0x4000	/* that episode was there: the one after it ends this */
#define KMEMLEAK_CONFIRMED	0x8000	/* lost for sure, and white in each episode since */

/* Of an object's @pid and @comm: numbers of tasks and indexes of names fit. */
#define KMEMLEAK_PID_BITS	22
#define KMEMLEAK_COMM_BITS	12

/**
 * union kmemleak_colour - what marks know of an object
 * @word: all of it. Markers, hooks and the verdict change it without a lock, by
 *	cmpxchg alone, except for whoever fills in a new object
 * @min_count: references needed to be reached; 0: a root
 * @count: references found in @epoch, as far as @min_count; beyond that only if
 *	the object has an alias, and then it saturates
 * @scanned: queued or scanned in @epoch
 * @epoch: the mark that @count and @scanned belong to; 0: none
 * @unref: consecutive episodes that left it unreferenced, saturates
 */
union kmemleak_colour {
	u32 word;
	struct {
		u8 min_count;
		u8 count : 7;
		u8 scanned : 1;
		u8 epoch;
		u8 unref;
	};
};

/**
 * struct kmemleak_object - one tracked block
 * @node: place in the shard's tree
 * @next_free: the next free entry, while this one is free
 * @start: first byte, in the object's space; see kmemleak_index_relock() for
 *	the one lockless read of it
 * @size: bytes, never 0
 * @trace: handle of the allocation's stack trace, 0 for none
 * @born: low half of jiffies at allocation
 * @stamp: orders allocations within a jiffy (nanoseconds, wraps)
 * @pid: allocating task, 0 in interrupt context
 * @slack_low: see kmemleak_object_slack()
 * @comm: slot in the table of names of @pid
 * @slack_high: see there, too
 * @flags: KMEMLEAK_*
 * @colour: what marks know of it
 *
 * An object may move to another entry between two marks, see compact.c. A pointer
 * that was found under a lock or in the RCU section of a hook points at an entry
 * until that section, and the mark, is over; whether it is the same object is asked
 * with kmemleak_index_relock(). What outlives both looks objects up by address.
 */
struct kmemleak_object {
	union {
		struct rb_node node;
		struct kmemleak_object *next_free;
	};
	unsigned long start;
	size_t size;
	u32 trace;
	u32 born;
	u32 stamp;
	u32 pid : 22;
	u32 slack_low : 10;
	u16 comm : 12;
	u16 slack_high : 4;
	u16 flags;
	union kmemleak_colour colour;
};

/*
 * Slack below this is kept to the byte: slab caches leave less. What is more is
 * kept in units, rounded down; that is enough for half of the largest block that
 * the page allocator has.
 */
#define KMEMLEAK_SLACK_EXACT	BIT(48 - KMEMLEAK_PID_BITS - KMEMLEAK_COMM_BITS - 1)
#define KMEMLEAK_SLACK_UNIT	(PAGE_SIZE / 16)

/*
 * How much less than its size the caller asked for, or the least that it can have
 * been. Under the shard's lock.
 */
static inline u32 kmemleak_object_slack(const struct kmemleak_object *obj)
{
	u32 slack = obj->slack_low | obj->slack_high << (32 - KMEMLEAK_PID_BITS);

	return slack < KMEMLEAK_SLACK_EXACT ? slack :
					      (slack - KMEMLEAK_SLACK_EXACT) * KMEMLEAK_SLACK_UNIT;
}

static inline void kmemleak_object_set_slack(struct kmemleak_object *obj, u32 slack)
{
	if (unlikely(slack >= KMEMLEAK_SLACK_EXACT))
		slack = KMEMLEAK_SLACK_EXACT + min_t(u32, slack / KMEMLEAK_SLACK_UNIT,
						     KMEMLEAK_SLACK_EXACT - 1);
	obj->slack_low = slack;
	obj->slack_high = slack >> (32 - KMEMLEAK_PID_BITS);
}

/* The most that it can have been. */
static inline u32 kmemleak_object_slack_most(const struct kmemleak_object *obj)
{
	u32 slack = kmemleak_object_slack(obj);

	return slack < KMEMLEAK_SLACK_EXACT ? slack : slack + KMEMLEAK_SLACK_UNIT - 1;
}

#define KMEMLEAK_COUNT_MAX	127

static inline union kmemleak_colour kmemleak_colour(const struct kmemleak_object *obj)
{
	return (union kmemleak_colour){ .word = READ_ONCE(obj->colour.word) };
}

/* Return: false if somebody else was faster; then @old is what it is now. */
static inline bool kmemleak_recolour(struct kmemleak_object *obj, union kmemleak_colour *old,
				     union kmemleak_colour new)
{
	return try_cmpxchg(&obj->colour.word, &old->word, new.word);
}

/* Gives one member of an object's colour a value. */
#define kmemleak_paint(obj, member, value) do {				\
	struct kmemleak_object *__obj = (obj);				\
	union kmemleak_colour __old = kmemleak_colour(__obj), __new;	\
									\
	do {								\
		__new = __old;						\
		__new.member = (value);					\
	} while (!kmemleak_recolour(__obj, &__old, __new));		\
} while (0)

enum kmemleak_extra_kind {
	KMEMLEAK_EXTRA_AREA,
	KMEMLEAK_EXTRA_ALIAS,
};

/**
 * struct kmemleak_extra - a scan area or an alias of one object
 * @node: place in tracker.extras, ordered by owner, kind, start
 * @owner: start of the object it belongs to
 * @start: area: first byte; alias: the address that gets surplus references
 * @size: area: bytes; alias: 0
 * @kind: enum kmemleak_extra_kind
 *
 * Shares the pool with objects. It ends before the place where an object keeps
 * its flags, which say KMEMLEAK_EXTRA while it is in the tree and never LIVE, so that
 * it is not mistaken for a live object, and a marker that is late paints nothing that
 * matters.
 */
struct kmemleak_extra {
	struct rb_node node;
	unsigned long owner;
	unsigned long start;
	size_t size;
	u32 kind;
};

union kmemleak_entry {
	struct kmemleak_object object;
	struct kmemleak_extra extra;
};

static_assert(sizeof(struct kmemleak_object) <= 64);
static_assert(sizeof(struct kmemleak_extra) <=
	      offsetof(struct kmemleak_object, flags));

static inline enum kmemleak_space
kmemleak_object_space(const struct kmemleak_object *obj)
{
	return obj->flags & KMEMLEAK_SPACE_MASK;
}

static_assert(KMEMLEAK_NR_SPACES <= KMEMLEAK_EXTRA);

/* Is this entry an extra? To be asked again under extra_lock. */
static inline bool kmemleak_entry_is_extra(const union kmemleak_entry *entry)
{
	return (READ_ONCE(entry->object.flags) & KMEMLEAK_SPACE_MASK) == KMEMLEAK_EXTRA;
}

/* Tells a saved (pointer, start) from the object that lives there now. */
struct kmemleak_ref {
	struct kmemleak_object *obj;
	unsigned long start;
};

/* Does it live? Without a lock: yes and no are of a moment, and of any such object. */
static inline bool kmemleak_ref_lives(struct kmemleak_ref ref)
{
	return (READ_ONCE(ref.obj->flags) & KMEMLEAK_LIVE) &&
	       READ_ONCE(ref.obj->start) == ref.start;
}

/* ---------------------------------------------------------------- pool -- */

/*
 * Free entries of one CPU. Touched only by that CPU with interrupts off; the
 * counters are also read from elsewhere, by readers that live with a guess.
 */
struct kmemleak_pool_cache {
	struct kmemleak_object *free;
	unsigned int nr_free;
	u32 stamp;
	long in_use;
} ____cacheline_aligned_in_smp;

/* Entries moved between a CPU's list and the shared ones under one lock hold. */
#define KMEMLEAK_POOL_BATCH	32

/* How many of a page's entries are free; the fullest pages hand out first. */
enum kmemleak_fill {
	KMEMLEAK_FULL,		/* none */
	KMEMLEAK_DENSE,		/* at most a third */
	KMEMLEAK_SPARSE,	/* more */
	KMEMLEAK_EMPTY,		/* all */
	KMEMLEAK_NR_FILLS,
};

/**
 * struct kmemleak_pool_page - takes the place of the first entry of a page
 * @all: in pool.pages
 * @list: in the list of pool.fill that its free entries say; a closed one in the
 *	list of who empties it
 * @free: its entries that neither a block nor a CPU's list has
 * @nr_free: how many
 * @closed: hands out nothing, as it is being emptied
 */
struct kmemleak_pool_page {
	struct list_head all;
	struct list_head list;
	struct kmemleak_object *free;
	unsigned int nr_free;
	bool closed;
};

static_assert(sizeof(struct kmemleak_pool_page) <= sizeof(union kmemleak_entry));

/**
 * struct kmemleak_pool - entries of 64 bytes from whole pages
 * @lock: guards all but the last four, and the heads of pages
 * @nr_free: entries that a CPU without any could have at once; also read without
 *	the lock, by guess
 * @top_up: a hook that may sleep adds a page if there are fewer. Also read without
 *	the lock: as good as any that it was a moment ago
 * @kept: size of the stock of free entries for allocations that cannot wait
 * @in_use: entries handed out before there were caches
 * @pages: every page taken from the page allocator
 * @nr_pages: how many; also read without the lock, as a number to show
 * @fill: the same, by enum kmemleak_fill
 * @nr_filled: how many there are in each of these lists; also read without the lock,
 *	by guess
 * @asked: ops->tend() was told that there is something to do
 * @home: stands for @reserve as a page, but for the lists
 * @reserve: memory that is there before the page allocator is
 * @reserve_nr: entries in @reserve
 * @caches: one per CPU, or NULL before kmemleak_pool_start()
 * @nr_caches: how many
 */
struct kmemleak_pool {
	raw_spinlock_t lock;
	unsigned long nr_free;
	unsigned long top_up;
	unsigned long kept;
	long in_use;
	struct list_head pages;
	unsigned long nr_pages;
	struct list_head fill[KMEMLEAK_NR_FILLS];
	unsigned long nr_filled[KMEMLEAK_NR_FILLS];
	bool asked;
	struct kmemleak_pool_page home;
	union kmemleak_entry *reserve;
	unsigned long reserve_nr;
	struct kmemleak_pool_cache *caches;
	unsigned int nr_caches;
};

/* --------------------------------------------------------------- index -- */

/**
 * struct kmemleak_shard - one tree of objects
 * @lock: guards everything else, and the objects in @root
 * @cover: how many wide objects touch a region that hashes here; a look-up
 *	that misses here need not ask the wide tree while it is 0
 * @seq: odd while the tree, or the address or size of an object in it, is being
 *	changed under @lock; for kmemleak_index_peek(), which takes no lock
 * @gap_size: size of the block that left the gap
 * @root: objects by address
 * @last: the object linked last, if it is in the tree: most blocks live for a
 *	short time, so it is often the first one that goes
 * @gap: the parent of the object erased last, if that was a leaf and nothing
 *	changed since: allocators hand out first what was freed last
 * @gap_start: where that object began
 */
struct kmemleak_shard {
	raw_spinlock_t lock;
	unsigned int cover;
	seqcount_t seq;
	u32 gap_size;
	struct rb_root root;
	struct kmemleak_object *last;
	struct kmemleak_object *gap;
	unsigned long gap_start;
};

#define KMEMLEAK_NR_CLASSES	4
#define KMEMLEAK_FILTER_BITS	12
#define KMEMLEAK_BOOT_SHARD_BITS 4

/**
 * struct kmemleak_index - where the object of an address is found
 * @shards: objects that lie inside one region, by hash of the region
 * @bits: log2 of the number of @shards
 * @order: page order of @shards if they came from page_alloc, else -1
 * @boot: the first @shards, before kmemleak_index_grow()
 * @wide: objects that cross a region boundary, by class
 * @other: PHYS and PERCPU objects
 * @cover_all: wide objects with more regions than there are shards
 * @split: ascending starts of class 1, 2, …; ULONG_MAX where unused
 * @filter: by hash of the region of a PERCPU pointer: is there an object at all?
 *	Such pointers lie far apart, and between them small numbers and flags,
 *	of which every struct page has some. Entries are only ever set.
 * @low: [low, high) holds every object of the class that can be white.
 * @high: Both only ever widen, with cmpxchg; a marker that reads a stale value
 *	misses an object born during its mark, which is not white there.
 */
struct kmemleak_index {
	struct kmemleak_shard *shards;
	unsigned int bits;
	int order;
	struct kmemleak_shard boot[1 << KMEMLEAK_BOOT_SHARD_BITS];
	struct kmemleak_shard wide[KMEMLEAK_NR_CLASSES];
	struct kmemleak_shard other[KMEMLEAK_NR_SPACES];
	atomic_t cover_all;
	unsigned long split[KMEMLEAK_NR_CLASSES - 1];
	u8 filter[1 << KMEMLEAK_FILTER_BITS];
	unsigned long low[KMEMLEAK_NR_CLASSES + KMEMLEAK_NR_SPACES];
	unsigned long high[KMEMLEAK_NR_CLASSES + KMEMLEAK_NR_SPACES];
};

/* What a look-up without a lock has seen; no more than a moment's truth. */
struct kmemleak_glimpse {
	struct kmemleak_ref ref;
	bool sure;	/* nobody changed the tree meanwhile */
	bool found;
	u16 flags;
	size_t size;
};

/* A found object and the lock that keeps it. */
struct kmemleak_lookup {
	struct kmemleak_shard *shard;
	unsigned long irq;
};

/**
 * struct kmemleak_cursor - where a walk over all objects goes on
 * @tree: number of the tree, 0 to begin
 * @next: first start not yet visited
 */
struct kmemleak_cursor {
	unsigned long tree;
	unsigned long next;
};

/**
 * struct kmemleak_pool_cursor - where a look at all entries goes on
 * @page: page that is looked at, NULL: the reserve
 * @next: its next entry
 * @end: there are no more
 * @epoch: objects that this mark has scanned, and that no earlier episode nor an
 *	annotation has left a trace on, are passed over at once; 0: none
 */
struct kmemleak_pool_cursor {
	struct kmemleak_pool_page *page;
	unsigned long next;
	bool end;
	u8 epoch;
};

/* -------------------------------------------------------------- ranges -- */

/* Room before kmemleak_opaque_start(). */
#define KMEMLEAK_BOOT_OPAQUE	256

/* A block as its allocator knows it. */
struct kmemleak_block {
	enum kmemleak_space space;
	unsigned long start;
	size_t size;
};

/**
 * struct kmemleak_opaque_note - a block that has no object
 * @start: first byte
 * @size: bytes, 0: this note is free
 * @link: the next note of the same hash or the next free one, and the space of @start
 * @first: the first note of those whose hash is this one's number
 */
struct kmemleak_opaque_note {
	unsigned long start;
	size_t size;
	u32 link;
	u32 first;
};

/**
 * struct kmemleak_opaque - blocks that have no object, see ranges.c
 * @seq: odd while a chain is being changed under the lock; for look-ups without it
 * @note: the table; number 0 is never a block's. The notes are changed under the lock
 * @room: how many it has
 * @bits: log2 of the number of chains
 * @order: page order of @note if that is not @boot
 * @fresh: from here on no note was ever used; also read without the lock
 * @free: the first note to be used again, 0: none
 * @nr: notes in use; also read without the lock, to see that there is none
 * @added: how often a block was added; also read without the lock, by a mark
 * @bytes: size of all blocks with a note; also read without the lock, for the statistics
 * @missed: blocks that found no room; also read without the lock, by the verdict
 * @boot: the first @note
 */
struct kmemleak_opaque {
	seqcount_t seq;
	struct kmemleak_opaque_note *note;
	u32 room;
	unsigned int bits;
	int order;
	u32 fresh;
	u32 free;
	u32 nr;
	unsigned int added;
	unsigned long bytes;
	unsigned long missed;
	struct kmemleak_opaque_note boot[KMEMLEAK_BOOT_OPAQUE];
};

/* --------------------------------------------------------------- names -- */

#define KMEMLEAK_COMM_LEN	16
/* Some fewer than 4096, so that a table fits 16 pages. */
#define KMEMLEAK_NR_NAMES	(BIT(KMEMLEAK_COMM_BITS) - 256)
/* Tables at most. */
#define KMEMLEAK_MAX_NAMES	16

/**
 * struct kmemleak_names - a table of task names, see names.c
 * @lock: guards all changes of it
 * @nr: names stored; also read without the lock
 * @age: when each was used last, 0: the slot is vacant or about to be. Also read without
 *	the lock: whoever finds the present age there need not change it
 * @name: open addressing; slot 0 is never used and stands for "unknown".
 *	A slot's first word is written last, with release; readers acquire it.
 */
struct kmemleak_names {
	raw_spinlock_t lock;
	unsigned int nr;
	u8 age[KMEMLEAK_NR_NAMES];
	char name[KMEMLEAK_NR_NAMES][KMEMLEAK_COMM_LEN] __aligned(8);
};

/* ------------------------------------------------------------ counters -- */

/* What happened; names in kmemleak_counter_names[]. All only ever grow. */
enum kmemleak_counter {
	KMEMLEAK_CNT_BAD_ADDR,		/* NULL or ERR_PTR where a block is meant */
	KMEMLEAK_CNT_BAD_SIZE,		/* size 0 where that means nothing */
	KMEMLEAK_CNT_WRAP,		/* start + size wraps */
	KMEMLEAK_CNT_UNKNOWN,		/* annotation of an unknown block */
	KMEMLEAK_CNT_UNKNOWN_FREE,	/* free of an unknown block */
	KMEMLEAK_CNT_DUPLICATE,		/* start registered twice: newer won */
	KMEMLEAK_CNT_OVERLAP,		/* overlaps another block: made opaque */
	KMEMLEAK_CNT_OUTSIDE,		/* part lies outside its block */
	KMEMLEAK_CNT_NMI,		/* called from NMI: nothing done */
	KMEMLEAK_CNT_NO_ENTRY,		/* no entry to be had: block opaque */
	KMEMLEAK_CNT_NO_NOTE,		/* and no room for a note of it: no reports */
	KMEMLEAK_CNT_NO_EXTRA,		/* no entry for an area: scanned in full */
	KMEMLEAK_CNT_NO_NAME,		/* name table full */
	KMEMLEAK_CNT_RESERVE_USED,	/* entry taken though few were left */
	KMEMLEAK_CNT_PAGES_RETURNED,	/* page of entries given back */
	KMEMLEAK_CNT_UNWOUND,		/* trace taken by walking the stack */
	KMEMLEAK_CNT_UNREADABLE,	/* chunk skipped in a scan */
	KMEMLEAK_CNT_MARK_OVERFLOW,	/* work list full: found again by a sweep */
	KMEMLEAK_CNT_LEAK_DROPPED,	/* no memory for a suspect or a leak record */
	KMEMLEAK_CNT_SNAPSHOTS,		/* suspects confirmed in a standstill */
	KMEMLEAK_CNT_SNAPSHOTS_CUT,	/* no time for that, or not enough: by further marks */
	KMEMLEAK_CNT_SCANS,		/* episodes completed */
	KMEMLEAK_CNT_SCANS_CUT,		/* episodes stopped half way */
	KMEMLEAK_NR_COUNTERS,
};

extern const char *const kmemleak_counter_names[];

/* --------------------------------------------------------------- rules -- */

/* Verdict rules, see verdict.c; bits of kmemleak_options::rules. */
enum kmemleak_rule {
	KMEMLEAK_RULE_AGE,		/* younger than min_age_ms: not yet */
	KMEMLEAK_RULE_BORN,		/* born during this mark: not yet */
	KMEMLEAK_RULE_CHANGED,		/* contents change: somebody uses it */
	KMEMLEAK_RULE_TRANSIENT,	/* annotated for one episode */
	KMEMLEAK_RULE_CONFIRM,		/* must be white in another mark */
	KMEMLEAK_RULE_MIN_UNREF,	/* white in min_unref_scans episodes */
	KMEMLEAK_RULE_STACK,		/* dead parts of stacks are no roots */
	KMEMLEAK_NR_RULES,
};

#define KMEMLEAK_ALL_RULES	(BIT(KMEMLEAK_NR_RULES) - 1)

/* How KMEMLEAK_RULE_CONFIRM makes sure. */
enum kmemleak_confirm {
	KMEMLEAK_CONFIRM_STOP,		/* in a standstill if there is time for it */
	KMEMLEAK_CONFIRM_RESCAN,	/* by further marks, as long as they matter */
	KMEMLEAK_CONFIRM_OFF,		/* as without the rule */
};

/**
 * struct kmemleak_options - what the user can set; read once per episode
 * @rules: bit mask of enum kmemleak_rule
 * @min_age: youngest reportable age, jiffies
 * @min_unref_scans: episodes an object has to be unreferenced in, at least 1
 * @confirm: how suspects are confirmed
 * @workers: how many markers there are at most, 0 stands for 1
 * @max_leaks: records that a set of leaks has at most, 0: no limit
 * @scan_stacks: task stacks are roots
 * @draft: set by the verdict: what a mark leaves white is looked at in a standstill
 * @first: set by the verdict: the first mark of an episode
 */
struct kmemleak_options {
	unsigned long rules;
	unsigned long min_age;
	unsigned int min_unref_scans;
	enum kmemleak_confirm confirm;
	unsigned int workers;
	unsigned long max_leaks;
	bool scan_stacks;
	bool draft;
	bool first;
};

/* --------------------------------------------------------------- leaks -- */

#define KMEMLEAK_DUMP_LEN	32

/**
 * struct kmemleak_suspect - an object that a mark left white, while it is judged
 * @list: in the set
 * @ref: the object
 * @born: as in the object; also @stamp
 * @stamp: orders suspects within a jiffy
 * @crc: checksum of the contents when it was collected
 * @live_count: references from what is live, for group.c
 * @root: no other leak points at it, or it was chosen for a cycle of them
 * @below: leaks that are reached from this one and from no root before it; 0 if it
 *	is no root
 * @below_bytes: their size
 */
struct kmemleak_suspect {
	struct list_head list;
	struct kmemleak_ref ref;
	u32 born;
	u32 stamp;
	u32 crc;
	u8 live_count;
	bool root;
	unsigned long below;
	unsigned long below_bytes;
};

/**
 * struct kmemleak_leak - what a report says of one leak; never changes once
 *	its set is published
 * @list: in the set, in order of allocation
 * @ref: the object it was made from, to ask whether that still lives
 * @size: bytes
 * @requested: bytes that the caller asked for, or @size if that is not known; if it is
 *	less by KMEMLEAK_SLACK_EXACT or more, the most that it can have been
 * @trace: as in the object; also @born, @stamp, @pid, @flags
 * @born: low half of jiffies
 * @stamp: orders leaks within a jiffy
 * @pid: allocating task
 * @crc: as in the suspect; also @root, @below, @below_bytes
 * @flags: KMEMLEAK_* before it was reported
 * @root: see struct kmemleak_suspect
 * @below: see there
 * @below_bytes: see there
 * @comm: name of the allocating task, NUL-terminated
 * @dump_len: valid bytes in @dump
 * @dump: first bytes of the contents (per-cpu: of CPU 0's copy)
 */
struct kmemleak_leak {
	struct list_head list;
	struct kmemleak_ref ref;
	size_t size;
	size_t requested;
	u32 trace;
	u32 born;
	u32 stamp;
	s32 pid;
	u32 crc;
	u16 flags;
	u8 dump_len;
	bool root;
	unsigned long below;
	unsigned long below_bytes;
	char comm[KMEMLEAK_COMM_LEN];
	u8 dump[KMEMLEAK_DUMP_LEN];
};

/**
 * struct kmemleak_leaks - a set of leak records, or of suspects before, in memory of its
 *	own
 * @list: struct kmemleak_leak in order of allocation, or struct kmemleak_suspect
 * @nr: how many
 * @nr_new: leaks that no earlier set had, with those that are not in this one
 * @nr_left_out: leaks that are not in this set, for it is full
 * @pages: the memory, a chain of pages
 * @used: bytes of the first page that are records
 */
struct kmemleak_leaks {
	struct list_head list;
	unsigned long nr;
	unsigned long nr_new;
	unsigned long nr_left_out;
	void *pages;
	size_t used;
};

/* Each record begins with its place in the list. */
static_assert(!offsetof(struct kmemleak_suspect, list) && !offsetof(struct kmemleak_leak, list));

/* ------------------------------------------------------------- tracker -- */

enum kmemleak_read {
	KMEMLEAK_READ_BLOCK,	/* tracked memory; the shard lock is held */
	KMEMLEAK_READ_MAPPED,	/* in the mapped range, just looked at; not preemptible */
	KMEMLEAK_READ_ROOT,	/* any memory; process context, nothing held */
	KMEMLEAK_READ_OPAQUE,	/* the same, but only if it is the kernel's own by now */
};

struct kmemleak_bounds {
	unsigned long low;
	unsigned long size;
};

static inline bool kmemleak_within(const struct kmemleak_bounds *b, unsigned long addr)
{
	return addr - b->low < b->size;
}

/**
 * struct kmemleak_sieve - which words can be references
 * @virt: bounds of all VIRT objects that can be white
 * @percpu: the same for PERCPU
 * @copies: where the CPUs' copies of these can lie
 *
 * No bounds reach down to the first page: most words are such small numbers.
 */
struct kmemleak_sieve {
	struct kmemleak_bounds virt;
	struct kmemleak_bounds percpu;
	struct kmemleak_bounds copies;
};

/* Most words are rejected here. */
static __always_inline bool kmemleak_sieve_keeps(const struct kmemleak_sieve *sieve,
						 unsigned long word)
{
	return word >= PAGE_SIZE && (kmemleak_within(&sieve->virt, word) ||
				     kmemleak_within(&sieve->percpu, word) ||
				     kmemleak_within(&sieve->copies, word));
}

/* Words looked at together, since so many small ones in a row are common. */
#define KMEMLEAK_SIEVE_STEP	8
/* Words fetched before; the processor does that by itself, but for no new page. */
#define KMEMLEAK_SIEVE_AHEAD	96

/**
 * kmemleak_sieve_words() - pick what may be references out of readable memory
 * @sieve: what to keep
 * @dst: gets the words that were kept, untagged; may be @src
 * @src: words, which others may write meanwhile
 * @len: bytes; of a word that is there in part nothing is read
 *
 * Return: number of words in @dst.
 */
static inline long kmemleak_sieve_words(const struct kmemleak_sieve *sieve, unsigned long *dst,
					const unsigned long *src, size_t len)
{
	const struct kmemleak_sieve by = *sieve;
	const unsigned long *end = src + len / sizeof(*src), *stop;
	unsigned long *next = dst;

	for (; src < end; src = stop) {
		stop = end;
		if (end - src >= KMEMLEAK_SIEVE_STEP) {
			stop = src + KMEMLEAK_SIEVE_STEP;
			prefetch(src + KMEMLEAK_SIEVE_AHEAD);
			if ((READ_ONCE(src[0]) | READ_ONCE(src[1]) | READ_ONCE(src[2]) |
			     READ_ONCE(src[3]) | READ_ONCE(src[4]) | READ_ONCE(src[5]) |
			     READ_ONCE(src[6]) | READ_ONCE(src[7])) < PAGE_SIZE)
				continue;
		}
		for (; src < stop; src++) {
			unsigned long word = kmemleak_untag(READ_ONCE(*src));

			if (unlikely(kmemleak_sieve_keeps(&by, word)))
				*next++ = word;
		}
	}
	return next - dst;
}

/**
 * struct kmemleak_ops - what a tracker's surroundings provide
 * @page_alloc: 1 << order zeroed pages or NULL; any context that @gfp allows
 * @page_free: gives them back
 * @read: copies len bytes of tracked memory, at most a page; false and nothing
 *	promised if they cannot be read. Must not sleep, the shard lock is held.
 * @pick: as kmemleak_sieve_words() for any memory from addr on, at most a page;
 *	negative and nothing promised if it cannot be read, 0 if it is known that it
 *	is not to be. BLOCK, MAPPED: must not sleep; BLOCK: interrupts are off.
 *	OPAQUE: nothing is picked from memory that the kernel does not keep for itself.
 * @block_addr: turns an address of a space into one that @read takes; for
 *	PERCPU, of CPU number cpu. 0 if there is none.
 * @roots: calls kmemleak_mark_range() for every root outside the index
 * @pause: called between bounded pieces of a scan; may sleep; non-zero ends
 *	the scan
 * @settle: returns when every call on the tracker that is under way by now is over; may
 *	sleep
 * @spawn: calls kmemleak_mark_help() on another CPU, soon or, if there is none to
 *	be had, never; NULL: there is only one marker
 * @wait: sleeps until kmemleak_mark_ready(), or for a while
 * @wake: who waits looks again
 * @join: returns when nobody is in kmemleak_mark_help() nor will be
 * @tend: somebody who may sleep shall call kmemleak_pool_restock() soon, and
 *	kmemleak_pool_trim() if that is wanted. Any context but NMI, interrupts are off
 *	and raw locks of others may be held; NULL: nobody will
 * @each_cpu: calls a function on each CPU with interrupts off, and waits for it;
 *	may sleep
 * @standstill: calls kmemleak_mark_run() while nothing else runs, if there is time
 *	for it; the mark before took so many pieces. Return: 0, or an error if it did
 *	not run to its end; NULL: never
 * @now: low half of jiffies
 */
struct kmemleak_ops {
	void *(*page_alloc)(struct kmemleak_tracker *t, unsigned int order, gfp_t gfp);
	void (*page_free)(struct kmemleak_tracker *t, void *page, unsigned int order);
	bool (*read)(struct kmemleak_tracker *t, void *dst, unsigned long addr, size_t len);
	long (*pick)(struct kmemleak_tracker *t, unsigned long *dst, unsigned long addr,
		     size_t len, enum kmemleak_read how, const struct kmemleak_sieve *sieve);
	unsigned long (*block_addr)(struct kmemleak_tracker *t,
				    enum kmemleak_space space,
				    unsigned long addr, unsigned int cpu);
	void (*roots)(struct kmemleak_tracker *t, struct kmemleak_marker *m);
	int (*pause)(struct kmemleak_tracker *t);
	void (*settle)(struct kmemleak_tracker *t);
	void (*spawn)(struct kmemleak_tracker *t, struct kmemleak_marker *m);
	void (*wait)(struct kmemleak_tracker *t, struct kmemleak_marker *m);
	void (*wake)(struct kmemleak_tracker *t);
	void (*join)(struct kmemleak_tracker *t);
	void (*tend)(struct kmemleak_tracker *t);
	void (*each_cpu)(struct kmemleak_tracker *t, void (*call)(struct kmemleak_tracker *t));
	int (*standstill)(struct kmemleak_tracker *t, struct kmemleak_marker *m,
			  unsigned long pieces);
	u32 (*now)(void);
};

/**
 * struct kmemleak_tracker - one detector; the kernel has one, tests their own
 * @ops: surroundings
 * @enabled: blocks are being tracked. Written by kmemleak_tracker_enable(),
 *	_disable() and _fail(); hooks read it without a lock, and whoever
 *	disables waits for a grace period before the metadata goes.
 * @failed: why tracking ended by itself, or NULL; written once
 * @index: objects by address
 * @pool: their memory
 * @names: tables of task names, by pid
 * @nr_names: how many, a power of two, 0: none yet. Written with release, with the tables
 *	in place
 * @name_age: of the names that are used now, never 0. Written by kmemleak_names_age(),
 *	which waits for the calls that still see the one before
 * @extra_lock: guards @extras
 * @extras: scan areas and aliases
 * @opaque_lock: guards @opaque
 * @opaque: blocks that have no object
 * @epoch: number of the current or last mark, never 0 after the first; changes
 *	only in kmemleak_mark_begin(), read by the allocation hook
 * @marking: from kmemleak_mark_begin() to kmemleak_mark_close(): newborn
 *	objects are gray. Written with release after @epoch; the allocation
 *	hook pairs with an acquire.
 * @due: since this was cleared, an object may have become one that a sweep has to
 *	scan. Set after the change; a sweep clears it before it looks.
 * @mapped: [mapped, mapped_end) is VIRT that is never unmapped nor becomes I/O
 *	memory, so blocks there are read without a lock; empty if not known
 * @mapped_end: see @mapped
 * @nr_cpus: per-cpu copies of a PERCPU object
 * @cpu_offset: what to add to a per-cpu pointer to get a CPU's copy, ascending; an
 *	address of such a copy is a reference as well
 * @nr_cpu_offsets: how many there are, 0 if that is not wanted
 * @counters: enum kmemleak_counter
 * @options: see there; the episode works on a copy
 * @no_still: the last standstill that was wanted was refused or cut short, so the
 *	next first mark is to stand alone
 * @private: for the surroundings
 */
struct kmemleak_tracker {
	const struct kmemleak_ops *ops;
	bool enabled;
	const char *failed;
	struct kmemleak_index index;
	struct kmemleak_pool pool;
	struct kmemleak_names *names[KMEMLEAK_MAX_NAMES];
	unsigned int nr_names;
	u8 name_age;
	raw_spinlock_t extra_lock;
	struct rb_root extras;
	raw_spinlock_t opaque_lock;
	struct kmemleak_opaque opaque;
	u8 epoch;
	bool marking;
	bool due;
	unsigned long mapped;
	unsigned long mapped_end;
	unsigned int nr_cpus;
	unsigned long *cpu_offset;
	unsigned int nr_cpu_offsets;
	atomic_long_t counters[KMEMLEAK_NR_COUNTERS];
	struct kmemleak_options options;
	bool no_still;
	void *private;
};

/*
 * How the detector asks for its own tables and pages where it may sleep: it is worth
 * some reclaim and compaction, but no process is to be killed for it, and the last
 * reserves are left to others. In early boot it does not sleep.
 */
#define KMEMLEAK_GFP	(GFP_KERNEL | __GFP_NORETRY | __GFP_NOWARN | __GFP_NOMEMALLOC)

/* A sweep is to look again. Call it after the change that it is to find. */
static inline void kmemleak_set_due(struct kmemleak_tracker *t)
{
	/* Pairs with sweep(). */
	smp_store_release(&t->due, true);
}

static inline void kmemleak_count_many(struct kmemleak_tracker *t,
				       enum kmemleak_counter counter, long nr)
{
	atomic_long_add(nr, &t->counters[counter]);
}

static inline void kmemleak_count(struct kmemleak_tracker *t,
				  enum kmemleak_counter counter)
{
	atomic_long_inc(&t->counters[counter]);
}

/* pool.c, for the function below only */
void kmemleak_pool_add(struct kmemleak_tracker *t, gfp_t gfp);

/**
 * kmemleak_pool_top_up() - make it likely that the next get needs no new page
 * @t: tracker
 * @gfp: what the caller's allocation may do; only if it may sleep is anything
 *	tried that kmemleak_pool_get() would not try itself
 *
 * Looks at nothing that kmemleak_pool_reset() frees, since a caller that may
 * sleep cannot be waited for.
 *
 * Context: as @gfp says.
 */
static inline void kmemleak_pool_top_up(struct kmemleak_tracker *t, gfp_t gfp)
{
	/* A wrong guess costs a page too many, or an attempt of the get itself. */
	if (unlikely(READ_ONCE(t->pool.nr_free) < READ_ONCE(t->pool.top_up)) &&
	    (gfp & __GFP_DIRECT_RECLAIM))
		kmemleak_pool_add(t, gfp);
}

/**
 * struct kmemleak_origin - who allocated a block and when, gathered before any
 *	lock is taken
 * @trace: handle of the stack trace, 0 for none
 * @born: low half of jiffies
 * @clock: nanoseconds, any origin, may stand still for a tick
 * @pid: task, 0 in interrupt context
 * @slack: how much less than the size of the block was asked for
 * @context: of the call
 * @comm: the task's name, KMEMLEAK_COMM_LEN bytes, or NULL
 */
struct kmemleak_origin {
	u32 trace;
	u32 born;
	u32 clock;
	s32 pid;
	u32 slack;
	enum kmemleak_context context;
	const char *comm;
};

/* What a call on a block did; glue turns it into a message. */
enum kmemleak_result {
	KMEMLEAK_OK,
	KMEMLEAK_BAD_ADDR,
	KMEMLEAK_BAD_SIZE,
	KMEMLEAK_WRAPS,
	KMEMLEAK_NOT_FOUND,
	KMEMLEAK_REPLACED,	/* tracked; an older object of that start went */
	KMEMLEAK_OVERLAPS,	/* not tracked: opaque */
	KMEMLEAK_OUTSIDE,	/* reaches out of its block */
	KMEMLEAK_NO_MEMORY,	/* not tracked: opaque; or area lost */
	KMEMLEAK_NR_RESULTS,
};

/* core.c, notes.c: blocks come, go and are annotated. Any context but NMI. */
enum kmemleak_result kmemleak_check_addr(struct kmemleak_tracker *t, enum kmemleak_space space,
					 unsigned long addr);
enum kmemleak_result kmemleak_check_range(struct kmemleak_tracker *t, enum kmemleak_space space,
					  unsigned long start, size_t size);
void kmemleak_tracker_setup(struct kmemleak_tracker *t, const struct kmemleak_ops *ops,
			    union kmemleak_entry *reserve, unsigned long reserve_nr);
int kmemleak_tracker_start(struct kmemleak_tracker *t, unsigned int shard_bits,
			   unsigned int nr_cpus);
void kmemleak_tracker_enable(struct kmemleak_tracker *t);
void kmemleak_tracker_disable(struct kmemleak_tracker *t);
void kmemleak_tracker_fail(struct kmemleak_tracker *t, const char *why);
void kmemleak_tracker_reset(struct kmemleak_tracker *t);
enum kmemleak_result kmemleak_block_add(struct kmemleak_tracker *t, enum kmemleak_space space,
					unsigned long start, size_t size, int min_count,
					const struct kmemleak_origin *origin);
enum kmemleak_result kmemleak_block_remove(struct kmemleak_tracker *t, enum kmemleak_space space,
					   unsigned long start);
enum kmemleak_result kmemleak_block_remove_part(struct kmemleak_tracker *t,
						enum kmemleak_space space, unsigned long start,
						size_t size);
void kmemleak_block_remove_all(struct kmemleak_tracker *t, enum kmemleak_space space,
			       unsigned long start, size_t size);

/* What can be said of a block by any address inside it. */
enum kmemleak_note {
	KMEMLEAK_NOTE_NOT_LEAK,		/* a root from now on */
	KMEMLEAK_NOTE_IGNORE,		/* black from now on */
	KMEMLEAK_NOTE_NO_SCAN,		/* contents hold no references */
	KMEMLEAK_NOTE_TRANSIENT,	/* the next episode passes over it */
};

enum kmemleak_result kmemleak_block_annotate(struct kmemleak_tracker *t, enum kmemleak_space space,
					     unsigned long addr, enum kmemleak_note note);
enum kmemleak_result kmemleak_block_set_trace(struct kmemleak_tracker *t, unsigned long addr,
					      u32 trace);
enum kmemleak_result kmemleak_block_add_area(struct kmemleak_tracker *t, unsigned long start,
					     size_t size);
enum kmemleak_result kmemleak_block_add_alias(struct kmemleak_tracker *t, unsigned long addr,
					      unsigned long target);
/* A copy of the object that holds an address; its count is 0 if stale. */
bool kmemleak_block_get(struct kmemleak_tracker *t, enum kmemleak_space space,
			unsigned long addr, struct kmemleak_object *copy);

/* extra.c. Context: the owner's shard lock is held, or nobody else knows it. */
struct kmemleak_object *kmemleak_extra_add(struct kmemleak_tracker *t,
					   struct kmemleak_object *spare,
					   enum kmemleak_extra_kind kind, unsigned long owner,
					   unsigned long start, size_t size);
void kmemleak_extra_drop(struct kmemleak_tracker *t, unsigned long owner);
bool kmemleak_extra_move(struct kmemleak_tracker *t, struct kmemleak_extra *extra,
			 union kmemleak_entry *to);
bool kmemleak_extra_area(struct kmemleak_tracker *t, unsigned long owner, unsigned long from,
			 unsigned long *start, unsigned long *end);
unsigned long kmemleak_extra_alias(struct kmemleak_tracker *t, unsigned long owner,
				   unsigned long after);

/* pool.c */
void kmemleak_pool_setup(struct kmemleak_tracker *t, union kmemleak_entry *reserve,
			 unsigned long nr);
int kmemleak_pool_start(struct kmemleak_tracker *t, unsigned int nr_cpus);
struct kmemleak_object *kmemleak_pool_get(struct kmemleak_tracker *t);
bool kmemleak_pool_refill(struct kmemleak_tracker *t);
void kmemleak_pool_put(struct kmemleak_tracker *t, struct kmemleak_object *obj);
unsigned int kmemleak_pool_pick(struct kmemleak_tracker *t, struct kmemleak_pool_cursor *cursor,
				bool (*want)(const struct kmemleak_object *obj, const void *arg),
				const void *arg, struct kmemleak_ref *picked, unsigned int max);
long kmemleak_pool_in_use(struct kmemleak_tracker *t);
long kmemleak_pool_free_entries(struct kmemleak_tracker *t);
void kmemleak_pool_keep(struct kmemleak_tracker *t, unsigned long nr);
bool kmemleak_pool_restock(struct kmemleak_tracker *t);
bool kmemleak_pool_low(struct kmemleak_tracker *t);
bool kmemleak_pool_overfull(struct kmemleak_tracker *t);
unsigned long kmemleak_pool_surplus(struct kmemleak_tracker *t);
unsigned int kmemleak_pool_trim(struct kmemleak_tracker *t, struct list_head *pages,
				bool all);
void kmemleak_pool_release(struct kmemleak_tracker *t, struct list_head *pages);
void kmemleak_pool_reset(struct kmemleak_tracker *t);
void kmemleak_pool_destroy(struct kmemleak_tracker *t);

/* names.c */
int kmemleak_names_start(struct kmemleak_tracker *t, unsigned int nr);
void kmemleak_names_reset(struct kmemleak_tracker *t);
u16 kmemleak_names_intern(struct kmemleak_tracker *t, const char *comm, u32 pid);
void kmemleak_names_keep(struct kmemleak_tracker *t, const struct kmemleak_object *obj);
void kmemleak_names_get(struct kmemleak_tracker *t, u16 id, u32 pid, char *comm);
unsigned int kmemleak_names_nr(struct kmemleak_tracker *t);
int kmemleak_names_age(struct kmemleak_tracker *t);

/* ranges.c. Context: opaque_lock is taken inside. */
void kmemleak_opaque_setup(struct kmemleak_tracker *t);
int kmemleak_opaque_start(struct kmemleak_tracker *t, int order);
void kmemleak_opaque_reset(struct kmemleak_tracker *t);
void kmemleak_opaque_add(struct kmemleak_tracker *t, enum kmemleak_space space,
			 unsigned long start, size_t size);
bool kmemleak_opaque_remove(struct kmemleak_tracker *t, enum kmemleak_space space,
			    unsigned long start);
bool kmemleak_opaque_cut(struct kmemleak_tracker *t, enum kmemleak_space space,
			 unsigned long start, size_t size);
bool kmemleak_opaque_next(struct kmemleak_tracker *t, u32 *cursor, struct kmemleak_block *block);
void kmemleak_opaque_settle(struct kmemleak_tracker *t, unsigned long nr);

/*
 * index.c, bounds.c, shards.c. A function that returns an object returns it with
 * the lock of its shard held, to be released with kmemleak_index_unlock(); NULL:
 * nothing held.
 */
void kmemleak_index_setup(struct kmemleak_index *idx);

static inline bool kmemleak_index_is_wide(enum kmemleak_space space, unsigned long start,
					  size_t size)
{
	return space == KMEMLEAK_VIRT &&
	       (start ^ (start + (size - 1))) >> KMEMLEAK_REGION_SHIFT;
}

int kmemleak_index_grow(struct kmemleak_tracker *t, unsigned int bits);
bool kmemleak_index_may_hold(const struct kmemleak_index *idx, enum kmemleak_space space,
			     unsigned long addr);
int kmemleak_index_insert(struct kmemleak_tracker *t, struct kmemleak_object *obj,
			  struct kmemleak_ref *clash);
int kmemleak_index_insert_irqs_off(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				   struct kmemleak_ref *clash);
struct kmemleak_object *kmemleak_index_find(struct kmemleak_tracker *t, enum kmemleak_space space,
					    unsigned long addr, struct kmemleak_lookup *at);
struct kmemleak_object *kmemleak_index_find_start(struct kmemleak_tracker *t,
						  enum kmemleak_space space, unsigned long start,
						  struct kmemleak_lookup *at);
void kmemleak_index_peek(struct kmemleak_tracker *t, enum kmemleak_space space,
			 unsigned long addr, struct kmemleak_glimpse *seen);

/* Look-ups that are made together. */
#define KMEMLEAK_PEEKS	16
void kmemleak_index_peek_many(struct kmemleak_tracker *t, const unsigned long *addr,
			      struct kmemleak_glimpse *seen, unsigned int nr);
struct kmemleak_object *kmemleak_index_relock(struct kmemleak_tracker *t,
					      struct kmemleak_ref ref,
					      struct kmemleak_lookup *at);
void kmemleak_index_unlock(struct kmemleak_lookup *at);
void kmemleak_index_erase_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				 struct kmemleak_lookup *at);
void kmemleak_index_replace_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				   struct kmemleak_object *to, struct kmemleak_lookup *at);
void kmemleak_index_forget_wide(struct kmemleak_tracker *t, unsigned long start, size_t size);
void kmemleak_index_trim_unlock(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				unsigned long start, size_t size,
				struct kmemleak_object *tail,
				struct kmemleak_lookup *at);

/*
 * Calls @visit for up to @budget objects, each under its shard's lock (@visit
 * must not sleep nor take a shard lock); false: the walk is over.
 */
bool kmemleak_index_walk(struct kmemleak_tracker *t, struct kmemleak_cursor *cursor,
			 unsigned int budget,
			 void (*visit)(struct kmemleak_tracker *t, struct kmemleak_object *obj,
				       void *arg),
			 void *arg);
struct kmemleak_cursor kmemleak_index_begin(struct kmemleak_tracker *t, enum kmemleak_space space);
void kmemleak_index_clear(struct kmemleak_tracker *t);
/* compact.c. Context: process, no mark under way. */
bool kmemleak_entry_moves(const union kmemleak_entry *entry);
bool kmemleak_entry_move(struct kmemleak_tracker *t, union kmemleak_entry *entry,
			 union kmemleak_entry *to);

/*
 * mark.c, work.c, sweep.c: tri-colour marking. Context: process, nothing held;
 * one mark of a tracker at a time. A mark begins, is fed with roots and run to the
 * end of what they reach; what is white then stays white until the next begin.
 */
/* Most markers of one mark. */
#define KMEMLEAK_MAX_WORKERS	16

struct kmemleak_marker *kmemleak_mark_begin(struct kmemleak_tracker *t,
					    const struct kmemleak_options *opt);
int kmemleak_mark_run(struct kmemleak_marker *m);
int kmemleak_mark_again(struct kmemleak_marker *m);
int kmemleak_mark_object(struct kmemleak_marker *m, struct kmemleak_ref ref);
/* What one object alone points at becomes gray; it is not scanned. */
int kmemleak_mark_children(struct kmemleak_marker *m, struct kmemleak_ref ref);
/* Objects reached and their bytes, by references, since the mark began. */
unsigned long kmemleak_mark_reached(const struct kmemleak_marker *m, unsigned long *bytes);
/* An object becomes white again, as if this mark had not reached it. */
void kmemleak_mark_undo(struct kmemleak_marker *m, struct kmemleak_ref ref, unsigned int count);
void kmemleak_mark_forget(struct kmemleak_marker *m);
void kmemleak_mark_end(struct kmemleak_marker *m);
/* For ops->roots(). Return: 0, or what ops->pause() wants the scan to end with. */
int kmemleak_mark_range(struct kmemleak_marker *m, unsigned long start, unsigned long end);
int kmemleak_mark_opaque(struct kmemleak_marker *m, const struct kmemleak_block *block);
int kmemleak_mark_poll(struct kmemleak_marker *m);
unsigned long kmemleak_mark_pieces(const struct kmemleak_marker *m);
int kmemleak_mark_look(struct kmemleak_marker *m, unsigned long start, unsigned long end);
long kmemleak_mark_pick(struct kmemleak_marker *m, long nr, unsigned long start, size_t len);
int kmemleak_mark_follow(struct kmemleak_marker *m, long nr);
void kmemleak_mark_drain(struct kmemleak_marker *m);
unsigned int kmemleak_mark_left(struct kmemleak_marker *m, struct kmemleak_pool_cursor *cursor,
				struct kmemleak_ref *left, unsigned int max);
const struct kmemleak_options *kmemleak_mark_options(const struct kmemleak_marker *m);
/* For ops->spawn() and ops->wait(). */
void kmemleak_mark_help(struct kmemleak_marker *m);
bool kmemleak_mark_ready(const struct kmemleak_marker *m);
/* Newborn objects are no longer taken for reached. */
void kmemleak_mark_close(struct kmemleak_tracker *t);
bool kmemleak_object_white(const struct kmemleak_tracker *t, const struct kmemleak_object *obj);

/*
 * verdict.c: the rules, and what they make of a mark. Context of _is_root: the
 * object's shard lock is held; of kmemleak_verdict: process, nothing held.
 */
bool kmemleak_verdict_is_root(const struct kmemleak_tracker *t,
			      const struct kmemleak_options *opt,
			      const struct kmemleak_object *obj);
bool kmemleak_verdict_looks_at(const struct kmemleak_tracker *t,
			       const struct kmemleak_object *obj);
int kmemleak_verdict(struct kmemleak_tracker *t, const struct kmemleak_options *opt,
		     struct kmemleak_leaks *leaks);

/*
 * group.c: which leaks hang on which. Context: after a mark that left all of
 * @leaks white; they are again afterwards. Return: 0, or what ops->pause() said.
 */
int kmemleak_group(struct kmemleak_tracker *t, struct kmemleak_marker *m,
		   struct kmemleak_leaks *leaks);

/*
 * leaks.c: sets of suspects, which last for one episode, and of leak records.
 * Context: process, may sleep. _sort() returns 0, or what ops->pause() said.
 */
/* Suspects and records that are dealt with between two calls of ops->pause(). */
#define KMEMLEAK_RECORDS_PER_PAUSE	64

void kmemleak_leaks_init(struct kmemleak_leaks *leaks);
void *kmemleak_leaks_add(struct kmemleak_tracker *t, struct kmemleak_leaks *leaks, size_t size);
void kmemleak_leaks_drop(struct kmemleak_leaks *leaks, struct list_head *record);
void kmemleak_leaks_free(struct kmemleak_tracker *t, struct kmemleak_leaks *leaks);
int kmemleak_suspects_sort(struct kmemleak_tracker *t, struct kmemleak_leaks *suspects);
void kmemleak_leaks_settle(struct kmemleak_tracker *t, const struct kmemleak_leaks *leaks);
bool kmemleak_leak_lives(struct kmemleak_tracker *t, const struct kmemleak_leak *leak);

/* command.c: words written to the file */
enum kmemleak_command {
	KMEMLEAK_CMD_SCAN,
	KMEMLEAK_CMD_CLEAR,
	KMEMLEAK_CMD_OFF,
	KMEMLEAK_CMD_ON,
	KMEMLEAK_CMD_DUMP,		/* arg: address */
	KMEMLEAK_CMD_STACK_ON,
	KMEMLEAK_CMD_STACK_OFF,
	KMEMLEAK_CMD_SCAN_ON,
	KMEMLEAK_CMD_SCAN_OFF,
	KMEMLEAK_CMD_SCAN_SECS,		/* arg: seconds, 0 ends the thread */
};

/*
 * Longest period that can be set, in seconds: 24 days. In milliseconds it still
 * fits an int, the narrowest type on the way of a timeout.
 */
#define KMEMLEAK_MAX_SECS	(INT_MAX / 1000)

/* Longest command with its argument, newline and NUL; longer ones are EINVAL. */
#define KMEMLEAK_CMD_MAX	64

int kmemleak_command_parse(const char *text, size_t len, enum kmemleak_command *cmd,
			   unsigned long *arg);

#endif /* _KMEMLEAK_INTERNAL_H */
