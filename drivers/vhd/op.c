/* SPDX-License-Identifier: GPL-2.0-or-later */
/* op.c - takes requests apart, and passes on whole those that need it not. */
#include "drivers/vhd/layer.h"

#include <errno.h>
#include <stdlib.h>

#include "vhd/crypt.h"

/* How much of a request an op may have out at once, and how many ops. */
#define OPS_MAX    256
#define OPS_PARENT 32 /* of a layer that only fills in */
#define PIECES_MIN 32
#define BOUNCES    32

void op_wake(struct layer *l)
{
	if ((!list_empty(&l->stalled) || !list_empty(&l->requests)) &&
	    !list_linked(&l->resume.link))
		loop_defer(l->img->loop, &l->resume);
}

void op_stall(struct op *op)
{
	list_add_tail(&op->l->stalled, &op->link);
}

static void op_end(struct op *op)
{
	struct layer *l = op->l;

	req_done(op->req, op->err);
	list_add_head(&l->ops_free, &op->link);
	op_wake(l);
}

static void release(struct op *op)
{
	if (--op->pending == 0 && op->at == op->req->len)
		op_end(op);
}

void op_fail(struct op *op, int err)
{
	if (!op->err)
		op->err = err;
	op->at = op->req->len;
	op->pending++;
	release(op);
}

/* --- pieces --------------------------------------------------------------- */

/* With a key: ours is read or written instead of the requester's memory. */
static bool take_bounce(struct op *op, struct piece *p)
{
	struct list *link = list_pop(&op->l->bounces_free);

	if (!link)
		return false;
	/* A free buffer holds its own link. */
	p->bounce = (uint8_t *)link;
	p->iov = (struct iovec){ p->bounce, LAYER_BOUNCE };
	if (p->req->len > LAYER_BOUNCE)
		p->req->len = LAYER_BOUNCE;
	p->req->iov = &p->iov;
	p->req->iovcnt = 1;
	p->req->iov_skip = 0;
	return true;
}

static int encrypt(struct layer *l, struct piece *p)
{
	uint64_t sector = (p->op->req->off + p->skip) / VHD_SECTOR;

	req_copy_out(p->op->req, p->skip, p->bounce, p->req->len);
	return vhd_crypt_encrypt(l->crypt, sector, p->bounce, p->bounce,
				 p->req->len);
}

static int decrypt(struct layer *l, struct piece *p)
{
	uint64_t sector = (p->op->req->off + p->skip) / VHD_SECTOR;
	int err = vhd_crypt_decrypt(l->crypt, sector, p->bounce, p->bounce,
				    p->req->len);

	if (!err)
		req_copy_in(p->op->req, p->skip, p->bounce, p->req->len);
	return err;
}

void op_piece_end(struct piece *p, int err)
{
	struct op *op = p->op;
	struct layer *l = op->l;

	if (p->bounce) {
		list_add_head(&l->bounces_free, (struct list *)p->bounce);
		p->bounce = NULL;
	}
	if (err && !op->err)
		op->err = err;
	req_put(l->pieces, p->req);
	release(op);
	op_wake(l);
}

static void piece_done(struct req *req)
{
	struct piece *p = req_extra(req);
	int err = req->err;

	if (!err && p->bounce && req->op == REQ_READ)
		err = decrypt(p->op->l, p);
	op_piece_end(p, err);
}

static bool moves(const struct req *req)
{
	return req->op == REQ_READ || req->op == REQ_WRITE;
}

struct piece *op_piece(struct op *op, uint64_t off, uint64_t len,
		       uint64_t file_off)
{
	struct layer *l = op->l;
	struct req *req = req_get(l->pieces);
	struct piece *p;

	if (!req) {
		op_stall(op);
		return NULL;
	}
	p = req_extra(req);
	req_slice(req, op->req, off - op->req->off, len);
	req->off = file_off;
	req->done = piece_done;
	*p = (struct piece){
		.l = l, .req = req, .op = op, .skip = off - op->req->off
	};
	if (l->crypt && moves(req) && !take_bounce(op, p)) {
		req_put(l->pieces, req);
		op_stall(op);
		return NULL;
	}
	op->pending++;
	if (p->bounce && req->op == REQ_WRITE && encrypt(l, p)) {
		op_piece_end(p, -EIO);
		op_fail(op, -EIO);
		return NULL;
	}
	return p;
}

/* --- what a range is ------------------------------------------------------ */

static uint64_t zeroes(struct op *op, uint64_t off, uint64_t len)
{
	struct req part = { .loop = NULL };

	req_slice(&part, op->req, off - op->req->off, len);
	req_fill_zero(&part);
	return len;
}

/* From the file, which may end in the midst of its last block. */
static uint64_t from_file(struct op *op, uint64_t off, uint64_t len,
			  uint64_t file_off)
{
	uint64_t size = op->l->bottom->info.size;
	struct piece *p;

	if (op->req->op == REQ_READ && file_off + len > size) {
		if (file_off >= size)
			return zeroes(op, off, len);
		len = (size - file_off) & ~(uint64_t)511;
	}
	p = op_piece(op, off, len, file_off);
	if (!p)
		return 0;
	len = p->req->len;
	image_submit(op->l->img->file, p->req);
	return len;
}

