/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* copy.h - what a guest would read, into another image or a plain disk. */
#ifndef VHD_COPY_H
#define VHD_COPY_H

#include <stdint.h>

struct err;
struct vhd;
struct vhd_chain;
struct vhd_crypt;
struct vhd_io;
struct vhd_progress;

struct vhd_copy {
	struct vhd_chain *chain; /* from this chain, */
	struct vhd_io *plain;    /* or this disk, */
	uint64_t size;           /* this many bytes, */
	struct vhd *to;          /* to this empty image, */
	struct vhd_io *to_plain; /* or this disk of zeroes, */
	struct vhd_crypt *crypt; /* encrypted, if not NULL */
	const struct vhd_progress *progress;
};

int vhd_copy(const struct vhd_copy *p, struct err *err);

#endif /* VHD_COPY_H */
