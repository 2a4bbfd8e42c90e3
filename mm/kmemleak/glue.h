/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel-side files share: the kernel's own tracker and the functions
 * between hooks, scan, report, debugfs and thread. Core files never see this.
 */
#ifndef _KMEMLEAK_GLUE_H
#define _KMEMLEAK_GLUE_H

#include <linux/kref.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

#include "kmemleak.h"

/* The kernel's tracker. Set up before the first hook can run. */
extern struct kmemleak_tracker kmemleak_tracker;

/* Episodes, clear, on and off: one at a time. */
extern struct mutex kmemleak_scan_mutex;

/* Module parameters that other files read; see main.c. */
extern bool kmemleak_verbose;
extern unsigned int kmemleak_first_scan_secs;	/* delay of the thread's first scan */
extern unsigned int kmemleak_scan_secs;		/* its period; 0: no automatic scan */
extern int kmemleak_thread_nice;
extern unsigned int kmemleak_rcu_wait_ms;	/* longest wait of a scan for callbacks */
extern unsigned int kmemleak_stop_budget_ms;	/* longest standstill for a snapshot */

/**
 * struct kmemleak_published - an immutable leak set and who still reads it
 * @ref: the published pointer holds one, each reader one
 * @era: kmemleak_era when it was made; in another one its objects are not there any more
 * @leaks: never changes after publication
 */
struct kmemleak_published {
	struct kref ref;
	unsigned int era;
	struct kmemleak_leaks leaks;
};

/* main.c: life of the kernel's tracker. Context: process, scan_mutex held. */
int kmemleak_turn_on(void);
void kmemleak_turn_off(void);
void kmemleak_give_back(void);
/* Context of these two: any. */
bool kmemleak_is_on(void);
bool kmemleak_early_setup(void);
struct kmemleak_options kmemleak_read_options(void);
/* The page allocator may be used. */
extern bool kmemleak_pages_ready;
/* How often metadata was given back; see was_freed(). */
extern unsigned int kmemleak_era;

/* memory.c: how the kernel's memory is read and where its roots are. */
extern const struct kmemleak_ops kmemleak_kernel_ops;
void kmemleak_memory_setup(struct kmemleak_tracker *t);
void kmemleak_memory_start(struct kmemleak_tracker *t, const void *own, size_t size);

/* page_private() of the detector's own pages and kmemleak_queue_page(): no address. */
#define KMEMLEAK_OWN_PAGE	(~0UL / 0xff * 0x4b)
/* Where a struct page lies, or 0 if that is not known; on x86-64 anything mapped. */
phys_addr_t kmemleak_phys_of(const void *addr);

/* Context: any. */
bool kmemleak_page_readable(struct page *page);
/* Is there memory, or a hole that has a struct page? Of memory handed out it is known. */
bool kmemleak_is_memory(unsigned long pfn);
bool kmemleak_is_image(unsigned long pfn);
/* Memory is not unplugged between these. Context: process, may sleep; or a standstill. */
void kmemleak_hold_pages(void);
void kmemleak_release_pages(void);

/* late.c, old.c: memory from before tracking began. Context: process, scan_mutex held. */
void kmemleak_old_begin(void);
int kmemleak_old_take(void);
void kmemleak_old_forget(void);
void kmemleak_old_mark(struct kmemleak_marker *m);
/* Context: any but NMI, and as hooks.c for what drops something. */
void kmemleak_old_drop(unsigned long addr, size_t size);
void kmemleak_old_drop_percpu(const void __percpu *ptr, size_t size);
void kmemleak_old_freed(unsigned long addr);
bool kmemleak_old_any(void);
unsigned long kmemleak_old_bytes(void);
unsigned long kmemleak_old_pages(void);
int kmemleak_old_check(void);

/* stacks.c: task and interrupt stacks. Context: process. */
void kmemleak_stacks_mark(struct kmemleak_marker *m);
void kmemleak_stacks_leave_out(void);
bool kmemleak_stacks_is_dead(int cpu, unsigned long addr);
void kmemleak_stacks_skip_irq(int cpu);

/* rcu.c: let queued callbacks run, at most so long. Context: as scan.c. */
void kmemleak_rcu_start(void);
int kmemleak_rcu_settle(unsigned int limit_ms);
void kmemleak_rcu_wake(void);

