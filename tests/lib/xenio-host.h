/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio-host.h - the xenio daemon between a toolstack, guests and tapdisks.
 *
 * The daemon is the real one but for its main(); the store and the guests are
 * xen-fake's, the tapdisks tapdisk-stub's, and time is the test's: host_run()
 * lets everything happen that is due, and lets some time pass.
 */
#ifndef TESTS_LIB_XENIO_HOST_H
#define TESTS_LIB_XENIO_HOST_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/tapdisk-stub.h"
#include "tests/lib/xen-fake.h"

struct loop;
struct supervise;

#define HOST_TAPDISKS 4
#define HOST_DEV      51712u
#define HOST_TIMEOUT  2000u /* ms, of an exchange */

struct host {
	char dir[64]; /* of tapdisks' sockets, and of the kernel's devices */
	const char *type; /* "vbd3" */
	struct loop *loop;
	struct xen_fake *fake;
	struct supervise *sv;
	struct stub *tap[HOST_TAPDISKS];
	unsigned domid; /* the daemon's */
	bool known[8];  /* domains */
	unsigned limit_order;
	bool persistent;
	unsigned only;      /* domain served; SUPERVISE_ANY */
	const char *opener; /* all of "vbd" is served with it, not the marked */
	uint64_t now_ns;
};

/* With the daemon running and no disk. cmocka's setup and teardown. */
int host_setup(void **state);
int host_teardown(void **state);

void host_start(struct host *host); /* the daemon */
void host_stop(struct host *host);  /* as kill -9 would */

/* Some 300 ms pass; or as many as are said. */
void host_run(struct host *host);
void host_pass(struct host *host, unsigned ms);

/* The nth tapdisk, made when first asked for. */
struct stub *host_tapdisk(struct host *host, unsigned n);

/* Toolstack: both directories, in state 1. mode is "w" or "r". */
void host_create(struct host *host, unsigned domid, unsigned dev,
		 const char *mode);
/* The hotplug script: this disk is minor 0 of tapdisk n. */
void host_plug(struct host *host, unsigned domid, unsigned dev, unsigned n);
/* The kernel's driver is bound to a disk of type "vbd", or no more. */
void host_drive(struct host *host, unsigned domid, unsigned dev, bool on);
/* online 0, state 5 */
void host_unplug(struct host *host, unsigned domid, unsigned dev);
/* Both directories away, with their parents if those are empty. */
void host_remove(struct host *host, unsigned domid, unsigned dev);

/* The guest: a ring of one page, and 3; its next state. */
void host_ring(struct host *host, unsigned domid, unsigned dev, unsigned gref);
void host_front(struct host *host, unsigned domid, unsigned dev, int state);

/* All of it up to 4 on both sides, on tapdisk n. */
void host_connect(struct host *host, unsigned domid, unsigned dev, unsigned n);

/* A node below B or F; value NULL: none, and for setting: remove it. */
void host_set_back(struct host *host, unsigned domid, unsigned dev,
		   const char *name, const char *value);
void host_set_front(struct host *host, unsigned domid, unsigned dev,
		    const char *name, const char *value);
/* -1: there is none. */
long host_back(struct host *host, unsigned domid, unsigned dev,
	       const char *name);

/* Whether a node below B begins with this. */
bool host_says(struct host *host, unsigned domid, unsigned dev,
	       const char *name, const char *value);

/* The error node's number; 0: there is none. */
int host_error(struct host *host, unsigned domid, unsigned dev);

#endif /* TESTS_LIB_XENIO_HOST_H */
