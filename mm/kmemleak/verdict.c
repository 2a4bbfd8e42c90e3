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
 * TRANSIENT  The annotation: a root for one scan. Costs: one scan.
 * CONFIRM    A pointer that moves during a mark from memory not yet scanned to
 *            memory already scanned is missed. A suspect must stay white in another
 *            mark. In mode "stop" that is made while the machine stands still, if
 *            the first mark was short enough; then no pointer moves, and it is
 *            known to the byte which part of a stack is dead. Else, and in mode
 *            "rescan", marks follow until three in a row clear no suspect. Costs: a
 *            second mark, if there is a suspect at all, in which nobody else runs;
 *            or three more, and others while pointers move.
 * STACK      What lies below the stack pointer is left over from calls that have
 *            returned, and would hide what was lost in them. Of a task that sleeps
 *            its stack pointer is known, of one that runs only in a standstill; so
 *            its stack is left to that, if there is going to be one. Costs: a
 *            standstill where the only pointer to a block is on such a stack.
 * MIN_UNREF  For those who want reports later but surer: white in so many
 *            scans in a row. Costs: as many scans.
 */
#include "kmemleak.h"

/* Objects judged before their records are made. */
#define JUDGE_BATCH	64

static bool rule_on(const struct kmemleak_options *opt, enum kmemleak_rule rule)
{
	return opt->rules & BIT(rule);
}

/**
 * kmemleak_verdict_is_root() - is an object alive whoever points at it?
 * @opt: options
 * @now: low half of jiffies
 * @obj: the object
 */
bool kmemleak_verdict_is_root(const struct kmemleak_options *opt, u32 now,
			      const struct kmemleak_object *obj)
{
	if (!kmemleak_colour(obj).min_count)
		return true;
	if (rule_on(opt, KMEMLEAK_RULE_TRANSIENT) && (obj->flags & KMEMLEAK_TRANSIENT))
		return true;
	/* Signed: an object can be born after the mark took the time. */
	return rule_on(opt, KMEMLEAK_RULE_AGE) && opt->min_age &&
	       (s32)(now - obj->born) < (s32)min_t(unsigned long, opt->min_age, S32_MAX);
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
	struct kmemleak_options draft;	/* the same for the first mark */
	struct kmemleak_leaks *leaks;
	struct kmemleak_marker *m;
	struct kmemleak_ref left[JUDGE_BATCH];
	u8 *page;
	int err;	/* what ops->pause() wanted the episode to end with */
};

/* Return: whether it looks lost. */
static bool judge_locked(struct judge *j, struct kmemleak_object *obj)
{
	struct kmemleak_tracker *t = j->t;

	/* A root of this mark by annotation; not of the next. */
	if ((obj->flags & KMEMLEAK_TRANSIENT) && kmemleak_colour(obj).epoch == t->epoch)
		obj->flags &= ~KMEMLEAK_TRANSIENT;
	if (kmemleak_object_white(t, obj) && !kmemleak_verdict_is_root(j->opt, t->ops->now(), obj))
		return true;
	kmemleak_paint(obj, unref, 0);
	return false;
}

/*
 * Checksum of an object's contents, a page at a time, each under its lock.
 * Unreadable pages do not enter it. Return: false if the object went meanwhile.
 */
static bool checksum(struct judge *j, struct kmemleak_ref ref, u32 *crc, struct kmemleak_leak *leak)
{
	struct kmemleak_tracker *t = j->t;
	unsigned long offset = 0;
	unsigned int cpu = 0;

	*crc = 0;
	for (;;) {
		struct kmemleak_lookup at;
		struct kmemleak_object *obj = kmemleak_index_relock(t, ref, &at);
		enum kmemleak_space space;
		unsigned long addr;
		size_t len;
		bool ok;

		if (!obj)
			return false;
		space = kmemleak_object_space(obj);
		if (offset >= obj->size) {
			offset = 0;
			cpu++;
		}
		if (cpu >= (space == KMEMLEAK_PERCPU ? t->nr_cpus : 1)) {
			kmemleak_index_unlock(&at);
			return true;
		}
		addr = t->ops->block_addr(t, space, obj->start + offset, cpu);
		len = min(obj->size - offset, PAGE_SIZE - ((obj->start + offset) & ~PAGE_MASK));
		ok = addr && t->ops->read(t, j->page, addr, len);
		kmemleak_index_unlock(&at);

		if (ok) {
			*crc = crc32_le(*crc, j->page, len);
			if (leak && !cpu && !offset) {
				leak->dump_len = min_t(size_t, len, KMEMLEAK_DUMP_LEN);
				memcpy(leak->dump, j->page, leak->dump_len);
			}
		}
		offset += len;
		j->err = t->ops->pause(t);
		if (j->err)
			return false;
	}
}

