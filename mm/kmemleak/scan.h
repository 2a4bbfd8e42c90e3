/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A scan, from the command to the published leak set. Context: process,
 * kmemleak_scan_mutex held.
 */
#ifndef _KMEMLEAK_SCAN_H
#define _KMEMLEAK_SCAN_H

int kmemleak_scan(void);
void kmemleak_scan_clear(void);

#endif /* _KMEMLEAK_SCAN_H */
