// SPDX-License-Identifier: GPL-2.0-only
/*
 * Marking: from the roots to everything that references reach.
 *
 * Colours come from union kmemleak_colour, see the glossary, and change without
 * a lock. Gray objects wait in a work list of page-sized chunks. A chunk that
 * cannot be had loses nothing: the object stays gray but unscanned, and sweeps
 * over the whole index repeat until none of that kind is found. The same sweep
 * finds the roots among the objects and the objects born during the mark.
 *
 * Memory is looked through at most a page at a time. Words that may be references
 * are copied, then followed. Memory that is always mapped is read without a lock. A
 * block there can be freed meanwhile. Then its next contents add references that the
 * block never had, which hides a leak from this scan at worst. Other memory is read
 * under the lock of the object's shard. A free waits for this lock and for no other.
 */
#include "index.h"
#include "mark.h"
#include "pool.h"

const struct kmemleak_options *kmemleak_mark_options(const struct kmemleak_marker *m)
{
	return m->opt;
}

/**
 * kmemleak_object_white() - did the last mark fail to reach it?
 * @t: tracker
 * @obj: object; without its shard's lock, the answer is of a moment
 */
bool kmemleak_object_white(const struct kmemleak_tracker *t, const struct kmemleak_object *obj)
{
	union kmemleak_colour colour = kmemleak_colour(obj);

	if (!colour.min_count || (READ_ONCE(obj->flags) & KMEMLEAK_IGNORE))
		return false;
	return colour.epoch != t->epoch || colour.count < colour.min_count;
}

/* Is it to end? */
void kmemleak_mark_check(struct kmemleak_marker *m)
{
	const struct kmemleak_ops *ops = m->t->ops;
	int err = ops->pause(m->t);

	if (err && !cmpxchg(&m->mark->err, 0, err) && ops->wake)
		ops->wake(m->t);
}

/* After each piece of work. */
void kmemleak_mark_pause(struct kmemleak_marker *m)
{
	m->steps = 0;
	m->pieces++;
	kmemleak_mark_check(m);
	kmemleak_work_share(m);
}

/**
 * kmemleak_mark_poll() - something was looked at that is no reference
 * @m: the mark
 *
 * For ops->roots(), after each page or so of it.
 *
 * Context: process, may sleep.
 * Return: 0, or the error that the mark ends with.
 */
int kmemleak_mark_poll(struct kmemleak_marker *m)
{
	mark_step(m);
	return mark_err(m);
}

/**
 * kmemleak_mark_pieces() - how much work a marker has done
 * @m: the marker
 *
 * A piece is bounded, and most are about as long. Time is none in it: this is the same
 * whoever else wants the CPU.
 *
 * Return: pieces since the mark began.
 */
unsigned long kmemleak_mark_pieces(const struct kmemleak_marker *m)
{
	return m->pieces;
}

/* ----------------------------------------------------------- work list -- */

/* A new chunk on top. Return: false if there is no memory for it. */
bool kmemleak_mark_make_room(struct kmemleak_marker *m)
{
	struct chunk *c = m->spare;

	if (!c)
		c = m->t->ops->page_alloc(m->t, 0, KMEMLEAK_GFP);
	if (!c)
		return false;
	m->spare = NULL;
	c->nr = 0;
	c->below = m->top;
	m->top = c;
	return true;
}

/* An object becomes gray and unscanned, for a sweep to find, whatever it is. */
static void redo(struct kmemleak_tracker *t, struct kmemleak_object *obj)
{
	kmemleak_paint(obj, scanned, 0);
	kmemleak_set_due(t);
}

/* kmemleak_mark_push() with a full chunk on top. */
void kmemleak_mark_push_slowly(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	if (kmemleak_mark_make_room(m)) {
		m->top->ref[m->top->nr++] = ref;
		return;
	}
	kmemleak_count(m->t, KMEMLEAK_CNT_MARK_OVERFLOW);
	redo(m->t, ref.obj);
	WRITE_ONCE(m->mark->lost, true);
}

static bool pop(struct kmemleak_marker *m, struct kmemleak_ref *ref)
{
	while (!m->top->nr) {
		struct chunk *empty = m->top;

		if (!empty->below)
			return false;
		m->top = empty->below;
		if (m->spare)
			m->t->ops->page_free(m->t, empty, 0);
		else
			m->spare = empty;
	}
	*ref = m->top->ref[--m->top->nr];
	return true;
}

