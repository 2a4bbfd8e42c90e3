/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names that are newer than this tree, for all files of this folder and below. It defines
 * only macros, because it is included before any other header.
 */
#ifndef _KMEMLEAK_COMPAT_H
#define _KMEMLEAK_COMPAT_H

#define system_dfl_wq		system_unbound_wq
#define system_percpu_wq	system_wq
/* Workqueues are per-cpu here unless they are unbound. */
#define WQ_PERCPU		0

#define stack_depot_request_early_init()	stack_depot_want_early_init()

/* Nothing allocates a shrinker here: each caller has a static one. */
#define shrinker_alloc(fl, name) ({						\
	static struct shrinker __one = { .flags = (fl), .seeks = DEFAULT_SEEKS };	\
	&__one;									\
})
#define shrinker_register(shrinker) do {					\
	if (register_shrinker(shrinker, "mm-kmemleak"))				\
		pr_warn("Not enough memory for a shrinker\n");			\
} while (0)

#endif /* _KMEMLEAK_COMPAT_H */
