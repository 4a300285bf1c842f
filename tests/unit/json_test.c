/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * json_test.c - spacing as the old tools have it, and valid whatever comes.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/json.h"
#include "tests/lib/test.h"

static void check(struct json *json, const char *want)
{
	size_t len;
	char *text = json_take(json, &len);

	assert_non_null(text);
	assert_string_equal(text, want);
	assert_int_equal(len, strlen(want));
	free(text);
	json_free(json);
}

static void spacing_is_that_of_the_old_tools(void **state)
{
	struct json *json = json_new();

	(void)state;
	json_object(json, NULL);
	json_string(json, "name", "x");
	json_array(json, "secs");
	json_uint(json, NULL, 1);
	json_int(json, NULL, -2);
	json_end(json);
	json_array(json, "none");
	json_end(json);
	json_bool(json, "yes", true);
	json_null(json, "nil");
	json_object(json, "in");
	json_end(json);
	json_end(json);
	check(json, "{ \"name\": \"x\", \"secs\": [ 1, -2 ], \"none\": [  ], "
		    "\"yes\": true, \"nil\": null, \"in\": {  } }");
}

static void strings_are_escaped_and_valid_utf8(void **state)
{
	struct json *json = json_new();

	(void)state;
	json_string(json, NULL,
		    "a\"b\\c\n\x01\xc3\xa4\xff\xc0\x80\xed\xa0\x80\xf0\x9f\x92"
		    "\xa9\xe2\x82");
	check(json, "\"a\\\"b\\\\c\\u000a\\u0001\xc3\xa4\\ufffd\\ufffd\\ufffd"
		    "\\ufffd\\ufffd\\ufffd\xf0\x9f\x92\xa9\\ufffd\\ufffd\"");
}

static void what_is_no_value_is_null(void **state)
{
	struct json *json = json_new();

	(void)state;
	json_array(json, NULL);
	json_string(json, NULL, NULL);
	json_end(json);
	check(json, "[ null ]");
}

static void long_texts_grow(void **state)
{
	struct json *json = json_new();
	size_t len;
	char *text;
	int i;

	(void)state;
	json_array(json, NULL);
	for (i = 0; i < 10000; i++)
		json_uint(json, NULL, UINT64_MAX);
	json_end(json);
	text = json_take(json, &len);
	assert_int_equal(len, 10000 * 20 + 9999 * 2 + 4);
	assert_int_equal(strlen(text), len);
	free(text);
	json_free(json);
}

static void taking_starts_anew(void **state)
{
	struct json *json = json_new();

	(void)state;
	json_uint(json, NULL, 1);
	free(json_take(json, NULL));
	json_uint(json, NULL, 2);
	check(json, "2");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spacing_is_that_of_the_old_tools),
		cmocka_unit_test(strings_are_escaped_and_valid_utf8),
		cmocka_unit_test(what_is_no_value_is_null),
		cmocka_unit_test(long_texts_grow),
		cmocka_unit_test(taking_starts_anew),
	};

	return cmocka_run_group_tests_name("json", tests, NULL, NULL);
}
