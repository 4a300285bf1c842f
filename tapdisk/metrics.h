/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * metrics.h - counters in shared memory, for the host's collectors.
 *
 * In /dev/shm/td3-<pid>/, a page each: vdi-<minor>, what the disk was asked
 * for; nbd-<minor> and nbd-old-<minor>, by NBD clients; vbd-<domid>-<devid>,
 * by a guest. In /dev/shm/vbd3-<domid>-<devid>/: statistics, in the layout of
 * the kernel's backend; io_ring, where the ring is (metrics-ring.h). Names,
 * sizes and offsets are those that collectors know. They are filled from the
 * disks' counters after activity, not more than ten times a second and without
 * a system call; io_ring, every five seconds while there is activity.
 */
#ifndef TAPDISK_METRICS_H
#define TAPDISK_METRICS_H

#include <stdint.h>
#include <sys/types.h>

struct err;
struct loop;
struct metrics;
struct metrics_disk;
struct vbd;

/*
 * In this folder; NULL: /dev/shm. What a dead process of the same pid has left
 * is removed.
 */
int metrics_new(struct metrics **out, struct loop *loop, const char *shm,
		pid_t pid, struct err *err);
void metrics_free(struct metrics *m);

/* The vbd must stay until it is removed; m may be NULL, and *out is then. */
int metrics_add_disk(struct metrics_disk **out, struct metrics *m,
		     struct vbd *vbd, struct err *err);
void metrics_remove_disk(struct metrics_disk *disk);

/* A guest's device is the sum of the disk's channels "xenio:DOMID/DEVID.*". */
int metrics_add_guest(struct metrics_disk *disk, uint32_t domid, uint32_t devid,
		      struct err *err);
void metrics_remove_guest(struct metrics_disk *disk, uint32_t domid,
			  uint32_t devid);

#endif /* TAPDISK_METRICS_H */
