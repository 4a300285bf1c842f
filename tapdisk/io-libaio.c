/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io-libaio.c - I/O by the kernel's asynchronous calls.
 *
 * A turn's requests are gathered in slots, neighbours in one slot, and go to
 * the kernel in one call when the turn ends.  The kernel signals an eventfd
 * for each that is done.  It is watched for edges and never read: what is
 * done is read from the ring that the kernel maps into our memory.
 *
 * A slot holds one or several requests (linked by answer.link), each
 * beginning where the one before it ends.  When several fail together, they
 * are tried again one after the other, so that an error is answered to none
 * but the one whose it is.
 */
#include <errno.h>
#include <libaio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/err.h"
#include "tapdisk/io-engine.h"

#define SLOT_PIECES 64
#define SLOT_BYTES  (1u << 20) /* most to merge */
#define RETRY_NS    10000000u  /* the kernel had no room, and none is ours */

struct slot {
	struct iocb iocb;
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
	struct iovec iov[SLOT_PIECES];
};

struct libaio {
	struct io *io;
	io_context_t ctx;
	struct watch watch;
	struct timer retry;
	struct slot *slots;
	struct iocb **batch;
	unsigned depth;
	unsigned in_flight;
	struct list free;
	struct list queued; /* slots that the kernel has not got yet */
	struct list wait;   /* requests that there is no slot for */
};

/* What the kernel maps at the address that is the context's id. */
struct ring {
	unsigned id;
	unsigned nr;
	unsigned head;
	unsigned tail;
	unsigned magic;
	unsigned compat;
	unsigned incompat;
	unsigned header;
	struct io_event events[];
};

#define RING_MAGIC 0xa10a10a1u

static struct req *first(struct slot *s)
{
	return container_of(s->reqs.next, struct req, answer.link);
}

/* Lay out the next round: what is left of one request, or of all. */
static void slot_fill(struct slot *s)
{
	uint64_t skip = s->done;
	struct list *pos, *next;

	s->pieces = 0;
	s->now = 0;
	list_for_each (&s->reqs, pos, next) {
		struct req *req = container_of(pos, struct req, answer.link);
		size_t len;

		if (skip >= req->len) {
			skip -= req->len;
			continue;
		}
		s->pieces +=
			io_flatten(s->iov + s->pieces, SLOT_PIECES - s->pieces,
				   req, skip, &len);
		s->now += len;
		if (s->serial || s->pieces == SLOT_PIECES ||
		    len < req->len - skip)
			break;
		skip = 0;
	}
}

static void slot_prepare(struct libaio *la, struct slot *s)
{
	struct iocb *cb = &s->iocb;
	uint64_t off = s->off + s->done;

	if (s->op == REQ_FLUSH)
		io_prep_fdsync(cb, s->fd);
	else if (s->op == REQ_READ && s->pieces == 1)
		io_prep_pread(cb, s->fd, s->iov->iov_base, s->now, off);
	else if (s->op == REQ_READ)
		io_prep_preadv(cb, s->fd, s->iov, s->pieces, off);
	else if (s->pieces == 1)
		io_prep_pwrite(cb, s->fd, s->iov->iov_base, s->now, off);
	else
		io_prep_pwritev(cb, s->fd, s->iov, s->pieces, off);
	io_set_eventfd(cb, la->watch.fd);
	cb->data = s;
}

/* Whether the request continues what the slot holds. */
static bool slot_merge(struct slot *s, int fd, struct req *req)
{
	size_t len;
	int n;

	if (s->fd != fd || s->op != req->op || s->serial || s->done)
		return false;
	if (s->op != REQ_FLUSH) {
		if (s->off + s->len != req->off || s->now != s->len ||
		    s->len + req->len > SLOT_BYTES || s->pieces == SLOT_PIECES)
			return false;
		n = io_flatten(s->iov + s->pieces, SLOT_PIECES - s->pieces, req,
			       0, &len);
		if (len < req->len)
			return false;
		s->pieces += n;
		s->now += len;
		s->len += len;
	}
	list_add_tail(&s->reqs, &req->answer.link);
	return true;
}

