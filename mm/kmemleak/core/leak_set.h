/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Leak sets: the results of a scan. While a scan judges, a set holds suspects. The set that
 * is published holds leaks, and outlives the objects that they were made from.
 *
 * Context of all functions: process, may sleep.
 */
#ifndef _KMEMLEAK_LEAK_SET_H
#define _KMEMLEAK_LEAK_SET_H

#include "comm.h"
#include "object.h"

struct kmemleak_tracker;

#define KMEMLEAK_DUMP_LEN	32

/**
 * struct kmemleak_suspect - an object that a mark left white, while it is judged
 * @list: in the set
 * @ref: the object
 * @born: as in the object
 * @stamp: as in the object; orders suspects within a jiffy
 * @crc: checksum of the contents when the suspect was collected
 * @live_count: number of references from live memory
 * @root: no other leak points to it; or it is in a cycle or reached from one, and no older
 *	leak leads to it
 * @below: number of leaks that this root reaches and no root before it does; 0 if it is
 *	not a root
 * @below_bytes: size of these leaks
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
 * struct kmemleak_leak - the report of one leak; constant once published
 * @list: in the set, in order of allocation
 * @ref: the object that it was made from
 * @size: bytes
 * @requested: bytes that the caller requested, @size if that is not known. An upper bound if
 *	it is smaller than @size by KMEMLEAK_UNREQUESTED_EXACT or more
 * @trace: as in the object
 * @born: low half of jiffies
 * @stamp: orders leaks within a jiffy
 * @pid: allocating task
 * @crc: as in the suspect
 * @flags: of the object, before it was reported
 * @dump_len: valid bytes in @dump
 * @root: as in the suspect
 * @below: as in the suspect
 * @below_bytes: as in the suspect
 * @comm: name of the allocating task, NUL-terminated
 * @dump: first bytes of the contents; per-cpu: of CPU 0's copy
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
 * struct kmemleak_leak_set - suspects or leaks, in memory of their own
 * @list: struct kmemleak_suspect or struct kmemleak_leak
 * @nr: number of records in @list
 * @nr_new: leaks that no earlier set reported, those that were left out included
 * @nr_left_out: leaks that have no record because the set was full
 * @pages: the memory, a chain of pages
 * @used: bytes of the first page that hold records
 */
struct kmemleak_leak_set {
	struct list_head list;
	unsigned long nr;
	unsigned long nr_new;
	unsigned long nr_left_out;
	void *pages;
	size_t used;
};

/* A record of either kind begins with its place in the list. */
static_assert(!offsetof(struct kmemleak_suspect, list) && !offsetof(struct kmemleak_leak, list));

/* Records that are worked on between two calls of ops->pause(). */
#define KMEMLEAK_RECORDS_PER_PAUSE	64

void kmemleak_leak_set_init(struct kmemleak_leak_set *leaks);
void *kmemleak_leak_set_add(struct kmemleak_tracker *t, struct kmemleak_leak_set *leaks,
			    size_t size);
void kmemleak_leak_set_drop(struct kmemleak_leak_set *leaks, struct list_head *record);
void kmemleak_leak_set_free(struct kmemleak_tracker *t, struct kmemleak_leak_set *leaks);
int kmemleak_leak_set_sort(struct kmemleak_tracker *t, struct kmemleak_leak_set *suspects);
void kmemleak_leak_set_acknowledge(struct kmemleak_tracker *t,
				   const struct kmemleak_leak_set *leaks);
bool kmemleak_leak_set_is_alive(struct kmemleak_tracker *t, const struct kmemleak_leak *leak);

#endif /* _KMEMLEAK_LEAK_SET_H */
