/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * channel.h - the core's side of a channel; transport.h has the other.
 */
#ifndef TAPDISK_CHANNEL_H
#define TAPDISK_CHANNEL_H

#include "tapdisk/transport.h"
#include "tapdisk/vbd.h"

/*
 * Open a channel to a vbd in any state but CLOSED and DEAD (-ENODEV); it
 * starts when the vbd runs. arg is the transport's. name is copied.
 */
int channel_open(struct channel **out, struct vbd *vbd,
		 const struct transport *tr, const char *name, const void *arg,
		 struct err *err);

/*
 * Stop, wait for what is in flight, flush, close, free; then gone(arg), from
 * the loop. gone may be NULL. May be called again, up to eight times: each
 * gone is kept. The vbd closes its channels before it closes, and one may die
 * by itself (channel_dead): whoever keeps a pointer to one sets on_gone.
 */
void channel_close(struct channel *ch, void (*gone)(void *arg), void *arg);

/* Called, whatever the reason, just before the channel is freed. */
void channel_on_gone(struct channel *ch, void (*gone)(void *arg), void *arg);

const struct vbd_counters *channel_counters(const struct channel *ch);
unsigned channel_in_flight(const struct channel *ch);
struct channel *channel_of(struct list *vbd_link);

#endif /* TAPDISK_CHANNEL_H */
