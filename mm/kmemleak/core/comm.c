// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task names. Each name is stored once, and an object has only the number of its slot. There
 * are several tables, and the task's pid selects one of them. So a number needs only 12 bits,
 * and a pool of many threads still has room for its names. A task that renames itself again
 * and again fills only the table of its pid.
 *
 * When a table is half full, the next scan removes the names that no object has any more:
 *   1. kmemleak_comm_expire() begins a new age. Every call that looks up or adds a name
 *      writes the current age to the slot of the name.
 *   2. It waits for the calls that may have read the previous age: ops->wait_for_hooks().
 *   3. It visits all objects, and writes the new age to the slots of their names. Slots that
 *      still have another age are unused.
 *   4. It makes the unused slots dead: look-ups do not read their names any more.
 *   5. It waits for the calls that may still read these names, and then makes the dead
 *      slots vacant.
 */
#include "comm.h"
#include "index.h"
#include "tracker.h"

#define TABLE_ORDER	get_order(sizeof(struct kmemleak_comm_table))

/* Slots tried for a name. If none of them is vacant, the table is full for this name. */
#define PROBES	32

/* A table with more names than this counts as full: the next scan removes unused names. */
#define MANY	(KMEMLEAK_COMM_TABLE_SIZE / 2)

/* Objects visited between two pauses. */
#define VISITS	64

/* Age of a slot that is vacant, or about to become vacant. */
#define DEAD	0

static u8 next_age(u8 age)
{
	return age == U8_MAX ? 1 : age + 1;
}

/* The slot that is tried first. Only the upper bits of a hash depend on the whole name. */
static u32 home_slot(const u64 *word)
{
	u64 hash = hash_64(word[0] ^ hash_64(word[1], 32), 32);

	return hash * KMEMLEAK_COMM_TABLE_SIZE >> 32;
}

/* The part of a name that one load or store covers. Not 0, if the name is not empty. */
static unsigned long first_word(const void *name)
{
	return *(const unsigned long *)name;
}

static unsigned long read_first_word(struct kmemleak_comm_table *table, u32 slot)
{
	/*
	 * The first word of a name is written last. A reader that sees a first word other
	 * than 0 also sees the rest. Pairs with add_comm().
	 */
	return smp_load_acquire((unsigned long *)table->name[slot]);
}

/*
 * Check the age before the name. Do not compare the name of a dead slot: another CPU may be
 * writing it. The name of any other slot stays until the hook that reads it ends.
 */
static u8 age_of(struct kmemleak_comm_table *table, u32 slot)
{
	/* Pairs with set_slot_age(). */
	return smp_load_acquire(&table->age[slot]);
}

static void set_slot_age(struct kmemleak_comm_table *table, u32 slot, u8 age)
{
	lockdep_assert_held(&table->lock);
	/* The previous name of the slot was cleared before this. Pairs with age_of(). */
	smp_store_release(&table->age[slot], age);
}

/* The caller has checked that the slot is not dead, and that @word[0] is not 0. */
static bool slot_matches(struct kmemleak_comm_table *table, u32 slot, const u64 *word)
{
	const u64 *name = (const u64 *)table->name[slot];

	return read_first_word(table, slot) == first_word(word) && name[1] == word[1] &&
	       (sizeof(long) == sizeof(*word) || name[0] == word[0]);
}

static struct kmemleak_comm_table *table_of(struct kmemleak_tracker *t, u32 pid)
{
	/* Pairs with kmemleak_comm_start(). */
	unsigned int nr = smp_load_acquire(&t->nr_comm_tables);

	return nr ? t->comm_tables[pid & (nr - 1)] : NULL;
}

/* Does not stop at a vacant slot: it may have become vacant after the name was added. */
static u16 lookup_comm(struct kmemleak_comm_table *table, const u64 *word, u32 *vacant)
{
	u32 home = home_slot(word), i;

	*vacant = 0;
	for (i = 0; i < PROBES; i++) {
		u32 slot = (home + i) % KMEMLEAK_COMM_TABLE_SIZE;

		if (!slot)
			continue;
		if (age_of(table, slot) != DEAD) {
			if (slot_matches(table, slot, word))
				return slot;
		} else if (!*vacant && !read_first_word(table, slot)) {
			*vacant = slot;
		}
	}
	return 0;
}

/* A name is in use at @age. If the slot has the next age already, @age is outdated. */
static void mark_used_locked(struct kmemleak_comm_table *table, u32 slot, u8 age)
{
	u8 now = table->age[slot];

	lockdep_assert_held(&table->lock);
	if (now != DEAD && now != next_age(age))
		set_slot_age(table, slot, age);
}

