/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * control-ring.c - connect and disconnect the rings of guests.
 *
 * The old message brings one ring of a device, ours one queue's of several.
 * Access to Xen is opened with the first: a disk without guests needs none.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/xen.h"
#include "tapdisk/channel.h"
#include "tapdisk/control-impl.h"
#include "tapdisk/metrics.h"
#include "tapdisk/server.h"
#include "xenio/blkif.h"

static int open_xen(struct control *ctl, struct err *err)
{
	int rc;

	if (!ctl->xenio)
		return err_set(err, -EOPNOTSUPP, "rings are not built in");
	if (ctl->blkif)
		return 0;
	ctl->xen = ctl->env.xen;
	rc = ctl->xen ? 0 : xen_open(&ctl->xen, XEN_RINGS, err);
	if (rc < 0) {
		ctl->xen = NULL;
		return rc;
	}
	rc = blkif_new(&ctl->blkif, ctl->env.vbd->loop, ctl->xen, err);
	if (rc < 0) {
		ctl->xen->free(ctl->xen);
		ctl->xen = NULL;
		ctl->blkif = NULL;
	}
	return rc;
}

static bool is_of(const struct control_ring *ring, const struct wire_msg *msg)
{
	return ring->msg.u.ring.domid == msg->u.ring.domid &&
	       ring->msg.u.ring.devid == msg->u.ring.devid;
}

/* Whether a disk of this process has a ring of the device. */
static struct control_ring *find_ring(struct control *ctl,
				      const struct wire_msg *msg, int queue)
{
	struct list *p, *pn, *q, *qn;
	struct control_ring *ring;

	list_for_each (&ctl->disks, p, pn) {
		struct list *rings =
			&container_of(p, struct control_disk, link)->rings;

		list_for_each (rings, q, qn) {
			ring = container_of(q, struct control_ring, link);
			if (is_of(ring, msg) &&
			    (queue < 0 ||
			     ring->msg.u.ring.queue == (unsigned)queue))
				return ring;
		}
	}
	return NULL;
}

/* Answer those who wait for rings that are no more. */
static void answer_parting(struct control *ctl)
{
	struct list *pos, *next;
	struct control_op *op;

	list_for_each (&ctl->parting, pos, next) {
		op = container_of(pos, struct control_op, link);
		if (find_ring(ctl, &op->msg, -1))
			continue;
		list_del(&op->link);
		control_ok(op);
	}
}

/* It was closed, or has died. */
static void gone(void *arg)
{
	struct control_ring *ring = arg;
	struct control_disk *disk = ring->disk;
	struct wire_msg msg = ring->msg;

	list_del(&ring->link);
	free(ring);
	if (!find_ring(disk->ctl, &msg, -1))
		metrics_remove_guest(disk->metrics, msg.u.ring.domid,
				     msg.u.ring.devid);
	answer_parting(disk->ctl);
}

static void close_ring(struct control_ring *ring)
{
	if (ring->closing)
		return;
	ring->closing = true;
	channel_on_gone(ring->ch, NULL, NULL);
	channel_close(ring->ch, gone, ring);
}

void control_close_rings(struct control_disk *disk)
{
	struct list *pos, *next;

	list_for_each (&disk->rings, pos, next)
		close_ring(container_of(pos, struct control_ring, link));
}

static bool is_same(const struct control_ring *ring, const struct wire_msg *msg)
{
	return ring->msg.u.ring.order == msg->u.ring.order &&
	       ring->msg.u.ring.proto == msg->u.ring.proto &&
	       ring->msg.u.ring.port == msg->u.ring.port &&
	       !memcmp(ring->msg.u.ring.grefs, msg->u.ring.grefs,
		       sizeof(uint32_t) << msg->u.ring.order);
}

static int check(struct control_op *op, struct err *err)
{
	bool ours = op->msg.type == WIRE_CONNECT_QUEUE;
	struct control_ring *ring;

	if (ours && op->msg.u.ring.queue >= op->msg.u.ring.nr_queues)
		return err_set(err, -EINVAL, "queue %u of %u",
			       op->msg.u.ring.queue, op->msg.u.ring.nr_queues);
	if (op->msg.u.ring.proto < 1 || op->msg.u.ring.proto > 3)
		return err_set(err, -EPROTONOSUPPORT, "ring protocol %u",
			       op->msg.u.ring.proto);
	ring = find_ring(op->ctl, &op->msg,
			 ours ? (int)op->msg.u.ring.queue : -1);
	if (!ring)
		return 0;
	if (ring->closing)
		return err_set(err, -EBUSY, "the last ring is still closing");
	if (ring->disk != op->disk)
		return err_set(err, -EEXIST, "the ring is minor %u's",
			       ring->disk->minor);
	if (ours && !is_same(ring, &op->msg))
		return err_set(err, -EEXIST,
			       "another ring of the same queue is served");
	return err_set(err, -EALREADY, "the ring is served already");
}

