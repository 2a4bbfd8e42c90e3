/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Helpers of a mark, on other CPUs. For struct kmemleak_ops.
 */
#ifndef _KMEMLEAK_WORKERS_H
#define _KMEMLEAK_WORKERS_H

struct kmemleak_marker;
struct kmemleak_tracker;

void kmemleak_workers_start(void);
void kmemleak_workers_spawn(struct kmemleak_tracker *t, struct kmemleak_marker *m);
void kmemleak_workers_wait(struct kmemleak_tracker *t, struct kmemleak_marker *m);
void kmemleak_workers_wake(struct kmemleak_tracker *t);
void kmemleak_workers_join(struct kmemleak_tracker *t);

#endif /* _KMEMLEAK_WORKERS_H */
