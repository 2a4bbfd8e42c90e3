// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads. Several workers allocate, free, shrink and annotate blocks, each on its own CPU,
 * and one more thread scans. Also built with TSan. No block in use may be reported, no
 * block may become unknown, and no entry may be lost.
 */
#include <pthread.h>
#include <sched.h>

#include "entry_move.h"
#include "host.h"
#include "index_lockless.h"

#define WORD		sizeof(long)
#define NR_WORKERS	3
#define SLOTS		128
#define SLOT_SIZE	256UL
#define SLAB_SIZE	(SLOTS * SLOT_SIZE)

static struct host *host;
static bool workers_done;

/* One worker. No other thread hands out the slots of its slab. */
struct worker {
	unsigned int cpu;
	u64 rng;
	unsigned long slab;
	unsigned long table;	/* root memory with the worker's pointers to its blocks */
	bool used[SLOTS];
	bool lost[SLOTS];
	unsigned long nr_lost;
	/*
	 * A worker keeps no pointer to an entry from one step to the next. Both members are
	 * written with release. Pairs with grace_period().
	 */
	unsigned long steps;
	bool over;
};

static struct worker workers[NR_WORKERS];

static unsigned long below(struct worker *w, unsigned long n)
{
	return host_rand_from(&w->rng) % n;
}

static unsigned long slot_addr(struct worker *w, unsigned int i)
{
	return w->slab + i * SLOT_SIZE;
}

static void worker_alloc(struct worker *w, unsigned int i)
{
	unsigned long addr = slot_addr(w, i);

	REQUIRE(host_add(host, KMEMLEAK_VIRT, addr, 64 + below(w, 190), 1) == KMEMLEAK_OK);
	host_store(host, addr + 8, 0);
	host_store(host, w->table + i * WORD, addr + below(w, 64));
	w->used[i] = true;
}

static void worker_free(struct worker *w, unsigned int i)
{
	host_store(host, w->table + i * WORD, 0);
	REQUIRE(kmemleak_block_remove(&host->t, KMEMLEAK_VIRT, slot_addr(w, i)) == KMEMLEAK_OK);
	w->used[i] = false;
}

static void worker_step(struct worker *w)
{
	unsigned int i = below(w, SLOTS), j = below(w, SLOTS);
	unsigned long addr = slot_addr(w, i);

	if (w->lost[i])
		return;
	if (!w->used[i]) {
		worker_alloc(w, i);
		return;
	}
	switch (below(w, 10)) {
	case 0 ... 3:
		worker_free(w, i);
		break;
	case 4:
		/* The block points to another one for a while. */
		host_store(host, addr + 8, w->used[j] ? slot_addr(w, j) : 0);
		break;
	case 5:
		kmemleak_block_annotate(&host->t, KMEMLEAK_VIRT, addr + below(w, 64),
					KMEMLEAK_ANNOTATE_NO_SCAN + below(w, 2));
		break;
	case 6:
		kmemleak_block_add_area(&host->t, addr + 8, 8);
		break;
	case 7:
		/* The last bytes are freed. The root points to one of the first 64 bytes. */
		kmemleak_block_remove_part(&host->t, KMEMLEAK_VIRT, addr + 64, 190);
		break;
	case 8:
		kmemleak_block_set_trace(&host->t, addr, 9);
		/* Meanwhile callers make mistakes. */
		kmemleak_block_remove(&host->t, KMEMLEAK_VIRT, addr + 3);
		kmemleak_block_remove(&host->t, KMEMLEAK_VIRT, HOST_MODULES + addr % 4096);
		break;
	default:
		/* Now and then a block is lost for good. */
		if (w->nr_lost < SLOTS / 8 && below(w, 20) == 0) {
			host_store(host, w->table + i * WORD, 0);
			w->lost[i] = true;
			w->nr_lost++;
		}
	}
}