/* It is not here: the parent has it, or nobody. */
static uint64_t from_parent(struct op *op, uint64_t off, uint64_t len)
{
	struct image *parent = op->l->img->parent;
	struct req *req;
	struct piece *p;

	if (!parent)
		return zeroes(op, off, len);
	req = req_get(op->l->pieces);
	if (!req) {
		op_stall(op);
		return 0;
	}
	p = req_extra(req);
	*p = (struct piece){ .l = op->l, .req = req, .op = op };
	req_slice(req, op->req, off - op->req->off, len);
	req->done = piece_done;
	op->pending++;
	image_submit(parent, req);
	return len;
}

/*
 * Whether the len bytes at off are here, and how many of them are alike; 0:
 * the op waits to learn it. A block that is not yet in the table is not here.
 */
static uint64_t look(struct op *op, uint64_t off, uint64_t len, bool *here)
{
	struct layer *l = op->l;
	uint32_t block = off >> l->shift;
	uint32_t first = (off >> 9) & (l->sectors - 1);
	struct bitmap *b;

	*here = true;
	if (layer_full(l, block))
		return len;
	b = bitmap_find(l, block);
	if ((b && b->is_new) || !vhd_bitmap_off(l->vhd, block)) {
		*here = false;
		return len;
	}
	b = bitmap_get(l, block, op);
	if (!b)
		return 0;
	return (uint64_t)bitmap_run(b->bits, first, len >> 9, here) << 9;
}

static uint64_t data_off(const struct layer *l, uint64_t off)
{
	return vhd_block_off(l->vhd, off >> l->shift) +
	       (off & ((1u << l->shift) - 1));
}

static uint64_t read_some(struct op *op, uint64_t off, uint64_t len)
{
	bool here;

	len = look(op, off, len, &here);
	if (!len)
		return 0;
	return here ? from_file(op, off, len, data_off(op->l, off))
		    : from_parent(op, off, len);
}

/*
 * Zero (with no parent) and discard: of a block that is nowhere, or on its
 * way, nothing is left to do. Sectors that are not here do not mind.
 */
static uint64_t clear_some(struct op *op, uint64_t off, uint64_t len)
{
	struct layer *l = op->l;
	uint32_t block = off >> l->shift;
	struct bitmap *b = bitmap_find(l, block);

	if ((b && b->is_new) || !vhd_bitmap_off(l->vhd, block) || l->crypt)
		return len;
	return from_file(op, off, len, data_off(l, off));
}

/* --- extents -------------------------------------------------------------- */

static void parent_told(struct req *ask)
{
	struct layer *l = container_of(ask, struct layer, ask);
	struct op *op = l->asking;
	bool room = !ask->err && l->told.count;

	l->asking = NULL;
	for (unsigned i = 0; room && i < l->told.count; i++) {
		room = extents_add(op->req->extents, l->told.ext[i].len,
				   l->told.ext[i].flags);
		op->at += l->told.ext[i].len;
	}
	if (room)
		op_run(op);
	else
		op_fail(op, l->told.count ? ask->err : -EIO);
	op_wake(l);
}

static uint64_t ask_parent(struct op *op, uint64_t off, uint64_t len)
{
	struct layer *l = op->l;

	if (l->asking) {
		op_stall(op);
		return 0;
	}
	l->asking = op;
	l->told = (struct extents){ .max = LAYER_TOLD, .ext = l->told_ext };
	l->ask = (struct req){ .op = REQ_EXTENTS,
			       .off = off,
			       .len = len,
			       .extents = &l->told,
			       .done = parent_told };
	image_submit(l->img->parent, &l->ask);
	return 0;
}

static uint64_t tell_some(struct op *op, uint64_t off, uint64_t len)
{
	unsigned flags = 0;
	bool here;

	len = look(op, off, len, &here);
	if (!len)
		return 0;
	if (!here && op->l->img->parent)
		return ask_parent(op, off, len);
	if (!here)
		flags = EXTENT_HOLE | EXTENT_ZERO;
	if (!extents_add(op->req->extents, len, flags)) {
		op_fail(op, 0);
		return 0;
	}
	return len;
}

/* --- ops ------------------------------------------------------------------ */

static uint64_t some(struct op *op, uint64_t off, uint64_t len)
{
	switch (op->req->op) {
	case REQ_READ:
		return read_some(op, off, len);
	case REQ_WRITE:
		return tx_write(op, off, len);
	case REQ_ZERO:
	case REQ_DISCARD:
		return clear_some(op, off, len);
	case REQ_EXTENTS:
		return tell_some(op, off, len);
	case REQ_FLUSH:
	case REQ_RESIZE:
		break;
	}
	op_fail(op, -EOPNOTSUPP);
	return 0;
}

