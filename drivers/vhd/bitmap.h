/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bitmap.h - the bitmaps of a few blocks, in memory. */
#ifndef DRIVERS_VHD_BITMAP_H
#define DRIVERS_VHD_BITMAP_H

#include "drivers/vhd/layer.h"

int bitmap_open(struct layer *l);
void bitmap_close(struct layer *l);

/* The block's, if it is in memory; it may be loading, or new. */
struct bitmap *bitmap_find(struct layer *l, uint32_t block);

/*
 * The bitmap of a block that is in the table. NULL: it is being read, or
 * there is no room to; the op waits, and will be run again.
 */
struct bitmap *bitmap_get(struct layer *l, uint32_t block, struct op *op);

/* An empty one for a new block; NULL when all are in use. */
struct bitmap *bitmap_new(struct layer *l, uint32_t block);
void bitmap_drop(struct bitmap *b);

/* Bits, most significant first. */
bool bitmap_all(const uint8_t *bits, uint32_t first, uint32_t count);
void bitmap_set(uint8_t *bits, uint32_t first, uint32_t count);

/* How many from first on, at most count, are alike; *set: what they are. */
uint32_t bitmap_run(const uint8_t *bits, uint32_t first, uint32_t count,
		    bool *set);

#endif /* DRIVERS_VHD_BITMAP_H */
