/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenbus_test.c - what XenStore says about a disk, and what follows from it.
 *
 * The table is that of the protocol: one row for each condition that a
 * backend has to act on, or has to leave alone.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "tests/lib/test.h"
#include "xenio/xenbus.h"

#define GONE    (-1)
#define OFFLINE 1u /* online is 0 */
#define UNREADY 2u /* the hotplug script has not ended */
#define UNSEEN  4u /* F has never been there */
#define FAILED  8u
#define CHANGED 16u /* F's ring is another one */
#define DOMU    32u /* we are in a driver domain */
#define RESIZE  64u
#define NO_DISK 128u /* no pid and minor */

#define NONE   XENBUS_LINK_NONE
#define UNSURE XENBUS_LINK_UNSURE
#define BUSY   XENBUS_LINK_BUSY
#define UP     XENBUS_LINK_UP

struct row {
	const char *what;
	int back; /* state, or GONE */
	int front;
	enum xenbus_link link;
	unsigned flags;
	enum xenbus_action action;
};

static const struct row table[] = {
	/* B appears. */
	{ "new", 1, 1, NONE, UNREADY, XENBUS_ADVERTISE },
	{ "new, F not yet", 1, GONE, NONE, UNREADY | UNSEEN, XENBUS_ADVERTISE },
	{ "new, F early", 1, 3, NONE, 0, XENBUS_ADVERTISE },
	{ "half written", 0, 1, NONE, 0, XENBUS_NOTHING },
	{ "waiting", 2, 1, NONE, 0, XENBUS_NOTHING },
	{ "waiting, no F", 2, GONE, NONE, UNSEEN, XENBUS_NOTHING },
	{ "made anew", 1, 1, UP, 0, XENBUS_DROP },

	/* Both have to be ready, in any order. */
	{ "F first", 2, 3, NONE, UNREADY, XENBUS_NOTHING },
	{ "no tapdisk yet", 2, 3, NONE, NO_DISK, XENBUS_NOTHING },
	{ "both", 2, 3, NONE, 0, XENBUS_CONNECT },
	{ "F in one step", 2, 4, NONE, 0, XENBUS_CONNECT },
	{ "under way", 2, 3, BUSY, 0, XENBUS_NOTHING },
	{ "served", 2, 3, UP, 0, XENBUS_ANNOUNCE },
	{ "served, F at 4", 2, 4, UP, 0, XENBUS_ANNOUNCE },
	{ "done", 4, 3, UP, 0, XENBUS_NOTHING },
	{ "done, F too", 4, 4, UP, 0, XENBUS_NOTHING },
	{ "another ring", 4, 3, UP, CHANGED, XENBUS_DROP },
	{ "scribbled on", 4, 4, UP, CHANGED, XENBUS_NOTHING },
	{ "another size", 4, 4, UP, RESIZE, XENBUS_RESIZE },

	/* A daemon that starts where another ended. */
	{ "found at 4", 4, 4, UNSURE, 0, XENBUS_CONNECT },
	{ "found at 2", 2, 3, UNSURE, 0, XENBUS_CONNECT },
	{ "found at 2, F at 1", 2, 1, UNSURE, 0, XENBUS_DROP },
	{ "found closing", 5, 6, UNSURE, 0, XENBUS_DROP },
	{ "found closing, F open", 5, 4, UNSURE, 0, XENBUS_NOTHING },
	{ "found removed", GONE, GONE, UNSURE, 0, XENBUS_DROP },

	/* F ends. */
	{ "F closes", 4, 5, UP, 0, XENBUS_CLOSE },
	{ "F closes early", 2, 5, NONE, 0, XENBUS_CLOSE },
	{ "F still closes", 5, 5, UP, 0, XENBUS_NOTHING },
	{ "F closed", 5, 6, UP, 0, XENBUS_DROP },
	{ "F closed at once", 4, 6, UP, 0, XENBUS_DROP },
	{ "drained", 5, 6, NONE, 0, XENBUS_END },
	{ "not drained", 5, 6, BUSY, 0, XENBUS_NOTHING },
	{ "ended", 6, 6, NONE, 0, XENBUS_NOTHING },
	{ "F vanished", 4, GONE, UP, 0, XENBUS_DROP },
	{ "F vanished, drained", 4, GONE, NONE, 0, XENBUS_END },
	{ "F vanished at 2", 2, GONE, NONE, 0, XENBUS_END },

	/* And begins again. */
	{ "F again", 6, 1, NONE, 0, XENBUS_ADVERTISE },
	{ "F again at once", 4, 1, UP, 0, XENBUS_DROP },
	{ "F again, drained", 4, 1, NONE, 0, XENBUS_END },
	{ "F again at 5", 5, 1, NONE, 0, XENBUS_END },
	{ "F far again", 6, 3, NONE, 0, XENBUS_ADVERTISE },
	{ "F again, offline", 6, 1, NONE, OFFLINE, XENBUS_NOTHING },

	/* The toolstack wants it gone. */
	{ "removal", 5, 4, UP, OFFLINE, XENBUS_NOTHING },
	{ "removal, F at 3", 5, 3, UP, OFFLINE, XENBUS_NOTHING },
	{ "removal, F at 2", 5, 2, NONE, OFFLINE, XENBUS_NOTHING },
	{ "removal by online", 4, 4, UP, OFFLINE, XENBUS_CLOSE },
	{ "removal, F closed", 5, 6, UP, OFFLINE, XENBUS_DROP },
	{ "removal, F idle", 5, 1, NONE, OFFLINE, XENBUS_END },
	{ "removal, F gone", 5, GONE, UP, OFFLINE, XENBUS_DROP },
	{ "removal, F gone, drained", 5, GONE, NONE, OFFLINE, XENBUS_END },
	{ "removal, F no state", 5, 0, NONE, OFFLINE, XENBUS_END },
	{ "removal, unsure", 5, 1, UNSURE, OFFLINE, XENBUS_DROP },
	{ "6 by the toolstack", 6, 4, UP, OFFLINE, XENBUS_DROP },
	{ "6, online", 6, 4, UP, 0, XENBUS_DROP },
	{ "removed, dom0", 6, 6, NONE, OFFLINE, XENBUS_NOTHING },
	{ "removed, driver domain", 6, 6, NONE, OFFLINE | DOMU, XENBUS_DELETE },
	{ "closed, driver domain", 6, 6, NONE, DOMU, XENBUS_NOTHING },
	{ "B gone", GONE, 4, UP, 0, XENBUS_DROP },
	{ "B gone, drained", GONE, GONE, NONE, 0, XENBUS_FORGET },
	{ "B gone, busy", GONE, GONE, BUSY, 0, XENBUS_NOTHING },

	/* It failed: say so, once, and wait for F to begin again. */
	{ "failed", 2, 3, NONE, FAILED, XENBUS_CLOSE },
	{ "failed at 4", 4, 4, NONE, FAILED, XENBUS_CLOSE },
	{ "failed, said", 5, 3, NONE, FAILED, XENBUS_NOTHING },
	{ "failed, F closed", 5, 6, NONE, FAILED, XENBUS_END },

	/* Nothing that anybody does. */
	{ "F reconfigures", 4, 7, UP, 0, XENBUS_NOTHING },
	{ "F at 8", 2, 8, NONE, 0, XENBUS_NOTHING },
	{ "F at 2", 2, 2, NONE, 0, XENBUS_NOTHING },
	{ "F at 0", 4, 0, UP, 0, XENBUS_NOTHING },
	{ "B reconfigures", 7, 4, UP, 0, XENBUS_NOTHING },
};

