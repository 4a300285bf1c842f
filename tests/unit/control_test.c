/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control_test.c - what messages do to a tapdisk's disks and rings.
 */
#include "tests/unit/control-rig.h"

static void a_guests_queues_come_and_go(void **state)
{
	struct test *t = *state;
	struct call stats;

	hold.pass = true;
	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	assert_int_equal(connect_queue(t, 1), 0);
	for (unsigned q = 0; q < QUEUES; q++) {
		guest_read(t, q);
		assert_true(answered(t, q));
	}
	(void)ask(t, &(struct wire_msg){ .type = WIRE_STATS }, &stats);
	assert_non_null(strstr(stats.text, "\"xenbus\": { \"pool\": "
					   "\"td-xenio-default\", \"domid\": "
					   "3, \"devid\": 51712, \"reqs\": "
					   "[ 1, 1 ], \"kicks\": [ "));
	assert_non_null(strstr(stats.text, "\"errors\": { \"msg\": 0, "));
	assert_true(has_metrics(t, "statistics"));
	assert_true(has_metrics(t, "io_ring"));
	assert_int_equal(disconnect(t), 0);
	assert_int_equal(xen_fake_bound(t->fake), 0);
	assert_int_equal(xen_fake_mapped(t->fake), 0);
	assert_false(has_metrics(t, ""));
	assert_int_equal(disconnect(t), -ENODEV);
}

static void the_same_queue_again_is_told_apart(void **state)
{
	struct test *t = *state;
	struct wire_msg msg = connect_msg(t, WIRE_CONNECT_QUEUE, 0);

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	assert_int_equal(connect_queue(t, 0), -EALREADY);
	msg.u.ring.grefs[0] = 1;
	assert_int_equal(ask(t, &msg, NULL), -EEXIST);
	msg.u.ring.nr_queues = 1;
	msg.u.ring.queue = 1;
	assert_int_equal(ask(t, &msg, NULL), -EINVAL);
}

static void the_old_message_brings_one_ring(void **state)
{
	struct test *t = *state;
	struct wire_msg msg = connect_msg(t, WIRE_CONNECT, 0);

	hold.pass = true;
	assert_int_equal(ask(t, &msg, NULL), -ENODEV); /* not open */
	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(ask(t, &msg, NULL), 0);
	guest_read(t, 0);
	assert_true(answered(t, 0));
	msg.u.ring.port = t->port[1];
	assert_int_equal(ask(t, &msg, NULL), -EALREADY);
	msg.u.ring.proto = 4;
	assert_int_equal(ask(t, &msg, NULL), -EPROTONOSUPPORT);
}

static void a_connect_that_fails_leaves_nothing(void **state)
{
	static const enum xen_fake_call calls[] = { XEN_FAKE_BIND,
						    XEN_FAKE_MAP };
	struct test *t = *state;

	hold.pass = true;
	assert_int_equal(open_disk(t, "hold:"), 0);
	for (unsigned i = 0; i < 2; i++) {
		xen_fake_fail(t->fake, calls[i], 1, -ENOSPC);
		assert_int_equal(connect_queue(t, 0), -ENOSPC);
		assert_true(xen_fake_failed(t->fake));
		assert_int_equal(xen_fake_bound(t->fake), 0);
		assert_int_equal(xen_fake_mapped(t->fake), 0);
		assert_false(has_metrics(t, ""));
	}
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0);
	assert_true(answered(t, 0));
}

static void descriptors_that_come_along_are_not_lost(void **state)
{
	struct test *t = *state;
	struct wire_msg msg = connect_msg(t, WIRE_CONNECT_QUEUE, 0);
	unsigned before;
	struct call c;

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	assert_int_equal(disconnect(t), 0);
	before = descriptors();
	begin(t, &c, &msg, 0);
	settle(t, &c.ended);
	assert_int_equal(c.error, 0);
	assert_int_equal(disconnect(t), 0);
	msg.u.ring.proto = 9;
	begin(t, &c, &msg, 0);
	settle(t, &c.ended);
	assert_int_equal(c.error, -EPROTONOSUPPORT);
	msg.type = WIRE_PID; /* it has no use for one */
	begin(t, &c, &msg, 0);
	settle(t, &c.ended);
	assert_int_equal(descriptors(), before);
}

static void disconnect_answers_when_nothing_is_in_flight(void **state)
{
	const struct wire_msg msg = disconnect_msg();
	struct test *t = *state;
	struct call c;

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0);
	assert_int_equal(hold.count, 1);
	begin(t, &c, &msg, -1);
	assert_false(c.ended);
	assert_int_equal(connect_queue(t, 0), -EBUSY);
	assert_true(hold_answer(0));
	settle(t, &c.ended);
	assert_int_equal(c.error, 0);
	assert_int_equal(xen_fake_mapped(t->fake), 0);
}

