// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mark from begin to end, and its sweeps over all objects. A sweep finds the objects
 * that no reference leads to and that have to be scanned: roots, objects born meanwhile,
 * and objects for which the work list had no room.
 */
#include "mark.h"

/* On a busy system every sweep finds new objects. Stop after this many. */
#define MAX_SWEEPS	8

/* Chunks of objects left for the verdict; where it is more, all are looked at again. */
#define MAX_LEFT	16

/* Asked of a copy that was made without the lock, then of the object. */
static bool is_due(const struct kmemleak_object *obj, const void *arg)
{
	const struct kmemleak_marker *m = arg;
	union kmemleak_colour colour = kmemleak_colour(obj);

	if (obj->flags & KMEMLEAK_IGNORE)
		return false;
	if (colour.epoch == m->epoch && colour.count >= colour.min_count)
		return !colour.scanned;
	return kmemleak_verdict_is_root(m->t, m->opt, obj);
}

static bool looks_at(const struct kmemleak_object *obj, const void *arg)
{
	const struct kmemleak_marker *m = arg;

	return kmemleak_verdict_looks_at(m->t, obj);
}

/* Was it scanned, and shall it be once more? */
static bool is_again(const struct kmemleak_object *obj, const struct kmemleak_marker *m)
{
	union kmemleak_colour colour = kmemleak_colour(obj);

	return m->mark->again && colour.epoch == m->epoch && colour.scanned &&
	       !(obj->flags & (KMEMLEAK_NO_SCAN | KMEMLEAK_IGNORE));
}

static bool is_wanted(const struct kmemleak_object *obj, const void *arg)
{
	const struct kmemleak_marker *m = arg;

	return is_due(obj, m) || is_again(obj, m) || (m->mark->left_all && looks_at(obj, m));
}

/* Empties the list of objects left for the verdict. */
static void clear_left(struct kmemleak_mark *mark)
{
	struct kmemleak_tracker *t = mark->first->t;
	struct chunk *c;

	while ((c = mark->left)) {
		mark->left = c->below;
		t->ops->page_free(t, c, 0);
	}
	mark->nr_left = 0;
	mark->left_all = true;
}

static void leave(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	struct kmemleak_mark *mark = m->mark;
	struct chunk *c = mark->left;

	if (!c || c->nr == CHUNK_REFS) {
		c = mark->nr_left < MAX_LEFT ? m->t->ops->page_alloc(m->t, 0, KMEMLEAK_GFP) : NULL;
		if (!c) {
			mark->left_all = false;
			return;
		}
		c->below = mark->left;
		mark->left = c;
		mark->nr_left++;
	}
	c->ref[c->nr++] = ref;
}

/**
 * kmemleak_mark_left() - objects that the verdict has to look at
 * @m: the mark, after its run
 * @cursor: zeroed to begin
 * @left: filled in, to be looked at again with kmemleak_index_relock()
 * @max: how many fit
 *
 * Each is told once. A sweep has seen them on its way, unless there were too many.
 *
 * Return: how many there are in @left; none is not the end, @cursor->end is.
 */
unsigned int kmemleak_mark_left(struct kmemleak_marker *m, struct kmemleak_pool_cursor *cursor,
				struct kmemleak_ref *left, unsigned int max)
{
	struct kmemleak_mark *mark = m->mark;
	struct chunk *c = mark->left;
	unsigned int nr;

	if (!mark->left_all) {
		cursor->epoch = m->epoch;
		return kmemleak_pool_pick(m->t, cursor, looks_at, m, left, max);
	}
	if (!c) {
		cursor->end = true;
		return 0;
	}
	nr = min_t(unsigned long, max, c->nr);
	c->nr -= nr;
	memcpy(left, c->ref + c->nr, nr * sizeof(*left));
	if (!c->nr) {
		mark->left = c->below;
		m->t->ops->page_free(m->t, c, 0);
	}
	return nr;
}

/* An object counts as reached, with or without references. Return: whether to queue it now. */
static bool take(struct kmemleak_marker *m, struct kmemleak_object *obj)
{
	union kmemleak_colour old = kmemleak_colour(obj), new;

	do {
		new = old;
		if (new.epoch != m->epoch) {
			new.epoch = m->epoch;
			new.count = 0;
			new.scanned = 0;
		}
		new.count = max_t(u8, new.count, new.min_count);
		if (new.scanned)
			return false;
		new.scanned = 1;
	} while (!kmemleak_recolour(obj, &old, new));
	return !(obj->flags & KMEMLEAK_NO_SCAN);
}

