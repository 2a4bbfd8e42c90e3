/* SPDX-License-Identifier: GPL-2.0-only */
/* Groups leaks by the leak that leads to them. See leak_group.c. */
#ifndef _KMEMLEAK_LEAK_GROUP_H
#define _KMEMLEAK_LEAK_GROUP_H

struct kmemleak_leak_set;
struct kmemleak_marker;
struct kmemleak_tracker;

int kmemleak_leak_group(struct kmemleak_tracker *t, struct kmemleak_marker *m,
			struct kmemleak_leak_set *leaks);

#endif /* _KMEMLEAK_LEAK_GROUP_H */
