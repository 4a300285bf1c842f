/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bat.c - where new blocks go, and how they get into the table.
 *
 * Places are made ready ahead of need, some at a time, and only then used.
 * Ready means that a power cut, which may keep a later write and lose an
 * earlier one, cannot turn an entry in the table into nonsense: the place is
 * within the file, and its bitmap reads as zeroes, durably.  A file is made
 * longer, by a request to zero what lies behind its end, and flushed; on a
 * device, and in what a crash has left behind, the bitmaps to come are
 * written as zeroes, and flushed.  Nobody waits for that but the first block
 * of all, and those that are faster: then more places are made ready at once.
 * Writes into space that is there do not move the end of the file,
 * which filesystems do one at a time.  What is not used is cut off when the
 * image is closed.
 *
 * A sector of the table is written for all the blocks that were ready when it
 * was; those that come while it is on its way go with the next one.  Several
 * sectors are on their way at once.
 */
#include "drivers/vhd/layer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PER_SECTOR  (VHD_SECTOR / 4)
#define PAGE        4096u
#define RESERVE_MIN (16u << 20)
#define RESERVE_MAX (128u << 20)

/* --- room ----------------------------------------------------------------- */

/* Where the data of a block goes that is placed behind end. */
static uint64_t data_after(uint64_t end)
{
	return bytes_round_up(end + BITMAP_BYTES, PAGE);
}

static uint64_t block_after(const struct layer *l, uint64_t end)
{
	return data_after(end) + (1u << l->shift);
}

static void make_ready(struct layer *l, unsigned places);

static void ready(struct layer *l, int err)
{
	struct bat_room *r = &l->room;

	if (err && r->places > 1 && block_after(l, vhd_end(l->vhd)) > r->end) {
		make_ready(l, 1);
		return;
	}
	r->no_more = err != 0;
	r->failed = list_empty(&l->stalled) ? 0 : err;
	if (!err)
		r->end = r->target;
	op_wake(l);
	__atomic_store_n(&r->busy, false, __ATOMIC_RELEASE);
}

bool bat_busy(const struct layer *l)
{
	return __atomic_load_n(&l->room.busy, __ATOMIC_ACQUIRE);
}

static void room_flushed(struct req *req)
{
	ready(container_of(req, struct layer, room.req), req->err);
}

static void room_flush(struct layer *l)
{
	struct req *req = &l->room.req;

	if (l->room.err || !(l->img->file->info.caps & IMAGE_CAN_FLUSH)) {
		ready(l, l->room.err);
		return;
	}
	*req = (struct req){ .op = REQ_FLUSH, .done = room_flushed };
	image_submit(l->img->file, req);
}

static void room_step(struct layer *l, int err)
{
	if (!l->room.err)
		l->room.err = err;
	if (--l->room.pending == 0)
		room_flush(l);
}

static void room_zeroed(struct req *req)
{
	room_step(container_of(req, struct layer, room.req), req->err);
}

static void bitmap_zeroed(struct req *req)
{
	struct bat_room_map *map = container_of(req, struct bat_room_map, req);

	room_step(map->l, req->err);
}

static void zero_bitmap(struct bat_room_map *map, uint64_t off)
{
	map->req = (struct req){ .op = REQ_WRITE,
				 .off = off,
				 .len = BITMAP_BYTES,
				 .iov = &map->l->room.iov,
				 .iovcnt = 1,
				 .done = bitmap_zeroed };
	map->l->room.pending++;
	image_submit(map->l->img->file, &map->req);
}

/* Get so many places ready behind those that are. */
static void make_ready(struct layer *l, unsigned places)
{
	struct bat_room *r = &l->room;
	uint64_t size = l->bottom->info.size, end = r->end;
	unsigned old = 0;

	__atomic_store_n(&r->busy, true, __ATOMIC_RELEASE);
	r->hurry = false;
	r->places = places;
	r->err = 0;
	r->pending = 1;
	for (; places && old < BAT_ROOM_MAPS; places--) {
		uint64_t data = data_after(end);

		if (data - BITMAP_BYTES < l->zero_from)
			zero_bitmap(&r->maps[old++], data - BITMAP_BYTES);
		end = block_after(l, end);
	}
	r->target = end;
	end += VHD_SECTOR; /* the footer's, which a device has at its end */
	if (l->zero_from != UINT64_MAX && end > size) {
		size = bytes_round_up(size, VHD_SECTOR);
		r->req = (struct req){ .op = REQ_ZERO,
				       .off = size,
				       .len = end - size,
				       .done = room_zeroed };
		r->pending++;
		image_submit(l->img->file, &r->req);
	}
	room_step(l, 0);
}

static unsigned places(const struct layer *l)
{
	unsigned n = l->room.step >> l->shift;

	return n < 2 ? 2 : n;
}

/* Whether there is room for a block; if not, the op waits, or has failed. */
static bool room(struct op *op)
{
	struct layer *l = op->l;
	struct bat_room *r = &l->room;
	uint64_t end = block_after(l, vhd_end(l->vhd));

	if (end <= r->end) {
		if (r->end - end < r->step / 2 && !r->busy && !r->no_more)
			make_ready(l, places(l));
		return true;
	}
	if (!r->busy && r->failed) {
		op_fail(op, r->failed);
		r->failed = 0;
		return false;
	}
	op_stall(op);
	/* Writes were faster: be further ahead of them. */
	if (r->busy && !r->hurry && r->step < RESERVE_MAX) {
		r->hurry = true;
		r->step *= 4;
	}
	if (!r->busy)
		make_ready(l, places(l));
	return false;
}

