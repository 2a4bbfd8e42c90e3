// SPDX-License-Identifier: GPL-2.0-only
/*
 * A mark from begin to end, and its passes over all objects. A pass finds the objects that
 * must be scanned but are in no work list: roots, objects born during the mark, and objects
 * for which a work list had no room.
 */
#include "opaque.h"
#include "pool.h"
#include "rules.h"
#include "worklist.h"

/*
 * On a busy system every pass finds new objects. Stop after this many passes. Then some gray
 * objects are not scanned, and objects that only they lead to stay white. Rule CONFIRM marks
 * again before such objects are reported.
 */
#define MAX_PASSES	8

/* Chunks of objects to judge. If there are more, the judge visits all objects again. */
#define MAX_TO_JUDGE	16

/* Called with a copy made without the lock, then with the object under its shard's lock. */
static bool needs_scan(const struct kmemleak_marker *m, const struct kmemleak_object *obj)
{
	union kmemleak_colour colour = kmemleak_colour(obj);

	if (obj->flags & KMEMLEAK_IGNORE)
		return false;
	if (colour.epoch == m->epoch && colour.count >= colour.min_count)
		return !colour.scanned;
	return kmemleak_rules_is_root(m->t, m->opt, m->mark->flags, obj);
}

static bool needs_judging(const struct kmemleak_marker *m, const struct kmemleak_object *obj)
{
	return kmemleak_rules_needs_judging(m->t, obj);
}

/* Was the object scanned, and must it be scanned again? */
static bool needs_second_scan(const struct kmemleak_marker *m, const struct kmemleak_object *obj)
{
	union kmemleak_colour colour = kmemleak_colour(obj);

	return m->mark->scan_again && colour.epoch == m->epoch && colour.scanned &&
	       !(obj->flags & (KMEMLEAK_NO_SCAN | KMEMLEAK_IGNORE));
}

static bool needs_visit(const struct kmemleak_marker *m, const struct kmemleak_object *obj)
{
	return needs_scan(m, obj) || needs_second_scan(m, obj) ||
	       (m->mark->to_judge_complete && needs_judging(m, obj));
}

/* Entries visited in one call, which takes a few microseconds. */
#define SELECT_ENTRIES	4096
/* Entries that are prefetched before they are visited. */
#define SELECT_AHEAD	8

/* Was the object scanned in the mark @epoch, and is there nothing for the judge to do? */
static bool needs_nothing(u16 flags, union kmemleak_colour colour, u8 epoch)
{
	return epoch && colour.epoch == epoch && colour.scanned && !colour.unref &&
	       !(flags & KMEMLEAK_TRANSIENT);
}

/**
 * select_objects() - find live objects in the order of their entries
 * @m: marker
 * @cursor: zeroed to begin
 * @epoch: objects that this mark has scanned are skipped at once, 0: none
 * @want: is an object wanted? It gets a copy in which only flags, born and colour are set,
 *	perhaps from different moments.
 * @refs: filled in; check again with kmemleak_index_relock()
 * @max: greatest number of @refs
 *
 * Entries are read in the order of their addresses, without a lock. If few objects are
 * wanted, that is much faster than a walk over the trees. Every object that is live from
 * the first call to the last is visited. An object that is born meanwhile may be missed.
 *
 * Return: number of @refs. It can be 0 before the end: check @cursor->end.
 */
static unsigned int select_objects(struct kmemleak_marker *m, struct kmemleak_pool_cursor *cursor,
				   u8 epoch,
				   bool (*want)(const struct kmemleak_marker *m,
						const struct kmemleak_object *obj),
				   struct kmemleak_ref *refs, unsigned int max)
{
	struct kmemleak_object seen = { };
	unsigned int budget, n = 0;

	for (budget = SELECT_ENTRIES; budget && n < max && !cursor->end;) {
		unsigned int i, nr;
		union kmemleak_entry *entry = kmemleak_pool_entries(m->t, cursor, budget, &nr);

		for (i = 0; i < nr && n < max; i++) {
			struct kmemleak_object *obj = &entry[i].object;

			prefetch(&entry[i + SELECT_AHEAD].object.flags);
			seen.flags = READ_ONCE(obj->flags);
			if (!(seen.flags & KMEMLEAK_LIVE))
				continue;
			seen.colour = kmemleak_colour(obj);
			if (needs_nothing(seen.flags, seen.colour, epoch))
				continue;
			seen.born = READ_ONCE(obj->born);
			if (want(m, &seen))
				refs[n++] = (struct kmemleak_ref){ obj, READ_ONCE(obj->start) };
		}
		cursor->next += i;
		budget -= i;
	}
	return n;
}

