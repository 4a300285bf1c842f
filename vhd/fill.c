/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fill.c - every block and sector made the image's own. */
#include <errno.h>
#include <string.h>

#include "lib/err.h"
#include "vhd/chain.h"
#include "vhd/data.h"
#include "vhd/image.h"
#include "vhd/merge.h"

#define MAX_BITMAP 512u

struct fill {
	struct vhd_source source;
	struct vhd_chain *chain;
	bool data;
};

/* What the image has already need not be written again. */
static int fill_bits(struct vhd_source *s, uint64_t sector, uint32_t count,
		     uint8_t *map, struct err *err)
{
	struct fill *f = (struct fill *)s;
	struct vhd *vhd = f->chain->layer[0].vhd;
	uint32_t block = (uint32_t)(sector / vhd_block_sectors(vhd));
	uint8_t have[MAX_BITMAP];
	int rc;

	memset(map, 0, MAX_BITMAP);
	if (!f->data)
		return 0;
	rc = vhd_bitmap_read(vhd, block, have, err);
	for (uint32_t i = 0; !rc && i < count;) {
		uint32_t from = vhd_bit_next(have, i, count, false);

		i = vhd_bit_next(have, from, count, true);
		vhd_bits_set(map, from, i - from);
	}
	return rc;
}

static int fill_read(struct vhd_source *s, uint64_t sector, uint32_t count,
		     void *buf, struct err *err)
{
	return vhd_chain_read(((struct fill *)s)->chain, buf, sector, count,
			      err);
}

int vhd_fill(struct vhd_chain *chain, uint64_t first, uint64_t count, bool data,
	     const struct vhd_progress *progress, struct err *err)
{
	struct fill f = {
		.source = { .bits = fill_bits, .read = fill_read },
		.chain = chain,
		.data = data,
	};
	struct vhd_merge m = {
		.from = &f.source,
		.first = first,
		.count = count,
		.allocate = true,
		.progress = progress,
	};

	int rc = data ? vhd_chain_is_clear(chain, err) : 0;

	if (rc || chain->layer[0].vhd->footer.type == VHD_FIXED)
		return rc;
	return vhd_merge(chain->layer[0].vhd, &m, err);
}
