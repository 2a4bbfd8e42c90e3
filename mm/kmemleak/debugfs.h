/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The files in debugfs.
 */
#ifndef _KMEMLEAK_DEBUGFS_H
#define _KMEMLEAK_DEBUGFS_H

void kmemleak_debugfs_init(void);

#endif /* _KMEMLEAK_DEBUGFS_H */
