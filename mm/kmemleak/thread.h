/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The thread that scans by itself. Context: process, kmemleak_scan_mutex not held.
 */
#ifndef _KMEMLEAK_THREAD_H
#define _KMEMLEAK_THREAD_H

int kmemleak_thread_start(void);
void kmemleak_thread_stop(void);

#endif /* _KMEMLEAK_THREAD_H */
