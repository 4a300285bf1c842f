/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd_turn_test.c - NBD clients of one disk beside each other.
 */
#include "tapdisk/nbd-turn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"

#include "tests/lib/nbd-talk.h"

static uint64_t pending_bytes(struct stage *s)
{
	uint64_t sum = 0;
	unsigned i;

	for (i = 0; i < s->d.pending_count; i++)
		sum += pending(s, i)->len;
	return sum;
}

static void clients_together_fill_half_of_the_disks_queue(void **state)
{
	struct stage s;
	int i;

	(void)state;
	begin(&s, true);
	s.d.env.in_flight = 4 << 20;
	for (i = 0; i < 8; i++) {
		(void)talk_ask(&s.a, NBD_READ, 0, 0, 256 << 10, NULL);
		(void)talk_ask(&s.b, NBD_READ, 0, 0, 256 << 10, NULL);
	}
	talk_say(&s.a, TALK_SAY);
	talk_say(&s.b, TALK_SAY);
	assert_int_equal(pending_bytes(&s), 2 << 20);
	s.d.env.in_flight = 1 << 20;
	for (i = 0; i < 8; i++)
		fake_end(&s.d, 0, 0);
	(void)talk_ask(&s.a, NBD_READ, 0, 0, 1 << 20, NULL);
	talk_all(&s.a);
	talk_all(&s.b);
	assert_int_equal(s.a.ended, 9);
	assert_int_equal(s.b.ended, 8);
	end(&s);
}

static void a_merge_waits_for_the_others_writes_and_they_for_it(void **state)
{
	uint8_t data[512] = { 0 };
	struct ask *merge, *later;
	struct stage s;

	(void)state;
	begin(&s, true);
	(void)talk_ask(&s.b, NBD_WRITE, 0, 0, 512, data);
	talk_say(&s.b, TALK_SAY);
	merge = talk_ask(&s.a, NBD_WRITE, 0, 1, 2, data);
	talk_say(&s.a, TALK_SAY);
	assert_int_equal(s.d.pending_count, 1);
	loop_set_now_ns(s.loop, loop_now_ns(s.loop) + 1);
	later = talk_ask(&s.b, NBD_WRITE, 0, 4096, 512, data);
	talk_say(&s.b, TALK_SAY);
	assert_int_equal(s.d.pending_count, 1);
	fake_end(&s.d, 0, 0);
	(void)loop_turn(s.loop); /* the kick */
	assert_int_equal(s.d.pending_count, 1);
	assert_int_equal(pending(&s, 0)->op, REQ_READ);
	talk_all(&s.a);
	talk_all(&s.b);
	assert_true(merge->ended && !merge->err);
	assert_true(later->ended && !later->err);
	end(&s);
}

static void a_waiting_client_that_leaves_lets_the_others_go_on(void **state)
{
	uint8_t data[512] = { 0 };
	struct stage s;
	struct ask *a;

	(void)state;
	begin(&s, true);
	(void)talk_ask(&s.b, NBD_WRITE, 0, 0, 512, data);
	talk_say(&s.b, TALK_SAY);
	(void)talk_ask(&s.a, NBD_WRITE, 0, 1, 2, data);
	talk_say(&s.a, TALK_SAY);
	loop_set_now_ns(s.loop, loop_now_ns(s.loop) + 1);
	a = talk_ask(&s.b, NBD_WRITE, 0, 4096, 512, data);
	talk_say(&s.b, TALK_SAY);
	nbd_turn_leave(&s.a.c.conn.turn);
	(void)loop_turn(s.loop); /* the kick */
	assert_int_equal(s.d.pending_count, 2);
	talk_all(&s.b);
	assert_true(a->ended && !a->err);
	end(&s);
}

static void a_change_given_up_no_longer_waits(void **state)
{
	static uint8_t data[2 << 20];
	struct ask *bad, *merge;
	struct stage s;

	(void)state;
	begin(&s, true);
	bad = talk_ask(&s.a, NBD_WRITE, 0, 0, sizeof(data), data);
	while (!s.d.pending_count)
		talk_say(&s.a, 100000);
	(void)talk_ask(&s.b, NBD_WRITE, 0, 1, 2, data);
	talk_say(&s.b, TALK_SAY);
	loop_set_now_ns(s.loop, loop_now_ns(s.loop) + 1);
	while (s.a.say_at < s.a.say_len)
		talk_say(&s.a, TALK_SAY);
	assert_int_equal(s.d.pending_count, 1);
	assert_true(s.a.c.conn.turn.waits_ns);
	fake_end(&s.d, 0, -EIO);
	(void)loop_turn(s.loop); /* the kick */
	talk_say(&s.a, TALK_SAY);
	talk_all(&s.b);
	loop_set_now_ns(s.loop, loop_now_ns(s.loop) + 1);
	merge = talk_ask(&s.b, NBD_WRITE, 0, 1, 2, data);
	talk_all(&s.b);
	assert_true(merge->ended && !merge->err);
	talk_all(&s.a);
	assert_true(bad->ended && bad->err == 5);
	end(&s);
}

static void a_client_that_fetches_no_answers_holds_up_itself_alone(void **state)
{
	struct stage s;
	struct ask *a;
	int i;

	(void)state;
	begin(&s, true);
	for (i = 0; i < 200; i++)
		(void)talk_ask(&s.a, NBD_READ, 0, 0, 1 << 20, NULL);
	for (i = 0; i < 200; i++) {
		talk_say(&s.a, TALK_SAY);
		while (s.d.pending_count)
			fake_end(&s.d, 0, 0);
	}
	assert_false(s.a.c.conn.hungry);
	assert_int_equal(s.a.c.conn.mem.used, NBD_MEM_PAGES);
	a = talk_ask(&s.b, NBD_READ, 0, 0, 1 << 20, NULL);
	talk_all(&s.b);
	assert_true(a->ended && !a->err);
	talk_all(&s.a);
	assert_int_equal(s.a.ended, 200);
	end(&s);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(clients_together_fill_half_of_the_disks_queue),
		cmocka_unit_test(
			a_merge_waits_for_the_others_writes_and_they_for_it),
		cmocka_unit_test(
			a_waiting_client_that_leaves_lets_the_others_go_on),
		cmocka_unit_test(a_change_given_up_no_longer_waits),
		cmocka_unit_test(
			a_client_that_fetches_no_answers_holds_up_itself_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
