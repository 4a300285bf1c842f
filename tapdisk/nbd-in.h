/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-in.h - what an NBD client has sent and nobody has looked at yet.
 *
 * One buffer; bytes that are known to belong to a write can go past it, to
 * where they are wanted.
 */
#ifndef TAPDISK_NBD_IN_H
#define TAPDISK_NBD_IN_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define NBD_IN_SIZE (160u << 10)

struct nbd_in {
	uint8_t *buf;
	size_t head; /* what is there is buf[head..tail) */
	size_t tail;
	size_t direct; /* bytes of the room that are not in buf */
};

/* -ENOMEM. */
int nbd_in_init(struct nbd_in *in);
void nbd_in_free(struct nbd_in *in); /* zeroed memory is fine */

static inline const uint8_t *nbd_in_at(const struct nbd_in *in)
{
	return in->buf + in->head;
}

static inline size_t nbd_in_len(const struct nbd_in *in)
{
	return in->tail - in->head;
}

/*
 * Where the next bytes go: 1 or 2 vectors. The next want bytes belong to
 * where, unless there are some before them.
 */
int nbd_in_room(struct nbd_in *in, uint8_t *where, size_t want,
		struct iovec iov[2]);

/* len bytes have come there; returns how many of them are at where. */
size_t nbd_in_came(struct nbd_in *in, size_t len);

/* Takes up to len bytes to where, which may be NULL; returns how many. */
size_t nbd_in_take(struct nbd_in *in, uint8_t *where, size_t len);

#endif /* TAPDISK_NBD_IN_H */
