/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tx.c - writes, and the bitmaps and table entries that belong to them.
 *
 * A write is answered when its data, the bits that say so and the block's
 * entry in the table were all written; a flush then makes them durable.
 * At no instant may the disk hold
 *
 *  - an entry in the table whose bitmap was not written, or
 *  - a bit, seen through the table, whose data was not written.
 *
 * So, for a block that is in the table:
 *
 *	data -> bitmap -> answer
 *
 * and only data if the bits are set.  While a bitmap is being written, the
 * writes whose data has arrived meanwhile gather for the next one.
 *
 * A new block lies where nobody looks, so that its data and its first bitmap
 * may go together; the bitmap claims what is in flight:
 *
 *	data of all that came in this turn \
 *	bitmap that claims them            / -> table -> answer
 *
 * If one of those fails, the bitmap is written again without it before the
 * table is.  Where the file is new and thus zero, and nothing shows through
 * from behind, the first bitmap has all bits set and is the last one.
 *
 * What memory says is what the disk is known to have.  When a bitmap cannot
 * be written, its writes fail, and the bits are taken for clear; they may be
 * set on the disk, with data that was written, which is one of the two
 * contents that a failed write may leave.  The same goes for the table.
 *
 * A bitmap is looked at (advance) once in a turn of the loop, after all that
 * happened in it.
 */
#include "drivers/vhd/layer.h"

#include <errno.h>
#include <string.h>

/* Something happened to it; look at it once, later in this turn. */
static void touch(struct bitmap *b)
{
	struct layer *l = b->l;

	if (!list_linked(&b->work))
		list_add_tail(&l->work, &b->work);
	if (!list_linked(&l->kick.link))
		loop_defer(l->img->loop, &l->kick);
}

static struct piece *piece_at(struct list *link)
{
	return container_of(link, struct piece, link);
}

static void end_all(struct bitmap *b, struct list *pieces, int err)
{
	struct list *link;

	while ((link = list_pop(pieces))) {
		b->pins--;
		op_piece_end(piece_at(link), err);
	}
	if (!b->pins)
		op_wake(b->l);
}

static void move(struct list *to, struct list *from)
{
	struct list *link;

	while ((link = list_pop(from)))
		list_add_tail(to, link);
}

static void set_all(uint8_t *bits, struct list *pieces)
{
	struct list *pos, *next;

	list_for_each (pieces, pos, next)
		bitmap_set(bits, piece_at(pos)->first, piece_at(pos)->count);
}

/* The first bitmap of a new block claims what is on its way. */
static void claim(struct bitmap *b)
{
	struct list *pos, *next;

	list_for_each (&b->flying, pos, next) {
		piece_at(pos)->claimed = true;
		b->claims++;
	}
}

static void unclaim(struct bitmap *b)
{
	struct list *pos, *next;

	list_for_each (&b->flying, pos, next)
		piece_at(pos)->claimed = false;
	b->claims = 0;
}

static void bitmap_done(struct req *req)
{
	struct bitmap *b = container_of(req, struct bitmap, req);

	b->writing = false;
	b->pins--;
	if (req->err) {
		b->refused = true;
		if (!b->written)
			unclaim(b);
		end_all(b, &b->committing, req->err);
	} else {
		memcpy(b->bits, b->next, BITMAP_BYTES);
		b->written = true;
		move(&b->landed, &b->committing);
	}
	if (!req->err && !b->is_new && bitmap_all(b->bits, 0, b->l->sectors))
		layer_set_full(b->l, b->block);
	touch(b);
}

/*
 * Write next. The first time with what precedes it on its page: a device has
 * old bytes there, and it is one block of the medium rather than a part.
 */
static void put(struct bitmap *b)
{
	struct layer *l = b->l;
	uint64_t start = b->bitmap_off;
	uint8_t *from = b->next;

	if (b->is_new && !b->written && b->gap) {
		start -= b->gap;
		from -= b->gap;
		memset(from, 0, b->gap);
	}
	b->writing = true;
	b->refused = false;
	b->pins++;
	b->iov = (struct iovec){ from, b->bitmap_off + BITMAP_BYTES - start };
	b->req = (struct req){ .op = REQ_WRITE,
			       .off = start,
			       .len = b->iov.iov_len,
			       .iov = &b->iov,
			       .iovcnt = 1,
			       .done = bitmap_done };
	l->count.bitmap_writes++;
	image_submit(l->img->file, &b->req);
}