/* ---------------------------------------------------------- references -- */

/* Does a reference to such an object change nothing? */
static bool in_vain(const struct kmemleak_marker *m, u16 flags, union kmemleak_colour colour)
{
	if (flags & KMEMLEAK_IGNORE)
		return true;
	return colour.epoch == m->epoch && colour.scanned && !(flags & KMEMLEAK_ALIAS);
}

/*
 * Counts a reference to an object, or to an entry that was one a moment ago.
 * Return: whether the object has to be queued now.
 *
 * An entry may get a new owner on the way. Then a newborn object has a reference
 * too many, or is taken for queued; who finds it in the work list under another
 * address calls redo(). So also what is not to be scanned is queued: the flags
 * may be those of the owner before.
 */
static __always_inline bool count_reference(struct kmemleak_marker *m,
					    struct kmemleak_object *obj, u16 flags)
{
	union kmemleak_colour old = kmemleak_colour(obj), new;
	bool queue;

	do {
		if (in_vain(m, flags, old))
			return false;
		new = old;
		if (new.epoch != m->epoch) {
			new.epoch = m->epoch;
			new.count = 0;
			new.scanned = 0;
		}
		if (new.count < (flags & KMEMLEAK_ALIAS ? KMEMLEAK_COUNT_MAX : new.min_count))
			new.count++;
		queue = !new.scanned && new.count >= new.min_count;
		if (queue)
			new.scanned = 1;
	} while (!kmemleak_recolour(obj, &old, new));
	if (queue) {
		m->reached++;
		m->reached_bytes += READ_ONCE(obj->size);
	}
	return queue;
}

/* As kmemleak_index_find(): most often what was seen is still there. */
static struct kmemleak_object *find_seen(struct kmemleak_marker *m, enum kmemleak_space space,
					 unsigned long addr, const struct kmemleak_glimpse *seen,
					 struct kmemleak_lookup *at)
{
	struct kmemleak_object *obj = seen->found ? kmemleak_index_relock(m->t, seen->ref, at) :
						    NULL;

	if (obj && kmemleak_object_space(obj) == space && addr - obj->start < obj->size)
		return obj;
	if (obj)
		kmemleak_index_unlock(at);
	return kmemleak_index_find(m->t, space, addr, at);
}

static void refer(struct kmemleak_marker *m, enum kmemleak_space space, unsigned long addr,
		  bool by_alias);

/* References to be told apart by more than the object they lead to. */
static void refer_locked(struct kmemleak_marker *m, enum kmemleak_space space, unsigned long addr,
			 const struct kmemleak_glimpse *seen, bool by_alias)
{
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;
	struct kmemleak_ref ref;
	bool queue, surplus;

	obj = find_seen(m, space, addr, seen, &at);
	if (!obj)
		return;
	if (obj == m->self) {
		kmemleak_index_unlock(&at);
		return;
	}
	queue = count_reference(m, obj, obj->flags);
	ref = (struct kmemleak_ref){ obj, obj->start };
	/* An alias of an alias would be a caller's mistake, and could be a loop. */
	surplus = !by_alias && (obj->flags & KMEMLEAK_ALIAS) &&
		  kmemleak_colour(obj).count > kmemleak_colour(obj).min_count;
	kmemleak_index_unlock(&at);

	if (queue)
		kmemleak_mark_push(m, ref);
	if (surplus) {
		unsigned long target = 0;

		while ((target = kmemleak_extra_alias(m->t, ref.start, target)))
			refer(m, KMEMLEAK_VIRT, target, true);
	}
}

static unsigned long *settled_slot(const struct kmemleak_marker *m, unsigned long word)
{
	return &m->settled[hash_long(word, SETTLED_BITS)];
}

/*
 * What has moved on since the glimpse is not missed: a block born meanwhile is
 * gray, and one that is to be scanned once more is found by a sweep.
 */
