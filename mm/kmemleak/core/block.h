/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Blocks come, go and are annotated: block.c and annotate.c.
 *
 * Context of all functions: any but NMI; the caller prevents kmemleak_tracker_reset().
 */
#ifndef _KMEMLEAK_BLOCK_H
#define _KMEMLEAK_BLOCK_H

#include "object.h"

struct kmemleak_tracker;

/**
 * struct kmemleak_origin - who allocated a block and when
 * @trace: handle of the stack trace, 0: none
 * @born: low half of jiffies
 * @clock: about nanoseconds since any moment in the past; may stand still for a tick
 * @pid: allocating task, 0 in interrupt context
 * @unrequested: bytes of the block that the caller did not request
 * @context: context of the call
 * @comm: the task's name, KMEMLEAK_COMM_LEN bytes, or NULL
 *
 * Collected before any lock is taken.
 */
struct kmemleak_origin {
	u32 trace;
	u32 born;
	u32 clock;
	s32 pid;
	u32 unrequested;
	enum kmemleak_context context;
	const char *comm;
};

/* Results of the calls below. The caller turns errors into messages. */
enum kmemleak_result {
	KMEMLEAK_OK,
	KMEMLEAK_BAD_ADDR,
	KMEMLEAK_BAD_SIZE,
	KMEMLEAK_WRAPS,
	KMEMLEAK_NOT_FOUND,
	KMEMLEAK_REPLACED,	/* tracked; an older object of the same start was removed */
	KMEMLEAK_OVERLAPS,	/* not tracked: opaque */
	KMEMLEAK_OUTSIDE,	/* part reaches outside of its block */
	KMEMLEAK_NO_MEMORY,	/* block: opaque; area: lost; alias: its target is a root */
	KMEMLEAK_NR_RESULTS,
};

/* Annotations, for a block given by any address inside it. */
enum kmemleak_annotation {
	KMEMLEAK_ANNOTATE_NOT_LEAK,	/* a root from now on */
	KMEMLEAK_ANNOTATE_IGNORE,	/* black from now on */
	KMEMLEAK_ANNOTATE_NO_SCAN,	/* contents hold no references */
	KMEMLEAK_ANNOTATE_TRANSIENT,	/* a root for the next scan */
};

/* block.c */
enum kmemleak_result kmemleak_check_addr(struct kmemleak_tracker *t, enum kmemleak_space space,
					 unsigned long addr);
enum kmemleak_result kmemleak_check_range(struct kmemleak_tracker *t, enum kmemleak_space space,
					  unsigned long start, size_t size);
enum kmemleak_result kmemleak_block_add(struct kmemleak_tracker *t, enum kmemleak_space space,
					unsigned long start, size_t size, int min_count,
					const struct kmemleak_origin *origin);
enum kmemleak_result kmemleak_block_remove(struct kmemleak_tracker *t, enum kmemleak_space space,
					   unsigned long start);
enum kmemleak_result kmemleak_block_remove_part(struct kmemleak_tracker *t,
						enum kmemleak_space space, unsigned long start,
						size_t size);
void kmemleak_block_remove_all(struct kmemleak_tracker *t, enum kmemleak_space space,
			       unsigned long start, size_t size);
bool kmemleak_block_get(struct kmemleak_tracker *t, enum kmemleak_space space,
			unsigned long addr, struct kmemleak_object *copy);

/* annotate.c */
enum kmemleak_result kmemleak_block_annotate(struct kmemleak_tracker *t, enum kmemleak_space space,
					     unsigned long addr,
					     enum kmemleak_annotation annotation);
enum kmemleak_result kmemleak_block_set_trace(struct kmemleak_tracker *t, unsigned long addr,
					      u32 trace);
enum kmemleak_result kmemleak_block_add_area(struct kmemleak_tracker *t, unsigned long start,
					     size_t size);
enum kmemleak_result kmemleak_block_add_alias(struct kmemleak_tracker *t, unsigned long addr,
					      unsigned long target);
#endif /* _KMEMLEAK_BLOCK_H */
