/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * resize.c - disks made larger.
 *
 * Within the room that the tables have, the footer alone changes.  Beyond it
 * the tables grow over the batmap, the locators and perhaps the first blocks:
 * blocks move to the end, the rest moves up, and a journal leads back from
 * wherever that stops.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/image.h"
#include "vhd/journal.h"

static int fault(const struct vhd_resize *r, const char *name)
{
	return r->fault ? r->fault(r->arg, name) : 0;
}

/* The new size and what follows from it, in the footer. */
static void set_size(struct vhd *vhd, uint64_t size)
{
	vhd->footer.size = size;
	vhd_footer_geometry(&vhd->footer);
}

static uint32_t blocks_for(const struct vhd *vhd, uint64_t size)
{
	return (uint32_t)(bytes_round_up(size, vhd->header.block_size) /
			  vhd->header.block_size);
}

static int resize_fixed(struct vhd *vhd, uint64_t size, struct err *err)
{
	static const uint8_t zero[VHD_SECTOR];
	uint64_t was = vhd->footer_off;
	uint64_t next = bytes_round_up(size, VHD_SECTOR) / VHD_SECTOR;
	int rc;

	set_size(vhd, size);
	vhd->next = next;
	rc = vhd_footer_settle(vhd, err);
	/* The old footer is now a sector of the disk. */
	if (!rc && vhd->footer_off > was && was % VHD_SECTOR == 0)
		rc = vhd->io->pwrite(vhd->io, zero, sizeof(zero), was);
	return rc ? rc : vhd->io->sync(vhd->io);
}

static int resize_footer(struct vhd *vhd, uint64_t size, struct err *err)
{
	int rc;

	/* The part of the table that nobody relied upon until now. */
	vhd->blocks = blocks_for(vhd, size);
	rc = vhd_bat_write(vhd, err);
	if (!rc && vhd->io->sync(vhd->io))
		rc = err_set(err, -EIO, "error writing bat");
	if (rc)
		return rc;
	set_size(vhd, size);
	return vhd_footer_write(vhd, err);
}

/* Where everything goes when the table has room for max entries. */
static uint64_t plan(const struct vhd *vhd, uint32_t max, struct vhd_header *h,
		     struct vhd_batmap *bm)
{
	uint64_t end = h->table_off + vhd_table_bytes(max);

	h->max_bat = max;
	if (bm->there) {
		bm->at = end;
		bm->hdr.off = end + VHD_SECTOR;
		bm->len = (size_t)vhd_batmap_bytes(max);
		bm->hdr.secs = (uint32_t)(bm->len / VHD_SECTOR);
		end = bm->hdr.off + bm->len;
	}
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		struct vhd_locator *loc = &h->loc[i];

		if (!loc->code || loc->off < vhd->header.table_off)
			continue;
		loc->off = end;
		end += bytes_round_up(vhd_locator_room(loc), VHD_SECTOR);
	}
	return end;
}

static int move_block(struct vhd *vhd, struct vhd_journal *j, uint32_t block,
		      uint64_t limit, struct err *err)
{
	uint64_t len = (uint64_t)vhd_bitmap_size(vhd) + vhd->header.block_size;
	uint64_t from = vhd_bitmap_off(vhd, block), to, data;
	uint8_t *buf;
	int rc = vhd_place(vhd, &to, &data);

	if (rc)
		return err_set(err, rc, "the image is full");
	/* Only what the tables will lie on is lost by it. */
	rc = vhd_journal_data(j, vhd, from,
			      limit - from < len ? limit - from : len, err);
	if (!rc)
		rc = vhd_footer_move(vhd, vhd_end(vhd), err);
	if (rc)
		return rc;
	buf = malloc((size_t)len);
	if (!buf)
		return err_set(err, -ENOMEM, "allocating memory");
	rc = vhd_pread_zero(vhd, buf, (size_t)len, from);
	if (!rc)
		rc = vhd->io->pwrite(vhd->io, buf, (size_t)len, to);
	free(buf);
	if (rc)
		return err_set(err, rc, "error moving block 0x%x: %s", block,
			       strerror(-rc));
	vhd_bat_set(vhd, block, to);
	return 0;
}

static int move_blocks(struct vhd *vhd, struct vhd_journal *j, uint64_t limit,
		       struct err *err)
{
	int rc = 0;

	/* Behind the tables as they will be, if all blocks are in front. */
	if (vhd->next < limit / VHD_SECTOR)
		vhd->next = limit / VHD_SECTOR;
	for (uint32_t b = 0; !rc && b < vhd->blocks; b++) {
		uint64_t off = vhd_bitmap_off(vhd, b);

		if (off && off < limit)
			rc = move_block(vhd, j, b, limit, err);
	}
	if (!rc)
		rc = vhd_footer_move(vhd, vhd_end(vhd), err);
	if (!rc && vhd->io->sync(vhd->io))
		rc = err_set(err, -EIO, "error writing data");
	return rc;
}

static int grow_tables(struct vhd *vhd, uint32_t max, size_t map_len,
		       struct err *err)
{
	size_t had = (size_t)vhd->header.max_bat * sizeof(*vhd->bat);
	uint32_t *bat = malloc((size_t)vhd_table_bytes(max));
	uint8_t *map = calloc(1, map_len + 1);

	if (!bat || !map) {
		free(bat);
		free(map);
		return err_set(err, -ENOMEM, "allocating the BAT");
	}
	memset(bat, 0xff, (size_t)vhd_table_bytes(max));
	memcpy(bat, vhd->bat, had);
	free(vhd->bat);
	vhd->bat = bat;
	if (!vhd->batmap.there) {
		free(map);
		return 0;
	}
	memcpy(map, vhd->batmap.map,
	       vhd->batmap.len < map_len ? vhd->batmap.len : map_len);
	free(vhd->batmap.map);
	vhd->batmap.map = map;
	return 0;
}

