/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names that came later, for all files of this folder and below: macros only, since it
 * is included before anything else.
 */
#ifndef _KMEMLEAK_COMPAT_H
#define _KMEMLEAK_COMPAT_H

#define system_dfl_wq		system_unbound_wq
#define system_percpu_wq	system_wq
/* Not to be bound to a CPU had to be said. */
#define WQ_PERCPU		0

#define stack_depot_request_early_init()	stack_depot_want_early_init()

/* A shrinker was not allocated. */
#define shrinker_alloc(fl, name) ({						\
	static struct shrinker __one = { .flags = (fl), .seeks = DEFAULT_SEEKS };	\
	&__one;									\
})
#define shrinker_register(shrinker) do {					\
	if (register_shrinker(shrinker, "mm-kmemleak"))				\
		pr_warn("little memory, no shrinker\n");			\
} while (0)

#endif /* _KMEMLEAK_COMPAT_H */
