// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verdict: which objects that a mark left white are leaks. All rules are
 * here; each says which false result it prevents and what it costs.
 *
 * AGE        A block younger than min_age_ms may be on its way from a register
 *            to the place it belongs. It counts as a root. Costs: leaks younger
 *            than that are found by a later scan. Off by default (0 ms), for
 *            CONFIRM covers it.
 * BORN       A block allocated during a mark may be pointed at by memory that
 *            was scanned before, and pointers may move into it. It is gray for
 *            that mark. Costs: a leak made during a scan is found by the next.
 * CHANGED    A block whose contents change between two looks is used by
 *            somebody, whose pointer we missed. It counts as reached, and so
 *            does what it points at. Costs: reading each suspect twice; a lost
 *            block that is still written to (by a device, say) goes unreported.
 * TRANSIENT  The annotation: a root for one scan, in all of its marks. Costs: one scan.
 * CONFIRM    A pointer that moves during a mark from memory not yet scanned to
 *            memory already scanned is missed. A suspect must stay white in another
 *            mark. In mode "stop" that is made while the machine stands still, if
 *            the first mark was short enough; then no pointer moves, and it is
 *            known to the byte which part of a stack is dead. Else, and in mode
 *            "rescan", marks follow until five in a row clear no suspect; those left
 *            over where that takes too many wait for the next scan. Who was confirmed
 *            stays so while each scan finds it white. Costs: a second mark, if there is
 *            a suspect not yet confirmed, in which nobody else runs; or five more, and
 *            others while pointers move.
 * STACK      What lies below the stack pointer is left over from calls that have
 *            returned, and would hide what was lost in them. Of a task that sleeps
 *            its stack pointer is known, of one that runs only in a standstill; so
 *            its stack is left to that, if there is going to be one. Costs: a
 *            standstill where the only pointer to a block is on such a stack.
 * MIN_UNREF  For those who want reports later but surer: white in so many
 *            scans in a row. Costs: as many scans.
 */
#include "kmemleak.h"

/* Objects taken from the mark at a time. */
#define JUDGE_BATCH	64

static bool rule_on(const struct kmemleak_options *opt, enum kmemleak_rule rule)
{
	return opt->rules & BIT(rule);
}

/**
 * kmemleak_verdict_is_root() - is an object alive whoever points at it?
 * @t: tracker
 * @opt: options
 * @obj: the object, or a copy made without a lock
 */
bool kmemleak_verdict_is_root(const struct kmemleak_tracker *t,
			      const struct kmemleak_options *opt,
			      const struct kmemleak_object *obj)
{
	if (!kmemleak_colour(obj).min_count)
		return true;
	if (rule_on(opt, KMEMLEAK_RULE_TRANSIENT) && (obj->flags & KMEMLEAK_TRANSIENT) &&
	    !(opt->first && (obj->flags & KMEMLEAK_PASSED)))
		return true;
	/*
	 * The time is taken after the object was found, so the object is not younger
	 * than that, and its age may use all 32 bits. After 2^32 jiffies it begins
	 * anew: a root again for min_age, which at worst delays a report.
	 */
	return rule_on(opt, KMEMLEAK_RULE_AGE) && opt->min_age &&
	       (u32)(t->ops->now() - obj->born) < opt->min_age;
}

/**
 * kmemleak_verdict_looks_at() - does a mark leave an object for the verdict?
 * @t: tracker
 * @obj: the object, or a copy made without a lock
 */
bool kmemleak_verdict_looks_at(const struct kmemleak_tracker *t, const struct kmemleak_object *obj)
{
	return kmemleak_colour(obj).unref || (obj->flags & KMEMLEAK_TRANSIENT) ||
	       kmemleak_object_white(t, obj);
}

struct judge {
	struct kmemleak_tracker *t;
	const struct kmemleak_options *opt;
	struct kmemleak_options first;	/* the same for the first mark */
	struct kmemleak_leaks suspects;
	struct kmemleak_leaks *leaks;
	struct kmemleak_marker *m;
	struct kmemleak_ref left[JUDGE_BATCH];
	u8 *page;
	unsigned int steps;
	int err;	/* what ops->pause() wanted the episode to end with */
	unsigned long doubts;	/* suspects that may be reported and were never confirmed */
	bool sure;	/* nor are there any by now */
};

static bool must_confirm(const struct judge *j)
{
	return rule_on(j->opt, KMEMLEAK_RULE_CONFIRM) &&
	       j->opt->confirm != KMEMLEAK_CONFIRM_OFF;
}

