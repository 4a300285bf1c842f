/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vbd_log_test.c - which of a disk's errors are in the log.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/log.h"
#include "tests/lib/hold.h"
#include "tests/lib/rig.h"
#include "tests/lib/test.h"

static struct {
	unsigned lines;
	char last[256];
} heard;

static void hear(enum log_level level, const char *line)
{
	(void)level;
	heard.lines++;
	snprintf(heard.last, sizeof(heard.last), "%s", line);
}

static void an_error_is_logged_and_not_each_of_many(void **state)
{
	struct rig *rig = rig_new(NULL);
	char buf[512] = "";

	(void)state;
	hold_reset();
	hold.pass = true;
	assert_int_equal(rig_open(rig, "hold:"), 0);
	log_set(hear);
	hold.err = -EINVAL;
	assert_int_equal(rig_write(rig, 1024, buf, 512), -EINVAL);
	assert_int_equal(heard.lines, 0);
	hold.err = -ENOSPC;
	assert_int_equal(rig_write(rig, 1024, buf, 512), -ENOSPC);
	assert_int_equal(heard.lines, 1);
	assert_non_null(strstr(heard.last, "vbd 0: write of 512 bytes at 1024: "
					   "No space left on device"));
	for (int i = 0; i < 100; i++)
		assert_int_equal(rig_write(rig, 0, buf, 512), -ENOSPC);
	assert_in_range(heard.lines, 2, 20);
	rig_free(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_logged_and_not_each_of_many),
	};

	return cmocka_run_group_tests_name("vbd log", tests, NULL, NULL);
}
