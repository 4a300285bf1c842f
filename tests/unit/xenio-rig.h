/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio-rig.h - a guest, its rings, and a disk in memory that answers when
 * the test says so.
 *
 * It has the core's side of transport.h itself, so that a test sees each
 * request on its way to the disk, holds it, fails it, or lets it through.
 */
#ifndef TESTS_UNIT_XENIO_RIG_H
#define TESTS_UNIT_XENIO_RIG_H

#include "tests/lib/test.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/json.h"
#include "lib/list.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tapdisk/driver.h"
#include "tapdisk/transport.h"
#include "tests/lib/front.h"
#include "tests/lib/xen-fake.h"
#include "xenio/blkif.h"

#define PAGE      4096u
#define GUEST     1
#define DISK      (8u << 20)
#define RING_GREF 1u   /* of the first ring; 16 apart */
#define DATA_GREF 200u /* of the first data page */
#define DATA      600  /* pages */
#define RINGS     2

extern const struct transport xenio_transport;

struct core_req {
	struct list link;
	struct req req;
	struct iovec iov;
	uint64_t bytes;
	_Alignas(16) uint8_t extra[];
};

/* One channel as the core has it. */
struct core {
	struct channel ch;
	struct list submitted; /* with the disk, in order */
	struct list finished;
	bool open;
	bool running;
	bool flush_due;
	int dead;      /* 0, or what it died of */
	uint64_t room; /* bytes that channel_get() still gives */
	unsigned gets; /* that are out */
	unsigned seen; /* requests submitted so far */
};

struct rig {
	struct loop *loop;
	struct xen_fake *fake;
	struct blkif *blkif;
	struct core core[RINGS];
	struct front front[RINGS];
	uint32_t port[RINGS];
	struct blkif_connect connect;
	struct image_info info;
	uint8_t *disk;
	uint8_t *data; /* the guest's data pages */
	uint64_t now;
};

static inline struct core *core_of(struct channel *ch)
{
	return container_of(ch, struct core, ch);
}

static inline struct core_req *req_of(struct req *req)
{
	return container_of(req, struct core_req, req);
}

struct req *channel_get(struct channel *ch, uint64_t len)
{
	struct core *c = core_of(ch);
	struct core_req *cr;

	if (!c->running || c->gets == ch->depth || len > c->room)
		return NULL;
	cr = calloc(1, sizeof(*cr) + ch->tr->req_size);
	cr->bytes = len;
	cr->iov.iov_base =
		len ? aligned_alloc(PAGE, (len + 4095) / 4096 * 4096) : NULL;
	cr->iov.iov_len = len;
	cr->req.iov = &cr->iov;
	cr->req.iovcnt = len != 0;
	list_init(&cr->link);
	c->room -= len;
	c->gets++;
	return &cr->req;
}

void *channel_extra(struct req *req)
{
	return req_of(req)->extra;
}

void channel_put(struct channel *ch, struct req *req)
{
	struct core *c = core_of(ch);

	assert_false(list_linked(&req_of(req)->link));
	c->room += req_of(req)->bytes;
	c->gets--;
	free(req_of(req)->iov.iov_base);
	free(req_of(req));
}

void channel_submit(struct channel *ch, struct req *req)
{
	struct core *c = core_of(ch);

	c->seen++;
	list_add_tail(&c->submitted, &req_of(req)->link);
}

void channel_dead(struct channel *ch, int err, const char *why)
{
	struct core *c = core_of(ch);

	assert_non_null(why);
	assert_int_equal(c->dead, 0);
	c->dead = err;
	c->running = false;
	ch->tr->stop(ch);
}

/* --- the disk ------------------------------------------------------------- */

/* The nth request that the disk holds; fails the test if there is none. */
static inline struct req *rig_held(struct rig *r, unsigned ring, unsigned n)
{
	struct list *pos, *next;

	list_for_each (&r->core[ring].submitted, pos, next) {
		if (!n--)
			return &container_of(pos, struct core_req, link)->req;
	}
	fail_msg("the disk has no such request");
	return NULL;
}