/* Empties the list of objects left for judgement. */
static void clear_to_judge(struct kmemleak_mark *mark)
{
	struct kmemleak_tracker *t = mark->first->t;
	struct work_chunk *c;

	while ((c = mark->to_judge)) {
		mark->to_judge = c->below;
		mark->ops->page_free(t, c, 0);
	}
	mark->nr_to_judge = 0;
	mark->to_judge_complete = true;
}

static void add_to_judge(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	struct kmemleak_mark *mark = m->mark;
	struct work_chunk *c = mark->to_judge;

	if (!c || c->nr == CHUNK_REFS) {
		c = mark->nr_to_judge < MAX_TO_JUDGE ?
			    m->mark->ops->page_alloc(m->t, 0, KMEMLEAK_GFP) :
			    NULL;
		if (!c) {
			mark->to_judge_complete = false;
			return;
		}
		c->below = mark->to_judge;
		mark->to_judge = c;
		mark->nr_to_judge++;
	}
	c->ref[c->nr++] = ref;
}

/**
 * kmemleak_mark_next_to_judge() - get objects that the judge must look at
 * @m: first marker, after the mark has run
 * @cursor: zeroed to begin
 * @refs: filled in; check again with kmemleak_index_relock()
 * @max: greatest number of @refs
 *
 * Each object is returned once. The last pass has collected these objects. If there were
 * too many for its list, all entries are visited again.
 *
 * Return: number of @refs. It can be 0 before the end: check @cursor->end.
 */
unsigned int kmemleak_mark_next_to_judge(struct kmemleak_marker *m,
					 struct kmemleak_pool_cursor *cursor,
					 struct kmemleak_ref *refs, unsigned int max)
{
	struct kmemleak_mark *mark = m->mark;
	struct work_chunk *c = mark->to_judge;
	unsigned int nr;

	if (mark->phase != KMEMLEAK_MARK_DONE)
		kmemleak_tracker_fail(m->t, "a mark was judged before its end");
	if (!mark->to_judge_complete)
		return select_objects(m, cursor, m->epoch, needs_judging, refs, max);
	if (!c) {
		cursor->end = true;
		return 0;
	}
	nr = min_t(unsigned long, max, c->nr);
	c->nr -= nr;
	memcpy(refs, c->ref + c->nr, nr * sizeof(*refs));
	if (!c->nr) {
		mark->to_judge = c->below;
		m->mark->ops->page_free(m->t, c, 0);
	}
	return nr;
}

/* Makes an object gray, even without references. Return: true if it must be queued now. */
static bool claim_object(struct kmemleak_marker *m, struct kmemleak_object *obj)
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
	} while (!kmemleak_colour_cmpxchg(obj, &old, new));
	return !(obj->flags & KMEMLEAK_NO_SCAN);
}

/*
 * Scans every gray object that was not scanned yet, and all objects that it leads to. An
 * object that is white after the last pass was white when that pass visited it.
 */
static void run_pass(struct kmemleak_marker *m)
{
	/* Objects that this mark has scanned can be skipped. */
	u8 skip = m->mark->scan_again ? 0 : m->epoch;
	struct kmemleak_pool_cursor cursor = { };

	clear_to_judge(m->mark);
	WRITE_ONCE(m->mark->lost, false);
	/*
	 * Clear the flag before the pass visits any object. Others change an object first,
	 * then set the flag. If xchg() reads the flag as set, this pass sees the change. Else
	 * the flag is set later, and another pass follows. Pairs with kmemleak_request_pass().
	 */
	xchg(&m->t->pass_needed, 0);

	while (!cursor.end && !mark_err(m)) {
		unsigned int nr = select_objects(m, &cursor, skip, needs_visit, m->found,
						 PASS_BATCH);
		unsigned int i;

		for (i = 0; i < nr; i++) {
			struct kmemleak_index_lock at;
			struct kmemleak_object *obj;
			bool queue, look;

			obj = kmemleak_index_relock(m->t, m->found[i], &at);
			if (!obj)
				continue;
			queue = needs_second_scan(m, obj) ||
				(needs_scan(m, obj) && claim_object(m, obj));
			look = kmemleak_rules_needs_judging(m->t, obj);
			kmemleak_index_unlock(&at);
			if (look)
				add_to_judge(m, m->found[i]);
			/* The list was empty before this batch, so it has room. */
			if (queue)
				kmemleak_worklist_push(m, m->found[i]);
		}
		kmemleak_mark_drain(m);
		/* If this batch is small, select_objects() has visited many entries. */
		kmemleak_mark_pause(m);
	}
	kmemleak_worklist_finish(m);
	m->mark->scan_again = false;
}

