/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Objects: what the detector records of each block.
 *
 * Glossary of the core
 *   block      memory that an allocator handed out
 *   object     the detector's record of a block
 *   attribute  something that few objects have: an alias or a scan area
 *   alias      tells the mark: count surplus references to this object as references
 *              to another one. A vm_struct is an alias of its vmalloc block.
 *   surplus    of references: those beyond the object's min_count
 *   entry      64 bytes of metadata (32-bit: 44) from the pool: an object or an attribute
 *   space      kind of address: virtual, physical or per-cpu
 *   region     naturally aligned 1 << KMEMLEAK_REGION_SHIFT bytes of virtual addresses
 *   shard      one rbtree of objects and its lock
 *   wide       of an object: it crosses a region boundary
 *   class      range of virtual addresses: direct map, vmalloc, modules, …
 *   reference  a word in scanned memory that holds an address inside a block
 *   mark       marking all objects that are reachable from the roots
 *   epoch      number of a mark
 *   pass       a walk over all objects that finds those still to be scanned; a mark makes
 *              one or more
 *   white      fewer references than min_count in this epoch: not reached
 *   gray       reached; the contents are still to be scanned
 *   black      reached and scanned; or ignored: never scanned, never reported
 *   root       memory that is scanned though no reference leads to it
 *   opaque     of a block: it has no object. Opaque blocks are roots.
 *   marker     a task that marks: the one that scans, or a helper on another CPU
 *   suspect    an object that a mark left white and that no rule cleared
 *   judge      finds the suspects after a mark, and decides which of them are leaks
 *   leak       a record of a suspect that was confirmed
 *   leak set   the leaks that one scan found
 *   scan       all the work of one "echo scan": marks, judgement, confirmation
 *   stop       all CPUs wait in stop_machine() while a mark runs
 *   hook       a function that allocators call: a block comes, goes or is annotated
 */
#ifndef _KMEMLEAK_OBJECT_H
#define _KMEMLEAK_OBJECT_H

#include "platform.h"

/* -------------------------------------------------------------- spaces -- */

enum kmemleak_space {
	KMEMLEAK_VIRT,		/* kernel virtual addresses */
	KMEMLEAK_PHYS,		/* physical addresses (memblock) */
	KMEMLEAK_PERCPU,	/* per-cpu pointers as alloc_percpu() returns them */
	KMEMLEAK_NR_SPACES,
};

/**
 * struct kmemleak_space_type - what differs between address spaces
 * @label: stands before an address in reports
 * @per_cpu: a block has a copy for each CPU
 * @any_addr: every number is an address; else NULL and error pointers are not
 */
struct kmemleak_space_type {
	const char *label;
	bool per_cpu;
	bool any_addr;
};

extern const struct kmemleak_space_type kmemleak_space_types[KMEMLEAK_NR_SPACES];

static inline bool kmemleak_space_is_per_cpu(enum kmemleak_space space)
{
	return kmemleak_space_types[space].per_cpu;
}

/* A block as its allocator knows it. */
struct kmemleak_block {
	enum kmemleak_space space;
	unsigned long start;
	size_t size;
};

/* -------------------------------------------------------------- objects -- */

enum kmemleak_context {
	KMEMLEAK_TASK,
	KMEMLEAK_SOFTIRQ,
	KMEMLEAK_HARDIRQ,
	KMEMLEAK_NR_CONTEXTS,
};

/* struct kmemleak_object::flags */
#define KMEMLEAK_SPACE_MASK	0x0003	/* enum kmemleak_space */
#define KMEMLEAK_MAX_SPACES	4
#define KMEMLEAK_CTX_SHIFT	2
#define KMEMLEAK_CTX_MASK	0x000c	/* enum kmemleak_context */
#define KMEMLEAK_ATTR		0x000c	/* no context: the entry is a struct kmemleak_attr */
#define KMEMLEAK_MAX_CONTEXTS	3
#define KMEMLEAK_LIVE		0x0010	/* in a tree */
#define KMEMLEAK_IGNORE		0x0020	/* black for good */
#define KMEMLEAK_NO_SCAN	0x0040	/* contents hold no references */
#define KMEMLEAK_AREAS		0x0080	/* only its scan areas are scanned */
#define KMEMLEAK_ALIAS		0x0100	/* has an alias attribute */
#define KMEMLEAK_FULL_SCAN	0x0200	/* an area was lost: scan everything */
#define KMEMLEAK_WIDE		0x0400	/* is in a wide tree */
#define KMEMLEAK_REPORTED	0x0800	/* was in a published leak set */
#define KMEMLEAK_TRANSIENT	0x1000	/* the next scan treats it as a root */
#define KMEMLEAK_OVERLAPPED	0x2000	/* a block without an object overlaps it */
#define KMEMLEAK_TRANSIENT_USED	0x4000	/* a scan used it as a root: the next clears both */
#define KMEMLEAK_CONFIRMED	0x8000	/* confirmed once, and white in each scan since */

