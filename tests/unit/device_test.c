/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device_test.c - one disk between toolstack, guest and tapdisk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/loop.h"
#include "tests/lib/test.h"
#include "tests/lib/xenio-host.h"
#include "xenio/supervise.h"

#define DOM 5u
#define DEV HOST_DEV

static long back(struct host *host, const char *name)
{
	return host_back(host, DOM, DEV, name);
}

static void state_2_waits_for_nothing(void **state)
{
	struct host *host = *state;

	host_create(host, DOM, DEV, "w");
	host_run(host);
	assert_int_equal(back(host, "state"), 2);
	assert_int_equal(back(host, "max-ring-page-order"), 4);
	assert_int_equal(back(host, "max-ring-pages"), 16);
	assert_int_equal(back(host, "multi-queue-max-queues"), 4);
	assert_int_equal(back(host, "feature-max-indirect-segments"), 256);
	assert_int_equal(back(host, "feature-flush-cache"), 1);
	assert_int_equal(back(host, "feature-barrier"), 1);
	assert_int_equal(back(host, "sectors"), -1);
}

static void a_disk_comes_to_4_with_all_the_guest_needs(void **state)
{
	struct host *host = *state;

	stub_disk(host_tapdisk(host, 0), 4096, 0, 2097152);
	host_connect(host, DOM, DEV, 0);
	assert_int_equal(back(host, "sectors"), 4096);
	assert_int_equal(back(host, "sector-size"), 512);
	assert_int_equal(back(host, "physical-sector-size"), 4096);
	assert_int_equal(back(host, "info"), 0);
	assert_int_equal(back(host, "feature-discard"), 1);
	assert_int_equal(back(host, "discard-granularity"), 2097152);
	assert_int_equal(back(host, "discard-alignment"), 0);
	assert_int_equal(back(host, "kthread-pid"),
			 stub_pid(host_tapdisk(host, 0)));
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
	assert_int_equal(host_error(host, DOM, DEV), 0);
}

static void the_ring_is_passed_on_as_the_guest_gave_it(void **state)
{
	struct host *host = *state;
	const struct wire_msg *msg;

	host_connect(host, DOM, DEV, 0);
	msg = stub_last(host_tapdisk(host, 0));
	assert_int_equal(msg->type, WIRE_CONNECT_QUEUE);
	assert_int_equal(msg->cookie, 0);
	assert_int_equal(msg->u.ring.domid, DOM);
	assert_int_equal(msg->u.ring.devid, DEV);
	assert_int_equal(msg->u.ring.grefs[0], 13);
	assert_int_equal(msg->u.ring.port, 9);
	assert_int_equal(msg->u.ring.order, 0);
	assert_int_equal(msg->u.ring.nr_queues, 1);
	assert_int_equal(msg->u.ring.proto, 3);
	assert_int_equal(msg->u.ring.max_segs, 256);
	assert_int_equal(msg->u.ring.flags, 0);
}

/* What comes last makes the connection, whatever it is. */
static void do_step(struct host *host, unsigned step)
{
	char path[128];
	int pid = (int)stub_pid(host_tapdisk(host, 0));

	switch (step) {
	case 0:
		(void)snprintf(path, sizeof(path), "%s/nbd%d.0", host->dir,
			       pid);
		host_set_back(host, DOM, DEV, "physical-device-path", path);
		break;
	case 1:
		host_set_back(host, DOM, DEV, "hotplug-status", "connected");
		break;
	case 2:
		host_ring(host, DOM, DEV, 8);
		break;
	default:
		host_set_back(host, DOM, DEV, "polling-duration", "0");
		break;
	}
}

static void connect_in_order(struct host *host, const unsigned step[4],
			     unsigned pause_ms)
{
	unsigned done = 0;

	host_create(host, DOM, DEV, "w");
	for (unsigned i = 0; i < 4; i++) {
		host_pass(host, pause_ms);
		assert_true((done & 7) == 7 || back(host, "state") != 4);
		do_step(host, step[i]);
		done |= 1u << step[i];
	}
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	host_remove(host, DOM, DEV);
	host_pass(host, 1000);
	assert_int_equal(supervise_count(host->sv), 0);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
}

static void any_order_of_keys_connects(void **state)
{
	for (unsigned n = 0; n < 4 * 4 * 4 * 4; n++) {
		const unsigned step[] = { n % 4, n / 4 % 4, n / 16 % 4,
					  n / 64 };
		unsigned seen = 0;

		for (unsigned i = 0; i < 4; i++)
			seen |= 1u << step[i];
		if (seen != 15)
			continue;
		/* Without and with a look between two steps. */
		connect_in_order(*state, step, 0);
		connect_in_order(*state, step, 50);
	}
}

