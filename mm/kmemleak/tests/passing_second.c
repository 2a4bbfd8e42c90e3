// SPDX-License-Identifier: GPL-2.0-only
/* The module kmemleak-second, see passing.h. */
#define passing_lose	second_lose
#define passing_init	second_init
#include "passing.h"

module_init(second_init);

static void __exit second_exit(void)
{
}
module_exit(second_exit);

MODULE_DESCRIPTION("loses blocks and goes: the second");
