// SPDX-License-Identifier: GPL-2.0-only
/*
 * The rules: which white objects are not reported, and which objects are roots. Each rule
 * prevents one kind of wrong result, and has a price.
 *
 * AGE        The pointer to a new block may not have been stored in memory yet: it may be
 *            only in a register. A block younger than min_age_ms is a root.
 *            Price: younger leaks are found by a later scan. Off by default (0 ms),
 *            because CONFIRM covers these blocks.
 * BORN       A mark may already have scanned the memory that points to a block allocated
 *            during the mark. Pointers may also move into the new block. So it is gray in
 *            this mark. Price: a leak made during a scan is found by the next scan.
 * CHANGED    A suspect whose contents change is in use: somebody has a pointer that the
 *            mark missed. The suspect and all that it points to count as reached. Price:
 *            each suspect is read twice. A lost block that something still writes to, a
 *            device for example, is not reported.
 * TRANSIENT  The annotation kmemleak_transient_leak(): the block is a root in all marks of
 *            one scan. Price: its leak is reported one scan later.
 * CONFIRM    A mark misses a pointer that moves from memory that was not scanned yet to
 *            memory that was. So a suspect must be white in another mark, too. In mode
 *            "stop" all CPUs are stopped during that mark: no pointer moves, and the live
 *            part of each stack is known exactly. If there is no time for a stop, and in
 *            mode "rescan", marks are repeated until five in a row clear no suspect. If
 *            that takes too many marks, the remaining suspects wait for the next scan. A
 *            confirmed leak stays confirmed while each scan finds it white. Price: a
 *            second mark if there is a new suspect; five or more in mode "rescan".
 * STACK      The stack below the stack pointer holds values of functions that have
 *            returned. They would hide what these functions lost. The stack pointer of a
 *            sleeping task is known, that of a running task only in a stop. If a stop
 *            will follow, the first mark leaves stacks of running tasks to it. Price: a
 *            stop if the only pointer to a block is on such a stack.
 * MIN_UNREF  For users who want fewer and later reports: a block must be white in
 *            min_unref_scans scans in a row. Price: that many scans.
 */
#include "mark.h"
#include "rules.h"

const char *const kmemleak_rule_names[KMEMLEAK_NR_RULES] = {
	[KMEMLEAK_RULE_AGE] = "age",
	[KMEMLEAK_RULE_BORN] = "born",
	[KMEMLEAK_RULE_CHANGED] = "changed",
	[KMEMLEAK_RULE_TRANSIENT] = "transient",
	[KMEMLEAK_RULE_CONFIRM] = "confirm",
	[KMEMLEAK_RULE_MIN_UNREF] = "min_unref",
	[KMEMLEAK_RULE_STACK] = "stack",
};

static bool rule_is_on(const struct kmemleak_options *opt, enum kmemleak_rule rule)
{
	return opt->rules & BIT(rule);
}

/* AGE */
static bool is_too_young(const struct kmemleak_tracker *t, const struct kmemleak_options *opt,
			 const struct kmemleak_object *obj)
{
	if (!rule_is_on(opt, KMEMLEAK_RULE_AGE) || !opt->min_age)
		return false;
	/*
	 * The time is read after the object was found, so the age cannot be negative and may
	 * use all 32 bits. After 2^32 jiffies the object counts as young again. That delays
	 * a report by min_age at worst.
	 */
	return (u32)(t->ops->now() - obj->born) < opt->min_age;
}

/* TRANSIENT: the first mark of the second scan treats the object as any other. */
static bool is_transient(const struct kmemleak_options *opt, unsigned int mark_flags,
			 const struct kmemleak_object *obj)
{
	if (!rule_is_on(opt, KMEMLEAK_RULE_TRANSIENT) || !(obj->flags & KMEMLEAK_TRANSIENT))
		return false;
	return !(mark_flags & KMEMLEAK_MARK_FIRST) || !(obj->flags & KMEMLEAK_TRANSIENT_USED);
}

/**
 * kmemleak_rules_is_root() - is an object alive without any reference?
 * @t: tracker
 * @opt: options of the scan
 * @mark_flags: KMEMLEAK_MARK_* of the current mark
 * @obj: the object
 */
