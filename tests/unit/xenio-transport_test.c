/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio-transport_test.c - what a guest's requests become, and its answers.
 */
#include "tests/unit/xenio-rig.h"

#define FOR_GUESTS(l)                                                          \
	for (const struct front_layout *l = front_layouts;                     \
	     l < front_layouts + FRONT_GUESTS; l++)

static void fill(uint8_t *p, size_t len, unsigned seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (uint8_t)(seed + i * 7 + i / 251);
}

static void a_read_brings_the_disks_bytes(void **state)
{
	(void)state;
	FOR_GUESTS(l)
	{
		struct rig *r = rig_up(l);
		uint8_t *slot;

		fill(r->disk, DISK, 3);
		slot = front_req(&r->front[0], l->read, 42, 17, 3, DATA_GREF);
		front_seg(&r->front[0], slot, 0, 6, 7);
		front_seg(&r->front[0], slot, 2, 0, 0);
		rig_kick(r, 0);
		rig_serve(r);
		rig_expect(r, 0, 42, l->read, RING_OKAY);
		assert_memory_equal(r->data + 6 * 512, r->disk + 17 * 512,
				    1024);
		assert_memory_equal(r->data + PAGE, r->disk + 19 * 512, PAGE);
		assert_memory_equal(r->data + 2 * PAGE, r->disk + 27 * 512,
				    512);
		assert_int_equal(r->data[0], 0);
		assert_int_equal(r->data[2 * PAGE + 512], 0);
		assert_int_equal(xen_fake_notified(r->fake, r->port[0]), 1);
		rig_free(r);
	}
}

static void a_write_takes_the_guests_bytes(void **state)
{
	(void)state;
	FOR_GUESTS(l)
	{
		struct rig *r = rig_up(l);
		uint8_t *slot;

		fill(r->data, 11 * PAGE, 9);
		slot = front_req(&r->front[0], l->write, 1, 100, 11, DATA_GREF);
		front_seg(&r->front[0], slot, 0, 3, 7);
		rig_kick(r, 0);
		rig_serve(r);
		rig_expect(r, 0, 1, l->write, RING_OKAY);
		assert_memory_equal(r->disk + 100 * 512, r->data + 3 * 512,
				    11 * PAGE - 3 * 512);
		rig_free(r);
	}
}

static void an_indirect_request_is_answered_by_its_inner_operation(void **state)
{
	(void)state;
	FOR_GUESTS(l)
	{
		struct rig *r = rig_up(l);
		unsigned i, n = 256;

		fill(r->data + PAGE, (size_t)n * PAGE, 5);
		for (i = 0; i < n; i++)
			front_indirect_seg(r->data, i, DATA_GREF + 1 + i, 0, 7);
		front_indirect_seg(r->data, 0, DATA_GREF + 1, 7, 7);
		front_indirect(&r->front[0], l->write, 7, 8, n, DATA_GREF);
		rig_kick(r, 0);
		assert_int_equal(rig_held(r, 0, 0)->len, n * PAGE - 7 * 512);
		rig_serve(r);
		rig_expect(r, 0, 7, l->write, RING_OKAY);
		assert_memory_equal(r->disk + 8 * 512, r->data + PAGE + 7 * 512,
				    n * PAGE - 7 * 512);
		front_indirect(&r->front[0], l->read, 8, 64, 1, DATA_GREF);
		rig_kick(r, 0);
		rig_serve(r);
		rig_expect(r, 0, 8, l->read, RING_OKAY);
		rig_free(r);
	}
}

/* Refused: answered with an error, and the disk saw nothing of it. */
static void expect_refused(struct rig *r, uint64_t id, unsigned op, int status)
{
	unsigned seen = r->core[0].seen;

	rig_kick(r, 0);
	rig_expect(r, 0, id, op, status);
	assert_int_equal(r->core[0].seen, seen);
	assert_int_equal(r->core[0].gets, 0);
}

static void nothing_past_the_end_reaches_the_disk(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];
	uint64_t end = DISK / 512;

	(void)state;
	front_req(f, 0, 1, end - 7, 1, DATA_GREF);
	expect_refused(r, 1, 0, RING_ERROR);
	front_req(f, 1, 2, end, 1, DATA_GREF);
	expect_refused(r, 2, 1, RING_ERROR);
	front_req(f, 0, 3, UINT64_MAX - 7, 1, DATA_GREF);
	expect_refused(r, 3, 0, RING_ERROR);
	front_discard(f, 4, 8, end);
	expect_refused(r, 4, 5, RING_ERROR);
	front_indirect_seg(r->data, 0, DATA_GREF + 1, 0, 7);
	front_indirect_seg(r->data, 1, DATA_GREF + 2, 0, 7);
	front_indirect(f, 1, 5, end - 15, 2, DATA_GREF);
	expect_refused(r, 5, 1, RING_ERROR);
	front_req(f, 1, 6, end - 8, 1, DATA_GREF);
	rig_kick(r, 0);
	rig_serve(r);
	rig_expect(r, 0, 6, 1, RING_OKAY);
	rig_free(r);
}

