/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * err_test.c - sentences grow outwards and never past their room.
 */
#include <errno.h>
#include <string.h>

#include "lib/err.h"
#include "tests/lib/test.h"

static void an_error_is_a_code_and_a_sentence(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, -EINVAL, "sum %02x, not %02x", 1, 255),
			 -EINVAL);
	assert_int_equal(err.code, -EINVAL);
	assert_string_equal(err.msg, "sum 01, not ff");
}

static void a_system_error_ends_with_what_the_system_says(void **state)
{
	struct err err;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_sys(&err, "%s", "/a"), -ENOENT);
	assert_string_equal(err.msg, "/a: No such file or directory");
}

static void wrapping_puts_the_context_in_front(void **state)
{
	struct err err;

	(void)state;
	(void)err_set(&err, -EIO, "no footer");
	assert_int_equal(err_wrap(&err, "vhd:%s", "/a"), -EIO);
	assert_string_equal(err.msg, "vhd:/a: no footer");
}

static void nobody_need_listen(void **state)
{
	(void)state;
	errno = EPERM;
	assert_int_equal(err_set(NULL, -EIO, "x"), -EIO);
	assert_int_equal(err_sys(NULL, "x"), -EPERM);
	assert_true(err_wrap(NULL, "x") < 0);
}

static void what_is_too_long_is_cut(void **state)
{
	struct err err;
	char name[2 * sizeof(err.msg)];
	int i;

	(void)state;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	(void)err_set(&err, -EIO, "%s", name);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	errno = EIO;
	(void)err_sys(&err, "%s", name);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	(void)err_set(&err, -EIO, "end");
	for (i = 0; i < 100; i++)
		(void)err_wrap(&err, "level %d", i);
	assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
	assert_memory_equal(err.msg, "level 99: ", 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_a_code_and_a_sentence),
		cmocka_unit_test(a_system_error_ends_with_what_the_system_says),
		cmocka_unit_test(wrapping_puts_the_context_in_front),
		cmocka_unit_test(nobody_need_listen),
		cmocka_unit_test(what_is_too_long_is_cut),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