static noinline u16 add_comm(struct kmemleak_tracker *t, struct kmemleak_comm_table *table,
			     const char *comm)
{
	u64 word[KMEMLEAK_COMM_LEN / sizeof(u64)] = { };
	u8 age = READ_ONCE(t->comm_age);
	unsigned long irq;
	u32 vacant;
	u16 id;

	/* The task may be renamed meanwhile. Any mix of both names is fine. */
	memcpy(word, comm, strnlen(comm, KMEMLEAK_COMM_LEN - 1));
	if (!word[0])
		return 0;

	id = lookup_comm(table, word, &vacant);
	if (id && READ_ONCE(table->age[id]) == age)
		return id;
	/* Do not take the lock if there is no room. */
	if (!id && !vacant) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_NAME);
		return 0;
	}
	raw_spin_lock_irqsave(&table->lock, irq);
	id = lookup_comm(table, word, &vacant);
	if (id) {
		mark_used_locked(table, id, age);
	} else if (vacant) {
		char *name = table->name[vacant];

		memcpy(name + sizeof(long), (char *)word + sizeof(long),
		       KMEMLEAK_COMM_LEN - sizeof(long));
		set_slot_age(table, vacant, age);
		/* Pairs with read_first_word(). */
		smp_store_release((unsigned long *)name, first_word(word));
		WRITE_ONCE(table->nr, table->nr + 1);
		id = vacant;
	}
	raw_spin_unlock_irqrestore(&table->lock, irq);
	if (!id)
		kmemleak_count(t, KMEMLEAK_CNT_NO_NAME);
	return id;
}

/**
 * kmemleak_comm_intern() - look up or add a task name
 * @t: tracker
 * @comm: KMEMLEAK_COMM_LEN bytes: a name, a NUL, and then NULs or anything. Or NULL
 * @pid: pid of the task
 *
 * Context: any but NMI; in a call that ops->wait_for_hooks() waits for.
 * Return: a number for kmemleak_comm_get(); 0 if there is no name, no table, or no room.
 */
u16 kmemleak_comm_intern(struct kmemleak_tracker *t, const char *comm, u32 pid)
{
	u64 word[KMEMLEAK_COMM_LEN / sizeof(u64)];
	struct kmemleak_comm_table *table;
	u32 slot;

	if (!comm)
		return 0;
	table = table_of(t, pid);
	if (!table)
		return 0;
	/* The kernel pads names with NULs. Most names are known, in the slot tried first. */
	word[0] = get_unaligned((const u64 *)comm);
	word[1] = get_unaligned((const u64 *)comm + 1);
	slot = home_slot(word);
	if (likely(slot && word[0] && age_of(table, slot) == READ_ONCE(t->comm_age) &&
		   slot_matches(table, slot, word)))
		return slot;
	return add_comm(t, table, comm);
}

/**
 * kmemleak_comm_touch() - an object's name is in use: write the current age to its slot
 * @t: tracker
 * @obj: the object; its shard's lock is held
 *
 * For kmemleak_comm_expire(), and before the name is copied to another object, which its walk
 * may not visit.
 */
void kmemleak_comm_touch(struct kmemleak_tracker *t, const struct kmemleak_object *obj)
{
	struct kmemleak_comm_table *table = table_of(t, obj->pid);
	u8 age = READ_ONCE(t->comm_age);
	unsigned long irq;

	if (!table || !obj->comm || READ_ONCE(table->age[obj->comm]) == age)
		return;
	raw_spin_lock_irqsave(&table->lock, irq);
	mark_used_locked(table, obj->comm, age);
	raw_spin_unlock_irqrestore(&table->lock, irq);
}

/**
 * kmemleak_comm_get() - get the name that belongs to a number
 * @t: tracker
 * @id: from kmemleak_comm_intern()
 * @pid: as passed to kmemleak_comm_intern()
 * @comm: KMEMLEAK_COMM_LEN bytes, filled with a NUL-terminated name
 *
 * If kmemleak_comm_expire() has run since @id was read from an object that is gone, the name
 * may be that of another task.
 */
void kmemleak_comm_get(struct kmemleak_tracker *t, u16 id, u32 pid, char *comm)
{
	static const char unknown[KMEMLEAK_COMM_LEN] = "unknown";
	struct kmemleak_comm_table *table = table_of(t, pid);

	if (id && table && id < ARRAY_SIZE(table->name) && read_first_word(table, id))
		memcpy(comm, table->name[id], KMEMLEAK_COMM_LEN);
	else
		memcpy(comm, unknown, KMEMLEAK_COMM_LEN);
}

/* Number of names in all tables. */
unsigned int kmemleak_comm_nr(struct kmemleak_tracker *t)
{
	unsigned int i, sum = 0;

	for (i = 0; i < READ_ONCE(t->nr_comm_tables); i++)
		sum += READ_ONCE(t->comm_tables[i]->nr);
	return sum;
}

