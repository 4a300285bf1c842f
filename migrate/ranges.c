/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ranges.c - a raw image, by its tapdisk and around it.
 */
#include "migrate/ranges.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/cleanup.h"
#include "lib/err.h"

enum {
	RANGE = 64 << 10,
	TRIES = 20,      /* 50 ms apart */
	HELLO = 18,      /* two magic numbers and the server's flags */
	OPTION_NAME = 1, /* NBD_OPT_EXPORT_NAME: what follows is the disk */
	EXPORT = 10,     /* size and flags */
	FLAGS_PLAIN = 3, /* fixed, and no zeroes after the export */
	REQUEST = 28,
	REPLY = 16,
};

#define MAGIC_OPTION  0x49484156454f5054ull
#define MAGIC_REQUEST 0x25609513u
#define MAGIC_REPLY   0x67446698u

/* Both ways, open. */
struct ways {
	int nbd;
	int file;
	uint64_t size;
};

static int receive(int fd, uint8_t *to, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, to, len, MSG_WAITALL);

		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		to += n;
		len -= (size_t)n;
	}
	return 0;
}

static int give(int fd, const uint8_t *from, size_t len)
{
	ssize_t n = send(fd, from, len, MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	return n == (ssize_t)len ? 0 : -ECONNRESET;
}

/* Say hello, and ask for the export without a name. */
static int greet(struct ways *w)
{
	uint8_t hello[HELLO];
	uint8_t option[4 + 16] = { 0 };
	uint8_t export[EXPORT];
	int rc = receive(w->nbd, hello, sizeof(hello));

	if (rc < 0)
		return rc;
	if (memcmp(hello, "NBDMAGICIHAVEOPT", 16) != 0)
		return -EPROTO;
	bytes_put_be32(option, FLAGS_PLAIN);
	bytes_put_be64(option + 4, MAGIC_OPTION);
	bytes_put_be32(option + 12, OPTION_NAME);
	rc = give(w->nbd, option, sizeof(option));
	if (!rc)
		rc = receive(w->nbd, export, sizeof(export));
	if (!rc)
		w->size = bytes_be64(export);
	return rc;
}

static int reach(struct ways *w, const char *socket_path)
{
	const struct timeval limit = { .tv_sec = 10 };
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	if (strlen(socket_path) >= sizeof(to.sun_path))
		return -ENAMETOOLONG;
	memcpy(to.sun_path, socket_path, strlen(socket_path) + 1);
	w->nbd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (w->nbd < 0 ||
	    setsockopt(w->nbd, SOL_SOCKET, SO_RCVTIMEO, &limit,
		       sizeof(limit)) ||
	    connect(w->nbd, (struct sockaddr *)&to, sizeof(to)) < 0)
		return -errno;
	return greet(w);
}

static int by_nbd(const struct ways *w, uint64_t at, uint32_t len, uint8_t *to)
{
	uint8_t request[REQUEST] = { 0 };
	uint8_t reply[REPLY];
	int rc;

	bytes_put_be32(request, MAGIC_REQUEST);
	bytes_put_be64(request + 16, at);
	bytes_put_be32(request + 24, len);
	rc = give(w->nbd, request, sizeof(request));
	if (!rc)
		rc = receive(w->nbd, reply, sizeof(reply));
	if (rc)
		return rc;
	if (bytes_be32(reply) != MAGIC_REPLY)
		return -EPROTO;
	return bytes_be32(reply + 4) ? -EIO : receive(w->nbd, to, len);
}

static int by_file(const struct ways *w, uint64_t at, uint32_t len, uint8_t *to)
{
	ssize_t n = pread(w->file, to, len, (off_t)at);

	if (n < 0)
		return -errno;
	return n == (ssize_t)len ? 0 : -ENODATA;
}

static int compare_at(const struct ways *w, uint64_t at, uint32_t len,
		      struct err *err)
{
	const struct timespec moment = { .tv_nsec = 50 * 1000 * 1000 };
	cleanup_free uint8_t *a = aligned_alloc(4096, RANGE);
	cleanup_free uint8_t *b = aligned_alloc(4096, RANGE);

	if (!a || !b)
		return err_set(err, -ENOMEM, "out of memory");
	for (int i = 0; i < TRIES; i++) {
		int rc = by_nbd(w, at, len, a);

		if (!rc)
			rc = by_file(w, at, len, b);
		if (rc)
			return err_set(err, rc, "at %" PRIu64 ": %s", at,
				       strerror(-rc));
		if (!memcmp(a, b, len))
			return 0;
		(void)nanosleep(&moment, NULL); /* a shorter one will do */
	}
	return err_set(err, -EILSEQ,
		       "%u bytes at %" PRIu64 " are not what the tapdisk reads",
		       len, at);
}

static int compare(struct ways *w, unsigned count, struct err *err)
{
	uint32_t len = w->size < RANGE ? (uint32_t)w->size : RANGE;
	int rc = 0;

	for (unsigned i = 0; !rc && len && i < count; i++) {
		uint64_t at;

		if (getrandom(&at, sizeof(at), 0) != sizeof(at))
			return err_sys(err, "getrandom");
		at = at % (w->size - len + 1) / 4096 * 4096;
		/* The ends are where sizes go wrong. */
		if (i < 2)
			at = i ? (w->size - len) / 4096 * 4096 : 0;
		rc = compare_at(w, at, len, err);
	}
	return rc;
}

int ranges_compare(const char *socket, const char *file, unsigned count,
		   struct err *err)
{
	struct ways w = { .nbd = -1, .file = -1 };
	int rc = reach(&w, socket);

	if (rc)
		(void)err_set(err, rc, "%s: %s", socket, strerror(-rc));
	if (!rc) {
		w.file = open(file, O_RDONLY | O_CLOEXEC | O_DIRECT);
		if (w.file < 0)
			w.file = open(file, O_RDONLY | O_CLOEXEC);
		rc = w.file < 0 ? err_sys(err, "%s", file)
				: compare(&w, count, err);
	}
	if (w.nbd >= 0)
		(void)close(w.nbd); /* nothing was written by it */
	if (w.file >= 0)
		(void)close(w.file); /* likewise */
	return rc;
}
