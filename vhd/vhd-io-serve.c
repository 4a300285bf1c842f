/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-io-serve.c - the other end of ICBINN: calls answered from a folder.
 *
 * No path leads out of the folder: the kernel resolves each as if the folder
 * were the root (RESOLVE_IN_ROOT), links included.  A handle is a place in a
 * table of what this client opened.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "lib/bytes.h"
#include "vhd/icbinn.h"

#define HANDLES 64
#define FIRST   6u /* the first handle, as it was recorded */
#define IDLE_MS 60000

struct client {
	int root;
	int sock;
	uint32_t limit; /* bytes of data a call */
	int file[HANDLES];
	struct vhd_xdr in, out;
	uint8_t call[VHD_ICBINN_MESSAGE], reply[VHD_ICBINN_MESSAGE];
};

static int open_in(struct client *c, const char *path, int flags, mode_t mode)
{
	struct open_how how = {
		.flags = (uint64_t)(flags | O_CLOEXEC),
		.mode = mode,
		.resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS,
	};
	int fd = (int)syscall(SYS_openat2, c->root, *path ? path : ".", &how,
			      sizeof(how));

	return fd < 0 ? -errno : fd;
}

/* The folder a path is in, and its last part. */
static int open_folder(struct client *c, char *path, const char **base)
{
	char *slash = strrchr(path, '/');

	while (slash && slash > path && !slash[1]) {
		*slash = '\0';
		slash = strrchr(path, '/');
	}
	*base = slash ? slash + 1 : path;
	if (!**base || !strcmp(*base, "..")) {
		*base = ".";
		return open_in(c, path, O_PATH | O_DIRECTORY, 0);
	}
	if (!slash)
		return open_in(c, ".", O_PATH | O_DIRECTORY, 0);
	*slash = '\0';
	return open_in(c, path, O_PATH | O_DIRECTORY, 0);
}

static uint32_t type_of(mode_t mode)
{
	if (S_ISREG(mode))
		return ICBINN_FILE;
	if (S_ISDIR(mode))
		return ICBINN_DIR;
	return S_ISLNK(mode) ? ICBINN_LINK : ICBINN_OTHER;
}

/* Where a handle leads, or NULL. */
static int *handle(struct client *c)
{
	uint32_t n = vhd_xdr_get32(&c->in);

	if (n < FIRST || n - FIRST >= HANDLES || c->file[n - FIRST] < 0)
		return NULL;
	return &c->file[n - FIRST];
}

static int get_path(struct client *c, char path[VHD_ICBINN_PATH + 1])
{
	return vhd_xdr_get_string(&c->in, path, VHD_ICBINN_PATH) ? 0 : -EPROTO;
}

/* What is said when it worked; the results follow. */
static void succeed(struct client *c)
{
	vhd_xdr_put32(&c->out, 0);
}

static int do_stat(struct client *c)
{
	char path[VHD_ICBINN_PATH + 1];
	const char *base;
	struct stat st;
	int fd, rc;

	if (get_path(c, path))
		return -EPROTO;
	fd = open_folder(c, path, &base);
	if (fd < 0)
		return fd;
	rc = fstatat(fd, base, &st, AT_SYMLINK_NOFOLLOW) ? -errno : 0;
	(void)close(fd); /* it was O_PATH */
	if (rc)
		return rc;
	succeed(c);
	vhd_xdr_put64(&c->out, (uint64_t)st.st_size);
	vhd_xdr_put32(&c->out, type_of(st.st_mode));
	return 0;
}

static int do_open(struct client *c)
{
	char path[VHD_ICBINN_PATH + 1];
	uint32_t mode, i = 0;
	int flags, fd;

	if (get_path(c, path))
		return -EPROTO;
	mode = vhd_xdr_get32(&c->in);
	if (c->in.bad)
		return -EPROTO;
	flags = mode & ICBINN_RDWR     ? O_RDWR
		: mode & ICBINN_WRONLY ? O_WRONLY
				       : O_RDONLY;
	flags |= mode & ICBINN_CREAT ? O_CREAT : 0;
	flags |= mode & ICBINN_TRUNC ? O_TRUNC : 0;
	while (i < HANDLES && c->file[i] >= 0)
		i++;
	if (i == HANDLES)
		return -EMFILE;
	fd = open_in(c, path, flags | O_NONBLOCK | O_NOCTTY,
		     flags & O_CREAT ? 0600 : 0);
	if (fd < 0)
		return fd;
	c->file[i] = fd;
	succeed(c);
	vhd_xdr_put32(&c->out, FIRST + i);
	return 0;
}

