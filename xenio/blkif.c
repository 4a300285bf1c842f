/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkif.c - when rings are looked at, and what is copied for them together.
 *
 * The event channel's driver masks a port when it has told of an event, and
 * stays silent until we write the port back.  That comes last, after the
 * ring was found empty with its event index set: so an event that comes
 * while there is work costs nobody anything.  A client that kicks without
 * having put a request on the ring, again and again, gets its port back
 * later and later.
 */
#include "xenio/blkif.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/xen.h"
#include "xenio/grants.h"

#define PAGE 4096

#define HOLD_NS   100000u /* between looks while requests are in flight */
#define HOLD_MIN  4u      /* ... as many as this */
#define RETRY_NS  1000000u
#define EMPTY_MAX 16u  /* events without a request before it gets slower */
#define SHIFT_MAX 7u   /* ... by doubling HOLD_NS so often: 12.8 ms */
#define FAIL_MAX  64u  /* reads of the descriptor that failed in a row */
#define PIECES    4096 /* that are gathered at most */
#define AGAIN_MAX 32u  /* looks again in one turn */
#define UNMASK    32   /* ports in one call */

/*
 * Of pages that stay mapped: between unmaps to make room, as the kernel's
 * backend has it, and what is not used for so long is unmapped at its end.
 */
#define ROOM_NS UINT64_C(100000000)
#define TIDY_NS UINT64_C(30000000000)

struct batch {
	struct xen_copy pieces[PIECES];
	int *errs[PIECES];
	unsigned count;
};

struct blkif {
	struct loop *loop;
	struct xen *xen;
	struct watch watch;
	struct deferred looking;
	struct list rings;
	struct list dirty;
	unsigned finishing; /* rings */
	uint64_t turn_ns;   /* the turn in which ... */
	unsigned again;     /* ... so many rings were looked at again */
	unsigned failures;  /* in a row, of next() */
	uint32_t unmask[UNMASK];
	unsigned nr_unmask;
	struct batch in;
	struct batch out;
};

static struct blkif_ring *dirty_of(struct list *link)
{
	return container_of(link, struct blkif_ring, dirty);
}

/* --- copies ------------------------------------------------------------- */

static void batch_run(struct blkif *b, struct batch *batch)
{
	unsigned i, n = batch->count;
	int rc;

	if (!n)
		return;
	batch->count = 0;
	rc = b->xen->copy(b->xen, batch->pieces, n);
	for (i = 0; i < n; i++) {
		if (rc || batch->pieces[i].err)
			*batch->errs[i] = -EIO;
	}
}

static void batch_add(struct blkif_ring *r, struct batch *batch,
		      const struct xen_copy *piece, int *err)
{
	if (batch->count == PIECES)
		batch_run(r->blkif, batch);
	batch->pieces[batch->count] = *piece;
	batch->errs[batch->count] = err;
	batch->count++;
	r->counters.copied++;
}

/* Where a page's bytes are if it stays mapped, else NULL. */
static char *mapped(struct blkif_ring *r, uint32_t gref, unsigned off)
{
	char *page = r->grants ? grants_find(r->grants, gref) : NULL;

	if (!page)
		return NULL;
	r->counters.mapped++;
	return page + off;
}

void blkif_fetch(struct blkif_ring *r, void *local, uint32_t gref, unsigned off,
		 unsigned len, int *err)
{
	struct xen_copy piece = {
		local, gref, (uint16_t)r->domid, (uint16_t)off, (uint16_t)len,
		false, 0
	};
	const char *there = mapped(r, gref, off);

	if (there)
		memcpy(local, there, len);
	else
		batch_add(r, &r->blkif->in, &piece, err);
}

void blkif_send(struct blkif_ring *r, void *local, uint32_t gref, unsigned off,
		unsigned len, int *err)
{
	struct xen_copy piece = {
		local, gref, (uint16_t)r->domid, (uint16_t)off, (uint16_t)len,
		true,  0
	};
	char *there = mapped(r, gref, off);

	if (there)
		memcpy(there, local, len);
	else
		batch_add(r, &r->blkif->out, &piece, err);
}

