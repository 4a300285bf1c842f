/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-trouble_test.c - guests that write nonsense, tapdisks that fail.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"
#include "tests/lib/xenio-rig.h"
#include "xenio/supervise.h"

#define DOM 5u
#define DEV RIG_DEV

static long back(struct rig *rig, const char *name)
{
	return rig_back(rig, DOM, DEV, name);
}

static void a_failed_connect_says_why_and_ends_in_5(void **state)
{
	struct rig *rig = *state;

	stub_fail(rig_tapdisk(rig, 0), WIRE_CONNECT_QUEUE, EPERM);
	rig_create(rig, DOM, DEV, "w");
	rig_plug(rig, DOM, DEV, 0);
	rig_ring(rig, DOM, DEV, 8);
	rig_pass(rig, 5000);
	assert_int_equal(back(rig, "state"), 5);
	assert_int_equal(rig_error(rig, DOM, DEV), EPERM);
	assert_int_equal(stub_count(rig_tapdisk(rig, 0), WIRE_CONNECT_QUEUE),
			 1);
	/* The guest closes and starts afresh; the fault is mended. */
	stub_fail(rig_tapdisk(rig, 0), WIRE_CONNECT_QUEUE, 0);
	rig_front(rig, DOM, DEV, 6);
	rig_run(rig);
	rig_front(rig, DOM, DEV, 1);
	rig_run(rig);
	rig_ring(rig, DOM, DEV, 8);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 4);
	assert_int_equal(rig_error(rig, DOM, DEV), 0);
}

static void a_queue_that_fails_takes_the_others_down(void **state)
{
	struct rig *rig = *state;

	stub_fail_queue(rig_tapdisk(rig, 0), 1, ENOMEM);
	rig_create(rig, DOM, DEV, "w");
	rig_plug(rig, DOM, DEV, 0);
	rig_set_front(rig, DOM, DEV, "multi-queue-num-queues", "2");
	rig_set_front(rig, DOM, DEV, "queue-0/ring-ref", "8");
	rig_set_front(rig, DOM, DEV, "queue-0/event-channel", "8");
	rig_set_front(rig, DOM, DEV, "queue-1/ring-ref", "9");
	rig_set_front(rig, DOM, DEV, "queue-1/event-channel", "9");
	rig_front(rig, DOM, DEV, 3);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 5);
	assert_int_equal(rig_error(rig, DOM, DEV), ENOMEM);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
}

static void nonsense_from_the_guest_is_an_error_node(void **state)
{
	static const char *const bad[][2] = {
		{ "ring-page-order", "0x10" },
		{ "ring-page-order", "5" },
		{ "ring-page-order", "-1" },
		{ "multi-queue-num-queues", "0" },
		{ "multi-queue-num-queues", "99999999999999999999999" },
		{ "protocol", "vax-abi" },
		{ "ring-ref", "x" },
		{ "event-channel", "0" },
		{ "event-channel", NULL },
	};
	struct rig *rig = *state;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		rig_create(rig, DOM, DEV, "w");
		rig_plug(rig, DOM, DEV, 0);
		rig_set_front(rig, DOM, DEV, "ring-ref", "8");
		rig_set_front(rig, DOM, DEV, "event-channel", "9");
		rig_set_front(rig, DOM, DEV, bad[i][0], bad[i][1]);
		rig_front(rig, DOM, DEV, 3);
		rig_pass(rig, 1000);
		assert_int_equal(back(rig, "state"), 5);
		assert_int_not_equal(rig_error(rig, DOM, DEV), 0);
		rig_remove(rig, DOM, DEV);
		rig_pass(rig, 1000);
		assert_int_equal(
			xen_fake_nodes(rig->fake, "/local/domain/0/error"), 0);
	}
	assert_int_equal(stub_count(rig_tapdisk(rig, 0), WIRE_HELLO), 0);
}