static void a_paused_disk_can_be_resumed_past_a_disconnect(void **state)
{
	const struct wire_msg msg = disconnect_msg();
	struct test *t = *state;
	struct call c[12];

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0); /* held by the image; the next by the disk */
	(void)front_req(&t->front[0], t->front[0].l->read, 2, 0, 1, DATA);
	(void)front_push(&t->front[0]);
	xen_fake_kick(t->fake, t->port[0]);
	assert_int_equal(hold.count, 1);
	for (unsigned i = 0; i < 12; i++)
		begin(t, &c[i], &msg, -1);
	hold.pass = true;
	while (hold_answer(0))
		;
	assert_int_equal(tell(t, WIRE_PAUSE), 0);
	assert_int_equal(tell(t, WIRE_RESUME), 0);
	for (unsigned i = 0; i < 12; i++) {
		settle(t, &c[i].ended);
		assert_int_equal(c[i].error, 0);
	}
}

static void who_asks_is_answered_while_a_pause_waits(void **state)
{
	const struct wire_msg pause = { .type = WIRE_PAUSE };
	const struct wire_msg close = { .type = WIRE_CLOSE };
	const struct wire_msg list = { .type = WIRE_LIST };
	struct test *t = *state;
	struct call p, cl, li;

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0);
	begin(t, &p, &pause, -1);
	begin(t, &cl, &close, -1);
	assert_false(p.ended);
	assert_false(cl.ended);
	assert_int_equal(tell(t, WIRE_PID), 0);
	assert_int_equal(ask(t, &list, &li), 0);
	assert_int_equal(tell(t, WIRE_STATS), 0);
	assert_int_equal(tell(t, WIRE_HELLO), 0);
	assert_int_equal(tell(t, WIRE_DISK_INFO), 0);
	assert_true(hold_answer(0));
	settle(t, &cl.ended);
	assert_true(p.ended);
	assert_int_equal(p.error, 0);
	assert_int_equal(cl.error, 0);
}

static void close_takes_the_rings_along(void **state)
{
	struct test *t = *state;

	for (unsigned i = 0; i < 2; i++) {
		hold.pass = true;
		assert_int_equal(open_disk(t, "hold:"), 0);
		assert_int_equal(connect_queue(t, 0), 0);
		assert_int_equal(connect_queue(t, 1), 0);
		assert_int_equal(tell(t, i ? WIRE_FORCE_SHUTDOWN : WIRE_CLOSE),
				 0);
		assert_int_equal(xen_fake_bound(t->fake), 0);
		assert_int_equal(xen_fake_mapped(t->fake), 0);
		assert_int_equal(disconnect(t), -ENODEV);
	}
}

static void a_ring_that_broke_makes_room_for_the_next(void **state)
{
	struct test *t = *state;

	hold.pass = true;
	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	front_put(&t->front[0], FRONT_REQ_PROD, 100000);
	xen_fake_kick(t->fake, t->port[0]);
	settle(t, NULL);
	assert_int_equal(xen_fake_mapped(t->fake), 0);
	assert_int_equal(disconnect(t), -ENODEV);
	front_init(&t->front[0], t->front[0].l, t->front[0].pages, PAGE);
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0);
	assert_true(answered(t, 0));
}

static void the_last_detach_ends_it(void **state)
{
	struct test *t = *state;
	char path[TAPCTL_PATH];

	hold.pass = true;
	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(tell(t, WIRE_DETACH), -EBUSY);
	assert_int_equal(tell(t, WIRE_CLOSE), 0);
	assert_false(t->ended);
	assert_int_equal(tell(t, WIRE_DETACH), 0);
	settle(t, &t->ended);
	(void)tapctl_path(path, t->dir, "ctl%d", PID);
	assert_int_equal(access(path, F_OK), -1);
}

static void stop_closes_what_is_open(void **state)
{
	const struct wire_msg attach = { .type = WIRE_ATTACH, .cookie = 1 };
	struct test *t = *state;
	struct call c;

	assert_int_equal(open_disk(t, "hold:"), 0);
	assert_int_equal(connect_queue(t, 0), 0);
	guest_read(t, 0);
	begin(t, &c, &attach, -1);
	control_stop(t->control);
	settle(t, NULL);
	assert_false(t->ended);
	assert_true(hold_answer(0));
	settle(t, &t->ended);
	assert_int_equal(hold.closes, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_guests_queues_come_and_go),
		T(the_same_queue_again_is_told_apart),
		T(the_old_message_brings_one_ring),
		T(a_connect_that_fails_leaves_nothing),
		T(descriptors_that_come_along_are_not_lost),
		T(disconnect_answers_when_nothing_is_in_flight),
		T(a_paused_disk_can_be_resumed_past_a_disconnect),
		T(who_asks_is_answered_while_a_pause_waits),
		T(close_takes_the_rings_along),
		T(a_ring_that_broke_makes_room_for_the_next),
		T(the_last_detach_ends_it),
		T(stop_closes_what_is_open),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
