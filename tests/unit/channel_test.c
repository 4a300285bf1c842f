/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * channel_test.c - clients of one disk: batches, limits, ends.
 */
#include <errno.h>
#include <string.h>

#include "lib/bytes.h"
#include "tapdisk/arena.h"
#include "tests/lib/hold.h"
#include "tests/lib/rig.h"
#include "tests/lib/test.h"

static struct rig *rig;
static char buf[65536];
static struct mem_client other;

static int setup(void **state)
{
	(void)state;
	hold_reset();
	other = (struct mem_client){ 0 };
	rig = rig_new(NULL);
	return rig_open(rig, "hold:");
}

static int teardown(void **state)
{
	(void)state;
	hold.pass = true;
	while (hold_answer(0))
		;
	rig_free(rig);
	return 0;
}

static struct mem_op op(enum req_op what, uint64_t off, uint64_t len)
{
	return (struct mem_op){
		.op = what, .off = off, .len = len, .buf = buf
	};
}

static void a_batch_of_answers_is_one_flush(void **state)
{
	struct mem_op ops[4];
	size_t i;

	(void)state;
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ops[i] = op(REQ_READ, 512 * i, 512);
		mem_ask(&rig->client, &ops[i]);
	}
	rig_settle(rig);
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		assert_true(hold_answer(0));
	rig_settle(rig);
	assert_int_equal(rig->client.answers, 4);
	assert_int_equal(rig->client.flushes, 1);
	assert_true(ops[3].done);
}

static void more_than_its_depth_waits_in_the_client(void **state)
{
	struct mem_op ops[10];
	size_t i;

	(void)state;
	other.depth = 4;
	assert_int_equal(rig_join(rig, &other), 0);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		ops[i] = op(REQ_WRITE, 512 * i, 512);
		mem_ask(&other, &ops[i]);
	}
	rig_settle(rig);
	assert_int_equal(other.taken, 4);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		assert_true(hold_answer(0));
		rig_settle(rig);
		assert_true(ops[i].done);
	}
	assert_int_equal(hold.most, 4);
	assert_int_equal(channel_in_flight(other.ch), 0);
	assert_int_equal(channel_counters(other.ch)->completed[1], 10);
}

/* What was just answered is free only after the flush that looked for it. */
static void one_request_at_a_time_is_enough(void **state)
{
	struct mem_op a = op(REQ_READ, 0, 512), b = op(REQ_READ, 512, 512);

	(void)state;
	other.depth = 1;
	assert_int_equal(rig_join(rig, &other), 0);
	mem_ask(&other, &a);
	mem_ask(&other, &b);
	rig_settle(rig);
	assert_true(hold_answer(0));
	rig_settle(rig);
	assert_true(a.done);
	assert_int_equal(hold.count, 1);
	assert_true(hold_answer(0));
	rig_settle(rig);
	assert_true(b.done);
}

static void room_made_by_one_wakes_another(void **state)
{
	uint64_t size = arena_size(vbd_arena(rig->vbd)), half = size / 2;
	char *big = test_malloc(half);
	struct mem_op a[2], b = op(REQ_READ, 0, 512);
	size_t i;

	(void)state;
	/* Held or not, the arena is full: that the disk is small is told. */
	hold.pass = false;
	assert_int_equal(rig_join(rig, &other), 0);
	for (i = 0; i < 2; i++) {
		a[i] = op(REQ_READ, 0, half);
		a[i].buf = big;
		mem_ask(&rig->client, &a[i]);
	}
	assert_int_equal(arena_used(vbd_arena(rig->vbd)), size);
	mem_ask(&other, &b);
	assert_int_equal(other.taken, 0);
	rig_settle(rig); /* too long for the disk: answered -EINVAL */
	assert_int_equal(a[0].err, -EINVAL);
	assert_int_equal(other.taken, 1);
	assert_true(hold_answer(0));
	rig_settle(rig);
	assert_true(b.done);
	assert_int_equal(arena_used(vbd_arena(rig->vbd)), 0);
	test_free(big);
}

static void a_client_may_bring_its_own_memory(void **state)
{
	struct mem_op w = op(REQ_WRITE, 0, sizeof(buf));
	char back[512];
	struct mem_op r = {
		.op = REQ_READ, .off = 512, .len = 512, .buf = back
	};

	(void)state;
	hold.pass = true;
	other.own_memory = true;
	assert_int_equal(rig_join(rig, &other), 0);
	memset(buf, 'm', sizeof(buf));
	mem_ask(&other, &w);
	assert_int_equal(arena_used(vbd_arena(rig->vbd)), 0);
	rig_settle(rig);
	mem_ask(&other, &r);
	rig_settle(rig);
	assert_true(w.done && r.done);
	assert_memory_equal(back, buf, 512);
}

