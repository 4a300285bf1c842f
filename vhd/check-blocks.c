/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* check-blocks.c - the table, the batmap and the bitmaps under check. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/check.h"
#include "vhd/data.h"
#include "vhd/image.h"

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Each against the one before it on the disk. */
static int check_overlap(struct vhd_checking *c, uint64_t *sorted, size_t n)
{
	uint64_t stride =
		vhd_bitmap_sectors(c->vhd) + vhd_block_sectors(c->vhd);

	qsort(sorted, n, sizeof(*sorted), by_value);
	for (size_t i = 1; i < n; i++) {
		uint64_t was = sorted[i - 1] >> 32, is = sorted[i] >> 32;

		if (is - was < stride)
			return err_set(c->err, -EINVAL,
				       "block %u (offset 0x%x) clobbers block "
				       "%u (offset 0x%x)",
				       (uint32_t)sorted[i], (uint32_t)is,
				       (uint32_t)sorted[i - 1], (uint32_t)was);
	}
	return 0;
}

static int check_entry(struct vhd_checking *c, uint32_t block, uint64_t low)
{
	const struct vhd *vhd = c->vhd;
	uint64_t off = vhd_bitmap_off(vhd, block);
	uint64_t len = vhd_bitmap_size(vhd);

	/* The last block of one that died may end beyond the file. */
	if (vhd->primary)
		len += vhd->header.block_size;
	if (off < low)
		return err_set(c->err, -EINVAL,
			       "block %u (offset 0x%x) clobbers headers", block,
			       vhd->bat[block]);
	if (!bytes_within(off, len, c->end))
		return err_set(c->err, -EINVAL,
			       "block %u (offset 0x%x) clobbers footer", block,
			       vhd->bat[block]);
	return 0;
}

int vhd_check_blocks(struct vhd_checking *c)
{
	const struct vhd *vhd = c->vhd;
	uint64_t low = vhd_meta_end(vhd);
	uint64_t *sorted = malloc((size_t)(vhd->blocks + 1) * sizeof(*sorted));
	size_t n = 0;
	int rc = 0;

	if (!sorted)
		return err_set(c->err, -ENOMEM, "allocating memory");
	for (uint32_t i = 0; !rc && i < vhd->blocks; i++) {
		if (vhd->bat[i] == VHD_NO_BLOCK)
			continue;
		rc = check_entry(c, i, low);
		sorted[n++] = (uint64_t)vhd->bat[i] << 32 | i;
	}
	if (!rc && !(c->flags & VHD_CHECK_NO_OVERLAP))
		rc = check_overlap(c, sorted, n);
	free(sorted);
	return rc;
}

int vhd_check_batmap(struct vhd_checking *c)
{
	const struct vhd *vhd = c->vhd;
	const struct vhd_batmap *bm = &vhd->batmap;

	if (!vhd_footer_has_batmap(&vhd->footer))
		return 0;
	if (bm->there && bm->trusted)
		return 0;
	if (!bm->there && vhd->footer.creator_version < VHD_CREATOR_1_2)
		return 0;
	/* The note says what is wrong behind its colon. */
	return err_set(c->err, -EINVAL, "batmap is invalid:%s",
		       strchr(vhd->note, ':') ? strchr(vhd->note, ':') + 1
					      : " invalid checksum");
}

static bool is_zero(const uint8_t *buf, size_t len)
{
	return !len || (!buf[0] && !memcmp(buf, buf + 1, len - 1));
}

static int check_clear(struct vhd_checking *c, uint32_t block,
		       const uint8_t *map, uint8_t *data)
{
	uint32_t secs = vhd_block_sectors(c->vhd), i = 0;
	int rc = vhd_pread_zero(c->vhd, data, (size_t)secs * VHD_SECTOR,
				vhd_block_off(c->vhd, block));

	if (rc)
		return err_set(c->err, rc, "error reading block 0x%x: %d",
			       block, rc);
	while ((i = vhd_bit_next(map, i, secs, false)) < secs) {
		if (!is_zero(data + (size_t)i * VHD_SECTOR, VHD_SECTOR))
			return err_set(c->err, -EINVAL,
				       "sector 0x%x of block 0x%x has data "
				       "where bitmap is clear",
				       i, block);
		i++;
	}
	return 0;
}

static int check_bitmap(struct vhd_checking *c, uint32_t block, uint8_t *map,
			uint8_t *data)
{
	struct vhd *vhd = c->vhd;
	uint32_t secs = vhd_block_sectors(vhd);
	int rc = vhd->io->pread(vhd->io, map, vhd_bitmap_size(vhd),
				vhd_bitmap_off(vhd, block));

	if (rc)
		return err_set(c->err, rc, "error reading bitmap 0x%x: %d",
			       block, rc);
	if (vhd_bit_next(map, 0, secs, false) == secs)
		return 0;
	if (vhd_block_full(vhd, block))
		return err_set(c->err, -EINVAL,
			       "batmap is invalid: block 0x%x is not full",
			       block);
	return check_clear(c, block, map, data);
}

int vhd_check_bitmaps(struct vhd_checking *c)
{
	uint8_t *map = malloc(vhd_bitmap_size(c->vhd));
	uint8_t *data = malloc(c->vhd->header.block_size);
	int rc = map && data ? 0 : err_set(c->err, -ENOMEM, "memory");

	for (uint32_t i = 0; !rc && i < c->vhd->blocks; i++) {
		if (c->vhd->bat[i] != VHD_NO_BLOCK)
			rc = check_bitmap(c, i, map, data);
	}
	free(map);
	free(data);
	return rc;
}
