/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device_test.c - one disk between toolstack, guest and tapdisk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/loop.h"
#include "tests/lib/test.h"
#include "tests/lib/xenio-rig.h"
#include "xenio/supervise.h"

#define DOM 5u
#define DEV RIG_DEV

static long back(struct rig *rig, const char *name)
{
	return rig_back(rig, DOM, DEV, name);
}

static void state_2_waits_for_nothing(void **state)
{
	struct rig *rig = *state;

	rig_create(rig, DOM, DEV, "w");
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 2);
	assert_int_equal(back(rig, "max-ring-page-order"), 4);
	assert_int_equal(back(rig, "max-ring-pages"), 16);
	assert_int_equal(back(rig, "multi-queue-max-queues"), 4);
	assert_int_equal(back(rig, "feature-max-indirect-segments"), 256);
	assert_int_equal(back(rig, "feature-flush-cache"), 1);
	assert_int_equal(back(rig, "feature-barrier"), 1);
	assert_int_equal(back(rig, "sectors"), -1);
}

static void a_disk_comes_to_4_with_all_the_guest_needs(void **state)
{
	struct rig *rig = *state;

	stub_disk(rig_tapdisk(rig, 0), 4096, 0, 2097152);
	rig_connect(rig, DOM, DEV, 0);
	assert_int_equal(back(rig, "sectors"), 4096);
	assert_int_equal(back(rig, "sector-size"), 512);
	assert_int_equal(back(rig, "physical-sector-size"), 4096);
	assert_int_equal(back(rig, "info"), 0);
	assert_int_equal(back(rig, "feature-discard"), 1);
	assert_int_equal(back(rig, "discard-granularity"), 2097152);
	assert_int_equal(back(rig, "discard-alignment"), 0);
	assert_int_equal(back(rig, "kthread-pid"),
			 stub_pid(rig_tapdisk(rig, 0)));
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 1);
	assert_int_equal(rig_error(rig, DOM, DEV), 0);
}

static void the_ring_is_passed_on_as_the_guest_gave_it(void **state)
{
	struct rig *rig = *state;
	const struct wire_msg *msg;

	rig_connect(rig, DOM, DEV, 0);
	msg = stub_last(rig_tapdisk(rig, 0));
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
static void do_step(struct rig *rig, unsigned step)
{
	char path[128];
	int pid = (int)stub_pid(rig_tapdisk(rig, 0));

	switch (step) {
	case 0:
		(void)snprintf(path, sizeof(path), "%s/nbd%d.0", rig->dir, pid);
		rig_set_back(rig, DOM, DEV, "physical-device-path", path);
		break;
	case 1:
		rig_set_back(rig, DOM, DEV, "hotplug-status", "connected");
		break;
	case 2:
		rig_ring(rig, DOM, DEV, 8);
		break;
	default:
		rig_set_back(rig, DOM, DEV, "polling-duration", "0");
		break;
	}
}

static void connect_in_order(struct rig *rig, const unsigned step[4],
			     unsigned pause_ms)
{
	unsigned done = 0;

	rig_create(rig, DOM, DEV, "w");
	for (unsigned i = 0; i < 4; i++) {
		rig_pass(rig, pause_ms);
		assert_true((done & 7) == 7 || back(rig, "state") != 4);
		do_step(rig, step[i]);
		done |= 1u << step[i];
	}
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 4);
	rig_remove(rig, DOM, DEV);
	rig_pass(rig, 1000);
	assert_int_equal(supervise_count(rig->sv), 0);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
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
	struct rig *rig = *state;
	const struct wire_msg *msg;
	char name[32], value[16];

	rig_create(rig, DOM, DEV, "w");
	rig_plug(rig, DOM, DEV, 0);
	rig_set_front(rig, DOM, DEV, "ring-page-order", "2");
	rig_set_front(rig, DOM, DEV, "multi-queue-num-queues", "3");
	for (unsigned i = 0; i < 12; i++) {
		(void)snprintf(name, sizeof(name), "queue-%u/ring-ref%u", i / 4,
			       i % 4);
		(void)snprintf(value, sizeof(value), "%u", 100 + i);
		rig_set_front(rig, DOM, DEV, name, value);
		(void)snprintf(name, sizeof(name), "queue-%u/event-channel",
			       i / 4);
		(void)snprintf(value, sizeof(value), "%u", 20 + i / 4);
		rig_set_front(rig, DOM, DEV, name, value);
	}
	rig_front(rig, DOM, DEV, 3);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 4);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 3);
	msg = stub_last(rig_tapdisk(rig, 0));
	assert_int_equal(msg->u.ring.queue, 2);
	assert_int_equal(msg->u.ring.nr_queues, 3);
	assert_int_equal(msg->u.ring.order, 2);
	assert_int_equal(msg->u.ring.grefs[3], 111);
	assert_int_equal(msg->u.ring.port, 22);
}

