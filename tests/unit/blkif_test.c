/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkif_test.c - when rings are looked at, what is copied together, and what
 * happens when Xen says no.
 */
#include "tests/unit/xenio-rig.h"

#include <pthread.h>
#include <stdatomic.h>

#include "lib/bytes.h"

#define FOR_GUESTS(l)                                                          \
	for (const struct front_layout *l = front_layouts;                     \
	     l < front_layouts + FRONT_GUESTS; l++)

/* --- copies --------------------------------------------------------------- */

static unsigned copies(const struct rig *r)
{
	return xen_fake_count(r->fake, XEN_FAKE_COPY);
}

static void all_writes_of_a_look_are_one_copy(void **state)
{
	struct rig *r = rig_up(X64);
	unsigned i, before = copies(r);

	(void)state;
	for (i = 0; i < 32; i++)
		front_req(&r->front[0], 1, i, 8 * i, 3, DATA_GREF + i);
	rig_kick(r, 0);
	assert_int_equal(rig_count(r, 0), 32);
	assert_int_equal(copies(r), before + 1);
	rig_serve(r);
	assert_int_equal(copies(r), before + 1);
	rig_free(r);
}

static void all_reads_of_a_turn_are_one_copy_of_all_rings(void **state)
{
	struct rig *r = rig_up(X64);
	unsigned i, before;

	(void)state;
	assert_int_equal(rig_open(r, 1, X64, 0), 0);
	rig_start(r, 1);
	rig_turn(r);
	before = copies(r);
	for (i = 0; i < 32; i++) {
		front_req(&r->front[0], 0, i, 8 * i, 1, DATA_GREF + i);
		front_req(&r->front[1], 0, i, 8 * i, 1, DATA_GREF + 32 + i);
	}
	rig_kick(r, 0);
	rig_kick(r, 1);
	assert_int_equal(copies(r), before);
	rig_answer_all(r, 0);
	rig_answer_all(r, 1);
	rig_turn(r);
	assert_int_equal(copies(r), before + 1);
	for (i = 0; i < 32; i++) {
		rig_expect(r, 0, i, 0, RING_OKAY);
		rig_expect(r, 1, i, 0, RING_OKAY);
	}
	rig_free(r);
}

static void the_lists_of_indirect_requests_are_one_copy(void **state)
{
	struct rig *r = rig_up(X64);
	unsigned i, k, before = copies(r);

	(void)state;
	for (i = 0; i < 4; i++) {
		for (k = 0; k < 20; k++)
			front_indirect_seg(r->data + (size_t)i * PAGE, k,
					   DATA_GREF + 4 + 20 * i + k, 0, 7);
		front_indirect(&r->front[0], 1, i, 160 * i, 20, DATA_GREF + i);
	}
	rig_kick(r, 0);
	assert_int_equal(rig_count(r, 0), 4);
	assert_int_equal(copies(r), before + 2); /* lists, then data */
	rig_serve(r);
	rig_free(r);
}

static void more_pieces_than_a_batch_holds_are_copied_all_the_same(void **state)
{
	struct rig *r = rig_new();
	unsigned i, k;

	(void)state;
	assert_int_equal(rig_open(r, 0, X64, 4), 0);
	r->core[0].room = 64 << 20;
	rig_start(r, 0);
	rig_turn(r);
	for (k = 0; k < 256; k++)
		front_indirect_seg(r->data, k, DATA_GREF + 1 + k, 3, 3);
	for (k = 0; k < 256; k++)
		r->data[(1 + k) * (size_t)PAGE + 3 * 512] = (uint8_t)k;
	for (i = 0; i < 20; i++)
		front_indirect(&r->front[0], 1, i, 256 * i, 256, DATA_GREF);
	rig_kick(r, 0);
	assert_int_equal(rig_count(r, 0), 20);
	rig_serve(r);
	for (i = 0; i < 20; i++)
		rig_expect(r, 0, i, 1, RING_OKAY);
	for (i = 0; i < 20 * 256; i++)
		assert_int_equal(r->disk[i * (size_t)512], (uint8_t)i);
	rig_free(r);
}

/* --- looking -------------------------------------------------------------- */

static uint32_t asked_for(const struct rig *r)
{
	return front_get(&r->front[0], FRONT_REQ_EVENT);
}