/* workers.c: helpers of a mark; see struct kmemleak_ops. Context: process. */
void kmemleak_workers_start(void);
void kmemleak_workers_spawn(struct kmemleak_tracker *t, struct kmemleak_marker *m);
void kmemleak_workers_wait(struct kmemleak_tracker *t, struct kmemleak_marker *m);
void kmemleak_workers_wake(struct kmemleak_tracker *t);
void kmemleak_workers_join(struct kmemleak_tracker *t);
unsigned long kmemleak_workers_frame(const struct task_struct *task);

/* tend.c: the pool is seen to; see struct kmemleak_ops. Context of _start: process. */
void kmemleak_tend_keep(void);
void kmemleak_tend_start(void);
void kmemleak_tend(struct kmemleak_tracker *t);
void kmemleak_each_cpu(struct kmemleak_tracker *t, void (*call)(struct kmemleak_tracker *t));

/* snapshot.c: marks of a machine that stands still. Context: as scan.c. */
int kmemleak_snapshot_mark(struct kmemleak_tracker *t, struct kmemleak_marker *m,
			   unsigned long pieces);
void kmemleak_snapshot_prepare(void);
u64 kmemleak_snapshot_limit(void);
void kmemleak_snapshot_times(unsigned long *last, unsigned long *max, unsigned long *needed);
/* Nobody else runs, and nothing may sleep. For the roots. */
extern bool kmemleak_still;

/* trace.c: handles of stack traces. Any context but NMI. */
void kmemleak_trace_start(void);
u32 kmemleak_trace_save(const unsigned long *base, unsigned long site, gfp_t gfp);

/* When a block was allocated, as its object and its leak record say it. */
struct kmemleak_birth {
	u32 born;
	u32 stamp;
};

/* modules.c: names of functions whose module is gone. Context: process, may sleep. */
#ifdef CONFIG_MODULES
void kmemleak_modules_start(void);
unsigned long kmemleak_modules_era(const struct kmemleak_birth *birth);
bool kmemleak_modules_name(const struct kmemleak_birth *birth, unsigned long addr, char *text,
			   size_t size);
#else
static inline void kmemleak_modules_start(void)
{
}

static inline unsigned long kmemleak_modules_era(const struct kmemleak_birth *birth)
{
	return 1;
}

static inline bool kmemleak_modules_name(const struct kmemleak_birth *birth, unsigned long addr,
					 char *text, size_t size)
{
	return false;
}
#endif

/*
 * scan.c: one episode. Context: process, scan_mutex held.
 * Return: 0, or -EINTR if it was cut short (then the published set stays).
 */
int kmemleak_scan(void);
/* The task in kmemleak_scan() and its frame; what lies below that is our own. */
extern struct task_struct *kmemleak_scan_task;
extern unsigned long kmemleak_scan_frame;
/* More than a mark uses of a stack, in steps of half a KiB. */
#define KMEMLEAK_WIPE	5
void kmemleak_wipe_stack(unsigned int depth);
/* Reported leaks become roots, the published set goes. Context: as above. */
void kmemleak_scan_clear(void);
/* The published set or NULL, with a reference. Context: process. */
struct kmemleak_published *kmemleak_published_get(void);
void kmemleak_published_put(struct kmemleak_published *set);

/* Traces as they were printed, by number of the trace; see report.c. */
struct kmemleak_texts {
	struct xarray by_trace;
	size_t bytes;
};

/*
 * report.c: the only file that formats.
 * kmemleak_report_leak() prints to @m, or to the log if it is NULL.
 */
void kmemleak_report_leak(struct seq_file *m, const struct kmemleak_leak *leak,
			  struct kmemleak_texts *texts);
void kmemleak_texts_init(struct kmemleak_texts *texts);
void kmemleak_texts_free(struct kmemleak_texts *texts);
/* Prints new leaks of a set to the log, equal traces once. */
void kmemleak_report_log(const struct kmemleak_leaks *leaks);
/* The object at @addr to the log. Return: 0 or -EINVAL if no block is there. */
int kmemleak_report_object(unsigned long addr);
/* The stats file's text. */
int kmemleak_report_stats(struct seq_file *m);

/* thread.c. Context: process, scan_mutex NOT held (the thread takes it). */
int kmemleak_thread_start(void);
void kmemleak_thread_stop(void);
/* For the tracker's pause operation: the running scan shall end. */
bool kmemleak_thread_should_stop(void);
/* Around the wait for the locks that a scan holds. Context of _off_waits: any. */
void kmemleak_off_wait_begin(void);
void kmemleak_off_wait_end(void);
bool kmemleak_off_waits(void);
bool kmemleak_thread_is_current(void);

/* debugfs.c */
void kmemleak_debugfs_init(void);

#endif /* _KMEMLEAK_GLUE_H */
