/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring_test.c - each layout of the ring, byte by byte, and hostile clients.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "tests/lib/front.h"
#include "xenio/ring.h"

#define PAGE 4096

struct rig {
	struct front f;
	uint8_t *pages;
	struct ring *ring;
};

static struct rig rig_new(const struct front_layout *l, unsigned order)
{
	size_t size = (size_t)PAGE << order;
	struct rig r;

	r.pages = aligned_alloc(PAGE, size);
	front_init(&r.f, l, r.pages, size);
	assert_int_equal(ring_new(&r.ring, r.pages, size, l->proto), 0);
	return r;
}

static void rig_free(struct rig *r)
{
	ring_free(r->ring);
	free(r->pages);
}

static uint8_t *rig_req(struct rig *r, unsigned op, uint64_t id,
			uint64_t sector, unsigned segs)
{
	uint8_t *slot = front_req(&r->f, op, id, sector, segs, 100);

	front_push(&r->f);
	return slot;
}

static uint8_t *rig_indirect(struct rig *r, unsigned inner, unsigned segs)
{
	uint8_t *slot = front_indirect(&r->f, inner, 9, 64, segs, 50);

	front_push(&r->f);
	return slot;
}

#define FOR_GOLDENS(g)                                                         \
	for (const struct front_layout *g = front_layouts;                     \
	     g < front_layouts + FRONT_LAYOUTS; g++)
#define FOR_GUESTS(g)                                                          \
	for (const struct front_layout *g = front_layouts;                     \
	     g < front_layouts + FRONT_GUESTS; g++)

static void fields_lie_where_each_layout_has_them(void **state)
{
	struct ring_req req;

	(void)state;
	FOR_GOLDENS(g)
	{
		struct rig r = rig_new(g, 0);
		uint8_t *s = rig_req(&r, g->write, 0x1122334455667788, 1000, 2);

		s[g->segs + 4] = 3;
		s[g->segs + 8 + 5] = 1;
		assert_int_equal(ring_peek(r.ring, &req), 1);
		assert_int_equal(req.op, RING_WRITE);
		assert_int_equal(req.answer_op, 1);
		assert_true(req.id == 0x1122334455667788);
		assert_int_equal(req.sector, 1000);
		assert_int_equal(req.nr_segs, 2);
		assert_int_equal(req.sectors, 5 + 2);
		assert_int_equal(req.segs[0].gref, 100);
		assert_int_equal(req.segs[0].first, 3);
		assert_int_equal(req.segs[0].last, 7);
		assert_int_equal(req.segs[1].gref, 101);
		assert_int_equal(req.segs[1].last, 1);
		assert_false(req.indirect);
		rig_free(&r);
	}
}

static void an_answer_lies_where_each_layout_has_it(void **state)
{
	(void)state;
	FOR_GOLDENS(g)
	{
		struct rig r = rig_new(g, 0);
		uint8_t *s = rig_req(&r, g->read, 7, 5, 1);
		struct ring_req req;

		assert_int_equal(ring_peek(r.ring, &req), 1);
		assert_int_equal(ring_take(r.ring), 0);
		assert_int_equal(ring_answer(r.ring, req.id, req.answer_op,
					     RING_EOPNOTSUPP),
				 0);
		assert_int_equal(front_get(&r.f, FRONT_RSP_PROD), 0);
		assert_true(ring_push(r.ring));
		assert_int_equal(front_get(&r.f, FRONT_RSP_PROD), 1);
		assert_int_equal(bytes_le64(s), 7);
		assert_int_equal(s[8], g->read);
		assert_int_equal(s[9], 0); /* padding is written too */
		assert_int_equal((int16_t)bytes_le16(s + 10), -2);
		assert_int_equal(bytes_le32(s + 12), g->answer == 16 ? 0 : 5);
		assert_int_equal(s[g->stride - 1], 0xee);
		rig_free(&r);
	}
}

static void a_ring_of_n_pages_has_the_entries_the_guest_expects(void **state)
{
	static const unsigned entries[] = { 32, 64, 128, 256, 512, 1024 };

	(void)state;
	FOR_GUESTS(g)
	{
		for (unsigned order = 0; order < 6; order++) {
			struct rig r = rig_new(g, order);

			assert_int_equal(ring_entries(r.ring), entries[order]);
			rig_free(&r);
		}
	}
}

