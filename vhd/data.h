/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * data.h - the sectors of one image, without its parents.
 *
 * For tools; a disk server does its own, asynchronously.
 */
#ifndef VHD_DATA_H
#define VHD_DATA_H

#include <stdbool.h>
#include <stdint.h>

#include "vhd/vhd.h"

/* The bitmap of a block: vhd_bitmap_size() bytes; zeroes if it is nowhere. */
int vhd_bitmap_read(struct vhd *vhd, uint32_t block, uint8_t *map,
		    struct err *err);
int vhd_bitmap_write(struct vhd *vhd, uint32_t block, const uint8_t *map,
		     struct err *err);

static inline bool vhd_bit(const uint8_t *map, uint32_t i)
{
	return map[i / 8] & (0x80u >> (i % 8));
}

/* The first i >= from, below end, at which the bit is (not) set; or end. */
uint32_t vhd_bit_next(const uint8_t *map, uint32_t from, uint32_t end,
		      bool set);
void vhd_bits_set(uint8_t *map, uint32_t from, uint32_t count);

/* Sectors of a block that lie on the disk: fewer in the last one. */
uint32_t vhd_block_used(const struct vhd *vhd, uint32_t block);

#endif /* VHD_DATA_H */