static void a_read_only_client_changes_nothing(void **state)
{
	struct rig *r = rig_new();
	struct front *f = &r->front[0];

	(void)state;
	r->connect.readonly = true;
	assert_int_equal(rig_open(r, 0, X64, 0), 0);
	rig_start(r, 0);
	rig_turn(r);
	assert_true(r->core[0].ch.readonly);
	front_req(f, 1, 1, 0, 1, DATA_GREF);
	expect_refused(r, 1, 1, RING_ERROR);
	front_req(f, 2, 2, 0, 1, DATA_GREF);
	expect_refused(r, 2, 2, RING_ERROR);
	front_req(f, 3, 3, 0, 1, DATA_GREF);
	expect_refused(r, 3, 3, RING_ERROR);
	front_discard(f, 4, 0, 8);
	expect_refused(r, 4, 5, RING_ERROR);
	front_indirect(f, 1, 5, 0, 1, DATA_GREF);
	expect_refused(r, 5, 1, RING_ERROR);
	front_req(f, 3, 6, 0, 0, 0);
	front_req(f, 0, 7, 0, 1, DATA_GREF);
	rig_kick(r, 0);
	rig_serve(r);
	rig_expect(r, 0, 6, 3, RING_OKAY);
	rig_expect(r, 0, 7, 0, RING_OKAY);
	rig_free(r);
}

static void requests_align_to_the_disks_blocks(void **state)
{
	struct rig *r = rig_new();
	struct front *f = &r->front[0];
	uint8_t *slot;

	(void)state;
	r->info.block_size = 4096;
	assert_int_equal(rig_open(r, 0, X64, 0), 0);
	rig_start(r, 0);
	rig_turn(r);
	front_req(f, 0, 1, 4, 1, DATA_GREF);
	expect_refused(r, 1, 0, RING_ERROR);
	slot = front_req(f, 1, 2, 8, 2, DATA_GREF);
	front_seg(f, slot, 0, 4, 7);
	front_seg(f, slot, 1, 0, 3);
	expect_refused(r, 2, 1, RING_ERROR);
	front_req(f, 0, 3, 8, 1, DATA_GREF);
	rig_kick(r, 0);
	rig_serve(r);
	rig_expect(r, 0, 3, 0, RING_OKAY);
	front_discard(f, 4, 4, 11); /* half of 0, half of 1: nothing whole */
	expect_refused(r, 4, 5, RING_OKAY);
	front_discard(f, 5, 4, 20);
	rig_kick(r, 0);
	assert_int_equal(rig_held(r, 0, 0)->off, 4096);
	assert_int_equal(rig_held(r, 0, 0)->len, 8192);
	rig_serve(r);
	rig_expect(r, 0, 5, 5, RING_OKAY);
	rig_free(r);
}

static void malformed_requests_are_answered_with_an_error(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];
	uint8_t *slot;

	(void)state;
	front_req(f, 0, 1, 0, 0, DATA_GREF);
	expect_refused(r, 1, 0, RING_ERROR);
	front_req(f, 1, 2, 0, 12, DATA_GREF);
	expect_refused(r, 2, 1, RING_ERROR);
	slot = front_req(f, 0, 3, 0, 1, DATA_GREF);
	front_seg(f, slot, 0, 0, 8);
	expect_refused(r, 3, 0, RING_ERROR);
	front_req(f, 4, 4, 0, 1, DATA_GREF);
	expect_refused(r, 4, 4, RING_EOPNOTSUPP);
	front_req(f, 77, 5, 0, 1, DATA_GREF);
	expect_refused(r, 5, 77, RING_EOPNOTSUPP);
	front_indirect(f, 3, 6, 0, 1, DATA_GREF);
	expect_refused(r, 6, 3, RING_ERROR);
	front_indirect(f, 0, 7, 0, 257, DATA_GREF);
	expect_refused(r, 7, 0, RING_ERROR);
	front_indirect_seg(r->data, 0, DATA_GREF + 1, 0, 8);
	front_indirect(f, 0, 8, 0, 1, DATA_GREF);
	expect_refused(r, 8, 0, RING_ERROR);
	assert_int_equal(r->core[0].dead, 0);
	rig_free(r);
}

