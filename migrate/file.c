/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * file.c - files that are whole at any instant.
 */
#include "migrate/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/cleanup.h"
#include "lib/err.h"
#include "migrate/mem.h"

/* No configuration is longer. */
enum {
	FILE_MAX = 16 << 20
};

static char *temporary(const char *path)
{
	return mem_printf("%s.blktap-migrate.tmp", path);
}

char *file_dir(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return mem_dup(".");
	return slash == path ? mem_dup("/")
			     : mem_ndup(path, (size_t)(slash - path));
}

bool file_exists(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static int read_all(int fd, char *to, size_t size, size_t *len)
{
	*len = 0;
	while (*len < size) {
		ssize_t n = read(fd, to + *len, size - *len);

		if (n < 0)
			return -errno;
		if (!n)
			break;
		*len += (size_t)n;
	}
	return 0;
}

int file_read(const char *path, char **text, size_t *len, struct err *err)
{
	cleanup_fd int fd =
		open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct stat st;

	if (fd < 0 && errno == ELOOP)
		return err_set(err, -ELOOP, "%s: is a symbolic link", path);
	if (fd < 0 || fstat(fd, &st) < 0)
		return err_sys(err, "%s", path);
	if (!S_ISREG(st.st_mode) || st.st_size > FILE_MAX)
		return err_set(err, -EINVAL, "%s: no file to be edited", path);
	*text = mem_zalloc((size_t)st.st_size + 1);
	if (read_all(fd, *text, (size_t)st.st_size, len) < 0) {
		free(*text);
		*text = NULL;
		return err_sys(err, "%s", path);
	}
	return 0;
}

int file_sync_dir(const char *path, struct err *err)
{
	cleanup_free char *dir = file_dir(path);
	cleanup_fd int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fsync(fd) < 0)
		return err_sys(err, "%s", dir);
	return 0;
}

static int write_all(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

static int fill(int fd, const void *data, size_t len, const struct stat *like)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (like && (st.st_uid != like->st_uid || st.st_gid != like->st_gid) &&
	    fchown(fd, like->st_uid, like->st_gid) < 0)
		return -errno;
	if (like && fchmod(fd, like->st_mode & 07777) < 0)
		return -errno;
	if (write_all(fd, data, len) < 0 || fsync(fd) < 0)
		return -errno;
	return 0;
}

int file_replace(const char *path, const void *data, size_t len,
		 const struct stat *like, struct err *err)
{
	cleanup_free char *tmp = temporary(path);
	int fd =
		open(tmp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		     0600);
	int rc;

	if (fd < 0)
		return err_sys(err, "%s", tmp);
	rc = fill(fd, data, len, like);
	if (close(fd) < 0 && !rc)
		rc = -errno;
	if (!rc && rename(tmp, path) < 0)
		rc = -errno;
	if (!rc)
		return file_sync_dir(path, err);
	(void)unlink(tmp); /* what is told is why it was not filled */
	errno = -rc;
	return err_sys(err, "%s", path);
}

int file_tidy(const char *path, struct err *err)
{
	cleanup_free char *tmp = temporary(path);

	if (unlink(tmp) < 0 && errno != ENOENT)
		return err_sys(err, "%s", tmp);
	return 0;
}
