/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fuzz-record.c - any bytes as a migration's journal, and as one line of it: a
 * step that is read is written the same again.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "migrate/mem.h"
#include "migrate/record.h"
#include "migrate/step.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_line(const char *line)
{
	struct step step;
	struct step again;
	struct err err;
	char *said;
	char *twice;

	if (step_read(&step, line, &err) < 0) {
		assert(err.code < 0 && err.msg[0]);
		return;
	}
	said = step_say(&step);
	assert(!step_read(&again, said, &err));
	twice = step_say(&again);
	assert(!strcmp(said, twice));
	free(said);
	free(twice);
	step_free(&step);
	step_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mem_list lines = { 0 };
	struct err err;
	size_t good;
	char *text = mem_ndup((const char *)data, size);
	int rc = record_parse(&lines, &good, (const char *)data, size, &err);

	assert(good <= size && (!rc || err.msg[0]));
	for (size_t i = 0; i < lines.count; i++)
		read_line(lines.item[i]);
	read_line(text);
	mem_list_free(&lines);
	free(text);
	return 0;
}
