// SPDX-License-Identifier: GPL-2.0-only
/*
 * The judge: which of the objects that a mark left white are leaks? The rules that it
 * applies are in rules.c.
 */
#include "comm.h"
#include "index.h"
#include "judge.h"
#include "leak_group.h"
#include "leak_set.h"
#include "mark.h"
#include "rules.h"
#include "tracker.h"

/* Objects that the judge takes from the mark at a time. */
#define JUDGE_BATCH	64

struct judge {
	struct kmemleak_tracker *t;
	const struct kmemleak_options *opt;
	struct kmemleak_leak_set suspects;
	struct kmemleak_leak_set *leaks;
	struct kmemleak_marker *m;
	struct kmemleak_ref refs[JUDGE_BATCH];
	u8 *page;
	unsigned int steps;
	int err;	/* error of ops->pause() that ends the scan, or 0 */
	unsigned long nr_unconfirmed;	/* suspects that may be reported but were never confirmed */
	bool confirmed;	/* the suspects that are left are confirmed */
};

/* The checksum of this many bytes costs as much as all other work on a suspect. */
#define STEP_BYTES	256

/* Counts work on suspects or records, and pauses. Return: the error of the scan, or 0. */
static int count_steps(struct judge *j, unsigned int nr)
{
	j->steps += nr;
	if (j->steps >= KMEMLEAK_RECORDS_PER_PAUSE && !j->err) {
		j->steps = 0;
		j->err = j->t->ops->pause(j->t);
	}
	return j->err;
}

/* An object is in use. If it is lost later, it must be confirmed again. */
static void clear_suspicion_locked(struct kmemleak_object *obj)
{
	kmemleak_colour_set(obj, unref, 0);
	obj->flags &= ~KMEMLEAK_CONFIRMED;
}

/* Does an object look lost? If not, clears the suspicion of earlier scans. */
static bool looks_lost_locked(struct judge *j, struct kmemleak_object *obj)
{
	struct kmemleak_tracker *t = j->t;

	kmemleak_rules_use_transient(t, obj);
	if (kmemleak_object_white(t, obj) && !kmemleak_rules_is_root(t, j->opt, 0, obj))
		return true;
	clear_suspicion_locked(obj);
	return false;
}

/* Bytes from @offset to the end of the object or of the page. */
static size_t piece_len(const struct kmemleak_object *obj, unsigned long offset)
{
	return min(obj->size - offset, PAGE_SIZE - ((obj->start + offset) & ~PAGE_MASK));
}

/* Reads from an object at @offset; if it is per-cpu, from the copy of @cpu. */
static bool read_piece(struct kmemleak_tracker *t, const struct kmemleak_object *obj,
		       unsigned long offset, unsigned int cpu, void *dst, size_t len)
{
	unsigned long addr;

	addr = t->ops->block_addr(t, kmemleak_object_space(obj), obj->start + offset, cpu);
	return addr && t->ops->read(t, dst, addr, len);
}

/**
 * struct sum - checksum of an object's contents, computed in pieces
 * @crc: checksum of the pieces so far
 * @offset: offset of the next piece
 * @cpu: the CPU's copy that has the next piece
 * @len: bytes of the last piece
 * @ok: the last piece could be read. If not, it does not enter @crc.
 * @more: there are more pieces
 */
struct sum {
	u32 crc;
	unsigned long offset;
	unsigned int cpu;
	size_t len;
	bool ok;
	bool more;
};

/* Reads the next piece into j->page, at most to the end of a page. */
static void read_next_piece_locked(struct judge *j, struct sum *sum,
				   const struct kmemleak_object *obj)
{
	sum->len = 0;
	sum->more = false;
	/* The block may have become shorter since the last piece. */
	if (sum->offset >= obj->size)
		return;
	sum->len = piece_len(obj, sum->offset);
	sum->ok = read_piece(j->t, obj, sum->offset, sum->cpu, j->page, sum->len);
	sum->offset += sum->len;
	sum->more = true;
	if (sum->offset == obj->size) {
		sum->offset = 0;
		sum->cpu++;
		sum->more = sum->cpu < kmemleak_nr_copies(j->t, kmemleak_object_space(obj));
	}
}

