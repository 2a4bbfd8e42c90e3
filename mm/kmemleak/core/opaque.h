/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Opaque blocks: blocks that have no object. Each has an entry in a table, see opaque.c.
 */
#ifndef _KMEMLEAK_OPAQUE_H
#define _KMEMLEAK_OPAQUE_H

#include "object.h"

struct kmemleak_tracker;

/* Entries in the table before kmemleak_opaque_start(). */
#define KMEMLEAK_BOOT_OPAQUE	256

/**
 * struct kmemleak_opaque_entry - one opaque block
 * @start: first byte
 * @size: bytes, 0: the entry is free
 * @link: number of the next entry in the hash chain or in the free list, shifted left, and
 *	the space of @start in the low bits
 * @first: head of the hash chain that has this entry's number
 */
struct kmemleak_opaque_entry {
	unsigned long start;
	size_t size;
	u32 link;
	u32 first;
};

/**
 * struct kmemleak_opaque - the table of opaque blocks
 * @lock: raw. Guards the rest
 * @seq: odd while a chain is being changed. surely_absent() checks it without the lock.
 * @entry: the entries. Number 0 is never used for a block.
 * @room: number of entries
 * @bits: log2 of the number of hash chains
 * @order: page order of @entry, unless it is @boot
 * @fresh: entries from this number on were never used. kmemleak_opaque_next() reads it
 *	without the lock.
 * @free: first entry of the free list, 0: none
 * @nr: number of blocks. Also read without the lock, to see whether there are any.
 * @added: number of times a block was added. Marks read it without the lock.
 * @bytes: size of all blocks. The statistics read it without the lock.
 * @missed: number of blocks that found no room. The judge reads it without the lock.
 * @boot: the first @entry
 */
struct kmemleak_opaque {
	raw_spinlock_t lock;
	seqcount_t seq;
	struct kmemleak_opaque_entry *entry;
	u32 room;
	unsigned int bits;
	int order;
	u32 fresh;
	u32 free;
	u32 nr;
	unsigned int added;
	unsigned long bytes;
	unsigned long missed;
	struct kmemleak_opaque_entry boot[KMEMLEAK_BOOT_OPAQUE];
};

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
void kmemleak_opaque_clear_missed(struct kmemleak_tracker *t, unsigned long nr);

#endif /* _KMEMLEAK_OPAQUE_H */
