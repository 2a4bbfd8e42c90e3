// SPDX-License-Identifier: GPL-2.0-only
/*
 * Marking: from the roots to everything that references reach.
 *
 * Colours come from (epoch, count, min_count, KMEMLEAK_SCANNED), see the
 * glossary. Gray objects wait in a work list of page-sized chunks. A chunk that
 * cannot be had loses nothing: the object stays gray but unscanned, and sweeps
 * over the whole index repeat until none of that kind is found. The same sweep
 * finds the roots among the objects and the objects born during the mark.
 *
 * Contents are copied, at most a page at a time, under the lock of the object's
 * shard: that is what a free has to wait for, and all it has to wait for.
 */
#include "mark.h"

/* Objects or pages scanned between two calls of ops->pause(). */
#define STEPS_PER_PAUSE	64

const struct kmemleak_options *kmemleak_mark_options(const struct kmemleak_marker *m)
{
	return m->opt;
}

/**
 * kmemleak_object_white() - did the last mark fail to reach it?
 * @t: tracker
 * @obj: object; its shard's lock is held
 */
bool kmemleak_object_white(const struct kmemleak_tracker *t, const struct kmemleak_object *obj)
{
	if (!obj->min_count || (obj->flags & KMEMLEAK_IGNORE))
		return false;
	if (obj->epoch != t->epoch)
		return true;
	return obj->count < obj->min_count;
}

/* After each object or page: now and then, others get their turn. */
void kmemleak_mark_step(struct kmemleak_marker *m)
{
	if (++m->steps < STEPS_PER_PAUSE)
		return;
	m->steps = 0;
	if (!m->err)
		m->err = m->t->ops->pause(m->t);
}

/* ----------------------------------------------------------- work list -- */

/* A new chunk on top. Return: false if there is no memory for it. */
bool kmemleak_mark_make_room(struct kmemleak_marker *m)
{
	struct chunk *c = m->spare;

	if (!c)
		c = m->t->ops->page_alloc(m->t, 0, GFP_MARK);
	if (!c)
		return false;
	m->spare = NULL;
	c->nr = 0;
	c->below = m->top;
	m->top = c;
	return true;
}

/* Takes an object back to gray-but-unscanned, for the next sweep to find. */
static void unqueue(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	struct kmemleak_lookup at;
	struct kmemleak_object *obj = kmemleak_index_relock(m->t, ref, &at);

	kmemleak_count(m->t, KMEMLEAK_CNT_MARK_OVERFLOW);
	m->lost = true;
	if (obj) {
		obj->flags &= ~KMEMLEAK_SCANNED;
		kmemleak_index_unlock(&at);
	}
}