static void queues_and_pages_are_connected_one_by_one(void **state)
{
	struct host *host = *state;
	const struct wire_msg *msg;
	char name[32], value[16];

	host_create(host, DOM, DEV, "w");
	host_plug(host, DOM, DEV, 0);
	host_set_front(host, DOM, DEV, "ring-page-order", "2");
	host_set_front(host, DOM, DEV, "multi-queue-num-queues", "3");
	for (unsigned i = 0; i < 12; i++) {
		(void)snprintf(name, sizeof(name), "queue-%u/ring-ref%u", i / 4,
			       i % 4);
		(void)snprintf(value, sizeof(value), "%u", 100 + i);
		host_set_front(host, DOM, DEV, name, value);
		(void)snprintf(name, sizeof(name), "queue-%u/event-channel",
			       i / 4);
		(void)snprintf(value, sizeof(value), "%u", 20 + i / 4);
		host_set_front(host, DOM, DEV, name, value);
	}
	host_front(host, DOM, DEV, 3);
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 3);
	msg = stub_last(host_tapdisk(host, 0));
	assert_int_equal(msg->u.ring.queue, 2);
	assert_int_equal(msg->u.ring.nr_queues, 3);
	assert_int_equal(msg->u.ring.order, 2);
	assert_int_equal(msg->u.ring.grefs[3], 111);
	assert_int_equal(msg->u.ring.port, 22);
}

static void the_guest_can_read_and_not_write_what_we_made(void **state)
{
	struct host *host = *state;
	const char *path = "/local/domain/0/backend/vbd3/5/51712/sectors";
	char *text;

	host_connect(host, DOM, DEV, 0);
	text = xen_fake_read(host->fake, DOM, path);
	assert_non_null(text);
	free(text);
	assert_int_equal(xen_fake_write(host->fake, DOM, path, "9"), -EACCES);
	assert_null(xen_fake_read(host->fake, 6, path));
}

static void mode_r_reaches_guest_and_tapdisk(void **state)
{
	struct host *host = *state;

	stub_disk(host_tapdisk(host, 0), 4096, 0, 4096);
	host_create(host, DOM, DEV, "r");
	host_plug(host, DOM, DEV, 0);
	host_ring(host, DOM, DEV, 8);
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(back(host, "info"), 4);
	assert_int_equal(back(host, "feature-discard"), -1);
	assert_int_equal(stub_last(host_tapdisk(host, 0))->u.ring.flags,
			 WIRE_RING_RDONLY);
}

/* A guest's word counts where it was asked for it, and only there. */
static void persistent_grants_take_both_sides(void **state)
{
	static const struct {
		bool offered;
		const char *front;
		uint32_t flags;
	} cases[] = {
		{ false, "1", 0 },
		{ true, NULL, 0 },
		{ true, "2", 0 },
		{ true, "1", WIRE_RING_KEEP },
	};
	struct host *host = *state;

	stub_disk(host_tapdisk(host, 0), 4096, 0, 4096);
	for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
		host_stop(host);
		host->persistent = cases[i].offered;
		host_start(host);
		host_create(host, DOM, DEV + i, "w");
		host_plug(host, DOM, DEV + i, 0);
		if (cases[i].front)
			host_set_front(host, DOM, DEV + i, "feature-persistent",
				       cases[i].front);
		host_ring(host, DOM, DEV + i, 8);
		host_run(host);
		assert_int_equal(
			host_back(host, DOM, DEV + i, "feature-persistent"),
			cases[i].offered);
		assert_int_equal(host_back(host, DOM, DEV + i, "state"), 4);
		assert_int_equal(stub_last(host_tapdisk(host, 0))->u.ring.flags,
				 cases[i].flags);
	}
}

static void a_read_only_image_is_announced_so(void **state)
{
	struct host *host = *state;

	stub_disk(host_tapdisk(host, 0), 4096, 4, 4096);
	host_connect(host, DOM, DEV, 0);
	assert_int_equal(back(host, "info"), 4);
	assert_int_equal(back(host, "feature-discard"), -1);
}

static void discard_is_offered_only_where_it_may(void **state)
{
	struct host *host = *state;

	stub_disk(host_tapdisk(host, 0), 4096, 0, 4096);
	host_create(host, DOM, DEV, "w");
	host_set_back(host, DOM, DEV, "discard-enable", "0");
	host_plug(host, DOM, DEV, 0);
	host_ring(host, DOM, DEV, 8);
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(back(host, "feature-discard"), -1);
}