void blkif_sent(struct blkif_ring *r)
{
	batch_run(r->blkif, &r->blkif->out);
}

/* --- pages that stay mapped --------------------------------------------- */

void *blkif_hold(struct blkif_ring *r, uint32_t gref)
{
	return r->grants ? grants_hold(r->grants, gref) : NULL;
}

void blkif_let_go(struct blkif_ring *r, uint32_t gref)
{
	grants_let_go(r->grants, gref);
}

void blkif_forget(struct blkif_ring *r)
{
	if (r->grants && !grants_drop(r->grants))
		loop_untimer(&r->tidy);
}

static void tidy_fired(struct timer *t)
{
	struct blkif_ring *r = container_of(t, struct blkif_ring, tidy);

	if (grants_tidy(r->grants))
		loop_timer(r->blkif->loop, t, TIDY_NS);
}

/* A page that is not mapped when its answer is seen is given up. */
static void map_wanted(struct blkif_ring *r)
{
	uint64_t now = loop_now_ns(r->blkif->loop);

	if (grants_full(r->grants) && now - r->room_ns >= ROOM_NS) {
		grants_make_room(r->grants);
		r->room_ns = now;
	}
	if (grants_map(r->grants) && !list_linked(&r->tidy.link))
		loop_timer(r->blkif->loop, &r->tidy, TIDY_NS);
}

/* --- notifying ---------------------------------------------------------- */

/* What could not be done will be tried again, less and less often. */
static void try_later(struct blkif_ring *r)
{
	unsigned shift = r->failures < 10 ? r->failures : 10;

	r->failures++;
	loop_timer(r->blkif->loop, &r->timer, (uint64_t)RETRY_NS << shift);
}

void blkif_notify(struct blkif_ring *r)
{
	struct xen *xen = r->blkif->xen;

	r->counters.notifies++;
	r->owes = xen->notify(xen, (int)r->port) != 0;
	if (r->owes)
		try_later(r);
	else
		r->failures = 0;
}

void blkif_push(struct blkif_ring *r)
{
	if (r->grants)
		map_wanted(r);
	if (ring_push(r->ring))
		blkif_notify(r);
}

/* --- looking ------------------------------------------------------------ */

static void mark(struct blkif_ring *r)
{
	if (!list_linked(&r->dirty))
		list_add_tail(&r->blkif->dirty, &r->dirty);
}

void blkif_look(struct blkif_ring *r)
{
	struct blkif *b = r->blkif;

	mark(r);
	if (!list_linked(&b->looking.link))
		loop_defer(b->loop, &b->looking);
}

/* Of the rings whose ports these are, one finds no event any more: retry. */
static void unmask_now(struct blkif *b)
{
	struct list *pos, *next;
	struct blkif_ring *r;
	unsigned n = b->nr_unmask;

	b->nr_unmask = 0;
	if (!n || !b->xen->unmask(b->xen, b->unmask, n))
		return;
	list_for_each (&b->rings, pos, next) {
		r = container_of(pos, struct blkif_ring, link);
		if (!r->masked) {
			r->masked = true;
			try_later(r);
		}
	}
}

static void unmask(struct blkif_ring *r)
{
	struct blkif *b = r->blkif;

	if (!r->masked)
		return;
	r->masked = false;
	b->unmask[b->nr_unmask++] = r->port;
	if (b->nr_unmask == UNMASK)
		unmask_now(b);
}

static void hold_off(struct blkif_ring *r)
{
	unsigned over = r->empty > EMPTY_MAX ? r->empty - EMPTY_MAX : 0;

	if (over > SHIFT_MAX)
		over = SHIFT_MAX;
	r->counters.holds++;
	if (r->found || !list_linked(&r->timer.link))
		loop_timer(r->blkif->loop, &r->timer,
			   (uint64_t)HOLD_NS << over);
}

