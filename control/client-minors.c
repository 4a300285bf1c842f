/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client-minors.c - the numbers of disks: marker files, and their locks.
 *
 * A minor is taken when its marker exists, and in use while a tapdisk holds
 * the marker's lock. Whoever makes or removes markers holds the lock of their
 * directory; that lock is waited for, but not for ever.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "control/client.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define MARKERS "tapdisk"
#define STEP_MS 10

static int make_dir(const char *path, struct err *err)
{
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return err_sys(err, "%s", path);
	return 0;
}

int tapctl_make_dirs(const char *dir, struct err *err)
{
	char path[TAPCTL_PATH];
	int rc;

	if (tapctl_path(path, dir, MARKERS) < 0)
		return err_set(err, -ENAMETOOLONG, "%s: too long", dir);
	rc = make_dir(dir ? dir : TAPCTL_DIR, err);
	return rc < 0 ? rc : make_dir(path, err);
}

/* The locked directory's descriptor, or -errno. */
static int lock_markers(const char *dir, struct err *err)
{
	char path[TAPCTL_PATH];
	int fd;

	if (tapctl_path(path, dir, MARKERS) < 0)
		return err_set(err, -ENAMETOOLONG, "%s: too long", dir);
	fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "%s", path);
	for (int ms = 0; flock(fd, LOCK_EX | LOCK_NB) < 0; ms += STEP_MS) {
		if (errno == EWOULDBLOCK && ms < TAPCTL_TIMEOUT_MS) {
			(void)poll(NULL, 0, STEP_MS); /* just wait */
			continue;
		}
		(void)close(fd); /* opened for reading */
		return err_set(err, -ETIMEDOUT, "%s: locked by another", path);
	}
	return fd;
}

int tapctl_allocate(const char *dir, int *minor, struct err *err)
{
	cleanup_fd int lock = -1;
	char name[32];
	int fd, rc;

	rc = tapctl_make_dirs(dir, err);
	if (rc < 0)
		return rc;
	lock = lock_markers(dir, err);
	if (lock < 0)
		return lock;
	for (int n = 0; n < TAPCTL_MINORS; n++) {
		(void)snprintf(name, sizeof(name), "tapdisk-%d",
			       n); /* it fits */
		fd = openat(lock, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC,
			    0600);
		if (fd < 0 && errno == EEXIST)
			continue;
		if (fd < 0)
			return err_sys(err, "%s", name);
		(void)close(fd); /* it is empty */
		*minor = n;
		return 0;
	}
	return err_set(err, -ENOSPC, "all minors are taken");
}

int tapctl_free(const char *dir, int minor, struct err *err)
{
	cleanup_fd int lock = lock_markers(dir, err);
	cleanup_fd int fd = -1;
	char name[32];

	if (lock < 0)
		return lock;
	(void)snprintf(name, sizeof(name), "tapdisk-%d", minor); /* it fits */
	fd = openat(lock, name, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return err_sys(err, "minor %d", minor);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, -errno, "minor %d: a tapdisk holds it",
			       minor);
	if (unlinkat(lock, name, 0) < 0)
		return err_sys(err, "minor %d", minor);
	return 0;
}
