/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* coalesce.c - a child's sectors into its parent; the child is only read. */
#include <errno.h>
#include <string.h>

#include "lib/err.h"
#include "vhd/data.h"
#include "vhd/image.h"
#include "vhd/merge.h"

#define MAX_BITMAP 512u

/* One layer alone. */
struct layer {
	struct vhd_source source;
	struct vhd *vhd;
	uint32_t block; /* whose bitmap was read last, + 1 */
	uint8_t map[MAX_BITMAP];
};

static int load_map(struct layer *l, uint32_t block, struct err *err)
{
	int rc;

	if (l->block == block + 1)
		return 0;
	l->block = 0;
	rc = vhd_bitmap_read(l->vhd, block, l->map, err);
	if (!rc)
		l->block = block + 1;
	return rc;
}

static int layer_bits(struct vhd_source *s, uint64_t sector, uint32_t count,
		      uint8_t *map, struct err *err)
{
	struct layer *l = (struct layer *)s;
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
	struct layer *l = (struct layer *)s;
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

/* Ciphertext must not end up among what another key, or none, reads. */
static int same_key(const struct vhd *child, const struct vhd *parent,
		    struct err *err)
{
	struct vhd_keyhash a = { 0 }, b = { 0 };
	int rc = vhd_keyhash(child, &a);

	if (!rc && parent)
		rc = vhd_keyhash(parent, &b);
	if (rc)
		return err_set(err, rc, "key hash: %s", strerror(-rc));
	if (a.set != b.set || (a.set && (memcmp(a.nonce, b.nonce, 32) ||
					 memcmp(a.hash, b.hash, 32))))
		return err_set(err, -EINVAL,
			       "the key hashes of child and parent differ");
	return 0;
}

static int may_coalesce(struct vhd *child, struct vhd *parent, uint64_t size,
			struct err *err)
{
	if (child->footer.type != VHD_DIFFERENCING)
		return err_set(err, -EINVAL,
			       "coalescing of non-differencing disks is not "
			       "supported");
	if (parent && memcmp(parent->footer.id, child->header.parent_id, 16))
		return err_set(err, -EINVAL, "invalid parent uuid");
	if (vhd_size(child) > size)
		return err_set(err, -EINVAL,
			       "the parent is smaller than the child: resize "
			       "it first");
	return same_key(child, parent, err);
}

int vhd_coalesce(struct vhd *child, struct vhd *parent, struct vhd_io *raw,
		 const struct vhd_progress *progress, uint64_t *sectors,
		 struct err *err)
{
	struct layer from = {
		.source = { .bits = layer_bits, .read = layer_read },
		.vhd = child,
	};
	struct vhd_merge m = {
		.from = &from.source,
		.count = (vhd_size(child) + VHD_SECTOR - 1) / VHD_SECTOR,
		.progress = progress,
	};
	uint64_t size = 0;
	int rc = 0;

	*sectors = 0;
	if (parent)
		size = vhd_size(parent);
	else
		rc = raw->size(raw, &size);
	if (rc)
		return err_set(err, rc, "size of the parent");
	rc = may_coalesce(child, parent, size, err);
	if (rc)
		return rc;
	if (parent && parent->footer.type != VHD_FIXED)
		rc = vhd_merge(parent, &m, err);
	else
		rc = vhd_merge_plain(parent ? parent->io : raw, vhd_size(child),
				     &m, err);
	*sectors = m.merged;
	return rc;
}
