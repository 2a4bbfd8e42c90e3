/* SPDX-License-Identifier: GPL-2.0-only */
/* A scan as the core sees it: mark, judge, confirm, record. See judge.c. */
#ifndef _KMEMLEAK_JUDGE_H
#define _KMEMLEAK_JUDGE_H

struct kmemleak_leak_set;
struct kmemleak_options;
struct kmemleak_tracker;

int kmemleak_judge(struct kmemleak_tracker *t, const struct kmemleak_options *opt,
		   struct kmemleak_leak_set *leaks);

#endif /* _KMEMLEAK_JUDGE_H */
