/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mark-rig.h - a disk of the kernel's, and the tool that makes it ours.
 */
#ifndef TESTS_UNIT_MARK_RIG_H
#define TESTS_UNIT_MARK_RIG_H

#include <stdbool.h>
#include <stdio.h>

#include "tests/lib/test.h"
#include "tests/lib/xenio-host.h"

#define DOM 5u
#define DEV HOST_DEV

static inline long back(struct host *host, const char *name)
{
	return host_back(host, DOM, DEV, name);
}

static inline void set(struct host *host, const char *name, const char *value)
{
	host_set_back(host, DOM, DEV, name, value);
}

static inline bool says(struct host *host, const char *status)
{
	return host_says(host, DOM, DEV, "xenio-status", status);
}

static inline void no_status(struct host *host)
{
	char path[] = "/local/domain/0/backend/vbd/5/51712/xenio-status";

	/* It may not be there. */
	(void)xen_fake_remove(host->fake, 0, path);
}

/* As the tool does it: the marker comes last. */
static inline void ask(struct host *host, const char *what)
{
	char text[16];

	(void)snprintf(text, sizeof(text), "%d",
		       (int)stub_pid(host_tapdisk(host, 0)));
	set(host, "pid", text);
	set(host, "minor", "0");
	no_status(host);
	set(host, "xenio-owner", what);
}

/* The kernel's backend has said what it can do, and is unbound. */
static inline void unbound_at_2(struct host *host, const char *mode)
{
	host->type = "vbd";
	host_create(host, DOM, DEV, mode);
	set(host, "feature-max-indirect-segments", "77");
	set(host, "max-ring-page-order", "4");
	set(host, "multi-queue-max-queues", "9");
	set(host, "state", "2");
	host_run(host);
}

/* It serves a ring, and is unbound. */
static inline void unbound_at_4(struct host *host, unsigned gref)
{
	unbound_at_2(host, "w");
	set(host, "physical-device", "7:0");
	set(host, "physical-device-path", "/dev/loop0");
	set(host, "hotplug-status", "connected");
	set(host, "sectors", "2048");
	set(host, "sector-size", "512");
	set(host, "physical-sector-size", "512");
	set(host, "info", "0");
	host_ring(host, DOM, DEV, gref);
	set(host, "state", "4");
	host_front(host, DOM, DEV, 4);
	host_run(host);
}

#define on_host(test)                                                          \
	cmocka_unit_test_setup_teardown(test, host_setup, host_teardown)

#endif /* TESTS_UNIT_MARK_RIG_H */
