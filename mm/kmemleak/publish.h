/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The published leak set, which the debugfs file shows.
 */
#ifndef _KMEMLEAK_PUBLISH_H
#define _KMEMLEAK_PUBLISH_H

#include <linux/kref.h>

#include "core/leak_set.h"

/**
 * struct kmemleak_published - a leak set that does not change any more
 * @ref: the pointer to the published set holds one reference, each reader another
 * @generation: kmemleak_generation when the set was made. If it has changed since, the
 *	objects of the set are gone.
 * @leaks: the set
 */
struct kmemleak_published {
	struct kref ref;
	unsigned int generation;
	struct kmemleak_leak_set leaks;
};

/* Context: process. */
struct kmemleak_published *kmemleak_publish_alloc(void);
void kmemleak_publish(struct kmemleak_published *set);
struct kmemleak_published *kmemleak_published_get(void);
void kmemleak_published_put(struct kmemleak_published *set);

#endif /* _KMEMLEAK_PUBLISH_H */
