/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * blktap2.h - the blktap2 kernel device of this host, whichever it is.
 *
 * Variants differ in names, poll and what they can do (abi.h).  Which one it
 * is, is found out by asking: the name in /proc/misc; then, when a disk is
 * created, whether the 56-byte structure of CREATE is known (else the old
 * call) and which of its flags come back (a flag that no module knows tells
 * whether flags are looked at).
 */
#ifndef COMPAT_BLKTAP2_BLKTAP2_H
#define COMPAT_BLKTAP2_BLKTAP2_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;

#define BLKTAP2_DIR "/dev/xen/blktap-2"

/* The module as tools see it. */
struct blktap2_host {
	bool classic;        /* names of old kernels, not XenServer's */
	unsigned misc_minor; /* of the control device */
};

/*
 * -ENODEV when no module is there ("blktap kernel module not installed").
 * root is put before /proc; "" but in tests.
 */
int blktap2_probe(struct blktap2_host *out, const char *root, struct err *err);

/* The block major that /proc/devices names tapdev; -ENODEV. */
int blktap2_disk_major(unsigned *major, const char *root, struct err *err);

/*
 * Take a minor from the module and make its nodes BLKTAP2_DIR/blktapN and
 * tapdevN, root's alone. Give it back, with its nodes; -EBUSY, -ENODEV.
 */
int blktap2_allocate(const struct blktap2_host *host, unsigned *minor,
		     struct err *err);
int blktap2_free(const struct blktap2_host *host, unsigned minor,
		 struct err *err);

/* Minors there are, in order of the directory; -errno or their number. */
int blktap2_list(const struct blktap2_host *host, unsigned *minors,
		 unsigned max);

/* What the kernel is told when the disk is created. */
struct blktap2_disk {
	uint64_t sectors;     /* of 512 bytes */
	uint32_t sector_size; /* 512 or 4096 */
	uint32_t physical_size;
	bool readonly;
	bool flush; /* we would serve FLUSH */
	bool trim;  /* and TRIM */
};

/*
 * One ring device: an object, so that tests can have one of plain memory.
 * All calls return 0 or -errno.
 */
struct blktap2_dev {
	int fd;    /* for epoll, edge-triggered; a wake is a hint */
	void *map; /* ring page and data area: ABI_MAP_SIZE bytes */
	/* Behind it, for large requests; none but with our own module. */
	size_t window;  /* bytes */
	size_t largest; /* of a request */
	bool flush;     /* after create(): the kernel sends FLUSH */
	bool trim;

	/* -EEXIST is success: an earlier process made the disk. */
	int (*create)(struct blktap2_dev *dev, const struct blktap2_disk *disk,
		      struct err *err);
	/* A disk of another size; -EOPNOTSUPP on most modules. */
	int (*resize)(struct blktap2_dev *dev, uint64_t sectors,
		      uint32_t sector_size);
	int (*respond)(struct blktap2_dev *dev);
	/* -EBUSY while the block device is open: try again. */
	int (*remove)(struct blktap2_dev *dev);
	void (*close)(struct blktap2_dev *dev);
};

/* Open and map BLKTAP2_DIR/blktapN. */
int blktap2_open(struct blktap2_dev **out, unsigned minor, struct err *err);

#endif /* COMPAT_BLKTAP2_BLKTAP2_H */
