/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * crash.c - a tapdisk dies with a request in its hands: another one gets it,
 * or it fails in time; nothing is left that cannot be killed.  Speaks TAP.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/kmod/tap.h"
#include "tests/kmod/user.h"

#define SECTORS 4096u

/* A tapdisk that takes a request and is killed. */
static int victim(const char *minor)
{
	struct tap tap = { .fd = -1 };
	struct abi_request req;

	snprintf(tap.ring_node, sizeof(tap.ring_node), "/tmp/blktap%s", minor);
	if (tap_open(&tap) || tap_map(&tap) ||
	    (tap_create(&tap, SECTORS, 512, 0) && errno != EEXIST))
		return 1;
	if (write(STDERR_FILENO, "", 0) < 0 || !tap_next(&tap, &req, 30000))
		return 2;
	pause();
	return 3;
}

static bool pending(struct tap *tap, const char *want)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/debug", tap->sysfs);
	for (int i = 0; i < 3000; i++) {
		if (user_file_has(path, want))
			return true;
		usleep(30000);
	}
	return false;
}

static void test_reattach(int control)
{
	struct tap tap;
	struct abi_request req = { 0 };
	struct user u, t;
	char minor[16];

	tap_check(tap_alloc(&tap, control) == 0, "a tap for a victim");
	snprintf(minor, sizeof(minor), "%u", tap.h.minor);
	user_start(&t, victim, minor);
	user_wait_disk(tap.disk_node);
	user_start(&u, user_write, tap.disk_node);
	tap_check(pending(&tap, "begin pending:1"), "it takes a write");
	kill(t.pid, SIGKILL);
	tap_check(user_end(&t, 30000) == 255, "kill -9 ends it at once");
	tap_check(user_end(&u, 300) == -1, "the writer waits");
	tap_check(tap_ioctl(control, ABI_FREE_TAP, tap.h.minor) == -EBUSY,
		  "FREE is EBUSY meanwhile");
	tap_check(tap_open(&tap) == 0 && tap_map(&tap) == 0,
		  "another tapdisk maps the ring");
	tap_check(tap_create(&tap, SECTORS, 512, 0) == -EEXIST,
		  "finds the disk there");
	tap_check(tap_next(&tap, &req, 30000) && req.op == ABI_OP_WRITE &&
			  req.sector == 3 &&
			  tap_data(&tap, req.id)[1023] == 0x5a,
		  "and gets the write again, with its bytes");
	tap_answer(&tap, req.id, req.op, ABI_OKAY);
	tap_check(user_end(&u, 30000) == 0, "the writer never knew");
	user_teardown(&tap, control);
}

static void test_expiry(int control)
{
	const char *hold = "/sys/module/blktap/parameters/hold_seconds";
	struct tap tap;
	struct user u, t;
	char minor[16];

	tap_check(tap_alloc(&tap, control) == 0, "a tap for a victim");
	snprintf(minor, sizeof(minor), "%u", tap.h.minor);
	tap_write_file(hold, "1");
	user_start(&t, victim, minor);
	user_wait_disk(tap.disk_node);
	user_start(&u, user_write, tap.disk_node);
	tap_check(pending(&tap, "begin pending:1"), "it takes a write");
	kill(t.pid, SIGKILL);
	tap_check(user_end(&t, 30000) == 255, "kill -9 ends it at once");
	tap_check(user_end(&u, 30000) == EIO,
		  "the write fails when nobody came back");
	user_start(&u, user_write, tap.disk_node);
	tap_check(user_end(&u, 30000) == EIO, "and so do later ones");
	tap_write_file(hold, "60");
	tap_check(tap_ioctl(control, ABI_FREE_TAP, tap.h.minor) == 0,
		  "FREE takes the disk away");
	tap_check(access("/sys/block/tda", F_OK) != 0, "it is gone");
}

int main(void)
{
	int control = tap_control();

	if (control < 0) {
		printf("Bail out! no control device: %s\n", strerror(errno));
		return 1;
	}
	test_reattach(control);
	test_expiry(control);
	tap_done();
	return tap_failed() != 0;
}
