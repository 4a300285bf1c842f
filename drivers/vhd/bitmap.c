/* SPDX-License-Identifier: GPL-2.0-or-later */
/* bitmap.c - the bitmaps of a few blocks, in memory; the rest on the disk. */
#include "drivers/vhd/layer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PAGE 4096u

bool bitmap_all(const uint8_t *bits, uint32_t first, uint32_t count)
{
	bool set;

	return bitmap_run(bits, first, count, &set) == count && set;
}

static bool bit(const uint8_t *bits, uint32_t n)
{
	return bits[n / 8] & (0x80u >> (n % 8));
}

void bitmap_set(uint8_t *bits, uint32_t first, uint32_t count)
{
	for (; count && first % 8; first++, count--)
		bits[first / 8] |= 0x80u >> (first % 8);
	memset(bits + first / 8, 0xff, count / 8);
	for (first += count / 8 * 8, count %= 8; count; first++, count--)
		bits[first / 8] |= 0x80u >> (first % 8);
}

uint32_t bitmap_run(const uint8_t *bits, uint32_t first, uint32_t count,
		    bool *set)
{
	uint32_t at = first, end = first + count;
	uint8_t all;

	*set = bit(bits, first);
	all = *set ? 0xff : 0;
	while (at < end) {
		if (at % 8 == 0 && end - at >= 8 && bits[at / 8] == all)
			at += 8;
		else if (bit(bits, at) == *set)
			at++;
		else
			break;
	}
	return at - first;
}

static struct list *bucket(struct layer *l, uint32_t block)
{
	return &l->hash[block % BITMAPS];
}

struct bitmap *bitmap_find(struct layer *l, uint32_t block)
{
	struct list *head = bucket(l, block), *pos, *next;

	list_for_each (head, pos, next) {
		struct bitmap *b = container_of(pos, struct bitmap, hash);

		if (b->block == block)
			return b;
	}
	return NULL;
}

void bitmap_drop(struct bitmap *b)
{
	list_del(&b->hash);
	list_del(&b->work);
	b->used = false;
	list_del(&b->lru);
	list_add_head(&b->l->lru, &b->lru);
	op_wake(b->l);
}

/* One that nobody needs, the longest unused first. */
static struct bitmap *take(struct layer *l, uint32_t block)
{
	struct list *pos, *next;

	list_for_each (&l->lru, pos, next) {
		struct bitmap *b = container_of(pos, struct bitmap, lru);

		if (b->used && (b->pins || b->loading || b->is_new ||
				list_linked(&b->work)))
			continue;
		list_del(&b->hash);
		b->used = true;
		b->block = block;
		b->is_new = b->prefill = b->written = false;
		b->spoilt = b->refused = false;
		b->claims = 0;
		list_add_head(bucket(l, block), &b->hash);
		list_del(&b->lru);
		list_add_tail(&l->lru, &b->lru);
		return b;
	}
	return NULL;
}

struct bitmap *bitmap_new(struct layer *l, uint32_t block)
{
	struct bitmap *b = take(l, block);

	if (!b)
		return NULL;
	b->is_new = true;
	memset(b->bits, 0, BITMAP_BYTES);
	return b;
}

static void loaded(struct req *req)
{
	struct bitmap *b = container_of(req, struct bitmap, req);
	struct list ops, *link;
	int err = req->err;

	b->loading = false;
	list_init(&ops);
	while ((link = list_pop(&b->readers)))
		list_add_tail(&ops, link);
	if (err)
		bitmap_drop(b);
	else if (bitmap_all(b->bits, 0, b->l->sectors))
		layer_set_full(b->l, b->block);
	while ((link = list_pop(&ops))) {
		struct op *op = container_of(link, struct op, link);

		if (err)
			op_fail(op, err);
		else
			op_run(op);
	}
	op_wake(b->l);
}

static void load(struct bitmap *b)
{
	struct layer *l = b->l;

	b->loading = true;
	b->written = true;
	b->bitmap_off = vhd_bitmap_off(l->vhd, b->block);
	b->data_off = vhd_block_off(l->vhd, b->block);
	b->iov = (struct iovec){ b->bits, BITMAP_BYTES };
	b->req = (struct req){ .op = REQ_READ,
			       .off = b->bitmap_off,
			       .len = BITMAP_BYTES,
			       .iov = &b->iov,
			       .iovcnt = 1,
			       .done = loaded };
	l->count.bitmap_reads++;
	image_submit(l->img->file, &b->req);
}

struct bitmap *bitmap_get(struct layer *l, uint32_t block, struct op *op)
{
	struct bitmap *b = bitmap_find(l, block);

	if (b && !b->loading) {
		list_del(&b->lru);
		list_add_tail(&l->lru, &b->lru);
		return b;
	}
	if (!b) {
		b = take(l, block);
		if (!b) {
			op_stall(op);
			return NULL;
		}
		load(b);
	}
	list_add_tail(&b->readers, &op->link);
	return NULL;
}

/* A reader needs the bits alone; a writer also the page to write them from. */
int bitmap_open(struct layer *l)
{
	bool rw = !l->img->readonly;
	size_t each = BITMAP_BYTES + (rw ? PAGE : 0);

	l->map_count = l->blocks < BITMAPS ? l->blocks : BITMAPS;
	l->maps = calloc(l->map_count, sizeof(*l->maps));
	l->map_mem = aligned_alloc(PAGE, bytes_round_up(BITMAPS * each, PAGE));
	if (!l->maps || !l->map_mem)
		return -ENOMEM;
	list_init(&l->lru);
	for (unsigned i = 0; i < BITMAPS; i++)
		list_init(&l->hash[i]);
	for (unsigned i = 0; i < l->map_count; i++) {
		struct bitmap *b = &l->maps[i];

		b->l = l;
		b->bits = l->map_mem + (size_t)i * BITMAP_BYTES;
		if (rw) {
			b->page = l->map_mem + BITMAPS * BITMAP_BYTES +
				  (size_t)i * PAGE;
			b->next = b->page + PAGE - BITMAP_BYTES;
		}
		list_init(&b->hash);
		list_init(&b->work);
		list_init(&b->readers);
		list_init(&b->flying);
		list_init(&b->pending);
		list_init(&b->committing);
		list_init(&b->landed);
		list_init(&b->table);
		list_add_tail(&l->lru, &b->lru);
	}
	return 0;
}

void bitmap_close(struct layer *l)
{
	free(l->maps);
	free(l->map_mem);
}
