/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * nbd-turn.c - which of a disk's NBD clients may change it now.
 */
#include "tapdisk/nbd-turn.h"

#include "tapdisk/channel.h"
#include "tapdisk/transport.h"

void nbd_turn_init(struct nbd_turn *t, struct channel *ch)
{
	t->ch = ch;
	list_init(&t->kick.link);
}

/* The next one after pos, which is a link of vbd_channels(); NULL: no more. */
static struct nbd_turn *next_other(const struct nbd_turn *t, struct list **pos)
{
	struct list *head = vbd_channels(t->ch->vbd);
	struct channel *ch;

	for (*pos = (*pos)->next; *pos != head; *pos = (*pos)->next) {
		ch = channel_of(*pos);
		if (ch->tr == t->ch->tr && ch != t->ch)
			return ch->state;
	}
	return NULL;
}

static void kick_others(const struct nbd_turn *t)
{
	struct list *pos = vbd_channels(t->ch->vbd);
	struct nbd_turn *other;

	while ((other = next_other(t, &pos))) {
		if (other->waits_ns && !list_linked(&other->kick.link))
			loop_defer(other->ch->loop, &other->kick);
	}
}

static bool stands_in_the_way(const struct nbd_turn *other, bool merge,
			      uint64_t since)
{
	if (other->merging || (merge && other->changes))
		return true;
	return other->waits_ns && other->waits_ns < since &&
	       (merge || other->waits_merge);
}

bool nbd_turn_ask(struct nbd_turn *t, bool merge)
{
	struct list *pos = vbd_channels(t->ch->vbd);
	uint64_t now = loop_now_ns(t->ch->loop);
	uint64_t since = t->waits_ns ? t->waits_ns : now;
	struct nbd_turn *other;

	while ((other = next_other(t, &pos))) {
		if (stands_in_the_way(other, merge, since)) {
			t->waits_ns = since;
			t->waits_merge = merge;
			return false;
		}
	}
	if (t->waits_ns)
		nbd_turn_leave(t);
	return true;
}

void nbd_turn_begin(struct nbd_turn *t, bool merge)
{
	t->changes++;
	t->merging = merge;
}

void nbd_turn_end(struct nbd_turn *t)
{
	t->changes--;
	t->merging = false;
	kick_others(t);
}

void nbd_turn_leave(struct nbd_turn *t)
{
	t->waits_ns = 0;
	t->waits_merge = false;
	kick_others(t);
}

void nbd_turn_share(const struct nbd_turn *t, uint64_t *bytes, unsigned *parts)
{
	struct list *pos = vbd_channels(t->ch->vbd);
	unsigned clients = 1;

	while (next_other(t, &pos))
		clients++;
	*bytes = vbd_env(t->ch->vbd)->in_flight / 2 / clients;
	*parts = NBD_TURN_PARTS / clients;
}
