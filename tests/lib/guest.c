/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * guest.c - a guest with a ring of one page, as a client of a rig's disk.
 */
#include "tests/lib/guest.h"

#include <assert.h>
#include <stdlib.h>

#include "xenio/blkif.h"

extern const struct transport xenio_transport;

static void gone(void *arg)
{
	struct guest *g = arg;

	blkif_free(g->blkif);
	g->blkif = NULL;
	g->ch = NULL;
}

struct xen_fake *guest_xen(void)
{
	struct xen_fake *fake = xen_fake_new();
	uint32_t i;

	xen_fake_domain(fake, GUEST, 1 + GUEST_DEPTH);
	for (i = 0; i <= GUEST_DEPTH; i++)
		xen_fake_grant(fake, GUEST, i, i, true);
	return fake;
}

struct guest *guest_new(struct rig *rig, struct xen_fake *fake, bool persistent)
{
	struct guest *g = calloc(1, sizeof(*g));
	struct blkif_connect c = { .domid = GUEST, .journal_fd = -1 };
	uint8_t *memory = xen_fake_memory(fake, GUEST);

	assert(g);
	g->rig = rig;
	g->fake = fake;
	g->data = memory + XEN_FAKE_PAGE;
	front_init(&g->front, &front_layouts[1], memory, XEN_FAKE_PAGE);
	g->port = xen_fake_port(fake, GUEST);
	if (blkif_new(&g->blkif, rig->loop, xen_fake_xen(fake), &rig->err)) {
		free(g);
		return NULL;
	}
	c.blkif = g->blkif;
	c.persistent = persistent;
	c.proto = g->front.l->proto;
	c.port = g->port;
	if (channel_open(&g->ch, rig->vbd, &xenio_transport, "xenio:1/51712.0",
			 &c, &rig->err)) {
		blkif_free(g->blkif);
		free(g);
		return NULL;
	}
	channel_on_gone(g->ch, gone, g);
	return g;
}

void guest_free(struct guest *g)
{
	assert(!g->blkif);
	free(g);
}

void guest_ask(struct guest *g, unsigned tag, enum req_op op, uint64_t off)
{
	const struct front_layout *l = g->front.l;

	if (op == REQ_FLUSH)
		(void)front_req(&g->front, l->flush, tag, UINT64_MAX, 0, 0);
	else
		(void)front_req(&g->front, op == REQ_READ ? l->read : l->write,
				tag, off / 512, 1, 1 + tag);
	if (front_push(&g->front))
		xen_fake_kick(g->fake, g->port);
}

bool guest_answer(struct guest *g, unsigned *tag, int16_t *status)
{
	uint64_t id;
	uint8_t op;

	if (!front_answer(&g->front, &id, &op, status))
		return false;
	*tag = (unsigned)id;
	return true;
}
