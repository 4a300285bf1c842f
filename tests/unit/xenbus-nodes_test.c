/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbus-nodes_test.c - what the nodes of a disk say, and what is no answer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "tests/lib/test.h"
#include "xenio/xenbus.h"

static void look(struct xenbus_view *view, enum xenbus_key key,
		 const char *value)
{
	struct xenbus_nodes nodes = { { NULL } };

	nodes.value[key] = value;
	xenbus_look(view, &nodes, false);
}

static void a_disk_is_writable_only_if_mode_says_so(void **state)
{
	const struct {
		const char *mode, *type;
		bool readonly;
	} rows[] = {
		{ "w", "disk", false }, { "r", "disk", true },
		{ NULL, "disk", true }, { "", "disk", true },
		{ "w!", NULL, false },  { "w", "cdrom", true },
		{ "R", "disk", true },
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct xenbus_nodes nodes = { { NULL } };
		struct xenbus_view view;

		nodes.value[XENBUS_B_MODE] = rows[i].mode;
		nodes.value[XENBUS_B_DEVICE_TYPE] = rows[i].type;
		xenbus_look(&view, &nodes, false);
		assert_int_equal(view.readonly, rows[i].readonly);
	}
}

static void the_guest_cannot_turn_a_cdrom_into_a_disk(void **state)
{
	struct xenbus_nodes nodes = { { NULL } };
	struct xenbus_view view;

	(void)state;
	nodes.value[XENBUS_B_MODE] = "w";
	nodes.value[XENBUS_B_DEVICE_TYPE] = "cdrom";
	nodes.value[XENBUS_F_DEVICE_TYPE] = "disk";
	xenbus_look(&view, &nodes, false);
	assert_true(view.cdrom && view.readonly);
}

static void a_state_that_is_none_is_unknown(void **state)
{
	static const char *const bad[] = { "0x3", "-1",
					   "9",   "",
					   " 3",  "3 ",
					   "3\n", "99999999999999999999",
					   "+3",  "three" };
	struct xenbus_view view;

	(void)state;
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		look(&view, XENBUS_F_STATE, bad[i]);
		assert_int_equal(view.front, XENBUS_UNKNOWN);
		assert_false(view.front_gone);
	}
	look(&view, XENBUS_F_STATE, "3");
	assert_int_equal(view.front, XENBUS_INITIALISED);
}

static void the_path_names_the_tapdisk(void **state)
{
	static const char *const bad[] = { "/run/x/nbd1",
					   "/run/x/nbd1.",
					   "/run/x/nbd.1",
					   "nbd1.2",
					   "/run/x/nbd1.2.3",
					   "/run/x/nbd-1.2",
					   "/run/x/nbd0.2",
					   "/run/x/nbd1.65535",
					   "/run/x/nbd99999999999.1",
					   "/run/x/tapdisk-1",
					   "" };
	pid_t pid = 0;
	int minor = 0;

	(void)state;
	assert_int_equal(
		xenbus_tapdisk(&pid, &minor, "/run/blktap-control/nbd219.14"),
		0);
	assert_int_equal(pid, 219);
	assert_int_equal(minor, 14);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(xenbus_tapdisk(&pid, &minor, bad[i]), -EINVAL);
	assert_int_equal(pid, 219);
}

static void without_a_path_pid_and_minor_do(void **state)
{
	struct xenbus_nodes nodes = { { NULL } };
	struct xenbus_view view;

	(void)state;
	nodes.value[XENBUS_B_PID] = "40000";
	xenbus_look(&view, &nodes, false);
	assert_false(view.tapdisk);
	nodes.value[XENBUS_B_MINOR] = "0";
	xenbus_look(&view, &nodes, false);
	assert_true(view.tapdisk);
	assert_int_equal(view.pid, 40000);
	assert_int_equal(view.minor, 0);
}

static const struct xenbus_limits limits = { 4, 4 };

static int shape(struct xenbus_ring *ring, enum xenbus_key key,
		 const char *value)
{
	struct xenbus_nodes nodes = { { NULL } };

	nodes.value[key] = value;
	return xenbus_ring_shape(ring, &nodes, &limits, NULL);
}

static void a_ring_is_one_page_of_32_bits_unless_said(void **state)
{
	struct xenbus_ring ring;

	(void)state;
	assert_int_equal(shape(&ring, XENBUS_F_ORDER, NULL), 0);
	assert_int_equal(ring.order, 0);
	assert_int_equal(ring.queues, 1);
	assert_int_equal(ring.proto, RING_X86_32);
	assert_int_equal(shape(&ring, XENBUS_F_PROTOCOL, "x86_64-abi"), 0);
	assert_int_equal(ring.proto, RING_X86_64);
	assert_int_equal(shape(&ring, XENBUS_F_PROTOCOL, "sparc-abi"),
			 -EPROTONOSUPPORT);
}

