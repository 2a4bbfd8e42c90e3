// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command parser: a table of texts that it must accept or refuse, and random texts that
 * are compared with a second parser, which works in another way.
 */
#include "host.h"

#define UNTOUCHED_CMD	((enum kmemleak_command)99)
#define UNTOUCHED_ARG	0x5a5a5a5aUL

/*
 * Parses a copy of exactly @len bytes, so that ASan finds reads behind them. A refused text
 * must leave @cmd and @arg alone.
 */
static int parse(const char *text, size_t len, enum kmemleak_command *cmd, unsigned long *arg)
{
	char *copy = malloc(len ?: 1);
	int ret;

	memcpy(copy, text, len);
	*cmd = UNTOUCHED_CMD;
	*arg = UNTOUCHED_ARG;
	ret = kmemleak_command_parse(copy, len, cmd, arg);
	free(copy);
	if (ret) {
		CHECK_EQ(*cmd, UNTOUCHED_CMD);
		CHECK_EQ(*arg, UNTOUCHED_ARG);
	}
	return ret;
}

static void test_table(void)
{
	static const struct {
		const char *text;
		size_t len;
		int ret;
		enum kmemleak_command cmd;
		unsigned long arg;
	} t[] = {
#define OK(text, cmd, arg)	{ text, sizeof(text) - 1, 0, cmd, arg }
#define BAD(text, ret)		{ text, sizeof(text) - 1, ret }
		OK("scan", KMEMLEAK_CMD_SCAN, 0),
		OK("scan\n", KMEMLEAK_CMD_SCAN, 0),
		OK("clear", KMEMLEAK_CMD_CLEAR, 0),
		OK("clear\n", KMEMLEAK_CMD_CLEAR, 0),
		OK("off", KMEMLEAK_CMD_OFF, 0),
		OK("on", KMEMLEAK_CMD_ON, 0),
		OK("stack=on", KMEMLEAK_CMD_STACK_ON, 0),
		OK("stack=off", KMEMLEAK_CMD_STACK_OFF, 0),
		OK("scan=on", KMEMLEAK_CMD_SCAN_ON, 0),
		OK("scan=off\n", KMEMLEAK_CMD_SCAN_OFF, 0),
		OK("scan=0", KMEMLEAK_CMD_SCAN_SECS, 0),
		OK("scan=600\n", KMEMLEAK_CMD_SCAN_SECS, 600),
		OK("scan=0x10", KMEMLEAK_CMD_SCAN_SECS, 16),
		OK("scan=4294967295", KMEMLEAK_CMD_SCAN_SECS, 4294967295UL),
		OK("dump=0", KMEMLEAK_CMD_DUMP, 0),
		OK("dump=0xc0001234", KMEMLEAK_CMD_DUMP, 0xc0001234UL),
		OK("dump=4096\n", KMEMLEAK_CMD_DUMP, 4096),
#if BITS_PER_LONG == 64
		OK("dump=0xffff888003f17000", KMEMLEAK_CMD_DUMP, 0xffff888003f17000UL),
		OK("dump=0xffffffffffffffff", KMEMLEAK_CMD_DUMP, ULONG_MAX),
		BAD("dump=0x10000000000000000", -ERANGE),
#else
		OK("dump=0xffffffff", KMEMLEAK_CMD_DUMP, ULONG_MAX),
		BAD("dump=0x100000000", -ERANGE),
#endif
		OK("scan ", KMEMLEAK_CMD_SCAN, 0),
		OK("scan\n\n", KMEMLEAK_CMD_SCAN, 0),
		OK("scan\0", KMEMLEAK_CMD_SCAN, 0),
		OK("scan\0\n", KMEMLEAK_CMD_SCAN, 0),
		OK("scan\r\n", KMEMLEAK_CMD_SCAN, 0),
		OK("scan=1 ", KMEMLEAK_CMD_SCAN_SECS, 1),
		OK("scan=1\0", KMEMLEAK_CMD_SCAN_SECS, 1),
		OK("scan=1\n\n", KMEMLEAK_CMD_SCAN_SECS, 1),
		BAD("", -EINVAL),
		BAD("\n", -EINVAL),
		BAD("\0", -EINVAL),
		BAD(" ", -EINVAL),
		BAD("scanner", -EINVAL),
		BAD("sca", -EINVAL),
		BAD("s", -EINVAL),
		BAD("SCAN", -EINVAL),
		BAD(" scan", -EINVAL),
		BAD("\nscan", -EINVAL),
		BAD("scan\nclear\n", -EINVAL),
		BAD("offf", -EINVAL),
		BAD("of", -EINVAL),
		BAD("o", -EINVAL),
		BAD("onn", -EINVAL),
		BAD("clear=1", -EINVAL),
		BAD("stack", -EINVAL),
		BAD("stack=", -EINVAL),
		BAD("stack=onn", -EINVAL),
		BAD("stack=1", -EINVAL),
		BAD("scan=", -EINVAL),
		BAD("scan=\n", -EINVAL),
		BAD("scan=-1", -EINVAL),
		BAD("scan=onx", -EINVAL),
		BAD("scan=o", -EINVAL),
		BAD("scan= 1", -EINVAL),
		BAD("scan=1x", -EINVAL),
		BAD("scan=4294967296", -ERANGE),
		BAD("scan=99999999999999999999999999", -ERANGE),
		BAD("dump", -EINVAL),
		BAD("dump=", -EINVAL),
		BAD("dump=-1", -EINVAL),
		BAD("dump=0x", -EINVAL),
		BAD("dump=zz", -EINVAL),
		BAD("dump=ffff888003f17000", -EINVAL),
	};
	enum kmemleak_command cmd;
	unsigned long arg;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(t); i++) {
		int ret = parse(t[i].text, t[i].len, &cmd, &arg);

		if (ret != t[i].ret || (!ret && (cmd != t[i].cmd || arg != t[i].arg)))
			host_check_failed(__FILE__, __LINE__, "\"%s\" (%zu): %d, cmd %d, arg %lu",
					  t[i].text, t[i].len, ret, cmd, arg);
	}
}

