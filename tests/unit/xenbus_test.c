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
#define DRIVEN  256u /* the kernel's driver is bound */
#define OPENS   512u /* we start the tapdisk */
#define OPENED  1024u
#define FLAGS   2048u
#define NO_MARK ""

#define SERVE    "serve"
#define TAKE     "takeover"
#define GIVE     "release"
#define READY    "ready"
#define BOUND    "bound"
#define ACTIVE   "active"
#define RELEASED "released"
#define FAILURE  "failed: x"
#define DO(what) XENBUS_##what

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

struct marked_row {
	struct row row;
	const char *want; /* the marker's value; NULL: none is needed */
	const char *said;
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

	/* Where nobody but us starts a tapdisk. */
	{ "to open", 2, 3, NONE, OPENS | NO_DISK, XENBUS_OPEN },
	{ "not yet", 2, 1, NONE, OPENS | NO_DISK, XENBUS_NOTHING },
	{ "no script", 2, 3, NONE, OPENS | NO_DISK | UNREADY, XENBUS_NOTHING },
	{ "opened", 2, 3, NONE, OPENS | OPENED, XENBUS_CONNECT },
	{ "to shut", 5, 6, NONE, OPENS | OPENED, XENBUS_SHUT },
	{ "shut", 5, 6, NONE, OPENS | NO_DISK, XENBUS_END },
	{ "served, gone", GONE, GONE, UP, OPENS | OPENED, XENBUS_DROP },
	{ "opened, gone", GONE, GONE, NONE, OPENS | OPENED, XENBUS_SHUT },

	/* Nothing that anybody does. */
	{ "F reconfigures", 4, 7, UP, 0, XENBUS_NOTHING },
	{ "F at 8", 2, 8, NONE, 0, XENBUS_NOTHING },
	{ "F at 2", 2, 2, NONE, 0, XENBUS_NOTHING },
	{ "F at 0", 4, 0, UP, 0, XENBUS_NOTHING },
	{ "B reconfigures", 7, 4, UP, 0, XENBUS_NOTHING },
};

