/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * channel.c - one client of one disk: its requests, its end.
 *
 * A request is the client's from channel_get() to channel_submit(), the
 * disk's until it is answered, and then, if the transport gathers answers,
 * lies in finished until flush() has returned. The channel goes when it is
 * to close and none is with the disk or in finished.
 */
#include "tapdisk/channel.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"
#include "lib/loop.h"
#include "tapdisk/arena.h"

#define GONE_MAX 8

struct gone {
	void (*fn)(void *arg);
	void *arg;
};

struct chan {
	struct channel ch;
	char *name;
	struct req_pool *pool;
	struct arena_user room;
	struct list finished;
	struct hook hook;    /* to flush at the end of the turn */
	struct deferred end; /* closes and frees */
	bool running;
	bool closing;
	bool ending;
	bool refused; /* channel_get() had no request left */
	unsigned in_flight;
	struct vbd_counters counters;
	struct gone gone[GONE_MAX + 1];
	unsigned gones;
	struct gone on_gone;
};

/* Behind each request; the transport's own bytes follow. */
struct chan_req {
	struct vbd_req vr; /* first: see vbd.h */
	struct chan *chan;
	struct iovec iov;
	uint64_t bytes; /* of the arena */
};

#define CHAN_REQ ((sizeof(struct chan_req) + 15) / 16 * 16)

static struct chan *chan_of(struct channel *ch)
{
	return container_of(ch, struct chan, ch);
}

struct channel *channel_of(struct list *vbd_link)
{
	return container_of(vbd_link, struct channel, vbd_link);
}

void *channel_extra(struct req *req)
{
	return (char *)req_extra(req) + CHAN_REQ;
}

/* --- the end -------------------------------------------------------------- */

static void chan_free(struct chan *c)
{
	req_pool_free(c->pool);
	free(c->ch.state);
	free(c->name);
	free(c);
}

static bool idle(const struct chan *c)
{
	return !c->in_flight && list_empty(&c->finished);
}

static void end(struct deferred *d)
{
	struct chan *c = container_of(d, struct chan, end);
	struct channel *ch = &c->ch;
	unsigned i;

	/* Further up the stack it may have submitted what it had taken. */
	c->ending = idle(c);
	if (!c->ending)
		return; /* its answer brings us back */
	ch->tr->close(ch);
	arena_leave(vbd_arena(ch->vbd), &c->room);
	loop_unhook(&c->hook);
	vbd_leave(ch->vbd, ch);
	log_info("%s: closed", ch->name);
	for (i = 0; i < c->gones; i++)
		c->gone[i].fn(c->gone[i].arg);
	if (c->on_gone.fn)
		c->on_gone.fn(c->on_gone.arg);
	chan_free(c);
}

/* Later: the transport may be at work on it further up the stack. */
static void end_if_idle(struct chan *c)
{
	if (!c->closing || c->ending || !idle(c))
		return;
	c->ending = true;
	c->end.run = end;
	loop_defer(c->ch.loop, &c->end);
}

static void stop(struct channel *ch)
{
	struct chan *c = chan_of(ch);

	if (!c->running)
		return;
	c->running = false;
	arena_leave(vbd_arena(ch->vbd), &c->room);
	ch->tr->stop(ch);
}

static void start(struct channel *ch)
{
	struct chan *c = chan_of(ch);

	if (c->running || c->closing)
		return;
	c->running = true;
	ch->tr->start(ch, vbd_info(ch->vbd));
}

static void close_(struct channel *ch)
{
	struct chan *c = chan_of(ch);

	c->closing = true;
	stop(ch);
	end_if_idle(c);
}

void channel_close(struct channel *ch, void (*gone)(void *arg), void *arg)
{
	struct chan *c = chan_of(ch);

	if (gone) {
		assert(c->gones < GONE_MAX);
		c->gone[c->gones++] = (struct gone){ gone, arg };
	}
	close_(ch);
}

void channel_on_gone(struct channel *ch, void (*gone)(void *arg), void *arg)
{
	chan_of(ch)->on_gone = (struct gone){ gone, arg };
}

void channel_dead(struct channel *ch, int err, const char *why)
{
	if (!chan_of(ch)->closing) {
		errno = -err;
		log_warn("%s: %s: %m", ch->name, why);
	}
	close_(ch);
}

/* --- requests ------------------------------------------------------------- */

static void put(struct chan *c, struct req *req)
{
	struct chan_req *cr = req_extra(req);

	if (cr->bytes)
		arena_put(vbd_arena(c->ch.vbd), cr->iov.iov_base, cr->bytes);
	req_put(c->pool, req);
}

struct req *channel_get(struct channel *ch, uint64_t len)
{
	struct chan *c = chan_of(ch);
	struct chan_req *cr;
	struct req *req;
	void *buf = NULL;

