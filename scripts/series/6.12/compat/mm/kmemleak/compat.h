/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names that came later, for all files of this folder and below: macros only, since it
 * is included before anything else.
 */
#ifndef _KMEMLEAK_COMPAT_H
#define _KMEMLEAK_COMPAT_H

#define system_dfl_wq		system_unbound_wq
#define system_percpu_wq	system_wq

#endif /* _KMEMLEAK_COMPAT_H */
