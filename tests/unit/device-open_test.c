/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-open_test.c - disks whose tapdisk the daemon starts itself.
 *
 * The opener is a script that notes how it was called and waits to be let go,
 * so that the test can do its work for it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "tests/lib/test.h"
#include "tests/lib/xenio-host.h"
#include "xenio/supervise.h"

#define DOM 5u
#define DEV HOST_DEV

static char program[128];

static const char *in_dir(struct host *host, const char *name)
{
	static char path[128];

	(void)snprintf(path, sizeof(path), "%s/%s", host->dir, name);
	return path;
}

static int setup(void **state)
{
	struct host *host;
	FILE *f;

	(void)host_setup(state);
	host = *state;
	(void)snprintf(program, sizeof(program), "%s", in_dir(host, "opener"));
	f = fopen(program, "w");
	assert_non_null(f);
	(void)fprintf(f,
		      "#!/bin/sh\ncd %s\necho $* >>calls\n"
		      "while [ ! -e go ]; do sleep 0.01; done\n"
		      "[ ! -e fail ]\n",
		      host->dir);
	assert_int_equal(fclose(f), 0);
	assert_int_equal(chmod(program, 0700), 0);
	host_stop(host);
	host->opener = program;
	host->type = "vbd";
	host_start(host);
	return 0;
}

static int teardown(void **state)
{
	static const char *const names[] = { "opener", "calls", "go", "fail" };
	struct host *host = *state;

	for (unsigned i = 0; i < 4; i++)
		(void)unlink(in_dir(host, names[i])); /* not each is there */
	return host_teardown(state);
}

static void put(struct host *host, const char *name)
{
	FILE *f = fopen(in_dir(host, name), "w");

	assert_non_null(f);
	assert_int_equal(fclose(f), 0);
}

/* The nth line of what the opener was called with. */
static bool called(struct host *host, unsigned n, const char *args)
{
	FILE *f = fopen(in_dir(host, "calls"), "r");
	char line[128] = "";

	if (!f)
		return false;
	for (unsigned i = 0; i < n && fgets(line, sizeof(line), f); i++)
		if (i + 1 < n)
			line[0] = '\0';
	(void)fclose(f);
	line[strcspn(line, "\n")] = '\0';
	return strcmp(line, args) == 0;
}

static bool at(struct host *host, int state)
{
	return host_back(host, DOM, DEV, "state") == state;
}

/* The program is a real one: its time is not the test's. */
#define until(what)                                                            \
	do {                                                                   \
		const struct timespec ms_ = { 0, 1000000 };                    \
		for (int i_ = 0; i_ < 10000 && !(what); i_++) {                \
			host_pass(host, 10);                                   \
			(void)nanosleep(&ms_, NULL);                           \
		}                                                              \
		assert_true(what);                                             \
	} while (0)

static void to_the_open(struct host *host)
{
	host_create(host, DOM, DEV, "w");
	host_set_back(host, DOM, DEV, "params", "/a.raw");
	host_set_back(host, DOM, DEV, "physical-device-path", "/dev/loop0");
	host_set_back(host, DOM, DEV, "hotplug-status", "connected");
	host_run(host);
	host_ring(host, DOM, DEV, 8);
	until(called(host, 1, "open backend/vbd/5/51712"));
}

static void connect_it(struct host *host)
{
	char text[16];

	to_the_open(host);
	host_run(host);
	assert_true(at(host, 2));
	(void)snprintf(text, sizeof(text), "%d",
		       (int)stub_pid(host_tapdisk(host, 0)));
	host_set_back(host, DOM, DEV, "pid", text);
	host_set_back(host, DOM, DEV, "minor", "0");
	host_run(host);
	assert_true(at(host, 2));
	put(host, "go");
	until(at(host, 4));
}

static void a_disk_is_opened_when_the_guest_is_there(void **state)
{
	struct host *host = *state;

	connect_it(host);
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 1);
	assert_int_equal(unlink(in_dir(host, "go")), 0);
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	until(called(host, 2, "close backend/vbd/5/51712 0"));
	host_run(host);
	assert_true(at(host, 5));
	assert_int_equal(stub_rings(host_tapdisk(host, 0)), 0);
	put(host, "go");
	until(at(host, 6));
	assert_int_equal(host_back(host, DOM, DEV, "pid"), -1);
	assert_int_equal(host_back(host, DOM, DEV, "minor"), -1);
	assert_true(called(host, 3, ""));
}

static void a_disk_that_was_removed_is_closed_all_the_same(void **state)
{
	struct host *host = *state;

	connect_it(host);
	host_remove(host, DOM, DEV);
	until(called(host, 2, "close backend/vbd/5/51712 0"));
	until(supervise_count(host->sv) == 0);
	assert_true(called(host, 3, ""));
}

static void an_image_that_cannot_be_opened_ends_the_disk(void **state)
{
	struct host *host = *state;

	put(host, "fail");
	put(host, "go");
	to_the_open(host);
	until(at(host, 5));
	assert_int_equal(host_error(host, DOM, DEV), EIO);
	host_unplug(host, DOM, DEV);
	host_front(host, DOM, DEV, 6);
	until(at(host, 6));
	assert_true(called(host, 2, ""));
}

/* It says that all is well, and wrote nothing. */
static void an_opener_that_opens_nothing_is_not_run_for_ever(void **state)
{
	struct host *host = *state;

	put(host, "go");
	to_the_open(host);
	until(at(host, 5));
	assert_true(called(host, 2, ""));
}

static void an_opener_that_is_not_there_is_an_error(void **state)
{
	struct host *host = *state;

	assert_int_equal(unlink(program), 0);
	host_create(host, DOM, DEV, "w");
	host_set_back(host, DOM, DEV, "hotplug-status", "connected");
	host_ring(host, DOM, DEV, 8);
	host_run(host);
	assert_true(at(host, 5));
	assert_int_equal(host_error(host, DOM, DEV), EIO);
}

#define on_host(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		on_host(a_disk_is_opened_when_the_guest_is_there),
		on_host(a_disk_that_was_removed_is_closed_all_the_same),
		on_host(an_image_that_cannot_be_opened_ends_the_disk),
		on_host(an_opener_that_opens_nothing_is_not_run_for_ever),
		on_host(an_opener_that_is_not_there_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
