// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task names, each stored once, so that an object needs two bytes for one. The
 * table only fills up; when it is full, new names become "unknown".
 */
#include "kmemleak.h"

/* Slots tried before the table counts as full around a name. */
#define PROBES	32

static u32 name_hash(const u64 *word)
{
	return hash_64(word[0] ^ hash_64(word[1], 32), 32);
}

/* As much of a name as can be read and written at once. */
static unsigned long first_of(const void *name)
{
	return *(const unsigned long *)name;
}

static unsigned long slot_first(struct kmemleak_names *names, u32 slot)
{
	/*
	 * A slot is written once, its first part last; whoever sees one that is
	 * not 0 sees the rest. Pairs with add().
	 */
	return smp_load_acquire((unsigned long *)names->name[slot]);
}

/* @word[0] is not 0. */
static bool slot_is(struct kmemleak_names *names, u32 slot, const u64 *word)
{
	const u64 *name = (const u64 *)names->name[slot];

	return slot_first(names, slot) == first_of(word) && name[1] == word[1] &&
	       (sizeof(long) == sizeof(*word) || name[0] == word[0]);
}

static u16 look_up(struct kmemleak_names *names, const u64 *word, u32 *vacant)
{
	u32 hash = name_hash(word), i;

	*vacant = 0;
	for (i = 0; i < PROBES; i++) {
		u32 slot = (hash + i) % KMEMLEAK_NR_NAMES;

		if (!slot)
			continue;
		if (!slot_first(names, slot)) {
			*vacant = slot;
			return 0;
		}
		if (slot_is(names, slot, word))
			return slot;
	}
	return 0;
}

static noinline u16 add(struct kmemleak_tracker *t, const char *comm)
{
	struct kmemleak_names *names = t->names;
	u64 word[KMEMLEAK_COMM_LEN / sizeof(u64)] = { };
	unsigned long irq;
	u32 vacant;
	u16 id;

	/* A task may rename itself meanwhile; any mix of both names is fine. */
	memcpy(word, comm, strnlen(comm, KMEMLEAK_COMM_LEN - 1));
	if (!word[0])
		return 0;

	id = look_up(names, word, &vacant);
	if (id)
		return id;
	raw_spin_lock_irqsave(&names->lock, irq);
	id = look_up(names, word, &vacant);
	if (!id && vacant) {
		char *name = names->name[vacant];

		memcpy(name + sizeof(long), (char *)word + sizeof(long),
		       KMEMLEAK_COMM_LEN - sizeof(long));
		/* Pairs with slot_first(). */
		smp_store_release((unsigned long *)name, first_of(word));
		names->nr++;
		id = vacant;
	}
	raw_spin_unlock_irqrestore(&names->lock, irq);
	if (!id)
		kmemleak_count(t, KMEMLEAK_CNT_NO_NAME);
	return id;
}

/**
 * kmemleak_names_intern() - the number of a task name
 * @t: tracker
 * @comm: KMEMLEAK_COMM_LEN bytes, a name and NULs or a NUL and anything; or NULL
 *
 * Context: any but NMI.
 * Return: for kmemleak_names_get(); 0 if the name is empty or the table full.
 */
u16 kmemleak_names_intern(struct kmemleak_tracker *t, const char *comm)
{
	u64 word[KMEMLEAK_COMM_LEN / sizeof(u64)];
	u32 slot;

	if (!t->names || !comm)
		return 0;
	/* The kernel pads names, and most are known, at the first place tried. */
	word[0] = get_unaligned((const u64 *)comm);
	word[1] = get_unaligned((const u64 *)comm + 1);
	slot = name_hash(word) % KMEMLEAK_NR_NAMES;
	if (likely(slot && word[0] && slot_is(t->names, slot, word)))
		return slot;
	return add(t, comm);
}

/**
 * kmemleak_names_get() - the name behind a number
 * @t: tracker
 * @id: from kmemleak_names_intern()
 * @comm: KMEMLEAK_COMM_LEN bytes, filled with a NUL-terminated name
 */
void kmemleak_names_get(struct kmemleak_tracker *t, u16 id, char *comm)
{
	static const char unknown[KMEMLEAK_COMM_LEN] = "unknown";
	struct kmemleak_names *names = t->names;

	if (id && names && id < ARRAY_SIZE(names->name) && slot_first(names, id))
		memcpy(comm, names->name[id], KMEMLEAK_COMM_LEN);
	else
		memcpy(comm, unknown, KMEMLEAK_COMM_LEN);
}
