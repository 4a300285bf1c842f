/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * stream.c - images written strictly forwards.
 *
 * The metadata is made in memory first, with every block in its place; then
 * it is written, and after it the blocks.
 */
#include "vhd/stream.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/data.h"
#include "vhd/image.h"
#include "vhd/merge.h"

#define MAX_BITMAP 512u
#define MOST       (64u << 20) /* of metadata */

struct memory {
	struct vhd_io io; /* first */
	uint8_t *data;
	size_t size;
};

static int memory_pread(struct vhd_io *io, void *buf, size_t len, uint64_t off)
{
	struct memory *m = (struct memory *)io;

	if (!bytes_within(off, len, m->size))
		return -ERANGE;
	memcpy(buf, m->data + off, len);
	return 0;
}

static int memory_resize(struct vhd_io *io, uint64_t size)
{
	struct memory *m = (struct memory *)io;
	uint8_t *p;

	if (size > MOST)
		return -EFBIG;
	p = realloc(m->data, (size_t)size + 1);
	if (!p)
		return -ENOMEM;
	if (size > m->size)
		memset(p + m->size, 0, (size_t)size - m->size);
	m->data = p;
	m->size = (size_t)size;
	return 0;
}

static int memory_pwrite(struct vhd_io *io, const void *buf, size_t len,
			 uint64_t off)
{
	struct memory *m = (struct memory *)io;
	int rc = off + len > m->size ? memory_resize(io, off + len) : 0;

	if (!rc)
		memcpy(m->data + off, buf, len);
	return rc;
}

static int memory_sync(struct vhd_io *io)
{
	(void)io;
	return 0;
}

static int memory_size(struct vhd_io *io, uint64_t *out)
{
	*out = ((struct memory *)io)->size;
	return 0;
}

int vhd_clone(struct vhd_io *io, struct vhd *like, struct vhd *named,
	      bool keyhash, struct err *err)
{
	const struct vhd_footer *f = named ? &named->footer : &like->footer;
	struct vhd_new p = {
		.type = like->footer.type,
		.size = f->size,
		.max_size = (uint64_t)like->header.max_bat *
			    like->header.block_size,
		.block_size = like->header.block_size,
		.time = (int64_t)f->time + VHD_EPOCH,
		.parent = like->header.parent_name,
		.parent_time = (int64_t)like->header.parent_time + VHD_EPOCH,
	};
	char *locator = NULL;
	int rc = 0;

	memcpy(p.id, f->id, sizeof(p.id));
	memcpy(p.parent_id, like->header.parent_id, sizeof(p.parent_id));
	if (like->footer.type == VHD_FIXED)
		return err_set(err, -EINVAL, "a fixed image has no blocks");
	if (like->footer.type == VHD_DIFFERENCING)
		rc = vhd_parent_locator(like, &locator, err);
	if (!rc && keyhash && vhd_keyhash(like, &p.keyhash))
		rc = err_set(err, -EINVAL, "the key hash cannot be read");
	p.locator = locator;
	if (!rc)
		rc = vhd_create(io, &p, err);
	free(locator);
	return rc;
}

static int get_bits(const struct vhd_forward *f, uint32_t block, uint8_t *map,
		    struct err *err)
{
	uint32_t secs = vhd_block_sectors(f->like);

	memset(map, 0, MAX_BITMAP);
	return f->from->bits(f->from, (uint64_t)block * secs,
			     vhd_block_used(f->like, block), map, err);
}

/* Every block of like's in its place. */
static int place_all(const struct vhd_forward *f, struct vhd *vhd,
		     struct err *err)
{
	uint32_t secs = vhd_block_sectors(vhd);
	uint8_t map[MAX_BITMAP];
	uint64_t at, data;
	int rc = 0;

	for (uint32_t b = 0; !rc && b < vhd_blocks(vhd); b++) {
		if (!vhd_bitmap_off(f->like, b))
			continue;
		rc = vhd_place(vhd, &at, &data);
		if (rc)
			return err_set(err, rc, "the image is full");
		vhd_bat_set(vhd, b, at);
		rc = get_bits(f, b, map, err);
		if (!rc && vhd_bit_next(map, 0, secs, false) == secs)
			vhd_block_set_full(vhd, b);
	}
	if (!rc)
		rc = vhd_bat_write(vhd, err);
	return rc ? rc : vhd_batmap_write(vhd, err);
}

static int put(const struct vhd_forward *f, const void *buf, size_t len,
	       struct err *err)
{
	int rc = f->out(f->arg, buf, len);

	return rc ? err_set(err, rc, "error writing: %s", strerror(-rc)) : 0;
}

/* The gap in front of it, its bitmap and its data, in one buffer. */
static int put_block(const struct vhd_forward *f, struct vhd *vhd,
		     uint32_t block, uint64_t *pos, struct err *err)
{
	uint64_t gap = vhd_bitmap_off(vhd, block) - *pos;
	uint32_t secs = vhd_block_sectors(vhd), i = 0;
	size_t len =
		(size_t)gap + vhd_bitmap_size(vhd) + vhd->header.block_size;
	uint8_t *buf = calloc(1, len), *map = buf ? buf + gap : NULL;
	uint8_t bits[MAX_BITMAP];
	int rc;

	if (!buf)
		return err_set(err, -ENOMEM, "allocating memory");
	rc = get_bits(f, block, bits, err);
	memcpy(map, bits, vhd_bitmap_size(vhd));
	while (!rc && (i = vhd_bit_next(bits, i, secs, true)) < secs) {
		uint32_t to = vhd_bit_next(bits, i, secs, false);

		rc = f->from->read(f->from, (uint64_t)block * secs + i, to - i,
				   map + vhd_bitmap_size(vhd) +
					   (size_t)i * VHD_SECTOR,
				   err);
		i = to;
	}
	if (!rc)
		rc = put(f, buf, len, err);
	*pos += len;
	free(buf);
	return rc;
}

static int put_all(const struct vhd_forward *f, struct vhd *vhd,
		   struct memory *m, struct err *err)
{
	uint64_t pos = bytes_round_up(vhd_meta_end(vhd), VHD_SECTOR);
	uint8_t footer[VHD_FOOTER_BYTES];
	int rc = put(f, m->data, (size_t)pos, err);

	for (uint32_t b = 0; !rc && b < vhd_blocks(vhd); b++) {
		if (vhd_bitmap_off(vhd, b))
			rc = put_block(f, vhd, b, &pos, err);
		if (f->progress && f->progress->step)
			f->progress->step(f->progress->arg, b + 1,
					  vhd_blocks(vhd));
	}
	vhd_footer_encode(footer, &vhd->footer);
	return rc ? rc : put(f, footer, sizeof(footer), err);
}

int vhd_forward(const struct vhd_forward *f, struct err *err)
{
	struct memory m = { .io = { .pread = memory_pread,
				    .pwrite = memory_pwrite,
				    .sync = memory_sync,
				    .resize = memory_resize,
				    .size = memory_size } };
	struct vhd *vhd = NULL;
	int rc = vhd_clone(&m.io, f->like, NULL, f->keyhash, err);

	if (!rc)
		rc = vhd_open(&vhd, &m.io, true, err);
	if (!rc)
		rc = place_all(f, vhd, err);
	if (!rc)
		rc = put_all(f, vhd, &m, err);
	vhd_close(vhd);
	free(m.data);
	return rc;
}
