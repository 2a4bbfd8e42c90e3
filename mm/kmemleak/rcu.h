/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Before a scan, RCU callbacks run, so that blocks that wait for a grace period are freed.
 */
#ifndef _KMEMLEAK_RCU_H
#define _KMEMLEAK_RCU_H

void kmemleak_rcu_start(void);
int kmemleak_rcu_drain(unsigned int limit_ms);
void kmemleak_rcu_wake(void);

#endif /* _KMEMLEAK_RCU_H */
