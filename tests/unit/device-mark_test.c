/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-mark_test.c - disks of the kernel's that a marker makes ours.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "tests/unit/mark-rig.h"

#include "lib/bytes.h"
#include "xenio/supervise.h"

static void without_a_marker_nothing_is_touched(void **state)
{
	struct host *host = *state;
	unsigned before;

	unbound_at_4(host, 8);
	before = xen_fake_count(host->fake, XEN_FAKE_WRITE);
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_stop(host);
	host_start(host);
	host_run(host);
	assert_int_equal(supervise_count(host->sv), 0);
	assert_int_equal(xen_fake_count(host->fake, XEN_FAKE_WRITE), before);
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_HELLO), 0);
	assert_int_equal(back(host, "state"), 5);
}

static void a_disk_at_2_is_ours_with_all_that_was_advertised(void **state)
{
	struct host *host = *state;

	unbound_at_2(host, "w");
	ask(host, "serve");
	host_run(host);
	assert_true(says(host, "ready"));
	assert_int_equal(back(host, "state"), 2);
	assert_int_equal(back(host, "feature-max-indirect-segments"), 256);
	assert_int_equal(back(host, "multi-queue-max-queues"), 4);
	assert_int_equal(back(host, "max-ring-page-order"), 4);
	assert_int_equal(back(host, "feature-persistent"), 0);
	set(host, "hotplug-status", "connected");
	host_ring(host, DOM, DEV, 8);
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	assert_true(says(host, "active"));
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
	host_remove(host, DOM, DEV);
	host_run(host);
	assert_int_equal(supervise_count(host->sv), 0);
}

static void what_we_do_not_advertise_is_taken_back(void **state)
{
	struct host *host = *state;

	host_stop(host);
	host->limit_order = 0;
	host_start(host);
	unbound_at_2(host, "w");
	ask(host, "serve");
	host_run(host);
	assert_true(says(host, "ready"));
	assert_int_equal(back(host, "max-ring-page-order"), -1);
}

/* It may have read what the kernel had written. */
static void a_guest_that_was_faster_gets_what_it_was_offered(void **state)
{
	struct host *host = *state;
	char name[32], value[16];
	const struct wire_msg *msg;

	host_stop(host);
	host->limit_order = 0;
	host_start(host);
	unbound_at_2(host, "w");
	host_set_front(host, DOM, DEV, "ring-page-order", "4");
	host_set_front(host, DOM, DEV, "multi-queue-num-queues", "9");
	for (unsigned i = 0; i < 9 * 16; i++) {
		(void)snprintf(name, sizeof(name), "queue-%u/ring-ref%u",
			       i / 16, i % 16);
		(void)snprintf(value, sizeof(value), "%u", 100 + i);
		host_set_front(host, DOM, DEV, name, value);
		(void)snprintf(name, sizeof(name), "queue-%u/event-channel",
			       i / 16);
		(void)snprintf(value, sizeof(value), "%u", 20 + i / 16);
		host_set_front(host, DOM, DEV, name, value);
	}
	host_front(host, DOM, DEV, 3);
	ask(host, "serve");
	host_run(host);
	assert_true(says(host, "ready"));
	set(host, "hotplug-status", "connected");
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 9);
	msg = stub_last(host_tapdisk(host, 0));
	assert_int_equal(msg->u.ring.order, 4);
	assert_int_equal(msg->u.ring.max_segs, 256);
}

/* A guest that was not told of them would lose its disk by a kept page. */
static void a_taken_ring_keeps_pages_if_the_kernel_said_so(void **state)
{
	static const char *const said[][2] = {
		{ NULL, "1" }, { "0", "1" }, { "1", "0" }, { "1", "1" }
	};
	struct host *host = *state;

	for (unsigned i = 0; i < ARRAY_SIZE(said); i++) {
		host_stop(host);
		host->persistent = true;
		host_start(host);
		unbound_at_4(host, 8);
		if (said[i][0])
			set(host, "feature-persistent", said[i][0]);
		host_set_front(host, DOM, DEV, "feature-persistent",
			       said[i][1]);
		ask(host, "takeover");
		host_run(host);
		assert_true(says(host, "bound"));
		assert_int_equal(stub_last(host_tapdisk(host, 0))->u.ring.flags,
				 i == 3 ? WIRE_RING_KEEP : 0);
		host_remove(host, DOM, DEV);
		host_run(host);
	}
}