/* Bits for an object's @pid and @comm: enough for PID_MAX_LIMIT and for a comm table's slots. */
#define KMEMLEAK_PID_BITS	22
#define KMEMLEAK_COMM_BITS	12

/**
 * union kmemleak_colour - what marks know of an object
 * @word: all members at once. Markers, hooks and the judge change the word with
 *	cmpxchg and without a lock. Only the CPU that fills in a new object stores it.
 * @min_count: number of references that make the object gray; 0: it is a root
 * @count: references found in @epoch. Counting stops at @min_count, or at
 *	KMEMLEAK_COUNT_MAX if the object has an alias.
 * @scanned: the object is queued or scanned in @epoch
 * @epoch: the mark that @count and @scanned belong to; 0: none. If it is not the
 *	tracker's epoch, both are stale and stand for 0.
 * @unref: number of consecutive scans that left the object unreferenced, saturates
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

#define KMEMLEAK_COUNT_MAX	127

/**
 * struct kmemleak_object - one tracked block
 * @node: place in the shard's tree
 * @next_free: the next free entry, while this entry is free
 * @start: first byte, in the object's space
 * @size: bytes, never 0
 * @trace: handle of the allocation's stack trace, 0: none
 * @born: low half of jiffies at allocation
 * @stamp: orders allocations within a jiffy; nanoseconds, wraps
 * @pid: allocating task, 0 in interrupt context
 * @unrequested_low: low bits of the unrequested bytes, see kmemleak_object_unrequested()
 * @comm: slot in the comm table of @pid
 * @unrequested_high: high bits of the unrequested bytes
 * @flags: KMEMLEAK_*
 * @colour: what marks know of the object
 *
 * The shard's lock guards all members but @colour. kmemleak_index_relock() and
 * index_lockless.h also read @start, @size and @flags without the lock. KMEMLEAK_LIVE is
 * set exactly while the object is in a tree. Objects of one tree do not overlap.
 *
 * Between two marks an object may move to another entry, see kmemleak_entry_move().
 * A pointer to an object points to an entry of the pool until the mark, or the RCU section
 * of the hook, that found it ends. Meanwhile the entry may get another object:
 * kmemleak_index_relock() tells. To refer to an object for longer, keep its address and
 * look it up again.
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
	u32 unrequested_low : 10;
	u16 comm : 12;
	u16 unrequested_high : 4;
	u16 flags;
	union kmemleak_colour colour;
};

static inline enum kmemleak_space
kmemleak_object_space(const struct kmemleak_object *obj)
{
	return obj->flags & KMEMLEAK_SPACE_MASK;
}

static inline union kmemleak_colour kmemleak_colour(const struct kmemleak_object *obj)
{
	return (union kmemleak_colour){ .word = READ_ONCE(obj->colour.word) };
}

/* Return: false if somebody else changed the colour first; @old is updated. */
static inline bool kmemleak_colour_cmpxchg(struct kmemleak_object *obj,
					   union kmemleak_colour *old, union kmemleak_colour new)
{
	return try_cmpxchg(&obj->colour.word, &old->word, new.word);
}

/* Sets one member of an object's colour. */
#define kmemleak_colour_set(obj, member, value) do {			\
	struct kmemleak_object *__obj = (obj);				\
	union kmemleak_colour __old = kmemleak_colour(__obj), __new;	\
									\
	do {								\
		__new = __old;						\
		__new.member = (value);					\
	} while (!kmemleak_colour_cmpxchg(__obj, &__old, __new));	\
} while (0)

/*
 * Allocators hand out more bytes than the caller requested. Numbers of unrequested bytes
 * below this limit are exact. With 4 KiB pages, slab caches stay below it. Larger numbers
 * are stored in units, rounded down. That is enough for half of 1024 pages, a block of
 * order 10.
 */
