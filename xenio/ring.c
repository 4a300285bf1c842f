/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ring.c - the blkif shared ring in its layouts.
 *
 * The ring is an array of slots behind a header of 64 bytes.  Indices run
 * freely; a slot is the index modulo the number of entries, a power of two.
 * The client may write anywhere at any time: every word of the ring is read
 * once, by an atomic load into memory of ours, and looked at there.
 *
 *	taken and not answered		rsp_prod .. req_cons
 *	on the ring, to be looked at	req_cons .. req_prod (shared)
 *
 * Both together are never more than the entries, or the client is lying.
 */
#include "xenio/ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <xen/io/blkif.h>

#define HEADER 64
#define SLOT   112 /* the larger one */
#define PAGE   4096

enum {
	REQ_PROD,
	REQ_EVENT,
	RSP_PROD,
	RSP_EVENT
}; /* words of the header */

/* Offsets in a slot; the operation is at 0, the count of segments at 1. */
struct layout {
	unsigned stride;
	unsigned id;
	unsigned sector;
	unsigned segs; /* and a discard's count of sectors */
	unsigned indirect_grefs;
	unsigned answer; /* its size; id at 0, operation at 8, status at 10 */
};

static const struct layout layout_64 = { 112, 8, 16, 24, 28, 16 };
static const struct layout layout_32 = { 108, 4, 12, 20, 24, 12 };

