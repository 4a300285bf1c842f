/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport-xenio.c - a guest's ring as a client of a disk.
 *
 * blkif.h says when the ring is looked at; here is what a request becomes.
 * The guest may put anything anywhere at any time.  What it asks for is
 * checked in a copy, in this order: the ring's indices, the operation, the
 * count and bounds of its segments (ring.c), the guest's right to write, the
 * disk's end, the alignment (here).  A request that fails is answered with an
 * error; a ring that is nonsense ends this channel and nothing else.
 *
 * Requests are known by where they lie in our memory, never by their id,
 * which is the guest's own affair and may come twice.
 *
 * A flush with data is two requests, flush and write; a barrier as well, and
 * the write is one that is on the disk when it is done.  The first holds the
 * second, which is submitted when the first is answered.  A barrier waits on
 * the ring until this ring's earlier requests are answered, and nothing is
 * taken until it is answered itself.
 *
 * A guest that sees one flush fail does not flush again, ever.  So a flush
 * that fails for a reason that may pass is kept as it came off the ring, and
 * taken again after a while.  A discard of more than XENIO_DISCARD_MAX is kept
 * in the same way, with what is left of it.
 *
 * The data of a guest with persistent grants is read and written by the disk
 * in the guest's own pages, if all of a request's are mapped.  A disk that
 * cannot (-EFAULT) gets a copy: that request is kept and taken again, and
 * from then on all are copied.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/json.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tapdisk/driver.h"
#include "tapdisk/transport.h"
#include "tapdisk/xenio-req.h"
#include "xenio/blkif.h"

#define RETRY_NS UINT64_C(1000000000)

struct xenio {
	struct blkif_ring ring; /* first: the ring's calls look for it */
	struct channel *ch;
	struct log_limit limit;
	struct xenio_limits limits;
	bool running;
	bool dead;
	bool greeted;
	bool barrier;          /* one has been taken */
	struct list taken;     /* in this look */
	struct list done;      /* answered by the disk, not yet on the ring */
	bool copying;          /* the disk cannot use the guest's pages */
	struct ring_req *kept; /* to be taken again; none is indirect */
	unsigned nr_kept;
	struct timer retry;
	struct ring_req peek;
	uint64_t refused;
	uint64_t errors;
};

/* Behind each request. */
struct xreq {
	struct list link;
	struct req *req;
	struct req *first; /* a flush to submit in its place, or NULL */
	struct req *then;  /* this is that flush: what to submit after it */
	bool unsent;       /* never submitted: we put it back */
	bool shared;       /* its data is where the guest has it */
	int err;
	uint64_t left; /* sectors of a discard that come after this */
	struct ring_req r;
};

static struct xenio *xenio_of(struct blkif_ring *ring)
{
	return container_of(ring, struct xenio, ring);
}

static struct xreq *xreq_of(struct list *link)
{
	return container_of(link, struct xreq, link);
}

static void answer(struct xenio *x, const struct ring_req *r, int16_t status)
{
	if (x->dead)
		return;
	x->errors += status != RING_OKAY;
	(void)ring_answer(x->ring.ring, r->id, r->answer_op,
			  status); /* no journal needs the index */
}

/* A request that was taken is over. */
static void conclude(struct xenio *x, const struct ring_req *r, int err)
{
	bool data = r->op == RING_READ || r->op == RING_WRITE;

	if (err == -EOPNOTSUPP && !data)
		answer(x, r, RING_EOPNOTSUPP);
	else
		answer(x, r, err ? RING_ERROR : RING_OKAY);
	x->ring.in_flight--;
	if (r->op == RING_BARRIER)
		x->barrier = false;
}

static void kill_channel(struct xenio *x, int err, const char *why)
{
	if (x->dead)
		return;
	x->dead = true;
	channel_dead(x->ch, err, why);
}

/* --- taking ------------------------------------------------------------- */

/* Take it off the ring and say no. */
static void refuse(struct xenio *x, const struct ring_req *r, int16_t status,
		   const char *why)
{
	(void)ring_take(x->ring.ring); /* no journal needs the index */
	x->refused++;
	log_limited(&x->limit, "%s: request refused: %s", x->ch->name, why);
	answer(x, r, status);
}

/* No more of it than there is. */
static void copy_req(struct ring_req *to, const struct ring_req *r)
{
	size_t segs = r->indirect ? 0 : r->nr_segs * sizeof(r->segs[0]);

	memcpy(to, r, offsetof(struct ring_req, segs) + segs);
}

