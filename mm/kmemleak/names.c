// SPDX-License-Identifier: GPL-2.0-only
/*
 * Task names, each stored once, so that an object needs 12 bits for one. There are
 * several tables, chosen by the task's pid: so a name costs little, a pool of many
 * threads has room, and a task that renames itself again and again fills no more than
 * the table of its pid.
 *
 * Names that no object has any more go when a table becomes full, in the next scan. Who
 * looks up or adds a name does so in a call that kmemleak_ops::settle() waits for, and
 * notes in the name's slot the age of names. To age is to begin a new age, to wait for
 * the calls of the age before, and to note the new age for the name of each object: then
 * the slots of the old age are nobody's. They are killed, and used again when those are
 * gone who may be reading them.
 */
#include "kmemleak.h"

/* Slots tried before the table counts as full around a name. */
#define PROBES	32

/* A table with more names than this loses those that are not needed in the next scan. */
#define MANY	(KMEMLEAK_NR_NAMES / 2)

/* Objects visited in one go. */
#define VISITS	64

/* Of a slot without a name, or whose name is about to go. */
#define DEAD	0

static u8 age_after(u8 age)
{
	return age == U8_MAX ? 1 : age + 1;
}

/* The first place for a name. Only the upper bits of a hash depend on all of it. */
static u32 home_of(const u64 *word)
{
	u64 hash = hash_64(word[0] ^ hash_64(word[1], 32), 32);

	return hash * KMEMLEAK_NR_NAMES >> 32;
}

/* As much of a name as can be read and written at once. */
static unsigned long first_of(const void *name)
{
	return *(const unsigned long *)name;
}

static unsigned long slot_first(struct kmemleak_names *names, u32 slot)
{
	/*
	 * The first part of a name is written last; whoever sees one that is not 0 sees
	 * the rest. Pairs with add().
	 */
	return smp_load_acquire((unsigned long *)names->name[slot]);
}

/*
 * Nothing of a dead slot is read, as somebody may be writing there. What is read of
 * another one stays until the reader's call is over.
 */
static u8 age_of(struct kmemleak_names *names, u32 slot)
{
	/* Pairs with set_age(). */
	return smp_load_acquire(&names->age[slot]);
}

static void set_age(struct kmemleak_names *names, u32 slot, u8 age)
{
	lockdep_assert_held(&names->lock);
	/* What the slot held before was cleared before. Pairs with age_of(). */
	smp_store_release(&names->age[slot], age);
}

/* The slot is not dead, and @word[0] not 0. */
static bool slot_is(struct kmemleak_names *names, u32 slot, const u64 *word)
{
	const u64 *name = (const u64 *)names->name[slot];

	return slot_first(names, slot) == first_of(word) && name[1] == word[1] &&
	       (sizeof(long) == sizeof(*word) || name[0] == word[0]);
}

static struct kmemleak_names *table_of(struct kmemleak_tracker *t, u32 pid)
{
	/* Pairs with kmemleak_names_start(). */
	unsigned int nr = smp_load_acquire(&t->nr_names);

	return nr ? t->names[pid & (nr - 1)] : NULL;
}

/* Past vacant slots as well: a name that stood there may have gone. */
static u16 look_up(struct kmemleak_names *names, const u64 *word, u32 *vacant)
{
	u32 home = home_of(word), i;

	*vacant = 0;
	for (i = 0; i < PROBES; i++) {
		u32 slot = (home + i) % KMEMLEAK_NR_NAMES;

		if (!slot)
			continue;
		if (age_of(names, slot) != DEAD) {
			if (slot_is(names, slot, word))
				return slot;
		} else if (!*vacant && !slot_first(names, slot)) {
			*vacant = slot;
		}
	}
	return 0;
}

/* A name is in use. Who still sees the age before changes nothing of a new one. */
static void use_locked(struct kmemleak_names *names, u32 slot, u8 age)
{
	u8 now = names->age[slot];

	if (now != DEAD && now != age_after(age))
		set_age(names, slot, age);
}

