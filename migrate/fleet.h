/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fleet.h - many hosts' inventories, as JSON, beside each other.
 *
 * What counts between hosts: which versions there are, which images several
 * of them know, and where a VM's disk lines mean something else.
 */
#ifndef MIGRATE_FLEET_H
#define MIGRATE_FLEET_H

#include <stddef.h>

#include "migrate/mem.h"
#include "migrate/worlds.h"

struct err;
struct json_t;

struct fleet_host {
	char *name; /* of the file, without folder and .json */
	const char *xen;
	const char *kernel;
	enum worlds_world world;
	size_t disks, ours; /* that run */
	struct json_t *json;
};

struct fleet {
	struct fleet_host *hosts;
	size_t count;
	struct mem_list shared; /* images that several hosts know */
	struct mem_list vms;    /* which cannot go everywhere as they are */
};

/* One more host; -EINVAL: the file is no inventory. */
int fleet_load(struct fleet *fleet, const char *path, struct err *err);

/* Fill in shared and vms. */
void fleet_compare(struct fleet *fleet);

void fleet_free(struct fleet *fleet);

#endif /* MIGRATE_FLEET_H */