static void more_segments_than_were_offered_are_refused(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	r->connect.max_segs = 32;
	assert_int_equal(rig_open(r, 0, X64, 0), 0);
	rig_start(r, 0);
	rig_turn(r);
	front_indirect(&r->front[0], 0, 1, 0, 33, DATA_GREF);
	expect_refused(r, 1, 0, RING_ERROR);
	rig_free(r);
}

static void pages_that_are_not_granted_fail_their_request_alone(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	fill(r->data, PAGE, 1);
	xen_fake_revoke(r->fake, GUEST, DATA_GREF + 3);
	front_req(f, 1, 1, 0, 5, DATA_GREF);
	front_req(f, 1, 2, 800, 1, DATA_GREF);
	front_req(f, 0, 3, 0, 3, DATA_GREF + 1);
	front_indirect(f, 1, 4, 0, 4, DATA_GREF + 3);
	rig_kick(r, 0);
	assert_int_equal(rig_count(r, 0), 2); /* the good write, the read */
	rig_serve(r);
	rig_expect(r, 0, 1, 1, RING_ERROR);
	rig_expect(r, 0, 4, 1, RING_ERROR);
	rig_expect(r, 0, 2, 1, RING_OKAY);
	rig_expect(r, 0, 3, 0, RING_ERROR);
	assert_int_equal(r->disk[0], 0);
	assert_memory_equal(r->disk + 800 * 512, r->data, PAGE);
	rig_free(r);
}

static void the_disks_errors_reach_the_guest(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	front_req(f, 0, 1, 0, 1, DATA_GREF);
	front_req(f, 1, 2, 0, 1, DATA_GREF);
	front_discard(f, 3, 0, 8);
	front_req(f, 3, 4, 0, 0, 0);
	front_req(f, 3, 5, 0, 0, 0);
	rig_kick(r, 0);
	rig_answer(r, 0, rig_held(r, 0, 0), -EIO);
	rig_answer(r, 0, rig_held(r, 0, 0), -EOPNOTSUPP);
	rig_answer(r, 0, rig_held(r, 0, 0), -EOPNOTSUPP);
	rig_answer(r, 0, rig_held(r, 0, 0), -EOPNOTSUPP);
	rig_answer(r, 0, rig_held(r, 0, 0), -EIO);
	rig_turn(r);
	rig_expect(r, 0, 1, 0, RING_ERROR);
	rig_expect(r, 0, 2, 1, RING_ERROR);
	rig_expect(r, 0, 3, 5, RING_EOPNOTSUPP);
	rig_expect(r, 0, 4, 3, RING_EOPNOTSUPP);
	rig_expect(r, 0, 5, 3, RING_ERROR);
	rig_free(r);
}

static void a_flush_does_not_stop_the_ring(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	front_req(f, 1, 1, 0, 1, DATA_GREF);
	front_req(f, 3, 0, UINT64_MAX, 0, 0);
	front_req(f, 3, 0, UINT64_MAX, 0, 0); /* ids may come twice */
	front_req(f, 1, 2, 8, 1, DATA_GREF);
	rig_kick(r, 0);
	assert_int_equal(rig_count(r, 0), 4);
	assert_int_equal(rig_held(r, 0, 1)->op, REQ_FLUSH);
	assert_int_equal(rig_held(r, 0, 1)->len, 0);
	rig_serve(r);
	rig_expect(r, 0, 1, 1, RING_OKAY);
	rig_expect(r, 0, 0, 3, RING_OKAY);
	rig_expect(r, 0, 0, 3, RING_OKAY);
	rig_expect(r, 0, 2, 1, RING_OKAY);
	rig_free(r);
}

static void a_flush_with_data_flushes_then_writes(void **state)
{
	struct rig *r = rig_up(X64);

	(void)state;
	fill(r->data, PAGE, 2);
	front_req(&r->front[0], 3, 1, 8, 1, DATA_GREF);
	rig_kick(r, 0);
	assert_int_equal(rig_count(r, 0), 1);
	assert_int_equal(rig_held(r, 0, 0)->op, REQ_FLUSH);
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	rig_expect_none(r, 0);
	assert_int_equal(rig_held(r, 0, 0)->op, REQ_WRITE);
	assert_int_equal(rig_held(r, 0, 0)->flags, 0);
	rig_serve(r);
	rig_expect(r, 0, 1, 3, RING_OKAY);
	assert_memory_equal(r->disk + PAGE, r->data, PAGE);
	rig_free(r);
}

