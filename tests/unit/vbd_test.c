/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vbd_test.c - a disk's states, and what becomes of requests in each.
 */
#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "tapdisk/arena.h"
#include "tests/lib/hold.h"
#include "tests/lib/rig.h"
#include "tests/lib/test.h"

static struct rig *rig;
static char buf[4096];

static int setup(void **state)
{
	(void)state;
	hold_reset();
	rig = rig_new(NULL);
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

static struct mem_op write_op(uint64_t off)
{
	return (struct mem_op){
		.op = REQ_WRITE, .off = off, .len = 512, .buf = buf
	};
}

static void ask(struct mem_op *op)
{
	mem_ask(&rig->client, op);
	rig_settle(rig);
}

static void a_disk_opens_serves_and_closes(void **state)
{
	char back[512];

	(void)state;
	hold.pass = true;
	assert_int_equal(vbd_state(rig->vbd), VBD_CLOSED);
	assert_null(vbd_info(rig->vbd));
	assert_int_equal(rig_open(rig, "hold:"), 0);
	assert_int_equal(vbd_state(rig->vbd), VBD_RUNNING);
	assert_int_equal(vbd_info(rig->vbd)->size, HOLD_SIZE);
	assert_string_equal(vbd_spec(rig->vbd), "hold:");
	memset(buf, 'x', 512);
	assert_int_equal(rig_write(rig, 1024, buf, 512), 0);
	assert_int_equal(rig_read(rig, 1024, back, 512), 0);
	assert_memory_equal(back, buf, 512);
	assert_int_equal(vbd_counters(rig->vbd)->completed[1], 1);
	assert_int_equal(vbd_counters(rig->vbd)->sectors[0], 1);
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(vbd_state(rig->vbd), VBD_CLOSED);
	assert_int_equal(hold.closes, 1);
	assert_int_equal(rig->client.closes, 1);
	assert_null(vbd_spec(rig->vbd));
	assert_null(vbd_image(rig->vbd));
}

static void a_failed_open_leaves_nothing(void **state)
{
	(void)state;
	hold.fail_opens = 1;
	assert_int_equal(rig_open(rig, "hold:"), -ENODEV);
	assert_string_equal(rig->err.msg, "hold:: as it was told");
	assert_int_equal(vbd_state(rig->vbd), VBD_CLOSED);
	assert_null(vbd_spec(rig->vbd));
	assert_int_equal(rig_join(rig, &rig->client), -ENODEV);
	assert_int_equal(rig_open(rig, "hold:"), 0);
}

static void a_failed_open_closes_channels_that_came_early(void **state)
{
	struct vbd_open args = { .spec = "hold:" };
	struct rig_call call;

	(void)state;
	hold.fail_opens = 1;
	vbd_open(rig->vbd, &args, rig_call(&call));
	assert_int_equal(rig_join(rig, &rig->client), 0);
	assert_int_equal(rig_called(rig, &call), -ENODEV);
	assert_int_equal(rig->client.closes, 1);
	assert_int_equal(rig->client.starts, 0);
	assert_int_equal(vbd_state(rig->vbd), VBD_CLOSED);
}

static void a_channel_that_came_early_starts_with_the_disk(void **state)
{
	struct vbd_open args = { .spec = "hold:" };
	struct rig_call call;

	(void)state;
	vbd_open(rig->vbd, &args, rig_call(&call));
	assert_int_equal(rig_join(rig, &rig->client), 0);
	assert_false(rig->client.started);
	assert_int_equal(rig_called(rig, &call), 0);
	assert_true(rig->client.started);
}

static void operations_in_the_wrong_state_are_refused(void **state)
{
	(void)state;
	assert_int_equal(rig_pause(rig), -EINVAL);
	assert_int_equal(rig_resume(rig, NULL), -EINVAL);
	assert_int_equal(rig_open(rig, "hold:"), 0);
	assert_int_equal(rig_open(rig, "hold:"), -EINVAL);
	assert_int_equal(rig_resume(rig, NULL), -EINVAL);
	assert_int_equal(rig_pause(rig), 0);
	assert_int_equal(rig_pause(rig), 0); /* it is */
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(rig_close(rig, false), 0); /* it is */
}

static void pause_waits_for_what_is_in_flight(void **state)
{
	struct mem_op op = write_op(0);
	struct rig_call call;

	(void)state;
	assert_int_equal(rig_open(rig, "hold:"), 0);
	ask(&op);
	vbd_pause(rig->vbd, rig_call(&call));
	rig_settle(rig);
	assert_false(call.done);
	assert_int_equal(vbd_state(rig->vbd), VBD_DRAINING);
	assert_int_equal(rig->client.stops, 1);
	assert_true(hold_answer(0));
	assert_int_equal(rig_called(rig, &call), 0);
	assert_true(op.done);
	assert_int_equal(hold.closes, 1);
	assert_int_equal(vbd_state(rig->vbd), VBD_PAUSED);
	assert_non_null(vbd_info(rig->vbd));
}

static void what_is_asked_while_paused_waits(void **state)
{
	struct mem_op op = write_op(512), late = write_op(1024);

	(void)state;
	assert_int_equal(rig_open(rig, "hold:"), 0);
	assert_int_equal(rig_pause(rig), 0);
	ask(&op);
	assert_false(op.done);
	assert_int_equal(rig_resume(rig, NULL), 0);
	rig_settle(rig);
	assert_int_equal(hold.count, 1);
	ask(&late);
	assert_int_equal(hold.off, 1024);
	assert_true(hold_answer(0));
	assert_true(hold_answer(0));
	rig_settle(rig);
	assert_true(op.done && late.done);
}

static void pause_does_not_wait_for_what_is_to_be_tried_again(void **state)
{
	struct mem_op op = write_op(512);

	(void)state;
	assert_int_equal(rig_open(rig, "hold:"), 0);
	ask(&op);
	assert_true(hold_answer(-EAGAIN));
	rig_settle(rig);
	assert_int_equal(rig_pause(rig), 0);
	rig_pass(rig, 500 * RIG_SECOND);
	assert_false(op.done);
	assert_int_equal(rig_resume(rig, NULL), 0);
	rig_settle(rig);
	/* Its time starts anew: it may fail in passing once more. */
	assert_true(hold_answer(-EAGAIN));
	rig_pass(rig, RIG_SECOND);
	assert_true(hold_answer(0));
	rig_settle(rig);
	assert_true(op.done);
	assert_int_equal(op.err, 0);
}

static void resume_may_name_another_image(void **state)
{
	(void)state;
	assert_int_equal(rig_open(rig, "null:1048576"), 0);
	assert_int_equal(rig_pause(rig), 0);
	assert_int_equal(rig_resume(rig, "hold:"), 0);
	assert_string_equal(vbd_spec(rig->vbd), "hold:");
	assert_int_equal(hold.opens, 1);
	assert_int_equal(rig->client.starts, 2);
}

static void resume_tries_ten_times_a_second_apart(void **state)
{
	struct rig_call call;
	unsigned i;

	(void)state;
	assert_int_equal(rig_open(rig, "null:1048576"), 0);
	assert_int_equal(rig_pause(rig), 0);
	hold.fail_opens = 10;
	vbd_resume(rig->vbd, "hold:", rig_call(&call));
	for (i = 1; i < 10; i++) {
		while (hold.opens < i)
			rig_settle(rig);
		assert_false(call.done);
		/* Not before the second is over. */
		rig_pass(rig, 0);
		assert_int_equal(hold.opens, i);
		while (hold.opens == i)
			rig_pass(rig, RIG_SECOND / 8);
	}
	assert_int_equal(rig_called(rig, &call), -ENODEV);
	assert_int_equal(hold.opens, 10);
	assert_int_equal(vbd_state(rig->vbd), VBD_PAUSED);
	assert_string_equal(vbd_spec(rig->vbd), "null:1048576");
	assert_int_equal(rig_resume(rig, NULL), 0);
}

static void another_size_is_refused_on_resume(void **state)
{
	(void)state;
	assert_int_equal(rig_open(rig, "null:1048576"), 0);
	assert_int_equal(rig_pause(rig), 0);
	hold.size = 1048064;
	assert_int_equal(rig_resume(rig, "hold:"), -EMEDIUMTYPE);
	assert_int_equal(hold.opens, 1); /* once is enough to know */
	assert_int_equal(hold.closes, 1);
	assert_int_equal(vbd_state(rig->vbd), VBD_PAUSED);
	hold.size = 1048576;
	hold.block_size = 4096;
	assert_int_equal(rig_resume(rig, "hold:"), -EMEDIUMTYPE);
	hold.block_size = 512;
	assert_int_equal(rig_resume(rig, "hold:"), 0);
}

static void passing_errors_are_tried_again_each_second(void **state)
{
	static const int passing[] = { -EAGAIN, -EBUSY, -EINTR };
	struct mem_op op = write_op(0);
	size_t i;

	(void)state;
	assert_int_equal(rig_open(rig, "hold:"), 0);
	ask(&op);
	for (i = 0; i < ARRAY_SIZE(passing); i++) {
		assert_true(hold_answer(passing[i]));
		rig_pass(rig, RIG_SECOND - 1);
		assert_int_equal(hold.count, 0);
		rig_pass(rig, 1);
		assert_int_equal(hold.count, 1);
	}
	assert_true(hold_answer(0));
	rig_settle(rig);
	assert_true(op.done);
	assert_int_equal(op.err, 0);
	assert_int_equal(vbd_counters(rig->vbd)->retries, 3);
}

static void passing_errors_end_with_the_requests_time(void **state)
{
	struct vbd_open args = { .spec = "hold:", .timeout_s = 3 };
	struct mem_op op = write_op(0);

	(void)state;
	hold.pass = true;
	hold.err = -EBUSY;
	assert_int_equal(rig_open_with(rig, &args), 0);
	ask(&op);
	rig_pass(rig, RIG_SECOND);
	rig_pass(rig, RIG_SECOND);
	assert_false(op.done);
	rig_pass(rig, RIG_SECOND);
	assert_true(op.done);
	assert_int_equal(op.err, -EBUSY);
	assert_int_equal(hold.ops[REQ_WRITE], 4);
}

static void other_errors_are_told_at_once(void **state)
{
	(void)state;
	hold.pass = true;
	assert_int_equal(rig_open(rig, "hold:"), 0);
	hold.err = -ENOSPC;
	assert_int_equal(rig_write(rig, 0, buf, 512), -ENOSPC);
	hold.err = -EIO;
	assert_int_equal(rig_read(rig, 0, buf, 512), -EIO);
	assert_int_equal(vbd_counters(rig->vbd)->errors, 2);
	assert_int_equal(vbd_image(rig->vbd)->counters.fail[0], 1);
	assert_int_equal(vbd_image(rig->vbd)->counters.hits[1], 0);
}

static void a_flush_is_tried_again_without_end(void **state)
{
	struct vbd_open args = { .spec = "hold:", .timeout_s = 3 };
	struct mem_op op = { .op = REQ_FLUSH };
	unsigned i;

	(void)state;
	hold.pass = true;
	hold.err = -EAGAIN;
	assert_int_equal(rig_open_with(rig, &args), 0);
	ask(&op);
	for (i = 0; i < 10; i++)
		rig_pass(rig, RIG_SECOND);
	assert_false(op.done);
	hold.err = 0;
	rig_pass(rig, RIG_SECOND);
	assert_true(op.done);
	assert_int_equal(op.err, 0);
	assert_int_equal(vbd_counters(rig->vbd)->flushes, 1);
}

static void close_waits_for_what_is_in_flight(void **state)
{
	struct mem_op op = write_op(0);
	struct rig_call call;

	(void)state;
	assert_int_equal(rig_open(rig, "hold:"), 0);
	ask(&op);
	vbd_close(rig->vbd, false, rig_call(&call));
	rig_settle(rig);
	assert_false(call.done);
	assert_int_equal(rig->client.closes, 0);
	assert_true(hold_answer(0));
	assert_int_equal(rig_called(rig, &call), 0);
	assert_true(op.done);
	assert_int_equal(op.err, 0);
	assert_int_equal(rig->client.closes, 1);
}

static void close_goes_on_trying_until_the_time_is_over(void **state)
{
	struct vbd_open args = { .spec = "hold:", .timeout_s = 3 };
	struct mem_op op = write_op(0), flush = { .op = REQ_FLUSH };
	struct rig_call call;

	(void)state;
	hold.pass = true;
	hold.err = -EAGAIN;
	assert_int_equal(rig_open_with(rig, &args), 0);
	ask(&op);
	ask(&flush);
	vbd_close(rig->vbd, false, rig_call(&call));
	rig_pass(rig, RIG_SECOND);
	assert_false(call.done);
	rig_pass(rig, RIG_SECOND);
	rig_pass(rig, RIG_SECOND);
	assert_int_equal(rig_called(rig, &call), 0);
	assert_int_equal(op.err, -EAGAIN);
	assert_int_equal(flush.err, -EAGAIN);
}

static void close_by_force_answers_what_the_images_let_go(void **state)
{
	struct mem_op op = write_op(0), again = write_op(512);
	struct rig_call call, forced;

	(void)state;
	assert_int_equal(rig_open(rig, "hold:"), 0);
	ask(&again);
	assert_true(hold_answer(-EAGAIN));
	ask(&op);
	vbd_close(rig->vbd, false, rig_call(&call));
	rig_settle(rig);
	assert_false(again.done);
	vbd_close(rig->vbd, true, rig_call(&forced));
	rig_settle(rig);
	assert_int_equal(vbd_state(rig->vbd), VBD_DEAD);
	assert_int_equal(again.err, -EIO);
	assert_false(forced.done); /* op's buffers are in use */
	assert_true(hold_answer(-EAGAIN));
	assert_int_equal(rig_called(rig, &forced), 0);
	assert_int_equal(rig_called(rig, &call), 0);
	assert_int_equal(op.err, -EAGAIN);
}

static void closing_a_paused_disk_answers_what_waits(void **state)
{
	struct mem_op op = write_op(0);

	(void)state;
	assert_int_equal(rig_open(rig, "hold:"), 0);
	ask(&op);
	assert_true(hold_answer(-EAGAIN));
	rig_settle(rig);
	assert_int_equal(rig_pause(rig), 0);
	assert_int_equal(rig_close(rig, false), 0);
	assert_true(op.done);
	assert_int_equal(op.err, -EIO);
}

static void close_cancels_what_is_under_way(void **state)
{
	struct vbd_open args = { .spec = "hold:" };
	struct rig_call open, resume, pause;
	struct mem_op op = write_op(0);

	(void)state;
	vbd_open(rig->vbd, &args, rig_call(&open));
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(rig_called(rig, &open), -ECANCELED);
	assert_int_equal(hold.opens, hold.closes);

	assert_int_equal(rig_open(rig, "hold:"), 0);
	assert_int_equal(rig_pause(rig), 0);
	hold.fail_opens = 100;
	vbd_resume(rig->vbd, NULL, rig_call(&resume));
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(rig_called(rig, &resume), -ECANCELED);
	hold.fail_opens = 0;

	assert_int_equal(rig_open(rig, "hold:"), 0);
	ask(&op);
	vbd_pause(rig->vbd, rig_call(&pause));
	rig_settle(rig);
	assert_true(hold_answer(0));
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(rig_called(rig, &pause), -ECANCELED);
	assert_int_equal(op.err, 0);
}

static void closing_while_paused_and_resuming_leaves_no_request(void **state)
{
	struct mem_op op = write_op(0);
	struct rig_call resume;

	(void)state;
	assert_int_equal(rig_open(rig, "hold:"), 0);
	ask(&op);
	assert_true(hold_answer(-EAGAIN));
	rig_settle(rig);
	assert_int_equal(rig_pause(rig), 0);
	vbd_resume(rig->vbd, NULL, rig_call(&resume));
	assert_int_equal(rig_close(rig, false), 0);
	assert_int_equal(rig_called(rig, &resume), -ECANCELED);
	assert_true(op.done);
}

static void images_have_at_most_so_many_at_once(void **state)
{
	static struct mem_op ops[VBD_DEPTH + 20];
	static struct mem_client deep = { .depth = VBD_DEPTH + 20 };
	unsigned i;

	(void)state;
	hold.size = 512 * (VBD_DEPTH + 20);
	assert_int_equal(rig_open(rig, "hold:"), 0);
	assert_int_equal(rig_join(rig, &deep), 0);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ops[i] = write_op(512 * i);
		mem_ask(&deep, &ops[i]);
	}
	rig_settle(rig);
	assert_int_equal(hold.count, VBD_DEPTH);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		assert_true(hold_answer(0));
		rig_settle(rig);
		assert_true(ops[i].done); /* in their order */
	}
	assert_int_equal(hold.most, VBD_DEPTH);
}

