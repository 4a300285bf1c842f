/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio-req.h - between a ring's request and the disk's: checks, no state.
 */
#ifndef TAPDISK_XENIO_REQ_H
#define TAPDISK_XENIO_REQ_H

#include <stdbool.h>
#include <stdint.h>

#include "tapdisk/req.h"
#include "xenio/blkif.h"

#define XENIO_PAGE        4096u
#define XENIO_SECTOR      512u
#define XENIO_DISCARD_MAX (UINT64_C(1) << 30)

/* What a guest's requests must keep to. */
struct xenio_limits {
	uint64_t sectors;  /* of the disk */
	unsigned block;    /* sectors that requests align to */
	unsigned max_segs; /* of an indirect request; 0: there are none */
	bool readonly;
};

/*
 * What is wrong with a request that the ring has checked; NULL if nothing
 * is. Of an indirect one only what can be known without its segments.
 */
const char *xenio_fault(const struct xenio_limits *l, const struct ring_req *r);

/* Make req of it: op, flags, off, len. */
void xenio_fill(struct req *req, const struct ring_req *r);

/*
 * Make a discard one of whole blocks, perhaps none, and of at most
 * XENIO_DISCARD_MAX bytes. Returns the sectors that remain after it.
 */
uint64_t xenio_trim(const struct xenio_limits *l, struct ring_req *r);

/* Gather the copies between the guest's pages and req's buffers. */
void xenio_copy(struct blkif_ring *ring, const struct req *req,
		const struct ring_req *r, bool to_guest, int *err);

/*
 * Let req's data be where the guest has it, if all of its pages stay mapped;
 * false if they do not. The request's own buffer then holds its iov, and the
 * pages are held until xenio_unshare().
 */
bool xenio_share(struct blkif_ring *ring, struct req *req,
		 const struct ring_req *r);
void xenio_unshare(struct blkif_ring *ring, const struct ring_req *r);

#endif /* TAPDISK_XENIO_REQ_H */
