// SPDX-License-Identifier: GPL-2.0-only
/*
 * A clock that stands still while the machine does, as one that counts ticks.
 */

#include <linux/clocksource.h>
#include <linux/compiler.h>
#include <linux/sched.h>
#include <linux/sched/clock.h>
#include <linux/string.h>

#include "torture.h"

/* What it said last. Written by any CPU; that an older value wins does not matter. */
static u64 last;
static bool registered;

/* While the machine stands still, only the stoppers' threads run. */
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

/* clock: from now on until it is reset */
int torture_clock(int argc, char **argv)
{
	int ret;

	if (argc)
		return -EINVAL;
	if (registered)
		return 0;
	/*
	 * The machine stands still while clocks change. An old value in that would make
	 * time jump, and RCU complain of grace periods that are late.
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