bool kmemleak_rules_is_root(const struct kmemleak_tracker *t, const struct kmemleak_options *opt,
			    unsigned int mark_flags, const struct kmemleak_object *obj)
{
	return !kmemleak_colour(obj).min_count || is_transient(opt, mark_flags, obj) ||
	       is_too_young(t, opt, obj);
}

/**
 * kmemleak_rules_newborn_is_gray() - BORN: are blocks allocated during a mark gray?
 * @opt: options of the scan
 */
bool kmemleak_rules_newborn_is_gray(const struct kmemleak_options *opt)
{
	return rule_is_on(opt, KMEMLEAK_RULE_BORN);
}

/**
 * kmemleak_rules_needs_judging() - does the judge have to look at an object after a mark?
 * @t: tracker
 * @obj: the object
 *
 * Return: true if it is white, or if an earlier scan or an annotation left something in it
 * that the judge has to clear.
 */
bool kmemleak_rules_needs_judging(const struct kmemleak_tracker *t,
				  const struct kmemleak_object *obj)
{
	return kmemleak_colour(obj).unref || (obj->flags & KMEMLEAK_TRANSIENT) ||
	       kmemleak_object_white(t, obj);
}

/**
 * kmemleak_rules_use_transient() - TRANSIENT: note that a scan has visited an object
 * @t: tracker
 * @obj: the object; its shard's lock is held
 *
 * The annotation holds for all marks of the first scan that visits the object. The second
 * scan removes it.
 */
void kmemleak_rules_use_transient(const struct kmemleak_tracker *t, struct kmemleak_object *obj)
{
	if (obj->flags & KMEMLEAK_TRANSIENT_USED)
		obj->flags &= ~(KMEMLEAK_TRANSIENT | KMEMLEAK_TRANSIENT_USED);
	else if ((obj->flags & KMEMLEAK_TRANSIENT) && kmemleak_colour(obj).epoch == t->epoch)
		obj->flags |= KMEMLEAK_TRANSIENT_USED;
}

/**
 * kmemleak_rules_changed_is_alive() - CHANGED: is a suspect alive if its contents change?
 * @opt: options of the scan
 */
bool kmemleak_rules_changed_is_alive(const struct kmemleak_options *opt)
{
	return rule_is_on(opt, KMEMLEAK_RULE_CHANGED);
}

/**
 * kmemleak_rules_must_confirm() - CONFIRM: must a suspect be white in another mark?
 * @opt: options of the scan
 */
bool kmemleak_rules_must_confirm(const struct kmemleak_options *opt)
{
	return rule_is_on(opt, KMEMLEAK_RULE_CONFIRM) && opt->confirm != KMEMLEAK_CONFIRM_OFF;
}

/**
 * kmemleak_rules_may_stop() - CONFIRM: may a scan stop all CPUs to confirm suspects?
 * @opt: options of the scan
 */
bool kmemleak_rules_may_stop(const struct kmemleak_options *opt)
{
	return kmemleak_rules_must_confirm(opt) && opt->confirm == KMEMLEAK_CONFIRM_STOP;
}

/**
 * kmemleak_rules_white_often_enough() - MIN_UNREF: may a white object be reported?
 * @opt: options of the scan
 * @scans: number of consecutive scans that found it white, this one included
 *
 * If the user wants more than one scan, the scan that finds the object first does not
 * count.
 */
bool kmemleak_rules_white_often_enough(const struct kmemleak_options *opt, u8 scans)
{
	unsigned int wanted = min_t(unsigned int, opt->min_unref_scans, U8_MAX - 1);

	return !rule_is_on(opt, KMEMLEAK_RULE_MIN_UNREF) || scans >= wanted + (wanted > 1);
}

/**
 * kmemleak_rules_stack_is_exact() - STACK: is only the live part of a stack scanned?
 * @opt: options of the scan
 */
bool kmemleak_rules_stack_is_exact(const struct kmemleak_options *opt)
{
	return rule_is_on(opt, KMEMLEAK_RULE_STACK);
}
