/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* merge.c - batches of blocks into an image. */
#include "vhd/merge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "vhd/data.h"
#include "vhd/image.h"

#define BATCH        128u
#define MAX_BITMAP   512u
#define MAX_BLOCK    (2u << 20)
#define SECTORS_2MIB (MAX_BLOCK / VHD_SECTOR)

struct entry {
	uint32_t block;
	bool new;
	bool grown; /* bits that were not set before */
	uint64_t map_off;
	uint64_t data_off;
	uint8_t bits[MAX_BITMAP]; /* of the source */
	uint8_t map[MAX_BITMAP];  /* as it shall be */
};

struct merging {
	struct vhd *to;
	struct vhd_merge *m;
	struct err *err;
	unsigned n;
	struct entry *e; /* BATCH of them */
	uint8_t *buf;    /* a block */
};

/* Of a block, the part that was asked for: the bits in front of it are 0. */
static int source_bits(struct merging *g, struct entry *e)
{
	const struct vhd_merge *m = g->m;
	uint32_t secs = vhd_block_sectors(g->to);
	uint64_t base = (uint64_t)e->block * secs;
	uint32_t used = vhd_block_used(g->to, e->block);
	uint64_t first = m->first > base ? m->first - base : 0;
	uint64_t end = m->first + m->count - base;
	uint8_t map[MAX_BITMAP];
	int rc;

	memset(e->bits, 0, sizeof(e->bits));
	if (end > used)
		end = used;
	if (first >= end)
		return 0;
	rc = m->from->bits(m->from, base, (uint32_t)end, map, g->err);
	for (uint32_t i = (uint32_t)first; !rc && i < end;) {
		uint32_t at = vhd_bit_next(map, i, (uint32_t)end, true);

		i = vhd_bit_next(map, at, (uint32_t)end, false);
		vhd_bits_set(e->bits, at, i - at);
	}
	return rc;
}

/* Decide what is to be done about a block; -EAGAIN: nothing. */
static int plan(struct merging *g, struct entry *e, uint32_t block)
{
	uint32_t secs = vhd_block_sectors(g->to);
	int rc;

	*e = (struct entry){ .block = block };
	e->map_off = vhd_bitmap_off(g->to, block);
	e->data_off = vhd_block_off(g->to, block);
	rc = source_bits(g, e);
	if (rc)
		return rc;
	e->new = !e->map_off;
	if (vhd_bit_next(e->bits, 0, secs, true) == secs &&
	    !(e->new && g->m->allocate))
		return -EAGAIN;
	rc = vhd_bitmap_read(g->to, block, e->map, g->err);
	for (uint32_t i = 0; !rc && i < sizeof(e->map); i++) {
		e->grown |= (e->bits[i] & ~e->map[i]) != 0;
		e->map[i] |= e->bits[i];
	}
	if (!rc && e->new) {
		rc = vhd_place(g->to, &e->map_off, &e->data_off);
		if (rc)
			err_set(g->err, rc, "the image is full");
	}
	return rc;
}

/* A device may hold an old block's data where the new one has none. */
static int clear_device(struct merging *g, const struct entry *e)
{
	uint32_t secs = vhd_block_sectors(g->to);

	if (!e->new || g->to->io->resize ||
	    vhd_bit_next(e->bits, 0, secs, false) == secs)
		return 0;
	memset(g->buf, 0, g->to->header.block_size);
	return g->to->io->pwrite(g->to->io, g->buf, g->to->header.block_size,
				 e->data_off);
}

/* A run of sectors on its way to off. */
struct run {
	uint64_t sector;
	uint32_t count;
	uint64_t off;
	uint64_t len; /* bytes that are wanted */
};

/* Sectors of a run: what the processor's cache holds between two copies. */
#define PIECE 512u

static int move_piece(struct vhd_source *from, struct vhd_io *to,
		      const struct run *r, uint32_t at, void *buf,
		      struct err *err)
{
	uint32_t n = r->count - at < PIECE ? r->count - at : PIECE;
	uint64_t off = (uint64_t)at * VHD_SECTOR;
	uint64_t len = r->len - off;
	int rc = from->read(from, r->sector + at, n, buf, err);

	if (rc)
		return rc;
	if (len > (uint64_t)n * VHD_SECTOR)
		len = (uint64_t)n * VHD_SECTOR;
	rc = to->pwrite(to, buf, (size_t)len, r->off + off);
	return rc ? err_set(err, rc, "error writing data: %s", strerror(-rc))
		  : 0;
}