/* Writes down a white object. */
static void make_record(struct judge *j, struct kmemleak_ref ref)
{
	struct kmemleak_leak *leak = kmemleak_leaks_add(j->t, j->leaks);
	struct kmemleak_object *obj;
	struct kmemleak_lookup at;
	u16 comm = 0;

	if (!leak)
		return;
	obj = kmemleak_index_relock(j->t, ref, &at);
	if (obj) {
		leak->ref = ref;
		leak->size = obj->size;
		leak->requested = obj->size - kmemleak_object_slack(obj);
		leak->trace = obj->trace;
		leak->born = obj->born;
		leak->stamp = obj->stamp;
		leak->pid = obj->pid;
		leak->flags = obj->flags;
		comm = obj->comm;
		kmemleak_index_unlock(&at);
	}
	if (!obj || !checksum(j, ref, &leak->crc, leak)) {
		list_del(&leak->list);
		j->leaks->nr--;
		return;
	}
	kmemleak_names_get(j->t, comm, leak->comm);
}

static int collect(struct judge *j)
{
	struct kmemleak_pool_cursor cursor = { };
	int ret = 0;

	while (!cursor.end && !ret) {
		unsigned int nr = kmemleak_mark_left(j->m, &cursor, j->left, JUDGE_BATCH);
		unsigned int i;

		for (i = 0; i < nr && !j->err; i++) {
			struct kmemleak_lookup at;
			struct kmemleak_object *obj;
			bool white;

			obj = kmemleak_index_relock(j->t, j->left[i], &at);
			if (!obj)
				continue;
			white = judge_locked(j, obj);
			kmemleak_index_unlock(&at);
			if (white)
				make_record(j, j->left[i]);
		}
		ret = j->err ?: j->t->ops->pause(j->t);
	}
	return ret;
}

static void drop(struct judge *j, struct kmemleak_leak *leak)
{
	list_del(&leak->list);
	j->leaks->nr--;
}

/* Takes back what is in use after all, and what that points at. */
static int recheck_contents(struct judge *j)
{
	struct kmemleak_leak *leak, *next;
	int ret = 0;
	u32 crc;

	list_for_each_entry_safe(leak, next, &j->leaks->list, list) {
		if (!rule_on(j->opt, KMEMLEAK_RULE_CHANGED))
			break;
		if (!checksum(j, leak->ref, &crc, NULL))
			drop(j, leak);
		else if (crc != leak->crc)
			ret = kmemleak_mark_object(j->m, leak->ref);
		ret = ret ?: j->err;
		if (ret)
			break;
	}
	return ret;
}

/* Keeps the records whose objects are white now, and counts that in them. */
static void keep_white(struct judge *j)
{
	struct kmemleak_leak *leak, *next;

	list_for_each_entry_safe(leak, next, &j->leaks->list, list) {
		struct kmemleak_object *obj;
		struct kmemleak_lookup at;
		bool keep = false;
		int unref;

		obj = kmemleak_index_relock(j->t, leak->ref, &at);
		if (obj) {
			keep = kmemleak_object_white(j->t, obj) && obj->stamp == leak->stamp;
			unref = keep ? min_t(int, kmemleak_colour(obj).unref + 1, U8_MAX) : 0;
			kmemleak_paint(obj, unref, unref);
			if (rule_on(j->opt, KMEMLEAK_RULE_MIN_UNREF) &&
			    unref < min_t(unsigned int, j->opt->min_unref_scans, U8_MAX))
				keep = false;
			kmemleak_index_unlock(&at);
		}
		if (!keep)
			drop(j, leak);
	}
}

/* The set will be published: who is in it for the first time? */
static void count_new(struct judge *j)
{
	struct kmemleak_leak *leak;

	list_for_each_entry(leak, &j->leaks->list, list) {
		struct kmemleak_lookup at;
		struct kmemleak_object *obj = kmemleak_index_relock(j->t, leak->ref, &at);

		if (!obj)
			continue;
		if (!(obj->flags & KMEMLEAK_REPORTED)) {
			obj->flags |= KMEMLEAK_REPORTED;
			j->leaks->nr_new++;
		}
		kmemleak_index_unlock(&at);
	}
}

static int begin(struct judge *j, const struct kmemleak_options *opt)
{
	if (j->m)
		kmemleak_mark_end(j->m);
	j->m = kmemleak_mark_begin(j->t, opt);
	return j->m ? 0 : -ENOMEM;
}

static int mark(struct judge *j, const struct kmemleak_options *opt)
{
	return begin(j, opt) ?: kmemleak_mark_run(j->m);
}

