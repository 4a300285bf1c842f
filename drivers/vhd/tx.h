/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tx.h - writes, and the bitmaps and table entries that belong to them. */
#ifndef DRIVERS_VHD_TX_H
#define DRIVERS_VHD_TX_H

#include "drivers/vhd/layer.h"

void tx_open(struct layer *l);

/* Write at off, within one block. How far it got; 0: the op waits. */
uint64_t tx_write(struct op *op, uint64_t off, uint64_t len);

/* The table was written, or was not; b->is_new says so too. */
void tx_entered(struct bitmap *b, int err);

/* Something happened to it; look at it once, later in this turn. */
void tx_touch(struct bitmap *b);

#endif /* DRIVERS_VHD_TX_H */