/* ------------------------------------------------------------- a mark -- */

static void reset_epoch(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	kmemleak_colour_set(obj, epoch, 0);
}

/*
 * An epoch has 8 bits, so numbers are reused. Before that, a walk sets the epoch of all
 * objects to 0. Objects born meanwhile get 0, too. If the walk ends early, the next mark
 * begins it again. Until then colours mean nothing, as after any mark that ended early.
 */
static int advance_epoch(struct kmemleak_tracker *t)
{
	struct kmemleak_cursor cursor = { };
	int err = 0;

	if (t->epoch == U8_MAX) {
		WRITE_ONCE(t->epoch, 0);
		while (!err && kmemleak_index_walk(t, &cursor, PASS_BATCH, reset_epoch, NULL))
			err = t->ops->pause(t);
	}
	WRITE_ONCE(t->epoch, err ? U8_MAX : t->epoch + 1);
	return err;
}

static struct kmemleak_bounds join_bounds(const struct kmemleak_index *idx, unsigned int first,
					  unsigned int last)
{
	unsigned long low = ULONG_MAX, high = 0;
	unsigned int i;

	for (i = first; i <= last; i++) {
		/* Pairs with kmemleak_index_bounds_widen(). */
		low = min(low, READ_ONCE(idx->low[i]));
		high = max(high, READ_ONCE(idx->high[i]));
	}
	/* Small numbers are no pointers, even if the bounds of per-cpu objects contain them. */
	low = max(low, PAGE_SIZE);
	return (struct kmemleak_bounds){ low, low < high ? high - low : 0 };
}

