/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * User-space twin of mm/kmemleak/platform.h: gives the detector's core what it
 * needs of its surroundings, and nothing more, so that the same core files run
 * in a host process under sanitizers. It is forced in ahead of every core file
 * (-include) and has the same include guard, so the kernel's header then adds
 * nothing. rbtree, list and hash are the kernel tree's own, from its
 * tools/ folder; the rest is made of compiler builtins.
 *
 * The locks are real and checked: unlock by a stranger, recursion, two locks of
 * one class, an order that can deadlock, or a plain raw_spin_lock() with
 * interrupts "on" end the test. See host.c.
 */
#ifndef _KMEMLEAK_PLATFORM_H
#define _KMEMLEAK_PLATFORM_H

/* The tools tree has an enum of four names for these; the kernel has flags. */
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

/* assert.h has one of its own, which wants a message. */
#undef static_assert
#define static_assert(expr, ...) _Static_assert(expr, #expr)

/* -------------------------------------------------------------- limits -- */

#define U8_MAX		((u8)~0U)
#define U16_MAX		((u16)~0U)
#define U32_MAX		((u32)~0U)
#define S32_MAX		((s32)(U32_MAX >> 1))
#define S32_MIN		((s32)(-S32_MAX - 1))
#define U64_MAX		((u64)~0ULL)
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

#ifndef fallthrough
#define fallthrough		__attribute__((__fallthrough__))
#endif
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
#define prefetchw(x)		__builtin_prefetch(x, 1)
#ifndef sizeof_field
#define sizeof_field(type, member) sizeof(((type *)0)->member)
#endif
#ifndef swap
#define swap(a, b)	do { typeof(a) __tmp = (a); (a) = (b); (b) = __tmp; } while (0)
#endif
#define IS_ERR_VALUE(x)		((unsigned long)(void *)(x) >= (unsigned long)-MAX_ERRNO)
#define WARN_ON_ONCE(cond)	host_warn_on(!!(cond), #cond, __FILE__, __LINE__)
#define WARN_ON(cond)		WARN_ON_ONCE(cond)

int host_warn_on(int cond, const char *text, const char *file, int line);

/* ------------------------------------------------------ numbers and bits -- */

#undef min
#undef max
#undef min_t
#undef max_t
#undef clamp
#undef clamp_t
#define min_t(type, a, b)	({ type __a = (a), __b = (b); __a < __b ? __a : __b; })
#define max_t(type, a, b)	({ type __a = (a), __b = (b); __a > __b ? __a : __b; })
/* Operands of different types are refused here as they are in the kernel. */
#define host_same(a, b)		((void)((typeof(a) *)1 == (typeof(b) *)1))
#define min(a, b)		({ host_same(a, b); min_t(typeof(a), a, b); })
#define max(a, b)		({ host_same(a, b); max_t(typeof(a), a, b); })
#define min3(a, b, c)		min(min(a, b), c)
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
#undef round_up
#undef round_down
#define ALIGN(x, a)		host_align(x, a)
#define ALIGN_DOWN(x, a)	((x) & ~((typeof(x))(a) - 1))
#define IS_ALIGNED(x, a)	(((x) & ((typeof(x))(a) - 1)) == 0)
#define PTR_ALIGN(p, a)		((typeof(p))ALIGN((unsigned long)(p), (a)))
#define round_up(x, a)		ALIGN(x, a)
#define round_down(x, a)	ALIGN_DOWN(x, a)
#define PAGE_ALIGN(x)		ALIGN(x, PAGE_SIZE)
#undef DIV_ROUND_UP
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define lower_32_bits(n)	((u32)((n) & 0xffffffff))
#define upper_32_bits(n)	((u32)(((n) >> 16) >> 16))
#define check_add_overflow(a, b, d) __builtin_add_overflow(a, b, d)

static inline unsigned int host_log2(unsigned long n)
{
	return BITS_PER_LONG - 1 - __builtin_clzl(n | 1);
}

#define ilog2(n)		host_log2(n)
#define is_power_of_2(n)	((n) != 0 && (((n) & ((n) - 1)) == 0))
#define roundup_pow_of_two(n)	((n) <= 1 ? 1UL : 1UL << (host_log2((n) - 1) + 1))
#define rounddown_pow_of_two(n)	(1UL << host_log2(n))

static inline int get_order(unsigned long size)
{
	return size <= PAGE_SIZE ? 0 : host_log2((size - 1) >> PAGE_SHIFT) + 1;
}

/* ----------------------------------------------- ordered accesses, atomics -- */

