/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vbd.h - a disk as its clients see it.
 *
 * A vbd has a minor, at most one open chain of images, and any number of
 * channels.  It outlives its images: paused, it has channels and no images.
 *
 *	CLOSED -open-> OPENING -> RUNNING -pause-> DRAINING -> PAUSED
 *	                  |          ^                 |          |
 *	                  |          +---- OPENING <---|--resume--+
 *	                  +- fail -> CLOSED <----------+- close --+
 *
 *	any -fatal-> DEAD -close-> CLOSED
 *
 * While it runs, requests go to the top image, at most VBD_DEPTH at once;
 * while it is draining, paused or opening they are kept in order; once it is
 * dead (that is, while it is closed by force) they are answered -EIO.
 *
 * EAGAIN, EBUSY and EINTR from an image are tried again each second until
 * the request's time is over; nothing else is.  A flush has no such time: a
 * guest that sees one fail stops flushing for good.  Pausing waits for what
 * the images have, not for what is to be tried again: that is kept, and its
 * time starts anew when the disk runs again.  What an image does not answer
 * in time is counted and logged, and waited for: its buffers are in use.
 *
 * If a client that may write cannot flush, the disk is write-through: every
 * write goes down with REQ_FUA, and the images are told.
 */
#ifndef TAPDISK_VBD_H
#define TAPDISK_VBD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/list.h"
#include "tapdisk/req.h"

struct channel;
struct image;
struct image_info;
struct io;
struct json;
struct keys;
struct loop;
struct passed;
struct vbd;
struct work;

enum vbd_state {
	VBD_CLOSED,
	VBD_OPENING,
	VBD_RUNNING,
	VBD_DRAINING,
	VBD_PAUSED,
	VBD_DEAD,
};

/* Sector counts are of 512 bytes, times in microseconds. 0 read, 1 write. */
struct vbd_counters {
	uint64_t submitted[2]; /* requests */
	uint64_t completed[2];
	uint64_t sectors[2];
	uint64_t usecs[2];
	uint64_t max_usecs[2];
	uint64_t flushes;
	uint64_t discards;
	uint64_t errors;
	uint64_t retries;
	uint64_t late; /* not answered in time, when last looked */
};

/* What a process's disks share. */
struct vbd_env {
	struct loop *loop;
	struct io *io;
	struct work *work;
	struct passed *passed; /* NULL: nothing is passed in */
	const char *dir;       /* the control directory; NULL: no flags */
	uint64_t in_flight; /* most bytes in flight per disk; a power of two */
};

struct vbd_open {
	const char *spec;   /* "vhd:/disks/a.vhd"; copied */
	const char *mirror; /* "nbd:..." (mirror.h); copied; NULL: none */

	/* As in chain.h, copied; not both a mirror and a second image. */
	const char *parent;
	const char *second;
	bool standby;
	bool readonly;
	bool cached;
	unsigned timeout_s; /* of a request; 0: 120 s */
	struct keys
		*keys; /* the vbd's from here on, also on failure; or NULL */
};

/*
 * How an operation that takes a while ends: done() is called once, from the
 * loop; err->code is 0 or says what was wrong. The memory is the caller's.
 */
struct vbd_call {
	void (*done)(struct vbd_call *call, const struct err *err);

	/* The vbd's own. */
	struct deferred answer;
	struct err err;
};

#define VBD_IN_FLIGHT_DEFAULT (16u << 20)
#define VBD_DEPTH             256 /* most requests the images have at once */

int vbd_new(struct vbd **out, const struct vbd_env *env, unsigned minor,
	    struct err *err);

/* It is CLOSED and has no channels. */
void vbd_free(struct vbd *vbd);