static void nothing_beyond_what_was_offered_is_taken(void **state)
{
	static const struct {
		enum xenbus_key key;
		const char *good, *bad[8];
	} rows[] = {
		{ XENBUS_F_ORDER,
		  "4",
		  { "5", "-1", "0x1", "", "1 ", "18446744073709551617" } },
		{ XENBUS_F_PAGES, "16", { "32", "3", "0", "", "1.0" } },
		{ XENBUS_F_QUEUES, "4", { "5", "0", "-1", "", "0x2", "4\n" } },
	};
	struct xenbus_ring ring, before;

	(void)state;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(shape(&ring, rows[i].key, rows[i].good), 0);
		before = ring;
		for (unsigned j = 0; rows[i].bad[j]; j++)
			assert_int_equal(
				shape(&ring, rows[i].key, rows[i].bad[j]),
				-EINVAL);
		assert_memory_equal(&ring, &before, sizeof(ring));
	}
}

static void names_follow_the_shape(void **state)
{
	char name[XENBUS_NAME_MAX];
	struct xenbus_ring ring = { .queues = 1 };

	(void)state;
	assert_true(xenbus_ref_name(name, &ring, 0, 0, false));
	assert_string_equal(name, "ring-ref");
	assert_true(xenbus_ref_name(name, &ring, 0, 0, true));
	assert_string_equal(name, "ring-ref0");
	ring.numbered = true;
	assert_true(xenbus_ref_name(name, &ring, 0, 0, false));
	assert_string_equal(name, "ring-ref0");
	ring.order = 1;
	assert_false(xenbus_ref_name(name, &ring, 0, 0, true));
	ring.queues = 2;
	assert_true(xenbus_ref_name(name, &ring, 1, 1, false));
	assert_string_equal(name, "queue-1/ring-ref1");
	xenbus_port_name(name, &ring, 1);
	assert_string_equal(name, "queue-1/event-channel");
}

static void each_queue_needs_its_references_and_port(void **state)
{
	const char *refs[XENBUS_PAGES_MAX] = { "8", "4294967295" };
	struct xenbus_ring ring = { .queues = 1, .order = 1 };

	(void)state;
	assert_int_equal(xenbus_ring_queue(&ring, 0, refs, "17", NULL), 0);
	assert_int_equal(ring.queue[0].grefs[1], UINT32_MAX);
	assert_int_equal(ring.queue[0].port, 17);
	assert_int_equal(xenbus_ring_queue(&ring, 0, refs, "0", NULL), -EINVAL);
	assert_int_equal(xenbus_ring_queue(&ring, 0, refs, "131072", NULL),
			 -EINVAL);
	assert_int_equal(xenbus_ring_queue(&ring, 0, refs, NULL, NULL),
			 -EINVAL);
	refs[1] = "4294967296";
	assert_int_equal(xenbus_ring_queue(&ring, 0, refs, "17", NULL),
			 -EINVAL);
	refs[1] = NULL;
	assert_int_equal(xenbus_ring_queue(&ring, 0, refs, "17", NULL),
			 -EINVAL);
}

static void only_nodes_that_matter_wake_a_device(void **state)
{
	(void)state;
	assert_true(xenbus_cares("state"));
	assert_true(xenbus_cares("physical-device-path"));
	assert_true(xenbus_cares("hotplug-status"));
	assert_false(xenbus_cares("sectors"));
	assert_false(xenbus_cares("ring-page-order"));
	assert_false(xenbus_cares("state/x"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_is_writable_only_if_mode_says_so),
		cmocka_unit_test(the_guest_cannot_turn_a_cdrom_into_a_disk),
		cmocka_unit_test(a_state_that_is_none_is_unknown),
		cmocka_unit_test(the_path_names_the_tapdisk),
		cmocka_unit_test(without_a_path_pid_and_minor_do),
		cmocka_unit_test(a_ring_is_one_page_of_32_bits_unless_said),
		cmocka_unit_test(nothing_beyond_what_was_offered_is_taken),
		cmocka_unit_test(names_follow_the_shape),
		cmocka_unit_test(each_queue_needs_its_references_and_port),
		cmocka_unit_test(only_nodes_that_matter_wake_a_device),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