static enum xenbus_action act(const struct row *row)
{
	const struct xenbus_self self = {
		.link = row->link,
		.front_seen = !(row->flags & UNSEEN),
		.failed = row->flags & FAILED,
		.ring_changed = row->flags & CHANGED,
		.deletes = row->flags & DOMU,
	};
	char back[8], front[8];
	struct xenbus_nodes nodes = { { NULL } };
	struct xenbus_view view;

	(void)snprintf(back, sizeof(back), "%d", row->back);
	(void)snprintf(front, sizeof(front), "%d", row->front);
	if (row->back != GONE) {
		nodes.value[XENBUS_B_FRONTEND] = "/local/domain/5/device/vbd/1";
		nodes.value[XENBUS_B_STATE] = back;
	}
	if (row->front != GONE)
		nodes.value[XENBUS_F_STATE] = front;
	nodes.value[XENBUS_B_ONLINE] = row->flags & OFFLINE ? "0" : "1";
	if (!(row->flags & UNREADY))
		nodes.value[XENBUS_B_HOTPLUG_STATUS] = "connected";
	if (!(row->flags & NO_DISK))
		nodes.value[XENBUS_B_DEVICE_PATH] =
			"/run/blktap-control/nbd77.3";
	if (row->flags & RESIZE)
		nodes.value[XENBUS_B_RESIZE] = "1";
	xenbus_look(&view, &nodes);
	return xenbus_next(&view, &self);
}

