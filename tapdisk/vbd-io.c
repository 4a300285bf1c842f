/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * vbd-io.c - a disk's requests: given to the images, tried again, answered.
 */
#include "tapdisk/vbd-core.h"

#include <errno.h>
#include <string.h>

#include "lib/loop.h"
#include "tapdisk/mirror.h"

#define SECOND_NS UINT64_C(1000000000)
#define RETRY_NS  SECOND_NS

void vbd_count(struct vbd_counters *c, const struct req *req, uint64_t usecs)
{
	unsigned way = req->op == REQ_WRITE;

	if (req->err)
		c->errors++;
	if (req->op == REQ_FLUSH)
		c->flushes++;
	else if (req->op == REQ_DISCARD)
		c->discards++;
	if (req->op != REQ_READ && req->op != REQ_WRITE)
		return;
	c->completed[way]++;
	c->sectors[way] += req->err ? 0 : req->len >> 9;
	c->usecs[way] += usecs;
	if (usecs > c->max_usecs[way])
		c->max_usecs[way] = usecs;
}

static bool serving(const struct vbd *vbd)
{
	return vbd->top && !vbd->busy &&
	       (vbd->state == VBD_RUNNING ||
		(vbd->state == VBD_DRAINING && vbd_is_closing(vbd)));
}

/* What a client can do wrong is told to it, and to nobody else. */
static void complain(struct vbd *vbd, const struct req *req)
{
	static const char *const ops[] = {
		[REQ_READ] = "read",       [REQ_WRITE] = "write",
		[REQ_FLUSH] = "flush",     [REQ_ZERO] = "zero",
		[REQ_DISCARD] = "discard", [REQ_EXTENTS] = "question",
		[REQ_RESIZE] = "resize",
	};

	if (!req->err || req->err == -EOPNOTSUPP || req->err == -EINVAL ||
	    req->err == -EROFS || vbd->state == VBD_DEAD)
		return;
	log_limited(&vbd->limit, "vbd %u: %s of %llu bytes at %llu: %s",
		    vbd->minor, ops[req->op], (unsigned long long)req->len,
		    (unsigned long long)req->off, strerror(-req->err));
}

static void answered(struct req *req)
{
	struct vbd_req *vr = req_extra(req);
	struct vbd *vbd = vr->vbd;
	uint64_t ns = loop_now_ns(vbd->env.loop) - vr->start_ns;

	list_del(&vr->live);
	vbd->outstanding--;
	vbd->counters.late -= vr->late;
	vbd_count(&vbd->counters, req, ns / 1000);
	complain(vbd, req);
	vr->answer(req);
	vbd_move_on(vbd);
}

static void fail(struct vbd *vbd, struct req *req)
{
	req->done = answered;
	req->loop = vbd->env.loop;
	req_done(req, -EIO);
}

static bool worth_a_retry(const struct vbd *vbd, const struct req *req,
			  const struct vbd_req *vr)
{
	if (req->err != -EAGAIN && req->err != -EBUSY && req->err != -EINTR)
		return false;
	if (vbd->state == VBD_DEAD)
		return false;
	return loop_now_ns(vbd->env.loop) < vr->due_ns ||
	       (req->op == REQ_FLUSH && !vbd_is_closing(vbd));
}

/* The images are done with it, or the mirror: the last one ends it. */
static void served(struct req *req)
{
	struct vbd_req *vr = req_extra(req);
	struct vbd *vbd = vr->vbd;

	if (--vr->parts)
		return;
	vbd->in_flight--;
	if (vbd_goes_on(vbd, req)) {
		list_add_head(&vbd->kept, &req->answer.link);
		vbd_move_on(vbd);
		return;
	}
	if (!req->err || !worth_a_retry(vbd, req, vr)) {
		answered(req);
		return;
	}
	vbd->counters.retries++;
	list_add_tail(&vbd->retry, &req->answer.link);
	if (!list_linked(&vbd->retry_timer.link))
		loop_timer(vbd->env.loop, &vbd->retry_timer, RETRY_NS);
	vbd_move_on(vbd);
}

