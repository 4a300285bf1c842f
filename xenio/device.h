/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * device.h - one disk: from its two directories in XenStore to a tapdisk.
 *
 * On any change a device reads all of both directories in one transaction,
 * asks xenbus_next() what to do, does that one thing, and looks again.
 * Every exchange with a tapdisk is asynchronous and has a deadline, so a
 * tapdisk that hangs concerns its own disks alone.  However fast a guest
 * changes its nodes, a device looks at them a bounded number of times a
 * second and remembers nothing of the changes in between.
 *
 * What it writes, it writes in a transaction that first finds B still there
 * and in the state it was in when the decision was made: a write to a
 * directory that the toolstack has removed would make it anew.  New nodes
 * get the permissions of B, which the toolstack made: ours to write, the
 * guest's to read.
 */
#ifndef XENIO_DEVICE_H
#define XENIO_DEVICE_H

#include "xenio/device-env.h"

struct device;

/*
 * gone() is called when B is no more and nothing of the device is left; it
 * may free the device.
 */
int device_new(struct device **out, const struct device_env *env,
	       const struct device_id *id, void (*gone)(void *arg), void *arg);

/* Leaves the guest's ring and XenStore as they are. */
void device_free(struct device *dev);

/* Something may have changed; a domain may have ended. */
void device_poke(struct device *dev);
void device_poke_domain(struct device *dev);

#endif /* XENIO_DEVICE_H */
