/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * mirror.c - the second image that a disk's writes go to as well.
 */
#include "tapdisk/mirror.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/err.h"
#include "lib/log.h"
#include "tapdisk/chain.h"
#include "tapdisk/vbd.h"

struct mirror {
	struct vbd_env env;
	unsigned minor;
	char *spec;
	uint64_t size; /* it must have */
	struct image *top;
	struct req_pool *pool;
	struct err err; /* why it has failed */
	void (*opened)(void *arg, const struct err *err);
	void (*closed)(void *arg);
	void *arg;
};

/* Behind a request that is a copy. */
struct copy {
	struct mirror *m;
	struct req *req;
	void (*done)(struct req *req);
};

static void fail(struct mirror *m, const struct err *err)
{
	if (m->err.code)
		return;
	m->err = *err;
	log_error("vbd %u: mirror %s is given up: %s", m->minor, m->spec,
		  err->msg);
}

bool mirror_failed(const struct mirror *m)
{
	return m->err.code;
}

const char *mirror_spec(const struct mirror *m)
{
	return m->spec;
}

int mirror_new(struct mirror **out, const struct vbd_env *env, unsigned minor,
	       const char *spec)
{
	struct mirror *m = calloc(1, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->env = *env;
	m->minor = minor;
	m->spec = strdup(spec);
	if (!m->spec ||
	    req_pool_new(&m->pool, VBD_DEPTH, sizeof(struct copy))) {
		free(m->spec);
		free(m);
		return -ENOMEM;
	}
	*out = m;
	return 0;
}

/* --- open and close ------------------------------------------------------- */

static void forget(struct mirror *m)
{
	req_pool_free(m->pool);
	free(m->spec);
	free(m);
}

static void misfit_gone(void *arg)
{
	struct mirror *m = arg;

	m->opened(m->arg, &m->err);
}

static void chain_opened(void *arg, struct image *top, const struct err *err)
{
	struct mirror *m = arg;
	struct err why = { 0 };

	if (!top) {
		fail(m, err);
		m->opened(m->arg, &m->err);
	} else if (top->info.size != m->size || top->info.block_size > 512) {
		(void)err_set(&why, -EINVAL,
			      "%llu bytes in blocks of %u, not %llu of 512",
			      (unsigned long long)top->info.size,
			      top->info.block_size,
			      (unsigned long long)m->size); /* told */
		fail(m, &why);
		chain_close(top, m->env.work, misfit_gone, m);
	} else {
		m->top = top;
		m->opened(m->arg, &m->err);
	}
}

void mirror_open(struct mirror *m, const struct image_info *like,
		 void (*done)(void *arg, const struct err *err), void *arg)
{
	const struct chain_args args = { .loop = m->env.loop,
					 .io = m->env.io,
					 .work = m->env.work,
					 .passed = m->env.passed,
					 .spec = m->spec,
					 .depth = VBD_DEPTH };
	struct err err;

	m->size = like->size;
	m->opened = done;
	m->arg = arg;
	if (!chain_open(&args, chain_opened, m))
		return;
	(void)err_set(&err, -ENOMEM, "no memory"); /* told */
	chain_opened(m, NULL, &err);
}

void mirror_attach(struct mirror *m, struct image *img)
{
	m->top = img;
}

static void chain_gone(void *arg)
{
	struct mirror *m = arg;
	void (*closed)(void *arg) = m->closed;

	arg = m->arg;
	forget(m);
	closed(arg);
}

void mirror_close(struct mirror *m, void (*done)(void *arg), void *arg)
{
	m->closed = done;
	m->arg = arg;
	if (m->top)
		chain_close(m->top, m->env.work, chain_gone, m);
	else
		chain_gone(m);
}

/* --- requests ------------------------------------------------------------- */

bool mirror_takes(const struct mirror *m, const struct req *req)
{
	unsigned caps;

	if (!m || !m->top || m->err.code)
		return false;
	caps = m->top->info.caps;
	/* What it cannot is no loss: the images do it. */
	if (req->op == REQ_FLUSH)
		return caps & IMAGE_CAN_FLUSH;
	if (req->op == REQ_DISCARD)
		return caps & IMAGE_CAN_DISCARD;
	return req->op == REQ_WRITE || req->op == REQ_ZERO;
}

static void copied(struct req *sub)
{
	struct copy copy = *(struct copy *)req_extra(sub);
	struct err err = { 0 };

	if (sub->err) {
		(void)err_set(&err, sub->err, "%s at %llu of it: %s",
			      sub->op == REQ_FLUSH ? "a flush" : "a write",
			      (unsigned long long)sub->off,
			      strerror(-sub->err)); /* told */
		fail(copy.m, &err);
	}
	req_put(copy.m->pool, sub);
	copy.done(copy.req);
}

void mirror_submit(struct mirror *m, struct req *req,
		   void (*done)(struct req *req))
{
	struct req *sub = req_get(m->pool);
	struct copy *copy = req_extra(sub);

	*sub = (struct req){ .op = req->op,
			     .flags = req->flags,
			     .off = req->off,
			     .len = req->len,
			     .iov = req->iov,
			     .iovcnt = req->iovcnt,
			     .iov_skip = req->iov_skip,
			     .done = copied };
	if (!(m->top->info.caps & IMAGE_CAN_FLUSH))
		sub->flags &= ~REQ_FUA;
	*copy = (struct copy){ m, req, done };
	image_submit(m->top, sub);
}
