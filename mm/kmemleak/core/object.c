// SPDX-License-Identifier: GPL-2.0-only
/*
 * What differs between address spaces. A new space is a value in enum kmemleak_space and
 * a row here.
 */
#include "object.h"

const struct kmemleak_space_type kmemleak_space_types[KMEMLEAK_NR_SPACES] = {
	[KMEMLEAK_VIRT] = { .label = "" },
	[KMEMLEAK_PHYS] = { .label = "(phys) ", .any_addr = true },
	[KMEMLEAK_PERCPU] = { .label = "(percpu) ", .per_cpu = true },
};
