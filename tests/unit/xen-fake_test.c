/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xen-fake_test.c - the fake behaves as Xen does where tests rely on it.
 */
#include "tests/lib/test.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/xen-fake.h"

static int setup(void **state)
{
	struct xen_fake *fake = xen_fake_new();

	xen_fake_domain(fake, 1, 4);
	*state = fake;
	return 0;
}

static int teardown(void **state)
{
	xen_fake_free(*state);
	return 0;
}

static bool readable(int fd)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	return poll(&pfd, 1, 0) == 1;
}

static void a_port_stays_silent_until_it_is_unmasked(void **state)
{
	struct xen_fake *fake = *state;
	struct xen *xen = xen_fake_xen(fake);
	uint32_t port = xen_fake_port(fake, 1);

	assert_int_equal(xen->bind(xen, 1, port), port);
	assert_true(readable(xen->evtchn_fd)); /* pending once bound */
	assert_int_equal(xen->next(xen), port);
	assert_int_equal(xen->next(xen), -EAGAIN);
	xen_fake_kick(fake, port);
	assert_false(readable(xen->evtchn_fd));
	assert_int_equal(xen->unmask(xen, &port, 1), 0);
	assert_int_equal(xen->next(xen), port);
	assert_int_equal(xen->unbind(xen, (int)port), 0);
	assert_int_equal(xen_fake_bound(fake), 0);
}

static void ports_of_others_cannot_be_bound(void **state)
{
	struct xen_fake *fake = *state;
	struct xen *xen = xen_fake_xen(fake);
	uint32_t port = xen_fake_port(fake, 1);

	assert_int_equal(xen->bind(xen, 2, port), -EINVAL);
	assert_int_equal(xen->bind(xen, 1, port + 1), -EINVAL);
	assert_int_equal(xen->bind(xen, 1, port), port);
	assert_int_equal(xen->bind(xen, 1, port), -EINVAL);
}

static void granted_pages_map_in_the_order_asked_for(void **state)
{
	struct xen_fake *fake = *state;
	struct xen *xen = xen_fake_xen(fake);
	char *memory = xen_fake_memory(fake, 1), *addr;
	const uint32_t grefs[] = { 7, 5 };

	xen_fake_grant(fake, 1, 5, 0, true);
	xen_fake_grant(fake, 1, 7, 3, true);
	addr = xen->map(xen, 1, grefs, 2, true);
	assert_non_null(addr);
	memory[0] = 'a';
	memory[3 * XEN_FAKE_PAGE] = 'd';
	assert_int_equal(addr[0], 'd');
	assert_int_equal(addr[XEN_FAKE_PAGE], 'a');
	assert_int_equal(xen_fake_mapped(fake), 2);
	assert_int_equal(xen->unmap(xen, addr, 2), 0);
	xen_fake_revoke(fake, 1, 7);
	assert_null(xen->map(xen, 1, grefs, 2, true));
	assert_int_equal(xen_fake_mapped(fake), 0);
}

static void each_piece_of_a_copy_has_its_own_error(void **state)
{
	struct xen_fake *fake = *state;
	struct xen *xen = xen_fake_xen(fake);
	char data[] = "data";
	struct xen_copy pieces[] = {
		{ data, 1, 1, 0, 4, true, 0 },
		{ data, 2, 1, 0, 4, true, 0 }, /* read-only */
		{ data, 3, 1, 0, 4, true, 0 }, /* not granted */
		{ data, 1, 1, 4093, 4, true, 0 },
	};

	xen_fake_grant(fake, 1, 1, 0, true);
	xen_fake_grant(fake, 1, 2, 1, false);
	assert_int_equal(xen->copy(xen, pieces, 4), 0);
	assert_int_equal(pieces[0].err, 0);
	assert_int_equal(pieces[1].err, -EIO);
	assert_int_equal(pieces[2].err, -EIO);
	assert_int_equal(pieces[3].err, -EIO);
	assert_memory_equal(xen_fake_memory(fake, 1), "data", 4);
}