/*
 * open: from CLOSED. pause: from RUNNING; a paused one is at once done.
 * resume: from PAUSED, with another spec or NULL for the same; it tries ten
 * times, a second apart. Size and block size must be what they were, else
 * -EMEDIUMTYPE; on any failure it stays paused, with the spec it had. Each is
 * answered -EINVAL in another state, -EBUSY while another one is under way.
 *
 * close: from any state, at any time; what else is under way ends with
 * -ECANCELED. The channels are closed first. What they wait for is waited
 * for while there are images; with force it is answered -EIO as soon as the
 * images let go of it. A close may follow a close, to force it.
 */
void vbd_open(struct vbd *vbd, const struct vbd_open *args,
	      struct vbd_call *call);
void vbd_pause(struct vbd *vbd, struct vbd_call *call);
void vbd_resume(struct vbd *vbd, const char *spec, struct vbd_call *call);
void vbd_close(struct vbd *vbd, bool force, struct vbd_call *call);

/*
 * For the next resume, if that succeeds: another mirror, or NULL for none.
 * Without it the mirror stays what it is, and so it does if it has not
 * failed, is called the same, and nothing was passed in by its name. -EINVAL
 * if it is not PAUSED.
 */
int vbd_set_mirror(struct vbd *vbd, const char *spec);

/*
 * For the next resume of a disk that was opened with another parent: where
 * that is now. -ENOMEM, -EINVAL if it is not PAUSED.
 */
int vbd_set_parent(struct vbd *vbd, const char *spec);

/* The second image it was opened with; whether it has moved there. */
const char *vbd_second(const struct vbd *vbd);
bool vbd_moved(const struct vbd *vbd);
bool vbd_is_standby(const struct vbd *vbd);

/* Sectors that a standby was given. */
uint64_t vbd_redirected(const struct vbd *vbd);

/* A mirror there is or was is no copy of the disk. */
bool vbd_mirror_failed(const struct vbd *vbd);

enum vbd_state vbd_state(const struct vbd *vbd);
unsigned vbd_minor(const struct vbd *vbd);
const char *vbd_spec(const struct vbd *vbd); /* NULL before open, after close */
const char *vbd_name(const struct vbd *vbd); /* without a log in front */
const struct vbd_env *vbd_env(const struct vbd *vbd);

/* The top image, NULL while there is none; ->parent and ->file lead on. */
const struct image *vbd_image(const struct vbd *vbd);

/* Of the last open; stays while paused. NULL if never opened. */
const struct image_info *vbd_info(const struct vbd *vbd);
bool vbd_readonly(const struct vbd *vbd);

const struct vbd_counters *vbd_counters(const struct vbd *vbd);
unsigned vbd_outstanding(const struct vbd *vbd); /* requests */

/* Its channels: list of struct channel by vbd_link. */
struct list *vbd_channels(struct vbd *vbd);

/* Whether one of them makes it so. */
bool vbd_write_through(const struct vbd *vbd);

/* --- for channel.c -------------------------------------------------------- */

struct arena;

/* How a vbd speaks to its channels. close may be called more than once. */
struct vbd_ops {
	void (*start)(struct channel *ch);
	void (*stop)(struct channel *ch);
	void (*close)(struct channel *ch);
};

/* What every request begins with behind it, at req_extra(). */
struct vbd_req {
	struct list live;
	struct vbd *vbd;
	uint64_t start_ns;
	uint64_t due_ns;
	bool late;
	unsigned parts; /* of the images and the mirror: have it */
	bool half;      /* a flush: the leaf is done with it */
	struct image *to;
	void (*answer)(struct req *req);
};

/* Whether a channel may join. */
bool vbd_accepts(const struct vbd *vbd);

/* A channel comes and goes; with ops for all of them, the same each time. */
void vbd_join(struct vbd *vbd, struct channel *ch, const struct vbd_ops *ops);
void vbd_leave(struct vbd *vbd, struct channel *ch);

/* Take a request; vr->answer(req) answers it, from the loop. */
void vbd_submit(struct vbd *vbd, struct req *req);

struct arena *vbd_arena(struct vbd *vbd);

/* Count what was answered after that time. */
void vbd_count(struct vbd_counters *c, const struct req *req, uint64_t usecs);

#endif /* TAPDISK_VBD_H */