static void an_idle_ring_asks_to_be_notified(void **state)
{
	struct rig *r = rig_up(X64);

	(void)state;
	assert_int_equal(asked_for(r), 1);
	front_req(&r->front[0], 0, 1, 0, 1, DATA_GREF);
	assert_true(front_push(&r->front[0]));
	xen_fake_kick(r->fake, r->port[0]);
	rig_turn(r);
	rig_serve(r);
	assert_int_equal(asked_for(r), 2);
	rig_free(r);
}

/* As many requests in flight as make a ring a busy one. */
static void make_busy(struct rig *r)
{
	unsigned i;

	for (i = 0; i < 4; i++)
		front_req(&r->front[0], 0, i, 0, 1, DATA_GREF + i);
	rig_kick(r, 0);
	assert_int_equal(rig_count(r, 0), 4);
	assert_int_equal(asked_for(r), 1);
}

static void a_busy_ring_spares_its_client_the_notifying(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	make_busy(r);
	front_req(f, 0, 4, 0, 1, DATA_GREF);
	assert_false(front_push(f)); /* and so no kick */
	rig_turn(r);
	assert_int_equal(rig_count(r, 0), 4);
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	assert_int_equal(rig_count(r, 0), 4); /* found as it answered */
	rig_serve(r);
	assert_int_equal(asked_for(r), 6);
	rig_free(r);
}

static void a_slow_request_does_not_hold_up_new_ones(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	make_busy(r);
	front_req(f, 0, 4, 0, 1, DATA_GREF);
	assert_false(front_push(f));
	rig_later(r, 100000);
	assert_int_equal(rig_count(r, 0), 5);
	rig_later(r, 100000); /* nothing new: it asks after all */
	assert_int_equal(asked_for(r), 6);
	front_req(f, 0, 5, 0, 1, DATA_GREF);
	assert_true(front_push(f));
	xen_fake_kick(r->fake, r->port[0]);
	rig_turn(r);
	assert_int_equal(rig_count(r, 0), 6);
	rig_serve(r);
	rig_free(r);
}

static void a_ring_with_little_to_do_waits_for_no_timer(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	front_req(f, 0, 1, 0, 1, DATA_GREF);
	rig_kick(r, 0);
	assert_int_equal(asked_for(r), 2);
	front_req(f, 0, 2, 0, 1, DATA_GREF);
	assert_true(front_push(f));
	xen_fake_kick(r->fake, r->port[0]);
	rig_turn(r);
	assert_int_equal(rig_count(r, 0), 2);
	rig_serve(r);
	rig_free(r);
}

static void a_port_is_unmasked_once_its_ring_is_idle(void **state)
{
	struct rig *r = rig_up(X64);
	unsigned before = xen_fake_count(r->fake, XEN_FAKE_UNMASK);

	(void)state;
	make_busy(r);
	assert_int_equal(xen_fake_count(r->fake, XEN_FAKE_UNMASK), before);
	rig_serve(r);
	assert_int_equal(xen_fake_count(r->fake, XEN_FAKE_UNMASK), before + 1);
	rig_free(r);
}

static void a_client_that_kicks_for_nothing_is_heard_less_and_less(void **state)
{
	struct rig *r = rig_up(X64);
	unsigned i, heard, before;

	(void)state;
	before = xen_fake_count(r->fake, XEN_FAKE_UNMASK);
	for (i = 0; i < 1000; i++) {
		xen_fake_kick(r->fake, r->port[0]);
		rig_later(r, 10000);
	}
	heard = xen_fake_count(r->fake, XEN_FAKE_UNMASK) - before;
	assert_true(heard > 16 && heard < 40);
	front_req(&r->front[0], 0, 1, 0, 1, DATA_GREF);
	(void)front_push(&r->front[0]);
	xen_fake_kick(r->fake, r->port[0]);
	rig_later(r, 13000000); /* and is still served */
	assert_int_equal(rig_count(r, 0), 1);
	rig_serve(r);
	rig_free(r);
}

static struct rig *endless;
static unsigned rounds;

