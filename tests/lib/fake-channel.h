/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * fake-channel.h - channels of a disk in memory, without the core.
 *
 * For programs that test what makes requests: this defines the few functions
 * of channel.h and vbd.h that nbd-conn.c calls, so one file of a program
 * includes it.  Requests are kept until the test ends them, in any order.
 */
#ifndef TESTS_FAKE_CHANNEL_H
#define TESTS_FAKE_CHANNEL_H

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "lib/list.h"
#include "lib/loop.h"
#include "tapdisk/channel.h"
#include "tapdisk/nbd-conn.h"
#include "tapdisk/transport.h"

struct fake_disk {
	struct vbd_env env;
	struct loop *loop;
	struct list channels;
	struct list pending; /* struct fake_req */
	unsigned pending_count;
	unsigned asked; /* requests ever */
	uint32_t block;
	uint64_t size;
	uint8_t *bytes;
};

struct fake_req {
	struct req req; /* first */
	struct list link;
	struct channel *ch;
	void *extra;
};

/* One client: what tr->state would hold, and its channel. */
struct fake_client {
	struct nbd_conn conn; /* first */
	struct channel ch;
	struct fake_disk *disk;
	int room; /* requests it may still have */
};

const struct vbd_env *vbd_env(const struct vbd *vbd)
{
	return &((const struct fake_disk *)(const void *)vbd)->env;
}

struct list *vbd_channels(struct vbd *vbd)
{
	return &((struct fake_disk *)(void *)vbd)->channels;
}

struct channel *channel_of(struct list *link)
{
	return container_of(link, struct channel, vbd_link);
}

struct req *channel_get(struct channel *ch, uint64_t len)
{
	struct fake_client *c = container_of(ch, struct fake_client, ch);
	struct fake_req *r;

	assert(!len);
	if (!c->room)
		return NULL;
	r = calloc(1, sizeof(*r));
	if (!r)
		return NULL;
	c->room--;
	r->ch = ch;
	return &r->req;
}

void *channel_extra(struct req *req)
{
	return &container_of(req, struct fake_req, req)->extra;
}

/* What the core would assert. */
static void fake_check(const struct fake_disk *d, const struct req *req)
{
	assert(req->off <= d->size && req->len <= d->size - req->off);
	assert(req->off % d->block == 0 && req->len % d->block == 0);
	assert(req->len || req->op == REQ_FLUSH);
	if (req->op == REQ_READ || req->op == REQ_WRITE)
		assert(req->iovcnt == 1 && req->iov->iov_len == req->len);
}

void channel_submit(struct channel *ch, struct req *req)
{
	struct fake_disk *d = (struct fake_disk *)(void *)ch->vbd;
	struct fake_req *r = container_of(req, struct fake_req, req);

	fake_check(d, req);
	list_add_tail(&d->pending, &r->link);
	d->pending_count++;
	d->asked++;
}

static void fake_do(struct fake_disk *d, struct req *req)
{
	switch (req->op) {
	case REQ_READ:
		memcpy(req->iov->iov_base, d->bytes + req->off, req->len);
		break;
	case REQ_WRITE:
		memcpy(d->bytes + req->off, req->iov->iov_base, req->len);
		break;
	case REQ_ZERO:
		memset(d->bytes + req->off, 0, req->len);
		break;
	case REQ_DISCARD:
		memset(d->bytes + req->off, 0xdd, req->len);
		break;
	case REQ_EXTENTS: /* block by block: odd ones are holes */
		for (uint64_t at = 0; at < req->len; at += d->block) {
			if (!extents_add(req->extents, d->block,
					 (req->off + at) / d->block % 2
						 ? EXTENT_HOLE | EXTENT_ZERO
						 : 0))
				break;
		}
		break;
	case REQ_FLUSH:
	case REQ_RESIZE:
		break;
	}
}

/* End the nth of what is pending. */
static inline void fake_end(struct fake_disk *d, unsigned n, int err)
{
	struct list *link = d->pending.next;
	struct fake_client *c;
	struct fake_req *r;

	assert(n < d->pending_count);
	while (n--)
		link = link->next;
	r = container_of(link, struct fake_req, link);
	c = container_of(r->ch, struct fake_client, ch);
	list_del(link);
	d->pending_count--;
	if (!err)
		fake_do(d, &r->req);
	r->req.err = err;
	nbd_conn_complete(&c->conn, &r->req);
	c->room++;
	free(r);
}

static inline void fake_disk_init(struct fake_disk *d, struct loop *loop,
				  uint64_t size, uint32_t block)
{
	*d = (struct fake_disk){ .loop = loop, .size = size, .block = block };
	d->env.in_flight = VBD_IN_FLIGHT_DEFAULT;
	list_init(&d->channels);
	list_init(&d->pending);
	d->bytes = calloc(1, size);
	assert(d->bytes);
}

static inline void fake_disk_free(struct fake_disk *d)
{
	struct list *link;

	while ((link = list_pop(&d->pending)))
		free(container_of(link, struct fake_req, link));
	free(d->bytes);
}

static void fake_kick(struct deferred *kick)
{
	nbd_conn_serve(container_of(kick, struct nbd_conn, turn.kick));
}

static inline void fake_client_init(struct fake_client *c, struct fake_disk *d,
				    const struct transport *tr, unsigned flags)
{
	memset(c, 0, sizeof(*c));
	c->disk = d;
	c->room = NBD_CONN_DEPTH;
	c->ch.tr = tr;
	c->ch.loop = d->loop;
	c->ch.vbd = (struct vbd *)(void *)d;
	c->ch.state = &c->conn;
	list_add_tail(&d->channels, &c->ch.vbd_link);
	assert(!nbd_conn_init(&c->conn, &c->ch));
	c->conn.block = d->block;
	c->conn.turn.kick.run = fake_kick;
	nbd_proto_init(&c->conn.proto, d->size, flags, true);
	c->conn.proto.phase = NBD_READY;
}

static inline void fake_client_free(struct fake_client *c)
{
	nbd_turn_leave(&c->conn.turn);
	list_del(&c->ch.vbd_link);
	nbd_conn_free(&c->conn);
}

/* Bytes from the client; as much as there is room for. Returns how many. */
static inline size_t fake_client_say(struct fake_client *c, const void *bytes,
				     size_t len)
{
	const uint8_t *at = bytes;
	struct iovec iov[2];
	int i, count = nbd_conn_room(&c->conn, iov);
	size_t part, done = 0;

	for (i = 0; i < count; i++) {
		part = len - done < iov[i].iov_len ? len - done
						   : iov[i].iov_len;
		memcpy(iov[i].iov_base, at + done, part);
		done += part;
	}
	nbd_conn_came(&c->conn, done);
	return done;
}

#endif /* TESTS_FAKE_CHANNEL_H */
