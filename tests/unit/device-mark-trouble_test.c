/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-mark-trouble_test.c - markers where the kernel, the tool, the store or
 * the daemon do something else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "lib/loop.h"
#include "tests/unit/mark-rig.h"
#include "xenio/supervise.h"

static void a_driver_that_is_bound_is_waited_for(void **state)
{
	struct host *host = *state;

	unbound_at_4(host, 8);
	host_drive(host, DOM, DEV, true);
	ask(host, "takeover");
	host_pass(host, 1000);
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_HELLO), 0);
	host_drive(host, DOM, DEV, false);
	host_run(host);
	assert_true(says(host, "bound"));
	set(host, "xenio-owner", NULL);
	host_run(host);

	host_drive(host, DOM, DEV, true);
	set(host, "xenio-limit-ms", "1000");
	ask(host, "takeover");
	host_pass(host, 1500);
	assert_true(says(host, "failed: a driver "));
	host_drive(host, DOM, DEV, false);
}

static unsigned errors;

static void count_errors(enum log_level level, const char *line)
{
	(void)line;
	errors += level == LOG_LEVEL_ERROR;
}

/* It would be two who write to B. */
static void a_driver_that_comes_is_an_error_and_gets_its_way(void **state)
{
	struct host *host = *state;
	unsigned before;

	unbound_at_4(host, 8);
	ask(host, "takeover");
	host_run(host);
	set(host, "xenio-owner", "serve");
	host_run(host);
	errors = 0;
	log_set(count_errors);
	host_drive(host, DOM, DEV, true);
	set(host, "state", "2");
	before = xen_fake_count(host->fake, XEN_FAKE_WRITE);
	host_pass(host, 3000);
	assert_int_equal(errors, 1);
	assert_int_equal(xen_fake_count(host->fake, XEN_FAKE_WRITE), before);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
	host_drive(host, DOM, DEV, false);
	host_pass(host, 1500);
	assert_int_equal(back(host, "state"), 4);
}

static void a_marker_taken_away_ends_it_without_a_word(void **state)
{
	struct host *host = *state;
	unsigned before;

	unbound_at_4(host, 8);
	ask(host, "takeover");
	host_run(host);
	before = xen_fake_count(host->fake, XEN_FAKE_WRITE);
	set(host, "xenio-owner", NULL);
	host_run(host);
	assert_int_equal(xen_fake_count(host->fake, XEN_FAKE_WRITE), before);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
	assert_int_equal(supervise_count(host->sv), 0);
	assert_int_equal(back(host, "state"), 4);
}

/* The tool takes the marker away just before the nth transaction. */
static struct {
	int (*begin)(struct xen *xen, uint32_t *tx);
	struct host *host;
	unsigned left;
	unsigned writes;
} removal;

static int begin_after_removal(struct xen *xen, uint32_t *tx)
{
	if (removal.left && --removal.left == 0) {
		set(removal.host, "xenio-owner", NULL);
		removal.writes =
			xen_fake_count(removal.host->fake, XEN_FAKE_WRITE);
	}
	return removal.begin(xen, tx);
}

static void what_is_no_longer_ours_is_not_written_to(void **state)
{
	struct host *host = *state;
	struct xen *xen = xen_fake_xen(host->fake);

	removal.host = host;
	removal.begin = xen->begin;
	xen->begin = begin_after_removal;
	for (unsigned n = 1; n < 6; n++) {
		unbound_at_4(host, 8);
		removal.left = n;
		ask(host, "takeover");
		host_pass(host, 200);
		set(host, "poke", "1");
		host_pass(host, 2000);
		if (!removal.left)
			assert_int_equal(
				xen_fake_count(host->fake, XEN_FAKE_WRITE),
				removal.writes);
		else
			set(host, "xenio-owner", NULL);
		removal.left = 0;
		host_run(host);
		assert_int_equal(supervise_count(host->sv), 0);
		assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
		host_remove(host, DOM, DEV);
		host_run(host);
	}
	xen->begin = removal.begin;
}

static void a_word_that_is_none_asks_for_nothing(void **state)
{
	struct host *host = *state;

	unbound_at_4(host, 8);
	ask(host, "give");
	host_run(host);
	assert_int_equal(back(host, "xenio-status"), -1);
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(stub_count(host_tapdisk(host, 0), WIRE_HELLO), 0);
}

/* At any turn of each way, another daemon goes on where the last one was. */
static void a_daemon_killed_at_any_step_is_replaced(void **state)
{
	struct host *host = *state;
	static const char *const words[][2] = { { "takeover", "bound" },
						{ "serve", "active" },
						{ "release", "released" } };

	unbound_at_4(host, 8);
	for (unsigned turns = 1; turns < 12; turns++) {
		for (unsigned i = 0; i < 3; i++) {
			if (i)
				set(host, "xenio-owner", words[i][0]);
			else
				ask(host, "takeover");
			for (unsigned n = 0; n < turns; n++)
				(void)loop_turn(host->loop);
			host_stop(host);
			host_start(host);
			host_run(host);
			assert_true(says(host, words[i][1]));
			assert_int_equal(stub_rings(host_tapdisk(host, 0)),
					 i < 2);
		}
	}
	assert_int_equal(back(host, "state"), 4);
	assert_int_equal(xen_fake_transactions(host->fake), 0);
}

static void one_failure_of_the_store_is_survived(void **state)
{
	static const enum xen_fake_call calls[] = { XEN_FAKE_BEGIN,
						    XEN_FAKE_END, XEN_FAKE_READ,
						    XEN_FAKE_WRITE };
	struct host *host = *state;

	unbound_at_4(host, 8);
	for (unsigned c = 0; c < sizeof(calls) / sizeof(calls[0]); c++) {
		for (unsigned n = 1; n < 30; n++) {
			ask(host, "takeover");
			host_pass(host, 20);
			xen_fake_fail(host->fake, calls[c], n, -EIO);
			host_pass(host, 2500);
			assert_true(says(host, "bound"));
			set(host, "xenio-owner", "release");
			host_pass(host, 2500);
			assert_true(says(host, "released"));
			xen_fake_fail(host->fake, XEN_FAKE_ANY, 0, 0);
		}
	}
	assert_int_equal(back(host, "state"), 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_host(a_driver_that_is_bound_is_waited_for),
		on_host(a_driver_that_comes_is_an_error_and_gets_its_way),
		on_host(a_marker_taken_away_ends_it_without_a_word),
		on_host(what_is_no_longer_ours_is_not_written_to),
		on_host(a_word_that_is_none_asks_for_nothing),
		on_host(a_daemon_killed_at_any_step_is_replaced),
		on_host(one_failure_of_the_store_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
