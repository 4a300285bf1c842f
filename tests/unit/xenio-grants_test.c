/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio-grants_test.c - a guest whose pages stay mapped.
 */
#include "tests/unit/xenio-rig.h"

#include "xenio/grants.h"

static struct rig *up_kept(void)
{
	struct rig *r = rig_new();

	r->connect.persistent = true;
	assert_int_equal(rig_open(r, 0, X64, 0), 0);
	rig_start(r, 0);
	rig_turn(r);
	return r;
}

/* One request of n pages; its answer. */
static void ask(struct rig *r, unsigned op, uint64_t sector, unsigned n,
		int status)
{
	front_req(&r->front[0], op, 5, sector, n, DATA_GREF);
	rig_kick(r, 0);
	rig_serve(r);
	rig_expect(r, 0, 5, op, status);
}

static unsigned copies(struct rig *r)
{
	return xen_fake_count(r->fake, XEN_FAKE_COPY);
}

static void a_page_is_copied_by_xen_once_and_then_stays_mapped(void **state)
{
	struct rig *r = up_kept();
	unsigned ring = xen_fake_mapped(r->fake), before = copies(r);

	(void)state;
	for (unsigned round = 1; round < 5; round++) {
		memset(r->data, (int)round, 3 * PAGE);
		ask(r, 1, 64, 3, RING_OKAY);
		assert_memory_equal(r->disk + 64 * 512, r->data, 3 * PAGE);
		assert_int_equal(xen_fake_mapped(r->fake), ring + 3);
		memset(r->disk, (int)round + 100, 3 * PAGE);
		ask(r, 0, 0, 3, RING_OKAY);
		assert_memory_equal(r->data, r->disk, 3 * PAGE);
	}
	assert_int_equal(copies(r), before + 1);
	rig_free(r); /* nothing of the guest's is mapped then */
}

static void a_guest_that_gives_up_its_pages_is_copied_for(void **state)
{
	struct rig *r = up_kept();
	unsigned maps = xen_fake_count(r->fake, XEN_FAKE_MAP);

	(void)state;
	/* Pages of a write may be read-only: they are no persistent ones. */
	xen_fake_grant(r->fake, GUEST, DATA_GREF, 16 * RINGS, false);
	for (unsigned i = 0; i < 20; i++) {
		r->data[0] = (uint8_t)i;
		ask(r, 1, 0, 1, RING_OKAY);
		assert_int_equal(r->disk[0], i);
	}
	/* It is not tried for ever. */
	assert_true(xen_fake_count(r->fake, XEN_FAKE_MAP) <= maps + 8);
	ask(r, 0, 0, 1, RING_ERROR);
	rig_free(r);
}

static void without_the_guests_word_nothing_stays_mapped(void **state)
{
	struct rig *r = rig_up(X64);
	unsigned ring = xen_fake_mapped(r->fake);

	(void)state;
	ask(r, 1, 64, 3, RING_OKAY);
	assert_int_equal(xen_fake_mapped(r->fake), ring);
	rig_free(r);
}

/* --- the guest's pages are the disk's buffers ----------------------------- */

/* Have Xen copy once, so that so many pages are mapped. */
static void map_pages(struct rig *r, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		front_req(&r->front[0], 0, 5, 0, 1, DATA_GREF + i);
		rig_kick(r, 0);
		rig_serve(r);
		rig_expect(r, 0, 5, 0, RING_OKAY);
	}
}

static void *page_of(struct rig *r, unsigned n)
{
	return r->data + (size_t)n * PAGE;
}

static void ask_at(struct rig *r, unsigned page)
{
	front_req(&r->front[0], 0, 5, 0, 1, DATA_GREF + page);
	rig_kick(r, 0);
	rig_answer(r, 0, rig_held(r, 0, rig_count(r, 0) - 1), 0);
	rig_turn(r);
	rig_expect(r, 0, 5, 0, RING_OKAY);
}

/* Is the data of the nth request that the disk holds the guest's own page? */
static bool is_shared(struct rig *r, unsigned n, unsigned page)
{
	struct req *req = rig_held(r, 0, n);
	uint8_t *guest = page_of(r, page), seen;

	*guest = 1;
	req_copy_out(req, 0, &seen, 1);
	if (seen != 1)
		return false;
	*guest = 2;
	req_copy_out(req, 0, &seen, 1);
	return seen == 2;
}