static void a_barrier_waits_for_earlier_requests_and_holds_later_ones(
	void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	front_req(f, 1, 1, 0, 1, DATA_GREF);
	front_req(f, 1, 2, 8, 1, DATA_GREF);
	front_req(f, 2, 3, 16, 1, DATA_GREF);
	front_req(f, 1, 4, 24, 1, DATA_GREF);
	rig_kick(r, 0);
	assert_int_equal(rig_count(r, 0), 2);
	rig_answer(r, 0, rig_held(r, 0, 1), 0);
	rig_turn(r);
	assert_int_equal(rig_count(r, 0), 1); /* the first, still */
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	assert_int_equal(rig_count(r, 0), 1);
	assert_int_equal(rig_held(r, 0, 0)->op, REQ_FLUSH);
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	assert_int_equal(rig_count(r, 0), 1);
	assert_int_equal(rig_held(r, 0, 0)->op, REQ_WRITE);
	assert_int_equal(rig_held(r, 0, 0)->flags, REQ_FUA);
	assert_int_equal(rig_held(r, 0, 0)->off, 16 * 512);
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	assert_int_equal(rig_held(r, 0, 0)->off, 24 * 512);
	rig_serve(r);
	rig_expect(r, 0, 2, 1, RING_OKAY);
	rig_expect(r, 0, 1, 1, RING_OKAY);
	rig_expect(r, 0, 3, 2, RING_OKAY);
	rig_expect(r, 0, 4, 1, RING_OKAY);
	rig_free(r);
}

static void a_barrier_without_data_is_a_flush_in_its_place(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	front_req(f, 1, 1, 0, 1, DATA_GREF);
	front_req(f, 2, 2, UINT64_MAX, 0, 0);
	front_req(f, 1, 3, 8, 1, DATA_GREF);
	rig_kick(r, 0);
	assert_int_equal(rig_count(r, 0), 1);
	rig_answer_all(r, 0);
	rig_turn(r);
	assert_int_equal(rig_count(r, 0), 1);
	assert_int_equal(rig_held(r, 0, 0)->op, REQ_FLUSH);
	rig_serve(r);
	rig_expect(r, 0, 1, 1, RING_OKAY);
	rig_expect(r, 0, 2, 2, RING_OKAY);
	rig_expect(r, 0, 3, 1, RING_OKAY);
	rig_free(r);
}

static void a_barrier_that_cannot_be_read_does_not_stop_the_ring(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	front_req(f, 1, 1, 0, 1, 9); /* no such grant, and the next waits */
	front_req(f, 2, 2, 0, 1, 9);
	front_req(f, 2, 3, 0, 1, DATA_GREF);
	front_req(f, 0, 4, 0, 1, DATA_GREF);
	xen_fake_revoke(r->fake, GUEST, 9);
	rig_kick(r, 0);
	rig_serve(r);
	rig_expect(r, 0, 1, 1, RING_ERROR);
	rig_expect(r, 0, 2, 2, RING_ERROR);
	rig_expect(r, 0, 3, 2, RING_OKAY);
	rig_expect(r, 0, 4, 0, RING_OKAY);
	rig_free(r);
}

static void a_flush_is_never_failed_for_a_passing_reason(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	fill(r->data, PAGE, 4);
	front_req(f, 3, 1, 0, 0, 0);
	front_req(f, 2, 2, 8, 1, DATA_GREF); /* waits for the flush */
	rig_kick(r, 0);
	rig_answer(r, 0, rig_held(r, 0, 0), -ENOSPC);
	rig_turn(r);
	rig_expect_none(r, 0);
	assert_int_equal(rig_count(r, 0), 0);
	rig_later(r, 1000000000);
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	rig_expect(r, 0, 1, 3, RING_OKAY);
	rig_answer(r, 0, rig_held(r, 0, 0), -EBUSY); /* the barrier's flush */
	rig_turn(r);
	rig_expect_none(r, 0);
	rig_stop(r, 0);
	rig_later(r, 2000000000);
	assert_int_equal(rig_count(r, 0), 0);
	rig_start(r, 0);
	rig_turn(r);
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	rig_answer(r, 0, rig_held(r, 0, 0), -EAGAIN); /* its write */
	rig_turn(r);
	rig_later(r, 1000000000);
	rig_serve(r);
	rig_expect(r, 0, 2, 2, RING_OKAY);
	assert_memory_equal(r->disk + PAGE, r->data, PAGE);
	rig_free(r);
}