static __always_inline void refer_seen(struct kmemleak_marker *m, enum kmemleak_space space,
				       unsigned long addr, const struct kmemleak_glimpse *seen,
				       bool by_alias)
{
	struct kmemleak_object *obj = seen->ref.obj;

	if (seen->sure && !seen->found)
		return;
	if (!seen->sure || (seen->flags & KMEMLEAK_ALIAS)) {
		refer_locked(m, space, addr, seen, by_alias);
		return;
	}
	if (obj == m->self)
		return;
	m->last = obj;
	if (count_reference(m, obj, seen->flags))
		kmemleak_mark_push(m, seen->ref);
	/* Words come again and again: the links of a list, the parent of all. */
	if (space == KMEMLEAK_VIRT && in_vain(m, seen->flags, kmemleak_colour(obj)))
		*settled_slot(m, addr) = addr;
}

static void refer(struct kmemleak_marker *m, enum kmemleak_space space, unsigned long addr,
		  bool by_alias)
{
	struct kmemleak_glimpse seen;

	kmemleak_index_peek(m->t, space, addr, &seen);
	refer_seen(m, space, addr, &seen, by_alias);
}

/* So few look-ups take less time one by one: the nodes of a list have two. */
#define FEW_CANDIDATES	3

/* Candidates are looked up together, so that their cache misses overlap. */
static void refer_candidates(struct kmemleak_marker *m)
{
	unsigned int i, nr = m->nr_candidates;

	m->nr_candidates = 0;
	if (nr < FEW_CANDIDATES) {
		for (i = 0; i < nr; i++)
			refer(m, KMEMLEAK_VIRT, m->candidate[i], false);
		return;
	}
	kmemleak_index_peek_many(m->t, m->candidate, m->seen, nr);
	for (i = 0; i < nr; i++)
		refer_seen(m, KMEMLEAK_VIRT, m->candidate[i], &m->seen[i], false);
}

static void mark_percpu(struct kmemleak_marker *m, unsigned long ptr)
{
	if (kmemleak_within(&m->sieve.percpu, ptr) &&
	    kmemleak_index_may_hold(&m->t->index, KMEMLEAK_PERCPU, ptr))
		refer(m, KMEMLEAK_PERCPU, ptr, false);
}

/* Where a chain goes on as it did, blocks so many steps on are wanted soon. */
#define AHEAD	6

static __always_inline void prefetch_ahead(const struct kmemleak_marker *m,
					   struct kmemleak_object *obj)
{
	struct kmemleak_object *next = kmemleak_pool_next_to(m->t, obj, m->step * AHEAD);

	if (next) {
		unsigned long start = READ_ONCE(next->start);

		prefetch((const void *)start);
		prefetch((const void *)(start + L1_CACHE_BYTES));
	}
	next = kmemleak_pool_next_to(m->t, obj, m->step * 2 * AHEAD);
	if (next)
		prefetch(&next->flags);
}

static __always_inline bool beside(struct kmemleak_marker *m, struct kmemleak_object *from,
				   unsigned long addr, struct kmemleak_glimpse *seen)
{
	int i;

	for (i = 0; from && i < 2; i++) {
		struct kmemleak_object *obj = kmemleak_pool_next_to(m->t, from, m->step);

		if (obj && kmemleak_index_guess(m->t, obj, addr, seen)) {
			prefetch_ahead(m, obj);
			return true;
		}
		m->step = -m->step;
	}
	return false;
}

/*
 * Blocks that were allocated one after the other often point at each other, or one
 * block at several of them.
 */
static __always_inline bool find_near(struct kmemleak_marker *m, unsigned long addr,
				      struct kmemleak_glimpse *seen)
{
	return beside(m, m->here, addr, seen) ||
	       (m->last != m->here && beside(m, m->last, addr, seen));
}

static __always_inline void mark_virt(struct kmemleak_marker *m, unsigned long word)
{
	struct kmemleak_glimpse seen;

	if (*settled_slot(m, word) == word)
		return;
	if (find_near(m, word, &seen)) {
		refer_seen(m, KMEMLEAK_VIRT, word, &seen, false);
	} else if (kmemleak_index_may_hold(&m->t->index, KMEMLEAK_VIRT, word)) {
		m->candidate[m->nr_candidates++] = word;
		if (m->nr_candidates == ARRAY_SIZE(m->candidate))
			refer_candidates(m);
	}
}