static void the_disk_is_given_the_guests_own_pages(void **state)
{
	struct rig *r = up_kept();
	unsigned before;

	(void)state;
	map_pages(r, 3);
	before = copies(r);
	front_req(&r->front[0], 1, 7, 64, 3, DATA_GREF);
	rig_kick(r, 0);
	assert_true(is_shared(r, 0, 0));
	memset(page_of(r, 1), 77, PAGE); /* it is the guest's own affair */
	rig_serve(r);
	rig_expect(r, 0, 7, 1, RING_OKAY);
	assert_memory_equal(r->disk + 64 * 512, r->data, 3 * PAGE);
	memset(r->disk, 55, 3 * PAGE);
	front_req(&r->front[0], 0, 8, 0, 3, DATA_GREF);
	rig_kick(r, 0);
	assert_true(is_shared(r, 0, 0));
	rig_serve(r);
	rig_expect(r, 0, 8, 0, RING_OKAY);
	assert_memory_equal(r->data, r->disk, 3 * PAGE);
	assert_int_equal(copies(r), before);
	rig_free(r);
}

static void parts_of_pages_are_given_as_they_lie(void **state)
{
	struct rig *r = up_kept();
	uint8_t *slot, want[4 * PAGE];
	size_t at = 0;
	static const uint8_t parts[][2] = { { 7, 7 }, { 0, 7 }, { 2, 5 } };

	(void)state;
	map_pages(r, 3);
	for (unsigned i = 0; i < 3 * PAGE; i++)
		r->data[i] = (uint8_t)(i / 512 + 1);
	slot = front_req(&r->front[0], 1, 7, 1, 3, DATA_GREF);
	for (unsigned i = 0; i < 3; i++) {
		unsigned len = (parts[i][1] - parts[i][0] + 1u) * 512;

		front_seg(&r->front[0], slot, i, parts[i][0], parts[i][1]);
		memcpy(want + at, (uint8_t *)page_of(r, i) + parts[i][0] * 512,
		       len);
		at += len;
	}
	rig_kick(r, 0);
	assert_int_equal(rig_held(r, 0, 0)->len, at);
	/* The first two are one piece where their pages are neighbours. */
	assert_in_range(rig_held(r, 0, 0)->iovcnt, 2, 3);
	rig_serve(r);
	rig_expect(r, 0, 7, 1, RING_OKAY);
	assert_memory_equal(r->disk + 512, want, at);
	rig_free(r);
}

/* The list of its segments is copied, and checked, before it is believed. */
static void an_indirect_request_is_given_all_its_pages(void **state)
{
	struct rig *r = up_kept();
	unsigned n = 40;

	(void)state;
	map_pages(r, n + 1);
	for (unsigned i = 0; i < n; i++) {
		front_indirect_seg(page_of(r, n), i, DATA_GREF + i, 0, 7);
		memset(page_of(r, i), (int)i + 9, PAGE);
	}
	front_indirect(&r->front[0], 1, 7, 0, n, DATA_GREF + n);
	rig_kick(r, 0);
	memset(page_of(r, n), 0xff, PAGE);
	assert_true(is_shared(r, 0, 0));
	rig_serve(r);
	rig_expect(r, 0, 7, 1, RING_OKAY);
	assert_memory_equal(r->disk, r->data, n * PAGE);
	rig_free(r);
}

static void one_page_that_is_not_mapped_makes_it_a_copy(void **state)
{
	struct rig *r = up_kept();
	unsigned ring = xen_fake_mapped(r->fake);

	(void)state;
	map_pages(r, 2);
	front_req(&r->front[0], 1, 7, 0, 3, DATA_GREF);
	rig_kick(r, 0);
	assert_false(is_shared(r, 0, 0));
	rig_serve(r);
	rig_expect(r, 0, 7, 1, RING_OKAY);
	assert_int_equal(xen_fake_mapped(r->fake), ring + 3);
	front_req(&r->front[0], 1, 8, 0, 3, DATA_GREF);
	rig_kick(r, 0);
	assert_true(is_shared(r, 0, 0));
	rig_free(r);
}

static void a_paused_disk_keeps_what_is_in_flight_and_no_more(void **state)
{
	struct rig *r = up_kept();
	unsigned ring = xen_fake_mapped(r->fake);

	(void)state;
	map_pages(r, 5);
	assert_int_equal(xen_fake_mapped(r->fake), ring + 5);
	front_req(&r->front[0], 1, 7, 0, 2, DATA_GREF);
	front_req(&r->front[0], 1, 8, 64, 2, DATA_GREF + 1);
	rig_kick(r, 0);
	rig_stop(r, 0);
	assert_int_equal(xen_fake_mapped(r->fake), ring + 3);
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	rig_expect(r, 0, 7, 1, RING_OKAY);
	assert_int_equal(xen_fake_mapped(r->fake), ring + 2);
	assert_true(is_shared(r, 0, 1));
	rig_answer(r, 0, rig_held(r, 0, 0), 0);
	rig_turn(r);
	rig_expect(r, 0, 8, 1, RING_OKAY);
	assert_int_equal(xen_fake_mapped(r->fake), ring);
	rig_start(r, 0);
	rig_turn(r);
	ask(r, 1, 0, 2, RING_OKAY);
	assert_int_equal(xen_fake_mapped(r->fake), ring + 2);
	rig_free(r);
}

