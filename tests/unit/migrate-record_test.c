/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * migrate-record_test.c - the journal's lines: whole, torn, damaged.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "migrate/hash.h"
#include "migrate/plan.h"
#include "migrate/record.h"
#include "migrate/step.h"
#include "tests/lib/test.h"

/* Three records as they are in the file. */
static char *journal(void)
{
	static const char *const lines[] = { "head id=1", "intent 0",
					     "done 0" };
	char *text = mem_dup("");

	for (int i = 0; i < 3; i++) {
		char hash[HASH_ROOM];
		char *more;

		hash_hex(hash, lines[i], strlen(lines[i]));
		more = mem_printf("%s%.16s %s\n", text, hash, lines[i]);
		free(text);
		text = more;
	}
	return text;
}

static void a_torn_end_is_dropped_wherever_it_tears(void **state)
{
	char *text = journal();
	size_t len = strlen(text);

	(void)state;
	for (size_t cut = 0; cut <= len; cut++) {
		struct mem_list lines = { 0 };
		struct err err;
		size_t good;
		size_t whole = 0;

		for (size_t i = 0; i < cut; i++)
			whole += text[i] == '\n';
		assert_int_equal(record_parse(&lines, &good, text, cut, &err),
				 0);
		assert_int_equal(lines.count, whole);
		assert_true(good <= cut);
		assert_true(!good || text[good - 1] == '\n');
		mem_list_free(&lines);
	}
	free(text);
}

static void damage_is_an_error(void **state)
{
	char *text = journal();
	size_t last = strlen(text) - 1;

	(void)state;
	for (size_t i = 0; text[i]; i++) {
		struct mem_list lines = { 0 };
		struct err err;
		size_t good;
		int rc;

		text[i] ^= 1;
		rc = record_parse(&lines, &good, text, strlen(text), &err);
		assert_int_equal(rc, i < last ? -EUCLEAN : 0);
		assert_true(lines.count < 3);
		mem_list_free(&lines);
		text[i] ^= 1;
	}
	free(text);
}

static void words_hold_any_letters(void **state)
{
	static const char odd[] = "a b=c%20\n\"\\\xff,;'\t%";
	char *word = record_word("key", odd);
	char *line = mem_printf("step kind=x%s other=1", word);
	char *value = record_value(line, "key");

	(void)state;
	assert_null(strchr(word + 1, ' '));
	assert_null(strchr(word, '\n'));
	assert_string_equal(value, odd);
	free(value);
	value = record_value(line, "other");
	assert_string_equal(value, "1");
	assert_null(record_value(line, "ey"));
	free(value);
	free(line);
	free(word);
}

static void a_step_comes_back_as_it_was(void **state)
{
	const struct step step = {
		.kind = PLAN_HOT_SWAP,
		.number = 7,
		.path = mem_dup("/etc/xen/a b.cfg"),
		.old = mem_dup("tap:aio:/x,xvda,w"),
		.new = mem_dup("vdev=xvda,target=/a%b"),
		.vm = mem_dup("guest\n"),
		.domid = 3,
		.devid = 51712,
		.part = 2,
	};
	struct step again;
	struct err err;
	char *line = step_say(&step);
	char *twice;

	(void)state;
	assert_int_equal(step_read(&again, line, &err), 0);
	assert_int_equal(again.kind, PLAN_HOT_SWAP);
	assert_int_equal(again.domid, 3);
	assert_string_equal(again.vm, "guest\n");
	twice = step_say(&again);
	assert_string_equal(line, twice);
	step_free(&again);
	step_free(&(struct step){ .path = step.path,
				  .old = step.old,
				  .new = step.new,
				  .vm = step.vm });
	free(line);
	free(twice);
}

static void steps_without_what_they_need_are_refused(void **state)
{
	static const char *const lines[] = {
		"step",
		"step kind=none number=0 domid=0 devid=0 part=0",
		"step kind=edit number=0 domid=0 devid=0 part=0",
		"step kind=edit number=x domid=0 devid=0 part=0 path=/a",
		"step kind=unlink number=0 domid=0 devid=0 part=0 path=/a",
		"step kind=create number=0 domid=0 devid=0 part=0 path=/a",
		"step kind=hot-swap number=0 domid=1 devid=2 part=0 new=b",
		"step kind=hot-swap number=0 domid=1 devid=2 part=0 old=a",
		"step kind=takeover number=0 domid=1 devid=2 part=0 old=a",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		struct step step;
		struct err err;

		assert_int_equal(step_read(&step, lines[i], &err), -EINVAL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_torn_end_is_dropped_wherever_it_tears),
		cmocka_unit_test(damage_is_an_error),
		cmocka_unit_test(words_hold_any_letters),
		cmocka_unit_test(a_step_comes_back_as_it_was),
		cmocka_unit_test(steps_without_what_they_need_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