/* A guest that has the next bad request ready before we can wait. */
static int notify_endless(struct xen *xen, int port)
{
	(void)xen;
	(void)port;
	if (rounds++ > 1000)
		return 0;
	front_req(&endless->front[0], 0, rounds, 0, 0, 0);
	(void)front_push(&endless->front[0]); /* we will look anyway */
	endless->front[0].rsp_cons++;
	(void)front_arm(&endless->front[0]); /* it will not wait */
	return 0;
}

static void a_guest_that_never_stops_leaves_turns_to_others(void **state)
{
	struct rig *r = rig_up(X64);

	(void)state;
	endless = r;
	rounds = 0;
	xen_fake_xen(r->fake)->notify = notify_endless;
	front_req(&r->front[0], 0, 0, 0, 0, 0);
	(void)front_push(&r->front[0]); /* the kick follows */
	xen_fake_kick(r->fake, r->port[0]);
	(void)loop_turn(r->loop); /* does something */
	assert_true(rounds >= 1 && rounds < 40);
	(void)loop_turn(r->loop); /* as well */
	assert_true(rounds >= 2 && rounds < 80);
	rounds = 2000;
	rig_free(r);
}

static void a_new_backend_looks_without_being_asked_and_says_so(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	assert_int_equal(rig_open(r, 0, X64, 0), 0);
	rig_turn(r);
	front_req(&r->front[0], 0, 1, 0, 1, DATA_GREF);
	(void)front_push(&r->front[0]); /* the kick was for somebody else */
	rig_start(r, 0);
	rig_turn(r);
	assert_int_equal(rig_count(r, 0), 1);
	assert_int_equal(xen_fake_notified(r->fake, r->port[0]), 1);
	rig_serve(r);
	rig_free(r);
}

static void one_notification_covers_all_answers_of_a_turn(void **state)
{
	struct rig *r = rig_up(X64);
	unsigned i;

	(void)state;
	for (i = 0; i < 32; i++)
		front_req(&r->front[0], 0, i, 8 * i, 1, DATA_GREF);
	rig_kick(r, 0);
	rig_serve(r);
	assert_int_equal(xen_fake_notified(r->fake, r->port[0]), 1);
	rig_free(r);
}

static void the_largest_ring_can_be_full_and_wrap(void **state)
{
	(void)state;
	FOR_GUESTS(l)
	{
		struct rig *r = rig_new();
		struct front *f = &r->front[0];
		unsigned i, round;

		assert_int_equal(rig_open(r, 0, l, 4), 0);
		assert_int_equal(f->entries, 512);
		rig_start(r, 0);
		rig_turn(r);
		for (round = 0; round < 3; round++) {
			for (i = 0; i < 512; i++) {
				r->data[(size_t)i * PAGE] =
					(uint8_t)(i + round);
				front_req(f, l->write, i, 8 * i, 1,
					  DATA_GREF + i);
			}
			rig_kick(r, 0);
			rig_serve(r);
			for (i = 0; i < 512; i++) {
				rig_expect(r, 0, i, l->write, RING_OKAY);
				assert_int_equal(r->disk[(size_t)i * PAGE],
						 (uint8_t)(i + round));
			}
		}
		rig_free(r);
	}
}

/* --- when Xen says no ----------------------------------------------------- */

static void a_connect_that_fails_leaves_nothing_behind(void **state)
{
	struct rig *r = rig_new();
	unsigned n = 0;

	(void)state;
	do {
		xen_fake_fail(r->fake, XEN_FAKE_ANY, ++n, -ENOMEM);
		if (!rig_open(r, 0, X64, 2))
			break;
		assert_int_equal(xen_fake_mapped(r->fake), 0);
		assert_int_equal(xen_fake_bound(r->fake), 0);
		assert_true(xen_fake_failed(r->fake));
	} while (n < 10);
	assert_int_equal(n, 3); /* map and bind were all there is */
	rig_free(r);
}

static void a_ring_is_not_looked_at_before_its_port_is_bound(void **state)
{
	struct rig *r = rig_new();

	(void)state;
	xen_fake_fail(r->fake, XEN_FAKE_BIND, 1, -EINVAL);
	assert_int_equal(rig_open(r, 0, X64, 0), -EADDRNOTAVAIL);
	assert_int_equal(xen_fake_count(r->fake, XEN_FAKE_MAP), 0);
	rig_free(r);
}

