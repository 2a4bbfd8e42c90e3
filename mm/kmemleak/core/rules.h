/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Rules: the policy of what is reported. rules.c explains each.
 *
 * Context of all functions with an object: the object's shard lock is held, or the object
 * is a copy, in which perhaps only flags, born and colour are set. So the functions read no
 * other member.
 */
#ifndef _KMEMLEAK_RULES_H
#define _KMEMLEAK_RULES_H

#include "tracker.h"

extern const char *const kmemleak_rule_names[KMEMLEAK_NR_RULES];

bool kmemleak_rules_is_root(const struct kmemleak_tracker *t, const struct kmemleak_options *opt,
			    unsigned int mark_flags, const struct kmemleak_object *obj);
bool kmemleak_rules_newborn_is_gray(const struct kmemleak_options *opt);
bool kmemleak_rules_needs_judging(const struct kmemleak_tracker *t,
				  const struct kmemleak_object *obj);
void kmemleak_rules_use_transient(const struct kmemleak_tracker *t, struct kmemleak_object *obj);
bool kmemleak_rules_changed_is_alive(const struct kmemleak_options *opt);
bool kmemleak_rules_must_confirm(const struct kmemleak_options *opt);
bool kmemleak_rules_may_stop(const struct kmemleak_options *opt);
bool kmemleak_rules_white_often_enough(const struct kmemleak_options *opt, u8 scans);
bool kmemleak_rules_stack_is_exact(const struct kmemleak_options *opt);

#endif /* _KMEMLEAK_RULES_H */
