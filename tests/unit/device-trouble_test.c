/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-trouble_test.c - guests that write nonsense, tapdisks that fail.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"
#include "tests/lib/xenio-host.h"
#include "xenio/supervise.h"

#define DOM 5u
#define DEV HOST_DEV

static long back(struct host *host, const char *name)
{
	return host_back(host, DOM, DEV, name);
}

static void a_failed_connect_says_why_and_ends_in_5(void **state)
{
	struct host *host = *state;

	stub_fail(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE, EPERM);
	host_create(host, DOM, DEV, "w");
	host_plug(host, DOM, DEV, 0);
	host_ring(host, DOM, DEV, 8);
	host_pass(host, 5000);
	assert_int_equal(back(host, "state"), 5);
	assert_int_equal(host_error(host, DOM, DEV), EPERM);
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE),
			 1);
	/* The guest closes and starts afresh; the fault is mended. */
	stub_fail(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE, 0);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	host_front(host, DOM, DEV, 1);
	host_run(host);
	host_ring(host, DOM, DEV, 8);
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(host_error(host, DOM, DEV), 0);
}

static void a_queue_that_fails_takes_the_others_down(void **state)
{
	struct host *host = *state;

	stub_fail_queue(host_tapdisk(host, 0), 1, ENOMEM);
	host_create(host, DOM, DEV, "w");
	host_plug(host, DOM, DEV, 0);
	host_set_front(host, DOM, DEV, "multi-queue-num-queues", "2");
	host_set_front(host, DOM, DEV, "queue-0/ring-ref", "8");
	host_set_front(host, DOM, DEV, "queue-0/event-channel", "8");
	host_set_front(host, DOM, DEV, "queue-1/ring-ref", "9");
	host_set_front(host, DOM, DEV, "queue-1/event-channel", "9");
	host_front(host, DOM, DEV, 3);
	host_run(host);
	assert_int_equal(back(host, "state"), 5);
	assert_int_equal(host_error(host, DOM, DEV), ENOMEM);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
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
	struct host *host = *state;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		host_create(host, DOM, DEV, "w");
		host_plug(host, DOM, DEV, 0);
		host_set_front(host, DOM, DEV, "ring-ref", "8");
		host_set_front(host, DOM, DEV, "event-channel", "9");
		host_set_front(host, DOM, DEV, bad[i][0], bad[i][1]);
		host_front(host, DOM, DEV, 3);
		host_pass(host, 1000);
		assert_int_equal(back(host, "state"), 5);
		assert_int_not_equal(host_error(host, DOM, DEV), 0);
		host_remove(host, DOM, DEV);
		host_pass(host, 1000);
		assert_int_equal(
			xen_fake_nodes(host->fake, "/local/domain/0/error"), 0);
	}
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_HELLO), 0);
}

static void a_value_with_nuls_is_no_way_in(void **state)
{
	struct host *host = *state;

	host_create(host, DOM, DEV, "w");
	host_plug(host, DOM, DEV, 0);
	host_set_front(host, DOM, DEV, "ring-ref", "8");
	host_set_front(host, DOM, DEV, "event-channel", "9");
	assert_int_equal(xen_fake_write_raw(host->fake, DOM,
					    "/local/domain/5/device/vbd/51712/"
					    "ring-page-order",
					    "\0\0"
					    "9",
					    3),
			 0);
	host_front(host, DOM, DEV, 3);
	host_run(host);
	assert_int_equal(back(host, "state"), 5);
	assert_int_not_equal(host_error(host, DOM, DEV), 0);
}

static void a_hung_tapdisk_is_given_up_after_a_while(void **state)
{
	struct host *host = *state;

	stub_hang(host_tapdisk(host, 0), WIRE_HELLO);
	host_create(host, DOM, DEV, "w");
	host_plug(host, DOM, DEV, 0);
	host_ring(host, DOM, DEV, 8);
	host_pass(host, HOST_TIMEOUT + 500);
	assert_int_equal(back(host, "state"), 5);
	assert_int_equal(host_error(host, DOM, DEV), ETIMEDOUT);
	/* It never had the ring: the toolstack need not wait for it. */
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
}

/* It may have the ring: Closed could be a lie. */
static void a_connect_without_an_answer_is_taken_back_first(void **state)
{
	struct host *host = *state;

	stub_hang(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE);
	host_create(host, DOM, DEV, "w");
	host_plug(host, DOM, DEV, 0);
	host_ring(host, DOM, DEV, 8);
	host_pass(host, HOST_TIMEOUT + 500);
	assert_int_equal(back(host, "state"), 5);
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_DISCONNECT), 1);
}

static void a_tapdisk_that_dies_is_an_error_not_a_hang(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	stub_kill(host_tapdisk(host, 0));
	host_run(host);
	assert_int_equal(back(host, "state"), 5);
	assert_int_equal(host_error(host, DOM, DEV), ESRCH);
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	host_remove(host, DOM, DEV);
	host_run(host);
	assert_int_equal(supervise_count(host->sv), 0);
	assert_int_equal(xen_fake_watches(host->fake), 4);
}

static void a_tapdisk_that_dies_at_any_step_frees_the_disk(void **state)
{
	struct host *host = *state;
	static const enum wire_type at[] = { WIRE_HELLO, WIRE_DISK_INFO,
					     WIRE_CONNECT_QUEUE,
					     WIRE_DISCONNECT };

	for (unsigned i = 0; i < 4; i++) {
		stub_hang(host_tapdisk(host, i), at[i]);
		host_create(host, DOM, DEV, "w");
		host_plug(host, DOM, DEV, i);
		host_ring(host, DOM, DEV, 8);
		host_run(host);
		host_unplug(host, DOM, DEV);
		host_front(host, DOM, DEV, 6);
		host_run(host);
		assert_int_not_equal(back(host, "state"), 6);
		stub_kill(host_tapdisk(host, i));
		host_run(host);
		assert_int_equal(back(host, "state"), 6);
		host_remove(host, DOM, DEV);
		host_pass(host, 1000);
		assert_int_equal(supervise_count(host->sv), 0);
	}
}

#define on_host(test)                                                          \
	cmocka_unit_test_setup_teardown(test, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_host(a_failed_connect_says_why_and_ends_in_5),
		on_host(a_queue_that_fails_takes_the_others_down),
		on_host(nonsense_from_the_guest_is_an_error_node),
		on_host(a_value_with_nuls_is_no_way_in),
		on_host(a_hung_tapdisk_is_given_up_after_a_while),
		on_host(a_connect_without_an_answer_is_taken_back_first),
		on_host(a_tapdisk_that_dies_is_an_error_not_a_hang),
		on_host(a_tapdisk_that_dies_at_any_step_frees_the_disk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