/* Not the tools tree's: those are volatile accesses, races to TSan. */
#undef READ_ONCE
#undef WRITE_ONCE
#define READ_ONCE(x)		__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)	__atomic_store_n(&(x), (v), __ATOMIC_RELAXED)
#define data_race(x)		(x)
#undef smp_load_acquire
#undef smp_store_release
#undef smp_mb
#undef smp_store_mb
#undef smp_rmb
#undef smp_wmb
#define smp_load_acquire(p)	__atomic_load_n(p, __ATOMIC_ACQUIRE)
#define smp_store_release(p, v)	__atomic_store_n(p, v, __ATOMIC_RELEASE)
#define smp_store_mb(x, v)	__atomic_store_n(&(x), v, __ATOMIC_SEQ_CST)
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
#define smp_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
#define smp_wmb()		__atomic_thread_fence(__ATOMIC_RELEASE)
#undef barrier
#define barrier()		__asm__ __volatile__("" ::: "memory")
#define cpu_relax()		host_relax()
#undef cmpxchg
#undef xchg
#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define cmpxchg(p, o, n) ({						\
	typeof(*(p)) __old = (o);					\
	__atomic_compare_exchange_n(p, &__old, n, false,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);\
	__old;								\
})
#define cmpxchg_relaxed(p, o, n) cmpxchg(p, o, n)
#define try_cmpxchg(p, o, n)						\
	__atomic_compare_exchange_n(p, o, n, false,			\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)

#define ATOMIC_INIT(i)		{ (i) }
#define ATOMIC_LONG_INIT(i)	{ (i) }

#define HOST_ATOMIC(name, type)						\
static inline type name##_read(const name##_t *v)			\
{									\
	return __atomic_load_n(&v->counter, __ATOMIC_RELAXED);		\
}									\
static inline void name##_set(name##_t *v, type i)			\
{									\
	__atomic_store_n(&v->counter, i, __ATOMIC_RELAXED);		\
}									\
static inline type name##_add_return(type i, name##_t *v)		\
{									\
	return __atomic_add_fetch(&v->counter, i, __ATOMIC_SEQ_CST);	\
}									\
static inline type name##_sub_return(type i, name##_t *v)		\
{									\
	return __atomic_sub_fetch(&v->counter, i, __ATOMIC_SEQ_CST);	\
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
}									\
static inline type name##_inc_return(name##_t *v)			\
{									\
	return name##_add_return(1, v);					\
}									\
static inline type name##_dec_return(name##_t *v)			\
{									\
	return name##_sub_return(1, v);					\
}

HOST_ATOMIC(atomic, int)
HOST_ATOMIC(atomic_long, long)

/* --------------------------------------------------- locks and interrupts -- */

/**
 * struct raw_spinlock - a spin lock that knows its class and its owner
 * @owner: thread that holds it, 0: nobody. The only field that is waited on.
 * @class: number of its raw_spin_lock_init(), 0: never initialised
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
#define raw_spin_trylock(lock)	host_trylock(lock)
#define raw_spin_unlock(lock)	host_unlock(lock)
#define raw_spin_lock_irqsave(lock, flags) do {				\
	(flags) = host_irq_save();					\
	host_lock(lock);						\
} while (0)
#define raw_spin_unlock_irqrestore(lock, flags) do {			\
	host_unlock(lock);						\
	host_irq_restore(flags);					\
} while (0)
#define raw_spin_is_locked(lock) (READ_ONCE((lock)->owner) != 0)
#define local_irq_save(flags)	((flags) = host_irq_save())
#define local_irq_restore(flags) host_irq_restore(flags)
#define irqs_disabled()		host_irqs_disabled()
#define preempt_disable()	host_preempt(1)
#define preempt_enable()	host_preempt(-1)
#define lockdep_assert_held(lock) do {					\
	if (!host_lock_is_held(lock))					\
		host_die("not held: " #lock, __FILE__, __LINE__);	\
} while (0)
#define lockdep_assert_irqs_disabled() do {				\
	if (!host_irqs_disabled())					\
		host_die("interrupts are on", __FILE__, __LINE__);	\
} while (0)

/* No fences, which TSan does not know: read-modify-writes order as much. */
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
#define __GFP_ZERO		((gfp_t)0x100)
#define __GFP_NOLOCKDEP		((gfp_t)0x200)
#define GFP_ATOMIC		(__GFP_HIGH | __GFP_KSWAPD_RECLAIM)
#define GFP_KERNEL		(__GFP_RECLAIM | __GFP_IO | __GFP_FS)
#define GFP_NOWAIT		(__GFP_KSWAPD_RECLAIM)
#define GFP_NOIO		(__GFP_RECLAIM)

static inline bool gfpflags_allow_blocking(gfp_t gfp)
{
	return gfp & __GFP_DIRECT_RECLAIM;
}

/* Stands for the tag that KASAN keeps in the top byte, where there is one. */
#define HOST_TAG_SHIFT		56

static inline unsigned long kmemleak_untag(unsigned long addr)
{
#if BITS_PER_LONG == 64
	/* Bit 55 tells the kernel's half, as on arm64; what is above is the tag. */
	if (addr & (1UL << 55))
		return addr | (0xffUL << HOST_TAG_SHIFT);
#endif
	return addr;
}

u32 crc32_le(u32 crc, const unsigned char *p, size_t len);
int kstrtoul(const char *s, unsigned int base, unsigned long *res);
int kstrtouint(const char *s, unsigned int base, unsigned int *res);

#endif /* _KMEMLEAK_PLATFORM_H */