static void a_size_that_is_no_ring_is_refused(void **state)
{
	uint8_t page[PAGE] __attribute__((aligned(PAGE))) = { 0 };
	struct ring *ring;

	(void)state;
	assert_int_equal(ring_new(&ring, page, 0, RING_X86_64), -EINVAL);
	assert_int_equal(ring_new(&ring, page, 3 * PAGE, RING_X86_64), -EINVAL);
	assert_int_equal(ring_new(&ring, page, 64 * PAGE, RING_X86_64),
			 -EINVAL);
	bytes_put_le32(page + FRONT_REQ_PROD, 33);
	assert_int_equal(ring_new(&ring, page, PAGE, RING_X86_64), -EPROTO);
}

static void indices_wrap_and_slots_with_them(void **state)
{
	struct ring_req req;

	(void)state;
	FOR_GOLDENS(g)
	{
		struct rig r = rig_new(g, 0);

		front_put(&r.f, FRONT_REQ_PROD, 0xffffffe0);
		front_put(&r.f, FRONT_RSP_PROD, 0xffffffe0);
		r.f.prod = 0xffffffe0;
		ring_free(r.ring);
		assert_int_equal(ring_new(&r.ring, r.pages, PAGE, g->proto), 0);
		for (uint64_t i = 0; i < 100; i++) {
			rig_req(&r, g->read, i, i, 1);
			assert_int_equal(ring_peek(r.ring, &req), 1);
			assert_int_equal(req.id, i);
			assert_int_equal(ring_take(r.ring),
					 (uint32_t)(0xffffffe0 + i));
			ring_answer(r.ring, req.id, req.answer_op, 0);
			ring_push(r.ring);
			assert_int_equal(front_get(&r.f, FRONT_RSP_PROD),
					 (uint32_t)(0xffffffe1 + i));
			assert_int_equal(ring_peek(r.ring, &req), 0);
		}
		rig_free(&r);
	}
}

static void a_request_stays_until_it_is_taken(void **state)
{
	struct rig r = rig_new(&front_layouts[1], 0);
	struct ring_req req;

	(void)state;
	rig_req(&r, 0, 1, 0, 1);
	rig_req(&r, 0, 2, 0, 1);
	assert_int_equal(ring_peek(r.ring, &req), 1);
	assert_int_equal(req.id, 1);
	assert_int_equal(ring_peek(r.ring, &req), 1);
	assert_int_equal(req.id, 1);
	ring_take(r.ring);
	assert_int_equal(ring_peek(r.ring, &req), 1);
	assert_int_equal(req.id, 2);
	rig_free(&r);
}

static void segment_counts_are_held_to_the_slot(void **state)
{
	struct ring_req req;

	(void)state;
	FOR_GOLDENS(g)
	{
		struct rig r = rig_new(g, 0);

		rig_req(&r, g->read, 1, 0, 11);
		assert_int_equal(ring_peek(r.ring, &req), 1);
		assert_int_equal(req.sectors, 88);
		ring_take(r.ring);
		rig_req(&r, g->read, 2, 0, 12);
		assert_int_equal(ring_peek(r.ring, &req), -EINVAL);
		assert_int_equal(req.id, 2);
		ring_take(r.ring);
		rig_req(&r, g->read, 3, 0, 0);
		assert_int_equal(ring_peek(r.ring, &req), -EINVAL);
		ring_take(r.ring);
		rig_req(&r, g->flush, 4, 0, 255);
		assert_int_equal(ring_peek(r.ring, &req), -EINVAL);
		rig_free(&r);
	}
}

static void a_segment_stays_in_its_page(void **state)
{
	static const struct {
		uint8_t first, last;
		int rc;
	} cases[] = { { 0, 7, 1 },        { 7, 7, 1 },
		      { 0, 8, -EINVAL },  { 3, 2, -EINVAL },
		      { 8, 8, -EINVAL },  { 0, 255, -EINVAL },
		      { 255, 0, -EINVAL } };
	struct ring_req req;

	(void)state;
	FOR_GOLDENS(g)
	{
		for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
			struct rig r = rig_new(g, 0);
			uint8_t *s = rig_req(&r, g->write, 1, 0, 3);

			s[g->segs + 16 + 4] = cases[i].first;
			s[g->segs + 16 + 5] = cases[i].last;
			assert_int_equal(ring_peek(r.ring, &req), cases[i].rc);
			rig_free(&r);
		}
	}
}

