/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * transports.c - the transports there are, one line each.
 */
#include <stddef.h>
#include <string.h>

#include "tapdisk/transport.h"

extern const struct transport blktap2_transport;
extern const struct transport nbd_transport;
extern const struct transport xenio_transport;

const struct transport *const transports[] = {
	&blktap2_transport,
	&nbd_transport,
	&xenio_transport,
	NULL,
};

const struct transport *transports_find(const char *name)
{
	const struct transport *const *tr = transports;

	while (*tr && strcmp((*tr)->name, name) != 0)
		tr++;
	return *tr;
}