#define KMEMLEAK_UNREQUESTED_EXACT \
	BIT(48 - KMEMLEAK_PID_BITS - KMEMLEAK_COMM_BITS - 1)
#define KMEMLEAK_UNREQUESTED_UNIT	(PAGE_SIZE / 16)

/*
 * Unrequested bytes of a block, or a lower bound if they are not exact. The caller
 * holds the shard's lock.
 */
static inline u32 kmemleak_object_unrequested(const struct kmemleak_object *obj)
{
	u32 bytes = obj->unrequested_low | obj->unrequested_high << (32 - KMEMLEAK_PID_BITS);

	if (bytes < KMEMLEAK_UNREQUESTED_EXACT)
		return bytes;
	return (bytes - KMEMLEAK_UNREQUESTED_EXACT) * KMEMLEAK_UNREQUESTED_UNIT;
}

static inline void kmemleak_object_set_unrequested(struct kmemleak_object *obj, u32 bytes)
{
	if (unlikely(bytes >= KMEMLEAK_UNREQUESTED_EXACT))
		bytes = KMEMLEAK_UNREQUESTED_EXACT + min_t(u32, bytes / KMEMLEAK_UNREQUESTED_UNIT,
							   KMEMLEAK_UNREQUESTED_EXACT - 1);
	obj->unrequested_low = bytes;
	obj->unrequested_high = bytes >> (32 - KMEMLEAK_PID_BITS);
}

/* An upper bound of the unrequested bytes, unless they were too many to be stored. */
static inline u32 kmemleak_object_max_unrequested(const struct kmemleak_object *obj)
{
	u32 bytes = kmemleak_object_unrequested(obj);

	if (bytes < KMEMLEAK_UNREQUESTED_EXACT)
		return bytes;
	return bytes + KMEMLEAK_UNREQUESTED_UNIT - 1;
}

/* A remembered object. The entry may hold another object by now. */
struct kmemleak_ref {
	struct kmemleak_object *obj;
	unsigned long start;
};

/* Does the entry still hold the remembered object? Takes no lock: outdated at once. */
static inline bool kmemleak_ref_is_live(struct kmemleak_ref ref)
{
	return (READ_ONCE(ref.obj->flags) & KMEMLEAK_LIVE) &&
	       READ_ONCE(ref.obj->start) == ref.start;
}

/* -------------------------------------------------------------- entries -- */

enum kmemleak_attr_kind {
	KMEMLEAK_ATTR_AREA,
	KMEMLEAK_ATTR_ALIAS,
};

/**
 * struct kmemleak_attr - a scan area or an alias of one object
 * @node: place in tracker.attrs, ordered by owner, kind, start
 * @owner: start of the object that has the attribute
 * @start: area: first byte; alias: the address that surplus references count for
 * @size: area: bytes; alias: 0
 * @kind: enum kmemleak_attr_kind
 *
 * tracker.attr_lock guards attributes. They share the pool with objects, and a marker
 * may still hold a pointer to the object that was in this entry before. So the struct
 * ends before the offset of an object's flags and colour: a late change of the colour
 * overwrites nothing. The flags say KMEMLEAK_ATTR while the attribute is in the tree, and
 * never KMEMLEAK_LIVE: nobody takes an attribute for a live object.
 */
struct kmemleak_attr {
	struct rb_node node;
	unsigned long owner;
	unsigned long start;
	size_t size;
	u32 kind;
};

union kmemleak_entry {
	struct kmemleak_object object;
	struct kmemleak_attr attr;
};

static_assert(sizeof(struct kmemleak_object) <= 64);
static_assert(sizeof(struct kmemleak_attr) <= offsetof(struct kmemleak_object, flags));
static_assert(KMEMLEAK_NR_SPACES <= KMEMLEAK_MAX_SPACES);
static_assert(KMEMLEAK_NR_CONTEXTS <= KMEMLEAK_MAX_CONTEXTS);

/* Is this entry an attribute? Check again under attr_lock. */
static inline bool kmemleak_entry_is_attr(const union kmemleak_entry *entry)
{
	return (READ_ONCE(entry->object.flags) & KMEMLEAK_CTX_MASK) == KMEMLEAK_ATTR;
}

#endif /* _KMEMLEAK_OBJECT_H */