static void sectors_do_not_wrap(void **state)
{
	struct ring_req req;

	(void)state;
	FOR_GOLDENS(g)
	{
		struct rig r = rig_new(g, 0);

		rig_req(&r, g->read, 1, UINT64_MAX - 7, 1);
		assert_int_equal(ring_peek(r.ring, &req), -EINVAL);
		ring_take(r.ring);
		rig_req(&r, g->read, 1, UINT64_MAX - 8, 1);
		assert_int_equal(ring_peek(r.ring, &req), 1);
		ring_take(r.ring);
		front_discard(&r.f, 1, 2, UINT64_MAX - 1);
		front_push(&r.f);
		assert_int_equal(ring_peek(r.ring, &req), -EINVAL);
		rig_free(&r);
	}
}

static void a_flush_without_data_may_have_any_sector(void **state)
{
	struct ring_req req;

	(void)state;
	FOR_GOLDENS(g)
	{
		struct rig r = rig_new(g, 0);

		rig_req(&r, g->flush, 5, UINT64_MAX, 0);
		assert_int_equal(ring_peek(r.ring, &req), 1);
		assert_int_equal(req.op, RING_FLUSH);
		assert_int_equal(req.sector, 0);
		assert_int_equal(req.sectors, 0);
		ring_take(r.ring);
		if (g->proto != RING_BLKTAP2) {
			rig_req(&r, g->barrier, 6, UINT64_MAX, 0);
			assert_int_equal(ring_peek(r.ring, &req), 1);
			assert_int_equal(req.op, RING_BARRIER);
		}
		rig_free(&r);
	}
}

static void a_discard_may_be_as_large_as_a_disk(void **state)
{
	struct ring_req req;

	(void)state;
	FOR_GOLDENS(g)
	{
		struct rig r = rig_new(g, 0);
		uint8_t *s = front_discard(&r.f, 5, 8, 1ull << 40);

		s[1] = 1; /* secure: a flag, not a count */
		front_push(&r.f);
		assert_int_equal(ring_peek(r.ring, &req), 1);
		assert_int_equal(req.op, RING_DISCARD);
		assert_int_equal(req.sector, 8);
		assert_true(req.sectors == 1ull << 40);
		assert_int_equal(req.nr_segs, 0);
		assert_int_equal(req.answer_op, g->discard);
		rig_free(&r);
	}
}

static void unknown_operations_can_be_answered(void **state)
{
	struct ring_req req;

	(void)state;
	FOR_GOLDENS(g)
	{
		for (unsigned op = 4; op < 256; op++) {
			struct rig r = rig_new(g, 0);

			rig_req(&r, op, 77, 0, 1);
			if (op != g->discard && op != g->indirect) {
				assert_int_equal(ring_peek(r.ring, &req),
						 -EOPNOTSUPP);
				assert_int_equal(req.id, 77);
				assert_int_equal(req.answer_op, op);
			}
			rig_free(&r);
		}
	}
}

static void an_indirect_request_names_its_inner_operation(void **state)
{
	struct ring_req req;

	(void)state;
	FOR_GUESTS(g)
	{
		struct rig r = rig_new(g, 0);

		rig_indirect(&r, g->write, 256);
		assert_int_equal(ring_peek(r.ring, &req), 1);
		assert_true(req.indirect);
		assert_int_equal(req.op, RING_WRITE);
		assert_int_equal(req.answer_op, g->write);
		assert_int_equal(req.id, 9);
		assert_int_equal(req.sector, 64);
		assert_int_equal(req.nr_segs, 256);
		assert_int_equal(req.indirect_grefs[0], 50);
		assert_int_equal(req.indirect_grefs[7], 57);
		ring_take(r.ring);
		for (unsigned inner = 2; inner < 8; inner++) {
			rig_indirect(&r, inner, 4);
			assert_int_equal(ring_peek(r.ring, &req), -EINVAL);
			assert_int_equal(req.answer_op, inner);
			ring_take(r.ring);
		}
		rig_indirect(&r, g->read, 0);
		assert_int_equal(ring_peek(r.ring, &req), -EINVAL);
		ring_take(r.ring);
		rig_indirect(&r, g->read, 257);
		assert_int_equal(ring_peek(r.ring, &req), -EINVAL);
		ring_take(r.ring);
		rig_indirect(&r, g->read, 0x0101); /* 16 bits, not 8 */
		assert_int_equal(ring_peek(r.ring, &req), -EINVAL);
		rig_free(&r);
	}
}

