/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Common parts of the host tests: test cases and checks, seeded random numbers, and a tracker
 * with an environment of its own. The environment has fake memory, a page allocator that
 * fails on request, and jiffies that only tests advance. It checks the contract of struct
 * kmemleak_ops.
 */
#ifndef _KMEMLEAK_HOST_H
#define _KMEMLEAK_HOST_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "attr.h"
#include "block.h"
#include "command.h"
#include "judge.h"
#include "leak_set.h"
#include "mark.h"
#include "pool_fast.h"
#include "tracker.h"
#include "word_filter.h"

/* ---------------------------------------------------------------- cases -- */

struct host_case {
	const char *name;
	void (*run)(void);
};

/* Each suite is an array of cases that ends with an empty case. main.c lists the suites. */
extern const struct host_case index_cases[], pool_cases[], attr_cases[];
extern const struct host_case opaque_cases[], comm_cases[], block_cases[];
extern const struct host_case mark_cases[], judge_cases[], leak_set_cases[];
extern const struct host_case command_cases[], thread_cases[], host_cases[];
extern const struct host_case leak_group_cases[];

/* Number of failed checks in the running case. */
extern unsigned int host_failures;

void host_check_failed(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* If the condition is false, CHECK counts a failure and goes on, and REQUIRE ends the case. */
#define CHECK(cond) do {						\
	if (!(cond))							\
		host_check_failed(__FILE__, __LINE__, "%s", #cond);	\
} while (0)
#define CHECK_EQ(a, b) do {						\
	long long __va = (long long)(a), __vb = (long long)(b);		\
	if (__va != __vb)						\
		host_check_failed(__FILE__, __LINE__,			\
				  "%s is %lld (0x%llx), not %s = %lld (0x%llx)", \
				  #a, __va, __va, #b, __vb, __vb);	\
} while (0)
#define REQUIRE(cond) do {						\
	if (!(cond)) {							\
		host_check_failed(__FILE__, __LINE__, "%s", #cond);	\
		exit(1);						\
	}								\
} while (0)

/* -------------------------------------------------------- random numbers -- */

/* State of the running case's random numbers. It begins as a hash of seed and case name. */
extern u64 host_rng;

u64 host_rand_from(u64 *state);
unsigned long host_rand(void);
/* A random number below @n, which is not 0. */
unsigned long host_below(unsigned long n);
/* True in one of @n calls on average. */
bool host_one_in(unsigned int n);
/* Of @n rounds, host_rounds() returns the part that a random case makes: @n / host_part. */
extern unsigned int host_part;
unsigned long host_rounds(unsigned long n);

/* ------------------------------------------------------------ fake memory -- */

/*
 * Addresses as on x86 or on a 32-bit machine. Nothing is mapped at them in the host process.
 * If the core follows such an address by itself, the process dies.
 */
#if BITS_PER_LONG == 64
#define HOST_DIRECT	0xffff888000000000UL	/* direct map */
#define HOST_VMALLOC	0xffffc90000000000UL
#define HOST_IMAGE	0xffffffff81000000UL	/* .data, .bss */
#define HOST_MODULES	0xffffffffc0000000UL
#define HOST_PERCPU	0x0000607f80000000UL	/* per-cpu pointers */
#define HOST_COPIES	0xffffe8ff00000000UL	/* the CPUs' copies */
#define HOST_PHYS	0x0000000100000000UL
#else
#define HOST_DIRECT	0xc0000000UL
#define HOST_VMALLOC	0xe0000000UL
#define HOST_IMAGE	0xd8000000UL
#define HOST_MODULES	0xf0000000UL
#define HOST_PERCPU	0x17f80000UL
#define HOST_COPIES	0xf8000000UL
#define HOST_PHYS	0x20000000UL
#endif
#define HOST_COPY_STRIDE 0x100000UL
#define HOST_NR_CPUS	4

struct host_segment {
	unsigned long base;
	size_t size;
	u8 *mem;
	bool unreadable;
	bool foreign;		/* the kernel does not own it */
};

struct host_root {
	unsigned long start;
	unsigned long end;
};

struct host_helper {
	pthread_t thread;
	struct kmemleak_marker *marker;
	unsigned int cpu;
};

#define HOST_NR_SEGMENTS	8
#define HOST_NR_ROOTS		64

/**
 * struct host - a tracker and its environment
 * @t: the tracker; first member, so that operations find the struct
 * @live_pages: number of pages that were allocated and not freed
 * @allocs: calls of page_alloc that succeeded
 * @refused: calls of page_alloc that failed
 * @fail_after: so many more calls of page_alloc may succeed; negative: any number
 * @fail_one_in: one in so many calls fails at random; 0: none
 * @fail_order: allocations of larger orders fail; negative: none
 * @segments: fake memory
 * @nr_segments: number of @segments
 * @roots: ranges that the roots operation marks
 * @nr_roots: number of @roots
 * @on_pause: called in each pause. If it does not return 0, the scan ends with that error.
 * @on_wait_for_hooks: called by the wait_for_hooks operation: waits for the other threads' calls
 * @in_roots: called by the roots operation after @roots were marked
 * @helpers: threads that mark as well
 * @nr_helpers: number of @helpers
 * @no_helpers: helpers are requested but none comes
 * @stopped: a stop is under way. No other code runs, so @on_pause and @in_roots are not called.
 * @can_stop: there is time for a stop
 * @stop_pauses: number of pauses after which the time of a stop is over; 0: never
 * @pieces: pieces of work in the mark before the last stop
 * @stop_pieces: pieces of work in the last stop
 * @spawned: number of helpers in all
 * @unreadable: number of reads that failed
 * @reads: number of reads
 * @pauses: calls of pause
 * @most_locks: greatest number of locks that one thread took between two pauses
 * @waits: calls of wait_for_hooks
 * @pool_calls: calls of maintain_pool
 * @others_run: the other CPUs are running threads of the test, so each_cpu leaves them out
 * @arg: for the callbacks
 */
struct host {
	struct kmemleak_tracker t;
	long live_pages;
	unsigned long allocs;
	unsigned long refused;
	long fail_after;
	unsigned int fail_one_in;
	int fail_order;
	struct host_segment segments[HOST_NR_SEGMENTS];
	unsigned int nr_segments;
	struct host_root roots[HOST_NR_ROOTS];
	unsigned int nr_roots;
	int (*on_pause)(struct host *h);
	void (*on_wait_for_hooks)(struct host *h);
	void (*in_roots)(struct host *h, struct kmemleak_marker *m);
	struct host_helper helpers[HOST_NR_CPUS - 1];
	unsigned int nr_helpers;
	bool no_helpers;
	bool stopped;
	bool can_stop;
	unsigned int stop_pauses;
	unsigned long pieces;
	unsigned long stop_pieces;
	unsigned long spawned;
	unsigned long unreadable;
	unsigned long reads;
	unsigned long pauses;
	unsigned long most_locks;
	unsigned long waits;
	unsigned long pool_calls;
	bool others_run;
	void *arg;
};

/* The clocks of all trackers of this process: jiffies, and nanoseconds. */
extern u32 host_now, host_clock;
u32 host_read_now(void);
u32 host_read_clock(void);

extern const struct kmemleak_ops host_ops;

/* A tracker that was started with @shard_bits; 0: only set up, so it has its boot shards. */
struct host *host_new(unsigned int shard_bits);
struct host *host_new_boot(unsigned long nr_boot_entries);
/* Disables and resets the tracker, and checks that it freed all its pages. */
void host_free(struct host *h);
/*
 * A tracker with @nr blocks of 64 bytes from HOST_DIRECT on, 128 bytes apart. Roots from
 * HOST_IMAGE on point to the first half of the blocks. These blocks point to the second
 * half.
 */
struct host *host_broad(unsigned int nr);

struct host_segment *host_map(struct host *h, unsigned long base, size_t size);
/* The word at a fake address. The address must be mapped. */
unsigned long *host_word(struct host *h, unsigned long addr);
void host_store(struct host *h, unsigned long addr, unsigned long value);
void host_add_root(struct host *h, unsigned long start, unsigned long end);

long host_counter(struct host *h, enum kmemleak_counter counter);
/* Adds a VIRT block with a min_count of 1. If that fails, the case ends. */
void host_block(struct host *h, unsigned long start, size_t size);
enum kmemleak_result host_add(struct host *h, enum kmemleak_space space, unsigned long start,
			      size_t size, int min_count);
bool host_tracked(struct host *h, enum kmemleak_space space, unsigned long addr);
unsigned long host_nr_objects(struct host *h);

/* Options without any rule: each white object is reported. */
extern const struct kmemleak_options host_plain_options;

/* Options with all rules. */
extern const struct kmemleak_options host_all_options;

/* Makes one mark. Returns its result. */
int host_mark(struct host *h, const struct kmemleak_options *opt);
bool host_white(struct host *h, enum kmemleak_space space, unsigned long addr);
/* Empties the set and makes a scan. Returns the result of kmemleak_judge(). */
int host_scan_whole(struct host *h, const struct kmemleak_options *opt,
		    struct kmemleak_leak_set *leaks);
bool host_reported(const struct kmemleak_leak_set *leaks, unsigned long start);

/* Number of locks that this thread has taken with host_lock(). */
extern __thread unsigned long host_locks;

/* Does one entry of the opaque table cover [start, end) in this space? */
bool host_opaque(struct host *h, enum kmemleak_space space, unsigned long start,
		 unsigned long end);
/* Trims the pool until nothing is left to trim. The caller provides the grace period. */
void host_trim(struct host *h, bool all);

/* Sets this thread's CPU number. */
void host_set_cpu(unsigned int cpu);

#endif /* _KMEMLEAK_HOST_H */