static bool wants_still(const struct judge *j)
{
	return rule_on(j->opt, KMEMLEAK_RULE_CONFIRM) && j->t->ops->standstill &&
	       j->opt->confirm == KMEMLEAK_CONFIRM_STOP;
}

/* Drops the records whose objects are not white any more. Return: whether there were any. */
static bool drop_reached(struct judge *j)
{
	struct kmemleak_leak *leak, *next;
	unsigned long before = j->leaks->nr;

	list_for_each_entry_safe(leak, next, &j->leaks->list, list) {
		struct kmemleak_lookup at;
		struct kmemleak_object *obj = kmemleak_index_relock(j->t, leak->ref, &at);
		bool white = obj && kmemleak_object_white(j->t, obj);

		if (obj && !white)
			kmemleak_paint(obj, unref, 0);
		if (obj)
			kmemleak_index_unlock(&at);
		if (!white)
			drop(j, leak);
	}
	return j->leaks->nr != before;
}

/* A mark that runs while nobody else does. Return: an error if there is none. */
static int mark_still(struct judge *j)
{
	int ret;

	if (!wants_still(j))
		return -EOPNOTSUPP;
	ret = begin(j, j->opt) ?: j->t->ops->standstill(j->t, j->m);
	j->t->no_still = ret;
	kmemleak_count(j->t, ret ? KMEMLEAK_CNT_SNAPSHOTS_CUT : KMEMLEAK_CNT_SNAPSHOTS);
	return ret;
}

/*
 * Each mark clears most of what the one before missed. Not all: what moves meets each
 * at the wrong time now and then. So it takes some in a row that clear nobody. One of
 * these goes on with the mark before it: each kind sees moves that the other misses.
 */
#define MAX_RESCANS	10
#define RESCANS_IN_VAIN	3

static int rescan(struct judge *j)
{
	unsigned int i, in_vain = 0;
	int ret = 0;

	for (i = 0; i < MAX_RESCANS && in_vain < RESCANS_IN_VAIN && !ret && j->leaks->nr; i++) {
		ret = i % RESCANS_IN_VAIN == 1 ? kmemleak_mark_again(j->m) : mark(j, j->opt);
		ret = ret ?: recheck_contents(j);
		if (!ret)
			in_vain = drop_reached(j) ? 0 : in_vain + 1;
	}
	return ret;
}

static int confirm(struct judge *j)
{
	if (!rule_on(j->opt, KMEMLEAK_RULE_CONFIRM) ||
	    j->opt->confirm == KMEMLEAK_CONFIRM_OFF || !mark_still(j))
		return recheck_contents(j);
	return rescan(j);
}

static int judge(struct judge *j)
{
	int ret;

	j->draft = *j->opt;
	j->draft.draft = wants_still(j) && !j->t->no_still;
	ret = mark(j, &j->draft) ?: collect(j);
	if (!ret && j->leaks->nr)
		ret = confirm(j);
	else
		/* What it hides may be all there is: the next mark is a draft again. */
		j->t->no_still = false;
	if (ret)
		return ret;
	keep_white(j);
	kmemleak_leaks_sort(j->t, j->leaks);
	ret = kmemleak_group(j->t, j->m, j->leaks);
	if (!ret)
		count_new(j);
	return ret;
}

/**
 * kmemleak_verdict() - mark, and judge what is white
 * @t: tracker
 * @opt: options
 * @leaks: an empty set, filled with the leaks in order of allocation
 *
 * Context: process, may sleep, one at a time.
 * Return: 0; -ENOMEM; or what ops->pause() said, then @leaks means nothing and
 * no object has been marked as reported.
 */
int kmemleak_verdict(struct kmemleak_tracker *t, const struct kmemleak_options *opt,
		     struct kmemleak_leaks *leaks)
{
	struct judge *j = t->ops->page_alloc(t, 0, GFP_KERNEL | __GFP_NOWARN);
	int ret = -ENOMEM;

	static_assert(sizeof(*j) <= PAGE_SIZE);
	if (!j)
		return -ENOMEM;
	j->t = t;
	j->opt = opt;
	j->leaks = leaks;
	j->page = t->ops->page_alloc(t, 0, GFP_KERNEL | __GFP_NOWARN);
	if (j->page)
		ret = judge(j);
	kmemleak_mark_close(t);
	if (j->m)
		kmemleak_mark_end(j->m);
	if (j->page)
		t->ops->page_free(t, j->page, 0);
	t->ops->page_free(t, j, 0);
	kmemleak_count(t, ret ? KMEMLEAK_CNT_SCANS_CUT : KMEMLEAK_CNT_SCANS);
	return ret;
}