/* Adds the last piece if it could be read. Return: the error of the scan, or 0. */
static int add_to_sum(struct judge *j, struct sum *sum)
{
	if (sum->len && sum->ok)
		sum->crc = crc32_le(sum->crc, j->page, sum->len);
	return count_steps(j, 1 + sum->len / STEP_BYTES);
}

/* Adds all pieces that are left. Return: false if the block was freed, or on an error. */
static bool finish_sum(struct judge *j, struct sum *sum, struct kmemleak_ref ref)
{
	while (sum->more) {
		struct kmemleak_index_lock at;
		struct kmemleak_object *obj = kmemleak_index_relock(j->t, ref, &at);

		if (!obj)
			return false;
		read_next_piece_locked(j, sum, obj);
		kmemleak_index_unlock(&at);
		if (add_to_sum(j, sum))
			return false;
	}
	return true;
}

/* Number of consecutive scans that left an object white, this scan included. Saturates. */
static u8 scans_white(const struct kmemleak_object *obj)
{
	return min_t(int, kmemleak_colour(obj).unref + 1, U8_MAX);
}

/* Looks at an object after the mark. If it looks lost, adds it to the suspects. */
static void judge_object(struct judge *j, struct kmemleak_ref ref)
{
	struct kmemleak_suspect *suspect;
	struct kmemleak_index_lock at;
	struct kmemleak_object *obj = kmemleak_index_relock(j->t, ref, &at);
	struct sum sum = { };
	bool white, unconfirmed;
	u32 born, stamp;

	if (!obj)
		return;
	white = looks_lost_locked(j, obj);
	unconfirmed = !(obj->flags & KMEMLEAK_CONFIRMED) &&
		kmemleak_rules_white_often_enough(j->opt, scans_white(obj));
	born = obj->born;
	stamp = obj->stamp;
	if (white)
		read_next_piece_locked(j, &sum, obj);
	kmemleak_index_unlock(&at);
	if (!white || add_to_sum(j, &sum) || !finish_sum(j, &sum, ref))
		return;
	suspect = kmemleak_leak_set_add(j->t, &j->suspects, sizeof(*suspect));
	if (!suspect)
		return;
	suspect->ref = ref;
	suspect->born = born;
	suspect->stamp = stamp;
	suspect->crc = sum.crc;
	j->nr_unconfirmed += unconfirmed;
}

static int collect_suspects(struct judge *j)
{
	struct kmemleak_pool_cursor cursor = { };
	int ret = 0;

	while (!cursor.end && !ret) {
		unsigned int nr = kmemleak_mark_next_to_judge(j->m, &cursor, j->refs, JUDGE_BATCH);
		unsigned int i;

		for (i = 0; i < nr && !j->err; i++)
			judge_object(j, j->refs[i]);
		ret = j->err ?: j->t->ops->pause(j->t);
	}
	return ret;
}

/*
 * CHANGED: marks suspects with changed contents, and all objects that they reach. Drops
 * suspects that are gone.
 */
static int recheck_contents(struct judge *j)
{
	struct kmemleak_suspect *suspect, *next;
	int ret = 0;

	list_for_each_entry_safe(suspect, next, &j->suspects.list, list) {
		struct sum sum = { .more = true };

		if (!kmemleak_rules_changed_is_alive(j->opt))
			break;
		if (!finish_sum(j, &sum, suspect->ref))
			kmemleak_leak_set_drop(&j->suspects, &suspect->list);
		else if (sum.crc != suspect->crc)
			ret = kmemleak_mark_object(j->m, suspect->ref);
		ret = ret ?: j->err;
		if (ret)
			return ret;
	}
	/* Other tasks may run now, between two marks. */
	return j->t->ops->pause(j->t);
}

