/* SPDX-License-Identifier: GPL-2.0-only */
/* Newer trees have the header at this place. */
#include <asm/unaligned.h>