static struct xreq *xreq_new(struct req *req, const struct ring_req *r)
{
	struct xreq *xr = channel_extra(req);

	list_init(&xr->link);
	xr->req = req;
	xr->first = xr->then = NULL;
	xr->unsent = xr->shared = false;
	xr->err = 0;
	xr->left = 0;
	copy_req(&xr->r, r);
	return xr;
}

/* What was answered before it shall be on the disk first. */
static bool put_flush_first(struct xenio *x, struct xreq *xr)
{
	struct req *first = channel_get(x->ch, 0);

	if (!first)
		return false;
	first->op = REQ_FLUSH;
	((struct xreq *)channel_extra(first))->then = xr->req;
	xr->first = first;
	return true;
}

/* Let the disk have the guest's pages, or what a write has in them. */
static void bring_data(struct xenio *x, struct xreq *xr)
{
	struct req *req = xr->req;

	if (!xr->r.nr_segs)
		return;
	xr->shared = !x->copying && xenio_share(&x->ring, req, &xr->r);
	if (!xr->shared && req->op == REQ_WRITE)
		xenio_copy(&x->ring, req, &xr->r, false, &xr->err);
}

/* Make a sound request one of ours; false if there is no room now. */
static bool enter(struct xenio *x, const struct ring_req *r)
{
	uint64_t len = r->indirect ? (uint64_t)r->nr_segs * XENIO_PAGE
				   : r->sectors * XENIO_SECTOR;
	struct req *req = channel_get(x->ch, r->op != RING_DISCARD ? len : 0);
	struct xreq *xr;

	if (!req)
		return false;
	xr = xreq_new(req, r);
	if (r->op == RING_DISCARD)
		xr->left = xenio_trim(&x->limits, &xr->r);
	xenio_fill(req, &xr->r);
	if (r->nr_segs && (r->op == RING_FLUSH || r->op == RING_BARRIER) &&
	    !put_flush_first(x, xr)) {
		channel_put(x->ch, req);
		return false;
	}
	if (r->op == RING_BARRIER)
		x->barrier = true;
	if (r->indirect)
		blkif_fetch(&x->ring, req->iov->iov_base, r->indirect_grefs[0],
			    0, r->nr_segs * (unsigned)sizeof(r->segs[0]),
			    &xr->err);
	else
		bring_data(x, xr);
	list_add_tail(&x->taken, &xr->link);
	return true;
}

/* One that the ring holds to be sound; false if it has to stay there. */
static bool take_one(struct xenio *x, const struct ring_req *r)
{
	const char *fault = xenio_fault(&x->limits, r);

	if (fault) {
		refuse(x, r, RING_ERROR, fault);
		return true;
	}
	if (r->op == RING_BARRIER && x->ring.in_flight)
		return false;
	if (!enter(x, r))
		return false;
	(void)ring_take(x->ring.ring); /* no journal needs the index */
	x->ring.in_flight++;
	return true;
}

/* Those that were taken before and are due again. */
static bool take_kept(struct xenio *x)
{
	while (x->nr_kept && !list_linked(&x->retry.link)) {
		if (!enter(x, &x->kept[x->nr_kept - 1]))
			return false;
		x->nr_kept--;
	}
	return true;
}

/* Take the next from the ring; false if nothing more can be taken now. */
static bool take_next(struct xenio *x)
{
	int rc = ring_peek(x->ring.ring, &x->peek);

	if (rc == 0)
		return false;
	if (rc == -EPROTO) {
		kill_channel(x, rc, "ring's indices are nonsense");
		x->ring.blocked = true;
		return false;
	}
	if (rc == 1 && !take_one(x, &x->peek)) {
		x->ring.blocked = true;
		return false;
	}
	if (rc == -EINVAL)
		refuse(x, &x->peek, RING_ERROR, "its segments are nonsense");
	if (rc == -EOPNOTSUPP)
		refuse(x, &x->peek, RING_EOPNOTSUPP,
		       "it is of an unknown kind");
	x->ring.found++;
	return true;
}

static void xenio_take(struct blkif_ring *ring)
{
	struct xenio *x = xenio_of(ring);

	if (!x->running || x->dead || !take_kept(x)) {
		ring->blocked = true;
		return;
	}
	while (!x->barrier && !ring->more && take_next(x))
		ring->more = ring->found == ring_entries(ring->ring);
	if (x->barrier)
		ring->blocked = true;
}

/* --- the other steps of a look ------------------------------------------ */

