// SPDX-License-Identifier: GPL-2.0-only
/*
 * Marking: from the roots to every object that references reach.
 *
 * An object's colour is a union kmemleak_colour, see the glossary in object.h. Colours
 * change without a lock. Gray objects wait in work lists of page-sized chunks. If there
 * is no memory for a chunk, nothing is lost: the object stays gray and unscanned, and
 * passes over all objects are repeated until they find no such object. A pass also finds
 * the roots among the objects and the objects born during the mark.
 *
 * Memory is read at most a page at a time. Words that can be references are copied first,
 * then followed. Memory that is always mapped is read without a lock, so a block there may
 * be freed meanwhile. Then the marker reads its new contents and counts references that the
 * block never had. At worst that hides a leak from this scan. Other memory is read under
 * the lock of the object's shard. The free of a block waits for this lock and for no other.
 */
#include "attr.h"
#include "pool_fast.h"
#include "worklist.h"

/* The options of the scan that the mark belongs to. */
const struct kmemleak_options *kmemleak_mark_options(const struct kmemleak_marker *m)
{
	return m->opt;
}

/* Does the mark run while all CPUs are stopped? */
bool kmemleak_mark_is_stopped(const struct kmemleak_marker *m)
{
	return m->mark->stopped;
}

/* Does the mark leave the stacks of running tasks to a stop that follows? */
bool kmemleak_mark_defers_running(const struct kmemleak_marker *m)
{
	return m->mark->flags & KMEMLEAK_MARK_DEFER_RUNNING;
}

/* Asks whether the mark must end. The first error ends it, and wakes markers that wait. */
void kmemleak_mark_check(struct kmemleak_marker *m)
{
	const struct kmemleak_ops *ops = m->mark->ops;
	int err = ops->pause(m->t);

	if (err && !cmpxchg(&m->mark->err, 0, err) && ops->wake)
		ops->wake(m->t);
}

/* Between two pieces of work: asks whether the mark must end, and shares work. */
void kmemleak_mark_pause(struct kmemleak_marker *m)
{
	m->steps = 0;
	m->pieces++;
	kmemleak_mark_check(m);
	kmemleak_worklist_share(m);
}

/**
 * kmemleak_mark_poll() - count a step of work that followed no reference
 * @m: marker
 *
 * ops->roots() calls this after about each page of memory that it only examines.
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
 * A piece is a bounded amount of work, and most pieces are about the same amount. The
 * number counts work, not time. So it does not grow if other tasks take the CPU.
 *
 * Return: number of pieces since the mark began.
 */
unsigned long kmemleak_mark_pieces(const struct kmemleak_marker *m)
{
	return m->pieces;
}

/* ---------------------------------------------------------- references -- */

/* Does a reference to an object with these flags and this colour change nothing? */
static bool changes_nothing(const struct kmemleak_marker *m, u16 flags,
			    union kmemleak_colour colour)
{
	if (flags & KMEMLEAK_IGNORE)
		return true;
	return colour.epoch == m->epoch && colour.scanned && !(flags & KMEMLEAK_ALIAS);
}

/*
 * Counts a reference to an object. Return: true if the caller must queue the object now.
 *
 * The entry may have changed hands since the look-up. Then a newborn object gets a
 * reference too many, or a scanned bit although only the old address is queued. The marker
 * that takes the old address from the work list notices this, and calls
 * kmemleak_worklist_request_rescan(). That is why an object is queued even if its contents
 * must not be scanned: @flags may be those of the entry's previous object.
 */
static __always_inline bool count_reference(struct kmemleak_marker *m,
					    struct kmemleak_object *obj, u16 flags)
{
	union kmemleak_colour old = kmemleak_colour(obj), new;
	bool queue;

	do {
		if (changes_nothing(m, flags, old))
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
	} while (!kmemleak_colour_cmpxchg(obj, &old, new));
	if (queue) {
		m->reached++;
		m->reached_bytes += READ_ONCE(obj->size);
	}
	return queue;
}

