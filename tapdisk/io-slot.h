/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io-slot.h - a turn's requests, gathered for the kernel.
 *
 * For the engines whose kernel interface takes many at once. A slot on the
 * list queued is one call's worth of work: read or write now bytes at
 * off + done with iov, or flush. The engine takes it off, and gives it back
 * with the result.
 */
#ifndef TAPDISK_IO_SLOT_H
#define TAPDISK_IO_SLOT_H

#include "tapdisk/io-engine.h"

#define IO_SLOT_PIECES 256 /* 1 MiB of a guest's pages */

struct io_slot {
	struct list link; /* free, or queued */
	struct list reqs;
	int fd;
	enum req_op op;
	bool serial;   /* one request at a time: together they failed */
	uint64_t off;  /* of the first request */
	uint64_t len;  /* of those that are done together */
	uint64_t done; /* of len */
	size_t now;    /* of len, in this round */
	int pieces;
	struct iovec *iov; /* IO_SLOT_PIECES */
};

struct io_slots {
	struct io *io;
	struct io_slot *slots;
	struct iovec *iovs; /* of all slots; touched only as far as used */
	struct list free;
	struct list queued; /* slots that the kernel has not got yet */
	struct list wait;   /* requests that there is no slot for */
};

int io_slots_open(struct io_slots *q, struct io *io, unsigned depth,
		  struct err *err);
void io_slots_close(struct io_slots *q);

/* Any request; those that are neither read, write nor flush are offloaded. */
void io_slots_submit(struct io_slots *q, int fd, struct req *req);

/* res is what the kernel said: bytes, or -errno. The slot is not queued. */
void io_slots_done(struct io_slots *q, struct io_slot *s, long res);

#endif /* TAPDISK_IO_SLOT_H */
