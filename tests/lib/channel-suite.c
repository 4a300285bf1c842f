/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * channel-suite.c - what every transport must do, as tests.
 */
#include "tests/lib/channel-suite.h"

#include <sched.h>
#include <string.h>
#include <time.h>

#include "lib/bytes.h"
#include "tests/lib/hold.h"
#include "tests/lib/test.h"

#define LEN      4096
#define MAX      64
#define PATIENCE 20

/* One test's world; there is one at a time. */
struct suite {
	const struct suite_kit *kit;
	struct rig *rig;
	void *client;
	char buf[MAX][LEN];
	unsigned seen[MAX]; /* answers by tag */
	bool ok[MAX];
	unsigned answers;
};

static struct suite s;

static int setup(void **state)
{
	const struct suite_kit *kit = s.kit ? s.kit : *state;

	memset(&s, 0, sizeof(s));
	s.kit = kit;
	hold_reset();
	s.rig = rig_new(NULL);
	assert_int_equal(rig_open(s.rig, "hold:"), 0);
	channel_close(s.rig->client.ch, NULL, NULL); /* only the kit's */
	rig_settle(s.rig);
	s.client = kit->join(s.rig);
	assert_non_null(s.client);
	rig_settle(s.rig);
	return 0;
}

static int teardown(void **state)
{
	const struct suite_kit *kit = s.kit;

	(void)state;
	hold.pass = true;
	while (hold_answer(0))
		;
	rig_free(s.rig);
	kit->free(s.client);
	return 0;
}

static void collect(void)
{
	unsigned tag;
	bool ok;

	rig_settle(s.rig);
	while (s.kit->answer(s.client, &tag, &ok)) {
		assert_true(tag < MAX);
		s.seen[tag]++;
		s.ok[tag] = ok;
		s.answers++;
	}
}

static void ask(unsigned tag, enum req_op op, uint64_t off)
{
	s.kit->ask(s.client, tag, op, off, s.buf[tag]);
	rig_settle(s.rig);
}

/* Until so many requests lie in the image, or so many answers were seen. */
static void until(const unsigned *have, unsigned want)
{
	time_t end = time(NULL) + PATIENCE;

	for (collect(); *have < want; collect()) {
		sched_yield(); /* a kernel may be on the way */
		if (time(NULL) > end)
			fail_msg("%u, not %u, after %d s", *have, want,
				 PATIENCE);
	}
	assert_int_equal(*have, want);
}

static unsigned depth(void)
{
	return s.kit->depth < MAX ? s.kit->depth : MAX;
}

static void what_is_written_is_read_back(void **state)
{
	(void)state;
	hold.pass = true;
	memset(s.buf[0], 'w', LEN);
	ask(0, REQ_WRITE, 8192);
	until(&s.answers, 1);
	assert_memory_equal(hold.data + 8192, s.buf[0], LEN);
	ask(1, REQ_READ, 8192);
	until(&s.answers, 2);
	assert_true(s.ok[0] && s.ok[1]);
	assert_memory_equal(s.buf[1], s.buf[0], LEN);
	ask(2, REQ_FLUSH, 0);
	until(&s.answers, 3);
	assert_true(s.ok[2]);
	assert_int_equal(hold.ops[REQ_FLUSH], 1);
}

static void a_discard_is_one_of_the_disk(void **state)
{
	(void)state;
	hold.pass = true;
	ask(0, REQ_DISCARD, 3 * LEN);
	until(&s.answers, 1);
	assert_true(s.ok[0]);
	assert_int_equal(hold.ops[REQ_DISCARD], 1);
	assert_int_equal(hold.off, 3 * LEN);
	assert_int_equal(hold.len, LEN);
}

static void each_request_is_answered_once_in_any_order(void **state)
{
	unsigned i, n = depth(), round;

	(void)state;
	for (round = 0; round < 3; round++) {
		for (i = 0; i < n; i++)
			ask(i, i % 2 ? REQ_READ : REQ_WRITE, LEN * i);
		until(&hold.count, n);
		/* The latest first. */
		while (!list_empty(&hold.held)) {
			struct list *last = hold.held.prev;

			list_del(last);
			list_add_head(&hold.held, last);
			assert_true(hold_answer(0));
		}
		until(&s.answers, n * (round + 1));
	}
	for (i = 0; i < n; i++)
		assert_int_equal(s.seen[i], 3);
}

