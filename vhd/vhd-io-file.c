/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * vhd-io-file.c - images in local files and on block devices.
 *
 * With vhd-io-icbinn.c the only place of the library that opens anything.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "lib/err.h"
#include "vhd/names.h"
#include "vhd/vhd.h"

/* From this many bytes at once on, the disk is set to work right away. */
#define LARGE (256u << 10)
#define NEAR  65536u

struct io_file {
	struct vhd_io io;
	int fd;
	uint64_t read_to; /* where the last large read ended */
	bool cannot;      /* clone: the file system said so */
	bool remote;      /* its server can copy */
};

static int fd_of(struct vhd_io *io)
{
	return ((struct io_file *)io)->fd;
}

/* While this is dealt with, what comes behind it is read. */
static void read_ahead(struct vhd_io *io, size_t len, uint64_t off)
{
	struct io_file *f = (struct io_file *)io;
	uint64_t was = f->read_to;

	f->read_to = off + len;
	if (off >= was && off - was <= NEAR)
		(void)posix_fadvise(f->fd, (off_t)f->read_to, (off_t)len,
				    POSIX_FADV_WILLNEED); /* or not */
}

static int file_pread(struct vhd_io *io, void *buf, size_t len, uint64_t off)
{
	if (len >= LARGE)
		read_ahead(io, len, off);
	while (len) {
		ssize_t n = pread(fd_of(io), buf, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -ERANGE;
		buf = (char *)buf + n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int file_pwrite(struct vhd_io *io, const void *buf, size_t len,
		       uint64_t off)
{
	const uint64_t start = off;

	while (len) {
		ssize_t n = pwrite(fd_of(io), buf, len, (off_t)off);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n ? -errno : -EIO;
		buf = (const char *)buf + n;
		off += (uint64_t)n;
		len -= (size_t)n;
	}
	/* A hint: the disk need not wait for the sync. */
	if (off - start >= LARGE)
		(void)sync_file_range(fd_of(io), (off_t)start,
				      (off_t)(off - start),
				      SYNC_FILE_RANGE_WRITE);
	return 0;
}

static int file_sync(struct vhd_io *io)
{
	return fdatasync(fd_of(io)) ? -errno : 0;
}

static int file_resize(struct vhd_io *io, uint64_t size)
{
	return ftruncate(fd_of(io), (off_t)size) ? -errno : 0;
}

static int file_size(struct vhd_io *io, uint64_t *out)
{
	struct stat st;
	uint64_t bytes;

	if (fstat(fd_of(io), &st))
		return -errno;
	if (!S_ISBLK(st.st_mode)) {
		*out = (uint64_t)st.st_size;
		return 0;
	}
	if (ioctl(fd_of(io), BLKGETSIZE64, &bytes))
		return -errno;
	*out = bytes;
	return 0;
}

static int file_mtime(struct vhd_io *io, int64_t *out)
{
	struct stat st;

	if (fstat(fd_of(io), &st))
		return -errno;
	*out = st.st_mtime;
	return 0;
}

static int file_get_attr(struct vhd_io *io, const char *name, void *buf,
			 size_t len)
{
	ssize_t n = fgetxattr(fd_of(io), name, buf, len);

	if (n < 0)
		return -errno;
	return (size_t)n == len ? 0 : -EINVAL;
}

static int file_set_attr(struct vhd_io *io, const char *name, const void *buf,
			 size_t len)
{
	return fsetxattr(fd_of(io), name, buf, len, 0) ? -errno : 0;
}

/* Of file systems whose server copies: where it does not, it costs more. */
static bool is_remote(int fd)
{
	static const unsigned long types[] = {
		NFS_SUPER_MAGIC,
		SMB2_SUPER_MAGIC,
		CIFS_SUPER_MAGIC,
		CEPH_SUPER_MAGIC,
	};
	struct statfs st;

	if (fstatfs(fd, &st))
		return false;
	for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
		if ((unsigned long)st.f_type == types[i])
			return true;
	}
	return false;
}

static int copy_remote(int to, off_t off, int from, off_t from_off,
		       uint64_t len)
{
	while (len) {
		ssize_t n = copy_file_range(from, &from_off, to, &off,
					    (size_t)len, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return -EOPNOTSUPP;
		len -= (uint64_t)n;
	}
	return 0;
}

/* Whatever goes wrong here, reading and writing will tell. */
static int file_copy(struct vhd_io *io, uint64_t off, struct vhd_io *from,
		     uint64_t from_off, uint64_t len)
{
	struct io_file *f = (struct io_file *)io;
	struct file_clone_range range = { .src_offset = from_off,
					  .src_length = len,
					  .dest_offset = off };

	if (f->cannot || from->pread != file_pread)
		return -EOPNOTSUPP;
	range.src_fd = fd_of(from);
	if (!f->remote && !ioctl(f->fd, FICLONERANGE, &range))
		return 0;
	/* EINVAL: only these bytes; they are not whole blocks. */
	if (!f->remote && errno == EINVAL)
		return -EOPNOTSUPP;
	f->remote = is_remote(f->fd);
	if (f->remote &&
	    !copy_remote(f->fd, (off_t)off, fd_of(from), (off_t)from_off, len))
		return 0;
	f->cannot = true;
	return -EOPNOTSUPP;
}

static void file_close(struct vhd_io *io)
{
	/* Whoever needs to know has synced. */
	(void)close(fd_of(io));
	free(io);
}

int vhd_io_file(struct vhd_io **out, int fd)
{
	struct io_file *f = calloc(1, sizeof(*f));
	struct stat st;

	if (!f)
		return -ENOMEM;
	if (fstat(fd, &st)) {
		int rc = -errno;

		free(f);
		return rc;
	}
	f->fd = fd;
	f->io = (struct vhd_io){
		.pread = file_pread,
		.pwrite = file_pwrite,
		.sync = file_sync,
		.resize = S_ISBLK(st.st_mode) ? NULL : file_resize,
		.size = file_size,
		.mtime = file_mtime,
		.get_attr = file_get_attr,
		.set_attr = file_set_attr,
		.copy = file_copy,
		.close = file_close,
	};
	*out = &f->io;
	return 0;
}

/*
 * A disk server locks what it writes exclusively and shares the lock of
 * what it only reads.  A tool may work on a parent below running leaves, so
 * it shares the lock too: no writer may be there, nor come until it is done.
 */
static bool is_written(int fd)
{
	return flock(fd, LOCK_SH | LOCK_NB) && errno == EWOULDBLOCK;
}

static int local_open(struct vhd_files *files, struct vhd_io **out,
		      const char *name, unsigned flags, struct err *err)
{
	int mode = flags & (VHD_FILES_WRITE | VHD_FILES_CREATE) ? O_RDWR
								: O_RDONLY;
	struct stat st;
	int fd, rc;

	(void)files;
	if (flags & VHD_FILES_CREATE)
		mode |= O_CREAT | O_EXCL;
	/* Not to wait for the other end of a FIFO. */
	fd = open(name, mode | O_CLOEXEC | O_NONBLOCK, 0644);
	if (fd < 0)
		return err_sys(err, "error opening %s", name);
	if (flags & VHD_FILES_WRITE && is_written(fd)) {
		(void)close(fd); /* nothing was written */
		return err_set(err, -EBUSY,
			       "%s: a disk server has it open for writing",
			       name);
	}
	if (fstat(fd, &st) || (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)))
		rc = err_set(err, -EINVAL, "%s: neither file nor device", name);
	else
		rc = vhd_io_file(out, fd);
	if (rc)
		(void)close(fd); /* nothing was written */
	return rc;
}

static int local_remove(struct vhd_files *files, const char *name)
{
	(void)files;
	return unlink(name) ? -errno : 0;
}

/* A name that is not there yet: its folder's, and what comes behind. */
static char *resolve_new(const char *name)
{
	const char *slash = strrchr(name, '/');
	char *dir =
		slash ? strndup(name, (size_t)(slash - name + 1)) : strdup(".");
	char *real = dir ? realpath(dir, NULL) : NULL;
	char *out = NULL;

	if (real)
		out = vhd_name_join(real, slash ? slash + 1 : name);
	free(real);
	free(dir);
	return out;
}

/*
 * Volumes keep the name under which their manager knows them: what their
 * links lead to is numbered anew at each start.
 */
static char *local_resolve(struct vhd_files *files, const char *name)
{
	char *vol = vhd_name_volume(name), *out;
	struct stat st;

	(void)files;
	if (vol && !stat(vol, &st))
		return vol;
	free(vol);
	if (vhd_name_is_volume(name) && !stat(name, &st) && S_ISBLK(st.st_mode))
		return strdup(name);
	out = realpath(name, NULL);
	return out ? out : resolve_new(name);
}

static bool local_same(struct vhd_files *files, const char *a, const char *b)
{
	struct stat x, y;

	(void)files;
	if (stat(a, &x) || stat(b, &y))
		return false;
	if (S_ISBLK(x.st_mode) && S_ISBLK(y.st_mode))
		return x.st_rdev == y.st_rdev;
	return x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

struct vhd_files *vhd_files_local(void)
{
	static const struct vhd_files local = {
		.open = local_open,
		.remove = local_remove,
		.resolve = local_resolve,
		.same = local_same,
	};

	/* Nobody writes to it; the type is not const for those with state. */
	return (struct vhd_files *)&local;
}