static void fill(struct blkif_connect *args, struct control_op *op)
{
	static const enum ring_proto protos[] = { RING_NATIVE, RING_NATIVE,
						  RING_X86_32, RING_X86_64 };
	const struct wire_msg *msg = &op->msg;

	memset(args, 0, sizeof(*args));
	args->blkif = op->ctl->blkif;
	args->domid = msg->u.ring.domid;
	args->devid = msg->u.ring.devid;
	args->queue = msg->u.ring.queue;
	args->proto = protos[msg->u.ring.proto];
	args->order = msg->u.ring.order;
	args->port = msg->u.ring.port;
	args->max_segs = msg->u.ring.max_segs;
	args->poll_us = msg->u.ring.poll_us;
	args->poll_idle = msg->u.ring.poll_idle;
	args->readonly = msg->u.ring.flags & WIRE_RING_RDONLY;
	args->persistent = msg->u.ring.flags & WIRE_RING_KEEP;
	for (unsigned i = 0; i < 1u << args->order; i++)
		args->grefs[i] = msg->u.ring.grefs[i];
	args->journal_fd = server_request(op->conn)->fd;
}

static int open_ring(struct control_op *op, struct err *err)
{
	struct control_ring *ring = calloc(1, sizeof(*ring));
	struct blkif_connect args;
	struct err why = { 0 };
	char name[48];
	int rc;

	if (!ring)
		return err_set(err, -ENOMEM, "no memory for a ring");
	ring->disk = op->disk;
	ring->msg = op->msg;
	fill(&args, op);
	(void)snprintf(name, sizeof(name), "xenio:%u/%u.%u", args.domid,
		       args.devid, args.queue); /* it fits */
	rc = channel_open(&ring->ch, op->disk->vbd, op->ctl->xenio, name, &args,
			  err);
	if (rc < 0) {
		free(ring);
		return rc;
	}
	channel_on_gone(ring->ch, gone, ring);
	list_add_tail(&op->disk->rings, &ring->link);
	if (metrics_add_guest(op->disk->metrics, args.domid, args.devid, &why) <
	    0)
		log_warn("%s: no metrics: %s", name, why.msg);
	return 0;
}

void control_connect(struct control_op *op)
{
	enum vbd_state state;
	int rc;

	if (!control_has_disk(op))
		return;
	state = vbd_state(op->disk->vbd);
	rc = check(op, &op->err);
	if (!rc && (state == VBD_CLOSED || state == VBD_DEAD))
		rc = err_set(&op->err, -ENODEV, "minor %u: not open",
			     op->msg.cookie);
	if (!rc)
		rc = open_xen(op->ctl, &op->err);
	if (!rc)
		rc = open_ring(op, &op->err);
	if (rc < 0)
		control_fail(op, &op->err);
	else
		control_ok(op);
}

/*
 * Its cookie has never been looked at. What is in flight may have to wait for
 * a paused disk to go on: so others get their turn meanwhile.
 */
void control_disconnect(struct control_op *op)
{
	struct list *p, *pn, *q, *qn;
	struct control_ring *ring;

	if (!find_ring(op->ctl, &op->msg, -1)) {
		(void)err_set(&op->err, -ENODEV,
			      "no ring of domain %u, device %u",
			      op->msg.u.ring.domid,
			      op->msg.u.ring.devid); /* sent as it is */
		control_fail(op, &op->err);
		return;
	}
	list_for_each (&op->ctl->disks, p, pn) {
		struct list *rings =
			&container_of(p, struct control_disk, link)->rings;

		list_for_each (rings, q, qn) {
			ring = container_of(q, struct control_ring, link);
			if (is_of(ring, &op->msg))
				close_ring(ring);
		}
	}
	list_add_tail(&op->ctl->parting, &op->link);
	control_let_go(op);
}