static void the_guest_can_read_and_not_write_what_we_made(void **state)
{
	struct rig *rig = *state;
	const char *path = "/local/domain/0/backend/vbd3/5/51712/sectors";
	char *text;

	rig_connect(rig, DOM, DEV, 0);
	text = xen_fake_read(rig->fake, DOM, path);
	assert_non_null(text);
	free(text);
	assert_int_equal(xen_fake_write(rig->fake, DOM, path, "9"), -EACCES);
	assert_null(xen_fake_read(rig->fake, 6, path));
}

static void mode_r_reaches_guest_and_tapdisk(void **state)
{
	struct rig *rig = *state;

	stub_disk(rig_tapdisk(rig, 0), 4096, 0, 4096);
	rig_create(rig, DOM, DEV, "r");
	rig_plug(rig, DOM, DEV, 0);
	rig_ring(rig, DOM, DEV, 8);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 4);
	assert_int_equal(back(rig, "info"), 4);
	assert_int_equal(back(rig, "feature-discard"), -1);
	assert_int_equal(stub_last(rig_tapdisk(rig, 0))->u.ring.flags,
			 WIRE_RING_RDONLY);
}

static void a_read_only_image_is_announced_so(void **state)
{
	struct rig *rig = *state;

	stub_disk(rig_tapdisk(rig, 0), 4096, 4, 4096);
	rig_connect(rig, DOM, DEV, 0);
	assert_int_equal(back(rig, "info"), 4);
	assert_int_equal(back(rig, "feature-discard"), -1);
}

static void discard_is_offered_only_where_it_may(void **state)
{
	struct rig *rig = *state;

	stub_disk(rig_tapdisk(rig, 0), 4096, 0, 4096);
	rig_create(rig, DOM, DEV, "w");
	rig_set_back(rig, DOM, DEV, "discard-enable", "0");
	rig_plug(rig, DOM, DEV, 0);
	rig_ring(rig, DOM, DEV, 8);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 4);
	assert_int_equal(back(rig, "feature-discard"), -1);
}

static void an_older_tapdisk_gets_the_older_message(void **state)
{
	struct rig *rig = *state;

	stub_older(rig_tapdisk(rig, 0));
	rig_connect(rig, DOM, DEV, 0);
	assert_int_equal(stub_last(rig_tapdisk(rig, 0))->type, WIRE_CONNECT);
	assert_int_equal(back(rig, "feature-flush-cache"), 0);
	assert_int_equal(back(rig, "feature-max-indirect-segments"), -1);
}

/* It could not be kept from writing. */
static void an_older_tapdisk_is_not_given_a_read_only_disk(void **state)
{
	struct rig *rig = *state;

	stub_older(rig_tapdisk(rig, 0));
	rig_create(rig, DOM, DEV, "r");
	rig_plug(rig, DOM, DEV, 0);
	rig_ring(rig, DOM, DEV, 8);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 5);
	assert_int_equal(rig_error(rig, DOM, DEV), EROFS);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
}

