/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervise_test.c - many disks, and what one of them may do to the others.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"
#include "tests/lib/xenio-host.h"
#include "xenio/supervise.h"

#define DOM  5u
#define DEV  HOST_DEV
#define DEV2 (HOST_DEV + 16)

static void two_disks_go_to_their_own_tapdisks(void **state)
{
	struct host *host = *state;

	stub_disk(host_tapdisk(host, 0), 1000, 0, 0);
	stub_disk(host_tapdisk(host, 1), 2000, 0, 0);
	host_connect(host, DOM, DEV, 0);
	host_connect(host, DOM, DEV2, 1);
	assert_int_equal(host_back(host, DOM, DEV, "sectors"), 1000);
	assert_int_equal(host_back(host, DOM, DEV2, "sectors"), 2000);
	assert_int_equal(stub_last(host_tapdisk(host, 1))->u.ring.devid, DEV2);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
	assert_int_equal(stub_rings(host_tapdisk(host, 1)), 1);
}

static void a_guest_and_its_stubdomain_share_a_tapdisk(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	host_connect(host, DOM + 1, DEV, 0);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 2);
	host_remove(host, DOM, DEV);
	host_run(host);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
	assert_int_equal(host_back(host, DOM + 1, DEV, "state"), 4);
}

static void domain_0_is_a_guest_too(void **state)
{
	struct host *host = *state;

	host_connect(host, 0, DEV, 0);
	assert_int_equal(stub_last(host_tapdisk(host, 0))->u.ring.domid, 0);
	host_unplug(host, 0, DEV);
	host_front(host, 0, DEV, 6);
	host_run(host);
	assert_int_equal(host_back(host, 0, DEV, "state"), 6);
}

static void a_hung_tapdisk_concerns_its_own_disk(void **state)
{
	struct host *host = *state;

	stub_hang(host_tapdisk(host, 0), WIRE_DISK_INFO);
	host_create(host, DOM, DEV, "w");
	host_plug(host, DOM, DEV, 0);
	host_ring(host, DOM, DEV, 8);
	host_run(host);
	assert_int_equal(host_back(host, DOM, DEV, "state"), 2);
	host_connect(host, DOM, DEV2, 1);
	assert_int_equal(host_back(host, DOM, DEV, "state"), 2);
}

static void a_disk_can_be_plugged_a_hundred_times(void **state)
{
	struct host *host = *state;

	for (unsigned i = 0; i < 100; i++) {
		host_connect(host, DOM, DEV, 0);
		host_unplug(host, DOM, DEV);
		host_front(host, DOM, DEV, 6);
		host_run(host);
		assert_int_equal(host_back(host, DOM, DEV, "state"), 6);
		host_remove(host, DOM, DEV);
		host_run(host);
	}
	assert_int_equal(supervise_count(host->sv), 0);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_DISCONNECT),
			 100);
	assert_int_equal(xen_fake_watches(host->fake), 4);
}

/* Removed and made again before anybody looked. */
static void a_disk_replaced_at_once_is_a_new_one(void **state)
{
	struct host *host = *state;

	stub_disk(host_tapdisk(host, 1), 3000, 0, 0);
	for (unsigned i = 0; i < 10; i++) {
		host_connect(host, DOM, DEV, i % 2);
		host_remove(host, DOM, DEV);
	}
	host_run(host);
	assert_int_equal(supervise_count(host->sv), 0);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
	assert_int_equal(stub_rings(host_tapdisk(host, 1)), 0);
}

static void a_storm_of_states_costs_a_bounded_number_of_looks(void **state)
{
	struct host *host = *state;
	unsigned before;

	host_connect(host, DOM, DEV, 0);
	host_connect(host, DOM + 1, DEV, 0);
	before = xen_fake_count(host->fake, XEN_FAKE_BEGIN);
	for (unsigned ms = 0; ms < 2000; ms += 10) {
		for (int i = 0; i < 20; i++)
			host_front(host, DOM, DEV, i % 9);
		host_pass(host, 10);
	}
	/* 4000 changes, 200 of them seen if there were no limit. */
	assert_true(xen_fake_count(host->fake, XEN_FAKE_BEGIN) - before < 150);
	/* The other guest's disk is served in the middle of it. */
	host_unplug(host, DOM + 1, DEV);
	for (int i = 0; i < 1000; i++)
		host_front(host, DOM, DEV, 3 + i % 3);
	host_front(host, DOM + 1, DEV, 6);
	host_pass(host, 50);
	assert_int_equal(host_back(host, DOM + 1, DEV, "state"), 6);
	/* And the storm's own converges when it is over. */
	host_front(host, DOM, DEV, 6);
	host_pass(host, 1000);
	assert_int_equal(host_back(host, DOM, DEV, "state"), 6);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
}

