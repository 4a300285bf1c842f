/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervise_test.c - many disks, and what one of them may do to the others.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lib/test.h"
#include "tests/lib/xenio-rig.h"
#include "xenio/supervise.h"

#define DOM  5u
#define DEV  RIG_DEV
#define DEV2 (RIG_DEV + 16)

static void two_disks_go_to_their_own_tapdisks(void **state)
{
	struct rig *rig = *state;

	stub_disk(rig_tapdisk(rig, 0), 1000, 0, 0);
	stub_disk(rig_tapdisk(rig, 1), 2000, 0, 0);
	rig_connect(rig, DOM, DEV, 0);
	rig_connect(rig, DOM, DEV2, 1);
	assert_int_equal(rig_back(rig, DOM, DEV, "sectors"), 1000);
	assert_int_equal(rig_back(rig, DOM, DEV2, "sectors"), 2000);
	assert_int_equal(stub_last(rig_tapdisk(rig, 1))->u.ring.devid, DEV2);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 1);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 1)), 1);
}

static void a_guest_and_its_stubdomain_share_a_tapdisk(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	rig_connect(rig, DOM + 1, DEV, 0);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 2);
	rig_remove(rig, DOM, DEV);
	rig_run(rig);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 1);
	assert_int_equal(rig_back(rig, DOM + 1, DEV, "state"), 4);
}

static void domain_0_is_a_guest_too(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, 0, DEV, 0);
	assert_int_equal(stub_last(rig_tapdisk(rig, 0))->u.ring.domid, 0);
	rig_unplug(rig, 0, DEV);
	rig_front(rig, 0, DEV, 6);
	rig_run(rig);
	assert_int_equal(rig_back(rig, 0, DEV, "state"), 6);
}

static void a_hung_tapdisk_concerns_its_own_disk(void **state)
{
	struct rig *rig = *state;

	stub_hang(rig_tapdisk(rig, 0), WIRE_DISK_INFO);
	rig_create(rig, DOM, DEV, "w");
	rig_plug(rig, DOM, DEV, 0);
	rig_ring(rig, DOM, DEV, 8);
	rig_run(rig);
	assert_int_equal(rig_back(rig, DOM, DEV, "state"), 2);
	rig_connect(rig, DOM, DEV2, 1);
	assert_int_equal(rig_back(rig, DOM, DEV, "state"), 2);
}

static void a_disk_can_be_plugged_a_hundred_times(void **state)
{
	struct rig *rig = *state;

	for (unsigned i = 0; i < 100; i++) {
		rig_connect(rig, DOM, DEV, 0);
		rig_unplug(rig, DOM, DEV);
		rig_front(rig, DOM, DEV, 6);
		rig_run(rig);
		assert_int_equal(rig_back(rig, DOM, DEV, "state"), 6);
		rig_remove(rig, DOM, DEV);
		rig_run(rig);
	}
	assert_int_equal(supervise_count(rig->sv), 0);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
	assert_int_equal(stub_count(rig_tapdisk(rig, 0), WIRE_DISCONNECT), 100);
	assert_int_equal(xen_fake_watches(rig->fake), 3);
}

/* Removed and made again before anybody looked. */
static void a_disk_replaced_at_once_is_a_new_one(void **state)
{
	struct rig *rig = *state;

	stub_disk(rig_tapdisk(rig, 1), 3000, 0, 0);
	for (unsigned i = 0; i < 10; i++) {
		rig_connect(rig, DOM, DEV, i % 2);
		rig_remove(rig, DOM, DEV);
	}
	rig_run(rig);
	assert_int_equal(supervise_count(rig->sv), 0);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 1)), 0);
}

static void a_storm_of_states_costs_a_bounded_number_of_looks(void **state)
{
	struct rig *rig = *state;
	unsigned before;

	rig_connect(rig, DOM, DEV, 0);
	rig_connect(rig, DOM + 1, DEV, 0);
	before = xen_fake_count(rig->fake, XEN_FAKE_BEGIN);
	for (unsigned ms = 0; ms < 2000; ms += 10) {
		for (int i = 0; i < 20; i++)
			rig_front(rig, DOM, DEV, i % 9);
		rig_pass(rig, 10);
	}
	/* 4000 changes; a look is one transaction, an act at most three. */
	assert_true(xen_fake_count(rig->fake, XEN_FAKE_BEGIN) - before <
		    2 * 40 * 4);
	/* The other guest's disk is served in the middle of it. */
	rig_unplug(rig, DOM + 1, DEV);
	for (int i = 0; i < 1000; i++)
		rig_front(rig, DOM, DEV, 3 + i % 3);
	rig_front(rig, DOM + 1, DEV, 6);
	rig_pass(rig, 50);
	assert_int_equal(rig_back(rig, DOM + 1, DEV, "state"), 6);
	/* And the storm's own converges when it is over. */
	rig_front(rig, DOM, DEV, 6);
	rig_pass(rig, 1000);
	assert_int_equal(rig_back(rig, DOM, DEV, "state"), 6);
	assert_int_equal(stub_rings(rig_tapdisk(rig, 0)), 0);
}

