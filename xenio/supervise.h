/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * supervise.h - all of a daemon's disks: finds them, and tells them of change.
 */
#ifndef XENIO_SUPERVISE_H
#define XENIO_SUPERVISE_H

#include <stdbool.h>
#include <stddef.h>

#include "xenio/device.h"

#define SUPERVISE_TYPES    8
#define SUPERVISE_TYPE_MAX 32 /* bytes of a name, its end included */
#define SUPERVISE_ANY      (~0u)

struct err;
struct supervise;

struct supervise_options {
	struct device_env env;
	const char *types[SUPERVISE_TYPES]; /* "vbd3"; must outlive it */
	unsigned ntypes;
	bool marked[SUPERVISE_TYPES]; /* only what carries the marker */
	unsigned only; /* serve this domain alone, or SUPERVISE_ANY */
};

/*
 * Our own domain's number, as XenStore says it; 0 where it does not.
 */
unsigned supervise_domid(struct xen *xen);

/* Watches and scans; what is found is served as the loop runs. */
int supervise_new(struct supervise **out,
		  const struct supervise_options *options, struct err *err);

/* Leaves rings and XenStore as they are. */
void supervise_free(struct supervise *sv);

/* How many disks there are. */
size_t supervise_count(const struct supervise *sv);

#endif /* XENIO_SUPERVISE_H */
