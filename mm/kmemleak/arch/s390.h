/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _KMEMLEAK_ARCH_S390_H
#define _KMEMLEAK_ARCH_S390_H

#include <linux/pgtable.h>

static inline unsigned long kmemleak_arch_saved_sp(struct task_struct *task)
{
	return READ_ONCE(task->thread.ksp);
}

#define kmemleak_arch_saved_sp kmemleak_arch_saved_sp

/*
 * The kernel's addresses are the physical ones, so an entry of a page table looks like a
 * reference to the page. The tables that map all memory are blocks of memblock, which are
 * roots. Scanned as roots, they would hide lost blocks.
 */
static inline void kmemleak_arch_page_tables(void (*visit)(unsigned long table, void *arg),
					     void *arg)
{
	unsigned long addr;

	for (addr = PAGE_OFFSET; addr < (unsigned long)high_memory; addr += PMD_SIZE) {
		pgd_t *pgd = pgd_offset_k(addr);
		p4d_t *p4d = pgd_none(*pgd) ? NULL : p4d_offset(pgd, addr);
		pud_t *pud = !p4d || p4d_none(*p4d) ? NULL : pud_offset(p4d, addr);
		pmd_t *pmd;

		if (!pud)
			continue;
		visit((unsigned long)pud, arg);
		if (pud_none(*pud) || pud_leaf(*pud))
			continue;
		pmd = pmd_offset(pud, addr);
		visit((unsigned long)pmd, arg);
		if (!pmd_none(*pmd) && !pmd_leaf(*pmd))
			visit(pmd_deref(*pmd), arg);
	}
}

#define kmemleak_arch_page_tables kmemleak_arch_page_tables

#endif /* _KMEMLEAK_ARCH_S390_H */