/* As kmemleak_index_find(), but tries the lookup result first: it is usually still true. */
static struct kmemleak_object *lock_seen_object(struct kmemleak_marker *m,
						enum kmemleak_space space, unsigned long addr,
						const struct kmemleak_lookup_result *seen,
						struct kmemleak_index_lock *at)
{
	struct kmemleak_object *obj = seen->found ? kmemleak_index_relock(m->t, seen->ref, at) :
						    NULL;

	if (obj && kmemleak_object_space(obj) == space && addr - obj->start < obj->size)
		return obj;
	if (obj)
		kmemleak_index_unlock(at);
	return kmemleak_index_find(m->t, space, addr, at);
}

static void mark_address(struct kmemleak_marker *m, enum kmemleak_space space, unsigned long addr,
			 bool by_alias);

/*
 * As mark_address(), but with the shard's lock. For lookup results that are not stable, and for
 * objects with an alias.
 */
static void mark_address_slow(struct kmemleak_marker *m, enum kmemleak_space space,
			      unsigned long addr, const struct kmemleak_lookup_result *seen,
			      bool by_alias)
{
	struct kmemleak_object *obj;
	struct kmemleak_index_lock at;
	struct kmemleak_ref ref;
	bool queue, surplus;

	obj = lock_seen_object(m, space, addr, seen, &at);
	if (!obj)
		return;
	if (obj == m->self) {
		kmemleak_index_unlock(&at);
		return;
	}
	queue = count_reference(m, obj, obj->flags);
	ref = (struct kmemleak_ref){ obj, obj->start };
	/* Follow no alias of an alias: it is a caller's mistake, and may be a loop. */
	surplus = !by_alias && (obj->flags & KMEMLEAK_ALIAS) &&
		  kmemleak_colour(obj).count > kmemleak_colour(obj).min_count;
	kmemleak_index_unlock(&at);

	if (queue)
		kmemleak_worklist_push(m, ref);
	if (surplus) {
		unsigned long target = 0;

		while ((target = kmemleak_attr_next_alias(m->t, ref.start, target)))
			mark_address(m, KMEMLEAK_VIRT, target, true);
	}
}

static unsigned long *word_cache_slot(const struct kmemleak_marker *m, unsigned long word)
{
	return &m->word_cache[hash_long(word, WORD_CACHE_BITS)];
}

/*
 * The object may have changed since the look-up. That loses nothing: a block born meanwhile
 * is gray, and a pass finds an object that must be scanned again.
 */
static __always_inline void mark_seen_object(struct kmemleak_marker *m, enum kmemleak_space space,
					     unsigned long addr,
					     const struct kmemleak_lookup_result *seen,
					     bool by_alias)
{
	struct kmemleak_object *obj = seen->ref.obj;

	if (seen->stable && !seen->found)
		return;
	if (!seen->stable || (seen->flags & KMEMLEAK_ALIAS)) {
		mark_address_slow(m, space, addr, seen, by_alias);
		return;
	}
	if (obj == m->self)
		return;
	m->last = obj;
	if (count_reference(m, obj, seen->flags))
		kmemleak_worklist_push(m, seen->ref);
	/* Remember the word. Many words repeat: list links, pointers to a common parent. */
	if (space == KMEMLEAK_VIRT && changes_nothing(m, seen->flags, kmemleak_colour(obj)))
		*word_cache_slot(m, addr) = addr;
}

static void mark_address(struct kmemleak_marker *m, enum kmemleak_space space, unsigned long addr,
			 bool by_alias)
{
	struct kmemleak_lookup_result seen;

	kmemleak_index_lookup(m->t, space, &addr, &seen, 1);
	mark_seen_object(m, space, addr, &seen, by_alias);
}

static void mark_candidates(struct kmemleak_marker *m)
{
	unsigned int i, nr = m->nr_candidates;

	m->nr_candidates = 0;
	kmemleak_index_lookup(m->t, KMEMLEAK_VIRT, m->candidate, m->seen, nr);
	for (i = 0; i < nr; i++)
		mark_seen_object(m, KMEMLEAK_VIRT, m->candidate[i], &m->seen[i], false);
}

