/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-conn.h - the requests of one NBD client: from the bytes that came to
 * requests to the disk, and from their ends to answers.
 *
 * An *op* is a request as the client made it; a *part* is what the disk is
 * asked at a time: at most NBD_PART bytes, so that a large op passes through
 * bounded memory.  Ops are taken in the order in which they came; one that
 * cannot go on (no memory, no part, its bytes not here yet) holds up those
 * behind it and nobody else.
 *
 * The client may ask for any bytes, the disk takes whole blocks.  A read's
 * part covers the blocks, and the answer is cut from it.  A write is cut at
 * block edges; a part that is less than a block is merged: read, changed and
 * written. While that lasts nothing else of this client is at the disk, and
 * no change of the disk's other NBD clients (nbd-turn.h).
 *
 * A simple reply has one header and no way to say later that the data is
 * bad.  A read that takes more than one part and gets a simple reply is done
 * part by part, alone; if one after the first fails, the connection ends.
 */
#ifndef TAPDISK_NBD_CONN_H
#define TAPDISK_NBD_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "lib/loop.h"
#include "tapdisk/nbd-in.h"
#include "tapdisk/nbd-mem.h"
#include "tapdisk/nbd-proto.h"
#include "tapdisk/nbd-send.h"
#include "tapdisk/nbd-turn.h"

#define NBD_CONN_OPS   128u
#define NBD_CONN_PARTS 128u
#define NBD_CONN_DEPTH (NBD_CONN_PARTS + 2) /* a part may ask twice */
#define NBD_PART       (1u << 20)           /* bytes of data of a part */
#define NBD_PART_ZERO  (32u << 20)          /* bytes to zero or discard */
#define NBD_EXTENTS    256u                 /* in one answer */

struct channel;
struct nbd_op;
struct nbd_part;
struct req;

struct nbd_conn {
	struct nbd_turn turn; /* first */
	struct channel *ch;
	struct nbd_proto proto;
	struct nbd_send send;
	struct nbd_mem mem;
	uint32_t block; /* what requests to the disk align to */

	struct nbd_in in;
	bool hungry; /* nothing more can be done before more has come */
	bool paused; /* begin nothing, but see a disconnect; the owner's */

	struct nbd_op *ops;
	struct nbd_part *parts;
	struct list free_ops;
	struct list free_parts;
	struct nbd_op *cur;     /* what is being cut into parts */
	struct nbd_part *part;  /* of cur, not yet at the disk */
	struct nbd_part *again; /* to be written as soon as there is a req */

	unsigned open_ops;
	unsigned at_disk;     /* parts */
	uint64_t bytes;       /* of them */
	unsigned share_parts; /* beyond which no second one is begun */
	uint64_t share_bytes;
	bool alone;  /* one that suffers no other is at the disk */
	bool broken; /* the stream of answers cannot be continued */

	uint64_t requests; /* statistics */
};

/* -ENOMEM. nbd_conn_free() copes with a half-built one. */
int nbd_conn_init(struct nbd_conn *conn, struct channel *ch);
void nbd_conn_free(struct nbd_conn *conn);

/* Where bytes from the client go: the count of vectors, 1 or 2. */
int nbd_conn_room(struct nbd_conn *conn, struct iovec iov[2]);

/* len bytes have come there. */
void nbd_conn_came(struct nbd_conn *conn, size_t len);

/* Deal with as much as can be; only in phase NBD_READY. */
void nbd_conn_serve(struct nbd_conn *conn);

/* A request to the disk has ended. */
void nbd_conn_complete(struct nbd_conn *conn, struct req *req);

/* Whether every op that is here is answered and its answer sent. */
bool nbd_conn_idle(const struct nbd_conn *conn);

#endif /* TAPDISK_NBD_CONN_H */
