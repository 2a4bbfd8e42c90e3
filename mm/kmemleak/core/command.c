// SPDX-License-Identifier: GPL-2.0-only
/*
 * The commands that can be written to the debugfs file. Only this file compares the words.
 * Parsing changes nothing. The caller decides whether a command is allowed now, and runs it.
 */
#include "command.h"

/**
 * struct syntax - how a command is written
 * @word: the word; if it ends in '=', a number follows
 * @cmd: the command
 * @max: greatest number allowed, unused if the command has no number. For "scan=" it is
 *	above KMEMLEAK_MAX_SECS: debugfs.c lowers longer periods.
 */
struct syntax {
	const char *word;
	enum kmemleak_command cmd;
	unsigned long max;
};

/* A longer word comes before a shorter one that it begins with: scan=on before scan=. */
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

static const struct syntax *find_syntax(const char *text, size_t len)
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
 * @len: number of bytes
 * @cmd: set to the command
 * @arg: set to the command's number, or to 0 if it has none
 *
 * Blanks, tabs, newlines, carriage returns and NULs at the end are ignored, because shells
 * and programming languages add them. Numbers are decimal, 0x… or 0…, as kstrtoul() accepts
 * them with base 0.
 *
 * Context: any.
 * Return: 0; -EINVAL if @text is empty, too long, no command, or a command with wrong text
 * around it; -ERANGE if the number is too large: an address that does not fit a long, or a
 * period above 4294967295 seconds. @cmd and @arg are set only if the result is 0.
 */
int kmemleak_command_parse(const char *text, size_t len, enum kmemleak_command *cmd,
			   unsigned long *arg)
{
	const struct syntax *syntax;
	char number[KMEMLEAK_CMD_MAX];
	unsigned long value = 0;

	if (!len || len >= KMEMLEAK_CMD_MAX)
		return -EINVAL;
	/* strchr() also finds the NUL at the end of the string. */
	while (len && strchr(" \t\r\n", text[len - 1]))
		len--;
	/* kstrtoul() would ignore the text behind a NUL. */
	if (memchr(text, '\0', len) || memchr(text, '\n', len))
		return -EINVAL;

	syntax = find_syntax(text, len);
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