static void mark_percpu_pointer(struct kmemleak_marker *m, unsigned long ptr)
{
	if (kmemleak_within(&m->filter.percpu, ptr))
		mark_address(m, KMEMLEAK_PERCPU, ptr, false);
}

/* Entries to prefetch ahead. A chain of blocks usually continues in the same direction. */
#define AHEAD	6

static __always_inline void prefetch_ahead(const struct kmemleak_marker *m,
					   struct kmemleak_object *obj)
{
	struct kmemleak_object *next = kmemleak_pool_next_to(m->t, obj, m->stride * AHEAD);

	if (next) {
		unsigned long start = READ_ONCE(next->start);

		prefetch((const void *)start);
		prefetch((const void *)(start + L1_CACHE_BYTES));
	}
	next = kmemleak_pool_next_to(m->t, obj, m->stride * 2 * AHEAD);
	if (next)
		prefetch(&next->flags);
}

/* Most guesses are wrong, so the cheap test comes first. If it errs, a look-up follows. */
static __always_inline bool guess_holds(struct kmemleak_marker *m, struct kmemleak_object *obj,
					unsigned long addr, struct kmemleak_lookup_result *seen)
{
	return addr - READ_ONCE(obj->start) < READ_ONCE(obj->size) &&
	       kmemleak_index_check(m->t, obj, addr, seen);
}

static __always_inline bool guess_beside(struct kmemleak_marker *m, struct kmemleak_object *from,
					 unsigned long addr, struct kmemleak_lookup_result *seen)
{
	int i;

	for (i = 0; from && i < 2; i++) {
		struct kmemleak_object *obj = kmemleak_pool_next_to(m->t, from, m->stride);

		if (obj && guess_holds(m, obj, addr, seen)) {
			prefetch_ahead(m, obj);
			return true;
		}
		m->stride = -m->stride;
	}
	return false;
}

/*
 * Blocks that were allocated in a row often point to each other, or one block points to
 * several of them. Their entries are neighbours, so try the neighbours first.
 */
static __always_inline bool guess_near(struct kmemleak_marker *m, unsigned long addr,
				       struct kmemleak_lookup_result *seen)
{
	return guess_beside(m, m->current_object, addr, seen) ||
	       (m->last != m->current_object && guess_beside(m, m->last, addr, seen));
}

static __always_inline void mark_virt_word(struct kmemleak_marker *m, unsigned long word)
{
	struct kmemleak_lookup_result seen;

	if (*word_cache_slot(m, word) == word)
		return;
	if (guess_near(m, word, &seen)) {
		mark_seen_object(m, KMEMLEAK_VIRT, word, &seen, false);
	} else if (kmemleak_index_may_hold(&m->t->index, KMEMLEAK_VIRT, word)) {
		m->candidate[m->nr_candidates++] = word;
		if (m->nr_candidates == ARRAY_SIZE(m->candidate))
			mark_candidates(m);
	}
}

static void mark_word(struct kmemleak_marker *m, unsigned long word)
{
	if (kmemleak_within(&m->filter.virt, word))
		mark_virt_word(m, word);
	mark_percpu_pointer(m, word);
	if (kmemleak_within(&m->filter.percpu_copies, word))
		kmemleak_percpu_map_visit(&m->mark->percpu_map, m, word, mark_percpu_pointer);
}

/*
 * Filters memory. Words that can be references go to m->words, behind the @nr words there.
 * Return: new number of words. Memory that cannot be read adds no words, and is counted.
 */
static long filter_memory(struct kmemleak_marker *m, long nr, unsigned long addr, size_t len,
			  enum kmemleak_read how)
{
	long more = m->mark->ops->scan_words(m->t, m->words + nr, addr, len, how, &m->filter);

	if (more >= 0)
		return nr + more;
	kmemleak_count(m->t, KMEMLEAK_CNT_UNREADABLE);
	return nr;
}