struct bitmap *bat_place(struct op *op, uint32_t block)
{
	struct layer *l = op->l;
	uint64_t was = vhd_end(l->vhd);
	struct bitmap *b;
	int err;

	if (!room(op))
		return NULL;
	b = bitmap_new(l, block);
	if (!b) {
		op_stall(op);
		return NULL;
	}
	err = vhd_place(l->vhd, &b->bitmap_off, &b->data_off);
	if (err) {
		bitmap_drop(b);
		op_fail(op, err);
		return NULL;
	}
	b->gap = b->bitmap_off - was;
	if (b->gap > PAGE - BITMAP_BYTES)
		b->gap = PAGE - BITMAP_BYTES;
	b->prefill = !l->has_parent && !l->crypt && b->data_off >= l->zero_from;
	l->count.allocated++;
	return b;
}

/* --- the table ------------------------------------------------------------ */

static void write_sectors(struct layer *l);

static struct bitmap *map_at(struct list *link)
{
	return container_of(link, struct bitmap, table);
}

static void entered(struct bitmap *b, int err)
{
	b->entering = false;
	b->pins--;
	if (!err) {
		b->is_new = false;
		if (bitmap_all(b->bits, 0, b->l->sectors))
			layer_set_full(b->l, b->block);
	} else {
		vhd_bat_set(b->l->vhd, b->block,
			    (uint64_t)VHD_NO_BLOCK * VHD_SECTOR);
	}
	tx_entered(b, err);
}

static void slot_done(struct req *req)
{
	struct bat_slot *slot = container_of(req, struct bat_slot, req);
	struct list *link;

	slot->busy = false;
	while ((link = list_pop(&slot->maps)))
		entered(map_at(link), req->err);
	write_sectors(slot->l);
}

/* A slot for this sector, unless one of them has it already. */
static struct bat_slot *slot_for(struct layer *l, uint32_t sector)
{
	struct bat_slot *found = NULL;

	for (unsigned i = 0; i < BAT_SLOTS; i++) {
		struct bat_slot *slot = &l->slots[i];

		if (slot->busy && slot->sector == sector)
			return NULL;
		if (!slot->busy)
			found = slot;
	}
	return found;
}

/* All that wait for the sector go with it. */
static void write_sector(struct bat_slot *slot, uint32_t sector)
{
	struct layer *l = slot->l;
	struct list *pos, *next;
	uint64_t off;

	slot->busy = true;
	slot->sector = sector;
	list_for_each (&l->entering, pos, next) {
		struct bitmap *b = map_at(pos);

		if (b->block / PER_SECTOR != sector)
			continue;
		vhd_bat_set(l->vhd, b->block, b->bitmap_off);
		list_del(pos);
		list_add_tail(&slot->maps, pos);
	}
	vhd_bat_sector(l->vhd, sector * PER_SECTOR, slot->buf, &off);
	slot->req = (struct req){ .op = REQ_WRITE,
				  .off = off,
				  .len = VHD_SECTOR,
				  .iov = &slot->iov,
				  .iovcnt = 1,
				  .done = slot_done };
	l->count.table_writes++;
	image_submit(l->img->file, &slot->req);
}

/* The list is at most as long as there are bitmaps. */
static void write_sectors(struct layer *l)
{
	bool any;

	do {
		struct list *pos, *next;

		any = false;
		list_for_each (&l->entering, pos, next) {
			uint32_t sector = map_at(pos)->block / PER_SECTOR;
			struct bat_slot *slot = slot_for(l, sector);

			if (!slot)
				continue;
			write_sector(slot, sector);
			any = true;
			break;
		}
	} while (any);
}

static void gather(struct deferred *d)
{
	write_sectors(container_of(d, struct layer, enter));
}

void bat_enter(struct bitmap *b)
{
	struct layer *l = b->l;

	b->entering = true;
	b->pins++;
	list_add_tail(&l->entering, &b->table);
	if (!list_linked(&l->enter.link))
		loop_defer(l->img->loop, &l->enter);
}

/* --- open and close ------------------------------------------------------- */

int bat_open(struct layer *l)
{
	const struct image *file = l->img->file;

	list_init(&l->entering);
	list_init(&l->enter.link);
	l->enter.run = gather;
	l->zero_from = UINT64_MAX;
	if (file->info.caps & IMAGE_CAN_ZERO)
		l->zero_from = bytes_round_up(l->bottom->info.size, VHD_SECTOR);
	l->slot_mem = aligned_alloc(PAGE, PAGE * 2);
	if (!l->slot_mem)
		return -ENOMEM;
	memset(l->slot_mem, 0, PAGE * 2);
	l->room.end = vhd_end(l->vhd);
	l->room.step = RESERVE_MIN;
	l->room.iov = (struct iovec){ l->slot_mem + PAGE, BITMAP_BYTES };
	for (unsigned i = 0; i < BAT_ROOM_MAPS; i++)
		l->room.maps[i].l = l;
	_Static_assert(BAT_SLOTS * VHD_SECTOR <= PAGE, "slots");
	for (unsigned i = 0; i < BAT_SLOTS; i++) {
		struct bat_slot *slot = &l->slots[i];

		slot->l = l;
		slot->buf = l->slot_mem + (size_t)i * VHD_SECTOR;
		slot->iov = (struct iovec){ slot->buf, VHD_SECTOR };
		list_init(&slot->maps);
	}
	return 0;
}

void bat_close(struct layer *l)
{
	free(l->slot_mem);
}
