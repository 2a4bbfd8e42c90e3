// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the host tests and prints KTAP. Each case runs in a process of its own. If the
 * process dies, the case has failed.
 *
 *	kmemleak-host [--seed=<number>] [--part=<number>] [<part of a case's name>...]
 *
 * The seed can also come from the environment (KMEMLEAK_SEED). The seed, the part and the
 * name of a case determine all that the case does, except for the order of threads. With
 * --part=4, random cases make a quarter of their rounds.
 */
#include <signal.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "host.h"

static const struct {
	const char *name;
	const struct host_case *cases;
} suites[] = {
#ifdef HOST_ONLY_THREADS
	{ "threads", thread_cases },
#else
	{ "host", host_cases },
	{ "index", index_cases },
	{ "pool", pool_cases },
	{ "attr", attr_cases },
	{ "opaque", opaque_cases },
	{ "comm", comm_cases },
	{ "block", block_cases },
	{ "mark", mark_cases },
	{ "judge", judge_cases },
	{ "leak_group", leak_group_cases },
	{ "leak_set", leak_set_cases },
	{ "command", command_cases },
	{ "threads", thread_cases },
#endif
};

/* Only for a case that never ends: every case takes a few seconds. */
#define CASE_SECONDS	600

static bool run_case(const struct host_case *c, const char *name, u64 seed)
{
	const char *p;
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		perror("fork");
		return false;
	}
	if (pid == 0) {
		alarm(CASE_SECONDS);
		host_rng = seed;
		for (p = name; *p; p++)
			host_rng = host_rand_from(&host_rng) ^ (u64)*p;
		c->run();
		fflush(stdout);
		exit(host_failures ? 1 : 0);
	}
	if (waitpid(pid, &status, 0) != pid)
		return false;
	if (WIFSIGNALED(status))
		printf("# ended by signal %d\n", WTERMSIG(status));
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool wanted(const char *name, int argc, char **argv)
{
	bool any = false;
	int i;

	for (i = 1; i < argc; i++) {
		if (argv[i][0] == '-')
			continue;
		any = true;
		if (strstr(name, argv[i]))
			return true;
	}
	return !any;
}

/* Runs the wanted cases. If @seed is NULL, only counts them. */
static unsigned int run_all(int argc, char **argv, const u64 *seed, unsigned int *failed)
{
	const struct host_case *c;
	unsigned int nr = 0, i;
	char name[80];

	for (i = 0; i < ARRAY_SIZE(suites); i++) {
		for (c = suites[i].cases; c->run; c++) {
			snprintf(name, sizeof(name), "%s.%s", suites[i].name, c->name);
			if (!wanted(name, argc, argv))
				continue;
			nr++;
			if (!seed)
				continue;
			if (run_case(c, name, *seed)) {
				printf("ok %u %s\n", nr, name);
			} else {
				++*failed;
				printf("not ok %u %s\n", nr, name);
			}
		}
	}
	return nr;
}

int main(int argc, char **argv)
{
	u64 seed = (u64)time(NULL) << 16 ^ (u64)getpid();
	const char *text = getenv("KMEMLEAK_SEED");
	unsigned int failed = 0;
	int i;

	for (i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--seed=", 7)) {
			text = argv[i] + 7;
		} else if (!strncmp(argv[i], "--part=", 7) && atoi(argv[i] + 7) > 0) {
			host_part = atoi(argv[i] + 7);
		} else if (argv[i][0] == '-') {
			fprintf(stderr, "usage: %s [--seed=<nr>] [--part=<nr>] [<case>...]\n",
				argv[0]);
			return 2;
		}
	}
	if (text && *text)
		seed = strtoull(text, NULL, 0);

	printf("KTAP version 1\n");
	printf("# seed %#llx\n", (unsigned long long)seed);
	printf("1..%u\n", run_all(argc, argv, NULL, NULL));
	run_all(argc, argv, &seed, &failed);
	return failed ? 1 : 0;
}
