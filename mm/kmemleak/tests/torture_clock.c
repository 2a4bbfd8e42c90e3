// SPDX-License-Identifier: GPL-2.0-only
/*
 * "clock" registers a clocksource that does not advance while all CPUs are stopped, like a
 * clocksource that counts ticks. A stop must not take much longer with this clock. The
 * selftest live.sh turns tracking on with it.
 */

#include <linux/clocksource.h>
#include <linux/compiler.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/string.h>

#include "torture.h"

/* The last value of the clock. Any CPU writes it. It does not matter if an older value wins. */
static u64 last;
static bool registered;

/* While all CPUs are stopped, only the stopper threads run. */
static bool is_stopper(void)
{
	return !strncmp(current->comm, "migration/", strlen("migration/"));
}

static u64 read_clock(struct clocksource *unused)
{
	if (!is_stopper())
		WRITE_ONCE(last, sched_clock());
	return READ_ONCE(last);
}

static struct clocksource clock = {
	.name = "kmemleak-torture",
	.rating = 499,
	.read = read_clock,
	.mask = CLOCKSOURCE_MASK(64),
	.flags = CLOCK_SOURCE_IS_CONTINUOUS | CLOCK_SOURCE_VALID_FOR_HRES,
};

/* clock: uses this clock until the reset */
int torture_clock(int argc, char **argv)
{
	int ret;

	if (argc)
		return -EINVAL;
	if (registered)
		return 0;
	/*
	 * All CPUs are stopped while the kernel changes clocks, so this value is read then.
	 * With an old value, time would jump, and RCU would complain of late grace periods.
	 */
	WRITE_ONCE(last, sched_clock());
	ret = clocksource_register_hz(&clock, NSEC_PER_SEC);
	registered = !ret;
	return ret;
}

void torture_clock_reset(void)
{
	if (registered && !clocksource_unregister(&clock))
		registered = false;
}
