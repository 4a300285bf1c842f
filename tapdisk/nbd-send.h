/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-send.h - answers on their way to an NBD client.
 *
 * Answers are queued and go out together, many in one call, their data from
 * where it lies.  A socket that is full is no error: what is left goes out
 * later.
 */
#ifndef TAPDISK_NBD_SEND_H
#define TAPDISK_NBD_SEND_H

#include <stddef.h>
#include <stdint.h>

#include "lib/list.h"
#include "tapdisk/nbd-proto.h"

/* One answer; its memory and its data are the queuer's until it is sent. */
struct nbd_out {
	struct list link; /* list_init() before first use */
	uint8_t head[NBD_HEADER_MAX];
	size_t head_len;
	const void *data;
	size_t data_len;
	void (*sent)(void *arg, struct nbd_out *out); /* NULL: nothing to do */
};

struct nbd_send {
	struct list queue;
	size_t done; /* bytes of the first that are sent */
	void *arg;   /* for sent() */
};

void nbd_send_init(struct nbd_send *s, void *arg);
void nbd_send_add(struct nbd_send *s, struct nbd_out *out);

/*
 * Send what the socket takes, and call sent() for each answer that is out.
 * 0: all; -EAGAIN: some is left; else the connection is broken.
 */
int nbd_send_push(struct nbd_send *s, int fd);

#endif /* TAPDISK_NBD_SEND_H */
