/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The environment of the kernel's tracker.
 */
#ifndef _KMEMLEAK_OPS_H
#define _KMEMLEAK_OPS_H

#include "core/tracker.h"

extern const struct kmemleak_ops kmemleak_kernel_ops;

/* Context: any. */
bool kmemleak_early_setup(void);

#endif /* _KMEMLEAK_OPS_H */
