// SPDX-License-Identifier: GPL-2.0-only
/*
 * Stack traces of allocations, as handles of the stack depot. The only file
 * that unwinds.
 */
#include <linux/kernel.h>
#include <linux/stackdepot.h>
#include <linux/stacktrace.h>

#include "glue.h"

/* Frames kept: enough to tell call paths apart, and what parsers are used to. */
#define MAX_FRAMES	16

/* This function and the hook that calls it say nothing about the caller. */
#define OWN_FRAMES	2

/* Set once, when the depot has its table; traces before that are empty. */
static bool started;

/**
 * kmemleak_trace_start() - from now on the depot can be used
 *
 * Context: process or early boot.
 */
void kmemleak_trace_start(void)
{
	if (stack_depot_init())
		return;
	/* Pairs with kmemleak_trace_save(): the table is there first. */
	smp_store_release(&started, true);
}

/**
 * kmemleak_trace_save() - the trace of the hook's caller
 * @gfp: flags of the allocation, for the depot's own memory
 *
 * Call from a noinline hook only: its frame is left out.
 *
 * Context: any but NMI.
 * Return: a handle, 0 if there is no trace or no memory for it.
 */
noinline u32 kmemleak_trace_save(gfp_t gfp)
{
	unsigned long entries[MAX_FRAMES];
	unsigned int nr;

	/* Pairs with kmemleak_trace_start(). */
	if (!smp_load_acquire(&started))
		return 0;
	nr = stack_trace_save(entries, ARRAY_SIZE(entries), OWN_FRAMES);
	return stack_depot_save(entries, nr, gfp);
}