static void a_connect_to_nonsense_leaves_nothing_behind(void **state)
{
	struct rig *r = rig_new();
	struct blkif_connect good;
	struct channel *ch = &r->core[0].ch;
	struct err err;
	uint8_t *ring = xen_fake_memory(r->fake, GUEST);

	(void)state;
	assert_int_equal(rig_open(r, 0, X64, 0), 0);
	rig_close(r, 0);
	good = r->connect;
	ch->state = calloc(1, xenio_transport.state_size);
	r->connect.port = 0;
	assert_int_equal(xenio_transport.open(ch, &r->connect, &err), -EINVAL);
	r->connect = good;
	r->connect.port = 33;
	assert_int_equal(xenio_transport.open(ch, &r->connect, &err),
			 -EADDRNOTAVAIL);
	r->connect = good;
	r->connect.grefs[0] = 4000;
	assert_int_equal(xenio_transport.open(ch, &r->connect, &err), -EINVAL);
	r->connect = good;
	r->connect.order = 5;
	assert_int_equal(xenio_transport.open(ch, &r->connect, &err), -EINVAL);
	r->connect = good;
	bytes_put_le32(ring, 1000);
	assert_int_equal(xenio_transport.open(ch, &r->connect, &err), -EPROTO);
	assert_int_equal(xen_fake_mapped(r->fake), 0);
	assert_int_equal(xen_fake_bound(r->fake), 0);
	free(ch->state);
	rig_free(r);
}

/* Reads, writes, a flush, a barrier; whatever fails, each is answered. */
static void exercise(struct rig *r)
{
	struct front *f = &r->front[0];
	unsigned i, answers = 0, ids = 0;
	uint64_t id;
	int16_t status;
	uint8_t op;

	for (i = 0; i < 20; i++)
		front_indirect_seg(r->data, i, DATA_GREF + 1 + i, 0, 7);
	for (i = 0; i < 3; i++) {
		front_req(f, 1, ids++, 8, 2, DATA_GREF);
		front_req(f, 0, ids++, 8, 2, DATA_GREF + 30);
		front_req(f, 3, ids++, 0, 0, 0);
		front_indirect(f, 1, ids++, 800, 20, DATA_GREF);
		front_req(f, 2, ids++, 8, 1, DATA_GREF);
		if (front_push(f))
			xen_fake_kick(r->fake, r->port[0]);
		rig_serve(r);
	}
	for (i = 0; i < 30 && answers < ids; i++) {
		rig_later(r, 20000000);
		rig_serve(r);
		while (front_answer(f, &id, &op, &status))
			answers++;
	}
	assert_int_equal(answers, ids);
}

static void any_call_may_fail_once_and_nothing_is_lost(void **state)
{
	bool failed = true;
	unsigned n;

	(void)state;
	for (n = 1; failed; n++) {
		struct rig *r = rig_up(X64);

		assert_true(n < 500);
		(void)xen_fake_notified(r->fake, r->port[0]);
		xen_fake_fail(r->fake, XEN_FAKE_ANY, n, -EIO);
		exercise(r);
		failed = xen_fake_failed(r->fake);
		assert_true(xen_fake_notified(r->fake, r->port[0]) > 0);
		assert_int_equal(r->core[0].dead, 0);
		rig_free(r);
	}
	assert_true(n > 10);
}

static void a_copy_that_fails_fails_all_that_were_in_it(void **state)
{
	struct rig *r = rig_up(X64);
	struct front *f = &r->front[0];

	(void)state;
	front_req(f, 1, 1, 0, 1, DATA_GREF);
	front_req(f, 1, 2, 8, 1, DATA_GREF);
	xen_fake_fail(r->fake, XEN_FAKE_COPY, 1, -ENOMEM);
	rig_kick(r, 0);
	assert_int_equal(r->core[0].seen, 0);
	rig_expect(r, 0, 1, 1, RING_ERROR);
	rig_expect(r, 0, 2, 1, RING_ERROR);
	front_req(f, 0, 3, 0, 1, DATA_GREF);
	rig_kick(r, 0);
	xen_fake_fail(r->fake, XEN_FAKE_COPY, 1, -ENOMEM);
	rig_serve(r);
	rig_expect(r, 0, 3, 0, RING_ERROR);
	rig_free(r);
}

