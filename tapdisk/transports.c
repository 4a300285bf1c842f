/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transports.c - the transports there are, one line each.
 */
#include <stddef.h>

#include "tapdisk/transport.h"

extern const struct transport nbd_transport;

const struct transport *const transports[] = {
	&nbd_transport,
	NULL,
};