static int do_lock(struct client *c)
{
	static const short types[] = { F_RDLCK, F_WRLCK, F_UNLCK };
	int *fd = handle(c);
	uint32_t type = vhd_xdr_get32(&c->in);
	struct flock lock = { .l_whence = SEEK_SET };

	if (c->in.bad)
		return -EPROTO;
	if (!fd || type >= ARRAY_SIZE(types))
		return fd ? -EINVAL : -EBADF;
	lock.l_type = types[type];
	if (fcntl(*fd, F_SETLK, &lock))
		return -errno;
	succeed(c);
	return 0;
}

static int do_pread(struct client *c)
{
	int *fd = handle(c);
	uint64_t off = vhd_xdr_get64(&c->in), count = vhd_xdr_get64(&c->in);
	ssize_t n;

	if (c->in.bad)
		return -EPROTO;
	if (!fd || count > c->limit)
		return fd ? -EINVAL : -EBADF;
	/* The call is read; its room is free. */
	n = pread(*fd, c->call, (size_t)count, (off_t)off);
	if (n < 0)
		return -errno;
	succeed(c);
	vhd_xdr_put_bytes(&c->out, c->call, (size_t)n);
	return 0;
}

static int do_pwrite(struct client *c)
{
	int *fd = handle(c);
	uint64_t off = vhd_xdr_get64(&c->in);
	size_t len, done = 0;
	const uint8_t *p = vhd_xdr_get_bytes(&c->in, c->limit, &len);

	if (!p)
		return -EPROTO;
	if (!fd)
		return -EBADF;
	while (done < len) {
		ssize_t n =
			pwrite(*fd, p + done, len - done, (off_t)(off + done));

		if (n <= 0)
			return n ? -errno : -EIO;
		done += (size_t)n;
	}
	succeed(c);
	return 0;
}

static int do_close(struct client *c)
{
	int *fd = handle(c), rc;

	if (c->in.bad)
		return -EPROTO;
	if (!fd)
		return -EBADF;
	rc = close(*fd) ? -errno : 0;
	*fd = -1;
	if (!rc)
		succeed(c);
	return rc;
}

static int do_sync(struct client *c)
{
	int *fd = handle(c);

	if (c->in.bad)
		return -EPROTO;
	if (!fd)
		return -EBADF;
	if (fsync(*fd))
		return -errno;
	succeed(c);
	return 0;
}

static int do_truncate(struct client *c)
{
	int *fd = handle(c);
	uint64_t size = vhd_xdr_get64(&c->in);

	if (c->in.bad)
		return -EPROTO;
	if (!fd)
		return -EBADF;
	if (ftruncate(*fd, (off_t)size))
		return -errno;
	succeed(c);
	return 0;
}

static int do_fallocate(struct client *c)
{
	int *fd = handle(c);
	uint32_t mode = vhd_xdr_get32(&c->in);
	uint64_t off = vhd_xdr_get64(&c->in), len = vhd_xdr_get64(&c->in);

	if (c->in.bad)
		return -EPROTO;
	if (!fd)
		return -EBADF;
	if (fallocate(*fd, (int)mode, (off_t)off, (off_t)len))
		return -errno;
	succeed(c);
	return 0;
}

/* Calls that take one path and give nothing back. */
static int do_path(struct client *c, enum vhd_icbinn_proc proc)
{
	char path[VHD_ICBINN_PATH + 1];
	const char *base;
	int fd, rc;

	if (get_path(c, path))
		return -EPROTO;
	fd = open_folder(c, path, &base);
	if (fd < 0)
		return fd;
	if (proc == ICBINN_MKDIR)
		rc = mkdirat(fd, base, 0700);
	else
		rc = unlinkat(fd, base,
			      proc == ICBINN_RMDIR ? AT_REMOVEDIR : 0);
	rc = rc ? -errno : 0;
	(void)close(fd); /* it was O_PATH */
	if (!rc)
		succeed(c);
	return rc;
}