/* A guest is not kept waiting for an answer while its ring is torn down. */
static void a_ring_that_dies_keeps_what_is_in_flight(void **state)
{
	struct rig *r = up_kept();
	unsigned ring = xen_fake_mapped(r->fake);

	(void)state;
	map_pages(r, 3);
	front_req(&r->front[0], 0, 7, 0, 2, DATA_GREF);
	rig_kick(r, 0);
	front_put(&r->front[0], FRONT_REQ_PROD, 1000);
	xen_fake_kick(r->fake, r->port[0]);
	rig_turn(r);
	assert_int_equal(r->core[0].dead, -EPROTO);
	assert_int_equal(xen_fake_mapped(r->fake), ring + 2);
	assert_true(is_shared(r, 0, 0));
	rig_free(r);
}

#define WHILE_NS UINT64_C(31000000000)

static void what_is_not_used_for_a_while_is_unmapped(void **state)
{
	struct rig *r = up_kept();
	unsigned ring = xen_fake_mapped(r->fake);

	(void)state;
	map_pages(r, 4);
	front_req(&r->front[0], 0, 7, 0, 1, DATA_GREF);
	rig_kick(r, 0);
	rig_later(r, WHILE_NS);
	assert_int_equal(xen_fake_mapped(r->fake), ring + 4);
	ask_at(r, 2);
	rig_later(r, WHILE_NS);
	assert_int_equal(xen_fake_mapped(r->fake), ring + 2);
	rig_later(r, WHILE_NS);
	rig_later(r, WHILE_NS);
	assert_int_equal(xen_fake_mapped(r->fake), ring + 1);
	assert_true(is_shared(r, 0, 0)); /* however long it takes */
	rig_serve(r);
	rig_expect(r, 0, 7, 0, RING_OKAY);
	rig_later(r, WHILE_NS);
	assert_int_equal(xen_fake_mapped(r->fake), ring);
	rig_free(r);
}

/* --- a disk that cannot ----------------------------------------------------
 */

static void a_disk_that_cannot_use_them_gets_a_copy(void **state)
{
	struct rig *r = up_kept();
	unsigned n = 20;

	(void)state;
	map_pages(r, n + 1);
	for (unsigned i = 0; i < n; i++)
		front_indirect_seg(page_of(r, n), i, DATA_GREF + i, 0, 7);
	memset(r->data, 9, n * PAGE);
	front_indirect(&r->front[0], 1, 7, 0, n, DATA_GREF + n);
	front_req(&r->front[0], 2, 8, 1024, 2, DATA_GREF);
	rig_kick(r, 0);
	assert_true(is_shared(r, 0, 0));
	rig_answer(r, 0, rig_held(r, 0, 0), -EFAULT);
	rig_turn(r);
	rig_expect_none(r, 0);
	assert_false(is_shared(r, 0, 0));
	memset(r->disk, 9, n * PAGE);
	*(uint8_t *)page_of(r, 0) = 9;
	req_copy_out(rig_held(r, 0, 0), 0, r->disk, n * PAGE);
	rig_serve(r);
	rig_expect(r, 0, 7, 1, RING_OKAY);
	rig_expect(r, 0, 8, 2, RING_OKAY); /* a barrier: it had to wait */
	assert_memory_equal(r->disk + PAGE, r->data + PAGE, (n - 1) * PAGE);
	memset(r->disk, 3, PAGE);
	ask(r, 0, 0, 1, RING_OKAY);
	assert_int_equal(r->data[0], 3);
	/* One that may be another image is tried again. */
	rig_stop(r, 0);
	rig_start(r, 0);
	map_pages(r, 1);
	front_req(&r->front[0], 0, 9, 0, 1, DATA_GREF);
	rig_kick(r, 0);
	assert_true(is_shared(r, 0, 0));
	rig_free(r);
}

/* If a copy is no good either, the guest is told. */
static void what_fails_with_a_copy_is_an_error(void **state)
{
	struct rig *r = up_kept();

	(void)state;
	map_pages(r, 1);
	front_req(&r->front[0], 0, 7, 0, 1, DATA_GREF);
	rig_kick(r, 0);
	rig_answer(r, 0, rig_held(r, 0, 0), -EFAULT);
	rig_turn(r);
	rig_answer(r, 0, rig_held(r, 0, 0), -EFAULT);
	rig_turn(r);
	rig_expect(r, 0, 7, 0, RING_ERROR);
	assert_int_equal(rig_count(r, 0), 0);
	rig_free(r);
}