/* Data is there, bits are not: write them all at once. */
static void commit(struct bitmap *b)
{
	memcpy(b->next, b->bits, BITMAP_BYTES);
	move(&b->committing, &b->pending);
	set_all(b->next, &b->committing);
	put(b);
}

static void commit_first(struct bitmap *b)
{
	memset(b->next, 0, BITMAP_BYTES);
	if (b->prefill)
		bitmap_set(b->next, 0, b->l->sectors);
	move(&b->committing, &b->pending);
	set_all(b->next, &b->committing);
	set_all(b->next, &b->flying);
	b->spoilt = false;
	claim(b);
	put(b);
}

/* The bitmap on the disk claims too much; write what is true. */
static void commit_again(struct bitmap *b)
{
	b->written = false;
	move(&b->pending, &b->landed);
	commit_first(b);
}

/* Those whose bits are on the disk by now. */
static void settle(struct bitmap *b)
{
	struct list *pos, *next;

	list_for_each (&b->pending, pos, next) {
		struct piece *p = piece_at(pos);

		if (!bitmap_all(b->bits, p->first, p->count))
			continue;
		list_del(pos);
		list_add_tail(&b->landed, pos);
	}
}

static bool idle(const struct bitmap *b)
{
	return list_empty(&b->flying) && list_empty(&b->pending) &&
	       list_empty(&b->committing) && list_empty(&b->landed);
}

static void advance_new(struct bitmap *b)
{
	if (b->entering)
		return;
	if (idle(b)) {
		/* All its writes failed. Its place stays unused. */
		bitmap_drop(b);
	} else if (!b->written) {
		/* One that failed is not tried again for the same data. */
		if (!b->refused || !list_empty(&b->pending))
			commit_first(b);
	} else if (!b->claims && b->spoilt) {
		commit_again(b);
	} else if (!b->claims && !list_empty(&b->landed)) {
		bat_enter(b);
	}
}

static void advance(struct bitmap *b)
{
	if (b->written && !b->spoilt)
		settle(b);
	if (!b->is_new)
		end_all(b, &b->landed, 0);
	if (b->writing)
		return;
	if (b->written && !b->spoilt && !list_empty(&b->pending))
		commit(b);
	if (b->is_new)
		advance_new(b);
}

void tx_entered(struct bitmap *b, int err)
{
	if (err)
		end_all(b, &b->landed, err);
	touch(b);
}

static void kick(struct deferred *d)
{
	struct layer *l = container_of(d, struct layer, kick);
	struct list now, *link;

	list_init(&now);
	move(&now, &l->work);
	while ((link = list_pop(&now)))
		advance(container_of(link, struct bitmap, work));
}

void tx_open(struct layer *l)
{
	list_init(&l->work);
	list_init(&l->kick.link);
	l->kick.run = kick;
}

static void data_done(struct req *req)
{
	struct piece *p = req_extra(req);
	struct bitmap *b = p->map;

	if (p->claimed)
		b->claims--;
	list_del(&p->link);
	if (req->err) {
		if (p->claimed && !b->prefill)
			b->spoilt = true;
		b->pins--;
		op_piece_end(p, req->err);
	} else {
		list_add_tail(&b->pending, &p->link);
	}
	touch(b);
}

static struct bitmap *bitmap_of(struct op *op, uint32_t block)
{
	struct layer *l = op->l;
	struct bitmap *b = bitmap_find(l, block);

	if (b && !b->loading)
		return b;
	if (!b && !vhd_bitmap_off(l->vhd, block))
		return bat_place(op, block);
	return bitmap_get(l, block, op);
}

uint64_t tx_write(struct op *op, uint64_t off, uint64_t len)
{
	struct layer *l = op->l;
	uint32_t block = off >> l->shift;
	uint32_t first = (off >> 9) & (l->sectors - 1);
	uint64_t in = (uint64_t)first * VHD_SECTOR;
	struct bitmap *b = NULL;
	struct piece *p;

	if (!layer_full(l, block)) {
		b = bitmap_of(op, block);
		if (!b)
			return 0;
	}
	p = op_piece(op, off, len,
		     (b ? b->data_off : vhd_block_off(l->vhd, block)) + in);
	if (!p) {
		if (b && op->err)
			touch(b);
		return 0;
	}
	len = p->req->len;
	p->first = first;
	p->count = len / VHD_SECTOR;
	if (b && (b->is_new || !bitmap_all(b->bits, first, p->count))) {
		p->map = b;
		p->req->done = data_done;
		b->pins++;
		list_add_tail(&b->flying, &p->link);
		if (b->is_new)
			touch(b);
	}
	image_submit(l->img->file, p->req);
	return len;
}