/* Bytes whose checksum costs as much as anything else that is done to a suspect. */
#define STEP_BYTES	256

/* After so many suspects or records. Return: what the episode is to end with, or 0. */
static int step(struct judge *j, unsigned int nr)
{
	j->steps += nr;
	if (j->steps >= KMEMLEAK_RECORDS_PER_PAUSE && !j->err) {
		j->steps = 0;
		j->err = j->t->ops->pause(j->t);
	}
	return j->err;
}

/* The annotation holds for all marks of the first episode that has passed over the object. */
static void pass_locked(struct judge *j, struct kmemleak_object *obj)
{
	if (obj->flags & KMEMLEAK_PASSED)
		obj->flags &= ~(KMEMLEAK_TRANSIENT | KMEMLEAK_PASSED);
	else if ((obj->flags & KMEMLEAK_TRANSIENT) && kmemleak_colour(obj).epoch == j->t->epoch)
		obj->flags |= KMEMLEAK_PASSED;
}

/* An object is in use. Should it be lost again, that is another matter. */
static void clear_locked(struct kmemleak_object *obj)
{
	kmemleak_paint(obj, unref, 0);
	obj->flags &= ~KMEMLEAK_CONFIRMED;
}

/* Return: whether it looks lost. */
static bool judge_locked(struct judge *j, struct kmemleak_object *obj)
{
	struct kmemleak_tracker *t = j->t;

	pass_locked(j, obj);
	if (kmemleak_object_white(t, obj) && !kmemleak_verdict_is_root(t, j->opt, obj))
		return true;
	clear_locked(obj);
	return false;
}

/* From @offset to the end of an object, or of a page. */
static size_t piece_len(const struct kmemleak_object *obj, unsigned long offset)
{
	return min(obj->size - offset, PAGE_SIZE - ((obj->start + offset) & ~PAGE_MASK));
}

/* Reads what lies at @offset in the @cpu'th copy of an object. */
static bool read_piece(struct kmemleak_tracker *t, const struct kmemleak_object *obj,
		       unsigned long offset, unsigned int cpu, void *dst, size_t len)
{
	unsigned long addr;

	addr = t->ops->block_addr(t, kmemleak_object_space(obj), obj->start + offset, cpu);
	return addr && t->ops->read(t, dst, addr, len);
}

/**
 * struct sum - how far a checksum of an object's contents has come
 * @crc: of what was read
 * @offset: where to go on
 * @cpu: in which copy
 * @len: bytes read last
 * @ok: whether they could be read; else they do not enter @crc
 * @more: there is more to read
 */
struct sum {
	u32 crc;
	unsigned long offset;
	unsigned int cpu;
	size_t len;
	bool ok;
	bool more;
};

/* Reads the next piece, at most to the end of a page. */
static void sum_read_locked(struct judge *j, struct sum *sum, const struct kmemleak_object *obj)
{
	sum->len = 0;
	sum->more = false;
	/* It may have lost its end meanwhile. */
	if (sum->offset >= obj->size)
		return;
	sum->len = piece_len(obj, sum->offset);
	sum->ok = read_piece(j->t, obj, sum->offset, sum->cpu, j->page, sum->len);
	sum->offset += sum->len;
	sum->more = true;
	if (sum->offset == obj->size) {
		sum->offset = 0;
		sum->cpu++;
		sum->more = kmemleak_object_space(obj) == KMEMLEAK_PERCPU &&
			    sum->cpu < j->t->nr_cpus;
	}
}

/* Return: what the episode is to end with, or 0. */
static int sum_add(struct judge *j, struct sum *sum)
{
	if (sum->len && sum->ok)
		sum->crc = crc32_le(sum->crc, j->page, sum->len);
	return step(j, 1 + sum->len / STEP_BYTES);
}

/* Goes on to the end. Return: false if the object went meanwhile, or on an error. */
static bool sum_up(struct judge *j, struct sum *sum, struct kmemleak_ref ref)
{
	while (sum->more) {
		struct kmemleak_lookup at;
		struct kmemleak_object *obj = kmemleak_index_relock(j->t, ref, &at);

		if (!obj)
			return false;
		sum_read_locked(j, sum, obj);
		kmemleak_index_unlock(&at);
		if (sum_add(j, sum))
			return false;
	}
	return true;
}

