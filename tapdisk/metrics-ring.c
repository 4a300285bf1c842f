/* SPDX-License-Identifier: GPL-2.0-or-later */
/* metrics-ring.c - the file io_ring of a guest's device. */
#include "tapdisk/metrics-ring.h"

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/err.h"
#include "xenio/ring.h"

#define TEXT 160

/* The usual one: reflected, polynomial 0x04c11db7. */
static uint32_t crc32_of(const char *text, size_t len)
{
	uint32_t crc = ~UINT32_C(0);

	while (len--) {
		crc ^= (unsigned char)*text++;
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? UINT32_C(0xedb88320) : 0);
	}
	return ~crc;
}

int metrics_ring_open(struct metrics_ring *file, const char *dir,
		      struct err *err)
{
	static const struct ring_indices none;
	char fresh[TAPCTL_PATH];
	int code;

	(void)tapctl_path(file->path, dir, "io_ring"); /* it fits */
	(void)tapctl_path(fresh, dir, "io_ring~");     /* it fits */
	(void)unlink(fresh); /* of a dead process, or none */
	file->fd = open(fresh,
			O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW,
			0600);
	if (file->fd < 0)
		return err_sys(err, "%s", fresh);
	file->made = true;
	metrics_ring_write(file, &none);
	if (!rename(fresh, file->path))
		return 0;
	code = err_sys(err, "%s", file->path);
	(void)unlink(fresh); /* it is of no use */
	metrics_ring_close(file);
	return code;
}

void metrics_ring_write(const struct metrics_ring *file,
			const struct ring_indices *at)
{
	char buf[sizeof(uint64_t) + TEXT], *text = buf + sizeof(uint64_t);
	uint64_t sum;
	size_t len;

	if (!file->made)
		return;
	(void)snprintf(text, TEXT,
		       "nr_ents %u\nreq prod %u cons %d event %u\n"
		       "rsp prod %u pvt %d event %u\n",
		       at->entries, at->req_prod, (int)at->req_cons,
		       at->req_event, at->rsp_prod, (int)at->rsp_pvt,
		       at->rsp_event); /* it fits */
	len = strlen(text);
	sum = crc32_of(text, len);
	memcpy(buf, &sum, sizeof(sum));
	len += sizeof(sum);
	/* Whoever reads it looks at the checksum, which tells of a failure. */
	if (pwrite(file->fd, buf, len, 0) != (ssize_t)len ||
	    ftruncate(file->fd, (off_t)len) < 0)
		return;
}

void metrics_ring_close(struct metrics_ring *file)
{
	struct stat ours, there;

	if (!file->made)
		return;
	if (!fstat(file->fd, &ours) && !lstat(file->path, &there) &&
	    ours.st_ino == there.st_ino)
		(void)unlink(file->path); /* another may have */
	(void)close(file->fd);            /* nothing is kept */
	memset(file, 0, sizeof(*file));
}
