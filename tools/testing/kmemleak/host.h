/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the host tests share: test cases and checks, seeded random numbers, and
 * a tracker with surroundings made of fake memory, a page allocator that fails
 * on request, a clock that stands still, and checks of the contract in
 * struct kmemleak_ops.
 */
#ifndef _KMEMLEAK_HOST_H
#define _KMEMLEAK_HOST_H

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "kmemleak.h"

/* ---------------------------------------------------------------- cases -- */

struct host_case {
	const char *name;
	void (*run)(void);
};

/* Each suite is an array of cases that ends with an empty one; main.c has all. */
extern const struct host_case index_cases[], pool_cases[], extra_cases[];
extern const struct host_case ranges_cases[], names_cases[], core_cases[];
extern const struct host_case mark_cases[], verdict_cases[], leaks_cases[];
extern const struct host_case command_cases[], thread_cases[], host_cases[];
extern const struct host_case group_cases[];

/* How many checks of the running case did not hold. */
extern unsigned int host_failures;

void host_check_failed(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* CHECK notes a failure and goes on; REQUIRE ends the case. */
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

/* The running case's numbers: a function of the seed and the case's name. */
extern u64 host_rng;

u64 host_rand_from(u64 *state);
unsigned long host_rand(void);
/* Below @n, which is not 0. */
unsigned long host_below(unsigned long n);
/* True once in @n times. */
bool host_one_in(unsigned int n);
/* How much a random case does, of which it is to do only a part. */
extern unsigned int host_part;
unsigned long host_rounds(unsigned long n);

/* ------------------------------------------------------------ fake memory -- */

/*
 * Addresses as on x86 or on a 32-bit machine; nothing lives at them in the
 * host process, so a core that follows one by itself dies.
 */
#if BITS_PER_LONG == 64
#define HOST_DIRECT	0xffff888000000000UL	/* direct map */
#define HOST_VMALLOC	0xffffc90000000000UL
#define HOST_IMAGE	0xffffffff81000000UL	/* .data, .bss */
#define HOST_MODULES	0xffffffffc0000000UL
#define HOST_PERCPU	0x0000607f80000000UL	/* per-cpu pointers */
#define HOST_COPIES	0xffffe8ff00000000UL	/* and where their copies are */
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
	bool foreign;		/* not the kernel's own */
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
 * struct host - a tracker and its surroundings
 * @t: the tracker; first, so that operations find the rest
 * @live_pages: pages handed out and not given back
 * @allocs: calls of page_alloc that were given memory
 * @refused: calls that were not
 * @fail_after: so many more calls get memory; negative: all
 * @fail_one_in: one of so many fails at random; 0: none
 * @fail_order: larger orders fail; negative: none
 * @segments: fake memory
 * @nr_segments: how many
 * @roots: what the roots operation marks
 * @nr_roots: how many
 * @on_pause: called in every pause; its answer ends the scan if not 0
 * @on_settle: waits for the other threads' calls
 * @settled: calls of settle
 * @in_roots: called by the roots operation after @roots
 * @helpers: threads that mark as well
 * @nr_helpers: how many
 * @no_helpers: who is asked for does not come
 * @still: nobody else runs, so no callback does
 * @can_stop: there is time for a standstill
 * @stop_pauses: after so many pauses in one there no longer is; 0: never
 * @pieces: how many the mark before the last standstill took
 * @still_pieces: how many that standstill took
 * @spawned: how many there were in all
 * @unreadable: calls of read that were refused
 * @reads: calls of read
 * @pauses: calls of pause
 * @most_locks: locks that were taken between two of these at most
 * @tends: calls of tend
 * @others_run: other CPUs are threads of the test, which nobody interrupts
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
	void (*on_settle)(struct host *h);
	void (*in_roots)(struct host *h, struct kmemleak_marker *m);
	struct host_helper helpers[HOST_NR_CPUS - 1];
	unsigned int nr_helpers;
	bool no_helpers;
	bool still;
	bool can_stop;
	unsigned int stop_pauses;
	unsigned long pieces;
	unsigned long still_pieces;
	unsigned long spawned;
	unsigned long unreadable;
	unsigned long reads;
	unsigned long pauses;
	unsigned long most_locks;
	unsigned long settled;
	unsigned long tends;
	bool others_run;
	void *arg;
};

/* The clock of all trackers of this process: jiffies and nanoseconds. */
extern u32 host_now, host_clock;
u32 host_read_now(void);
u32 host_read_clock(void);

extern const struct kmemleak_ops host_ops;

/* A tracker, started with @shard_bits; 0: only set up, so on its boot shards. */
struct host *host_new(unsigned int shard_bits);
struct host *host_new_reserve(unsigned long reserve_nr);
/* Disables, resets, and checks that every page came back. */
void host_free(struct host *h);
/*
 * A tracker with @nr blocks of 64 bytes from HOST_DIRECT on, 128 apart, of which a
 * half is pointed at by roots from HOST_IMAGE on, and the other by the first.
 */
struct host *host_broad(unsigned int nr);

struct host_segment *host_map(struct host *h, unsigned long base, size_t size);
/* The word at a fake address, which must be mapped. */
unsigned long *host_word(struct host *h, unsigned long addr);
void host_store(struct host *h, unsigned long addr, unsigned long value);
void host_add_root(struct host *h, unsigned long start, unsigned long end);

long host_counter(struct host *h, enum kmemleak_counter counter);
/* Adds a VIRT block of min_count 1; the case ends if that does not work. */
void host_block(struct host *h, unsigned long start, size_t size);
enum kmemleak_result host_add(struct host *h, enum kmemleak_space space, unsigned long start,
			      size_t size, int min_count);
bool host_tracked(struct host *h, enum kmemleak_space space, unsigned long addr);
unsigned long host_nr_objects(struct host *h);

/* Options with which only being white counts. */
extern const struct kmemleak_options host_plain_options;

/* One mark from begin to close. Returns its answer. */
int host_mark(struct host *h, const struct kmemleak_options *opt);
bool host_white(struct host *h, enum kmemleak_space space, unsigned long addr);
/* A verdict on a set made empty first. Returns its answer. */
int host_episode(struct host *h, const struct kmemleak_options *opt,
		 struct kmemleak_leaks *leaks);
bool host_reported(const struct kmemleak_leaks *leaks, unsigned long start);

/* How many locks this thread has taken. */
extern __thread unsigned long host_locks;

/* Is there a note of [start, end) in a block of this space? */
bool host_opaque(struct host *h, enum kmemleak_space space, unsigned long start,
		 unsigned long end);
/* Trims the pool until that is done. A grace period between is the caller's. */
void host_trim(struct host *h, bool all);

/* This thread's CPU number from now on. */
void host_set_cpu(unsigned int cpu);

#endif /* _KMEMLEAK_HOST_H */