static void send(struct vbd *vbd, struct req *req)
{
	struct vbd_req *vr = req_extra(req);

	vbd->in_flight++;
	vr->parts = 1;
	vr->to = vbd_target(vbd, req);
	req->done = served;
	if (vbd->write_through && (req->op == REQ_WRITE || req->op == REQ_ZERO))
		req->flags |= REQ_FUA;
	if (!(vbd->moved && !vbd->standby) && mirror_takes(vbd->mirror, req)) {
		vr->parts++;
		mirror_submit(vbd->mirror, req, served);
	}
	image_submit(vr->to, req);
}

/* As many of those kept as the images may have, or all of them -EIO. */
void vbd_send_kept(struct vbd *vbd)
{
	bool dead = vbd->state == VBD_DEAD ||
		    (vbd_is_closing(vbd) && !vbd->busy && !serving(vbd));
	struct list *link;
	struct req *req;

	if (dead && !list_empty(&vbd->retry)) {
		vbd_retry_now(vbd); /* and here again, with none */
		return;
	}
	while (dead || (serving(vbd) && vbd->in_flight < VBD_DEPTH)) {
		link = list_pop(&vbd->kept);
		if (!link)
			break;
		req = container_of(link, struct req, answer.link);
		if (dead)
			fail(vbd, req);
		else
			send(vbd, req);
	}
}

void vbd_submit(struct vbd *vbd, struct req *req)
{
	struct vbd_req *vr = req_extra(req);

	vr->vbd = vbd;
	vr->start_ns = loop_now_ns(vbd->env.loop);
	vr->due_ns = vr->start_ns + vbd->timeout_ns;
	vr->late = false;
	vr->half = false;
	list_add_tail(&vbd->live, &vr->live);
	if (!list_linked(&vbd->late_timer.link))
		loop_timer(vbd->env.loop, &vbd->late_timer, vbd->timeout_ns);
	vbd->outstanding++;
	if (req->op == REQ_READ || req->op == REQ_WRITE)
		vbd->counters.submitted[req->op == REQ_WRITE]++;
	list_add_tail(&vbd->kept, &req->answer.link);
	vbd_send_kept(vbd);
}

/* What is to be tried again goes before what was not tried yet. */
void vbd_retry_now(struct vbd *vbd)
{
	while (!list_empty(&vbd->retry)) {
		struct list *link = vbd->retry.prev;

		list_del(link);
		list_add_head(&vbd->kept, link);
	}
	loop_untimer(&vbd->retry_timer);
	vbd_send_kept(vbd);
}

void vbd_retry_fired(struct timer *t)
{
	vbd_retry_now(container_of(t, struct vbd, retry_timer));
}

void vbd_late_fired(struct timer *t)
{
	struct vbd *vbd = container_of(t, struct vbd, late_timer);
	uint64_t now = loop_now_ns(vbd->env.loop);
	struct list *pos, *next;
	unsigned found = 0;

	list_for_each (&vbd->live, pos, next) {
		struct vbd_req *vr = container_of(pos, struct vbd_req, live);

		if (now < vr->due_ns)
			break;
		found += !vr->late;
		vr->late = true;
	}
	vbd->counters.late += found;
	if (found && serving(vbd))
		log_limited(&vbd->limit,
			    "vbd %u: %u requests not answered in %u s",
			    vbd->minor, found,
			    (unsigned)(vbd->timeout_ns / SECOND_NS));
	if (!list_empty(&vbd->live))
		loop_timer(vbd->env.loop, t, vbd->timeout_ns);
}

void vbd_renew_time(struct vbd *vbd)
{
	struct list *pos, *next;

	list_for_each (&vbd->live, pos, next) {
		struct vbd_req *vr = container_of(pos, struct vbd_req, live);

		vr->due_ns = loop_now_ns(vbd->env.loop) + vbd->timeout_ns;
		vbd->counters.late -= vr->late;
		vr->late = false;
	}
}
