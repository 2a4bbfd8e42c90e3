// SPDX-License-Identifier: GPL-2.0-only
/* The kernel's tracker, see state.h. */
#include <linux/export.h>
#include <linux/jump_label.h>
#include <linux/kmemleak.h>

#include "state.h"

struct kmemleak_tracker kmemleak_tracker;
DEFINE_STATIC_KEY_TRUE(kmemleak_key);
EXPORT_SYMBOL(kmemleak_key);
/* See state.h. */
DEFINE_MUTEX(kmemleak_scan_mutex);
bool kmemleak_pages_ready;
unsigned int kmemleak_generation;
