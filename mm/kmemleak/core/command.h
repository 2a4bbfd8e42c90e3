/* SPDX-License-Identifier: GPL-2.0-only */
/* Commands that can be written to the debugfs file. See command.c. */
#ifndef _KMEMLEAK_COMMAND_H
#define _KMEMLEAK_COMMAND_H

#include "platform.h"

enum kmemleak_command {
	KMEMLEAK_CMD_SCAN,
	KMEMLEAK_CMD_CLEAR,
	KMEMLEAK_CMD_OFF,
	KMEMLEAK_CMD_ON,
	KMEMLEAK_CMD_DUMP,		/* arg: address */
	KMEMLEAK_CMD_STACK_ON,
	KMEMLEAK_CMD_STACK_OFF,
	KMEMLEAK_CMD_SCAN_ON,
	KMEMLEAK_CMD_SCAN_OFF,
	KMEMLEAK_CMD_SCAN_SECS,		/* arg: seconds, 0 ends the thread */
};

/*
 * Longest period that can be set, in seconds: 24 days. In milliseconds it still fits an
 * int, the narrowest type that a timeout passes through.
 */
#define KMEMLEAK_MAX_SECS	(INT_MAX / 1000)

/* Longest command with its argument, newline and NUL. Longer ones are EINVAL. */
#define KMEMLEAK_CMD_MAX	64

int kmemleak_command_parse(const char *text, size_t len, enum kmemleak_command *cmd,
			   unsigned long *arg);

#endif /* _KMEMLEAK_COMMAND_H */
