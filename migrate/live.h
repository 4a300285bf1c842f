/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * live.h - a running guest's disk goes from kernel blkback to our ring, and
 * back, without the guest noticing more than a pause.
 *
 * What makes it possible: a disk can be unbound from blkback while its state
 * in XenStore stays 4; blkback then answers what it has begun and lets go of
 * the guest's event channel and ring; the ring's shared rsp_prod is then
 * where whoever comes next has to go on; and blkfront has no request timeout.
 *
 * The way is a table of steps.  Each can be asked whether it has been done
 * already, so that a journal can note {intent, undo, done} around each and
 * go on, or back, after any crash; and each can be undone:
 *
 *	tapdisk   one of ours, without an image; B/pid and B/minor name it
 *	unbind    blkback has no driver for the disk      undo: bind
 *	wait      until the guest's event channels are free
 *	old       the old owner closes the image          undo: opens it
 *	image     ours opens it for writing               undo: closes it
 *	ring      xenio has ours serve it                 undo: drained, let go
 *
 * Never two writers: ours opens after the old owner has closed, and the
 * reverse.  Undoing the steps from the last on is the way back; the disk's
 * other nodes are left as they are, since the toolstack needs them when the
 * guest goes, and blkback when the disk comes back.
 *
 * A step that fails may have been done by half: it is undone first, then
 * those before it.  Nothing here prints.  0 or -errno with a sentence.
 */
#ifndef MIGRATE_LIVE_H
#define MIGRATE_LIVE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "control/wire.h"

struct err;
struct xen;

/* A tapdisk's disk. */
struct live_tap {
	pid_t pid; /* -1: there is none */
	int minor;
	int state;            /* as tap-ctl list has it */
	char spec[WIRE_PATH]; /* type:path, "" if none is open */
};

/* Of a tapdisk: */
struct live_who {
	bool ours;
	unsigned disks;    /* that it has */
	char program[512]; /* as the kernel names it */
};

/* What is done outside XenStore: the real ones, or a test's. */
struct live_ops {
	/* Write to a file of sysfs. */
	int (*put)(void *arg, const char *path, const char *text);
	/* What is in the block device's cache goes to where it belongs. */
	int (*sync)(void *arg, const char *path);
	/* Who has tap->minor, likely tap->pid; pid -1 if nobody. */
	int (*find)(void *arg, struct live_tap *tap);
	/* Take a minor, start a tapdisk, attach. */
	int (*start)(void *arg, struct live_tap *tap, struct err *err);
	/* Detach, which ends it, and give the minor back; it may be gone. */
	int (*stop)(void *arg, const struct live_tap *tap, struct err *err);
	int (*who)(void *arg, const struct live_tap *tap, struct live_who *who);
	/* A tapdisk without disks; program NULL: ours. */
	int (*spawn)(void *arg, const char *program, pid_t *pid,
		     struct err *err);
	/* At once; returns when it is gone. */
	void (*kill)(void *arg, const struct live_tap *tap);
	/* One exchange; the answer replaces the message. */
	int (*ask)(void *arg, const struct live_tap *tap, struct wire_msg *msg,
		   struct err *err);
	uint64_t (*now_ms)(void *arg);
	void (*sleep_ms)(void *arg, unsigned ms);
};

struct live_env {
	const char *root; /* put before /proc, /sys, /dev and /run; "" */
	unsigned domid;   /* our own domain */
	struct xen *xen;  /* XEN_STORE | XEN_RINGS */
	const struct live_ops *ops;
	void *arg;
};

/*
 * The real one, of this machine; dir is the control directory, NULL for the
 * usual one.
 */
int live_env_open(struct live_env **out, const char *dir, struct err *err);
void live_env_close(struct live_env *env);

enum live_kind {
	LIVE_LOOP,   /* blkback has a loop device over a file */
	LIVE_RAW,    /* another block device */
	LIVE_TAPDEV, /* a tapdev, behind which is a tapdisk */
};

struct live_request {
	unsigned domid;
	unsigned devid;
	const char *spec;  /* what ours opens; NULL: what the old one has */
	unsigned limit_ms; /* for the old one to let go; 0: 30 s */
};

struct live;

/* Find out what there is; -ENOENT: the disk is gone. */
int live_open(struct live **out, const struct live_env *env,
	      const struct live_request *req, struct err *err);
void live_close(struct live *l);

enum live_kind live_kind(const struct live *l);
const char *live_spec(const struct live *l);

/* The first thing that forbids it, as a sentence; nothing is written. */
int live_may_take(struct live *l, struct err *err);
int live_may_return(struct live *l, struct err *err);

struct live_step {
	const char *name;
	const char *what; /* for a person: "blkback lets go of the disk" */

	/* 1: it is done, 0: not or not wholly, -errno: cannot be told. */
	int (*done)(struct live *l);
	int (*act)(struct live *l, struct err *err);
	/* Of what was done wholly, by half, or not. */
	int (*undo)(struct live *l, struct err *err);
};

/* The table, in order. */
const struct live_step *live_steps(unsigned *count);

/*
 * All of them; what fails is undone. *stall_ms, if not NULL, is how long the
 * guest had no backend. -EUCLEAN: it failed, and so did the undoing.
 */
int live_take(struct live *l, unsigned *stall_ms, struct err *err);
/* Back to blkback: undo all of them. */
int live_return(struct live *l, unsigned *stall_ms, struct err *err);

/* What a step took of the last of these, in ms. */
unsigned live_step_ms(const struct live *l, unsigned step);

/*
 * The tapdisk behind a tapdev that blkback, or whoever, goes on using.  1:
 * ours has it, 0: another, -EBUSY: nobody serves it, -errno: cannot be told.
 */
int live_serve_look(struct live *l);
int live_may_serve(struct live *l, struct err *err);
/*
 * Have it served by ours, or by a program of another lineage; what was cut
 * off is gone on with.  *stall_ms, if not NULL, is set if one was exchanged.
 * If ours does not get it, who had it has it again; -EUCLEAN: nobody has, and
 * the guest waits.
 */
int live_serve(struct live *l, const char *program, unsigned *stall_ms,
	       struct err *err);

/* Who serves the disk's ring now. */
enum live_server {
	LIVE_BLKBACK,
	LIVE_OURS,
	LIVE_NOBODY, /* somewhere on the way */
};

enum live_server live_server(struct live *l);

#endif /* MIGRATE_LIVE_H */