static void an_older_tapdisk_gets_the_older_message(void **state)
{
	struct host *host = *state;

	stub_older(host_tapdisk(host, 0));
	host_connect(host, DOM, DEV, 0);
	assert_int_equal(stub_last(host_tapdisk(host, 0))->type, WIRE_CONNECT);
	assert_int_equal(back(host, "feature-flush-cache"), 0);
	assert_int_equal(back(host, "feature-max-indirect-segments"), -1);
}

/* It could not be kept from writing. */
static void an_older_tapdisk_is_not_given_a_read_only_disk(void **state)
{
	struct host *host = *state;

	stub_older(host_tapdisk(host, 0));
	host_create(host, DOM, DEV, "r");
	host_plug(host, DOM, DEV, 0);
	host_ring(host, DOM, DEV, 8);
	host_run(host);
	assert_int_equal(back(host, "state"), 5);
	assert_int_equal(host_error(host, DOM, DEV), EROFS);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
}

static void an_older_tapdisk_is_not_given_a_ring_it_has_no_words_for(
	void **state)
{
	struct host *host = *state;
	char name[16], value[16];

	stub_older(host_tapdisk(host, 0));
	host_create(host, DOM, DEV, "w");
	host_plug(host, DOM, DEV, 0);
	host_set_front(host, DOM, DEV, "ring-page-order", "4");
	for (unsigned i = 0; i < 16; i++) {
		(void)snprintf(name, sizeof(name), "ring-ref%u", i);
		(void)snprintf(value, sizeof(value), "%u", 100 + i);
		host_set_front(host, DOM, DEV, name, value);
	}
	host_set_front(host, DOM, DEV, "event-channel", "20");
	host_front(host, DOM, DEV, 3);
	host_run(host);
	assert_int_equal(back(host, "state"), 5);
	assert_int_equal(host_error(host, DOM, DEV), EOPNOTSUPP);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
}

static void removal_waits_for_the_guest(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	host_unplug(host, DOM, DEV);
	host_run(host);
	assert_int_equal(back(host, "state"), 5);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
	assert_int_equal(back(host, "minor"), -1);
	assert_int_not_equal(back(host, "frontend"), -1);
}

static void closed_waits_for_what_is_in_flight(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	stub_in_flight(host_tapdisk(host, 0), true);
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_pass(host, 3 * HOST_TIMEOUT);
	assert_int_equal(back(host, "state"), 5);
	stub_in_flight(host_tapdisk(host, 0), false);
	host_pass(host, HOST_TIMEOUT);
	assert_int_equal(back(host, "state"), 6);
}

static void a_frontend_that_vanished_is_closed(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	assert_int_equal(xen_fake_remove(host->fake, 0,
					 "/local/domain/5/device/vbd/51712"),
			 0);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
}

static void a_domain_that_died_is_closed(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	xen_fake_destroy(host->fake, DOM);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
}

static void nothing_is_written_where_the_directory_was(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	host_remove(host, DOM, DEV);
	host_run(host);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
	assert_int_equal(supervise_count(host->sv), 0);
	assert_int_equal(
		xen_fake_nodes(host->fake, "/local/domain/0/backend/vbd3/5"),
		0);
	assert_int_equal(xen_fake_nodes(host->fake, "/local/domain/0/error"),
			 0);
}

/* After each step of a disk's life the toolstack may lose patience. */
static void removal_at_any_step_leaves_nothing(void **state)
{
	struct host *host = *state;

	for (unsigned stop = 0; stop < 7; stop++) {
		host_create(host, DOM, DEV, "w");
		if (stop > 0)
			host_run(host);
		if (stop > 1)
			host_plug(host, DOM, DEV, 0);
		if (stop > 2)
			host_ring(host, DOM, DEV, 8);
		if (stop > 3)
			host_pass(host, 10);
		if (stop > 4)
			host_run(host);
		if (stop > 5)
			host_unplug(host, DOM, DEV);
		host_remove(host, DOM, DEV);
		host_pass(host, 3 * HOST_TIMEOUT);
		assert_int_equal(supervise_count(host->sv), 0);
		assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
		assert_int_equal(xen_fake_transactions(host->fake), 0);
		assert_int_equal(xen_fake_watches(host->fake), 4);
		assert_int_equal(
			xen_fake_nodes(host->fake,
				       "/local/domain/0/backend/vbd3/5"),
			0);
	}
}