/* In how many scans an object was white, with this one. */
static u8 times_white(const struct kmemleak_object *obj)
{
	return min_t(int, kmemleak_colour(obj).unref + 1, U8_MAX);
}

/* Where more than one is wanted, the one that finds the object first does not count. */
static bool often_enough(const struct judge *j, u8 times)
{
	unsigned int wanted = min_t(unsigned int, j->opt->min_unref_scans, U8_MAX - 1);

	return !rule_on(j->opt, KMEMLEAK_RULE_MIN_UNREF) || times >= wanted + (wanted > 1);
}

/* Looks at an object that the mark has left, and remembers it if it looks lost. */
static void judge_one(struct judge *j, struct kmemleak_ref ref)
{
	struct kmemleak_suspect *suspect;
	struct kmemleak_lookup at;
	struct kmemleak_object *obj = kmemleak_index_relock(j->t, ref, &at);
	struct sum sum = { };
	bool white, doubt;
	u32 born, stamp;

	if (!obj)
		return;
	white = judge_locked(j, obj);
	doubt = !(obj->flags & KMEMLEAK_CONFIRMED) && often_enough(j, times_white(obj));
	born = obj->born;
	stamp = obj->stamp;
	if (white)
		sum_read_locked(j, &sum, obj);
	kmemleak_index_unlock(&at);
	if (!white || sum_add(j, &sum) || !sum_up(j, &sum, ref))
		return;
	suspect = kmemleak_leaks_add(j->t, &j->suspects, sizeof(*suspect));
	if (!suspect)
		return;
	suspect->ref = ref;
	suspect->born = born;
	suspect->stamp = stamp;
	suspect->crc = sum.crc;
	j->doubts += doubt;
}

static int collect(struct judge *j)
{
	struct kmemleak_pool_cursor cursor = { };
	int ret = 0;

	while (!cursor.end && !ret) {
		unsigned int nr = kmemleak_mark_left(j->m, &cursor, j->left, JUDGE_BATCH);
		unsigned int i;

		for (i = 0; i < nr && !j->err; i++)
			judge_one(j, j->left[i]);
		ret = j->err ?: j->t->ops->pause(j->t);
	}
	return ret;
}

/* Takes back what is in use after all, and what that points at. */
static int recheck_contents(struct judge *j)
{
	struct kmemleak_suspect *suspect, *next;
	int ret = 0;

	list_for_each_entry_safe(suspect, next, &j->suspects.list, list) {
		struct sum sum = { .more = true };

		if (!rule_on(j->opt, KMEMLEAK_RULE_CHANGED))
			break;
		if (!sum_up(j, &sum, suspect->ref))
			kmemleak_leaks_drop(&j->suspects, &suspect->list);
		else if (sum.crc != suspect->crc)
			ret = kmemleak_mark_object(j->m, suspect->ref);
		ret = ret ?: j->err;
		if (ret)
			return ret;
	}
	/* What is between two marks can go on now. */
	return j->t->ops->pause(j->t);
}

/* A white object has been so once more. Return: whether it is to be reported. */
static bool convict_locked(const struct judge *j, struct kmemleak_object *obj,
			   struct kmemleak_suspect *suspect)
{
	union kmemleak_colour colour = kmemleak_colour(obj);
	u8 unref = times_white(obj);

	if (colour.epoch == j->t->epoch)
		suspect->live_count = colour.count;
	kmemleak_paint(obj, unref, unref);
	if (!often_enough(j, unref))
		return false;
	if (!must_confirm(j))
		return true;
	if (j->sure)
		obj->flags |= KMEMLEAK_CONFIRMED;
	return obj->flags & KMEMLEAK_CONFIRMED;
}

/*
 * Keeps the suspects whose objects are white now, and counts that in them.
 * Return: what the episode is to end with, or 0.
 */
static int keep_white(struct judge *j)
{
	struct kmemleak_suspect *suspect, *next;

	list_for_each_entry_safe(suspect, next, &j->suspects.list, list) {
		struct kmemleak_object *obj;
		struct kmemleak_lookup at;
		bool keep = false;

		if (step(j, 1))
			break;
		obj = kmemleak_index_relock(j->t, suspect->ref, &at);
		if (obj) {
			if (kmemleak_object_white(j->t, obj) && obj->stamp == suspect->stamp)
				keep = convict_locked(j, obj, suspect);
			else
				clear_locked(obj);
			kmemleak_index_unlock(&at);
		}
		if (!keep)
			kmemleak_leaks_drop(&j->suspects, &suspect->list);
	}
	return j->err;
}

