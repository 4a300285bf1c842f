/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport-nbd.h - what opening an NBD channel takes.
 */
#ifndef TAPDISK_TRANSPORT_NBD_H
#define TAPDISK_TRANSPORT_NBD_H

#include <stdbool.h>

/* channel_open()'s arg for the transport "nbd". */
struct nbd_client {
	int fd;        /* a connected stream socket; the channel's */
	bool oldstyle; /* greet it the oldstyle way */
};

#endif /* TAPDISK_TRANSPORT_NBD_H */
