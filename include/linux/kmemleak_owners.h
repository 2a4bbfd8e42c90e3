/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the kernel memory leak detector asks those who own memory. They alone know how
 * they keep it; each function stands beside that. For mm/kmemleak/ only.
 */
#ifndef _LINUX_KMEMLEAK_OWNERS_H
#define _LINUX_KMEMLEAK_OWNERS_H

#include <linux/types.h>

#ifdef CONFIG_DEBUG_KMEMLEAK

/* ------------------------------------ the kernel log (kernel/printk/printk.c) -- */

/**
 * printk_records() - the memory of the kernel log
 * @nr: which piece of it, from 0 on
 * @size: set to its bytes, if there is such a piece
 *
 * Text, and the numbers that say where in it each message is. There are pieces that
 * boot began with, and if others took their place, these as well.
 *
 * Context: any, once the per-cpu areas are there.
 * Return: the piece, or NULL.
 */
#ifdef CONFIG_PRINTK
const void *printk_records(unsigned int nr, size_t *size);
#else
static inline const void *printk_records(unsigned int nr, size_t *size)
{
	return NULL;
}
#endif

#endif /* CONFIG_DEBUG_KMEMLEAK */

#endif /* _LINUX_KMEMLEAK_OWNERS_H */
