/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-proto.h - the server's side of the NBD protocol: bytes in, bytes out.
 *
 * Nothing here does I/O, allocates, or waits.  The caller keeps a buffer of
 * what has come and calls again when there is more: a step consumes one
 * whole message or nothing, so a message may come in any number of pieces.
 *
 * The life of a connection:
 *
 *	nbd_proto_init()
 *	nbd_proto_greet()               bytes to send first
 *	nbd_proto_haggle() ...          until phase is NBD_READY
 *	nbd_proto_request() ...         28 bytes each; then nbd_proto_check()
 *	nbd_proto_simple(), _data() ... headers of the answers
 *
 * The protocol is specified in doc/proto.md of NetworkBlockDevice/nbd.
 * Fixed newstyle is spoken, with structured replies and base:allocation, and
 * the old greeting for those who still expect it: a client that answers the
 * old greeting as a newstyle client would is taken for one.
 */
#ifndef TAPDISK_NBD_PROTO_H
#define TAPDISK_NBD_PROTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NBD_GREETING_MAX 152         /* bytes of nbd_proto_greet() */
#define NBD_ANSWER_MAX   256         /* bytes of one step's answer */
#define NBD_OPTION_MAX   (64u << 10) /* most data of one option */
#define NBD_OPTIONS_MAX  32          /* options in one handshake */
#define NBD_NAME_MAX     4096        /* of an export; the protocol's own */
#define NBD_INPUT_MIN    (16 + NBD_OPTION_MAX) /* the caller's buffer */
#define NBD_REQUEST_SIZE 28
#define NBD_HEADER_MAX   32           /* of one answer's header */
#define NBD_DATA_MAX     (32u << 20)  /* most bytes one read or write moves */
#define NBD_DF_MAX       (512u << 10) /* most bytes in one chunk, when asked */

#define NBD_BLOCK_MIN       1
#define NBD_BLOCK_PREFERRED 4096
#define NBD_BLOCK_MAX       (2u << 20)

/* Transmission flags. */
#define NBD_HAS_FLAGS         (1u << 0)
#define NBD_READ_ONLY         (1u << 1)
#define NBD_SEND_FLUSH        (1u << 2)
#define NBD_SEND_FUA          (1u << 3)
#define NBD_SEND_TRIM         (1u << 5)
#define NBD_SEND_WRITE_ZEROES (1u << 6)
#define NBD_SEND_DF           (1u << 7)
#define NBD_CAN_MULTI_CONN    (1u << 8)
#define NBD_SEND_CACHE        (1u << 10)

/* Commands. */
#define NBD_READ         0
#define NBD_WRITE        1
#define NBD_DISC         2
#define NBD_FLUSH        3
#define NBD_TRIM         4
#define NBD_CACHE        5
#define NBD_WRITE_ZEROES 6
#define NBD_BLOCK_STATUS 7

/* Flags of commands. */
#define NBD_FUA     (1u << 0) /* any command that changes something */
#define NBD_NO_HOLE (1u << 1) /* write zeroes */
#define NBD_DF      (1u << 2) /* read: one chunk */
#define NBD_REQ_ONE (1u << 3) /* block status: one extent, within the range */

/* States in base:allocation. */
#define NBD_STATE_HOLE (1u << 0)
#define NBD_STATE_ZERO (1u << 1)

enum nbd_phase {
	NBD_HELLO, /* greeted; the client's flags, or an old client's request */
	NBD_HAGGLE, /* options */
	NBD_SKIP,   /* data of an option that is too long */
	NBD_READY,  /* requests */
	NBD_OVER,   /* send what there is and close */
};

struct nbd_proto {
	enum nbd_phase phase;
	uint64_t size;
	uint16_t flags; /* transmission flags but SEND_DF */
	bool oldstyle;
	bool no_zeroes;
	bool structured;
	bool allocation; /* base:allocation was asked for */
	unsigned options;
	uint32_t option;
	uint32_t skip;
};

struct nbd_request {
	uint64_t cookie; /* as it came */
	uint64_t off;
	uint32_t len;
	uint16_t flags;
	uint16_t type;
};

void nbd_proto_init(struct nbd_proto *p, uint64_t size, unsigned flags,
		    bool oldstyle);

/* Returns how many bytes of out are to be sent first of all. */
size_t nbd_proto_greet(const struct nbd_proto *p,
		       uint8_t out[NBD_GREETING_MAX]);

/*
 * One step of the handshake: returns how many bytes of in are done with, and
 * in *answer how many bytes of out are to be sent. 0 and 0: more is needed,
 * unless phase has become NBD_READY or NBD_OVER.
 */
size_t nbd_proto_haggle(struct nbd_proto *p, const uint8_t *in, size_t len,
			uint8_t out[NBD_ANSWER_MAX], size_t *answer);

/* -EPROTO if this is no request: the connection cannot go on. */
int nbd_proto_request(struct nbd_request *rq,
		      const uint8_t in[NBD_REQUEST_SIZE]);

/* What is wrong with a request, before any of it is done: 0 or -errno. */
int nbd_proto_check(const struct nbd_proto *p, const struct nbd_request *rq);

/* The error on the wire for a -errno. */
uint32_t nbd_proto_errno(int err);

/* Headers of answers; each returns its length, at most NBD_HEADER_MAX. */
size_t nbd_proto_simple(uint8_t *out, uint64_t cookie, int err);

/* Of a read's data, len bytes from off, which follow. */
size_t nbd_proto_data(uint8_t *out, uint64_t cookie, uint64_t off, uint32_t len,
		      bool last);

/* Of a whole structured reply that is an error. */
size_t nbd_proto_error(uint8_t *out, uint64_t cookie, int err);

/* Of count descriptors of 8 bytes, which follow. */
size_t nbd_proto_status(uint8_t *out, uint64_t cookie, unsigned count);

/* One descriptor. */
void nbd_proto_descriptor(uint8_t out[8], uint32_t len, uint32_t state);

#endif /* TAPDISK_NBD_PROTO_H */
