/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-io-icbinn.c - images on an ICBINN server.
 *
 * One connection serves all files of a struct vhd_files; calls are made one
 * after the other.  Whatever breaks it (a reply that is none, a peer that is
 * gone, or silent for a minute) breaks it for good: -EIO from then on, and
 * never a local file instead.
 */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "lib/err.h"
#include "lib/parse.h"
#include "vhd/icbinn.h"
#include "vhd/vhd.h"

#define PATIENCE_S 60

struct server {
	struct vhd_files files; /* first */
	int fd;
	bool broken;
	uint32_t xid;
	struct vhd_xdr x; /* of the call, then of its reply */
	uint8_t buf[VHD_ICBINN_MESSAGE];
};

struct remote {
	struct vhd_io io; /* first */
	struct server *server;
	uint32_t handle;
	char path[VHD_ICBINN_PATH + 1];
};

static int send_all(int fd, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = send(fd, p, len, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

static int recv_all(int fd, uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = recv(fd, p, len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EIO;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

/* A record, of however many pieces. */
static int recv_record(struct server *s)
{
	uint8_t mark[4];
	uint32_t piece;

	s->x = (struct vhd_xdr){ .buf = s->buf };
	do {
		if (recv_all(s->fd, mark, sizeof(mark)))
			return -EIO;
		piece = bytes_be32(mark) & 0x7fffffff;
		if (piece > sizeof(s->buf) - s->x.size ||
		    recv_all(s->fd, s->buf + s->x.size, piece))
			return -EIO;
		s->x.size += piece;
	} while (!(mark[0] & 0x80));
	return 0;
}

static void begin(struct server *s, enum vhd_icbinn_proc proc)
{
	s->x = (struct vhd_xdr){ .buf = s->buf, .size = sizeof(s->buf) };
	vhd_icbinn_call(&s->x, ++s->xid, proc);
}

static int broken(struct server *s)
{
	s->broken = true;
	return -EIO;
}

/* Send what was begun; the reply's result lies in s->x. */
static int transact(struct server *s)
{
	size_t len = vhd_icbinn_seal(&s->x);
	uint32_t status, code;
	int rc;

	if (s->broken)
		return -EIO;
	if (!len)
		return -ENAMETOOLONG;
	if (send_all(s->fd, s->buf, len) || recv_record(s))
		return broken(s);
	rc = vhd_icbinn_get_reply(&s->x, s->xid);
	if (rc)
		return rc == -EPROTO ? broken(s) : rc;
	status = vhd_xdr_get32(&s->x);
	code = status ? vhd_xdr_get32(&s->x) : 0;
	if (s->x.bad)
		return broken(s);
	if (status)
		return code > 0 && code < 4096 ? -(int)code : -EIO;
	return 0;
}

static struct server *server_of(struct vhd_io *io, enum vhd_icbinn_proc proc)
{
	struct remote *r = (struct remote *)io;

	begin(r->server, proc);
	vhd_xdr_put32(&r->server->x, r->handle);
	return r->server;
}

static int read_piece(struct vhd_io *io, uint8_t *buf, size_t len, uint64_t off)
{
	struct server *s = server_of(io, ICBINN_PREAD);
	const uint8_t *p;
	size_t n;
	int rc;

	vhd_xdr_put64(&s->x, off);
	vhd_xdr_put64(&s->x, len);
	rc = transact(s);
	if (rc)
		return rc;
	p = vhd_xdr_get_bytes(&s->x, len, &n);
	if (!p)
		return broken(s);
	memcpy(buf, p, n);
	return (int)n;
}

static int remote_pread(struct vhd_io *io, void *buf, size_t len, uint64_t off)
{
	while (len) {
		size_t want = len < VHD_ICBINN_DATA ? len : VHD_ICBINN_DATA;
		int n = read_piece(io, buf, want, off);

		if (n <= 0)
			return n ? n : -ERANGE;
		buf = (uint8_t *)buf + n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int remote_pwrite(struct vhd_io *io, const void *buf, size_t len,
			 uint64_t off)
{
	int rc = 0;

	while (!rc && len) {
		size_t n = len < VHD_ICBINN_DATA ? len : VHD_ICBINN_DATA;
		struct server *s = server_of(io, ICBINN_PWRITE);

		vhd_xdr_put64(&s->x, off);
		vhd_xdr_put_bytes(&s->x, buf, n);
		rc = transact(s);
		buf = (const uint8_t *)buf + n;
		off += n;
		len -= n;
	}
	return rc;
}

static int remote_sync(struct vhd_io *io)
{
	return transact(server_of(io, ICBINN_FSYNC));
}

static int remote_resize(struct vhd_io *io, uint64_t size)
{
	struct server *s = server_of(io, ICBINN_FTRUNCATE);

	vhd_xdr_put64(&s->x, size);
	return transact(s);
}

static int stat_path(struct server *s, const char *path, uint64_t *size,
		     uint32_t *type)
{
	int rc;

	begin(s, ICBINN_STAT);
	vhd_xdr_put_bytes(&s->x, path, strlen(path));
	rc = transact(s);
	if (rc)
		return rc;
	*size = vhd_xdr_get64(&s->x);
	*type = vhd_xdr_get32(&s->x);
	return s->x.bad ? broken(s) : 0;
}

static int remote_size(struct vhd_io *io, uint64_t *out)
{
	struct remote *r = (struct remote *)io;
	uint32_t type;

	return stat_path(r->server, r->path, out, &type);
}

/* There are no attributes over there, and those here are not its. */
static int remote_get_attr(struct vhd_io *io, const char *name, void *buf,
			   size_t len)
{
	(void)io;
	(void)name;
	(void)buf;
	(void)len;

	return -EOPNOTSUPP;
}

static void remote_close(struct vhd_io *io)
{
	/* Whoever needs to know has synced. */
	(void)transact(server_of(io, ICBINN_CLOSE));
	free(io);
}

static int open_handle(struct server *s, struct remote *r, unsigned flags)
{
	uint32_t mode = ICBINN_RDONLY, type = ICBINN_FILE;
	uint64_t size;
	int rc = stat_path(s, r->path, &size, &type);

	if (flags & (VHD_FILES_WRITE | VHD_FILES_CREATE))
		mode = ICBINN_RDWR;
	if (flags & VHD_FILES_CREATE) {
		mode |= ICBINN_CREAT;
		rc = rc == -ENOENT ? 0 : rc ? rc : -EEXIST;
	} else if (!rc && type != ICBINN_FILE) {
		rc = -EINVAL;
	}
	if (rc)
		return rc;
	begin(s, ICBINN_OPEN);
	vhd_xdr_put_bytes(&s->x, r->path, strlen(r->path));
	vhd_xdr_put32(&s->x, mode);
	rc = transact(s);
	if (rc)
		return rc;
	r->handle = vhd_xdr_get32(&s->x);
	return s->x.bad ? broken(s) : 0;
}

static int icbinn_open(struct vhd_files *files, struct vhd_io **out,
		       const char *name, unsigned flags, struct err *err)
{
	struct server *s = (struct server *)files;
	struct remote *r = calloc(1, sizeof(*r));
	int rc = -ENOMEM;

	if (r && strlen(name) > VHD_ICBINN_PATH) {
		rc = -ENAMETOOLONG;
	} else if (r) {
		memcpy(r->path, name, strlen(name) + 1);
		rc = open_handle(s, r, flags);
	}
	if (rc) {
		free(r);
		return err_set(err, rc, "error opening %s: %s", name,
			       strerror(-rc));
	}
	r->server = s;
	r->io = (struct vhd_io){
		.pread = remote_pread,
		.pwrite = remote_pwrite,
		.sync = remote_sync,
		.resize = remote_resize,
		.size = remote_size,
		.get_attr = remote_get_attr,
		.close = remote_close,
	};
	*out = &r->io;
	return 0;
}

static int icbinn_remove(struct vhd_files *files, const char *name)
{
	struct server *s = (struct server *)files;

	begin(s, ICBINN_UNLINK);
	vhd_xdr_put_bytes(&s->x, name, strlen(name));
	return transact(s);
}

/* By text alone: "/" is the served root, and links are not looked at. */
static char *icbinn_resolve(struct vhd_files *files, const char *name)
{
	char *out = calloc(1, strlen(name) + 2), *end = out;

	(void)files;
	while (out && *name) {
		size_t n = strcspn(name, "/");

		if (n == 2 && !memcmp(name, "..", 2)) {
			while (end > out && *--end != '/')
				continue;
		} else if (n && !(n == 1 && *name == '.')) {
			*end++ = '/';
			memcpy(end, name, n);
			end += n;
		}
		*end = '\0';
		name += n + (name[n] == '/');
	}
	return out;
}

static int dial(const char *host, const char *port, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list, *a;
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd = -1, rc = getaddrinfo(host, port, &hints, &list);

	if (rc)
		return err_set(err, -EHOSTUNREACH, "%s:%s: %s", host, port,
			       gai_strerror(rc));
	rc = -ECONNREFUSED;
	for (a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC,
			    a->ai_protocol);
		if (fd < 0 || !connect(fd, a->ai_addr, a->ai_addrlen))
			continue;
		rc = -errno;
		(void)close(fd); /* it never was one */
		fd = -1;
	}
	freeaddrinfo(list);
	if (fd < 0)
		return err_set(err, rc, "%s:%s: %s", host, port, strerror(-rc));
	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience,
			 sizeof(patience)); /* or without patience's end */
	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience,
			 sizeof(patience)); /* likewise */
	return fd;
}

/* "tcp:HOST[:PORT]"; an address with colons stands in brackets. */
static int parse_server(const char *spec, char host[256], char port[8],
			struct err *err)
{
	const char *end, *rest;
	uint64_t n = VHD_ICBINN_PORT;
	int rc = strncmp(spec, "tcp:", 4) ? -EPROTONOSUPPORT : 0;

	if (rc)
		return err_set(err, rc,
			       "%s: not tcp:HOST[:PORT], which is all that is "
			       "built in",
			       spec);
	spec += 4;
	end = *spec == '[' ? strchr(spec++, ']') : strchrnul(spec, ':');
	rest = end && *end == ']' ? end + 1 : end;
	if (!end || end == spec || end - spec > 255 ||
	    (*rest && *rest != ':') ||
	    (*rest && parse_uint(&n, rest + 1, 1, 65535)))
		return err_set(err, -EINVAL, "%s: not HOST[:PORT]", spec);
	memcpy(host, spec, (size_t)(end - spec));
	host[end - spec] = '\0';
	(void)snprintf(port, 8, "%u", (unsigned)n);
	return 0;
}

int vhd_files_icbinn(struct vhd_files **out, const char *spec, struct err *err)
{
	char host[256], port[8];
	struct server *s;
	int rc = parse_server(spec, host, port, err);

	if (rc)
		return rc;
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_set(err, -ENOMEM, "%s", spec);
	s->fd = dial(host, port, err);
	if (s->fd < 0) {
		rc = s->fd;
		free(s);
		return rc;
	}
	s->files = (struct vhd_files){
		.open = icbinn_open,
		.remove = icbinn_remove,
		.resolve = icbinn_resolve,
	};
	*out = &s->files;
	return 0;
}

void vhd_files_icbinn_free(struct vhd_files *files)
{
	struct server *s = (struct server *)files;

	if (!s)
		return;
	(void)close(s->fd); /* all files were closed before */
	free(s);
}
