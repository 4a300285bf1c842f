/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * req.c - answering requests, cutting them, and pools of them.
 */
#include "tapdisk/req.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/bytes.h"

static void answered(struct deferred *d)
{
	struct req *req = container_of(d, struct req, answer);

	d->run = NULL;
	req->done(req);
}

static void count_failure(struct req *req)
{
	unsigned way = req->op == REQ_WRITE;

	req->counters->hits[way] -= req->len >> 9;
	req->counters->fail[way] += req->len >> 9;
}

void req_done(struct req *req, int err)
{
	assert(err <= 0);
	assert(!req->answer.run); /* only once */
	req->err = err;
	if (err && req->counters)
		count_failure(req);
	req->counters = NULL; /* the image may be gone before the request */
	req->answer.run = answered;
	loop_defer(req->loop, &req->answer);
}

void req_slice(struct req *sub, const struct req *req, uint64_t skip,
	       uint64_t len)
{
	assert(bytes_within(skip, len, req->len));
	sub->op = req->op;
	sub->flags = req->flags;
	sub->off = req->off + skip;
	sub->len = len;
	sub->iov = req->iov;
	sub->iovcnt = req->iovcnt;
	sub->iov_skip = req->iov_skip + skip;
	while (sub->iovcnt > 0 && sub->iov_skip >= sub->iov->iov_len) {
		sub->iov_skip -= sub->iov->iov_len;
		sub->iov++;
		sub->iovcnt--;
	}
}

/* What is done with each contiguous piece of a request's data. */
struct walk {
	enum {
		WALK_ZERO,
		WALK_OUT,
		WALK_IN
	} what;
	char *out;
	const char *in;
};

static void walk(const struct req *req, uint64_t skip, size_t len,
		 struct walk *w)
{
	const struct iovec *iov = req->iov;
	size_t at = req->iov_skip + skip, n;
	char *data;

	for (; len > 0; iov++, at = 0) {
		assert(iov < req->iov + req->iovcnt);
		while (at >= iov->iov_len)
			at -= iov++->iov_len;
		data = (char *)iov->iov_base + at;
		n = iov->iov_len - at < len ? iov->iov_len - at : len;
		switch (w->what) {
		case WALK_ZERO:
			memset(data, 0, n);
			break;
		case WALK_OUT:
			memcpy(w->out, data, n);
			w->out += n;
			break;
		case WALK_IN:
			memcpy(data, w->in, n);
			w->in += n;
			break;
		}
		len -= n;
	}
}

void req_fill_zero(const struct req *req)
{
	struct walk w = { .what = WALK_ZERO };

	walk(req, 0, req->len, &w);
}

void req_copy_out(const struct req *req, uint64_t skip, void *to, size_t len)
{
	struct walk w = { .what = WALK_OUT, .out = to };

	assert(bytes_within(skip, len, req->len));
	walk(req, skip, len, &w);
}

void req_copy_in(const struct req *req, uint64_t skip, const void *from,
		 size_t len)
{
	struct walk w = { .what = WALK_IN, .in = from };

	assert(bytes_within(skip, len, req->len));
	walk(req, skip, len, &w);
}

#define EXTRA_AT ((sizeof(struct req) + 15) / 16 * 16)

struct req_pool {
	struct list unused; /* those that came back, latest first */
	unsigned fresh;     /* those from here on were never out */
	unsigned count;
	unsigned out;
	size_t stride;
	char *mem;
};

int req_pool_new(struct req_pool **out, unsigned count, size_t size)
{
	struct req_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return -ENOMEM;
	list_init(&pool->unused);
	pool->count = count;
	pool->stride = EXTRA_AT + (size + 15) / 16 * 16;
	pool->mem = calloc(count, pool->stride);
	if (!pool->mem) {
		free(pool);
		return -ENOMEM;
	}
	*out = pool;
	return 0;
}

void req_pool_free(struct req_pool *pool)
{
	if (!pool)
		return;
	assert(!pool->out);
	free(pool->mem);
	free(pool);
}

struct req *req_get(struct req_pool *pool)
{
	struct list *link = list_pop(&pool->unused);
	struct req *req;

	if (link)
		req = container_of(link, struct req, answer.link);
	else if (pool->fresh < pool->count)
		req = (void *)(pool->mem + pool->stride * pool->fresh++);
	else
		return NULL;
	memset(req, 0, sizeof(*req));
	list_init(&req->answer.link);
	pool->out++;
	return req;
}

void req_put(struct req_pool *pool, struct req *req)
{
	assert(pool->out > 0);
	pool->out--;
	list_add_head(&pool->unused, &req->answer.link);
}

void *req_extra(struct req *req)
{
	return (char *)req + EXTRA_AT;
}
