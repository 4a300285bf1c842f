/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-turn.h - which of a disk's NBD clients may change it now.
 *
 * Changes of whole blocks go side by side.  A merge (a block is read, changed
 * in part and written back) goes beside no change of any NBD client.  Who has
 * waited longest goes first, so that neither kind can starve the other; the
 * wait is for requests at the disk, never for a client.
 *
 * And how much each may have at the disk: NBD clients together half of the
 * bytes that the disk may have in flight and NBD_TURN_PARTS requests, so that
 * a guest's request finds no more than that before it, but each client one
 * request at least.
 *
 * The turn is the first thing in the state of each channel of the transport.
 */
#ifndef TAPDISK_NBD_TURN_H
#define TAPDISK_NBD_TURN_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/loop.h"

struct channel;

#define NBD_TURN_PARTS 256u /* of all NBD clients of a disk */

struct nbd_turn {
	struct channel *ch;
	unsigned changes; /* at the disk */
	bool merging;     /* it is the only one */
	bool waits_merge;
	uint64_t waits_ns;    /* since when; 0: it does not wait */
	struct deferred kick; /* try again; run() is the owner's */
};

void nbd_turn_init(struct nbd_turn *t, struct channel *ch);

/* Whether a change may start now; if not, kick will be run. */
bool nbd_turn_ask(struct nbd_turn *t, bool merge);

/* It starts; it has ended. */
void nbd_turn_begin(struct nbd_turn *t, bool merge);
void nbd_turn_end(struct nbd_turn *t);

/* One client's share, for as many as there are now. */
void nbd_turn_share(const struct nbd_turn *t, uint64_t *bytes, unsigned *parts);

/* No longer wait for what was asked; let the others go on. */
void nbd_turn_leave(struct nbd_turn *t);

#endif /* TAPDISK_NBD_TURN_H */