static void a_takeover_writes_no_state(void **state)
{
	struct host *host = *state;
	const struct wire_msg *msg;
	unsigned before;

	unbound_at_4(host, 8);
	before = xen_fake_count(host->fake, XEN_FAKE_WRITE);
	ask(host, "takeover");
	host_run(host);
	assert_true(says(host, "bound"));
	assert_int_equal(back(host, "kthread-pid"),
			 stub_pid(host_tapdisk(host, 0)));
	/* These two and no other, whatever its value. */
	assert_int_equal(xen_fake_count(host->fake, XEN_FAKE_WRITE) - before,
			 2);
	assert_int_equal(back(host, "feature-max-indirect-segments"), 77);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
	msg = stub_last(host_tapdisk(host, 0));
	assert_int_equal(msg->u.ring.grefs[0], 8);
	assert_int_equal(msg->u.ring.max_segs, 256);
	set(host, "xenio-owner", "serve");
	host_run(host);
	assert_true(says(host, "active"));
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE),
			 1);
}

static void a_takeover_waits_while_the_kernel_drains(void **state)
{
	struct host *host = *state;

	unbound_at_4(host, 8);
	stub_fail(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE, EADDRNOTAVAIL);
	ask(host, "takeover");
	host_pass(host, 2000);
	assert_int_equal(back(host, "xenio-status"), -1);
	assert_true(stub_count(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE) > 90);
	stub_fail(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE, 0);
	host_run(host);
	assert_true(says(host, "bound"));
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_DISCONNECT), 0);
}

static void a_takeover_waits_for_the_last_queue_too(void **state)
{
	struct host *host = *state;

	unbound_at_4(host, 8);
	host_set_front(host, DOM, DEV, "multi-queue-num-queues", "2");
	host_set_front(host, DOM, DEV, "queue-0/ring-ref", "8");
	host_set_front(host, DOM, DEV, "queue-0/event-channel", "8");
	host_set_front(host, DOM, DEV, "queue-1/ring-ref", "9");
	host_set_front(host, DOM, DEV, "queue-1/event-channel", "9");
	stub_fail_queue(host_tapdisk(host, 0), 1, EADDRNOTAVAIL);
	ask(host, "takeover");
	host_run(host);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
	stub_fail_queue(host_tapdisk(host, 0), 1, 0);
	host_run(host);
	assert_true(says(host, "bound"));
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 2);
}

static void a_takeover_gives_up_at_its_limit(void **state)
{
	struct host *host = *state;

	unbound_at_4(host, 8);
	stub_fail(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE, EADDRNOTAVAIL);
	set(host, "xenio-limit-ms", "1000");
	ask(host, "takeover");
	host_pass(host, 900);
	assert_int_equal(back(host, "xenio-status"), -1);
	host_pass(host, 500);
	assert_true(says(host, "failed: "));
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(host_error(host, DOM, DEV), 0);
	/* And again, when asked. */
	stub_fail(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE, 0);
	host_run(host);
	assert_true(says(host, "failed: "));
	no_status(host);
	host_run(host);
	assert_true(says(host, "bound"));
}

static void a_takeover_that_fails_leaves_no_queue_behind(void **state)
{
	struct host *host = *state;

	unbound_at_4(host, 8);
	host_set_front(host, DOM, DEV, "multi-queue-num-queues", "2");
	host_set_front(host, DOM, DEV, "queue-0/ring-ref", "8");
	host_set_front(host, DOM, DEV, "queue-0/event-channel", "8");
	host_set_front(host, DOM, DEV, "queue-1/ring-ref", "9");
	host_set_front(host, DOM, DEV, "queue-1/event-channel", "9");
	stub_fail_queue(host_tapdisk(host, 0), 1, EPERM);
	ask(host, "takeover");
	host_run(host);
	assert_true(says(host, "failed: "));
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
	assert_int_equal(back(host, "state"), 4);
	/* To serve what was not taken over would end the guest's disk. */
	set(host, "xenio-owner", "serve");
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
}

static void a_disk_that_is_not_the_same_is_not_taken_over(void **state)
{
	struct host *host = *state;
	static const struct {
		uint64_t sectors;
		uint32_t info;
	} bad[] = { { 2047, 0 }, { 4096, 0 }, { 2048, 4 } };

	unbound_at_4(host, 8);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		stub_disk(host_tapdisk(host, 0), bad[i].sectors, bad[i].info,
			  0);
		ask(host, "takeover");
		host_run(host);
		assert_true(says(host, "failed: the "));
		assert_int_equal(back(host, "state"), 4);
	}
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE),
			 0);
	stub_disk(host_tapdisk(host, 0), 2048, 0, 0);
	stub_older(host_tapdisk(host, 0));
	ask(host, "takeover");
	host_run(host);
	assert_true(says(host, "failed: tapdisk "));
}