static void fill_record(struct kmemleak_tracker *t, struct kmemleak_leak *leak,
			const struct kmemleak_suspect *suspect, const struct kmemleak_object *obj)
{
	leak->ref = suspect->ref;
	leak->crc = suspect->crc;
	leak->root = suspect->root;
	leak->below = suspect->below;
	leak->below_bytes = suspect->below_bytes;
	leak->size = obj->size;
	leak->requested = obj->size - kmemleak_object_slack(obj);
	leak->trace = obj->trace;
	leak->born = obj->born;
	leak->stamp = obj->stamp;
	leak->pid = obj->pid;
	leak->flags = obj->flags;
	leak->dump_len = min_t(size_t, piece_len(obj, 0), KMEMLEAK_DUMP_LEN);
	if (!read_piece(t, obj, 0, 0, leak->dump, leak->dump_len))
		leak->dump_len = 0;
}

/* One leak, with a record in the set if it is to @keep one. */
static void write_down(struct judge *j, const struct kmemleak_suspect *suspect, bool keep)
{
	struct kmemleak_leak *leak = NULL;
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;
	u16 comm;

	if (keep)
		leak = kmemleak_leaks_add(j->t, j->leaks, sizeof(*leak));
	obj = kmemleak_index_relock(j->t, suspect->ref, &at);
	if (!obj || obj->stamp != suspect->stamp) {
		if (obj)
			kmemleak_index_unlock(&at);
		if (leak)
			kmemleak_leaks_drop(j->leaks, &leak->list);
		return;
	}
	if (leak)
		fill_record(j->t, leak, suspect, obj);
	else
		j->leaks->nr_left_out++;
	if (!(obj->flags & KMEMLEAK_REPORTED))
		j->leaks->nr_new++;
	comm = obj->comm;
	kmemleak_index_unlock(&at);
	if (leak)
		kmemleak_names_get(j->t, comm, leak->pid, leak->comm);
}

/*
 * The suspects are leaks. If not all have room in the set, roots of lost structures
 * have, and of these and of the others the oldest.
 * Return: what the episode is to end with, or 0.
 */
static int write_all_down(struct judge *j)
{
	unsigned long limit = j->opt->max_leaks ?: ULONG_MAX, roots = 0, others;
	bool all = j->suspects.nr <= limit;
	struct kmemleak_suspect *suspect;

	if (!all)
		list_for_each_entry(suspect, &j->suspects.list, list)
			if ((suspect->root && ++roots == limit) || step(j, 1))
				break;
	others = limit - roots;
	list_for_each_entry(suspect, &j->suspects.list, list) {
		unsigned long *room = suspect->root ? &roots : &others;

		if (step(j, 1))
			break;
		write_down(j, suspect, all || *room);
		if (*room)
			--*room;
	}
	return j->err;
}