/* Follows the words that filter_memory() stored. No lock is held. */
static void mark_filtered_words(struct kmemleak_marker *m, long nr)
{
	long i;

	for (i = 0; i < nr; i++)
		mark_word(m, m->words[i]);
	if (nr > 0)
		m->steps += nr / WORDS_PER_STEP;
}

/* ------------------------------------------------------------ contents -- */

/* End of the piece at @start. A piece stays in one page: the next page may be unreadable. */
static unsigned long piece_end(unsigned long start, unsigned long end)
{
	return start + min(end - start, PAGE_SIZE - (start & ~PAGE_MASK));
}

/*
 * Finds the next part of an object that must be scanned, from *@start on. A word belongs to
 * a scan area if one of its bytes does. Return: false if no part is left.
 */
static bool next_scan_part(struct kmemleak_marker *m, const struct kmemleak_object *obj,
			   unsigned long *start, unsigned long *end)
{
	unsigned long last = obj->start + obj->size;

	*end = last;
	if (obj->flags & (KMEMLEAK_NO_SCAN | KMEMLEAK_IGNORE))
		return false;
	if ((obj->flags & KMEMLEAK_AREAS) && !(obj->flags & KMEMLEAK_FULL_SCAN)) {
		if (!kmemleak_attr_next_area(m->t, obj->start, *start, start, end))
			return false;
		*start = max(ALIGN_DOWN(*start, sizeof(long)), obj->start);
		*end = min(ALIGN(*end, sizeof(long)), last);
	}
	*start = ALIGN(*start, sizeof(long));
	return *start < *end;
}

/*
 * Filters the next piece of an object. *@cursor is where the last piece ended. *@nr is set
 * to the number of words from filter_memory(). Return: true if there may be more pieces.
 */
static bool filter_piece(struct kmemleak_marker *m, struct kmemleak_ref ref, unsigned int cpu,
			 unsigned long *cursor, long *nr)
{
	struct kmemleak_tracker *t = m->t;
	struct kmemleak_index_lock at;
	struct kmemleak_object *obj;
	unsigned long start, end, addr;
	bool more;

	*nr = 0;
	obj = kmemleak_index_relock(t, ref, &at);
	if (!obj) {
		/* The block is gone. count_reference() may have changed the next object here. */
		kmemleak_worklist_request_rescan(t, ref.obj);
		return false;
	}
	start = *cursor;
	if (!next_scan_part(m, obj, &start, &end)) {
		kmemleak_index_unlock(&at);
		return false;
	}
	end = piece_end(start, end);
	more = end - obj->start < obj->size;
	addr = m->mark->ops->block_addr(t, kmemleak_object_space(obj), start, cpu);
	if (addr)
		*nr = filter_memory(m, 0, addr, end - start, KMEMLEAK_READ_BLOCK);
	kmemleak_index_unlock(&at);
	*cursor = end;
	return more;
}

/* An object without these flags is plain: it can be read whole and without a lock. */
#define NOT_PLAIN	(KMEMLEAK_NO_SCAN | KMEMLEAK_IGNORE | KMEMLEAK_AREAS)

/*
 * Filters the next piece of a plain object without a lock. @cursor and @nr are as for
 * filter_piece(), *@end is set to the end of the object. Return: false if the block is gone
 * or the object is not plain.
 *
 * The marker is not preempted between the check and the read. So the block was live at most
 * a few microseconds before the read. In that time its page cannot be freed and then
 * offlined or unplugged. If the page was taken out of the direct map, the read fails. If
 * freed memory can become shared with a hypervisor, t->mapped is empty.
 */
static bool filter_plain_piece(struct kmemleak_marker *m, struct kmemleak_ref ref,
			       unsigned long *cursor, unsigned long *end, long *nr)
{
	struct kmemleak_lookup_result seen;
	bool plain;

	*nr = 0;
	preempt_disable();
	plain = kmemleak_index_check(m->t, ref.obj, ref.start, &seen) &&
		seen.ref.start == ref.start && !(seen.flags & NOT_PLAIN);
	if (plain) {
		*end = ref.start + seen.size;
		if (*cursor < *end) {
			unsigned long stop = piece_end(*cursor, *end);

			*nr = filter_memory(m, 0, *cursor, stop - *cursor, KMEMLEAK_READ_MAPPED);
			*cursor = stop;
		}
	}
	preempt_enable();
	return plain;
}

