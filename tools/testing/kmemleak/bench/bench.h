/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Between the files of the benchmark module. All of it builds unchanged with any
 * detector or none, so it uses nothing of the detector's but its debugfs file.
 */
#ifndef KMEMLEAK_BENCH_H
#define KMEMLEAK_BENCH_H

#include <linux/compiler.h>
#include <linux/types.h>

struct file;

/* Portions of a measurement; the first is warm-up and does not count. */
#define BENCH_PORTIONS	6

__printf(3, 4)
void bench_result(const char *name, const char *unit, const char *fmt, ...);
void bench_portions(const char *name, u64 *ns, unsigned int count, u64 per_portion);

/* pairs.c */
int bench_pair(unsigned int words, char **word);
int bench_bulk(unsigned int words, char **word);
int bench_vmalloc(unsigned int words, char **word);
int bench_percpu(unsigned int words, char **word);

/* populate.c */
int bench_populate(unsigned int words, char **word);
int bench_drop(unsigned int words, char **word);
int bench_lose(unsigned int words, char **word);

/* probe.c */
int bench_probe_start(void);
void bench_probe_stop(void);
int bench_quiet(unsigned int words, char **word);

#endif /* KMEMLEAK_BENCH_H */
