/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Shared by the parts of the torture module: the table of blocks with a known answer, the
 * list of blocks to free, and the commands.
 *
 * The module must hold no block by accident. So each address that it remembers is veiled,
 * and commands run in a thread that wipes its stack. The task that writes the command holds
 * a mutex while the thread runs, so commands run one at a time.
 */
#ifndef _KMEMLEAK_TORTURE_H
#define _KMEMLEAK_TORTURE_H

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/kmemleak.h>
#include <linux/slab.h>
#include <linux/types.h>

/* XORed with this, an address becomes a number that is no address. XORed again, it is back. */
#define TORTURE_VEIL	(~0UL / 0xff * 0x5a)

static inline unsigned long torture_veil(const void *ptr)
{
	return (unsigned long)ptr ^ TORTURE_VEIL;
}

static inline void *torture_unveil(unsigned long veiled)
{
	return (void *)(veiled ^ TORTURE_VEIL);
}

enum torture_expected {
	TORTURE_LIVE,		/* must not be reported */
	TORTURE_LOST,		/* must be reported, with this size */
};

/* How torture_reset() frees a block. */
enum torture_kind {
	TORTURE_KMALLOC,
	TORTURE_VMALLOC,
	TORTURE_PERCPU,
	TORTURE_PAGES,		/* alloc_pages_exact() */
	TORTURE_REGISTERED,		/* registered by kmemleak_alloc() */
	TORTURE_REGISTERED_PHYS,	/* registered by kmemleak_alloc_phys() */
	TORTURE_REGISTERED_PERCPU,	/* registered by kmemleak_alloc_percpu() */
};

/* torture.c */
int torture_reserve(unsigned int nr);
int torture_reserve_more(unsigned int nr, unsigned int most);
void torture_reset(void);
void torture_own(const void *ptr, size_t size, enum torture_kind kind);
void torture_expect(const void *ptr, size_t size, enum torture_expected verdict);
void torture_expect_percpu(const void __percpu *ptr, size_t size,
			   enum torture_expected verdict);
void torture_expect_trace(const void *ptr, size_t size, const char *function);
void torture_new_answers(void);
void torture_say(const char *fmt, ...) __printf(1, 2);
void torture_wipe_stack(int depth);

void torture_shrink(size_t size);
int torture_decoys(size_t size, unsigned int nr);

/* Allocates a block without zeroing it. torture_reset() frees it. */
void *torture_kmalloc(size_t size);
/* Allocate zeroed blocks. torture_reset() frees them. */
void *torture_kzalloc(size_t size);
void *torture_vzalloc(size_t size);
void *torture_pages(size_t size);
void __percpu *torture_percpu(size_t size);

/* torture_api.c: calls @function in an NMI on this CPU. -EOPNOTSUPP: no way to do that. */
int torture_in_nmi(void (*function)(void));

/*
 * torture_fence.c: does KFENCE serve allocations? Allocates a block from its pool, of @cache
 * if that is not NULL.
 */
bool torture_has_fences(void);
void *torture_fenced(size_t size, struct kmem_cache *cache);

/* torture_peak.c: takes all pages that allocations with these flags can get, or frees them. */
void torture_hoard(struct list_head *pages, gfp_t gfp);
void torture_release(struct list_head *pages);

/*
 * A stray value can look like a reference, and hides one lost block in a few thousand. So a
 * scene is set up several times. torture_scene is the number of the present one: each has
 * places of its own for references.
 */
#define TORTURE_NR_SCENES	16
extern unsigned int torture_scene;

/* Variables in which scenes store references to blocks. torture_reset() clears them. */
#define TORTURE_NR_SLOTS	16
extern void *torture_slots[TORTURE_NR_SCENES][TORTURE_NR_SLOTS];

static inline void **torture_slot(unsigned int i)
{
	return &torture_slots[torture_scene][i];
}

/**
 * struct torture_pair - a scene with and without one thing: an annotation or a reference
 * @name: as in "pair <name> <on|off>"
 * @run: sets up the scene; on: with it
 */
struct torture_pair {
	const char *name;
	int (*run)(bool on);
};

/* torture_annotations.c, torture_roots.c; each ends with an empty entry. */
extern const struct torture_pair torture_annotations[];
extern const struct torture_pair torture_roots[];
int torture_roots_init(void);
void torture_roots_reset(void);
void torture_roots_exit(void);

/* Commands. @argv: the words after the command's name. */
int torture_api(int argc, char **argv);
int torture_born(int argc, char **argv);
int torture_churn(int argc, char **argv);
int torture_clock(int argc, char **argv);
int torture_peak(int argc, char **argv);
int torture_starve(int argc, char **argv);
int torture_fence(int argc, char **argv);
int torture_graph(int argc, char **argv);
int torture_halt(int argc, char **argv);
int torture_interrupts(int argc, char **argv);
int torture_lose(int argc, char **argv);
int torture_mistakes(int argc, char **argv);
int torture_moves(int argc, char **argv);
int torture_named(int argc, char **argv);
int torture_old(int argc, char **argv);
int torture_more_decoys(int argc, char **argv);
int torture_rcu(int argc, char **argv);
int torture_registers(int argc, char **argv);
int torture_shortage(int argc, char **argv);
int torture_storm(int argc, char **argv);
int torture_traces(int argc, char **argv);
int torture_written(int argc, char **argv);

void torture_churn_reset(void);
void torture_clock_reset(void);
void torture_peak_reset(void);
void torture_fence_reset(void);
void torture_graph_reset(void);
void torture_leaks_reset(void);
void torture_old_reset(void);
void torture_rcu_reset(void);
void torture_rules_reset(void);

#endif /* _KMEMLEAK_TORTURE_H */
