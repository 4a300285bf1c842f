/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stream.h - images written strictly forwards, and made like others. */
#ifndef VHD_STREAM_H
#define VHD_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct err;
struct vhd;
struct vhd_io;
struct vhd_progress;
struct vhd_source;

/*
 * A new, empty image in io with the metadata of like: its size, times,
 * parent. The id and time are those of named, if not NULL. With keyhash, the
 * key hash too.
 */
int vhd_clone(struct vhd_io *io, struct vhd *like, struct vhd *named,
	      bool keyhash, struct err *err);

struct vhd_forward {
	struct vhd *like;        /* whose metadata and whose blocks */
	struct vhd_source *from; /* their sectors */
	bool keyhash;            /* keep it */
	int (*out)(void *arg, const void *buf, size_t len);
	void *arg;
	const struct vhd_progress *progress;
};

/* Blocks in the order of the disk; no byte is written twice. */
int vhd_forward(const struct vhd_forward *f, struct err *err);

#endif /* VHD_STREAM_H */