/* Queues an object whose SCANNED is set; without room, a sweep will find it. */
void kmemleak_mark_push(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	if (m->top->nr == CHUNK_REFS && !kmemleak_mark_make_room(m))
		unqueue(m, ref);
	else
		m->top->ref[m->top->nr++] = ref;
	/* It may be scanned soon; no harm if there is nothing. */
	prefetch((const void *)ref.start);
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

/* Does a reference to such an object change anything? */
static bool in_vain(const struct kmemleak_marker *m, u16 flags, u8 epoch)
{
	if (flags & KMEMLEAK_IGNORE)
		return true;
	return epoch == m->epoch && (flags & KMEMLEAK_SCANNED) && !(flags & KMEMLEAK_ALIAS);
}

/* Counts a reference. Return: whether the object has to be queued now. */
bool kmemleak_mark_refer_locked(struct kmemleak_marker *m, struct kmemleak_object *obj)
{
	if (in_vain(m, obj->flags, obj->epoch))
		return false;
	if (obj->epoch != m->epoch) {
		obj->epoch = m->epoch;
		obj->count = 0;
		obj->flags &= ~KMEMLEAK_SCANNED;
	}
	if (obj->count < (obj->flags & KMEMLEAK_ALIAS ? KMEMLEAK_COUNT_MAX : obj->min_count))
		obj->count++;
	if ((obj->flags & KMEMLEAK_SCANNED) || obj->count < obj->min_count)
		return false;
	obj->flags |= KMEMLEAK_SCANNED;
	return !(obj->flags & KMEMLEAK_NO_SCAN);
}

/*
 * Most references lead to what is reached already, or to nothing, and are let go
 * without a lock. What has moved on since the glimpse is not missed: a block
 * born meanwhile is gray, and one that is to be scanned once more is found by a
 * sweep.
 */
static bool let_go(const struct kmemleak_marker *m, const struct kmemleak_glimpse *seen)
{
	return seen->sure && (!seen->found || in_vain(m, seen->flags, seen->epoch));
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

static void refer_seen(struct kmemleak_marker *m, enum kmemleak_space space, unsigned long addr,
		       const struct kmemleak_glimpse *seen, bool by_alias)
{
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;
	struct kmemleak_ref ref;
	bool queue, surplus;

	if (let_go(m, seen))
		return;
	obj = find_seen(m, space, addr, seen, &at);
	if (!obj)
		return;
	queue = kmemleak_mark_refer_locked(m, obj);
	ref = (struct kmemleak_ref){ obj, obj->start };
	/* An alias of an alias would be a caller's mistake, and could be a loop. */
	surplus = !by_alias && (obj->flags & KMEMLEAK_ALIAS) && obj->count > obj->min_count;
	kmemleak_index_unlock(&at);

	if (queue)
		kmemleak_mark_push(m, ref);
	if (surplus) {
		unsigned long target = 0;

		while ((target = kmemleak_extra_alias(m->t, ref.start, target)))
			refer(m, KMEMLEAK_VIRT, target, true);
	}
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
	struct kmemleak_glimpse seen[KMEMLEAK_PEEKS];
	unsigned int i, nr = m->nr_candidates;

	m->nr_candidates = 0;
	if (nr < FEW_CANDIDATES) {
		for (i = 0; i < nr; i++)
			refer(m, KMEMLEAK_VIRT, m->candidate[i], false);
		return;
	}
	kmemleak_index_peek_many(m->t, m->candidate, seen, nr);
	for (i = 0; i < nr; i++)
		refer_seen(m, KMEMLEAK_VIRT, m->candidate[i], &seen[i], false);
}

static bool within(const struct bounds *b, unsigned long addr)
{
	return addr - b->low < b->size;
}

static void mark_percpu(struct kmemleak_marker *m, unsigned long ptr)
{
	if (within(&m->percpu, ptr) &&
	    kmemleak_index_may_hold(&m->t->index, KMEMLEAK_PERCPU, ptr))
		refer(m, KMEMLEAK_PERCPU, ptr, false);
}

static void mark_word(struct kmemleak_marker *m, unsigned long word)
{
	struct kmemleak_tracker *t = m->t;
	unsigned int i;

	if (within(&m->virt, word) && kmemleak_index_may_hold(&t->index, KMEMLEAK_VIRT, word)) {
		m->candidate[m->nr_candidates++] = word;
		if (m->nr_candidates == ARRAY_SIZE(m->candidate))
			refer_candidates(m);
	}
	mark_percpu(m, word);
	for (i = 0; i < t->nr_cpu_offsets; i++)
		mark_percpu(m, word - t->cpu_offset[i]);
}

/* Most words are rejected here, by bounds that stay in registers. */
static void mark_buffer(struct kmemleak_marker *m, size_t len)
{
	const unsigned long *next = m->buffer, *end = next + len / sizeof(*next);
	const struct bounds virt = m->virt, percpu = m->percpu, copies = m->copies;

	while (next < end) {
		unsigned long word = kmemleak_untag(*next++);

		/* No bounds reach down to there, and most words are such numbers. */
		if (word < PAGE_SIZE)
			continue;
		if (within(&virt, word) || within(&percpu, word) || within(&copies, word))
			mark_word(m, word);
	}
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
 * Copies the next piece of an object to the buffer. @cursor is where the last
 * piece ended, *@len: bytes in the buffer. Return: whether there may be more.
 */
static bool copy_piece(struct kmemleak_marker *m, struct kmemleak_ref ref, unsigned int cpu,
		       unsigned long *cursor, size_t *len)
{
	struct kmemleak_tracker *t = m->t;
	struct kmemleak_lookup at;
	struct kmemleak_object *obj;
	unsigned long start, end, addr;
	bool more;

	*len = 0;
	obj = kmemleak_index_relock(t, ref, &at);
	if (!obj)
		return false;
	start = *cursor;
	if (!next_part(m, obj, &start, &end)) {
		kmemleak_index_unlock(&at);
		return false;
	}
	end = piece_end(start, end);
	more = end - obj->start < obj->size;
	addr = t->ops->block_addr(t, kmemleak_object_space(obj), start, cpu);
	if (addr && t->ops->read(t, m->buffer, addr, end - start, KMEMLEAK_READ_BLOCK))
		*len = end - start;
	kmemleak_index_unlock(&at);

	if (addr && !*len)
		kmemleak_count(t, KMEMLEAK_CNT_UNREADABLE);
	*cursor = end;
	return more;
}

static void scan_object(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	/* Only chooses how many copies there are; a wrong guess scans none. */
	bool percpu = (READ_ONCE(ref.obj->flags) & KMEMLEAK_SPACE_MASK) == KMEMLEAK_PERCPU;
	unsigned int cpu;

	for (cpu = 0; cpu < (percpu ? m->t->nr_cpus : 1); cpu++) {
		unsigned long cursor = ref.start;
		bool more = true;
		size_t len;

		while (more && !m->err) {
			more = copy_piece(m, ref, cpu, &cursor, &len);
			mark_buffer(m, len);
			kmemleak_mark_step(m);
		}
	}
}

/* Scans what is queued, and what that leads to. */
void kmemleak_mark_drain(struct kmemleak_marker *m)
{
	struct kmemleak_ref ref;

	for (;;) {
		while (!m->err && pop(m, &ref))
			scan_object(m, ref);
		if (m->err || !m->nr_candidates)
			break;
		refer_candidates(m);
	}
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
	start = ALIGN(start, sizeof(long));
	while (start < end && !m->err) {
		unsigned long stop = piece_end(start, end);

		if (m->t->ops->read(m->t, m->buffer, start, stop - start, KMEMLEAK_READ_ROOT))
			mark_buffer(m, stop - start);
		else
			kmemleak_count(m->t, KMEMLEAK_CNT_UNREADABLE);
		kmemleak_mark_drain(m);
		kmemleak_mark_step(m);
		start = stop;
	}
	return m->err;
}
