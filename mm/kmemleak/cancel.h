/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whether the work that a task does for the detector must end early.
 */
#ifndef _KMEMLEAK_CANCEL_H
#define _KMEMLEAK_CANCEL_H

#include <linux/types.h>

struct task_struct;

bool kmemleak_cancel_requested(void);

/* Around the wait for the locks that a scan holds. */
void kmemleak_cancel_off_begin(void);
void kmemleak_cancel_off_end(void);
bool kmemleak_cancel_off_waits(void);

/* The thread that scans by itself sets itself here, and NULL when it ends. */
void kmemleak_cancel_set_thread(struct task_struct *task);
bool kmemleak_cancel_is_thread(void);

#endif /* _KMEMLEAK_CANCEL_H */
