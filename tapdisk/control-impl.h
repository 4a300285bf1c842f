/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-impl.h - what the files control*.c share.
 */
#ifndef TAPDISK_CONTROL_IMPL_H
#define TAPDISK_CONTROL_IMPL_H

#include <stdbool.h>
#include <stdint.h>

#include "control/client.h"
#include "control/wire.h"
#include "lib/err.h"
#include "lib/list.h"
#include "lib/loop.h"
#include "tapdisk/control-env.h"
#include "tapdisk/vbd.h"

struct blkif;
struct channel;
struct metrics_disk;
struct nbd_listen;
struct server_conn;
struct tapdev;
struct transport;
struct xen;

/* An attached minor. */
struct control_disk {
	struct list link;
	struct control *ctl;
	struct vbd *vbd;
	unsigned minor;
	int marker;            /* locked */
	struct tapdev *tapdev; /* NULL: not of the kernel's kind */
	struct nbd_listen *nbd;
	struct metrics_disk *metrics;
	struct list rings; /* struct control_ring */
	bool resume_failed;
	bool closed; /* it was open before */
	bool has_parent;
	unsigned parent_minor; /* -e */
	char parent[TAPCTL_PATH + 8];
};

/* A guest's queue, as it was asked for. */
struct control_ring {
	struct list link;
	struct control_disk *disk;
	struct wire_msg msg;
	struct channel *ch;
	bool closing;
};

/* A message that changes something, while it is being worked on. */
struct control_op {
	struct list link;
	struct control *ctl;
	struct server_conn *conn; /* NULL: our own, of control_stop() */
	struct wire_msg msg;
	struct control_disk *disk;
	struct vbd_call call;
	struct err err;
};

struct control {
	struct control_env env;
	struct list disks;   /* in the order of attach */
	struct list waiting; /* struct control_op */
	struct list
		parting; /* the same: DISCONNECT, until the rings are gone */
	struct control_op *running;
	struct control_op stop; /* closes what is open at the end */
	struct deferred next;
	bool stopping;
	bool ended;
	const struct transport *xenio;
	struct xen *xen;
	struct blkif *blkif;
	struct timer unused; /* ends a process that nobody attaches to */
};

struct control_disk *control_find(struct control *ctl, unsigned minor);

/* Answer and forget it: with msg, or with err if err->code is not 0. */
void control_done(struct control_op *op, const struct wire_msg *msg);
void control_fail(struct control_op *op, const struct err *err);

/* Let others run while it only waits. */
void control_let_go(struct control_op *op);

/* Its plain reply. */
void control_ok(struct control_op *op);

/* control_fail() with -ENODEV if the message's minor is not attached. */
bool control_has_disk(struct control_op *op);

/* What it serves, without a change log in front; "" if nothing. */
const char *control_spec(const struct control_disk *disk);

void control_fill_image(struct wire_msg *msg, const struct control_disk *disk);

/* control-disk.c: ATTACH, OPEN, PAUSE, RESUME, CLOSE, DETACH. */
void control_attach(struct control_op *op);
void control_open(struct control_op *op);
void control_pause(struct control_op *op);
void control_resume(struct control_op *op);
void control_close(struct control_op *op);
void control_detach(struct control_op *op);
void control_forget(struct control_disk *disk);

/*
 * control-extra.c: what is asked for beside the image goes into args, or, of
 * a resume of spec, to the vbd. Strings are the message's and the disk's.
 */
int control_extra_open(struct control_op *op, struct vbd_open *args);
int control_extra_resume(struct control_op *op, const char *spec);

/* control-ring.c: CONNECT, CONNECT_QUEUE, DISCONNECT. */
void control_connect(struct control_op *op);
void control_disconnect(struct control_op *op);

/* Begin to close all of a disk's rings. */
void control_close_rings(struct control_disk *disk);

#endif /* TAPDISK_CONTROL_IMPL_H */
