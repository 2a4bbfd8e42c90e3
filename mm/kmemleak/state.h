/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel's tracker. Files of all layers may call this one; it calls none of them.
 *
 * Lock order, outer to inner:
 *   command_lock         one command at a time                      (debugfs.c)
 *   thread_lock          start and stop of the scanning thread      (thread.c)
 *   kernel_param_lock()  parameters; inside command_lock            (params.c)
 *   kmemleak_scan_mutex  scans, clear, on, off, trim: one at a time (state.c)
 *   modules_lock         loaded modules, names of unloaded ones     (module_names.c)
 *   published_lock       pointer to the published leak set          (publish.c)
 * The other locks are raw and taken with interrupts off:
 *   shard.lock           one tree of the index; never two at once
 *   tracker.attr_lock    the tree of attributes
 *   tracker.opaque.lock  the table of opaque blocks
 *   mark.lock            work that any marker may take
 *   comm_table.lock      changes of a table of task names
 *   pool.lock            pages of entries, and what is free in them
 *   preexist_chunk.lock  which memory is preexisting                (preexist.c)
 *   reaped_lock          tasks without a pid                        (roots_stack.c)
 *   stash_lock           pages for a stop                           (stop.c)
 */
#ifndef _KMEMLEAK_STATE_H
#define _KMEMLEAK_STATE_H

#include <linux/mutex.h>

#include "core/tracker.h"

/* Set up before the first hook can run. */
extern struct kmemleak_tracker kmemleak_tracker;

/* Scans, "clear", "on", "off" and trimming the pool: one at a time. */
extern struct mutex kmemleak_scan_mutex;

/* The page allocator is up. Written once, in early boot. */
extern bool kmemleak_pages_ready;

/*
 * How often the metadata was released. Records of another generation refer to objects that
 * are gone. Written with kmemleak_scan_mutex held, while tracking is off.
 */
extern unsigned int kmemleak_generation;

/* Context: any. The answer may be outdated at once. */
static inline bool kmemleak_is_on(void)
{
	return READ_ONCE(kmemleak_tracker.enabled);
}

#endif /* _KMEMLEAK_STATE_H */