static int do_two_paths(struct client *c, enum vhd_icbinn_proc proc)
{
	char from[VHD_ICBINN_PATH + 1], to[VHD_ICBINN_PATH + 1];
	const char *base_from = from, *base_to;
	int a = AT_FDCWD, b, rc;

	if (get_path(c, from) || get_path(c, to))
		return -EPROTO;
	b = open_folder(c, to, &base_to);
	if (proc == ICBINN_RENAME)
		a = open_folder(c, from, &base_from);
	if (b < 0 || (a < 0 && a != AT_FDCWD))
		rc = b < 0 ? b : a;
	else if (proc == ICBINN_RENAME)
		rc = renameat(a, base_from, b, base_to) ? -errno : 0;
	else
		rc = symlinkat(from, b, base_to) ? -errno : 0;
	if (a >= 0)
		(void)close(a); /* it was O_PATH */
	if (b >= 0)
		(void)close(b); /* likewise */
	if (!rc)
		succeed(c);
	return rc;
}

static int do_readlink(struct client *c)
{
	char path[VHD_ICBINN_PATH + 1], to[VHD_ICBINN_DATA];
	const char *base;
	uint64_t size;
	ssize_t n;
	int fd;

	if (get_path(c, path))
		return -EPROTO;
	size = vhd_xdr_get64(&c->in);
	if (c->in.bad)
		return -EPROTO;
	if (!size || size > c->limit)
		return -EINVAL;
	fd = open_folder(c, path, &base);
	if (fd < 0)
		return fd;
	n = readlinkat(fd, base, to, size < sizeof(to) ? size : sizeof(to));
	n = n < 0 ? -errno : n;
	(void)close(fd); /* it was O_PATH */
	if (n < 0)
		return (int)n;
	succeed(c);
	vhd_xdr_put_bytes(&c->out, to, (size_t)n);
	return 0;
}

static int do_statfs(struct client *c)
{
	char path[VHD_ICBINN_PATH + 1];
	struct statfs st;
	int fd, rc;

	if (get_path(c, path))
		return -EPROTO;
	fd = open_in(c, path, O_PATH, 0);
	if (fd < 0)
		return fd;
	rc = fstatfs(fd, &st) ? -errno : 0;
	(void)close(fd); /* it was O_PATH */
	if (rc)
		return rc;
	succeed(c);
	vhd_xdr_put64(&c->out, (uint64_t)st.f_bsize);
	vhd_xdr_put64(&c->out, st.f_blocks);
	vhd_xdr_put64(&c->out, st.f_bfree);
	vhd_xdr_put64(&c->out, st.f_bavail);
	return 0;
}

static int do_rand(struct client *c)
{
	uint64_t count = vhd_xdr_get64(&c->in);
	uint32_t src = vhd_xdr_get32(&c->in);
	size_t done = 0;

	if (c->in.bad)
		return -EPROTO;
	if (count > c->limit || src > 1)
		return -EINVAL;
	while (done < count) {
		ssize_t n = getrandom(c->call + done, (size_t)count - done, 0);

		if (n < 0)
			return -errno;
		done += (size_t)n;
	}
	succeed(c);
	vhd_xdr_put_bytes(&c->out, c->call, done);
	return 0;
}

/* One entry; false when there is no room for another. */
static bool put_entry(struct client *c, DIR *dir, const char *name)
{
	struct stat st;

	if (c->out.size - c->out.at < 2 * VHD_ICBINN_NAME)
		return false;
	if (fstatat(dirfd(dir), name, &st, AT_SYMLINK_NOFOLLOW))
		st.st_mode = 0;
	vhd_xdr_put32(&c->out, 1);
	vhd_xdr_put_bytes(&c->out, name, strlen(name));
	vhd_xdr_put32(&c->out, type_of(st.st_mode));
	return true;
}