static const struct marked_row marked[] = {
	/* What is the kernel's, and what is taken from it at 2. */
	{ { "not ours", 4, 4, NONE, 0, DO(FORGET) }, NO_MARK, NULL },
	{ { "no more ours", 4, 4, UP, 0, DO(DROP) }, NO_MARK, NULL },
	{ { "way b", 2, 1, NONE, UNREADY, DO(ADVERTISE) }, SERVE, NULL },
	{ { "b, first look", 2, 3, UNSURE, 0, DO(DROP) }, SERVE, NULL },
	{ { "b, fast F", 2, 3, NONE, 0, DO(ADVERTISE) }, SERVE, NULL },
	{ { "b, said", 2, 3, NONE, UNREADY, DO(NOTHING) }, SERVE, READY },
	{ { "b, plugged", 2, 3, NONE, 0, DO(CONNECT) }, SERVE, READY },
	{ { "b, served", 2, 4, UP, 0, DO(ANNOUNCE) }, SERVE, READY },
	{ { "b, at 4", 4, 4, UP, 0, DO(ACTIVE) }, SERVE, READY },
	{ { "b, done", 4, 4, UP, 0, DO(NOTHING) }, SERVE, ACTIVE },
	{ { "b, failed", 2, 3, NONE, FAILED, DO(CLOSE) }, SERVE, READY },
	{ { "b, driven", 2, 3, NONE, DRIVEN, DO(AWAIT) }, SERVE, NULL },
	{ { "b, F again", 6, 1, NONE, 0, DO(ADVERTISE) }, SERVE, ACTIVE },
	{ { "found active", 4, 4, UNSURE, 0, DO(CONNECT) }, SERVE, ACTIVE },
	{ { "unasked", 4, 4, UNSURE, 0, DO(NOTHING) }, SERVE, NULL },
	{ { "unknown", 4, 4, NONE, 0, DO(NOTHING) }, "x", NULL },

	/* Taken over, and given back. */
	{ { "takeover", 4, 4, NONE, 0, DO(CONNECT) }, TAKE, NULL },
	{ { "takeover, first look", 4, 4, UNSURE, 0, DO(CONNECT) },
	  TAKE,
	  NULL },
	{ { "takeover, driven", 4, 4, NONE, DRIVEN, DO(AWAIT) }, TAKE, NULL },
	{ { "takeover, no disk", 4, 4, NONE, NO_DISK, DO(REFUSE) },
	  TAKE,
	  NULL },
	{ { "takeover at 2", 2, 4, NONE, 0, DO(REFUSE) }, TAKE, NULL },
	{ { "takeover, F at 3", 4, 3, NONE, 0, DO(REFUSE) }, TAKE, NULL },
	{ { "took over", 4, 4, UP, 0, DO(BOUND) }, TAKE, NULL },
	{ { "bound", 4, 4, UP, 0, DO(NOTHING) }, TAKE, BOUND },
	{ { "found bound", 4, 4, UNSURE, 0, DO(CONNECT) }, TAKE, BOUND },
	{ { "bound, served", 4, 4, UP, 0, DO(ACTIVE) }, SERVE, BOUND },
	{ { "failed", 4, 4, NONE, 0, DO(NOTHING) }, TAKE, FAILURE },
	{ { "failed, found", 4, 4, UNSURE, 0, DO(DROP) }, TAKE, FAILURE },
	{ { "failed, serve", 4, 4, UNSURE, 0, DO(NOTHING) }, SERVE, FAILURE },
	{ { "bound, F closes", 4, 5, UP, 0, DO(CLOSE) }, TAKE, BOUND },
	{ { "bound, removed", 5, 6, UP, OFFLINE, DO(DROP) }, TAKE, BOUND },
	{ { "release", 4, 4, UP, 0, DO(DROP) }, GIVE, ACTIVE },
	{ { "release, found", 4, 4, UNSURE, 0, DO(DROP) }, GIVE, ACTIVE },
	{ { "release, drained", 4, 4, NONE, 0, DO(RELEASED) }, GIVE, ACTIVE },
	{ { "release, died", 4, 4, NONE, FAILED, DO(NOTHING) }, GIVE, ACTIVE },
	{ { "released", 4, 4, NONE, 0, DO(NOTHING) }, GIVE, RELEASED },
	{ { "released, driven", 2, 4, NONE, DRIVEN, DO(AWAIT) },
	  GIVE,
	  RELEASED },
	{ { "released, F closed", 4, 6, NONE, 0, DO(END) }, GIVE, RELEASED },
	{ { "released, removal", 5, 6, NONE, OFFLINE, DO(END) },
	  GIVE,
	  RELEASED },
};

