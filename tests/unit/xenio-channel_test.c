/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * xenio-channel_test.c - a guest's ring passes the suite of all transports,
 * over the core as it is.
 */
#include "tests/lib/channel-suite.h"

#include <stdlib.h>
#include <string.h>

#include "tests/lib/guest.h"
#include "tests/lib/test.h"

/* As long as a busy ring may go without a look. */
#define HOLD_NS 100000

struct client {
	struct guest *guest;
	enum req_op op[GUEST_DEPTH];
	void *buf[GUEST_DEPTH];
};

static void *join(struct rig *rig)
{
	struct client *c = calloc(1, sizeof(*c));

	assert_non_null(c);
	c->guest = guest_new(rig, guest_xen(), false);
	assert_non_null(c->guest);
	return c;
}

static uint8_t *page(struct client *c, unsigned tag)
{
	return c->guest->data + (size_t)tag * XEN_FAKE_PAGE;
}

static void ask(void *client, unsigned tag, enum req_op op, uint64_t off,
		void *buf)
{
	struct client *c = client;

	c->op[tag] = op;
	c->buf[tag] = buf;
	if (op == REQ_WRITE)
		memcpy(page(c, tag), buf, XEN_FAKE_PAGE);
	guest_ask(c->guest, tag, op, off);
}

static bool answer(void *client, unsigned *tag, bool *ok)
{
	struct client *c = client;
	int16_t status;

	if (!guest_answer(c->guest, tag, &status)) {
		/* A busy ring is looked at when time goes on. */
		rig_pass(c->guest->rig, HOLD_NS);
		return false;
	}
	assert_true(*tag < GUEST_DEPTH);
	*ok = status == RING_OKAY;
	if (c->op[*tag] == REQ_READ)
		memcpy(c->buf[*tag], page(c, *tag), XEN_FAKE_PAGE);
	return true;
}

/* It leaves a ring that cannot be one. */
static void leave(void *client)
{
	struct guest *g = ((struct client *)client)->guest;

	g->front.prod += 1000;
	(void)front_push(&g->front); /* it will not wait for an answer */
	xen_fake_kick(g->fake, g->port);
}

static void free_client(void *client)
{
	struct client *c = client;
	struct xen_fake *fake = c->guest->fake;

	assert_int_equal(xen_fake_mapped(fake), 0);
	assert_int_equal(xen_fake_bound(fake), 0);
	guest_free(c->guest);
	xen_fake_free(fake);
	free(c);
}

int main(void)
{
	static const struct suite_kit kit = {
		.name = "channel suite: xenio",
		.depth = GUEST_DEPTH,
		.join = join,
		.ask = ask,
		.answer = answer,
		.leave = leave,
		.free = free_client,
	};

	return suite_run(&kit);
}