/* Neighbours come one after the other; all flushes of a file are one. */
static bool merge(struct libaio *la, int fd, struct req *req)
{
	struct list *pos, *next;

	if (list_empty(&la->queued))
		return false;
	if (req->op != REQ_FLUSH)
		return slot_merge(
			container_of(la->queued.prev, struct slot, link), fd,
			req);
	list_for_each (&la->queued, pos, next)
		if (slot_merge(container_of(pos, struct slot, link), fd, req))
			return true;
	return false;
}

static void slot_start(struct libaio *la, struct slot *s, int fd,
		       struct req *req)
{
	s->fd = fd;
	s->op = req->op;
	s->serial = false;
	s->off = req->off;
	s->len = req->op == REQ_FLUSH ? 0 : req->len;
	s->done = 0;
	list_init(&s->reqs);
	list_add_tail(&s->reqs, &req->answer.link);
	if (req->op != REQ_FLUSH)
		slot_fill(s);
	list_add_tail(&la->queued, &s->link);
}

static void libaio_submit(struct io *io, int fd, struct req *req)
{
	struct libaio *la = io->state;
	struct list *link;

	if (req->op != REQ_READ && req->op != REQ_WRITE &&
	    req->op != REQ_FLUSH) {
		io_offload(io, fd, req);
		return;
	}
	if (merge(la, fd, req))
		return;
	link = list_pop(&la->free);
	if (link)
		slot_start(la, container_of(link, struct slot, link), fd, req);
	else
		io_park(&la->wait, fd, req);
}

static void slot_again(struct libaio *la, struct slot *s)
{
	if (s->op != REQ_FLUSH)
		slot_fill(s);
	list_add_tail(&la->queued, &s->link);
}

/* Take up the next of those that are done one by one. */
static void slot_next(struct libaio *la, struct slot *s)
{
	s->off = first(s)->off;
	s->len = first(s)->len;
	s->done = 0;
	slot_again(la, s);
}

/* Answer one request, or all, and go on with the next or free the slot. */
static void slot_answer(struct libaio *la, struct slot *s, int err)
{
	struct list *link;
	struct req *req;
	int fd;

	while ((link = list_pop(&s->reqs))) {
		req_done(container_of(link, struct req, answer.link), err);
		if (s->serial)
			break;
	}
	if (!list_empty(&s->reqs)) {
		slot_next(la, s);
		return;
	}
	list_add_head(&la->free, &s->link);
	req = io_unpark(&la->wait, &fd);
	if (req)
		libaio_submit(la->io, fd, req);
}

static void slot_failed(struct libaio *la, struct slot *s, int err)
{
	struct list *link;

	if (s->op == REQ_FLUSH && err == -EINVAL) {
		while ((link = list_pop(&s->reqs)))
			io_offload(la->io, s->fd,
				   container_of(link, struct req, answer.link));
		slot_answer(la, s, 0);
		return;
	}
	if (s->op == REQ_FLUSH || s->serial || s->reqs.next == s->reqs.prev) {
		slot_answer(la, s, err);
		return;
	}
	s->serial = true;
	slot_next(la, s);
}

static void slot_done(struct libaio *la, struct slot *s, long res)
{
	if (res == -EINTR) {
		slot_again(la, s);
		return;
	}
	if (res < 0 || (!res && s->op != REQ_FLUSH)) {
		slot_failed(la, s, res ? (int)res : -EIO);
		return;
	}
	s->done += res;
	if (s->done < s->len)
		slot_again(la, s);
	else
		slot_answer(la, s, 0);
}

/* False: this is no ring that we know. */
static bool reap_mapped(struct libaio *la)
{
	struct ring *ring = (struct ring *)la->ctx;
	unsigned head = ring->head;
	unsigned tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);

	if (ring->magic != RING_MAGIC || ring->incompat)
		return false;
	while (head != tail) {
		struct io_event ev = ring->events[head];

		head = head + 1 < ring->nr ? head + 1 : 0;
		la->in_flight--;
		slot_done(la, ev.data, (long)ev.res);
	}
	__atomic_store_n(&ring->head, head, __ATOMIC_RELEASE);
	return true;
}

