// SPDX-License-Identifier: GPL-2.0-only
/*
 * Replaces libFuzzer if clang comes without it. Runs a target with random inputs, or with
 * files to repeat an input. Accepts libFuzzer's -runs, -seed and -max_len, and ignores its
 * other options.
 */
#include "host.h"

int LLVMFuzzerTestOneInput(const u8 *data, size_t len);

static void run_file(const char *name)
{
	static u8 data[1 << 16];
	FILE *f = fopen(name, "rb");
	size_t len;

	if (!f) {
		perror(name);
		exit(2);
	}
	len = fread(data, 1, sizeof(data), f);
	fclose(f);
	LLVMFuzzerTestOneInput(data, len);
}

int main(int argc, char **argv)
{
	unsigned long runs = 100000, max_len = 512, n;
	u64 rng, seed = 1;
	int i, files = 0;

	for (i = 1; i < argc; i++) {
		const char *value = strchr(argv[i], '=');

		if (argv[i][0] != '-') {
			run_file(argv[i]);
			files++;
		} else if (!strncmp(argv[i], "-runs=", 6)) {
			runs = strtoul(value + 1, NULL, 0);
		} else if (!strncmp(argv[i], "-max_len=", 9)) {
			max_len = strtoul(value + 1, NULL, 0);
		} else if (!strncmp(argv[i], "-seed=", 6)) {
			seed = strtoull(value + 1, NULL, 0);
		}
	}
	if (files)
		return 0;
	rng = seed;
	for (n = 0; n < runs; n++) {
		size_t len = host_rand_from(&rng) % (max_len + 1), j;
		/*
		 * As long as the input, so that ASan finds reads behind it. Only short
		 * inputs have a larger buffer.
		 */
		u8 *data = malloc(len ?: 1);

		/* Every other input is short: short inputs find more. */
		if (n % 2)
			len = len / 16;
		for (j = 0; j < len; j++)
			data[j] = host_rand_from(&rng);
		if (LLVMFuzzerTestOneInput(data, len))
			return 1;
		free(data);
	}
	printf("# %lu runs, seed %llu\n", runs, (unsigned long long)seed);
	return 0;
}