static int check_indirect(struct xenio *x, struct xreq *xr)
{
	struct req *req = xr->req;
	const char *fault;

	if (ring_indirect(&xr->r, req->iov->iov_base, XENIO_PAGE))
		return -EINVAL;
	xr->r.indirect = false; /* its segments are there now */
	fault = xenio_fault(&x->limits, &xr->r);
	if (fault)
		return -EIO;
	req->len = xr->r.sectors * XENIO_SECTOR;
	bring_data(x, xr);
	return 0;
}

static void xenio_check(struct blkif_ring *ring)
{
	struct xenio *x = xenio_of(ring);
	struct list *pos, *next;
	struct xreq *xr;
	int rc;

	list_for_each (&x->taken, pos, next) {
		xr = xreq_of(pos);
		if (!xr->r.indirect || xr->err)
			continue;
		rc = check_indirect(x, xr);
		if (rc)
			xr->err = rc;
	}
}

static void submit_one(struct xenio *x, struct xreq *xr)
{
	struct req *req = xr->req;
	bool nothing = req->op == REQ_DISCARD && !req->len;

	if (!xr->err && !nothing) {
		channel_submit(x->ch, xr->first ? xr->first : req);
		return;
	}
	if (xr->err) {
		x->refused++;
		log_limited(&x->limit, "%s: request refused: %s", x->ch->name,
			    "its pages cannot be read, or its segments are "
			    "nonsense");
	}
	conclude(x, &xr->r, xr->err);
	if (xr->first)
		channel_put(x->ch, xr->first);
	channel_put(x->ch, req);
	/* A barrier may have waited for this one, or it was one. */
	x->ring.blocked = false;
}

static void xenio_submit(struct blkif_ring *ring)
{
	struct xenio *x = xenio_of(ring);
	struct list *link;

	while ((link = list_pop(&x->taken)))
		submit_one(x, xreq_of(link));
}

static void xenio_broken(struct blkif_ring *ring, int err, const char *why)
{
	kill_channel(xenio_of(ring), err, why);
}

static const struct blkif_ops ops = {
	.take = xenio_take,
	.check = xenio_check,
	.submit = xenio_submit,
	.broken = xenio_broken,
};

/* --- answering ---------------------------------------------------------- */

static void xenio_complete(struct channel *ch, struct req *req)
{
	struct xenio *x = ch->state;
	struct xreq *xr = channel_extra(req);

	if (xr->then && !req->err) {
		channel_submit(ch, xr->then);
		return;
	}
	if (xr->then) {
		xr = channel_extra(xr->then);
		xr->unsent = true;
	} else if (req->op == REQ_READ && !req->err && !xr->shared &&
		   !x->dead) {
		xenio_copy(&x->ring, req, &xr->r, true, &xr->err);
	}
	if (req->err)
		xr->err = req->err;
	list_add_tail(&x->done, &xr->link);
	blkif_finishing(&x->ring);
}

/* Whether what made a flush fail may be over when it is tried again. */
static bool may_pass(int err)
{
	return err == -EAGAIN || err == -EBUSY || err == -EINTR ||
	       err == -ENOMEM || err == -ENOSPC || err == -ETIMEDOUT;
}

static void keep(struct xenio *x, const struct ring_req *r, uint64_t sector,
		 uint64_t sectors)
{
	struct ring_req *k = &x->kept[x->nr_kept++];

	copy_req(k, r);
	k->sector = sector;
	k->sectors = sectors;
}

/* Let go of the guest's pages; whether the disk could not use them. */
static bool not_shared_after_all(struct xenio *x, struct xreq *xr)
{
	if (!xr->shared)
		return false;
	xr->shared = false;
	xenio_unshare(&x->ring, &xr->r);
	if (xr->err != -EFAULT)
		return false;
	if (!x->copying)
		log_info("%s: the disk cannot use the guest's pages; their "
			 "data is copied",
			 x->ch->name);
	x->copying = true;
	return true;
}

static void finish(struct xenio *x, struct xreq *xr)
{
	const struct ring_req *r = &xr->r;
	bool flush = r->op == RING_FLUSH || r->op == RING_BARRIER;

	if (not_shared_after_all(x, xr)) {
		keep(x, r, r->sector, r->sectors);
	} else if (flush && may_pass(xr->err)) {
		keep(x, r, r->sector, r->sectors);
		if (x->running)
			loop_timer(x->ch->loop, &x->retry, RETRY_NS);
	} else if (!xr->err && xr->left) {
		keep(x, r, r->sector + r->sectors, xr->left);
	} else {
		conclude(x, r, xr->err);
	}
	if (xr->unsent)
		channel_put(x->ch, xr->req);
}

