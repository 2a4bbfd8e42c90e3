// SPDX-License-Identifier: GPL-2.0-only
/*
 * "api <function> <input>" calls a function of <linux/kmemleak.h> with wrong arguments, or in
 * a hard interrupt or an NMI. The selftest api.sh knows which counter each call must raise.
 * This file has the answers for a scan afterwards: for the blocks of the call, and for a
 * held and a lost block, to show that the detector still tells them apart.
 *
 * "mistakes" makes wrong calls with a lock held: the log must report them later.
 */

#include <linux/delay.h>
#include <linux/io.h>
#include <linux/irq_work.h>
#include <linux/mm.h>
#include <linux/percpu.h>
#include <linux/vmalloc.h>

#ifdef CONFIG_X86_LOCAL_APIC
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

#include "torture.h"

enum space {
	VIRT,
	PHYS,
	PERCPU,
};

/* Size of a block. The memory for it is twice as large; the block is the first half. */
#define BLOCK		(2 * PAGE_SIZE)
#define PERCPU_BLOCK	256

/**
 * struct function - a function to call
 * @name: without the prefix kmemleak_
 * @space: space of its address
 * @creates: it registers a block
 * @call: calls it
 */
struct function {
	const char *name;
	enum space space;
	bool creates;
	void (*call)(unsigned long addr, size_t size);
};

static void call_alloc(unsigned long addr, size_t size)
{
	kmemleak_alloc((void *)addr, size, 1, GFP_ATOMIC);
}

static void call_alloc_percpu(unsigned long addr, size_t size)
{
	kmemleak_alloc_percpu((__force void __percpu *)addr, size, GFP_ATOMIC);
}

/*
 * The vm_struct for call_vmalloc(). Each scene has its own: the detector records an alias
 * for it, which must not outlive the scene.
 */
static unsigned long area_veiled;

/* A bad pointer is passed as the vm_struct. Any other is the address in a good vm_struct. */
static noinline void call_vmalloc(unsigned long addr, size_t size)
{
	struct vm_struct *area = torture_unveil(area_veiled);

	if (IS_ERR_OR_NULL((void *)addr)) {
		kmemleak_vmalloc((void *)addr, size, GFP_ATOMIC);
		return;
	}
	area->addr = (void *)addr;
	kmemleak_vmalloc(area, size, GFP_ATOMIC);
	area->addr = NULL;
}

static void call_free(unsigned long addr, size_t size)
{
	kmemleak_free((void *)addr);
}

static void call_free_part(unsigned long addr, size_t size)
{
	kmemleak_free_part((void *)addr, size);
}

static void call_free_percpu(unsigned long addr, size_t size)
{
	kmemleak_free_percpu((__force void __percpu *)addr);
}

static void call_update_trace(unsigned long addr, size_t size)
{
	kmemleak_update_trace((void *)addr);
}

static void call_not_leak(unsigned long addr, size_t size)
{
	kmemleak_not_leak((void *)addr);
}

static void call_ignore(unsigned long addr, size_t size)
{
	kmemleak_ignore((void *)addr);
}

static void call_scan_area(unsigned long addr, size_t size)
{
	kmemleak_scan_area((void *)addr, size, GFP_ATOMIC);
}

static void call_no_scan(unsigned long addr, size_t size)
{
	kmemleak_no_scan((void *)addr);
}

static void call_transient_leak(unsigned long addr, size_t size)
{
	kmemleak_transient_leak((void *)addr);
}

static void call_ignore_percpu(unsigned long addr, size_t size)
{
	kmemleak_ignore_percpu((__force void __percpu *)addr);
}

static void call_alloc_phys(unsigned long addr, size_t size)
{
	kmemleak_alloc_phys(addr, size, GFP_ATOMIC);
}

static void call_free_part_phys(unsigned long addr, size_t size)
{
	kmemleak_free_part_phys(addr, size);
}

static void call_ignore_phys(unsigned long addr, size_t size)
{
	kmemleak_ignore_phys(addr);
}

static void call_not_leak_phys(unsigned long addr, size_t size)
{
	kmemleak_not_leak_phys(addr);
}

