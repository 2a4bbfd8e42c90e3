/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Tracking is turned on and off. Context: process, kmemleak_scan_mutex held.
 */
#ifndef _KMEMLEAK_CONTROL_H
#define _KMEMLEAK_CONTROL_H

int kmemleak_turn_on(void);
void kmemleak_turn_off(void);
void kmemleak_release_metadata(void);
int kmemleak_start_tracker(void);

#endif /* _KMEMLEAK_CONTROL_H */