static inline unsigned rig_count(struct rig *r, unsigned ring)
{
	struct list *pos, *next;
	unsigned n = 0;

	list_for_each (&r->core[ring].submitted, pos, next)
		n++;
	return n;
}

/* The disk answers one request, having done it unless err is set. */
static inline void rig_answer(struct rig *r, unsigned ring, struct req *req,
			      int err)
{
	struct core *c = &r->core[ring];

	assert_true(req->off + req->len <= r->info.size);
	if (!err && req->op == REQ_READ)
		req_copy_in(req, 0, r->disk + req->off, req->len);
	if (!err && req->op == REQ_WRITE)
		req_copy_out(req, 0, r->disk + req->off, req->len);
	req->err = err;
	list_del(&req_of(req)->link);
	c->ch.tr->complete(&c->ch, req);
	list_add_tail(&c->finished, &req_of(req)->link);
	c->flush_due = true;
}

static inline void rig_answer_all(struct rig *r, unsigned ring)
{
	while (rig_count(r, ring))
		rig_answer(r, ring, rig_held(r, ring, 0), 0);
}

static inline void rig_flush(struct core *c)
{
	struct list *link;

	c->flush_due = false;
	c->ch.tr->flush(&c->ch);
	while ((link = list_pop(&c->finished)))
		channel_put(&c->ch,
			    &container_of(link, struct core_req, link)->req);
}

/* Turns of the loop until nothing happens. */
static inline void rig_turn(struct rig *r)
{
	bool any = true;
	unsigned i, left = 1000;

	while (any && left--) {
		any = loop_turn(r->loop);
		for (i = 0; i < RINGS; i++) {
			if (!r->core[i].flush_due)
				continue;
			rig_flush(&r->core[i]);
			any = true;
		}
	}
	assert_true(left > 0);
}

/* Everything is answered and brought to the guest. */
static inline void rig_serve(struct rig *r)
{
	unsigned i;

	rig_turn(r);
	while (rig_count(r, 0) || rig_count(r, 1)) {
		for (i = 0; i < RINGS; i++)
			rig_answer_all(r, i);
		rig_turn(r);
	}
}

static inline void rig_later(struct rig *r, uint64_t ns)
{
	r->now += ns;
	loop_set_now_ns(r->loop, r->now);
	rig_turn(r);
}

/* --- life ----------------------------------------------------------------- */

static inline void rig_grant_rings(struct rig *r)
{
	unsigned i;

	for (i = 0; i < 16 * RINGS; i++)
		xen_fake_grant(r->fake, GUEST, RING_GREF + i, i, true);
	for (i = 0; i < DATA; i++)
		xen_fake_grant(r->fake, GUEST, DATA_GREF + i, 16 * RINGS + i,
			       true);
}

static inline struct rig *rig_new(void)
{
	struct rig *r = calloc(1, sizeof(*r));
	unsigned i;

	assert_int_equal(loop_new(&r->loop, NULL), 0);
	loop_set_now_ns(r->loop, 0);
	r->fake = xen_fake_new();
	xen_fake_domain(r->fake, GUEST, 16 * RINGS + DATA);
	rig_grant_rings(r);
	r->data = (uint8_t *)xen_fake_memory(r->fake, GUEST) +
		  (size_t)16 * RINGS * PAGE;
	assert_int_equal(
		blkif_new(&r->blkif, r->loop, xen_fake_xen(r->fake), NULL), 0);
	r->disk = calloc(1, DISK);
	r->info.size = DISK;
	r->info.block_size = 512;
	r->connect = (struct blkif_connect){
		.blkif = r->blkif,
		.domid = GUEST,
		.max_segs = RING_SEGS_INDIRECT,
		.journal_fd = -1,
	};
	for (i = 0; i < RINGS; i++) {
		list_init(&r->core[i].submitted);
		list_init(&r->core[i].finished);
	}
	return r;
}

