/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space twin of mm/kmemleak/core/platform.h. It provides all that the detector's core
 * needs from the kernel, and nothing more, so the same core files run in a host process
 * under sanitizers. The compiler includes it ahead of each core file (-include). It has the
 * include guard of the kernel's header, which then adds nothing. rbtree, list and hash come
 * from the tools/ folder of the kernel tree. The rest is made of compiler builtins.
 *
 * The locks are real, and they are checked. These mistakes end the test: unlock by another
 * thread, recursion, two locks of one class, an order that can deadlock, and
 * raw_spin_lock() with interrupts "on". See host.c.
 */
#ifndef _KMEMLEAK_PLATFORM_H
#define _KMEMLEAK_PLATFORM_H

/* In the tools tree these are four names of an enum. In the kernel they are flags. */
#define gfp_t tools_gfp_t
#define GFP_KERNEL tools_gfp_kernel
#define GFP_ATOMIC tools_gfp_atomic
#define __GFP_HIGHMEM tools_gfp_highmem
#define __GFP_HIGH tools_gfp_high
#include <linux/types.h>
#undef gfp_t
#undef GFP_KERNEL
#undef GFP_ATOMIC
#undef __GFP_HIGHMEM
#undef __GFP_HIGH

#include <asm-generic/bitsperlong.h>
#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <linux/compiler.h>
#include <linux/hash.h>
#include <linux/kernel.h>
#include <linux/list.h>
#include <linux/rbtree.h>
#include <stddef.h>
#include <string.h>

/* The static_assert() of assert.h requires a message. */
#undef static_assert
#define static_assert(expr, ...) _Static_assert(expr, #expr)

/* -------------------------------------------------------------- limits -- */

#define U8_MAX		((u8)~0U)
#define U16_MAX		((u16)~0U)
#define U32_MAX		((u32)~0U)
#define S32_MAX		((s32)(U32_MAX >> 1))
#ifndef SIZE_MAX
#define SIZE_MAX	(~(size_t)0)
#endif

#define PAGE_SHIFT	12
#define PAGE_SIZE	(1UL << PAGE_SHIFT)
#define PAGE_MASK	(~(PAGE_SIZE - 1))
#define PAGE_ALLOC_COSTLY_ORDER 3
#define MAX_ERRNO	4095

#define KMEMLEAK_REGION_SHIFT	15

static_assert(KMEMLEAK_REGION_SHIFT == PAGE_SHIFT + PAGE_ALLOC_COSTLY_ORDER);

/* ------------------------------------------------------------ compiler -- */

#ifndef __aligned
#define __aligned(x)		__attribute__((__aligned__(x)))
#endif
#ifndef __always_inline
#define __always_inline		inline __attribute__((__always_inline__))
#endif
#undef noinline
#define noinline		__attribute__((__noinline__))
#define ____cacheline_aligned_in_smp __aligned(64)
#define get_unaligned(p) ({						\
	typeof(*(p)) __v;						\
	memcpy((void *)&__v, p, sizeof(__v));				\
	__v;								\
})
#define L1_CACHE_BYTES		64
#define prefetch(x)		__builtin_prefetch(x)
#ifndef swap
#define swap(a, b)	do { typeof(a) __tmp = (a); (a) = (b); (b) = __tmp; } while (0)
#endif
#define IS_ERR_VALUE(x)		((unsigned long)(void *)(x) >= (unsigned long)-MAX_ERRNO)

/* ------------------------------------------------------ numbers and bits -- */

#undef min
#undef max
#undef min_t
#undef max_t
#undef clamp
#undef clamp_t
#define min_t(type, a, b)	({ type __a = (a), __b = (b); __a < __b ? __a : __b; })
#define max_t(type, a, b)	({ type __a = (a), __b = (b); __a > __b ? __a : __b; })
/* Rejects operands of different types, as the kernel does. */
#define host_same(a, b)		((void)((typeof(a) *)1 == (typeof(b) *)1))
#define min(a, b)		({ host_same(a, b); min_t(typeof(a), a, b); })
#define max(a, b)		({ host_same(a, b); max_t(typeof(a), a, b); })
#define clamp(v, lo, hi)	min(max(v, lo), hi)
#define clamp_t(type, v, lo, hi) min_t(type, max_t(type, v, lo), hi)

#ifndef BIT
#define BIT(nr)			(1UL << (nr))
#endif
#ifndef __ALIGN_KERNEL
#define host_align(x, a)	(((x) + ((typeof(x))(a) - 1)) & ~((typeof(x))(a) - 1))
#else
#define host_align(x, a)	__ALIGN_KERNEL(x, a)
#endif
#undef ALIGN
#undef ALIGN_DOWN
#undef IS_ALIGNED
#define ALIGN(x, a)		host_align(x, a)
#define ALIGN_DOWN(x, a)	((x) & ~((typeof(x))(a) - 1))
#define IS_ALIGNED(x, a)	(((x) & ((typeof(x))(a) - 1)) == 0)
#undef DIV_ROUND_UP
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))

static inline unsigned int host_log2(unsigned long n)
{
	return BITS_PER_LONG - 1 - __builtin_clzl(n | 1);
}

#define ilog2(n)		host_log2(n)
#define roundup_pow_of_two(n)	((n) <= 1 ? 1UL : 1UL << (host_log2((n) - 1) + 1))
#define rounddown_pow_of_two(n)	(1UL << host_log2(n))

static inline int get_order(unsigned long size)
{
	return size <= PAGE_SIZE ? 0 : host_log2((size - 1) >> PAGE_SHIFT) + 1;
}

/* ----------------------------------------------- ordered accesses, atomics -- */