static void a_large_discard_goes_in_parts(void **state)
{
	struct rig *r = rig_new();
	uint64_t gib = 1 << 30;

	(void)state;
	r->info.size = 4 * gib;
	assert_int_equal(rig_open(r, 0, X64, 0), 0);
	rig_start(r, 0);
	rig_turn(r);
	front_discard(&r->front[0], 1, 8, (2 * gib) / 512 + 8);
	front_discard(&r->front[0], 2, 0, 0);
	rig_kick(r, 0);
	rig_expect(r, 0, 2, 5, RING_OKAY);
	assert_int_equal(rig_count(r, 0), 1);
	assert_int_equal(rig_held(r, 0, 0)->off, 4096);
	assert_int_equal(rig_held(r, 0, 0)->len, gib);
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	rig_expect_none(r, 0);
	assert_int_equal(rig_held(r, 0, 0)->off, 4096 + gib);
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	assert_int_equal(rig_held(r, 0, 0)->off, 4096 + 2 * gib);
	assert_int_equal(rig_held(r, 0, 0)->len, 4096);
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	rig_expect(r, 0, 1, 5, RING_OKAY);
	rig_free(r);
}

static void a_ring_that_is_nonsense_ends_its_channel_alone(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	assert_int_equal(rig_open(r, 1, X64, 0), 0);
	rig_start(r, 1);
	front_req(f, 0, 1, 0, 1, DATA_GREF);
	rig_kick(r, 0);
	f->prod += 100;
	rig_kick(r, 0);
	xen_fake_kick(r->fake, r->port[0]);
	rig_later(r, 1000000);
	assert_int_equal(r->core[0].dead, -EPROTO);
	rig_answer_all(r, 0);
	rig_turn(r);
	rig_expect_none(r, 0); /* such a ring is not written to */
	front_req(&r->front[1], 0, 1, 0, 1, DATA_GREF);
	rig_kick(r, 1);
	rig_serve(r);
	rig_expect(r, 1, 1, 0, RING_OKAY);
	rig_free(r);
}

static void what_there_is_no_room_for_stays_on_the_ring(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];
	unsigned i;

	(void)state;
	r->core[0].room = 3 * PAGE;
	for (i = 0; i < 8; i++)
		front_req(f, 0, i, 8 * i, 1, DATA_GREF + i);
	rig_kick(r, 0);
	assert_int_equal(rig_count(r, 0), 3);
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	rig_flush(&r->core[0]); /* there is room again */
	assert_int_equal(rig_count(r, 0), 3);
	while (rig_count(r, 0)) {
		rig_answer_all(r, 0);
		rig_turn(r);
		rig_flush(&r->core[0]);
	}
	for (i = 0; i < 8; i++)
		rig_expect(r, 0, i, 0, RING_OKAY);
	rig_free(r);
}

static void a_stopped_ring_is_left_alone(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	front_req(f, 1, 1, 0, 1, DATA_GREF);
	rig_kick(r, 0);
	rig_stop(r, 0);
	front_req(f, 1, 2, 0, 1, DATA_GREF);
	rig_kick(r, 0);
	rig_answer_all(r, 0);
	rig_turn(r);
	rig_expect(r, 0, 1, 1, RING_OKAY);
	assert_int_equal(rig_count(r, 0), 0);
	r->info.size = 4096; /* and it comes back smaller */
	rig_start(r, 0);
	front_req(f, 1, 3, 8, 1, DATA_GREF);
	rig_kick(r, 0);
	rig_expect(r, 0, 3, 1, RING_ERROR);
	rig_serve(r);
	rig_expect(r, 0, 2, 1, RING_OKAY);
	rig_free(r);
}

static void no_line(enum log_level level, const char *line)
{
	(void)level;
	(void)line;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test(f)
		T(a_read_brings_the_disks_bytes),
		T(a_write_takes_the_guests_bytes),
		T(an_indirect_request_is_answered_by_its_inner_operation),
		T(nothing_past_the_end_reaches_the_disk),
		T(a_read_only_client_changes_nothing),
		T(requests_align_to_the_disks_blocks),
		T(malformed_requests_are_answered_with_an_error),
		T(more_segments_than_were_offered_are_refused),
		T(pages_that_are_not_granted_fail_their_request_alone),
		T(the_disks_errors_reach_the_guest),
		T(a_flush_does_not_stop_the_ring),
		T(a_flush_with_data_flushes_then_writes),
		T(a_barrier_waits_for_earlier_requests_and_holds_later_ones),
		T(a_barrier_without_data_is_a_flush_in_its_place),
		T(a_barrier_that_cannot_be_read_does_not_stop_the_ring),
		T(a_flush_is_never_failed_for_a_passing_reason),
		T(a_large_discard_goes_in_parts),
		T(a_ring_that_is_nonsense_ends_its_channel_alone),
		T(what_there_is_no_room_for_stays_on_the_ring),
		T(a_stopped_ring_is_left_alone),
	};

	log_set(no_line);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