/* Return: where scan_object() must continue, or 0 if the whole object was scanned. */
static unsigned long scan_plain_object(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	unsigned long cursor = ALIGN(ref.start, sizeof(long)), end;
	long nr;

	if (!kmemleak_within(&m->mapped, ref.start))
		return ref.start;
	m->current_object = ref.obj;
	do {
		/* The block may have been freed since the last piece. */
		if (!filter_plain_piece(m, ref, &cursor, &end, &nr))
			return cursor;
		mark_filtered_words(m, nr);
		mark_step(m);
	} while (cursor < end && !mark_err(m));
	return 0;
}

static void scan_object(struct kmemleak_marker *m, struct kmemleak_ref ref, unsigned long from)
{
	/* Lockless, for the number of copies only. If the space is stale, the block is gone. */
	enum kmemleak_space space = READ_ONCE(ref.obj->flags) & KMEMLEAK_SPACE_MASK;
	unsigned int cpu, copies = kmemleak_nr_copies(m->t, space);

	for (cpu = 0; cpu < copies; cpu++) {
		unsigned long cursor = from;
		bool more = true;
		long nr;

		while (more && !mark_err(m)) {
			more = filter_piece(m, ref, cpu, &cursor, &nr);
			mark_filtered_words(m, nr);
			mark_step(m);
		}
	}
}

static void scan_ref(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	unsigned long from = scan_plain_object(m, ref);

	if (from)
		scan_object(m, ref, from);
}

/**
 * kmemleak_mark_drain() - scan the queued objects, and the objects that they lead to
 * @m: marker
 *
 * Context: process, may sleep.
 */
void kmemleak_mark_drain(struct kmemleak_marker *m)
{
	struct kmemleak_ref ref;

	for (;;) {
		while (!mark_err(m) && kmemleak_worklist_pop(m, &ref))
			scan_ref(m, ref);
		m->current_object = NULL;
		if (mark_err(m) || !m->nr_candidates)
			break;
		mark_candidates(m);
	}
}

/**
 * kmemleak_mark_children() - count the references from one object
 * @m: first marker, after the mark has run
 * @ref: the object
 *
 * A white object becomes gray when enough references point to it. It is not scanned.
 * References from the object to itself do not count.
 *
 * Context: process, may sleep.
 * Return: 0, or the error of ops->pause() that the mark ends with.
 */
int kmemleak_mark_children(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	struct kmemleak_ref child;

	m->self = ref.obj;
	scan_ref(m, ref);
	while (m->nr_candidates && !mark_err(m))
		mark_candidates(m);
	m->self = NULL;
	m->current_object = NULL;
	while (kmemleak_worklist_pop(m, &child))
		;
	return mark_err(m);
}

/**
 * kmemleak_mark_whiten() - make an object white again
 * @m: first marker, after the mark has run
 * @ref: the object
 * @count: number of references that it keeps, below its min_count
 *
 * Words that point to the object may still be in the word cache. Call
 * kmemleak_mark_clear_word_cache() before references to the object are counted again.
 */
void kmemleak_mark_whiten(struct kmemleak_marker *m, struct kmemleak_ref ref, unsigned int count)
{
	union kmemleak_colour old = kmemleak_colour(ref.obj), new;

	/*
	 * Colours change without a lock. If another object has got this entry, that object
	 * may become white. This does no harm: the mark is used only for leaks from now on.
	 */
	if (!kmemleak_ref_is_live(ref))
		return;
	do {
		new = old;
		new.epoch = m->epoch;
		new.count = count;
		new.scanned = 0;
	} while (!kmemleak_colour_cmpxchg(ref.obj, &old, new));
}