static int do_readdir(struct client *c)
{
	char path[VHD_ICBINN_PATH + 1];
	uint32_t skip, count, eof = 1;
	struct dirent *e;
	DIR *dir;
	int fd;

	if (get_path(c, path))
		return -EPROTO;
	skip = vhd_xdr_get32(&c->in);
	count = vhd_xdr_get32(&c->in);
	if (c->in.bad)
		return -EPROTO;
	fd = open_in(c, path, O_RDONLY | O_DIRECTORY, 0);
	dir = fd < 0 ? NULL : fdopendir(fd);
	if (!dir)
		return fd < 0 ? fd : -errno;
	succeed(c);
	while (eof && (e = readdir(dir))) {
		if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, "..") ||
		    (skip && skip--))
			continue;
		if (!count || !put_entry(c, dir, e->d_name) || !--count)
			eof = 0;
	}
	(void)closedir(dir); /* was read only */
	vhd_xdr_put32(&c->out, 0);
	vhd_xdr_put32(&c->out, eof);
	return 0;
}

static int run(struct client *c, enum vhd_icbinn_proc proc)
{
	static int (*const simple[ICBINN_PROCS])(struct client *) = {
		[ICBINN_READDIR] = do_readdir,
		[ICBINN_STAT] = do_stat,
		[ICBINN_OPEN] = do_open,
		[ICBINN_LOCK] = do_lock,
		[ICBINN_PREAD] = do_pread,
		[ICBINN_PWRITE] = do_pwrite,
		[ICBINN_CLOSE] = do_close,
		[ICBINN_FTRUNCATE] = do_truncate,
		[ICBINN_RAND] = do_rand,
		[ICBINN_FALLOCATE] = do_fallocate,
		[ICBINN_READLINK] = do_readlink,
		[ICBINN_STATFS] = do_statfs,
		[ICBINN_FSYNC] = do_sync,
	};

	if (proc == ICBINN_NULL)
		return 0;
	if (simple[proc])
		return simple[proc](c);
	if (proc == ICBINN_RENAME || proc == ICBINN_SYMLINK)
		return do_two_paths(c, proc);
	return do_path(c, proc);
}

/* A call in c->call, of size bytes, answered; the length of the reply. */
static size_t answer(struct client *c, size_t size)
{
	uint32_t xid, proc, accept;
	int rc = 0;

	c->in = (struct vhd_xdr){ .buf = c->call, .size = size };
	c->out = (struct vhd_xdr){ .buf = c->reply, .size = sizeof(c->reply) };
	if (!vhd_icbinn_get_call(&c->in, &xid, &proc, &accept))
		return 0;
	vhd_icbinn_reply(&c->out, xid, accept);
	if (accept == ICBINN_SUCCESS)
		rc = run(c, proc);
	if (rc == -EPROTO) {
		vhd_icbinn_reply(&c->out, xid, ICBINN_GARBAGE_ARGS);
	} else if (rc) {
		vhd_icbinn_reply(&c->out, xid, ICBINN_SUCCESS);
		vhd_xdr_put32(&c->out, 1);
		if (proc != ICBINN_READDIR && proc != ICBINN_RAND)
			vhd_xdr_put32(&c->out, (uint32_t)-rc);
	}
	return vhd_icbinn_seal(&c->out);
}

static bool get(int fd, uint8_t *p, size_t len)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	while (len) {
		ssize_t n;

		if (poll(&pfd, 1, IDLE_MS) <= 0)
			return false;
		n = read(fd, p, len);
		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

static bool get_record(struct client *c, size_t *size)
{
	uint8_t mark[4];

	*size = 0;
	do {
		size_t n;

		if (!get(c->sock, mark, sizeof(mark)))
			return false;
		n = bytes_be32(mark) & 0x7fffffff;
		if (n > sizeof(c->call) - *size ||
		    !get(c->sock, c->call + *size, n))
			return false;
		*size += n;
	} while (!(mark[0] & 0x80));
	return true;
}

static bool put(int fd, const uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n = write(fd, p, len);

		if (n <= 0)
			return false;
		p += n;
		len -= (size_t)n;
	}
	return true;
}

int vhd_icbinn_serve(int sock, int root, uint32_t limit)
{
	struct client *c = calloc(1, sizeof(*c));
	size_t size, len;

	if (!c)
		return -ENOMEM;
	memset(c->file, 0xff, sizeof(c->file));
	c->sock = sock;
	c->root = root;
	c->limit = limit;
	while (get_record(c, &size)) {
		len = answer(c, size);
		if (!len || !put(sock, c->reply, len))
			break;
	}
	for (unsigned i = 0; i < HANDLES; i++) {
		if (c->file[i] >= 0)
			(void)close(c->file[i]); /* the client did not ask */
	}
	free(c);
	return 0;
}
