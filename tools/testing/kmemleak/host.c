// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replaces the kernel in the host tests: checked spinlocks, an interrupt flag, conversion of
 * strings to numbers, and the fake memory of host.h. Contains no tests.
 */
#include <pthread.h>
#include <sched.h>
#include <stdarg.h>

#include "entry_move.h"
#include "host.h"

u32 host_now = 0x10000000, host_clock;

u32 host_read_now(void)
{
	return READ_ONCE(host_now);
}

u32 host_read_clock(void)
{
	return __atomic_add_fetch(&host_clock, 1, __ATOMIC_RELAXED);
}

u64 host_rng;
unsigned int host_failures;

/* ----------------------------------------------------------- failed checks -- */

void host_check_failed(const char *file, int line, const char *fmt, ...)
{
	const char *base = strrchr(file, '/');
	va_list args;

	/* The first failures are enough. */
	if (__atomic_add_fetch(&host_failures, 1, __ATOMIC_RELAXED) > 20)
		return;
	flockfile(stdout);
	printf("# %s:%d: ", base ? base + 1 : file, line);
	va_start(args, fmt);
	vprintf(fmt, args);
	va_end(args);
	printf("\n");
	fflush(stdout);
	funlockfile(stdout);
}

void host_die(const char *what, const char *file, int line)
{
	host_check_failed(file, line, "%s", what);
	abort();
}

/* ---------------------------------------------------------- random numbers -- */

