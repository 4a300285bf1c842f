/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * worlds.h - which way the same disk line takes in which Xen version.
 *
 * libxl picks a backend by an order that changed with 4.4, 4.6, 4.13 and
 * 4.19, and drops prefixes without a word since 4.2; xend had other rules
 * again.
 */
#ifndef MIGRATE_WORLDS_H
#define MIGRATE_WORLDS_H

#include <stdbool.h>

#include "migrate/conf.h"

enum worlds_world {
	WORLDS_XEND,
	WORLDS_4_1,
	WORLDS_4_2,
	WORLDS_4_4,
	WORLDS_4_6,
	WORLDS_4_13,
	WORLDS_4_19,
	WORLDS_COUNT,
};

enum worlds_path {
	WORLDS_NONE,    /* that version does not know the form */
	WORLDS_BLKBACK, /* the kernel, over a block device */
	WORLDS_LOOP,    /* the kernel, over a loop device on the file */
	WORLDS_BLKTAP1,
	WORLDS_TAPDISK, /* tapdisk, tapdev and the kernel */
	WORLDS_QEMU,
	WORLDS_RING,  /* tapdisk on the guest's ring */
	WORLDS_ERROR, /* the guest does not start */
	WORLDS_OTHER, /* by a script of its own, or a driver domain */
};

/* What of the host matters. */
struct worlds_host {
	bool module; /* "tap-ctl check" succeeds */
	bool device; /* the target is a block device */
	bool hvm;
	bool libvirt; /* whose driver turns tap and qcow into qdisk */
};

/* *why is a static sentence or NULL. */
enum worlds_path worlds_path(enum worlds_world world,
			     const struct conf_disk *disk,
			     const struct worlds_host *host, const char **why);

/* The world of a version of Xen, with xl (or xend). */
enum worlds_world worlds_of(unsigned major, unsigned minor, bool xend);

const char *worlds_name(enum worlds_world world);
const char *worlds_path_name(enum worlds_path path);

#endif /* MIGRATE_WORLDS_H */