static int move_run(struct vhd_merge *m, struct vhd_io *to, const struct run *r,
		    void *buf, struct err *err)
{
	struct vhd_source *from = m->from;
	int rc = -EOPNOTSUPP;

	if (from->copy && r->len == (uint64_t)r->count * VHD_SECTOR)
		rc = from->copy(from, r->sector, r->count, to, r->off);
	if (rc && rc != -EOPNOTSUPP)
		return err_set(err, rc, "error writing data: %s",
			       strerror(-rc));
	for (uint32_t at = rc ? 0 : r->count; at < r->count; at += PIECE) {
		rc = move_piece(from, to, r, at, buf, err);
		if (rc)
			return rc;
	}
	m->merged += r->count;
	return 0;
}

static int write_runs(struct merging *g, const struct entry *e)
{
	uint32_t secs = vhd_block_sectors(g->to), i = 0;
	uint64_t base = (uint64_t)e->block * secs;
	int rc = clear_device(g, e);

	while (!rc && (i = vhd_bit_next(e->bits, i, secs, true)) < secs) {
		uint32_t to = vhd_bit_next(e->bits, i, secs, false);
		struct run r = { .sector = base + i,
				 .count = to - i,
				 .off = e->data_off + (uint64_t)i * VHD_SECTOR,
				 .len = (uint64_t)(to - i) * VHD_SECTOR };

		rc = move_run(g->m, g->to->io, &r, g->buf, g->err);
		if (rc)
			return err_wrap(g->err, "block 0x%x", e->block);
		i = to;
	}
	if (!rc && e->new)
		rc = g->to->io->pwrite(g->to->io, e->map,
				       vhd_bitmap_size(g->to), e->map_off);
	return rc ? err_set(g->err, rc, "error writing block 0x%x: %s",
			    e->block, strerror(-rc))
		  : 0;
}

static int sync_data(struct merging *g)
{
	int rc = g->to->io->sync(g->to->io);

	return rc ? err_set(g->err, rc, "error writing data: %s", strerror(-rc))
		  : 0;
}

static int write_batch(struct merging *g)
{
	int rc = g->m->fresh ? 0
			     : vhd_footer_move(g->to, vhd_end(g->to), g->err);

	for (unsigned i = 0; !rc && i < g->n; i++)
		rc = write_runs(g, &g->e[i]);
	return rc || g->m->fresh ? rc : sync_data(g);
}

static int write_bat_of(struct merging *g, uint32_t block)
{
	uint8_t buf[VHD_SECTOR];
	uint64_t off;
	int rc;

	vhd_bat_sector(g->to, block, buf, &off);
	rc = g->to->io->pwrite(g->to->io, buf, sizeof(buf), off);
	return rc ? err_set(g->err, rc, "error writing bat: %s", strerror(-rc))
		  : 0;
}

/* Each sector of the table that has a new entry, once. */
static int write_table(struct merging *g)
{
	bool new = false;
	int rc = 0;

	for (unsigned i = 0; !rc && i < g->n; i++) {
		new |= g->e[i].new;
		if (i + 1 < g->n &&
		    g->e[i + 1].block / 128 == g->e[i].block / 128)
			continue;
		if (new)
			rc = write_bat_of(g, g->e[i].block);
		new = false;
	}
	return rc;
}

static int commit_batch(struct merging *g)
{
	uint32_t secs = vhd_block_sectors(g->to);
	int rc = 0;

	for (unsigned i = 0; !rc && i < g->n; i++) {
		struct entry *e = &g->e[i];

		if (e->new)
			vhd_bat_set(g->to, e->block, e->map_off);
		else if (e->grown)
			rc = vhd_bitmap_write(g->to, e->block, e->map, g->err);
	}
	if (!rc)
		rc = write_table(g);
	for (unsigned i = 0; !rc && i < g->n; i++) {
		if (vhd_bit_next(g->e[i].map, 0, secs, false) == secs)
			vhd_block_set_full(g->to, g->e[i].block);
	}
	g->n = 0;
	return rc;
}

static int flush_batch(struct merging *g)
{
	int rc = write_batch(g);

	if (!rc)
		return commit_batch(g);
	/* Nothing leads to what was placed: the room is free again. */
	vhd_bat_scan(g->to);
	return rc;
}

static void progress(const struct vhd_merge *m, uint64_t done, uint64_t all)
{
	if (m->progress && m->progress->step)
		m->progress->step(m->progress->arg, done, all);
}