static void a_kernel_started_by_the_guest_connects_again(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	host_front(host, DOM, DEV, 5);
	host_run(host);
	assert_int_equal(back(host, "state"), 5);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	host_front(host, DOM, DEV, 1);
	host_run(host);
	assert_int_equal(back(host, "state"), 2);
	host_ring(host, DOM, DEV, 99);
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(stub_last(host_tapdisk(host, 0))->u.ring.grefs[0], 99);
}

static void a_resumed_guest_has_its_new_ring_served(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	host_ring(host, DOM, DEV, 77);
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
	assert_int_equal(stub_last(host_tapdisk(host, 0))->u.ring.grefs[0], 77);
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_DISCONNECT), 1);
}

static void a_new_daemon_leaves_the_ring_alone(void **state)
{
	struct host *host = *state;
	unsigned before;

	host_connect(host, DOM, DEV, 0);
	before = xen_fake_count(host->fake, XEN_FAKE_WRITE);
	host_stop(host);
	host_start(host);
	host_run(host);
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_DISCONNECT), 0);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
	assert_int_equal(xen_fake_count(host->fake, XEN_FAKE_WRITE), before);
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
}

static void a_new_daemon_finds_what_changed_without_it(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	host_stop(host);
	host_ring(host, DOM, DEV, 55);
	host_start(host);
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
	assert_int_equal(stub_last(host_tapdisk(host, 0))->u.ring.grefs[0], 55);

	host_stop(host);
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_start(host);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
}

static void a_daemon_killed_at_any_step_is_replaced(void **state)
{
	struct host *host = *state;

	for (unsigned ms = 10; ms < 150; ms += 10) {
		host_create(host, DOM, DEV, "w");
		host_plug(host, DOM, DEV, 0);
		host_ring(host, DOM, DEV, 8);
		for (unsigned i = 0; i < ms / 10; i++)
			(void)loop_turn(host->loop);
		host_stop(host);
		host_start(host);
		host_run(host);
		assert_int_equal(back(host, "state"), 4);
		assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
		host_remove(host, DOM, DEV);
		host_pass(host, 1000);
		assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
	}
}

static void a_new_size_is_told_to_a_running_guest(void **state)
{
	struct host *host = *state;

	stub_disk(host_tapdisk(host, 0), 4096, 0, 0);
	host_connect(host, DOM, DEV, 0);
	stub_disk(host_tapdisk(host, 0), 8192, 0, 0);
	host_set_back(host, DOM, DEV, "resize", "1");
	host_run(host);
	assert_int_equal(back(host, "sectors"), 8192);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(back(host, "resize"), -1);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
}

static void a_script_run_twice_changes_nothing(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	host_plug(host, DOM, DEV, 0);
	host_run(host);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_CONNECT_QUEUE),
			 1);
}

#define on_host(test)                                                          \
	cmocka_unit_test_setup_teardown(test, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_host(state_2_waits_for_nothing),
		on_host(a_disk_comes_to_4_with_all_the_guest_needs),
		on_host(the_ring_is_passed_on_as_the_guest_gave_it),
		on_host(any_order_of_keys_connects),
		on_host(queues_and_pages_are_connected_one_by_one),
		on_host(the_guest_can_read_and_not_write_what_we_made),
		on_host(mode_r_reaches_guest_and_tapdisk),
		on_host(a_read_only_image_is_announced_so),
		on_host(persistent_grants_take_both_sides),
		on_host(discard_is_offered_only_where_it_may),
		on_host(an_older_tapdisk_gets_the_older_message),
		on_host(an_older_tapdisk_is_not_given_a_read_only_disk),
		on_host(an_older_tapdisk_is_not_given_a_ring_it_has_no_words_for),
		on_host(removal_waits_for_the_guest),
		on_host(closed_waits_for_what_is_in_flight),
		on_host(a_frontend_that_vanished_is_closed),
		on_host(a_domain_that_died_is_closed),
		on_host(nothing_is_written_where_the_directory_was),
		on_host(removal_at_any_step_leaves_nothing),
		on_host(a_kernel_started_by_the_guest_connects_again),
		on_host(a_resumed_guest_has_its_new_ring_served),
		on_host(a_new_daemon_leaves_the_ring_alone),
		on_host(a_new_daemon_finds_what_changed_without_it),
		on_host(a_daemon_killed_at_any_step_is_replaced),
		on_host(a_new_size_is_told_to_a_running_guest),
		on_host(a_script_run_twice_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