/* Those of the tools tree are volatile accesses, which TSan takes for races. */
#undef READ_ONCE
#undef WRITE_ONCE
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#undef smp_load_acquire
#undef smp_store_release
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#undef smp_mb
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#undef xchg
#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#undef cmpxchg
#define cmpxchg(p, o, n) ({						\
	typeof(*(p)) __old = (o);					\
	__atomic_compare_exchange_n(p, &__old, n, false,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);\
	__old;								\
})
#define try_cmpxchg(p, o, n)						\
	__atomic_compare_exchange_n(p, o, n, false,			\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#define HOST_ATOMIC(name, type)						\
static inline type name##_read(const name##_t *v)			\
{									\
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);		\
}									\
static inline void name##_set(name##_t *v, type i)			\
{									\
	__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);		\
}									\
static inline void name##_add(type i, name##_t *v)			\
{									\
	__atomic_fetch_add(&v->counter, i, __ATOMIC_RELAXED);		\
}									\
static inline void name##_sub(type i, name##_t *v)			\
{									\
	__atomic_fetch_sub(&v->counter, i, __ATOMIC_RELAXED);		\
}									\
static inline void name##_inc(name##_t *v)				\
{									\
	name##_add(1, v);						\
}									\
static inline void name##_dec(name##_t *v)				\
{									\
	name##_sub(1, v);						\
}

HOST_ATOMIC(atomic, int)
HOST_ATOMIC(atomic_long, long)

/* --------------------------------------------------- locks and interrupts -- */

/**
 * struct raw_spinlock - a spinlock that knows its class and its owner
 * @owner: number of the thread that holds the lock, 0: nobody. Waiters wait on this member
 *	only.
 * @class: number of the raw_spin_lock_init() that initialised it, 0: never initialised
 */
typedef struct raw_spinlock {
	unsigned int owner;
	unsigned int class;
} raw_spinlock_t;

void host_lock_init(raw_spinlock_t *lock, unsigned int *class, const char *name);
void host_lock(raw_spinlock_t *lock);
bool host_trylock(raw_spinlock_t *lock);
void host_unlock(raw_spinlock_t *lock);
bool host_lock_is_held(const raw_spinlock_t *lock);
unsigned long host_irq_save(void);
void host_irq_restore(unsigned long flags);
bool host_irqs_disabled(void);
void host_preempt(int by);
void host_relax(void);
void host_die(const char *what, const char *file, int line) __attribute__((noreturn));

#define raw_spin_lock_init(lock) do {					\
	static unsigned int __class;					\
	host_lock_init(lock, &__class, __FILE__ ": " #lock);		\
} while (0)
#define raw_spin_lock(lock)	host_lock(lock)
#define raw_spin_unlock(lock)	host_unlock(lock)
#define raw_spin_lock_irqsave(lock, flags) do {				\
	(flags) = host_irq_save();					\
	host_lock(lock);						\
} while (0)
#define raw_spin_unlock_irqrestore(lock, flags) do {			\
	host_unlock(lock);						\
	host_irq_restore(flags);					\
} while (0)
#define local_irq_save(flags)	((flags) = host_irq_save())
#define local_irq_restore(flags) host_irq_restore(flags)
#define preempt_disable()	host_preempt(1)
#define preempt_enable()	host_preempt(-1)
#define lockdep_assert_held(lock) do {					\
	if (!host_lock_is_held(lock))					\
		host_die("not held: " #lock, __FILE__, __LINE__);	\
} while (0)

/* TSan does not know fences, so there are none. Read-modify-writes order as much. */
typedef struct {
	unsigned int sequence;
} seqcount_t;

#define seqcount_init(s)	((s)->sequence = 0)
#define raw_write_seqcount_begin(s) \
	((void)__atomic_add_fetch(&(s)->sequence, 1, __ATOMIC_SEQ_CST))
#define raw_write_seqcount_end(s) raw_write_seqcount_begin(s)
#define raw_read_seqcount(s)	__atomic_load_n(&(s)->sequence, __ATOMIC_SEQ_CST)
#define read_seqcount_retry(s, start) \
	(__atomic_add_fetch(&(s)->sequence, 0, __ATOMIC_SEQ_CST) != (start))

unsigned int kmemleak_cpu(void);

/* --------------------------------------------------------------- memory -- */

typedef unsigned int gfp_t;

#define __GFP_HIGH		((gfp_t)0x01)
#define __GFP_IO		((gfp_t)0x02)
#define __GFP_FS		((gfp_t)0x04)
#define __GFP_DIRECT_RECLAIM	((gfp_t)0x08)
#define __GFP_KSWAPD_RECLAIM	((gfp_t)0x10)
#define __GFP_RECLAIM		(__GFP_DIRECT_RECLAIM | __GFP_KSWAPD_RECLAIM)
#define __GFP_NOWARN		((gfp_t)0x20)
#define __GFP_NORETRY		((gfp_t)0x40)
#define __GFP_NOMEMALLOC	((gfp_t)0x80)
#define GFP_ATOMIC		(__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL		(__GFP_RECLAIM | __GFP_IO | __GFP_FS)

static inline bool gfpflags_allow_blocking(gfp_t gfp)
{
	return gfp & __GFP_DIRECT_RECLAIM;
}

/* On some machines KASAN keeps a tag in the top byte of a pointer. */
#define HOST_TAG_SHIFT		56

static inline unsigned long kmemleak_untag(unsigned long addr)
{
#if BITS_PER_LONG == 64
	/* As on arm64, bit 55 is set in kernel addresses. The bits above it are the tag. */
	if (addr & (1UL << 55))
		return addr | (0xffUL << HOST_TAG_SHIFT);
#endif
	return addr;
}

u32 crc32_le(u32 crc, const unsigned char *p, size_t len);
int kstrtoul(const char *s, unsigned int base, unsigned long *res);

#endif /* _KMEMLEAK_PLATFORM_H */