static void indirect_segments_are_checked_as_direct_ones(void **state)
{
	struct rig r = rig_new(&front_layouts[2], 0);
	uint8_t pages[256 * 8];
	struct ring_req req;

	(void)state;
	rig_indirect(&r, 0, 256);
	assert_int_equal(ring_peek(r.ring, &req), 1);
	for (unsigned i = 0; i < 256; i++)
		front_indirect_seg(pages, i, 1000 + i, 0, 7);
	assert_int_equal(ring_indirect(&req, pages, sizeof(pages)), 0);
	assert_int_equal(req.sectors, 2048);
	assert_int_equal(req.segs[255].gref, 1255);
	assert_int_equal(ring_indirect(&req, pages, sizeof(pages) - 1),
			 -EINVAL);
	pages[8 * 255 + 5] = 8;
	assert_int_equal(ring_indirect(&req, pages, sizeof(pages)), -EINVAL);
	pages[8 * 255 + 5] = 7;
	req.sector = UINT64_MAX - 100;
	assert_int_equal(ring_indirect(&req, pages, sizeof(pages)), -EINVAL);
	rig_free(&r);
}

static void a_producer_more_than_a_ring_ahead_ends_the_ring(void **state)
{
	struct ring_req req;

	(void)state;
	FOR_GOLDENS(g)
	{
		struct rig r = rig_new(g, 0);

		front_put(&r.f, FRONT_REQ_PROD, 33);
		assert_int_equal(ring_peek(r.ring, &req), -EPROTO);
		front_put(&r.f, FRONT_REQ_PROD, 32);
		memset(r.pages + 64, 0xff, PAGE - 64);
		assert_int_equal(ring_peek(r.ring, &req), -EOPNOTSUPP);
		rig_free(&r);
	}
}

static void a_producer_that_goes_back_ends_the_ring(void **state)
{
	struct rig r = rig_new(&front_layouts[0], 0);
	struct ring_req req;

	(void)state;
	rig_req(&r, 0, 1, 0, 1);
	rig_req(&r, 0, 2, 0, 1);
	assert_int_equal(ring_peek(r.ring, &req), 1);
	ring_take(r.ring);
	assert_int_equal(ring_peek(r.ring, &req), 1);
	ring_take(r.ring);
	front_put(&r.f, FRONT_REQ_PROD, 1);
	assert_int_equal(ring_peek(r.ring, &req), -EPROTO);
	rig_free(&r);
}

static void the_answers_index_is_ours_alone(void **state)
{
	struct rig r = rig_new(&front_layouts[0], 0);
	struct ring_req req;

	(void)state;
	rig_req(&r, 0, 1, 0, 1);
	assert_int_equal(ring_peek(r.ring, &req), 1);
	ring_take(r.ring);
	front_put(&r.f, FRONT_RSP_PROD, 1000);
	assert_int_equal(ring_peek(r.ring, &req), 0);
	ring_answer(r.ring, 1, 0, 0);
	assert_true(ring_push(r.ring));
	assert_int_equal(front_get(&r.f, FRONT_RSP_PROD), 1);
	rig_free(&r);
}

static void arming_tells_of_what_came_meanwhile(void **state)
{
	struct rig r = rig_new(&front_layouts[0], 0);
	struct ring_req req;

	(void)state;
	assert_int_equal(ring_peek(r.ring, &req), 0);
	assert_false(ring_arm(r.ring));
	assert_int_equal(front_get(&r.f, FRONT_REQ_EVENT), 1);
	rig_req(&r, 0, 1, 0, 1);
	assert_true(ring_arm(r.ring));
	assert_int_equal(ring_peek(r.ring, &req), 1);
	ring_take(r.ring);
	assert_int_equal(front_get(&r.f, FRONT_REQ_EVENT),
			 1); /* not by looking */
	assert_false(ring_arm(r.ring));
	assert_int_equal(front_get(&r.f, FRONT_REQ_EVENT), 2);
	rig_free(&r);
}