	if (!c->running)
		return NULL;
	req = req_get(c->pool);
	if (!req) {
		c->refused = true;
		return NULL;
	}
	if (len)
		buf = arena_get(vbd_arena(ch->vbd), &c->room, len);
	if (len && !buf) {
		req_put(c->pool, req);
		return NULL;
	}
	cr = req_extra(req);
	cr->chan = c;
	cr->bytes = len;
	cr->iov = (struct iovec){ .iov_base = buf, .iov_len = len };
	if (len) {
		req->iov = &cr->iov;
		req->iovcnt = 1;
	}
	return req;
}

void channel_put(struct channel *ch, struct req *req)
{
	struct chan *c = chan_of(ch);

	put(c, req);
	if (c->refused && !list_linked(&c->hook.link))
		loop_hook(ch->loop, &c->hook);
}

static void flush_again(struct chan *c)
{
	struct list *link;

	c->refused = false;
	if (c->ch.tr->flush)
		c->ch.tr->flush(&c->ch);
	while ((link = list_pop(&c->finished)))
		put(c, container_of(link, struct req, answer.link));
}

static void flush(struct hook *h)
{
	struct chan *c = container_of(h, struct chan, hook);
	bool any = !list_empty(&c->finished);

	loop_unhook(h);
	flush_again(c);
	/* It looked for a request before those just flushed were back. */
	if (any && c->refused)
		flush_again(c);
	end_if_idle(c);
}

static void room(struct arena_user *user)
{
	struct chan *c = container_of(user, struct chan, room);

	if (c->ch.tr->flush)
		c->ch.tr->flush(&c->ch);
}

static void answer(struct req *req)
{
	struct chan_req *cr = req_extra(req);
	struct chan *c = cr->chan;
	const struct transport *tr = c->ch.tr;
	uint64_t ns = loop_now_ns(c->ch.loop) - cr->vr.start_ns;

	vbd_count(&c->counters, req, ns / 1000);
	c->in_flight--;
	tr->complete(&c->ch, req);
	if (tr->flush) {
		list_add_tail(&c->finished, &req->answer.link);
		if (!list_linked(&c->hook.link))
			loop_hook(c->ch.loop, &c->hook);
	} else {
		put(c, req);
		end_if_idle(c);
	}
}

static bool changes(const struct req *req)
{
	return req->op == REQ_WRITE || req->op == REQ_ZERO ||
	       req->op == REQ_DISCARD || req->op == REQ_RESIZE;
}

void channel_submit(struct channel *ch, struct req *req)
{
	struct chan_req *cr = req_extra(req);
	struct chan *c = chan_of(ch);

	c->in_flight++;
	if (req->op == REQ_READ || req->op == REQ_WRITE)
		c->counters.submitted[req->op == REQ_WRITE]++;
	if (ch->readonly && changes(req)) {
		cr->vr.start_ns = loop_now_ns(ch->loop);
		req->loop = ch->loop;
		req->done = answer;
		req_done(req, -EROFS);
		return;
	}
	cr->vr.answer = answer;
	vbd_submit(ch->vbd, req);
}

/* --- opening -------------------------------------------------------------- */

static const struct vbd_ops vbd_ops = {
	.start = start,
	.stop = stop,
	.close = close_,
};

static struct chan *chan_new(struct vbd *vbd, const struct transport *tr,
			     const char *name)
{
	struct chan *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	list_init(&c->room.link);
	list_init(&c->finished);
	list_init(&c->hook.link);
	c->room.room = room;
	c->hook.run = flush;
	c->name = strdup(name);
	c->ch.tr = tr;
	c->ch.name = c->name;
	c->ch.loop = vbd_env(vbd)->loop;
	c->ch.vbd = vbd;
	c->ch.state = calloc(1, tr->state_size ? tr->state_size : 1);
	if (!c->name || !c->ch.state) {
		chan_free(c);
		return NULL;
	}
	return c;
}

int channel_open(struct channel **out, struct vbd *vbd,
		 const struct transport *tr, const char *name, const void *arg,
		 struct err *err)
{
	struct chan *c;
	int ret;

	if (!vbd_accepts(vbd))
		return err_set(err, -ENODEV, "%s: the disk is not open", name);
	c = chan_new(vbd, tr, name);
	if (!c)
		return err_set(err, -ENOMEM, "%s: no memory", name);
	ret = tr->open(&c->ch, arg, err);
	if (ret) {
		chan_free(c);
		return ret;
	}
	assert(c->ch.depth > 0);
	if (req_pool_new(&c->pool, c->ch.depth, CHAN_REQ + tr->req_size)) {
		tr->close(&c->ch);
		chan_free(c);
		return err_set(err, -ENOMEM, "%s: no memory", name);
	}
	*out = &c->ch;
	vbd_join(vbd, &c->ch, &vbd_ops);
	return 0;
}

const struct vbd_counters *channel_counters(const struct channel *ch)
{
	return &container_of(ch, struct chan, ch)->counters;
}

unsigned channel_in_flight(const struct channel *ch)
{
	return container_of(ch, struct chan, ch)->in_flight;
}