static int move_locators(struct vhd *vhd, const struct vhd_header *h,
			 struct err *err)
{
	uint8_t *buf[VHD_LOCATORS] = { 0 };
	int rc = 0;

	/* All are read before the first is written: they may overlap. */
	for (unsigned i = 0; !rc && i < VHD_LOCATORS; i++) {
		const struct vhd_locator *loc = &vhd->header.loc[i];

		if (!loc->code)
			continue;
		buf[i] = calloc(1, (size_t)vhd_locator_room(loc));
		rc = buf[i] ? vhd_pread_zero(vhd, buf[i],
					     (size_t)vhd_locator_room(loc),
					     loc->off)
			    : -ENOMEM;
	}
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		if (!rc && buf[i])
			rc = vhd->io->pwrite(
				vhd->io, buf[i],
				(size_t)vhd_locator_room(&h->loc[i]),
				h->loc[i].off);
		free(buf[i]);
	}
	return rc ? err_set(err, rc, "error writing locator: %s", strerror(-rc))
		  : 0;
}

static int move_metadata(struct vhd *vhd, const struct vhd_header *h,
			 const struct vhd_batmap *bm, struct err *err)
{
	int rc = move_locators(vhd, h, err);

	if (!rc)
		rc = grow_tables(vhd, h->max_bat, bm->len, err);
	if (rc)
		return rc;
	vhd->header = *h;
	if (bm->there) {
		uint8_t *map = vhd->batmap.map;

		vhd->batmap = *bm;
		vhd->batmap.map = map;
	}
	rc = vhd_batmap_write(vhd, err);
	if (!rc)
		rc = vhd_bat_write(vhd, err);
	if (!rc)
		rc = vhd_header_write(vhd, err);
	if (!rc && vhd->io->sync(vhd->io))
		rc = err_set(err, -EIO, "error writing metadata");
	return rc;
}

static int too_long_locator(const struct vhd *vhd)
{
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		const struct vhd_locator *loc = &vhd->header.loc[i];

		if (loc->code && vhd_locator_room(loc) > (1u << 20))
			return -EINVAL;
	}
	return 0;
}

/* Everything between poison and commit; -ECANCELED: stopped on purpose. */
static int grow(struct vhd *vhd, const struct vhd_resize *r,
		struct vhd_journal *j, struct err *err)
{
	struct vhd_header h = vhd->header;
	struct vhd_batmap bm = vhd->batmap;
	uint64_t limit = plan(vhd, blocks_for(vhd, r->size), &h, &bm);
	int rc;

	vhd->poisoned = true;
	rc = vhd_footer_write(vhd, err);
	if (!rc)
		rc = move_blocks(vhd, j, limit, err);
	if (!rc && fault(r, "RESIZE_DATA_MOVED"))
		rc = -ECANCELED;
	if (!rc)
		rc = move_metadata(vhd, &h, &bm, err);
	if (rc)
		return rc;
	vhd->blocks = blocks_for(vhd, r->size);
	set_size(vhd, r->size);
	rc = vhd_footer_write(vhd, err);
	if (!rc && fault(r, "RESIZE_METADATA_MOVED"))
		rc = -ECANCELED;
	if (rc)
		return rc;
	vhd->poisoned = false;
	return vhd_footer_write(vhd, err);
}

static int resize_journalled(struct vhd *vhd, const struct vhd_resize *r,
			     struct err *err)
{
	struct vhd_journal j;
	int rc = too_long_locator(vhd);

	if (rc)
		return err_set(err, rc, "locator: invalid space");
	if (!vhd->primary)
		rc = vhd_footer_settle(vhd, err);
	if (!rc && fault(r, "RESIZE_BEGIN"))
		return -EINVAL;
	if (!rc)
		rc = vhd_journal_start(&j, vhd, r->journal, err);
	if (rc)
		return rc;
	rc = grow(vhd, r, &j, err);
	if (rc == -ECANCELED)
		return -EINVAL;
	/* The caller keeps the journal if this does not work either. */
	if (rc && vhd_revert(vhd->io, r->journal, NULL))
		return -EIO;
	if (!rc && fault(r, "RESIZE_END"))
		rc = -EINVAL;
	return rc;
}

int vhd_resize(struct vhd *vhd, const struct vhd_resize *r, struct err *err)
{
	uint64_t most = (uint64_t)VHD_MAX_BLOCKS * (2u << 20);
	int rc = vhd_may_write(vhd, err);

	if (rc)
		return rc;
	if (r->size > most)
		return err_set(err, -EINVAL,
			       "%llu bytes: a VHD holds at most %llu (%u "
			       "blocks of 2 MiB)",
			       (unsigned long long)r->size,
			       (unsigned long long)most, VHD_MAX_BLOCKS);
	if (vhd->footer.type == VHD_FIXED)
		return resize_fixed(vhd, r->size, err);
	if (r->size < vhd->footer.size)
		return err_set(err, -ENOSYS,
			       "dynamic shrink not fully implemented");
	if (blocks_for(vhd, r->size) <= vhd->header.max_bat)
		return resize_footer(vhd, r->size, err);
	if (!r->journal)
		return err_set(err, -EINVAL,
			       "the tables have room for %u blocks, not %u: "
			       "a journal is needed",
			       vhd->header.max_bat, blocks_for(vhd, r->size));
	return resize_journalled(vhd, r, err);
}
