/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport-mem.h - a client that lives in the test.
 */
#ifndef TESTS_TRANSPORT_MEM_H
#define TESTS_TRANSPORT_MEM_H

#include "lib/list.h"
#include "tapdisk/transport.h"

/* What a client asks for, and how it was answered. */
struct mem_op {
	enum req_op op;
	unsigned flags;
	uint64_t off;
	uint64_t len;
	void *buf; /* read, write */
	struct extents *extents;
	bool done; /* the answer was pushed: seen after a flush() */
	int err;
	unsigned order; /* the how-manieth answer it was */
	struct list link;
};

/* One end of a channel; the arg of its open(). Zeroed but for what is set. */
struct mem_client {
	unsigned depth; /* 0: 32 */
	bool readonly;
	bool no_flush;
	bool own_memory; /* channel_get(ch, 0) and iov of its own */
	bool dies;       /* after taking a request, before submitting it */
	int open_err;

	struct channel *ch; /* while it is open */
	struct list queue;  /* what was asked for and not taken */
	struct list answered;
	bool started;
	unsigned starts, stops, closes;
	unsigned taken;
	unsigned answers;
	unsigned flushes; /* calls to flush() with answers to push */
	unsigned refused; /* times channel_get() gave NULL */
};

extern const struct transport mem_transport;

/* Ask; the request is taken when there is room. op lives until it is done. */
void mem_ask(struct mem_client *client, struct mem_op *op);

#endif /* TESTS_TRANSPORT_MEM_H */
