/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * merge.h - sectors from somewhere into an image, many at a time.
 *
 * The one engine behind coalesce, fill and copy.  Blocks are taken in
 * batches.  In each: the footer is moved ahead of the blocks that will be
 * new; data is written, and the bitmaps of new blocks, which nothing leads to
 * yet; sync; the bitmaps of old blocks, and the table; and before the batmap
 * at the very end another sync.  So at each instant the image is whole, and
 * each of its sectors is what it was or what it is to be.
 */
#ifndef VHD_MERGE_H
#define VHD_MERGE_H

#include <stdbool.h>
#include <stdint.h>

#include "vhd/vhd.h"

/* Where the sectors come from; ranges never cross 2 MiB boundaries. */
struct vhd_source {
	/* Which of count sectors it has: bits from the first of map on. */
	int (*bits)(struct vhd_source *s, uint64_t sector, uint32_t count,
		    uint8_t *map, struct err *err);
	int (*read)(struct vhd_source *s, uint64_t sector, uint32_t count,
		    void *buf, struct err *err);
	/* Optional; see vhd_io.copy. */
	int (*copy)(struct vhd_source *s, uint64_t sector, uint32_t count,
		    struct vhd_io *to, uint64_t off);
};

struct vhd_merge {
	struct vhd_source *from;
	uint64_t first;        /* sector */
	uint64_t count;        /* sectors; those behind the end are left out */
	const uint32_t *order; /* or NULL: these n blocks, in this order */
	uint32_t n;
	bool fresh; /* nobody knows the image yet: all may wait for the end */
	bool allocate; /* also blocks of which from has nothing */
	const struct vhd_progress *progress;
	uint64_t merged; /* sectors, when done */
};

/* Into a dynamic or differencing image. */
int vhd_merge(struct vhd *to, struct vhd_merge *m, struct err *err);

/* Into a plain disk, or a fixed image: size is in bytes. */
int vhd_merge_plain(struct vhd_io *to, uint64_t size, struct vhd_merge *m,
		    struct err *err);

/* One layer alone as a source, and not what hide has already, if not NULL. */
struct vhd_layer_source {
	struct vhd_source source;
	struct vhd *vhd;
	struct vhd *hide;
	uint32_t block; /* whose bitmap was read last, + 1 */
	uint8_t map[512];
};

void vhd_layer_source(struct vhd_layer_source *l, struct vhd *vhd,
		      struct vhd *hide);

/* The blocks that are there, as they follow in the file; malloc'd. */
uint32_t *vhd_blocks_in_file(const struct vhd *vhd, uint32_t *n);

#endif /* VHD_MERGE_H */