static const struct function functions[] = {
	{ "alloc",		VIRT,	true,	call_alloc },
	{ "alloc_percpu",	PERCPU,	true,	call_alloc_percpu },
	{ "alloc_phys",		PHYS,	true,	call_alloc_phys },
	{ "vmalloc",		VIRT,	true,	call_vmalloc },
	{ "free",		VIRT,	false,	call_free },
	{ "free_part",		VIRT,	false,	call_free_part },
	{ "free_part_phys",	PHYS,	false,	call_free_part_phys },
	{ "free_percpu",	PERCPU,	false,	call_free_percpu },
	{ "update_trace",	VIRT,	false,	call_update_trace },
	{ "not_leak",		VIRT,	false,	call_not_leak },
	{ "not_leak_phys",	PHYS,	false,	call_not_leak_phys },
	{ "ignore",		VIRT,	false,	call_ignore },
	{ "ignore_phys",	PHYS,	false,	call_ignore_phys },
	{ "ignore_percpu",	PERCPU,	false,	call_ignore_percpu },
	{ "no_scan",		VIRT,	false,	call_no_scan },
	{ "scan_area",		VIRT,	false,	call_scan_area },
	{ "transient_leak",	VIRT,	false,	call_transient_leak },
};

/* --------------------------------------------------------------- memory -- */

static size_t block_size(enum space space)
{
	return space == PERCPU ? PERCPU_BLOCK : BLOCK;
}

/* The call may leave a block at @addr registered. The reset unregisters it. */
static void own_told(enum space space, unsigned long addr)
{
	static const enum torture_kind kinds[] = {
		[VIRT] = TORTURE_REGISTERED,
		[PHYS] = TORTURE_REGISTERED_PHYS,
		[PERCPU] = TORTURE_REGISTERED_PERCPU,
	};
	void *ptr = space == PHYS ? phys_to_virt(addr) : (void *)addr;

	torture_own(ptr, block_size(space), kinds[space]);
}

/* Return: memory of this space that is not registered, or 0. */
static noinline unsigned long fresh_memory(enum space space)
{
	unsigned long addr;

	if (space == PERCPU) {
		addr = (__force unsigned long)torture_percpu(2 * PERCPU_BLOCK);
		if (addr)
			kmemleak_free_percpu((__force void __percpu *)addr);
	} else {
		addr = (unsigned long)torture_pages(2 * BLOCK);
		if (addr && space == PHYS)
			addr = virt_to_phys((void *)addr);
	}
	if (addr)
		own_told(space, addr);
	return addr;
}

static void make_known(enum space space, unsigned long addr)
{
	switch (space) {
	case VIRT:
		kmemleak_alloc((void *)addr, BLOCK, 1, GFP_KERNEL);
		break;
	case PHYS:
		kmemleak_alloc_phys(addr, BLOCK, GFP_KERNEL);
		break;
	case PERCPU:
		kmemleak_alloc_percpu((__force void __percpu *)addr, PERCPU_BLOCK, GFP_KERNEL);
		break;
	}
}

static void make_unknown(enum space space, unsigned long addr)
{
	switch (space) {
	case VIRT:
		kmemleak_free((void *)addr);
		break;
	case PHYS:
		kmemleak_free_part_phys(addr, BLOCK);
		break;
	case PERCPU:
		kmemleak_free_percpu((__force void __percpu *)addr);
		break;
	}
}

/* --------------------------------------------------------------- inputs -- */

static int give_null(const struct function *f)
{
	f->call(0, block_size(f->space));
	return 0;
}

static int give_err(const struct function *f)
{
	f->call((unsigned long)ERR_PTR(-ENOMEM), 8);
	return 0;
}

/*
 * Return: the address to call @f with, or 0. If @f registers a block, it is not registered
 * yet, else it is.
 */
static unsigned long subject(const struct function *f)
{
	unsigned long addr = fresh_memory(f->space);

	if (addr && !f->creates)
		make_known(f->space, addr);
	return addr;
}

static int give_size_0(const struct function *f)
{
	unsigned long addr = subject(f);

	if (!addr)
		return -ENOMEM;
	f->call(addr, 0);
	return 0;
}

