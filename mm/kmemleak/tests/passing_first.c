// SPDX-License-Identifier: GPL-2.0-only
/* The module kmemleak-first, see passing.h. */
#define passing_lose	first_lose
#define passing_init	first_init
#include "passing.h"

module_init(first_init);

static void __exit first_exit(void)
{
}
module_exit(first_exit);

MODULE_DESCRIPTION("loses blocks and goes: the first");