static void what_is_late_is_counted_and_waited_for(void **state)
{
	struct vbd_open args = { .spec = "hold:", .timeout_s = 5 };
	struct mem_op op = write_op(0);

	(void)state;
	assert_int_equal(rig_open_with(rig, &args), 0);
	ask(&op);
	rig_pass(rig, 4 * RIG_SECOND);
	assert_int_equal(vbd_counters(rig->vbd)->late, 0);
	rig_pass(rig, 2 * RIG_SECOND);
	assert_int_equal(vbd_counters(rig->vbd)->late, 1);
	assert_false(op.done);
	assert_true(hold_answer(0));
	rig_settle(rig);
	assert_int_equal(vbd_counters(rig->vbd)->late, 0);
	assert_int_equal(vbd_counters(rig->vbd)->max_usecs[1], 6000000);
}

static void a_client_that_cannot_flush_makes_it_write_through(void **state)
{
	static struct mem_client cannot = { .no_flush = true };
	static struct mem_client reads = { .no_flush = true, .readonly = true };

	(void)state;
	hold.pass = true;
	assert_int_equal(rig_open(rig, "hold:"), 0);
	assert_int_equal(rig_join(rig, &reads), 0);
	assert_false(hold.img->write_through);
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	assert_int_equal(hold.fua, 0);
	assert_int_equal(rig_join(rig, &cannot), 0);
	assert_true(hold.img->write_through && vbd_write_through(rig->vbd));
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
	assert_int_equal(hold.fua, 1);
	assert_int_equal(rig_read(rig, 0, buf, 512), 0);
	assert_int_equal(hold.fua, 1);
	assert_int_equal(rig_pause(rig), 0);
	assert_int_equal(rig_resume(rig, NULL), 0);
	assert_true(hold.img->write_through);
	channel_close(cannot.ch, NULL, NULL);
	rig_settle(rig);
	assert_int_equal(cannot.closes, 1);
	assert_false(hold.img->write_through);
}

