/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * create.c - new images.
 *
 * The order on the disk is footer, header, BAT, batmap header, batmap,
 * locators, blocks, footer.  The footers are written last, and over an old
 * image they are wiped first, so that no crash leaves a mixture that opens.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/image.h"
#include "vhd/locator.h"
#include "vhd/names.h"
#include "vhd/utf16.h"

#define BLOCK_SIZE (2u << 20)
#define HEADER_OFF VHD_FOOTER_BYTES
#define TABLE_OFF  (HEADER_OFF + VHD_HEADER_BYTES)
#define CHUNK      (1u << 20)

static void new_footer(struct vhd_footer *f, const struct vhd_new *p)
{
	*f = (struct vhd_footer){
		.features = 2,
		.version = 0x00010000,
		.data_off = p->type == VHD_FIXED ? VHD_ALL_ONES : HEADER_OFF,
		.time = (uint32_t)(p->time - VHD_EPOCH),
		.creator_app = "tap",
		.creator_version = VHD_CREATOR_1_3,
		.orig_size = p->size,
		.size = p->size,
		.type = p->type,
	};
	memcpy(f->id, p->id, sizeof(f->id));
	vhd_footer_geometry(f);
}

static int check_new(const struct vhd_new *p, struct err *err)
{
	uint64_t size = p->max_size > p->size ? p->max_size : p->size;
	uint64_t most = (uint64_t)VHD_MAX_BLOCKS * BLOCK_SIZE;
	uint32_t block = p->block_size;

	if (size > most)
		return err_set(err, -EINVAL,
			       "%llu bytes: a VHD holds at most %llu (%u "
			       "blocks of 2 MiB)",
			       (unsigned long long)size,
			       (unsigned long long)most, VHD_MAX_BLOCKS);
	if (block && (block < 4096 || block > BLOCK_SIZE ||
		      (block & (block - 1)) || size / block > UINT32_MAX / 8))
		return err_set(err, -EINVAL, "block size %u", block);
	if (p->type == VHD_DIFFERENCING && (!p->parent || !p->locator))
		return err_set(err, -EINVAL, "no parent given");
	return 0;
}

/* What lay there must not be taken for an image any more. */
static int wipe(struct vhd *vhd)
{
	static const uint8_t zero[VHD_SECTOR];
	uint64_t size = vhd->file_size;
	int rc;

	if (size < 2 * VHD_SECTOR)
		return 0;
	rc = vhd->io->pwrite(vhd->io, zero, sizeof(zero), size - VHD_SECTOR);
	if (!rc)
		rc = vhd->io->pwrite(vhd->io, zero, sizeof(zero), 0);
	if (!rc)
		rc = vhd->io->sync(vhd->io);
	if (!rc && vhd->io->resize) {
		rc = vhd->io->resize(vhd->io, 0);
		if (!rc)
			vhd->file_size = 0;
		if (rc == -EOPNOTSUPP)
			rc = 0;
	}
	return rc;
}

static int write_zeroes(struct vhd *vhd, uint64_t off, uint64_t len)
{
	uint8_t *zero = calloc(1, CHUNK);
	int rc = zero ? 0 : -ENOMEM;

	while (!rc && len) {
		size_t n = len < CHUNK ? (size_t)len : CHUNK;

		rc = vhd->io->pwrite(vhd->io, zero, n, off);
		off += n;
		len -= n;
	}
	free(zero);
	return rc;
}

static int create_fixed(struct vhd *vhd, const struct vhd_new *p,
			struct err *err)
{
	int rc = 0;

	vhd->next = bytes_round_up(p->size, VHD_SECTOR) / VHD_SECTOR;
	if (!p->sparse || !vhd->io->resize)
		rc = write_zeroes(vhd, 0, vhd_end(vhd));
	else if (vhd_end(vhd))
		rc = vhd->io->resize(vhd->io, vhd_end(vhd));
	if (!rc)
		rc = vhd->io->size(vhd->io, &vhd->file_size);
	if (rc)
		return err_set(err, rc, "error writing data: %s",
			       strerror(-rc));
	return vhd_footer_new(vhd, err);
}

static int new_batmap(struct vhd *vhd)
{
	struct vhd_batmap *bm = &vhd->batmap;
	uint32_t max = vhd->header.max_bat;

	bm->at = vhd->header.table_off + vhd_table_bytes(max);
	bm->len = (size_t)vhd_batmap_bytes(max);
	bm->hdr.off = bm->at + VHD_SECTOR;
	bm->hdr.secs = (uint32_t)(bm->len / VHD_SECTOR);
	/* A disk of no size has a map all the same: readers expect one. */
	if (!bm->hdr.secs)
		bm->hdr.secs = 1;
	bm->len = (size_t)bm->hdr.secs * VHD_SECTOR;
	bm->map = calloc(1, bm->len);
	bm->there = bm->map;
	return bm->map ? 0 : -ENOMEM;
}

