/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * parse_test.c - a number is the whole string and within its bounds.
 */
#include <errno.h>

#include "lib/bytes.h"
#include "lib/parse.h"
#include "tests/lib/test.h"

static void whole_numbers_are_taken(void **state)
{
	uint64_t u;
	int64_t i;

	(void)state;
	assert_int_equal(parse_uint(&u, "0", 0, UINT64_MAX), 0);
	assert_int_equal(u, 0);
	assert_int_equal(parse_uint(&u, "18446744073709551615", 0, UINT64_MAX),
			 0);
	assert_true(u == UINT64_MAX);
	assert_int_equal(
		parse_int(&i, "-9223372036854775808", INT64_MIN, INT64_MAX), 0);
	assert_true(i == INT64_MIN);
	assert_int_equal(
		parse_int(&i, "9223372036854775807", INT64_MIN, INT64_MAX), 0);
	assert_true(i == INT64_MAX);
	assert_int_equal(parse_int(&i, "-0", -1, 1), 0);
	assert_int_equal(i, 0);
}

static void anything_else_is_refused_and_changes_nothing(void **state)
{
	static const char *const bad[] = { "",   " 1",  "1 ",  "+1",  "-",
					   "1a", "0x1", "--1", "1.0", "\n" };
	uint64_t u = 7;
	int64_t i = 7;
	size_t n;

	(void)state;
	for (n = 0; n < ARRAY_SIZE(bad); n++) {
		assert_int_equal(parse_uint(&u, bad[n], 0, 9), -EINVAL);
		assert_int_equal(parse_int(&i, bad[n], -9, 9), -EINVAL);
	}
	assert_int_equal(parse_uint(&u, "-1", 0, UINT64_MAX), -EINVAL);
	assert_int_equal(u, 7);
	assert_int_equal(i, 7);
}

static void bounds_are_held(void **state)
{
	uint64_t u = 7;
	int64_t i = 7;

	(void)state;
	assert_int_equal(parse_uint(&u, "4", 0, 3), -ERANGE);
	assert_int_equal(parse_uint(&u, "1", 2, 3), -ERANGE);
	assert_int_equal(parse_uint(&u, "18446744073709551616", 0, UINT64_MAX),
			 -ERANGE);
	assert_int_equal(
		parse_uint(&u, "99999999999999999999999", 0, UINT64_MAX),
		-ERANGE);
	assert_int_equal(parse_uint(&u, "18446744073709551616x", 0, 1),
			 -EINVAL);
	assert_int_equal(
		parse_int(&i, "9223372036854775808", INT64_MIN, INT64_MAX),
		-ERANGE);
	assert_int_equal(
		parse_int(&i, "-9223372036854775809", INT64_MIN, INT64_MAX),
		-ERANGE);
	assert_int_equal(u, 7);
	assert_int_equal(i, 7);
}

static void hex_is_exactly_as_long_as_asked(void **state)
{
	uint8_t out[3] = { 9, 9, 9 };

	(void)state;
	assert_int_equal(parse_hex(out, 2, "0aFf"), 0);
	assert_int_equal(out[0], 0x0a);
	assert_int_equal(out[1], 0xff);
	assert_int_equal(out[2], 9);
	assert_int_equal(parse_hex(out, 2, "0aF"), -EINVAL);
	assert_int_equal(parse_hex(out, 2, "0aFf0"), -EINVAL);
	assert_int_equal(parse_hex(out, 2, "0aFg"), -EINVAL);
	assert_int_equal(parse_hex(out, 2, "0a\xe6\x66"), -EINVAL);
	assert_int_equal(parse_hex(out, 0, ""), 0);
	assert_int_equal(out[0], 0x0a);
}

static void ranges_do_not_wrap(void **state)
{
	(void)state;
	assert_true(bytes_within(0, 0, 0));
	assert_true(bytes_within(10, 0, 10));
	assert_true(bytes_within(8, 2, 10));
	assert_false(bytes_within(8, 3, 10));
	assert_false(bytes_within(11, 0, 10));
	assert_false(bytes_within(UINT64_MAX - 511, 512, 10));
	assert_false(bytes_within(512, UINT64_MAX - 511, 1024));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_numbers_are_taken),
		cmocka_unit_test(anything_else_is_refused_and_changes_nothing),
		cmocka_unit_test(bounds_are_held),
		cmocka_unit_test(hex_is_exactly_as_long_as_asked),
		cmocka_unit_test(ranges_do_not_wrap),
	};

	return cmocka_run_group_tests_name("parse", tests, NULL, NULL);
}