static void a_readonly_disk_is_not_written(void **state)
{
	struct vbd_open args = { .spec = "hold:", .readonly = true };

	(void)state;
	hold.pass = true;
	assert_int_equal(rig_open_with(rig, &args), 0);
	assert_true(vbd_readonly(rig->vbd));
	assert_int_equal(rig_write(rig, 0, buf, 512), -EROFS);
	assert_int_equal(rig_read(rig, 0, buf, 512), 0);
	assert_int_equal(rig_flush(rig), 0);
	assert_int_equal(hold.ops[REQ_WRITE], 0);
}

static void bytes_in_flight_come_in_whole_pieces(void **state)
{
	struct vbd_env env = *vbd_env(rig->vbd);
	struct vbd *vbd;

	(void)state;
	assert_int_equal(env.in_flight, VBD_IN_FLIGHT_DEFAULT);
	env.in_flight = 262144 + 4096;
	assert_int_equal(vbd_new(&vbd, &env, 1, &rig->err), -EINVAL);
	env.in_flight = 262144;
	assert_int_equal(vbd_new(&vbd, &env, 1, &rig->err), 0);
	assert_int_equal(arena_size(vbd_arena(vbd)), 262144);
	vbd_free(vbd);
	vbd_free(NULL);
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_disk_opens_serves_and_closes),
		test(a_failed_open_leaves_nothing),
		test(a_failed_open_closes_channels_that_came_early),
		test(a_channel_that_came_early_starts_with_the_disk),
		test(operations_in_the_wrong_state_are_refused),
		test(pause_waits_for_what_is_in_flight),
		test(what_is_asked_while_paused_waits),
		test(pause_does_not_wait_for_what_is_to_be_tried_again),
		test(resume_may_name_another_image),
		test(resume_tries_ten_times_a_second_apart),
		test(another_size_is_refused_on_resume),
		test(passing_errors_are_tried_again_each_second),
		test(passing_errors_end_with_the_requests_time),
		test(other_errors_are_told_at_once),
		test(a_flush_is_tried_again_without_end),
		test(close_waits_for_what_is_in_flight),
		test(close_goes_on_trying_until_the_time_is_over),
		test(close_by_force_answers_what_the_images_let_go),
		test(closing_a_paused_disk_answers_what_waits),
		test(close_cancels_what_is_under_way),
		test(closing_while_paused_and_resuming_leaves_no_request),
		test(images_have_at_most_so_many_at_once),
		test(what_is_late_is_counted_and_waited_for),
		test(a_client_that_cannot_flush_makes_it_write_through),
		test(a_readonly_disk_is_not_written),
		test(bytes_in_flight_come_in_whole_pieces),
	};

	return cmocka_run_group_tests_name("vbd", tests, NULL, NULL);
}
