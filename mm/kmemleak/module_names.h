/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names of functions whose module was unloaded. Context: process, may sleep.
 */
#ifndef _KMEMLEAK_MODULE_NAMES_H
#define _KMEMLEAK_MODULE_NAMES_H

#include <linux/types.h>

/* When a block was allocated, as its object and its leak record say it. */
struct kmemleak_birth {
	u32 born;
	u32 stamp;
};

#ifdef CONFIG_MODULES
void kmemleak_module_names_start(void);
unsigned long kmemleak_module_names_generation(const struct kmemleak_birth *birth);
bool kmemleak_module_names_find(const struct kmemleak_birth *birth, unsigned long addr, char *text,
				size_t size);
#else
static inline void kmemleak_module_names_start(void)
{
}

static inline unsigned long kmemleak_module_names_generation(const struct kmemleak_birth *birth)
{
	return 1;
}

static inline bool kmemleak_module_names_find(const struct kmemleak_birth *birth,
					      unsigned long addr, char *text, size_t size)
{
	return false;
}
#endif

#endif /* _KMEMLEAK_MODULE_NAMES_H */
