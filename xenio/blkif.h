/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * blkif.h - grants and event channels around rings.
 *
 * One struct blkif a process: one grant handle, one event-channel
 * descriptor, any number of rings of any domains.  What the rings of a
 * process have to copy is gathered here and done in one call: the
 * descriptors of all new indirect requests, the data of all new writes, the
 * data of all finished reads.
 *
 * A ring is looked at when its port has an event, when its user asks for it
 * (blkif_look) and when it has not been looked at for HOLD_NS although there
 * are requests in flight.  A look has steps, each for all rings that have
 * one coming:
 *
 *	take	requests off the ring		then their descriptors' copy
 *	check	those that were indirect	then the data's copy
 *	submit	them
 *
 * and then the answers are shown and the ring is put to rest: with no more
 * than a few requests in flight, the client is asked to notify and the port
 * is unmasked.  With many in flight neither is done: the ring is looked at
 * when an answer goes out, or, so that a slow request does not hold up new
 * ones, when HOLD_NS are over; if that look finds nothing, the ring is armed
 * after all.  (With few, new ones come one by one whatever we do, and to wait
 * for a timer would be a wake for nothing.)
 */
#ifndef XENIO_BLKIF_H
#define XENIO_BLKIF_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/list.h"
#include "lib/loop.h"
#include "xenio/ring.h"

struct blkif;
struct blkif_ring;
struct err;
struct grants;
struct loop;
struct xen;

#define BLKIF_PAGES_MAX 16

/* What a guest (by way of the xenio daemon) offers; arg of the transport. */
struct blkif_connect {
	struct blkif *blkif;
	uint32_t domid;
	uint32_t devid;
	unsigned queue;
	enum ring_proto proto;
	unsigned order; /* 1 << order pages */
	uint32_t grefs[BLKIF_PAGES_MAX];
	uint32_t port;
	unsigned max_segs;  /* indirect segments advertised; 0: none */
	uint32_t poll_us;   /* polling is not done, and the log says so */
	uint32_t poll_idle; /* likewise; % of idle CPU below which it is off */
	bool cdrom;
	bool readonly;   /* this client may not write */
	bool persistent; /* it uses the same pages again: keep them mapped */
	int journal_fd;  /* -1: none; stays the caller's */
};

/* xen stays the caller's. */
int blkif_new(struct blkif **out, struct loop *loop, struct xen *xen,
	      struct err *err);
/* No ring is attached any more. */
void blkif_free(struct blkif *blkif);

/* What a ring's user does in a look; all are required. */
struct blkif_ops {
	void (*take)(struct blkif_ring *r);
	void (*check)(struct blkif_ring *r);
	void (*submit)(struct blkif_ring *r);
	/* No event will come any more. Not from inside the calls above. */
	void (*broken)(struct blkif_ring *r, int err, const char *why);
};

/* Counts for the statistics. */
struct blkif_counters {
	uint64_t events; /* that its port had */
	uint64_t looks;  /* at the ring */
	uint64_t taken;  /* requests */
	uint64_t holds;  /* looks after which the client was not asked */
	uint64_t notifies;
	uint64_t copied; /* pieces */
	uint64_t mapped; /* those that were in pages that stay mapped */
	uint64_t shared; /* pages that the disk was given as they are */
};

/* One ring: mapped, bound. The user's memory, zeroed before attach. */
struct blkif_ring {
	/* The user sets these, and keeps them right. */
	const struct blkif_ops *ops; /* before attach */
	unsigned in_flight;          /* taken and not answered */
	unsigned found;              /* taken in this look; zeroed before it */
	bool blocked; /* cannot take now, and will ask for a look when it can */
	bool more;    /* has taken enough for one look; zeroed before it */

	/* The user reads these. */
	struct blkif *blkif;
	struct ring *ring;
	struct blkif_counters counters;

	/* blkif.c's own. */
	struct list link;
	struct list dirty; /* a look is coming */
	struct timer timer;
	void *pages;
	unsigned nr_pages;
	struct grants *grants; /* NULL: all is copied by Xen */
	struct timer tidy;     /* runs while there are pages in it */
	uint64_t room_ns;      /* when room was made in it last */
	uint32_t domid;
	uint32_t port;
	bool masked;
	bool expired;      /* the timer fired: do not hold off again */
	bool owes;         /* a notification that could not be sent */
	bool finishing;    /* between blkif_finishing() and blkif_finished() */
	unsigned empty;    /* events in a row that found nothing */
	unsigned failures; /* in a row, of notify and unmask */
};

/*
 * Map and bind; on failure nothing of it is left. -EADDRNOTAVAIL: the port
 * cannot be bound, as while another backend has it.
 */
int blkif_attach(struct blkif_ring *r, const struct blkif_connect *c,
		 struct err *err);
/* May be called for one that is not attached, and twice. */
void blkif_detach(struct blkif_ring *r);

/* Look at the ring later in this turn, or at the start of the next. */
void blkif_look(struct blkif_ring *r);

/*
 * Gather a copy of len bytes, within one page of the guest's: fetch to local
 * before this look's next step, send from local before blkif_sent() returns.
 * *err is set if it fails and left alone if it does not.
 */
void blkif_fetch(struct blkif_ring *r, void *local, uint32_t gref, unsigned off,
		 unsigned len, int *err);
void blkif_send(struct blkif_ring *r, void *local, uint32_t gref, unsigned off,
		unsigned len, int *err);

/*
 * The page, if it is one that stays mapped: to be read and written where it
 * is until it is let go of. NULL: its bytes have to be copied.
 */
void *blkif_hold(struct blkif_ring *r, uint32_t gref);
void blkif_let_go(struct blkif_ring *r, uint32_t gref);

/* The guest will not be served for a while: keep no page that is not held. */
void blkif_forget(struct blkif_ring *r);

/*
 * Answers are being gathered for this ring in this turn; may be repeated.
 * Then, at its end, blkif_sent() does what blkif_send() has gathered for all
 * rings, the answers are put on the ring, and blkif_finished() looks at all
 * those rings at once, when it was called for the last of them.
 */
void blkif_finishing(struct blkif_ring *r);
void blkif_sent(struct blkif_ring *r);
void blkif_finished(struct blkif_ring *r);

/* Show answers; the client is notified if it asked for it. */
void blkif_push(struct blkif_ring *r);

/* Notify the client whether it asked or not, as after an attach. */
void blkif_notify(struct blkif_ring *r);

#endif /* XENIO_BLKIF_H */
