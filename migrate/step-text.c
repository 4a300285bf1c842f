/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * step-text.c - steps as lines of the journal, and back.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/err.h"
#include "lib/parse.h"
#include "migrate/live.h"
#include "migrate/mem.h"
#include "migrate/record.h"
#include "migrate/step.h"

/* The words of a line that are strings, and where they are kept. */
static const struct {
	const char *key;
	size_t at;
} strings[] = {
	{ "path", offsetof(struct step, path) },
	{ "old-sum", offsetof(struct step, old_sum) },
	{ "new-sum", offsetof(struct step, new_sum) },
	{ "old", offsetof(struct step, old) },
	{ "new", offsetof(struct step, new) },
	{ "vm", offsetof(struct step, vm) },
	{ "reason", offsetof(struct step, reason) },
};

static const struct {
	const char *key;
	size_t at;
} numbers[] = {
	{ "number", offsetof(struct step, number) },
	{ "domid", offsetof(struct step, domid) },
	{ "devid", offsetof(struct step, devid) },
	{ "part", offsetof(struct step, part) },
};

static char **string_at(const struct step *step, size_t at)
{
	return (char **)((char *)(uintptr_t)step + at);
}

static unsigned *number_at(const struct step *step, size_t at)
{
	return (unsigned *)((char *)(uintptr_t)step + at);
}

static void add(char **line, char *word)
{
	char *more = mem_printf("%s%s", *line, word);

	free(*line);
	free(word);
	*line = more;
}

char *step_say(const struct step *step)
{
	char *line = mem_dup("step");

	add(&line, record_word("kind", plan_kind_name(step->kind)));
	for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
		add(&line, mem_printf(" %s=%u", numbers[i].key,
				      *number_at(step, numbers[i].at)));
	if (step->folder)
		add(&line, mem_dup(" folder=yes"));
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		const char *s = *string_at(step, strings[i].at);

		if (s)
			add(&line, record_word(strings[i].key, s));
	}
	return line;
}

static int read_kind(struct step *step, const char *line, struct err *err)
{
	cleanup_free char *name = record_value(line, "kind");

	for (int k = PLAN_EDIT; name && k <= PLAN_SERVE; k++) {
		if (!strcmp(plan_kind_name((enum plan_kind)k), name)) {
			step->kind = (enum plan_kind)k;
			return 0;
		}
	}
	return err_set(err, -EINVAL, "%s: no kind of step", name ? name : "");
}

/* What each kind cannot do without. */
static bool is_whole(const struct step *s)
{
	switch (s->kind) {
	case PLAN_EDIT:
		return s->path && s->old_sum && s->new_sum;
	case PLAN_CREATE:
		return s->path && s->new_sum;
	case PLAN_UNLINK:
		return s->path && s->old;
	case PLAN_UPDATE:
		return s->path && s->vm;
	case PLAN_HOT_SWAP:
		return s->old && s->new;
	case PLAN_TAKEOVER:
	case PLAN_SERVE:
		return s->new;
	}
	return false;
}

int step_read(struct step *out, const char *line, struct err *err)
{
	struct step tmp = { .state = STEP_TODO };
	char *word;
	int rc = read_kind(&tmp, line, err);

	for (size_t i = 0; !rc && i < ARRAY_SIZE(numbers); i++) {
		uint64_t n;

		word = record_value(line, numbers[i].key);
		if (!word || parse_uint(&n, word, 0, UINT32_MAX) < 0)
			rc = err_set(err, -EINVAL, "no %s", numbers[i].key);
		else
			*number_at(&tmp, numbers[i].at) = (unsigned)n;
		free(word);
	}
	word = record_value(line, "folder");
	tmp.folder = word != NULL;
	free(word);
	for (size_t i = 0; !rc && i < ARRAY_SIZE(strings); i++)
		*string_at(&tmp, strings[i].at) =
			record_value(line, strings[i].key);
	if (!rc && !is_whole(&tmp))
		rc = err_set(err, -EINVAL, "a step without what it takes");
	if (rc) {
		step_free(&tmp);
		return rc;
	}
	*out = tmp;
	return 0;
}

void step_free(struct step *step)
{
	for (size_t i = 0; i < ARRAY_SIZE(strings); i++) {
		free(*string_at(step, strings[i].at));
		*string_at(step, strings[i].at) = NULL;
	}
}

char *step_tell(const struct step *step)
{
	const char *what = step->path ? step->path : step->vm ? step->vm : "";
	const char *reason = step->reason;
	unsigned count;
	const struct live_step *parts = live_steps(&count);

	/* A takeover is told part by part: what is being done now. */
	if (step->kind == PLAN_TAKEOVER && step->part < count)
		reason = parts[step->part].what;
	return mem_printf("%s %s%s%s", plan_kind_name(step->kind), what,
			  reason ? ": " : "", reason ? reason : "");
}