static void the_client_is_notified_only_if_it_asked(void **state)
{
	struct rig r = rig_new(&front_layouts[0], 0);
	struct ring_req req;

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		rig_req(&r, 0, i, 0, 1);
		assert_int_equal(ring_peek(r.ring, &req), 1);
		ring_take(r.ring);
	}
	front_put(&r.f, FRONT_RSP_EVENT, 3);
	ring_answer(r.ring, 0, 0, 0);
	ring_answer(r.ring, 1, 0, 0);
	assert_false(ring_push(r.ring));
	ring_answer(r.ring, 2, 0, 0);
	ring_answer(r.ring, 3, 0, 0);
	assert_true(ring_push(r.ring));
	assert_false(ring_push(r.ring)); /* nothing new */
	rig_free(&r);
}

static void a_later_process_goes_on_where_the_first_had_read(void **state)
{
	struct rig r = rig_new(&front_layouts[0], 0);
	struct ring_req req;
	struct ring *next;

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		rig_req(&r, 0, i, 0, 1);
	assert_int_equal(ring_peek(r.ring, &req), 1);
	ring_take(r.ring);
	ring_answer(r.ring, 0, 0, 0);
	ring_push(r.ring);
	assert_int_equal(ring_new(&next, r.pages, PAGE, RING_NATIVE), 0);
	assert_int_equal(ring_seek(next, 5), -EPROTO);
	assert_int_equal(ring_seek(next, 0), -EPROTO);
	assert_int_equal(ring_seek(next, 3), 0);
	assert_int_equal(ring_peek(next, &req), 1);
	assert_int_equal(req.id, 3);
	ring_free(next);
	rig_free(&r);
}

/* A guest that writes to a request while it is being read. */
struct scribbler {
	uint32_t *slot;
	atomic_bool stop;
};

static void *scribble(void *arg)
{
	struct scribbler *s = arg;
	uint32_t v = 0;

	while (!atomic_load(&s->stop)) {
		for (unsigned i = 0; i < 112 / 4; i++)
			__atomic_store_n(s->slot + i, v, __ATOMIC_RELAXED);
		/* op 0..7, 0..15 segments, any first and last. */
		v = v * 1664525 + 1013904223;
	}
	return NULL;
}

static void what_was_checked_does_not_change(void **state)
{
	struct rig r = rig_new(&front_layouts[1], 0);
	struct scribbler s = { .slot = (uint32_t *)(void *)front_slot(&r.f,
								      0) };
	struct ring_req req;
	pthread_t thread;

	(void)state;
	front_put(&r.f, FRONT_REQ_PROD, 1);
	assert_int_equal(pthread_create(&thread, NULL, scribble, &s), 0);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t sum = 0;
		int rc = ring_peek(r.ring, &req);

		assert_true(rc == 1 || rc == -EINVAL || rc == -EOPNOTSUPP);
		if (rc != 1 || req.indirect || req.op == RING_DISCARD)
			continue;
		assert_true(req.nr_segs <= 11);
		for (unsigned k = 0; k < req.nr_segs; k++) {
			assert_true(req.segs[k].last < 8);
			assert_true(req.segs[k].first <= req.segs[k].last);
			sum += req.segs[k].last - req.segs[k].first + 1u;
		}
		assert_int_equal(sum, req.sectors);
	}
	atomic_store(&s.stop, true);
	assert_int_equal(pthread_join(thread, NULL), 0);
	rig_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test(f)
		T(fields_lie_where_each_layout_has_them),
		T(an_answer_lies_where_each_layout_has_it),
		T(a_ring_of_n_pages_has_the_entries_the_guest_expects),
		T(a_size_that_is_no_ring_is_refused),
		T(indices_wrap_and_slots_with_them),
		T(a_request_stays_until_it_is_taken),
		T(segment_counts_are_held_to_the_slot),
		T(a_segment_stays_in_its_page),
		T(sectors_do_not_wrap),
		T(a_flush_without_data_may_have_any_sector),
		T(a_discard_may_be_as_large_as_a_disk),
		T(unknown_operations_can_be_answered),
		T(an_indirect_request_names_its_inner_operation),
		T(indirect_segments_are_checked_as_direct_ones),
		T(a_producer_more_than_a_ring_ahead_ends_the_ring),
		T(a_producer_that_goes_back_ends_the_ring),
		T(the_answers_index_is_ours_alone),
		T(arming_tells_of_what_came_meanwhile),
		T(the_client_is_notified_only_if_it_asked),
		T(a_later_process_goes_on_where_the_first_had_read),
		T(what_was_checked_does_not_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
