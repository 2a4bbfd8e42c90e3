// SPDX-License-Identifier: GPL-2.0-only
/*
 * The words that can be written to the debugfs file: the only place that
 * compares them. Parsing changes nothing; what a command does, and whether it
 * is allowed at the moment, is for the caller.
 */
#include "kmemleak.h"

/**
 * struct syntax - one command
 * @word: what is written; if it ends in '=', a number follows
 * @cmd: its command
 * @max: greatest number allowed, unused if there is none
 */
struct syntax {
	const char *word;
	enum kmemleak_command cmd;
	unsigned long max;
};

/* Words that begin like a longer one stand after it: scan=on before scan=. */
static const struct syntax commands[] = {
	{ "scan",	KMEMLEAK_CMD_SCAN },
	{ "clear",	KMEMLEAK_CMD_CLEAR },
	{ "off",	KMEMLEAK_CMD_OFF },
	{ "on",		KMEMLEAK_CMD_ON },
	{ "stack=on",	KMEMLEAK_CMD_STACK_ON },
	{ "stack=off",	KMEMLEAK_CMD_STACK_OFF },
	{ "scan=on",	KMEMLEAK_CMD_SCAN_ON },
	{ "scan=off",	KMEMLEAK_CMD_SCAN_OFF },
	{ "scan=",	KMEMLEAK_CMD_SCAN_SECS,	UINT_MAX },
	{ "dump=",	KMEMLEAK_CMD_DUMP,	ULONG_MAX },
};

static bool takes_number(const struct syntax *syntax)
{
	return syntax->word[strlen(syntax->word) - 1] == '=';
}

static const struct syntax *find(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		size_t word_len = strlen(commands[i].word);

		if (len < word_len || memcmp(text, commands[i].word, word_len))
			continue;
		if (len == word_len || takes_number(&commands[i]))
			return &commands[i];
	}
	return NULL;
}

/**
 * kmemleak_command_parse() - parse a write to the debugfs file
 * @text: the bytes written; need not end in NUL
 * @len: how many
 * @cmd: set to the command
 * @arg: set to its number, or to 0 if it has none
 *
 * Blanks, newlines, carriage returns and NULs at the end are ignored: shells and
 * languages add them. Numbers are what kstrtoul() takes with base 0: decimal, 0x… or
 * 0….
 *
 * Context: any.
 * Return: 0; -EINVAL if @text is empty, too long, no command, or a command with
 * anything wrong around it; -ERANGE if the number is too large: an address that
 * does not fit a long, or a period above 4294967295 seconds. @cmd and @arg are
 * written only with 0.
 */
int kmemleak_command_parse(const char *text, size_t len, enum kmemleak_command *cmd,
			   unsigned long *arg)
{
	const struct syntax *syntax;
	char number[KMEMLEAK_CMD_MAX];
	unsigned long value = 0;

	if (!len || len >= KMEMLEAK_CMD_MAX)
		return -EINVAL;
	/* Finds a NUL, too. */
	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	/* kstrtoul() would stop at the one and forgive the other. */
	if (memchr(text, '\0', len) || memchr(text, '\n', len))
		return -EINVAL;

	syntax = find(text, len);
	if (!syntax)
		return -EINVAL;
	if (takes_number(syntax)) {
		size_t word_len = strlen(syntax->word);
		int ret;

		memcpy(number, text + word_len, len - word_len);
		number[len - word_len] = '\0';
		ret = kstrtoul(number, 0, &value);
		if (ret)
			return ret;
		if (value > syntax->max)
			return -ERANGE;
	}
	*cmd = syntax->cmd;
	*arg = value;
	return 0;
}