/* Counts one more scan that left an object white. Return: true if it must be reported. */
static bool count_white_locked(const struct judge *j, struct kmemleak_object *obj,
			       struct kmemleak_suspect *suspect)
{
	union kmemleak_colour colour = kmemleak_colour(obj);
	u8 unref = scans_white(obj);

	if (colour.epoch == j->t->epoch)
		suspect->live_count = colour.count;
	kmemleak_colour_set(obj, unref, unref);
	if (!kmemleak_rules_white_often_enough(j->opt, unref))
		return false;
	if (!kmemleak_rules_must_confirm(j->opt))
		return true;
	if (j->confirmed)
		obj->flags |= KMEMLEAK_CONFIRMED;
	return obj->flags & KMEMLEAK_CONFIRMED;
}

/*
 * Counts this scan in each object that is still white, and keeps the suspects that must be
 * reported. Return: the error of the scan, or 0.
 */
static int keep_white_suspects(struct judge *j)
{
	struct kmemleak_suspect *suspect, *next;

	list_for_each_entry_safe(suspect, next, &j->suspects.list, list) {
		struct kmemleak_object *obj;
		struct kmemleak_index_lock at;
		bool keep = false;

		if (count_steps(j, 1))
			break;
		obj = kmemleak_index_relock(j->t, suspect->ref, &at);
		if (obj) {
			if (kmemleak_object_white(j->t, obj) && obj->stamp == suspect->stamp)
				keep = count_white_locked(j, obj, suspect);
			else
				clear_suspicion_locked(obj);
			kmemleak_index_unlock(&at);
		}
		if (!keep)
			kmemleak_leak_set_drop(&j->suspects, &suspect->list);
	}
	return j->err;
}

static void fill_leak(struct kmemleak_tracker *t, struct kmemleak_leak *leak,
		      const struct kmemleak_suspect *suspect, const struct kmemleak_object *obj)
{
	leak->ref = suspect->ref;
	leak->crc = suspect->crc;
	leak->root = suspect->root;
	leak->below = suspect->below;
	leak->below_bytes = suspect->below_bytes;
	leak->size = obj->size;
	leak->requested = obj->size - kmemleak_object_unrequested(obj);
	leak->trace = obj->trace;
	leak->born = obj->born;
	leak->stamp = obj->stamp;
	leak->pid = obj->pid;
	leak->flags = obj->flags;
	leak->dump_len = min_t(size_t, piece_len(obj, 0), KMEMLEAK_DUMP_LEN);
	if (!read_piece(t, obj, 0, 0, leak->dump, leak->dump_len))
		leak->dump_len = 0;
}

/* Counts a leak. With @keep, the set gets a record of it. */
static void record_leak(struct judge *j, const struct kmemleak_suspect *suspect, bool keep)
{
	struct kmemleak_leak *leak = NULL;
	struct kmemleak_object *obj;
	struct kmemleak_index_lock at;
	u16 comm;

	if (keep)
		leak = kmemleak_leak_set_add(j->t, j->leaks, sizeof(*leak));
	obj = kmemleak_index_relock(j->t, suspect->ref, &at);
	if (!obj || obj->stamp != suspect->stamp) {
		if (obj)
			kmemleak_index_unlock(&at);
		if (leak)
			kmemleak_leak_set_drop(j->leaks, &leak->list);
		return;
	}
	if (leak)
		fill_leak(j->t, leak, suspect, obj);
	else
		j->leaks->nr_left_out++;
	if (!(obj->flags & KMEMLEAK_REPORTED))
		j->leaks->nr_new++;
	comm = obj->comm;
	kmemleak_index_unlock(&at);
	if (leak)
		kmemleak_comm_get(j->t, comm, leak->pid, leak->comm);
}

