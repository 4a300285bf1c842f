/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkif.h - grants and event channels around rings.
 *
 * One struct blkif a process: one grant handle, one event-channel
 * descriptor, any number of rings of any domains.  Grant copies of a turn
 * of the loop are gathered here, across rings, and done in one call each
 * way: blkif_copy_in() before new writes are submitted, blkif_copy_out()
 * before finished reads are answered.
 */
#ifndef XENIO_BLKIF_H
#define XENIO_BLKIF_H

#include <stdbool.h>
#include <stdint.h>

#include "xenio/ring.h"

struct blkif;
struct err;
struct loop;
struct xen;

#define BLKIF_PAGES_MAX 16

/* What a guest (by way of the xenio daemon) offers; arg of the transport. */
struct blkif_connect {
	struct blkif *blkif;
	uint32_t domid;
	uint32_t devid;
	unsigned queue;
	enum ring_proto proto;
	unsigned order; /* 1 << order pages */
	uint32_t grefs[BLKIF_PAGES_MAX];
	uint32_t port;
	unsigned max_segs;  /* indirect segments advertised; 0: none */
	uint32_t poll_us;   /* 0: no polling */
	uint32_t poll_idle; /* % of idle CPU below which polling is off */
	bool cdrom;
	bool readonly;  /* this client may not write */
	int journal_fd; /* -1: none; taken over, also on failure */
};

/* xen stays the caller's. */
int blkif_new(struct blkif **out, struct loop *loop, struct xen *xen,
	      struct err *err);
void blkif_free(struct blkif *blkif);

#endif /* XENIO_BLKIF_H */
