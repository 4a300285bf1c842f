/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drivers_test.c - the small drivers: null, ram, fault.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "tests/lib/hold.h"
#include "tests/lib/rig.h"
#include "tests/lib/test.h"

static struct rig *rig;
static char buf[4096], back[4096];

static int setup(void **state)
{
	(void)state;
	hold_reset();
	hold.pass = true;
	rig = rig_new(NULL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	rig_free(rig);
	return 0;
}

static int simple(enum req_op op, uint64_t off, uint64_t len)
{
	struct mem_op o = { .op = op, .off = off, .len = len };

	return rig_op(rig, &o);
}

static void null_reads_as_zeroes_and_forgets(void **state)
{
	(void)state;
	assert_int_equal(rig_open(rig, "null:8192"), 0);
	memset(buf, 'x', sizeof(buf));
	memset(back, 'y', sizeof(back));
	assert_int_equal(rig_write(rig, 4096, buf, 4096), 0);
	assert_int_equal(rig_read(rig, 4096, back, 4096), 0);
	assert_null(memchr(back, 'x', 4096));
	assert_null(memchr(back, 'y', 4096));
	assert_int_equal(rig_flush(rig), 0);
	assert_int_equal(vbd_info(rig->vbd)->size, 8192);
}

static void ram_keeps_what_is_written(void **state)
{
	(void)state;
	assert_int_equal(rig_open(rig, "ram:8192"), 0);
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(rig_write(rig, 512, buf, 4096), 0);
	assert_int_equal(rig_read(rig, 512, back, 4096), 0);
	assert_memory_equal(buf, back, 4096);
	assert_int_equal(rig_read(rig, 0, back, 512), 0);
	assert_null(memchr(back, 'x', 512));
	assert_int_equal(simple(REQ_ZERO, 1024, 512), 0);
	assert_int_equal(simple(REQ_DISCARD, 4096, 512), 0);
	assert_int_equal(rig_read(rig, 512, back, 4096), 0);
	assert_int_equal(back[511], 'x');
	assert_int_equal(back[512], 0);
	assert_int_equal(back[1024], 'x');
	assert_int_equal(back[3583], 'x');
	assert_int_equal(back[3584], 0);
	assert_int_equal(rig_flush(rig), 0);
}

static void ram_starts_as_a_copy_of_a_file(void **state)
{
	char path[] = "/tmp/ram_test.XXXXXX", spec[64];
	int fd = mkstemp(path);

	(void)state;
	assert_true(fd >= 0);
	memset(buf, 'f', 1000);
	assert_int_equal(write(fd, buf, 1000), 1000);
	(void)snprintf(spec, sizeof(spec), "ram:%s", path); /* it fits */
	assert_int_equal(rig_open(rig, spec), 0);
	assert_int_equal(vbd_info(rig->vbd)->size, 1024);
	assert_int_equal(rig_read(rig, 0, back, 1024), 0);
	assert_memory_equal(back, buf, 1000);
	assert_int_equal(back[1000], 0);
	assert_int_equal(rig_write(rig, 0, back + 512, 512), 0);
	assert_int_equal(pread(fd, buf, 512, 0), 512);
	assert_int_equal(buf[511], 'f'); /* the file stays as it is */
	close(fd);
	unlink(path);
}

static void ram_has_bounds(void **state)
{
	static const char *const bad[] = { "ram:0",    "ram:511",
					   "ram:513",  "ram:-512",
					   "ram:",     "ram:x",
					   "ram:/dev", "ram:1099511627776" };
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(rig_open(rig, bad[i]), -EINVAL);
	assert_int_equal(rig_open(rig, "ram:/nowhere/at/all"), -ENOENT);
}

static void fault_fails_the_one_it_is_told_to(void **state)
{
	(void)state;
	assert_int_equal(rig_open(rig, "fault:n=2:hold:"), 0);
	assert_int_equal(rig_read(rig, 0, buf, 512), 0);
	assert_int_equal(rig_read(rig, 0, buf, 512), -EIO);
	assert_int_equal(rig_read(rig, 0, buf, 512), 0);
	assert_int_equal(hold.ops[REQ_READ], 2); /* it was not handed down */
}

static void fault_picks_by_op_and_goes_on_for_count(void **state)
{
	(void)state;
	assert_int_equal(
		rig_open(rig, "fault:op=write,n=2,count=2,err=28:hold:"), 0);
	assert_int_equal(rig_read(rig, 0, buf, 512), 0);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	assert_int_equal(rig_write(rig, 0, buf, 512), -ENOSPC);
	assert_int_equal(rig_read(rig, 0, buf, 512), 0);
	assert_int_equal(rig_write(rig, 0, buf, 512), -ENOSPC);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
}

static void fault_may_go_on_for_ever(void **state)
{
	int i;

	(void)state;
	assert_int_equal(rig_open(rig, "fault:op=flush,count=0:hold:"), 0);
	for (i = 0; i < 20; i++)
		assert_int_equal(rig_flush(rig), -EIO);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
}

static void fault_wants_to_be_told_properly(void **state)
{
	static const char *const bad[] = {
		"fault:n=0:hold:",      "fault:n:hold:",     "fault:m=1:hold:",
		"fault:op=erase:hold:", "fault:err=0:hold:", "fault:n=1x:hold:",
		"fault:count=-1:hold:",
	};
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(rig_open(rig, bad[i]), -EINVAL);
	assert_int_equal(hold.opens, hold.closes);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(null_reads_as_zeroes_and_forgets),
		test(ram_keeps_what_is_written),
		test(ram_starts_as_a_copy_of_a_file),
		test(ram_has_bounds),
		test(fault_fails_the_one_it_is_told_to),
		test(fault_picks_by_op_and_goes_on_for_count),
		test(fault_may_go_on_for_ever),
		test(fault_wants_to_be_told_properly),
	};

	return cmocka_run_group_tests_name("drivers", tests, NULL, NULL);
}