static void mark_word(struct kmemleak_marker *m, unsigned long word)
{
	if (kmemleak_within(&m->sieve.virt, word))
		mark_virt(m, word);
	mark_percpu(m, word);
	if (kmemleak_within(&m->sieve.copies, word))
		kmemleak_copies_visit(m, word, mark_percpu);
}

/*
 * Picks what may be references from memory, behind @nr that were picked before.
 * Return: how many there are then. What cannot be read has none, and is counted.
 */
static long pick(struct kmemleak_marker *m, long nr, unsigned long addr, size_t len,
		 enum kmemleak_read how)
{
	long more = m->t->ops->pick(m->t, m->words + nr, addr, len, how, &m->sieve);

	if (more >= 0)
		return nr + more;
	kmemleak_count(m->t, KMEMLEAK_CNT_UNREADABLE);
	return nr;
}

/* Follows what pick() found, with nothing held. */
static void mark_picked(struct kmemleak_marker *m, long nr)
{
	long i;

	for (i = 0; i < nr; i++)
		mark_word(m, m->words[i]);
	if (nr > 0)
		m->steps += nr / WORDS_PER_STEP;
}

/* ------------------------------------------------------------ contents -- */

/* Where a piece from @start ends: not across a page, the next may be unreadable. */
static unsigned long piece_end(unsigned long start, unsigned long end)
{
	return start + min(end - start, PAGE_SIZE - (start & ~PAGE_MASK));
}

/*
 * The next bytes of an object that are to be scanned, from @start on. Return:
 * false if there are none. Words of which an area has a part belong to it.
 */
static bool next_part(struct kmemleak_marker *m, const struct kmemleak_object *obj,
		      unsigned long *start, unsigned long *end)
{
	unsigned long last = obj->start + obj->size;

	*end = last;
	if (obj->flags & (KMEMLEAK_NO_SCAN | KMEMLEAK_IGNORE))
		return false;
	if ((obj->flags & KMEMLEAK_AREAS) && !(obj->flags & KMEMLEAK_FULL_SCAN)) {
		if (!kmemleak_extra_area(m->t, obj->start, *start, start, end))
			return false;
		*start = max(ALIGN_DOWN(*start, sizeof(long)), obj->start);
		*end = min(ALIGN(*end, sizeof(long)), last);
	}
	*start = ALIGN(*start, sizeof(long));
	return *start < *end;
}

/*
 * Picks from the next piece of an object. @cursor is where the last piece ended,
 * *@nr: as pick() says. Return: whether there may be more.
 */
static bool pick_piece(struct kmemleak_marker *m, struct kmemleak_ref ref, unsigned int cpu,
		       unsigned long *cursor, long *nr)
{
	struct kmemleak_tracker *t = m->t;
	struct kmemleak_lookup at;
	struct kmemleak_object *obj;
	unsigned long start, end, addr;
	bool more;

	*nr = 0;
	obj = kmemleak_index_relock(t, ref, &at);
	if (!obj) {
		/* Gone, or its successor was taken for it, see count_reference(). */
		redo(t, ref.obj);
		return false;
	}
	start = *cursor;
	if (!next_part(m, obj, &start, &end)) {
		kmemleak_index_unlock(&at);
		return false;
	}
	end = piece_end(start, end);
	more = end - obj->start < obj->size;
	addr = t->ops->block_addr(t, kmemleak_object_space(obj), start, cpu);
	if (addr)
		*nr = pick(m, 0, addr, end - start, KMEMLEAK_READ_BLOCK);
	kmemleak_index_unlock(&at);
	*cursor = end;
	return more;
}

/* Of objects that are not read as they lie, in one piece and without a lock. */
#define NOT_PLAIN	(KMEMLEAK_NO_SCAN | KMEMLEAK_IGNORE | KMEMLEAK_AREAS)

/*
 * Picks from the next piece of an object that is read as it lies, without a lock.
 * @cursor and @nr as for pick_piece(). Return: false if it has gone, or is not plain.
 *
 * The look and the read are one step, in which the marker is not preempted. So the
 * block lived a few microseconds ago at most: its page cannot have been freed and
 * offlined, or unplugged, since. A page that is taken out of the direct map makes
 * the read fail. Where freed memory can be shared with a hypervisor, t->mapped is
 * empty.
 */