static void a_transaction_that_conflicts_is_done_again(void **state)
{
	struct rig *rig = *state;

	for (unsigned n = 1; n < 30; n++) {
		rig_create(rig, DOM, DEV, "w");
		rig_plug(rig, DOM, DEV, 0);
		rig_ring(rig, DOM, DEV, 8);
		xen_fake_conflicts(rig->fake, n);
		rig_pass(rig, 2000);
		assert_int_equal(rig_back(rig, DOM, DEV, "state"), 4);
		assert_int_equal(xen_fake_transactions(rig->fake), 0);
		rig_remove(rig, DOM, DEV);
		rig_pass(rig, 1000);
		assert_int_equal(supervise_count(rig->sv), 0);
	}
}

/* Any call of the store's that fails once is made good. */
static void one_failure_of_the_store_is_survived(void **state)
{
	static const enum xen_fake_call calls[] = {
		XEN_FAKE_BEGIN, XEN_FAKE_END,    XEN_FAKE_READ,
		XEN_FAKE_WRITE, XEN_FAKE_REMOVE, XEN_FAKE_WATCH,
	};
	struct rig *rig = *state;

	for (unsigned c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		for (unsigned n = 1; n < 200; n += n < 20 ? 1 : 7) {
			xen_fake_fail(rig->fake, calls[c], n, -EIO);
			rig_create(rig, DOM, DEV, "w");
			rig_plug(rig, DOM, DEV, 0);
			rig_ring(rig, DOM, DEV, 8);
			rig_pass(rig, 4000);
			assert_int_equal(rig_back(rig, DOM, DEV, "state"), 4);
			rig_remove(rig, DOM, DEV);
			rig_pass(rig, 4000);
			assert_int_equal(supervise_count(rig->sv), 0);
			assert_int_equal(xen_fake_transactions(rig->fake), 0);
			xen_fake_fail(rig->fake, XEN_FAKE_ANY, 0, 0);
		}
	}
}

static void another_name_is_served_as_well(void **state)
{
	struct rig *rig = *state;

	rig->type = "xenio";
	rig_connect(rig, DOM, DEV, 0);
	rig->type = "vbd3";
	rig_connect(rig, DOM, DEV, 1);
	assert_int_equal(supervise_count(rig->sv), 2);
}

static void other_backends_are_left_alone(void **state)
{
	struct rig *rig = *state;

	rig->type = "vbd";
	rig_create(rig, DOM, DEV, "w");
	rig_run(rig);
	assert_int_equal(rig_back(rig, DOM, DEV, "state"), 1);
	rig->type = "vbd3x";
	rig_create(rig, DOM, DEV, "w");
	rig_run(rig);
	assert_int_equal(rig_back(rig, DOM, DEV, "state"), 1);
	assert_int_equal(supervise_count(rig->sv), 0);
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
	struct rig *rig = *state;

	for (unsigned i = 0; i < sizeof(paths) / sizeof(paths[0]); i++)
		(void)xen_fake_write(rig->fake, 0, paths[i], "/a");
	rig_run(rig);
	assert_int_equal(supervise_count(rig->sv), 0);
	rig_stop(rig);
	rig_start(rig);
	rig_run(rig);
	assert_int_equal(supervise_count(rig->sv), 0);
}

static void disks_that_were_there_before_are_found(void **state)
{
	struct rig *rig = *state;

	rig_stop(rig);
	rig_create(rig, DOM, DEV, "w");
	rig_create(rig, DOM + 1, DEV, "r");
	rig_start(rig);
	rig_run(rig);
	assert_int_equal(supervise_count(rig->sv), 2);
	assert_int_equal(rig_back(rig, DOM, DEV, "state"), 2);
	assert_int_equal(rig_back(rig, DOM + 1, DEV, "state"), 2);
}

static int in_driver_domain(void **state)
{
	struct rig *rig;

	(void)rig_setup(state);
	rig = *state;
	rig_stop(rig);
	rig->domid = 3;
	rig_start(rig);
	return 0;
}

static void a_driver_domain_removes_the_directory_itself(void **state)
{
	struct rig *rig = *state;

	rig_connect(rig, DOM, DEV, 0);
	rig_unplug(rig, DOM, DEV);
	rig_front(rig, DOM, DEV, 6);
	rig_run(rig);
	assert_int_equal(xen_fake_nodes(rig->fake,
					"/local/domain/3/backend/vbd3/5/51712"),
			 0);
	assert_int_equal(supervise_count(rig->sv), 0);
}

#define on_rig(test)                                                           \
	cmocka_unit_test_setup_teardown(test, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_rig(two_disks_go_to_their_own_tapdisks),
		on_rig(a_guest_and_its_stubdomain_share_a_tapdisk),
		on_rig(domain_0_is_a_guest_too),
		on_rig(a_hung_tapdisk_concerns_its_own_disk),
		on_rig(a_disk_can_be_plugged_a_hundred_times),
		on_rig(a_disk_replaced_at_once_is_a_new_one),
		on_rig(a_storm_of_states_costs_a_bounded_number_of_looks),
		on_rig(a_transaction_that_conflicts_is_done_again),
		on_rig(one_failure_of_the_store_is_survived),
		on_rig(another_name_is_served_as_well),
		on_rig(other_backends_are_left_alone),
		on_rig(names_that_are_no_numbers_are_left_alone),
		on_rig(disks_that_were_there_before_are_found),
		cmocka_unit_test_setup_teardown(
			a_driver_domain_removes_the_directory_itself,
			in_driver_domain, rig_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