/*
 * There is more. Mostly a request that came while we looked, so it is done at
 * once; but not for ever, as a client that never stops is not the only one.
 */
static void look_again(struct blkif_ring *r)
{
	struct blkif *b = r->blkif;

	if (b->turn_ns != loop_now_ns(b->loop)) {
		b->turn_ns = loop_now_ns(b->loop);
		b->again = 0;
	}
	if (b->again++ < AGAIN_MAX)
		blkif_look(r);
	else
		loop_timer(b->loop, &r->timer, 0);
}

/* After a look: how will the next one come about? */
static void rest(struct blkif_ring *r)
{
	r->counters.taken += r->found;
	if (r->found) {
		r->expired = false;
		r->empty = 0;
	}
	if (r->owes)
		blkif_notify(r);
	if (r->blocked)
		return;
	if (r->more) {
		look_again(r);
		return;
	}
	if (!r->expired && (r->in_flight >= HOLD_MIN || r->empty > EMPTY_MAX)) {
		hold_off(r);
		return;
	}
	if (ring_arm(r->ring)) {
		look_again(r);
		return;
	}
	if (!r->owes)
		loop_untimer(&r->timer);
	unmask(r);
}

/* All marked rings, step by step. */
static void look(struct blkif *b)
{
	struct list now, *link;
	struct list *pos, *next;

	list_init(&now);
	while ((link = list_pop(&b->dirty)))
		list_add_tail(&now, link);
	list_for_each (&now, pos, next) {
		dirty_of(pos)->found = 0;
		dirty_of(pos)->blocked = false;
		dirty_of(pos)->more = false;
		dirty_of(pos)->counters.looks++;
		dirty_of(pos)->ops->take(dirty_of(pos));
	}
	batch_run(b, &b->in);
	list_for_each (&now, pos, next)
		dirty_of(pos)->ops->check(dirty_of(pos));
	batch_run(b, &b->in);
	list_for_each (&now, pos, next)
		dirty_of(pos)->ops->submit(dirty_of(pos));
	while ((link = list_pop(&now))) {
		blkif_push(dirty_of(link));
		rest(dirty_of(link));
	}
	unmask_now(b);
}

static void look_deferred(struct deferred *d)
{
	look(container_of(d, struct blkif, looking));
}

void blkif_finishing(struct blkif_ring *r)
{
	r->blkif->finishing += !r->finishing;
	r->finishing = true;
}

void blkif_finished(struct blkif_ring *r)
{
	struct blkif *b = r->blkif;

	b->finishing -= r->finishing;
	r->finishing = false;
	mark(r);
	if (!b->finishing)
		look(b);
}

static void timer_fired(struct timer *t)
{
	struct blkif_ring *r = container_of(t, struct blkif_ring, timer);

	r->expired = true;
	blkif_look(r);
}

static void all_broken(struct blkif *b, int err)
{
	struct list *pos, *next;
	struct blkif_ring *r;

	loop_unwatch(b->loop, &b->watch);
	list_for_each (&b->rings, pos, next) {
		r = container_of(pos, struct blkif_ring, link);
		r->ops->broken(r, err, "event channels cannot be read");
	}
}

static void events_ready(struct watch *w, uint32_t events)
{
	struct blkif *b = container_of(w, struct blkif, watch);
	struct list *pos, *next;
	struct blkif_ring *r;
	int port;

	(void)events; /* there is one kind */
	while ((port = b->xen->next(b->xen)) >= 0) {
		b->failures = 0;
		list_for_each (&b->rings, pos, next) {
			r = container_of(pos, struct blkif_ring, link);
			if (r->port != (uint32_t)port)
				continue;
			r->masked = true;
			r->expired = false;
			r->empty++;
			r->counters.events++;
			mark(r);
		}
	}
	if (port != -EAGAIN && ++b->failures > FAIL_MAX) {
		all_broken(b, port);
		return;
	}
	look(b);
}

