// SPDX-License-Identifier: GPL-2.0-only
/*
 * Preexisting memory: blocks from before tracking was turned on. The selftest live.sh turns
 * tracking off and on between these commands:
 *
 *   old hold     while it is off: allocates holders of all kinds. Frees pairs of blocks, one
 *		  of which points to the other, the ghost.
 *   old hang     while it is on: allocates blocks to which only the holders point. They must
 *		  be live.
 *   old drop     after "old hang": frees the holders. Those blocks must be lost.
 *   old revive   while it is on: allocates lost blocks where the ghosts were. Addresses that
 *		  are left in free memory must not hide them.
 */
#include <linux/gfp.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "torture.h"

#define NR_EACH		16
#define NR_GHOSTS	64
#define HUNG_SIZE	192
#define HOLDER_SIZE	512
#define LARGE_SIZE	(4 * PAGE_SIZE)	/* too large for a slab */
#define LARGE_ORDER	2

/*
 * Where a holder's pointer lies: in the last page, and in a slab far from the words that the
 * free list and KASAN write.
 */
#define WHERE(size)	((size) - 4 * sizeof(void *))

enum holder_kind {
	HOLDER_SLAB,
	HOLDER_FENCED,		/* from KFENCE's pool, if it serves any */
	HOLDER_LARGE,
	HOLDER_VMALLOC,
	HOLDER_PAGES,		/* without __GFP_COMP: only the first page has a count */
	HOLDER_PERCPU,
	NR_HOLDERS,
};

/* All addresses are veiled. */
static unsigned long holders[NR_HOLDERS][NR_EACH];
static unsigned long hung[NR_HOLDERS][NR_EACH];
/* Freed while tracking was off. Free slots still hold their addresses. */
static unsigned long ghosts[NR_GHOSTS];

static void *new_holder(enum holder_kind kind)
{
	switch (kind) {
	case HOLDER_SLAB:
		return kzalloc(HOLDER_SIZE, GFP_KERNEL);
	case HOLDER_FENCED:
		return torture_has_fences() ? torture_fenced(HOLDER_SIZE, NULL) :
					      kzalloc(HOLDER_SIZE, GFP_KERNEL);
	case HOLDER_LARGE:
		return kzalloc(LARGE_SIZE, GFP_KERNEL);
	case HOLDER_VMALLOC:
		return vzalloc(LARGE_SIZE);
	case HOLDER_PAGES:
		return (void *)__get_free_pages(GFP_KERNEL | __GFP_ZERO, LARGE_ORDER);
	case HOLDER_PERCPU:
		return (__force void *)__alloc_percpu(HOLDER_SIZE, sizeof(long));
	default:
		return NULL;
	}
}

static void free_holder(enum holder_kind kind, void *holder)
{
	switch (kind) {
	case HOLDER_SLAB:
	case HOLDER_FENCED:
	case HOLDER_LARGE:
		kfree(holder);
		break;
	case HOLDER_VMALLOC:
		vfree(holder);
		break;
	case HOLDER_PAGES:
		free_pages((unsigned long)holder, LARGE_ORDER);
		break;
	case HOLDER_PERCPU:
		free_percpu((void __percpu __force *)holder);
		break;
	default:
		break;
	}
}

static void **place_in(enum holder_kind kind, void *holder)
{
	void *copy = holder;
	size_t size = LARGE_SIZE;

	if (kind == HOLDER_SLAB || kind == HOLDER_FENCED || kind == HOLDER_PERCPU)
		size = HOLDER_SIZE;
	if (kind == HOLDER_PERCPU)
		copy = per_cpu_ptr((void __percpu __force *)holder,
				   cpumask_last(cpu_possible_mask));
	return copy + WHERE(size);
}

static noinline int hold(void)
{
	unsigned int kind, i;

	for (kind = 0; kind < NR_HOLDERS; kind++) {
		for (i = 0; i < NR_EACH; i++) {
			void *holder = new_holder(kind);

			if (!holder)
				return -ENOMEM;
			holders[kind][i] = torture_veil(holder);
		}
	}
	return 0;
}

/* Blocks that kvfree_rcu() queues before the ghosts, in the same page. */
#define IN_FRONT	256
/* By then kvfree_rcu() has most likely freed the queued blocks. If not, the test is repeated. */
#define QUEUED_FOR	(6 * HZ)

static int queue_in_front(void)
{
	unsigned int i;

	for (i = 0; i < IN_FRONT; i++) {
		void *block = kzalloc(sizeof(long), GFP_KERNEL);

		if (!block)
			return -ENOMEM;
		kvfree_rcu_mightsleep(block);
	}
	return 0;
}

