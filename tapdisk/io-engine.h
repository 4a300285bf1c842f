/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io-engine.h - what an I/O engine is, and what engines share.
 *
 * An engine answers every request it was given, later. What it cannot hand
 * to the kernel without waiting it gives to io_offload(), where a worker
 * thread does it.
 */
#ifndef TAPDISK_IO_ENGINE_H
#define TAPDISK_IO_ENGINE_H

#include <stdbool.h>
#include <sys/uio.h>

#include "lib/list.h"
#include "lib/loop.h"
#include "tapdisk/req.h"

struct err;
struct io;
struct io_job;
struct work;

struct io_engine {
	const char *name; /* "libaio", "uring", "sync" */
	bool fenced;      /* exit waits for what is in flight */
	int (*open)(struct io *io, unsigned depth, struct err *err);
	void (*submit)(struct io *io, int fd, struct req *req);
	void (*flush)(struct io *io); /* end of turn; optional */
	void (*close)(struct io *io); /* copes with a half-built one */
};

struct io {
	struct loop *loop;
	const struct io_engine *engine;
	void *state; /* the engine's */
	struct hook hook;

	struct work *work;
	struct io_job *jobs;
	struct list jobs_free;
	struct list jobs_wait; /* requests, by answer.link; see io_park() */
};

extern const struct io_engine io_libaio;
extern const struct io_engine io_sync;
extern const struct io_engine io_uring;

/* The worker pool that every struct io has. */
int io_offload_open(struct io *io, unsigned threads, struct err *err);
void io_offload_close(struct io *io);

/* Have a worker do it. */
void io_offload(struct io *io, int fd, struct req *req);

/*
 * Keep a request on a list until there is room for it. The descriptor is
 * kept in req->err, which has no other use until the request is answered.
 */
static inline void io_park(struct list *wait, int fd, struct req *req)
{
	req->err = fd;
	list_add_tail(wait, &req->answer.link);
}

/* The first that waits, and its descriptor; NULL if there is none. */
static inline struct req *io_unpark(struct list *wait, int *fd)
{
	struct list *link = list_pop(wait);
	struct req *req;

	if (!link)
		return NULL;
	req = container_of(link, struct req, answer.link);
	*fd = req->err;
	return req;
}

/*
 * Fill iov with the bytes of a request's buffers from skip on, at most max
 * pieces. Returns how many pieces, and in len how many bytes.
 */
int io_flatten(struct iovec *iov, int max, const struct req *req, uint64_t skip,
	       size_t *len);

#endif /* TAPDISK_IO_ENGINE_H */
