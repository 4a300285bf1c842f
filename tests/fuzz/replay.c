/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * replay.c - give each named file to a fuzz target, and say so in TAP.
 *
 * What a file does wrong ends the program, as it would end the fuzzer.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define MOST (16u << 20)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int replay(const char *path, uint8_t *buf)
{
	FILE *f = fopen(path, "rb");
	uint8_t *exact;
	size_t len;

	if (!f)
		return -1;
	len = fread(buf, 1, MOST, f);
	(void)fclose(f); /* was read only */
	/* As long as the input, so that a byte beyond is noticed. */
	exact = malloc(len ? len : 1);
	if (!exact)
		return -1;
	for (size_t i = 0; i < len; i++)
		exact[i] = buf[i];
	(void)LLVMFuzzerTestOneInput(exact, len); /* 0 or it is no return */
	free(exact);
	return 0;
}

int main(int argc, char **argv)
{
	uint8_t *buf = malloc(MOST);
	int bad = 0;

	if (!buf)
		return 1;
	printf("1..%d\n", argc - 1);
	for (int i = 1; i < argc; i++) {
		int rc = replay(argv[i], buf);

		printf("%sok %d - %s\n", rc ? "not " : "", i, argv[i]);
		(void)fflush(stdout); /* before the next one may crash */
		bad |= rc;
	}
	free(buf);
	return bad ? 1 : 0;
}