/* splitmix64. Each state is as good as any other. */
u64 host_rand_from(u64 *state)
{
	u64 z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

unsigned long host_rand(void)
{
	return host_rand_from(&host_rng);
}

unsigned long host_below(unsigned long n)
{
	return host_rand() % n;
}

bool host_one_in(unsigned int n)
{
	return host_below(n) == 0;
}

unsigned int host_part = 1;

unsigned long host_rounds(unsigned long n)
{
	return n / host_part ?: 1;
}

/* ----------------------------------------------------- locks and interrupts -- */

#define MAX_CLASSES	32
#define MAX_HELD	8

static const char *class_name[MAX_CLASSES];
static unsigned int nr_classes;
/* follows[a][b]: some thread took a lock of class b while it held one of class a. */
static bool follows[MAX_CLASSES][MAX_CLASSES];

static unsigned int nr_threads;
static __thread unsigned int my_thread;
static __thread bool irqs_off;
static __thread int preempt_off;
static __thread unsigned int nr_held;
static __thread unsigned long nr_taken;	/* locks since the last pause */
static __thread raw_spinlock_t *held[MAX_HELD];
static __thread unsigned int my_cpu;
__thread unsigned long host_locks;

static unsigned int self(void)
{
	if (!my_thread)
		my_thread = __atomic_add_fetch(&nr_threads, 1, __ATOMIC_RELAXED);
	return my_thread;
}

static void lock_die(const raw_spinlock_t *lock, const char *what)
{
	unsigned int class = lock->class;

	host_check_failed("host.c", 0, "%s: lock '%s'", what,
			  class && class < MAX_CLASSES ? class_name[class] : "?");
	abort();
}

void host_lock_init(raw_spinlock_t *lock, unsigned int *class, const char *name)
{
	static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

	pthread_mutex_lock(&mutex);
	if (!*class) {
		*class = ++nr_classes;
		if (*class >= MAX_CLASSES)
			abort();
		class_name[*class] = name;
	}
	lock->class = *class;
	pthread_mutex_unlock(&mutex);
	__atomic_store_n(&lock->owner, 0, __ATOMIC_RELAXED);
}

/* Does a chain of entries in follows[] lead from one class to another? */
static bool reaches(unsigned int from, unsigned int to, unsigned int depth)
{
	unsigned int i;

	if (READ_ONCE(follows[from][to]))
		return true;
	if (depth == MAX_HELD)
		return false;
	for (i = 1; i < MAX_CLASSES; i++)
		if (READ_ONCE(follows[from][i]) && reaches(i, to, depth + 1))
			return true;
	return false;
}

static void check_order(raw_spinlock_t *lock)
{
	unsigned int i;

	if (!lock->class || lock->class >= MAX_CLASSES)
		lock_die(lock, "not initialised");
	if (!irqs_off)
		lock_die(lock, "taken with interrupts on");
	if (nr_held == MAX_HELD)
		lock_die(lock, "too many locks held");
	for (i = 0; i < nr_held; i++) {
		if (held[i]->class == lock->class)
			lock_die(lock, "two locks of one class");
		if (READ_ONCE(follows[held[i]->class][lock->class]))
			continue;
		if (reaches(lock->class, held[i]->class, 0))
			lock_die(lock, "order can deadlock");
		WRITE_ONCE(follows[held[i]->class][lock->class], true);
	}
}

bool host_trylock(raw_spinlock_t *lock)
{
	unsigned int nobody = 0;

	if (!lock->class)
		lock_die(lock, "not initialised");
	if (!__atomic_compare_exchange_n(&lock->owner, &nobody, self(), false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	held[nr_held++] = lock;
	nr_taken++;
	return true;
}

void host_lock(raw_spinlock_t *lock)
{
	check_order(lock);
	host_locks++;
	while (!host_trylock(lock))
		host_relax();
}

void host_unlock(raw_spinlock_t *lock)
{
	unsigned int i;

	if (!host_lock_is_held(lock))
		lock_die(lock, "released by a thread that does not hold it");
	for (i = nr_held; i-- && held[i] != lock;)
		;
	for (nr_held--; i < nr_held; i++)
		held[i] = held[i + 1];
	__atomic_store_n(&lock->owner, 0, __ATOMIC_RELEASE);
}

bool host_lock_is_held(const raw_spinlock_t *lock)
{
	return __atomic_load_n(&lock->owner, __ATOMIC_RELAXED) == self();
}

unsigned long host_irq_save(void)
{
	bool old = irqs_off;

	irqs_off = true;
	return old;
}

void host_irq_restore(unsigned long flags)
{
	if (!irqs_off)
		host_die("interrupts restored, but they were on", __FILE__, __LINE__);
	if (!flags && nr_held)
		lock_die(held[nr_held - 1], "held while interrupts are turned on");
	irqs_off = flags;
}

bool host_irqs_disabled(void)
{
	return irqs_off;
}

void host_preempt(int by)
{
	preempt_off += by;
	REQUIRE(preempt_off >= 0);
}

/* Does this thread hold nothing that forbids it to sleep? */
static bool may_sleep(void)
{
	return !nr_held && !irqs_off && !preempt_off;
}

void host_relax(void)
{
	sched_yield();
}

void host_set_cpu(unsigned int cpu)
{
	my_cpu = cpu;
}

unsigned int kmemleak_cpu(void)
{
	if (!irqs_off)
		host_die("CPU number read with interrupts on", __FILE__, __LINE__);
	return my_cpu;
}

/* ------------------------------------------------------- library functions -- */

u32 crc32_le(u32 crc, const unsigned char *p, size_t len)
{
	static u32 table[256];
	unsigned int i, bit;

	/* Several threads may fill the table. All write the same values. */
	if (!READ_ONCE(table[255])) {
		for (i = 0; i < 256; i++) {
			u32 c = i;

			for (bit = 0; bit < 8; bit++)
				c = c & 1 ? c >> 1 ^ 0xedb88320 : c >> 1;
			WRITE_ONCE(table[i], c);
		}
	}
	while (len--)
		crc = crc >> 8 ^ READ_ONCE(table[(crc ^ *p++) & 0xff]);
	return crc;
}

static int digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return 99;
}

/*
 * Accepts the same text as the kernel's function: an optional plus, a number, an optional
 * newline, and nothing else. With base 0 the prefix tells octal and hexadecimal numbers.
 */
int kstrtoul(const char *s, unsigned int base, unsigned long *res)
{
	unsigned long value = 0;
	bool overflow = false;
	const char *first;

	if (*s == '+')
		s++;
	if (base == 0)
		base = *s != '0' ? 10 : (s[1] | 0x20) == 'x' && digit(s[2]) < 16 ? 16 : 8;
	if (base == 16 && *s == '0' && (s[1] | 0x20) == 'x')
		s += 2;
	for (first = s; digit(*s) < (int)base; s++) {
		if (__builtin_mul_overflow(value, (unsigned long)base, &value) ||
		    __builtin_add_overflow(value, (unsigned long)digit(*s), &value))
			overflow = true;
	}
	if (overflow)
		return -ERANGE;
	if (s == first)
		return -EINVAL;
	if (*s == '\n')
		s++;
	if (*s)
		return -EINVAL;
	*res = value;
	return 0;
}

/* ------------------------------------------------------------- environment -- */

static struct host *host_of(struct kmemleak_tracker *t)
{
	return container_of(t, struct host, t);
}

static bool page_alloc_fails(struct host *h, unsigned int order)
{
	long left = READ_ONCE(h->fail_after);

	if (left == 0)
		return true;
	if (left > 0)
		WRITE_ONCE(h->fail_after, left - 1);
	if (h->fail_order >= 0 && (int)order > h->fail_order)
		return true;
	return h->fail_one_in && host_one_in(h->fail_one_in);
}

static void *host_page_alloc(struct kmemleak_tracker *t, unsigned int order, gfp_t gfp)
{
	struct host *h = host_of(t);
	void *page;

	/* The page allocator takes locks that must not be taken under a raw lock. */
	if (nr_held)
		host_check_failed(__FILE__, __LINE__, "pages allocated under lock '%s'",
				  class_name[held[0]->class]);
	if ((irqs_off || preempt_off) && gfpflags_allow_blocking(gfp))
		host_die("allocation that may sleep in atomic context", __FILE__, __LINE__);
	/* Any kernel can allocate at least this order. */
	REQUIRE(order <= 10);
	if (page_alloc_fails(h, order)) {
		__atomic_fetch_add(&h->refused, 1, __ATOMIC_RELAXED);
		return NULL;
	}
	if (posix_memalign(&page, PAGE_SIZE << order, PAGE_SIZE << order))
		abort();
	memset(page, 0, PAGE_SIZE << order);
	__atomic_fetch_add(&h->live_pages, 1L << order, __ATOMIC_RELAXED);
	__atomic_fetch_add(&h->allocs, 1, __ATOMIC_RELAXED);
	return page;
}

static void host_page_free(struct kmemleak_tracker *t, void *page, unsigned int order)
{
	if (nr_held)
		lock_die(held[0], "held while pages are freed");
	REQUIRE(page);
	__atomic_fetch_sub(&host_of(t)->live_pages, 1L << order, __ATOMIC_RELAXED);
	free(page);
}

static struct host_segment *segment_of(struct host *h, unsigned long addr, size_t len)
{
	unsigned int i;

	for (i = 0; i < h->nr_segments; i++) {
		struct host_segment *seg = &h->segments[i];

		if (addr - seg->base < seg->size && len <= seg->size - (addr - seg->base))
			return seg;
	}
	return NULL;
}

static bool read_as(struct kmemleak_tracker *t, void *dst, unsigned long addr, size_t len,
		    enum kmemleak_read how)
{
	struct host *h = host_of(t);
	struct host_segment *seg = segment_of(h, addr, len);
	const u8 *src;

	__atomic_fetch_add(&h->reads, 1, __ATOMIC_RELAXED);
	REQUIRE(len && len <= PAGE_SIZE);
	if (how == KMEMLEAK_READ_BLOCK && (!irqs_off || nr_held != 1))
		host_die("block read without its lock", __FILE__, __LINE__);
	if (how >= KMEMLEAK_READ_ROOT && !may_sleep())
		host_die("root read under a lock", __FILE__, __LINE__);
	if (how == KMEMLEAK_READ_MAPPED &&
	    (addr < t->mapped || addr >= t->mapped_end || len > t->mapped_end - addr))
		host_die("memory that can be unmapped read without a lock", __FILE__, __LINE__);
	if (how == KMEMLEAK_READ_MAPPED && !preempt_off)
		host_die("memory checked and read with preemption on", __FILE__, __LINE__);
	if (!seg || READ_ONCE(seg->unreadable)) {
		__atomic_fetch_add(&h->unreadable, 1, __ATOMIC_RELAXED);
		return false;
	}
	src = seg->mem + (addr - seg->base);
	/* Other threads write words meanwhile, so read words where that is possible. */
	if ((unsigned long)src % sizeof(long) == 0 && (unsigned long)dst % sizeof(long) == 0) {
		for (; len >= sizeof(long); len -= sizeof(long)) {
			*(unsigned long *)dst = READ_ONCE(*(const unsigned long *)src);
			dst = (unsigned long *)dst + 1;
			src += sizeof(long);
		}
	}
	memcpy(dst, src, len);
	return true;
}

static bool host_read(struct kmemleak_tracker *t, void *dst, unsigned long addr, size_t len)
{
	return read_as(t, dst, addr, len, KMEMLEAK_READ_BLOCK);
}

static long host_scan_words(struct kmemleak_tracker *t, unsigned long *dst, unsigned long addr,
			    size_t len, enum kmemleak_read how,
			    const struct kmemleak_word_filter *filter)
{
	struct host_segment *seg = segment_of(host_of(t), addr, len);

	if (how == KMEMLEAK_READ_OPAQUE && seg && seg->foreign)
		return 0;
	return read_as(t, dst, addr, len, how) ? kmemleak_scan_words(filter, dst, dst, len) :
						 -EFAULT;
}

static unsigned long host_block_addr(struct kmemleak_tracker *t, enum kmemleak_space space,
				     unsigned long addr, unsigned int cpu)
{
	switch (space) {
	case KMEMLEAK_VIRT:
		return addr;
	case KMEMLEAK_PHYS:
		if (segment_of(host_of(t), addr - HOST_PHYS + HOST_DIRECT, 1))
			return addr - HOST_PHYS + HOST_DIRECT;
		return 0;
	case KMEMLEAK_PERCPU:
		REQUIRE(cpu < HOST_NR_CPUS);
		return addr - HOST_PERCPU + HOST_COPIES + cpu * HOST_COPY_STRIDE;
	default:
		host_die("unknown address space", __FILE__, __LINE__);
	}
}

static void host_mark_roots(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	struct host *h = host_of(t);
	unsigned int i;

	REQUIRE(may_sleep());
	for (i = 0; i < h->nr_roots; i++)
		if (kmemleak_mark_range(m, h->roots[i].start, h->roots[i].end))
			return;
	if (h->in_roots && !h->stopped)
		h->in_roots(h, m);
}

static int host_pause(struct kmemleak_tracker *t)
{
	struct host *h = host_of(t);

	REQUIRE(may_sleep());
	__atomic_fetch_add(&h->pauses, 1, __ATOMIC_RELAXED);
	/* Two threads may overwrite each other's maximum. That is not worth a lock. */
	if (nr_taken > __atomic_load_n(&h->most_locks, __ATOMIC_RELAXED))
		__atomic_store_n(&h->most_locks, nr_taken, __ATOMIC_RELAXED);
	nr_taken = 0;
	if (h->stopped)
		return h->stop_pauses && !--h->stop_pauses ? -ETIME : 0;
	return h->on_pause ? h->on_pause(h) : 0;
}

static void host_wait_for_hooks(struct kmemleak_tracker *t)
{
	struct host *h = host_of(t);

	REQUIRE(!nr_held && !irqs_off);
	h->waits++;
	if (h->on_wait_for_hooks)
		h->on_wait_for_hooks(h);
}

/* The body of a helper's thread. */
static void *host_help(void *arg)
{
	struct host_helper *helper = arg;

	host_set_cpu(helper->cpu);
	kmemleak_worklist_help(helper->marker);
	REQUIRE(may_sleep());
	return NULL;
}

static void host_spawn(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	struct host *h = host_of(t);
	struct host_helper *helper = &h->helpers[h->nr_helpers];

	REQUIRE(h->nr_helpers < HOST_NR_CPUS - 1);
	/* As in the kernel, a helper may be requested and never come. */
	if (h->no_helpers)
		return;
	helper->marker = m;
	helper->cpu = HOST_NR_CPUS - 1 - h->nr_helpers++;
	h->spawned++;
	REQUIRE(!pthread_create(&helper->thread, NULL, host_help, helper));
}

static void host_wait(struct kmemleak_tracker *t, struct kmemleak_marker *m)
{
	REQUIRE(may_sleep());
	while (!kmemleak_worklist_is_ready(m))
		sched_yield();
}

static void host_wake(struct kmemleak_tracker *t)
{
}

static void host_join(struct kmemleak_tracker *t)
{
	struct host *h = host_of(t);

	REQUIRE(may_sleep());
	while (h->nr_helpers)
		pthread_join(h->helpers[--h->nr_helpers].thread, NULL);
}

static int host_stop_and_mark(struct kmemleak_tracker *t, struct kmemleak_marker *m,
			      unsigned long pieces)
{
	struct host *h = host_of(t);
	int ret;

	REQUIRE(may_sleep() && !h->stopped);
	h->pieces = pieces;
	if (!h->can_stop)
		return -EBUSY;
	h->stopped = true;
	ret = kmemleak_mark_run(m);
	h->stop_pieces = kmemleak_mark_pieces(m);
	h->stopped = false;
	return ret;
}

static void host_maintain_pool(struct kmemleak_tracker *t)
{
	if (!irqs_off)
		host_die("maintain_pool() called with interrupts on", __FILE__, __LINE__);
	__atomic_fetch_add(&host_of(t)->pool_calls, 1, __ATOMIC_RELAXED);
}

static void host_each_cpu(struct kmemleak_tracker *t, void (*call)(struct kmemleak_tracker *t))
{
	unsigned int cpu, me = my_cpu;
	unsigned long irq;

	if (irqs_off)
		host_die("each_cpu() called with interrupts off", __FILE__, __LINE__);
	for (cpu = 0; cpu < t->pool.nr_caches; cpu++) {
		if (host_of(t)->others_run && cpu != me)
			continue;
		my_cpu = cpu;
		local_irq_save(irq);
		call(t);
		local_irq_restore(irq);
	}
	my_cpu = me;
}

const struct kmemleak_ops host_ops = {
	.page_alloc = host_page_alloc,
	.page_free = host_page_free,
	.read = host_read,
	.scan_words = host_scan_words,
	.block_addr = host_block_addr,
	.roots = host_mark_roots,
	.pause = host_pause,
	.wait_for_hooks = host_wait_for_hooks,
	.spawn = host_spawn,
	.wait = host_wait,
	.wake = host_wake,
	.join = host_join,
	.maintain_pool = host_maintain_pool,
	.each_cpu = host_each_cpu,
	.stop_and_mark = host_stop_and_mark,
	.now = host_read_now,
};

const struct kmemleak_options host_plain_options = {
	.roots = KMEMLEAK_ALL_ROOTS,
	.min_unref_scans = 1,
};

const struct kmemleak_options host_all_options = {
	.rules = KMEMLEAK_ALL_RULES,
	.roots = KMEMLEAK_ALL_ROOTS,
	.min_unref_scans = 1,
};

/* ------------------------------------------------------------------ tracker -- */

static struct host *host_setup(union kmemleak_entry *boot_entries, unsigned long nr_boot_entries)
{
	struct host *h = aligned_alloc(64, ALIGN(sizeof(*h), 64));

	if (!h)
		abort();
	memset(h, 0, sizeof(*h));
	h->fail_after = -1;
	h->fail_order = -1;
	kmemleak_tracker_setup(&h->t, &host_ops, boot_entries, nr_boot_entries);
	h->t.index.split[0] = min(HOST_VMALLOC, HOST_IMAGE);
	h->t.index.split[1] = max(HOST_VMALLOC, HOST_IMAGE);
	h->t.index.split[2] = HOST_MODULES;
	h->t.mapped = HOST_DIRECT;
	h->t.mapped_end = min(HOST_VMALLOC, HOST_IMAGE);
	return h;
}

struct host *host_new_boot(unsigned long nr_boot_entries)
{
	union kmemleak_entry *boot_entries = NULL;

	if (nr_boot_entries) {
		boot_entries = aligned_alloc(64, nr_boot_entries *
						 ALIGN(sizeof(*boot_entries), 64));
		if (!boot_entries)
			abort();
		memset(boot_entries, 0, nr_boot_entries * sizeof(*boot_entries));
	}
	return host_setup(boot_entries, nr_boot_entries);
}

struct host *host_new(unsigned int shard_bits)
{
	struct host *h = host_new_boot(0);

	if (shard_bits)
		REQUIRE(kmemleak_tracker_start(&h->t, shard_bits, HOST_NR_CPUS) == 0);
	return h;
}

void host_free(struct host *h)
{
	union kmemleak_entry *boot_entries = h->t.pool.boot_entries;
	unsigned int i;

	kmemleak_tracker_disable(&h->t);
	kmemleak_tracker_reset(&h->t);
	CHECK_EQ(h->live_pages, 0);
	for (i = 0; i < h->nr_segments; i++)
		free(h->segments[i].mem);
	free(boot_entries);
	free(h);
}

void host_trim(struct host *h, bool all)
{
	LIST_HEAD(pages);

	while (kmemleak_pool_trim(&h->t, &pages, all, kmemleak_entry_move))
		kmemleak_pool_release(&h->t, &pages);
}

struct host_segment *host_map(struct host *h, unsigned long base, size_t size)
{
	struct host_segment *seg = &h->segments[h->nr_segments++];

	REQUIRE(h->nr_segments <= HOST_NR_SEGMENTS);
	/* The memory is exactly @size bytes long, so ASan finds accesses beyond its end. */
	seg->mem = calloc(1, size);
	if (!seg->mem)
		abort();
	seg->base = base;
	seg->size = size;
	return seg;
}

unsigned long *host_word(struct host *h, unsigned long addr)
{
	struct host_segment *seg = segment_of(h, addr, sizeof(long));

	REQUIRE(seg && IS_ALIGNED(addr, sizeof(long)));
	return (unsigned long *)(seg->mem + (addr - seg->base));
}

void host_store(struct host *h, unsigned long addr, unsigned long value)
{
	WRITE_ONCE(*host_word(h, addr), value);
}

void host_add_root(struct host *h, unsigned long start, unsigned long end)
{
	REQUIRE(h->nr_roots < HOST_NR_ROOTS);
	h->roots[h->nr_roots++] = (struct host_root){ start, end };
}

long host_counter(struct host *h, enum kmemleak_counter counter)
{
	return atomic_long_read(&h->t.counters[counter]);
}

enum kmemleak_result host_add(struct host *h, enum kmemleak_space space, unsigned long start,
			      size_t size, int min_count)
{
	const struct kmemleak_origin origin = {
		.trace = 1 + (u32)(start >> 4),
		.born = host_read_now(),
		.clock = host_read_clock(),
		.pid = 7,
		.comm = "host\0\0\0\0\0\0\0\0\0\0\0",
	};

	return kmemleak_block_add(&h->t, space, start, size, min_count, &origin);
}

void host_block(struct host *h, unsigned long start, size_t size)
{
	REQUIRE(host_add(h, KMEMLEAK_VIRT, start, size, 1) == KMEMLEAK_OK);
}

bool host_tracked(struct host *h, enum kmemleak_space space, unsigned long addr)
{
	struct kmemleak_object copy;

	return kmemleak_block_get(&h->t, space, addr, &copy);
}

static void count_object(struct kmemleak_tracker *t, struct kmemleak_object *obj, void *arg)
{
	REQUIRE(obj->flags & KMEMLEAK_LIVE);
	++*(unsigned long *)arg;
}

unsigned long host_nr_objects(struct host *h)
{
	struct kmemleak_cursor cursor = {};
	unsigned long nr = 0;

	while (kmemleak_index_walk(&h->t, &cursor, 100, count_object, &nr))
		;
	return nr;
}

int host_mark(struct host *h, const struct kmemleak_options *opt)
{
	struct kmemleak_marker *m = kmemleak_mark_begin(&h->t, opt, 0);
	int ret;

	if (!m)
		return -ENOMEM;
	ret = kmemleak_mark_run(m);
	kmemleak_mark_end(m);
	kmemleak_mark_newborns_end(&h->t);
	return ret;
}

bool host_white(struct host *h, enum kmemleak_space space, unsigned long addr)
{
	struct kmemleak_index_lock at;
	struct kmemleak_object *obj = kmemleak_index_find(&h->t, space, addr, &at);
	bool white;

	REQUIRE(obj);
	white = kmemleak_object_white(&h->t, obj);
	kmemleak_index_unlock(&at);
	return white;
}

int host_scan_whole(struct host *h, const struct kmemleak_options *opt,
		    struct kmemleak_leak_set *leaks)
{
	kmemleak_leak_set_init(leaks);
	return kmemleak_judge(&h->t, opt, leaks);
}

bool host_opaque(struct host *h, enum kmemleak_space space, unsigned long start,
		 unsigned long end)
{
	struct kmemleak_block b;
	u32 cursor = 0;

	while (kmemleak_opaque_next(&h->t, &cursor, &b))
		if (b.space == space && b.start <= start && end - b.start <= b.size)
			return true;
	return false;
}

bool host_reported(const struct kmemleak_leak_set *leaks, unsigned long start)
{
	const struct kmemleak_leak *leak;

	list_for_each_entry(leak, &leaks->list, list)
		if (leak->ref.start == start)
			return true;
	return false;
}

struct host *host_broad(unsigned int nr)
{
	struct host *h = host_new(10);
	unsigned int i;

	host_map(h, HOST_DIRECT, nr * 128);
	host_map(h, HOST_IMAGE, nr / 2 * sizeof(long));
	host_add_root(h, HOST_IMAGE, HOST_IMAGE + nr / 2 * sizeof(long));
	for (i = 0; i < nr; i++) {
		host_block(h, HOST_DIRECT + i * 128, 64);
		if (i < nr / 2) {
			host_store(h, HOST_IMAGE + i * sizeof(long), HOST_DIRECT + i * 128 + 5);
			host_store(h, HOST_DIRECT + i * 128 + 8,
				   HOST_DIRECT + (nr / 2 + i) * 128 + 63);
		}
	}
	return h;
}