/* --- how many ---------------------------------------------------------------
 */

#define MANY (GRANTS_MAX + 100)

static void no_more_than_so_many_pages_stay_mapped(void **state)
{
	struct xen_fake *fake = xen_fake_new();
	struct grants *g;
	unsigned mapped = 0;

	(void)state;
	xen_fake_domain(fake, GUEST, MANY);
	for (unsigned i = 0; i < MANY; i++)
		xen_fake_grant(fake, GUEST, i, i, true);
	g = grants_new(xen_fake_xen(fake), GUEST);
	for (unsigned i = 0; i < MANY; i++) {
		assert_null(grants_find(g, i));
		assert_null(grants_find(g, i)); /* and again, in one batch */
		if (i % 7 == 0)
			grants_map(g);
	}
	grants_map(g);
	for (unsigned i = 0; i < MANY; i++) {
		char *page = grants_find(g, i);

		mapped += page != NULL;
		((uint8_t *)xen_fake_memory(fake, GUEST))[i * PAGE] =
			(uint8_t)i;
		if (page)
			assert_int_equal(*page, (char)i);
	}
	assert_int_equal(mapped, GRANTS_MAX);
	assert_int_equal(xen_fake_mapped(fake), GRANTS_MAX);
	grants_free(g);
	assert_int_equal(xen_fake_mapped(fake), 0);
	xen_fake_free(fake);
}

/* Those that were used last stay; one page an area, as one a turn is. */
static void those_not_used_make_room_for_others(void **state)
{
	struct xen_fake *fake = xen_fake_new();
	struct grants *g;
	unsigned left = 0;

	(void)state;
	xen_fake_domain(fake, GUEST, MANY);
	for (unsigned i = 0; i < MANY; i++)
		xen_fake_grant(fake, GUEST, i, i, true);
	g = grants_new(xen_fake_xen(fake), GUEST);
	for (unsigned i = 0; i < GRANTS_MAX; i++) {
		assert_null(grants_find(g, i));
		grants_map(g);
	}
	assert_false(grants_full(g));
	assert_null(grants_find(g, GRANTS_MAX));
	assert_true(grants_full(g));
	grants_make_room(g); /* all were used: now they count as not */
	assert_int_equal(xen_fake_mapped(fake), GRANTS_MAX);
	assert_non_null(grants_hold(g, 5));
	for (unsigned i = 100; i < 200; i++)
		assert_non_null(grants_find(g, i));
	assert_null(grants_find(g, GRANTS_MAX));
	assert_true(grants_full(g));
	grants_make_room(g);
	assert_int_equal(xen_fake_mapped(fake), GRANTS_MAX - GRANTS_MAX / 20);
	assert_null(grants_find(g, GRANTS_MAX));
	grants_map(g);
	assert_non_null(grants_find(g, GRANTS_MAX));
	for (unsigned i = 100; i < 200; i++)
		assert_non_null(grants_find(g, i));
	/* All that are gone are found gone, and all others. */
	for (unsigned i = 0; i < GRANTS_MAX; i++)
		left += grants_find(g, i) != NULL;
	assert_int_equal(left + 1, xen_fake_mapped(fake));
	assert_int_equal(grants_drop(g), 1);
	assert_non_null(grants_find(g, 5));
	grants_let_go(g, 5);
	assert_int_equal(grants_drop(g), 0);
	grants_free(g);
	xen_fake_free(fake);
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
		T(a_page_is_copied_by_xen_once_and_then_stays_mapped),
		T(a_guest_that_gives_up_its_pages_is_copied_for),
		T(without_the_guests_word_nothing_stays_mapped),
		T(no_more_than_so_many_pages_stay_mapped),
		T(the_disk_is_given_the_guests_own_pages),
		T(parts_of_pages_are_given_as_they_lie),
		T(an_indirect_request_is_given_all_its_pages),
		T(one_page_that_is_not_mapped_makes_it_a_copy),
		T(a_paused_disk_keeps_what_is_in_flight_and_no_more),
		T(a_ring_that_dies_keeps_what_is_in_flight),
		T(what_is_not_used_for_a_while_is_unmapped),
		T(a_disk_that_cannot_use_them_gets_a_copy),
		T(what_fails_with_a_copy_is_an_error),
		T(those_not_used_make_room_for_others),
	};

	log_set(no_line);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