static bool pick_plain(struct kmemleak_marker *m, struct kmemleak_ref ref,
		       unsigned long *cursor, unsigned long *end, long *nr)
{
	struct kmemleak_glimpse seen;
	bool plain;

	*nr = 0;
	preempt_disable();
	plain = kmemleak_index_recall(m->t, ref, &seen) && !(seen.flags & NOT_PLAIN);
	if (plain) {
		*end = ref.start + seen.size;
		if (*cursor < *end) {
			unsigned long stop = piece_end(*cursor, *end);

			*nr = pick(m, 0, *cursor, stop - *cursor, KMEMLEAK_READ_MAPPED);
			*cursor = stop;
		}
	}
	preempt_enable();
	return plain;
}

/* Return: where scan_object() is to go on, or 0 if all was scanned. */
static unsigned long scan_plain(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	unsigned long cursor = ALIGN(ref.start, sizeof(long)), end;
	long nr;

	if (!kmemleak_within(&m->mapped, ref.start))
		return ref.start;
	m->here = ref.obj;
	do {
		/* Between two pieces it may have gone. */
		if (!pick_plain(m, ref, &cursor, &end, &nr))
			return cursor;
		mark_picked(m, nr);
		mark_step(m);
	} while (cursor < end && !mark_err(m));
	return 0;
}

static void scan_object(struct kmemleak_marker *m, struct kmemleak_ref ref, unsigned long from)
{
	/* Only chooses how many copies there are; a wrong guess scans none. */
	bool percpu = (READ_ONCE(ref.obj->flags) & KMEMLEAK_SPACE_MASK) == KMEMLEAK_PERCPU;
	unsigned int cpu;

	for (cpu = 0; cpu < (percpu ? m->t->nr_cpus : 1); cpu++) {
		unsigned long cursor = from;
		bool more = true;
		long nr;

		while (more && !mark_err(m)) {
			more = pick_piece(m, ref, cpu, &cursor, &nr);
			mark_picked(m, nr);
			mark_step(m);
		}
	}
}

static void scan_once(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	unsigned long from = scan_plain(m, ref);

	if (from)
		scan_object(m, ref, from);
}

/**
 * kmemleak_mark_drain() - scan what is queued, and what that leads to
 * @m: the mark
 *
 * Context: process, may sleep.
 */
void kmemleak_mark_drain(struct kmemleak_marker *m)
{
	struct kmemleak_ref ref;

	for (;;) {
		while (!mark_err(m) && pop(m, &ref))
			scan_once(m, ref);
		m->here = NULL;
		if (mark_err(m) || !m->nr_candidates)
			break;
		refer_candidates(m);
	}
}

/**
 * kmemleak_mark_children() - what does one object point at?
 * @m: the mark, after it has run
 * @ref: the object
 *
 * White objects that it points at become gray, as often as it takes; these are not
 * scanned. References to itself do not count.
 *
 * Context: process, may sleep.
 * Return: 0, or what ops->pause() said.
 */
int kmemleak_mark_children(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	struct kmemleak_ref child;

	m->self = ref.obj;
	scan_once(m, ref);
	while (m->nr_candidates && !mark_err(m))
		refer_candidates(m);
	m->self = NULL;
	m->here = NULL;
	while (pop(m, &child))
		;
	return mark_err(m);
}

/**
 * kmemleak_mark_undo() - make an object white again
 * @m: the mark, after it has run
 * @ref: the object
 * @count: references that it has all the same, fewer than it takes
 *
 * Words that led to it are still settled, see kmemleak_mark_forget().
 */
void kmemleak_mark_undo(struct kmemleak_marker *m, struct kmemleak_ref ref, unsigned int count)
{
	union kmemleak_colour old = kmemleak_colour(ref.obj), new;

	/*
	 * Without the lock, as all colours change. If a successor in the entry becomes
	 * white by it, it does so in a mark that is asked about leaks only.
	 */
	if (!kmemleak_ref_lives(ref))
		return;
	do {
		new = old;
		new.epoch = m->epoch;
		new.count = count;
		new.scanned = 0;
	} while (!kmemleak_recolour(ref.obj, &old, new));
}

