/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io-uring.c - I/O by io_uring.
 *
 * A turn's requests are one call, and what is done is read from memory: as
 * with libaio, of which it is the younger sister. It also takes flushes and
 * files that libaio would wait for.  What is in flight when the process dies
 * goes on after its end: no journal is kept over it.
 */
#include <errno.h>
#include <liburing.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "lib/err.h"
#include "tapdisk/io-slot.h"

#define RETRY_NS 10000000u /* the kernel had no room, and none is ours */

struct uring {
	struct io_slots q;
	struct io_uring ring;
	bool made;
	struct watch watch;
	struct timer retry;
	unsigned in_flight;
	unsigned prepared; /* in the ring, and not yet the kernel's */
};

static bool prepare(struct uring *u, struct io_slot *s)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	uint64_t off = s->off + s->done;

	if (!sqe)
		return false;
	if (s->op == REQ_FLUSH)
		io_uring_prep_fsync(sqe, s->fd, IORING_FSYNC_DATASYNC);
	else if (s->op == REQ_READ)
		io_uring_prep_readv(sqe, s->fd, s->iov, s->pieces, off);
	else
		io_uring_prep_writev(sqe, s->fd, s->iov, s->pieces, off);
	io_uring_sqe_set_data(sqe, s);
	u->prepared++;
	return true;
}

static void reap(struct watch *w, uint32_t events)
{
	struct uring *u = container_of(w, struct uring, watch);
	struct io_uring_cqe *cqe;

	(void)events;
	while (!io_uring_peek_cqe(&u->ring, &cqe)) {
		struct io_slot *s = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&u->ring, cqe);
		u->in_flight--;
		io_slots_done(&u->q, s, res);
	}
}

/* The end-of-turn hook does what is to be done. */
static void retry(struct timer *t)
{
	(void)t;
}

static void uring_flush(struct io *io)
{
	struct uring *u = io->state;
	struct list *pos, *next;
	int ret;

	list_for_each (&u->q.queued, pos, next) {
		if (!prepare(u, container_of(pos, struct io_slot, link)))
			break;
		list_del(pos);
	}
	while (u->prepared) {
		ret = io_uring_submit(&u->ring);
		if (ret == -EINTR)
			continue;
		if (ret <= 0)
			break;
		u->in_flight += ret;
		u->prepared -= ret;
	}
	if ((u->prepared || !list_empty(&u->q.queued)) && !u->in_flight)
		loop_timer(io->loop, &u->retry, RETRY_NS);
}

static void uring_submit(struct io *io, int fd, struct req *req)
{
	struct uring *u = io->state;

	io_slots_submit(&u->q, fd, req);
}

static int watch_it(struct uring *u, struct err *err)
{
	int ret;

	u->watch.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (u->watch.fd < 0)
		return err_sys(err, "eventfd");
	ret = io_uring_register_eventfd(&u->ring, u->watch.fd);
	if (!ret)
		ret = loop_watch(u->q.io->loop, &u->watch, EPOLLIN | EPOLLET);
	if (!ret)
		return 0;
	(void)close(u->watch.fd); /* an eventfd */
	u->watch.fd = -1;
	return err_set(err, ret, "io_uring's eventfd: %s", strerror(-ret));
}

static int uring_open(struct io *io, unsigned depth, struct err *err)
{
	struct uring *u = calloc(1, sizeof(*u));
	int ret;

	if (!u)
		return err_set(err, -ENOMEM, "no memory for I/O");
	io->state = u;
	u->watch.fd = -1;
	u->watch.ready = reap;
	u->retry.fire = retry;
	list_init(&u->retry.link);
	ret = io_slots_open(&u->q, io, depth, err);
	if (ret)
		return ret;
	ret = io_uring_queue_init(depth, &u->ring, 0);
	if (ret)
		return err_set(err, ret,
			       "io_uring of %u: %s; see "
			       "/proc/sys/kernel/io_uring_disabled",
			       depth, strerror(-ret));
	u->made = true;
	return watch_it(u, err);
}

static void uring_close(struct io *io)
{
	struct uring *u = io->state;

	if (!u)
		return;
	loop_untimer(&u->retry);
	if (u->watch.fd >= 0) {
		loop_unwatch(io->loop, &u->watch);
		(void)close(u->watch.fd); /* an eventfd */
	}
	if (u->made)
		io_uring_queue_exit(&u->ring);
	io_slots_close(&u->q);
	free(u);
}

const struct io_engine io_uring = {
	.name = "uring",
	.fenced = false,
	.open = uring_open,
	.submit = uring_submit,
	.flush = uring_flush,
	.close = uring_close,
};
