/* SPDX-License-Identifier: GPL-2.0-or-later */
/* meta.c - struct vhd_io over an image, in aligned pieces. */
#include "drivers/vhd/meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>

#define PIECE (64u << 10)

static struct meta *meta(struct vhd_io *io)
{
	return container_of(io, struct meta, io);
}

static int transfer(struct meta *m, enum req_op op, uint64_t off, size_t len)
{
	struct iovec iov = { m->buf, len };
	struct req req = {
		.op = op, .off = off, .len = len, .iov = &iov, .iovcnt = 1
	};

	return image_wait(m->file, &req);
}

/* The sectors around len bytes at off, as far as one piece goes. */
static size_t span(uint64_t off, size_t len, uint64_t *start, size_t *part)
{
	size_t skip = off % VHD_SECTOR;

	*start = off - skip;
	*part = len < PIECE - skip ? len : PIECE - skip;
	return bytes_round_up(skip + *part, VHD_SECTOR);
}

static int meta_pread(struct vhd_io *io, void *buf, size_t len, uint64_t off)
{
	struct meta *m = meta(io);

	if (!bytes_within(off, len, m->bottom->info.size))
		return -ERANGE;
	while (len) {
		uint64_t start;
		size_t part, all = span(off, len, &start, &part);
		int ret = transfer(m, REQ_READ, start, all);

		if (ret)
			return ret;
		memcpy(buf, m->buf + (off - start), part);
		buf = (char *)buf + part;
		off += part;
		len -= part;
	}
	return 0;
}

static int meta_pwrite(struct vhd_io *io, const void *buf, size_t len,
		       uint64_t off)
{
	struct meta *m = meta(io);

	while (len) {
		uint64_t start, size = m->bottom->info.size;
		size_t part, all = span(off, len, &start, &part);
		int ret = 0;

		if (part != all && start + all <= size)
			ret = transfer(m, REQ_READ, start, all);
		else if (part != all)
			memset(m->buf, 0, all);
		memcpy(m->buf + (off - start), buf, part);
		if (!ret)
			ret = transfer(m, REQ_WRITE, start, all);
		if (ret)
			return ret;
		buf = (const char *)buf + part;
		off += part;
		len -= part;
	}
	return 0;
}

static int meta_sync(struct vhd_io *io)
{
	struct req req = { .op = REQ_FLUSH };
	int ret = image_wait(meta(io)->file, &req);

	/* What has no flush has nothing to be flushed. */
	return ret == -EOPNOTSUPP ? 0 : ret;
}

static int meta_resize(struct vhd_io *io, uint64_t size)
{
	struct req req = { .op = REQ_RESIZE, .off = size };

	return image_wait(meta(io)->file, &req);
}

static int meta_size(struct vhd_io *io, uint64_t *out)
{
	*out = meta(io)->bottom->info.size;
	return 0;
}

/* Where an image without a batmap has its key hash. */
static int meta_get_attr(struct vhd_io *io, const char *name, void *buf,
			 size_t len)
{
	ssize_t n = getxattr(meta(io)->bottom->name, name, buf, len);

	if (n >= 0)
		return (size_t)n == len ? 0 : -EINVAL;
	/* No path at all is the name of no file. */
	return errno == ENOTSUP || errno == ENOENT ? -ENODATA : -errno;
}

static void meta_nothing(struct vhd_io *io)
{
	(void)io;
}

int meta_open(struct meta *m, struct image *file, const struct image *bottom)
{
	m->io = (struct vhd_io){ .pread = meta_pread,
				 .pwrite = meta_pwrite,
				 .sync = meta_sync,
				 .resize = meta_resize,
				 .size = meta_size,
				 .get_attr = meta_get_attr,
				 .close = meta_nothing };
	m->file = file;
	m->bottom = bottom;
	m->buf = aligned_alloc(4096, PIECE);
	return m->buf ? 0 : -ENOMEM;
}

void meta_close(struct meta *m)
{
	free(m->buf);
	m->buf = NULL;
}