static int write_locator(struct vhd *vhd, unsigned i, const char *path,
			 uint64_t *off)
{
	static const uint32_t codes[VHD_LOCATOR_FILES] = {
		VHD_CODE_MACX,
		VHD_CODE_W2KU,
		VHD_CODE_W2RU,
	};
	struct vhd_locator *loc = &vhd->header.loc[i];
	uint8_t *raw, *buf;
	int rc = vhd_locator_encode(&raw, &loc->len, codes[i], path);

	if (rc)
		return rc;
	loc->code = codes[i];
	loc->space = (uint32_t)bytes_round_up(loc->len, VHD_SECTOR);
	loc->off = *off;
	buf = calloc(1, loc->space);
	rc = buf ? 0 : -ENOMEM;
	if (!rc) {
		memcpy(buf, raw, loc->len);
		rc = vhd->io->pwrite(vhd->io, buf, loc->space, loc->off);
	}
	free(raw);
	free(buf);
	*off += loc->space;
	return rc;
}

static int write_locators(struct vhd *vhd, const struct vhd_new *p,
			  struct err *err)
{
	uint64_t off = vhd->batmap.hdr.off + vhd->batmap.len;
	uint8_t name[512];
	const char *base = vhd_name_base(p->parent);
	int rc = vhd_utf16_encode(name, sizeof(name), base, true);

	rc = rc < 0 ? rc : 0;
	for (unsigned i = 0; !rc && i < VHD_LOCATOR_FILES; i++)
		rc = write_locator(vhd, i, p->locator, &off);
	if (rc)
		return err_set(err, rc, "parent '%s': %s", p->parent,
			       strerror(-rc));
	(void)snprintf(vhd->header.parent_name, sizeof(vhd->header.parent_name),
		       "%s", base);
	memcpy(vhd->header.parent_id, p->parent_id, 16);
	vhd->header.parent_time = (uint32_t)(p->parent_time - VHD_EPOCH);
	return 0;
}

static int create_dynamic(struct vhd *vhd, const struct vhd_new *p,
			  struct err *err)
{
	uint64_t max = p->max_size > p->size ? p->max_size : p->size;
	struct vhd_header *h = &vhd->header;
	int rc;

	h->table_off = TABLE_OFF;
	h->block_size = p->block_size ? p->block_size : BLOCK_SIZE;
	h->max_bat =
		(uint32_t)(bytes_round_up(max, h->block_size) / h->block_size);
	vhd->blocks = (uint32_t)(bytes_round_up(p->size, h->block_size) /
				 h->block_size);
	vhd->bat = malloc((size_t)vhd_table_bytes(h->max_bat) + 1);
	if (!vhd->bat || new_batmap(vhd))
		return err_set(err, -ENOMEM, "allocating the BAT");
	memset(vhd->bat, 0xff, (size_t)h->max_bat * sizeof(*vhd->bat));
	vhd->batmap.hdr.keyhash = p->keyhash;
	rc = vhd_batmap_write(vhd, err);
	if (!rc)
		rc = vhd_bat_write(vhd, err);
	if (!rc && p->type == VHD_DIFFERENCING)
		rc = write_locators(vhd, p, err);
	if (!rc)
		rc = vhd->io->size(vhd->io, &vhd->file_size);
	if (!rc)
		rc = vhd_header_write(vhd, err);
	if (rc)
		return rc;
	vhd_bat_scan(vhd);
	return vhd_footer_new(vhd, err);
}

int vhd_create(struct vhd_io *io, const struct vhd_new *p, struct err *err)
{
	struct vhd *vhd;
	int rc = check_new(p, err);

	if (rc)
		return rc;
	vhd = calloc(1, sizeof(*vhd));
	if (!vhd)
		return err_set(err, -ENOMEM, "allocating image");
	vhd->io = io;
	vhd->flags = VHD_OPEN_WRITE;
	new_footer(&vhd->footer, p);
	rc = io->size(io, &vhd->file_size);
	if (!rc)
		rc = wipe(vhd);
	if (rc)
		rc = err_set(err, rc, "error writing headers: %s",
			     strerror(-rc));
	else if (p->type == VHD_FIXED)
		rc = create_fixed(vhd, p, err);
	else
		rc = create_dynamic(vhd, p, err);
	vhd_close(vhd);
	return rc;
}
