/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Maintenance of the pool of entries: refill its stock, return pages that are not needed.
 */
#ifndef _KMEMLEAK_POOL_WORKER_H
#define _KMEMLEAK_POOL_WORKER_H

struct kmemleak_tracker;

void kmemleak_pool_worker_size_stock(void);
void kmemleak_pool_worker_start(void);

/* For struct kmemleak_ops. */
void kmemleak_pool_worker_kick(struct kmemleak_tracker *t);
void kmemleak_pool_worker_each_cpu(struct kmemleak_tracker *t,
				   void (*call)(struct kmemleak_tracker *t));

#endif /* _KMEMLEAK_POOL_WORKER_H */
