/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * disk-model.h - random requests to a disk, against an array.
 *
 * The array has what each sector may hold: what was last written for sure,
 * and what was asked for since and may have failed.  A sector is filled with
 * one number, its tag. Requests that overlap are not under way at once.
 */
#ifndef TESTS_DISK_MODEL_H
#define TESTS_DISK_MODEL_H

#include "tests/lib/rig.h"

#define DM_SLOTS 16
#define DM_MOST  512 /* sectors of a request */
#define DM_MAYBE 6

struct dm_sector {
	uint32_t sure;
	uint32_t maybe[DM_MAYBE];
	uint8_t maybes;
	bool any; /* discarded: anything at all */
};

struct dm_slot {
	struct mem_op op;
	bool busy;
	unsigned first, count;
	uint32_t tag;
	struct extents extents;
	struct extent ext[8];
	uint8_t *buf;
};

struct dm {
	struct rig *rig;
	unsigned sectors;
	uint64_t seed;
	uint32_t tag;     /* of the last write */
	unsigned largest; /* request */
	bool errors;      /* are no reason to fail: -EIO */
	unsigned failed;
	unsigned done;
	struct dm_sector *s;
	struct dm_slot slot[DM_SLOTS];
};

struct dm *dm_new(struct rig *rig, uint64_t size, uint64_t seed);
void dm_free(struct dm *dm);

uint64_t dm_random(struct dm *dm, uint64_t below);

/* Start one request of this kind, somewhere. */
void dm_start(struct dm *dm, enum req_op op);
void dm_start_at(struct dm *dm, enum req_op op, unsigned first, unsigned count);

/* Start one of any kind. */
void dm_step(struct dm *dm);

/* Until all are answered. */
void dm_drain(struct dm *dm);

/* Read all of the disk. */
void dm_verify(struct dm *dm);

#endif /* TESTS_DISK_MODEL_H */
