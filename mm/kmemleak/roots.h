/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Roots that are not in the index.
 */
#ifndef _KMEMLEAK_ROOTS_H
#define _KMEMLEAK_ROOTS_H

#include "core/mark.h"

extern const char *const kmemleak_root_names[KMEMLEAK_NR_ROOTS];

/* This is ops->roots(), see struct kmemleak_ops. */
void kmemleak_roots_mark(struct kmemleak_tracker *t, struct kmemleak_marker *m);

/* roots_sections.c */
void kmemleak_roots_setup(struct kmemleak_tracker *t);
void kmemleak_roots_start(struct kmemleak_tracker *t);

/* roots_stack.c */
void kmemleak_roots_stack_mark(struct kmemleak_marker *m);
void kmemleak_roots_stack_exclude(void);
bool kmemleak_roots_stack_is_dead(int cpu, unsigned long addr);
void kmemleak_roots_stack_skip_irq(const struct kmemleak_marker *m, int cpu);

#endif /* _KMEMLEAK_ROOTS_H */
