/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stats.c - how much of an image is its own, and how much adds to others. */
#include <errno.h>
#include <string.h>

#include "lib/err.h"
#include "vhd/chain.h"
#include "vhd/data.h"
#include "vhd/image.h"

#define MAX_BITMAP 512u

/* Whether layer i itself has the sector; raw ones and fixed ones have all. */
static int has_sector(struct vhd_layer *l, uint64_t sector, bool *out,
		      struct err *err)
{
	uint8_t map[MAX_BITMAP];
	uint32_t secs;
	int rc;

	*out = sector * VHD_SECTOR < l->size;
	if (!l->vhd || !*out || l->vhd->footer.type == VHD_FIXED)
		return 0;
	secs = vhd_block_sectors(l->vhd);
	*out = vhd_bitmap_off(l->vhd, (uint32_t)(sector / secs)) != 0;
	if (!*out)
		return 0;
	rc = vhd_bitmap_read(l->vhd, (uint32_t)(sector / secs), map, err);
	*out = vhd_bit(map, (uint32_t)(sector % secs));
	return rc;
}

static int count_sector(struct vhd_chain *c, uint64_t sector,
			struct vhd_stats *s, struct err *err)
{
	bool there = false;

	s->written++;
	for (unsigned i = 1; i < c->n; i++) {
		int rc = has_sector(&c->layer[i], sector, &there, err);

		if (rc)
			return rc;
		if (i == 1 && !there)
			s->not_in_parent++;
		if (there)
			return 0;
	}
	s->not_in_ancestors++;
	return 0;
}

int vhd_stats(struct vhd_chain *c, struct vhd_stats *s, struct err *err)
{
	struct vhd *vhd = c->layer[0].vhd;
	uint8_t map[MAX_BITMAP];
	int rc = 0;

	*s = (struct vhd_stats){ 0 };
	if (vhd->footer.type == VHD_FIXED) {
		s->allocated = s->written = vhd->footer.size / VHD_SECTOR;
		return 0;
	}
	for (uint32_t b = 0; !rc && b < vhd->blocks; b++) {
		uint32_t n = vhd_block_sectors(vhd), i = 0;

		if (vhd->bat[b] == VHD_NO_BLOCK)
			continue;
		s->allocated += n;
		rc = vhd_bitmap_read(vhd, b, map, err);
		while (!rc && (i = vhd_bit_next(map, i, n, true)) < n)
			rc = count_sector(c, (uint64_t)b * n + i++, s, err);
	}
	return rc;
}