static void the_nth_call_fails_once(void **state)
{
	struct xen_fake *fake = *state;
	struct xen *xen = xen_fake_xen(fake);

	xen_fake_fail(fake, XEN_FAKE_COPY, 2, -ENOMEM);
	assert_int_equal(xen->alive(xen, 1), 1);
	assert_int_equal(xen->copy(xen, NULL, 0), 0);
	assert_int_equal(xen->copy(xen, NULL, 0), -ENOMEM);
	assert_int_equal(xen->copy(xen, NULL, 0), 0);
	assert_true(xen_fake_failed(fake));
}

static void expect_watch(struct xen *xen, const char *path, const char *token)
{
	char **w = xen->next_watch(xen);

	assert_non_null(w);
	assert_string_equal(w[0], path);
	assert_string_equal(w[1], token);
	free(w);
}

static void a_watch_fires_at_once_and_for_what_is_below(void **state)
{
	struct xen_fake *fake = *state;
	struct xen *xen = xen_fake_xen(fake);

	assert_int_equal(xen->watch(xen, "/a/b", "t"), 0);
	assert_true(readable(xen->store_fd));
	expect_watch(xen, "/a/b", "t");
	assert_int_equal(xen_fake_write(fake, 0, "/a/b/c/d", "1"), 0);
	assert_int_equal(xen_fake_write(fake, 0, "/a/bb", "1"), 0);
	expect_watch(xen, "/a/b/c/d", "t");
	assert_int_equal(xen_fake_remove(fake, 0, "/a"), 0);
	expect_watch(xen, "/a/b", "t");
	assert_null(xen->next_watch(xen));
	assert_false(readable(xen->store_fd));
}

static void a_transaction_is_all_or_nothing(void **state)
{
	struct xen_fake *fake = *state;
	struct xen *xen = xen_fake_xen(fake);
	uint32_t tx;
	char *v;

	assert_int_equal(xen->begin(xen, &tx), 0);
	assert_int_equal(xen->write(xen, tx, "/x", "1"), 0);
	assert_null(xen->read(xen, 0, "/x"));
	assert_int_equal(xen_fake_write(fake, 0, "/y", "2"), 0);
	assert_int_equal(xen->end(xen, tx, true), -EAGAIN);
	assert_null(xen->read(xen, 0, "/x"));
	assert_int_equal(xen->begin(xen, &tx), 0);
	assert_int_equal(xen->write(xen, tx, "/x", "1"), 0);
	assert_int_equal(xen->end(xen, tx, true), 0);
	v = xen->read(xen, 0, "/x");
	assert_string_equal(v, "1");
	free(v);
	assert_int_equal(xen_fake_transactions(fake), 0);
}

static void a_guest_writes_only_what_is_its_own(void **state)
{
	struct xen_fake *fake = *state;
	struct xen *xen = xen_fake_xen(fake);
	char **names, *v;

	assert_int_equal(xen_fake_write(fake, 0, "/guest/1/state", "1"), 0);
	assert_int_equal(xen_fake_write(fake, 0, "/back/state", "1"), 0);
	xen_fake_perms(fake, "/guest/1", 1, -1);
	xen_fake_perms(fake, "/back/state", 0, 1);
	assert_int_equal(xen_fake_write(fake, 1, "/guest/1/ring", "8"), 0);
	assert_int_equal(xen_fake_write(fake, 1, "/back/state", "4"), -EACCES);
	v = xen_fake_read(fake, 1, "/back/state");
	assert_string_equal(v, "1");
	free(v);
	names = xen->list(xen, 0, "/guest/1");
	assert_string_equal(names[0], "ring");
	assert_string_equal(names[1], "state");
	assert_null(names[2]);
	free(names);
	assert_int_equal(xen_fake_nodes(fake, "/guest"), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
		T(a_port_stays_silent_until_it_is_unmasked),
		T(ports_of_others_cannot_be_bound),
		T(granted_pages_map_in_the_order_asked_for),
		T(each_piece_of_a_copy_has_its_own_error),
		T(the_nth_call_fails_once),
		T(a_watch_fires_at_once_and_for_what_is_below),
		T(a_transaction_is_all_or_nothing),
		T(a_guest_writes_only_what_is_its_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