/*
 * Scans every gray object not yet scanned, and all objects that it leads to. An object
 * that is white after the last sweep was white when that sweep passed it.
 */
static void sweep(struct kmemleak_marker *m)
{
	/* Objects that this mark has scanned can be skipped. */
	struct kmemleak_pool_cursor cursor = { .epoch = m->mark->again ? 0 : m->epoch };

	clear_left(m->mark);
	WRITE_ONCE(m->mark->lost, false);
	/* Before all looks: whoever sets it again has made his change before that. */
	smp_store_mb(m->t->due, false);

	while (!cursor.end && !mark_err(m)) {
		unsigned int nr = kmemleak_pool_pick(m->t, &cursor, is_wanted, m, m->found,
						     SWEEP_BATCH);
		unsigned int i;

		for (i = 0; i < nr; i++) {
			struct kmemleak_lookup at;
			struct kmemleak_object *obj;
			bool queue, look;

			obj = kmemleak_index_relock(m->t, m->found[i], &at);
			if (!obj)
				continue;
			queue = is_again(obj, m) || (is_due(obj, m) && take(m, obj));
			look = kmemleak_verdict_looks_at(m->t, obj);
			kmemleak_index_unlock(&at);
			if (look)
				leave(m, m->found[i]);
			/* The work list is empty before this, so it takes them all. */
			if (queue)
				kmemleak_mark_push(m, m->found[i]);
		}
		kmemleak_mark_drain(m);
		/* Where it found little it has looked at many. */
		kmemleak_mark_pause(m);
	}
	kmemleak_work_finish(m);
	m->mark->again = false;
}

static_assert(SWEEP_BATCH <= CHUNK_REFS);

/* ------------------------------------------------------------- a mark -- */

static void forget_visit(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	kmemleak_paint(obj, epoch, 0);
}

/*
 * Epochs are few: before a number comes again, no object may carry it. An object born
 * meanwhile carries 0. If the walk does not get to its end, the next mark begins it
 * anew; until then colours mean nothing, as after any mark that was cut short.
 */
static int next_epoch(struct kmemleak_tracker *t)
{
	struct kmemleak_cursor cursor = { };
	int err = 0;

	if (t->epoch == U8_MAX) {
		WRITE_ONCE(t->epoch, 0);
		while (!err && kmemleak_index_walk(t, &cursor, SWEEP_BATCH, forget_visit, NULL))
			err = t->ops->pause(t);
	}
	WRITE_ONCE(t->epoch, err ? U8_MAX : t->epoch + 1);
	return err;
}

static struct kmemleak_bounds bounds_from(const struct kmemleak_index *idx, unsigned int first,
					  unsigned int last)
{
	unsigned long low = ULONG_MAX, high = 0;
	unsigned int i;

	for (i = first; i <= last; i++) {
		/* Pairs with kmemleak_bounds_widen(). */
		low = min(low, READ_ONCE(idx->low[i]));
		high = max(high, READ_ONCE(idx->high[i]));
	}
	/* Small numbers are no pointers, though per-cpu ones can lie around them. */
	low = max(low, PAGE_SIZE);
	return (struct kmemleak_bounds){ low, low < high ? high - low : 0 };
}

static struct kmemleak_bounds bounds_of_copies(const struct kmemleak_tracker *t,
					       struct kmemleak_bounds percpu)
{
	unsigned int nr = t->nr_cpu_offsets;

	if (!percpu.size || !nr)
		return (struct kmemleak_bounds){ };
	return (struct kmemleak_bounds){
		percpu.low + t->cpu_offset[0],
		percpu.size + (t->cpu_offset[nr - 1] - t->cpu_offset[0]),
	};
}

/**
 * kmemleak_mark_begin() - everything becomes white
 * @t: tracker
 * @opt: options, to stay until kmemleak_mark_end()
 *
 * Return: the mark, or NULL if there is no memory for it. It can be one that is cut
 * short already, as kmemleak_mark_poll() says.
 */
