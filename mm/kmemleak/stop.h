/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Marks while all CPUs are stopped.
 */
#ifndef _KMEMLEAK_STOP_H
#define _KMEMLEAK_STOP_H

struct kmemleak_marker;
struct kmemleak_tracker;

/* Context: process, may sleep, kmemleak_scan_mutex held. */
void kmemleak_stop_prepare(void);
int kmemleak_stop_mark(struct kmemleak_tracker *t, struct kmemleak_marker *m,
		       unsigned long pieces);

/* Context: any. */
void kmemleak_stop_times(unsigned long *last, unsigned long *max, unsigned long *needed);

#endif /* _KMEMLEAK_STOP_H */
