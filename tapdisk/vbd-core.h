/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vbd-core.h - a disk from the inside: for vbd-io.c and vbd-life.c.
 *
 * A request is in one of three places: with the images (in_flight counts
 * them), in kept (in order, until the images may have it), or in retry (until
 * the timer moves it to the head of kept).  All are in live, oldest first.
 *
 * What takes a while is one of: an open or close of the chain (busy), a drain
 * (DRAINING and in_flight), channels going (closing and channels).  Whenever
 * one of these ends, vbd_move_on() looks what comes next.
 */
#ifndef TAPDISK_VBD_CORE_H
#define TAPDISK_VBD_CORE_H

#include "lib/log.h"
#include "tapdisk/driver.h"
#include "tapdisk/vbd.h"

/* What happened to a disk, and what is still to come. */
struct vbd {
	struct vbd_env env;
	unsigned minor;
	enum vbd_state state;
	char *spec;
	char *next_spec; /* of a resume that has not succeeded */
	bool readonly;
	bool cached;
	uint64_t timeout_ns;
	struct keys *keys;

	struct image *top;
	bool busy;  /* the chain is being opened or closed */
	bool known; /* info is of an open */
	struct image_info info;

	struct mirror *mirror; /* or NULL */
	bool change_mirror;    /* at the end of this open or resume */
	char *next_mirror;     /* to this one, or NULL: none */

	char *parent_spec; /* what the leaf does not say, or NULL */
	char *second_spec; /* of a second image, or NULL */
	bool standby;
	bool moved;           /* to it */
	struct image *second; /* while there is top */
	uint64_t redirected;

	struct vbd_call *call; /* open, pause or resume */
	struct list closing;   /* calls to close */
	bool abandoned;        /* the open failed; its channels are closed */
	struct err open_err;
	unsigned tries;     /* left to resume */
	struct timer again; /* the next of them */

	struct list channels;
	const struct vbd_ops *ops;
	bool write_through;

	struct arena *arena;
	struct list live;
	struct list kept;
	struct list retry;
	struct timer retry_timer;
	struct timer late_timer;
	unsigned in_flight;
	unsigned outstanding;
	struct vbd_counters counters;
	struct log_limit limit;
};

/* vbd-life.c: something ended. */
void vbd_move_on(struct vbd *vbd);

/* vbd-io.c: a second is over, or the disk runs again. */
void vbd_retry_now(struct vbd *vbd);
void vbd_retry_fired(struct timer *t);
void vbd_late_fired(struct timer *t);

/* Give kept requests to the images, or answer them if there will be none. */
void vbd_send_kept(struct vbd *vbd);

/* vbd-second.c: the chain is open, and is going to be closed. */
void vbd_find_second(struct vbd *vbd);
void vbd_lose_second(struct vbd *vbd);

/* Which of the two a request goes to. */
struct image *vbd_target(const struct vbd *vbd, const struct req *req);

/* What it came back with is not its end: it is to be sent again. */
bool vbd_goes_on(struct vbd *vbd, struct req *req);

/* No disk of this minor has moved. */
void vbd_lower_flag(struct vbd *vbd);

/* What waited for the disk to run had no chance to be in time. */
void vbd_renew_time(struct vbd *vbd);

static inline bool vbd_is_closing(const struct vbd *vbd)
{
	return vbd->abandoned || !list_empty(&vbd->closing);
}

#endif /* TAPDISK_VBD_CORE_H */