/* One block into the batch, and the batch out when it is full. */
static int take_block(struct merging *g, uint32_t block)
{
	/* What comes by a pipe is to be read block by block. */
	unsigned most = g->m->order ? 1 : BATCH;
	int rc = plan(g, &g->e[g->n], block);

	if (rc == -EAGAIN)
		return 0;
	if (rc)
		return rc;
	return ++g->n == most ? flush_batch(g) : 0;
}

static int merge_blocks(struct merging *g)
{
	uint32_t secs = vhd_block_sectors(g->to);
	uint64_t end = (g->m->first + g->m->count + secs - 1) / secs;
	uint64_t from = g->m->first / secs;
	int rc = 0;

	if (g->m->order) {
		from = 0;
		end = g->m->n;
	}
	for (uint64_t i = from; !rc && i < end; i++) {
		uint32_t b = g->m->order ? g->m->order[i] : (uint32_t)i;

		if (b < vhd_blocks(g->to))
			rc = take_block(g, b);
		if (i % BATCH == BATCH - 1)
			progress(g->m, i, end);
	}
	if (!rc && g->n)
		rc = flush_batch(g);
	if (!rc)
		progress(g->m, end, end);
	return rc;
}

/* Behind all that was committed, whether or not there was an error. */
static int finish(struct merging *g, int rc)
{
	struct err quiet;
	struct err *err = rc ? &quiet : g->err;
	int end;

	if (rc)
		vhd_bat_scan(g->to);
	end = g->to->io->sync(g->to->io);
	if (!end && g->to->batmap.dirty)
		end = vhd_batmap_write(g->to, err);
	if (!end)
		end = vhd_footer_settle(g->to, err);
	return rc ? rc : end;
}

int vhd_merge(struct vhd *to, struct vhd_merge *m, struct err *err)
{
	struct merging g = { .to = to, .m = m, .err = err };
	uint64_t secs = (to->footer.size + VHD_SECTOR - 1) / VHD_SECTOR;
	int rc = vhd_may_write(to, err);

	m->merged = 0;
	if (rc)
		return rc;
	if (m->first > secs)
		m->first = secs;
	if (m->count > secs - m->first)
		m->count = secs - m->first;
	g.e = calloc(BATCH, sizeof(*g.e));
	g.buf = malloc(MAX_BLOCK);
	rc = g.e && g.buf ? merge_blocks(&g)
			  : err_set(err, -ENOMEM, "allocating memory");
	rc = finish(&g, rc);
	free(g.e);
	free(g.buf);
	return rc;
}

static int merge_chunk(struct vhd_io *to, uint64_t size, struct vhd_merge *m,
		       uint64_t sector, uint8_t *buf, struct err *err)
{
	uint64_t left = (size + VHD_SECTOR - 1) / VHD_SECTOR - sector;
	uint32_t n = left < SECTORS_2MIB ? (uint32_t)left : SECTORS_2MIB;
	uint8_t map[MAX_BITMAP];
	uint32_t i = 0;
	int rc = m->from->bits(m->from, sector, n, map, err);

	while (!rc && (i = vhd_bit_next(map, i, n, true)) < n) {
		uint32_t end = vhd_bit_next(map, i, n, false);
		struct run r = { .sector = sector + i,
				 .count = end - i,
				 .off = (sector + i) * VHD_SECTOR,
				 .len = (uint64_t)(end - i) * VHD_SECTOR };

		if (r.len > size - r.off)
			r.len = size - r.off;
		rc = move_run(m, to, &r, buf, err);
		i = end;
	}
	return rc;
}

int vhd_merge_plain(struct vhd_io *to, uint64_t size, struct vhd_merge *m,
		    struct err *err)
{
	uint64_t secs = (size + VHD_SECTOR - 1) / VHD_SECTOR;
	uint8_t *buf = malloc(MAX_BLOCK);
	int rc = buf ? 0 : err_set(err, -ENOMEM, "allocating memory");

	m->merged = 0;
	for (uint64_t s = 0; !rc && s < secs; s += SECTORS_2MIB) {
		rc = merge_chunk(to, size, m, s, buf, err);
		if (s / SECTORS_2MIB % BATCH == 0)
			progress(m, s, secs);
	}
	free(buf);
	if (!rc && to->sync(to))
		rc = err_set(err, -EIO, "error writing data");
	progress(m, secs, secs);
	return rc;
}
