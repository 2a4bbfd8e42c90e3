/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The text of reports. Context: process, may sleep.
 */
#ifndef _KMEMLEAK_REPORT_H
#define _KMEMLEAK_REPORT_H

#include <linux/xarray.h>

#include "core/leak_set.h"

struct seq_file;

/* Traces as they were printed, by handle; see report.c. */
struct kmemleak_texts {
	struct xarray by_trace;
	size_t bytes;
};

void kmemleak_texts_init(struct kmemleak_texts *texts);
void kmemleak_texts_free(struct kmemleak_texts *texts);
void kmemleak_report_leak(struct seq_file *m, const struct kmemleak_leak *leak,
			  struct kmemleak_texts *texts);
void kmemleak_report_log(const struct kmemleak_leak_set *leaks);
int kmemleak_report_object(unsigned long addr);
int kmemleak_report_stats(struct seq_file *m);

#endif /* _KMEMLEAK_REPORT_H */
