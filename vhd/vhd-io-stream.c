/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-io-stream.c - an image that comes by a pipe.
 *
 * It is read forwards; backwards is -ESPIPE, but for its head, which is kept.
 * How long it is nobody knows: the file ends very far away, and there, where
 * the primary footer should be, is its copy from the head.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vhd/vhd.h"

#define HEAD     1536u /* footer and header */
#define FAR_AWAY (1ull << 50)

struct stream {
	struct vhd_io io; /* first */
	int fd;
	uint64_t pos;
	uint8_t head[HEAD];
	uint8_t skip[65536];
};

static int take(struct stream *s, uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = read(s->fd, p, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ERANGE;
		p += n;
		len -= (size_t)n;
		s->pos += (uint64_t)n;
	}
	return 0;
}

static int stream_pread(struct vhd_io *io, void *buf, size_t len, uint64_t off)
{
	struct stream *s = (struct stream *)io;
	int rc = 0;

	if (off >= FAR_AWAY - 512)
		off -= FAR_AWAY - 512;
	if (off + len <= HEAD) {
		memcpy(buf, s->head + off, len);
		return 0;
	}
	if (off < s->pos)
		return -ESPIPE;
	while (!rc && s->pos < off) {
		uint64_t n = off - s->pos;

		rc = take(s, s->skip,
			  n < sizeof(s->skip) ? (size_t)n : sizeof(s->skip));
	}
	return rc ? rc : take(s, buf, len);
}

static int stream_size(struct vhd_io *io, uint64_t *out)
{
	(void)io;

	*out = FAR_AWAY;
	return 0;
}

static void stream_close(struct vhd_io *io)
{
	(void)close(((struct stream *)io)->fd); /* was read only */
	free(io);
}

int vhd_io_stream(struct vhd_io **out, int fd)
{
	struct stream *s = calloc(1, sizeof(*s));
	int rc;

	if (!s)
		return -ENOMEM;
	s->fd = fd;
	rc = take(s, s->head, HEAD);
	if (rc) {
		free(s);
		return rc == -ERANGE ? -EINVAL : rc;
	}
	s->io = (struct vhd_io){
		.pread = stream_pread,
		.size = stream_size,
		.close = stream_close,
	};
	*out = &s->io;
	return 0;
}