/* The set will be published, so this is not left half done, whatever a pause says. */
static void note_reported(struct judge *j)
{
	struct kmemleak_leak *leak;

	if (!j->leaks->nr_new)
		return;
	list_for_each_entry(leak, &j->leaks->list, list) {
		struct kmemleak_lookup at;
		struct kmemleak_object *obj;

		step(j, 1);
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

static int begin(struct judge *j, const struct kmemleak_options *opt)
{
	if (j->m)
		kmemleak_mark_end(j->m);
	j->m = kmemleak_mark_begin(j->t, opt);
	return j->m ? kmemleak_mark_poll(j->m) : -ENOMEM;
}

static int mark(struct judge *j, const struct kmemleak_options *opt)
{
	return begin(j, opt) ?: kmemleak_mark_run(j->m);
}

static bool wants_still(const struct judge *j)
{
	return must_confirm(j) && j->t->ops->standstill &&
	       j->opt->confirm == KMEMLEAK_CONFIRM_STOP;
}

/* Drops suspects whose objects are not white any more. Return: whether there were any. */
static bool drop_reached(struct judge *j)
{
	struct kmemleak_suspect *suspect, *next;
	unsigned long before = j->suspects.nr;

	list_for_each_entry_safe(suspect, next, &j->suspects.list, list) {
		struct kmemleak_lookup at;
		struct kmemleak_object *obj = kmemleak_index_relock(j->t, suspect->ref, &at);
		bool white = obj && kmemleak_object_white(j->t, obj);

		if (obj && !white)
			clear_locked(obj);
		if (obj)
			kmemleak_index_unlock(&at);
		if (!white)
			kmemleak_leaks_drop(&j->suspects, &suspect->list);
		if (step(j, 1))
			break;
	}
	return j->suspects.nr != before;
}

/* A mark that runs while nobody else does. Return: an error if there is none. */
static int mark_still(struct judge *j)
{
	unsigned long pieces = kmemleak_mark_pieces(j->m);
	int ret;

	if (!wants_still(j))
		return -EOPNOTSUPP;
	ret = begin(j, j->opt) ?: j->t->ops->standstill(j->t, j->m, pieces);
	j->t->no_still = ret;
	kmemleak_count(j->t, ret ? KMEMLEAK_CNT_SNAPSHOTS_CUT : KMEMLEAK_CNT_SNAPSHOTS);
	return ret;
}

/*
 * Each mark clears most of what the one before missed. Not all: what moves meets each
 * at the wrong time now and then. So it takes some in a row that clear nobody. Every other
 * one goes on with the mark before it: each kind sees moves that the other misses.
 */
#define MAX_RESCANS	15
#define RESCANS_IN_VAIN	5

static int rescan(struct judge *j)
{
	unsigned int i, in_vain = 0;
	int ret = 0;

	for (i = 0; i < MAX_RESCANS && in_vain < RESCANS_IN_VAIN && !ret && j->suspects.nr; i++) {
		ret = i % 2 ? kmemleak_mark_again(j->m) : mark(j, j->opt);
		ret = ret ?: recheck_contents(j);
		if (!ret)
			in_vain = drop_reached(j) ? 0 : in_vain + 1;
		ret = ret ?: j->err;
	}
	/* Else marks still clear suspects: whoever is left waits for the next scan. */
	j->sure = in_vain == RESCANS_IN_VAIN;
	return ret;
}

static int confirm(struct judge *j)
{
	if (must_confirm(j) && j->doubts && mark_still(j))
		return rescan(j);
	j->sure = true;
	return recheck_contents(j);
}

static int judge(struct judge *j)
{
	int ret;

	j->first = *j->opt;
	j->first.first = true;
	j->first.draft = wants_still(j) && !j->t->no_still;
	ret = mark(j, &j->first) ?: collect(j);
	if (!j->doubts)
		/* What it hides may be all there is: the next mark is a draft again. */
		j->t->no_still = false;
	ret = ret ?: confirm(j);
	/* A block that nobody knows of may hold any of them. */
	if (!ret && READ_ONCE(j->t->opaque.missed))
		ret = -ENOMEM;
	ret = ret ?: keep_white(j);
	ret = ret ?: kmemleak_suspects_sort(j->t, &j->suspects);
	ret = ret ?: kmemleak_group(j->t, j->m, &j->suspects);
	ret = ret ?: write_all_down(j);
	if (!ret)
		note_reported(j);
	return ret;
}

/**
 * kmemleak_verdict() - mark, and judge what is white
 * @t: tracker
 * @opt: options
 * @leaks: an empty set, filled with the leaks in order of allocation, as far as
 *	max_leaks allows
 *
 * Context: process, may sleep, one at a time.
 * Return: 0; -ENOMEM; or what ops->pause() said, then @leaks means nothing and
 * no object has been marked as reported.
 */
int kmemleak_verdict(struct kmemleak_tracker *t, const struct kmemleak_options *opt,
		     struct kmemleak_leaks *leaks)
{
	struct judge *j = t->ops->page_alloc(t, 0, KMEMLEAK_GFP);
	int ret = -ENOMEM;

	static_assert(sizeof(*j) <= PAGE_SIZE);
	if (!j)
		return -ENOMEM;
	j->t = t;
	j->opt = opt;
	j->leaks = leaks;
	kmemleak_leaks_init(&j->suspects);
	j->page = t->ops->page_alloc(t, 0, KMEMLEAK_GFP);
	if (j->page)
		ret = judge(j);
	kmemleak_mark_close(t);
	if (j->m)
		kmemleak_mark_end(j->m);
	kmemleak_leaks_free(t, &j->suspects);
	if (j->page)
		t->ops->page_free(t, j->page, 0);
	t->ops->page_free(t, j, 0);
	kmemleak_count(t, ret ? KMEMLEAK_CNT_SCANS_CUT : KMEMLEAK_CNT_SCANS);
	return ret;
}
