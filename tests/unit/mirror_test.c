/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror_test.c - a disk whose writes go to a second image as well.
 */
#include <errno.h>
#include <string.h>

#include "tests/lib/hold.h"
#include "tests/lib/rig.h"
#include "tests/lib/test.h"

#define DISK "ram:1048576" /* as large as the mirror, "hold:" */

static struct rig *rig;
static char buf[4096];

static int setup(void **state)
{
	(void)state;
	hold_reset();
	rig = rig_new(NULL);
	memset(buf, 'x', sizeof(buf));
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	hold.pass = true;
	while (hold_answer(0))
		;
	rig_free(rig);
	return 0;
}

static void open_mirrored(void)
{
	struct vbd_open args = { .spec = DISK, .mirror = "hold:" };

	assert_int_equal(rig_open_with(rig, &args), 0);
}

static struct mem_op write_op(uint64_t off)
{
	return (struct mem_op){
		.op = REQ_WRITE, .off = off, .len = 512, .buf = buf
	};
}

static void a_write_is_answered_when_both_have_it(void **state)
{
	struct mem_op op = write_op(1024);

	(void)state;
	open_mirrored();
	mem_ask(&rig->client, &op);
	rig_settle(rig);
	assert_int_equal(hold.ops[REQ_WRITE], 1);
	assert_false(op.done);
	assert_int_equal(vbd_outstanding(rig->vbd), 1);
	assert_true(hold_answer(0));
	rig_wait(rig, &op.done);
	assert_int_equal(op.err, 0);
	assert_memory_equal(hold.data + 1024, buf, 512);
	assert_false(vbd_mirror_failed(rig->vbd));
}

static void reads_are_the_images_own(void **state)
{
	char back[512];

	(void)state;
	open_mirrored();
	assert_int_equal(rig_read(rig, 0, back, 512), 0);
	assert_int_equal(hold.ops[REQ_READ], 0);
}

static void flush_and_zero_and_discard_go_there_too(void **state)
{
	struct mem_op zero = { .op = REQ_ZERO, .off = 512, .len = 1024 };
	struct mem_op gone = { .op = REQ_DISCARD, .off = 8192, .len = 512 };

	(void)state;
	open_mirrored();
	hold.pass = true;
	memset(hold.data, 'y', sizeof(hold.data));
	assert_int_equal(rig_op(rig, &zero), 0);
	assert_int_equal(hold.data[511], 'y');
	assert_int_equal(hold.data[512], 0);
	assert_int_equal(hold.data[1535], 0);
	assert_int_equal(rig_flush(rig), 0);
	assert_int_equal(hold.ops[REQ_FLUSH], 1);
	(void)rig_op(rig, &gone); /* memory may not be able to */
	assert_int_equal(hold.ops[REQ_DISCARD], 1);
}

static void one_that_cannot_flush_is_not_asked_to(void **state)
{
	(void)state;
	hold.caps = 0;
	hold.pass = true;
	open_mirrored();
	assert_int_equal(rig_flush(rig), 0);
	assert_int_equal(hold.ops[REQ_FLUSH], 0);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	assert_int_equal(hold.fua, 0);
	assert_false(vbd_mirror_failed(rig->vbd));
}

static void one_that_fails_is_given_up_and_no_guest_sees_it(void **state)
{
	char back[512];

	(void)state;
	open_mirrored();
	hold.pass = true;
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	hold.err = -EAGAIN;
	assert_int_equal(rig_write(rig, 512, buf, 512), 0);
	assert_true(vbd_mirror_failed(rig->vbd));
	hold.err = 0;
	assert_int_equal(rig_write(rig, 1024, buf, 512), 0);
	assert_int_equal(hold.ops[REQ_WRITE], 2);
	assert_int_equal(rig_read(rig, 512, back, 512), 0);
	assert_memory_equal(back, buf, 512);
}

static void one_that_is_not_there_does_not_keep_the_disk_from_opening(void **s)
{
	(void)s;
	hold.fail_opens = 1;
	open_mirrored();
	assert_true(vbd_mirror_failed(rig->vbd));
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	assert_int_equal(hold.ops[REQ_WRITE], 0);
}

static void one_of_another_size_is_none(void **state)
{
	(void)state;
	hold.size = HOLD_SIZE / 2;
	open_mirrored();
	assert_true(vbd_mirror_failed(rig->vbd));
	assert_int_equal(hold.closes, 1);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
}