/*
 * The suspects are leaks: record them. If the set has no room for all, it gets the roots of
 * lost structures, then other leaks. Of both kinds the oldest leaks are preferred.
 * Return: the error of the scan, or 0.
 */
static int record_leaks(struct judge *j)
{
	unsigned long limit = j->opt->max_leaks ?: ULONG_MAX, roots = 0, others;
	bool all = j->suspects.nr <= limit;
	struct kmemleak_suspect *suspect;

	if (!all)
		list_for_each_entry(suspect, &j->suspects.list, list)
			if ((suspect->root && ++roots == limit) || count_steps(j, 1))
				break;
	others = limit - roots;
	list_for_each_entry(suspect, &j->suspects.list, list) {
		unsigned long *room = suspect->root ? &roots : &others;

		if (count_steps(j, 1))
			break;
		record_leak(j, suspect, all || *room);
		if (*room)
			--*room;
	}
	return j->err;
}

/* The set will be published, so visit all its leaks even if a pause returns an error. */
static void set_reported(struct judge *j)
{
	struct kmemleak_leak *leak;

	if (!j->leaks->nr_new)
		return;
	list_for_each_entry(leak, &j->leaks->list, list) {
		struct kmemleak_index_lock at;
		struct kmemleak_object *obj;

		count_steps(j, 1);
		if (leak->flags & KMEMLEAK_REPORTED)
			continue;
		obj = kmemleak_index_relock(j->t, leak->ref, &at);
		if (!obj)
			continue;
		if (obj->stamp == leak->stamp)
			obj->flags |= KMEMLEAK_REPORTED;
		kmemleak_index_unlock(&at);
	}
}

static int begin_mark(struct judge *j, unsigned int flags)
{
	if (j->m)
		kmemleak_mark_end(j->m);
	j->m = kmemleak_mark_begin(j->t, j->opt, flags);
	return j->m ? kmemleak_mark_poll(j->m) : -ENOMEM;
}

static int run_mark(struct judge *j, unsigned int flags)
{
	return begin_mark(j, flags) ?: kmemleak_mark_run(j->m);
}

static bool may_stop(const struct judge *j)
{
	return j->t->ops->stop_and_mark && kmemleak_rules_may_stop(j->opt);
}

/* Drops suspects that are no longer white. Return: true if there were any. */
static bool drop_reached_suspects(struct judge *j)
{
	struct kmemleak_suspect *suspect, *next;
	unsigned long before = j->suspects.nr;

	list_for_each_entry_safe(suspect, next, &j->suspects.list, list) {
		struct kmemleak_index_lock at;
		struct kmemleak_object *obj = kmemleak_index_relock(j->t, suspect->ref, &at);
		bool white = obj && kmemleak_object_white(j->t, obj);

		if (obj && !white)
			clear_suspicion_locked(obj);
		if (obj)
			kmemleak_index_unlock(&at);
		if (!white)
			kmemleak_leak_set_drop(&j->suspects, &suspect->list);
		if (count_steps(j, 1))
			break;
	}
	return j->suspects.nr != before;
}

/* Marks while all CPUs are stopped. Return: 0, or an error if the mark did not complete. */
static int run_stopped_mark(struct judge *j)
{
	unsigned long pieces = kmemleak_mark_pieces(j->m);
	int ret;

	if (!may_stop(j))
		return -EOPNOTSUPP;
	ret = begin_mark(j, 0) ?: j->t->ops->stop_and_mark(j->t, j->m, pieces);
	j->t->last_stop_failed = ret;
	kmemleak_count(j->t, ret ? KMEMLEAK_CNT_STOPS_CUT : KMEMLEAK_CNT_STOPS);
	return ret;
}

/*
 * Each mark finds most pointers that the mark before missed, but not all: a pointer that
 * moves often may be missed several times. So suspects are confirmed only when several
 * marks in a row clear no suspect. Every other mark continues the mark before it: each of
 * the two kinds sees moves that the other misses.
 */