static void a_value_with_nuls_is_no_way_in(void **state)
{
	struct rig *rig = *state;

	rig_create(rig, DOM, DEV, "w");
	rig_plug(rig, DOM, DEV, 0);
	rig_set_front(rig, DOM, DEV, "ring-ref", "8");
	rig_set_front(rig, DOM, DEV, "event-channel", "9");
	assert_int_equal(xen_fake_write_raw(rig->fake, DOM,
					    "/local/domain/5/device/vbd/51712/"
					    "ring-page-order",
					    "\0\0"
					    "9",
					    3),
			 0);
	rig_front(rig, DOM, DEV, 3);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 5);
	assert_int_not_equal(rig_error(rig, DOM, DEV), 0);
}

static void a_hung_tapdisk_is_given_up_after_a_while(void **state)
{
	struct rig *rig = *state;

	stub_hang(rig_tapdisk(rig, 0), WIRE_HELLO);
	rig_create(rig, DOM, DEV, "w");
	rig_plug(rig, DOM, DEV, 0);
	rig_ring(rig, DOM, DEV, 8);
	rig_pass(rig, RIG_TIMEOUT + 500);
	assert_int_equal(back(rig, "state"), 5);
	assert_int_equal(rig_error(rig, DOM, DEV), ETIMEDOUT);
	/* It never had the ring: the toolstack need not wait for it. */
	rig_unplug(rig, DOM, DEV);
	rig_front(rig, DOM, DEV, 6);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 6);
}

/* It may have the ring: Closed could be a lie. */
static void a_connect_without_an_answer_is_taken_back_first(void **state)
{
	struct rig *rig = *state;

	stub_hang(rig_tapdisk(rig, 0), WIRE_CONNECT_QUEUE);
	rig_create(rig, DOM, DEV, "w");
	rig_plug(rig, DOM, DEV, 0);
	rig_ring(rig, DOM, DEV, 8);
	rig_pass(rig, RIG_TIMEOUT + 500);
	assert_int_equal(back(rig, "state"), 5);
	assert_int_equal(stub_count(rig_tapdisk(rig, 0), WIRE_DISCONNECT), 1);
}

static void a_tapdisk_that_dies_is_an_error_not_a_hang(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	stub_kill(rig_tapdisk(rig, 0));
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 5);
	assert_int_equal(rig_error(rig, DOM, DEV), ESRCH);
	rig_unplug(rig, DOM, DEV);
	rig_front(rig, DOM, DEV, 6);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 6);
	rig_remove(rig, DOM, DEV);
	rig_run(rig);
	assert_int_equal(supervise_count(rig->sv), 0);
	assert_int_equal(xen_fake_watches(rig->fake), 3);
}

static void a_tapdisk_that_dies_at_any_step_frees_the_disk(void **state)
{
	struct rig *rig = *state;
	static const enum wire_type at[] = { WIRE_HELLO, WIRE_DISK_INFO,
					     WIRE_CONNECT_QUEUE,
					     WIRE_DISCONNECT };

	for (unsigned i = 0; i < 4; i++) {
		stub_hang(rig_tapdisk(rig, i), at[i]);
		rig_create(rig, DOM, DEV, "w");
		rig_plug(rig, DOM, DEV, i);
		rig_ring(rig, DOM, DEV, 8);
		rig_run(rig);
		rig_unplug(rig, DOM, DEV);
		rig_front(rig, DOM, DEV, 6);
		rig_run(rig);
		assert_int_not_equal(back(rig, "state"), 6);
		stub_kill(rig_tapdisk(rig, i));
		rig_run(rig);
		assert_int_equal(back(rig, "state"), 6);
		rig_remove(rig, DOM, DEV);
		rig_pass(rig, 1000);
		assert_int_equal(supervise_count(rig->sv), 0);
	}
}

#define on_rig(test)                                                           \
	cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_rig(a_failed_connect_says_why_and_ends_in_5),
		on_rig(a_queue_that_fails_takes_the_others_down),
		on_rig(nonsense_from_the_guest_is_an_error_node),
		on_rig(a_value_with_nuls_is_no_way_in),
		on_rig(a_hung_tapdisk_is_given_up_after_a_while),
		on_rig(a_connect_without_an_answer_is_taken_back_first),
		on_rig(a_tapdisk_that_dies_is_an_error_not_a_hang),
		on_rig(a_tapdisk_that_dies_at_any_step_frees_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