static inline int rig_open(struct rig *r, unsigned ring,
			   const struct front_layout *l, unsigned order)
{
	struct core *c = &r->core[ring];
	struct err err = { 0 };
	unsigned i;
	int rc;

	front_init(&r->front[ring], l,
		   (uint8_t *)xen_fake_memory(r->fake, GUEST) +
			   (size_t)ring * 16 * PAGE,
		   (size_t)PAGE << order);
	if (!r->port[ring])
		r->port[ring] = xen_fake_port(r->fake, GUEST);
	r->connect.proto = l->proto;
	r->connect.order = order;
	r->connect.port = r->port[ring];
	for (i = 0; i < 16; i++)
		r->connect.grefs[i] = RING_GREF + 16 * ring + i;
	c->ch = (struct channel){
		.tr = &xenio_transport,
		.name = ring ? "xenio:1/51712.1" : "xenio:1/51712.0",
		.loop = r->loop,
		.state = calloc(1, xenio_transport.state_size),
	};
	c->room = 4 << 20;
	c->dead = 0;
	rc = xenio_transport.open(&c->ch, &r->connect, &err);
	assert_true(!rc == !err.msg[0]);
	c->open = !rc;
	if (rc)
		free(c->ch.state);
	return rc;
}

static inline void rig_start(struct rig *r, unsigned ring)
{
	r->core[ring].running = true;
	xenio_transport.start(&r->core[ring].ch, &r->info);
}

static inline void rig_stop(struct rig *r, unsigned ring)
{
	r->core[ring].running = false;
	xenio_transport.stop(&r->core[ring].ch);
}

static inline void rig_close(struct rig *r, unsigned ring)
{
	struct core *c = &r->core[ring];

	if (!c->open)
		return;
	if (c->running)
		rig_stop(r, ring);
	rig_answer_all(r, ring);
	rig_turn(r);
	assert_int_equal(c->gets, 0);
	xenio_transport.close(&c->ch);
	free(c->ch.state);
	c->open = false;
}

static inline void rig_free(struct rig *r)
{
	unsigned i;

	for (i = 0; i < RINGS; i++)
		rig_close(r, i);
	assert_int_equal(xen_fake_mapped(r->fake), 0);
	assert_int_equal(xen_fake_bound(r->fake), 0);
	blkif_free(r->blkif);
	loop_free(r->loop);
	xen_fake_free(r->fake);
	free(r->disk);
	free(r);
}

/* One ring of one page, running and idle. */
static inline struct rig *rig_up(const struct front_layout *l)
{
	struct rig *r = rig_new();

	assert_int_equal(rig_open(r, 0, l, 0), 0);
	rig_start(r, 0);
	rig_turn(r);
	(void)xen_fake_notified(r->fake, r->port[0]); /* the greeting */
	return r;
}

/* --- the guest ------------------------------------------------------------ */

#define X64 (&front_layouts[1])

static inline void rig_kick(struct rig *r, unsigned ring)
{
	if (front_push(&r->front[ring]))
		xen_fake_kick(r->fake, r->port[ring]);
	rig_turn(r);
}

static inline void rig_expect(struct rig *r, unsigned ring, uint64_t id,
			      unsigned op, int status)
{
	uint64_t got_id;
	uint8_t got_op;
	int16_t got;

	assert_true(front_answer(&r->front[ring], &got_id, &got_op, &got));
	assert_int_equal(got_id, id);
	assert_int_equal(got_op, op);
	assert_int_equal(got, status);
}

static inline void rig_expect_none(struct rig *r, unsigned ring)
{
	uint64_t id;
	uint8_t op;
	int16_t status;

	assert_false(front_answer(&r->front[ring], &id, &op, &status));
}

#endif /* TESTS_UNIT_XENIO_RIG_H */