#define MAX_RESCANS	15
#define RESCANS_IN_VAIN	5

static int rescan_suspects(struct judge *j)
{
	unsigned int i, in_vain = 0;
	int ret = 0;

	for (i = 0; i < MAX_RESCANS && in_vain < RESCANS_IN_VAIN && !ret && j->suspects.nr; i++) {
		ret = i % 2 ? kmemleak_mark_continue(j->m) : run_mark(j, 0);
		ret = ret ?: recheck_contents(j);
		if (!ret)
			in_vain = drop_reached_suspects(j) ? 0 : in_vain + 1;
		ret = ret ?: j->err;
	}
	/* If the last marks still cleared suspects, the others wait for the next scan. */
	j->confirmed = in_vain == RESCANS_IN_VAIN;
	return ret;
}

static int confirm_suspects(struct judge *j)
{
	if (kmemleak_rules_must_confirm(j->opt) && j->nr_unconfirmed && run_stopped_mark(j))
		return rescan_suspects(j);
	j->confirmed = true;
	return recheck_contents(j);
}

static int judge_objects(struct judge *j)
{
	unsigned int flags = KMEMLEAK_MARK_FIRST;
	int ret;

	if (may_stop(j) && !j->t->last_stop_failed)
		flags |= KMEMLEAK_MARK_DEFER_RUNNING;
	ret = run_mark(j, flags) ?: collect_suspects(j);
	if (!j->nr_unconfirmed)
		/*
		 * Nothing to confirm. But if this mark scanned stacks of running tasks, their
		 * dead parts may hide leaks. The next scan leaves these stacks to a stop.
		 */
		j->t->last_stop_failed = false;
	ret = ret ?: confirm_suspects(j);
	/* A block that did not fit into the opaque table may point to any suspect. */
	if (!ret && READ_ONCE(j->t->opaque.missed))
		ret = -ENOMEM;
	ret = ret ?: keep_white_suspects(j);
	ret = ret ?: kmemleak_leak_set_sort(j->t, &j->suspects);
	ret = ret ?: kmemleak_leak_group(j->t, j->m, &j->suspects);
	ret = ret ?: record_leaks(j);
	if (!ret)
		set_reported(j);
	return ret;
}

/**
 * kmemleak_judge() - mark, and judge the objects that stay white
 * @t: tracker
 * @opt: options of the scan
 * @leaks: an empty set, filled with the leaks in order of allocation, as far as max_leaks
 *	allows
 *
 * Context: process, may sleep, one call at a time.
 * Return: 0; -ENOMEM if there is no memory, or the opaque table has missed a block; or the
 * error of ops->pause(). On an error @leaks means nothing, and no object has been marked as
 * reported.
 */
int kmemleak_judge(struct kmemleak_tracker *t, const struct kmemleak_options *opt,
		   struct kmemleak_leak_set *leaks)
{
	struct judge *j = t->ops->page_alloc(t, 0, KMEMLEAK_GFP);
	int ret = -ENOMEM;

	static_assert(sizeof(*j) <= PAGE_SIZE);
	if (!j)
		return -ENOMEM;
	j->t = t;
	j->opt = opt;
	j->leaks = leaks;
	kmemleak_leak_set_init(&j->suspects);
	j->page = t->ops->page_alloc(t, 0, KMEMLEAK_GFP);
	if (j->page)
		ret = judge_objects(j);
	kmemleak_mark_newborns_end(t);
	if (j->m)
		kmemleak_mark_end(j->m);
	kmemleak_leak_set_free(t, &j->suspects);
	if (j->page)
		t->ops->page_free(t, j->page, 0);
	t->ops->page_free(t, j, 0);
	kmemleak_count(t, ret ? KMEMLEAK_CNT_SCANS_CUT : KMEMLEAK_CNT_SCANS);
	return ret;
}