static void pause_waits_for_it_and_leaves_it_connected(void **state)
{
	struct mem_op op = write_op(0);
	struct rig_call call;

	(void)state;
	open_mirrored();
	mem_ask(&rig->client, &op);
	rig_settle(rig);
	vbd_pause(rig->vbd, rig_call(&call));
	rig_settle(rig);
	assert_int_equal(vbd_state(rig->vbd), VBD_DRAINING);
	assert_true(hold_answer(0));
	assert_int_equal(rig_called(rig, &call), 0);
	assert_int_equal(hold.closes, 0);
	assert_int_equal(rig_resume(rig, NULL), 0);
	hold.pass = true;
	assert_int_equal(rig_write(rig, 512, buf, 512), 0);
	assert_int_equal(hold.ops[REQ_WRITE], 2);
	assert_int_equal(hold.opens, 1);
}

static void it_comes_and_goes_with_a_resume(void **state)
{
	(void)state;
	hold.pass = true;
	assert_int_equal(rig_open(rig, DISK), 0);
	assert_int_equal(vbd_set_mirror(rig->vbd, "hold:"), -EINVAL);
	assert_int_equal(rig_pause(rig), 0);
	assert_int_equal(vbd_set_mirror(rig->vbd, "hold:"), 0);
	assert_int_equal(rig_resume(rig, NULL), 0);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	assert_int_equal(hold.ops[REQ_WRITE], 1);
	assert_int_equal(rig_pause(rig), 0);
	assert_int_equal(vbd_set_mirror(rig->vbd, "hold:"), 0);
	assert_int_equal(rig_resume(rig, NULL), 0);
	assert_int_equal(hold.opens, 1);
	assert_int_equal(rig_pause(rig), 0);
	assert_int_equal(vbd_set_mirror(rig->vbd, NULL), 0);
	assert_int_equal(rig_resume(rig, NULL), 0);
	assert_int_equal(hold.closes, 1);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	assert_int_equal(hold.ops[REQ_WRITE], 1);
}

static void a_resume_that_fails_changes_nothing(void **state)
{
	struct rig_call call;

	(void)state;
	hold.pass = true;
	open_mirrored();
	assert_int_equal(rig_pause(rig), 0);
	assert_int_equal(vbd_set_mirror(rig->vbd, NULL), 0);
	vbd_resume(rig->vbd, "nosuch:", rig_call(&call));
	while (!call.done) {
		(void)loop_turn(rig->loop); /* until it is over */
		rig_pass(rig, RIG_SECOND);
	}
	assert_int_equal(call.err.code, -ENOENT);
	assert_int_equal(hold.closes, 0);
	assert_int_equal(rig_resume(rig, NULL), 0);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	assert_int_equal(hold.ops[REQ_WRITE], 1);
}

static void close_waits_for_it_and_disconnects_it(void **state)
{
	struct mem_op op = write_op(0);
	struct rig_call call;

	(void)state;
	open_mirrored();
	mem_ask(&rig->client, &op);
	rig_settle(rig);
	vbd_close(rig->vbd, true, rig_call(&call));
	rig_settle(rig);
	assert_false(call.done);
	assert_true(hold_answer(-EIO));
	assert_int_equal(rig_called(rig, &call), 0);
	assert_int_equal(hold.closes, 1);
	assert_false(vbd_mirror_failed(rig->vbd));
}

static void a_paused_disk_closes_with_its_mirror(void **state)
{
	(void)state;
	open_mirrored();
	assert_int_equal(rig_pause(rig), 0);
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(hold.closes, 1);
	assert_int_equal(vbd_state(rig->vbd), VBD_CLOSED);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_write_is_answered_when_both_have_it),
		test(reads_are_the_images_own),
		test(flush_and_zero_and_discard_go_there_too),
		test(one_that_cannot_flush_is_not_asked_to),
		test(one_that_fails_is_given_up_and_no_guest_sees_it),
		test(one_that_is_not_there_does_not_keep_the_disk_from_opening),
		test(one_of_another_size_is_none),
		test(pause_waits_for_it_and_leaves_it_connected),
		test(it_comes_and_goes_with_a_resume),
		test(a_resume_that_fails_changes_nothing),
		test(close_waits_for_it_and_disconnects_it),
		test(a_paused_disk_closes_with_its_mirror),
	};

	return cmocka_run_group_tests_name("mirror", tests, NULL, NULL);
}