/* --- life --------------------------------------------------------------- */

int blkif_new(struct blkif **out, struct loop *loop, struct xen *xen,
	      struct err *err)
{
	struct blkif *b = calloc(1, sizeof(*b));
	int rc;

	if (!b)
		return err_set(err, -ENOMEM, "rings: no memory");
	b->loop = loop;
	b->xen = xen;
	list_init(&b->rings);
	list_init(&b->dirty);
	list_init(&b->looking.link);
	b->looking.run = look_deferred;
	b->watch.fd = xen->evtchn_fd;
	b->watch.ready = events_ready;
	rc = loop_watch(loop, &b->watch, EPOLLIN);
	if (rc) {
		free(b);
		return err_set(err, rc, "event channels cannot be watched");
	}
	*out = b;
	return 0;
}

void blkif_free(struct blkif *b)
{
	if (!b)
		return;
	loop_unwatch(b->loop, &b->watch);
	list_del(&b->looking.link);
	free(b);
}

/* Undo a part of an attach. */
static void let_go(struct blkif_ring *r)
{
	struct blkif *b = r->blkif;

	ring_free(r->ring);
	r->ring = NULL;
	loop_untimer(&r->tidy);
	grants_free(r->grants);
	r->grants = NULL;
	if (r->pages)
		(void)b->xen->unmap(b->xen, r->pages,
				    r->nr_pages); /* it is gone */
	r->pages = NULL;
	(void)b->xen->unbind(b->xen, (int)r->port); /* it is gone */
}

static int map_ring(struct blkif_ring *r, const struct blkif_connect *c,
		    struct err *err)
{
	struct xen *xen = r->blkif->xen;
	int rc;

	r->pages = xen->map(xen, c->domid, c->grefs, 1u << c->order, true);
	if (!r->pages)
		return err_sys(err, "ring of domain %u cannot be mapped",
			       c->domid);
	r->nr_pages = 1u << c->order;
	rc = ring_new(&r->ring, r->pages, (size_t)r->nr_pages * PAGE, c->proto);
	if (rc < 0)
		return err_set(err, rc, "ring's indices are nonsense");
	return 0;
}

int blkif_attach(struct blkif_ring *r, const struct blkif_connect *c,
		 struct err *err)
{
	struct blkif *b = c->blkif;
	int port, rc;

	r->blkif = b;
	r->domid = c->domid;
	list_init(&r->link);
	list_init(&r->dirty);
	list_init(&r->timer.link);
	r->timer.fire = timer_fired;
	list_init(&r->tidy.link);
	r->tidy.fire = tidy_fired;
	if (!c->port)
		return err_set(err, -EINVAL, "event channel 0");
	if (c->order > 4)
		return err_set(err, -EINVAL, "ring of order %u, not 0 to 4",
			       c->order);
	/*
	 * First: that it can be bound is the proof that an earlier backend has
	 * let go of the ring, whose indices are true from then on.
	 */
	port = b->xen->bind(b->xen, c->domid, c->port);
	if (port < 0)
		return err_set(err, port == -EINVAL ? -EADDRNOTAVAIL : port,
			       "event channel %u of domain %u cannot be bound",
			       c->port, c->domid);
	r->port = (uint32_t)port;
	rc = map_ring(r, c, err);
	if (rc < 0) {
		let_go(r);
		return rc;
	}
	if (c->persistent)
		r->grants = grants_new(b->xen, c->domid);
	list_add_tail(&b->rings, &r->link);
	return 0;
}

void blkif_detach(struct blkif_ring *r)
{
	struct blkif *b = r->blkif;

	if (!b || !r->pages)
		return;
	b->finishing -= r->finishing;
	r->finishing = false;
	list_del(&r->link);
	list_del(&r->dirty);
	loop_untimer(&r->timer);
	let_go(r);
}
