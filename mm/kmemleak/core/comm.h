/* SPDX-License-Identifier: GPL-2.0-only */
/* Task names, each stored once. See comm.c. */
#ifndef _KMEMLEAK_COMM_H
#define _KMEMLEAK_COMM_H

#include "object.h"

struct kmemleak_tracker;

#define KMEMLEAK_COMM_LEN		16
/* Less than 4096, so that a table fits 64 KiB. */
#define KMEMLEAK_COMM_TABLE_SIZE	(BIT(KMEMLEAK_COMM_BITS) - 256)
#define KMEMLEAK_MAX_COMM_TABLES	16

/**
 * struct kmemleak_comm_table - a hash table of task names
 * @lock: raw. Guards all changes.
 * @nr: number of names. Also read without the lock.
 * @age: when each name was last used, 0: the slot is vacant or about to become so. Also
 *	read without the lock: a caller that reads the current age need not write it.
 * @name: open addressing. Slot 0 is never used and stands for "unknown". The first word
 *	of a slot is written last, with release; read_first_word() acquires it.
 */
struct kmemleak_comm_table {
	raw_spinlock_t lock;
	unsigned int nr;
	u8 age[KMEMLEAK_COMM_TABLE_SIZE];
	char name[KMEMLEAK_COMM_TABLE_SIZE][KMEMLEAK_COMM_LEN] __aligned(8);
};

int kmemleak_comm_start(struct kmemleak_tracker *t, unsigned int nr);
void kmemleak_comm_reset(struct kmemleak_tracker *t);
u16 kmemleak_comm_intern(struct kmemleak_tracker *t, const char *comm, u32 pid);
void kmemleak_comm_touch(struct kmemleak_tracker *t, const struct kmemleak_object *obj);
void kmemleak_comm_get(struct kmemleak_tracker *t, u16 id, u32 pid, char *comm);
unsigned int kmemleak_comm_nr(struct kmemleak_tracker *t);
int kmemleak_comm_expire(struct kmemleak_tracker *t);

#endif /* _KMEMLEAK_COMM_H */