static int give_wrap(const struct function *f)
{
	unsigned long addr;

	/* With PAE, no size reaches from here to the end of the physical addresses. */
	if (f->space == PHYS && sizeof(phys_addr_t) > sizeof(long))
		return -EOPNOTSUPP;
	addr = subject(f);
	if (!addr)
		return -ENOMEM;
	f->call(addr, PAGE_SIZE - addr);
	return 0;
}

static int give_unknown(const struct function *f)
{
	unsigned long addr = fresh_memory(f->space);

	if (!addr)
		return -ENOMEM;
	f->call(addr, block_size(f->space));
	return 0;
}

static int give_freed(const struct function *f)
{
	unsigned long addr = subject(f);

	if (!addr)
		return -ENOMEM;
	make_unknown(f->space, addr);
	f->call(addr, block_size(f->space));
	return 0;
}

/* A block that is registered twice has the size of the second time. */
static int give_twice(const struct function *f)
{
	unsigned long addr = subject(f);
	size_t size = block_size(f->space);

	if (!addr)
		return -ENOMEM;
	f->call(addr, size);
	f->call(addr, f->creates ? size / 2 : size);
	if (f->creates && f->space == VIRT)
		torture_expect((void *)addr, size / 2, TORTURE_LOST);
	return 0;
}

/*
 * The first half of the new block belongs to a known block. Memory that cannot become a
 * block becomes opaque, so it is a root: a block that only this memory points to is live.
 */
static int give_overlap(const struct function *f)
{
	unsigned long addr = fresh_memory(f->space);
	size_t size = block_size(f->space);
	void **memory, *child;

	if (!addr)
		return -ENOMEM;
	if (f->creates && f->space == VIRT) {
		child = torture_kzalloc(64);
		if (!child)
			return -ENOMEM;
		memory = (void **)(addr + size);
		memory[3] = child;
		torture_expect(child, 64, TORTURE_LIVE);
	}
	make_known(f->space, addr);
	own_told(f->space, addr + size / 2);
	f->call(addr + size / 2, size);
	return 0;
}

/* ------------------------------------------------------ wrong contexts -- */

/* The function that the interrupt must call, and its address argument. */
static const struct function *irq_function;
static unsigned long irq_veiled;

static noinline void call_subject(const struct function *f)
{
	f->call((unsigned long)torture_unveil(irq_veiled), block_size(f->space));
}

static void irq_handler(struct irq_work *work)
{
	call_subject(irq_function);
}

static int give_hardirq(const struct function *f)
{
	static struct irq_work work = IRQ_WORK_INIT_HARD(irq_handler);
	unsigned long addr = subject(f);

	if (!addr)
		return -ENOMEM;
	irq_function = f;
	irq_veiled = torture_veil((void *)addr);
	irq_work_queue(&work);
	irq_work_sync(&work);
	if (f->creates && f->space == VIRT)
		torture_expect((void *)addr, BLOCK, TORTURE_LOST);
	return 0;
}

#ifdef CONFIG_X86_LOCAL_APIC
static void (*nmi_function)(void);

static int nmi_handler(unsigned int type, struct pt_regs *regs)
{
	void (*function)(void);

	function = xchg(&nmi_function, NULL);
	if (!function)
		return NMI_DONE;
	function();
	return NMI_HANDLED;
}

int torture_in_nmi(void (*function)(void))
{
	int tries = 1000;
	int ret;

	ret = register_nmi_handler(NMI_LOCAL, nmi_handler, NMI_FLAG_FIRST,
				   "kmemleak_torture");
	if (ret)
		return ret;
	/* Tell the handler before the NMI is sent. */
	smp_store_mb(nmi_function, function);
	apic->send_IPI_mask(cpumask_of(get_cpu()), NMI_VECTOR);
	put_cpu();
	while (READ_ONCE(nmi_function) && --tries)
		usleep_range(1000, 2000);
	unregister_nmi_handler(NMI_LOCAL, "kmemleak_torture");
	return tries ? 0 : -ETIMEDOUT;
}
#else
int torture_in_nmi(void (*function)(void))
{
	return -EOPNOTSUPP;
}
#endif

static void call_in_nmi(void)
{
	call_subject(irq_function);
}