/* For a moment there are many more entries. */
static void worker_peak(struct worker *w)
{
	unsigned long addr = HOST_VMALLOC + w->cpu * SLAB_SIZE, i;

	for (i = 0; i < SLOTS; i++)
		REQUIRE(host_add(host, KMEMLEAK_VIRT, addr + i * 64, 32, -1) == KMEMLEAK_OK);
	for (i = 0; i < SLOTS; i++)
		REQUIRE(kmemleak_block_remove(&host->t, KMEMLEAK_VIRT, addr + i * 64) ==
			KMEMLEAK_OK);
}

/* Workers go on until the scanning thread has released pages, or give up after many steps. */
static bool enough(unsigned long steps)
{
	return steps >= host_rounds(200000) &&
	       (host_counter(host, KMEMLEAK_CNT_PAGES_RETURNED) || steps >= 20000000);
}

static void *work(void *arg)
{
	struct worker *w = arg;
	unsigned long n;

	host_set_cpu(w->cpu);
	for (n = 0; !enough(n) && !READ_ONCE(host_failures); n++) {
		worker_step(w);
		if (n % 200 == 0)
			worker_peak(w);
		__atomic_fetch_add(&w->steps, 1, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&w->over, true, __ATOMIC_RELEASE);
	return NULL;
}

/* Waits until each worker has ended the step that it is in. */
static void grace_period(void)
{
	unsigned int i;

	for (i = 0; i < NR_WORKERS; i++) {
		struct worker *w = &workers[i];
		unsigned long steps = __atomic_load_n(&w->steps, __ATOMIC_ACQUIRE);

		while (__atomic_load_n(&w->steps, __ATOMIC_ACQUIRE) == steps &&
		       !__atomic_load_n(&w->over, __ATOMIC_ACQUIRE))
			host_relax();
	}
}

/* Between scans, moves entries and releases pages while the workers go on. */
static void trim(void)
{
	LIST_HEAD(pages);

	kmemleak_pool_trim(&host->t, &pages, true, kmemleak_entry_move);
	grace_period();
	kmemleak_pool_release(&host->t, &pages);
}

/*
 * Scans. This thread cannot check which blocks are in use, because the workers go on. So
 * the leaks are checked after the workers have ended, see test_storm().
 */
static void *scan(void *arg)
{
	struct kmemleak_options opt = host_all_options;
	unsigned long *scans = arg;
	bool done;

	opt.workers = 2;
	host_set_cpu(NR_WORKERS);
	do {
		struct kmemleak_leak_set leaks;
		struct kmemleak_leak *leak;

		/*
		 * Make one more scan after all workers have ended, even if this thread got
		 * no CPU time before.
		 */
		done = __atomic_load_n(&workers_done, __ATOMIC_ACQUIRE);
		REQUIRE(host_scan_whole(host, &opt, &leaks) == 0);
		trim();
		list_for_each_entry(leak, &leaks.list, list)
			kmemleak_leak_set_is_alive(&host->t, leak);
		kmemleak_leak_set_free(&host->t, &leaks);
		++*scans;
	} while (!done);
	return NULL;
}

/* Workers and scans at the same time. */
static void test_storm(void)
{
	unsigned int i, c, lost = 0;
	pthread_t thread[NR_WORKERS + 1];
	unsigned long scans = 0;
	struct kmemleak_leak_set leaks;

	host = host_new(4);
	host->others_run = true;
	host_map(host, HOST_DIRECT, NR_WORKERS * SLAB_SIZE);
	host_map(host, HOST_IMAGE, NR_WORKERS * SLOTS * WORD);
	host_add_root(host, HOST_IMAGE, HOST_IMAGE + NR_WORKERS * SLOTS * WORD);
	for (i = 0; i < NR_WORKERS; i++) {
		workers[i].cpu = i;
		workers[i].rng = host_rand();
		workers[i].slab = HOST_DIRECT + i * SLAB_SIZE;
		workers[i].table = HOST_IMAGE + i * SLOTS * WORD;
	}
	REQUIRE(!pthread_create(&thread[NR_WORKERS], NULL, scan, &scans));
	for (i = 0; i < NR_WORKERS; i++)
		REQUIRE(!pthread_create(&thread[i], NULL, work, &workers[i]));
	for (i = 0; i < NR_WORKERS; i++)
		pthread_join(thread[i], NULL);
	__atomic_store_n(&workers_done, true, __ATOMIC_RELEASE);
	pthread_join(thread[NR_WORKERS], NULL);
	CHECK(scans > 0);
	CHECK(host_counter(host, KMEMLEAK_CNT_PAGES_RETURNED) > 0);
	host->others_run = false;

	/* All threads have ended. Now no block in use may be reported, and lost blocks must be. */
	host_set_cpu(0);
	for (c = 0; c < 2; c++) {
		/* The first scan may leave out blocks that are annotated as transient. */
		CHECK_EQ(host_scan_whole(host, &host_all_options, &leaks), 0);
		for (i = 0; i < NR_WORKERS * SLOTS; i++) {
			struct worker *w = &workers[i / SLOTS];
			unsigned long addr = slot_addr(w, i % SLOTS);
			bool reported = host_reported(&leaks, addr);

			if (!w->lost[i % SLOTS])
				CHECK(!reported);
			else if (c)
				/* A stale pointer in another block may lead to this block. */
				lost += reported;
			CHECK_EQ(host_tracked(host, KMEMLEAK_VIRT, addr), w->used[i % SLOTS]);
		}
		kmemleak_leak_set_free(&host->t, &leaks);
	}
	CHECK(lost > 0);
	CHECK_EQ(host_counter(host, KMEMLEAK_CNT_DUPLICATE), 0);
	CHECK_EQ(host_counter(host, KMEMLEAK_CNT_OVERLAP), 0);
	CHECK_EQ(host_counter(host, KMEMLEAK_CNT_NO_ENTRY), 0);
	for (i = 0; i < NR_WORKERS; i++)
		for (c = 0; c < SLOTS; c++)
			if (workers[i].used[c])
				worker_free(&workers[i], c);
	CHECK_EQ(host_nr_objects(host), 0);
	CHECK_EQ(kmemleak_pool_in_use(&host->t), 0);
	CHECK(!host->t.failed);
	host_free(host);
}

#define NR_BROAD	3000

/* Between the blocks of host_broad(), other blocks come and go. */
static void *churn(void *arg)
{
	struct worker *w = arg;

	host_set_cpu(w->cpu);
	while (!__atomic_load_n(&workers_done, __ATOMIC_ACQUIRE)) {
		unsigned long addr = w->slab + 64 + below(w, NR_BROAD) * 128;

		REQUIRE(host_add(host, KMEMLEAK_VIRT, addr, 32, 1) == KMEMLEAK_OK);
		REQUIRE(kmemleak_block_remove(&host->t, KMEMLEAK_VIRT, addr) == KMEMLEAK_OK);
	}
	return NULL;
}

/*
 * Several markers, and trees that change meanwhile: each mark must reach all blocks of
 * host_broad().
 */
static void test_markers(void)
{
	struct kmemleak_options opt = {
		.rules = KMEMLEAK_ALL_RULES,
		.roots = KMEMLEAK_ALL_ROOTS,
		.workers = HOST_NR_CPUS,
	};
	unsigned int i, round;
	pthread_t thread;

	host = host_broad(NR_BROAD);
	workers_done = false;
	workers[0].cpu = 0;
	workers[0].rng = host_rand();
	workers[0].slab = HOST_DIRECT;
	REQUIRE(!pthread_create(&thread, NULL, churn, &workers[0]));
	host_set_cpu(1);
	for (round = 0; round < host_rounds(40); round++) {
		CHECK_EQ(host_mark(host, &opt), 0);
		for (i = 0; i < NR_BROAD; i++)
			CHECK(!host_white(host, KMEMLEAK_VIRT, HOST_DIRECT + i * 128));
	}
	__atomic_store_n(&workers_done, true, __ATOMIC_RELEASE);
	pthread_join(thread, NULL);
	host_set_cpu(0);
	CHECK(host->spawned > 0);
	host_free(host);
}

/* All threads use the pool and a comm table at once. */
static struct kmemleak_object *exchange[64];

static void *hammer(void *arg)
{
	struct worker *w = arg;
	unsigned long n;

	host_set_cpu(w->cpu);
	for (n = 0; n < host_rounds(40000); n++) {
		struct kmemleak_object *obj = kmemleak_pool_get(&host->t);
		char comm[KMEMLEAK_COMM_LEN] = {}, got[KMEMLEAK_COMM_LEN];
		u16 id;

		REQUIRE(obj);
		/* Another thread with the same entry would change these members. */
		obj->trace = w->cpu;
		obj->stamp = n;
		snprintf(comm, sizeof(comm), "task/%lu", below(w, 300));
		id = kmemleak_comm_intern(&host->t, comm, 0);
		kmemleak_comm_get(&host->t, id, 0, got);
		REQUIRE(id && !strcmp(comm, got));
		REQUIRE(obj->trace == w->cpu && obj->stamp == (u32)n);
		/* Entries are freed by other threads than those that took them. */
		obj = __atomic_exchange_n(&exchange[below(w, 64)], obj, __ATOMIC_ACQ_REL);
		if (obj)
			kmemleak_pool_put(&host->t, obj);
	}
	return NULL;
}

static void test_pool_and_names(void)
{
	pthread_t thread[HOST_NR_CPUS];
	static struct worker w[HOST_NR_CPUS];
	unsigned int i;

	host = host_new(4);
	for (i = 0; i < HOST_NR_CPUS; i++) {
		w[i].cpu = i;
		w[i].rng = host_rand();
		REQUIRE(!pthread_create(&thread[i], NULL, hammer, &w[i]));
	}
	for (i = 0; i < HOST_NR_CPUS; i++)
		pthread_join(thread[i], NULL);
	host_set_cpu(0);
	for (i = 0; i < ARRAY_SIZE(exchange); i++)
		if (exchange[i])
			kmemleak_pool_put(&host->t, exchange[i]);
	CHECK_EQ(kmemleak_pool_in_use(&host->t), 0);
	CHECK_EQ(kmemleak_comm_nr(&host->t), 300);
	host_free(host);
}

/* --------------------------------------------------- names that expire -- */

/* Odd while the worker is in a call. */
static unsigned int in_call[NR_WORKERS];

static void turn_call(unsigned int i)
{
	__atomic_fetch_add(&in_call[i], 1, __ATOMIC_SEQ_CST);
}

/* Does the work of the kernel's grace period. */
static void wait_for_calls(struct host *h)
{
	unsigned int i;

	for (i = 0; i < NR_WORKERS; i++) {
		unsigned int seen = __atomic_load_n(&in_call[i], __ATOMIC_SEQ_CST);

		while (seen % 2 && __atomic_load_n(&in_call[i], __ATOMIC_SEQ_CST) == seen)
			sched_yield();
	}
}

#define NR_NAMED	8

/* Allocates blocks under many task names. A block must keep its name until it is freed. */
static void *name_blocks(void *arg)
{
	struct worker *w = arg;
	unsigned int number[NR_NAMED] = { }, n;

	host_set_cpu(w->cpu);
	for (n = 0; n < host_rounds(40000); n++) {
		unsigned int i = below(w, NR_NAMED);
		unsigned long addr = slot_addr(w, i);
		char comm[KMEMLEAK_COMM_LEN] = { }, got[KMEMLEAK_COMM_LEN];
		const struct kmemleak_origin origin = { .comm = comm };
		struct kmemleak_object copy;

		if (number[i]) {
			snprintf(comm, sizeof(comm), "n%u", number[i]);
			REQUIRE(kmemleak_block_get(&host->t, KMEMLEAK_VIRT, addr, &copy));
			kmemleak_comm_get(&host->t, copy.comm, copy.pid, got);
			CHECK(!copy.comm || !strcmp(comm, got));
		}
		turn_call(w->cpu);
		if (number[i])
			kmemleak_block_remove(&host->t, KMEMLEAK_VIRT, addr);
		number[i] = 1 + below(w, 4 * KMEMLEAK_COMM_TABLE_SIZE);
		snprintf(comm, sizeof(comm), "n%u", number[i]);
		kmemleak_block_add(&host->t, KMEMLEAK_VIRT, addr, 64, 1, &origin);
		turn_call(w->cpu);
	}
	__atomic_fetch_add(&w->nr_lost, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Names expire while blocks with these names come and go. */
static void test_names_age(void)
{
	pthread_t thread[NR_WORKERS];
	unsigned int i, done;

	host = host_new(4);
	host->on_wait_for_hooks = wait_for_calls;
	for (i = 0; i < NR_WORKERS; i++) {
		workers[i] = (struct worker){
			.cpu = i, .rng = host_rand(), .slab = HOST_DIRECT + i * SLAB_SIZE,
		};
		REQUIRE(!pthread_create(&thread[i], NULL, name_blocks, &workers[i]));
	}
	host_set_cpu(NR_WORKERS);
	do {
		for (i = 0, done = 0; i < NR_WORKERS; i++)
			done += __atomic_load_n(&workers[i].nr_lost, __ATOMIC_ACQUIRE);
		/*
		 * Make one more call after all workers have ended: by then the tables are
		 * full for certain.
		 */
		CHECK_EQ(kmemleak_comm_expire(&host->t), 0);
	} while (done < NR_WORKERS);
	for (i = 0; i < NR_WORKERS; i++)
		pthread_join(thread[i], NULL);
	CHECK(host->waits > 0);
	host_set_cpu(0);
	host_free(host);
}

/* -------------------------------------------------------- opaque blocks -- */

#define NR_STAY		50

/* Adds and removes opaque blocks. Only a block that this thread has added may be found. */
static void *lose_blocks(void *arg)
{
	struct worker *w = arg;
	unsigned long n;

	host_set_cpu(w->cpu);
	for (n = 0; n < host_rounds(60000); n++) {
		unsigned int i = below(w, SLOTS);
		unsigned long addr = slot_addr(w, i);

		CHECK_EQ(kmemleak_opaque_remove(&host->t, KMEMLEAK_VIRT, addr), w->used[i]);
		CHECK(!kmemleak_opaque_remove(&host->t, KMEMLEAK_VIRT, addr + 8));
		w->used[i] = below(w, 2);
		if (w->used[i])
			kmemleak_opaque_add(&host->t, KMEMLEAK_VIRT, addr, 64);
	}
	for (n = 0; n < SLOTS; n++)
		CHECK_EQ(kmemleak_opaque_remove(&host->t, KMEMLEAK_VIRT, slot_addr(w, n)),
			 w->used[n]);
	__atomic_fetch_add(&w->nr_lost, 1, __ATOMIC_RELEASE);
	return NULL;
}

/* Meanwhile each walk over the table must return all blocks that stay. */
static void test_opaque(void)
{
	pthread_t thread[NR_WORKERS];
	unsigned int i, done;

	host = host_new(8);
	for (i = 0; i < NR_STAY; i++)
		kmemleak_opaque_add(&host->t, KMEMLEAK_PHYS, HOST_PHYS + i * 64, 64);
	for (i = 0; i < NR_WORKERS; i++) {
		workers[i] = (struct worker){
			.cpu = i, .rng = host_rand(), .slab = HOST_DIRECT + i * SLAB_SIZE,
		};
		REQUIRE(!pthread_create(&thread[i], NULL, lose_blocks, &workers[i]));
	}
	do {
		struct kmemleak_block block;
		unsigned int stayed = 0;
		u32 cursor = 0;

		while (kmemleak_opaque_next(&host->t, &cursor, &block))
			stayed += block.space == KMEMLEAK_PHYS;
		CHECK_EQ(stayed, NR_STAY);
		for (i = 0, done = 0; i < NR_WORKERS; i++)
			done += __atomic_load_n(&workers[i].nr_lost, __ATOMIC_ACQUIRE);
	} while (done < NR_WORKERS);
	for (i = 0; i < NR_WORKERS; i++)
		pthread_join(thread[i], NULL);
	CHECK_EQ(host->t.opaque.nr, NR_STAY);
	CHECK_EQ(host->t.opaque.missed, 0);
	host_free(host);
}

#define NR_NEIGHBOURS	64

/*
 * Blocks on both sides of one that stays come and go. So the tree is rebalanced again and
 * again.
 */
static void *rebuild(void *arg)
{
	unsigned long n, i;

	host_set_cpu(1);
	for (n = 0; n < host_rounds(3000); n++) {
		for (i = 0; i < NR_NEIGHBOURS; i++)
			if (i != NR_NEIGHBOURS / 2)
				host_add(host, KMEMLEAK_VIRT, HOST_DIRECT + i * 64, 64, 1);
		for (i = 0; i < NR_NEIGHBOURS; i++)
			if (i != NR_NEIGHBOURS / 2)
				kmemleak_block_remove(&host->t, KMEMLEAK_VIRT,
						      HOST_DIRECT + i * 64);
	}
	__atomic_store_n(&workers_done, true, __ATOMIC_RELEASE);
	return NULL;
}

/* A look-up without a lock may be unstable. If it is stable, its result must be right. */
static void test_lookup_lockless(void)
{
	const unsigned long addr = HOST_DIRECT + NR_NEIGHBOURS / 2 * 64;
	unsigned long told = 0, wrong = 0;
	/* By turns an address inside the block and an address in no block. */
	const unsigned long many[4] = {
		addr + 63, HOST_DIRECT - 1, addr, HOST_DIRECT - 1,
	};
	struct kmemleak_lookup_result seen[2 + ARRAY_SIZE(many)];
	pthread_t thread;
	bool done;

	host = host_new(4);
	workers_done = false;
	REQUIRE(host_add(host, KMEMLEAK_VIRT, addr, 64, 1) == KMEMLEAK_OK);
	REQUIRE(!pthread_create(&thread, NULL, rebuild, NULL));
	do {
		unsigned int i;

		done = __atomic_load_n(&workers_done, __ATOMIC_ACQUIRE);
		kmemleak_index_lookup(&host->t, KMEMLEAK_VIRT, &many[0], &seen[0], 1);
		kmemleak_index_lookup(&host->t, KMEMLEAK_VIRT, &many[1], &seen[1], 1);
		kmemleak_index_lookup(&host->t, KMEMLEAK_VIRT, many, &seen[2], ARRAY_SIZE(many));
		for (i = 0; i < ARRAY_SIZE(seen); i++) {
			bool there = !(i % 2);

			told += seen[i].stable && there;
			wrong += seen[i].stable && seen[i].found != there;
			wrong += seen[i].found && !(seen[i].flags & KMEMLEAK_LIVE);
		}
	} while (!done);
	pthread_join(thread, NULL);
	host_set_cpu(0);
	CHECK(told > 0);
	CHECK_EQ(wrong, 0);
	host_free(host);
}

const struct host_case thread_cases[] = {
	{ "storm", test_storm },
	{ "markers", test_markers },
	{ "pool_and_names", test_pool_and_names },
	{ "names_age", test_names_age },
	{ "opaque", test_opaque },
	{ "lookup_lockless", test_lookup_lockless },
	{ }
};