static struct kmemleak_bounds join_copy_bounds(const struct kmemleak_tracker *t,
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
 * kmemleak_mark_begin() - begin a mark: all objects become white
 * @t: tracker
 * @opt: options of the scan; they must stay until kmemleak_mark_end()
 * @flags: KMEMLEAK_MARK_FIRST, KMEMLEAK_MARK_DEFER_RUNNING
 *
 * Return: first marker of the mark, or NULL if there is no memory. The mark may have failed
 * already: check with kmemleak_mark_poll().
 */
struct kmemleak_marker *kmemleak_mark_begin(struct kmemleak_tracker *t,
					    const struct kmemleak_options *opt,
					    unsigned int flags)
{
	struct kmemleak_mark *mark = t->ops->page_alloc(t, 0, KMEMLEAK_GFP);
	struct kmemleak_marker *m;

	if (!mark)
		return NULL;
	mark->ops = t->ops;
	mark->flags = flags;
	m = kmemleak_worklist_new_marker(t, mark);
	if (!m) {
		t->ops->page_free(t, mark, 0);
		return NULL;
	}
	raw_spin_lock_init(&mark->lock);
	mark->first = m;
	mark->nr = 1;
	m->opt = opt;
	mark->err = advance_epoch(t);
	m->epoch = t->epoch;
	/* Pairs with kmemleak_object_set_newborn(). */
	smp_store_release(&t->marking, kmemleak_rules_newborn_is_gray(opt));
	/*
	 * Read the bounds after that. A hook widens them first and looks at the flag then. So
	 * these bounds contain the block, or the block is gray.
	 */
	smp_mb();
	m->filter.virt = join_bounds(&t->index, 0, KMEMLEAK_NR_CLASSES - 1);
	m->filter.percpu = join_bounds(&t->index, KMEMLEAK_NR_CLASSES + KMEMLEAK_PERCPU,
				       KMEMLEAK_NR_CLASSES + KMEMLEAK_PERCPU);
	m->filter.percpu_copies = join_copy_bounds(t, m->filter.percpu);
	kmemleak_percpu_map_fill(t, &mark->percpu_map);
	m->mapped = (struct kmemleak_bounds){ t->mapped, t->mapped_end - t->mapped };
	return m;
}

/*
 * Scans the opaque blocks. They are roots, also those added during this mark.
 * Return: number of additions to the opaque table that this call has covered.
 */
static unsigned int mark_opaque_blocks(struct kmemleak_marker *m)
{
	/* Pairs with add_entry_locked(). A block added later is left to the next pass. */
	unsigned int added = smp_load_acquire(&m->t->opaque.added);
	struct kmemleak_block block;
	u32 cursor = 0;

	if (!(m->opt->roots & BIT(KMEMLEAK_ROOT_OPAQUE)))
		return added;
	while (kmemleak_opaque_next(m->t, &cursor, &block) && !kmemleak_mark_opaque(m, &block))
		;
	return added;
}

/**
 * kmemleak_mark_run() - mark all objects that the roots reach
 * @m: first marker
 *
 * Return: 0, or the error of ops->pause() that the mark ends with.
 */
int kmemleak_mark_run(struct kmemleak_marker *m)
{
	struct kmemleak_tracker *t = m->t;
	unsigned int passes = 0, added;

	m->mark->phase = KMEMLEAK_MARK_ROOTS;
	m->mark->ops->roots(t, m);
	added = mark_opaque_blocks(m);
	m->mark->phase = KMEMLEAK_MARK_PASS;
	do {
		if (added != READ_ONCE(t->opaque.added))
			added = mark_opaque_blocks(m);
		run_pass(m);
	} while (!mark_err(m) && (READ_ONCE(m->mark->lost) ||
				  (READ_ONCE(t->pass_needed) && ++passes < MAX_PASSES)));
	kmemleak_worklist_end(m->mark);
	if (!mark_err(m))
		m->mark->phase = KMEMLEAK_MARK_DONE;
	return mark_err(m);
}

/**
 * kmemleak_mark_run_stopped() - kmemleak_mark_run() while all CPUs are stopped
 * @m: first marker
 * @ops: operations for the stop. They must not sleep, nor take a lock that a stopped task
 *	can hold.
 *
 * Context: the stop leader.
 * Return: as kmemleak_mark_run().
 */
int kmemleak_mark_run_stopped(struct kmemleak_marker *m, const struct kmemleak_ops *ops)
{
	int ret;

	m->mark->ops = ops;
	m->mark->stopped = true;
	ret = kmemleak_mark_run(m);
	m->mark->stopped = false;
	m->mark->ops = m->t->ops;
	return ret;
}

/*
 * kmemleak_mark_continue() counts all references again. So a count begins at 0 if it can
 * still change anything: if the object has an alias, or needs several references and was
 * not reached.
 */
static void reset_count(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	union kmemleak_colour colour = kmemleak_colour(obj);

	if (colour.epoch == t->epoch &&
	    ((obj->flags & KMEMLEAK_ALIAS) || (colour.min_count > 1 && !colour.scanned)))
		kmemleak_colour_set(obj, count, 0);
}

/**
 * kmemleak_mark_continue() - scan all reached objects again: do they point to more by now?
 * @m: first marker, after a run without an error
 *
 * A mark scans each object once. An object may be scanned, and then be moved to the front
 * of a list. The mark finds it again behind the list head, but does not scan it again. So
 * the mark misses the rest of the list. The same may happen to any number of new marks. This
 * function keeps the colours, and scans all objects that are not white once more.
 *
 * Return: 0, or the error of ops->pause() that the mark ends with.
 */
int kmemleak_mark_continue(struct kmemleak_marker *m)
{
	struct kmemleak_cursor cursor = { };

	while (kmemleak_index_walk(m->t, &cursor, PASS_BATCH, reset_count, NULL) &&
	       !mark_err(m))
		kmemleak_mark_pause(m);
	m->mark->done = false;
	m->mark->scan_again = true;
	return kmemleak_mark_run(m);
}

/**
 * kmemleak_mark_object() - mark an object that is alive, and all objects that it reaches
 * @m: first marker, after the mark has run
 * @ref: the object
 *
 * Return: 0, or the error of ops->pause() that the mark ends with.
 */
int kmemleak_mark_object(struct kmemleak_marker *m, struct kmemleak_ref ref)
{
	struct kmemleak_index_lock at;
	struct kmemleak_object *obj = kmemleak_index_relock(m->t, ref, &at);
	bool queue = false;

	if (obj) {
		queue = claim_object(m, obj) && !(obj->flags & KMEMLEAK_IGNORE);
		kmemleak_index_unlock(&at);
	}
	if (queue)
		kmemleak_worklist_push(m, ref);
	kmemleak_mark_drain(m);
	while (READ_ONCE(m->mark->lost) && !mark_err(m))
		run_pass(m);
	return mark_err(m);
}

/**
 * kmemleak_mark_end() - free the memory of a mark. The colours stay.
 * @m: first marker
 */
void kmemleak_mark_end(struct kmemleak_marker *m)
{
	struct kmemleak_tracker *t = m->t;
	struct kmemleak_mark *mark = m->mark;

	clear_to_judge(mark);
	kmemleak_worklist_free_marker(m);
	t->ops->page_free(t, mark, 0);
}

/**
 * kmemleak_mark_newborns_end() - the last mark of a scan is over: new objects are no longer gray
 * @t: tracker
 *
 * All marks of a scan share this. kmemleak_mark_end() frees the memory of each mark.
 */
void kmemleak_mark_newborns_end(struct kmemleak_tracker *t)
{
	WRITE_ONCE(t->marking, false);
}