static void a_guest_that_is_gone_costs_its_requests_alone(void **state)
{
	struct rig *r = rig_up(X64);

	(void)state;
	front_req(&r->front[0], 0, 1, 0, 1, DATA_GREF);
	rig_kick(r, 0);
	xen_fake_destroy(r->fake, GUEST);
	rig_serve(r);
	rig_expect(r, 0, 1, 0, RING_ERROR);
	rig_free(r);
}

static void event_channels_that_cannot_be_read_end_their_rings(void **state)
{
	struct rig *r = rig_up(X64);
	unsigned i;

	(void)state;
	xen_fake_kick(r->fake, r->port[0]);
	for (i = 0; i < 100 && !r->core[0].dead; i++) {
		xen_fake_fail(r->fake, XEN_FAKE_NEXT, 1, -EFBIG);
		(void)loop_turn(r->loop);
	}
	assert_int_equal(r->core[0].dead, -EFBIG);
	rig_free(r);
}

/* --- a guest in a thread of its own, writing anything anywhere -------------
 */

struct vandal {
	struct rig *r;
	atomic_bool stop;
};

static void *vandal_run(void *arg)
{
	struct vandal *v = arg;
	uint32_t *ring = xen_fake_memory(v->r->fake, GUEST);
	uint32_t x = 12345, at;

	while (!atomic_load(&v->stop)) {
		x = x * 1664525 + 1013904223;
		at = 16 + (x >> 8) % (1024 - 16);
		__atomic_store_n(ring + at, x & (x >> 3) & 0x0f0f07ff,
				 __ATOMIC_RELAXED);
		if (x >> 30)
			continue;
		/* Mostly a producer that is believable. */
		__atomic_store_n(ring,
				 __atomic_load_n(ring + 2, __ATOMIC_RELAXED) +
					 (x >> 20 & 31),
				 __ATOMIC_RELAXED);
		__atomic_store_n(ring + 3, x, __ATOMIC_RELAXED);
		xen_fake_kick(v->r->fake, v->r->port[0]);
	}
	return NULL;
}

static void a_vandal_gets_no_further_than_its_ring(void **state)
{
	unsigned i, round;

	(void)state;
	for (round = 0; round < 20; round++) {
		struct rig *r = rig_up(X64);
		struct vandal v = { .r = r };
		pthread_t thread;

		assert_int_equal(pthread_create(&thread, NULL, vandal_run, &v),
				 0);
		for (i = 0; i < 300 && !r->core[0].dead; i++) {
			r->now += 50000;
			loop_set_now_ns(r->loop, r->now);
			(void)loop_turn(r->loop);
			rig_answer_all(r, 0);
			if (r->core[0].flush_due)
				rig_flush(&r->core[0]);
		}
		atomic_store(&v.stop, true);
		assert_int_equal(pthread_join(thread, NULL), 0);
		rig_free(r);
	}
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
		T(all_writes_of_a_look_are_one_copy),
		T(all_reads_of_a_turn_are_one_copy_of_all_rings),
		T(the_lists_of_indirect_requests_are_one_copy),
		T(more_pieces_than_a_batch_holds_are_copied_all_the_same),
		T(an_idle_ring_asks_to_be_notified),
		T(a_busy_ring_spares_its_client_the_notifying),
		T(a_slow_request_does_not_hold_up_new_ones),
		T(a_ring_with_little_to_do_waits_for_no_timer),
		T(a_port_is_unmasked_once_its_ring_is_idle),
		T(a_client_that_kicks_for_nothing_is_heard_less_and_less),
		T(a_guest_that_never_stops_leaves_turns_to_others),
		T(a_new_backend_looks_without_being_asked_and_says_so),
		T(one_notification_covers_all_answers_of_a_turn),
		T(the_largest_ring_can_be_full_and_wrap),
		T(a_connect_that_fails_leaves_nothing_behind),
		T(a_ring_is_not_looked_at_before_its_port_is_bound),
		T(a_connect_to_nonsense_leaves_nothing_behind),
		T(any_call_may_fail_once_and_nothing_is_lost),
		T(a_copy_that_fails_fails_all_that_were_in_it),
		T(a_guest_that_is_gone_costs_its_requests_alone),
		T(event_channels_that_cannot_be_read_end_their_rings),
		T(a_vandal_gets_no_further_than_its_ring),
	};

	log_set(no_line);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
