/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * chain_test.c - what a spec means, and that nothing is left half open.
 */
#include "tapdisk/chain.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/work.h"
#include "tests/lib/hold.h"
#include "tests/lib/layer.h"
#include "tests/lib/rig.h"
#include "tests/lib/test.h"

static struct rig *rig;
static struct image *top;
static struct err err;
static bool ended;

static void opened(void *arg, struct image *img, const struct err *why)
{
	(void)arg;
	top = img;
	err = *why;
	ended = true;
}

static void closed(void *arg)
{
	(void)arg;
	ended = true;
}

/* 0 or the error; top is what was opened. */
static int open_chain(const char *spec, bool readonly)
{
	struct chain_args args = { .loop = rig->loop,
				   .work = rig->work,
				   .io = rig->io,
				   .spec = spec,
				   .readonly = readonly,
				   .depth = 8 };

	ended = false;
	err = (struct err){ 0 };
	assert_int_equal(chain_open(&args, opened, NULL), 0);
	assert_false(ended); /* only from the loop */
	rig_wait(rig, &ended);
	if (!top)
		assert_int_not_equal(err.code, 0);
	return top ? 0 : err.code;
}

static void close_chain(void)
{
	ended = false;
	chain_close(top, rig->work, closed, NULL);
	assert_false(ended);
	rig_wait(rig, &ended);
	top = NULL;
	assert_int_equal(layer_world.open_now, 0);
	assert_int_equal(layer_world.attached, 0);
	assert_false(layer_world.wrong_thread);
}

static int setup(void **state)
{
	(void)state;
	hold_reset();
	memset(&layer_world, 0, sizeof(layer_world));
	rig = rig_new(NULL);
	top = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	if (top)
		close_chain();
	rig_free(rig);
	return 0;
}

static void a_spec_is_a_type_and_a_name(void **state)
{
	(void)state;
	assert_int_equal(open_chain("null:1048576", false), 0);
	assert_string_equal(top->drv->name, "null");
	assert_string_equal(top->name, "1048576");
	assert_null(top->file);
	assert_false(top->readonly || top->grows);
	close_chain();
	assert_int_equal(open_chain("null:1048576", true), 0);
	assert_true(top->readonly);
}

static void specs_that_mean_nothing_are_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"null",
		"/path",
		"fault",
		"fault:",
		"layer",
		"fault:n=1",
		"fault:n=1:/path",
		"fault::fault::fault::fault::fault::fault::fault::fault::x",
	};
	static const char *const unknown[] = { ":", "what:/path", "nul:512" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		assert_int_equal(open_chain(bad[i], false), -EINVAL);
		/* The sentence names what was asked for. */
		assert_memory_equal(err.msg, bad[i], strlen(bad[i]));
	}
	for (i = 0; i < ARRAY_SIZE(unknown); i++) {
		assert_int_equal(open_chain(unknown[i], false), -ENOENT);
		assert_memory_equal(err.msg, unknown[i], strlen(unknown[i]));
	}
	assert_int_equal(open_chain("null:511", false), -EINVAL);
}

static void a_filter_has_a_parameter_or_none(void **state)
{
	(void)state;
	assert_int_equal(open_chain("fault:n=3,op=read:null:1024", false), 0);
	assert_string_equal(top->drv->name, "fault");
	assert_string_equal(top->name, "n=3,op=read");
	assert_string_equal(top->file->name, "1024");
	assert_false(top->file->grows);
	close_chain();
	assert_int_equal(open_chain("fault:null:1024", false), 0);
	assert_string_equal(top->name, "");
	close_chain();
	assert_int_equal(open_chain("fault:n=0:null:1024", false), -EINVAL);
	assert_non_null(strstr(err.msg, "n=0"));
}

static void the_path_of_a_format_is_a_raw_file(void **state)
{
	(void)state;
	assert_int_equal(open_chain("layer:/nowhere/a:b", false), -ENOENT);
	assert_non_null(strstr(err.msg, "raw:/nowhere/a:b"));
	assert_int_equal(open_chain("aio:/nowhere", false), -ENOENT);
	assert_int_equal(open_chain("layer:fault:n=9:null:4096", false), 0);
	assert_string_equal(top->name, "fault:n=9:null:4096");
	assert_string_equal(top->file->drv->name, "fault");
	assert_true(top->file->grows && top->file->file->grows);
	assert_false(top->grows);
}