/*
 * Texts of many lengths, with and without a newline at the end. All texts shorter than
 * KMEMLEAK_CMD_MAX must be accepted, all others refused.
 */
static void test_longest(void)
{
	enum kmemleak_command cmd;
	unsigned long arg;
	size_t len;

	for (len = 12; len < 2 * KMEMLEAK_CMD_MAX; len++) {
		char text[2 * KMEMLEAK_CMD_MAX];
		int ret = len < KMEMLEAK_CMD_MAX ? 0 : -EINVAL;

		memset(text, '0', sizeof(text));
		memcpy(text, "dump=0x", 7);
		memcpy(text + len - 3, "4d2", 3);
		CHECK_EQ(parse(text, len, &cmd, &arg), ret);
		if (!ret)
			CHECK_EQ(arg, 1234);
		memcpy(text + len - 4, "4d2\n", 4);
		CHECK_EQ(parse(text, len, &cmd, &arg), ret);
		if (!ret)
			CHECK_EQ(arg, 1234);
	}
}

/* Texts that repeat one byte, for each byte and many lengths: all must be refused. */
static void test_lengths(void)
{
	enum kmemleak_command cmd;
	unsigned long arg;
	char text[300];
	size_t len;
	unsigned int c;

	for (c = 0; c < 256; c++) {
		memset(text, c, sizeof(text));
		for (len = 0; len < sizeof(text); len++)
			CHECK_EQ(parse(text, len, &cmd, &arg), -EINVAL);
	}
}

/* The commands without a number. */
static const struct {
	const char *word;
	enum kmemleak_command cmd;
} words[] = {
	{ "scan", KMEMLEAK_CMD_SCAN }, { "clear", KMEMLEAK_CMD_CLEAR },
	{ "off", KMEMLEAK_CMD_OFF }, { "on", KMEMLEAK_CMD_ON },
	{ "stack=on", KMEMLEAK_CMD_STACK_ON }, { "stack=off", KMEMLEAK_CMD_STACK_OFF },
	{ "scan=on", KMEMLEAK_CMD_SCAN_ON }, { "scan=off", KMEMLEAK_CMD_SCAN_OFF },
};

/* The second parser. Return: true if the text is a command. */
static bool model(const char *text, size_t len, enum kmemleak_command *cmd, unsigned long *arg)
{
	char s[KMEMLEAK_CMD_MAX + 1];
	unsigned int i;

	if (!len || len >= KMEMLEAK_CMD_MAX)
		return false;
	memcpy(s, text, len);
	while (len && memchr("\0 \t\r\n", s[len - 1], 5))
		len--;
	s[len] = 0;
	if (strlen(s) != len)
		return false;
	*arg = 0;
	for (i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(s, words[i].word)) {
			*cmd = words[i].cmd;
			return true;
		}
	}
	if (strchr(s, '\n'))
		return false;
	if (!strncmp(s, "scan=", 5)) {
		*cmd = KMEMLEAK_CMD_SCAN_SECS;
		return !kstrtoul(s + 5, 0, arg) && *arg <= UINT_MAX;
	}
	if (!strncmp(s, "dump=", 5)) {
		*cmd = KMEMLEAK_CMD_DUMP;
		return !kstrtoul(s + 5, 0, arg);
	}
	return false;
}

/* Joins random pieces of commands. Both parsers must agree. */
static void test_random(void)
{
	static const char *const piece[] = {
		"scan", "scan=", "clear", "off", "on", "stack=", "dump=", "0", "1", "0x", "f",
		"9999999", "\n", " ", "=", "-", "+", "\r", "4294967295", "4294967296", "s", "\t",
		"",
	};
	unsigned long n, understood = 0;

	for (n = 0; n < host_rounds(400000); n++) {
		enum kmemleak_command cmd, cmd2 = 0;
		unsigned long arg, arg2 = 0;
		char text[200];
		size_t len = 0;
		unsigned int i, pieces = 1 + host_below(4);
		bool good;

		for (i = 0; i < pieces; i++) {
			const char *p = piece[host_below(ARRAY_SIZE(piece))];

			memcpy(text + len, p, strlen(p));
			len += strlen(p);
		}
		if (len && host_one_in(10))
			text[host_below(len)] = host_rand();
		good = model(text, len, &cmd2, &arg2);
		understood += good;
		CHECK_EQ(parse(text, len, &cmd, &arg) == 0, good);
		if (good) {
			CHECK_EQ(cmd, cmd2);
			CHECK_EQ(arg, arg2);
		}
		if (host_failures)
			return;
	}
	/* If few texts are commands, the test proves little. */
	CHECK(understood > n / 50);
}

const struct host_case command_cases[] = {
	{ "table", test_table },
	{ "longest", test_longest },
	{ "lengths", test_lengths },
	{ "random", test_random },
	{ }
};
