/* SPDX-License-Identifier: GPL-2.0-or-later */
/* op.h - takes requests apart. */
#ifndef DRIVERS_VHD_OP_H
#define DRIVERS_VHD_OP_H

#include "drivers/vhd/layer.h"

int op_open(struct layer *l);
void op_close(struct layer *l);

void op_submit(struct layer *l, struct req *req);

/* Go on where it stopped. */
void op_run(struct op *op);

/* It lacks something: try again when anything comes free. */
void op_stall(struct op *op);

/* Something came free. */
void op_wake(struct layer *l);

/* Nothing more of it is to be done. */
void op_fail(struct op *op, int err);

/*
 * A piece of len bytes at off of the disk, and at file_off of the file; the
 * caller submits it. NULL: none is free, and the op waits. With a key len
 * is cut, see piece->req->len.
 */
struct piece *op_piece(struct op *op, uint64_t off, uint64_t len,
		       uint64_t file_off);

/* Its data is written or read, and all else too. */
void op_piece_end(struct piece *p, int err);

#endif /* DRIVERS_VHD_OP_H */