/**
 * kmemleak_mark_forget() - ask of all words again
 * @m: the mark, after it has run
 */
void kmemleak_mark_forget(struct kmemleak_marker *m)
{
	memset(m->settled, 0, sizeof(*m->settled) << SETTLED_BITS);
}

/**
 * kmemleak_mark_reached() - how much was reached by references
 * @m: the mark
 * @bytes: filled in
 *
 * Return: objects, since the mark began.
 */
unsigned long kmemleak_mark_reached(const struct kmemleak_marker *m, unsigned long *bytes)
{
	*bytes = m->reached_bytes;
	return m->reached;
}

static int mark_memory(struct kmemleak_marker *m, unsigned long start, unsigned long end,
		       enum kmemleak_read how)
{
	start = ALIGN(start, sizeof(long));
	while (start < end && !mark_err(m)) {
		unsigned long stop = piece_end(start, end);

		kmemleak_mark_follow(m, pick(m, 0, start, stop - start, how));
		kmemleak_mark_drain(m);
		start = stop;
	}
	return mark_err(m);
}

/**
 * kmemleak_mark_pick() - take words from a page that the caller has looked at
 * @m: the mark
 * @nr: words taken from that page before, and not followed yet
 * @start: first byte, aligned to words
 * @len: bytes, whole words; not across the end of the page, nor taken before
 *
 * Does not sleep, so the caller can hold what keeps the page.
 *
 * Return: how many words wait for kmemleak_mark_follow() now.
 */
long kmemleak_mark_pick(struct kmemleak_marker *m, long nr, unsigned long start, size_t len)
{
	return pick(m, nr, start, len, KMEMLEAK_READ_MAPPED);
}

/**
 * kmemleak_mark_follow() - what was picked becomes gray
 * @m: the mark
 * @nr: words
 *
 * What the objects lead to waits for kmemleak_mark_drain().
 *
 * Context: process, may sleep.
 * Return: 0, or the error that the mark ends with.
 */
int kmemleak_mark_follow(struct kmemleak_marker *m, long nr)
{
	mark_picked(m, nr);
	mark_step(m);
	return mark_err(m);
}

/**
 * kmemleak_mark_look() - what memory points at that no object stands for becomes gray
 * @m: the mark
 * @start: first byte, need not be aligned
 * @end: first byte behind it
 *
 * What the objects lead to waits for kmemleak_mark_drain(), and what the caller holds
 * need not be held for that.
 *
 * Context: process, may sleep.
 * Return: 0, or the error that the mark ends with.
 */
int kmemleak_mark_look(struct kmemleak_marker *m, unsigned long start, unsigned long end)
{
	start = ALIGN(start, sizeof(long));
	while (start < end && !mark_err(m)) {
		unsigned long stop = piece_end(start, end);

		kmemleak_mark_follow(m, pick(m, 0, start, stop - start, KMEMLEAK_READ_ROOT));
		start = stop;
	}
	return mark_err(m);
}

/**
 * kmemleak_mark_range() - scan memory that no object stands for
 * @m: the mark
 * @start: first byte, need not be aligned
 * @end: first byte behind it
 *
 * Context: process, may sleep.
 * Return: 0, or the error that the mark ends with.
 */
int kmemleak_mark_range(struct kmemleak_marker *m, unsigned long start, unsigned long end)
{
	return mark_memory(m, start, end, KMEMLEAK_READ_ROOT);
}

/**
 * kmemleak_mark_opaque() - scan a block that has no object
 * @m: the mark
 * @block: what is known of it
 *
 * Context: process, may sleep.
 * Return: 0, or the error that the mark ends with.
 */
int kmemleak_mark_opaque(struct kmemleak_marker *m, const struct kmemleak_block *block)
{
	unsigned int cpu, copies = block->space == KMEMLEAK_PERCPU ? m->t->nr_cpus : 1;
	int err = mark_err(m);

	for (cpu = 0; cpu < copies && !err; cpu++) {
		unsigned long addr = m->t->ops->block_addr(m->t, block->space, block->start, cpu);

		if (addr)
			err = mark_memory(m, addr, addr + block->size, KMEMLEAK_READ_OPAQUE);
	}
	return err;
}
