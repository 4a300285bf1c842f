/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio-req.c - what a disk's size, blocks and rights let a guest ask for.
 */
#include "tapdisk/xenio-req.h"

#include "lib/bytes.h"

const char *xenio_fault(const struct xenio_limits *l, const struct ring_req *r)
{
	unsigned i;

	if (l->readonly && r->op != RING_READ &&
	    (r->nr_segs || r->op == RING_DISCARD))
		return "the disk is read-only";
	if (r->indirect && r->nr_segs > l->max_segs)
		return "it has more segments than were offered";
	if (!bytes_within(r->sector, r->sectors, l->sectors))
		return "it reaches past the end of the disk";
	if (l->block == 1 || r->op == RING_DISCARD)
		return NULL;
	if (r->sector % l->block)
		return "its start is not aligned";
	for (i = 0; i < r->nr_segs && !r->indirect; i++) {
		if (r->segs[i].first % l->block ||
		    (r->segs[i].last + 1u) % l->block)
			return "a segment is not aligned";
	}
	return NULL;
}

void xenio_fill(struct req *req, const struct ring_req *r)
{
	req->off = r->sector * XENIO_SECTOR;
	req->len = r->sectors * XENIO_SECTOR;
	switch (r->op) {
	case RING_READ:
		req->op = REQ_READ;
		break;
	case RING_WRITE:
		req->op = REQ_WRITE;
		break;
	case RING_BARRIER:
		req->op = r->nr_segs ? REQ_WRITE : REQ_FLUSH;
		req->flags = r->nr_segs ? REQ_FUA : 0;
		break;
	case RING_FLUSH:
		req->op = r->nr_segs ? REQ_WRITE : REQ_FLUSH;
		break;
	case RING_DISCARD:
		req->op = REQ_DISCARD;
		break;
	}
}

uint64_t xenio_trim(const struct xenio_limits *l, struct ring_req *r)
{
	uint64_t start = bytes_round_up(r->sector, l->block);
	uint64_t end = (r->sector + r->sectors) / l->block * l->block;
	uint64_t all = start < end ? end - start : 0;
	uint64_t max = XENIO_DISCARD_MAX / XENIO_SECTOR;

	r->sector = start;
	r->sectors = all < max ? all : max;
	return all - r->sectors;
}

void xenio_copy(struct blkif_ring *ring, const struct req *req,
		const struct ring_req *r, bool to_guest, int *err)
{
	const struct iovec *iov = req->iov;
	const struct ring_seg *s = r->segs;
	unsigned off, len, some;
	uint8_t *local;
	size_t at = 0;

	for (; s < r->segs + r->nr_segs; s++) {
		off = s->first * XENIO_SECTOR;
		len = (s->last - s->first + 1u) * XENIO_SECTOR;
		for (; len; len -= some, off += some, at += some) {
			if (at == iov->iov_len) {
				iov++;
				at = 0;
			}
			some = len;
			if (some > iov->iov_len - at)
				some = (unsigned)(iov->iov_len - at);
			local = (uint8_t *)iov->iov_base + at;
			if (to_guest)
				blkif_send(ring, local, s->gref, off, some,
					   err);
			else
				blkif_fetch(ring, local, s->gref, off, some,
					    err);
		}
	}
}

static void let_go(struct blkif_ring *ring, const struct ring_req *r,
		   unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		blkif_let_go(ring, r->segs[i].gref);
}

bool xenio_share(struct blkif_ring *ring, struct req *req,
		 const struct ring_req *r)
{
	struct iovec *iov = req->iov->iov_base, *last = iov;
	const struct ring_seg *s = r->segs;
	uint8_t *data;
	size_t len;

	_Static_assert(sizeof(*iov) <= XENIO_SECTOR, "one for each segment");
	for (; s < r->segs + r->nr_segs; s++) {
		data = blkif_hold(ring, s->gref);
		if (!data) {
			let_go(ring, r, (unsigned)(s - r->segs));
			return false;
		}
		data += s->first * XENIO_SECTOR;
		len = (s->last - s->first + 1u) * XENIO_SECTOR;
		if (s > r->segs &&
		    (uint8_t *)last->iov_base + last->iov_len == data) {
			last->iov_len += len;
			continue;
		}
		last += s > r->segs;
		*last = (struct iovec){ data, len };
	}
	ring->counters.shared += r->nr_segs;
	req->iov = iov;
	req->iovcnt = (int)(last - iov) + 1;
	return true;
}

void xenio_unshare(struct blkif_ring *ring, const struct ring_req *r)
{
	let_go(ring, r, r->nr_segs);
}