static enum xenbus_action act(const struct marked_row *m)
{
	const struct row *row = &m->row;
	const struct xenbus_self self = {
		.link = row->link,
		.front_seen = !(row->flags & UNSEEN),
		.failed = row->flags & FAILED,
		.ring_changed = row->flags & CHANGED,
		.deletes = row->flags & DOMU,
		.driven = row->flags & DRIVEN,
		.opens = row->flags & OPENS,
		.opened = row->flags & OPENED,
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
	if (m->want && *m->want)
		nodes.value[XENBUS_B_OWNER] = m->want;
	nodes.value[XENBUS_B_STATUS] = m->said;
	nodes.value[XENBUS_B_PID] = row->flags & NO_DISK ? NULL : "77";
	nodes.value[XENBUS_B_MINOR] = "3";
	xenbus_look(&view, &nodes, m->want);
	return xenbus_next(&view, &self);
}

static unsigned wrong(const struct marked_row *m)
{
	enum xenbus_action got = act(m);

	if (got == m->row.action)
		return 0;
	print_error("%s: %d, not %d\n", m->row.what, (int)got,
		    (int)m->row.action);
	return 1;
}

static void each_state_of_the_two_has_its_action(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (unsigned i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct marked_row m = { table[i], NULL, NULL };

		bad += wrong(&m);
	}
	for (unsigned i = 0; i < sizeof(marked) / sizeof(marked[0]); i++)
		bad += wrong(&marked[i]);
	assert_int_equal(bad, 0);
}

/* What each action does to B and the link, the guest standing still. */
static bool settle(struct marked_row *m)
{
	struct row *row = &m->row;

	switch (act(m)) {
	case XENBUS_NOTHING:
	case XENBUS_FORGET:
		return true;
	case XENBUS_OPEN:
		row->flags = (row->flags & ~NO_DISK) | OPENED;
		break;
	case XENBUS_SHUT:
		row->flags = (row->flags & ~OPENED) | NO_DISK;
		break;
	case XENBUS_AWAIT:
		row->flags &= ~DRIVEN;
		break;
	case XENBUS_REFUSE:
		m->said = "failed: x";
		break;
	case XENBUS_BOUND:
		m->said = "bound";
		break;
	case XENBUS_ACTIVE:
		m->said = "active";
		break;
	case XENBUS_RELEASED:
		m->said = "released";
		break;
	case XENBUS_ADVERTISE:
		row->back = 2;
		m->said = "ready";
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

/* All that there are of a number of states, links, flags and words. */
#define ROWS (10 * 10 * 3 * FLAGS * 6 * 6)

static struct marked_row nth_row(unsigned i, const enum xenbus_link links[3])
{
	static const char *const wants[] = { NULL,       NO_MARK,   "serve",
					     "takeover", "release", "x" };
	static const char *const saids[] = {
		NULL, "ready", "bound", "active", "released", "failed: x"
	};
	struct marked_row m = {
		.row.back = (int)(i % 10) - 1,
		.row.front = (int)(i / 10 % 10) - 1,
		.row.link = links[i / 100 % 3],
		.row.flags = i / 300 % FLAGS,
		.want = wants[i / 300 / FLAGS % 6],
		.said = saids[i / 300 / FLAGS / 6],
	};

	return m;
}

static void every_state_comes_to_rest_in_a_few_steps(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS; i += 331) {
		const enum xenbus_link links[] = { NONE, UNSURE, UP };
		struct marked_row m = nth_row(i, links);
		int steps = 0;

		while (!settle(&m) && steps < 10)
			steps++;
		assert_true(steps < 10);
	}
}

/* B at 6 says that no write of ours can come any more. */
static void closed_is_never_said_with_a_ring(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS; i += 331) {
		const enum xenbus_link links[] = { UNSURE, BUSY, UP };
		const struct marked_row m = nth_row(i, links);
		enum xenbus_action action = act(&m);

		assert_int_not_equal(action, XENBUS_END);
		assert_int_not_equal(action, XENBUS_DELETE);
		assert_int_not_equal(action, XENBUS_FORGET);
		assert_int_not_equal(action, XENBUS_ADVERTISE);
		assert_int_not_equal(action, XENBUS_RELEASED);
	}
}

/* What changes B while the kernel's driver is there, or without a marker. */
static void nothing_is_done_to_what_is_the_kernels(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS; i += 331) {
		const enum xenbus_link links[] = { NONE, UNSURE, UP };
		const struct marked_row m = nth_row(i, links);
		bool ours = !m.want || *m.want;
		enum xenbus_action action;

		if (ours && !(m.row.flags & DRIVEN))
			continue;
		action = act(&m);
		assert_true(action == XENBUS_DROP || action == XENBUS_FORGET ||
			    action == XENBUS_SHUT ||
			    (ours && action == XENBUS_AWAIT));
	}
}

/* A guest that notices nothing must not be told to close. */
static void a_takeover_and_a_release_write_no_state(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ROWS; i += 331) {
		const enum xenbus_link links[] = { NONE, UNSURE, UP };
		const struct marked_row m = nth_row(i, links);
		enum xenbus_action action;

		if (!m.want ||
		    (strcmp(m.want, "takeover") != 0 &&
		     strcmp(m.want, "release") != 0) ||
		    m.row.back != 4 || m.row.front < 1 || m.row.front > 4 ||
		    m.row.flags & OFFLINE)
			continue;
		action = act(&m);
		assert_true(action < XENBUS_ADVERTISE ||
			    action == XENBUS_CONNECT || action == XENBUS_DROP ||
			    action >= XENBUS_AWAIT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_of_the_two_has_its_action),
		cmocka_unit_test(every_state_comes_to_rest_in_a_few_steps),
		cmocka_unit_test(closed_is_never_said_with_a_ring),
		cmocka_unit_test(nothing_is_done_to_what_is_the_kernels),
		cmocka_unit_test(a_takeover_and_a_release_write_no_state),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
