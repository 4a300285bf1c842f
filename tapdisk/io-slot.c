/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * io-slot.c - gathers a turn's requests, neighbours in one slot.
 *
 * A slot holds one or several requests (linked by answer.link), each
 * beginning where the one before it ends.  When several fail together, they
 * are tried again one after the other, so that an error is answered to none
 * but the one whose it is.  What is left of a short transfer is queued again.
 */
#include "tapdisk/io-slot.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/err.h"

#define SLOT_BYTES (1u << 20) /* most to merge */

static struct req *first(struct io_slot *s)
{
	return container_of(s->reqs.next, struct req, answer.link);
}

/* Lay out the next round: what is left of one request, or of all. */
static void slot_fill(struct io_slot *s)
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
			io_flatten(s->iov + s->pieces,
				   IO_SLOT_PIECES - s->pieces, req, skip, &len);
		s->now += len;
		if (s->serial || s->pieces == IO_SLOT_PIECES ||
		    len < req->len - skip)
			break;
		skip = 0;
	}
}

/* Whether the request continues what the slot holds. */
static bool slot_merge(struct io_slot *s, int fd, struct req *req)
{
	size_t len;
	int n;

	if (s->fd != fd || s->op != req->op || s->serial || s->done)
		return false;
	if (s->op != REQ_FLUSH) {
		if (s->off + s->len != req->off || s->now != s->len ||
		    s->len + req->len > SLOT_BYTES ||
		    s->pieces == IO_SLOT_PIECES)
			return false;
		n = io_flatten(s->iov + s->pieces, IO_SLOT_PIECES - s->pieces,
			       req, 0, &len);
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
static bool merge(struct io_slots *q, int fd, struct req *req)
{
	struct list *pos, *next;

	if (list_empty(&q->queued))
		return false;
	if (req->op != REQ_FLUSH)
		return slot_merge(
			container_of(q->queued.prev, struct io_slot, link), fd,
			req);
	list_for_each (&q->queued, pos, next)
		if (slot_merge(container_of(pos, struct io_slot, link), fd,
			       req))
			return true;
	return false;
}

static void slot_start(struct io_slots *q, struct io_slot *s, int fd,
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
	list_add_tail(&q->queued, &s->link);
}

void io_slots_submit(struct io_slots *q, int fd, struct req *req)
{
	struct list *link;

	if (req->op != REQ_READ && req->op != REQ_WRITE &&
	    req->op != REQ_FLUSH) {
		io_offload(q->io, fd, req);
		return;
	}
	if (merge(q, fd, req))
		return;
	link = list_pop(&q->free);
	if (link)
		slot_start(q, container_of(link, struct io_slot, link), fd,
			   req);
	else
		io_park(&q->wait, fd, req);
}

static void slot_again(struct io_slots *q, struct io_slot *s)
{
	if (s->op != REQ_FLUSH)
		slot_fill(s);
	list_add_tail(&q->queued, &s->link);
}

/* Take up the next of those that are done one by one. */
static void slot_next(struct io_slots *q, struct io_slot *s)
{
	s->off = first(s)->off;
	s->len = first(s)->len;
	s->done = 0;
	slot_again(q, s);
}

/* Answer one request, or all, and go on with the next or free the slot. */
static void slot_answer(struct io_slots *q, struct io_slot *s, int err)
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
		slot_next(q, s);
		return;
	}
	list_add_head(&q->free, &s->link);
	req = io_unpark(&q->wait, &fd);
	if (req)
		io_slots_submit(q, fd, req);
}

static void slot_failed(struct io_slots *q, struct io_slot *s, int err)
{
	struct list *link;

	if (s->op == REQ_FLUSH && err == -EINVAL) {
		while ((link = list_pop(&s->reqs)))
			io_offload(q->io, s->fd,
				   container_of(link, struct req, answer.link));
		slot_answer(q, s, 0);
		return;
	}
	if (s->op == REQ_FLUSH || s->serial || s->reqs.next == s->reqs.prev) {
		slot_answer(q, s, err);
		return;
	}
	s->serial = true;
	slot_next(q, s);
}

void io_slots_done(struct io_slots *q, struct io_slot *s, long res)
{
	if (res == -EINTR) {
		slot_again(q, s);
		return;
	}
	if (res < 0 || (!res && s->op != REQ_FLUSH)) {
		slot_failed(q, s, res ? (int)res : -EIO);
		return;
	}
	s->done += res;
	if (s->done < s->len)
		slot_again(q, s);
	else
		slot_answer(q, s, 0);
}

int io_slots_open(struct io_slots *q, struct io *io, unsigned depth,
		  struct err *err)
{
	q->io = io;
	list_init(&q->free);
	list_init(&q->queued);
	list_init(&q->wait);
	q->slots = calloc(depth, sizeof(*q->slots));
	q->iovs = calloc(depth, IO_SLOT_PIECES * sizeof(*q->iovs));
	if (!q->slots || !q->iovs)
		return err_set(err, -ENOMEM, "no memory for I/O");
	for (unsigned i = 0; i < depth; i++) {
		q->slots[i].iov = q->iovs + (size_t)i * IO_SLOT_PIECES;
		list_add_tail(&q->free, &q->slots[i].link);
	}
	return 0;
}

void io_slots_close(struct io_slots *q)
{
	free(q->slots);
	free(q->iovs);
}