/* The toolstack removes the disk just before the nth transaction. */
static struct {
	int (*begin)(struct xen *xen, uint32_t *tx);
	struct host *host;
	unsigned left;
} removal;

static int begin_after_removal(struct xen *xen, uint32_t *tx)
{
	if (removal.left && --removal.left == 0)
		host_remove(removal.host, DOM, DEV);
	return removal.begin(xen, tx);
}

static void a_late_write_does_not_make_the_directory_anew(void **state)
{
	struct host *host = *state;
	struct xen *xen = xen_fake_xen(host->fake);

	removal.host = host;
	removal.begin = xen->begin;
	xen->begin = begin_after_removal;
	for (unsigned n = 1; n < 10; n++) {
		host_create(host, DOM, DEV, "w");
		host_plug(host, DOM, DEV, 0);
		host_ring(host, DOM, DEV, 8);
		removal.left = n;
		host_pass(host, 2000);
		assert_true(removal.left == 0 || n > 5);
		if (removal.left)
			host_remove(host, DOM, DEV);
		removal.left = 0;
		host_pass(host, 2000);
		assert_int_equal(
			xen_fake_nodes(host->fake,
				       "/local/domain/0/backend/vbd3/5"),
			0);
		assert_int_equal(
			xen_fake_nodes(host->fake, "/local/domain/0/error"), 0);
		assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
		assert_int_equal(supervise_count(host->sv), 0);
	}
	xen->begin = removal.begin;
}

static void a_transaction_that_conflicts_is_done_again(void **state)
{
	struct host *host = *state;

	for (unsigned n = 1; n < 30; n++) {
		host_create(host, DOM, DEV, "w");
		host_plug(host, DOM, DEV, 0);
		host_ring(host, DOM, DEV, 8);
		xen_fake_conflicts(host->fake, n);
		host_pass(host, 2000);
		assert_int_equal(host_back(host, DOM, DEV, "state"), 4);
		assert_int_equal(xen_fake_transactions(host->fake), 0);
		host_remove(host, DOM, DEV);
		host_pass(host, 1000);
		assert_int_equal(supervise_count(host->sv), 0);
	}
}

/* Any call of the store's that fails once is made good. */
static void one_failure_of_the_store_is_survived(void **state)
{
	static const enum xen_fake_call calls[] = {
		XEN_FAKE_BEGIN, XEN_FAKE_END,    XEN_FAKE_READ,
		XEN_FAKE_WRITE, XEN_FAKE_REMOVE, XEN_FAKE_WATCH,
	};
	struct host *host = *state;

	for (unsigned c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		for (unsigned n = 1; n < 200; n += n < 20 ? 1 : 7) {
			xen_fake_fail(host->fake, calls[c], n, -EIO);
			host_create(host, DOM, DEV, "w");
			host_plug(host, DOM, DEV, 0);
			host_ring(host, DOM, DEV, 8);
			host_pass(host, 4000);
			assert_int_equal(host_back(host, DOM, DEV, "state"), 4);
			host_remove(host, DOM, DEV);
			host_pass(host, 4000);
			assert_int_equal(supervise_count(host->sv), 0);
			assert_int_equal(xen_fake_transactions(host->fake), 0);
			xen_fake_fail(host->fake, XEN_FAKE_ANY, 0, 0);
		}
	}
}

static void another_name_is_served_as_well(void **state)
{
	struct host *host = *state;

	host->type = "xenio";
	host_connect(host, DOM, DEV, 0);
	host->type = "vbd3";
	host_connect(host, DOM, DEV, 1);
	assert_int_equal(supervise_count(host->sv), 2);
}

static void other_backends_are_left_alone(void **state)
{
	struct host *host = *state;

	host->type = "vbd";
	host_create(host, DOM, DEV, "w");
	host_run(host);
	assert_int_equal(host_back(host, DOM, DEV, "state"), 1);
	host->type = "vbd3x";
	host_create(host, DOM, DEV, "w");
	host_run(host);
	assert_int_equal(host_back(host, DOM, DEV, "state"), 1);
	assert_int_equal(supervise_count(host->sv), 0);
}

