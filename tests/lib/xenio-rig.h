/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio-rig.h - the xenio daemon between a toolstack, guests and tapdisks.
 *
 * The daemon is the real one but for its main(); the store and the guests are
 * xen-fake's, the tapdisks tapdisk-stub's, and time is the test's: rig_run()
 * lets everything happen that is due, and lets some time pass.
 */
#ifndef TESTS_LIB_XENIO_RIG_H
#define TESTS_LIB_XENIO_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/lib/tapdisk-stub.h"
#include "tests/lib/xen-fake.h"

struct loop;
struct supervise;

#define RIG_TAPDISKS 4
#define RIG_DEV      51712u
#define RIG_TIMEOUT  2000u /* ms, of an exchange */

struct rig {
	char dir[64];
	const char *type; /* "vbd3" */
	struct loop *loop;
	struct xen_fake *fake;
	struct supervise *sv;
	struct stub *tap[RIG_TAPDISKS];
	unsigned domid; /* the daemon's */
	bool known[8];  /* domains */
	unsigned limit_order;
	uint64_t now_ns;
};

/* With the daemon running and no disk. cmocka's setup and teardown. */
int rig_setup(void **state);
int rig_teardown(void **state);

void rig_start(struct rig *rig); /* the daemon */
void rig_stop(struct rig *rig);  /* as kill -9 would */

/* Some 300 ms pass; or as many as are said. */
void rig_run(struct rig *rig);
void rig_pass(struct rig *rig, unsigned ms);

/* The nth tapdisk, made when first asked for. */
struct stub *rig_tapdisk(struct rig *rig, unsigned n);

/* Toolstack: both directories, in state 1. mode is "w" or "r". */
void rig_create(struct rig *rig, unsigned domid, unsigned dev,
		const char *mode);
/* The hotplug script: this disk is minor 0 of tapdisk n. */
void rig_plug(struct rig *rig, unsigned domid, unsigned dev, unsigned n);
/* online 0, state 5 */
void rig_unplug(struct rig *rig, unsigned domid, unsigned dev);
/* Both directories away, with their parents if those are empty. */
void rig_remove(struct rig *rig, unsigned domid, unsigned dev);

/* The guest: a ring of one page, and 3; its next state. */
void rig_ring(struct rig *rig, unsigned domid, unsigned dev, unsigned gref);
void rig_front(struct rig *rig, unsigned domid, unsigned dev, int state);

/* All of it up to 4 on both sides, on tapdisk n. */
void rig_connect(struct rig *rig, unsigned domid, unsigned dev, unsigned n);

/* A node below B or F; value NULL: none, and for setting: remove it. */
void rig_set_back(struct rig *rig, unsigned domid, unsigned dev,
		  const char *name, const char *value);
void rig_set_front(struct rig *rig, unsigned domid, unsigned dev,
		   const char *name, const char *value);
/* -1: there is none. */
long rig_back(struct rig *rig, unsigned domid, unsigned dev, const char *name);

/* The error node's number; 0: there is none. */
int rig_error(struct rig *rig, unsigned domid, unsigned dev);

#endif /* TESTS_LIB_XENIO_RIG_H */
