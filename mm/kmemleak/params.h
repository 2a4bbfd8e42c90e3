/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Module parameters. params.c has a table of their names, ranges and defaults.
 */
#ifndef _KMEMLEAK_PARAMS_H
#define _KMEMLEAK_PARAMS_H

#include "core/tracker.h"

extern bool kmemleak_verbose;			/* also print reports to the log */
extern unsigned int kmemleak_first_scan_secs;	/* delay of the thread's first scan */
extern unsigned int kmemleak_scan_secs;		/* its period; 0: no automatic scan */
extern unsigned int kmemleak_rcu_wait_ms;	/* longest wait of a scan for RCU callbacks */
extern unsigned int kmemleak_stop_budget_ms;	/* longest time that all CPUs are stopped */
extern int kmemleak_thread_nice;

void kmemleak_set_root(enum kmemleak_root root, bool on);
struct kmemleak_options kmemleak_read_options(void);
u64 kmemleak_stop_limit_ns(void);

#endif /* _KMEMLEAK_PARAMS_H */