static void xenio_flush(struct channel *ch)
{
	struct xenio *x = ch->state;
	struct list *link;

	blkif_sent(&x->ring);
	while ((link = list_pop(&x->done)))
		finish(x, xreq_of(link));
	if (!x->dead)
		blkif_push(&x->ring);
	if (!x->running)
		blkif_forget(&x->ring);
	blkif_finished(&x->ring);
}

static void retry_fired(struct timer *t)
{
	blkif_look(&container_of(t, struct xenio, retry)->ring);
}

/* --- life --------------------------------------------------------------- */

static void xenio_close(struct channel *ch)
{
	struct xenio *x = ch->state;

	loop_untimer(&x->retry);
	blkif_detach(&x->ring);
	free(x->kept);
}

static int xenio_open(struct channel *ch, const void *arg, struct err *err)
{
	const struct blkif_connect *c = arg;
	struct xenio *x = ch->state;
	unsigned entries;
	int rc;

	x->ch = ch;
	x->ring.ops = &ops;
	x->limits.max_segs = c->max_segs;
	list_init(&x->taken);
	list_init(&x->done);
	list_init(&x->retry.link);
	x->retry.fire = retry_fired;
	rc = blkif_attach(&x->ring, c, err);
	if (rc)
		return err_wrap(err, "%s", ch->name);
	if (c->poll_us)
		log_info("%s: polling for %u us was asked for and is not done",
			 ch->name, c->poll_us);
	entries = ring_entries(x->ring.ring);
	x->kept = calloc(entries, sizeof(*x->kept));
	if (!x->kept) {
		xenio_close(ch);
		return err_set(err, -ENOMEM, "%s: no memory", ch->name);
	}
	/* Twice: those of a turn come back only after the next look. */
	ch->depth = 2 * entries;
	ch->readonly = x->limits.readonly = c->readonly;
	return 0;
}

static void xenio_start(struct channel *ch, const struct image_info *info)
{
	struct xenio *x = ch->state;

	if (x->dead)
		return;
	x->limits.sectors = info->size / XENIO_SECTOR;
	x->limits.block = info->block_size / XENIO_SECTOR;
	x->running = true;
	x->copying = false; /* it may be another image */
	/* What came between an earlier backend and us raised no event. */
	if (!x->greeted)
		blkif_notify(&x->ring);
	x->greeted = true;
	blkif_look(&x->ring);
}

static void xenio_stop(struct channel *ch)
{
	struct xenio *x = ch->state;

	x->running = false;
	loop_untimer(&x->retry);
	blkif_forget(&x->ring);
}

/* The first two are what older tools read, in their order. */
static void xenio_stats(const struct channel *ch, struct json *out)
{
	const struct xenio *x = ch->state;
	const struct blkif_counters *c = &x->ring.counters;

	json_array(out, "kicks");
	json_uint(out, NULL, c->events);
	json_uint(out, NULL, c->notifies);
	json_end(out);
	json_object(out, "errors");
	json_uint(out, "msg", x->refused);
	json_uint(out, "map", 0);
	json_uint(out, "vbd", x->errors);
	json_uint(out, "img", 0);
	json_end(out);
	json_uint(out, "entries", ring_entries(x->ring.ring));
	json_uint(out, "in_flight", x->ring.in_flight);
	json_uint(out, "taken", c->taken);
	json_uint(out, "looks", c->looks);
	json_uint(out, "holds", c->holds);
	json_uint(out, "copied", c->copied);
	json_uint(out, "mapped", c->mapped);
	json_uint(out, "shared", c->shared);
	json_bool(out, "copying", x->copying);
	json_bool(out, "polling", false);
}

static void xenio_indices(const struct channel *ch, struct ring_indices *out)
{
	ring_indices(((const struct xenio *)ch->state)->ring.ring, out);
}

const struct transport xenio_transport = {
	.name = "xenio",
	.summary = "a guest's ring: grants and an event channel",
	.state_size = sizeof(struct xenio),
	.req_size = sizeof(struct xreq),
	.open = xenio_open,
	.start = xenio_start,
	.stop = xenio_stop,
	.complete = xenio_complete,
	.flush = xenio_flush,
	.close = xenio_close,
	.stats = xenio_stats,
	.indices = xenio_indices,
};
