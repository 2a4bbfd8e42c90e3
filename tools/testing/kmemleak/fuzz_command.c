// SPDX-License-Identifier: GPL-2.0-only
/*
 * Fuzz target: the command parser. Any bytes must give a command or an error. The parser
 * must not read behind them, and a refused text must change nothing.
 */
#include "host.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static int parse(const u8 *data, size_t len, enum kmemleak_command *cmd, unsigned long *arg)
{
	char *copy = malloc(len ?: 1);
	int ret;

	if (len)
		memcpy(copy, data, len);
	*cmd = 99;
	*arg = 0x5a5a5a5a;
	ret = kmemleak_command_parse(copy, len, cmd, arg);
	free(copy);
	if (ret) {
		REQUIRE(ret == -EINVAL || ret == -ERANGE);
		REQUIRE(*cmd == 99 && *arg == 0x5a5a5a5a);
	} else {
		REQUIRE(*cmd <= KMEMLEAK_CMD_SCAN_SECS);
		REQUIRE(len && len < KMEMLEAK_CMD_MAX);
		/* strchr() also finds a NUL. */
		while (len && strchr(" \t\r\n", data[len - 1]))
			len--;
		REQUIRE(len && !memchr(data, 0, len));
		REQUIRE(*cmd == KMEMLEAK_CMD_DUMP || *cmd == KMEMLEAK_CMD_SCAN_SECS || !*arg);
	}
	return ret;
}

int LLVMFuzzerTestOneInput(const u8 *data, size_t len)
{
	static const char *const prefix[] = { "", "scan", "scan=", "dump=", "stack=", "o", "c" };
	static const char ends[] = { ' ', '\t', '\r', '\n', '\0' };
	enum kmemleak_command cmd, cmd2;
	unsigned long arg, arg2;
	u8 text[600];
	unsigned int i;
	size_t n;
	int ret;

	/*
	 * The first byte can select the start of a command, so that the fuzzer reaches
	 * numbers early.
	 */
	if (!len || len > 512)
		return 0;
	n = strlen(prefix[data[0] % ARRAY_SIZE(prefix)]);
	memcpy(text, prefix[data[0] % ARRAY_SIZE(prefix)], n);
	memcpy(text + n, data + 1, len - 1);
	n += len - 1;
	ret = parse(text, n, &cmd, &arg);
	if (!n || n + 1 >= KMEMLEAK_CMD_MAX)
		return 0;
	/* A blank or a NUL at the end must change nothing. */
	for (i = 0; i < ARRAY_SIZE(ends); i++) {
		text[n] = ends[i];
		REQUIRE(parse(text, n + 1, &cmd2, &arg2) == ret);
		REQUIRE(cmd == cmd2 && arg == arg2);
	}
	return 0;
}