static void removal_waits_for_the_guest(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	rig_unplug(rig, DOM, DEV);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 5);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 1);
	rig_front(rig, DOM, DEV, 6);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 6);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
	assert_int_equal(back(rig, "minor"), -1);
	assert_int_not_equal(back(rig, "frontend"), -1);
}

static void closed_waits_for_what_is_in_flight(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	stub_in_flight(rig_tapdisk(rig, 0), true);
	rig_unplug(rig, DOM, DEV);
	rig_front(rig, DOM, DEV, 6);
	rig_pass(rig, 3 * RIG_TIMEOUT);
	assert_int_equal(back(rig, "state"), 5);
	stub_in_flight(rig_tapdisk(rig, 0), false);
	rig_pass(rig, RIG_TIMEOUT);
	assert_int_equal(back(rig, "state"), 6);
}

static void a_frontend_that_vanished_is_closed(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	assert_int_equal(xen_fake_remove(rig->fake, 0,
					 "/local/domain/5/device/vbd/51712"),
			 0);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 6);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
}

static void a_domain_that_died_is_closed(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	xen_fake_destroy(rig->fake, DOM);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 6);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
}

static void nothing_is_written_where_the_directory_was(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	rig_remove(rig, DOM, DEV);
	rig_run(rig);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
	assert_int_equal(supervise_count(rig->sv), 0);
	assert_int_equal(
		xen_fake_nodes(rig->fake, "/local/domain/0/backend/vbd3/5"), 0);
	assert_int_equal(xen_fake_nodes(rig->fake, "/local/domain/0/error"), 0);
}

/* After each step of a disk's life the toolstack may lose patience. */
static void removal_at_any_step_leaves_nothing(void **state)
{
	struct rig *rig = *state;

	for (unsigned stop = 0; stop < 7; stop++) {
		rig_create(rig, DOM, DEV, "w");
		if (stop > 0)
			rig_run(rig);
		if (stop > 1)
			rig_plug(rig, DOM, DEV, 0);
		if (stop > 2)
			rig_ring(rig, DOM, DEV, 8);
		if (stop > 3)
			rig_pass(rig, 10);
		if (stop > 4)
			rig_run(rig);
		if (stop > 5)
			rig_unplug(rig, DOM, DEV);
		rig_remove(rig, DOM, DEV);
		rig_pass(rig, 3 * RIG_TIMEOUT);
		assert_int_equal(supervise_count(rig->sv), 0);
		assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
		assert_int_equal(xen_fake_transactions(rig->fake), 0);
		assert_int_equal(xen_fake_watches(rig->fake), 3);
		assert_int_equal(
			xen_fake_nodes(rig->fake,
				       "/local/domain/0/backend/vbd3/5"),
			0);
	}
}

static void a_kernel_started_by_the_guest_connects_again(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	rig_front(rig, DOM, DEV, 5);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 5);
	rig_front(rig, DOM, DEV, 6);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 6);
	rig_front(rig, DOM, DEV, 1);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 2);
	rig_ring(rig, DOM, DEV, 99);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 4);
	assert_int_equal(stub_last(rig_tapdisk(rig, 0))->u.ring.grefs[0], 99);
}

static void a_resumed_guest_has_its_new_ring_served(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	rig_ring(rig, DOM, DEV, 77);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 4);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 1);
	assert_int_equal(stub_last(rig_tapdisk(rig, 0))->u.ring.grefs[0], 77);
	assert_int_equal(stub_count(rig_tapdisk(rig, 0), WIRE_DISCONNECT), 1);
}

static void a_new_daemon_leaves_the_ring_alone(void **state)
{
	struct rig *rig = *state;
	unsigned before;

	rig_connect(rig, DOM, DEV, 0);
	before = xen_fake_count(rig->fake, XEN_FAKE_WRITE);
	rig_stop(rig);
	rig_start(rig);
	rig_run(rig);
	assert_int_equal(stub_count(rig_tapdisk(rig, 0), WIRE_DISCONNECT), 0);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 1);
	assert_int_equal(xen_fake_count(rig->fake, XEN_FAKE_WRITE), before);
	rig_unplug(rig, DOM, DEV);
	rig_front(rig, DOM, DEV, 6);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 6);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
}