static void a_readonly_client_changes_nothing(void **state)
{
	static const enum req_op changes[] = { REQ_WRITE, REQ_ZERO,
					       REQ_DISCARD };
	struct mem_op o;
	size_t i;

	(void)state;
	hold.pass = true;
	other.readonly = true;
	assert_int_equal(rig_join(rig, &other), 0);
	for (i = 0; i < ARRAY_SIZE(changes); i++) {
		o = op(changes[i], 0, 512);
		mem_ask(&other, &o);
		assert_false(o.done);
		rig_settle(rig);
		assert_true(o.done);
		assert_int_equal(o.err, -EROFS);
		assert_int_equal(hold.ops[changes[i]], 0);
	}
	o = op(REQ_READ, 0, 512);
	mem_ask(&other, &o);
	rig_settle(rig);
	assert_int_equal(o.err, 0);
	/* Another client of the same disk may. */
	assert_int_equal(rig_write(rig, 0, buf, 512), 0);
}

static unsigned gone;

static void count_gone(void *arg)
{
	gone += *(unsigned *)arg;
}

static void closing_twice_is_told_twice(void **state)
{
	struct mem_op o = op(REQ_READ, 0, 512);
	unsigned one = 1, ten = 10, hundred = 100;

	(void)state;
	gone = 0;
	assert_int_equal(rig_join(rig, &other), 0);
	mem_ask(&other, &o);
	channel_on_gone(other.ch, count_gone, &hundred);
	channel_close(other.ch, count_gone, &one);
	channel_close(other.ch, count_gone, &ten);
	rig_settle(rig);
	assert_int_equal(gone, 0);
	assert_int_equal(other.stops, 1);
	assert_true(hold_answer(0));
	rig_settle(rig);
	assert_int_equal(gone, 111);
	assert_true(o.done);
	assert_int_equal(other.closes, 1);
}

static void one_that_dies_says_so_to_its_owner(void **state)
{
	unsigned one = 1;

	(void)state;
	gone = 0;
	assert_int_equal(rig_join(rig, &other), 0);
	channel_on_gone(other.ch, count_gone, &one);
	channel_dead(other.ch, -EPROTO, "nonsense on the ring");
	channel_dead(other.ch, -EPROTO, "and again");
	assert_int_equal(gone, 0); /* never from inside */
	rig_settle(rig);
	assert_int_equal(gone, 1);
	assert_int_equal(other.closes, 1);
	hold.pass = true;
	assert_int_equal(rig_read(rig, 0, buf, 512), 0);
}

static void what_it_had_taken_when_it_died_is_waited_for(void **state)
{
	struct mem_op o = op(REQ_READ, 0, 512);
	unsigned one = 1;

	(void)state;
	gone = 0;
	other.dies = true;
	assert_int_equal(rig_join(rig, &other), 0);
	channel_on_gone(other.ch, count_gone, &one);
	mem_ask(&other, &o);
	rig_settle(rig);
	assert_int_equal(gone, 0);
	assert_int_equal(hold.count, 1);
	assert_true(hold_answer(0));
	rig_settle(rig);
	assert_true(o.done);
	assert_int_equal(gone, 1);
}

static void one_that_waits_for_room_and_dies_blocks_nobody(void **state)
{
	uint64_t size = arena_size(vbd_arena(rig->vbd));
	char *big = test_malloc(size);
	struct mem_op all = op(REQ_READ, 0, size), some = op(REQ_READ, 0, 512);
	struct mem_op first = op(REQ_READ, 0, 512);

	(void)state;
	assert_int_equal(rig_join(rig, &other), 0);
	mem_ask(&rig->client, &first);
	rig_settle(rig);
	all.buf = big;
	mem_ask(&other, &all); /* stands in line for everything */
	mem_ask(&rig->client, &some);
	rig_settle(rig);
	assert_false(some.done);
	assert_int_equal(hold.count, 1);
	channel_dead(other.ch, -EPIPE, "it went away");
	rig_settle(rig);
	assert_int_equal(hold.count, 2);
	while (hold_answer(0))
		rig_settle(rig);
	assert_true(some.done && first.done);
	test_free(big);
}

static void a_transport_that_refuses_leaves_nothing(void **state)
{
	(void)state;
	other.open_err = -EPROTONOSUPPORT;
	assert_int_equal(rig_join(rig, &other), -EPROTONOSUPPORT);
	assert_string_equal(rig->err.msg, "mem: as it was told");
	assert_ptr_equal(channel_of(vbd_channels(rig->vbd)->next),
			 rig->client.ch);
	assert_ptr_equal(vbd_channels(rig->vbd)->next->next,
			 vbd_channels(rig->vbd));
}

#define test(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		test(a_batch_of_answers_is_one_flush),
		test(more_than_its_depth_waits_in_the_client),
		test(one_request_at_a_time_is_enough),
		test(room_made_by_one_wakes_another),
		test(a_client_may_bring_its_own_memory),
		test(a_readonly_client_changes_nothing),
		test(closing_twice_is_told_twice),
		test(one_that_dies_says_so_to_its_owner),
		test(what_it_had_taken_when_it_died_is_waited_for),
		test(one_that_waits_for_room_and_dies_blocks_nobody),
		test(a_transport_that_refuses_leaves_nothing),
	};

	return cmocka_run_group_tests_name("channel", tests, NULL, NULL);
}
