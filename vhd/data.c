/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* data.c - bitmaps: which sectors of a block are its own. */
#include "vhd/data.h"

#include <errno.h>
#include <string.h>

#include "lib/err.h"
#include "vhd/image.h"

int vhd_bitmap_read(struct vhd *vhd, uint32_t block, uint8_t *map,
		    struct err *err)
{
	uint64_t off = vhd_bitmap_off(vhd, block);
	uint32_t len = vhd_bitmap_size(vhd);
	int rc;

	if (!off || vhd_block_full(vhd, block)) {
		memset(map, off ? 0xff : 0, len);
		return 0;
	}
	rc = vhd->io->pread(vhd->io, map, len, off);
	return rc ? err_set(err, rc, "error reading bitmap 0x%x: %s", block,
			    strerror(-rc))
		  : 0;
}

int vhd_bitmap_write(struct vhd *vhd, uint32_t block, const uint8_t *map,
		     struct err *err)
{
	uint64_t off = vhd_bitmap_off(vhd, block);
	int rc = off ? vhd->io->pwrite(vhd->io, map, vhd_bitmap_size(vhd), off)
		     : -EINVAL;

	return rc ? err_set(err, rc, "error writing bitmap 0x%x: %s", block,
			    strerror(-rc))
		  : 0;
}

uint32_t vhd_bit_next(const uint8_t *map, uint32_t from, uint32_t end, bool set)
{
	uint8_t same = set ? 0 : 0xff;

	while (from < end) {
		if (from % 8 == 0 && map[from / 8] == same)
			from += 8;
		else if (vhd_bit(map, from) == set)
			return from;
		else
			from++;
	}
	return end;
}

void vhd_bits_set(uint8_t *map, uint32_t from, uint32_t count)
{
	uint32_t end = from + count;

	while (from < end) {
		if (from % 8 == 0 && end - from >= 8) {
			map[from / 8] = 0xff;
			from += 8;
		} else {
			map[from / 8] |= (uint8_t)(0x80u >> (from % 8));
			from++;
		}
	}
}

uint32_t vhd_block_used(const struct vhd *vhd, uint32_t block)
{
	uint64_t secs = (vhd->footer.size + VHD_SECTOR - 1) / VHD_SECTOR;
	uint64_t first = (uint64_t)block * vhd_block_sectors(vhd);

	if (first >= secs)
		return 0;
	return secs - first < vhd_block_sectors(vhd) ? (uint32_t)(secs - first)
						     : vhd_block_sectors(vhd);
}
