/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names that are newer than this tree, for all files of this folder and below. It defines
 * only macros, because it is included before any other header.
 */
#ifndef _KMEMLEAK_COMPAT_H
#define _KMEMLEAK_COMPAT_H

#define system_dfl_wq		system_unbound_wq
#define system_percpu_wq	system_wq

#endif /* _KMEMLEAK_COMPAT_H */
