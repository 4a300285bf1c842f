/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io-libaio.c - I/O by the kernel's asynchronous calls.
 *
 * A turn's requests are gathered in slots, neighbours in one slot, and go to
 * the kernel in one call when the turn ends.  The kernel signals an eventfd
 * for each that is done.  It is watched for edges and never read: what is
 * done is read from the ring that the kernel maps into our memory.
 */
#include <errno.h>
#include <libaio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/err.h"
#include "tapdisk/io-slot.h"

#define RETRY_NS 10000000u /* the kernel had no room, and none is ours */

struct libaio {
	struct io_slots q;
	struct iocb *iocbs; /* of each slot */
	io_context_t ctx;
	struct watch watch;
	struct timer retry;
	struct iocb **batch;
	unsigned in_flight;
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

static struct iocb *prepare(struct libaio *la, struct io_slot *s)
{
	struct iocb *cb = &la->iocbs[s - la->q.slots];
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
	return cb;
}

static void libaio_submit(struct io *io, int fd, struct req *req)
{
	struct libaio *la = io->state;

	io_slots_submit(&la->q, fd, req);
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
		io_slots_done(&la->q, ev.data, (long)ev.res);
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
			io_slots_done(&la->q, ev[i].data, (long)ev[i].res);
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
			loop_timer(la->q.io->loop, &la->retry, RETRY_NS);
		return false;
	}
	if (ret < 0) {
		struct io_slot *s = la->batch[0]->data;

		list_del(&s->link);
		io_slots_done(&la->q, s, ret);
		return true;
	}
	la->in_flight += ret;
	while (ret--)
		list_pop(&la->q.queued);
	return true;
}

static void libaio_flush(struct io *io)
{
	struct libaio *la = io->state;
	struct list *pos, *next;
	bool more = true;

	while (more && !list_empty(&la->q.queued)) {
		unsigned n = 0;

		list_for_each (&la->q.queued, pos, next) {
			la->batch[n++] = prepare(
				la, container_of(pos, struct io_slot, link));
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
	la->watch.fd = -1;
	la->watch.ready = reap;
	la->retry.fire = retry;
	list_init(&la->retry.link);
	ret = io_slots_open(&la->q, io, depth, err);
	if (ret)
		return ret;
	la->iocbs = calloc(depth, sizeof(*la->iocbs));
	la->batch = calloc(depth, sizeof(struct iocb *));
	if (!la->iocbs || !la->batch)
		return err_set(err, -ENOMEM, "no memory for I/O");
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
	free(la->iocbs);
	io_slots_close(&la->q);
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