/* ------------------------------------------------------------------ age -- */

static void mark_comm_used(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	kmemleak_comm_touch(t, obj);
}

/* Makes a slot dead if its age is not @age. Look-ups do not find the name any more. */
static void expire_unused_locked(struct kmemleak_comm_table *table, u32 slot, u8 age)
{
	lockdep_assert_held(&table->lock);
	if (table->age[slot] != age && read_first_word(table, slot))
		set_slot_age(table, slot, DEAD);
}

/* Makes a dead slot vacant. No call reads the name any more. */
static void vacate_dead_locked(struct kmemleak_comm_table *table, u32 slot, u8 age)
{
	lockdep_assert_held(&table->lock);
	if (table->age[slot] != DEAD || !read_first_word(table, slot))
		return;
	WRITE_ONCE(*(unsigned long *)table->name[slot], 0);
	WRITE_ONCE(table->nr, table->nr - 1);
}

/* Takes the lock for each slot, because add_comm() may fill vacant slots meanwhile. */
static void visit_comm_slots(struct kmemleak_tracker *t, u8 age,
			     void (*visit)(struct kmemleak_comm_table *table, u32 slot, u8 age))
{
	unsigned long irq;
	unsigned int i;
	u32 slot;

	for (i = 0; i < t->nr_comm_tables; i++) {
		for (slot = 1; slot < KMEMLEAK_COMM_TABLE_SIZE; slot++) {
			raw_spin_lock_irqsave(&t->comm_tables[i]->lock, irq);
			visit(t->comm_tables[i], slot, age);
			raw_spin_unlock_irqrestore(&t->comm_tables[i]->lock, irq);
		}
	}
}

static bool any_table_crowded(struct kmemleak_tracker *t)
{
	unsigned int i;

	for (i = 0; i < t->nr_comm_tables; i++)
		if (READ_ONCE(t->comm_tables[i]->nr) > MANY)
			return true;
	return false;
}

/**
 * kmemleak_comm_expire() - remove names that no object has
 * @t: tracker
 *
 * Does nothing while every table has room.
 *
 * Context: process, may sleep, nothing held. Only one call at a time, and not during
 * kmemleak_comm_reset().
 * Return: 0, or the error of ops->pause().
 */
int kmemleak_comm_expire(struct kmemleak_tracker *t)
{
	u8 age = next_age(t->comm_age);
	struct kmemleak_cursor cursor = { };
	int ret = 0;

	if (!any_table_crowded(t))
		return 0;
	WRITE_ONCE(t->comm_age, age);
	t->ops->wait_for_hooks(t);
	while (!ret && kmemleak_index_walk(t, &cursor, VISITS, mark_comm_used, NULL))
		ret = t->ops->pause(t);
	if (ret)
		return ret;
	visit_comm_slots(t, age, expire_unused_locked);
	t->ops->wait_for_hooks(t);
	visit_comm_slots(t, age, vacate_dead_locked);
	return 0;
}

/* --------------------------------------------------------------- tables -- */

/**
 * kmemleak_comm_start() - allocate the tables
 * @t: tracker
 * @nr: number of tables, a power of two, at most KMEMLEAK_MAX_COMM_TABLES. If memory is
 *	short, there are fewer.
 *
 * Context: nobody else starts or resets the tables.
 * Return: 0, or -ENOMEM; then all tasks are "unknown".
 */
int kmemleak_comm_start(struct kmemleak_tracker *t, unsigned int nr)
{
	unsigned int i;

	if (t->nr_comm_tables)
		return 0;
	for (i = 0; i < nr; i++) {
		t->comm_tables[i] = t->ops->page_alloc(t, TABLE_ORDER, KMEMLEAK_GFP);
		if (!t->comm_tables[i])
			break;
		raw_spin_lock_init(&t->comm_tables[i]->lock);
	}
	if (!i)
		return -ENOMEM;
	for (nr = rounddown_pow_of_two(i); i > nr; i--)
		t->ops->page_free(t, t->comm_tables[i - 1], TABLE_ORDER);
	t->comm_age = 1;
	/* Pairs with table_of(). */
	smp_store_release(&t->nr_comm_tables, nr);
	return 0;
}

/**
 * kmemleak_comm_reset() - free the tables
 * @t: tracker
 *
 * Context: process; tracking is off and no hook is under way.
 */
void kmemleak_comm_reset(struct kmemleak_tracker *t)
{
	unsigned int i, nr = t->nr_comm_tables;

	t->nr_comm_tables = 0;
	for (i = 0; i < nr; i++)
		t->ops->page_free(t, t->comm_tables[i], TABLE_ORDER);
}
