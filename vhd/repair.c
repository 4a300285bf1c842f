/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* repair.c - footers where they belong, and a batmap that tells the truth. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/data.h"
#include "vhd/image.h"

#define MAX_BITMAP 512u

/* What lies behind the table and is not the batmap's. */
static uint64_t first_use(const struct vhd *vhd)
{
	uint64_t first = UINT64_MAX;

	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		const struct vhd_locator *loc = &vhd->header.loc[i];

		if (loc->code && loc->off < first && loc->off >= vhd->batmap.at)
			first = loc->off;
	}
	for (uint32_t i = 0; i < vhd->blocks; i++) {
		uint64_t off = vhd_bitmap_off(vhd, i);

		if (off && off < first)
			first = off;
	}
	return first;
}

/* A header that was lost, where every writer puts it. */
static int new_header(struct vhd *vhd, struct err *err)
{
	struct vhd_batmap *bm = &vhd->batmap;
	uint64_t len = vhd_batmap_bytes(vhd->header.max_bat);

	if (!len)
		len = VHD_SECTOR;
	if (bm->at + VHD_SECTOR + len > first_use(vhd))
		return err_set(err, -EINVAL, "no room for a batmap");
	free(bm->map);
	bm->map = calloc(1, (size_t)len);
	if (!bm->map)
		return err_set(err, -ENOMEM, "allocating the batmap");
	bm->len = (size_t)len;
	bm->hdr = (struct vhd_batmap_header){
		.off = bm->at + VHD_SECTOR,
		.secs = (uint32_t)(len / VHD_SECTOR),
		.version = VHD_BATMAP_1_2,
	};
	bm->there = true;
	vhd_bat_scan(vhd);
	return 0;
}

static int rebuild_batmap(struct vhd *vhd, struct err *err)
{
	struct vhd_batmap *bm = &vhd->batmap;
	uint32_t secs = vhd_block_sectors(vhd);
	uint8_t map[MAX_BITMAP];
	int rc = 0;

	if (!bm->there)
		rc = new_header(vhd, err);
	if (rc)
		return rc;
	/* Empty while it is made: what is read below are the bitmaps. */
	memset(bm->map, 0, bm->len);
	for (uint32_t b = 0; !rc && b < vhd->blocks; b++) {
		if (!vhd_bitmap_off(vhd, b))
			continue;
		rc = vhd_bitmap_read(vhd, b, map, err);
		if (!rc && vhd_bit_next(map, 0, secs, false) == secs)
			vhd_block_set_full(vhd, b);
	}
	return rc ? rc : vhd_batmap_write(vhd, err);
}

int vhd_repair(struct vhd *vhd, const struct vhd_keyhash *keyhash,
	       struct err *err)
{
	bool doubt =
		!vhd->batmap.there || !vhd->batmap.trusted || !vhd->primary;
	int rc = vhd_may_write(vhd, err);

	if (rc)
		return rc;
	if (vhd->footer.type != VHD_FIXED && doubt &&
	    vhd_footer_has_batmap(&vhd->footer) &&
	    (vhd->batmap.there ||
	     vhd->footer.creator_version >= VHD_CREATOR_1_2))
		rc = rebuild_batmap(vhd, err);
	if (!rc && keyhash)
		rc = vhd_keyhash_set(vhd, keyhash, err);
	if (!rc && vhd->io->sync(vhd->io))
		rc = err_set(err, -EIO, "error writing batmap");
	return rc ? rc : vhd_footer_settle(vhd, err);
}
