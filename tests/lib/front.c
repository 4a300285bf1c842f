/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * front.c - requests onto a ring, answers off it.
 */
#include "tests/lib/front.h"

#include <string.h>

#include "lib/bytes.h"

const struct front_layout front_layouts[FRONT_LAYOUTS] = {
	{ RING_NATIVE, 112, 8, 16, 24, 24, 28, 16, 0, 1, 2, 3, 5, 6 },
	{ RING_X86_64, 112, 8, 16, 24, 24, 28, 16, 0, 1, 2, 3, 5, 6 },
	{ RING_X86_32, 108, 4, 12, 20, 20, 24, 12, 0, 1, 2, 3, 5, 6 },
	{ RING_BLKTAP2, 112, 8, 16, 24, 24, 0, 16, 0, 1, 99, 2, 3, 99 },
};

uint32_t front_get(const struct front *f, unsigned at)
{
	return __atomic_load_n((uint32_t *)(void *)(f->pages + at),
			       __ATOMIC_SEQ_CST);
}

void front_put(const struct front *f, unsigned at, uint32_t v)
{
	__atomic_store_n((uint32_t *)(void *)(f->pages + at), v,
			 __ATOMIC_SEQ_CST);
}

void front_init(struct front *f, const struct front_layout *l, void *pages,
		size_t size)
{
	memset(pages, 0, size);
	f->l = l;
	f->pages = pages;
	f->entries = 1;
	while (64 + (size_t)f->entries * 2 * l->stride <= size)
		f->entries *= 2;
	f->prod = f->rsp_cons = 0;
	front_put(f, FRONT_REQ_EVENT, 1);
	front_put(f, FRONT_RSP_EVENT, 1);
}

uint8_t *front_slot(const struct front *f, uint32_t index)
{
	return f->pages + 64 +
	       (size_t)(index & (f->entries - 1)) * f->l->stride;
}

/* As the other side reads them: word by word. */
static void put_words(uint8_t *to, const uint8_t *from, unsigned size)
{
	unsigned i;

	for (i = 0; i < size; i += 4)
		__atomic_store_n((uint32_t *)(void *)(to + i),
				 bytes_le32(from + i), __ATOMIC_RELAXED);
}

void front_indirect_seg(void *page, unsigned i, uint32_t gref, uint8_t first,
			uint8_t last)
{
	uint8_t *seg = (uint8_t *)page + (size_t)8 * i;

	bytes_put_le32(seg, gref);
	seg[4] = first;
	seg[5] = last;
}

void front_seg(const struct front *f, uint8_t *slot, unsigned i, uint8_t first,
	       uint8_t last)
{
	slot[f->l->segs + 8 * i + 4] = first;
	slot[f->l->segs + 8 * i + 5] = last;
}

uint8_t *front_req(struct front *f, unsigned op, uint64_t id, uint64_t sector,
		   unsigned segs, uint32_t gref)
{
	uint8_t *to = front_slot(f, f->prod++);
	uint8_t slot[112];
	unsigned i;

	memset(slot, 0xee, sizeof(slot));
	slot[0] = (uint8_t)op;
	slot[1] = (uint8_t)segs;
	bytes_put_le64(slot + f->l->id, id);
	bytes_put_le64(slot + f->l->sector, sector);
	for (i = 0; i < segs && i < RING_SEGS_DIRECT; i++)
		front_indirect_seg(slot + f->l->segs, i, gref + i, 0, 7);
	put_words(to, slot, f->l->stride);
	return to;
}

uint8_t *front_discard(struct front *f, uint64_t id, uint64_t sector,
		       uint64_t sectors)
{
	uint8_t *slot = front_req(f, f->l->discard, id, sector, 0, 0);

	bytes_put_le64(slot + f->l->nr_sectors, sectors);
	return slot;
}

uint8_t *front_indirect(struct front *f, unsigned inner, uint64_t id,
			uint64_t sector, unsigned segs, uint32_t gref)
{
	uint8_t *slot = front_req(f, f->l->indirect, id, sector, 0, 0);
	unsigned i;

	slot[1] = (uint8_t)inner;
	bytes_put_le16(slot + 2, (uint16_t)segs);
	for (i = 0; i < RING_GREFS_INDIRECT; i++)
		bytes_put_le32(slot + f->l->grefs + (size_t)4 * i, gref + i);
	return slot;
}

bool front_push(struct front *f)
{
	uint32_t old = front_get(f, FRONT_REQ_PROD);

	if (old == f->prod)
		return false;
	front_put(f, FRONT_REQ_PROD, f->prod);
	return f->prod - front_get(f, FRONT_REQ_EVENT) < f->prod - old;
}

bool front_answer(struct front *f, uint64_t *id, uint8_t *op, int16_t *status)
{
	uint32_t words[4] = { 0 };
	const uint8_t *slot;
	unsigned i;

	if (front_get(f, FRONT_RSP_PROD) == f->rsp_cons)
		return false;
	slot = front_slot(f, f->rsp_cons++);
	for (i = 0; i < f->l->answer / 4; i++)
		words[i] = __atomic_load_n(
			(const uint32_t *)(const void *)(slot + 4 * i),
			__ATOMIC_RELAXED);
	*id = bytes_le64(words);
	*op = (uint8_t)words[2];
	*status = (int16_t)(words[2] >> 16);
	return true;
}

bool front_arm(struct front *f)
{
	front_put(f, FRONT_RSP_EVENT, f->rsp_cons + 1);
	return front_get(f, FRONT_RSP_PROD) != f->rsp_cons;
}
