// SPDX-License-Identifier: GPL-2.0-only
/*
 * Tests of the host environment: platform.h and host.c. If these are wrong, all other tests
 * prove less.
 */
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"

/* Must accept and refuse the same texts as the kernel's function. */
static void test_kstrtoul(void)
{
	static const struct {
		const char *text;
		unsigned int base;
		int ret;
		unsigned long value;
	} t[] = {
		{ "0", 0, 0, 0 }, { "10", 0, 0, 10 }, { "010", 0, 0, 8 },
		{ "0x10", 0, 0, 16 }, { "0X1f", 0, 0, 31 }, { "+5", 0, 0, 5 },
		{ "5\n", 0, 0, 5 }, { "0x10", 16, 0, 16 }, { "ff", 16, 0, 255 },
		{ "", 0, -EINVAL }, { "\n", 0, -EINVAL }, { "+", 0, -EINVAL },
		{ "-1", 0, -EINVAL }, { " 1", 0, -EINVAL }, { "1 ", 0, -EINVAL },
		{ "1\n\n", 0, -EINVAL }, { "0x", 0, -EINVAL }, { "08", 0, -EINVAL },
		{ "++1", 0, -EINVAL }, { "12a", 10, -EINVAL },
		{ "0xg", 16, -EINVAL },
		{ "99999999999999999999999", 0, -ERANGE },
		{ "0x10000000000000000", 0, -ERANGE },
#if BITS_PER_LONG == 64
		{ "18446744073709551615", 10, 0, ULONG_MAX },
		{ "18446744073709551616", 10, -ERANGE },
#else
		{ "4294967295", 10, 0, ULONG_MAX },
		{ "4294967296", 10, -ERANGE },
#endif
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		unsigned long value = 0;
		int ret = kstrtoul(t[i].text, t[i].base, &value);

		if (ret != t[i].ret || (!ret && value != t[i].value))
			host_check_failed(__FILE__, __LINE__, "\"%s\": %d %lu", t[i].text,
					  ret, value);
	}
}

static void test_crc32(void)
{
	/*
	 * The usual check value of this CRC. It is computed with all bits inverted before
	 * and after.
	 */
	CHECK_EQ(~crc32_le(~0U, (const u8 *)"123456789", 9), 0xcbf43926U);
	CHECK_EQ(crc32_le(0x12345678, NULL, 0), 0x12345678);
}

static void test_numbers(void)
{
	CHECK_EQ(get_order(1), 0);
	CHECK_EQ(get_order(PAGE_SIZE), 0);
	CHECK_EQ(get_order(PAGE_SIZE + 1), 1);
	CHECK_EQ(get_order(4 * PAGE_SIZE), 2);
	CHECK_EQ(roundup_pow_of_two(1UL), 1);
	CHECK_EQ(roundup_pow_of_two(5UL), 8);
	CHECK_EQ(roundup_pow_of_two(8UL), 8);
	CHECK_EQ(ilog2(1UL), 0);
	CHECK_EQ(ilog2(4095UL), 11);
	CHECK_EQ(ALIGN(13UL, 8), 16);
	CHECK_EQ(ALIGN_DOWN(13UL, 8), 8);
}

/*
 * Each break_*() function makes a mistake with a lock, which must end the process. Only
 * break_nothing() makes none.
 */
static raw_spinlock_t lock_a, lock_b, lock_a2;

static void init_like_a(raw_spinlock_t *lock)
{
	raw_spin_lock_init(lock);
}

static void break_unlock(void)
{
	unsigned long flags = host_irq_save();

	raw_spin_unlock_irqrestore(&lock_a, flags);
}

static void break_recursion(void)
{
	host_irq_save();
	raw_spin_lock(&lock_a);
	raw_spin_lock(&lock_a);
}

static void break_class(void)
{
	host_irq_save();
	raw_spin_lock(&lock_a);
	raw_spin_lock(&lock_a2);
}

static void break_order(void)
{
	host_irq_save();
	raw_spin_lock(&lock_a);
	raw_spin_lock(&lock_b);
	raw_spin_unlock(&lock_b);
	raw_spin_unlock(&lock_a);
	raw_spin_lock(&lock_b);
	raw_spin_lock(&lock_a);
}

static void break_irq(void)
{
	raw_spin_lock(&lock_a);
}

static void break_assert(void)
{
	lockdep_assert_held(&lock_a);
}

static void break_nothing(void)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&lock_a, flags);
	raw_spin_lock(&lock_b);
	lockdep_assert_held(&lock_a);
	raw_spin_unlock(&lock_b);
	raw_spin_unlock_irqrestore(&lock_a, flags);
}

static bool survives(void (*fn)(void))
{
	pid_t pid;
	int status;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		/* The child prints why it dies. Nobody needs to see that. */
		if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr))
			_exit(2);
		fn();
		_exit(0);
	}
	REQUIRE(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void test_lock_checks(void)
{
	init_like_a(&lock_a);
	init_like_a(&lock_a2);
	raw_spin_lock_init(&lock_b);
	CHECK(survives(break_nothing));
	CHECK(!survives(break_unlock));
	CHECK(!survives(break_recursion));
	CHECK(!survives(break_class));
	CHECK(!survives(break_order));
	CHECK(!survives(break_irq));
	CHECK(!survives(break_assert));
}

const struct host_case host_cases[] = {
	{ "kstrtoul", test_kstrtoul },
	{ "crc32", test_crc32 },
	{ "numbers", test_numbers },
	{ "lock_checks", test_lock_checks },
	{ }
};