/**
 * kmemleak_mark_clear_word_cache() - forget which words change nothing
 * @m: first marker, after the mark has run
 */
void kmemleak_mark_clear_word_cache(struct kmemleak_marker *m)
{
	memset(m->word_cache, 0, sizeof(*m->word_cache) << WORD_CACHE_BITS);
}

/**
 * kmemleak_mark_reached() - how much have references reached?
 * @m: marker
 * @bytes: set to the size of the objects that this marker has reached
 *
 * Return: number of these objects since the mark began.
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

		kmemleak_mark_words(m, filter_memory(m, 0, start, stop - start, how));
		kmemleak_mark_drain(m);
		start = stop;
	}
	return mark_err(m);
}

/**
 * kmemleak_mark_filter_words() - filter a part of a page that the caller has checked
 * @m: marker
 * @nr: number of words found in this page before, and not followed yet
 * @start: first byte, aligned to words
 * @len: bytes, whole words. The part must end in the same page, and no part may be passed
 *	twice: there is room for the words of one page.
 *
 * Context: does not sleep. The caller can hold a lock, or disable preemption, so that the
 * page stays as it was checked.
 * Return: number of words that wait for kmemleak_mark_words() now.
 */
long kmemleak_mark_filter_words(struct kmemleak_marker *m, long nr, unsigned long start, size_t len)
{
	return filter_memory(m, nr, start, len, KMEMLEAK_READ_MAPPED);
}

/**
 * kmemleak_mark_words() - follow filtered words
 * @m: marker
 * @nr: number of words from kmemleak_mark_filter_words()
 *
 * The objects that the words refer to become gray. kmemleak_mark_drain() scans them.
 *
 * Context: process, may sleep.
 * Return: 0, or the error that the mark ends with.
 */
int kmemleak_mark_words(struct kmemleak_marker *m, long nr)
{
	mark_filtered_words(m, nr);
	mark_step(m);
	return mark_err(m);
}

/**
 * kmemleak_mark_range_no_drain() - scan memory that has no object, but nothing that it reaches
 * @m: marker
 * @start: first byte, need not be aligned
 * @end: first byte behind the memory
 *
 * The objects that the memory refers to become gray. kmemleak_mark_drain() scans them. The
 * caller can drop its locks and references to the memory before that.
 *
 * Context: process, may sleep.
 * Return: 0, or the error that the mark ends with.
 */
int kmemleak_mark_range_no_drain(struct kmemleak_marker *m, unsigned long start, unsigned long end)
{
	start = ALIGN(start, sizeof(long));
	while (start < end && !mark_err(m)) {
		unsigned long stop = piece_end(start, end);

		kmemleak_mark_words(m,
				    filter_memory(m, 0, start, stop - start, KMEMLEAK_READ_ROOT));
		start = stop;
	}
	return mark_err(m);
}

/**
 * kmemleak_mark_range() - scan memory that has no object, and all objects that it reaches
 * @m: marker
 * @start: first byte, need not be aligned
 * @end: first byte behind the memory
 *
 * Context: process, may sleep.
 * Return: 0, or the error that the mark ends with.
 */
int kmemleak_mark_range(struct kmemleak_marker *m, unsigned long start, unsigned long end)
{
	return mark_memory(m, start, end, KMEMLEAK_READ_ROOT);
}

/**
 * kmemleak_mark_opaque() - scan an opaque block, and all objects that it reaches
 * @m: marker
 * @block: the block
 *
 * Context: process, may sleep.
 * Return: 0, or the error that the mark ends with.
 */
int kmemleak_mark_opaque(struct kmemleak_marker *m, const struct kmemleak_block *block)
{
	unsigned int cpu, copies = kmemleak_nr_copies(m->t, block->space);
	int err = mark_err(m);

	for (cpu = 0; cpu < copies && !err; cpu++) {
		unsigned long addr =
			m->mark->ops->block_addr(m->t, block->space, block->start, cpu);

		if (addr)
			err = mark_memory(m, addr, addr + block->size, KMEMLEAK_READ_OPAQUE);
	}
	return err;
}
