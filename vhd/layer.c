/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* layer.c - one image alone as the source of sectors. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/data.h"
#include "vhd/image.h"
#include "vhd/merge.h"

#define MAX_BITMAP 512u

static int load_map(struct vhd_layer_source *l, uint32_t block, struct err *err)
{
	uint8_t over[MAX_BITMAP];
	int rc;

	if (l->block == block + 1)
		return 0;
	l->block = 0;
	rc = vhd_bitmap_read(l->vhd, block, l->map, err);
	if (!rc && l->hide) {
		rc = vhd_bitmap_read(l->hide, block, over, err);
		for (unsigned i = 0; i < MAX_BITMAP; i++)
			l->map[i] &= (uint8_t)~over[i];
	}
	if (!rc)
		l->block = block + 1;
	return rc;
}

static int layer_bits(struct vhd_source *s, uint64_t sector, uint32_t count,
		      uint8_t *map, struct err *err)
{
	struct vhd_layer_source *l = (struct vhd_layer_source *)s;
	uint32_t secs = vhd_block_sectors(l->vhd), done = 0;

	memset(map, 0, MAX_BITMAP);
	while (done < count) {
		uint32_t block = (uint32_t)((sector + done) / secs);
		uint32_t at = (uint32_t)((sector + done) % secs);
		uint32_t n =
			secs - at < count - done ? secs - at : count - done;
		int rc = 0;

		if (block >= vhd_blocks(l->vhd))
			return 0;
		if (vhd_bitmap_off(l->vhd, block))
			rc = load_map(l, block, err);
		if (rc)
			return rc;
		for (uint32_t i = at; l->block == block + 1 && i < at + n;) {
			uint32_t from = vhd_bit_next(l->map, i, at + n, true);

			i = vhd_bit_next(l->map, from, at + n, false);
			vhd_bits_set(map, done + from - at, i - from);
		}
		done += n;
	}
	return 0;
}

static int layer_read(struct vhd_source *s, uint64_t sector, uint32_t count,
		      void *buf, struct err *err)
{
	struct vhd_layer_source *l = (struct vhd_layer_source *)s;
	uint32_t secs = vhd_block_sectors(l->vhd);
	int rc = 0;

	while (!rc && count) {
		uint32_t at = (uint32_t)(sector % secs);
		uint32_t n = secs - at < count ? secs - at : count;
		uint64_t off = vhd_block_off(l->vhd, (uint32_t)(sector / secs));

		rc = vhd_pread_zero(l->vhd, buf, (size_t)n * VHD_SECTOR,
				    off + (uint64_t)at * VHD_SECTOR);
		buf = (uint8_t *)buf + (size_t)n * VHD_SECTOR;
		sector += n;
		count -= n;
	}
	return rc ? err_set(err, rc, "error reading data: %s", strerror(-rc))
		  : 0;
}

/* What lies in one block lies in one piece. */
static int layer_copy(struct vhd_source *s, uint64_t sector, uint32_t count,
		      struct vhd_io *to, uint64_t off)
{
	struct vhd_layer_source *l = (struct vhd_layer_source *)s;
	uint32_t secs = vhd_block_sectors(l->vhd);
	uint32_t at = (uint32_t)(sector % secs);
	uint64_t from = vhd_block_off(l->vhd, (uint32_t)(sector / secs)) +
			(uint64_t)at * VHD_SECTOR;
	uint64_t len = (uint64_t)count * VHD_SECTOR;

	if (!to->copy || count > secs - at ||
	    !bytes_within(from, len, l->vhd->file_size))
		return -EOPNOTSUPP;
	return to->copy(to, off, l->vhd->io, from, len);
}

void vhd_layer_source(struct vhd_layer_source *l, struct vhd *vhd,
		      struct vhd *hide)
{
	*l = (struct vhd_layer_source){
		.source = { .bits = layer_bits,
			    .read = layer_read,
			    .copy = layer_copy },
		.vhd = vhd,
		.hide = hide,
	};
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

uint32_t *vhd_blocks_in_file(const struct vhd *vhd, uint32_t *n)
{
	uint64_t *sorted = calloc((size_t)vhd->blocks + 1, sizeof(*sorted));
	uint32_t *out = calloc((size_t)vhd->blocks + 1, sizeof(*out));

	*n = 0;
	if (!sorted || !out) {
		free(sorted);
		free(out);
		return NULL;
	}
	for (uint32_t b = 0; b < vhd->blocks; b++) {
		if (vhd->bat[b] != VHD_NO_BLOCK)
			sorted[(*n)++] = (uint64_t)vhd->bat[b] << 32 | b;
	}
	qsort(sorted, *n, sizeof(*sorted), by_value);
	for (uint32_t i = 0; i < *n; i++)
		out[i] = (uint32_t)sorted[i];
	free(sorted);
	return out;
}