/* Ours is the native one; the header is the authority for it. */
#ifdef __i386__
#define layout_native    layout_32
#define NATIVE(l64, l32) (l32)
#else
#define layout_native    layout_64
#define NATIVE(l64, l32) (l64)
#endif
#define SAME(type, field, l64, l32)                                            \
	_Static_assert(offsetof(struct type, field) == NATIVE(l64, l32),       \
		       #type "." #field)
SAME(blkif_request, nr_segments, 1, 1);
SAME(blkif_request, id, 8, 4);
SAME(blkif_request, sector_number, 16, 12);
SAME(blkif_request, seg, 24, 20);
SAME(blkif_request_discard, id, 8, 4);
SAME(blkif_request_discard, sector_number, 16, 12);
SAME(blkif_request_discard, nr_sectors, 24, 20);
SAME(blkif_request_indirect, indirect_op, 1, 1);
SAME(blkif_request_indirect, nr_segments, 2, 2);
SAME(blkif_request_indirect, id, 8, 4);
SAME(blkif_request_indirect, sector_number, 16, 12);
SAME(blkif_request_indirect, indirect_grefs, 28, 24);
SAME(blkif_response, operation, 8, 8);
SAME(blkif_response, status, 10, 10);
SAME(blkif_request_segment, first_sect, 4, 4);
SAME(blkif_request_segment, last_sect, 5, 5);
SAME(blkif_sring, req_event, 4, 4);
SAME(blkif_sring, rsp_prod, 8, 8);
SAME(blkif_sring, rsp_event, 12, 12);
SAME(blkif_sring, ring, HEADER, HEADER);
_Static_assert(sizeof(struct blkif_request) == NATIVE(112, 108), "stride");
_Static_assert(sizeof(struct blkif_response) == NATIVE(16, 12), "answer");
_Static_assert(sizeof(struct blkif_request_segment) == 8, "segment");
_Static_assert(sizeof(struct ring_seg) == 8, "segment");

struct ring {
	uint32_t *words; /* the client's */
	const struct layout *layout;
	bool blktap2;
	bool large; /* requests, of blktap2 */
	uint32_t entries;
	uint32_t req_cons;
	uint32_t rsp_prod; /* what is answered */
	uint32_t shown;    /* of it, by ring_push() */
};

static uint32_t load(const uint32_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static void store(uint32_t *word, uint32_t value)
{
	__atomic_store_n(word, value, __ATOMIC_RELAXED);
}

static uint32_t *slot(const struct ring *ring, uint32_t index)
{
	size_t at = HEADER + (size_t)(index & (ring->entries - 1)) *
				     ring->layout->stride;

	return ring->words + at / sizeof(uint32_t);
}

int ring_new(struct ring **out, void *pages, size_t size, enum ring_proto p)
{
	struct ring *ring;
	uint32_t fit;

	if (size < PAGE || size > (size_t)32 * PAGE || (size & (size - 1)))
		return -EINVAL;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	ring->words = pages;
	ring->large = p == RING_BLKTAP2_LARGE;
	ring->blktap2 = p == RING_BLKTAP2 || ring->large;
	ring->layout = p == RING_X86_32 ? &layout_32 : &layout_64;
	if (p == RING_NATIVE)
		ring->layout = &layout_native;
	fit = (uint32_t)((size - HEADER) / ring->layout->stride);
	ring->entries = 1u << (31 - __builtin_clz(fit));
	ring->rsp_prod = load(ring->words + RSP_PROD);
	ring->req_cons = ring->shown = ring->rsp_prod;
	if (load(ring->words + REQ_PROD) - ring->rsp_prod > ring->entries) {
		free(ring);
		return -EPROTO;
	}
	*out = ring;
	return 0;
}

void ring_indices(const struct ring *ring, struct ring_indices *out)
{
	*out = (struct ring_indices){
		.entries = ring->entries,
		.req_prod = load(ring->words + REQ_PROD),
		.req_cons = ring->req_cons,
		.req_event = load(ring->words + REQ_EVENT),
		.rsp_prod = ring->shown,
		.rsp_pvt = ring->rsp_prod,
		.rsp_event = load(ring->words + RSP_EVENT),
	};
}

int ring_seek(struct ring *ring, uint32_t req_cons)
{
	uint32_t prod = load(ring->words + REQ_PROD);

	if (prod - ring->rsp_prod > ring->entries ||
	    req_cons - ring->rsp_prod > prod - ring->rsp_prod)
		return -EPROTO;
	ring->req_cons = req_cons;
	return 0;
}

void ring_free(struct ring *ring)
{
	free(ring);
}

unsigned ring_entries(const struct ring *ring)
{
	return ring->entries;
}

static uint8_t get8(const uint32_t *copy, unsigned at)
{
	return ((const uint8_t *)copy)[at];
}

static uint16_t get16(const uint32_t *copy, unsigned at)
{
	uint16_t v;

	memcpy(&v, (const uint8_t *)copy + at, sizeof(v));
	return v;
}

static uint64_t get64(const uint32_t *copy, unsigned at)
{
	uint64_t v;

	memcpy(&v, (const uint8_t *)copy + at, sizeof(v));
	return v;
}

/* Check segments that are private already, and sum them up. */
static int read_segs(struct ring_req *req, const void *from)
{
	uint64_t end, sum = 0;
	struct ring_seg *s;
	unsigned i;

	memcpy(req->segs, from, req->nr_segs * sizeof(*req->segs));
	for (i = 0; i < req->nr_segs; i++) {
		s = &req->segs[i];
		if (s->last > 7 || s->first > s->last)
			return -EINVAL;
		sum += s->last - s->first + 1u;
	}
	req->sectors = sum;
	if (__builtin_add_overflow(req->sector, sum, &end))
		return -EINVAL;
	return 0;
}

int ring_indirect(struct ring_req *req, const void *pages, size_t size)
{
	if (!req->indirect || req->nr_segs > RING_SEGS_INDIRECT ||
	    size < req->nr_segs * sizeof(*req->segs))
		return -EINVAL;
	return read_segs(req, pages);
}

/* Read, write, barrier and flush: segments in the slot. */
static int read_direct(const struct ring *ring, struct ring_req *req,
		       const uint32_t *copy)
{
	req->nr_segs = get8(copy, 1);
	if (req->nr_segs > RING_SEGS_DIRECT)
		return -EINVAL;
	if (!req->nr_segs) {
		/* Guests put anything in the sector of one without data. */
		if (req->op != RING_FLUSH && req->op != RING_BARRIER)
			return -EINVAL;
		req->sector = 0;
	}
	return read_segs(req, copy + ring->layout->segs / sizeof(*copy));
}

static int read_discard(const struct ring *ring, struct ring_req *req,
			const uint32_t *copy)
{
	uint64_t end;

	req->op = RING_DISCARD;
	req->sectors = get64(copy, ring->layout->segs);
	if (__builtin_add_overflow(req->sector, req->sectors, &end))
		return -EINVAL;
	return 0;
}

static int read_indirect(const struct ring *ring, struct ring_req *req,
			 const uint32_t *copy)
{
	/* A client compares the answer with what it has asked for inside. */
	req->answer_op = get8(copy, 1);
	req->indirect = true;
	req->nr_segs = get16(copy, 2);
	if (req->answer_op != BLKIF_OP_READ && req->answer_op != BLKIF_OP_WRITE)
		return -EINVAL;
	if (!req->nr_segs || req->nr_segs > RING_SEGS_INDIRECT)
		return -EINVAL;
	req->op = req->answer_op == BLKIF_OP_READ ? RING_READ : RING_WRITE;
	memcpy(req->indirect_grefs,
	       copy + ring->layout->indirect_grefs / sizeof(*copy),
	       sizeof(req->indirect_grefs));
	return 0;
}

static int read_blkif(const struct ring *ring, struct ring_req *req,
		      const uint32_t *copy)
{
	switch (req->answer_op) {
	case BLKIF_OP_READ:
		req->op = RING_READ;
		return read_direct(ring, req, copy);
	case BLKIF_OP_WRITE:
		req->op = RING_WRITE;
		return read_direct(ring, req, copy);
	case BLKIF_OP_WRITE_BARRIER:
		req->op = RING_BARRIER;
		return read_direct(ring, req, copy);
	case BLKIF_OP_FLUSH_DISKCACHE:
		req->op = RING_FLUSH;
		return read_direct(ring, req, copy);
	case BLKIF_OP_DISCARD:
		return read_discard(ring, req, copy);
	case BLKIF_OP_INDIRECT:
		return read_indirect(ring, req, copy);
	default:
		return -EOPNOTSUPP;
	}
}

/* Our module's own: the bytes lie in a window that the caller knows. */
static int read_large(const struct ring *ring, struct ring_req *req,
		      const uint32_t *copy)
{
	uint64_t end;

	if (!ring->large)
		return -EOPNOTSUPP;
	req->large = true;
	req->sectors = get64(copy, ring->layout->segs);
	req->at = get64(copy, ring->layout->segs + 8);
	if (!req->sectors || get8(copy, 1) || req->at % PAGE ||
	    __builtin_add_overflow(req->sector, req->sectors, &end))
		return -EINVAL;
	return 0;
}

/* The blktap2 page: other numbers, and nothing of the rest. */
static int read_blktap2(const struct ring *ring, struct ring_req *req,
			const uint32_t *copy)
{
	switch (req->answer_op) {
	case 0:
		req->op = RING_READ;
		return read_direct(ring, req, copy);
	case 1:
		req->op = RING_WRITE;
		return read_direct(ring, req, copy);
	case 2:
		req->op = RING_FLUSH;
		return read_direct(ring, req, copy);
	case 3:
		return read_discard(ring, req, copy);
	case 16:
		req->op = RING_READ;
		return read_large(ring, req, copy);
	case 17:
		req->op = RING_WRITE;
		return read_large(ring, req, copy);
	default:
		return -EOPNOTSUPP;
	}
}

static int read_slot(const struct ring *ring, struct ring_req *req)
{
	const uint32_t *from = slot(ring, ring->req_cons);
	uint32_t copy[SLOT / sizeof(uint32_t)] = { 0 };
	unsigned i;
	int rc;

	for (i = 0; i < ring->layout->stride / sizeof(*copy); i++)
		copy[i] = load(from + i);
	req->answer_op = get8(copy, 0);
	req->id = get64(copy, ring->layout->id);
	req->indirect = false;
	req->large = false;
	req->at = 0;
	req->sector = get64(copy, ring->layout->sector);
	req->sectors = 0;
	req->nr_segs = 0;
	rc = ring->blktap2 ? read_blktap2(ring, req, copy)
			   : read_blkif(ring, req, copy);
	return rc ? rc : 1;
}

int ring_peek(struct ring *ring, struct ring_req *out)
{
	uint32_t prod =
		__atomic_load_n(ring->words + REQ_PROD, __ATOMIC_ACQUIRE);
	uint32_t produced = prod - ring->rsp_prod;

	/* More than a ring ahead, or back behind what was taken. */
	if (produced > ring->entries ||
	    produced < ring->req_cons - ring->rsp_prod)
		return -EPROTO;
	return prod == ring->req_cons ? 0 : read_slot(ring, out);
}

bool ring_arm(struct ring *ring)
{
	/*
	 * Either the client sees the event index, or we its request: the load
	 * must not come before the store, which this order makes sure of.
	 */
	__atomic_store_n(ring->words + REQ_EVENT, ring->req_cons + 1,
			 __ATOMIC_SEQ_CST);
	return __atomic_load_n(ring->words + REQ_PROD, __ATOMIC_SEQ_CST) !=
	       ring->req_cons;
}

uint32_t ring_take(struct ring *ring)
{
	return ring->req_cons++;
}

uint32_t ring_answer(struct ring *ring, uint64_t id, uint8_t answer_op,
		     int16_t status)
{
	uint32_t *to = slot(ring, ring->rsp_prod), words[4] = { 0 };
	unsigned i;

	/* All of it, padding too: it is no place for what lay on our stack. */
	memcpy(words, &id, sizeof(id));
	words[2] = answer_op | (uint32_t)(uint16_t)status << 16;
	for (i = 0; i < ring->layout->answer / sizeof(*words); i++)
		store(to + i, words[i]);
	return ring->rsp_prod++;
}

bool ring_push(struct ring *ring)
{
	uint32_t old = ring->shown, new = ring->rsp_prod;

	if (old == new)
		return false;
	ring->shown = new;
	/* After the answers, and before the look at the event index. */
	__atomic_store_n(ring->words + RSP_PROD, new, __ATOMIC_SEQ_CST);
	if (ring->blktap2)
		return true;
	return new - __atomic_load_n(ring->words + RSP_EVENT,
				     __ATOMIC_SEQ_CST) <
	       new - old;
}
