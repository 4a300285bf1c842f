/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-ends_test.c - a tapdisk that no script knows goes with its disk.
 */
#include "tests/unit/mark-rig.h"
#include "xenio/supervise.h"

/* Taken over and served. */
static struct stub *served(struct host *host, bool ends)
{
	unbound_at_4(host, 8);
	if (ends)
		set(host, "xenio-ends", "1");
	ask(host, "takeover");
	host_run(host);
	assert_true(says(host, "bound"));
	no_status(host);
	set(host, "xenio-owner", "serve");
	host_run(host);
	assert_true(says(host, "active"));
	return host_tapdisk(host, 0);
}

static void a_disk_that_is_detached_takes_its_tapdisk_along(void **state)
{
	struct host *host = *state;
	struct stub *stub = served(host, true);

	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	assert_int_equal(stub_rings(stub), 0);
	assert_int_equal(stub_count(stub, WIRE_CLOSE), 1);
	assert_int_equal(stub_count(stub, WIRE_DETACH), 1);
	host_remove(host, DOM, DEV);
	host_run(host);
	assert_int_equal(supervise_count(host->sv), 0);
	assert_int_equal(stub_count(stub, WIRE_CLOSE), 1);
}

static void its_last_state_is_written_after_the_image_is_closed(void **state)
{
	struct host *host = *state;
	struct stub *stub = served(host, true);

	stub_hang(stub, WIRE_CLOSE);
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(stub_count(stub, WIRE_CLOSE), 1);
	assert_int_equal(back(host, "state"), 5);
}

static void a_disk_whose_nodes_are_gone_takes_its_tapdisk_along(void **state)
{
	struct host *host = *state;
	struct stub *stub = served(host, true);

	host_remove(host, DOM, DEV);
	host_run(host);
	assert_int_equal(stub_count(stub, WIRE_DETACH), 1);
	assert_int_equal(supervise_count(host->sv), 0);
}

static void without_the_node_a_tapdisk_stays(void **state)
{
	struct host *host = *state;
	struct stub *stub = served(host, false);

	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	assert_int_equal(stub_count(stub, WIRE_CLOSE), 0);
}

static void a_tapdisk_stays_when_the_disk_is_given_back(void **state)
{
	struct host *host = *state;
	struct stub *stub = served(host, true);

	no_status(host);
	set(host, "xenio-owner", "release");
	host_run(host);
	assert_true(says(host, "released"));
	assert_int_equal(stub_count(stub, WIRE_CLOSE), 0);
	(void)xen_fake_remove(
		host->fake, 0,
		"/local/domain/0/backend/vbd/5/51712/xenio-owner");
	host_run(host);
	assert_int_equal(stub_count(stub, WIRE_CLOSE), 0);
}

static void a_tapdisk_that_dies_while_it_ends_is_no_matter(void **state)
{
	struct host *host = *state;
	struct stub *stub = served(host, true);

	stub_hang(stub, WIRE_DETACH);
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	host_run(host);
	assert_int_equal(stub_count(stub, WIRE_DETACH), 1);
	stub_kill(stub);
	host_run(host);
	assert_int_equal(back(host, "state"), 6);
	assert_int_equal(host_error(host, DOM, DEV), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_host(a_disk_that_is_detached_takes_its_tapdisk_along),
		on_host(its_last_state_is_written_after_the_image_is_closed),
		on_host(a_disk_whose_nodes_are_gone_takes_its_tapdisk_along),
		on_host(without_the_node_a_tapdisk_stays),
		on_host(a_tapdisk_stays_when_the_disk_is_given_back),
		on_host(a_tapdisk_that_dies_while_it_ends_is_no_matter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
