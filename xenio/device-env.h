/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device-env.h - what a device is told when it is made.
 */
#ifndef XENIO_DEVICE_ENV_H
#define XENIO_DEVICE_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include "xenio/xenbus.h"

struct loop;
struct xen;

/* What the devices of a daemon share. */
struct device_env {
	struct loop *loop;
	struct xen *xen;
	unsigned domid;              /* our own */
	const char *control_dir;     /* of tapdisks; NULL: the usual one */
	unsigned timeout_ms;         /* of one exchange; 0: the usual one */
	struct xenbus_limits limits; /* advertised */
	unsigned max_segs;           /* likewise, of an indirect request */
	bool barrier;                /* likewise */
	bool persistent;             /* likewise, grants */
	const char *opener;          /* starts and ends tapdisks of disks of
					type "vbd" that carry no marker, see
					device-open.c; NULL: nobody does */
	const char *kernel_dir;      /* of the kernel's backend devices, in
					sysfs; NULL: the usual one */
};

struct device_id {
	const char *type; /* "vbd3"; must outlive the device */
	unsigned domid;   /* the guest's */
	unsigned devid;
	bool marked; /* the kernel's, unless it carries the marker */
};

/* The token of the watch on F: begins with this, then "type/domid/devid". */
#define DEVICE_TOKEN "front:"

#endif /* XENIO_DEVICE_ENV_H */
