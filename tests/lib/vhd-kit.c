/* SPDX-License-Identifier: GPL-2.0-or-later */
/* vhd-kit.c - images to try things on, in memory. */
#include "tests/lib/vhd-kit.h"

#include <assert.h>
#include <string.h>

#include "vhd/chain.h"
#include "vhd/data.h"
#include "vhd/format.h"

#define BLOCK 4096u

int vhd_kit(struct vhd_mem *m, const char *name, uint64_t size,
	    uint64_t max_size, uint32_t block)
{
	struct vhd_new p = {
		.type = VHD_DYNAMIC,
		.size = size,
		.max_size = max_size,
		.block_size = block,
		.time = VHD_EPOCH + 1000,
		.id = { 1, (uint8_t)name[0] },
	};
	struct vhd_io *io = vhd_mem_open(m, name);
	int rc = vhd_create(io, &p, NULL);

	io->close(io);
	return rc;
}

int vhd_kit_child(struct vhd_mem *m, const char *name, const char *parent,
		  bool raw, uint32_t block)
{
	struct vhd_snapshot snap = {
		.name = name, .parent = parent, .raw = raw, .empty = true
	};
	struct vhd_new p = { .time = VHD_EPOCH + 2000,
			     .block_size = block,
			     .id = { 2, (uint8_t)name[0] } };
	struct vhd_io *io = vhd_mem_open(m, name);
	int rc = vhd_snapshot(io, &m->files, &snap, &p, NULL);

	io->close(io);
	return rc;
}

struct vhd *vhd_kit_open(struct vhd_mem *m, const char *name,
			 struct vhd_io **io)
{
	struct vhd *vhd = NULL;

	*io = vhd_mem_open(m, name);
	if (vhd_open(&vhd, *io, true, NULL))
		vhd = NULL;
	return vhd;
}

void vhd_kit_close(struct vhd *vhd, struct vhd_io *io)
{
	vhd_close(vhd);
	io->close(io);
}

static void write_block(struct vhd *vhd, struct vhd_io *io, uint32_t block,
			const uint8_t *buf, const uint8_t *map)
{
	uint64_t map_off, off, table_off;
	uint8_t entry[512];
	int rc = vhd_place(vhd, &map_off, &off);

	rc = rc ? rc : io->pwrite(io, buf, BLOCK, off);
	rc = rc ? rc : io->pwrite(io, map, 512, map_off);
	vhd_bat_set(vhd, block, map_off);
	vhd_bat_sector(vhd, block, entry, &table_off);
	rc = rc ? rc : io->pwrite(io, entry, 512, table_off);
	assert(!rc);
}

void vhd_kit_scribble(struct vhd_mem *m, const char *name, uint32_t step)
{
	struct vhd_io *io;
	struct vhd *vhd = vhd_kit_open(m, name, &io);
	uint8_t buf[BLOCK], map[512];

	assert(vhd && vhd_block_size(vhd) == BLOCK);
	assert(!vhd_write_begin(vhd, NULL));
	for (uint32_t b = step / 2; b < vhd_blocks(vhd); b += step) {
		memset(map, 0, sizeof(map));
		memset(buf, 0, sizeof(buf));
		vhd_bits_set(map, b % 3, b % (2 * step) ? 8 - b % 3 : 3);
		for (uint32_t s = 0; s < 8; s++) {
			if (vhd_bit(map, s))
				memset(buf + s * 512, (int)(name[0] + step + b),
				       512);
		}
		write_block(vhd, io, b, buf, map);
	}
	assert(!vhd_write_end(vhd, NULL));
	vhd_kit_close(vhd, io);
}

bool vhd_kit_read(struct vhd_mem *m, const char *name, uint8_t *out,
		  uint32_t sectors)
{
	struct vhd_chain *c;
	int rc = vhd_chain_open(&c, &m->files, name, 0, NULL);

	if (rc)
		return false;
	rc = vhd_chain_read(c, out, 0, sectors, NULL);
	vhd_chain_close(c);
	return !rc;
}