void op_run(struct op *op)
{
	struct layer *l = op->l;
	uint64_t block = 1u << l->shift, n;

	op->pending++;
	do {
		uint64_t off = op->req->off + op->at;
		uint64_t left = op->req->len - op->at;
		uint64_t in = block - (off & (block - 1));

		if (op->err)
			op->at = op->req->len;
		if (op->err || !left)
			break;
		n = some(op, off, left < in ? left : in);
		op->at += n;
	} while (n);
	release(op);
}

static void start(struct layer *l, struct op *op, struct req *req)
{
	op->l = l;
	op->req = req;
	op->at = 0;
	op->pending = 0;
	op->err = 0;
	op_run(op);
}

/* One stalled op a time: what it wants may not be there yet. */
static void resume(struct deferred *d)
{
	struct layer *l = container_of(d, struct layer, resume);
	struct list again, *link;

	list_init(&again);
	while ((link = list_pop(&l->stalled)))
		list_add_tail(&again, link);
	while (list_empty(&l->stalled) && (link = list_pop(&again)))
		op_run(container_of(link, struct op, link));
	while ((link = list_pop(&again)))
		list_add_tail(&l->stalled, link);
	while (list_empty(&l->stalled) && !list_empty(&l->requests)) {
		struct list *op = list_pop(&l->ops_free);

		if (!op)
			break;
		link = list_pop(&l->requests);
		start(l, container_of(op, struct op, link),
		      container_of(link, struct req, answer.link));
	}
}

/* --- requests that can be passed on whole --------------------------------- */

static void whole_done(struct req *req)
{
	struct piece *p = req_extra(req);
	struct layer *l = p->l;

	req_done(p->whole, req->err);
	req_put(l->pieces, req);
	op_wake(l);
}

static bool whole_to_file(struct layer *l, struct req *req)
{
	uint64_t off = data_off(l, req->off);
	struct piece *p;
	struct req *sub;

	if (req->op == REQ_READ && off + req->len > l->bottom->info.size)
		return false;
	sub = req_get(l->pieces);
	if (!sub)
		return false;
	p = req_extra(sub);
	p->l = l;
	p->whole = req;
	req_slice(sub, req, 0, req->len);
	sub->off = off;
	sub->done = whole_done;
	l->count.whole++;
	image_submit(l->img->file, sub);
	return true;
}

static bool whole_to_parent(struct layer *l, struct req *req)
{
	if (req->op != REQ_READ)
		return false;
	if (l->img->parent) {
		image_submit(l->img->parent, req);
	} else {
		req_fill_zero(req);
		req_done(req, 0);
	}
	return true;
}

/* The way of most: nothing has to be learnt, waited for or written beside. */
static bool whole(struct layer *l, struct req *req)
{
	uint32_t block = req->off >> l->shift;
	uint32_t first = (req->off >> 9) & (l->sectors - 1);
	struct bitmap *b;
	bool set;

	if (!moves(req) || l->crypt || !list_empty(&l->stalled) ||
	    (req->off + req->len - 1) >> l->shift != block)
		return false;
	if (layer_full(l, block))
		return whole_to_file(l, req);
	b = bitmap_find(l, block);
	if (b ? b->is_new : !vhd_bitmap_off(l->vhd, block))
		return whole_to_parent(l, req);
	if (!b || b->loading ||
	    bitmap_run(b->bits, first, req->len >> 9, &set) < req->len >> 9)
		return false;
	return set ? whole_to_file(l, req) : whole_to_parent(l, req);
}

void op_submit(struct layer *l, struct req *req)
{
	struct list *op;

	if (whole(l, req))
		return;
	op = list_empty(&l->stalled) ? list_pop(&l->ops_free) : NULL;
	if (op)
		start(l, container_of(op, struct op, link), req);
	else
		list_add_tail(&l->requests, &req->answer.link);
}

int op_open(struct layer *l)
{
	unsigned most = l->img->readonly ? OPS_PARENT : OPS_MAX;
	unsigned ops = l->img->depth < most ? l->img->depth : most;
	unsigned pieces;

	ops = ops ? ops : 1;
	pieces = 2 * ops + PIECES_MIN;
	list_init(&l->ops_free);
	list_init(&l->requests);
	list_init(&l->stalled);
	list_init(&l->bounces_free);
	list_init(&l->resume.link);
	l->resume.run = resume;
	l->ops = calloc(ops, sizeof(*l->ops));
	if (!l->ops || req_pool_new(&l->pieces, pieces, sizeof(struct piece)))
		return -ENOMEM;
	for (unsigned i = 0; i < ops; i++)
		list_add_tail(&l->ops_free, &l->ops[i].link);
	if (!l->crypt && !l->may_inherit)
		return 0;
	l->bounces = aligned_alloc(4096, BOUNCES * (size_t)LAYER_BOUNCE);
	if (!l->bounces)
		return -ENOMEM;
	for (unsigned i = 0; i < BOUNCES; i++)
		list_add_tail(
			&l->bounces_free,
			(struct list *)(l->bounces + (size_t)i * LAYER_BOUNCE));
	return 0;
}

void op_close(struct layer *l)
{
	req_pool_free(l->pieces);
	free(l->bounces);
	free(l->ops);
}