static void each_state_of_the_two_has_its_action(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		enum xenbus_action got = act(&table[i]);

		if (got == table[i].action)
			continue;
		print_error("%s: %d, not %d\n", table[i].what, (int)got,
			    (int)table[i].action);
		bad++;
	}
	assert_int_equal(bad, 0);
}

/* What each action does to B and the link, the guest standing still. */
static bool settle(struct row *row)
{
	switch (act(row)) {
	case XENBUS_NOTHING:
	case XENBUS_FORGET:
		return true;
	case XENBUS_ADVERTISE:
		row->back = 2;
		row->flags &= ~FAILED;
		break;
	case XENBUS_CONNECT:
		row->link = UP;
		break;
	case XENBUS_ANNOUNCE:
		row->back = 4;
		break;
	case XENBUS_RESIZE:
		row->flags &= ~RESIZE;
		break;
	case XENBUS_CLOSE:
		row->back = 5;
		break;
	case XENBUS_DROP:
		row->link = NONE;
		row->flags &= ~CHANGED;
		break;
	case XENBUS_END:
		row->back = 6;
		break;
	case XENBUS_DELETE:
		row->back = GONE;
		break;
	}
	return false;
}

static void every_state_comes_to_rest_in_a_few_steps(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10 * 10 * 3 * 256; i++) {
		const enum xenbus_link links[] = { NONE, UNSURE, UP };
		struct row row = {
			.back = (int)(i % 10) - 1,
			.front = (int)(i / 10 % 10) - 1,
			.link = links[i / 100 % 3],
			.flags = i / 300,
		};
		int steps = 0;

		while (!settle(&row) && steps < 8)
			steps++;
		assert_true(steps < 8);
	}
}

/* B at 6 says that no write of ours can come any more. */
static void closed_is_never_said_with_a_ring(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 10 * 10 * 3 * 256; i++) {
		const enum xenbus_link links[] = { UNSURE, BUSY, UP };
		const struct row row = {
			.back = (int)(i % 10) - 1,
			.front = (int)(i / 10 % 10) - 1,
			.link = links[i / 100 % 3],
			.flags = i / 300,
		};
		enum xenbus_action action = act(&row);

		assert_int_not_equal(action, XENBUS_END);
		assert_int_not_equal(action, XENBUS_DELETE);
		assert_int_not_equal(action, XENBUS_FORGET);
		assert_int_not_equal(action, XENBUS_ADVERTISE);
	}
}

static void look(struct xenbus_view *view, enum xenbus_key key,
		 const char *value)
{
	struct xenbus_nodes nodes = { { NULL } };

	nodes.value[key] = value;
	xenbus_look(view, &nodes);
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
		xenbus_look(&view, &nodes);
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
	xenbus_look(&view, &nodes);
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
	xenbus_look(&view, &nodes);
	assert_false(view.tapdisk);
	nodes.value[XENBUS_B_MINOR] = "0";
	xenbus_look(&view, &nodes);
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
		cmocka_unit_test(each_state_of_the_two_has_its_action),
		cmocka_unit_test(every_state_comes_to_rest_in_a_few_steps),
		cmocka_unit_test(closed_is_never_said_with_a_ring),
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
