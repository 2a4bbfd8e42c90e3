// SPDX-License-Identifier: GPL-2.0-only
/*
 * Allocates many blocks and keeps them, in a shape that a scan has to follow. Reports by how
 * much free memory shrank. To find the detector's part of that, make the same run without
 * the detector.
 *
 *   list      each object points to the next one
 *   random    a tree in random order, and four random pointers more for each object
 *   buffers   a list that also points to as many as 4096 buffers of 64 KiB, which hold no
 *             pointers
 *   integers  a list of objects that are otherwise full of small integers
 */

#include <linux/err.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/prandom.h>
#include <linux/sched.h>
#include <linux/sizes.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/vmalloc.h>

#include "bench.h"

#define SLOTS		14
#define CHILDREN	4
#define RANDOM_LINKS	4
#define BUFFERS		4096
#define MAX_OBJECTS	20000000

enum shape { LIST, RANDOM, BUFFERS_ON_LIST, INTEGERS };

static const char * const shape_names[] = { "list", "random", "buffers", "integers" };

/**
 * struct node - one object, 128 bytes on a 64-bit machine
 * @veiled: inverted address of the next object in order of allocation, so not a pointer.
 *	bench_drop() follows it.
 * @next: pointer to the next object, in shapes that are lists
 * @slot: depends on the shape
 */
struct node {
	unsigned long veiled;
	void *next;
	void *slot[SLOTS];
};

/* Scans reach all objects from @head. bench_drop() begins at @veiled_head. */
static struct node *head;
static unsigned long veiled_head = ~0UL;
static bool have_buffers;

static unsigned long veil(struct node *node)
{
	return ~(unsigned long)node;
}

static struct node *unveil(unsigned long veiled)
{
	return (struct node *)~veiled;
}

static long pages_free(void)
{
	struct sysinfo info;

	si_meminfo(&info);
	return info.freeram;
}

int bench_drop(unsigned int words, char **word)
{
	struct node *node = unveil(veiled_head);
	unsigned long done = 0;

	if (words)
		return -EINVAL;
	head = NULL;
	veiled_head = veil(NULL);
	while (node) {
		struct node *next = unveil(node->veiled);

		if (have_buffers)
			kfree(node->slot[SLOTS - 1]);
		kfree(node);
		node = next;
		if (!(++done % 1024))
			cond_resched();
	}
	return 0;
}

static noinline int lose_one(void)
{
	struct node *lost = kmalloc(sizeof(*lost), GFP_KERNEL);

	OPTIMIZER_HIDE_VAR(lost);
	return lost ? 0 : -ENOMEM;
}

/* lose: allocates blocks and loses them. They are never freed. */
int bench_lose(unsigned int words, char **word)
{
	unsigned int i, count = 1;
	int err = 0;

	if (words > 1 || (words && (kstrtouint(word[0], 0, &count) || count > MAX_OBJECTS)))
		return -EINVAL;
	for (i = 0; i < count && !err; i++) {
		err = lose_one();
		if (!(i % 1024))
			cond_resched();
	}
	return err;
}

static struct node *add_node(struct node *last)
{
	struct node *node = kzalloc(sizeof(*node), GFP_KERNEL);

	if (!node)
		return NULL;
	node->veiled = veil(NULL);
	if (last)
		last->veiled = veil(node);
	else
		veiled_head = veil(node);
	return node;
}

static void *make_buffer(void)
{
	unsigned char *buffer = kmalloc(SZ_64K, GFP_KERNEL);

	/* Like text: no word of it can be an address. */
	if (buffer)
		memset(buffer, 'a', SZ_64K);
	return buffer;
}

static int make_list(unsigned int count, enum shape shape)
{
	unsigned int i, k, every = max(count / BUFFERS, 1U);
	struct node *node, *last = NULL;

	for (i = 0; i < count; i++) {
		node = add_node(last);
		if (!node)
			return -ENOMEM;
		if (last)
			last->next = node;
		else
			head = node;
		if (shape == INTEGERS)
			for (k = 0; k < SLOTS - 1; k++)
				node->slot[k] = (void *)(unsigned long)(i % 1000 + k);
		if (shape == BUFFERS_ON_LIST && i % every == 0 && i / every < BUFFERS) {
			node->slot[SLOTS - 1] = make_buffer();
			if (!node->slot[SLOTS - 1])
				return -ENOMEM;
		}
		last = node;
		if (!(i % 1024))
			cond_resched();
	}
	return 0;
}

/*
 * Hangs @node below a random earlier object. Some object has room, because each adds room
 * for four.
 */
static void adopt(struct node **all, unsigned int count, struct node *node,
		  struct rnd_state *rnd)
{
	unsigned int k;

	for (;;) {
		struct node *parent = all[prandom_u32_state(rnd) % count];

		for (k = 0; k < CHILDREN; k++) {
			if (!parent->slot[k]) {
				parent->slot[k] = node;
				return;
			}
		}
	}
}

static int make_random(unsigned int count)
{
	struct node **all = vmalloc(array_size(count, sizeof(*all)));
	struct rnd_state rnd;
	unsigned int i, k;

	if (!all)
		return -ENOMEM;
	prandom_seed_state(&rnd, 1);
	for (i = 0; i < count; i++) {
		all[i] = add_node(i ? all[i - 1] : NULL);
		if (!all[i])
			break;
		if (i)
			adopt(all, i, all[i], &rnd);
		else
			head = all[0];
		if (!(i % 1024))
			cond_resched();
	}
	for (k = 0; k < RANDOM_LINKS * i; k++) {
		all[k % i]->slot[CHILDREN + k / i] = all[prandom_u32_state(&rnd) % i];
		if (!(k % 1024))
			cond_resched();
	}
	vfree(all);
	return i == count ? 0 : -ENOMEM;
}

/* populate <objects> <shape> */
int bench_populate(unsigned int words, char **word)
{
	unsigned int count;
	long before;
	int shape, err;
	u64 start;

	if (words != 2 || kstrtouint(word[0], 0, &count) || !count || count > MAX_OBJECTS)
		return -EINVAL;
	shape = match_string(shape_names, ARRAY_SIZE(shape_names), word[1]);
	if (shape < 0)
		return -EINVAL;
	if (head)
		return -EBUSY;
	before = pages_free();
	start = ktime_get_ns();
	have_buffers = shape == BUFFERS_ON_LIST;
	err = shape == RANDOM ? make_random(count) : make_list(count, shape);
	start = ktime_get_ns() - start;
	bench_result("populate", "ns", "%llu", start);
	bench_result("memory", "bytes", "%lld", (s64)(before - pages_free()) * PAGE_SIZE);
	bench_result("free_before", "bytes", "%lld", (s64)before * PAGE_SIZE);
	return err;
}