static void names_that_are_no_numbers_are_left_alone(void **state)
{
	static const char *const paths[] = {
		"/local/domain/0/backend/vbd3/x/51712/frontend",
		"/local/domain/0/backend/vbd3/5/x/frontend",
		"/local/domain/0/backend/vbd3/-1/1/frontend",
		"/local/domain/0/backend/vbd3/99999/1/frontend",
		"/local/domain/0/backend/vbd3/5/99999999999/frontend",
		"/local/domain/0/backend/vbd3/5",
		"/local/domain/0/backend/vbd3//x",
	};
	struct host *host = *state;

	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		(void)xen_fake_write(host->fake, 0, paths[i], "/a");
	host_run(host);
	assert_int_equal(supervise_count(host->sv), 0);
	host_stop(host);
	host_start(host);
	host_run(host);
	assert_int_equal(supervise_count(host->sv), 0);
}

static void disks_that_were_there_before_are_found(void **state)
{
	struct host *host = *state;

	host_stop(host);
	host_create(host, DOM, DEV, "w");
	host_create(host, DOM + 1, DEV, "r");
	host_start(host);
	host_run(host);
	assert_int_equal(supervise_count(host->sv), 2);
	assert_int_equal(host_back(host, DOM, DEV, "state"), 2);
	assert_int_equal(host_back(host, DOM + 1, DEV, "state"), 2);
}

static void one_domain_alone_can_be_served(void **state)
{
	struct host *host = *state;

	host_stop(host);
	host->only = DOM;
	host_create(host, DOM + 1, DEV, "w");
	host_start(host);
	host_create(host, DOM, DEV, "w");
	host_run(host);
	assert_int_equal(supervise_count(host->sv), 1);
	assert_int_equal(host_back(host, DOM, DEV, "state"), 2);
	assert_int_equal(host_back(host, DOM + 1, DEV, "state"), 1);
}

/* Order 0 says nothing of pages; a guest that asks for more is refused. */
static void what_is_not_advertised_is_not_taken(void **state)
{
	struct host *host = *state;

	host_stop(host);
	host->limit_order = 0;
	host_start(host);
	host_create(host, DOM, DEV, "w");
	host_plug(host, DOM, DEV, 0);
	host_run(host);
	assert_int_equal(host_back(host, DOM, DEV, "max-ring-page-order"), -1);
	assert_int_equal(host_back(host, DOM, DEV, "max-ring-pages"), -1);
	host_set_front(host, DOM, DEV, "ring-page-order", "1");
	host_ring(host, DOM, DEV, 8);
	host_run(host);
	assert_int_equal(host_back(host, DOM, DEV, "state"), 5);
	assert_int_equal(host_error(host, DOM, DEV), EINVAL);
}

static int in_driver_domain(void **state)
{
	struct host *host;

	(void)host_setup(state);
	host = *state;
	host_stop(host);
	host->domid = 3;
	host_start(host);
	return 0;
}

static void a_driver_domain_removes_the_directory_itself(void **state)
{
	struct host *host = *state;

	host_connect(host, DOM, DEV, 0);
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(xen_fake_nodes(host->fake,
					"/local/domain/3/backend/vbd3/5/51712"),
			 0);
	assert_int_equal(supervise_count(host->sv), 0);
}

#define on_host(test)                                                          \
	cmocka_unit_test_setup_teardown(test, host_setup, host_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_host(two_disks_go_to_their_own_tapdisks),
		on_host(a_guest_and_its_stubdomain_share_a_tapdisk),
		on_host(domain_0_is_a_guest_too),
		on_host(a_hung_tapdisk_concerns_its_own_disk),
		on_host(a_disk_can_be_plugged_a_hundred_times),
		on_host(a_disk_replaced_at_once_is_a_new_one),
		on_host(a_storm_of_states_costs_a_bounded_number_of_looks),
		on_host(a_late_write_does_not_make_the_directory_anew),
		on_host(a_transaction_that_conflicts_is_done_again),
		on_host(one_failure_of_the_store_is_survived),
		on_host(another_name_is_served_as_well),
		on_host(other_backends_are_left_alone),
		on_host(names_that_are_no_numbers_are_left_alone),
		on_host(disks_that_were_there_before_are_found),
		on_host(one_domain_alone_can_be_served),
		on_host(what_is_not_advertised_is_not_taken),
		cmocka_unit_test_setup_teardown(
			a_driver_domain_removes_the_directory_itself,
			in_driver_domain, host_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