static void a_disk_on_its_way_is_not_taken_over(void **state)
{
	struct host *host = *state;

	unbound_at_2(host, "w");
	ask(host, "takeover");
	host_run(host);
	assert_true(says(host, "failed: "));
	assert_int_equal(back(host, "state"), 2);
	set(host, "state", "4");
	host_ring(host, DOM, DEV, 8);
	no_status(host);
	host_run(host);
	assert_true(says(host, "failed: "));
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
}

/* The toolstack gets its answer, and nobody waits for the limit. */
static void a_disk_removed_while_the_kernel_drains_is_closed(void **state)
{
	struct host *host = *state;

	unbound_at_4(host, 8);
	stub_fail(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE, EADDRNOTAVAIL);
	ask(host, "takeover");
	host_run(host);
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	host_remove(host, DOM, DEV);
	host_run(host);
	assert_int_equal(supervise_count(host->sv), 0);
}

static void a_release_waits_for_the_last_answer(void **state)
{
	struct host *host = *state;

	unbound_at_4(host, 8);
	ask(host, "takeover");
	host_run(host);
	set(host, "xenio-owner", "serve");
	host_run(host);
	stub_in_flight(host_tapdisk(host, 0), true);
	set(host, "xenio-owner", "release");
	host_pass(host, HOST_TIMEOUT * 3);
	assert_true(says(host, "active"));
	stub_in_flight(host_tapdisk(host, 0), false);
	host_pass(host, 1500);
	assert_true(says(host, "released"));
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(back(host, "kthread-pid"), -1);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
	set(host, "xenio-owner", NULL);
	host_run(host);
	assert_int_equal(supervise_count(host->sv), 0);
	assert_int_equal(back(host, "state"), 4);
}

static void a_disk_goes_and_comes_as_often_as_one_likes(void **state)
{
	struct host *host = *state;

	unbound_at_4(host, 8);
	for (unsigned i = 0; i < 5; i++) {
		ask(host, "takeover");
		host_run(host);
		assert_true(says(host, "bound"));
		set(host, "xenio-owner", "serve");
		host_run(host);
		assert_true(says(host, "active"));
		assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
		set(host, "xenio-owner", "release");
		host_run(host);
		assert_true(says(host, "released"));
		assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
		set(host, "xenio-owner", NULL);
		host_run(host);
		assert_int_equal(supervise_count(host->sv), 0);
	}
	assert_int_equal(back(host, "state"), 4);
}

/* What it had taken off the ring and not answered nobody can know. */
static void a_tapdisk_that_dies_is_not_released(void **state)
{
	struct host *host = *state;

	unbound_at_4(host, 8);
	ask(host, "takeover");
	host_run(host);
	set(host, "xenio-owner", "serve");
	host_run(host);
	stub_in_flight(host_tapdisk(host, 0), true);
	set(host, "xenio-owner", "release");
	host_run(host);
	stub_kill(host_tapdisk(host, 0));
	host_run(host);
	assert_true(says(host, "failed: tapdisk "));
	host_stop(host);
	host_start(host);
	host_run(host);
	assert_true(says(host, "failed: tapdisk "));
	assert_int_equal(back(host, "state"), 4);
}

static void a_released_disk_is_still_closed_for_the_toolstack(void **state)
{
	struct host *host = *state;

	unbound_at_4(host, 8);
	ask(host, "takeover");
	host_run(host);
	set(host, "xenio-owner", "release");
	host_run(host);
	assert_true(says(host, "released"));
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_host(without_a_marker_nothing_is_touched),
		on_host(a_disk_at_2_is_ours_with_all_that_was_advertised),
		on_host(what_we_do_not_advertise_is_taken_back),
		on_host(a_guest_that_was_faster_gets_what_it_was_offered),
		on_host(a_takeover_writes_no_state),
		on_host(a_taken_ring_keeps_pages_if_the_kernel_said_so),
		on_host(a_takeover_waits_while_the_kernel_drains),
		on_host(a_takeover_waits_for_the_last_queue_too),
		on_host(a_takeover_gives_up_at_its_limit),
		on_host(a_takeover_that_fails_leaves_no_queue_behind),
		on_host(a_disk_that_is_not_the_same_is_not_taken_over),
		on_host(a_disk_on_its_way_is_not_taken_over),
		on_host(a_disk_removed_while_the_kernel_drains_is_closed),
		on_host(a_release_waits_for_the_last_answer),
		on_host(a_disk_goes_and_comes_as_often_as_one_likes),
		on_host(a_tapdisk_that_dies_is_not_released),
		on_host(a_released_disk_is_still_closed_for_the_toolstack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
