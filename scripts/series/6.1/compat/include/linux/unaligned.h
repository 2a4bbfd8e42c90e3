/* SPDX-License-Identifier: GPL-2.0-only */
/* Where later trees have it. */
#include <asm/unaligned.h>