struct kmemleak_marker *kmemleak_mark_begin(struct kmemleak_tracker *t,
					    const struct kmemleak_options *opt)
{
	struct kmemleak_mark *mark = t->ops->page_alloc(t, 0, KMEMLEAK_GFP);
	struct kmemleak_marker *m = mark ? kmemleak_marker_new(t, mark) : NULL;

	if (!m) {
		if (mark)
			t->ops->page_free(t, mark, 0);
		return NULL;
	}
	raw_spin_lock_init(&mark->lock);
	mark->first = m;
	mark->nr = 1;
	m->opt = opt;
	mark->err = next_epoch(t);
	m->epoch = t->epoch;
	m->sieve.virt = bounds_from(&t->index, 0, KMEMLEAK_NR_CLASSES - 1);
	m->sieve.percpu = bounds_from(&t->index, KMEMLEAK_NR_CLASSES + KMEMLEAK_PERCPU,
				      KMEMLEAK_NR_CLASSES + KMEMLEAK_PERCPU);
	m->sieve.copies = bounds_of_copies(t, m->sieve.percpu);
	kmemleak_copies_fill(t, &mark->copies);
	m->mapped = (struct kmemleak_bounds){ t->mapped, t->mapped_end - t->mapped };
	/* Pairs with fill_object(). */
	smp_store_release(&t->marking, !!(opt->rules & BIT(KMEMLEAK_RULE_BORN)));
	return m;
}

/*
 * Blocks without an object are roots, also those that came to be while this mark ran.
 * Return: how many additions of such blocks were seen to.
 */
static unsigned int mark_opaque(struct kmemleak_marker *m)
{
	/* Pairs with add_locked() in ranges.c: a block added later is for the next pass. */
	unsigned int added = smp_load_acquire(&m->t->opaque.added);
	struct kmemleak_block block;
	u32 cursor = 0;

	while (kmemleak_opaque_next(m->t, &cursor, &block) && !kmemleak_mark_opaque(m, &block))
		;
	return added;
}

/**
 * kmemleak_mark_run() - reach everything that can be reached
 * @m: the mark
 *
 * Return: 0, or what ops->pause() said.
 */
int kmemleak_mark_run(struct kmemleak_marker *m)
{
	struct kmemleak_tracker *t = m->t;
	unsigned int sweeps = 0, added;

	t->ops->roots(t, m);
	added = mark_opaque(m);
	do {
		if (added != READ_ONCE(t->opaque.added))
			added = mark_opaque(m);
		sweep(m);
	} while (!mark_err(m) && (READ_ONCE(m->mark->lost) ||
				  (READ_ONCE(t->due) && ++sweeps < MAX_SWEEPS)));
	kmemleak_work_end(m->mark);
	return mark_err(m);
}

/* References that are going to be counted again; of others, one was enough. */
static void recount_visit(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	union kmemleak_colour colour = kmemleak_colour(obj);

	if (colour.epoch == t->epoch &&
	    ((obj->flags & KMEMLEAK_ALIAS) || (colour.min_count > 1 && !colour.scanned)))
		kmemleak_paint(obj, count, 0);
}

/**
 * kmemleak_mark_again() - go on with a mark: does what is reached point at more by now?
 * @m: the mark, after a run without an error
 *
 * A mark follows references once. It misses a list of which it has seen the first
 * entry elsewhere before that was put in front, however often it is repeated. This
 * one keeps the colours and looks once more at all that is not white.
 *
 * Return: 0, or what ops->pause() said.
 */
int kmemleak_mark_again(struct kmemleak_marker *m)
{
	struct kmemleak_cursor cursor = { };

	while (kmemleak_index_walk(m->t, &cursor, SWEEP_BATCH, recount_visit, NULL) &&
	       !mark_err(m))
		kmemleak_mark_pause(m);
	m->mark->done = false;
	m->mark->again = true;
	return kmemleak_mark_run(m);
}

/**
 * kmemleak_mark_object() - one more object is known to be alive
 * @m: the mark
 * @ref: the object
 *
 * Return: 0, or what ops->pause() said.
 */
int kmemleak_mark_object(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	struct kmemleak_lookup at;
	struct kmemleak_object *obj = kmemleak_index_relock(m->t, ref, &at);
	bool queue = false;

	if (obj) {
		queue = take(m, obj) && !(obj->flags & KMEMLEAK_IGNORE);
		kmemleak_index_unlock(&at);
	}
	if (queue)
		kmemleak_mark_push(m, ref);
	kmemleak_mark_drain(m);
	while (READ_ONCE(m->mark->lost) && !mark_err(m))
		sweep(m);
	return mark_err(m);
}

/**
 * kmemleak_mark_end() - give the mark's memory back; colours stay
 * @m: the mark
 */
void kmemleak_mark_end(struct kmemleak_marker *m)
{
	struct kmemleak_tracker *t = m->t;
	struct kmemleak_mark *mark = m->mark;

	clear_left(mark);
	kmemleak_marker_free(m);
	t->ops->page_free(t, mark, 0);
}

void kmemleak_mark_close(struct kmemleak_tracker *t)
{
	WRITE_ONCE(t->marking, false);
}
