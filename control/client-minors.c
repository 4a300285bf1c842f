/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * client-minors.c - the numbers of disks: marker files, and their locks.
 *
 * A minor is taken when its marker exists, and in use while a tapdisk holds
 * the marker's lock. Whoever makes or removes markers holds the lock of their
 * directory; that lock is waited for, but not for ever. A marker is empty, or
 * says "blktap2": then the kernel's block device shall be made of its disk.
 *
 * With the kernel module there, it gives the numbers. One that it gives and
 * whose marker exists (it was taken before the module came) is held until
 * another has been given, so that it is not given again.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "compat/blktap2/blktap2.h"
#include "control/client.h"
#include "lib/cleanup.h"
#include "lib/err.h"

#define MARKERS "tapdisk"
#define STEP_MS 10

#define KERNEL_KIND "blktap2\n"
#define HELD_MAX    1024

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

/* Make the marker; -EEXIST if it is there. */
static int make_marker(int dirfd, int minor, enum tapctl_kind kind)
{
	const char *text = kind == TAPCTL_KIND_BLKTAP2 ? KERNEL_KIND : "";
	cleanup_fd int fd = -1;
	char name[32];

	(void)snprintf(name, sizeof(name), "tapdisk-%d", minor); /* it fits */
	fd = openat(dirfd, name, O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
		(void)unlinkat(dirfd, name, 0); /* it was made just now */
		return -EIO;
	}
	return 0;
}

/* The lowest number without a marker. */
static int take_marker(int dirfd, int *minor, struct err *err)
{
	for (int n = 0; n < TAPCTL_MINORS; n++) {
		int rc = make_marker(dirfd, n, TAPCTL_KIND_XENIO);

		if (rc == -EEXIST)
			continue;
		*minor = n;
		return rc ? err_set(err, rc, "tapdisk-%d: %s", n, strerror(-rc))
			  : 0;
	}
	return err_set(err, -ENOSPC, "all minors are taken");
}

/*
 * The module gives a number whose marker says that it came from the module:
 * an older tool has given it back and knew nothing of markers.
 */
static bool drop_stale(int dirfd, int minor)
{
	cleanup_fd int fd = -1;
	char name[32], text[16] = "";

	(void)snprintf(name, sizeof(name), "tapdisk-%d", minor); /* it fits */
	fd = openat(dirfd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 &&
	       !strcmp(text, KERNEL_KIND) && !flock(fd, LOCK_EX | LOCK_NB) &&
	       !unlinkat(dirfd, name, 0);
}

/* A number that the module gives and that has no marker yet. */
static int take_kernel(const struct blktap2_host *host, int dirfd,
		       enum tapctl_kind kind, int *minor, struct err *err)
{
	unsigned held[HELD_MAX], n = 0;
	int rc = -EEXIST;

	while (rc == -EEXIST && n < HELD_MAX) {
		unsigned given;

		rc = blktap2_allocate(host, &given, err);
		if (rc)
			break;
		rc = make_marker(dirfd, (int)given, kind);
		if (rc == -EEXIST && drop_stale(dirfd, (int)given))
			rc = make_marker(dirfd, (int)given, kind);
		if (!rc) {
			*minor = (int)given;
			break;
		}
		held[n++] = given;
		err_set(err, rc, "tapdisk-%u: %s", given, strerror(-rc));
	}
	while (n)
		(void)blktap2_free(host, held[--n], NULL); /* was not used */
	return rc;
}

int tapctl_allocate(const char *dir, enum tapctl_kind kind, int *minor,
		    struct err *err)
{
	cleanup_fd int lock = -1;
	struct blktap2_host host;
	int rc = blktap2_probe(&host, "", err);
	bool module = !rc;

	if (!module && kind == TAPCTL_KIND_BLKTAP2)
		return rc;
	rc = tapctl_make_dirs(dir, err);
	if (rc < 0)
		return rc;
	lock = lock_markers(dir, err);
	if (lock < 0)
		return lock;
	return module ? take_kernel(&host, lock, kind, minor, err)
		      : take_marker(lock, minor, err);
}

/* Give the module its number back, if it has it. */
static int free_kernel(int minor, struct err *err)
{
	struct blktap2_host host;
	int rc;

	if (blktap2_probe(&host, "", NULL))
		return -ENODEV;
	rc = blktap2_free(&host, (unsigned)minor, err);
	return rc == -EINVAL ? -ENODEV : rc;
}

int tapctl_free(const char *dir, int minor, struct err *err)
{
	cleanup_fd int lock = lock_markers(dir, err);
	cleanup_fd int fd = -1;
	char name[32];
	int rc;

	if (lock < 0)
		return lock;
	(void)snprintf(name, sizeof(name), "tapdisk-%d", minor); /* it fits */
	fd = openat(lock, name, O_RDWR | O_CLOEXEC);
	if (fd < 0 && errno == ENOENT) {
		/* An older tool makes none. */
		rc = free_kernel(minor, err);
		return rc != -ENODEV ? rc
				     : err_set(err, -ENOENT, "minor %d: %s",
					       minor, strerror(ENOENT));
	}
	if (fd < 0)
		return err_sys(err, "minor %d", minor);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return err_set(err, -errno, "minor %d: a tapdisk holds it",
			       minor);
	rc = free_kernel(minor, err);
	if (rc && rc != -ENODEV)
		return rc;
	if (unlinkat(lock, name, 0) < 0)
		return err_sys(err, "minor %d", minor);
	return 0;
}

int tapctl_kind(const char *dir, int minor)
{
	char path[TAPCTL_PATH], text[16] = "";
	cleanup_fd int fd = -1;
	int rc;

	rc = tapctl_path(path, dir, MARKERS "/tapdisk-%d", minor);
	if (rc < 0)
		return rc;
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	if (fd >= 0) {
		if (read(fd, text, sizeof(text) - 1) < 0)
			return -errno;
		return strcmp(text, KERNEL_KIND) ? TAPCTL_KIND_XENIO
						 : TAPCTL_KIND_BLKTAP2;
	}
	(void)snprintf(path, sizeof(path), BLKTAP2_DIR "/blktap%d", minor);
	return access(path, F_OK) ? -ENOENT : TAPCTL_KIND_BLKTAP2;
}

int tapctl_adopt(const char *dir, int minor)
{
	cleanup_fd int lock = -1;
	int rc = tapctl_kind(dir, minor);

	if (rc < 0)
		return rc;
	lock = lock_markers(dir, NULL);
	return lock < 0 ? lock : make_marker(lock, minor, TAPCTL_KIND_BLKTAP2);
}
