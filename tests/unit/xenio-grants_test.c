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
	};

	log_set(no_line);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