static noinline u16 add(struct kmemleak_tracker *t, struct kmemleak_names *names, const char *comm)
{
	u64 word[KMEMLEAK_COMM_LEN / sizeof(u64)] = { };
	u8 age = READ_ONCE(t->name_age);
	unsigned long irq;
	u32 vacant;
	u16 id;

	/* A task may rename itself meanwhile; any mix of both names is fine. */
	memcpy(word, comm, strnlen(comm, KMEMLEAK_COMM_LEN - 1));
	if (!word[0])
		return 0;

	id = look_up(names, word, &vacant);
	if (id && READ_ONCE(names->age[id]) == age)
		return id;
	/* Without room there is nothing to take the lock for. */
	if (!id && !vacant) {
		kmemleak_count(t, KMEMLEAK_CNT_NO_NAME);
		return 0;
	}
	raw_spin_lock_irqsave(&names->lock, irq);
	id = look_up(names, word, &vacant);
	if (id) {
		use_locked(names, id, age);
	} else if (vacant) {
		char *name = names->name[vacant];

		memcpy(name + sizeof(long), (char *)word + sizeof(long),
		       KMEMLEAK_COMM_LEN - sizeof(long));
		set_age(names, vacant, age);
		/* Pairs with slot_first(). */
		smp_store_release((unsigned long *)name, first_of(word));
		WRITE_ONCE(names->nr, names->nr + 1);
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
 * @pid: of the task
 *
 * Context: any but NMI; in a call that ops->settle() waits for.
 * Return: for kmemleak_names_get(); 0 if the name is empty or the table full.
 */
u16 kmemleak_names_intern(struct kmemleak_tracker *t, const char *comm, u32 pid)
{
	u64 word[KMEMLEAK_COMM_LEN / sizeof(u64)];
	struct kmemleak_names *names;
	u32 slot;

	if (!comm)
		return 0;
	names = table_of(t, pid);
	if (!names)
		return 0;
	/* The kernel pads names, and most are known, at the first place tried. */
	word[0] = get_unaligned((const u64 *)comm);
	word[1] = get_unaligned((const u64 *)comm + 1);
	slot = home_of(word);
	if (likely(slot && word[0] && age_of(names, slot) == READ_ONCE(t->name_age) &&
		   slot_is(names, slot, word)))
		return slot;
	return add(t, names, comm);
}

/**
 * kmemleak_names_keep() - an object is about to hand its name on to another one
 * @t: tracker
 * @obj: the object; its shard's lock is held
 *
 * A walk may have passed the place of the other one already.
 */
void kmemleak_names_keep(struct kmemleak_tracker *t, const struct kmemleak_object *obj)
{
	struct kmemleak_names *names = table_of(t, obj->pid);
	u8 age = READ_ONCE(t->name_age);
	unsigned long irq;

	if (!names || !obj->comm || READ_ONCE(names->age[obj->comm]) == age)
		return;
	raw_spin_lock_irqsave(&names->lock, irq);
	use_locked(names, obj->comm, age);
	raw_spin_unlock_irqrestore(&names->lock, irq);
}

/**
 * kmemleak_names_get() - the name behind a number
 * @t: tracker
 * @id: from kmemleak_names_intern()
 * @pid: as it was there
 * @comm: KMEMLEAK_COMM_LEN bytes, filled with a NUL-terminated name
 */
void kmemleak_names_get(struct kmemleak_tracker *t, u16 id, u32 pid, char *comm)
{
	static const char unknown[KMEMLEAK_COMM_LEN] = "unknown";
	struct kmemleak_names *names = table_of(t, pid);

	if (id && names && id < ARRAY_SIZE(names->name) && slot_first(names, id))
		memcpy(comm, names->name[id], KMEMLEAK_COMM_LEN);
	else
		memcpy(comm, unknown, KMEMLEAK_COMM_LEN);
}

/* How many names are stored, in all tables. */
unsigned int kmemleak_names_nr(struct kmemleak_tracker *t)
{
	unsigned int i, sum = 0;

	for (i = 0; i < READ_ONCE(t->nr_names); i++)
		sum += READ_ONCE(t->names[i]->nr);
	return sum;
}

/* ------------------------------------------------------------------ age -- */

static void use_visit(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	kmemleak_names_keep(t, obj);
}

/* Nobody finds the names of an old age any more. */
static void kill_old_locked(struct kmemleak_names *names, u32 slot, u8 age)
{
	if (names->age[slot] != age && slot_first(names, slot))
		set_age(names, slot, DEAD);
}

/* Nobody reads them any more either: their slots are vacant. */
static void bury_dead_locked(struct kmemleak_names *names, u32 slot, u8 age)
{
	if (names->age[slot] != DEAD || !slot_first(names, slot))
		return;
	WRITE_ONCE(*(unsigned long *)names->name[slot], 0);
	WRITE_ONCE(names->nr, names->nr - 1);
}

/* Each slot under the lock, as add() turns vacant ones into live ones meanwhile. */
static void visit_slots(struct kmemleak_tracker *t, u8 age,
			void (*visit)(struct kmemleak_names *names, u32 slot, u8 age))
{
	unsigned long irq;
	unsigned int i;
	u32 slot;

	for (i = 0; i < t->nr_names; i++) {
		for (slot = 1; slot < KMEMLEAK_NR_NAMES; slot++) {
			raw_spin_lock_irqsave(&t->names[i]->lock, irq);
			visit(t->names[i], slot, age);
			raw_spin_unlock_irqrestore(&t->names[i]->lock, irq);
		}
	}
}

static bool any_full(struct kmemleak_tracker *t)
{
	unsigned int i;

	for (i = 0; i < t->nr_names; i++)
		if (READ_ONCE(t->names[i]->nr) > MANY)
			return true;
	return false;
}

/**
 * kmemleak_names_age() - names that no object has give way to others
 * @t: tracker
 *
 * Does nothing as long as there is room.
 *
 * Context: process, may sleep, nothing held; one at a time, and not with a reset.
 * Return: 0, or what ops->pause() said.
 */
int kmemleak_names_age(struct kmemleak_tracker *t)
{
	u8 age = age_after(t->name_age);
	struct kmemleak_cursor cursor = { };
	int ret = 0;

	if (!any_full(t))
		return 0;
	WRITE_ONCE(t->name_age, age);
	t->ops->settle(t);
	while (!ret && kmemleak_index_walk(t, &cursor, VISITS, use_visit, NULL))
		ret = t->ops->pause(t);
	if (ret)
		return ret;
	visit_slots(t, age, kill_old_locked);
	t->ops->settle(t);
	visit_slots(t, age, bury_dead_locked);
	return 0;
}

/* --------------------------------------------------------------- tables -- */

static int names_order(void)
{
	unsigned long bytes = sizeof(struct kmemleak_names);

	return max_t(int, 0, ilog2(roundup_pow_of_two(bytes)) - PAGE_SHIFT);
}

/**
 * kmemleak_names_start() - make tables of names
 * @t: tracker
 * @nr: how many, a power of two of at most KMEMLEAK_MAX_NAMES; fewer if there is no memory
 *
 * Return: 0 or -ENOMEM; then all tasks are "unknown".
 */
int kmemleak_names_start(struct kmemleak_tracker *t, unsigned int nr)
{
	unsigned int i;

	if (t->nr_names)
		return 0;
	for (i = 0; i < nr; i++) {
		t->names[i] = t->ops->page_alloc(t, names_order(), KMEMLEAK_GFP);
		if (!t->names[i])
			break;
		raw_spin_lock_init(&t->names[i]->lock);
	}
	if (!i)
		return -ENOMEM;
	for (nr = rounddown_pow_of_two(i); i > nr; i--)
		t->ops->page_free(t, t->names[i - 1], names_order());
	t->name_age = 1;
	/* Pairs with table_of(). */
	smp_store_release(&t->nr_names, nr);
	return 0;
}

/**
 * kmemleak_names_reset() - give the tables back
 * @t: tracker
 *
 * Context: process; tracking is off and no hook is under way.
 */
void kmemleak_names_reset(struct kmemleak_tracker *t)
{
	unsigned int i, nr = t->nr_names;

	t->nr_names = 0;
	for (i = 0; i < nr; i++)
		t->ops->page_free(t, t->names[i], names_order());
}
