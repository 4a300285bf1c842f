/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transport-mem.c - the smallest transport: a queue in memory.
 */
#include "tests/lib/transport-mem.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "lib/err.h"

struct mem_state {
	struct mem_client *client;
};

struct mem_req {
	struct mem_op *op;
	struct iovec iov;
};

static struct mem_client *client_of(const struct channel *ch)
{
	const struct mem_state *state = ch->state;

	return state->client;
}

static bool has_data(const struct mem_op *op)
{
	return op->op == REQ_READ || op->op == REQ_WRITE;
}

/* Take one request off the queue, if there is room for it. */
static bool take(struct mem_client *client)
{
	struct mem_op *op =
		container_of(client->queue.next, struct mem_op, link);
	bool lend = has_data(op) && !client->own_memory;
	struct req *req = channel_get(client->ch, lend ? op->len : 0);
	struct mem_req *mr;

	if (!req) {
		client->refused++;
		return false;
	}
	list_del(&op->link);
	mr = channel_extra(req);
	mr->op = op;
	req->op = op->op;
	req->flags = op->flags;
	req->off = op->off;
	req->len = op->len;
	req->extents = op->extents;
	if (has_data(op) && client->own_memory) {
		mr->iov = (struct iovec){ op->buf, op->len };
		req->iov = &mr->iov;
		req->iovcnt = 1;
	} else if (op->op == REQ_WRITE) {
		req_copy_in(req, 0, op->buf, op->len);
	}
	client->taken++;
	if (client->dies)
		channel_dead(client->ch, -EPROTO, "as it was told");
	channel_submit(client->ch, req);
	return true;
}

static void poll_queue(struct mem_client *client)
{
	while (client->started && !list_empty(&client->queue) && take(client))
		;
}

void mem_ask(struct mem_client *client, struct mem_op *op)
{
	list_add_tail(&client->queue, &op->link);
	poll_queue(client);
}

static int mem_open(struct channel *ch, const void *arg, struct err *err)
{
	struct mem_state *state = ch->state;
	/* The test's own memory: only named const on the way. */
	struct mem_client *client = *(struct mem_client *const *)arg;

	if (client->open_err)
		return err_set(err, client->open_err, "mem: as it was told");
	state->client = client;
	client->ch = ch;
	list_init(&client->queue);
	list_init(&client->answered);
	ch->depth = client->depth ? client->depth : 32;
	ch->readonly = client->readonly;
	ch->no_flush = client->no_flush;
	return 0;
}

static void mem_start(struct channel *ch, const struct image_info *info)
{
	struct mem_client *client = client_of(ch);

	assert(info && !client->started);
	client->started = true;
	client->starts++;
	poll_queue(client);
}

static void mem_stop(struct channel *ch)
{
	struct mem_client *client = client_of(ch);

	assert(client->started);
	client->started = false;
	client->stops++;
}

static void mem_complete(struct channel *ch, struct req *req)
{
	struct mem_client *client = client_of(ch);
	struct mem_req *mr = channel_extra(req);
	struct mem_op *op = mr->op;

	assert(!op->done);
	op->err = req->err;
	if (op->op == REQ_READ && !req->err && !client->own_memory)
		req_copy_out(req, 0, op->buf, op->len);
	op->order = ++client->answers;
	list_add_tail(&client->answered, &op->link);
}

static void mem_flush(struct channel *ch)
{
	struct mem_client *client = client_of(ch);
	struct list *link;

	client->flushes += !list_empty(&client->answered);
	while ((link = list_pop(&client->answered)))
		container_of(link, struct mem_op, link)->done = true;
	poll_queue(client);
}

static void mem_close(struct channel *ch)
{
	struct mem_client *client = client_of(ch);

	assert(!client->started && list_empty(&client->answered));
	client->closes++;
	client->ch = NULL;
}

const struct transport mem_transport = {
	.name = "mem",
	.summary = "a client in the test",
	.state_size = sizeof(struct mem_state),
	.req_size = sizeof(struct mem_req),
	.open = mem_open,
	.start = mem_start,
	.stop = mem_stop,
	.complete = mem_complete,
	.flush = mem_flush,
	.close = mem_close,
};
