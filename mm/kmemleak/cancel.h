/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Must the work that a task does for the detector end early?
 */
#ifndef _KMEMLEAK_CANCEL_H
#define _KMEMLEAK_CANCEL_H

#include <linux/types.h>

struct task_struct;

bool kmemleak_cancel_requested(void);

/* For a task that turns tracking off: before and after it waits for locks of a scan. */
void kmemleak_cancel_off_begin(void);
void kmemleak_cancel_off_end(void);
bool kmemleak_cancel_off_waits(void);

/* Called by the thread that scans by itself: with its task, and with NULL when it ends. */
void kmemleak_cancel_set_thread(struct task_struct *task);
bool kmemleak_cancel_is_thread(void);

#endif /* _KMEMLEAK_CANCEL_H */