static void old_names_and_numbers_are_known(void **state)
{
	const struct driver *raw = chain_driver("raw", 3);

	(void)state;
	assert_non_null(raw);
	assert_ptr_equal(chain_driver("aio", 3), raw);
	assert_int_equal(chain_type_number(raw), 0);
	assert_int_equal(chain_type_number(&hold_driver), -1);
	assert_null(chain_driver("ai", 2));
	assert_null(chain_driver("", 0));
	assert_ptr_equal(chain_driver("aio:/x", 3), raw);
}

static void images_open_bottom_up_and_close_top_down(void **state)
{
	static const char *const parents[] = { "layer:null:2048" };

	(void)state;
	layer_world.parents = parents;
	layer_world.count = 1;
	assert_int_equal(open_chain("layer:fault:n=9:null:1024", false), 0);
	assert_string_equal(layer_world.log, "oaoa");
	assert_non_null(top->parent);
	assert_true(top->parent->readonly && top->parent->file->readonly);
	assert_false(top->readonly || top->file->readonly);
	assert_null(top->parent->parent);
	close_chain();
	assert_string_equal(layer_world.log, "oaoadcdc");
}

static void a_format_below_a_filter_may_have_a_parent(void **state)
{
	static const char *const parents[] = { "null:2048" };

	(void)state;
	layer_world.parents = parents;
	layer_world.count = 1;
	assert_int_equal(open_chain("fault:n=9:layer:null:1024", false), 0);
	assert_null(top->parent);
	assert_string_equal(top->file->parent->name, "2048");
}

static void what_was_opened_is_closed_when_a_later_one_fails(void **state)
{
	static const char *const parents[] = { "layer:null:1024",
					       "layer:null:1536",
					       "layer:null:2048" };
	unsigned at;

	(void)state;
	for (at = 1; at <= 8; at++) {
		memset(&layer_world, 0, sizeof(layer_world));
		layer_world.parents = parents;
		layer_world.count = ARRAY_SIZE(parents);
		if (at <= 4)
			layer_world.fail_at = at;
		else
			layer_world.fail_attach_at = at - 4;
		assert_int_equal(open_chain("layer:null:512", false),
				 at <= 4 ? -ENOENT : -EBUSY);
		assert_int_equal(layer_world.open_now, 0);
		assert_int_equal(layer_world.attached, 0);
	}
}

static void a_parent_that_cannot_be_had_is_named(void **state)
{
	static const char *const parents[] = { "layer:/nowhere" };

	(void)state;
	layer_world.parents = parents;
	layer_world.count = 1;
	assert_int_equal(open_chain("layer:null:1024", false), -ENOENT);
	assert_non_null(strstr(err.msg, "/nowhere"));
	assert_int_equal(layer_world.open_now, 0);
}

static void a_chain_that_leads_back_to_itself_is_refused(void **state)
{
	static const char *const parents[] = { "layer:null:1536",
					       "layer:null:1024" };

	(void)state;
	layer_world.parents = parents;
	layer_world.count = 2;
	assert_int_equal(open_chain("layer:null:1024", false), -ELOOP);
	assert_int_equal(layer_world.open_now, 0);
}

static void a_chain_without_end_is_refused(void **state)
{
	static char names[300][32];
	static const char *parents[300];
	unsigned i;

	(void)state;
	for (i = 0; i < 300; i++) {
		(void)snprintf(names[i], sizeof(names[i]), "layer:null:%u",
			       1024 + 512 * i); /* it fits */
		parents[i] = names[i];
	}
	layer_world.parents = parents;
	layer_world.count = 255;
	assert_int_equal(open_chain("layer:null:512", false), 0);
	assert_int_equal(layer_world.opens, 256);
	close_chain();
	layer_world.opens = 0;
	layer_world.count = 300;
	assert_int_equal(open_chain("layer:null:512", false), -ELOOP);
	assert_int_equal(layer_world.open_now, 0);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_spec_is_a_type_and_a_name),
		test(specs_that_mean_nothing_are_refused),
		test(a_filter_has_a_parameter_or_none),
		test(the_path_of_a_format_is_a_raw_file),
		test(old_names_and_numbers_are_known),
		test(images_open_bottom_up_and_close_top_down),
		test(a_format_below_a_filter_may_have_a_parent),
		test(what_was_opened_is_closed_when_a_later_one_fails),
		test(a_parent_that_cannot_be_had_is_named),
		test(a_chain_that_leads_back_to_itself_is_refused),
		test(a_chain_without_end_is_refused),
	};

	return cmocka_run_group_tests_name("chain", tests, NULL, NULL);
}
