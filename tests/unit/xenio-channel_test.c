/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio-channel_test.c - a guest's ring passes the suite of all transports,
 * over the core as it is.
 */
#include "tests/lib/channel-suite.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/front.h"
#include "tests/lib/test.h"
#include "tests/lib/xen-fake.h"
#include "xenio/blkif.h"

#define GUEST 1
#define DEPTH 32

/* As long as a busy ring may go without a look. */
#define HOLD_NS 100000

extern const struct transport xenio_transport;

struct guest {
	struct rig *rig;
	struct xen_fake *fake;
	struct blkif *blkif;
	struct channel *ch;
	struct front front;
	uint32_t port;
	uint8_t *data; /* a page for each request */
	enum req_op op[DEPTH];
	void *buf[DEPTH];
};

static void gone(void *arg)
{
	struct guest *g = arg;

	blkif_free(g->blkif);
	g->blkif = NULL;
}

static void *join(struct rig *rig)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct blkif_connect c = { .domid = GUEST, .journal_fd = -1 };
	uint32_t i;

	assert_non_null(g);
	g->rig = rig;
	g->fake = xen_fake_new();
	xen_fake_domain(g->fake, GUEST, 1 + DEPTH);
	for (i = 0; i <= DEPTH; i++)
		xen_fake_grant(g->fake, GUEST, i, i, true);
	g->data = (uint8_t *)xen_fake_memory(g->fake, GUEST) + XEN_FAKE_PAGE;
	front_init(&g->front, &front_layouts[1],
		   xen_fake_memory(g->fake, GUEST), XEN_FAKE_PAGE);
	g->port = xen_fake_port(g->fake, GUEST);
	assert_int_equal(blkif_new(&g->blkif, rig->loop, xen_fake_xen(g->fake),
				   &rig->err),
			 0);
	c.blkif = g->blkif;
	c.proto = g->front.l->proto;
	c.port = g->port;
	if (channel_open(&g->ch, rig->vbd, &xenio_transport, "xenio:1/51712.0",
			 &c, &rig->err)) {
		return NULL;
	}
	channel_on_gone(g->ch, gone, g);
	return g;
}

static void show(struct guest *g)
{
	if (front_push(&g->front))
		xen_fake_kick(g->fake, g->port);
}

static void ask(void *client, unsigned tag, enum req_op op, uint64_t off,
		void *buf)
{
	const struct front_layout *l = front_layouts + 1;
	struct guest *g = client;
	uint8_t *page = g->data + (size_t)tag * XEN_FAKE_PAGE;

	g->op[tag] = op;
	g->buf[tag] = buf;
	if (op == REQ_FLUSH)
		(void)front_req(&g->front, l->flush, tag, UINT64_MAX, 0, 0);
	else
		(void)front_req(&g->front, op == REQ_READ ? l->read : l->write,
				tag, off / 512, 1, 1 + tag);
	if (op == REQ_WRITE)
		memcpy(page, buf, XEN_FAKE_PAGE);
	show(g);
}

static bool answer(void *client, unsigned *tag, bool *ok)
{
	struct guest *g = client;
	int16_t status;
	uint64_t id;
	uint8_t op;

	if (!front_answer(&g->front, &id, &op, &status)) {
		/* A busy ring is looked at when time goes on. */
		rig_pass(g->rig, HOLD_NS);
		return false;
	}
	assert_true(id < DEPTH);
	*tag = (unsigned)id;
	*ok = status == 0;
	if (g->op[id] == REQ_READ)
		memcpy(g->buf[id], g->data + id * XEN_FAKE_PAGE, XEN_FAKE_PAGE);
	return true;
}

/* It leaves a ring that cannot be one. */
static void leave(void *client)
{
	struct guest *g = client;

	g->front.prod += 1000;
	(void)front_push(&g->front); /* it will not wait for an answer */
	xen_fake_kick(g->fake, g->port);
}

static void free_guest(void *client)
{
	struct guest *g = client;

	assert_null(g->blkif);
	assert_int_equal(xen_fake_mapped(g->fake), 0);
	assert_int_equal(xen_fake_bound(g->fake), 0);
	xen_fake_free(g->fake);
	free(g);
}

int main(void)
{
	static const struct suite_kit kit = {
		.name = "channel suite: xenio",
		.depth = DEPTH,
		.join = join,
		.ask = ask,
		.answer = answer,
		.leave = leave,
		.free = free_guest,
	};

	return suite_run(&kit);
}