/* In an NMI nothing may happen: no block is registered, and no known block changes. */
static int give_nmi(const struct function *f)
{
	unsigned long addr = subject(f);
	int ret;

	if (!addr)
		return -ENOMEM;
	irq_function = f;
	irq_veiled = torture_veil((void *)addr);
	ret = torture_in_nmi(call_in_nmi);
	if (!ret && f->space == VIRT)
		torture_expect((void *)addr, BLOCK,
			       f->creates ? TORTURE_LIVE : TORTURE_LOST);
	return ret;
}

static const struct {
	const char *name;
	int (*run)(const struct function *f);
} inputs[] = {
	{ "null",	give_null },
	{ "err_ptr",	give_err },
	{ "size_0",	give_size_0 },
	{ "wrap",	give_wrap },
	{ "unknown",	give_unknown },
	{ "freed",	give_freed },
	{ "twice",	give_twice },
	{ "overlap",	give_overlap },
	{ "hardirq",	give_hardirq },
	{ "nmi",	give_nmi },
};

/*
 * A scan must find one such block live and another lost. They are not from kmalloc() or
 * vmalloc(), which reuse memory that was freed a moment ago: leftovers may point there.
 * These pages mostly held data of user space before.
 */
static noinline void *make_canary(void)
{
	void *ptr = torture_pages(PAGE_SIZE);

	if (ptr) {
		kmemleak_alloc(ptr, PAGE_SIZE, 1, GFP_KERNEL);
		torture_own(ptr, PAGE_SIZE, TORTURE_REGISTERED);
	}
	return ptr;
}

static noinline int leave_canaries(void)
{
	void *held = make_canary();
	void *lost = make_canary();

	if (!held || !lost)
		return -ENOMEM;
	*(void **)held = *torture_slot(0);
	*torture_slot(0) = held;
	torture_expect(held, PAGE_SIZE, TORTURE_LIVE);
	torture_expect(lost, PAGE_SIZE, TORTURE_LOST);
	return 0;
}

static noinline int make_area(void)
{
	void *area = torture_kzalloc(sizeof(struct vm_struct));

	area_veiled = torture_veil(area);
	return area ? 0 : -ENOMEM;
}

static int set_scene(const struct function *f, int (*run)(const struct function *f))
{
	int ret = make_area();

	if (!ret)
		ret = run(f);
	torture_wipe_stack(4);
	return ret ? ret : leave_canaries();
}

/* api <function> <input>: keeps the blocks of earlier calls */
int torture_api(int argc, char **argv)
{
	unsigned int i, j;
	int ret = 0;

	if (argc != 2)
		return -EINVAL;
	for (i = 0; i < ARRAY_SIZE(functions); i++)
		if (!strcmp(functions[i].name, argv[0]))
			break;
	for (j = 0; j < ARRAY_SIZE(inputs); j++)
		if (!strcmp(inputs[j].name, argv[1]))
			break;
	if (i == ARRAY_SIZE(functions) || j == ARRAY_SIZE(inputs))
		return -EINVAL;
	for (torture_scene = 0; !ret && torture_scene < TORTURE_NR_SCENES; torture_scene++)
		ret = set_scene(&functions[i], inputs[j].run);
	torture_scene = 0;
	return ret;
}

/* mistakes: one mistake of each kind that the log reports, with a lock held */
int torture_mistakes(int argc, char **argv)
{
	static DEFINE_RAW_SPINLOCK(lock);
	unsigned long addr = fresh_memory(VIRT), flags;

	if (argc || !addr)
		return argc ? -EINVAL : -ENOMEM;
	raw_spin_lock_irqsave(&lock, flags);
	pr_info("kmemleak_torture: mistakes begin\n");
	/* Not reported in the log, because callers may say this of any block. */
	call_not_leak(addr, 0);
	call_no_scan(addr, 0);
	call_alloc(addr, PAGE_SIZE - addr);
	call_alloc(addr, BLOCK);
	call_alloc(addr, BLOCK);
	call_alloc(addr + BLOCK / 2, BLOCK);
	call_free_part(addr, 2 * BLOCK);
	pr_info("kmemleak_torture: mistakes end\n");
	raw_spin_unlock_irqrestore(&lock, flags);
	/* The detector recorded this address with a mistake. That must not hide the block. */
	call_alloc(addr, BLOCK);
	torture_expect((void *)addr, BLOCK, TORTURE_LOST);
	return 0;
}
