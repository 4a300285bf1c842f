/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bat.c - the table of blocks: where each is, and where the next one goes. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/image.h"

#define PAGE_SECTORS 8u /* data begins on a page */

uint64_t vhd_table_bytes(uint32_t max_bat)
{
	return bytes_round_up((uint64_t)max_bat * 4, VHD_SECTOR);
}

uint32_t vhd_block_size(const struct vhd *vhd)
{
	return vhd->header.block_size;
}

uint32_t vhd_block_sectors(const struct vhd *vhd)
{
	return vhd->header.block_size / VHD_SECTOR;
}

uint32_t vhd_bitmap_size(const struct vhd *vhd)
{
	uint32_t bits = vhd_block_sectors(vhd);

	return (uint32_t)bytes_round_up((bits + 7) / 8, VHD_SECTOR);
}

uint32_t vhd_bitmap_sectors(const struct vhd *vhd)
{
	return vhd_bitmap_size(vhd) / VHD_SECTOR;
}

uint32_t vhd_blocks(const struct vhd *vhd)
{
	return vhd->blocks;
}

uint64_t vhd_bitmap_off(const struct vhd *vhd, uint32_t block)
{
	if (block >= vhd->blocks || vhd->bat[block] == VHD_NO_BLOCK)
		return 0;
	return (uint64_t)vhd->bat[block] * VHD_SECTOR;
}

uint64_t vhd_block_off(const struct vhd *vhd, uint32_t block)
{
	uint64_t off = vhd_bitmap_off(vhd, block);

	return off ? off + vhd_bitmap_size(vhd) : 0;
}

uint32_t vhd_allocated(const struct vhd *vhd)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < vhd->blocks; i++)
		n += vhd->bat[i] != VHD_NO_BLOCK;
	return n;
}

uint64_t vhd_meta_end(const struct vhd *vhd)
{
	const struct vhd_header *h = &vhd->header;
	uint64_t end = vhd->footer.data_off + VHD_HEADER_BYTES;
	uint64_t table = h->table_off + vhd_table_bytes(h->max_bat);

	if (table > end)
		end = table;
	if (vhd->batmap.there) {
		uint64_t map = vhd->batmap.at + VHD_SECTOR;
		uint64_t bits = vhd->batmap.hdr.off +
				(uint64_t)vhd->batmap.hdr.secs * VHD_SECTOR;

		end = map > end ? map : end;
		end = bits > end ? bits : end;
	}
	for (unsigned i = 0; i < VHD_LOCATORS; i++) {
		const struct vhd_locator *loc = &h->loc[i];
		uint64_t to = loc->off + vhd_locator_room(loc);

		/* One that points nowhere is not ours to make room for. */
		if (loc->code && loc->off <= vhd->file_size &&
		    to <= vhd->file_size && to > end)
			end = to;
	}
	return end;
}

void vhd_bat_scan(struct vhd *vhd)
{
	uint64_t stride = vhd_bitmap_sectors(vhd) + vhd_block_sectors(vhd);
	uint64_t end = bytes_round_up(vhd_meta_end(vhd), VHD_SECTOR);

	vhd->next = end / VHD_SECTOR;
	for (uint32_t i = 0; i < vhd->blocks; i++) {
		if (vhd->bat[i] != VHD_NO_BLOCK &&
		    vhd->bat[i] + stride > vhd->next)
			vhd->next = vhd->bat[i] + stride;
	}
}

/*
 * A good footer was written behind the last block. Without one, a writer
 * died, and its last block may end beyond the file; its bitmap may not.
 */
static int entry_check(const struct vhd *vhd, uint32_t block, struct err *err)
{
	uint64_t off = (uint64_t)vhd->bat[block] * VHD_SECTOR;
	uint64_t len = vhd_bitmap_size(vhd);
	uint64_t low =
		vhd->header.table_off + vhd_table_bytes(vhd->header.max_bat);

	if (vhd->primary)
		len += vhd->header.block_size;
	if (off < low)
		return err_set(err, -EINVAL,
			       "block %u (offset 0x%x) clobbers headers", block,
			       vhd->bat[block]);
	if (!bytes_within(off, len, vhd->file_size))
		return err_set(err, -EINVAL,
			       "block %u (offset 0x%x) lies outside the file",
			       block, vhd->bat[block]);
	return 0;
}

int vhd_bat_load(struct vhd *vhd, struct err *err)
{
	const struct vhd_header *h = &vhd->header;
	size_t bytes = (size_t)vhd_table_bytes(h->max_bat);
	int rc = 0;

	vhd->bat = malloc(bytes ? bytes : VHD_SECTOR);
	if (!vhd->bat)
		return err_set(err, -ENOMEM, "allocating the BAT");
	if (bytes)
		rc = vhd->io->pread(vhd->io, vhd->bat, bytes, h->table_off);
	if (rc)
		return err_set(err, rc, "error reading bat: %s", strerror(-rc));
	for (uint32_t i = 0; i < h->max_bat; i++) {
		vhd->bat[i] = bytes_be32(&vhd->bat[i]);
		if (vhd->bat[i] == VHD_NO_BLOCK)
			continue;
		/* Nothing is known of what lies behind the disk's end. */
		if (i >= vhd->blocks)
			vhd->bat[i] = VHD_NO_BLOCK;
		else if (!(vhd->flags & VHD_OPEN_LOOSE))
			rc = entry_check(vhd, i, err);
		if (rc)
			return rc;
	}
	vhd_bat_scan(vhd);
	return 0;
}

void vhd_bat_sector(const struct vhd *vhd, uint32_t block, uint8_t buf[512],
		    uint64_t *off)
{
	uint32_t first = block / 128 * 128;

	memset(buf, 0, VHD_SECTOR);
	for (uint32_t i = 0; i < 128 && first + i < vhd->header.max_bat; i++)
		bytes_put_be32(buf + i * 4, vhd->bat[first + i]);
	*off = vhd->header.table_off + (uint64_t)first * 4;
}

int vhd_bat_write(struct vhd *vhd, struct err *err)
{
	size_t bytes = (size_t)vhd_table_bytes(vhd->header.max_bat);
	uint8_t *buf = malloc(bytes ? bytes : 1);
	uint64_t off;
	int rc = 0;

	if (!buf)
		return err_set(err, -ENOMEM, "allocating the BAT");
	for (uint32_t i = 0; i < vhd->header.max_bat; i += 128)
		vhd_bat_sector(vhd, i, buf + (size_t)i * 4, &off);
	if (bytes)
		rc = vhd->io->pwrite(vhd->io, buf, bytes,
				     vhd->header.table_off);
	free(buf);
	return rc ? err_set(err, rc, "error writing bat: %s", strerror(-rc))
		  : 0;
}

int vhd_place(struct vhd *vhd, uint64_t *bitmap_off, uint64_t *block_off)
{
	uint64_t map = vhd_bitmap_sectors(vhd);
	uint64_t data = bytes_round_up(vhd->next + map, PAGE_SECTORS);

	if (data + vhd_block_sectors(vhd) > UINT32_MAX)
		return -ENOSPC;
	*bitmap_off = (data - map) * VHD_SECTOR;
	*block_off = data * VHD_SECTOR;
	vhd->next = data + vhd_block_sectors(vhd);
	return 0;
}

void vhd_bat_set(struct vhd *vhd, uint32_t block, uint64_t bitmap_off)
{
	if (block < vhd->blocks)
		vhd->bat[block] = (uint32_t)(bitmap_off / VHD_SECTOR);
}

uint64_t vhd_end(const struct vhd *vhd)
{
	return vhd->next * VHD_SECTOR;
}
