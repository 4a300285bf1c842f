/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tapdev.h - the kernel device of an attached minor.
 *
 * Attached, the ring device is open and mapped; served, there is a block
 * device whose requests come to the disk.  The block device can only go when
 * nobody has it open, and its last user's dirty pages come through us first:
 * so it is removed while the disk still runs, before the disk is closed.
 */
#ifndef TAPDISK_TAPDEV_H
#define TAPDISK_TAPDEV_H

#include "tapdisk/vbd.h"

struct err;
struct loop;
struct tapdev;

/* Open and map the ring device of a minor. */
int tapdev_attach(struct tapdev **out, struct loop *loop, unsigned minor,
		  struct err *err);

/* Not served any more; NULL is fine. */
void tapdev_detach(struct tapdev *tapdev);

/* Make the block device of a disk that runs. */
int tapdev_serve(struct tapdev *tapdev, struct vbd *vbd, struct err *err);

/*
 * Take the block device away. Tried again while somebody has it open, as long
 * as wanted(arg) is true; then the call ends with -EBUSY and the disk goes on
 * as it was. With wanted NULL, once, whatever comes of it: requests that come
 * later wait in the kernel. call->done() is called from the loop, soon where
 * there is no block device.
 */
void tapdev_remove(struct tapdev *tapdev, bool (*wanted)(void *arg), void *arg,
		   struct vbd_call *call);

#endif /* TAPDISK_TAPDEV_H */