/*
 * Frees pairs of blocks, of which one points to the other, the ghost. The blocks between
 * them stay allocated, so that no slab is freed. The ghosts' addresses stay in pages of
 * kvfree_rcu() as well.
 */
static noinline int leave_ghosts(void)
{
	void *stale[NR_GHOSTS] = { };
	unsigned int i;
	int ret = 0;

	for (i = 0; i < NR_GHOSTS; i++) {
		void *block = kzalloc(HUNG_SIZE, GFP_KERNEL);

		stale[i] = kzalloc(HOLDER_SIZE, GFP_KERNEL);
		if (!block || !stale[i] || !torture_kzalloc(HUNG_SIZE) ||
		    !torture_kzalloc(HOLDER_SIZE))
			ret = -ENOMEM;
		if (stale[i])
			WRITE_ONCE(*place_in(HOLDER_SLAB, stale[i]), block);
		ghosts[i] = torture_veil(block);
	}
	ret = ret ?: queue_in_front();
	for (i = 0; i < NR_GHOSTS; i++) {
		kfree(stale[i]);
		kvfree_rcu_mightsleep(torture_unveil(ghosts[i]));
	}
	memzero_explicit(stale, sizeof(stale));
	schedule_timeout_uninterruptible(QUEUED_FOR);
	return ret;
}

static noinline int hang(void)
{
	unsigned int kind, i;

	torture_new_answers();
	for (kind = 0; kind < NR_HOLDERS; kind++) {
		for (i = 0; i < NR_EACH; i++) {
			void *block = torture_kzalloc(HUNG_SIZE);

			if (!block)
				return -ENOMEM;
			*place_in(kind, torture_unveil(holders[kind][i])) = block;
			hung[kind][i] = torture_veil(block);
			torture_expect(block, HUNG_SIZE, TORTURE_LIVE);
		}
	}
	return 0;
}

/* The ghosts' slots are allocated again sooner or later. Other slots are of no interest. */
#define MOST_TRIES	4096

static bool is_ghost(const void *block)
{
	unsigned int i;

	for (i = 0; i < NR_GHOSTS; i++)
		if (ghosts[i] == torture_veil(block))
			return true;
	return false;
}

static noinline int revive_ghosts(void)
{
	unsigned int i, nr = 0;

	torture_new_answers();
	for (i = 0; i < MOST_TRIES && nr < NR_GHOSTS; i++) {
		void *block = torture_kzalloc(HUNG_SIZE);

		if (!block)
			return -ENOMEM;
		if (is_ghost(block)) {
			torture_expect(block, HUNG_SIZE, TORTURE_LOST);
			nr++;
		} else {
			kmemleak_ignore(block);
		}
	}
	torture_say("# ghosts %u\n", nr);
	return 0;
}

/* Frees the holders. The blocks to which they pointed are lost. */
static noinline int drop(void)
{
	unsigned int kind, i;

	torture_new_answers();
	for (kind = 0; kind < NR_HOLDERS; kind++) {
		for (i = 0; i < NR_EACH; i++) {
			torture_expect(torture_unveil(hung[kind][i]), HUNG_SIZE, TORTURE_LOST);
			free_holder(kind, torture_unveil(holders[kind][i]));
			holders[kind][i] = 0;
		}
	}
	return 0;
}

/* old hold, while tracking is off; then, while it is on: old revive, old hang, old drop */
int torture_old(int argc, char **argv)
{
	int ret;

	if (argc != 1)
		return -EINVAL;
	if (!strcmp(argv[0], "hold")) {
		torture_reset();
		ret = torture_reserve(2 * MOST_TRIES);
		return ret ?: leave_ghosts() ?: hold();
	}
	if (!holders[0][0] && !holders[HOLDER_PERCPU][0])
		return -EINVAL;
	if (!strcmp(argv[0], "hang"))
		return torture_decoys(HUNG_SIZE, 64) ?: hang();
	if (!strcmp(argv[0], "drop"))
		return hung[0][0] && holders[0][0] ? drop() : -EINVAL;
	if (!strcmp(argv[0], "revive"))
		return revive_ghosts();
	return -EINVAL;
}

void torture_old_reset(void)
{
	unsigned int kind, i;

	for (kind = 0; kind < NR_HOLDERS; kind++) {
		for (i = 0; i < NR_EACH; i++) {
			if (!holders[kind][i])
				continue;
			*place_in(kind, torture_unveil(holders[kind][i])) = NULL;
			free_holder(kind, torture_unveil(holders[kind][i]));
		}
	}
	memset(holders, 0, sizeof(holders));
	memset(hung, 0, sizeof(hung));
	memset(ghosts, 0, sizeof(ghosts));
}