static void reap(struct watch *w, uint32_t events)
{
	struct libaio *la = container_of(w, struct libaio, watch);
	struct timespec none = { 0 };
	struct io_event ev[32];
	int n;

	(void)events;
	if (reap_mapped(la))
		return;
	do {
		n = io_getevents(la->ctx, 0, 32, ev, &none);
		for (int i = 0; i < n; i++) {
			la->in_flight--;
			slot_done(la, ev[i].data, (long)ev[i].res);
		}
	} while (n == 32);
}

/* The end-of-turn hook does what is to be done. */
static void retry(struct timer *t)
{
	(void)t;
}

/* Hand over the first n of those queued; what stays is for later. */
static bool submit_batch(struct libaio *la, unsigned n)
{
	int ret = io_submit(la->ctx, n, la->batch);

	if (ret == -EINTR)
		return true;
	if (ret == -EAGAIN || ret == 0) {
		if (!la->in_flight)
			loop_timer(la->io->loop, &la->retry, RETRY_NS);
		return false;
	}
	if (ret < 0) {
		struct slot *s = la->batch[0]->data;

		list_del(&s->link);
		slot_done(la, s, ret);
		return true;
	}
	la->in_flight += ret;
	while (ret--)
		list_pop(&la->queued);
	return true;
}

static void libaio_flush(struct io *io)
{
	struct libaio *la = io->state;
	struct list *pos, *next;
	bool more = true;

	while (more && !list_empty(&la->queued)) {
		unsigned n = 0;

		list_for_each (&la->queued, pos, next) {
			struct slot *s = container_of(pos, struct slot, link);

			slot_prepare(la, s);
			la->batch[n++] = &s->iocb;
		}
		more = submit_batch(la, n);
	}
}

static int libaio_open(struct io *io, unsigned depth, struct err *err)
{
	struct libaio *la = calloc(1, sizeof(*la));
	int ret;

	if (!la)
		return err_set(err, -ENOMEM, "no memory for I/O");
	io->state = la;
	la->io = io;
	la->watch.fd = -1;
	la->watch.ready = reap;
	la->retry.fire = retry;
	la->depth = depth;
	list_init(&la->retry.link);
	list_init(&la->free);
	list_init(&la->queued);
	list_init(&la->wait);
	la->slots = calloc(depth, sizeof(*la->slots));
	la->batch = calloc(depth, sizeof(struct iocb *));
	if (!la->slots || !la->batch)
		return err_set(err, -ENOMEM, "no memory for I/O");
	for (unsigned i = 0; i < depth; i++)
		list_add_tail(&la->free, &la->slots[i].link);
	ret = io_setup(depth, &la->ctx);
	if (ret < 0)
		return err_set(err, ret,
			       "io_setup(%u): %s; see /proc/sys/fs/aio-max-nr",
			       depth, strerror(-ret));
	la->watch.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (la->watch.fd < 0)
		return err_sys(err, "eventfd");
	ret = loop_watch(io->loop, &la->watch, EPOLLIN | EPOLLET);
	if (ret) {
		close(la->watch.fd);
		la->watch.fd = -1;
		return err_set(err, ret, "epoll: %s", strerror(-ret));
	}
	return 0;
}

static void libaio_close(struct io *io)
{
	struct libaio *la = io->state;

	if (!la)
		return;
	loop_untimer(&la->retry);
	if (la->watch.fd >= 0) {
		loop_unwatch(io->loop, &la->watch);
		close(la->watch.fd);
	}
	if (la->ctx)
		io_destroy(la->ctx);
	free(la->batch);
	free(la->slots);
	free(la);
}

const struct io_engine io_libaio = {
	.name = "libaio",
	.fenced = true,
	.open = libaio_open,
	.submit = libaio_submit,
	.flush = libaio_flush,
	.close = libaio_close,
};