static void an_error_is_told(void **state)
{
	(void)state;
	ask(0, REQ_READ, 0);
	ask(1, REQ_WRITE, 0);
	until(&hold.count, 2);
	assert_true(hold_answer(-5));
	assert_true(hold_answer(0));
	until(&s.answers, 2);
	assert_int_equal(s.ok[0] + s.ok[1], 1);
	ask(2, REQ_READ, 0);
	until(&hold.count, 1);
	assert_true(hold_answer(0));
	until(&s.answers, 3);
	assert_true(s.ok[2]);
}

static void a_pause_loses_nothing(void **state)
{
	unsigned i, n = depth() < 8 ? depth() : 8;

	(void)state;
	hold.pass = true;
	for (i = 0; i < n; i++) {
		if (i == n / 2) {
			assert_int_equal(rig_pause(s.rig), 0);
			assert_null(hold.img);
		}
		ask(i, REQ_WRITE, LEN * i);
	}
	collect();
	assert_int_equal(s.answers, n / 2);
	assert_int_equal(rig_resume(s.rig, NULL), 0);
	until(&s.answers, n);
	for (i = 0; i < n; i++)
		assert_true(s.seen[i] == 1 && s.ok[i]);
}

static void the_last_answers_are_pushed_before_the_end(void **state)
{
	struct rig_call call;

	(void)state;
	ask(0, REQ_READ, 0);
	ask(1, REQ_WRITE, LEN);
	until(&hold.count, 2);
	vbd_close(s.rig->vbd, false, rig_call(&call));
	rig_settle(s.rig);
	assert_false(call.done);
	assert_true(hold_answer(0));
	assert_true(hold_answer(0));
	assert_int_equal(rig_called(s.rig, &call), 0);
	until(&s.answers, 2);
	assert_true(s.ok[0] && s.ok[1]);
}

static unsigned channels(void)
{
	struct list *pos, *next;
	unsigned n = 0;

	list_for_each (vbd_channels(s.rig->vbd), pos, next)
		n++;
	return n;
}

static void death_waits_for_what_is_in_flight(void **state)
{
	time_t end = time(NULL) + PATIENCE;

	(void)state;
	assert_int_equal(channels(), 1);
	ask(0, REQ_READ, 0);
	ask(1, REQ_WRITE, LEN);
	until(&hold.count, 2);
	s.kit->leave(s.client);
	rig_settle(s.rig);
	/* Its buffers are in use: it is not gone yet. */
	assert_int_equal(channels(), 1);
	assert_true(hold_answer(0));
	rig_settle(s.rig);
	assert_true(hold_answer(0));
	while (channels() && time(NULL) < end)
		rig_settle(s.rig);
	assert_int_equal(channels(), 0);
	/* The disk is there for others. */
	assert_int_equal(vbd_state(s.rig->vbd), VBD_RUNNING);
}

static void death_while_paused_is_the_end_of_it(void **state)
{
	time_t end = time(NULL) + PATIENCE;

	(void)state;
	hold.pass = true;
	assert_int_equal(rig_pause(s.rig), 0);
	s.kit->leave(s.client);
	assert_int_equal(rig_resume(s.rig, NULL), 0);
	while (channels() && time(NULL) < end)
		rig_settle(s.rig);
	assert_int_equal(channels(), 0);
	assert_int_equal(vbd_state(s.rig->vbd), VBD_RUNNING);
}

#define test(name)                                                             \
	cmocka_unit_test_prestate_setup_teardown(name, setup, teardown,        \
						 (void *)kit)

int suite_run(const struct suite_kit *kit)
{
	const struct CMUnitTest tests[] = {
		test(what_is_written_is_read_back),
		test(each_request_is_answered_once_in_any_order),
		test(an_error_is_told),
		test(a_pause_loses_nothing),
		test(the_last_answers_are_pushed_before_the_end),
		test(death_waits_for_what_is_in_flight),
		test(death_while_paused_is_the_end_of_it),
		test(a_discard_is_one_of_the_disk), /* the last */
	};
	size_t n = ARRAY_SIZE(tests) - (kit->discards ? 0 : 1);

	s.kit = kit;
	return _cmocka_run_group_tests(kit->name, tests, n, NULL, NULL);
}