static void a_new_daemon_finds_what_changed_without_it(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	rig_stop(rig);
	rig_ring(rig, DOM, DEV, 55);
	rig_start(rig);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 4);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 1);
	assert_int_equal(stub_last(rig_tapdisk(rig, 0))->u.ring.grefs[0], 55);

	rig_stop(rig);
	rig_unplug(rig, DOM, DEV);
	rig_front(rig, DOM, DEV, 6);
	rig_start(rig);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 6);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
}

static void a_daemon_killed_at_any_step_is_replaced(void **state)
{
	struct rig *rig = *state;

	for (unsigned ms = 10; ms < 150; ms += 10) {
		rig_create(rig, DOM, DEV, "w");
		rig_plug(rig, DOM, DEV, 0);
		rig_ring(rig, DOM, DEV, 8);
		for (unsigned i = 0; i < ms / 10; i++)
			(void)loop_turn(rig->loop);
		rig_stop(rig);
		rig_start(rig);
		rig_run(rig);
		assert_int_equal(back(rig, "state"), 4);
		assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 1);
		rig_remove(rig, DOM, DEV);
		rig_pass(rig, 1000);
		assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
	}
}

static void a_new_size_is_told_to_a_running_guest(void **state)
{
	struct rig *rig = *state;

	stub_disk(rig_tapdisk(rig, 0), 4096, 0, 0);
	rig_connect(rig, DOM, DEV, 0);
	stub_disk(rig_tapdisk(rig, 0), 8192, 0, 0);
	rig_set_back(rig, DOM, DEV, "resize", "1");
	rig_run(rig);
	assert_int_equal(back(rig, "sectors"), 8192);
	assert_int_equal(back(rig, "state"), 4);
	assert_int_equal(back(rig, "resize"), -1);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 1);
}

static void a_script_run_twice_changes_nothing(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	rig_plug(rig, DOM, DEV, 0);
	rig_run(rig);
	assert_int_equal(back(rig, "state"), 4);
	assert_int_equal(stub_count(rig_tapdisk(rig, 0), WIRE_CONNECT_QUEUE),
			 1);
}

#define on_rig(test)                                                           \
	cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_rig(state_2_waits_for_nothing),
		on_rig(a_disk_comes_to_4_with_all_the_guest_needs),
		on_rig(the_ring_is_passed_on_as_the_guest_gave_it),
		on_rig(any_order_of_keys_connects),
		on_rig(queues_and_pages_are_connected_one_by_one),
		on_rig(the_guest_can_read_and_not_write_what_we_made),
		on_rig(mode_r_reaches_guest_and_tapdisk),
		on_rig(a_read_only_image_is_announced_so),
		on_rig(discard_is_offered_only_where_it_may),
		on_rig(an_older_tapdisk_gets_the_older_message),
		on_rig(an_older_tapdisk_is_not_given_a_read_only_disk),
		on_rig(removal_waits_for_the_guest),
		on_rig(closed_waits_for_what_is_in_flight),
		on_rig(a_frontend_that_vanished_is_closed),
		on_rig(a_domain_that_died_is_closed),
		on_rig(nothing_is_written_where_the_directory_was),
		on_rig(removal_at_any_step_leaves_nothing),
		on_rig(a_kernel_started_by_the_guest_connects_again),
		on_rig(a_resumed_guest_has_its_new_ring_served),
		on_rig(a_new_daemon_leaves_the_ring_alone),
		on_rig(a_new_daemon_finds_what_changed_without_it),
		on_rig(a_daemon_killed_at_any_step_is_replaced),
		on_rig(a_new_size_is_told_to_a_running_guest),
		on_rig(a_script_run_twice_changes_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
